//! Official service types and their aliases, as os-service-types publishes them (data of 2024-05-08).
//!
//! Types without aliases are not listed: for them official and exact are the same. The list is data, not policy.

/// Official type, then its aliases in the data's order, which is also the order of preference.
const ALIASES: &[&[&str]] = &[
    &[
        "block-storage",
        "volumev3",
        "volumev2",
        "volume",
        "block-store",
    ],
    &["shared-file-system", "sharev2", "share"],
    &["clustering", "resource-cluster", "cluster"],
    &["baremetal", "bare-metal"],
    &["resource-optimization", "infra-optim"],
    &["message", "messaging"],
    &[
        "container-infrastructure-management",
        "container-infrastructure",
        "container-infra",
    ],
    &["workflow", "workflowv2"],
    &["operator-policy", "policy"],
    &["alarm", "alarming"],
    &["meter", "metering", "telemetry"],
    &["event", "events"],
    &["application-deployment", "application_deployment"],
    &["multi-region-network-automation", "tricircle"],
    &["application-container", "container"],
    &["root-cause-analysis", "rca"],
    &["monitoring-logging", "monitoring-log-api"],
    &["instance-ha", "ha"],
    &["admin-logic", "registration"],
];

/// Whether two spellings are one after `_` became `-` in the catalog's one.
fn same(found: &str, known: &str) -> bool {
    found.len() == known.len()
        && found
            .bytes()
            .zip(known.bytes())
            .all(|(f, k)| f == k || (f == b'_' && k == b'-'))
}

/// The family a requested type belongs to: `[official, alias, ..]`; empty for types without aliases.
pub(super) fn family(requested: &str) -> &'static [&'static str] {
    ALIASES
        .iter()
        .copied()
        .find(|family| family.contains(&requested))
        .unwrap_or(&[])
}

/// Whether a catalog's type answers for a requested one (`os_service_types.is_match`, 1.10): equal; or one is an
/// alias whose official type the other is. The catalog's spelling is normalised, the requested one is not; two
/// aliases never match each other. `family` is the requested type's.
pub(super) fn is_match(requested: &str, family: &[&str], found: &str) -> bool {
    if requested == found {
        return true;
    }
    match family.split_first() {
        Some((official, aliases)) if requested == *official => {
            same(found, official) || aliases.iter().any(|alias| same(found, alias))
        }
        Some((official, _)) => same(found, official),
        None => same(found, requested) && is_official(requested),
    }
}

/// Whether normalising the catalog's spelling may lead to this type: only known types are looked up that way.
fn is_official(requested: &str) -> bool {
    const WITHOUT_ALIASES: &[&str] = &[
        "load-balancer",
        "object-store",
        "data-processing",
        "baremetal-introspection",
        "key-manager",
        "ec2-api",
        "application-catalog",
        "data-protection-orchestration",
        "log-management",
        "nfv-orchestration",
        "monitoring-events",
        "function-engine",
    ];
    WITHOUT_ALIASES.contains(&requested)
}

/// The order in which a family's catalog types are preferred (1.10 step 7): exact, official, aliases. A catalog's
/// `block_storage` counts as `block-storage`, where Nova ends in a `ValueError` (W-5).
pub(super) fn rank(requested: &str, family: &[&str], found: &str) -> usize {
    if requested == found {
        return 0;
    }
    family
        .iter()
        .position(|known| same(found, known))
        .map_or(usize::MAX, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(requested: &str, found: &str) -> bool {
        is_match(requested, family(requested), found)
    }

    #[test]
    fn aliases_answer_for_their_official_type_and_back_but_not_for_each_other() {
        assert!(matches("block-storage", "volumev3"));
        assert!(matches("volumev2", "block-storage"));
        assert!(!matches("volumev2", "volumev3"));
    }

    #[test]
    fn only_the_catalogs_spelling_is_normalised() {
        assert!(matches("block-storage", "block_storage"));
        assert!(matches("key-manager", "key_manager"));
        assert!(!matches("block_storage", "block-storage"));
        assert!(!matches("IMAGE", "image"));
        assert!(!matches("my-own", "my_own"));
    }
}
