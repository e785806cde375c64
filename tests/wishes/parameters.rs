//! Kernel parameters through the real iPXE: whatever `check` lets pass arrives as it was written.
//!
//! Parameters are generated from what has a meaning to iPXE, to a shell or to the kernel. Those that are refused are not
//! run; of all others iPXE is asked which command line its kernel has, and that is compared with a model of what was meant.

use std::fmt::Write as _;

use muster::desired::template;
use muster::ipxe::{Ask, Script};
use muster::model::{Code, Revision, Tree};
use muster::snapshot::{self, Answer};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::netns::isolated;
use crate::vm::{self, interpret};

/// How many parameters are made up.
const CASES: usize = 600;

/// What parameters are made of: iPXE's own signs, those of others, and plain text.
const PIECES: [&str; 44] = [
    ";",
    "#",
    "||",
    "&&",
    "|",
    "&",
    "\"",
    " ",
    " ; ",
    " # ",
    " #x",
    " || ",
    " && ",
    ";;",
    "; ",
    " ;",
    "'",
    "\\",
    "$",
    "${",
    "}",
    "${nosuch}",
    "${net9/mac}",
    "$(x)",
    "`",
    "!",
    "*",
    "?",
    "[1-2]",
    "~",
    "<",
    ">",
    "(",
    ")",
    "%",
    "%20",
    ":",
    ",",
    "=",
    "--",
    "-n",
    "a",
    "b1",
    "goto",
];

fn parameter() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(prop::sample::select(&PIECES[..]), 1..7);
    // Most in quotes, which make one parameter of several words; some bare.
    (pieces, 0..4u8).prop_map(|(pieces, form)| {
        let text = pieces.concat();
        match form {
            // The first sign of an element may speak to layers, which is not part of the parameter.
            0 if !text.starts_with(['=', '+', '-']) => text,
            0 | 1 => format!("k={text}"),
            _ => format!("k=\"{text}\""),
        }
    })
}

/// Returns the kernel line of a node with one parameter as muster writes it, or the codes of why it is refused.
fn kernel_line(parameter: &str, as_template: bool) -> Result<String, Vec<Code>> {
    // The name of a variable, so that a sign comes in by a template, too.
    let (params, vars) = match as_template {
        true => ("{{ vars.it }}".to_owned(), format!("[defaults.vars]\nit = {}\n", toml(parameter))),
        false => (parameter.to_owned(), String::new()),
    };
    let text = format!(
        "//- cluster.toml\nname = \"test\"\n{vars}//- boot/live.toml\nkind = \"live\"\nkernel = \"http://images.example/k\"\n\
         params = [\"ds=\", {}]\n//- nodes/a.toml\n[[node]]\nname = \"n1\"\nserial = \"S1\"\nboot = \"live\"\n",
        toml(&params)
    );
    let (snapshot, findings) = snapshot::build(&Tree::from_fixture(&text), Revision::commit(&"a".repeat(40)));
    let Some(snapshot) = snapshot else { return Err(findings.into_iter().map(|finding| finding.code).collect()) };
    let Answer::Script(prepared) = snapshot.answer(0) else { panic!("{parameter}: no script") };
    let text = filled(&prepared.script);
    let line = text.lines().find(|line| line.starts_with("kernel ")).expect("a kernel line");
    Ok(line.to_owned())
}

fn filled(script: &Script) -> String {
    let ask =
        Ask { server: "http://10.9.9.9", path: "/boot/v1/bootscript", who: "name=n1", again: "retry=1", boot_if: None };
    let mut text = String::new();
    script.fill(&ask, &mut text);
    text
}

fn toml(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON, and these are TOML too")
}

/// Returns what iPXE makes of a parameter: settings that are not there expand to nothing, innermost first, word by word.
fn meant(parameter: &str) -> String {
    let expand = |word: &str| {
        let mut word = word.to_owned();
        while let Some(end) = word.match_indices('}').map(|(at, _)| at).find(|at| word[..*at].contains("${")) {
            let start = word[..end].rfind("${").expect("it was found");
            word.replace_range(start..=end, "");
        }
        word
    };
    parameter.split(' ').map(expand).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_passes_arrives_at_the_kernel() {
    const NAME: &str = "parameters::what_passes_arrives_at_the_kernel";
    isolated(NAME, || {
        if vm::can_interpret(NAME) {
            judge();
        }
    });
}

fn judge() {
    // The same cases each time: a machine is no place to shrink one.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let parameter = parameter();
    let generated = (0..CASES).map(|_| parameter.new_tree(&mut runner).expect("it is made").current());
    let written =
        ["k=\"+p; x\"", "k=\"a #\"", "k=\"; #\"", "k=;#", "k=\"x ;\"", "k=\"${nosuch}# ${nosuch};\""].map(String::from);

    let (mut passed, mut refused) = (Vec::new(), 0);
    for (number, parameter) in written.into_iter().chain(generated).enumerate() {
        match kernel_line(&parameter, number % 3 == 0 && !template::is_template(&parameter)) {
            Ok(line) => passed.push((parameter, line)),
            Err(codes) => {
                assert!(codes.contains(&Code::BadParam) || codes.iter().any(is_of_layers), "{parameter}: {codes:?}");
                refused += 1;
            }
        }
    }
    assert!(passed.len() > CASES / 8 && refused > CASES / 8, "{} pass and {refused} do not", passed.len());

    let mut script = String::from("#!ipxe\n");
    for (number, (_, line)) in passed.iter().enumerate() {
        let _ = writeln!(script, "echo @{number}\n{line}\nimgstat\nimgfree");
    }
    script.push_str("exit 0\n:boot_retry\necho @lost\n");
    let run = interpret::interpret_served("parameters", &script);
    assert!(!run.console.iter().any(|line| line == "@lost"), "a kernel line fails: {run:#?}");
    for (number, (parameter, line)) in passed.iter().enumerate() {
        let start = run.console.iter().position(|line| *line == format!("@{number}"));
        let start = start.unwrap_or_else(|| panic!("iPXE never came to {line}\n{run:#?}"));
        let listed = run.console[start..].iter().find(|line| line.starts_with("kernel : ")).expect("imgstat lists it");
        let expected = format!(" \"ds= {}\"", meant(parameter));
        assert!(listed.ends_with(&expected), "{parameter}\n{line}\n{listed}\n{expected}");
    }
}

/// What a parameter's first sign means to layers, or to a template.
fn is_of_layers(code: &Code) -> bool {
    matches!(code, Code::ParamNothing | Code::AmbiguousParam | Code::Template)
}
