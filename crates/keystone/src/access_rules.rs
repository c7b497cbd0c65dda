//! Access rules: what an application credential's owner lets it be used for, by service, method and path (nova-facts 8.1).
//!
//! Keystone stores them and hands them out; services enforce them. Patterns are Keystone's: `*` and `{name}` stand for one
//! segment of a path, `**` for any text. Unlike keystonemiddleware, which makes a regular expression of them, everything
//! else stands for itself (there a `.` matches any character), a brace without its partner makes a rule that allows
//! nothing (there it is dropped), and a path with `.` or `..` segments is allowed by no rule, since somebody behind this
//! check could resolve them.

use context::RequestLine;

/// The longest pattern that is looked at, in bytes; Keystone takes 225 characters.
const MAX_PATTERN: usize = 1024;
/// The longest path that a rule can allow, in bytes.
const MAX_PATH: usize = 1024;

/// All that an application credential may be used for; where there are no rules in it, nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRules(Vec<AccessRule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct AccessRule {
    service: String,
    method: String,
    path: Vec<Unit>,
}

/// A part of a pattern that stands for one byte of a path or for any number of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Byte(u8),
    /// One byte that is not `/`.
    InSegment,
    /// Any number of bytes that are not `/`.
    RestOfSegment,
    /// Any number of bytes.
    Anything,
}

impl AccessRules {
    /// Adds a rule. One whose pattern makes no sense allows nothing, so it is left out.
    pub(crate) fn add(&mut self, service: String, method: String, pattern: &str) {
        match units(pattern.as_bytes()) {
            Some(path) => self.0.push(AccessRule {
                service,
                method,
                path,
            }),
            None => tracing::warn!("an access rule with a malformed path allows nothing"),
        }
    }

    /// Whether one of them allows this request to a service of this type. Types and methods are compared as they are, as
    /// in keystonemiddleware: no aliases, and `GET` is not `HEAD`.
    #[must_use]
    pub fn allow(&self, service_type: &str, asked: RequestLine<'_>) -> bool {
        if asked.path.len() > MAX_PATH || has_dots(asked.path) {
            return false;
        }
        self.0.iter().any(|rule| {
            rule.service == service_type
                && rule.method == asked.method
                && matches(&rule.path, asked.path.as_bytes())
        })
    }
}

/// Whether a segment leads elsewhere than it seems to, written out or percent-encoded.
fn has_dots(path: &str) -> bool {
    path.split('/').any(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    })
}

fn units(pattern: &[u8]) -> Option<Vec<Unit>> {
    if pattern.len() > MAX_PATTERN {
        return None;
    }
    let mut units = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    loop {
        rest = match rest {
            [] => return Some(units),
            [b'*', b'*', rest @ ..] => {
                units.push(Unit::Anything);
                rest
            }
            [b'*', rest @ ..] => {
                units.extend([Unit::InSegment, Unit::RestOfSegment]);
                rest
            }
            [b'{', rest @ ..] => {
                let end = rest.iter().position(|byte| *byte == b'}')?;
                units.extend([Unit::InSegment, Unit::RestOfSegment]);
                &rest[end + 1..]
            }
            [b'}', ..] => return None,
            [byte, rest @ ..] => {
                units.push(Unit::Byte(*byte));
                rest
            }
        };
    }
}

/// Walks all ways through the pattern at once, so that no pattern takes longer than its length times the path's.
fn matches(units: &[Unit], path: &[u8]) -> bool {
    let mut here = vec![false; units.len() + 1];
    here[0] = true;
    skip_empty(units, &mut here);
    for byte in path {
        let mut next = vec![false; units.len() + 1];
        for (at, unit) in units.iter().enumerate().filter(|(at, _)| here[*at]) {
            match unit {
                Unit::Byte(expected) => next[at + 1] |= expected == byte,
                Unit::InSegment => next[at + 1] |= *byte != b'/',
                Unit::RestOfSegment => next[at] |= *byte != b'/',
                Unit::Anything => next[at] = true,
            }
        }
        skip_empty(units, &mut next);
        if !next.contains(&true) {
            return false;
        }
        here = next;
    }
    here[units.len()]
}

/// What may stand for nothing may be passed.
fn skip_empty(units: &[Unit], here: &mut [bool]) {
    for (at, unit) in units.iter().enumerate() {
        if here[at] && matches!(unit, Unit::RestOfSegment | Unit::Anything) {
            here[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(pattern: &str, path: &str) -> bool {
        let mut rules = AccessRules::default();
        rules.add("compute".into(), "GET".into(), pattern);
        let asked = RequestLine {
            method: "GET",
            path,
        };
        rules.allow("compute", asked)
    }

    #[test]
    fn patterns_are_keystones() {
        for (pattern, path) in [
            ("/v2.1/servers", "/v2.1/servers"),
            ("/v2.1/servers/{server_id}", "/v2.1/servers/s1"),
            ("/v2.1/servers/*/action", "/v2.1/servers/s1/action"),
            ("/v2.1/**", "/v2.1/servers/s1/action"),
            ("/v2.1/**", "/v2.1/"),
            ("**", "/anything/at/all"),
            ("/v2.1/s*s", "/v2.1/servers"),
            ("/***", "/a"),
            ("/{a/b}", "/c"),
        ] {
            assert!(allowed(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/v2.1/servers", "/v2.1/servers/"),
            ("/v2.1/servers", "/v2.1/server"),
            ("/v2.1/servers/{server_id}", "/v2.1/servers/"),
            ("/v2.1/servers/{server_id}", "/v2.1/servers/s1/action"),
            ("/v2.1/*", "/v2.1/servers/s1"),
            ("/v2.1/**", "/v2.1"),
            ("", "/"),
        ] {
            assert!(!allowed(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn what_means_something_in_a_regular_expression_stands_for_itself() {
        assert!(!allowed("/v2.1/servers", "/v2x1/servers"));
        assert!(!allowed("/a|/.", "/a"));
        assert!(allowed("/a(b", "/a(b"));
    }

    #[test]
    fn braces_without_partner_allow_nothing() {
        for pattern in ["/a{", "/a}", "/{", "}", "/a{b", "/{a}}"] {
            for path in ["/a", "/a{", "/a}", "/", "/ab"] {
                assert!(!allowed(pattern, path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_allowed_by_nothing() {
        for path in [
            "/v2.1/servers/..",
            "/v2.1/servers/../flavors",
            "/v2.1/./servers",
            "/v2.1/%2e%2E/os-services",
            "/v2.1/.%2e/os-services",
        ] {
            assert!(!allowed("**", path), "{path}");
        }
        assert!(allowed("**", "/v2.1/a.b/...") && allowed("**", "/a/.hidden"));
        assert!(!allowed("**", &"/a".repeat(600)));
    }

    #[test]
    fn service_method_and_path_must_all_be_those_of_one_rule() {
        let mut rules = AccessRules::default();
        rules.add("compute".into(), "GET".into(), "/servers");
        rules.add("compute".into(), "POST".into(), "/flavors");
        let asks = |service: &str, method: &str, path: &str| {
            rules.allow(service, RequestLine { method, path })
        };
        assert!(asks("compute", "GET", "/servers") && asks("compute", "POST", "/flavors"));
        assert!(!asks("compute", "POST", "/servers") && !asks("compute", "HEAD", "/servers"));
        assert!(!asks("image", "GET", "/servers") && !asks("compute", "get", "/servers"));
        let none = AccessRules::default();
        let asked = RequestLine {
            method: "GET",
            path: "/",
        };
        assert!(!none.allow("compute", asked));
    }

    #[test]
    fn no_pattern_takes_longer_than_its_length_times_the_paths() {
        let pattern = "/**a".repeat(250);
        let path = format!("/{}", "a".repeat(1000));
        assert!(!allowed(&format!("{pattern}b"), &path));
    }
}
