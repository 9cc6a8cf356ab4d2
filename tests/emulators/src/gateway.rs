//! The one loopback listener that all vendors share. A request for `https://HOST/PATH` arrives as `/HOST/PATH` and
//! goes to the router mounted for that host. It records every call, injects faults, and collects violations: requests
//! that no correct client would make. It knows no vendor.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The largest request body any vendor here takes (bytes). Telegram takes 50 MB, Bluesky's video service 300 MB.
const BODY_LIMIT: usize = 320 * 1024 * 1024;

/// Milliseconds since the Unix epoch, as the test wants the vendors to see it.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Called before a call is handled and after its answer is made, with the call's number: the crash harness kills the
/// daemon here.
pub type Watcher = Arc<dyn Fn(&Call, Phase) + Send + Sync>;

/// Where in a call a [`Watcher`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The request has arrived; the vendor has done nothing yet.
    Before,
    /// The vendor has done it; the answer has not been sent.
    After,
}

/// One recorded request with its answer.
#[derive(Clone, Debug)]
pub struct Call {
    /// Counts from 1 over the life of the gateway.
    pub number: usize,
    /// The request's method.
    pub method: Method,
    /// The vendor's host, as in `api.telegram.org`.
    pub host: String,
    /// The path at the vendor, starting with `/`.
    pub path: String,
    /// The raw query, without `?`.
    pub query: String,
    /// Request headers.
    pub headers: HeaderMap,
    /// Request body.
    pub body: Bytes,
    /// The answer's status; 0 while it is not known or was dropped.
    pub status: u16,
    /// The answer's body.
    pub answer: Bytes,
}

/// A fault to inject into matching calls.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The host it applies to; `None` for any.
    pub host: Option<String>,
    /// The method; `None` for any.
    pub method: Option<Method>,
    /// A part of the path; empty for any.
    pub path: String,
    /// How many matching calls pass unharmed first.
    pub skip: usize,
    /// How many calls it then hits.
    pub times: usize,
    /// What happens to them.
    pub kind: FaultKind,
}

/// What a fault does.
#[derive(Clone, Debug)]
pub enum FaultKind {
    /// Answer this instead; the vendor does nothing.
    Answer {
        /// HTTP status.
        status: u16,
        /// Headers, as (name, value).
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Close the connection; the vendor does nothing.
    DropBefore,
    /// The vendor does it, and the answer is lost.
    DropAfter,
    /// The vendor does it, and half of the answer's body arrives.
    Truncate,
    /// The answer comes this much later (real time).
    Slow(Duration),
}

impl Fault {
    /// The next `times` calls to `host` whose path contains `path` meet `kind`.
    pub fn new(host: &str, path: &str, times: usize, kind: FaultKind) -> Self {
        Self { host: Some(host.to_owned()), method: None, path: path.to_owned(), skip: 0, times, kind }
    }

    /// Only calls with this method.
    #[must_use]
    pub fn on(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Let this many matching calls pass first.
    #[must_use]
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    fn matches(&self, call: &Call) -> bool {
        self.times > 0
            && self.host.as_ref().is_none_or(|host| *host == call.host)
            && self.method.as_ref().is_none_or(|method| *method == call.method)
            && call.path.contains(&self.path)
    }
}

impl FaultKind {
    /// 500 with a short text.
    pub fn server_error() -> Self {
        Self::Answer { status: 500, headers: vec![], body: "internal error".to_owned() }
    }

    /// 429 with `Retry-After` in seconds and an empty JSON object.
    pub fn rate_limited(seconds: u64) -> Self {
        Self::Answer {
            status: 429,
            headers: vec![
                ("retry-after".into(), seconds.to_string()),
                ("content-type".into(), "application/json".into()),
            ],
            body: "{}".to_owned(),
        }
    }

    /// 502 with an HTML page, as front ends answer.
    pub fn html() -> Self {
        Self::Answer {
            status: 502,
            headers: vec![("content-type".into(), "text/html".into())],
            body: "<html><body><h1>502 Bad Gateway</h1></body></html>".to_owned(),
        }
    }
}

/// The shared listener. Cheap to clone through its `Arc`.
pub struct Gateway {
    address: SocketAddr,
    clock: Clock,
    hosts: Mutex<HashMap<String, Router>>,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Vec<Fault>>,
    violations: Mutex<Vec<String>>,
    watcher: Mutex<Option<Watcher>>,
    count: AtomicUsize,
    stop: CancellationToken,
}

/// A lock that survives a panic in another test thread.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gateway {
    /// Listens on a free port of 127.0.0.1 until [`Gateway::stop`] or drop.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(clock: Clock) -> std::io::Result<Arc<Self>> {
        Self::start_on(0, clock).await
    }

    /// As [`Gateway::start`], on this port.
    ///
    /// # Errors
    /// When the port can't be bound.
    pub async fn start_on(port: u16, clock: Clock) -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let gateway = Arc::new(Self {
            address: listener.local_addr()?,
            clock,
            hosts: Mutex::default(),
            calls: Mutex::default(),
            faults: Mutex::default(),
            violations: Mutex::default(),
            watcher: Mutex::default(),
            count: AtomicUsize::new(0),
            stop: CancellationToken::new(),
        });
        tokio::spawn(accept(listener, Arc::downgrade(&gateway), gateway.stop.clone()));
        Ok(gateway)
    }

    /// `http://127.0.0.1:PORT`, the value for `VENDOR_GATEWAY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Now, in Unix milliseconds, by the test's clock.
    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Serves `host` with `router`, whose paths are the vendor's own. Replaces what was mounted there.
    pub fn mount(&self, host: &str, router: Router) {
        lock(&self.hosts).insert(host.to_owned(), router);
    }

    /// Takes `host` off the network: it answers nothing from now on.
    pub fn unmount(&self, host: &str) {
        lock(&self.hosts).remove(host);
    }

    /// Adds a fault; the first that matches a call applies.
    pub fn inject(&self, fault: Fault) {
        lock(&self.faults).push(fault);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        lock(&self.faults).clear();
    }

    /// Sets or removes the watcher.
    pub fn watch(&self, watcher: Option<Watcher>) {
        *lock(&self.watcher) = watcher;
    }

    /// Every call so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// Notes a request that no correct client makes. The emulator still answers as the vendor would.
    pub fn violation(&self, what: impl Into<String>) {
        lock(&self.violations).push(what.into());
    }

    /// The violations so far, and forgets them.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.violations))
    }

    /// Closes the listener and every open connection.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    fn fault_for(&self, call: &Call) -> Option<FaultKind> {
        let mut faults = lock(&self.faults);
        let fault = faults.iter_mut().find(|fault| fault.matches(call))?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times -= 1;
        Some(fault.kind.clone())
    }

    fn watched(&self, call: &Call, phase: Phase) {
        let watcher = lock(&self.watcher).clone();
        if let Some(watcher) = watcher {
            watcher(call, phase);
        }
    }

    /// Handles one request; `None` means that the connection closes without an answer.
    async fn handle(&self, request: Request<hyper::body::Incoming>) -> Option<Response<Body>> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path().trim_start_matches('/').to_owned();
        let (host, rest) = path.split_once('/').unwrap_or((&path, ""));
        let query = parts.uri.query().unwrap_or_default().to_owned();
        // An upgrade (Discord's gateway) keeps its connection: its body must not be taken.
        let upgrade = parts.headers.contains_key(http::header::UPGRADE);
        let body = if upgrade { Bytes::new() } else { to_bytes(Body::new(body), BODY_LIMIT).await.ok()? };
        let mut call = Call {
            number: self.count.fetch_add(1, Ordering::SeqCst) + 1,
            method: parts.method.clone(),
            host: host.to_owned(),
            path: format!("/{rest}"),
            query,
            headers: parts.headers.clone(),
            body: body.clone(),
            status: 0,
            answer: Bytes::new(),
        };
        self.watched(&call, Phase::Before);
        let fault = self.fault_for(&call);
        match &fault {
            Some(FaultKind::DropBefore) => {
                lock(&self.calls).push(call);
                return None;
            }
            Some(FaultKind::Answer { status, headers, body }) => {
                let mut answer = Response::builder().status(*status);
                for (name, value) in headers {
                    answer = answer.header(name, value);
                }
                call.status = *status;
                call.answer = Bytes::from(body.clone());
                lock(&self.calls).push(call);
                return answer.body(Body::from(body.clone())).ok();
            }
            Some(FaultKind::Slow(by)) => tokio::time::sleep(*by).await,
            Some(FaultKind::DropAfter | FaultKind::Truncate) | None => {}
        }
        let router = lock(&self.hosts).get(host).cloned()?;
        let target = if call.query.is_empty() { call.path.clone() } else { format!("{}?{}", call.path, call.query) };
        parts.uri = target.parse::<Uri>().ok()?;
        let response: Response<Body> = match router.oneshot(Request::from_parts(parts, Body::from(body))).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if upgrade && response.status() == StatusCode::SWITCHING_PROTOCOLS {
            call.status = 101;
            lock(&self.calls).push(call);
            return Some(response);
        }
        let (head, body) = response.into_parts();
        let mut body = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
        call.status = head.status.as_u16();
        call.answer = body.clone();
        self.watched(&call, Phase::After);
        let drop = matches!(fault, Some(FaultKind::DropAfter));
        if matches!(fault, Some(FaultKind::Truncate)) {
            body.truncate(body.len() / 2);
        }
        if drop {
            call.status = 0;
        }
        lock(&self.calls).push(call);
        if drop { None } else { Some(Response::from_parts(head, Body::from(body))) }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, gateway: std::sync::Weak<Gateway>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted { Ok((stream, _)) => stream, Err(_) => continue },
            () = stop.cancelled() => return,
        };
        let gateway = gateway.clone();
        let stop = stop.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let gateway = gateway.clone();
                async move {
                    let answer = match gateway.upgrade() {
                        Some(gateway) => gateway.handle(request).await,
                        None => None,
                    };
                    // An error from the service makes hyper close the connection without an answer.
                    answer.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::select! {
                _ = connection => {}
                () = stop.cancelled() => {}
            }
        });
    }
}
