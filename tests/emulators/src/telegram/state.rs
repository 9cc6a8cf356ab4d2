//! What Telegram knows: people, chats, messages, files, the bot's queue of updates. Plain data; it knows no
//! HTTP and no test. Long because it is the dictionary of this folder.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The user that stands for anonymous administrators.
pub const GROUP_ANONYMOUS_BOT: i64 = 1_087_968_824;

/// Update kinds that must be asked for by name (Bot API, `allowed_updates`).
const ON_REQUEST: &[&str] = &["chat_member", "message_reaction", "message_reaction_count"];

/// How long undelivered updates are kept, in milliseconds.
const UPDATE_LIFETIME: i64 = 24 * 3600 * 1000;

/// A person or bot.
#[derive(Clone, Debug)]
pub(super) struct UserRecord {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) username: Option<String>,
    pub(super) is_bot: bool,
    pub(super) deactivated: bool,
}

/// The four kinds of chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatKind {
    /// One person and the bot.
    Private,
    /// A small group; becomes a supergroup when upgraded.
    Group,
    /// A group with the larger feature set; may be a forum.
    Supergroup,
    /// A broadcast channel.
    Channel,
}

impl ChatKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Group => "group",
            Self::Supergroup => "supergroup",
            Self::Channel => "channel",
        }
    }
}

/// What someone is in a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Owns the chat.
    Creator,
    /// Administrator with these rights, as in `can_post_messages`.
    Administrator(BTreeSet<String>),
    /// An ordinary member.
    Member,
    /// A member who may not write.
    Restricted,
    /// Never joined, or left.
    Left,
    /// Banned.
    Kicked,
}

impl Standing {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Creator => "creator",
            Self::Administrator(_) => "administrator",
            Self::Member => "member",
            Self::Restricted => "restricted",
            Self::Left => "left",
            Self::Kicked => "kicked",
        }
    }

    pub(super) fn is_admin(&self) -> bool {
        matches!(self, Self::Creator | Self::Administrator(_))
    }

    pub(super) fn inside(&self) -> bool {
        !matches!(self, Self::Left | Self::Kicked)
    }

    pub(super) fn has(&self, right: &str) -> bool {
        match self {
            Self::Creator => true,
            Self::Administrator(rights) => rights.contains(right),
            _ => false,
        }
    }
}

/// A chat and everything in it.
#[derive(Clone, Debug)]
pub(super) struct ChatRecord {
    pub(super) id: i64,
    pub(super) kind: ChatKind,
    pub(super) title: String,
    pub(super) username: Option<String>,
    pub(super) topics: BTreeMap<i64, String>,
    pub(super) forum: bool,
    pub(super) members: BTreeMap<i64, Standing>,
    pub(super) bot: Standing,
    /// Private chats: the person has written to the bot.
    pub(super) started: bool,
    /// Private chats: the person has blocked the bot.
    pub(super) blocked: bool,
    pub(super) deleted: bool,
    pub(super) migrated_to: Option<i64>,
    /// File ids of the small and the big picture.
    pub(super) picture: Option<(String, String)>,
    /// Members that are not modelled one by one.
    pub(super) crowd: i64,
    pub(super) messages: Vec<Message>,
    pub(super) next_message: i64,
}

/// Formatting of a part of a text. Offsets and lengths count UTF-16 units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// The type on the wire, as in `bold` or `text_link`.
    pub kind: String,
    /// Where it starts.
    pub offset: usize,
    /// How long it is.
    pub length: usize,
    /// The address of a `text_link`, the language of a `pre`, the id of a `custom_emoji` or `text_mention`.
    pub detail: Option<String>,
}

/// One button under a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What is written on it.
    pub label: String,
    /// What it does.
    pub kind: ButtonKind,
}

/// What a button does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ButtonKind {
    /// Sends this data to the bot.
    Callback(String),
    /// Opens this address.
    Url(String),
    /// Copies this text.
    Copy(String),
}

/// The kinds of media a message can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// A compressed picture.
    Photo,
    /// A video.
    Video,
    /// A silent loop.
    Animation,
    /// Any file.
    Document,
}

impl MediaKind {
    /// The field of a message that holds it, and the parameter of its send method.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Video => "video",
            Self::Animation => "animation",
            Self::Document => "document",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Photo, Self::Video, Self::Animation, Self::Document].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A file in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// What it is shown as.
    pub kind: MediaKind,
    /// Telegram's id of the file.
    pub file_id: String,
    /// The file's name, where the sender gave one.
    pub name: Option<String>,
    /// The MIME type as the sender named it.
    pub mime: Option<String>,
    /// The content.
    pub bytes: Bytes,
    /// Pixels; 0 when unknown.
    pub width: u32,
    /// Pixels; 0 when unknown.
    pub height: u32,
    /// Seconds.
    pub duration: u32,
}

/// How a message looked before an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Text or caption.
    pub text: String,
    /// Formatting.
    pub entities: Vec<Entity>,
    /// Buttons.
    pub buttons: Vec<Vec<Button>>,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Counts up in each chat.
    pub id: i64,
    /// The chat it is in.
    pub chat: i64,
    /// When it was sent, Unix milliseconds.
    pub at: i64,
    /// Who wrote it; nobody in channels.
    pub from: Option<i64>,
    /// The chat it was written in the name of (channels, anonymous administrators).
    pub sender_chat: Option<i64>,
    /// True when our bot sent it.
    pub by_bot: bool,
    /// Text, or caption where there is media.
    pub text: String,
    /// Formatting of the text.
    pub entities: Vec<Entity>,
    /// The attached file.
    pub media: Option<Media>,
    /// Messages of one album share this.
    pub album: Option<String>,
    /// Inline keyboard.
    pub buttons: Vec<Vec<Button>>,
    /// The raw `reply_markup` when it is no inline keyboard (force reply, reply keyboard).
    pub markup: Option<Value>,
    /// The message that it answers.
    pub reply_to: Option<i64>,
    /// Forum topic.
    pub topic: Option<i64>,
    /// Sent without a sound.
    pub silent: bool,
    /// How it looked before each edit, oldest first.
    pub edits: Vec<Version>,
    /// When it was last edited, Unix milliseconds.
    pub edited_at: Option<i64>,
    /// True once it was deleted.
    pub deleted: bool,
    /// Further fields of the wire form: forward origin, sticker, poll, service facts.
    pub(super) extra: Map<String, Value>,
}

impl Message {
    /// The button with exactly this label.
    pub fn button(&self, label: &str) -> Option<&Button> {
        self.buttons.iter().flatten().find(|button| button.label == label)
    }

    /// The labels of all buttons, row after row.
    pub fn labels(&self) -> Vec<&str> {
        self.buttons.iter().flatten().map(|button| button.label.as_str()).collect()
    }

    /// The address that the button with this label opens.
    pub fn url(&self, label: &str) -> Option<&str> {
        match &self.button(label)?.kind {
            ButtonKind::Url(url) => Some(url),
            ButtonKind::Callback(_) | ButtonKind::Copy(_) => None,
        }
    }

    /// True when the message asks for a typed answer (ForceReply).
    pub fn asks_for_reply(&self) -> bool {
        self.markup.as_ref().is_some_and(|markup| markup["force_reply"] == json!(true))
    }

    /// The part of the text that an entity covers.
    pub fn covered(&self, entity: &Entity) -> String {
        let units: Vec<u16> = self.text.encode_utf16().skip(entity.offset).take(entity.length).collect();
        String::from_utf16_lossy(&units)
    }
}

/// A stored file.
#[derive(Clone, Debug)]
pub(super) struct FileRecord {
    pub(super) kind: Option<MediaKind>,
    pub(super) bytes: Bytes,
    /// What Telegram says its size is (bytes).
    pub(super) size: u64,
    pub(super) path: String,
    pub(super) name: Option<String>,
    pub(super) mime: Option<String>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) duration: u32,
    /// The download link works until then, Unix milliseconds.
    pub(super) link_until: i64,
}

/// A press on a button.
#[derive(Clone, Debug)]
pub(super) struct QueryRecord {
    pub(super) at: i64,
    pub(super) answer: Option<Toast>,
}

/// What the bot answered to a press.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// The words; empty when the spinner only stopped.
    pub text: String,
    /// Shown as a window that has to be closed.
    pub alert: bool,
    /// Opened instead (`t.me/bot?start=…` or a game).
    pub url: Option<String>,
}

/// An update that waits for the bot.
#[derive(Clone, Debug)]
pub(super) struct QueuedUpdate {
    pub(super) id: i64,
    pub(super) at: i64,
    pub(super) body: Value,
    /// Delivered once whatever was confirmed: Telegram repeats itself.
    pub(super) again: bool,
}

/// Where updates are pushed.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    pub(super) url: String,
    pub(super) secret: Option<String>,
    pub(super) last_error: Option<(i64, String)>,
}

/// Everything Telegram knows.
pub struct State {
    pub(super) token: String,
    pub(super) bot: UserRecord,
    pub(super) users: BTreeMap<i64, UserRecord>,
    pub(super) chats: BTreeMap<i64, ChatRecord>,
    pub(super) files: HashMap<String, FileRecord>,
    pub(super) queries: HashMap<String, QueryRecord>,
    pub(super) commands: BTreeMap<String, Value>,
    pub(super) about: BTreeMap<String, String>,
    pub(super) actions: Vec<(i64, String)>,
    pub(super) updates: VecDeque<QueuedUpdate>,
    pub(super) next_update: i64,
    pub(super) last_update: Option<Value>,
    /// `None`: everything but what must be asked for by name.
    pub(super) allowed: Option<Vec<String>>,
    pub(super) webhook: Option<Webhook>,
    /// Public address to loopback address.
    pub(super) routes: Vec<(String, String)>,
    /// Grows with each poll and each change of the webhook; a poll that is not the newest is told to go.
    pub(super) poll: u64,
    /// The next sends are refused: how many, and for how many seconds each.
    pub(super) flood: (usize, u64),
    /// Bots do not see ordinary group messages unless they are administrators.
    pub(super) privacy: bool,
    pub(super) count: u64,
}

impl State {
    pub(super) fn new(token: &str, username: &str) -> Self {
        let id = token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or(1);
        let bot = UserRecord {
            id,
            name: username.to_owned(),
            username: Some(username.to_owned()),
            is_bot: true,
            deactivated: false,
        };
        Self {
            token: token.to_owned(),
            bot,
            users: BTreeMap::new(),
            chats: BTreeMap::new(),
            files: HashMap::new(),
            queries: HashMap::new(),
            commands: BTreeMap::new(),
            about: BTreeMap::new(),
            actions: Vec::new(),
            updates: VecDeque::new(),
            next_update: 1,
            last_update: None,
            allowed: None,
            webhook: None,
            routes: Vec::new(),
            poll: 0,
            flood: (0, 0),
            privacy: true,
            count: 0,
        }
    }

    /// A number that never repeats.
    pub(super) fn fresh(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub(super) fn standing(&self, chat: &ChatRecord, user: i64) -> Standing {
        if user == self.bot.id {
            return chat.bot.clone();
        }
        chat.members.get(&user).cloned().unwrap_or(Standing::Left)
    }

    pub(super) fn message(&self, chat: i64, id: i64) -> Option<&Message> {
        self.chats.get(&chat)?.messages.iter().find(|message| message.id == id && !message.deleted)
    }

    pub(super) fn message_mut(&mut self, chat: i64, id: i64) -> Option<&mut Message> {
        self.chats.get_mut(&chat)?.messages.iter_mut().find(|message| message.id == id && !message.deleted)
    }

    /// An empty message in `chat`, numbered but not yet stored.
    pub(super) fn blank(&mut self, chat: i64, now: i64) -> Message {
        let id = self.chats.get_mut(&chat).map_or(1, |chat| {
            chat.next_message += 1;
            chat.next_message
        });
        Message {
            id,
            chat,
            at: now,
            from: None,
            sender_chat: None,
            by_bot: false,
            text: String::new(),
            entities: Vec::new(),
            media: None,
            album: None,
            buttons: Vec::new(),
            markup: None,
            reply_to: None,
            topic: None,
            silent: false,
            edits: Vec::new(),
            edited_at: None,
            deleted: false,
            extra: Map::new(),
        }
    }

    /// Stores a file and gives it an id and a path.
    pub(super) fn store_file(&mut self, mut file: FileRecord) -> String {
        let number = self.fresh();
        let folder = file.kind.map_or("stickers", |kind| match kind {
            MediaKind::Photo => "photos",
            MediaKind::Video => "videos",
            MediaKind::Animation => "animations",
            MediaKind::Document => "documents",
        });
        let suffix = match file.kind {
            Some(MediaKind::Photo) => "jpg".to_owned(),
            _ => file.name.as_deref().and_then(|name| name.rsplit_once('.')).map_or("bin", |(_, end)| end).to_owned(),
        };
        file.path = format!("{folder}/file_{number}.{suffix}");
        let id = format!("AgAC{number:08}");
        if file.kind == Some(MediaKind::Photo) {
            let small = FileRecord { path: format!("{folder}/file_{number}s.{suffix}"), ..file.clone() };
            self.files.insert(format!("{id}-s"), small);
        }
        self.files.insert(id.clone(), file);
        id
    }

    /// Queues an update if the bot wants this kind.
    pub(super) fn push(&mut self, kind: &str, value: Value, now: i64) {
        let wanted = match &self.allowed {
            Some(kinds) => kinds.iter().any(|wanted| wanted == kind),
            None => !ON_REQUEST.contains(&kind),
        };
        if !wanted {
            return;
        }
        let mut body = Map::new();
        body.insert(kind.to_owned(), value);
        self.push_raw(Value::Object(body), now);
    }

    /// Queues an update of any shape; only its number is added.
    pub(super) fn push_raw(&mut self, mut body: Value, now: i64) {
        let id = self.next_update;
        self.next_update += 1;
        body["update_id"] = json!(id);
        self.last_update = Some(body.clone());
        self.updates.retain(|update| now - update.at < UPDATE_LIFETIME);
        self.updates.push_back(QueuedUpdate { id, at: now, body, again: false });
    }

    /// Queues what the bot may see of a message that someone else sent.
    pub(super) fn announce(&mut self, message: &Message, edited: bool, now: i64) {
        let Some(chat) = self.chats.get(&message.chat) else { return };
        let service = ["new_chat_members", "left_chat_member", "migrate_to_chat_id", "migrate_from_chat_id"];
        let answers_bot =
            message.reply_to.and_then(|id| self.message(message.chat, id)).is_some_and(|original| original.by_bot);
        let seen = match chat.kind {
            ChatKind::Private => !chat.blocked,
            ChatKind::Channel => chat.bot.is_admin(),
            ChatKind::Group | ChatKind::Supergroup => {
                chat.bot.inside()
                    && (!self.privacy
                        || chat.bot.is_admin()
                        || message.text.starts_with('/')
                        || answers_bot
                        || service.iter().any(|field| message.extra.contains_key(*field)))
            }
        };
        if !seen {
            return;
        }
        let kind = match (chat.kind == ChatKind::Channel, edited) {
            (true, false) => "channel_post",
            (true, true) => "edited_channel_post",
            (false, false) => "message",
            (false, true) => "edited_message",
        };
        self.push(kind, self.message_json(message), now);
    }
}
