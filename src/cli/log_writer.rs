//! Writes the log to stderr, without ever blocking a server on its reader.
//!
//! A pipe whose reader has stopped (a suspended terminal, a log collector that hangs) accepts 64
//! KiB and then blocks the writer. So a line is written at once if the kernel accepts it without
//! waiting, which is nearly always the case. Otherwise it joins a queue, which a thread writes as
//! the reader continues. Past a limit, lines are dropped, and counted in the log itself.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The maximum number of queued bytes: an hour of a quiet server.
const MAX_WAITING: usize = 1 << 20;

/// The number of bytes that a writable pipe accepts without waiting (`PIPE_BUF` of Linux).
const PIECE: usize = 4096;

/// How long the program waits at its end for the rest to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The writer of a log; clones share the destination.
#[derive(Clone)]
pub struct LogWriter {
    queue: Arc<Queue>,
    is_json: bool,
}

/// The destination of lines.
trait Sink: Send {
    /// Checks whether [`PIECE`] bytes can be written without waiting.
    fn is_ready(&self) -> bool;

    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines dropped since the last one that was queued.
    dropped: u64,
    /// Whether the thread is about to write a line that is no longer in the queue.
    is_writing: bool,
}

impl LogWriter {
    /// Starts a writer to stderr; with `is_json`, lines that it adds itself are JSON.
    ///
    /// # Errors
    /// Its thread cannot be started.
    pub fn to_stderr(is_json: bool) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let shared = Arc::clone(&queue);
        thread::Builder::new().name("log".into()).spawn(move || shared.write_out(&mut Stderr))?;
        Ok(Self { queue, is_json })
    }

    /// Writes one line without waiting for its reader.
    pub fn line(&self, line: &[u8]) {
        self.queue.take(line, self.is_json, &mut Stderr);
    }

    /// Waits for a short time until all is written.
    pub fn finish(&self) {
        let deadline = Instant::now() + LAST_WORDS;
        let mut waiting = self.queue.lock();
        while !waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = self.queue.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && !self.is_writing
    }

    fn push(&mut self, line: &[u8], is_json: bool) {
        // The rest of a partial line is never dropped: in this case nothing else waits.
        if self.bytes > 0 && self.bytes + line.len() > MAX_WAITING {
            self.dropped += 1;
            return;
        }
        let dropped = std::mem::take(&mut self.dropped);
        let loss = if dropped > 0 { loss(dropped, is_json) } else { String::new() };
        for line in [loss.as_bytes(), line].into_iter().filter(|line| !line.is_empty()) {
            self.bytes += line.len();
            self.lines.push_back(line.to_vec());
        }
    }
}

/// Formats the line with the number of dropped lines.
fn loss(lines: u64, is_json: bool) -> String {
    let (at, message) = (Timestamp::now(), "log lines were dropped: whoever reads the log is too slow");
    if is_json {
        let fields = serde_json::json!({ "message": message, "lines": lines });
        let line = serde_json::json!({ "timestamp": at.to_string(), "level": "WARN", "fields": fields });
        return format!("{line}\n");
    }
    format!("{at}  WARN {message} lines={lines}\n")
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, line: &[u8], is_json: bool, sink: &mut impl Sink) {
        // Locked while a line is written, so that lines keep their order and stay whole; it never
        // waits for the reader.
        let mut waiting = self.lock();

        let mut rest = line;
        while waiting.is_empty() && !rest.is_empty() {
            if !sink.is_ready() {
                break;
            }
            let (piece, more) = rest.split_at(rest.len().min(PIECE));
            // If the log cannot be written (its reader is gone, the disk is full), it is lost
            // silently: a complaint would go to the same place.
            if sink.write(piece).is_err() {
                return;
            }
            rest = more;
        }

        if !rest.is_empty() {
            waiting.push(rest, is_json);
            self.changed.notify_all();
        }
    }

    /// Writes queued lines forever.
    fn write_out(&self, sink: &mut impl Sink) {
        let mut waiting = self.lock();
        loop {
            let Some(line) = waiting.lines.pop_front() else {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            waiting.is_writing = true;
            drop(waiting);
            let _ = sink.write(&line);
            waiting = self.lock();
            waiting.is_writing = false;
            waiting.bytes -= line.len();
            self.changed.notify_all();
        }
    }
}

struct Stderr;

impl Sink for Stderr {
    fn is_ready(&self) -> bool {
        let stderr = io::stderr();
        let mut polled = [PollFd::new(&stderr, PollFlags::OUT)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        // If poll fails, or the pipe is closed, a write reports the problem without waiting.
        poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::stderr().lock().write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader that blocks until a test lets it continue.
    struct Reader {
        is_ready: Arc<AtomicBool>,
        goes_on: Option<Receiver<()>>,
        read: Sender<Vec<u8>>,
    }

    impl Sink for Reader {
        fn is_ready(&self) -> bool {
            self.is_ready.load(Ordering::SeqCst)
        }

        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            if let Some(goes_on) = &self.goes_on {
                // After its test has ended, it lets everything through.
                let _ = goes_on.recv();
            }
            self.read.send(bytes.to_vec()).map_err(io::Error::other)
        }
    }

    #[test]
    fn whoever_logs_never_waits_and_lines_keep_their_order() {
        let queue = Arc::<Queue>::default();
        let is_ready = Arc::new(AtomicBool::new(true));
        let (read, lines) = channel();
        let (go_on, goes_on) = channel();
        let mut direct = Reader { is_ready: Arc::clone(&is_ready), goes_on: None, read: read.clone() };
        let mut slow = Reader { is_ready: Arc::clone(&is_ready), goes_on: Some(goes_on), read };

        queue.take(b"one\n", true, &mut direct);
        assert_eq!(lines.try_recv().unwrap(), b"one\n", "it is written before the call returns");
        let long = vec![b'x'; PIECE + 1];
        queue.take(&long, true, &mut direct);
        assert_eq!(lines.try_recv().unwrap().len() + lines.try_recv().unwrap().len(), long.len());

        // The reader is blocked: the test logs far more than may wait.
        is_ready.store(false, Ordering::SeqCst);
        let line = |number: usize| format!("{number:01000}\n").into_bytes();
        let logged = 3 * MAX_WAITING / 1001;
        (0..logged).for_each(|number| queue.take(&line(number), true, &mut direct));
        assert!(queue.lock().bytes <= MAX_WAITING, "{}", queue.lock().bytes);
        assert!(lines.try_recv().is_err());

        // It continues: queued lines come first, although the kernel accepts lines at once again.
        let shared = Arc::clone(&queue);
        thread::spawn(move || shared.write_out(&mut slow));
        is_ready.store(true, Ordering::SeqCst);
        go_on.send(()).unwrap();
        assert_eq!(lines.recv().unwrap(), line(0));
        queue.take(b"last\n", true, &mut direct);
        drop(go_on);
        let rest: Vec<String> = std::iter::from_fn(|| lines.recv().ok().map(|line| String::from_utf8(line).unwrap()))
            .take_while(|line| line != "last\n")
            .collect();
        let kept = MAX_WAITING / 1001;
        assert!(rest[..kept - 1].iter().zip(1..).all(|(text, number)| text.as_bytes() == line(number)));
        let dropped = format!("\"lines\":{}", logged - kept);
        assert!(rest.last().is_some_and(|told| told.contains(&dropped)), "{:?} {dropped}", rest.last());
    }
}
