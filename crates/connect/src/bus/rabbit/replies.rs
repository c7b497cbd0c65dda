//! The queue of replies: declared with the first call over a connection, and again over the next one while calls wait.

use std::sync::{Arc, Weak};

use cells::CellError;
use context::Deadline;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use tokio::time::{Instant, sleep, timeout_at};

use super::AGAIN;
use super::client::Client;
use super::link::Link;
use super::runtime::quiet;
use super::topology::{self, Queue};
use crate::bus::broker::out_of_time;
use crate::bus::oslo;

/// Replies on their way at once.
const PREFETCH: u16 = 256;

/// The connection, with replies read over it.
pub(super) async fn ready(
    client: &Arc<Client>,
    deadline: Deadline,
) -> Result<Arc<Link>, CellError> {
    let link = client.link(deadline).await?;
    let end: Instant = deadline.instant().into();
    let reading = link.replies.get_or_try_init(|| start(client, &link));
    match timeout_at(end, reading).await {
        Ok(Ok(())) => Ok(link),
        Ok(Err(error)) => {
            client.forget(&link).await;
            Err(error)
        }
        Err(_) => Err(out_of_time("no queue of replies within the budget")),
    }
}

async fn start(client: &Arc<Client>, link: &Arc<Link>) -> Result<(), CellError> {
    let queue = Queue {
        name: client.reply_queue.clone(),
        kind: client.place.queues.replies,
        expires: true,
    };
    let queue = topology::queue(link, &queue).await?;
    let channel = topology::consuming(link, PREFETCH).await?;
    let consumer = topology::consume(&channel, &queue).await?;
    // Weak, both: nobody's task keeps a bus or its connection alive.
    tokio::spawn(read(Arc::downgrade(client), Arc::downgrade(link), consumer));
    Ok(())
}

/// As [`ready`], named by a type that does not lead back here.
fn again(client: &Arc<Client>, deadline: Deadline) -> BoxFuture<'_, Result<Arc<Link>, CellError>> {
    ready(client, deadline).boxed()
}

fn accept(client: &Client, delivery: &Delivery) {
    let content_type = delivery.properties.content_type();
    let content_type = content_type.as_ref().map(|text| text.as_str());
    match oslo::read_reply(content_type, &delivery.data) {
        Ok(reply) => client.waiting.take(reply),
        Err(why) => tracing::warn!(%why, "a reply is dropped"),
    }
}

async fn read(client: Weak<Client>, link: Weak<Link>, mut consumer: Consumer) {
    let Some(ended) = link.upgrade().map(|link| link.ended.clone()) else {
        return;
    };
    let take = async {
        // One acknowledgement for all that came while the one before it was sent: no reply waits for another's.
        let mut last = None;
        let mut sending = None;
        loop {
            if sending.is_none() {
                sending = last.take().map(|last: Delivery| {
                    Box::pin(quiet(async move {
                        last.ack(BasicAckOptions { multiple: true }).await
                    }))
                });
            }
            let sent = async {
                match &mut sending {
                    Some(sending) => sending.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                delivery = quiet(consumer.next()) => {
                    let Some(Ok(delivery)) = delivery else { return };
                    let Some(client) = client.upgrade() else { return };
                    accept(&client, &delivery);
                    last = Some(delivery);
                }
                sent = sent => match sent {
                    Ok(_) => sending = None,
                    Err(_) => return,
                }
            }
        }
    };
    // A driver whose tasks have ended with the connection does not say any more that it has.
    let _lost = ended.run_until_cancelled(take).await;
    // The connection is lost, or somebody deleted the queue.
    if let (Some(client), Some(link)) = (client.upgrade(), link.upgrade()) {
        client.forget(&link).await;
    }
    drop(link);
    let mut pause = AGAIN.0;
    while let Some(client) = client.upgrade() {
        if client.waiting.is_empty() || client.is_closed() {
            return;
        }
        let deadline = Deadline::after(client.place.connect_timeout);
        // A new connection has a reader of its own. Nobody is left to read for once the callers have gone.
        let over = client.over.clone();
        match over.run_until_cancelled(again(&client, deadline)).await {
            None | Some(Ok(_)) => return,
            Some(Err(_)) => {}
        }
        drop(client);
        sleep(pause).await;
        pause = (pause * 2).min(AGAIN.1);
    }
}
