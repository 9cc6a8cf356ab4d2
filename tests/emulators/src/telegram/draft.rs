//! Messages that people are about to send: text, files, stickers, polls, forwards. It knows no chat.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::state::{Entity, MediaKind};

/// A file that a person attaches.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// What it is shown as.
    pub kind: MediaKind,
    /// File name; photos have none.
    pub name: Option<String>,
    /// MIME type as the sender's app names it, which may be wrong.
    pub mime: Option<String>,
    /// The content.
    pub bytes: Bytes,
    /// The size Telegram tells (bytes), where it differs from the content: big files need no big test.
    pub claimed: Option<u64>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Seconds.
    pub duration: u32,
}

impl Attachment {
    fn new(kind: MediaKind, name: Option<&str>, mime: Option<&str>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let size = imagesize::blob_size(&bytes).ok();
        let side = |pick: fn(&imagesize::ImageSize) -> usize| {
            size.as_ref().map_or(0, |size| u32::try_from(pick(size)).unwrap_or(0))
        };
        Self {
            kind,
            name: name.map(str::to_owned),
            mime: mime.map(str::to_owned),
            claimed: None,
            width: side(|size| size.width),
            height: side(|size| size.height),
            duration: 0,
            bytes,
        }
    }

    /// A compressed picture.
    pub fn photo(bytes: impl Into<Bytes>) -> Self {
        Self::new(MediaKind::Photo, None, None, bytes)
    }

    /// A video of this size in pixels and seconds.
    pub fn video(bytes: impl Into<Bytes>, width: u32, height: u32, duration: u32) -> Self {
        let video = Self::new(MediaKind::Video, Some("video.mp4"), Some("video/mp4"), bytes);
        Self { width, height, duration, ..video }
    }

    /// A silent loop (Telegram makes an MP4 of a GIF).
    pub fn animation(bytes: impl Into<Bytes>) -> Self {
        Self::new(MediaKind::Animation, Some("animation.gif.mp4"), Some("video/mp4"), bytes)
    }

    /// Any file.
    pub fn document(name: &str, mime: &str, bytes: impl Into<Bytes>) -> Self {
        Self::new(MediaKind::Document, Some(name), Some(mime), bytes)
    }

    /// Telegram says that the file has this many bytes.
    #[must_use]
    pub fn claiming(mut self, bytes: u64) -> Self {
        self.claimed = Some(bytes);
        self
    }
}

/// A message that someone is about to send.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub(super) text: String,
    pub(super) entities: Vec<Entity>,
    pub(super) media: Vec<Attachment>,
    pub(super) reply_to: Option<i64>,
    pub(super) topic: Option<i64>,
    pub(super) extra: Map<String, Value>,
}

impl Draft {
    /// Plain text, or the caption of what is attached.
    pub fn text(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// One attachment, or several of an album.
    pub fn media(media: impl IntoIterator<Item = Attachment>) -> Self {
        Self { media: media.into_iter().collect(), ..Self::default() }
    }

    /// A sticker with this emoji.
    pub fn sticker(emoji: &str) -> Self {
        let mut draft = Self::default();
        let sticker = json!({
            "file_id": "CAAC-sticker", "file_unique_id": "uCAAC-sticker", "type": "regular", "width": 512,
            "height": 512, "is_animated": false, "is_video": false, "emoji": emoji,
        });
        draft.extra.insert("sticker".to_owned(), sticker);
        draft
    }

    /// A poll with these answers.
    pub fn poll(question: &str, answers: &[&str]) -> Self {
        let options: Vec<Value> = answers
            .iter()
            .enumerate()
            .map(|(at, text)| json!({ "persistent_id": at.to_string(), "text": text, "voter_count": 0 }))
            .collect();
        let mut draft = Self::default();
        let poll = json!({
            "id": "5000", "question": question, "options": options, "total_voter_count": 0, "is_closed": false,
            "is_anonymous": true, "type": "regular", "allows_multiple_answers": false, "allows_revoting": true,
            "members_only": false,
        });
        draft.extra.insert("poll".to_owned(), poll);
        draft
    }

    /// Adds a caption.
    #[must_use]
    pub fn caption(mut self, text: &str) -> Self {
        self.text = text.to_owned();
        self
    }

    /// Adds formatting to the text (UTF-16 units).
    #[must_use]
    pub fn formatted(mut self, entities: Vec<Entity>) -> Self {
        self.entities = entities;
        self
    }

    /// As an answer to this message.
    #[must_use]
    pub fn replying(mut self, message: i64) -> Self {
        self.reply_to = Some(message);
        self
    }

    /// In this forum topic.
    #[must_use]
    pub fn in_topic(mut self, topic: i64) -> Self {
        self.topic = Some(topic);
        self
    }

    /// Forwarded from someone who hides who they are.
    #[must_use]
    pub fn forwarded_from_hidden(mut self, name: &str) -> Self {
        let origin = json!({ "type": "hidden_user", "date": 1_700_000_000, "sender_user_name": name });
        self.extra.insert("forward_origin".to_owned(), origin);
        self
    }

    /// Forwarded from a channel that the bot may not know.
    #[must_use]
    pub fn forwarded_from_channel(mut self, title: &str, username: &str) -> Self {
        let chat = json!({ "id": -1_009_000_000_001_i64, "type": "channel", "title": title, "username": username });
        let origin = json!({ "type": "channel", "date": 1_700_000_000, "chat": chat, "message_id": 7 });
        self.extra.insert("forward_origin".to_owned(), origin);
        self
    }
}
