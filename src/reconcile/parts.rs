//! The parts of a running server: tasks that end only on request.

use tokio::task::{JoinError, JoinSet};

use super::ServeError;

/// Parts that run in parallel. Dropping them ends them.
#[derive(Default)]
pub struct Parts {
    tasks: JoinSet<&'static str>,
    names: Vec<(tokio::task::Id, &'static str)>,
}

impl Parts {
    /// Starts a part. Must be called inside a tokio runtime.
    pub fn start(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(async move {
            part.await;
            name
        });
        self.names.push((task.id(), name));
    }

    /// Waits until a part stops without a request. Without parts it waits forever.
    pub async fn first_to_stop(&mut self) -> ServeError {
        match self.tasks.join_next().await {
            Some(Ok(part)) => ServeError::Stopped { part, source: None },
            Some(Err(source)) => self.failed(source),
            None => std::future::pending().await,
        }
    }

    /// Waits until all parts have stopped on request.
    ///
    /// # Errors
    /// Returns the first part that failed.
    pub async fn all_stop(&mut self) -> Result<(), ServeError> {
        let mut first = Ok(());
        while let Some(stopped) = self.tasks.join_next().await {
            let stopped = stopped.map(drop).map_err(|source| self.failed(source));
            first = first.and(stopped);
        }
        first
    }

    fn failed(&self, source: JoinError) -> ServeError {
        let known = self.names.iter().find(|(id, _)| *id == source.id());
        ServeError::Stopped { part: known.map_or("a part of the server", |(_, name)| name), source: Some(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_stops_by_itself_is_named() {
        let mut parts = Parts::default();
        parts.start("the one that waits", std::future::pending());
        parts.start("the one that ends", async {});
        let error = parts.first_to_stop().await;
        assert_eq!(error.to_string(), "the one that ends stopped, although the server was not told to end");

        parts.start("the one that panics", async { panic!("as it should") });
        let error = parts.first_to_stop().await;
        assert!(matches!(error, ServeError::Stopped { part: "the one that panics", source: Some(_) }), "{error}");
        assert!(error.hint().is_some());
    }

    #[tokio::test]
    async fn what_was_told_to_stop_stops_without_a_word_unless_it_fails() {
        let mut parts = Parts::default();
        parts.start("one", async {});
        parts.start("two", tokio::task::yield_now());
        assert!(parts.all_stop().await.is_ok());

        parts.start("three", async { panic!("as it should") });
        parts.start("four", async {});
        let error = parts.all_stop().await.unwrap_err();
        assert!(matches!(error, ServeError::Stopped { part: "three", source: Some(_) }), "{error}");
    }
}
