//! Lists of servers over databases that the real nova-manage made: Nova's own cross-cell listing and ours, page by page,
//! and ours against one query over the union, by every sort key.
//!
//! SQLite orders text by its bytes, as Python does, so Nova's merge is right about it there; MariaDB by its collation, and
//! Nova's merge loses rows (W-20). What Nova cannot answer (a sort key that holds NULL) is asked again after every NULL was
//! given a value.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use cells::{Cells, RevisionKey, SecretText, UrlDefaults};
use conformance::{CloudBuilder, Dialect, MariaDb, Store};
use connect::{ConnectorOptions, NovaApi, NovaConnector};
use context::{
    Deadline, Identity, ProjectId, ReadDeleted, RequestContext, RequestParts, Roles, UserId,
};
use instances::{
    Direction, DownCells, ListError, ServerFilter, ServerQuery, Servers, SortBy, SortKey,
};
use nova_interop::{Answer, Draw as _, Ledger, NovaCloud, Oracle, Peers, Rng};
use scatter::TokioExecutor;
use serde_json::{Value, json};
use uuid::Uuid;

const CELLS: usize = 3;
const SERVERS: u64 = 240;
/// Questions with NULLs in the data, and then without.
const QUESTIONS: usize = 200;

/// One page that both are asked for.
#[derive(Debug, Clone)]
struct Question {
    sort: Vec<SortBy>,
    limit: u32,
    marker: Option<Uuid>,
    deleted: ReadDeleted,
    /// Asked by a member of this project; by an administrator where there is none.
    member_of: Option<String>,
    /// The administrator's filter.
    project: Option<String>,
    uuids: Option<Vec<Uuid>>,
}

impl Question {
    fn draw(rng: &mut Rng, ids: &[Uuid], projects: &[String]) -> Self {
        let keys = rng.one(&[0_usize, 1, 1, 1, 2, 3]);
        let member = rng.percent(20);
        let mut sort: Vec<SortBy> = Vec::new();
        while sort.len() < keys {
            let direction = rng.one(&["asc", "desc"]);
            let key = rng.one(SortKey::ALL);
            let theirs_alone = matches!(key, SortKey::Host | SortKey::Node) && member;
            if !theirs_alone && sort.iter().all(|by| by.key != key) {
                sort.push(
                    format!("{key}:{direction}")
                        .parse()
                        .expect("a key and a direction"),
                );
            }
        }
        let uuids = rng
            .percent(8)
            .then(|| (0..rng.between(1, 40)).map(|_| rng.one(ids)).collect());
        Self {
            sort,
            limit: u32::try_from(rng.one(&[1, 2, 7, 50, 200, 1000])).expect("small"),
            marker: rng.percent(45).then(|| rng.one(ids)),
            deleted: if member {
                ReadDeleted::No
            } else {
                rng.one(&[
                    ReadDeleted::No,
                    ReadDeleted::No,
                    ReadDeleted::Yes,
                    ReadDeleted::Only,
                ])
            },
            member_of: member.then(|| rng.one(projects)),
            project: (!member && rng.percent(25)).then(|| rng.one(projects)),
            uuids,
        }
    }

    fn for_nova(&self) -> Value {
        let sort: Vec<Value> = self
            .sort
            .iter()
            .map(|by| json!([by.key.as_str(), by.direction.as_str()]))
            .collect();
        let mut filters = serde_json::Map::new();
        match self.deleted {
            ReadDeleted::No => drop(filters.insert("deleted".into(), json!(false))),
            ReadDeleted::Only => drop(filters.insert("deleted".into(), json!(true))),
            ReadDeleted::Yes => {}
        }
        if let Some(project) = &self.project {
            filters.insert("project_id".into(), json!(project));
        }
        if let Some(uuids) = &self.uuids {
            filters.insert(
                "uuid".into(),
                json!(uuids.iter().map(Uuid::to_string).collect::<Vec<_>>()),
            );
        }
        json!({
            "ask": "servers.listed", "sort": sort, "limit": self.limit, "marker": self.marker.map(|id| id.to_string()),
            "filters": filters, "project": self.member_of,
        })
    }

    fn for_us(&self) -> ServerQuery {
        ServerQuery {
            filter: ServerFilter {
                project: self
                    .project
                    .as_ref()
                    .map(|id| ProjectId::parse(id).expect("an id")),
                uuids: self.uuids.clone(),
                deleted: Some(self.deleted),
                ..ServerFilter::default()
            },
            sort: self.sort.clone(),
            limit: self.limit,
            marker: self.marker,
        }
    }

    fn context(&self) -> RequestContext {
        let Some(project) = &self.member_of else {
            return RequestContext::for_background("interop", Identity::default(), Roles::admin());
        };
        let user = UserId::parse("somebody").expect("an id");
        RequestContext::for_request(RequestParts {
            identity: Identity::of_project(user, ProjectId::parse(project).expect("an id")),
            roles: ["member"].into_iter().collect(),
            ..RequestParts::default()
        })
    }
}

/// Nova's cloud, filled with made-up servers, and the union of its cells.
struct World {
    oracle: Oracle,
    cells: Cells<NovaConnector>,
    api: NovaApi,
    stores: Vec<Store>,
    union: Store,
    ids: Vec<Uuid>,
    projects: Vec<String>,
    _cloud: NovaCloud,
}

impl World {
    async fn new(peers: &Peers, cloud: NovaCloud, union: &SecretText) -> Self {
        let oracle = Oracle::with_config(peers, Some(&cloud.config()));
        let folder = tempfile::tempdir().expect("a folder");
        let made = CloudBuilder::new().seed(7).cells(CELLS).servers(SERVERS);
        let made = made.build(folder.path()).await.expect("a made-up cloud");
        let servers = made.cells().iter().map(|cell| cell.servers().to_vec());
        let (stores, all) = cloud.fill(servers.collect()).await;
        let mut union = Store::open(union).await.expect("a database");
        union.create_union().await.expect("an empty one");
        union.refill(&all).await.expect("the same rows");
        let api = NovaApi::open(
            &cloud.urls()[0].as_str().into(),
            &ConnectorOptions::default(),
        )
        .expect("nova_api");
        let cells = Cells::new(
            api.clone(),
            NovaConnector::default(),
            UrlDefaults::default(),
            RevisionKey::from_bytes(b"interop"),
        );
        cells
            .refresh(Deadline::after(Duration::from_secs(10)))
            .await
            .expect("nova-manage's mappings");
        let mut projects: Vec<String> = all
            .iter()
            .filter_map(|server| server.project_id.clone())
            .collect();
        projects.sort();
        projects.dedup();
        Self {
            oracle,
            cells,
            api,
            stores,
            union,
            ids: all.iter().map(|server| server.uuid).collect(),
            projects,
            _cloud: cloud,
        }
    }

    /// Gives every sort key that holds NULL a value.
    async fn without_nulls(&mut self) {
        let text = values();
        for store in self.stores.iter_mut().chain([&mut self.union]) {
            for (column, value) in &text {
                let sql = format!("UPDATE instances SET {column} = {value} WHERE {column} IS NULL");
                store.run(&sql).await.expect("a value");
            }
        }
    }

    /// Our whole list by this key, page by page, and the union's.
    async fn whole(&mut self, by: SortBy) -> (Vec<Uuid>, Vec<Uuid>) {
        let key = match (self.union.dialect(), by.key) {
            // An enumeration orders by its values' numbers.
            (Dialect::MariaDb, SortKey::LockedBy) => "CONCAT(locked_by)".to_owned(),
            _ => by.key.to_string(),
        };
        let sql = format!(
            "SELECT uuid FROM instances WHERE deleted = 0 AND (hidden = FALSE OR hidden IS NULL) \
             ORDER BY {key} {}, uuid ASC",
            by.direction.as_str()
        );
        let union = self.union.uuids(&sql).await.expect("a list");
        let ctx = RequestContext::for_background("interop", Identity::default(), Roles::admin());
        let servers = Servers::new(
            &ctx,
            &self.cells,
            TokioExecutor::current().expect("a runtime"),
        );
        let servers = servers.api(&self.api);
        let mut query = ServerQuery {
            sort: vec![by],
            limit: 50,
            ..ServerQuery::default()
        };
        let mut listed = Vec::new();
        loop {
            let page = servers.list(&query, DownCells::Fail).await.expect("a page");
            listed.extend(page.servers.iter().map(|server| server.uuid));
            assert!(listed.len() <= self.ids.len(), "the walk does not end");
            match page.next_marker {
                Some(marker) => query.marker = Some(marker),
                None => return (listed, union),
            }
        }
    }

    async fn ours(&self, question: &Question) -> Result<Vec<Uuid>, ListError> {
        let ctx = question.context();
        let executor = TokioExecutor::current().expect("a runtime");
        let servers = Servers::new(&ctx, &self.cells, executor).api(&self.api);
        let page = servers.list(&question.for_us(), DownCells::Fail).await?;
        Ok(page.servers.iter().map(|server| server.uuid).collect())
    }
}

fn theirs(answer: Answer) -> Result<Vec<Uuid>, String> {
    match answer {
        Answer::Ok(list) => {
            let ids = list.as_array().expect("a list").iter();
            Ok(ids
                .map(|id| id.as_str().and_then(|id| id.parse().ok()).expect("an id"))
                .collect())
        }
        Answer::Raised { class, text } => Err(format!("{class}: {text}")),
    }
}

/// The ways in which two pages differ; one that nobody expects is named with both.
fn differing(
    question: &Question,
    ours: &Result<Vec<Uuid>, ListError>,
    theirs: &Result<Vec<Uuid>, String>,
    nulls: bool,
    dialect: Dialect,
) -> Vec<String> {
    let name = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) if theirs == ours => return Vec::new(),
        (Err(ListError::MarkerNotFound(_)), _) if question.member_of.is_some() => {
            "Nova takes a marker that the caller may not see"
        }
        (Ok(_), Err(text)) if nulls && text.starts_with("TypeError: '<' not supported") => {
            "Nova cannot sort by a key that holds NULL"
        }
        (Ok(_), Err(text)) if nulls && text.starts_with("TypeError: int() argument") => {
            "Nova cannot go on after a marker whose flag is NULL"
        }
        (Ok(_), Ok(_)) if nulls && !question.sort.is_empty() && question.marker.is_some() => {
            "Nova loses rows after a marker whose sort keys hold NULL"
        }
        (Ok(_), Ok(_)) if question.uuids.is_some() && question.marker.is_some() => {
            "Nova begins anew after a marker with an id filter"
        }
        (Ok(_), Ok(_)) if dialect == Dialect::MariaDb && question.sort.iter().any(is_text) => {
            "Nova merges in Python's order what the database orders by its collation"
        }
        (ours, theirs) => return vec![format!("we list {ours:?}, Nova {theirs:?}")],
    };
    vec![name.to_owned()]
}

fn is_text(by: &SortBy) -> bool {
    !matches!(
        by.key,
        SortKey::CreatedAt
            | SortKey::UpdatedAt
            | SortKey::LaunchedAt
            | SortKey::TerminatedAt
            | SortKey::AutoDiskConfig
            | SortKey::Locked
            | SortKey::PowerState
            | SortKey::Progress
            | SortKey::LaunchIndex
            | SortKey::InstanceTypeId
            | SortKey::Id
            | SortKey::Uuid
    )
}

/// A value for every NULL of every column that servers can be sorted by.
fn values() -> Vec<(&'static str, &'static str)> {
    let of = |key: &SortKey| match key {
        SortKey::AutoDiskConfig | SortKey::Locked => "FALSE",
        SortKey::PowerState
        | SortKey::Progress
        | SortKey::LaunchIndex
        | SortKey::InstanceTypeId => "3",
        SortKey::AccessIpV4 => "'192.0.2.7'",
        SortKey::AccessIpV6 => "'2001:db8::7'",
        SortKey::LockedBy => "'owner'",
        key if is_text(&SortBy {
            key: *key,
            direction: Direction::Asc,
        }) =>
        {
            "'m'"
        }
        _ => "'2026-09-05 00:00:00.000000'",
    };
    let nullable = SortKey::ALL
        .iter()
        .filter(|key| !matches!(key, SortKey::Id | SortKey::Uuid));
    nullable.map(|key| (key.as_str(), of(key))).collect()
}

/// Asks both the same, with NULLs in the data and then without.
async fn compare(peers: &Peers, domain: &'static str, mut world: World) {
    let mut ledger = Ledger::open(domain);
    let mut rng = Rng::new(0x5e4e_4a11);
    for nulls in [true, false] {
        if !nulls {
            world.without_nulls().await;
        }
        for key in SortKey::ALL {
            for direction in [Direction::Asc, Direction::Desc] {
                let (listed, union) = world
                    .whole(SortBy {
                        key: *key,
                        direction,
                    })
                    .await;
                assert_eq!(listed, union, "{key} {direction:?}, NULLs: {nulls}");
            }
        }
        let questions: Vec<Question> = (0..QUESTIONS)
            .map(|_| Question::draw(&mut rng, &world.ids, &world.projects))
            .collect();
        let asked: Vec<Value> = questions.iter().map(Question::for_nova).collect();
        let answers = world.oracle.ask_all(&asked);
        let mut rows = 0;
        for (question, answer) in questions.iter().zip(answers) {
            let theirs = theirs(answer);
            rows += theirs.as_ref().map_or(0, Vec::len);
            let ours = world.ours(question).await;
            let differences = differing(question, &ours, &theirs, nulls, world.union.dialect());
            ledger.enter(differences, || format!("{question:?}"));
        }
        assert!(rows > QUESTIONS * 10, "only {rows} rows were listed");
    }
    ledger.close(peers, 2 * QUESTIONS);
}

/// Every column and index of a database, one a line, the table's name first.
async fn described(store: &mut Store) -> Vec<String> {
    let (columns, indexes) = match store.dialect() {
        Dialect::Sqlite => (
            "SELECT t.name || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk \
             FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'",
            "SELECT t.name || ' ' || CASE i.origin WHEN 'c' THEN i.name ELSE '' END || ' ' || i.\"unique\" || ' ' \
             || (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) \
             FROM sqlite_master t JOIN pragma_index_list(t.name) i WHERE t.type = 'table'",
        ),
        _ => (
            "SELECT CONCAT_WS(' ', table_name, column_name, column_type, is_nullable, collation_name, extra) \
             FROM information_schema.columns WHERE table_schema = DATABASE()",
            "SELECT CONCAT_WS(' ', table_name, index_name, non_unique, \
             GROUP_CONCAT(column_name ORDER BY seq_in_index)) FROM information_schema.statistics \
             WHERE table_schema = DATABASE() GROUP BY table_name, index_name, non_unique",
        ),
    };
    let mut lines = store.texts(columns).await.expect("columns");
    lines.extend(store.texts(indexes).await.expect("indexes"));
    lines.sort();
    lines
}

/// Our own clouds have the tables that nova-manage makes, as far as they have them.
async fn compare_tables(ours: &mut Store, theirs: &str) {
    let ours = described(ours).await;
    let mut theirs = Store::open(&theirs.into()).await.expect("nova-manage's");
    let mut theirs = described(&mut theirs).await;
    let table = |line: &String| line.split(' ').next().map(str::to_owned);
    let tables: std::collections::BTreeSet<_> = ours.iter().filter_map(table).collect();
    theirs.retain(|line| table(line).is_some_and(|name| tables.contains(&name)));
    assert!(!tables.is_empty());
    assert_eq!(ours, theirs);
}

/// An API database and a cell of our own, at these URLs, beside nova-manage's.
async fn compare_clouds(api: &SecretText, cell: &SecretText, cloud: &NovaCloud) {
    let mut ours = Store::open(api).await.expect("an API database");
    ours.create_api().await.expect("its tables");
    compare_tables(&mut ours, &cloud.urls()[0]).await;
    let mut ours = Store::open(cell).await.expect("a cell");
    ours.create_cell().await.expect("its tables");
    compare_tables(&mut ours, &cloud.urls()[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_on_sqlite_are_novas_pages() {
    let peers = Peers::here();
    let folder = tempfile::tempdir().expect("a folder");
    let union = format!("sqlite:///{}/union.sqlite", folder.path().display());
    let cloud = NovaCloud::create(&peers, CELLS);
    let ours =
        |name: &str| SecretText::new(format!("sqlite:///{}/{name}", folder.path().display()));
    compare_clouds(&ours("api"), &ours("cell"), &cloud).await;
    let world = World::new(&peers, cloud, &SecretText::new(union)).await;
    compare(&peers, "servers-sqlite", world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_on_mariadb_are_novas_pages_where_nova_is_right() {
    let peers = Peers::here();
    let names = [
        "nova_api",
        "nova_cell0",
        "nova_cell1",
        "nova_cell2",
        "nova_cell3",
    ];
    let databases = [&names[..], &["nova_union", "our_api", "our_cell"]].concat();
    let server = MariaDb::start(&databases).await.expect("MariaDB");
    let urls = names
        .iter()
        .map(|name| server.url(name).expose().to_owned());
    let cloud = NovaCloud::create_on(&peers, urls.collect());
    compare_clouds(&server.url("our_api"), &server.url("our_cell"), &cloud).await;
    let world = World::new(&peers, cloud, &server.url("nova_union")).await;
    compare(&peers, "servers-mariadb", world).await;
}
