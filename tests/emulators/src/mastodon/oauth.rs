//! An instance's app registration, discovery document, token and revocation endpoints (methods/apps, methods/oauth).
//! The consent page stands in its own file; who gets what is decided by the state.

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::json;

use super::state::Exchange;
use super::wire::{Answer, Refused, bearer, fields, ok, text, texts};
use super::{Fields, Flavour, Mastodon, Refusal};

pub(super) async fn register(State(instance): State<Mastodon>, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = fields(&headers, &body);
    let one = text(&fields, "redirect_uris");
    let list = texts(&fields, "redirect_uris");
    if one.is_none() && !instance.0.options.modern() && !list.is_empty() {
        let refusal = Refusal::new(422, "Validation failed: Redirect URI must be an absolute URI.");
        return Err(Refused(instance, refusal.violating("a list of redirect_uris before 4.3")));
    }
    let uris: Vec<String> = one.map_or(list, |one| one.split_whitespace().map(str::to_owned).collect());
    let scopes = text(&fields, "scopes").unwrap_or_else(|| "read".to_owned());
    let name = text(&fields, "client_name").unwrap_or_default();
    let app = instance.ask(|state| state.register(&name, &uris, &scopes, text(&fields, "website")))?;
    let mut answer = json!({
        "id": app.id,
        "name": app.name,
        "website": app.website,
        "redirect_uri": app.redirect_uris.join("\n"),
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "vapid_key": "BCk-QqERU0q-CfYZjcuB6lnyyOYfJ2AifKqfeGIm7Z-HiTU5T9eTG5GxVA0_OH5mMlI4UkkDTpaZwozy0TzdZ2M=",
    });
    if instance.0.options.modern() {
        answer["redirect_uris"] = json!(app.redirect_uris);
        answer["scopes"] = json!(app.scopes);
        answer["client_secret_expires_at"] = json!(0);
    }
    ok(answer)
}

pub(super) async fn discovery(State(instance): State<Mastodon>) -> Answer {
    let mut document = json!({
        "issuer": instance.url("/"),
        "authorization_endpoint": instance.url("/oauth/authorize"),
        "token_endpoint": instance.url("/oauth/token"),
        "revocation_endpoint": instance.url("/oauth/revoke"),
        "app_registration_endpoint": instance.url("/api/v1/apps"),
        "scopes_supported": ["read", "profile", "write", "write:media", "write:statuses", "read:accounts", "read:statuses", "follow", "push"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "service_documentation": "https://docs.joinmastodon.org/",
    });
    if instance.0.options.at_least(4, 4) {
        document["userinfo_endpoint"] = json!(instance.url("/oauth/userinfo"));
    }
    ok(document)
}

/// Client id and secret: in the body, and for Mastodon also as Basic credentials.
fn client(instance: &Mastodon, headers: &HeaderMap, fields: &Fields) -> (String, String) {
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let decoded = basic
        .filter(|_| instance.0.options.flavour == Flavour::Mastodon)
        .and_then(|basic| String::from_utf8(STANDARD.decode(basic).ok()?).ok());
    let from_basic =
        decoded.as_deref().and_then(|pair| pair.split_once(':')).map(|(id, secret)| (id.to_owned(), secret.to_owned()));
    from_basic.unwrap_or_else(|| {
        (text(fields, "client_id").unwrap_or_default(), text(fields, "client_secret").unwrap_or_default())
    })
}

pub(super) async fn token(State(instance): State<Mastodon>, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = fields(&headers, &body);
    let now = instance.now();
    let (client_id, client_secret) = client(&instance, &headers, &fields);
    let ask = Exchange {
        client_id,
        client_secret,
        redirect_uri: text(&fields, "redirect_uri").unwrap_or_default(),
        code: text(&fields, "code").unwrap_or_default(),
        verifier: text(&fields, "code_verifier"),
    };
    let (value, token) = match text(&fields, "grant_type").as_deref() {
        Some("authorization_code") => instance.ask(|state| state.exchange(&ask, now))?,
        Some("client_credentials") => instance.ask(|state| state.app_token(&ask, now))?,
        _ => {
            let text = "The authorization grant type is not supported by the authorization server.";
            let refusal = Refusal::oauth(400, "unsupported_grant_type", text).violating("wrong or missing grant_type");
            return Err(Refused(instance, refusal));
        }
    };
    ok(json!({
        "access_token": value,
        "token_type": "Bearer",
        "scope": token.scopes.join(" "),
        "created_at": token.created_ms / 1000,
    }))
}

pub(super) async fn revoke(State(instance): State<Mastodon>, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = fields(&headers, &body);
    let (client_id, client_secret) = client(&instance, &headers, &fields);
    let token = text(&fields, "token").unwrap_or_default();
    instance.ask(|state| state.revoke(&client_id, &client_secret, &token))?;
    ok(json!({}))
}

/// The OpenID claims about the user, from 4.4, for tokens with the scope `profile`.
pub(super) async fn userinfo(State(instance): State<Mastodon>, headers: HeaderMap) -> Answer {
    let (_, user) = instance.ask(|state| state.acting(bearer(&headers), &["profile"]))?;
    ok(json!({
        "iss": instance.url("/"),
        "sub": instance.url(&format!("/users/{}", user.name)),
        "name": user.display_name,
        "preferred_username": user.name,
        "profile": instance.url(&format!("/@{}", user.name)),
        "picture": instance.url("/avatars/original/missing.png"),
    }))
}
