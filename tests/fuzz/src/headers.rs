//! Identity headers from an upstream, one per line: `name: value`.

use context::{Guard, InvalidHeaders, UpstreamTrust, VerifiedHeaders, is_identity_header};

use crate::text::{check_debug, check_error};

pub(crate) fn run(data: &[u8]) {
    let mut headers: Vec<(&str, &[u8])> = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some(at) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let Ok(name) = std::str::from_utf8(&line[..at]) else {
            continue;
        };
        headers.push((name, &line[at + 1..]));
    }
    let confirmed = headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("x-identity-status") && value.trim_ascii() == b"Confirmed"
    });
    let read =
        VerifiedHeaders::from_upstream(headers.iter().copied(), UpstreamTrust::because("a test"));
    // What is no identity header makes no difference.
    let only = headers
        .iter()
        .copied()
        .filter(|(name, _)| is_identity_header(name));
    let again = VerifiedHeaders::from_upstream(only, UpstreamTrust::because("a test"));
    assert_eq!(read.as_ref().err(), again.as_ref().err());
    match read {
        Ok(verified) => {
            assert!(confirmed, "nobody confirmed this identity");
            check_debug(&verified, data.len() + 64);
            assert!(verified.tokens().count() <= 2);
            let ctx = verified.context(Guard::default().into(), None, None, None);
            assert!(ctx.identity().user.id.is_some());
            assert!(ctx.identity().system_scope.is_none() || ctx.identity().project.id.is_none());
            check_debug(&ctx, data.len() + 64);
        }
        Err(error) => {
            check_error(&error, data.len());
            if let InvalidHeaders::Problems(problems) = error {
                assert!(!problems.is_empty());
                assert!(problems.len() <= headers.len() + 8);
            }
        }
    }
}
