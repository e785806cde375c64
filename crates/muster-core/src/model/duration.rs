//! Lengths of time as people write them: `90s`, `24h`, `1h30m`.

use std::time::Duration;

/// The units, largest first: what people write, and its milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a length of time: whole numbers with units (`d`, `h`, `m`, `s`, `ms`), largest unit first, each unit once.
///
/// # Errors
/// The text is no such length; the error says how one is written.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("`{text}` is no length of time, which is written as `30s`, `15m`, `24h`, `7d` or `1h30m`");
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut millis = 0_u64;
    if text.is_empty() {
        return Err(fault());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, factor) = units.find(|(name, _)| *name == unit).ok_or_else(fault)?;
        let number: u64 = number.parse().map_err(|_| fault())?;
        let part = number.checked_mul(*factor).ok_or_else(fault)?;
        millis = millis.checked_add(part).ok_or_else(fault)?;
        rest = after;
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a length of time as [`parse_duration`] reads it; what is below a millisecond is left out.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, factor) in UNITS {
        if left >= factor {
            text.push_str(&format!("{}{unit}", left / factor));
            left %= factor;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (text, seconds) in
            [("30s", 30), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("1h30m", 5_400), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("1s500ms"), Ok(Duration::from_millis(1500)));
        let long = format!("{}d", u64::MAX);
        for text in ["", "5", "h", "5 h", "1m1h", "1h1h", "-1h", "1.5h", "1w", "1H", "1hx", "∞", &long] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(millis in any::<u64>()) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,12}") {
            let _ = parse_duration(&text);
        }
    }
}
