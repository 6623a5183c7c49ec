//! The console as a client of the issuer: where it sends browsers, and how it redeems what they bring back. Separate, because
//! here a secret leaves the process.

use reqwest::{StatusCode, Url, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{Challenge, IdToken, NotProven, reason};
use crate::auth::claims::Object;
use crate::auth::key_source::{content, failed};
use crate::config::Http;
use crate::telemetry::chain;

/// Where the issuer sends browsers back to, below `http.public_url`.
const BACK: &str = "/login/oidc/callback";
/// The same for those who have logged out there.
const OUT: &str = "/login";
/// Longest code of a server that means well.
const LONGEST_CODE: usize = 4096;

/// Who the console is at the issuer.
pub(in crate::auth) struct Client {
    id: String,
    secret: SecretString,
    scopes: String,
    back: String,
    out: String,
}

#[derive(Deserialize)]
struct Redeemed {
    id_token: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Client {
    /// `None` where browsers do not log in.
    pub(in crate::auth) fn new(http: &Http) -> Option<Self> {
        let console = http.public_url.trim_end_matches('/');
        (!http.oidc_client_id.is_empty()).then(|| Self {
            id: http.oidc_client_id.clone(),
            secret: http.oidc_client_secret.clone(),
            scopes: http.oidc_scopes.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
            back: format!("{console}{BACK}"),
            out: format!("{console}{OUT}"),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Where a browser goes, with all that the issuer has to know.
    pub(in crate::auth) fn login_at(&self, mut place: Url, challenge: &Challenge) -> String {
        let of_verifier = challenge.of_verifier();
        place.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", self.back.as_str()),
            ("scope", self.scopes.as_str()),
            ("state", challenge.state.as_str()),
            ("nonce", challenge.nonce.as_str()),
            ("code_challenge", of_verifier.as_str()),
            ("code_challenge_method", "S256"),
        ]);
        place.into()
    }

    /// Where a browser goes to log out (OpenID Connect RP-Initiated Logout 1.0). By its ID token the issuer knows whose
    /// session that is; without one it must ask, and some send nobody back then.
    pub(in crate::auth) fn logout_at(&self, mut place: Url, id_token: Option<&IdToken>) -> String {
        let hint = id_token.map(|token| ("id_token_hint", token.as_str()));
        let others = [("client_id", self.id.as_str()), ("post_logout_redirect_uri", self.out.as_str())];
        place.query_pairs_mut().extend_pairs(hint.into_iter().chain(others));
        place.into()
    }

    /// The ID token for a code. Neither of them, nor the secret, is told to anybody else: errors hold words of ours alone.
    pub(super) async fn redeem(
        &self,
        http: &reqwest::Client,
        place: &Url,
        code: &str,
        verifier: &str,
    ) -> Result<String, NotProven> {
        if code.len() > LONGEST_CODE {
            return Err(NotProven::Refused(reason::CODE_REFUSED));
        }
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.back.as_str()),
            ("code_verifier", verifier),
        ];
        let secret = self.secret.expose_secret();
        if secret.is_empty() {
            fields.push(("client_id", self.id.as_str()));
        }
        let mut request = http
            .post(place.clone())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(place, &fields));
        if !secret.is_empty() {
            // Encoded before it is put together, or a colon in one would end it (RFC 6749, 2.3.1).
            request = request.basic_auth(encoded(place, &self.id), Some(encoded(place, secret)));
        }
        let away = |what: String| NotProven::Away(format!("its token endpoint: {what}"));
        let answer = request.send().await.map_err(|error| away(chain(&failed(error))))?;
        let status = answer.status();
        let json = content(answer).await.map_err(|error| away(chain(&error)))?;
        if status == StatusCode::OK {
            let redeemed: Result<Object<Redeemed>, _> = serde_json::from_slice(&json);
            return redeemed
                .map(|Object(redeemed)| redeemed.id_token)
                .map_err(|_| away("there is no id_token".to_owned()));
        }
        let refusal: Result<Object<Refusal>, _> = serde_json::from_slice(&json);
        let word = refusal.ok().map(|Object(refusal)| refusal.error).filter(|word| is_word(word)).unwrap_or_default();
        if word == "invalid_grant" {
            return Err(NotProven::Refused(reason::CODE_REFUSED));
        }
        Err(away(format!("it answers {status} {word}; are http.oidc_client_id and http.oidc_client_secret right?")))
    }
}

/// What may stand in a log of what somebody else calls an error.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Fields as a form has them. Any URL will do to write them in.
fn form(scratch: &Url, fields: &[(&str, &str)]) -> String {
    let mut scratch = scratch.clone();
    scratch.query_pairs_mut().clear().extend_pairs(fields);
    scratch.query().unwrap_or_default().to_owned()
}

fn encoded(scratch: &Url, text: &str) -> String {
    form(scratch, &[("", text)]).trim_start_matches('=').to_owned()
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::{encoded, form, is_word};

    #[test]
    fn forms_are_written_whatever_the_place_has_for_a_query() {
        let place = Url::parse("https://h/token?tenant=a").unwrap();
        assert_eq!(form(&place, &[("a", "b c"), ("d", "&=")]), "a=b+c&d=%26%3D");
        assert_eq!(encoded(&place, "=a:b c%"), "%3Da%3Ab+c%25");
    }

    #[test]
    fn only_words_of_the_standard_stand_in_a_log() {
        assert!(is_word("invalid_client"));
        for other in ["", "Invalid", "a b", "eyJ\u{7f}", &"a".repeat(65)] {
            assert!(!is_word(other), "{other}");
        }
    }
}
