//! Editing and deleting messages. It knows no HTTP. Sources: "Updating messages" of the Bot API page; refusals in the
//! words of the server.

use serde_json::{Value, json};

use super::chats;
use super::files;
use super::markup::read_buttons;
use super::sending::{check_read, read_caption, read_message_text};
use super::state::{Button, ChatKind, MediaKind, Message, Standing, State, Version};
use super::wire::{Params, Refusal};

/// "A message can only be deleted if it was sent less than 48 hours ago", in milliseconds.
const DELETE_WINDOW: i64 = 48 * 3600 * 1000;

/// Finds the message to edit, and checks that the bot may.
fn find(state: &State, params: &Params) -> Result<Message, Refusal> {
    let id = chats::resolve(state, params)?;
    let chat = state.chats.get(&id).ok_or_else(chats::not_found)?;
    check_read(chat)?;
    if chat.kind == ChatKind::Private && chat.blocked {
        return Err(Refusal::new(403, "Forbidden: bot was blocked by the user"));
    }
    if chat.bot == Standing::Left && chat.kind != ChatKind::Private {
        let text = format!("Forbidden: bot is not a member of the {} chat", chat.kind.as_str());
        return Err(Refusal::new(403, text));
    }
    let number = params.need("message_id")?;
    let message =
        state.message(id, number).ok_or_else(|| Refusal::new(400, "Bad Request: message to edit not found"))?;
    let allowed = match chat.kind {
        ChatKind::Channel if message.by_bot => chat.bot.has("can_post_messages") || chat.bot.has("can_edit_messages"),
        ChatKind::Channel => chat.bot.has("can_edit_messages"),
        _ => message.by_bot,
    };
    if !allowed {
        return Err(Refusal::new(400, "Bad Request: message can't be edited"));
    }
    Ok(message.clone())
}

/// The keyboard after an edit: an edit without `reply_markup` removes it.
fn new_buttons(params: &Params) -> Result<Vec<Vec<Button>>, Refusal> {
    Ok(params.json("reply_markup")?.as_ref().map(read_buttons).transpose()?.unwrap_or_default())
}

fn replace(state: &mut State, old: Message, mut new: Message, now: i64) -> Result<Value, Refusal> {
    let same = old.text == new.text
        && old.entities == new.entities
        && old.buttons == new.buttons
        && old.media.as_ref().map(|media| &media.file_id) == new.media.as_ref().map(|media| &media.file_id);
    if same {
        return Err(Refusal::new(
            400,
            "Bad Request: message is not modified: specified new message content and reply markup are exactly the \
             same as a current content and reply markup of the message",
        ));
    }
    new.edits.push(Version { text: old.text, entities: old.entities, buttons: old.buttons });
    new.edited_at = Some(now);
    let value = state.message_json(&new);
    if let Some(stored) = state.message_mut(new.chat, new.id) {
        *stored = new;
    }
    Ok(value)
}

/// `editMessageText`.
pub(super) fn text(state: &mut State, params: &Params, now: i64) -> Result<Value, Refusal> {
    let (text, entities) = read_message_text(params, "MESSAGE_TOO_LONG")?;
    let old = find(state, params)?;
    if old.media.is_some() {
        return Err(Refusal::new(400, "Bad Request: there is no text in the message to edit"));
    }
    let new = Message { text, entities, buttons: new_buttons(params)?, ..old.clone() };
    replace(state, old, new, now)
}

/// `editMessageCaption`.
pub(super) fn caption(state: &mut State, params: &Params, now: i64) -> Result<Value, Refusal> {
    let (text, entities) = read_caption(&Value::Object(params.values.clone()))?;
    let old = find(state, params)?;
    if old.media.is_none() {
        return Err(Refusal::new(400, "Bad Request: there is no caption in the message to edit"));
    }
    let new = Message { text, entities, buttons: new_buttons(params)?, ..old.clone() };
    replace(state, old, new, now)
}

/// `editMessageReplyMarkup`.
pub(super) fn markup(state: &mut State, params: &Params, now: i64) -> Result<Value, Refusal> {
    let old = find(state, params)?;
    let new = Message { buttons: new_buttons(params)?, ..old.clone() };
    replace(state, old, new, now)
}

/// `editMessageMedia`.
pub(super) fn media(state: &mut State, params: &Params, now: i64) -> Result<Value, Refusal> {
    let item = params.json("media")?.unwrap_or_default();
    let kind = MediaKind::parse(item["type"].as_str().unwrap_or_default())
        .ok_or_else(|| Refusal::mistake(400, "Bad Request: can't parse InputMedia: unsupported type"))?;
    let (text, entities) = read_caption(&item)?;
    let old = find(state, params)?;
    if old.album.is_some() && kind == MediaKind::Animation {
        return Err(Refusal::mistake(400, "Bad Request: can't use the media of the specified type in the album"));
    }
    let media = files::take(state, params, kind, "", &item["media"])?;
    let new = Message { text, entities, media: Some(media), buttons: new_buttons(params)?, ..old.clone() };
    replace(state, old, new, now)
}

/// `deleteMessage`.
pub(super) fn delete(state: &mut State, params: &Params, now: i64) -> Result<Value, Refusal> {
    let id = chats::resolve(state, params)?;
    let number = params.need("message_id")?;
    delete_one(state, id, number, now)?;
    Ok(json!(true))
}

/// `deleteMessages`: what can't be found is skipped.
pub(super) fn delete_many(state: &mut State, params: &Params, now: i64) -> Result<Value, Refusal> {
    let id = chats::resolve(state, params)?;
    let list = params.json("message_ids")?.unwrap_or_default();
    let numbers: Vec<i64> = list.as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    if numbers.is_empty() || numbers.len() > 100 {
        return Err(Refusal::mistake(400, "Bad Request: message_ids must have 1-100 items"));
    }
    for number in numbers {
        if state.message(id, number).is_some() {
            delete_one(state, id, number, now)?;
        }
    }
    Ok(json!(true))
}

fn delete_one(state: &mut State, id: i64, number: i64, now: i64) -> Result<(), Refusal> {
    let chat = state.chats.get(&id).ok_or_else(chats::not_found)?;
    check_read(chat)?;
    let message =
        state.message(id, number).ok_or_else(|| Refusal::new(400, "Bad Request: message to delete not found"))?;
    let allowed = match chat.kind {
        ChatKind::Private => true,
        ChatKind::Group => message.by_bot || chat.bot.is_admin(),
        ChatKind::Supergroup => message.by_bot || chat.bot.has("can_delete_messages"),
        ChatKind::Channel => {
            chat.bot.has("can_delete_messages") || (message.by_bot && chat.bot.has("can_post_messages"))
        }
    };
    if !allowed || now - message.at >= DELETE_WINDOW {
        return Err(Refusal::new(400, "Bad Request: message can't be deleted"));
    }
    if let Some(message) = state.message_mut(id, number) {
        message.deleted = true;
    }
    Ok(())
}
