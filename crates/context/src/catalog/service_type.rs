//! Official service types and their aliases, as os-service-types publishes them (data of 2024-05-08).
//!
//! Types without aliases are not listed: for them official and exact are the same. The list is data, not policy.

/// Where a type stands among the official ones and their aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which official type it is or stands for.
    family: &'static str,
    /// 0 for the official type, then the aliases in the order of preference.
    position: usize,
}

macro_rules! families {
    ($($official:literal $($alias:literal)*;)*) => {
        /// The place of a type, spelled exactly so.
        pub(super) fn place(name: &str) -> Option<Place> {
            let (family, names): (&str, &[&str]) = match name {
                $($official $(| $alias)* => ($official, &[$official $(, $alias)*]),)*
                _ => return None,
            };
            let position = names.iter().position(|known| *known == name)?;
            Some(Place { family, position })
        }
    };
}

// Official type, then its aliases in the data's order. Types of one word without aliases are not listed: for them
// official, exact and normalised are the same.
families! {
    "block-storage" "volumev3" "volumev2" "volume" "block-store";
    "shared-file-system" "sharev2" "share";
    "clustering" "resource-cluster" "cluster";
    "baremetal" "bare-metal";
    "resource-optimization" "infra-optim";
    "message" "messaging";
    "container-infrastructure-management" "container-infrastructure" "container-infra";
    "workflow" "workflowv2";
    "operator-policy" "policy";
    "alarm" "alarming";
    "meter" "metering" "telemetry";
    "event" "events";
    "application-deployment" "application_deployment";
    "multi-region-network-automation" "tricircle";
    "application-container" "container";
    "root-cause-analysis" "rca";
    "monitoring-logging" "monitoring-log-api";
    "instance-ha" "ha";
    "admin-logic" "registration";
    "load-balancer";
    "object-store";
    "data-processing";
    "baremetal-introspection";
    "key-manager";
    "ec2-api";
    "application-catalog";
    "data-protection-orchestration";
    "log-management";
    "nfv-orchestration";
    "monitoring-events";
    "function-engine";
}

/// The place of a type as a catalog spells it, where `_` counts as `-` (1.10).
pub(super) fn place_in_catalog(name: &str) -> Option<Place> {
    if name.contains('_') {
        place(&name.replace('_', "-"))
    } else {
        place(name)
    }
}

/// More than any family has names.
const MISSPELT: usize = 100;

/// How well a catalog's type answers for a requested one (`os_service_types.is_match`, 1.10): `None` if not at all,
/// 0 for the very same spelling, then the official type, then its aliases in their order (step 7). Two aliases never
/// answer for each other. A catalog's `block_storage` answers for `block-storage`, after all that are spelt right: Nova
/// never chooses it beside another type, and ends in a `ValueError` where it alone has an endpoint (W-5).
pub(super) fn rank(
    requested: (&str, Option<Place>),
    found: (&str, Option<Place>),
) -> Option<usize> {
    if requested.0 == found.0 {
        return Some(0);
    }
    let (asked, held) = (requested.1?, found.1?);
    let one_is_official = asked.position == 0 || held.position == 0;
    let misspelt = if found.0.contains('_') { MISSPELT } else { 0 };
    (asked.family == held.family && one_is_official).then_some(held.position + 1 + misspelt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(requested: &str, found: &str) -> bool {
        rank(
            (requested, place(requested)),
            (found, place_in_catalog(found)),
        )
        .is_some()
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
