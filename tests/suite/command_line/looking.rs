//! Who looks at members, and who acts, by commands: masked until somebody says why, on record, and in the log.

use join_community::postgres::Role;
use serde_json::{Value, json};

use crate::support::asking::member_number;
use crate::support::{Setup, on_record, this_user};

#[tokio::test]
async fn members_are_shown_and_exported_masked_until_somebody_says_why_and_then_it_is_on_record() {
    let mut setup = Setup::with(Role::Tool).await;
    let (site, id) = (setup.site.to_string(), member_number(1).to_string());
    let personal = ["jane@example.com", "Jane Doe", "ff20c02e", "2019-07-05", "gold"];
    let member = json!({
        "id": id, "loginEmail": personal[0], "contactId": "ff20c02e-3d13-4412-9529-d628aa0abc12",
        "contact": { "emails": [personal[0]] }, "profile": { "nickname": personal[1] },
        "lastLoginDate": "2019-07-05T00:00:00Z", "tier": "gold",
    });
    let import = ["members", "import", "--site", &site, "-", "--why", "a test"];
    let imported = setup.run(&import, &format!("{member}\n{}", r#"{"jane@example.com":1,"jane@example.com":2}"#));
    assert!(imported.stderr.contains("stdin:2: /(masked) "), "a place that tells of a person: {imported:?}");
    let show = ["members", "show", &site, &id];
    let export = ["members", "export", "--site", &site];
    let json = ["--output", "json"];
    let masked = [&show[..], &[&show[..], &json].concat(), &export].map(|arguments| setup.run(arguments, ""));
    for said in &masked {
        assert!(
            said.code == Some(0) && said.stdout.contains("(masked)") && said.stdout.contains("PRIVATE"),
            "{said:?}"
        );
        assert!(!personal.iter().any(|personal| said.stdout.contains(personal)), "{said:?}");
    }
    let refused = setup.run(&import, &masked[2].stdout);
    assert!(refused.code == Some(1) && refused.stderr.contains("is masked"), "no backup: {refused:?}");
    assert_eq!(setup.run(&[&show[..], &["--unmask"]].concat(), "").code, Some(2), "without a reason");
    let empty = setup.run(&[&export[..], &["--unmask", "--why", " "]].concat(), "");
    assert!(empty.code == Some(2) && empty.stdout.is_empty() && empty.stderr.contains("say why"), "{empty:?}");

    let unmask = ["--unmask", "--why", "ticket 4711"];
    let unmasked =
        [&[&show[..], &unmask].concat()[..], &[&show[..], &json, &unmask].concat(), &[&export[..], &unmask].concat()]
            .map(|arguments| setup.run(arguments, ""));
    for said in &unmasked {
        assert!(said.code == Some(0) && !said.stdout.contains("(masked)"), "{said:?}");
        assert!(personal.iter().all(|personal| said.stdout.contains(personal)), "{said:?}");
    }
    let (shown, exported) = (format!("{site}/{id}"), format!("{site} to stdout"));
    let expected = [
        ["members.unmask", &shown, "ticket 4711", "shown"],
        ["members.unmask", &shown, "ticket 4711", "shown"],
        ["members.export_unmasked", &exported, "ticket 4711", "ordered"],
        ["members.export_unmasked", &exported, "ticket 4711", "exported 1"],
    ];
    let record = on_record(&mut setup.stranger).await;
    let of_looking: Vec<_> = record.into_iter().filter(|row| row[0] != "members.import").collect();
    assert_eq!(of_looking, expected.map(|row| row.map(str::to_owned)));
    setup.does("ALTER TABLE operator_actions RENAME TO elsewhere").await;
    for arguments in [&show[..], &export] {
        let refused = setup.run(&[arguments, &unmask].concat(), "");
        assert!(refused.code == Some(1) && refused.stdout.is_empty(), "{refused:?}");
        assert!(refused.stderr.contains("cannot be recorded"), "{refused:?}");
    }
}

#[tokio::test]
async fn what_is_on_record_is_in_the_log_on_stderr_in_its_format_and_by_its_filter() {
    let mut setup = Setup::with(Role::Tool).await;
    let site = setup.site.to_string();
    let set = ["sites", "set", &site, "--public-member-candidates", "NO_ONE", "--why", "ticket 4711"];
    let set = [&set[..], &["--output", "json"]].concat();
    let pause = ["controls", "pause", "cache", "--why", "a test", "--output", "json"];
    let mut told = Vec::new();
    for arguments in [&set[..], &pause] {
        let more = [("JOIN_COMMUNITY__LOG__FORMAT", "json"), ("USER", "ana")];
        let said = setup.run_with(arguments, "", &more);
        assert!(said.code == Some(0) && serde_json::from_str::<Value>(&said.stdout).is_ok(), "{said:?}");
        for line in said.stderr.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned();
            assert_eq!((text("message"), text("level")), ("an operator acted".to_owned(), "INFO".to_owned()));
            // Not who the environment says it is.
            assert_eq!((text("who"), text("role")), (this_user(), "command line".to_owned()), "{line}");
            told.push(["action", "acted_on", "reason", "outcome"].map(text));
        }
    }
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told, on_record(&mut setup.stranger).await);
    let quiet = setup.run_with(&set, "", &[("JOIN_COMMUNITY__LOG__FILTER", "warn")]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
}
