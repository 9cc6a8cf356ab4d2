//! A Mastodon server's calls. megalodon makes them where it knows more than we do
//! (the profile, the old instance document, statuses, in the dialects of five kinds of software), through the relay.
//! Ours are the calls where it is worse: OAuth (no state and no PKCE of ours, broken refresh), registering (panics without a
//! `redirect_uri`), the instance's v2 document (it reads only v1), and files (it sends them chunked, without a length and
//! under a random name, which front ends refuse, and panics on a file that is still processed).

use std::time::Duration;

use http::Method;
use megalodon::SNS;
use megalodon::entities::Account as Profile;
use megalodon::megalodon::PostStatusOutput;
use serde_json::Value;
use url::Url;

use super::fault::fault;
use super::notes::Notes;
use super::relay::{Errand, Relay, Told};
use crate::domain::fault::{Fault, Operation};
use crate::domain::{Secret, Timestamp};
use crate::platforms::http::{Answer, Call, Part, PartValue};
use crate::platforms::{Context, File};

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
    pub created_at: Option<Timestamp>,
    pub media: Vec<String>,
}

impl From<megalodon::entities::Status> for Status {
    fn from(status: megalodon::entities::Status) -> Self {
        Self {
            id: status.id,
            url: status.url.filter(|url| !url.is_empty()),
            content: status.content,
            warning: status.spoiler_text,
            created_at: Timestamp::from_millisecond(status.created_at.timestamp_millis()).ok(),
            media: status.media_attachments.into_iter().map(|file| file.id).collect(),
        }
    }
}

impl Status {
    /// From an answer that lacks what megalodon's type asks for.
    fn read(json: &Value) -> Option<Self> {
        let text = |field: &str| json[field].as_str().map(str::to_owned);
        let media = json["media_attachments"].as_array().into_iter().flatten();
        Some(Self {
            id: text("id")?,
            url: text("url"),
            content: text("content")?,
            warning: text("spoiler_text").unwrap_or_default(),
            created_at: text("created_at").and_then(|at| at.parse().ok()),
            media: media.filter_map(|file| file["id"].as_str().map(str::to_owned)).collect(),
        })
    }
}

/// A server, as one call sees it.
pub(super) struct Server<'a> {
    pub cx: &'a Context<'a>,
    pub relay: &'a Relay,
    pub host: &'a str,
    /// As in [`Notes`]'s `software`.
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
        if let Some(statuses) = told.entity {
            return Ok(statuses.into_iter().map(Status::from).collect());
        }
        let list = told.answer.json();
        let list = list.as_array().ok_or_else(|| self.unreadable(Operation::Find))?;
        Ok(list.iter().filter_map(Status::read).collect())
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
