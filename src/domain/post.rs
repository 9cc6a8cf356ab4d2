//! Posts, their content and their delivery to each account.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clock::Timestamp;
use super::id::{AccountId, PersonId, PostId, TargetId, WorkspaceId};

/// Text with formatting; positions are byte offsets into UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RichText {
    /// The words.
    pub plain: String,
    /// Formatted ranges, sorted by start; they nest and never cross.
    #[serde(default)]
    pub marks: Vec<Mark>,
}

/// One formatted range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// How it looks.
    pub style: Style,
}

/// How a range looks, where the platform can show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Bold.
    Bold,
    /// Italic.
    Italic,
    /// Underlined.
    Underline,
    /// Struck through.
    Strike,
    /// Hidden until tapped.
    Spoiler,
    /// Monospace.
    Code,
    /// Monospace block with an optional language.
    Pre(Option<String>),
    /// Quoted block.
    Quote,
    /// These words lead there.
    Link(String),
}

/// What a file is, as probed, never as claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A still picture.
    Image,
    /// A GIF that moves.
    Animation,
    /// A film.
    Video,
}

/// One file of a post, lying in `DATA_DIR/media/<sha256>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Hex SHA-256 of the bytes: its name on disk.
    pub sha256: String,
    /// What it is.
    pub kind: MediaKind,
    /// Its type by its bytes, as in `image/png`.
    pub mime: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Length of a video in milliseconds.
    pub duration_ms: Option<u64>,
    /// Its description for those who can't see it.
    #[serde(default)]
    pub alt: Option<String>,
}

/// Choices beyond text and media. Which of them a platform takes is in its descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Text in front of a hidden post (Mastodon's content warning).
    pub content_warning: Option<String>,
    /// Who sees it: one of the words in the descriptor's `visibility`.
    pub visibility: Option<String>,
    /// ISO 639-1 code.
    pub language: Option<String>,
    /// Where inside the account: a Discord channel id.
    pub place: Option<String>,
    /// The place's name, for people.
    pub place_name: Option<String>,
    /// Who is called: `@everyone`, `@here`, `<@ID>`, `<@&ID>`. Typed ones in the text never ping.
    pub mentions: Vec<String>,
    /// An embed's title and colour (Discord).
    pub embed: Option<Embed>,
    /// Make no sound where the platform knows that.
    pub silent: bool,
}

/// A rich card around the text (Discord).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Embed {
    /// At most 256 characters.
    pub title: Option<String>,
    /// Where the title leads.
    pub url: Option<String>,
    /// `#RRGGBB`.
    pub color: Option<String>,
}

/// The public status of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostStatus {
    /// Being written.
    Draft,
    /// Waiting for its time.
    Scheduled,
    /// On its way.
    Publishing,
    /// On every account.
    Published,
    /// On some.
    PartiallyPublished,
    /// On none.
    Failed,
}

/// The public status of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetStatus {
    /// Not begun.
    Pending,
    /// On its way.
    Publishing,
    /// It is there.
    Published,
    /// It is not there and won't be.
    Failed,
    /// Nobody can know but a human who looks.
    Unconfirmed,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $type {
            /// The public word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The inverse of `as_str`.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words!(PostStatus {
    Draft = "draft",
    Scheduled = "scheduled",
    Publishing = "publishing",
    Published = "published",
    PartiallyPublished = "partially_published",
    Failed = "failed",
});
words!(TargetStatus {
    Pending = "pending",
    Publishing = "publishing",
    Published = "published",
    Failed = "failed",
    Unconfirmed = "unconfirmed",
});
words!(MediaKind { Image = "image", Animation = "animation", Video = "video" });

/// A file that somebody sent for a post and that is not in it. A post that lacks a file does not go out by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What the person calls it.
    pub name: String,
    /// Why it is not there and what to do, in plain words.
    pub why: String,
}

/// A post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Its id.
    pub id: PostId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Counts from 1 in its workspace: what people type, as in `/show 12`.
    pub number: i64,
    /// Who wrote it.
    pub author: PersonId,
    /// The words.
    pub text: RichText,
    /// The files, in order.
    pub media: Vec<Media>,
    /// Files that were sent for it and could not be taken; a person decides before it goes out.
    pub missing: Vec<Missing>,
    /// Choices for all accounts.
    pub options: Options,
    /// Where it stands.
    pub status: PostStatus,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When its first account got it.
    pub published_at: Option<Timestamp>,
}

/// What was posted where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The platform's id of the (first) message or record.
    pub id: String,
    /// Where people see it, if anywhere.
    pub url: Option<String>,
    /// Ids of further messages, and what deleting needs (Bluesky: uri and cid). A JSON object.
    #[serde(default)]
    pub meta: Value,
}

/// A post's delivery to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: TargetId,
    /// The post.
    pub post: PostId,
    /// The account.
    pub account: AccountId,
    /// Where it stands.
    pub status: TargetStatus,
    /// Choices for this account; they win over the post's.
    pub options: Options,
    /// The connector's journal: what is uploaded already. A JSON object.
    pub journal: Value,
    /// The key of the send under way; set before the call leaves, cleared by its answer.
    pub sending: Option<Sending>,
    /// What came of it, once published (or, for a post in several pieces, so far).
    pub posted: Option<Posted>,
    /// Why it failed or waits, in plain words.
    pub why: Option<String>,
    /// What to do about it.
    pub fix: Option<String>,
    /// Progress for people, as in "uploading 2 of 2".
    pub note: Option<String>,
    /// Failed tries in a row.
    pub tries: i64,
}

/// [`Target::why`] of what a person deleted after it was published.
pub const DELETED: &str = "deleted";
/// [`Target::why`] of an unconfirmed send that a person gave up.
pub const GIVEN_UP: &str = "given up";

impl Target {
    /// Whether it ended by a person's word: deleted, or given up. A retry of the post must not send it again.
    pub fn is_closed(&self) -> bool {
        self.status == TargetStatus::Failed && matches!(self.why.as_deref(), Some(DELETED | GIVEN_UP))
    }
}

/// A send whose answer has not been recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Identifies this send to the platform.
    pub key: String,
    /// When it left.
    pub since: Timestamp,
}

/// The post's status that follows from its targets'. No targets is never "published".
pub fn status_of(targets: &[TargetStatus]) -> PostStatus {
    let count = |status| targets.iter().filter(|one| **one == status).count();
    if targets.iter().any(|one| matches!(one, TargetStatus::Pending | TargetStatus::Publishing)) {
        return PostStatus::Publishing;
    }
    match count(TargetStatus::Published) {
        0 if count(TargetStatus::Unconfirmed) > 0 => PostStatus::Publishing,
        0 => PostStatus::Failed,
        all if all == targets.len() => PostStatus::Published,
        _ => PostStatus::PartiallyPublished,
    }
}
