//! A program that prints accounts: its last argument is the name, and its output is JSON.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tracing::warn;
use zeroize::Zeroizing;

use super::account::Account;

/// The time limit of the program: a vault in the same site answers faster.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a failure is kept, so that a thousand BMCs with one name cause one call.
const FAILURE_KEPT: Duration = Duration::from_secs(60);

/// The interval of checks whether the program has ended, once its output has.
const LOOK: Duration = Duration::from_millis(5);

/// The maximum length of its output in bytes.
const MAX_OUTPUT: u64 = 64 * 1024;

/// The maximum number of reported characters of its stderr.
const MAX_COMPLAINT: usize = 300;

/// The shortest word of the output that is removed from the reported stderr.
const SHORTEST_WORD: usize = 3;

/// The program's answer for one name, and its time.
type Answer = Arc<Mutex<Option<(Instant, Result<Account, String>)>>>;

/// The program, and its answers.
#[derive(Debug)]
pub struct Asked {
    program: String,
    arguments: Vec<String>,
    answers: Mutex<BTreeMap<Box<str>, Answer>>,
}

impl Asked {
    /// Creates it from a program and its arguments.
    pub fn new(command: &[String]) -> Option<Self> {
        let (program, arguments) = command.split_first()?;
        Some(Self { program: program.clone(), arguments: arguments.to_vec(), answers: Mutex::default() })
    }

    /// Asks for a name, one call at a time; an account is kept for good and a failure for a minute.
    pub fn ask(&self, name: &str) -> Result<Account, String> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = Arc::clone(answers.entry(name.into()).or_default());
        drop(answers);
        let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, known)) = &*answer
            && (known.is_ok() || at.elapsed() < FAILURE_KEPT)
        {
            return known.clone();
        }
        let fresh = self.run(name).map_err(|fault| format!("`{}` {fault}", self.program));
        *answer = Some((Instant::now(), fresh.clone()));
        fresh
    }

    fn run(&self, name: &str) -> Result<Account, String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(name).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());

        // A process group of its own, so that its children end with it.
        let child = command.process_group(0).spawn().map_err(|error| format!("cannot be started: {error}"))?;
        let mut running = Running { child, has_ended: false };
        let deadline = Instant::now() + PATIENCE;
        let output = read(running.child.stdout.take());
        let complaint = read(running.child.stderr.take());
        let slow = || format!("took over {} s", PATIENCE.as_secs());
        let left = || deadline.saturating_duration_since(Instant::now());
        let output = output.recv_timeout(left()).map_err(|_| slow())?;
        if output.len() as u64 > MAX_OUTPUT {
            return Err(format!("printed over {MAX_OUTPUT} bytes"));
        }

        let complaint = complaint.recv_timeout(left()).map_err(|_| slow())?;
        let status = running.status(deadline).map_err(|error| format!("cannot be waited for: {error}"))?;
        let status = status.ok_or_else(slow)?;
        let account = Account::from_json(&output);
        let complaint = told(&complaint, &output, account.as_ref().ok());

        if !status.success() {
            let complaint = if complaint.is_empty() { complaint } else { format!(": {complaint}") };
            return Err(format!("failed ({status}){complaint}"));
        }

        if !complaint.is_empty() {
            warn!(program = self.program, credential = name, complaint, "the program that tells credentials complains");
        }

        account.map_err(str::to_owned)
    }
}

/// A program that ends, with its children, once its handle is dropped.
struct Running {
    child: Child,
    /// Whether its process id may have been reused.
    has_ended: bool,
}

impl Running {
    /// Waits until it has ended, or until the deadline.
    fn status(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || Instant::now() >= deadline {
                self.has_ended = status.is_some();
                return Ok(status);
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended {
            if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

/// Reads a bounded part of a stream in a thread; the caller may stop waiting for it.
fn read(stream: Option<impl Read + Send + 'static>) -> Receiver<Zeroizing<Vec<u8>>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        if let Some(stream) = stream {
            let _ = stream.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
        }
        let _ = send.send(bytes);
    });
    receive
}

/// Returns the start of stderr on one line, without the password and without any word of the
/// output.
fn told(complaint: &[u8], output: &[u8], account: Option<&Account>) -> String {
    let mut text = Zeroizing::new(String::from_utf8_lossy(complaint).into_owned());
    if let Some(account) = account {
        *text = text.replace(account.password().reveal(), "••••");
    }
    let output = Zeroizing::new(String::from_utf8_lossy(output).into_owned());
    let words = output.split(|c: char| c.is_whitespace() || "\"'{}[],:=".contains(c));
    for word in words.filter(|word| word.len() >= SHORTEST_WORD && !["username", "password"].contains(word)) {
        *text = text.replace(word, "••••");
    }
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    line.collect::<Vec<_>>().join(" ").chars().take(MAX_COMPLAINT).collect()
}
