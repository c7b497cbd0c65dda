//! What each cell's work does in a case, once as async work and once as blocking work.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cells::{CellConnector, CellError, ErrorClass};
use scatter::{CellTask, TaskStages};

use crate::fakes::{FakeDatabase, Gate};

/// What a cell's work does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Answers with the cell's number.
    Answer,
    /// Answers with nothing.
    AnswerNothing,
    /// Fails with this class.
    Fail(ErrorClass),
    /// Panics.
    Panic,
    /// Panics before there is a future, where it is async; else as [`Panic`](Self::Panic).
    PanicAtOnce,
    /// Waits at the gate, then answers.
    Hang(Gate),
    /// The same, while it says that it connects.
    HangConnecting(Gate),
    /// Answers when this many works are here.
    Meet(Meeting),
}

/// Works that wait for each other.
#[derive(Debug, Clone)]
pub struct Meeting {
    here: Arc<AtomicUsize>,
    expected: usize,
    gate: Gate,
}

impl Meeting {
    /// A meeting of this many.
    #[must_use]
    pub fn of(expected: usize) -> Self {
        Self {
            here: Arc::default(),
            expected,
            gate: Gate::default(),
        }
    }

    fn arrive(&self) {
        if self.here.fetch_add(1, Ordering::SeqCst) + 1 == self.expected {
            self.gate.open();
        }
    }
}

/// What every cell does; cells without an act answer. It counts the works under way and those that were called.
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    acts: HashMap<usize, Act>,
    called: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    told: AtomicUsize,
    /// What works keep to say where they are, and copies of their cells' contexts, kept for longer than they run.
    kept: Mutex<Vec<(TaskStages, Box<dyn Any + Send>)>>,
}

/// Counts a work as under way until dropped: an async one ends by being dropped.
struct UnderWay<'a>(&'a Inner);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Script {
    /// These cells do this; the others answer.
    #[must_use]
    pub fn new(acts: impl IntoIterator<Item = (usize, Act)>) -> Self {
        Self(Arc::new(Inner {
            acts: acts.into_iter().collect(),
            ..Inner::default()
        }))
    }

    /// How often a work was called.
    #[must_use]
    pub fn called(&self) -> usize {
        self.0.called.load(Ordering::SeqCst)
    }

    /// How many works are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.0.at_once.load(Ordering::SeqCst)
    }

    /// The most works that were under way at the same time.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.0.most_at_once.load(Ordering::SeqCst)
    }

    /// How many works that had hung found out that nobody waits for them, or were dropped.
    #[must_use]
    pub fn told(&self) -> usize {
        self.0.told.load(Ordering::SeqCst)
    }

    /// Whether no call holds it any more: its works have ended, and nothing of theirs is left behind.
    #[must_use]
    pub fn is_let_go(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    fn enter<C: CellConnector>(&self, task: &CellTask<C>) -> UnderWay<'_> {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((task.stages(), Box::new(task.cell().clone())));
        drop(kept);
        self.0.called.fetch_add(1, Ordering::SeqCst);
        let now = self.0.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_at_once.fetch_max(now, Ordering::SeqCst);
        UnderWay(&self.0)
    }

    fn act(&self, cell: usize) -> Act {
        self.0.acts.get(&cell).cloned().unwrap_or(Act::Answer)
    }

    /// The act as async work.
    ///
    /// # Errors
    /// What the act says.
    ///
    /// # Panics
    /// Where the act says so.
    pub fn play<C>(
        self,
        task: CellTask<C>,
    ) -> impl Future<Output = Result<Option<usize>, CellError>> + Send
    where
        C: CellConnector<Database = FakeDatabase>,
    {
        let act = self.act(task.cell().database().number);
        assert!(!matches!(act, Act::PanicAtOnce), "the script says so");
        self.go_on(task)
    }

    async fn go_on<C>(self, task: CellTask<C>) -> Result<Option<usize>, CellError>
    where
        C: CellConnector<Database = FakeDatabase>,
    {
        let cell = task.cell().database().number;
        let _here = self.enter(&task);
        match self.act(cell) {
            Act::Hang(gate) => self.hang(&gate).await,
            Act::HangConnecting(gate) => {
                task.connecting();
                self.hang(&gate).await;
                task.connected();
            }
            Act::Meet(meeting) => {
                meeting.arrive();
                meeting.gate.pass().await;
            }
            act => return at_once(&act, cell),
        }
        Ok(Some(cell))
    }

    /// The act as blocking work.
    ///
    /// # Errors
    /// What the act says.
    ///
    /// # Panics
    /// Where the act says so.
    pub fn play_blocking<C>(&self, task: &CellTask<C>) -> Result<Option<usize>, CellError>
    where
        C: CellConnector<Database = FakeDatabase>,
    {
        let cell = task.cell().database().number;
        let _here = self.enter(task);
        match self.act(cell) {
            Act::Hang(gate) => gate.pass_blocking(),
            Act::HangConnecting(gate) => {
                task.connecting();
                gate.pass_blocking();
                task.connected();
            }
            Act::Meet(meeting) => {
                meeting.arrive();
                meeting.gate.pass_blocking();
            }
            act => return at_once(&act, cell),
        }
        if task.is_cancelled() {
            self.0.told.fetch_add(1, Ordering::SeqCst);
        }
        Ok(Some(cell))
    }

    async fn hang(&self, gate: &Gate) {
        struct Told<'a>(&'a AtomicUsize);
        impl Drop for Told<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let told = Told(&self.0.told);
        gate.pass().await;
        drop(told);
    }
}

fn at_once(act: &Act, cell: usize) -> Result<Option<usize>, CellError> {
    match act {
        Act::AnswerNothing => Ok(None),
        Act::Fail(class) => Err(CellError::new(*class, "the script says so")),
        Act::Panic | Act::PanicAtOnce => panic!("the script says so"),
        _ => Ok(Some(cell)),
    }
}
