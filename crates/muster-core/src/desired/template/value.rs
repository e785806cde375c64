//! Limits the values of templates: their nesting, items and bytes.
//!
//! A value is measured each time it is stored, with shared parts counted as often as they would be
//! written. The engine's fuel pays for the measurement.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

/// The name under which templates pass computed values through [`bounded`]; templates of people do
/// not use it.
pub const BOUNDED: &str = "__bounded";

/// The same for values in a namespace: [`stored`].
pub const STORED: &str = "__stored";

/// The same for values that are indexed or sliced: [`indexed`].
pub const INDEXED: &str = "__indexed";

/// The same for an index, a key, or a part of a slice: [`index`].
pub const INDEX: &str = "__index";

/// The deepest nesting of lists and tables in one value; the engine writes and drops them
/// recursively.
pub const MAX_DEPTH: usize = 32;

/// The most items of one value, those of inner lists and tables included.
pub const MAX_ITEMS: usize = 65_536;

/// The most bytes of the texts in one value.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The most bytes of one text that has a name: the engine compares, searches and looks up a text in
/// one step.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// The most numbers of a range, as in the engine.
const MAX_RANGE: i128 = 100_000;

/// The bytes of a text that one step pays for if the engine walks over them character by character.
const BYTES_PER_STEP: usize = 16;

/// The largest index, and the largest step of a slice.
const MAX_INDEX: i64 = i32::MAX as i64;

/// Returns the value if it is within the limits.
pub fn bounded(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    weigh(state, &value, true)?;
    Ok(value)
}

/// Returns the value if it is within the limits and contains no namespace, which could contain
/// itself.
pub fn stored(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    weigh(state, &value, false)?;
    Ok(value)
}

/// Returns a value that is indexed or sliced, and charges fuel for the text that is searched for
/// the position.
pub fn indexed(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    charge_text(state, &value)?;
    Ok(value)
}

/// Returns an index, a key, or a part of a slice if the engine's arithmetic cannot overflow with
/// it.
pub fn index(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    charge_text(state, &value)?;
    let is_large = |number: i64| !(-MAX_INDEX..=MAX_INDEX).contains(&number);
    // A number that does not fit into 64 bits is too large.
    if value.is_integer() && value.as_i64().is_none_or(is_large) {
        return Err(fault(format!("an index or a step is at most {MAX_INDEX}, not {value}")));
    }
    Ok(value)
}

fn charge_text(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let length = value.as_str().map_or(0, str::len);
    state.consume_fuel((length / BYTES_PER_STEP) as u64)
}

/// Returns the numbers from `lower` to before `upper`, like the engine's own function, but without
/// overflow.
pub fn range(lower: i64, upper: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (start, end) = upper.map_or((0, lower), |upper| (lower, upper));
    let step = i128::from(step.unwrap_or(1));
    if step == 0 {
        return Err(fault("cannot create range with step of 0".into()));
    }
    let way = i128::from(end) - i128::from(start);
    let count = if way.signum() == step.signum() { (way.abs() - 1) / step.abs() + 1 } else { 0 };
    if count > MAX_RANGE {
        return Err(fault("range has too many elements".into()));
    }
    let number = move |at: usize| (i128::from(start) + at as i128 * step) as i64;
    Ok(Value::make_iterable(move || (0..count as usize).map(number)))
}

fn weigh(state: &State<'_, '_>, value: &Value, namespaces: bool) -> Result<(), Error> {
    let mut weight = Weight { items: 0, bytes: 0, namespaces };
    let weighed = weight.add(value, 0);
    // The engine charges half a step for each item that it visits itself.
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
        let length = value.as_str().map_or(0, str::len);
        if length > MAX_TEXT_BYTES {
            return Err(fault(format!("a text of this template has more than {MAX_TEXT_BYTES} bytes")));
        }
        self.bytes += length;
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

        // A value without a length is generated while it is read, and may be readable only once.
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
