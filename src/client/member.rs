//! Members as replies and events show them, and as the cache shows them to everybody. Not the domain's member: that is the
//! worker's own record, while this is read from what may come from a newer worker.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{ActivityStatus, MemberId, PrivacyStatus, Status};
use crate::wire::instant;

/// A member, with everything that is recorded.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Member {
    /// The member's id.
    #[serde(deserialize_with = "member_id")]
    pub id: MemberId,
    /// E-mail address the member logs in with.
    pub login_email: Option<String>,
    /// Whether that address was verified.
    pub login_email_verified: Option<bool>,
    /// Whether the member can log in; `None` for a word that this version does not know.
    #[serde(default, deserialize_with = "status")]
    pub status: Option<Status>,
    /// The contact behind the member.
    pub contact_id: Option<Uuid>,
    /// Contact details: names, phones, addresses, custom fields.
    pub contact: Option<Map<String, Value>>,
    /// What others see of a public member.
    pub profile: Option<Profile>,
    /// Whether others see the profile; `None` for a word that this version does not know.
    #[serde(default, deserialize_with = "privacy_status")]
    pub privacy_status: Option<PrivacyStatus>,
    /// Whether the member may write; `None` for a word that this version does not know.
    #[serde(default, deserialize_with = "activity_status")]
    pub activity_status: Option<ActivityStatus>,
    /// When the member was created.
    #[serde(deserialize_with = "at")]
    pub created_date: OffsetDateTime,
    /// When the record last changed. May precede `created_date`.
    #[serde(deserialize_with = "at")]
    pub updated_date: OffsetDateTime,
    /// When the member last logged in.
    #[serde(default, deserialize_with = "maybe_at")]
    pub last_login_date: Option<OffsetDateTime>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What everybody may see of a public member: no e-mail, phones, addresses or custom fields.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PublicMember {
    /// The member's id.
    #[serde(deserialize_with = "member_id")]
    pub id: MemberId,
    /// The contact behind the member.
    pub contact_id: Option<Uuid>,
    /// When the member was created.
    #[serde(deserialize_with = "at")]
    pub created_date: OffsetDateTime,
    /// When the record last changed. May precede `created_date`.
    #[serde(deserialize_with = "at")]
    pub updated_date: OffsetDateTime,
    /// Whether others see the profile: they do.
    #[serde(default, deserialize_with = "privacy_status")]
    pub privacy_status: Option<PrivacyStatus>,
    /// The profile.
    pub profile: Option<Profile>,
}

/// A member's profile. What a writer of the record gave another form than this stands in `extra`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "Map<String, Value>")]
#[non_exhaustive]
pub struct Profile {
    /// The name that others see.
    pub nickname: Option<String>,
    /// The last part of the profile's address.
    pub slug: Option<String>,
    /// A title.
    pub title: Option<String>,
    /// A picture of the member.
    pub photo: Option<Image>,
    /// The picture at the head of the profile.
    pub cover: Option<Image>,
    /// Fields that this version does not know.
    pub extra: Map<String, Value>,
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Image {
    /// Its id.
    pub id: Option<String>,
    /// Where it is.
    pub url: Option<String>,
    /// Its height, in pixels.
    pub height: Option<f64>,
    /// Its width, in pixels.
    pub width: Option<f64>,
    /// How far it is moved to the side, in pixels.
    pub offset_x: Option<f64>,
    /// How far it is moved down, in pixels.
    pub offset_y: Option<f64>,
}

impl From<Map<String, Value>> for Profile {
    fn from(mut fields: Map<String, Value>) -> Self {
        Self {
            nickname: text(&mut fields, "nickname"),
            slug: text(&mut fields, "slug"),
            title: text(&mut fields, "title"),
            photo: image(&mut fields, "photo"),
            cover: image(&mut fields, "cover"),
            extra: fields,
        }
    }
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    let text = fields.get(name)?.as_str()?.to_owned();
    fields.remove(name);
    Some(text)
}

fn image(fields: &mut Map<String, Value>, name: &str) -> Option<Image> {
    let image = fields.get(name)?.as_object()?;
    let text = |name: &str| image.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| image.get(name).and_then(Value::as_f64);
    let image = Image {
        id: text("id"),
        url: text("url"),
        height: number("height"),
        width: number("width"),
        offset_x: number("offsetX"),
        offset_y: number("offsetY"),
    };
    fields.remove(name);
    Some(image)
}

/// Where JSON is not what was expected, without a word of what stands there: it may be a person's.
pub(super) fn place(error: &serde_json::Error) -> String {
    format!("it is not the JSON that was expected, from line {}, column {}", error.line(), error.column())
}

fn member_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MemberId, D::Error> {
    Uuid::deserialize(deserializer).map(MemberId)
}

pub(super) fn at<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OffsetDateTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    instant::parse(&text).ok_or_else(|| serde::de::Error::custom("no instant"))
}

fn maybe_at<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| instant::parse(&text).ok_or_else(|| serde::de::Error::custom("no instant"))).transpose()
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Status>, D::Error> {
    word(deserializer, Status::parse)
}

fn privacy_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PrivacyStatus>, D::Error> {
    word(deserializer, PrivacyStatus::parse)
}

fn activity_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ActivityStatus>, D::Error> {
    word(deserializer, ActivityStatus::parse)
}

/// What a word stands for. One of a newer worker is no reason to refuse all the rest.
fn word<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| parse(&text)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Member, Profile, PublicMember};
    use crate::wire::sample::john;
    use crate::wire::{instant, member, profile};

    #[test]
    fn what_the_worker_writes_is_read_with_nothing_left_over() {
        let mut full = Vec::new();
        member::write(&john(), &mut full);
        let read: Member = serde_json::from_slice(&full).unwrap();
        assert_eq!(
            (read.id, read.status, read.activity_status),
            (john().id, Some(john().status), Some(john().activity_status))
        );
        assert_eq!((read.updated_date, read.last_login_date), (john().updated_date, john().last_login_date));
        assert_eq!(read.contact.unwrap()["firstName"], "John");
        assert!(read.extra.is_empty(), "{:?}", read.extra);
        let photo = read.profile.unwrap().photo.unwrap();
        assert_eq!((photo.url.as_deref(), photo.height), (Some("https://example.com/newphoto.jpg"), Some(0.0)));

        let mut public = Vec::new();
        profile::write(&john(), &mut public);
        let read: PublicMember = serde_json::from_slice(&public).unwrap();
        assert_eq!((read.id, read.privacy_status), (john().id, Some(john().privacy_status)));
        assert_eq!(read.profile.unwrap().nickname.as_deref(), Some("John Doe"));
    }

    #[test]
    fn a_member_with_the_least_that_a_record_has_is_read() {
        let least = json!({
            "id": john().id.to_string(), "status": "APPROVED", "privacyStatus": "PUBLIC", "activityStatus": "ACTIVE",
            "createdDate": instant::text(john().created_date), "updatedDate": instant::text(john().updated_date),
        });
        let read: Member = serde_json::from_value(least).unwrap();
        assert_eq!((read.login_email, read.contact, read.profile, read.last_login_date), (None, None, None, None));
    }

    #[test]
    fn a_profile_of_another_form_than_ours_is_passed_on_as_it_is() {
        let read: Profile = serde_json::from_value(json!({ "nickname": 7, "slug": "jane", "photo": "none" })).unwrap();
        assert_eq!((read.nickname, read.slug.as_deref(), read.photo), (None, Some("jane"), None));
        assert_eq!((&read.extra["nickname"], &read.extra["photo"]), (&json!(7), &json!("none")));
    }

    #[test]
    fn where_json_is_wrong_is_told_without_what_stands_there() {
        let error = serde_json::from_str::<Member>(r#"{"id":"jane@example.com"}"#).unwrap_err();
        assert!(error.to_string().contains("`j`") && !super::place(&error).contains("`j`"), "{error}");
    }
}
