//! Loading the mappings and putting them in place: whole, in the order in which the loads began, with what changed noted.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use context::Deadline;

use crate::by_id;
use crate::cache::{CacheEventKind, CloseReason, Entry};
use crate::cells::{Cells, View};
use crate::connector::CellConnector;
use crate::error::CellError;
use crate::mapping::RawCellMapping;
use crate::readings::Readings;
use crate::snapshot::{Epoch, Snapshot};

impl<C: CellConnector> Cells<C> {
    /// Loads the mappings again and puts them in place. Cells whose mapping is unchanged keep their open legs; the legs
    /// of others are retired: who holds them may finish.
    ///
    /// Loads may overlap. One that began earlier never replaces the result of one that began later: it gives that
    /// result instead of its own.
    ///
    /// # Errors
    /// [`CellError`] where the source cannot be read; the snapshot in place stays, and a load stays due.
    ///
    /// # Cancel safety
    /// Either the whole new snapshot is in place or the old one is.
    pub async fn refresh(&self, deadline: Deadline) -> Result<Arc<Snapshot>, CellError> {
        let inner = &*self.0;
        let asked = inner.asked.load(Ordering::SeqCst);
        let epoch = Epoch(inner.begun.fetch_add(1, Ordering::SeqCst) + 1);
        let loaded = inner.source.load(deadline).await;
        match loaded {
            Ok(rows) => {
                let placed = self.place(epoch, &rows);
                inner.answered.fetch_max(asked, Ordering::SeqCst);
                let every = inner.keeper.spread(inner.keeper.policy.reload_every);
                let next = inner.keeper.tick().saturating_add(every);
                inner.reload_at.store(next, Ordering::SeqCst);
                Ok(placed)
            }
            Err(error) => {
                let class = error.class();
                inner
                    .keeper
                    .journal
                    .note(None, CacheEventKind::ReloadFailed { class });
                Err(error)
            }
        }
    }

    fn place(&self, epoch: Epoch, rows: &[RawCellMapping]) -> Arc<Snapshot> {
        let inner = &*self.0;
        let checks = inner.checks.load_full();
        let seals = checks.seals(inner.keeper.clock.wall());
        let known = inner.view.load_full();
        let mut readings = Readings::under(checks, rows.len());
        let read = |row: &RawCellMapping| readings.read(&known.readings, row);
        let snapshot = Arc::new(Snapshot::of_rows(epoch, rows, read, seals.as_ref()));
        drop(known);
        let mut placed = inner.placing.lock().unwrap_or_else(PoisonError::into_inner);
        if *placed > epoch {
            drop(placed);
            inner
                .keeper
                .journal
                .note(None, CacheEventKind::Overtaken { epoch });
            return self.snapshot();
        }
        *placed = epoch;
        let before = inner.view.load_full();
        let mut entries = by_id::with_room(rows.len());
        for mapping in snapshot.mappings() {
            let kept = before
                .entries
                .get(&mapping.id())
                .filter(|entry| entry.mapping.same_as(mapping));
            let entry = match kept {
                Some(entry) => Arc::clone(entry),
                None => Arc::new(Entry::new(mapping.clone())),
            };
            entries.insert(mapping.id(), entry);
        }
        let after = Arc::new(View {
            snapshot: Arc::clone(&snapshot),
            entries,
            readings,
        });
        inner.view.store(Arc::clone(&after));
        self.note_changes(&before, &after);
        drop(placed);
        snapshot
    }

    /// Closes the entries that are not current any more, and tells what is new, changed, gone or refused.
    fn note_changes(&self, before: &View<C>, after: &View<C>) {
        let keeper = &self.0.keeper;
        for (id, old) in &before.entries {
            let from = old.mapping.revision();
            let (label, kind, why) = match after.entries.get(id) {
                Some(new) if Arc::ptr_eq(new, old) => continue,
                Some(new) => {
                    let to = new.mapping.revision();
                    let kind = CacheEventKind::Changed { from, to };
                    // By the name that it has now.
                    (new.mapping.label(), kind, CloseReason::Changed)
                }
                None => {
                    let kind = CacheEventKind::Removed { revision: from };
                    (old.mapping.label(), kind, CloseReason::Removed)
                }
            };
            keeper.journal.note(Some(label), kind);
            old.close(keeper, why);
        }
        for mapping in after.snapshot.mappings() {
            if !before.entries.contains_key(&mapping.id()) {
                let revision = mapping.revision();
                let kind = CacheEventKind::Added { revision };
                keeper.journal.note(Some(mapping.label()), kind);
            }
        }
        let known: HashMap<_, _> = before
            .snapshot
            .rejected()
            .map(|rejected| (rejected.label(), rejected.problems()))
            .collect();
        for rejected in after.snapshot.rejected() {
            if known.get(rejected.label()) != Some(&rejected.problems()) {
                let problems = rejected.problems().clone();
                keeper
                    .journal
                    .note(Some(rejected.label()), CacheEventKind::Refused { problems });
            }
        }
        let refused = after.snapshot.manifest_refused();
        if let Some(state) = refused.filter(|_| refused != before.snapshot.manifest_refused()) {
            let kind = CacheEventKind::ManifestRefused { state };
            keeper.journal.note(None, kind);
        }
        let reloaded = CacheEventKind::Reloaded {
            epoch: after.snapshot.epoch(),
            cells: after.entries.len(),
            rejected: after.snapshot.rejected().count(),
        };
        keeper.journal.note(None, reloaded);
    }
}
