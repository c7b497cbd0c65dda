//! `cells watch`: a process that stays, keeps its mappings current, and is told to look again by a signal.

use conformance::Redis;
use nova_tests::{Cellctl, Running};
use serde_json::Value;

use crate::cloud::TestCloud;

/// A watch that loads by itself only once an hour.
fn watch(cloud: &TestCloud, words: &[&str]) -> Running {
    cloud
        .cellctl(&["--format", "json"])
        .args(words)
        .args(["cells", "watch", "--every", "3600"])
        .start()
}

fn is(action: &'static str, name: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["action"] == action && event["cell"]["name"] == name
}

async fn move_bus(cloud: &TestCloud, name: &str) {
    let sql = format!(
        "UPDATE cell_mappings SET transport_url = 'fake:///moved-{name}' WHERE name = '{name}'"
    );
    cloud.change_api(&sql).await;
}

#[tokio::test]
async fn sighup_makes_a_running_process_see_a_changed_mapping() {
    let cloud = TestCloud::usual().await;
    let mut watch = watch(&cloud, &[]);
    let before = watch.document(is("mapping/add", "cell2"));
    watch.document(|event| event["action"] == "mapping/reload");
    move_bus(&cloud, "cell2").await;
    cloud
        .change_api("DELETE FROM cell_mappings WHERE name = 'cell3'")
        .await;

    watch.signal("HUP");
    watch.document(|event| event["action"] == "cache/invalidate");
    let changed = watch.document(is("mapping/change", "cell2"));
    let reason = changed["reason"].as_str().unwrap();
    let revision = before["reason"].as_str().unwrap();
    assert!(reason.starts_with(&format!("{revision} to ")), "{reason}");
    let now = cloud.run(&["--format", "json", "cells", "list"]).json();
    let now = now["cells"][2]["revision"].as_str().unwrap().to_owned();
    assert!(reason.ends_with(&now), "{reason}, and now it is {now}");

    // A cell that has another name is told of by it.
    let sql = "UPDATE cell_mappings SET name = 'second' WHERE name = 'cell2'";
    cloud.change_api(sql).await;
    watch.signal("HUP");
    let renamed = watch.document(is("mapping/change", "second"));
    let reason = renamed["reason"].as_str().unwrap();
    assert!(reason.starts_with("its name, or whether"), "{reason}");

    // And once more: the process goes on.
    move_bus(&cloud, "cell1").await;
    watch.signal("HUP");
    watch.document(is("mapping/change", "cell1"));
    watch.signal("TERM");
    assert_eq!(watch.ended(), Some(0));
}

#[tokio::test]
async fn sighup_puts_a_changed_allow_list_in_force_and_a_broken_one_not() {
    let cloud = TestCloud::usual().await;
    let list = cloud.folder.path().join("allow.toml");
    let learned = cloud.run(&["cells", "allow-list"]);
    std::fs::write(&list, &learned.stdout).unwrap();
    let mut watch = watch(&cloud, &["--allow-list", list.to_str().unwrap()]);
    watch.document(|event| event["action"] == "mapping/reload");

    // Without the rule for its bus, cell2 is refused; and the process has only now looked at the file again.
    let bus = cloud.run(&["--format", "json", "cells", "list"]).json();
    let bus = bus["cells"][2]["transport"].as_str().unwrap().to_owned();
    let bus = bus.trim_start_matches("fake:///");
    std::fs::write(
        &list,
        learned
            .stdout
            .replace(&format!("\"{bus}\""), "\"elsewhere\""),
    )
    .unwrap();
    watch.signal("HUP");
    watch.document(is("mapping/remove", "cell2"));
    let refused = watch.document(is("mapping/refuse", "cell2"));
    assert_eq!(refused["outcome"], "failure");
    watch.document(|event| event["action"] == "mapping/reload");

    std::fs::write(&list, "version = 1\n[[database]]\n").unwrap();
    watch.signal("HUP");
    let reloaded = watch.document(|event| event["action"] == "mapping/reload");
    let reason = reloaded["reason"].as_str().unwrap();
    assert!(reason.ends_with("3 cells, 1 refused"), "{reason}");
}

#[tokio::test]
async fn a_change_is_seen_without_a_signal_when_its_time_has_come() {
    let cloud = TestCloud::usual().await;
    let mut watch = cloud
        .cellctl(&["--format", "jsonl", "cells", "watch", "--every", "0.2"])
        .start();
    watch.document(|event| event["action"] == "mapping/reload");
    move_bus(&cloud, "cell3").await;
    watch.document(is("mapping/change", "cell3"));
}

#[tokio::test]
async fn an_announced_change_is_seen_at_once_and_one_under_another_key_is_not() {
    let cloud = TestCloud::usual().await;
    let redis = Redis::start().await.unwrap();
    let key = |name: &str| {
        let path = cloud.folder.path().join(name);
        let path = path.to_str().unwrap().to_owned();
        let made = Cellctl::new(["keys", "push", "--out", &path]).run();
        assert_eq!(made.code, Some(0), "{made:?}");
        let again = Cellctl::new(["keys", "push", "--out", &path]).run();
        assert_eq!(again.code, Some(2), "it is not written over: {again:?}");
        path
    };
    let (ours, another) = (key("push.key"), key("other.key"));
    let announce = |key: &str| {
        let words = ["--format", "json", "cells", "announce", "--push-key", key];
        let ended = Cellctl::new(words)
            .env("CELLCTL_PUSH", redis.url().expose())
            .run();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.json()["listeners"].as_u64().unwrap()
    };
    let mut watch = cloud
        .cellctl(&["--format", "json", "cells", "watch", "--every", "3600"])
        .args(["--push-key", &ours])
        .env("CELLCTL_PUSH", redis.url().expose())
        .start();
    while announce(&another) == 0 {}
    watch.document(|event| event["action"] == "cache/suspect");
    watch.document(|event| event["action"] == "mapping/reload");
    move_bus(&cloud, "cell2").await;
    announce(&another);
    assert_eq!(announce(&ours), 1);
    let invalidated = watch.document(|event| event["action"] == "cache/invalidate");
    let changed = watch.document(is("mapping/change", "cell2"));
    // The one under another key came first, and led to nothing: the change is the very next thing.
    let number = |event: &Value| event["sequence"].as_u64().unwrap();
    assert_eq!(number(&changed), number(&invalidated) + 1);

    let nowhere = Cellctl::new(["cells", "announce", "--push-key", &ours]).run();
    assert_eq!(nowhere.code, Some(2), "{nowhere:?}");
    let unreachable = Cellctl::new(["cells", "announce", "--push-key", &ours])
        .args(["--push", "redis://u:hunter2@127.0.0.1:1/"])
        .run();
    assert_eq!(unreachable.code, Some(3), "{unreachable:?}");
    assert!(!unreachable.everything().contains("hunter2"));
}
