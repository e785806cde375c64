//! Texts of the wishes that may be templates: plain, expanded once for a class, or expanded for each node.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Environment, Error};

use crate::desired::template;
use crate::model::Origin;

/// The names that mean something else for each node; a template without them is expanded once for its class.
const OF_ONE_NODE: [&str; 11] =
    ["name", "nid", "xname", "serial", "uuid", "nics", "bmc", "system", "fqdn", "mac", "ip"];

/// A text as it was written, before anything is expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub source: Box<str>,
    pub origin: Origin,
}

/// A text of a class.
#[derive(Debug, Clone)]
pub struct Text {
    pub origin: Origin,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    /// The same for every node of the class.
    Same(Arc<str>),
    /// A template of the engine, by its name.
    EachNode(Arc<str>),
}

impl Text {
    /// Reads a text: expands it where it is the same for the whole class, else gives it to the engine.
    ///
    /// `own_vars` are the variables that differ by node within the class, by the first part of their paths.
    ///
    /// # Errors
    /// Returns why the template does not parse or fails.
    pub fn new(
        draft: Draft,
        engine: &mut Environment<'static>,
        scope: &Value,
        own_vars: &BTreeSet<&str>,
    ) -> Result<Self, Error> {
        let Draft { source, origin } = draft;
        if !template::is_template(&source) {
            return Ok(Self { origin, form: Form::Same(source.into()) });
        }
        let name: Arc<str> = format!("toml:{}:{}", origin.file.0, origin.at).into();
        if engine.get_template(&name).is_err() {
            template::add(engine, &*name, &source)?;
        }
        let template = engine.get_template(&name)?;
        let names = template.undeclared_variables(false);
        let includes = ["include", "import", "extends"].iter().any(|word| source.contains(word));
        let uses_own =
            !own_vars.is_empty() && template.undeclared_variables(true).iter().any(|path| is_own(path, own_vars));
        if includes || uses_own || OF_ONE_NODE.iter().any(|name| names.contains(*name)) {
            return Ok(Self { origin, form: Form::EachNode(name) });
        }
        let expanded = template.render(scope)?;
        Ok(Self { origin, form: Form::Same(expanded.into()) })
    }

    /// Returns the text for one node.
    ///
    /// # Errors
    /// Returns why the template fails for this node.
    pub fn expand(&self, engine: &Environment<'static>, scope: &Value) -> Result<Cow<'_, str>, Error> {
        match &self.form {
            Form::Same(text) => Ok(Cow::Borrowed(text)),
            Form::EachNode(name) => engine.get_template(name)?.render(scope).map(Cow::Owned),
        }
    }
}

/// Tells whether a path such as `vars.port.name` may lead to a variable that differs by node; `vars` alone may lead to any.
fn is_own(path: &str, own_vars: &BTreeSet<&str>) -> bool {
    match path.strip_prefix("vars") {
        Some("") => true,
        Some(rest) => {
            rest.strip_prefix('.').is_some_and(|rest| own_vars.contains(rest.split('.').next().unwrap_or_default()))
        }
        None => false,
    }
}
