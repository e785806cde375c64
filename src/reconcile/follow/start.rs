//! The start from the store: serves the stored scripts at once, then builds their inputs.
//!
//! Both give the same bytes except after an upgrade of muster: then the output of this version
//! counts, and the differences are reported. If this version refuses the inputs, the stored
//! scripts stay in service.

use std::sync::Arc;
use std::time::Instant;

use tracing::{error, info, warn};

use super::super::building::Unbuilt;
use super::super::pin::{self, Pinned};
use super::super::standing::Refused;
use super::super::{remember, words};
use super::Follower;
use crate::git::Mirror;
use crate::model::Revision;
use crate::store::{Accepted, LastGood, StoreError};
use crate::view::UpgradeView;

impl Follower {
    /// Serves the last good commit of the store, so that booting does not wait for git.
    pub fn start_from_store(&mut self) {
        self.trust.restore(&self.store);
        self.restore_attempts();
        match self.store.pin() {
            Ok(pin) => self.pinned = pin.map(|pin| Pinned::new(pin, true)),
            Err(error) => warn!(error = %words::chain(&error), "the pin cannot be read from the store"),
        }

        if let Some(view) = self.pinned.as_ref().map(Pinned::view) {
            warn!("{}", pin::told(&view));
            self.standing.pin(Some(view));
        }

        if let Err(error) = self.try_start_from_store() {
            warn!(error = %words::chain(&error), "the last good commit cannot be read from the store");
        }
    }

    fn try_start_from_store(&mut self) -> Result<(), StoreError> {
        let started = Instant::now();
        let Some(accepted) = self.store.last_accepted()? else { return Ok(()) };
        let stored = self.serve_stored(&accepted, started);
        self.build_stored(accepted, stored, started)
    }

    /// Builds the stored commit if an order interrupted its build.
    pub(super) fn build_what_is_stored(&mut self) {
        if !std::mem::take(&mut self.is_start_unbuilt) {
            return;
        }

        // An order may have put a newer commit in its place.
        let is_stored = self.shared.load().snapshot.as_ref().is_none_or(|snapshot| snapshot.is_stored());
        let accepted = match self.store.last_accepted() {
            Ok(Some(accepted)) if is_stored => accepted,
            Ok(_) | Err(_) => return,
        };

        let stored = remember::stored(&self.store, &accepted.revision);
        let stored = stored.map(|stored| Kept { snapshot: Arc::new(stored.snapshot), muster: stored.muster });
        if let Err(error) = self.build_stored(accepted, stored, Instant::now()) {
            warn!(error = %words::chain(&error), "the last good commit cannot be read from the store");
        }
    }

    /// Builds the inputs of the last good commit; if that fails, its stored bytes stay in service.
    fn build_stored(&mut self, accepted: Accepted, stored: Option<Kept>, started: Instant) -> Result<(), StoreError> {
        let Some(LastGood { tree, .. }) = self.store.last_good()? else { return Ok(()) };
        let refused = match self.build(&tree, &accepted.revision, &accepted.subject) {
            Ok((Some(snapshot), _)) => Ok(snapshot),
            Ok((None, findings)) => Err(words::refused(&accepted, &findings, &tree)),
            Err(Unbuilt::Stopped) => {
                self.is_start_unbuilt = true;
                return Ok(());
            }
            Err(why) => Err(Refused::whole(words::view(&accepted), why.reason())),
        };

        let snapshot = match refused {
            Ok(snapshot) => Arc::new(snapshot),
            Err(refused) => {
                let (revision, why) = (&accepted.revision, &refused.reason);
                error!(revision = %revision, "the stored commit does not check any more ({why}); its stored bytes are served");
                self.standing.refuse(refused, None);
                self.swap(None);
                // If nothing could be served from a commit, it is judged again once git has it.
                self.judged = stored.map(|_| accepted.revision).filter(|_| !self.trust.is_required());
                return Ok(());
            }
        };

        let (revision, nodes) = (&accepted.revision, snapshot.nodes().len());
        let millis = started.elapsed().as_millis() as u64;
        info!(revision = %revision, nodes, millis, "serving the last good commit from the store");
        let signed_by = self.signed_by(&accepted.revision);
        self.standing.serve(words::view(&accepted), &snapshot, signed_by);

        // A pin may serve a commit that was never taken.
        let is_taken = self.trust.baseline() == Some(&accepted.revision);
        self.accepted = is_taken.then(|| Arc::clone(&snapshot));
        self.judged = Some(accepted.revision.clone()).filter(|_| is_taken && !self.trust.is_required());
        self.swap(Some(Arc::clone(&snapshot)));
        let is_ours = stored.as_ref().is_some_and(|stored| stored.muster.as_deref() == Some(remember::MUSTER));
        if let Some(stored) = stored.as_ref().filter(|_| !is_ours) {
            self.tell_upgrade(stored, remember::changed(&stored.snapshot, &snapshot));
        }

        if !is_ours {
            // So that the store has the snapshot that is served.
            self.unstored = Some((snapshot, Arc::new(tree), accepted));
        }

        Ok(())
    }

    /// Returns the signer of a commit that was taken before, if a signature is required and the
    /// mirror has the commit.
    fn signed_by(&mut self, revision: &Revision) -> Option<String> {
        let repo = self.open_mirror().and_then(Mirror::repo).ok()?;
        self.trust.signature(&repo, revision).ok()?.ok().flatten()
    }

    /// Serves the stored scripts, which needs no build.
    fn serve_stored(&mut self, accepted: &Accepted, started: Instant) -> Option<Kept> {
        let remember::Stored { snapshot, muster, has_documents } = remember::stored(&self.store, &accepted.revision)?;
        let snapshot = Arc::new(snapshot);
        let (revision, nodes) = (&accepted.revision, snapshot.nodes().len());
        let millis = started.elapsed().as_millis() as u64;
        info!(revision = %revision, nodes, millis, has_documents, "serving the stored bytes of the last good commit");
        self.standing.serve(words::view(accepted), &snapshot, None);
        self.swap(Some(Arc::clone(&snapshot)));
        Some(Kept { snapshot, muster })
    }

    fn tell_upgrade(&mut self, stored: &Kept, scripts_changed: u64) {
        let from = stored.muster.as_deref().unwrap_or("an earlier version");
        if scripts_changed > 0 {
            warn!(
                from,
                to = remember::MUSTER,
                scripts_changed,
                "this version of muster renders other scripts of the same commit"
            );
        } else {
            info!(from, to = remember::MUSTER, "this version of muster renders the same scripts");
        }
        self.standing.upgraded(UpgradeView { from: from.to_owned(), scripts_changed });
    }
}

/// The snapshot that is served until its inputs are built.
struct Kept {
    snapshot: Arc<crate::snapshot::Snapshot>,
    muster: Option<Box<str>>,
}
