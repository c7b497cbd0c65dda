//! The layers: which crate of the workspace may depend on which, and what it must never have from outside.
//!
//! The house from the bottom up; the README draws it. Data only: what an edge means is decided in `layers.rs`.

/// One crate's place in the house.
pub(super) struct Row {
    /// The package's name.
    pub(super) name: &'static str,
    /// Workspace packages it may depend on, as normal or build dependency.
    pub(super) may: &'static [&'static str],
    /// What its tests may depend on besides.
    pub(super) dev: DevEdges,
    /// Its crates from outside, in normal and build dependencies.
    pub(super) outside: Outside,
}

/// Workspace packages that a crate may have as dev-dependencies.
#[derive(Clone, Copy)]
pub(super) enum DevEdges {
    /// Any that does not stand above it.
    NotUpwards,
    /// These and no other.
    Only(&'static [&'static str]),
}

/// What a crate may have from outside the workspace.
#[derive(Clone, Copy)]
pub(super) enum Outside {
    /// None of these, however deep in the graph.
    Never(&'static [&'static str]),
    /// Directly, these and no other.
    Only(&'static [&'static str]),
}

/// The house.
pub(super) const TABLE: &[Row] = &[
    // Who asks, with which credentials, by when: no runtime, no I/O, no threads.
    Row {
        name: "nova-context",
        may: &[],
        dev: DevEdges::NotUpwards,
        outside: Outside::Never(&[
            "tokio",
            "async-std",
            "smol",
            "rayon",
            "crossbeam-channel",
            "reqwest",
            "hyper",
            "sqlx",
            "sea-orm",
            "deadpool",
            "lapin",
            "redis",
            "clap",
            "tracing-subscriber",
        ]),
    },
    // Where a cell is: no database driver, no broker client, no runtime.
    Row {
        name: "nova-cells",
        may: &["nova-context"],
        dev: DevEdges::NotUpwards,
        outside: Outside::Never(&[
            "tokio",
            "async-std",
            "smol",
            "reqwest",
            "hyper",
            "sqlx",
            "sea-orm",
            "deadpool",
            "lapin",
            "redis",
            "clap",
            "tracing-subscriber",
        ]),
    },
    // Asks every cell at once: does not know SQL, brokers, HTTP or what the work does.
    Row {
        name: "nova-scatter",
        may: &["nova-context", "nova-cells"],
        dev: DevEdges::NotUpwards,
        outside: Outside::Never(&[
            "reqwest",
            "hyper",
            "sqlx",
            "sea-orm",
            "deadpool",
            "lapin",
            "redis",
            "clap",
            "tracing-subscriber",
        ]),
    },
    // Opens sockets to databases and buses; speaks no HTTP, starts no fan-out.
    Row {
        name: "nova-connect",
        may: &["nova-context", "nova-cells"],
        dev: DevEdges::NotUpwards,
        outside: Outside::Never(&["reqwest", "hyper", "axum", "clap", "tracing-subscriber"]),
    },
    // Tokens from Keystone, over HTTP; knows no cell.
    Row {
        name: "nova-keystone",
        may: &["nova-context"],
        dev: DevEdges::NotUpwards,
        outside: Outside::Never(&[
            "sqlx",
            "sea-orm",
            "deadpool",
            "lapin",
            "redis",
            "clap",
            "tracing-subscriber",
        ]),
    },
    // Nova's servers across cells: SQL through SeaORM, no HTTP.
    Row {
        name: "nova-instances",
        may: &["nova-context", "nova-cells", "nova-scatter", "nova-connect"],
        dev: DevEdges::NotUpwards,
        outside: Outside::Never(&["reqwest", "hyper", "axum", "clap", "tracing-subscriber"]),
    },
    // Cases, fakes and clouds for anyone's connector and executor: needs whatever it needs.
    Row {
        name: "nova-conformance",
        may: &[
            "nova-context",
            "nova-cells",
            "nova-scatter",
            "nova-connect",
            "nova-keystone",
            "nova-instances",
        ],
        dev: DevEdges::NotUpwards,
        outside: Outside::Never(&[]),
    },
    // The operator's command stands on everything; nothing stands on it.
    Row {
        name: "cellctl",
        may: &[
            "nova-context",
            "nova-cells",
            "nova-scatter",
            "nova-connect",
            "nova-keystone",
            "nova-instances",
            "nova-conformance",
        ],
        dev: DevEdges::NotUpwards,
        outside: Outside::Never(&[]),
    },
    // Black-box tests drive the built command as a user does; they link none of what they test.
    Row {
        name: "nova-tests",
        may: &[],
        dev: DevEdges::Only(&["nova-conformance"]),
        outside: Outside::Never(&[]),
    },
    // Asks the real Nova and the libraries the same questions; the command, as a user does.
    Row {
        name: "nova-interop",
        may: &[
            "nova-context",
            "nova-cells",
            "nova-scatter",
            "nova-connect",
            "nova-keystone",
            "nova-instances",
            "nova-conformance",
        ],
        dev: DevEdges::NotUpwards,
        outside: Outside::Never(&[]),
    },
    // Puts any bytes through every parser.
    Row {
        name: "nova-fuzz",
        may: &[
            "nova-context",
            "nova-cells",
            "nova-scatter",
            "nova-connect",
            "nova-keystone",
            "nova-instances",
        ],
        dev: DevEdges::NotUpwards,
        outside: Outside::Never(&[]),
    },
    // This runner: must run when a library does not compile, and must compile in seconds.
    Row {
        name: "xtask",
        may: &[],
        dev: DevEdges::Only(&[]),
        outside: Outside::Only(&["anyhow", "serde_json"]),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate stands after everything it may depend on; so the table can hold no circle.
    #[test]
    fn the_table_is_written_from_the_bottom_up() {
        let mut below: Vec<&str> = Vec::new();
        for row in TABLE {
            for name in row.may {
                assert!(below.contains(name), "{} -> {name}", row.name);
            }
            assert!(!below.contains(&row.name), "{} stands twice", row.name);
            below.push(row.name);
        }
    }
}
