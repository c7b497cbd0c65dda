//! A cloud of fake cells: rows that a test can change, and a connector.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use cells::{
    CellConnector, CellError, CellId, CellMapping, Cells, CellsOptions, Choice, InvalidMapping,
    MappingSource, RawCellMapping, RevisionKey, SecretText, Selection, UrlDefaults,
};
use context::{Deadline, Identity, RequestContext, Roles};
use uuid::Uuid;

use super::connectors::HonestConnector;

/// The mapping of a cell that has this bus, and a database that nobody opens: for tests of buses alone.
///
/// # Errors
/// [`InvalidMapping`] where the URL is none of a bus.
pub fn cell_on_bus(transport_url: &SecretText) -> Result<CellMapping, InvalidMapping> {
    let row = RawCellMapping {
        uuid: "6d5bd30e-147b-44db-9ceb-1a392e756c36".into(),
        name: Some("cell1".into()),
        database_connection: Some("sqlite:///none.sqlite".into()),
        transport_url: Some(transport_url.clone()),
        disabled: false,
    };
    let key = RevisionKey::from_bytes(b"a bus");
    CellMapping::parse(&row, &UrlDefaults::default(), &key)
}

/// The rows of a fake cloud; a source that is ready at once. Clones are the same rows.
#[derive(Debug, Clone, Default)]
pub struct Rows(Arc<Mutex<Vec<RawCellMapping>>>);

impl Rows {
    /// The rows, to be changed; the cloud sees it at its next refresh.
    pub fn edit(&self) -> MutexGuard<'_, Vec<RawCellMapping>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MappingSource for Rows {
    async fn load(&self, _deadline: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        Ok(self.edit().clone())
    }
}

/// Cells numbered from 0, all with valid mappings unless a test spoils one.
#[derive(Debug, Clone)]
pub struct FakeCloud<C: CellConnector = HonestConnector> {
    /// What the cloud was loaded from.
    pub rows: Rows,
    /// The cells.
    pub cells: Cells<C>,
}

impl FakeCloud {
    /// A cloud of this many honest cells.
    #[must_use]
    pub fn of(cells: usize) -> Self {
        Self::with(cells, HonestConnector)
    }
}

impl<C: CellConnector> FakeCloud<C> {
    /// A cloud of this many cells, opened by this connector.
    #[must_use]
    pub fn with(cells: usize, connector: C) -> Self {
        let rows = Rows::default();
        rows.edit().extend((0..cells).map(row));
        let mut options = CellsOptions::new(RevisionKey::from_bytes(b"fake"));
        // Fake legs hold nothing: none is closed to make room.
        options.policy.capacity = usize::MAX;
        let cells = Cells::with_options(rows.clone(), connector, options);
        let cloud = Self { rows, cells };
        cloud.refresh();
        cloud
    }

    /// The id of a cell.
    #[must_use]
    pub fn id(number: usize) -> CellId {
        CellId::new(Uuid::from_u128((0xce11 << 96) | number as u128))
    }

    /// Spoils the rows of these cells, so that their mappings are rejected.
    #[must_use]
    pub fn with_rejected(self, cells: &[usize]) -> Self {
        for cell in cells {
            self.rows.edit()[*cell].database_connection = Some("no-such-scheme://".into());
        }
        self.refresh();
        self
    }

    /// Reads the rows again.
    ///
    /// # Panics
    /// Never: the rows are ready at once and can always be read.
    pub fn refresh(&self) {
        let refreshed = self.cells.refresh(Deadline::after(Duration::from_secs(1)));
        match pin!(refreshed).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => panic!("fake rows can always be read: {error}"),
            Poll::Pending => panic!("fake rows are ready at once"),
        }
    }

    /// All cells, rejected ones included; none for an empty cloud.
    #[must_use]
    pub fn all(&self) -> Vec<Choice> {
        self.cells.select(&Selection::All).unwrap_or_default()
    }
}

fn row(number: usize) -> RawCellMapping {
    RawCellMapping {
        uuid: FakeCloud::<HonestConnector>::id(number).to_string(),
        name: Some(format!("cell{number}")),
        database_connection: Some(format!("sqlite:///fake-{number}").as_str().into()),
        transport_url: Some(format!("fake:///fake-{number}").as_str().into()),
        disabled: false,
    }
}

/// An administrator's background context.
#[must_use]
pub fn admin() -> RequestContext {
    RequestContext::for_background("conformance", Identity::default(), Roles::admin())
}
