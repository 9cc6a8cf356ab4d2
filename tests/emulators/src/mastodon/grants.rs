//! Who may do what at an instance: registered apps, authorization codes, tokens and their scopes, as Doorkeeper and
//! `Api::BaseController` rule. Time comes from the caller; it knows no HTTP beyond the status number of a refusal.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::distr::{Alphanumeric, SampleString as _};
use sha2::{Digest as _, Sha256};

use super::Refusal;
use super::state::{App, Asked, Code, Exchange, MINUTE_MS, State, Token, User, UserState};

/// Doorkeeper's `authorization_code_expires_in`: 10 minutes.
const CODE_TTL_MS: i64 = 10 * MINUTE_MS;

/// Doorkeeper's `doorkeeper.en.yml`.
pub(super) const INVALID_CLIENT: &str = "Client authentication failed due to unknown client, no client authentication included, or unsupported authentication method.";
pub(super) const INVALID_GRANT: &str = "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client.";

/// What an instance can grant, from `config/initializers/doorkeeper.rb`; `profile` came with 4.3.
const SCOPES: &[&str] = &["read", "write", "follow", "push", "profile", "admin:read", "admin:write"];

fn known_scope(scope: &str, modern: bool) -> bool {
    let root = scope.split(':').next().unwrap_or_default();
    SCOPES.contains(&scope) && (modern || scope != "profile")
        || matches!(root, "read" | "write" | "admin") && scope.contains(':')
}

/// Whether these granted scopes allow `wanted`: a scope covers its parts (`write` covers `write:media`).
pub(super) fn covers(granted: &[String], wanted: &str) -> bool {
    granted
        .iter()
        .any(|have| have == wanted || wanted.strip_prefix(have.as_str()).is_some_and(|rest| rest.starts_with(':')))
}

fn secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 43)
}

impl State {
    /// Registers an app (methods/apps).
    pub(super) fn register(
        &mut self,
        name: &str,
        redirect_uris: &[String],
        scopes: &str,
        website: Option<String>,
    ) -> Result<App, Refusal> {
        let refuse = |what: &str| Refusal::new(422, format!("Validation failed: {what}")).violating(what);
        if name.trim().is_empty() {
            return Err(refuse("Application name can't be blank"));
        }
        let absolute = |uri: &String| {
            uri == "urn:ietf:wg:oauth:2.0:oob" || url::Url::parse(uri).is_ok_and(|uri| uri.fragment().is_none())
        };
        if redirect_uris.is_empty() || !redirect_uris.iter().all(absolute) {
            return Err(refuse("Redirect URI must be an absolute URI."));
        }
        let scopes: Vec<String> = scopes.split_whitespace().map(str::to_owned).collect();
        if !scopes.iter().all(|scope| known_scope(scope, self.options.modern())) {
            return Err(refuse("Scopes doesn't match configured on the server."));
        }
        let app = App {
            id: self.next_id("app"),
            name: name.to_owned(),
            website,
            redirect_uris: redirect_uris.to_vec(),
            scopes,
            client_id: secret(),
            client_secret: secret(),
        };
        self.apps.push(app.clone());
        Ok(app)
    }

    pub(super) fn purge_unused_apps(&mut self) {
        let used: Vec<&String> = self.tokens.values().map(|token| &token.client_id).collect();
        self.apps.retain(|app| used.contains(&&app.client_id));
    }

    pub(super) fn delete_apps(&mut self) {
        self.apps.clear();
        self.codes.clear();
        self.tokens.clear();
    }

    pub(super) fn app(&self, client_id: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.client_id == client_id)
    }

    fn authenticated_app(&self, client_id: &str, client_secret: &str) -> Result<&App, Refusal> {
        let app = self.app(client_id).filter(|app| app.client_secret == client_secret);
        app.ok_or_else(|| Refusal::oauth(401, "invalid_client", INVALID_CLIENT))
    }

    // --- codes and tokens ---

    /// The user agrees: a code for the client.
    pub(super) fn grant(&mut self, asked: Asked, user: &str, now: i64) -> String {
        let code = secret();
        let Asked { client_id, redirect_uri, scopes, challenge } = asked;
        let user = user.to_owned();
        self.codes.insert(
            code.clone(),
            Code { client_id, redirect_uri, scopes, user, challenge, created_ms: now, used: false },
        );
        code
    }

    /// Code to token (methods/oauth). A code works once, for 10 minutes, for its client and exact redirect address.
    pub(super) fn exchange(&mut self, ask: &Exchange, now: i64) -> Result<(String, Token), Refusal> {
        let client_id = self.authenticated_app(&ask.client_id, &ask.client_secret)?.client_id.clone();
        let invalid = || Refusal::oauth(400, "invalid_grant", INVALID_GRANT);
        let code = self.codes.get_mut(&ask.code).ok_or_else(invalid)?;
        if code.client_id != client_id {
            return Err(invalid().violating("a code of another client"));
        }
        if code.used {
            return Err(invalid().violating("a code used twice"));
        }
        if code.redirect_uri != ask.redirect_uri {
            return Err(invalid().violating("redirect_uri differs from the one at authorize"));
        }
        if now >= code.created_ms + CODE_TTL_MS {
            return Err(invalid());
        }
        if let Some(challenge) = &code.challenge {
            let missing = || {
                Refusal::oauth(400, "invalid_request", "Missing required parameter: code_verifier.")
                    .violating("no code_verifier")
            };
            let verifier = ask.verifier.as_deref().filter(|verifier| !verifier.is_empty()).ok_or_else(missing)?;
            if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != *challenge {
                return Err(invalid().violating("code_verifier does not match code_challenge"));
            }
        }
        code.used = true;
        let (user, scopes) = (Some(code.user.clone()), code.scopes.clone());
        Ok(self.issue(client_id, user, scopes, now))
    }

    /// The app's own token (`client_credentials`), which belongs to no user.
    pub(super) fn app_token(&mut self, ask: &Exchange, now: i64) -> Result<(String, Token), Refusal> {
        let app = self.authenticated_app(&ask.client_id, &ask.client_secret)?;
        let (client_id, scopes) = (app.client_id.clone(), app.scopes.clone());
        Ok(self.issue(client_id, None, scopes, now))
    }

    fn issue(&mut self, client_id: String, user: Option<String>, scopes: Vec<String>, now: i64) -> (String, Token) {
        let token = Token { client_id, user, scopes, created_ms: now, revoked: false };
        let value = secret();
        self.tokens.insert(value.clone(), token.clone());
        (value, token)
    }

    /// Revokes a token of the calling app; again is fine, a foreign or unknown one is 403 (methods/oauth).
    pub(super) fn revoke(&mut self, client_id: &str, client_secret: &str, token: &str) -> Result<(), Refusal> {
        let refused = || Refusal::oauth(403, "unauthorized_client", "You are not authorized to revoke this token");
        self.authenticated_app(client_id, client_secret).map_err(|_| refused())?;
        let token = self.tokens.get_mut(token).filter(|token| token.client_id == client_id).ok_or_else(refused)?;
        token.revoked = true;
        Ok(())
    }

    pub(super) fn revoke_tokens(&mut self, name: &str) {
        let id = self.id_of(name);
        self.tokens
            .values_mut()
            .filter(|token| id.is_some() && token.user == id)
            .for_each(|token| token.revoked = true);
    }

    pub(super) fn live_tokens(&self, name: &str) -> usize {
        let id = self.id_of(name);
        self.tokens.values().filter(|token| id.is_some() && token.user == id && !token.revoked).count()
    }

    /// The user a token belongs to, whatever its scopes.
    pub(super) fn owner(&self, bearer: &str) -> Option<String> {
        self.tokens.get(bearer)?.user.clone()
    }

    /// A token with one of these scopes.
    pub(super) fn token(&self, bearer: Option<&str>, any_of: &[&str]) -> Result<Token, Refusal> {
        let token = bearer.and_then(|bearer| self.tokens.get(bearer));
        let token = token.ok_or_else(|| Refusal::new(401, "The access token is invalid"))?;
        if token.revoked {
            return Err(Refusal::new(401, "The access token was revoked"));
        }
        if !any_of.iter().any(|scope| covers(&token.scopes, scope)) {
            return Err(Refusal::new(403, "This action is outside the authorized scopes"));
        }
        Ok(token.clone())
    }

    /// A token with one of these scopes, of a user who may act; the texts are `Api::BaseController#require_user!`.
    pub(super) fn acting(&self, bearer: Option<&str>, any_of: &[&str]) -> Result<(Token, User), Refusal> {
        let token = self.token(bearer, any_of)?;
        let user = token.user.as_deref().and_then(|id| self.user(id)).cloned();
        let user = user.ok_or_else(|| Refusal::new(422, "This method requires an authenticated user"))?;
        match user.state {
            UserState::Active => Ok((token, user)),
            UserState::Unconfirmed => Err(Refusal::new(403, "Your login is missing a confirmed e-mail address")),
            UserState::Pending => Err(Refusal::new(403, "Your login is currently pending approval")),
            UserState::Disabled | UserState::Suspended => Err(Refusal::new(403, "Your login is currently disabled")),
        }
    }
}
