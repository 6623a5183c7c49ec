//! An authenticator whose keys are read at a test's word, and tokens that are valid whenever the test runs.

use std::sync::Arc;

use serde_json::json;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, mpsc};

use super::{WORKER, bearing, config, request};
use crate::auth::key_source::KeySource;
use crate::auth::keys::Keys;
use crate::auth::mint::{Algorithm, DevelopmentKeys};
use crate::auth::{Authentication, Authenticator};

/// An authenticator whose keys are read when the test says so: a cool-down lasts until [`Reader::cool_down`].
pub(super) struct Reader {
    pub(super) authenticator: Authenticator,
    finished: mpsc::UnboundedReceiver<()>,
    rest: Arc<Semaphore>,
}

impl Reader {
    pub(super) fn new(jwks: &str) -> Self {
        let source = KeySource::new(jwks).unwrap();
        let keys = Keys::empty(&source);
        let authenticator = Authenticator::new(&config(), WORKER, Some(Arc::clone(&keys))).unwrap();
        let (tell, finished) = mpsc::unbounded_channel();
        let rest = Arc::new(Semaphore::new(0));
        let granted = Arc::clone(&rest);
        tokio::spawn(keys.keep_fresh(source, move || {
            tell.send(()).unwrap_or_default();
            let granted = Arc::clone(&granted);
            async move { granted.acquire().await.unwrap().forget() }
        }));
        Self { authenticator, finished, rest }
    }

    /// Waits until the next read is over, well or not.
    pub(super) async fn read(&mut self) {
        self.finished.recv().await.unwrap();
    }

    pub(super) fn cool_down(&self) {
        self.rest.add_permits(1);
    }

    /// What a request comes to that arrives now.
    pub(super) fn outcome(&self, token: &str) -> Authentication {
        self.outcome_at(token, OffsetDateTime::now_utc())
    }

    pub(super) fn outcome_at(&self, token: &str, arrived: OffsetDateTime) -> Authentication {
        let incoming = crate::wire::Incoming { taken_at: Some(arrived), ..bearing(token) };
        self.authenticator.authenticate(&incoming, &request(), arrived)
    }
}

/// When a request came that has certainly come by now, whoever's clock it was dated by, and a moment ago had not.
pub(super) fn surely_here_by_now() -> OffsetDateTime {
    OffsetDateTime::now_utc() - config().leeway
}

/// Valid whatever the clock says: these tests run by the real one.
pub(super) fn token_by(keys: &DevelopmentKeys) -> String {
    let claims = super::claims_but("exp", Some(json!(1e300)));
    keys.sign(&claims, Algorithm::EdDsa, Some(keys.kid(Algorithm::EdDsa))).unwrap()
}

pub(super) fn set_of(keys: &DevelopmentKeys) -> String {
    serde_json::to_string(&keys.public()).unwrap()
}

pub(super) fn is_proven(outcome: &Authentication) -> bool {
    matches!(outcome, Authentication::Proven(_))
}
