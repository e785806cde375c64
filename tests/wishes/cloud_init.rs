//! The example's documents before the judges: cloud-init's own schema check, and its own reading of a network-config.

use super::example::snapshot;
use crate::support::parts::{self, Part};
use muster::cloudinit::Document;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Returns one document of each class that differs, with the name of a node that gets it.
fn distinct(document: Document) -> BTreeMap<u32, (String, String)> {
    let snapshot = snapshot();
    let mut all = BTreeMap::new();
    for (at, node) in snapshot.nodes().iter().enumerate() {
        if let Some(text) = snapshot.document(at, document).expect("it was written once at build") {
            let text = text.replace("\u{1}server\u{2}", "http://10.9.9.9:8270");
            all.entry(node.class).or_insert((node.name.to_string(), text));
        }
    }
    all
}

fn judge(program: &Path, name: &str, text: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("config.yaml");
    fs::write(&file, text).expect("the document can be written");
    let output =
        Command::new(program).args(["schema", "--config-file"]).arg(&file).output().expect("cloud-init starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{name}: {said}\n{text}");
}

#[test]
fn cloud_init_takes_every_cloud_config() {
    let Some(program) = parts::require("cloud_init::cloud_init_takes_every_cloud_config", Part::CloudInit) else {
        return;
    };
    let mut judged = std::collections::BTreeSet::new();
    for (name, text) in distinct(Document::UserData).into_values() {
        // The nodes of other classes have the same shape and another name in it.
        if judged.insert(text.replace(&name, "NAME").lines().count()) {
            assert!(text.starts_with("#cloud-config\n"), "{name}: {text}");
            judge(&program, &name, &text);
        }
    }
    assert!(judged.len() > 2, "{judged:?}");
    let mut parts = std::collections::BTreeSet::new();
    for (name, text) in distinct(Document::VendorData).into_values() {
        for (kind, part) in parts_of(&text) {
            if kind == "text/cloud-config" && parts.insert(part.clone()) {
                judge(&program, &name, &part);
            }
        }
    }
    assert_eq!(parts.len(), 1);
}

/// Takes a MIME message apart: each part's type and text; a message that is none is a cloud-config.
fn parts_of(message: &str) -> Vec<(String, String)> {
    let Some(rest) = message.strip_prefix("Content-Type: multipart/mixed; boundary=\"") else {
        return vec![("text/cloud-config".into(), message.to_owned())]
            .into_iter()
            .filter(|(_, text)| text != "#cloud-config\n{}\n")
            .collect();
    };
    let (boundary, body) = rest.split_once('"').expect("the boundary ends");
    let mark = format!("\n--{boundary}");
    let parts = body.split(mark.as_str()).skip(1).filter(|part| !part.starts_with("--"));
    parts
        .map(|part| {
            let (head, text) = part.split_once("\n\n").expect("a part has a head");
            let kind = head.trim_start().strip_prefix("Content-Type: ").expect("a part has a type");
            (kind.split(';').next().unwrap_or_default().to_owned(), text.to_owned())
        })
        .collect()
}

/// Python reads the message as cloud-init does, and finds the parts in the order of layers.
#[test]
fn a_mail_reader_finds_the_parts_in_order() {
    const READ: &str = "import email, sys
message = email.message_from_string(sys.stdin.read())
print([(p.get_content_type(), p.get_filename(), len(p.get_payload(decode=True))) for p in message.walk() if not p.is_multipart()])";
    const NAME: &str = "cloud_init::a_mail_reader_finds_the_parts_in_order";
    if parts::require(NAME, Part::CloudInit).is_none() {
        return;
    }
    let snapshot = snapshot();
    let gpu = snapshot.by_name("nid0065").expect("the node is there");
    let text =
        snapshot.document(gpu, Document::VendorData).expect("it was written once at build").expect("it has some");
    let said = python(READ, &text);
    let length =
        |name: &str| fs::read(super::tree::root("cluster-example/cloud-init").join(name)).expect("it is there").len();
    let expected = format!("('text/x-shellscript', 'gpu.sh', {})", length("gpu.sh"));
    assert!(said.starts_with("[('text/cloud-config', 'compute.yaml', "), "{said}");
    assert!(said.trim_end().ends_with(&format!("{expected}]")), "{said}");
}

/// cloud-init is a Debian package, and so is the Python that it runs in.
pub fn python(program: &str, input: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("input");
    fs::write(&file, input).expect("the input can be written");
    let stdin = fs::File::open(&file).expect("the input can be read");
    let output = Command::new("/usr/bin/python3").args(["-c", program]).stdin(stdin).output().expect("python3 starts");
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{wrong}\n{input}");
    said.into_owned()
}

#[test]
fn cloud_init_understands_every_network_config() {
    const READ: &str = "import sys, yaml
from cloudinit.net.network_state import parse_net_config_data
from cloudinit.net.sysconfig import Renderer
from cloudinit.distros.rhel import Distro
config = yaml.safe_load(sys.stdin.read())
state = parse_net_config_data(config, skip_broken=False)
print(sorted((i['name'], i['type'], i.get('mtu'), [s['type'] for s in i['subnets']]) for i in state.iter_interfaces()))
renderer = Renderer(Distro.renderer_configs['sysconfig'])
Renderer._render_sysconfig('etc/sysconfig', state, 'rhel', templates=renderer.templates)";
    const NAME: &str = "cloud_init::cloud_init_understands_every_network_config";
    if parts::require(NAME, Part::CloudInit).is_none() {
        return;
    }
    let mut storage = String::new();
    for (name, text) in distinct(Document::NetworkConfig).into_values() {
        let said = python(READ, &text);
        if name == "storage01" {
            storage = said;
        }
    }
    let expected = "[('bond0', 'bond', 9000, []), ('bond0.120', 'vlan', 9000, ['static', 'static']), \
                    ('eth0', 'physical', None, ['static']), ('eth1', 'physical', None, []), ('eth2', 'physical', None, [])]\n";
    assert_eq!(storage, expected);
}

/// meta-data is YAML with an instance id of its own for each node.
#[test]
fn meta_data_names_each_instance_once() {
    let snapshot = snapshot();
    let mut ids = std::collections::BTreeSet::new();
    for at in 0..snapshot.nodes().len() {
        let text =
            snapshot.document(at, Document::MetaData).expect("it was written once at build").expect("all have it");
        let id = text.lines().find(|line| line.starts_with("instance-id: ")).expect("an instance id");
        assert!(ids.insert(id.to_owned()), "{id} twice");
    }
}
