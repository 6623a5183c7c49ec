//! A real browser, driven by `WebDriver`, as a person uses it: Debian's `chromium` and `chromium-driver`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::left_out;
use super::waiting::{PATIENCE, eventually, within_patience};

/// `WebDriver`'s word for an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Its codes for keys.
pub(crate) const TAB: &str = "\u{E004}";
pub(crate) const ENTER: &str = "\u{E007}";

/// How a page is looked at.
#[derive(Debug)]
pub(crate) struct Look {
    /// Stands in the names of pictures.
    pub(crate) name: &'static str,
    /// What the system prefers: `light` or `dark`.
    pub(crate) theme: &'static str,
    pub(crate) width: i64,
    height: i64,
}

/// Every theme on every screen; the last is the one that is left on.
pub(crate) const LOOKS: [Look; 4] = [
    Look { name: "dark-narrow", theme: "dark", width: NARROW, height: 780 },
    Look { name: "light-narrow", theme: "light", width: NARROW, height: 780 },
    Look { name: "dark-wide", theme: "dark", width: 1280, height: 900 },
    Look { name: "light-wide", theme: "light", width: 1280, height: 900 },
];
/// A small phone; no window of a desktop gets as narrow.
const NARROW: i64 = 360;

/// A browser and its driver.
pub(crate) struct Browser {
    client: reqwest::Client,
    /// Of the session.
    url: String,
    profile: PathBuf,
    _driver: Child,
}

/// The driver, if it is installed.
pub(crate) fn driver() -> Option<PathBuf> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&places).map(|place| place.join("chromedriver")).find(|path| path.is_file());
    if found.is_none() {
        left_out("the console was not tried in a browser: Debian's chromium and chromium-driver are not installed");
    }
    found
}

impl Browser {
    /// Starts one with a profile of its own, and these arguments.
    pub(crate) async fn start(driver: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the driver runs");
        let mut lines = BufReader::new(child.stdout.take().expect("its words")).lines();
        let port = within_patience("the driver tells its port", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the driver lives");
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    break port.trim_end_matches('.').to_owned();
                }
            }
        })
        .await;
        // It would wait for somebody to read what else it has to say.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = std::env::temp_dir().join(format!("join-community-{}", uuid::Uuid::now_v7()));
        let mut all = vec![format!("--user-data-dir={}", profile.display())];
        // What the browser asks for on its own account, and any other host, is not to be found.
        let own = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ];
        all.extend(own.iter().chain(arguments).map(|argument| (*argument).to_owned()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": all },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let begun = client.post(format!("http://127.0.0.1:{port}/session")).json(&wanted).send().await.unwrap();
        let begun: Value = begun.json().await.unwrap();
        let session = begun["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {begun}"));
        let url = format!("http://127.0.0.1:{port}/session/{session}");
        Self { client, url, profile, _driver: child }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.client.post(format!("{}/{path}", self.url)).json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path} {body}: {answer}");
        answer["value"].clone()
    }

    /// Opens a page.
    pub(crate) async fn go(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// What a script answers.
    pub(crate) async fn script(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Has pages seen in a look, from now on and on the page that is open, as the browser's own tools for developers do.
    pub(crate) async fn look(&self, look: &Look) {
        let Look { theme, width, height, .. } = look;
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": *width == NARROW });
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        for (command, parameters) in
            [("Emulation.setDeviceMetricsOverride", screen), ("Emulation.setEmulatedMedia", media)]
        {
            self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await;
        }
        let is_so = format!("return matchMedia('(width: {width}px) and (prefers-color-scheme: {theme})').matches");
        eventually(&format!("the page is seen in {}", look.name), PATIENCE, async || {
            let is_so = self.script(&is_so).await;
            if is_so == true { Ok(()) } else { Err(is_so) }
        })
        .await;
    }

    async fn find(&self, xpath: &str) -> String {
        let what = format!("the page has {xpath}");
        eventually(&what, PATIENCE, async || {
            let body = json!({ "using": "xpath", "value": xpath });
            let answer = self.client.post(format!("{}/elements", self.url)).json(&body).send().await.unwrap();
            let answer: Value = answer.json().await.unwrap();
            match answer["value"][0][ELEMENT].as_str() {
                Some(element) => Ok(element.to_owned()),
                None => {
                    Err(self.script("return location.pathname + ' ' + document.body.innerText.slice(0, 300)").await)
                }
            }
        })
        .await
    }

    /// Waits until the page has what an `XPath` finds.
    pub(crate) async fn until(&self, xpath: &str) {
        self.find(xpath).await;
    }

    /// Clicks what an `XPath` finds first.
    pub(crate) async fn click(&self, xpath: &str) {
        let element = self.find(xpath).await;
        self.post(&format!("element/{element}/click"), json!({})).await;
    }

    /// The same where the page that it leads to may not come any more, which the driver may call an error.
    pub(crate) async fn click_last(&self, xpath: &str) {
        let element = self.find(xpath).await;
        let clicked = self.client.post(format!("{}/element/{element}/click", self.url)).json(&json!({})).send().await;
        clicked.expect("the driver answers");
    }

    /// Types into what an `XPath` finds first, in place of what stands there.
    pub(crate) async fn write(&self, xpath: &str, text: &str) {
        let element = self.find(xpath).await;
        self.post(&format!("element/{element}/clear"), json!({})).await;
        self.post(&format!("element/{element}/value"), json!({ "text": text })).await;
    }

    /// Presses keys, wherever the focus is.
    pub(crate) async fn press(&self, keys: &[&str]) {
        let steps: Vec<Value> = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": steps }] })).await;
    }

    /// Waits until the page has a heading.
    pub(crate) async fn until_heading(&self, text: &str) {
        self.find(&format!("//h1[contains(., '{text}')]")).await;
    }

    /// Waits until the page holds a text.
    pub(crate) async fn until_text(&self, text: &str) {
        self.find(&format!("//main//*[contains(text(), '{text}')]")).await;
    }

    /// Keeps what it shows as a picture.
    pub(crate) async fn picture(&self, path: &Path) {
        use base64::Engine as _;
        let answer = self.client.get(format!("{}/screenshot", self.url)).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(answer["value"].as_str().unwrap()).unwrap();
        assert!(bytes.len() > 2_000, "{} shows nothing", path.display());
        std::fs::write(path, bytes).unwrap();
    }

    /// What its console says since it was asked last.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let said = self.post("se/log", json!({ "type": "browser" })).await;
        said.as_array().unwrap().iter().map(|one| one["message"].to_string()).collect()
    }

    /// What it has asked for since this was asked last: methods and addresses.
    pub(crate) async fn asked(&self) -> Vec<(String, String)> {
        let said = self.post("se/log", json!({ "type": "performance" })).await;
        let asked = said.as_array().unwrap().iter().filter_map(|one| {
            let event: Value = serde_json::from_str(one["message"].as_str()?).ok()?;
            let event = &event["message"];
            let is_asked = event["method"] == "Network.requestWillBeSent";
            let of_it = |name: &str| event["params"]["request"][name].as_str().filter(|_| is_asked).map(str::to_owned);
            of_it("method").zip(of_it("url"))
        });
        asked.collect()
    }

    /// Ends it.
    pub(crate) async fn quit(self) {
        self.client.delete(&self.url).timeout(Duration::from_secs(10)).send().await.ok();
        std::fs::remove_dir_all(&self.profile).ok();
    }
}
