//! `layers`: the workspace's crates depend only on what the table allows, and never on what it forbids.
//!
//! The check is a pure function of the table and of the graph that cargo resolved, so that its tests can add the edge
//! that nobody should. Which edges are right is said in `table.rs` and nowhere else.

mod graph;
mod table;

use anyhow::{Result, bail};

use self::graph::{Graph, Kind};
use self::table::{DevEdges, Outside, Row, TABLE};
use crate::ci::Closing;
use crate::project::Project;

/// Checks the real graph against the real table.
pub(crate) fn run(project: &Project) -> Result<Closing> {
    let graph = Graph::read(project)?;
    let problems = check(TABLE, &graph);
    if problems.is_empty() {
        println!(
            "{} workspace crates, {} edges between them",
            graph.members().count(),
            graph
                .members()
                .map(|member| graph.workspace_edges(member).count())
                .sum::<usize>()
        );
        return Ok(Closing::new());
    }
    for problem in &problems {
        println!("{problem}");
    }
    bail!("{} edges break the layers", problems.len())
}

/// Every problem of `graph`, one line each.
fn check(table: &[Row], graph: &Graph) -> Vec<String> {
    let mut problems = Vec::new();
    for member in graph.members() {
        let Some(row) = find(table, member) else {
            problems.push(format!(
                "{member}: not a crate of the layer table; add it to xtask/src/layers/table.rs with the edges it may have"
            ));
            continue;
        };
        for (to, kind) in graph.workspace_edges(member) {
            if !allowed(table, row, to, kind) {
                let what = match kind {
                    Kind::Normal => "depends on",
                    Kind::Dev => "dev-depends on",
                };
                problems.push(format!(
                    "{member}: {what} {to}, which the layer table does not allow"
                ));
            }
        }
        problems.extend(outside(row, graph));
    }
    problems
}

fn allowed(table: &[Row], row: &Row, to: &str, kind: Kind) -> bool {
    if row.may.contains(&to) {
        return true;
    }
    match (kind, row.dev) {
        (Kind::Normal, _) => false,
        (Kind::Dev, DevEdges::Only(listed)) => listed.contains(&to),
        (Kind::Dev, DevEdges::NotUpwards) => !reaches(table, to, row.name),
    }
}

/// Whether the table lets `from` depend on `to`, directly or not: then `from` stands above `to`.
fn reaches(table: &[Row], from: &str, to: &str) -> bool {
    find(table, from).is_some_and(|row| {
        row.may
            .iter()
            .any(|next| *next == to || reaches(table, next, to))
    })
}

fn outside(row: &Row, graph: &Graph) -> Vec<String> {
    match row.outside {
        Outside::Never(banned) => banned
            .iter()
            .filter_map(|name| graph.path(row.name, name))
            .map(|path| {
                format!(
                    "{}: must never have {}: {}",
                    row.name,
                    path.last().map_or("", String::as_str),
                    path.join(" -> ")
                )
            })
            .collect(),
        Outside::Only(listed) => graph
            .direct(row.name)
            .filter(|name| !listed.contains(name) && !graph.is_member(name))
            .map(|name| format!("{}: may not depend on {name}", row.name))
            .collect(),
    }
}

fn find<'a>(table: &'a [Row], name: &str) -> Option<&'a Row> {
    table.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real() -> Graph {
        let project = Project::open().expect("cargo metadata");
        Graph::read(&project).expect("the resolved graph")
    }

    /// The problems of a house with every edge the table allows, after `change`.
    fn after(change: impl FnOnce(&mut Graph)) -> Vec<String> {
        let mut graph = Graph::default();
        for row in TABLE {
            graph.add_member(row.name);
            graph.add(row.name, "anyhow", Kind::Normal);
            for to in row.may {
                graph.add(row.name, to, Kind::Normal);
            }
        }
        change(&mut graph);
        check(TABLE, &graph)
    }

    #[test]
    fn the_workspace_keeps_to_its_layers() {
        assert_eq!(check(TABLE, &real()), Vec::<String>::new());
    }

    #[test]
    fn an_edge_that_the_table_does_not_have_fails() {
        let mut graph = real();
        graph.add("nova-cells", "nova-scatter", Kind::Normal);
        let refused = "nova-cells: depends on nova-scatter, which the layer table does not allow";
        assert!(check(TABLE, &graph).contains(&refused.to_owned()));
    }

    #[test]
    fn every_allowed_edge_is_allowed_and_every_other_is_not() {
        assert_eq!(after(|_| ()), Vec::<String>::new());
        for from in TABLE {
            for to in TABLE.iter().filter(|to| to.name != from.name) {
                let expected: Vec<String> = if from.may.contains(&to.name) {
                    Vec::new()
                } else {
                    vec![format!(
                        "{}: depends on {}, which the layer table does not allow",
                        from.name, to.name
                    )]
                };
                assert_eq!(
                    after(|graph| graph.add(from.name, to.name, Kind::Normal)),
                    expected
                );
            }
        }
    }

    #[test]
    fn tests_may_look_sideways_but_not_up() {
        for (from, to, fine) in [
            ("nova-scatter", "nova-connect", true),
            ("nova-connect", "nova-scatter", true),
            ("nova-tests", "nova-conformance", true),
            ("nova-cells", "nova-conformance", false),
            ("nova-scatter", "nova-instances", false),
            ("nova-conformance", "cellctl", false),
            ("nova-tests", "nova-connect", false),
            ("xtask", "nova-context", false),
        ] {
            let problems = after(|graph| graph.add(from, to, Kind::Dev));
            assert_eq!(problems.is_empty(), fine, "{from} -> {to}: {problems:?}");
        }
    }

    #[test]
    fn a_crate_that_nobody_entered_fails() {
        let problems = after(|graph| graph.add_member("nova-lodger"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("nova-lodger: not a crate of the layer table; add it to"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_forbidden_crate_is_found_however_deep_it_sits() {
        assert_eq!(
            after(|graph| graph.add("nova-cells", "tokio", Kind::Normal)),
            ["nova-cells: must never have tokio: nova-cells -> tokio"]
        );
        let deep = after(|graph| {
            graph.add("nova-scatter", "a-helper", Kind::Normal);
            graph.add("a-helper", "another", Kind::Normal);
            graph.add("another", "sqlx", Kind::Normal);
        });
        assert_eq!(
            deep,
            ["nova-scatter: must never have sqlx: nova-scatter -> a-helper -> another -> sqlx"]
        );
    }

    #[test]
    fn a_forbidden_crate_is_fine_in_tests() {
        assert_eq!(
            after(|graph| graph.add("nova-context", "tokio", Kind::Dev)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_runner_stays_small() {
        assert_eq!(
            after(|graph| graph.add("xtask", "clap", Kind::Normal)),
            ["xtask: may not depend on clap"]
        );
    }
}
