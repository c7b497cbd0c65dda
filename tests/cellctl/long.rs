//! A list far longer than memory should hold: it streams. `SERVERS_LONG` sets how many servers; a million are meant.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use conformance::CloudBuilder;
use nova_tests::Cellctl;

use crate::cloud::TestCloud;

/// What the list may take at its most, in KiB.
const BOUND: u64 = 64 << 10;

/// The most that a process has held so far, in KiB; the kernel says.
fn most_held(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[tokio::test]
async fn a_long_list_over_ten_cells_streams_in_bounded_memory() {
    let wanted = std::env::var("SERVERS_LONG").ok();
    let servers: u64 = wanted.map_or(20_000, |text| text.parse().unwrap());
    let cloud = TestCloud::new(CloudBuilder::new().servers(servers).cells(10)).await;
    let living = cloud
        .cloud
        .servers()
        .filter(|s| s.deleted == 0 && s.hidden != Some(true))
        .count();
    let words = "--timeout 3600 --format jsonl servers list --page-all --limit 1000".split(' ');
    let mut child = Command::new(Cellctl::program())
        .args(["--api-db", cloud.cloud.api_url()])
        .args(words)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("XDG_STATE_HOME", cloud.folder.path().join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let id = child.id();
    let begun = std::time::Instant::now();
    let (mut rows, mut most) = (0, 0);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // A pipe holds far less than the last tenth, so the process is still there to be looked at.
    while lines.read_line(&mut line).unwrap() > 0 {
        rows += 1;
        if rows == living * 9 / 10 {
            most = most_held(id);
        }
        line.clear();
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(rows, living);
    assert!(most > 0 && most <= BOUND, "{most} KiB for {rows} servers");
    // For the one who runs the long one by hand.
    let seconds = begun.elapsed().as_secs_f64();
    println!("{rows} servers in {seconds:.1} s, {most} KiB at the most");
}
