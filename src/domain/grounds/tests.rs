//! Every question that the rule can be asked: its answers are those of this version, and their grounds are true.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Case, RULE_VERSION};
use crate::domain::{
    ActivityStatus, Attempts, Caller, Decision, Gate, IdentityType, Member, MemberId, Method, PrivacyStatus, Proof,
    Rejection, Request, RequestId, Requester, SiteId, Standing, Status, Verdict, decide,
};

/// What the rule of [`RULE_VERSION`] answers for each method, all of it. Another rule is another version: raise it, describe
/// its clauses, and keep telling the grounds of the verdicts that this one has given.
const ANSWERS: [(Method, &str); 2] = [
    (Method::Join, "aeb5843b2570d9fb465830f39ed1f0682e6660289a7029632a7baaeecbc4e205"),
    (Method::Leave, "a7ffe76d7e0a6ec47be08ae47cca36cc1976f83cf22c9962141e4e938301ec94"),
];

const CALLER: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

fn member(status: Status, privacy_status: PrivacyStatus, deleted: bool) -> Member {
    let now = OffsetDateTime::UNIX_EPOCH;
    Member {
        id: MemberId(CALLER),
        login_email: None,
        login_email_verified: None,
        status,
        privacy_status,
        activity_status: ActivityStatus::Active,
        contact_id: None,
        contact: None,
        profile: None,
        created_date: now,
        updated_date: now,
        last_login_date: None,
        extra: None,
        event_sequence: 1,
        deleted,
    }
}

fn members() -> Vec<Option<Member>> {
    let mut members = vec![None];
    for status in [Status::Approved, Status::Pending, Status::Blocked, Status::Offline] {
        for privacy in [PrivacyStatus::Public, PrivacyStatus::Private] {
            members.extend([false, true].map(|deleted| Some(member(status, privacy, deleted))));
        }
    }
    members
}

fn proofs() -> Vec<Proof> {
    let both = [false, true];
    let pairs = both.iter().flat_map(|one| both.iter().map(move |other| (*one, *other)));
    pairs
        .flat_map(|(one, other)| {
            [Proof::Token { permission: one, expired: other }, Proof::Producer { vouches: one, may_elevate: other }]
        })
        .collect()
}

fn request(proof: Proof, kind: IdentityType, target: Option<Uuid>, elevated: Option<bool>, waited: u32) -> Request {
    Request {
        id: RequestId::parse("any").unwrap(),
        method: Method::Join,
        site: SiteId(Uuid::nil()),
        target: target.map(MemberId),
        caller: Caller { identity_type: kind, id: CALLER },
        requester: Requester::from_own_record("producer:any").unwrap(),
        elevated,
        proof,
        digest: [0; 32],
        attempts: Attempts { unknown_member: waited, ..Attempts::default() },
        received_at: OffsetDateTime::UNIX_EPOCH,
        traceparent: None,
    }
}

/// Every question about one method: what is asked, and what stands recorded.
fn questions(method: Method) -> Vec<(Request, Standing)> {
    let mut questions = Vec::new();
    for proof in proofs() {
        for kind in IdentityType::ALL {
            for target in [None, Some(CALLER), Some(OTHER)] {
                for elevated in [None, Some(false), Some(true)] {
                    for waited in [0, 3] {
                        for member in members() {
                            for gate in [Gate::Anyone, Gate::NoOne] {
                                let standing = Standing { recorded: None, member: member.clone(), gate };
                                let asked = request(proof, kind, target, elevated, waited);
                                questions.push((Request { method, ..asked }, standing));
                            }
                        }
                    }
                }
            }
        }
    }
    questions
}

#[test]
fn the_rule_answers_as_its_version_says() {
    for (method, expected) in ANSWERS {
        let mut answers = String::new();
        for (request, standing) in questions(method) {
            writeln!(answers, "{:?}", decide(&request, &standing, 3)).unwrap();
        }
        let told = digest(&SHA256, answers.as_bytes()).as_ref().iter().fold(String::new(), |mut told, byte| {
            write!(told, "{byte:02x}").unwrap();
            told
        });
        assert_eq!(told, expected, "another rule to {} is another version than {RULE_VERSION}", method.as_str());
    }
}

#[test]
fn the_grounds_of_every_verdict_are_what_was_the_case() {
    for (request, standing) in Method::ALL.into_iter().flat_map(questions) {
        let Decision::Decided(verdict) = decide(&request, &standing, 3) else { continue };
        let beyond = matches!(request.proof, Proof::Producer { vouches: false, .. });
        let case = Case {
            version: RULE_VERSION,
            verdict,
            proof: if beyond { "producer:beyond-its-list" } else { "any" },
            caller: request.caller,
            target: request.target,
            elevated: request.is_elevated(),
            has_record: standing.member.is_some(),
        };
        let grounds = case.grounds().expect("of this version");
        let is_self = request.caller.identity_type == IdentityType::Member && request.target == Some(MemberId(CALLER));
        let found = standing.member.as_ref();
        for fact in grounds.facts {
            let is_true = match fact {
                "the token had expired when the request was received" => {
                    matches!(request.proof, Proof::Token { expired: true, .. })
                }
                "the producer may not vouch for this site or identity" => beyond,
                "it asks for elevated permission, which the caller does not have" => request.oversteps(),
                "it does not act with elevated permission" => !request.is_elevated(),
                "the caller acts with elevated permission" => request.is_elevated(),
                "the caller is the member" => is_self,
                "no member is named, and the caller is none" => request.target.is_none(),
                "the caller is another member" => {
                    request.caller.identity_type == IdentityType::Member && request.target == Some(MemberId(OTHER))
                }
                "the caller is no member" => request.caller.identity_type != IdentityType::Member,
                "the member's record is deleted" => found.is_some_and(|member| member.deleted),
                "there was no record, and none came while it was waited for" => found.is_none(),
                "the site lets members be public" => standing.gate == Gate::Anyone,
                "the site lets nobody be public" => standing.gate == Gate::NoOne,
                "approved" => found.is_some_and(|member| member.status == Status::Approved),
                "private before" | "private already" => {
                    found.is_some_and(|member| member.privacy_status == PrivacyStatus::Private)
                }
                "public already" | "public before" => {
                    found.is_some_and(|member| member.privacy_status == PrivacyStatus::Public)
                }
                "the member waits for approval" => found.is_some_and(|member| member.status == Status::Pending),
                "the member is blocked" => found.is_some_and(|member| member.status == Status::Blocked),
                "the member can no longer log in" => found.is_some_and(|member| member.status == Status::Offline),
                unknown => panic!("nobody has proven: {unknown}"),
            };
            assert!(is_true, "{fact}: {request:?} {standing:?} {verdict:?}");
        }
    }
}

#[test]
fn of_a_version_that_is_not_known_nothing_is_made_up() {
    let caller = Caller { identity_type: IdentityType::Member, id: CALLER };
    let verdict = Verdict::Rejected(Rejection::NotFound);
    let case = Case { version: 9, verdict, proof: "token", caller, target: None, elevated: false, has_record: false };
    assert_eq!(case.grounds(), None);
}
