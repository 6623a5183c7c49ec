//! The document that holds the tables: each part's between its marks, and before them what all of them aim at.

/// The mark of the table of all targets. No part is called so.
const TARGETS: &str = "targets";
/// What the table of a part's targets begins with.
const HEAD: &str = "| figure | target | ";

/// The document with this table in the place of a part's, and all targets anew. `None`: the marks are missing.
pub(crate) fn with(text: &str, part: &str, table: &str) -> Option<String> {
    let text = put(text, part, table)?;
    let all = targets(&text);
    put(&text, TARGETS, &all)
}

fn put(text: &str, name: &str, table: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some([before, &begin, table, &end, after].concat())
}

/// What all parts aim at, as their tables say, with the part and the commit that each was measured at.
pub(crate) fn targets(text: &str) -> String {
    let mut all =
        String::from("| part | figure | target | median (min–max) | | at commit |\n|---|---|--:|--:|---|---|\n");
    for section in text.split("<!-- ").skip(1) {
        let Some((name, table)) = section.split_once(": begin -->\n").filter(|(name, _)| *name != TARGETS) else {
            continue;
        };
        let commit = table.split_once(" at commit ").and_then(|(_, rest)| rest.split([':', ',']).next()).unwrap_or("?");
        let rows = table.lines().skip_while(|line| !line.starts_with(HEAD)).skip(2);
        // What has no target is told there alone.
        for row in rows.take_while(|line| line.starts_with('|')).filter(|line| !line.contains(" |  | ")) {
            all += &["| ", name, " ", row, " ", commit, " |\n"].concat();
        }
    }
    all
}
