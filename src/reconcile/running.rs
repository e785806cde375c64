//! Which nodes boot by the commit that is served: the first, and the last of those that ran an earlier script.
//!
//! It rests on the script that a node fetched last, not on commits: a commit that changes no script leaves nobody behind. It
//! works on what was gathered, off the way of boots, and as much as was fetched; a new commit costs one look at every node.

use std::collections::{BTreeSet, HashMap};

use crate::observed::BootFetch;
use crate::snapshot::{Answer, Snapshot};
use crate::store::Digest;
use crate::story::{Event, What};

/// Half of a script's digest: enough to tell two of them apart, and half the memory.
type Half = [u8; 16];

fn half(digest: &Digest) -> Half {
    std::array::from_fn(|at| digest[at])
}

/// What nodes fetched last, and who is yet to boot by the commit that is served.
#[derive(Default)]
pub struct Running {
    last: HashMap<Box<str>, Half>,
    /// The commit that is served, and where its Snapshot lies.
    served: Option<(Box<str>, usize)>,
    /// Whether some node is known to have booted by it.
    is_booted: bool,
    behind: BTreeSet<Box<str>>,
    /// How many were behind as the commit came.
    were_behind: u32,
}

impl Running {
    /// Takes up what nodes fetched before the server started.
    pub fn restore(&mut self, fetches: &[BootFetch]) {
        for fetch in fetches {
            self.last.entry(fetch.node.clone()).or_insert_with(|| half(&fetch.digest));
        }
    }

    /// Takes note of what is served, where that is news; `happened` tells, the newest first, what did until then.
    pub fn follow(&mut self, snapshot: &Snapshot, happened: &mut dyn Iterator<Item = &Event>) {
        let revision = snapshot.revision().as_str();
        let place = std::ptr::from_ref(snapshot).addr();
        let before = self.served.as_ref();
        if before.is_some_and(|(known, at)| &**known == revision && *at == place) {
            return;
        }
        let is_another = before.is_none_or(|(known, _)| &**known != revision);
        if is_another {
            let is_first = before.is_none();
            self.is_booted = is_first && was_booted(happened, revision);
        }
        self.served = Some((revision.into(), place));
        self.behind.clear();
        self.last.retain(|name, last| {
            let wanted = wanted(snapshot, name);
            if wanted.is_some_and(|wanted| wanted != *last) {
                self.behind.insert(name.clone());
            }
            wanted.is_some()
        });
        self.were_behind = u32::try_from(self.behind.len()).unwrap_or(u32::MAX);
    }

    /// Takes in what was fetched; returns what that means for the commit that is served.
    pub fn boots(&mut self, snapshot: &Snapshot, fetches: &[BootFetch]) -> Vec<What> {
        let mut means = Vec::new();
        for fetch in fetches {
            let digest = half(&fetch.digest);
            let Some(wanted) = wanted(snapshot, &fetch.node) else { continue };
            if fetch.revision == *snapshot.revision() && !self.is_booted {
                self.is_booted = true;
                means.push(What::FirstBoot { node: fetch.node.clone() });
            }
            if wanted == digest {
                if self.behind.remove(&fetch.node) && self.behind.is_empty() {
                    means.push(What::LastMoved { node: fetch.node.clone(), nodes: self.were_behind });
                }
            } else if self.behind.insert(fetch.node.clone()) {
                self.were_behind = self.were_behind.saturating_add(1);
            }
            match self.last.get_mut(&fetch.node) {
                Some(last) => *last = digest,
                None => {
                    self.last.insert(fetch.node.clone(), digest);
                }
            }
        }
        means
    }
}

/// Returns the script that a node is to boot by, if it is given one.
fn wanted(snapshot: &Snapshot, node: &str) -> Option<Half> {
    match snapshot.answer(snapshot.by_name(node)?) {
        Answer::Script(prepared) => Some(half(&prepared.digest)),
        Answer::Retired | Answer::Nothing => None,
    }
}

/// Tells whether a node booted by a commit since it was taken into service.
fn was_booted(newest_first: &mut dyn Iterator<Item = &Event>, revision: &str) -> bool {
    let mut of = newest_first
        .filter(|event| event.happening.commit.as_ref().is_some_and(|commit| &*commit.id == revision))
        .map(|event| &event.happening.what);
    let is_telling =
        |what: &&What| matches!(what, What::FirstBoot { .. } | What::Accepted { .. } | What::Served { .. });
    of.find(is_telling).is_some_and(|what| matches!(what, What::FirstBoot { .. }))
}

#[cfg(test)]
mod tests {
    use super::super::remember;
    use super::*;
    use crate::model::{Revision, Tree};
    use crate::story::{Commit, Happening};
    use proptest::prelude::*;

    const NODES: usize = 4;

    fn snapshot(revision: u8, images: [u8; NODES]) -> Snapshot {
        let nodes: String = images
            .iter()
            .enumerate()
            .map(|(at, image)| format!("[[node]]\nname = \"n{at}\"\nparams = [\"image={image}\"]\nnics = [{{ name = \"eth0\", mac = \"02:00:00:00:00:0{at}\" }}]\n"))
            .collect();
        let fixture = format!(
            "//- cluster.toml\nname = \"t\"\n[defaults]\nboot = \"live\"\n//- boot/live.toml\nkind = \"live\"\nkernel = \"http://i.example/k\"\n//- nodes/a.toml\n{nodes}"
        );
        let (snapshot, findings) =
            crate::snapshot::build(&Tree::from_fixture(&fixture), Revision::commit(&format!("{revision:040x}")));
        snapshot.unwrap_or_else(|| panic!("{findings:?}"))
    }

    fn fetch(snapshot: &Snapshot, node: usize) -> BootFetch {
        let name = format!("n{node}");
        let (_, digest) = remember::scripts(snapshot).find(|(known, _)| *known == name).unwrap();
        BootFetch {
            node: name.into(),
            at: 0,
            address: std::net::IpAddr::from([127, 0, 0, 1]),
            user_agent: "iPXE".into(),
            revision: snapshot.revision().clone(),
            digest,
            mac: None,
            arch: None,
        }
    }

    fn follow(running: &mut Running, snapshot: &Snapshot) {
        running.follow(snapshot, &mut std::iter::empty());
    }

    #[test]
    fn the_first_and_the_last_are_told_once() {
        let (one, two) = (snapshot(1, [1, 1, 1, 1]), snapshot(2, [2, 2, 2, 1]));
        let mut running = Running::default();
        follow(&mut running, &one);
        let first = |node: &str| What::FirstBoot { node: node.into() };
        assert_eq!(running.boots(&one, &[fetch(&one, 0), fetch(&one, 1), fetch(&one, 3)]), [first("n0")]);
        follow(&mut running, &two);
        assert_eq!(
            running.boots(&two, &[fetch(&two, 3)]),
            [first("n3")],
            "its script is the same: it was never behind"
        );
        assert_eq!(running.boots(&two, &[fetch(&two, 1), fetch(&two, 2)]), [], "n2 never booted before");
        let last = What::LastMoved { node: "n0".into(), nodes: 2 };
        assert_eq!(running.boots(&two, &[fetch(&two, 0)]), [last]);
        assert_eq!(running.boots(&two, &[fetch(&two, 0), fetch(&two, 1)]), []);
        follow(&mut running, &two);
        assert_eq!(running.boots(&two, &[fetch(&two, 2)]), []);
    }

    #[test]
    fn a_restart_repeats_nothing_and_forgets_nobody() {
        let (one, two) = (snapshot(1, [1; NODES]), snapshot(2, [2; NODES]));
        let restarted = |fetches: &[BootFetch], told: &[What]| {
            let commit = Some(Commit::new(two.revision().as_str(), "s"));
            let events: Vec<Event> = told
                .iter()
                .zip(1..)
                .map(|(what, seq)| Event {
                    seq,
                    happening: Happening { at: 0, commit: commit.clone(), what: what.clone() },
                })
                .collect();
            let mut running = Running::default();
            running.restore(fetches);
            running.follow(&two, &mut events.iter().rev());
            running
        };
        let accepted = What::Accepted { nodes: 4, signed_by: None, stat: None };
        let first = What::FirstBoot { node: "n0".into() };
        let mut running = restarted(&[fetch(&two, 0), fetch(&one, 1)], &[accepted.clone(), first.clone()]);
        let last = What::LastMoved { node: "n1".into(), nodes: 1 };
        assert_eq!(running.boots(&two, &[fetch(&two, 0), fetch(&two, 1)]), [last]);
        let mut running = restarted(&[fetch(&one, 1)], &[first, accepted]);
        assert_eq!(running.boots(&two, &[fetch(&two, 0)]).len(), 1, "it came back since");
    }

    proptest! {
        #[test]
        fn the_last_is_told_when_and_only_when_nobody_is_behind(
            steps in proptest::collection::vec((0..NODES, 0..6_usize), 1..60),
        ) {
            let snapshots: Vec<Snapshot> =
                (1..=3).map(|n| snapshot(n, [n, n, 1, n.min(2)])).collect();
            let mut running = Running::default();
            let mut served = 0;
            follow(&mut running, &snapshots[0]);
            let mut last: [Option<Digest>; NODES] = [None; NODES];
            let mut booted = false;
            let behind = |last: &[Option<Digest>; NODES], served: usize| (0..NODES)
                .filter(|node| last[*node].is_some_and(|digest| digest != fetch(&snapshots[served], *node).digest))
                .count();
            for (node, step) in steps {
                if step < 3 {
                    if served != step { booted = false; }
                    served = step;
                    follow(&mut running, &snapshots[served]);
                    continue;
                }
                let before = behind(&last, served);
                let boot = fetch(&snapshots[served], node);
                last[node] = Some(boot.digest);
                let told = running.boots(&snapshots[served], &[boot]);
                let is_last = before > 0 && behind(&last, served) == 0;
                prop_assert_eq!(told.iter().any(|what| matches!(what, What::LastMoved { .. })), is_last);
                prop_assert_eq!(told.iter().any(|what| matches!(what, What::FirstBoot { .. })), !booted);
                booted = true;
            }
        }
    }
}
