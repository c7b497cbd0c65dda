//! Where a cell is: mappings that can be trusted, and a cache of what was opened for them that has an end.
//!
//! A **cell** is one shard of a Nova cloud: a database and a message bus. A **cell mapping** is the row of
//! `nova_api.cell_mappings` that says where both are. This crate reads mappings ([`CellMapping::parse`]), checks them
//! against an operator's list ([`AllowList`]) and signature ([`SealManifest`]), keeps one consistent [`Snapshot`] of them
//! ([`Cells`]), and **targets** a cell: binds a request context to it as a new value, a [`CellContext`].
//!
//! Where rows come from is a [`MappingSource`], how a cell's legs are opened a [`CellConnector`], who says that a mapping
//! changed an [`InvalidationChannel`]; no driver and no runtime is known here. A process calls [`Cells::maintain`] every
//! second or so and [`Cells::refresh`] whenever that says it is due.
//!
//! ```
//! use nova_cells::{CellMapping, RawCellMapping, RevisionKey, UrlDefaults};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let row = RawCellMapping {
//!     uuid: "6d5bd30e-147b-44db-9ceb-1a392e756c36".into(),
//!     name: Some("cell1".into()),
//!     database_connection: Some("mysql+pymysql://nova:secret@db1/nova_cell1".into()),
//!     transport_url: Some("rabbit://nova:secret@mq1/cell1".into()),
//!     disabled: false,
//! };
//! let mapping = CellMapping::parse(&row, &UrlDefaults::default(), &RevisionKey::ephemeral()?)?;
//! assert_eq!(mapping.database().to_string(), "mysql+pymysql://nova:***@db1:3306/nova_cell1");
//! # Ok(()) }
//! ```

#[doc = include_str!("fidelity.md")]
pub mod fidelity {}

mod id;
mod label;
mod secret;

mod problem;

mod location;

mod allow;
mod defaults;
mod mapping;
mod revision;
mod template;

mod files;
mod lines;
mod seal;

mod error;

mod connector;
mod last_good;
mod source;

mod clock;
mod policy;
mod sync;

mod by_id;
mod cache;
mod checks;
mod readings;
mod selection;
mod snapshot;
mod target;

mod cells;
mod invalidation;
mod options;
mod project;
mod reload;
mod upkeep;

pub use allow::{AllowList, AllowListError, Leg, Refusal};
pub use cache::{CacheEntry, CacheEvent, CacheEventKind, CloseReason, EntryState};
pub use cells::Cells;
pub use clock::{Clock, ManualClock, SystemClock};
pub use connector::CellConnector;
pub use defaults::UrlDefaults;
pub use error::{CellError, ErrorClass, Fault};
pub use id::{CellId, InvalidCellId};
pub use invalidation::{
    ChannelLost, GatePolicy, InvalidationChannel, InvalidationGate, InvalidationKey,
    InvalidationSender, InvalidationSource, Verdict,
};
pub use label::{CellLabel, shown};
pub use last_good::{LastGood, Staleness};
pub use location::{
    Broker, BrokerHost, BrokerKind, BrokerOptions, DatabaseLocation, DatabaseServer, Engine, Host,
    SqliteFile, TlsOptions, TransportLocation,
};
pub use mapping::{AddressRefused, CellMapping, RawCellMapping};
pub use options::CellsOptions;
pub use policy::CachePolicy;
pub use problem::{Field, InvalidMapping, InvalidUrl, Problem, ProblemKind, Word};
pub use project::{ProjectCells, ProjectSelectError};
pub use revision::{NoRandom, Revision, RevisionKey};
pub use seal::{
    KeyId, SealChanges, SealCheck, SealError, SealKeyring, SealManifest, SealMode, SealState,
    SealingKey, Seals, SerialError, SerialFile, TrustedKey,
};
pub use secret::SecretText;
pub use selection::{Choice, RejectedMapping, SelectError, Selection};
pub use snapshot::{Epoch, Snapshot};
pub use source::{MappingSource, StaticSource};
pub use target::{CellContext, KeepsRequest, NoBus, TargetError};
pub use upkeep::{Invalidation, Upkeep};
