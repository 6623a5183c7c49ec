//! The frame of every page: head, skip link, navigation. Separate, because what every page promises is kept here.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use crate::config::{ConsoleRole, Http, MARK_OF_REQUEST, MARK_OF_TRACE};
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

/// The id of a trace, which leads to where traces are shown, if that is known.
pub(super) fn trace(http: &Http, trace: &str) -> Markup {
    outside(&http.trace_url, MARK_OF_TRACE, trace, &id(trace)).unwrap_or_else(|| id(trace))
}

/// Leads to what the logs hold of a request, if it is known where.
pub(super) fn logs(http: &Http, request: &str) -> Option<Markup> {
    outside(&http.logs_url, MARK_OF_REQUEST, request, &html! { "Its lines in the logs" })
}

/// A link out of the console. Nothing is asked of that place but by whoever follows it.
fn outside(template: &str, mark: &str, id: &str, shown: &Markup) -> Option<Markup> {
    let to = (!template.is_empty()).then(|| template.replace(mark, &encoded(id)))?;
    Some(html! { a href=(to) rel="noreferrer" { (shown) } })
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

    use super::{encoded, logs, page, trace};
    use crate::config::load;

    #[test]
    fn an_id_of_any_characters_makes_one_part_of_a_path() {
        assert_eq!(encoded("a-1_2.~"), "a-1_2.~");
        assert_eq!(encoded("a/b?c#d%e&\"<"), "a%2Fb%3Fc%23d%25e%26%22%3C");
    }

    #[test]
    fn a_trace_and_a_request_lead_out_where_it_is_configured_and_nowhere_else() {
        let mut http = load::<String, String>(None, []).unwrap().http;
        assert_eq!(trace(&http, "4bf9").into_string(), "<code>4bf9</code>");
        assert!(logs(&http, "a").is_none());
        "https://t.example/{trace}?at={trace}".clone_into(&mut http.trace_url);
        "https://l.example/q=%22{request}%22".clone_into(&mut http.logs_url);
        let shown = trace(&http, "4bf9").into_string();
        assert_eq!(shown, "<a href=\"https://t.example/4bf9?at=4bf9\" rel=\"noreferrer\"><code>4bf9</code></a>");
        let shown = logs(&http, "a/../\"b").unwrap().into_string();
        assert!(shown.starts_with("<a href=\"https://l.example/q=%22a%2F..%2F%22b%22\" "), "{shown}");
    }

    #[test]
    fn what_is_shown_is_text_and_never_markup() {
        let shown = page("<b>", None, &html! { p title=("\"x") { ("<script>alert(1)</script>") } }).0;
        assert!(!shown.contains("<b>") && !shown.contains("<script>alert"), "{shown}");
        assert!(shown.contains("&quot;x"), "{shown}");
    }
}
