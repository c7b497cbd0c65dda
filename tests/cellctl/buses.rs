//! `cells check` tells the truth about real brokers.

use conformance::{RabbitMq, Redis};
use serde_json::{Value, json};

use crate::cloud::TestCloud;

/// The transports' states and classes of cell1 to cell3, with these URLs.
async fn checked(urls: [&str; 3]) -> Vec<(Value, Value)> {
    let cloud = TestCloud::usual().await;
    for (cell, url) in ["cell1", "cell2", "cell3"].into_iter().zip(urls) {
        let sql = format!("UPDATE cell_mappings SET transport_url = '{url}' WHERE name = '{cell}'");
        cloud.change_api(&sql).await;
    }
    let ended = cloud.run(&[
        "-vv",
        "--timeout",
        "20",
        "--format",
        "json",
        "cells",
        "check",
    ]);
    assert!(!ended.everything().contains("hunter2"), "{ended:?}");
    assert!(!ended.everything().contains("p@ss"), "{ended:?}");
    let document = ended.json();
    let cells = document["cells"].as_array().unwrap().iter().skip(1);
    cells
        .map(|cell| {
            assert_eq!(cell["database"]["state"], "ok");
            let transport = &cell["transport"];
            (
                transport["state"].clone(),
                transport["error"]["class"].clone(),
            )
        })
        .collect()
}

fn down(class: &str) -> (Value, Value) {
    (json!("down"), json!(class))
}

#[tokio::test]
async fn a_check_tells_what_is_wrong_with_a_rabbitmq() {
    let server = RabbitMq::start(&["cell1", "cell2"]).await.unwrap();
    let (right, absent) = (server.url("cell1"), server.url("nonesuch"));
    // No two cells may share a bus, whoever logs in.
    let wrong = format!("rabbit://nova:hunter2@127.0.0.1:{}/cell2", server.port());
    let told = checked([right.expose(), &wrong, absent.expose()]).await;
    assert_eq!(told[0], (json!("ok"), Value::Null));
    assert_eq!(told[1..], [down("authentication"), down("schema")]);
    let told = checked([
        "rabbit://nova:hunter2@127.0.0.1:1/cell1",
        "rabbit://nova:hunter2@nowhere.invalid/",
        &format!("{}?ssl=true", right.expose()),
    ])
    .await;
    assert_eq!(
        told,
        [down("unreachable"), down("unreachable"), down("tls")]
    );
}

#[tokio::test]
async fn a_check_tells_what_is_wrong_with_a_redis() {
    let server = Redis::start().await.unwrap();
    let wrong = format!("redis://nova:hunter2@127.0.0.1:{}/1", server.port());
    let refused = "redis://nova:hunter2@127.0.0.1:1/";
    let told = checked([server.url().expose(), &wrong, refused]).await;
    assert_eq!(told[0], (json!("ok"), Value::Null));
    assert_eq!(told[1..], [down("authentication"), down("unreachable")]);
}
