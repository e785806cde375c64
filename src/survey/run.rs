//! The run: a number of BMCs in parallel, each opened, read and closed.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Target;
use crate::observed::{Depth, Failure, FailureKind, Observation, Outcome, Shared, Trust};
use crate::pace::Limits;
use crate::redfish::{self, Client, Grounds, GroundsError, Login, Options};
use crate::settings::{self, BmcSettings};

/// The maximum duration of a survey of one BMC: the slowest working ones, with some 500 resources,
/// take 3 minutes.
const LONGEST: Duration = Duration::from_secs(600);

/// Creates the state that all surveys of a run share, from this host's settings.
///
/// # Errors
/// A CA file cannot be used.
pub fn grounds(settings: &BmcSettings) -> Result<Arc<Grounds>, GroundsError> {
    let limits = Limits {
        global: u32::try_from(settings.requests).unwrap_or(u32::MAX),
        per_bmc: settings.requests_per_bmc as u32,
        ..Limits::default()
    };

    Grounds::new(Options {
        ca_files: settings.ca.clone(),
        login: match settings.login {
            settings::Login::Auto => Login::Auto,
            settings::Login::Session => Login::Session,
            settings::Login::Basic => Login::Basic,
        },
        limits,
        seed: fastrand::u64(..),
        connect_timeout: settings.connect_timeout,
        request_timeout: settings.timeout,
        ..Options::default()
    })
}

/// Surveys BMCs, as many in parallel as there are places, and sends each observation as soon as it
/// is complete.
///
/// It ends once all are sent, or soon after `stop`; BMCs without an observation were not surveyed.
pub async fn run(
    grounds: &Arc<Grounds>,
    targets: Vec<Target>,
    depth: Depth,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
    tell: &mpsc::Sender<Observation>,
) {
    let tasks = TaskTracker::new();
    for target in targets {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = Arc::clone(places).acquire_owned() => place,
        };
        let (grounds, stop, tell) = (Arc::clone(grounds), stop.clone(), tell.clone());
        tasks.spawn(async move {
            let told = tokio::select! {
                () = stop.cancelled() => None,
                observation = one(&grounds, target, depth) => Some(observation),
            };
            // Without its place it would start before another ended.
            drop(place);
            if let Some(observation) = told {
                // The receiver is gone: the run is over for it.
                let _ = tell.send(observation).await;
            }
        });
    }

    tasks.close();
    tasks.wait().await;
    grounds.settle().await;
}

/// Surveys one BMC.
async fn one(grounds: &Arc<Grounds>, target: Target, depth: Depth) -> Observation {
    let Target { endpoint, credential } = target;
    let name = endpoint.name.clone();
    let asked = endpoint.origin.origin().ascii_serialization();

    let survey = async {
        let client = Client::open(grounds, endpoint, credential?).await?;
        let observation = redfish::survey(&client, &name, &asked, depth, now_ms).await;
        client.close().await;
        Ok(observation)
    };

    let told = tokio::time::timeout(LONGEST, survey).await;
    let failed = |failure| Observation {
        bmc: name.clone(),
        url: asked.clone().into(),
        at: now_ms(),
        depth,
        trust: Trust::Plain,
        authenticated: false,
        outcome: Outcome::Failed(failure),
        shared: Shared::default(),
    };

    match told {
        Ok(Ok(observation)) => observation,
        Ok(Err(failure)) => failed(failure),
        Err(_) => failed(Failure::new(FailureKind::TimedOut, format!("it was not read to its end within {LONGEST:?}"))),
    }
}

/// Returns the time in unix milliseconds.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
