//! The JSON Web Tokens of sessions and services: made, read and checked. Signed with HMAC by one secret of the whole
//! emulated network (real servers sign service tokens with the account's own key; nobody but the services looks). It
//! knows no account.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// The scope of a session with the main password.
pub(super) const ACCESS: &str = "com.atproto.access";
/// The scope of a session with an app password.
pub(super) const APP_PASS: &str = "com.atproto.appPass";
/// The scope of a refresh token.
pub(super) const REFRESH: &str = "com.atproto.refresh";

/// Signs and checks.
#[derive(Clone)]
pub(super) struct Signer([u8; 32]);

/// Why a token is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// No token, or not one of ours.
    Invalid,
    /// Over.
    Expired,
}

impl Signer {
    pub(super) fn new() -> Self {
        Self(rand::random())
    }

    fn signature(&self, signed: &str) -> Vec<u8> {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return Vec::new() };
        mac.update(signed.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    /// A signed token; `kind` is the header's `typ`.
    pub(super) fn sign(&self, kind: &str, payload: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "typ": kind, "alg": "HS256" })), part(payload));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.signature(&signed)))
    }

    /// The payload of a good token; `now` in Unix ms against its `exp` in seconds.
    pub(super) fn read(&self, token: &str, now: i64) -> Result<Value, Bad> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Bad::Invalid)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Bad::Invalid)?;
        if signature != self.signature(signed) {
            return Err(Bad::Invalid);
        }
        let (_, payload) = signed.split_once('.').ok_or(Bad::Invalid)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Bad::Invalid)?;
        let payload: Value = serde_json::from_slice(&payload).map_err(|_| Bad::Invalid)?;
        if payload["exp"].as_i64().is_some_and(|until| now / 1000 < until) { Ok(payload) } else { Err(Bad::Expired) }
    }
}
