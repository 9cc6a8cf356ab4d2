//! Publishing to a Discord channel, finding a message whose answer was lost, and deleting. A post is one message; only
//! where a boosted server refuses all its files at once it goes out in several. It knows no other platform.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fault::On;
use super::markdown;
use super::permissions::READ_MESSAGE_HISTORY;
use super::wire::{Bot, Message};
use crate::domain::fault::{Fault, Operation};
use crate::domain::post::{Embed, Posted};
use crate::domain::{Entropy, Timestamp, clock};
use crate::platforms::http::{Part, PartValue};
use crate::platforms::words::file_name;
use crate::platforms::{Context, Delivery, File, Finding, Prepared, Sent, media};

#[cfg(test)]
mod tests;

/// The longest content for bots (create-message page; the schema says 4000).
pub(super) const TEXT: usize = 2000;
/// The longest description of a file.
pub(super) const ALT: usize = 1024;
/// The most files of a message.
pub(super) const FILES: usize = 10;
const EMBED_TITLE: usize = 256;
const EMBED_TEXT: usize = 4096;
const EMBED_URL: usize = 2048;
/// The most people or roles that one message calls.
const CALLED: usize = 100;
/// The message flag that makes no sound.
const SUPPRESS_NOTIFICATIONS: u64 = 1 << 12;
/// An enforced nonce is compared with "the past few minutes": this long it is trusted.
const REPLAY: Duration = Duration::from_secs(120);
/// How far Discord's clock and ours may be apart.
const SKEW: Duration = Duration::from_secs(60);
/// Discord's epoch, the first second of 2015, in Unix milliseconds.
const EPOCH: i64 = 1_420_070_400_000;
/// How many messages one page of the list has, and how many pages are read.
const PAGE: usize = 100;
const PAGES: usize = 5;

/// What is sent already.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Journal {
    /// The messages.
    messages: Vec<String>,
    /// How many files are in them.
    files: usize,
    /// How many files go in one message, once Discord refused more.
    batch: Option<usize>,
}

impl Journal {
    fn read(journal: Value) -> Self {
        serde_json::from_value(journal).unwrap_or_default()
    }

    /// The state after a message with so many files.
    fn accepted(mut self, delivery: &Delivery<'_>, channel: &str, message: &Message, files: usize) -> Sent {
        self.messages.push(message.id.clone());
        self.files += files;
        let first = self.messages.first().cloned().unwrap_or_default();
        let posted = Posted {
            url: Some(format!("https://discord.com/channels/{}/{channel}/{first}", delivery.account.remote_id)),
            id: first,
            meta: json!({ "channel_id": channel, "message_ids": self.messages }),
        };
        Sent { posted, more: self.files < delivery.files.len(), journal: json!(self) }
    }
}

/// A message's words, ready for the wire.
struct Words {
    content: String,
    embed: Option<Value>,
    allowed_mentions: Value,
}

/// 24 characters: Discord takes 25.
pub(super) fn nonce(entropy: &dyn Entropy) -> String {
    data_encoding::BASE32_NOPAD.encode(&clock::random::<15>(entropy)).to_lowercase()
}

/// The files as they are sent: pictures larger than the server takes are made smaller (once; the copy is kept).
async fn fitted(delivery: &Delivery<'_>) -> Result<Vec<File>, Fault> {
    let room = super::file_bytes(&delivery.account.meta);
    let mut fitted = Vec::with_capacity(delivery.files.len());
    for file in delivery.files {
        let file = media::fit(file, room, u32::MAX, super::IMAGE_TYPES).await;
        fitted.push(file.map_err(|unusable| Fault::rejected(unusable.what, unusable.fix))?);
    }
    Ok(fitted)
}

/// Before the visible call: make pictures fit, and refuse what it would refuse.
pub(super) async fn prepare(delivery: &Delivery<'_>, journal: Value) -> Result<Prepared, Fault> {
    check(delivery)?;
    fitted(delivery).await?;
    Ok(Prepared::Ready { journal })
}

fn check(delivery: &Delivery<'_>) -> Result<(), Fault> {
    place(delivery)?;
    let words = words(delivery)?;
    if words.content.trim().is_empty() && words.embed.is_none() && delivery.files.is_empty() {
        return Err(Fault::rejected("the post is empty", "Write something, or add a picture."));
    }
    Ok(())
}

/// Sends the message, or the next files of it.
pub(super) async fn send(cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value, key: &str) -> Result<Sent, Fault> {
    let bot = Bot::of(cx)?;
    let channel = place(delivery)?;
    let mut journal = Journal::read(journal);
    let files = fitted(delivery).await?;
    let delivery = &Delivery { files: &files, ..*delivery };
    loop {
        let left = delivery.files.len() - journal.files.min(delivery.files.len());
        let count = left.min(journal.batch.unwrap_or(FILES));
        let (body, parts) = message(delivery, &journal, count, key)?;
        match bot.post_message(channel, &body, parts).await {
            Ok(message) => {
                // A replayed nonce is answered with the first message, which may hold fewer files than this try.
                let files = if message.attachments.is_empty() { count } else { message.attachments.len() };
                return Ok(journal.accepted(delivery, channel, &message, files));
            }
            // Refused whole, so nothing is visible: the same again with half of the files.
            Err(fault) if count > 1 && super::tier(&delivery.account.meta) >= 2 && is_too_large(&fault) => {
                journal.batch = Some(count.div_ceil(2));
            }
            Err(fault) => return Err(fault),
        }
    }
}

fn is_too_large(fault: &Fault) -> bool {
    matches!(fault, Fault::Rejected { why, .. } if why == super::fault::TOO_LARGE)
}

/// The body of the next message, with `count` files of those that are left. The words stand in the first one.
fn message(delivery: &Delivery<'_>, journal: &Journal, count: usize, key: &str) -> Result<(Value, Vec<Part>), Fault> {
    let mut body = json!({ "nonce": key, "enforce_nonce": true, "allowed_mentions": { "parse": [] } });
    if journal.messages.is_empty() {
        let words = words(delivery)?;
        body["allowed_mentions"] = words.allowed_mentions;
        if !words.content.is_empty() {
            body["content"] = words.content.into();
        }
        if let Some(embed) = words.embed {
            body["embeds"] = json!([embed]);
        }
    }
    if delivery.options.silent {
        body["flags"] = SUPPRESS_NOTIFICATIONS.into();
    }
    let mut parts = Vec::new();
    let mut attachments = Vec::new();
    for (slot, (index, file)) in delivery.files.iter().enumerate().skip(journal.files).take(count).enumerate() {
        let name = file_name(index + 1, &file.media);
        let mut attachment = json!({ "id": slot.to_string(), "filename": name });
        if let Some(alt) = file.media.alt.as_deref().filter(|alt| !alt.is_empty()) {
            attachment["description"] = alt.into();
        }
        attachments.push(attachment);
        let value =
            PartValue::File { path: file.path.clone(), bytes: file.media.bytes, name, mime: file.media.mime.clone() };
        parts.push(Part { name: format!("files[{slot}]"), value });
    }
    if !attachments.is_empty() {
        body["attachments"] = attachments.into();
    }
    Ok((body, parts))
}

fn place<'a>(delivery: &Delivery<'a>) -> Result<&'a str, Fault> {
    delivery.options.place.as_deref().filter(|place| !place.is_empty()).ok_or_else(|| {
        Fault::rejected(format!("no channel of {} was chosen", delivery.account.name), "Choose the channel.")
    })
}

/// The content, the embed and whom the message calls. With an embed the text is its description, and the calls stand
/// outside: inside they would be silent.
fn words(delivery: &Delivery<'_>) -> Result<Words, Fault> {
    let text = markdown::render(delivery.text);
    let called = delivery.options.mentions.join(" ");
    let (content, embed) = match &delivery.options.embed {
        Some(embed) => (called, Some(card(embed, &text)?)),
        None if called.is_empty() => (text, None),
        None if text.is_empty() => (called, None),
        None => (format!("{text}\n{called}"), None),
    };
    fits("the text, with its formatting and calls,", &content, TEXT)?;
    Ok(Words { content, embed, allowed_mentions: allowed(&delivery.options.mentions)? })
}

fn fits(what: &str, text: &str, limit: usize) -> Result<(), Fault> {
    let length = text.encode_utf16().count();
    if length > limit {
        return Err(Fault::rejected(
            format!("{what} has {length} characters on Discord, and {limit} fit"),
            "Shorten it.",
        ));
    }
    Ok(())
}

fn card(embed: &Embed, text: &str) -> Result<Value, Fault> {
    let mut card = json!({});
    if let Some(title) = embed.title.as_deref().filter(|title| !title.is_empty()) {
        fits("the embed's title", title, EMBED_TITLE)?;
        card["title"] = title.into();
    }
    if let Some(url) = embed.url.as_deref().filter(|url| !url.is_empty()) {
        fits("the embed's link", url, EMBED_URL)?;
        if !(url.starts_with("https://") || url.starts_with("http://")) {
            return Err(Fault::rejected(format!("\"{url}\" is no web address"), "Begin it with https://."));
        }
        card["url"] = url.into();
    }
    if let Some(color) = embed.color.as_deref().filter(|color| !color.is_empty()) {
        let number =
            color.strip_prefix('#').filter(|hex| hex.len() == 6).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let wrong = || Fault::rejected(format!("\"{color}\" is no colour"), "Write it like #1DA1F2.");
        card["color"] = number.ok_or_else(wrong)?.into();
    }
    if !text.is_empty() {
        fits("the embed's text", text, EMBED_TEXT)?;
        card["description"] = text.into();
    }
    if card.as_object().is_some_and(serde_json::Map::is_empty) {
        return Err(Fault::rejected("the embed is empty", "Give it a title or a text."));
    }
    Ok(card)
}

/// Nobody is called but whom the options name: `@everyone` typed in a text stays words.
fn allowed(mentions: &[String]) -> Result<Value, Fault> {
    let (mut everyone, mut users, mut roles) = (false, Vec::new(), Vec::new());
    for mention in mentions {
        let id = mention.strip_prefix("<@").and_then(|rest| rest.strip_suffix('>'));
        let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        match (mention.as_str(), id) {
            ("@everyone" | "@here", _) => everyone = true,
            (_, Some(id)) if id.strip_prefix('&').is_some_and(is_id) => roles.push(id[1..].to_owned()),
            (_, Some(id)) if is_id(id) => users.push(id.to_owned()),
            _ => {
                return Err(Fault::rejected(
                    format!("\"{mention}\" calls nobody on Discord"),
                    "Use @everyone, @here, a person or a role.",
                ));
            }
        }
    }
    if users.len() > CALLED || roles.len() > CALLED {
        return Err(Fault::rejected(format!("a message calls at most {CALLED} people or roles"), "Call fewer."));
    }
    // `parse` must not name what is listed by id too.
    let mut allowed = json!({ "parse": if everyone { vec!["everyone"] } else { vec![] } });
    for (name, mut ids) in [("users", users), ("roles", roles)] {
        ids.sort();
        ids.dedup();
        if !ids.is_empty() {
            allowed[name] = ids.into();
        }
    }
    Ok(allowed)
}

/// Looks for a message whose answer was lost.
pub(super) async fn find(
    cx: &Context<'_>,
    delivery: &Delivery<'_>,
    journal: Value,
    key: &str,
    since: Timestamp,
) -> Result<Finding, Fault> {
    match look(cx, delivery, journal, key, since).await {
        // Not being let into the channel now says nothing about the message then.
        Err(Fault::Rejected { why, .. }) => Ok(Finding::Unknown { why }),
        found => found,
    }
}

async fn look(
    cx: &Context<'_>,
    delivery: &Delivery<'_>,
    journal: Value,
    key: &str,
    since: Timestamp,
) -> Result<Finding, Fault> {
    if cx.now.duration_since(since).as_secs() < i64::try_from(REPLAY.as_secs()).unwrap_or_default() {
        // Within these minutes the enforced nonce makes a replay answer with the first message.
        return Ok(Finding::Absent);
    }
    let bot = Bot::of(cx)?;
    let channel = place(delivery)?;
    let journal = Journal::read(journal);
    let files = fitted(delivery).await?;
    let delivery = &Delivery { files: &files, ..*delivery };
    let (body, _) = message(delivery, &journal, 0, key)?;
    let me = bot.id(Operation::Find).await?;
    let mut after = snowflake(since);
    for _ in 0..PAGES {
        let path = ["channels", channel, "messages"];
        let limit = PAGE.to_string();
        let query = [("after", after.as_str()), ("limit", limit.as_str())];
        let page: Vec<Message> = bot.get(Operation::Find, On::Channel, &path, &query).await?;
        let ours = page.iter().find(|message| {
            message.author.as_ref().is_some_and(|author| author.id == me)
                && !journal.messages.contains(&message.id)
                && (message.nonce == body["nonce"] || is_same(message, &body, delivery, journal.files))
        });
        if let Some(ours) = ours {
            return Ok(Finding::Sent(journal.accepted(delivery, channel, ours, ours.attachments.len())));
        }
        if page.is_empty() && !may_read(cx, delivery, channel).await? {
            // Without this right Discord shows an empty channel instead of refusing.
            let why = "the bot may not read the channel's history, so it can't look".into();
            return Ok(Finding::Unknown { why });
        }
        if page.len() < PAGE {
            return Ok(Finding::Absent);
        }
        after = newest(&page).unwrap_or(after);
    }
    Ok(Finding::Unknown { why: "too much was written in the channel since".into() })
}

/// Whether a message of the bot's has the words and files that were sent; Discord forgets nonces after a while.
fn is_same(message: &Message, body: &Value, delivery: &Delivery<'_>, files: usize) -> bool {
    let words = |value: &Value| visible(value.as_str().unwrap_or_default());
    let sent = &body["embeds"][0];
    let same_card = !sent.is_object()
        || message.embeds.first().is_some_and(|embed| {
            visible(embed.title.as_deref().unwrap_or_default()) == words(&sent["title"])
                && visible(embed.description.as_deref().unwrap_or_default()) == words(&sent["description"])
        });
    let left = delivery.files.get(files..).unwrap_or_default();
    let names = left.iter().enumerate().map(|(index, file)| file_name(files + index + 1, &file.media));
    visible(&message.content) == words(&body["content"])
        && same_card
        && message.attachments.is_empty() == left.is_empty()
        && message.attachments.iter().map(|one| one.filename.clone()).zip(names).all(|(there, sent)| there == sent)
}

/// A text without what Discord may trim or rewrite: blanks and invisible characters.
fn visible(text: &str) -> String {
    let invisible = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}');
    text.chars().filter(|c| !invisible(*c)).collect()
}

async fn may_read(cx: &Context<'_>, delivery: &Delivery<'_>, channel: &str) -> Result<bool, Fault> {
    let channels = Bot::of(cx)?.channels(Operation::Find, &delivery.account.remote_id).await?;
    Ok(channels.iter().any(|(one, permissions)| one.id == channel && permissions & READ_MESSAGE_HISTORY != 0))
}

/// The id that a message of that moment would have, a little earlier for clocks that differ.
fn snowflake(since: Timestamp) -> String {
    let skew = i64::try_from(SKEW.as_millis()).unwrap_or_default();
    let millis = (since.as_millisecond() - skew - EPOCH).max(0);
    (millis << 22).to_string()
}

fn newest(page: &[Message]) -> Option<String> {
    page.iter().filter_map(|message| message.id.parse::<u64>().ok()).max().map(|id| id.to_string())
}

/// Deletes all messages of a post.
pub(super) async fn delete(cx: &Context<'_>, posted: &Posted) -> Result<(), Fault> {
    let channel = posted.meta["channel_id"]
        .as_str()
        .ok_or_else(|| Fault::rejected("nobody noted which channel it is in", "Delete it by hand in Discord."))?;
    let bot = Bot::of(cx)?;
    let ids: Vec<&str> = match posted.meta["message_ids"].as_array() {
        Some(ids) => ids.iter().filter_map(Value::as_str).collect(),
        None => vec![&posted.id],
    };
    for id in ids {
        bot.delete_message(channel, id).await?;
    }
    Ok(())
}
