//! The bytes of a cursor: a version, the query's fingerprint, where the list goes on, the gaps.
//!
//! Every length is checked against what is there, so that no bytes, signed or not, make the reader panic or allocate
//! without bound.

use cells::CellId;
use uuid::Uuid;

use crate::order::{SortValue, Stamp, Weight};
use crate::sql::{Collation, Range, TextRule};

use super::{CursorError, Fingerprint, Gap, Next, PageCursor};

const VERSION: u8 = 2;

pub(super) fn encode(cursor: &PageCursor) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend(cursor.query.0);
    match &cursor.next {
        Next::Start => out.push(0),
        Next::After(position) => {
            out.push(1);
            put_position(&mut out, position);
        }
        Next::End => out.push(2),
    }
    put_rule(&mut out, cursor.rule.as_ref());
    for gap in &cursor.gaps {
        out.extend(gap.cell.uuid().as_bytes());
        for end in [&gap.range.after, &gap.range.upto] {
            out.push(u8::from(end.is_some()));
            if let Some(position) = end {
                put_position(&mut out, position);
            }
        }
    }
    out
}

fn put_rule(out: &mut Vec<u8>, rule: Option<&TextRule>) {
    match rule {
        None => out.push(0),
        Some(TextRule::Bytes) => out.push(1),
        Some(TextRule::Collations(all)) => {
            out.push(2);
            put_length(out, all.len());
            for collation in all {
                put_bytes(out, collation.name.as_bytes());
                put_bytes(out, &collation.pad);
            }
        }
    }
}

fn put_position(out: &mut Vec<u8>, position: &[SortValue]) {
    put_length(out, position.len());
    for value in position {
        match value {
            SortValue::Null => out.push(0),
            SortValue::Bool(truth) => out.extend([1, u8::from(*truth)]),
            SortValue::Int(number) => {
                out.push(2);
                out.extend(number.to_be_bytes());
            }
            SortValue::Time(stamp) => {
                out.push(3);
                put_bytes(out, stamp.to_string().as_bytes());
            }
            SortValue::Text(text) => {
                out.push(4);
                put_bytes(out, text.as_bytes());
            }
            SortValue::Weighed { text, weight } => {
                out.push(5);
                put_bytes(out, text.as_bytes());
                put_bytes(out, weight.bytes());
                put_bytes(out, weight.pad());
            }
        }
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend(bytes);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    // Columns hold at most 64 KiB; a cut length would only make the cursor unreadable.
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

pub(super) fn decode(bytes: &[u8]) -> Result<PageCursor, CursorError> {
    let mut reader = Reader(bytes);
    if reader.byte()? != VERSION {
        return Err(CursorError::Version);
    }
    let query = Fingerprint(reader.array()?);
    let next = match reader.byte()? {
        0 => Next::Start,
        1 => Next::After(reader.position()?),
        2 => Next::End,
        _ => return Err(CursorError::Foreign),
    };
    let rule = reader.rule()?;
    let mut gaps = Vec::new();
    while !reader.0.is_empty() {
        let cell = CellId::new(Uuid::from_bytes(reader.array()?));
        let range = Range {
            after: reader.end()?,
            upto: reader.end()?,
        };
        gaps.push(Gap { cell, range });
    }
    Ok(PageCursor {
        query,
        next,
        rule,
        gaps,
        parts: Vec::new(),
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], CursorError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(CursorError::Foreign)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CursorError> {
        self.take(N)?.try_into().map_err(|_| CursorError::Foreign)
    }

    fn byte(&mut self) -> Result<u8, CursorError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn length(&mut self) -> Result<usize, CursorError> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| CursorError::Foreign)
    }

    fn bytes(&mut self) -> Result<&'a [u8], CursorError> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, CursorError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| CursorError::Foreign)
    }

    fn end(&mut self) -> Result<Option<Vec<SortValue>>, CursorError> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.position().map(Some),
            _ => Err(CursorError::Foreign),
        }
    }

    fn position(&mut self) -> Result<Vec<SortValue>, CursorError> {
        // Not reserved in advance: the count may lie, the bytes that follow cannot.
        (0..self.length()?).map(|_| self.value()).collect()
    }

    fn rule(&mut self) -> Result<Option<TextRule>, CursorError> {
        Ok(match self.byte()? {
            0 => None,
            1 => Some(TextRule::Bytes),
            2 => {
                let all = (0..self.length()?).map(|_| {
                    let (name, pad) = (self.text()?.to_owned(), self.bytes()?.to_vec());
                    Ok(Collation { name, pad })
                });
                Some(TextRule::Collations(all.collect::<Result<_, _>>()?))
            }
            _ => return Err(CursorError::Foreign),
        })
    }

    fn value(&mut self) -> Result<SortValue, CursorError> {
        Ok(match self.byte()? {
            0 => SortValue::Null,
            1 => SortValue::Bool(self.byte()? != 0),
            2 => SortValue::Int(i64::from_be_bytes(self.array()?)),
            3 => SortValue::Time(Stamp::parse(self.text()?).map_err(|_| CursorError::Foreign)?),
            4 => SortValue::Text(self.text()?.to_owned()),
            5 => SortValue::Weighed {
                text: self.text()?.to_owned(),
                weight: Weight::new(self.bytes()?.to_vec(), self.bytes()?),
            },
            _ => return Err(CursorError::Foreign),
        })
    }
}
