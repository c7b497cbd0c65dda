//! Requests, over the one connection that is kept for them.

use std::sync::{Arc, Mutex};

use ::redis::cmd;
use cells::{CellError, ErrorClass};
use context::Deadline;
use serde_json::Value;

use super::keys::{FANOUT, SEND};
use super::link::{Link, Place};
use super::replies;
use crate::bus::broker::{Kept, Waiting};
use crate::bus::message::{BusTarget, CallError, RpcRequest};
use crate::bus::oslo::{self, ReplyTo};

pub(super) struct Client {
    pub(super) place: Place,
    link: Kept<Link>,
    pub(super) waiting: Arc<Waiting>,
    /// The last part of the name of its stream of replies.
    pub(super) id: String,
    /// Whether somebody reads replies.
    pub(super) reading: Mutex<bool>,
}

impl Client {
    pub(super) fn new(place: Place) -> Arc<Self> {
        Arc::new(Self {
            place,
            link: Kept::default(),
            waiting: Arc::default(),
            id: oslo::fresh_id(),
            reading: Mutex::new(false),
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.link.is_closed()
    }

    pub(super) fn close(&self) {
        self.link.close();
    }

    /// The connection, made if need be.
    pub(super) async fn link(&self, deadline: Deadline) -> Result<Arc<Link>, CellError> {
        let open = Link::open(&self.place, deadline);
        self.link.get(deadline, open).await
    }

    pub(super) async fn check(&self, deadline: Deadline) -> Result<(), CellError> {
        let ping = cmd("PING");
        let link = self.link(deadline).await?;
        if link.ask::<String>(&ping, deadline).await.is_ok() {
            return Ok(());
        }
        // It was lost and nobody had noticed: a new one tells the truth.
        self.link.forget(&link).await;
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
