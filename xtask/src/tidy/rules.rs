//! The rules of `tidy`, each a pure function of a file's path and text.
//!
//! Words that a rule looks for are put together from pieces (`concat!`), so that this file does not trip over itself.

use std::fmt;

/// The longest source file, in lines.
const MAX_LINES: usize = 500;
/// The longest `lib.rs`: a contents page that needs more is not one.
const MAX_CONTENTS_PAGE: usize = 150;
/// What may stand at the top of the repository, besides hidden entries.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "deny.toml",
    "crates",
    "xtask",
    "tests",
];
/// Sources that others' conventions lay out: compile-fail cases, fuzz targets, benchmarks.
const NO_OPENING: &[&str] = &["tests/ui/", "fuzz_targets/", "benches/"];
/// What must not be left behind in a source file.
const LEFTOVERS: &[(&str, &str)] = &[
    (
        concat!("#[", "ignore"),
        "a test that is never run proves nothing",
    ),
    (concat!("to", "do!("), "unfinished"),
    (concat!("unimple", "mented!("), "unfinished"),
    (
        concat!("FIX", "ME"),
        "mend it, or say plainly what is not done",
    ),
];
/// The sleep that no paused clock shortens.
const THREAD_SLEEP: &str = concat!("thread::", "sleep");
/// First components of paths that exist on one machine only.
const MACHINE_FOLDERS: &[&str] = &["root", "home", "work", "Users"];

/// One departure from the rules.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Every problem of one text file.
pub(super) fn file(path: &str, text: &str) -> Vec<Problem> {
    let mut found = machine_paths(text);
    if path.ends_with(".rs") {
        found.extend(opening(path, text));
        found.extend(length(text));
        found.extend(leftovers(text));
        found.extend(sleeping_tests(path, text));
        if path.ends_with("src/lib.rs") {
            found.extend(contents_page(text));
        }
    }
    found.sort();
    found
        .into_iter()
        .map(|(line, what)| Problem {
            path: path.to_owned(),
            line,
            what,
        })
        .collect()
}

/// Entries at the top of the repository that the house does not have.
pub(super) fn top_level(files: &[String]) -> Vec<Problem> {
    let mut strange: Vec<&str> = files
        .iter()
        .filter_map(|file| file.split('/').next())
        .filter(|entry| !entry.starts_with('.') && !TOP_LEVEL.contains(entry))
        .collect();
    strange.dedup();
    strange
        .into_iter()
        .map(|entry| Problem {
            path: entry.to_owned(),
            line: 1,
            what: "not among the repository's top-level entries".to_owned(),
        })
        .collect()
}

/// A line number and what is wrong there.
type Found = (usize, String);

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

fn opening(path: &str, text: &str) -> Option<Found> {
    let exempt = NO_OPENING.iter().any(|folder| path.contains(folder));
    (!exempt && !text.starts_with("//!")).then(|| {
        (
            1,
            "does not open with `//!`: what it is for, and what it does not do".to_owned(),
        )
    })
}

fn length(text: &str) -> Option<Found> {
    let lines = text.lines().count();
    (lines > MAX_LINES).then(|| {
        (
            lines,
            format!("{lines} lines, at most {MAX_LINES}; split it"),
        )
    })
}

fn leftovers(text: &str) -> Vec<Found> {
    numbered(text)
        .flat_map(|(number, line)| {
            LEFTOVERS
                .iter()
                .filter(move |(word, _)| line.contains(word))
                .map(move |(word, why)| (number, format!("`{word}`: {why}")))
        })
        .collect()
}

/// Test code is a file named `tests`, a file in a folder named `tests`, and what follows `#[cfg(test)] mod`. Where a test
/// paused the runtime's clock, the runtime's sleep takes no time and is no sleep; the thread's always is.
fn sleeping_tests(path: &str, text: &str) -> Vec<Found> {
    let mut in_tests = path
        .trim_end_matches(".rs")
        .split('/')
        .any(|part| part == "tests" || part.ends_with("_tests"));
    let mut after_attribute = false;
    let mut paused = false;
    let mut found = Vec::new();
    for (number, line) in numbered(text) {
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        in_tests |= after_attribute && code.starts_with("mod ");
        after_attribute =
            code.starts_with("#[cfg(test)]") || (after_attribute && code.starts_with("#["));
        if code.starts_with("#[test]") || code.starts_with("#[tokio::test") {
            paused = false;
        }
        paused |= code.contains("start_paused = true") || code.contains("time::pause()");
        if in_tests && (code.contains(THREAD_SLEEP) || (!paused && sleeps(code))) {
            found.push((
                number,
                "a test that sleeps: wait on a condition, a channel, a barrier, or paused time"
                    .to_owned(),
            ));
        }
    }
    found
}

/// Whether the line names a sleep by its module, or calls an imported one. A method of that name is somebody's own.
fn sleeps(code: &str) -> bool {
    code.contains(concat!("time::", "sleep"))
        || ["sleep(", "sleep_until("].iter().any(|call| {
            code.match_indices(call).any(|(at, _)| {
                let before = &code[..at];
                !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
                    && !before.ends_with("fn ")
            })
        })
}

/// Absolute paths of home and work folders, in whatever file: `/<folder>/` that does not continue a longer path.
fn machine_paths(text: &str) -> Vec<Found> {
    numbered(text)
        .flat_map(|(number, line)| {
            MACHINE_FOLDERS.iter().filter_map(move |folder| {
                let path = format!("/{folder}/");
                line.match_indices(&path)
                    .any(|(at, _)| {
                        !line[..at].ends_with(|c: char| {
                            c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')')
                        })
                    })
                    .then(|| (number, format!("`{path}…`: a path of one machine")))
            })
        })
        .collect()
}

/// `lib.rs` says what there is; what it does stands in the modules.
fn contents_page(text: &str) -> Vec<Found> {
    let lines = text.lines().count();
    let mut found = Vec::new();
    if lines > MAX_CONTENTS_PAGE {
        found.push((
            lines,
            format!("{lines} lines, at most {MAX_CONTENTS_PAGE}: `lib.rs` is a contents page"),
        ));
    }
    for (number, line) in numbered(text) {
        let mut words = line
            .split(|c: char| c.is_whitespace() || c == '<')
            .filter(|word| !word.is_empty())
            .skip_while(|word| {
                word.starts_with("pub") || matches!(*word, "const" | "async" | "unsafe")
            });
        if let Some(word @ ("fn" | "impl")) = words.next() {
            found.push((
                number,
                format!("`{word}`: `lib.rs` is a contents page; move it to a module"),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests;
