//! The contract as one page for people: what is sent where, field by field, with examples. No script, light and dark.
//!
//! Our own, because the generator for `AsyncAPI` brings a browser and hundreds of packages for what a few tables say.

mod fields;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use self::fields::{Field, fields};

const STYLE: &str = include_str!("page.css");
/// What is never there is shown as nothing.
const NOTHING: &Value = &Value::Null;

/// The page over a document.
pub(super) fn page(document: &Value) -> String {
    let text = |pointer| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut operations: Vec<(&String, &Value)> = document["operations"].as_object().into_iter().flatten().collect();
    // What readers do first comes first.
    operations.sort_by_key(|(_, operation)| operation["action"] != "receive");
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (text("/info/title")) ": the contract" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (text("/info/title")) ": the contract, version " (text("/info/version")) }
                    p { (words(text("/info/description"))) }
                    nav aria-label="Operations" {
                        ul {
                            @for (name, operation) in &operations {
                                li { a href={ "#" (name) } { (name) } ": " (words(told(operation, "summary"))) }
                            }
                        }
                    }
                }
                main {
                    @for (name, operation) in &operations { (section(document, name, operation)) }
                }
                footer class="note" {
                    p { "Made from the code by " code { "join-community contract export --format html" } "." }
                }
            }
        }
    };
    markup.into_string()
}

/// One operation: where, and what.
fn section(document: &Value, name: &str, operation: &Value) -> Markup {
    let channel = target(document, &operation["channel"]);
    let binding = &channel["bindings"]["amqp"];
    let exchange = binding["exchange"]["name"].as_str();
    let direction =
        if operation["action"] == "receive" { "You send, the worker receives." } else { "The worker sends." };
    let messages = operation["messages"].as_array().into_iter().flatten();
    html! {
        section aria-labelledby=(name) {
            h2 id=(name) { (name) }
            p { (words(told(operation, "summary"))) " " (direction) }
            p { (words(told(channel, "description"))) }
            ul {
                @match channel["address"].as_str() {
                    Some(address) => { li { "Address: " code { (address) } } }
                    None => { li { "Address: named by the request" } }
                }
                @match exchange {
                    Some("") => { li { "Exchange: the default exchange" } }
                    Some(exchange) => {
                        li { "Exchange: " code { (exchange) } ", " (told(&binding["exchange"], "type")) }
                    }
                    None => {}
                }
            }
            @for message in messages { (shown(document, target(document, message))) }
        }
    }
}

fn shown(document: &Value, message: &Value) -> Markup {
    let schema = |part: &str| target(document, &message[part]);
    html! {
        article {
            h3 { (told(message, "title")) }
            p { (words(told(message, "summary"))) }
            (table("Properties", document, schema("x-amqp-properties")))
            (table("Headers", document, schema("headers")))
            (table("Body", document, schema("payload")))
            @for example in message["examples"].as_array().into_iter().flatten() {
                details {
                    summary { "Example: " (told(example, "name")) }
                    @if let Some(headers) = example.get("headers") { pre { code { (pretty(headers)) } } }
                    pre { code { (pretty(&example["payload"])) } }
                }
            }
        }
    }
}

fn table(title: &str, document: &Value, schema: &Value) -> Markup {
    if schema.is_null() {
        return html! {};
    }
    let fields = fields(document, schema);
    html! {
        h4 { (title) }
        @if let Some(description) = schema["description"].as_str() { p { (words(description)) } }
        @if !fields.is_empty() {
            div class="wide" {
                table {
                    thead { tr { th scope="col" { "Field" } th scope="col" { "Form" } th scope="col" { "Meaning" } } }
                    tbody { @for field in &fields { (row(field)) } }
                }
            }
        }
    }
}

fn row(Field { path, form, required, description }: &Field) -> Markup {
    html! {
        tr {
            td { code { (path) } @if *required { " " small class="note" { "required" } } }
            td { (form) }
            td { (words(description)) }
        }
    }
}

/// What a reference leads to; several in a row are followed.
fn target<'a>(document: &'a Value, mut value: &'a Value) -> &'a Value {
    for _ in 0..8 {
        let Some(pointer) = value["$ref"].as_str().and_then(|target| target.strip_prefix('#')) else { break };
        value = document.pointer(pointer).unwrap_or(NOTHING);
    }
    value
}

fn told<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Prose in which backticks stand around what is meant literally.
fn words(text: &str) -> Markup {
    html! {
        @for (position, part) in text.split('`').enumerate() {
            @if position % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
