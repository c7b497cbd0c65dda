//! Nova's table `instances`, one row per server, in each cell's database: the columns that are read here.
//!
//! The table has more (nova-facts 4.2); none of them is selected, so wide rows (`user_data`, `key_data`) stay where they
//! are. Text and times are read as each database keeps them, see [`Stamp`](crate::Stamp).

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "instances")]
#[expect(
    missing_docs,
    reason = "the fields are the columns of Nova's table, by their names"
)]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub uuid: String,
    pub display_name: Option<String>,
    pub project_id: Option<String>,
    pub user_id: Option<String>,
    pub vm_state: Option<String>,
    pub host: Option<String>,
    pub created_at: Option<TimeDateTime>,
    pub updated_at: Option<TimeDateTime>,
    pub launched_at: Option<TimeDateTime>,
    /// 0 while the server lives, then its `id`.
    pub deleted: Option<i64>,
}

/// None that are followed here.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
