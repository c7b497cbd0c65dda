//! ^C and SIGTERM: what a command has running on servers ends with it.

use std::time::{Duration, Instant};

use nova_tests::Cellctl;
use serde_json::{Value, json};

use crate::cloud::RealCloud;

/// A statement that runs for long, and how many of its kind run on the server.
struct Long<'t> {
    sql: &'t str,
    running: &'t str,
}

const MARIADB: Long<'static> = Long {
    sql: "SELECT SLEEP(50) AS slept",
    running: "SELECT COUNT(*) AS n FROM information_schema.processlist \
              WHERE info LIKE '%SLEEP(50)%' AND info NOT LIKE '%processlist%'",
};

const POSTGRES: Long<'static> = Long {
    sql: "SELECT 1 AS slept FROM pg_sleep(50)",
    running: "SELECT COUNT(*) AS n FROM pg_stat_activity \
              WHERE state = 'active' AND query LIKE '%pg_sleep(50)%' AND query NOT LIKE '%activity%'",
};

/// Waits until so many run. All cells are on one server, so one of them is asked.
fn wait_for<S>(cloud: &RealCloud<S>, long: &Long<'_>, wanted: u64) {
    let until = Instant::now() + Duration::from_secs(30);
    let cell = cloud.placed.cells[0].0.to_string();
    loop {
        let ended = cloud.run(&["query", "--sql", long.running, "--cells", &cell]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let n: Value = ended.json()["rows"][0]["n"].clone();
        if n == json!(wanted) {
            return;
        }
        assert!(Instant::now() < until, "{n} run, not {wanted}");
    }
}

fn nothing_is_left<S>(cloud: &RealCloud<S>, long: &Long<'_>) {
    for (executor, signal, status) in [
        ("async", "INT", 130),
        ("thread", "TERM", 143),
        ("async", "HUP", 129),
    ] {
        let words = ["--executor", executor, "query", "--sql", long.sql];
        let running = Cellctl::with_signals("HUP,INT,TERM", "USR1", words);
        let running = cloud.at_home(running).start();
        wait_for(cloud, long, 3);
        let told = Instant::now();
        running.signal(signal);
        assert_eq!(running.ended(), Some(status), "{signal}");
        wait_for(cloud, long, 0);
        // By itself it would have taken all of this, and so would the servers' own limit.
        assert!(told.elapsed() < Duration::from_secs(20), "{signal}");
    }
    // One that was ignored when the command was started goes on being ignored.
    let short = long.sql.replace("50", "2");
    let words = ["query", "--sql", &short];
    let running = cloud.at_home(Cellctl::with_signals("INT,TERM", "HUP", words));
    let running = running.start();
    let of_two = Long {
        sql: "",
        running: &long.running.replace("50", "2"),
    };
    wait_for(cloud, &of_two, 3);
    running.signal("HUP");
    assert_eq!(running.ended(), Some(0));
}

#[tokio::test]
async fn a_command_that_is_interrupted_leaves_nothing_running_on_mariadb() {
    let cloud = RealCloud::on_mariadb().await;
    nothing_is_left(&cloud, &MARIADB);
}

#[tokio::test]
async fn a_command_that_is_interrupted_leaves_nothing_running_on_postgresql() {
    let cloud = RealCloud::on_postgres().await;
    nothing_is_left(&cloud, &POSTGRES);
}
