//! `tidy`: the house rules that a program can see, over every file of the repository, all problems at once.
//!
//! Rules are plain text searches (`tidy/rules.rs`); nothing here parses Rust. What a reviewer must judge is not here.

mod rules;

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::ci::Closing;
use crate::project::Project;

/// Checks every file.
pub(crate) fn run(project: &Project) -> Result<Closing> {
    let files = files(project)?;
    let mut problems = rules::top_level(&files);
    for file in &files {
        let bytes = std::fs::read(project.root().join(file))
            .with_context(|| format!("{file} cannot be read"))?;
        // What is not text (a recorded database) has no lines to check.
        if let Ok(text) = std::str::from_utf8(&bytes) {
            problems.extend(rules::file(file, text));
        }
    }
    if problems.is_empty() {
        println!("{} files are tidy", files.len());
        return Ok(Closing::new());
    }
    for problem in &problems {
        println!("{problem}");
    }
    bail!("{} problems", problems.len())
}

/// Every file that is, or is about to be, in the repository: relative paths with `/`, sorted. Without git, every file
/// there is, apart from build output: stricter, never laxer.
fn files(project: &Project) -> Result<Vec<String>> {
    let listed = project
        .cmd("git", "ls-files -z --cached --others --exclude-standard")
        .read();
    let mut files = match listed {
        Ok(list) => list
            .split_terminator('\0')
            // Deleted, but not yet in a commit.
            .filter(|file| project.root().join(file).is_file())
            .map(str::to_owned)
            .collect(),
        Err(error) => {
            println!("git does not list the files ({error:#}); looking at every file instead");
            let mut found = Vec::new();
            walk(project.root(), "", &mut found)?;
            found
        }
    };
    files.sort();
    files.dedup();
    if files.is_empty() {
        bail!("there is no file to check in {}", project.root().display());
    }
    Ok(files)
}

fn walk(root: &Path, folder: &str, found: &mut Vec<String>) -> Result<()> {
    let path = root.join(folder);
    for entry in
        std::fs::read_dir(&path).with_context(|| format!("{} cannot be read", path.display()))?
    {
        let entry = entry.with_context(|| format!("{} cannot be read", path.display()))?;
        let name = format!("{folder}{}", entry.file_name().to_string_lossy());
        let kind = entry
            .file_type()
            .with_context(|| format!("{name} cannot be read"))?;
        if kind.is_dir() && !matches!(name.as_str(), ".git" | "target") {
            walk(root, &format!("{name}/"), found)?;
        } else if kind.is_file() && name != ".git" {
            found.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_git_the_same_sources_are_found() {
        let project = Project::open().expect("cargo metadata");
        let mut walked = Vec::new();
        walk(project.root(), "", &mut walked).expect("the folder can be read");
        for file in ["Cargo.toml", "xtask/src/tidy.rs", ".cargo/config.toml"] {
            assert!(walked.contains(&file.to_owned()), "{file}");
        }
        assert!(!walked.iter().any(|file| file.starts_with("target/")));
    }
}
