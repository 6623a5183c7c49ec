//! Figures in documents are those that were measured.

#[path = "../../benches/throughput/document.rs"]
mod document;

use document::{targets, with};

use crate::tree::read;

const PAGE: &str = "docs/performance.md";

#[test]
fn all_targets_are_those_of_the_tables_below_them() {
    let page = read(PAGE).text;
    let all =
        page.split("<!-- targets: begin -->\n").nth(1).and_then(|rest| rest.split("<!-- targets: end -->").next());
    assert_eq!(all, Some(targets(&page).as_str()), "another table stands in {PAGE} than `make bench` makes of it");
    assert!(targets(&page).lines().count() > 15, "targets are missing");
}

#[test]
fn a_table_is_put_in_its_place_and_its_targets_among_all() {
    let marks = |name: &str, table: &str| format!("<!-- {name}: begin -->\n{table}<!-- {name}: end -->\n");
    let page = marks("targets", "old\n") + "text\n" + &marks("tokens", "old\n");
    let table = "| series | joins/s |\n|---|--:|\n| worker | 7 |\n\n| figure | target | median (min–max) | |\n|---|--:|--:|---|\n\
                 | fast | ≥ 0.9 | 1.01 (1.00–1.02) | reached |\n| idle |  | 3 MiB |  |\n\nMade on a day at commit abc: here.\n";
    let all = "| part | figure | target | median (min–max) | | at commit |\n|---|---|--:|--:|---|---|\n\
               | tokens | fast | ≥ 0.9 | 1.01 (1.00–1.02) | reached | abc |\n";
    let expected = marks("targets", all) + "text\n" + &marks("tokens", table);
    assert_eq!(with(&page, "tokens", table).as_deref(), Some(expected.as_str()));
    assert_eq!(with(&page, "shards", table), None);
}
