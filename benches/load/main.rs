//! The load run: `muster serve` against a bare axum handler, interleaved in one run, and what a push costs.
//!
//! Absolute times are noise on shared machines, so every rate stands beside the reference's of the same minute. The load
//! tool and the reference are this same program, started again as processes of their own.

#![expect(clippy::disallowed_methods, reason = "a benchmark: it starts processes, writes fixtures and reads clocks")]

#[path = "../support/mod.rs"]
mod support;

mod bare;
mod bomb;
mod boots;
mod client;
mod curl;
mod diff;
mod fleet;
mod flood;
mod hook;
mod landing;
mod log;
mod observed;
mod process;
mod reference;
mod resident;
mod start;
mod steady;
mod survey;
mod swap;
mod table;

use std::time::Duration;

use client::Manner;
use process::{Child, Muster};
use table::{Row, Spread};

/// How long one measurement lasts.
const SLICE: Duration = Duration::from_secs(3);

/// How many pairs are measured.
const PAIRS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["as-client", address, nodes, millis, manner] => client::main(address, nodes, millis, manner),
        ["as-reference", body] => reference::main(body),
        ["as-swap", nodes] => swap::main(nodes),
        ["as-bare", settings, paths, at_once] => bare::main(settings, paths, at_once),
        ["as-steady", address] => steady::main(address),
        ["as-boots", address] => boots::main(address),
        ["as-flood", address, millis] => flood::main(address, millis),
        ["as-curl", address] => curl::main(address),
        // cargo adds --bench; a further word measures one part only.
        words => run(words.iter().find(|word| !word.starts_with("--")).copied()),
    }
}

fn run(only: Option<&str>) {
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut rows = Vec::new();
    if wanted("cold") {
        landing::cold(folder.path(), 10_000, "check of a commit, cold, 10,000 nodes", "<= 0.4", &mut rows);
        landing::cold(folder.path(), 100_000, "check of a commit, cold, 100,000 nodes", "<= 4.0", &mut rows);
    }
    if wanted("reference") || wanted("connections") || wanted("push") {
        let repository = landing::repository(folder.path(), 10_000);
        let muster = Muster::start(&repository, &folder.path().join("ten.redb"));
        if wanted("reference") {
            against_reference(&muster, 10_000, &mut rows);
        }
        if wanted("connections") {
            one_each(&muster, 10_000, &mut rows);
        }
        if wanted("push") {
            landing::push(&muster, &repository, 10_000, &mut rows);
        }
    }
    if wanted("size") || wanted("memory") {
        let (few, many) = (landing::repository(folder.path(), 1_000), landing::repository(folder.path(), 100_000));
        let small = Muster::start(&few, &folder.path().join("one.redb"));
        let large = Muster::start(&many, &folder.path().join("hundred.redb"));
        if wanted("size") {
            by_size(&small, &large, &mut rows);
        }
        drop(small);
        if wanted("memory") {
            landing::memory(&large, &many, 100_000, &mut rows);
        }
    }
    if wanted("resident") {
        resident::measure(folder.path(), &mut rows);
    }
    if wanted("flood") {
        flood::measure(folder.path(), &mut rows);
    }
    if wanted("bomb") {
        bomb::measure(folder.path(), &mut rows);
    }
    if wanted("start") {
        start::measure(folder.path(), 100_000, &mut rows);
    }
    if wanted("swap") {
        swapping(10_000, &mut rows);
    }
    if wanted("survey") {
        survey::deep(folder.path(), &mut rows);
    }
    if wanted("hostile") {
        survey::hostile(folder.path(), &mut rows);
    }
    if wanted("sweep") {
        survey::sweep(folder.path(), &mut rows);
    }
    if wanted("observed-memory") || wanted("drift") {
        observed::measure(folder.path(), wanted("observed-memory"), wanted("drift"), &mut rows);
    }
    if wanted("boots-under-survey") {
        steady::measure(folder.path(), &mut rows);
    }
    if wanted("boots10k") {
        boots::measure(folder.path(), &mut rows);
    }
    if wanted("hook") {
        hook::measure(folder.path(), &mut rows);
    }
    if wanted("log") {
        log::measure(folder.path(), &mut rows);
    }
    if wanted("diff") {
        diff::measure(folder.path(), &mut rows);
    }
    if wanted("landing") {
        curl::measure(folder.path(), &mut rows);
    }
    table::print(&rows);
    assert!(rows.iter().all(|row| row.errors == 0), "a request failed or an answer mixed two commits");
}

/// Requests per second and server CPU per request, against a bare handler that returns a constant of the same size.
fn against_reference(muster: &Muster, nodes: usize, rows: &mut Vec<Row>) {
    let sample = client::once(&muster.boot, &support::fixture::mac(1));
    let reference = Child::start("as-reference", &[&sample]);
    let (mut rate, mut cpu, mut errors) = (Vec::new(), Vec::new(), 0);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let a = measure(muster.pid, &muster.boot, nodes, Manner::KeptAlive);
        let b = measure(reference.pid, &reference.address, nodes, Manner::KeptAlive);
        rate.push(a.rate / b.rate);
        cpu.push(a.cpu_micros / b.cpu_micros);
        ours.push(a.rate);
        theirs.push(b.rate);
        errors += a.errors + b.errors;
    }
    rows.push(Row::ratio("bootscript requests/s, muster : bare axum", Spread::of(rate), ">= 0.80", errors));
    rows.push(Row::ratio("bootscript server CPU/request, muster : bare axum", Spread::of(cpu), "<= 1.30", errors));
    rows.push(Row::plain("bootscript requests/s, muster, 10,000 nodes", Spread::of(ours), "1/s"));
    rows.push(Row::plain("requests/s, bare axum", Spread::of(theirs), "1/s"));
}

/// The same with a connection for each request, in shorter slices and more of them: the kernel's part varies.
fn one_each(muster: &Muster, nodes: usize, rows: &mut Vec<Row>) {
    let sample = client::once(&muster.boot, &support::fixture::mac(1));
    let reference = Child::start("as-reference", &[&sample]);
    let (mut rate, mut cpu, mut ours, mut theirs, mut errors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..PAIRS * 3 {
        let a = measure(muster.pid, &muster.boot, nodes, Manner::OneEach);
        let b = measure(reference.pid, &reference.address, nodes, Manner::OneEach);
        rate.push(a.rate / b.rate);
        cpu.push(a.cpu_micros / b.cpu_micros);
        ours.push(a.cpu_micros);
        theirs.push(b.cpu_micros);
        errors += a.errors + b.errors;
    }
    rows.push(Row::ratio("one request a connection, CPU, muster : bare axum", Spread::of(cpu), "<= 1.05", errors));
    rows.push(Row::ratio("one request a connection, requests/s, the same", Spread::of(rate), "", errors));
    rows.push(Row::plain("one request a connection, CPU, muster", Spread::of(ours), "us"));
    rows.push(Row::plain("one request a connection, CPU, bare axum", Spread::of(theirs), "us"));
}

/// Requests per second at 100,000 nodes against 1,000.
fn by_size(small: &Muster, large: &Muster, rows: &mut Vec<Row>) {
    let (mut ratio, mut errors) = (Vec::new(), 0);
    for _ in 0..PAIRS {
        let a = measure(large.pid, &large.boot, 100_000, Manner::KeptAlive);
        let b = measure(small.pid, &small.boot, 1_000, Manner::KeptAlive);
        ratio.push(a.rate / b.rate);
        errors += a.errors + b.errors;
    }
    rows.push(Row::ratio("bootscript requests/s, 100,000 : 1,000 nodes", Spread::of(ratio), ">= 0.85", errors));
}

/// Errors and mixed answers while two prebuilt Snapshots are swapped ten times a second.
fn swapping(nodes: usize, rows: &mut Vec<Row>) {
    let server = Child::start("as-swap", &[&nodes.to_string()]);
    let report = client::run(&server.address, nodes, SLICE * 3, Manner::KeptAlive);
    let errors = report.errors + report.mixed;
    let spread = Spread::of(vec![report.requests as f64]);
    rows.push(Row { errors, ..Row::plain("requests answered under ten swaps a second", spread, "") });
    rows.push(Row::ratio("errors and mixed answers under swaps", Spread::of(vec![errors as f64]), "= 0", errors));
}

struct Measured {
    rate: f64,
    cpu_micros: f64,
    errors: u64,
}

fn measure(pid: u32, address: &str, nodes: usize, manner: Manner) -> Measured {
    let slice = match manner {
        Manner::KeptAlive => SLICE,
        Manner::OneEach => SLICE / 2,
    };
    let before = process::cpu(pid);
    let report = client::run(address, nodes, slice, manner);
    let spent = process::cpu(pid) - before;
    Measured {
        rate: report.requests as f64 / report.seconds,
        cpu_micros: spent.as_secs_f64() * 1e6 / report.requests.max(1) as f64,
        errors: report.errors + report.mixed,
    }
}
