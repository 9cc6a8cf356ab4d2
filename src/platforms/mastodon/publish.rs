//! Publishing on a Mastodon server: files first, one per step, then the one call that shows the post; looking for a post
//! whose answer was lost; deleting. Sources: docs.joinmastodon.org methods/media and methods/statuses (2026-07-02).

use std::time::Duration;

use megalodon::entities::StatusVisibility;
use megalodon::megalodon::PostStatusInputOptions;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::notes::Notes;
use super::wire::{Draft, Server, Status, Upload};
use crate::domain::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::post::{Options, Posted};
use crate::platforms::{Delivery, Finding, Prepared, Sent, text};

#[cfg(test)]
mod tests;

/// Who sees a post, in the API's words; the default first.
pub(super) const VISIBILITY: &[&str] = &["public", "unlisted", "private", "direct"];
/// How long a server is asked again about a file before it counts as failed.
const PROCESSING_LIMIT: Duration = Duration::from_secs(30 * 60);
/// How long uploaded files are relied on: servers delete what no post holds after a day.
const UPLOAD_LIFE: Duration = Duration::from_secs(12 * 3600);
/// How long a replayed key gives back the first post: servers keep it for an hour, less the time that the replay takes.
const REPLAY_WINDOW: Duration = Duration::from_secs(55 * 60);
/// How far a server's clock may be behind ours.
const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// The most pages of statuses (40 each) that are looked through.
const PAGES: usize = 5;

/// What is uploaded already.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Journal {
    /// The server's ids of the files, in order.
    media: Vec<String>,
    /// Since when the first of them lies there.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// Since when the server works on the last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    processing: Option<Timestamp>,
}

impl Journal {
    fn of(journal: &Value) -> Self {
        serde_json::from_value(journal.clone()).unwrap_or_default()
    }

    fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

fn longer_ago(now: Timestamp, since: Timestamp, limit: Duration) -> bool {
    Duration::try_from(now.duration_since(since)).is_ok_and(|age| age > limit)
}

/// One step of bringing the files to the server.
pub(super) async fn prepare(server: &Server<'_>, delivery: &Delivery<'_>, journal: &Value) -> Result<Prepared, Fault> {
    let now = server.cx.now;
    let mut journal = Journal::of(journal);
    if journal.since.is_some_and(|since| longer_ago(now, since, UPLOAD_LIFE)) {
        journal = Journal::default();
    }
    let all = delivery.files.len();
    let uploading = |done: usize| format!("uploading {} of {all}", done + 1);
    if let (Some(since), Some(id)) = (journal.processing, journal.media.last()) {
        match server.uploaded(id).await? {
            Some(Upload::Ready(_)) => journal.processing = None,
            Some(Upload::Processing(_)) if longer_ago(now, since, PROCESSING_LIMIT) => {
                return Err(Fault::rejected(
                    format!("{} did not finish working on the file in half an hour.", server.host),
                    "Send it smaller, or in another form (MP4 with H.264).",
                ));
            }
            Some(Upload::Processing(_)) => return Ok(waiting(&journal, now, since, all)),
            None => {
                journal.media.pop();
                journal.processing = None;
            }
        }
    } else if let Some(file) = delivery.files.get(journal.media.len()) {
        let (id, processing) = match server.upload(file).await? {
            Upload::Ready(id) => (id, None),
            Upload::Processing(id) => (id, Some(now)),
        };
        journal.media.push(id);
        journal.since.get_or_insert(now);
        journal.processing = processing;
        if processing.is_some() {
            return Ok(waiting(&journal, now, now, all));
        }
    }
    Ok(match journal.media.len() {
        done if done < all => Prepared::Step { journal: journal.value(), note: uploading(done) },
        _ => Prepared::Ready { journal: journal.value() },
    })
}

fn waiting(journal: &Journal, now: Timestamp, since: Timestamp, all: usize) -> Prepared {
    // Often at first, because most files take seconds.
    let pause = if longer_ago(now, since, Duration::from_secs(30)) { 10 } else { 3 };
    Prepared::Wait {
        journal: journal.value(),
        note: format!("the server is working on file {} of {all}", journal.media.len()),
        pause: Duration::from_secs(pause),
    }
}

/// The call that shows the post.
pub(super) async fn send(
    server: &Server<'_>,
    delivery: &Delivery<'_>,
    journal: Value,
    key: &str,
) -> Result<Sent, Fault> {
    let draft = draft(delivery, Journal::of(&journal).media)?;
    let (id, url) = server.publish(draft, key).await?;
    Ok(Sent { journal, posted: posted(id, url), more: false })
}

fn posted(id: String, url: Option<String>) -> Posted {
    Posted { id, url, meta: json!({}) }
}

fn draft(delivery: &Delivery<'_>, media: Vec<String>) -> Result<Draft, Fault> {
    if media.len() != delivery.files.len() {
        // All files or none: never a post that lacks one.
        return Err(Fault::rejected("Not all files were uploaded.", "Send the post again."));
    }
    let Options { content_warning, visibility, language, .. } = delivery.options;
    let visibility = match visibility.as_deref().unwrap_or("public") {
        "public" => StatusVisibility::Public,
        "unlisted" => StatusVisibility::Unlisted,
        "private" => StatusVisibility::Private,
        "direct" => StatusVisibility::Direct,
        other => {
            return Err(Fault::rejected(
                format!("Mastodon has no visibility \"{other}\"."),
                format!("Use one of {}.", VISIBILITY.join(", ")),
            ));
        }
    };
    let warning = content_warning.clone().filter(|warning| !warning.trim().is_empty());
    Ok(Draft {
        text: text::plain(delivery.text),
        options: PostStatusInputOptions {
            media_ids: Some(media).filter(|media| !media.is_empty()),
            // Mastodon hides the files behind a warning by itself; GoToSocial wants to be told.
            sensitive: warning.as_ref().map(|_| true),
            spoiler_text: warning,
            visibility: Some(visibility),
            language: language.clone(),
            ..PostStatusInputOptions::default()
        },
    })
}

/// Looks for a post whose answer was lost at `since`.
pub(super) async fn find(
    server: &Server<'_>,
    delivery: &Delivery<'_>,
    journal: Value,
    account: &str,
    since: Timestamp,
) -> Result<Finding, Fault> {
    let notes = Notes::of(&delivery.account.meta);
    if !notes.ignores_idempotency && !longer_ago(server.cx.now, since, REPLAY_WINDOW) {
        return Ok(Finding::Absent);
    }
    let media = Journal::of(&journal).media;
    let words = text::plain(delivery.text);
    let warning = delivery.options.content_warning.as_deref().unwrap_or_default();
    let ours = |status: &Status| {
        if media.is_empty() {
            same_words(&without_tags(&status.content), &words) && same_words(&status.warning, warning)
        } else {
            // The files are ours alone, and belong to one post.
            media.iter().any(|id| status.media.contains(id))
        }
    };
    let earliest = since.checked_sub(CLOCK_SKEW).unwrap_or(since);
    let mut before: Option<String> = None;
    for _ in 0..PAGES {
        let page = server.statuses(account, before.as_deref()).await?;
        let recent = |status: &&Status| status.created_at.is_some_and(|at| at >= earliest);
        if let Some(found) = page.iter().filter(recent).find(|status| ours(status)) {
            let posted = posted(found.id.clone(), found.url.clone());
            return Ok(Finding::Sent(Sent { journal, posted, more: false }));
        }
        match page.last() {
            Some(oldest) if recent(&oldest) => before = Some(oldest.id.clone()),
            _ => break,
        }
    }
    Ok(Finding::Unknown { why: format!("the post is not among the latest ones that {} shows us", server.host) })
}

/// A status's HTML as text. Only good for comparing: breaks become spaces.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find(['<', '&']) {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        if let Some(tag) = rest.strip_prefix('<') {
            let end = tag.find('>').unwrap_or(tag.len());
            let name = tag[..end].trim_start_matches('/');
            if name.starts_with('p') || name.starts_with("br") {
                text.push(' ');
            }
            rest = tag.get(end + 1..).unwrap_or_default();
        } else {
            let entity = rest.find(';').filter(|end| *end <= 10).and_then(|end| Some((end, entity(&rest[1..end])?)));
            match entity {
                Some((end, letter)) => {
                    text.push(letter);
                    rest = &rest[end + 1..];
                }
                None => {
                    text.push('&');
                    rest = &rest[1..];
                }
            }
        }
    }
    text.push_str(rest);
    text
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

/// Whether two texts are the same but for white space and for the hosts of mentions, which servers don't show.
fn same_words(one: &str, other: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().map(without_host).collect::<String>();
    squeezed(one) == squeezed(other)
}

fn without_host(word: &str) -> String {
    let Some(at) = word.find('@') else { return word.to_owned() };
    let (head, mention) = word.split_at(at + 1);
    match mention.find('@') {
        Some(second) if second > 0 => {
            let host = &mention[second + 1..];
            let end = host.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))).unwrap_or(host.len());
            // A full stop behind the host ends the sentence.
            let end = host[..end].trim_end_matches(['.', '-']).len();
            format!("{head}{}{}", &mention[..second], &host[end..])
        }
        _ => word.to_owned(),
    }
}
