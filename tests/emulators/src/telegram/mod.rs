//! The Telegram Bot API on loopback: chats, people and one bot, with the Bot API's HTTP mounted on
//! `api.telegram.org`. Tests act and look through [`Telegram`]. Written from the Bot API page; it knows nothing of the
//! program under test.

mod acts;
mod chats;
mod draft;
mod editing;
mod files;
mod json;
mod markup;
mod scene;
mod sending;
mod state;
#[cfg(test)]
mod tests;
mod updates;
mod wire;

use std::sync::{Arc, Weak};

use serde_json::Value;

pub use acts::User;
pub use draft::{Attachment, Draft};
pub use state::{
    Button, ButtonKind, ChatKind, Entity, GROUP_ANONYMOUS_BOT, Media, MediaKind, Message, Standing, State, Toast,
    Version,
};

use crate::gateway::Gateway;
use crate::watched::{PATIENCE, Watched};

/// The host it is mounted on.
pub const HOST: &str = "api.telegram.org";

/// Telegram with one bot. Clones share the state.
#[derive(Clone)]
pub struct Telegram {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    gateway: Weak<Gateway>,
    state: Watched<State>,
}

impl Inner {
    fn now(&self) -> i64 {
        self.gateway.upgrade().map_or(0, |gateway| gateway.now())
    }

    fn violation(&self, what: String) {
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.violation(format!("telegram: {what}"));
        }
    }
}

impl Telegram {
    /// Mounts Telegram with a bot that has this token (`123456:secret`; the number is the bot's user id) and username.
    pub fn new(gateway: &Arc<Gateway>, token: &str, username: &str) -> Self {
        let state = Watched::new(State::new(token, username));
        let inner = Arc::new(Inner { gateway: Arc::downgrade(gateway), state });
        gateway.mount(HOST, wire::router(inner.clone()));
        Self { inner }
    }

    fn now(&self) -> i64 {
        self.inner.now()
    }

    /// The bot's user id.
    pub fn bot_id(&self) -> i64 {
        self.inner.state.read(|state| state.bot.id)
    }

    /// The bot gets another token; the old one answers 401 from now on.
    pub fn replace_token(&self, token: &str) {
        self.inner.state.write(|state| token.clone_into(&mut state.token));
    }

    /// The next `times` sends and edits meet 429 with this `retry_after` in seconds.
    pub fn flood(&self, times: usize, seconds: u64) {
        self.inner.state.write(|state| state.flood = (times, seconds));
    }

    /// Whether the bot is spared ordinary group messages (it is, unless BotFather says otherwise).
    pub fn set_privacy(&self, on: bool) {
        self.inner.state.write(|state| state.privacy = on);
    }

    /// Addresses that start with `public` are served at `local` on loopback: for webhooks and files by address.
    pub fn route(&self, public: &str, local: &str) {
        self.inner.state.write(|state| state.routes.push((public.to_owned(), local.to_owned())));
    }

    /// All messages of a chat that are not deleted, oldest first.
    pub fn messages(&self, chat: i64) -> Vec<Message> {
        self.inner.state.read(|state| state.messages(chat).filter(|message| !message.deleted).cloned().collect())
    }

    /// One message, deleted or not.
    pub fn message(&self, chat: i64, id: i64) -> Option<Message> {
        self.inner.state.read(|state| state.messages(chat).find(|message| message.id == id).cloned())
    }

    /// Waits for the newest message of the bot in `chat` that `fits`; the wait also sees edits.
    ///
    /// # Panics
    /// After ten seconds, with what is in the chat.
    pub async fn wait_message(&self, chat: i64, fits: impl Fn(&Message) -> bool) -> Message {
        let newest = |state: &State| state.messages(chat).rfind(|m| m.by_bot && !m.deleted && fits(m)).cloned();
        self.wait_for(&format!("a message of the bot in {chat}"), newest).await
    }

    /// Waits until a message is deleted.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn wait_deleted(&self, chat: i64, id: i64) {
        let gone = |state: &State| state.messages(chat).find(|m| m.id == id && m.deleted).map(|_| ());
        self.wait_for(&format!("message {id} in {chat} to be deleted"), gone).await;
    }

    /// Waits for the answer to a press.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn wait_toast(&self, query: &str) -> Toast {
        self.wait_for("the answer to a press", |state| state.toast(query)).await
    }

    /// Waits until `find` finds something.
    ///
    /// # Panics
    /// After ten seconds of real time, with `what` and all chats.
    pub async fn wait_for<T>(&self, what: &str, find: impl Fn(&State) -> Option<T>) -> T {
        match self.inner.state.find(PATIENCE, find).await {
            Some(found) => found,
            None => panic!("waited {PATIENCE:?} for {what}; Telegram has:\n{}", self.transcript()),
        }
    }

    /// As [`Telegram::wait_for`] with another limit of real time; `None` when nothing was found.
    pub async fn find<T>(&self, limit: std::time::Duration, find: impl Fn(&State) -> Option<T>) -> Option<T> {
        self.inner.state.find(limit, find).await
    }

    /// All chats with their messages, for a person to read.
    pub fn transcript(&self) -> String {
        self.inner.state.read(State::transcript)
    }

    /// Updates that the bot has not confirmed yet.
    pub fn pending_updates(&self) -> usize {
        self.inner.state.read(|state| state.updates.len())
    }

    /// The commands registered for a scope, as in `default` or `all_private_chats`; each `{command, description}`.
    pub fn commands(&self, scope: &str) -> Vec<Value> {
        self.inner.state.read(|state| state.commands(scope))
    }
}

impl State {
    /// The messages of a chat, deleted ones included, oldest first.
    pub fn messages(&self, chat: i64) -> impl DoubleEndedIterator<Item = &Message> {
        self.chats.get(&chat).into_iter().flat_map(|chat| chat.messages.iter())
    }

    /// What the bot answered to a press.
    pub fn toast(&self, query: &str) -> Option<Toast> {
        self.queries.get(query)?.answer.clone()
    }

    /// The address that updates are pushed to.
    pub fn webhook_url(&self) -> Option<&str> {
        self.webhook.as_ref().map(|hook| hook.url.as_str())
    }

    /// The commands registered for a scope.
    pub fn commands(&self, scope: &str) -> Vec<Value> {
        self.commands.get(scope).and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// What the bot showed as activity (`typing`), by chat, oldest first.
    pub fn actions(&self) -> &[(i64, String)] {
        &self.actions
    }

    /// What the bot is in a chat.
    pub fn bot_in(&self, chat: i64) -> Option<&Standing> {
        self.chats.get(&chat).map(|chat| &chat.bot)
    }

    fn transcript(&self) -> String {
        let mut out = String::new();
        for chat in self.chats.values() {
            out.push_str(&format!("{} {} {:?}\n", chat.kind.as_str(), chat.id, chat.title));
            for message in &chat.messages {
                let who = if message.by_bot { "bot" } else { "  <" };
                let gone = if message.deleted { " (deleted)" } else { "" };
                let labels = message.labels();
                out.push_str(&format!("  {who} #{}{gone} {:?} {labels:?}\n", message.id, message.text));
            }
        }
        out
    }
}
