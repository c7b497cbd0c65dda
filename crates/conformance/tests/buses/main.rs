//! Buses on real brokers. A broker that cannot be had fails the test.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod redis_server;
