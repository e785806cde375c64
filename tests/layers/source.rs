//! The source of all crates, file by file, and the room of each.

use std::fs;
use std::path::{Path, PathBuf};

/// The crates that are one room each; `muster` and `muster-core` have a module for each of their rooms.
pub const ROOM_CRATES: &[(&str, &str)] =
    &[("muster_git", "git"), ("muster_redfish", "redfish"), ("muster_simulate", "simulate"), ("muster_store", "store")];

/// One source file.
pub struct SourceFile {
    pub path: PathBuf,
    /// None for `main.rs` and for a `lib.rs` that lists rooms.
    pub room: Option<String>,
    /// Whether the whole crate is the room, so that `crate` names the room itself.
    pub is_room_crate: bool,
}

impl SourceFile {
    pub fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }

    /// Returns the room and the file's place in it (`cli/output.rs`).
    pub fn shown(&self) -> String {
        let path = self.path.to_str().expect("source files have plain names");
        let inside = path.rsplit_once("/src/").expect("source files are in src").1;
        match &self.room {
            Some(room) if self.is_room_crate => format!("{room}/{inside}"),
            _ => inside.to_owned(),
        }
    }
}

/// The source of the package at the root.
pub fn root_source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Finds all source files of all crates, except tests.
pub fn source_files() -> Vec<SourceFile> {
    let crates = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("crates")).expect("there are crates");
    let mut folders: Vec<PathBuf> = crates.map(|entry| entry.expect("crates can be read").path().join("src")).collect();
    folders.push(root_source());
    folders.sort();
    folders.iter().flat_map(|folder| files_of_crate(folder)).collect()
}

fn files_of_crate(source: &Path) -> Vec<SourceFile> {
    let folder = source.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    let name = folder.replace('-', "_");
    let whole = ROOM_CRATES.iter().find(|(of, _)| *of == name).map(|(_, room)| (*room).to_owned());

    let mut paths = Vec::new();
    rust_files(source, &mut paths);
    let file = |path: PathBuf| {
        let room = whole.clone().or_else(|| module_of(source, &path));
        SourceFile { path, room, is_room_crate: whole.is_some() }
    };
    paths.into_iter().map(file).collect()
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

/// Returns the top-level module of a file; `main.rs` and `lib.rs` have none.
fn module_of(source: &Path, path: &Path) -> Option<String> {
    let inside = path.strip_prefix(source).expect("the file is in src");
    let first = inside.components().next()?.as_os_str().to_str()?.to_owned();
    let name = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
    (name != "main" && name != "lib").then_some(name)
}
