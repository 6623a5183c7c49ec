//! How files look: their first line, their length, and what is never left in them.

use crate::rust::code;
use crate::tree::{File, files, none, read, rust};

/// About 250 lines is where a reader begins to scroll; above this a file holds two things.
const MOST_LINES: usize = 300;
const MOST_LINES_OF_ARCHITECTURE: usize = 150;
/// What is to be copied has to be taken in at a glance.
const MOST_LINES_OF_EXAMPLES: usize = 59;

/// Marks of unfinished work. Spelt in two halves, so that this file does not find itself.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("to", "do!("),
    concat!("unimple", "mented!"),
    concat!("Place", "holder"),
    concat!("#[ig", "nore"),
];

fn everything() -> Vec<File> {
    let mut all = rust();
    for (folder, endings) in [
        ("src", &[".sql", ".lua"][..]),
        ("migrations", &[".sql"]),
        ("config", &[".toml", ".conf", ".json", ".sh"]),
        ("scripts", &[""]),
    ] {
        all.extend(files(folder, true, endings));
    }
    all.extend(files("", false, &["Makefile", "Dockerfile", ".toml", ".yml"]));
    all
}

#[test]
fn every_source_file_says_first_what_it_is_for() {
    let silent = rust().into_iter().filter(|file| !file.text.starts_with("//! ")).map(|file| file.path);
    let mut findings: Vec<String> = silent.collect();
    for file in files("src", true, &[".sql", ".lua"]).into_iter().chain(files("migrations", true, &[".sql"])) {
        if !file.text.starts_with("-- ") {
            findings.push(file.path);
        }
    }
    none("files that do not begin with what they are for", &findings);
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let long = |most: usize| {
        move |file: &File| {
            let lines = file.text.lines().count();
            (lines > most).then(|| format!("{}: {lines} lines, at most {most}", file.path))
        }
    };
    let mut findings: Vec<String> = rust().iter().filter_map(long(MOST_LINES)).collect();
    findings.extend(files("", false, &["ARCHITECTURE.md"]).iter().filter_map(long(MOST_LINES_OF_ARCHITECTURE)));
    let examples = [("examples/python", ".py"), ("examples/node", ".js"), ("examples/rust", ".rs")];
    let examples = examples.map(|(folder, ending)| files(folder, false, &[ending]));
    assert!(examples.iter().all(|those| !those.is_empty()), "the examples are looked for in the wrong place");
    findings.extend(examples.iter().flatten().filter_map(long(MOST_LINES_OF_EXAMPLES)));
    none("files that are too long", &findings);
}

/// Whoever copies an example has all of it.
#[test]
fn examples_import_nothing_of_each_other() {
    let python = files("examples/python", false, &[".py"]);
    let modules: Vec<&str> =
        python.iter().filter_map(|file| file.path.rsplit('/').next()?.strip_suffix(".py")).collect();
    assert!(modules.contains(&"consumer"), "the examples are looked for in the wrong place: {modules:?}");
    let mut findings = Vec::new();
    for file in &python {
        for line in file.text.lines() {
            let imported = line.strip_prefix("from ").or_else(|| line.strip_prefix("import "));
            let module = imported.and_then(|rest| rest.split([' ', '.', ',']).next());
            if module.is_some_and(|module| modules.contains(&module)) {
                findings.push(format!("{}: {line}", file.path));
            }
        }
    }
    for file in files("examples/node", false, &[".js"]) {
        let imports = file.text.lines().filter(|line| line.contains("from './"));
        findings.extend(imports.map(|line| format!("{}: {line}", file.path)));
    }
    none("examples that cannot be copied alone", &findings);
}

#[test]
fn nothing_is_left_for_later() {
    let mut findings = Vec::new();
    for file in everything() {
        for (number, line) in file.text.lines().enumerate() {
            let marks = UNFINISHED.iter().filter(|mark| line.contains(**mark));
            findings.extend(marks.map(|mark| format!("{}:{}: {mark}", file.path, number + 1)));
        }
    }
    none("unfinished work", &findings);
}

/// The support may ask again and again whether something has come; a test says what it waits for.
#[test]
fn tests_wait_for_events_and_never_for_time() {
    let sleepers = files("tests/suite", true, &[".rs"])
        .into_iter()
        .filter(|file| !file.path.starts_with("tests/suite/support") && code(&file.text).contains("sleep("));
    none("tests that sleep", &sleepers.map(|file| file.path).collect::<Vec<_>>());
}

#[test]
fn every_configuration_key_is_explained() {
    let file = read("config/default.toml");
    let lines: Vec<&str> = file.text.lines().collect();
    let is_key = |line: &str| {
        line.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let mut findings = Vec::new();
    let mut keys = 0;
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_key(line)) {
        keys += 1;
        // Keys that stand together share what is said above them.
        let above = lines[..at].iter().rev().find(|line| !is_key(line)).copied().unwrap_or_default();
        if !above.starts_with('#') {
            findings.push(format!("{}:{}: {line}", file.path, at + 1));
        }
    }
    assert!(keys > 20, "found only {keys} keys: this test reads the file wrongly");
    none("configuration keys without a comment above", &findings);
}
