//! A commit's whole story on one host: what was seen of it, what became of it, and which machines booted by it.
//!
//! Events are a closed list, each a record whose purpose is to come in and go out: the store keeps it, the api tells it. This
//! room knows no clock, no file and nobody who reads; it numbers nothing, and forgets nothing.

mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use words::told;

/// The most findings of a refused commit that its event tells; `muster check --rev` tells all.
pub const MAX_FINDINGS: usize = 5;

/// The most bytes of one text of an event: a reason, a subject, a message.
pub const MAX_TEXT: usize = 2048;

/// Something that happened, in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number: one more than that of the event before, from 1; none is given twice by one store.
    pub seq: u64,
    pub happening: Happening,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// When, in unix milliseconds.
    pub at: i64,
    /// The commit that it is of, if it is of one.
    pub commit: Option<Commit>,
    pub what: What,
}

/// A commit by its id and the first line of its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The full id.
    pub id: Box<str>,
    pub subject: Box<str>,
}

impl Commit {
    /// Names a commit; its subject is put on one line, and cut to [`MAX_TEXT`].
    #[must_use]
    pub fn new(id: &str, subject: &str) -> Self {
        Self { id: id.into(), subject: text(subject) }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// The branch moved to the commit.
    Seen {
        /// The branch, or the tag.
        branch: Box<str>,
    },
    /// The commit was taken from the branch, and is served.
    Accepted {
        /// How many nodes it declares.
        nodes: u32,
        /// The signer, if a signature is required.
        signed_by: Option<Box<str>>,
        /// Its changes, if there was a commit before it.
        stat: Option<Stat>,
    },
    /// The commit was accepted with none to compare it with: the store is fresh, or was lost. No guard rail judged it.
    NoBaseline,
    /// A commit that was found good before is served again.
    Served {
        /// Why, in one sentence.
        why: Box<str>,
    },
    /// The commit is good by itself and waits.
    Held {
        by: Hold,
        /// The reason, and how to continue.
        reason: Box<str>,
    },
    /// The commit is at fault, and is not taken.
    Refused {
        /// Why, in one sentence.
        reason: Box<str>,
        /// How many errors it has, and how many warnings.
        errors: u32,
        warnings: u32,
        /// The first of them, errors before warnings.
        findings: Vec<Finding>,
    },
    /// The commit is served in place of the newest.
    Pinned {
        /// The person who pinned it, and the given reason; empty if none was given.
        by: Box<str>,
        reason: Box<str>,
        /// The end of the pin; null if only `muster unpin` ends it.
        until: Option<Box<str>>,
        /// Whether it needed no signature.
        unsigned: bool,
    },
    /// The pin ended.
    Unpinned {
        /// Why, in one sentence.
        why: Box<str>,
    },
    /// The branch may go back to the commit.
    RewindAllowed {
        /// Who allowed it, as they said.
        by: Box<str>,
    },
    /// The repository cannot be followed any more.
    SourceAway {
        /// The reason, and the next step.
        reason: Box<str>,
    },
    /// The repository can be followed again.
    SourceBack,
    /// The first node booted by the commit.
    FirstBoot {
        /// Its name.
        node: Box<str>,
    },
    /// The last node that ran an earlier script booted by the commit: of those that are known to have booted, none runs
    /// another any more.
    LastMoved {
        /// Its name.
        node: Box<str>,
        /// How many nodes ran an earlier script as the commit came.
        nodes: u32,
    },
    /// Events were lost, because the store could not write.
    Lost {
        /// How many.
        events: u64,
    },
}

/// The reason why a good commit waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// A guard rail of `policy.toml`.
    GuardRail,
    /// It lacks the signature that this host requires.
    Signature,
    /// It does not follow the newest accepted commit, and commits must be signed.
    Rewind,
    /// Another commit is pinned.
    Pin,
}

/// How many nodes a commit concerns, against the one that was served before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stat {
    /// Nodes that were not served before.
    pub added: u32,
    /// Nodes that are served no more.
    pub removed: u32,
    /// Nodes of both whose boot script is another.
    pub scripts: u32,
}

/// One finding about a refused commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The stable name of this kind of finding.
    pub code: Box<str>,
    /// The file, from the cluster's root.
    pub path: Box<str>,
    /// Counted from 1; null if the finding is about the whole file.
    pub line: Option<u32>,
    pub message: Box<str>,
}

impl What {
    /// Returns the name of this kind of event, which JSON has under `event`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Seen { .. } => "seen",
            Self::Accepted { .. } => "accepted",
            Self::NoBaseline => "no-baseline",
            Self::Served { .. } => "served",
            Self::Held { .. } => "held",
            Self::Refused { .. } => "refused",
            Self::Pinned { .. } => "pinned",
            Self::Unpinned { .. } => "unpinned",
            Self::RewindAllowed { .. } => "rewind-allowed",
            Self::SourceAway { .. } => "source-away",
            Self::SourceBack => "source-back",
            Self::FirstBoot { .. } => "first-boot",
            Self::LastMoved { .. } => "last-moved",
            Self::Lost { .. } => "lost",
        }
    }
}

/// Tells whether a verdict on a commit is told already: since the branch came to stand there, nothing else was said of it.
///
/// So a restart, which judges the newest commit anew, repeats nothing. `newest_first` is what happened until now.
pub fn is_told<'e>(newest_first: impl IntoIterator<Item = &'e Event>, commit: &str, what: &What) -> bool {
    for event in newest_first {
        let is_of = event.happening.commit.as_ref().is_some_and(|of| &*of.id == commit);
        match &event.happening.what {
            What::Held { .. } | What::Refused { .. } if is_of => return event.happening.what == *what,
            What::Seen { .. } | What::Accepted { .. } | What::Served { .. } if is_of => return false,
            What::Pinned { .. } | What::Unpinned { .. } if matches!(what, What::Held { by: Hold::Pin, .. }) => {
                return false;
            }
            What::Seen { .. }
            | What::Accepted { .. }
            | What::NoBaseline
            | What::Served { .. }
            | What::Held { .. }
            | What::Refused { .. }
            | What::Pinned { .. }
            | What::Unpinned { .. }
            | What::RewindAllowed { .. }
            | What::SourceAway { .. }
            | What::SourceBack
            | What::FirstBoot { .. }
            | What::LastMoved { .. }
            | What::Lost { .. } => {}
        }
    }
    false
}

/// Takes text of whatever length and bytes as one line of at most [`MAX_TEXT`] bytes.
#[must_use]
pub fn text(text: &str) -> Box<str> {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    match line.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= MAX_TEXT - 3).last() {
        Some(end) if line.len() > MAX_TEXT => format!("{}…", &line[..end]).into(),
        Some(_) | None => line.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(seq: u64, commit: &str, what: What) -> Event {
        Event { seq, happening: Happening { at: 0, commit: Some(Commit::new(commit, "s")), what } }
    }

    fn held(reason: &str) -> What {
        What::Held { by: Hold::Signature, reason: reason.into() }
    }

    #[test]
    fn a_verdict_is_told_once_until_the_branch_comes_back_to_it() {
        let seen = || What::Seen { branch: "main".into() };
        let mut all = vec![event(1, "a", seen()), event(2, "a", held("x"))];
        let told = |all: &[Event], what: &What| is_told(all.iter().rev(), "a", what);
        assert!(told(&all, &held("x")) && !told(&all, &held("y")));
        assert!(!is_told(all.iter().rev(), "b", &held("x")));
        all.extend([event(3, "b", seen()), event(4, "b", held("x"))]);
        assert!(told(&all, &held("x")), "another commit changes nothing");
        all.push(event(5, "a", seen()));
        assert!(!told(&all, &held("x")));
        let pin = || What::Held { by: Hold::Pin, reason: "b is pinned".into() };
        all.push(event(6, "a", pin()));
        assert!(told(&all, &pin()));
        all.push(event(7, "b", What::Unpinned { why: "by word".into() }));
        assert!(!told(&all, &pin()), "another pin is news");
    }

    proptest! {
        #[test]
        fn text_is_one_bounded_line(given in any::<String>(), times in 1..200_usize) {
            let line = text(&given.repeat(times));
            prop_assert!(line.len() <= MAX_TEXT && !line.chars().any(char::is_control));
        }
    }
}
