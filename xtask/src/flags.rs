//! The command line: which command was meant, and the help text.
//!
//! Parsed by hand: a dozen words do not pay for a parser's build time. The help is made from the table of sections, so
//! that no section can be missing from it.

use std::fmt::Write as _;

use crate::ci::{SECTIONS, Section};
use crate::fuzz;
use crate::services::Services;

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Print the help.
    Help,
    /// Every section in order.
    Ci,
    /// One section of `ci`.
    Section(&'static Section),
    /// `fmt --fix`: write instead of check.
    FmtFix,
    /// Fuzz the parsers.
    Fuzz(fuzz::Options),
    /// Servers for development.
    Services(Services),
    /// Run the benchmarks.
    Bench {
        /// Only the bench targets whose name contains this.
        filter: Option<String>,
    },
}

/// Reads the arguments after the program's name; the error is one line for the user.
pub(crate) fn parse(args: &[String]) -> Result<Command, String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if words
        .iter()
        .any(|word| matches!(*word, "help" | "--help" | "-h"))
    {
        return Ok(Command::Help);
    }
    match words.as_slice() {
        [] => Err("no command given".to_owned()),
        ["ci"] => Ok(Command::Ci),
        ["fmt", "--fix"] => Ok(Command::FmtFix),
        ["fuzz", options @ ..] => fuzz_options(options).map(Command::Fuzz),
        ["services", word] => Services::of(word)
            .map(Command::Services)
            .ok_or_else(|| unexpected("services", &[word])),
        ["services"] => Err("`services` wants one of: up, status, down, env".to_owned()),
        ["bench"] => Ok(Command::Bench { filter: None }),
        ["bench", name] if !name.starts_with('-') => Ok(Command::Bench {
            filter: Some((*name).to_owned()),
        }),
        [name, rest @ ..] => match SECTIONS.iter().find(|section| section.name == *name) {
            Some(section) if rest.is_empty() => Ok(Command::Section(section)),
            Some(_) => Err(unexpected(name, rest)),
            None if matches!(*name, "ci" | "bench" | "services") => Err(unexpected(name, rest)),
            None => Err(format!("there is no command `{name}`")),
        },
    }
}

fn fuzz_options(words: &[&str]) -> Result<fuzz::Options, String> {
    let mut options = fuzz::Options::default();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--target" => {
                let name = words.next().ok_or("`--target` needs a name")?;
                options.target = Some(name.to_owned());
            }
            "--runs" => {
                let runs = words.next().and_then(|text| text.parse().ok());
                options.runs = Some(runs.ok_or("`--runs` needs a number")?);
            }
            "--minimise" => options.minimise = true,
            other => return Err(unexpected("fuzz", &[other])),
        }
    }
    Ok(options)
}

fn unexpected(name: &str, rest: &[&str]) -> String {
    format!("`{name}` does not take `{}`", rest.join(" "))
}

/// The help text: one line per command, then examples.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "The build runner of this workspace.\n\nUsage: cargo xtask COMMAND\n\nChecks, in the order in which `ci` runs them:\n",
    );
    for section in SECTIONS {
        line(&mut text, section.name, section.about);
    }
    text.push_str("\nCommands:\n");
    for (name, about) in [
        (
            "ci",
            "all of the checks above; the first failure stops, times at the end",
        ),
        ("fmt --fix", "format the sources instead of checking them"),
        (
            "fuzz [OPTION]..",
            "libFuzzer on the parsers; --target NAME, --runs N inputs, --minimise the corpus",
        ),
        (
            "bench [NAME]",
            "the benchmarks (whose name contains NAME): a table, and target/bench/summary.json",
        ),
        (
            "services WHAT",
            "private servers for development: up, status, down, env (variables that name them, for eval)",
        ),
        ("help, --help", "this text"),
    ] {
        line(&mut text, name, about);
    }
    text.push_str(
        "\nExamples:\n  \
         cargo xtask ci               what CI runs, and what to run before a change is sent\n  \
         cargo xtask lint             one section alone\n  \
         cargo xtask fmt --fix        mend what `fmt` complains about\n  \
         cargo xtask fuzz --target catalog --runs 10000000    a long look at one parser\n  \
         cargo xtask bench scatter    the benchmarks with `scatter` in their name\n\n\
         Tools that cargo does not bring (cargo-nextest, cargo-hack, cargo-deny, cargo-machete) are taken from PATH when\n\
         new enough, otherwise installed in a locked version into target/tools: once, a few minutes, needs the registry.\n\
         `services up` starts each server that no variable names: NOVA_TEST_MARIADB_URL, NOVA_TEST_POSTGRES_URL,\n\
         NOVA_TEST_REDIS_URL and NOVA_TEST_RABBITMQ_URL name servers that are there already, by URLs as Nova writes them.\n\
         The login of such a URL has every right in the databases and virtual hosts that `services env` names; they exist.\n\
         `interop` installs Nova from PyPI into target/peers: once, a minute or two; it needs Python 3.11 with venv.\n\
         An unused dependency that `deny` finds wrongly is listed, with the reason, in that crate's\n\
         [package.metadata.cargo-machete]. An edge that `layers` refuses belongs in xtask/src/layers/table.rs, or nowhere.\n\n\
         Exit codes: 0 all is well, 1 a check failed (the last line says which), 2 the command line makes no sense.\n",
    );
    text
}

fn line(text: &mut String, name: &str, about: &str) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "  {name:<15} {about}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&args)
    }

    #[test]
    fn every_section_is_a_command_and_in_the_help() {
        for section in SECTIONS {
            assert!(
                matches!(parsed(section.name), Ok(Command::Section(found)) if found.name == section.name)
            );
            assert!(help().contains(&format!("\n  {} ", section.name)));
        }
    }

    #[test]
    fn help_is_understood_in_each_of_its_forms() {
        for line in ["help", "--help", "-h", "lint --help"] {
            assert!(matches!(parsed(line), Ok(Command::Help)), "{line}");
        }
    }

    #[test]
    fn a_bench_may_be_named() {
        assert!(matches!(
            parsed("bench"),
            Ok(Command::Bench { filter: None })
        ));
        assert!(matches!(
            parsed("bench scatter"),
            Ok(Command::Bench { filter: Some(name) }) if name == "scatter"
        ));
    }

    #[test]
    fn a_fuzz_target_and_its_runs_may_be_said() {
        let Ok(Command::Fuzz(options)) = parsed("fuzz --target catalog --runs 7") else {
            panic!("options of `fuzz`");
        };
        assert_eq!(options.target.as_deref(), Some("catalog"));
        assert_eq!(options.runs, Some(7));
        assert!(
            matches!(parsed("fuzz"), Ok(Command::Fuzz(options)) if options == fuzz::Options::default())
        );
    }

    #[test]
    fn services_are_told_what_to_do() {
        for (word, what) in [
            ("up", Services::Up),
            ("status", Services::Status),
            ("down", Services::Down),
            ("env", Services::Env),
        ] {
            assert!(
                matches!(parsed(&format!("services {word}")), Ok(Command::Services(found)) if found == what)
            );
        }
    }

    #[test]
    fn the_help_names_the_variables_of_servers_that_are_there() {
        for server in ["MARIADB", "POSTGRES", "REDIS", "RABBITMQ"] {
            assert!(help().contains(&format!("NOVA_TEST_{server}_URL")));
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (line, problem) in [
            ("", "no command given"),
            ("lnt", "there is no command `lnt`"),
            ("lint --fix", "`lint` does not take `--fix`"),
            ("ci now", "`ci` does not take `now`"),
            ("fuzz --runs x", "`--runs` needs a number"),
            ("fuzz --target", "`--target` needs a name"),
            ("fuzz fast", "`fuzz` does not take `fast`"),
            ("bench --fast", "`bench` does not take `--fast`"),
            ("services left", "`services` does not take `left`"),
            ("services", "`services` wants one of: up, status, down, env"),
        ] {
            assert_eq!(
                parsed(line).expect_err("this line is nonsense"),
                problem,
                "{line}"
            );
        }
    }

    #[test]
    fn the_help_fits_a_wide_terminal() {
        for line in help().lines() {
            assert!(line.chars().count() <= 120, "too long: {line}");
        }
    }
}
