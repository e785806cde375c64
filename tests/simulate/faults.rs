//! Faults by chance: drawn from the seed, and each of them seen.

use super::{Options, Sim, basic, http, options, world};
use muster::simulate::{Choices, Faults};

fn with(faults: &str, seed: u64) -> Sim {
    let faults = Faults { seed, ..faults.parse().unwrap() };
    Sim::of(world(&Choices::default()), Options { faults, ..options() })
}

/// Asks so often and tells what came: a status, 0 for no answer, 1 for half of one.
fn history(sim: &Sim, times: usize) -> Vec<u16> {
    let login = basic(super::LOGIN.0, super::LOGIN.1);
    let ask = || http::request(sim.at(0), "GET", "/redfish/v1/Systems/1", &[("Authorization", &login)], b"");
    let judge = |answer: std::io::Result<http::Answer>| match answer {
        Err(_) => 0,
        Ok(answer) if answer.status == 200 && serde_json::from_slice::<super::Value>(&answer.body).is_err() => 1,
        Ok(answer) => answer.status,
    };
    (0..times).map(|_| judge(ask())).collect()
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let spec = "drop=0.1,error=0.1,half=0.1,unauthorised=0.1";
    let (one, again, other) = (history(&with(spec, 1), 80), history(&with(spec, 1), 80), history(&with(spec, 2), 80));
    assert_eq!(one, again);
    assert_ne!(one, other);
    for kind in [0, 1, 200, 401] {
        assert!(one.contains(&kind), "{kind} was never seen in {one:?}");
    }
    assert!(one.iter().any(|status| *status >= 500));
}

#[test]
fn faults_keep_to_their_share_of_bmcs() {
    assert!(history(&with("error=1,on=0", 1), 5).iter().all(|status| *status == 200));
    assert!(history(&with("error=1", 1), 5).iter().all(|status| *status >= 500));
}

#[test]
fn stale_answers_are_from_before_the_last_change() {
    let sim = with("stale=1:1000", 1);
    let system = "/redfish/v1/Systems/1";
    assert_eq!(sim.status(0, "PATCH", system, r#"{"Boot":{"BootSourceOverrideTarget":"Pxe"}}"#), 204);
    assert_eq!(sim.json(0, system)["Boot"]["BootSourceOverrideTarget"], "None");
    sim.wait(0, system, |system| system["Boot"]["BootSourceOverrideTarget"] == "Pxe");
}

#[test]
fn lying_writes_are_accepted_and_do_not_last() {
    let sim = with("lie=1", 1);
    let system = "/redfish/v1/Systems/1";
    let mut held = 0;
    for _ in 0..8 {
        assert_eq!(sim.status(0, "PATCH", system, r#"{"Boot":{"BootSourceOverrideTarget":"Pxe"}}"#), 204);
        held += usize::from(sim.json(0, system)["Boot"]["BootSourceOverrideTarget"] == "Pxe");
        sim.wait(0, system, |system| system["Boot"]["BootSourceOverrideTarget"] == "None");
    }
    assert!(held > 0 && held < 8, "{held} of 8 held for a while");
}

#[test]
fn what_is_no_fault_is_refused() {
    for text in ["drop", "drop=2", "drop=-1", "nothing=0.1", "delay=0.1:9-2", "drop=0.1:5", "stale=0.1:x"] {
        assert!(text.parse::<Faults>().is_err(), "{text}");
    }
    assert!("".parse::<Faults>().is_ok());
}
