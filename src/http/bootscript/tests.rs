use super::*;
use proptest::prelude::*;

#[test]
fn addresses_are_written_with_dashes() {
    for (text, dashed) in [
        ("02:1B:00:00:00:0a", "02-1B-00-00-00-0a"),
        ("02-1b-00-00-00-0A", "02-1b-00-00-00-0A"),
        ("021B.0000.000A", "02-1b-00-00-00-0a"),
        ("021b:0000:000a", "02-1b-00-00-00-0a"),
        ("021b0000000a", "02-1b-00-00-00-0a"),
    ] {
        let mut written = String::new();
        write_dashed(&mut written, text, MacAddr::parse(text).unwrap());
        assert_eq!(written, dashed);
    }
}

#[test]
fn tags_differ_by_script_and_by_what_fills_it() {
    let filled = |values: &[&str]| Filled { body: String::new(), holes: answer::fingerprint(values) };
    let tag = |values: &[&str], digest: u8| filled(values).tag(&[digest; 32]);
    assert_eq!(tag(&["a", "b"], 1), tag(&["a", "b"], 1));
    assert_eq!(tag(&["a", "b"], 1).to_str().unwrap().len(), 50);
    for other in [tag(&["ab", ""], 1), tag(&["", "ab"], 1), tag(&["a", "b"], 2), tag(&["a", "c"], 1)] {
        assert_ne!(tag(&["a", "b"], 1), other);
    }
}

proptest! {
    /// Whatever a machine says of itself is one word of one line.
    #[test]
    fn an_identity_adds_no_command(text in any::<String>()) {
        for identity in [Identity::Mac(&text), Identity::Name(&text)] {
            let keys =
                Keys { identity: Some(identity), mac: None, macs: &text, other: None, uuid: Some(&text), serial: Some(&text) };
            let mut who = String::new();
            keys.write(&mut who);
            prop_assert!(who.chars().all(|c| c.is_ascii_alphanumeric() || "=:._-%&".contains(c)), "{}", who);
            prop_assert_eq!(who.matches('&').count(), 2);
        }
    }
}
