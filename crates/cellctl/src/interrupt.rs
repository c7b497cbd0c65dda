//! Signals that end the command, and with it what it has running on servers.
//!
//! Neither MariaDB nor PostgreSQL notices that a client has gone while a statement runs: a process that just died would
//! leave its statements there until the limit that the servers were told. So the first signal has the command's work
//! dropped, which ends them; that is waited for, though not long. A second signal ends the process at once.

use std::future::Future;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::output::note;

/// How long what runs on servers may take to end.
const ENDING: Duration = Duration::from_secs(1);

/// Between two looks at whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// So many looks in a row have to find nothing: a thread that was told to stop needs a moment until it does.
const LOOKS: u32 = 4;

/// A signal came before the work was done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interrupted {
    /// What shells say of a process that such a signal ended.
    status: u8,
}

impl From<Interrupted> for ExitCode {
    fn from(interrupted: Interrupted) -> Self {
        Self::from(interrupted.status)
    }
}

/// The work's result, unless a terminal's hang-up, ^C or SIGTERM comes first. One that this process was started to ignore
/// (`nohup`, a job in the background of a script) stays ignored.
///
/// # Errors
/// Where signals cannot be listened to.
pub(crate) async fn unless_interrupted<T>(
    work: impl Future<Output = T>,
) -> io::Result<Result<T, Interrupted>> {
    let (tell, told) = oneshot::channel();
    let heard = Signals::listen()?;
    // A task, for the work may hold up its own thread: it writes to a reader who does not read.
    let watch = tokio::spawn(watch(heard, tell));
    let done = {
        let mut work = Box::pin(work);
        tokio::select! {
            done = &mut work => Ok(done),
            Ok(interrupted) = told => Err(interrupted),
        }
    };
    if done.is_err() && !settled().await {
        note(
            "cellctl: interrupted; statements may go on until the limit that their servers were told",
        );
    }
    watch.abort();
    Ok(done)
}

/// Tells of the first signal. Ends the process at the second, and also where the first is not heard.
async fn watch(mut signals: Signals, tell: oneshot::Sender<Interrupted>) {
    let interrupted = signals.next().await;
    let _heard = tell.send(interrupted);
    tokio::select! {
        _ = signals.next() => {}
        () = sleep(ENDING * 2) => {}
    }
    std::process::exit(interrupted.status.into())
}

/// Waits until nothing is left to be done on this runtime but what listens to signals; whether it came to that.
async fn settled() -> bool {
    let until = Instant::now() + ENDING;
    let tasks = Handle::current().metrics();
    let mut looks = 0;
    while looks < LOOKS && Instant::now() < until {
        sleep(LOOK_AGAIN).await;
        looks = match tasks.num_alive_tasks() {
            0 | 1 => looks + 1,
            _ => 0,
        };
    }
    looks == LOOKS
}

struct Signals(Vec<(Signal, Interrupted)>);

impl Signals {
    fn listen() -> io::Result<Self> {
        let ignored = ignored();
        let of = |kind: SignalKind| {
            let number = kind.as_raw_value();
            let status = u8::try_from(128 + number).unwrap_or(u8::MAX);
            signal(kind).map(|heard| (heard, Interrupted { status }))
        };
        let kinds = [
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::terminate(),
        ];
        let heeded = kinds
            .into_iter()
            .filter(|kind| ignored & bit(*kind) == 0)
            .map(of);
        Ok(Self(heeded.collect::<io::Result<_>>()?))
    }

    /// The next one; never, if all are ignored.
    async fn next(&mut self) -> Interrupted {
        std::future::poll_fn(|cx| {
            for (heard, interrupted) in &mut self.0 {
                if heard.poll_recv(cx).is_ready() {
                    return std::task::Poll::Ready(*interrupted);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

fn bit(kind: SignalKind) -> u64 {
    let number = u32::try_from(kind.as_raw_value()).unwrap_or(0);
    1_u64.checked_shl(number.saturating_sub(1)).unwrap_or(0)
}

/// The signals that this process ignores, a bit each; none where the system does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    mask_of(&status)
}

fn mask_of(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_which_signals_are_ignored() {
        let status = "Name:\tcellctl\nSigIgn:\t0000000000001003\nSigCgt:\t0000000000000000\n";
        let mask = mask_of(status);
        assert_ne!(mask & bit(SignalKind::hangup()), 0);
        assert_ne!(mask & bit(SignalKind::interrupt()), 0);
        assert_eq!(mask & bit(SignalKind::terminate()), 0);
        assert_eq!(mask_of(""), 0);
    }
}
