//! The small web part: connect links, callbacks, the private form, media links, the webhook, health and metrics. It
//! knows no surface: it asks `flows` and draws pages. Everything from outside is untrusted, sizes are capped, and a
//! failure shows a sentence, never its cause.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures::future::BoxFuture;
use maud::Markup;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use url::Url;

use crate::domain::Secret;
use crate::flows::connect::{Opened, Returned};
use crate::flows::{Flows, Refusal};
use crate::lifecycle::Lifecycle;
use crate::platforms::Entry;
use crate::store::Place;

mod pages;

/// Takes a webhook's secret header and body; gives the HTTP status to answer.
pub type Webhook = Arc<dyn Fn(Option<Bytes>, Bytes) -> BoxFuture<'static, u16> + Send + Sync>;

/// Where "back to your chat" leads, with the words on the button ("Back to Telegram").
pub type BackLink = Arc<dyn Fn(&Place) -> Option<(String, Url)> + Send + Sync>;

/// The largest form taken (bytes).
const FORM_LIMIT: usize = 16 * 1024;
/// The largest update taken (bytes); Telegram's are far smaller.
const UPDATE_LIMIT: usize = 1024 * 1024;
/// The longest a request may take; completing a connect asks a vendor several things in turn.
const PATIENCE: Duration = Duration::from_secs(100);
/// Telegram's name for the header that proves a delivery.
const TELEGRAM_SECRET: &str = "x-telegram-bot-api-secret-token";

/// No script, no frame, nothing from elsewhere. Forms may lead on to the vendor, so their target is not limited by
/// `form-action` beyond our own page.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the pages need.
#[derive(Clone)]
pub struct Web {
    /// The use cases.
    pub flows: Arc<Flows>,
    /// Telegram's deliveries, where they come by webhook.
    pub telegram: Option<Webhook>,
    /// The way back to a chat.
    pub back: BackLink,
    /// Prometheus's text.
    pub metrics: PrometheusHandle,
}

/// All routes.
pub fn router(web: Web) -> Router {
    let fixed = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    Router::new()
        .route("/", get(home))
        .route("/style.css", get(style))
        .route("/connect/{token}", get(connect).post(submit))
        .route("/accounts/{platform}/callback", get(callback))
        .route("/telegram/webhook", post(telegram).layer(DefaultBodyLimit::max(UPDATE_LIMIT)))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| trouble()))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, PATIENCE))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
        .with_state(web)
}

/// Serves until the daemon drains.
pub fn serve(web: Web, listener: TcpListener, lifecycle: &Lifecycle) {
    let soft = lifecycle.soft().clone();
    lifecycle.spawn("web", async move {
        let server = axum::serve(listener, router(web)).with_graceful_shutdown(async move { soft.cancelled().await });
        if let Err(error) = server.await {
            tracing::error!(error = %error, "the web part stopped");
        }
    });
}

fn page(status: StatusCode, content: Markup) -> Response {
    (status, content).into_response()
}

fn trouble() -> Response<Body> {
    let sentences = ["Something went wrong here, and it was written down. Please try again in a moment."];
    page(StatusCode::INTERNAL_SERVER_ERROR, pages::notice("That did not work", &sentences, None))
}

fn refused(refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Store(error) => {
            tracing::error!(error = %error, "a page could not be made");
            trouble()
        }
        other => {
            tracing::info!(refusal = %other, "a page was refused");
            too_late()
        }
    }
}

fn too_late() -> Response {
    let sentences =
        ["This link was already used, or is older than 15 minutes.", "Ask for a new one in your chat with /connect."];
    page(StatusCode::GONE, pages::notice("This link no longer works", &sentences, None))
}

async fn home() -> Markup {
    let sentences = ["This daemon is run from a chat. Write to its bot, or to whoever runs it."];
    pages::notice("trypost is running", &sentences, None)
}

async fn nowhere() -> Response {
    page(StatusCode::NOT_FOUND, pages::notice("There is nothing here", &["The rest is in your chat."], None))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css"), (header::CACHE_CONTROL, "max-age=3600")], pages::STYLE)
}

/// One part of a path; one that is no text is nothing that we ever made.
type Part = Result<Path<String>, PathRejection>;

async fn connect(State(web): State<Web>, token: Part) -> Response {
    let Ok(Path(token)) = token else { return too_late() };
    match web.flows.open_link(&Secret::new(token)).await {
        Ok(Opened::Vendor(url)) => Redirect::to(url.as_str()).into_response(),
        Ok(Opened::Form { descriptor }) => match descriptor.entry {
            Entry::Form(fields) => page(StatusCode::OK, pages::form(descriptor, fields, &|_| None, None)),
            _ => too_late(),
        },
        Ok(Opened::TooLate) => too_late(),
        Err(refusal) => refused(&refusal),
    }
}

async fn submit(
    State(web): State<Web>,
    token: Part,
    headers: HeaderMap,
    typed: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    // The link itself is the proof; a form sent from another site does not have it, and is refused all the same.
    if !same_origin(&headers) {
        let sentences = ["This form was not sent from our own page, so nothing was done."];
        return page(StatusCode::FORBIDDEN, pages::notice("That did not work", &sentences, None));
    }
    let typed = match typed {
        Ok(Form(typed)) => once(typed),
        Err(rejection) => return unreadable(rejection.status()),
    };
    let Some(typed) = typed else { return unreadable(StatusCode::UNPROCESSABLE_ENTITY) };
    let Ok(Path(token)) = token else { return too_late() };
    let link = Secret::new(token);
    let descriptor = match web.flows.open_link(&link).await {
        Ok(Opened::Form { descriptor }) => descriptor,
        Ok(_) => return too_late(),
        Err(refusal) => return refused(&refusal),
    };
    let Entry::Form(fields) = descriptor.entry else { return too_late() };
    let known = fields
        .iter()
        .filter_map(|field| typed.get(field.name).map(|value| (field.name.to_owned(), Secret::new(value.trim()))))
        .collect();
    match web.flows.submit(&link, known).await {
        Ok(Returned::Again { why, fix }) => {
            let wrong = pages::Wrong { why: &why, fix: &fix };
            let content = pages::form(descriptor, fields, &|name| typed.get(name).cloned(), Some(&wrong));
            page(StatusCode::UNPROCESSABLE_ENTITY, content)
        }
        Ok(returned) => told(&web, descriptor.name, returned),
        Err(refusal) => refused(&refusal),
    }
}

async fn callback(
    State(web): State<Web>,
    platform: Part,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let Ok(Path(platform)) = platform else { return nowhere().await };
    let Some(offered) = web.flows.offered(&platform) else { return nowhere().await };
    let name = offered.platform.descriptor().name;
    let Some(query) = query.ok().and_then(|Query(query)| once(query)) else { return too_late() };
    match web.flows.callback(&platform, query).await {
        Ok(returned) => told(&web, name, returned),
        Err(refusal) => refused(&refusal),
    }
}

/// What was sent, by name. A parameter that comes twice is nobody's honest answer (RFC 6749, 3.1).
fn once(sent: Vec<(String, String)>) -> Option<BTreeMap<String, String>> {
    let mut known = BTreeMap::new();
    sent.into_iter().all(|(name, value)| known.insert(name, value).is_none()).then_some(known)
}

fn unreadable(status: StatusCode) -> Response {
    let sentences = ["It may be too long, or not from our page. Open the link from your chat again."];
    page(status, pages::notice("That form could not be read", &sentences, None))
}

fn told(web: &Web, name: &str, returned: Returned) -> Response {
    match returned {
        Returned::Found { place } => {
            let sentences = ["Nothing is connected yet: pick and confirm in your chat."];
            let title = format!("{name} answered");
            page(StatusCode::OK, pages::notice(&title, &sentences, (web.back)(&place)))
        }
        Returned::Failed { place, why, fix } => {
            let title = "Nothing was connected";
            page(StatusCode::OK, pages::notice(title, &[&why, &fix, "Your chat says so too."], (web.back)(&place)))
        }
        Returned::Again { .. } | Returned::TooLate => too_late(),
    }
}

/// Browsers say where a form comes from; one that says nothing, or hides it, is judged by its link alone.
fn same_origin(headers: &HeaderMap) -> bool {
    !matches!(headers.get("sec-fetch-site").and_then(|site| site.to_str().ok()), Some("cross-site" | "same-site"))
}

async fn telegram(State(web): State<Web>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(webhook) = &web.telegram else { return StatusCode::NOT_FOUND };
    let secret = headers.get(TELEGRAM_SECRET).map(|secret| Bytes::copy_from_slice(secret.as_bytes()));
    StatusCode::from_u16(webhook(secret, body).await).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn ready(State(web): State<Web>) -> Response {
    match web.flows.store.write_probe().await {
        Ok(()) => "ready".into_response(),
        Err(error) => {
            tracing::error!(error = %error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database takes no writes").into_response()
        }
    }
}

async fn metrics(State(web): State<Web>) -> Response {
    for (platform, status, count) in web.flows.store.account_counts().await.unwrap_or_default() {
        gauge("trypost_accounts", count, &[("platform", platform), ("status", status)]);
    }
    gauge("trypost_queue_length", web.flows.store.queue_length().await.unwrap_or(-1), &[]);
    gauge("trypost_outbox_length", web.flows.store.outbox_length().await.unwrap_or(-1), &[]);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], web.metrics.render()).into_response()
}

/// Sets a gauge; counts fit a float exactly far beyond any daemon's.
fn gauge(name: &'static str, count: i64, labels: &[(&'static str, String)]) {
    let labels: Vec<metrics::Label> =
        labels.iter().map(|(key, value)| metrics::Label::new(*key, value.clone())).collect();
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    metrics::gauge!(name, labels).set(f64::from(count));
}
