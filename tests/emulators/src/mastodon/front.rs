//! What stands before an instance's application: the web server with its size limits and redirects, and Rack::Attack
//! with its call budgets (`config/initializers/rack_attack.rb`). It knows paths and tokens, no bodies.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use maud::{DOCTYPE, html};
use serde_json::json;

use super::Mastodon;
use super::wire::{bearer, iso, redirect};
use crate::throttle::Budget;

/// The front end and Rack::Attack: what is decided before the application sees a request.
pub(super) async fn pass(State(instance): State<Mastodon>, request: Request, next: Next) -> Response {
    let (knobs, body_size) = instance.state(|state| (state.knobs.clone(), state.limits.body_size));
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    if let Some(origin) = knobs.redirect_to {
        return redirect(StatusCode::MOVED_PERMANENTLY, &format!("{origin}{target}"));
    }
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if writes && length.is_none() && knobs.require_content_length {
        let page = html! { (DOCTYPE) html { h1 { "411 Length Required" } } };
        return (StatusCode::LENGTH_REQUIRED, page).into_response();
    }
    if length.is_some_and(|length| length > body_size) {
        let page = html! { (DOCTYPE) html { h1 { "413 Request Entity Too Large" } } };
        return (StatusCode::PAYLOAD_TOO_LARGE, page).into_response();
    }
    let Some(budget) = knobs.rate_limits.then(|| budget(&instance, &request)).flatten() else {
        return next.run(request).await;
    };
    let mut response = if budget.allowed {
        next.run(request).await
    } else {
        (StatusCode::TOO_MANY_REQUESTS, axum::Json(json!({ "error": "Too many requests" }))).into_response()
    };
    let values = [
        ("x-ratelimit-limit", budget.limit.to_string()),
        ("x-ratelimit-remaining", budget.remaining.to_string()),
        // ISO 8601 with microseconds, not seconds as elsewhere.
        ("x-ratelimit-reset", iso(budget.reset_ms, 6)),
    ];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The tightest budget that counts this request; `None` outside the API.
fn budget(instance: &Mastodon, request: &Request) -> Option<Budget> {
    let path = request.uri().path();
    if !path.starts_with("/api/") {
        return None;
    }
    let now = instance.now();
    let bearer = bearer(request.headers()).map(str::to_owned);
    instance.state(|state| {
        // Media and deletions are counted per user, everything else per token, or per address without one.
        let user = bearer.as_deref().and_then(|bearer| state.owner(bearer));
        let key = bearer.unwrap_or_else(|| "127.0.0.1".to_owned());
        let general = state.throttles.api.spend(&key, 1, now);
        let user = user.unwrap_or(key);
        let special = match *request.method() {
            Method::POST if path.ends_with("/media") => Some(state.throttles.media.spend(&user, 1, now)),
            Method::DELETE if path.starts_with("/api/v1/statuses/") => {
                Some(state.throttles.delete.spend(&user, 1, now))
            }
            Method::POST if path == "/api/v1/apps" => Some(state.throttles.apps.spend("127.0.0.1", 1, now)),
            _ => None,
        };
        Some(match special {
            Some(special) if general.allowed => special,
            _ => general,
        })
    })
}
