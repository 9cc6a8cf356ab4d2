//! Discord on loopback: people, servers, channels and one application with its bot; REST, the gateway websocket, OAuth
//! and the content network, mounted on their hosts. Tests act and look through [`Discord`]. Written from Discord's
//! documentation; it knows nothing of the program under test.

mod acts;
mod catalogue;
mod interactions;
mod json;
mod messages;
mod oauth;
pub mod permissions;
mod rest;
mod rules;
mod scene;
mod socket;
mod state;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::{Arc, Weak};

use serde_json::Value;

pub use acts::{File, User};
pub use state::{Attachment, Body, Choice, Form, Message, Pings, State, Target};

use crate::gateway::Gateway;
use crate::watched::{PATIENCE, Watched};
use state::{Cut, RateLimit};

/// REST, OAuth and the consent page.
pub const HOST: &str = "discord.com";
/// The websocket.
pub const GATEWAY_HOST: &str = "gateway.discord.gg";
/// Attachments and icons.
pub const CDN_HOST: &str = "cdn.discordapp.com";
/// The same files, through Discord's media proxy.
pub const MEDIA_HOST: &str = "media.discordapp.net";

/// One application in the developer portal.
#[derive(Clone, Debug)]
pub struct Options {
    /// The client id, which is also the bot's user id.
    pub application_id: u64,
    /// The client secret.
    pub client_secret: String,
    /// The bot token.
    pub bot_token: String,
    /// The application's name.
    pub name: String,
    /// Registered redirect URIs; compared exactly.
    pub redirect_uris: Vec<String>,
}

/// Discord with one application. Clones share the state.
#[derive(Clone)]
pub struct Discord {
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
            gateway.violation(format!("discord: {what}"));
        }
    }

    /// The websocket's address on the shared listener.
    fn socket_url(&self) -> String {
        let base = self.gateway.upgrade().map(|gateway| gateway.url()).unwrap_or_default();
        format!("{}/{GATEWAY_HOST}", base.replacen("http", "ws", 1))
    }
}

impl Discord {
    /// Mounts Discord with this application.
    pub fn new(gateway: &Arc<Gateway>, options: Options) -> Self {
        let state = Watched::new(State::new(options));
        let inner = Arc::new(Inner { gateway: Arc::downgrade(gateway), state });
        gateway.mount(HOST, wire::router(inner.clone()));
        gateway.mount(GATEWAY_HOST, socket::router(inner.clone()));
        gateway.mount(CDN_HOST, wire::cdn(inner.clone()));
        gateway.mount(MEDIA_HOST, wire::cdn(inner.clone()));
        Self { inner }
    }

    fn now(&self) -> i64 {
        self.inner.now()
    }

    /// The bot gets another token; the old one answers 401 from now on.
    pub fn replace_token(&self, token: &str) {
        self.inner.state.write(|state| token.clone_into(&mut state.options.bot_token));
    }

    /// The next `times` calls whose path contains `path` meet 429 with this `retry_after` in seconds.
    pub fn limit_rate(&self, path: &str, times: usize, seconds: f64, global: bool) {
        let limit = RateLimit { path: path.to_owned(), times, seconds, global };
        self.inner.state.write(|state| state.limits.push(limit));
    }

    /// Messages with this word are blocked by automatic moderation.
    pub fn block_word(&self, word: &str) {
        self.inner.state.write(|state| state.automod.push(word.to_owned()));
    }

    /// Token answers come without the server, as after a user install.
    pub fn omit_guild(&self, on: bool) {
        self.inner.state.write(|state| state.omit_guild = on);
    }

    /// Switches privileged intents on, by their bits.
    pub fn allow_intents(&self, bits: u64) {
        self.inner.state.write(|state| state.privileged |= bits);
    }

    /// All sockets break without a word; sessions can be resumed.
    pub fn drop_sockets(&self) {
        self.cut(Cut::Drop);
    }

    /// Discord asks every client to reconnect and resume (op 7).
    pub fn ask_to_reconnect(&self) {
        self.cut(Cut::Reconnect);
    }

    /// Every session becomes invalid (op 9): clients have to identify again.
    pub fn invalidate_sessions(&self) {
        self.inner.state.write(|state| state.sessions.clear());
        self.cut(Cut::Invalid);
    }

    fn cut(&self, how: Cut) {
        self.inner.state.write(|state| state.cut = (state.cut.0 + 1, how));
    }

    /// Waits until a client is connected and known.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn wait_connected(&self) {
        let connected = |state: &State| (state.sockets > 0 && !state.sessions.is_empty()).then_some(());
        self.wait_for("the gateway client", connected).await;
    }

    /// The messages of a channel that everyone there sees, oldest first.
    pub fn messages(&self, channel: u64) -> Vec<Message> {
        self.inner
            .state
            .read(|state| state.messages(channel).filter(|m| !m.deleted && m.only_for.is_none()).cloned().collect())
    }

    /// One message, whoever sees it, deleted or not.
    pub fn message(&self, channel: u64, id: u64) -> Option<Message> {
        self.inner.state.read(|state| state.messages(channel).find(|message| message.id == id).cloned())
    }

    /// The messages that only this person sees, oldest first.
    pub fn ephemeral(&self, user: &User) -> Vec<Message> {
        self.inner.state.read(|state| state.ephemeral(user.id()).cloned().collect())
    }

    /// Waits for the newest message of the bot in a channel that everyone sees and that `fits`; the wait sees edits.
    ///
    /// # Panics
    /// After ten seconds, with what is there.
    pub async fn wait_message(&self, channel: u64, fits: impl Fn(&Message) -> bool) -> Message {
        let newest = |state: &State| {
            let open = |m: &&Message| m.by_bot && !m.deleted && m.only_for.is_none() && fits(m);
            state.messages(channel).rfind(open).cloned()
        };
        self.wait_for(&format!("a message of the bot in {channel}"), newest).await
    }

    /// Waits for the newest message that only this person sees and that `fits`.
    ///
    /// # Panics
    /// After ten seconds, with what is there.
    pub async fn wait_ephemeral(&self, user: &User, fits: impl Fn(&Message) -> bool) -> Message {
        let newest = |state: &State| state.ephemeral(user.id()).filter(|m| fits(m)).last().cloned();
        self.wait_for("an ephemeral message", newest).await
    }

    /// Waits for the first answer to an interaction; gives its type (4 to 9).
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn wait_answered(&self, interaction: u64) -> u8 {
        self.wait_for("the answer to an interaction", |state| state.interactions.get(&interaction)?.answered).await
    }

    /// Waits until `find` finds something.
    ///
    /// # Panics
    /// After ten seconds of real time, with `what` and all channels.
    pub async fn wait_for<T>(&self, what: &str, find: impl Fn(&State) -> Option<T>) -> T {
        match self.inner.state.find(PATIENCE, find).await {
            Some(found) => found,
            None => panic!("waited {PATIENCE:?} for {what}; Discord has:\n{}", self.transcript()),
        }
    }

    /// All channels with their messages, for a person to read.
    pub fn transcript(&self) -> String {
        self.inner.state.read(State::transcript)
    }

    /// The commands that the application registered, as on the wire.
    pub fn commands(&self) -> Vec<Value> {
        self.inner.state.read(|state| state.commands.clone())
    }

    /// How many user tokens are alive.
    pub fn live_tokens(&self) -> usize {
        let now = self.now();
        self.inner.state.read(|state| state.tokens.values().filter(|token| token.until > now).count())
    }
}

impl State {
    /// The messages of a channel, deleted and ephemeral ones included, oldest first.
    pub fn messages(&self, channel: u64) -> impl DoubleEndedIterator<Item = &Message> {
        self.channels.get(&channel).into_iter().flat_map(|channel| channel.messages.iter())
    }

    /// The messages that only this person sees, in order of ids.
    pub fn ephemeral(&self, user: u64) -> impl Iterator<Item = &Message> {
        let mut found: Vec<&Message> = self
            .channels
            .values()
            .flat_map(|channel| channel.messages.iter())
            .filter(|message| message.only_for == Some(user) && !message.deleted)
            .collect();
        found.sort_by_key(|message| message.id);
        found.into_iter()
    }

    /// The commands that are registered, as on the wire.
    pub fn commands(&self) -> &[Value] {
        &self.commands
    }

    /// Is the bot in this server?
    pub fn has_bot(&self, guild: u64) -> bool {
        self.guilds.get(&guild).is_some_and(|guild| guild.members.contains_key(&self.bot()))
    }

    /// The text channel that a new server starts with.
    pub fn general(&self, guild: u64) -> Option<u64> {
        self.channels.values().find(|c| c.guild == Some(guild) && c.name == "general").map(|channel| channel.id)
    }

    fn transcript(&self) -> String {
        let mut out = String::new();
        for channel in self.channels.values() {
            out.push_str(&format!("channel {} {:?}\n", channel.id, channel.name));
            for message in &channel.messages {
                let who = if message.by_bot { "bot" } else { "  <" };
                let gone = if message.deleted { " (deleted)" } else { "" };
                let only = if message.only_for.is_some() { " (ephemeral)" } else { "" };
                let (text, labels) = (message.content(), message.labels());
                out.push_str(&format!("  {who} #{}{gone}{only} {text:?} {labels:?}\n", message.id));
            }
        }
        out
    }
}

impl Discord {
    /// The text channel that a new server starts with.
    ///
    /// # Panics
    /// When there is no such server.
    pub fn general(&self, guild: u64) -> u64 {
        match self.inner.state.read(|state| state.general(guild)) {
            Some(channel) => channel,
            None => panic!("no server {guild}"),
        }
    }
}
