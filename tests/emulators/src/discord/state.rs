//! What Discord knows: people, servers, channels, messages, interactions, gateway sessions, consents. Plain
//! data; it knows no HTTP and no test. Long because it is the dictionary of this folder.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};

use super::Options;
use super::permissions;

/// The first millisecond of Discord's ids.
const EPOCH: i64 = 1_420_070_400_000;

/// Message flag: only one person sees it.
pub(super) const EPHEMERAL: u64 = 1 << 6;
/// Message flag: "is thinking…".
pub(super) const LOADING: u64 = 1 << 7;

/// Intent: servers come and go.
pub(super) const INTENT_GUILDS: u64 = 1 << 0;
/// Intent: messages in servers.
pub(super) const INTENT_GUILD_MESSAGES: u64 = 1 << 9;
/// Intent: direct messages.
pub(super) const INTENT_DIRECT_MESSAGES: u64 = 1 << 12;
/// Intent: what messages in servers say (privileged).
pub(super) const INTENT_MESSAGE_CONTENT: u64 = 1 << 15;
/// Intents that must be switched on in the developer portal.
pub(super) const PRIVILEGED: u64 = (1 << 1) | (1 << 8) | INTENT_MESSAGE_CONTENT;

/// A person or bot.
#[derive(Clone, Debug)]
pub(super) struct UserRecord {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) bot: bool,
    /// Takes no direct messages.
    pub(super) closed: bool,
}

/// A role of a server; the one with the server's own id is `@everyone`.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) permissions: u64,
    pub(super) mentionable: bool,
    pub(super) managed: bool,
}

/// Whom an overwrite concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everyone with this role.
    Role(u64),
    /// One member.
    Member(u64),
}

/// A channel's exception from the server's permissions.
#[derive(Clone, Debug)]
pub(super) struct Overwrite {
    pub(super) target: Target,
    pub(super) allow: u64,
    pub(super) deny: u64,
}

/// A server.
#[derive(Clone, Debug)]
pub(super) struct Guild {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) icon: Option<(String, Bytes)>,
    pub(super) owner: u64,
    pub(super) roles: Vec<Role>,
    /// Members with their roles.
    pub(super) members: BTreeMap<u64, Vec<u64>>,
    pub(super) tier: u8,
    pub(super) crowd: u64,
    pub(super) unavailable: bool,
}

/// A channel, thread or direct conversation.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) id: u64,
    /// 0 text, 1 direct, 2 voice, 4 category, 5 announcement, 11 thread, 13 stage, 15 forum.
    pub(super) kind: u8,
    pub(super) guild: Option<u64>,
    pub(super) name: String,
    pub(super) position: usize,
    pub(super) parent: Option<u64>,
    pub(super) overwrites: Vec<Overwrite>,
    pub(super) recipient: Option<u64>,
    /// Seconds between two messages.
    pub(super) slowmode: i64,
    pub(super) messages: Vec<Message>,
}

/// A file in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Snowflake.
    pub id: u64,
    /// File name.
    pub name: String,
    /// Alternative text.
    pub description: Option<String>,
    /// MIME type.
    pub mime: String,
    /// The content.
    pub bytes: Bytes,
    pub(super) channel: u64,
}

/// Whom a message pinged, after `allowed_mentions` and the sender's permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pings {
    /// `@everyone` or `@here`.
    pub everyone: bool,
    /// User ids.
    pub users: Vec<u64>,
    /// Role ids.
    pub roles: Vec<u64>,
}

/// What a message said at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// Text.
    pub content: String,
    /// Embeds as on the wire.
    pub embeds: Vec<Value>,
    /// Action rows as on the wire.
    pub components: Vec<Value>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// Who was pinged.
    pub pings: Pings,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Snowflake.
    pub id: u64,
    /// The channel it is in.
    pub channel: u64,
    /// Who wrote it.
    pub author: u64,
    /// True when our bot sent it.
    pub by_bot: bool,
    /// When, Unix milliseconds.
    pub at: i64,
    /// What it says.
    pub body: Body,
    /// Bit flags.
    pub flags: u64,
    /// The sender's number for it.
    pub nonce: Option<Value>,
    /// The message that it answers.
    pub reply_to: Option<u64>,
    /// The only person who sees it.
    pub only_for: Option<u64>,
    /// The interaction that it answers.
    pub interaction: Option<u64>,
    /// What it said before each edit, oldest first.
    pub edits: Vec<Body>,
    /// When it was last edited, Unix milliseconds.
    pub edited_at: Option<i64>,
    /// Passed on to following servers.
    pub crossposted: bool,
    /// True once it was deleted.
    pub deleted: bool,
}

impl Message {
    /// The text.
    pub fn content(&self) -> &str {
        &self.body.content
    }

    /// True while the bot "is thinking…".
    pub fn thinking(&self) -> bool {
        self.flags & LOADING != 0
    }

    /// Every component inside the action rows.
    pub fn parts(&self) -> impl Iterator<Item = &Value> {
        self.body.components.iter().flat_map(|row| row["components"].as_array().into_iter().flatten())
    }

    /// The labels of all buttons, row after row.
    pub fn labels(&self) -> Vec<&str> {
        self.parts().filter(|part| part["type"] == json!(2)).filter_map(|part| part["label"].as_str()).collect()
    }

    /// The address that the button with this label opens.
    pub fn url(&self, label: &str) -> Option<&str> {
        self.parts().find(|part| part["label"] == json!(label))?["url"].as_str()
    }

    /// The labels that a select menu offers, over all menus.
    pub fn choices(&self) -> Vec<&str> {
        self.parts()
            .flat_map(|part| part["options"].as_array().into_iter().flatten())
            .filter_map(|option| option["label"].as_str())
            .collect()
    }
}

/// What a person did that the bot has to answer.
#[derive(Clone, Debug)]
pub(super) struct Interaction {
    pub(super) id: u64,
    pub(super) token: String,
    /// 2 command, 3 component, 4 autocomplete, 5 form.
    pub(super) kind: u8,
    pub(super) user: u64,
    pub(super) channel: u64,
    pub(super) born: Instant,
    pub(super) at: i64,
    pub(super) answered: Option<u8>,
    /// What `@original` means.
    pub(super) original: Option<(u64, u64)>,
    /// The message whose component was used.
    pub(super) source: Option<(u64, u64)>,
    pub(super) choices: Vec<Choice>,
}

/// One suggestion of an autocomplete.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What is shown.
    pub name: String,
    /// What is sent.
    pub value: Value,
}

/// A form that the bot shows to a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// The bot's name for it.
    pub custom_id: String,
    /// Its heading.
    pub title: String,
    /// The text inputs as on the wire: `custom_id`, `label`, `required`, …
    pub fields: Vec<Value>,
    pub(super) channel: u64,
    pub(super) source: Option<(u64, u64)>,
}

/// A connection's memory on Discord's side: what was sent, for RESUME.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) intents: u64,
    /// (name, data); the sequence number is the index plus one.
    pub(super) events: Vec<(String, Value)>,
}

/// A consent that waits for its exchange, and what it grants.
#[derive(Clone, Debug)]
pub(super) struct Consent {
    pub(super) user: u64,
    pub(super) guild: Option<u64>,
    pub(super) scope: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) at: i64,
}

/// A granted user token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) user: u64,
    pub(super) scope: String,
    pub(super) until: i64,
}

/// The next calls whose path contains `path` are refused.
#[derive(Clone, Debug)]
pub(super) struct RateLimit {
    pub(super) path: String,
    pub(super) times: usize,
    pub(super) seconds: f64,
    pub(super) global: bool,
}

/// Everything Discord knows.
pub struct State {
    pub(super) options: Options,
    pub(super) users: BTreeMap<u64, UserRecord>,
    pub(super) guilds: BTreeMap<u64, Guild>,
    pub(super) channels: BTreeMap<u64, Channel>,
    pub(super) uploads: HashMap<u64, Attachment>,
    pub(super) interactions: BTreeMap<u64, Interaction>,
    pub(super) forms: BTreeMap<u64, Form>,
    pub(super) commands: Vec<Value>,
    pub(super) sessions: HashMap<String, Session>,
    /// Grows when all sockets are told to go, with how.
    pub(super) cut: (u64, Cut),
    pub(super) codes: HashMap<String, Consent>,
    pub(super) tokens: HashMap<String, Token>,
    pub(super) refresh_tokens: HashMap<String, Consent>,
    pub(super) omit_guild: bool,
    pub(super) privileged: u64,
    pub(super) automod: Vec<String>,
    pub(super) limits: Vec<RateLimit>,
    pub(super) sockets: usize,
    count: u64,
}

/// How sockets end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Without a word.
    Drop,
    /// Discord asks to reconnect (op 7).
    Reconnect,
    /// The session is invalid (op 9) and forgotten.
    Invalid,
}

impl State {
    pub(super) fn new(options: Options) -> Self {
        let bot = UserRecord { id: options.application_id, name: options.name.clone(), bot: true, closed: false };
        Self {
            users: BTreeMap::from([(bot.id, bot)]),
            options,
            guilds: BTreeMap::new(),
            channels: BTreeMap::new(),
            uploads: HashMap::new(),
            interactions: BTreeMap::new(),
            forms: BTreeMap::new(),
            commands: Vec::new(),
            sessions: HashMap::new(),
            cut: (0, Cut::Drop),
            codes: HashMap::new(),
            tokens: HashMap::new(),
            refresh_tokens: HashMap::new(),
            omit_guild: false,
            privileged: 0,
            automod: Vec::new(),
            limits: Vec::new(),
            sockets: 0,
            count: 0,
        }
    }

    /// The bot's user id; an application's bot has the application's id.
    pub(super) fn bot(&self) -> u64 {
        self.options.application_id
    }

    /// A new id for something born now.
    pub(super) fn snowflake(&mut self, now: i64) -> u64 {
        self.count += 1;
        let since = u64::try_from((now - EPOCH).max(1)).unwrap_or(1);
        (since << 22) | (self.count & 0x3f_ffff)
    }

    /// A word that nobody guesses and that never repeats.
    pub(super) fn secret(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}-{}-{:016x}", self.count, rand::random::<u64>())
    }

    pub(super) fn message(&self, channel: u64, id: u64) -> Option<&Message> {
        self.channels.get(&channel)?.messages.iter().find(|message| message.id == id && !message.deleted)
    }

    pub(super) fn message_mut(&mut self, channel: u64, id: u64) -> Option<&mut Message> {
        self.channels.get_mut(&channel)?.messages.iter_mut().find(|message| message.id == id && !message.deleted)
    }

    /// What `user` may do in a channel; everything that exists there in a direct conversation.
    pub(super) fn permissions(&self, channel: &Channel, user: u64) -> u64 {
        let Some(guild) = channel.guild.and_then(|id| self.guilds.get(&id)) else {
            return if channel.kind == 1 { permissions::ALL } else { 0 };
        };
        let parent = channel.parent.filter(|_| channel.kind == 11).and_then(|id| self.channels.get(&id));
        permissions::in_channel(guild, parent.unwrap_or(channel), user)
    }

    /// The largest file (bytes) that a message here may have: 10 MiB, with boosts 50 or 100.
    pub(super) fn file_limit(&self, channel: u64) -> usize {
        let guild = self.channels.get(&channel).and_then(|channel| channel.guild);
        let tier = guild.and_then(|id| self.guilds.get(&id)).map_or(0, |guild| guild.tier);
        (match tier {
            2 => 50,
            3 => 100,
            _ => 10,
        }) * 1024
            * 1024
    }

    /// Sends an event to every session that has the intent (0: everyone gets it).
    pub(super) fn emit(&mut self, name: &str, data: &Value, intent: u64) {
        for session in self.sessions.values_mut() {
            if intent == 0 || session.intents & intent != 0 {
                session.events.push((name.to_owned(), data.clone()));
            }
        }
    }
}
