//! The stream of replies: read while calls wait, and for a while after the last one.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use ::redis::cmd;
use ::redis::streams::StreamReadReply;
use cells::CellError;
use context::Deadline;
use tokio::time::sleep;

use super::client::Client;
use super::link::{Link, Place};
use super::work::body_of;
use crate::bus::broker::Waiting;
use crate::bus::oslo;

/// How long Redis waits for a reply before it says that there is none.
const BLOCK: Duration = Duration::from_secs(1);
/// How much later that may come. A connection that brings nothing at all is left then.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many of those without a call, and nobody reads any more.
const IDLE: u32 = 60;
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
        let (over, reading) = (client.over.clone(), Reading(Arc::downgrade(client)));
        let reader = Reader {
            place: Arc::clone(&client.place),
            waiting: Arc::clone(&client.waiting),
            key: client.place.keys.reply(&client.id),
            last: "0".to_owned(),
        };
        tokio::spawn(async move {
            let _reading = reading;
            // Not even for the time of one answer does it outlive those who call.
            over.run_until_cancelled(reader.run()).await;
        });
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

/// What reading takes; nothing of it keeps the client alive.
struct Reader {
    place: Arc<Place>,
    waiting: Arc<Waiting>,
    key: String,
    last: String,
}

impl Reader {
    async fn run(mut self) {
        let (mut link, mut idle) = (None, 0);
        // For connecting: short at first, since who waits may not have longer.
        let mut patience = PATIENCE;
        while idle < IDLE {
            idle = match self.waiting.is_empty() {
                true => idle + 1,
                false => 0,
            };
            match self.next(&mut link, patience).await {
                Ok(()) => patience = PATIENCE,
                Err(error) => {
                    tracing::warn!(class = %error, "replies cannot be read");
                    link = None;
                    patience = (patience * 2).min(self.place.connect_timeout);
                    sleep(AGAIN).await;
                }
            }
        }
    }

    async fn next(&mut self, link: &mut Option<Link>, patience: Duration) -> Result<(), CellError> {
        let open = match link {
            Some(open) => open,
            None => {
                let deadline = Deadline::after(patience.min(self.place.connect_timeout));
                link.insert(Link::open(&self.place, deadline).await?)
            }
        };
        let mut read = cmd("XREAD");
        read.arg("COUNT")
            .arg(64)
            .arg("BLOCK")
            .arg(BLOCK.as_secs() * 1000);
        read.arg("STREAMS").arg(&self.key).arg(self.last.as_str());
        let came: Option<StreamReadReply> =
            open.ask(&read, Deadline::after(BLOCK + PATIENCE)).await?;
        let mut delete = cmd("XDEL");
        delete.arg(&self.key);
        let before = self.last.clone();
        for entry in came
            .into_iter()
            .flat_map(|came| came.keys)
            .flat_map(|key| key.ids)
        {
            match oslo::read_reply(Some(oslo::CONTENT_TYPE), &body_of(&entry)) {
                Ok(reply) => self.waiting.take(reply),
                Err(why) => tracing::warn!(%why, "a reply is dropped"),
            }
            delete.arg(&entry.id);
            self.last = entry.id;
        }
        if self.last != before {
            open.ask::<i64>(&delete, Deadline::after(PATIENCE)).await?;
        }
        Ok(())
    }
}
