//! A member as the worker sends it: made of the shape that imports are brought into.

use serde_json::{Map, Value, json};

use super::parts::{instant, lower_guid};
use crate::wire::member::{Field, MEMBER, Shape};

/// Every member has these; what a record lacks beyond them is absent.
const ALWAYS: [&str; 6] = ["activityStatus", "createdDate", "id", "privacyStatus", "status", "updatedDate"];

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let mut member = schema(&MEMBER);
    member["title"] = json!("Member");
    member["description"] = json!(
        "The whole record, in REST names. Fields that the worker does not know are passed on as they are recorded, beside \
         those named here. The form of `contact` and `profile` below their first level is that of an import; a writer of the \
         table may have stored another."
    );
    member["required"] = json!(ALWAYS);
    vec![("member", member)]
}

/// The public part of a member: nickname, slug, photo, cover, title.
pub(super) fn profile() -> Value {
    let profile = fields(&MEMBER).iter().find(|field| field.name == "profile");
    profile.map_or_else(|| json!({ "type": "object" }), |profile| schema(&profile.shape))
}

fn fields(shape: &'static Shape) -> &'static [Field] {
    match shape {
        Shape::Object(fields) => fields,
        Shape::Text
        | Shape::Guid
        | Shape::Instant
        | Shape::Word { .. }
        | Shape::Flag
        | Shape::Number
        | Shape::List(_) => &[],
    }
}

fn schema(shape: &'static Shape) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Guid => lower_guid("A GUID in lower case."),
        Shape::Instant => instant("UTC, with milliseconds."),
        Shape::Word { words, .. } => json!({ "type": "string", "enum": words.split(", ").collect::<Vec<_>>() }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Number => json!({ "type": "number" }),
        Shape::List(element) => json!({ "type": "array", "items": schema(element) }),
        Shape::Object(fields) => object(fields),
    }
}

fn object(fields: &'static [Field]) -> Value {
    let mut object = Map::from_iter([("type".to_owned(), json!("object"))]);
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), schema(&field.shape))).collect();
    // What has a default is there wherever the object is.
    let required: Vec<&str> = fields.iter().filter(|field| field.default.is_some()).map(|field| field.name).collect();
    if !properties.is_empty() {
        object.insert("properties".to_owned(), properties.into());
    }
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object.into()
}
