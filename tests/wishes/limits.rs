//! The table of limits in `docs/repository.md` says what the constants of the program say.

use std::fs;
use std::path::Path;

/// What a row is about, and the constant that bounds it.
const LIMITS: &[(&str, &str, &str)] = &[
    ("a file, other than under `cloud-init/`", "crates/muster-core/src/model/tree.rs", "MAX_TOML_BYTES"),
    ("a file under `cloud-init/`", "crates/muster-core/src/model/tree.rs", "MAX_CLOUD_INIT_BYTES"),
    ("all files of a commit together", "crates/muster-git/src/lib.rs", "MAX_TOTAL_BYTES"),
    ("files and folders of a commit", "crates/muster-git/src/lib.rs", "MAX_ENTRIES"),
    ("folders in folders", "crates/muster-git/src/lib.rs", "MAX_DEPTH"),
    ("a path", "crates/muster-git/src/lib.rs", "MAX_PATH_BYTES"),
    ("files that muster reads", "crates/muster-core/src/desired/files.rs", "MAX_FILES"),
    ("nodes and BMCs of a commit", "crates/muster-core/src/desired/load.rs", "MAX_MACHINES"),
    ("`[[set]]` tables", "crates/muster-core/src/desired/sets.rs", "MAX_SETS"),
    ("nodes that all `[[set]]` tables select together", "crates/muster-core/src/desired/membership.rs", "MAX_SELECTED"),
    ("parameters of one list of `params`", "crates/muster-core/src/desired/limits.rs", "MAX_PARAMS"),
    ("files of `initrd`", "crates/muster-core/src/desired/limits.rs", "MAX_INITRDS"),
    (
        "interfaces of one node, and `members` of one bond or bridge",
        "crates/muster-core/src/desired/limits.rs",
        "MAX_NICS",
    ),
    ("addresses of one interface", "crates/muster-core/src/desired/limits.rs", "MAX_IPS"),
    ("`routes` of one interface", "crates/muster-core/src/desired/limits.rs", "MAX_ROUTES"),
    ("keys of one `unset`", "crates/muster-core/src/desired/limits.rs", "MAX_UNSET"),
    ("`cidr`, `gateway` and `dns` of one network, each", "crates/muster-core/src/desired/limits.rs", "MAX_RANGES"),
    (
        "nodes that all `[[exception]]` tables select together",
        "crates/muster-core/src/desired/exceptions.rs",
        "MAX_EXCEPTED",
    ),
    ("items of a pattern", "crates/muster-core/src/model/pattern.rs", "MAX_ITEMS"),
    ("the text of a pattern", "crates/muster-core/src/model/pattern.rs", "MAX_BYTES"),
    ("nodes of a node set", "crates/muster-core/src/model/nodeset/mod.rs", "MAX_NODES"),
    ("the text of a node set", "crates/muster-core/src/model/nodeset/mod.rs", "MAX_TEXT_BYTES"),
    ("tables and lists of TOML in each other", "crates/muster-core/src/desired/depth.rs", "MAX_DEPTH"),
    ("the name of a node or BMC, in characters", "crates/muster-core/src/desired/values.rs", "MAX_NAME"),
    ("the name of an interface, in characters", "crates/muster-core/src/desired/interfaces.rs", "MAX_NAME"),
    ("a URL", "crates/muster-core/src/desired/values.rs", "MAX_URL"),
    ("an `advertise` URL, in bytes", "crates/muster-core/src/desired/values.rs", "MAX_ADVERTISE"),
    ("parameters of a kernel line", "crates/muster-core/src/resolve/mod.rs", "MAX_PARAMS"),
    ("a kernel line, in bytes", "crates/muster-core/src/ipxe/mod.rs", "MAX_KERNEL_LINE"),
    (
        "words and signs that an expression of a template chains",
        "crates/muster-core/src/desired/template/guard.rs",
        "MAX_CHAIN",
    ),
    (
        "brackets of an expression of a template in each other",
        "crates/muster-core/src/desired/template/guard.rs",
        "MAX_BRACKETS",
    ),
    ("files that include each other", "crates/muster-core/src/desired/template.rs", "DEPTH"),
    ("tags of a template in each other", "crates/muster-core/src/desired/template/guard.rs", "MAX_TAGS"),
    ("steps of one expansion", "crates/muster-core/src/desired/template.rs", "FUEL"),
    ("items of a value in a template", "crates/muster-core/src/desired/template/value.rs", "MAX_ITEMS"),
    ("levels of a value in a template", "crates/muster-core/src/desired/template/value.rs", "MAX_DEPTH"),
    ("the text of a value in a template", "crates/muster-core/src/desired/template/value.rs", "MAX_BYTES"),
    (
        "one string of a template with a name: a variable, `set`, an argument",
        "crates/muster-core/src/desired/template/value.rs",
        "MAX_TEXT_BYTES",
    ),
    ("a document of cloud-init, as a node gets it", "crates/muster-core/src/cloudinit/mod.rs", "MAX_BYTES"),
    ("surveys that `confirm` can ask for", "crates/muster-core/src/desired/policy.rs", "MAX_CONFIRM"),
    ("secrets that are looked for in other files", "crates/muster-core/src/model/clear_secret/mask.rs", "MAX_SECRETS"),
    ("commits of a push that the hook searches for secrets", "src/cli/hook/history.rs", "MAX_COMMITS"),
];

/// Reads a number as the table writes it: `1,024`, `8 MiB`.
fn number(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let factor = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    Some(number.replace(',', "").parse::<u64>().ok()? * factor)
}

/// Reads the value of a constant: a number or a product of numbers.
fn constant(source: &str, name: &str) -> Option<u64> {
    let (_, rest) = source.split_once(&format!("const {name}: "))?;
    let value = rest.split_once('=')?.1.split_once(';')?.0;
    value.split('*').map(|factor| factor.trim().replace('_', "").parse::<u64>().ok()).product()
}

#[test]
fn the_table_of_limits_says_what_the_constants_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let page = read("docs/repository.md");
    let table = page.split("| limit | at most |\n|---|---|\n").nth(1).expect("docs/repository.md has the table");
    let rows = table.lines().map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    let rows: Vec<(&str, &str)> = rows.collect();
    for (what, path, name) in LIMITS {
        let (_, bound) = rows.iter().find(|(row, _)| row == what).unwrap_or_else(|| panic!("no row `{what}`"));
        let is = constant(&read(path), name).unwrap_or_else(|| panic!("{path}: no constant {name}"));
        assert_eq!(number(bound), Some(is), "`{what}` in docs/repository.md, and {name} in {path}");
    }
    assert_eq!(rows.len(), LIMITS.len(), "a row of docs/repository.md has no constant here");
}
