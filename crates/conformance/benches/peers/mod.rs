//! What the benches share: figures as rows, medians, and the code one would write by hand.
#![allow(dead_code, reason = "each bench uses a part")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Prints a figure, and appends it as a JSON line to the file named by `NOVA_BENCH_OUT`.
pub(crate) fn row(name: &str, value: f64, unit: &str, peer: Option<f64>) {
    let ratio = peer.map(|peer| value / peer);
    let number =
        |value: Option<f64>| value.map_or("null".to_owned(), |value| format!("{value:.4}"));
    let line = format!(
        r#"{{"name":"{name}","value":{value:.4},"unit":"{unit}","peer":{},"ratio":{}}}"#,
        number(peer),
        number(ratio)
    );
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    if let Some(path) = std::env::var_os("NOVA_BENCH_OUT") {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path);
        if let Err(error) = file.and_then(|mut file| writeln!(file, "{line}")) {
            panic!("{} cannot be written: {error}", path.to_string_lossy());
        }
    }
}

/// The median of a few figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Seconds of one call, of many in a row.
pub(crate) fn seconds(calls: usize, mut call: impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..calls).for_each(|_| call());
    began.elapsed().as_secs_f64() / calls as f64
}

/// Ours and the peer's in turns, so that a noisy moment hits both; medians of the rounds.
pub(crate) fn in_turns(
    rounds: usize,
    mut ours: impl FnMut() -> f64,
    mut peer: impl FnMut() -> f64,
) -> (f64, f64) {
    ours();
    peer();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        one.push(ours());
        other.push(peer());
    }
    (median(one), median(other))
}

/// The load of the machine, printed beside the figures.
pub(crate) fn load() {
    let mut line = String::new();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let _ = write!(line, "load average {}", load.trim());
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A field of this process's memory in KiB: `VmRSS:` for what is resident, `VmHWM:` for the most that ever was.
pub(crate) fn memory_kib(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .expect("the field");
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

pub(crate) const AMPLE: Duration = Duration::from_secs(60);
