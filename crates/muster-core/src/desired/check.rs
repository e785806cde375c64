//! Rules across files: consistency, and unused items.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::at::At;
use super::facts::Facts;
use super::file::{CloudInitTable, Protocol, Tls};
use super::files::Unread;
use super::sources::Findings;
use super::suggest::{did_you_mean, did_you_mean_key, did_you_mean_sorted};
use super::{
    Desired, LayerTable, Node, Source, Unknown, endpoints, interfaces, machines, no_such_boot, reserved, secrets,
    texts, unique,
};
use crate::model::clear_secret::SecretMask;
use crate::model::{Code, Diagnostic, File, Place, Severity, Span, Tree};

/// The most findings of one code at one place; a pattern of 10,000 bad addresses is one mistake.
const TOLD_AT_ONE_PLACE: usize = 3;

/// The folders of the cluster repository, for suggestions.
const FOLDERS: [&str; 6] = ["nodes", "groups", "boot", "networks", "cloud-init", "exceptions"];

/// Reports files that cannot be read, and TOML files that are not part of the repository's layout.
pub fn files(tree: &Tree, findings: &mut Findings) {
    for (path, file) in tree.iter() {
        let in_wishes = Tree::is_wish(path) || FOLDERS.iter().any(|folder| path.split('/').next() == Some(folder));
        let place = Place::file(path);
        match file {
            File::Bytes(_) => {}
            File::TooLarge { bytes } => findings.push(too_large(path, *bytes)),
            File::Symlink if in_wishes => {
                let finding = Diagnostic::new(Code::Symlink, place, "a symbolic link is not followed");
                findings.push(finding.hint("put the file itself here: a link can point outside the commit"));
            }
            File::Submodule if in_wishes => {
                let finding = Diagnostic::new(Code::Submodule, place, "the files of a submodule are not in the commit");
                findings.push(finding.hint("put the files themselves here, or follow that repository with --repo"));
            }
            File::BadName if in_wishes => {
                findings.push(Diagnostic::new(Code::BadFileName, place, "this path is not UTF-8"));
            }
            File::Unread if path.ends_with(".toml") => findings.extend(not_read(path)),
            File::Unread if path.ends_with(".csv") && path.starts_with("nodes/") => {
                let finding = Diagnostic::new(Code::FileNotRead, place, "nothing reads this file");
                findings.push(finding.hint("the name of a facts file ends in .facts.csv"));
            }
            File::Unread | File::Symlink | File::Submodule | File::BadName => {}
        }
    }
}

/// Reports a TOML file outside the layout. Hidden folders and the folders of tools are ignored.
fn not_read(path: &str) -> Option<Diagnostic> {
    let parts: Vec<&str> = path.split('/').collect();
    if parts.iter().any(|part| part.starts_with('.')) {
        return None;
    }
    let finding = Diagnostic::new(Code::FileNotRead, Place::file(path), "nothing reads this file");

    Some(match parts.as_slice() {
        [name] => finding.maybe_hint(did_you_mean(name, ["cluster.toml", "policy.toml"])),
        [folder @ ("groups" | "boot" | "networks" | "exceptions"), .., name] => {
            finding.hint(format!("`{folder}/` has no folders in it: move it to {folder}/{name}"))
        }
        [folder, ..] => {
            let near = super::suggest::nearest(folder, FOLDERS);
            finding.maybe_hint(near.map(|near| format!("did you mean the folder `{near}/`?")))
        }
        [] => finding,
    })
}

/// Reports a file that is too large to parse.
pub fn too_large(path: &str, bytes: u64) -> Diagnostic {
    let message = format!("this file has {bytes} bytes; at most {} are read", Tree::max_bytes(path));
    let hint = match path.split('/').next() {
        Some("cloud-init") => "a document has at most 1 MiB; let nodes fetch what is larger by its URL",
        _ => "split it: one file for each rack or row",
    };
    Diagnostic::new(Code::FileTooLarge, Place::file(path), message).hint(hint)
}

/// The first line of a Git LFS pointer
/// (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>).
pub const LFS: &str = "version https://git-lfs.github.com/spec/v1";

/// Reports a pointer in the place of a file.
pub fn lfs_pointer(path: &str) -> Diagnostic {
    let message = "this is a pointer of Git LFS, and the file itself is not in the commit";
    let hint = format!("take it out of LFS: git lfs untrack '{path}', and add and commit the file again");
    Diagnostic::new(Code::LfsPointer, Place::file(path), message).hint(hint)
}

/// Reports a file that is not UTF-8.
pub fn not_utf8(path: &str, bytes: &[u8], at: usize) -> Diagnostic {
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let message = format!("line {line} is not UTF-8 (byte {at} of the file)");
    Diagnostic::new(Code::NotUtf8, Place::file(path), message).hint("save the file as UTF-8")
}

/// Reports facts rows that name no machine.
pub fn facts_names(desired: &Desired, facts: &Facts<'_>, findings: &mut Findings) {
    let known: HashSet<&str> =
        desired.nodes.iter().map(|node| &*node.name).chain(desired.bmcs.iter().map(|bmc| &*bmc.name)).collect();

    // A node with a row of its own is not the one that this row was meant for.
    let with_rows: HashSet<&str> = facts.names().map(|(name, _)| name).collect();
    let without = OnceCell::new();

    let names = || {
        let mut names: Vec<&str> =
            desired.nodes.iter().map(|node| &*node.name).filter(|name| !with_rows.contains(name)).collect();
        names.sort_unstable();
        names
    };

    for (name, place) in facts.names() {
        if !known.contains(name) {
            let message = format!("no node and no BMC is called `{name}`");
            let finding = Diagnostic::new(Code::FactsUnknownName, place, message);
            let hint = did_you_mean_sorted(name, without.get_or_init(names), |name| name);
            findings.push(finding.maybe_hint(hint));
        }
    }
}

/// Reports every inconsistency across files, and returns the mask for its secrets.
pub fn desired(desired: &Desired, tree: &Tree, findings: &mut Findings) -> SecretMask {
    unique::unique(desired, findings);
    machines::unidentified(desired, findings);
    ips_in_networks(desired, findings);
    reserved::reserved(desired, findings);
    reserved::shared_with_bmcs(desired, findings);
    interfaces::interfaces(desired, findings);
    shared_bmcs(desired, findings);

    endpoints::endpoints(desired, findings);
    pins(desired, findings);
    references(desired, findings);
    texts::texts(desired, findings);
    unused(desired, tree, findings);

    secrets::secrets(tree, findings)
}

fn ips_in_networks(desired: &Desired, findings: &mut Findings) {
    for node in &desired.nodes {
        for (spec, nic) in desired.nics(node) {
            let Some(network) = spec.network.map(|at| &desired.networks[usize::from(at.value)]) else { continue };
            for ip in &nic.ips {
                if !network.cidrs.is_empty() && !network.cidrs.iter().any(|cidr| cidr.contains(&ip.value)) {
                    let ranges = network.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    let message = format!(
                        "{} of `{}` ({}) is not in network `{}` ({ranges})",
                        ip.value, node.name, spec.name, network.name
                    );
                    let place = desired.sources.place(ip.origin);
                    findings.push(Diagnostic::new(Code::IpOutsideNetwork, place, message));
                }
            }
        }
    }
}

fn shared_bmcs(desired: &Desired, findings: &mut Findings) {
    let mut users: BTreeMap<u32, Vec<&Node>> = BTreeMap::new();
    let mut names = HashSet::with_capacity(desired.nodes.len());
    for node in &desired.nodes {
        // A node that is declared twice has one name and one BMC, and is reported by its name.
        let is_first = names.insert(&*node.name);
        if let Some(bmc) = node.bmc.filter(|_| is_first) {
            users.entry(bmc.value).or_default().push(node);
        }
    }

    for (bmc, nodes) in users {
        let bmc = &desired.bmcs[bmc as usize];
        if nodes.len() < 2 || bmc.protocol == Protocol::None {
            continue;
        }
        let mut systems: BTreeMap<&str, &Node> = BTreeMap::new();
        for node in nodes {
            let Some(origin) = node.bmc.map(|bmc| bmc.origin) else { continue };
            let place = desired.sources.place(origin);
            match &node.system {
                None => {
                    let message = format!("nodes share the BMC `{}`, and this one does not say `system`", bmc.name);
                    let finding = Diagnostic::new(Code::SharedBmcSystem, place, message);
                    findings.push(finding.hint("say which of its Systems each node is: system = \"Node[0,1]\""));
                }
                Some(system) => {
                    if let Some(other) = systems.insert(system, node) {
                        let message = format!(
                            "`{}` and `{}` are both System `{system}` of BMC `{}`",
                            other.name, node.name, bmc.name
                        );
                        findings.push(Diagnostic::new(Code::SharedBmcSystem, place, message));
                    }
                }
            }
        }
    }
}

/// Reports BMCs whose TLS mode requires a pin that is missing or invalid.
fn pins(desired: &Desired, findings: &mut Findings) {
    for bmc in &desired.bmcs {
        match &bmc.tls_pin {
            None if bmc.tls == Tls::Pin && bmc.protocol != Protocol::None => {
                let message =
                    format!("the certificate of BMC `{}` is judged by a pin, and nothing states it", bmc.name);
                let finding = Diagnostic::new(Code::MissingPin, desired.sources.place(bmc.origin), message);
                findings.push(finding.hint("state `tls_pin` here, or `tls.pin` or `bmc.tls.pin` in a facts file"));
            }
            Some(pin) if !is_sha256(&pin.value) => {
                let message = format!("`{}` is no SHA-256 fingerprint, which has 64 hex digits", pin.value);
                findings.push(Diagnostic::new(Code::BadValue, desired.sources.place(pin.origin), message));
            }
            Some(_) | None => {}
        }
    }
}

/// Returns whether a text is a SHA-256 fingerprint: bare hex, or with a colon after every two
/// digits as openssl prints it.
fn is_sha256(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    let colons = text.matches(':').count();
    let grouped = text.split(':').all(|pair| pair.len() == 2);
    digits == 64 && digits + colons == text.len() && (colons == 0 || grouped)
}

/// Reports missing boot configurations and cloud-init files that a layer names.
fn references(desired: &Desired, findings: &mut Findings) {
    for source in layers(desired) {
        let place = |span: Span| Place::at(desired.sources.path(source.file), span);
        let LayerTable { boot, cloud_init, .. } = &source.table;
        if let Some(boot) = boot.as_ref().filter(|boot| desired.boot_index(&boot.value).is_none()) {
            findings.push(no_such_boot(place(boot.span), &boot.value, &desired.boots));
        }
        let version = cloud_init.as_ref().and_then(|told| told.value.network_version.as_ref());
        if let Some(version) = version.filter(|version| !(1..=2).contains(&version.value)) {
            let message = "the versions of network-config are 1 and 2";
            findings.push(Diagnostic::new(Code::BadValue, place(version.span), message));
        }
        let files = cloud_init.iter().flat_map(|told| cloud_init_files(&told.value)).flatten();
        for name in files.filter(|name| !desired.templates.contains_key(name.value.as_str())) {
            let message = format!("there is no file `cloud-init/{}`", name.value);
            let hint = did_you_mean_key(&name.value, &desired.templates);
            findings.push(Diagnostic::new(Code::NoSuchTemplate, place(name.span), message).maybe_hint(hint));
        }
    }
}

/// Lists the files under `cloud-init/` that a layer names.
fn cloud_init_files(table: &CloudInitTable) -> [&Option<At<String>>; 3] {
    [&table.user_data, &table.vendor_data, &table.network_config]
}

/// Iterates over every table that is a layer.
pub(super) fn layers(desired: &Desired) -> impl Iterator<Item = &Source> {
    let groups = desired.groups.iter().map(|group| &group.source);
    let sets = desired.sets.iter().map(|set| &set.source);
    desired.tables.iter().chain(groups).chain(sets).chain([&desired.defaults])
}

/// Reports groups without a node, and boot configurations and cloud-init files that no layer names.
fn unused(desired: &Desired, tree: &Tree, findings: &mut Findings) {
    let mut boots: BTreeSet<&str> = BTreeSet::new();
    let mut templates: BTreeSet<&str> = BTreeSet::new();
    for source in layers(desired) {
        let LayerTable { boot, cloud_init, .. } = &source.table;
        boots.extend(boot.as_ref().map(|boot| boot.value.as_str()));
        if let Some(cloud_init) = cloud_init {
            templates.extend(cloud_init_files(&cloud_init.value).into_iter().flatten().map(|name| name.value.as_str()));
        }
    }

    if let Unknown::Boot(boot) = desired.cluster.unknown {
        boots.insert(&desired.boots[usize::from(boot.value)].name);
    }

    // A guarded installer is kept for later use.
    boots.extend(desired.policy.guard.install.iter().flat_map(|stated| &stated.value).map(|name| &**name));
    for group in desired.groups.iter().filter(|group| group.members.is_empty()) {
        let place = Place::file(format!("groups/{}.toml", group.name));
        let message = format!("no node is in the group `{}`", group.name);
        findings.push(Diagnostic::new(Code::UnusedGroup, place, message));
    }

    for set in desired.sets.iter().filter(|set| set.nodes.is_empty()) {
        let place = desired.sources.place(set.expression.origin);
        let finding = Diagnostic::new(Code::UnusedSet, place, "this [[set]] selects no node");
        findings.push(finding.hint("remove it, or correct its node set"));
    }

    for boot in desired.boots.iter().filter(|boot| !boots.contains(&*boot.name)) {
        let place = Place::file(format!("boot/{}.toml", boot.name));
        let message = format!("nothing boots `{}`", boot.name);
        findings.push(Diagnostic::new(Code::UnusedBoot, place, message));
    }

    let included = included(desired);
    let is_used = |name: &str| templates.contains(name) || included.contains(name);
    for name in desired.templates.keys().filter(|name| !is_used(name)) {
        if tree.get(&format!("cloud-init/{name}")).is_some() {
            let place = Place::file(format!("cloud-init/{name}"));
            findings.push(Diagnostic::new(Code::UnusedTemplate, place, "no layer names this file"));
        }
    }
}

/// Lists the quoted texts in cloud-init templates, which include the names of included files.
fn included(desired: &Desired) -> HashSet<&str> {
    let templates = desired.templates.values().filter(|file| file.is_template);
    templates.flat_map(|file| ['"', '\''].map(|quote| quoted(&file.text, quote))).flatten().collect()
}

/// Lists the pieces of a text between one quote and the next.
fn quoted(text: &str, quote: char) -> Vec<&str> {
    let mut pieces: Vec<&str> = text.split(quote).skip(1).collect();
    // The text after the last quote is not quoted.
    pieces.pop();
    pieces
}

/// Removes findings that only repeat another one: references to unreadable items, and unused items
/// while an item that could use them has an error.
pub fn without_echoes(findings: &mut Findings, unread: &Unread) {
    let refused = findings.iter().any(|finding| finding.severity() == Severity::Error);
    findings.retain(|finding| match finding.code {
        Code::NoSuchNode | Code::NoSuchBmc | Code::FactsUnknownName => !unread.names,
        // Groups and tables of nodes declare interfaces.
        Code::NoSuchNic => !unread.names && unread.groups.is_empty(),
        // Groups state variables, and networks ranges.
        Code::Template => unread.groups.is_empty() && unread.networks.is_empty(),
        Code::UnusedGroup | Code::UnusedSet | Code::UnusedBoot | Code::UnusedTemplate => !refused,
        _ => true,
    });
}

/// Sorts findings by place, removes repeats, and groups many of one kind at one place.
pub fn tidy(findings: &mut Findings) {
    findings.sort_by(|a, b| (&a.place, a.code, &a.message).cmp(&(&b.place, b.code, &b.message)));
    findings.dedup();
    let mut kept: Findings = Vec::with_capacity(findings.len().min(1024));
    let mut here = 0;

    for finding in findings.drain(..) {
        let same = kept.last().is_some_and(|last| last.place == finding.place && last.code == finding.code);
        here = if same { here + 1 } else { 0 };
        if here < TOLD_AT_ONE_PLACE {
            kept.push(finding);
        } else if let Some(last) = kept.last_mut() {
            let more = here - TOLD_AT_ONE_PLACE + 1;
            let base = last.message.split(" (and ").next().unwrap_or_default();
            last.message = format!("{base} (and {more} more here)");
        }
    }

    *findings = kept;
}
