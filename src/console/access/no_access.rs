//! Why somebody may not use the console, and what they are told. Separate, because pages, API and record tell of the same.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;

use crate::auth::{NotProven, reason};

/// Who it is on record where nobody is known.
pub(in crate::console) const NOBODY: &str = "nobody";

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) enum NoAccess {
    /// Nobody is known who may, and the server does not listen on the loopback alone.
    Closed,
    /// Neither a token nor a session is shown, or a session that is not known.
    Unknown,
    /// A token is shown that is not known.
    UnknownToken,
    /// A session is shown whose login at the issuer is too long ago.
    Over,
    /// Too many wrong tokens or logins came from there; in how long another may.
    TooMany(Duration),
    /// The issuer's word does not do: a word of [`reason`] or of `refusal`.
    NotProven(&'static str),
    /// Who the issuer says it is has no role here.
    NoRole(Arc<str>),
    /// The issuer cannot be asked.
    Away,
}

impl NoAccess {
    /// Whether it counts as a try to get in.
    pub(super) const fn is_failure(&self) -> bool {
        match self {
            Self::UnknownToken | Self::NotProven(_) | Self::NoRole(_) => true,
            Self::Closed | Self::Unknown | Self::Over | Self::TooMany(_) | Self::Away => false,
        }
    }

    /// Whether a browser came back from a login that is not under way. Any page can have it do that.
    pub(super) fn is_of_no_login(&self) -> bool {
        matches!(self, Self::NotProven(reason::LOGIN_UNKNOWN))
    }

    /// How it is answered: the status, a word for programs, and what to do.
    pub(in crate::console) fn told(&self) -> (StatusCode, &'static str, String) {
        match self {
            Self::Closed => (
                StatusCode::FORBIDDEN,
                "closed",
                "the server listens beyond the loopback and http.tokens is empty: list a token, made by `join-community \
                 token console`, name an issuer by http.oidc_issuer, or open metrics alone by http.metrics_open"
                    .to_owned(),
            ),
            Self::Unknown | Self::UnknownToken => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "give a token of http.tokens, or of http.oidc_issuer, as `authorization: Bearer …`".to_owned(),
            ),
            Self::Over => {
                let text = "this session is over: open a page of the console, which leads to the issuer again";
                (StatusCode::UNAUTHORIZED, "unauthenticated", text.to_owned())
            }
            Self::TooMany(waits) => {
                let seconds = waits.as_secs() + 1;
                let text = format!("too many wrong tokens from this address; try again in {seconds} s");
                (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", text)
            }
            Self::NotProven(word) => {
                let text = format!("{} ({word})", reason::meaning(word));
                (StatusCode::UNAUTHORIZED, "unauthenticated", text)
            }
            Self::NoRole(who) => {
                let text = format!("{who} has no role here: what the issuer says of it stands not in http.oidc_roles");
                (StatusCode::FORBIDDEN, "role", text)
            }
            Self::Away => {
                let text = "the issuer cannot be asked just now; the worker's log says why";
                (StatusCode::SERVICE_UNAVAILABLE, "issuer", text.to_owned())
            }
        }
    }

    /// Who was refused and why, where that goes on record: of tries to get in alone, for nothing else limits how many
    /// rows that makes.
    pub(in crate::console) fn on_record(&self) -> Option<(&str, String)> {
        match self {
            Self::UnknownToken => Some((NOBODY, "refused: unknown token".to_owned())),
            Self::NotProven(word) => Some((NOBODY, format!("refused: {word}"))),
            Self::NoRole(who) => Some((&**who, "refused: no role".to_owned())),
            Self::Closed | Self::Unknown | Self::Over | Self::TooMany(_) | Self::Away => None,
        }
    }
}

impl From<NotProven> for NoAccess {
    fn from(not: NotProven) -> Self {
        match not {
            NotProven::Refused(word) => Self::NotProven(word),
            NotProven::Away(what) => {
                tracing::warn!(error = what, "the issuer of operators cannot be asked");
                Self::Away
            }
            // Told when it began, and not for each who comes meanwhile.
            NotProven::NoKeys(what) => {
                tracing::debug!(error = what, "the issuer of operators cannot be asked");
                Self::Away
            }
        }
    }
}
