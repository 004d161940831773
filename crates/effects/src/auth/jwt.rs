//! What of JSON web tokens is needed: a client's assertion, and whose a token is.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value as Json, json};
use tessera_workflow::machine::Error;

use crate::fault;

/// Seconds that an assertion holds: just long enough for the request that it goes with.
const HOLDS_S: u64 = 60;

/// An assertion that a client knows its secret (RFC 7523, HS256).
pub(super) fn assertion(client: &str, secret: &str, audience: &str) -> Result<String, Error> {
    let now = now();
    let claims = json!({
        "iss": client, "sub": client, "aud": audience,
        "jti": random()?, "iat": now, "exp": now + HOLDS_S,
    });
    let encode = |part: &Json| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(&json!({"alg": "HS256", "typ": "JWT"})), encode(&claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    Ok(format!("{signed}.{signature}"))
}

/// The claims of a token. Its signature is not looked at: it came from the authority itself.
pub(crate) fn claims(token: &str) -> Option<Json> {
    let mut parts = token.split('.');
    let claims = parts.nth(1).filter(|_| parts.next().is_some())?;
    let claims = URL_SAFE_NO_PAD.decode(claims).or_else(|_| URL_SAFE.decode(claims)).ok()?;
    serde_json::from_slice(&claims).ok()
}

/// Seconds until a token says that it ends.
pub(super) fn seconds_left(token: &str) -> Option<u64> {
    claims(token)?.get("exp")?.as_u64().map(|end| end.saturating_sub(now()))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Something that nobody can guess.
pub(crate) fn random() -> Result<String, Error> {
    let mut bytes = [0; 24];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| fault::runtime("the system gives no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_says_who_to_whom_and_for_how_long() {
        let token = assertion("me", "a secret", "https://a/token").unwrap();
        let claims = claims(&token).unwrap();
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!("me"), &json!("https://a/token")));
        assert!(seconds_left(&token).unwrap() <= HOLDS_S);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a secret");
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        hmac::verify(&key, signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn what_is_no_token_has_no_claims() {
        for text in ["", "a", "a.b", "a.b.c", "..", "a.e30", "a.!!.c"] {
            assert_eq!(claims(text), None, "{text}");
        }
    }
}
