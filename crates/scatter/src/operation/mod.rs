//! Operations: work that is known by name before it runs, with checked input, checked output and limits.
//!
//! A service registers what it does to its cells at start, freezes the [`Registry`], and hands its callers an
//! [`Operations`] instead of its cells: then nothing else can be scattered. Refusals go to the audit trail.

mod meter;
mod registry;
mod run;
mod spec;

pub use meter::Meter;
pub use registry::{Digest, InvalidRegistry, Registry, RegistryBuilder};
pub use run::{Operations, Refused};
pub use spec::{InvalidValue, Limits, Operation, OperationSpec};
