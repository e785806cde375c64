//! Every output of every command, where every text from outside is hostile: of a commit (paths, keys, values, subject,
//! author, branch), of a BMC, and of clients.
//!
//! The commands come from `muster --help`: one that has no case here fails the test.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::muster::{Served, command, run};
use crate::support::stub::{Reply, Stub};
use crate::support::wishes::Wishes;

/// What none of the readers of an output may see as it is.
const HOSTILE: &str =
    "\u{1b}]0;PWN\u{7}\u{1b}[2J\r\n::add-mask::x\n##[stop-commands]y\u{202e}\u{200b}\u{85}\u{9b}z`|<b>";

/// What is checked of each line, whoever wrote it.
fn judge(what: &str, text: &str) {
    for line in text.split('\n') {
        let is_command = line.starts_with("::") && what.contains("github");
        let acts = line.chars().any(|c| c.is_control() || "\u{202e}\u{200b}\u{2028}\u{feff}".contains(c));
        let commands = line.trim_start().starts_with("::") && !is_command;
        assert!(!acts && !commands && !line.contains("##["), "{what}: {line:?}\n{text:?}");
        assert!(!line.starts_with("::add-mask") && !line.starts_with("::stop"), "{what}: {line:?}");
    }
}

/// A command whose result cannot be written has not done its work.
#[test]
fn no_command_succeeds_on_a_full_disk() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster-example");
    let all: &[&[&str]] = &[
        &["--help"],
        &["--version"],
        &["help"],
        &["help", "serve"],
        &["check", "--help"],
        &["schema"],
        &["schema", "cluster"],
        &["completions", "bash"],
        &["man"],
        &["man", "serve"],
        &["check"],
        &["show", "nid0001"],
        &["show", "nid0001", "--script"],
        &["show", "nid0001", "--cloud-init"],
        &["why", "nid0001", "boot"],
    ];
    for args in all {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        let output = command(&example).args(*args).stdout(full).output().expect("muster starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("cannot write the result"), "{args:?}: {said}");
    }
}

/// A BMC that says hostile things in every field.
fn bmc(path: &str) -> Option<Value> {
    const S: &str = "/redfish/v1/Systems";
    let own = |kind: &str, more: Value| {
        let mut all =
            json!({"@odata.id": path, "@odata.type": format!("#{kind}.v1_9_0.{kind}"), "Id": "1", "Name": HOSTILE});
        all.as_object_mut()?.extend(more.as_object()?.clone());
        Some(all)
    };
    match path {
        "/redfish/v1" => own(
            "ServiceRoot",
            json!({"RedfishVersion": HOSTILE, "Vendor": HOSTILE, "Product": HOSTILE, "Systems": {"@odata.id": S},
                   "Managers": {"@odata.id": format!("/redfish/v1/Managers{HOSTILE}")}}),
        ),
        S => own(
            "ComputerSystemCollection",
            json!({"Members": [{"@odata.id": format!("{S}/1")}, {"@odata.id": format!("{S}/gone{HOSTILE}")}],
                   "Members@odata.count": 2}),
        ),
        "/redfish/v1/Systems/1" => own(
            "ComputerSystem",
            json!({"Id": format!("id{HOSTILE}"), "SystemType": "Physical", "PowerState": "On",
                   "SerialNumber": format!("=cmd|{HOSTILE}"), "Manufacturer": HOSTILE, "Model": HOSTILE,
                   "BiosVersion": HOSTILE, "Bios": {"@odata.id": format!("{S}/1/Bios")}}),
        ),
        "/redfish/v1/Systems/1/Bios" => own(
            "Bios",
            json!({"Attributes": {format!("attr{HOSTILE}"): HOSTILE, "Known": HOSTILE},
                   "@Redfish.Settings": {"SettingsObject": {"@odata.id": format!("{S}/1/Bios/Settings")}}}),
        ),
        "/redfish/v1/Systems/1/Bios/Settings" => {
            own("Bios", json!({"Attributes": {format!("attr{HOSTILE}"): "staged"}}))
        }
        _ => None,
    }
}

fn answer(path: &str) -> Reply {
    let error =
        || json!({"error": {"code": HOSTILE, "@Message.ExtendedInfo": [{"MessageId": HOSTILE, "Message": HOSTILE}]}});
    let found = bmc(path.trim_end_matches('/'));
    let status = if found.is_some() { 200 } else { 404 };
    Reply { status, body: found.unwrap_or_else(error).to_string().into_bytes().into() }
}

/// Writes hostile wishes that check.
fn hostile_site(bmc: SocketAddr) -> Wishes {
    let wishes = Wishes::new();
    let text = serde_json::to_string(HOSTILE).expect("a text is JSON").replace('\u{85}', "\\u0085");
    wishes.write(
        "cluster.toml",
        format!("name = \"t\"\nlayers = [\"g\"]\n[defaults]\nboot = \"b\"\nvars = {{ v = {text}, {text} = 1 }}\n"),
    );
    wishes.write("boot/b.toml", "kind = \"local\"\n");
    wishes.write(
        "nodes/n.toml",
        format!(
            "[[node]]\nname = \"n1\"\ngroups = [\"g\"]\nbmc = {{ url = \"http://{bmc}\" }}\n\
                 nics = [{{ name = \"eth0\", mac = \"02:00:00:00:00:01\" }}]\n"
        ),
    );
    wishes.write(
        "groups/g.toml",
        format!(
            "[cloud_init]\nvendor_data = \"g.yaml\"\nmeta_data = {{ m = {text} }}\n[expect]\nbios.attributes = {{ Known = \"x\", Other = {text} }}\n\
                 model = {text}\n"
        ),
    );
    wishes.write("cloud-init/g.yaml", format!("#cloud-config\n# {HOSTILE}\nruncmd: []\n"));
    wishes.write(
        "exceptions/e.toml",
        format!(
            "[[exception]]\nnodes = \"n1\"\nattribute = \"bios.attributes.Known\"\nseen = {text}\nowner = {text}\n\
                 reason = {text}\nexpires = 2099-01-01\n"
        ),
    );
    // Not read by anything, which a warning says of it.
    wishes.write("other\n::add-mask::q\u{1b}]0;PWN\u{7}.toml", "a = 1\n");
    wishes.publish(&format!("subject {}", HOSTILE.replace('\n', " ")));
    wishes
}

/// Adds a commit that is wrong in hostile places, and returns its id.
fn hostile_mistakes(wishes: &Wishes) -> String {
    wishes.write("nodes/a\n##[stop-commands]q\n::add-mask::q\n.toml", "[[node]]\nnisc = 1\n");
    wishes.write(
        "nodes/k.toml",
        "[[node]]\nname = \"yy\"\ngroups = [\"x\\u001B]0;PWN\\u0007\"]\n\"a\\n::add-mask::key\\u202E\" = 1\n# \u{202e}\u{85}\n",
    );
    wishes.publish(&format!("bad {}", HOSTILE.replace('\n', " ")))
}

/// A served repository with a node `n1`, a tag `empty` and a commit that does not check.
pub struct Site {
    pub wishes: Wishes,
    pub served: Served,
    pub bad: String,
}

impl Site {
    /// Lists the cases of a command, each a list of arguments.
    pub fn cases(&self, name: &str) -> Vec<Vec<String>> {
        let bare = self.wishes.bare().display().to_string();
        let formats = |args: &str, all: &[&str]| -> Vec<Vec<String>> {
            let split = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let of = |format: &&str| [split(args), vec!["--format".into(), (*format).into()]].concat();
            std::iter::once(split(args)).chain(all.iter().map(of)).collect()
        };
        let store = self.wishes.root().join("m.redb").display().to_string();
        let own = |args: &str| {
            args.replace("STORE", &format!("--store {store}")).replace("BARE", &bare).replace("BAD", &self.bad)
        };
        let all: &[(&str, &[&str])] = match name {
            "check" => &[("check .", &["json", "github"]), ("check --rev BAD", &["json", "github"])],
            "show" => &[
                ("show n1", &["json"]),
                ("show n1 --blame", &["json"]),
                ("show --bmc n1 STORE", &["json"]),
                ("show n1 --script --cloud-init --blame", &["json"]),
            ],
            "diff" => &[
                ("diff HEAD~1 HEAD", &["json", "markdown", "github"]),
                ("diff empty empty~0", &[]),
                ("diff --stat empty~1 empty", &[]),
                ("diff empty~1 empty", &["json", "markdown", "github"]),
            ],
            "log" => &[("log n1", &["json"]), ("log n1 -p", &[])],
            "why" => {
                &[("why n1 v", &[]), ("why n1 vars.v", &[]), ("why n1 meta_data.m", &[]), ("why n1 \u{202e}", &[])]
            }
            "hook" => {
                &[("hook install --dry-run BARE", &[]), ("hook uninstall BARE", &[]), ("hook install nowhere", &[])]
            }
            "discover" => &[("discover STORE", &["json"])],
            "drift" => &[("drift STORE", &["json", "markdown", "junit", "sarif", "github"])],
            "boots" => &[("boots STORE", &["json"])],
            "forget" => &[("forget nobody STORE", &[]), ("forget n1 STORE", &[])],
            "status" => &[("status STORE", &["json"])],
            "events" => &[("events STORE", &["json"])],
            "pin" => &[("pin nowhere STORE", &[]), ("pin BAD STORE", &[]), ("pin HEAD --reason x STORE", &[])],
            "unpin" => &[("unpin STORE", &[])],
            "allow-rewind" => &[("allow-rewind BAD STORE", &[])],
            "settings" => &[("settings --repo .", &["json"])],
            "simulate" => &[("simulate --rev BAD", &[])],
            "adopt" => &[("adopt STORE", &["json"]), ("adopt n1 STORE", &[])],
            "schema" => &[("schema", &[])],
            "completions" => &[("completions bash", &[])],
            "man" => &[("man", &[])],
            "serve" => &[("serve --repo nowhere --listen 127.0.0.1:0", &[])],
            other => panic!("the command `{other}` has no case in tests/reports/outputs.rs"),
        };
        all.iter().flat_map(|(args, kinds)| formats(&own(args), kinds)).collect()
    }
}

pub fn commands(dir: &Path) -> BTreeSet<String> {
    let help = String::from_utf8(run(dir, &["--help"]).stdout).expect("help is text");
    let below = help.split("Commands:\n").nth(1).expect("help lists commands").split("\n\n").next().unwrap_or_default();
    let names = below.lines().filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Sends what no browser would: hostile paths, queries, headers and bodies.
fn hostile_clients(boot: SocketAddr) {
    let escaped: String = HOSTILE.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut heads = Vec::new();
    for path in [
        format!("/boot/v1/bootscript?mac=02:00:00:00:00:99&arch={escaped}"),
        format!("/boot/v1/bootscript?mac={escaped}"),
        format!("/boot/v1/bootscript?name={escaped}&uuid={escaped}&serial={escaped}"),
        format!("/{escaped}"),
        format!("/cloud-init/node/{escaped}/user-data"),
    ] {
        heads.push((format!("GET {path}"), String::new()));
    }
    heads.push((format!("POST /webhook?{escaped}"), json!({"ref": HOSTILE, "repository": HOSTILE}).to_string()));
    heads.push((
        format!("POST /cloud-init/node/n1/phone-home?{escaped}"),
        format!("instance_id={escaped}&hostname={escaped}"),
    ));
    for (head, body) in heads {
        let mut stream = TcpStream::connect(boot).expect("it listens");
        let request = format!(
            "{head} HTTP/1.1\r\nHost: x\r\nUser-Agent: iPXE\u{202e}\u{9b}\u{200b}##[a]\r\nX-GitHub-Event: {0}\r\nConnection: close\r\n\
             Content-Length: {1}\r\n\r\n{body}",
            "\u{202e}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut reply = Vec::new();
        // It may be refused in the middle.
        let _ = stream.read_to_end(&mut reply);
    }
}

#[test]
fn no_text_from_outside_acts_in_any_output_of_any_command() {
    let stub = Stub::start(|seen| answer(seen.target.split('?').next().unwrap_or_default()));
    let wishes = hostile_site(stub.addr());
    let dir = wishes.clone_dir();
    for _ in 0..2 {
        let output = run(&dir, &["discover", "--store", "../m.redb"]);
        judge("discover", &String::from_utf8(output.stdout).expect("text"));
    }
    wishes.git(&["tag", "empty"]);
    wishes.git(&["-c", "user.name=a\u{202e}::b", "commit", "-q", "--allow-empty", "-m", "empty"]);
    wishes.write(
        "groups/g.toml",
        wishes.read("groups/g.toml").replace("[expect]", "vars = { w = \"1\\n::add-mask::2\" }\n[expect]"),
    );
    wishes.publish("one change\u{1b}[2J");
    wishes.git(&["tag", "-f", "empty"]);
    let served = Served::start(&wishes.bare(), &wishes.root().join("m.redb"), &[]);
    let bad = hostile_mistakes(&wishes);
    wishes.git(&["checkout", "-q", "empty"]);
    served.wait_for("that the commit is refused", |fields| fields["revision"] == bad.as_str());
    hostile_clients(served.boot());

    let site = Site { wishes, served, bad };
    for name in commands(&dir) {
        for case in site.cases(&name) {
            let output = run(&dir, &case);
            let what = case.join(" ");
            judge(&what, &String::from_utf8(output.stdout).unwrap_or_else(|_| panic!("{what}: not UTF-8")));
            judge(&what, &String::from_utf8(output.stderr).unwrap_or_else(|_| panic!("{what}: not UTF-8")));
        }
    }
    let Site { served, .. } = site;
    let (_, log) = served.stop();
    judge("the log as JSON", &log.join("\n"));
}

/// Runs a command on a terminal of its own, and returns what the terminal gets, without muster's own colours.
fn on_a_terminal(dir: &Path, args: &str) -> String {
    let program = command(dir).get_program().to_string_lossy().into_owned();
    let mut script = Command::new("script");
    script.current_dir(dir).env("HOME", dir).args(["-qefc", &format!("{program} {args}"), "/dev/null"]);
    let output = script.stdin(Stdio::null()).stderr(Stdio::null()).output().expect("script starts");
    let text = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    let mut plain = String::new();
    let mut parts = text.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        match part.split_once('m') {
            Some((code, rest)) if code.chars().all(|c| c.is_ascii_digit() || c == ';') => plain.push_str(rest),
            Some(_) | None => plain.push_str(&format!("\u{1b}[{part}")),
        }
    }
    plain
}

#[test]
fn documents_are_exact_in_a_pipe_and_harmless_on_a_terminal() {
    let stub = Stub::start(|seen| answer(seen.target.split('?').next().unwrap_or_default()));
    let wishes = hostile_site(stub.addr());
    let dir = wishes.clone_dir();
    let piped = String::from_utf8(run(&dir, &["show", "n1", "--cloud-init"]).stdout).expect("text");
    assert!(piped.contains(HOSTILE), "{piped:?}");
    for args in ["show n1 --cloud-init --script", "show n1 --blame", "check .", "log n1 -p"] {
        judge(args, &on_a_terminal(&dir, args));
    }
    hostile_mistakes(&wishes);
    judge("check", &on_a_terminal(&dir, "check ."));
    let muster = command(wishes.root()).get_program().to_string_lossy().into_owned();
    let log = on_a_terminal(
        wishes.root(),
        &format!(
            "serve --repo {} --listen 127.0.0.1:0 --store t.redb & for i in $(seq 300); do {muster} status --store t.redb \
             2>&1 | grep -q ^refused && break; sleep 0.2; done; kill $!; wait",
            wishes.bare().display(),
        ),
    );
    assert!(log.contains("INFO") && log.contains("PWN"), "{log:?}");
    judge("the log as text", &log);
}
