//! Targeting: binding a request to one cell, as a new value. Nothing is mutated and nothing is left behind.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use context::{Deadline, RequestContext};

use crate::cache::{Keeper, Lease};
use crate::connector::CellConnector;
use crate::error::CellError;
use crate::id::CellId;
use crate::label::CellLabel;
use crate::mapping::CellMapping;
use crate::revision::Revision;

/// Both legs of one cell under one revision of its mapping.
pub(crate) struct Legs<C: CellConnector> {
    mapping: CellMapping,
    database: C::Database,
    messaging: Option<C::Messaging>,
    /// Tick 0 of the cache they belong to.
    born: Instant,
}

impl<C: CellConnector> Legs<C> {
    /// Opens both legs or none.
    pub(crate) fn open(keeper: &Keeper<C>, mapping: &CellMapping) -> Result<Self, CellError> {
        let database = keeper.connector.open_database(mapping)?;
        let messaging = match mapping.transport().is_none() {
            true => None,
            false => Some(keeper.connector.open_messaging(mapping)?),
        };
        Ok(Self {
            mapping: mapping.clone(),
            database,
            messaging,
            born: keeper.instant(0),
        })
    }

    /// Has the connector close what is under them.
    pub(crate) fn abandon(&self, connector: &C) {
        connector.abandon(&self.database, self.messaging.as_ref());
    }
}

/// This request, this cell, this revision of its mapping, both legs of it (invariant 4).
///
/// Holders keep what they hold: a mapping that changes meanwhile makes new contexts and leaves this one whole.
#[must_use = "a target that is not used asks nothing of the cell"]
pub struct CellContext<C: CellConnector> {
    request: Request,
    lease: Arc<Lease<Legs<C>>>,
}

/// Keeps a request for contexts that are bound to it; see [`Cells::target_for`](crate::Cells::target_for).
pub trait KeepsRequest: Send + Sync {
    /// The request, always the same.
    fn request(&self) -> &RequestContext;
}

impl<K: KeepsRequest + ?Sized> KeepsRequest for Arc<K> {
    fn request(&self) -> &RequestContext {
        (**self).request()
    }
}

/// Who asks, held in one of two ways.
pub(crate) enum Request {
    Own(RequestContext),
    Kept(Arc<dyn KeepsRequest>),
}

impl Request {
    fn get(&self) -> &RequestContext {
        match self {
            Self::Own(request) => request,
            Self::Kept(keeper) => keeper.request(),
        }
    }
}

impl<C: CellConnector> CellContext<C> {
    pub(crate) fn new(request: Request, lease: Arc<Lease<Legs<C>>>) -> Self {
        Self { request, lease }
    }

    /// Who asks.
    #[must_use]
    pub fn request(&self) -> &RequestContext {
        self.request.get()
    }

    /// The cell's id.
    #[must_use]
    pub fn id(&self) -> CellId {
        self.lease.legs().mapping.id()
    }

    /// What reports call the cell.
    #[must_use]
    pub fn label(&self) -> &CellLabel {
        self.lease.legs().mapping.label()
    }

    /// The mapping this context was made from.
    #[must_use]
    pub fn mapping(&self) -> &CellMapping {
        &self.lease.legs().mapping
    }

    /// The mapping's revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.lease.legs().mapping.revision()
    }

    /// The cell's database.
    #[must_use]
    pub fn database(&self) -> &C::Database {
        &self.lease.legs().database
    }

    /// The cell's bus.
    ///
    /// # Errors
    /// [`NoBus`] for a cell without one: never another cell's bus and never a default one (W-6, W-31).
    pub fn messaging(&self) -> Result<&C::Messaging, NoBus> {
        self.lease.legs().messaging.as_ref().ok_or(NoBus)
    }

    /// Whether newer legs have taken the place of these: the mapping changed, they grew old, somebody invalidated them.
    /// Work under way may finish until [`drain_deadline`](Self::drain_deadline); longer work targets the cell again.
    #[must_use]
    pub fn superseded(&self) -> bool {
        self.lease.drain_by().is_some()
    }

    /// By when holders of superseded legs must be done; the connector closes them then. None while they are current.
    #[must_use]
    pub fn drain_deadline(&self) -> Option<Deadline> {
        let born = self.lease.legs().born;
        let at = |tick| {
            born.checked_add(Duration::from_millis(tick))
                .unwrap_or(born)
        };
        self.lease.drain_by().map(|tick| Deadline::at(at(tick)))
    }
}

/// A clone has the request itself: it keeps nothing else of whoever keeps that.
impl<C: CellConnector> Clone for CellContext<C> {
    fn clone(&self) -> Self {
        Self {
            request: Request::Own(self.request().clone()),
            lease: Arc::clone(&self.lease),
        }
    }
}

impl<C: CellConnector> fmt::Debug for CellContext<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CellContext")
            .field("request", self.request())
            .field("mapping", &self.lease.legs().mapping)
            .finish()
    }
}

/// The cell has no bus: its transport is `none:///`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cell has no message bus")]
pub struct NoBus;

/// A request could not be bound to a cell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// No current mapping has this id, or its row was refused.
    #[error("no cell {0} among the current mappings")]
    Unknown(CellId),
    /// The mappings changed again and again while the cell was being opened.
    #[error("the mapping of cell {0} does not come to rest")]
    Restless(CellId),
    /// Its legs could not be opened.
    #[error("cell {cell} could not be opened")]
    Open {
        /// The cell.
        cell: CellLabel,
        /// Why.
        #[source]
        source: CellError,
    },
}
