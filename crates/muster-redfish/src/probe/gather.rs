//! Runs futures concurrently, a few at a time, with results in order.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// The number of concurrent futures of one list. The client admits two requests; more would only
/// wait there.
const WINDOW: usize = 4;

/// Runs futures, at most [`WINDOW`] at a time, and returns their results in the order of the
/// futures.
pub async fn gather<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting = futures.into_iter().enumerate().collect::<Vec<_>>().into_iter();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::with_capacity(WINDOW);
    let mut answers: Vec<(usize, F::Output)> = Vec::new();

    poll_fn(|context| {
        loop {
            while running.len() < WINDOW
                && let Some((number, future)) = waiting.next()
            {
                running.push((number, Box::pin(future)));
            }
            let before = running.len();
            running.retain_mut(|(number, future)| match future.as_mut().poll(context) {
                Poll::Ready(answer) => {
                    answers.push((*number, answer));
                    false
                }
                Poll::Pending => true,
            });
            if running.is_empty() && waiting.len() == 0 {
                return Poll::Ready(());
            }
            // A finished future makes room, and its successor must be polled once in order to be
            // woken later.
            if running.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;

    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn all_run_a_few_at_once_and_answer_in_order() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let futures = (0..50usize).map(|number| {
            let (now, most) = (&now, &most);
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..number % 7 {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                number
            }
        });

        assert_eq!(gather(futures).await, (0..50).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), WINDOW);
        assert_eq!(gather(Vec::<std::future::Ready<u8>>::new()).await, [0u8; 0]);
    }
}
