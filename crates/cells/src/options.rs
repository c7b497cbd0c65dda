//! What [`Cells`](crate::Cells) can be given beyond a source and a connector.

use std::fmt;
use std::sync::Arc;

use context::{AuditSink, TracingAudit};

use crate::allow::AllowList;
use crate::clock::{Clock, SystemClock};
use crate::defaults::UrlDefaults;
use crate::policy::CachePolicy;
use crate::revision::RevisionKey;
use crate::seal::SealCheck;

/// Settings of [`Cells`](crate::Cells): make them with [`new`](Self::new) and change what differs.
#[non_exhaustive]
pub struct CellsOptions {
    /// The host's own URLs, for templates.
    pub defaults: UrlDefaults,
    /// The key that revisions are made under.
    pub key: RevisionKey,
    /// Which places mappings may name; any where there is no list.
    pub allow: Option<Arc<AllowList>>,
    /// The operator's seals; nothing is sealed where there are none.
    pub seals: Option<Arc<SealCheck>>,
    /// The limits of the cache.
    pub policy: CachePolicy,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where audit events go; to `tracing` by default. Called from wherever a cell is opened: it must not be slow.
    pub audit: Arc<dyn AuditSink>,
}

impl CellsOptions {
    /// The defaults, with revisions under this key.
    #[must_use]
    pub fn new(key: RevisionKey) -> Self {
        Self {
            defaults: UrlDefaults::default(),
            key,
            allow: None,
            seals: None,
            policy: CachePolicy::default(),
            clock: Arc::new(SystemClock),
            audit: Arc::new(TracingAudit),
        }
    }
}

impl fmt::Debug for CellsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CellsOptions")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
