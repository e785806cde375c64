//! Servers as processes of their own, and what they cost.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// `muster serve` over a repository.
pub struct Muster {
    process: std::process::Child,
    pub pid: u32,
    pub boot: String,
    pub api: String,
}

impl Muster {
    /// Starts the server and waits until it serves the repository's commit and has stored it.
    pub fn start(repository: &Path, store: &Path) -> Self {
        Self::start_with(repository, store, &[])
    }

    /// Does so with more flags.
    pub fn start_with(repository: &Path, store: &Path, flags: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(["serve", "--listen", "127.0.0.1:0", "--repo"])
            .arg(repository)
            .arg("--store")
            .arg(store)
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .expect("muster starts");
        let log = BufReader::new(process.stderr.take().expect("the log is piped"));
        let mut lines = log.lines().map_while(Result::ok);
        let (mut boot, mut api) = (None, None);
        for line in lines.by_ref() {
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let fields = &entry["fields"];
            match fields["message"].as_str() {
                Some("listening") => {
                    boot = fields["boot"].as_str().map(str::to_owned);
                    api = fields["api"].as_str().map(str::to_owned);
                }
                Some("commit stored") => break,
                _ => {}
            }
        }
        // The log is read on, so that the server never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let pid = process.id();
        let [boot, api] = [boot, api].map(|address| address.expect("muster says where it listens"));
        Self { process, pid, boot, api }
    }

    /// Lets the server end what it does.
    pub fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the server lives");
        self.process.wait().expect("the server ends");
    }
}

impl Drop for Muster {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This program started again as a server, which prints its address.
pub struct Child {
    process: std::process::Child,
    pub pid: u32,
    pub address: String,
}

impl Child {
    /// Starts a server of this program and waits for its address.
    pub fn start(kind: &str, arguments: &[&str]) -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let mut process =
            Command::new(own).arg(kind).args(arguments).stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut address = String::new();
        let stdout = process.stdout.take().expect("the output is piped");
        BufReader::new(stdout).read_line(&mut address).expect("the server prints its address");
        Self { pid: process.id(), process, address: address.trim().to_owned() }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the processor time that a process has used: user and system, all threads.
pub fn cpu(pid: u32) -> Duration {
    times(&pid.to_string(), 11)
}

/// Returns the processor time of all processes that were started here and have ended.
pub fn cpu_of_children() -> Duration {
    times("self", 13)
}

/// Sums up two fields of a process, by the number of the first after its name.
fn times(process: &str, first: usize) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process lives");
    let after_name = stat.rsplit_once(')').expect("the name is in parentheses").1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[first..first + 2].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    // Linux counts in hundredths of a second here, whatever its own tick is.
    Duration::from_millis(ticks * 10)
}

/// Returns the most memory that a process ever had resident, in MiB.
pub fn peak_mib(pid: u32) -> f64 {
    peak_mib_so_far(pid).expect("the process lives")
}

/// Returns the same of a process that may be gone.
pub fn peak_mib_so_far(pid: u32) -> Option<f64> {
    status_mib(pid, "VmHWM:")
}

/// Returns the memory that a process has resident now, in MiB.
pub fn resident_mib(pid: u32) -> f64 {
    status_mib(pid, "VmRSS:").expect("the process lives")
}

fn status_mib(pid: u32, field: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<f64>().expect("a number") / 1024.0)
}

/// Lists the processes that a process started and that have not ended.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}
