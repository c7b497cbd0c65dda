//! Generated cases: mostly what real clouds have, with one odd thing here and there, so that a difference has one cause.
//!
//! Everything follows from a seed. What the right answer is, is not known here.

mod catalog;
mod context;
mod draw;
mod headers;
mod location;
mod rules;

pub use self::catalog::{catalog, endpoint_query};
pub use self::context::wire_context;
pub use self::draw::Draw;
pub use self::headers::identity_headers;
pub use self::location::{database_url, template, transport_url};
pub use self::rules::{RULES, asker, policy_case};
