//! Somebody at a browser with the console in it. Separate, because what is held of every page is held here: looks, pictures,
//! complaints, who is asked, and that no button is there which no test clicks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::CLICKS;
use crate::support::driven::{Browser, ENTER, LOOKS};
use crate::support::{PATIENCE, eventually};

/// A button: the way that its form goes, as the router has it, and what the button's text begins with.
pub(super) type Click = (&'static str, &'static str);

const WINDOW: &str = "--window-size=1280,900";

/// A browser, and what was done with it.
pub(super) struct Desk {
    pub(super) browser: Browser,
    server: String,
    /// Who may be asked beside the console.
    other: Option<String>,
    clicked: BTreeSet<Click>,
    /// The ways that forms went, as the browser asked.
    sent: BTreeSet<&'static str>,
}

/// Where the pictures lie.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../console")
}

/// Whether a way, or a request for it, goes where the router's way does.
fn leads(way: &str, asked: &str) -> bool {
    let (parts, asked): (Vec<&str>, Vec<&str>) = (way.split('/').collect(), asked.split('/').collect());
    parts.len() == asked.len() && parts.iter().zip(&asked).all(|(part, asked)| part.starts_with('{') || part == asked)
}

fn is(click: Click, (way, text): &(String, String)) -> bool {
    leads(click.0, way) && text.starts_with(click.1)
}

impl Desk {
    /// Somebody who has not logged in.
    pub(super) async fn at(driver: &Path, server: &str) -> Self {
        Self::start(driver, server, None, &[WINDOW]).await
    }

    /// The same where `localhost` is found, and an issuer may be asked.
    pub(super) async fn beside(driver: &Path, server: &str, issuer: &str) -> Self {
        let found = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost";
        Self::start(driver, server, Some(issuer.to_owned()), &[WINDOW, found]).await
    }

    async fn start(driver: &Path, server: &str, other: Option<String>, arguments: &[&str]) -> Self {
        std::fs::create_dir_all(folder()).unwrap();
        let browser = Browser::start(driver, arguments).await;
        Self { browser, server: server.to_owned(), other, clicked: BTreeSet::new(), sent: BTreeSet::new() }
    }

    /// Logs in by keys.
    pub(super) async fn log_in(&mut self, token: &str) {
        self.go("/").await;
        self.browser.write("//input[@name='token']", token).await;
        self.browser.press(&[ENTER]).await;
        self.arrives("Overview").await;
    }

    /// Opens a page, whatever comes of it.
    pub(super) async fn go(&self, path: &str) {
        self.browser.go(&format!("{}{path}", self.server)).await;
    }

    /// Opens a page.
    pub(super) async fn open(&mut self, path: &str) {
        self.go(path).await;
        self.is_quiet(path).await;
    }

    /// The page with this heading has come, and nobody complains.
    pub(super) async fn arrives(&mut self, heading: &str) {
        self.browser.until_heading(heading).await;
        self.is_quiet(heading).await;
    }

    /// A page has come that says why not, and that it is this status is all that the browser complains of.
    pub(super) async fn is_refused(&mut self, status: u16, why: &str) {
        self.browser.until_text(why).await;
        let complaints = self.browser.complaints().await;
        let word = format!("status of {status} ");
        assert!(complaints.iter().all(|said| said.contains(&word)), "{status}, {why}: {complaints:?}");
        self.asked_nobody_else(why).await;
    }

    /// Waits until the page is kept up to date.
    pub(super) async fn is_live(&mut self) {
        self.browser.until("//*[@id='live-state'][.='Live.']").await;
        self.is_quiet("live").await;
    }

    /// Shows the page in every look, and keeps a picture of each.
    pub(super) async fn shows(&mut self, name: &str) {
        for offered in self.buttons().await {
            let is_clicked = CLICKS.iter().copied().flatten().any(|click| is(*click, &offered));
            assert!(is_clicked, "{name} has a button that no test clicks: {offered:?}");
        }
        let mut grounds = Vec::new();
        for look in &LOOKS {
            self.browser.look(look).await;
            self.browser.picture(&folder().join(format!("{name}-{}.png", look.name))).await;
            // Wide tables scroll by themselves, the page never does.
            let width = self.browser.script("return document.documentElement.scrollWidth").await;
            assert!(width.as_i64().unwrap() <= look.width, "{name} {} is {width} pixels wide", look.name);
            let ground = self.browser.script("return getComputedStyle(document.body).backgroundColor").await;
            grounds.push((look.theme, ground));
        }
        for (theme, ground) in &grounds {
            let alike = grounds.iter().all(|(other, of_other)| (theme == other) == (ground == of_other));
            assert!(alike, "{name}: {grounds:?}");
        }
        self.is_quiet(name).await;
    }

    /// Fills fields of a form and clicks a button of it. A field without a text is a box, and ticked.
    pub(super) async fn click(&mut self, click: Click, fields: &[(&str, &str)]) {
        let button = self.filled(click, fields).await;
        self.browser.click(&button).await;
    }

    /// The same for what may be the last that the worker does.
    pub(super) async fn click_last(&mut self, click: Click, fields: &[(&str, &str)]) {
        let button = self.filled(click, fields).await;
        self.browser.click_last(&button).await;
    }

    async fn filled(&mut self, click: Click, fields: &[(&str, &str)]) -> String {
        let place = eventually(&format!("the page has {click:?}"), PATIENCE, async || {
            let buttons = self.buttons().await;
            let place = buttons.iter().position(|offered| is(click, offered));
            place.ok_or(buttons)
        })
        .await;
        let button = format!("(//button)[{}]", place + 1);
        for (name, text) in fields {
            let field = format!("{button}/ancestor::form//*[@name='{name}']");
            if text.is_empty() {
                self.browser.click(&field).await;
            } else {
                self.browser.write(&field, text).await;
            }
        }
        self.clicked.insert(click);
        button
    }

    /// The buttons of the page: the ways of their forms, and their texts.
    async fn buttons(&self) -> Vec<(String, String)> {
        let script = "return [...document.querySelectorAll('button')].map(button => [
            button.form.getAttribute('method').toUpperCase() + ' ' +
                (button.getAttribute('formaction') ?? button.form.getAttribute('action')),
            button.textContent.trim()])";
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let buttons = self.browser.script(script).await;
        buttons.as_array().unwrap().iter().map(|button| (text(&button[0]), text(&button[1]))).collect()
    }

    /// Nothing came to the browser's console, and nobody else was asked, since this was asked last.
    pub(super) async fn is_quiet(&mut self, what: &str) {
        let complaints = self.browser.complaints().await;
        assert!(complaints.is_empty(), "{what}: {complaints:?}");
        self.asked_nobody_else(what).await;
    }

    /// The same where the worker has ended, so that the page cannot be kept up to date.
    pub(super) async fn is_left_alone(&mut self) {
        let complaints = self.browser.complaints().await;
        assert!(complaints.iter().all(|said| said.contains("net::ERR_")), "{complaints:?}");
        self.asked_nobody_else("the end").await;
    }

    async fn asked_nobody_else(&mut self, what: &str) {
        for (method, url) in self.browser.asked().await {
            let of = |host: &String| url.strip_prefix(host.as_str()).filter(|rest| rest.starts_with('/'));
            if let Some(path) = of(&self.server) {
                let asked = format!("{method} {}", path.split(['?', '#']).next().unwrap_or_default());
                let mut known = CLICKS.iter().copied().flatten().map(|(way, _)| *way);
                self.sent.extend(known.find(|way| leads(way, &asked)));
            } else {
                let is_inner = url.starts_with("data:") || url.starts_with("chrome");
                let is_other = self.other.as_ref().is_some_and(|other| of(other).is_some());
                assert!(is_inner || is_other, "{what}: {url} is asked for");
            }
        }
    }

    /// Goes. These are the buttons that were clicked, and their forms were sent.
    pub(super) async fn leaves(self, clicks: &[Click]) {
        assert_eq!(self.clicked, clicks.iter().copied().collect::<BTreeSet<_>>());
        let unsent: Vec<_> = clicks.iter().filter(|(way, _)| !self.sent.contains(way)).collect();
        assert!(unsent.is_empty(), "clicked, and not sent: {unsent:?}");
        self.browser.quit().await;
    }
}
