//! Each operation of the API is a verb of the command line, too: no script is needed for what the console can do.

use clap::CommandFactory as _;
use join_community::cli::Cli;
use serde_json::Value;

/// Each operation with the verbs that do the same, and the options that they need for it.
const VERBS: &[(&str, &[&str])] = &[
    ("GET /api/v1/overview", &["overview"]),
    ("GET /api/v1/controls", &["controls list"]),
    (
        "POST /api/v1/controls",
        &["controls pause --why --for", "controls hold --why --for", "controls bounds --why --for --lanes --batch"],
    ),
    ("POST /api/v1/controls/release", &["controls resume --why", "controls release --why", "controls unbound --why"]),
    ("POST /api/v1/drain", &["controls drain --at --why"]),
    ("POST /api/v1/try-now", &["controls try-now --at --why"]),
    ("GET /api/v1/requests", &["requests search --cursor"]),
    ("GET /api/v1/requests/{id}", &["explain"]),
    ("GET /api/v1/members/{site}/{member}/timeline", &["members timeline --cursor"]),
    ("GET /api/v1/dead-letters", &["dead-letters list --groups --discarded"]),
    ("POST /api/v1/dead-letters/reading", &["dead-letters list --discarded"]),
    ("GET /api/v1/dead-letters/{id}", &["dead-letters show --discarded"]),
    ("POST /api/v1/dead-letters/{id}/unmask", &["dead-letters show --unmask --why"]),
    ("POST /api/v1/dead-letters/{id}/edit", &["dead-letters edit --why"]),
    ("POST /api/v1/dead-letters/dry-run", &["dead-letters replay --dry-run --unmask --why"]),
    ("POST /api/v1/dead-letters/replay", &["dead-letters replay --rate --max-failures --wait --why"]),
    ("GET /api/v1/dead-letters/replay", &["dead-letters progress --at"]),
    ("POST /api/v1/dead-letters/replay/stop", &["dead-letters stop --at --why"]),
    ("POST /api/v1/dead-letters/replay/resume", &["dead-letters resume --at --why"]),
    ("POST /api/v1/dead-letters/discard", &["dead-letters discard --yes-discard --why"]),
    ("POST /api/v1/dead-letters/restore", &["dead-letters restore --why"]),
    ("GET /api/v1/actions", &["actions"]),
];

/// What the command line lacks of a verb and its options.
fn lacks(verb: &str) -> Option<String> {
    let (options, names): (Vec<&str>, Vec<&str>) = verb.split(' ').partition(|word| word.starts_with("--"));
    let root = Cli::command();
    let mut command = &root;
    for name in names {
        let Some(found) = command.find_subcommand(name) else { return Some(format!("{verb}: there is no `{name}`")) };
        command = found;
    }
    if command.has_subcommands() {
        return Some(format!("{verb} does nothing by itself"));
    }
    let has = |option: &&str| command.get_arguments().any(|argument| argument.get_long() == Some(&option[2..]));
    options.iter().find(|option| !has(option)).map(|option| format!("{verb}: there is no `{option}`"))
}

#[test]
fn each_operation_of_the_document_has_its_verb_and_each_verb_exists() {
    let document: Value = serde_json::from_str(&join_community::console::document()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        operations
            .extend(methods.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    for operation in &operations {
        let verbs = VERBS.iter().find(|(known, _)| known == operation).map(|(_, verbs)| *verbs).unwrap_or_default();
        assert!(!verbs.is_empty(), "{operation} has no verb at the command line");
    }
    for (operation, verbs) in VERBS {
        assert!(operations.iter().any(|known| known == operation), "{operation} is not in the document");
        let lacking: Vec<String> = verbs.iter().filter_map(|verb| lacks(verb)).collect();
        assert!(lacking.is_empty(), "{operation}: {lacking:?}");
    }
}

#[test]
fn a_verb_that_does_not_exist_is_noticed() {
    for wrong in ["nothing", "dead-letters", "dead-letters nothing", "dead-letters stop --nothing"] {
        assert!(lacks(wrong).is_some(), "{wrong}");
    }
}
