//! The limits of building one commit: the table `[build]` of the settings file.

use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SettingsError;
use super::bmc::{timeout, value};
use super::given::first;

/// The default time limit of a build: a hundred times the time for 100,000 nodes.
const TIMEOUT: Duration = Duration::from_secs(300);

/// The default memory limit of a build in MiB: four times the memory for 100,000 nodes.
const MAX_MIB: u32 = 4096;

/// Settings of building commits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema, Args)]
#[serde(deny_unknown_fields)]
#[command(next_help_heading = "Building commits")]
pub struct GivenBuild {
    /// The time limit for building one commit; a commit that exceeds it is refused [default: 5m]
    #[arg(long = "build-timeout", value_name = "TIME", env = "MUSTER_BUILD_TIMEOUT", id = "build.timeout")]
    pub timeout: Option<String>,
    /// The memory limit for building one commit, in MiB; a commit that exceeds it is refused [default: 4096]
    #[arg(long = "build-max-mib", value_name = "MIB", env = "MUSTER_BUILD_MAX_MIB", id = "build.max_mib")]
    pub max_mib: Option<u32>,
}

/// The limits of building one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSettings {
    pub timeout: Duration,
    pub max_bytes: u64,
}

impl GivenBuild {
    /// Fills absent values from weaker settings.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        first!(self, weaker: timeout, max_mib)
    }

    /// Completes the settings.
    ///
    /// # Errors
    /// A value is outside the range of its key.
    pub fn complete(self) -> Result<BuildSettings, SettingsError> {
        let max_mib = self.max_mib.unwrap_or(MAX_MIB);
        if max_mib == 0 {
            return Err(value("build.max_mib", "a build needs some memory".into()));
        }
        Ok(BuildSettings {
            timeout: timeout("build.timeout", self.timeout, TIMEOUT)?,
            max_bytes: u64::from(max_mib) << 20,
        })
    }
}
