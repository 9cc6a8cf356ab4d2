//! The wire forms of what Telegram knows: users, chats, members, media, messages. It changes nothing. Source: the types
//! of the Bot API page.

use serde_json::{Value, json};

use super::markup::{buttons_json, entity_json};
use super::state::{ChatKind, ChatRecord, GROUP_ANONYMOUS_BOT, Media, MediaKind, Message, Standing, State};

/// Every administrator right, and whether it exists only in channels (`Some(true)`) or only in groups (`Some(false)`).
const RIGHTS: &[(&str, Option<bool>)] = &[
    ("can_manage_chat", None),
    ("can_delete_messages", None),
    ("can_manage_video_chats", None),
    ("can_restrict_members", None),
    ("can_promote_members", None),
    ("can_change_info", None),
    ("can_invite_users", None),
    ("can_post_stories", None),
    ("can_edit_stories", None),
    ("can_delete_stories", None),
    ("can_post_messages", Some(true)),
    ("can_edit_messages", Some(true)),
    ("can_pin_messages", Some(false)),
    ("can_manage_topics", Some(false)),
];

impl Standing {
    fn json(&self, user: Value, channel: bool) -> Value {
        let mut value = json!({ "user": user, "status": self.word() });
        match self {
            Self::Creator => value["is_anonymous"] = json!(false),
            Self::Administrator(rights) => {
                value["is_anonymous"] = json!(rights.contains("is_anonymous"));
                value["can_be_edited"] = json!(false);
                for (right, only) in RIGHTS {
                    if only.is_none_or(|channels| channels == channel) {
                        value[*right] = json!(*right == "can_manage_chat" || rights.contains(*right));
                    }
                }
            }
            Self::Restricted => {
                value["is_member"] = json!(true);
                value["until_date"] = json!(0);
                for what in ["messages", "audios", "documents", "photos", "videos", "video_notes", "voice_notes"] {
                    value[format!("can_send_{what}")] = json!(false);
                }
                for what in ["send_polls", "send_other_messages", "add_web_page_previews", "change_info"] {
                    value[format!("can_{what}")] = json!(false);
                }
                for what in ["invite_users", "pin_messages", "manage_topics"] {
                    value[format!("can_{what}")] = json!(false);
                }
            }
            Self::Kicked => value["until_date"] = json!(0),
            Self::Member | Self::Left => {}
        }
        value
    }
}

impl State {
    pub(super) fn user_json(&self, id: i64) -> Value {
        if id == GROUP_ANONYMOUS_BOT {
            return json!({ "id": id, "is_bot": true, "first_name": "Group", "username": "GroupAnonymousBot" });
        }
        let record = if id == self.bot.id { Some(&self.bot) } else { self.users.get(&id) };
        let Some(user) = record else {
            return json!({ "id": id, "is_bot": false, "first_name": "Someone" });
        };
        let mut value = json!({ "id": user.id, "is_bot": user.is_bot, "first_name": user.name });
        if let Some(username) = &user.username {
            value["username"] = json!(username);
        }
        if !user.is_bot {
            value["language_code"] = json!("en");
        }
        value
    }

    pub(super) fn chat_json(&self, id: i64) -> Value {
        let Some(chat) = self.chats.get(&id) else {
            return json!({ "id": id, "type": "channel", "title": "Elsewhere" });
        };
        let mut value = json!({ "id": chat.id, "type": chat.kind.as_str() });
        value[if chat.kind == ChatKind::Private { "first_name" } else { "title" }] = json!(chat.title);
        if let Some(username) = &chat.username {
            value["username"] = json!(username);
        }
        if chat.forum {
            value["is_forum"] = json!(true);
        }
        value
    }

    pub(super) fn member_json(&self, chat: &ChatRecord, user: i64) -> Value {
        self.standing(chat, user).json(self.user_json(user), chat.kind == ChatKind::Channel)
    }

    pub(super) fn media_json(&self, media: &Media) -> Value {
        let size = self.files.get(&media.file_id).map_or(media.bytes.len() as u64, |file| file.size);
        let mut value = json!({
            "file_id": media.file_id,
            "file_unique_id": format!("u{}", media.file_id),
            "file_size": size,
        });
        if media.kind != MediaKind::Document {
            value["width"] = json!(media.width);
            value["height"] = json!(media.height);
        }
        if matches!(media.kind, MediaKind::Video | MediaKind::Animation) {
            value["duration"] = json!(media.duration);
        }
        if media.kind == MediaKind::Photo {
            // Telegram keeps several sizes, the largest last; the small ones are files of their own.
            let mut small = value.clone();
            small["file_id"] = json!(format!("{}-s", media.file_id));
            small["file_unique_id"] = json!(format!("u{}-s", media.file_id));
            small["width"] = json!((media.width / 4).max(1));
            small["height"] = json!((media.height / 4).max(1));
            small["file_size"] = json!(size / 16);
            return json!([small, value]);
        }
        if let Some(name) = &media.name {
            value["file_name"] = json!(name);
        }
        if let Some(mime) = &media.mime {
            value["mime_type"] = json!(mime);
        }
        value
    }

    pub(super) fn message_json(&self, message: &Message) -> Value {
        self.message_at_depth(message, true)
    }

    fn message_at_depth(&self, message: &Message, with_reply: bool) -> Value {
        let mut value = json!({
            "message_id": message.id,
            "date": message.at.div_euclid(1000),
            "chat": self.chat_json(message.chat),
        });
        if let Some(from) = message.from {
            value["from"] = self.user_json(from);
        }
        if let Some(chat) = message.sender_chat {
            value["sender_chat"] = self.chat_json(chat);
        }
        let (text, entities) =
            if message.media.is_some() { ("caption", "caption_entities") } else { ("text", "entities") };
        if !message.text.is_empty() {
            value[text] = json!(message.text);
        }
        if !message.entities.is_empty() {
            value[entities] = message.entities.iter().map(entity_json).collect();
        }
        if let Some(media) = &message.media {
            value[media.kind.as_str()] = self.media_json(media);
            if media.kind == MediaKind::Animation {
                // "For backward compatibility, when this field is set, the document field will also be set."
                value["document"] = self.media_json(&Media { kind: MediaKind::Document, ..media.clone() });
            }
        }
        if let Some(album) = &message.album {
            value["media_group_id"] = json!(album);
        }
        if !message.buttons.is_empty() {
            value["reply_markup"] = buttons_json(&message.buttons);
        }
        if let Some(topic) = message.topic {
            value["message_thread_id"] = json!(topic);
            value["is_topic_message"] = json!(true);
        }
        if let Some(edited) = message.edited_at {
            value["edit_date"] = json!(edited.div_euclid(1000));
        }
        if with_reply && let Some(original) = message.reply_to.and_then(|id| self.message(message.chat, id)) {
            value["reply_to_message"] = self.message_at_depth(original, false);
        }
        for (key, field) in &message.extra {
            value[key] = field.clone();
        }
        value
    }
}
