//! The discovery document of an issuer: read with every read of its keys, believed only as far as it names the issuer that
//! is configured, and places that nobody reads along with.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use reqwest::{Client, Url};
use serde::Deserialize;

use crate::auth::AuthSetupError;
use crate::auth::claims::Object;
use crate::auth::key_source::{self, KeyReadError};
use crate::config::is_sheltered;

/// Where it lies, below the issuer.
const PLACE: &str = "/.well-known/openid-configuration";

/// An issuer, and the newest of what it has told.
pub(in crate::auth) struct Discovery {
    client: Client,
    issuer: String,
    document: Url,
    offers: ArcSwapOption<Offers>,
}

/// What an issuer offers to browsers.
pub(in crate::auth) struct Offers {
    pub(in crate::auth) authorization: Option<Url>,
    pub(in crate::auth) token: Option<Url>,
    pub(in crate::auth) end_session: Option<Url>,
    /// Whether it says that it knows PKCE by S256.
    pub(in crate::auth) binds_codes: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    code_challenge_methods_supported: Option<Vec<String>>,
}

impl Discovery {
    pub(in crate::auth) fn new(issuer: &str) -> Result<Self, AuthSetupError> {
        let rule = "https://, or http:// on the loopback";
        let refused = || AuthSetupError::setting("http.oidc_issuer", "…", rule);
        let document: Url = format!("{}{PLACE}", issuer.trim_end_matches('/')).parse().map_err(|_| refused())?;
        if !is_sheltered(&document) {
            return Err(refused());
        }
        Ok(Self { client: key_source::client()?, issuer: issuer.to_owned(), document, offers: ArcSwapOption::empty() })
    }

    pub(in crate::auth) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where the document lies.
    pub(in crate::auth) const fn document(&self) -> &Url {
        &self.document
    }

    pub(in crate::auth) const fn client(&self) -> &Client {
        &self.client
    }

    /// The newest that was read.
    pub(in crate::auth) fn offers(&self) -> Option<Arc<Offers>> {
        self.offers.load_full()
    }

    /// Reads the document, and then the keys that it leads to.
    pub(in crate::auth) async fn keys(&self) -> Result<Vec<u8>, KeyReadError> {
        let read = key_source::fetch(&self.client, self.document.clone()).await;
        let json = read.map_err(|error| KeyReadError::NoDiscovery(Box::new(error)))?;
        let (keys, offers) = parse(&json, &self.issuer)?;
        self.offers.store(Some(Arc::new(offers)));
        key_source::fetch(&self.client, keys).await
    }
}

/// Where the keys are, and what is offered.
pub(in crate::auth) fn parse(json: &[u8], issuer: &str) -> Result<(Url, Offers), KeyReadError> {
    let no_document = "is no JSON object with the texts `issuer` and `jwks_uri`";
    let Object(document): Object<Document> =
        serde_json::from_slice(json).map_err(|_| KeyReadError::Discovery(no_document))?;
    // To the letter, as the standard says: else one issuer could speak for another.
    if document.issuer != issuer {
        return Err(KeyReadError::Discovery("names another `issuer` than http.oidc_issuer, to the letter"));
    }
    let no_tls = "has a `jwks_uri` without https:// (only an issuer on the loopback needs none)";
    let is_here = Url::parse(issuer).is_ok_and(|issuer| issuer.scheme() == "http");
    let place = |text: &str| place(text, is_here);
    let keys = place(&document.jwks_uri).ok_or(KeyReadError::Discovery(no_tls))?;
    let methods = document.code_challenge_methods_supported.unwrap_or_default();
    let offers = Offers {
        authorization: document.authorization_endpoint.as_deref().and_then(place),
        token: document.token_endpoint.as_deref().and_then(place),
        end_session: document.end_session_endpoint.as_deref().and_then(place),
        binds_codes: methods.iter().any(|method| method == "S256"),
    };
    Ok((keys, offers))
}

/// A place that secrets may be sent to, or keys believed from. An issuer elsewhere does not lead to what listens on this
/// machine without TLS: it would have us ask, and believe, somebody else.
fn place(text: &str, is_here: bool) -> Option<Url> {
    Url::parse(text).ok().filter(|url| is_sheltered(url) && (is_here || url.scheme() == "https"))
}
