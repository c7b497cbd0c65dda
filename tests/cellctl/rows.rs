//! `servers show`, `servers count`, `query`, and lists that are written page by page, in every format.

use std::time::Duration;

use conformance::{CloudBuilder, HeldCell, MariaDb, ServerSeed};
use nova_tests::{Cellctl, Ended};
use serde_json::{Value, json};

use crate::cloud::TestCloud;
use crate::servers::{expected, uuids};

const JSON: [&str; 2] = ["--format", "json"];

fn json_of(cloud: &TestCloud, words: &[&str]) -> (Ended, Value) {
    let ended = cloud.run(&[&JSON[..], words].concat());
    let document = ended.json();
    (ended, document)
}

fn is_seen(seed: &&ServerSeed) -> bool {
    seed.deleted == 0 && seed.hidden != Some(true)
}

#[tokio::test]
async fn one_server_is_shown_living_or_deleted_and_a_missing_cell_is_not_a_missing_server() {
    let cloud = TestCloud::usual().await;
    let cell = &cloud.cloud.cells()[1];
    for seed in [
        cell.servers().iter().find(|s| s.deleted == 0).unwrap(),
        cell.servers().iter().find(|s| s.deleted != 0).unwrap(),
    ] {
        let uuid = seed.uuid.to_string();
        let (ended, document) = json_of(&cloud, &["servers", "show", &uuid]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let server = &document["server"];
        assert_eq!(server["uuid"], json!(uuid));
        assert_eq!(server["name"], json!(seed.display_name));
        assert_eq!(server["cell"], json!(cell.id().to_string()));
        assert_eq!(server["deleted"], json!(seed.deleted != 0));
        let table = cloud.run(&["servers", "show", &uuid]);
        assert!(table.stdout.contains(&uuid), "{table:?}");
    }
    let nobody = "00000000-0000-4000-8000-000000000000";
    assert_eq!(cloud.run(&["servers", "show", nobody]).code, Some(2));
    assert_eq!(cloud.run(&["servers", "show", "web"]).code, Some(2));
    let lost = cell.servers()[0].uuid.to_string();
    std::fs::remove_file(cell.path()).unwrap();
    let ended = cloud.run(&["servers", "show", &lost]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("did not answer"), "{ended:?}");
}

#[tokio::test]
async fn counts_add_up_and_are_none_where_a_cell_is_missing() {
    let cloud = TestCloud::usual().await;
    let all = cloud.cloud.servers().filter(is_seen).count();
    let (ended, document) = json_of(&cloud, &["servers", "count"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(document["total"], json!(all));
    for by in ["by_project", "by_state", "by_cell"] {
        let rows = document[by].as_array().unwrap();
        let sum: u64 = rows
            .iter()
            .map(|row| row["servers"].as_u64().unwrap())
            .sum();
        assert_eq!(sum, all as u64, "{by}");
    }
    let stopped = |s: &&ServerSeed| is_seen(s) && s.vm_state.as_deref() == Some("stopped");
    let (_, of_state) = json_of(&cloud, &["servers", "count", "--status", "stopped"]);
    assert_eq!(
        of_state["total"],
        json!(cloud.cloud.servers().filter(stopped).count())
    );

    let gone = &cloud.cloud.cells()[2];
    std::fs::remove_file(gone.path()).unwrap();
    let (ended, document) = json_of(&cloud, &["servers", "count"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(
        (&document["total"], &document["partial"]),
        (&Value::Null, &json!(true))
    );
    let (ended, document) = json_of(&cloud, &["servers", "count", "--allow-partial"]);
    assert_eq!(ended.code, Some(1));
    let left = all - gone.servers().iter().filter(is_seen).count();
    assert_eq!(document["total"], json!(left));
    let table = cloud.run(&["servers", "count"]).stdout;
    assert!(
        table.contains("No count") && table.contains("cell2"),
        "{table}"
    );
}

#[tokio::test]
async fn a_query_reads_every_cell_and_no_database_lets_it_write() {
    let cloud = TestCloud::usual().await;
    let sql =
        "SELECT id, display_name, 1.5 AS half, NULL AS none FROM instances ORDER BY id LIMIT 2";
    let (ended, document) = json_of(&cloud, &["query", "--sql", sql]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let rows = document["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 8);
    let first = cloud.cloud.cells()[0].id().to_string();
    assert_eq!(rows[0]["cell"], json!(first));
    assert_eq!(
        (&rows[0]["id"], &rows[0]["half"], &rows[0]["none"]),
        (&json!(1), &json!(1.5), &Value::Null)
    );
    assert!(
        ended.stdout.contains("\"id\":1,\"display_name\":"),
        "columns keep their order"
    );

    let of = |cells: &str| {
        json_of(
            &cloud,
            &[
                "query",
                "--sql",
                "SELECT COUNT(*) AS n FROM instances",
                "--cells",
                cells,
            ],
        )
        .1
    };
    assert_eq!(of("no-cell0")["rows"].as_array().unwrap().len(), 3);
    let one = cloud.cloud.cells()[2].id().to_string();
    let expected = json!([{"cell": one, "n": cloud.cloud.cells()[2].servers().len()}]);
    assert_eq!(of(&one)["rows"], expected);

    let before = std::fs::read(cloud.cloud.cells()[1].path()).unwrap();
    for sql in [
        "DELETE FROM instances",
        "UPDATE instances SET host = 'x'",
        "DROP TABLE instances",
        "SELECT 1; DELETE FROM instances",
    ] {
        let (ended, document) = json_of(&cloud, &["query", "--sql", sql]);
        assert_eq!(ended.code, Some(3), "{sql}: {ended:?}");
        let class = &document["cells"][1]["error"]["class"];
        assert!(
            class == "forbidden" || class == "statement",
            "{sql}: {class}"
        );
    }
    assert!(before == std::fs::read(cloud.cloud.cells()[1].path()).unwrap());
    assert_eq!(
        cloud.run(&["query", "--sql", sql, "--cells", "cell1"]).code,
        Some(2)
    );
    assert_eq!(cloud.run(&["query", "--sql", " "]).code, Some(2));
}

/// The values of comma-separated lines without quotes, heading first.
fn first_values(csv: &str) -> Vec<&str> {
    csv.lines()
        .map(|line| line.split(',').next().unwrap())
        .collect()
}

#[tokio::test]
async fn all_pages_are_the_whole_list_once_in_every_format() {
    let cloud = TestCloud::usual().await;
    let all = expected(&cloud, |s| s.deleted == 0);
    let pages = ["servers", "list", "--page-all", "--limit", "37"];
    for executor in ["async", "thread"] {
        let words = [&["--executor", executor][..], &pages].concat();
        let (ended, document) = json_of(&cloud, &words);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(uuids(&document), all);
        assert_eq!(
            (&document["partial"], &document["next_marker"]),
            (&json!(false), &Value::Null)
        );
        let rows: u64 = document["cells"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["rows"].as_u64().unwrap())
            .sum();
        assert_eq!(rows, all.len() as u64);
    }
    let lines = cloud.run(&[&["--format", "jsonl"][..], &pages].concat());
    let listed: Vec<String> = lines
        .stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["uuid"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!((listed, lines.code), (all.clone(), Some(0)));
    let csv = cloud.run(&[&["--format", "csv"][..], &pages].concat());
    let values = first_values(&csv.stdout);
    assert_eq!(values[0], "uuid");
    assert_eq!(values[1..], all);
    let table = cloud.run(&pages);
    assert!(all.iter().all(|uuid| table.stdout.contains(uuid)));
    // One page in the same formats, and how it goes on, which is no part of the rows.
    let page = cloud.run(&["--format", "csv", "servers", "list", "--limit", "5"]);
    assert_eq!(first_values(&page.stdout)[1..], all[..5]);
    assert!(page.stderr.contains(&all[4]), "{page:?}");
}

#[tokio::test]
async fn a_cell_that_hangs_costs_a_long_list_one_wait_and_is_named() {
    let cloud = TestCloud::usual().await;
    let hung = &cloud.cloud.cells()[1];
    let _held = HeldCell::hold(hung).await.unwrap();
    let lost: Vec<String> = hung.servers().iter().map(|s| s.uuid.to_string()).collect();
    let mut all = expected(&cloud, |s| s.deleted == 0);
    all.retain(|uuid| !lost.contains(uuid));
    let words = [
        "--timeout",
        "4",
        "servers",
        "list",
        "--page-all",
        "--limit",
        "20",
    ];
    let (ended, document) = json_of(&cloud, &words);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(uuids(&document), all);
    assert!(
        ended.elapsed < Duration::from_secs(6),
        "{:?}",
        ended.elapsed
    );
    assert_eq!(document["cells"][1]["outcome"], json!("timed_out"));
    let lines = cloud.run(&["--timeout", "1", "--format", "jsonl", "servers", "list"]);
    assert!(
        lines.stderr.contains("cell cell1") && lines.stderr.contains("timed_out"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn the_cells_that_are_missing_come_before_the_servers_that_are_there() {
    let cloud = TestCloud::usual().await;
    std::fs::remove_file(cloud.cloud.cells()[2].path()).unwrap();
    let table = cloud.run(&["servers", "list", "--limit", "10"]).stdout;
    let (failed, servers) = (table.find("failed").unwrap(), table.find("STATE").unwrap());
    assert!(failed < servers, "{table}");
    assert!(table.find("answered").unwrap() < servers && failed < table.find("answered").unwrap());
}

#[tokio::test]
async fn formats_of_rows_are_refused_where_there_are_none() {
    let cloud = TestCloud::usual().await;
    for format in ["csv", "jsonl"] {
        let ended = cloud.run(&["--format", format, "cells", "list"]);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn a_cloud_on_mariadb_is_listed_counted_and_queried_the_same() {
    let names = ["nova_api", "nova_cell0", "nova_cell1", "nova_cell2"];
    let server = MariaDb::start(&names).await.unwrap();
    let urls = names.map(|name| server.url(name));
    let cloud = CloudBuilder::new().servers(200);
    let placed = cloud.build_on(&urls[0], &urls[1..]).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        Cellctl::new(JSON)
            .args(words)
            .env("CELLCTL_API_DB", urls[0].expose())
            .env("XDG_STATE_HOME", state.path())
            .run()
    };
    let seeds = || placed.cells.iter().flat_map(|(_, servers)| servers);
    let living = seeds().filter(is_seen).count();
    let ended = run(&[
        "servers",
        "list",
        "--page-all",
        "--limit",
        "30",
        "--sort",
        "display_name:asc",
    ]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut listed = uuids(&ended.json());
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), living);
    assert_eq!(run(&["servers", "count"]).json()["total"], json!(living));
    let one = seeds().find(is_seen).unwrap().uuid.to_string();
    assert_eq!(
        run(&["servers", "show", &one]).json()["server"]["uuid"],
        json!(one)
    );

    let ended = run(&[
        "query",
        "--sql",
        "SELECT created_at, locked, locked_by, AVG(id) AS a FROM instances",
        "--cells",
        "no-cell0",
    ]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.json()["rows"][0]["created_at"].is_string());
    let ended = run(&["query", "--sql", "DELETE FROM instances"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(
        ended.json()["cells"][1]["error"]["class"],
        json!("forbidden")
    );
    assert_eq!(run(&["servers", "count"]).json()["total"], json!(living));
}

/// What a query without rows is headed with, in every cell.
fn heading_of(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.trim_end_matches("\r\n")
}

#[tokio::test]
async fn rows_that_are_none_have_a_heading() {
    let cloud = TestCloud::usual().await;
    let csv = |words: &[&str]| cloud.run(&[&["--format", "csv"], words].concat());
    let servers =
        "uuid,name,project_id,user_id,vm_state,host,created_at,updated_at,launched_at,cell";
    for further in [&[][..], &["--page-all"]] {
        let list = [&["servers", "list", "--project", "nobody"], further].concat();
        assert_eq!(heading_of(&csv(&list)), servers);
    }
    let count = csv(&["servers", "count", "--project", "nobody"]);
    assert_eq!(heading_of(&count), "cell,project_id,vm_state,servers");
    let sql = "SELECT id, host AS \"the host\" FROM instances WHERE id < 0";
    let query = csv(&["query", "--sql", sql]);
    assert_eq!(heading_of(&query), "cell,id,the host");
    let table = cloud.run(&["query", "--sql", sql]);
    assert!(
        table.stdout.starts_with("CELL  ID  THE HOST\n"),
        "{table:?}"
    );
    // A heading alone would be a count of nothing.
    std::fs::remove_file(cloud.cloud.cells()[2].path()).unwrap();
    let count = csv(&["servers", "count"]);
    assert_eq!((count.code, count.stdout.as_str()), (Some(1), ""));
}

#[tokio::test]
async fn a_statement_that_no_database_saw_is_not_blamed_on_one() {
    let cloud = TestCloud::usual().await;
    for (sql, says) in [
        (
            "DELETE FROM instances",
            "sent to no database: it does not begin with SELECT",
        ),
        (
            "SELECT 1; SELECT 2",
            "sent to no database: it is more than one statement",
        ),
        (
            "SELECT nothing FROM instances",
            "a database refused the statement",
        ),
        (
            "WITH x AS (SELECT 1) DELETE FROM instances",
            "a database refused the statement",
        ),
    ] {
        let ended = cloud.run(&["query", "--sql", sql]);
        assert_eq!(ended.code, Some(3), "{sql}: {ended:?}");
        assert!(ended.stderr.contains(says), "{sql}: {ended:?}");
        let other = ["sent to no database", "a database refused"];
        let told = other.iter().filter(|text| ended.stderr.contains(**text));
        assert_eq!(told.count(), 1, "{sql}: {ended:?}");
    }
}
