//! Files: uploads with their limits, files by address and by id, `getFile` and downloads. It knows no chat. Source:
//! "Sending files" and `getFile` of the Bot API page.

use std::collections::BTreeSet;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::Inner;
use super::state::{FileRecord, Media, MediaKind, State};
use super::wire::{Params, Refusal, Upload};

const MB: u64 = 1024 * 1024;

/// How long a download link works, in milliseconds ("guaranteed to be valid for at least 1 hour").
const LINK_LIFETIME: i64 = 3600 * 1000;

/// The largest file a bot may download.
const DOWNLOAD_LIMIT: u64 = 20 * MB;

/// `getFile`.
pub(super) fn get_file(state: &mut State, params: &Params, now: i64) -> Result<Value, Refusal> {
    let id = params.text("file_id").unwrap_or_default();
    let Some(file) = state.files.get_mut(&id) else {
        return Err(Refusal::new(400, "Bad Request: wrong file_id or the file is temporarily unavailable"));
    };
    if file.size > DOWNLOAD_LIMIT {
        return Err(Refusal::new(400, "Bad Request: file is too big"));
    }
    file.link_until = now + LINK_LIFETIME;
    Ok(json!({
        "file_id": id,
        "file_unique_id": format!("u{id}"),
        "file_size": file.size,
        "file_path": file.path,
    }))
}

/// `GET /file/bot<token>/<file_path>`.
pub(super) fn download(inner: &Inner, path: &str) -> Response {
    let now = inner.now();
    let found = inner.state.read(|state| {
        let file = state.files.values().find(|file| file.path == path && file.link_until > now)?;
        Some((file.bytes.clone(), file.mime.clone()))
    });
    match found {
        Some((bytes, mime)) => {
            let mime = mime.unwrap_or_else(|| "application/octet-stream".to_owned());
            ([(header::CONTENT_TYPE, mime)], bytes).into_response()
        }
        None => {
            let body = json!({ "ok": false, "error_code": 404, "description": "Not Found" });
            (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
        }
    }
}

/// Fetches every http(s) address that stands where a file is expected, as Telegram's servers do.
pub(super) async fn fetch_links(inner: &Inner, params: &mut Params) {
    let mut links = BTreeSet::new();
    for kind in ["photo", "video", "animation", "document"] {
        links.extend(params.text(kind));
    }
    if let Ok(Some(media)) = params.json("media") {
        let items = media.as_array().cloned().unwrap_or_else(|| vec![media]);
        links.extend(items.iter().filter_map(|item| item["media"].as_str().map(str::to_owned)));
    }
    for link in links.into_iter().filter(|link| link.starts_with("http://") || link.starts_with("https://")) {
        let fetched = fetch(inner, &link).await;
        params.fetched.insert(link, fetched);
    }
}

async fn fetch(inner: &Inner, link: &str) -> Result<Upload, Refusal> {
    let failed = || Refusal::new(400, "Bad Request: failed to get HTTP URL content");
    let target = inner.state.read(|state| super::updates::loopback(state, link)).ok_or_else(failed)?;
    let response = super::updates::client().map_err(|_| failed())?.get(target).send().await.map_err(|_| failed())?;
    if !response.status().is_success() {
        return Err(failed());
    }
    let mime = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let name = link.rsplit('/').next().map(str::to_owned);
    let bytes = response.bytes().await.map_err(|_| failed())?;
    Ok(Upload { name, mime, bytes })
}

/// The file that a parameter or an album item names: an upload, an address, or the id of a file Telegram has.
pub(super) fn take(
    state: &mut State,
    params: &Params,
    kind: MediaKind,
    field: &str,
    value: &Value,
) -> Result<Media, Refusal> {
    let named = value.as_str().unwrap_or_default();
    let upload = match named.strip_prefix("attach://") {
        Some(part) => Some(
            params
                .files
                .get(part)
                .ok_or_else(|| Refusal::mistake(400, format!("Bad Request: file \"{part}\" is not in the request")))?,
        ),
        None => params.files.get(field),
    };
    if let Some(upload) = upload {
        let limit = if kind == MediaKind::Photo { 10 * MB } else { 50 * MB };
        return keep(state, kind, upload, limit);
    }
    if let Some(fetched) = params.fetched.get(named) {
        let upload = fetched.clone()?;
        let limit = if kind == MediaKind::Photo { 5 * MB } else { 20 * MB };
        let plain = ["pdf", "zip", "gif"].iter().any(|end| upload.mime.as_deref().unwrap_or_default().ends_with(end));
        if upload.bytes.len() as u64 > limit || (kind == MediaKind::Document && !plain) {
            return Err(Refusal::new(400, "Bad Request: failed to get HTTP URL content"));
        }
        return keep(state, kind, &upload, limit);
    }
    if named.is_empty() {
        return Err(Refusal::mistake(400, format!("Bad Request: there is no {} in the request", kind.as_str())));
    }
    let file = state
        .files
        .get(named)
        .ok_or_else(|| Refusal::mistake(400, "Bad Request: wrong file identifier/HTTP URL specified"))?;
    if file.kind != Some(kind) {
        let was = file.kind.map_or("Sticker".to_owned(), |was| capital(was.as_str()));
        let text = format!("Bad Request: can't use file of type {was} as {}", capital(kind.as_str()));
        return Err(Refusal::mistake(400, text));
    }
    Ok(Media {
        kind,
        file_id: named.to_owned(),
        name: file.name.clone(),
        mime: file.mime.clone(),
        bytes: file.bytes.clone(),
        width: file.width,
        height: file.height,
        duration: file.duration,
    })
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

fn keep(state: &mut State, kind: MediaKind, upload: &Upload, limit: u64) -> Result<Media, Refusal> {
    let size = upload.bytes.len() as u64;
    if size == 0 {
        return Err(Refusal::mistake(400, "Bad Request: file must be non-empty"));
    }
    if size > 50 * MB {
        return Err(Refusal::mistake(413, "Request Entity Too Large"));
    }
    let (mut width, mut height) = (0, 0);
    if kind == MediaKind::Photo {
        if size > limit {
            let text = format!(
                "Bad Request: file of size {size} bytes is too big for a photo; the maximum size is {limit} bytes"
            );
            return Err(Refusal::mistake(400, text));
        }
        (width, height) = photo_size(&upload.bytes)?;
    }
    let file = FileRecord {
        kind: Some(kind),
        bytes: upload.bytes.clone(),
        size,
        path: String::new(),
        name: upload.name.clone(),
        mime: upload.mime.clone(),
        width,
        height,
        duration: 0,
        link_until: 0,
    };
    let file_id = state.store_file(file);
    Ok(Media {
        kind,
        file_id,
        name: upload.name.clone(),
        mime: upload.mime.clone(),
        bytes: upload.bytes.clone(),
        width,
        height,
        duration: 0,
    })
}

/// "The photo's width and height must not exceed 10000 in total. Width and height ratio must be at most 20."
fn photo_size(bytes: &Bytes) -> Result<(u32, u32), Refusal> {
    let size = imagesize::blob_size(bytes).map_err(|_| Refusal::mistake(400, "Bad Request: IMAGE_PROCESS_FAILED"))?;
    let (longer, shorter) = (size.width.max(size.height), size.width.min(size.height));
    if longer + shorter > 10_000 || shorter == 0 || longer > shorter * 20 {
        return Err(Refusal::mistake(400, "Bad Request: PHOTO_INVALID_DIMENSIONS"));
    }
    Ok((u32::try_from(size.width).unwrap_or(0), u32::try_from(size.height).unwrap_or(0)))
}
