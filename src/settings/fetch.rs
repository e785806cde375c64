//! Fetching a repository on another host: the table `[fetch]` of the settings file.

use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SettingsError;
use super::bmc::{timeout, value};
use super::given::first;
use crate::model::parse_duration;

/// The default time limit of one fetch: the first one of a large repository over a slow line.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The default size limit of the mirror in MiB: 40 times the cluster repository of 100,000 nodes.
const MAX_MIB: u32 = 2048;

/// The minimum polling interval for another host: a forge limits its clients, and a webhook is
/// faster than any interval.
const SHORTEST: Duration = Duration::from_secs(5);

/// Settings of fetching.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema, Args)]
#[serde(deny_unknown_fields)]
#[command(next_help_heading = "Repositories on other hosts")]
pub struct GivenFetch {
    /// The polling interval for a repository on another host [default: 30s]
    #[arg(long = "fetch-interval", value_name = "TIME", env = "MUSTER_FETCH_INTERVAL", id = "fetch.interval")]
    pub interval: Option<String>,
    /// The time limit of one fetch [default: 10m]
    #[arg(long = "fetch-timeout", value_name = "TIME", env = "MUSTER_FETCH_TIMEOUT", id = "fetch.timeout")]
    pub timeout: Option<String>,
    /// The size limit of the mirror, in MiB [default: 2048]
    #[arg(long = "fetch-max-mib", value_name = "MIB", env = "MUSTER_FETCH_MAX_MIB", id = "fetch.max_mib")]
    pub max_mib: Option<u32>,
}

/// The settings of fetching, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchSettings {
    /// The time between two looks, if it is set.
    pub interval: Option<Duration>,
    /// The time limit of one fetch [default: 10m]
    pub timeout: Duration,
    /// The size limit of the mirror in bytes.
    pub max_bytes: u64,
}

impl GivenFetch {
    /// Fills absent values from weaker settings.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        first!(self, weaker: interval, timeout, max_mib)
    }

    /// Completes the settings.
    ///
    /// # Errors
    /// A value is outside the range of its key.
    pub fn complete(self) -> Result<FetchSettings, SettingsError> {
        let interval = self.interval.map(|text| match parse_duration(&text) {
            Ok(time) if time < SHORTEST => Err(value("fetch.interval", format!("the shortest is {SHORTEST:?}"))),
            Ok(time) => Ok(time),
            Err(fault) => Err(value("fetch.interval", fault)),
        });

        let max_mib = self.max_mib.unwrap_or(MAX_MIB);
        if max_mib == 0 {
            return Err(value("fetch.max_mib", "nothing fits into nothing".into()));
        }

        Ok(FetchSettings {
            interval: interval.transpose()?,
            timeout: timeout("fetch.timeout", self.timeout, TIMEOUT)?,
            max_bytes: u64::from(max_mib) << 20,
        })
    }
}
