//! Which columns are read, and where each is found in an answer.

use sea_orm::{DbBackend, DbErr, IdenStatic, QueryResult, TryGetable};

use crate::entity::Column;
use crate::order::{Kind, SortKey, SortOrder, SortValue, Stamp, Weight};
use crate::server::{Row, Server};

use super::collation::TextRule;
use super::dialect::Dialect;

/// What is read of every row; the sort keys that are missing here follow.
const COLUMNS: [Column; 11] = [
    Column::Id,
    Column::Uuid,
    Column::DisplayName,
    Column::ProjectId,
    Column::UserId,
    Column::VmState,
    Column::Host,
    Column::CreatedAt,
    Column::UpdatedAt,
    Column::LaunchedAt,
    Column::Deleted,
];

/// The columns of one query's answer.
#[derive(Debug)]
pub(crate) struct Projection {
    dialect: Dialect,
    items: Vec<String>,
    keys: Vec<Place>,
}

/// Where one sort key is.
#[derive(Debug)]
struct Place {
    key: SortKey,
    at: usize,
    /// Where its weight is, and the how manieth text key it is.
    weight: Option<(usize, usize)>,
}

impl Projection {
    pub(crate) fn of(dialect: Dialect, order: &SortOrder) -> Self {
        let mut items: Vec<String> = COLUMNS
            .iter()
            .map(|column| column.as_str().to_owned())
            .collect();
        let mut keys = Vec::with_capacity(order.keys().len());
        let mut texts = 0;
        for by in order.keys() {
            let name = by.key.as_str();
            let held = items.iter().position(|item| item == name);
            let column = dialect.column(by.key);
            let item = match column == name {
                true => name.to_owned(),
                false => format!("{column} AS {name}"),
            };
            let at = held.unwrap_or_else(|| add(&mut items, item));
            let weight = dialect.is_weighed(by.key).then(|| {
                let item = format!("WEIGHT_STRING({column}) AS weight_{name}");
                (add(&mut items, item), texts)
            });
            texts += usize::from(weight.is_some());
            keys.push(Place {
                key: by.key,
                at,
                weight,
            });
        }
        Self {
            dialect,
            items,
            keys,
        }
    }

    /// What stands between `SELECT` and `FROM`.
    pub(crate) fn items(&self) -> &[String] {
        &self.items
    }

    /// Reads one row of the answer. An error names the row: it costs the cell's whole list, and somebody has to mend it.
    pub(crate) fn row(
        &self,
        order: &SortOrder,
        rule: &TextRule,
        cell: &cells::CellLabel,
        row: &QueryResult,
    ) -> Result<Row, DbErr> {
        self.read(order, rule, cell, row).map_err(|error| {
            let id = self.integer(row, 0).ok().flatten();
            let id = id.map_or_else(|| "?".to_owned(), |id| id.to_string());
            DbErr::Type(format!("the row of instances with id {id}: {error}"))
        })
    }

    fn read(
        &self,
        order: &SortOrder,
        rule: &TextRule,
        cell: &cells::CellLabel,
        row: &QueryResult,
    ) -> Result<Row, DbErr> {
        let text = |at| get::<String>(row, at);
        let uuid: String = row.try_get_by_index(1)?;
        let server = Server {
            uuid: uuid::Uuid::parse_str(&uuid)
                .map_err(|_| DbErr::Type("its uuid is none".into()))?,
            name: text(2)?,
            project_id: text(3)?,
            user_id: text(4)?,
            vm_state: text(5)?,
            host: text(6)?,
            created_at: self.stamp(row, 7)?.and_then(Stamp::time),
            updated_at: self.stamp(row, 8)?.and_then(Stamp::time),
            launched_at: self.stamp(row, 9)?.and_then(Stamp::time),
            deleted: self.integer(row, 10)?.is_some_and(|deleted| deleted != 0),
            cell: cell.clone(),
        };
        let values: Result<Vec<SortValue>, DbErr> = self
            .keys
            .iter()
            .map(|place| self.value(place, rule, row))
            .collect();
        Ok(Row {
            server,
            rank: order.rank(values?),
        })
    }

    fn value(&self, place: &Place, rule: &TextRule, row: &QueryResult) -> Result<SortValue, DbErr> {
        let value = match place.key.kind() {
            Kind::Bool => get(row, place.at)?.map(SortValue::Bool),
            Kind::Int => self.integer(row, place.at)?.map(SortValue::Int),
            Kind::Time => self.stamp(row, place.at)?.map(SortValue::Time),
            Kind::Text | Kind::Ascii => {
                let text: Option<String> = get(row, place.at)?;
                let weight = match place.weight {
                    Some((at, key)) => get::<Vec<u8>>(row, at)?.map(|weight| (weight, key)),
                    None => None,
                };
                text.map(|text| match weight {
                    Some((weight, key)) => SortValue::Weighed {
                        text,
                        weight: Weight::new(weight, rule.pad(key)),
                    },
                    None => SortValue::Text(text),
                })
            }
        };
        Ok(value.unwrap_or(SortValue::Null))
    }

    /// PostgreSQL is strict about the width of what is read; Nova's integers there have 32 bits, `id`s may have 64.
    fn integer(&self, row: &QueryResult, at: usize) -> Result<Option<i64>, DbErr> {
        if self.dialect.backend == DbBackend::Postgres
            && let Ok(number) = get::<i32>(row, at)
        {
            return Ok(number.map(i64::from));
        }
        get(row, at)
    }

    fn stamp(&self, row: &QueryResult, at: usize) -> Result<Option<Stamp>, DbErr> {
        if self.dialect.backend != DbBackend::Sqlite {
            let at_zero = || connect::is_zero_time(row, at).then_some(Stamp::ZERO);
            return Ok(get(row, at)?.map(Stamp::of_time).or_else(at_zero));
        }
        let text: Option<String> = get(row, at)?;
        let parse =
            |text: String| Stamp::parse(&text).map_err(|error| DbErr::Type(error.to_string()));
        text.map(parse).transpose()
    }
}

fn add(items: &mut Vec<String>, item: String) -> usize {
    items.push(item);
    items.len() - 1
}

fn get<T: TryGetable>(row: &QueryResult, at: usize) -> Result<Option<T>, DbErr> {
    row.try_get_by_index(at)
}
