//! What was seen, as strangers read and write it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::API_VERSION;
use super::schema::published;
use crate::observed::{Observation, Observed};

/// All observations in a store: `muster discover --export` writes this document, `/api/v1/observed` returns it and
/// `muster drift --observed` reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObservedFile {
    /// The version of this document: `v1`.
    pub api_version: String,
    /// The version of the muster that wrote it.
    pub muster: String,
    /// When it was written.
    pub at: String,
    pub observed: Observed,
}

/// What a survey found, handed to a running server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observations {
    /// The version of this document: `v1`.
    pub api_version: String,
    pub observations: Vec<Observation>,
}

/// Which BMCs are to be tried again with the credential that they refused; all of them where none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RetryLogins {
    #[serde(default)]
    pub bmcs: Vec<Box<str>>,
}

/// Which BMCs are to be forgotten, each by its whole name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForgetBmcs {
    pub bmcs: Vec<Box<str>>,
}

/// Which credentials BMCs refused, so that nobody tries them again until a person says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedLogins {
    /// The version of this document: `v1`.
    pub api_version: String,
    pub refused: Vec<RefusedLoginView>,
}

/// One credential that one BMC refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedLoginView {
    /// The name of the BMC.
    pub bmc: Box<str>,
    /// The name of the credential, never its value.
    pub credential: Box<str>,
}

/// How many things a server took in or forgot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    pub taken: u64,
}

/// How many BMCs a server surveys, and how many of them answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SurveyView {
    /// Declared BMCs that can be asked.
    pub bmcs: u64,
    /// Of those, BMCs whose last survey succeeded.
    pub seen: u64,
    /// Of those, BMCs whose last survey failed.
    pub failing: u64,
    /// When the last survey of any of them ended.
    pub last: Option<String>,
}

impl ObservedFile {
    /// Returns the JSON schema of the document: the name of its file, and its text.
    #[must_use]
    pub fn schema() -> (&'static str, String) {
        published::<Self>("observed.schema.json", "Observations: muster discover --export")
    }

    /// Describes what is remembered; `at` is RFC 3339.
    #[must_use]
    pub fn new(observed: Observed, at: String) -> Self {
        Self { api_version: API_VERSION.into(), muster: env!("CARGO_PKG_VERSION").into(), at, observed }
    }
}

impl Observations {
    /// Describes what a survey found.
    #[must_use]
    pub fn new(observations: Vec<Observation>) -> Self {
        Self { api_version: API_VERSION.into(), observations }
    }
}
