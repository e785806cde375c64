//! The places of a listener: who has one, since when it asked for nothing, and who gives way when all are taken.
//!
//! When somebody waits and there is no place, the connections that have gone longest without a new request are closed: a
//! thousand silent ones of one hostile or broken host keep no machine from booting. One that asked within
//! [`Limits::idle`](super::limits::Limits::idle) is left alone. Who has a place is not asked for its address: machines behind one proxy or NAT are
//! many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The mark of a connection whose answer is being made.
const WORKING: u64 = u64::MAX;

/// The share of all places that is freed at once, so that a flood does not make us look at each of them for each new one.
const BATCH: usize = 32;

/// All places of a listener.
pub struct Room {
    free: Arc<Semaphore>,
    seats: Mutex<Seats>,
    /// With fewer places left than this, an answer is the last of its connection.
    few: usize,
    places: usize,
    idle: Duration,
    opened: Instant,
}

#[derive(Default)]
struct Seats {
    taken: Vec<Option<Arc<Seat>>>,
    vacant: Vec<usize>,
}

/// The place of one connection.
pub struct Seat {
    number: usize,
    /// When the head of its last request came, or when it was accepted, in milliseconds of the room; or [`WORKING`].
    since: AtomicU64,
    leave: Notify,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    /// Opens a room of so many places, whose holders are left alone for `idle` after they asked.
    pub fn new(places: usize, idle: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(places)),
            seats: Mutex::default(),
            few: places / 8,
            places,
            idle,
            opened: Instant::now(),
        }
    }

    /// Returns a place, once there is one. `evicted` is told how many connections were closed for it.
    pub async fn enter(&self, evicted: impl Fn(u64)) -> Arc<Seat> {
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return self.sit(permit);
            }
            let (told, wait) = self.clear();
            evicted(told);
            // Places are given back all the time; whoever gave none back by then has idled long enough.
            if let Ok(permit) = tokio::time::timeout(wait, Arc::clone(&self.free).acquire_owned()).await {
                return self.sit(permit.expect("nobody closes the semaphore"));
            }
        }
    }

    fn sit(&self, permit: OwnedSemaphorePermit) -> Arc<Seat> {
        let mut seats = self.seats();
        let number = seats.vacant.pop().unwrap_or(seats.taken.len());
        let since = AtomicU64::new(self.now());
        let seat = Arc::new(Seat { number, since, leave: Notify::new(), _permit: permit });
        if number == seats.taken.len() {
            seats.taken.push(None);
        }
        seats.taken[number] = Some(Arc::clone(&seat));
        seat
    }

    /// Gives a place back.
    pub fn leave(&self, seat: &Seat) {
        let mut seats = self.seats();
        seats.taken[seat.number] = None;
        seats.vacant.push(seat.number);
    }

    /// Tells the connections that idled longest to end; returns how many, and how long to wait before looking again.
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
                seat.leave.notify_one();
            }
        }
        let wait = match idle.len() {
            0 => Duration::from_millis(limit.saturating_sub(now.saturating_sub(oldest)).max(1)),
            _ => self.idle,
        };
        (idle.len() as u64, wait)
    }

    /// Tells whether few places are left.
    pub fn is_nearly_full(&self) -> bool {
        self.free.available_permits() < self.few
    }

    /// Notes that the head of a request came. Until [`Work::begin`] its client may be the one who takes time.
    pub fn asked<'r>(&'r self, seat: &'r Seat) -> Work<'r> {
        seat.since.store(self.now(), Ordering::Relaxed);
        Work { room: self, seat }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(WORKING - 1)
    }

    /// What the lock guards is whole after every statement that can fail, so a panic elsewhere does not spoil it.
    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Waits until the connection is told to end; it may have asked for something since.
    pub async fn told_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Tells whether an answer is being made, for which a connection stays whatever it was told.
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
    /// Notes that all of the request is there, and the answer is made: the connection is left alone until that is done.
    pub fn begin(&self) {
        self.seat.since.store(WORKING, Ordering::Relaxed);
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        // A boot takes no time, and never begins.
        if self.seat.is_working() {
            self.seat.since.store(self.room.now(), Ordering::Relaxed);
        }
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
        tokio::time::timeout(IDLE, old.told_to_leave()).await.expect("the oldest is told");
        for stays in [&working, &young] {
            assert!(tokio::time::timeout(Duration::from_millis(1), stays.told_to_leave()).await.is_err());
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
}
