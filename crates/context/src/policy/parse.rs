//! From a rule's text to its tree, with oslo.policy's tokens and precedence: `not`, then `and`, then `or`.
//!
//! Where oslo.policy logs and fails closed, this is an error; under `not`, its "closed" would be open.

use super::check::{Attribute, Check};
use super::problem::PolicyFault;
use super::template::Template;

/// Parentheses and `not`s nested deeper than this are refused: the tree is walked by recursion.
const MAX_DEPTH: usize = 32;

enum Token<'a> {
    Open,
    Close,
    And,
    Or,
    Not,
    Check(&'a str),
}

/// A token and the word it came from, counted from 1.
struct Tokens<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    next: usize,
}

/// Splits at white space; parentheses at a word's ends are tokens of their own, those inside (`%(x)s`) are not.
fn tokenize(text: &str) -> Result<Tokens<'_>, PolicyFault> {
    let mut tokens = Vec::new();
    for (index, whole) in text.split_whitespace().enumerate() {
        let word = index + 1;
        let opened = whole.trim_start_matches('(');
        tokens.extend((0..whole.len() - opened.len()).map(|_| (Token::Open, word)));
        let clean = opened.trim_end_matches(')');
        let quoted = opened.len() >= 2
            && [('"', '"'), ('\'', '\'')]
                .iter()
                .any(|(start, end)| opened.starts_with(*start) && opened.ends_with(*end));
        if quoted {
            return Err(PolicyFault::Check { word });
        }
        if !clean.is_empty() {
            let keyword = [("and", Token::And), ("or", Token::Or), ("not", Token::Not)];
            let keyword = keyword
                .into_iter()
                .find(|(name, _)| clean.eq_ignore_ascii_case(name));
            tokens.push((
                keyword.map_or(Token::Check(clean), |(_, token)| token),
                word,
            ));
        }
        tokens.extend((0..opened.len() - clean.len()).map(|_| (Token::Close, word)));
    }
    Ok(Tokens { tokens, next: 0 })
}

/// Reads a rule. An empty text allows everything, as in oslo.policy.
pub(super) fn parse_text(text: &str) -> Result<Check, PolicyFault> {
    let mut tokens = tokenize(text)?;
    if tokens.tokens.is_empty() {
        return match text {
            "" => Ok(Check::Always),
            _ => Err(tokens.expected("a check")),
        };
    }
    let check = tokens.any(0)?;
    match tokens.peek() {
        None => Ok(check),
        Some(_) => Err(tokens.expected("`and`, `or` or the end")),
    }
}

/// Reads the older form: an outer list of alternatives, each a check or a list of checks that must all hold.
pub(super) fn parse_list(alternatives: &[Vec<String>]) -> Result<Check, PolicyFault> {
    if alternatives.is_empty() {
        return Ok(Check::Always);
    }
    let mut any = Vec::new();
    for all in alternatives.iter().filter(|all| !all.is_empty()) {
        let checks = all
            .iter()
            .enumerate()
            .map(|(index, text)| parse_check(text, index + 1));
        any.push(one_or(checks.collect::<Result<_, _>>()?, Check::All));
    }
    Ok(match any.is_empty() {
        true => Check::Never,
        false => one_or(any, Check::Any),
    })
}

fn one_or(mut checks: Vec<Check>, many: impl Fn(Vec<Check>) -> Check) -> Check {
    match (checks.pop(), checks.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            checks.extend(last);
            many(checks)
        }
    }
}

impl Tokens<'_> {
    fn peek(&self) -> Option<&Token<'_>> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn expected(&self, expected: &'static str) -> PolicyFault {
        let last = self.tokens.last().map_or(1, |(_, word)| word + 1);
        let word = self.tokens.get(self.next).map_or(last, |(_, word)| *word);
        PolicyFault::Syntax { expected, word }
    }

    fn any(&mut self, depth: usize) -> Result<Check, PolicyFault> {
        let mut checks = vec![self.all(depth)?];
        while matches!(self.peek(), Some(Token::Or)) {
            self.next += 1;
            checks.push(self.all(depth)?);
        }
        Ok(one_or(checks, Check::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Check, PolicyFault> {
        let mut checks = vec![self.one(depth)?];
        while matches!(self.peek(), Some(Token::And)) {
            self.next += 1;
            checks.push(self.one(depth)?);
        }
        Ok(one_or(checks, Check::All))
    }

    fn one(&mut self, depth: usize) -> Result<Check, PolicyFault> {
        if depth > MAX_DEPTH {
            return Err(PolicyFault::TooDeep { limit: MAX_DEPTH });
        }
        let at = self.next;
        self.next += 1;
        match self.tokens.get(at) {
            Some((Token::Not, _)) => Ok(Check::Not(Box::new(self.one(depth + 1)?))),
            Some((Token::Check(text), word)) => parse_check(text, *word),
            Some((Token::Open, _)) => {
                let check = self.any(depth + 1)?;
                match self.peek() {
                    Some(Token::Close) => {
                        self.next += 1;
                        Ok(check)
                    }
                    _ => Err(self.expected("`)`")),
                }
            }
            _ => {
                self.next = at;
                Err(self.expected("a check, `not` or `(`"))
            }
        }
    }
}

fn parse_check(text: &str, word: usize) -> Result<Check, PolicyFault> {
    match text {
        "@" => return Ok(Check::Always),
        "!" => return Ok(Check::Never),
        _ => {}
    }
    let (kind, value) = text.split_once(':').ok_or(PolicyFault::Check { word })?;
    if kind.is_empty() || value.is_empty() {
        return Err(PolicyFault::Check { word });
    }
    let template = || Template::parse(value).ok_or(PolicyFault::Template { word });
    match kind {
        "rule" => Ok(Check::Named(value.into())),
        "role" => Ok(Check::Role(template()?)),
        "http" => Err(PolicyFault::Unsupported { kind: "http" }),
        "https" => Err(PolicyFault::Unsupported { kind: "https" }),
        _ => match (literal(kind), Attribute::parse(kind)) {
            (Some(text), _) => Ok(Check::Literal(text.into(), template()?)),
            (None, Some(attribute)) => Ok(Check::Attribute(attribute, template()?)),
            (None, None) => Err(PolicyFault::UnknownAttribute {
                name: kind.to_owned(),
            }),
        },
    }
}

/// Python's `str()` of a literal: a quoted text, `True`, `False`, `None`, a whole number.
fn literal(kind: &str) -> Option<&str> {
    let quoted = |quote: char| kind.strip_prefix(quote)?.strip_suffix(quote);
    let number = kind.strip_prefix('-').unwrap_or(kind);
    let whole = !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
        && (number == "0" || !number.starts_with('0'));
    match kind {
        "True" | "False" | "None" => Some(kind),
        _ if whole && kind != "-0" => Some(kind),
        _ => quoted('\'').or_else(|| quoted('"')),
    }
}
