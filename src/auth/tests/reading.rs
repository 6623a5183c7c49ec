//! Reading keys from a real server and a real file: how often, how much, and what happens when it goes wrong.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::StatusCode;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::place::{Scratch, Server};
use super::reader::{Reader, is_proven, set_of, surely_here_by_now, token_by};
use super::{KEYS, WORKER, config, issuer_set};
use crate::auth::mint::DevelopmentKeys;
use crate::auth::{Authentication, Authenticator, refusal};

#[tokio::test]
async fn a_flood_of_unknown_keys_costs_one_read_a_cool_down() {
    let server = Server::answering(StatusCode::OK, &issuer_set().to_string());
    let mut reader = Reader::new(&server.url);
    reader.read().await;
    let stranger = token_by(&DevelopmentKeys::unsaved());
    let arrived = surely_here_by_now();
    for _ in 0..1000 {
        assert_eq!(reader.outcome_at(&stranger, arrived), Authentication::NoKeys);
        // The reading task gets its turn, and with it the chance to read more than it may.
        tokio::task::yield_now().await;
    }
    assert_eq!(server.asked(), 1);

    reader.cool_down();
    reader.read().await;
    for _ in 0..1000 {
        let judged = reader.outcome_at(&stranger, arrived);
        assert_eq!(judged, Authentication::Refused(refusal::TOKEN_KEY_UNKNOWN));
    }
    reader.cool_down();
    assert_eq!(reader.outcome(&stranger), Authentication::NoKeys);
    reader.read().await;
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn keys_are_read_once_more_when_the_request_has_surely_come() {
    let server = Server::answering(StatusCode::OK, &issuer_set().to_string());
    let mut reader = Reader::new(&server.url);
    reader.read().await;
    let stranger = token_by(&DevelopmentKeys::unsaved());
    let arrived = surely_here_by_now() + Duration::from_millis(500);
    assert_eq!(reader.outcome_at(&stranger, arrived), Authentication::NoKeys);
    reader.cool_down();
    reader.read().await;
    assert_eq!(reader.outcome_at(&stranger, arrived), Authentication::NoKeys, "another clock may be ahead");
    reader.cool_down();
    // That wish was one for now as well.
    reader.read().await;
    reader.cool_down();
    reader.read().await;
    let judged = reader.outcome_at(&stranger, arrived);
    assert_eq!(judged, Authentication::Refused(refusal::TOKEN_KEY_UNKNOWN), "nobody asked again");
}

#[tokio::test]
async fn a_rotated_key_is_found_by_the_first_request_that_needs_it() {
    let server = Server::answering(StatusCode::OK, &issuer_set().to_string());
    let mut reader = Reader::new(&server.url);
    reader.read().await;
    let next = DevelopmentKeys::unsaved();
    server.answer(StatusCode::OK, &set_of(&next));
    reader.cool_down();
    assert!(is_proven(&reader.outcome(&token_by(&KEYS))));
    assert_eq!(reader.outcome(&token_by(&next)), Authentication::NoKeys);
    reader.read().await;
    assert!(is_proven(&reader.outcome(&token_by(&next))));
    assert_eq!(reader.outcome(&token_by(&KEYS)), Authentication::NoKeys, "the old key is gone, as far as is known");
}

#[tokio::test]
async fn keys_that_cannot_be_reached_are_waited_for() {
    let server = Server::closed();
    server.answer(StatusCode::OK, &issuer_set().to_string());
    let mut reader = Reader::new(&server.url);
    reader.read().await;
    assert_eq!(reader.outcome(&token_by(&KEYS)), Authentication::NoKeys);
    let missing = reader.authenticator.keys_missing().unwrap();
    assert!(missing.contains("no answer") && missing.contains("refused"), "{missing}");
    assert!(!missing.contains("secret"), "{missing}");

    server.open();
    reader.cool_down();
    reader.authenticator.wait_for_keys().await;
    assert!(is_proven(&reader.outcome(&token_by(&KEYS))));
    assert_eq!(reader.authenticator.keys_missing(), None);
}

#[tokio::test]
async fn the_last_good_set_is_kept_while_reads_fail() {
    let server = Server::answering(StatusCode::OK, &issuer_set().to_string());
    let mut reader = Reader::new(&server.url);
    reader.read().await;
    let stranger = token_by(&DevelopmentKeys::unsaved());
    let arrived = OffsetDateTime::now_utc();
    assert_eq!(reader.outcome_at(&stranger, arrived), Authentication::NoKeys);
    let too_large = format!("{}{}", issuer_set(), " ".repeat(1024 * 1024));
    for (status, body) in [
        (StatusCode::SERVICE_UNAVAILABLE, issuer_set().to_string()),
        (StatusCode::FOUND, issuer_set().to_string()),
        (StatusCode::NO_CONTENT, String::new()),
        (StatusCode::OK, "<html>".to_owned()),
        (StatusCode::OK, too_large),
    ] {
        server.answer(status, &body);
        let asked = server.asked();
        reader.cool_down();
        reader.read().await;
        assert_eq!(server.asked(), asked + 1, "a redirect is not followed, a failure not repeated at once");
        assert!(is_proven(&reader.outcome(&token_by(&KEYS))), "{status}");
        assert_eq!(reader.outcome_at(&stranger, arrived), Authentication::NoKeys, "{status}: no knowledge comes of it");
    }
}

#[tokio::test]
async fn a_set_that_turns_empty_refuses_everybody_who_came_before_it() {
    let server = Server::answering(StatusCode::OK, "{\"keys\":[]}");
    let mut reader = Reader::new(&server.url);
    let arrived = surely_here_by_now();
    reader.read().await;
    reader.cool_down();
    assert_eq!(reader.outcome(&token_by(&KEYS)), Authentication::NoKeys);
    reader.read().await;
    let judged = reader.outcome_at(&token_by(&KEYS), arrived);
    assert_eq!(judged, Authentication::Refused(refusal::TOKEN_KEY_UNKNOWN));
}

#[tokio::test]
async fn a_read_that_had_begun_before_the_request_came_is_no_knowledge() {
    let server = Server::answering(StatusCode::OK, &issuer_set().to_string());
    let held = server.hold().await;
    let mut reader = Reader::new(&server.url);
    server.question().await;
    let arrived = surely_here_by_now();
    drop(held);
    reader.read().await;
    let stranger = token_by(&DevelopmentKeys::unsaved());
    assert_eq!(reader.outcome_at(&stranger, arrived), Authentication::NoKeys);
    reader.cool_down();
    reader.read().await;
    let judged = reader.outcome_at(&stranger, arrived);
    assert_eq!(judged, Authentication::Refused(refusal::TOKEN_KEY_UNKNOWN));
}

#[tokio::test]
async fn a_file_is_read_again_when_a_key_is_missed() {
    let scratch = Scratch::new();
    let path = scratch.path().join("keys.json");
    let mut reader = Reader::new(path.to_str().unwrap());
    reader.read().await;
    let missing = reader.authenticator.keys_missing().unwrap();
    assert!(missing.contains("keys.json") && missing.contains("No such file"), "{missing}");

    std::fs::write(&path, issuer_set().to_string()).unwrap();
    reader.cool_down();
    reader.read().await;
    assert!(is_proven(&reader.outcome(&token_by(&KEYS))));
    let next = DevelopmentKeys::unsaved();
    std::fs::write(&path, set_of(&next)).unwrap();
    reader.cool_down();
    assert_eq!(reader.outcome(&token_by(&next)), Authentication::NoKeys);
    reader.read().await;
    assert!(is_proven(&reader.outcome(&token_by(&next))));
}

#[tokio::test]
async fn a_file_has_limits_too() {
    let scratch = Scratch::new();
    let mut reader = Reader::new(scratch.path().to_str().unwrap());
    reader.read().await;
    assert!(reader.authenticator.keys_missing().unwrap().ends_with("this is no regular file"));
    let large = scratch.path().join("large.json");
    let mut content = issuer_set().to_string();
    write!(content, "{}", " ".repeat(1024 * 1024)).unwrap();
    std::fs::write(&large, content).unwrap();
    let mut reader = Reader::new(large.to_str().unwrap());
    reader.read().await;
    assert!(reader.authenticator.keys_missing().unwrap().ends_with("larger than 1048576 bytes"));
}

#[tokio::test]
async fn reading_ends_with_the_token_and_needs_a_place_that_can_be_read() {
    let server = Server::answering(StatusCode::OK, &issuer_set().to_string());
    let mut config = config();
    config.jwks.clone_from(&server.url);
    let stop = CancellationToken::new();
    let authenticator = Authenticator::start(&config, WORKER, stop.clone()).await.unwrap();
    authenticator.wait_for_keys().await;
    assert_eq!(authenticator.keys_missing(), None);
    stop.cancel();

    for refused in ["file:///keys", "ftp://user:secret@host/keys", "https://user:secret@:x/"] {
        refused.clone_into(&mut config.jwks);
        let problem = Authenticator::start(&config, WORKER, stop.clone()).await.err().unwrap().to_string();
        assert!(problem.starts_with("auth.jwks = `") && !problem.contains("secret"), "{problem}");
    }
}
