//! The Bot API's envelope: paths, tokens, parameters in their four encodings, refusals. It knows the names of the
//! methods and hands each to the module that does it. Source: "Making requests" of the Bot API page.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State as Shared};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::{Inner, chats, editing, files, sending, updates};

/// The largest request (bytes): one file of 50 MB and its envelope, with room to tell the client that it is too big.
const BODY_LIMIT: usize = 300 * 1024 * 1024;

/// An answer that is not `ok`.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) text: String,
    pub(super) retry_after: Option<u64>,
    pub(super) migrate_to: Option<i64>,
    /// No correct client sends this, whatever the state of the chat.
    pub(super) mistake: bool,
}

impl Refusal {
    /// A refusal that a correct client can meet.
    pub(super) fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), retry_after: None, migrate_to: None, mistake: false }
    }

    /// A refusal that only a wrong client meets: it is also a violation.
    pub(super) fn mistake(code: u16, text: impl Into<String>) -> Self {
        Self { mistake: true, ..Self::new(code, text) }
    }
}

/// An uploaded file.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) name: Option<String>,
    pub(super) mime: Option<String>,
    pub(super) bytes: Bytes,
}

/// The parameters of one call, whatever their encoding.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    pub(super) values: Map<String, Value>,
    pub(super) files: HashMap<String, Upload>,
    /// What stands behind the http(s) addresses among the values.
    pub(super) fetched: HashMap<String, Result<Upload, Refusal>>,
}

impl Params {
    /// A text parameter; an empty one counts as absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.values.get(name)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A whole number.
    pub(super) fn int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let wrong = || Refusal::mistake(400, format!("Bad Request: parameter \"{name}\" must be an Integer"));
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => number.as_i64().map(Some).ok_or_else(wrong),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| wrong()),
            Some(_) => Err(wrong()),
        }
    }

    /// A flag; absent means no.
    pub(super) fn flag(&self, name: &str) -> bool {
        match self.values.get(name) {
            Some(Value::Bool(on)) => *on,
            Some(Value::String(text)) => matches!(text.to_lowercase().as_str(), "true" | "yes" | "1"),
            Some(Value::Number(number)) => number.as_i64() == Some(1),
            _ => false,
        }
    }

    /// An object or array: itself in a JSON body, text elsewhere.
    pub(super) fn json(&self, name: &str) -> Result<Option<Value>, Refusal> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| Refusal::mistake(400, format!("Bad Request: can't parse {name} JSON object"))),
            Some(value) => Ok(Some(value.clone())),
        }
    }

    /// A parameter that must be there.
    pub(super) fn need(&self, name: &str) -> Result<i64, Refusal> {
        self.int(name)?.ok_or_else(|| Refusal::mistake(400, format!("Bad Request: parameter \"{name}\" is required")))
    }
}

/// The router for `api.telegram.org`.
pub(super) fn router(inner: Arc<Inner>) -> Router {
    Router::new().fallback(handle).layer(DefaultBodyLimit::disable()).with_state(inner)
}

async fn handle(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response {
    let path = decode(request.uri().path());
    if let Some(rest) = path.strip_prefix("/file/bot") {
        let (token, file) = rest.split_once('/').unwrap_or((rest, ""));
        return match inner.state.read(|state| state.token == token) {
            true => files::download(&inner, file),
            false => answer(Err(Refusal::new(401, "Unauthorized"))),
        };
    }
    let Some((token, method)) = path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')) else {
        inner.violation(format!("no such path: {path}"));
        return answer(Err(Refusal::new(404, "Not Found")));
    };
    let method = method.to_owned();
    if let Err(refusal) = check_token(&inner, token) {
        return answer(Err(refusal));
    }
    let result = match read_params(request).await {
        Ok(params) => call(&inner, &method, params).await,
        Err(refusal) => Err(refusal),
    };
    if let Err(refusal) = &result
        && refusal.mistake
    {
        inner.violation(format!("{method}: {}", refusal.text));
    }
    answer(result)
}

fn check_token(inner: &Inner, token: &str) -> Result<(), Refusal> {
    // The server answers 404 to what does not look like a token, 401 to a token that is not known (any more).
    let shaped = token.split_once(':').is_some_and(|(id, secret)| id.parse::<u64>().is_ok() && !secret.is_empty());
    if !shaped {
        return Err(Refusal::new(404, "Not Found"));
    }
    if inner.state.read(|state| state.token != token) {
        return Err(Refusal::new(401, "Unauthorized"));
    }
    Ok(())
}

async fn call(inner: &Arc<Inner>, method: &str, mut params: Params) -> Result<Value, Refusal> {
    files::fetch_links(inner, &mut params).await;
    let now = inner.now();
    let name = method.to_lowercase();
    match name.as_str() {
        "getupdates" => updates::get_updates(inner, &params).await,
        "setwebhook" => updates::set_webhook(inner, &params),
        "deletewebhook" => updates::delete_webhook(inner, &params),
        "getwebhookinfo" => Ok(inner.state.read(updates::webhook_info)),
        "getme" => Ok(inner.state.read(chats::get_me)),
        _ => inner.state.write(|state| {
            if name.starts_with("send") || name.starts_with("edit") {
                sending::check_flood(state)?;
            }
            match name.as_str() {
                "sendmessage" => sending::message(state, &params, now),
                "sendphoto" | "sendvideo" | "sendanimation" | "senddocument" => {
                    sending::media(state, &params, &name["send".len()..], now)
                }
                "sendmediagroup" => sending::album(state, &params, now),
                "sendchataction" => sending::action(state, &params),
                "editmessagetext" => editing::text(state, &params, now),
                "editmessagecaption" => editing::caption(state, &params, now),
                "editmessagereplymarkup" => editing::markup(state, &params, now),
                "editmessagemedia" => editing::media(state, &params, now),
                "deletemessage" => editing::delete(state, &params, now),
                "deletemessages" => editing::delete_many(state, &params, now),
                "answercallbackquery" => chats::answer_press(state, &params, now),
                "getfile" => files::get_file(state, &params, now),
                "getchat" => chats::get_chat(state, &params),
                "getchatmember" => chats::get_member(state, &params),
                "getchatadministrators" => chats::get_administrators(state, &params),
                "getchatmembercount" => chats::count_members(state, &params),
                "leavechat" => chats::leave(state, &params, now),
                "setmycommands" => chats::set_commands(state, &params),
                "getmycommands" => chats::get_commands(state, &params),
                "deletemycommands" => chats::delete_commands(state, &params),
                "setmyname" | "setmydescription" | "setmyshortdescription" | "setchatmenubutton" => {
                    chats::set_about(state, &params, &name["set".len()..])
                }
                "getmyname" | "getmydescription" | "getmyshortdescription" => {
                    Ok(chats::get_about(state, &name["get".len()..]))
                }
                _ => Err(Refusal::mistake(404, "Not Found: method not found")),
            }
        }),
    }
}

fn answer(result: Result<Value, Refusal>) -> Response {
    let refusal = match result {
        Ok(value) => return axum::Json(json!({ "ok": true, "result": value })).into_response(),
        Err(refusal) => refusal,
    };
    let mut body = json!({ "ok": false, "error_code": refusal.code, "description": refusal.text });
    if let Some(seconds) = refusal.retry_after {
        body["parameters"]["retry_after"] = json!(seconds);
    }
    if let Some(chat) = refusal.migrate_to {
        body["parameters"]["migrate_to_chat_id"] = json!(chat);
    }
    let status = StatusCode::from_u16(refusal.code).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, axum::Json(body)).into_response();
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Percent-decodes a path: clients may send a file path as one segment, with `%2F` in it.
fn decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| path.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

async fn read_params(request: Request) -> Result<Params, Refusal> {
    let mut params = Params::default();
    let query = request.uri().query().unwrap_or_default().to_owned();
    read_pairs(query.as_bytes(), &mut params);
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_lowercase();
    match kind.as_str() {
        "multipart/form-data" => read_multipart(request, &mut params).await?,
        "application/json" => {
            let body = read_body(request.into_body()).await?;
            if !body.is_empty() {
                match serde_json::from_slice(&body) {
                    Ok(Value::Object(values)) => params.values.extend(values),
                    _ => return Err(Refusal::mistake(400, "Bad Request: object expected as JSON body")),
                }
            }
        }
        "application/x-www-form-urlencoded" => {
            let body = read_body(request.into_body()).await?;
            read_pairs(&body, &mut params);
        }
        _ => {
            let body = read_body(request.into_body()).await?;
            if !body.is_empty() {
                return Err(Refusal::mistake(400, format!("Bad Request: unsupported content type \"{kind}\"")));
            }
        }
    }
    Ok(params)
}

fn read_pairs(source: &[u8], params: &mut Params) {
    for (name, value) in url::form_urlencoded::parse(source) {
        params.values.insert(name.into_owned(), Value::String(value.into_owned()));
    }
}

async fn read_body(body: Body) -> Result<Bytes, Refusal> {
    to_bytes(body, BODY_LIMIT).await.map_err(|_| Refusal::mistake(413, "Request Entity Too Large"))
}

async fn read_multipart(request: Request, params: &mut Params) -> Result<(), Refusal> {
    let broken = || Refusal::mistake(400, "Bad Request: can't parse multipart form data");
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| broken())?;
    while let Some(field) = form.next_field().await.map_err(|_| broken())? {
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.file_name().map(str::to_owned);
        let mime = field.content_type().map(str::to_owned);
        let bytes = field.bytes().await.map_err(|_| broken())?;
        if file.is_some() || mime.as_deref().is_some_and(|mime| !mime.starts_with("text/plain")) {
            params.files.insert(name, Upload { name: file, mime, bytes });
        } else {
            params.values.insert(name, Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(())
}
