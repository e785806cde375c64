//! Lists as patterns.

use proptest::prelude::*;

use crate::adopt::columns::{natural, pattern, runs, stem};
use crate::model::Pattern;

#[test]
fn what_is_regular_is_one_pattern() {
    let cases: [(&[&str], Option<&str>); 12] = [
        (&["a", "a"], Some("a")),
        (&["https://10.1.0.1", "https://10.1.0.2", "https://10.1.0.3"], Some("https://10.1.0.[1-3]")),
        (&["n08", "n09", "n10"], Some("n[08-10]")),
        (&["n8", "n9", "n10"], Some("n[8-10]")),
        (&["n0", "n4", "n8", "n9"], Some("n[0-8/4,9]")),
        (&["b1", "b1", "b2", "b2"], Some("b[1,1,2,2]")),
        (&["10.0.0.1", "10.0.0.2", "10.0.1.1", "10.0.1.2"], Some("10.0.[0-1].[1-2]")),
        (&["10.0.0.1", "10.0.1.2"], None),
        (&["Self", "HPC"], Some("[Self,HPC]")),
        (&["https://[fd00::1]", "https://[fd00::2]"], Some("https://[fd00::[1-2]]")),
        (&["a[1]"], None),
        (&["a-b", "a_c"], None),
    ];
    for (items, wanted) in cases {
        assert_eq!(pattern(items).as_deref(), wanted, "{items:?}");
    }
}

#[test]
fn texts_sort_as_people_count() {
    let mut all = ["n10", "n9", "m20", "n9a"];
    all.sort_by_key(|text| natural(text));
    assert_eq!(all, ["m20", "n9", "n9a", "n10"]);
    assert_eq!(stem("https://10.1.0.44/"), "https://10.1.0.");
}

proptest! {
    #[test]
    fn a_pattern_expands_to_its_list(
        items in prop::collection::vec(r"(a|b-|10\.)[0-9]{0,3}(x|\.)?[0-9]{0,2}", 1..9),
    ) {
        if let Some(text) = pattern(&items) {
            prop_assert_eq!(Pattern::parse(&text).unwrap().iter().collect::<Vec<_>>(), items);
        }
    }

    #[test]
    fn numbers_behind_one_text_always_have_a_pattern(numbers in prop::collection::vec(0_u16..300, 1..20)) {
        let items: Vec<String> = numbers.iter().map(|number| format!("https://10.0.0.{number}")).collect();
        prop_assert!(pattern(&items).is_some());
    }

    #[test]
    fn runs_lose_nothing_and_each_fits(numbers in prop::collection::vec((0_u8..4, 0_u8..9), 1..20)) {
        let items: Vec<String> = numbers.iter().map(|(a, b)| format!("10.{a}.{b}")).collect();
        let runs = runs(&items, &|run| pattern(run).is_some(), &|item| stem(item).to_owned());
        prop_assert!(runs.iter().all(|run| pattern(run).is_some()));
        let (mut joined, mut all) = (runs.concat(), items);
        joined.sort();
        all.sort();
        prop_assert_eq!(joined, all);
    }
}
