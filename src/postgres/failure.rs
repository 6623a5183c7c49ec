//! Failures of PostgreSQL, sorted by what the worker does about them.

use crate::telemetry::is_mistrust;

/// What went wrong, by reaction.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot serve: wait and try again. Anything unknown is taken for this.
    #[error("PostgreSQL does not serve{}", remedy(.0))]
    Outage(#[source] sqlx::Error),
    /// No answer within the limit; whether the statement took effect is unknown.
    #[error("PostgreSQL did not answer within {0:?}")]
    Silent(std::time::Duration),
    /// Others hold what the statement needs: try again, in smaller parts.
    #[error("the records are busy")]
    Contention(#[source] sqlx::Error),
    /// Somebody else holds the member's record: try again later.
    #[error("the member's record is locked by somebody else")]
    Locked,
    /// The content can never be stored.
    #[error("PostgreSQL refuses the content")]
    Permanent(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the failure lies in the content of one of the requests, so that the batch is worth splitting.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Outage(_) | Self::Silent(_) => true,
            Self::Contention(_) | Self::Locked | Self::Permanent(_) => false,
        }
    }

    /// Whether a lock was waited for in vain: it is worth asking whose record it is.
    #[must_use]
    pub fn is_lock(&self) -> bool {
        match self {
            Self::Contention(error) => code(error) == "55P03",
            Self::Locked => true,
            Self::Outage(_) | Self::Silent(_) | Self::Permanent(_) => false,
        }
    }

    /// Whether a statement took longer than it may although no lock kept it waiting: if that happens to a request that
    /// is alone, it is no fault of the request.
    #[must_use]
    pub fn is_slowness(&self) -> bool {
        match self {
            Self::Contention(error) => code(error) == "57014",
            Self::Outage(_) | Self::Silent(_) | Self::Locked | Self::Permanent(_) => false,
        }
    }
}

/// What to do where waiting does not help: its certificate is not taken.
pub(super) fn remedy(error: &sqlx::Error) -> &'static str {
    if is_mistrust(error) {
        "; it is not trusted: its certificate must name the host of database.url and come from an authority in the file that \
         sslrootcert names there"
    } else {
        ""
    }
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned()
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) {
            // A record that this version cannot read is the trouble of the requests that meet it.
            return Self::Permanent(error);
        }
        let code = code(&error);
        match (code.as_str(), code.get(..2).unwrap_or_default()) {
            // lock_not_available, query_canceled (statement time-out), deadlock_detected, serialization_failure
            ("55P03" | "57014" | "40P01" | "40001", _) => Self::Contention(error),
            // data exception, integrity constraint violation, program limit exceeded
            (_, "22" | "23" | "54") => Self::Permanent(error),
            _ => Self::Outage(error),
        }
    }
}
