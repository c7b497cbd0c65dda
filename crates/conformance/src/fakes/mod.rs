//! Clouds without databases, and connectors named by how they misbehave. What a cell's *work* does is the test's closure.

mod cloud;
mod connectors;
mod gate;

pub use cloud::{FakeCloud, Rows, admin, cell_on_bus};
pub use connectors::{FailingConnector, FakeDatabase, HonestConnector, StallingConnector};
pub use gate::Gate;
