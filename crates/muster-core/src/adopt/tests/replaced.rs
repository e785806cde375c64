//! Parts that were replaced in machines that are declared.

use super::world::{World, mac, options, system, texts};
use crate::adopt::{Options, Scope};
use crate::model::MacAddr;
use crate::observed::{Claim, Reading};

/// Says which lines differ: their number from 1, before and after.
fn changed(before: &str, after: &str) -> Vec<(usize, String, String)> {
    assert_eq!(before.lines().count(), after.lines().count());
    let lines = before.split('\n').zip(after.split('\n')).zip(1..);
    lines.filter(|((a, b), _)| a != b).map(|((a, b), line)| (line, a.into(), b.into())).collect()
}

#[test]
fn a_replaced_mainboard_is_a_change_of_one_row() {
    let mut world = World::new();
    world.wishes = world.wishes.replace("SN1,\n", "SN1,\r\n");
    let mut board = system("1", Some("SN99"), &[mac(1)]);
    board.facts.uuid = Some(uuid::Uuid::from_u128(7));
    world.survey("nid0001", "https://10.1.0.1", vec![board]);
    let adoption = world.adopted(&options());
    let [edit] = adoption.edits.as_slice() else { panic!("{}", texts(&adoption)) };
    assert_eq!(
        changed(edit.before.as_deref().unwrap(), &edit.after),
        [(4, "nid0001,02:00:00:00:00:01,,SN1,\r".into(), "nid0001,02:00:00:00:00:01,,SN99,\r".into())]
    );
    assert!(adoption.notes.is_empty(), "{:?}", adoption.notes);
}

#[test]
fn a_replaced_card_is_found_by_its_slot_or_because_it_is_the_only_one() {
    let mut world = World::new();
    // The declared addresses sat in slots 0 and 1.
    let new = [MacAddr([2, 0, 0, 0, 9, 2]), MacAddr([2, 0, 0, 0, 9, 1])];
    world.survey("nid0002", "https://10.1.0.2", vec![system("1", Some("SN2"), &new)]);
    world.survey("nid0001", "https://10.1.0.1", vec![system("1", Some("SN1"), &[MacAddr([2, 0, 0, 0, 9, 3])])]);
    let adoption = world.adopted(&options());
    let [edit] = adoption.edits.as_slice() else { panic!("{}", texts(&adoption)) };
    let lines: Vec<String> =
        changed(edit.before.as_deref().unwrap(), &edit.after).into_iter().map(|line| line.2).collect();
    assert_eq!(lines, ["nid0001,02:00:00:00:09:03,,SN1,", "nid0002,02:00:00:00:09:02,02:00:00:00:09:01, SN2 ,"]);
    let only = Options { scope: Scope::Nodes(vec![0]), ..options() };
    let adoption = world.adopt(&only).unwrap();
    assert_eq!(changed(adoption.edits[0].before.as_deref().unwrap(), &adoption.edits[0].after).len(), 1);
}

#[test]
fn cards_that_cannot_be_told_apart_are_asked_for() {
    let mut world = World::new();
    let mut machine = system("1", Some("SN2"), &[MacAddr([2, 0, 0, 0, 9, 1]), MacAddr([2, 0, 0, 0, 9, 2])]);
    if let Reading::Seen(nics) = &mut machine.nics {
        nics.iter_mut().for_each(|nic| nic.id = format!("new {}", nic.id).into());
    }
    world.survey("nid0002", "https://10.1.0.2", vec![machine]);
    let adoption = world.adopted(&options());
    assert!(adoption.edits.is_empty() && adoption.notes[0].contains("--nic"), "{adoption:?}");
    let named =
        Options { scope: Scope::Nodes(vec![1]), nics: vec![("eth1".into(), MacAddr([2, 0, 0, 0, 9, 1]))], ..options() };
    let adoption = world.adopted(&Options { scope: Scope::Nodes(vec![1]), ..named });
    // The other one is the only one left.
    assert!(texts(&adoption).contains("nid0002,02:00:00:00:09:02,02:00:00:00:09:01, SN2 ,"), "{}", texts(&adoption));
}

#[test]
fn a_literal_of_one_node_is_replaced_and_a_pattern_of_several_is_not() {
    let facts = "name,nics.eth0.mac,nics.eth1.mac, serial,uuid\n\nnid0001,02:00:00:00:00:01,,SN1,\nnid0002,02:00:00:00:00:02,02:00:00:00:01:02, SN2 ,\n";
    let several = World::new().edit(facts, "name,uuid\n").edit("nid = \"[1-2]\"", "serial = \"SN[1-2]\"");
    let replace =
        |world: &mut World| world.survey("nid0001", "https://10.1.0.1", vec![system("1", Some("SN\"9"), &[mac(1)])]);
    let mut world = several.clone();
    replace(&mut world);
    let adoption = world.adopted(&options());
    assert!(adoption.edits.is_empty() && adoption.notes[0].contains("nodes/n.toml:3"), "{adoption:?}");
    let mut world = several.edit("nid[0001-0002]", "nid0001").edit("SN[1-2]", "SN1").edit("10.1.0.[1-2]", "10.1.0.1");
    world.observed.bmcs.remove("nid0002");
    replace(&mut world);
    let adoption = world.adopted(&options());
    let [edit] = adoption.edits.as_slice() else { panic!("{adoption:?}") };
    let lines = changed(edit.before.as_deref().unwrap(), &edit.after);
    assert_eq!(lines, [(3, "serial = \"SN1\"".into(), "serial = \"SN\\\"9\"".into())]);
}

#[test]
fn an_address_of_one_node_of_a_pattern_gets_a_set() {
    let facts = "name,nics.eth0.mac,nics.eth1.mac, serial,uuid\n\nnid0001,02:00:00:00:00:01,,SN1,\nnid0002,02:00:00:00:00:02,02:00:00:00:01:02, SN2 ,\n";
    let nics = "{ name = \"eth0\", boot = true, mac = \"02:00:00:00:00:0[1-2]\" }";
    let world =
        World::new().edit(facts, "name,uuid\n").edit("{ name = \"eth0\", boot = true }, { name = \"eth1\" }", nics);
    let mut world = world.edit("nid = \"[1-2]\"", "serial = \"SN[1-2]\"");
    world.survey("nid0001", "https://10.1.0.1", vec![system("1", Some("SN1"), &[mac(1)])]);
    world.survey("nid0002", "https://10.1.0.2", vec![system("1", Some("SN2"), &[mac(9)])]);

    let adoption = world.adopted(&options());
    let [edit] = adoption.edits.as_slice() else { panic!("{adoption:?}") };
    assert_eq!(adoption.counts(), (0, 0, 1), "{adoption:?}");
    assert_eq!((edit.path.as_str(), edit.before.as_deref()), ("nodes/adopted.toml", None));
    assert_eq!(
        edit.after,
        "[[set]]\nnodes = \"nid0002\"\nnics  = [{ name = \"eth0\", mac = \"02:00:00:00:00:09\" }]\n"
    );

    // The set is found again, and the next address takes its place there.
    world.wishes.push_str(&format!("//- {}\n{}", edit.path, edit.after));
    world.survey("nid0002", "https://10.1.0.2", vec![system("1", Some("SN2"), &[mac(8)])]);
    let again = world.adopted(&options());
    let [edit] = again.edits.as_slice() else { panic!("{again:?}") };
    assert_eq!(edit.after.matches("[[set]]").count(), 1, "{}", edit.after);
    assert!(edit.after.contains("02:00:00:00:00:08"), "{}", edit.after);
}

#[test]
fn a_machine_that_moved_is_left_to_a_person() {
    let mut world = World::new();
    let (one, two) = (system("1", Some("SN1"), &[mac(1)]), system("1", Some("SN2"), &[mac(2)]));
    world.survey("nid0001", "https://10.1.0.1", vec![two]);
    world.survey("nid0002", "https://10.1.0.2", vec![one]);
    let adoption = world.adopted(&options());
    assert!(adoption.edits.is_empty(), "{}", texts(&adoption));
    assert_eq!(adoption.notes.len(), 2, "{:?}", adoption.notes);
}

#[test]
fn claimed_addresses_become_facts_in_the_empty_cells() {
    let mut world = World::new().edit("[defaults]\n", "[defaults]\nmacs = \"from-bmc\"\n");
    let wishes = world.wishes.replace("nid0001,02:00:00:00:00:01,,", "nid0001,,,");
    world.wishes = wishes;
    let claim =
        |node: &str, macs: Vec<MacAddr>| Claim { node: node.into(), bmc: node.into(), system: "1".into(), macs, at: 1 };
    world.observed.claims = vec![claim("nid0001", vec![mac(1)])];
    assert!(world.adopted(&options()).edits.is_empty());
    let adoption = world.adopted(&Options { macs: true, ..options() });
    assert!(texts(&adoption).contains("\nnid0001,02:00:00:00:00:01,,SN1,\n"), "{}", texts(&adoption));
}
