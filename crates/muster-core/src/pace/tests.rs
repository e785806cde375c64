use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const BMCS: usize = 4;

fn limits() -> impl Strategy<Value = Limits> {
    (1u32..4, 1u32..6, 1u32..5, 1u64..2_000, 1u64..20_000, 1u64..500, 1u64..5_000).prop_map(
        |(per_bmc, global, dead_before_rest, rest_base, rest_cap, hold_base, hold_cap)| Limits {
            per_bmc,
            global,
            dead_before_rest,
            rest_base,
            rest_cap,
            hold_base,
            hold_cap,
        },
    )
}

#[derive(Debug, Clone)]
enum Step {
    Ask(usize, bool),
    Next,
    Pass(u64),
    /// Ends the started request at this place, modulo their number.
    End(usize, End),
    /// Leaves a request, started or waiting.
    Leave(usize),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => Just(End::Answered),
        3 => Just(End::Dead),
        1 => Just(End::Unknown),
        1 => Just(End::Busy { after: None }),
        1 => (0u64..10_000).prop_map(|after| End::Busy { after: Some(after) }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..BMCS, prop::bool::weighted(0.3)).prop_map(|(bmc, write)| Step::Ask(bmc, write)),
        5 => Just(Step::Next),
        1 => (0u64..3_000).prop_map(Step::Pass),
        3 => (any::<usize>(), end()).prop_map(|(at, end)| Step::End(at, end)),
        1 => any::<usize>().prop_map(Step::Leave),
    ]
}

/// The world beside the pace: what was asked for and what is in flight, counted on its own.
struct World {
    pace: Pace,
    limits: Limits,
    ids: Vec<BmcId>,
    now: u64,
    asked: BTreeMap<Ticket, (usize, Kind)>,
    flying: BTreeMap<Ticket, (usize, Kind)>,
    rest: [Option<u64>; BMCS],
    held: [Option<u64>; BMCS],
}

impl World {
    fn new(limits: Limits, seed: u64) -> Self {
        let mut pace = Pace::new(limits, seed);
        let ids = (0..BMCS).map(|at| pace.bmc(&format!("b{at}"))).collect();
        let (asked, flying) = (BTreeMap::new(), BTreeMap::new());
        Self { pace, limits, ids, now: 0, asked, flying, rest: [None; BMCS], held: [None; BMCS] }
    }

    fn next(&mut self) -> Next {
        let next = self.pace.next(self.now);
        match next {
            Next::Start(ticket) => {
                let (bmc, kind) = self.asked.remove(&ticket).expect("only what was asked for and waits is started");
                let older = self.asked.iter().find(|(other, (of, _))| *of == bmc && **other < ticket);
                assert_eq!(older, None, "the oldest of a BMC goes first");
                assert!(self.rest[bmc].is_none_or(|until| until <= self.now), "a resting BMC is not asked");
                assert!(self.held[bmc].is_none_or(|until| until <= self.now), "a held BMC is not asked");
                self.flying.insert(ticket, (bmc, kind));
            }
            Next::GiveUp(ticket, _) => {
                self.asked.remove(&ticket).expect("only what waits is given up");
            }
            Next::Wait(until) => assert!(until > self.now, "no busy loop: {until} is not after {}", self.now),
            Next::Idle => {}
        }
        self.bounds();
        next
    }

    fn bounds(&self) {
        assert!(self.flying.len() <= self.limits.global as usize);
        for at in 0..BMCS {
            let own = || self.flying.values().filter(|(bmc, _)| *bmc == at);
            assert!(own().count() <= self.limits.per_bmc as usize);
            assert!(own().filter(|(_, kind)| *kind == Kind::Write).count() <= 1);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Ask(bmc, is_write) => {
                let kind = if is_write { Kind::Write } else { Kind::Read };
                let ticket = self.pace.ask(self.ids[bmc], kind, self.now);
                self.asked.insert(ticket, (bmc, kind));
            }
            Step::Next => {
                self.next();
            }
            Step::Pass(time) => self.now += time,
            Step::End(at, end) => {
                let Some(ticket) = nth(&self.flying, at) else { return };
                let (bmc, _) = self.flying.remove(&ticket).expect("it is there");
                self.pace.done(ticket, end, self.now);
                self.held[bmc] = self.pace.held_until(self.ids[bmc]);
                self.rest[bmc] = match self.pace.bmcs[bmc].standing {
                    Standing::Resting(until) => Some(until),
                    Standing::Open | Standing::Held(_) | Standing::Probed(_) => None,
                };
            }
            Step::Leave(at) => {
                let all: BTreeMap<_, _> = self.asked.iter().chain(&self.flying).map(|(k, v)| (*k, *v)).collect();
                let Some(ticket) = nth(&all, at) else { return };
                self.asked.remove(&ticket);
                self.flying.remove(&ticket);
                self.pace.leave(ticket, self.now);
            }
        }
    }

    /// Ends what flies and lets time pass until nothing waits.
    fn drain(&mut self) {
        for _ in 0..100_000 {
            match self.next() {
                Next::Start(_) | Next::GiveUp(..) => {}
                Next::Wait(_) | Next::Idle if !self.flying.is_empty() => self.step(Step::End(0, End::Answered)),
                Next::Wait(until) => self.now = until,
                Next::Idle => return,
            }
        }
        panic!("it does not come to an end");
    }
}

fn nth<V>(map: &BTreeMap<Ticket, V>, at: usize) -> Option<Ticket> {
    (!map.is_empty()).then(|| *map.keys().nth(at % map.len()).expect("it is within"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bounds_hold_and_nobody_starves(limits in limits(), seed: u64, steps in prop::collection::vec(step(), 0..250)) {
        let mut world = World::new(limits, seed);
        for step in steps {
            world.step(step);
        }
        world.drain();
        prop_assert!(world.asked.is_empty(), "they wait for ever: {:?}", world.asked);
        prop_assert_eq!(world.pace.flying, 0);
        prop_assert!(world.pace.requests.is_empty() && world.pace.ready.is_empty() && world.pace.timers.is_empty());
        prop_assert!(world.pace.bmcs.iter().all(|bmc| bmc.flying == 0 && !bmc.writing && bmc.queue.is_empty()));
    }

    /// However often it is asked for, a dead BMC gets what the formula allows: the strikes, and one probe per rest.
    #[test]
    fn a_dead_bmc_costs_only_probes(limits in limits(), seed: u64, every in 1u64..300, latency in 0u64..500) {
        const SPAN: u64 = 30_000;
        let mut pace = Pace::new(limits, seed);
        let bmc = pace.bmc("dead");
        let mut flying: BTreeSet<(u64, Ticket)> = BTreeSet::new();
        let mut started = 0u32;
        for now in 0..SPAN {
            while let Some((ends, ticket)) = flying.first().copied().filter(|(ends, _)| *ends <= now) {
                flying.remove(&(ends, ticket));
                pace.done(ticket, End::Dead, now);
            }
            if now % every == 0 {
                pace.ask(bmc, Kind::Read, now);
            }
            while let next @ (Next::Start(_) | Next::GiveUp(..)) = pace.next(now) {
                if let Next::Start(ticket) = next {
                    started += 1;
                    flying.insert((now + latency, ticket));
                }
            }
        }
        // Those in flight when the last strike falls started before it.
        let strikes = limits.dead_before_rest + limits.per_bmc - 1;
        let (mut probes, mut at) = (0, 0u64);
        while at < SPAN {
            let rest = limits.rest(probes);
            at += (rest - rest / 4).max(1) + latency;
            probes += 1;
        }
        prop_assert!(started <= strikes + probes, "{started} requests, {strikes} strikes and {probes} probes allowed");
    }

    #[test]
    fn waits_grow_and_are_capped_and_jitter_stays_in_range(limits in limits(), times in 0u32..200, part in -1.0f64..2.0) {
        for (wait, cap) in [(Limits::rest as fn(&_, _) -> _, limits.rest_cap), (Limits::hold, limits.hold_cap)] {
            let (one, next): (u64, u64) = (wait(&limits, times), wait(&limits, times + 1));
            prop_assert!(one <= next && next <= cap);
            let jittered = limits.jittered(one, part);
            prop_assert!(jittered <= one && jittered >= one - one / 4);
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_choices(limits in limits(), seed: u64, steps in prop::collection::vec(step(), 0..120)) {
        let run = || {
            let mut world = World::new(limits, seed);
            steps.iter().map(|step| { world.step(step.clone()); world.next() }).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }
}

fn pace(limits: Limits) -> (Pace, BmcId) {
    let mut pace = Pace::new(limits, 7);
    let bmc = pace.bmc("b");
    (pace, bmc)
}

fn started(pace: &mut Pace, now: u64) -> Ticket {
    match pace.next(now) {
        Next::Start(ticket) => ticket,
        other => panic!("expected a start, got {other:?}"),
    }
}

#[test]
fn after_a_rest_one_probe_goes_and_the_others_wait_for_it() {
    let limits = Limits { dead_before_rest: 1, rest_base: 1_000, ..Limits::default() };
    let (mut pace, bmc) = pace(limits);
    pace.ask(bmc, Kind::Read, 0);
    let first = started(&mut pace, 0);
    pace.done(first, End::Dead, 0);
    let early = pace.ask(bmc, Kind::Read, 700);
    assert!(matches!(pace.next(700), Next::GiveUp(ticket, 750..=1_000) if ticket == early));
    pace.ask(bmc, Kind::Read, 1_000);
    let other = pace.ask(bmc, Kind::Read, 1_000);
    let probe = started(&mut pace, 1_000);
    assert_eq!(pace.next(1_000), Next::Idle);
    pace.done(probe, End::Answered, 1_010);
    assert_eq!(pace.next(1_010), Next::Start(other));
}

#[test]
fn a_cancelled_probe_is_followed_by_another() {
    let (mut pace, bmc) = pace(Limits { dead_before_rest: 1, rest_base: 10, ..Limits::default() });
    pace.ask(bmc, Kind::Read, 0);
    let first = started(&mut pace, 0);
    pace.done(first, End::Dead, 0);
    pace.ask(bmc, Kind::Read, 10);
    let second = pace.ask(bmc, Kind::Read, 10);
    let probe = started(&mut pace, 10);
    pace.leave(probe, 11);
    assert_eq!(pace.next(11), Next::Start(second));
}

#[test]
fn a_late_dead_answer_does_not_pass_for_the_probes() {
    let (mut pace, bmc) = pace(Limits { dead_before_rest: 1, rest_base: 10, ..Limits::default() });
    pace.ask(bmc, Kind::Read, 0);
    pace.ask(bmc, Kind::Read, 0);
    let (first, late) = (started(&mut pace, 0), started(&mut pace, 0));
    pace.done(first, End::Dead, 0);
    pace.ask(bmc, Kind::Read, 10);
    let probe = started(&mut pace, 10);
    pace.done(late, End::Dead, 11);
    let other = pace.ask(bmc, Kind::Read, 12);
    assert_eq!(pace.next(12), Next::Idle);
    pace.done(probe, End::Answered, 13);
    assert_eq!(pace.next(13), Next::Start(other));
}

#[test]
fn a_busy_bmc_is_left_alone_as_long_as_it_asks_within_the_cap() {
    let (mut pace, bmc) = pace(Limits { hold_cap: 5_000, ..Limits::default() });
    for (after, until) in [(2_000, 2_000), (60_000, 7_000)] {
        let now = until - after.min(5_000);
        pace.ask(bmc, Kind::Read, now);
        let ticket = started(&mut pace, now);
        pace.ask(bmc, Kind::Read, now);
        pace.done(ticket, End::Busy { after: Some(after) }, now);
        assert_eq!(pace.next(now), Next::Wait(until));
        let ticket = started(&mut pace, until);
        pace.done(ticket, End::Unknown, until);
    }
}

#[test]
fn a_refused_login_stays_refused_until_told() {
    let (mut pace, bmc) = pace(Limits::default());
    let other = pace.bmc("other");
    pace.refuse_login(bmc, "rack");
    pace.told(other);
    let ticket = pace.ask(bmc, Kind::Read, 0);
    pace.next(0);
    pace.done(ticket, End::Answered, 0);
    assert!(pace.is_login_refused(bmc, "rack"));
    assert!(!pace.is_login_refused(bmc, "row") && !pace.is_login_refused(other, "rack"));
    pace.told(bmc);
    assert!(!pace.is_login_refused(bmc, "rack"));
}
