//! No password of any leg ever reaches stdout or stderr, at any verbosity, whatever goes wrong.

use conformance::HeldCell;

use crate::cloud::TestCloud;

#[tokio::test]
async fn passwords_are_printed_nowhere() {
    let cloud = TestCloud::usual().await;
    cloud
        .change_api(
            "UPDATE cell_mappings SET transport_url = 'rabbit://nova:canary-1@127.0.0.1:1/cell1' WHERE name = 'cell1'; \
             UPDATE cell_mappings SET database_connection = 'mysql+pymysql://nova:canary-2@127.0.0.1:1/c' WHERE name = 'cell2'; \
             UPDATE cell_mappings SET database_connection = 'mysql://nova:canary-3@h/d?host=canary-4' WHERE name = 'cell3'",
        )
        .await;
    let conf = cloud.folder.path().join("nova.conf");
    let text = format!(
        "[DEFAULT]\ntransport_url = rabbit://nova:canary-5@h/\n[database]\nconnection = mysql://u:canary-6@h/d\n\
         [api_database]\nconnection = {}\n",
        cloud.cloud.api_url()
    );
    std::fs::write(&conf, text).unwrap();
    let conf = conf.to_str().unwrap().to_owned();
    for verbosity in ["--executor=async", "-v", "-vv"] {
        for format in ["table", "json"] {
            for words in [["cells", "list"], ["cells", "check"], ["servers", "list"]] {
                let ended = cloud
                    .cellctl(&[
                        verbosity,
                        "--format",
                        format,
                        "--timeout",
                        "2",
                        "--nova-conf",
                        &conf,
                    ])
                    .args(words)
                    .env("RUST_LOG", "trace")
                    .run();
                assert_eq!(ended.code, Some(1), "{ended:?}");
                assert!(
                    !ended.everything().contains("canary"),
                    "{verbosity} {words:?}: {ended:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_hung_cell_at_full_verbosity_tells_no_secret_either() {
    let cloud = TestCloud::usual().await;
    let _held = HeldCell::hold(&cloud.cloud.cells()[1]).await.unwrap();
    let ended = cloud.run(&["-vv", "--timeout", "0.3", "servers", "list"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("timed_out"));
}
