//! `servers list` on healthy clouds: which servers, in which order, page by page.

use std::cmp::Reverse;

use conformance::{CloudBuilder, Population, ServerSeed};
use serde_json::{Value, json};

use crate::cloud::TestCloud;

pub(crate) fn uuids(document: &Value) -> Vec<String> {
    let servers = document["servers"].as_array().unwrap();
    servers
        .iter()
        .map(|server| server["uuid"].as_str().unwrap().to_owned())
        .collect()
}

/// Nova's default order, worked out from what was written and not by the code under test.
pub(crate) fn expected(cloud: &TestCloud, wanted: impl Fn(&ServerSeed) -> bool) -> Vec<String> {
    let mut servers: Vec<&ServerSeed> = cloud
        .cloud
        .servers()
        .filter(|s| s.hidden != Some(true) && wanted(s))
        .collect();
    servers.sort_by_key(|s| (Reverse(s.created_at.clone()), Reverse(s.id), s.uuid));
    servers.iter().map(|s| s.uuid.to_string()).collect()
}

#[tokio::test]
async fn the_newest_servers_of_all_cells_come_first_on_both_executors() {
    let cloud = TestCloud::usual().await;
    let all = expected(&cloud, |s| s.deleted == 0);
    for executor in ["async", "thread"] {
        let ended = cloud.run(&[
            "--executor",
            executor,
            "--format",
            "json",
            "servers",
            "list",
            "--all-projects",
            "--limit",
            "50",
        ]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let document = ended.json();
        assert_eq!(uuids(&document), all[..50], "{executor}");
        assert_eq!(document["partial"], json!(false));
        assert_eq!(document["next_marker"], json!(all[49]));
        assert!(
            document["cells"]
                .as_array()
                .unwrap()
                .iter()
                .all(|cell| cell["outcome"] == "answered")
        );
    }
}

#[tokio::test]
async fn a_server_has_the_keys_of_the_contract() {
    let cloud = TestCloud::usual().await;
    let document = cloud
        .run(&["--format", "json", "servers", "list", "--limit", "1"])
        .json();
    let server = document["servers"][0].as_object().unwrap();
    let mut keys: Vec<&str> = server.keys().map(String::as_str).collect();
    keys.sort_unstable();
    let contract = [
        "cell",
        "created_at",
        "host",
        "launched_at",
        "name",
        "project_id",
        "updated_at",
        "user_id",
        "uuid",
        "vm_state",
    ];
    assert_eq!(keys, contract);
}

#[tokio::test]
async fn pages_by_marker_give_the_whole_list_once() {
    let cloud = TestCloud::new(CloudBuilder::new().servers(90).seed(7)).await;
    let all = expected(&cloud, |s| s.deleted == 0);
    let (mut seen, mut marker): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let mut words = vec!["--format", "json", "servers", "list", "--limit", "20"];
        let given = marker.clone();
        if let Some(given) = &given {
            words.extend(["--marker", given]);
        }
        let document = cloud.run(&words).json();
        seen.extend(uuids(&document));
        marker = document["next_marker"].as_str().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
}

#[tokio::test]
async fn filters_leave_out_what_they_say() {
    let cloud = TestCloud::usual().await;
    let project = Population::project(1);
    let list = |words: &[&str]| {
        let mut all = vec!["--format", "json", "servers", "list"];
        all.extend(words);
        let ended = cloud.run(&all);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        uuids(&ended.json())
    };
    let of_project = expected(&cloud, |s| {
        s.deleted == 0 && s.project_id.as_deref() == Some(&project)
    });
    assert!(!of_project.is_empty());
    assert_eq!(list(&["--project", &project]), of_project);
    assert_eq!(
        list(&["--deleted", "only"]),
        expected(&cloud, |s| s.deleted != 0)
    );
    assert_eq!(list(&["--deleted", "yes"]), expected(&cloud, |_| true));
    let stopped = expected(&cloud, |s| {
        s.deleted == 0 && s.vm_state.as_deref() == Some("stopped")
    });
    assert_eq!(list(&["--status", "stopped"]), stopped);
    assert_eq!(list(&["--limit", "0"]), Vec::<String>::new());
}

#[tokio::test]
async fn a_sort_key_orders_by_it_and_ties_by_the_uuid() {
    let cloud = TestCloud::usual().await;
    let ended = cloud.run(&[
        "--format",
        "json",
        "servers",
        "list",
        "--sort",
        "vm_state:asc",
    ]);
    let mut servers: Vec<&ServerSeed> = cloud
        .cloud
        .servers()
        .filter(|s| s.deleted == 0 && s.hidden != Some(true))
        .collect();
    servers.sort_by_key(|s| (s.vm_state.clone(), s.uuid));
    let expected: Vec<String> = servers.iter().map(|s| s.uuid.to_string()).collect();
    assert_eq!(uuids(&ended.json()), expected, "{}", ended.stderr);
}
