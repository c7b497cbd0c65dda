//! nova.conf, by the reader of the operator's command: borrowed as a file, because a command has no library.

use crate::text::{check_error, text};

#[path = "../../../crates/cellctl/src/oslo_conf.rs"]
mod oslo_conf;

use oslo_conf::OsloConf;

const ASKED: &[(&str, &str)] = &[
    ("api_database", "connection"),
    ("database", "connection"),
    ("database", "connection_parameters"),
    ("oslo_messaging_rabbit", "ssl"),
    ("DEFAULT", "transport_url"),
];

pub(crate) fn run(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let mut conf = OsloConf::default();
    if let Err(error) = conf.merge(text) {
        return check_error(&error, text.len());
    }
    let values = |conf: &OsloConf| {
        ASKED
            .iter()
            .map(|(section, option)| {
                conf.get(section, option)
                    .map(|value| value.map(|value| value.expose().to_owned()))
            })
            .collect::<Vec<_>>()
    };
    let first = values(&conf);
    for value in &first {
        match value {
            Ok(Some(value)) => {
                assert!(!value.is_empty());
                // References may repeat what is written once.
                assert!(value.len() <= text.len().max(oslo_conf::MAX_BYTES));
            }
            Ok(None) => {}
            Err(error) => check_error(error, text.len()),
        }
    }
    // The same file given twice says the same.
    assert_eq!(conf.merge(text), Ok(()));
    assert_eq!(values(&conf), first);
    // The environment wins, and is read as the file is.
    let variable = ("OS_DATABASE__CONNECTION".into(), text.into());
    conf.take_environment([variable]);
    match conf.get("database", "connection") {
        Ok(value) => assert!(value.is_none_or(|value| !value.expose().is_empty())),
        Err(error) => check_error(&error, text.len()),
    }
}
