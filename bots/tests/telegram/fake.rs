//! A Bot API server on loopback that holds updates, records calls and answers them as told. It models nothing beyond
//! that: the strict emulator lives elsewhere.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

/// The token that must never be seen outside of URLs.
pub const TOKEN: &str = "4711:AAcanaryTOKENcanaryTOKENcanary";

/// One recorded call: JSON as sent, or the raw body of a multipart one.
pub struct Call {
    pub method: String,
    pub json: Value,
    pub raw: String,
}

#[derive(Default)]
struct Shared {
    updates: Vec<Value>,
    /// Handed out once whatever the offset says.
    replays: Vec<Value>,
    answers: HashMap<String, VecDeque<(StatusCode, String)>>,
    files: HashMap<String, Vec<u8>>,
    last_message: i64,
}

pub struct Fake {
    shared: Arc<Mutex<Shared>>,
    more: Arc<Notify>,
    calls: tokio::sync::Mutex<mpsc::UnboundedReceiver<Call>>,
    pub url: url::Url,
}

#[derive(Clone)]
struct Server {
    shared: Arc<Mutex<Shared>>,
    more: Arc<Notify>,
    calls: mpsc::UnboundedSender<Call>,
}

impl Fake {
    pub async fn start() -> Self {
        let (calls, received) = mpsc::unbounded_channel();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let more = Arc::new(Notify::new());
        let server = Server { shared: Arc::clone(&shared), more: Arc::clone(&more), calls };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Behind a path, as the gateway has it.
        let url = format!("http://{}/api.telegram.org", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().fallback(serve).with_state(server);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { shared, more, calls: tokio::sync::Mutex::new(received), url }
    }

    pub fn push(&self, update: Value) {
        self.shared.lock().unwrap().updates.push(update);
        self.more.notify_one();
    }

    pub fn replay(&self, update: Value) {
        self.shared.lock().unwrap().replays.push(update);
        self.more.notify_one();
    }

    pub fn file(&self, path: &str, content: Vec<u8>) {
        self.shared.lock().unwrap().files.insert(path.into(), content);
    }

    /// The next call of this method is answered so; later ones as usual.
    pub fn answer(&self, method: &str, status: u16, body: impl ToString) {
        let answer = (StatusCode::from_u16(status).unwrap(), body.to_string());
        self.shared.lock().unwrap().answers.entry(method.to_lowercase()).or_default().push_back(answer);
    }

    pub fn fail(&self, method: &str, code: u16, description: &str) {
        self.answer(method, code, json!({"ok": false, "error_code": code, "description": description}));
    }

    /// Waits for the next call that fits, passing over others.
    pub async fn call_where(&self, what: &str, fits: impl Fn(&Call) -> bool) -> Call {
        let mut calls = self.calls.lock().await;
        let found = async {
            loop {
                let call = calls.recv().await.unwrap();
                if fits(&call) {
                    return call;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.unwrap_or_else(|_| panic!("no {what}"))
    }

    pub async fn call(&self, method: &str) -> Call {
        self.call_where(method, |call| call.method.eq_ignore_ascii_case(method)).await
    }

    /// The methods called so far and not asked for yet.
    pub async fn seen(&self) -> Vec<String> {
        let mut calls = self.calls.lock().await;
        std::iter::from_fn(|| calls.try_recv().ok()).map(|call| call.method).collect()
    }
}

async fn serve(State(server): State<Server>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().strip_prefix("/api.telegram.org/").expect("the gateway's path");
    if let Some(file) = path.strip_prefix(&format!("file/bot{TOKEN}/")) {
        let file = file.replace("%2F", "/").replace("%20", " ");
        return match server.shared.lock().unwrap().files.get(&file) {
            Some(content) => content.clone().into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        };
    }
    let method = path.strip_prefix(&format!("bot{TOKEN}/")).expect("the token").to_lowercase();
    let raw = String::from_utf8_lossy(&body).into_owned();
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    assert!(is_json || raw.contains("form-data"), "{method}");
    server.calls.send(Call { method: method.clone(), json: json.clone(), raw: raw.clone() }).ok();
    let told = server.shared.lock().unwrap().answers.get_mut(&method).and_then(VecDeque::pop_front);
    if let Some((status, body)) = told {
        return (status, body).into_response();
    }
    let result = match method.as_str() {
        "getme" => json!({"id": 77, "is_bot": true, "first_name": "Try Post", "username": "TryPostBot"}),
        "getupdates" => updates(&server, &json).await,
        "sendmediagroup" => {
            let count = raw.matches("attach://").count();
            Value::Array((0..count).map(|_| message(&server)).collect())
        }
        name if name.starts_with("send") || name.starts_with("edit") => message(&server),
        _ => json!(true),
    };
    json!({"ok": true, "result": result}).to_string().into_response()
}

/// Only what must be there: a surface that reads more would fail here.
fn message(server: &Server) -> Value {
    let mut shared = server.shared.lock().unwrap();
    shared.last_message += 1;
    json!({"message_id": 500 + shared.last_message, "date": 1})
}

async fn updates(server: &Server, request: &Value) -> Value {
    let until = tokio::time::Instant::now() + Duration::from_secs(request["timeout"].as_u64().unwrap());
    loop {
        {
            let mut shared = server.shared.lock().unwrap();
            if let Some(offset) = request["offset"].as_i64() {
                // Confirmed updates are forgotten.
                shared.updates.retain(|update| update["update_id"].as_i64().is_none_or(|id| id >= offset));
            }
            let mut found = std::mem::take(&mut shared.replays);
            found.extend(shared.updates.iter().take(100).cloned());
            if !found.is_empty() {
                return Value::Array(found);
            }
        }
        if tokio::time::timeout_at(until, server.more.notified()).await.is_err() {
            return json!([]);
        }
    }
}
