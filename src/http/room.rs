//! The places of a listener: who has one, the time of its last request, and who is closed when all
//! are taken.
//!
//! When a connection waits and there is no place, the connections that have gone longest without a
//! new request are closed: a thousand silent ones from one hostile or broken host do not keep a
//! machine from booting. A connection with a request within
//! [`Limits::idle`](super::limits::Limits::idle) is left alone. Places do not depend on addresses:
//! many machines may be behind one proxy or NAT.
//!
//! A machine makes a connection for each request, so the cost of a connection is the cost of a
//! request. Therefore a seat has no timer and no channel of its own: its deadline is a number that
//! one task of the listener checks ([`Room::watch`]), and one signal asks the connection to check
//! its seat for any reason.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The mark of a connection whose answer is being made.
const WORKING: u64 = u64::MAX;

/// The deadline of a seat that does not wait for a head.
const NEVER: u64 = u64::MAX;

/// The share of all places that is freed at once, so that a flood does not cause a scan of all of
/// them for each new connection.
const BATCH: usize = 32;

/// The shortest and the longest time between two checks of all deadlines.
const TICKS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(500)];

/// The fraction of a time limit by which a connection may exceed it.
const LATENESS: u32 = 20;

/// All places of a listener.
pub struct Room {
    free: Arc<Semaphore>,
    seats: Mutex<Seats>,
    /// With fewer places left than this, an answer is the last of its connection.
    few: usize,
    places: usize,
    idle: Duration,
    opened: Instant,
    is_closing: AtomicBool,
}

#[derive(Default)]
struct Seats {
    taken: Vec<Option<Arc<Seat>>>,
    vacant: Vec<usize>,
}

/// The place of one connection.
pub struct Seat {
    number: usize,
    /// When the head of its last request came, or when it was accepted, in milliseconds of the
    /// room; or [`WORKING`].
    since: AtomicU64,
    /// When the awaited head is due, in milliseconds of the room; or [`NEVER`].
    due: AtomicU64,
    is_overdue: AtomicBool,
    is_evicted: AtomicBool,
    look: Notify,
    opened: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    /// Creates a room of so many places, whose holders are left alone for `idle` after a request.
    pub fn new(places: usize, idle: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(places)),
            seats: Mutex::default(),
            few: places / 8,
            places,
            idle,
            opened: Instant::now(),
            is_closing: AtomicBool::new(false),
        }
    }

    /// Waits for a place and returns it. `evicted` receives the number of connections closed for
    /// it.
    pub async fn enter(&self, evicted: impl Fn(u64)) -> Arc<Seat> {
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return self.sit(permit);
            }
            let (told, wait) = self.clear();
            evicted(told);
            // Places become free all the time; a holder that has not left by then has been idle
            // long enough.
            if let Ok(permit) = tokio::time::timeout(wait, Arc::clone(&self.free).acquire_owned()).await {
                return self.sit(permit.expect("nobody closes the semaphore"));
            }
        }
    }

    fn sit(&self, permit: OwnedSemaphorePermit) -> Arc<Seat> {
        let mut seats = self.seats();
        let number = seats.vacant.pop().unwrap_or(seats.taken.len());
        let seat = Arc::new(Seat {
            number,
            since: AtomicU64::new(self.now()),
            due: AtomicU64::new(NEVER),
            is_overdue: AtomicBool::new(false),
            is_evicted: AtomicBool::new(false),
            look: Notify::new(),
            opened: self.opened,
            _permit: permit,
        });

        if number == seats.taken.len() {
            seats.taken.push(None);
        }

        seats.taken[number] = Some(Arc::clone(&seat));
        seat
    }

    /// Returns a place.
    pub fn leave(&self, seat: &Seat) {
        let mut seats = self.seats();
        seats.taken[seat.number] = None;
        seats.vacant.push(seat.number);
    }

    /// Asks the longest idle connections to end; returns how many, and the time until the next
    /// check.
    fn clear(&self) -> (u64, Duration) {
        let now = self.now();
        let limit = u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX);
        let seats = self.seats();
        let idle = seats.taken.iter().flatten().map(|seat| (seat.since.load(Ordering::Relaxed), seat.number));
        let mut idle: Vec<_> = idle.filter(|(since, _)| *since != WORKING).collect();
        let batch = (self.places / BATCH).max(1).min(idle.len());
        if batch == 0 {
            return (0, self.idle);
        }

        idle.select_nth_unstable(batch - 1);
        let oldest = idle.iter().map(|(since, _)| *since).min().unwrap_or(now);
        idle.truncate(batch);
        idle.retain(|(since, _)| now.saturating_sub(*since) >= limit);

        for (_, number) in &idle {
            if let Some(seat) = &seats.taken[*number] {
                seat.is_evicted.store(true, Ordering::Relaxed);
                seat.look.notify_one();
            }
        }

        let wait = match idle.len() {
            0 => Duration::from_millis(limit.saturating_sub(now.saturating_sub(oldest)).max(1)),
            _ => self.idle,
        };

        (idle.len() as u64, wait)
    }

    /// Wakes the connections whose heads are overdue, until the future is dropped; `head` is the
    /// time limit of a head.
    pub async fn watch(&self, head: Duration) {
        let [shortest, longest] = TICKS;
        let mut ticks = tokio::time::interval((head / LATENESS).clamp(shortest, longest));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = self.now();
            for seat in self.seats().taken.iter().flatten() {
                if seat.due.load(Ordering::Relaxed) <= now && !seat.is_overdue.swap(true, Ordering::Relaxed) {
                    seat.look.notify_one();
                }
            }
        }
    }

    /// Wakes all connections, which end once they have answered their requests.
    pub fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        self.seats().taken.iter().flatten().for_each(|seat| seat.look.notify_one());
    }

    /// Returns whether the listener is ending.
    pub fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// Returns whether few places are left.
    pub fn is_nearly_full(&self) -> bool {
        self.free.available_permits() < self.few
    }

    /// Records the head of a request. Until [`Work::begin`], its client may be the slow side.
    pub fn asked<'r>(&'r self, seat: &'r Seat) -> Work<'r> {
        seat.since.store(self.now(), Ordering::Relaxed);
        Work { room: self, seat }
    }

    fn now(&self) -> u64 {
        millis(self.opened, Instant::now())
    }

    /// Locks the seats. They are consistent after every statement that can fail, so a panic
    /// elsewhere does not spoil them.
    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the milliseconds from one time to another.
fn millis(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(WORKING - 1)
}

impl Seat {
    /// Waits until the connection should check its seat and its room: it should end, or its head is
    /// overdue.
    pub async fn signalled(&self) {
        self.look.notified().await;
    }

    /// Takes the request to leave, if there is one; the connection may have received a request
    /// since.
    pub fn take_eviction(&self) -> bool {
        self.is_evicted.swap(false, Ordering::Relaxed)
    }

    /// Returns whether an answer is being made; its connection stays open in any case.
    pub fn is_working(&self) -> bool {
        self.since.load(Ordering::Relaxed) == WORKING
    }
}

/// The making of one answer.
pub struct Work<'r> {
    room: &'r Room,
    seat: &'r Seat,
}

impl Work<'_> {
    /// Records that the request is complete and its answer is being made: the connection is left
    /// alone until that is done.
    pub fn begin(&self) {
        self.seat.since.store(WORKING, Ordering::Relaxed);
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        // A boot takes no time, and never begins work.
        if self.seat.is_working() {
            self.seat.since.store(self.room.now(), Ordering::Relaxed);
        }
    }
}

/// Bounds how long a connection waits for a head; [`Room::watch`] wakes it after that.
pub struct HeadTimer(pub Arc<Seat>);

impl HeadTimer {
    fn set(&self, deadline: Instant) {
        self.0.due.store(millis(self.0.opened, deadline), Ordering::Relaxed);
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.set(deadline);
        Box::pin(HeadDeadline(Arc::clone(&self.0)))
    }

    fn reset(&self, _: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        self.set(deadline);
    }
}

/// The wait for one head. A connection reads one head at a time, so its seat has one deadline.
struct HeadDeadline(Arc<Seat>);

impl Sleep for HeadDeadline {}

impl Future for HeadDeadline {
    type Output = ();

    /// Registers nothing: the signal of the seat wakes the task, which polls all that it waits for.
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let seat = &*self.0;
        if !seat.is_overdue.load(Ordering::Relaxed) {
            return Poll::Pending;
        }

        // The head may have come while it was found overdue, and this is the wait for the next one.
        if millis(seat.opened, Instant::now()) >= seat.due.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        seat.is_overdue.store(false, Ordering::Relaxed);
        Poll::Pending
    }
}

impl Drop for HeadDeadline {
    fn drop(&mut self) {
        self.0.due.store(NEVER, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn the_longest_idle_gives_way_and_the_working_never() {
        let room = Room::new(3, IDLE);
        let none = |told| assert_eq!(told, 0);
        let (working, old, young) = (room.enter(none).await, room.enter(none).await, room.enter(none).await);
        let work = room.asked(&working);
        work.begin();
        // Its body is still on its way.
        let waiting = room.asked(&old);
        tokio::time::sleep(IDLE * 2).await;
        drop(room.asked(&young));
        assert_eq!(room.clear().0, 1);
        tokio::time::timeout(IDLE, old.signalled()).await.expect("the oldest is told");
        assert!(old.take_eviction() && !old.take_eviction());
        for stays in [&working, &young] {
            assert!(tokio::time::timeout(Duration::from_millis(1), stays.signalled()).await.is_err());
        }
        assert!(working.is_working() && !young.is_working());
        drop(work);
        assert!(!working.is_working());
        drop(waiting);
        room.leave(&old);
        drop(old);
        let next = room.enter(none).await;
        assert_eq!(next.number, 1);
    }

    #[tokio::test]
    async fn nobody_gives_way_before_its_time() {
        let room = Room::new(2, Duration::from_secs(3600));
        let seats = [room.enter(|_| ()).await, room.enter(|_| ()).await];
        let (told, wait) = room.clear();
        assert_eq!(told, 0);
        assert!(wait > Duration::from_secs(3000), "{wait:?}");
        let waiting = tokio::time::timeout(Duration::from_millis(50), room.enter(|told| assert_eq!(told, 0))).await;
        assert!(waiting.is_err());
        drop(seats);
    }

    #[tokio::test]
    async fn a_head_that_is_overdue_is_signalled_once_and_one_that_came_is_not() {
        const HEAD: Duration = Duration::from_millis(40);
        const MOMENT: Duration = Duration::from_millis(1);
        let room = Room::new(2, IDLE);
        let (late, prompt) = (room.enter(|_| ()).await, room.enter(|_| ()).await);
        let wait = |seat: &Arc<Seat>| HeadTimer(Arc::clone(seat)).sleep(HEAD);
        let (overdue, came) = (wait(&late), wait(&prompt));
        drop(came);
        std::thread::sleep(HEAD);
        tokio::select! {
            () = late.signalled() => {}
            () = room.watch(HEAD) => {}
        }
        overdue.await;
        // Further looks find nothing new.
        assert!(tokio::time::timeout(HEAD, room.watch(HEAD)).await.is_err());
        for seat in [&late, &prompt] {
            assert!(tokio::time::timeout(MOMENT, seat.signalled()).await.is_err());
        }

        // Found overdue just as its head came: the timer waits for the next head.
        prompt.is_overdue.store(true, Ordering::Relaxed);
        let next = HeadTimer(Arc::clone(&prompt)).sleep(Duration::from_secs(3600));
        assert!(tokio::time::timeout(MOMENT, next).await.is_err());
        assert!(!prompt.is_overdue.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn all_are_woken_when_the_listener_ends() {
        let room = Room::new(2, IDLE);
        let seats = [room.enter(|_| ()).await, room.enter(|_| ()).await];
        assert!(!room.is_closing());
        room.close();
        for seat in &seats {
            seat.signalled().await;
            assert!(room.is_closing() && !seat.take_eviction());
        }
    }
}
