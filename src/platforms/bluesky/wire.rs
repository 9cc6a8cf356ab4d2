//! XRPC: atrium's typed calls, carried by the one outbound client. atrium's agent is not used: it would follow any
//! endpoint that a server names, and forget a session on a network failure.

use std::fmt::Debug;

use atrium_api::client::AtpServiceClient;
use atrium_api::types::string::{AtIdentifier, Nsid, RecordKey};
use atrium_xrpc::{HttpClient, XrpcClient};
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::fault;
use crate::domain::{Fault, Operation, Secret, Timestamp};
use crate::platforms::http::{Answer, Http};
use crate::platforms::{Context, Credentials};

/// Where accounts live unless people say otherwise.
pub(super) const SERVICE: &str = "https://bsky.social";
/// The vendor's video service.
pub(super) const VIDEO: &str = "https://video.bsky.app";
/// The collection that posts are records of.
pub(super) const POSTS: &str = "app.bsky.feed.post";

/// What is sealed beside the tokens.
#[derive(Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub(super) struct Extra {
    /// What was typed as the handle.
    pub(super) identifier: String,
    /// The app password.
    pub(super) password: String,
    /// Where that was checked, as `https://HOST`: sessions are renewed and ended there.
    pub(super) service: String,
    /// The account's own server, as `https://HOST`: all other calls go there.
    pub(super) pds: String,
    /// Whose session it is.
    pub(super) did: String,
}

impl Extra {
    /// Opens it.
    ///
    /// # Errors
    /// `Transient`, when it is missing or unreadable: that is ours to mend, and no reason to end the consent.
    pub(super) fn of(extra: Option<&Secret>) -> Result<Self, Fault> {
        extra
            .and_then(|extra| serde_json::from_str(extra.expose()).ok())
            .ok_or_else(|| Fault::transient("the stored Bluesky session can't be read"))
    }
}

/// A session ready for calls.
pub(super) struct Session {
    /// The access token.
    pub(super) access: Secret,
    /// The account's own server.
    pub(super) pds: String,
}

impl Session {
    pub(super) fn of(credentials: Credentials<'_>) -> Result<Self, Fault> {
        let tokens = credentials.tokens.ok_or_else(|| Fault::transient("there is no Bluesky session at hand"))?;
        Ok(Self { access: tokens.access.clone(), pds: Extra::of(tokens.extra.as_ref())?.pds })
    }

    /// Typed calls to the account's server.
    pub(super) fn api<'a>(&self, cx: &Context<'a>, operation: Operation) -> AtpServiceClient<Wire<'a>> {
        api(cx, operation, &self.pds, Some(&self.access))
    }
}

/// Typed calls to any server.
pub(super) fn api<'a>(
    cx: &Context<'a>,
    operation: Operation,
    base: &str,
    token: Option<&Secret>,
) -> AtpServiceClient<Wire<'a>> {
    let token = token.cloned();
    AtpServiceClient::new(Wire { http: cx.http, now: cx.now, operation, base: base.to_owned(), token })
}

/// `https://HOST` of an endpoint that a server or a person named; the guard judges it when it is called.
pub(super) fn origin(http: &Http, endpoint: &str) -> Option<String> {
    let url = http.meant(Url::parse(endpoint).ok()?);
    (url.scheme() == "https" && url.host_str().is_some()).then(|| url.origin().ascii_serialization())
}

/// A method's address on a server.
///
/// # Errors
/// `Rejected`, when `base` is no address.
pub(super) fn method(base: &str, nsid: &str) -> Result<Url, Fault> {
    Url::parse(&format!("{base}/xrpc/{nsid}"))
        .map_err(|_| Fault::rejected("the server's name makes no address", "Type it like bsky.social."))
}

/// A call that was refused: the verdict, and the vendor's own code for those who can do better.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub(super) struct Refused {
    /// The verdict.
    pub(super) fault: Fault,
    /// The vendor's code; empty when there was no answer.
    pub(super) code: String,
    /// Whether what was refused is an uploaded file.
    pub(super) about_blob: bool,
}

impl Refused {
    /// Judges an answer that is no success.
    pub(super) fn new(operation: Operation, answer: &Answer, now: Timestamp) -> Self {
        let error = fault::read(&answer.body);
        let about_blob = (400..500).contains(&answer.status) && fault::is_about_blob(&error);
        Self {
            fault: fault::fault(operation, answer.status, &answer.headers, &answer.body, now),
            code: error.code,
            about_blob,
        }
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self { fault, code: String::new(), about_blob: false }
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        refused.fault
    }
}

/// atrium's outcome as ours. An answer that can't be read is no answer.
pub(super) fn read<T, E: Debug>(operation: Operation, result: atrium_xrpc::Result<T, E>) -> Result<T, Refused> {
    result.map_err(|error| match error {
        atrium_xrpc::Error::HttpClient(error) => match error.downcast::<Refused>() {
            Ok(refused) => *refused,
            Err(_) => Fault::unanswered(operation, "Bluesky can't be reached").into(),
        },
        _ => Fault::unanswered(operation, "Bluesky's answer could not be read").into(),
    })
}

/// atrium's transport: one server, one purpose, one token.
pub(super) struct Wire<'a> {
    http: &'a Http,
    now: Timestamp,
    operation: Operation,
    base: String,
    token: Option<Secret>,
}

impl Wire<'_> {
    async fn carry(&self, request: http::Request<Vec<u8>>) -> Result<Answer, Refused> {
        let url = Url::parse(&request.uri().to_string()).map_err(|_| Fault::transient("no address could be made"))?;
        let (parts, body) = request.into_parts();
        let mut call = self.http.call(self.operation, parts.method, url);
        if let Some(mime) = parts.headers.get(CONTENT_TYPE).and_then(|mime| mime.to_str().ok()) {
            call = call.bytes(mime, body.into());
        }
        if let Some(token) = &self.token {
            call = call.bearer(token);
        }
        let answer = call.send().await?;
        if answer.is_success() { Ok(answer) } else { Err(Refused::new(self.operation, &answer, self.now)) }
    }
}

impl HttpClient for Wire<'_> {
    async fn send_http(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, Box<dyn std::error::Error + Send + Sync + 'static>> {
        let answer = self.carry(request).await?;
        let mut response = http::Response::new(answer.body.to_vec());
        *response.status_mut() = http::StatusCode::from_u16(answer.status)?;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

impl XrpcClient for Wire<'_> {
    fn base_uri(&self) -> String {
        self.base.clone()
    }
}

/// A value that came from outside as one of the protocol's string types.
///
/// # Errors
/// `Rejected`, when it is none.
pub(super) fn typed<T: std::str::FromStr>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::rejected("Bluesky knows no such name", "Reconnect the account."))
}

/// (repo, collection, record key) of a post.
pub(super) fn place(did: &str, key: &str) -> Result<(AtIdentifier, Nsid, RecordKey), Fault> {
    Ok((typed(did)?, typed(POSTS)?, typed(key)?))
}

/// What a JSON Web Token says; nothing is proven by it.
pub(super) fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).unwrap_or_default();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(body.as_bytes()).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// When a JSON Web Token ends.
pub(super) fn expiry(token: &str) -> Option<Timestamp> {
    Timestamp::from_second(claims(token)["exp"].as_i64()?).ok()
}
