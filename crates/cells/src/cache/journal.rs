//! Keeps the latest events, counts them, and passes each on to the audit trail.
//!
//! Events happen where nothing can be awaited. With a sink that has to be, they wait here, bounded, until
//! [`deliver`](Journal::deliver); what does not fit or is not kept is counted and logged, never swallowed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use context::{AuditError, AuditSink, TracingAudit};

use crate::clock::Clock;
use crate::label::CellLabel;

use super::event::{CacheEvent, CacheEventKind};

/// Audit events that may wait for their sink.
const WAITING: usize = 65_536;

pub(crate) struct Journal {
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn AuditSink>>,
    kept: usize,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    last: u64,
    events: VecDeque<CacheEvent>,
    waiting: VecDeque<CacheEvent>,
    lost: u64,
}

impl Journal {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn AuditSink>>,
        kept: usize,
    ) -> Self {
        Self {
            clock,
            sink,
            kept,
            pages: Mutex::default(),
        }
    }

    pub(crate) fn note(&self, cell: Option<&CellLabel>, kind: CacheEventKind) {
        metrics::counter!("nova_cells_events_total", "action" => kind.action()).increment(1);
        let mut pages = self.pages();
        pages.last += 1;
        let event = CacheEvent {
            sequence: pages.last,
            at: self.clock.wall(),
            cell: cell.cloned(),
            kind,
        };
        if self.sink.is_none() {
            TracingAudit::write(&event.to_audit());
        } else if pages.waiting.len() < WAITING {
            pages.waiting.push_back(event.clone());
        } else {
            pages.lost += 1;
            tracing::error!(action = event.kind.action(), "an audit event found no room");
        }
        if pages.events.len() >= self.kept {
            pages.events.pop_front();
        }
        if self.kept > 0 {
            pages.events.push_back(event);
        }
    }

    /// The events kept after this number, oldest first.
    pub(crate) fn since(&self, sequence: u64) -> Vec<CacheEvent> {
        let pages = self.pages();
        let later = pages.events.iter().filter(|e| e.sequence > sequence);
        later.cloned().collect()
    }

    /// Audit events that found no room.
    pub(crate) fn lost(&self) -> u64 {
        self.pages().lost
    }

    /// Hands waiting events to the sink, in order. What the sink refuses stays first in line.
    pub(crate) async fn deliver(&self) -> Result<usize, AuditError> {
        let Some(sink) = &self.sink else { return Ok(0) };
        let mut delivered = 0;
        loop {
            let Some(event) = self.pages().waiting.pop_front() else {
                return Ok(delivered);
            };
            let back = PutBack {
                journal: self,
                event: Some(event),
            };
            back.through(&**sink).await?;
            delivered += 1;
        }
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event on its way to the sink: back in line unless it arrived, also where the future is dropped.
struct PutBack<'j> {
    journal: &'j Journal,
    event: Option<CacheEvent>,
}

impl PutBack<'_> {
    async fn through(mut self, sink: &dyn AuditSink) -> Result<(), AuditError> {
        if let Some(event) = &self.event {
            let audit = event.to_audit();
            sink.record(&audit).await.inspect_err(|error| {
                metrics::counter!("nova_cells_audit_failures_total").increment(1);
                tracing::error!(%error, action = audit.action, "an audit event was not kept");
            })?;
        }
        self.event = None;
        Ok(())
    }
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            self.journal.pages().waiting.push_front(event);
        }
    }
}
