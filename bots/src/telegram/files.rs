//! Files both ways: what kind of upload a file makes, how files group into albums, and fetching what somebody sent. It
//! must not know what a file is for.

use std::path::Path;
use std::time::Duration;

use futures::{Stream, StreamExt};
use teloxide::net::Download;
use teloxide::payloads;
use teloxide::types::{FileId, InputFile};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::api::Api;
use super::failure::{Class, network};
use super::wire;
use crate::model::Attachment;
use crate::surface::Failure;

/// The most bytes a bot may fetch (Bot API, `getFile`: 20 MB).
pub(super) const FETCH_LIMIT: u64 = 20 * 1024 * 1024;
/// The most bytes of an uploaded photo (Bot API, Sending Files: 10 MB); larger ones go as documents.
const PHOTO_LIMIT: u64 = 10 * 1024 * 1024;
/// The most files in an album (Bot API, `sendMediaGroup`: 2-10).
const ALBUM: usize = 10;
/// How long a download may stand still.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// How Telegram shows a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Photo,
    Video,
    Animation,
    Document,
}

/// A file that is about to be sent.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub kind: Kind,
    attachment: Attachment,
}

impl Upload {
    /// Looks at the file's type and size.
    pub(super) async fn of(attachment: &Attachment) -> Result<Self, Failure> {
        let size = tokio::fs::metadata(&attachment.path)
            .await
            .map_err(|error| Failure::Refused(format!("the file {} can't be read: {error}", attachment.name)))?
            .len();
        let kind = match attachment.mime.as_str() {
            "image/jpeg" | "image/png" | "image/webp" if size <= PHOTO_LIMIT => Kind::Photo,
            "image/gif" => Kind::Animation,
            "video/mp4" => Kind::Video,
            _ => Kind::Document,
        };
        Ok(Self { kind, attachment: attachment.clone() })
    }

    /// The upload, under the file's own name.
    pub(super) fn input(&self) -> InputFile {
        InputFile::file(&self.attachment.path).file_name(self.attachment.name.clone())
    }
}

/// Groups neighbours that may share an album: photos with videos, documents with documents, animations alone (Bot API,
/// `sendMediaGroup`).
pub(super) fn albums(uploads: Vec<Upload>) -> Vec<Vec<Upload>> {
    let alike = |a: Kind, b: Kind| match a {
        Kind::Photo | Kind::Video => matches!(b, Kind::Photo | Kind::Video),
        Kind::Document => b == Kind::Document,
        Kind::Animation => false,
    };
    let mut groups: Vec<Vec<Upload>> = Vec::new();
    for upload in uploads {
        match groups.last_mut() {
            Some(group) if group.len() < ALBUM && group.last().is_some_and(|last| alike(last.kind, upload.kind)) => {
                group.push(upload);
            }
            _ => groups.push(vec![upload]),
        }
    }
    groups
}

/// Fetches a file into `to`, at most `limit` bytes; leaves no half file behind.
pub(super) async fn fetch(api: &Api, id: &str, to: &Path, limit: u64) -> Result<(), Failure> {
    let limit = limit.min(FETCH_LIMIT);
    let found: wire::FilePath =
        api.call(payloads::GetFile::new(FileId(id.to_owned()))).await.map_err(|trouble| match trouble.class {
            Class::TooLarge => Failure::TooLarge { limit: FETCH_LIMIT },
            _ => trouble.failure,
        })?;
    if found.file_size.is_some_and(|size| size > limit) {
        return Err(Failure::TooLarge { limit });
    }
    // No path means that the file is too big for bots (Bot API, `File`: "Optional. File path").
    let path = found.file_path.ok_or(Failure::TooLarge { limit: FETCH_LIMIT })?;
    let stream = api.bot.download_file_stream(&path);
    let written = store(api, stream, to, limit).await;
    if written.is_err() {
        // What could not be fetched whole must not be taken for the file; that it was never made is fine too.
        let _ = tokio::fs::remove_file(to).await;
    }
    written
}

async fn store(
    api: &Api,
    stream: impl Stream<Item = Result<bytes::Bytes, reqwest_012::Error>>,
    to: &Path,
    limit: u64,
) -> Result<(), Failure> {
    let disk = |error: std::io::Error| Failure::Retry { after: 60, why: format!("the file can't be stored: {error}") };
    let mut file = tokio::fs::File::create(to).await.map_err(disk)?;
    let mut stream = std::pin::pin!(stream);
    let mut size = 0;
    loop {
        let next = timeout(IDLE_LIMIT, stream.next()).await;
        let chunk = match next {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => return Err(broken(&error, api.token())),
            Ok(None) => break,
            Err(_) => return Err(Failure::Retry { after: 5, why: "Telegram stopped sending the file".into() }),
        };
        size += chunk.len() as u64;
        if size > limit {
            return Err(Failure::TooLarge { limit });
        }
        file.write_all(&chunk).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)
}

fn broken(error: &reqwest_012::Error, token: &str) -> Failure {
    match error.status() {
        Some(status) if status.is_client_error() && status.as_u16() != 429 => {
            Failure::Gone(format!("Telegram no longer has the file ({status})"))
        }
        Some(status) => Failure::Retry { after: 5, why: format!("Telegram did not give the file ({status})") },
        None => Failure::Retry { after: 5, why: network(error, token) },
    }
}
