//! Reads the few options of a nova.conf that say where the API database is and what templates are filled with.
//!
//! The format is oslo.config's, which general INI readers get wrong in ways that matter for URLs with passwords: `#` and
//! `;` start a comment only at the start of a line, quotes around a value are dropped, a line that begins with a blank
//! continues the one before, `$$` is a dollar sign and `$name` a reference to another option. References are refused:
//! they can name environment variables and other files.

use std::collections::HashMap;

use cells::SecretText;

/// Options by section and name, values still secret: nearly every URL has a password.
#[derive(Debug, Default)]
pub(crate) struct OsloConf {
    values: HashMap<(String, String), SecretText>,
}

/// A line that is not in the format, or a value that cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfError {
    #[error("line {line}: expected `[section]`, `option = value`, or a comment")]
    Syntax { line: usize },
    #[error("line {line}: an option before the first `[section]`")]
    NoSection { line: usize },
    #[error(
        "[{section}]{option} refers to another option with `$`; write the value itself, and `$$` for a dollar sign"
    )]
    Reference { section: String, option: String },
}

impl OsloConf {
    /// Reads one file's text on top of what is there: later values win, as in oslo.config.
    pub(crate) fn merge(&mut self, text: &str) -> Result<(), ConfError> {
        let mut section: Option<String> = None;
        let mut open: Option<(String, String)> = None;
        for (n, line) in text.lines().enumerate() {
            let line_number = n + 1;
            if line.trim().is_empty() {
                open = None;
            } else if line.starts_with([' ', '\t']) && open.is_some() {
                self.extend(open.as_ref(), line.trim());
            } else if line.starts_with(['#', ';']) {
                open = None;
            } else if let Some(name) = line.trim_end().strip_prefix('[') {
                let name = name
                    .strip_suffix(']')
                    .ok_or(ConfError::Syntax { line: line_number })?;
                section = Some(name.trim().to_owned());
                open = None;
            } else {
                let at = line
                    .find(['=', ':'])
                    .ok_or(ConfError::Syntax { line: line_number })?;
                let section = section
                    .clone()
                    .ok_or(ConfError::NoSection { line: line_number })?;
                let key = (section, line[..at].trim().to_owned());
                self.values.insert(
                    key.clone(),
                    SecretText::from(unquoted(line[at + 1..].trim())),
                );
                open = Some(key);
            }
        }
        Ok(())
    }

    fn extend(&mut self, key: Option<&(String, String)>, more: &str) {
        if let Some(value) = key.and_then(|key| self.values.get_mut(key)) {
            *value = SecretText::new(format!("{}{more}", value.expose()));
        }
    }

    /// The value of an option, if a file gives it one that is not empty.
    pub(crate) fn get(&self, section: &str, option: &str) -> Result<Option<SecretText>, ConfError> {
        let key = (section.to_owned(), option.to_owned());
        let Some(raw) = self.values.get(&key) else {
            return Ok(None);
        };
        let mut value = String::with_capacity(raw.expose().len());
        let mut rest = raw.expose();
        while let Some(at) = rest.find('$') {
            value.push_str(&rest[..=at]);
            rest = rest[at + 1..]
                .strip_prefix('$')
                .ok_or_else(|| ConfError::Reference {
                    section: section.to_owned(),
                    option: option.to_owned(),
                })?;
        }
        value.push_str(rest);
        Ok(Some(SecretText::new(value)).filter(|value| !value.expose().is_empty()))
    }
}

/// oslo.config drops one pair of equal quotes around a value.
fn unquoted(value: &str) -> &str {
    let inside = |quote: char| {
        value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
    };
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, section: &str, option: &str) -> Option<String> {
        let mut conf = OsloConf::default();
        conf.merge(text).unwrap();
        conf.get(section, option)
            .unwrap()
            .map(|value| value.expose().to_owned())
    }

    #[test]
    fn urls_keep_their_hashes_semicolons_and_equal_signs() {
        let text = "[database]\nconnection = mysql://u:a#b;c@h/d?charset=utf8\n";
        assert_eq!(
            value(text, "database", "connection").as_deref(),
            Some("mysql://u:a#b;c@h/d?charset=utf8")
        );
    }

    #[test]
    fn quotes_dollars_comments_and_continuations_are_oslos() {
        let text =
            "# x = 1\n[DEFAULT]\n; y\ntransport_url: \"rabbit://u:p$$w@h1,\n   u:p@h2/\n\nhost=a\n";
        assert_eq!(
            value(text, "DEFAULT", "transport_url").as_deref(),
            Some("\"rabbit://u:p$w@h1,u:p@h2/")
        );
        assert_eq!(value("[a]\nb = 'c'\n", "a", "b").as_deref(), Some("c"));
        assert_eq!(value("[a]\nb =\n", "a", "b"), None);
    }

    #[test]
    fn later_files_win() {
        let mut conf = OsloConf::default();
        conf.merge("[a]\nb = 1\n").unwrap();
        conf.merge("[a]\nb = 2\n").unwrap();
        assert_eq!(
            conf.get("a", "b")
                .unwrap()
                .map(|v| v.expose().to_owned())
                .as_deref(),
            Some("2")
        );
    }

    #[test]
    fn what_is_not_the_format_is_named_by_its_line_and_never_repeated() {
        let merge = |text: &str| OsloConf::default().merge(text).unwrap_err();
        assert_eq!(merge("[a]\nhunter2\n"), ConfError::Syntax { line: 2 });
        assert_eq!(merge("[a\n"), ConfError::Syntax { line: 1 });
        assert_eq!(merge("a = hunter2\n"), ConfError::NoSection { line: 1 });
        let mut conf = OsloConf::default();
        conf.merge("[a]\nb = x$hunter2\n").unwrap();
        let error = conf.get("a", "b").unwrap_err().to_string();
        assert!(
            error.starts_with("[a]b refers") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
