//! The stream of replies: read while calls wait, and for a while after the last one.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use ::redis::cmd;
use ::redis::streams::StreamReadReply;
use cells::CellError;
use context::Deadline;
use tokio::time::sleep;

use super::client::Client;
use super::link::Link;
use super::work::body_of;
use crate::bus::oslo;

/// How long Redis waits for a reply before it says that there is none.
const BLOCK: Duration = Duration::from_secs(2);
/// So many of those without a call, and nobody reads any more.
const IDLE: u32 = 30;
/// How long a lost connection is left alone before the next try.
const AGAIN: Duration = Duration::from_millis(200);

/// Has replies read, unless somebody does already.
pub(super) fn read(client: &Arc<Client>) {
    let mut reading = client
        .reading
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if !*reading {
        *reading = true;
        tokio::spawn(run(Arc::downgrade(client), Reading(Arc::downgrade(client))));
    }
}

/// Says that nobody reads any more, whatever ended the reader.
struct Reading(Weak<Client>);

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(client) = self.0.upgrade() {
            *client
                .reading
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = false;
            // A call that came just now found a reader.
            if !client.waiting.is_empty()
                && !client.is_closed()
                && tokio::runtime::Handle::try_current().is_ok()
            {
                read(&client);
            }
        }
    }
}

async fn run(client: Weak<Client>, reading: Reading) {
    let (mut link, mut last, mut idle) = (None, "0".to_owned(), 0);
    while idle < IDLE {
        let Some(client) = client.upgrade().filter(|client| !client.is_closed()) else {
            break;
        };
        idle = match client.waiting.is_empty() {
            true => idle + 1,
            false => 0,
        };
        if let Err(error) = next(&client, &mut link, &mut last).await {
            tracing::warn!(class = %error, "replies cannot be read");
            link = None;
            drop(client);
            sleep(AGAIN).await;
        }
    }
    drop(reading);
}

async fn next(
    client: &Client,
    link: &mut Option<Link>,
    last: &mut String,
) -> Result<(), CellError> {
    let key = client.place.keys.reply(&client.id);
    let open = match link {
        Some(open) => open,
        None => {
            let deadline = Deadline::after(client.place.connect_timeout);
            link.insert(Link::open(&client.place, deadline).await?)
        }
    };
    let mut read = cmd("XREAD");
    read.arg("COUNT")
        .arg(64)
        .arg("BLOCK")
        .arg(BLOCK.as_secs() * 1000);
    read.arg("STREAMS").arg(&key).arg(last.as_str());
    let deadline = Deadline::after(BLOCK + client.place.connect_timeout);
    let came: Option<StreamReadReply> = open.ask(&read, deadline).await?;
    for entry in came
        .into_iter()
        .flat_map(|came| came.keys)
        .flat_map(|key| key.ids)
    {
        match oslo::read_reply(Some(oslo::CONTENT_TYPE), &body_of(&entry)) {
            Ok(reply) => client.waiting.take(reply),
            Err(why) => tracing::warn!(%why, "a reply is dropped"),
        }
        let mut delete = cmd("XDEL");
        delete.arg(&key).arg(&entry.id);
        open.ask::<i64>(&delete, deadline).await?;
        *last = entry.id;
    }
    Ok(())
}
