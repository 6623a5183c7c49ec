//! What the body of a letter says, read leniently, for it may be malformed. Separate, because nothing of it is proven: it is
//! only the most that an edited body may say.

use serde_json::Value;
use uuid::Uuid;

use crate::domain::{Caller, IdentityType};

/// What a body says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) site: Option<Uuid>,
    pub(super) caller: Option<Caller>,
    pub(super) elevated: Elevated,
}

/// What a body says of elevated permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elevated {
    Yes,
    No,
    /// Nothing.
    Unsaid,
    /// Something else, or the body cannot be read.
    Unclear,
}

impl Said {
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
            return Self { site: None, caller: None, elevated: Elevated::Unclear };
        };
        let elevated = match body.get("elevated") {
            Some(Value::Bool(true)) => Elevated::Yes,
            Some(Value::Bool(false)) => Elevated::No,
            None | Some(Value::Null) => Elevated::Unsaid,
            Some(Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => Elevated::Unclear,
        };
        let site = body.get("siteId").and_then(id);
        Self { site, caller: body.get("identity").and_then(caller), elevated }
    }
}

fn caller(identity: &Value) -> Option<Caller> {
    let identity_type = IdentityType::parse(identity.get("identityType")?.as_str()?)?;
    Some(Caller { identity_type, id: id(identity.get(identity_type.id_field())?)? })
}

fn id(value: &Value) -> Option<Uuid> {
    value.as_str().filter(|text| text.len() == 36).and_then(|text| Uuid::try_parse(text).ok())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Elevated, Said};
    use crate::domain::{Caller, IdentityType};

    const ID: &str = "7d368843-6f0c-4037-8d0e-b7e36a8a0c32";

    #[test]
    fn what_can_be_read_of_a_malformed_body_is_read_and_nothing_is_guessed() {
        let id = Uuid::try_parse(ID).unwrap();
        let app = Caller { identity_type: IdentityType::App, id };
        let whole = format!(
            r#"{{ "siteId": "{ID}", "memberId": 7, "elevated": true,
                 "identity": {{ "identityType": "APP", "appId": "{ID}", "memberId": "x" }} }}"#
        );
        let said = Said { site: Some(id), caller: Some(app), elevated: Elevated::Yes };
        assert_eq!(Said::read(whole.as_bytes()), said);
        for (body, elevated) in [
            ("", Elevated::Unclear),
            ("[]", Elevated::Unclear),
            (r#"{ "elevated": "true" }"#, Elevated::Unclear),
            (r#"{ "elevated": false, "siteId": 7, "identity": [] }"#, Elevated::No),
            (r#"{ "elevated": null, "identity": { "identityType": "APP" } }"#, Elevated::Unsaid),
        ] {
            assert_eq!(Said::read(body.as_bytes()), Said { site: None, caller: None, elevated }, "{body}");
        }
    }
}
