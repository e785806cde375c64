//! What happened, as the api tells it: one event, and a part of the history.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;
use crate::story::{self, Event, What};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventView {
    /// Its number. Numbers rise by one, and none is given twice as long as the store lasts.
    pub seq: u64,
    /// When it happened.
    pub at: String,
    /// The commit that it belongs to, if any.
    pub revision: Option<EventCommit>,
    /// The event, in one sentence.
    pub message: String,
    #[serde(flatten)]
    pub what: What,
}

/// The commit that an event is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventCommit {
    /// The full commit id.
    pub id: String,
    /// Its first 12 digits.
    pub short: String,
    /// The first line of the commit's message.
    pub subject: String,
}

/// A part of what happened, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventList {
    /// The version of this document: `v1`.
    pub api_version: String,
    pub events: Vec<EventView>,
    /// Where to go on (`after=`), where there is more.
    pub next: Option<u64>,
    /// The numbers of the oldest and the newest event that are remembered; 0 where nothing happened yet.
    pub oldest: u64,
    pub newest: u64,
    /// What is missing between `after` and the oldest event that is remembered, if something is.
    pub gap: Option<GapView>,
}

/// Events that are not remembered any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GapView {
    /// The number after which events are missing.
    pub after: u64,
    /// The oldest that follows.
    pub oldest: u64,
    /// What that means, in one sentence.
    pub message: String,
}

impl EventView {
    /// Describes an event; `at` is its time as RFC 3339.
    #[must_use]
    pub fn of(event: &Event, at: String) -> Self {
        let commit = event.happening.commit.as_ref();
        Self {
            seq: event.seq,
            at,
            revision: commit.map(|commit| EventCommit {
                id: commit.id.to_string(),
                short: commit.id.chars().take(12).collect(),
                subject: commit.subject.to_string(),
            }),
            message: story::told(&event.happening.what),
            what: event.happening.what.clone(),
        }
    }

    /// Returns the JSON schema of one event: the name of its file, and its text, which ends in a newline.
    #[must_use]
    pub fn schema() -> (&'static str, String) {
        schema::published::<Self>("event.schema.json", "An event: a line of muster events --format json")
    }
}

impl GapView {
    /// Describes what is missing after a number: those that were dropped, or all of a store that was lost.
    #[must_use]
    pub fn new(after: u64, oldest: u64, newest: u64) -> Self {
        let message = match after > newest {
            true => format!("event {after} is not known here: the store is another one, and begins anew"),
            false => format!("events {} to {} are not remembered any more", after + 1, oldest.saturating_sub(1)),
        };
        Self { after, oldest, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{Commit, Happening, Hold};

    #[test]
    fn an_event_is_flat_and_is_read_again() {
        let what = What::Held { by: Hold::GuardRail, reason: "40 nodes change".into() };
        let commit = Some(Commit::new("0123456789abcdef0123456789abcdef01234567", "a \"b\"\n"));
        let event = Event { seq: 7, happening: Happening { at: 0, commit, what } };
        let view = EventView::of(&event, "1970-01-01T00:00:00Z".into());
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!((&json["event"], &json["by"]), (&"held".into(), &"guard-rail".into()));
        assert_eq!(json["revision"]["short"], "0123456789ab");
        assert_eq!(json["message"], "held by a guard rail: 40 nodes change");
        assert_eq!(serde_json::from_value::<EventView>(json).unwrap(), view);
    }

    #[test]
    fn a_gap_says_what_is_missing() {
        assert_eq!(GapView::new(3, 9, 20).message, "events 4 to 8 are not remembered any more");
        assert!(GapView::new(30, 9, 20).message.contains("begins anew"));
    }
}
