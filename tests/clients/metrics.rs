//! What Prometheus reads, judged by its own tools; the rules and the dashboard that come with muster.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::support::http;
use super::support::parts::{self, Part};
use super::{cluster, sample, serve, until};

fn contrib(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(file)
}

/// Runs promtool; returns what it said.
fn promtool(program: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program);
    child.args(arguments).current_dir(contrib("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().expect("promtool starts");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

/// The names of all families in a text.
fn families(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn prometheus_finds_no_fault_in_the_metrics() {
    let Some(program) = parts::require("prometheus_finds_no_fault_in_the_metrics", Part::Promtool) else { return };
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let answer = served.get_api("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let said = promtool(&program, &["check", "metrics"], answer.text());
    assert_eq!(said.trim(), "", "{said}");
    // No label grows with the cluster.
    assert!(!answer.text().contains("n1") && !answer.text().contains("02:00"), "{}", answer.text());
    let samples = answer.text().lines().filter(|line| !line.starts_with('#')).count();
    assert!(samples < 100, "{samples} samples");
}

#[test]
fn what_happens_is_counted() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let ask = |target: &str| {
        let agent = [("User-Agent", "iPXE/1.21.1")];
        http::request(served.boot(), "GET", target, &agent, b"").expect("it answers").status
    };
    let script = |mac: &str| ask(&format!("/boot/v1/bootscript?mac=02:00:00:00:00:{mac}&arch=x86_64"));
    let statuses = [script("01"), script("02"), script("11"), script("12"), script("99"), ask("/boot/v1/bootscript")];
    assert_eq!(statuses, [200, 200, 403, 404, 404, 400]);
    assert_eq!([ask("/nothing"), ask("/boot.ipxe"), ask("/cloud-init/node/n1/meta-data")], [404, 200, 200]);
    for (name, value) in [
        ("muster_boots_total", 2.0),
        ("muster_boot_refusals_total{reason=\"retired\"}", 1.0),
        ("muster_boot_refusals_total{reason=\"nothing\"}", 1.0),
        ("muster_boot_refusals_total{reason=\"unknown\"}", 1.0),
        ("muster_boot_refusals_total{reason=\"malformed\"}", 1.0),
        ("muster_boot_refusals_total{reason=\"held\"}", 0.0),
        ("muster_unknown_requests_total", 1.0),
        ("muster_http_requests_total{route=\"script\",code=\"2xx\"}", 2.0),
        ("muster_http_requests_total{route=\"script\",code=\"4xx\"}", 4.0),
        ("muster_http_requests_total{route=\"loader\",code=\"2xx\"}", 1.0),
        ("muster_http_requests_total{route=\"document\",code=\"2xx\"}", 1.0),
        ("muster_http_requests_total{route=\"other\",code=\"4xx\"}", 1.0),
        ("muster_nodes{state=\"active\"}", 3.0),
        ("muster_nodes{state=\"retired\"}", 1.0),
        ("muster_state{state=\"serving\"}", 1.0),
        ("muster_state{state=\"degraded\"}", 0.0),
        ("muster_commits_total{result=\"accepted\"}", 1.0),
        ("muster_commit_refused", 0.0),
        ("muster_store_state{state=\"ok\"}", 1.0),
    ] {
        assert_eq!(sample(&served, name), value, "{name}");
    }
    assert!(sample(&served, "muster_snapshot_build_seconds") > 0.0);
    let started = sample(&served, "process_start_time_seconds");
    for name in ["muster_repository_last_success_timestamp_seconds", "muster_revision_accepted_timestamp_seconds"] {
        assert!((-60.0..600.0).contains(&(sample(&served, name) - started)), "{name}");
    }
    until("the unknown machine is noted", || sample(&served, "muster_unknown_machines") == 1.0);
    wishes.edit("boot/live.toml", "kernel", "kernle");
    wishes.publish("a mistake");
    until("the commit is refused", || sample(&served, "muster_commit_refused") == 1.0);
    assert_eq!(sample(&served, "muster_commits_total{result=\"refused\"}"), 1.0);
    assert_eq!(sample(&served, "muster_state{state=\"degraded\"}"), 1.0);
}

#[test]
fn a_listener_of_their_own_has_the_metrics_and_nothing_else() {
    let wishes = cluster();
    let served = serve(&wishes, &["--metrics", "127.0.0.1:0"]);
    let line = served.wait_for("listening", |fields| fields["message"] == "listening");
    let address = line["fields"]["metrics"].as_str().expect("it says where").parse().expect("an address");
    assert_eq!(families(http::get(address, "/metrics").text()), families(served.get_api("/metrics").text()));
    for target in ["/", "/api/v1/status", "/webhook", "/boot/v1/bootscript?nid=1", "/metrics/x"] {
        assert_eq!(http::get(address, target).status, 404, "{target}");
    }
    let answer = http::request(address, "POST", "/metrics", &[], b"x").unwrap();
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")));
    let (status, _) = served.stop();
    assert!(status.success());
}

#[test]
fn the_rules_hold_what_their_tests_say() {
    let Some(program) = parts::require("the_rules_hold_what_their_tests_say", Part::Promtool) else { return };
    let said = promtool(&program, &["check", "rules", "alerts.yml"], "");
    assert!(said.contains("SUCCESS"), "{said}");
    let said = promtool(&program, &["test", "rules", "alerts.test.yml"], "");
    assert!(said.contains("SUCCESS"), "{said}");
    // Every alert has a test that it is raised in.
    let (rules, tests) = (fs::read_to_string(contrib("alerts.yml")), fs::read_to_string(contrib("alerts.test.yml")));
    let (rules, tests) = (rules.unwrap(), tests.unwrap());
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 8);
    for alert in alerts {
        let raised = tests.split("alertname: ").any(|rest| {
            rest.lines().next() == Some(alert)
                && rest.split("alertname").next().is_some_and(|it| it.contains("exp_labels"))
        });
        assert!(raised, "no test raises {alert}");
    }
}

/// The names in an expression that are metrics: words before a brace, a bracket, an operator or the end, with our prefixes.
fn names(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("muster_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[test]
fn dashboard_and_rules_ask_for_what_is_there_and_for_all_of_it() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let page = served.get_api("/metrics");
    let there = families(page.text());
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(contrib("grafana-dashboard.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let mut expressions = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().expect("a panel asks for something");
        assert!(!targets.is_empty() && panel["title"].as_str().is_some_and(|title| !title.is_empty()), "{panel}");
        for target in targets {
            let expression = target["expr"].as_str().expect("a target has an expression").to_owned();
            assert!(!names(&expression).is_empty(), "{expression}");
            expressions.push(expression);
        }
    }
    let asked: BTreeSet<String> = expressions.iter().flat_map(|expression| names(expression)).collect();
    assert!(asked.is_subset(&there), "nobody tells {:?}", asked.difference(&there).collect::<Vec<_>>());
    let rules = fs::read_to_string(contrib("alerts.yml")).unwrap();
    let watched = names(&rules.lines().filter(|line| !line.trim().starts_with('#')).collect::<String>());
    assert!(watched.is_subset(&there), "nobody tells {:?}", watched.difference(&there).collect::<Vec<_>>());
    // Labels in braces exist with those values.
    let matchers = |text: &str| -> Vec<(String, String)> {
        let pairs = text.split(['{', ',']).filter_map(|part| part.split_once("=\""));
        pairs.filter_map(|(label, rest)| Some((label.trim().to_owned(), rest.split_once('"')?.0.to_owned()))).collect()
    };
    for (label, value) in expressions
        .iter()
        .flat_map(|expression| matchers(expression))
        .filter(|(label, _)| ["state", "reason", "route", "code", "listener", "result"].contains(&label.as_str()))
    {
        assert!(page.text().contains(&format!("{label}=\"{value}\"")), "nothing has {label}={value}");
    }
    // promtool reads every expression, in a file of rules.
    let Some(program) = parts::require("dashboard_and_rules_ask_for_what_is_there_and_for_all_of_it", Part::Promtool)
    else {
        return;
    };
    let mut file = String::from("groups:\n- name: panels\n  rules:\n");
    for (number, expression) in expressions.iter().enumerate() {
        let expression = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
        file += &format!("  - record: panel:{number}\n    expr: '{}'\n", expression.replace('\'', "''"));
    }
    let path = wishes.root().join("panels.yml");
    fs::write(&path, file).unwrap();
    promtool(&program, &["check", "rules", &path.display().to_string()], "");
}
