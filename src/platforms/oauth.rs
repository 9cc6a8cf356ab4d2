//! The one OAuth 2.0 client: authorize address, code exchange, refresh and revocation for every vendor that speaks it.
//! How vendors differ is data in a [`Dialect`]; what their refusals mean is decided by the platform's own `fault.rs`,
//! passed in as a [`Verdict`]. The `oauth2` crate builds the requests and reads the answers, our guarded client carries
//! them. It knows no vendor and keeps nothing.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use oauth2::basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, RevocationUrl, Scope, StandardRevocableToken, TokenUrl,
};
use serde_json::Value;
use url::Url;

use super::http::Answer;
use super::{Begun, Context};
use crate::domain::account::Tokens;
use crate::domain::clock::{Timestamp, random};
use crate::domain::fault::{Fault, Operation};
use crate::domain::secret::Secret;

mod answer;
#[cfg(test)]
mod tests;

pub use answer::Granted;
use answer::{VendorToken, granted, standard};

/// A platform's own reading of an answer that is no success.
pub type Verdict = fn(Operation, &Answer, Timestamp) -> Fault;

/// How the client proves itself at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `Authorization: Basic`, both parts form-encoded first (RFC 6749, 2.3.1).
    Basic,
    /// As fields of the form.
    Body,
}

/// How one vendor's OAuth differs from the others'.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// What people call the vendor.
    pub name: &'static str,
    /// What joins the scopes in the authorize address.
    pub scope_separator: &'static str,
    /// How the client proves itself.
    pub client_auth: ClientAuth,
    /// What the client id is called in addresses and forms: `client_id` everywhere but at TikTok.
    pub client_param: &'static str,
    /// Whether a PKCE challenge (S256) is sent.
    pub pkce: bool,
    /// Values of the callback's `error`, beside `access_denied`, that mean the person closed the page without agreeing.
    pub cancelled: &'static [&'static str],
    /// Values of `error` with which the revocation endpoint says that it does not know the token (any more).
    pub forgotten: &'static [&'static str],
}

/// Where the vendor's (or the instance's) OAuth lives.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The consent page.
    pub authorize: Url,
    /// Trades codes and refresh tokens for access tokens.
    pub token: Url,
    /// Takes tokens back (RFC 7009), where there is such an endpoint.
    pub revoke: Option<Url>,
}

/// One vendor's OAuth.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// How it differs.
    pub dialect: Dialect,
    /// Where it lives.
    pub endpoints: Endpoints,
    /// What its refusals mean.
    pub verdict: Verdict,
}

impl OAuth {
    /// The consent page's address, and the PKCE verifier to keep (empty without PKCE). `params` are added as they are.
    ///
    /// # Errors
    /// [`Fault::Misconfigured`] when our app has no id at this vendor.
    pub fn begin(
        &self,
        cx: &Context<'_>,
        state: &str,
        scopes: &[&str],
        params: &[(&str, &str)],
    ) -> Result<Begun, Fault> {
        let client = self.client(cx)?;
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.to_owned()))
            .add_scope(Scope::new(scopes.join(self.dialect.scope_separator)));
        for (name, value) in params {
            request = request.add_extra_param(*name, *value);
        }
        let mut keep = Secret::new("");
        if self.dialect.pkce {
            // 32 random bytes are 43 characters, the least that RFC 7636 (4.1) takes and more than anyone guesses.
            let verifier = data_encoding::BASE64URL_NOPAD.encode(&random::<32>(cx.entropy));
            let verifier = PkceCodeVerifier::new(verifier);
            request = request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
            keep = Secret::new(verifier.into_secret());
        }
        let (mut url, _) = request.url();
        if self.dialect.client_param != "client_id" {
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            url.query_pairs_mut().clear().extend_pairs(renamed(pairs, self.dialect.client_param));
        }
        Ok(Begun { url: Some(cx.http.link(&url)), keep })
    }

    /// Reads the callback's query and exchanges its code. `keep` is what [`OAuth::begin`] gave.
    ///
    /// # Errors
    /// [`Fault::Rejected`] when the person did not agree; else what the platform's verdict says.
    pub async fn complete(
        &self,
        cx: &Context<'_>,
        callback: &BTreeMap<String, String>,
        keep: &Secret,
    ) -> Result<Granted, Fault> {
        let code = self.code(callback)?;
        let client = self.client(cx)?;
        let mut request = client.exchange_code(AuthorizationCode::new(code));
        if !keep.is_empty() {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(keep.expose().to_owned()));
        }
        let transport = self.transport(cx, Operation::Connect);
        let answer = request.request_async(&transport).await.map_err(|error| self.told(Operation::Connect, error))?;
        Ok(granted(&answer, cx.now))
    }

    /// Buys new tokens with the refresh token. Where the answer has no new one, the old one is kept.
    ///
    /// # Errors
    /// [`Fault::GrantDead`] when there is no refresh token; else what the platform's verdict says.
    pub async fn refresh(&self, cx: &Context<'_>, old: &Tokens) -> Result<Granted, Fault> {
        let Some(refresh) = old.refresh.as_ref().filter(|token| !token.is_empty()) else {
            return Err(Fault::GrantDead {
                why: format!("{} gave nothing to renew the access with", self.dialect.name),
            });
        };
        let client = self.client(cx)?;
        let token = RefreshToken::new(refresh.expose().to_owned());
        let request = client.exchange_refresh_token(&token);
        let transport = self.transport(cx, Operation::Renew);
        let answer = request.request_async(&transport).await.map_err(|error| self.told(Operation::Renew, error))?;
        let mut new = granted(&answer, cx.now);
        if new.tokens.refresh.is_none() {
            new.tokens.refresh = old.refresh.clone();
            new.tokens.refresh_expires_at = old.refresh_expires_at;
        }
        new.tokens.extra = old.extra.clone();
        Ok(new)
    }

    /// Gives a consent back (RFC 7009): the refresh token where there is one, since that ends both. A token that the
    /// vendor does not know any more is done.
    ///
    /// # Errors
    /// What the platform's verdict says.
    pub async fn revoke(&self, cx: &Context<'_>, tokens: &Tokens) -> Result<(), Fault> {
        let Some(url) = &self.endpoints.revoke else { return Ok(()) };
        let token = match tokens.refresh.as_ref().filter(|token| !token.is_empty()) {
            Some(refresh) => StandardRevocableToken::RefreshToken(RefreshToken::new(refresh.expose().to_owned())),
            None => StandardRevocableToken::AccessToken(oauth2::AccessToken::new(tokens.access.expose().to_owned())),
        };
        let client = self.client(cx)?.set_revocation_url(RevocationUrl::from_url(url.clone()));
        let request = client.revoke_token(token).map_err(|_| self.unusable("its revocation address"))?;
        let transport = self.transport(cx, Operation::Revoke);
        request.request_async(&transport).await.map_err(|error| self.told(Operation::Revoke, error))
    }

    /// The callback's code.
    fn code(&self, callback: &BTreeMap<String, String>) -> Result<String, Fault> {
        let name = self.dialect.name;
        if let Some(error) = callback.get("error") {
            if error == "access_denied" || self.dialect.cancelled.contains(&error.as_str()) {
                return Err(Fault::rejected(
                    format!("You closed {name} without agreeing, so nothing was connected."),
                    "Try again, and agree this time.",
                ));
            }
            let said = callback.get("error_description").map_or(error.as_str(), String::as_str);
            let said = sentence(said);
            return Err(match error.as_str() {
                "server_error" | "temporarily_unavailable" => {
                    Fault::transient(format!("{name} is not working: {said}"))
                }
                "unauthorized_client"
                | "invalid_client"
                | "invalid_scope"
                | "unauthorized_scope_error"
                | "invalid_request"
                | "unsupported_response_type" => {
                    Fault::Misconfigured { what: format!("{name} does not take our app as it is set up: {said}") }
                }
                _ => Fault::rejected(format!("{name} sent you back with \"{said}\"."), "Try again."),
            });
        }
        callback.get("code").filter(|code| !code.is_empty()).cloned().ok_or_else(|| {
            Fault::rejected(format!("{name} sent you back without an answer."), "Ask for a new link and try again.")
        })
    }

    fn client(&self, cx: &Context<'_>) -> Result<VendorClient, Fault> {
        if cx.app.id.is_empty() {
            return Err(self.unusable("our app's id there"));
        }
        let mut client = Client::new(ClientId::new(cx.app.id.clone()))
            .set_auth_uri(AuthUrl::from_url(self.endpoints.authorize.clone()))
            .set_token_uri(TokenUrl::from_url(self.endpoints.token.clone()))
            .set_redirect_uri(RedirectUrl::from_url(cx.redirect_uri.clone()))
            .set_auth_type(match self.dialect.client_auth {
                ClientAuth::Basic => AuthType::BasicAuth,
                ClientAuth::Body => AuthType::RequestBody,
            });
        if let Some(secret) = &cx.app.secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
        }
        Ok(client)
    }

    fn unusable(&self, what: &str) -> Fault {
        Fault::Misconfigured { what: format!("{} can't be asked: {what} is missing", self.dialect.name) }
    }

    fn transport<'t>(&'t self, cx: &'t Context<'t>, operation: Operation) -> Transport<'t> {
        Transport { oauth: self, cx, operation }
    }

    async fn carry(&self, cx: &Context<'_>, operation: Operation, request: HttpRequest) -> Result<HttpResponse, Fault> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|_| self.unusable("its token address"))?;
        let mut call = cx.http.call(operation, Method::POST, url).header("accept", "application/json");
        if let Some(authorization) = head.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok())
        {
            call = call.authorization(authorization);
        }
        let pairs = url::form_urlencoded::parse(&body).into_owned().collect();
        let answer = call.form(renamed(pairs, self.dialect.client_param)).send().await?;
        let json = answer.json();
        let error = json.get("error").filter(|error| !error.is_null() && error.as_str() != Some(""));
        if operation == Operation::Revoke {
            let forgotten = error.and_then(Value::as_str).is_some_and(|code| self.dialect.forgotten.contains(&code));
            // RFC 7009 answers 200 with whatever body; only the status counts.
            return if answer.is_success() || forgotten {
                Ok(HttpResponse::new(Vec::new()))
            } else {
                Err((self.verdict)(operation, &answer, cx.now))
            };
        }
        // TikTok answers refusals with 200.
        if !answer.is_success() || error.is_some() {
            return Err((self.verdict)(operation, &answer, cx.now));
        }
        match standard(json) {
            Some(json) => Ok(HttpResponse::new(json.to_string().into_bytes())),
            None => Err(self.unreadable(operation)),
        }
    }

    /// A success that is none: an HTML page of a front end, or no token in it. The code or refresh token may be spent.
    fn unreadable(&self, operation: Operation) -> Fault {
        Fault::unanswered(operation, format!("{} answered something that can't be read", self.dialect.name))
    }

    fn told<E: oauth2::ErrorResponse + 'static>(
        &self,
        operation: Operation,
        error: RequestTokenError<Fault, E>,
    ) -> Fault {
        match error {
            RequestTokenError::Request(fault) => fault,
            // Its text holds the answer, and the answer may hold a token: it is not passed on.
            _ => self.unreadable(operation),
        }
    }
}

/// Carries the crate's requests over our client. What is no success becomes a fault here, where status and headers are
/// still known (the crate drops both); what is one reaches the crate in the form that the standard asks for. A type of
/// its own, because futures around a closure that borrows are not proven `Send`.
struct Transport<'t> {
    oauth: &'t OAuth,
    cx: &'t Context<'t>,
    operation: Operation,
}

impl<'c> AsyncHttpClient<'c> for Transport<'_> {
    type Error = Fault;
    type Future = BoxFuture<'c, Result<HttpResponse, Fault>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        self.oauth.carry(self.cx, self.operation, request).boxed()
    }
}

/// The standard's error codes, for platforms whose token endpoint uses them (RFC 6749, 5.2). `None` for any other answer.
pub fn verdict(operation: Operation, answer: &Answer, name: &str) -> Option<Fault> {
    let json = answer.json();
    Some(match json.get("error")?.as_str()? {
        "invalid_grant" if operation == Operation::Renew => {
            Fault::GrantDead { why: format!("{name} no longer renews this access") }
        }
        "invalid_grant" if operation == Operation::Connect => Fault::rejected(
            format!("{name} says that this link was already used or is too old."),
            "Ask for a new link and try again.",
        ),
        "invalid_client" | "unauthorized_client" => {
            Fault::Misconfigured { what: format!("{name} does not accept our app's id and secret") }
        }
        "invalid_scope" | "unsupported_grant_type" | "unsupported_response_type" | "redirect_uri_mismatch" => {
            let said = json.get("error_description").and_then(Value::as_str).unwrap_or("no reason given");
            Fault::Misconfigured { what: format!("{name} does not take our app as it is set up: {}", sentence(said)) }
        }
        _ => return None,
    })
}

/// What a vendor said, fit for one line: no control characters, at most 200 characters.
pub fn sentence(said: &str) -> String {
    let words = said.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

type VendorClient = Client<
    BasicErrorResponse,
    VendorToken,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

fn renamed(pairs: Vec<(String, String)>, client_param: &str) -> Vec<(String, String)> {
    let rename = |name: String| if name == "client_id" { client_param.to_owned() } else { name };
    pairs.into_iter().map(|(name, value)| (rename(name), value)).collect()
}
