//! Whatever is read, nothing panics, nothing is believed that was not made by who should have made it, and no text of a
//! URL comes back in an error.

use std::sync::Arc;

use nova_cells::{
    AllowList, CellMapping, GatePolicy, InvalidationGate, InvalidationKey, RawCellMapping,
    RevisionKey, SealKeyring, SealManifest, SealingKey, SystemClock, UrlDefaults, Verdict,
};
use proptest::prelude::*;

/// Texts near what is expected, so that more than the first check is reached.
fn near_urls() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("rabbit"),
        Just("mysql+pymysql"),
        Just("postgresql"),
        Just("sqlite"),
        Just("none"),
        Just("fake"),
        Just("rediss"),
        Just("://"),
        Just("/"),
        Just(":"),
        Just("@"),
        Just(","),
        Just("?"),
        Just("&"),
        Just("="),
        Just("#"),
        Just("["),
        Just("]"),
        Just("::1"),
        Just("{"),
        Just("}"),
        Just("{hostname}"),
        Just("{password1}"),
        Just("%"),
        Just("%2F"),
        Just("%ff"),
        Just("%00"),
        Just("host"),
        Just("ssl"),
        Just("ssl_ca"),
        Just("10.0.0.1"),
        Just("65536"),
        Just("5672"),
        Just("SEKRET"),
        Just("\u{1f980}"),
        Just("\n"),
        Just(" "),
        Just("+"),
    ];
    prop_oneof![
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat()),
        ".*",
    ]
}

fn mapping(
    uuid: &str,
    database: &str,
    transport: &str,
    base: Option<&str>,
) -> Result<CellMapping, String> {
    let raw = RawCellMapping {
        uuid: uuid.into(),
        name: Some("c".into()),
        database_connection: Some(database.into()),
        transport_url: Some(transport.into()),
        disabled: false,
    };
    let defaults = UrlDefaults {
        database: base.map(Into::into),
        transport: base.map(Into::into),
        ..UrlDefaults::default()
    };
    CellMapping::parse(&raw, &defaults, &RevisionKey::from_bytes(b"k"))
        .map_err(|invalid| format!("{invalid} {invalid:?}"))
}

const CELL: &str = "6d5bd30e-147b-44db-9ceb-1a392e756c36";

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_mapping_or_an_error(uuid in ".{0,40}", database in near_urls(), transport in near_urls(), base in near_urls()) {
        for uuid in [CELL, uuid.as_str()] {
            if let Ok(mapping) = mapping(uuid, &database, &transport, Some(&base)) {
                let (shown, debug) = (mapping.database().to_string(), format!("{mapping:?}"));
                prop_assert!(debug.contains(&shown));
            }
        }
    }

    #[test]
    fn a_password_never_comes_back_in_print(
        secret in "[A-Za-z0-9]{12,20}",
        before in near_urls(), after in near_urls(),
    ) {
        let secret = format!("Zq{secret}");
        for url in [
            format!("mysql://nova:{secret}@h/d{after}"),
            format!("rabbit://nova:{secret}@h/v{after}"),
            format!("rabbit://nova:{secret}{after}@h/"),
            format!("{before}://nova:{secret}@h/"),
            format!("mysql://nova:{secret}@h/d?password={secret}"),
        ] {
            for (database, transport) in [(url.as_str(), "rabbit://h/"), ("sqlite:///x", url.as_str())] {
                let shown = match mapping(CELL, database, transport, Some(&url)) {
                    Ok(mapping) => format!("{mapping:?} {} {}", mapping.database(), mapping.transport()),
                    Err(error) => error,
                };
                // A text that ends the login early makes the rest a host or a path: not a password any more.
                let still_password = !after.contains(['@', '/', '?', '#', ',']) && !before.contains(['{', '}']);
                prop_assert!(!still_password || !shown.contains(&secret), "{}", shown);
            }
        }
    }

    #[test]
    fn an_allow_list_of_any_text_is_read_or_refused(text in ".*", schemes in ".*", networks in ".*") {
        let _whatever = AllowList::parse(&text);
        let near = format!("version = 1\n[[database]]\nschemes = [{schemes:?}, \"mysql\"]\nnetworks = [{networks:?}]\nports = [1]\nnames = [{text:?}]\ntls = \"optional\"");
        let _whatever = AllowList::parse(&near);
    }

    #[test]
    fn a_learned_list_lets_its_own_mapping_pass(name in "[a-zA-Z0-9._-]{1,40}", vhost in "[^\u{0}-\u{1f}\u{7f}-\u{9f}/?#]{0,20}", port in 1..=u16::MAX) {
        let escaped: String = vhost.bytes().map(|b| format!("%{b:02x}")).collect();
        if let Ok(mapping) = mapping(CELL, &format!("mysql://h:{port}/{name}"), &format!("rabbit://mq:{port}/{escaped}"), None) {
            let text = AllowList::learn([&mapping], |_| Vec::new());
            let list = AllowList::parse(&text);
            prop_assert!(list.is_ok_and(|list| list.check(&mapping).is_ok() || vhost.contains('*')), "{}", text);
        }
    }

    #[test]
    fn key_files_manifests_and_messages_of_any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0..400_usize) {
        let now = std::time::SystemTime::now();
        let Ok(key) = SealingKey::generate(now) else { return Ok(()) };
        prop_assert!(SealingKey::parse(&bytes).is_err());
        prop_assert!(SealManifest::parse(&bytes).is_err());
        prop_assert!(InvalidationKey::parse(&bytes).is_err());
        let mut ring = SealKeyring::default();
        let trusted = key.trusted().to_text();
        let _whatever = ring.add_file(&bytes);
        // A good file, cut and continued with anything.
        let cut = cut.min(trusted.len() - 1);
        let spliced = [&trusted.as_bytes()[..cut], &bytes].concat();
        let read = SealKeyring::default().add_file(&spliced);
        prop_assert!(cut == 0 || read.is_err() || spliced.starts_with(trusted.as_bytes()) || bytes.is_empty());
        if let Ok(own) = InvalidationKey::generate() {
            let gate = InvalidationGate::new(own, GatePolicy::default(), Arc::new(SystemClock));
            prop_assert!(matches!(gate.judge(&bytes), Verdict::Malformed | Verdict::Forged));
        }
    }
}
