//! All cells of one cloud: the current snapshot, and the opened legs of each cell under each revision.
//!
//! No runtime is needed: loading is async without one, targeting does not wait. Legs are opened once per cell and
//! revision, by the first who needs them, and dropped with the last holder once their revision is no longer current.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use context::{Deadline, RequestContext};

use crate::connector::CellConnector;
use crate::error::CellError;
use crate::id::CellId;
use crate::mapping::{CellMapping, UrlDefaults};
use crate::revision::RevisionKey;
use crate::selection::{Choice, SelectError, Selection};
use crate::snapshot::{Epoch, Snapshot};
use crate::source::MappingSource;
use crate::target::{CellContext, Legs, TargetError};

/// The cells of one cloud. Clones share everything.
pub struct Cells<C: CellConnector>(Arc<Inner<C>>);

struct Inner<C: CellConnector> {
    source: Box<dyn MappingSource>,
    connector: C,
    defaults: UrlDefaults,
    key: RevisionKey,
    view: ArcSwap<View<C>>,
    /// Held while a load's result is put in place, so that an older load never replaces a newer one's.
    placing: Mutex<Epoch>,
}

/// What readers see: swapped as one, so that nobody meets a mapping of one load with an entry of another.
struct View<C: CellConnector> {
    snapshot: Arc<Snapshot>,
    entries: HashMap<CellId, Arc<Entry<C>>>,
}

struct Entry<C: CellConnector> {
    mapping: CellMapping,
    legs: OnceLock<Arc<Legs<C>>>,
    /// Serialises opening; a slow opening of one cell holds up only those who want the same one.
    opening: Mutex<()>,
}

impl<C: CellConnector> Cells<C> {
    /// Cells of this source, opened by this connector. Nothing is loaded yet: call [`refresh`](Self::refresh).
    pub fn new(
        source: impl MappingSource,
        connector: C,
        defaults: UrlDefaults,
        key: RevisionKey,
    ) -> Self {
        Self(Arc::new(Inner {
            source: Box::new(source),
            connector,
            defaults,
            key,
            view: ArcSwap::from_pointee(View {
                snapshot: Arc::new(Snapshot::empty()),
                entries: HashMap::new(),
            }),
            placing: Mutex::new(Epoch(0)),
        }))
    }

    /// Loads the mappings again and puts them in place. Cells whose revision is unchanged keep their open legs.
    ///
    /// # Errors
    /// [`CellError`] where the source cannot be read; the snapshot in place stays.
    ///
    /// # Cancel safety
    /// Either the whole new snapshot is in place or the old one is.
    pub async fn refresh(&self, deadline: Deadline) -> Result<Arc<Snapshot>, CellError> {
        let rows = self.0.source.load(deadline).await?;
        let mut epoch = self
            .0
            .placing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *epoch = Epoch(epoch.0 + 1);
        let snapshot = Arc::new(Snapshot::of_rows(
            *epoch,
            &rows,
            &self.0.defaults,
            &self.0.key,
        ));
        let before = self.0.view.load();
        let entries = snapshot
            .mappings()
            .map(|mapping| {
                let kept = before
                    .entries
                    .get(&mapping.id())
                    .filter(|entry| entry.mapping.revision() == mapping.revision());
                let entry = match kept {
                    Some(entry) => Arc::clone(entry),
                    None => Arc::new(Entry::new(mapping.clone())),
                };
                (mapping.id(), entry)
            })
            .collect();
        self.0.view.store(Arc::new(View {
            snapshot: Arc::clone(&snapshot),
            entries,
        }));
        Ok(snapshot)
    }

    /// The mappings in place.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.view.load().snapshot)
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
    /// # Errors
    /// [`TargetError`] where no current mapping has the id, or its legs cannot be opened.
    pub fn target(
        &self,
        request: &RequestContext,
        cell: CellId,
    ) -> Result<CellContext<C>, TargetError> {
        let view = self.0.view.load();
        let entry = view.entries.get(&cell).ok_or(TargetError::Unknown(cell))?;
        let legs = entry
            .legs(&self.0.connector)
            .map_err(|source| TargetError::Open {
                cell: entry.mapping.label().clone(),
                source,
            })?;
        Ok(CellContext::new(request.clone(), legs))
    }
}

impl<C: CellConnector> Entry<C> {
    fn new(mapping: CellMapping) -> Self {
        Self {
            mapping,
            legs: OnceLock::new(),
            opening: Mutex::new(()),
        }
    }

    fn legs(&self, connector: &C) -> Result<Arc<Legs<C>>, CellError> {
        if let Some(legs) = self.legs.get() {
            return Ok(Arc::clone(legs));
        }
        let _one_at_a_time = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(legs) = self.legs.get() {
            return Ok(Arc::clone(legs));
        }
        let opened = Arc::new(Legs::open(connector, &self.mapping)?);
        Ok(Arc::clone(self.legs.get_or_init(|| opened)))
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

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use async_trait::async_trait;
    use context::{Identity, Roles};

    use super::*;
    use crate::mapping::RawCellMapping;

    /// Rows that a test changes between loads.
    #[derive(Clone, Default)]
    struct Rows(Arc<Mutex<Vec<RawCellMapping>>>);

    #[async_trait]
    impl MappingSource for Rows {
        async fn load(&self, _deadline: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
            Ok(self.0.lock().unwrap().clone())
        }
    }

    #[derive(Default)]
    struct CountingConnector(AtomicUsize);

    impl CellConnector for CountingConnector {
        type Database = String;
        type Messaging = ();

        fn open_database(&self, mapping: &CellMapping) -> Result<String, CellError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(mapping.database().to_string())
        }

        fn open_messaging(&self, _mapping: &CellMapping) -> Result<(), CellError> {
            Ok(())
        }
    }

    /// The sources here are ready at once, so one poll is enough and no runtime is needed.
    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("the source was expected to be ready at once"),
        }
    }

    fn row(uuid: &str, database: &str, transport: &str) -> RawCellMapping {
        RawCellMapping {
            uuid: uuid.into(),
            database_connection: Some(database.into()),
            transport_url: Some(transport.into()),
            ..RawCellMapping::default()
        }
    }

    const CELL1: &str = "6d5bd30e-147b-44db-9ceb-1a392e756c36";

    fn cloud(rows: &Rows) -> Cells<CountingConnector> {
        let key = RevisionKey::from_bytes(b"test");
        Cells::new(
            rows.clone(),
            CountingConnector::default(),
            UrlDefaults::default(),
            key,
        )
    }

    fn request() -> RequestContext {
        RequestContext::for_background("test", Identity::default(), Roles::admin())
    }

    fn refresh(cells: &Cells<CountingConnector>) {
        now(cells.refresh(Deadline::after(Duration::from_secs(1)))).unwrap();
    }

    #[test]
    fn legs_are_opened_once_and_kept_while_the_revision_stays() {
        let rows = Rows::default();
        rows.0
            .lock()
            .unwrap()
            .push(row(CELL1, "sqlite:///one", "fake:///one"));
        let cells = cloud(&rows);
        let id = CELL1.parse().unwrap();
        for _ in 0..3 {
            refresh(&cells);
            assert_eq!(
                cells.target(&request(), id).unwrap().database(),
                "sqlite:///one"
            );
        }
        assert_eq!(cells.0.connector.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_changed_mapping_opens_anew_and_holders_keep_what_they_hold() {
        let rows = Rows::default();
        rows.0
            .lock()
            .unwrap()
            .push(row(CELL1, "sqlite:///one", "fake:///one"));
        let cells = cloud(&rows);
        let id = CELL1.parse().unwrap();
        refresh(&cells);
        let held = cells.target(&request(), id).unwrap();
        rows.0.lock().unwrap()[0].database_connection = Some("sqlite:///two".into());
        refresh(&cells);
        let fresh = cells.target(&request(), id).unwrap();
        assert_eq!(
            (held.database().as_str(), fresh.database().as_str()),
            ("sqlite:///one", "sqlite:///two")
        );
        assert_ne!(held.revision(), fresh.revision());
    }

    #[test]
    fn a_removed_cell_cannot_be_targeted_any_more() {
        let rows = Rows::default();
        rows.0
            .lock()
            .unwrap()
            .push(row(CELL1, "sqlite:///one", "fake:///one"));
        let cells = cloud(&rows);
        refresh(&cells);
        rows.0.lock().unwrap().clear();
        refresh(&cells);
        let id = CELL1.parse().unwrap();
        assert!(
            matches!(cells.target(&request(), id), Err(TargetError::Unknown(gone)) if gone == id)
        );
    }

    #[test]
    fn a_cell_without_a_bus_says_so() {
        let rows = Rows::default();
        let zero = CellId::CELL0.to_string();
        rows.0
            .lock()
            .unwrap()
            .push(row(&zero, "sqlite:///zero", "none:///"));
        let cells = cloud(&rows);
        refresh(&cells);
        let target = cells.target(&request(), CellId::CELL0).unwrap();
        assert_eq!(
            target.messaging().unwrap_err().to_string(),
            "the cell has no message bus"
        );
    }
}
