//! From an update as Telegram sends it to the model: who spoke, where, and what. Pure; every shape the vendor allows,
//! and every shape it does not, ends in an update, in nothing, or in [`Unreadable`].

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{text, wire};
use crate::command::{ArgumentKind, CommandSpec};
use crate::model::{
    Chat, ChatKind, FileRef, Incoming, Membership, MembershipStatus, MessageRef, Person, Proof, SurfaceKind, Update,
    UpdateKind,
};

/// Users that stand for nobody in particular: GroupAnonymousBot (an anonymous admin), Channel_Bot (a channel writing in a
/// group), and Telegram itself (a channel's post passed on to its discussion group).
const NOBODY: [i64; 3] = [1_087_968_824, 136_817_688, 777_000];

/// What we can't take, by the field of `Message` that carries it, in the user's words. The first that is there counts
/// (`venue` comes with a `location`, for old clients).
const UNSUPPORTED: &[(&str, &str)] = &[
    ("sticker", "a sticker"),
    ("poll", "a poll"),
    ("voice", "a voice message"),
    ("audio", "an audio file"),
    ("video_note", "a video note"),
    ("contact", "a contact"),
    ("venue", "a place"),
    ("location", "a location"),
    ("dice", "a dice"),
    ("game", "a game"),
    ("story", "a story"),
    ("checklist", "a checklist"),
    ("live_photo", "a live photo"),
    ("rich_message", "a rich message"),
    ("paid_media", "paid media"),
    ("invoice", "an invoice"),
    ("giveaway", "a giveaway"),
    ("giveaway_winners", "a giveaway"),
];

/// What reading an update needs to know.
pub(super) struct Context {
    /// The bot's own user id.
    pub id: i64,
    /// Its handle, without the at sign.
    pub handle: String,
    /// The catalogue.
    pub commands: &'static [CommandSpec],
}

/// What an update came to.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// What happened, if it concerns us.
    pub update: Option<Update>,
    /// The button press to acknowledge, also when nothing came of it.
    pub query: Option<String>,
}

/// An update that is not as the vendor describes it. Says which kind and what is wrong, nothing of its content.
#[derive(Debug, thiserror::Error)]
#[error("an update's {kind} can't be read: {why}")]
pub(super) struct Unreadable {
    kind: &'static str,
    why: String,
}

/// The number that confirms an update.
pub(super) fn number(update: &Value) -> Option<i64> {
    update.get("update_id")?.as_i64()
}

/// Reads one update.
pub(super) fn read(mut value: Value, context: &Context) -> Result<Read, Unreadable> {
    let Some(number) = number(&value) else {
        return Err(Unreadable { kind: "number", why: "it is missing or no integer".into() });
    };
    let id = number.to_string();
    if let Some(message) = part::<wire::Message>(&mut value, "message")? {
        return Ok(Read { update: read_message(id, message, context), query: None });
    }
    if let Some(message) = part::<wire::Message>(&mut value, "channel_post")? {
        return Ok(Read { update: read_message(id, message, context), query: None });
    }
    if let Some(change) = part::<wire::MemberChange>(&mut value, "my_chat_member")? {
        return Ok(Read { update: Some(read_membership(id, change)), query: None });
    }
    // The press is acknowledged even if the rest of it can't be read.
    let query = value.pointer("/callback_query/id").and_then(Value::as_str).map(str::to_owned);
    let update = match part::<wire::CallbackQuery>(&mut value, "callback_query") {
        Ok(press) => press.and_then(|press| read_press(id, press)),
        Err(_) if query.is_some() => None,
        Err(error) => return Err(error),
    };
    Ok(Read { update, query })
}

fn part<T: DeserializeOwned>(value: &mut Value, kind: &'static str) -> Result<Option<T>, Unreadable> {
    match value.get_mut(kind).map(Value::take) {
        None | Some(Value::Null) => Ok(None),
        // serde's text names fields and types; of values it quotes at most a scalar of the wrong type.
        Some(part) => serde_json::from_value(part)
            .map(Some)
            .map_err(|error| Unreadable { kind, why: error.to_string().chars().take(100).collect() }),
    }
}

fn chat(from: &wire::Chat, topic: Option<i64>) -> Chat {
    Chat {
        surface: SurfaceKind::Telegram,
        id: from.id.to_string(),
        topic: topic.map(|topic| topic.to_string()),
        kind: match from.kind.as_str() {
            "private" => ChatKind::Direct,
            "channel" => ChatKind::Broadcast,
            _ => ChatKind::Group,
        },
        title: from.title.clone(),
        server: None,
    }
}

fn message_ref(chat: &Chat, id: i64) -> MessageRef {
    MessageRef {
        surface: SurfaceKind::Telegram,
        chat: chat.id.clone(),
        id: id.to_string(),
        token: chat.topic.clone(),
        parts: Vec::new(),
    }
}

fn person(user: &wire::User) -> Person {
    let name = match &user.last_name {
        Some(last) => format!("{} {last}", user.first_name),
        None => user.first_name.clone(),
    };
    Person { id: user.id.to_string(), name, handle: user.username.clone() }
}

/// A thread is a topic only where the chat is a forum; elsewhere it is a chain of answers.
fn topic(thread: Option<i64>, is_topic: bool) -> Option<i64> {
    thread.filter(|_| is_topic)
}

fn read_message(id: String, message: wire::Message, context: &Context) -> Option<Update> {
    let chat = chat(&message.chat, topic(message.message_thread_id, message.is_topic_message));
    let anonymous = match &message.from {
        // Somebody who writes in the name of a chat; in a private chat there is no such thing.
        Some(user) => NOBODY.contains(&user.id) || (message.sender_chat.is_some() && chat.kind != ChatKind::Direct),
        None => true,
    };
    let speaker = message.from.as_ref().filter(|_| !anonymous);
    if speaker.is_some_and(|user| user.is_bot) {
        // Two bots that answer each other would never stop.
        return None;
    }
    let person = speaker.map(person);
    let at = Some(message_ref(&chat, message.message_id));
    let kind = match message.migrate_to_chat_id {
        Some(to) => UpdateKind::Migrated { to: to.to_string() },
        None => read_content(message, context)?,
    };
    Some(Update { id, chat, person, proof: Proof { anonymous, ..Proof::default() }, message: at, kind })
}

/// The message's content; nothing for service messages (joined, pinned, renamed) and for other bots' commands.
fn read_content(mut message: wire::Message, context: &Context) -> Option<UpdateKind> {
    let unsupported = UNSUPPORTED.iter().find(|(field, _)| message.rest.contains_key(*field)).map(|(_, words)| *words);
    let files = files(&mut message);
    let (plain, entities) = match message.text.take() {
        Some(text) => (Some(text), message.entities),
        None => (message.caption.take(), message.caption_entities),
    };
    if plain.is_none() && files.is_empty() && unsupported.is_none() {
        return None;
    }
    let mut incoming = Incoming {
        text: text::read(plain.unwrap_or_default(), &entities),
        unsupported: unsupported.filter(|_| files.is_empty()).map(str::to_owned),
        files,
        album: message.media_group_id,
        forwarded: message.rest.contains_key("forward_origin") || message.rest.contains_key("forward_date"),
        reply_to: message
            .reply_to_message
            .filter(|answered| answered.from.as_ref().is_some_and(|user| user.id == context.id))
            .map(|answered| answered.message_id.to_string()),
    };
    // A forwarded message is somebody else's words, so they give no orders.
    let command = if incoming.forwarded { None } else { command(&incoming.text.plain) };
    let Some(command) = command else { return Some(UpdateKind::Message(incoming)) };
    if command.bot.is_some_and(|bot| !bot.eq_ignore_ascii_case(&context.handle)) {
        return None;
    }
    let name = command.name.to_ascii_lowercase();
    let specification = context.commands.iter().find(|specification| specification.name == name);
    let arguments = arguments(&incoming.text.plain[command.rest..], specification);
    incoming.text = text::slice(&incoming.text, command.rest..incoming.text.plain.len());
    Some(UpdateKind::Command { name, arguments, incoming })
}

fn files(message: &mut wire::Message) -> Vec<FileRef> {
    // An animation comes with a `document` of the same file, for old clients.
    let file = message.video.take().or(message.animation.take()).or(message.document.take());
    let largest =
        std::mem::take(&mut message.photo).into_iter().max_by_key(|size| size.width.saturating_mul(size.height));
    let photo = largest.map(|size| wire::File { mime_type: Some("image/jpeg".into()), file_name: None, ..size });
    file.or(photo)
        .map(|file| FileRef {
            id: file.file_id,
            mime: file.mime_type,
            name: file.file_name,
            size: file.file_size,
            alt: None,
        })
        .into_iter()
        .collect()
}

struct Command<'a> {
    name: &'a str,
    bot: Option<&'a str>,
    /// Where the arguments start.
    rest: usize,
}

/// `/name` or `/name@Bot` at the start, then white space or the end.
fn command(line: &str) -> Option<Command<'_>> {
    let word = line.strip_prefix('/')?.split(char::is_whitespace).next()?;
    let (name, bot) = match word.split_once('@') {
        Some((name, bot)) => (name, Some(bot)),
        None => (word, None),
    };
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain(name) || !bot.is_none_or(plain) {
        return None;
    }
    let end = 1 + word.len();
    let rest = &line[end..];
    Some(Command { name, bot, rest: end + (rest.len() - rest.trim_start().len()) })
}

/// Splits a line by the specification: one word each, and the rest of the line for a last [`ArgumentKind::Rest`].
/// Words that nobody asked for are passed on too: what is wrong with them is the handler's to say.
pub(super) fn arguments(line: &str, specification: Option<&CommandSpec>) -> Vec<String> {
    let mut rest = line.trim();
    let mut words = Vec::new();
    let mut kinds = specification.map(|specification| specification.arguments).unwrap_or_default().iter();
    while !rest.is_empty() {
        if kinds.next().is_some_and(|argument| argument.kind == ArgumentKind::Rest) {
            words.push(rest.to_owned());
            break;
        }
        let (word, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        words.push(word.to_owned());
        rest = more.trim_start();
    }
    words
}

fn read_membership(id: String, change: wire::MemberChange) -> Update {
    let chat = chat(&change.chat, None);
    let anonymous = NOBODY.contains(&change.from.id);
    let member = &change.new_chat_member;
    let status = match member.status.as_str() {
        "creator" => MembershipStatus::Admin,
        // Only channels have a right to post; an admin of a group may always write.
        "administrator" if chat.kind != ChatKind::Broadcast || member.can_post_messages => MembershipStatus::Admin,
        "administrator" => MembershipStatus::AdminWithoutPosting,
        "member" => MembershipStatus::Member,
        "restricted" if member.is_member => MembershipStatus::Member,
        _ => MembershipStatus::Gone,
    };
    let membership = Membership {
        status,
        place: chat.id.clone(),
        title: change.chat.title.clone(),
        handle: change.chat.username.clone(),
    };
    Update {
        id,
        person: (!anonymous).then(|| person(&change.from)),
        proof: Proof { anonymous, ..Proof::default() },
        message: None,
        kind: UpdateKind::Membership(membership),
        chat,
    }
}

fn read_press(id: String, press: wire::CallbackQuery) -> Option<Update> {
    // Without a message it is an inline one or too old to name its chat; without data it is a game: neither is ours.
    let (message, token) = (press.message?, press.data?);
    let chat = chat(&message.chat, topic(message.message_thread_id, message.is_topic_message));
    Some(Update {
        id,
        person: Some(person(&press.from)),
        proof: Proof::default(),
        message: Some(message_ref(&chat, message.message_id)),
        kind: UpdateKind::Press(token),
        chat,
    })
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
