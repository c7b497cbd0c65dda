//! Targeting: legs per revision, both or none, opened once, and never another cell's.

mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use nova_cells::{ErrorClass, TargetError};
use support::{Cloud, id, request, row};

#[test]
fn legs_are_opened_once_and_kept_while_the_mapping_stays() {
    let cloud = Cloud::new(vec![row(1, "sqlite:///one")]);
    for _ in 0..3 {
        cloud.refresh();
        assert_eq!(cloud.place(1), "sqlite:///one");
    }
    assert_eq!(cloud.counts.opened(), 1);
}

#[test]
fn a_changed_mapping_opens_anew_and_holders_keep_what_they_hold() {
    let cloud = Cloud::new(vec![row(1, "sqlite:///one")]);
    let held = cloud.cells.target(&request(), id(1)).unwrap();
    assert!(!held.superseded() && held.drain_deadline().is_none());
    cloud.rows.set(vec![row(1, "sqlite:///two")]);
    cloud.refresh();
    let fresh = cloud.cells.target(&request(), id(1)).unwrap();
    assert_eq!(held.database().place, "sqlite:///one");
    assert_eq!(fresh.database().place, "sqlite:///two");
    assert_ne!(held.revision(), fresh.revision());
    assert!(held.superseded() && held.drain_deadline().is_some() && !fresh.superseded());
}

#[test]
fn a_renamed_or_disabled_cell_is_targeted_under_its_new_mapping() {
    let cloud = Cloud::new(vec![row(1, "sqlite:///one")]);
    let held = cloud.cells.target(&request(), id(1)).unwrap();
    let mut renamed = row(1, "sqlite:///one");
    renamed.name = Some("other".into());
    renamed.disabled = true;
    cloud.rows.set(vec![renamed]);
    cloud.refresh();
    let fresh = cloud.cells.target(&request(), id(1)).unwrap();
    assert_eq!(fresh.label().name(), Some("other"));
    assert!(fresh.mapping().disabled() && held.superseded());
    assert_eq!(held.revision(), fresh.revision());
}

#[test]
fn a_removed_cell_cannot_be_targeted_any_more() {
    let cloud = Cloud::new(vec![row(1, "sqlite:///one")]);
    cloud.rows.set(vec![]);
    cloud.refresh();
    let gone = cloud.cells.target(&request(), id(1)).unwrap_err();
    assert!(matches!(gone, TargetError::Unknown(cell) if cell == id(1)));
}

#[test]
fn a_cell_without_a_bus_says_so_whatever_was_targeted_before() {
    let cloud = Cloud::new(vec![row(0, "sqlite:///zero"), row(1, "sqlite:///one")]);
    let one = cloud.cells.target(&request(), id(1)).unwrap();
    let zero = cloud.cells.target(one.request(), id(0)).unwrap();
    assert_eq!(
        zero.messaging().map(|_| ()).unwrap_err().to_string(),
        "the cell has no message bus"
    );
    assert_eq!(
        one.messaging().unwrap().place,
        "rabbit://nova:***@mq1:5672//"
    );
}

#[test]
fn both_legs_are_opened_or_none() {
    let cloud = Cloud::new(vec![row(1, "sqlite:///one")]);
    cloud.counts.bus_failing.store(1, SeqCst);
    assert!(cloud.cells.target(&request(), id(1)).is_err());
    assert_eq!(
        cloud.counts.alive(),
        0,
        "the database leg did not stay behind"
    );
    cloud.clock.advance(Duration::from_secs(1));
    assert_eq!(cloud.place(1), "sqlite:///one");
    assert_eq!(cloud.counts.alive(), 2);
}

#[test]
fn a_thousand_waiters_share_one_failed_opening() {
    let cloud = Arc::new(Cloud::new(vec![row(1, "sqlite:///one")]));
    cloud.counts.failing.store(u64::MAX, SeqCst);
    let all = Arc::new(Barrier::new(1000));
    let threads: Vec<_> = (0..1000)
        .map(|_| {
            let (cloud, all) = (Arc::clone(&cloud), Arc::clone(&all));
            thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn(move || {
                    all.wait();
                    match cloud.cells.target(&request(), id(1)).unwrap_err() {
                        TargetError::Open { source, .. } => source.class(),
                        other => panic!("an opening error was expected, got {other}"),
                    }
                })
                .unwrap()
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), ErrorClass::Configuration);
    }
    assert_eq!(cloud.counts.opened(), 1);
}

#[test]
fn a_failure_is_tried_again_after_a_wait_that_doubles_up_to_its_limit() {
    let cloud = Cloud::new(vec![row(1, "sqlite:///one")]);
    cloud.counts.failing.store(9, SeqCst);
    let mut waits = Vec::new();
    assert!(cloud.cells.target(&request(), id(1)).is_err());
    for opened in 1..=9 {
        let mut waited = 0;
        while cloud.counts.opened() == opened {
            cloud.clock.advance(Duration::from_millis(100));
            waited += 100;
            assert_eq!(
                cloud.cells.target(&request(), id(1)).is_ok(),
                cloud.counts.opened() == 10
            );
        }
        waits.push(waited);
    }
    assert_eq!(
        waits,
        [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
    );
}

#[test]
fn a_connector_that_panics_fails_and_leaves_the_others_alone() {
    use nova_cells::{
        CellConnector, CellError, CellMapping, Cells, RevisionKey, StaticSource, UrlDefaults,
    };

    struct Panicking;
    impl CellConnector for Panicking {
        type Database = ();
        type Messaging = ();
        fn open_database(&self, mapping: &CellMapping) -> Result<(), CellError> {
            assert!(mapping.id() != id(1), "boom");
            Ok(())
        }
        fn open_messaging(&self, _: &CellMapping) -> Result<(), CellError> {
            Ok(())
        }
    }
    let rows = vec![row(1, "sqlite:///one"), row(2, "sqlite:///two")];
    let key = RevisionKey::from_bytes(b"test");
    let cells = Cells::new(
        StaticSource::new(rows),
        Panicking,
        UrlDefaults::default(),
        key,
    );
    support::now(cells.refresh(support::soon())).unwrap();
    for _ in 0..2 {
        let failed = cells.target(&request(), id(1)).unwrap_err();
        assert!(
            matches!(&failed, TargetError::Open { source, .. } if source.class() == ErrorClass::Panicked)
        );
    }
    assert!(cells.target(&request(), id(2)).is_ok());
}
