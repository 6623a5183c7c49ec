//! Evaluates the keywords that the contract's schemas use, and stops at any other: a schema cannot lean on a word that
//! nobody looks at. A second evaluator, somebody else's, runs over the same vectors (`contract/check.py`).

use jsonwebtoken::dangerous::insecure_decode_claims;
use regex_automata::dfa::regex::Regex;
use serde_json::{Map, Value};

/// Keywords that refuse nothing.
const SILENT: [&str; 10] = [
    "$schema",
    "$defs",
    "title",
    "description",
    "examples",
    "format",
    "contentMediaType",
    "x-sent-by",
    "x-max-bytes",
    "x-max-depth",
];

/// Why an instance does not fit a schema that is a document of its own.
pub(super) fn fits(root: &Value, instance: &Value) -> Result<(), String> {
    Evaluation { root }.at("", root, instance)
}

/// The fields of an instance that its schema does not name. What alternatives name counts where they fit.
pub(super) fn unnamed(root: &Value, instance: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Evaluation { root }.unnamed("", root, instance, &mut found);
    found
}

struct Evaluation<'a> {
    root: &'a Value,
}

impl<'a> Evaluation<'a> {
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
            Some(pointer) => self.root.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere")),
            None => schema,
        }
    }

    fn at(&self, path: &str, schema: &'a Value, instance: &Value) -> Result<(), String> {
        let schema = self.resolved(schema);
        let keywords = schema.as_object().unwrap_or_else(|| panic!("{path}: a schema is an object, not {schema}"));
        for (keyword, value) in keywords {
            self.keyword(path, (keyword, value), keywords, instance)
                .map_err(|why| if why.is_empty() { format!("{path}: {keyword}") } else { why })?;
        }
        Ok(())
    }

    fn keyword(
        &self,
        path: &str,
        (keyword, value): (&str, &'a Value),
        schema: &Map<String, Value>,
        instance: &Value,
    ) -> Result<(), String> {
        let holds = |holds: bool| if holds { Ok(()) } else { Err(String::new()) };
        let text = instance.as_str();
        let at_most =
            |size: Option<usize>| holds(size.is_none_or(|size| value.as_u64().is_some_and(|most| size as u64 <= most)));
        match keyword {
            "type" => holds(listed(value).any(|kind| is(kind.as_str().unwrap_or_default(), instance))),
            "const" => holds(instance == value),
            "enum" => holds(listed(value).any(|choice| choice == instance)),
            "pattern" => holds(text.is_none_or(|text| Regex::new(value.as_str().unwrap()).unwrap().is_match(text))),
            "maxLength" => at_most(text.map(|text| text.chars().count())),
            "minimum" => holds(instance.as_f64().is_none_or(|number| number >= value.as_f64().unwrap())),
            "minItems" => holds(instance.as_array().is_none_or(|list| list.len() as u64 >= value.as_u64().unwrap())),
            "required" => holds(
                instance.as_object().is_none_or(|it| listed(value).all(|name| it.contains_key(name.as_str().unwrap()))),
            ),
            "properties" => {
                let present =
                    value.as_object().unwrap().iter().filter_map(|(name, it)| Some((name, it, instance.get(name)?)));
                present.into_iter().try_for_each(|(name, it, field)| self.at(&format!("{path}/{name}"), it, field))
            }
            "items" => {
                let elements = instance.as_array().into_iter().flatten().enumerate();
                elements.into_iter().try_for_each(|(at, it)| self.at(&format!("{path}/{at}"), value, it))
            }
            "oneOf" => holds(listed(value).filter(|it| self.at(path, it, instance).is_ok()).count() == 1),
            "anyOf" => holds(listed(value).any(|it| self.at(path, it, instance).is_ok())),
            "not" => holds(self.at(path, value, instance).is_err()),
            // Others may leave this to the reader; we can do it.
            "contentSchema" => match text {
                Some(text) => {
                    let content = content(schema, text).map_err(|why| format!("{path}: {why}"))?;
                    self.at(path, value, &content)
                }
                None => Ok(()),
            },
            silent => {
                assert!(SILENT.contains(&silent), "{path}: nobody evaluates {silent} in {schema:?}");
                Ok(())
            }
        }
    }

    fn unnamed(&self, path: &str, schema: &'a Value, instance: &Value, found: &mut Vec<String>) {
        let schema = self.resolved(schema);
        for (name, value) in instance.as_object().into_iter().flatten() {
            let path = format!("{path}/{name}");
            match self.named(schema, instance, name) {
                Some(field) => self.unnamed(&path, field, value, found),
                // An object that names no field at all holds what is not ours.
                None if schema.get("properties").is_some() => found.push(path),
                None => {}
            }
        }
        for (at, value) in instance.as_array().into_iter().flatten().enumerate() {
            self.unnamed(&format!("{path}/{at}"), &schema["items"], value, found);
        }
    }

    fn named(&self, schema: &'a Value, instance: &Value, name: &str) -> Option<&'a Value> {
        let alternatives = schema["oneOf"].as_array().into_iter().flatten();
        let fitting = alternatives.filter(|it| self.at("", it, instance).is_ok());
        let mut own = std::iter::once(schema).chain(fitting).filter_map(|it| it["properties"].get(name));
        // The alternative says more than the general field.
        own.next_back()
    }
}

/// What a text holds, by its media type. Whether a signature is sound no schema can say: the vectors do.
fn content(schema: &Map<String, Value>, text: &str) -> Result<Value, String> {
    if schema.get("contentMediaType").is_some_and(|kind| kind == "application/jwt") {
        return insecure_decode_claims::<Value>(text).map_err(|error| error.to_string());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn listed(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter()
}

fn is(kind: &str, instance: &Value) -> bool {
    match kind {
        "null" => instance.is_null(),
        "boolean" => instance.is_boolean(),
        "integer" => instance.is_i64() || instance.is_u64(),
        "number" => instance.is_number(),
        "string" => instance.is_string(),
        "array" => instance.is_array(),
        "object" => instance.is_object(),
        other => panic!("{other} is no type"),
    }
}
