//! An event as CADF JSON (DMTF DSP0262), for sinks that keep text.

use serde_json::{Map, Value, json};

use super::event::{AuditEvent, AuditOutcome};

/// The event as a CADF activity.
pub(super) fn to_cadf(event: &AuditEvent) -> Map<String, Value> {
    let mut initiator = json!({ "typeURI": "data/security/account/user" });
    initiator["id"] = json!(event.user.as_ref().map_or("unknown", |id| id.as_str()));
    if let Some(project) = &event.project {
        initiator["project_id"] = json!(project.as_str());
    }
    if let Some(request) = &event.request_id {
        initiator["request_id"] = json!(request.as_str());
    }
    if let Some(address) = event.address {
        initiator["host"] = json!({ "address": address.to_string() });
    }
    let mut record = json!({
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
        "eventType": "activity",
        "id": event.id.to_string(),
        "eventTime": format!("{}+00:00", crate::timestamp::format(event.time)),
        "action": event.action,
        "outcome": match event.outcome {
            AuditOutcome::Success => "success",
            AuditOutcome::Failure => "failure",
        },
        "initiator": initiator,
        "target": {
            "typeURI": "service/compute",
            "id": event.target.as_deref().unwrap_or("unknown"),
        },
        "observer": {
            "typeURI": "service/compute",
            "id": event.component.unwrap_or("nova-context"),
        },
    });
    if let Some(reason) = &event.reason {
        record["reason"] = json!({ "reasonType": "text", "reasonCode": reason });
    }
    if let Some(location) = event.location {
        let place = format!("{}:{}", location.file(), location.line());
        record["attachments"] = json!([{ "name": "location", "content": place }]);
    }
    match record {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
