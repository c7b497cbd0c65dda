//! Where a broker is and how it is used: everything of the mapping and the options that a connection needs, read once.

use std::time::Duration;

use cells::{Broker, BrokerHost, CellError, CellMapping, ErrorClass, Leg};

use crate::address::Addresses;
use crate::bus::broker::{Tls, is_true};
use crate::options::{ConnectorOptions, QueueProfile, Queues};

pub(super) struct Place {
    pub(super) hosts: Vec<BrokerHost>,
    pub(super) virtual_host: String,
    pub(super) addresses: Addresses,
    pub(super) tls: Option<Tls>,
    pub(super) connect_timeout: Duration,
    /// Seconds without a frame after which the peer is taken for dead.
    pub(super) heartbeat: u16,
    /// Requests that the broker may hand to one server beyond those it works on.
    pub(super) prefetch: u16,
    pub(super) exchange: String,
    pub(super) queues: QueueProfile,
    pub(super) monitor: Duration,
}

impl Place {
    pub(super) fn new(
        broker: &Broker,
        mapping: &CellMapping,
        options: &ConnectorOptions,
    ) -> Result<Self, CellError> {
        Ok(Self {
            hosts: broker.hosts.clone(),
            virtual_host: broker.virtual_host.clone(),
            addresses: Addresses::of_cell(mapping, Leg::Transport),
            tls: Tls::of(broker),
            connect_timeout: options.connect_timeout,
            heartbeat: number(broker, "heartbeat_timeout_threshold")?.unwrap_or(60),
            // None at all would hand a server everything there is.
            prefetch: match number(broker, "rabbit_qos_prefetch_count")? {
                None | Some(0) => 64,
                Some(count) => count,
            },
            exchange: options.bus_exchange.clone(),
            queues: profile(broker, options.bus_queues)?,
            monitor: Duration::from_secs(options.bus_monitor.as_secs().max(2)),
        })
    }
}

/// The URL's own words win over the options', as in oslo.messaging.
fn profile(broker: &Broker, default: QueueProfile) -> Result<QueueProfile, CellError> {
    let on = |name: &str| is_true(broker, name);
    let topics = match (on("rabbit_quorum_queue")?, on("amqp_durable_queues")?) {
        (Some(true), _) => Queues::Quorum,
        (_, Some(true)) => Queues::Durable,
        (None, None) => default.topics,
        _ => Queues::Transient,
    };
    let replies = match on("rabbit_transient_quorum_queue")? {
        Some(true) => Queues::Quorum,
        Some(false) => Queues::Transient,
        None => default.replies,
    };
    Ok(QueueProfile { topics, replies })
}

fn number(broker: &Broker, name: &str) -> Result<Option<u16>, CellError> {
    let Some(value) = broker.option(name) else {
        return Ok(None);
    };
    value.parse().map(Some).map_err(|_| {
        let detail = format!("{name} is no number from 0 to 65535");
        CellError::new(ErrorClass::Configuration, detail)
    })
}

#[cfg(test)]
mod tests {
    use cells::{RawCellMapping, RevisionKey, TransportLocation, UrlDefaults};

    use super::*;

    fn place(query: &str) -> Result<Place, CellError> {
        let raw = RawCellMapping {
            uuid: "6d5bd30e-147b-44db-9ceb-1a392e756c36".into(),
            name: None,
            database_connection: Some("sqlite:///none.sqlite".into()),
            transport_url: Some(format!("rabbit://h/v?{query}").into()),
            disabled: false,
        };
        let key = RevisionKey::from_bytes(b"test");
        let mapping = CellMapping::parse(&raw, &UrlDefaults::default(), &key).unwrap();
        match mapping.transport() {
            TransportLocation::Broker(broker) => {
                Place::new(broker, &mapping, &ConnectorOptions::default())
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_urls_options_say_which_queues_are_declared() {
        let of = |query: &str| place(query).unwrap().queues;
        for (query, topics, replies) in [
            ("ssl=false", Queues::Transient, Queues::Transient),
            (
                "amqp_durable_queues=true",
                Queues::Durable,
                Queues::Transient,
            ),
            ("rabbit_quorum_queue=1", Queues::Quorum, Queues::Transient),
            (
                "rabbit_quorum_queue=on&rabbit_transient_quorum_queue=yes",
                Queues::Quorum,
                Queues::Quorum,
            ),
        ] {
            assert_eq!(of(query), QueueProfile { topics, replies }, "{query}");
        }
    }

    #[test]
    fn options_that_make_no_sense_are_named() {
        for query in [
            "heartbeat_timeout_threshold=soon",
            "rabbit_qos_prefetch_count=-1",
            "amqp_durable_queues=maybe",
        ] {
            let error = place(query).err().unwrap();
            assert_eq!(error.class(), ErrorClass::Configuration, "{query}");
        }
    }
}
