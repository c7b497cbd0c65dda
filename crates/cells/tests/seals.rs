//! Seals: each way of tampering is refused with its own state, and what is not tampered with is served.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that breaks should stop the test"
)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nova_cells::{
    CellMapping, ProblemKind, RawCellMapping, RevisionKey, SealChanges, SealCheck, SealKeyring,
    SealManifest, SealMode, SealState, SealingKey, SerialFile, UrlDefaults,
};
use support::{Cloud, id, request, row};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An operator's desk: keys, a manifest, the services' files.
struct Desk {
    folder: TempDir,
    key: SealingKey,
    today: SystemTime,
}

impl Desk {
    fn new() -> Self {
        let today = SystemTime::now();
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
            key: SealingKey::generate(today).unwrap(),
            today,
        };
        desk.trust(&desk.key.trusted().to_text());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn trust(&self, text: &str) {
        fs::write(self.path("trusted"), text).unwrap();
    }

    fn seal(&self, rows: &[RawCellMapping], serial: u64) {
        self.seal_with(&self.key, rows, serial);
    }

    fn seal_with(&self, key: &SealingKey, rows: &[RawCellMapping], serial: u64) {
        let mappings = mappings(rows);
        let expires = self.today + 30 * DAY;
        let manifest = SealManifest::sign(&mappings, serial, self.today, expires, key).unwrap();
        manifest.write(&self.path("manifest")).unwrap();
    }

    fn check(&self, mode: SealMode) -> Arc<SealCheck> {
        let check = SealCheck::new(self.path("manifest"), vec![self.path("trusted")], mode);
        Arc::new(check.remember(SerialFile::at(self.path("serial"))))
    }

    /// A service that starts now.
    fn service(&self, rows: &[RawCellMapping], mode: SealMode) -> Cloud {
        Cloud::with(rows.to_vec(), |options| {
            options.seals = Some(self.check(mode))
        })
    }

    fn states(&self, rows: &[RawCellMapping]) -> Vec<SealState> {
        states(&self.service(rows, SealMode::Report))
    }
}

fn states(cloud: &Cloud) -> Vec<SealState> {
    let snapshot = cloud.cells.snapshot();
    snapshot.seals().iter().map(|(_, state)| *state).collect()
}

fn mappings(rows: &[RawCellMapping]) -> Vec<CellMapping> {
    let key = RevisionKey::from_bytes(b"operator");
    rows.iter()
        .map(|row| CellMapping::parse(row, &UrlDefaults::default(), &key).unwrap())
        .collect()
}

fn rows() -> Vec<RawCellMapping> {
    vec![
        row(0, "mysql://nova:hunter2@db0/nova_cell0"),
        row(1, "mysql://nova:hunter2@db1/nova_cell1"),
        row(2, "mysql://nova:hunter2@db2/nova_cell2"),
    ]
}

#[test]
fn what_was_sealed_is_valid_whatever_its_spelling_name_or_switch() {
    let desk = Desk::new();
    desk.seal(&rows(), 1);
    assert_eq!(desk.states(&rows()), [SealState::Valid; 3]);
    let mut other = rows();
    other[1] = row(1, "mysql+pymysql://nova:hunter%32@DB1:3306/nova_cell1");
    other[2].name = Some("renamed".into());
    other[2].disabled = true;
    assert_eq!(desk.states(&other), [SealState::Valid; 3]);
}

#[test]
fn each_way_of_tampering_is_refused_with_its_own_state_and_the_rest_is_served() {
    let desk = Desk::new();
    desk.seal(&rows(), 1);
    let mut tampered = rows();
    tampered[1] = row(1, "mysql://nova:hunter2@evil/nova_cell1");
    tampered.remove(2);
    tampered.push(row(9, "mysql://nova:hunter2@db9/nova_cell9"));
    let cloud = desk.service(&tampered, SealMode::Require);
    let expected = [
        SealState::Valid,
        SealState::Invalid,
        SealState::NotSealed,
        SealState::Missing,
    ];
    assert_eq!(states(&cloud), expected);
    let snapshot = cloud.cells.snapshot();
    assert_eq!(
        snapshot.choices().len(),
        4,
        "the cell that is gone is accounted for"
    );
    let problems: Vec<_> = snapshot
        .rejected()
        .map(|rejected| rejected.problems().problems()[0].kind.clone())
        .collect();
    let told = |state| ProblemKind::Seal(state);
    assert_eq!(
        problems,
        [
            told(SealState::Invalid),
            told(SealState::NotSealed),
            told(SealState::Missing)
        ]
    );
    assert!(cloud.cells.target(&request(), id(0)).is_ok());
    assert!(cloud.cells.target(&request(), id(1)).is_err());

    let lenient = desk.service(&tampered, SealMode::Report);
    assert_eq!(states(&lenient), expected);
    assert!(lenient.cells.target(&request(), id(1)).is_ok());
}

#[test]
fn a_changed_password_user_bus_or_swapped_cell_is_invalid() {
    let desk = Desk::new();
    desk.seal(&rows(), 1);
    for (n, change) in [
        "mysql://nova:hunter3@db1/nova_cell1",
        "mysql://root:hunter2@db1/nova_cell1",
        "mysql://nova:hunter2@db1:3307/nova_cell1",
        "mysql://nova:hunter2@db1/nova_cell1?ssl_ca=/tmp/evil",
        "postgresql://nova:hunter2@db1:3306/nova_cell1",
    ]
    .iter()
    .enumerate()
    {
        let mut other = rows();
        other[1] = row(1, change);
        assert_eq!(desk.states(&other)[1], SealState::Invalid, "change {n}");
    }
    let mut swapped = rows();
    swapped[1].uuid = rows()[2].uuid.clone();
    swapped[2].uuid = rows()[1].uuid.clone();
    assert_eq!(desk.states(&swapped)[1..], [SealState::Invalid; 2]);
    let mut bus = rows();
    bus[1].transport_url = Some("rabbit://nova:hunter2@evil/".into());
    assert_eq!(desk.states(&bus)[1], SealState::Invalid);
}

#[test]
fn an_unsealed_double_does_not_push_the_sealed_cell_out() {
    let desk = Desk::new();
    desk.seal(&rows(), 1);
    let mut doubled = rows();
    doubled.insert(0, row(7, "mysql://x@db1/nova_cell1"));
    doubled.insert(0, row(1, "mysql://x@evil/nova_cell1"));
    let cloud = desk.service(&doubled, SealMode::Require);
    assert_eq!(cloud.place(1), "mysql://nova:***@db1:3306/nova_cell1");
}

#[test]
fn an_older_manifest_is_refused_after_a_restart_as_well_and_so_is_a_second_one_with_its_number() {
    let desk = Desk::new();
    desk.seal(&rows()[..2], 6);
    let old = fs::read(desk.path("manifest")).unwrap();
    desk.seal(&rows(), 7);
    assert_eq!(desk.states(&rows()), [SealState::Valid; 3]);
    let newest = fs::read(desk.path("manifest")).unwrap();
    fs::write(desk.path("manifest"), &old).unwrap();
    assert_eq!(desk.states(&rows()), [SealState::RolledBack; 3]);
    desk.seal(&rows(), 7);
    assert_eq!(desk.states(&rows()), [SealState::RolledBack; 3]);
    fs::write(desk.path("manifest"), &newest).unwrap();
    assert_eq!(desk.states(&rows()), [SealState::Valid; 3]);
}

#[test]
fn a_running_service_keeps_the_manifest_in_force_when_a_worse_one_appears_but_not_beyond_its_expiry()
 {
    let desk = Desk::new();
    desk.seal(&rows(), 6);
    let old = fs::read(desk.path("manifest")).unwrap();
    desk.seal(&rows(), 7);
    let cloud = desk.service(&rows(), SealMode::Require);
    for (worse, refused) in [
        (old, SealState::RolledBack),
        (b"rubbish".to_vec(), SealState::Invalid),
    ] {
        fs::write(desk.path("manifest"), worse).unwrap();
        cloud.refresh();
        assert_eq!(cloud.cells.snapshot().manifest_refused(), Some(refused));
        assert_eq!(states(&cloud), [SealState::Valid; 3]);
    }
    assert_eq!(
        cloud
            .actions(0)
            .iter()
            .filter(|action| **action == "seal/refuse")
            .count(),
        2
    );
    cloud.clock.advance(31 * DAY);
    cloud.refresh();
    assert_eq!(cloud.cells.snapshot().mappings().count(), 0);
}

#[test]
fn an_expired_manifest_is_refused() {
    let desk = Desk::new();
    desk.seal(&rows(), 1);
    let cloud = desk.service(&rows(), SealMode::Require);
    assert_eq!(cloud.cells.snapshot().mappings().count(), 3);
    cloud.clock.advance(30 * DAY);
    cloud.refresh();
    assert_eq!(states(&cloud), [SealState::Expired; 3]);
    assert_eq!(cloud.cells.snapshot().mappings().count(), 0);
}

#[test]
fn unknown_and_revoked_keys_are_refused_and_two_keys_overlap() {
    let desk = Desk::new();
    let next = SealingKey::generate(desk.today).unwrap();
    desk.seal_with(&next, &rows(), 1);
    assert_eq!(desk.states(&rows()), [SealState::UnknownKey; 3]);
    let both = format!(
        "{}{}",
        *desk.key.trusted().to_text(),
        *next.trusted().to_text()
    );
    desk.trust(&both);
    assert_eq!(desk.states(&rows()), [SealState::Valid; 3]);
    desk.seal(&rows(), 2);
    assert_eq!(desk.states(&rows()), [SealState::Valid; 3]);
    desk.trust(&format!("{both}revoked {}\n", desk.key.id()));
    assert_eq!(desk.states(&rows()), [SealState::UnknownKey; 3]);
    let until = |date| desk.key.trusted().until(date).to_text().to_string();
    desk.trust(&until(desk.today + DAY));
    assert_eq!(desk.states(&rows()), [SealState::Valid; 3]);
    desk.trust(&until(desk.today - DAY));
    assert_eq!(desk.states(&rows()), [SealState::UnknownKey; 3]);
}

#[test]
fn a_revoked_key_takes_a_running_services_manifest_out_of_force() {
    let desk = Desk::new();
    desk.seal(&rows(), 1);
    let cloud = desk.service(&rows(), SealMode::Require);
    let held = cloud.cells.target(&request(), id(1)).unwrap();
    desk.trust(&format!(
        "{}revoked {}\n",
        *desk.key.trusted().to_text(),
        desk.key.id()
    ));
    cloud.refresh();
    assert_eq!(states(&cloud), [SealState::UnknownKey; 3]);
    assert!(held.superseded() && cloud.cells.target(&request(), id(1)).is_err());
}

#[test]
fn every_changed_byte_of_a_manifest_is_noticed() {
    let desk = Desk::new();
    desk.seal(&rows()[..1], 1);
    let good = fs::read(desk.path("manifest")).unwrap();
    let mut ring = SealKeyring::default();
    ring.trust(desk.key.trusted());
    let believed = |bytes: &[u8]| {
        SealManifest::parse(bytes).is_ok_and(|read| ring.check(&read, desk.today).is_ok())
    };
    assert!(believed(&good));
    for at in 0..good.len() {
        for bit in [0x01, 0x20] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            assert!(!believed(&bad), "byte {at}, bit {bit:#x}");
        }
        assert!(!believed(&good[..at]));
    }
    assert!(!believed(&[&good[..], b"\n"].concat()));
}

#[test]
fn the_serial_survives_a_crash_at_any_byte_of_either_copy() {
    let desk = Desk::new();
    desk.seal(&rows(), 7);
    assert_eq!(desk.states(&rows()), [SealState::Valid; 3]);
    let file = SerialFile::at(desk.path("serial"));
    let whole = fs::read(desk.path("serial")).unwrap();
    for copy in ["serial", "serial.2"] {
        for end in 0..whole.len() {
            fs::write(desk.path(copy), &whole[..end]).unwrap();
            assert_eq!(file.last().unwrap(), Some(7), "{copy} cut at {end}");
        }
        fs::remove_file(desk.path(copy)).unwrap();
        assert_eq!(file.last().unwrap(), Some(7));
        fs::write(desk.path(copy), &whole).unwrap();
    }
    for end in 0..whole.len() {
        fs::write(desk.path("serial"), &whole[..end]).unwrap();
        fs::write(desk.path("serial.2"), &whole[..end]).unwrap();
        assert!(
            file.last().is_err(),
            "nothing is believed when both are cut at {end}"
        );
    }
    assert_eq!(desk.states(&rows()), [SealState::RolledBack; 3]);
    fs::remove_file(desk.path("serial")).unwrap();
    fs::remove_file(desk.path("serial.2")).unwrap();
    assert_eq!(desk.states(&rows()), [SealState::Valid; 3]);
}

#[test]
fn a_refused_manifest_does_not_move_the_serial() {
    let desk = Desk::new();
    let stranger = SealingKey::generate(desk.today).unwrap();
    desk.seal_with(&stranger, &rows(), 99);
    assert_eq!(desk.states(&rows()), [SealState::UnknownKey; 3]);
    assert_eq!(SerialFile::at(desk.path("serial")).last().unwrap(), None);
}

#[test]
fn what_sealing_would_change_is_shown_first() {
    let desk = Desk::new();
    desk.seal(&rows(), 1);
    let last = SealManifest::load(&desk.path("manifest")).unwrap();
    let mut other = rows();
    other[1] = row(1, "mysql://nova:new@db1/nova_cell1");
    other.remove(2);
    other.push(row(3, "mysql://nova:x@db3/nova_cell3"));
    let mappings = mappings(&other);
    let none = SealKeyring::default();
    let changes = SealChanges::between(Some(&last), &mappings, &desk.key, &none);
    assert_eq!(changes.added, [id(3)]);
    assert_eq!(changes.removed, [id(2)]);
    assert_eq!(changes.changed, [id(1)]);
    assert_eq!(changes.unchanged, [id(0)]);
    let stranger = SealingKey::generate(desk.today).unwrap();
    let blind = SealChanges::between(Some(&last), &mappings, &stranger, &none);
    assert_eq!(blind.unknown, [id(0), id(1)]);
    assert_eq!(
        SealChanges::between(None, &mappings, &desk.key, &none)
            .added
            .len(),
        3
    );
}

#[test]
fn key_files_are_read_back_kept_from_others_and_never_written_over() {
    let desk = Desk::new();
    let prefix = desk.path("seals");
    desk.key.write(&prefix).unwrap();
    let private = desk.path("seals.key");
    assert_eq!(SealingKey::load(&private).unwrap().id(), desk.key.id());
    let ring = SealKeyring::load(&[desk.path("seals.pub")]).unwrap();
    assert_eq!(ring.trusted().next().unwrap().id(), desk.key.id());
    assert!(
        desk.key.write(&prefix).is_err(),
        "a key is never written over"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name: &str| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("seals.key"), mode("seals.pub")), (0o600, 0o640));
        fs::set_permissions(&private, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(
            SealingKey::load(&private).is_err(),
            "a key that others can read is no key"
        );
    }
    let shown = format!("{:?} {:?} {ring:?}", desk.key, desk.key.trusted());
    let text = desk.key.trusted().to_text();
    let digest_key = text
        .lines()
        .find_map(|line| line.strip_prefix("digest-key "))
        .unwrap();
    assert!(!shown.contains(digest_key));
}

#[test]
fn a_manifest_holds_nothing_of_a_mapping_and_nothing_to_compare_with_the_last() {
    let desk = Desk::new();
    desk.seal(&rows(), 1);
    let first = fs::read_to_string(desk.path("manifest")).unwrap();
    desk.seal(&rows(), 2);
    let second = fs::read_to_string(desk.path("manifest")).unwrap();
    assert!(!first.contains("hunter2") && !first.contains("nova_cell"));
    let digests = |text: &str| -> Vec<String> {
        let cells = text.lines().filter(|line| line.starts_with("cell "));
        cells.map(|line| line[42..].to_owned()).collect()
    };
    assert_eq!(digests(&first).len(), 3);
    assert!(
        digests(&first)
            .iter()
            .all(|digest| !digests(&second).contains(digest))
    );
}
