//! Real servers for tests: private, on free ports of the loopback, in a folder of their own, gone with their handle.
//!
//! Tests that leave a server as it is can say [`Available`] instead, and then variables may name servers that are there
//! already: `NOVA_TEST_MARIADB_URL`, `NOVA_TEST_POSTGRES_URL`, `NOVA_TEST_REDIS_URL`, `NOVA_TEST_RABBITMQ_URL`.
//!
//! A server that cannot be had is an error and never a test that passes. Missing Debian packages are installed where this
//! process may do so; otherwise the error says the one command to run. Nothing here is for production data: the servers
//! do not wait for the disk.

mod disk;
mod erlang;
mod error;
mod existing;
mod guarded;
mod mariadb;
mod packages;
mod postgres;
mod rabbitmq;
mod redis;
mod sentinels;
mod setup;
mod tls;

pub use error::ServerError;
pub use existing::{Available, Existing};
pub use mariadb::MariaDb;
pub use postgres::Postgres;
pub use rabbitmq::RabbitMq;
pub use redis::Redis;
pub use sentinels::RedisSentinels;
pub use setup::{PASSWORD, USER};
pub use tls::ServerTls;
