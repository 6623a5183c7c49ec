//! Proofs that prove nothing, and one that once did: refused on knowledge, answered, counted, and leaving no trace.

use std::collections::BTreeMap;

use join_community::auth::mint::{Algorithm, TokenClaims};
use join_community::domain::{IdentityType, RequestId, SiteId};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::support::{Answer, Installation, Issuer, JOINABLE, Message, PERMISSION};

#[tokio::test]
async fn a_request_without_valid_proof_is_refused_and_leaves_no_trace() {
    let issuer = Issuer::new();
    let installation = Installation::with(|config| issuer.trusted_by(config)).await;
    let worker = installation.start().await;
    let (mut producer, mut stranger) = (installation.producer().await, installation.other_producer().await);
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let sound = issuer.claims(site, IdentityType::Member, member);

    let tokens = forged(&issuer, &sound).into_iter().chain(wrong(&issuer, &sound));
    let request = Message::join(site, member);
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    for (what, reason, token) in tokens {
        // However trusted the producer is that sends it: a token, if there is one, is the only proof.
        let answer = producer.ask(&fresh(&request).text_header("authorization", &token)).await;
        assert_eq!(refusal(&answer), (401, "UNAUTHENTICATED", reason), "{what}");
        *refused.entry(reason).or_default() += 1;
    }
    let sound = format!("Bearer {}", issuer.token(&sound));
    let identity =
        |identity: Value| Message::json(&json!({ "siteId": site, "memberId": member, "identity": identity }));
    let other = identity(json!({ "identityType": "APP", "appId": member }));
    let nobody = identity(json!({ "identityType": "UNKNOWN" }));
    let unsaid = Message::json(&json!({ "siteId": site, "memberId": member }));
    for (what, reason, message) in [
        ("a token for another than the body names", "TOKEN_IDENTITY", other.text_header("authorization", &sound)),
        (
            "a token for a caller that the body calls unknown",
            "TOKEN_IDENTITY",
            nobody.clone().text_header("authorization", &sound),
        ),
        ("no proof at all", "NO_PROOF", request.clone().anonymous()),
        ("a caller that is unknown", "UNKNOWN_IDENTITY", nobody),
        ("no caller", "UNKNOWN_IDENTITY", unsaid),
    ] {
        assert_eq!(refusal(&producer.ask(&fresh(&message)).await), (401, "UNAUTHENTICATED", reason), "{what}");
        *refused.entry(reason).or_default() += 1;
    }
    assert_eq!(refusal(&stranger.ask(&request).await), (401, "UNAUTHENTICATED", "NO_PROOF"));
    *refused.entry("NO_PROOF").or_default() += 1;
    for (reason, count) in &refused {
        let series = format!("join_community_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(worker.counted(&series), *count, "{reason}");
    }
    assert_eq!(worker.counted("join_community_refused_total"), refused.values().sum::<u64>());

    assert_eq!(installation.requests(site).await, []);
    assert_eq!(installation.record(site, member).await.unwrap().privacy, "PRIVATE");
    assert_eq!(installation.depth("join-community.dead-letters").await, 0);
    // What was refused kept no id.
    assert_eq!(producer.ask(&request).await.status, 200);
    worker.stop().await;
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

#[tokio::test]
async fn a_token_that_has_expired_is_recorded_unless_the_request_was_answered_before() {
    let issuer = Issuer::new();
    let installation = Installation::with(|config| issuer.trusted_by(config)).await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 2).await;
    let claims = |member, seconds| TokenClaims {
        expires_at: OffsetDateTime::now_utc() + Duration::seconds(seconds),
        ..issuer.claims(site, IdentityType::Member, member)
    };
    let expired = issuer.token(&claims(members[0], -10));
    // Within the leeway for clocks that differ.
    let nearly = issuer.token(&claims(members[1], -1));

    let late = Message::join(site, members[0]).token(&expired);
    assert_eq!(refusal(&producer.ask(&late).await), (401, "UNAUTHENTICATED", "EXPIRED"));
    let verdict = installation.verdict(site, &late).await;
    let told = (verdict.verdict.as_str(), verdict.code.as_deref(), verdict.reason.as_deref());
    assert_eq!(told, ("rejected", Some("UNAUTHENTICATED"), Some("EXPIRED")));
    assert_eq!(installation.record(site, members[0]).await.unwrap().privacy, "PRIVATE");
    // The verdict stands, even if a valid token comes along with the same request.
    let again = Message::join(site, members[0]).id(late.request_id());
    let valid = again.token(&issuer.token(&claims(members[0], 600)));
    assert_eq!(refusal(&producer.ask(&valid).await), (401, "UNAUTHENTICATED", "EXPIRED"));

    let first = Message::join(site, members[1]).token(&nearly);
    let answer = producer.ask(&first).await;
    assert_eq!(answer.status, 200);
    let redelivered = Message::join(site, members[1]).id(first.request_id());
    let redelivered = redelivered.token(&issuer.token(&claims(members[1], -10)));
    assert_eq!(producer.ask(&redelivered).await, answer);
    worker.stop().await;
}

#[tokio::test]
async fn an_unknown_key_is_judged_after_the_keys_were_read_again() {
    let issuer = Issuer::new();
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("jwks-{}", Uuid::new_v4()));
    std::fs::create_dir(&directory).unwrap();
    let jwks = directory.join("jwks.json");
    let mut known: Value = serde_json::from_slice(&std::fs::read(issuer.keys.jwks_path()).unwrap()).unwrap();
    let rotated = known["keys"].as_array_mut().unwrap().remove(Algorithm::Rs256 as usize);
    std::fs::write(&jwks, known.to_string()).unwrap();
    let installation = Installation::with(|config| {
        issuer.trusted_by(config);
        config.auth.jwks = jwks.display().to_string();
    });
    let installation = installation.await;
    let worker = installation.start().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let mut ladder = installation.listen("join-community.internal", "retry.1s").await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let claims = issuer.claims(site, IdentityType::Member, member);

    let unknown = issuer.keys.token_under(&claims, Algorithm::EdDsa, "no-such-key").unwrap();
    let stranger = Message::join(site, member).token(&unknown);
    producer.send(&stranger).await;
    // Not authenticated yet: the one kind of copy that has to keep its token.
    assert_eq!(ladder.next().await.header("authorization"), format!("Bearer {unknown}"));
    assert_eq!(refusal(&producer.answer_to(&stranger).await), (401, "UNAUTHENTICATED", "TOKEN_KEY_UNKNOWN"));

    let honest = Message::join(site, member).token(&issuer.token(&claims));
    // The issuer rotates first: what is read after the request arrived is what it is judged by.
    known["keys"].as_array_mut().unwrap().push(rotated);
    std::fs::write(&jwks, known.to_string()).unwrap();
    producer.send(&honest).await;
    assert_eq!(producer.answer_to(&honest).await.status, 200);
    assert_eq!(events.next().await.header("requestId"), honest.request_id());
    worker.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Tokens that nobody honest signs, or nobody at all.
fn forged(issuer: &Issuer, sound: &TokenClaims) -> Vec<(&'static str, &'static str, String)> {
    let genuine = issuer.token(sound);
    let (signed, _) = genuine.rsplit_once('.').unwrap();
    let other = issuer.token(&TokenClaims { permissions: vec![PERMISSION.to_owned()], ..sound.clone() });
    let payload = signed.split_once('.').unwrap().1;
    let jwks: Value = serde_json::from_slice(&std::fs::read(issuer.keys.jwks_path()).unwrap()).unwrap();
    let public = jwks["keys"][0]["n"].as_str().unwrap();
    let kid = issuer.keys.kid(Algorithm::Rs256).to_owned();
    let header = Header { kid: Some(kid.clone()), ..Header::new(jsonwebtoken::Algorithm::HS256) };
    let claims = json!({ "iss": "https://issuer.test", "aud": "join-community", "exp": 4_000_000_000_u64 });
    let symmetric = encode(&header, &claims, &EncodingKey::from_secret(public.as_bytes())).unwrap();
    let swapped = issuer.keys.sign(&claims, Algorithm::EdDsa, Some(&kid)).unwrap();
    let nearly = format!("{signed}.{}", other.rsplit_once('.').unwrap().1);
    let bearer = |token: &str| format!("Bearer {token}");
    vec![
        // {"alg":"none"}
        ("no algorithm", "TOKEN_MALFORMED", bearer(&format!("eyJhbGciOiJub25lIn0.{payload}."))),
        ("the public key as a shared secret", "TOKEN_ALGORITHM", bearer(&symmetric)),
        ("another algorithm than the key's", "TOKEN_ALGORITHM", bearer(&swapped)),
        ("another signature", "TOKEN_SIGNATURE", bearer(&nearly)),
        ("no signature", "TOKEN_MALFORMED", bearer(signed)),
        ("no token", "TOKEN_MALFORMED", "Bearer ".to_owned()),
        ("nothing", "TOKEN_MALFORMED", String::new()),
        ("another scheme", "TOKEN_MALFORMED", format!("Basic {genuine}")),
        ("NUL", "TOKEN_MALFORMED", bearer(&format!("{genuine}\0"))),
    ]
}

/// Tokens of the right issuer that are for something else.
fn wrong(issuer: &Issuer, sound: &TokenClaims) -> Vec<(&'static str, &'static str, String)> {
    let now = OffsetDateTime::now_utc();
    let but = |what, reason, change: &dyn Fn(&mut TokenClaims)| {
        // The permission must not help.
        let mut claims = TokenClaims { permissions: vec![PERMISSION.to_owned()], ..sound.clone() };
        change(&mut claims);
        (what, reason, format!("Bearer {}", issuer.token(&claims)))
    };
    vec![
        but("not valid yet", "TOKEN_NOT_YET_VALID", &|it| it.not_before = Some(now + Duration::minutes(1))),
        but("another audience", "TOKEN_AUDIENCE", &|it| "payroll".clone_into(&mut it.audience)),
        but("another issuer", "TOKEN_ISSUER", &|it| "https://issuer.test/".clone_into(&mut it.issuer)),
        but("another site", "TOKEN_SITE", &|it| it.site = SiteId(Uuid::new_v4())),
        but("another member", "TOKEN_IDENTITY", &|it| it.caller.id = Uuid::new_v4()),
        but("another kind of caller", "TOKEN_IDENTITY", &|it| it.caller.identity_type = IdentityType::WixUser),
        but("another request", "TOKEN_REQUEST_ID", &|it| it.request_id = RequestId::parse("another")),
    ]
}

/// The same under a new id.
fn fresh(message: &Message) -> Message {
    message.clone().id(Uuid::now_v7().to_string())
}

fn refusal(answer: &Answer) -> (i64, &str, &str) {
    let reason = answer.body["details"]["applicationError"]["data"]["reason"].as_str();
    (answer.status, answer.code(), reason.unwrap_or_else(|| panic!("no reason: {answer:?}")))
}
