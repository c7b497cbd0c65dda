//! Reads the few options of a nova.conf that say where the API database is, what templates are filled with, and how
//! connections are made.
//!
//! The format is oslo.config's, which general INI readers get wrong in ways that matter for URLs with passwords: `#` and
//! `;` start a comment only at the start of a line, quotes around a value are dropped, a line that begins with a blank
//! continues the one before. `$$` is a dollar sign, `$name` the value of another option, and a `$` that starts no name is
//! itself. What a reference names has to be in the files: the defaults of Nova's many options are not known here.
//!
//! A variable `OS_GROUP__OPTION` of the environment is an option's value before all files, as for oslo.config.

use std::collections::HashMap;
use std::ffi::OsString;

use cells::SecretText;

/// Options by section and name, values still secret: nearly every URL has a password.
#[derive(Debug, Default)]
pub(crate) struct OsloConf {
    values: HashMap<(String, String), SecretText>,
    /// By the variables' own names.
    environment: HashMap<String, SecretText>,
}

/// A line that is not in the format, or a value that cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfError {
    #[error("line {line}: expected `[section]`, `option = value`, or a comment")]
    Syntax { line: usize },
    #[error("line {line}: an option before the first `[section]`")]
    NoSection { line: usize },
    #[error(
        "[{section}]{option} refers with `$` to an option that has no value in the given files; write the value itself, \
         and `$$` for a dollar sign"
    )]
    Reference { section: String, option: String },
}

impl OsloConf {
    /// Takes options over from variables of the environment; others, and what is not UTF-8, are passed over.
    pub(crate) fn take_environment(
        &mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) {
        for (name, value) in variables {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string())
                && name.starts_with("OS_")
                && name.contains("__")
            {
                self.environment.insert(name, SecretText::new(value));
            }
        }
    }

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
                section = Some(group(name));
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
        let Some(raw) = self.raw(section, option) else {
            return Ok(None);
        };
        let mut value = String::with_capacity(raw.len());
        let mut left = MAX_REFERENCES;
        if self.put(&mut value, section, raw, &mut left).is_none() {
            return Err(ConfError::Reference {
                section: section.to_owned(),
                option: option.to_owned(),
            });
        }
        Ok(Some(SecretText::new(value)).filter(|value| !value.expose().is_empty()))
    }

    fn raw(&self, section: &str, option: &str) -> Option<&str> {
        let variable = format!(
            "OS_{}__{}",
            section.to_ascii_uppercase(),
            option.to_ascii_uppercase()
        );
        let key = (section.to_owned(), option.to_owned());
        let found = self.environment.get(&variable);
        found
            .or_else(|| self.values.get(&key))
            .map(SecretText::expose)
    }

    /// Adds a value with its references followed, as `string.Template.safe_substitute` does; nothing where one of them
    /// leads nowhere, in a circle, or to more text than any value has.
    fn put(&self, to: &mut String, section: &str, raw: &str, left: &mut usize) -> Option<()> {
        let mut rest = raw;
        while let Some(at) = rest.find('$') {
            // oslo.config takes `\$` for `$$` first of all.
            let plain = rest[..at].strip_suffix('\\');
            let escaped = plain.is_some();
            to.push_str(plain.unwrap_or(&rest[..at]));
            rest = &rest[at + 1..];
            if escaped {
                to.push('$');
            } else if let Some(after) = rest.strip_prefix('$') {
                to.push('$');
                rest = after;
            } else if let Some((name, after)) = reference(rest) {
                rest = after;
                let (section, value) = self.referred(section, name)?;
                *left = left.checked_sub(1)?;
                self.put(to, section, value, left)?;
            } else {
                to.push('$');
            }
        }
        to.push_str(rest);
        (to.len() <= MAX_BYTES).then_some(())
    }

    /// `name` is of the same section or else of `[DEFAULT]`, `section.name` of that section.
    fn referred<'a>(&'a self, section: &'a str, name: &'a str) -> Option<(&'a str, &'a str)> {
        match name.split_once('.') {
            Some((section, name)) => self.raw(section, name).map(|value| (section, value)),
            None => [section, "DEFAULT"]
                .into_iter()
                .find_map(|section| self.raw(section, name).map(|value| (section, value))),
        }
    }
}

/// References that one value follows, those of what they name counted: more is a circle, or as good as one.
const MAX_REFERENCES: usize = 64;

/// What a value may be after its references were followed: more than the longest URL that anybody reads.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// oslo.config takes the names of sections without case, but for its own.
fn group(name: &str) -> String {
    match name {
        "DEFAULT" => name.to_owned(),
        _ => name.to_ascii_lowercase(),
    }
}

/// The name after a `$`, bare or in braces, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (inside, braced) = match text.strip_prefix('{') {
        Some(inside) => (inside, true),
        None => (text, false),
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
    inside.starts_with(starts).then_some(())?;
    let (name, after) = inside.split_at(inside.find(|c| !named(c)).unwrap_or(inside.len()));
    match braced {
        true => after.strip_prefix('}').map(|after| (name, after)),
        false => Some((name, after)),
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
    fn a_dollar_sign_that_starts_no_name_is_itself() {
        // Each was put to oslo.config itself.
        for (written, meant) in [
            ("p$5x$", "p$5x$"),
            ("$$$5$$", "$$5$"),
            ("a\\$my_ip", "a$my_ip"),
            ("x${my-ip}${", "x${my-ip}${"),
            ("$é", "$é"),
        ] {
            let text = format!("[database]\nconnection = {written}\n");
            assert_eq!(
                value(&text, "database", "connection").as_deref(),
                Some(meant),
                "{written}"
            );
        }
    }

    #[test]
    fn a_reference_is_the_value_of_the_option_that_it_names() {
        let text = "[DEFAULT]\nmy_ip = h$a\na = 7\n[Database]\nport = 3306\n\
            connection = mysql://u@$my_ip:${database.port}/d$$x\n[other]\nport = 1\n";
        assert_eq!(
            value(text, "database", "connection").as_deref(),
            Some("mysql://u@h7:3306/d$x")
        );
    }

    #[test]
    fn references_that_lead_nowhere_or_in_a_circle_are_refused() {
        for text in [
            "[a]\nb = $a.c\n",
            "[DEFAULT]\nmy_ip = 1\n[a]\nb = x$my_ip.y\n",
            "[DEFAULT]\nmy_ip = 1\n[a]\nb = $MY_IP\n",
            "[a]\nb = $b\n",
            "[a]\nb = $c$c\nc = $b$b\n",
        ] {
            let mut conf = OsloConf::default();
            conf.merge(text).unwrap();
            assert!(conf.get("a", "b").is_err(), "{text}");
        }
    }

    #[test]
    fn the_environment_wins_over_all_files_and_is_referred_to_like_them() {
        let mut conf = OsloConf::default();
        let file = "[database]\nconnection = file\nother = $connection\n[oslo_messaging_rabbit]\nssl = no\n";
        conf.merge(file).unwrap();
        conf.take_environment(
            [
                ("OS_DATABASE__CONNECTION", "mysql://$who@h/d"),
                ("OS_DATABASE__WHO", "u$$x"),
                ("OS_OSLO_MESSAGING_RABBIT__SSL", ""),
                ("OS_AUTH_URL", "http://k/"),
                ("DATABASE__OTHER", "x"),
            ]
            .map(|(name, value)| (name.into(), value.into())),
        );
        let get = |section: &str, option: &str| {
            let value = conf.get(section, option).unwrap();
            value.map(|value| value.expose().to_owned())
        };
        for option in ["connection", "other"] {
            let expected = Some("mysql://u$x@h/d");
            assert_eq!(get("database", option).as_deref(), expected, "{option}");
        }
        assert_eq!(get("oslo_messaging_rabbit", "ssl"), None);
        assert_eq!(get("DEFAULT", "auth_url"), None);
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
