//! The token endpoint's answer: brought into the standard's form, and what it gave. It sends nothing.

use std::fmt;

use oauth2::basic::BasicTokenType;
use oauth2::{ExtraTokenFields, StandardTokenResponse, TokenResponse};
use serde_json::{Map, Value};

use crate::domain::account::Tokens;
use crate::domain::clock::Timestamp;
use crate::domain::secret::Secret;

/// What the token endpoint gave.
pub struct Granted {
    /// The tokens.
    pub tokens: Tokens,
    /// The scopes that were given; `None` when the answer does not name them (then they are those that were asked).
    pub scopes: Option<Vec<String>>,
    /// Every other field of the answer (Discord: `guild`). It may hold secrets: never log it.
    pub extra: Map<String, Value>,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted").field("tokens", &self.tokens).field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

/// The crate's type of a token answer.
pub(super) type VendorToken = StandardTokenResponse<Extra, BasicTokenType>;

/// The fields of a token answer that the standard does not name.
#[derive(serde::Deserialize, serde::Serialize)]
#[serde(transparent)]
pub(super) struct Extra(Map<String, Value>);

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

impl ExtraTokenFields for Extra {}

/// A token answer as the standard has it: `token_type` there (Meta leaves it out), `expires_in` a number (it comes as a
/// string or a float too), `scope` one string, nothing empty or null. `None` when there is no access token in it.
pub(super) fn standard(json: Value) -> Option<Value> {
    let Value::Object(mut fields) = json else { return None };
    fields.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
    fields.get("access_token")?.as_str()?;
    if !fields.get("token_type").is_some_and(Value::is_string) {
        fields.insert("token_type".into(), "bearer".into());
    }
    if let Some(expires) = fields.remove("expires_in") {
        let text = expires.as_str().map_or_else(|| expires.to_string(), str::to_owned);
        // Unknown is unknown, never "now".
        if let Some(seconds) = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0) {
            fields.insert("expires_in".into(), (seconds as u64).into());
        }
    }
    if let Some(scope) = fields.remove("scope") {
        let scopes: Vec<&str> = match &scope {
            Value::String(scopes) => scopes.split([' ', ',']).filter(|scope| !scope.is_empty()).collect(),
            Value::Array(scopes) => scopes.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        fields.insert("scope".into(), scopes.join(" ").into());
    }
    if !fields.get("refresh_token").is_some_and(Value::is_string) {
        fields.remove("refresh_token");
    }
    Some(Value::Object(fields))
}

/// What the answer gave.
pub(super) fn granted(answer: &VendorToken, now: Timestamp) -> Granted {
    Granted {
        tokens: Tokens {
            access: Secret::new(answer.access_token().secret()),
            refresh: answer.refresh_token().map(|token| Secret::new(token.secret())),
            extra: None,
            expires_at: answer.expires_in().and_then(|left| now.checked_add(left).ok()),
            refresh_expires_at: None,
        },
        scopes: answer.scopes().map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect()),
        extra: answer.extra_fields().0.clone(),
    }
}
