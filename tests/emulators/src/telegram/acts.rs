//! What people do in Telegram, in people's terms: write, press, promote, throw out. It changes the state and queues the
//! updates that the bot would get; it knows no HTTP.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Telegram;
use super::markup::add_automatic;
use super::state::{
    ButtonKind, ChatKind, ChatRecord, Entity, FileRecord, GROUP_ANONYMOUS_BOT, Media, MediaKind, Message, QueryRecord,
    Standing, State, UserRecord,
};

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
    text: String,
    entities: Vec<Entity>,
    media: Vec<Attachment>,
    reply_to: Option<i64>,
    topic: Option<i64>,
    extra: Map<String, Value>,
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

/// A person in Telegram.
#[derive(Clone)]
pub struct User {
    telegram: Telegram,
    id: i64,
}

impl User {
    /// The user id, which is also the id of the private chat with the bot.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Writes to `chat`. Writing to the bot for the first time starts the chat. Gives the message's id.
    pub fn says(&self, chat: i64, text: &str) -> i64 {
        self.sends(chat, Draft::text(text)).first().copied().unwrap_or_default()
    }

    /// Answers a message.
    pub fn replies(&self, chat: i64, to: i64, text: &str) -> i64 {
        self.sends(chat, Draft::text(text).replying(to)).first().copied().unwrap_or_default()
    }

    /// Opens a link `t.me/BOT?start=CODE` and presses Start.
    pub fn opens(&self, code: &str) -> i64 {
        self.says(self.id, &format!("/start {code}"))
    }

    /// Sends any message; an album becomes several. Gives their ids.
    pub fn sends(&self, chat: i64, draft: Draft) -> Vec<i64> {
        let (now, by) = (self.telegram.now(), self.id);
        self.telegram.inner.state.write(|state| {
            if chat == by {
                unblock(state, by, now);
            }
            post(state, chat, Some(by), None, draft, now)
        })
    }

    /// Changes the text of an own message.
    pub fn edits(&self, chat: i64, message: i64, text: &str) {
        let now = self.telegram.now();
        self.telegram.inner.state.write(|state| {
            let mut entities = Vec::new();
            add_automatic(text, &mut entities);
            let Some(stored) = state.message_mut(chat, message) else { return };
            stored.text = text.to_owned();
            stored.entities = entities;
            stored.edited_at = Some(now);
            let copy = stored.clone();
            state.announce(&copy, true, now);
        });
    }

    /// Presses the button with this label under a message; gives the press's id for [`Telegram::wait_toast`].
    ///
    /// # Panics
    /// When the message is gone or has no such button: a person could not press it.
    pub fn press(&self, chat: i64, message: i64, label: &str) -> String {
        let (now, by) = (self.telegram.now(), self.id);
        self.telegram.inner.state.write(|state| {
            let Some(found) = state.message(chat, message) else { panic!("message {message} in {chat} is gone") };
            let data = match found.button(label).map(|button| &button.kind) {
                Some(ButtonKind::Callback(data)) => data.clone(),
                Some(other) => panic!("{label:?} is no callback button: {other:?}"),
                None => panic!("no button {label:?} in {:?}; there are {:?}", found.text, found.labels()),
            };
            press(state, by, chat, message, &data, now)
        })
    }

    /// Presses a button that the message no longer shows: an old client, or someone who kept the data.
    pub fn press_stale(&self, chat: i64, message: i64, data: &str) -> String {
        let now = self.telegram.now();
        self.telegram.inner.state.write(|state| press(state, self.id, chat, message, data, now))
    }

    /// Blocks the bot.
    pub fn blocks(&self) {
        let (now, id) = (self.telegram.now(), self.id);
        self.telegram.inner.state.write(|state| {
            if let Some(chat) = state.chats.get_mut(&id) {
                chat.blocked = true;
            }
            report(state, id, id, &Standing::Member, &Standing::Kicked, now);
        });
    }

    /// Closes the account.
    pub fn deactivates(&self) {
        self.telegram.inner.state.write(|state| {
            if let Some(user) = state.users.get_mut(&self.id) {
                user.deactivated = true;
            }
        });
    }
}

fn unblock(state: &mut State, id: i64, now: i64) {
    let Some(chat) = state.chats.get_mut(&id) else { return };
    chat.started = true;
    if std::mem::take(&mut chat.blocked) {
        report(state, id, id, &Standing::Kicked, &Standing::Member, now);
    }
}

fn press(state: &mut State, by: i64, chat: i64, message: i64, data: &str, now: i64) -> String {
    let id = format!("{}", 4_000_000_000_u64 + state.fresh());
    state.queries.insert(id.clone(), QueryRecord { at: now, answer: None });
    let shown = match state.message(chat, message) {
        Some(message) => state.message_json(message),
        // InaccessibleMessage: "Always 0. The field can be used to differentiate".
        None => json!({ "chat": state.chat_json(chat), "message_id": message, "date": 0 }),
    };
    let query = json!({
        "id": id, "from": state.user_json(by), "message": shown, "chat_instance": format!("{}", chat ^ 0x55aa),
        "data": data,
    });
    state.push("callback_query", query, now);
    id
}

/// Stores what someone sends and tells the bot.
fn post(state: &mut State, chat: i64, from: Option<i64>, sender_chat: Option<i64>, draft: Draft, now: i64) -> Vec<i64> {
    let album = (draft.media.len() > 1).then(|| state.fresh().to_string());
    let mut parts: Vec<Option<Attachment>> = draft.media.into_iter().map(Some).collect();
    if parts.is_empty() {
        parts.push(None);
    }
    let mut ids = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        let mut message = state.blank(chat, now);
        message.from = from;
        message.sender_chat = sender_chat;
        message.media = part.map(|part| keep(state, part));
        message.album = album.clone();
        message.reply_to = draft.reply_to;
        message.topic = draft.topic;
        message.extra = draft.extra.clone();
        if index == 0 {
            message.text = draft.text.clone();
            message.entities = draft.entities.clone();
            add_automatic(&message.text, &mut message.entities);
        }
        ids.push(message.id);
        store(state, message, now);
    }
    ids
}

fn store(state: &mut State, message: Message, now: i64) {
    if let Some(chat) = state.chats.get_mut(&message.chat) {
        chat.messages.push(message.clone());
    }
    state.announce(&message, false, now);
}

fn keep(state: &mut State, attachment: Attachment) -> Media {
    let file = FileRecord {
        kind: Some(attachment.kind),
        bytes: attachment.bytes.clone(),
        size: attachment.claimed.unwrap_or(attachment.bytes.len() as u64),
        path: String::new(),
        name: attachment.name.clone(),
        mime: attachment.mime.clone(),
        width: attachment.width,
        height: attachment.height,
        duration: attachment.duration,
        link_until: 0,
    };
    let file_id = state.store_file(file);
    Media {
        kind: attachment.kind,
        file_id,
        name: attachment.name,
        mime: attachment.mime,
        bytes: attachment.bytes,
        width: attachment.width,
        height: attachment.height,
        duration: attachment.duration,
    }
}

/// Queues `my_chat_member`.
fn report(state: &mut State, chat: i64, by: i64, old: &Standing, new: &Standing, now: i64) {
    let Some(mut record) = state.chats.get(&chat).cloned() else { return };
    let bot = state.bot.id;
    record.messages.clear();
    record.bot = old.clone();
    let before = state.member_json(&record, bot);
    record.bot = new.clone();
    let after = state.member_json(&record, bot);
    let update = json!({
        "chat": state.chat_json(chat), "from": state.user_json(by), "date": now.div_euclid(1000),
        "old_chat_member": before, "new_chat_member": after,
    });
    state.push("my_chat_member", update, now);
}

/// Gives the bot another standing in a chat and tells it.
pub(super) fn change_bot(state: &mut State, chat: i64, by: i64, new: Standing, now: i64) {
    let Some(record) = state.chats.get_mut(&chat) else { return };
    let old = std::mem::replace(&mut record.bot, new.clone());
    let grouped = matches!(record.kind, ChatKind::Group | ChatKind::Supergroup);
    report(state, chat, by, &old, &new, now);
    if grouped && !old.inside() && new.inside() {
        let bot = state.user_json(state.bot.id);
        let mut message = state.blank(chat, now);
        message.from = Some(by);
        message.extra.insert("new_chat_members".to_owned(), json!([bot]));
        store(state, message, now);
    }
}

impl Telegram {
    /// A person. They have not started the bot until they write to it.
    pub fn add_user(&self, id: i64, name: &str, username: Option<&str>) -> User {
        let username = username.map(str::to_owned);
        self.inner.state.write(|state| {
            let user =
                UserRecord { id, name: name.to_owned(), username: username.clone(), is_bot: false, deactivated: false };
            state.users.insert(id, user);
            let chat = ChatRecord { id, title: name.to_owned(), username, ..record(ChatKind::Private) };
            state.chats.insert(id, chat);
        });
        User { telegram: self.clone(), id }
    }

    /// A basic group; the bot is not in it yet. Gives the chat's id.
    pub fn add_group(&self, title: &str) -> i64 {
        self.add_chat(ChatKind::Group, title, None, &[])
    }

    /// A supergroup, public when it has a username, a forum when it has topics (their ids are 2, 3, … in order).
    pub fn add_supergroup(&self, title: &str, username: Option<&str>, topics: &[&str]) -> i64 {
        self.add_chat(ChatKind::Supergroup, title, username, topics)
    }

    /// A channel, public when it has a username. Gives the chat's id.
    pub fn add_channel(&self, title: &str, username: Option<&str>) -> i64 {
        self.add_chat(ChatKind::Channel, title, username, &[])
    }

    fn add_chat(&self, kind: ChatKind, title: &str, username: Option<&str>, topics: &[&str]) -> i64 {
        self.inner.state.write(|state| {
            let number = i64::try_from(state.fresh()).unwrap_or(0);
            // Ids of supergroups and channels do not fit 32 bits; those of basic groups do.
            let id = if kind == ChatKind::Group { -4_000_000 - number } else { -1_002_000_000_000 - number };
            let topics: BTreeMap<i64, String> = (2..).zip(topics.iter().map(|name| (*name).to_owned())).collect();
            let chat = ChatRecord {
                id,
                title: title.to_owned(),
                username: username.map(str::to_owned),
                forum: !topics.is_empty(),
                next_message: i64::try_from(topics.len()).unwrap_or(0) + 1,
                topics,
                ..record(kind)
            };
            state.chats.insert(id, chat);
            id
        })
    }

    /// Puts a person into a chat. The bot is not told: `chat_member` must be asked for and ours does not use it.
    pub fn join(&self, chat: i64, user: &User, standing: Standing) {
        self.with_chat(chat, |chat| {
            chat.members.insert(user.id, standing);
        });
    }

    /// More members, who do nothing but count.
    pub fn set_crowd(&self, chat: i64, count: i64) {
        self.with_chat(chat, |chat| chat.crowd = count);
    }

    /// A chat's picture.
    pub fn set_picture(&self, chat: i64, bytes: impl Into<Bytes>) {
        let attachment = Attachment::photo(bytes);
        self.inner.state.write(|state| {
            let big = keep(state, attachment).file_id;
            if let Some(chat) = state.chats.get_mut(&chat) {
                chat.picture = Some((format!("{big}-s"), big));
            }
        });
    }

    /// Another title.
    pub fn rename(&self, chat: i64, title: &str) {
        self.with_chat(chat, |chat| chat.title = title.to_owned());
    }

    fn with_chat(&self, id: i64, change: impl FnOnce(&mut ChatRecord)) {
        self.inner.state.write(|state| {
            if let Some(chat) = state.chats.get_mut(&id) {
                change(chat);
            }
        });
    }

    /// `by` adds the bot to a group as an ordinary member.
    pub fn add_bot(&self, chat: i64, by: &User) {
        self.change(chat, by, Standing::Member);
    }

    /// `by` makes the bot an administrator with these rights, as in `can_post_messages`.
    pub fn promote_bot(&self, chat: i64, by: &User, rights: &[&str]) {
        let rights: BTreeSet<String> = rights.iter().map(|right| (*right).to_owned()).collect();
        self.change(chat, by, Standing::Administrator(rights));
    }

    /// `by` takes the bot's administrator rights away. In a channel that leaves a subscriber who may not post.
    pub fn demote_bot(&self, chat: i64, by: &User) {
        self.change(chat, by, Standing::Member);
    }

    /// `by` forbids the bot to write in a group.
    pub fn restrict_bot(&self, chat: i64, by: &User) {
        self.change(chat, by, Standing::Restricted);
    }

    /// `by` throws the bot out.
    pub fn kick_bot(&self, chat: i64, by: &User) {
        self.change(chat, by, Standing::Kicked);
    }

    /// As [`Telegram::kick_bot`], but the update is lost: the bot learns it only from a refused call.
    pub fn kick_bot_silently(&self, chat: i64) {
        self.with_chat(chat, |chat| chat.bot = Standing::Kicked);
    }

    fn change(&self, chat: i64, by: &User, standing: Standing) {
        let now = self.now();
        self.inner.state.write(|state| change_bot(state, chat, by.id, standing, now));
    }

    /// Deletes a group for everyone.
    pub fn delete_chat(&self, chat: i64) {
        self.with_chat(chat, |chat| chat.deleted = true);
    }

    /// A basic group becomes a supergroup with another id, which is given.
    pub fn migrate(&self, chat: i64) -> i64 {
        let now = self.now();
        let new = self.inner.state.write(|state| {
            let number = i64::try_from(state.fresh()).unwrap_or(0);
            let id = -1_002_000_000_000 - number;
            let Some(old) = state.chats.get(&chat).cloned() else { return chat };
            let upgraded = ChatRecord {
                id,
                title: old.title.clone(),
                members: old.members.clone(),
                bot: old.bot.clone(),
                crowd: old.crowd,
                ..record(ChatKind::Supergroup)
            };
            state.chats.insert(id, upgraded);
            for (place, field, other) in [(chat, "migrate_to_chat_id", id), (id, "migrate_from_chat_id", chat)] {
                let mut message = state.blank(place, now);
                message.from = Some(GROUP_ANONYMOUS_BOT);
                message.sender_chat = Some(place);
                message.extra.insert(field.to_owned(), json!(other));
                store(state, message, now);
            }
            id
        });
        self.with_chat(chat, |chat| chat.migrated_to = Some(new));
        new
    }

    /// A post in a channel: it has no sender but the channel.
    pub fn post_in_channel(&self, channel: i64, draft: Draft) -> Vec<i64> {
        let now = self.now();
        self.inner.state.write(|state| post(state, channel, None, Some(channel), draft, now))
    }

    /// An administrator writes in the group's name: the sender is GroupAnonymousBot.
    pub fn says_anonymously(&self, chat: i64, text: &str) -> i64 {
        let now = self.now();
        let ids = self
            .inner
            .state
            .write(|state| post(state, chat, Some(GROUP_ANONYMOUS_BOT), Some(chat), Draft::text(text), now));
        ids.first().copied().unwrap_or_default()
    }

    /// Telegram delivers the newest update again, under the same `update_id`, even if it was confirmed.
    pub fn replay_update(&self) {
        let now = self.now();
        self.inner.state.write(|state| {
            let Some(body) = state.last_update.clone() else { return };
            let id = body["update_id"].as_i64().unwrap_or_default();
            state.updates.push_back(super::state::QueuedUpdate { id, at: now, body, again: true });
        });
    }

    /// An update of a shape that no client expects; `update_id` is added.
    pub fn malformed_update(&self, body: Value) {
        let now = self.now();
        self.inner.state.write(|state| state.push_raw(body, now));
    }
}

fn record(kind: ChatKind) -> ChatRecord {
    ChatRecord {
        id: 0,
        kind,
        title: String::new(),
        username: None,
        topics: BTreeMap::new(),
        forum: false,
        members: BTreeMap::new(),
        bot: Standing::Left,
        started: false,
        blocked: false,
        deleted: false,
        migrated_to: None,
        picture: None,
        crowd: 0,
        messages: Vec::new(),
        next_message: 0,
    }
}
