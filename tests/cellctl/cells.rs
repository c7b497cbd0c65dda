//! `cells list` and `cells check`.

use serde_json::json;

use crate::cloud::TestCloud;

#[tokio::test]
async fn every_mapping_is_listed_with_its_urls_masked() {
    let cloud = TestCloud::usual().await;
    cloud
        .change_api(
            "UPDATE cell_mappings SET transport_url = 'rabbit://nova:s3cret@mq1/cell1' WHERE name = 'cell1'",
        )
        .await;
    let ended = cloud.run(&["--format", "json", "cells", "list"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let cells = ended.json()["cells"].as_array().unwrap().clone();
    let names: Vec<&str> = cells
        .iter()
        .filter_map(|cell| cell["name"].as_str())
        .collect();
    assert_eq!(names, ["cell0", "cell1", "cell2", "cell3"]);
    assert_eq!(cells[0]["uuid"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(cells[0]["transport"], "none:///");
    assert_eq!(cells[1]["transport"], "rabbit://nova:***@mq1:5672/cell1");
    assert!(cells.iter().all(|cell| cell["disabled"] == json!(false)));
    for key in [
        "uuid",
        "name",
        "database",
        "transport",
        "disabled",
        "revision",
        "seal",
    ] {
        assert!(cells[0].as_object().unwrap().contains_key(key), "{key}");
    }
}

#[tokio::test]
async fn a_revision_stays_from_run_to_run_and_changes_with_a_url() {
    let cloud = TestCloud::usual().await;
    let revisions = || -> Vec<String> {
        let document = cloud.run(&["--format", "json", "cells", "list"]).json();
        let cells = document["cells"].as_array().unwrap();
        cells
            .iter()
            .map(|cell| cell["revision"].as_str().unwrap().to_owned())
            .collect()
    };
    let before = revisions();
    assert_eq!(revisions(), before);
    cloud
        .change_api("UPDATE cell_mappings SET transport_url = 'fake:///other' WHERE name = 'cell2'")
        .await;
    let after = revisions();
    assert_ne!(after[2], before[2]);
    assert_eq!((&after[1], &after[3]), (&before[1], &before[3]));
}

#[tokio::test]
async fn templates_take_their_parts_from_nova_conf() {
    let cloud = TestCloud::usual().await;
    cloud
        .change_api(
            "UPDATE cell_mappings SET transport_url = 'rabbit://{username}:{password}@{hostname}:{port}/cell1' \
             WHERE name = 'cell1'",
        )
        .await;
    let conf = cloud.folder.path().join("nova.conf");
    let text = format!(
        "[DEFAULT]\ntransport_url = rabbit://nova:s3cret@MQ9:5673/\n[api_database]\nconnection = {}\n",
        cloud.cloud.api_url()
    );
    std::fs::write(&conf, text).unwrap();
    let ended = nova_tests::Cellctl::new(["--nova-conf"])
        .args([conf.as_os_str()])
        .args(["--format", "json", "cells", "list"])
        .run();
    assert_eq!(
        ended.json()["cells"][1]["transport"],
        "rabbit://nova:***@mq9:5673/cell1",
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_check_tells_both_legs_of_each_cell() {
    let cloud = TestCloud::usual().await;
    std::fs::remove_file(cloud.cloud.cells()[2].path()).unwrap();
    let ended = cloud.run(&["--format", "json", "cells", "check"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let document = ended.json();
    let cells = document["cells"].as_array().unwrap();
    let state = |at: usize, leg: &str| cells[at][leg]["state"].as_str().unwrap().to_owned();
    assert_eq!(
        (state(0, "database"), state(0, "transport")),
        ("ok".into(), "none".into())
    );
    assert_eq!(
        (state(1, "database"), state(1, "transport")),
        ("ok".into(), "ok".into())
    );
    assert_eq!(
        (state(2, "database"), state(2, "transport")),
        ("down".into(), "ok".into())
    );
    assert_eq!(cells[2]["database"]["error"]["class"], "unreachable");
}

#[tokio::test]
async fn tables_keep_to_100_columns_and_a_file_gets_no_colour() {
    let cloud = TestCloud::usual().await;
    for words in [["cells", "list"], ["cells", "check"], ["servers", "list"]] {
        let ended = cloud.run(&words);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(
            ended.stdout.lines().all(|line| line.chars().count() <= 100),
            "{}",
            ended.stdout
        );
        assert!(!ended.stdout.contains('\u{1b}'));
        assert_eq!(ended.stderr, "");
    }
}
