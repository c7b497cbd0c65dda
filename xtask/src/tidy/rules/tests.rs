//! The rules of `tidy`, on texts that break them. Offending words are put together from pieces, as in the rules.

use super::*;

/// The problems of `text` as `line: what`, with the first words of `what` only up to a colon.
#[track_caller]
fn check(path: &str, text: &str, expected: &[(usize, &str)]) {
    let found = file(path, text);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (problem, (line, what)) in found.iter().zip(expected) {
        assert_eq!(problem.line, *line, "{problem}");
        assert!(problem.what.contains(what), "{problem} / {what}");
    }
}

#[test]
fn a_tidy_file_has_no_problem() {
    check("crates/x/src/a.rs", "//! A.\n\nfn a() {}\n", &[]);
}

#[test]
fn a_problem_is_a_place_to_click_on() {
    let problems = file("crates/x/src/a.rs", "fn a() {}\n");
    assert_eq!(
        problems[0].to_string(),
        "crates/x/src/a.rs:1: does not open with `//!`: what it is for, and what it does not do"
    );
}

#[test]
fn sources_open_with_their_purpose() {
    for path in ["crates/x/src/a.rs", "tests/src/lib.rs", "xtask/src/main.rs"] {
        check(path, "mod a;\n", &[(1, "does not open")]);
        check(path, "", &[(1, "does not open")]);
    }
    for path in [
        "crates/x/tests/ui/no_display.rs",
        "crates/x/fuzz/fuzz_targets/url.rs",
        "crates/x/benches/fan_out.rs",
        "README.md",
    ] {
        check(path, "mod a;\n", &[]);
    }
}

#[test]
fn long_files_are_to_be_split() {
    let lines = |n: usize| format!("//! A.\n{}", "\n".repeat(n - 1));
    check("crates/x/src/a.rs", &lines(500), &[]);
    check(
        "crates/x/src/a.rs",
        &lines(501),
        &[(501, "501 lines, at most 500")],
    );
}

#[test]
fn leftovers_are_found_each_on_its_line() {
    let text = [
        "//! A.",
        concat!("// FIX", "ME: later"),
        concat!("#[", "ignore = \"slow\"]"),
        concat!("    to", "do!()"),
        concat!("    unimple", "mented!()"),
        "    done()",
    ]
    .join("\n");
    check(
        "crates/x/src/a.rs",
        &text,
        &[
            (2, "mend it"),
            (3, "never run"),
            (4, "unfinished"),
            (5, "unfinished"),
        ],
    );
}

#[test]
fn tests_do_not_sleep() {
    let std = concat!("std::thread::sle", "ep(d);");
    let tokio = concat!("use tokio::time::", "sleep;");
    let imported = concat!("sle", "ep(d).await;");
    for line in [std, tokio, imported] {
        let asleep: &[(usize, &str)] = &[(2, "a test that sleeps")];
        let text = format!("//! A.\n{line}\n");
        check("crates/x/tests/a.rs", &text, asleep);
        check("tests/src/lib.rs", &text, asleep);
        check("crates/x/src/a/tests.rs", &text, asleep);
        check("crates/x/src/a.rs", &text, &[]);
        let text =
            format!("//! A.\n{line}\n#[cfg(test)]\n#[path = \"b.rs\"]\nmod tests {{\n{line}\n}}\n");
        check("crates/x/src/a.rs", &text, &[(6, "a test that sleeps")]);
    }
}

#[test]
fn a_paused_clock_makes_the_runtimes_sleep_harmless_and_no_other() {
    let runtime = concat!("tokio::time::sle", "ep(d).await;");
    let thread = concat!("std::thread::sle", "ep(d);");
    let test = |attribute: &str| format!("{attribute}\nfn a() {{\n{runtime}\n{thread}\n}}\n");
    let text = [
        "//! A.\n",
        &test("#[tokio::test(start_paused = true)]"),
        &test("#[tokio::test]"),
    ]
    .concat();
    let asleep = "a test that sleeps";
    check(
        "crates/x/tests/a.rs",
        &text,
        &[(5, asleep), (9, asleep), (10, asleep)],
    );
}

#[test]
fn what_only_looks_like_sleeping_is_left_alone() {
    for line in [
        concat!("// never thread::", "sleep here"),
        "sql(\"SELECT pg_sleep(20)\");",
        "clock.sleep(d).await;",
        "async fn sleep(d: Duration) {}",
    ] {
        check("crates/x/tests/a.rs", &format!("//! A.\n{line}\n"), &[]);
    }
}

#[test]
fn a_test_only_item_does_not_make_the_rest_of_the_file_a_test() {
    let line = concat!("std::thread::sle", "ep(d);");
    let text = format!("//! A.\n#[cfg(test)]\nuse a::b;\nfn c() {{\n{line}\n}}\n");
    check("crates/x/src/a.rs", &text, &[]);
}

#[test]
fn paths_of_one_machine_are_found_in_any_file() {
    for folder in MACHINE_FOLDERS {
        for before in ["", "see ", "`", "sqlite:///", "file://", "\"", "="] {
            check(
                "README.md",
                &format!("{before}/{folder}/x\n"),
                &[(1, "a path of one machine")],
            );
        }
        for before in ["crates", "https://example.org", "..", "$HOME", "${DIR}"] {
            check("README.md", &format!("{before}/{folder}/x\n"), &[]);
        }
    }
}

#[test]
fn a_crates_front_page_is_a_contents_page() {
    let good = "//! Docs.\n//! ```\n//! fn main() {}\n//! ```\nmod a;\npub use a::A;\n";
    check("crates/x/src/lib.rs", good, &[]);
    for line in [
        "pub fn a() {}",
        "pub(crate) async fn a() {}",
        "const fn a() {}",
        "impl A {",
        "impl<T> B for A<T> {",
    ] {
        let text = format!("//! Docs.\n{line}\n");
        check("crates/x/src/lib.rs", &text, &[(2, "contents page")]);
        check("crates/x/src/a.rs", &text, &[]);
    }
    let long = format!("//! Docs.\n{}", "mod a;\n".repeat(150));
    check(
        "crates/x/src/lib.rs",
        &long,
        &[(151, "151 lines, at most 150")],
    );
}

#[test]
fn the_top_of_the_repository_is_fixed() {
    let files = [
        ".ci/run",
        "Cargo.toml",
        "LICENSE",
        "crates/cells/src/lib.rs",
        "notes/a.md",
        "notes/b.md",
        "Makefile",
    ]
    .map(str::to_owned);
    let strange: Vec<String> = top_level(&files)
        .into_iter()
        .map(|problem| problem.path)
        .collect();
    assert_eq!(strange, ["notes", "Makefile"]);
}
