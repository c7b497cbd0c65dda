//! What an operator may tune about connections; every field has a unit and a default that suits one cell of a cloud.

use std::time::Duration;

/// How connections are made, shared and ended. Every wait below is cut short by the budget of who waits.
#[derive(Debug, Clone)]
pub struct ConnectorOptions {
    /// Connections per cell database, for reading and for writing each. At least 1.
    pub pool_size: usize,
    /// Connections of all cells of one connector together, those that are just being ended not counted. At least 1.
    pub connections: usize,
    /// Logins to one cell's database that are under way at once: the others of a full start wait for these. At least 1.
    pub logins: usize,
    /// Longest wait for a free connection of a full pool.
    pub checkout_wait: Duration,
    /// Longest time for one connection: resolving, connecting, TLS, login.
    pub connect_timeout: Duration,
    /// A connection older than this is replaced instead of reused. A tenth is taken off at random, so that connections
    /// made together do not end together.
    pub max_age: Duration,
    /// A connection that nobody took for this long is closed: counted from when it was last taken, statement included.
    pub idle_age: Duration,
    /// A connection that nobody used for this long is asked whether it is still there, again and again: so nothing between
    /// here and the server forgets it, and one that is lost is found before somebody needs it. Zero: never.
    pub keepalive: Duration,
    /// Longest time that a connection has to answer when it is asked that. Then another one is used instead.
    pub answer_wait: Duration,
    /// A statement that holds a connection for longer is named in the log, with the place in the program that asked.
    pub held_long: Duration,
    /// Messages that wait for one server of an in-process bus before senders are refused.
    pub bus_queue: usize,
    /// The exchange of all topics, `control_exchange` of oslo.messaging.
    pub bus_exchange: String,
    /// What kind of queues are declared, where the transport URL does not say.
    pub bus_queues: QueueProfile,
    /// Calls with a longer budget than this ask the server for signs of life, and end when none came for this long.
    /// Whole seconds, at least 2.
    pub bus_monitor: Duration,
}

/// Which queues RabbitMQ is to keep. Everybody on one bus has to use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueProfile {
    /// The queues of topics: `amqp_durable_queues`, `rabbit_quorum_queue`.
    pub topics: Queues,
    /// The queues of replies and fanouts: `rabbit_transient_quorum_queue`. They expire in any case.
    pub replies: Queues,
}

/// One kind of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Queues {
    /// Gone with the broker: oslo.messaging's default. RabbitMQ 4.3 and later refuse them (W-36).
    #[default]
    Transient,
    /// There again after a restart.
    Durable,
    /// The same, on most of the brokers of a cluster.
    Quorum,
}

impl Default for ConnectorOptions {
    fn default() -> Self {
        Self {
            pool_size: 8,
            connections: 2048,
            logins: 4,
            checkout_wait: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            max_age: Duration::from_secs(30 * 60),
            idle_age: Duration::from_secs(60),
            keepalive: Duration::from_secs(15),
            answer_wait: Duration::from_secs(1),
            held_long: Duration::from_secs(60),
            bus_queue: 1024,
            bus_exchange: "nova".into(),
            bus_queues: QueueProfile::default(),
            bus_monitor: Duration::from_secs(60),
        }
    }
}
