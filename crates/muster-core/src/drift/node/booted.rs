//! What a node runs, as one attribute among the others.

use super::{Judge, bmc_record};
use crate::drift::runs::{self, Run};
use crate::drift::{Finding, SCRIPT, Verdict};
use crate::observed::PowerState;
use crate::roll;

impl Judge<'_, '_> {
    /// Judges what the node booted last. One that is seen to be off runs nothing.
    pub(super) fn booted(&mut self) {
        let Some(records) = &self.world.records else { return };
        let record = bmc_record(self.world, self.node).filter(|record| record.failure.is_none());
        let system = record.and_then(|record| roll::system_of(self.node.system.as_deref(), record.service()?).ok());
        if system.is_some_and(|system| system.power.seen() == Some(&PowerState::Off)) {
            return;
        }
        let snapshot = self.world.snapshot;
        let origin = snapshot.resolved().class(self.at).boot.map_or(self.node.origin, |boot| boot.origin);
        let told = match runs::judge(snapshot, &self.world.roll, records, self.at, self.world.now) {
            Run::Idle => return,
            Run::Current(_) => {
                self.judged += 1;
                self.in_sync += 1;
                return;
            }
            Run::Unknown(doubt) => {
                let finding = self.finding(SCRIPT, Verdict::Unknown { why: doubt.words().into(), since: None }, origin);
                Finding { observed: doubt.boot().map(|boot| boot.at), ..finding }
            }
            Run::Stale(known) => {
                let verdict = self.settled(Verdict::Drifted { since: None });
                let (verdict, _) = self.excused(SCRIPT, None, verdict);
                let (booted, today) = (&known.boot.revision, snapshot.revision());
                let how = if booted == today { ", as another version of muster writes it" } else { "" };
                let was = known.booted_as.map(|name| format!("it booted as {name}; ")).unwrap_or_default();
                Finding {
                    wished: Some(format!("the script of {}", today.short()).into()),
                    seen: Some(format!("that of {}{how}", booted.short()).into()),
                    note: Some(format!("{was}it takes the wished one with its next boot").into()),
                    observed: Some(known.boot.at),
                    ..self.finding(SCRIPT, verdict, origin)
                }
            }
        };
        self.judged += 1;
        self.push(told);
    }
}
