//! Requests, and the one connection they go over: made when it is needed, and made again when it is lost.

use std::sync::{Arc, Mutex, PoisonError};

use cells::{CellError, ErrorClass};
use context::Deadline;
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout_at};

use super::link::{Link, bounded};
use super::place::Place;
use super::publish::{Published, Route, over, publish};
use super::{replies, topology};
use crate::bus::broker::{Waiting, out_of_time};
use crate::bus::message::{BusTarget, CallError, RpcRequest};
use crate::bus::oslo::{self, ReplyTo};

pub(super) struct Client {
    pub(super) place: Place,
    /// Held while connecting: many callers make one connection.
    link: AsyncMutex<Option<Arc<Link>>>,
    pub(super) waiting: Arc<Waiting>,
    /// The same for the client's whole life: a server that still works on a call answers to it, whatever happened to the
    /// connection.
    pub(super) reply_queue: String,
    closed: Mutex<bool>,
}

impl Client {
    pub(super) fn new(place: Place) -> Arc<Self> {
        Arc::new(Self {
            place,
            link: AsyncMutex::new(None),
            waiting: Arc::default(),
            reply_queue: format!("reply_{}", oslo::fresh_id()),
            closed: Mutex::new(false),
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        // Where somebody connects just now, that is noticed afterwards.
        if let Ok(mut link) = self.link.try_lock() {
            link.take();
        }
    }

    /// The connection, made if need be.
    pub(super) async fn link(&self, deadline: Deadline) -> Result<Arc<Link>, CellError> {
        let end: Instant = deadline.instant().into();
        let Ok(mut link) = timeout_at(end, self.link.lock()).await else {
            return Err(out_of_time("no connection within the budget"));
        };
        self.must_be_open()?;
        if let Some(link) = link.as_ref().filter(|link| link.is_alive()) {
            return Ok(Arc::clone(link));
        }
        *link = None;
        let made = Arc::new(Link::open(&self.place, deadline).await?);
        self.must_be_open()?;
        *link = Some(Arc::clone(&made));
        Ok(made)
    }

    fn must_be_open(&self) -> Result<(), CellError> {
        match self.is_closed() {
            true => Err(CellError::new(ErrorClass::Unreachable, "the bus is closed")),
            false => Ok(()),
        }
    }

    /// Lets a connection go that is no longer good, unless it was replaced already.
    pub(super) async fn forget(&self, gone: &Arc<Link>) {
        let mut link = self.link.lock().await;
        if link.as_ref().is_some_and(|link| Arc::ptr_eq(link, gone)) {
            *link = None;
        }
    }

    pub(super) async fn check(&self, deadline: Deadline) -> Result<(), CellError> {
        let link = self.link(deadline).await?;
        match bounded(deadline, link.ping()).await {
            Ok(()) => Ok(()),
            Err(_) => {
                // It was lost and nobody had noticed: a new one tells the truth.
                self.forget(&link).await;
                self.link(deadline).await.map(drop)
            }
        }
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
        let sent = publish(&link, &route, &body, true, deadline).await;
        drop(body);
        sent.and_then(taken).map_err(CallError::Bus)?;
        drop(link);
        ticket.answer(deadline, monitor).await
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
            let sent = over(&channel, &route, &body, None).await?;
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
