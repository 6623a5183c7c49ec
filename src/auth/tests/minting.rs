//! Development keys on disk, and tokens made with them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::place::Scratch;
use super::{APP, AUDIENCE, ISSUER, SITE, WORKER, bearing, config, request};
use crate::auth::mint::{Algorithm, DevelopmentKeys, MintError, TokenClaims};
use crate::auth::{Authentication, Authenticator, Proven};
use crate::domain::{Proof, Requester, SiteId};

fn claims() -> TokenClaims {
    TokenClaims {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        site: SiteId(SITE),
        caller: APP,
        permissions: vec!["MEMBERS.MEMBER_JOIN_COMMUNITY".to_owned()],
        expires_at: OffsetDateTime::now_utc() + Duration::from_hours(1),
        not_before: Some(OffsetDateTime::now_utc()),
        request_id: Some(request().id),
    }
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_minted_token_is_taken_by_a_worker_that_reads_the_set_beside_it() {
    let scratch = Scratch::new();
    let keys = DevelopmentKeys::load_or_create(&scratch.path().join("deep/keys")).unwrap();
    let mut config = config();
    config.jwks = keys.jwks_path().to_str().unwrap().to_owned();
    let authenticator = Authenticator::start(&config, WORKER, CancellationToken::new()).await.unwrap();
    authenticator.wait_for_keys().await;
    let proof = Proof::Token { permission: true, expired: false };
    let expected = Authentication::Proven(Proven { caller: APP, requester: Requester::token(ISSUER, APP), proof });
    for algorithm in Algorithm::ALL {
        let token = keys.token(&claims(), algorithm).unwrap();
        let outcome = authenticator.authenticate(&bearing(&token), &request(), OffsetDateTime::now_utc());
        assert_eq!(outcome, expected, "{algorithm}");
    }
}

#[test]
fn keys_are_made_once_and_are_nobody_elses_to_read() {
    let scratch = Scratch::new();
    let directory = scratch.path().join("keys");
    let first = DevelopmentKeys::load_or_create(&directory).unwrap();
    let second = DevelopmentKeys::load_or_create(&directory).unwrap();
    assert!(first.created() && !second.created());
    assert_eq!(mode(&directory), 0o700);
    for algorithm in Algorithm::ALL {
        assert_eq!(first.kid(algorithm), second.kid(algorithm));
        assert_eq!(mode(&directory.join(format!("{algorithm}.pem"))), 0o600);
    }
    assert!(!fs::read_to_string(first.jwks_path()).unwrap().contains("\"d\""), "the set is public");
    assert!(fs::read_dir(&directory).unwrap().all(|file| file.unwrap().path().extension().is_none_or(|e| e != "new")));
}

#[test]
fn any_number_of_makers_at_once_end_up_with_the_same_keys() {
    let scratch = Scratch::new();
    let directory = scratch.path().join("keys");
    let kids: Vec<_> = std::thread::scope(|scope| {
        let make = || {
            let keys = DevelopmentKeys::load_or_create(&directory).unwrap();
            Algorithm::ALL.map(|algorithm| keys.kid(algorithm).to_owned())
        };
        let makers: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert!(kids.iter().all(|these| these == &kids[0]), "{kids:?}");
}

#[test]
fn a_lost_set_is_written_again_and_a_lost_key_made_again() {
    let scratch = Scratch::new();
    let first = DevelopmentKeys::load_or_create(scratch.path()).unwrap();
    let set = fs::read(first.jwks_path()).unwrap();
    fs::remove_file(first.jwks_path()).unwrap();
    fs::write(scratch.path().join("jwks.new"), "what a killed process left").unwrap();
    let again = DevelopmentKeys::load_or_create(scratch.path()).unwrap();
    assert_eq!(fs::read(again.jwks_path()).unwrap(), set);
    fs::remove_file(scratch.path().join("EdDSA.pem")).unwrap();
    let renewed = DevelopmentKeys::load_or_create(scratch.path()).unwrap();
    assert_eq!(renewed.kid(Algorithm::Rs256), first.kid(Algorithm::Rs256));
    assert_ne!(renewed.kid(Algorithm::EdDsa), first.kid(Algorithm::EdDsa));
    assert!(fs::read_to_string(renewed.jwks_path()).unwrap().contains(renewed.kid(Algorithm::EdDsa)));
}

#[test]
fn somebody_elses_set_is_not_written_over() {
    let scratch = Scratch::new();
    let set = scratch.path().join("jwks.json");
    fs::write(&set, "{\"keys\":[]}").unwrap();
    let problem = DevelopmentKeys::load_or_create(scratch.path()).err().unwrap();
    assert!(matches!(problem, MintError::Foreign(_)), "{problem}");
    assert_eq!(fs::read_to_string(set).unwrap(), "{\"keys\":[]}");
}

#[test]
fn a_damaged_key_is_named() {
    let scratch = Scratch::new();
    DevelopmentKeys::load_or_create(scratch.path()).unwrap();
    let path = scratch.path().join("ES256.pem");
    fs::write(&path, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    let problem = DevelopmentKeys::load_or_create(scratch.path()).err().unwrap().to_string();
    assert!(problem.starts_with(path.to_str().unwrap()) && problem.contains("ES256"), "{problem}");
}
