//! One QEMU process: started with what all our machines share, read from its serial line, ended by its own handle.

use crate::support::{netns, parts::program};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Says how a machine came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It powered off or rebooted (which ends it, too).
    Off,
    /// It wrote what the caller watched for.
    Watched,
    /// It wrote nothing for too long.
    Silent,
    /// It went on for too long.
    Late,
}

/// Holds a running machine; killed when dropped, and when the thread that started it ends.
pub struct Machine {
    child: Child,
    serial: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Machine {
    /// Powers a machine on with these options beside the shared ones.
    pub fn start(options: &[(&str, &str)]) -> Machine {
        assert!(netns::inside(), "a virtual machine runs in a network namespace: wrap the test in netns::isolated");
        let qemu = program("qemu-system-x86_64").expect("the part was required");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(qemu);
        // graphics=off puts the firmware's words on the serial line.
        command.args(["-machine", "pc,graphics=off,accel=tcg", "-smp", "1", "-nodefaults", "-no-reboot"]);
        command.args(["-display", "none", "-vga", "none", "-serial", "stdio", "-monitor", "none"]);
        command.args(options.iter().flat_map(|(name, value)| [name, value]));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("setpriv starts");
        let mut pipe = child.stdout.take().expect("it is a pipe");
        let serial = Arc::<Mutex<Vec<u8>>>::default();
        let written = Arc::clone(&serial);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                written.lock().expect("no thread panics with the lock").extend_from_slice(&buffer[..length]);
            }
        });
        Machine { child, serial, reader: Some(reader) }
    }

    /// Waits until the machine ends; ends it after `within`, after `silence` without a word, or when `watched` says so.
    pub fn wait(mut self, within: Duration, silence: Duration, watched: impl Fn(&str) -> bool) -> Ended {
        let start = Instant::now();
        let (mut length, mut spoke) = (0, start);
        let end = loop {
            if self.child.try_wait().expect("our child can be waited for").is_some() {
                break End::Off;
            }
            let now = self.serial.lock().expect("no thread panics with the lock").len();
            if now != length {
                (length, spoke) = (now, Instant::now());
                if watched(&self.text()) {
                    break End::Watched;
                }
            }
            if spoke.elapsed() > silence {
                break End::Silent;
            }
            if start.elapsed() > within {
                break End::Late;
            }
            thread::sleep(Duration::from_millis(20));
        };
        self.off();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        Ended { end, text: self.text() }
    }

    fn text(&self) -> String {
        plain(&self.serial.lock().expect("no thread panics with the lock"))
    }

    fn off(&mut self) {
        // Both fail only where it is off already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.off();
    }
}

/// Holds what a machine left.
pub struct Ended {
    /// How it ended.
    pub end: End,
    /// Its serial line, as [`plain`] text.
    pub text: String,
}

/// Drops carriage returns and terminal escape sequences (`ESC c`, `ESC [ ... letter`).
fn plain(bytes: &[u8]) -> String {
    let mut text = String::new();
    let decoded = String::from_utf8_lossy(bytes);
    let mut chars = decoded.chars();
    while let Some(char) = chars.next() {
        match char {
            '\r' => {}
            '\u{1b}' => {
                if chars.next() == Some('[') {
                    let _ = chars.find(char::is_ascii_alphabetic);
                }
            }
            other => text.push(other),
        }
    }
    text
}
