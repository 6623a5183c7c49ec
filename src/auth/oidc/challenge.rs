//! What a login is told apart by, and bound to the browser that began it: state, nonce, and the secret behind a PKCE challenge.

use aws_lc_rs::digest::{SHA256, digest};

/// What the nonce of each login here begins with, so that its token is known wherever it turns up.
const OF_LOGIN: &str = "login-";

/// The secrets of one login, each of 256 bits that nobody guesses.
#[derive(Clone)]
pub struct Challenge {
    /// Comes back with the browser.
    pub state: String,
    /// Comes back in the token.
    pub nonce: String,
    /// Is shown with the code alone: 43 to 128 letters and digits.
    pub verifier: String,
}

impl Challenge {
    /// Of three texts that nobody guesses.
    #[must_use]
    pub fn new([state, nonce, verifier]: [String; 3]) -> Self {
        Self { state, nonce: format!("{OF_LOGIN}{nonce}"), verifier }
    }

    /// What the issuer is told of the verifier before (RFC 7636, S256).
    pub(super) fn of_verifier(&self) -> String {
        base64url(digest(&SHA256, self.verifier.as_bytes()).as_ref())
    }
}

/// Whether a token with this nonce was made for a login of a browser here.
pub(super) fn is_of_login(nonce: &str) -> bool {
    nonce.starts_with(OF_LOGIN)
}

/// Base64 for URLs, without padding.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| (bits << 8) | usize::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Challenge, base64url};

    #[test]
    fn the_challenge_is_the_one_of_the_standard() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let challenge = Challenge { state: String::new(), nonce: String::new(), verifier };
        assert_eq!(challenge.of_verifier(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn every_length_is_written_without_padding() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xff\xfe\xff", "__7_")]
        {
            assert_eq!(base64url(bytes), text);
        }
    }
}
