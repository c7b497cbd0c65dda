//! Decisions: oslo.policy over generated rules, Nova over its own defaults, and what we decide.
//!
//! The contexts are plain ones: how an odd context is read is compared elsewhere.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use context::{
    InvalidWire, Policy, PolicyBuilder, PolicyFile, RequestContext, RuleDefault, Target,
    TrustPolicy, WireContext, WireForm, WireRules,
};
use nova_interop::{
    Answer, Draw as _, Ledger, Oracle, Peers, RULES, Rng, asker, policy_case, variant,
};
use serde_json::{Value, json};

const CASES: usize = 2500;

fn read(creds: &Value) -> Result<WireContext, InvalidWire> {
    let creds = creds.to_string();
    WireContext::from_json(creds.as_bytes(), WireForm::Dict, &WireRules::default())
}

/// Somebody whose context we take: how an odd one is read is compared elsewhere.
fn somebody(rng: &mut Rng) -> Value {
    loop {
        let creds = asker(rng);
        if read(&creds).is_ok() {
            return creds;
        }
    }
}

fn context_of(creds: &Value) -> RequestContext {
    let wire = read(creds).expect("a plain context");
    RequestContext::for_rpc(wire, TrustPolicy::Accept).expect("nothing is refused here")
}

fn target_of(target: &Value) -> Target<'_> {
    let values = target.as_object().expect("an object").iter();
    values.fold(Target::new(), |target, (key, value)| match value {
        Value::Null => target.with_none(key.as_str()),
        Value::Bool(flag) => target.with_flag(key.as_str(), *flag),
        Value::String(text) => target.with(key.as_str(), text.as_str()),
        other => panic!("not in a target: {other}"),
    })
}

fn ours(file: &str, action: &str, target: &Value, creds: &Value) -> Result<bool, Vec<String>> {
    let registered = |name: &&'static str| RuleDefault {
        name,
        check: "!",
        scopes: &[],
        deprecated: None,
    };
    let builder = PolicyBuilder {
        defaults: RULES.iter().map(registered).collect(),
        file: PolicyFile::from_json(file).expect("an object"),
        enforce_scope: true,
        enforce_new_defaults: true,
    };
    let policy = builder.build().map_err(|invalid| {
        let kind = |problem: &context::PolicyProblem| {
            format!("we refuse rules: {}", variant(&problem.fault))
        };
        let mut names: Vec<String> = invalid.problems().iter().map(kind).collect();
        names.sort();
        names.dedup();
        names
    })?;
    let ctx = context_of(creds);
    Ok(ctx.can(&policy, action, &target_of(target)).is_ok())
}

/// The ways in which two decisions differ; `anew` is what they say where nothing equals nothing no more.
fn differing(
    ours: Result<bool, Vec<String>>,
    theirs: Answer,
    anew: impl FnOnce() -> Answer,
) -> Vec<String> {
    match (ours, theirs) {
        (Err(_), Answer::Raised { .. }) => Vec::new(),
        (Err(names), Answer::Ok(_)) => names,
        (Ok(_), Answer::Raised { class, text }) => vec![format!("they raise {class}: {text}")],
        (Ok(ours), Answer::Ok(theirs)) if json!(ours) == theirs => Vec::new(),
        (Ok(ours), Answer::Ok(_)) if anew() == Answer::Ok(json!(ours)) => {
            vec!["what a context lacks equals what a target lacks".into()]
        }
        (Ok(ours), Answer::Ok(theirs)) => vec![format!("we say {ours}, they say {theirs}")],
    }
}

#[test]
fn rules_decide_as_oslo_policy_decides() {
    let peers = Peers::here();
    let mut ledger = Ledger::open("policy-rules");
    let mut oracle = Oracle::start(&peers);
    let mut rng = Rng::new(0x9011_c135);
    let cases: Vec<_> = (0..CASES)
        .map(|_| {
            let (file, action, target) = policy_case(&mut rng);
            (file, action, target, somebody(&mut rng))
        })
        .collect();
    let registered: serde_json::Map<String, Value> = RULES
        .iter()
        .map(|name| ((*name).to_owned(), json!("!")))
        .collect();
    let questions: Vec<Value> = cases
        .iter()
        .map(|(file, action, target, creds)| {
            json!({"ask": "policy.rules", "registered": registered, "file": file, "action": action, "target": target, "creds": creds})
        })
        .collect();
    let mut allowed = 0;
    let answers = oracle.ask_all(&questions);
    for (((file, action, target, creds), theirs), question) in
        cases.iter().zip(answers).zip(&questions)
    {
        allowed += usize::from(theirs == Answer::Ok(json!(true)));
        let anew = || {
            let mut question = question.clone();
            question["instead_of_none"] = json!("(nobody)");
            oracle.ask(question)
        };
        ledger.enter(
            differing(ours(file, action, target, creds), theirs, anew),
            || format!("{action} of {file} on {target} by {creds}"),
        );
    }
    assert!(
        (CASES / 5..CASES * 4 / 5).contains(&allowed),
        "{allowed} decisions were yes"
    );
    ledger.close(&peers, CASES);
}

#[test]
fn novas_own_policies_decide_as_in_nova() {
    let policy = Policy::nova().expect("Nova's defaults");
    defaults("policy-nova", &policy, true);
}

/// What `[oslo_policy] enforce_new_defaults = False` makes of the same policies: their deprecated forms count, too.
#[test]
fn novas_deprecated_policies_decide_as_in_nova() {
    let builder = PolicyBuilder {
        enforce_new_defaults: false,
        ..PolicyBuilder::default()
    };
    let policy = builder.build().expect("Nova's defaults");
    defaults("policy-deprecated", &policy, false);
}

fn defaults(domain: &'static str, policy: &Policy, new_defaults: bool) {
    let peers = Peers::here();
    let mut ledger = Ledger::open(domain);
    let mut oracle = Oracle::start(&peers);
    let actions: Vec<&str> = policy.names().collect();
    let mut rng = Rng::new(0x0907_a0de);
    let cases: Vec<(&str, Value, Value)> = (0..CASES)
        .map(|_| {
            let target = json!({
                "project_id": rng.one(&["p1", "p2", "u1"]), "user_id": rng.one(&["u1", "p2"]),
            });
            (rng.one(&actions), target, somebody(&mut rng))
        })
        .collect();
    let questions: Vec<Value> = cases
        .iter()
        .map(|(action, target, creds)| {
            json!({"ask": "policy.nova", "action": action, "target": target, "creds": creds, "new_defaults": new_defaults})
        })
        .collect();
    let mut allowed = 0;
    for ((action, target, creds), theirs) in cases.iter().zip(oracle.ask_all(&questions)) {
        allowed += usize::from(theirs == Answer::Ok(json!(true)));
        let ours = context_of(creds)
            .can(policy, action, &target_of(target))
            .is_ok();
        ledger.enter(
            differing(Ok(ours), theirs, || {
                panic!("no target of these lacks anything")
            }),
            || format!("{action} on {target} by {creds}"),
        );
    }
    assert!(allowed > CASES / 10, "only {allowed} decisions were yes");
    ledger.close(&peers, CASES);
}
