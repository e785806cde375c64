use super::*;
use proptest::prelude::*;

fn read(text: &str) -> NodeSet {
    NodeSet::parse(text, &site).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The groups of a small site.
fn site(name: &str) -> Option<NodeSet> {
    match name {
        "*" => Some(read("login1,nid[0001-0008]")),
        "compute" => Some(read("nid[0001-0008]")),
        "rack1" => Some(read("nid[0001-0004]")),
        "rack2" => Some(read("nid[0005-0008]")),
        "none" => Some(NodeSet::default()),
        _ => None,
    }
}

fn names(text: &str) -> Vec<String> {
    read(text).iter().collect()
}

fn fold(text: &str) -> String {
    read(text).to_string()
}

#[test]
fn expressions_fold() {
    let cases = [
        ("", ""),
        ("  ", ""),
        ("n3,n1,n2", "n[1-3]"),
        ("n[1-5]!n3", "n[1-2,4-5]"),
        ("n[1-5]&n[4-9]", "n[4-5]"),
        ("n[1-5]^n[4-9]", "n[1-3,6-9]"),
        ("a,b!a,a", "a,b"),
        ("n[1-9] & n[3-5] , n8 ! n4", "n[3,5,8]"),
        ("n[0-8/2]", "n[0-8/2]"),
        ("n[1,3,5]", "n[1,3,5]"),
        ("n[1,3,5,7]", "n[1-7/2]"),
        ("n[6,8,10,12,14]", "n[6-14/2]"),
        ("n[006,008,010,012]", "n[006-012/2]"),
        ("n[08,10,12]", "n[08-12/2]"),
        ("n[1-3,5,7,9,11,20]", "n[1-3,5-11/2,20]"),
        ("n[1,4,7,10,20,30,40]", "n[1-10/3,20,30,40]"),
        ("nid[003049-003111/2]", "nid[003049-003111/2]"),
        ("x[1-2]c[0-6/2]", "x[1-2]c[0-6/2]"),
        ("n[08-11]", "n[08-11]"),
        ("n[8-11]", "n[8-11]"),
        ("n[1,01,001]", "n[1,01,001]"),
        ("x[1-2]c[0-3]", "x[1-2]c[0-3]"),
        ("x1c0,x1c1,x2c0,x2c1,x3c0", "x[1-2]c[0-1],x3c0"),
        ("n1[2-3]0", "n[120,130]"),
        ("gpu-1,gpu-2", "gpu-[1-2]"),
        ("[1-3]", "[1-3]"),
        ("@compute!@rack1", "nid[0005-0008]"),
        ("@rack[1-2]", "nid[0001-0008]"),
        ("@*!@compute", "login1"),
        ("@compute&@none", ""),
        ("n18446744073709551616", "n18446744073709551616"),
    ];
    for (text, folded) in cases {
        assert_eq!(fold(text), folded, "{text}");
    }
}

#[test]
fn names_come_in_natural_order() {
    assert_eq!(names("n10,n2,n01,m"), ["m", "n2", "n01", "n10"]);
    assert_eq!(names("x[1-2]c[9-10]"), ["x1c9", "x1c10", "x2c9", "x2c10"]);
}

#[test]
fn names_are_found() {
    let set = read("n[08-11],x[1-2]c[0-3],login");
    for name in ["n08", "n11", "x2c3", "login"] {
        assert!(set.contains(name), "{name}");
    }
    for name in ["n8", "n12", "n", "x3c0", "x1c00", "logi", "", "n[08-11]"] {
        assert!(!set.contains(name), "{name}");
    }
    assert_eq!((set.len(), set.is_empty(), NodeSet::default().is_empty()), (13, false, true));
}

#[test]
fn groups_are_listed_unresolved() {
    let found = NodeSet::groups_of("@a,n1!@b[1-2]&@* , @a").unwrap();
    let names: Vec<&str> = found.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["a", "b1", "b2", "*", "a"]);
    assert_eq!(found[4].at, Span { start: 19, end: 21 });
    assert_eq!(NodeSet::groups_of("n[1-3]").unwrap(), []);
    assert!(NodeSet::groups_of("@a,n[").is_err());
}

#[test]
fn errors_point_at_their_bytes_and_say_what_to_write() {
    let cases = [
        ("@compute,@gpu", "there is no group `gpu`", "@gpu", ""),
        ("n1,@", "a group's name is missing after `@`", "@", "write `@NAME`, or `@*` for every node"),
        ("n1,,n2", "a name is missing before the operator", ",", "a name or a group stands on both sides"),
        ("!n2", "a name is missing before the operator", "!", "a name or a group stands on both sides"),
        ("n2! ", "a name is missing after the operator", "!", "a name or a group stands on both sides"),
        ("n1 n2", "` ` cannot stand in a node's name", " ", "separate names with `,`"),
        ("n1,né", "`é` cannot stand in a node's name", "é", ""),
        ("n*", "`*` cannot stand in a node's name", "*", "wildcards are not read; `@*` is every node"),
        ("a@b", "`@` cannot stand in a node's name", "@", "an intersection is written `&`"),
        ("(a,b)", "`(` cannot stand in a node's name", "(", "there are no parentheses"),
        ("n[1-9],-n5", "a name cannot start with `-`", "-n5", "to leave out names, write `!n5`"),
        ("a, n1-n20", "`n1-n20` is one name here, not a range", "n1-n20", "for the range write `n[1-20]`"),
        ("r1u01-r3u10", "`r1u01-r3u10` is one name here, not a range", "r1u01-r3u10", "`r[1-3]u[01-10]`"),
        ("a-1-a-9", "`a-1-a-9` is one name here, not a range", "a-1-a-9", "`a-[1-9]`"),
        ("n[1-2", "the bracket is never closed", "[", "add `]`"),
        ("n1-2]", "the bracket was never opened", "]", "add `[` before it"),
        ("n[1]x]", "the bracket was never opened", "]", "add `[` before it"),
        ("n[1,[2]]", "a bracket cannot stand inside a bracket", "[", "list the ranges"),
        ("n[1][2]", "a bracket cannot follow a bracket without a letter between them", "[", ""),
        ("n[1]2[3]", "a bracket cannot follow a bracket without a letter between them", "[", ""),
        ("n[]", "a number or a range is missing", "]", ""),
        ("n[1,,2]", "a number or a range is missing", ",", ""),
        ("n[1, a-c]", "`a-c` is no number", "a-c", "brackets hold numbers"),
        ("n[-5]", "`-5` is no number", "-5", "brackets hold numbers"),
        ("n[1-99999999999999999999]", "a number has at most 19 digits", "1-99999999999999999999", ""),
        ("n[4-1]", "`4-1` runs backwards", "4-1", "write `1-4`"),
        ("n[01-100]", "`01-100` is padded with zeros to two different widths", "01-100", "write `001-100`"),
        ("n[1-9/0]", "`0` is no step", "1-9/0", "a step is a number from 1"),
        ("n[9/2]", "`2` is no step", "9/2", "a step is a number from 1"),
        ("n[1-9/2]0", "digits cannot follow a bracket that has a step", "[1-9/2]0", ""),
        ("n1[8-12]", "digits stand before a range whose numbers grow by a digit", "1[8-12]", "move the digits"),
        (
            "a,n[1-1000000000000]",
            "the node set has 1000000000000 names; at most 1000000 are expanded",
            "n[1-1000000000000]",
            "",
        ),
        (
            "n[1-9000000000000/3]",
            "the node set has 3000000000000 names; at most 1000000 are expanded",
            "[1-9000000000000/3]",
            "",
        ),
        (
            "x[1-2000]c[1-2000]",
            "the node set has 4000000 names; at most 1000000 are expanded",
            "x[1-2000]c[1-2000]",
            "",
        ),
        ("a[1-600000]^b[1-600000]", "the node set has 1200000 names; at most 1000000 are expanded", "b[1-600000]", ""),
        (
            "a[1-600000],b[1-600000]",
            "the node set has 1200000 names; at most 1000000 are expanded",
            "a[1-600000],b[1-600000]",
            "",
        ),
    ];
    for (text, message, bytes, hint) in cases {
        let error = NodeSet::parse(text, &site).expect_err(text);
        let at = error.at();
        assert_eq!((error.to_string().as_str(), text.get(at.start..at.end)), (message, Some(bytes)), "{text}");
        let said = error.hint().unwrap_or_default();
        assert!(said.contains(hint) && said.is_empty() == hint.is_empty(), "{text}: {said}");
    }
}

#[test]
fn bounds_hold() {
    assert_eq!(read("n[1-1000000]").len(), MAX_NODES);
    assert_eq!(read("n[1-600000],n[1-600000]").len(), 600_000);
    assert_eq!(fold("x[1-1000]c[1-1000]"), "x[1-1000]c[1-1000]");
    let countless = format!("n{}", "[0-999999999999999999]a".repeat(16));
    assert!(matches!(NodeSet::parse(&countless, &site), Err(NodeSetError::TooMany { count: u128::MAX, .. })));
    let long = "n".repeat(MAX_TEXT_BYTES + 1);
    assert!(matches!(NodeSet::parse(&long, &site), Err(NodeSetError::TooLong { .. })));
    let wide = format!("n{}", "[1]a".repeat(17));
    assert!(matches!(NodeSet::parse(&wide, &site), Err(NodeSetError::Axes { .. })));
    let busy = format!("x[1-1000]c[1-1000]{}", "!x1c1,x1c1".repeat(2000));
    assert!(matches!(NodeSet::parse(&busy, &site), Err(NodeSetError::TooMuchWork { .. })));
}

#[test]
fn long_identifiers_are_names() {
    let uuid = "4c4c4544-0a4b-1c2d-8e3f-b7c04f4e3132-1a2b3c4d5e";
    assert_eq!(names(uuid), [uuid]);
    assert!(read(uuid).contains(uuid));
    assert!(NodeSet::is_name(uuid) && NodeSet::is_name("gpu-1") && NodeSet::is_name("1"));
    for text in ["", "n[1]", "@a", "a,b", " a", "n1-n2", "-n"] {
        assert!(!NodeSet::is_name(text), "{text}");
    }
    let odd = NodeSet::from_names(["a\0", "a1", "a,b[1]"]);
    assert_eq!((odd.len(), odd.contains("a\0"), odd.contains("a,b[1]"), odd.contains("a2")), (3, true, true, false));
}

#[test]
fn large_scattered_sets_fold_and_read_back() {
    let scattered = |n: u64| (n.wrapping_mul(2_654_435_761) % 100_003, n.wrapping_mul(40_503) % 1_009);
    let one = NodeSet::from_names((0..100_000).map(|n| format!("n{}", scattered(n).0)));
    let two = NodeSet::from_names((0..30_000).map(|n| format!("x{}c{}", scattered(n).0, scattered(n).1)));
    let dense = NodeSet::from_names((0..50_000).map(|n| format!("x{}c{}", n / 70, n % 70)));
    assert_eq!(dense.to_string(), "x[0-713]c[0-69],x714c[0-19]");
    for set in [one, dense] {
        assert_eq!(read(&set.to_string()), set);
    }
    assert!(matches!(NodeSet::parse(&two.to_string(), &site), Err(NodeSetError::TooLong { .. })));
}

fn node() -> impl Strategy<Value = String> {
    prop_oneof![
        "n[0-9]{1,3}",
        "n0[0-9]{1,2}",
        "x[0-3]c[0-3]",
        "x[0-3]c[0-1]s0[0-3]b[0-1]",
        "gpu-[0-9]",
        "[0-9]{1,2}",
        "[ab]",
        "a[0-9]{19,21}b[0-2]",
    ]
}

fn nodes() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(node(), 0..60)
}

proptest! {
    #[test]
    fn the_fold_of_a_set_reads_as_the_set(names in nodes()) {
        let set = NodeSet::from_names(&names);
        let mut kept: Vec<String> = set.iter().collect();
        prop_assert_eq!(&NodeSet::parse(&set.to_string(), &|_| None).unwrap(), &set);
        prop_assert_eq!(kept.len(), set.len());
        prop_assert!(names.iter().all(|name| set.contains(name) && NodeSet::is_name(name)));
        let mut distinct = names;
        distinct.sort();
        distinct.dedup();
        kept.sort();
        prop_assert_eq!(kept, distinct);
    }

    #[test]
    fn the_fold_depends_on_the_set_alone((names, shuffled) in nodes().prop_flat_map(|names| {
        (Just(names.clone()), Just(names).prop_shuffle())
    })) {
        let (one, two) = (NodeSet::from_names(&names), NodeSet::parse(&shuffled.join(","), &|_| None).unwrap());
        prop_assert_eq!(&one, &two);
        prop_assert_eq!(one.to_string(), two.to_string());
    }

    #[test]
    fn set_algebra_holds(a in nodes(), b in nodes(), c in nodes()) {
        let [a, b, c] = [a, b, c].map(|names| NodeSet::from_names(&names));
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&b.union(&c)), a.intersection(&b).union(&a.intersection(&c)));
        prop_assert_eq!(a.difference(&b.union(&c)), a.difference(&b).difference(&c));
        prop_assert_eq!(a.symmetric_difference(&b), a.union(&b).difference(&a.intersection(&b)));
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert!(a.difference(&b).iter().all(|name| a.contains(&name) && !b.contains(&name)));
        prop_assert!(a.difference(&a).is_empty() && a.symmetric_difference(&a) == NodeSet::default());
    }

    #[test]
    fn no_text_panics_and_every_error_has_its_place(text in "[-\\[\\]0-9an@*,!&^/ é]{0,24}") {
        if let Err(error) = NodeSet::parse(&text, &site) {
            prop_assert!(text.get(error.at().start..error.at().end).is_some(), "{error:?}");
        }
    }
}
