//! A Python process that answers questions by running Nova's own code: JSON lines in, JSON lines out, in order.
//!
//! It lives as long as the value, and a whole batch is asked at once: thousands of cases in a second or two.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::peers::Peers;

/// What Nova's code made of a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It returned this.
    Ok(Value),
    /// It raised an exception.
    Raised {
        /// The exception's class, without its module.
        class: String,
        /// Its text.
        text: String,
    },
}

impl Answer {
    fn read(line: &str) -> Option<Self> {
        let mut answer: Value = serde_json::from_str(line).ok()?;
        if let Some(ok) = answer.get_mut("ok") {
            return Some(Self::Ok(ok.take()));
        }
        let text = |key: &str| Some(answer.get("raised")?.get(key)?.as_str()?.to_owned());
        Some(Self::Raised {
            class: text("class")?,
            text: text("text")?,
        })
    }

    /// What it returned.
    ///
    /// # Panics
    /// Where it raised.
    #[must_use]
    pub fn value(self) -> Value {
        match self {
            Self::Ok(value) => value,
            Self::Raised { class, text } => panic!("Nova raised {class}: {text}"),
        }
    }
}

/// The process.
#[derive(Debug)]
pub struct Oracle {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Its working folder and its temporary files; it is killed, so it cannot clean up itself.
    _folder: TempDir,
}

impl Oracle {
    /// Starts the interpreter of the peers on `oracle/oracle.py`.
    ///
    /// # Panics
    /// Where the peers are not there.
    #[must_use]
    pub fn start(peers: &Peers) -> Self {
        Self::with_config(peers, None)
    }

    /// The same with a nova.conf of its own, for questions about databases.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with_config(peers: &Peers, config: Option<&Path>) -> Self {
        let python = peers.program("python");
        let folder = match tempfile::tempdir() {
            Ok(folder) => folder,
            Err(error) => panic!("no temporary folder: {error}"),
        };
        let child = Command::new(&python)
            .arg(Peers::scripts().join("oracle.py"))
            .args(config)
            .current_dir(folder.path())
            .env("TMPDIR", folder.path())
            .env("PYTHONWARNINGS", "ignore")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONHASHSEED", "0")
            .env("OS_NOVA_DISABLE_EVENTLET_PATCHING", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child =
            child.unwrap_or_else(|error| panic!("{} cannot run: {error}", python.display()));
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            panic!("the oracle's pipes were asked for")
        };
        Self {
            child,
            questions: Some(questions),
            answers: BufReader::new(answers),
            _folder: folder,
        }
    }

    /// One question.
    ///
    /// # Panics
    /// As [`ask_all`](Self::ask_all).
    pub fn ask(&mut self, question: Value) -> Answer {
        let mut answers = self.ask_all(&[question]);
        match answers.pop() {
            Some(answer) => answer,
            None => panic!("the oracle had no answer"),
        }
    }

    /// The answers to all questions, in their order.
    ///
    /// # Panics
    /// Where the process ends before its last answer, or writes something else than an answer.
    pub fn ask_all(&mut self, questions: &[Value]) -> Vec<Answer> {
        let Some(mut pipe) = self.questions.take() else {
            panic!("the oracle was closed")
        };
        let answers = &mut self.answers;
        let (read, pipe) = std::thread::scope(|scope| {
            // Both pipes are bounded: who writes everything before it reads anything may wait for ever.
            let writer = scope.spawn(move || {
                let written = questions
                    .iter()
                    .try_for_each(|question| writeln!(pipe, "{question}"))
                    .and_then(|()| pipe.flush());
                (written, pipe)
            });
            let mut read = Vec::with_capacity(questions.len());
            let mut line = String::new();
            while read.len() < questions.len() {
                line.clear();
                match answers.read_line(&mut line) {
                    Ok(0) => panic!("the oracle ended after {} answers", read.len()),
                    Ok(_) => match Answer::read(&line) {
                        Some(answer) => read.push(answer),
                        None => panic!("not an answer: {line}"),
                    },
                    Err(error) => panic!("the oracle cannot be read: {error}"),
                }
            }
            match writer.join() {
                Ok((Ok(()), pipe)) => (read, pipe),
                Ok((Err(error), _)) => panic!("the oracle does not listen: {error}"),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        self.questions = Some(pipe);
        read
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // The end of its input is its end.
        self.questions = None;
        // Killing is for one that is still busy; a failure means that it ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_values_or_exceptions_and_nothing_else() {
        assert_eq!(
            Answer::read(r#"{"ok": [1]}"#),
            Some(Answer::Ok(serde_json::json!([1])))
        );
        assert_eq!(
            Answer::read(r#"{"raised": {"class": "KeyError", "text": "'x'"}}"#),
            Some(Answer::Raised {
                class: "KeyError".into(),
                text: "'x'".into()
            })
        );
        assert_eq!(Answer::read(r#"{"raised": {}}"#), None);
        assert_eq!(Answer::read("Traceback"), None);
    }
}
