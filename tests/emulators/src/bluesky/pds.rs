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

use super::record::is_did;
use super::state::Account;
use super::token::{Bad, REFRESH};
use super::{Bluesky, ENTRYWAY, Refusal, VENDOR_PDS, appview, repo};
use crate::throttle::Budget;

/// One data server: the network seen from a host.
#[derive(Clone)]
pub(super) struct Pds {
    pub(super) network: Bluesky,
    pub(super) host: String,
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
        .route("/xrpc/com.atproto.repo.uploadBlob", post(repo::upload_blob))
        .route("/xrpc/com.atproto.repo.createRecord", post(repo::create_record))
        .route("/xrpc/com.atproto.repo.putRecord", post(repo::put_record))
        .route("/xrpc/com.atproto.repo.deleteRecord", post(repo::delete_record))
        .route("/xrpc/com.atproto.repo.getRecord", get(repo::get_record))
        .route("/xrpc/com.atproto.repo.listRecords", get(repo::list_records))
        .route("/xrpc/com.atproto.identity.resolveHandle", get(appview::resolve_handle))
        .route("/xrpc/app.bsky.actor.getProfile", get(appview::get_profile))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(server.clone(), front))
        .layer(DefaultBodyLimit::disable())
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

pub(super) async fn unknown(State(server): State<Pds>, request: Request) -> Answer {
    let what = format!("no method {} at {}", request.uri().path(), server.host);
    Err(server.refuse(Refusal::new(501, "MethodNotImplemented", "Method Not Implemented").violating(what)))
}

pub(super) async fn wrong_method(State(server): State<Pds>, request: Request) -> Answer {
    let what = format!("Incorrect HTTP method ({}) for {}", request.method(), request.uri().path());
    Err(server.refuse(Refusal::new(400, "InvalidRequest", what.clone()).violating(what)))
}

impl Pds {
    pub(super) fn refuse(&self, refusal: Refusal) -> Refused {
        Refused::new(&self.network, refusal)
    }

    pub(super) fn limited(&self, budget: Budget) -> Refused {
        let refusal = Refusal::new(429, "RateLimitExceeded", "Rate Limit Exceeded");
        Refused { budget: Some(budget), ..self.refuse(refusal) }
    }

    pub(super) fn invalid(&self, message: impl Into<String>) -> Refused {
        self.refuse(Refusal::invalid(message))
    }

    /// The payload of the token in the request, good at `now` (Unix ms).
    fn payload(&self, headers: &HeaderMap, now: i64) -> Result<Value, Refused> {
        let missing = || self.refuse(Refusal::new(401, "AuthMissing", "Authentication Required"));
        let token = bearer(headers).ok_or_else(missing)?;
        let signer = self.network.state(|state| state.signer.clone());
        signer.read(token, now).map_err(|bad| match bad {
            Bad::Invalid => self.refuse(Refusal::new(400, "InvalidToken", "Token could not be verified")),
            Bad::Expired => self.refuse(Refusal::new(400, "ExpiredToken", "Token has expired")),
        })
    }

    /// The account of an access token.
    pub(super) fn session(&self, headers: &HeaderMap) -> Result<Account, Refused> {
        let payload = self.payload(headers, self.network.now())?;
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

    pub(super) fn not_taken_down(&self, account: &Account) -> Result<(), Refused> {
        if account.standing.blocked() {
            return Err(self.refuse(Refusal::new(401, "AccountTakedown", "Account has been taken down")));
        }
        Ok(())
    }

    /// The account of an access token that may act.
    pub(super) fn acting(&self, headers: &HeaderMap) -> Result<Account, Refused> {
        let account = self.session(headers)?;
        self.not_taken_down(&account)?;
        if account.standing.status().is_some() {
            return Err(self.refuse(Refusal::new(401, "AccountDeactivated", "Account is deactivated")));
        }
        Ok(account)
    }

    /// The id of the refresh token in the request, good at `now` (Unix ms), with its account.
    fn refreshing(&self, headers: &HeaderMap, body: &[u8], now: i64) -> Result<(String, Account), Refused> {
        if !body.is_empty() {
            return Err(self.invalid("A request body was provided when none was expected"));
        }
        let payload = self.payload(headers, now)?;
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
    pub(super) fn input<T: for<'a> Deserialize<'a>>(&self, headers: &HeaderMap, body: &[u8]) -> Result<T, Refused> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/json") {
            return Err(self.invalid(format!("Wrong request encoding (Content-Type): {kind}")));
        }
        serde_json::from_slice(body).map_err(|error| self.invalid(format!("Input {error}")))
    }

    /// Spends points of an account's write budget.
    pub(super) fn spend(&self, did: &str, points: u64) -> Result<(), Refused> {
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
    let now = server.network.now();
    let (id, account) = server.refreshing(&headers, &body, now)?;
    if account.standing.blocked() {
        return Err(server.refuse(Refusal::new(401, "AccountTakedown", "Account has been taken down")));
    }
    let rotated = server.network.state(|state| state.rotate(&id, now));
    let (did, access, refresh) = rotated.map_err(|refusal| server.refuse(refusal))?;
    ok(session(&server, &did, Some((access, refresh))))
}

async fn get_session(State(server): State<Pds>, headers: HeaderMap) -> Answer {
    let account = server.session(&headers)?;
    if account.standing.blocked() && account.pds != VENDOR_PDS {
        // The reference server leaves out who is taken down; the vendor's entryway tells the status.
        let message = format!("Could not find user info for account: {}", account.did);
        return Err(server.refuse(Refusal::new(400, "InvalidRequest", message)));
    }
    ok(session(&server, &account.did, None))
}

async fn delete_session(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    // An expired token will do (`allowExpired`): every expiry lies after the epoch.
    let (id, _) = server.refreshing(&headers, &body, 0)?;
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
    // A session is enough: the account may be deactivated, because it is how accounts move.
    let account = server.session(&headers)?;
    server.not_taken_down(&account)?;
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
