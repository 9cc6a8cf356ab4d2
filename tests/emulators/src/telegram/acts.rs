//! What people do in Telegram, in people's terms: write, press, promote, throw out. It changes the state and queues the
//! updates that the bot would get; it knows no HTTP.

use serde_json::json;

use super::Telegram;
use super::draft::{Attachment, Draft};
use super::markup::add_automatic;
use super::state::{ButtonKind, ChatKind, FileRecord, Media, Message, QueryRecord, Standing, State};

/// A person in Telegram.
#[derive(Clone)]
pub struct User {
    telegram: Telegram,
    id: i64,
}

impl User {
    pub(super) fn new(telegram: &Telegram, id: i64) -> Self {
        Self { telegram: telegram.clone(), id }
    }

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
pub(super) fn post(
    state: &mut State,
    chat: i64,
    from: Option<i64>,
    sender_chat: Option<i64>,
    draft: Draft,
    now: i64,
) -> Vec<i64> {
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

pub(super) fn store(state: &mut State, message: Message, now: i64) {
    if let Some(chat) = state.chats.get_mut(&message.chat) {
        chat.messages.push(message.clone());
    }
    state.announce(&message, false, now);
}

pub(super) fn keep(state: &mut State, attachment: Attachment) -> Media {
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
