//! `keys generate`, `cells seal`, `cells verify`, and what `--require-seals` and `--allow-list` keep out.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use nova_tests::Ended;
use serde_json::{Value, json};

use crate::cloud::TestCloud;

struct Sealed {
    cloud: TestCloud,
}

impl Sealed {
    /// A cloud with a key and a manifest beside its databases.
    async fn new() -> Self {
        let sealed = Self {
            cloud: TestCloud::usual().await,
        };
        sealed.generate("operator");
        assert_eq!(sealed.seal("operator", &[]).code, Some(0));
        sealed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.cloud.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn generate(&self, name: &str) {
        let ended = self
            .cloud
            .run(&["keys", "generate", "--out", &self.text(name)]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }

    fn seal(&self, key: &str, more: &[&str]) -> Ended {
        let (key, out) = (self.text(&format!("{key}.key")), self.text("manifest"));
        let mut words = vec![
            "--format", "json", "cells", "seal", "--key", &key, "--out", &out,
        ];
        words.extend(more);
        self.cloud.run(&words)
    }

    fn trusting(&self, key: &str, words: &[&str]) -> Ended {
        let (manifest, key) = (self.text("manifest"), self.text(&format!("{key}.pub")));
        let mut all = vec![
            "--format",
            "json",
            "--seals",
            &manifest,
            "--trusted-keys",
            &key,
        ];
        all.extend(words);
        self.cloud.run(&all)
    }

    fn verify(&self, key: &str) -> (Option<i32>, Vec<String>) {
        let ended = self.trusting(key, &["cells", "verify"]);
        let document = ended.json();
        let states = document["cells"].as_array().unwrap().iter();
        (
            ended.code,
            states
                .map(|cell| cell["seal"].as_str().unwrap().to_owned())
                .collect(),
        )
    }
}

#[tokio::test]
async fn a_sealed_cloud_is_valid_and_the_private_key_is_the_owners_alone() {
    let sealed = Sealed::new().await;
    let mode = std::fs::metadata(sealed.path("operator.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        sealed.verify("operator"),
        (Some(0), vec!["valid".to_owned(); 4])
    );
    let listed = sealed.trusting("operator", &["--require-seals", "cells", "list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert_eq!(listed.json()["cells"][1]["seal"], "valid");
}

#[tokio::test]
async fn a_moved_cell_is_refused_and_the_others_are_served() {
    let sealed = Sealed::new().await;
    let other = sealed.text("elsewhere.sqlite");
    std::fs::copy(sealed.cloud.cloud.cells()[2].path(), &other).unwrap();
    let sql = format!(
        "UPDATE cell_mappings SET database_connection = 'sqlite:///{other}' WHERE name = 'cell2'"
    );
    sealed.cloud.change_api(&sql).await;
    assert_eq!(
        sealed.verify("operator").1,
        ["valid", "valid", "invalid", "valid"]
    );
    let listed = sealed.trusting("operator", &["--require-seals", "servers", "list"]);
    assert_eq!(listed.code, Some(1), "{listed:?}");
    let outcomes: Vec<Value> = listed.json()["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| cell["outcome"].clone())
        .collect();
    assert_eq!(
        outcomes,
        [
            json!("answered"),
            json!("answered"),
            json!("rejected"),
            json!("answered")
        ]
    );
}

#[tokio::test]
async fn cells_that_come_and_go_behind_the_operators_back_are_noticed() {
    let sealed = Sealed::new().await;
    sealed
        .cloud
        .change_api("DELETE FROM cell_mappings WHERE name = 'cell3'")
        .await;
    sealed
        .cloud
        .change_api(
            "INSERT INTO cell_mappings (id, uuid, name, transport_url, database_connection, disabled) VALUES \
             (99, '11111111-2222-3333-4444-555555555555', 'new', 'fake:///new', 'sqlite:////nowhere/new', 0)",
        )
        .await;
    assert_eq!(
        sealed.verify("operator").1,
        ["valid", "valid", "valid", "not-sealed", "missing"]
    );
}

#[tokio::test]
async fn sealing_again_shows_the_difference_and_an_older_manifest_is_rolled_back() {
    let sealed = Sealed::new().await;
    let first = std::fs::read(sealed.path("manifest")).unwrap();
    sealed.verify("operator");
    sealed
        .cloud
        .change_api("UPDATE cell_mappings SET transport_url = 'fake:///moved' WHERE name = 'cell1'")
        .await;
    let dry = sealed.seal("operator", &["--dry-run"]).json();
    assert_eq!(
        (&dry["signed"], dry["changed"].as_array().unwrap().len()),
        (&json!(false), 1)
    );
    assert_eq!(std::fs::read(sealed.path("manifest")).unwrap(), first);

    assert_eq!(sealed.seal("operator", &[]).json()["serial"], json!(2));
    assert_eq!(
        sealed.verify("operator"),
        (Some(0), vec!["valid".to_owned(); 4])
    );
    std::fs::write(sealed.path("manifest"), first).unwrap();
    assert_eq!(
        sealed.verify("operator"),
        (Some(3), vec!["rolled-back".to_owned(); 4])
    );
}

#[tokio::test]
async fn a_stranger_can_neither_seal_nor_continue_a_manifest() {
    let sealed = Sealed::new().await;
    sealed.generate("stranger");
    assert_eq!(
        sealed.verify("stranger"),
        (Some(3), vec!["unknown-key".to_owned(); 4])
    );
    let ended = sealed.seal("stranger", &[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("unknown-key"), "{}", ended.stderr);
    std::fs::write(sealed.path("manifest"), "nova-cells manifest 1\n").unwrap();
    assert_eq!(
        sealed.verify("operator"),
        (Some(3), vec!["invalid".to_owned(); 4])
    );
}

#[tokio::test]
async fn a_learned_allow_list_lets_today_pass_and_keeps_a_moved_cell_out() {
    let cloud = TestCloud::usual().await;
    let learned = cloud.run(&["cells", "allow-list"]);
    assert_eq!(learned.code, Some(0), "{learned:?}");
    let path = cloud.folder.path().join("allow.toml");
    std::fs::write(&path, &learned.stdout).unwrap();
    let list = || {
        cloud.run(&[
            "--allow-list",
            path.to_str().unwrap(),
            "--format",
            "json",
            "cells",
            "list",
        ])
    };
    assert_eq!(list().code, Some(0), "{:?}", list());
    cloud
        .change_api(
            "UPDATE cell_mappings SET database_connection = 'mysql://nova:p@evil.example/nova' WHERE name = 'cell2'",
        )
        .await;
    let ended = list();
    assert_eq!(ended.code, Some(1));
    let cells = ended.json()["cells"].clone();
    assert_eq!(cells[2]["problems"].as_array().unwrap().len(), 1, "{cells}");
    assert_eq!(cells[1]["problems"], json!([]));
}

#[tokio::test]
async fn options_of_trust_that_make_no_sense_are_usage_errors() {
    let sealed = Sealed::new().await;
    let check = |words: &[&str], says: &str| {
        let ended = sealed.cloud.run(words);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    };
    let (manifest, key) = (sealed.text("manifest"), sealed.text("operator.pub"));
    check(&["cells", "verify"], "--seals MANIFEST");
    check(&["--seals", &manifest, "cells", "verify"], "--trusted-keys");
    check(&["--require-seals", "cells", "list"], "--seals");
    check(
        &[
            "--seals",
            &manifest,
            "--trusted-keys",
            &manifest,
            "cells",
            "verify",
        ],
        "not a key file",
    );
    check(
        &["--seals", "nope", "--trusted-keys", &key, "cells", "verify"],
        "reading nope",
    );
    check(&["--allow-list", &manifest, "cells", "list"], "manifest");
    check(
        &["keys", "generate", "--out", &sealed.text("operator")],
        "operator.key",
    );
}
