//! The dependency graph as cargo resolved it, reduced to names and edges.
//!
//! With all features of the workspace's own crates on, and for every platform: an edge that only some build has is an
//! edge. Features of third-party crates are those of the whole workspace, so a path may be reported that a crate built
//! alone would not have; never the other way round. Versions are forgotten: a ban is about the crate, not the version.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::project::{Project, items, text};

/// Crates by name; two versions of a crate are one.
#[derive(Default)]
pub(super) struct Graph {
    members: BTreeSet<String>,
    edges: BTreeMap<String, BTreeSet<(String, Kind)>>,
}

/// What an edge is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A normal or a build dependency: what users of the crate get.
    Normal,
    /// A dev-dependency: what its own tests get.
    Dev,
}

impl Graph {
    /// The real one.
    pub(super) fn read(project: &Project) -> Result<Self> {
        let text = project
            .cargo("metadata --format-version 1 --all-features --locked")
            .read()?;
        let metadata = serde_json::from_str(&text).context("`cargo metadata` is not JSON")?;
        Self::parse(&metadata)
    }

    /// Reads `cargo metadata`'s document: declared edges of the workspace's crates, resolved ones of all.
    fn parse(metadata: &Value) -> Result<Self> {
        let names: BTreeMap<&str, &str> = items(&metadata["packages"])
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let name = |id: &Value| {
            names
                .get(text(id))
                .copied()
                .with_context(|| format!("`cargo metadata` knows no package {id}"))
        };
        let mut graph = Self::default();
        for id in items(&metadata["workspace_members"]) {
            graph.members.insert(name(id)?.to_owned());
        }
        for node in items(&metadata["resolve"]["nodes"]) {
            let from = name(&node["id"])?;
            for dependency in items(&node["deps"]) {
                let to = name(&dependency["pkg"])?;
                for kind in items(&dependency["dep_kinds"]) {
                    graph.insert(from, to, kind_of(&kind["kind"]));
                }
            }
        }
        // A declared dependency counts even where nothing turns it on.
        for package in items(&metadata["packages"]) {
            let from = text(&package["name"]);
            if graph.is_member(from) {
                for dependency in items(&package["dependencies"]) {
                    let kind = kind_of(&dependency["kind"]);
                    graph.insert(from, text(&dependency["name"]), kind);
                }
            }
        }
        Ok(graph)
    }

    /// The workspace's own crates.
    pub(super) fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(String::as_str)
    }

    /// Whether a crate is the workspace's own.
    pub(super) fn is_member(&self, name: &str) -> bool {
        self.members.contains(name)
    }

    /// The edges of `from` to other crates of the workspace. A crate's tests may name the crate itself.
    pub(super) fn workspace_edges<'a>(
        &'a self,
        from: &'a str,
    ) -> impl Iterator<Item = (&'a str, Kind)> {
        self.edges_of(from)
            .filter(move |(to, _)| self.is_member(to) && *to != from)
    }

    /// What `from` depends on directly, outside of tests.
    pub(super) fn direct(&self, from: &str) -> impl Iterator<Item = &str> {
        self.edges_of(from)
            .filter(|(_, kind)| *kind == Kind::Normal)
            .map(|(to, _)| to)
    }

    /// A shortest way from one crate to another that is not through a dev-dependency.
    pub(super) fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let (start, _) = self.edges.get_key_value(from)?;
        let mut queue = VecDeque::from([start.as_str()]);
        while let Some(here) = queue.pop_front() {
            if here == to {
                let mut path = vec![here.to_owned()];
                let mut step = here;
                while let Some(before) = came_from.get(step) {
                    path.push((*before).to_owned());
                    step = before;
                }
                path.reverse();
                return Some(path);
            }
            for next in self.direct(here) {
                if next != from && !came_from.contains_key(next) {
                    came_from.insert(next, here);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn edges_of(&self, from: &str) -> impl Iterator<Item = (&str, Kind)> {
        self.edges
            .get(from)
            .into_iter()
            .flatten()
            .map(|(to, kind)| (to.as_str(), *kind))
    }

    fn insert(&mut self, from: &str, to: &str, kind: Kind) {
        self.edges
            .entry(from.to_owned())
            .or_default()
            .insert((to.to_owned(), kind));
    }

    /// Adds an edge that is not there in truth.
    #[cfg(test)]
    pub(super) fn add(&mut self, from: &str, to: &str, kind: Kind) {
        self.insert(from, to, kind);
    }

    /// Adds a crate to the workspace that is not there in truth.
    #[cfg(test)]
    pub(super) fn add_member(&mut self, name: &str) {
        self.members.insert(name.to_owned());
    }
}

fn kind_of(kind: &Value) -> Kind {
    if text(kind) == "dev" {
        Kind::Dev
    } else {
        Kind::Normal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Graph {
        let metadata = serde_json::from_str(
            r#"{
                "packages": [
                    {"id": "a#1", "name": "a", "dependencies": [
                        {"name": "b", "kind": null}, {"name": "off", "kind": null, "optional": true}]},
                    {"id": "b#1", "name": "b", "dependencies": [{"name": "unseen", "kind": null}]},
                    {"id": "c#1", "name": "c", "dependencies": []},
                    {"id": "c#2", "name": "c", "dependencies": []},
                    {"id": "d#1", "name": "d", "dependencies": []}
                ],
                "workspace_members": ["a#1"],
                "resolve": {"nodes": [
                    {"id": "a#1", "deps": [
                        {"pkg": "b#1", "dep_kinds": [{"kind": null}]},
                        {"pkg": "d#1", "dep_kinds": [{"kind": "dev"}]}]},
                    {"id": "b#1", "deps": [{"pkg": "c#2", "dep_kinds": [{"kind": "build"}]}]}
                ]}
            }"#,
        )
        .expect("JSON");
        Graph::parse(&metadata).expect("a graph")
    }

    #[test]
    fn paths_follow_normal_and_build_edges_only() {
        let graph = sample();
        assert_eq!(
            graph.path("a", "c").expect("a -> b -> c").join(" "),
            "a b c"
        );
        assert_eq!(graph.path("a", "d"), None);
        assert_eq!(graph.path("c", "a"), None);
    }

    #[test]
    fn an_optional_dependency_that_is_off_still_counts_for_our_own_crates() {
        let graph = sample();
        assert!(graph.path("a", "off").is_some());
        assert_eq!(graph.path("a", "unseen"), None);
    }

    #[test]
    fn a_graph_that_names_an_unknown_package_is_refused() {
        let metadata = serde_json::json!({"packages": [], "workspace_members": ["ghost#1"]});
        assert!(Graph::parse(&metadata).is_err());
    }
}
