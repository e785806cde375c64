//! How much of its input a sentence repeats: enough to know it by.

/// The longest word that is repeated whole, in bytes. URLs and node sets of real sites are shorter.
const MAX_WORD: usize = 240;

/// The longest sentence, in bytes.
const MAX_SENTENCE: usize = 2_000;

/// Bounds a sentence that may quote text from outside: a very long word or sentence loses its middle.
///
/// [`crate::model::Diagnostic`] passes all its sentences through here, so no finding repeats a name of a megabyte.
#[must_use]
pub fn bounded(sentence: String) -> String {
    if sentence.len() <= MAX_WORD {
        return sentence;
    }
    let mut out = String::with_capacity(MAX_SENTENCE);
    for word in sentence.split_inclusive(char::is_whitespace) {
        push_without_middle(&mut out, word, MAX_WORD);
        // What follows could only be cut out again.
        if out.len() > 4 * MAX_SENTENCE {
            break;
        }
    }
    if out.len() <= MAX_SENTENCE {
        return out;
    }
    let mut short = String::with_capacity(MAX_SENTENCE);
    push_without_middle(&mut short, &out, MAX_SENTENCE);
    short
}

/// The longest path that tools get whole, in bytes: Linux opens no longer one (`PATH_MAX`).
const MAX_PATH: usize = 4_096;

/// Bounds a path for tools, which open it: only one that no checkout can hold loses its middle. People get it through
/// [`bounded`].
#[must_use]
pub fn bounded_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len().min(MAX_PATH));
    push_without_middle(&mut out, path, MAX_PATH);
    out
}

/// Appends a text; if it is longer than `most` bytes, only its beginning and its end.
fn push_without_middle(out: &mut String, text: &str, most: usize) {
    if text.len() <= most {
        out.push_str(text);
        return;
    }
    let end = text.ceil_char_boundary(text.len() - most / 4);
    let start = text.floor_char_boundary(most - most / 4 - '…'.len_utf8());
    out.push_str(&text[..start]);
    out.push('…');
    out.push_str(&text[end..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_sentences_stay_as_they_are() {
        let keys = "keys here are arch, boot, cloud_init, expect, macs, nics, params, unset, vars, ".repeat(8);
        for sentence in ["", "there is no group `batch`", &format!("`{}` is no URL", "u".repeat(230)), &keys] {
            assert_eq!(bounded(sentence.to_owned()), *sentence);
        }
    }

    #[test]
    fn a_long_name_is_known_by_its_ends_and_the_sentence_goes_on() {
        let text = bounded(format!("there is no group `batch{}42`, is there", "é".repeat(500_000)));
        assert!(text.starts_with("there is no group `batché") && text.ends_with("é42`, is there"), "{text}");
        assert!(text.contains('…') && text.len() < 300, "{}", text.len());
        let text = bounded("a b ".repeat(500_000));
        assert!(text.len() <= MAX_SENTENCE && text.contains('…'), "{}", text.len());
    }

    #[test]
    fn a_path_that_can_be_opened_stays_whole_for_tools() {
        let path = format!("groups/{}.toml", "a/".repeat(2_000));
        assert_eq!(bounded_path(&path), path);
        let path = bounded_path(&format!("groups/{}.toml", "é".repeat(1 << 19)));
        assert!(path.len() <= MAX_PATH && path.starts_with("groups/é") && path.ends_with("é.toml"), "{}", path.len());
    }

    proptest! {
        #[test]
        fn no_sentence_is_long(parts in proptest::collection::vec((".{0,4}", 0usize..900), 0..12)) {
            let text: String = parts.into_iter().map(|(part, count)| part.repeat(count)).collect();
            let short = bounded(text.clone());
            prop_assert!(short.len() <= MAX_SENTENCE, "{}", short.len());
            prop_assert_eq!(short.contains('…') || short == text, true);
            prop_assert_eq!(bounded(short.clone()), short);
        }
    }
}
