//! What a test sets up and what happens to the bot: people, groups, channels, membership, migration, odd updates. It
//! knows no HTTP.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Value, json};

use super::Telegram;
use super::acts::{User, change_bot, keep, post, store};
use super::draft::{Attachment, Draft};
use super::state::{ChatKind, ChatRecord, GROUP_ANONYMOUS_BOT, QueuedUpdate, Standing, UserRecord};

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
        User::new(self, id)
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
            chat.members.insert(user.id(), standing);
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
        self.inner.state.write(|state| change_bot(state, chat, by.id(), standing, now));
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
            state.updates.push_back(QueuedUpdate { id, at: now, body, again: true });
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
