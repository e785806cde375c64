//! Hides the secrets in a node's values and documents.

use std::cell::{Cell, RefCell};

use crate::cloudinit::Document;
use crate::model::clear_secret::{self, SecretMask, SecretNumbers};
use crate::snapshot::{Answer, Snapshot};

/// Hides secrets in the output for one node, equal ones under one number.
pub struct HiddenSecrets {
    /// `None` if there is nothing to hide, or secrets should be shown.
    mask: Option<SecretMask>,
    numbers: RefCell<SecretNumbers>,
    is_used: Cell<bool>,
}

impl HiddenSecrets {
    /// Hides the secrets of the repository, and those in the results for a node.
    pub fn of(snapshot: &Snapshot, node: usize) -> Self {
        let known = &snapshot.desired().secrets;
        let mask = (!known.is_empty()).then(|| {
            let mut mask = known.clone();
            // The result of a template is found if it is written out under a secret's name.
            let documents =
                Document::ALL.iter().filter_map(|document| snapshot.document(node, *document).ok().flatten());
            let script = match snapshot.answer(node) {
                Answer::Script(prepared) => Some(prepared.script.shown()),
                Answer::Retired | Answer::Nothing => None,
            };
            documents.chain(script).for_each(|text| mask.learn(&text, &clear_secret::find(&text)));
            mask
        });

        Self { mask, numbers: RefCell::default(), is_used: Cell::new(false) }
    }

    /// Shows all secrets.
    pub fn reveal() -> Self {
        Self { mask: None, numbers: RefCell::default(), is_used: Cell::new(false) }
    }

    /// Returns whether something was hidden.
    pub fn is_used(&self) -> bool {
        self.is_used.get()
    }

    /// Hides the secrets of a text.
    pub fn text(&self, text: String) -> String {
        self.hide(text, |mask, text, numbers| mask.cover_numbered(text, numbers).into_owned())
    }

    /// Hides the secrets of a value by its path, such as `vars.image`, which may precede it: `image
    /// = a`.
    pub fn value(&self, path: &str, text: String) -> String {
        self.hide(text, |mask, text, numbers| {
            let name = path.split_once('.').map_or(path, |(_, name)| name);
            let value = text.strip_prefix(name).and_then(|rest| rest.strip_prefix(" = "));
            match value {
                Some(value) => format!("{name} = {}", mask.cover_value(path, value, numbers)),
                None => mask.cover_value(path, text, numbers).into_owned(),
            }
        })
    }

    fn hide(&self, text: String, cover: impl Fn(&SecretMask, &str, &mut SecretNumbers) -> String) -> String {
        let Some(mask) = &self.mask else { return text };
        let covered = cover(mask, &text, &mut self.numbers.borrow_mut());
        self.is_used.set(self.is_used.get() || covered != text);
        covered
    }
}
