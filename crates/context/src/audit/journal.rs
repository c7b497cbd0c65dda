//! The journal: every event goes to every sink; a sink that fails is counted, logged, and by class of event either
//! tolerated or reason enough to refuse the action. Nothing is swallowed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::class::{AuditClass, FailMode};
use super::event::AuditEvent;
use super::sink::{AuditError, AuditSink, TracingAudit};

/// An action is refused because its audit event could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("`{action}` is refused because it cannot be audited")]
pub struct NotAudited {
    /// The action.
    pub action: &'static str,
    /// The first sink that failed.
    #[source]
    pub source: AuditError,
}

/// What became of the events so far: `recorded == kept + let_through + refused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditCounts {
    /// Events handed in.
    pub recorded: u64,
    /// Events that every sink kept.
    pub kept: u64,
    /// Events that some sink lost and whose action went on all the same.
    pub let_through: u64,
    /// Events that some sink lost and whose action was refused.
    pub refused: u64,
}

#[derive(Default)]
struct Counters {
    kept: AtomicU64,
    let_through: AtomicU64,
    refused: AtomicU64,
}

/// Sinks, and what to do when one of them fails.
pub struct AuditJournal {
    sinks: Vec<Arc<dyn AuditSink>>,
    modes: [FailMode; AuditClass::ALL.len()],
    counters: Counters,
}

impl AuditJournal {
    /// A journal over these sinks. Token access and elevation fail closed, everything else open, until
    /// [`fail_mode`](Self::fail_mode) says otherwise.
    #[must_use]
    pub fn new(sinks: Vec<Arc<dyn AuditSink>>) -> Self {
        Self {
            sinks,
            modes: AuditClass::ALL.map(|class| match class {
                AuditClass::Token | AuditClass::Elevation => FailMode::Closed,
                _ => FailMode::Open,
            }),
            counters: Counters::default(),
        }
    }

    /// Sets what happens to actions of a class that cannot be audited.
    #[must_use]
    pub fn fail_mode(mut self, class: AuditClass, mode: FailMode) -> Self {
        self.modes[class.index()] = mode;
        self
    }

    /// Hands an event to every sink, also after one has failed.
    ///
    /// # Errors
    /// [`NotAudited`] where a sink failed and the event's class fails closed: do not go on with the action.
    pub fn record(&self, event: &AuditEvent) -> Result<(), NotAudited> {
        let mut first = None;
        for sink in &self.sinks {
            if let Err(error) = sink.record(event) {
                tracing::error!(
                    target: "nova_audit",
                    sink = error.sink,
                    action = event.action,
                    event_id = %event.id,
                    error = %error.source,
                    "an audit sink did not keep an event"
                );
                first.get_or_insert(error);
            }
        }
        let mode = self.modes[event.class().index()];
        let (counter, result) = match (first, mode) {
            (None, _) => (&self.counters.kept, Ok(())),
            (Some(_), FailMode::Open) => (&self.counters.let_through, Ok(())),
            (Some(source), FailMode::Closed) => {
                let action = event.action;
                (&self.counters.refused, Err(NotAudited { action, source }))
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        result
    }

    /// What became of the events so far, for a health check or a metric.
    #[must_use]
    pub fn counts(&self) -> AuditCounts {
        let kept = self.counters.kept.load(Ordering::Relaxed);
        let let_through = self.counters.let_through.load(Ordering::Relaxed);
        let refused = self.counters.refused.load(Ordering::Relaxed);
        AuditCounts {
            recorded: kept + let_through + refused,
            kept,
            let_through,
            refused,
        }
    }
}

impl Default for AuditJournal {
    /// Writes to `tracing` only.
    fn default() -> Self {
        Self::new(vec![Arc::new(TracingAudit)])
    }
}

impl fmt::Debug for AuditJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditJournal")
            .field("sinks", &self.sinks.len())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::AuditOutcome;

    struct FullDisk;

    impl AuditSink for FullDisk {
        fn record(&self, _: &AuditEvent) -> Result<(), AuditError> {
            Err(AuditError {
                sink: "full-disk",
                source: "no space left".into(),
            })
        }
    }

    #[derive(Default)]
    struct Memory(Mutex<Vec<&'static str>>);

    impl AuditSink for Memory {
        fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
            self.0.lock().unwrap().push(event.action);
            Ok(())
        }
    }

    #[test]
    fn a_failing_sink_is_counted_and_refuses_what_must_be_audited() {
        let memory = Arc::new(Memory::default());
        let journal = AuditJournal::new(vec![Arc::new(FullDisk), memory.clone()]);
        let event = |action| AuditEvent::new(action, AuditOutcome::Success);
        assert!(journal.record(&event("token/expose")).is_err());
        assert!(journal.record(&event("endpoint/use")).is_ok());
        let journal = journal.fail_mode(AuditClass::Endpoint, FailMode::Closed);
        assert!(journal.record(&event("endpoint/use")).is_err());
        assert_eq!(memory.0.lock().unwrap().len(), 3);
        let counts = journal.counts();
        assert_eq!((counts.refused, counts.let_through, counts.kept), (2, 1, 0));
    }

    #[test]
    fn working_sinks_keep_everything() {
        let journal = AuditJournal::new(vec![Arc::new(Memory::default())]);
        let event = AuditEvent::new("cell/target", AuditOutcome::Failure);
        assert!(journal.record(&event).is_ok());
        assert_eq!(journal.counts().kept, 1);
    }
}
