//! A member's fields as they are shown to whoever need not know whom they are about. Apart from the writer, because here
//! nothing is shown unless it is known to be harmless.

use serde_json::{Map, Value};

use super::write;
use crate::domain::Member;

/// Stands where something of a person stood. No import takes it.
pub const MASKED: &str = "(masked)";

/// Fields that say nothing of a person.
const HARMLESS: [&str; 6] = ["id", "status", "privacyStatus", "activityStatus", "createdDate", "updatedDate"];
/// Fields of which no more is shown than that they are there. Of all others not even the name: somebody else has chosen it.
const PERSONAL: [&str; 6] = ["loginEmail", "loginEmailVerified", "contactId", "contact", "profile", "lastLoginDate"];

/// The fields of the full member.
///
/// # Errors
/// If somebody else has written what no value holds, such as the number 1e400.
pub fn fields(member: &Member) -> serde_json::Result<Map<String, Value>> {
    let mut json = Vec::new();
    write(member, &mut json);
    serde_json::from_slice(&json)
}

/// The same without what is personal.
#[must_use]
pub fn mask(fields: Map<String, Value>) -> Map<String, Value> {
    let masked = fields.into_iter().map(|(name, value)| {
        if HARMLESS.contains(&name.as_str()) {
            return (name, value);
        }
        let name = if PERSONAL.contains(&name.as_str()) { name } else { MASKED.to_owned() };
        (name, MASKED.into())
    });
    masked.collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::sample::john;
    use super::{MASKED, fields, mask};
    use crate::domain::{Json, Member};

    #[test]
    fn of_a_member_only_ids_states_and_times_are_shown() {
        let member = Member { extra: Some(Json(r#"{"jane@example.com":1}"#.into())), ..john() };
        let whole = fields(&member).unwrap();
        assert_eq!(whole["loginEmail"], "johndoe@example.com");
        let shown = mask(whole.clone());
        for name in ["id", "status", "privacyStatus", "activityStatus", "createdDate", "updatedDate"] {
            assert_eq!(shown[name], whole[name], "{name}");
        }
        for name in ["loginEmail", "loginEmailVerified", "contactId", "contact", "profile", "lastLoginDate", MASKED] {
            assert_eq!(shown[name], MASKED, "{name}");
        }
        assert_eq!(shown.len(), 13, "{shown:?}");
    }
}
