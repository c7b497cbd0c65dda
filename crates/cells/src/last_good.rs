//! The last good rows, kept on disk, so that a service starts while the API database is down.
//!
//! The file holds what the rows hold, passwords included: mode 600, refused where others may use it, and not older than
//! a limit. It is a source like any other: what comes from it passes the allow-list and the seals.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use context::Deadline;
use ring::digest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::clock::{Clock, SystemClock};
use crate::error::CellError;
use crate::files::{self, Readers};
use crate::lines::{Lines, Malformed, date, hex, push_hex, seconds};
use crate::mapping::RawCellMapping;
use crate::secret::SecretText;
use crate::source::MappingSource;

/// A source whose last good answer outlives it.
#[derive(Debug)]
pub struct LastGood<S> {
    source: S,
    path: PathBuf,
    max_age: Duration,
    clock: ClockRef,
    status: Staleness,
    kept: Mutex<Option<Kept>>,
}

/// What is known to be in the file.
#[derive(Debug, Clone, Copy)]
struct Kept {
    sum: [u8; 32],
    written: SystemTime,
}

struct ClockRef(Arc<dyn Clock>);

impl std::fmt::Debug for ClockRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

/// Tells whether the rows in use come from the file; clones tell the same.
#[derive(Debug, Clone, Default)]
pub struct Staleness(Arc<Mutex<Option<SystemTime>>>);

impl Staleness {
    /// When the rows in use were written to the file; none where they come from the source itself.
    #[must_use]
    pub fn since(&self) -> Option<SystemTime> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, since: Option<SystemTime>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// Rows that no source has confirmed for a week say little about where cells are.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
const MAX_FILE: usize = 64 << 20;

impl<S: MappingSource> LastGood<S> {
    /// Keeps this source's answers at this path, in a folder that is there, and gives them for up to a week.
    pub fn new(source: S, path: impl Into<PathBuf>) -> Self {
        Self {
            source,
            path: path.into(),
            max_age: MAX_AGE,
            clock: ClockRef(Arc::new(SystemClock)),
            status: Staleness::default(),
            kept: Mutex::new(None),
        }
    }

    /// The age from which on the file is not used.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// The time.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = ClockRef(clock);
        self
    }

    /// Whether the rows in use come from the file: to be asked after the source is given away.
    #[must_use]
    pub fn staleness(&self) -> Staleness {
        self.status.clone()
    }

    fn keep(&self, rows: &[RawCellMapping]) -> io::Result<()> {
        let body = Body::of(rows)?;
        let now = self.clock.0.wall();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // The date is part of the file, so it is renewed now and then while nothing changes.
        let recent = |kept: &Kept| {
            now.duration_since(kept.written)
                .is_ok_and(|age| age < self.max_age / 16)
        };
        if kept
            .as_ref()
            .is_some_and(|kept| kept.sum == body.sum() && recent(kept))
        {
            return Ok(());
        }
        files::replace(&self.path, &body.to_file(now), Readers::Owner)?;
        *kept = Some(Kept {
            sum: body.sum(),
            written: now,
        });
        Ok(())
    }

    fn recall(&self) -> Result<(Vec<RawCellMapping>, SystemTime), NotRecalled> {
        let bytes = files::read_private(&self.path, MAX_FILE)?;
        let (rows, written) = Body::read(&bytes).map_err(|_| NotRecalled::Damaged)?;
        // A date in the future is a clock that was wrong then or is wrong now: not a reason to start without cells.
        let age = self
            .clock
            .0
            .wall()
            .duration_since(written)
            .unwrap_or_default();
        match age < self.max_age {
            true => Ok((rows, written)),
            false => Err(NotRecalled::TooOld),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum NotRecalled {
    #[error("the last good rows cannot be read")]
    File(#[from] io::Error),
    #[error("the file of the last good rows is damaged")]
    Damaged,
    #[error("the last good rows are too old")]
    TooOld,
}

#[async_trait]
impl<S: MappingSource> MappingSource for LastGood<S> {
    async fn load(&self, deadline: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        let error = match self.source.load(deadline).await {
            Ok(rows) => {
                if let Err(error) = self.keep(&rows) {
                    metrics::counter!("nova_cells_last_good_failures_total").increment(1);
                    tracing::error!(%error, "the last good mappings could not be kept");
                }
                self.status.set(None);
                return Ok(rows);
            }
            Err(error) => error,
        };
        match self.recall() {
            Ok((rows, written)) => {
                let age = self
                    .clock
                    .0
                    .wall()
                    .duration_since(written)
                    .unwrap_or_default();
                tracing::warn!(class = %error.class(), ?age, "the source of the mappings is down: using its last good answer");
                self.status.set(Some(written));
                Ok(rows)
            }
            Err(why) => {
                tracing::warn!(
                    error = &why as &dyn std::error::Error,
                    "no last good mappings"
                );
                Err(error)
            }
        }
    }
}

/// A row as it is written. Reading goes through buffers of the JSON reader that are not wiped where a text has escapes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<T> {
    uuid: T,
    name: Option<T>,
    database_connection: Option<T>,
    transport_url: Option<T>,
    disabled: bool,
}

/// The rows, as JSON.
struct Body(Zeroizing<Vec<u8>>);

impl Body {
    fn of(rows: &[RawCellMapping]) -> io::Result<Self> {
        let rows: Vec<Row<&str>> = rows
            .iter()
            .map(|row| Row {
                uuid: row.uuid.as_str(),
                name: row.name.as_deref(),
                database_connection: row.database_connection.as_ref().map(SecretText::expose),
                transport_url: row.transport_url.as_ref().map(SecretText::expose),
                disabled: row.disabled,
            })
            .collect();
        // Measured first: a buffer that grows leaves what it held behind.
        let mut length = Length(0);
        serde_json::to_writer(&mut length, &rows)?;
        let mut json = Zeroizing::new(Vec::with_capacity(length.0));
        serde_json::to_writer(&mut *json, &rows)?;
        Ok(Self(json))
    }

    fn sum(&self) -> [u8; 32] {
        let mut sum = [0; 32];
        sum.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        sum
    }

    fn to_file(&self, written: SystemTime) -> Zeroizing<Vec<u8>> {
        let mut head = format!(
            "nova-cells last-good 1\nwritten {}\ncheck ",
            seconds(written)
        );
        push_hex(&mut head, &self.sum());
        head.push('\n');
        let mut file = Zeroizing::new(Vec::with_capacity(head.len() + self.0.len()));
        file.extend_from_slice(head.as_bytes());
        file.extend_from_slice(&self.0);
        file
    }

    fn read(bytes: &[u8]) -> Result<(Vec<RawCellMapping>, SystemTime), Malformed> {
        let mut lines = Lines::of(bytes)?;
        lines.exactly("nova-cells last-good 1")?;
        let written = date(lines.value("written")?)?;
        let check = hex::<32>(lines.value("check")?)?;
        let json = &bytes[lines.so_far().len()..];
        if digest::digest(&digest::SHA256, json).as_ref() != check.as_slice() {
            return Err(Malformed);
        }
        let rows: Vec<Row<String>> = serde_json::from_slice(json).map_err(|_| Malformed)?;
        let rows = rows.into_iter().map(|row| RawCellMapping {
            uuid: row.uuid,
            name: row.name,
            database_connection: row.database_connection.map(SecretText::new),
            transport_url: row.transport_url.map(SecretText::new),
            disabled: row.disabled,
        });
        Ok((rows.collect(), written))
    }
}

struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
