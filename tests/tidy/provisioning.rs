//! The profile `monitoring` of `docker-compose.yml` fits together: what is mounted is what is read, the dashboard asks the
//! data source that is there, and what is scraped listens and is open. No engine runs it here, so its files are compared.

use serde_json::Value;

use crate::tree::{exists, files, none, read};

const DASHBOARDS: &str = "config/grafana/provisioning/dashboards/join-community.yml";
const DATASOURCES: &str = "config/grafana/provisioning/datasources/prometheus.yml";

/// What stands indented below a line of YAML.
fn below(text: &str, line: &str) -> String {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let rest: Vec<&str> = text.lines().skip_while(|other| *other != line).skip(1).collect();
    assert!(!rest.is_empty(), "there is no line {line:?}");
    let inner = rest.into_iter().take_while(|other| other.trim().is_empty() || depth(other) > depth(line));
    inner.collect::<Vec<_>>().join("\n")
}

/// A service of compose.
fn service(compose: &str, name: &str) -> String {
    below(compose, &format!("  {name}:"))
}

/// The value of a key, at its first place.
fn value<'a>(yaml: &'a str, key: &str) -> &'a str {
    let found = yaml.lines().find_map(|line| {
        let line = line.trim_start().trim_start_matches("- ");
        line.strip_prefix(key)?.strip_prefix(": ")
    });
    found.unwrap_or_else(|| panic!("there is no key {key} in\n{yaml}")).trim_matches('"')
}

/// Folders of the checkout that a service sees, and where.
fn mounts(service: &str) -> Vec<(&str, &str)> {
    let mounts = service.lines().filter_map(|line| line.trim().strip_prefix("- ./")?.strip_suffix(":ro"));
    mounts.filter_map(|mount| mount.split_once(':')).collect()
}

/// Ports that a service publishes: variable, and the port inside.
fn published(service: &str) -> Vec<(&str, &str)> {
    let ports = service.lines().filter_map(|line| line.trim().strip_prefix("- 127.0.0.1:${"));
    ports
        .filter_map(|port| port.split_once(":-"))
        .filter_map(|(name, rest)| Some((name, rest.split_once("}:")?.1)))
        .collect()
}

/// Every `uid` of a data source in a dashboard.
fn uids(of: &Value, found: &mut Vec<String>) {
    match of {
        Value::Object(fields) => {
            found.extend(fields.get("datasource").and_then(|source| source["uid"].as_str()).map(str::to_owned));
            fields.values().for_each(|value| uids(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| uids(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn no_two_services_publish_a_port_under_one_variable() {
    let compose = read("docker-compose.yml");
    let mut variables: Vec<&str> = published(&compose.text).into_iter().map(|(name, _)| name).collect();
    assert!(variables.len() > 5, "docker-compose.yml is read wrongly: {variables:?}");
    variables.sort_unstable();
    let twice = variables.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].to_owned());
    none("variables of docker-compose.yml that stand for two ports", &twice.collect::<Vec<_>>());
}

#[test]
fn grafana_finds_dashboards_and_provisioning_where_they_are_mounted() {
    let compose = read("docker-compose.yml").text;
    let grafana = service(&compose, "grafana");
    let mounts = mounts(&grafana);
    for (folder, _) in &mounts {
        assert!(exists(folder), "{folder} is mounted and not there");
    }
    let at = |folder: &str| mounts.iter().find(|(from, _)| *from == folder).map(|(_, to)| *to);
    // Where the image looks by default.
    assert_eq!(at("config/grafana/provisioning"), Some("/etc/grafana/provisioning"));
    let dashboards = at("config/grafana/dashboards").expect("the dashboards are mounted");
    assert_eq!(value(&read(DASHBOARDS).text, "path"), dashboards);
    let home = value(&grafana, "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH");
    let file = home.strip_prefix(dashboards).expect("the first dashboard is one of those mounted");
    assert!(exists(&format!("config/grafana/dashboards{file}")), "{home} is not there");
}

#[test]
fn dashboards_ask_the_data_source_that_is_provisioned_and_it_asks_prometheus() {
    let source = read(DATASOURCES).text;
    let uid = value(&source, "uid");
    for file in files("config/grafana/dashboards", true, &[".json"]) {
        let mut asked = Vec::new();
        uids(&serde_json::from_str(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path)), &mut asked);
        assert!(asked.len() > 10, "{} is read wrongly", file.path);
        let others: Vec<String> = asked.into_iter().filter(|asked| asked != uid).collect();
        none("data sources that are not provisioned", &others);
    }
    let compose = read("docker-compose.yml").text;
    let port = published(&service(&compose, "prometheus"))[0].1.to_owned();
    assert_eq!(value(&source, "url"), format!("http://prometheus:{port}"));
}

#[test]
fn prometheus_reads_its_rules_and_scrapes_a_worker_that_lets_it() {
    let compose = read("docker-compose.yml").text;
    let prometheus = service(&compose, "prometheus");
    assert_eq!(mounts(&prometheus), [("config/prometheus", "/etc/prometheus")]);
    let started = "--config.file=/etc/prometheus/prometheus.yml";
    assert!(prometheus.contains(started), "Prometheus is not started with {started}");
    let config = read("config/prometheus/prometheus.yml").text;
    for rules in below(&config, "rule_files:").lines().filter_map(|line| line.trim().strip_prefix("- ")) {
        assert!(exists(&format!("config/prometheus/{rules}")), "{rules} is not there");
    }
    let worker = service(&compose, "worker");
    let (_, port) = published(&worker)[0];
    assert_eq!(value(&config, "targets"), format!("[worker:{port}]"));
    assert!(!config.contains("metrics_path"), "the worker shows its metrics at /metrics");
    assert_eq!(value(&worker, "JOIN_COMMUNITY__HTTP__LISTEN"), format!("0.0.0.0:{port}"));
    assert_eq!(value(&worker, "JOIN_COMMUNITY__HTTP__METRICS_OPEN"), "true");
}

mod tests {
    use super::{below, mounts, published, value};

    const YAML: &str =
        "a:\n  b:\n    - ./from:/to:ro\n    - 127.0.0.1:${PORT:-1}:2\n\n    key: \"of b\"\n  c:\n    key: of c\n";

    #[test]
    fn services_are_read_with_what_they_hold() {
        let b = below(YAML, "  b:");
        assert_eq!((mounts(&b), published(&b), value(&b, "key")), (vec![("from", "/to")], vec![("PORT", "2")], "of b"));
        assert_eq!(value(&below(YAML, "  c:"), "key"), "of c");
    }
}
