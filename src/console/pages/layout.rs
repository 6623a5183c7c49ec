//! The frame of every page: head, skip link, navigation. Separate, because what every page promises is kept here.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use crate::config::ConsoleRole;
use crate::console::access::Operator;

const PLACES: [(&str, &str); 4] =
    [("/", "Overview"), ("/requests", "Requests"), ("/dead-letters", "Dead letters"), ("/controls", "Controls")];

/// A whole page; without an operator, nobody has logged in.
pub(super) fn page(title: &str, operator: Option<&Operator>, body: &Markup) -> Html<String> {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Join Community" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/console.css";
                script src="/assets/console.js" defer {}
            }
            body {
                a class="skip" href="#main" { "Skip to the content" }
                header {
                    span class="name" { "Join Community" }
                    @if let Some(operator) = operator { (navigation(title, operator)) }
                }
                main id="main" tabindex="-1" { (body) }
            }
        }
    };
    Html(markup.into_string())
}

/// A GUID, or another id that a program made.
pub(super) fn id(text: &str) -> Markup {
    html! { code { (text) } }
}

/// A link to what stands below a path under an id, whatever characters it has.
pub(super) fn link(path: &str, id: &str) -> String {
    format!("{path}/{}", encoded(id))
}

/// Percent-encoded: fit for any part of a URL.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&crate::wire::copy::hex(&[byte]).to_ascii_uppercase());
        }
    }
    out
}

fn navigation(title: &str, operator: &Operator) -> Markup {
    let actions = (operator.role >= ConsoleRole::Admin).then_some(("/actions", "Actions"));
    html! {
        nav aria-label="Pages" {
            @for (path, name) in PLACES.into_iter().chain(actions) {
                a href=(path) aria-current=[(name == title).then_some("page")] { (name) }
            }
        }
        @if operator.has_session() {
            form class="who" method="post" action="/logout" {
                span { (operator.who) ", " (operator.role.as_str()) }
                button { "Log out" }
            }
        } @else { span class="who" { (operator.who) ", " (operator.role.as_str()) } }
    }
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::{encoded, page};

    #[test]
    fn an_id_of_any_characters_makes_one_part_of_a_path() {
        assert_eq!(encoded("a-1_2.~"), "a-1_2.~");
        assert_eq!(encoded("a/b?c#d%e&\"<"), "a%2Fb%3Fc%23d%25e%26%22%3C");
    }

    #[test]
    fn what_is_shown_is_text_and_never_markup() {
        let shown = page("<b>", None, &html! { p title=("\"x") { ("<script>alert(1)</script>") } }).0;
        assert!(!shown.contains("<b>") && !shown.contains("<script>alert"), "{shown}");
        assert!(shown.contains("&quot;x"), "{shown}");
    }
}
