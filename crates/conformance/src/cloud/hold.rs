//! A cell that hangs for real: its database is locked by another connection, as by a runaway maintenance job.

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::builder::CloudCell;
use super::store::{CloudError, open_file};

/// Holds one cell's database: whoever reads it waits. Ends with [`release`](Self::release), or when dropped.
#[derive(Debug)]
#[must_use = "the cell is held only as long as this is kept"]
pub struct HeldCell(SqliteConnection);

impl HeldCell {
    /// Takes SQLite's exclusive lock on the cell's file.
    ///
    /// # Errors
    /// [`CloudError::Database`] where somebody else holds it already.
    pub async fn hold(cell: &CloudCell) -> Result<Self, CloudError> {
        let mut connection = open_file(cell.path()).await?;
        sqlx::raw_sql("BEGIN EXCLUSIVE")
            .execute(&mut connection)
            .await?;
        Ok(Self(connection))
    }

    /// Lets the cell go; it answers again when this returns.
    ///
    /// # Errors
    /// [`CloudError::Database`] where the file went away meanwhile.
    pub async fn release(mut self) -> Result<(), CloudError> {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.0).await?;
        Ok(self.0.close().await?)
    }
}
