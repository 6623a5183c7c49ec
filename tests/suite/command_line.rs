//! The commands that work on the record, run as a person runs them: members, sites, explain.

mod looking;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use join_community::domain::Method;
use join_community::join::rounds::{Policy, bring_to_outcome};
use join_community::operations::Laps;
use join_community::postgres::Role;
use join_community::wire::event::event_id;
use serde_json::{Value, json};

use crate::support::asking::{asking, joinable, member_number, new_site, own_request, request};
use crate::support::{Setup, empty_database, on_record};

impl Setup {
    /// Runs the program against this database.
    fn run(&self, arguments: &[&str], stdin: &str) -> Ended {
        self.run_with(arguments, stdin, &[])
    }

    /// The same with more in its environment.
    fn run_with(&self, arguments: &[&str], stdin: &str, more: &[(&str, &str)]) -> Ended {
        let mut child = Command::new(env!("CARGO_BIN_EXE_join-community"))
            .args(arguments)
            .env("JOIN_COMMUNITY__DATABASE__URL", self.database.url())
            .envs(more.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn import(site: &str) -> [&str; 7] {
    ["members", "import", "--site", site, "-", "--why", "a copy"]
}

fn line(number: u8) -> Value {
    json!({ "id": member_number(number).to_string(), "loginEmail": "a@example.com", "profile": { "nickname": "a" } })
}

#[tokio::test]
async fn each_line_is_imported_or_named_with_its_reason() {
    let mut setup = Setup::with(Role::Tool).await;
    // Only the database knows this rule, so a whole batch is refused for one line of it.
    setup.does("ALTER TABLE members ADD CHECK (login_email <> 'refused@example.com')").await;
    let mut lines: Vec<Value> = (1..=20).map(line).collect();
    lines[6]["loginEmail"] = json!("refused@example.com");
    lines[9]["status"] = json!("UNKNOWN");
    let mut again = line(3);
    again["profile"]["nickname"] = json!("later");
    lines.push(again);
    let mut file: Vec<String> = lines.iter().map(Value::to_string).collect();
    file.insert(0, "no JSON".to_owned());
    let site = setup.site.to_string();
    let ended = setup
        .run(&["members", "import", "--site", &site, "-", "--why", "a test", "--output", "json"], &file.join("\n"));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let tally: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(tally, json!({ "new": 18, "changed": 1, "unchanged": 0, "refused": 3 }));
    let (acted, complaints): (Vec<&str>, Vec<&str>) =
        ended.stderr.lines().partition(|line| line.contains("an operator acted"));
    assert_eq!((acted.len(), complaints.len()), (2, 3), "{ended:?}");
    assert!(complaints[0].starts_with("stdin:1: the line"), "{ended:?}");
    assert!(complaints.iter().any(|complaint| complaint.starts_with("stdin:11: /status")), "{ended:?}");
    let refused = complaints.iter().find(|complaint| complaint.starts_with("stdin:8: ")).unwrap();
    assert!(refused.contains("check constraint") && !refused.contains("refused@example.com"), "{refused}");
    let member = setup.store.member(setup.site, member_number(3)).await.unwrap().unwrap();
    assert!(member.profile.unwrap().0.contains("later"), "of one id the later line wins");
}

#[tokio::test]
async fn what_changes_members_is_on_record_with_who_why_and_what_came_of_it() {
    let mut setup = Setup::with(Role::Tool).await;
    let site = setup.site.to_string();
    let import = ["members", "import", "--site", &site, "-", "--why", "they are new"];
    let members = format!("{}\n{}", line(1), line(2));
    let unsaid = setup.run(&import[..5], "");
    assert!(unsaid.code == Some(2) && unsaid.stderr.contains("--why"), "without a reason: {unsaid:?}");
    assert_eq!(setup.run(&import, &members).code, Some(0));
    let advance = ["members", "advance", "--by", "7", "--site", &site, "--announce", "--why", "a restore"];
    assert_eq!(setup.run(&advance, "").code, Some(0));
    let (file, raised) = (format!("{site} from stdin"), format!("{site}, by 7, announced"));
    let expected = [
        ["members.import", &file, "they are new", "ordered"],
        ["members.import", &file, "they are new", "2 new, 0 changed, 0 unchanged, 0 refused"],
        ["members.advance", &raised, "a restore", "ordered"],
        ["members.advance", &raised, "a restore", "raised 2 members of 1 sites"],
    ];
    assert_eq!(on_record(&mut setup.stranger).await, expected.map(|row| row.map(str::to_owned)));
    setup.does("ALTER TABLE operator_actions RENAME TO elsewhere").await;
    let refused = setup.run(&import, &line(3).to_string());
    assert!(refused.code == Some(1) && refused.stderr.contains("cannot be recorded"), "{refused:?}");
    assert!(setup.store.member(setup.site, member_number(3)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_migrate_applies_is_on_record_and_not_that_there_was_nothing_to_apply() {
    let database = empty_database().await;
    for _ in 0..2 {
        let mut program = Command::new(env!("CARGO_BIN_EXE_join-community"));
        let ended = program.arg("migrate").env("JOIN_COMMUNITY__DATABASE__URL", database.url()).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
    }
    let [[action, target, reason, outcome]] = on_record(&mut database.stranger().await).await.try_into().unwrap();
    assert_eq!([action.as_str(), target.as_str(), reason.as_str()], ["migrate", "schema", ""]);
    assert!(outcome.starts_with("applied 1, 2, "), "{outcome}");
}

#[tokio::test]
async fn what_is_exported_imports_to_the_same_record() {
    let setup = Setup::with(Role::Tool).await;
    let mut whole = line(1);
    whole["contact"] = json!({ "firstName": "É", "phones": ["1"], "customFields": { "_id": { "value": "kept" } } });
    whole["lastLoginDate"] = json!("2026-01-01T00:00:00Z");
    whole["futureField"] = json!([1, { "_id": "kept" }]);
    let (site, other) = (setup.site.to_string(), new_site().to_string());
    let imported = setup.run(&import(&site), &format!("{whole}\n{}", line(2)));
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let unmask = ["--unmask", "--why", "a copy"];
    let exported = setup.run(&[&["members", "export", "--site", &site][..], &unmask].concat(), "");
    assert_eq!((exported.code, exported.stdout.lines().count()), (Some(0), 2), "{exported:?}");
    let imported = setup.run(&import(&other), &exported.stdout);
    assert_eq!(imported.stdout, "Imported: 2 new, 0 changed, 0 unchanged, 0 refused.\n", "{imported:?}");
    let again = setup.run(&import(&site), &exported.stdout);
    assert_eq!(again.stdout, "Imported: 0 new, 0 changed, 2 unchanged, 0 refused.\n", "{again:?}");
    let file = std::env::temp_dir().join(format!("{other}.ndjson"));
    let to_file = ["members", "export", "--site", &other, file.to_str().unwrap()];
    let to_file = setup.run(&[&to_file[..], &unmask].concat(), "");
    assert_eq!((to_file.code, to_file.stdout.as_str()), (Some(0), ""), "{to_file:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), exported.stdout);
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn show_has_exactly_the_fields_that_programs_rely_on() {
    let mut setup = Setup::with(Role::Tool).await;
    let member = joinable(&mut setup.stranger, setup.site).await;
    let (site, id) = (setup.site.to_string(), member.to_string());
    let shown = setup.run(&["members", "show", &site, &id, "--output", "json"], "");
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&shown["siteId"], &shown["eventSequence"]), (&json!(site), &json!("0")));
    assert_eq!((shown.as_object().unwrap().len(), &shown["member"]["id"]), (3, &json!(id)));
    assert!(setup.run(&["members", "show", &site, &id], "").stdout.contains("PRIVATE"));
    setup.does("DELETE FROM members").await;
    let deleted = setup.run(&["members", "show", &site, &id, "--output", "json"], "");
    assert_eq!((deleted.code, deleted.stdout.as_str()), (Some(1), ""), "{deleted:?}");
    assert!(deleted.stderr.contains("was deleted"), "{deleted:?}");
    let unknown = setup.run(&["members", "show", &site, &site], "");
    assert!(unknown.code == Some(1) && unknown.stderr.contains("has no member"), "{unknown:?}");
}

#[tokio::test]
async fn the_gate_of_a_site_is_set_and_shown() {
    let mut setup = Setup::with(Role::Tool).await;
    let site = setup.site.to_string();
    assert!(setup.run(&["sites", "show", &site], "").stdout.contains("ANYONE (the default"));
    let set = ["sites", "set", &site, "--public-member-candidates", "NO_ONE", "--why", "ticket 4711"];
    let set = setup.run(&set, "");
    assert_eq!(set.code, Some(0), "{set:?}");
    let expected = ["ordered", "set"]
        .map(|outcome| ["sites.set", &format!("{site}: NO_ONE"), "ticket 4711", outcome].map(str::to_owned));
    assert_eq!(on_record(&mut setup.stranger).await, expected);
    let shown = setup.run(&["sites", "show", &site, "--output", "json"], "");
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown, json!({ "siteId": site, "publicMemberCandidates": "NO_ONE", "isDefault": false }));
}

#[tokio::test]
async fn explain_finds_a_request_at_any_site_and_shows_every_requester() {
    let mut setup = Setup::with(Role::Tool).await;
    let policy = Policy { patience: 0, lease: Duration::from_secs(10) };
    // Sites before and after, so that the search has to pass some by.
    for _ in 0..5 {
        let site = new_site();
        let member = joinable(&mut setup.stranger, site).await;
        bring_to_outcome(&mut setup.store, &[&own_request(site, member)], policy, &mut Laps::begin()).await.unwrap();
    }
    let member = joinable(&mut setup.stranger, setup.site).await;
    let first = own_request(setup.site, member);
    let second = request(setup.site, Some(member), first.caller, first.id.as_str(), "another-gateway");
    bring_to_outcome(&mut setup.store, &[&first, &second], policy, &mut Laps::begin()).await.unwrap();
    let explained = setup.run(&["explain", first.id.as_str(), "--output", "json"], "");
    let explained: Value = serde_json::from_str(&explained.stdout).unwrap();
    let find = |producer: &str| {
        let requester = json!(format!("producer:{producer}"));
        explained.as_array().unwrap().iter().find(|entry| entry["requester"] == requester).cloned().unwrap()
    };
    let joined = find("member-gateway");
    assert_eq!((&joined["verdict"], &joined["eventSequence"]), (&json!("joined"), &json!("1")));
    assert_eq!(joined["eventId"], json!(event_id(setup.site, member, 1)));
    assert_eq!((&joined["ruleVersion"], &joined["rule"]["clause"]), (&json!(1), &json!(7)));
    assert_eq!(joined["rule"]["facts"][0], "the caller is the member");
    assert_eq!(joined["changed"], "privacyStatus PRIVATE → PUBLIC");
    assert_eq!(joined["traceId"], json!("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!((&joined["owed"]["event"], &joined["owed"]["cache"]), (&json!(true), &json!(true)));
    let repeated = find("another-gateway");
    assert_eq!((&repeated["verdict"], &repeated["changed"]), (&json!("already_joined"), &json!("nothing")));
    let text = setup.run(&["explain", first.id.as_str(), "--site", &setup.site.to_string()], "").stdout;
    assert!(
        text.contains("joined (200)")
            && text.contains("7 of version 1: who is private becomes public")
            && text.contains("changed    privacyStatus PRIVATE → PUBLIC")
            && text.contains("a trusted producer"),
        "{text}"
    );
    let leave = asking(Method::Leave, own_request(setup.site, member));
    bring_to_outcome(&mut setup.store, &[&leave], policy, &mut Laps::begin()).await.unwrap();
    let explained = setup.run(&["explain", leave.id.as_str(), "--output", "json"], "");
    let left = serde_json::from_str::<Value>(&explained.stdout).unwrap()[0].take();
    assert_eq!((&left["method"], &left["verdict"]), (&json!("leave"), &json!("left")));
    assert_eq!(left["changed"], "privacyStatus PUBLIC → PRIVATE");
    assert_eq!(left["eventId"], json!(event_id(setup.site, member, 2)));
    let rule = json!({
        "clause": 5, "says": "who is public becomes private", "facts": ["the caller is the member", "public before"],
    });
    assert_eq!(left["rule"], rule);
    let elsewhere = setup.run(&["explain", first.id.as_str(), "--site", &new_site().to_string()], "");
    assert!(elsewhere.code == Some(1) && elsewhere.stderr.contains("no verdict is recorded"), "{elsewhere:?}");
}
