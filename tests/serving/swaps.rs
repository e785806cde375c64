//! Two Snapshots swapped under load: no answer mixes them.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Server, read_one, snapshot};

#[test]
fn no_answer_mixes_two_commits() {
    let server = Server::empty();
    let (five, nine) = ("5".repeat(40), "9".repeat(40));
    let both = [snapshot("retry_delay = 5", &five), snapshot("retry_delay = 9", &nine)];
    server.publish(both[0].clone());
    let done = AtomicBool::new(false);
    let (fives, nines) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for node in [1, 2] {
            let (server, done, five, nine, fives, nines) = (&server, &done, &five, &nine, &fives, &nines);
            scope.spawn(move || {
                let mut stream = server.connect();
                let request =
                    format!("GET /boot/v1/bootscript?nid={node} HTTP/1.1\r\nHost: x\r\nUser-Agent: iPXE/1\r\n\r\n");
                while !done.load(Ordering::Relaxed) {
                    stream.write_all(request.as_bytes()).unwrap();
                    let answer = read_one(&mut stream);
                    let revision = answer.lines().find_map(|line| line.strip_prefix("x-muster-revision: ")).unwrap();
                    let (delay, count) = if revision == five { ("sleep 5\n", fives) } else { ("sleep 9\n", nines) };
                    assert!(revision == five || revision == nine, "{answer}");
                    assert!(answer.contains(delay) && answer.contains(&format!(" nid={node} ")), "{answer}");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..400_usize {
            server.publish(both[(round + 1) % 2].clone());
            let asked = fives.load(Ordering::Relaxed) + nines.load(Ordering::Relaxed);
            // Each Snapshot answers somebody before the next one comes.
            while fives.load(Ordering::Relaxed) + nines.load(Ordering::Relaxed) < asked + 3 {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let told = server.shared.load().counters.boots();
    assert_eq!(told, fives.load(Ordering::Relaxed) + nines.load(Ordering::Relaxed));
    assert!(fives.load(Ordering::Relaxed) > 100 && nines.load(Ordering::Relaxed) > 100);
}
