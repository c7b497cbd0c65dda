//! All cells of one cloud: the current snapshot, and the opened legs of each cell under each revision.
//!
//! No runtime is needed: loading is async without one, targeting does not wait. Legs are opened once per cell and
//! revision, by the first who needs them, and dropped with the last holder once their revision is no longer current.
//! Loading is in `reload`, ends and invalidations in `upkeep`.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use context::RequestContext;

use crate::by_id::{self, ById};
use crate::cache::{Entry, Found, Journal, Keeper, Lease};
use crate::checks::Checks;
use crate::connector::CellConnector;
use crate::defaults::UrlDefaults;
use crate::id::CellId;
use crate::options::CellsOptions;
use crate::readings::Readings;
use crate::revision::RevisionKey;
use crate::selection::{Choice, SelectError, Selection};
use crate::snapshot::{Epoch, Snapshot};
use crate::source::MappingSource;
use crate::target::{CellContext, KeepsRequest, Legs, Request, TargetError};

/// The cells of one cloud. Clones share everything.
pub struct Cells<C: CellConnector>(pub(crate) Arc<Inner<C>>);

/// Apart from the count of its holders: callers come and go, while others read what is here.
#[repr(align(64))]
pub(crate) struct Inner<C: CellConnector> {
    pub(crate) source: Box<dyn MappingSource>,
    pub(crate) keeper: Keeper<C>,
    pub(crate) checks: ArcSwap<Checks>,
    pub(crate) view: ArcSwap<View<C>>,
    /// Loads begun: each takes the next number before it asks the source.
    pub(crate) begun: AtomicU64,
    /// The number of the load in place. Held while a load's result is put there, so that one that began earlier never
    /// replaces a later one's.
    pub(crate) placing: Mutex<Epoch>,
    /// Times that somebody asked for a fresh load, and how many of those a load has answered.
    pub(crate) asked: AtomicU64,
    pub(crate) answered: AtomicU64,
    /// The tick at which a load is due in any case.
    pub(crate) reload_at: AtomicU64,
    /// Held while cells are closed to make room: one at a time is enough.
    pub(crate) making_room: Mutex<()>,
}

/// What readers see: swapped as one, so that nobody meets a mapping of one load with an entry of another.
pub(crate) struct View<C: CellConnector> {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) entries: ById<Arc<Entry<C>>>,
    pub(crate) readings: Readings,
}

/// Looks at the mappings per targeting, where they change all the time.
const LOOKS: usize = 4;

impl<C: CellConnector> Cells<C> {
    /// Cells of this source, opened by this connector, with the default limits. Nothing is loaded yet: call
    /// [`refresh`](Self::refresh).
    pub fn new(
        source: impl MappingSource,
        connector: C,
        defaults: UrlDefaults,
        key: RevisionKey,
    ) -> Self {
        let mut options = CellsOptions::new(key);
        options.defaults = defaults;
        Self::with_options(source, connector, options)
    }

    /// As [`new`](Self::new), with limits, a clock, checks and an audit sink of the caller's choice.
    pub fn with_options(source: impl MappingSource, connector: C, options: CellsOptions) -> Self {
        let journal = Journal::new(
            Arc::clone(&options.clock),
            options.audit,
            options.policy.events,
        );
        let checks = Checks::new(options.defaults, options.key)
            .with_allow_list(options.allow)
            .with_seals(options.seals);
        let checks = Arc::new(checks);
        Self(Arc::new(Inner {
            source: Box::new(source),
            keeper: Keeper::new(connector, options.policy, options.clock, journal),
            view: ArcSwap::from_pointee(View {
                snapshot: Arc::new(Snapshot::empty()),
                entries: by_id::with_room(0),
                readings: Readings::under(Arc::clone(&checks), 0),
            }),
            checks: ArcSwap::new(checks),
            begun: AtomicU64::new(0),
            placing: Mutex::new(Epoch(0)),
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            reload_at: AtomicU64::new(0),
            making_room: Mutex::new(()),
        }))
    }

    /// The mappings in place.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.view.load().snapshot)
    }

    /// The connector.
    #[must_use]
    pub fn connector(&self) -> &C {
        &self.0.keeper.connector
    }

    /// The cells a piece of work is for; see [`Snapshot::select`].
    ///
    /// # Errors
    /// As [`Snapshot::select`].
    pub fn select(&self, selection: &Selection) -> Result<Vec<Choice>, SelectError> {
        self.0.view.load().snapshot.select(selection)
    }

    /// Binds a request to a cell, under the cell's current mapping: a caller that chose the cell before a change gets
    /// the new revision, never the old one.
    ///
    /// For a cell that is open this takes no lock and touches no count that other threads touch. Else the first caller
    /// opens it and the others wait for that, however it ends; a failure is repeated to everybody for a moment
    /// ([`CachePolicy::backoff`](crate::CachePolicy::backoff)) before the next try.
    ///
    /// # Errors
    /// [`TargetError`] where no current mapping has the id, or its legs cannot be opened.
    pub fn target(
        &self,
        request: &RequestContext,
        cell: CellId,
    ) -> Result<CellContext<C>, TargetError> {
        let lease = self.lease(cell)?;
        Ok(CellContext::new(Request::Own(request.clone()), lease))
    }

    /// As [`target`](Self::target), for a request that somebody keeps for many such contexts: they hold on to its keeper, and
    /// nobody touches the request's own count, which callers on other processors touch, too.
    ///
    /// # Errors
    /// As [`target`](Self::target).
    pub fn target_for(
        &self,
        keeper: Arc<dyn KeepsRequest>,
        cell: CellId,
    ) -> Result<CellContext<C>, TargetError> {
        let lease = self.lease(cell)?;
        Ok(CellContext::new(Request::Kept(keeper), lease))
    }

    #[inline(always)]
    fn lease(&self, cell: CellId) -> Result<Arc<Lease<Legs<C>>>, TargetError> {
        let now = self.0.keeper.tick();
        if let Some(entry) = self.0.view.load().entries.get(&cell)
            && let Some(lease) = entry.warm(now)
        {
            return Ok(lease);
        }
        self.lease_cold(cell)
    }

    #[cold]
    fn lease_cold(&self, cell: CellId) -> Result<Arc<Lease<Legs<C>>>, TargetError> {
        for _ in 0..LOOKS {
            let entry = self.0.view.load().entries.get(&cell).cloned();
            let entry = entry.ok_or(TargetError::Unknown(cell))?;
            match entry.legs(&self.0.keeper) {
                Found::Legs(lease) => {
                    self.make_room(cell);
                    return Ok(lease);
                }
                Found::Gone => {}
                Found::Failed(source) => {
                    return Err(TargetError::Open {
                        cell: entry.mapping.label().clone(),
                        source,
                    });
                }
            }
        }
        Err(TargetError::Restless(cell))
    }
}

impl<C: CellConnector> Clone for Cells<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: CellConnector> std::fmt::Debug for Cells<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cells")
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}
