//! Who may import whom: `main → cli → app → {join, announce} → {auth, rabbitmq, postgres, cache} → wire → domain`, and
//! which outside crate is let in where.

use crate::rust::{code, names_crate, root_paths};
use crate::tree::{files, none};

/// What each module may import of ours, beside itself. A path allows itself and what is below it.
const ARROWS: &[(&str, &[&str])] = &[
    // The nouns and the rule: no I/O, nothing of ours.
    ("domain", &[]),
    ("wire", &["domain"]),
    // Leaves that everything may lean on.
    ("config", &["domain"]),
    ("telemetry", &["config"]),
    ("retry", &[]),
    // Stands in the way of everything, and knows of nothing.
    ("fail_point", &[]),
    // Stands in for database and cache.
    ("ceiling", &["domain"]),
    // What operators see is filled from everywhere, so it may know of nothing but the nouns, and how to tell an error.
    ("operations", &["domain", "telemetry"]),
    // The outside worlds, none of which knows another.
    ("auth", &["wire", "domain", "config", "telemetry", "retry"]),
    ("cache", &["wire", "domain", "config", "telemetry", "retry", "ceiling"]),
    ("postgres", &["wire", "domain", "config", "telemetry", "retry", "ceiling"]),
    // Connections tell their health where it changes.
    (
        "rabbitmq",
        &[
            "wire",
            "domain",
            "config",
            "telemetry",
            "retry",
            "operations::Health",
            "operations::Dependency",
            "fail_point",
        ],
    ),
    // For others to be built with, so it brings nothing of the worker's: where a broker and a cache are, and how to get in.
    ("client", &["rabbitmq::address", "rabbitmq::blocked", "rabbitmq::connect", "cache::connection", "wire", "domain"]),
    // The two halves. `HandOver` is where join leaves a committed change, and all that one knows of the other.
    (
        "join",
        &[
            "auth",
            "rabbitmq",
            "postgres",
            "wire",
            "domain",
            "config",
            "telemetry",
            "retry",
            "operations",
            "fail_point",
            "announce::HandOver",
        ],
    ),
    (
        "announce",
        &[
            "rabbitmq",
            "postgres",
            "cache",
            "wire",
            "domain",
            "config",
            "telemetry",
            "retry",
            "operations",
            "fail_point",
            "ceiling",
        ],
    ),
    // Takes events from the broker to others, and knows nothing of who made them.
    ("webhooks", &["rabbitmq", "wire", "domain", "config", "telemetry", "operations"]),
    // What operators do with dead letters, taken in as the join path takes in what is delivered.
    ("replay", &["join", "auth", "rabbitmq", "postgres", "wire", "domain", "config", "telemetry", "retry"]),
    // Looks at all outside worlds, for operators; nothing that serves requests knows of it.
    (
        "console",
        &["replay", "auth", "rabbitmq", "postgres", "cache", "wire", "domain", "config", "telemetry", "operations"],
    ),
    // Describes what crosses the boundary, from the names and words of those who carry it across.
    ("contract", &["rabbitmq::topology", "wire", "domain"]),
    // The only place that joins concrete parts.
    (
        "app",
        &[
            "join",
            "announce",
            "webhooks",
            "console",
            "operations",
            "auth",
            "rabbitmq",
            "postgres",
            "cache",
            "wire",
            "domain",
            "config",
            "telemetry",
            "retry",
        ],
    ),
    // The commands: the worker, and tools around it that go straight to one of the outside worlds, or announce by hand.
    (
        "cli",
        &[
            "app",
            "announce",
            "webhooks",
            "console",
            "replay",
            "contract",
            "operations",
            "auth",
            "rabbitmq",
            "postgres",
            "cache",
            "wire",
            "domain",
            "config",
            "telemetry",
            "retry",
        ],
    ),
];

/// Where an outside crate may be named; a path ends at a `.` or `/`.
const CONFINED: &[(&str, &[&str])] = &[
    ("sqlx", &["src/postgres"]),
    ("redis", &["src/cache", "src/client/profiles"]),
    // Beside its own folder: where deliveries are taken in and settled, where connections are handed to lanes, and in the
    // client library.
    (
        "lapin",
        &[
            "src/rabbitmq",
            "src/app",
            "src/client",
            "src/join/lane",
            "src/join/settle",
            "src/join/crowding",
            "src/join/ahead",
            "src/webhooks/session",
        ],
    ),
    ("backoff", &["src/retry"]),
    ("clap", &["src/cli", "src/main"]),
    ("anyhow", &["src/cli", "src/main"]),
];

/// Crates that do or describe input and output; the domain knows none of them.
const NOT_IN_DOMAIN: &[&str] = &["serde", "serde_json", "tokio", "tracing", "lapin", "sqlx", "redis"];

/// The top-level module of a file, and how many `super` lead from it to the root.
fn place(path: &str) -> (&str, usize) {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    (inner.split('/').next().unwrap_or(inner), inner.split('/').count())
}

fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '/', ':']))
}

#[test]
fn modules_import_only_along_the_arrows() {
    let mut findings = Vec::new();
    for file in files("src", true, &[".rs"]) {
        let (module, depth) = place(&file.path);
        if matches!(module, "main" | "lib") {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            findings.push(format!("{}: module `{module}` has no row in ARROWS", file.path));
            continue;
        };
        for path in root_paths(&code(&file.text), depth) {
            let of_ours = ARROWS.iter().any(|(name, _)| is_below(&path, name));
            let fits = is_below(&path, module) || allowed.iter().any(|allowed| is_below(&path, allowed));
            if of_ours && !fits {
                findings.push(format!("{}: `{module}` must not know `{path}`", file.path));
            }
        }
    }
    none("imports against the arrows (ARCHITECTURE.md, Code map)", &findings);
}

#[test]
fn outside_crates_stay_where_they_belong() {
    let mut findings = Vec::new();
    for file in files("src", true, &[".rs"]) {
        let code = code(&file.text);
        for (name, places) in CONFINED {
            if names_crate(&code, name) && !places.iter().any(|place| is_below(&file.path, place)) {
                findings.push(format!("{}: `{name}` belongs into {}", file.path, places.join(", ")));
            }
        }
        if is_below(&file.path, "src/domain") {
            let named = NOT_IN_DOMAIN.iter().filter(|name| names_crate(&code, name));
            findings.extend(named.map(|name| format!("{}: the domain does not know `{name}`", file.path)));
        }
    }
    none("crates outside their place", &findings);
}

/// Clippy finds it only where it is imported (`clippy.toml`), not by its full path.
#[test]
fn no_statement_is_put_together_at_run_time() {
    let writers = files("src", true, &[".rs"]).into_iter().filter(|file| code(&file.text).contains("AssertSqlSafe"));
    none(
        "SQL that is no constant (docs/decisions/0006-statements-as-constants.md)",
        &writers.map(|file| file.path).collect::<Vec<_>>(),
    );
}

#[test]
fn the_arrows_have_no_circle() {
    for (module, allowed) in ARROWS {
        let below = ARROWS.iter().take_while(|(name, _)| name != module).map(|(name, _)| *name);
        let below: Vec<&str> = below.collect();
        for path in *allowed {
            let target = path.split(':').next().unwrap_or(path);
            // One item of the other half, and nothing of that half imports back: see its own row.
            let known = below.contains(&target) || *path == "announce::HandOver";
            assert!(known, "`{module}` may import `{path}`, which stands above it in ARROWS");
        }
    }
}
