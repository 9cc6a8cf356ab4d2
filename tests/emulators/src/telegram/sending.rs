//! Sending: who may write where, texts and captions, media, albums. It knows no HTTP. Sources: the send methods of the
//! Bot API page; refusals in the words of the server (telegram-bot-api, Client.cpp).

use serde_json::{Value, json};

use super::markup::{add_automatic, parse_html, read_buttons, read_entities, units};
use super::state::{ChatKind, ChatRecord, Entity, MediaKind, Message, Standing, State};
use super::wire::{Params, Refusal};
use super::{chats, files};

/// Characters (UTF-16 units) in a text, after entity parsing.
const TEXT_LIMIT: usize = 4096;

/// Characters (UTF-16 units) in a caption, after entity parsing.
const CAPTION_LIMIT: usize = 1024;

/// Parsed text: plain, formatting.
pub(super) type Formatted = (String, Vec<Entity>);

/// Takes one of the refusals that a test ordered.
pub(super) fn check_flood(state: &mut State) -> Result<(), Refusal> {
    let (times, seconds) = state.flood;
    if times == 0 {
        return Ok(());
    }
    state.flood.0 -= 1;
    let mut refusal = Refusal::new(429, format!("Too Many Requests: retry after {seconds}"));
    refusal.retry_after = Some(seconds);
    Err(refusal)
}

/// May the bot look into this chat?
pub(super) fn check_read(chat: &ChatRecord) -> Result<(), Refusal> {
    let kind = chat.kind.as_str();
    if chat.deleted {
        return Err(Refusal::new(403, "Forbidden: the group chat was deleted"));
    }
    match chat.bot {
        _ if chat.kind == ChatKind::Private => Ok(()),
        Standing::Kicked => Err(Refusal::new(403, format!("Forbidden: bot was kicked from the {kind} chat"))),
        Standing::Left if chat.username.is_none() => {
            Err(Refusal::new(403, format!("Forbidden: bot is not a member of the {kind} chat")))
        }
        _ => Ok(()),
    }
}

/// May the bot send `what` here (`text messages`, `photos`)?
pub(super) fn check_write(state: &State, chat: &ChatRecord, what: &str) -> Result<(), Refusal> {
    if let Some(new) = chat.migrated_to {
        let mut refusal = Refusal::new(400, "Bad Request: group chat was upgraded to a supergroup chat");
        refusal.migrate_to = Some(new);
        return Err(refusal);
    }
    let no_rights = || Refusal::new(400, format!("Bad Request: not enough rights to send {what} to the chat"));
    match chat.kind {
        ChatKind::Private => {
            if state.users.get(&chat.id).is_some_and(|user| user.deactivated) {
                return Err(Refusal::new(403, "Forbidden: user is deactivated"));
            }
            if chat.blocked {
                return Err(Refusal::new(403, "Forbidden: bot was blocked by the user"));
            }
            if !chat.started {
                return Err(Refusal::new(403, "Forbidden: bot can't initiate conversation with a user"));
            }
            Ok(())
        }
        ChatKind::Group | ChatKind::Supergroup => {
            check_read(chat)?;
            match chat.bot {
                Standing::Left => {
                    let text = format!("Forbidden: bot is not a member of the {} chat", chat.kind.as_str());
                    Err(Refusal::new(403, text))
                }
                Standing::Restricted => Err(no_rights()),
                _ => Ok(()),
            }
        }
        ChatKind::Channel => {
            check_read(chat)?;
            match &chat.bot {
                Standing::Left => Err(Refusal::new(403, "Forbidden: bot is not a member of the channel chat")),
                standing if !standing.is_admin() => {
                    Err(Refusal::new(400, "Bad Request: need administrator rights in the channel chat"))
                }
                standing if !standing.has("can_post_messages") => Err(no_rights()),
                _ => Ok(()),
            }
        }
    }
}

/// Reads a text with its formatting. `names`: text, parse mode, entities.
pub(super) fn read_text(source: &Value, names: [&str; 3]) -> Result<Formatted, Refusal> {
    let [text, mode, list] = names;
    let text = match &source[text] {
        Value::Null => "",
        Value::String(text) => text,
        _ => return Err(Refusal::mistake(400, format!("Bad Request: {text} must be of type String"))),
    };
    let mode = source[mode].as_str().unwrap_or_default();
    let parsed = match &source[list] {
        Value::String(list) if !list.is_empty() => serde_json::from_str(list)
            .map_err(|_| Refusal::mistake(400, "Bad Request: can't parse entities JSON object"))?,
        Value::String(_) => Value::Null,
        other => other.clone(),
    };
    let (plain, entities) = match mode.to_lowercase().as_str() {
        "html" => parse_html(text)?,
        "" if !parsed.is_null() => (text.to_owned(), read_entities(text, &parsed)?),
        "" => (text.to_owned(), Vec::new()),
        "markdown" | "markdownv2" => {
            return Err(Refusal::mistake(400, "Bad Request: this emulator parses HTML only"));
        }
        _ => return Err(Refusal::mistake(400, "Bad Request: unsupported parse_mode")),
    };
    let kept = plain.trim_end().to_owned();
    let mut entities = clip(entities, units(&kept));
    add_automatic(&kept, &mut entities);
    Ok((kept, entities))
}

/// The server cuts white space at the end, and entities with it.
fn clip(mut entities: Vec<Entity>, end: usize) -> Vec<Entity> {
    for entity in &mut entities {
        entity.length = entity.length.min(end.saturating_sub(entity.offset));
    }
    entities.retain(|entity| entity.length > 0);
    entities
}

/// The text of `sendMessage` and `editMessageText`; `too_long` is what the method says then.
pub(super) fn read_message_text(params: &Params, too_long: &str) -> Result<Formatted, Refusal> {
    let text = read_text(&Value::Object(params.values.clone()), ["text", "parse_mode", "entities"])?;
    if text.0.trim().is_empty() {
        return Err(Refusal::mistake(400, "Bad Request: message text is empty"));
    }
    if units(&text.0) > TEXT_LIMIT {
        return Err(Refusal::mistake(400, format!("Bad Request: {too_long}")));
    }
    Ok(text)
}

/// The caption of a media message.
pub(super) fn read_caption(source: &Value) -> Result<Formatted, Refusal> {
    let text = read_text(source, ["caption", "parse_mode", "caption_entities"])?;
    if units(&text.0) > CAPTION_LIMIT {
        return Err(Refusal::mistake(400, "Bad Request: message caption is too long"));
    }
    Ok(text)
}

/// What every send method shares: the chat, the right to write there, the place and the keyboard.
fn begin(state: &mut State, params: &Params, what: &str, now: i64) -> Result<Message, Refusal> {
    let id = chats::resolve(state, params)?;
    let chat = state.chats.get(&id).ok_or_else(chats::not_found)?;
    check_write(state, chat, what)?;
    let topic = params.int("message_thread_id")?;
    if let Some(topic) = topic
        && !chat.topics.contains_key(&topic)
    {
        return Err(Refusal::new(400, "Bad Request: message thread not found"));
    }
    let reply = params.json("reply_parameters")?.unwrap_or_default();
    let reply_to = match reply["message_id"].as_i64() {
        Some(original) if state.message(id, original).is_some() => Some(original),
        Some(_) if reply["allow_sending_without_reply"] != json!(true) => {
            return Err(Refusal::new(400, "Bad Request: message to be replied not found"));
        }
        _ => None,
    };
    let markup = params.json("reply_markup")?;
    let buttons = markup.as_ref().map(read_buttons).transpose()?.unwrap_or_default();
    let channel = chat.kind == ChatKind::Channel;
    let bot = state.bot.id;
    let mut message = state.blank(id, now);
    message.by_bot = true;
    message.from = (!channel).then_some(bot);
    message.sender_chat = channel.then_some(id);
    message.topic = topic;
    message.reply_to = reply_to;
    message.silent = params.flag("disable_notification");
    message.markup = markup.filter(|markup| markup.get("inline_keyboard").is_none());
    message.buttons = buttons;
    Ok(message)
}

fn finish(state: &mut State, message: Message) -> Value {
    let value = state.message_json(&message);
    if let Some(chat) = state.chats.get_mut(&message.chat) {
        chat.messages.push(message);
    }
    value
}

/// `sendMessage`.
pub(super) fn message(state: &mut State, params: &Params, now: i64) -> Result<Value, Refusal> {
    let (text, entities) = read_message_text(params, "message is too long")?;
    let message = begin(state, params, "text messages", now)?;
    Ok(finish(state, Message { text, entities, ..message }))
}

/// `sendPhoto`, `sendVideo`, `sendAnimation`, `sendDocument`.
pub(super) fn media(state: &mut State, params: &Params, word: &str, now: i64) -> Result<Value, Refusal> {
    let kind = MediaKind::parse(word).ok_or_else(|| Refusal::mistake(404, "Not Found: method not found"))?;
    let source = Value::Object(params.values.clone());
    let (text, entities) = read_caption(&source)?;
    let message = begin(state, params, &format!("{word}s"), now)?;
    let mut media = files::take(state, params, kind, word, &source[word])?;
    measure(&mut media.width, params, "width")?;
    measure(&mut media.height, params, "height")?;
    measure(&mut media.duration, params, "duration")?;
    Ok(finish(state, Message { text, entities, media: Some(media), ..message }))
}

fn measure(field: &mut u32, params: &Params, name: &str) -> Result<(), Refusal> {
    if let Some(given) = params.int(name)? {
        *field = u32::try_from(given).unwrap_or(0);
    }
    Ok(())
}

/// `sendMediaGroup`.
pub(super) fn album(state: &mut State, params: &Params, now: i64) -> Result<Value, Refusal> {
    let items = params.json("media")?.unwrap_or_default();
    let items = items.as_array().cloned().unwrap_or_default();
    if items.len() > 10 {
        return Err(Refusal::mistake(400, "Bad Request: too many messages to send as an album"));
    }
    if items.len() < 2 {
        // The page: "must include 2-10 items".
        return Err(Refusal::mistake(400, "Bad Request: media group must include 2-10 items"));
    }
    let mut kinds = Vec::new();
    for item in &items {
        let kind = MediaKind::parse(item["type"].as_str().unwrap_or_default());
        match kind {
            Some(kind) if kind != MediaKind::Animation => kinds.push(kind),
            _ => {
                let text = "Bad Request: can't use the media of the specified type in the album";
                return Err(Refusal::mistake(400, text));
            }
        }
    }
    let documents = kinds.iter().filter(|kind| **kind == MediaKind::Document).count();
    if documents > 0 && documents < kinds.len() {
        return Err(Refusal::mistake(400, "Bad Request: document can't be mixed with other media types"));
    }
    if params.json("reply_markup")?.is_some() {
        return Err(Refusal::mistake(400, "Bad Request: sendMediaGroup takes no reply_markup"));
    }
    // Everything is checked before anything is sent: an album appears whole or not at all.
    let mut prepared = Vec::new();
    for (kind, item) in kinds.into_iter().zip(&items) {
        let caption = read_caption(item)?;
        let mut media = files::take(state, params, kind, "", &item["media"])?;
        for (field, name) in
            [(&mut media.width, "width"), (&mut media.height, "height"), (&mut media.duration, "duration")]
        {
            if let Some(given) = item[name].as_u64() {
                *field = u32::try_from(given).unwrap_or(0);
            }
        }
        prepared.push((caption, media));
    }
    let album = state.fresh().to_string();
    let mut sent = Vec::new();
    for ((text, entities), media) in prepared {
        let message = begin(state, params, &format!("{}s", media.kind.as_str()), now)?;
        let message = Message { text, entities, media: Some(media), album: Some(album.clone()), ..message };
        sent.push(finish(state, message));
    }
    Ok(Value::Array(sent))
}

/// `sendChatAction`.
pub(super) fn action(state: &mut State, params: &Params) -> Result<Value, Refusal> {
    let id = chats::resolve(state, params)?;
    let chat = state.chats.get(&id).ok_or_else(chats::not_found)?;
    check_write(state, chat, "text messages")?;
    let action = params.text("action").unwrap_or_default();
    const KNOWN: &[&str] = &[
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    ];
    if !KNOWN.contains(&action.as_str()) {
        return Err(Refusal::mistake(400, "Bad Request: wrong parameter action in request"));
    }
    state.actions.push((id, action));
    Ok(json!(true))
}
