//! A Mastodon instance's HTTP: the endpoints of its API with their shapes, headers and budgets. Rules live in the
//! state; this turns requests into its calls and its values into JSON.

use axum::Router;
use axum::body::Body;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{DefaultBodyLimit, Multipart, Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use maud::{DOCTYPE, Markup, html};
use serde_json::{Value, json};

use super::state::{Draft, Exchange, Media, Status, User, UserState};
use super::{Fields, Flavour, Mastodon, Refusal, consent};
use crate::throttle::Budget;

pub(super) fn router(instance: Mastodon) -> Router {
    let mut router = Router::new()
        .route("/api/v1/apps", post(register))
        .route("/oauth/authorize", get(consent::page).post(consent::decide))
        .route("/oauth/token", post(token))
        .route("/oauth/revoke", post(revoke))
        .route("/api/v1/accounts/verify_credentials", get(verify_credentials))
        .route("/api/v1/accounts/{id}/statuses", get(account_statuses))
        .route("/api/v1/instance", get(instance_v1))
        .route("/api/v2/instance", get(instance_v2))
        .route("/api/v1/media", post(upload_v1))
        .route("/api/v2/media", post(upload_v2))
        .route("/api/v1/media/{id}", get(poll))
        .route("/api/v1/statuses", post(publish))
        .route("/api/v1/statuses/{id}", get(status).delete(delete))
        .route("/system/media_attachments/{id}", get(file))
        .route("/public", get(public_page))
        .route("/{user}/{id}", get(status_page))
        .route("/{user}", get(user_page));
    if instance.0.options.flavour == Flavour::Mastodon {
        router = router.route("/api/v1/timelines/public", get(public_timeline));
    }
    if instance.0.options.modern() {
        router = router.route("/.well-known/oauth-authorization-server", get(discovery));
    } else {
        // Asked of every instance by careful clients; absent on old ones, so no violation there.
        router = router.route("/.well-known/oauth-authorization-server", get(not_found));
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(from_fn_with_state(instance.clone(), front))
        .layer(DefaultBodyLimit::disable())
        .with_state(instance)
}

/// The front end and Rack::Attack: what is decided before the application sees a request.
async fn front(State(instance): State<Mastodon>, request: Request, next: Next) -> Response {
    let (knobs, body_size) = instance.state(|state| (state.knobs.clone(), state.limits.body_size));
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    if let Some(origin) = knobs.redirect_to {
        return redirect(StatusCode::MOVED_PERMANENTLY, &format!("{origin}{target}"));
    }
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if writes && length.is_none() && knobs.require_content_length {
        let page = html! { (DOCTYPE) html { h1 { "411 Length Required" } } };
        return (StatusCode::LENGTH_REQUIRED, page).into_response();
    }
    if length.is_some_and(|length| length > body_size) {
        let page = html! { (DOCTYPE) html { h1 { "413 Request Entity Too Large" } } };
        return (StatusCode::PAYLOAD_TOO_LARGE, page).into_response();
    }
    let Some(budget) = knobs.rate_limits.then(|| budget(&instance, &request)).flatten() else {
        return next.run(request).await;
    };
    let mut response = if budget.allowed {
        next.run(request).await
    } else {
        (StatusCode::TOO_MANY_REQUESTS, axum::Json(json!({ "error": "Too many requests" }))).into_response()
    };
    let values = [
        ("x-ratelimit-limit", budget.limit.to_string()),
        ("x-ratelimit-remaining", budget.remaining.to_string()),
        // ISO 8601 with microseconds, not seconds as elsewhere.
        ("x-ratelimit-reset", iso(budget.reset_ms, 6)),
    ];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The tightest budget that counts this request; `None` outside the API.
fn budget(instance: &Mastodon, request: &Request) -> Option<Budget> {
    let path = request.uri().path();
    if !path.starts_with("/api/") {
        return None;
    }
    let now = instance.now();
    let bearer = bearer(request.headers()).map(str::to_owned);
    instance.state(|state| {
        // Media and deletions are counted per user, everything else per token, or per address without one.
        let user = bearer.as_deref().and_then(|bearer| state.owner(bearer));
        let key = bearer.unwrap_or_else(|| "127.0.0.1".to_owned());
        let general = state.throttles.api.spend(&key, 1, now);
        let user = user.unwrap_or(key);
        let special = match *request.method() {
            Method::POST if path.ends_with("/media") => Some(state.throttles.media.spend(&user, 1, now)),
            Method::DELETE if path.starts_with("/api/v1/statuses/") => {
                Some(state.throttles.delete.spend(&user, 1, now))
            }
            Method::POST if path == "/api/v1/apps" => Some(state.throttles.apps.spend("127.0.0.1", 1, now)),
            _ => None,
        };
        Some(match special {
            Some(special) if general.allowed => special,
            _ => general,
        })
    })
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
type Answer = Result<Response, Refused>;

/// A refusal on its way out.
pub(super) struct Refused(Mastodon, Refusal);

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
    fn ask<T>(&self, rule: impl FnOnce(&mut super::State) -> Result<T, Refusal>) -> Result<T, Refused> {
        self.state(rule).map_err(|refusal| Refused(self.clone(), refusal))
    }
}

fn ok(value: Value) -> Answer {
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
fn fields(headers: &HeaderMap, body: &[u8]) -> Fields {
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

fn text(fields: &Fields, name: &str) -> Option<String> {
    fields.get(name)?.as_str().map(str::to_owned)
}

fn texts(fields: &Fields, name: &str) -> Vec<String> {
    let list = fields.get(name).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|one| one.as_str().map(str::to_owned).or_else(|| one.as_u64().map(|one| one.to_string()))).collect()
}

fn truth(fields: &Fields, name: &str) -> bool {
    matches!(fields.get(name), Some(Value::Bool(true))) || matches!(text(fields, name).as_deref(), Some("true" | "1"))
}

// --- apps and OAuth ---

async fn register(State(instance): State<Mastodon>, headers: HeaderMap, body: Bytes) -> Answer {
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

async fn discovery(State(instance): State<Mastodon>) -> Answer {
    ok(json!({
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
    }))
}

/// Client id and secret: in the body, and for Mastodon also as Basic credentials.
fn client(instance: &Mastodon, headers: &HeaderMap, fields: &Fields) -> (String, String) {
    use base64::Engine as _;
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let decoded = basic
        .filter(|_| instance.0.options.flavour == Flavour::Mastodon)
        .and_then(|basic| String::from_utf8(base64::engine::general_purpose::STANDARD.decode(basic).ok()?).ok());
    let from_basic =
        decoded.as_deref().and_then(|pair| pair.split_once(':')).map(|(id, secret)| (id.to_owned(), secret.to_owned()));
    from_basic.unwrap_or_else(|| {
        (text(fields, "client_id").unwrap_or_default(), text(fields, "client_secret").unwrap_or_default())
    })
}

async fn token(State(instance): State<Mastodon>, headers: HeaderMap, body: Bytes) -> Answer {
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

async fn revoke(State(instance): State<Mastodon>, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = fields(&headers, &body);
    let (client_id, client_secret) = client(&instance, &headers, &fields);
    let token = text(&fields, "token").unwrap_or_default();
    instance.ask(|state| state.revoke(&client_id, &client_secret, &token))?;
    ok(json!({}))
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

fn account(state: &super::State, user: &User) -> Value {
    let host = state.host();
    let statuses = state.statuses.iter().filter(|status| status.account == user.id).count();
    let picture = format!("https://{host}/avatars/original/missing.png");
    let header = format!("https://{host}/headers/original/missing.png");
    json!({
        "id": user.id,
        "username": user.name,
        "acct": user.name,
        "display_name": user.display_name,
        "locked": false,
        "bot": false,
        "discoverable": true,
        "indexable": false,
        "group": false,
        // Accounts tell the day only.
        "created_at": iso(user.created_ms - user.created_ms.rem_euclid(86_400_000), 3),
        "note": "",
        "url": format!("https://{host}/@{}", user.name),
        "uri": format!("https://{host}/users/{}", user.name),
        "avatar": picture,
        "avatar_static": picture,
        "header": header,
        "header_static": header,
        "followers_count": 0,
        "following_count": 0,
        "statuses_count": statuses,
        "last_status_at": null,
        "emojis": [],
        "roles": [],
        "fields": [],
    })
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

fn configuration(state: &super::State) -> Value {
    let limits = &state.limits;
    json!({
        "accounts": { "max_featured_tags": 10, "max_pinned_statuses": 5 },
        "statuses": {
            "max_characters": limits.max_characters,
            "max_media_attachments": limits.max_media,
            "characters_reserved_per_url": limits.url_length,
        },
        "media_attachments": {
            "supported_mime_types": limits.mime_types,
            "image_size_limit": limits.image_size,
            "image_matrix_limit": limits.image_matrix,
            "video_size_limit": limits.video_size,
            "video_frame_rate_limit": 120,
            "video_matrix_limit": 8_294_400,
        },
        "polls": { "max_options": 4, "max_characters_per_option": 50, "min_expiration": 300, "max_expiration": 2_629_746 },
    })
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

fn attachment(host: &str, media: &Media) -> Value {
    let url = media.ready.then(|| format!("https://{host}/system/media_attachments/{}", media.id));
    let meta = media.dimensions.map_or_else(
        || json!({}),
        |(width, height)| json!({ "original": { "width": width, "height": height, "size": format!("{width}x{height}"), "aspect": width as f64 / height.max(1) as f64 } }),
    );
    json!({
        "id": media.id, "type": media.kind, "url": url, "preview_url": url, "remote_url": null, "meta": meta,
        "description": media.description, "blurhash": "UBL_:rOpGG-oBUNG,qRj2so|=eE1w^n4S5NH",
    })
}

async fn file(State(instance): State<Mastodon>, Path(id): Path<String>) -> Response {
    let media = instance.state(|state| state.media.iter().find(|media| media.id == id).cloned());
    match media {
        Some(media) => ([(header::CONTENT_TYPE, media.mime)], Body::from(media.bytes)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
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

fn entity(state: &super::State, status: &Status) -> Value {
    let host = state.host();
    let author = state.user(&status.account);
    let name = author.map_or("", |user| user.name.as_str());
    let app = state.app(&status.client_id).map(|app| json!({ "name": app.name, "website": app.website }));
    json!({
        "id": status.id,
        "created_at": iso(status.created_ms, 3),
        "edited_at": null,
        "in_reply_to_id": status.in_reply_to_id,
        "in_reply_to_account_id": null,
        "sensitive": status.sensitive,
        "spoiler_text": status.spoiler_text,
        "visibility": status.visibility,
        "language": status.language,
        "uri": format!("https://{host}/users/{name}/statuses/{}", status.id),
        "url": format!("https://{host}/@{name}/{}", status.id),
        "replies_count": 0, "reblogs_count": 0, "favourites_count": 0, "quotes_count": 0,
        "favourited": false, "reblogged": false, "muted": false, "bookmarked": false, "pinned": false,
        "content": content(&status.text).into_string(),
        "reblog": null,
        "application": app,
        "account": author.map(|user| account(state, user)),
        "media_attachments": status.media.iter().map(|media| attachment(host, media)).collect::<Vec<_>>(),
        "mentions": [], "tags": [], "emojis": [], "card": null, "poll": null,
    })
}

/// Plain text as Mastodon shows it: HTML of the text is shown as text, lines are kept.
fn content(text: &str) -> Markup {
    html! {
        @if !text.is_empty() {
            p { @for (index, line) in text.lines().enumerate() { @if index > 0 { br; } (line) } }
        }
    }
}

// --- pages ---

fn shown(title: &str, up: &str, statuses: &[(String, Status)]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (title) } }
            body {
                h1 { (title) }
                @for (author, status) in statuses {
                    article id=(status.id) {
                        h2 { (author) }
                        @if !status.spoiler_text.is_empty() { strong { (status.spoiler_text) } }
                        (content(&status.text))
                        @for media in &status.media {
                            @let source = format!("{up}system/media_attachments/{}", media.id);
                            @if media.kind == "image" {
                                img src=(source) alt=(media.description.as_deref().unwrap_or_default()) width="320";
                            } @else {
                                video controls src=(source) title=(media.description.as_deref().unwrap_or_default()) width="320" {}
                            }
                        }
                        p { time { (iso(status.created_ms, 0)) } }
                    }
                }
            }
        }
    }
}

/// The statuses anybody sees, newest first, with their authors' names.
fn seen(instance: &Mastodon, which: impl Fn(&Status, &User) -> bool) -> Vec<(String, Status)> {
    instance.state(|state| {
        let all = state.statuses.iter().rev().filter(|status| state.visible(status, None));
        let with_author = all.filter_map(|status| Some((state.user(&status.account)?, status)));
        with_author
            .filter(|(user, status)| which(status, user))
            .map(|(user, status)| (user.display_name.clone(), status.clone()))
            .collect()
    })
}

async fn public_page(State(instance): State<Mastodon>) -> Markup {
    shown(instance.host(), "", &seen(&instance, |status, _| status.visibility == "public"))
}

async fn user_page(State(instance): State<Mastodon>, Path(name): Path<String>) -> Response {
    let known = |state: &mut super::State| {
        state.users.iter().any(|user| name.strip_prefix('@') == Some(&user.name) && user.state != UserState::Suspended)
    };
    if !instance.state(known) {
        return StatusCode::NOT_FOUND.into_response();
    }
    shown(&name, "", &seen(&instance, |_, user| name.strip_prefix('@') == Some(&user.name))).into_response()
}

async fn status_page(State(instance): State<Mastodon>, Path((name, id)): Path<(String, String)>) -> Response {
    let found = seen(&instance, |status, user| status.id == id && name.strip_prefix('@') == Some(&user.name));
    if found.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    shown(&name, "../", &found).into_response()
}
