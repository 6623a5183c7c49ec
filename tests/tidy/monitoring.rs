//! Alerts and dashboards name only what is there: metrics, their labels, sections of the runbook. What is there stands in
//! `docs/metrics.md`, which a test of the library holds against the code.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{files, none, read};

/// The metrics with their types and labels.
fn metrics() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = read("docs/metrics.md");
    let rows = page.text.lines().filter(|line| line.starts_with("| `join_community_"));
    let metrics: BTreeMap<_, _> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let labels = cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect();
            (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
        })
        .collect();
    assert!(metrics.len() > 30, "docs/metrics.md is read wrongly");
    metrics
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The names of series in a text, each with the labels of the braces that follow.
fn series(text: &str) -> Vec<(&str, Vec<&str>)> {
    let begins = text.match_indices("join_community_").filter(|(at, _)| !text[..*at].ends_with(is_word));
    begins
        .map(|(at, _)| {
            let rest = &text[at..];
            let name = &rest[..rest.find(|c: char| !is_word(c)).unwrap_or(rest.len())];
            let braces = rest[name.len()..].strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let matchers = braces.map(|(matchers, _)| matchers).unwrap_or_default().split(',');
            (name, matchers.filter_map(|matcher| Some(matcher.split_once(['=', '!'])?.0.trim())).collect())
        })
        .collect()
}

/// What is wrong with the series that a text names.
fn strange(text: &str, metrics: &BTreeMap<String, (String, BTreeSet<String>)>) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, labels) in series(text) {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| {
            let base = name.strip_suffix(part)?;
            metrics.get(base).filter(|(kind, _)| kind == "histogram")
        });
        // A histogram has no series of its own name.
        let Some((_, known)) = base.or_else(|| metrics.get(name).filter(|(kind, _)| kind != "histogram")) else {
            findings.push(format!("no series {name}"));
            continue;
        };
        // Those beside ours are given by whoever scrapes; a bucket has its bound.
        let given = ["instance", "job", "namespace"];
        let is_bound = |label: &str| label == "le" && name.ends_with("_bucket");
        let strange =
            labels.iter().filter(|label| !known.contains(**label) && !given.contains(*label) && !is_bound(label));
        findings.extend(strange.map(|label| format!("{name} has no label {label}")));
    }
    findings
}

/// The anchors of a page, as they are made of its headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    headings
        .map(|heading| {
            let kept =
                heading.to_lowercase().chars().filter(|c| is_word(*c) || *c == ' ' || *c == '-').collect::<String>();
            kept.replace(' ', "-")
        })
        .collect()
}

#[test]
fn alerts_and_scaling_name_only_metrics_and_labels_that_exist() {
    let metrics = metrics();
    let mut findings = Vec::new();
    for file in files("config/prometheus", true, &[".yml"]).into_iter().chain(files("deploy", true, &[".yaml"])) {
        findings.extend(strange(&file.text, &metrics).into_iter().map(|finding| format!("{}: {finding}", file.path)));
    }
    none("series in alerts and scaling that do not exist", &findings);
}

#[test]
fn every_alert_has_a_summary_a_severity_and_a_section_of_the_runbook() {
    let rules = read("config/prometheus/alerts.yml");
    let alerts: Vec<&str> = rules.text.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 10, "config/prometheus/alerts.yml is read wrongly");
    let mut findings = Vec::new();
    for alert in alerts {
        let name = alert.lines().next().unwrap_or_default();
        let parts = ["severity: ", "summary: ", "expr: "];
        findings
            .extend(parts.iter().filter(|part| !alert.contains(**part)).map(|part| format!("{name} has no {part}")));
        let link = alert.lines().find_map(|line| line.trim().strip_prefix("runbook_url: "));
        let Some((path, anchor)) = link.and_then(|link| link.split_once('#')) else {
            findings.push(format!("{name} leads to no section of a runbook"));
            continue;
        };
        if !anchors(&read(path).text).contains(anchor) {
            findings.push(format!("{name}: {path} has no section #{anchor}"));
        }
    }
    none("alerts that nobody can act on", &findings);
}

#[test]
fn the_dashboard_names_only_metrics_and_labels_that_exist_and_leaves_none_out() {
    let metrics = metrics();
    let mut shown = BTreeSet::new();
    let mut findings = Vec::new();
    for file in files("config/grafana", true, &[".json"]) {
        let text = file.text.replace("\\\"", "\"");
        findings.extend(strange(&text, &metrics).into_iter().map(|finding| format!("{}: {finding}", file.path)));
        shown.extend(series(&text).into_iter().map(|(name, _)| name.to_owned()));
    }
    none("series in dashboards that do not exist", &findings);
    let left_out = metrics.keys().filter(|metric| !shown.iter().any(|name| name.starts_with(metric.as_str())));
    none("metrics that no dashboard shows", &left_out.cloned().collect::<Vec<_>>());
}

#[test]
fn documents_name_only_metrics_that_exist() {
    let metrics = metrics();
    let mut findings = Vec::new();
    for file in files("docs", true, &[".md"]).into_iter().chain(files("", false, &[".md"])) {
        // The crate, the role and the database have names that begin alike.
        let names = series(&file.text).into_iter().map(|(name, _)| name);
        let of_metrics = names.filter(|name| name.ends_with("_total") || name.ends_with("_seconds"));
        findings.extend(
            of_metrics.filter(|name| !metrics.contains_key(*name)).map(|name| format!("{}: {name}", file.path)),
        );
    }
    none("metrics in documents that do not exist", &findings);
}

mod tests {
    use super::{anchors, series, strange};

    #[test]
    fn series_are_found_with_their_labels() {
        let query = "max(join_community_a{b=\"c\", d!~\"e\"}) / sum by (f) (rate(join_community_g_bucket[5m]))";
        assert_eq!(series(query), [("join_community_a", vec!["b", "d"]), ("join_community_g_bucket", vec![])]);
    }

    #[test]
    fn what_does_not_exist_is_strange() {
        let metrics = super::metrics();
        for query in [
            "join_community_never_heard_of",
            "join_community_ready_total",
            "join_community_ready_sum",
            "join_community_batch_seconds",
            "join_community_ready{queue=\"requests\"}",
        ] {
            assert_eq!(strange(query, &metrics).len(), 1, "{query}");
        }
        let sound = "join_community_queue_messages{queue=\"requests\",instance=\"a\"} join_community_batch_seconds_sum";
        assert!(strange(sound, &metrics).is_empty());
    }

    #[test]
    fn anchors_are_made_as_forges_make_them() {
        let expected = "whether-the-cache-is-in-step".to_owned();
        assert!(anchors("# A\n## Whether the cache is in step?\n").contains(&expected));
    }
}
