//! Fakes for the tests of this folder: rows that change between loads, a connector that counts what is alive, one poll
//! for futures that are ready at once. Nothing here decides whether a test passes.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file takes the fakes it needs, and a fake that breaks should stop the test"
)]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use context::{Deadline, Identity, RequestContext, Roles};
use nova_cells::{
    CellConnector, CellError, CellId, CellMapping, Cells, CellsOptions, ErrorClass, ManualClock,
    MappingSource, RawCellMapping, RevisionKey,
};

/// Rows that a test changes between loads, or a source that is down.
#[derive(Clone)]
pub struct Rows(Arc<Mutex<Result<Vec<RawCellMapping>, ErrorClass>>>);

impl Rows {
    pub fn of(rows: Vec<RawCellMapping>) -> Self {
        Self(Arc::new(Mutex::new(Ok(rows))))
    }

    pub fn set(&self, rows: Vec<RawCellMapping>) {
        *self.0.lock().unwrap() = Ok(rows);
    }

    pub fn fail(&self, class: ErrorClass) {
        *self.0.lock().unwrap() = Err(class);
    }
}

#[async_trait]
impl MappingSource for Rows {
    async fn load(&self, _deadline: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        match &*self.0.lock().unwrap() {
            Ok(rows) => Ok(rows.clone()),
            Err(class) => Err(CellError::new(*class, "told to fail")),
        }
    }
}

/// What a connector has done so far. Shared by all its handles.
#[derive(Default)]
pub struct Counts {
    pub opened: AtomicU64,
    pub alive: AtomicI64,
    pub abandoned: AtomicU64,
    /// Openings to fail from now on.
    pub failing: AtomicU64,
    /// Bus openings to fail from now on.
    pub bus_failing: AtomicU64,
}

impl Counts {
    pub fn opened(&self) -> u64 {
        self.opened.load(SeqCst)
    }

    pub fn alive(&self) -> i64 {
        self.alive.load(SeqCst)
    }
}

/// A handle that knows where it leads and counts itself while it lives.
pub struct Leg {
    pub place: String,
    counts: Arc<Counts>,
}

impl Drop for Leg {
    fn drop(&mut self) {
        self.counts.alive.fetch_sub(1, SeqCst);
    }
}

#[derive(Clone, Default)]
pub struct CountingConnector(pub Arc<Counts>);

impl CountingConnector {
    fn leg(&self, place: String) -> Leg {
        self.0.alive.fetch_add(1, SeqCst);
        Leg {
            place,
            counts: Arc::clone(&self.0),
        }
    }

    fn due(failures: &AtomicU64) -> Result<(), CellError> {
        match failures.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(CellError::new(ErrorClass::Configuration, "told to fail")),
            Err(_) => Ok(()),
        }
    }
}

impl CellConnector for CountingConnector {
    type Database = Leg;
    type Messaging = Leg;

    fn open_database(&self, mapping: &CellMapping) -> Result<Leg, CellError> {
        self.0.opened.fetch_add(1, SeqCst);
        Self::due(&self.0.failing)?;
        Ok(self.leg(mapping.database().to_string()))
    }

    fn open_messaging(&self, mapping: &CellMapping) -> Result<Leg, CellError> {
        Self::due(&self.0.bus_failing)?;
        Ok(self.leg(mapping.transport().to_string()))
    }

    fn abandon(&self, _database: &Leg, _messaging: Option<&Leg>) {
        self.0.abandoned.fetch_add(1, SeqCst);
    }
}

/// The futures here are ready at once, so one poll is enough and no runtime is needed.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future was expected to be ready at once"),
    }
}

pub fn uuid(n: u32) -> String {
    format!("00000000-0000-0000-0000-{n:012x}")
}

pub fn id(n: u32) -> CellId {
    uuid(n).parse().unwrap()
}

/// Cell `n` at this database; cell 0 has no bus.
pub fn row(n: u32, database: &str) -> RawCellMapping {
    let bus = match n {
        0 => "none:///".to_owned(),
        n => format!("rabbit://nova:hunter2@mq{n}/"),
    };
    RawCellMapping {
        uuid: uuid(n),
        name: Some(format!("cell{n}")),
        database_connection: Some(database.into()),
        transport_url: Some(bus.into()),
        disabled: false,
    }
}

pub fn request() -> RequestContext {
    RequestContext::for_background("test", Identity::default(), Roles::admin())
}

pub fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(5))
}

/// Cells under a clock that is moved by hand, with everything in reach.
pub struct Cloud {
    pub rows: Rows,
    pub counts: Arc<Counts>,
    pub clock: ManualClock,
    pub cells: Cells<CountingConnector>,
}

impl Cloud {
    /// A loaded cloud with these rows; `set` changes the options.
    pub fn with(rows: Vec<RawCellMapping>, set: impl FnOnce(&mut CellsOptions)) -> Self {
        let connector = CountingConnector::default();
        let clock = ManualClock::default();
        let mut options = CellsOptions::new(RevisionKey::from_bytes(b"test"));
        options.clock = Arc::new(clock.clone());
        options.policy.jitter_percent = 0;
        set(&mut options);
        let rows = Rows::of(rows);
        let cloud = Self {
            counts: Arc::clone(&connector.0),
            cells: Cells::with_options(rows.clone(), connector, options),
            rows,
            clock,
        };
        cloud.refresh();
        cloud
    }

    pub fn new(rows: Vec<RawCellMapping>) -> Self {
        Self::with(rows, |_| ())
    }

    pub fn refresh(&self) {
        now(self.cells.refresh(soon())).unwrap();
    }

    /// Where targeting cell `n` leads.
    pub fn place(&self, n: u32) -> String {
        let target = self.cells.target(&request(), id(n)).unwrap();
        target.database().place.clone()
    }

    /// The names of the events after this number.
    pub fn actions(&self, after: u64) -> Vec<&'static str> {
        let events = self.cells.events(after);
        events.iter().map(|event| event.kind.action()).collect()
    }

    pub fn last_event(&self) -> u64 {
        self.cells
            .events(0)
            .last()
            .map_or(0, |event| event.sequence)
    }
}
