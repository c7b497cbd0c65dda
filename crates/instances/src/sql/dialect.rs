//! Where databases differ: how text orders, where NULLs go, what a time, a truth value or an address look like.

use sea_orm::{DbBackend, Value};
use time::PrimitiveDateTime;
use time::macros::datetime;

use crate::order::{Direction, Kind, SortKey, SortValue, Stamp};

use super::writer::Sql;

/// By what text is ordered, so that the order of one cell and the merge of all agree (W-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextOrder {
    /// By the collation of each column where that can be followed (MariaDB and MySQL, whose `WEIGHT_STRING` says what a
    /// text weighs), so that case and accents count as there and indexes serve; by bytes elsewhere. Cells that do not
    /// agree are noticed, and the list is ordered by bytes instead.
    #[default]
    Columns,
    /// By bytes of UTF-8 everywhere: the same on every database, whatever its collations. On MariaDB and MySQL no index
    /// serves such an order.
    Bytes,
}

/// The first day that every database has.
const FIRST_DAY: PrimitiveDateTime = datetime!(0001-01-01 00:00:00);

/// How a sort key compares to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Compared {
    fn sign(self) -> &'static str {
        match self {
            Self::Less => " < ",
            Self::AtMost => " <= ",
            Self::Equal => " = ",
            Self::AtLeast => " >= ",
            Self::More => " > ",
        }
    }
}

/// How one statement is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) backend: DbBackend,
    pub(crate) text: TextOrder,
    /// The text columns order by bytes of themselves: no collation needs to be named, which keeps indexes from serving.
    pub(crate) own_bytes: bool,
}

impl From<DbBackend> for Dialect {
    fn from(backend: DbBackend) -> Self {
        Self {
            backend,
            text: TextOrder::Columns,
            own_bytes: false,
        }
    }
}

impl Dialect {
    /// The column of a sort key, as text where Nova's migrations gave it a type of its own: addresses on PostgreSQL, and
    /// who locked a server on both servers, which would order by its place in the list of possible values.
    pub(super) fn column(self, key: SortKey) -> &'static str {
        match (self.backend, key) {
            (DbBackend::Postgres, SortKey::AccessIpV4) => "host(access_ip_v4)",
            (DbBackend::Postgres, SortKey::AccessIpV6) => "host(access_ip_v6)",
            (DbBackend::Postgres, SortKey::LockedBy) => "CAST(locked_by AS TEXT)",
            // With the column's collation, which a cast would not have.
            (DbBackend::MySql, SortKey::LockedBy) => "CONCAT(locked_by)",
            _ => key.as_str(),
        }
    }

    /// Whether this key's rows bring their weight.
    pub(super) fn is_weighed(self, key: SortKey) -> bool {
        key.kind() == Kind::Text
            && self.backend == DbBackend::MySql
            && self.text == TextOrder::Columns
    }

    /// Whether a collation is named with this key, which its column may have of itself.
    pub(super) fn is_collated(self, key: SortKey) -> bool {
        let is_column = self.column(key) == key.as_str();
        key.kind() == Kind::Text && self.backend == DbBackend::Postgres && is_column
    }

    /// A sort key as it is compared and ordered by.
    fn compared(self, key: SortKey) -> String {
        let column = self.column(key);
        match (key.kind(), self.backend) {
            _ if self.own_bytes && self.is_collated(key) => column.to_owned(),
            (Kind::Text, DbBackend::Postgres) => format!("{column} COLLATE \"C\""),
            (Kind::Text, DbBackend::MySql) if self.text == TextOrder::Bytes => {
                // Not a binary collation, most of which take trailing spaces for nothing.
                format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY)")
            }
            (Kind::Text, DbBackend::Sqlite) => format!("{column} COLLATE BINARY"),
            _ => column.to_owned(),
        }
    }
}

impl Sql {
    /// Adds a sort key as it is compared and ordered by.
    pub(super) fn key(&mut self, key: SortKey) -> &mut Self {
        let compared = self.dialect().compared(key);
        self.push(&compared)
    }

    /// Adds that a sort key compares so to a value. NULL has no place in a comparison and is not given here.
    pub(super) fn compares(&mut self, key: SortKey, how: Compared, value: &SortValue) -> &mut Self {
        if *value == SortValue::Time(Stamp::ZERO) {
            // Servers in their strict modes refuse it as a value, and others than its own have no such day.
            return match how {
                Compared::Less => self.push("1 = 0"),
                Compared::AtMost | Compared::Equal => self.key(key).push(" < ").since(FIRST_DAY),
                Compared::More => self.key(key).push(" >= ").since(FIRST_DAY),
                Compared::AtLeast => self.push("1 = 1"),
            };
        }
        self.key(key).push(how.sign()).sort_value(value)
    }

    fn sort_value(&mut self, value: &SortValue) -> &mut Self {
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
