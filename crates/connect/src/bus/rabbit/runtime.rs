//! What the driver runs on: tokio, with its log turned off. At its finest level it writes down the frames that it throws
//! away, and those hold requests, tokens, and the answer to the broker's question for the password.
//!
//! Its tasks end with their connection. Left to itself, the one that keeps a heartbeat sleeps on for half a minute.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;

use async_rs::traits::Executor;
use async_rs::util::{RuntimeParts, Task};
use async_rs::{Runtime, Tokio};
use tokio_util::sync::CancellationToken;
use tracing::Dispatch;
use tracing::dispatcher::{DefaultGuard, set_default};
use tracing::instrument::{WithDispatch, WithSubscriber};

/// The kit that the driver gets.
pub(super) type Kit = RuntimeParts<Quiet, Tokio>;

/// Tasks of the current runtime that log nothing, and end when they are told to.
#[derive(Debug, Clone)]
pub(super) struct Quiet {
    tokio: Tokio,
    over: CancellationToken,
}

/// The current runtime, for one connection of the driver.
pub(super) fn current(over: CancellationToken) -> Runtime<Kit> {
    let tokio = Tokio::current();
    let quiet = Quiet {
        tokio: tokio.clone(),
        over,
    };
    Runtime::new(RuntimeParts::new(quiet, tokio))
}

/// Nothing, where that is what is wanted: only work without a result can be ended.
fn nothing<T: 'static>() -> Option<T> {
    let nothing: Box<dyn Any> = Box::new(());
    nothing.downcast().ok().map(|nothing| *nothing)
}

/// The same work, without a log.
///
/// By the one that is nobody's: a subscriber of our own, however empty, would have every place in the program that may log
/// looked through each time.
pub(super) fn quiet<F: Future>(work: F) -> WithDispatch<F> {
    work.with_subscriber(Dispatch::none())
}

/// Turns this thread's log off for the rest of its life: for threads that the driver starts.
pub(super) fn quieten_thread() {
    thread_local! {
        static SILENCE: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
    }
    SILENCE.with(|silence| {
        let mut silence = silence.borrow_mut();
        if silence.is_none() {
            *silence = Some(set_default(&Dispatch::none()));
        }
    });
}

impl Executor for Quiet {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, work: F) -> T {
        self.tokio.block_on(work)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        work: F,
    ) -> Task<Self::Task<T>> {
        let over = self.over.clone();
        self.tokio.spawn(quiet(async move {
            match nothing() {
                Some(nothing) => over.run_until_cancelled(work).await.unwrap_or(nothing),
                None => work.await,
            }
        }))
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        work: F,
    ) -> Task<Self::Task<T>> {
        self.tokio.spawn_blocking(work)
    }
}
