//! The body of a request: found in one walk over the JSON, field by field, without building a tree.
//!
//! Apart, because here every byte is a stranger's.

use uuid::Uuid;

use super::super::rule;
use super::super::strict::{Fault, Path, Sink, Value, walk};
use super::{Body, Claim, Malformed};
use crate::domain::{Caller, IdentityType, MemberId, SiteId};

/// Largest body, in bytes.
pub const MAX_SIZE: usize = 64 * 1024;
/// Deepest nesting, the body itself included.
pub const MAX_DEPTH: usize = 16;

/// The `identityType` that says there is no identity.
pub const NO_IDENTITY: &str = "UNKNOWN";

const GUID: &str = "must be a GUID of 36 characters, as text";

/// Reads a body.
pub(super) fn read(bytes: &[u8]) -> Result<Body, Malformed> {
    if bytes.len() > MAX_SIZE {
        let large = format!("must not be larger than {MAX_SIZE} bytes; it has {}", bytes.len());
        return Err(Fault::at(&Path::Root, rule::MAX_SIZE, large).into());
    }
    let mut fields = Fields::default();
    walk(bytes, MAX_DEPTH, &mut fields)?;
    Ok(fields.finish()?)
}

/// What was found so far.
#[derive(Default)]
struct Fields {
    site: Option<Uuid>,
    member: Option<Uuid>,
    identity: Option<Identity>,
    elevated: Option<bool>,
}

#[derive(Default)]
struct Identity {
    kind: Option<Kind>,
    ids: [Option<Uuid>; IdentityType::ALL.len()],
}

#[derive(Clone, Copy)]
enum Kind {
    Unknown,
    Known(IdentityType),
}

impl Sink for Fields {
    fn value(&mut self, path: &Path<'_>, value: Value<'_>) -> Result<(), Fault> {
        match path {
            Path::Root if value != Value::Object => Err(Fault::at(path, rule::TYPE, "must be a JSON object")),
            Path::Key(Path::Root, name) => self.field(name, path, value),
            Path::Key(Path::Key(Path::Root, "identity"), name) => self.identity_field(name, path, value),
            Path::Root | Path::Key(..) | Path::Index(..) => Ok(()),
        }
    }
}

impl Fields {
    fn field(&mut self, name: &str, path: &Path<'_>, value: Value<'_>) -> Result<(), Fault> {
        match (name, value) {
            ("siteId", Value::Text(_)) => self.site = guid(path, value)?,
            ("siteId", _) => return Err(Fault::at(path, rule::TYPE, GUID)),
            ("memberId", _) => self.member = guid(path, value)?,
            ("identity", Value::Null) => self.identity = None,
            ("identity", Value::Object) => self.identity = Some(Identity::default()),
            ("identity", _) => return Err(Fault::at(path, rule::TYPE, "must be an object")),
            ("elevated", Value::Null) => self.elevated = None,
            ("elevated", Value::Flag(elevated)) => self.elevated = Some(elevated),
            ("elevated", _) => return Err(Fault::at(path, rule::TYPE, "must be true or false")),
            _ => {}
        }
        Ok(())
    }

    fn identity_field(&mut self, name: &str, path: &Path<'_>, value: Value<'_>) -> Result<(), Fault> {
        let Some(identity) = &mut self.identity else { return Ok(()) };
        if name == "identityType" {
            identity.kind = Some(kind(path, value)?);
        } else if let Some(position) = IdentityType::ALL.iter().position(|kind| kind.id_field() == name) {
            identity.ids[position] = guid(path, value)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Body, Fault> {
        let site = self.site.ok_or_else(|| {
            Fault::at(
                &Path::Key(&Path::Root, "siteId"),
                rule::REQUIRED,
                "is required: the site whose community it is about",
            )
        })?;
        Ok(Body {
            site: SiteId(site),
            member: self.member.map(MemberId),
            identity: self.identity.map(Identity::finish).transpose()?,
            elevated: self.elevated,
        })
    }
}

impl Identity {
    fn finish(self) -> Result<Claim, Fault> {
        let identity = Path::Key(&Path::Root, "identity");
        if self.ids.iter().flatten().count() > 1 {
            return Err(Fault::at(&identity, rule::ONE_OF, "must hold one id only, that of its identityType"));
        }
        let kind = match self.kind {
            Some(Kind::Known(kind)) => kind,
            Some(Kind::Unknown) => return Ok(Claim::Unknown),
            None => {
                let path = Path::Key(&identity, "identityType");
                return Err(Fault::at(&path, rule::REQUIRED, "is required: what kind of identity calls"));
            }
        };
        for (other, id) in IdentityType::ALL.into_iter().zip(self.ids) {
            match id {
                Some(id) if other == kind => return Ok(Claim::Caller(Caller { identity_type: kind, id })),
                Some(_) => {
                    let wrong = format!("does not belong to identityType {}", kind.as_str());
                    return Err(Fault::at(&Path::Key(&identity, other.id_field()), rule::ONE_OF, wrong));
                }
                None => {}
            }
        }
        let missing = format!("is required when identityType is {}", kind.as_str());
        Err(Fault::at(&Path::Key(&identity, kind.id_field()), rule::REQUIRED, missing))
    }
}

/// A GUID as other systems write it, too: 36 characters, in any case. `null` is how many producers write absence.
fn guid(path: &Path<'_>, value: Value<'_>) -> Result<Option<Uuid>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) if text.len() == uuid::fmt::Hyphenated::LENGTH => {
            Uuid::try_parse(text).map(Some).map_err(|_| Fault::at(path, rule::FORMAT, GUID))
        }
        Value::Text(_) => Err(Fault::at(path, rule::FORMAT, GUID)),
        Value::Flag(_) | Value::Number | Value::Array | Value::Object => Err(Fault::at(path, rule::TYPE, GUID)),
    }
}

fn kind(path: &Path<'_>, value: Value<'_>) -> Result<Kind, Fault> {
    const WORDS: &str = "must be one of MEMBER, ANONYMOUS_VISITOR, WIX_USER, APP, UNKNOWN";
    match value {
        Value::Text(NO_IDENTITY) => Ok(Kind::Unknown),
        Value::Text(word) => {
            IdentityType::parse(word).map(Kind::Known).ok_or_else(|| Fault::at(path, rule::UNKNOWN_VALUE, WORDS))
        }
        Value::Null | Value::Flag(_) | Value::Number | Value::Array | Value::Object => {
            Err(Fault::at(path, rule::TYPE, WORDS))
        }
    }
}
