//! The comment on a pull request, read as GitHub's parser reads it: nothing of the wishes is more than text in it.

use super::laws::build;
use super::site::{Site, edits, sites};
use crate::support::muster::run;
use crate::support::wishes::Wishes;
use comrak::nodes::{Node, NodeValue};
use comrak::{Arena, Options, parse_document};
use muster::change::{self, Breach, Broken, Fold, Judgement, Rail, Side, Spot, StaleAllow, Value};
use muster::model::{File, Place, Tree};
use muster::report::{ChangeReport, MAX_MARKDOWN_BYTES};
use proptest::prelude::*;
use std::path::Path;

const MARKER: &str = "<!-- muster diff: ";

/// What a reader sees of a text, and how much of it can be folded away.
#[derive(Default)]
struct Read {
    /// Of code: what is not our own.
    code: String,
    details: usize,
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    let extension = &mut options.extension;
    extension.table = true;
    extension.autolink = true;
    extension.strikethrough = true;
    extension.tasklist = true;
    extension.footnotes = true;
    extension.alerts = true;
    extension.math_dollars = true;
    extension.math_code = true;
    options
}

/// Parses a text as GitHub does.
///
/// # Panics
/// Where anything stands in it that is not ours and is not code.
fn read(text: &str) -> Read {
    let arena = Arena::new();
    let mut all = Read::default();
    let mut ends = 0;
    let root = parse_document(&arena, text, &options());
    for (at, node) in root.descendants().enumerate() {
        match &node.data().value {
            NodeValue::Document
            | NodeValue::Heading(_)
            | NodeValue::Paragraph
            | NodeValue::Strong
            | NodeValue::List(_)
            | NodeValue::Item(_)
            | NodeValue::Table(_)
            | NodeValue::TableCell => {}
            NodeValue::TableRow(_) => assert_eq!(node.children().count(), 4, "{text}"),
            NodeValue::Text(words) => {
                let is_ours = |c: char| c.is_ascii_alphanumeric() || " ,;:.'()+-%→#".contains(c);
                assert!(words.chars().all(is_ours) && !words.contains("www."), "{words:?} in {text}");
            }
            NodeValue::Code(code) => all.code.push_str(&format!("{}\n", code.literal)),
            NodeValue::CodeBlock(block) => {
                assert!(block.fenced && ["diff", "toml"].contains(&&*block.info), "{text}");
                all.code.push_str(&block.literal);
            }
            NodeValue::HtmlBlock(block) if at == 1 => {
                let marker = block.literal.trim_end();
                let inner = marker.strip_prefix(MARKER).and_then(|rest| rest.strip_suffix(" -->"));
                let is_plain = |c: char| c.is_ascii_alphanumeric() || " ._/-:%".contains(c);
                assert!(inner.is_some_and(|inner| inner.chars().all(is_plain) && !inner.contains("--")), "{marker}");
            }
            NodeValue::HtmlBlock(block) => match block.literal.trim_end() {
                "</details>" => ends += 1,
                line => {
                    all.details += 1;
                    all.code.push_str(&format!("{}\n", summary(line)));
                }
            },
            other => panic!("{other:?} in {text}"),
        }
        assert!(is_shallow(node), "{text}");
    }
    assert_eq!(all.details, ends, "{text}");
    all
}

/// Nothing of ours is nested deeper than a code span in an item of a list.
fn is_shallow(node: Node<'_>) -> bool {
    node.ancestors().count() <= 6
}

/// Reads the code of our only other HTML.
fn summary(line: &str) -> String {
    let inner = line.strip_prefix("<details><summary>").and_then(|rest| rest.strip_suffix("</code></summary>"));
    let parts: Vec<&str> = inner.unwrap_or_else(|| panic!("{line}")).split("<code>").collect();
    assert!(parts.len() == 3 && parts[1].ends_with("</code> "), "{line}");
    let who = parts[1].trim_end_matches("</code> ");
    assert!(!format!("{}{who}{}", parts[0], parts[2]).contains(['<', '>', '"', '\'']), "{line}");
    let who = who.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    who.replace("&amp;", "&")
}

/// Puts a hostile text wherever the wishes could bring one.
fn poison(folds: &mut [Fold<'_>], text: &str) -> Judgement {
    let value = || Value {
        text: text.into(),
        spot: Some(Spot { path: format!("p{text}").into(), line: 7, layer: format!("group {text}").into() }),
    };
    for fold in &mut *folds {
        fold.set = format!("s{text}");
        for folded in &mut fold.values {
            folded.change.key = format!("k{text}").into();
            folded.change.old = Some(value());
            folded.change.new = folded.change.new.is_some().then(value);
        }
        for hunk in fold.patches.iter_mut().flat_map(|(_, hunks)| hunks) {
            hunk.before.push(format!("{text}\n"));
            hunk.removed.push(format!("{text}\n"));
            hunk.added.push(text.to_owned());
            hunk.after.push(format!("{text}\n"));
        }
    }
    let broken = |fold: &Fold<'_>| Broken { set: fold.set.clone(), digest: fold.digest.clone(), count: 1 };
    let place = Place::file(format!("f{text}"));
    let breach = Breach {
        rail: Rail::Emptied(vec![text.into()]),
        count: 1,
        side: Side::Base,
        place: place.clone(),
        line: 3,
        folds: folds.iter().map(broken).collect(),
    };
    let stale = StaleAllow { digest: text.into(), place, line: 4 };
    Judgement { breaches: vec![breach], stale: vec![stale] }
}

/// Pieces of which somebody could make a link, a mention, HTML, or an end of ours.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = [
        "@all",
        "#1",
        "GH-1",
        "o/r#1",
        "http://a.b",
        "www.a.b",
        "a@b.c",
        "<b>",
        "</details>",
        "<!--",
        "-->",
        "--",
        "](",
        "![x](http://a)",
        "[x]: http://a",
        "`",
        "``",
        "```",
        "~~~",
        "|",
        "\\",
        "\\|",
        "&lt;",
        "&#64;",
        "*",
        "_",
        "$",
        "\"",
        "'",
        "> ",
        "- ",
        "# ",
        ":tada:",
        "</code>",
        "</summary>",
        "<script>",
        "{{",
        "}}",
        "${{",
        "%0A",
        "::error::",
        "é",
        "1. ",
    ];
    let pieces = proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 1..6);
    pieces.prop_map(|pieces| format!("x{}x", pieces.concat()))
}

/// Writes a text as code shows it: the only characters that stand there as others.
fn as_code(text: &str) -> String {
    text.replace("\\u{60}", "`").replace("\\u{7c}", "|")
}

fn report<'c>(
    change: &'c change::Change,
    folds: Vec<Fold<'c>>,
    judgement: Judgement,
    label: &'c str,
) -> ChangeReport<'c> {
    ChangeReport { change, folds, judgement: Some(judgement), base: label, head: label }
}

fn between(site: &Site, head: &Site) -> change::Change {
    change::compare(&build(&site.tree()), &build(&head.tree()), None)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_hostile_text_stays_a_text(site in sites(), edits in edits(), text in hostile()) {
        let head = site.edited(&edits);
        let change = between(&site, &head);
        let mut folds = change::fold(&change);
        let judgement = poison(&mut folds, &text);
        let (count, has_patch) = (folds.len(), folds.iter().any(|fold| !fold.patches.is_empty()));
        let is_named = folds.iter().any(|fold| fold.subject() != change::Subject::Unknown);
        let report = report(&change, folds, judgement, &text);
        let markdown = report.markdown(&text);
        prop_assert_eq!(&markdown, &report.markdown(&text));
        prop_assert!(markdown.len() <= MAX_MARKDOWN_BYTES);
        let read = read(&markdown);
        let code = as_code(&read.code);
        prop_assert_eq!(read.details, count);
        for whole in [text.clone(), format!("{text}/f{text}:3 before this change"), format!("{text}/f{text}:4")] {
            prop_assert!(code.contains(&whole), "{} in {}", whole, markdown);
        }
        prop_assert!(!is_named || code.contains(&format!("s{text}")), "{}", markdown);
        prop_assert!(!has_patch || code.contains(&format!("\n+{text}\n")) || !code.contains("\n@@"), "{}", markdown);
    }

    /// Control characters and those that turn or hide what follows are escaped, in annotations too.
    #[test]
    fn nothing_is_invisible(site in sites(), edits in edits(), text in "[\u{0}-\u{1f}a\u{7f}-\u{9f}\u{ad}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2066}-\u{2069}\u{feff}]{1,12}") {
        let head = site.edited(&edits);
        let change = between(&site, &head);
        let mut folds = change::fold(&change);
        let judgement = poison(&mut folds, &text);
        let report = report(&change, folds, judgement, &text);
        let visible = |c: char| c == '\n' || (c >= ' ' && !"\u{7f}\u{ad}\u{feff}".contains(c)
            && !('\u{80}'..='\u{9f}').contains(&c) && (c == '…' || !('\u{200b}'..='\u{206f}').contains(&c)));
        let (markdown, github) = (report.markdown(""), report.github(""));
        prop_assert!(markdown.chars().all(visible), "{:?}", markdown);
        prop_assert!(github.chars().all(visible), "{:?}", github);
        prop_assert!(github.lines().all(|line| line.starts_with("::")), "{}", github);
        read(&markdown);
    }
}

/// A cluster of so many nodes, each with a parameter of its own.
fn apart(nodes: usize, turn: usize, extra: &str) -> Tree {
    let mut tree = Tree::default();
    let mut put = |path: &str, text: String| tree.insert(path, File::Bytes(text.into_bytes().into()));
    put("cluster.toml", "name = \"apart\"\n[defaults]\nboot = \"live\"\n".into());
    put("boot/live.toml", "kind = \"live\"\nkernel = \"http://a/k\"\ninitrd = [\"http://a/i\"]\n".into());
    put("networks/net.toml", "cidr = \"10.0.0.0/16\"\n".into());
    let node = |at: usize| {
        let word: String = format!("{:05}", at).bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        format!(
            "[[node]]\nname = \"n{at}\"\nparams = [\"own={word}{extra}-{turn}\"]\nnics = [{{ name = \"eth0\", network = \"net\", \
             mac = \"02:00:00:00:{:02x}:{:02x}\", ip = \"10.0.{}.{}\", boot = true }}]\n",
            at / 250,
            at % 250,
            at / 250,
            at % 250 + 1
        )
    };
    put("nodes/all.toml", (1..=nodes).map(node).collect());
    tree
}

#[test]
fn what_has_no_room_is_counted() {
    const NODES: usize = 5_000;
    let change = change::compare(&build(&apart(NODES, 1, "")), &build(&apart(NODES, 2, "")), None);
    let folds = change::fold(&change);
    assert_eq!(folds.len(), NODES);
    let all: Vec<Broken> =
        folds.iter().map(|fold| Broken { set: fold.set.clone(), digest: fold.digest.clone(), count: 1 }).collect();
    let place = Place::file("policy.toml");
    let breach = Breach { rail: Rail::MaxNodes(2), count: NODES, side: Side::Head, place, line: 1, folds: all };
    let judgement = Judgement { breaches: vec![breach], stale: Vec::new() };
    let report = report(&change, folds, judgement, "main");
    let text = report.markdown("");
    assert!(text.len() <= MAX_MARKDOWN_BYTES, "{}", text.len());
    assert!(text.len() > MAX_MARKDOWN_BYTES / 2, "{}", text.len());
    let read = read(&text);
    let number = |before: &str, after: &str| -> usize {
        let rest = text.split_once(after).unwrap_or_else(|| panic!("{after:?} in {text}")).0;
        let rest = rest.rsplit_once(before).unwrap_or_else(|| panic!("{before:?} in {text}")).1;
        rest.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{rest}"))
    };
    let rows = text.lines().filter(|line| line.starts_with("| 1 node")).count();
    assert_eq!(rows + number("**", "**; `muster diff` tells all"), NODES);
    assert_eq!(read.details + number("**", "**; `muster diff` tells it"), NODES);
    let digests = text.lines().filter(|line| line.starts_with('"')).count();
    assert_eq!(digests + number("# and ", ", which `muster diff --format json` tells"), NODES);
    let github = report.github("");
    assert_eq!(github.lines().filter(|line| line.starts_with("::warning ")).count(), 10);
    assert!(github.contains("; 4990 more folds of 4990 machines"), "{github}");
}

/// One fold that is larger than a comment is told by its row, and its lines as far as they go.
#[test]
fn one_large_fold_stays_in_bounds() {
    let change = change::compare(&build(&apart(1, 1, "")), &build(&apart(1, 2, "")), None);
    let mut folds = change::fold(&change);
    let line = format!("{}\n", "é`<".repeat(300));
    for hunk in folds.iter_mut().flat_map(|fold| &mut fold.patches).flat_map(|(_, hunks)| hunks) {
        (hunk.removed, hunk.added) = (vec![line.clone(); 1_000], vec![line.clone(); 1_000]);
    }
    let text = report(&change, folds, Judgement::default(), "main").markdown("");
    assert!(text.len() <= MAX_MARKDOWN_BYTES && text.contains("more lines"), "{} {}", text.len(), &text[..3_000]);
    assert_eq!(read(&text).details, 1);
}

/// Whatever is long and wide at once, the head of the comment leaves room, and the marker ends.
#[test]
fn long_texts_everywhere_stay_in_bounds() {
    let change = change::compare(&build(&apart(100, 1, "")), &build(&apart(100, 2, "")), None);
    for piece in ["𝒳", "\u{e000}", "`|", "é é"] {
        let text = piece.repeat(5_000);
        let mut folds = change::fold(&change);
        let mut judgement = poison(&mut folds, &text);
        judgement.breaches = vec![judgement.breaches[0].clone(); 5];
        judgement.stale = vec![judgement.stale[0].clone(); 50];
        let markdown = report(&change, folds, judgement, &text).markdown(&text);
        assert!(markdown.len() <= MAX_MARKDOWN_BYTES, "{} of {piece}", markdown.len());
        read(&markdown);
    }
}

#[test]
fn the_command_writes_both() {
    let wishes = Wishes::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster-example"));
    let diff = |format: &str| {
        let output = run(&wishes.clone_dir(), &["diff", "--format", format]);
        (output.status.code(), String::from_utf8(output.stdout).expect("we write UTF-8"))
    };
    let (code, text) = diff("markdown");
    assert!(code == Some(0) && text.contains("**No machine changes** (123 nodes)."), "{text}");
    let marker = text.lines().next().map(str::to_owned);
    assert_eq!(marker.as_deref(), Some("<!-- muster diff: larch . -->"));
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    let (code, text) = diff("markdown");
    assert_eq!((code, text.lines().next().map(str::to_owned)), (Some(1), marker));
    read(&text);
    let (code, text) = diff("github");
    assert!(code == Some(1) && text.contains("::warning file=groups/compute.toml,line=5,title="), "{text}");
    assert!(
        text.lines().last().is_some_and(|line| line.starts_with("::notice title=muster diff::123 nodes: ")),
        "{text}"
    );
}
