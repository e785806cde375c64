//! A script with typed holes for what differs by request.

use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use crate::desired::template::SERVER_MARK;

/// Something that only the request or the host knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hole {
    /// The URL by which the node reaches muster.
    Server,
    /// The path that was asked.
    Path,
    /// The machine as it named itself: `mac=…`, `name=…` or `nid=…`.
    Who,
    /// What makes the next request differ: `retry=…`, or `arch=…&ts=…`.
    Again,
    /// ` BOOTIF=01-…`, where the machine named itself by its MAC address.
    BootIf,
}

impl Hole {
    /// Every hole.
    pub const ALL: [Self; 5] = [Self::Server, Self::Path, Self::Who, Self::Again, Self::BootIf];

    /// Returns the text that stands for the hole: a name between control characters, which no script holds.
    #[must_use]
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Server => SERVER_MARK,
            Self::Path => "\u{1}path\u{2}",
            Self::Who => "\u{1}who\u{2}",
            Self::Again => "\u{1}again\u{2}",
            Self::BootIf => "\u{1}bootif\u{2}",
        }
    }
}

/// What fills the holes of one answer.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub server: &'a str,
    pub path: &'a str,
    pub who: &'a str,
    pub again: &'a str,
    /// The hardware address after `BOOTIF=01-`, or nothing.
    pub boot_if: Option<&'a str>,
}

/// How many holes a script has where nobody writes `{{ server }}`: the way back, `BOOTIF=`, and the server twice.
const USUAL_HOLES: usize = 6;

/// A text with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    marked: Box<str>,
    /// Where each hole begins, and which it is; beside the rest, since with 100,000 scripts each look elsewhere is a
    /// cache miss.
    holes: SmallVec<[(u32, Hole); USUAL_HOLES]>,
}

impl Script {
    /// Reads a text with marks; what is written between control characters and is no mark stays as it is.
    #[must_use]
    pub fn from_marked(marked: &str) -> Self {
        let starts = marked.match_indices('\u{1}');
        let holes = starts.filter_map(|(at, _)| {
            let hole = Hole::ALL.into_iter().find(|hole| marked[at..].starts_with(hole.mark()))?;
            Some((at as u32, hole))
        });
        Self { holes: holes.collect(), marked: marked.into() }
    }

    /// Returns the text with marks, from which [`Self::from_marked`] makes the script again.
    #[must_use]
    pub fn marked(&self) -> &str {
        &self.marked
    }

    /// Returns the SHA-256 of the text with marks: equal scripts answer equal requests with equal bytes.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.marked.as_bytes()).into()
    }

    /// Tells whether only the host knows by which URL the node reaches muster.
    #[must_use]
    pub fn needs_server(&self) -> bool {
        self.holes.iter().any(|(_, hole)| *hole == Hole::Server)
    }

    /// Writes the text with its holes filled.
    pub fn fill(&self, ask: &Ask<'_>, out: &mut String) {
        out.reserve(self.marked.len() + ask.server.len() + ask.path.len() + ask.who.len() + 64);
        let mut from = 0;
        for (at, hole) in &self.holes {
            let at = *at as usize;
            out.push_str(&self.marked[from..at]);
            match hole {
                Hole::Server => out.push_str(ask.server),
                Hole::Path => out.push_str(ask.path),
                Hole::Who => out.push_str(ask.who),
                Hole::Again => out.push_str(ask.again),
                Hole::BootIf => {
                    if let Some(address) = ask.boot_if {
                        out.push_str(" BOOTIF=01-");
                        out.push_str(address);
                    }
                }
            }
            from = at + hole.mark().len();
        }
        out.push_str(&self.marked[from..]);
    }

    /// Returns the text with holes shown as `<name>`.
    #[must_use]
    pub fn shown(&self) -> String {
        self.marked.replace('\u{1}', "<").replace('\u{2}', ">")
    }
}
