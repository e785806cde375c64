//! Counts with their words.

/// Writes a number with its word: `1 node`, `2 nodes`, `3 MAC addresses`, `4 entries`.
#[must_use]
pub fn plural(number: usize, word: &str) -> String {
    if number == 1 {
        return format!("1 {word}");
    }
    let is_vowel = |c: char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u');
    if ["s", "x", "ch", "sh"].iter().any(|end| word.ends_with(end)) {
        return format!("{number} {word}es");
    }
    match word.strip_suffix('y') {
        Some(stem) if !stem.ends_with(is_vowel) => format!("{number} {stem}ies"),
        Some(_) | None => format!("{number} {word}s"),
    }
}

/// Picks the form of a verb that a number goes with: `verb(1, "runs", "run")` is `runs`.
#[must_use]
pub const fn verb<'v>(number: usize, one: &'v str, many: &'v str) -> &'v str {
    if number == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::plural;

    #[test]
    fn words_take_the_ending_that_english_gives_them() {
        let words = ["node", "MAC address", "entry", "day", "patch", "System", "fix"];
        let many = words.map(|word| plural(2, word));
        let expected = ["2 nodes", "2 MAC addresses", "2 entries", "2 days", "2 patches", "2 Systems", "2 fixes"];
        assert_eq!(many, expected);
        assert_eq!((plural(1, "entry"), plural(0, "node")), ("1 entry".into(), "0 nodes".into()));
    }
}
