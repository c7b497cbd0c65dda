//! Exchanges and queues, declared exactly as oslo.messaging declares them (nova-facts 7.1).
//!
//! What is there already with other properties is used as it is: other services declared it, by the deployment's options.

use cells::{CellError, ErrorClass};
use lapin::options::{
    BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer, ExchangeKind};

use super::classify::{classify, is_conflict, refuses_transient};
use super::link::Link;
use super::publish::short;
use super::runtime::quiet;
use crate::options::Queues;

/// How long a queue of replies or fanouts is kept without a consumer, in milliseconds.
const KEPT: i32 = 1_800_000;

/// A channel that confirms what is published over it.
pub(super) async fn confirming(connection: &Connection) -> Result<Channel, lapin::Error> {
    let channel = connection.create_channel().await?;
    confirm(&channel).await?;
    Ok(channel)
}

/// Makes a channel confirm what is published over it.
pub(super) async fn confirm(channel: &Channel) -> Result<(), lapin::Error> {
    let options = ConfirmSelectOptions::default();
    channel.confirm_select(options).await
}

/// A queue to be declared.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) kind: Queues,
    /// Whether it ends by itself when nobody consumes it.
    pub(super) expires: bool,
}

impl Queue {
    fn arguments(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        if self.expires {
            arguments.insert("x-expires".into(), AMQPValue::LongInt(KEPT));
        }
        if self.kind == Queues::Quorum {
            let quorum = AMQPValue::LongString("quorum".into());
            arguments.insert("x-queue-type".into(), quorum);
        }
        arguments
    }
}

/// Declares a queue.
pub(super) async fn queue(link: &Link, queue: &Queue) -> Result<ShortString, CellError> {
    let name = short(&queue.name)?;
    let options = QueueDeclareOptions {
        durable: queue.kind != Queues::Transient,
        ..QueueDeclareOptions::default()
    };
    let channel = link.channel().await.map_err(classify)?;
    let declared = quiet(channel.queue_declare(name.clone(), options, queue.arguments())).await;
    match declared {
        Ok(_) => {}
        Err(error) if is_conflict(&error) => {
            tracing::warn!("a queue is there with other properties, and used as it is");
            let channel = link.channel().await.map_err(classify)?;
            let passive = QueueDeclareOptions {
                passive: true,
                ..options
            };
            quiet(channel.queue_declare(name.clone(), passive, FieldTable::default()))
                .await
                .map_err(classify)?;
        }
        Err(error) if refuses_transient(&error) => {
            let detail = "this broker keeps no transient queues: ask for rabbit_quorum_queue and rabbit_transient_quorum_queue";
            return Err(CellError::new(ErrorClass::Configuration, detail));
        }
        Err(error) => return Err(classify(error)),
    }
    Ok(name)
}

/// Declares an exchange.
pub(super) async fn exchange(
    link: &Link,
    name: &str,
    kind: ExchangeKind,
    queues: Queues,
) -> Result<ShortString, CellError> {
    let name = short(name)?;
    let options = ExchangeDeclareOptions {
        durable: queues != Queues::Transient,
        auto_delete: kind == ExchangeKind::Fanout,
        ..ExchangeDeclareOptions::default()
    };
    let none = FieldTable::default;
    let channel = link.channel().await.map_err(classify)?;
    let declared =
        quiet(channel.exchange_declare(name.clone(), kind.clone(), options, none())).await;
    match declared {
        Ok(()) => {}
        Err(error) if is_conflict(&error) => {
            tracing::warn!("an exchange is there with other properties, and used as it is");
            let channel = link.channel().await.map_err(classify)?;
            let passive = ExchangeDeclareOptions {
                passive: true,
                ..options
            };
            quiet(channel.exchange_declare(name.clone(), kind, passive, none()))
                .await
                .map_err(classify)?;
        }
        Err(error) => return Err(classify(error)),
    }
    Ok(name)
}

/// Binds a queue to an exchange.
pub(super) async fn bind(
    channel: &Channel,
    queue: &ShortString,
    exchange: &ShortString,
    key: &str,
) -> Result<(), CellError> {
    let (queue, exchange) = (queue.clone(), exchange.clone());
    let options = QueueBindOptions::default();
    quiet(channel.queue_bind(queue, exchange, short(key)?, options, FieldTable::default()))
        .await
        .map_err(classify)
}

/// A channel for consumers, with this many messages on their way to each.
pub(super) async fn consuming(link: &Link, prefetch: u16) -> Result<Channel, CellError> {
    let channel = link.channel().await.map_err(classify)?;
    quiet(channel.basic_qos(prefetch, BasicQosOptions::default()))
        .await
        .map_err(classify)?;
    Ok(channel)
}

/// Consumes a queue; each message is to be acknowledged.
pub(super) async fn consume(channel: &Channel, queue: &ShortString) -> Result<Consumer, CellError> {
    let options = BasicConsumeOptions::default();
    let tag = ShortString::default();
    quiet(channel.basic_consume(queue.clone(), tag, options, FieldTable::default()))
        .await
        .map_err(classify)
}
