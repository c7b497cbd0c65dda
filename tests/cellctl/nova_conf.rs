//! A host's nova.conf, folders of them and the environment, as oslo.config reads them: where the cloud is, and how connections
//! are made on this host.

use std::path::Path;

use conformance::{MariaDb, RabbitMq, ServerTls};
use nova_tests::{Cellctl, Ended};
use serde_json::{Value, json};

use crate::cloud::{NAMES, RealCloud, TestCloud};

/// The command with a nova.conf of this text.
fn with_conf(folder: &Path, text: &str, words: &[&str]) -> Cellctl {
    std::fs::write(folder.join("nova.conf"), text).unwrap();
    Cellctl::new(["--nova-conf", "nova.conf", "--format", "json"])
        .args(words)
        .in_folder(folder)
        .env("XDG_STATE_HOME", folder.join("state"))
}

fn transport(ended: &Ended, cell: usize) -> (Value, Value) {
    let document = ended.json();
    let transport = &document["cells"][cell]["transport"];
    (
        transport["state"].clone(),
        transport["error"]["class"].clone(),
    )
}

#[tokio::test]
async fn a_host_that_speaks_tls_with_its_servers_does_so_with_those_of_cells() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tls = ServerTls::issued(folder, &["127.0.0.1"]).unwrap();
    let broker = RabbitMq::start_with(&[], Some(tls.clone())).await.unwrap();
    let server = MariaDb::start_with(&NAMES, Some(tls)).await.unwrap();
    let cloud = RealCloud::of_mariadb(server).await;
    let sql = format!(
        "UPDATE cell_mappings SET transport_url = '{}' WHERE name = 'cell1'",
        broker.url("/").expose()
    );
    cloud.change(0, &sql).await;

    let ca = folder.join("ca.pem").display().to_string();
    let plain = format!("[api_database]\nconnection = {}\n", cloud.urls[0]);
    let secured = format!(
        "{plain}connection_parameters = ssl_ca={ca}\n\
         [database]\nconnection_parameters = ssl_ca={ca}&ssl_verify_cert=1\n\
         [oslo_messaging_rabbit]\nssl = True\nssl_version =\nssl_ca_file = {ca}\n"
    );
    let ciphers = |ended: &Ended| -> Vec<bool> {
        let document = ended.json();
        let rows = document["rows"].as_array().unwrap().iter();
        rows.map(|row| row["Value"] != json!("")).collect()
    };
    let cipher = ["query", "--sql", "SHOW STATUS LIKE 'Ssl_cipher'"];
    let ended = with_conf(folder, &plain, &cipher).run();
    assert_eq!(ciphers(&ended), [false; 3], "{ended:?}");
    let ended = with_conf(folder, &secured, &cipher).run();
    assert_eq!(ciphers(&ended), [true; 3], "{ended:?}");

    let check = ["--timeout", "20", "cells", "check"];
    let ended = with_conf(folder, &plain, &check).run();
    assert_eq!(transport(&ended, 1).0, json!("down"), "{ended:?}");
    let ended = with_conf(folder, &secured, &check).run();
    assert_eq!(
        transport(&ended, 1),
        (json!("ok"), Value::Null),
        "{ended:?}"
    );
    // The environment says otherwise, and so does a URL.
    let ended = with_conf(folder, &secured, &check).env("OS_OSLO_MESSAGING_RABBIT__SSL", "no");
    assert_eq!(transport(&ended.run(), 1).0, json!("down"));
    let sql = "UPDATE cell_mappings SET transport_url = CONCAT(transport_url, '?ssl=0') WHERE name = 'cell1'";
    cloud.change(0, sql).await;
    let ended = with_conf(folder, &secured, &check).run();
    assert_eq!(transport(&ended, 1).0, json!("down"), "{ended:?}");
}

#[tokio::test]
async fn several_files_a_folder_and_the_environment_are_one_configuration() {
    let cloud = TestCloud::usual().await;
    let folder = cloud.folder.path().join("conf.d");
    std::fs::create_dir(&folder).unwrap();
    let write = |name: &str, connection: &str| {
        let text = format!("[api_database]\nconnection = {connection}\n");
        std::fs::write(folder.join(name), text).unwrap();
    };
    write("10-first.conf", "sqlite:///nope.sqlite");
    write("20-second.conf", cloud.cloud.api_url());
    write("30-third.conf.rpmsave", "sqlite:///nope.sqlite");
    let run = |paths: &[&str]| {
        let paths = paths.iter().flat_map(|path| ["--nova-conf", path]);
        Cellctl::new(["--format", "json", "cells", "list"])
            .args(paths)
            .in_folder(cloud.folder.path())
            .env("XDG_STATE_HOME", cloud.folder.path().join("state"))
    };
    assert_eq!(run(&["conf.d"]).run().code, Some(0));
    assert_eq!(run(&["conf.d", "conf.d/10-first.conf"]).run().code, Some(3));
    let variable = "OS_API_DATABASE__CONNECTION";
    let first = "conf.d/10-first.conf";
    let ended = run(&[first]).env(variable, cloud.cloud.api_url()).run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        run(&[]).env(variable, cloud.cloud.api_url()).run().code,
        Some(0)
    );
    let ended = run(&["conf.d"])
        .env(variable, "sqlite:///nope.sqlite")
        .run();
    assert_eq!(ended.code, Some(3), "{ended:?}");
}

#[test]
fn what_is_wrong_with_the_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let api = "[api_database]\nconnection = sqlite:///api.sqlite\n";
    for (text, says) in [
        (
            "[oslo_messaging_rabbit]\nssl = ture\n",
            "[oslo_messaging_rabbit]: malformed value of option `ssl`",
        ),
        (
            "[oslo_messaging_rabbit]\nssl_version = SSLv3\n",
            "[oslo_messaging_rabbit]: malformed value of option `ssl_version`",
        ),
        (
            "connection_parameters = mode=rwc\n",
            "URL is malformed: option `mode` could redirect",
        ),
    ] {
        let ended = with_conf(folder.path(), &format!("{api}{text}"), &["cells", "list"]).run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(says), "{ended:?}");
    }
    let nobody = Cellctl::new(["--api-db", "postgresql://h/nova_api", "cells", "list"]).run();
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.stderr.contains("no user to log in as"), "{nobody:?}");
}
