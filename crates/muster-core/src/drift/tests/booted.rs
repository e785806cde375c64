//! What nodes run, as a class of drift.

use super::told;
use super::world::{T0, World, of};
use crate::drift::{Class, Exit, Standing, exit};
use crate::model::Revision;
use crate::observed::{Boot, Booted, Failure, FailureKind, PowerState, Reading};
use crate::snapshot::Answer;

/// A world whose nodes have all booted what they would be given today, an hour before it was surveyed.
fn booted() -> World {
    let mut world = World::new();
    let snapshot = world.snapshot();
    let boots = snapshot.nodes().iter().enumerate().map(|(at, node)| {
        let Answer::Script(prepared) = snapshot.answer(at) else { panic!("{} boots nothing", node.name) };
        let boot = Boot::new(T0 - 3_600_000, [10, 0, 0, 1].into(), Revision::commit("abc"), prepared.digest, None);
        (node.name.clone(), Booted { last: Some(boot), uncounted: None })
    });
    world.observed.boots = Some(boots.collect());
    world
}

fn boot<'w>(world: &'w mut World, node: &str) -> &'w mut Boot {
    world.observed.boots.as_mut().unwrap().get_mut(node).unwrap().last.as_mut().unwrap()
}

/// Lets a node have booted an older commit.
fn stale(world: &mut World, node: &str) {
    let boot = boot(world, node);
    (boot.revision, boot.digest) = (Revision::commit("0123456789abcdef"), [7; 32]);
}

const STALE: &str =
    "n1 script: drifted the script of abc -> that of 0123456789ab; it takes the wished one with its next boot";

#[test]
fn nodes_that_run_what_git_says_are_in_sync_by_one_attribute_more() {
    let (with, without) = (booted().drift(), World::new().drift());
    assert_eq!(told(&with.findings), Vec::<String>::new());
    assert!(with.nodes.iter().zip(&without.nodes).all(|(with, without)| with.in_sync == without.in_sync + 1));
}

#[test]
fn a_stale_boot_is_drift_and_an_unknown_one_is_never_in_sync() {
    let mut world = booted();
    stale(&mut world, "n1");
    world.observed.boots.as_mut().unwrap().remove("n3");
    let drift = world.drift();
    assert_eq!(told(&drift.findings), [STALE, "n3 script: unknown (no boot is recorded)"]);
    assert_eq!(drift.findings[0].class, Class::StaleBoot);
    assert_eq!(drift.findings[0].observed, Some(T0 - 3_600_000));
    let standings: Vec<Standing> = drift.nodes.iter().map(|node| node.standing).collect();
    assert_eq!(standings, [Standing::Drifted, Standing::InSync, Standing::Unknown, Standing::InSync]);
    assert_eq!(exit(&drift, &[], None), Exit::Findings);
    boot(&mut world, "n1").digest = [8; 32];
    boot(&mut world, "n1").revision = Revision::commit("abc");
    assert!(told(&world.drift().findings)[0].contains("as another version of muster writes it"));
}

#[test]
fn a_bmc_that_cannot_be_read_hides_no_stale_boot() {
    let mut world = booted();
    stale(&mut world, "n1");
    world.fail("b1", &Failure::new(FailureKind::TimedOut, "no answer in 5 s"));
    assert_eq!(told(&world.drift().findings), ["n1 : unknown (timed-out: no answer in 5 s)", STALE]);
}

#[test]
fn a_machine_that_is_off_runs_nothing_and_one_that_was_off_since_runs_who_knows_what() {
    let mut world = booted();
    stale(&mut world, "n1");
    world.survey("b1", |service, _| of(service, 0).power = Reading::Seen(PowerState::Off));
    assert!(told(&world.drift().findings).iter().all(|line| line.starts_with("n1 power: drifted")), "it is off");
    world.survey("b1", |_, _| ());
    let reset = "n1 script: unknown (its BMC showed it off or starting after its last recorded boot)";
    assert_eq!(told(&world.drift().findings), [reset]);
    boot(&mut world, "n1").at = T0 + 24 * 3_600_000;
    let at = T0 + 25 * 3_600_000;
    assert_eq!(told(&world.drift_at(at).findings), [STALE], "it booted since");
    assert!(told(&world.drift_at(T0).findings)[0].contains("this host's clock went back"));
}

#[test]
fn a_machine_that_starts_or_is_maintained_is_not_judged() {
    let mut world = booted();
    stale(&mut world, "n1");
    world.survey("b1", |service, _| of(service, 0).power = Reading::Seen(PowerState::PoweringOn));
    assert!(told(&world.drift().findings).iter().any(|line| line.starts_with("n1 script: unknown")));
    let mut world = booted().edit(
        "groups = [\"g\"]\nserial = \"SN[1-2]\"",
        "groups = [\"g\"]\nstate = \"maintenance\"\nserial = \"SN[1-2]\"",
    );
    stale(&mut world, "n1");
    assert_eq!(told(&world.drift().findings), [STALE.replace("drifted", "excepted")]);
}

#[test]
fn a_node_that_no_bmc_shows_is_told_of_by_its_boots_alone() {
    let mut world =
        booted().edit("url = \"https://10.1.0.[1-3]\"", "url = \"https://10.1.0.[1-3]\"\nprotocol = \"none\"");
    stale(&mut world, "n1");
    let drift = world.drift();
    assert_eq!(told(&drift.findings)[0], STALE);
    assert!(drift.nodes.iter().all(|node| !node.is_observable) && drift.coverage.nodes == 0);
    assert_eq!((drift.nodes[0].standing, drift.nodes[1].standing), (Standing::Drifted, Standing::NotObservable));
}
