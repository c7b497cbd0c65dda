//! What servers can be sorted by: every key that Nova's API takes since microversion 2.73, and `id`, which its default
//! order uses.

use std::fmt;
use std::str::FromStr;

/// How the values of a column compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Time,
    /// Text in the order of the database (see [`TextOrder`](crate::TextOrder)).
    Text,
    /// Text of ASCII letters and digits in one case, which every collation orders by its bytes: UUIDs.
    Ascii,
}

macro_rules! sort_keys {
    ($($variant:ident $name:literal $kind:ident;)*) => {
        /// A column that servers can be sorted by. `Display` and `FromStr` use Nova's name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the variants are the columns of Nova's table, by their names")]
        pub enum SortKey {
            $($variant,)*
        }

        impl SortKey {
            /// All keys, by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Nova's name of the key, which is the column's, too.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            pub(crate) fn kind(self) -> Kind {
                match self {
                    $(Self::$variant => Kind::$kind,)*
                }
            }
        }
    };
}

sort_keys! {
    AccessIpV4 "access_ip_v4" Text;
    AccessIpV6 "access_ip_v6" Text;
    AutoDiskConfig "auto_disk_config" Bool;
    AvailabilityZone "availability_zone" Text;
    ConfigDrive "config_drive" Text;
    CreatedAt "created_at" Time;
    DisplayDescription "display_description" Text;
    DisplayName "display_name" Text;
    Host "host" Text;
    Hostname "hostname" Text;
    Id "id" Int;
    ImageRef "image_ref" Text;
    InstanceTypeId "instance_type_id" Int;
    KernelId "kernel_id" Text;
    KeyName "key_name" Text;
    LaunchIndex "launch_index" Int;
    LaunchedAt "launched_at" Time;
    Locked "locked" Bool;
    LockedBy "locked_by" Text;
    Node "node" Text;
    PowerState "power_state" Int;
    Progress "progress" Int;
    ProjectId "project_id" Text;
    RamdiskId "ramdisk_id" Text;
    RootDeviceName "root_device_name" Text;
    TaskState "task_state" Text;
    TerminatedAt "terminated_at" Time;
    UpdatedAt "updated_at" Time;
    UserId "user_id" Text;
    Uuid "uuid" Ascii;
    VmState "vm_state" Text;
}

impl SortKey {
    /// Whether the column may hold NULL. Nova's tables allow it nearly everywhere, `created_at` included.
    pub(crate) fn nullable(self) -> bool {
        !self.unique()
    }

    /// Whether no two rows of one cell share a value.
    pub(crate) fn unique(self) -> bool {
        matches!(self, Self::Id | Self::Uuid)
    }

    /// Whether only administrators may sort by it: where a server runs is none of its owner's business (Nova answers
    /// 403).
    pub(crate) fn admin_only(self) -> bool {
        matches!(self, Self::Host | Self::Node)
    }
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SortKey {
    type Err = InvalidSort;

    fn from_str(text: &str) -> Result<Self, InvalidSort> {
        let found = Self::ALL.iter().find(|key| key.as_str() == text);
        found.copied().ok_or(InvalidSort::UnknownKey)
    }
}

/// Ascending or descending. NULLs count as smaller than every value: first when ascending, last when descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Smallest first.
    #[default]
    Asc,
    /// Largest first.
    Desc,
}

impl Direction {
    /// `asc` or `desc`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
        }
    }

    pub(crate) fn reversed(self) -> Self {
        match self {
            Self::Asc => Self::Desc,
            Self::Desc => Self::Asc,
        }
    }
}

/// One key with its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortBy {
    /// The column.
    pub key: SortKey,
    /// Which way.
    pub direction: Direction,
}

/// A text that names no order. The text is not repeated: it comes from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSort {
    /// No such key.
    #[error("unknown sort key; the keys are {}", names())]
    UnknownKey,
    /// Neither `asc` nor `desc`.
    #[error("a sort direction is `asc` or `desc`")]
    UnknownDirection,
}

fn names() -> String {
    let names: Vec<&str> = SortKey::ALL.iter().map(|key| key.as_str()).collect();
    names.join(", ")
}

impl FromStr for SortBy {
    type Err = InvalidSort;

    /// Reads `key`, `key:asc` or `key:desc`.
    fn from_str(text: &str) -> Result<Self, InvalidSort> {
        let (key, direction) = text.split_once(':').unwrap_or((text, "asc"));
        let key = key.parse()?;
        let direction = match direction {
            "asc" => Direction::Asc,
            "desc" => Direction::Desc,
            _ => return Err(InvalidSort::UnknownDirection),
        };
        Ok(Self { key, direction })
    }
}

impl fmt::Display for SortBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key, self.direction.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_survives_its_name() {
        for key in SortKey::ALL {
            assert_eq!(key.as_str().parse(), Ok(*key));
        }
        assert_eq!(SortKey::ALL.len(), 31);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_lists_the_valid_ones() {
        let error = "memory_mb:asc".parse::<SortBy>().unwrap_err();
        assert!(error.to_string().contains("launched_at, locked, locked_by"));
        assert_eq!(
            "id:down".parse::<SortBy>(),
            Err(InvalidSort::UnknownDirection)
        );
    }
}
