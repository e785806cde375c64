//! The built `muster` as a process: commands that end, and `muster serve`, which runs until it is stopped or dropped.
//!
//! It knows of the server only what a supervisor does: its arguments, its log lines, its signals.

use super::http::{self, Answer};
use serde_json::Value;
use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What a busy machine may take until the server listens, and until it says what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

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
    child: Child,
    log: Arc<Log>,
    readers: Vec<JoinHandle<()>>,
    boot: SocketAddr,
    api: String,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    grown: Condvar,
}

#[derive(Default)]
struct Lines {
    all: Vec<String>,
    closed: usize,
}

impl Served {
    /// Serves `repo` on a free port of loopback with the store at `store`, and waits until it listens.
    ///
    /// `more` may name a `--listen` of its own: in a network namespace every port is free.
    ///
    /// # Panics
    /// When it ends or says nothing of `listening` in half a minute; the message holds its log.
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
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("muster starts");
        let log = Arc::<Log>::default();
        let readers = vec![
            follow(child.stdout.take().expect("it is a pipe"), Arc::clone(&log)),
            follow(child.stderr.take().expect("it is a pipe"), Arc::clone(&log)),
        ];
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut served = Served { child, log, readers, boot: nowhere, api: String::new() };
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
        self.child.id()
    }

    /// Returns all that it wrote so far, line by line.
    pub fn log(&self) -> Vec<String> {
        self.log.lines.lock().expect("no thread panics with the lock").all.clone()
    }

    /// Waits for a JSON log line whose `fields` are as `wanted`, past or to come; returns the line.
    ///
    /// # Panics
    /// When it does not come; the message holds `what` and the log.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.log.lines.lock().expect("no thread panics with the lock");
        let mut read = 0;
        loop {
            for line in &lines.all[read..] {
                match serde_json::from_str::<Value>(line) {
                    Ok(value) if wanted(&value["fields"]) => return value,
                    Ok(_) | Err(_) => {}
                }
            }
            read = lines.all.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.closed == 2 {
                let said = lines.all.join("\n");
                drop(lines);
                panic!("muster serve did not say: {what}. It said:\n{said}");
            }
            lines = self.log.grown.wait_timeout(lines, left).expect("no thread panics with the lock").0;
        }
    }

    /// Asks it to end (SIGTERM), and waits for it; returns how it ended and its whole log.
    ///
    /// # Panics
    /// When it goes on for half a minute.
    pub fn stop(self) -> (ExitStatus, Vec<String>) {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().expect("kill starts");
        assert!(asked.success(), "muster serve was already gone:\n{}", self.log().join("\n"));
        self.ended()
    }

    /// Waits for it to end by itself; returns how it ended and its whole log.
    ///
    /// # Panics
    /// When it goes on for half a minute.
    pub fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("our child can be waited for") {
                self.readers.drain(..).for_each(|reader| reader.join().expect("a reader does not panic"));
                return (status, self.log());
            }
            assert!(Instant::now() < deadline, "muster serve does not end:\n{}", self.log().join("\n"));
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as a power cut would (SIGKILL).
    pub fn kill(mut self) {
        self.end();
    }

    /// Does so, and returns all that it wrote until then.
    pub fn killed(mut self) -> Vec<String> {
        self.end();
        self.readers.drain(..).for_each(|reader| reader.join().expect("a reader does not panic"));
        self.log()
    }

    fn end(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end();
    }
}

fn follow(pipe: impl Read + Send + 'static, log: Arc<Log>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            log.lines.lock().expect("no thread panics").all.push(String::from_utf8_lossy(&line).into_owned());
            log.grown.notify_all();
        }
        log.lines.lock().expect("no thread panics").closed += 1;
        log.grown.notify_all();
    })
}
