//! Keeps the latest events, counts them, and passes each on to the audit trail.
//!
//! What the audit sink does not keep is counted and logged, never swallowed; the cache goes on, since a mapping that is
//! not reloaded, or a cell that is not closed, would be worse than a missing line.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use context::AuditSink;

use crate::clock::Clock;
use crate::label::CellLabel;

use super::event::{CacheEvent, CacheEventKind};

pub(crate) struct Journal {
    clock: Arc<dyn Clock>,
    sink: Arc<dyn AuditSink>,
    kept: usize,
    pages: Mutex<Pages>,
    lost: AtomicU64,
}

#[derive(Default)]
struct Pages {
    last: u64,
    events: VecDeque<CacheEvent>,
}

impl Journal {
    pub(crate) fn new(clock: Arc<dyn Clock>, sink: Arc<dyn AuditSink>, kept: usize) -> Self {
        Self {
            clock,
            sink,
            kept,
            pages: Mutex::default(),
            lost: AtomicU64::new(0),
        }
    }

    pub(crate) fn note(&self, cell: Option<&CellLabel>, kind: CacheEventKind) {
        let action = kind.action();
        metrics::counter!("nova_cells_events_total", "action" => action).increment(1);
        let event = {
            let mut pages = self.pages();
            pages.last += 1;
            let event = CacheEvent {
                sequence: pages.last,
                at: self.clock.wall(),
                cell: cell.cloned(),
                kind,
            };
            if pages.events.len() >= self.kept {
                pages.events.pop_front();
            }
            if self.kept > 0 {
                pages.events.push_back(event.clone());
            }
            event
        };
        if let Err(error) = self.sink.record(&event.to_audit()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("nova_cells_audit_failures_total").increment(1);
            tracing::error!(%error, action, "an audit event was not kept");
        }
    }

    /// The events kept after this number, oldest first.
    pub(crate) fn since(&self, sequence: u64) -> Vec<CacheEvent> {
        let pages = self.pages();
        let later = pages.events.iter().filter(|e| e.sequence > sequence);
        later.cloned().collect()
    }

    /// Events that the audit sink did not keep.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
