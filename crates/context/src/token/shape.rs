//! What kind of token a text looks like (8.4). Recognised, never required, and no reason to trust it.

/// The look of a token's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenShape {
    /// Keystone's default provider: URL-safe base64 of version `0x80`, so `gAAAA..`, of a length that
    /// 57 + 16k bytes give.
    Fernet,
    /// `header.payload.signature` in URL-safe base64; the header starts with `{"`, so `eyJ`. Readable by anybody.
    Jws,
    /// 32 hex digits, as before 2020.
    Uuid,
    /// None of these: another provider's, or made up.
    Unknown,
}

impl TokenShape {
    pub(super) fn of(text: &str) -> Self {
        let base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if text.starts_with("gAAAA") {
            let bare = text.trim_end_matches('=');
            let bytes = bare.len() * 3 / 4;
            // A 4-character group can end in 2 or 3 characters, never in 1.
            let whole = bare.len() % 4 != 1 && bytes >= 73 && (bytes - 57).is_multiple_of(16);
            if whole && bare.bytes().all(base64url) {
                return Self::Fernet;
            }
        }
        if text.starts_with("eyJ") {
            let mut parts = text.split('.');
            let plain = |part: &str| !part.is_empty() && part.bytes().all(base64url);
            let three = (parts.next(), parts.next(), parts.next(), parts.next());
            if let (Some(header), Some(payload), Some(signature), None) = three
                && [header, payload, signature].into_iter().all(plain)
            {
                return Self::Jws;
            }
        }
        if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Self::Uuid;
        }
        Self::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_of_fernet_tokens_are_recognised_with_and_without_padding() {
        for (length, fernet) in [
            (98, true),
            (162, true),
            (183, true),
            (204, true),
            (184, false),
        ] {
            let text = format!("gAAAAAB{}", "x".repeat(length - 7));
            assert_eq!(
                TokenShape::of(&text) == TokenShape::Fernet,
                fernet,
                "{length}"
            );
        }
        let padded = format!("gAAAAAB{}==", "x".repeat(98 - 7));
        assert_eq!(TokenShape::of(&padded), TokenShape::Fernet);
    }

    #[test]
    fn other_shapes_are_told_apart() {
        let jws = format!(
            "eyJhbGciOiJFUzI1NiJ9.{}.{}",
            "p".repeat(300),
            "s".repeat(86)
        );
        assert_eq!(TokenShape::of(&jws), TokenShape::Jws);
        assert_eq!(
            TokenShape::of("eyJhbGciOiJFUzI1NiJ9..x"),
            TokenShape::Unknown
        );
        assert_eq!(TokenShape::of(&"0af1".repeat(8)), TokenShape::Uuid);
        assert_eq!(TokenShape::of("opaque"), TokenShape::Unknown);
    }
}
