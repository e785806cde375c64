//! Access to BMCs and the schedule of surveys: the tables `[bmc]` and `[survey]` of the settings
//! file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::SettingsError;
use super::given::first;
use super::places::{self, AccountRule, GivenAccount, Places};
use crate::model::parse_duration;

/// The default number of concurrent requests over all BMCs: easy for one core.
const REQUESTS: u32 = 64;

/// The most concurrent requests to one BMC: BMCs are slow (docs/wire/redfish.md, "Accounts and load").
const REQUESTS_PER_BMC: u8 = 2;

/// The default time limit of connecting: management networks are near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The default time limit of an answer: after a rest, the first one takes some BMCs 20 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The default interval of sweeps of power and boot settings.
const SWEEP: Duration = Duration::from_secs(60);

/// The default interval of full surveys: their data changes only by a visit or an update.
const DEEP: Duration = Duration::from_secs(6 * 3600);

/// The default random variation of intervals, as a fraction.
const JITTER: f64 = 0.1;

/// How a login is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Login {
    /// A session if the BMC supports them, otherwise Basic
    #[default]
    Auto,
    Session,
    Basic,
}

/// Settings of access to BMCs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema, Args)]
#[serde(deny_unknown_fields)]
#[command(next_help_heading = "Access to BMCs")]
pub struct GivenBmc {
    /// Files of CA certificates (PEM) to trust in addition to those of this host; separated by commas
    #[arg(long = "bmc-ca", value_name = "FILES", env = "MUSTER_BMC_CA", value_delimiter = ',', id = "bmc.ca")]
    pub ca: Option<Vec<PathBuf>>,
    /// The file with the accounts of BMCs
    #[arg(
        long = "bmc-credentials-file",
        value_name = "FILE",
        env = "MUSTER_BMC_CREDENTIALS_FILE",
        id = "bmc.credentials_file"
    )]
    pub credentials_file: Option<PathBuf>,
    /// A program that prints an account as JSON; it gets the name as its last argument; arguments are separated by
    /// blanks
    #[arg(
        long = "bmc-credentials-command",
        value_name = "COMMAND",
        env = "MUSTER_BMC_CREDENTIALS_COMMAND",
        value_delimiter = ' ',
        id = "bmc.credentials_command"
    )]
    pub credentials_command: Option<Vec<String>>,
    /// Origins to contact instead of the declared ones, such as https://a=https://b; separated by commas
    #[arg(long = "bmc-rewrite", value_name = "MAP", env = "MUSTER_BMC_REWRITE", value_parser = pairs, id = "bmc.rewrite")]
    pub rewrite: Option<BTreeMap<String, String>>,
    /// The networks and origins of the BMCs that muster may contact, such as 10.1.0.0/16 or https://HOST:PORT;
    /// separated by commas [default: any]
    #[arg(long = "bmc-only", value_name = "PLACES", env = "MUSTER_BMC_ONLY", value_delimiter = ',', id = "bmc.only")]
    pub only: Option<Vec<String>>,
    /// The networks and origins of BMCs that may be sent an account over plain http; separated by commas [default:
    /// none]
    #[arg(
        long = "bmc-plain",
        value_name = "PLACES",
        env = "MUSTER_BMC_PLAIN",
        value_delimiter = ',',
        id = "bmc.plain"
    )]
    pub plain: Option<Vec<String>>,
    /// The number of concurrent requests, over all BMCs [default: 64]
    #[arg(
        long = "bmc-requests",
        visible_alias = "requests",
        value_name = "N",
        env = "MUSTER_BMC_REQUESTS",
        id = "bmc.requests"
    )]
    pub requests: Option<u32>,
    /// The number of concurrent requests per BMC, 1 or 2 [default: 2]
    #[arg(
        long = "bmc-requests-per-bmc",
        value_name = "N",
        env = "MUSTER_BMC_REQUESTS_PER_BMC",
        id = "bmc.requests_per_bmc"
    )]
    pub requests_per_bmc: Option<u8>,
    /// The time limit for connecting to a BMC [default: 5s]
    #[arg(
        long = "bmc-connect-timeout",
        value_name = "TIME",
        env = "MUSTER_BMC_CONNECT_TIMEOUT",
        id = "bmc.connect_timeout"
    )]
    pub connect_timeout: Option<String>,
    /// The time limit for a response of a BMC [default: 30s]
    #[arg(long = "bmc-timeout", value_name = "TIME", env = "MUSTER_BMC_TIMEOUT", id = "bmc.timeout")]
    pub timeout: Option<String>,
    /// The login method [default: auto]
    #[arg(long = "bmc-login", value_enum, value_name = "HOW", env = "MUSTER_BMC_LOGIN", id = "bmc.login")]
    pub login: Option<Login>,
}

/// Settings of surveys.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema, Args)]
#[serde(deny_unknown_fields)]
#[command(next_help_heading = "Surveys of BMCs")]
pub struct GivenSurvey {
    /// The interval of sweeps (power and boot settings); 0 or off disables them [default: 1m]
    #[arg(long = "survey-sweep", value_name = "TIME", env = "MUSTER_SURVEY_SWEEP", id = "survey.sweep")]
    pub sweep: Option<String>,
    /// The interval of full surveys; 0 or off disables them [default: 6h]
    #[arg(long = "survey-deep", value_name = "TIME", env = "MUSTER_SURVEY_DEEP", id = "survey.deep")]
    pub deep: Option<String>,
    /// The random variation of intervals, 0 to 1 [default: 0.1]
    #[arg(long = "survey-jitter", value_name = "SHARE", env = "MUSTER_SURVEY_JITTER", id = "survey.jitter")]
    pub jitter: Option<f64>,
    /// The number of BMCs surveyed concurrently [default: 64]
    #[arg(
        long = "survey-surveys",
        visible_alias = "concurrency",
        value_name = "N",
        env = "MUSTER_SURVEY_SURVEYS",
        id = "survey.surveys"
    )]
    pub surveys: Option<u32>,
}

/// Parses pairs of texts such as `a=b,c=d`.
fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let one = |pair: &str| match pair.split_once('=') {
        Some((from, to)) => Ok((from.trim().to_owned(), to.trim().to_owned())),
        None => Err("a pair is FROM=TO, and commas separate them".to_owned()),
    };
    text.split(',').filter(|pair| !pair.trim().is_empty()).map(one).collect()
}

/// The settings of access to BMCs, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BmcSettings {
    /// Files of CA certificates (PEM) to trust in addition to those of this host; separated by commas
    pub ca: Vec<PathBuf>,
    /// The file of accounts.
    pub credentials_file: Option<PathBuf>,
    /// A program and its arguments, which prints the account for the name in its last argument;
    /// empty if there is none.
    pub credentials_command: Vec<String>,
    /// The origins to contact, by the declared ones; both in the format of [`Url::origin`].
    pub rewrite: BTreeMap<Box<str>, Box<str>>,
    /// The only BMCs that may be contacted; any if there are none.
    pub only: Option<Places>,
    /// The BMCs that may be sent an account over plain HTTP.
    pub plain: Places,
    /// The destinations of accounts, by name; one without a rule may be sent to every BMC by TLS.
    pub accounts: BTreeMap<Box<str>, AccountRule>,
    /// The number of concurrent requests over all BMCs; at least 1.
    pub requests: usize,
    /// The number of concurrent requests to one BMC; 1 or 2.
    pub requests_per_bmc: usize,
    pub connect_timeout: Duration,
    /// The time limit of one answer.
    pub timeout: Duration,
    pub login: Login,
}

/// The schedule of surveys.
#[derive(Debug, Clone, PartialEq)]
pub struct SurveySettings {
    /// The time between two sweeps of one BMC; `None` disables them.
    pub sweep: Option<Duration>,
    /// The time between two deep surveys of one BMC; `None` disables them.
    pub deep: Option<Duration>,
    /// The random variation of intervals, 0 to 1 [default: 0.1]
    pub jitter: f64,
    /// The number of concurrently surveyed BMCs; at least 1.
    pub surveys: usize,
}

impl GivenBmc {
    /// Fills absent values from weaker settings.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        first!(self, weaker:
            ca, credentials_file, credentials_command, rewrite, only, plain, requests, requests_per_bmc,
            connect_timeout, timeout, login,
        )
    }

    /// Resolves relative paths against a folder. A program without a slash is searched in `PATH`.
    pub(super) fn start_at(&mut self, folder: &Path) {
        let absolute = |path: &mut PathBuf| *path = folder.join(&*path);
        self.ca.iter_mut().flatten().for_each(absolute);
        self.credentials_file.iter_mut().for_each(absolute);
        if let Some(program) = self.credentials_command.iter_mut().flatten().next()
            && program.contains('/')
        {
            *program = folder.join(&*program).to_string_lossy().into_owned();
        }
    }

    /// Completes the settings, together with the rules of accounts.
    ///
    /// # Errors
    /// A value is outside the range of its key.
    pub fn complete(self, accounts: BTreeMap<String, GivenAccount>) -> Result<BmcSettings, SettingsError> {
        let per_bmc = self.requests_per_bmc.unwrap_or(REQUESTS_PER_BMC);
        if !(1..=REQUESTS_PER_BMC).contains(&per_bmc) {
            return Err(value(
                "bmc.requests_per_bmc",
                format!("a BMC is asked 1 or {REQUESTS_PER_BMC} things at once"),
            ));
        }

        Ok(BmcSettings {
            ca: self.ca.unwrap_or_default(),
            credentials_file: self.credentials_file.filter(|path| !path.as_os_str().is_empty()),
            credentials_command: self.credentials_command.unwrap_or_default(),
            rewrite: rewrite(self.rewrite.unwrap_or_default())?,
            only: self.only.map(|only| Places::parse("bmc.only", &only)).transpose()?,
            plain: Places::parse("bmc.plain", &self.plain.unwrap_or_default())?,
            accounts: places::rules(accounts)?,
            requests: at_least_one("bmc.requests", self.requests.unwrap_or(REQUESTS))?,
            requests_per_bmc: per_bmc.into(),
            connect_timeout: timeout("bmc.connect_timeout", self.connect_timeout, CONNECT_TIMEOUT)?,
            timeout: timeout("bmc.timeout", self.timeout, TIMEOUT)?,
            login: self.login.unwrap_or_default(),
        })
    }
}

impl GivenSurvey {
    /// Fills absent values from weaker settings.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        first!(self, weaker: sweep, deep, jitter, surveys)
    }

    /// Completes the settings.
    ///
    /// # Errors
    /// A value is outside the range of its key.
    pub fn complete(self) -> Result<SurveySettings, SettingsError> {
        let jitter = self.jitter.unwrap_or(JITTER);
        if !(0.0..=1.0).contains(&jitter) {
            return Err(value("survey.jitter", "a share of the interval is 0 to 1".into()));
        }
        Ok(SurveySettings {
            sweep: interval("survey.sweep", self.sweep, SWEEP)?,
            deep: interval("survey.deep", self.deep, DEEP)?,
            jitter,
            surveys: at_least_one("survey.surveys", self.surveys.unwrap_or(REQUESTS))?,
        })
    }
}

pub(super) fn value(key: &'static str, fault: String) -> SettingsError {
    SettingsError::Value { key, fault }
}

pub(super) fn at_least_one(key: &'static str, number: u32) -> Result<usize, SettingsError> {
    if number == 0 { Err(value(key, "at least 1 is needed".into())) } else { Ok(number as usize) }
}

pub(super) fn timeout(key: &'static str, text: Option<String>, default: Duration) -> Result<Duration, SettingsError> {
    let Some(text) = text else { return Ok(default) };
    match parse_duration(&text) {
        Ok(time) if time.is_zero() => Err(value(key, "nothing answers in no time".into())),
        Ok(time) => Ok(time),
        Err(fault) => Err(value(key, fault)),
    }
}

/// Parses an interval; `0` and `off` mean never.
fn interval(key: &'static str, text: Option<String>, default: Duration) -> Result<Option<Duration>, SettingsError> {
    match text.as_deref() {
        None => Ok(Some(default)),
        Some("0" | "off") => Ok(None),
        Some(text) => match parse_duration(text) {
            Ok(time) => Ok(Some(time).filter(|time| !time.is_zero())),
            Err(fault) => Err(value(key, format!("{fault}, or `off`"))),
        },
    }
}

fn rewrite(given: BTreeMap<String, String>) -> Result<BTreeMap<Box<str>, Box<str>>, SettingsError> {
    let mut all = BTreeMap::new();
    for (stated, asked) in given {
        let asked = origin("bmc.rewrite", &asked)?;
        if all.insert(origin("bmc.rewrite", &stated)?, asked).is_some() {
            return Err(value("bmc.rewrite", format!("`{stated}` stands there twice")));
        }
    }
    Ok(all)
}

/// Parses the origin of a URL without other parts.
pub(super) fn origin(key: &'static str, text: &str) -> Result<Box<str>, SettingsError> {
    // The part before `@` may be a password.
    let shown = text.rsplit('@').next().unwrap_or_default();
    let fault = || value(key, format!("`{shown}` is no origin, which is such as `https://10.1.0.1:8443`"));
    let url = Url::parse(text).map_err(|_| fault())?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || !is_bare || !is_anonymous {
        return Err(fault());
    }
    Ok(url.origin().ascii_serialization().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bmc(text: &str) -> Result<BmcSettings, SettingsError> {
        toml::from_str::<GivenBmc>(text).expect("the sample has the right keys").complete(BTreeMap::new())
    }

    fn survey(text: &str) -> Result<SurveySettings, SettingsError> {
        toml::from_str::<GivenSurvey>(text).expect("the sample has the right keys").complete()
    }

    #[test]
    fn what_nobody_says_is_polite() {
        let (bmc, survey) = (bmc("").unwrap(), survey("").unwrap());
        assert_eq!((bmc.requests, bmc.requests_per_bmc, bmc.login), (64, 2, Login::Auto));
        assert_eq!((survey.sweep, survey.deep), (Some(SWEEP), Some(DEEP)));
    }

    #[test]
    fn what_is_said_counts() {
        let told = bmc("requests = 8\nrequests_per_bmc = 1\nconnect_timeout = \"500ms\"\ntimeout = \"1m\"\nlogin = \"basic\"\n\
             credentials_command = [\"vault\", \"read\"]\nrewrite = { \"https://10.1.0.1:443/\" = \"http://127.64.0.1:8080\" }")
        .unwrap();
        assert_eq!((told.requests, told.requests_per_bmc, told.login), (8, 1, Login::Basic));
        assert_eq!((told.connect_timeout.as_millis(), told.timeout.as_secs()), (500, 60));
        assert_eq!(told.rewrite.get("https://10.1.0.1").map(|asked| &**asked), Some("http://127.64.0.1:8080"));
        let told = survey("sweep = \"off\"\ndeep = \"0\"\njitter = 0\nsurveys = 3").unwrap();
        assert_eq!(told, SurveySettings { sweep: None, deep: None, jitter: 0.0, surveys: 3 });
        assert_eq!(survey("sweep = \"0s\"\ndeep = \"1d\"").unwrap().deep, Some(Duration::from_secs(86_400)));
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_key() {
        for (text, key) in [
            ("requests = 0", "bmc.requests"),
            ("only = [\"rack7\"]", "bmc.only"),
            ("plain = [\"10.0.0.0/40\"]", "bmc.plain"),
            ("requests_per_bmc = 3", "bmc.requests_per_bmc"),
            ("requests_per_bmc = 0", "bmc.requests_per_bmc"),
            ("timeout = \"30\"", "bmc.timeout"),
            ("connect_timeout = \"0s\"", "bmc.connect_timeout"),
            ("rewrite = { \"10.1.0.1\" = \"https://127.0.0.1\" }", "bmc.rewrite"),
            ("rewrite = { \"https://10.1.0.1\" = \"ftp://127.0.0.1\" }", "bmc.rewrite"),
            ("rewrite = { \"https://10.1.0.1/redfish\" = \"https://127.0.0.1\" }", "bmc.rewrite"),
            ("rewrite = { \"https://a\" = \"https://b\", \"https://A:443\" = \"https://c\" }", "bmc.rewrite"),
        ] {
            let error = bmc(text).expect_err(text).to_string();
            assert!(error.starts_with(&format!("`{key}`: ")), "{text}: {error}");
        }
        for text in ["sweep = \"often\"", "jitter = 1.5", "jitter = nan", "surveys = 0"] {
            let error = survey(text).expect_err(text).to_string();
            assert!(error.starts_with("`survey."), "{text}: {error}");
        }
        let error = bmc("rewrite = { \"https://root:hunter2@a\" = \"https://b\" }").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
