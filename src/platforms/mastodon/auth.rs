//! Connecting to a Mastodon server: our app there (registered once per server), the consent, who agreed, and giving the
//! consent back. Sources: docs.joinmastodon.org methods/apps and methods/oauth (2026-07-02).

use http::Method;
use serde_json::{Value, json};
use url::Url;

use super::fault::fault;
use super::notes::Notes;
use super::relay::Relay;
use super::wire::{Server, address};
use crate::domain::Secret;
use crate::domain::account::Tokens;
use crate::domain::fault::{Fault, Operation};
use crate::platforms::http::Answer as HttpAnswer;
use crate::platforms::oauth::{ClientAuth, Dialect, Endpoints, OAuth};
use crate::platforms::{Answer, App, Begun, Consent, Context, Found, GrantDraft, Want};

/// What we ask for, and what is missing without it. These work on every version and on GoToSocial.
const SCOPES: [(&str, &str); 3] = [
    ("read:accounts", "trypost can't see whose account this is"),
    ("write:statuses", "trypost can't post"),
    ("write:media", "trypost can't post pictures and videos"),
];

const DIALECT: Dialect = Dialect {
    name: "Mastodon",
    scope_separator: " ",
    client_auth: ClientAuth::Body,
    client_param: "client_id",
    // From 4.3; asked of each server.
    pkce: false,
    cancelled: &[],
    // 403 "You are not authorized to revoke this token": a token of another app, or one that is not there.
    forgotten: &["unauthorized_client"],
};

fn oauth(host: &str, pkce: bool) -> Result<OAuth, Fault> {
    Ok(OAuth {
        dialect: Dialect { pkce, ..DIALECT },
        endpoints: Endpoints {
            authorize: address(host, "/oauth/authorize")?,
            token: address(host, "/oauth/token")?,
            revoke: Some(address(host, "/oauth/revoke")?),
        },
        verdict: fault,
    })
}

fn host<'a>(cx: &'a Context<'_>) -> Result<&'a str, Fault> {
    let missing = || Fault::Misconfigured { what: "our app at this Mastodon server is not registered".into() };
    cx.app.host.as_deref().ok_or_else(missing)
}

/// Registers our app at an instance. Where the instance's API lives under another name (`example.com` for the handles,
/// `social.example.com` for the server), its redirect names it, and the app is registered there.
pub(super) async fn register(cx: &Context<'_>, instance: &str) -> Result<App, Fault> {
    let mut host = instance.to_owned();
    let mut answer = apps(cx, &host).await?;
    if (300..400).contains(&answer.status)
        && let Some(moved) = moved(&host, &answer)
    {
        host = moved;
        answer = apps(cx, &host).await?;
    }
    let json = answer.json();
    let text = |field: &str| json[field].as_str().filter(|text| !text.is_empty());
    match (answer.is_success(), text("client_id"), text("client_secret")) {
        (true, Some(id), Some(secret)) => {
            Ok(App { id: id.to_owned(), secret: Some(Secret::new(secret)), host: Some(host), ..App::default() })
        }
        _ => Err(fault(Operation::Connect, &answer, cx.now)),
    }
}

async fn apps(cx: &Context<'_>, host: &str) -> Result<HttpAnswer, Fault> {
    let scopes = SCOPES.map(|(scope, _)| scope).join(" ");
    // One address as a string: servers before 4.3 take no list.
    let fields = [("client_name", "trypost"), ("redirect_uris", cx.redirect_uri.as_str()), ("scopes", &scopes)];
    let call = cx.http.call(Operation::Connect, Method::POST, address(host, "/api/v1/apps")?);
    call.header("accept", "application/json").header("accept-language", "en").form(fields).send().await
}

/// The host that a redirect of the API names, if it is only the host that differs.
fn moved(host: &str, answer: &HttpAnswer) -> Option<String> {
    let to: Url = address(host, "/api/v1/apps").ok()?.join(answer.header("location")?).ok()?;
    let named = to.host_str()?;
    (to.scheme() == "https" && to.path() == "/api/v1/apps" && named != host).then(|| named.to_owned())
}

/// The consent page's address, with PKCE where the server says that it takes it.
pub(super) async fn begin(cx: &Context<'_>, want: Want<'_>) -> Result<Begun, Fault> {
    let host = host(cx)?;
    let url = address(host, "/.well-known/oauth-authorization-server")?;
    let answer = cx.http.call(Operation::Connect, Method::GET, url).header("accept", "application/json").send().await?;
    if answer.status >= 500 || answer.status == 429 {
        return Err(fault(Operation::Connect, &answer, cx.now));
    }
    // Before 4.3, and on other software, there is no such document.
    let methods = &answer.json()["code_challenge_methods_supported"];
    let pkce = answer.is_success() && methods.as_array().is_some_and(|methods| methods.contains(&json!("S256")));
    oauth(host, pkce)?.begin(cx, want.state, &SCOPES.map(|(scope, _)| scope), &[])
}

/// Exchanges the code, and sees whose account it is and what its server takes.
pub(super) async fn complete(cx: &Context<'_>, relay: &Relay, keep: &Secret, answer: Answer) -> Result<Consent, Fault> {
    let Answer::Callback(callback) = answer else {
        return Err(Fault::rejected("Mastodon is connected by its consent page.", "Open the link."));
    };
    let host = host(cx)?;
    let granted = oauth(host, !keep.is_empty())?.complete(cx, &callback, keep).await?;
    let token = Some(&granted.tokens.access);
    // A server that does not tell its limits now is asked again by the next check.
    let server = Server { cx, relay, host, software: "", token };
    let notes =
        server.notes(Operation::Connect).await.unwrap_or_else(|_| Notes { instance: host.into(), ..Notes::default() });
    let identity = Server { software: &notes.software, ..server }.identity(Operation::Connect).await?;
    let name = Some(identity.display_name.trim()).filter(|name| !name.is_empty()).unwrap_or(&identity.username);
    let found = Found {
        remote_id: format!("{host}:{}", identity.id),
        name: name.to_owned(),
        handle: Some(format!("{}@{host}", identity.username)),
        url: identity.url,
        detail: Some(format!("profile on {host}")),
        blocked: identity.moved_to.map(|to| format!("This account has moved to {to}. Connect that one instead.")),
        meta: meta(&notes),
    };
    let given = granted.scopes.as_deref();
    let missing = SCOPES
        .iter()
        .filter(|(scope, _)| given.is_some_and(|given| !given.iter().any(|given| covers(given, scope))))
        .map(|(scope, consequence)| format!("{consequence} ({scope} was not given)"))
        .collect();
    let grant = GrantDraft { remote_user: found.remote_id.clone(), tokens: granted.tokens };
    Ok(Consent { grant: Some(grant), found: vec![found], missing })
}

/// The notes as an account keeps them.
pub(super) fn meta(notes: &Notes) -> Value {
    serde_json::to_value(notes).unwrap_or_default()
}

/// Whether a given scope is the asked one or contains it (`write` contains `write:media`).
fn covers(given: &str, asked: &str) -> bool {
    given == asked || asked.strip_prefix(given).is_some_and(|rest| rest.starts_with(':'))
}

/// Gives the consent back.
pub(super) async fn revoke(cx: &Context<'_>, tokens: &Tokens) -> Result<(), Fault> {
    oauth(host(cx)?, false)?.revoke(cx, tokens).await
}
