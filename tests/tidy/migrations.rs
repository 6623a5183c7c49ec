//! Migrations are never edited, and expand: workers of the version before go on beside them
//! (docs/decisions/0023-expand-then-contract.md).

use aws_lc_rs::digest::{SHA256, digest};

use crate::tree::{File, files, none, read};

/// Migrations that take something away, and which version of the program used it last.
const CONTRACTING: &[(&str, &str)] = &[("0004_suspects_by_process.sql", "none that was released")];

/// What a statement may not begin with, or an `ALTER TABLE` hold, outside of these. A space stands for any white space.
const TAKES_AWAY: &[&str] = &["DROP ", "TRUNCATE ", "DELETE FROM ", "UPDATE ", "CREATE UNIQUE INDEX ", "REVOKE "];
const CLAUSES: &[&str] = &[" RENAME ", " DROP COLUMN ", " TYPE ", " SET NOT NULL", " ADD CONSTRAINT ", " ADD CHECK "];

fn migrations() -> Vec<File> {
    let found = files("migrations", false, &[".sql"]);
    assert!(found.len() > 5, "the migrations are looked for in the wrong place");
    found
}

fn name(migration: &File) -> &str {
    migration.path.trim_start_matches("migrations/")
}

/// Statements in capitals, with one space between words, without comments and bodies of functions.
fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split("--").next().unwrap_or_default());
    let without_comments = lines.collect::<Vec<_>>().join("\n");
    // What stands between two marks is a function's, or runs once as the migration's own program.
    let outside: String = without_comments.split("$$").step_by(2).collect::<Vec<_>>().join("''");
    let statements = outside.split(';').map(|statement| {
        let words: Vec<String> = statement.split_whitespace().map(str::to_uppercase).collect();
        words.join(" ") + " "
    });
    statements.filter(|statement| statement.trim() != "").collect()
}

/// What in a statement a worker of the version before may trip over.
fn takes_away(statement: &str) -> Vec<String> {
    let mut found: Vec<String> =
        TAKES_AWAY.iter().filter(|words| statement.starts_with(**words)).map(|words| (*words).to_owned()).collect();
    if statement.starts_with("ALTER TABLE ") {
        let checked_later = statement.contains(" NOT VALID ");
        let clauses = CLAUSES.iter().filter(|clause| statement.contains(**clause));
        found.extend(
            clauses.filter(|clause| !(clause.contains(" ADD ") && checked_later)).map(|words| (*words).to_owned()),
        );
        let added = statement.split("ADD COLUMN ").skip(1).map(|column| column.split(',').next().unwrap_or(column));
        let needed = added.filter(|column| column.contains(" NOT NULL ") && !column.contains(" DEFAULT "));
        found.extend(needed.map(|column| format!("ADD COLUMN {column}without DEFAULT")));
    }
    found
}

#[test]
fn migrations_are_never_edited() {
    let known = read("tests/tidy/migrations.sha256").text;
    let mut findings = Vec::new();
    for migration in migrations() {
        let sum = digest(&SHA256, migration.text.as_bytes());
        let sum = sum.as_ref().iter().fold(String::new(), |sum, byte| sum + &format!("{byte:02x}"));
        match known.lines().filter_map(|line| line.split_once("  ")).find(|(_, path)| *path == migration.path) {
            Some((expected, _)) if expected == sum => {}
            Some(_) => {
                findings.push(format!("{} was edited: what is wrong is put right by another one", migration.path));
            }
            None => findings
                .push(format!("a new one needs its line in tests/tidy/migrations.sha256: {sum}  {}", migration.path)),
        }
    }
    let gone = known.lines().filter_map(|line| line.split_once("  ")).filter(|(_, path)| !crate::tree::exists(path));
    findings.extend(gone.map(|(_, path)| format!("{path} is gone")));
    none("migrations that are not what they were", &findings);
}

#[test]
fn migrations_expand_and_those_that_contract_say_so() {
    let mut findings = Vec::new();
    for migration in migrations() {
        let contracts = CONTRACTING.iter().any(|(listed, _)| *listed == name(&migration));
        let taken: Vec<String> = statements(&migration.text).iter().flat_map(|text| takes_away(text)).collect();
        if contracts && taken.is_empty() {
            findings.push(format!("{}: listed, and takes nothing away", migration.path));
        }
        if !contracts {
            findings.extend(taken.iter().map(|what| format!("{}: {what}", migration.path)));
        }
    }
    none(
        "migrations that workers of the version before may trip over (docs/decisions/0023-expand-then-contract.md)",
        &findings,
    );
}

#[test]
fn migrations_are_numbered_without_a_gap() {
    let numbers: Vec<String> = migrations().iter().map(|migration| name(migration)[..4].to_owned()).collect();
    let expected: Vec<String> = (1..=numbers.len()).map(|number| format!("{number:04}")).collect();
    assert_eq!(numbers, expected);
}

mod tests {
    use super::{statements, takes_away};

    #[test]
    fn what_takes_away_is_found_and_what_adds_is_not() {
        for text in [
            "ALTER TABLE members DROP COLUMN extra;",
            "alter table a\n  rename column b to c;",
            "ALTER TABLE a ALTER COLUMN b TYPE bigint;",
            "ALTER TABLE a ALTER b SET NOT NULL;",
            "ALTER TABLE a ADD COLUMN b text NOT NULL;",
            "ALTER TABLE a ADD COLUMN b text NOT NULL DEFAULT '', ADD COLUMN c text NOT NULL;",
            "ALTER TABLE a ADD CONSTRAINT b CHECK (c > 0);",
            "DROP INDEX a;",
            "CREATE TABLE a (b text); DROP TABLE c;",
        ] {
            let found: Vec<_> = statements(text).iter().flat_map(|statement| takes_away(statement)).collect();
            assert_eq!(found.len(), 1, "{text}: {found:?}");
        }
        for text in [
            "-- DROP TABLE a;\nCREATE TABLE a (b text NOT NULL, CHECK (b <> ''));",
            "ALTER TABLE a ADD COLUMN b smallint NOT NULL DEFAULT 1;",
            "ALTER TABLE a ADD COLUMN b text;",
            "ALTER TABLE a ADD CONSTRAINT b CHECK (c > 0) NOT VALID;",
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM a; DROP TABLE b; END $$;",
            "CREATE TRIGGER t BEFORE UPDATE OR DELETE OR TRUNCATE ON a FOR EACH STATEMENT EXECUTE FUNCTION f();",
        ] {
            let found: Vec<_> = statements(text).iter().flat_map(|statement| takes_away(statement)).collect();
            assert!(found.is_empty(), "{text}: {found:?}");
        }
    }
}
