//! Where databases differ: how text orders, where NULLs go, what a time and a truth value look like.

use sea_orm::{DbBackend, Value};
use time::PrimitiveDateTime;

use crate::order::{Direction, Kind, SortKey, SortValue, Stamp};

use super::writer::Sql;

/// By what rule a cell's database orders text, so that the order of one cell and the merge of all agree (W-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextOrder {
    /// Bytes, said explicitly: `COLLATE BINARY`. SQLite.
    Binary,
    /// Bytes, said explicitly: `COLLATE "C"`. PostgreSQL.
    C,
    /// The column's own collation, so that its indexes serve; each row brings its weight (`WEIGHT_STRING`), which is
    /// what the merge compares. MariaDB and MySQL.
    ColumnWeight,
}

impl TextOrder {
    /// The rule of this kind of database.
    #[must_use]
    pub fn of(backend: DbBackend) -> Self {
        match backend {
            DbBackend::Postgres => Self::C,
            DbBackend::MySql => Self::ColumnWeight,
            _ => Self::Binary,
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Binary => " COLLATE BINARY",
            Self::C => " COLLATE \"C\"",
            Self::ColumnWeight => "",
        }
    }
}

impl Sql {
    /// Adds a sort key as it is compared and ordered by.
    pub(super) fn key(&mut self, key: SortKey) -> &mut Self {
        self.push(key.as_str());
        match key.kind() {
            Kind::Text | Kind::Ascii => self.push(TextOrder::of(self.backend()).suffix()),
            Kind::Bool | Kind::Int | Kind::Time => self,
        }
    }

    /// Adds a sort value as a parameter. NULL has no place in a comparison and is not given here.
    pub(super) fn sort_value(&mut self, value: &SortValue) -> &mut Self {
        match value {
            SortValue::Null => self.push("NULL"),
            SortValue::Bool(truth) => self.bind(*truth),
            SortValue::Int(number) => self.bind(*number),
            SortValue::Time(stamp) => self.stamp(*stamp),
            SortValue::Text(text) | SortValue::Weighed { text, .. } => self.bind(text.as_str()),
        }
    }

    fn stamp(&mut self, stamp: Stamp) -> &mut Self {
        match self.backend() {
            DbBackend::Sqlite => self.bind(stamp.to_string()),
            _ => self.bind(Value::from(stamp.time())),
        }
    }

    /// Adds the lower bound of `at this time or later`.
    pub(super) fn since(&mut self, at: PrimitiveDateTime) -> &mut Self {
        self.stamp(Stamp::earliest(at))
    }

    /// Adds where NULLs go, for databases whose own rule is not *NULL is smallest*. SQLite and MariaDB have that rule, and
    /// an explicit one would keep MariaDB from using an index.
    pub(super) fn nulls(&mut self, key: SortKey, direction: Direction) -> &mut Self {
        if !key.nullable() || self.backend() != DbBackend::Postgres {
            return self;
        }
        match direction {
            Direction::Asc => self.push(" NULLS FIRST"),
            Direction::Desc => self.push(" NULLS LAST"),
        }
    }

    /// Adds *is false* as this database writes it.
    pub(crate) fn falsehood(&mut self) -> &mut Self {
        match self.backend() {
            DbBackend::Postgres => self.push("FALSE"),
            _ => self.push("0"),
        }
    }
}
