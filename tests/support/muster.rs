//! The built `muster` as a process: commands that end, and `muster serve`, which runs until it is stopped or dropped.
//!
//! It knows of the server only what a supervisor does: its arguments, its log lines, its signals.

use super::http::{self, Answer};
use serde_json::Value;
use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What a machine that is ten times slower than usual may take until the server listens or says what a test waits for.
const PATIENCE: Duration = Duration::from_secs(180);

/// Prepares `muster` in `dir`, with none of the caller's settings, HOME being `dir`.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.current_dir(dir).env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
    command.env("HOME", dir).env("LC_ALL", "C.UTF-8").env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command
}

/// Runs `muster ARGS` in `dir` until it ends.
pub fn run<A: AsRef<OsStr>>(dir: &Path, args: &[A]) -> Output {
    command(dir).args(args).output().expect("muster starts")
}

/// Holds a running `muster serve`; killed when dropped.
pub struct Served {
    child: Mutex<Child>,
    log: Log,
    boot: SocketAddr,
    api: String,
}

/// What a server wrote so far.
///
/// Both of its streams go into one unlinked file: unlike with a pipe, a line that the server has written can be read at
/// once, so that a test which sees a change in the status finds what was logged before it.
struct Log {
    file: File,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    all: Vec<String>,
    /// The beginning of a line that is not yet written to its end.
    rest: Vec<u8>,
    /// How many bytes of the file were read.
    read: u64,
}

impl Log {
    /// Reads what was written since the last call, and returns all lines.
    fn lines(&self) -> MutexGuard<'_, Lines> {
        let mut lines = self.lines.lock().expect("no thread panics with the lock");
        let mut part = vec![0; 64 << 10];
        loop {
            let length = self.file.read_at(&mut part, lines.read).expect("a log can be read");
            if length == 0 {
                return lines;
            }
            lines.read += length as u64;
            lines.rest.extend_from_slice(&part[..length]);
            while let Some(end) = lines.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = lines.rest.drain(..=end).collect();
                lines.all.push(String::from_utf8_lossy(&line[..end]).into_owned());
            }
        }
    }
}

impl Served {
    /// Serves `repo` on a free port of loopback with the store at `store`, and waits until it listens.
    ///
    /// `more` may name a `--listen` of its own: in a network namespace every port is free.
    ///
    /// # Panics
    /// If it ends or does not log `listening`; the message holds its log.
    pub fn start(repo: &Path, store: &Path, more: &[&str]) -> Served {
        let dir = store.parent().expect("the store stands in a folder");
        let mut command = command(dir);
        command.arg("serve").arg("--repo").arg(repo).arg("--store").arg(store);
        if !more.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(more);
        Served::spawn(command)
    }

    /// Starts any command that writes muster's log lines, and waits until it listens.
    pub fn spawn(mut command: Command) -> Served {
        let file = tempfile::tempfile().expect("a file can be made");
        let shared = || file.try_clone().expect("a file can be shared");
        let child = command.stdout(shared()).stderr(shared()).spawn().expect("muster starts");
        let log = Log { file, lines: Mutex::default() };
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut served = Served { child: Mutex::new(child), log, boot: nowhere, api: String::new() };
        let line = served.wait_for("listening", |fields| fields["message"] == "listening");
        let field = |name: &str| line["fields"][name].as_str().unwrap_or_default().to_owned();
        served.boot = field("boot").parse().unwrap_or_else(|error| panic!("boot address in {line}: {error}"));
        served.api = field("api");
        served
    }

    /// Returns where it answers machines that boot.
    pub fn boot(&self) -> SocketAddr {
        self.boot
    }

    /// Returns where its api listens, as the log says it: `unix:/path` or an address.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// Returns the socket of its api.
    ///
    /// # Panics
    /// When the api listens on TCP.
    pub fn socket(&self) -> PathBuf {
        self.api.strip_prefix("unix:").unwrap_or_else(|| panic!("the api is no socket: {}", self.api)).into()
    }

    /// Gets `target` from the boot listener.
    pub fn get(&self, target: &str) -> Answer {
        http::get(self.boot, target)
    }

    /// Gets `target` from the api, wherever it listens.
    pub fn get_api(&self, target: &str) -> Answer {
        match self.api.strip_prefix("unix:") {
            Some(socket) => http::get_unix(Path::new(socket), target),
            None => http::get(self.api.parse().expect("the api listens on an address"), target),
        }
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.lock().expect("no thread panics with the lock").id()
    }

    /// Returns all that it wrote so far, line by line.
    pub fn log(&self) -> Vec<String> {
        self.log.lines().all.clone()
    }

    /// Waits for a JSON log line whose `fields` are as `wanted`, past or to come; returns the line.
    ///
    /// # Panics
    /// When it does not come; the message holds `what` and the log.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut read = 0;
        loop {
            // Asked before the log is read, so that its last words count.
            let is_over = self.try_wait().is_some() || Instant::now() > deadline;
            let lines = self.log.lines();
            for line in &lines.all[read..] {
                match serde_json::from_str::<Value>(line) {
                    Ok(value) if wanted(&value["fields"]) => return value,
                    Ok(_) | Err(_) => {}
                }
            }
            read = lines.all.len();
            if is_over {
                let said = lines.all.join("\n");
                drop(lines);
                panic!("muster serve did not say: {what}. It said:\n{said}");
            }
            drop(lines);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns how it ended, if it has.
    fn try_wait(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().expect("no thread panics with the lock");
        child.try_wait().expect("our child can be waited for")
    }

    /// Asks it to end (SIGTERM), and waits for it; returns how it ended and its whole log.
    ///
    /// # Panics
    /// If it goes on.
    pub fn stop(self) -> (ExitStatus, Vec<String>) {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().expect("kill starts");
        assert!(asked.success(), "muster serve was already gone:\n{}", self.log().join("\n"));
        self.ended()
    }

    /// Waits for it to end by itself; returns how it ended and its whole log.
    ///
    /// # Panics
    /// If it goes on.
    pub fn ended(self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.try_wait() {
                return (status, self.log());
            }
            assert!(Instant::now() < deadline, "muster serve does not end:\n{}", self.log().join("\n"));
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as a power cut would (SIGKILL).
    pub fn kill(self) {
        self.end();
    }

    /// Does so, and returns all that it wrote until then.
    pub fn killed(self) -> Vec<String> {
        self.end();
        self.log()
    }

    fn end(&self) {
        // A test that panicked with the lock has its server killed all the same.
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // Both fail only if it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end();
    }
}
