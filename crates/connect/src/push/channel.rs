//! Listening: one subscription, which is lost as soon as anything may have been missed.
//!
//! A quiet channel and a dead one look alike, so Redis is asked every second whether it is still there. What it sends
//! waits in a bounded queue; a flood that fills it loses the channel, and that means one load of everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cells::{CellError, ChannelLost, ErrorClass, InvalidationChannel, InvalidationSource};
use context::Deadline;
use redis::aio::{MultiplexedConnection, SendError};
use redis::{PushInfo, PushKind, Value};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use super::place::{RedisPush, within};

/// Time without a message after which Redis is asked whether it is there.
const QUIET: Duration = Duration::from_secs(1);

/// Time that its answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// Messages that may wait.
const WAITING: usize = 256;

/// No message of ours is longer; what is cut is none of ours, and the gate says so.
const LONGEST: usize = 1024;

/// One subscription.
struct Subscription {
    connection: MultiplexedConnection,
    messages: Mutex<mpsc::Receiver<Vec<u8>>>,
    lost: Arc<AtomicBool>,
}

#[async_trait]
impl InvalidationSource for RedisPush {
    async fn subscribe(
        &self,
        deadline: Deadline,
    ) -> Result<Box<dyn InvalidationChannel>, CellError> {
        let (queue, messages) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&lost);
        let pushed = move |info: PushInfo| {
            let kept = match info.kind {
                PushKind::Message => payload(info).is_none_or(|text| queue.try_send(text).is_ok()),
                PushKind::Disconnection => false,
                _ => true,
            };
            if kept {
                return Ok(());
            }
            noted.store(true, Ordering::Release);
            // Wakes who waits; where the queue is full, nobody does.
            let _woken = queue.try_send(Vec::new());
            Err(SendError)
        };
        let mut connection = self.connect(Some(pushed), deadline).await?;
        within(deadline, connection.subscribe(self.channel())).await?;
        Ok(Box::new(Subscription {
            connection,
            messages: Mutex::new(messages),
            lost,
        }))
    }
}

/// The message itself: a push has the channel's name and the message.
fn payload(info: PushInfo) -> Option<Vec<u8>> {
    match info.data.into_iter().nth(1) {
        Some(Value::BulkString(mut bytes)) => {
            bytes.truncate(LONGEST);
            Some(bytes)
        }
        _ => None,
    }
}

#[async_trait]
impl InvalidationChannel for Subscription {
    async fn receive(&self) -> Result<Vec<u8>, ChannelLost> {
        let mut messages = self.messages.lock().await;
        loop {
            let received = timeout(QUIET, messages.recv()).await;
            if self.lost.load(Ordering::Acquire) {
                return Err(lost(
                    "the connection ended, or more came than could be kept",
                ));
            }
            match received {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => return Err(lost("the connection ended")),
                Err(_quiet) => {
                    let mut connection = self.connection.clone();
                    let ping = redis::cmd("PING");
                    let answered = ping.query_async::<String>(&mut connection);
                    within(Deadline::after(ANSWER), answered)
                        .await
                        .map_err(ChannelLost)?;
                }
            }
        }
    }
}

fn lost(how: &'static str) -> ChannelLost {
    ChannelLost(CellError::new(ErrorClass::Unreachable, how))
}
