//! Templates: a stored URL may take parts of the host's own base URL, as `{name}` (nova-facts 2.2).
//!
//! Nova runs `str.format` over the stored text, with attribute access, format specifications, `None` for missing parts
//! and the raw text on any error (W-16). Here the grammar is closed: `{name}` with a known name, `{{` and `}}` for
//! braces, and everything else is an error. Values are put in as they stand in the base URL, still percent-encoded.

use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::problem::{ProblemKind, Word};
use crate::secret::SecretText;

/// Names that exist once per URL.
const WHOLE: [&str; 4] = ["scheme", "path", "query", "fragment"];
/// Names that exist once per host; with several hosts they are numbered from 1.
const PER_HOST: [&str; 4] = ["username", "password", "hostname", "port"];

/// Templates and base URLs are a few hundred bytes; what could become longer than this is not one.
const MAX_FILLED: usize = 1 << 20;

/// The parts of a base URL that templates may name.
pub(crate) struct TemplateParts {
    values: HashMap<String, Zeroizing<String>>,
    several_hosts: bool,
}

impl TemplateParts {
    /// Splits a base URL as Python's `urlparse` does; logins end at the last `@` of their host.
    pub(crate) fn of(base: &SecretText) -> Result<Self, ProblemKind> {
        let base = base.expose();
        let (scheme, rest) = base.split_once("://").ok_or(ProblemKind::TemplateBadBase)?;
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (netloc, path) = match rest.find('/') {
            Some(at) => (&rest[..at], rest[at + 1..].trim_start_matches('/')),
            None => (rest, ""),
        };
        let mut parts = Self {
            values: HashMap::new(),
            several_hosts: netloc.contains(','),
        };
        parts.put("scheme", &scheme.to_ascii_lowercase());
        parts.put("path", path);
        parts.put("query", query);
        parts.put("fragment", fragment);
        for (n, host) in netloc.split(',').enumerate() {
            parts.put_host(
                &if parts.several_hosts {
                    (n + 1).to_string()
                } else {
                    String::new()
                },
                host,
            )?;
        }
        Ok(parts)
    }

    fn put(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.values
                .insert(name.to_owned(), Zeroizing::new(value.to_owned()));
        }
    }

    fn put_host(&mut self, index: &str, netloc: &str) -> Result<(), ProblemKind> {
        let (login, address) = netloc.rsplit_once('@').unwrap_or(("", netloc));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = match address.strip_prefix('[') {
            Some(v6) => {
                let (host, rest) = v6.split_once(']').ok_or(ProblemKind::TemplateBadBase)?;
                (host, rest.strip_prefix(':').unwrap_or(""))
            }
            None => address.split_once(':').unwrap_or((address, "")),
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ProblemKind::TemplateBadBase);
        }
        self.put(&format!("username{index}"), user);
        self.put(&format!("password{index}"), password);
        self.put(&format!("hostname{index}"), &host.to_ascii_lowercase());
        self.put(&format!("port{index}"), port);
        Ok(())
    }

    fn longest(&self) -> usize {
        self.values
            .values()
            .map(|value| value.len())
            .max()
            .unwrap_or(0)
    }

    fn value(&self, name: &str) -> Result<&str, ProblemKind> {
        if let Some(value) = self.values.get(name) {
            return Ok(value);
        }
        if WHOLE.contains(&name) {
            // Empty and not missing, for Nova too: `…/{path}?{query}` is what templates usually end with, and most base
            // URLs of buses have no query.
            return Ok("");
        }
        let word = Word::of(name);
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        match PER_HOST.contains(&stem) {
            true if stem == name && self.several_hosts => {
                Err(ProblemKind::TemplateNeedsIndex(word))
            }
            true => Err(ProblemKind::TemplateMissingPart(word)),
            false => Err(ProblemKind::TemplateUnknown(word)),
        }
    }
}

/// Fills a stored URL in. Without a base only a text without variables passes.
pub(crate) fn fill(
    template: &SecretText,
    base: Option<&SecretText>,
) -> Result<SecretText, Vec<ProblemKind>> {
    let text = template.expose();
    if !text.contains(['{', '}']) {
        return Ok(template.clone());
    }
    let parts = base
        .map(TemplateParts::of)
        .transpose()
        .map_err(|kind| vec![kind])?;
    // Long enough from the beginning: a buffer that grows leaves what it held behind.
    let longest = parts.as_ref().map_or(0, TemplateParts::longest);
    let room = text.len() + text.matches('{').count() * longest;
    if room > MAX_FILLED {
        return Err(vec![ProblemKind::TooLong(MAX_FILLED)]);
    }
    let mut filled = Zeroizing::new(String::with_capacity(room));
    let mut problems = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        filled.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            filled.push_str(brace);
            rest = after;
        } else if let (true, Some((name, after))) = (brace == "{", rest.split_once('}')) {
            rest = after;
            match variable(name, parts.as_ref()) {
                Ok(value) => filled.push_str(value),
                // Once, however often: a base URL that is missing is missing for all of them.
                Err(kind) if problems.contains(&kind) => {}
                Err(kind) => problems.push(kind),
            }
        } else {
            problems.push(ProblemKind::TemplateSyntax);
        }
    }
    filled.push_str(rest);
    if problems.is_empty() {
        Ok(SecretText::new(std::mem::take(&mut *filled)))
    } else {
        Err(problems)
    }
}

fn variable<'p>(name: &str, parts: Option<&'p TemplateParts>) -> Result<&'p str, ProblemKind> {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(ProblemKind::TemplateSyntax);
    }
    parts.ok_or(ProblemKind::TemplateWithoutBase)?.value(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "mysql+pymysql://nova:p%40ss@DB1:3306/nova?charset=utf8#frag";
    const HOSTS: &str = "rabbit://u1:p1@h1:1,u2@[FE80::2],h3:3/vh";

    fn filled(template: &str, base: &str) -> Result<String, Vec<ProblemKind>> {
        fill(&template.into(), Some(&base.into())).map(|text| text.expose().to_owned())
    }

    #[test]
    fn every_variable_of_a_url_with_one_host_is_known() {
        let all = "{scheme} {username} {password} {hostname} {port} {path} {query} {fragment}";
        let expected = "mysql+pymysql nova p%40ss db1 3306 nova charset=utf8 frag";
        assert_eq!(filled(all, BASE).as_deref(), Ok(expected));
    }

    #[test]
    fn a_part_that_ends_a_url_may_be_empty() {
        let all = "{scheme}://{username}:{password}@{hostname}:{port}/{path}?{query}";
        assert_eq!(
            filled(all, "rabbit://nova:p@mq1:5672/").as_deref(),
            Ok("rabbit://nova:p@mq1:5672/?")
        );
    }

    #[test]
    fn hosts_are_numbered_from_one() {
        let all = "{username1}:{password1}@{hostname1}:{port1},{username2}@[{hostname2}],{hostname3}:{port3}";
        assert_eq!(
            filled(all, HOSTS).as_deref(),
            Ok("u1:p1@h1:1,u2@[fe80::2],h3:3")
        );
    }

    #[test]
    fn doubled_braces_are_braces() {
        assert_eq!(
            filled("a{{b}}c{{hostname}}", BASE).as_deref(),
            Ok("a{b}c{hostname}")
        );
    }

    #[test]
    fn what_is_not_in_the_grammar_is_an_error_and_never_the_raw_text() {
        for (template, base, expected) in [
            ("{hostname.__class__}", BASE, ProblemKind::TemplateSyntax),
            ("{port:>10}", BASE, ProblemKind::TemplateSyntax),
            ("{0}", BASE, ProblemKind::TemplateUnknown(Word::of("0"))),
            ("{}", BASE, ProblemKind::TemplateSyntax),
            ("pass{word", BASE, ProblemKind::TemplateSyntax),
            ("pass}word", BASE, ProblemKind::TemplateSyntax),
            (
                "{user}",
                BASE,
                ProblemKind::TemplateUnknown(Word::of("user")),
            ),
            (
                "{port}",
                "mysql://db1/nova",
                ProblemKind::TemplateMissingPart(Word::of("port")),
            ),
            (
                "{password3}",
                HOSTS,
                ProblemKind::TemplateMissingPart(Word::of("password3")),
            ),
            (
                "{hostname9}",
                HOSTS,
                ProblemKind::TemplateMissingPart(Word::of("hostname9")),
            ),
            (
                "{hostname}",
                HOSTS,
                ProblemKind::TemplateNeedsIndex(Word::of("hostname")),
            ),
            ("{hostname}", "no-url", ProblemKind::TemplateBadBase),
        ] {
            assert_eq!(filled(template, base), Err(vec![expected]), "{template}");
        }
    }

    #[test]
    fn a_template_without_a_base_is_an_error_and_a_plain_url_needs_none() {
        let without = |text: &str| fill(&text.into(), None).map(|text| text.expose().to_owned());
        assert_eq!(
            without("rabbit://{username}:{password}@{hostname}/"),
            Err(vec![ProblemKind::TemplateWithoutBase])
        );
        assert_eq!(
            without("rabbit://{hostname}/"),
            Err(vec![ProblemKind::TemplateWithoutBase])
        );
        assert_eq!(without("rabbit://h/").as_deref(), Ok("rabbit://h/"));
        assert_eq!(without("rabbit://{{h/").as_deref(), Ok("rabbit://{h/"));
    }
}
