//! A lazy handle on one cell's database.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use cells::{CellError, CellMapping, DatabaseLocation, ErrorClass};
#[cfg(feature = "_server")]
use cells::{DatabaseServer, Leg};
use context::Deadline;

use super::driver::Access;
use super::engine::{Budget, Engine};
use super::holders::Holder;
#[cfg(feature = "_server")]
use super::reach::Reach;
use super::session::DbSession;
use super::shared::Shared;
#[cfg(feature = "_server")]
use crate::address::Addresses;
use crate::options::ConnectorOptions;

/// A cell's database. Cheap to clone; clones share the connections.
///
/// Making one waits for nothing; the first statement connects. Connections belong to the tokio runtime they were made on:
/// use one runtime for all of them, from other threads through its handle.
#[derive(Clone)]
pub struct CellDb {
    engine: Arc<dyn Engine>,
    masked: Arc<str>,
}

impl CellDb {
    /// A handle on the database at this place, which this host's own configuration names: it may be at any address.
    ///
    /// # Errors
    /// [`ErrorClass::Configuration`] where this build has no driver for it.
    pub fn open(
        location: &DatabaseLocation,
        options: &ConnectorOptions,
    ) -> Result<Self, CellError> {
        Self::at(location, None, options, &Arc::new(Shared::new(options)))
    }

    /// A handle on a cell's database. Its connections go to addresses that the mapping, and the allow-list it passed,
    /// let it use ([`CellMapping::check_address`]), whatever its host's name resolves to by then; where none of them
    /// may be used, statements fail with [`ErrorClass::Configuration`].
    ///
    /// # Errors
    /// [`ErrorClass::Configuration`] where this build has no driver for it.
    pub fn of_cell(mapping: &CellMapping, options: &ConnectorOptions) -> Result<Self, CellError> {
        Self::one_of(mapping, options, &Arc::new(Shared::new(options)))
    }

    /// As [`of_cell`](Self::of_cell), of a cell that shares limits and remembered logins with others.
    pub(crate) fn one_of(
        mapping: &CellMapping,
        options: &ConnectorOptions,
        shared: &Arc<Shared>,
    ) -> Result<Self, CellError> {
        Self::at(mapping.database(), Some(mapping), options, shared)
    }

    fn at(
        location: &DatabaseLocation,
        mapping: Option<&CellMapping>,
        options: &ConnectorOptions,
        shared: &Arc<Shared>,
    ) -> Result<Self, CellError> {
        Ok(Self {
            engine: engine(location, mapping, options, shared)?,
            masked: location.to_string().into(),
        })
    }

    /// The database with a deadline, for statements that may write.
    #[must_use]
    #[track_caller]
    pub fn within(&self, deadline: Deadline) -> DbSession {
        self.session(deadline, Access::ReadWrite, Location::caller())
    }

    /// The database with a deadline, for statements that only read. The database itself refuses any other.
    #[must_use]
    #[track_caller]
    pub fn read_only(&self, deadline: Deadline) -> DbSession {
        self.session(deadline, Access::ReadOnly, Location::caller())
    }

    fn session(
        &self,
        deadline: Deadline,
        access: Access,
        asked_at: &'static Location<'static>,
    ) -> DbSession {
        let budget = Budget::unobserved(deadline, access, asked_at);
        DbSession::new(Arc::clone(&self.engine), budget)
    }

    /// Who holds a connection at this moment, the longest first: what a pool that is full is full of.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        self.engine.holders()
    }

    /// Whether the database refuses the mapping's own login, so that the cell's former one is used for as long as it
    /// works: the mapping needs an operator. Only for cells opened by a [`NovaConnector`](crate::NovaConnector) that knows
    /// a former login at the same place.
    #[must_use]
    pub fn login_rolled_back(&self) -> bool {
        self.engine.login_rolled_back()
    }

    /// Closes every connection, for this handle and all clones of it. Statements that run are ended and fail, later ones
    /// are refused. Does not wait.
    pub fn close(&self) {
        self.engine.close();
    }

    /// Asks whether the database answers; see [`DbSession::ping`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    #[track_caller]
    pub fn ping(&self, deadline: Deadline) -> impl Future<Output = Result<(), CellError>> + Send {
        let session = self.read_only(deadline);
        async move { session.ping().await }
    }
}

impl fmt::Debug for CellDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CellDb").field(&self.masked).finish()
    }
}

#[cfg_attr(
    not(feature = "_server"),
    expect(unused_variables, reason = "a file has no address")
)]
fn engine(
    location: &DatabaseLocation,
    mapping: Option<&CellMapping>,
    options: &ConnectorOptions,
    shared: &Arc<Shared>,
) -> Result<Arc<dyn Engine>, CellError> {
    #[cfg(feature = "_server")]
    let reach = |server: &DatabaseServer| {
        let addresses = match mapping {
            Some(mapping) => Addresses::of_cell(mapping, Leg::Database),
            None => Addresses::any(),
        };
        let of_cell = mapping.map(|mapping| (Arc::clone(shared), mapping.id()));
        Reach::new(server, addresses, of_cell)
    };
    match location {
        #[cfg(feature = "sqlite")]
        DatabaseLocation::Sqlite(file) => pooled(super::sqlite::Sqlite::new(file), options, shared),
        #[cfg(not(feature = "sqlite"))]
        DatabaseLocation::Sqlite(_) => Err(absent("SQLite")),
        DatabaseLocation::Server(server) => match server.engine {
            #[cfg(feature = "mysql")]
            cells::Engine::MySql => {
                pooled(super::mysql::MySql::new(reach(server)), options, shared)
            }
            #[cfg(not(feature = "mysql"))]
            cells::Engine::MySql => Err(absent("MySQL and MariaDB")),
            #[cfg(feature = "postgres")]
            cells::Engine::PostgreSql => {
                let driver = super::postgres::Postgres::new(server, reach(server))?;
                pooled(driver, options, shared)
            }
            #[cfg(not(feature = "postgres"))]
            cells::Engine::PostgreSql => Err(absent("PostgreSQL")),
        },
    }
}

fn pooled(
    driver: impl super::driver::Driver,
    options: &ConnectorOptions,
    shared: &Arc<Shared>,
) -> Result<Arc<dyn Engine>, CellError> {
    match super::pool::Pools::new(driver, options, shared) {
        Ok(pools) => Ok(Arc::new(pools)),
        Err(error) => Err(CellError::new(ErrorClass::Internal, error)),
    }
}

#[cfg(not(all(feature = "sqlite", feature = "mysql", feature = "postgres")))]
fn absent(what: &str) -> CellError {
    CellError::new(
        ErrorClass::Configuration,
        format!("this build has no driver for {what}"),
    )
}
