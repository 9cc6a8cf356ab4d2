//! What stands around the data servers: the DID directory, and the vendor's web pages where a person sees the posts.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use maud::{DOCTYPE, Markup, html};
use serde_json::json;

use super::Bluesky;
use super::state::{Account, Post};

pub(super) fn directory(network: Bluesky) -> Router {
    Router::new().route("/{did}", get(document)).with_state(network)
}

async fn document(State(network): State<Bluesky>, Path(did): Path<String>) -> Response {
    let found =
        network.state(|state| state.accounts.iter().find(|account| account.did == did).map(super::State::document));
    match found {
        Some(document) => {
            ([(header::CONTENT_TYPE, "application/did+ld+json; charset=utf-8")], document.to_string()).into_response()
        }
        None => {
            let body = json!({ "message": format!("DID not registered: {did}") });
            (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
        }
    }
}

pub(super) fn web(network: Bluesky) -> Router {
    Router::new()
        .route("/profile/{who}", get(profile))
        .route("/profile/{who}/post/{rkey}", get(post))
        .route("/img/{did}/{cid}", get(image))
        .with_state(network)
}

/// The account and its posts, newest first; `None` when nobody may see them.
fn seen(network: &Bluesky, who: &str) -> Option<(Account, Vec<Post>)> {
    network.state(|state| {
        let account = state.account(who).filter(|account| account.standing.status().is_none())?.clone();
        let mut posts = state.posts(who);
        posts.reverse();
        Some((account, posts))
    })
}

async fn profile(State(network): State<Bluesky>, Path(who): Path<String>) -> Response {
    match seen(&network, &who) {
        Some((account, posts)) => page(&account, &posts, "../").into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn post(State(network): State<Bluesky>, Path((who, rkey)): Path<(String, String)>) -> Response {
    match seen(&network, &who) {
        Some((account, posts)) if posts.iter().any(|post| post.rkey == rkey) => {
            let one: Vec<Post> = posts.into_iter().filter(|post| post.rkey == rkey).collect();
            page(&account, &one, "../../../").into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn image(State(network): State<Bluesky>, Path((did, cid)): Path<(String, String)>) -> Response {
    match network.blob(&did, &cid) {
        Some(blob) => ([(header::CONTENT_TYPE, blob.mime)], Body::from(blob.bytes)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn page(account: &Account, posts: &[Post], up: &str) -> Markup {
    let source = |blob: &serde_json::Value| {
        format!("{up}img/{}/{}", account.did, blob["ref"]["$link"].as_str().unwrap_or_default())
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (account.display_name) " (@" (account.handle) ") - Bluesky" } }
            body {
                h1 { (account.display_name) }
                p { "@" (account.handle) }
                @for post in posts {
                    article id=(post.rkey) {
                        @for line in post.value["text"].as_str().unwrap_or_default().lines() { p { (line) } }
                        @for image in post.value["embed"]["images"].as_array().into_iter().flatten() {
                            img src=(source(&image["image"])) alt=(image["alt"].as_str().unwrap_or_default()) width="320";
                        }
                        @if post.value["embed"]["video"].is_object() {
                            video controls src=(source(&post.value["embed"]["video"])) title=(post.value["embed"]["alt"].as_str().unwrap_or_default()) width="320" {}
                        }
                        @if let Some(uri) = post.value["embed"]["external"]["uri"].as_str() { a href=(uri) { (uri) } }
                        time { (post.value["createdAt"].as_str().unwrap_or_default()) }
                    }
                }
            }
        }
    }
}
