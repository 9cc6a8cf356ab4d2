//! A Mastodon instance's HTTP: the endpoints of its API with their shapes, headers and budgets. Rules live in the
//! state; this turns requests into its calls and its values into JSON.

use axum::Router;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{DefaultBodyLimit, Multipart, Path, Query, Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::entities::{account, attachment, configuration, entity};
use super::state::{Draft, Status};
use super::{Fields, Flavour, Mastodon, Refusal, consent, front, oauth, pages};

pub(super) fn router(instance: Mastodon) -> Router {
    let mut router = Router::new()
        .route("/api/v1/apps", post(oauth::register))
        .route("/oauth/authorize", get(consent::page).post(consent::decide))
        .route("/oauth/token", post(oauth::token))
        .route("/oauth/revoke", post(oauth::revoke))
        .route("/api/v1/accounts/verify_credentials", get(verify_credentials))
        .route("/api/v1/accounts/{id}/statuses", get(account_statuses))
        .route("/api/v1/instance", get(instance_v1))
        .route("/api/v2/instance", get(instance_v2))
        .route("/api/v1/media", post(upload_v1))
        .route("/api/v2/media", post(upload_v2))
        .route("/api/v1/media/{id}", get(poll))
        .route("/api/v1/statuses", post(publish))
        .route("/api/v1/statuses/{id}", get(status).delete(delete))
        .route("/system/media_attachments/{id}", get(pages::file))
        .route("/public", get(pages::public))
        .route("/{user}/{id}", get(pages::status))
        .route("/{user}", get(pages::user));
    if instance.0.options.flavour == Flavour::Mastodon {
        router = router.route("/api/v1/timelines/public", get(public_timeline));
    }
    if instance.0.options.at_least(4, 4) {
        router = router.route("/oauth/userinfo", get(oauth::userinfo).post(oauth::userinfo));
    }
    if instance.0.options.modern() {
        router = router.route("/.well-known/oauth-authorization-server", get(oauth::discovery));
    } else {
        // Asked of every instance by careful clients; absent on old ones, so no violation there.
        router = router.route("/.well-known/oauth-authorization-server", get(not_found));
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(from_fn_with_state(instance.clone(), front::pass))
        .layer(DefaultBodyLimit::disable())
        .with_state(instance)
}

/// `2026-11-22T16:00:00.000Z` with so many digits after the second.
pub(super) fn iso(ms: i64, digits: usize) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |at| format!("{at:.digits$}"))
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

pub(super) fn redirect(status: StatusCode, to: &str) -> Response {
    let mut response = status.into_response();
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

/// A handler's answer: a value as JSON, or a refusal.
pub(super) type Answer = Result<Response, Refused>;

/// A refusal on its way out.
pub(super) struct Refused(pub(super) Mastodon, pub(super) Refusal);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(instance, refusal) = self;
        if let Some(what) = &refusal.violation {
            instance.violation(what);
        }
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = json!({ "error": refusal.error });
        if let Some(description) = &refusal.description {
            body["error_description"] = json!(description);
        }
        let mut response = (status, axum::Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let value = format!(
                "Bearer realm=\"Doorkeeper\", error=\"invalid_token\", error_description=\"{}\"",
                refusal.error
            );
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
            }
        }
        response
    }
}

impl Mastodon {
    /// Runs a rule of the state; its refusal becomes the answer.
    pub(super) fn ask<T>(&self, rule: impl FnOnce(&mut super::State) -> Result<T, Refusal>) -> Result<T, Refused> {
        self.state(rule).map_err(|refusal| Refused(self.clone(), refusal))
    }
}

pub(super) fn ok(value: Value) -> Answer {
    Ok(axum::Json(value).into_response())
}

async fn unknown(State(instance): State<Mastodon>, request: Request) -> Answer {
    let what = format!("no endpoint {} {}", request.method(), request.uri().path());
    Err(Refused(instance, Refusal::new(404, "Record not found").violating(what)))
}

async fn not_found(State(instance): State<Mastodon>) -> Answer {
    Err(Refused(instance, Refusal::new(404, "Record not found")))
}

// --- fields ---

/// The fields of a JSON or form body. Form names that end in `[]` make lists.
pub(super) fn fields(headers: &HeaderMap, body: &[u8]) -> Fields {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        return serde_json::from_slice(body).unwrap_or_default();
    }
    let mut fields = Fields::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        match name.strip_suffix("[]") {
            Some(name) => {
                let list = fields.entry(name.to_owned()).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(json!(value));
                }
            }
            None => drop(fields.insert(name.into_owned(), json!(value))),
        }
    }
    fields
}

pub(super) fn text(fields: &Fields, name: &str) -> Option<String> {
    fields.get(name)?.as_str().map(str::to_owned)
}

pub(super) fn texts(fields: &Fields, name: &str) -> Vec<String> {
    let list = fields.get(name).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|one| one.as_str().map(str::to_owned).or_else(|| one.as_u64().map(|one| one.to_string()))).collect()
}

pub(super) fn truth(fields: &Fields, name: &str) -> bool {
    matches!(fields.get(name), Some(Value::Bool(true))) || matches!(text(fields, name).as_deref(), Some("true" | "1"))
}

// --- accounts ---

async fn verify_credentials(State(instance): State<Mastodon>, headers: HeaderMap) -> Answer {
    let scopes: &[&str] = if instance.0.options.modern() { &["read:accounts", "profile"] } else { &["read:accounts"] };
    let (_, user) = instance.ask(|state| state.acting(bearer(&headers), scopes))?;
    let mut account = instance.state(|state| account(state, &user));
    account["source"] = json!({
        "privacy": "public", "sensitive": false, "language": null, "note": "", "fields": [],
        "follow_requests_count": 0, "hide_collections": null, "discoverable": null, "indexable": false,
    });
    account["role"] = json!({ "id": "-99", "name": "", "permissions": "65536", "color": "", "highlighted": false });
    ok(account)
}

#[derive(serde::Deserialize)]
struct Paging {
    limit: Option<usize>,
    max_id: Option<String>,
    since_id: Option<String>,
    min_id: Option<String>,
}

/// Statuses, newest first, cut as the paging says.
fn page<'a>(statuses: impl Iterator<Item = &'a Status>, paging: &Paging) -> Vec<&'a Status> {
    // Ids grow with time: longer is newer, then alphabetical.
    let key = |id: &str| (id.len(), id.to_owned());
    let after = |id: &str, bound: &Option<String>| bound.as_ref().is_none_or(|bound| key(id) > key(bound));
    let before = |id: &str| paging.max_id.as_ref().is_none_or(|bound| key(id) < key(bound));
    let mut found: Vec<&Status> = statuses
        .filter(|one| before(&one.id) && after(&one.id, &paging.since_id) && after(&one.id, &paging.min_id))
        .collect();
    let limit = paging.limit.unwrap_or(20).min(40);
    // `min_id` pages from the oldest, the others from the newest.
    if paging.min_id.is_some() {
        found.truncate(limit);
        found.reverse();
    } else {
        found.reverse();
        found.truncate(limit);
    }
    found
}

/// Who looks: on Mastodon public things need no token, but a token that is sent must have the scope.
fn viewer(instance: &Mastodon, headers: &HeaderMap, scope: &str) -> Result<Option<String>, Refused> {
    let bearer = bearer(headers);
    if bearer.is_none() && instance.0.options.flavour == Flavour::Mastodon {
        return Ok(None);
    }
    instance.ask(|state| state.token(bearer, &[scope])).map(|token| token.user)
}

async fn account_statuses(
    State(instance): State<Mastodon>,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
    headers: HeaderMap,
) -> Answer {
    let scope = if instance.0.options.flavour == Flavour::Mastodon { "read:statuses" } else { "read:accounts" };
    let viewer = viewer(&instance, &headers, scope)?;
    let list = instance.ask(|state| {
        state.user(&id).ok_or_else(|| Refusal::new(404, "Record not found"))?;
        let own =
            state.statuses.iter().filter(|status| status.account == id && state.visible(status, viewer.as_deref()));
        Ok(page(own, &paging).into_iter().map(|status| entity(state, status)).collect::<Vec<_>>())
    })?;
    ok(json!(list))
}

async fn public_timeline(State(instance): State<Mastodon>, Query(paging): Query<Paging>) -> Answer {
    let list = instance.state(|state| {
        let all = state.statuses.iter().filter(|status| status.visibility == "public" && state.visible(status, None));
        page(all, &paging).into_iter().map(|status| entity(state, status)).collect::<Vec<_>>()
    });
    ok(json!(list))
}

// --- instance ---

async fn instance_v1(State(instance): State<Mastodon>) -> Answer {
    let version = &instance.0.options.version;
    ok(instance.state(|state| {
        json!({
            "uri": state.host(), "title": state.host(), "short_description": "", "description": "",
            "email": format!("admin@{}", state.host()), "version": version,
            "urls": { "streaming_api": format!("wss://{}", state.host()) },
            "stats": { "user_count": state.users.len(), "status_count": state.statuses.len(), "domain_count": 1 },
            "thumbnail": null, "languages": ["en"], "registrations": false, "approval_required": false,
            "invites_enabled": false, "configuration": configuration(state),
            "contact_account": state.users.first().map(|user| account(state, user)), "rules": [],
        })
    }))
}

async fn instance_v2(State(instance): State<Mastodon>) -> Answer {
    let version = &instance.0.options.version;
    ok(instance.state(|state| {
        let mut configuration = configuration(state);
        configuration["urls"] = json!({ "streaming": format!("wss://{}", state.host()) });
        configuration["translation"] = json!({ "enabled": false });
        configuration["media_attachments"]["description_limit"] = json!(state.limits.description);
        json!({
            "domain": state.host(), "title": state.host(), "version": version,
            "source_url": "https://github.com/mastodon/mastodon", "description": "",
            "usage": { "users": { "active_month": state.users.len() } },
            "thumbnail": { "url": format!("https://{}/packs/media/images/preview.png", state.host()) },
            "icon": [], "languages": ["en"], "configuration": configuration,
            "registrations": { "enabled": false, "approval_required": false, "message": null, "url": null },
            "api_versions": { "mastodon": 6 },
            "contact": { "email": format!("admin@{}", state.host()), "account": state.users.first().map(|user| account(state, user)) },
            "rules": [],
        })
    }))
}

// --- media ---

type Parts = Result<Multipart, MultipartRejection>;

async fn upload_v1(State(instance): State<Mastodon>, headers: HeaderMap, parts: Parts) -> Answer {
    upload(instance, &headers, parts, true).await
}

async fn upload_v2(State(instance): State<Mastodon>, headers: HeaderMap, parts: Parts) -> Answer {
    if !instance.state(|state| state.knobs.media_v2) {
        return Err(Refused(instance, Refusal::new(404, "Record not found")));
    }
    upload(instance, &headers, parts, false).await
}

async fn upload(instance: Mastodon, headers: &HeaderMap, parts: Parts, wait: bool) -> Answer {
    let (_, user) = instance.ask(|state| state.acting(bearer(headers), &["write:media"]))?;
    let (mut file, mut description) = (None, None);
    if let Ok(mut parts) = parts {
        while let Ok(Some(part)) = parts.next_field().await {
            match part.name() {
                Some("file") => file = part.bytes().await.ok(),
                Some("description") => description = part.text().await.ok(),
                _ => {}
            }
        }
    }
    let Some(file) = file else {
        let refusal =
            Refusal::new(422, "Validation failed: File can't be blank").violating("media without a file part");
        return Err(Refused(instance, refusal));
    };
    let media = instance.ask(|state| state.upload(&user.id, file, description, wait))?;
    let status = if media.ready { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, axum::Json(attachment(instance.host(), &media))).into_response())
}

async fn poll(State(instance): State<Mastodon>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let (_, user) = instance.ask(|state| state.acting(bearer(&headers), &["write:media"]))?;
    let media = instance.ask(|state| state.poll(&user.id, &id))?;
    let status = if media.ready { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    Ok((status, axum::Json(attachment(instance.host(), &media))).into_response())
}

// --- statuses ---

async fn publish(State(instance): State<Mastodon>, headers: HeaderMap, body: Bytes) -> Answer {
    let (token, user) = instance.ask(|state| state.acting(bearer(&headers), &["write:statuses"]))?;
    let fields = fields(&headers, &body);
    for other in ["poll", "scheduled_at"].into_iter().filter(|name| fields.contains_key(*name)) {
        instance.violation(&format!("{other} of a status is not emulated"));
    }
    let draft = Draft {
        text: text(&fields, "status").unwrap_or_default(),
        spoiler_text: text(&fields, "spoiler_text").unwrap_or_default(),
        visibility: text(&fields, "visibility"),
        sensitive: truth(&fields, "sensitive"),
        language: text(&fields, "language"),
        in_reply_to_id: text(&fields, "in_reply_to_id"),
        media_ids: texts(&fields, "media_ids"),
    };
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let now = instance.now();
    let status = instance.ask(|state| state.publish(&token, &user.id, draft, key.as_deref(), now))?;
    ok(instance.state(|state| entity(state, &status)))
}

async fn status(State(instance): State<Mastodon>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let viewer = viewer(&instance, &headers, "read:statuses")?;
    let found = instance.ask(|state| {
        let status = state.status(&id).filter(|status| state.visible(status, viewer.as_deref()));
        status.map(|status| entity(state, status)).ok_or_else(|| Refusal::new(404, "Record not found"))
    })?;
    ok(found)
}

async fn delete(State(instance): State<Mastodon>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let (_, user) = instance.ask(|state| state.acting(bearer(&headers), &["write:statuses"]))?;
    let gone = instance.ask(|state| {
        let own = state.status(&id).is_some_and(|status| status.account == user.id);
        let status = own.then(|| state.remove_status(&id)).flatten();
        let status = status.ok_or_else(|| Refusal::new(404, "Record not found"))?;
        let mut entity = entity(state, &status);
        entity["text"] = json!(status.text);
        Ok(entity)
    })?;
    ok(gone)
}
