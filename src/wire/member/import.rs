//! Reads one member from a line of anybody's file, in REST or SDK names, and loses nothing of it.
//!
//! Apart from the writer, because a file lacks what a record has: what is not there is `None`, to be decided by the import.

use time::OffsetDateTime;
use uuid::Uuid;

use super::super::pen::{self, Object};
use super::super::strict::{Fault, Path, Sink, Value, walk};
use super::super::{instant, rule};
use super::masked::MASKED;
use super::rewrite::{Entries, parsed, rewrite};
use super::shape::MEMBER;
use crate::domain::{ActivityStatus, Json, MemberId, PrivacyStatus, Status};

/// Largest member, in bytes: as it is exported, without the space between its parts.
const MAX_SIZE: usize = 256 * 1024;
/// All fields of fixed size together, with their names, are shorter.
const FIXED_FIELDS: usize = 512;
/// Largest line, in bytes. Above a member's: the record keeps space between the parts of what it holds, and an export has
/// to be taken for an import.
const MAX_LINE: usize = 1024 * 1024;
/// Deepest nesting, the member itself included: an event wraps it twice, and many a JSON reader stops at 64.
const MAX_DEPTH: usize = 60;

/// A member as a file holds it. `contact`, `profile` and `extra` are in REST names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The member's id.
    pub id: MemberId,
    /// E-mail address the member logs in with.
    pub login_email: Option<Box<str>>,
    /// Whether that address was verified.
    pub login_email_verified: Option<bool>,
    /// Whether the member can log in.
    pub status: Option<Status>,
    /// Whether others see the profile.
    pub privacy_status: Option<PrivacyStatus>,
    /// Whether the member may write.
    pub activity_status: Option<ActivityStatus>,
    /// The contact behind the member.
    pub contact_id: Option<Uuid>,
    /// Contact details; lists and `customFields` are there, if only empty.
    pub contact: Option<Json>,
    /// Public profile.
    pub profile: Option<Json>,
    /// When the member was created.
    pub created_date: Option<OffsetDateTime>,
    /// When the record last changed.
    pub updated_date: Option<OffsetDateTime>,
    /// When the member last logged in.
    pub last_login_date: Option<OffsetDateTime>,
    /// Fields this version does not know, as one JSON object.
    pub extra: Option<Json>,
}

/// Why a line holds no member. Names the place, never what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {description}", if .pointer.is_empty() { "the line" } else { .pointer })]
pub struct InvalidMember {
    /// JSON pointer to the place, the empty one for the line as a whole.
    pub pointer: String,
    /// What is wrong and what would be right; follows the place in a sentence.
    pub description: String,
}

impl From<Fault> for InvalidMember {
    fn from(Fault { pointer, description, .. }: Fault) -> Self {
        Self { pointer, description: description.into_owned() }
    }
}

/// Reads a member from one line: the member itself, or the answer of `joinCommunity()` that wraps it.
///
/// # Errors
/// The first thing about the line that makes it no member.
pub fn parse(line: &[u8]) -> Result<Imported, InvalidMember> {
    if line.len() > MAX_LINE {
        let large = format!("must not be longer than {MAX_LINE} bytes; it has {}", line.len());
        return Err(Fault::at(&Path::Root, rule::MAX_SIZE, large).into());
    }
    walk(line, MAX_DEPTH, &mut AnObject)?;
    let document = String::from_utf8_lossy(line);
    let document = document.trim_ascii();
    let wrapper = parsed::<Entries<'_>>(document, &Path::Root)?.0;
    let imported = match wrapper.as_slice() {
        [(key, member)] if key == "member" => read(member.get(), &Path::Key(&Path::Root, "member"))?,
        _ => read(document, &Path::Root)?,
    };
    let size = size(&imported);
    if size > MAX_SIZE {
        let large = format!("must not be larger than {MAX_SIZE} bytes; as it is exported it may have {size}");
        return Err(Fault::at(&Path::Root, rule::MAX_SIZE, large).into());
    }
    Ok(imported)
}

/// The most bytes that the member has when exported. The same for what was exported before, or an export might be refused
/// where what it was made from was taken.
fn size(imported: &Imported) -> usize {
    let mut email = Vec::new();
    pen::quote(imported.login_email.as_deref().unwrap_or_default(), &mut email);
    let parts = [&imported.contact, &imported.profile, &imported.extra];
    let parts: usize = parts.into_iter().flatten().map(|json| json.0.len()).sum();
    email.len() + parts + FIXED_FIELDS
}

struct AnObject;

impl Sink for AnObject {
    fn value(&mut self, path: &Path<'_>, value: Value<'_>) -> Result<(), Fault> {
        match path {
            Path::Root if value != Value::Object => Err(Fault::at(path, rule::TYPE, "must be a JSON object")),
            Path::Key(Path::Root | Path::Key(Path::Root, "member"), _) if value == Value::Text(MASKED) => {
                let masked = "is masked, and so nothing to import: export with `--unmask` and `--why`";
                Err(Fault::at(path, rule::FORMAT, masked))
            }
            Path::Root | Path::Key(..) | Path::Index(..) => Ok(()),
        }
    }
}

/// Takes the fields out of a member that has been brought into shape: what is read here was checked there.
fn read(member: &str, path: &Path<'_>) -> Result<Imported, Fault> {
    let mut canonical = Vec::with_capacity(member.len() + 64);
    rewrite(member, &MEMBER, path, &mut canonical)?;
    let canonical = String::from_utf8_lossy(&canonical);
    let mut fields = parsed::<Entries<'_>>(&canonical, path)?;
    let mut text = |name| fields.take(name).map(|raw| parsed::<String>(raw, path)).transpose();
    let id = text("id")?.and_then(|id| Uuid::try_parse(&id).ok());
    let missing = || Fault::at(&Path::Key(path, "id"), rule::REQUIRED, "is required, as `id` or as `_id`");
    let imported = Imported {
        id: MemberId(id.ok_or_else(missing)?),
        login_email: text("loginEmail")?.map(Into::into),
        status: text("status")?.and_then(|word| Status::parse(&word)),
        privacy_status: text("privacyStatus")?.and_then(|word| PrivacyStatus::parse(&word)),
        activity_status: text("activityStatus")?.and_then(|word| ActivityStatus::parse(&word)),
        contact_id: text("contactId")?.and_then(|id| Uuid::try_parse(&id).ok()),
        created_date: text("createdDate")?.and_then(|at| instant::parse(&at)),
        updated_date: text("updatedDate")?.and_then(|at| instant::parse(&at)),
        last_login_date: text("lastLoginDate")?.and_then(|at| instant::parse(&at)),
        login_email_verified: fields.take("loginEmailVerified").map(|flag| flag == "true"),
        contact: fields.take("contact").map(|json| Json(json.into())),
        profile: fields.take("profile").map(|json| Json(json.into())),
        extra: None,
    };
    Ok(Imported { extra: extra(&fields), ..imported })
}

/// The fields that no shape names, in the order of the file.
fn extra(fields: &Entries<'_>) -> Option<Json> {
    let mut out = Vec::new();
    let mut extra = Object::open(&mut out);
    for (key, raw) in &fields.0 {
        extra.foreign(key).extend_from_slice(raw.get().as_bytes());
    }
    extra.close();
    (!fields.0.is_empty()).then(|| Json(String::from_utf8_lossy(&out).into()))
}
