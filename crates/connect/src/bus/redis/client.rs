//! Requests, and the one connection they go over: made when it is needed, and made again when it is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ::redis::cmd;
use cells::{CellError, ErrorClass};
use context::Deadline;
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::timeout_at;

use super::keys::{FANOUT, SEND};
use super::link::{Link, Place};
use super::replies;
use crate::bus::broker::{Waiting, out_of_time};
use crate::bus::message::{BusTarget, CallError, RpcRequest};
use crate::bus::oslo::{self, ReplyTo};

pub(super) struct Client {
    pub(super) place: Place,
    /// Held while connecting: many callers make one connection.
    link: AsyncMutex<Option<Arc<Link>>>,
    pub(super) waiting: Arc<Waiting>,
    /// The last part of the name of its stream of replies.
    pub(super) id: String,
    /// Whether somebody reads replies.
    pub(super) reading: Mutex<bool>,
    closed: AtomicBool,
}

impl Client {
    pub(super) fn new(place: Place) -> Arc<Self> {
        Arc::new(Self {
            place,
            link: AsyncMutex::new(None),
            waiting: Arc::default(),
            id: oslo::fresh_id(),
            reading: Mutex::new(false),
            closed: AtomicBool::new(false),
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // Where somebody connects just now, that is noticed afterwards.
        if let Ok(mut link) = self.link.try_lock() {
            link.take();
        }
    }

    /// The connection, made if need be.
    pub(super) async fn link(&self, deadline: Deadline) -> Result<Arc<Link>, CellError> {
        let Ok(mut link) = timeout_at(deadline.instant().into(), self.link.lock()).await else {
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

    async fn forget(&self, gone: &Arc<Link>) {
        let mut link = self.link.lock().await;
        if link.as_ref().is_some_and(|link| Arc::ptr_eq(link, gone)) {
            *link = None;
        }
    }

    pub(super) async fn check(&self, deadline: Deadline) -> Result<(), CellError> {
        let ping = cmd("PING");
        let link = self.link(deadline).await?;
        if link.ask::<String>(&ping, deadline).await.is_ok() {
            return Ok(());
        }
        // It was lost and nobody had noticed: a new one tells the truth.
        self.forget(&link).await;
        let link = self.link(deadline).await?;
        link.ask::<String>(&ping, deadline).await.map(drop)
    }

    pub(super) async fn call(
        self: &Arc<Self>,
        target: &BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<Value, CallError> {
        let reply = ReplyTo {
            queue: self.id.clone(),
            call: oslo::fresh_id(),
        };
        let monitor = (deadline.remaining() > self.place.monitor).then_some(self.place.monitor);
        let body = oslo::write_request(request, &oslo::fresh_id(), Some((&reply, monitor)));
        let ticket = self.waiting.enter(&reply.call);
        // What came before its reader did is still in the stream.
        replies::read(self);
        self.send(target, &body, true, deadline)
            .await
            .map_err(CallError::Bus)?;
        ticket.answer(deadline, monitor).await
    }

    pub(super) async fn cast(
        &self,
        target: &BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        let body = oslo::write_request(request, &oslo::fresh_id(), None);
        self.send(target, &body, false, deadline).await
    }

    async fn send(
        &self,
        target: &BusTarget,
        body: &[u8],
        expires: bool,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        let key = self
            .place
            .keys
            .queue(&target.topic, target.server.as_deref());
        let link = self.link(deadline).await?;
        let ttl = match expires {
            true => deadline.remaining().as_millis().max(1).to_string(),
            false => String::new(),
        };
        let mut send = cmd("EVAL");
        send.arg(SEND)
            .arg(1)
            .arg(key)
            .arg(self.place.queue)
            .arg(body)
            .arg(ttl);
        let sent: String = link.ask(&send, deadline).await?;
        match sent.as_str() {
            "sent" => Ok(()),
            "full" => {
                let detail = "the server's queue is full";
                Err(CellError::new(ErrorClass::Overloaded, detail))
            }
            _ => {
                let detail = "no server listens on this topic";
                Err(CellError::new(ErrorClass::Unreachable, detail))
            }
        }
    }

    pub(super) async fn fanout(
        &self,
        topic: &str,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        let body = oslo::write_request(request, &oslo::fresh_id(), None);
        let keys = &self.place.keys;
        let link = self.link(deadline).await?;
        let mut send = cmd("EVAL");
        send.arg(FANOUT).arg(1).arg(keys.servers(topic));
        send.arg(keys.fanouts(topic))
            .arg(self.place.queue)
            .arg(body);
        link.ask::<String>(&send, deadline).await.map(drop)
    }
}
