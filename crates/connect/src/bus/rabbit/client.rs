//! Requests, over the one connection that is kept for them.

use std::sync::Arc;
use std::time::Duration;

use cells::{CellError, ErrorClass};
use context::Deadline;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::link::{Link, bounded};
use super::place::Place;
use super::publish::{Published, Route, over, publish};
use super::{replies, topology};
use crate::bus::broker::{Alive, Kept, Ticket, Waiting};
use crate::bus::message::{BusTarget, CallError, RpcRequest};
use crate::bus::oslo::{self, ReplyTo};

pub(super) struct Client {
    pub(super) place: Place,
    link: Kept<Link>,
    pub(super) waiting: Arc<Waiting>,
    /// The same for the client's whole life: a server that still works on a call answers to it, whatever happened to the
    /// connection.
    pub(super) reply_queue: String,
    /// Nobody calls any more.
    pub(super) over: CancellationToken,
}

impl Client {
    pub(super) fn new(place: Place) -> Arc<Self> {
        Arc::new(Self {
            place,
            link: Kept::default(),
            waiting: Arc::default(),
            reply_queue: format!("reply_{}", oslo::fresh_id()),
            over: CancellationToken::new(),
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.link.is_closed()
    }

    pub(super) fn close(&self) {
        self.over.cancel();
        self.link.close();
    }

    /// The connection, made if need be.
    pub(super) async fn link(&self, deadline: Deadline) -> Result<Arc<Link>, CellError> {
        let open = Link::open(&self.place, deadline);
        self.link.get(deadline, open).await
    }

    /// Lets a connection go that is no longer good.
    pub(super) async fn forget(&self, gone: &Arc<Link>) {
        self.link.forget(gone).await;
    }

    pub(super) async fn check(&self, deadline: Deadline) -> Result<(), CellError> {
        // One that was lost, and nobody had noticed, is replaced: a new one tells the truth.
        self.link.doubt();
        self.link(deadline).await.map(drop)
    }

    pub(super) async fn call(
        self: &Arc<Self>,
        target: &BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<Value, CallError> {
        let route = self.route(target).map_err(CallError::Bus)?;
        let reply = ReplyTo {
            queue: self.reply_queue.clone(),
            call: oslo::fresh_id(),
        };
        let monitor = (deadline.remaining() > self.place.monitor).then_some(self.place.monitor);
        let body = oslo::write_request(request, &oslo::fresh_id(), Some((&reply, monitor)));
        let link = replies::ready(self, deadline)
            .await
            .map_err(CallError::Bus)?;
        let ticket = self.waiting.enter(&reply.call);
        let answer = answered(link, &route, &body, ticket, monitor, deadline).await;
        if let Err(CallError::Bus(error)) = &answer {
            self.link.doubt_after(error);
        }
        answer
    }

    pub(super) async fn cast(
        &self,
        target: &BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        let route = self.route(target)?;
        let body = oslo::write_request(request, &oslo::fresh_id(), None);
        let link = self.link(deadline).await?;
        publish(&link, &route, &body, false, deadline)
            .await
            .inspect_err(|error| self.link.doubt_after(error))
            .and_then(taken)
    }

    pub(super) async fn fanout(
        &self,
        topic: &str,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        let route = Route::new(&format!("{topic}_fanout"), "")?.whoever_listens();
        let body = oslo::write_request(request, &oslo::fresh_id(), None);
        let link = self.link(deadline).await?;
        // A channel of its own: where no server ever listened there is no exchange, and that ends the channel.
        let sent = bounded(deadline, async {
            let channel = link.channel().await?;
            topology::confirm(&channel).await?;
            let sent = over(&channel, &link.ended, &route, &body, None).await?;
            channel.close(200, "OK".into()).await?;
            Ok(sent)
        });
        match sent.await {
            Err(error) if error.class() == ErrorClass::Unreachable && link.is_alive() => Ok(()),
            Err(error) => Err(error),
            Ok(Published::Refused) => taken(Published::Refused),
            Ok(_) => Ok(()),
        }
    }

    fn route(&self, target: &BusTarget) -> Result<Route, CellError> {
        let key = match &target.server {
            Some(server) => format!("{}.{server}", target.topic),
            None => target.topic.clone(),
        };
        Route::new(&self.place.exchange, &key)
    }
}

/// Sends a call and waits for its answer. That may overtake the broker's word that it has the request, where the broker has
/// to write it down first.
async fn answered(
    link: Arc<Link>,
    route: &Route,
    body: &[u8],
    ticket: Ticket,
    monitor: Option<Duration>,
    deadline: Deadline,
) -> Result<Value, CallError> {
    // The connection is kept no longer than until it has sent.
    let sent = async move { publish(&link, route, body, true, deadline).await };
    let answer = ticket.answer(deadline, monitor);
    tokio::pin!(answer);
    tokio::select! {
        biased;
        sent = sent => sent.and_then(taken).map_err(CallError::Bus)?,
        answer = &mut answer => return answer,
    }
    answer.await
}

/// A request has to be in a queue.
fn taken(published: Published) -> Result<(), CellError> {
    match published {
        Published::Queued => Ok(()),
        Published::Unroutable => {
            let detail = "no server listens on this topic";
            Err(CellError::new(ErrorClass::Unreachable, detail))
        }
        Published::Refused => {
            let detail = "the broker's queue is full";
            Err(CellError::new(ErrorClass::Overloaded, detail))
        }
    }
}
