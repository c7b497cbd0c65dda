//! Cells that are gone, hung or broken: each is named, and costs nobody else a row.

use std::time::Duration;

use conformance::{CloudCell, HeldCell};
use serde_json::{Value, json};

use crate::cloud::TestCloud;

fn outcome_of<'d>(document: &'d Value, cell: &CloudCell) -> &'d Value {
    let cells = document["cells"].as_array().unwrap();
    cells
        .iter()
        .find(|c| c["uuid"] == json!(cell.id().to_string()))
        .unwrap()
}

/// All living servers but those of one cell.
fn count_without(cloud: &TestCloud, missing: &CloudCell) -> usize {
    let listed = |cell: &&CloudCell| cell.id() != missing.id();
    let living = |cell: &CloudCell| {
        cell.servers()
            .iter()
            .filter(|s| s.deleted == 0 && s.hidden != Some(true))
            .count()
    };
    cloud.cloud.cells().iter().filter(listed).map(living).sum()
}

#[tokio::test]
async fn a_cell_whose_database_is_gone_is_named_and_the_others_are_all_there() {
    let cloud = TestCloud::usual().await;
    let gone = &cloud.cloud.cells()[2];
    std::fs::rename(gone.path(), cloud.folder.path().join("elsewhere")).unwrap();
    for executor in ["async", "thread"] {
        let ended = cloud.run(&[
            "--executor",
            executor,
            "--format",
            "json",
            "servers",
            "list",
        ]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let document = ended.json();
        assert_eq!(
            document["servers"].as_array().unwrap().len(),
            count_without(&cloud, gone)
        );
        assert_eq!(document["partial"], json!(true));
        let cell = outcome_of(&document, gone);
        assert_eq!(
            (&cell["outcome"], &cell["error"]["class"]),
            (&json!("failed"), &json!("unreachable"))
        );
        assert!(cell["error"]["id"].is_string());
    }
    assert!(
        !gone.path().exists(),
        "reading must not make an empty database"
    );
}

#[tokio::test]
async fn a_hung_cell_times_out_alone_and_within_the_budget() {
    let cloud = TestCloud::usual().await;
    let hung = &cloud.cloud.cells()[1];
    let _held = HeldCell::hold(hung).await.unwrap();
    for executor in ["async", "thread"] {
        let ended = cloud.run(&[
            "--executor",
            executor,
            "--timeout",
            "0.5",
            "--format",
            "json",
            "servers",
            "list",
        ]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let document = ended.json();
        assert_eq!(
            document["servers"].as_array().unwrap().len(),
            count_without(&cloud, hung)
        );
        for cell in cloud.cloud.cells() {
            let expected = if cell.id() == hung.id() {
                "timed_out"
            } else {
                "answered"
            };
            assert_eq!(
                outcome_of(&document, cell)["outcome"],
                expected,
                "{executor}: {}",
                cell.name()
            );
        }
        assert!(
            ended.elapsed < Duration::from_secs(2),
            "{executor}: {:?}",
            ended.elapsed
        );
    }
}

#[tokio::test]
async fn a_cell_whose_server_takes_connections_and_says_nothing_is_late_while_connecting() {
    let cloud = TestCloud::usual().await;
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    for (executor, scheme) in [("async", "mysql"), ("thread", "postgresql")] {
        let url = format!("{scheme}://nova:secret@127.0.0.1:{port}/nova");
        cloud
            .change_api(&format!(
                "UPDATE cell_mappings SET database_connection = '{url}' WHERE name = 'cell2'"
            ))
            .await;
        let listed = [
            "--executor",
            executor,
            "--timeout",
            "0.5",
            "servers",
            "list",
        ];
        let ended = cloud.run(&listed);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let told = |line: &&str| line.contains("cell2") && line.contains("timed_out");
        let line = ended.stdout.lines().find(told).unwrap_or_default();
        assert!(line.contains("connecting"), "{executor}: {ended:?}");
        let queried = ["--timeout", "0.5", "query", "--sql", "SELECT 1"];
        let ended = cloud.run(&queried);
        let line = ended.stdout.lines().find(told).unwrap_or_default();
        assert!(line.contains("connecting"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_cell_whose_mapping_is_broken_is_rejected_and_the_others_are_served() {
    let cloud = TestCloud::usual().await;
    let broken = &cloud.cloud.cells()[3];
    cloud
        .change_api("UPDATE cell_mappings SET database_connection = 'gopher://x{nope}' WHERE name = 'cell3'")
        .await;
    let ended = cloud.run(&["--format", "json", "servers", "list"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let document = ended.json();
    assert_eq!(outcome_of(&document, broken)["outcome"], "rejected");
    assert_eq!(
        document["servers"].as_array().unwrap().len(),
        count_without(&cloud, broken)
    );

    let listed = cloud.run(&["--format", "json", "cells", "list"]);
    assert_eq!(listed.code, Some(1));
    let problems = listed.json()["cells"][3]["problems"].clone();
    assert_eq!(
        problems,
        json!(["database_connection: template: no base URL is configured"])
    );
}

#[tokio::test]
async fn a_mapping_with_a_malformed_uuid_is_rejected_by_name() {
    let cloud = TestCloud::usual().await;
    cloud
        .change_api("UPDATE cell_mappings SET uuid = 'not-a-uuid' WHERE name = 'cell2'")
        .await;
    let ended = cloud.run(&["--format", "json", "servers", "list"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let document = ended.json();
    let cells = document["cells"].as_array().unwrap();
    let rejected: Vec<_> = cells
        .iter()
        .filter(|cell| cell["outcome"] == "rejected")
        .collect();
    assert_eq!(rejected.len(), 1);
    assert_eq!(
        (&rejected[0]["uuid"], &rejected[0]["name"]),
        (&json!("not-a-uuid"), &json!("cell2"))
    );
}

#[tokio::test]
async fn no_cell_that_answers_is_exit_code_3() {
    let cloud = TestCloud::usual().await;
    for cell in cloud.cloud.cells() {
        std::fs::remove_file(cell.path()).unwrap();
    }
    let ended = cloud.run(&["--format", "json", "servers", "list"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(ended.json()["servers"], json!([]));
}
