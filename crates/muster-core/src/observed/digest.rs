//! What many machines share, kept once and named by its content.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::{Firmware, Inventory};

/// The name of a shared set: the first 16 bytes of the SHA-256 of its JSON, printed as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "String")]
pub struct Digest(pub [u8; 16]);

/// One set that many machines share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharedSet {
    /// BIOS settings by the name of the registry; numbers and booleans as JSON writes them.
    Bios(BTreeMap<Box<str>, Box<str>>),
    Firmware(Firmware),
    Inventory(Inventory),
}

/// The sets that a number of observations name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Shared {
    sets: BTreeMap<Digest, Arc<SharedSet>>,
}

impl SharedSet {
    /// Computes the set's name.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let bytes = serde_json::to_vec(self).expect("a set of plain values is JSON");
        let hash = Sha256::digest(&bytes);
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash[..16]);
        Digest(digest)
    }
}

impl Shared {
    /// Keeps a set and returns its name.
    pub fn keep(&mut self, set: SharedSet) -> Digest {
        let digest = set.digest();
        self.sets.entry(digest).or_insert_with(|| Arc::new(set));
        digest
    }

    /// Keeps a set under a name that was computed before.
    pub fn put(&mut self, digest: Digest, set: Arc<SharedSet>) {
        self.sets.entry(digest).or_insert(set);
    }

    /// Keeps all sets of another.
    pub fn join(&mut self, other: Self) {
        for (digest, set) in other.sets {
            self.put(digest, set);
        }
    }

    /// Returns the set of a name.
    #[must_use]
    pub fn get(&self, digest: Digest) -> Option<&SharedSet> {
        self.sets.get(&digest).map(|set| &**set)
    }

    /// Returns the BIOS settings of a name.
    #[must_use]
    pub fn bios(&self, digest: Digest) -> Option<&BTreeMap<Box<str>, Box<str>>> {
        match self.get(digest)? {
            SharedSet::Bios(set) => Some(set),
            SharedSet::Firmware(_) | SharedSet::Inventory(_) => None,
        }
    }

    /// Returns the firmware of a name.
    #[must_use]
    pub fn firmware(&self, digest: Digest) -> Option<&Firmware> {
        match self.get(digest)? {
            SharedSet::Firmware(set) => Some(set),
            SharedSet::Bios(_) | SharedSet::Inventory(_) => None,
        }
    }

    /// Returns the inventory of a name.
    #[must_use]
    pub fn inventory(&self, digest: Digest) -> Option<&Inventory> {
        match self.get(digest)? {
            SharedSet::Inventory(set) => Some(set),
            SharedSet::Bios(_) | SharedSet::Firmware(_) => None,
        }
    }

    /// Iterates over all sets.
    pub fn iter(&self) -> impl Iterator<Item = (Digest, &Arc<SharedSet>)> {
        self.sets.iter().map(|(digest, set)| (*digest, set))
    }

    /// Counts the sets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Tells whether there is no set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 16]>::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u128::from_str_radix(&text, 16).ok()).flatten();
        number
            .map(|number| Self(number.to_be_bytes()))
            .ok_or_else(|| serde::de::Error::custom("a digest has 32 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_are_kept_once_and_found_by_name() {
        let set = || SharedSet::Bios([("LogicalProc".into(), "Disabled".into())].into());
        let mut shared = Shared::default();
        let digest = shared.keep(set());
        assert_eq!((shared.keep(set()), shared.len()), (digest, 1));
        assert_eq!(&*shared.bios(digest).unwrap()["LogicalProc"], "Disabled");
        assert!(shared.firmware(digest).is_none());
    }

    #[test]
    fn a_digest_survives_json_and_postcard() {
        let digest = Digest(*b"0123456789abcdef");
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        let bytes = postcard::to_stdvec(&digest).unwrap();
        assert_eq!(postcard::from_bytes::<Digest>(&bytes).unwrap(), digest);
        assert!(serde_json::from_str::<Digest>("\"+123456789abcdef0123456789abcdef\"").is_err());
    }
}
