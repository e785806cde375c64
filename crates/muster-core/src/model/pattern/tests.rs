use super::*;
use proptest::prelude::*;

fn expand(text: &str) -> Vec<String> {
    Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).iter().collect()
}

fn refused(text: &str) -> (PatternError, &str) {
    let error = Pattern::parse(text).expect_err(text);
    let at = error.at();
    (error, &text[at.start..at.end])
}

#[test]
fn what_is_written_is_kept() {
    assert_eq!(expand("a[4,3,2,1]"), ["a4", "a3", "a2", "a1"]);
    assert_eq!(expand("10.1.0.[1,1,2,2]"), ["10.1.0.1", "10.1.0.1", "10.1.0.2", "10.1.0.2"]);
    assert_eq!(expand("x[0-1]n[1-2]"), ["x0n1", "x0n2", "x1n1", "x1n2"]);
    assert_eq!(expand("[08-11,left,R2]x"), ["08x", "09x", "10x", "11x", "leftx", "R2x"]);
    assert_eq!(expand("[0-9/4]"), ["0", "4", "8"]);
    assert_eq!(expand("[10-1/4,05-03]"), ["10", "6", "2", "05", "04", "03"]);
    assert_eq!(expand("[10-08]"), ["10", "09", "08"]);
    assert_eq!(expand("[ 1 - 2 , 007 ]"), ["1", "2", "007"]);
    assert_eq!(expand("a,b!c&d^e[1-2]@x*"), ["a,b!c&d^e1@x*", "a,b!c&d^e2@x*"]);
}

#[test]
fn without_a_bracket_there_is_one_text() {
    let pattern = Pattern::parse("https://é.example/a,b").unwrap();
    assert_eq!((pattern.len(), pattern.is_plain(), pattern.get(0)), (1, true, "https://é.example/a,b".into()));
    assert!(!Pattern::parse("a[1]").unwrap().is_plain());
    assert_eq!(expand(""), [""]);
}

#[test]
fn a_bracket_with_a_colon_is_an_address() {
    assert_eq!(expand("https://[fd00::1]:443/"), ["https://[fd00::1]:443/"]);
    assert!(Pattern::parse("[fd00::1]").unwrap().is_plain());
    assert_eq!(expand("https://[fd00::1]/[1-2]"), ["https://[fd00::1]/1", "https://[fd00::1]/2"]);
}

#[test]
fn an_address_may_hold_a_bracket() {
    assert_eq!(expand("https://[fd00::[9,a]]/x"), ["https://[fd00::9]/x", "https://[fd00::a]/x"]);
    assert_eq!(expand("[[1-2]::1]"), ["[1::1]", "[2::1]"]);
}

#[test]
fn a_descending_pattern_zips_with_another() {
    let names = Pattern::parse("nid[0001-0004]").unwrap();
    let addresses = Pattern::parse("10.0.0.[4-1]").unwrap();
    let pairs: Vec<_> = names.iter().zip(addresses.iter()).collect();
    let expected = [("nid0001", "10.0.0.4"), ("nid0002", "10.0.0.3"), ("nid0003", "10.0.0.2"), ("nid0004", "10.0.0.1")];
    assert_eq!(pairs, expected.map(|(name, address)| (name.to_owned(), address.to_owned())));
}

#[test]
fn errors_point_at_their_bytes() {
    let cases = [
        ("é[1-2", "the bracket is never closed; add `]`", "["),
        ("a1-2]", "the bracket was never opened; add `[` before it, or remove it", "]"),
        ("a[1-2]]", "the bracket was never opened; add `[` before it, or remove it", "]"),
        ("a[1,[2]]", "a bracket cannot stand inside a bracket; list the ranges with commas: `[1-4,7]`", "["),
        ("[a:[b:1]]", "a bracket cannot stand inside a bracket; list the ranges with commas: `[1-4,7]`", "["),
        ("a[]b", "the bracket is empty; it holds numbers, ranges or words: `[1-4]`, `[a,b]`", "[]"),
        ("a[1,,2]", "an item is missing beside the comma; remove the comma or add a number, a range or a word", ","),
        ("a[1, ]", "an item is missing beside the comma; remove the comma or add a number, a range or a word", " "),
        (
            "a[1, a-c]",
            "`a-c` is no number, range or word; a bracket holds items such as `7`, `1-20`, `0-38/2` or `left`",
            "a-c",
        ),
        (
            "a[7/2]",
            "`7/2` is no number, range or word; a bracket holds items such as `7`, `1-20`, `0-38/2` or `left`",
            "7/2",
        ),
        ("a[1-7/0]", "`1-7/0` is no step; a step is a number from 1 after a range: `0-38/2`", "1-7/0"),
        ("a[1-7/]", "`1-7/` is no step; a step is a number from 1 after a range: `0-38/2`", "1-7/"),
        ("a[01-100]", "`01-100` is padded with zeros to two different widths; write `001-100`", "01-100"),
        (
            "a[1-99999999999999999999]",
            "`1-99999999999999999999` has a number of more than 19 digits",
            "1-99999999999999999999",
        ),
        (
            "a[1-1000000000000]",
            "the pattern stands for 1000000000000 texts; at most 1000000 are expanded",
            "[1-1000000000000]",
        ),
        (
            "[1-600000,1-600000,1-5]",
            "the pattern stands for 1200005 texts; at most 1000000 are expanded",
            "[1-600000,1-600000,1-5]",
        ),
        (
            "x[1-2000]c[1-2000]",
            "the pattern stands for 4000000 texts; at most 1000000 are expanded",
            "x[1-2000]c[1-2000]",
        ),
    ];
    for (text, message, bytes) in cases {
        let (error, at) = refused(text);
        assert_eq!((error.to_string().as_str(), at), (message, bytes), "{text}");
    }
    let many = "[0-999999]".repeat(40);
    assert!(matches!(refused(&many).0, PatternError::TooMany { count: u128::MAX, .. }));
    assert!(matches!(refused(&"a".repeat(MAX_BYTES + 1)).0, PatternError::TooLong { .. }));
}

#[test]
fn the_bound_itself_is_reached() {
    let pattern = Pattern::parse("x[1-1000]c[0001-1000]").unwrap();
    assert_eq!((pattern.len(), pattern.get(999_999)), (1_000_000, "x1000c1000".into()));
}

/// An item of a bracket, its text and the texts that it stands for.
fn item() -> impl Strategy<Value = (String, Vec<String>)> {
    let range = (0u64..30, 0u64..30, 1u64..4, 0usize..5).prop_map(|(first, last, step, width)| {
        let width = if width < 2 { 1 } else { width };
        let mut numbers: Vec<u64> = (first.min(last)..=first.max(last)).collect();
        if last < first {
            numbers.reverse();
        }
        let texts = numbers.iter().step_by(step as usize).map(|number| format!("{number:0width$}")).collect();
        (format!("{first:0width$}-{last:0width$}/{step}"), texts)
    });
    let word = "[a-z0-9]{1,4}".prop_map(|word| (word.clone(), vec![word]));
    prop_oneof![range, word]
}

proptest! {
    #[test]
    fn expansion_is_the_naive_product(
        parts in prop::collection::vec(("[a-z.,!]{0,3}", prop::collection::vec(item(), 1..4)), 0..4),
        tail in "[a-z]{0,3}",
    ) {
        let mut text = String::new();
        let mut naive = vec![String::new()];
        for (before, items) in &parts {
            let list: Vec<&str> = items.iter().map(|(text, _)| text.as_str()).collect();
            text += &format!("{before}[{}]", list.join(","));
            let texts: Vec<&String> = items.iter().flat_map(|(_, texts)| texts).collect();
            naive = naive.iter().flat_map(|start| texts.iter().map(move |text| format!("{start}{before}{text}"))).collect();
        }
        text += &tail;
        naive.iter_mut().for_each(|text| text.push_str(&tail));
        prop_assume!(naive.len() <= 100_000);
        let pattern = Pattern::parse(&text).unwrap();
        prop_assert_eq!(pattern.len(), naive.len());
        prop_assert_eq!(pattern.iter().collect::<Vec<_>>(), naive);
    }

    #[test]
    fn no_text_panics(text in "[-\\[\\]0-9a:,/ é]{0,24}") {
        if let Err(error) = Pattern::parse(&text) {
            prop_assert!(text.get(error.at().start..error.at().end).is_some(), "{error:?}");
        }
    }
}
