//! The corpus of every fuzz target, and variants of it, with the toolchain at hand: no coverage, no engine, no nightly.
//!
//! What once broke a target is in its corpus, so it cannot break it again unnoticed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

use std::path::{Path, PathBuf};

use nova_fuzz::{Mutator, TARGETS};
use rstest::rstest;

/// Variants per target; `NOVA_FUZZ_VARIANTS` asks for more.
const VARIANTS: usize = 1500;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder("corpus").join(target))
        .unwrap_or_else(|error| panic!("`{target}` has no corpus: {error}"))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

fn variants() -> usize {
    std::env::var("NOVA_FUZZ_VARIANTS").map_or(VARIANTS, |text| {
        text.parse().expect("NOVA_FUZZ_VARIANTS is a number")
    })
}

#[rstest]
#[case("allow_list")]
#[case("audit_chain")]
#[case("catalog")]
#[case("cursor")]
#[case("database_url")]
#[case("endpoint_url")]
#[case("headers")]
#[case("invalidation")]
#[case("jws")]
#[case("last_good")]
#[case("nova_conf")]
#[case("policy")]
#[case("policy_yaml")]
#[case("rpc_envelope")]
#[case("seal_files")]
#[case("serial_file")]
#[case("template")]
#[case("token_document")]
#[case("transport_url")]
#[case("wire_context")]
fn nothing_in_the_corpus_or_near_it_breaks(#[case] target: &str) {
    let corpus = corpus(target);
    assert!(corpus.len() >= 3, "{} inputs are no corpus", corpus.len());
    for data in &corpus {
        nova_fuzz::run(target, data);
    }
    let mut mutator = Mutator::new(1);
    for _ in 0..variants() {
        nova_fuzz::run(target, &mutator.variant(&corpus));
    }
}

#[test]
fn every_target_has_a_case_here_a_binary_and_a_corpus_and_nothing_else_has() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let this = include_str!("replay.rs");
    let cases: Vec<&str> = this
        .lines()
        .filter_map(|line| line.strip_prefix("#[case(\"")?.strip_suffix("\")]"))
        .collect();
    assert_eq!(cases, names);
    for (place, suffix) in [("corpus", ""), ("engine/fuzz_targets", ".rs")] {
        let mut found: Vec<String> = std::fs::read_dir(folder(place))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        let expected: Vec<String> = names.iter().map(|name| format!("{name}{suffix}")).collect();
        assert_eq!(found, expected, "{place}");
    }
}

#[test]
#[should_panic(expected = "there is no fuzz target `nonsense`")]
fn a_target_that_is_not_there_is_no_target_that_passes() {
    nova_fuzz::run("nonsense", b"");
}
