//! Servers for development: up until told otherwise, named by variables, and gone when they should be.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nova_conformance::{MariaDb, Redis};

fn services(word: &str, folder: &Path) -> Output {
    services_beside(&[], word, folder)
}

/// With these variables set, and none of the others.
fn services_beside(existing: &[(&str, &str)], word: &str, folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_services"));
    for name in NAMES {
        command.env_remove(format!("NOVA_TEST_{name}_URL"));
    }
    for (name, url) in existing {
        command.env(format!("NOVA_TEST_{name}_URL"), url);
    }
    command.arg(word).arg(folder).output().unwrap()
}

const NAMES: [&str; 4] = ["MARIADB", "POSTGRES", "REDIS", "RABBITMQ"];

fn started(folder: &Path) -> String {
    let up = services("up", folder);
    assert!(
        up.status.success(),
        "{}",
        String::from_utf8_lossy(&up.stderr)
    );
    text(&up)
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

    started(folder);
    let env = text(&services("env", folder));
    for name in NAMES {
        assert!(env.contains(&format!("export NOVA_{name}_URL='")), "{env}");
    }
    let listening = ports(&env);
    assert!(listening.len() == 4 && listening.iter().copied().all(answers));
    // Asked again, nothing is started anew.
    assert_eq!(ports(&started(folder)), listening);

    assert!(services("down", folder).status.success());
    assert!(!listening.iter().copied().any(answers));
    assert_eq!(text(&services("status", folder)), "not running\n");

    // However the keeper ends, its servers end with it.
    started(folder);
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

#[tokio::test]
async fn servers_that_are_there_already_are_used_and_left_as_they_are() {
    let (mariadb, redis) = tokio::join!(MariaDb::start(&["nova_api"]), Redis::start());
    let (mariadb, redis) = (mariadb.unwrap(), redis.unwrap());
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let url = |scheme: &str| format!("{scheme}://u:hunter2@127.0.0.1:{port}/any?ssl=true");
    let (mysql, redis_url) = (mariadb.url("any"), redis.url());
    let (postgres, rabbit) = (url("postgresql").replace("ssl=true", ""), url("rabbit"));
    let existing = [
        ("MARIADB", mysql.expose()),
        ("POSTGRES", postgres.as_str()),
        ("REDIS", redis_url.expose()),
        ("RABBITMQ", rabbit.as_str()),
    ];
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let up = services_beside(&existing, "up", folder);
    assert!(
        up.status.success(),
        "{}",
        String::from_utf8_lossy(&up.stderr)
    );
    let expected = [mariadb.port(), port, redis.port(), port];
    assert_eq!(ports(&text(&up)), expected);
    let env = text(&services("env", folder));
    assert_eq!(ports(&env), expected);
    // By the names that are used here, with the login and the options that were given.
    for part in [
        mariadb.url("nova_api").expose(),
        &rabbit.replace("/any", "/nova_cell1"),
    ] {
        assert!(env.contains(part), "{env}");
    }
    assert!(services("down", folder).status.success());
    assert!(answers(mariadb.port()) && answers(redis.port()));

    // One that is named and not there is an error, and not a reason to start another.
    let gone = existing.map(|(name, url)| match name {
        "REDIS" => (name, "redis://u:hunter2@127.0.0.1:1/"),
        _ => (name, url),
    });
    let up = services_beside(&gone, "up", folder);
    let why = String::from_utf8_lossy(&up.stderr);
    assert!(!up.status.success() && !why.contains("hunter2"), "{why}");
    assert!(
        why.contains("NOVA_TEST_REDIS_URL names a server that does not answer"),
        "{why}"
    );
}
