//! Writing one statement: text and bound values side by side. No value ever becomes text.

use sea_orm::{DbBackend, Statement, Value};

use super::dialect::Dialect;

/// A statement that is being written.
#[derive(Debug)]
pub(crate) struct Sql {
    dialect: Dialect,
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(dialect: impl Into<Dialect>) -> Self {
        Self {
            dialect: dialect.into(),
            text: String::with_capacity(512),
            values: Vec::new(),
        }
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.dialect.backend
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Adds fixed text: keywords and names of columns.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a parameter.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        match self.backend() {
            DbBackend::Postgres => {
                let number = self.values.len().to_string();
                self.push("$").push(&number)
            }
            _ => self.push("?"),
        }
    }

    /// Adds `(?, ?, …)`, or `(NULL)`, which equals nothing, for an empty list.
    pub(crate) fn bind_list<V: Into<Value>>(
        &mut self,
        values: impl IntoIterator<Item = V>,
    ) -> &mut Self {
        self.push("(");
        let mut some = false;
        for value in values {
            if some {
                self.push(", ");
            }
            some = true;
            self.bind(value);
        }
        self.push(if some { ")" } else { "NULL)" })
    }

    pub(crate) fn finish(self) -> Statement {
        Statement::from_sql_and_values(self.dialect.backend, self.text, self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_where_the_database_wants_it() {
        for (backend, expected) in [
            (DbBackend::Postgres, "a IN ($1, $2) OR b IN (NULL)"),
            (DbBackend::Sqlite, "a IN (?, ?) OR b IN (NULL)"),
        ] {
            let mut sql = Sql::new(backend);
            sql.push("a IN ").bind_list([1, 2]);
            sql.push(" OR b IN ").bind_list(Vec::<i32>::new());
            assert_eq!(sql.finish().sql, expected);
        }
    }
}
