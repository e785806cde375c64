//! A small cluster, and comparisons of it made by hand.

use muster::drift::{Class, Coverage, Drift, Excused, Finding, NodeDrift, Settling, Standing, Subject, Verdict};
use muster::model::{Code, Diagnostic, FileId, Layer, Origin, Place, Revision, Tree};
use muster::report::{DriftReport, Format};
use muster::snapshot::{self, Snapshot};

/// 2026-11-23T10:00:00Z, the time of every comparison here.
pub const AT: i64 = 1_795_428_000_000;

/// The cluster's folder in the repository; a path needs escapes in some formats.
pub const PREFIX: &str = "clusters/test 1/";

const WISHES: &str = r#"
//- cluster.toml
name = "test"
layers = ["compute"]
//- boot/live.toml
kind = "live"
kernel = "http://images.example/vmlinuz"
//- groups/compute.toml
boot = "live"
[expect]
memory_gib = 512
# Hyperthreads cost us 4 %.
bios.attributes = { "Größe" = "x", LogicalProc = "Disabled" }
//- nodes/rack.toml
[[bmc]]
name = "bmc[01-12]"
url = "https://10.1.0.[1-12]"

[[node]]
name = "n[01-12]"
arch = "x86_64"
bmc = "bmc[01-12]"
groups = ["compute"]
"#;

/// A cluster and its files.
pub struct Scene {
    pub tree: Tree,
    pub snapshot: Snapshot,
}

impl Scene {
    pub fn new() -> Self {
        let tree = Tree::from_fixture(WISHES);
        let (snapshot, findings) = snapshot::build(&tree, Revision::commit("0123456789abcdef0123456789abcdef01234567"));
        Self { snapshot: snapshot.unwrap_or_else(|| panic!("the fixture builds: {findings:#?}")), tree }
    }

    /// Returns where a text stands in a file; it stands there once.
    pub fn origin(&self, path: &str, text: &str) -> Origin {
        let sources = &self.snapshot.desired().sources;
        let file = (0..).map(FileId).find(|file| sources.path(*file) == path).expect("the file is there");
        let (_, bytes) = self.tree.blobs().find(|(name, _)| *name == path).expect("the file is there");
        let whole = std::str::from_utf8(bytes).expect("our files are UTF-8");
        assert_eq!(whole.matches(text).count(), 1, "{text:?} in {path}");
        let at = whole.find(text).expect("it is there");
        Origin { file, at: u32::try_from(at).expect("our files are small"), layer: Layer::Group(0) }
    }

    pub fn write(&self, drift: &Drift, format: Format) -> String {
        self.report(drift).write(format, false).into()
    }

    pub fn report<'a>(&'a self, drift: &'a Drift) -> DriftReport<'a> {
        DriftReport { drift, snapshot: &self.snapshot, tree: &self.tree, prefix: PREFIX }
    }

    /// Makes a comparison of so many nodes out of findings; each node's standing follows from its own.
    pub fn drift(&self, nodes: usize, findings: Vec<Finding>) -> Drift {
        let origin = self.origin("nodes/rack.toml", "\"n[01-12]\"");
        let mut standings = vec![Standing::InSync; nodes];
        let names: Vec<Box<str>> = (1..=nodes).map(|at| node_name(at).into()).collect();
        for finding in &findings {
            if let Subject::Node(name) = &finding.subject
                && let Ok(at) = names.binary_search(name)
            {
                standings[at] = standings[at].max(finding.verdict.standing());
            }
        }
        let node = |(name, standing): (Box<str>, Standing)| NodeDrift {
            name,
            origin,
            standing,
            is_observable: true,
            seen: Some(AT - 5 * 60_000),
            judged: 20,
            in_sync: if standing == Standing::InSync { 20 } else { 18 },
        };
        let mut coverage = Coverage::default();
        (0..nodes).for_each(|_| coverage.add(33, 20));
        Drift {
            at: AT,
            cluster: "test".into(),
            revision: self.snapshot.revision().clone(),
            nodes: names.into_iter().zip(standings).map(node).collect(),
            findings,
            coverage,
            warnings: Vec::new(),
        }
    }

    /// A comparison that holds one of everything.
    pub fn of_everything(&self) -> Drift {
        let bios = self.origin("groups/compute.toml", "\"Disabled\"");
        let memory = self.origin("groups/compute.toml", "512");
        let table = self.origin("nodes/rack.toml", "\"bmc[01-12]\"\nurl");
        let hours = |hours: i64| Some(AT - hours * 3_600_000);
        let mut all = Vec::new();
        for (at, since) in [(1, 3), (2, 4), (3, 50)] {
            let verdict = Verdict::Drifted { since: hours(since) };
            let values = (Some("Disabled"), Some("Enabled"));
            all.push(finding(node(at), "bios.attributes.LogicalProc", verdict, values, Some(bios)));
        }
        let lost = Verdict::Drifted { since: hours(1) };
        all.push(finding(node(2), "memory_gib", lost.clone(), (Some("512"), Some("480")), Some(memory)));
        let mut moved = finding(node(4), "serial", lost.clone(), (Some("ABC123"), Some("ABC124 ")), Some(table));
        moved.note = Some("ABC124 is the serial number of n05, which is declared behind bmc05".into());
        all.push(moved);
        for at in [5, 6] {
            let why = "its BMC did not answer within 10 s".into();
            let mut silent =
                finding(node(at), "", Verdict::Unknown { why, since: hours(30) }, (None, None), Some(table));
            silent.observed = None;
            all.push(silent);
        }
        all.push(finding(
            node(7),
            "bios.attributes.LogicalProc",
            Verdict::Pending,
            (Some("Disabled"), Some("Enabled")),
            Some(bios),
        ));
        let settling = Verdict::Settling(Settling::Unconfirmed { surveys: 1, of: 3 });
        all.push(finding(node(8), "memory_gib", settling, (Some("512"), Some("496")), Some(memory)));
        let until = jiff::civil::date(2026, 12, 31);
        let (owner, reason) = ("ada".into(), Some("spare DIMMs are on their way".into()));
        let excused = Excused::Exception { owner, reason, until, origin: bios };
        all.push(finding(node(9), "memory_gib", Verdict::Excepted(excused), (Some("512"), Some("256")), Some(memory)));
        let excused = Verdict::Excepted(Excused::Maintenance);
        all.push(finding(node(10), "memory_gib", excused, (Some("512"), None), Some(memory)));
        all.push(finding(Subject::Bmc("bmc12".into()), "", lost.clone(), (None, Some("a chassis")), Some(table)));
        let system = Subject::System { bmc: "bmc11".into(), system: "Node1".into() };
        all.push(finding(system, "", lost.clone(), (None, Some("serial X99")), None));
        for last in [7, 8, 0x1a] {
            let mac = Subject::Mac(muster::model::MacAddr([2, 0, 0, 0, 0, last]));
            all.push(finding(mac, "", lost.clone(), (None, Some("asked for a boot script")), None));
        }
        let mut drift = self.drift(12, all);
        drift.nodes[11].standing = Standing::NotObservable;
        drift.nodes[11].is_observable = false;
        drift.nodes[11].seen = None;
        drift.nodes[4].seen = None;
        let place = self.snapshot.desired().sources.place(memory);
        let warning = Diagnostic::new(Code::FileNotRead, place, "the exception excuses nothing");
        drift.warnings =
            vec![warning, Diagnostic::new(Code::FileNotRead, Place::file("policy.toml"), "nothing reads it")];
        drift
    }
}

pub fn node_name(at: usize) -> String {
    format!("n{at:02}")
}

pub fn node(at: usize) -> Subject {
    Subject::Node(node_name(at).into())
}

/// Makes a finding that was seen five minutes ago.
pub fn finding(
    subject: Subject,
    attribute: &str,
    verdict: Verdict,
    (wished, seen): (Option<&str>, Option<&str>),
    origin: Option<Origin>,
) -> Finding {
    Finding {
        subject,
        class: Class::of(attribute),
        attribute: attribute.into(),
        verdict,
        wished: wished.map(Into::into),
        seen: seen.map(Into::into),
        note: None,
        origin,
        observed: Some(AT - 5 * 60_000),
    }
}
