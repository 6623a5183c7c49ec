//! Operators, as an issuer of OpenID Connect names them: by a token that a script brings, or by a login in a browser.
//!
//! Separate from callers, although signatures are verified by the same lines: an operator has no site and joins nobody.

mod challenge;
mod claims;
pub(super) mod discovery;
mod exchange;
mod id_token;
pub mod reason;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use self::challenge::Challenge;
use self::claims::Claims;
use self::discovery::Discovery;
pub(super) use self::exchange::Client;
pub use self::id_token::IdToken;
use super::key_source::KeySource;
use super::keys::Keys;
use super::signed::{Unsigned, signed};
use super::{AuthSetupError, refusal};
use crate::config;

/// Longest token that is looked into: one that lists groups is longer than a session token.
const LONGEST: usize = 16 * 1024;
/// How long a call waits for keys that are not known yet.
const PATIENCE: Duration = Duration::from_secs(3);
/// Calls that wait for them at a time. Anybody can name a key that nobody has, and who waits takes up the room of others.
const WAITING: usize = 2;

/// An issuer whose word counts for operators.
pub struct Provider {
    discovery: Arc<Discovery>,
    keys: Arc<Keys>,
    /// Whom a token must be for that a script brings.
    audiences: Vec<String>,
    roles_claim: String,
    leeway: Duration,
    cooldown: Duration,
    /// `None`: no browser logs in there.
    client: Option<Client>,
    /// Calls that may wait for keys.
    waits: Semaphore,
}

/// Who somebody is, by the issuer's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `sub`, and whose it is. Of all that a token may hold, this alone is kept of a person.
    pub who: String,
    /// What the claim of roles holds.
    pub held: Vec<String>,
    /// How long the token is still good.
    pub lasts: Duration,
}

/// Why nobody is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotProven {
    /// What was shown does not do. The word is one of [`reason`] or of [`refusal`].
    Refused(&'static str),
    /// The issuer cannot be asked, or does not answer as it should: what is wrong with it, for the log.
    Away(String),
    /// The same for want of its document or its keys: the log tells of that by itself, once.
    NoKeys(String),
}

impl Provider {
    /// Sets it up, if one is configured. Within a runtime: its keys are read in the background until `stop`; that they
    /// cannot be read is no error.
    ///
    /// # Errors
    /// If the configuration cannot be used.
    pub fn start(
        http: &config::Http,
        auth: &config::Auth,
        stop: CancellationToken,
    ) -> Result<Option<Self>, AuthSetupError> {
        if http.oidc_issuer.is_empty() {
            return Ok(None);
        }
        let discovery = Arc::new(Discovery::new(&http.oidc_issuer)?);
        let source = KeySource::Issuer(Arc::clone(&discovery));
        let keys = Keys::empty(&source);
        let provider = Self::new(http, auth, discovery, Arc::clone(&keys));
        keys.spawn(source, auth.jwks_cooldown, stop);
        Ok(Some(provider))
    }

    /// The issuer's name.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.discovery.issuer()
    }

    /// Whether browsers log in there.
    #[must_use]
    pub const fn logs_in(&self) -> bool {
        self.client.is_some()
    }

    /// What is wrong with it, if anything is: its document or its keys cannot be read. Without secrets.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.keys.trouble()
    }

    /// Where a browser goes to log in.
    ///
    /// # Errors
    /// If the issuer has not told yet, or has no such place.
    pub fn login_at(&self, challenge: &Challenge) -> Result<String, NotProven> {
        let offers = self.discovery.offers();
        let place = offers.and_then(|offers| offers.authorization.clone());
        let (Some(client), Some(place)) = (&self.client, place) else {
            return Err(self.has_no("authorization_endpoint"));
        };
        Ok(client.login_at(place, challenge))
    }

    /// Where a browser goes to end a login that began with this token. `None` if the issuer has no such place.
    #[must_use]
    pub fn logout_at(&self, id_token: Option<&IdToken>) -> Option<String> {
        let place = self.discovery.offers().and_then(|offers| offers.end_session.clone())?;
        Some(self.client.as_ref()?.logout_at(place, id_token))
    }

    /// Who logged in, by the code that the browser brought back, and what that login is ended by. The code is spent.
    ///
    /// # Errors
    /// If the issuer does not take the code, or its token is not for this login.
    pub async fn redeem(&self, code: &str, challenge: &Challenge) -> Result<(Identity, Option<IdToken>), NotProven> {
        let offers = self.discovery.offers();
        let place = offers.and_then(|offers| offers.token.clone());
        let (Some(client), Some(place)) = (&self.client, place) else { return Err(self.has_no("token_endpoint")) };
        let token = client.redeem(self.discovery.client(), &place, code, &challenge.verifier).await?;
        let claims = self.claims(&token).await?;
        let identity = self.judge(&claims, &[client.id()])?;
        if !claims.authorizes(client.id()) {
            return Err(NotProven::Refused(reason::TOKEN_PARTY));
        }
        let shown = claims.nonce.as_deref().unwrap_or_default();
        if verify_slices_are_equal(shown.as_bytes(), challenge.nonce.as_bytes()).is_err() {
            return Err(NotProven::Refused(reason::TOKEN_NONCE));
        }
        Ok((identity, IdToken::kept(token)))
    }

    /// Whom a token names that a script brings.
    ///
    /// # Errors
    /// If it names nobody.
    pub async fn prove(&self, token: &str) -> Result<Identity, NotProven> {
        let claims = self.claims(token).await?;
        let audiences: Vec<&str> = self.audiences.iter().map(String::as_str).collect();
        let identity = self.judge(&claims, &audiences)?;
        // A browser's token goes back to the issuer in an address, and addresses are kept in many places.
        if claims.nonce.as_deref().is_some_and(challenge::is_of_login) {
            return Err(NotProven::Refused(reason::TOKEN_NONCE));
        }
        Ok(identity)
    }

    pub(super) fn new(http: &config::Http, auth: &config::Auth, discovery: Arc<Discovery>, keys: Arc<Keys>) -> Self {
        let given = [&http.oidc_audience, &http.oidc_client_id].into_iter().filter(|audience| !audience.is_empty());
        Self {
            discovery,
            keys,
            audiences: given.cloned().collect(),
            roles_claim: http.oidc_roles_claim.clone(),
            leeway: auth.leeway,
            cooldown: auth.jwks_cooldown,
            client: Client::new(http),
            waits: Semaphore::new(WAITING),
        }
    }

    /// The claims of a token that the issuer has signed. For a key that is not known the keys are read once more, unless
    /// that was just done.
    async fn claims(&self, token: &str) -> Result<Claims, NotProven> {
        if token.len() > LONGEST {
            return Err(NotProven::Refused(refusal::TOKEN_MALFORMED));
        }
        let shown = OffsetDateTime::now_utc();
        match signed(token, &self.keys) {
            Ok(claims) => return Ok(claims),
            Err(Unsigned::Refused(reason)) => return Err(NotProven::Refused(reason)),
            Err(Unsigned::Lacking { reason, as_of }) if shown - as_of < self.cooldown => {
                return Err(NotProven::Refused(reason));
            }
            Err(Unsigned::Lacking { .. } | Unsigned::NoSet) => self.keys.ask(),
        }
        let Ok(_wait) = self.waits.try_acquire() else {
            return Err(NotProven::NoKeys("others wait for its keys already".to_owned()));
        };
        drop(tokio::time::timeout(PATIENCE, self.keys.read_since(shown)).await);
        signed(token, &self.keys).map_err(|unsigned| match unsigned {
            Unsigned::Refused(reason) => NotProven::Refused(reason),
            Unsigned::Lacking { reason, as_of } if as_of >= shown => NotProven::Refused(reason),
            Unsigned::Lacking { .. } => NotProven::NoKeys("keys cannot be read anew".to_owned()),
            Unsigned::NoSet => NotProven::NoKeys(self.keys.missing().unwrap_or_default()),
        })
    }

    /// Holds true claims against the configuration and the clock.
    fn judge(&self, claims: &Claims, audiences: &[&str]) -> Result<Identity, NotProven> {
        let now = OffsetDateTime::now_utc();
        if claims.issuer != self.issuer() {
            return Err(NotProven::Refused(refusal::TOKEN_ISSUER));
        }
        if !audiences.iter().any(|audience| claims.audience.holds(audience)) {
            return Err(NotProven::Refused(refusal::TOKEN_AUDIENCE));
        }
        if claims.is_premature(now, self.leeway) {
            return Err(NotProven::Refused(refusal::TOKEN_NOT_YET_VALID));
        }
        if claims.has_expired(now, self.leeway) {
            return Err(NotProven::Refused(reason::TOKEN_EXPIRED));
        }
        let subject = claims.subject().ok_or(NotProven::Refused(refusal::TOKEN_CLAIMS))?;
        Ok(Identity {
            // No token of the configuration has a name with spaces, so none can be taken for somebody of the issuer.
            who: format!("{subject} of {}", self.issuer()),
            held: claims.held(&self.roles_claim),
            lasts: claims.left(now, self.leeway),
        })
    }

    /// It has not told yet, which is asked for, or it never will.
    fn has_no(&self, endpoint: &str) -> NotProven {
        self.keys.ask();
        match self.keys.missing() {
            Some(missing) => NotProven::NoKeys(missing),
            None => NotProven::Away(format!("its document names no {endpoint}")),
        }
    }
}
