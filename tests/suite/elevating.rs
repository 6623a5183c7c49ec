//! Who may join whom: each kind of caller, for itself and for another, elevated and not, proven by either proof.

use join_community::auth::mint::Algorithm;
use join_community::config::Producer as TrustedProducer;
use join_community::domain::IdentityType;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Installation, Issuer, JOINABLE, Message, PERMISSION, Producer, trusted};

/// The two outcomes of this page.
const JOINED: (i64, &str) = (200, "joined");
const DENIED: (i64, &str) = (403, "rejected");

#[tokio::test]
async fn a_trusted_producer_vouches_for_callers_within_what_it_is_trusted_with() {
    let home = Uuid::new_v4();
    let installation = Installation::with(|config| {
        let limited = TrustedProducer {
            user: "admin".to_owned(),
            identity_types: vec!["MEMBER".to_owned()],
            sites: vec![home.to_string()],
            may_elevate: false,
        };
        config.auth.producers = vec![trusted("member-gateway"), limited];
    });
    let installation = installation.await;
    let worker = installation.start().await;
    let (mut full, mut limited) = (installation.producer().await, installation.other_producer().await);

    for identity_type in IdentityType::ALL {
        let is_member = identity_type == IdentityType::Member;
        for (elevated, right) in [(None, false), (Some(false), false), (Some(true), true)] {
            let case = Case { site: home, identity_type, elevated, for_self: false };
            case.ask(&installation, &mut full, if right { JOINED } else { DENIED }, right).await;
            // Without the right to elevate, saying so is going too far.
            case.ask(&installation, &mut limited, DENIED, false).await;
            if is_member {
                let case = Case { for_self: true, ..case };
                case.ask(&installation, &mut full, JOINED, right).await;
                case.ask(&installation, &mut limited, if right { DENIED } else { JOINED }, false).await;
            }
        }
    }
    let abroad = Case { site: Uuid::new_v4(), identity_type: IdentityType::Member, elevated: None, for_self: true };
    abroad.ask(&installation, &mut limited, DENIED, false).await;
    assert_eq!(installation.depth("join-community.dead-letters").await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_session_token_proves_the_caller_and_its_permission() {
    let issuer = Issuer::new();
    let installation = Installation::with(|config| issuer.trusted_by(config)).await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let mut algorithms = Algorithm::ALL.into_iter().cycle();

    for identity_type in IdentityType::ALL {
        for (permitted, elevated, right) in [
            // The body can only lower what the token holds; without a word of it, the permission counts.
            (true, None, true),
            (true, Some(true), true),
            (true, Some(false), false),
            (false, None, false),
            (false, Some(false), false),
            (false, Some(true), false),
        ] {
            let case = Case { site, identity_type, elevated, for_self: false };
            let (member, caller) = case.people(&installation).await;
            let mut claims = issuer.claims(site, identity_type, caller);
            if permitted {
                claims.permissions = vec!["SOMETHING.ELSE".to_owned(), PERMISSION.to_owned()];
            }
            let token = issuer.keys.token(&claims, algorithms.next().unwrap()).unwrap();
            let request = case.request(member, None).token(&token);
            let answer = producer.ask(&request).await;
            let verdict = installation.verdict(site, &request).await;
            let expected = if right { JOINED } else { DENIED };
            assert_eq!((answer.status, verdict.verdict.as_str()), expected, "{case:?} {permitted}");
            let named = format!("{}:{caller}", identity_type.as_str());
            assert_eq!(verdict.requester, format!("token:https://issuer.test:{named}"));
            assert_eq!((verdict.caller, verdict.elevated), (named, right));
        }
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_member_with_a_token_need_not_say_more_than_the_site() {
    let issuer = Issuer::new();
    let installation = Installation::with(|config| issuer.trusted_by(config)).await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let token = issuer.token(&issuer.claims(site, IdentityType::Member, member));

    let answer = producer.ask(&Message::json(&json!({ "siteId": site })).token(&token)).await;
    assert_eq!((answer.status, &answer.body["member"]["id"]), (200, &json!(member)));
    worker.stop().await;
}

#[tokio::test]
async fn a_caller_who_is_no_member_must_name_one_once_it_is_allowed_to() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let request = |elevated: bool| {
        let identity = json!({ "identityType": "APP", "appId": Uuid::new_v4() });
        Message::json(&json!({ "siteId": site, "identity": identity, "elevated": elevated }))
    };

    let denied = request(false);
    assert_eq!(producer.ask(&denied).await.status, 403);
    assert_eq!(installation.verdict(site, &denied).await.member, None);

    let aimless = request(true);
    let answer = producer.ask(&aimless).await;
    assert_eq!((answer.status, answer.violation()), (400, ("memberId", "REQUIRED")));
    let [letter] = installation.dead_letters(1).await.try_into().unwrap();
    assert_eq!(
        (letter.header("x-join-community-reason"), letter.message_id()),
        ("malformed", Some(aimless.request_id()))
    );
    assert_eq!(letter.header("x-join-community-pointer"), "/memberId");
    assert_eq!(installation.requests(site).await.len(), 1);
    worker.stop().await;
}

/// A caller who asks for somebody.
#[derive(Clone, Copy, Debug)]
struct Case {
    site: Uuid,
    identity_type: IdentityType,
    elevated: Option<bool>,
    for_self: bool,
}

impl Case {
    /// A new member, and who asks for it.
    async fn people(self, installation: &Installation) -> (Uuid, Uuid) {
        let member = installation.member(self.site, JOINABLE).await;
        (member, if self.for_self { member } else { Uuid::new_v4() })
    }

    fn request(self, member: Uuid, identity: Option<Value>) -> Message {
        let mut body = json!({ "siteId": self.site, "memberId": member });
        if let Some(identity) = identity {
            body["identity"] = identity;
        }
        if let Some(elevated) = self.elevated {
            body["elevated"] = json!(elevated);
        }
        Message::json(&body)
    }

    /// Asks by the word of a producer, and compares reply, verdict and record with what is expected.
    async fn ask(self, installation: &Installation, producer: &mut Producer, expected: (i64, &str), elevated: bool) {
        let (member, caller) = self.people(installation).await;
        let (word, field) = (self.identity_type.as_str(), self.identity_type.id_field());
        let request = self.request(member, Some(json!({ "identityType": word, field: caller })));
        let answer = producer.ask(&request).await;
        let verdict = installation.verdict(self.site, &request).await;
        assert_eq!((answer.status, verdict.verdict.as_str()), expected, "{self:?}");
        assert_eq!(verdict.requester, format!("producer:{}", producer.user()), "{self:?}");
        assert_eq!((verdict.caller, verdict.elevated), (format!("{word}:{caller}"), elevated), "{self:?}");
        let privacy = installation.record(self.site, member).await.unwrap().privacy;
        let changed = if expected == JOINED { "PUBLIC" } else { "PRIVATE" };
        assert_eq!(privacy, changed, "{self:?}");
        if expected == DENIED {
            assert_eq!(answer.code(), "PERMISSION_DENIED", "{self:?}");
            assert_eq!(verdict.code.as_deref(), Some("PERMISSION_DENIED"), "{self:?}");
        }
    }
}
