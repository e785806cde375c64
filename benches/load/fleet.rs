//! Simulated BMCs in a process of their own, and commands that are run against them and measured.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::process::{cpu_of_children, peak_mib_so_far};

/// `muster simulate`, at a lower priority than what is measured.
pub struct Fleet {
    process: std::process::Child,
    folder: PathBuf,
}

impl Fleet {
    /// Starts the fixture's machines: 450 BIOS settings, 30 rows of firmware and 16 memory modules each.
    pub fn start(folder: &Path, nodes: usize, flags: &[&str]) -> Self {
        std::fs::create_dir_all(folder).expect("the folder can be made");
        let mut simulate = Command::new("nice");
        simulate.args(["-n", "10", env!("CARGO_BIN_EXE_muster"), "simulate", "--nodes", &nodes.to_string()]);
        simulate.args(["--bios-attributes", "450", "--firmware-rows", "30"]).args(flags);
        simulate.arg("--wishes-out").arg(folder.join("wishes")).arg("--settings-out").arg(folder.join("settings.toml"));
        let mut process = simulate.stdout(Stdio::piped()).spawn().expect("the simulator starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("the output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the simulator says that it is ready");
        assert!(line.contains("BMCs"), "the simulator is ready: {line}");
        Self { process, folder: folder.to_owned() }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The folder of the wishes that the machines were made by.
    pub fn wishes(&self) -> PathBuf {
        self.folder.join("wishes")
    }

    /// This host's settings that point at the fleet.
    pub fn settings(&self) -> PathBuf {
        self.folder.join("settings.toml")
    }

    /// A command of muster with the fleet's settings and wishes, and a store.
    pub fn command(&self, name: &str, store: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command.arg(name).arg("--config").arg(self.settings()).arg("--repo").arg(self.wishes());
        command.arg("--store").arg(store);
        command
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a process came to.
pub struct Cost {
    pub seconds: f64,
    pub cpu: f64,
    pub peak_mib: f64,
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
}

/// Runs a command to its end.
pub fn cost(command: &mut Command) -> Cost {
    let before = cpu_of_children();
    let started = Instant::now();
    let mut process = command.stdout(Stdio::piped()).spawn().expect("the command starts");
    let (pid, ended) = (process.id(), AtomicBool::new(false));
    let (mut stdout, mut seconds) = (Vec::new(), 0.0);
    let (code, peak_mib) = std::thread::scope(|scope| {
        let peak = scope.spawn(|| {
            let mut peak: f64 = 0.0;
            while !ended.load(Ordering::Relaxed) {
                peak = peak.max(peak_mib_so_far(pid).unwrap_or(0.0));
                std::thread::sleep(Duration::from_millis(2));
            }
            peak
        });
        process.stdout.take().expect("it is piped").read_to_end(&mut stdout).expect("the output can be read");
        let status = process.wait().expect("the command ends");
        seconds = started.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        (status.code(), peak.join().expect("looking does not fail"))
    });
    let cpu = (cpu_of_children() - before).as_secs_f64();
    Cost { seconds, cpu, peak_mib, code, stdout }
}
