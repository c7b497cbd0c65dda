//! Who hears that a session waits for a connection: what asks a cell says with it where its time goes.

use std::fmt;
use std::sync::Arc;

/// What a session's observer is told. A statement that finds a free connection tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionWait {
    /// A statement needs a connection and there is none free: one is being made, or others are waited for.
    Begins,
    /// It has one, or there is an error that says why not. Not told where the budget ends first.
    Over,
}

/// Called from within statements, so it must be quick.
#[derive(Clone)]
pub(crate) struct Observer(Arc<dyn Fn(ConnectionWait) + Send + Sync>);

impl Observer {
    pub(crate) fn new(tell: impl Fn(ConnectionWait) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, what: ConnectionWait) {
        (self.0)(what);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
