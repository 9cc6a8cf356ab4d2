//! The consent page of a Mastodon instance (`/oauth/authorize`): checks what the client asks for as Doorkeeper does,
//! shows who is signed in and what is asked, and sends the browser back with a code or an error.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use url::Url;

use super::Mastodon;
use super::grants::{INVALID_CLIENT, covers};
use super::state::{Asked, UserState};
use super::wire::redirect;

const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";
/// Doorkeeper's text for a denied consent.
const DENIED: &str = "The resource owner or authorization server denied the request.";

/// The query of the page, and the hidden fields of its form.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    response_type: String,
    scope: Option<String>,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Decision {
    #[serde(flatten)]
    ask: Ask,
    #[serde(default)]
    user: String,
    #[serde(default)]
    decision: String,
}

pub(super) async fn page(State(instance): State<Mastodon>, Query(ask): Query<Ask>) -> Response {
    match check(&instance, &ask) {
        Ok((asked, app)) => form(&instance, &ask, &asked, &app, None).into_response(),
        Err(refused) => *refused,
    }
}

pub(super) async fn decide(State(instance): State<Mastodon>, body: Bytes) -> Response {
    let pairs = url::form_urlencoded::parse(&body).map(|(name, value)| (name.into_owned(), value.into()));
    let fields = serde_json::Value::Object(pairs.collect());
    let Ok(Decision { ask, user, decision }) = serde_json::from_value(fields) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let (asked, app) = match check(&instance, &ask) {
        Ok(checked) => checked,
        Err(refused) => return *refused,
    };
    if decision != "approve" {
        return back(&ask, &[("error", "access_denied"), ("error_description", DENIED)]);
    }
    let who = |state: &mut super::State| {
        state.users.iter().find(|one| one.id == user || one.name == user).map(|one| (one.id.clone(), one.state))
    };
    let id = match instance.state(who) {
        Some((id, UserState::Active)) => id,
        Some(_) => {
            return form(&instance, &ask, &asked, &app, Some("Your login is currently disabled")).into_response();
        }
        None => return form(&instance, &ask, &asked, &app, Some("Log in first")).into_response(),
    };
    let now = instance.now();
    let code = instance.state(|state| state.grant(asked, &id, now));
    if ask.redirect_uri == OUT_OF_BAND {
        return html! { (DOCTYPE) html { body { p { "Copy this authorization code and paste it to the application." } code { (code) } } } }
            .into_response();
    }
    back(&ask, &[("code", &code)])
}

/// Doorkeeper's pre-authorization: a wrong client or address is an error page (never a redirect to an unchecked
/// address), the rest is told to the client.
fn check(instance: &Mastodon, ask: &Ask) -> Result<(Asked, String), Box<Response>> {
    let page = |status: StatusCode, text: &str| {
        Box::new(
            (status, html! { (DOCTYPE) html { body { h1 { "An error has occurred" } p { (text) } } } }).into_response(),
        )
    };
    let app = instance.state(|state| state.app(&ask.client_id).cloned());
    // No violation: the instance may have forgotten the app since.
    let app = app.ok_or_else(|| page(StatusCode::UNAUTHORIZED, INVALID_CLIENT))?;
    if !app.redirect_uris.contains(&ask.redirect_uri) {
        instance.violation("redirect_uri is not one of the app's");
        let text = "The requested redirect uri is malformed or doesn't match client redirect URI.";
        return Err(page(StatusCode::BAD_REQUEST, text));
    }
    let refuse = |error: &str, text: &str| {
        instance.violation(&format!("authorize: {error}"));
        Err(Box::new(back(ask, &[("error", error), ("error_description", text)])))
    };
    if ask.response_type != "code" {
        return refuse("unsupported_response_type", "The authorization server does not support this response type.");
    }
    let scopes: Vec<String> = ask
        .scope
        .as_deref()
        .unwrap_or("read")
        .split([' ', '+'])
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    if scopes.is_empty() || !scopes.iter().all(|scope| covers(&app.scopes, scope)) {
        return refuse("invalid_scope", "The requested scope is invalid, unknown, or malformed.");
    }
    // Before 4.3 the database has no column for a challenge, and it is ignored.
    let challenge = ask.code_challenge.clone().filter(|_| instance.0.options.modern());
    if challenge.is_some() && ask.code_challenge_method.as_deref() != Some("S256") {
        return refuse("invalid_code_challenge_method", "The code_challenge_method must be S256.");
    }
    let asked = Asked { client_id: app.client_id, redirect_uri: ask.redirect_uri.clone(), scopes, challenge };
    Ok((asked, app.name))
}

/// Back to the client with these parameters and its state.
fn back(ask: &Ask, parameters: &[(&str, &str)]) -> Response {
    let Ok(mut to) = Url::parse(&ask.redirect_uri) else { return StatusCode::BAD_REQUEST.into_response() };
    {
        let mut query = to.query_pairs_mut();
        query.extend_pairs(parameters);
        if let Some(state) = &ask.state {
            query.append_pair("state", state);
        }
    }
    redirect(StatusCode::FOUND, to.as_str())
}

fn form(instance: &Mastodon, ask: &Ask, asked: &Asked, app: &str, problem: Option<&str>) -> Markup {
    let users: Vec<(String, String)> =
        instance.state(|state| state.users.iter().map(|user| (user.id.clone(), user.name.clone())).collect());
    let hidden = [
        ("client_id", Some(&ask.client_id)),
        ("redirect_uri", Some(&ask.redirect_uri)),
        ("response_type", Some(&ask.response_type)),
        ("scope", ask.scope.as_ref()),
        ("state", ask.state.as_ref()),
        ("code_challenge", ask.code_challenge.as_ref()),
        ("code_challenge_method", ask.code_challenge_method.as_ref()),
    ];
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Authorization required - " (instance.host()) } }
            body {
                h1 { "Authorization required" }
                @if let Some(problem) = problem { p role="alert" { (problem) } }
                p { strong { (app) } " would like permission to access your account at " (instance.host()) "." }
                ul { @for scope in &asked.scopes { li { (scope) } } }
                form method="post" {
                    @for (name, value) in hidden {
                        @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
                    }
                    label {
                        "Signed in as "
                        select name="user" { @for (id, name) in &users { option value=(id) { (name) } } }
                    }
                    button name="decision" value="approve" { "Authorize" }
                    button name="decision" value="deny" { "Deny" }
                }
            }
        }
    }
}
