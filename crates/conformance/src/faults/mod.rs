//! A proxy that breaks connections on purpose: at a chosen moment of a conversation, in a chosen way.
//!
//! It knows no protocol. A moment is said in bytes: after so many of the server's, after a text that either side sends,
//! one after the other ([`Step`]). What happens then is a [`Fault`]. So the same proxy serves databases, brokers and
//! caches, and a conversation that it does not break passes as if it were not there.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use nova_conformance::faults::{Fault, FaultProxy, Step};
//! # let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = server.local_addr()?;
//! let proxy = FaultProxy::start(address).await?;
//! // The query reaches the server, and its answer never comes.
//! proxy.inflict(Fault::BlackHole, &[Step::ClientSays(b"SELECT".to_vec())]).await?;
//! proxy.heal().await?;
//! # Ok::<(), std::io::Error>(()) })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod conversation;
mod plan;
mod proxy;

pub use plan::{Fault, Step};
pub use proxy::FaultProxy;
