//! One row of `instances`, as a test wants it written.

use uuid::Uuid;

/// One server. Every column that servers can be sorted or filtered by is here; the rest of Nova's columns stay NULL.
///
/// Times are the text that goes into the file, so that a test can write what no library would: SQLAlchemy's form is
/// `2026-09-18 04:33:00.000000`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of Nova's table, by their names"
)]
pub struct ServerSeed {
    pub id: i64,
    pub uuid: Uuid,
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
    pub deleted_at: Option<String>,
    /// 0 while the server lives, then its `id`.
    pub deleted: i64,
    pub hidden: Option<bool>,
    pub user_id: Option<String>,
    pub project_id: Option<String>,
    pub display_name: Option<String>,
    pub display_description: Option<String>,
    pub hostname: Option<String>,
    pub vm_state: Option<String>,
    pub task_state: Option<String>,
    pub power_state: Option<i64>,
    pub host: Option<String>,
    pub node: Option<String>,
    pub availability_zone: Option<String>,
    pub instance_type_id: Option<i64>,
    pub image_ref: Option<String>,
    pub kernel_id: Option<String>,
    pub ramdisk_id: Option<String>,
    pub key_name: Option<String>,
    pub launch_index: Option<i64>,
    pub launched_at: Option<String>,
    pub terminated_at: Option<String>,
    pub locked: Option<bool>,
    pub locked_by: Option<String>,
    pub root_device_name: Option<String>,
    pub access_ip_v4: Option<String>,
    pub access_ip_v6: Option<String>,
    pub config_drive: Option<String>,
    pub progress: Option<i64>,
    pub auto_disk_config: Option<bool>,
    pub memory_mb: Option<i64>,
    pub vcpus: Option<i64>,
}

impl ServerSeed {
    /// A living server with this id and UUID and nothing else.
    #[must_use]
    pub fn new(id: i64, uuid: Uuid) -> Self {
        Self {
            id,
            uuid,
            hidden: Some(false),
            ..Self::default()
        }
    }

    /// The same server, deleted at this time.
    #[must_use]
    pub fn deleted_at(mut self, when: &str) -> Self {
        self.deleted = self.id;
        self.deleted_at = Some(when.to_owned());
        self.vm_state = Some("deleted".to_owned());
        self
    }

    /// Puts a snowman wherever a text holds a character of more than three bytes: Nova's columns on MariaDB (utf8mb3) do
    /// not hold those.
    pub fn narrow(&mut self) {
        let texts = [
            &mut self.display_name,
            &mut self.display_description,
            &mut self.hostname,
            &mut self.image_ref,
            &mut self.kernel_id,
            &mut self.ramdisk_id,
            &mut self.key_name,
        ];
        for text in texts.into_iter().flatten() {
            *text = text.replace(|c: char| c.len_utf8() > 3, "\u{2603}");
        }
    }
}
