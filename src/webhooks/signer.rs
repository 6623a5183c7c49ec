//! Signs what receivers are told, once for all tries.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::ExposeSecret as _;
use time::OffsetDateTime;
use uuid::Uuid;

use super::SetupError;
use crate::config;
use crate::domain::SiteId;
use crate::wire::webhook::{Claims, data};

/// How long a webhook is good beside its waits: it may lie in its target's queue, too.
const MARGIN: Duration = Duration::from_hours(24);

/// How long a webhook with these waits is good.
pub(super) fn good_for(ladder: &[Duration]) -> Duration {
    ladder.iter().sum::<Duration>() + MARGIN
}

/// When receivers refuse what was signed then, seconds since 1970.
pub(super) fn expiry(signed: OffsetDateTime, good_for: Duration) -> i64 {
    signed.unix_timestamp().saturating_add(i64::try_from(good_for.as_secs()).unwrap_or(i64::MAX))
}

/// The key, and what is the same in every webhook.
pub struct Signer {
    key: EncodingKey,
    account: Option<Uuid>,
    good_for: Duration,
}

impl Signer {
    /// Reads the key, and tries it out.
    ///
    /// # Errors
    /// If it cannot sign.
    pub fn new(webhooks: &config::Webhooks) -> Result<Self, SetupError> {
        let pem = webhooks.key.expose_secret();
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| SetupError::Key)?;
        let account = Uuid::try_parse(&webhooks.account_id).ok();
        // Receivers refuse what has expired, and the last try sends the bytes of the first.
        let signer = Self { key, account, good_for: good_for(&webhooks.ladder) };
        let site = SiteId(Uuid::nil());
        signer.sign("{}", site, None, OffsetDateTime::UNIX_EPOCH).map_err(|_| SetupError::Key)?;
        Ok(signer)
    }

    /// The body of a webhook. Takes about a millisecond of a processor.
    ///
    /// # Errors
    /// If the key does not sign any more: a fault of ours.
    pub fn sign(
        &self,
        event: &str,
        site: SiteId,
        identity: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let (iat, exp) = (now.unix_timestamp(), expiry(now, self.good_for));
        let claims = Claims { data: data(event, site, identity, self.account), iat, exp };
        encode(&Header::new(Algorithm::RS256), &claims, &self.key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
    use secrecy::SecretString;
    use serde_json::Value;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::{SetupError, Signer};
    use crate::config::Webhooks;
    use crate::domain::SiteId;

    fn webhooks(key: &str) -> Webhooks {
        Webhooks {
            targets: Vec::new(),
            key: SecretString::from(key),
            account_id: String::new(),
            timeout: Duration::from_secs(1),
            concurrency: 1,
            ladder: vec![Duration::from_hours(1), Duration::from_hours(12)],
        }
    }

    #[test]
    fn what_is_signed_is_verified_by_the_public_half_and_outlives_the_ladder() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref().to_vec()));
        let signer = Signer::new(&webhooks(&pem)).unwrap();
        let now = OffsetDateTime::now_utc();
        let [first, second] = [(); 2].map(|()| signer.sign("{}", SiteId(Uuid::nil()), None, now).unwrap());
        assert_eq!(first, second, "the same in the same bytes");
        assert_eq!(decode_header(&first).unwrap().alg, Algorithm::RS256);
        let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        let claims: Value = decode(&first, &public, &Validation::new(Algorithm::RS256)).unwrap().claims;
        let seconds = |claim: &str| claims[claim].as_i64().unwrap();
        assert_eq!(seconds("iat"), now.unix_timestamp());
        assert_eq!(seconds("exp") - seconds("iat"), (13 + 24) * 3600);
        assert!(claims["data"].is_string());
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_quoted() {
        let broken = "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----";
        for wrong in ["", "aHVudGVyMg==", broken] {
            let Err(error) = Signer::new(&webhooks(wrong)) else { panic!("{wrong} is taken for a key") };
            assert!(matches!(error, SetupError::Key) && !format!("{error} {error:?}").contains("aHVudGVyMg"));
        }
    }
}
