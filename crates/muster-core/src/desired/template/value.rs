//! What a value of a template may hold: how deep it nests, how many items and how many bytes.
//!
//! A value is weighed as often as it is kept, with all that it shares counted as often as it would be written. What that
//! takes is paid for in the engine's fuel.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

/// The name under which templates pass what they compute through [`bounded`]; no template of a person uses it.
pub const BOUNDED: &str = "__bounded";

/// The same for what a namespace keeps: [`stored`].
pub const STORED: &str = "__stored";

/// How deep lists and tables nest in one value; the engine writes and drops them recursively.
pub const MAX_DEPTH: usize = 32;

/// The most items of one value, those of inner lists and tables included.
pub const MAX_ITEMS: usize = 65_536;

/// The most bytes of the texts in one value: four times the largest document.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Lets a value pass that is within the bounds.
pub fn bounded(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    weigh(state, &value, true)?;
    Ok(value)
}

/// Lets a value pass that is within the bounds and holds no namespace, which could hold itself.
pub fn stored(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    weigh(state, &value, false)?;
    Ok(value)
}

fn weigh(state: &State<'_, '_>, value: &Value, namespaces: bool) -> Result<(), Error> {
    let mut weight = Weight { items: 0, bytes: 0, namespaces };
    let weighed = weight.add(value, 0);
    // The engine asks for half a step for each item that it visits itself.
    state.consume_fuel(weight.items as u64 / 2)?;
    weighed
}

struct Weight {
    items: usize,
    bytes: usize,
    namespaces: bool,
}

impl Weight {
    fn add(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.bytes += value.as_str().map_or(0, str::len);
        if self.bytes > MAX_BYTES {
            return Err(fault(format!("a value of this template holds more than {MAX_BYTES} bytes of text")));
        }
        let kind = value.kind();
        if !matches!(kind, ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
            return Ok(());
        }
        if !self.namespaces && value.as_object().is_some_and(|object| object.type_name().ends_with("Namespace")) {
            return Err(fault("a namespace cannot be kept in a namespace".into()));
        }
        if depth >= MAX_DEPTH {
            return Err(fault(format!("a value of this template nests lists or tables deeper than {MAX_DEPTH}")));
        }
        // What has no length is made while it is read, and may be read once only.
        if kind == ValueKind::Iterable && value.len().is_none() {
            return Ok(());
        }
        for item in value.try_iter()? {
            self.items += 1;
            if self.items > MAX_ITEMS {
                return Err(fault(format!("a value of this template holds more than {MAX_ITEMS} items")));
            }
            self.add(&item, depth + 1)?;
            if kind == ValueKind::Map {
                self.add(&value.get_item(&item)?, depth + 1)?;
            }
        }
        Ok(())
    }
}

fn fault(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
