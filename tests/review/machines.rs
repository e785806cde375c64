//! The same question asked of two implementations: the real boot server answers every key of every machine at both
//! commits, and `diff` must name exactly the machines that get another byte.

use super::laws::build;
use arc_swap::ArcSwap;
use axum::http::Request;
use http_body_util::{BodyExt, Empty};
use muster::change::{self, Change, MachineChange, Reach, Subject};
use muster::http::{Boot, Client, Serving};
use muster::model::{MacAddr, Tree};
use muster::snapshot::Snapshot;
use muster::view::{SourceView, Status, StoreState, StoreView};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The pairs of commits; `MUSTER_LAWS` asks for more.
fn cases() -> u32 {
    env::var("MUSTER_LAWS").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}

/// One address in every region that networks of [`Site`] divide, and one outside of them.
const VANTAGES: [&str; 4] = ["127.0.0.1", "10.0.0.250", "10.0.1.250", "192.0.2.1"];

const ARCHES: [&str; 3] = ["", "&arch=x86_64", "&arch=aarch64"];

const DOCUMENTS: [&str; 4] = ["meta-data", "user-data", "vendor-data", "network-config"];

/// How a value of a variable is written: one number in several kinds, and what is written alike in templates.
const NUMBERS: [&str; 5] = ["1", "1.0", "\"1\"", "\"1.0\"", "true"];

/// A made-up cluster in which order, kinds of values, keys and networks vary.
#[derive(Debug, Clone)]
struct Site {
    nodes: Vec<Machine>,
    /// Whether `eth1` comes before `eth0`.
    swapped_nics: bool,
    /// Which interface says that it boots.
    boot_nic: Option<usize>,
    /// Whether interfaces are in networks.
    has_networks: bool,
    var: usize,
    meta: usize,
    /// The URLs of the cluster, of its networks `p` and `q` (which lies in `p`), and of `lo`.
    advertise: [Option<u8>; 4],
    unknown: usize,
    swapped_layers: bool,
    /// Whether nodes, and the files that they are in, come in the opposite order.
    reversed: bool,
    files: u8,
    params: usize,
    template: usize,
    delay: u8,
}

#[derive(Debug, Clone)]
struct Machine {
    name: u8,
    macs: [Option<u8>; 2],
    nid: Option<u8>,
    serial: Option<u8>,
    uuid: Option<u8>,
    /// The interface and the last part of its address.
    ip: Option<(usize, u8)>,
    groups: [bool; 2],
    state: usize,
    boot: usize,
}

fn some<T: Clone + std::fmt::Debug + 'static>(of: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<T>> {
    proptest::option::weighted(0.6, of).boxed()
}

fn machine(at: u8) -> impl Strategy<Value = Machine> {
    let keys = (some(Just(10 + at)), some(Just(20 + at)), some(Just(at)), some(0..4u8), some(0..4u8));
    let rest = (some((0..2usize, 1..9u8)), any::<[bool; 2]>(), 0..6usize, 0..8usize);
    (keys, rest).prop_map(move |((first, second, nid, serial, uuid), (ip, groups, state, boot))| Machine {
        name: at,
        macs: [first, second],
        nid,
        serial,
        uuid,
        ip,
        groups,
        state,
        boot,
    })
}

fn sites() -> impl Strategy<Value = Site> {
    let nodes = (1..5u8).prop_flat_map(|count| (1..=count).map(machine).collect::<Vec<_>>());
    let urls = || some(0..3u8);
    let order = (any::<bool>(), some(0..2usize), any::<bool>(), any::<bool>(), any::<bool>());
    let rest = (0..5usize, 0..5usize, [urls(), urls(), urls(), urls()], 0..4usize, 0..3usize, 0..5usize, 0..2u8);
    (nodes, order, rest).prop_map(|(nodes, order, (var, meta, advertise, unknown, params, template, delay))| Site {
        nodes,
        swapped_nics: order.0,
        boot_nic: order.1,
        has_networks: order.2,
        swapped_layers: order.3,
        reversed: order.4,
        files: 1,
        var,
        meta,
        advertise,
        unknown,
        params,
        template,
        delay,
    })
}

impl Site {
    /// Makes one edit; what it would make of no use is left out by [`Self::tidy`].
    fn edit(&mut self, (what, at, value): (u8, usize, u8)) {
        let count = self.nodes.len();
        let at = at % count;
        let number = usize::from(value);
        match what {
            0 => self.swapped_nics ^= true,
            1 => self.boot_nic = number.checked_sub(1).map(|nic| nic % 2),
            2 => self.has_networks ^= true,
            3 => self.var = number % NUMBERS.len(),
            4 => self.meta = number % NUMBERS.len(),
            5 => self.advertise[at % 4] = value.checked_sub(1).map(|url| url % 3),
            6 => self.unknown = number % 4,
            7 => self.swapped_layers ^= true,
            8 => self.reversed ^= true,
            9 => self.files = 1 + value % 3,
            10 => self.params = number % 3,
            11 => self.template = number % 5,
            12 => self.delay = value % 2,
            13 => self.nodes[at].macs[number % 2] = value.checked_sub(3).map(|mac| 10 + mac % 16),
            14 => self.nodes[at].macs.swap(0, 1),
            15 => self.nodes[at].nid = value.checked_sub(3),
            16 => self.nodes[at].serial = value.checked_sub(1).map(|serial| serial % 4),
            17 => self.nodes[at].uuid = value.checked_sub(1).map(|uuid| uuid % 4),
            18 => self.nodes[at].ip = value.checked_sub(1).map(|ip| (number % 2, 1 + ip % 8)),
            19 => self.nodes[at].groups[number % 2] ^= true,
            20 => self.nodes[at].state = number % 6,
            21 => self.nodes[at].boot = number % 8,
            22 => self.nodes[at].name = 1 + value,
            23 if count > 1 => drop(self.nodes.remove(at)),
            24 => {
                let mut twin = self.nodes[at].clone();
                (twin.name, twin.nid, twin.macs) = (30 + value, None, [None, None]);
                self.nodes.push(twin);
            }
            25 => {
                // A column that slipped by a row.
                let macs: Vec<_> = self.nodes.iter().map(|node| node.macs).collect();
                (0..count).for_each(|to| self.nodes[to].macs = macs[(to + 1) % count]);
            }
            _ => {}
        }
        self.tidy();
    }

    /// Takes out what `check` refuses: what stands twice and must not.
    fn tidy(&mut self) {
        let (mut names, mut macs, mut nids, mut ips) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        self.nodes.retain(|node| names.insert(node.name));
        for node in &mut self.nodes {
            node.macs = node.macs.map(|mac| mac.filter(|mac| macs.insert(*mac)));
            node.nid = node.nid.filter(|nid| nids.insert(*nid));
            let network = |nic: usize| if self.has_networks { nic } else { 0 };
            node.ip = node.ip.filter(|(nic, ip)| ips.insert((network(*nic), *ip)));
        }
    }

    fn tree(&self) -> Tree {
        let url = |which: usize| {
            self.advertise[which].map(|url| format!("advertise = \"http://10.9.9.{url}:80\"\n")).unwrap_or_default()
        };
        let unknown =
            ["action = \"refuse\"", "action = \"retry\"", "action = \"boot\"\nboot = \"any\"", ""][self.unknown];
        let layers = if self.swapped_layers { ["g1", "g0"] } else { ["g0", "g1"] };
        let mut text = format!(
            "//- cluster.toml\nname = \"c\"\n{}retry_delay = {}\nlayers = {layers:?}\n[defaults]\nboot = \"live\"\n\
             params = {}\nvars = {{ x = {} }}\n\
             cloud_init = {{ user_data = \"u.j2\", meta_data = {{ n = {} }} }}\nnics = [{}]\n",
            url(0),
            10 + self.delay,
            ["[\"root=x\", \"+--\", \"single\"]", "[\"rd.break\", \"root=x\", \"+--\", \"single\"]", "[]"][self.params],
            NUMBERS[self.var],
            NUMBERS[self.meta],
            self.nics(),
        );
        if !unknown.is_empty() {
            let _ = writeln!(text, "[unknown]\n{unknown}");
        }
        let own = [
            "",
            "x: {{ vars.x }}\n",
            "in: {{ groups | join(' ') }}\nat: {{ server }}\n",
            "first: {{ nics.eth0.mac | default('none') }} {{ mac | default('none') }}\n",
            "help: write <name>, such as {{ name }}\n",
        ][self.template];
        let _ = write!(
            text,
            "//- cloud-init/u.j2\n#cloud-config\n{own}//- cloud-init/g0.yaml\n#cloud-config\na: 1\n\
             //- cloud-init/g1.yaml\n#cloud-config\nb: 1\n\
             //- boot/live.toml\nkind = \"live\"\nkernel = \"http://h/k\"\n\
             //- boot/any.toml\nkind = \"live\"\nkernel = \"http://h/any\"\nparams = [\"report={{{{ server }}}}\"]\n\
             //- boot/disk.toml\nkind = \"local\"\n\
             //- groups/g0.toml\ncloud_init = {{ vendor_data = \"g0.yaml\" }}\n\
             //- groups/g1.toml\ncloud_init = {{ vendor_data = \"g1.yaml\" }}\nparams = [\"g1\"]\n\
             //- networks/p.toml\ncidr = \"10.0.0.0/16\"\ndomain = \"p.org\"\ngateway = \"10.0.0.254\"\n{}\
             //- networks/q.toml\ncidr = \"10.0.1.0/24\"\ndomain = \"q.org\"\n{}\
             //- networks/lo.toml\ncidr = \"127.0.0.0/8\"\n{}",
            url(1),
            url(2),
            url(3),
        );
        self.write_nodes(&mut text);
        Tree::from_fixture(&text)
    }

    fn nics(&self) -> String {
        let one = |nic: usize| {
            let network =
                if self.has_networks { format!(", network = \"{}\"", ["p", "q"][nic]) } else { String::new() };
            let boot = if self.boot_nic == Some(nic) { ", boot = true" } else { "" };
            format!("{{ name = \"eth{nic}\"{network}{boot} }}")
        };
        let order = if self.swapped_nics { [1, 0] } else { [0, 1] };
        order.map(one).join(", ")
    }

    fn write_nodes(&self, text: &mut String) {
        let mut files: Vec<String> = vec![String::new(); usize::from(self.files)];
        let mut nodes: Vec<&Machine> = self.nodes.iter().collect();
        if self.reversed {
            nodes.reverse();
        }
        for node in nodes {
            node.write(&mut files[usize::from(node.name) % usize::from(self.files)]);
        }
        for (at, file) in files.iter().enumerate().filter(|(_, file)| !file.is_empty()) {
            let at = if self.reversed { 9 - at } else { at };
            let _ = writeln!(text, "//- nodes/{at}.toml\n{file}");
        }
    }
}

impl Machine {
    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "[[node]]\nname = \"n{}\"", self.name);
        if let Some(nid) = self.nid {
            let _ = writeln!(text, "nid = {nid}");
        }
        if let Some(serial) = self.serial {
            let _ = writeln!(text, "serial = \"S{serial}X7\"");
        }
        if let Some(uuid) = self.uuid {
            let _ = writeln!(text, "uuid = \"6f6960b5-0568-5495-af5c-00000000000{uuid}\"");
        }
        let state = ["active", "active", "active", "active", "spare", "retired"][self.state];
        let boot = ["", "", "", "", "", "any", "disk", "disk"][self.boot];
        let groups: Vec<String> = (0..2).filter(|at| self.groups[*at]).map(|at| format!("g{at}")).collect();
        let _ = writeln!(text, "state = \"{state}\"\ngroups = {groups:?}");
        if !boot.is_empty() {
            let _ = writeln!(text, "boot = \"{boot}\"");
        }
        let nic = |at: usize| {
            let mac = self.macs[at].map(|mac| format!(", mac = \"02:00:00:00:00:{mac:02x}\"")).unwrap_or_default();
            // Both networks have this address.
            let ip = self.ip.filter(|(nic, _)| *nic == at).map(|(_, ip)| format!(", ip = \"10.0.1.{ip}\""));
            format!("{{ name = \"eth{at}\"{mac}{} }}", ip.unwrap_or_default())
        };
        let _ = writeln!(text, "nics = [{}, {}]", nic(0), nic(1));
    }
}

/// Something that a machine may ask: by what it names itself, and the paths of its questions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Mac(MacAddr),
    Uuid(String),
    Serial(String),
    Nid(u32),
    Name(String),
    Address(IpAddr),
}

impl Asked {
    fn all(snapshot: &Snapshot) -> Vec<Self> {
        let mut all = Vec::new();
        for node in snapshot.nodes() {
            all.push(Self::Name(node.name.to_string()));
            all.extend(node.nid.map(|nid| Self::Nid(nid.value)));
            all.extend(node.serial.as_ref().map(|serial| Self::Serial(serial.value.to_string())));
            all.extend(node.uuid.map(|uuid| Self::Uuid(uuid.value.to_string())));
            for nic in &node.nics {
                all.extend(nic.mac.map(|mac| Self::Mac(mac.value)));
                all.extend(nic.ips.iter().map(|ip| Self::Address(ip.value)));
            }
        }
        all
    }

    fn find(&self, snapshot: &Snapshot) -> Option<usize> {
        match self {
            Self::Mac(mac) => snapshot.by_mac(*mac),
            Self::Uuid(uuid) => snapshot.by_uuid(uuid.parse().expect("a UUID")),
            Self::Serial(serial) => snapshot.by_serial(serial),
            Self::Nid(nid) => snapshot.by_nid(*nid),
            Self::Name(name) => snapshot.by_name(name),
            Self::Address(address) => snapshot.by_ip(*address),
        }
    }

    /// Lists what it asks for, and from where.
    fn questions(&self) -> Vec<(String, &str)> {
        let by = match self {
            Self::Mac(mac) => format!("mac={mac}"),
            Self::Uuid(uuid) => format!("uuid={uuid}"),
            Self::Serial(serial) => format!("serial={serial}"),
            Self::Nid(nid) => format!("nid={nid}"),
            Self::Name(name) => format!("name={name}"),
            Self::Address(_) => return DOCUMENTS.iter().map(|kind| (format!("/cloud-init/{kind}"), "")).collect(),
        };
        let mut paths: Vec<String> = ARCHES.iter().map(|arch| format!("/boot/v1/bootscript?{by}{arch}")).collect();
        if let Self::Name(name) = self {
            paths.extend(DOCUMENTS.iter().map(|kind| format!("/cloud-init/node/{name}/{kind}")));
        }
        let from = |path: String| VANTAGES.iter().map(move |vantage| (path.clone(), *vantage));
        paths.into_iter().flat_map(from).collect()
    }
}

/// A real boot server without its sockets.
struct Server {
    boot: Boot,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    fn of(snapshot: &Arc<Snapshot>) -> Self {
        let source = SourceView {
            tag: None,
            warning: None,
            repository: "/srv/wishes.git".into(),
            branch: "main".into(),
            path: String::new(),
            last_check: None,
            error: None,
        };
        let store = StoreView { path: "/srv/store.redb".into(), state: StoreState::Ok, error: None };
        let status = Arc::new(Status::starting(source, store, "2026-11-23T10:00:00Z".into()));
        let serving = Serving::next(&Serving::starting(Arc::clone(&status)), Arc::clone(snapshot), status);
        let (unknown, _) = mpsc::channel(1);
        let boot = Boot::new(Arc::new(ArcSwap::from_pointee(serving)), "http://192.0.2.99:8270", unknown);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        Self { boot, runtime }
    }

    /// Answers a question, but for the time that an answer names.
    fn answer(&self, path: &str, address: IpAddr) -> (u16, String) {
        let request = Request::get(path).body(Empty::<bytes::Bytes>::new()).expect("a request");
        let answer = self.runtime.block_on(self.boot.answer(request, Client::At(address)));
        let status = answer.status().as_u16();
        let body = self.runtime.block_on(answer.into_body().collect()).expect("it is in memory").to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        let timeless = text.lines().map(|line| line.split("&ts=").next().unwrap_or_default()).collect::<Vec<_>>();
        (status, timeless.join("\n"))
    }

    /// Answers all that a machine asks.
    fn answers(&self, asked: &Asked) -> Vec<(u16, String)> {
        let own = match asked {
            Asked::Address(address) => Some(*address),
            _ => None,
        };
        let questions = asked.questions();
        let at = |from: &str| own.unwrap_or_else(|| from.parse().expect("an address"));
        questions.iter().map(|(path, from)| self.answer(path, at(from))).collect()
    }
}

/// Holds what `diff` names against what two servers answer.
fn judge(change: &Change) -> Result<usize, TestCaseError> {
    let (base, head) = (Server::of(&change.base), Server::of(&change.head));
    let stranger = Asked::Mac(MacAddr::parse("02:ee:ee:ee:ee:ee").expect("an address"));
    let mut asked: Vec<Asked> = Asked::all(&change.base);
    asked.extend(Asked::all(&change.head));
    asked.sort();
    asked.dedup();

    // Nodes by their places on each side, of those that something asks for and gets another answer.
    let (mut want_base, mut want_head) = (BTreeSet::new(), BTreeSet::new());
    let mut differing = 0;
    for asked in &asked {
        if base.answers(asked) == head.answers(asked) {
            continue;
        }
        differing += 1;
        let found = (asked.find(&change.base), asked.find(&change.head));
        let told = change.machines.iter().filter(|machine| machine.subject == Subject::Node);
        let told: Vec<&MachineChange> = told.filter(|machine| machine.reach() != Reach::Compared).collect();
        let is_told = |node: Option<usize>, side: fn(&MachineChange) -> Option<usize>| {
            node.is_none_or(|node| told.iter().any(|machine| side(machine) == Some(node)))
        };
        prop_assert!(is_told(found.0, |machine| machine.base), "{asked:?} loses something that is not told");
        prop_assert!(is_told(found.1, |machine| machine.head), "{asked:?} gets something that is not told");
        want_base.extend(found.0);
        want_head.extend(found.1);
        if found == (None, None) {
            prop_assert!(change.machines.iter().any(|machine| machine.subject == Subject::Unknown), "{asked:?}");
        }
    }

    for machine in change.machines.iter().filter(|machine| machine.subject == Subject::Node) {
        let is_wanted = machine.base.is_some_and(|at| want_base.contains(&at))
            || machine.head.is_some_and(|at| want_head.contains(&at));
        prop_assert_eq!(machine.reach() != Reach::Compared, is_wanted, "{}: {:?}", machine.name, machine);
        prop_assert!(!machine.is_unexplained(), "{}: no value explains {:?}", machine.name, machine.patches);
    }
    let unknown = change.machines.iter().filter(|machine| machine.subject == Subject::Unknown).count();
    prop_assert_eq!(unknown > 0, base.answers(&stranger) != head.answers(&stranger));
    Ok(differing)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn diff_names_exactly_the_machines_that_get_another_byte(
        site in sites(), edits in proptest::collection::vec((0..26u8, 0..8usize, 0..16u8), 1..4),
    ) {
        let mut base = site;
        base.tidy();
        let mut head = base.clone();
        edits.iter().for_each(|edit| head.edit(*edit));
        let change = change::compare(&build(&base.tree()), &build(&head.tree()), None);
        judge(&change)?;
    }
}

fn compared(base: &str, head: &str) -> Change {
    let rest = "//- boot/live.toml\nkind = \"live\"\nkernel = \"http://h/k\"\n\
                //- cloud-init/u.j2\n#cloud-config\nx: {{ vars.x }}\n";
    let tree = |text: &str| Tree::from_fixture(&format!("{text}\n{rest}"));
    let change = change::compare(&build(&tree(base)), &build(&tree(head)), None);
    judge(&change).expect("what is told is what differs");
    change
}

fn keys(change: &Change, name: &str) -> Vec<String> {
    let machine = change.machines.iter().find(|machine| &*machine.name == name);
    let machine = machine.unwrap_or_else(|| panic!("{name} is told of"));
    machine.values.iter().map(|value| value.key.to_string()).collect()
}

#[test]
fn what_comes_in_another_order_is_told_and_why() {
    let site = |nics: &str, layers: &str| {
        format!(
            "//- cluster.toml\nname = \"c\"\nlayers = [{layers}]\n[defaults]\nboot = \"live\"\n\
             cloud_init = {{ user_data = \"u.j2\" }}\nvars = {{ x = 1 }}\nnics = [{nics}]\n\
             //- groups/a.toml\nparams = [\"+one\"]\n//- groups/b.toml\nparams = [\"+two\"]\n\
             //- networks/front.toml\ncidr = \"10.2.0.0/16\"\ndomain = \"front.example\"\n\
             //- networks/back.toml\ncidr = \"10.3.0.0/16\"\ndomain = \"back.example\"\n\
             //- nodes/n.toml\n[[node]]\nname = \"n1\"\ngroups = [\"a\", \"b\"]\n"
        )
    };
    let (front, back) = ("{ name = \"f\", network = \"front\" }", "{ name = \"b\", network = \"back\" }");
    let base = site(&format!("{front}, {back}"), "\"a\", \"b\"");
    let change = compared(&base, &site(&format!("{back}, {front}"), "\"a\", \"b\""));
    assert_eq!(keys(&change, "n1"), ["order of nics"]);
    let change = compared(&base, &site(&format!("{front}, {back}"), "\"b\", \"a\""));
    assert!(keys(&change, "n1").contains(&"order of groups".to_owned()), "{:?}", keys(&change, "n1"));
}

#[test]
fn a_number_of_another_kind_is_another_value() {
    let site = |x: &str, n: &str| {
        format!(
            "//- cluster.toml\nname = \"c\"\n[defaults]\nboot = \"live\"\nvars = {{ x = {x} }}\n\
             cloud_init = {{ user_data = \"u.j2\", meta_data = {{ n = {n} }} }}\n\
             //- nodes/n.toml\n[[node]]\nname = \"n1\"\n"
        )
    };
    assert_eq!(keys(&compared(&site("1", "[1]"), &site("1.0", "[1]")), "n1"), ["vars.x"]);
    assert_eq!(keys(&compared(&site("1", "[1]"), &site("1", "[1.0]")), "n1"), ["meta_data.n"]);
}

#[test]
fn a_node_that_its_key_finds_no_more_is_told_with_whom_it_shares_it() {
    let site = |more: &str| {
        format!(
            "//- cluster.toml\nname = \"c\"\n[defaults]\nboot = \"live\"\n\
             //- networks/wide.toml\ncidr = \"10.0.0.0/8\"\n//- networks/narrow.toml\ncidr = \"10.7.0.0/16\"\n\
             //- nodes/n.toml\n[[node]]\nname = \"n1\"\nuuid = \"0a1b2c3d-0568-5495-af5c-000000000007\"\n\
             nics = [{{ name = \"e\", network = \"wide\", ip = \"10.7.0.1\" }}]\n{more}"
        )
    };
    let twin = "[[node]]\nname = \"n2\"\nuuid = \"0a1b2c3d-0568-5495-af5c-000000000007\"\n";
    let change = compared(&site(""), &site(twin));
    assert_eq!(keys(&change, "n1"), ["found by uuid"]);
    let value = change.machines[0].values[0].new.as_ref().expect("it says why");
    assert_eq!(&*value.text, "0a1b2c3d-0568-5495-af5c-000000000007 is shared with n2 and finds neither");
    assert_eq!(value.spot.as_ref().map(|spot| spot.line), Some(7), "where the other declares it");
    assert_eq!(change.machines[0].reach(), Reach::Found);
    assert_eq!(keys(&compared(&site(twin), &site("")), "n1"), ["found by uuid"], "and on the way back");

    let twin = "[[node]]\nname = \"n2\"\nnics = [{ name = \"e\", network = \"narrow\", ip = \"10.7.0.1\" }]\n";
    assert_eq!(keys(&compared(&site(""), &site(twin)), "n1"), ["found by address"]);
}

#[test]
fn a_network_around_a_machine_changes_how_it_reaches_the_server() {
    let site = |advertise: &str, url: &str| {
        format!(
            "//- cluster.toml\nname = \"c\"\n{advertise}[defaults]\nboot = \"live\"\n\
             [unknown]\naction = \"boot\"\nboot = \"live\"\n//- networks/here.toml\ncidr = \"127.0.0.0/8\"\n{url}\
             //- nodes/n.toml\n[[node]]\nname = \"n1\"\n"
        )
    };
    let url = "advertise = \"http://127.0.0.2:80\"\n";
    let change = compared(&site("", ""), &site("", url));
    assert_eq!(keys(&change, "n1"), ["networks.here.advertise"]);
    assert_eq!(change.machines.iter().filter(|machine| machine.subject == Subject::Unknown).count(), 3);
    let stated = "advertise = \"http://10.9.9.9:80\"\n";
    let change = compared(&site(stated, ""), &site(stated, url));
    assert!(change.machines.iter().all(|machine| machine.subject == Subject::Unknown), "the node reaches it as before");
    let text = change.text(&change.machines[1], change::Part::Script, change::Side::Head);
    assert!(text.contains("http://127.0.0.2:80\u{1}path\u{2}"), "{text}");
    // One way to the server in one script, whichever it is.
    assert!(!text.contains("10.9.9.9") && text.contains("s=http://127.0.0.2:80/cloud-init/"), "{text}");
}
