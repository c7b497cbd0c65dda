//! A cloud that is open for listing, and the plain SQL query that every list is compared with.

use std::path::Path;

use cells::{Cells, RevisionKey, SecretText, UrlDefaults};
use connect::{ConnectorOptions, NovaApi, NovaConnector};
use context::{Deadline, Identity, ProjectId, RequestContext, RequestParts, Roles, UserId};
use instances::{DownCells, Page, ServerQuery, Servers, SortBy};
use nova_conformance::{Cloud, CloudBuilder, Rng, ServerSeed};
use scatter::TokioExecutor;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Row};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) cloud: Cloud,
    pub(crate) cells: Cells<NovaConnector>,
    pub(crate) api: NovaApi,
    _folder: TempDir,
}

pub(crate) type Lister<'a> = Servers<'a, NovaConnector, TokioExecutor>;

impl World {
    pub(crate) async fn of(builder: CloudBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cloud = builder.build(folder.path()).await.unwrap();
        let url = SecretText::from(cloud.api_url());
        let api = NovaApi::open(&url, &ConnectorOptions::default()).unwrap();
        let cells = Cells::new(
            api.clone(),
            NovaConnector::default(),
            UrlDefaults::default(),
            RevisionKey::from_bytes(b"test"),
        );
        cells
            .refresh(Deadline::after(Duration::from_secs(10)))
            .await
            .unwrap();
        Self {
            cloud,
            cells,
            api,
            _folder: folder,
        }
    }

    pub(crate) fn servers<'a>(&'a self, ctx: &'a RequestContext) -> Lister<'a> {
        Servers::new(ctx, &self.cells, TokioExecutor::current().unwrap()).api(&self.api)
    }

    /// The ids that one plain query on the union of all cells gives.
    pub(crate) async fn plain(&self, condition: &str, order: &str) -> Vec<Uuid> {
        union(
            self.cloud.cells().iter().map(|cell| cell.path()),
            condition,
            order,
        )
        .await
    }
}

/// Runs one query over several cells' tables put together, `id`s as they are.
pub(crate) async fn union<'a>(
    files: impl Iterator<Item = &'a Path>,
    condition: &str,
    order: &str,
) -> Vec<Uuid> {
    // Not `in_memory`, whose flags the attached files would inherit.
    let options = SqliteConnectOptions::new().filename(":memory:");
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    let mut tables = Vec::new();
    for (at, file) in files.enumerate() {
        let attach = format!("ATTACH ? AS c{at}");
        sqlx::query(AssertSqlSafe(attach))
            .bind(file.to_str())
            .execute(&mut db)
            .await
            .unwrap();
        tables.push(format!("SELECT * FROM c{at}.instances"));
    }
    let from = tables.join(" UNION ALL ");
    let sql = format!("SELECT uuid FROM ({from}) WHERE {condition} ORDER BY {order}");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(&mut db)
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.get::<String, _>(0).parse().unwrap())
        .collect()
}

/// Living and visible, as every list is by default.
pub(crate) const VISIBLE: &str = "deleted = 0 AND (hidden = 0 OR hidden IS NULL)";

/// `ORDER BY` of these keys, `uuid` last.
pub(crate) fn order_by(sort: &[SortBy]) -> String {
    let mut keys: Vec<String> = sort
        .iter()
        .map(|by| format!("{} {}", by.key, by.direction.as_str()))
        .collect();
    if keys.is_empty() {
        keys = vec!["created_at desc".into(), "id desc".into()];
    }
    keys.push("uuid asc".into());
    keys.join(", ")
}

pub(crate) fn admin() -> RequestContext {
    RequestContext::for_background("test", Identity::default(), Roles::admin())
}

pub(crate) fn member(project: Option<&str>, user: Option<&str>) -> RequestContext {
    let mut identity = Identity::default();
    identity.project.id = project.map(|id| ProjectId::parse(id).unwrap());
    identity.user.id = user.map(|id| UserId::parse(id).unwrap());
    RequestContext::for_request(RequestParts {
        identity,
        roles: ["member"].into_iter().collect(),
        ..RequestParts::default()
    })
}

pub(crate) fn ids(page: &Page) -> Vec<Uuid> {
    page.servers.iter().map(|server| server.uuid).collect()
}

pub(crate) fn sorted(keys: &[&str]) -> ServerQuery {
    ServerQuery {
        sort: keys.iter().map(|key| key.parse().unwrap()).collect(),
        ..ServerQuery::default()
    }
}

/// All pages of a list, walked by marker, put together. Every page must be as long as it may.
pub(crate) async fn walk(servers: &Lister<'_>, query: &ServerQuery, size: u32) -> Vec<Uuid> {
    let mut all = Vec::new();
    let mut query = ServerQuery {
        limit: size,
        ..query.clone()
    };
    loop {
        let page = servers.list(&query, DownCells::Fail).await.unwrap();
        all.extend(ids(&page));
        assert!(all.len() < 100_000, "the walk does not end");
        let Some(marker) = page.next_marker else {
            assert!(page.servers.len() < size as usize && !page.cursor.has_next());
            return all;
        };
        query.marker = Some(marker);
    }
}

/// A server in which every sort key ties, is NULL, or differs in case, accent or script only.
pub(crate) fn nasty(rng: &mut Rng, id: i64) -> ServerSeed {
    let uuid = rng.uuid();
    let mut text = |from: &[&str]| match rng.below(4) {
        0 => None,
        _ => rng.pick(from).map(|text| (*text).to_owned()),
    };
    let names = [
        "web", "Web", "WEB", "wéb", "we", "", " web", "web ", "web\t", "w\\b'", "w%b", "😀",
        "Ünit", "ß", "zz",
    ];
    let times = [
        "2026-09-18 04:33:00.000000",
        "2026-09-18 04:33:00.000001",
        "2026-09-18 04:33:00.5",
        "2026-09-18 04:33:00",
        "2025-01-01 00:00:00.000000",
    ];
    let mut seed = ServerSeed {
        created_at: text(&times),
        updated_at: text(&times),
        launched_at: text(&times),
        terminated_at: text(&times),
        user_id: text(&["u1", "u2"]),
        project_id: text(&["p1", "p2"]),
        display_name: text(&names),
        display_description: text(&names),
        hostname: text(&names),
        vm_state: text(&["active", "stopped"]),
        task_state: text(&["rebooting"]),
        host: text(&["h1", "H1", "h2"]),
        node: text(&["h1", "H1", "h2"]),
        availability_zone: text(&["a", "b"]),
        image_ref: text(&names),
        kernel_id: text(&names),
        ramdisk_id: text(&names),
        key_name: text(&names),
        locked_by: text(&["admin", "owner"]),
        root_device_name: text(&["/dev/vda", "/dev/sda"]),
        access_ip_v4: text(&["192.0.2.1", "192.0.2.10"]),
        access_ip_v6: text(&["2001:db8::1", "2001:DB8::1"]),
        config_drive: text(&["", "True"]),
        ..ServerSeed::new(id, uuid)
    };
    let mut number = || {
        i64::try_from(rng.below(4))
            .ok()
            .filter(|number| *number > 0)
    };
    seed.power_state = number();
    seed.instance_type_id = number();
    seed.launch_index = number();
    seed.progress = number();
    seed.locked = number().map(|number| number == 1);
    seed.auto_disk_config = number().map(|number| number == 1);
    seed.hidden = number().map(|number| number == 3);
    if rng.percent(15) {
        seed = seed.deleted_at("2026-10-01 00:00:00.000000");
    }
    seed
}

/// A cloud of nasty servers: cell0 and up to four cells, of which one may be empty.
pub(crate) async fn nasty_world(seed: u64, servers: u64) -> World {
    let mut rng = Rng::new(seed);
    let cells = 1 + usize::try_from(rng.below(5)).unwrap();
    let mut placed = vec![Vec::new(); cells];
    for _ in 0..servers {
        let at = usize::try_from(rng.below(cells as u64)).unwrap();
        let id = 1 + i64::try_from(placed[at].len()).unwrap();
        placed[at].push(nasty(&mut rng, id));
    }
    World::of(CloudBuilder::new().place(placed)).await
}
