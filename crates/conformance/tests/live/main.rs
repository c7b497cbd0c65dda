//! Mappings that change while they are used: by push over a real Redis, by the timer, under load. What stands in for
//! Nova's API database and for cells is made here, so that a test can see every load and every connection.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod push;
mod under_load;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cells::{
    CellConnector, CellError, CellId, CellMapping, Cells, CellsOptions, DatabaseLocation,
    MappingSource, RawCellMapping, RevisionKey,
};
use connect::CaretakerPolicy;
use context::Deadline;

/// Ends a test that would hang.
const LONG: Duration = Duration::from_secs(60);

/// Rows that a test changes between loads, and the number of loads so far.
#[derive(Clone, Default)]
struct Rows(Arc<RowsInner>);

#[derive(Default)]
struct RowsInner {
    rows: Mutex<Vec<(u32, u32)>>,
    loads: AtomicU64,
}

impl Rows {
    /// Cells 1 to this, each at place 1.
    fn of(cells: u32) -> Self {
        let rows = Self::default();
        rows.set((1..=cells).map(|cell| (cell, 1)));
        rows
    }

    /// Cells, and where each is.
    fn set(&self, cells: impl IntoIterator<Item = (u32, u32)>) {
        *self.0.rows.lock().unwrap() = cells.into_iter().collect();
    }

    fn loads(&self) -> u64 {
        self.0.loads.load(SeqCst)
    }
}

#[async_trait]
impl MappingSource for Rows {
    async fn load(&self, _: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        self.0.loads.fetch_add(1, SeqCst);
        let rows = self.0.rows.lock().unwrap();
        let row = |&(cell, place): &(u32, u32)| RawCellMapping {
            uuid: id(cell).to_string(),
            name: Some(format!("cell{cell}")),
            database_connection: Some(format!("sqlite:////cell{cell}/place{place}.sqlite").into()),
            transport_url: Some(format!("fake:///cell{cell}").into()),
            disabled: false,
        };
        Ok(rows.iter().map(row).collect())
    }
}

fn id(cell: u32) -> CellId {
    format!("00000000-0000-4000-8000-{cell:012x}")
        .parse()
        .unwrap()
}

/// A connection of sorts: where it leads, and whether it was closed under its holders.
struct Handle {
    place: String,
    closed: AtomicBool,
    alive: Arc<Mutex<Vec<String>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut alive = self.alive.lock().unwrap();
        let at = alive.iter().position(|place| *place == self.place).unwrap();
        alive.swap_remove(at);
    }
}

/// Opens such handles, and knows which are there.
#[derive(Clone, Default)]
struct Opening(Arc<Mutex<Vec<String>>>);

impl Opening {
    fn alive_at(&self, place: &str) -> usize {
        self.0
            .lock()
            .unwrap()
            .iter()
            .filter(|at| *at == place)
            .count()
    }
}

impl CellConnector for Opening {
    type Database = Handle;
    type Messaging = ();

    fn open_database(&self, mapping: &CellMapping) -> Result<Handle, CellError> {
        let place = place_of(mapping);
        self.0.lock().unwrap().push(place.clone());
        Ok(Handle {
            place,
            closed: AtomicBool::new(false),
            alive: Arc::clone(&self.0),
        })
    }

    fn open_messaging(&self, _: &CellMapping) -> Result<(), CellError> {
        Ok(())
    }

    fn abandon(&self, database: &Handle, _: Option<&()>) {
        database.closed.store(true, SeqCst);
    }
}

fn place_of(mapping: &CellMapping) -> String {
    match mapping.database() {
        DatabaseLocation::Sqlite(file) => file.path().display().to_string(),
        DatabaseLocation::Server(_) => unreachable!("the rows here name files"),
    }
}

fn place(cell: u32, place: u32) -> String {
    format!("/cell{cell}/place{place}.sqlite")
}

/// Cells over these, with changed limits.
fn cells(
    rows: &Rows,
    opening: &Opening,
    change: impl FnOnce(&mut cells::CachePolicy),
) -> Cells<Opening> {
    let mut options = CellsOptions::new(RevisionKey::from_bytes(b"test"));
    options.policy.reload_every = 10 * LONG;
    change(&mut options.policy);
    Cells::with_options(rows.clone(), opening.clone(), options)
}

/// As a service has it, with waits that a test can afford.
fn caretaking() -> CaretakerPolicy {
    CaretakerPolicy {
        every: Duration::from_millis(20),
        retry: Duration::from_millis(20),
        retry_limit: Duration::from_millis(200),
        ..CaretakerPolicy::default()
    }
}

/// Waits until this holds, and gives how long that took.
async fn until(what: &str, holds: impl Fn() -> bool) -> Duration {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < LONG, "never: {what}");
        tokio::task::yield_now().await;
    }
    since.elapsed()
}

/// Where a cell is by the mappings in place; none where it is not among them.
fn seen_at(cells: &Cells<Opening>, cell: u32) -> Option<String> {
    cells.snapshot().mapping(id(cell)).map(place_of)
}
