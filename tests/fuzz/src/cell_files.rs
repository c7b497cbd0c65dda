//! What the cells crate reads from disk and from the bus: allow-lists, keys, manifests, state files, invalidations.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use cells::{
    AllowList, CellError, CellMapping, ErrorClass, GatePolicy, InvalidationGate, InvalidationKey,
    LastGood, MappingSource, RawCellMapping, RevisionKey, SealKeyring, SealManifest, SealingKey,
    SerialFile, StaticSource, SystemClock, UrlDefaults, Verdict,
};
use context::Deadline;
use ring::{digest, hmac};
use tempfile::TempDir;

use crate::text::{check_debug, check_error, text};

fn mapping() -> &'static Option<CellMapping> {
    static MAPPING: OnceLock<Option<CellMapping>> = OnceLock::new();
    MAPPING.get_or_init(|| {
        let raw = RawCellMapping {
            uuid: "6d5bd30e-147b-44db-9ceb-1a392e756c36".into(),
            name: None,
            database_connection: Some("mysql://u:p@db1.example.org/nova_cell1".into()),
            transport_url: Some("rabbit://u:p@mq1.example.org:5672/v".into()),
            disabled: false,
        };
        CellMapping::parse(
            &raw,
            &UrlDefaults::default(),
            &RevisionKey::from_bytes(b"k"),
        )
        .ok()
    })
}

pub(crate) fn allow_list(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match AllowList::parse(text) {
        Ok(list) => {
            check_debug(&list, text.len());
            let again = AllowList::parse(text).map(|list| format!("{list:?}"));
            assert_eq!(again, Ok(format!("{list:?}")), "one text has one meaning");
            let Some(mapping) = mapping() else {
                panic!("the mapping is good")
            };
            if let Err(error) = list.check(mapping) {
                check_error(&error, 64);
            }
        }
        Err(error) => check_error(&error, text.len()),
    }
}

/// Signing keys, trusted keys, manifests, invalidation keys: lines of `word value`, and one spelling of each.
pub(crate) fn seal_files(data: &[u8]) {
    match SealManifest::parse(data) {
        Ok(manifest) => {
            assert_eq!(
                manifest.to_text().as_bytes(),
                data,
                "one manifest has one text"
            );
            assert!(manifest.cells().all(|cell| manifest.has(cell)));
            check_debug(&manifest, data.len());
            let nobody = SealKeyring::default();
            assert!(nobody.check(&manifest, SystemTime::now()).is_err());
        }
        Err(error) => check_error(&error, 0),
    }
    let mut ring = SealKeyring::default();
    match ring.add_file(data) {
        Ok(()) => {
            let written: Vec<String> = ring
                .trusted()
                .map(|key| key.to_text().to_string())
                .collect();
            let mut again = SealKeyring::default();
            assert!(again.add_file(written.concat().as_bytes()).is_ok());
            assert_eq!(again.trusted().count(), written.len());
        }
        Err(error) => {
            check_error(&error, 64);
            assert!(ring.is_empty(), "a file is taken whole or not at all");
        }
    }
    if let Ok(key) = SealingKey::parse(data) {
        assert_eq!(key.trusted().id(), key.id());
        check_debug(&key, 0);
    }
    if let Ok(key) = InvalidationKey::parse(data) {
        check_debug(&key, 0);
    }
}

const KEY: &str = "nova-cells invalidation key 1\nkey ";

/// The key of the bytes 7, so that good messages can be written.
fn invalidation_key() -> InvalidationKey {
    let text = format!("{KEY}{}\n", "07".repeat(32));
    match InvalidationKey::parse(text.as_bytes()) {
        Ok(key) => key,
        Err(error) => panic!("{error}"),
    }
}

/// As they come, and with a good signature put behind them.
pub(crate) fn invalidation(data: &[u8]) {
    let gate = || {
        let clock = Arc::new(SystemClock);
        InvalidationGate::new(invalidation_key(), GatePolicy::default(), clock)
    };
    let verdict = gate().judge(data);
    assert!(matches!(verdict, Verdict::Malformed | Verdict::Forged));
    let Some(text) = text(data) else { return };
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut message = text.replace("NOW", &seconds.to_string());
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]),
        message.as_bytes(),
    );
    message.push_str(&format!("mac {}\n", hex(tag.as_ref())));
    let gate = gate();
    match gate.judge(message.as_bytes()) {
        Verdict::Forged => panic!("the signature is good"),
        Verdict::Accepted(_) | Verdict::AfterGap(_) => {
            let again = gate.judge(message.as_bytes());
            assert!(
                matches!(again, Verdict::Replayed),
                "{again:?} the second time"
            );
        }
        _ => {}
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    match made {
        Ok(folder) => folder,
        Err(error) => panic!("no folder for the file under test: {error}"),
    }
}

fn write(path: &Path, bytes: &[u8]) {
    if let Err(error) = std::fs::write(path, bytes) {
        panic!("the file under test cannot be written: {error}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let owner = std::fs::Permissions::from_mode(0o600);
        if let Err(error) = std::fs::set_permissions(path, owner) {
            panic!("the file under test cannot be made private: {error}");
        }
    }
}

fn digest_of(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// As it comes, and with a good check sum.
pub(crate) fn serial_file(data: &[u8]) {
    let folder = folder();
    let path = folder.path().join("serial");
    let summed = [data, format!("check {}\n", digest_of(data)).as_bytes()].concat();
    for bytes in [data, &summed] {
        write(&path, bytes);
        let file = SerialFile::at(&path);
        match file.last() {
            Ok(serial) => {
                assert!(serial.is_some(), "the file is there");
                assert_eq!(file.last().ok(), Some(serial));
            }
            Err(error) => check_error(&error, 256),
        }
    }
}

/// A source that is down.
struct Down;

#[async_trait]
impl MappingSource for Down {
    async fn load(&self, _: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        Err(CellError::new(ErrorClass::Unreachable, "nobody is there"))
    }
}

/// The file's content as it comes, and behind a good heading.
pub(crate) fn last_good(data: &[u8]) {
    let folder = folder();
    let path = folder.path().join("last-good");
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let sum = digest_of(data);
    let heading = format!("nova-cells last-good 1\nwritten {seconds}\ncheck {sum}\n");
    let whole = [heading.as_bytes(), data].concat();
    for bytes in [data, &whole] {
        write(&path, bytes);
        let Ok(rows) = at_once(LastGood::new(Down, &path).load(soon())) else {
            continue;
        };
        assert!(rows.len() <= bytes.len(), "a row has bytes of its own");
        // Kept again, they are the same.
        let kept = at_once(LastGood::new(StaticSource::new(rows.clone()), &path).load(soon()));
        let recalled = at_once(LastGood::new(Down, &path).load(soon()));
        let plain = |rows: &[RawCellMapping]| {
            let secret = |text: &Option<cells::SecretText>| {
                text.as_ref().map(|text| text.expose().to_owned())
            };
            let row = |row: &RawCellMapping| {
                let urls = (secret(&row.database_connection), secret(&row.transport_url));
                (row.uuid.clone(), row.name.clone(), urls, row.disabled)
            };
            rows.iter().map(row).collect::<Vec<_>>()
        };
        assert_eq!(kept.ok().as_deref().map(plain), Some(plain(&rows)));
        assert_eq!(recalled.ok().as_deref().map(plain), Some(plain(&rows)));
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// Nothing here waits for anything.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}
