//! R6 for this leg: the password in nothing that is said, at any level of the log, whatever breaks and when.

use std::io::Write;
use std::sync::{Arc, Mutex};

use connect::{ConnectorOptions, NovaConnector};
use nova_conformance::PASSWORD;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use crate::{DATABASE, Server, open, stages, within};

/// Everything that is logged, by any crate.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

pub(crate) async fn suite(server: &impl Server) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // Of this thread, which is the whole runtime: other tests of the process go on as they are.
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut said = stages::every_failure(server).await;
    said.push(format!(
        "{:?}",
        NovaConnector::new(ConnectorOptions::default())
    ));

    // A login that is refused is a password, too.
    let wrong = "wrong%2Fcanary";
    let url = server.url(DATABASE);
    let start = url.expose().find("nova:").unwrap() + "nova:".len();
    let end = url.expose().find("@127").unwrap();
    let url = format!("{}{wrong}{}", &url.expose()[..start], &url.expose()[end..]);
    let refused = open(&url.into(), 1);
    let error = refused.ping(within(10_000)).await.unwrap_err();
    said.push(format!(
        "{error} {error:?} {} {:?}",
        error.detail(),
        error.detail()
    ));

    let log = log.0.lock().unwrap();
    let log = String::from_utf8_lossy(&log);
    // The log was on; the drivers say nothing in it, as they were told.
    assert!(log.contains("refuses the mapping's login"), "{log}");
    let url = server.url(DATABASE);
    let encoded = &url.expose()[start..end];
    for text in said.iter().map(String::as_str).chain([&*log]) {
        for canary in [PASSWORD, encoded, wrong, "wrong/canary"] {
            assert!(!text.contains(canary), "{canary} in: {text:.2000}");
        }
    }
}
