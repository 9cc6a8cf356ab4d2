//! What we note about a server: its software, whether it keeps the Idempotency-Key, and its limits. It calls nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What we keep about a server, in the account's `meta`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Notes {
    /// Its host.
    pub instance: String,
    /// Its software, as in `mastodon`, `gotosocial`; empty while unknown.
    pub software: String,
    /// Its version as it says it.
    pub version: String,
    /// Whether sending again with the same Idempotency-Key would make a second post.
    pub ignores_idempotency: bool,
    /// What a post may hold.
    pub limits: Sizes,
}

impl Default for Notes {
    fn default() -> Self {
        Self {
            instance: String::new(),
            software: String::new(),
            version: String::new(),
            // Until the server is known, no replay is trusted.
            ignores_idempotency: true,
            limits: Sizes::default(),
        }
    }
}

/// A server's limits; the defaults are Mastodon's own (`configuration` of a fresh 4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sizes {
    /// Characters, content warning included.
    pub text: usize,
    /// What a URL counts.
    pub url: usize,
    /// Files.
    pub media: usize,
    /// Characters of a description.
    pub alt: usize,
    /// MIME types of files.
    pub types: Vec<String>,
    /// Bytes per picture.
    pub image_bytes: u64,
    /// Bytes per video.
    pub video_bytes: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        let types =
            ["image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4", "video/quicktime", "video/webm"];
        Self {
            text: 500,
            url: 23,
            media: 4,
            alt: 1500,
            types: types.map(str::to_owned).to_vec(),
            image_bytes: 16 * 1024 * 1024,
            video_bytes: 99 * 1024 * 1024,
        }
    }
}

/// Software whose servers give back the same status for the same Idempotency-Key. GoToSocial stores the key and does not
/// use it, Pixelfed answers 400 to a replay; what is not listed here is not trusted.
const REPLAYS: &[&str] = &["mastodon", "pleroma", "akkoma"];

impl Notes {
    /// The notes in an account's `meta`.
    pub(super) fn of(meta: &Value) -> Self {
        serde_json::from_value(meta.clone()).unwrap_or_default()
    }

    /// From `GET /api/v2/instance` or its v1: both have `version` and `configuration`.
    pub(super) fn read(host: &str, document: &Value) -> Self {
        let version = document["version"].as_str().unwrap_or_default();
        let software = software(version, document["source_url"].as_str().unwrap_or_default());
        let configuration = &document["configuration"];
        let (statuses, media) = (&configuration["statuses"], &configuration["media_attachments"]);
        let number = |value: &Value| value.as_u64().filter(|number| *number > 0);
        let count = |value: &Value| number(value).and_then(|number| usize::try_from(number).ok());
        let fresh = Sizes::default();
        let types: Vec<String> = media["supported_mime_types"]
            .as_array()
            .map(|types| types.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect())
            .unwrap_or_default();
        Self {
            instance: host.to_owned(),
            ignores_idempotency: !REPLAYS.contains(&software.as_str()),
            software,
            version: version.to_owned(),
            limits: Sizes {
                text: count(&statuses["max_characters"]).unwrap_or(fresh.text),
                url: count(&statuses["characters_reserved_per_url"]).unwrap_or(fresh.url),
                media: count(&statuses["max_media_attachments"]).unwrap_or(fresh.media),
                alt: count(&media["description_limit"]).unwrap_or(fresh.alt),
                types: if types.is_empty() { fresh.types } else { types },
                image_bytes: number(&media["image_size_limit"]).unwrap_or(fresh.image_bytes),
                video_bytes: number(&media["video_size_limit"]).unwrap_or(fresh.video_bytes),
            },
        }
    }
}

/// Whose software this is, by the version it reports: `2.7.2 (compatible; Pleroma 2.6.0)`, GoToSocial's `0.20.2+git-…`,
/// Mastodon's and its forks' `4.4.8+glitch`.
fn software(version: &str, source: &str) -> String {
    if let Some((_, name)) = version.split_once("(compatible; ") {
        return name.split([' ', ')']).next().unwrap_or_default().to_lowercase();
    }
    if source.contains("gotosocial") || version.starts_with("0.") {
        return "gotosocial".into();
    }
    "mastodon".into()
}
