//! Discord's HTTP envelope: versions, authorization, user agents, bodies, refusals, rate limits. It names the endpoints
//! and hands each to the module that does it. Source: "API Reference" in Discord's documentation, and its OpenAPI
//! description.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State as Shared};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{Inner, interactions, messages, oauth, rest, state::State};

/// "The maximum request size when sending a message is 25 MiB."
const REQUEST_LIMIT: usize = 25 * 1024 * 1024;

/// An answer that is no success.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: u64,
    pub(super) message: String,
    pub(super) errors: Option<Value>,
    /// Seconds, and whether the whole bot has to wait.
    pub(super) retry_after: Option<(f64, bool)>,
    /// No correct client sends this, whatever the state.
    pub(super) mistake: bool,
    /// For the list of violations.
    pub(super) detail: String,
}

impl Refusal {
    /// A refusal that a correct client can meet.
    pub(super) fn new(status: u16, code: u64, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
            errors: None,
            retry_after: None,
            mistake: false,
            detail: String::new(),
        }
    }

    /// A refusal that only a wrong client meets: it is also a violation.
    pub(super) fn mistake(status: u16, code: u64, message: &str) -> Self {
        Self { mistake: true, ..Self::new(status, code, message) }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, 0, "401: Unauthorized")
    }

    pub(super) fn missing_access() -> Self {
        Self::new(403, 50001, "Missing Access")
    }

    pub(super) fn missing_permissions() -> Self {
        Self::new(403, 50013, "Missing Permissions")
    }

    pub(super) fn too_large() -> Self {
        Self::mistake(413, 40005, "Request entity too large")
    }

    fn answer(&self) -> Response {
        let mut body = json!({ "code": self.code, "message": self.message });
        if let Some(errors) = &self.errors {
            body["errors"] = errors.clone();
        }
        let mut headers = HeaderMap::new();
        if let Some((seconds, global)) = self.retry_after {
            body["retry_after"] = json!(seconds);
            body["global"] = json!(global);
            let mut set = |name: &'static str, value: String| {
                if let Ok(value) = value.parse() {
                    headers.insert(name, value);
                }
            };
            set("retry-after", format!("{}", seconds.ceil()));
            set("x-ratelimit-reset-after", format!("{seconds}"));
            set("x-ratelimit-remaining", "0".to_owned());
            set("x-ratelimit-scope", if global { "global" } else { "user" }.to_owned());
            if global {
                set("x-ratelimit-global", "true".to_owned());
            }
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, headers, axum::Json(body)).into_response()
    }
}

/// A success.
pub(super) enum Answer {
    /// 200 with a body.
    Json(Value),
    /// 204.
    Nothing,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Our bot.
    Bot,
    /// A person, by the token of a consent.
    User(String),
    /// Nobody in particular.
    Nobody,
}

/// An uploaded file.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) name: String,
    pub(super) mime: String,
    pub(super) bytes: Bytes,
}

/// A request, read.
pub(super) struct Call {
    pub(super) query: HashMap<String, String>,
    pub(super) body: Value,
    pub(super) files: BTreeMap<u64, Upload>,
    pub(super) size: usize,
    pub(super) caller: Caller,
}

impl Call {
    /// Refuses what is larger than a message in this channel may be.
    pub(super) fn check_size(&self, state: &State, channel: u64) -> Result<(), Refusal> {
        let each = state.file_limit(channel);
        let all = if each > REQUEST_LIMIT { each } else { REQUEST_LIMIT };
        if self.size > all || self.files.values().any(|file| file.bytes.len() > each) {
            return Err(Refusal::too_large());
        }
        Ok(())
    }
}

/// The router for `discord.com`.
pub(super) fn router(inner: Arc<Inner>) -> Router {
    Router::new().fallback(handle).layer(DefaultBodyLimit::disable()).with_state(inner)
}

/// The router for `cdn.discordapp.com` and `media.discordapp.net`.
pub(super) fn cdn(inner: Arc<Inner>) -> Router {
    Router::new().fallback(serve_file).with_state(inner)
}

async fn serve_file(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    let found = inner.state.read(|state| match steps.as_slice() {
        ["attachments", _, id, _] => {
            let file = state.uploads.get(&id.parse().ok()?)?;
            Some((file.mime.clone(), file.bytes.clone()))
        }
        ["icons", guild, name] => {
            let (hash, bytes) = state.guilds.get(&guild.parse().ok()?)?.icon.clone()?;
            name.starts_with(&hash).then_some(("image/png".to_owned(), bytes))
        }
        _ => None,
    });
    match found {
        Some((mime, bytes)) => ([(header::CONTENT_TYPE, mime)], bytes).into_response(),
        None => (StatusCode::NOT_FOUND, "This content is no longer available.").into_response(),
    }
}

async fn handle(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let mut steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    if steps.first() != Some(&"api") {
        return match steps.as_slice() {
            ["oauth2", "authorize"] => oauth::authorize(&inner, request).await,
            _ => StatusCode::NOT_FOUND.into_response(),
        };
    }
    steps.remove(0);
    match steps.first() {
        Some(&"v10") => drop(steps.remove(0)),
        Some(version) if version.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok()) => {
            inner.violation(format!("{method} {path}: this emulator speaks version 10"));
            return Refusal::new(400, 50041, "Invalid API version provided").answer();
        }
        _ => {}
    }
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    if !agent.starts_with("DiscordBot") {
        inner.violation(format!("{method} {path}: the User-Agent must start with DiscordBot, not {agent:?}"));
        return Refusal::new(403, 40333, "internal network error").answer();
    }
    if let Err(refusal) = inner.state.write(|state| check_rate(state, &path)) {
        return refusal.answer();
    }
    if let ["oauth2", step @ ("token" | "token/revoke")] = [steps[0], &steps[1..].join("/")] {
        return oauth::exchange(&inner, request, step).await;
    }
    let result = match read(&inner, request).await {
        Ok(call) => dispatch(&inner, &method, &steps, call),
        Err(refusal) => Err(refusal),
    };
    match result {
        Ok(Answer::Json(value)) => axum::Json(value).into_response(),
        Ok(Answer::Nothing) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => {
            if refusal.mistake {
                inner.violation(format!("{method} {path}: {} {}", refusal.message, refusal.detail));
            }
            refusal.answer()
        }
    }
}

fn check_rate(state: &mut State, path: &str) -> Result<(), Refusal> {
    let Some(limit) = state.limits.iter_mut().find(|limit| limit.times > 0 && path.contains(&limit.path)) else {
        return Ok(());
    };
    limit.times -= 1;
    let mut refusal = Refusal::new(429, 0, "You are being rate limited.");
    refusal.retry_after = Some((limit.seconds, limit.global));
    Err(refusal)
}

fn dispatch(inner: &Arc<Inner>, method: &Method, steps: &[&str], call: Call) -> Result<Answer, Refusal> {
    let now = inner.now();
    let id = |text: &str| text.parse::<u64>().map_err(|_| not_an_id(text));
    let verb = method.as_str();
    let open = matches!(steps, ["gateway"] | ["interactions", ..] | ["webhooks", ..]);
    if !open {
        match (&call.caller, steps) {
            (Caller::Bot, _) => {}
            (Caller::User(_), ["users", "@me"] | ["users", "@me", "guilds"]) => {}
            _ => return Err(Refusal::unauthorized()),
        }
    }
    inner.state.write(|state| match (verb, steps) {
        ("GET", ["gateway"]) => Ok(Answer::Json(json!({ "url": inner.socket_url() }))),
        ("GET", ["gateway", "bot"]) => Ok(Answer::Json(json!({
            "url": inner.socket_url(), "shards": 1,
            "session_start_limit": { "total": 1000, "remaining": 999, "reset_after": 14_400_000, "max_concurrency": 1 },
        }))),
        ("GET", ["users", "@me"]) => rest::me(state, &call, now),
        ("GET", ["users", "@me", "guilds"]) => rest::my_guilds(state, &call, now),
        ("DELETE", ["users", "@me", "guilds", guild]) => rest::leave(state, id(guild)?),
        ("POST", ["users", "@me", "channels"]) => rest::open_direct(state, &call, now),
        ("GET", ["applications", "@me"] | ["oauth2", "applications", "@me"]) => Ok(rest::application(state)),
        ("PUT", ["applications", app, "commands"]) => rest::put_commands(state, id(app)?, &call, now),
        ("GET", ["applications", app, "commands"]) => rest::get_commands(state, id(app)?),
        ("GET", ["guilds", guild]) => rest::guild(state, id(guild)?, &call),
        ("GET", ["guilds", guild, "channels"]) => rest::guild_channels(state, id(guild)?),
        ("GET", ["guilds", guild, "roles"]) => rest::guild_roles(state, id(guild)?),
        ("GET", ["guilds", guild, "members", user]) => rest::guild_member(state, id(guild)?, id(user)?),
        ("GET", ["channels", channel]) => rest::channel(state, id(channel)?),
        ("POST", ["channels", channel, "messages"]) => messages::send(state, id(channel)?, &call, now),
        ("GET", ["channels", channel, "messages"]) => messages::list(state, id(channel)?, &call),
        ("GET", ["channels", channel, "messages", message]) => messages::get(state, id(channel)?, id(message)?),
        ("PATCH", ["channels", channel, "messages", message]) => {
            messages::edit(state, id(channel)?, id(message)?, &call, now)
        }
        ("DELETE", ["channels", channel, "messages", message]) => messages::delete(state, id(channel)?, id(message)?),
        ("POST", ["channels", channel, "messages", message, "crosspost"]) => {
            messages::crosspost(state, id(channel)?, id(message)?)
        }
        ("POST", ["channels", channel, "typing"]) => rest::typing(state, id(channel)?),
        ("POST", ["interactions", interaction, token, "callback"]) => {
            interactions::callback(state, id(interaction)?, token, &call, now)
        }
        ("POST", ["webhooks", app, token]) => interactions::follow_up(state, id(app)?, token, &call, now),
        ("GET", ["webhooks", app, token, "messages", which]) => interactions::read(state, id(app)?, token, which, now),
        ("PATCH", ["webhooks", app, token, "messages", which]) => {
            interactions::edit(state, id(app)?, token, which, &call, now)
        }
        ("DELETE", ["webhooks", app, token, "messages", which]) => {
            interactions::delete(state, id(app)?, token, which, now)
        }
        _ => Err(Refusal::mistake(404, 0, "404: Not Found")),
    })
}

fn not_an_id(text: &str) -> Refusal {
    let mut refusal = Refusal::mistake(400, 50035, "Invalid Form Body");
    refusal.detail = format!("{text:?} is not snowflake");
    refusal
}

async fn read(inner: &Inner, request: Request) -> Result<Call, Refusal> {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let query = url::form_urlencoded::parse(query).map(|(name, value)| (name.into_owned(), value.into_owned()));
    let query = query.collect();
    let caller = caller(inner, request.headers())?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_lowercase();
    let mut call = Call { query, body: json!({}), files: BTreeMap::new(), size: 0, caller };
    let broken = || Refusal::mistake(400, 50109, "The request body contains invalid JSON.");
    if kind == "multipart/form-data" {
        let mut form = Multipart::from_request(request, &()).await.map_err(|_| broken())?;
        while let Some(field) = form.next_field().await.map_err(|_| broken())? {
            let name = field.name().unwrap_or_default().to_owned();
            let file = field.file_name().map(str::to_owned);
            let mime = field.content_type().map(str::to_owned);
            let bytes = field.bytes().await.map_err(|_| broken())?;
            call.size += bytes.len();
            if name == "payload_json" {
                call.body = serde_json::from_slice(&bytes).map_err(|_| broken())?;
                continue;
            }
            let number = name.strip_prefix("files[").and_then(|rest| rest.strip_suffix(']'));
            let Some(number) = number.and_then(|number| number.parse().ok()) else {
                let mut refusal = Refusal::mistake(400, 50035, "Invalid Form Body");
                refusal.detail = format!("unexpected part {name:?}");
                return Err(refusal);
            };
            let mime = mime.unwrap_or_else(|| guess_type(file.as_deref().unwrap_or_default()));
            call.files.insert(number, Upload { name: file.unwrap_or_else(|| "file".to_owned()), mime, bytes });
        }
        return Ok(call);
    }
    let bytes = to_bytes(request.into_body(), usize::MAX).await.map_err(|_| broken())?;
    call.size = bytes.len();
    if !bytes.is_empty() {
        if kind != "application/json" {
            let mut refusal = Refusal::mistake(400, 50035, "Invalid Form Body");
            refusal.detail = format!("content type {kind:?}");
            return Err(refusal);
        }
        call.body = serde_json::from_slice(&bytes).map_err(|_| broken())?;
    }
    Ok(call)
}

fn guess_type(name: &str) -> String {
    let end = name.rsplit('.').next().unwrap_or_default().to_lowercase();
    match end.as_str() {
        "png" | "gif" | "webp" => format!("image/{end}"),
        "jpg" | "jpeg" => "image/jpeg".to_owned(),
        "mp4" => "video/mp4".to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}

fn caller(inner: &Inner, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return Ok(Caller::Nobody);
    };
    let now = inner.now();
    match value.split_once(' ') {
        Some(("Bot", token)) if inner.state.read(|state| state.options.bot_token == token) => Ok(Caller::Bot),
        Some(("Bearer", token)) => {
            let live = inner.state.read(|state| state.tokens.get(token).is_some_and(|token| token.until > now));
            if live { Ok(Caller::User(token.to_owned())) } else { Err(Refusal::unauthorized()) }
        }
        _ => Err(Refusal::unauthorized()),
    }
}
