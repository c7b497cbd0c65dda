//! One child process: shown before it runs, its output never hidden when it fails.
//!
//! No shell, no globbing, no pipelines. The child does not see what `cargo run` told *this* process about the package
//! `xtask`: build scripts that watch those variables would otherwise be stale on every change between `cargo build` and
//! `cargo xtask`, and half of the tree with them.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};

/// A command to be run in the workspace's root.
pub(crate) struct Cmd {
    command: Command,
    line: String,
}

impl Cmd {
    /// `program` with the words of `words`, in the folder `root`.
    pub(crate) fn new(root: &Path, program: impl AsRef<OsStr>, words: &str) -> Self {
        let program = program.as_ref();
        let mut command = Command::new(program);
        command.current_dir(root);
        for (key, _) in std::env::vars_os() {
            if let Some(name) = key.to_str()
                && (name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
            {
                command.env_remove(&key);
            }
        }
        let name = Path::new(program)
            .file_name()
            .unwrap_or(program)
            .to_string_lossy();
        let cmd = Self {
            command,
            line: name.into_owned(),
        };
        cmd.words(words)
    }

    /// The cargo that runs us.
    pub(crate) fn cargo(root: &Path, words: &str) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self::new(root, cargo, words)
    }

    /// Adds the words of `words`, split at blanks.
    pub(crate) fn words(self, words: &str) -> Self {
        words.split_whitespace().fold(self, Self::arg)
    }

    /// Adds one argument, blanks and all.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        let arg = arg.as_ref();
        self.command.arg(arg);
        self.line.push(' ');
        self.line.push_str(&arg.to_string_lossy());
        self
    }

    /// Sets a variable of the child's environment.
    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref();
        self.command.env(key, value);
        self.line = format!("{key}='{}' {}", value.to_string_lossy(), self.line);
        self
    }

    /// Runs it on our own terminal; any exit code but 0 is an error.
    pub(crate) fn run(mut self) -> Result<()> {
        println!("$ {}", self.line);
        let status = self
            .command
            .status()
            .with_context(|| format!("`{}` cannot be started", self.line))?;
        self.expect_success(status)
    }

    /// Runs it on our own terminal, and hands each line of its stderr to `look` after it was shown.
    pub(crate) fn run_and_watch(mut self, mut look: impl FnMut(&str)) -> Result<()> {
        println!("$ {}", self.line);
        let mut child = self
            .command
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{}` cannot be started", self.line))?;
        if let Some(stderr) = child.stderr.take() {
            for line in BufReader::new(stderr).split(b'\n') {
                let line = line.context("the child's output cannot be read")?;
                let line = String::from_utf8_lossy(&line);
                eprintln!("{line}");
                look(&line);
            }
        }
        let status = child.wait().context("the child cannot be waited for")?;
        self.expect_success(status)
    }

    /// Runs it silently and returns its stdout; a failure's error holds what it wrote to stderr.
    pub(crate) fn read(mut self) -> Result<String> {
        let output = self
            .command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("`{}` cannot be started", self.line))?;
        if !output.status.success() {
            bail!(
                "`{}` ended with {}:\n{}",
                self.line,
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        String::from_utf8(output.stdout)
            .map_err(|_| anyhow!("`{}` printed something that is not UTF-8", self.line))
    }

    fn expect_success(&self, status: ExitStatus) -> Result<()> {
        if !status.success() {
            bail!("`{}` ended with {status}", self.line);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Cmd {
        Cmd::new(Path::new("/"), "sh", "-c").arg(script)
    }

    #[test]
    fn what_a_command_prints_can_be_read() {
        assert_eq!(
            shell("echo one; echo two").read().expect("sh"),
            "one\ntwo\n"
        );
    }

    #[test]
    fn a_failure_shows_the_command_its_exit_code_and_its_complaint() {
        let error = shell("echo 'no such luck' >&2; exit 3")
            .read()
            .expect_err("exit code 3");
        let text = error.to_string();
        assert!(text.contains("sh -c"), "{text}");
        assert!(text.contains("exit status: 3"), "{text}");
        assert!(text.ends_with("no such luck"), "{text}");
        shell("exit 3").run().expect_err("exit code 3");
        shell("exit 3")
            .run_and_watch(|_| ())
            .expect_err("exit code 3");
    }

    #[test]
    fn a_watched_command_is_seen_line_by_line() {
        let mut seen = Vec::new();
        shell("printf 'one\\ntwo' >&2")
            .run_and_watch(|line| seen.push(line.to_owned()))
            .expect("sh");
        assert_eq!(seen, ["one", "two"]);
    }

    #[test]
    fn the_child_does_not_know_which_package_started_it() {
        // Under `cargo test` and nextest this process has these variables itself.
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some());
        let environment = shell("env").read().expect("sh");
        assert!(!environment.contains("CARGO_PKG_"), "{environment}");
        assert!(!environment.contains("CARGO_MANIFEST_"), "{environment}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Cmd::new(Path::new("/"), "no-such-program", "--help")
            .read()
            .expect_err("there is no such program");
        assert_eq!(
            error.to_string(),
            "`no-such-program --help` cannot be started"
        );
    }
}
