//! `docs/keys.md` names every key of every file of a cluster repository as the schemas do, with examples that they take.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// A table of the page.
struct Section {
    title: &'static str,
    /// The schema, and the definition in it; the file as a whole if there is none.
    schema: &'static str,
    definition: &'static str,
    /// Under which key of the file the example stands; nothing for the file itself.
    example: &'static str,
}

const fn section(
    title: &'static str,
    schema: &'static str,
    definition: &'static str,
    example: &'static str,
) -> Section {
    Section { title, schema, definition, example }
}

const SECTIONS: &[Section] = &[
    section(
        "`cluster.toml`",
        "cluster",
        "",
        "name = \"larch\"\nlayers = [\"compute\", \"canary\"]\ncredentials = [\"rack\"]\n",
    ),
    section(
        "`[defaults]` in `cluster.toml`",
        "cluster",
        "Defaults",
        "name = \"larch\"\n\n[defaults]\nboot = \"rocky9\"\nparams = [\"console=ttyS0,115200\"]\nvars = { image = \"9.5\" }\n",
    ),
    section(
        "`[defaults.bmc]` in `cluster.toml`",
        "cluster",
        "BmcDefaults",
        "name = \"larch\"\ncredentials = [\"rack\"]\n\n[defaults.bmc]\ncredentials = \"rack\"\nnetwork = \"bmc\"\ntls = \"pin\"\n",
    ),
    section(
        "`[unknown]` in `cluster.toml`",
        "cluster",
        "UnknownTable",
        "name = \"larch\"\n\n[unknown]\nboot = \"discovery\"\n",
    ),
    section(
        "`networks/NAME.toml`",
        "network",
        "",
        "cidr = [\"10.0.0.0/22\", \"fd00:a::/64\"]\ngateway = \"10.0.3.254\"\ndns = [\"10.0.0.2\"]\ndomain = \"larch.example\"\n\
         advertise = \"http://10.0.0.3:8270\"\n",
    ),
    section(
        "`[[node]]` in `nodes/**/*.toml`",
        "nodes",
        "NodeTable",
        "[[node]]\nname = \"nid[0001-0008]\"\nbmc = \"b[1-8]\"\ngroups = [\"compute\"]\n\
         nics = [{ name = \"eth0\", network = \"node\", ip = \"10.0.0.[1-8]\" }]\n",
    ),
    section(
        "`bmc = { }` in a `[[node]]`: a BMC that has this one node",
        "nodes",
        "InlineBmc",
        "[[node]]\nname = \"login[1-2]\"\nbmc = { url = \"https://10.1.0.[1-2]\", tls = \"insecure\" }\n",
    ),
    section(
        "`[[bmc]]` in `nodes/**/*.toml`",
        "nodes",
        "BmcTable",
        "[[bmc]]\nname = \"b[1-8]\"\nurl = \"https://10.1.0.[1-8]\"\nnetwork = \"bmc\"\n\n\
         [[bmc]]\nname = \"pdu1\"\nkind = \"pdu\"\nprotocol = \"none\"\n",
    ),
    section(
        "`[[set]]` in `nodes/**/*.toml`",
        "nodes",
        "SetTable",
        "[[set]]\nnodes = \"nid0007\"\nstate = \"maintenance\"\nreason = \"PSU swap\"\nuntil = \"2027-01-31\"\n",
    ),
    section(
        "`groups/NAME.toml`",
        "group",
        "",
        "nodes = \"nid[0001-0008]\"\nvars = { image = \"9.6\" }\nparams = [\"quiet\"]\n",
    ),
    section(
        "`boot/NAME.toml`",
        "boot",
        "",
        "kind = \"live\"\nkernel = \"http://images.example/{{ vars.image }}/vmlinuz\"\n\
         initrd = [\"http://images.example/{{ vars.image }}/initramfs.img\"]\nparams = [\"ip=dhcp\"]\n",
    ),
    section("`arch` in a boot configuration", "boot", "BootArches", ""),
    section(
        "`[arch.x86_64]`, `[arch.aarch64]`",
        "boot",
        "BootArch",
        "kind = \"live\"\nkernel = \"http://images.example/vmlinuz\"\n\n[arch.aarch64]\nkernel = \"http://images.example/Image\"\n",
    ),
    section(
        "An interface in `nics`",
        "nodes",
        "NicTable",
        "[[node]]\nname = \"n1\"\nnics = [{ name = \"eth0\", network = \"node\", mac = \"02:00:00:00:00:01\", ip = \"10.0.0.1\" }]\n",
    ),
    section("`bond` of an interface", "nodes", "BondTable", ""),
    section("`bridge` of an interface", "nodes", "BridgeTable", ""),
    section("A route in `routes` of an interface", "nodes", "RouteTable", ""),
    section("`cloud_init`", "nodes", "CloudInitTable", ""),
    section("`expect`", "nodes", "Expect", ""),
    section("`expect.bios`", "nodes", "ExpectBios", ""),
    section("`expect.boot`", "nodes", "ExpectBoot", ""),
    section("`expect.drives`", "nodes", "ExpectDrives", ""),
    section("`expect.processors`, `expect.accelerators`", "nodes", "ExpectParts", ""),
    section("`policy.toml`", "policy", "", ""),
    section(
        "`[drift]` in `policy.toml`",
        "policy",
        "PolicyDrift",
        "[drift]\nconfirm = 2\nfail_on = [\"drift\", \"unknown>5%\"]\n",
    ),
    section("`[guard]` in `policy.toml`", "policy", "PolicyGuard", "[guard]\nmax_nodes = 100\nemptied = true\n"),
    section("`exceptions/*.toml`", "exceptions", "", ""),
    section(
        "`[[exception]]`",
        "exceptions",
        "ExceptionTable",
        "[[exception]]\nnodes = \"nid0003\"\nattribute = \"memory_gib\"\nseen = 480\nowner = \"ann\"\nexpires = 2027-03-01\n",
    ),
];

/// Definitions that a key is, not a table of keys.
const NO_TABLES: [&str; 1] = ["NodeBmc"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema(name: &str) -> Value {
    let path = root().join(format!("schemas/{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).expect("the schema is there")).expect("a schema is JSON")
}

fn table<'s>(schema: &'s Value, definition: &str) -> &'s Value {
    if definition.is_empty() { schema } else { &schema["definitions"][definition] }
}

/// Writes what a key takes.
fn takes(value: &Value) -> String {
    if let Some(words) = value["enum"].as_array() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(reference) = value["$ref"].as_str() {
        return definition_words(reference);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        if let Some(all) = value[key].as_array() {
            return all.iter().map(takes).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(all) = value["type"].as_array() {
        let words = all.iter().filter_map(Value::as_str).map(|word| if word == "object" { "table" } else { word });
        return words.collect::<Vec<_>>().join(" or ").replace("string", "text");
    }
    match value["type"].as_str().unwrap_or_default() {
        "array" => format!("list of {}", takes(&value["items"])),
        "object" if value["additionalProperties"].is_object() => {
            format!("table of {}", takes(&value["additionalProperties"]))
        }
        "object" => "table".into(),
        "integer" => match (&value["minimum"], &value["maximum"]) {
            (Value::Number(least), Value::Number(most)) => format!("number, {least} to {most}"),
            _ => "number".into(),
        },
        "string" => "text".into(),
        "boolean" => "`true`, `false`".into(),
        other => other.into(),
    }
}

fn definition_words(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or_default();
    match SECTIONS.iter().find(|section| section.definition == name) {
        Some(section) => format!("table: {}", section.title),
        None => match name {
            "NodeBmc" => "name of a `[[bmc]]`, or a table".into(),
            other => panic!("{other} has no section"),
        },
    }
}

fn page() -> String {
    let mut out = String::from(
        "# Every key of every file\n\nThe files of a cluster repository, key by key, as [`schemas/`](../schemas) describes them. \
         [The cluster repository](repository.md) explains\nhow the files work together. A test generates this page from the \
         schemas and compares it.\n\nA text may be a pattern in `[[node]]` and `[[bmc]]` tables, and a template if \
         [Templates](repository.md#templates) says so.\n",
    );
    for section in SECTIONS {
        let schema = schema(section.schema);
        let table = table(&schema, section.definition);
        out.push_str(&format!("\n## {}\n\n", section.title));
        if let Some(text) = table["description"].as_str().filter(|_| !section.definition.is_empty()) {
            out.push_str(&format!("{}\n\n", text.replace('\n', " ")));
        }
        if !section.example.is_empty() {
            out.push_str(&format!("```toml\n{}```\n\n", section.example));
        }
        let required: BTreeSet<&str> =
            table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        out.push_str("| key | takes | meaning |\n|---|---|---|\n");
        for (key, value) in table["properties"].as_object().unwrap_or(&Map::new()) {
            let must = if required.contains(key.as_str()) { " (required)" } else { "" };
            let says = value["description"].as_str().unwrap_or_default().replace('\n', " ");
            let escape = |text: &str| text.replace('|', "\\|");
            out.push_str(&format!("| `{key}`{must} | {} | {} |\n", escape(&takes(value)), escape(&says)));
        }
    }
    out
}

#[test]
fn the_page_of_keys_says_what_the_schemas_say() {
    let written = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("keys.md");
    fs::write(&written, page()).expect("the folder for tests is there");
    let told = fs::read_to_string(root().join("docs/keys.md")).unwrap_or_default();
    assert!(told == page(), "docs/keys.md is another by now: cp {} docs/keys.md", written.display());
}

#[test]
fn every_table_of_the_schemas_has_a_section() {
    for name in ["cluster", "nodes", "network", "group", "boot", "policy", "exceptions"] {
        let schema = schema(name);
        for (definition, table) in schema["definitions"].as_object().unwrap_or(&Map::new()) {
            let is_told = SECTIONS.iter().any(|section| section.definition == definition);
            assert!(is_told || NO_TABLES.contains(&definition.as_str()), "{name}: {definition}");
            for (key, value) in table["properties"].as_object().into_iter().flatten() {
                assert!(value["description"].is_string(), "{name}: {definition}.{key} has no description");
            }
        }
    }
}

#[test]
fn the_examples_are_what_the_schemas_take() {
    for section in SECTIONS.iter().filter(|section| !section.example.is_empty()) {
        let validator = jsonschema::draft7::new(&schema(section.schema)).expect("a schema is a schema");
        let example: toml::Table = section.example.parse().unwrap_or_else(|error| panic!("{}: {error}", section.title));
        let example = without_dates(serde_json::to_value(example).expect("TOML is JSON but for its dates"));
        let faults: Vec<String> = validator.iter_errors(&example).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{}: {faults:?}", section.title);
    }
}

/// Writes dates of TOML as the texts that editors take them for.
fn without_dates(value: Value) -> Value {
    match value {
        Value::Object(mut table) => match table.remove("$__toml_private_datetime") {
            Some(date) => date,
            None => table.into_iter().map(|(key, value)| (key, without_dates(value))).collect(),
        },
        Value::Array(all) => all.into_iter().map(without_dates).collect(),
        other => other,
    }
}
