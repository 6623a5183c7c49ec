//! The table that operators read, held against what a worker that has done nothing yet shows: in both directions.

use std::collections::{BTreeMap, BTreeSet};

use super::{Laps, Meters, Step};
use crate::domain::{Verdict, Wait, refusal};

const PAGE: &str = include_str!("../../../docs/metrics.md");

/// What is said of a metric: its type and its labels.
type Said = (String, BTreeSet<String>);

fn said(kind: &str, labels: impl IntoIterator<Item = impl Into<String>>) -> Said {
    (kind.to_owned(), labels.into_iter().map(Into::into).collect())
}

/// Rows like ``| `name` | counter | `label`, `label` | meaning |``.
fn documented() -> BTreeMap<String, Said> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `join_community_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert!(!cells[4].is_empty(), "{row} says nothing");
        let labels = cells[3].split('`').skip(1).step_by(2);
        (cells[1].trim_matches('`').to_owned(), said(cells[2], labels))
    })
    .collect()
}

fn registered(text: &str) -> BTreeMap<String, Said> {
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    kinds
        .map(|(name, kind)| {
            let series = text.lines().filter(|line| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|rest| ["{", " ", "_bucket{"].iter().any(|next| rest.starts_with(next)))
            });
            let labels = series.filter_map(|line| line.split_once('{')?.1.split_once('}')).flat_map(|(labels, _)| {
                labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned())).collect::<Vec<_>>()
            });
            (name.to_owned(), said(kind, labels.filter(|label| label != "le")))
        })
        .collect()
}

#[test]
fn every_metric_is_in_the_table_and_every_row_of_the_table_is_a_metric() {
    let (documented, registered) = (documented(), registered(&Meters::with_targets(["crm"]).unwrap().render()));
    assert!(registered.len() > 30, "the text is read wrongly: {registered:?}");
    let only = |here: &BTreeMap<String, Said>, there: &BTreeMap<String, Said>| {
        here.iter().filter(|(name, said)| there.get(*name) != Some(said)).map(|row| format!("{row:?}")).collect()
    };
    let undocumented: Vec<String> = only(&registered, &documented);
    let unknown: Vec<String> = only(&documented, &registered);
    assert!(undocumented.is_empty(), "docs/metrics.md lacks or misstates {undocumented:#?}\nand says {unknown:#?}");
    assert!(unknown.is_empty(), "docs/metrics.md tells of what is not there: {unknown:#?}");
}

#[test]
fn names_follow_the_conventions_of_prometheus_and_every_metric_explains_itself() {
    let text = Meters::with_targets(["crm"]).unwrap().render();
    for (name, (kind, _)) in registered(&text) {
        assert!(name.starts_with("join_community_"), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        if kind == "histogram" {
            assert!(name.ends_with("_seconds") || name.ends_with("_requests"), "{name} names no unit");
        }
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
}

#[test]
fn verdicts_are_counted_each_in_its_series() {
    let meters = Meters::register().unwrap();
    meters.verdicts(Verdict::ALL);
    meters.verdicts([Verdict::Joined, Verdict::Joined]);
    meters.retried(Wait::Busy, "30s");
    meters.retried(Wait::Busy, "never heard of");
    let text = meters.render();
    let told = |line: &str| assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    told(r#"join_community_requests_total{verdict="joined",code="",reason=""} 3"#);
    told(r#"join_community_requests_total{verdict="rejected",code="COMMUNITY_JOIN_IMPOSSIBLE",reason="BLOCKED"} 1"#);
    told(r#"join_community_retries_total{wait="busy",rung="30s"} 1"#);
    told(r#"join_community_retries_total{wait="busy",rung="10m"} 1"#);
    assert_eq!(text.lines().filter(|line| line.starts_with("join_community_requests_total{")).count(), 11);
}

#[test]
fn refusals_are_counted_each_in_its_series_and_all_series_are_there_from_the_beginning() {
    let meters = Meters::register().unwrap();
    meters.refused.of(refusal::TOKEN_KEY_UNKNOWN).increment(2);
    let text = meters.render();
    for reason in refusal::ALL {
        let count = if reason == refusal::TOKEN_KEY_UNKNOWN { 2 } else { 0 };
        let line = format!("join_community_refused_total{{reason=\"{reason}\"}} {count}");
        assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    }
    assert_eq!(text.matches("\njoin_community_refused_total{").count(), refusal::ALL.len());
}

#[test]
fn each_target_of_webhooks_has_its_series_and_nobody_else_has_any() {
    let meters = Meters::with_targets(["crm"]).unwrap();
    meters.webhook("crm").failed.increment(2);
    meters.webhook("never heard of").failed.increment(1);
    let text = meters.render();
    let line = r#"join_community_webhook_deliveries_total{target="crm",outcome="failed"} 2"#;
    assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    assert!(!text.contains("never heard of"));
    assert!(!Meters::register().unwrap().render().contains("join_community_webhook_"));
}

#[test]
fn the_steps_of_a_batch_leave_no_time_between_them() {
    let mut laps = Laps::begin();
    for step in [Step::Load, Step::Decide, Step::Commit, Step::Answer] {
        laps.done(step);
    }
    let meters = Meters::register().unwrap();
    meters.laps(&laps);
    assert_eq!(laps.iter().map(super::Lap::took).sum::<std::time::Duration>(), laps.total());
    let text = meters.render();
    for step in ["load", "decide", "commit", "answer"] {
        let line = format!("join_community_step_seconds_count{{step=\"{step}\"}} 1");
        assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    }
    assert_eq!(Step::Ack.as_str(), "ack");
}
