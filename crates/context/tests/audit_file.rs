//! The chained audit file: appended to, reopened, tampered with.
#![cfg(feature = "audit-file")]

use std::fs;
use std::io::BufReader;
use std::path::Path;

use nova_context::{
    AuditEvent, AuditOutcome, AuditSink, ChainFault, ChainHead, FileAudit, OpenFileAuditError,
    verify_chain,
};

fn append(file: &FileAudit, reasons: &[&str]) {
    for reason in reasons {
        let event = AuditEvent::new("cell/target", AuditOutcome::Success).reason(*reason);
        assert!(file.record(&event).is_ok());
    }
}

fn verify(path: &Path) -> Result<ChainHead, ChainFault> {
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{error}"));
    verify_chain(BufReader::new(file))
}

fn tampered(change: impl Fn(&str) -> String) -> Result<ChainHead, ChainFault> {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let path = folder.path().join("audit.jsonl");
    if let Ok(file) = FileAudit::open(&path) {
        append(&file, &["one", "two", "three"]);
    }
    let text = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text.lines().count(), 3);
    assert!(fs::write(&path, change(&text)).is_ok());
    verify(&path)
}

#[test]
fn a_file_is_continued_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let first = FileAudit::open(&path).unwrap();
    append(&first, &["one", "a \"quoted\"\nline"]);
    assert!(matches!(
        FileAudit::open(&path),
        Err(OpenFileAuditError::InUse)
    ));
    drop(first);
    let second = FileAudit::open(&path).unwrap();
    append(&second, &["three"]);
    let head = verify(&path).unwrap();
    assert_eq!((head.lines, &head), (3, &second.head()));
}

#[test]
fn events_are_cadf() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    append(&FileAudit::open(&path).unwrap(), &["why"]);
    let line: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let event = &line["event"];
    assert_eq!(
        event["typeURI"],
        "http://schemas.dmtf.org/cloud/audit/1.0/event"
    );
    assert_eq!(
        (&event["action"], &event["outcome"]),
        (&"cell/target".into(), &"success".into())
    );
    assert_eq!(event["reason"]["reasonCode"], "why");
}

#[test]
fn every_kind_of_tampering_is_found() {
    assert!(tampered(str::to_owned).is_ok());
    let changed = tampered(|text| text.replacen("two", "owt", 1));
    assert!(matches!(changed, Err(ChainFault::Changed { line: 2 })));
    let dropped = tampered(|text| {
        text.lines()
            .skip(1)
            .map(|line| format!("{line}\n"))
            .collect()
    });
    assert!(matches!(dropped, Err(ChainFault::Broken { line: 1 })));
    let swapped = tampered(|text| text.lines().rev().map(|line| format!("{line}\n")).collect());
    assert!(matches!(swapped, Err(ChainFault::Broken { line: 1 })));
    let cut = tampered(|text| text[..text.len() - 9].to_owned());
    assert!(matches!(cut, Err(ChainFault::Malformed { line: 3 })));
    let added = tampered(|text| format!("{text}{{}}\n"));
    assert!(matches!(added, Err(ChainFault::Malformed { line: 4 })));
}

#[test]
fn a_broken_file_is_not_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    fs::write(&path, "not a chain\n").unwrap();
    assert!(matches!(
        FileAudit::open(&path),
        Err(OpenFileAuditError::Chain(_))
    ));
}
