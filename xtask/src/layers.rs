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

    /// The problems that `change` adds to the real graph's, if it has any.
    fn after(change: impl FnOnce(&mut Graph)) -> Vec<String> {
        let mut graph = real();
        let before = check(TABLE, &graph);
        change(&mut graph);
        let mut problems = check(TABLE, &graph);
        problems.retain(|problem| !before.contains(problem));
        problems
    }

    #[test]
    fn the_workspace_keeps_to_its_layers() {
        assert_eq!(check(TABLE, &real()), Vec::<String>::new());
    }

    #[test]
    fn an_edge_that_the_table_does_not_have_fails() {
        for (from, to) in [
            ("nova-context", "nova-cells"),
            ("nova-cells", "nova-scatter"),
            ("nova-scatter", "nova-connect"),
            ("nova-connect", "nova-scatter"),
            ("nova-instances", "nova-conformance"),
        ] {
            let problems = after(|graph| graph.add(from, to, Kind::Normal));
            assert_eq!(
                problems.first().map(String::as_str),
                Some(
                    format!("{from}: depends on {to}, which the layer table does not allow")
                        .as_str()
                )
            );
        }
    }

    #[test]
    fn nothing_depends_on_the_command_and_the_runner_on_nothing() {
        for (from, to, kind) in [
            ("nova-conformance", "cellctl", Kind::Normal),
            ("nova-tests", "nova-connect", Kind::Normal),
            ("nova-tests", "nova-connect", Kind::Dev),
            ("xtask", "nova-context", Kind::Normal),
            ("xtask", "nova-context", Kind::Dev),
        ] {
            let problems = after(|graph| graph.add(from, to, kind));
            assert_eq!(problems.len(), 1, "{from} -> {to}: {problems:?}");
        }
    }

    #[test]
    fn tests_may_look_sideways_but_not_up() {
        assert_eq!(
            after(|graph| graph.add("nova-scatter", "nova-connect", Kind::Dev)),
            Vec::<String>::new()
        );
        assert_eq!(
            after(|graph| graph.add("nova-tests", "nova-conformance", Kind::Dev)),
            Vec::<String>::new()
        );
        assert_eq!(
            after(|graph| graph.add("nova-cells", "nova-conformance", Kind::Dev)),
            ["nova-cells: dev-depends on nova-conformance, which the layer table does not allow"]
        );
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
        let direct = after(|graph| graph.add("nova-context", "tokio", Kind::Normal));
        assert!(
            direct
                .contains(&"nova-context: must never have tokio: nova-context -> tokio".to_owned()),
            "{direct:?}"
        );
        let deep = after(|graph| {
            graph.add("thiserror", "a-helper", Kind::Normal);
            graph.add("a-helper", "lapin", Kind::Normal);
        });
        assert!(
            deep.contains(
                &"nova-scatter: must never have lapin: nova-scatter -> thiserror -> a-helper -> lapin"
                    .to_owned()
            ),
            "{deep:?}"
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
