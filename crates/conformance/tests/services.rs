//! Servers for development: up until told otherwise, named by variables, and gone when they should be.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn services(word: &str, folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_services"));
    command.arg(word).arg(folder).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Ports of the loopback that a text names.
fn ports(text: &str) -> Vec<u16> {
    let after = text.split("127.0.0.1:").skip(1);
    let digits = after.map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    digits
        .map(|digits| digits.unwrap().parse().unwrap())
        .collect()
}

fn answers(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn servers_stay_up_until_told_otherwise_and_end_with_their_keeper() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(text(&services("status", folder)), "not running\n");
    assert!(!services("env", folder).status.success());

    let up = services("up", folder);
    assert!(
        up.status.success(),
        "{}",
        String::from_utf8_lossy(&up.stderr)
    );
    let env = text(&services("env", folder));
    for name in ["MARIADB", "POSTGRES", "REDIS", "RABBITMQ"] {
        assert!(env.contains(&format!("export NOVA_{name}_URL='")), "{env}");
    }
    let listening = ports(&env);
    assert!(listening.len() == 4 && listening.iter().copied().all(answers));
    // Asked again, nothing is started anew.
    assert_eq!(ports(&text(&services("up", folder))), listening);

    assert!(services("down", folder).status.success());
    assert!(!listening.iter().copied().any(answers));
    assert_eq!(text(&services("status", folder)), "not running\n");

    // However the keeper ends, its servers end with it.
    assert!(services("up", folder).status.success());
    let listening = ports(&text(&services("env", folder)));
    let keeper = std::fs::read_to_string(folder.join("keeper.pid")).unwrap();
    let killed = Command::new("kill")
        .args(["-s", "KILL", keeper.trim()])
        .status();
    assert!(killed.unwrap().success());
    let begun = Instant::now();
    while listening.iter().copied().any(answers) {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::yield_now();
    }
    assert_eq!(text(&services("status", folder)), "not running\n");
}
