//! Commits that hurt whoever builds them: the last good one is served on, orders are obeyed, and no start tries them again.

use super::*;
use std::fs;
use std::process::Command;

fn order(wishes: &Wishes, args: &[&str]) -> (Option<i32>, String) {
    let output = ends(wishes.root(), &[args, &["--store", "muster.redb"]].concat(), &[("USER", "ada")]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// Publishes a commit that renders for minutes, though no single template takes more than it may.
fn publish_slow(wishes: &Wishes) -> String {
    wishes.write("nodes/many.toml", "[[node]]\nname = \"m[1-40000]\"\ncloud_init = { user_data = \"slow.yaml.j2\" }\n");
    let slow = "#cloud-config\nn: {% for i in range(9000) %}{% if i + 1 == 0 %}{{ name }}{% endif %}{% endfor %}1\n";
    wishes.write("cloud-init/slow.yaml.j2", slow);
    wishes.publish("slow")
}

fn mend(wishes: &Wishes) -> String {
    wishes.remove("nodes/many.toml");
    wishes.remove("cloud-init/slow.yaml.j2");
    publish_image(wishes, "mended")
}

fn until_building(served: &Served, commit: &str) {
    until(served, "it is built", |status| status["building"]["id"] == commit);
}

#[track_caller]
fn until_refused(served: &Served, commit: &str, why: &str) -> Value {
    let status = until(served, "it is refused", |status| status["refused"]["revision"]["id"] == commit);
    let reason = status["refused"]["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains(why) && reason.contains("push a commit that mends it"), "{reason}");
    assert!(status["building"].is_null(), "{status:#}");
    status
}

/// Finds the process in which a server builds.
fn builder_of(served: &Served) -> u32 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tasks = fs::read_dir(format!("/proc/{}/task", served.pid())).expect("the server runs");
        let children = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
        let all: Vec<u32> =
            children.flat_map(|line| line.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect();
        let builds = |pid: &&u32| {
            fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("build-in-child"))
        };
        if let Some(pid) = all.iter().find(builds) {
            return *pid;
        }
        assert!(Instant::now() < deadline, "nothing builds");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn orders_are_obeyed_while_a_commit_is_built_and_the_end_of_the_server_waits_for_none() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    let slow = publish_slow(&wishes);
    until_building(&served, &slow);
    let (_, said) = order(&wishes, &["status"]);
    assert!(said.contains(&format!("building  {} slow (since ", &slow[..12])), "{said}");

    let (code, said) = order(&wishes, &["pin", "main~1", "--reason", "slow"]);
    assert_eq!(code, Some(0), "{said}");
    assert_serves(&served, "one", &first);
    until_building(&served, &slow);
    let builder = builder_of(&served);
    let (code, log) = served.stop();
    assert!(code.success(), "{log:?}");
    assert!(!Path::new(&format!("/proc/{builder}/environ")).exists(), "the build outlives the server");
}

#[test]
fn a_commit_whose_build_dies_is_refused_now_and_by_the_next_start_until_it_is_mended() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_stored(&served, &first);
    let slow = publish_slow(&wishes);
    let builder = builder_of(&served).to_string();
    assert!(Command::new("kill").args(["-SEGV", &builder]).status().expect("kill runs").success());
    until_refused(&served, &slow, "its build died of signal 11");
    assert_serves(&served, "one", &first);
    served.kill();

    let served = serve(&wishes, &[]);
    until_refused(&served, &slow, "its build died of signal 11");
    assert_serves(&served, "one", &first);
    let events = served.get_api("/api/v1/events");
    assert_eq!(events.text().matches("\"refused\"").count(), 1, "{}", events.text());
    let mended = mend(&wishes);
    until_serving(&served, &mended);
}

#[test]
fn a_commit_that_takes_longer_than_a_build_may_or_more_memory_is_refused() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &["--build-timeout", "4s"]);
    until_serving(&served, &first);
    let slow = publish_slow(&wishes);
    until_refused(&served, &slow, "takes longer than 4s, as `build.timeout` allows");
    let (code, said) = order(&wishes, &["pin", &slow, "--reason", "once more"]);
    assert!(code == Some(2) && said.contains("takes longer than 4s"), "{said}");
    assert_serves(&served, "one", &first);

    served.stop();

    // A server of its own, since a busy machine may take longer than 4 s to fill so much memory.
    let served = serve(&wishes, &["--build-max-mib", "384"]);
    // Three MB of numbers that parse to a hundred times their size.
    let numbers: String = (0..2)
        .map(|file| format!("[[node]]\nname = \"big{file}\"\nvars = {{ a = [{}] }}\n", "1,".repeat(3_900_000)))
        .collect();
    for (at, text) in numbers.split_inclusive("] }\n").enumerate() {
        wishes.write(&format!("nodes/big{at}.toml"), text);
    }
    wishes.remove("nodes/many.toml");
    let big = wishes.publish("big");
    until_refused(&served, &big, "takes more than 384 MiB of memory, as `build.max_mib` allows");
    assert_serves(&served, "one", &first);
}

#[test]
fn a_commit_with_which_the_server_ends_twice_is_not_begun_a_third_time() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_stored(&served, &first);
    let slow = publish_slow(&wishes);
    until_building(&served, &slow);
    // From here on it is a program of its own, and holds nothing of the server's.
    builder_of(&served);
    served.kill();
    let served = serve(&wishes, &[]);
    until_building(&served, &slow);
    // From here on it is a program of its own, and holds nothing of the server's.
    builder_of(&served);
    served.kill();
    let served = serve(&wishes, &[]);
    until_refused(&served, &slow, "this server ended 2 times while it built it");
    assert_serves(&served, "one", &first);
}

#[test]
fn a_lost_store_and_a_repository_that_is_away_leave_the_mirror_to_serve() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let second = publish_image(&wishes, "two");
    until_stored(&served, &second);
    served.kill();
    fs::rename(wishes.bare(), wishes.root().join("away.git")).expect("it is there");

    // The mirror is of this branch, and is nothing to a server of another one.
    fs::remove_file(store(&wishes)).expect("it is there");
    let served = serve(&wishes, &["--branch", "other"]);
    let status = until(&served, "the repository is away", |status| !status["source"]["error"].is_null());
    assert!(status["served"].is_null(), "{status:#}");
    served.kill();

    fs::write(store(&wishes), [0; 8192]).expect("it can be written");
    let served = serve(&wishes, &[]);
    until(&served, "the mirror's commit is served", |status| status["served"]["id"] == second);
    assert_serves(&served, "two", &second);
}
