//! The guard in megalodon's way. That crate brings its own HTTP client, with no time limit, no check of addresses, ten
//! redirects and the environment's proxy, and lets nobody add a header. So it is given an address on 127.0.0.1 with a
//! random secret in the path, good for one call; the request that arrives there is handed to the caller, who sends it
//! through our own client with the token, the Idempotency-Key and a time limit. It knows HTTP and megalodon's client
//! type, and no rule of Mastodon's.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use megalodon::{Megalodon, SNS};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::domain::clock::token;
use crate::domain::fault::{Fault, Operation};
use crate::domain::secret::Secret;
use crate::platforms::Context;
use crate::platforms::http::Answer;

/// The largest request that megalodon makes here (bytes): a status. Files go by our own client.
const REQUEST_LIMIT: usize = 1024 * 1024;
/// How much longer than the vendor's answer the way through the relay may take.
const SLACK: Duration = Duration::from_secs(5);

/// The relay, started by the first call and stopped when it is dropped.
#[derive(Default)]
pub(super) struct Relay {
    running: tokio::sync::Mutex<Option<Arc<Running>>>,
}

struct Running {
    address: SocketAddr,
    open: Open,
    accepting: tokio::task::JoinHandle<()>,
    _stop: DropGuard,
}

/// The secrets that are good now, with who waits for the request.
type Open = Arc<Mutex<HashMap<String, mpsc::Sender<Asked>>>>;

fn lock(open: &Open) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Asked>>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request of megalodon's that arrived.
struct Asked {
    method: Method,
    /// Path and query behind the secret.
    target: String,
    content_type: Option<String>,
    body: Bytes,
    answer: oneshot::Sender<Response<Full<Bytes>>>,
}

/// What one call through the relay needs.
pub(super) struct Errand<'a> {
    /// What it is for.
    pub operation: Operation,
    /// Whose software answers there.
    pub sns: SNS,
    /// The instance.
    pub host: &'a str,
    /// The access token; megalodon never sees it.
    pub token: Option<&'a Secret>,
    /// The Idempotency-Key.
    pub key: Option<&'a str>,
}

/// What came of it.
pub(super) struct Told<T> {
    /// The instance's answer as it was.
    pub answer: Answer,
    /// The same, as megalodon read it; `None` when it could not (servers leave out fields that its types ask for).
    pub entity: Option<T>,
}

/// A secret that is good for one call.
struct Ticket {
    running: Arc<Running>,
    secret: String,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.running.open).remove(&self.secret);
    }
}

impl Relay {
    /// Lets megalodon make one call (`ask`) to the errand's host, through our client.
    ///
    /// # Errors
    /// As [`crate::platforms::http::Call::send`]; any HTTP status is an answer.
    pub(super) async fn call<T, F>(
        &self,
        cx: &Context<'_>,
        errand: Errand<'_>,
        ask: impl FnOnce(Box<dyn Megalodon + Send + Sync>) -> F,
    ) -> Result<Told<T>, Fault>
    where
        F: Future<Output = Result<megalodon::response::Response<T>, megalodon::error::Error>>,
    {
        let unavailable = || Fault::transient("the way to the server could not be set up on this machine");
        let running = self.running().await.map_err(|_| unavailable())?;
        let (sender, mut asked) = mpsc::channel(1);
        let secret = token(cx.entropy);
        let base = format!("http://{}/{secret}", running.address);
        lock(&running.open).insert(secret.clone(), sender);
        let ticket = Ticket { running, secret };
        let client = megalodon::generator(errand.sns.clone(), base, None, None).map_err(|_| unavailable())?;

        let mut result = None;
        let carry = async {
            // One request and no other: a status must not be sent twice, whatever megalodon's client does.
            if let Some(one) = asked.recv().await {
                let answered = forward(cx, &errand, &one).await;
                if let Ok(answer) = &answered {
                    let _ = one.answer.send(returned(answer));
                }
                result = Some(answered);
            }
            std::future::pending::<()>().await;
        };
        // The time limit of the forwarded call ends it long before.
        let limit = crate::platforms::http::TIME_LIMIT + SLACK;
        let entity = tokio::select! {
            read = tokio::time::timeout(limit, ask(client)) => read.ok().and_then(Result::ok).map(|read| read.json),
            () = carry => None,
        };
        drop(ticket);
        match result {
            Some(Ok(answer)) => Ok(Told { answer, entity }),
            Some(Err(fault)) => Err(fault),
            None => Err(Fault::Misconfigured {
                what: "a proxy catches calls to this machine itself; add 127.0.0.1 to NO_PROXY".into(),
            }),
        }
    }

    /// Where it listens.
    #[cfg(test)]
    pub(super) async fn address(&self) -> SocketAddr {
        self.running().await.expect("a free port on loopback").address
    }

    async fn running(&self) -> std::io::Result<Arc<Running>> {
        let mut running = self.running.lock().await;
        if let Some(running) = running.as_ref().filter(|running| !running.accepting.is_finished()) {
            return Ok(running.clone());
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let stop = CancellationToken::new();
        let open = Open::default();
        let new = Arc::new(Running {
            address: listener.local_addr()?,
            accepting: tokio::spawn(accept(listener, open.clone(), stop.clone())),
            open,
            _stop: stop.drop_guard(),
        });
        *running = Some(new.clone());
        Ok(new)
    }
}

async fn accept(listener: TcpListener, open: Open, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted { Ok((stream, _)) => stream, Err(_) => continue },
            () = stop.cancelled() => return,
        };
        let (open, stop) = (open.clone(), stop.clone());
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| take(&open, request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                _ = connection => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// Hands a request to whoever holds its secret, and waits for the answer.
async fn take(open: &Open, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let refuse = |status| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        Ok(response)
    };
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let (secret, target) = match target.trim_start_matches('/').split_once('/') {
        Some((secret, target)) => (secret.to_owned(), format!("/{target}")),
        None => return refuse(StatusCode::NOT_FOUND),
    };
    let Some(caller) = lock(open).get(&secret).cloned() else { return refuse(StatusCode::NOT_FOUND) };
    let method = request.method().clone();
    let content_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let Ok(body) = Limited::new(request.into_body(), REQUEST_LIMIT).collect().await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let (answer, answered) = oneshot::channel();
    let asked = Asked { method, target, content_type, body: body.to_bytes(), answer };
    if caller.send(asked).await.is_err() {
        return refuse(StatusCode::GONE);
    }
    match answered.await {
        Ok(response) => Ok(response),
        Err(_) => refuse(StatusCode::BAD_GATEWAY),
    }
}

/// Sends what megalodon asked to the errand's host; nothing but method, target and body is taken over.
async fn forward(cx: &Context<'_>, errand: &Errand<'_>, asked: &Asked) -> Result<Answer, Fault> {
    let url = Url::parse(&format!("https://{}{}", errand.host, asked.target))
        .map_err(|_| Fault::transient("a request could not be put together"))?;
    let mut call = cx.http.call(errand.operation, asked.method.clone(), url);
    call = call.header("accept", "application/json").header("accept-language", "en");
    if let Some(token) = errand.token {
        call = call.bearer(token);
    }
    if let Some(key) = errand.key {
        call = call.header("idempotency-key", key);
    }
    // megalodon writes `{}` into a DELETE. The API describes no body there, and some front ends refuse one.
    if let Some(kind) = &asked.content_type
        && asked.method != Method::DELETE
    {
        call = call.bytes(kind, booleans(&asked.body));
    }
    call.send().await
}

/// megalodon writes `"sensitive":"true"`; GoToSocial takes only a boolean there.
fn booleans(body: &Bytes) -> Bytes {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else { return body.clone() };
    if let Some(sensitive) = fields.get_mut("sensitive") {
        *sensitive = Value::Bool(sensitive.as_str() == Some("true"));
    }
    Bytes::from(Value::Object(fields).to_string())
}

/// The answer for megalodon's eyes: status and body, no headers (a `Location` would be followed without a check).
fn returned(answer: &Answer) -> Response<Full<Bytes>> {
    let mut json = answer.json();
    let body = if json.is_null() {
        answer.body.clone()
    } else {
        fill_urls(&mut json);
        Bytes::from(json.to_string())
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// megalodon panics on an attachment without a `url`, which servers send while a file is being processed.
fn fill_urls(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(fill_urls),
        Value::Object(fields) => {
            if fields.contains_key("preview_url") && fields.get("url").is_none_or(Value::is_null) {
                fields.insert("url".into(), Value::String(String::new()));
            }
            fields.values_mut().for_each(fill_urls);
        }
        _ => {}
    }
}
