//! The version that runs, and its commit, told alike to whoever asks: at the command line, in metrics; to RabbitMQ the version.

use std::process::Command;

use join_community::operations::COMMIT;
use reqwest::Method;

use crate::support::{Installation, PATIENCE, eventually};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn the_program_tells_its_version() {
    for (flag, told) in [("--version", format!("{VERSION} (commit {COMMIT})")), ("-V", VERSION.to_owned())] {
        let output = Command::new(env!("CARGO_BIN_EXE_join-community")).arg(flag).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("join-community {told}\n"), "{output:?}");
    }
}

#[tokio::test]
async fn metrics_and_the_names_of_connections_tell_the_version() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let series = format!("join_community_build_info{{version=\"{VERSION}\",commit=\"{COMMIT}\"}}");
    assert_eq!(worker.counted(&series), 1);
    let path = format!("vhosts/{}/connections", installation.vhost().name);
    let wanted = ["consuming", "publishing"].map(|part| format!("join-community {part} {VERSION}"));
    eventually("RabbitMQ knows the worker's version", PATIENCE, async || {
        let connections = installation.vhost().manage(Method::GET, &path, None).await;
        let named = |name: &String| {
            let mut all = connections.as_array().into_iter().flatten();
            all.any(|connection| connection["client_properties"]["connection_name"] == name.as_str())
        };
        if wanted.iter().all(named) { Ok(()) } else { Err(connections.clone()) }
    })
    .await;
    worker.stop().await;
}
