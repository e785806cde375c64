//! Writes events to the store and then to its followers, in this order, so that a restart never
//! forgets an event that a follower has seen.
//!
//! Each loop has its own pen. Events that the store rejects stay in the pen and are written later;
//! past a bound the oldest is lost, which the log and a later event report.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, info, warn};

use super::clock;
use super::words::chain;
use crate::http::History;
use crate::model::Revision;
use crate::store::{Appended, Store, StoreError};
use crate::story::{self, Commit, Happening, What};

/// The number of events that wait for a store that cannot write: those of a night of commits.
const MAX_WAITING: usize = 256;

/// The history of this host, in the store and in memory.
pub struct Book {
    store: Arc<Store>,
    pub history: Arc<History>,
    /// Keeps the order of events from different loops.
    turn: Mutex<()>,
}

impl Book {
    /// Opens the history of the store.
    pub fn open(store: Arc<Store>) -> Arc<Self> {
        let history = Arc::new(History::default());
        match store.events() {
            Ok(events) => {
                let oldest = events.first().map_or(0, |event| event.seq);
                history.publish(events, oldest);
            }
            Err(error) => warn!(error = %chain(&error), "what happened before cannot be read from the store"),
        }
        Arc::new(Self { store, history, turn: Mutex::default() })
    }
}

/// The writer of events of one loop.
pub struct Pen {
    book: Arc<Book>,
    waiting: VecDeque<Happening>,
    lost: u64,
    failing: bool,
}

impl Pen {
    /// Creates a pen.
    pub fn new(book: Arc<Book>) -> Self {
        Self { book, waiting: VecDeque::new(), lost: 0, failing: false }
    }

    /// Returns the written events, without those that wait in another pen.
    pub fn history(&self) -> &History {
        &self.book.history
    }

    /// Records an event of now, with or without a commit.
    pub fn note(&mut self, commit: Option<Commit>, what: What) {
        if self.waiting.len() >= MAX_WAITING {
            if let Some(Happening { what, .. }) = self.waiting.pop_front() {
                error!(
                    event = what.kind(),
                    "an event is lost, since the store cannot write it: {}",
                    story::told(&what)
                );
            }
            self.lost += 1;
        }
        self.waiting.push_back(Happening { at: clock::now_ms(), commit, what });
    }

    /// Records a verdict on a commit, unless it is recorded already.
    pub fn judge(&mut self, commit: Commit, what: What) {
        let waiting = self.waiting.iter().rev().filter(|waiting| waiting.commit.as_ref() == Some(&commit));
        let told = match waiting.clone().next() {
            Some(last) => last.what == what,
            None => self.history().newest_first(|events| story::is_told(events, &commit.id, &what)),
        };
        if !told {
            self.note(Some(commit), what);
        }
    }

    /// Records that the repository cannot be followed, or can be again, if that is new in this run
    /// or since the last one.
    pub fn tell_source(&mut self, trouble: Option<&str>) {
        let is_of_source = |what: &&What| matches!(what, What::SourceAway { .. } | What::SourceBack);
        let was_away = self.history().newest_first(|events| {
            let waiting = self.waiting.iter().rev().map(|waiting| &waiting.what);
            let mut all = waiting.chain(events.map(|event| &event.happening.what));
            all.find(is_of_source).is_some_and(|what| matches!(what, What::SourceAway { .. }))
        });
        match (trouble, was_away) {
            (Some(reason), false) => self.note(None, What::SourceAway { reason: story::text(reason) }),
            (None, true) => self.note(None, What::SourceBack),
            (Some(_), true) | (None, false) => {}
        }
    }

    /// Writes the waiting events.
    pub fn write(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let book = Arc::clone(&self.book);
        if let Err(error) = self.write_with(|happened| book.store.append_events(happened))
            && !self.failing
        {
            self.failing = true;
            error!(error = %chain(&error), "what happened cannot be stored; it waits, and boots go on");
        }
    }

    /// Writes the waiting events together with something else.
    ///
    /// # Errors
    /// `write` failed. The waiting events are kept.
    pub fn write_with(
        &mut self,
        write: impl FnOnce(&[Happening]) -> Result<Appended, StoreError>,
    ) -> Result<(), StoreError> {
        let mut happened: Vec<Happening> = self.waiting.iter().cloned().collect();
        if self.lost > 0 {
            let what = What::Lost { events: self.lost };
            happened.insert(0, Happening { at: clock::now_ms(), commit: None, what });
        }

        let _turn = self.book.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Appended { events, oldest } = write(&happened)?;
        if !events.is_empty() {
            self.book.history.publish(events, oldest);
        }

        if std::mem::take(&mut self.failing) {
            info!("what happens is stored again");
        }

        self.waiting.clear();
        self.lost = 0;
        Ok(())
    }
}

/// Returns a commit in the form of its events.
pub fn commit(revision: &Revision, subject: &str) -> Commit {
    Commit::new(revision.as_str(), subject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Hold;

    fn book(folder: &tempfile::TempDir) -> Arc<Book> {
        Book::open(Arc::new(Store::open_any(&folder.path().join("muster.redb"), 0).unwrap().0))
    }

    fn kinds(book: &Book) -> Vec<&'static str> {
        let mut kinds: Vec<_> =
            book.history.newest_first(|events| events.map(|event| event.happening.what.kind()).collect());
        kinds.reverse();
        kinds
    }

    fn full() -> StoreError {
        StoreError::Waiting { path: "muster.redb".into(), retry_in: std::time::Duration::from_secs(1) }
    }

    #[test]
    fn what_a_full_disk_refuses_waits_and_past_the_bound_is_lost_and_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder);
        let mut pen = Pen::new(Arc::clone(&book));
        for _ in 0..MAX_WAITING + 3 {
            pen.note(None, What::SourceBack);
            assert!(pen.write_with(|_| Err(full())).is_err());
        }
        assert!(kinds(&book).is_empty(), "nobody is told what is not stored");
        pen.write();
        assert_eq!(kinds(&book).len(), MAX_WAITING + 1);
        assert_eq!(kinds(&book)[0], "lost");
        let lost = book.store.events().unwrap().remove(0);
        assert_eq!(lost.happening.what, What::Lost { events: 3 });
        pen.write();
        assert_eq!(kinds(&book).len(), MAX_WAITING + 1);
    }

    #[test]
    fn a_verdict_is_not_repeated_whether_it_waits_or_is_written_or_was_before_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let judge = |pen: &mut Pen, reason: &str| {
            let what = What::Held { by: Hold::Signature, reason: reason.into() };
            pen.judge(Commit::new("abcd", "s"), what);
        };
        {
            let book = book(&folder);
            let mut pen = Pen::new(Arc::clone(&book));
            judge(&mut pen, "x");
            judge(&mut pen, "x");
            pen.write();
            judge(&mut pen, "x");
            pen.write();
            assert_eq!(kinds(&book), ["held"]);
        }
        let book = book(&folder);
        let mut pen = Pen::new(Arc::clone(&book));
        judge(&mut pen, "x");
        judge(&mut pen, "y");
        pen.write();
        assert_eq!(kinds(&book), ["held", "held"]);
        assert_eq!(book.history.newest_first(|events| events.next().map(|event| event.seq)), Some(2));
    }
}
