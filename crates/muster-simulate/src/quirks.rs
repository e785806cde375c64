//! A set of quirks, small enough to copy.

use muster_core::model::Quirk;

/// The quirks of a BMC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quirks(u64);

const _: () = assert!(Quirk::ALL.len() <= 64, "a set of quirks has one bit for each");

impl Quirks {
    /// Creates a set.
    #[must_use]
    pub const fn of(quirks: &[Quirk]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < quirks.len() {
            bits |= 1 << quirks[at] as u64;
            at += 1;
        }
        Self(bits)
    }

    /// Returns whether a quirk is in the set.
    #[must_use]
    pub const fn has(self, quirk: Quirk) -> bool {
        self.0 & (1 << quirk as u64) != 0
    }

    /// Returns the union of two sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Removes a quirk.
    #[must_use]
    pub const fn without(self, quirk: Quirk) -> Self {
        Self(self.0 & !(1 << quirk as u64))
    }

    /// Iterates over the quirks in the set.
    pub fn iter(self) -> impl Iterator<Item = Quirk> {
        Quirk::ALL.iter().copied().filter(move |quirk| self.has(*quirk))
    }
}
