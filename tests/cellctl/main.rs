//! Everything a user does with `cellctl`, against clouds on SQLite that the tests make.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a missing value is the failure to report"
)]

mod cloud;

mod bad_input;
mod buses;
mod cells;
mod demo;
mod interrupted;
mod long;
mod nova_conf;
mod rows;
mod seals;
mod secrets;
mod servers;
mod sick_cells;
mod watch;
