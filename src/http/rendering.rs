//! Renders documents on request.
//!
//! The cost of a commit's templates is unknown, and anyone can send requests. So after a slow one,
//! further documents are rendered one at a time, away from the threads that boot machines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

/// How long a document may take next to boots: fifty times as long as the example's.
const LONG: Duration = Duration::from_millis(5);

/// How long rendering stays careful after a slow document; a busy machine may have been the cause.
const CARE: Duration = Duration::from_secs(10);

/// The concurrency while careful: this leaves a processor for boots if there are two.
const AT_ONCE: usize = 1;

/// The renderer of documents.
pub struct Rendering {
    opened: Instant,
    /// The end of careful rendering, in milliseconds since the renderer was created.
    careful_until: AtomicU64,
    slots: Semaphore,
}

impl Default for Rendering {
    fn default() -> Self {
        Self { opened: Instant::now(), careful_until: AtomicU64::new(0), slots: Semaphore::new(AT_ONCE) }
    }
}

impl Rendering {
    /// Renders at once, or in turn if a recent document was slow.
    pub async fn run<T>(&self, render: impl FnOnce() -> T) -> T {
        if self.now() >= self.careful_until.load(Ordering::Relaxed) {
            return self.timed(render);
        }

        // First come, first served. The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| self.timed(render)),
            // Tests run on one thread, which has no other to hand its tasks to.
            Ok(_) | Err(_) => self.timed(render),
        }
    }

    fn timed<T>(&self, render: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let rendered = render();
        if start.elapsed() > LONG {
            self.careful_until.fetch_max(self.now() + CARE.as_millis() as u64, Ordering::Relaxed);
        }
        rendered
    }

    fn now(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn slow_ones_are_rendered_one_at_a_time_and_others_go_on() {
        let (rendering, running, most) = <(Arc<Rendering>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        rendering.run(|| std::thread::sleep(LONG * 2)).await;

        let slow = (0..8).map(|_| {
            let (rendering, running, most) = (Arc::clone(&rendering), Arc::clone(&running), Arc::clone(&most));
            tokio::spawn(async move {
                let render = || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(LONG);
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                rendering.run(render).await;
            })
        });
        let slow: Vec<_> = slow.collect();
        // Eight on two threads would leave none for this.
        let others = (0..50).map(|_| tokio::spawn(tokio::task::yield_now()));
        for other in others.collect::<Vec<_>>() {
            other.await.unwrap();
        }
        let unfinished = slow.iter().filter(|task| !task.is_finished()).count();
        assert!(unfinished > 0, "the others waited for all of them");
        for task in slow {
            task.await.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }
}
