//! When two values mean the same: units, case, spellings of enumerations, forms of numbers.
//!
//! Two values that differ here also look different to a person: what is invisible (blanks, control characters) never makes
//! a difference.

use crate::desired::Free;

/// Words that BIOS vendors use for the same state.
const ON: &[&str] = &["enabled", "enable", "on", "yes", "true"];
const OFF: &[&str] = &["disabled", "disable", "off", "no", "false"];

/// The units that a number may carry, with the factor to the unit that wishes have.
const UNITS: &[(&str, u64)] =
    &[("gib", 1), ("gb", 1), ("tib", 1024), ("tb", 1024), ("mhz", 1), ("w", 1), ("watts", 1), ("%", 1)];

/// Tells whether a wish and a value that was seen mean the same.
#[must_use]
pub fn same(wish: &Free, seen: &str) -> bool {
    match wish {
        Free::Text(text) => same_text(text, seen),
        Free::Integer(number) => integer(seen) == Some(i128::from(*number)),
        Free::Float(number) => word(seen).parse::<f64>().is_ok_and(|seen| seen == *number),
        Free::Boolean(wanted) => switch(seen) == Some(*wanted),
        Free::List(items) => {
            let seen: Vec<&str> = seen.split(',').filter(|part| !part.trim().is_empty()).collect();
            seen.len() == items.len() && items.iter().zip(seen).all(|(item, seen)| same(item, seen))
        }
        Free::Table(_) => false,
    }
}

/// Tells whether two texts mean the same.
#[must_use]
pub fn same_text(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (one, other) = (word(one), word(other));
    if one == other {
        return true;
    }
    if let (Some(one), Some(other)) = (state(&one), state(&other)) {
        return one == other;
    }
    let letters = |text: &str| text.chars().any(char::is_alphabetic);
    // Digits keep what stands between them: 1.1 is not 11.
    letters(&one) && letters(&other) && joined(&one) == joined(&other)
}

/// Tells whether two versions of firmware are the same: a leading `v` and case do not matter.
#[must_use]
pub fn same_version(one: &str, other: &str) -> bool {
    let bare = |text: &str| {
        let text = word(text);
        let rest = text.strip_prefix('v').filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
        rest.map_or_else(|| text.clone(), str::to_owned)
    };
    one == other || bare(one) == bare(other)
}

/// Writes a wish as a person would read it.
#[must_use]
pub fn text(wish: &Free) -> String {
    match wish {
        Free::Text(text) => text.clone(),
        Free::Integer(number) => number.to_string(),
        Free::Float(number) => number.to_string(),
        Free::Boolean(value) => value.to_string(),
        Free::List(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Free::Table(_) => "a table".into(),
    }
}

/// Lower case, one blank between words, nothing invisible.
fn word(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_ascii_lowercase();
    }
    let visible = |c: &char| c.is_whitespace() || !(c.is_control() || is_invisible(*c));
    let visible: String = text.chars().filter(visible).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Characters that take no room: zero-width ones, marks of direction, soft hyphens.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Without what separates words, except between two digits.
fn joined(text: &str) -> String {
    let all: Vec<char> = text.chars().collect();
    let digit = |at: Option<usize>| at.and_then(|at| all.get(at)).is_some_and(char::is_ascii_digit);
    let kept = |at: usize| !matches!(all[at], ' ' | '_' | '-') || digit(at.checked_sub(1)) && digit(Some(at + 1));
    (0..all.len()).filter(|at| kept(*at)).map(|at| all[at]).collect()
}

fn state(word: &str) -> Option<bool> {
    if ON.contains(&word) {
        Some(true)
    } else if OFF.contains(&word) {
        Some(false)
    } else {
        None
    }
}

fn switch(seen: &str) -> Option<bool> {
    let seen = word(seen);
    match seen.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        seen => state(seen),
    }
}

/// Reads a whole number: decimal, `0x` hexadecimal, `512.0`, or with a unit behind it.
fn integer(seen: &str) -> Option<i128> {
    let seen = word(seen);
    if let Some(digits) = seen.strip_prefix("0x") {
        return i128::from_str_radix(digits, 16).ok();
    }
    let end = seen.find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))).unwrap_or(seen.len());
    let (digits, unit) = seen.split_at(end);
    let unit = unit.trim();
    let factor = if unit.is_empty() { 1 } else { UNITS.iter().find(|(name, _)| *name == unit)?.1 };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if !part.bytes().all(|digit| digit == b'0') {
        return None;
    }
    whole.parse::<i128>().ok()?.checked_mul(i128::from(factor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text_of(text: &str) -> Free {
        Free::Text(text.into())
    }

    #[test]
    fn spellings_of_one_meaning_are_the_same() {
        for (wish, seen) in [
            (text_of("Disabled"), "disabled"),
            (text_of("Disabled"), "Disable"),
            (text_of("UefiHttp"), "Uefi Http"),
            (text_of("Enabled"), " Enabled\u{200b}\0"),
            (text_of("EPYC 7763  64-Core"), "EPYC 7763 64-Core   "),
            (Free::Integer(512), "512 GiB"),
            (Free::Integer(512), "512.0"),
            (Free::Integer(1024), "1 TiB"),
            (Free::Integer(-1), "-1"),
            (Free::Integer(255), "0xFF"),
            (Free::Boolean(true), "Enabled"),
            (Free::Boolean(false), "0"),
            (Free::Float(1.5), "1.50"),
            (Free::List(vec![text_of("a"), text_of("B")]), "A, b"),
        ] {
            assert!(same(&wish, seen), "{wish:?} {seen:?}");
        }
    }

    #[test]
    fn different_meanings_differ() {
        for (wish, seen) in [
            (text_of("1.1"), "11"),
            (text_of("1.1"), "1.10"),
            (text_of("2-3"), "23"),
            (text_of("U30 1-2"), "U30 12"),
            (text_of("Enabled"), "Disabled"),
            (text_of("1"), "Enabled"),
            (Free::Integer(512), "512.5"),
            (Free::Integer(512), "512 apples"),
            (Free::Integer(512), ""),
            (Free::Boolean(true), "perhaps"),
            (Free::List(vec![text_of("a")]), "a,b"),
        ] {
            assert!(!same(&wish, seen), "{wish:?} {seen:?}");
        }
        assert!(same_version("v1.40", "1.40") && same_version("A47", "a47"));
        assert!(!same_version("1.4", "1.40") && !same_version("viper", "iper"));
    }

    proptest! {
        #[test]
        fn what_differs_looks_different(one in "\\PC{0,12}", other in "\\PC{0,12}") {
            if !same_text(&one, &other) {
                let look = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
                prop_assert_ne!(look(&one), look(&other));
            }
            prop_assert!(same_text(&one, &one));
            prop_assert_eq!(same_text(&one, &other), same_text(&other, &one));
        }

        #[test]
        fn what_a_wish_prints_is_the_same_as_the_wish(number: i64, on: bool, word in "[A-Za-z0-9 ._-]{1,20}") {
            for wish in [Free::Integer(number), Free::Boolean(on), Free::Text(word)] {
                prop_assert!(same(&wish, &text(&wish)));
            }
        }
    }
}
