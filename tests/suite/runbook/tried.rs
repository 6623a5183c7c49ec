//! What of `docs/operations.md` is tried, and by which tests. A block of commands that nobody runs is a promise that nobody
//! keeps: it fails here, as does a symptom with nothing to run.

use std::fs;
use std::path::{Path, PathBuf};

use super::steps::{blocks, sections, symptoms};

/// Every section that has commands, with the test that runs each of its blocks, in their order.
const TRIED: &[(&str, &[&str])] = &[
    ("By hand", &["what_is_done_by_hand"]),
    ("No worker is seen", &["no_worker_is_seen"; 3]),
    ("A worker is not ready", &["a_worker_is_not_ready"; 2]),
    ("A dependency is out", &["a_dependency_is_out"; 2]),
    ("The broker blocks publishers", &["the_broker_blocks_publishers"]),
    ("Fewer lanes serve than shall", &["fewer_lanes_serve_than_shall"]),
    ("The backlog grows", &["the_backlog_grows"; 2]),
    ("One site's backlog", &["one_site_s_backlog"; 3]),
    ("Nothing is settled", &["nothing_is_settled"; 2]),
    ("Something is set by hand", &["something_is_set_by_hand"; 2]),
    // The last one against a flood as well: `malformed_messages_are_dropped`.
    ("Dead letters appear", &["dead_letters_appear"; 3]),
    ("Deliveries keep coming back", &["deliveries_keep_coming_back"; 2]),
    ("Events or cache entries are late", &["events_or_cache_entries_are_late"; 2]),
    ("The cache is behind", &["the_cache_is_behind"; 2]),
    ("Events are missing", &["events_are_missing"; 2]),
    ("An event is too large", &["an_event_is_too_large"]),
    ("Work is slow", &["work_is_slow"; 3]),
    ("The clocks are apart", &["the_clocks_are_apart"]),
    ("Keys cannot be read", &["keys_cannot_be_read"]),
    ("Requests are refused (401)", &["requests_are_refused"]),
    ("Webhooks are not taken", &["webhooks_are_not_taken"; 3]),
    ("Spans are lost", &["spans_are_lost"]),
    ("The broker was replaced", &["the_broker_was_replaced"; 3]),
    ("What an old broker holds is moved", &["what_an_old_broker_holds_is_moved"; 3]),
    ("The database is moved", &["the_database_is_moved"; 3]),
    (
        "A new version",
        &[
            "a_new_version",
            "a_new_version_where_tables_belong_to_another_role",
            "a_new_version",
            "back_to_a_version_from_before_leaving",
        ],
    ),
    ("A backup is restored", &["a_backup_is_restored"; 2]),
    ("Webhooks", &["a_key_for_webhooks_is_made"]),
    ("More or fewer shards", &["more_or_fewer_shards"; 3]),
];

/// Sections of the runbook with nothing to run, each with its reason.
const TOLD_ONLY: &[(&str, &str)] = &[];

/// The source of every test that has the services.
fn sources() -> Vec<(PathBuf, String)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let (mut folders, mut found) = (vec![tests.join("suite/runbook"), tests.join("outages")], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "tried.rs") {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

/// What is wrong with the test that is said to run blocks of a section.
fn wrong(test: &str, section: &str, sources: &[(PathBuf, String)]) -> Option<String> {
    let begin = format!("#[tokio::test]\nasync fn {test}() {{\n");
    let Some((path, source)) = sources.iter().find(|(_, text)| text.contains(&begin)) else {
        return Some(format!("{section}: there is no test {test}"));
    };
    let says = source.contains(&format!("\"{section}\"")) && source.contains(".done()");
    (!says).then(|| format!("{section}: {test} in {} runs no block of it to the last", path.display()))
}

#[test]
fn every_block_of_commands_is_run_by_a_test() {
    let sources = sources();
    let mut findings = Vec::new();
    for (section, _) in sections() {
        let (there, tests) = (blocks(section).len(), TRIED.iter().find(|(tried, _)| *tried == section));
        let tests = tests.map(|(_, tests)| *tests).unwrap_or_default();
        if there != tests.len() {
            findings.push(format!("{section}: {there} blocks, and tests for {}", tests.len()));
        }
        findings.extend(tests.iter().filter_map(|test| wrong(test, section, &sources)));
    }
    let known: Vec<&str> = sections().into_iter().map(|(heading, _)| heading).collect();
    let gone = TRIED.iter().filter(|(section, _)| !known.contains(section));
    findings.extend(gone.map(|(section, _)| format!("{section}: there is no such section")));
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn every_symptom_has_something_to_run_or_a_reason_why_not() {
    let symptoms = symptoms();
    assert!(symptoms.len() > 20, "the runbook is read wrongly: {symptoms:?}");
    for symptom in &symptoms {
        let told = TOLD_ONLY.iter().any(|(section, reason)| section == symptom && !reason.is_empty());
        assert_ne!(told, !blocks(symptom).is_empty(), "{symptom} has neither a block nor a reason, or both");
    }
    let gone: Vec<_> = TOLD_ONLY.iter().filter(|(section, _)| !symptoms.contains(section)).collect();
    assert!(gone.is_empty(), "sections that are not there: {gone:?}");
}

#[test]
fn a_test_that_runs_nothing_of_a_section_is_noticed() {
    let source = |text: &str| vec![(PathBuf::from("a.rs"), text.to_owned())];
    let test = "#[tokio::test]\nasync fn it_is_tried() {\n    Steps::of(\"Something\", &installation).done();\n}\n";
    assert_eq!(wrong("it_is_tried", "Something", &source(test)), None);
    assert!(wrong("it_is_tried", "Anything", &source(test)).is_some());
    assert!(wrong("another", "Something", &source(test)).is_some());
    assert!(wrong("it_is_tried", "Something", &source(&test.replace(".done()", ""))).is_some());
}
