//! What Discord knows: people, servers, channels, messages, interactions, gateway sessions, consents. Plain data with
//! the JSON forms of it; it knows no HTTP and no test.

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

    pub(super) fn user_json(&self, id: u64) -> Value {
        let (name, bot) = self.users.get(&id).map_or(("deleted", false), |user| (user.name.as_str(), user.bot));
        json!({
            "id": id.to_string(), "username": name.to_lowercase().replace(' ', "."), "global_name": name,
            "discriminator": "0", "avatar": null, "bot": bot, "system": false, "public_flags": 0, "flags": 0,
            "banner": null, "accent_color": null, "avatar_decoration_data": null, "primary_guild": null,
        })
    }

    pub(super) fn role_json(role: &Role, position: usize) -> Value {
        json!({
            "id": role.id.to_string(), "name": role.name, "permissions": role.permissions.to_string(),
            "position": position, "color": 0,
            "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null },
            "hoist": false, "managed": role.managed, "mentionable": role.mentionable, "icon": null,
            "unicode_emoji": null, "flags": 0,
        })
    }

    pub(super) fn roles_json(guild: &Guild) -> Value {
        guild.roles.iter().enumerate().map(|(position, role)| Self::role_json(role, position)).collect()
    }

    pub(super) fn member_json(&self, guild: &Guild, user: u64) -> Value {
        let roles: Vec<String> = guild.members.get(&user).into_iter().flatten().map(u64::to_string).collect();
        json!({
            "user": self.user_json(user), "nick": null, "avatar": null, "banner": null, "roles": roles,
            "joined_at": "2024-01-01T00:00:00.000000+00:00", "premium_since": null, "deaf": false, "mute": false,
            "flags": 0, "pending": false, "communication_disabled_until": null,
        })
    }

    pub(super) fn guild_json(&self, guild: &Guild) -> Value {
        json!({
            "id": guild.id.to_string(), "name": guild.name, "icon": guild.icon.as_ref().map(|(hash, _)| hash),
            "description": null, "home_header": null, "splash": null, "discovery_splash": null, "features": [],
            "banner": null, "owner_id": guild.owner.to_string(), "application_id": null, "region": "deprecated",
            "afk_channel_id": null, "afk_timeout": 300, "system_channel_id": null, "system_channel_flags": 0,
            "widget_enabled": false, "widget_channel_id": null, "verification_level": 0,
            "roles": Self::roles_json(guild), "default_message_notifications": 0, "mfa_level": 0,
            "explicit_content_filter": 0, "max_presences": null, "max_members": 500_000,
            "max_stage_video_channel_users": 50, "max_video_channel_users": 25, "vanity_url_code": null,
            "premium_tier": guild.tier, "premium_subscription_count": 0, "preferred_locale": "en-US",
            "rules_channel_id": null, "safety_alerts_channel_id": null, "public_updates_channel_id": null,
            "premium_progress_bar_enabled": false, "nsfw": false, "nsfw_level": 0, "emojis": [], "stickers": [],
            "incidents_data": null,
        })
    }

    /// The `GUILD_CREATE` form: with channels, members and what is going on.
    pub(super) fn guild_create_json(&self, guild: &Guild) -> Value {
        let mut value = self.guild_json(guild);
        let channels = self.channels.values().filter(|channel| channel.guild == Some(guild.id));
        let (threads, channels): (Vec<_>, Vec<_>) = channels.partition(|channel| channel.kind == 11);
        value["channels"] = channels.into_iter().map(|channel| self.channel_json(channel)).collect();
        value["threads"] = threads.into_iter().map(|channel| self.channel_json(channel)).collect();
        value["members"] = json!([self.member_json(guild, self.bot())]);
        value["joined_at"] = json!("2024-01-01T00:00:00.000000+00:00");
        value["member_count"] = json!(guild.members.len() as u64 + guild.crowd);
        value["large"] = json!(false);
        value["unavailable"] = json!(false);
        for empty in ["voice_states", "presences", "stage_instances", "guild_scheduled_events", "soundboard_sounds"] {
            value[empty] = json!([]);
        }
        value
    }

    pub(super) fn channel_json(&self, channel: &Channel) -> Value {
        let last = channel.messages.last().map(|message| message.id.to_string());
        if let Some(user) = channel.recipient {
            return json!({
                "id": channel.id.to_string(), "type": 1, "flags": 0, "last_message_id": last,
                "recipients": [self.user_json(user)],
            });
        }
        let overwrites: Vec<Value> = channel
            .overwrites
            .iter()
            .map(|overwrite| {
                let (kind, id) = match overwrite.target {
                    Target::Role(id) => (0, id),
                    Target::Member(id) => (1, id),
                };
                let (allow, deny) = (overwrite.allow.to_string(), overwrite.deny.to_string());
                json!({ "id": id.to_string(), "type": kind, "allow": allow, "deny": deny })
            })
            .collect();
        let mut value = json!({
            "id": channel.id.to_string(), "type": channel.kind, "flags": 0,
            "guild_id": channel.guild.unwrap_or_default().to_string(), "name": channel.name,
            "position": channel.position, "parent_id": channel.parent.map(|id| id.to_string()),
            "permission_overwrites": overwrites, "topic": null, "nsfw": false,
            "rate_limit_per_user": channel.slowmode, "last_message_id": last,
        });
        if channel.kind == 11 {
            value["owner_id"] = json!(self.bot().to_string());
            value["thread_metadata"] = thread_metadata();
        }
        value
    }

    pub(super) fn attachment_json(&self, attachment: &Attachment, ephemeral: bool) -> Value {
        let Attachment { id, name, channel, .. } = attachment;
        let address = |host: &str| format!("https://{host}/attachments/{channel}/{id}/{name}?ex=1&is=1&hm=1");
        let mut value = json!({
            "id": id.to_string(), "filename": name, "size": attachment.bytes.len(), "content_type": attachment.mime,
            "url": address("cdn.discordapp.com"), "proxy_url": address("media.discordapp.net"),
        });
        if let Some(description) = &attachment.description {
            value["description"] = json!(description);
        }
        if let Ok(size) = imagesize::blob_size(&attachment.bytes) {
            value["width"] = json!(size.width);
            value["height"] = json!(size.height);
        }
        if ephemeral {
            value["ephemeral"] = json!(true);
        }
        value
    }

    pub(super) fn message_json(&self, message: &Message) -> Value {
        let body = &message.body;
        let ephemeral = message.only_for.is_some();
        let kind = match (message.interaction.is_some(), message.reply_to.is_some()) {
            (true, _) => 20,
            (false, true) => 19,
            (false, false) => 0,
        };
        let mut value = json!({
            "id": message.id.to_string(), "channel_id": message.channel.to_string(), "type": kind,
            "author": self.user_json(message.author), "content": body.content,
            "timestamp": timestamp(message.at), "edited_timestamp": message.edited_at.map(timestamp),
            "tts": false, "mention_everyone": body.pings.everyone,
            "mentions": body.pings.users.iter().map(|id| self.user_json(*id)).collect::<Vec<_>>(),
            "mention_roles": body.pings.roles.iter().map(u64::to_string).collect::<Vec<_>>(),
            "attachments": body.attachments.iter().map(|a| self.attachment_json(a, ephemeral)).collect::<Vec<_>>(),
            "embeds": body.embeds, "components": with_ids(&body.components), "pinned": false,
            "flags": message.flags | u64::from(message.crossposted),
        });
        if message.by_bot {
            value["application_id"] = json!(self.bot().to_string());
        }
        if let Some(nonce) = &message.nonce {
            value["nonce"] = nonce.clone();
        }
        if let Some(interaction) = message.interaction {
            value["webhook_id"] = json!(self.bot().to_string());
            let user = self.interactions.get(&interaction).map_or(0, |interaction| interaction.user);
            value["interaction_metadata"] = json!({
                "id": interaction.to_string(), "type": 2, "user": self.user_json(user),
                "authorizing_integration_owners": {},
            });
        }
        if let Some(original) = message.reply_to {
            value["message_reference"] =
                json!({ "type": 0, "channel_id": message.channel.to_string(), "message_id": original.to_string() });
        }
        value
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

pub(super) fn thread_metadata() -> Value {
    json!({
        "archived": false, "auto_archive_duration": 1440, "archive_timestamp": "2024-01-01T00:00:00.000000+00:00",
        "locked": false, "create_timestamp": "2024-01-01T00:00:00.000000+00:00",
    })
}

/// Discord numbers components in what it gives back.
fn with_ids(rows: &[Value]) -> Value {
    let mut next = 0;
    let mut number = |value: &mut Value| {
        next += 1;
        value["id"] = json!(next);
    };
    let mut rows = rows.to_vec();
    for row in &mut rows {
        number(row);
        if let Some(parts) = row["components"].as_array_mut() {
            parts.iter_mut().for_each(&mut number);
        }
    }
    Value::Array(rows)
}

/// RFC 3339 in UTC with microseconds, as Discord writes it.
pub(super) fn timestamp(at: i64) -> String {
    let days = at.div_euclid(86_400_000);
    let rest = at.rem_euclid(86_400_000);
    // Days to a date, by H. Hinnant's algorithm for the Gregorian calendar.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    let micros = rest % 1000 * 1000;
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{micros:06}+00:00")
}
