//! `JoinCommunity` when nobody answers, and when its connection is lost: every wait ends, the error says what is known, and
//! the same request asked again counts once.

use std::error::Error;
use std::time::Duration;

use futures_util::future::join_all;
use join_community::client::{EnqueueError, JoinCommunity, JoinError, Lost, MemberId, Unsent};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::{broker, client, request, until_waiting};
use crate::support::{Installation, JOINABLE, PATIENCE, Proxy, Wire, eventually};

/// Whether an error spells a cause out, and leaves nothing to whoever prints causes as well.
fn tells_once(error: &dyn Error, cause: &str) -> bool {
    error.to_string().ends_with(cause) && error.source().is_none()
}

/// A client whose wire can be cut.
async fn behind_a_proxy(installation: &Installation) -> (Proxy, JoinCommunity) {
    let mut url = SecretString::from(installation.vhost().producer_url.clone());
    let wire = Proxy::before(&mut url);
    let client = JoinCommunity::connect(&broker(url.expose_secret())).await.unwrap().within(PATIENCE);
    (wire, client)
}

#[tokio::test]
async fn a_request_that_nobody_answers_times_out_and_is_answered_when_it_is_asked_again() {
    let installation = Installation::new().await;
    let client = client(&installation).await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let asked = request(site, member);
    client.enqueue(&asked).await.unwrap();
    let limit = Duration::from_secs(2);
    let error = client.within(limit).join(&asked).await.unwrap_err();
    let JoinError::TimedOut { request, limit: had, is_queued } = &error else { panic!("{error:?}") };
    assert_eq!((request, *had, *is_queued), (asked.id(), limit, true));
    assert!(error.ask_again());

    let worker = installation.start().await;
    assert_eq!(client.join(&asked).await.unwrap().id, MemberId(member));
    assert_eq!(installation.record(site, member).await.unwrap().sequence, JOINABLE.sequence + 1);
    worker.stop().await;
}

#[tokio::test]
async fn calls_that_are_under_way_end_with_the_connection_and_the_client_connects_anew() {
    let installation = Installation::new().await;
    let (wire, client) = behind_a_proxy(&installation).await;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 20).await;
    let requests: Vec<_> = members.iter().map(|member| request(site, *member)).collect();
    let under_way = async { join_all(requests.iter().map(|request| client.join(request))).await };
    let cut = async {
        until_waiting(&installation, 20).await;
        wire.set(Wire::Cut);
    };
    let (answers, ()) = tokio::join!(under_way, cut);
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(error.ask_again() && matches!(error, JoinError::Disconnected { .. }), "{error:?}");
    }

    let unsent = client.within(Duration::from_millis(300)).enqueue(&requests[0]).await;
    let Err(EnqueueError::NotSent(Unsent::Unavailable { why: Some(why), .. })) = &unsent else { panic!("{unsent:?}") };
    assert!(matches!(**why, Lost::Connect(_) | Lost::Broker(_) | Lost::Silent(_) | Lost::Ended(_)), "{why:?}");
    let cause = why.to_string();
    let unsent = unsent.unwrap_err();
    assert!(unsent.ask_again() && tells_once(&unsent, &cause), "{unsent}");

    // One that is asked while there is no connection waits for it.
    let worker = installation.start().await;
    let mend = async { wire.set(Wire::Whole) };
    let (answers, ()) =
        tokio::join!(async { join_all(requests.iter().map(|request| client.join(request))).await }, mend);
    for (answer, member) in answers.into_iter().zip(&members) {
        assert_eq!(answer.unwrap().id, MemberId(*member));
        assert_eq!(installation.record(site, *member).await.unwrap().sequence, JOINABLE.sequence + 1);
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_broker_that_hangs_is_noticed_and_the_client_connects_anew() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (wire, client) = behind_a_proxy(&installation).await;
    let site = Uuid::new_v4();
    let asked = request(site, installation.member(site, JOINABLE).await);
    wire.set(Wire::Hung);
    let error = client.join(&asked).await.unwrap_err();
    assert!(matches!(error, JoinError::Disconnected { .. }), "{error:?}");
    wire.set(Wire::Whole);
    client.join(&asked).await.unwrap();
    worker.stop().await;
}

#[tokio::test]
async fn connections_that_the_broker_closes_are_made_anew() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let name = format!("closed by the broker {}", Uuid::new_v4());
    let broker = broker(&installation.vhost().producer_url).name(&name);
    let client = JoinCommunity::connect(&broker).await.unwrap().within(PATIENCE);
    let site = Uuid::new_v4();
    let [ada, ben] = installation.members(site, JOINABLE, 2).await.try_into().unwrap();
    client.join(&request(site, ada)).await.unwrap();
    close_by_name(&installation, &name).await;
    let asked = request(site, ben);
    let joined = eventually("the client has connected anew", PATIENCE, async || match client.join(&asked).await {
        Err(error) if error.ask_again() => Err(error),
        other => Ok(other.unwrap()),
    })
    .await;
    assert_eq!(joined.id, MemberId(ben));
    worker.stop().await;
}

/// Has the broker close the connection of this name, once its list of connections has it.
async fn close_by_name(installation: &Installation, name: &str) {
    let vhost = installation.vhost();
    let shown = format!("{name} {}", env!("CARGO_PKG_VERSION"));
    eventually("the broker knows the connection", PATIENCE, async || {
        let path = format!("vhosts/{}/connections?columns=name,client_properties.connection_name", vhost.name);
        let connections = vhost.manage(reqwest::Method::GET, &path, None).await;
        let found = connections.as_array().into_iter().flatten();
        let mut ours = found.filter(|one| one["client_properties"]["connection_name"] == shown);
        match ours.find_map(|one| one["name"].as_str()) {
            Some(found) => {
                let path = format!("connections/{}", found.replace(' ', "%20").replace('>', "%3E"));
                vhost.manage(reqwest::Method::DELETE, &path, None).await;
                Ok(())
            }
            None => Err(connections.clone()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_given_up_harms_no_other() {
    let installation = Installation::new().await;
    let client = client(&installation).await;
    let site = Uuid::new_v4();
    let [ada, ben] = installation.members(site, JOINABLE, 2).await.try_into().unwrap();
    let (given_up, asked) = (request(site, ada), request(site, ben));
    let impatient = async {
        let gave_up = tokio::time::timeout(Duration::from_millis(100), client.join(&given_up)).await;
        assert!(gave_up.is_err());
        installation.start().await
    };
    let (answer, worker) = tokio::join!(client.join(&asked), impatient);
    assert_eq!(answer.unwrap().id, MemberId(ben));
    assert_eq!(client.join(&given_up).await.unwrap().id, MemberId(ada));
    worker.stop().await;
}

#[tokio::test]
async fn a_client_that_is_closed_tells_whoever_waits_and_whoever_comes_later() {
    let installation = Installation::new().await;
    let client = client(&installation).await;
    let asked = request(Uuid::new_v4(), Uuid::new_v4());
    let (waiting, later) = (client.clone(), client.clone());
    let close = async {
        until_waiting(&installation, 1).await;
        client.close().await;
    };
    let (answer, ()) = tokio::join!(waiting.join(&asked), close);
    let Err(error @ JoinError::Disconnected { why, .. }) = &answer else { panic!("{answer:?}") };
    assert!(matches!(**why, Lost::Closed) && tells_once(error, &why.to_string()), "{error}");
    let answer = later.join(&asked).await;
    assert!(matches!(answer, Err(JoinError::NotSent(Unsent::Closed { .. }))), "{answer:?}");
    assert!(!answer.unwrap_err().ask_again());
}

#[tokio::test]
async fn where_there_is_no_broker_the_client_says_so_at_its_start() {
    let installation = Installation::new().await;
    let mut url = SecretString::from(installation.vhost().producer_url.clone());
    let wire = Proxy::before(&mut url);
    for fault in [Wire::Cut, Wire::Hung] {
        wire.set(fault);
        let broker = broker(url.expose_secret()).timeout(Duration::from_secs(1));
        let lost = JoinCommunity::connect(&broker).await.err().expect("no connection");
        assert!(matches!(lost, Lost::Connect(_)), "{lost:?}");
    }
}
