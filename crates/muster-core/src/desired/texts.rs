//! Checks texts in which templates are not expanded, because a template in them would silently stay
//! as written.

use super::at::{At, Free, FreeTable};
use super::check::layers;
use super::file::{Expect, ExpectBios, ExpectParts};
use super::sources::Findings;
use super::{Desired, template};
use crate::model::{Code, Diagnostic, Place, Span};

/// The places where templates are expanded, for hints.
pub const EXPANDED: &str = "templates are expanded in `kernel`, `initrd`, `params`, the `ip` of an interface, `meta_data`, and files under cloud-init/ that end in .j2";

/// Reports templates where none are expanded, and texts that are too long for templates to use.
pub fn texts(desired: &Desired, findings: &mut Findings) {
    for source in layers(desired) {
        let mut check = Check { path: desired.sources.path(source.file), findings };
        if let Some(vars) = &source.table.vars {
            check.vars(&vars.value);
        }
        if let Some(expect) = &source.table.expect {
            check.expect(&expect.value);
        }
    }
    for own in desired.nodes.iter().flat_map(|node| &node.own) {
        Check { path: desired.sources.path(own.file), findings }.vars(&own.vars);
    }
}

/// Reports a template in a text that `what` names, such as `url`; true if there is one.
pub fn refuse_template(place: Place, what: &str, text: &str, findings: &mut Findings) -> bool {
    if !template::is_template(text) {
        return false;
    }
    let finding = Diagnostic::new(Code::BadValue, place, format!("{what}: a template is not expanded here"));
    findings.push(finding.hint(EXPANDED));
    true
}

struct Check<'a> {
    path: &'a str,
    findings: &'a mut Findings,
}

impl Check<'_> {
    fn vars(&mut self, table: &FreeTable) {
        for (key, at) in table {
            self.value("vars", key, &at.value, at.span);
        }
    }

    fn value(&mut self, table: &str, key: &str, value: &Free, span: Span) {
        match value {
            Free::Text(text) => self.text(table, key, text, span),
            Free::List(items) => items.iter().for_each(|item| self.value(table, key, item, span)),
            Free::Table(inner) => inner.iter().for_each(|(key, at)| self.value(table, key, &at.value, at.span)),
            Free::Integer(_) | Free::Float(_) | Free::Boolean(_) => {}
        }
    }

    fn text(&mut self, table: &str, key: &str, text: &str, span: Span) {
        let place = Place::at(self.path, span);
        let what = format!("`{key}` in `{table}`");
        if refuse_template(place.clone(), &what, text, self.findings) || text.len() <= template::MAX_TEXT_BYTES {
            return;
        }
        let message = format!("{what} has {} bytes; at most {} are read", text.len(), template::MAX_TEXT_BYTES);
        let finding = Diagnostic::new(Code::BadValue, place, message);
        self.findings.push(finding.hint("a long text belongs in a file under cloud-init/"));
    }

    fn expect(&mut self, expect: &Expect) {
        let Expect { manufacturer, model, processors, accelerators, drives, bios, firmware, boot, .. } = expect;
        let part = |at: &Option<At<ExpectParts>>| at.as_ref().and_then(|at| at.value.model.clone());
        let of_parts = [part(processors), part(accelerators), drives.as_ref().and_then(|at| at.value.model.clone())];
        let named = [("manufacturer", manufacturer.clone()), ("model", model.clone())];

        for (key, at) in named.into_iter().chain(of_parts.map(|at| ("model", at))) {
            if let Some(At { value, span }) = at {
                self.text("expect", key, &value, span);
            }
        }

        if let Some(At { value: ExpectBios { version, attributes }, .. }) = bios {
            if let Some(At { value, span }) = version {
                self.text("expect", "bios.version", value, *span);
            }
            for (key, at) in attributes.iter().flat_map(|table| &table.value) {
                self.value("expect", key, &at.value, at.span);
            }
        }

        for (key, at) in firmware.iter().flat_map(|table| &table.value) {
            self.text("expect", key, &at.value, at.span);
        }
        if let Some(At { value, span }) = boot.as_ref().and_then(|at| at.value.order.as_ref()) {
            value.iter().for_each(|option| self.text("expect", "boot.order", option, *span));
        }
    }
}
