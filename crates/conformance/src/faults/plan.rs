//! What is broken, how and when; and the moment, found in the bytes as they pass.

use std::time::Duration;

/// A way to break a connection. Each breaks what the server says from the chosen moment on; what the client says still
/// arrives, unless the whole connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing comes any more, and nothing ends: a firewall that forgot, a host that froze.
    BlackHole,
    /// Both connections end with a reset.
    Reset,
    /// One byte comes in each such interval.
    Drip(Duration),
    /// Bytes that mean nothing come instead, once, as many as the server would have sent.
    Garbage,
    /// The server's side ends in order, as if it had said everything.
    HalfClose,
    /// New connections are refused by the system. The moment is of no meaning; connections that are there stay.
    Refuse,
    /// New connections are not even accepted: the system's queue is full, and nobody is told. Likewise.
    Ignore,
}

/// One thing that has to happen before a fault sets in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The client has sent this text; it reaches the server.
    ClientSays(Vec<u8>),
    /// The server has sent this text; it reaches the client.
    ServerSays(Vec<u8>),
    /// The server has sent so many bytes more, which reach the client.
    ServerBytes(u64),
}

/// One fault and its moment.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) fault: Fault,
    pub(super) steps: Vec<Step>,
}

/// How far one conversation has come in its plan.
#[derive(Debug)]
pub(super) struct Progress {
    plan: Option<Plan>,
    step: usize,
    bytes: u64,
    /// The end of what the side has said that the current step listens to: a text may come in pieces.
    heard: Vec<u8>,
}

impl Progress {
    pub(super) fn new(plan: Option<Plan>) -> Self {
        Self {
            plan,
            step: 0,
            bytes: 0,
            heard: Vec::new(),
        }
    }

    /// The fault, once its moment has come.
    pub(super) fn fault(&self) -> Option<Fault> {
        let plan = self.plan.as_ref()?;
        (self.step >= plan.steps.len()).then_some(plan.fault)
    }

    fn current(&self) -> Option<&Step> {
        self.plan.as_ref()?.steps.get(self.step)
    }

    fn next(&mut self) {
        self.step += 1;
        self.bytes = 0;
        self.heard.clear();
    }

    pub(super) fn client_said(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(Step::ClientSays(text)) = self.current().cloned() {
            match after(&mut self.heard, text, rest) {
                Some(end) => {
                    rest = &rest[end..];
                    self.next();
                }
                None => return,
            }
        }
    }

    /// How many of these bytes still come before the fault.
    pub(super) fn server_said(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        loop {
            if self.fault().is_some() {
                return at;
            }
            let rest = &bytes[at..];
            match self.current().cloned() {
                Some(Step::ServerBytes(count)) => {
                    let missing = count - self.bytes;
                    let here = rest.len() as u64;
                    if here < missing {
                        self.bytes += here;
                        return bytes.len();
                    }
                    at += usize::try_from(missing).unwrap_or(rest.len());
                    self.next();
                }
                Some(Step::ServerSays(text)) => match after(&mut self.heard, text, rest) {
                    Some(end) => {
                        at += end;
                        self.next();
                    }
                    None => return bytes.len(),
                },
                Some(Step::ClientSays(_)) | None => return bytes.len(),
            }
        }
    }
}

/// Where the text ends in these bytes, which may hold only the last part of it.
fn after(heard: &mut Vec<u8>, text: Vec<u8>, bytes: &[u8]) -> Option<usize> {
    let before = heard.len();
    heard.extend_from_slice(bytes);
    let found = heard
        .windows(text.len().max(1))
        .position(|window| window == text);
    if let Some(start) = found {
        return Some((start + text.len()).saturating_sub(before));
    }
    let keep = heard.len().min(text.len().saturating_sub(1));
    heard.drain(..heard.len() - keep);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(steps: &[Step]) -> Progress {
        Progress::new(Some(Plan {
            fault: Fault::Reset,
            steps: steps.to_vec(),
        }))
    }

    #[test]
    fn a_fault_without_a_moment_is_there_from_the_first_byte() {
        assert_eq!(progress(&[]).server_said(b"hello"), 0);
        let mut healthy = Progress::new(None);
        assert_eq!(healthy.server_said(b"hello"), 5);
        assert_eq!(healthy.fault(), None);
    }

    #[test]
    fn bytes_are_counted_over_several_pieces() {
        let mut progress = progress(&[Step::ServerBytes(7)]);
        assert_eq!(progress.server_said(b"1234"), 4);
        assert_eq!(progress.fault(), None);
        assert_eq!(progress.server_said(b"5678"), 3);
        assert_eq!(progress.fault(), Some(Fault::Reset));
    }

    #[test]
    fn a_text_is_found_across_pieces_and_steps_follow_each_other() {
        let mut progress = progress(&[
            Step::ClientSays(b"SELECT".to_vec()),
            Step::ServerSays(b"row 2".to_vec()),
            Step::ServerBytes(1),
        ]);
        // Said before its turn, it does not count.
        assert_eq!(progress.server_said(b"row 2"), 5);
        progress.client_said(b"xxSEL");
        progress.client_said(b"ECT *");
        assert_eq!(progress.server_said(b"row 1 ro"), 8);
        assert_eq!(progress.server_said(b"w 2 row 3"), 4);
        assert_eq!(progress.fault(), Some(Fault::Reset));
    }
}
