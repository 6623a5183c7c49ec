//! The client library by TLS: to a broker that asks for a certificate, and to a cache, both of an authority that nobody but
//! the files names.

use std::path::PathBuf;

use join_community::client::{
    Broker, Cached, ConnectError, JoinCommunity, Lost, MemberEvents, MemberId, Profiles, ProfilesError, Queue, SiteId,
    TlsFiles,
};
use reqwest::Url;
use uuid::Uuid;

use super::{broker, request};
use crate::support::{Installation, JOINABLE, PATIENCE, variable};
use crate::tls::{OURS, STRANGERS, file};

/// The broker by TLS, as whoever a plain URL names.
fn by_tls(plain: &str, files: TlsFiles) -> Broker {
    let plain: Url = plain.parse().unwrap();
    let mut url: Url = variable("RABBITMQ_TLS_URL").parse().unwrap();
    url.set_path(plain.path());
    url.set_username(plain.username()).unwrap();
    url.set_password(plain.password()).unwrap();
    broker(url.as_str()).tls(files)
}

fn files(authority: &str) -> TlsFiles {
    let [client_cert_file, client_key_file] = ["client.pem", "client-key.pem"].map(file);
    TlsFiles { ca_file: file(authority), client_cert_file, client_key_file }
}

#[tokio::test]
async fn who_shows_a_certificate_joins_is_heard_of_and_found_by_tls() {
    let installation = Installation::new().await;
    let consumer = by_tls(&installation.administrator_url(), files(OURS));
    let mut events = MemberEvents::connect(&consumer, Queue::durable("shop.members")).await.unwrap();
    let producer = by_tls(&installation.vhost().producer_url, files(OURS));
    let client = JoinCommunity::connect(&producer).await.unwrap().within(PATIENCE);
    let worker = installation.start().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(client.join(&request(site, member)).await.unwrap().id, MemberId(member));
    let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap();
    assert_eq!(event.member.id, MemberId(member));
    event.handled().await.unwrap();

    installation.cached_at(site, member, JOINABLE.sequence + 1).await;
    let profiles = Profiles::at_with(&variable("REDIS_TLS_URL"), &file(OURS)).unwrap();
    let profiles = profiles.prefix(&installation.config.cache.prefix).within(PATIENCE);
    let found = profiles.get(SiteId(site), MemberId(member)).await.unwrap();
    assert!(matches!(&found, Cached::Found(found) if found.id == MemberId(member)), "{found:?}");
    worker.stop().await;
}

#[tokio::test]
async fn who_trusts_another_authority_or_shows_nothing_does_not_connect_and_is_told_why() {
    let installation = Installation::new().await;
    let url = &installation.vhost().producer_url;
    let lost = JoinCommunity::connect(&by_tls(url, files(STRANGERS))).await.err().expect("no connection");
    assert!(matches!(lost, Lost::Connect(ConnectError::Untrusted { .. })), "{lost:?}");
    assert!(lost.to_string().contains("UnknownIssuer"), "{lost}");
    let nothing = TlsFiles { client_cert_file: PathBuf::new(), client_key_file: PathBuf::new(), ..files(OURS) };
    let lost = JoinCommunity::connect(&by_tls(url, nothing)).await.err().expect("no connection");
    assert!(matches!(lost, Lost::Connect(ConnectError::Unproven { .. })), "{lost:?}");

    let profiles = Profiles::at_with(&variable("REDIS_TLS_URL"), &file(STRANGERS)).unwrap().within(PATIENCE);
    let error = profiles.get(SiteId(Uuid::new_v4()), MemberId(Uuid::new_v4())).await.unwrap_err();
    assert!(matches!(error, ProfilesError::Redis(_)) && error.to_string().contains("UnknownIssuer"), "{error}");
}
