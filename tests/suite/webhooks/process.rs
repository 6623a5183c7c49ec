//! Webhooks by the real program: killed while they are on their way, and to a receiver whose authority it hears of by its
//! environment.

use std::collections::HashSet;
use std::path::Path;

use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::receiver::{Answer, Receiver};
use super::{TAKEN, outcome, tell, until_delivered};
use crate::support::{Installation, JOINABLE, Message, Running, variable};

/// The webhooks of the installation, as the program is told of them.
pub(crate) fn environment(installation: &Installation) -> [(&'static str, String); 3] {
    let webhooks = &installation.config.webhooks;
    let target =
        webhooks.targets.iter().map(|it| format!("{{ name = {:?}, url = {:?} }}", it.name, it.url.expose_secret()));
    let targets = format!("[{}]", target.collect::<Vec<_>>().join(", "));
    let ladder = webhooks.ladder.iter().map(|wait| format!("{wait:?}")).collect::<Vec<_>>();
    [
        ("JOIN_COMMUNITY__WEBHOOKS__TARGETS", targets),
        ("JOIN_COMMUNITY__WEBHOOKS__KEY", webhooks.key.expose_secret().to_owned()),
        ("JOIN_COMMUNITY__WEBHOOKS__LADDER", format!("{ladder:?}")),
    ]
}

/// The program at work, with the webhooks of the installation. It trusts the authority of the services' certificates.
fn run(installation: &Installation) -> Running {
    let webhooks = environment(installation);
    let authority = Path::new(&variable("TLS_FOLDER")).join("ca.pem");
    let mut more = vec![
        ("SSL_CERT_FILE", authority.to_str().unwrap()),
        // Nothing is late on a machine that is busy with other tests.
        ("JOIN_COMMUNITY__WEBHOOKS__TIMEOUT", "15s"),
        ("JOIN_COMMUNITY__HTTP__LISTEN", ""),
        (
            "JOIN_COMMUNITY__AUTH__PRODUCERS",
            r#"[{ user = "member-gateway", identity_types = ["MEMBER"], sites = ["*"] }]"#,
        ),
    ];
    more.extend(webhooks.iter().map(|(name, value)| (*name, value.as_str())));
    installation.program_with(&["run"], &more)
}

#[tokio::test]
async fn a_worker_that_is_killed_while_webhooks_are_on_their_way_loses_none() {
    let mut crm = Receiver::start(Answer::Never).await;
    let installation = Installation::with(|config| tell(config, &[("crm", &crm)], &[200; 10])).await;
    let program = run(&installation);
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 10).await;
    installation.until_answered(&crowd, 10).await;
    // Posted, and not answered.
    let on_its_way = crm.next().await;
    program.kill().await;
    crm.forget();
    crm.answers(TAKEN);

    let worker = installation.start().await;
    let mut missing: HashSet<Uuid> = crowd.members.iter().copied().collect();
    let mut came_again = false;
    while !missing.is_empty() || !came_again {
        let posted = crm.next().await;
        came_again |= posted.body == on_its_way.body;
        missing.remove(&posted.event()["entityId"].as_str().unwrap().parse().unwrap());
    }
    until_delivered(&worker, "crm", 10).await;
    assert_eq!(outcome(&worker, "crm", "dead"), 0);
    for queue in
        ["join-community.webhooks", "join-community.webhooks.to.crm", "join-community.webhooks.dead-letters.crm"]
    {
        installation.until_holds(queue, 0).await;
    }
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_receiver_by_tls_is_told_where_its_authority_is_trusted() {
    let mut crm = Receiver::by_tls();
    let installation = Installation::with(|config| tell(config, &[("crm", &crm)], &[200; 10])).await;
    let program = run(&installation);
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    let posted = crm.next().await;
    assert_eq!(posted.kind, "text/plain; charset=utf-8");
    assert_eq!(posted.event()["entityId"], member.to_string());
    program.interrupt().await;
    assert_eq!(program.end().await.code, Some(0));
    for queue in ["to.crm", "to.crm.retry.200ms", "dead-letters"] {
        installation.until_holds(&format!("join-community.webhooks.{queue}"), 0).await;
    }
}
