//! Requests, over the one connection that is kept for them.

use std::sync::{Arc, Mutex};

use ::redis::cmd;
use cells::{CellError, ErrorClass};
use context::Deadline;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::keys::{FANOUT, SEND};
use super::link::{Link, Place};
use super::replies;
use crate::bus::broker::{Kept, Waiting};
use crate::bus::message::{BusTarget, CallError, RpcRequest};
use crate::bus::oslo::{self, ReplyTo};

pub(super) struct Client {
    pub(super) place: Arc<Place>,
    link: Kept<Link>,
    pub(super) waiting: Arc<Waiting>,
    /// The last part of the name of its stream of replies.
    pub(super) id: String,
    /// Whether somebody reads replies.
    pub(super) reading: Mutex<bool>,
    /// Nobody calls any more.
    pub(super) over: CancellationToken,
}

impl Client {
    pub(super) fn new(place: Place) -> Arc<Self> {
        Arc::new(Self {
            place: Arc::new(place),
            link: Kept::default(),
            waiting: Arc::default(),
            id: oslo::fresh_id(),
            reading: Mutex::new(false),
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

    pub(super) async fn check(&self, deadline: Deadline) -> Result<(), CellError> {
        // One that was lost, and nobody had noticed, is replaced: a new one tells the truth.
        self.link.doubt();
        let link = self.link(deadline).await?;
        // Redis lets everybody in, and says only then who may do nothing.
        link.ask::<String>(&cmd("PING"), deadline).await.map(drop)
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
        let answer = ticket.answer(deadline, monitor).await;
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
        let sent: Result<String, CellError> = link.ask(&send, deadline).await;
        let sent = sent.inspect_err(|error| self.link.doubt_after(error))?;
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
        let sent = link.ask::<String>(&send, deadline).await;
        sent.inspect_err(|error| self.link.doubt_after(error))
            .map(drop)
    }
}
