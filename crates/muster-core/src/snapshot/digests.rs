//! What is kept of a document whose text is not.

use sha2::{Digest, Sha256};

use crate::desired::template::SERVER_MARK;

/// The digest of a text with holes: two texts of one digest are served as the same bytes to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextDigest {
    sha256: [u8; 32],
    needs_server: bool,
}

impl TextDigest {
    /// Digests a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { sha256: Sha256::digest(text.as_bytes()).into(), needs_server: text.contains(SERVER_MARK) }
    }

    /// Takes up what [`Self::parts`] gave.
    #[must_use]
    pub fn from_parts(sha256: [u8; 32], needs_server: bool) -> Self {
        Self { sha256, needs_server }
    }

    /// Returns the SHA-256 of the text, and whether it refers to muster by a URL that the request decides.
    #[must_use]
    pub fn parts(&self) -> ([u8; 32], bool) {
        (self.sha256, self.needs_server)
    }

    /// Tells whether the request decides by which URL the text refers to muster.
    #[must_use]
    pub fn needs_server(&self) -> bool {
        self.needs_server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_alone_have_equal_digests() {
        let url = format!("s={SERVER_MARK}/cloud-init/");
        assert_eq!(TextDigest::new(&url), TextDigest::new(&url.clone()));
        assert_ne!(TextDigest::new("n: 1"), TextDigest::new("n: 1.0"));
        assert!(TextDigest::new(&url).needs_server() && !TextDigest::new("n: 1").needs_server());
    }
}
