//! Linux's figures about this process, under the names that every Prometheus client library uses.

use std::fs;

/// The figures; unreadable ones are absent.
#[derive(Debug, Default)]
pub struct Process {
    pub cpu_seconds: Option<f64>,
    pub resident_bytes: Option<f64>,
    pub virtual_bytes: Option<f64>,
    pub open_fds: Option<f64>,
    pub max_fds: Option<f64>,
    /// In unix seconds.
    pub start: Option<f64>,
}

impl Process {
    /// Reads `/proc`; on systems other than Linux, there are no figures.
    #[must_use]
    pub fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let (status, stat) = (text("/proc/self/status"), text("/proc/self/stat"));
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let started = field(&stat, 19).map(|since_boot| since_boot / ticks);
        let booted =
            text("/proc/stat").lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());

        Self {
            cpu_seconds: field(&stat, 11).zip(field(&stat, 12)).map(|(user, system)| (user + system) / ticks),
            resident_bytes: kibibytes(&status, "VmRSS:"),
            virtual_bytes: kibibytes(&status, "VmSize:"),
            // The folder that is being read is open, too.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1) as f64),
            max_fds: super::limits::open_files(&text("/proc/self/limits")).map(|files| files as f64),
            start: booted.zip(started).map(|(booted, started)| booted + started),
        }
    }
}

/// Returns a field of `/proc/PID/stat`, counted from the one after the name, which is in
/// parentheses and may contain any character.
fn field(stat: &str, number: usize) -> Option<f64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(number)?.parse().ok()
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|size| size * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_proc() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 4200 1000 5";
        assert_eq!((field(stat, 11), field(stat, 12), field(stat, 19)), (Some(150.0), Some(50.0), Some(4200.0)));
        assert_eq!(kibibytes("VmPeak:\t 9 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12288.0));
        assert_eq!(kibibytes("", "VmRSS:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_all_of_them() {
        let process = Process::read();
        let now = super::super::now() as f64 / 1000.0;
        assert!(process.start.is_some_and(|start| start > 1e9 && start <= now + 1.0), "{process:?}");
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1e6), "{process:?}");
        assert!(process.open_fds.is_some_and(|open| open >= 3.0), "{process:?}");
        assert!(process.max_fds.is_some() && process.cpu_seconds.is_some() && process.virtual_bytes.is_some());
    }
}
