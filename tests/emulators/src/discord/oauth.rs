//! Discord's consent page, token exchange and revocation. A consent with the scope `bot` brings the bot into the chosen
//! server. Source: "OAuth2" in Discord's documentation.

use std::collections::HashMap;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Method, StatusCode, header};
use maud::html;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::permissions::{self, MANAGE_GUILD};
use super::scene;
use super::state::{Consent, State, Token};
use super::{Inner, Options};

/// Seconds that an access token lives.
const TOKEN_LIFETIME: i64 = 604_800;

/// Milliseconds that a code lives (unpublished; RFC 6749 recommends at most ten minutes).
const CODE_LIFETIME: i64 = 10 * 60 * 1000;

/// The scopes that an application may ask for here.
const SCOPES: &[&str] = &["bot", "identify", "guilds", "email", "applications.commands", "guilds.members.read"];

type Pairs = HashMap<String, String>;

fn pairs(source: &[u8]) -> Pairs {
    url::form_urlencoded::parse(source).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn get<'a>(pairs: &'a Pairs, name: &str) -> &'a str {
    pairs.get(name).map_or("", String::as_str)
}

/// `GET` and `POST /oauth2/authorize`.
pub(super) async fn authorize(inner: &Inner, request: Request) -> Response {
    let method = request.method().clone();
    let mut asked = pairs(request.uri().query().unwrap_or_default().as_bytes());
    if method == Method::POST {
        let body = to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
        asked.extend(pairs(&body));
    }
    if let Err(what) = inner.state.read(|state| check(&state.options, &asked)) {
        inner.violation(format!("authorize: {what}"));
        return page(StatusCode::BAD_REQUEST, &what);
    }
    match method {
        Method::GET => inner.state.read(|state| consent_page(state, &asked)),
        Method::POST => decide(inner, &asked),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn check(options: &Options, asked: &Pairs) -> Result<(), String> {
    if get(asked, "client_id") != options.application_id.to_string() {
        return Err("Unknown Application".to_owned());
    }
    if get(asked, "response_type") != "code" {
        return Err("Unsupported response_type".to_owned());
    }
    if !options.redirect_uris.iter().any(|known| known == get(asked, "redirect_uri")) {
        return Err("Invalid OAuth2 redirect_uri".to_owned());
    }
    let scopes: Vec<&str> = get(asked, "scope").split(' ').filter(|scope| !scope.is_empty()).collect();
    if scopes.is_empty() || scopes.iter().any(|scope| !SCOPES.contains(scope)) {
        return Err(format!("The requested scope is invalid, unknown, or malformed: {}", get(asked, "scope")));
    }
    Ok(())
}

fn page(status: StatusCode, text: &str) -> Response {
    let body = html! { html { body { h1 { "Discord" } p { (text) } } } };
    (status, Html(body.into_string())).into_response()
}

fn wants_bot(asked: &Pairs) -> bool {
    get(asked, "scope").split(' ').any(|scope| scope == "bot")
}

fn consent_page(state: &State, asked: &Pairs) -> Response {
    let people = state.users.values().filter(|user| !user.bot);
    let pinned = get(asked, "guild_id");
    let only = get(asked, "disable_guild_select") == "true";
    let offered = state.guilds.values().filter(|guild| {
        let manager = guild.members.keys().any(|user| permissions::in_guild(guild, *user) & MANAGE_GUILD != 0);
        manager && (!only || guild.id.to_string() == pinned)
    });
    let body = html! {
        html { body {
            h1 { (state.options.name) " wants to access your Discord account" }
            p { "Scopes: " (get(asked, "scope")) }
            form method="post" {
                @for (name, value) in asked {
                    input type="hidden" name=(name) value=(value);
                }
                select name="user" {
                    @for user in people { option value=(user.id) { (user.name) } }
                }
                @if wants_bot(asked) {
                    select name="guild" {
                        @for guild in offered {
                            option value=(guild.id) selected[guild.id.to_string() == pinned] { (guild.name) }
                        }
                    }
                }
                button type="submit" name="decision" value="approve" { "Authorize" }
                button type="submit" name="decision" value="deny" { "Cancel" }
            }
        } }
    };
    Html(body.into_string()).into_response()
}

fn decide(inner: &Inner, asked: &Pairs) -> Response {
    let now = inner.now();
    let Ok(mut target) = url::Url::parse(get(asked, "redirect_uri")) else {
        return page(StatusCode::BAD_REQUEST, "Invalid OAuth2 redirect_uri");
    };
    let state_word = asked.get("state").cloned();
    let answer = if get(asked, "decision") == "approve" {
        match inner.state.write(|state| approve(state, asked, now)) {
            Ok(answer) => answer,
            Err(text) => return page(StatusCode::FORBIDDEN, text),
        }
    } else {
        let text = "The resource owner or authorization server denied the request";
        vec![("error", "access_denied".to_owned()), ("error_description", text.to_owned())]
    };
    {
        let mut query = target.query_pairs_mut();
        query.extend_pairs(answer);
        if let Some(word) = state_word {
            query.append_pair("state", &word);
        }
    }
    (StatusCode::FOUND, [(header::LOCATION, target.to_string())]).into_response()
}

fn approve(state: &mut State, asked: &Pairs, now: i64) -> Result<Vec<(&'static str, String)>, &'static str> {
    let user = get(asked, "user").parse().unwrap_or(0);
    if state.users.get(&user).is_none_or(|user| user.bot) {
        return Err("Nobody is logged in");
    }
    let mut answer = Vec::new();
    let mut chosen = None;
    if wants_bot(asked) && get(asked, "integration_type") != "1" {
        let id = get(asked, "guild").parse().unwrap_or(0);
        let guild = state.guilds.get(&id).ok_or("No server was chosen")?;
        if permissions::in_guild(guild, user) & MANAGE_GUILD == 0 {
            return Err("You need Manage Server there");
        }
        let granted = get(asked, "permissions").parse().unwrap_or(0);
        scene::add_bot(state, id, granted, now);
        chosen = Some(id);
        answer.push(("guild_id", id.to_string()));
        answer.push(("permissions", granted.to_string()));
    }
    let code = state.secret("code");
    let consent = Consent {
        user,
        guild: chosen,
        scope: get(asked, "scope").to_owned(),
        redirect_uri: get(asked, "redirect_uri").to_owned(),
        challenge: asked.get("code_challenge").cloned(),
        at: now,
    };
    state.codes.insert(code.clone(), consent);
    answer.push(("code", code));
    Ok(answer)
}

fn refuse(status: StatusCode, error: &str, description: &str) -> Response {
    (status, axum::Json(json!({ "error": error, "error_description": description }))).into_response()
}

/// `POST /api/oauth2/token` and `/api/oauth2/token/revoke`.
pub(super) async fn exchange(inner: &Inner, request: Request, step: &str) -> Response {
    if request.method() != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let headers = request.headers().clone();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        inner.violation(format!("oauth2/{step}: content type {kind:?}"));
        return refuse(StatusCode::BAD_REQUEST, "invalid_request", "The body must be form encoded");
    }
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    let form = pairs(&body);
    if inner.state.read(|state| !authentic(&state.options, &headers, &form)) {
        return (StatusCode::UNAUTHORIZED, axum::Json(json!({ "error": "invalid_client" }))).into_response();
    }
    let now = inner.now();
    if step == "token/revoke" {
        inner.state.write(|state| revoke(state, get(&form, "token")));
        return axum::Json(json!({})).into_response();
    }
    match inner.state.write(|state| grant(state, &form, now)) {
        Ok(answer) => axum::Json(answer).into_response(),
        Err((error, description)) => refuse(StatusCode::BAD_REQUEST, error, description),
    }
}

fn authentic(options: &Options, headers: &HeaderMap, form: &Pairs) -> bool {
    let (id, secret) = (options.application_id.to_string(), options.client_secret.as_str());
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    match basic.and_then(|encoded| STANDARD.decode(encoded).ok()) {
        Some(decoded) => {
            // RFC 6749, section 2.3.1: both halves are form-encoded first.
            let decoded = String::from_utf8_lossy(&decoded).into_owned();
            let (given_id, given_secret) = decoded.split_once(':').unwrap_or_default();
            let plain = |text: &str| pairs(format!("x={text}").as_bytes()).remove("x").unwrap_or_default();
            plain(given_id) == id && plain(given_secret) == secret
        }
        None => get(form, "client_id") == id && get(form, "client_secret") == secret,
    }
}

/// Ends every token of the authorization that this token belongs to.
fn revoke(state: &mut State, token: &str) {
    let by_access = state.tokens.get(token).map(|token| token.user);
    let user = by_access.or_else(|| state.refresh_tokens.get(token).map(|consent| consent.user));
    if let Some(user) = user {
        state.tokens.retain(|_, token| token.user != user);
        state.refresh_tokens.retain(|_, consent| consent.user != user);
    }
}

fn grant(state: &mut State, form: &Pairs, now: i64) -> Result<Value, (&'static str, &'static str)> {
    let consent = match get(form, "grant_type") {
        "authorization_code" => {
            let invalid = ("invalid_grant", "Invalid \"code\" in request.");
            let consent = state.codes.remove(get(form, "code")).ok_or(invalid)?;
            if now - consent.at > CODE_LIFETIME {
                return Err(invalid);
            }
            if consent.redirect_uri != get(form, "redirect_uri") {
                return Err(("invalid_grant", "Invalid \"redirect_uri\" in request."));
            }
            if let Some(challenge) = &consent.challenge {
                let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(get(form, "code_verifier")));
                if hash != *challenge {
                    return Err(("invalid_grant", "Invalid \"code_verifier\" in request."));
                }
            }
            consent
        }
        "refresh_token" => state
            .refresh_tokens
            .remove(get(form, "refresh_token"))
            .ok_or(("invalid_grant", "Invalid \"refresh_token\" in request."))?,
        _ => return Err(("unsupported_grant_type", "Grant type is not supported")),
    };
    let access = state.secret("access");
    let refresh = state.secret("refresh");
    let until = now + TOKEN_LIFETIME * 1000;
    state.tokens.insert(access.clone(), Token { user: consent.user, scope: consent.scope.clone(), until });
    let mut answer = json!({
        "access_token": access, "token_type": "Bearer", "expires_in": TOKEN_LIFETIME, "refresh_token": refresh,
        "scope": consent.scope,
    });
    if let Some(guild) = consent.guild.and_then(|id| state.guilds.get(&id))
        && !state.omit_guild
    {
        answer["guild"] = state.guild_json(guild);
    }
    state.refresh_tokens.insert(refresh, Consent { guild: None, ..consent });
    Ok(answer)
}
