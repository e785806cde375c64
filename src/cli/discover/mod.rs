//! `muster discover`.

pub mod keeper;
mod summary;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::hosted::Hosted;
use super::source::Source;
use super::{Failure, Format, Outcome, node_set};
use crate::observed::{Depth, FailureKind, Observation, Outcome as Seen};
use crate::settings::{Credentials, Given, GivenAccount, GivenBmc, GivenSurvey, Settings};
use crate::snapshot::Snapshot;
use crate::survey::{self, Stranger, Target};

use keeper::Keeper;
use summary::Summary;
use watch::Watch;

/// The number of observations that are written or sent at once: a second's work of a fast survey.
const BATCH: usize = 64;

/// Survey BMCs over Redfish and record their state
///
/// Without an address, the declared BMCs are surveyed. The observations go into the store, or to the server that has
/// it open.
///
/// Exit codes: 0 all BMCs were read, 3 some were not or do not report the addresses or architecture that boots need,
/// 2 none could be tried.
#[derive(Debug, Args)]
pub struct Discover {
    /// Survey only these declared BMCs: a name, or a set such as 'x1000c0s[0-3]b0'
    #[arg(conflicts_with_all = ["bmc", "range", "cidr"])]
    bmcs: Option<String>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    hosted: Hosted,
    /// Survey an undeclared BMC: an address or a URL; may be repeated
    #[arg(long, value_name = "ADDR")]
    bmc: Vec<String>,
    /// Survey undeclared BMCs in a range, such as 10.1.0.1-10.1.0.64
    #[arg(long, value_name = "A-B")]
    range: Vec<String>,
    /// Survey undeclared BMCs in a network, such as 10.1.0.0/24
    #[arg(long, value_name = "NET")]
    cidr: Vec<String>,
    /// The port of the BMCs of --range and --cidr
    #[arg(long, value_name = "PORT", default_value_t = HTTPS, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The name of the credential for undeclared BMCs; it is sent over verified TLS only
    #[arg(long, value_name = "NAME", conflicts_with = "insecure")]
    credential: Option<String>,
    /// Survey undeclared BMCs with an untrusted certificate, without a credential
    #[arg(long)]
    insecure: bool,
    /// Read only power, boot settings and identity
    #[arg(long)]
    sweep: bool,
    /// Retry credentials that BMCs have rejected
    #[arg(long)]
    retry_logins: bool,
    /// Send the observations to this server instead of the store: unix:PATH, http://IP:PORT or IP:PORT
    #[arg(long, value_name = "URL", env = "MUSTER_SERVER")]
    server: Option<String>,
    /// Write all observations to a file, for `muster drift --observed`
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// The output format of the summary
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The BMCs that accounts may be sent to, in the syntax of the settings file
    #[arg(long, value_name = "RULES", env = "MUSTER_CREDENTIALS", value_parser = crate::settings::account_rules)]
    credentials: Option<BTreeMap<String, GivenAccount>>,
    #[command(flatten)]
    given_bmc: GivenBmc,
    #[command(flatten)]
    given_survey: GivenSurvey,
}

/// The port of https (RFC 9110, section 4.2.2).
const HTTPS: u16 = 443;

impl Discover {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let flags = Given {
            bmc: self.given_bmc.clone(),
            survey: self.given_survey.clone(),
            credentials: self.credentials.clone(),
            ..Given::default()
        };

        let settings = self.hosted.reach(flags)?;
        let credentials = Credentials::load(&settings.bmc, std::env::vars_os())?;
        let addresses = self.addresses()?;
        let is_strange = !addresses.is_empty();

        let (targets, snapshot) = if is_strange {
            let credential = self.credential.as_deref().map(|name| credentials.get(name)).transpose();
            let credential =
                credential.map_err(|missing| Failure::new(missing.to_string()).hint(Some(missing.hint())))?;
            let stranger = Stranger { origins: addresses, credential, insecure: self.insecure };
            (survey::strangers(&stranger, &settings.bmc), None)
        } else {
            let snapshot = self.source.read(None)?.built()?;
            (self.declared(&snapshot, &settings, &credentials)?, Some(snapshot))
        };

        let keeper = Keeper::open(&settings, self.server.as_deref())?;
        if targets.is_empty() {
            let hint = "declare them with [[bmc]], or name addresses with --bmc, --range or --cidr";
            return Err(Failure::new("there is no BMC to survey").hint(Some(hint.into())));
        }

        let addresses: Vec<String> =
            targets.iter().map(|target| target.endpoint.origin.origin().ascii_serialization()).collect();
        let summary = self.survey(&settings, targets, &keeper, snapshot.as_ref(), is_strange)?;

        if let (Keeper::Store(store), false) = (&keeper, is_strange) {
            // A BMC surveyed by its address before it was declared is known by its name from now
            // on.
            store.forget_bmcs(&addresses.iter().map(String::as_str).collect::<Vec<_>>())?;
        }

        if self.retry_logins {
            keeper.forget_refusals(summary.seen().to_vec())?;
        }

        if let Some(file) = &self.export {
            keeper.export(file)?;
        }

        summary.print(self.format)?;
        Ok(summary.outcome())
    }

    /// Lists the origins of the addresses that were given one by one.
    fn named(&self) -> BTreeSet<Box<str>> {
        let origins = self.bmc.iter().filter_map(|text| origin(text).ok());
        origins.map(|url| url.origin().ascii_serialization().into()).collect()
    }

    fn addresses(&self) -> Result<Vec<Url>, Failure> {
        let mut all = Vec::new();
        for text in &self.bmc {
            all.push(origin(text)?);
        }

        for text in self.range.iter().chain(&self.cidr) {
            let addresses = survey::addresses(text).map_err(|error| Failure::from_error(&error))?;
            all.extend(addresses.into_iter().map(|address| Stranger::origin_of(address, self.port)));
        }

        let mut seen = BTreeSet::new();
        all.retain(|url| seen.insert(url.clone()));
        if all.len() > survey::MAX_ADDRESSES {
            return Err(Failure::new(format!("more than {} addresses are named", survey::MAX_ADDRESSES)));
        }

        Ok(all)
    }

    fn declared(
        &self,
        snapshot: &Snapshot,
        settings: &Settings,
        credentials: &Credentials,
    ) -> Result<Vec<Target>, Failure> {
        let mut targets = survey::declared(snapshot.desired(), &settings.bmc, credentials);
        if let Some(text) = &self.bmcs {
            let names = targets.iter().map(|target| &*target.endpoint.name);
            let set = node_set::bmcs(text, names, &|name| format!("no BMC with Redfish is called `{name}`"))?;
            targets.retain(|target| set.contains(&target.endpoint.name));
        }
        Ok(targets)
    }

    /// Runs the survey, records the observations batch by batch, and summarizes them. An interrupt
    /// ends it early, and the observations until then are kept.
    fn survey(
        &self,
        settings: &Settings,
        targets: Vec<Target>,
        keeper: &Keeper,
        snapshot: Option<&Snapshot>,
        is_strange: bool,
    ) -> Result<Summary, Failure> {
        let grounds = survey::grounds(&settings.bmc).map_err(|error| Failure::from_error(&error))?;
        let refused = if self.retry_logins { Vec::new() } else { keeper.refused_logins()? };
        for refused in refused {
            if let Some(target) = targets.iter().find(|target| target.endpoint.name == refused.bmc) {
                grounds.gate().refuse_login(target.asked(), &refused.credential);
            }
        }

        let names = targets.iter().filter_map(|target| {
            let credential = target.credential.as_ref().ok()?.as_ref()?;
            Some((target.endpoint.name.clone(), credential.name.clone()))
        });

        let names: BTreeMap<Box<str>, Box<str>> = names.collect();
        let depth = if self.sweep { Depth::Sweep } else { Depth::Deep };
        let mut summary = Summary::new(targets.len(), is_strange, self.named());
        let watch = Watch::new(targets.len());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;

        runtime.block_on(async {
            let places = Arc::new(Semaphore::new(settings.survey.surveys));
            let stop = CancellationToken::new();
            let (tell, mut told) = mpsc::channel(BATCH * 4);
            let run = async {
                survey::run(&grounds, targets, depth, &places, &stop, &tell).await;
                drop(tell);
            };
            let interrupted = async {
                // Without signals, an interrupt ends the process as usual.
                if tokio::signal::ctrl_c().await.is_ok() {
                    stop.cancel();
                }
                std::future::pending::<()>().await;
            };
            let keep = async {
                let mut batch = Vec::with_capacity(BATCH);
                while told.recv_many(&mut batch, BATCH).await > 0 {
                    batch.retain(|observation| summary.add(observation));
                    watch.show(&summary);
                    // Observations that cannot be recorded need not be made.
                    keeper.keep(snapshot, &batch, &names).inspect_err(|_| stop.cancel())?;
                    batch.clear();
                }
                Ok::<_, Failure>(())
            };
            tokio::select! {
                ((), kept) = async { tokio::join!(run, keep) } => kept,
                () = interrupted => Ok(()),
            }
        })?;

        watch.end();
        Ok(summary)
    }
}

/// Parses an address or a URL as an origin.
fn origin(text: &str) -> Result<Url, Failure> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Stranger::origin_of(address, HTTPS));
    }

    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("https://{text}")) };
    let url = url.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(mut url) = url else {
        let shown = text.rsplit('@').next().unwrap_or_default();
        return Err(Failure::new(format!("`{shown}` is no address or URL of a BMC")));
    };

    if !url.username().is_empty() || url.password().is_some() {
        let hint = "give this host a credential and name it with --credential";
        return Err(Failure::new("an address of a BMC holds no user or password").hint(Some(hint.into())));
    }

    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// Returns whether an address of a range is silent: it has no BMC, so nothing is recorded.
fn is_nobody(observation: &Observation) -> bool {
    let Seen::Failed(failure) = &observation.outcome else { return false };
    matches!(
        failure.kind,
        FailureKind::Refused
            | FailureKind::Unreachable
            | FailureKind::TimedOut
            | FailureKind::Broken
            | FailureKind::NotRedfish
            | FailureKind::Resting
    )
}
