//! The one outbound HTTP client: https to public addresses only, every hop checked, size and time capped, and the one
//! seam for emulators ([`Http::new`]'s gateway). It knows no vendor; a status is an answer, and what it means is decided
//! in the platform's `fault.rs`. Long because the guard, the seam and the time limits must be read together.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::Value;
use url::{Host, Url};

use crate::domain::Secret;
use crate::domain::fault::{Fault, Operation};
use crate::domain::observe::{Observer, Point};

mod answer;
mod body;
mod guard;
#[cfg(test)]
pub(in crate::platforms) mod tests;

pub use answer::Answer;
use body::Body;
pub use body::{Part, PartValue};
pub use guard::{PublicResolver, Resolver, SystemResolver, is_public};

/// How long a call may take, unless it says otherwise. Media transfers ask for more.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(30);
/// How long making a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The largest answer that is read (bytes), unless the call says otherwise.
const ANSWER_LIMIT: usize = 2 * 1024 * 1024;
/// How long an idle connection is kept for the next call. Shorter than what servers keep: a connection that the server
/// closes while our request travels is an answer lost.
const IDLE_LIMIT: Duration = Duration::from_secs(15);
/// Some edges refuse clients without a name.
const USER_AGENT: &str = concat!("trypost/", env!("CARGO_PKG_VERSION"));

/// The client. One per daemon.
#[derive(Clone)]
pub struct Http {
    agent: HeaderValue,
    client: reqwest::Client,
    gateway: Option<Url>,
    resolver: Arc<dyn Resolver>,
    observer: Arc<dyn Observer>,
}

/// Why a gateway can't be used.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// It must be on this machine: it sees every secret.
    #[error("VENDOR_GATEWAY must be http://127.0.0.1:PORT or another loopback address, not {0}")]
    NotLoopback(Url),
    /// The TLS set-up of this machine is broken.
    #[error("no HTTP client could be made: {0}")]
    Client(#[from] reqwest::Error),
}

impl Http {
    /// Makes the client. With a `gateway`, every request for `https://HOST/PATH` goes to `GATEWAY/HOST/PATH` instead; the
    /// guard judges the host that is meant, before that.
    ///
    /// # Errors
    /// When the gateway is not on a loopback address, or TLS can't be set up.
    pub fn new(
        gateway: Option<Url>,
        resolver: Arc<dyn Resolver>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, GatewayError> {
        if let Some(gateway) = &gateway {
            let loopback = match gateway.host() {
                Some(Host::Ipv4(ip)) => ip.is_loopback(),
                Some(Host::Ipv6(ip)) => ip.is_loopback(),
                _ => false,
            };
            let bare = gateway.path() == "/" && gateway.query().is_none() && gateway.username().is_empty();
            if !loopback || !bare || gateway.scheme() != "http" {
                return Err(GatewayError::NotLoopback(gateway.clone()));
            }
        }
        // A provider that is installed already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .pool_idle_timeout(IDLE_LIMIT)
            .dns_resolver(Arc::new(guard::Guarded(resolver.clone())))
            .build()?;
        Ok(Self { agent: HeaderValue::from_static(USER_AGENT), client, gateway, resolver, observer })
    }

    /// The same client under another `User-Agent` (Discord asks for a form of its own). A name that HTTP can't carry is
    /// not taken.
    #[must_use]
    pub fn named(&self, agent: &str) -> Self {
        Self { agent: HeaderValue::from_str(agent).unwrap_or_else(|_| self.agent.clone()), ..self.clone() }
    }

    /// Begins a call. `url` is the vendor's (or the gateway's form of it, as answers may hold).
    pub fn call(&self, operation: Operation, method: Method, url: Url) -> Call<'_> {
        Call {
            http: self,
            operation,
            method,
            url: self.meant(url),
            headers: HeaderMap::from_iter([(header::USER_AGENT, self.agent.clone())]),
            body: Body::Empty,
            time_limit: TIME_LIMIT,
            answer_limit: ANSWER_LIMIT,
            hops: 0,
            shown: None,
        }
    }

    /// Where a browser goes for `url`: the address itself, or its gateway form (which stays as it is).
    pub fn link(&self, url: &Url) -> Url {
        self.mapped(url)
    }

    /// The vendor's form of an address that may come in the gateway's.
    pub fn meant(&self, url: Url) -> Url {
        let Some(gateway) = &self.gateway else { return url };
        let Some(rest) = url.as_str().strip_prefix(gateway.as_str()) else { return url };
        Url::parse(&format!("https://{rest}")).unwrap_or(url)
    }

    fn mapped(&self, url: &Url) -> Url {
        let Some(gateway) = &self.gateway else { return url.clone() };
        let Some(path) = url.as_str().strip_prefix("https://") else { return url.clone() };
        gateway.join(&format!("/{path}")).unwrap_or_else(|_| url.clone())
    }

    /// Refuses what the guard refuses.
    async fn judge(&self, url: &Url) -> Result<(), Fault> {
        let host = url.host_str().unwrap_or("that address");
        let refuse = |why: &str| Err(refused(host, why));
        if url.scheme() != "https" {
            return refuse("is not reached by https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("carries a user name");
        }
        if url.port().is_some_and(|port| port != 443) {
            return refuse("names a port");
        }
        let ips: Vec<IpAddr> = match url.host() {
            Some(Host::Ipv4(ip)) => vec![ip.into()],
            Some(Host::Ipv6(ip)) => vec![ip.into()],
            // The same resolver answers once more when the connection is made; only public addresses pass there.
            Some(Host::Domain(name)) if !guard::is_public_name(name) => return refuse(NOT_PUBLIC),
            Some(Host::Domain(name)) => match tokio::time::timeout(CONNECT_LIMIT, self.resolver.resolve(name)).await {
                Ok(Ok(ips)) => ips,
                Ok(Err(_)) => return Err(Fault::transient(format!("no server was found under the name {name}"))),
                Err(_) => return Err(Fault::transient(format!("the name {name} could not be looked up in time"))),
            },
            None => return refuse("is no address"),
        };
        if ips.is_empty() || !ips.iter().all(|ip| is_public(*ip)) {
            return refuse(NOT_PUBLIC);
        }
        Ok(())
    }
}

const NOT_PUBLIC: &str = "is not on the public internet";

fn refused(host: &str, why: &str) -> Fault {
    Fault::rejected(format!("{host} {why}"), "Use a public server's name, like mastodon.social.")
}

/// A call being put together.
pub struct Call<'a> {
    http: &'a Http,
    operation: Operation,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Body,
    time_limit: Duration,
    answer_limit: usize,
    hops: u8,
    shown: Option<String>,
}

impl Call<'_> {
    /// Sends a header; a value that HTTP can't carry is left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
        self
    }

    /// A whole `Authorization` value.
    #[must_use]
    pub(super) fn authorization(mut self, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.insert(header::AUTHORIZATION, value);
        }
        self
    }

    /// `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, token: &Secret) -> Self {
        self.authorization(&format!("Bearer {}", token.expose()))
    }

    /// `Authorization: Bot …` (Discord).
    #[must_use]
    pub fn bot(self, token: &Secret) -> Self {
        self.authorization(&format!("Bot {}", token.expose()))
    }

    /// `Authorization: Basic …`, both parts form-encoded first (RFC 6749, 2.3.1).
    #[must_use]
    pub fn basic(self, id: &str, secret: &Secret) -> Self {
        let encode = |part: &str| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(id), encode(secret.expose()));
        self.authorization(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
    }

    /// Adds query parameters.
    #[must_use]
    pub fn query<K: AsRef<str>, V: AsRef<str>>(mut self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        self.url.query_pairs_mut().extend_pairs(pairs);
        self
    }

    /// A JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = Body::Bytes(Bytes::from(body.to_string()));
        self.header("content-type", "application/json")
    }

    /// A form body.
    #[must_use]
    pub fn form<K: AsRef<str>, V: AsRef<str>>(mut self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.body = Body::Bytes(Bytes::from(body));
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// A body of bytes with its type.
    #[must_use]
    pub fn bytes(mut self, mime: &str, body: Bytes) -> Self {
        self.body = Body::Bytes(body);
        self.header("content-type", mime)
    }

    /// A file as the body, streamed with its exact length.
    #[must_use]
    pub fn file(mut self, mime: &str, path: PathBuf, bytes: u64) -> Self {
        self.body = Body::File(path, bytes);
        self.header("content-type", mime)
    }

    /// A multipart form, sent with its exact length (some front ends refuse chunked bodies).
    #[must_use]
    pub fn multipart(mut self, parts: Vec<Part>) -> Self {
        self.body = Body::Multipart(parts);
        self
    }

    /// How long the call may take.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The largest answer that is read (bytes).
    #[must_use]
    pub fn answer_limit(mut self, limit: usize) -> Self {
        self.answer_limit = limit;
        self
    }

    /// Follows up to this many redirects of a GET, each checked again; credentials stay with the first host.
    #[must_use]
    pub fn follow(mut self, hops: u8) -> Self {
        self.hops = hops;
        self
    }

    /// Says that the path holds a secret (Telegram's bot token): logs and the observer see `shown` instead.
    #[must_use]
    pub fn secret_path(mut self, shown: impl Into<String>) -> Self {
        self.shown = Some(shown.into());
        self
    }

    /// Makes the call. Any HTTP status is an answer.
    ///
    /// # Errors
    /// [`Fault::Rejected`] when the guard refuses the address; [`Fault::Transient`] when no connection was made;
    /// [`Fault::InDoubt`] (single-use operations) or `Transient` when the answer was lost.
    pub async fn send(mut self) -> Result<Answer, Fault> {
        loop {
            let answer = self.hop().await?;
            let Some(next) = self.redirect(&answer) else { return Ok(answer) };
            self.hops -= 1;
            if next.host() != self.url.host() {
                self.headers.remove(header::AUTHORIZATION);
            }
            self.url = next;
        }
    }

    fn redirect(&self, answer: &Answer) -> Option<Url> {
        if self.hops == 0 || self.method != Method::GET || !(300..400).contains(&answer.status) {
            return None;
        }
        let next = answer.header("location")?;
        self.url.join(next).ok().map(|next| self.http.meant(next))
    }

    async fn hop(&mut self) -> Result<Answer, Fault> {
        self.http.judge(&self.url).await?;
        let host = self.url.host_str().unwrap_or_default().to_owned();
        let path = self.shown.clone().unwrap_or_else(|| self.url.path().to_owned());
        let observer = self.http.observer.clone();
        observer.reached(Point::Calling { host: host.clone(), path: path.clone() }).await;
        let result = self.exchange(&host).await;
        let status = result.as_ref().map_or(0, |answer| answer.status);
        tracing::debug!(host, path, method = %self.method, status, "called");
        observer.reached(Point::Answered { host, path, status }).await;
        result
    }

    async fn exchange(&mut self, host: &str) -> Result<Answer, Fault> {
        let request = self
            .http
            .client
            .request(self.method.clone(), self.http.mapped(&self.url))
            .headers(self.headers.clone())
            .timeout(self.time_limit);
        let request = std::mem::replace(&mut self.body, Body::Empty).attach(request).await?;
        let lost = |error: reqwest::Error| {
            // The error's text may name the whole URL, and a URL may hold a token: it is not passed on.
            if guard::was_refused(&error) {
                refused(host, NOT_PUBLIC)
            } else if error.is_connect() {
                Fault::transient(format!("{host} can't be reached"))
            } else if error.is_timeout() {
                Fault::unanswered(self.operation, format!("{host} did not answer in time"))
            } else {
                Fault::unanswered(self.operation, format!("the connection to {host} broke"))
            }
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut body = BytesMut::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            body.extend_from_slice(&chunk.map_err(lost)?);
            if body.len() > self.answer_limit {
                return Err(Fault::unanswered(self.operation, format!("{host} answered more than is sensible")));
            }
        }
        Ok(Answer { status, headers, body: body.freeze() })
    }
}
