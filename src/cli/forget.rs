//! `muster forget`.

use clap::Args;
use jiff::Timestamp;

use super::discover::keeper::Keeper;
use super::hosted::Hosted;
use super::{Failure, Outcome, node_set, output};
use crate::desired::did_you_mean;
use crate::model::text::plural;
use crate::observed::{BmcRecord, Observed};
use crate::roll;
use crate::settings::Given;

/// Delete the observations of BMCs that are gone, or that were surveyed at a wrong address
///
/// Prints the deleted observations and does not ask for confirmation. A running server that has the store open does
/// it. The next survey observes a declared BMC again. Observations of BMCs that git no longer declares do not count
/// even if they are kept. Rejected credentials and claimed MAC addresses are not deleted.
///
/// Exit codes: 0 all are deleted, 2 none is: a name without observations, or another problem.
#[derive(Debug, Args)]
pub struct Forget {
    /// The BMCs: a name, a set such as 'x1000c0s[0-3]b0', or the address at which an undeclared one was surveyed
    bmcs: String,
    #[command(flatten)]
    hosted: Hosted,
    /// Use this server instead of the store: unix:PATH, http://IP:PORT or IP:PORT
    #[arg(long, value_name = "URL", env = "MUSTER_SERVER")]
    server: Option<String>,
}

impl Forget {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let settings = self.hosted.reach(Given::default())?;
        if self.server.is_none() && !settings.store.exists() {
            let failure = Failure::new(format!("{}: there is no store", settings.store.display()));
            return Err(failure.hint(Some("name the one that holds the records with --store or --server".into())));
        }
        let keeper = Keeper::open(&settings, self.server.as_deref())?;
        let observed = keeper.observed()?;
        let names = self.names(&observed)?;

        let records: Vec<&BmcRecord> = names.iter().filter_map(|name| observed.bmcs.get(name)).collect();
        keeper.forget(names.clone())?;
        let mut out = output::stdout();
        for record in records {
            writeln!(out, "{}", described(record))?;
        }
        writeln!(out, "forgot {}", plural(names.len(), "BMC"))?;
        Ok(Outcome::AsWished)
    }

    /// Returns the names of the selected records, all of which exist.
    fn names(&self, observed: &Observed) -> Result<Vec<Box<str>>, Failure> {
        // The name of a BMC that was surveyed by its address is its origin, which is not a set.
        let address = roll::origin(&self.bmcs).filter(|_| roll::is_address(&self.bmcs));
        let names: Vec<Box<str>> = match address {
            Some(address) => vec![address.into()],
            None if observed.bmcs.contains_key(&*self.bmcs) => vec![(&*self.bmcs).into()],
            None => {
                let names = observed.bmcs.keys().map(|name| &**name);
                node_set::bmcs(&self.bmcs, names, &not_remembered)?.iter().map(Into::into).collect()
            }
        };

        match names.iter().find(|name| !observed.bmcs.contains_key(&***name)) {
            None => Ok(names),
            Some(missing) => {
                let near = did_you_mean(missing, observed.bmcs.keys().map(|name| &**name));
                Err(Failure::new(not_remembered(missing)).hint(near))
            }
        }
    }
}

fn not_remembered(name: &str) -> String {
    format!("nothing is remembered of a BMC `{name}`, so nothing is forgotten")
}

/// Describes the data that is deleted with a record.
fn described(record: &BmcRecord) -> String {
    let seen = match record.seen {
        Some(at) => format!("seen {}", Timestamp::from_second(at.div_euclid(1000)).unwrap_or_default()),
        None => "never seen".into(),
    };

    let systems = record.service().and_then(|service| service.systems.seen()).map_or(0, Vec::len);
    let changes = record.history.changes().len();
    format!(
        "{}: {}, {seen}, with {} and {}",
        record.bmc,
        record.url,
        plural(systems, "system"),
        plural(changes, "remembered change")
    )
}
