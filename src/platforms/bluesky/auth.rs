//! Signing in with an app password, keeping the session alive, checking and ending it. Sessions are opened, renewed and
//! ended at the service that was signed in to, as the vendor's client does; everything else goes to the account's server.

use std::collections::BTreeMap;

use atrium_api::com::atproto::server::create_session;
use serde_json::{Value, json};
use url::Url;

use super::fault::main_password;
use super::wire::{Extra, Refused, SERVICE, Session, api, claims, expiry, origin, read, typed};
use crate::domain::account::{Account, Tokens};
use crate::domain::{Fault, Operation, Secret};
use crate::platforms::{Answer, Consent, Context, Credentials, Found, GrantDraft, Seen};

/// Fields of the form.
pub(super) const HANDLE: &str = "handle";
pub(super) const PASSWORD: &str = "password";
pub(super) const SERVER: &str = "server";

/// The scope of a session that a main password opened (com.atproto.server.createSession's access token).
const FULL_ACCESS: &str = "com.atproto.access";

/// Ends connecting: signs in, and looks whose session it is and where it lives.
pub(super) async fn complete(cx: &Context<'_>, answer: Answer) -> Result<Consent, Fault> {
    let Answer::Form(fields) = answer else {
        return Err(Fault::rejected("Bluesky is connected with its form", "Open the form again."));
    };
    let service = server(cx, &fields)?;
    let identifier = handle(&fields, &service)?;
    let password = field(&fields, PASSWORD);
    if password.is_empty() {
        return Err(Fault::rejected("the app password is missing", "Enter one: it looks like xxxx-xxxx-xxxx-xxxx."));
    }
    let session = sign_in(cx, Operation::Connect, &service, &identifier, &password).await?;
    let pds = session.did_doc.as_ref().and_then(|doc| pds_of(cx, doc)).unwrap_or_else(|| service.clone());
    let refresh = Secret::new(&session.refresh_jwt);
    if claims(&session.access_jwt)["scope"] == FULL_ACCESS {
        // The session that should not be is ended at once; whether that works changes nothing about the answer.
        let _ = end(cx, &service, &refresh).await;
        return Err(main_password());
    }
    let access = Secret::new(&session.access_jwt);
    // Proves that the session works at the server that the sign-in named, and tells the account's state.
    let seen = read(
        Operation::Connect,
        api(cx, Operation::Connect, &pds, Some(&access)).service.com.atproto.server.get_session().await,
    )?;
    if seen.active == Some(false) {
        let _ = end(cx, &service, &refresh).await;
        return Err(Fault::rejected(inactive(seen.status.as_deref()), "Sign in at bsky.app; then connect again."));
    }
    let did = session.did.as_str().to_owned();
    let handle = seen.handle.as_str().to_owned();
    let name = display_name(cx, &pds, &access, &did).await.unwrap_or_else(|| handle.clone());
    let extra = Extra { identifier, password, service, pds: pds.clone(), did: did.clone() };
    let found = Found {
        remote_id: did.clone(),
        name,
        handle: Some(handle),
        url: Some(profile_url(&did)),
        detail: None,
        meta: json!({ "pds": pds }),
        blocked: None,
    };
    let tokens = tokens(&session.access_jwt, &session.refresh_jwt, &extra)?;
    Ok(Consent { grant: Some(GrantDraft { remote_user: did, tokens }), found: vec![found], missing: vec![] })
}

/// A profile's page; by its DID, which outlives changes of handle.
pub(super) fn profile_url(did: &str) -> String {
    format!("https://bsky.app/profile/{did}")
}

fn field(fields: &BTreeMap<String, Secret>, name: &str) -> String {
    // Copying from the app brings invisible marks of writing direction along.
    let invisible = |c: &char| !matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}');
    let typed = fields.get(name).map(Secret::expose).unwrap_or_default();
    typed.chars().filter(invisible).collect::<String>().trim().to_owned()
}

/// The server to sign in at, as `https://HOST`.
fn server(cx: &Context<'_>, fields: &BTreeMap<String, Secret>) -> Result<String, Fault> {
    let typed = field(fields, SERVER);
    if typed.is_empty() {
        return Ok(SERVICE.to_owned());
    }
    let address = if typed.contains("://") { typed } else { format!("https://{typed}") };
    origin(cx.http, &address)
        .ok_or_else(|| Fault::rejected("that is no server's name", "Type it like bsky.social, or leave it empty."))
}

/// The handle as the server wants it: without the at sign, in lower case, in full. An e-mail address and a DID stay.
fn handle(fields: &BTreeMap<String, Secret>, service: &str) -> Result<String, Fault> {
    let typed = field(fields, HANDLE);
    let typed = typed.trim_end_matches('/');
    let name = typed.rsplit_once("/profile/").map_or(typed, |(_, name)| name).trim_start_matches('@');
    if name.is_empty() {
        return Err(Fault::rejected("the handle is missing", "Enter it, like alice.bsky.social."));
    }
    let name = name.to_lowercase();
    let bare = !name.contains(['.', '@', ':']);
    Ok(if bare && service == SERVICE { format!("{name}.bsky.social") } else { name })
}

async fn sign_in(
    cx: &Context<'_>,
    operation: Operation,
    service: &str,
    identifier: &str,
    password: &str,
) -> Result<create_session::OutputData, Refused> {
    let input = create_session::InputData {
        allow_takendown: None,
        auth_factor_token: None,
        identifier: identifier.to_owned(),
        password: password.to_owned(),
    };
    let answer = api(cx, operation, service, None).service.com.atproto.server.create_session(input.into()).await;
    Ok(read(operation, answer)?.data)
}

/// The account's own server by its DID document: `service[id ends with #atproto_pds].serviceEndpoint`.
fn pds_of(cx: &Context<'_>, doc: &atrium_api::types::Unknown) -> Option<String> {
    let doc = serde_json::to_value(doc).ok()?;
    let service = doc["service"].as_array()?.iter().find(|one| {
        one["id"].as_str().is_some_and(|id| id.ends_with("#atproto_pds")) && one["serviceEndpoint"].is_string()
    })?;
    origin(cx.http, service["serviceEndpoint"].as_str()?)
}

/// What the person calls themself. It comes from a far server that may be away: best effort.
async fn display_name(cx: &Context<'_>, pds: &str, access: &Secret, did: &str) -> Option<String> {
    let parameters = atrium_api::app::bsky::actor::get_profile::ParametersData { actor: typed(did).ok()? };
    let answer =
        api(cx, Operation::Connect, pds, Some(access)).service.app.bsky.actor.get_profile(parameters.into()).await;
    answer.ok()?.data.display_name.filter(|name| !name.trim().is_empty())
}

fn inactive(status: Option<&str>) -> &'static str {
    match status {
        Some("takendown") => "Bluesky has taken this account down",
        Some("suspended") => "Bluesky has suspended this account",
        Some("deactivated") => "this account is deactivated",
        Some("deleted") => "this account was deleted",
        _ => "this account is not active",
    }
}

fn tokens(access: &str, refresh: &str, extra: &Extra) -> Result<Tokens, Fault> {
    let extra = serde_json::to_string(extra).map_err(|_| Fault::transient("the session can't be stored"))?;
    Ok(Tokens {
        access: Secret::new(access),
        refresh: Some(Secret::new(refresh)),
        extra: Some(Secret::new(extra)),
        expires_at: expiry(access),
        refresh_expires_at: expiry(refresh),
    })
}

/// A new pair for the refresh token; once that is finally refused, a new session by the stored app password. Signing in
/// is rationed (300 a day), so it is the last resort.
pub(super) async fn renew(cx: &Context<'_>, old: &Tokens) -> Result<Tokens, Fault> {
    let mut extra = Extra::of(old.extra.as_ref())?;
    let dead = |why: &str| Err(Fault::GrantDead { why: why.to_owned() });
    let Some(refresh) = old.refresh.as_ref() else { return dead("there is no refresh token") };
    let server = api(cx, Operation::Renew, &extra.service, Some(refresh));
    let (did, access, refresh, doc) =
        match read(Operation::Renew, server.service.com.atproto.server.refresh_session().await) {
            Ok(new) => {
                let new = new.data;
                (new.did, new.access_jwt, new.refresh_jwt, new.did_doc)
            }
            Err(refused) if matches!(refused.code.as_str(), "ExpiredToken" | "InvalidToken") => {
                let new = sign_in(cx, Operation::Renew, &extra.service, &extra.identifier, &extra.password).await?;
                (new.did, new.access_jwt, new.refresh_jwt, new.did_doc)
            }
            Err(refused) => return Err(refused.fault),
        };
    if did.as_str() != extra.did {
        return dead("that handle belongs to another account now");
    }
    if let Some(pds) = doc.as_ref().and_then(|doc| pds_of(cx, doc)) {
        extra.pds = pds;
    }
    tokens(&access, &refresh, &extra)
}

/// Asks the account's server whose session this is.
pub(super) async fn verify(cx: &Context<'_>, account: &Account, credentials: Credentials<'_>) -> Result<Seen, Fault> {
    let session = Session::of(credentials)?;
    let answer = session.api(cx, Operation::Verify).service.com.atproto.server.get_session().await;
    let seen = read(Operation::Verify, answer)?;
    if seen.active == Some(false) {
        return Err(Fault::AccountLost {
            why: inactive(seen.status.as_deref()).to_owned(),
            fix: "Sign in at bsky.app to see why; then reconnect.".to_owned(),
        });
    }
    let handle = seen.handle.as_str().to_owned();
    // An account without a name of its own is called by its handle.
    let name = if account.handle.as_ref() == Some(&account.name) { handle.clone() } else { account.name.clone() };
    let mut meta = account.meta.clone();
    if !meta.is_object() {
        meta = Value::Object(serde_json::Map::new());
    }
    meta["pds"] = json!(session.pds);
    Ok(Seen { name, handle: Some(handle), url: Some(profile_url(&account.remote_id)), meta })
}

/// Ends the session. The app password itself can only be deleted by the person.
pub(super) async fn revoke(cx: &Context<'_>, credentials: Credentials<'_>) -> Result<(), Fault> {
    let Some(tokens) = credentials.tokens else { return Ok(()) };
    let Some(refresh) = tokens.refresh.as_ref() else { return Ok(()) };
    end(cx, &Extra::of(tokens.extra.as_ref())?.service, refresh).await
}

async fn end(cx: &Context<'_>, service: &str, refresh: &Secret) -> Result<(), Fault> {
    let answer = api(cx, Operation::Revoke, service, Some(refresh)).service.com.atproto.server.delete_session().await;
    match read(Operation::Revoke, answer).map_err(Fault::from) {
        // A token that is refused opens nothing any more.
        Ok(()) | Err(Fault::Stale | Fault::AccountLost { .. }) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// The bare host of `https://HOST`.
pub(super) fn host(origin: &str) -> String {
    Url::parse(origin).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(handle: &str) -> BTreeMap<String, Secret> {
        [(HANDLE.to_owned(), Secret::new(handle))].into()
    }

    #[test]
    fn handles_are_taken_as_people_paste_them() {
        for (typed, name) in [
            ("alice.bsky.social", "alice.bsky.social"),
            (" @Alice.bsky.social ", "alice.bsky.social"),
            ("alice", "alice.bsky.social"),
            ("\u{202a}@alice.example.org\u{202c}", "alice.example.org"),
            ("https://bsky.app/profile/alice.example.org/", "alice.example.org"),
            ("alice@example.org", "alice@example.org"),
            ("did:plc:abc", "did:plc:abc"),
        ] {
            assert_eq!(handle(&form(typed), SERVICE).unwrap(), name);
        }
        assert_eq!(handle(&form("alice"), "https://pds.example").unwrap(), "alice");
        assert!(handle(&form(" @ "), SERVICE).is_err());
    }

    #[test]
    fn an_expiry_is_read_and_never_guessed() {
        let token = |payload: &str| format!("h.{}.s", data_encoding::BASE64URL_NOPAD.encode(payload.as_bytes()));
        assert_eq!(expiry(&token(r#"{"exp":1795000000}"#)).unwrap().as_second(), 1_795_000_000);
        for odd in [token("{}"), token(r#"{"exp":"soon"}"#), token("not json"), String::new(), "a.b.c".to_owned()] {
            assert_eq!(expiry(&odd), None);
        }
    }
}
