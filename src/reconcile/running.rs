//! Which nodes boot by the served commit: the first one, and the last of those that ran an earlier
//! script.
//!
//! This rests on believed boots ([`Runs`]) and on scripts, not on commits: a commit that changes no
//! script leaves no node behind. A node that has been switched off since stays behind until it
//! boots. Outside the path of boots, it reads the nodes that booted, and all nodes once per commit.

use std::collections::BTreeSet;

use crate::drift::runs::{Doubt, Run, Runs};
use crate::snapshot::{Answer, Snapshot};
use crate::story::{Event, What};

/// The nodes that have yet to boot by the served commit.
#[derive(Default)]
pub struct Running {
    /// The served commit, and the address of its snapshot.
    served: Option<(Box<str>, usize)>,
    /// Whether some node is known to have booted by it.
    is_booted: bool,
    behind: BTreeSet<Box<str>>,
    /// The largest number of nodes behind since it came.
    were_behind: usize,
}

impl Running {
    /// Records what nodes run after these boots, and returns what that means for the served commit.
    ///
    /// `happened` yields the earlier events, newest first.
    pub fn tell<'n>(
        &mut self,
        runs: &Runs,
        booted: impl IntoIterator<Item = &'n str>,
        happened: &mut dyn Iterator<Item = &Event>,
    ) -> Vec<What> {
        let Some(snapshot) = runs.snapshot() else { return Vec::new() };
        self.follow(runs, snapshot, happened);
        let mut means = Vec::new();

        for (name, at) in booted.into_iter().filter_map(|name| Some((name, index(snapshot, name)?))) {
            let run = &runs.rows()[at];
            let is_of = run.known().is_some_and(|known| known.boot.revision == *snapshot.revision());
            if is_of && !self.is_booted {
                self.is_booted = true;
                means.push(What::FirstBoot { node: name.into() });
            }
            if is_behind(snapshot, at, run) {
                self.behind.insert(name.into());
                self.were_behind = self.were_behind.max(self.behind.len());
            } else if matches!(run, Run::Current(_)) && self.behind.remove(name) && self.behind.is_empty() {
                let nodes = u32::try_from(self.were_behind).unwrap_or(u32::MAX);
                means.push(What::LastMoved { node: name.into(), nodes });
            }
        }

        means
    }

    /// Checks all nodes if another commit is served, or if more are known to be behind.
    fn follow(&mut self, runs: &Runs, snapshot: &Snapshot, happened: &mut dyn Iterator<Item = &Event>) {
        let revision = snapshot.revision().as_str();
        let place = std::ptr::from_ref(snapshot).addr();
        let is_known = |(known, at): &(Box<str>, usize)| &**known == revision && *at == place;
        let is_other = self.served.as_ref().is_none_or(|served| !is_known(served));
        if !is_other && runs.tally().stale <= self.behind.len() as u64 {
            return;
        }

        if self.served.as_ref().is_none_or(|(known, _)| &**known != revision) {
            let is_first = self.served.is_none();
            // Events that are no longer in memory are old.
            let of_old = || runs.tally().on(snapshot.revision()) > 0;
            self.is_booted = is_first && was_booted(happened, revision).unwrap_or_else(of_old);
            self.were_behind = 0;
        }

        self.served = Some((revision.into(), place));
        let rows = runs.rows().iter().enumerate();
        let behind = rows.filter(|(at, run)| is_behind(snapshot, *at, run));
        self.behind = behind.map(|(at, _)| snapshot.nodes()[at].name.clone()).collect();

        self.were_behind = self.were_behind.max(self.behind.len());
    }
}

fn index(snapshot: &Snapshot, name: &str) -> Option<usize> {
    snapshot.by_name(name).filter(|at| &*snapshot.nodes()[*at].name == name)
}

/// Returns whether a node's last known script differs from the current one.
fn is_behind(snapshot: &Snapshot, at: usize, run: &Run) -> bool {
    match run {
        Run::Stale(_) => true,
        Run::Unknown(Doubt::Reset { boot, .. }) => match snapshot.answer(at) {
            Answer::Script(today) => today.digest != boot.digest,
            Answer::Retired | Answer::Nothing => false,
        },
        Run::Current(_) | Run::Unknown(_) | Run::Idle => false,
    }
}

/// Returns whether a node booted by a commit since the commit was taken into service, or `None` if
/// neither is in memory.
fn was_booted(newest_first: &mut dyn Iterator<Item = &Event>, revision: &str) -> Option<bool> {
    let mut of = newest_first
        .filter(|event| event.happening.commit.as_ref().is_some_and(|commit| &*commit.id == revision))
        .map(|event| &event.happening.what);
    let is_telling =
        |what: &&What| matches!(what, What::FirstBoot { .. } | What::Accepted { .. } | What::Served { .. });
    of.find(is_telling).map(|what| matches!(what, What::FirstBoot { .. }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Revision, Tree};
    use crate::observed::{Boot, Booted};
    use crate::roll::Roll;
    use crate::story::{Commit, Happening};
    use proptest::prelude::*;

    const NODES: usize = 4;
    const NOW: i64 = 1_780_300_800_000;

    fn snapshot(revision: u8, images: [u8; NODES]) -> Arc<Snapshot> {
        let node = |(at, image): (usize, &u8)| {
            let nic = format!("{{ name = \"eth0\", mac = \"02:00:00:00:00:0{at}\" }}");
            format!("[[node]]\nname = \"n{at}\"\nparams = [\"image={image}\"]\nnics = [{nic}]\n")
        };
        let nodes: String = images.iter().enumerate().map(node).collect();
        let fixture = format!(
            "//- cluster.toml\nname = \"t\"\n[defaults]\nboot = \"live\"\n//- boot/live.toml\nkind = \"live\"\nkernel = \
             \"http://i.example/k\"\n//- nodes/a.toml\n{nodes}"
        );
        let revision = Revision::commit(&format!("{revision:040x}"));
        let (snapshot, findings) = crate::snapshot::build(&Tree::from_fixture(&fixture), revision);
        Arc::new(snapshot.unwrap_or_else(|| panic!("{findings:?}")))
    }

    fn boot(snapshot: &Snapshot, node: usize) -> Boot {
        let Answer::Script(prepared) = snapshot.answer(node) else { panic!("it boots") };
        let address = [127, 0, 0, 1].into();
        Boot::new(NOW, address, snapshot.revision().clone(), prepared.digest, snapshot.first_mac(node))
    }

    /// A server from its start.
    #[derive(Default)]
    struct Server {
        runs: Runs,
        running: Running,
    }

    impl Server {
        fn restarted(boots: &[(usize, Boot)]) -> Self {
            let booted = |(node, boot): &(usize, Boot)| {
                (format!("n{node}").into(), Booted { last: Some(boot.clone()), uncounted: None })
            };
            Self { runs: Runs::new(boots.iter().map(booted)), running: Running::default() }
        }

        fn serve(&mut self, snapshot: &Arc<Snapshot>, told: &[What]) {
            let commit = Some(Commit::new(snapshot.revision().as_str(), "s"));
            let happening = |what: &What| Happening { at: 0, commit: commit.clone(), what: what.clone() };
            let events: Vec<Event> =
                told.iter().zip(1..).map(|(what, seq)| Event { seq, happening: happening(what) }).collect();
            self.runs.follow(snapshot, &Arc::new(Roll::default()), NOW);
            assert_eq!(self.running.tell(&self.runs, [], &mut events.iter().rev()), []);
        }

        fn boots(&mut self, snapshot: &Snapshot, nodes: &[usize]) -> Vec<What> {
            for node in nodes {
                self.see(*node, boot(snapshot, *node));
            }
            let names: Vec<String> = nodes.iter().map(|node| format!("n{node}")).collect();
            self.running.tell(&self.runs, names.iter().map(String::as_str), &mut std::iter::empty())
        }

        fn see(&mut self, node: usize, boot: Boot) {
            self.runs.see(&format!("n{node}"), Booted { last: Some(boot), uncounted: None }, NOW);
        }
    }

    fn first(node: &str) -> What {
        What::FirstBoot { node: node.into() }
    }

    #[test]
    fn the_first_and_the_last_are_told_once() {
        let (one, two) = (snapshot(1, [1, 1, 1, 1]), snapshot(2, [2, 2, 2, 1]));
        let mut server = Server::default();
        server.serve(&one, &[]);
        assert_eq!(server.boots(&one, &[0, 1, 3]), [first("n0")]);
        server.serve(&two, &[]);
        assert_eq!(server.boots(&two, &[3]), [first("n3")], "its script is the same: it was never behind");
        assert_eq!(server.boots(&two, &[1, 2]), [], "n2 never booted before");
        assert_eq!(server.boots(&two, &[0]), [What::LastMoved { node: "n0".into(), nodes: 2 }]);
        assert_eq!(server.boots(&two, &[0, 1]), []);
        server.serve(&two, &[]);
        assert_eq!(server.boots(&two, &[2]), []);
    }

    #[test]
    fn one_that_was_turned_off_is_behind_until_it_boots() {
        let (one, two) = (snapshot(1, [1; NODES]), snapshot(2, [2; NODES]));
        let mut server = Server::default();
        server.serve(&one, &[]);
        server.boots(&one, &[0, 1]);
        server.serve(&two, &[]);
        server.see(1, Boot { reset: Some(NOW), ..boot(&one, 1) });
        assert_eq!(server.running.tell(&server.runs, ["n1"], &mut std::iter::empty()), []);
        assert_eq!(server.boots(&two, &[0]), [first("n0")], "n1 is not done");
        assert_eq!(server.boots(&two, &[1]), [What::LastMoved { node: "n1".into(), nodes: 2 }]);
    }

    #[test]
    fn a_restart_repeats_nothing_and_forgets_nobody() {
        let (one, two) = (snapshot(1, [1; NODES]), snapshot(2, [2; NODES]));
        let accepted = What::Accepted { nodes: 4, signed_by: None, stat: None };
        let mut server = Server::restarted(&[(0, boot(&two, 0)), (1, boot(&one, 1))]);
        server.serve(&two, &[accepted.clone(), first("n0")]);
        assert_eq!(server.boots(&two, &[0, 1]), [What::LastMoved { node: "n1".into(), nodes: 1 }]);
        let mut server = Server::restarted(&[(1, boot(&one, 1))]);
        server.serve(&two, &[first("n0"), accepted]);
        assert_eq!(server.boots(&two, &[0]), [first("n0")], "it came back since");
        let mut server = Server::restarted(&[(0, boot(&two, 0))]);
        server.serve(&two, &[]);
        assert_eq!(server.boots(&two, &[2]), [], "what was told is not remembered any more, but what it booted");
    }

    proptest! {
        #[test]
        fn the_last_is_told_when_and_only_when_nobody_is_behind_any_more(
            steps in proptest::collection::vec((0..NODES, 0..6_usize), 1..60),
        ) {
            let snapshots: Vec<Arc<Snapshot>> = (1..=3).map(|n| snapshot(n, [n, n, 1, n.min(2)])).collect();
            let mut server = Server::default();
            let mut served = 0;
            server.serve(&snapshots[0], &[]);
            let mut last: [Option<[u8; 32]>; NODES] = [None; NODES];
            let mut booted = false;
            let behind = |last: &[Option<[u8; 32]>; NODES], served: usize| (0..NODES)
                .filter(|node| last[*node].is_some_and(|digest| digest != boot(&snapshots[served], *node).digest))
                .count();
            for (node, step) in steps {
                if step < 3 {
                    if served != step { booted = false; }
                    served = step;
                    server.serve(&snapshots[served], &[]);
                    continue;
                }
                let before = behind(&last, served);
                last[node] = Some(boot(&snapshots[served], node).digest);
                let told = server.boots(&snapshots[served], &[node]);
                let is_last = before > 0 && behind(&last, served) == 0;
                prop_assert_eq!(told.iter().any(|what| matches!(what, What::LastMoved { .. })), is_last);
                prop_assert_eq!(told.iter().any(|what| matches!(what, What::FirstBoot { .. })), !booted);
                booted = true;
            }
        }
    }
}
