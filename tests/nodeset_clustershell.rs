//! Node sets against the real ClusterShell: generated expressions name the same nodes and fold to the same text.
//!
//! `MUSTER_TEST_PYTHON`, or the virtual environment `test-venv` in the target folder, has ClusterShell. Without it
//! the test says that it was skipped, unless `MUSTER_TEST_REQUIRE` names `clustershell` or is `all`.
#![expect(clippy::disallowed_methods, reason = "a test of real parts reads the environment")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use muster::model::{NodeSet, NodeSetError};

const CASES: usize = 6_000;

/// The site's groups, by the text that defines each.
const GROUPS: [(&str, &str); 6] = [
    ("*", "n[0-30],n[00-12],x[0-3]c[0-4]s[00-03],x[0-5]c[0-5],login,gpu-[1-9]-ib"),
    ("compute", "n[0-20],x[0-3]c[0-2]"),
    ("login", "login"),
    ("rack1", "n[0-9],x1c[0-4]s[00-03]"),
    ("rack2", "n[10-19],x2c[0-4]s[00-03]"),
    ("odd", "n[1-29/2]"),
];

/// A generator of cases that is the same on every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.roll(choices.len() as u64) as usize]
    }

    fn expression(&mut self) -> String {
        let mut text = self.operand();
        for _ in 0..self.roll(6) {
            text += self.pick(&[",", ",", ",", "!", "&", "^", " , ", " !", "& "]);
            text += &self.operand();
        }
        text
    }

    fn operand(&mut self) -> String {
        match self.roll(12) {
            0 => self.pick(&["@compute", "@login", "@rack1", "@rack[1-2]", "@odd", "@*", "@site:rack1"]).into(),
            1 => self.pick(&["login", "mgmt", "n", "x1c", "gpu-1-ib", "a.b-c", "n007", "12", "n00"]).into(),
            2..=5 => format!("n{}", self.index(31)),
            6 => format!("gpu-{}-ib", self.index(10)),
            7 | 8 => format!("x{}c{}", self.index(6), self.index(6)),
            9 => format!("x{}c{}s{}", self.index(4), self.index(5), self.index(4)),
            // Digits that touch a bracket from outside belong to its numbers.
            10 => format!("n{}{}{}", self.pick(&["", "1", "0", "10"]), self.bracket(9), self.pick(&["", "", "0", "5"])),
            _ => format!("{}c{}", self.bracket(12), self.index(3)),
        }
    }

    fn index(&mut self, below: u64) -> String {
        if self.roll(3) == 0 { self.number(below) } else { self.bracket(below) }
    }

    fn number(&mut self, below: u64) -> String {
        let number = self.roll(below);
        match self.roll(5) {
            0 => format!("{number:02}"),
            1 => format!("{number:03}"),
            _ => number.to_string(),
        }
    }

    fn bracket(&mut self, below: u64) -> String {
        let items: Vec<String> = (0..=self.roll(3)).map(|_| self.item(below)).collect();
        format!("[{}]", items.join(self.pick(&[",", ",", ", "])))
    }

    fn item(&mut self, below: u64) -> String {
        if self.roll(3) == 0 {
            return self.number(below);
        }
        let scale = [1, 1, 1, 1, 9][self.roll(5) as usize];
        let (one, two) = (self.roll(below * scale), self.roll(below * scale));
        let (first, last) = if self.roll(25) == 0 { (one, two) } else { (one.min(two), one.max(two)) };
        let width = [1, 1, 1, 2, 3][self.roll(5) as usize];
        let mut text = if self.roll(25) == 0 {
            format!("{first:0width$}-{last}")
        } else {
            format!("{first:0width$}-{last:0width$}")
        };
        if self.roll(4) == 0 {
            let _ = write!(text, "/{}", 1 + self.roll(4));
        }
        text
    }

    /// A set of scattered names of several numbers, on which folding has work to do.
    fn scatter(&mut self) -> String {
        let (kind, many) = (self.roll(4), 1 + self.roll(40));
        let mut names = Vec::new();
        for _ in 0..many {
            names.push(match kind {
                0 => format!("x{}c{}", self.roll(5), self.roll(5)),
                1 => format!("x{}c{}s{}", self.roll(3), self.roll(3), self.number(4)),
                2 => format!("n{}", self.number(120)),
                _ => format!("x{}c{}s{}b{}", 8 + self.roll(4), self.roll(3), self.roll(3), self.roll(2)),
            });
        }
        names.join(",")
    }
}

fn resolve(name: &str) -> Option<NodeSet> {
    let name = name.strip_prefix("site:").unwrap_or(name);
    let (_, text) = GROUPS.iter().find(|(group, _)| *group == name)?;
    Some(NodeSet::parse(text, &resolve).unwrap())
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Answer {
    Read { names: Vec<String>, fold: String, again: bool },
    Refused { error: String },
}

#[test]
fn expressions_mean_what_clustershell_says() {
    let Some(python) = python_with_clustershell() else { return };
    let mut dice = Dice(0x6d75_7374_6572);
    let cases: Vec<String> =
        (0..CASES).map(|case| if case % 4 == 0 { dice.scatter() } else { dice.expression() }).collect();
    let ours: Vec<Result<NodeSet, NodeSetError>> = cases.iter().map(|text| NodeSet::parse(text, &resolve)).collect();
    let answers = ask(&python, &cases, &ours);
    let mut both = 0;
    for ((text, ours), answer) in cases.iter().zip(ours).zip(answers) {
        match (ours, answer) {
            (Ok(ours), Answer::Read { names, fold, again }) => {
                agree(text, &ours, names, &fold);
                assert!(again, "{text}: ClusterShell reads our fold {ours} otherwise");
                both += 1;
            }
            (Err(_), Answer::Refused { .. }) => {}
            // ClusterShell turns n1[8-12] into n[18-112].
            (Err(NodeSetError::DigitsBeforeRange { .. }), Answer::Read { .. }) => {}
            (Err(error), Answer::Read { fold, .. }) => panic!("{text}: {error}; ClusterShell reads {fold}"),
            // ClusterShell takes n[0-12]5 for the padded range 05-125; the numbers are plain all the same.
            (Ok(_), Answer::Refused { error })
                if error.contains("padding length mismatch") && has_digits_after(text) => {}
            (Ok(ours), Answer::Refused { error }) => panic!("{text}: read as {ours}; ClusterShell: {error}"),
        }
    }
    assert!(both > CASES * 8 / 10, "only {both} of {CASES} cases were compared");
}

/// Compares the names (in order, where no name has several numbers) and the folds.
fn agree(text: &str, ours: &NodeSet, mut theirs: Vec<String>, fold: &str) {
    let mut names: Vec<String> = ours.iter().collect();
    let several =
        |name: &String| name.split(|letter: char| !letter.is_ascii_digit()).filter(|run| !run.is_empty()).count() > 1;
    if names.iter().any(several) {
        names.sort();
        theirs.sort();
    }
    assert_eq!(names, theirs, "{text}");
    let stepped = ours.to_string();
    assert_eq!(listed(&stepped), fold, "{text}");
    assert!(stepped.len() <= fold.len(), "{text}: {stepped} is no shorter than {fold}");
}

/// Lists the numbers of each step, as ClusterShell does unless it is asked for steps.
fn listed(fold: &str) -> String {
    let item = |item: &str| {
        let Some((range, step)) = item.split_once('/') else { return item.to_owned() };
        let (first, last) = range.split_once('-').expect("a step is of a range");
        let number = |text: &str| text.parse::<u64>().expect("digits");
        let width = first.len();
        let all = (number(first)..=number(last)).step_by(number(step) as usize);
        all.map(|number| format!("{number:0width$}")).collect::<Vec<_>>().join(",")
    };
    let mut text = String::new();
    let mut rest = fold;
    while let Some((before, after)) = rest.split_once('[') {
        let (inside, after) = after.split_once(']').expect("a bracket closes");
        let items: Vec<String> = inside.split(',').map(item).collect();
        text.push_str(&format!("{before}[{}]", items.join(",")));
        rest = after;
    }
    text + rest
}

fn has_digits_after(text: &str) -> bool {
    text.split(']').skip(1).any(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// Hands all cases to one Python process.
fn ask(python: &PathBuf, cases: &[String], ours: &[Result<NodeSet, NodeSetError>]) -> Vec<Answer> {
    let mut input = serde_json::to_string(&BTreeMap::from(GROUPS)).unwrap();
    for (text, ours) in cases.iter().zip(ours) {
        let fold = ours.as_ref().map(ToString::to_string).unwrap_or_default();
        let _ = write!(input, "\n{}", serde_json::json!({ "text": text, "fold": fold }));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nodeset_clustershell/oracle.py");
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let answers: Vec<Answer> = stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    writer.join().expect("the writer ends").expect("python reads all cases");
    assert!(child.wait().expect("python ends").success());
    assert_eq!(answers.len(), cases.len());
    answers
}

/// Finds a Python that imports ClusterShell, or says that the test is skipped.
fn python_with_clustershell() -> Option<PathBuf> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let targets = std::env::var_os("CARGO_TARGET_DIR").into_iter().map(PathBuf::from).chain([manifest.join("target")]);
    let venvs = targets.map(|target| target.join("test-venv/bin/python"));
    let named = std::env::var_os("MUSTER_TEST_PYTHON").map(PathBuf::from);
    let found = named.into_iter().chain(venvs).find(|python| {
        let import = Command::new(python).args(["-c", "import ClusterShell"]).stderr(Stdio::null()).status();
        import.is_ok_and(|status| status.success())
    });
    if found.is_none() {
        let required = std::env::var("MUSTER_TEST_REQUIRE").unwrap_or_default();
        let missing = "no python imports ClusterShell (set MUSTER_TEST_PYTHON, or make target/test-venv)";
        assert!(!required.split(',').any(|part| matches!(part.trim(), "clustershell" | "all")), "{missing}");
        eprintln!("SKIPPED nodeset_clustershell: {missing}");
    }
    found
}
