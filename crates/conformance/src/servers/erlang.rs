//! Which Erlang applications another one needs: by what their `.app` files say, so by the version that is there. A node that
//! looks through fewer of them starts sooner.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Of these folders of applications (`name-version`), that of this application and those of all that it needs. What is not
/// among them comes with Erlang itself.
pub(super) fn needed_by(application: &str, folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let named = folders.into_iter().filter_map(|folder| {
        let (name, _) = folder.file_name()?.to_str()?.rsplit_once('-')?;
        Some((name.to_owned(), folder))
    });
    let there: BTreeMap<String, PathBuf> = named.collect();
    let (mut needed, mut left) = (BTreeSet::new(), vec![application.to_owned()]);
    while let Some(name) = left.pop() {
        if let Some(folder) = there.get(&name)
            && needed.insert(folder.clone())
        {
            left.extend(needs(folder, &name));
        }
    }
    needed.into_iter().collect()
}

fn needs(folder: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read(folder.join("ebin").join(format!("{name}.app")));
    applications(&String::from_utf8_lossy(&text.unwrap_or_default()))
}

/// The list in `{applications, […]}` of an `.app` file.
fn applications(text: &str) -> Vec<String> {
    let uncommented = text
        .lines()
        .map(|line| line.split('%').next().unwrap_or(line));
    let dense: String = uncommented
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    let list = dense.split_once("{applications,[").map(|(_, rest)| rest);
    let names = list.and_then(|rest| rest.split(']').next()).unwrap_or("");
    let names = names.split(',').map(|name| name.trim_matches('\''));
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(root: &Path, folder: &str, app: &str) -> PathBuf {
        let folder = root.join(folder);
        let (name, _) = folder
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .rsplit_once('-')
            .unwrap();
        std::fs::create_dir_all(folder.join("ebin")).unwrap();
        std::fs::write(folder.join("ebin").join(format!("{name}.app")), app).unwrap();
        folder
    }

    #[test]
    fn what_is_needed_is_found_through_what_is_needed() {
        let root = tempfile::tempdir().unwrap();
        let app = "%% a file\n{application, 'rabbit', [\n\t{vsn, \"4.3.6\"},\n\t{applications, [kernel,stdlib, %% Erlang's\n\t\t'ra',\n\t\tranch]},\n\t{optional_applications, [top]}]}.\n";
        let rabbit = with(root.path(), "rabbit-4.3.6", app);
        let ra = with(
            root.path(),
            "ra-3.1.10",
            "{application,ra,[{applications,[aten,rabbit]}]}.",
        );
        let aten = with(
            root.path(),
            "aten-0.6.0",
            "{application,aten,[{applications,[]}]}.",
        );
        let ranch = with(root.path(), "ranch-2.3.0", "{application,ranch,[]}.");
        let top = with(
            root.path(),
            "top-1.0",
            "{application,top,[{applications,[kernel]}]}.",
        );
        let folders = vec![top, ranch.clone(), aten.clone(), ra.clone(), rabbit.clone()];
        assert_eq!(needed_by("rabbit", folders), [aten, ra, rabbit, ranch]);
    }
}
