//! Publishing to a Telegram chat, and deleting. A post becomes one message or an album where Telegram can show it so,
//! and several pieces where it can't: GIFs and plain files stand outside albums, and a text too long for a caption
//! follows as a reply to its media. Files go up inside the visible call: Telegram has no other way for bots.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::utf16;
use super::wire::{Bot, Message, chat_id};
use crate::domain::account::Account;
use crate::domain::fault::{Fault, Operation};
use crate::domain::post::{Media, MediaKind, Posted};
use crate::platforms::http::{Part, PartValue};
use crate::platforms::words::file_name;
use crate::platforms::{Budget, Context, Delivery, File, Prepared, Sent, media};

#[cfg(test)]
mod tests;

/// The longest text of a message (UTF-16 code units).
pub(super) const TEXT: usize = 4096;
/// The longest text beside media; a person's Premium does not raise the bot's.
const CAPTION: usize = 1024;
/// The most files in an album.
pub(super) const ALBUM: usize = 10;
/// The most bytes of a photo ("10 MB" in the Bot API; the smaller reading).
pub(super) const PHOTO_BYTES: u64 = 10_000_000;
/// The most pixels of a photo's width and height together.
const PHOTO_SIDES: u64 = 10_000;
/// Types that are shown as photos.
const PHOTO_TYPES: &[&str] = &["image/jpeg", "image/png", "image/webp"];
/// The most bytes of any other upload.
pub(super) const FILE_BYTES: u64 = 50_000_000;
/// How many messages one `deleteMessages` takes.
const DELETE: usize = 100;

/// What is sent already.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Journal {
    /// How many pieces.
    pieces: usize,
    /// Their message ids.
    messages: Vec<i64>,
}

/// How Telegram shows a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Photo,
    Video,
    Animation,
    Document,
}

impl Kind {
    fn of(media: &Media) -> Self {
        match media.kind {
            MediaKind::Animation => Self::Animation,
            MediaKind::Image if is_photo(media) => Self::Photo,
            // sendVideo shows MPEG-4 only; "other formats may be sent as Document".
            MediaKind::Video if media.mime == "video/mp4" => Self::Video,
            MediaKind::Image | MediaKind::Video => Self::Document,
        }
    }

    /// Whether both can stand in one album: photos and videos together, documents among themselves, GIFs never.
    fn goes_with(self, other: Self) -> bool {
        match self {
            Self::Photo | Self::Video => matches!(other, Self::Photo | Self::Video),
            Self::Document => other == Self::Document,
            Self::Animation => false,
        }
    }

    /// The name of its field, and of its type in an album.
    fn field(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Video => "video",
            Self::Animation => "animation",
            Self::Document => "document",
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Photo => "sendPhoto",
            Self::Video => "sendVideo",
            Self::Animation => "sendAnimation",
            Self::Document => "sendDocument",
        }
    }
}

/// Whether Telegram shows the picture as a photo (Bot API, sendPhoto: 10 MB, width and height together 10,000 pixels,
/// ratio 20). Any other goes as a file.
fn is_photo(media: &Media) -> bool {
    let (width, height) = (u64::from(media.width), u64::from(media.height));
    let has_shape = width <= height * 20 && height <= width * 20;
    PHOTO_TYPES.contains(&media.mime.as_str())
        && media.bytes <= PHOTO_BYTES
        && width + height <= PHOTO_SIDES
        && has_shape
}

/// The files as they are sent: pictures that are too large for a photo are made smaller (once; the copy is kept).
async fn fitted(files: &[File]) -> Result<Vec<File>, Fault> {
    let mut fitted = Vec::with_capacity(files.len());
    for file in files {
        let (width, height) = (u64::from(file.media.width), u64::from(file.media.height));
        // Both sides shrink alike, so that together they fit.
        let side = (width.max(height) * PHOTO_SIDES / (width + height).max(PHOTO_SIDES)).max(1);
        let side = u32::try_from(side).unwrap_or(u32::MAX);
        let file = media::fit(file, PHOTO_BYTES, side, PHOTO_TYPES).await;
        fitted.push(file.map_err(|unusable| Fault::rejected(unusable.what, unusable.fix))?);
    }
    Ok(fitted)
}

/// One visible call.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// The text alone.
    Text,
    /// These files, with the text as their caption or without it.
    Files { range: Range<usize>, caption: bool },
}

impl Piece {
    fn messages(&self) -> u32 {
        match self {
            Self::Text => 1,
            Self::Files { range, .. } => u32::try_from(range.len()).unwrap_or(u32::MAX),
        }
    }
}

/// The pieces of a post, in order.
fn pieces(text: &str, files: &[File]) -> Vec<Piece> {
    let length = utf16::length(text);
    let mut pieces: Vec<Piece> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let kind = Kind::of(&file.media);
        match pieces.last_mut() {
            Some(Piece::Files { range, .. })
                if range.len() < ALBUM && kind.goes_with(Kind::of(&files[range.start].media)) =>
            {
                range.end = index + 1;
            }
            _ => pieces.push(Piece::Files { range: index..index + 1, caption: false }),
        }
    }
    match pieces.first_mut() {
        Some(Piece::Files { caption, .. }) if length <= CAPTION => *caption = length > 0,
        _ if length > 0 => pieces.push(Piece::Text),
        _ => {}
    }
    pieces
}

/// Before the visible call: make pictures fit, and refuse what it would refuse.
pub(super) async fn prepare(delivery: &Delivery<'_>, journal: Value) -> Result<Prepared, Fault> {
    let length = utf16::length(&delivery.text.plain);
    if length > TEXT {
        return Err(Fault::rejected(
            format!("the text has {length} characters on Telegram, and {TEXT} fit"),
            "Shorten it.",
        ));
    }
    let files = fitted(delivery.files).await?;
    if pieces(&delivery.text.plain, &files).is_empty() {
        return Err(Fault::rejected("the post is empty", "Write something, or add a picture."));
    }
    if let Some(index) = files.iter().position(|file| file.media.bytes > FILE_BYTES) {
        return Err(Fault::rejected(
            format!("file {} is larger than the 50 MB that Telegram takes from bots", index + 1),
            "Make it smaller.",
        ));
    }
    Ok(Prepared::Ready { journal })
}

/// Sends the next piece.
pub(super) async fn send(
    cx: &Context<'_>,
    budget: &dyn Budget,
    delivery: &Delivery<'_>,
    journal: Value,
) -> Result<Sent, Fault> {
    let mut journal: Journal = serde_json::from_value(journal).unwrap_or_default();
    let files = fitted(delivery.files).await?;
    let pieces = pieces(&delivery.text.plain, &files);
    let Some(piece) = pieces.get(journal.pieces) else {
        return Err(Fault::rejected("the post is empty", "Write something, or add a picture."));
    };
    let bot = Bot::of(cx)?;
    let chat = &delivery.account.remote_id;
    budget.take(chat, piece.messages()).await;
    match piece {
        Piece::Text => {
            let mut body = json!({ "chat_id": chat_id(chat), "text": delivery.text.plain });
            let entities = utf16::entities(delivery.text);
            if !entities.is_empty() {
                body["entities"] = entities.into();
            }
            if delivery.options.silent {
                body["disable_notification"] = true.into();
            }
            if let Some(first) = journal.messages.first() {
                // The media may have been deleted meanwhile; the text stands without it.
                body["reply_parameters"] = json!({ "message_id": first, "allow_sending_without_reply": true });
            }
            let message: Message = bot.call(Operation::Send, "sendMessage", &body).await?;
            journal.messages.push(message.message_id);
        }
        Piece::Files { range, caption } if range.len() == 1 => {
            let file = &files[range.start];
            let kind = Kind::of(&file.media);
            let mut parts = common(delivery);
            let mut about = details(kind, &file.media);
            if *caption {
                describe(&mut about, delivery);
            }
            parts.extend(about.into_iter().map(|(name, value)| match value {
                Value::String(text) => Part::text(name, text),
                value => Part::text(name, value.to_string()),
            }));
            parts.push(upload(kind.field(), range.start, file));
            let message: Message = bot.upload(Operation::Send, kind.method(), parts).await?;
            journal.messages.push(message.message_id);
        }
        Piece::Files { range, caption } => {
            let mut parts = common(delivery);
            let mut album = Vec::new();
            for index in range.clone() {
                let file = &files[index];
                let kind = Kind::of(&file.media);
                let mut item = details(kind, &file.media);
                item.insert("type".into(), kind.field().into());
                item.insert("media".into(), format!("attach://file{index}").into());
                // Clients show an album's text when only the first item has one.
                if *caption && index == range.start {
                    describe(&mut item, delivery);
                }
                album.push(Value::Object(item));
            }
            parts.push(Part::text("media", Value::Array(album).to_string()));
            parts.extend(range.clone().map(|index| upload(&format!("file{index}"), index, &files[index])));
            let messages: Vec<Message> = bot.upload(Operation::Send, "sendMediaGroup", parts).await?;
            journal.messages.extend(messages.iter().map(|message| message.message_id));
        }
    }
    journal.pieces += 1;
    let more = journal.pieces < pieces.len();
    Ok(Sent { posted: posted(delivery.account, &journal.messages), journal: json!(journal), more })
}

fn common(delivery: &Delivery<'_>) -> Vec<Part> {
    let mut parts = vec![Part::text("chat_id", delivery.account.remote_id.clone())];
    if delivery.options.silent {
        parts.push(Part::text("disable_notification", "true"));
    }
    parts
}

fn upload(field: &str, index: usize, file: &File) -> Part {
    Part {
        name: field.to_owned(),
        value: PartValue::File {
            path: file.path.clone(),
            bytes: file.media.bytes,
            name: file_name(index + 1, &file.media),
            mime: file.media.mime.clone(),
        },
    }
}

/// What Telegram wants to know of a film before it has looked at it.
fn details(kind: Kind, media: &Media) -> serde_json::Map<String, Value> {
    let mut details = serde_json::Map::new();
    if matches!(kind, Kind::Video | Kind::Animation) && media.width > 0 && media.height > 0 {
        details.insert("width".into(), media.width.into());
        details.insert("height".into(), media.height.into());
        if let Some(duration) = media.duration_ms {
            details.insert("duration".into(), duration.div_ceil(1000).into());
        }
    }
    if kind == Kind::Video {
        details.insert("supports_streaming".into(), true.into());
    }
    details
}

fn describe(item: &mut serde_json::Map<String, Value>, delivery: &Delivery<'_>) {
    item.insert("caption".into(), delivery.text.plain.clone().into());
    let entities = utf16::entities(delivery.text);
    if !entities.is_empty() {
        item.insert("caption_entities".into(), entities.into());
    }
}

fn posted(account: &Account, messages: &[i64]) -> Posted {
    let first = messages.first().copied().unwrap_or_default();
    Posted {
        id: first.to_string(),
        url: permalink(account, first),
        meta: json!({ "chat_id": account.remote_id, "message_ids": messages }),
    }
}

/// Where people see a message: public chats by name, private channels and supergroups by id, basic groups nowhere.
fn permalink(account: &Account, message: i64) -> Option<String> {
    if let Some(name) = account.meta["username"].as_str() {
        return Some(format!("https://t.me/{name}/{message}"));
    }
    // The prefix only: other digits of an id may read "-100" or "100" too.
    let id = account.remote_id.strip_prefix("-100")?;
    Some(format!("https://t.me/c/{id}/{message}"))
}

/// Deletes all messages of a post.
pub(super) async fn delete(cx: &Context<'_>, account: &Account, posted: &Posted) -> Result<(), Fault> {
    let ids: Vec<i64> = match posted.meta["message_ids"].as_array() {
        Some(ids) => ids.iter().filter_map(Value::as_i64).collect(),
        None => posted.id.parse().into_iter().collect(),
    };
    // A supergroup numbers its messages anew: ids of the group it was made from would name other messages.
    if posted.meta["chat_id"].as_str().is_some_and(|chat| chat != account.remote_id) {
        return Err(Fault::rejected(
            "the group became a supergroup after this was posted, and bots can't reach its older messages",
            "Delete it by hand in Telegram.",
        ));
    }
    let bot = Bot::of(cx)?;
    for ids in ids.chunks(DELETE) {
        let body = json!({ "chat_id": chat_id(&account.remote_id), "message_ids": ids });
        // Messages that are gone already are skipped by Telegram.
        let _: bool = bot.call(Operation::Delete, "deleteMessages", &body).await?;
    }
    Ok(())
}
