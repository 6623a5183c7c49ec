//! Which letters are meant: the same words for looking, exporting, replaying and discarding.

use serde_json::json;
use uuid::Uuid;

use super::{dead, dead_letters, left_by_the_worker};
use crate::support::{Installation, Message};

#[tokio::test]
async fn letters_are_chosen_by_reason_site_member_time_and_error_and_by_all_of_it_together() {
    let installation = Installation::new().await;
    let (site, other, member) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let [early, late] = ["2026-11-24T10:00:00.000Z", "2026-11-25T10:00:00.000Z"];
    let malformed = json!({ "siteId": site, "memberId": member, "elevated": "yes" });
    let letters = [
        left_by_the_worker(site, member, early).id("a"),
        left_by_the_worker(site, Uuid::now_v7(), late).id("b"),
        left_by_the_worker(other, member, late).id("c"),
        dead(Message::json(&malformed))
            .id("d")
            .text_header("x-join-community-reason", "malformed")
            .text_header("x-join-community-error", "elevated must be true or false")
            .text_header("x-join-community-first-seen", early),
    ];
    installation.producer_as_worker().await.send_all(&letters).await;
    let (site, member) = (site.to_string(), member.to_string());
    for (options, expected) in [
        (&["--reason", "busy"][..], &["a", "b", "c"][..]),
        (&["--site", &site], &["a", "b", "d"]),
        (&["--member", &member], &["a", "c", "d"]),
        (&["--since", "2026-11-25T00:00:00Z"], &["b", "c"]),
        (&["--before", "2026-11-25T10:00:00Z"], &["a", "d"]),
        (&["--error", "True or FALSE"], &["d"]),
        (&["--site", &site, "--member", &member, "--reason", "busy"], &["a"]),
        (&["--never-replayed"], &["a", "b", "c", "d"]),
    ] {
        let list = dead_letters(&installation, &[&["list", "--output", "json"], options].concat()).await;
        let ids: Vec<_> = list.json().as_array().unwrap().iter().map(|one| one["requestId"].clone()).collect();
        assert_eq!(ids, expected, "{options:?}");
        let export = dead_letters(&installation, &[&["export"], options].concat()).await;
        assert_eq!(export.stdout.lines().count(), expected.len(), "{options:?}");
        if options != ["--never-replayed"] {
            let arguments = [&["replay", "--dry-run", "--force", "--output", "json"], options].concat();
            let foreseen = dead_letters(&installation, &arguments).await.json();
            assert_eq!(foreseen.as_array().unwrap().len(), expected.len(), "{options:?}");
        }
    }
    let said = dead_letters(
        &installation,
        &["discard", "--member", &member, "--since", early, "--yes-discard", "3", "--why", "x"],
    )
    .await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let left = dead_letters(&installation, &["list", "--output", "json"]).await.json();
    assert_eq!((left.as_array().unwrap().len(), &left[0]["requestId"]), (1, &json!("b")));
}
