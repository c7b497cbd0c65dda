//! By what a cell's database orders the text keys of a list: asked, not guessed from a name.

use cells::{CellError, ErrorClass};
use connect::{DbSession, classify};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use crate::order::{SortKey, SortOrder};

use super::dialect::{Dialect, TextOrder};

/// By what one cell orders the text keys of one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextRule {
    /// By bytes; also where no key is a text.
    Bytes,
    /// By the columns' collations: of each text key, in the order's order.
    Collations(Vec<Collation>),
}

/// The collation of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collation {
    /// Its name there.
    pub(crate) name: String,
    /// What a space weighs, where shorter texts compare as if they were filled up with spaces (PAD SPACE); empty where
    /// they do not.
    pub(crate) pad: Vec<u8>,
}

impl TextRule {
    /// What statements by this rule are written with.
    pub(crate) fn text_order(&self) -> TextOrder {
        match self {
            Self::Bytes => TextOrder::Bytes,
            Self::Collations(_) => TextOrder::Columns,
        }
    }

    pub(super) fn pad(&self, text_key: usize) -> &[u8] {
        match self {
            Self::Bytes => &[],
            Self::Collations(all) => all.get(text_key).map_or(&[], |collation| &collation.pad),
        }
    }
}

/// A cell's rule, and how its statements are written to keep it.
#[derive(Debug, Clone)]
pub(crate) struct CellText {
    pub(crate) rule: TextRule,
    /// Whether the text columns order by bytes of themselves. Only PostgreSQL is asked, which keeps an index in the
    /// column's own collation and does not see that another of the same order is named.
    pub(crate) own_bytes: bool,
}

/// Asks the database by what it orders the text keys of this order. One short statement, and none on SQLite.
///
/// Cancel safety: nothing is changed.
pub(crate) async fn cell_text(
    session: &DbSession,
    order: &SortOrder,
    wanted: TextOrder,
) -> Result<CellText, CellError> {
    let dialect = Dialect {
        text: wanted,
        ..session.get_database_backend().into()
    };
    Ok(CellText {
        rule: text_rule(session, dialect, order).await?,
        own_bytes: own_bytes(session, dialect, order).await?,
    })
}

async fn text_rule(
    session: &DbSession,
    dialect: Dialect,
    order: &SortOrder,
) -> Result<TextRule, CellError> {
    let keys = order.keys().iter().map(|by| by.key);
    let weighed: Vec<SortKey> = keys.filter(|key| dialect.is_weighed(*key)).collect();
    if weighed.is_empty() {
        return Ok(TextRule::Bytes);
    }
    let statement = statement(dialect, &weighed);
    let row = session.query_one_raw(statement).await.map_err(classify)?;
    let row = row.ok_or_else(|| CellError::new(ErrorClass::Decode, "no row of collations"))?;
    let collations = (0..weighed.len()).map(|at| read(&row, at * 3));
    let collations: Result<_, DbErr> = collations.collect();
    Ok(TextRule::Collations(collations.map_err(classify)?))
}

/// Whether all of the order's text columns have the collation of bytes: the database's own, where that is `C`, or their
/// own. Nova's columns have the database's, and devstack makes databases with `C`.
async fn own_bytes(
    session: &DbSession,
    dialect: Dialect,
    order: &SortOrder,
) -> Result<bool, CellError> {
    let keys = order.keys().iter().map(|by| by.key);
    let keys: Vec<SortKey> = keys.filter(|key| dialect.is_collated(*key)).collect();
    if keys.is_empty() {
        return Ok(false);
    }
    let statement = own_collations(&keys);
    let row = session.query_one_raw(statement).await.map_err(classify)?;
    let row = row.ok_or_else(|| CellError::new(ErrorClass::Decode, "no row of collations"))?;
    row.try_get_by_index(0).map_err(classify)
}

/// Who gives a database its collation is a column since PostgreSQL 15; before, it was always the C library.
fn own_collations(keys: &[SortKey]) -> Statement {
    let names: Vec<String> = keys.iter().map(|key| format!("'{key}'")).collect();
    let sql = format!(
        "SELECT COALESCE(bool_and(CASE col_order.collname \
         WHEN 'default' THEN base.datcollate IN ('C', 'POSIX') \
         AND COALESCE(to_jsonb(base) ->> 'datlocprovider', 'c') = 'c' \
         ELSE col_order.collname IN ('C', 'POSIX') AND col_order.collnamespace = 'pg_catalog'::regnamespace \
         END), FALSE) FROM pg_attribute col \
         JOIN pg_collation col_order ON col_order.oid = col.attcollation \
         JOIN pg_database base ON base.datname = current_database() \
         WHERE col.attrelid = 'instances'::regclass AND col.attname IN ({})",
        names.join(", ")
    );
    Statement::from_string(DbBackend::Postgres, sql)
}

/// For each key its collation, what a space weighs there, and whether a space is as good as nothing.
///
/// The outer join gives one row whatever the table holds; a text made with the column has the column's collation.
fn statement(dialect: Dialect, keys: &[SortKey]) -> Statement {
    let mut sql = String::from("SELECT ");
    for (at, key) in keys.iter().enumerate() {
        let column = dialect.column(*key);
        let space = format!("LEFT(CONCAT(' ', COALESCE({column}, '')), 1)");
        if at > 0 {
            sql.push_str(", ");
        }
        sql.push_str(&format!(
            "COLLATION({column}), WEIGHT_STRING({space}), {space} = ''"
        ));
    }
    sql.push_str(" FROM (SELECT 1 AS one) AS always LEFT JOIN instances ON 1 = 0");
    Statement::from_string(DbBackend::MySql, sql)
}

fn read(row: &QueryResult, at: usize) -> Result<Collation, DbErr> {
    let pads: i64 = row.try_get_by_index(at + 2)?;
    Ok(Collation {
        name: row.try_get_by_index(at)?,
        pad: match pads {
            0 => Vec::new(),
            _ => row.try_get_by_index(at + 1)?,
        },
    })
}
