//! One consistent view of all mappings, as of one load.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::by_id::{self, ById};
use crate::id::CellId;
use crate::label::CellLabel;
use crate::mapping::{CellMapping, RawCellMapping};
use crate::problem::{Field, InvalidMapping, ProblemKind};
use crate::seal::{SealMode, SealState, Seals};
use crate::selection::{Choice, RejectedMapping, SelectError, Selection};

/// Numbers loads in the order in which they began; 0 is before the first. Numbers of loads that failed are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub(crate) u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All mappings of one load, in the source's order, with the rejected ones in their places.
#[derive(Debug)]
pub struct Snapshot {
    epoch: Epoch,
    choices: Vec<Choice>,
    by_id: ById<usize>,
    seals: Option<SealStates>,
}

/// What the seals say of one load.
#[derive(Debug)]
struct SealStates {
    refused: Option<SealState>,
    cells: Vec<(CellLabel, SealState)>,
}

impl Snapshot {
    /// The view before the first load: no cells.
    pub(crate) fn empty() -> Self {
        Self {
            epoch: Epoch(0),
            choices: Vec::new(),
            by_id: by_id::with_room(0),
            seals: None,
        }
    }

    /// Reads every row and applies the rules between rows. A row that breaks one is rejected; the others stand.
    pub(crate) fn of_rows(
        epoch: Epoch,
        rows: &[RawCellMapping],
        mut read: impl FnMut(&RawCellMapping) -> Result<CellMapping, InvalidMapping>,
        seals: Option<&Seals>,
    ) -> Self {
        let mut seen = Seen::with_room(rows.len());
        let mut by_id = by_id::with_room(rows.len());
        let mut choices = Vec::with_capacity(rows.len());
        let mut states = Vec::new();
        for row in rows {
            let parsed = read(row);
            if let Some(seals) = seals {
                let label = CellLabel::of_row(&row.uuid.to_ascii_lowercase(), row.name.as_deref());
                // A row that is no mapping is not what was sealed, if its cell was.
                let sealed = seals.manifest().zip(label.id());
                let state = match (
                    &parsed,
                    sealed.is_some_and(|(manifest, id)| manifest.has(id)),
                ) {
                    (Ok(mapping), _) => seals.state_of(mapping),
                    (Err(_), true) => SealState::Invalid,
                    (Err(_), false) => seals.refused().unwrap_or(SealState::NotSealed),
                };
                states.push((label, state));
            }
            let state = states.last().map(|(_, state)| *state);
            // Only what passes everything else can be in another row's way.
            let checked = parsed
                .and_then(|mapping| sealed_well(seals, state).map(|()| mapping))
                .and_then(|mapping| seen.check(&mapping).map(|()| mapping));
            choices.push(match checked {
                Ok(mapping) => {
                    by_id.insert(mapping.id(), choices.len());
                    Choice::Cell(mapping)
                }
                Err(problems) => {
                    let label = CellLabel::of_row(&row.uuid, row.name.as_deref());
                    Choice::Rejected(RejectedMapping::new(label, problems))
                }
            });
        }
        if let Some(seals) = seals {
            let here: HashSet<CellId> = states.iter().filter_map(|(label, _)| label.id()).collect();
            for cell in seals.missing(|cell| here.contains(&cell)) {
                let label = CellLabel::of_id(cell);
                if seals.mode() == SealMode::Require {
                    let kind = ProblemKind::Seal(SealState::Missing);
                    let problems = InvalidMapping::one(Field::Row, kind);
                    choices.push(Choice::Rejected(RejectedMapping::new(
                        label.clone(),
                        problems,
                    )));
                }
                states.push((label, SealState::Missing));
            }
        }
        Self {
            epoch,
            choices,
            by_id,
            seals: seals.map(|seals| SealStates {
                refused: seals.refused(),
                cells: states,
            }),
        }
    }

    /// What the seals say, row by row in the source's order, then the cells that are sealed and gone; nothing where no
    /// seals are in use.
    #[must_use]
    pub fn seals(&self) -> &[(CellLabel, SealState)] {
        self.seals.as_ref().map_or(&[], |seals| &seals.cells)
    }

    /// What the seals say of this cell; none where no seals are in use or the cell is neither here nor sealed.
    #[must_use]
    pub fn seal(&self, cell: CellId) -> Option<SealState> {
        let mut seals = self.seals().iter();
        seals
            .find(|(label, _)| label.id() == Some(cell))
            .map(|(_, state)| *state)
    }

    /// Why the manifest on disk was not put in force; none where it was, or where no seals are in use.
    #[must_use]
    pub fn manifest_refused(&self) -> Option<SealState> {
        self.seals.as_ref().and_then(|seals| seals.refused)
    }

    /// Which load this is.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The rows that were refused.
    pub fn rejected(&self) -> impl Iterator<Item = &RejectedMapping> {
        self.choices.iter().filter_map(|choice| match choice {
            Choice::Cell(_) => None,
            Choice::Rejected(rejected) => Some(rejected),
        })
    }

    /// Every row, rejected ones included.
    #[must_use]
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// The valid mappings.
    pub fn mappings(&self) -> impl Iterator<Item = &CellMapping> {
        self.choices.iter().filter_map(|choice| match choice {
            Choice::Cell(mapping) => Some(mapping),
            Choice::Rejected(_) => None,
        })
    }

    /// The valid mapping of this cell.
    #[must_use]
    pub fn mapping(&self, id: CellId) -> Option<&CellMapping> {
        self.by_id.get(&id).and_then(|at| match &self.choices[*at] {
            Choice::Cell(mapping) => Some(mapping),
            Choice::Rejected(_) => None,
        })
    }

    /// The cells a piece of work is for. Rejected rows are part of the answer, so that a report can account for them.
    ///
    /// # Errors
    /// [`SelectError`] where nothing is selected, or ids are unknown or named twice.
    pub fn select(&self, selection: &Selection) -> Result<Vec<Choice>, SelectError> {
        let chosen: Vec<Choice> = match selection {
            Selection::All => self.choices.clone(),
            Selection::WithoutCell0 => {
                self.filtered(|choice| choice.label().id() != Some(CellId::CELL0))
            }
            Selection::Enabled => self
                .filtered(|choice| !matches!(choice, Choice::Cell(mapping) if mapping.disabled())),
            Selection::Only(ids) => self.only(ids)?,
        };
        if chosen.is_empty() {
            Err(SelectError::NoCells)
        } else {
            Ok(chosen)
        }
    }

    fn filtered(&self, keep: impl Fn(&Choice) -> bool) -> Vec<Choice> {
        self.choices
            .iter()
            .filter(|choice| keep(choice))
            .cloned()
            .collect()
    }

    fn only(&self, ids: &[CellId]) -> Result<Vec<Choice>, SelectError> {
        let mut named = HashSet::new();
        if let Some(id) = ids.iter().find(|id| !named.insert(**id)) {
            return Err(SelectError::Twice(*id));
        }
        let find = |id: &CellId| match self.by_id.get(id) {
            Some(at) => Some(self.choices[*at].clone()),
            None => self
                .choices
                .iter()
                .find(|choice| choice.label().id() == Some(*id))
                .cloned(),
        };
        let unknown: Vec<CellId> = ids
            .iter()
            .filter(|id| find(id).is_none())
            .copied()
            .collect();
        if unknown.is_empty() {
            Ok(ids.iter().filter_map(find).collect())
        } else {
            Err(SelectError::Unknown(unknown))
        }
    }
}

fn sealed_well(seals: Option<&Seals>, state: Option<SealState>) -> Result<(), InvalidMapping> {
    match (seals, state) {
        (Some(seals), Some(state)) if !seals.lets_pass(state) => {
            Err(InvalidMapping::one(Field::Row, ProblemKind::Seal(state)))
        }
        _ => Ok(()),
    }
}

/// What earlier rows of the set have taken.
struct Seen {
    ids: ById<()>,
    databases: HashSet<Arc<str>>,
    buses: HashSet<Arc<str>>,
}

impl Seen {
    fn with_room(rows: usize) -> Self {
        Self {
            ids: by_id::with_room(rows),
            databases: HashSet::with_capacity(rows),
            buses: HashSet::with_capacity(rows),
        }
    }

    fn check(&mut self, mapping: &CellMapping) -> Result<(), InvalidMapping> {
        if self.ids.insert(mapping.id(), ()).is_some() {
            return Err(InvalidMapping::one(Field::Row, ProblemKind::DuplicateUuid));
        }
        if !self.databases.insert(mapping.database_identity()) {
            return Err(InvalidMapping::one(
                Field::Database,
                ProblemKind::DuplicateDatabase,
            ));
        }
        let bus = mapping.bus_identity();
        if bus.is_some_and(|bus| !self.buses.insert(bus)) {
            return Err(InvalidMapping::one(
                Field::Transport,
                ProblemKind::DuplicateBus,
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::UrlDefaults;
    use crate::revision::RevisionKey;

    fn row(n: u8, database: &str) -> RawCellMapping {
        RawCellMapping {
            uuid: format!("00000000-0000-0000-0000-0000000000{n:02x}"),
            name: Some(format!("cell{n}")),
            database_connection: Some(database.into()),
            transport_url: Some(if n == 0 {
                "none:///".into()
            } else {
                format!("fake:///c{n}").as_str().into()
            }),
            disabled: n == 2,
        }
    }

    fn snapshot(rows: &[RawCellMapping]) -> Snapshot {
        let key = RevisionKey::from_bytes(b"test");
        let defaults = UrlDefaults::default();
        let read = |row: &RawCellMapping| CellMapping::parse(row, &defaults, &key);
        Snapshot::of_rows(Epoch(1), rows, read, None)
    }

    fn names(choices: &[Choice]) -> Vec<&str> {
        choices
            .iter()
            .filter_map(|choice| choice.label().name())
            .collect()
    }

    #[test]
    fn a_bad_row_is_rejected_in_its_place_and_the_others_stand() {
        let cells = snapshot(&[
            row(0, "sqlite:///0"),
            row(1, "gopher://x"),
            row(2, "sqlite:///2"),
        ]);
        assert_eq!(
            names(&cells.select(&Selection::All).unwrap()),
            ["cell0", "cell1", "cell2"]
        );
        assert!(matches!(cells.choices()[1], Choice::Rejected(_)));
        assert_eq!(cells.mappings().count(), 2);
    }

    #[test]
    fn selections_leave_out_what_they_say() {
        let cells = snapshot(&[
            row(0, "sqlite:///0"),
            row(1, "sqlite:///1"),
            row(2, "sqlite:///2"),
        ]);
        let select = |selection: Selection| cells.select(&selection);
        assert_eq!(
            names(&select(Selection::WithoutCell0).unwrap()),
            ["cell1", "cell2"]
        );
        assert_eq!(
            names(&select(Selection::Enabled).unwrap()),
            ["cell0", "cell1"]
        );
        let two = cells.choices()[2].label().id().unwrap();
        assert_eq!(
            names(&select(Selection::Only(vec![two, CellId::CELL0])).unwrap()),
            ["cell2", "cell0"]
        );
        assert_eq!(
            select(Selection::Only(vec![two, two])).unwrap_err(),
            SelectError::Twice(two)
        );
        let other = CellId::new(uuid::Uuid::from_u128(99));
        assert_eq!(
            select(Selection::Only(vec![other])).unwrap_err(),
            SelectError::Unknown(vec![other])
        );
    }

    #[test]
    fn no_cells_is_an_error_and_not_an_empty_answer() {
        assert_eq!(
            snapshot(&[]).select(&Selection::All).unwrap_err(),
            SelectError::NoCells
        );
    }

    #[test]
    fn rows_that_share_a_uuid_a_database_or_a_bus_are_rejected() {
        let mut same_bus = row(3, "sqlite:///3");
        same_bus.transport_url = Some("fake:///c1".into());
        let rows = [
            row(1, "sqlite:///1"),
            row(1, "sqlite:///9"),
            row(2, "sqlite:///1"),
            same_bus,
        ];
        let kinds: Vec<ProblemKind> = snapshot(&rows)
            .choices()
            .iter()
            .filter_map(|choice| match choice {
                Choice::Rejected(rejected) => Some(rejected.problems().problems()[0].kind.clone()),
                Choice::Cell(_) => None,
            })
            .collect();
        assert_eq!(
            kinds,
            [
                ProblemKind::DuplicateUuid,
                ProblemKind::DuplicateDatabase,
                ProblemKind::DuplicateBus
            ]
        );
    }
}
