//! What a connection may leave behind, counted: on this process's side, and on the server's as the system sees it.

use std::fs;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// Tasks of the runtime, threads that are not the runtime's, open descriptors, and the server's sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    tasks: usize,
    threads: usize,
    descriptors: usize,
    connections: usize,
}

impl Left {
    pub(crate) fn now(port: u16) -> Self {
        Self {
            tasks: Handle::current().metrics().num_alive_tasks(),
            threads: threads(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            connections: connections(port),
        }
    }

    fn is_within(self, before: Self) -> bool {
        self.tasks <= before.tasks
            && self.threads <= before.threads
            && self.descriptors <= before.descriptors
            && self.connections <= before.connections
    }
}

/// Waits until no more is there than was before.
pub(crate) async fn nothing_but(before: Left, port: u16, what: &str) {
    let begun = Instant::now();
    loop {
        let now = Left::now(port);
        if now.is_within(before) {
            return;
        }
        let waited = begun.elapsed();
        assert!(
            waited < Duration::from_secs(10),
            "{what}: {now:?}, and before {before:?}"
        );
        tokio::task::yield_now().await;
    }
}

/// Waits until something holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
    }
}

fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.flatten().filter_map(|task| {
        // One may end while it is looked at.
        fs::read_to_string(task.path().join("comm")).ok()
    });
    // Workers, and those for blocking work, which stay for a while after it.
    names.filter(|name| !name.starts_with("tokio-r")).count()
}

/// Sockets with this local port that are connected, by the system's list: those of the server itself.
fn connections(port: u16) -> usize {
    const LISTENING: &str = "0A";
    const CLOSED_BY_BOTH: &str = "06";
    let port = format!(":{port:04X}");
    let mut count = 0;
    for list in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(list).unwrap_or_default();
        count += text
            .lines()
            .filter(|line| {
                let mut words = line.split_whitespace().skip(1);
                let is_local = words.next().is_some_and(|local| local.ends_with(&port));
                let state = words.nth(1).unwrap_or_default();
                is_local && ![LISTENING, CLOSED_BY_BOTH, "st"].contains(&state)
            })
            .count();
    }
    count
}
