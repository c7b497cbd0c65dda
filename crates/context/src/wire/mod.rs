//! Nova's wire form of a context: the 25-key dict of `to_dict`, bare or as `_context_*` keys of an RPC message.
//!
//! A twin at the boundary, not the context itself: what came over the wire is data until
//! [`RequestContext::for_rpc`](crate::RequestContext::for_rpc) says how far it is trusted. Envelopes, brokers and
//! replies are other crates' matter.

mod key;
mod problem;
mod read;
mod secret_buf;
mod trust;
mod write;

pub use self::key::WireForm;
pub use self::problem::{InvalidWire, WireFault, WireProblem};
pub use self::read::WireRules;
pub use self::secret_buf::SecretBuf;
pub use self::trust::{AdminClaim, AdminClaimRefused, NotItsToken, TrustPolicy};

use std::sync::Arc;

use crate::auth::Guard;
use crate::parts::RequestParts;

/// A context as it came or as it will go over the wire.
#[derive(Debug, Clone)]
pub struct WireContext {
    pub(crate) parts: RequestParts,
    pub(crate) claim: AdminClaim,
}

impl WireContext {
    /// What the sender says about the request; not trusted yet.
    #[must_use]
    pub fn parts(&self) -> &RequestParts {
        &self.parts
    }

    /// The same with the receiver's policies and journal, which no wire carries.
    #[must_use]
    pub fn with_guard(mut self, guard: Arc<Guard>) -> Self {
        self.parts.guard = guard;
        self
    }

    /// What the sender says about being an administrator.
    #[must_use]
    pub fn admin_claim(&self) -> AdminClaim {
        self.claim
    }
}
