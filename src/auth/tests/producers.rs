//! Trusted producers: whose word counts, how far, and which lists of them make no sense.

use super::{APP, MEMBER, NOW, SITE, WORKER, authenticator, by_user, config, gateway, request, request_by, with};
use crate::auth::{Authentication, Authenticator, Proven, refusal};
use crate::domain::{Caller, Proof, Requester};
use crate::wire::Incoming;
use crate::wire::request::Claim;

fn vouched(config: &config::Auth, caller: Caller) -> Authentication {
    with(config).authenticate(&by_user("member-gateway"), &request_by(Claim::Caller(caller)), NOW)
}

fn proven(caller: Caller, vouches: bool, may_elevate: bool) -> Authentication {
    let requester = Requester::producer("member-gateway");
    Authentication::Proven(Proven { caller, requester, proof: Proof::Producer { vouches, may_elevate } })
}

#[test]
fn a_producers_word_counts_within_its_list() {
    let listed = |types: &[&str], sites: &[&str]| {
        let mut config = config();
        config.producers = vec![gateway(types, sites)];
        config
    };
    let site = SITE.to_string();
    let upper = site.to_uppercase();
    let other = APP.id.to_string();
    for (types, sites, caller, vouches) in [
        (vec!["MEMBER"], vec!["*"], MEMBER, true),
        (vec!["MEMBER", "APP"], vec![other.as_str(), site.as_str()], APP, true),
        (vec!["MEMBER"], vec![upper.as_str()], MEMBER, true),
        (vec!["MEMBER"], vec!["*"], APP, false),
        (vec!["MEMBER"], vec![other.as_str()], MEMBER, false),
        (vec!["MEMBER"], vec![], MEMBER, false),
        (vec![], vec!["*"], MEMBER, false),
    ] {
        assert_eq!(vouched(&listed(&types, &sites), caller), proven(caller, vouches, false), "{types:?} {sites:?}");
    }
}

#[test]
fn the_right_to_elevate_is_the_entrys() {
    let mut config = config();
    config.producers[0].may_elevate = true;
    assert_eq!(vouched(&config, MEMBER), proven(MEMBER, true, true));
}

#[test]
fn a_producer_has_to_name_a_caller() {
    let refused = Authentication::Refused(refusal::UNKNOWN_IDENTITY);
    let incoming = by_user("member-gateway");
    assert_eq!(authenticator().authenticate(&incoming, &request(), NOW), refused);
    assert_eq!(authenticator().authenticate(&incoming, &request_by(Claim::Unknown), NOW), refused);
}

#[test]
fn the_body_alone_never_proves_a_caller() {
    for user in [None, Some("stranger"), Some("member-gateway2"), Some("Member-Gateway"), Some("")] {
        let incoming = Incoming { user_id: user.map(Into::into), ..Incoming::default() };
        let outcome = authenticator().authenticate(&incoming, &request_by(Claim::Caller(MEMBER)), NOW);
        assert_eq!(outcome, Authentication::Refused(refusal::NO_PROOF), "{user:?}");
    }
}

#[test]
fn a_list_that_makes_no_sense_names_key_value_and_rule() {
    let problem = |change: fn(&mut Vec<config::Producer>)| {
        let mut config = config();
        change(&mut config.producers);
        Authenticator::new(&config, WORKER, None).err().unwrap().to_string()
    };
    assert_eq!(
        problem(|producers| producers[0].user = WORKER.to_owned()),
        "auth.producers[0].user = `worker`: not the worker's own user: its word stands for copies alone"
    );
    assert_eq!(
        problem(|producers| producers.push(gateway(&["UNKNOWN"], &[]))),
        "auth.producers[1].identity_types = `UNKNOWN`: MEMBER, ANONYMOUS_VISITOR, WIX_USER or APP"
    );
    assert_eq!(
        problem(|producers| producers[0].sites = vec!["all".to_owned()]),
        "auth.producers[0].sites = `all`: site GUIDs, or `*` for all"
    );
    assert!(problem(|producers| producers.push(gateway(&[], &[]))).ends_with("listed once"));
    assert!(problem(|producers| producers[0].user.clear()).ends_with("a broker user"));
}

#[test]
fn tokens_need_an_issuer_and_an_audience_and_copies_a_user() {
    let keys = || Some(super::keys(None));
    let problem = |change: fn(&mut config::Auth), worker| {
        let mut config = config();
        change(&mut config);
        Authenticator::new(&config, worker, keys()).err().unwrap().to_string()
    };
    assert!(problem(|config| config.issuer.clear(), WORKER).starts_with("auth.issuer = ``"));
    assert!(problem(|config| config.audience.clear(), WORKER).starts_with("auth.audience = ``"));
    assert!(problem(|_| {}, "").starts_with("broker.url = ``"));
}
