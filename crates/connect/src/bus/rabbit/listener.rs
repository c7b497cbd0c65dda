//! Serving a topic: three queues, as every server of oslo.messaging has them, and what is done with a request.
//!
//! A request is acknowledged before it is worked on, so that it is executed at most once (nova-facts 7.4). Each waits for
//! its own acknowledgement to be sent, and none for another's. No more are taken than are worked on; the others wait at the
//! broker, where others can take them.

use std::sync::Arc;
use std::time::Duration;

use cells::CellError;
use context::Deadline;
use futures_util::stream::{BoxStream, SelectAll, once, select_all};
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicRejectOptions, QueueDeleteOptions};
use lapin::{Consumer, ExchangeKind};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::client::Client;
use super::link::Link;
use super::publish::short;
use super::replier::Replier;
use super::runtime::quiet;
use super::topology::{self, Queue};
use super::{AGAIN, CLOSING};
use crate::bus::broker::{Seen, out_of_time};
use crate::bus::dispatch::{AT_ONCE, dispatch};
use crate::bus::message::Endpoint;
use crate::bus::oslo::{self, Arrived};
use crate::bus::transport::Serving;

/// The longest time for a request that does not expire (`long_rpc_timeout` of Nova).
const LONGEST: Duration = Duration::from_secs(1800);

struct Server {
    client: Arc<Client>,
    topic: String,
    name: String,
    /// Of fanouts; the same for the server's whole life.
    fanout: String,
    endpoint: Arc<dyn Endpoint>,
    replier: Replier,
    seen: Seen,
    runtime: Handle,
}

/// Serves until the guard is dropped. The queues are there when this returns.
pub(super) async fn serve(
    client: &Arc<Client>,
    topic: String,
    name: String,
    endpoint: Arc<dyn Endpoint>,
    deadline: Deadline,
) -> Result<Serving, CellError> {
    let server = Arc::new(Server {
        client: Arc::clone(client),
        fanout: format!("{topic}_fanout_{}", oslo::fresh_id()),
        topic,
        name,
        endpoint,
        replier: Replier::new(Arc::clone(client)),
        seen: Seen::default(),
        runtime: Handle::current(),
    });
    let listening = server.listen(deadline).await?;
    let task = tokio::spawn(run(server, listening)).abort_handle();
    Ok(Serving { task })
}

/// One connection of a server, and what it reads from it.
struct Listening {
    server: Arc<Server>,
    link: Option<Link>,
    messages: Messages,
    /// Whether the server ends with it.
    is_last: bool,
}

/// What the three queues bring. `None` is the end of one: of the connection, or of a queue that was deleted.
type Messages = SelectAll<BoxStream<'static, Option<Result<Delivery, lapin::Error>>>>;

fn merged(consumers: Vec<Consumer>) -> Messages {
    let until_its_end = |consumer: Consumer| {
        let end = once(std::future::ready(None));
        consumer.map(Some).chain(end).boxed()
    };
    select_all(consumers.into_iter().map(until_its_end))
}

impl Server {
    async fn listen(self: &Arc<Self>, deadline: Deadline) -> Result<Listening, CellError> {
        let end: Instant = deadline.instant().into();
        let link = Link::open(&self.client.place, deadline).await?;
        match timeout_at(end, self.consume(&link)).await {
            Ok(messages) => Ok(Listening {
                server: Arc::clone(self),
                messages: messages?,
                link: Some(link),
                is_last: true,
            }),
            Err(_) => Err(out_of_time("the queues were not there within the budget")),
        }
    }

    async fn consume(&self, link: &Link) -> Result<Messages, CellError> {
        let place = &self.client.place;
        let channel = topology::consuming(link, place.prefetch).await?;
        let kinds = place.queues;
        let exchange =
            topology::exchange(link, &place.exchange, ExchangeKind::Topic, kinds.topics).await?;
        let own = format!("{}.{}", self.topic, self.name);
        let mut consumers = Vec::with_capacity(3);
        for name in [&self.topic, &own] {
            let queue = Queue {
                name: name.clone(),
                kind: kinds.topics,
                expires: false,
            };
            let queue = topology::queue(link, &queue).await?;
            topology::bind(&channel, &queue, &exchange, name).await?;
            consumers.push(topology::consume(&channel, &queue).await?);
        }
        let fanout = format!("{}_fanout", self.topic);
        let exchange =
            topology::exchange(link, &fanout, ExchangeKind::Fanout, kinds.replies).await?;
        let queue = Queue {
            name: self.fanout.clone(),
            kind: kinds.replies,
            expires: true,
        };
        let queue = topology::queue(link, &queue).await?;
        topology::bind(&channel, &queue, &exchange, &self.topic).await?;
        consumers.push(topology::consume(&channel, &queue).await?);
        Ok(merged(consumers))
    }

    /// What is done with one delivery: none where nobody works on it.
    async fn admit(&self, delivery: Delivery) -> Option<(Arrived, Deadline)> {
        let text = |field: &Option<lapin::types::ShortString>| {
            field.as_ref().map(|text| text.as_str().to_owned())
        };
        let properties = &delivery.properties;
        let content_type = text(properties.content_type());
        let expires = text(properties.expiration()).and_then(|millis| millis.parse().ok());
        let read = oslo::read_request(content_type.as_deref(), &delivery.data);
        let acknowledged = match &read {
            Ok(_) => quiet(delivery.ack(BasicAckOptions::default())).await,
            Err(why) => {
                tracing::warn!(%why, "a message is dropped");
                quiet(delivery.reject(BasicRejectOptions::default())).await
            }
        };
        let arrived = read.ok()?;
        if acknowledged.is_err() {
            // The broker gives it to somebody else.
            return None;
        }
        if !self.seen.is_new(arrived.unique_id.as_deref()) {
            tracing::info!("a message that came twice is dropped");
            return None;
        }
        let longest = expires.map_or(LONGEST, Duration::from_millis).min(LONGEST);
        Some((arrived, Deadline::after(longest)))
    }

    /// Works on a request, and gives the answer.
    async fn answer(&self, delivery: Delivery) -> Option<Answered> {
        let (arrived, deadline) = self.admit(delivery).await?;
        let Arrived {
            request,
            reply,
            monitor,
            ..
        } = arrived;
        let work = dispatch(&*self.endpoint, request, deadline);
        let Some(reply) = reply else {
            drop(timeout_at(deadline.instant().into(), work).await);
            return None;
        };
        let beats = async {
            let Some(interval) = monitor.map(|monitor| monitor / 2) else {
                return std::future::pending().await;
            };
            loop {
                sleep(interval).await;
                let body = oslo::heartbeat(&reply.call);
                self.replier.beat(&reply.queue, &body, interval).await;
            }
        };
        let done = tokio::select! {
            done = timeout_at(deadline.instant().into(), work) => done,
            () = beats => return None,
        };
        // Who asked does not wait any longer.
        let answer = done.ok()?;
        Some(Answered {
            body: oslo::write_reply(&reply.call, answer),
            queue: reply.queue,
        })
    }
}

/// An answer that is to be sent.
struct Answered {
    queue: String,
    body: Vec<u8>,
}

async fn run(server: Arc<Server>, first: Listening) {
    // Dropped with this task, and every request in it.
    let mut tasks = JoinSet::new();
    // For work alone: an answer that waits for its caller takes nobody's.
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut listening = Some(first);
    let mut pause = AGAIN.0;
    loop {
        let Some(open) = &mut listening else {
            if server.client.is_closed() {
                return;
            }
            let deadline = Deadline::after(server.client.place.connect_timeout);
            match server.listen(deadline).await {
                Ok(open) => {
                    pause = AGAIN.0;
                    listening = Some(open);
                }
                Err(error) => {
                    tracing::warn!(class = %error, "a server is cut off from its bus");
                    sleep(pause).await;
                    pause = (pause * 2).min(AGAIN.1);
                }
            }
            continue;
        };
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, quiet(open.messages.next()).await)
        };
        tokio::select! {
            (place, message) = next => {
                let Some(Some(Ok(delivery))) = message else {
                    open.is_last = false;
                    listening = None;
                    continue;
                };
                let server = Arc::clone(&server);
                tasks.spawn(async move {
                    let answered = server.answer(delivery).await;
                    drop(place);
                    if let Some(Answered { queue, body }) = answered {
                        server.replier.send(&queue, &body).await;
                    }
                });
            }
            Some(_) = tasks.join_next() => {}
        }
        // What is done is not waited for.
        while tasks.join_next().now_or_never().flatten().is_some() {}
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some(link) = self.link.take() else {
            return;
        };
        let is_last = self.is_last;
        let fanout = short(&self.server.fanout);
        self.server.runtime.spawn(quiet(async move {
            // Left behind it would take fanouts until it expires.
            if is_last && let (Ok(fanout), Ok(channel)) = (fanout, link.channel().await) {
                let delete = channel.queue_delete(fanout, QueueDeleteOptions::default());
                let _deleted = timeout(CLOSING, delete).await;
            }
            drop(link);
        }));
    }
}
