//! One node: which System it is, and a verdict for each of its managed attributes.

mod booted;
mod settle;

use super::exceptions::Exceptions;
use super::identity::{self, Answer, Behind, Roster, Told, Whereabouts};
use super::look::{Judgement, View};
use super::runs::Records;
use super::{Class, Excused, Finding, NodeDrift, Settling, Standing, Subject, Verdict, canonical};
use crate::desired::{Desired, Free, MacSource, Node, NodeState, Protocol};
use crate::model::{Arch, Layer, Origin, Quirk, Stated};
use crate::observed::{BmcRecord, Claim, Observed, PowerState};
use crate::roll::{self, Roll, Unfound};
use crate::snapshot::Snapshot;
use settle::Unsettled;

/// What all nodes of one comparison share.
pub struct World<'a> {
    pub snapshot: &'a Snapshot,
    pub desired: &'a Desired,
    pub observed: &'a Observed,
    pub whereabouts: Whereabouts<'a>,
    pub roster: Roster<'a>,
    pub roll: Roll,
    /// The nodes behind each BMC, by the BMC's name.
    pub behind: Behind<'a>,
    pub exceptions: &'a Exceptions<'a>,
    /// What is remembered of boots, where anybody does.
    pub records: Option<Records>,
    /// The time of the comparison, in unix milliseconds.
    pub now: i64,
    /// How many surveys must show a difference before it counts.
    pub confirm: u32,
}

/// What a node came to, before its findings join the others.
pub struct Judged {
    pub drift: NodeDrift,
    pub findings: Vec<Finding>,
    /// How many attributes were seen of it, and how many of those are managed; none where it cannot be observed.
    pub covered: Option<(u64, u64)>,
}

/// Judges a node.
pub fn judge(world: &World<'_>, at: usize) -> Judged {
    let node = &world.desired.nodes[at];
    let mut judge =
        Judge { world, at, node, observed: None, findings: Vec::new(), judged: 0, in_sync: 0, settling: None };
    let standing = judge.all();
    judge.booted();
    let is_observable = standing != Some(Standing::NotObservable);
    let Judge { mut findings, judged, in_sync, observed, .. } = judge;
    findings.sort_by(|a, b| (a.class, &a.attribute).cmp(&(b.class, &b.attribute)));
    let gravest = findings.iter().map(|finding| finding.verdict.standing()).max();
    let standing = gravest.or(standing).unwrap_or(Standing::InSync);
    let covered = is_observable.then(|| (seen_attributes(world, node), u64::from(judged)));
    let (name, origin) = (node.name.clone(), node.origin);
    let drift = NodeDrift { name, origin, standing, is_observable, seen: observed, judged, in_sync };
    Judged { drift, findings, covered }
}

fn bmc_record<'a>(world: &World<'a>, node: &Node) -> Option<&'a BmcRecord> {
    let bmc = &world.desired.bmcs[node.bmc?.value as usize];
    world.observed.bmcs.get(&bmc.name)
}

/// Counts what was seen of a node, whether managed or not.
fn seen_attributes(world: &World<'_>, node: &Node) -> u64 {
    let Some(service) = bmc_record(world, node).and_then(BmcRecord::service) else { return 0 };
    let Ok(system) = roll::system_of(node.system.as_deref(), service) else { return 0 };
    service.count(system, &world.observed.shared)
}

struct Judge<'a, 'w> {
    world: &'w World<'a>,
    at: usize,
    node: &'a Node,
    observed: Option<i64>,
    findings: Vec<Finding>,
    judged: u32,
    in_sync: u32,
    /// Why differences do not count now.
    settling: Option<Unsettled>,
}

impl<'a, 'w> Judge<'a, 'w> {
    /// Judges all of the node; a standing where its findings do not tell it.
    fn all(&mut self) -> Option<Standing> {
        let bmc = self.node.bmc.map(|bmc| (&self.world.desired.bmcs[bmc.value as usize], bmc.origin));
        let Some((bmc, origin)) = bmc.filter(|(bmc, _)| bmc.protocol != Protocol::None) else {
            return Some(Standing::NotObservable);
        };
        if self.node.state.value == NodeState::Retired {
            return Some(Standing::NotObservable);
        }
        let Some(record) = self.world.observed.bmcs.get(&bmc.name) else {
            self.unknown(origin, "its BMC was never surveyed".into(), None);
            return None;
        };
        self.observed = record.seen;
        let Some(service) = record.service().filter(|_| record.failure.is_none()) else {
            let why = match &record.failure {
                Some(failure) => failure.to_string(),
                None => "it was never read".into(),
            };
            // Without the name of the BMC: what is equal of many nodes is told once.
            self.unknown(origin, why, record.failing_since);
            return None;
        };
        match roll::system_of(self.node.system.as_deref(), service) {
            Ok(system) => self.system(View { service, system, shared: &self.world.observed.shared }, record),
            Err(unfound) => self.unfound(&unfound, &bmc.name, origin, record),
        }
        None
    }

    fn unfound(&mut self, unfound: &Unfound, bmc: &str, origin: Origin, record: &BmcRecord) {
        let note = unfound.to_string();
        match unfound {
            Unfound::None => {
                let elsewhere = self.world.whereabouts.elsewhere(self.node, (bmc, ""));
                self.judged += 1;
                match elsewhere {
                    Some(place) => self.moved((bmc, ""), Some(place), None, origin, record),
                    None => {
                        let finding = self.finding("", Verdict::Drifted { since: record.seen }, origin);
                        self.push(Finding { note: Some(note.into()), ..finding });
                    }
                }
            }
            Unfound::Several | Unfound::Unread(_) => self.unknown(origin, note, record.seen),
        }
    }

    fn system(&mut self, view: View<'a>, record: &'a BmcRecord) {
        self.settling = Unsettled::new(view, record, self.world.now);
        let claim = self.claim();
        let told = identity::compare(self.world.desired, self.node, claim, view, record);
        if self.is_other_machine(&told, view, record) {
            return;
        }
        for told in told {
            self.identity(told, view, record);
        }
        self.unclaimed(claim.is_some());
        let class = &self.world.snapshot.resolved().classes[self.node.class as usize];
        self.arch(class.arch, view, record);
        for (attribute, wish) in &class.expect {
            self.attribute(attribute, wish, view, record);
        }
    }

    /// Judges the architecture that the node is booted as, if the BMC contradicts it. Every node has one, so that one that
    /// is as stated is no more managed by it.
    fn arch(&mut self, stated: Stated<Arch>, view: View<'a>, record: &'a BmcRecord) {
        let wish = Free::Text(stated.value.as_str().into());
        if let Judgement::Differs { .. } = view.judge(ARCH, &wish) {
            let origin = if stated.origin.layer == Layer::BuiltIn { self.node.origin } else { stated.origin };
            self.attribute(ARCH, &Stated::new(wish, origin), view, record);
        }
    }

    /// The claim that the node boots by, where its layers let it claim.
    fn claim(&self) -> Option<(&'w Claim, Origin)> {
        let origin = self.claims_by()?;
        self.world.roll.claim_of(self.at).map(|claim| (claim, origin))
    }

    /// Where git says that the node boots by the addresses that its BMC reports, if it does and states none itself.
    fn claims_by(&self) -> Option<Origin> {
        let class = &self.world.snapshot.resolved().classes[self.node.class as usize];
        let is_from_bmc = class.macs.value == MacSource::FromBmc;
        let is_free = !roll::boots_as_declared(self.world.desired, self.node);
        (is_from_bmc && is_free).then_some(class.macs.origin)
    }

    /// Tells that a node waits for the first survey that can be believed: it cannot boot by an address until then.
    fn unclaimed(&mut self, has_claim: bool) {
        let Some(origin) = self.claims_by().filter(|_| !has_claim) else { return };
        self.judged += 1;
        let why = "no survey over verified or pinned TLS has reported its addresses yet".into();
        let finding = self.finding("macs", Verdict::Unknown { why, since: None }, origin);
        self.push(finding);
    }

    /// Tells of a machine that stands in another's place in one finding; what else differs follows from that.
    fn is_other_machine(&mut self, told: &[Told], view: View<'a>, record: &BmcRecord) -> bool {
        let differs = told.iter().find(|told| matches!(told.answer, Answer::Differs(_)));
        let Some(differs) = differs else { return false };
        if told.iter().any(|told| told.answer == Answer::Same) {
            return false;
        }
        let here = (&*record.bmc, &*view.system.id);
        let elsewhere = self.world.whereabouts.elsewhere(self.node, here);
        let owner = self.world.roster.owner(view.system).filter(|owner| *owner != self.at);
        if elsewhere.is_none() && owner.is_none() {
            return false;
        }
        self.judged += 1;
        self.moved(here, elsewhere, owner, differs.origin, record);
        true
    }

    fn moved(
        &mut self,
        here: identity::Place<'_>,
        elsewhere: Option<identity::Place<'_>>,
        owner: Option<usize>,
        origin: Origin,
        record: &BmcRecord,
    ) {
        let desired = self.world.desired;
        let seen = elsewhere.map(|place| identity::place(place, &self.world.behind).into());
        let note = owner.map(|owner| format!("the machine here is that of {}", desired.nodes[owner].name).into());
        let wished = match here {
            (bmc, "") => format!("BMC {bmc}"),
            (bmc, system) => format!("System {system} of BMC {bmc}"),
        };
        let verdict = self.settled(Verdict::Drifted { since: record.seen });
        let finding = self.finding("place", verdict, origin);
        self.push(Finding { wished: Some(wished.into()), seen, note, ..finding });
    }

    fn identity(&mut self, told: Told, view: View<'a>, record: &'a BmcRecord) {
        let Told { attribute, wished, origin, answer } = told;
        self.judged += 1;
        let (seen, verdict) = match answer {
            Answer::Same => {
                self.in_sync += 1;
                return;
            }
            Answer::Unknown(why) => (None, Verdict::Unknown { why, since: None }),
            Answer::Differs(seen) => {
                let differs = |older: View<'_>| {
                    let told = identity::compare(self.world.desired, self.node, self.claim(), older, record);
                    told.iter().any(|other| other.attribute == attribute && matches!(other.answer, Answer::Differs(_)))
                };
                let verdict = self.confirmed(&attribute, view, record, differs);
                (seen, verdict)
            }
        };
        let verdict = self.excused(&attribute, seen.as_deref(), verdict);
        let finding = self.finding(&attribute, verdict.0, origin);
        self.push(Finding { wished: Some(wished), seen, note: verdict.1, ..finding });
    }

    fn attribute(&mut self, attribute: &str, wish: &Stated<Free>, view: View<'a>, record: &'a BmcRecord) {
        self.judged += 1;
        let (verdict, seen, note) = match view.judge(attribute, &wish.value) {
            Judgement::AsWished => {
                self.in_sync += 1;
                return;
            }
            Judgement::Unknown(why) => (Verdict::Unknown { why: why.into(), since: None }, None, None),
            _ if self.is_wrong_while_off(view) => {
                let why = "this BMC tells wrong values while the machine is off".into();
                (Verdict::Unknown { why, since: None }, None, None)
            }
            Judgement::Differs { seen, .. } if is_gone_while_off(view, seen.as_deref()) => {
                let why = "the machine is off, and its BMC may report this only while it runs".into();
                (Verdict::Unknown { why, since: None }, None, None)
            }
            Judgement::Pending(applied) => {
                let note = "the wished value is staged and waits for a reset";
                (Verdict::Pending, Some(applied), Some(note.into()))
            }
            Judgement::Differs { seen, note } => {
                let differs =
                    |older: View<'_>| matches!(older.judge(attribute, &wish.value), Judgement::Differs { .. });
                let verdict = self.confirmed(attribute, view, record, differs);
                let (verdict, told) = self.excused(attribute, seen.as_deref(), verdict);
                (verdict, seen, told.or(note.map(Into::into)))
            }
        };
        let finding = self.finding(attribute, verdict, wish.origin);
        let wished = Some(canonical::text(&wish.value).into());
        self.push(Finding { wished, seen: seen.map(Into::into), note, ..finding });
    }

    fn is_wrong_while_off(&self, view: View<'_>) -> bool {
        view.system.power.seen() == Some(&PowerState::Off) && view.service.quirks.contains(&Quirk::WrongWhileOff)
    }

    /// A difference counts once enough surveys in a row showed it.
    fn confirmed(
        &self,
        attribute: &str,
        view: View<'_>,
        record: &BmcRecord,
        differs: impl Fn(View<'_>) -> bool,
    ) -> Verdict {
        let held = |service: &crate::observed::Service| {
            let systems = service.systems.seen();
            let system = systems.into_iter().flatten().find(|system| system.id == view.system.id);
            system.is_some_and(|system| differs(View { service, system, shared: view.shared }))
        };
        let (surveys, since) = record.history.held(is_deep(attribute), held);
        // A machine that was reset often since its last deep survey may have lost the run that showed it.
        if surveys.max(1) < self.world.confirm {
            return Verdict::Settling(Settling::Unconfirmed { surveys, of: self.world.confirm });
        }
        self.settled(Verdict::Drifted { since })
    }

    /// A machine that is between two states is not judged.
    fn settled(&self, verdict: Verdict) -> Verdict {
        self.settling.as_ref().map_or(verdict, |unsettled| unsettled.verdict(self.observed))
    }

    /// A difference that somebody answers for is excused; a note where that ran out.
    fn excused(&self, attribute: &str, seen: Option<&str>, verdict: Verdict) -> (Verdict, Option<Box<str>>) {
        if !matches!(verdict, Verdict::Drifted { .. }) {
            return (verdict, None);
        }
        if self.node.state.value == NodeState::Maintenance {
            return (Verdict::Excepted(Excused::Maintenance), None);
        }
        self.world.exceptions.judge(self.at, attribute, seen, verdict)
    }

    fn unknown(&mut self, origin: Origin, why: String, since: Option<i64>) {
        self.judged += 1;
        let finding = self.finding("", Verdict::Unknown { why: why.into(), since }, origin);
        self.push(finding);
    }

    fn finding(&self, attribute: &str, verdict: Verdict, origin: Origin) -> Finding {
        let observed = if is_deep(attribute) {
            bmc_record(self.world, self.node).and_then(|record| record.seen_deep).or(self.observed)
        } else {
            self.observed
        };
        Finding {
            subject: Subject::Node(self.node.name.clone()),
            class: Class::of(attribute),
            attribute: attribute.into(),
            verdict,
            wished: None,
            seen: None,
            note: None,
            origin: Some(origin),
            observed,
        }
    }

    fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}

/// The attribute's path of the architecture that a node is booted as.
const ARCH: &str = "arch";

/// Tells whether a machine that is off shows nothing where something should be: many BMCs know it only while it runs.
fn is_gone_while_off(view: View<'_>, seen: Option<&str>) -> bool {
    view.system.power.seen() == Some(&PowerState::Off) && matches!(seen, None | Some("0" | ""))
}

/// Tells whether only a deep survey reads an attribute.
fn is_deep(attribute: &str) -> bool {
    let swept = ["", "place", "power", "serial", "uuid", "manufacturer", "model", "bios.version", "memory_gib"];
    !(swept.contains(&attribute) || attribute.starts_with("boot."))
}
