//! A service user's password or application credential's secret: never printed, wiped at the last drop.
//!
//! What is made of it for one request (`body.rs`) is wiped, too; the HTTP client's write buffer is its own.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A secret text. No `Display`, no `Serialize`, no equality.
///
/// ```compile_fail,E0277
/// fn show(password: &nova_keystone::Password) -> String {
///     format!("{password}")
/// }
/// ```
/// ```compile_fail,E0369
/// fn same(a: &nova_keystone::Password, b: &nova_keystone::Password) -> bool {
///     a == b
/// }
/// ```
#[derive(Clone)]
pub struct Password(Arc<Zeroizing<String>>);

impl Password {
    /// Takes the text over. Keystone decides what a password may be.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text, for the request that proves it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}
