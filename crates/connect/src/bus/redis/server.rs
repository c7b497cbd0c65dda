//! Serving a topic: what is new in its streams, what others left unfinished, and a sign of life from time to time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::redis::streams::{StreamAutoClaimReply, StreamId, StreamReadReply};
use ::redis::{cmd, pipe};
use cells::CellError;
use context::Deadline;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep};

use super::client::Client;
use super::keys::{GROUP, LIVE};
use super::link::Link;
use super::work::{Taken, expiry_of, work};
use crate::bus::dispatch::AT_ONCE;
use crate::bus::message::Endpoint;
use crate::bus::oslo;
use crate::bus::transport::Serving;

/// How long Redis waits for a request before it says that there is none.
const BLOCK: Duration = Duration::from_millis(1000);
/// How much later that, or any answer, may come. A connection that brings nothing at all is left then.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a lost connection is left alone before the next try.
const AGAIN: Duration = Duration::from_millis(200);

struct Server {
    client: Arc<Client>,
    endpoint: Arc<dyn Endpoint>,
    instance: String,
    servers: String,
    /// Of the topic, of this server of it, and of its fanouts.
    streams: [String; 3],
}

/// Serves until the guard is dropped. The streams are there when this returns.
pub(super) async fn serve(
    client: &Arc<Client>,
    topic: &str,
    name: &str,
    endpoint: Arc<dyn Endpoint>,
    deadline: Deadline,
) -> Result<Serving, CellError> {
    let keys = &client.place.keys;
    let instance = format!("{name}:{}", oslo::fresh_id());
    let server = Server {
        client: Arc::clone(client),
        endpoint,
        servers: keys.servers(topic),
        streams: [
            keys.queue(topic, None),
            keys.queue(topic, Some(name)),
            format!("{}{instance}", keys.fanouts(topic)),
        ],
        instance,
    };
    let link = server.listen(deadline).await?;
    let task = tokio::spawn(server.run(link)).abort_handle();
    Ok(Serving { task })
}

impl Server {
    /// A connection to read from, with the streams and their group there.
    async fn listen(&self, deadline: Deadline) -> Result<Link, CellError> {
        let link = Link::open(&self.client.place, deadline).await?;
        for stream in &self.streams {
            let mut create = cmd("XGROUP");
            create
                .arg("CREATE")
                .arg(stream)
                .arg(GROUP)
                .arg("0")
                .arg("MKSTREAM");
            match link.ask::<()>(&create, deadline).await {
                Err(error) if error.detail().to_string().contains("BUSYGROUP") => {}
                other => other?,
            }
        }
        self.live(&link, deadline).await?;
        Ok(link)
    }

    /// Says that this server lives, for three times as long as until it says so again.
    async fn live(&self, link: &Link, deadline: Deadline) -> Result<(), CellError> {
        let [_, _, fanout] = &self.streams;
        let mut live = cmd("EVAL");
        live.arg(LIVE).arg(2).arg(&self.servers).arg(fanout);
        live.arg(&self.instance)
            .arg(self.every().as_secs().max(1) * 3);
        link.ask::<String>(&live, deadline).await.map(drop)
    }

    /// How often it gives a sign of life. Requests of a server that gave none for the monitor's time go to others.
    fn every(&self) -> Duration {
        self.client.place.monitor / 3
    }

    async fn run(self, first: Link) {
        let mut open = Some(first);
        // Dropped with this task, and every request in it.
        let mut working = JoinSet::new();
        let mut held: HashMap<Id, (String, String)> = HashMap::new();
        let mut next_round = Instant::now();
        loop {
            while let Some(done) = working.try_join_next_with_id() {
                let id = done.map_or_else(|error| error.id(), |(id, ())| id);
                held.remove(&id);
            }
            // Each stream may bring as many as were asked for, so there may be more than one too many.
            while held.len() >= AT_ONCE
                && let Some(done) = working.join_next_with_id().await
            {
                let id = done.map_or_else(|error| error.id(), |(id, ())| id);
                held.remove(&id);
            }
            if self.client.is_closed() {
                return;
            }
            let deadline = Deadline::after(BLOCK + PATIENCE);
            let came = match &open {
                None => {
                    let deadline = Deadline::after(self.client.place.connect_timeout);
                    self.listen(deadline).await.map(|link| {
                        open = Some(link);
                        Vec::new()
                    })
                }
                Some(link) if Instant::now() >= next_round => {
                    next_round = Instant::now() + self.every();
                    self.round(link, &held, deadline).await
                }
                Some(link) => {
                    let room = AT_ONCE.saturating_sub(held.len());
                    self.next(link, room, deadline).await
                }
            };
            match came {
                Ok(came) => {
                    for taken in came {
                        let place = (taken.stream.clone(), taken.entry.id.clone());
                        let (client, endpoint) = (&self.client, &self.endpoint);
                        let task =
                            working.spawn(work(Arc::clone(client), Arc::clone(endpoint), taken));
                        held.insert(task.id(), place);
                    }
                }
                Err(error) => {
                    tracing::warn!(class = %error, "a server is cut off from its bus");
                    open = None;
                    sleep(AGAIN).await;
                }
            }
        }
    }

    /// What is new.
    async fn next(
        &self,
        link: &Link,
        room: usize,
        deadline: Deadline,
    ) -> Result<Vec<Taken>, CellError> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(&self.instance);
        read.arg("COUNT")
            .arg(room.max(1))
            .arg("BLOCK")
            .arg(BLOCK.as_millis().to_string());
        read.arg("STREAMS").arg(&self.streams);
        for _ in &self.streams {
            read.arg(">");
        }
        let came: Option<StreamReadReply> = link.ask(&read, deadline).await?;
        let mut taken = Vec::new();
        for key in came.into_iter().flat_map(|came| came.keys) {
            taken.extend(key.ids.into_iter().map(|entry| (key.key.clone(), entry)));
        }
        self.timed(link, taken, false, deadline).await
    }

    /// A sign of life for this server and for what it works on, and what others left unfinished.
    async fn round(
        &self,
        link: &Link,
        held: &HashMap<Id, (String, String)>,
        deadline: Deadline,
    ) -> Result<Vec<Taken>, CellError> {
        self.live(link, deadline).await?;
        let mut claims = pipe();
        for (stream, entry) in held.values() {
            let claim = claims
                .cmd("XCLAIM")
                .arg(stream)
                .arg(GROUP)
                .arg(&self.instance);
            claim.arg(0).arg(entry).arg("JUSTID").ignore();
        }
        if !held.is_empty() {
            link.all(&claims, deadline).await?;
        }
        let mut left = Vec::new();
        let room = AT_ONCE.saturating_sub(held.len()).max(1);
        for stream in &self.streams {
            let mut claim = cmd("XAUTOCLAIM");
            claim.arg(stream).arg(GROUP).arg(&self.instance);
            claim
                .arg(self.client.place.monitor.as_millis().to_string())
                .arg("0");
            claim.arg("COUNT").arg(room);
            let claimed: StreamAutoClaimReply = link.ask(&claim, deadline).await?;
            left.extend(
                claimed
                    .claimed
                    .into_iter()
                    .map(|entry| (stream.clone(), entry)),
            );
        }
        self.timed(link, left, true, deadline).await
    }

    /// What is left of each entry's time.
    async fn timed(
        &self,
        link: &Link,
        entries: Vec<(String, StreamId)>,
        is_again: bool,
        deadline: Deadline,
    ) -> Result<Vec<Taken>, CellError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let (seconds, micros): (u64, u64) = link.ask(&cmd("TIME"), deadline).await?;
        let now = seconds * 1000 + micros / 1000;
        let taken = entries.into_iter().map(|(stream, entry)| Taken {
            left: expiry_of(&entry).map(|end| Duration::from_millis(end.saturating_sub(now))),
            stream,
            entry,
            is_again,
        });
        Ok(taken.collect())
    }
}
