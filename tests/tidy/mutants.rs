//! The mutants of the fault matrix are patches that only `make mutants` builds: here it shows at once that the source
//! has moved away from under one.

use std::str::Lines;

use crate::tree::{exists, files, none, read};

#[test]
fn every_mutant_applies_to_the_source_and_says_by_what_it_is_caught() {
    let patches = files("tests/faults/mutants", false, &[".patch"]);
    assert!(patches.len() > 5, "the mutants are looked for in the wrong place");
    let mut findings = Vec::new();
    for patch in &patches {
        let misfits = misfits(&patch.text, |path| if exists(path) { read(path).text } else { String::new() });
        findings.extend(misfits.iter().map(|misfit| format!("{}: {misfit}", patch.path)));
        if !patch.text.lines().nth(1).is_some_and(|line| line.starts_with("Caught by: ")) {
            findings.push(format!("{}: its second line names no faults", patch.path));
        }
    }
    none("mutants that cannot be built (`git apply --check` tells more)", &findings);
}

/// Why a patch does not apply to files that read so. Lines may have moved as a whole, for `patch` finds them again.
fn misfits(patch: &str, text: impl Fn(&str) -> String) -> Vec<String> {
    let (mut misfits, mut hunks, mut file) = (Vec::new(), 0, "");
    let mut lines = patch.lines();
    while let Some(line) = lines.next() {
        if let Some(named) = line.strip_prefix("--- a/") {
            file = named;
        }
        let Some((old, new)) = sizes(line) else { continue };
        hunks += 1;
        let Some(before) = before(&mut lines, old, new) else {
            misfits.push(format!("{file}: `{line}` miscounts its lines"));
            continue;
        };
        let text = text(file);
        let text: Vec<&str> = text.lines().collect();
        match text.windows(before.len().max(1)).filter(|lines| **lines == before).count() {
            1 => {}
            0 => misfits.push(format!("{file} does not hold what `{line}` changes")),
            times => misfits.push(format!("{file} holds what `{line}` changes {times} times")),
        }
    }
    if hunks == 0 {
        misfits.push("it changes nothing".to_owned());
    }
    misfits
}

/// How many lines a hunk has before and after, by the line that begins it.
fn sizes(line: &str) -> Option<(usize, usize)> {
    let (old, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let size = |range: &str| range.split_once(',').map_or(Some(1), |(_, size)| size.parse().ok());
    Some((size(old)?, size(new)?))
}

/// The lines of a hunk as they stand in the file before it is applied.
fn before<'a>(lines: &mut Lines<'a>, mut old: usize, mut new: usize) -> Option<Vec<&'a str>> {
    let mut before = Vec::new();
    while (old, new) != (0, 0) {
        let line = lines.next()?;
        let (is_old, is_new) = match line.chars().next() {
            Some('-') => (true, false),
            Some('+') => (false, true),
            // An editor may have taken the space of an empty line away.
            Some(' ') | None => (true, true),
            Some(_) => return None,
        };
        old = old.checked_sub(usize::from(is_old))?;
        new = new.checked_sub(usize::from(is_new))?;
        if is_old {
            before.push(line.get(1..).unwrap_or_default());
        }
    }
    Some(before)
}

mod tests {
    use super::misfits;

    const PATCH: &str = "What.\nCaught by: none\n\n--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n--- b\n+-- c\n\n";

    #[test]
    fn a_patch_applies_where_its_lines_stand_once_and_nowhere_else() {
        let told = |patch: &str, text: &str| misfits(patch, |_| text.to_owned()).join("\n");
        assert_eq!(told(PATCH, "z\na\n-- b\n\n"), "");
        assert!(told(PATCH, "a\n-- bc\n\n").contains("f does not hold"));
        assert!(told(PATCH, "za\n-- b\n\n").contains("f does not hold"));
        assert!(told(PATCH, "a\n-- b\n\na\n-- b\n\n").contains("2 times"));
        assert!(told(&PATCH.replace("-1,3", "-1,2"), "a\n-- b\n\n").contains("miscounts"));
        assert!(told(&PATCH.replace("-1,3", "-1,4"), "a\n-- b\n\n").contains("miscounts"));
        assert!(told("What.\n", "a\n").contains("changes nothing"));
    }
}
