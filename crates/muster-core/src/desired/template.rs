//! Strict templates in TOML values and cloud-init files, which are expanded for each node.
//!
//! The engine is minijinja with undefined names as errors, limited fuel, and no access to files,
//! the clock or the environment. `net('NAME')` is a network, and `net('NAME') | host(N)` the N-th
//! address of its range.
//!
//! Every text reaches the engine through [`add`] or [`render`], which limit the text before it is
//! parsed (`guard`) and its values while it runs (`value`).

mod guard;
mod value;

pub use value::MAX_TEXT_BYTES;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use ipnet::IpNet;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::Network;

/// The most engine steps of one expansion. A 4 kB document of 40 expressions takes about 500.
const FUEL: u64 = 200_000;

/// The deepest nesting of templates; the engine's own limit of 500 overflows small thread stacks.
const DEPTH: usize = 64;

/// The most characters of a reason.
const MAX_REASON: usize = 400;

/// The placeholder in an expanded text for the URL at which the node reaches muster, if only the
/// host knows it.
///
/// Control characters are refused in parameters and URLs, so no written text can be mistaken for
/// it.
pub const SERVER_MARK: &str = "\u{1}server\u{2}";

/// Creates an engine with the networks and without templates.
#[must_use]
pub fn environment(networks: &Arc<[Network]>) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);

    // Without this, errors of a release build name neither the variable nor its place.
    environment.set_debug(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_syntax(syntax());
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    let networks = Arc::clone(networks);

    environment.add_function("net", move |name: &str| net(&networks, name));
    environment.add_filter("host", host);
    environment.add_function(value::BOUNDED, value::bounded);
    environment.add_function(value::STORED, value::stored);
    environment.add_function(value::INDEXED, value::indexed);
    environment.add_function(value::INDEX, value::index);
    environment.add_filter(value::BOUNDED, value::bounded);

    environment.add_function("range", value::range);

    // It prints everything in the engine, including every node.
    environment.remove_global("debug");
    environment.add_function("secret", |name: &str| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, format!("{SECRET_REFUSED}{name}")))
    });

    environment
}

/// The reason for which the engine rejects a text.
#[derive(Debug)]
pub enum Rejection {
    /// It is larger than the engine's stack allows; the place is in the text.
    TooDeep { message: String, range: Range<usize> },
    /// It does not parse.
    Engine(Error),
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::TooDeep { message, .. } => Self::new(ErrorKind::SyntaxError, message),
            Rejection::Engine(error) => error,
        }
    }
}

/// Adds a text to the engine under a name.
///
/// # Errors
/// The text is not a valid template, or larger than the engine's stack allows.
pub fn add(engine: &mut Environment<'static>, name: impl Into<String>, text: &str) -> Result<(), Rejection> {
    let guarded = guarded(text)?;
    engine.add_template_owned(name.into(), guarded.text).map_err(Rejection::Engine)
}

/// Expands a text without adding it to the engine.
///
/// # Errors
/// The text is not a valid template, or its expansion fails.
pub fn render(engine: &Environment<'_>, name: &str, text: &str, scope: impl Into<Value>) -> Result<String, Error> {
    engine.render_named_str(name, &guarded(text)?.text, scope.into())
}

/// Returns the range of an error in a text, converted from the engine's text with guards in it.
#[must_use]
pub fn place_of(text: &str, error: &Error) -> Option<Range<usize>> {
    let range = error.range()?;
    guarded(text).ok().map(|guarded| guarded.original(range))
}

fn guarded(text: &str) -> Result<guard::Guarded, Rejection> {
    guard::guard(text, &syntax()).map_err(|guard::TooDeep { message, range }| Rejection::TooDeep { message, range })
}

/// Returns a syntax in which blocks leave no empty lines, as YAML needs, and a final newline stays.
fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    syntax.build().expect("the default delimiters are valid")
}

/// The prefix of the refusal of a secret, which distinguishes it from other failures.
const SECRET_REFUSED: &str = "secret: ";

/// Returns the name of the secret that an expansion used, if it failed for that reason.
#[must_use]
pub fn refused_secret(error: &Error) -> Option<&str> {
    causes(error).into_iter().find_map(|cause| cause.detail()?.strip_prefix(SECRET_REFUSED))
}

/// Returns the chain of failures through files that include each other, the outermost first.
#[must_use]
pub fn causes(error: &Error) -> Vec<&Error> {
    let mut all = vec![error];
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        all.extend(cause.downcast_ref::<Error>());
        next = cause.source();
    }
    all
}

/// Returns the reason of a failure, as a sentence without a full stop.
#[must_use]
pub fn reason(error: &Error) -> String {
    let causes = causes(error);
    let error = causes.last().copied().unwrap_or(error);
    if matches!(error.kind(), ErrorKind::OutOfFuel) {
        return "the template takes more steps than one expansion may".into();
    }

    let reason = match error.detail() {
        Some(PARSER_LIMIT) => {
            "brackets, signs or tags nest too deep here; give parts of the expression names with `set`".into()
        }
        Some(RUN_LIMIT) => {
            format!("files that include each other, or macros that call each other, nest deeper than {DEPTH}")
        }
        Some(detail) if matches!(error.kind(), ErrorKind::UndefinedError) => undefined(detail),
        Some(detail) if matches!(error.kind(), ErrorKind::InvalidOperation | ErrorKind::SyntaxError) => detail.into(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };

    // An error quotes its subject, which may be as long as a value.
    match reason.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{}...", &reason[..end]),
        None => reason,
    }
}

/// The engine's messages for a text that nests too deep for its parser, and for calls deeper than
/// [`DEPTH`].
const PARSER_LIMIT: &str = "template exceeds maximum recursion limits";
const RUN_LIMIT: &str = "recursion limit exceeded";

/// The end of the reason for an undefined name.
pub const IS_UNDEFINED: &str = "` is undefined";

/// The names that templates may use, for suggestions.
pub const NAMES: [&str; 19] = [
    "arch", "bmc", "boot", "cluster", "fqdn", "groups", "ip", "mac", "name", "net", "nics", "nid", "secret", "serial",
    "server", "system", "uuid", "vars", "xname",
];

/// Adds a suggestion to "`nmae` is undefined".
fn undefined(detail: &str) -> String {
    let name = detail.split('`').nth(1).unwrap_or_default();
    let is_known = NAMES.contains(&name) || name.contains(['.', '[']);
    let hint = super::did_you_mean(name, NAMES).filter(|_| !is_known);
    hint.map_or_else(|| detail.to_owned(), |hint| format!("{detail}; {hint}"))
}

/// Returns whether a text is a template at all, so that plain text never reaches the engine.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

fn net(networks: &[Network], name: &str) -> Result<Value, Error> {
    match networks.binary_search_by(|network| (*network.name).cmp(name)) {
        Ok(at) => Ok(Value::from_object(NetworkObject(networks[at].clone()))),
        Err(_) => {
            let hint = super::suggest::did_you_mean_sorted(name, networks, |network| &*network.name);
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            Err(Error::new(ErrorKind::InvalidOperation, format!("there is no network `{name}`{hint}")))
        }
    }
}

/// A network as an object in templates.
#[derive(Debug)]
struct NetworkObject(Network);

impl Object for NetworkObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let network = &self.0;
        let texts = |items: &[IpAddr]| Value::from_iter(items.iter().map(ToString::to_string));
        match key.as_str()? {
            "name" => Some(Value::from(&*network.name)),
            "cidr" => network.cidrs.first().map(|cidr| Value::from(cidr.to_string())),
            "prefix" => network.cidrs.first().map(|cidr| Value::from(cidr.prefix_len())),
            "netmask" => network.cidrs.first().map(|cidr| Value::from(cidr.netmask().to_string())),
            "gateway" => network.gateways.first().map(|address| Value::from(address.to_string())),
            "dns" => Some(texts(&network.dns)),
            "domain" => network.domain.as_deref().map(Value::from),
            "vlan" => network.vlan.map(Value::from),
            "mtu" => network.mtu.map(Value::from),
            _ => None,
        }
    }
}

/// Returns the N-th address of a network's range: `host(1)` of 10.0.0.0/22 is 10.0.0.1.
fn host(network: &Value, number: u64) -> Result<String, Error> {
    let fault = |message: String| Error::new(ErrorKind::InvalidOperation, message);
    let object = network.downcast_object_ref::<NetworkObject>();
    let network = &object.ok_or_else(|| fault("`host` takes a network: net('NAME') | host(N)".into()))?.0;
    let cidr = network.cidrs.first().ok_or_else(|| fault(format!("network `{}` has no range", network.name)))?;
    nth(cidr, number)
        .map(|address| address.to_string())
        .ok_or_else(|| fault(format!("network `{}` ({cidr}) has no address number {number}", network.name)))
}

fn nth(cidr: &IpNet, number: u64) -> Option<IpAddr> {
    let address: IpAddr = match cidr {
        IpNet::V4(net) => {
            u32::from(net.network()).checked_add(u32::try_from(number).ok()?).map(|n| IpAddr::V4(n.into()))?
        }
        IpNet::V6(net) => u128::from(net.network()).checked_add(number.into()).map(|n| IpAddr::V6(n.into()))?,
    };
    cidr.contains(&address).then_some(address)
}

#[cfg(test)]
mod tests;
