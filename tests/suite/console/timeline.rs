//! The timeline of a member with many requests, at a site with many more: part by part, none left out and none told twice, and
//! each part says whether another may follow.

use reqwest::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::support::{Caller, Installation, JOINABLE, ask_for_tokens};

/// Of these every hundredth is the member's.
const OLDER: usize = 23_000;
/// Newer ones of others: more than one look of a search goes through.
const NEWER: usize = 22_000;

/// Fills the record of a site.
async fn filled(installation: &Installation, site: Uuid, member: Uuid) {
    let fill = "
        INSERT INTO join_requests (site_id, request_id, requester, digest, member_id, caller, elevated, proof, verdict,
                                   event_sequence, received_at, decided_at)
        SELECT $1::uuid, 'r' || lpad(n::text, 6, '0'), 'producer:p', '',
               CASE WHEN n % 100 = 0 AND n <= $3::bigint THEN $2::uuid ELSE $1::uuid END, 'MEMBER:' || $2::uuid, false,
               'producer', 'already_joined', 16, at, at
        FROM generate_series(1::bigint, $3::bigint + $4::bigint) n
        CROSS JOIN LATERAL (SELECT now() - interval '1 day' + n * interval '1 second') AS t (at)";
    let query = sqlx::query(fill).bind(site).bind(member);
    let query = query.bind(i64::try_from(OLDER).unwrap()).bind(i64::try_from(NEWER).unwrap());
    query.execute(&mut installation.stranger().await).await.unwrap();
}

#[tokio::test]
async fn however_far_back_and_however_many_a_members_requests_are_the_timeline_goes_on_to_the_first() {
    let installation = Installation::with(ask_for_tokens).await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    filled(&installation, site, member).await;
    let worker = installation.start().await;
    let viewer = Caller::of(&worker).bearing("viewer");
    let path = format!("/api/v1/members/{site}/{member}/timeline");
    let (mut found, mut parts, mut query, mut last) = (Vec::new(), 0, String::new(), None);
    loop {
        let part = viewer.get(&format!("{path}{query}")).await.json();
        let steps = part["steps"].as_array().unwrap_or_else(|| panic!("{part}"));
        let received = steps.iter().filter(|step| step["what"] == "received");
        let ids: Vec<String> = received.map(|step| step["requestId"].as_str().unwrap().to_owned()).collect();
        assert!(ids.len() <= 100, "{} requests in one part", ids.len());
        found.extend(ids);
        parts += 1;
        assert_eq!(part["complete"], part["next"].is_null(), "{part}");
        let Some(next) = part["next"].as_str() else { break };
        query = format!("?cursor={}", next.replace(' ', "%20"));
        last = Some((next.to_owned(), query.clone()));
        assert!(parts < 500, "it does not end: {next}");
    }
    let own: Vec<String> = (1..=OLDER / 100).rev().map(|hundred| format!("r{:06}", hundred * 100)).collect();
    assert_eq!(found, own);
    assert!(parts > 2, "{parts}");

    let (next, query) = last.expect("there was a part before the last");
    let place = format!("/members/{site}/{member}");
    let first = viewer.get(&place).await.text;
    assert!(first.contains("may follow") && first.contains(&format!("href=\"{place}?cursor=")), "{first}");
    let end = viewer.get(&format!("{place}{query}")).await.text;
    assert!(end.contains("no further request") && end.contains("r000100") && !end.contains("may follow"), "{end}");
    let (site, member) = (site.to_string(), member.to_string());
    let told = installation.says(&["members", "timeline", &site, &member, "--cursor", &next]).await;
    // The console knows of dead letters as of the last reading, the command reads them.
    let but_for_letters = |mut told: Value| {
        told["deadLetters"].take();
        told
    };
    assert_eq!(but_for_letters(told), but_for_letters(viewer.get(&format!("{path}{query}")).await.json()));
    let told = installation.run(&["members", "timeline", &site, &member]).await;
    assert!(told.stdout.contains("may follow: --cursor 'r"), "{told:?}");
    assert_eq!(viewer.get(&format!("{path}?cursor=r000100")).await.status, StatusCode::BAD_REQUEST);
    worker.stop().await;
}
