//! Holds the house's directions against its source: which room may use which, and what pure rooms never do.
//!
//! Macros and re-exports can hide an edge from this scan; the lints of Cargo.toml and clippy.toml watch the same rules.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};

#[path = "layers/language.rs"]
mod language;
#[path = "layers/source.rs"]
mod source;

use source::{ROOM_CRATES, SourceFile, root_source, source_files};

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
    /// Whether `crate` is a room itself, so that the name after it is not another room.
    is_room_crate: bool,
    rooms: BTreeSet<String>,
    impure: BTreeSet<String>,
}

impl Seen {
    fn path(&mut self, parts: &[String]) {
        if let [first, room, ..] = parts
            && (first == "muster_core" || (first == "crate" && !self.is_room_crate))
        {
            self.rooms.insert(room.clone());
        }
        let crates = ROOM_CRATES.iter().filter(|(name, _)| parts.first().is_some_and(|first| first == name));
        self.rooms.extend(crates.map(|(_, room)| (*room).to_owned()));
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

fn scan(text: &str, is_room_crate: bool) -> Seen {
    let mut seen = Seen { is_room_crate, ..Seen::default() };
    seen.visit_file(&syn::parse_file(text).expect("the source is Rust"));
    seen
}

#[test]
fn every_edge_is_in_the_table() {
    let rooms = rooms();
    let table: BTreeMap<&str, &Room> = rooms.iter().map(|room| (&*room.name, room)).collect();
    assert_eq!(table.len(), rooms.len(), "{DESIGN} lists a room twice");

    let mut faults = Vec::new();
    let mut found = BTreeSet::new();
    for file in source_files() {
        let Some(name) = file.room.clone() else { continue };
        let shown = file.shown();
        let Some(room) = table.get(&*name) else {
            faults.push(format!("{shown}: the room `{name}` is not in the tables of {DESIGN}"));
            continue;
        };

        let seen = scan(&file.text(), file.is_room_crate);
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

/// Pure rooms are in `muster-core`, whose manifest names no crate with I/O, so that the compiler holds their purity.
#[test]
fn pure_rooms_are_those_of_the_core() {
    let core: BTreeSet<String> = source_files()
        .iter()
        .filter(|file| file.path.components().any(|part| part.as_os_str() == "muster-core"))
        .filter_map(|file| file.room.clone())
        .collect();
    let pure: BTreeSet<String> = rooms().into_iter().filter(|room| room.is_pure).map(|room| room.name).collect();
    assert_eq!(core, pure);

    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/muster-core/Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the core has a manifest");
    let manifest: toml::Table = manifest.parse().expect("it is TOML");
    let needs = manifest["dependencies"].as_table().expect("it depends on something");
    for impure in ["axum", "git2", "hyper", "notify", "redb", "reqwest", "rustix", "tokio", "tracing"] {
        assert!(!needs.contains_key(impure), "muster-core depends on {impure}");
    }
}

#[test]
fn the_scan_sees_what_it_should() {
    let seen = scan(
        "use crate::{git::Repo, model}; use std::{fs, time::Instant};
         fn f() { crate::store::open(); std::env::var(\"X\"); println!(\"\"); }
         async fn g() {}
         #[cfg(test)] mod tests { use crate::cli; }",
        false,
    );
    assert_eq!(seen.rooms.iter().map(String::as_str).collect::<Vec<_>>(), ["git", "model", "store"]);
    let inside = scan("use crate::repo; use muster_core::drift::Drift; fn f() { muster_store::open(); }", true);
    assert_eq!(inside.rooms.iter().map(String::as_str).collect::<Vec<_>>(), ["drift", "store"]);
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
    let map = fs::read_to_string(root_source().join("lib.rs")).expect("the source can be read");
    let listed: Vec<String> = map
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    let rooms: Vec<String> = rooms().into_iter().map(|room| room.name).collect();
    assert_eq!(listed, rooms, "src/lib.rs and {DESIGN} list the rooms in one order");
}

/// Returns the files that contain a word, as room and place.
fn files_with(word: &str) -> Vec<String> {
    let mut found: Vec<String> =
        source_files().iter().filter(|file| file.text().contains(word)).map(SourceFile::shown).collect();
    found.sort();
    found
}

#[test]
fn only_a_hook_obeys_the_environment_of_git() {
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
    let files = source_files();
    let all = files.iter().flat_map(|file| {
        let found = hanging(&file.text());
        found.into_iter().map(move |what| format!("{}: {what}", file.path.display()))
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
        ("io::stderr", &["cli/log_format.rs", "cli/log_writer.rs", "cli/output.rs"]),
        ("println!(", &[]),
        ("serde_json::to_writer", &[]),
    ];
    for (word, doors) in DOORS {
        assert_eq!(files_with(word), doors, "`{word}` belongs to one file alone: use cli::output, or SafeText::json");
    }
}
