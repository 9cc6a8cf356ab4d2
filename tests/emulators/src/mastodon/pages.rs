//! What a person sees of an instance in a browser: the public timeline, a profile, a status, and the uploaded files.
//! It shows public things only and changes nothing.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use super::Mastodon;
use super::entities::content;
use super::state::{Status, User, UserState};
use super::wire::iso;

pub(super) async fn file(State(instance): State<Mastodon>, Path(id): Path<String>) -> Response {
    let media = instance.state(|state| state.media.iter().find(|media| media.id == id).cloned());
    match media {
        Some(media) => ([(header::CONTENT_TYPE, media.mime)], Body::from(media.bytes)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn shown(title: &str, up: &str, statuses: &[(String, Status)]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (title) } }
            body {
                h1 { (title) }
                @for (author, status) in statuses {
                    article id=(status.id) {
                        h2 { (author) }
                        @if !status.spoiler_text.is_empty() { strong { (status.spoiler_text) } }
                        (content(&status.text))
                        @for media in &status.media {
                            @let source = format!("{up}system/media_attachments/{}", media.id);
                            @if media.kind == "image" {
                                img src=(source) alt=(media.description.as_deref().unwrap_or_default()) width="320";
                            } @else {
                                video controls src=(source) title=(media.description.as_deref().unwrap_or_default()) width="320" {}
                            }
                        }
                        p { time { (iso(status.created_ms, 0)) } }
                    }
                }
            }
        }
    }
}

/// The statuses anybody sees, newest first, with their authors' names.
fn seen(instance: &Mastodon, which: impl Fn(&Status, &User) -> bool) -> Vec<(String, Status)> {
    instance.state(|state| {
        let all = state.statuses.iter().rev().filter(|status| state.visible(status, None));
        let with_author = all.filter_map(|status| Some((state.user(&status.account)?, status)));
        with_author
            .filter(|(user, status)| which(status, user))
            .map(|(user, status)| (user.display_name.clone(), status.clone()))
            .collect()
    })
}

pub(super) async fn public(State(instance): State<Mastodon>) -> Markup {
    shown(instance.host(), "", &seen(&instance, |status, _| status.visibility == "public"))
}

pub(super) async fn user(State(instance): State<Mastodon>, Path(name): Path<String>) -> Response {
    let known = |state: &mut super::State| {
        state.users.iter().any(|user| name.strip_prefix('@') == Some(&user.name) && user.state != UserState::Suspended)
    };
    if !instance.state(known) {
        return StatusCode::NOT_FOUND.into_response();
    }
    shown(&name, "", &seen(&instance, |_, user| name.strip_prefix('@') == Some(&user.name))).into_response()
}

pub(super) async fn status(State(instance): State<Mastodon>, Path((name, id)): Path<(String, String)>) -> Response {
    let found = seen(&instance, |status, user| status.id == id && name.strip_prefix('@') == Some(&user.name));
    if found.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    shown(&name, "../", &found).into_response()
}
