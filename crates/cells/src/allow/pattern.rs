//! Patterns with `*`: for host names, database names, virtual hosts and files. Nothing else is special.

/// A text in which `*` stands for any characters, none included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(String);

/// What `*` does not stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Nothing,
    /// A folder's end, in paths.
    Slash,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Time in proportion to the product of both lengths at worst, whatever the pattern.
    pub(super) fn matches(&self, text: &str, stop: Stop) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        // Where the latest `*` is, and where the text goes on after what it stands for.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            if p < pattern.len() && pattern[p] == b'*' {
                star = Some((p, t));
                p += 1;
            } else if p < pattern.len() && pattern[p] == text[t] {
                p += 1;
                t += 1;
            } else if let Some((at, after)) = star
                && !(stop == Stop::Slash && text[after] == b'/')
            {
                star = Some((at, after + 1));
                p = at + 1;
                t = after + 1;
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|b| *b == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_in_paths_for_anything_within_a_folder() {
        let any = |pattern: &str, text: &str| Pattern::new(pattern).matches(text, Stop::Nothing);
        assert!(any("nova_cell*", "nova_cell1") && any("nova_cell*", "nova_cell"));
        assert!(any("*.db.example", "a.b.db.example") && any("*", "") && any("a*b*c", "axbxbc"));
        assert!(!any("*.db.example", "db.example") && !any("a*b", "abc") && !any("", "a"));
        assert!(!any("db1.example", "db1xexample"), "a dot is a dot");
        let path = |pattern: &str, text: &str| Pattern::new(pattern).matches(text, Stop::Slash);
        assert!(path("/var/lib/*/*.sqlite", "/var/lib/nova/c1.sqlite"));
        assert!(!path("/var/lib/*.sqlite", "/var/lib/nova/c1.sqlite"));
    }

    #[test]
    fn a_hostile_pattern_takes_no_more_than_its_length_times_the_texts() {
        let pattern = Pattern::new(&format!("{}b", "a*".repeat(200)));
        assert!(!pattern.matches(&"a".repeat(5000), Stop::Nothing));
    }
}
