//! The lexicon rules of `app.bsky.feed.post` and its embeds, and the checks of a data server on the blobs that a
//! record names. Pure: it knows neither accounts nor HTTP beyond the refusal's shape.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation as _;

use super::Refusal;

/// Video blobs by `app.bsky.embed.video`.
const VIDEO_BYTES: u64 = 300_000_000;
/// The picture of a link card by `app.bsky.embed.external`: still a million.
const THUMB_BYTES: u64 = 1_000_000;

/// A blob that a record names, as the record describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) cid: String,
    pub(super) mime: String,
    pub(super) size: u64,
}

static TID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^[234567a-j][234567a-z]{12}$").ok());
static DID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]$").ok());
static URI: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\w+:(?://)?[^\s/][^\s]*$").ok());
static CID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^b[a-z2-7]{58}$").ok());
static LANGUAGE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^(i|[A-Za-z]{2,3})(-[A-Za-z0-9]+)*$").ok());
static DATETIME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,20})?(Z|[+-]\d\d:\d\d)$").ok());

fn is(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// Whether this is a timestamp identifier, the only record key of a post.
pub(super) fn is_tid(rkey: &str) -> bool {
    is(&TID, rkey)
}

/// Whether this is a DID.
pub(super) fn is_did(did: &str) -> bool {
    is(&DID, did)
}

/// The reference server's words; `path` is inside the record.
fn message(path: &str, what: &str) -> String {
    format!("Invalid app.bsky.feed.post record: {what} at $.record.{path}")
}

fn invalid(path: &str, what: &str) -> Refusal {
    Refusal::invalid(message(path, what))
}

fn string<'a>(value: &'a Value, path: &str) -> Result<&'a str, Refusal> {
    value.as_str().ok_or_else(|| invalid(path, &format!("Expected string value type (got {value})")))
}

fn list<'a>(value: &'a Value, path: &str, most: usize) -> Result<&'a [Value], Refusal> {
    let list = value.as_array().ok_or_else(|| invalid(path, &format!("Expected array value type (got {value})")))?;
    if list.len() > most {
        return Err(invalid(path, &format!("array too big (maximum {most}, got {})", list.len())));
    }
    Ok(list)
}

fn sized(text: &str, path: &str, graphemes: usize, bytes: usize) -> Result<(), Refusal> {
    if text.len() > bytes {
        return Err(invalid(path, &format!("string too big (maximum {bytes}, got {})", text.len())));
    }
    let count = text.graphemes(true).count();
    if count > graphemes {
        return Err(invalid(path, &format!("grapheme too big (maximum {graphemes}, got {count})")));
    }
    Ok(())
}

/// What a valid post names, and what the server lets pass though no correct client sends it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) blobs: Vec<Named>,
    pub(super) odd: Vec<String>,
}

/// Holds a post against its lexicon. `image_limit` is the server's cap for pictures (bytes).
pub(super) fn check_post(post: &Value, image_limit: u64) -> Result<Checked, Refusal> {
    let mut checked = Checked::default();
    let text = string(&post["text"], "text")?;
    sized(text, "text", 300, 3000)?;
    let created = string(&post["createdAt"], "createdAt")?;
    if !is(&DATETIME, created) || created.parse::<jiff::Timestamp>().is_err() {
        return Err(invalid("createdAt", "Invalid datetime"));
    }
    if !post["langs"].is_null() {
        for language in list(&post["langs"], "langs", 3)? {
            if !is(&LANGUAGE, string(language, "langs")?) {
                return Err(invalid("langs", "Invalid language"));
            }
        }
    }
    if !post["tags"].is_null() {
        for tag in list(&post["tags"], "tags", 8)? {
            sized(string(tag, "tags")?, "tags", 64, 640)?;
        }
    }
    if !post["facets"].is_null() {
        for facet in list(&post["facets"], "facets", usize::MAX)? {
            check_facet(facet, text, &mut checked.odd)?;
        }
    }
    if !post["labels"].is_null() {
        if post["labels"]["$type"] != "com.atproto.label.defs#selfLabels" {
            let what = "Expected an object which includes the \"$type\" property value type";
            return Err(invalid("labels", what));
        }
        let values = list(&post["labels"]["values"], "labels.values", 10)?;
        for value in values {
            sized(string(&value["val"], "labels.values.val")?, "labels.values.val", usize::MAX, 128)?;
        }
    }
    if !post["reply"].is_null() {
        strong_ref(&post["reply"]["root"], "reply.root")?;
        strong_ref(&post["reply"]["parent"], "reply.parent")?;
    }
    if !post["embed"].is_null() {
        check_embed(&post["embed"], image_limit, &mut checked)?;
    } else if text.is_empty() {
        checked.odd.push("a post with neither text nor embed".to_owned());
    }
    Ok(checked)
}

fn strong_ref(value: &Value, path: &str) -> Result<(), Refusal> {
    if !string(&value["uri"], path)?.starts_with("at://") {
        return Err(invalid(path, "Invalid AT URI"));
    }
    if !is(&CID, string(&value["cid"], path)?) {
        return Err(invalid(path, "Invalid CID string"));
    }
    Ok(())
}

fn check_facet(facet: &Value, text: &str, odd: &mut Vec<String>) -> Result<(), Refusal> {
    let at = |name: &str| {
        facet["index"][name]
            .as_u64()
            .and_then(|at| usize::try_from(at).ok())
            .ok_or_else(|| invalid("facets.index", "Expected integer value"))
    };
    let (start, end) = (at("byteStart")?, at("byteEnd")?);
    // The lexicon takes any two numbers; apps drop such a facet.
    if start >= end || end > text.len() || !text.is_char_boundary(start) || !text.is_char_boundary(end) {
        odd.push(format!("facet {start}..{end} is no range of whole characters of a text of {} bytes", text.len()));
    }
    for feature in list(&facet["features"], "facets.features", usize::MAX)? {
        match string(&feature["$type"], "facets.features.$type")? {
            "app.bsky.richtext.facet#mention" => {
                if !is_did(string(&feature["did"], "facets.features.did")?) {
                    return Err(invalid("facets.features.did", "Invalid DID"));
                }
            }
            "app.bsky.richtext.facet#link" => {
                if !is(&URI, string(&feature["uri"], "facets.features.uri")?) {
                    return Err(invalid("facets.features.uri", "Invalid URI"));
                }
            }
            "app.bsky.richtext.facet#tag" => {
                sized(string(&feature["tag"], "facets.features.tag")?, "facets.features.tag", 64, 640)?;
            }
            other => odd.push(format!("unknown facet feature {other}")),
        }
    }
    Ok(())
}

fn check_embed(embed: &Value, image_limit: u64, checked: &mut Checked) -> Result<(), Refusal> {
    match string(&embed["$type"], "embed.$type")? {
        "app.bsky.embed.images" => {
            let images = list(&embed["images"], "embed.images", 4)?;
            if images.is_empty() {
                checked.odd.push("an embed of no images".to_owned());
            }
            for image in images {
                string(&image["alt"], "embed.images.alt")?;
                aspect_ratio(&image["aspectRatio"])?;
                checked.blobs.push(blob(&image["image"], "embed.images.image", "image/*", image_limit)?);
            }
        }
        "app.bsky.embed.video" => {
            aspect_ratio(&embed["aspectRatio"])?;
            if !embed["alt"].is_null() {
                string(&embed["alt"], "embed.alt")?;
            }
            checked.blobs.push(blob(&embed["video"], "embed.video", "video/mp4", VIDEO_BYTES)?);
        }
        "app.bsky.embed.external" => {
            let external = &embed["external"];
            if !is(&URI, string(&external["uri"], "embed.external.uri")?) {
                return Err(invalid("embed.external.uri", "Invalid URI"));
            }
            string(&external["title"], "embed.external.title")?;
            string(&external["description"], "embed.external.description")?;
            if !external["thumb"].is_null() {
                checked.blobs.push(blob(&external["thumb"], "embed.external.thumb", "image/*", THUMB_BYTES)?);
            }
        }
        "app.bsky.embed.record" => strong_ref(&embed["record"], "embed.record")?,
        "app.bsky.embed.recordWithMedia" => {
            strong_ref(&embed["record"]["record"], "embed.record.record")?;
            check_embed(&embed["media"], image_limit, checked)?;
        }
        // The union is open: a server keeps what it does not know.
        other => checked.odd.push(format!("unknown embed {other}")),
    }
    Ok(())
}

fn aspect_ratio(ratio: &Value) -> Result<(), Refusal> {
    let positive = |side: &Value| side.as_u64().is_some_and(|side| side > 0);
    if ratio.is_null() || positive(&ratio["width"]) && positive(&ratio["height"]) {
        return Ok(());
    }
    Err(invalid("embed.aspectRatio", "Expected integers of at least 1"))
}

/// A blob in its place: the lexicon's type and size are held against what the record says of it.
fn blob(value: &Value, path: &str, accept: &'static str, max: u64) -> Result<Named, Refusal> {
    let whole = || Some((value["ref"]["$link"].as_str()?, value["mimeType"].as_str()?, value["size"].as_u64()?));
    let (cid, mime, size) =
        whole().filter(|_| value["$type"] == "blob").ok_or_else(|| invalid(path, "Expected blob value type"))?;
    let fits = match accept.strip_suffix('*') {
        Some(start) => mime.starts_with(start),
        None => mime == accept,
    };
    if !fits {
        return Err(invalid(&format!("{path}.mimeType"), &format!("Expected \"{accept}\" (got \"{mime}\")")));
    }
    if size > max {
        // No violation: what a server takes depends on its age, and a client may try the larger one first.
        let what = format!("blob too big (maximum {max}, got {size})");
        return Err(Refusal::new(400, "InvalidRequest", message(path, &what)));
    }
    Ok(Named { cid: cid.to_owned(), mime: mime.to_owned(), size })
}

/// A data server's check of one named blob against what it stored (`verifyBlob`).
pub(super) fn check_blob(named: &Named, stored: Option<(&str, u64)>) -> Result<(), Refusal> {
    let Some((mime, size)) = stored else {
        return Err(Refusal::new(400, "BlobNotFound", format!("Could not find blob: {}", named.cid)));
    };
    if named.mime != mime {
        let message = format!("Referenced Mimetype does not match stored blob. Expected: {mime}, Got: {}", named.mime);
        return Err(Refusal::new(400, "InvalidMimeType", message.clone()).violating(message));
    }
    if named.size != size {
        let message = format!("Referenced Size does not match stored blob. Expected: {size}, Got: {}", named.size);
        return Err(Refusal::new(400, "InvalidSize", message.clone()).violating(message));
    }
    Ok(())
}
