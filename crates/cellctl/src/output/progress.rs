//! A sign of life on stderr once a call takes longer than a second, so that nobody wonders whether it hangs.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Shows progress until dropped.
pub(crate) struct Progress {
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How long a call may take before it says so.
const PATIENCE: Duration = Duration::from_secs(1);

impl Progress {
    /// Begins to watch a call that has this budget. A terminal sees the seconds pass; a file gets one line every ten.
    pub(crate) fn of(what: &'static str, budget: Duration) -> Self {
        Self::counting(what, budget, Arc::default())
    }

    /// The same, for a call that counts what it has written so far.
    pub(crate) fn counting(what: &'static str, budget: Duration, done: Arc<AtomicU64>) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let begun = Instant::now();
        // A thread, not a task: it still speaks when the runtime is busy. Without one the call is as good.
        let thread = std::thread::Builder::new()
            .name("progress".into())
            .spawn(move || {
                let terminal = io::stderr().is_terminal();
                let mut next = PATIENCE;
                let mut shown = false;
                loop {
                    let wait = (begun + next).saturating_duration_since(Instant::now());
                    if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                        break;
                    }
                    let so_far = match done.load(Ordering::Relaxed) {
                        0 => String::new(),
                        done => format!("{done} so far, "),
                    };
                    let line = format!(
                        "{what}: {so_far}{} s of {} s",
                        begun.elapsed().as_secs(),
                        budget.as_secs_f32()
                    );
                    let mut stderr = io::stderr().lock();
                    let _ = if terminal {
                        write!(stderr, "\r{line} ")
                    } else {
                        writeln!(stderr, "{line}")
                    };
                    let _ = stderr.flush();
                    shown = true;
                    next += if terminal { PATIENCE } else { 10 * PATIENCE };
                }
                if terminal && shown {
                    let _ = write!(io::stderr().lock(), "\r\u{1b}[2K");
                }
            });
        Self {
            stop: Some(stop),
            thread: thread.ok(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It only ever prints, so it ends at once; waiting keeps its last line out of the result.
            let _ = thread.join();
        }
    }
}
