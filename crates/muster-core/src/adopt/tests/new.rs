//! Machines that nobody declares.

use super::world::{World, mac, nic, options, service, system, texts};
use crate::adopt::{Broken, Options, Unfit, proven};
use crate::observed::{BootOption, BootSettings, Failure, FailureKind, Manager, NicKind, Outcome, Reading, SeenNic};

#[test]
fn equal_machines_at_regular_addresses_are_one_table() {
    let mut world = World::new();
    for at in 3..=5 {
        let serial = format!("SN{at}");
        world.stranger(&format!("https://10.1.0.{at}"), vec![system("1", Some(&serial), &[mac(at), mac(at + 100)])]);
    }
    let adoption = world.adopted(&Options { groups: vec!["g".into()], expect: true, ..options() });
    assert_eq!(
        texts(&adoption),
        r#"//- nodes/adopted.facts.csv
name,nics.eth0.mac,nics.eth1.mac,serial
nid0003,02:00:00:00:00:03,02:00:00:00:00:67,SN3
nid0004,02:00:00:00:00:04,02:00:00:00:00:68,SN4
nid0005,02:00:00:00:00:05,02:00:00:00:00:69,SN5
//- nodes/adopted.toml
# Acme R1
[[node]]
name   = "nid[0003-0005]"
nid    = "[3-5]"
arch   = "x86_64"
bmc    = { url = "https://10.1.0.[3-5]" }
groups = ["g"]
nics   = [{ name = "eth0", boot = true }, { name = "eth1" }]

[node.expect]
manufacturer = "Acme"
memory_gib   = 512
model        = "R1"
"#
    );
    assert_eq!(adoption.notes, ["nid[0003-0005]: which interface it boots from is a guess; check `boot = true`"]);
}

#[test]
fn what_is_not_known_of_new_machines_is_said() {
    let mut world = World::new();
    let mut silent = system("1", Some("SN7"), &[]);
    silent.nics = Reading::Failed(Failure::new(FailureKind::ServerError, "GET /x: it answered 500"));
    silent.summary.processor_model = None;
    world.stranger("https://10.1.0.7", vec![silent]);
    let mut partial = system("1", Some("SN8"), &[mac(8)]);
    partial.nics_unread = Some(Failure::new(FailureKind::Missing, "GET /y: it answered 404"));
    world.stranger("https://10.1.0.8", vec![partial]);
    let notes = world.adopted(&options()).notes;
    for part in [
        "nid0003: no Ethernet address to boot by is known: GET /x: it answered 500",
        "nid0003: its BMC does not report its architecture",
        "nid0004: not all interfaces could be read, so some may be missing: GET /y",
    ] {
        assert!(notes.iter().any(|note| note.starts_with(part)), "{part}: {notes:?}");
    }
    assert_eq!(notes.len(), 3, "{notes:?}");
}

#[test]
fn systems_that_share_a_bmc_get_a_table_for_it() {
    let mut world = World::new();
    for at in [7, 9] {
        let nodes = vec![system("Node0", None, &[mac(at)]), system("Node1", None, &[mac(at + 1)])];
        let mut both = service(nodes);
        let manager = Manager { macs: Reading::Seen(vec![mac(at + 100)]), ..Manager::default() };
        both.managers = Reading::Seen(vec![manager]);
        let url = format!("https://10.1.0.{at}");
        world.survey_service(&url, &url, both);
    }
    let adoption = world.adopted(&Options { names: Some("x[1-4]".into()), ..options() });
    assert_eq!(
        texts(&adoption),
        r#"//- nodes/adopted.facts.csv
name,mac,nics.eth0.mac
x1-bmc,02:00:00:00:00:6b,
x3-bmc,02:00:00:00:00:6d,
x1,,02:00:00:00:00:07
x2,,02:00:00:00:00:08
x3,,02:00:00:00:00:09
x4,,02:00:00:00:00:0a
//- nodes/adopted.toml
[[bmc]]
name = "x[1,3]-bmc"
url  = "https://10.1.0.[7,9]"

# Acme R1
[[node]]
name   = "x[1-4]"
arch   = "x86_64"
bmc    = "x[1,1,3,3]-bmc"
system = "Node[0,1,0,1]"
nics   = [{ name = "eth0", boot = true }]
"#
    );
}

#[test]
fn a_second_system_behind_a_declared_bmc_is_a_node_of_it() {
    let mut world =
        World::new().edit("bmc = { url = \"https://10.1.0.[1-2]\" }", "bmc = \"b[1-2]\"\nsystem = \"1\"").edit(
            "//- nodes/n.facts.csv",
            "[[bmc]]\nname = \"b[1-2]\"\nurl = \"https://10.1.0.[1-2]\"\n//- nodes/n.facts.csv",
        );
    world.observed.bmcs.clear();
    world.survey("b1", "https://10.1.0.1", vec![system("1", Some("SN1"), &[mac(1)]), system("2", None, &[])]);
    let adoption = world.adopted(&options());
    let text = texts(&adoption);
    assert!(text.contains("bmc    = \"b1\"\nsystem = \"2\"\n"), "{text}");
    assert!(!text.contains("[[bmc]]") && !text.contains("nics"), "{text}");
}

#[test]
fn what_several_machines_show_is_written_for_none() {
    let mut world = World::new();
    for at in 3..=4 {
        let shared = [mac(200), mac(at), mac(2)];
        world.stranger(&format!("https://10.1.0.{at}"), vec![system("1", Some("0123456789"), &shared)]);
    }
    let text = texts(&world.adopted(&options()));
    assert!(
        !text.contains("0123456789") && !text.contains("c8") && text.contains(":03\n") && text.contains(":04\n"),
        "{text}"
    );
}

#[test]
fn the_address_that_asked_or_is_first_in_the_boot_order_is_the_boot_interface() {
    let mut world = World::new();
    let mut ordered = system("1", None, &[mac(10), mac(11)]);
    let option = |reference: &str, number| BootOption { reference: reference.into(), name: None, mac: number };
    ordered.boot = Reading::Seen(BootSettings {
        order: vec!["Boot2".into(), "Boot1".into()],
        options: vec![option("Boot1", Some(mac(10))), option("Boot2", Some(mac(11)))],
        ..BootSettings::default()
    });
    world.stranger("https://10.1.0.3", vec![ordered]);
    let text = texts(&world.adopted(&options()));
    assert!(text.contains("nid0003,02:00:00:00:00:0b,02:00:00:00:00:0a\n"), "{text}");
}

#[test]
fn interfaces_that_layers_name_keep_their_names() {
    let mut world = World::new().edit("eth0\", boot = true", "eth0\"").edit(
        "vars = { a = \"b\" }",
        "nics = [{ name = \"hsn0\", boot = true }, { name = \"ib9\", kind = \"infiniband\" }]",
    );
    let mut machine = system("1", None, &[mac(10), mac(11)]);
    let guid = crate::model::Guid::parse("0c42a10300a1b2c3").unwrap();
    let infiniband = SeenNic { mac: None, guid: Some(guid), kind: NicKind::Infiniband, ..nic("ib", mac(1)) };
    let link = SeenNic { kind: NicKind::HostToBmc, ..nic("usb", mac(99)) };
    if let Reading::Seen(nics) = &mut machine.nics {
        nics.extend([infiniband, link]);
    }
    world.stranger("https://10.1.0.3", vec![machine]);
    let text = texts(&world.adopted(&Options { groups: vec!["g".into()], ..options() }));
    assert!(
        text.contains("nics   = [{ name = \"hsn0\" }, { name = \"eth0\" }, { name = \"ib9\", kind = \"infiniband\" }]"),
        "{text}"
    );
    assert!(text.contains("name,nics.eth0.mac,nics.hsn0.mac,nics.ib9.guid"), "{text}");
    assert!(!text.contains(":63"), "{text}");
}

#[test]
fn a_bmc_without_servers_is_declared_and_one_that_is_silent_is_not() {
    let mut world = World::new();
    world.stranger("https://10.1.0.40", Vec::new());
    world.stranger("https://10.1.0.41", Vec::new());
    world.stranger("https://10.1.0.50", vec![system("1", None, &[mac(50)])]);
    let failure = Failure::new(FailureKind::TimedOut, "no answer in 10 s");
    world.observe("https://10.1.0.50", "https://10.1.0.50", Outcome::Failed(failure));
    let adoption = world.adopted(&options());
    assert_eq!(
        texts(&adoption),
        "//- nodes/adopted.toml\n[[bmc]]\nname = \"bmc-10-1-0-[40-41]\"\nurl  = \"https://10.1.0.[40-41]\"\nkind = \"chassis\"\n"
    );
    assert!(adoption.notes[0].contains("did not answer"), "{:?}", adoption.notes);
}

#[test]
fn a_machine_that_moved_is_not_adopted() {
    let mut world = World::new();
    world.survey("nid0001", "https://10.1.0.1", Vec::new());
    world.stranger("https://10.1.0.9", vec![system("1", Some("SN1"), &[mac(1)])]);
    let mut observed = world.observed.clone();
    // What was seen behind the first BMC is gone from there.
    observed.bmcs.get_mut("nid0001").unwrap().history = crate::observed::History::default();
    world.observed = observed;
    let adoption = world.adopted(&options());
    assert!(adoption.edits.is_empty(), "{}", texts(&adoption));
    assert!(adoption.notes.iter().any(|note| note.contains("nid0001, which has moved")), "{:?}", adoption.notes);
}

#[test]
fn nodes_that_would_boot_nothing_are_spares() {
    let mut world = World::new()
        .edit("boot = \"b\"\n[defaults.bmc]", "[defaults.bmc]")
        .edit("vars = { a = \"b\" }", "boot = \"b\"");
    world.stranger("https://10.1.0.3", vec![system("1", None, &[mac(3)])]);
    let adoption = world.adopted(&options());
    assert!(texts(&adoption).contains("state = \"spare\""), "{}", texts(&adoption));
    assert!(adoption.notes[0].contains("spares"));
    let adoption = world.adopted(&Options { groups: vec!["g".into()], ..options() });
    assert!(!texts(&adoption).contains("spare"));
}

#[test]
fn files_that_are_there_are_added_to() {
    let mut world = World::new();
    world.stranger("https://10.1.0.3", vec![system("1", Some("SN3"), &[mac(3)])]);
    let into = Options { into: "nodes/n.toml".into(), ..options() };
    let adoption = world.adopted(&into);
    let [facts, tables] = adoption.edits.as_slice() else { panic!("{}", texts(&adoption)) };
    let added = facts.after.strip_prefix(facts.before.as_deref().unwrap()).unwrap();
    assert_eq!(added, "nid0003,02:00:00:00:00:03,,SN3,\n");
    assert!(tables.after.starts_with(tables.before.as_deref().unwrap()));
    // A column that the file lacks makes another file.
    let lacking =
        world.edit("name,nics.eth0.mac,nics.eth1.mac, serial,uuid", "name,nics.eth0.mac,nics.eth1.mac,nid,uuid");
    let lacking = World { wishes: lacking.wishes.replace(",SN1,", ",,").replace(", SN2 ,", ",,"), ..lacking };
    let adoption = lacking.adopted(&into);
    assert_eq!(adoption.edits[0].path, "nodes/n-2.facts.csv", "{}", texts(&adoption));
}

#[test]
fn addresses_must_lie_where_the_wishes_say() {
    let mut world = World::new().edit("[defaults.bmc]", "[defaults.bmc]\nnetwork = \"bmc\"").edit(
        "//- boot/b.toml",
        "//- networks/bmc.toml\ncidr = \"10.1.0.0/24\"\n//- networks/far.toml\ncidr = \"10.2.0.0/24\"\n//- boot/b.toml",
    );
    world.stranger("https://10.1.0.3", vec![system("1", None, &[mac(3)])]);
    world.stranger("https://10.2.0.3", vec![system("1", None, &[mac(4)])]);
    world.stranger("https://10.3.0.3", vec![system("1", None, &[mac(5)])]);
    world.stranger("http://10.1.0.3:8080", vec![system("1", None, &[mac(6)])]);
    let adoption = world.adopted(&options());
    let text = texts(&adoption);
    assert!(text.contains("bmc  = { url = \"https://10.2.0.3\", network = \"far\" }"), "{text}");
    assert!(!text.contains("10.3.0.3"), "{text}");
    assert_eq!(adoption.notes.len(), 2, "{:?}", adoption.notes);
}

#[test]
fn what_does_not_fit_is_told() {
    let mut world = World::new();
    world.stranger("https://10.1.0.3", vec![system("1", None, &[mac(3)])]);
    let told = |change: &dyn Fn(&mut Options)| {
        let mut asked = options();
        change(&mut asked);
        world.adopt(&asked).unwrap_err()
    };
    let wrong = Unfit::NameCount { pattern: "x[1-2]".into(), named: 2, found: 1 };
    assert_eq!(told(&|options| options.names = Some("x[1-2]".into())), wrong);
    assert_eq!(told(&|options| options.names = Some("nid0001".into())), Unfit::NameTaken("nid0001".into()));
    assert_eq!(told(&|options| options.groups = vec!["h".into()]), Unfit::Group("h".into()));
    assert_eq!(told(&|options| options.into = "groups/x.toml".into()), Unfit::Into("groups/x.toml".into()));
    assert_eq!(told(&|options| options.nics = vec![("eth0".into(), mac(9))]), Unfit::NicOfMany(2));
    assert!(matches!(told(&|options| options.names = Some("x[".into())), Unfit::Names { .. }));
}

#[test]
fn line_ends_stay_as_they_are() {
    let mut world = World::new();
    let at = world.wishes.find("//- nodes/n.toml").unwrap();
    let last =
        world.wishes[at..].trim_end().replace('\n', "\r\n").replace("csv\r\n", "csv\n").replace("toml\r\n", "toml\n");
    world.wishes.replace_range(at.., &last);
    world.stranger("https://10.1.0.3", vec![system("1", Some("SN3"), &[mac(3)])]);
    let adoption = world.adopted(&Options { into: "nodes/n.toml".into(), ..options() });
    for edit in &adoption.edits {
        let before = edit.before.as_deref().unwrap();
        assert!(edit.after.starts_with(before), "{}", edit.after);
        assert_eq!(edit.after.matches('\n').count(), edit.after.matches("\r\n").count(), "{:?}", edit.after);
    }
}

#[test]
fn an_adoption_that_does_not_say_what_was_seen_is_refused() {
    let mut world = World::new();
    world.stranger("https://10.1.0.3", vec![system("1", Some("SN3"), &[mac(3)])]);
    let sound = world.adopted(&options());
    let broken = |from: &str, to: &str| {
        let mut adoption = sound.clone();
        adoption.edits.iter_mut().for_each(|edit| edit.after = edit.after.replace(from, to));
        assert_ne!(adoption, sound);
        let (before, after) = world.drifts(&adoption);
        proven(&adoption, &before, &after).unwrap_err()
    };
    assert!(matches!(broken("SN3", "SN4"), Broken::Stays(_)));
    assert!(matches!(broken("10.1.0.3", "10.1.0.4"), Broken::Stays(_)));
}
