//! The pages in a real browser, where Debian's `chromium` is installed: the light theme wide and the dark one narrow,
//! nothing on its console, nobody else asked. What they look like lies in `target/console/`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use join_community::domain::SiteId;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Caller, Installation, JOINABLE, Message, PATIENCE};

/// A page is drawn when it is loaded, and no later than this.
const DRAWN: &str = "--timeout=5000";
/// Each theme on one screen: neither changes what the other does.
const LOOKS: [(&str, &str, &str); 2] = [
    ("light-wide", "--blink-settings=preferredColorScheme=1", "--window-size=1280,900"),
    ("dark-narrow", "--blink-settings=preferredColorScheme=0", "--window-size=390,844"),
];

fn chromium() -> Option<PathBuf> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&places).map(|place| place.join("chromium")).find(|path| path.is_file())
}

/// Draws a page into a file; answers what the browser has to say.
async fn drawn(chromium: &Path, profile: &Path, arguments: [&str; 2], url: &str, picture: &Path) -> String {
    let output = tokio::process::Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        // What the browser asks for on its own account, and any other host, is not to be found.
        .args(["--disable-background-networking", "--disable-component-update", "--no-first-run"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--enable-logging=stderr", DRAWN])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--screenshot={}", picture.display()))
        .args(arguments)
        .arg(url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("the browser ends").expect("the browser runs");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn every_page_is_drawn_in_both_themes_wide_or_narrow_without_a_complaint() {
    let Some(chromium) = chromium() else {
        println!("skipped: chromium is not installed (apt-get install chromium)");
        return;
    };
    let installation = Installation::with(|config| config.http.listen = "127.0.0.1:0".to_owned()).await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member);
    assert_eq!(producer.ask(&request).await.status, 200);
    let malformed = Message::json(&json!({ "siteId": SiteId(site).to_string(), "memberId": 7 }));
    assert_eq!(producer.ask(&malformed).await.status, 400);
    installation.until_holds("join-community.dead-letters", 1).await;
    let caller = Caller::of(&worker);
    let read = caller.post("/api/v1/dead-letters/reading", &json!(null)).await.json();
    let letter = read["read"]["letters"][0]["id"].as_str().unwrap_or_else(|| panic!("{read}")).to_owned();

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../console");
    std::fs::create_dir_all(&folder).unwrap();
    let profile = std::env::temp_dir().join(format!("join-community-{}", Uuid::now_v7()));
    for (name, path) in [
        ("overview", "/".to_owned()),
        ("requests", format!("/requests?site={site}")),
        ("request", format!("/requests/{}", request.request_id())),
        ("member", format!("/members/{site}/{member}")),
        ("dead-letters", "/dead-letters".to_owned()),
        ("replay", "/dead-letters/replay".to_owned()),
        ("dead-letter", format!("/dead-letters/{letter}")),
    ] {
        for (look, theme, size) in LOOKS {
            let picture = folder.join(format!("{name}-{look}.png"));
            std::fs::remove_file(&picture).ok();
            let url = format!("http://{}{path}", caller.server());
            let said = drawn(&chromium, &profile, [theme, size], &url, &picture).await;
            let complaints: Vec<_> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
            assert!(complaints.is_empty(), "{name} {look}: {complaints:?}");
            let is_drawn = picture.metadata().is_ok_and(|file| file.len() > 2_000);
            assert!(is_drawn, "{} was not drawn: {said}", picture.display());
        }
    }
    std::fs::remove_dir_all(&profile).ok();
    worker.stop().await;
}
