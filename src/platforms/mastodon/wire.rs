//! A Mastodon server's calls, and what we note about the server. megalodon makes them where it knows more than we do
//! (the profile, the old instance document, statuses, in the dialects of five kinds of software), through the relay.
//! Ours are the calls where it is worse: OAuth (no state and no PKCE of ours, broken refresh), registering (panics without a
//! `redirect_uri`), the instance's v2 document (it reads only v1), and files (it sends them chunked, without a length and
//! under a random name, which front ends refuse, and panics on a file that is still processed).

use std::time::Duration;

use http::Method;
use megalodon::SNS;
use megalodon::entities::Account as Profile;
use megalodon::megalodon::PostStatusOutput;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::fault::fault;
use super::relay::{Errand, Relay, Told};
use crate::domain::Secret;
use crate::domain::fault::{Fault, Operation};
use crate::platforms::http::{Answer, Call, Part, PartValue};
use crate::platforms::{Context, File};

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

/// Who we are on a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub id: String,
    pub username: String,
    pub display_name: String,
    pub url: Option<String>,
    /// Where the account has moved to, when it has.
    pub moved_to: Option<String>,
}

impl From<Profile> for Identity {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.id,
            username: profile.username,
            display_name: profile.display_name,
            url: Some(profile.url).filter(|url| !url.is_empty()),
            moved_to: profile.moved.map(|moved| moved.acct),
        }
    }
}

impl Identity {
    /// From an answer that lacks what megalodon's type asks for.
    fn read(json: &Value) -> Option<Self> {
        let text = |field: &str| json[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self {
            id: text("id")?,
            username: text("username").or_else(|| text("acct"))?,
            display_name: text("display_name").unwrap_or_default(),
            url: text("url"),
            moved_to: json["moved"]["acct"].as_str().map(str::to_owned),
        })
    }
}

/// A file as the server has it.
pub(super) enum Upload {
    /// Ready to be attached.
    Ready(String),
    /// Still being worked on.
    Processing(String),
}

/// A status to be published.
pub(super) struct Draft {
    pub text: String,
    pub options: megalodon::megalodon::PostStatusInputOptions,
}

/// One status of a list.
pub(super) struct Status {
    pub id: String,
    pub url: Option<String>,
    /// HTML.
    pub content: String,
    pub warning: String,
    pub created_at: Option<crate::domain::Timestamp>,
    pub media: Vec<String>,
}

/// A server, as one call sees it.
pub(super) struct Server<'a> {
    pub cx: &'a Context<'a>,
    pub relay: &'a Relay,
    pub host: &'a str,
    /// As in [`Notes::software`].
    pub software: &'a str,
    pub token: Option<&'a Secret>,
}

impl Server<'_> {
    fn errand(&self, operation: Operation) -> Errand<'_> {
        let sns = match self.software {
            "pleroma" | "akkoma" => SNS::Pleroma,
            "gotosocial" => SNS::Gotosocial,
            "pixelfed" => SNS::Pixelfed,
            "friendica" => SNS::Friendica,
            _ => SNS::Mastodon,
        };
        Errand { operation, sns, host: self.host, token: self.token, key: None }
    }

    fn judged<T>(&self, operation: Operation, told: Told<T>) -> Result<Told<T>, Fault> {
        if told.answer.is_success() { Ok(told) } else { Err(fault(operation, &told.answer, self.cx.now)) }
    }

    fn unreadable(&self, operation: Operation) -> Fault {
        Fault::unanswered(operation, format!("{} answered something that can't be read", self.host))
    }

    /// Whose token this is.
    pub(super) async fn identity(&self, operation: Operation) -> Result<Identity, Fault> {
        let ask = |client: Box<dyn megalodon::Megalodon + Send + Sync>| async move {
            client.verify_account_credentials().await
        };
        let told = self.judged(operation, self.relay.call(self.cx, self.errand(operation), ask).await?)?;
        let identity = told.entity.map(Identity::from).or_else(|| Identity::read(&told.answer.json()));
        identity.ok_or_else(|| self.unreadable(operation))
    }

    /// What the server says about itself: the v2 document, or v1 where that does not exist (Mastodon before 4.0, Pixelfed).
    pub(super) async fn notes(&self, operation: Operation) -> Result<Notes, Fault> {
        let answer = self.call(operation, Method::GET, "/api/v2/instance")?.send().await?;
        if answer.is_success() && answer.json()["version"].is_string() {
            return Ok(Notes::read(self.host, &answer.json()));
        }
        if answer.status != 404 && !answer.is_success() {
            return Err(fault(operation, &answer, self.cx.now));
        }
        let ask = |client: Box<dyn megalodon::Megalodon + Send + Sync>| async move { client.get_instance().await };
        let told = self.judged(operation, self.relay.call(self.cx, self.errand(operation), ask).await?)?;
        let mut notes = Notes::read(self.host, &told.answer.json());
        // megalodon knows where each kind of software tells its limit (Pleroma: `max_toot_chars`).
        if let Some(instance) = told.entity {
            notes.limits.text =
                usize::try_from(instance.configuration.statuses.max_characters).unwrap_or(notes.limits.text);
        }
        Ok(notes)
    }

    /// Uploads a file: v2, or v1 where that does not exist (before 3.1.3), which answers when the file is ready.
    pub(super) async fn upload(&self, file: &File) -> Result<Upload, Fault> {
        let mut answer = self.upload_to("/api/v2/media", file).await?;
        if matches!(answer.status, 404 | 405) {
            answer = self.upload_to("/api/v1/media", file).await?;
        }
        if !answer.is_success() {
            return Err(fault(Operation::Prepare, &answer, self.cx.now));
        }
        let id = answer.json()["id"].as_str().map(str::to_owned);
        let id = id.ok_or_else(|| self.unreadable(Operation::Prepare))?;
        Ok(if answer.status == 202 { Upload::Processing(id) } else { Upload::Ready(id) })
    }

    async fn upload_to(&self, path: &str, file: &File) -> Result<Answer, Fault> {
        let media = &file.media;
        let mut parts = vec![Part {
            name: "file".into(),
            value: PartValue::File {
                path: file.path.clone(),
                bytes: media.bytes,
                name: format!("upload.{}", extension(&media.mime)),
                mime: media.mime.clone(),
            },
        }];
        if let Some(alt) = media.alt.as_ref().filter(|alt| !alt.is_empty()) {
            parts.push(Part::text("description", alt));
        }
        // A minute, and what a slow line (100 kB/s) needs; v1 also waits for the processing.
        let limit = Duration::from_secs(60 + media.bytes / 100_000);
        self.call(Operation::Prepare, Method::POST, path)?.multipart(parts).time_limit(limit).send().await
    }

    /// How far the server is with a file; `None` when it does not have it any more.
    pub(super) async fn uploaded(&self, id: &str) -> Result<Option<Upload>, Fault> {
        let path = format!("/api/v1/media/{}", segment(id));
        let answer = self.call(Operation::Prepare, Method::GET, &path)?.send().await?;
        match answer.status {
            206 => Ok(Some(Upload::Processing(id.to_owned()))),
            200..=299 => Ok(Some(Upload::Ready(id.to_owned()))),
            404 => Ok(None),
            _ => Err(fault(Operation::Prepare, &answer, self.cx.now)),
        }
    }

    /// Publishes: the one visible call. The answer is the status's id and address.
    pub(super) async fn publish(&self, draft: Draft, key: &str) -> Result<(String, Option<String>), Fault> {
        let errand = Errand { key: Some(key), ..self.errand(Operation::Send) };
        let ask = |client: Box<dyn megalodon::Megalodon + Send + Sync>| async move {
            client.post_status(draft.text, Some(&draft.options)).await
        };
        let told = self.judged(Operation::Send, self.relay.call(self.cx, errand, ask).await?)?;
        if let Some(PostStatusOutput::Status(status)) = told.entity {
            return Ok((status.id, status.url.filter(|url| !url.is_empty())));
        }
        let json = told.answer.json();
        let id = json["id"].as_str().ok_or_else(|| self.unreadable(Operation::Send))?;
        Ok((id.to_owned(), json["url"].as_str().map(str::to_owned)))
    }

    /// An account's own statuses, newest first, older than `before`.
    pub(super) async fn statuses(&self, account: &str, before: Option<&str>) -> Result<Vec<Status>, Fault> {
        let options = megalodon::megalodon::GetAccountStatusesInputOptions {
            limit: Some(40),
            max_id: before.map(segment),
            exclude_reblogs: Some(true),
            ..Default::default()
        };
        let ask = |client: Box<dyn megalodon::Megalodon + Send + Sync>| {
            let (account, options) = (segment(account), options.clone());
            async move { client.get_account_statuses(account, Some(&options)).await }
        };
        let mut told = self.relay.call(self.cx, self.errand(Operation::Find), ask).await?;
        if told.answer.status == 403 && self.token.is_some() {
            // Reading statuses is a scope that we don't ask for; Mastodon shows public ones to anybody without a token.
            let anonymous = Errand { token: None, ..self.errand(Operation::Find) };
            told = self.relay.call(self.cx, anonymous, ask).await?;
        }
        let told = self.judged(Operation::Find, told)?;
        let statuses = told.entity.ok_or_else(|| self.unreadable(Operation::Find))?;
        Ok(statuses
            .into_iter()
            .map(|status| Status {
                id: status.id,
                url: status.url.filter(|url| !url.is_empty()),
                content: status.content,
                warning: status.spoiler_text,
                created_at: crate::domain::Timestamp::from_millisecond(status.created_at.timestamp_millis()).ok(),
                media: status.media_attachments.into_iter().map(|file| file.id).collect(),
            })
            .collect())
    }

    /// Deletes a status; done when it is gone already.
    pub(super) async fn delete(&self, id: &str) -> Result<(), Fault> {
        let ask = |client: Box<dyn megalodon::Megalodon + Send + Sync>| async move {
            client.delete_status(segment(id)).await
        };
        let told = self.relay.call(self.cx, self.errand(Operation::Delete), ask).await?;
        if told.answer.status == 404 {
            return Ok(());
        }
        self.judged(Operation::Delete, told).map(drop)
    }

    /// Begins a call of our own.
    fn call(&self, operation: Operation, method: Method, path: &str) -> Result<Call<'_>, Fault> {
        let call = self.cx.http.call(operation, method, address(self.host, path)?);
        let call = call.header("accept", "application/json").header("accept-language", "en");
        Ok(match self.token {
            Some(token) => call.bearer(token),
            None => call,
        })
    }
}

/// An address on a server.
pub(super) fn address(host: &str, path: &str) -> Result<Url, Fault> {
    Url::parse(&format!("https://{host}{path}"))
        .map_err(|_| Fault::rejected(format!("{host} is not a server's name."), "Use a name like mastodon.social."))
}

/// An id of the server's as one segment of a path.
fn segment(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

fn extension(mime: &str) -> &str {
    match mime {
        "image/jpeg" => "jpg",
        "video/quicktime" => "mov",
        _ => mime.split('/').next_back().unwrap_or("bin"),
    }
}
