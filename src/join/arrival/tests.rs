//! The test vectors of decisions, on their way from the body to the reply as requests go it, but for broker and database.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::request;
use crate::auth::{Authentication, Authenticator, Proven};
use crate::config::Config;
use crate::domain::{
    Attempts, Caller, Decision, Gate, IdentityType, Member, PrivacyStatus, Proof, Requester, Standing, Status, decide,
};
use crate::wire::request::{decode, target_missing};
use crate::wire::sample::bare;
use crate::wire::{Incoming, reply};

/// As they are spoken, and as they were released.
const VECTORS: [&str; 2] = [
    include_str!("../../../contract/v1/vectors/decisions.json"),
    include_str!("../../../contract/released/vectors/decisions.json"),
];

fn caller(identity: &Value) -> Caller {
    let identity_type = IdentityType::parse(identity["identityType"].as_str().unwrap()).unwrap();
    Caller { identity_type, id: Uuid::parse_str(identity[identity_type.id_field()].as_str().unwrap()).unwrap() }
}

fn proof(vector: &Value) -> Proof {
    let flag = |name: &str| vector["proof"][name].as_bool().unwrap();
    match vector["proof"]["by"].as_str().unwrap() {
        "token" => Proof::Token { permission: flag("permission"), expired: flag("expired") },
        "producer" => Proof::Producer { vouches: flag("vouches"), may_elevate: flag("mayElevate") },
        other => panic!("{other} is no proof"),
    }
}

fn standing(vector: &Value) -> Standing {
    let word = |name: &str| vector["member"][name].as_str();
    let member = word("status").map(|status| Member {
        status: Status::parse(status).unwrap(),
        privacy_status: PrivacyStatus::parse(word("privacyStatus").unwrap()).unwrap(),
        ..bare()
    });
    let gate = Gate::parse(vector["site"]["publicMemberCandidates"].as_str().unwrap()).unwrap();
    Standing { recorded: None, member, gate }
}

fn answer(vector: &Value, incoming: &Incoming, nobody: &Authenticator) -> (reply::Reply, Option<String>) {
    let decoded = decode(incoming).unwrap();
    let now = OffsetDateTime::UNIX_EPOCH;
    if vector["proof"].is_null() {
        let Authentication::Refused(reason) = nobody.authenticate(incoming, &decoded, now) else { panic!("believed") };
        return (reply::unauthenticated(reason), None);
    }
    let proven = Proven {
        caller: caller(&vector["caller"]),
        requester: Requester::producer("member-gateway"),
        proof: proof(vector),
    };
    let request = request(decoded, proven, (Attempts::default(), now));
    let standing = standing(vector);
    // An unknown member was waited for.
    match decide(&request, &standing, 0) {
        Decision::Decided(verdict) => (reply::verdict(verdict, standing.member.as_ref()), None),
        Decision::TargetMissing => (reply::malformed(&target_missing()), target_missing().pointer),
        decision @ (Decision::Repeat(_) | Decision::Conflict | Decision::Later) => panic!("{decision:?}"),
    }
}

#[tokio::test]
async fn requests_come_to_what_the_vectors_say() {
    let config = crate::config::load(None, std::iter::empty::<(String, String)>()).unwrap();
    let Config { auth, .. } = config;
    let nobody = Authenticator::start(&auth, "worker", CancellationToken::new()).await.unwrap();
    let files = VECTORS.map(|text| serde_json::from_str::<Value>(text).unwrap());
    for vector in files.iter().flat_map(|file| file["vectors"].as_array().unwrap()) {
        let incoming = Incoming {
            message_id: Some("request-1".into()),
            kind: vector["type"].as_str().map(Into::into),
            body: vector["body"].to_string().into_bytes(),
            ..Incoming::default()
        };
        let (reply, pointer) = answer(vector, &incoming, &nobody);
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let violation = &body["details"]["validationError"]["fieldViolations"][0];
        let told = if violation.is_object() {
            json!({
                "status": reply.status, "field": violation["field"], "violatedRule": violation["violatedRule"],
                "pointer": pointer,
            })
        } else {
            let error = &body["details"]["applicationError"];
            json!({ "status": reply.status, "code": error["code"], "reason": error["data"]["reason"] })
        };
        assert_eq!(told, vector["expected"], "{}", vector["name"]);
    }
    let seen: Map<String, Value> = files[0]["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| (vector["expected"]["status"].to_string(), Value::Null))
        .collect();
    assert_eq!(
        seen.keys().collect::<Vec<_>>(),
        ["200", "400", "401", "403", "404", "428"],
        "statuses without a vector"
    );
}
