//! Holds the house's directions against its source: which room may use which, and what pure rooms never do.
//!
//! Macros and re-exports can hide an edge from this scan; the lints of Cargo.toml and clippy.toml watch the same rules.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

#[path = "layers/language.rs"]
mod language;

/// The page with the tables of rooms.
const DESIGN: &str = "docs/design.md";

/// One row of those tables.
struct Room {
    name: String,
    is_pure: bool,
    uses: Uses,
}

/// The rooms that a room may use.
enum Uses {
    /// Every room except cli.
    All,
    These(BTreeSet<String>),
}

impl Uses {
    fn allows(&self, used: &str) -> bool {
        match self {
            Self::All => used != "cli",
            Self::These(rooms) => rooms.contains(used),
        }
    }
}

/// Reads the tables of rooms, in their order. The first holds the pure rooms.
fn rooms() -> Vec<Room> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(DESIGN)).expect("the page can be read");
    let (_, section) = page.split_once("\n### Pure rooms\n").expect("the page has a table of pure rooms");
    let (pure, rest) =
        section.split_once("\n### Rooms that touch the world\n").expect("the page has a table of the other rooms");
    let (bank, _) = rest.split_once("\n## ").expect("a section follows the tables");

    let pure = pure.lines().filter_map(|line| room_in(line, true));
    pure.chain(bank.lines().filter_map(|line| room_in(line, false))).collect()
}

/// Reads one row: the room, its purpose, and the rooms that it may use.
fn room_in(line: &str, is_pure: bool) -> Option<Room> {
    let cells: Vec<&str> = line.strip_prefix("| `")?.split('|').map(str::trim).collect();
    let [name, purpose, uses, ""] = &*cells else { panic!("{DESIGN}: a row has three cells: {line}") };
    assert!(!purpose.is_empty(), "{DESIGN}: `{name}` has no purpose");

    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let uses = if *uses == "all" { Uses::All } else { Uses::These(names(uses)) };
    Some(Room { name: name.trim_end_matches('`').to_owned(), is_pure, uses })
}

/// The first parts of paths that no pure room names: I/O, clocks, randomness, the environment, logging, async.
const IMPURE: &[&[&str]] = &[
    &["std", "fs"],
    &["std", "net", "TcpStream"],
    &["std", "net", "TcpListener"],
    &["std", "net", "UdpSocket"],
    &["std", "os"],
    &["std", "env"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["std", "io", "stdin"],
    &["std", "io", "stdout"],
    &["std", "io", "stderr"],
    &["jiff", "Zoned", "now"],
    &["jiff", "Timestamp", "now"],
    &["tokio"],
    &["axum"],
    &["hyper"],
    &["git2"],
    &["redb"],
    &["notify"],
    &["tracing"],
];

const IMPURE_MACROS: &[&str] = &["println", "eprintln", "print", "eprint", "dbg", "env", "option_env"];

/// What one file names.
#[derive(Default)]
struct Seen {
    rooms: BTreeSet<String>,
    impure: BTreeSet<String>,
}

impl Seen {
    fn path(&mut self, parts: &[String]) {
        if let [first, room, ..] = parts
            && first == "crate"
        {
            self.rooms.insert(room.clone());
        }
        for impure in IMPURE {
            if parts.len() >= impure.len() && parts.iter().zip(*impure).all(|(a, b)| a == b) {
                self.impure.insert(parts.join("::"));
            }
        }
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Name(name) => self.leaf(&name.ident, before),
            syn::UseTree::Rename(rename) => self.leaf(&rename.ident, before),
            syn::UseTree::Glob(_) => self.path(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(item, before)),
        }
    }

    fn leaf(&mut self, ident: &syn::Ident, before: &mut Vec<String>) {
        before.push(ident.to_string());
        self.path(before);
        before.pop();
    }
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.path(&parts);
        visit::visit_path(self, path);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if signature.asyncness.is_some() {
            self.impure.insert(format!("async fn {}", signature.ident));
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.impure.insert("async block".into());
        visit::visit_expr_async(self, block);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let name = item.path.segments.last().map(|part| part.ident.to_string()).unwrap_or_default();
        // Compile-time facts of the package are no environment.
        let of_package = name == "env" && item.tokens.to_string().contains("CARGO_PKG");
        if IMPURE_MACROS.contains(&name.as_str()) && !of_package {
            self.impure.insert(format!("{name}!"));
        }
        visit::visit_macro(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = item.attrs.iter().any(|attr| {
            attr.path().is_ident("cfg") && attr.parse_args::<syn::Ident>().is_ok_and(|ident| ident == "test")
        });
        if !is_test {
            visit::visit_item_mod(self, item);
        }
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the source can be read") {
        let path = entry.expect("the source can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && name != "tests" {
            rust_files(&path, all);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            all.push(path);
        }
    }
    all.sort();
}

/// Returns the room that a file belongs to; `main.rs` and `lib.rs` are no rooms.
fn room_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(source()).expect("the file is in src");
    let first = inside.components().next()?.as_os_str().to_str()?.to_owned();
    let name = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
    (name != "main" && name != "lib").then_some(name)
}

fn scan(text: &str) -> Seen {
    let mut seen = Seen::default();
    seen.visit_file(&syn::parse_file(text).expect("the source is Rust"));
    seen
}

#[test]
fn every_edge_is_in_the_table() {
    let rooms = rooms();
    let table: BTreeMap<&str, &Room> = rooms.iter().map(|room| (&*room.name, room)).collect();
    assert_eq!(table.len(), rooms.len(), "{DESIGN} lists a room twice");

    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    let mut faults = Vec::new();
    let mut found = BTreeSet::new();
    for path in files {
        let Some(name) = room_of(&path) else { continue };
        let shown = path.strip_prefix(source()).expect("the file is in src").display().to_string();
        let Some(room) = table.get(&*name) else {
            faults.push(format!("{shown}: the room `{name}` is not in the tables of {DESIGN}"));
            continue;
        };

        let seen = scan(&fs::read_to_string(&path).expect("the source can be read"));
        for used in seen.rooms.iter().filter(|used| **used != name && !room.uses.allows(used)) {
            faults.push(format!("{shown}: `{name}` may not use `{used}`"));
        }
        if room.is_pure {
            faults.extend(seen.impure.iter().map(|what| format!("{shown}: `{name}` is pure and names {what}")));
        }
        found.insert(name);
    }

    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let empty: Vec<&&str> = table.keys().filter(|room| !found.contains(**room)).collect();
    assert!(empty.is_empty(), "rooms in {DESIGN} that do not exist: {empty:?}");
}

#[test]
fn the_scan_sees_what_it_should() {
    let seen = scan(
        "use crate::{git::Repo, model}; use std::{fs, time::Instant};
         fn f() { crate::store::open(); std::env::var(\"X\"); println!(\"\"); }
         async fn g() {}
         #[cfg(test)] mod tests { use crate::cli; }",
    );
    assert_eq!(seen.rooms.iter().map(String::as_str).collect::<Vec<_>>(), ["git", "model", "store"]);
    let impure: Vec<&str> = seen.impure.iter().map(String::as_str).collect();
    assert_eq!(impure, ["async fn g", "println!", "std::env::var", "std::fs", "std::time::Instant"]);
}

#[test]
fn the_table_has_no_circle() {
    let rooms = rooms();
    for (at, room) in rooms.iter().enumerate() {
        let Uses::These(uses) = &room.uses else { continue };
        for used in uses {
            let is_above = rooms[..at].iter().any(|other| other.name == *used);
            assert!(is_above, "{DESIGN}: `{}` uses `{used}`, which is not in an earlier row", room.name);
            let stays_pure = !room.is_pure || rooms.iter().any(|other| other.name == *used && other.is_pure);
            assert!(stays_pure, "{DESIGN}: `{}` is pure and uses `{used}`, which is not", room.name);
        }
    }
}

#[test]
fn the_map_of_the_crate_has_every_room() {
    let map = fs::read_to_string(source().join("lib.rs")).expect("the source can be read");
    let listed: Vec<String> = map
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    let rooms: Vec<String> = rooms().into_iter().map(|room| room.name).collect();
    assert_eq!(listed, rooms, "src/lib.rs and {DESIGN} list the rooms in one order");
}

#[test]
fn only_a_hook_obeys_the_environment_of_git() {
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    let files_with = |word: &str| -> Vec<String> {
        let has = |path: &&PathBuf| fs::read_to_string(path).expect("the source can be read").contains(word);
        let shown = |path: &PathBuf| path.strip_prefix(source()).expect("it lies there").display().to_string();
        files.iter().filter(has).map(shown).collect()
    };
    assert_eq!(files_with("open_from_env("), ["git/pushed.rs"]);
    assert_eq!(files_with("Repo::pushed()"), ["cli/hook/receive.rs"]);
}

/// Macros whose arguments are evaluated only if a level or a build asks for them.
const NOT_ALWAYS: &[&str] =
    &["trace", "debug", "info", "warn", "error", "event", "debug_assert", "debug_assert_eq", "debug_assert_ne"];

/// What stands for work in the arguments of such a macro: a wait or a way out, and calls that change something.
const WAYS_OUT: &[&str] = &["await", "return", "break", "continue"];
const CHANGES: &[&str] = &[
    "next",
    "take",
    "pop",
    "push",
    "insert",
    "remove",
    "send",
    "try_send",
    "recv",
    "try_recv",
    "swap",
    "store",
    "fetch_add",
    "fetch_sub",
    "replace",
    "write",
    "cancel",
    "drain",
    "clear",
];

/// Work that hangs on whether something is logged.
#[derive(Default)]
struct Hanging(Vec<String>);

impl<'ast> Visit<'ast> for Hanging {
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let name = item.path.segments.last().map(|part| part.ident.to_string()).unwrap_or_default();
        if NOT_ALWAYS.contains(&name.as_str()) {
            let tokens = item.tokens.to_string();
            // What stands between quotes is text.
            let code: String = tokens.replace("\\\"", "").split('"').step_by(2).collect();
            let words: Vec<&str> = code.split_whitespace().collect();
            let is_work = |at: &usize| {
                let is_called = words.get(at + 1).is_some_and(|next| next.starts_with('('));
                WAYS_OUT.contains(&words[*at]) || (is_called && CHANGES.contains(&words[*at]))
            };
            let found: Vec<&str> = (0..words.len()).filter(is_work).map(|at| words[at]).collect();
            if !found.is_empty() {
                self.0.push(format!("{name}!({tokens}) does work: {}", found.join(", ")));
            }
        }
        visit::visit_macro(self, item);
    }
}

fn hanging(text: &str) -> Vec<String> {
    let mut hanging = Hanging::default();
    hanging.visit_file(&syn::parse_file(text).expect("the source is Rust"));
    hanging.0
}

/// With `--log warn` the server once ended at its start: it waited for a signal inside of `info!`.
#[test]
fn nothing_hangs_on_whether_it_is_logged() {
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    let all = files.iter().flat_map(|path| {
        let found = hanging(&fs::read_to_string(path).expect("the source can be read"));
        found.into_iter().map(move |what| format!("{}: {what}", path.display()))
    });
    let all: Vec<String> = all.collect();
    assert!(all.is_empty(), "{}", all.join("\n"));

    let text =
        "async fn f() { info!(signal = signals.next().await, \"told to end\"); warn!(a, \"send, \\\" await\"); }";
    let found = hanging(text);
    assert!(matches!(&*found, [one] if one.ends_with("does work: next, await")), "{found:?}");
}

/// Holds [`muster::model::text`] against the source: what leaves the process passes one writer, and JSON one function.
#[test]
fn text_leaves_the_process_by_one_door() {
    const DOORS: [(&str, &[&str]); 5] = [
        ("anstream::", &["cli/output.rs"]),
        // The child that builds a commit answers its parent there, which no person reads.
        ("io::stdout", &["cli/output.rs", "trial/child.rs"]),
        ("io::stderr", &["cli/log_format.rs", "cli/output.rs"]),
        ("println!(", &[]),
        ("serde_json::to_writer", &[]),
    ];
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    for (word, doors) in DOORS {
        let has = |path: &&PathBuf| fs::read_to_string(path).expect("the source can be read").contains(word);
        let shown = |path: &PathBuf| path.strip_prefix(source()).expect("it lies there").display().to_string();
        let found: Vec<String> = files.iter().filter(has).map(shown).collect();
        assert_eq!(found, doors, "`{word}` belongs to one file alone: use cli::output, or SafeText::json");
    }
}
