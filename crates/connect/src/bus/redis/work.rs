//! One request from a stream: worked on, answered and taken out of its stream, the last two in one step.

use std::sync::Arc;
use std::time::Duration;

use ::redis::streams::StreamId;
use ::redis::{Pipeline, cmd, pipe};
use cells::CellError;
use context::Deadline;
use tokio::time::{sleep, timeout_at};

use super::client::Client;
use super::keys::GROUP;
use crate::bus::dispatch::dispatch;
use crate::bus::message::Endpoint;
use crate::bus::oslo::{self, Arrived, ReplyTo};

/// The longest time for a request that does not expire (`long_rpc_timeout` of Nova).
const LONGEST: Duration = Duration::from_secs(1800);
/// How long replies are kept for a client that does not read them, in seconds.
const KEPT: u64 = 1800;
/// How long it is known that a request was executed, in seconds.
const KNOWN: u64 = 3600;
/// How long an answer is tried, and how often.
const TRIED: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(250);

/// The message in an entry.
pub(super) fn body_of(entry: &StreamId) -> Vec<u8> {
    entry.get("body").unwrap_or_default()
}

/// When an entry expires, in Redis's own milliseconds.
pub(super) fn expiry_of(entry: &StreamId) -> Option<u64> {
    let ttl: String = entry.get("ttl")?;
    let ttl: u64 = ttl.parse().ok()?;
    let (added, _) = entry.id.split_once('-')?;
    Some(added.parse::<u64>().ok()?.saturating_add(ttl))
}

/// An entry of a stream, taken by this server.
pub(super) struct Taken {
    pub(super) stream: String,
    pub(super) entry: StreamId,
    /// What is left of its caller's budget; none where it does not expire.
    pub(super) left: Option<Duration>,
    /// Whether another server had it before.
    pub(super) is_again: bool,
}

/// Works on an entry to its end. It stays in its stream where Redis cannot be told: it comes again then.
pub(super) async fn work(client: Arc<Client>, endpoint: Arc<dyn Endpoint>, taken: Taken) {
    let body = body_of(&taken.entry);
    let arrived = match oslo::read_request(Some(oslo::CONTENT_TYPE), &body) {
        Ok(arrived) => arrived,
        Err(why) => {
            tracing::warn!(%why, "a message is dropped");
            return finish(&client, &taken, None, None).await;
        }
    };
    drop(body);
    let Arrived {
        request,
        unique_id,
        reply,
        monitor,
        ..
    } = arrived;
    let id = unique_id.as_deref();
    let expired = taken.left.is_some_and(|left| left.is_zero());
    if expired || (taken.is_again && was_executed(&client, id).await) {
        return finish(&client, &taken, id, None).await;
    }
    let deadline = Deadline::after(taken.left.unwrap_or(LONGEST).min(LONGEST));
    let working = dispatch(&*endpoint, request, deadline);
    let working = timeout_at(deadline.instant().into(), working);
    let answer = match (&reply, monitor) {
        (Some(reply), Some(monitor)) => tokio::select! {
            done = working => done,
            () = beats(&client, reply, monitor / 2) => return,
        },
        _ => working.await,
    };
    let answer = reply.zip(answer.ok());
    let answer = answer.map(|(reply, answer)| {
        let body = oslo::write_reply(&reply.call, answer);
        (client.place.keys.reply(&reply.queue), body)
    });
    finish(&client, &taken, id, answer).await;
}

async fn was_executed(client: &Client, id: Option<&str>) -> bool {
    let Some(id) = id else { return false };
    let mut exists = cmd("EXISTS");
    exists.arg(client.place.keys.done(id));
    let deadline = Deadline::after(client.place.connect_timeout);
    match client.link(deadline).await {
        Ok(link) => link.ask::<bool>(&exists, deadline).await.unwrap_or(false),
        Err(_) => false,
    }
}

/// Signs of life, for as long as this is waited for.
async fn beats(client: &Client, reply: &ReplyTo, interval: Duration) {
    let key = client.place.keys.reply(&reply.queue);
    loop {
        sleep(interval).await;
        let mut beat = pipe();
        add_reply(&mut beat, &key, &oslo::heartbeat(&reply.call));
        let deadline = Deadline::after(interval);
        if let Ok(link) = client.link(deadline).await {
            // Whether it came through, the caller knows.
            let _sent = link.all(&beat, deadline).await;
        }
    }
}

fn add_reply(to: &mut Pipeline, key: &str, body: &[u8]) {
    to.cmd("XADD")
        .arg(key)
        .arg("*")
        .arg("body")
        .arg(body)
        .ignore();
    to.cmd("EXPIRE").arg(key).arg(KEPT).ignore();
}

/// Answers, and takes the entry out of its stream.
async fn finish(
    client: &Client,
    taken: &Taken,
    id: Option<&str>,
    answer: Option<(String, Vec<u8>)>,
) {
    let mut done = pipe();
    done.atomic();
    if let Some((key, body)) = answer {
        add_reply(&mut done, &key, &body);
    }
    if let Some(id) = id {
        let key = client.place.keys.done(id);
        done.cmd("SET")
            .arg(key)
            .arg(1)
            .arg("EX")
            .arg(KNOWN)
            .ignore();
    }
    let (stream, entry) = (&taken.stream, &taken.entry.id);
    done.cmd("XACK").arg(stream).arg(GROUP).arg(entry).ignore();
    done.cmd("XDEL").arg(stream).arg(entry).ignore();
    let deadline = Deadline::after(TRIED);
    while !deadline.remaining().is_zero() && !client.is_closed() {
        if told(client, &done, deadline).await.is_ok() {
            return;
        }
        sleep(AGAIN).await;
    }
    tracing::warn!("a request stays in its stream: Redis cannot be told that it was executed");
}

async fn told(client: &Client, done: &Pipeline, deadline: Deadline) -> Result<(), CellError> {
    client.link(deadline).await?.all(done, deadline).await
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use ::redis::Value;

    use super::*;

    #[test]
    fn an_entry_expires_by_the_clock_that_made_it() {
        let entry = |id: &str, ttl: &str| {
            let ttl = Value::BulkString(ttl.as_bytes().to_vec());
            let entry = StreamId {
                id: id.to_owned(),
                map: HashMap::from([("ttl".to_owned(), ttl)]),
                ..StreamId::default()
            };
            expiry_of(&entry)
        };
        assert_eq!(entry("1700000000000-3", "250"), Some(1_700_000_000_250));
        for (id, ttl) in [("1700000000000-3", ""), ("x-y", "5"), ("7", "5")] {
            assert_eq!(entry(id, ttl), None, "{id} {ttl}");
        }
    }
}
