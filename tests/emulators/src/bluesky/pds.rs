//! A personal data server's XRPC (`/xrpc/METHOD`), which the entryway also speaks for the vendor's accounts, and the
//! few reads of the app view that it relays. Rules on records live in `record`, everything kept in the state; this
//! turns requests into their calls, with the error names of the reference server.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::record::{check_blob, check_post, is_did, is_tid};
use super::state::{Account, POSTS};
use super::token::{Bad, REFRESH};
use super::{Bluesky, ENTRYWAY, Refusal, VENDOR_PDS};
use crate::throttle::Budget;

/// One data server: the network seen from a host.
#[derive(Clone)]
struct Pds {
    network: Bluesky,
    host: String,
}

pub(super) fn router(network: Bluesky, host: &str) -> Router {
    let server = Pds { network, host: host.to_owned() };
    Router::new()
        .route("/xrpc/com.atproto.server.createSession", post(create_session))
        .route("/xrpc/com.atproto.server.refreshSession", post(refresh_session))
        .route("/xrpc/com.atproto.server.getSession", get(get_session))
        .route("/xrpc/com.atproto.server.deleteSession", post(delete_session))
        .route("/xrpc/com.atproto.server.getServiceAuth", get(service_auth))
        .route("/xrpc/com.atproto.server.describeServer", get(describe_server))
        .route("/xrpc/com.atproto.repo.uploadBlob", post(upload_blob))
        .route("/xrpc/com.atproto.repo.createRecord", post(create_record))
        .route("/xrpc/com.atproto.repo.putRecord", post(put_record))
        .route("/xrpc/com.atproto.repo.deleteRecord", post(delete_record))
        .route("/xrpc/com.atproto.repo.getRecord", get(get_record))
        .route("/xrpc/com.atproto.repo.listRecords", get(list_records))
        .route("/xrpc/com.atproto.identity.resolveHandle", get(resolve_handle))
        .route("/xrpc/app.bsky.actor.getProfile", get(get_profile))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(server.clone(), front))
        .layer(DefaultBodyLimit::disable())
        .with_state(server)
}

/// The public app view: reads without a session.
pub(super) fn public_api(network: Bluesky) -> Router {
    let server = Pds { network, host: ENTRYWAY.to_owned() };
    Router::new()
        .route("/xrpc/app.bsky.actor.getProfile", get(public_profile))
        .route("/xrpc/com.atproto.identity.resolveHandle", get(resolve_handle))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(server)
}

/// A refusal on its way out, with the budget it ran into.
pub(super) struct Refused {
    network: Bluesky,
    refusal: Box<Refusal>,
    budget: Option<Budget>,
}

impl Refused {
    pub(super) fn new(network: &Bluesky, refusal: Refusal) -> Self {
        Self { network: network.clone(), refusal: Box::new(refusal), budget: None }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        if let Some(what) = &self.refusal.violation {
            self.network.violation(what);
        }
        let status = StatusCode::from_u16(self.refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({ "error": self.refusal.error, "message": self.refusal.message });
        let mut response = (status, axum::Json(body)).into_response();
        if let Some(budget) = self.budget {
            let wait = (budget.reset_ms - self.network.now()).max(0) as u64;
            put_header(response.headers_mut(), "retry-after", &wait.div_ceil(1000).to_string());
            show(response.headers_mut(), budget);
        }
        response
    }
}

pub(super) type Answer = Result<Response, Refused>;

pub(super) fn ok(value: Value) -> Answer {
    Ok(axum::Json(value).into_response())
}

fn put_header(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn show(headers: &mut HeaderMap, budget: Budget) {
    put_header(headers, "ratelimit-limit", &budget.limit.to_string());
    put_header(headers, "ratelimit-remaining", &budget.remaining.to_string());
    put_header(headers, "ratelimit-reset", &(budget.reset_ms / 1000).to_string());
    put_header(headers, "ratelimit-policy", &format!("{};w={}", budget.limit, budget.period_ms / 1000));
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Every call counts per address; its headers are shown unless the method has a tighter budget.
async fn front(State(server): State<Pds>, request: Request, next: Next) -> Response {
    let now = server.network.now();
    let budget =
        server.network.state(|state| state.knobs.rate_limits.then(|| state.throttles.calls.spend("127.0.0.1", 1, now)));
    let Some(budget) = budget else { return next.run(request).await };
    if !budget.allowed {
        return server.limited(budget).into_response();
    }
    let mut response = next.run(request).await;
    if !response.headers().contains_key("ratelimit-limit") {
        show(response.headers_mut(), budget);
    }
    response
}

async fn unknown(State(server): State<Pds>, request: Request) -> Answer {
    let what = format!("no method {} at {}", request.uri().path(), server.host);
    Err(server.refuse(Refusal::new(501, "MethodNotImplemented", "Method Not Implemented").violating(what)))
}

async fn wrong_method(State(server): State<Pds>, request: Request) -> Answer {
    let what = format!("Incorrect HTTP method ({}) for {}", request.method(), request.uri().path());
    Err(server.refuse(Refusal::new(405, "InvalidRequest", what.clone()).violating(what)))
}

impl Pds {
    fn refuse(&self, refusal: Refusal) -> Refused {
        Refused::new(&self.network, refusal)
    }

    fn limited(&self, budget: Budget) -> Refused {
        let refusal = Refusal::new(429, "RateLimitExceeded", "Rate Limit Exceeded");
        Refused { budget: Some(budget), ..self.refuse(refusal) }
    }

    fn invalid(&self, message: impl Into<String>) -> Refused {
        self.refuse(Refusal::invalid(message))
    }

    /// The payload of the token in the request.
    fn payload(&self, headers: &HeaderMap) -> Result<Value, Refused> {
        let missing = || self.refuse(Refusal::new(401, "AuthMissing", "Authentication Required"));
        let token = bearer(headers).ok_or_else(missing)?;
        let now = self.network.now();
        let signer = self.network.state(|state| state.signer.clone());
        signer.read(token, now).map_err(|bad| match bad {
            Bad::Invalid => self.refuse(Refusal::new(400, "InvalidToken", "Token could not be verified")),
            Bad::Expired => self.refuse(Refusal::new(400, "ExpiredToken", "Token has expired")),
        })
    }

    /// The account of an access token.
    fn session(&self, headers: &HeaderMap) -> Result<Account, Refused> {
        let payload = self.payload(headers)?;
        let scope = payload["scope"].as_str().unwrap_or_default();
        if scope.is_empty() || scope == REFRESH {
            let refusal = Refusal::new(400, "InvalidToken", "Bad token scope");
            return Err(self.refuse(refusal.violating("a token that is no access token")));
        }
        let did = payload["sub"].as_str().unwrap_or_default();
        let account = self.network.state(|state| state.served(&self.host, did).cloned());
        let account =
            account.ok_or_else(|| self.refuse(Refusal::new(400, "InvalidToken", "Token could not be verified")))?;
        if payload["epoch"].as_u64() != Some(account.epoch) {
            return Err(self.refuse(Refusal::new(400, "ExpiredToken", "Token has expired")));
        }
        Ok(account)
    }

    /// The account of an access token that may act.
    fn acting(&self, headers: &HeaderMap) -> Result<Account, Refused> {
        let account = self.session(headers)?;
        match account.standing.status() {
            None => Ok(account),
            Some("deactivated") => Err(self.refuse(Refusal::new(401, "AccountDeactivated", "Account is deactivated"))),
            Some(_) => Err(self.refuse(Refusal::new(401, "AccountTakedown", "Account has been taken down"))),
        }
    }

    /// The id of the refresh token in the request, with its account.
    fn refreshing(&self, headers: &HeaderMap, body: &[u8]) -> Result<(String, Account), Refused> {
        if !body.is_empty() {
            return Err(self.invalid("A request body was provided when none was expected"));
        }
        let payload = self.payload(headers)?;
        if payload["scope"] != REFRESH {
            let refusal = Refusal::new(400, "InvalidToken", "Bad token scope");
            return Err(self.refuse(refusal.violating("a token that is no refresh token")));
        }
        let did = payload["sub"].as_str().unwrap_or_default();
        let account = self.network.state(|state| state.served(&self.host, did).cloned());
        let account =
            account.ok_or_else(|| self.refuse(Refusal::new(400, "InvalidToken", "Token could not be verified")))?;
        Ok((payload["jti"].as_str().unwrap_or_default().to_owned(), account))
    }

    /// A JSON body of this shape.
    fn input<T: for<'a> Deserialize<'a>>(&self, headers: &HeaderMap, body: &[u8]) -> Result<T, Refused> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/json") {
            return Err(self.invalid(format!("Wrong request encoding (Content-Type): {kind}")));
        }
        serde_json::from_slice(body).map_err(|error| self.invalid(format!("Input {error}")))
    }

    /// Spends points of an account's write budget.
    fn spend(&self, did: &str, points: u64) -> Result<(), Refused> {
        let now = self.network.now();
        let budget = self.network.state(|state| {
            if !state.knobs.rate_limits {
                return None;
            }
            let hour = state.throttles.points_hour.spend(did, points, now);
            let day = state.throttles.points_day.spend(did, points, now);
            [hour, day].into_iter().find(|budget| !budget.allowed)
        });
        budget.map_or(Ok(()), |budget| Err(self.limited(budget)))
    }
}

// --- sessions ---

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignIn {
    identifier: String,
    password: String,
    auth_factor_token: Option<String>,
}

async fn create_session(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    let ask: SignIn = server.input(&headers, &body)?;
    let now = server.network.now();
    let budget = server.network.state(|state| {
        if !state.knobs.rate_limits {
            return None;
        }
        let short = state.throttles.session.spend(&ask.identifier, 1, now);
        let day = state.throttles.session_day.spend(&ask.identifier, 1, now);
        Some(if day.allowed { short } else { day })
    });
    if let Some(budget) = budget.filter(|budget| !budget.allowed) {
        return Err(server.limited(budget));
    }
    let factor = ask.auth_factor_token.as_deref();
    let signed_in = server.network.state(|state| state.sign_in(&server.host, &ask.identifier, &ask.password, factor));
    let (did, app_password) = signed_in.map_err(|refusal| server.refuse(refusal))?;
    let (access, refresh) = server.network.state(|state| state.open_session(&did, app_password, now));
    let mut response = ok(session(&server, &did, Some((access, refresh))))?;
    if let Some(budget) = budget {
        show(response.headers_mut(), budget);
    }
    Ok(response)
}

fn session(server: &Pds, did: &str, tokens: Option<(String, String)>) -> Value {
    server.network.state(|state| {
        let Some(account) = state.account(did) else { return Value::Null };
        let mut session = json!({
            "did": account.did,
            "handle": account.handle,
            "email": account.email,
            "emailConfirmed": true,
            "emailAuthFactor": account.email_factor,
            "active": account.standing.status().is_none(),
            "didDoc": super::State::document(account),
        });
        if let Some(status) = account.standing.status() {
            session["status"] = json!(status);
        }
        if let Some((access, refresh)) = tokens {
            session["accessJwt"] = json!(access);
            session["refreshJwt"] = json!(refresh);
        }
        session
    })
}

async fn refresh_session(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    let (id, account) = server.refreshing(&headers, &body)?;
    if account.standing.blocked() {
        return Err(server.refuse(Refusal::new(401, "AccountTakedown", "Account has been taken down")));
    }
    let now = server.network.now();
    let rotated = server.network.state(|state| state.rotate(&id, now));
    let (did, access, refresh) = rotated.map_err(|refusal| server.refuse(refusal))?;
    ok(session(&server, &did, Some((access, refresh))))
}

async fn get_session(State(server): State<Pds>, headers: HeaderMap) -> Answer {
    let account = server.session(&headers)?;
    ok(session(&server, &account.did, None))
}

async fn delete_session(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    let (id, _) = server.refreshing(&headers, &body)?;
    server.network.state(|state| state.close_session(&id));
    Ok(StatusCode::OK.into_response())
}

#[derive(Deserialize)]
struct ServiceAuth {
    aud: String,
    exp: Option<i64>,
    lxm: Option<String>,
}

async fn service_auth(State(server): State<Pds>, Query(ask): Query<ServiceAuth>, headers: HeaderMap) -> Answer {
    let account = server.acting(&headers)?;
    if !is_did(ask.aud.split('#').next().unwrap_or_default()) {
        return Err(server.invalid("aud must be a DID"));
    }
    let now = server.network.now() / 1000;
    let exp = ask.exp.unwrap_or(now + 60);
    let bad = match exp - now {
        ..=-1 => Some("expiration is in past"),
        3601.. => Some("cannot request a token with an expiration more than an hour in the future"),
        61.. if ask.lxm.is_none() => {
            Some("cannot request a method-less token with an expiration more than a minute in the future")
        }
        _ => None,
    };
    if let Some(bad) = bad {
        return Err(server.refuse(Refusal::new(400, "BadExpiration", bad).violating(bad)));
    }
    let payload = json!({ "iss": account.did, "aud": ask.aud, "lxm": ask.lxm, "iat": now, "exp": exp });
    ok(json!({ "token": server.network.state(|state| state.signer.sign("JWT", &payload)) }))
}

async fn describe_server(State(server): State<Pds>) -> Answer {
    let domain = if server.host == ENTRYWAY || server.host == VENDOR_PDS {
        ".bsky.social".to_owned()
    } else {
        format!(".{}", server.host)
    };
    ok(json!({
        "did": format!("did:web:{}", server.host),
        "availableUserDomains": [domain],
        "inviteCodeRequired": false,
        "blobUploadLimit": server.network.state(|state| state.knobs.blob_limit),
        "links": {},
        "contact": {},
    }))
}

// --- repository ---

async fn upload_blob(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    let account = server.acting(&headers)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.ok_or_else(|| server.invalid("Request encoding (Content-Type) required but not provided"))?;
    if kind.contains('*') {
        // The server looks at the bytes and may get by, but a client that does not say what it sends gets a guess.
        server.network.violation(&format!("uploadBlob with Content-Type {kind}"));
    }
    let now = server.network.now();
    let (limit, budget) = server.network.state(|state| {
        let budget = state.knobs.rate_limits.then(|| state.throttles.blobs.spend(&account.did, 1, now));
        (state.knobs.blob_limit, budget)
    });
    if let Some(budget) = budget.filter(|budget| !budget.allowed) {
        return Err(server.limited(budget));
    }
    if body.len() > limit {
        return Err(server.refuse(Refusal::new(413, "PayloadTooLarge", "request entity too large")));
    }
    let blob = server.network.state(|state| state.store_blob(&account.did, kind, body, now));
    ok(json!({ "blob": blob_ref(&blob.cid, &blob.mime, blob.bytes.len()) }))
}

pub(super) fn blob_ref(cid: &str, mime: &str, size: usize) -> Value {
    json!({ "$type": "blob", "ref": { "$link": cid }, "mimeType": mime, "size": size })
}

#[derive(Deserialize)]
struct Write {
    repo: String,
    collection: String,
    rkey: Option<String>,
    validate: Option<bool>,
    #[serde(default)]
    record: Value,
}

async fn create_record(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    write(&server, &headers, &body, false)
}

async fn put_record(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    write(&server, &headers, &body, true)
}

/// The caller's own repository, which `repo` must name.
fn own_repo(server: &Pds, account: &Account, repo: &str) -> Result<(), Refused> {
    let did = server.network.state(|state| state.account(repo).map(|found| found.did.clone()));
    match did {
        Some(did) if did == account.did => Ok(()),
        Some(_) => {
            let refusal = Refusal::new(401, "AuthenticationRequired", "Authentication Required");
            Err(server.refuse(refusal.violating("a write to another repository")))
        }
        None => Err(server.invalid(format!("Could not find repo: {repo}"))),
    }
}

fn write(server: &Pds, headers: &HeaderMap, body: &[u8], replace: bool) -> Answer {
    let account = server.acting(headers)?;
    let mut ask: Write = server.input(headers, body)?;
    own_repo(server, &account, &ask.repo)?;
    let (did, collection) = (account.did, ask.collection);
    server.spend(&did, if replace { 2 } else { 3 })?;
    if !ask.record.is_object() {
        return Err(server.invalid("Input/record must be an object"));
    }
    match ask.record["$type"].as_str() {
        None => ask.record["$type"] = json!(collection),
        Some(kind) if kind != collection => {
            return Err(server.invalid(format!("Invalid $type: expected {collection}, got {kind}")));
        }
        Some(_) => {}
    }
    let now = server.network.now();
    if replace && ask.rkey.is_none() {
        return Err(server.invalid("Input must have the property \"rkey\""));
    }
    let known = collection == POSTS;
    if known && ask.rkey.as_deref().is_some_and(|rkey| !is_tid(rkey)) {
        return Err(server.invalid(format!("Invalid record key for {collection}: expected a TID")));
    }
    if known && ask.validate != Some(false) {
        let limit = server.network.state(|state| state.knobs.image_limit);
        let checked = check_post(&ask.record, limit).map_err(|refusal| server.refuse(refusal))?;
        checked.odd.iter().for_each(|odd| server.network.violation(odd));
        for named in &checked.blobs {
            let verdict = server.network.state(|state| {
                let stored = state.usable_blob(&did, &named.cid, now);
                check_blob(named, stored.map(|blob| (blob.mime.as_str(), blob.bytes.len() as u64)))
            });
            verdict.map_err(|refusal| server.refuse(refusal))?;
        }
    }
    let rkey = ask.rkey.unwrap_or_else(|| server.network.state(|state| state.free_tid(&did, &collection, now)));
    let taken = server.network.state(|state| state.record(&did, &collection, &rkey).is_some());
    if taken && !replace {
        // The tree throws on a key that exists, and nobody catches it (atproto repo/src/mst).
        return Err(server.refuse(Refusal::new(500, "InternalServerError", "Internal Server Error")));
    }
    let (cid, rev) = server.network.state(|state| {
        let rev = state.free_tid(&did, &collection, now);
        (state.put(&did, &collection, &rkey, ask.record), rev)
    });
    ok(json!({
        "uri": format!("at://{did}/{collection}/{rkey}"),
        "cid": cid,
        "commit": { "cid": cid, "rev": rev },
        "validationStatus": if known && ask.validate != Some(false) { "valid" } else { "unknown" },
    }))
}

#[derive(Deserialize)]
struct Delete {
    repo: String,
    collection: String,
    rkey: String,
}

async fn delete_record(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    let account = server.acting(&headers)?;
    let ask: Delete = server.input(&headers, &body)?;
    own_repo(&server, &account, &ask.repo)?;
    server.spend(&account.did, 1)?;
    // Nothing there is fine: the method makes sure that it does not exist.
    server.network.state(|state| state.remove(&account.did, &ask.collection, &ask.rkey));
    ok(json!({}))
}

#[derive(Deserialize)]
struct Get {
    repo: String,
    collection: String,
    rkey: String,
}

/// The DID of a repository that this host has.
fn repo(server: &Pds, repo: &str) -> Result<String, Refused> {
    let did = server.network.state(|state| state.served(&server.host, repo).map(|account| account.did.clone()));
    did.ok_or_else(|| server.refuse(Refusal::new(400, "InvalidRequest", format!("Could not find repo: {repo}"))))
}

async fn get_record(State(server): State<Pds>, Query(ask): Query<Get>) -> Answer {
    let did = repo(&server, &ask.repo)?;
    let uri = format!("at://{did}/{}/{}", ask.collection, ask.rkey);
    let found = server.network.state(|state| state.record(&did, &ask.collection, &ask.rkey).cloned());
    match found {
        Some((cid, value)) => ok(json!({ "uri": uri, "cid": cid, "value": value })),
        None => Err(server.refuse(Refusal::new(400, "RecordNotFound", format!("Could not locate record: {uri}")))),
    }
}

#[derive(Deserialize)]
struct List {
    repo: String,
    collection: String,
    limit: Option<usize>,
    cursor: Option<String>,
    reverse: Option<bool>,
}

async fn list_records(State(server): State<Pds>, Query(ask): Query<List>) -> Answer {
    let limit = ask.limit.unwrap_or(50);
    if !(1..=100).contains(&limit) {
        return Err(server.invalid("limit must be between 1 and 100"));
    }
    let did = repo(&server, &ask.repo)?;
    let mut records = server.network.state(|state| state.records(&did, &ask.collection));
    let rising = ask.reverse == Some(true);
    if !rising {
        records.reverse();
    }
    if let Some(cursor) = &ask.cursor {
        records.retain(|record| if rising { record.rkey > *cursor } else { record.rkey < *cursor });
    }
    records.truncate(limit);
    let mut answer = json!({
        "records": records.iter().map(|one| json!({ "uri": one.uri, "cid": one.cid, "value": one.value })).collect::<Vec<_>>(),
    });
    if let Some(last) = records.last() {
        answer["cursor"] = json!(last.rkey);
    }
    ok(answer)
}

// --- identity and profile ---

#[derive(Deserialize)]
struct Handle {
    handle: String,
}

async fn resolve_handle(State(server): State<Pds>, Query(ask): Query<Handle>) -> Answer {
    let found = server.network.state(|state| {
        state
            .accounts
            .iter()
            .find(|account| account.handle.eq_ignore_ascii_case(&ask.handle))
            .map(|account| account.did.clone())
    });
    match found {
        Some(did) => ok(json!({ "did": did })),
        None => Err(server.refuse(Refusal::new(400, "InvalidRequest", "Unable to resolve handle"))),
    }
}

#[derive(Deserialize)]
struct Actor {
    actor: String,
}

async fn get_profile(State(server): State<Pds>, Query(ask): Query<Actor>, headers: HeaderMap) -> Answer {
    server.session(&headers)?;
    profile(&server, &ask.actor)
}

async fn public_profile(State(server): State<Pds>, Query(ask): Query<Actor>) -> Answer {
    profile(&server, &ask.actor)
}

fn profile(server: &Pds, actor: &str) -> Answer {
    if server.network.state(|state| state.knobs.appview_down) {
        return Err(server.refuse(Refusal::new(502, "UpstreamFailure", "Upstream Failure")));
    }
    let found =
        server.network.state(|state| state.account(actor).map(|found| (found.clone(), state.posts(actor).len())));
    match found {
        None => Err(server.refuse(Refusal::new(400, "InvalidRequest", "Profile not found"))),
        Some((account, _)) if account.standing.blocked() => {
            Err(server.refuse(Refusal::new(400, "AccountTakedown", "Account has been suspended")))
        }
        Some((account, posts)) => ok(json!({
            "did": account.did,
            "handle": account.handle,
            "displayName": account.display_name,
            "createdAt": jiff::Timestamp::from_millisecond(account.created_ms).map(|at| format!("{at:.3}")).unwrap_or_default(),
            "followersCount": 0, "followsCount": 0, "postsCount": posts, "labels": [],
            "viewer": { "muted": false, "blockedBy": false },
        })),
    }
}
