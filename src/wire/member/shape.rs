//! The schema of a member as files hold it: which fields are known, under which names, and of which form.
//!
//! Apart, because renaming goes by it: what it does not name keeps its keys, whatever they look like.

use crate::domain::{ActivityStatus, PrivacyStatus, Status};

/// The form of a value.
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// A GUID of 36 characters.
    Guid,
    /// An instant, RFC 3339.
    Instant,
    /// One of a few words.
    Word {
        /// Whether a word is one of them.
        knows: fn(&str) -> bool,
        /// The words, for people.
        words: &'static str,
    },
    /// A truth value.
    Flag,
    /// A number.
    Number,
    /// A list.
    List(&'static Shape),
    /// An object. Fields that it does not name are welcome and stay as they are.
    Object(&'static [Field]),
}

/// A known field of an object.
pub(crate) struct Field {
    /// Its name in REST.
    pub(crate) name: &'static str,
    /// Its name in the SDK, where that is another.
    pub(crate) sdk_name: Option<&'static str>,
    /// The form of its value.
    pub(crate) shape: Shape,
    /// What stands in its place when it is absent.
    pub(crate) default: Option<&'static str>,
}

impl Field {
    const fn new(name: &'static str, shape: Shape) -> Self {
        Self { name, sdk_name: None, shape, default: None }
    }

    const fn renamed(name: &'static str, sdk_name: &'static str, shape: Shape) -> Self {
        Self { name, sdk_name: Some(sdk_name), shape, default: None }
    }

    const fn defaulted(name: &'static str, shape: Shape, default: &'static str) -> Self {
        Self { name, sdk_name: None, shape, default: Some(default) }
    }
}

/// A member.
pub(crate) static MEMBER: Shape = Shape::Object(&[
    Field::renamed("id", "_id", Shape::Guid),
    Field::new("loginEmail", Shape::Text),
    Field::new("loginEmailVerified", Shape::Flag),
    Field::new(
        "status",
        Shape::Word { knows: |word| Status::parse(word).is_some(), words: "PENDING, APPROVED, BLOCKED, OFFLINE" },
    ),
    Field::new("contactId", Shape::Guid),
    Field::new("contact", Shape::Object(CONTACT)),
    Field::new("profile", Shape::Object(PROFILE)),
    Field::new(
        "privacyStatus",
        Shape::Word { knows: |word| PrivacyStatus::parse(word).is_some(), words: "PRIVATE, PUBLIC" },
    ),
    Field::new(
        "activityStatus",
        Shape::Word { knows: |word| ActivityStatus::parse(word).is_some(), words: "ACTIVE, MUTED" },
    ),
    Field::renamed("createdDate", "_createdDate", Shape::Instant),
    Field::renamed("updatedDate", "_updatedDate", Shape::Instant),
    Field::new("lastLoginDate", Shape::Instant),
]);

static CONTACT: &[Field] = &[
    Field::new("contactId", Shape::Text),
    Field::new("firstName", Shape::Text),
    Field::new("lastName", Shape::Text),
    Field::defaulted("phones", Shape::List(&Shape::Text), "[]"),
    Field::defaulted("emails", Shape::List(&Shape::Text), "[]"),
    Field::defaulted("addresses", Shape::List(&Shape::Object(ADDRESS)), "[]"),
    Field::new("birthdate", Shape::Text),
    Field::new("company", Shape::Text),
    Field::new("jobTitle", Shape::Text),
    // Its keys are the site's own: none of them is known, so none of them is ever renamed.
    Field::defaulted("customFields", Shape::Object(&[]), "{}"),
];

static ADDRESS: &[Field] = &[
    Field::renamed("id", "_id", Shape::Text),
    Field::new("streetAddress", Shape::Object(&[Field::new("number", Shape::Text), Field::new("name", Shape::Text)])),
    Field::new("addressLine", Shape::Text),
    Field::new("addressLine2", Shape::Text),
    Field::new("city", Shape::Text),
    Field::new("subdivision", Shape::Text),
    Field::new("country", Shape::Text),
    Field::new("postalCode", Shape::Text),
];

static PROFILE: &[Field] = &[
    Field::new("nickname", Shape::Text),
    Field::new("slug", Shape::Text),
    Field::new("title", Shape::Text),
    Field::new("photo", Shape::Object(IMAGE)),
    Field::new("cover", Shape::Object(IMAGE)),
];

static IMAGE: &[Field] = &[
    Field::renamed("id", "_id", Shape::Text),
    Field::new("url", Shape::Text),
    Field::new("height", Shape::Number),
    Field::new("width", Shape::Number),
    Field::new("offsetX", Shape::Number),
    Field::new("offsetY", Shape::Number),
];
