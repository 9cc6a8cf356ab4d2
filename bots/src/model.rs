//! The message model: what people send us and what we show them, in terms that every surface can draw. It carries no
//! vendor's type. Text positions are byte offsets into UTF-8; the surfaces translate (Telegram counts UTF-16 units).
//! Long because the whole model is one vocabulary.

use serde::{Deserialize, Serialize};

/// Which chat network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SurfaceKind {
    /// Telegram's Bot API.
    Telegram,
    /// Discord's gateway and REST API.
    Discord,
    /// The terminal the daemon was started in.
    Console,
}

impl SurfaceKind {
    /// The lower-case name used in the database and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Telegram => "telegram",
            Self::Discord => "discord",
            Self::Console => "console",
        }
    }

    /// The inverse of [`SurfaceKind::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Telegram, Self::Discord, Self::Console].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A person as the surface vouches for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The network's own user id, as text.
    pub id: String,
    /// The name they show.
    pub name: String,
    /// `@name` without the at sign, where there is one.
    pub handle: Option<String>,
}

/// What kind of chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatKind {
    /// One person and the bot.
    Direct,
    /// Several people and the bot (a Discord server channel counts).
    Group,
    /// A Telegram broadcast channel: posts have no sender.
    Broadcast,
}

/// Where a conversation happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// The network.
    pub surface: SurfaceKind,
    /// Telegram chat id, Discord channel id, or `console`.
    pub id: String,
    /// Telegram forum topic id. A Discord thread is given as its parent here, and as itself in [`MessageRef`].
    pub topic: Option<String>,
    /// Direct, group or broadcast.
    pub kind: ChatKind,
    /// Its title, where it has one.
    pub title: Option<String>,
    /// The Discord server's id.
    pub server: Option<String>,
}

/// Points at one message, durably: it can be stored (sealed: it may hold an interaction token) and edited later.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRef {
    /// The network.
    pub surface: SurfaceKind,
    /// Chat or channel id (the thread's own id in a Discord thread).
    pub chat: String,
    /// The message's id; `@original` for a Discord interaction's first answer.
    pub id: String,
    /// Discord: `APPLICATION_ID/INTERACTION_TOKEN` for an ephemeral answer, good for 15 minutes. Telegram: the forum topic,
    /// so that what can't be edited in place is sent anew where it stood.
    pub token: Option<String>,
    /// How many messages from `id` on belong to it (a long text that was split, an album).
    #[serde(default)]
    pub parts: Vec<String>,
}

impl std::fmt::Debug for MessageRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}/{}", self.surface.as_str(), self.chat, self.id)
    }
}

/// Text with formatting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Plain UTF-8. Names that people chose are put in as they are: surfaces escape, so no markup in them works.
    pub plain: String,
    /// Formatting, sorted by start; may nest, never cross.
    pub entities: Vec<Entity>,
}

impl From<&str> for Text {
    fn from(plain: &str) -> Self {
        Self { plain: plain.to_owned(), entities: Vec::new() }
    }
}

impl From<String> for Text {
    fn from(plain: String) -> Self {
        Self { plain, entities: Vec::new() }
    }
}

impl Text {
    /// Appends plain text.
    pub fn push(&mut self, plain: &str) -> &mut Self {
        self.plain.push_str(plain);
        self
    }

    /// Appends text with one format over all of it.
    pub fn push_as(&mut self, plain: &str, kind: EntityKind) -> &mut Self {
        let start = self.plain.len();
        self.plain.push_str(plain);
        if self.plain.len() > start {
            self.entities.push(Entity { start, end: self.plain.len(), kind });
        }
        self
    }

    /// Appends bold text.
    pub fn bold(&mut self, plain: &str) -> &mut Self {
        self.push_as(plain, EntityKind::Bold)
    }

    /// Appends a link with its own words.
    pub fn link(&mut self, plain: &str, url: &str) -> &mut Self {
        self.push_as(plain, EntityKind::Link(url.to_owned()))
    }

    /// Appends text that is typed back, or shown to be copied.
    pub fn code(&mut self, plain: &str) -> &mut Self {
        self.push_as(plain, EntityKind::Code)
    }

    /// Appends another text with its formatting.
    pub fn append(&mut self, other: &Text) -> &mut Self {
        let offset = self.plain.len();
        self.plain.push_str(&other.plain);
        self.entities.extend(other.entities.iter().map(|entity| Entity {
            start: entity.start + offset,
            end: entity.end + offset,
            kind: entity.kind.clone(),
        }));
        self
    }
}

/// One formatted range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// How it looks.
    pub kind: EntityKind,
}

/// How a range looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// Bold.
    Bold,
    /// Italic.
    Italic,
    /// Underlined.
    Underline,
    /// Struck through.
    Strike,
    /// Hidden until tapped.
    Spoiler,
    /// Monospace.
    Code,
    /// Monospace block, with an optional language.
    Pre(Option<String>),
    /// Quoted block.
    Quote,
    /// These words lead there.
    Link(String),
}

/// A message we show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// What it says. Longer than the network's limit is split by the surface, buttons on the last part.
    pub text: Text,
    /// Pictures and files shown with it.
    pub media: Vec<Attachment>,
    /// Rows of buttons, drawn under the text.
    pub rows: Vec<Vec<Button>>,
    /// A menu to pick from (Discord: a select menu; elsewhere toggling buttons or numbers are sent by the root).
    pub select: Option<Select>,
    /// Ask for typed words: ForceReply in Telegram groups, nothing in a direct chat. The placeholder, at most 64.
    pub ask: Option<String>,
    /// Only the asker may see it (ephemeral). A surface that can't answers
    /// [`Failure::NotPrivate`](crate::surface::Failure::NotPrivate).
    pub private: bool,
    /// Make no sound.
    pub silent: bool,
}

impl Message {
    /// A plain message.
    pub fn text(text: impl Into<Text>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Adds a row of buttons.
    #[must_use]
    pub fn row(mut self, buttons: impl IntoIterator<Item = Button>) -> Self {
        let row: Vec<Button> = buttons.into_iter().collect();
        if !row.is_empty() {
            self.rows.push(row);
        }
        self
    }

    /// Only the asker may see it.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }
}

/// A button. Labels are at most 80 characters; the surface cuts longer ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What it says.
    pub label: String,
    /// What it does.
    pub press: Press,
}

impl Button {
    /// A button that comes back as [`UpdateKind::Press`] with this opaque token (at most 60 bytes).
    pub fn press(label: impl Into<String>, token: impl Into<String>) -> Self {
        Self { label: label.into(), press: Press::Token(token.into()) }
    }

    /// A button that opens a link.
    pub fn link(label: impl Into<String>, url: impl Into<String>) -> Self {
        Self { label: label.into(), press: Press::Link(url.into()) }
    }
}

/// What a button does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    /// Comes back as [`UpdateKind::Press`].
    Token(String),
    /// Opens a web page.
    Link(String),
}

/// A select menu, at most 25 choices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Select {
    /// Comes back in [`UpdateKind::Select`].
    pub token: String,
    /// What it says while nothing is picked.
    pub placeholder: String,
    /// The fewest that may be picked.
    pub min: u8,
    /// The most that may be picked.
    pub max: u8,
    /// What there is to pick.
    pub choices: Vec<Choice>,
}

/// One choice of a select menu or of completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What people read, at most 100 characters.
    pub label: String,
    /// What comes back, at most 100 bytes.
    pub value: String,
    /// A second line, at most 100 characters.
    pub detail: Option<String>,
    /// Whether it is picked already.
    pub picked: bool,
}

/// A form that opens over the chat (Discord modal); other surfaces have none: see [`Responder::form`].
///
/// [`Responder::form`]: crate::Responder::form
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// Comes back in [`UpdateKind::Form`].
    pub token: String,
    /// At most 45 characters.
    pub title: String,
    /// At most 5.
    pub fields: Vec<Field>,
}

/// One line of a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Comes back with the value.
    pub name: String,
    /// At most 45 characters.
    pub label: String,
    /// Shown while empty, at most 100 characters.
    pub placeholder: String,
    /// What it holds at first.
    pub value: String,
    /// Several lines.
    pub long: bool,
    /// Whether it may stay empty.
    pub required: bool,
}

/// A picture or file we show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// Its type, as in `image/png`.
    pub mime: String,
    /// Where it lies on this machine.
    pub path: std::path::PathBuf,
    /// Its description for those who can't see it.
    pub alt: Option<String>,
}

/// A file that somebody sent, still at the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// Telegram file id, Discord attachment URL, or a path on the console's machine.
    pub id: String,
    /// What the network calls its type; not to be trusted.
    pub mime: Option<String>,
    /// Its name; not to be trusted.
    pub name: Option<String>,
    /// Bytes, as the network says.
    pub size: Option<u64>,
    /// Its description, where the network carries one.
    pub alt: Option<String>,
}

/// A message that somebody sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// Text or caption.
    pub text: Text,
    /// Its files.
    pub files: Vec<FileRef>,
    /// Telegram's media group, where it is part of an album: the parts come as separate updates with no end mark.
    pub album: Option<String>,
    /// Whether it was forwarded, or chosen with "Post this".
    pub forwarded: bool,
    /// The message of ours that it answers.
    pub reply_to: Option<String>,
    /// Something we can't take (a poll, a sticker), in the user's words.
    pub unsupported: Option<String>,
}

/// What proves that the person may act for the place, besides who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Discord: the signed interaction says they hold Manage Server here.
    pub manages_server: bool,
    /// Telegram: an anonymous admin or a channel speaks, so nobody in particular does.
    pub anonymous: bool,
}

/// Something that happened in a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Unique on its surface; a second one with the same id is a replay.
    pub id: String,
    /// Where.
    pub chat: Chat,
    /// Who; nobody in a broadcast channel.
    pub person: Option<Person>,
    /// What more is proven.
    pub proof: Proof,
    /// The message it is about: the one with the pressed button, or the one that was sent.
    pub message: Option<MessageRef>,
    /// What.
    pub kind: UpdateKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateKind {
    /// `/name words…`; words come as typed, or as Discord's options in the specification's order.
    Command {
        /// Without slash and bot name, lower case.
        name: String,
        /// The arguments. On Telegram and console the line after the name, split at white space by the specification.
        arguments: Vec<String>,
        /// What came with it (a photo with `/post` as its caption, Discord attachments).
        incoming: Incoming,
    },
    /// Any other message.
    Message(Incoming),
    /// A button with a token was pressed.
    Press(String),
    /// A select menu was used.
    Select {
        /// The menu's token.
        token: String,
        /// The values picked.
        values: Vec<String>,
    },
    /// A form was sent.
    Form {
        /// The form's token.
        token: String,
        /// (name, value), in the form's order.
        fields: Vec<(String, String)>,
    },
    /// The bot's own standing in a chat or server changed.
    Membership(Membership),
    /// A Telegram group became a supergroup: its id changed.
    Migrated {
        /// The new chat id.
        to: String,
    },
}

/// The bot's standing in a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Its standing now.
    pub status: MembershipStatus,
    /// The place's own id: Telegram chat id or Discord server id.
    pub place: String,
    /// The place's name.
    pub title: Option<String>,
    /// Its public name, without the at sign.
    pub handle: Option<String>,
}

/// The bot's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MembershipStatus {
    /// May do what admins do, and may post.
    Admin,
    /// Admin, but without the right to post.
    AdminWithoutPosting,
    /// Present without special rights.
    Member,
    /// Kicked, left, or the place is gone.
    Gone,
}
