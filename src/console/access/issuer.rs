//! Operators whom an issuer names: which role its word comes to, and how a browser logs in there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::{Access, Admitted, NoAccess, Operator, Way};
use crate::auth::{IdToken, Identity, Provider, reason};
use crate::config::{Http, OidcRole};

/// The issuer, and what its word is worth.
pub(super) struct Issuer {
    provider: Provider,
    roles: Vec<OidcRole>,
    /// How long its word counts in a session.
    session: Duration,
}

/// A login that was begun.
pub(in crate::console) struct Begun {
    /// Where the browser goes.
    pub(in crate::console) at: String,
    /// What it keeps meanwhile.
    pub(in crate::console) browser: String,
}

/// What a browser brings back from the issuer.
#[derive(Deserialize)]
pub(in crate::console) struct Returned {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

impl Issuer {
    pub(super) fn new(provider: Provider, http: &Http) -> Self {
        Self { provider, roles: http.oidc_roles.clone(), session: http.oidc_session }
    }

    /// Who shows one of its tokens, until that expires; in a session no longer than one lasts.
    pub(super) async fn by_token(&self, token: &str) -> Result<Admitted, NoAccess> {
        let identity = self.provider.prove(token).await?;
        let lasts = identity.lasts.min(self.session);
        Ok(Admitted::by_token(self.operator(&identity)?, lasts))
    }

    /// Where a browser ends the login that this token is of, if the issuer has such a place.
    pub(super) fn logout_at(&self, id_token: Option<&IdToken>) -> Option<String> {
        self.provider.logout_at(id_token)
    }

    /// Of several roles the highest counts.
    fn operator(&self, identity: &Identity) -> Result<Operator, NoAccess> {
        let who: Arc<str> = identity.who.as_str().into();
        let held = self.roles.iter().filter(|entry| identity.held.contains(&entry.value));
        match held.map(|entry| entry.role).max() {
            Some(role) => Ok(Operator { who, role }),
            None => Err(NoAccess::NoRole(who)),
        }
    }
}

impl Access {
    /// Where browsers log in, if they do.
    pub(in crate::console) fn logs_in_at(&self) -> Option<&str> {
        let provider = self.issuer.as_ref().map(|issuer| &issuer.provider)?;
        provider.logs_in().then(|| provider.issuer())
    }

    /// The issuer's name, if one is configured, and what is wrong with it.
    pub(in crate::console) fn issuer(&self) -> Option<(&str, Option<String>)> {
        let provider = self.issuer.as_ref().map(|issuer| &issuer.provider)?;
        Some((provider.issuer(), provider.trouble()))
    }

    /// Begins a login at the issuer. Each counts as a try: what is begun takes room.
    pub(in crate::console) fn begin_login(&self, to: &str, from: IpAddr, now: Instant) -> Result<Begun, NoAccess> {
        let issuer = self.issuer.as_ref().ok_or(NoAccess::Unknown)?;
        let (challenge, browser) = {
            let mut state = self.state();
            state.begun.allow(from, now).map_err(NoAccess::TooMany)?;
            state.begun.failed(from, now);
            state.logins.begin(to, now).ok_or(NoAccess::Away)?
        };
        let at = issuer.provider.login_at(&challenge)?;
        Ok(Begun { at, browser })
    }

    /// Forgets a session that is over, now that its browser goes to the issuer. If nothing comes of that, pages lead to the
    /// form; and of several that are opened at once only one goes there, for each would undo the login of another.
    pub(in crate::console) fn forget(&self, secret: &str, now: Instant) {
        self.state().sessions.forget(secret, now);
    }

    /// Ends a login with what the browser brings back: who it is, and the page that was asked for.
    pub(in crate::console) async fn end_login(
        &self,
        returned: &Returned,
        browser: &str,
        (from, now): (IpAddr, Instant),
    ) -> Result<(Admitted, String), NoAccess> {
        let issuer = self.issuer.as_ref().ok_or(NoAccess::Unknown)?;
        self.state().returned.allow(from, now).map_err(NoAccess::TooMany)?;
        let ended = self.redeemed(issuer, returned, browser, now).await;
        // Any page can lead a browser here without a login: that keeps nobody out.
        if ended.as_ref().err().is_some_and(|no| no.is_failure() && !no.is_of_no_login()) {
            self.state().returned.failed(from, now);
        }
        ended
    }

    /// Whether it goes on record that a login came to nothing. Without a login it does only for a browser that shows what it
    /// keeps of one, and only so often: anybody can make that up.
    pub(in crate::console) fn goes_on_record(
        &self,
        no: &NoAccess,
        browser: &str,
        (from, now): (IpAddr, Instant),
    ) -> bool {
        if !no.is_of_no_login() {
            return true;
        }
        !browser.is_empty() && self.state().strays.take(from, now)
    }

    async fn redeemed(
        &self,
        issuer: &Issuer,
        returned: &Returned,
        browser: &str,
        now: Instant,
    ) -> Result<(Admitted, String), NoAccess> {
        let state = returned.state.as_deref().unwrap_or_default();
        let login = self.state().logins.take(state, browser, now);
        let login = login.ok_or(NoAccess::NotProven(reason::LOGIN_UNKNOWN))?;
        // Whoever answers for another issuer would have its code shown to this one (RFC 9207).
        if returned.iss.as_deref().is_some_and(|named| named != issuer.provider.issuer()) {
            return Err(NoAccess::NotProven(reason::LOGIN_ISSUER));
        }
        let code = match (&returned.error, &returned.code) {
            (None, Some(code)) if !code.is_empty() => code,
            (Some(_), _) | (None, Some(_) | None) => return Err(NoAccess::NotProven(reason::LOGIN_DENIED)),
        };
        let (identity, id_token) = issuer.provider.redeem(code, &login.challenge).await?;
        // However briefly the token lasts: it proved who logs in, and proves nobody again.
        let lasts = issuer.session;
        Ok((Admitted { operator: issuer.operator(&identity)?, lasts, way: Way::Issuer(id_token) }, login.to))
    }
}
