//! Starting without the API database, and what is wrong with a file is never taken for rows.

mod support;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use context::ProjectId;
use nova_cells::{
    CellError, CellId, ErrorClass, LastGood, ManualClock, MappingSource, ProjectCells,
    ProjectSelectError, RawCellMapping, SelectError,
};
use support::{Cloud, Rows, id, now, row, soon};

fn texts(rows: &[RawCellMapping]) -> Vec<String> {
    let text = |row: &RawCellMapping| {
        let exposed =
            |text: &Option<nova_cells::SecretText>| text.as_ref().map(|t| t.expose().to_owned());
        format!(
            "{} {:?} {:?} {:?} {}",
            row.uuid,
            row.name,
            exposed(&row.database_connection),
            exposed(&row.transport_url),
            row.disabled
        )
    };
    rows.iter().map(text).collect()
}

fn odd_rows() -> Vec<RawCellMapping> {
    let mut odd = row(2, "mysql://u:\"\\\u{1f980}\n@h/d");
    (odd.name, odd.transport_url, odd.disabled) = (None, None, true);
    vec![row(1, "mysql://nova:hunter2@db1/nova"), odd]
}

#[test]
fn the_last_good_rows_are_given_while_the_source_is_down_until_they_are_too_old() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells");
    let (source, clock) = (Rows::of(odd_rows()), ManualClock::default());
    let start = || LastGood::new(source.clone(), &path).clock(Arc::new(clock.clone()));
    let first = start();
    assert_eq!(texts(&now(first.load(soon())).unwrap()), texts(&odd_rows()));
    assert!(first.staleness().since().is_none());

    source.fail(ErrorClass::Unreachable);
    let second = start();
    assert_eq!(
        texts(&now(second.load(soon())).unwrap()),
        texts(&odd_rows())
    );
    assert!(second.staleness().since().is_some());
    clock.advance(Duration::from_secs(7 * 24 * 3600));
    let error = now(second.load(soon())).unwrap_err();
    assert_eq!(
        error.class(),
        ErrorClass::Unreachable,
        "the source's own error is told"
    );

    source.set(vec![]);
    assert!(now(second.load(soon())).unwrap().is_empty());
    assert!(second.staleness().since().is_none());
}

#[test]
fn the_date_is_renewed_while_nothing_changes_and_not_at_every_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells");
    let (source, clock) = (Rows::of(odd_rows()), ManualClock::default());
    let kept = LastGood::new(source, &path).clock(Arc::new(clock.clone()));
    let load = || {
        now(kept.load(soon())).unwrap();
        fs::read(&path).unwrap()
    };
    let first = load();
    clock.advance(Duration::from_secs(3600));
    assert_eq!(load(), first);
    clock.advance(Duration::from_secs(12 * 3600));
    assert_ne!(load(), first);
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells");
    let source = Rows::of(odd_rows());
    now(LastGood::new(source.clone(), &path).load(soon())).unwrap();
    source.fail(ErrorClass::Timeout);
    let whole = fs::read(&path).unwrap();
    let date = whole.iter().position(|b| *b == b'\n').unwrap()..48;
    for at in 0..whole.len() {
        fs::write(&path, &whole[..at]).unwrap();
        assert!(
            now(LastGood::new(source.clone(), &path).load(soon())).is_err(),
            "cut at {at}"
        );
        if !date.contains(&at) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(
                now(LastGood::new(source.clone(), &path).load(soon())).is_err(),
                "changed at {at}"
            );
        }
    }
    fs::write(&path, &whole).unwrap();
    assert!(now(LastGood::new(source.clone(), &path).load(soon())).is_ok());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            now(LastGood::new(source, &path).load(soon())).is_err(),
            "others could have read it"
        );
    }
}

struct Projects(Result<Vec<CellId>, ErrorClass>);

#[async_trait::async_trait]
impl ProjectCells for Projects {
    async fn cells_of(
        &self,
        _: &ProjectId,
        _: context::Deadline,
    ) -> Result<Vec<CellId>, CellError> {
        self.0
            .clone()
            .map_err(|class| CellError::new(class, "told to fail"))
    }
}

#[test]
fn a_projects_cells_come_once_each_in_the_order_of_the_mappings() {
    let cloud = Cloud::new(vec![
        row(3, "sqlite:///3"),
        row(1, "sqlite:///1"),
        row(2, "gopher://"),
    ]);
    let project: ProjectId = "0f3a6c0b7b1c4f5e8d9a0b1c2d3e4f50".parse().unwrap();
    let of = |cells| {
        now(cloud
            .cells
            .select_project(&Projects(cells), &project, soon()))
    };
    let ids = |cells: Vec<CellId>| -> Vec<_> {
        of(Ok(cells))
            .unwrap()
            .iter()
            .map(|choice| choice.label().id().unwrap())
            .collect()
    };
    assert_eq!(ids(vec![id(2), id(1), id(3), id(1)]), [id(3), id(1), id(2)]);
    assert_eq!(ids(vec![]), []);
    let unknown = of(Ok(vec![id(1), id(9)])).unwrap_err();
    assert!(
        matches!(unknown, ProjectSelectError::Select(SelectError::Unknown(ids)) if ids == [id(9)])
    );
    assert!(matches!(
        of(Err(ErrorClass::Timeout)),
        Err(ProjectSelectError::Lookup(_))
    ));
}
