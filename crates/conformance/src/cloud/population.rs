//! The servers of a made-up cloud: plausible, and awkward wherever a listing can go wrong.
//!
//! Ties in every sort key, NULLs where Nova allows them, names that differ only in case, accent or script, about a tenth
//! deleted and a few hidden. Everything follows from the seed; no clock is read.

use time::macros::{datetime, format_description};
use time::{Duration, PrimitiveDateTime};

use super::rng::Rng;
use super::server::ServerSeed;

const NAMES: [&str; 14] = [
    "web",
    "Web",
    "WEB",
    "wéb",
    "db",
    "DB-1",
    "db-1",
    "Ünit",
    "unit",
    "zeta",
    "Zeta",
    "100%_done",
    "😀",
    "worker",
];
const STATES: [(&str, i64); 6] = [
    ("active", 1),
    ("active", 1),
    ("active", 1),
    ("stopped", 4),
    ("error", 4),
    ("shelved_offloaded", 4),
];
const DAYS: u64 = 30;

/// Makes servers from a seed.
#[derive(Debug, Clone)]
pub struct Population {
    rng: Rng,
    projects: u64,
}

impl Population {
    /// Servers of this seed, owned by `projects` projects (at least one).
    #[must_use]
    pub fn new(seed: u64, projects: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            projects: projects.max(1),
        }
    }

    /// The id of the project with this number.
    #[must_use]
    pub fn project(number: u64) -> String {
        format!("{:032x}", 0xabc000 + number)
    }

    /// The next server, in a cell of this name; its row's id is `id`.
    pub fn server(&mut self, id: i64, cell: &str) -> ServerSeed {
        let rng = &mut self.rng;
        let uuid = rng.uuid();
        // Whole minutes of 30 days: a few thousand servers tie often.
        let created = datetime!(2026-09-01 00:00:00) + minutes(rng.below(DAYS * 24 * 60));
        let later = created + minutes(1 + rng.below(600)) + micros(rng.below(1_000_000));
        let (vm_state, power_state) = rng.pick(&STATES).copied().unwrap_or(("active", 1));
        let host = format!("{cell}-compute-{:02}", rng.below(6));
        let placed = cell != "cell0" && !rng.percent(4);
        let project = rng.below(self.projects);
        let seed = ServerSeed {
            created_at: Some(text(created)),
            updated_at: rng.percent(70).then(|| text(later)),
            user_id: Some(format!("{:032x}", 0xdef000 + rng.below(8))),
            project_id: Some(Self::project(project)),
            display_name: name(rng),
            display_description: rng.percent(30).then(|| "made for a test".to_owned()),
            hostname: Some(format!("vm-{id}")),
            vm_state: Some(if cell == "cell0" { "error" } else { vm_state }.to_owned()),
            task_state: rng.percent(5).then(|| "rebooting".to_owned()),
            power_state: Some(if placed { power_state } else { 0 }),
            host: placed.then(|| host.clone()),
            node: placed.then_some(host),
            availability_zone: rng.percent(80).then(|| format!("az-{}", id % 3)),
            instance_type_id: Some(1 + id % 5),
            image_ref: Some(rng.uuid().to_string()),
            key_name: rng.percent(50).then(|| "ops".to_owned()),
            launch_index: Some(0),
            launched_at: (placed && rng.percent(85)).then(|| text(created + minutes(1))),
            locked: Some(rng.percent(3)),
            locked_by: None,
            root_device_name: Some("/dev/vda".to_owned()),
            access_ip_v4: rng
                .percent(40)
                .then(|| format!("192.0.2.{}", rng.below(250))),
            config_drive: Some(if rng.percent(10) { "True" } else { "" }.to_owned()),
            progress: Some(0),
            auto_disk_config: Some(rng.percent(20)),
            memory_mb: Some(2048),
            vcpus: Some(1 + id % 4),
            ..ServerSeed::new(id, uuid)
        };
        match rng.below(100) {
            0..10 => seed.deleted_at(&text(later)),
            10 => ServerSeed {
                hidden: Some(true),
                ..seed
            },
            // Rows from before the column was added.
            11..14 => ServerSeed {
                hidden: None,
                ..seed
            },
            _ => seed,
        }
    }
}

fn name(rng: &mut Rng) -> Option<String> {
    let base = rng.pick(&NAMES)?;
    match rng.below(10) {
        0 => None,
        1..4 => Some((*base).to_owned()),
        _ => Some(format!("{base}-{}", rng.below(40))),
    }
}

fn minutes(count: u64) -> Duration {
    Duration::minutes(i64::try_from(count).unwrap_or(0))
}

fn micros(count: u64) -> Duration {
    Duration::microseconds(i64::try_from(count).unwrap_or(0))
}

/// SQLAlchemy's text for a time: always six digits after the point.
fn text(time: PrimitiveDateTime) -> String {
    let form =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6]");
    time.format(&form).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_servers_every_time() {
        let of = |seed| {
            let mut population = Population::new(seed, 4);
            (1..50)
                .map(|id| population.server(id, "cell1"))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn a_few_hundred_servers_hold_every_awkward_case() {
        let mut population = Population::new(1, 4);
        let servers: Vec<_> = (1..600).map(|id| population.server(id, "cell1")).collect();
        let has = |test: &dyn Fn(&ServerSeed) -> bool| servers.iter().any(test);
        assert!(
            has(&|s| s.deleted != 0)
                && has(&|s| s.hidden == Some(true))
                && has(&|s| s.hidden.is_none())
        );
        assert!(
            has(&|s| s.host.is_none())
                && has(&|s| s.launched_at.is_none())
                && has(&|s| s.display_name.is_none())
        );
        assert!(
            has(&|s| s.display_name.as_deref() == Some("web"))
                && has(&|s| s.display_name.as_deref() == Some("WEB"))
        );
        let mut times: Vec<_> = servers.iter().map(|s| &s.created_at).collect();
        times.sort();
        times.dedup();
        assert!(times.len() < servers.len(), "some tie");
    }
}
