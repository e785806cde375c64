//! Every output of every command, where every place of a repository holds a secret in clear: none shows a part of one.
//!
//! The commands and their formats are those of `outputs`, so a new command or format is tried here too.

use std::path::Path;

use serde_json::{Value, json};

use crate::outputs::{Site, commands};
use crate::support::muster::{Served, run};
use crate::support::stub::{Reply, Stub};
use crate::support::wishes::Wishes;

/// How many secrets a commit holds.
const PLANTED: usize = 18;

/// What is secret of one: nothing else in the repository looks like it.
fn core(commit: char, number: usize) -> String {
    format!("Zq{commit}{number:02}Xk7{commit}{number:02}Wv")
}

/// The files of a commit with secrets of its own.
fn plant(wishes: &Wishes, commit: char, bmc: &str) {
    let core = |number: usize| core(commit, number);
    let token = |number: usize| format!("ghp_{}{}", core(number), "a1B2".repeat(6));
    let line = |number: usize| core(number).repeat(4);

    wishes.write(
        "cluster.toml",
        format!(
            "name = \"t\"\nlayers = [\"g\"]\n[defaults]\nboot = \"b\"\n\
             vars = {{ v = 1, munge_key = \"{}\", root = \"{}\" }}\n",
            core(0),
            core(1)
        ),
    );
    wishes.write(
        "boot/b.toml",
        format!(
            "kind = \"live\"\nkernel = \"http://boot:{}@images.example/vmlinuz\"\n\
             initrd = [\"http://images.example/initrd?t={}\"]\nparams = [\"quiet\", \"rd.token={}\", \"{}\"]\n",
            core(2),
            token(3),
            core(4),
            token(5)
        ),
    );
    wishes.write(
        "nodes/n.toml",
        format!(
            "[[bmc]]\nname = \"m1\"\nurl = \"{bmc}\"\n[[node]]\nname = \"n1\"\ngroups = [\"g\"]\nbmc = \"m1\"\n\
             vars = {{ api_token = \"{}\" }}\n\
             nics = [{{ name = \"eth0\", network = \"net\", mac = \"02:00:00:00:00:01\", ip = \"10.0.0.1\" }}]\n\
             [[set]]\nnodes = \"n1\"\nreason = \"ask {}\"\nstate = \"active\"\n",
            core(6),
            token(7)
        ),
    );
    wishes.write("nodes/n.facts.csv", format!("name,vars.join_secret,vars.note\nn1,{},{}\n", core(8), token(9)));
    wishes.write(
        "networks/net.toml",
        format!("cidr = \"10.0.0.0/24\"\nadvertise = \"http://u:{}@10.0.0.250:8270\"\n", core(10)),
    );
    wishes.write(
        "groups/g.toml",
        format!(
            "[cloud_init]\nuser_data = \"g.yaml.j2\"\nvendor_data = \"g.sh\"\nmeta_data = {{ db_password = \"{}\" }}\n\
             [expect]\nbios.attributes = {{ Known = \"{}\", AdminPassword = \"{}\" }}\n",
            core(11),
            token(12),
            core(13)
        ),
    );
    wishes.write(
        "cloud-init/g.yaml.j2",
        format!(
            "#cloud-config\nchpasswd:\n  users:\n    - name: root\n      password: {{{{ vars.root }}}}\n\
             write_files:\n  - path: /etc/ssl/k.pem\n    content: |\n      -----BEGIN RSA PRIVATE KEY-----\n      {}\n      {0}x\n      \
             -----END RSA PRIVATE KEY-----\n  - path: /etc/munge/munge.key\n    encoding: b64\n    content: {}\n\
             users:\n  - name: a\n    hashed_passwd: $6$saltsalt${}\nruncmd:\n  - join {{{{ vars.join_secret }}}} {{{{ vars.munge_key }}}}\n",
            line(14),
            core(15),
            core(16) + &"a".repeat(80)
        ),
    );
    wishes.write(
        "cloud-init/g.sh",
        format!("#!/bin/sh\nexport LDAP_PASSWORD='{}'\necho \"{{{{ not a template }}}}\"\n", core(17)),
    );
    wishes.write(
        "exceptions/e.toml",
        format!(
            "[[exception]]\nnodes = \"n1\"\nattribute = \"bios.attributes.Known\"\nseen = \"y\"\nowner = \"{}\"\n\
             reason = \"r\"\nexpires = 2099-01-01\n",
            token(12)
        ),
    );
}

/// A commit that does not check, whose findings are about values that are secrets.
fn mistakes(wishes: &Wishes, commit: char) -> String {
    let secret = core(commit, 4);
    wishes.write(
        "groups/bad.toml",
        format!("nodes = \"n1\"\nparams = [\"+rd.token={secret}\", \"-rd.token={secret}x\"]\nvras = {{ root_password = \"{secret}\" }}\n"),
    );
    wishes.write(
        "boot/bad.toml",
        format!("kind = \"live\"\nkernel = \"ftp://u:{secret}@h/x\"\nparams = [\"token={secret} b\"]\n"),
    );
    wishes.publish(&format!("bad ghp_{secret}{}", "a1B2".repeat(6)))
}

/// A BMC with another password than git expects.
fn answer(path: &str) -> Reply {
    const S: &str = "/redfish/v1/Systems";
    let found = match path {
        "/redfish/v1" | "/redfish/v1/" => Some(json!({"RedfishVersion": "1.9.0", "Systems": {"@odata.id": S}})),
        S => Some(json!({"Members": [{"@odata.id": format!("{S}/1")}], "Members@odata.count": 1})),
        "/redfish/v1/Systems/1" => Some(
            json!({"@odata.id": path, "Id": "1", "SystemType": "Physical", "PowerState": "On", "Bios": {"@odata.id": format!("{S}/1/Bios")}}),
        ),
        "/redfish/v1/Systems/1/Bios" => {
            Some(json!({"Id": "Bios", "Attributes": {"Known": "y", "AdminPassword": "other"}}))
        }
        _ => None,
    };
    let status = if found.is_some() { 200 } else { 404 };
    Reply { status, body: found.unwrap_or(Value::Null).to_string().into_bytes().into() }
}

/// Fails if an output has the half of any secret.
fn judge(what: &str, text: &str) {
    for commit in ['A', 'B'] {
        for number in 0..PLANTED {
            let core = core(commit, number);
            for half in [&core[..8], &core[6..]] {
                assert!(!text.contains(half), "{what}: secret {commit}{number} is shown: {half}\n{text}");
            }
        }
    }
}

fn outputs(dir: &Path, args: &[String]) -> String {
    let output = run(dir, args);
    String::from_utf8([output.stdout, output.stderr].concat()).expect("outputs are text")
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn no_output_of_any_command_shows_a_secret_but_where_it_is_asked_to() {
    let stub = Stub::start(|seen| answer(seen.target.split('?').next().unwrap_or_default()));
    let bmc = format!("http://{}", stub.addr());
    let wishes = Wishes::new();
    let dir = wishes.clone_dir();
    plant(&wishes, 'A', &bmc);
    wishes.publish("the first");
    run(&dir, &["hook", "install", "../wishes.git"]);
    plant(&wishes, 'B', &bmc);
    wishes.commit(&format!("rotate ghp_{}{}", core('B', 5), "a1B2".repeat(6)));
    wishes.git(&["tag", "empty"]);
    let pushed = wishes.git_command(&dir).args(["push", "origin", "main"]).output().expect("git is here");
    let said = String::from_utf8(pushed.stderr).expect("text");
    assert!(pushed.status.success() && said.contains("remote: warning[clear-secret]"), "{said}");
    judge("the hook", &said);

    for _ in 0..2 {
        run(&dir, &["discover", "--store", "../m.redb"]);
    }
    let served = Served::start(&wishes.bare(), &wishes.root().join("m.redb"), &[]);
    std::fs::remove_file(wishes.bare().join("hooks/pre-receive")).expect("it was installed");
    let bad = mistakes(&wishes, 'B');
    wishes.git(&["checkout", "-q", "empty"]);
    served.wait_for("that the commit is refused", |fields| fields["revision"] == bad.as_str());
    served.get("/boot/v1/bootscript?mac=02:00:00:00:00:01");

    let site = Site { wishes, served, bad };
    let keys = [
        "munge_key",
        "vars.root",
        "kernel",
        "initrd",
        "rd.token",
        "param:rd.token",
        "api_token",
        "join_secret",
        "note",
        "meta_data.db_password",
        "expect.bios.attributes.AdminPassword",
        "set",
        "chpasswd",
        "write_files",
    ];
    for name in commands(&dir) {
        let mut cases = site.cases(&name);
        if name == "why" {
            cases.extend(keys.map(|key| words(&format!("why n1 {key}"))));
        }
        for case in cases {
            judge(&case.join(" "), &outputs(&dir, &case));
        }
    }
    for path in ["status", "nodes", "nodes/n1", "revisions", "boots", "events?wait=0"] {
        judge(path, &String::from_utf8_lossy(&site.served.get_api(&format!("/api/v1/{path}")).body));
    }

    // What is asked to show them does, and machines get them.
    let revealed = outputs(&dir, &words("show n1 --script --cloud-init --reveal"));
    let values = outputs(&dir, &words("show n1 --reveal"));
    for number in 0..PLANTED {
        // The addresses of networks are no value of a node.
        let core = core('B', number);
        assert!(number == 10 || revealed.contains(&core) || values.contains(&core), "{number}: {revealed}{values}");
    }
    let script = site.served.get("/boot/v1/bootscript?mac=02:00:00:00:00:01");
    assert!(String::from_utf8_lossy(&script.body).contains(&core('B', 4)));
    let Site { served, .. } = site;
    let (_, log) = served.stop();
    judge("the log", &log.join("\n"));
}

#[test]
fn a_change_of_one_secret_into_another_is_seen() {
    let wishes = Wishes::new();
    let dir = wishes.clone_dir();
    plant(&wishes, 'A', "http://127.0.0.1:9");
    wishes.publish("the first");
    plant(&wishes, 'B', "http://127.0.0.1:9");
    wishes.publish("the second");

    let output = run(&dir, &["diff", "HEAD~1", "HEAD", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let diff: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let of_node = diff["folds"].as_array().expect("folds").iter().find(|fold| fold["set"] == "n1").expect("n1 changes");
    let values = of_node["values"].as_array().expect("values");
    for key in [
        "kernel",
        "initrd",
        "params.rd.token",
        "vars.munge_key",
        "vars.root",
        "vars.api_token",
        "vars.join_secret",
        "meta_data.db_password",
    ] {
        let value = values.iter().find(|value| value["key"] == key).unwrap_or_else(|| panic!("{key}: {values:#?}"));
        assert!(value["old"]["text"].as_str().is_some_and(|text| text.contains("<secret")), "{value}");
        assert_ne!(value["old"]["text"], value["new"]["text"], "{value}");
    }
    for text in of_node["texts"].as_array().expect("texts") {
        for hunk in text["hunks"].as_array().expect("hunks") {
            assert_ne!(hunk["removed"], hunk["added"], "{hunk}");
        }
    }

    // One alone, in the middle of a document, is a change of one line.
    wishes.edit("cloud-init/g.yaml.j2", &core('B', 15), "TXVuZ2U5OTk5");
    wishes.publish("another key of munge");
    let output = run(&dir, &["diff", "HEAD~1", "HEAD"]);
    let text = String::from_utf8(output.stdout).expect("text");
    for sign in ["    - ", "    + "] {
        let is_line = |line: &&str| line.starts_with(sign) && line.contains("content: <secret");
        assert_eq!(text.lines().filter(is_line).count(), 1, "{text}");
    }
    assert!(!text.contains("TXVuZ2U5"), "{text}");
}
