//! The JSON of a Mastodon instance's entities (docs.joinmastodon.org/entities), from the state. It asks no rule and
//! knows no request.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::State;
use super::state::{Media, Status, User};
use super::wire::iso;

pub(super) fn account(state: &State, user: &User) -> Value {
    let host = state.host();
    let statuses = state.statuses.iter().filter(|status| status.account == user.id).count();
    let picture = format!("https://{host}/avatars/original/missing.png");
    let header = format!("https://{host}/headers/original/missing.png");
    json!({
        "id": user.id,
        "username": user.name,
        "acct": user.name,
        "display_name": user.display_name,
        "locked": false,
        "bot": false,
        "discoverable": true,
        "indexable": false,
        "group": false,
        // Accounts tell the day only.
        "created_at": iso(user.created_ms - user.created_ms.rem_euclid(86_400_000), 3),
        "note": "",
        "url": format!("https://{host}/@{}", user.name),
        "uri": format!("https://{host}/users/{}", user.name),
        "avatar": picture,
        "avatar_static": picture,
        "header": header,
        "header_static": header,
        "followers_count": 0,
        "following_count": 0,
        "statuses_count": statuses,
        "last_status_at": null,
        "emojis": [],
        "roles": [],
        "fields": [],
    })
}

pub(super) fn configuration(state: &State) -> Value {
    let limits = &state.limits;
    json!({
        "accounts": { "max_featured_tags": 10, "max_pinned_statuses": 5 },
        "statuses": {
            "max_characters": limits.max_characters,
            "max_media_attachments": limits.max_media,
            "characters_reserved_per_url": limits.url_length,
        },
        "media_attachments": {
            "supported_mime_types": limits.mime_types,
            "image_size_limit": limits.image_size,
            "image_matrix_limit": limits.image_matrix,
            "video_size_limit": limits.video_size,
            "video_frame_rate_limit": 120,
            "video_matrix_limit": 8_294_400,
        },
        "polls": { "max_options": 4, "max_characters_per_option": 50, "min_expiration": 300, "max_expiration": 2_629_746 },
    })
}

pub(super) fn attachment(host: &str, media: &Media) -> Value {
    let url = media.ready.then(|| format!("https://{host}/system/media_attachments/{}", media.id));
    let meta = media.dimensions.map_or_else(
        || json!({}),
        |(width, height)| json!({ "original": { "width": width, "height": height, "size": format!("{width}x{height}"), "aspect": width as f64 / height.max(1) as f64 } }),
    );
    json!({
        "id": media.id, "type": media.kind, "url": url, "preview_url": url, "remote_url": null, "meta": meta,
        "description": media.description, "blurhash": "UBL_:rOpGG-oBUNG,qRj2so|=eE1w^n4S5NH",
    })
}

pub(super) fn entity(state: &State, status: &Status) -> Value {
    let host = state.host();
    let author = state.user(&status.account);
    let name = author.map_or("", |user| user.name.as_str());
    let app = state.app(&status.client_id).map(|app| json!({ "name": app.name, "website": app.website }));
    json!({
        "id": status.id,
        "created_at": iso(status.created_ms, 3),
        "edited_at": null,
        "in_reply_to_id": status.in_reply_to_id,
        "in_reply_to_account_id": null,
        "sensitive": status.sensitive,
        "spoiler_text": status.spoiler_text,
        "visibility": status.visibility,
        "language": status.language,
        "uri": format!("https://{host}/users/{name}/statuses/{}", status.id),
        "url": format!("https://{host}/@{name}/{}", status.id),
        "replies_count": 0, "reblogs_count": 0, "favourites_count": 0, "quotes_count": 0,
        "favourited": false, "reblogged": false, "muted": false, "bookmarked": false, "pinned": false,
        "content": content(&status.text).into_string(),
        "reblog": null,
        "application": app,
        "account": author.map(|user| account(state, user)),
        "media_attachments": status.media.iter().map(|media| attachment(host, media)).collect::<Vec<_>>(),
        "mentions": [], "tags": [], "emojis": [], "card": null, "poll": null,
    })
}

/// Plain text as Mastodon shows it: HTML of the text is shown as text, lines are kept.
pub(super) fn content(text: &str) -> Markup {
    html! {
        @if !text.is_empty() {
            p { @for (index, line) in text.lines().enumerate() { @if index > 0 { br; } (line) } }
        }
    }
}
