//! The fields of a schema as rows, one below the other however deep they lie.
//!
//! Apart from the page, because this is about schemas and that about HTML.

use serde_json::Value;

use super::target;

/// Deepest that fields are shown.
const MAX_DEPTH: usize = 8;

/// One row.
pub(super) struct Field {
    /// Its place, as people write it.
    pub(super) path: String,
    /// What its value looks like.
    pub(super) form: String,
    /// Whether it always stands where its object does.
    pub(super) required: bool,
    /// What it means.
    pub(super) description: String,
}

/// Every field below a schema.
pub(super) fn fields(document: &Value, schema: &Value) -> Vec<Field> {
    let mut rows = Vec::new();
    walk(document, schema, "", 0, &mut rows);
    // A message that is a text as a whole: a webhook.
    walk(document, target(document, &schema["contentSchema"]), "", 0, &mut rows);
    rows
}

fn walk(document: &Value, schema: &Value, above: &str, depth: usize, rows: &mut Vec<Field>) {
    if depth > MAX_DEPTH {
        return;
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let field = target(document, field);
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        let required = schema["required"].as_array().is_some_and(|required| required.iter().any(|it| it == name));
        let description = field["description"].as_str().unwrap_or_default().to_owned();
        rows.push(Field { path: path.clone(), form: form(document, field), required, description });
        walk(document, field, &path, depth + 1, rows);
        let items = target(document, &field["items"]);
        walk(document, items, &format!("{path}[]"), depth + 1, rows);
        let content = target(document, &field["contentSchema"]);
        walk(document, content, &format!("{path} (JSON)"), depth + 1, rows);
    }
    // What only one of several alternatives has; what all of them share was shown above.
    for alternative in schema["oneOf"].as_array().into_iter().flatten() {
        let shared = schema["properties"].as_object();
        let mut own = alternative.clone();
        if let (Some(properties), Some(shared)) = (own["properties"].as_object_mut(), shared) {
            properties.retain(|name, _| !shared.contains_key(name));
        }
        walk(document, &own, above, depth + 1, rows);
    }
}

/// The form of a value in a few words.
fn form(document: &Value, schema: &Value) -> String {
    let words = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    let list = |key: &str| schema[key].as_array().map(|list| list.iter().map(words).collect::<Vec<_>>());
    if let Some(only) = schema.get("const") {
        return format!("always {}", words(only));
    }
    if let Some(choices) = list("enum") {
        return format!("one of {}", choices.join(", "));
    }
    let mut form = list("type").map_or_else(|| words(&schema["type"]), |types| types.join(" or "));
    if form == "array" {
        let items = target(document, &schema["items"]);
        form = format!("list of {}", items["type"].as_str().unwrap_or("anything"));
    }
    if let Some(format) = schema["format"].as_str() {
        form = format!("{form}, {format}");
    } else if let Some(longest) = schema["maxLength"].as_u64() {
        form = format!("{form}, at most {longest}");
    }
    form
}
