//! `cellctl demo`: the main job on a cloud of its own.

use std::time::Duration;

use nova_tests::Cellctl;
use serde_json::json;

#[test]
fn the_demo_lists_hangs_a_cell_and_blames_only_that_one() {
    let state = tempfile::tempdir().unwrap();
    let ended = Cellctl::new([
        "--format",
        "json",
        "demo",
        "--cells",
        "4",
        "--servers",
        "400",
    ])
    .env("TMPDIR", state.path())
    .run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let document = ended.json();
    let listings = document["listings"].as_array().unwrap();
    assert_eq!(listings.len(), 2);
    let healthy = &listings[0];
    assert_eq!(healthy["servers"].as_array().unwrap().len(), 50);
    assert_eq!(
        (
            &healthy["partial"],
            healthy["cells"].as_array().unwrap().len()
        ),
        (&json!(false), 5)
    );
    let hung = &document["hung"];
    for cell in listings[1]["cells"].as_array().unwrap() {
        let expected = if cell["uuid"] == *hung {
            "timed_out"
        } else {
            "answered"
        };
        assert_eq!(cell["outcome"], expected);
    }
    assert!(
        ended.elapsed < Duration::from_secs(10),
        "{:?}",
        ended.elapsed
    );
    assert_eq!(
        std::fs::read_dir(state.path()).unwrap().count(),
        0,
        "the demo cleans up"
    );
}

#[test]
fn a_kept_cloud_is_listed_by_the_command_that_the_demo_prints() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("cloud");
    let ended = Cellctl::new(["demo", "--servers", "200", "--keep"])
        .args([kept.as_os_str()])
        .run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let line = ended
        .stdout
        .lines()
        .find(|line| line.trim().starts_with("cellctl --api-db"))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    let listed = Cellctl::new(words).run();
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stdout.contains("answered"));
}

#[test]
fn a_folder_that_holds_something_is_not_written_into() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious"), "x").unwrap();
    let ended = Cellctl::new(["demo", "--keep"])
        .args([folder.path().as_os_str()])
        .run();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("not empty"), "{}", ended.stderr);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
