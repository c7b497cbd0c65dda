//! Publishing one message, and what became of it. Only what the broker has confirmed counts as sent.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use cells::{CellError, ErrorClass};
use context::Deadline;
use lapin::options::BasicPublishOptions;
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::link::{Link, bounded};
use super::runtime::quiet;
use crate::bus::broker::out_of_time;
use crate::bus::oslo;

/// Where a message goes.
#[derive(Debug, Clone)]
pub(super) struct Route {
    exchange: ShortString,
    key: ShortString,
    /// Whether a message that no queue takes is told to us.
    told: bool,
}

impl Route {
    /// To an exchange.
    pub(super) fn new(exchange: &str, key: &str) -> Result<Self, CellError> {
        Ok(Self {
            exchange: short(exchange)?,
            key: short(key)?,
            told: true,
        })
    }

    /// The same; one that no queue takes is nobody's loss.
    pub(super) fn whoever_listens(self) -> Self {
        Self {
            told: false,
            ..self
        }
    }
}

/// A name for AMQP, which has 255 bytes for one. The driver panics on longer ones.
pub(super) fn short(text: &str) -> Result<ShortString, CellError> {
    ShortString::try_new(text).map_err(|error| CellError::new(ErrorClass::Request, error))
}

/// What the broker did with a message that it has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Published {
    Queued,
    /// No queue is bound there.
    Unroutable,
    /// A queue is full.
    Refused,
}

/// While the broker is blocked, how often we look whether it still is.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Publishes a message. With `expires` it is thrown away where nobody takes it for so long.
pub(super) async fn publish(
    link: &Link,
    route: &Route,
    body: &[u8],
    expires: bool,
    deadline: Deadline,
) -> Result<Published, CellError> {
    // What was handed to the driver is sent as soon as the broker takes messages again, whoever still waits.
    while link.is_blocked() {
        if deadline.remaining().is_zero() {
            let detail = "the broker takes no messages at the moment";
            return Err(CellError::new(ErrorClass::Overloaded, detail));
        }
        sleep(LOOK_AGAIN.min(deadline.remaining())).await;
    }
    let left = deadline.remaining();
    if left.is_zero() {
        return Err(out_of_time("the budget ended before the request was sent"));
    }
    let expires = expires.then_some(left);
    let sent = over(&link.publisher, &link.ended, route, body, expires);
    bounded(deadline, sent).await
}

/// Publishes over a channel that confirms.
pub(super) async fn over(
    channel: &Channel,
    ended: &CancellationToken,
    route: &Route,
    body: &[u8],
    expires: Option<Duration>,
) -> Result<Published, lapin::Error> {
    let mut properties = BasicProperties::default()
        .with_content_type(oslo::CONTENT_TYPE.into())
        .with_content_encoding("utf-8".into())
        .with_headers(FieldTable::default())
        .with_delivery_mode(2)
        .with_priority(0);
    if let Some(left) = expires {
        // RabbitMQ reads whole milliseconds; 0 would mean at once or never.
        let millis = left.as_millis().clamp(1, u128::from(u32::MAX));
        properties = properties.with_expiration(millis.to_string().into());
    }
    let options = BasicPublishOptions {
        mandatory: route.told,
        ..BasicPublishOptions::default()
    };
    let sent = channel
        .basic_publish(
            route.exchange.clone(),
            route.key.clone(),
            options,
            body,
            properties,
        )
        .await?;
    Ok(match Awaited::new(sent, ended).await? {
        Confirmation::Ack(None) | Confirmation::NotRequested => Published::Queued,
        Confirmation::Ack(Some(_)) => Published::Unroutable,
        Confirmation::Nack(_) => Published::Refused,
    })
}

/// A confirmation that is waited for to its end, if not by its sender, then in the background. The driver would keep one that
/// is dropped for as long as the connection lasts.
struct Awaited {
    confirm: Option<PublisherConfirm>,
    /// The connection has: the driver does not say so to everybody who waits.
    ended: CancellationToken,
    runtime: Handle,
}

impl Awaited {
    fn new(confirm: PublisherConfirm, ended: &CancellationToken) -> Self {
        Self {
            confirm: Some(confirm),
            ended: ended.clone(),
            runtime: Handle::current(),
        }
    }
}

impl Future for Awaited {
    type Output = Result<Confirmation, lapin::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(confirm) = &mut self.confirm else {
            return Poll::Ready(Ok(Confirmation::NotRequested));
        };
        let confirmed = Pin::new(confirm).poll(context);
        if confirmed.is_ready() {
            self.confirm = None;
        }
        confirmed
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(confirm) = self.confirm.take() {
            let ended = self.ended.clone();
            self.runtime.spawn(quiet(async move {
                drop(ended.run_until_cancelled(confirm).await);
            }));
        }
    }
}
