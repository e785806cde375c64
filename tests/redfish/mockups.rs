//! Answers of real machines, replayed over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};

use muster::model::Quirk;
use muster::observed::{Depth, FailureKind, Manager, Observation, Outcome, Reading, Service, System};
use muster::redfish::{Client, Endpoint, Grounds, Options, TlsRule, survey};
use serde_json::{Value, json};

use crate::facts::{Facts, at, flat};
use crate::replay::{Expand, Harm, Replay};
use crate::support::parts;

/// Finds the trees, or says on one line that a test is skipped.
pub fn trees(test: &str) -> Vec<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/redfish-mockups");
    let folder = env::var_os("MUSTER_MOCKUPS").map_or_else(beside, PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let required = env::var("MUSTER_TEST_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == "mockups"), "{test} needs the mockups: {}", folder.display());
        parts::skip(test, "mockups", "set MUSTER_MOCKUPS to a folder of Redfish mockup trees");
        return Vec::new();
    };
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    all.sort();
    all
}

fn name(tree: &Path) -> &str {
    tree.file_name().unwrap().to_str().unwrap()
}

/// Surveys what a replay serves.
pub async fn look(replay: &Replay, depth: Depth) -> Observation {
    let grounds = Grounds::new(Options { system_roots: false, ..Options::default() }).unwrap();
    let origin = replay.origin();
    let (url, tls) = (origin.parse().unwrap(), TlsRule::Verify);
    let endpoint = Endpoint { name: "bmc1".into(), origin: url, connect: None, tls };
    let client = Client::open(&grounds, endpoint, None).await.expect("the root is read");
    let observation = survey(&client, "bmc1", &origin, depth, || 1_700_000_000_000).await;
    client.close().await;
    observation
}

async fn harmed(tree: &Path, harm: impl IntoIterator<Item = (String, Harm)>) -> Observation {
    look(&Replay::start(tree, harm.into_iter().collect()).await, Depth::Deep).await
}

fn service(observation: &Observation) -> &Service {
    match &observation.outcome {
        Outcome::Seen(service) => service,
        Outcome::Failed(failure) => panic!("it was not seen: {failure}"),
    }
}

#[tokio::test]
async fn every_tree_yields_the_facts_that_a_person_read_in_it() {
    let mut wrong = Vec::new();
    for tree in trees("every_tree_yields_the_facts_that_a_person_read_in_it") {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/redfish/facts/{}.toml", name(&tree)));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{} has no facts", name(&tree)));
        let facts: Facts = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let observation = harmed(&tree, []).await;
        let flat = flat(&observation);
        let mut judge = |what: &str, want: &Value, found: &Value| {
            if want != found {
                wrong.push(format!("{}: {what}: want {want}, found {found}", name(&tree)));
            }
        };
        if let Some(kind) = &facts.failure {
            judge("failure", &json!(kind), &flat["failure"]);
            continue;
        }
        assert!(facts.fact.len() >= 9, "{} has too few facts", name(&tree));
        for fact in &facts.fact {
            let what = format!("{} ({})", fact.what, fact.file);
            judge(&what, &fact.wanted(), &fact.said(&tree));
            judge(&what, &fact.wanted(), at(&flat, &fact.what));
        }
        let mut quirks = facts.quirks.clone();
        quirks.sort_unstable();
        judge("quirks", &json!(quirks), &json!(service(&observation).quirks));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_survey_reads_each_resource_once_and_nothing_but_redfish() {
    for tree in trees("a_survey_reads_each_resource_once_and_nothing_but_redfish") {
        let replay = Replay::start(&tree, BTreeMap::new()).await;
        look(&replay, Depth::Deep).await;
        let mut answered: BTreeMap<String, u32> = BTreeMap::new();
        for request in replay.requests() {
            assert!(request.starts_with("/redfish/v1"), "{}: {request}", name(&tree));
            assert!(request.len() < 300 && !request.contains(".."), "{}: {request}", name(&tree));
            *answered.entry(request).or_default() += 1;
        }
        // What is not there may be asked for a second time in the other form, with or without a slash.
        let twice: Vec<_> = answered.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "{}: {twice:?}", name(&tree));
    }
}

#[tokio::test]
async fn a_sweep_reads_the_systems_and_nothing_else() {
    for tree in trees("a_sweep_reads_the_systems_and_nothing_else") {
        let replay = Replay::start(&tree, BTreeMap::new()).await;
        let observation = look(&replay, Depth::Sweep).await;
        if matches!(observation.outcome, Outcome::Failed(_)) {
            continue;
        }
        let asked = replay.asked();
        let is_swept = |path: &&String| {
            let parts: Vec<&str> = path.split('/').collect();
            parts.len() <= 3 || (parts[3] == "Systems" && parts.len() <= 5)
        };
        let beyond: Vec<&String> = asked.iter().filter(|path| !is_swept(path)).collect();
        assert!(beyond.is_empty(), "{}: {beyond:?}", name(&tree));
        let (swept, deep) = (service(&observation), harmed(&tree, []).await);
        let deep = service(&deep);
        assert_eq!(
            (&swept.managers, &swept.chassis, &swept.firmware),
            (&Reading::Unasked, &Reading::Unasked, &Reading::Unasked)
        );
        let systems = |service: &Service| service.systems.seen().cloned().unwrap_or_default();
        for (one, other) in systems(swept).iter().zip(systems(deep)) {
            assert_eq!(
                (&one.id, &one.facts, &one.power, &one.summary),
                (&other.id, &other.facts, &other.power, &other.summary)
            );
            let asked = (&one.nics, &one.inventory, &one.bios, &one.secure_boot);
            assert_eq!(asked, (&Reading::Unasked, &Reading::Unasked, &Reading::Unasked, &Reading::Unasked));
            let (one, other) = (one.boot.seen(), other.boot.seen());
            assert_eq!(one.map(|boot| (&boot.target, &boot.order)), other.map(|boot| (&boot.target, &boot.order)));
        }
        // A sweep over what is known changes nothing of what it did not ask for.
        assert_eq!(swept.clone().over(deep).systems, deep.systems, "{}", name(&tree));
        assert_eq!(swept.not_servers, deep.not_servers);
    }
}

/// The parts of an observation that can fail apart: by name what was seen, or nothing where it was not.
fn told_parts(observation: &Observation) -> BTreeMap<String, Option<Value>> {
    let mut all = BTreeMap::new();
    let Outcome::Seen(service) = &observation.outcome else { return all };
    fn put<T: serde::Serialize>(all: &mut BTreeMap<String, Option<Value>>, name: String, reading: &Reading<T>) {
        let seen = match reading {
            Reading::Failed(_) => None,
            Reading::Seen(_) | Reading::Absent | Reading::Unasked => Some(serde_json::to_value(reading).unwrap()),
        };
        all.insert(name, seen);
    }
    let own = |manager: &Manager| Manager { macs: Reading::Unasked, in_use: Vec::new(), ..manager.clone() };
    let managers = service.managers.clone().map(|managers| managers.iter().map(own).collect::<Vec<_>>());
    put(&mut all, "managers".into(), &managers);
    for manager in service.managers.seen().into_iter().flatten() {
        put(&mut all, format!("managers {}", manager.id), &manager.macs);
    }
    put(&mut all, "chassis".into(), &service.chassis);
    put(&mut all, "firmware".into(), &service.firmware);
    for system in service.systems.seen().into_iter().flatten() {
        let System { uri, nics, power, boot, bios, secure_boot, inventory, .. } = system;
        put(&mut all, format!("{uri} nics"), nics);
        if system.nics_unread.is_some() {
            all.insert(format!("{uri} nics"), None);
        }
        put(&mut all, format!("{uri} power"), power);
        let menu = boot.seen().filter(|boot| !boot.options.is_empty()).map(|boot| json!(boot.options));
        all.insert(format!("{uri} menu"), menu);
        let own = boot.clone().map(|boot| muster::observed::BootSettings { options: Vec::new(), ..boot });
        put(&mut all, format!("{uri} boot"), &own);
        put(&mut all, format!("{uri} bios"), bios);
        let staged = matches!(bios, Reading::Seen(_)).then(|| json!(system.bios_pending));
        all.insert(format!("{uri} staged"), staged);
        put(&mut all, format!("{uri} secure boot"), secure_boot);
        let set = inventory.seen().and_then(|digest| observation.shared.inventory(*digest));
        let whole = |part: &str| set.filter(|set| set.is_whole(part));
        all.insert(format!("{uri} processors"), whole("processors").map(|set| json!(set.processors)));
        all.insert(format!("{uri} accelerators"), whole("accelerators").map(|set| json!(set.accelerators)));
        all.insert(format!("{uri} memory"), whole("memory").map(|set| json!(set.memory)));
        all.insert(format!("{uri} drives"), whole("drives").map(|set| json!(set.drives)));
    }
    all
}

/// Names the parts that a resource may cost: those whose name holds one of the words.
fn cost(path: &str) -> &'static [&'static str] {
    let has = |word: &str| path.contains(word);
    if has("/Processors") {
        &["processors", "accelerators"]
    } else if has("/Memory") {
        &["memory"]
    } else if has("/Drives") || has("Storage") {
        &["drives"]
    } else if has("/BootOptions") {
        &["menu", "nics"]
    } else if has("/SecureBoot") {
        &["secure boot"]
    } else if has("/Bios") || has("/bios") {
        &["bios", "staged"]
    } else if has("/Network") || (has("/EthernetInterfaces") && has("/Systems/")) {
        &["nics"]
    } else if has("/Managers") {
        // The manager's end of a link to the host tells which interface of the host is its other end.
        &["managers", "nics"]
    } else if has("/Chassis") {
        &["chassis", "nics", "accelerators", "drives"]
    } else if has("/UpdateService") {
        &["firmware"]
    } else if path.ends_with("/SD") || path.ends_with("/Settings") {
        &["boot", "menu"]
    } else {
        // A System itself.
        &[""]
    }
}

/// Compares a harmed survey with a sound one: what was seen is the same, and what is not seen is owed to the harm.
fn judge(tree: &str, path: &str, harm: &Harm, sound: &Observation, harmed: &Observation) {
    let at = format!("{tree}: {path}: {harm:?}");
    let Outcome::Seen(service) = &harmed.outcome else {
        // Only where no System could be judged any more.
        assert!(path.contains("/Systems"), "{at}: the whole survey failed");
        return;
    };
    // A link that is dead in the case in which it is written is tried in the case of its owner.
    if *harm == Harm::Gone && path.contains("/systems/") && told_parts(sound) == told_parts(harmed) {
        return;
    }
    // A settings object that is not there says that nothing is staged.
    let is_settings = ["/SD", "/Settings", "/settings", "/Pending"].iter().any(|end| path.ends_with(end));
    if *harm == Harm::Gone && is_settings && told_parts(sound) == told_parts(harmed) {
        return;
    }
    let is_unread = service.unread.iter().any(|unread| unread.uri.eq_ignore_ascii_case(path));
    assert!(is_unread || service.unread.len() == Service::MAX_UNREAD, "{at}: it is not told as unread");
    let (before, after) = (told_parts(sound), told_parts(harmed));
    let mut lost = false;
    for (part, value) in &before {
        let is_of_lost_list = part.starts_with("managers ") && after["managers"].is_none();
        let found = after.get(part).or_else(|| is_of_lost_list.then_some(&None));
        let found = found.unwrap_or_else(|| panic!("{at}: {part} is not told at all"));
        if found == value {
            continue;
        }
        assert_eq!(*found, None, "{at}: {part} is told otherwise than in the sound tree: {value:?}");
        lost = true;
        let owed = cost(path).iter().any(|word| part.contains(word));
        assert!(owed, "{at}: it cost {part}");
    }
    // A settings object that is not there says that nothing is staged, and one of several Systems may be no server.
    let may_be_nothing = path.ends_with("/SD") || path.ends_with("/Settings") || path.ends_with("/settings");
    let is_board = service.systems.seen().into_iter().flatten().any(|system| *system.uri == *path);
    let was_lost_before =
        cost(path).iter().any(|word| before.iter().any(|(part, seen)| seen.is_none() && part.contains(word)));
    assert!(lost || may_be_nothing || is_board || was_lost_before, "{at}: nothing tells of it");
}

#[tokio::test]
async fn one_bad_resource_costs_that_resource_and_never_in_silence() {
    for tree in trees("one_bad_resource_costs_that_resource_and_never_in_silence") {
        let replay = Replay::start(&tree, BTreeMap::new()).await;
        let sound = look(&replay, Depth::Deep).await;
        if matches!(sound.outcome, Outcome::Failed(_)) {
            continue;
        }
        let there = |path: &&String| tree.join(path.trim_start_matches('/')).join("index.json").is_file();
        let asked: BTreeSet<String> = replay.asked();
        let asked: Vec<&String> = asked.iter().filter(|path| path.len() > "/redfish/v1".len()).filter(there).collect();
        // Every kind of resource once, and some of the many.
        let mut kinds = BTreeSet::new();
        let is_new = |path: &str| {
            kinds.insert(
                path.split('/').skip(3).step_by(2).collect::<Vec<_>>().join("/") + &path.split('/').count().to_string(),
            )
        };
        let mut is_new = is_new;
        let chosen = asked.iter().enumerate().filter(|(number, path)| is_new(path) || number % 17 == 5);
        for (number, (_, path)) in chosen.enumerate() {
            let harm = [Harm::Gone, Harm::Half, Harm::Body("[]".into()), Harm::Body("{\"error\": {}}".into())]
                [number % 4]
                .clone();
            let found = harmed(&tree, [((*path).clone(), harm.clone())]).await;
            judge(name(&tree), path, &harm, &sound, &found);
        }
    }
}

#[tokio::test]
async fn a_link_to_another_host_is_not_followed() {
    let Some(tree) =
        trees("a_link_to_another_host_is_not_followed").into_iter().find(|tree| name(tree) == "supermicro-x10")
    else {
        return;
    };
    let other = Replay::start(&tree, BTreeMap::new()).await;
    let link = format!("{}/redfish/v1/Systems/1/Memory/1", other.origin());
    let body = json!({ "Members": [{ "@odata.id": link }, { "@odata.id": "//example.com/x" }] }).to_string();
    let found = harmed(&tree, [("/redfish/v1/Systems/1/Memory".to_owned(), Harm::Body(body))]).await;
    assert_eq!(other.requests(), [""; 0]);
    let service = service(&found);
    assert!(
        service.unread.iter().any(|unread| unread.failure.kind == FailureKind::CrossOrigin),
        "{:?}",
        service.unread
    );
    assert_eq!(told_parts(&found)["/redfish/v1/Systems/1 memory"], None);
}

#[tokio::test]
async fn oddities_that_no_tree_has_are_read_all_the_same() {
    let Some(tree) = trees("oddities_that_no_tree_has_are_read_all_the_same")
        .into_iter()
        .find(|tree| name(tree) == "supermicro-x10")
    else {
        return;
    };
    let at = |path: &str| format!("/redfish/v1/Systems/1{path}");
    let text = std::fs::read_to_string(tree.join("redfish/v1/Systems/1/index.json")).unwrap();
    let mut system: Value = serde_json::from_str(&text).unwrap();
    system["MemorySummary"]["TotalSystemMemoryGiB"] = json!("64");
    system["SerialNumber"] = json!(12345);
    system["Boot"]["BootOrder"] = json!(["Boot0019: NVMe disk", "Boot0001"]);
    system["Bios"] = json!({ "@odata.id": "/redfish/v1/Systems/1/bios/" });
    system["SecureBoot"] = json!({ "@odata.id": "/redfish/v1/Systems/1/SecureBoot" });
    let harm = [
        (at(""), Harm::Body(system.to_string())),
        (at("/bios"), Harm::Gone),
        (at("/Bios"), Harm::Body(json!({ "Id": "Bios", "Attributes": { "A": 1 } }).to_string())),
        (at("/SecureBoot"), Harm::Status(500, "busy".into())),
        (at("/Processors"), Harm::Body(json!({ "Members": null }).to_string())),
        (at("/Memory"), Harm::Status(403, "this needs a licence key: unlicensed".into())),
    ];
    let found = harmed(&tree, harm).await;
    let quirks = &service(&found).quirks;
    let want =
        [Quirk::CompositeBootOrder, Quirk::WrongCase, Quirk::SecureBootFails, Quirk::NullMembers, Quirk::NumbersAsText];
    for quirk in want {
        assert!(quirks.contains(&quirk), "{} is not in {quirks:?}", quirk.name());
    }
    let flat = flat(&found);
    let told = ["summary/memory_gib", "facts/serial", "boot/order/0", "bios/A", "secure_boot/failed"];
    let told = told.map(|path| crate::facts::at(&flat, &format!("systems/0/{path}")).clone());
    assert_eq!(told, [json!(64), json!("12345"), json!("Boot0019"), json!("1"), json!("server-error")]);
    assert_eq!(told_parts(&found)["/redfish/v1/Systems/1 memory"], None);
    assert_eq!(told_parts(&found)["/redfish/v1/Systems/1 processors"], Some(json!([])));
}

#[tokio::test]
async fn expanding_saves_requests_and_changes_nothing_that_is_seen() {
    for tree in trees("expanding_saves_requests_and_changes_nothing_that_is_seen") {
        let plain = Replay::start(&tree, BTreeMap::new()).await;
        let sound = look(&plain, Depth::Deep).await;
        let Outcome::Seen(of_sound) = &sound.outcome else { continue };
        let offers = name(&tree).starts_with("dell")
            || ["hpe-dl", "lenovo", "nvidia-bluefield", "nvidia-gh200"]
                .iter()
                .any(|start| name(&tree).starts_with(start));
        for expand in [Expand::Sound, Expand::DropsFields, Expand::Refused] {
            let replay = Replay::expanding(&tree, BTreeMap::new(), expand).await;
            let found = look(&replay, Depth::Deep).await;
            let at = format!("{}: {expand:?}", name(&tree));
            assert_eq!(told_parts(&found), told_parts(&sound), "{at}");
            let asked = replay.requests().iter().filter(|uri| uri.contains("$expand")).count();
            // AMI's service offers it and is known to drop fields; others do not offer it.
            let may = offers || name(&tree).starts_with("dmtf");
            assert_eq!(asked > 0, may, "{at}: {asked}");
            let is_noted = service(&found).quirks.contains(&Quirk::ExpandDropsFields);
            assert_eq!(
                is_noted,
                of_sound.quirks.contains(&Quirk::ExpandDropsFields) || (may && expand == Expand::DropsFields),
                "{at}"
            );
            match expand {
                Expand::Sound if offers => assert!(replay.requests().len() < plain.requests().len(), "{at}"),
                Expand::Sound | Expand::Ignored => {}
                // The few that were on their way when the first answer came.
                Expand::DropsFields | Expand::Refused => assert!(asked <= 8, "{at}: {asked}"),
            }
        }
    }
}
