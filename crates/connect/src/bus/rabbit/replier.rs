//! Sending answers: apart from the work they answer, for a limited time, and not to queues that are known to be gone. A
//! request that names a queue nobody has costs a place here for a minute, never one of the server's workers (W-30).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use context::Deadline;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::client::Client;
use super::publish::{Published, Route, publish};

/// How long an answer is tried (`kombu_missing_consumer_retry_timeout`), and how often.
const TRIED: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(250);
/// Answers that are tried at once.
const AT_ONCE: usize = 256;
/// Queues that are known to be gone.
const GONE: usize = 200;

/// The answers of one server.
pub(super) struct Replier {
    client: Arc<Client>,
    places: Semaphore,
    gone: Mutex<VecDeque<(String, Instant)>>,
}

impl Replier {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self {
            client,
            places: Semaphore::new(AT_ONCE),
            gone: Mutex::default(),
        }
    }

    /// Sends one answer. One that nobody takes is given up with a word in the log.
    pub(super) async fn send(&self, queue: &str, body: &[u8]) {
        let Ok(_place) = self.places.try_acquire() else {
            tracing::warn!("an answer is dropped: too many wait for their callers");
            return;
        };
        let Ok(route) = Route::new("", queue) else {
            return;
        };
        if self.is_gone(queue) {
            return;
        }
        let deadline = Deadline::after(TRIED);
        while !deadline.remaining().is_zero() {
            let sent = match self.client.link(deadline).await {
                Ok(link) => publish(&link, &route, body, false, deadline).await,
                Err(error) => Err(error),
            };
            if self.client.is_closed() || matches!(sent, Ok(Published::Queued)) {
                return;
            }
            sleep(AGAIN.min(deadline.remaining())).await;
        }
        tracing::warn!("an answer is dropped: its caller's queue is gone");
        let mut gone = self.gone();
        gone.push_back((queue.to_owned(), Instant::now()));
        if gone.len() > GONE {
            gone.pop_front();
        }
    }

    /// Sends a sign of life, once: the next one is not far.
    pub(super) async fn beat(&self, queue: &str, body: &[u8], within: Duration) {
        let deadline = Deadline::after(within);
        let Ok(route) = Route::new("", queue) else {
            return;
        };
        if let Ok(link) = self.client.link(deadline).await {
            // Whether it came through, the caller knows.
            let _sent = publish(&link, &route, body, false, deadline).await;
        }
    }

    fn gone(&self) -> MutexGuard<'_, VecDeque<(String, Instant)>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_gone(&self, queue: &str) -> bool {
        let mut gone = self.gone();
        gone.retain(|(_, since)| since.elapsed() < TRIED);
        gone.iter().any(|(known, _)| known == queue)
    }
}
