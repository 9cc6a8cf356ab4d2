//! The parts of Telegram's updates that we read, in the vendor's names (Bot API 10.1). Our own shapes instead of
//! teloxide's, because those know Bot API 9.1 and read all or nothing: one entity of a newer kind (`date_time`), or a video
//! without `mime_type`, and the whole message is lost. Fields not listed are ignored, and every field that the vendor calls
//! optional may be missing. It must not know what any of it means to us.

use serde::Deserialize;
use serde_json::{Map, Value};

/// `User`. Ids have up to 52 significant bits.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct User {
    pub id: i64,
    #[serde(default)]
    pub is_bot: bool,
    #[serde(default)]
    pub first_name: String,
    pub last_name: Option<String>,
    pub username: Option<String>,
}

/// `Chat`. `type` is `private`, `group`, `supergroup` or `channel`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Chat {
    pub id: i64,
    #[serde(rename = "type")]
    pub kind: String,
    pub title: Option<String>,
    pub username: Option<String>,
}

/// `MessageEntity`; offset and length in UTF-16 units.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entity {
    #[serde(rename = "type")]
    pub kind: String,
    pub offset: u64,
    pub length: u64,
    pub url: Option<String>,
    pub language: Option<String>,
}

/// What `PhotoSize`, `Video`, `Animation` and `Document` have in common.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct File {
    pub file_id: String,
    pub file_name: Option<String>,
    pub mime_type: Option<String>,
    pub file_size: Option<u64>,
    #[serde(default)]
    pub width: u64,
    #[serde(default)]
    pub height: u64,
}

/// The message that another one answers.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Answered {
    pub message_id: i64,
    pub from: Option<User>,
}

/// `Message`, also as `channel_post`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Message {
    pub message_id: i64,
    pub message_thread_id: Option<i64>,
    #[serde(default)]
    pub is_topic_message: bool,
    pub from: Option<User>,
    pub sender_chat: Option<Chat>,
    pub chat: Chat,
    pub reply_to_message: Option<Answered>,
    pub media_group_id: Option<String>,
    pub migrate_to_chat_id: Option<i64>,
    pub text: Option<String>,
    #[serde(default)]
    pub entities: Vec<Entity>,
    pub caption: Option<String>,
    #[serde(default)]
    pub caption_entities: Vec<Entity>,
    #[serde(default)]
    pub photo: Vec<File>,
    pub video: Option<File>,
    pub animation: Option<File>,
    pub document: Option<File>,
    /// Everything else, to name what we can't take.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What a pressed button hangs on: `Message` or `InaccessibleMessage`, which share these fields.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Pressed {
    pub message_id: i64,
    pub message_thread_id: Option<i64>,
    #[serde(default)]
    pub is_topic_message: bool,
    pub chat: Chat,
}

/// `CallbackQuery`, without its `id`: that is read by itself, so that a press can be acknowledged whatever the rest is.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct CallbackQuery {
    pub from: User,
    pub message: Option<Pressed>,
    pub data: Option<String>,
}

/// `ChatMember`: `status` is `creator`, `administrator`, `member`, `restricted`, `left` or `kicked`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Member {
    pub status: String,
    #[serde(default)]
    pub can_post_messages: bool,
    #[serde(default)]
    pub is_member: bool,
}

/// `ChatMemberUpdated`, as it comes in `my_chat_member`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct MemberChange {
    pub chat: Chat,
    pub from: User,
    pub new_chat_member: Member,
}

/// What of the `Message` we need in answer to a sending call. The rest may be of any shape: a message that was sent must
/// not look failed because its echo has a field we can't read.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    pub message_id: i64,
}

/// What `getFile` answers; the path is missing when the file is too big.
#[derive(Debug, Deserialize)]
pub(super) struct FilePath {
    pub file_path: Option<String>,
    pub file_size: Option<u64>,
}
