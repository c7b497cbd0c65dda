//! Wrong usage and configuration: one clear line on stderr, the contract's exit code, no backtrace, no document.

use nova_tests::{Cellctl, Ended};

use crate::cloud::TestCloud;

fn check(ended: &Ended, code: i32, says: &str) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(
        ended.stderr.contains(says),
        "{says:?} expected in {:?}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "");
    for sign in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
        assert!(!ended.stderr.contains(sign), "{}", ended.stderr);
    }
}

/// One line, so that it can be read in a log of many.
fn check_line(ended: &Ended, code: i32, says: &str) {
    check(ended, code, says);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn without_a_cloud_the_command_asks_for_one() {
    check_line(
        &Cellctl::new(["cells", "list"]).run(),
        2,
        "--nova-conf FILE, --api-db URL",
    );
}

#[test]
fn api_urls_that_make_no_sense_are_usage_errors() {
    for (url, says) in [
        ("gopher://u:hunter2@h/d", "unknown scheme `gopher`"),
        ("nova_api.sqlite", "no scheme"),
        ("sqlite://", "in memory"),
        ("mysql://u:hunter2@h/d?socket=/tmp/x", "option `socket`"),
    ] {
        let ended = Cellctl::new(["--api-db", url, "cells", "list"]).run();
        check_line(&ended, 2, says);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

#[test]
fn an_api_database_that_is_not_there_is_exit_code_3_and_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let ended = Cellctl::new(["--api-db", "sqlite:///nope.sqlite", "cells", "list"])
        .in_folder(folder.path())
        .run();
    check_line(
        &ended,
        3,
        "nothing answers there, or the file cannot be opened",
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_no_database_is_exit_code_3() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("x.sqlite"),
        "certainly no database at all, but long enough to look",
    )
    .unwrap();
    let ended = Cellctl::new(["--api-db", "sqlite:///x.sqlite", "cells", "list"])
        .in_folder(folder.path())
        .run();
    check_line(&ended, 3, "the mappings could not be read");
}

#[tokio::test]
async fn a_database_without_mappings_says_so() {
    let cloud = TestCloud::usual().await;
    cloud.change_api("DELETE FROM cell_mappings").await;
    check_line(&cloud.run(&["cells", "list"]), 3, "no cells are configured");
    check_line(
        &cloud.run(&["servers", "list"]),
        3,
        "no cells are configured",
    );
    cloud.change_api("DROP TABLE instance_mappings").await;
    cloud.change_api("DROP TABLE host_mappings").await;
    cloud.change_api("DROP TABLE cell_mappings").await;
    check_line(&cloud.run(&["cells", "list"]), 3, "no table cell_mappings");
}

#[tokio::test]
async fn options_that_make_no_sense_are_usage_errors() {
    let cloud = TestCloud::usual().await;
    for (words, says) in [
        (vec!["--limit", "-1"], "-1"),
        (vec!["--limit", "x"], "invalid digit"),
        (vec!["--sort", "colour:asc"], "created_at"),
        (vec!["--sort", "created_at:up"], "asc"),
        (vec!["--marker", "not-a-uuid"], "UUID"),
        (
            vec!["--marker", "11111111-2222-3333-4444-555555555555"],
            "11111111-2222-3333-4444-555555555555",
        ),
        (vec!["--deleted", "maybe"], "maybe"),
        (
            vec!["--project", "p", "--all-projects"],
            "cannot be used with",
        ),
        (vec!["--timeout", "0"], "more than 0"),
        (vec!["--frobnicate"], "--frobnicate"),
    ] {
        let mut all = vec!["servers", "list"];
        all.extend(&words);
        check(&cloud.run(&all), 2, says);
    }
}

#[test]
fn a_configuration_that_lacks_something_is_named_by_file_and_option() {
    let folder = tempfile::tempdir().unwrap();
    let run = |text: &str| {
        std::fs::write(folder.path().join("nova.conf"), text).unwrap();
        Cellctl::new(["--nova-conf", "nova.conf", "cells", "list"])
            .in_folder(folder.path())
            .run()
    };
    check_line(&run("[DEFAULT]\nhost = a\n"), 2, "[api_database]connection");
    check_line(&run("[api_database]\nnonsense\n"), 2, "nova.conf: line 2");
    check_line(
        &run("[api_database]\nconnection = sqlite:///$state_path/x\n"),
        2,
        "[api_database]connection refers",
    );
    let missing = Cellctl::new(["--nova-conf", "nope.conf", "cells", "list"])
        .in_folder(folder.path())
        .run();
    check_line(&missing, 2, "reading nope.conf");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    // A completion script is longer than what a pipe holds for a reader that takes one byte and leaves.
    let script = format!(
        "{} completions bash | head -c 1",
        Cellctl::program().display()
    );
    let output = std::process::Command::new("bash")
        .args(["-o", "pipefail", "-c", &script])
        .output()
        .unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn completions_and_help_are_written_for_people_and_shells() {
    let script = Cellctl::new(["completions", "bash"]).run();
    assert!(script.stdout.contains("_cellctl()"), "{script:?}");
    let help = Cellctl::new(["--help"]).run();
    assert_eq!(help.code, Some(0));
    for part in ["Examples:", "Exit codes:", "servers", "--nova-conf"] {
        assert!(help.stdout.contains(part), "{}", help.stdout);
    }
}
