//! The questions that real Nova was asked about a cloud of its own, asked about one made here: sort, limit, marker,
//! project, deleted. The answers come from one plain query over the union, cut as Nova cuts.

use context::{ProjectId, ReadDeleted};
use instances::{DownCells, ServerFilter, ServerQuery};
use nova_conformance::{CloudBuilder, Population};

use crate::support::{World, admin, ids, order_by, sorted};

const HIDDEN: &str = "(hidden = 0 OR hidden IS NULL)";

struct Question<'a> {
    sort: &'a [&'a str],
    limit: u32,
    project: Option<String>,
    deleted: ReadDeleted,
    /// Which row of the whole list is the marker.
    marker: Option<usize>,
}

fn question<'a>(sort: &'a [&'a str], limit: u32) -> Question<'a> {
    Question {
        sort,
        limit,
        project: None,
        deleted: ReadDeleted::No,
        marker: None,
    }
}

#[tokio::test]
async fn every_kind_of_question_has_the_union_s_answer() {
    let world = World::of(CloudBuilder::new().servers(930).seed(3)).await;
    let mut questions = vec![
        question(&[], 50),
        question(&[], 1000),
        question(&["created_at:asc"], 100),
        question(&["display_name:asc"], 200),
        question(&["display_name:desc", "created_at:asc"], 200),
        // Nova cannot sort by what may be NULL (W-20).
        question(&["host:asc"], 50),
        question(&["launched_at:desc"], 50),
        question(&["vm_state:asc", "created_at:desc"], 300),
        question(&["uuid:asc"], 100),
        Question {
            project: Some(Population::project(0)),
            ..question(&[], 50)
        },
        Question {
            deleted: ReadDeleted::Yes,
            ..question(&[], 50)
        },
        Question {
            deleted: ReadDeleted::Only,
            ..question(&[], 20)
        },
    ];
    for (marker, limit) in [(0, 7), (133, 40), (400, 1), (700, 1000)] {
        for sort in [
            &[][..],
            &["display_name:desc"],
            &["host:desc"],
            &["launched_at:asc", "host:desc"],
        ] {
            questions.push(Question {
                marker: Some(marker),
                ..question(sort, limit)
            });
        }
    }
    for question in questions {
        ask(&world, question).await;
    }
}

async fn ask(world: &World, question: Question<'_>) {
    let mut condition = HIDDEN.to_owned();
    condition.push_str(match question.deleted {
        ReadDeleted::No => " AND deleted = 0",
        ReadDeleted::Only => " AND deleted <> 0",
        ReadDeleted::Yes => "",
    });
    if let Some(project) = &question.project {
        condition.push_str(&format!(" AND project_id = '{project}'"));
    }
    let mut query = sorted(question.sort);
    let all = world.plain(&condition, &order_by(&query.sort)).await;
    let start = question.marker.map_or(0, |marker| marker + 1);
    let expected: Vec<_> = all
        .iter()
        .skip(start)
        .take(question.limit as usize)
        .copied()
        .collect();
    query = ServerQuery {
        limit: question.limit,
        marker: question.marker.map(|marker| all[marker]),
        filter: ServerFilter {
            project: question.project.map(|id| ProjectId::parse(&id).unwrap()),
            deleted: Some(question.deleted),
            ..ServerFilter::default()
        },
        ..query
    };
    let ctx = admin();
    let page = world
        .servers(&ctx)
        .list(&query, DownCells::Fail)
        .await
        .unwrap();
    assert_eq!(ids(&page), expected, "{query:?}");
    assert!(!expected.is_empty());
    let is_full = expected.len() == question.limit as usize;
    assert_eq!(
        page.next_marker,
        expected.last().copied().filter(|_| is_full)
    );
}
