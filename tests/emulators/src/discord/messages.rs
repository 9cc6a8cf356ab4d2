//! Messages over REST: sending, listing, editing, deleting, crossposting. It knows no HTTP. Sources: "Message" in Discord's
//! documentation; codes from its "Opcodes and Status Codes".

use serde_json::{Value, json};

use super::permissions as bits;
use super::rest::{needed, seen, writable};
use super::rules;
use super::state::{
    Attachment, Body, INTENT_DIRECT_MESSAGES, INTENT_GUILD_MESSAGES, INTENT_MESSAGE_CONTENT, Message, Pings, State,
};
use super::wire::{Answer, Call, Refusal};

/// How long `enforce_nonce` remembers: Discord says "the past few minutes".
const NONCE_WINDOW: i64 = 3 * 60 * 1000;

/// `POST /channels/{channel}/messages`.
pub(super) fn send(state: &mut State, id: u64, call: &Call, now: i64) -> Result<Answer, Refusal> {
    call.check_size(state, id)?;
    rules::check_message(&call.body, false)?;
    let (channel, permissions) = writable(state, id)?;
    if call.body["embeds"].as_array().is_some_and(|embeds| !embeds.is_empty()) {
        needed(channel, permissions, bits::EMBED_LINKS)?;
    }
    if !call.files.is_empty() {
        needed(channel, permissions, bits::ATTACH_FILES)?;
    }
    let nonce = (!call.body["nonce"].is_null()).then(|| call.body["nonce"].clone());
    if call.body["enforce_nonce"] == json!(true) {
        let same = |message: &&Message| message.by_bot && message.nonce == nonce && now - message.at < NONCE_WINDOW;
        if let Some(first) = channel.messages.iter().find(same) {
            return Ok(Answer::Json(state.message_json(first)));
        }
    }
    let reference = &call.body["message_reference"]["message_id"];
    let reply_to = reference.as_str().and_then(|id| id.parse::<u64>().ok());
    if let Some(original) = reply_to {
        needed(channel, permissions, bits::READ_MESSAGE_HISTORY)
            .map_err(|_| Refusal::new(400, 160_002, "Cannot reply without permission to read message history"))?;
        if state.message(id, original).is_none() && call.body["message_reference"]["fail_if_not_exists"] != json!(false)
        {
            let mut refusal = Refusal::new(400, 50035, "Invalid Form Body");
            refusal.errors = Some(json!({ "message_reference": { "_errors": [
                { "code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message" }] } }));
            return Err(refusal);
        }
    }
    if permissions & bits::BYPASS_SLOWMODE == 0 && channel.slowmode > 0 {
        let last = channel.messages.iter().rev().find(|message| message.by_bot).map(|message| message.at);
        let wait = last.map_or(0, |last| last + channel.slowmode * 1000 - now);
        if wait > 0 {
            let text = "This action cannot be performed due to slowmode rate limit.";
            let mut refusal = Refusal::new(429, 20016, text);
            refusal.retry_after = Some((wait as f64 / 1000.0, false));
            return Err(refusal);
        }
    }
    let body = compose(state, id, call, None, now)?;
    if state.automod.iter().any(|word| body.content.contains(word.as_str())) {
        return Err(Refusal::new(400, 200_000, "Message was blocked by automatic moderation"));
    }
    let message = Message { nonce, reply_to, flags: flags(call), ..blank(state, id, state.bot(), now) };
    let message = Message { body, ..message };
    Ok(Answer::Json(store(state, message, now)))
}

/// The flags that the sender set.
pub(super) fn flags(call: &Call) -> u64 {
    call.body["flags"].as_u64().unwrap_or(0)
}

/// An empty message; its id is given when it is stored.
pub(super) fn blank(state: &State, channel: u64, author: u64, now: i64) -> Message {
    Message {
        id: 0,
        channel,
        author,
        by_bot: author == state.bot(),
        at: now,
        body: Body::default(),
        flags: 0,
        nonce: None,
        reply_to: None,
        only_for: None,
        interaction: None,
        edits: Vec::new(),
        edited_at: None,
        crossposted: false,
        deleted: false,
    }
}

/// Stores a message and tells the sessions that may know. Gives its wire form.
pub(super) fn store(state: &mut State, mut message: Message, now: i64) -> Value {
    message.id = state.snowflake(now);
    let value = state.message_json(&message);
    let Some(channel) = state.channels.get_mut(&message.channel) else { return value };
    let guild = channel.guild;
    let quiet = message.only_for.is_some();
    let by_bot = message.by_bot;
    channel.messages.push(message);
    if quiet {
        return value;
    }
    let mut event = value.clone();
    let Some(guild) = guild else {
        state.emit("MESSAGE_CREATE", &event, INTENT_DIRECT_MESSAGES);
        return value;
    };
    event["guild_id"] = json!(guild.to_string());
    let bot = state.bot().to_string();
    let mentioned = event["mentions"].as_array().is_some_and(|list| list.iter().any(|user| user["id"] == json!(bot)));
    let mut blanked = event.clone();
    for field in ["embeds", "components", "attachments"] {
        blanked[field] = json!([]);
    }
    blanked["content"] = json!("");
    for session in state.sessions.values_mut().filter(|session| session.intents & INTENT_GUILD_MESSAGES != 0) {
        let whole = by_bot || mentioned || session.intents & INTENT_MESSAGE_CONTENT != 0;
        session.events.push(("MESSAGE_CREATE".to_owned(), if whole { event.clone() } else { blanked.clone() }));
    }
    value
}

/// What a request makes of a message; `old` for an edit, whose absent fields stay.
pub(super) fn compose(
    state: &mut State,
    channel: u64,
    call: &Call,
    old: Option<&Body>,
    now: i64,
) -> Result<Body, Refusal> {
    let body = &call.body;
    let mut new = old.cloned().unwrap_or_default();
    if let Some(content) = body.get("content") {
        new.content = content.as_str().unwrap_or_default().trim().to_owned();
    }
    for (name, field) in [("embeds", &mut new.embeds), ("components", &mut new.components)] {
        if let Some(list) = body.get(name) {
            *field = list.as_array().cloned().unwrap_or_default();
        }
    }
    if call.files.len() > 10 {
        return Err(Refusal::mistake(400, 50035, "Invalid Form Body"));
    }
    let listed = body["attachments"].as_array();
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    if let Some(listed) = listed {
        // An edit keeps exactly the attachments that it lists.
        let ids: Vec<u64> = listed.iter().filter_map(|item| number(&item["id"])).collect();
        let known = |id: &u64| call.files.contains_key(id) || new.attachments.iter().any(|old| old.id == *id);
        if !ids.iter().all(known) {
            let mut refusal = Refusal::mistake(400, 50035, "Invalid Form Body");
            refusal.detail = "an attachment is listed that is not in the request".to_owned();
            return Err(refusal);
        }
        new.attachments.retain(|old| ids.contains(&old.id));
    }
    for (index, upload) in &call.files {
        let entry = listed.and_then(|list| list.iter().find(|item| number(&item["id"]) == Some(*index)));
        let text = |name: &str| entry.and_then(|entry| entry[name].as_str()).map(str::to_owned);
        let attachment = Attachment {
            id: state.snowflake(now),
            name: text("filename").unwrap_or_else(|| upload.name.clone()),
            description: text("description"),
            mime: upload.mime.clone(),
            bytes: upload.bytes.clone(),
            channel,
        };
        state.uploads.insert(attachment.id, attachment.clone());
        new.attachments.push(attachment);
    }
    if new.content.is_empty() && new.embeds.is_empty() && new.attachments.is_empty() && new.components.is_empty() {
        return Err(Refusal::mistake(400, 50006, "Cannot send an empty message"));
    }
    new.pings = pings(state, channel, &new.content, &body["allowed_mentions"]);
    Ok(new)
}

/// Whom a text pings. Without `allowed_mentions` everything that it names; with it only what it allows.
fn pings(state: &State, channel: u64, content: &str, allowed: &Value) -> Pings {
    let marked = |prefix: &str| -> Vec<u64> {
        let rest = content.match_indices(prefix).map(|(at, _)| &content[at + prefix.len()..]);
        rest.filter_map(|rest| rest.split('>').next()?.trim_start_matches('!').parse().ok()).collect()
    };
    let parse =
        |kind: &str| allowed.is_null() || allowed["parse"].as_array().is_some_and(|kinds| kinds.contains(&json!(kind)));
    let listed = |kind: &str, id: u64| {
        let ids = allowed[kind].as_array();
        ids.is_some_and(|ids| ids.iter().any(|one| one.as_str() == Some(&id.to_string()) || one.as_u64() == Some(id)))
    };
    let Some(place) = state.channels.get(&channel) else { return Pings::default() };
    let powerful = state.permissions(place, state.bot()) & bits::MENTION_EVERYONE != 0;
    let guild = place.guild.and_then(|id| state.guilds.get(&id));
    let open = |id: u64| {
        let role = guild.and_then(|guild| guild.roles.iter().find(|role| role.id == id));
        role.is_some_and(|role| role.mentionable || powerful)
    };
    let keep = |ids: Vec<u64>, kind: &str| -> Vec<u64> {
        ids.into_iter().filter(|id| parse(kind) || listed(kind, *id)).collect()
    };
    Pings {
        everyone: (content.contains("@everyone") || content.contains("@here")) && parse("everyone") && powerful,
        users: keep(marked("<@"), "users"),
        roles: keep(marked("<@&"), "roles").into_iter().filter(|id| open(*id)).collect(),
    }
}

/// `GET /channels/{channel}/messages`, newest first.
pub(super) fn list(state: &State, id: u64, call: &Call) -> Result<Answer, Refusal> {
    let (channel, permissions) = seen(state, id)?;
    // "If this permission is not set […] it will return no messages."
    if permissions & bits::READ_MESSAGE_HISTORY == 0 {
        return Ok(Answer::Json(json!([])));
    }
    let number = |name: &str| call.query.get(name).and_then(|value| value.parse::<u64>().ok());
    let limit = number("limit").unwrap_or(50);
    if !(1..=100).contains(&limit) {
        return Err(Refusal::mistake(400, 50035, "Invalid Form Body"));
    }
    let limit = usize::try_from(limit).unwrap_or(100);
    let fits = |message: &&Message| {
        !message.deleted
            && message.only_for.is_none()
            && number("before").is_none_or(|before| message.id < before)
            && number("after").is_none_or(|after| message.id > after)
    };
    let mut found: Vec<&Message> = channel.messages.iter().filter(fits).collect();
    if number("after").is_some() && found.len() > limit {
        found.truncate(limit);
    }
    let shown = found.iter().rev().take(limit).map(|message| {
        let mut value = state.message_json(message);
        if channel.guild.is_some() && !message.by_bot && state.privileged & INTENT_MESSAGE_CONTENT == 0 {
            value["content"] = json!("");
        }
        value
    });
    Ok(Answer::Json(shown.collect()))
}

fn existing(state: &State, channel: u64, id: u64) -> Result<&Message, Refusal> {
    let message = state.message(channel, id).filter(|message| message.only_for.is_none());
    message.ok_or_else(|| Refusal::new(404, 10008, "Unknown Message"))
}

/// `GET /channels/{channel}/messages/{message}`.
pub(super) fn get(state: &State, channel: u64, id: u64) -> Result<Answer, Refusal> {
    let (place, permissions) = seen(state, channel)?;
    needed(place, permissions, bits::READ_MESSAGE_HISTORY)?;
    Ok(Answer::Json(state.message_json(existing(state, channel, id)?)))
}

/// `PATCH /channels/{channel}/messages/{message}`.
pub(super) fn edit(state: &mut State, channel: u64, id: u64, call: &Call, now: i64) -> Result<Answer, Refusal> {
    call.check_size(state, channel)?;
    rules::check_message(&call.body, false)?;
    seen(state, channel)?;
    let message = existing(state, channel, id)?.clone();
    if !message.by_bot {
        return Err(Refusal::new(403, 50005, "Cannot edit a message authored by another user"));
    }
    let body = compose(state, channel, call, Some(&message.body), now)?;
    Ok(Answer::Json(replace(state, channel, id, body, now)))
}

/// Gives a message another body and notes the old one. Gives its wire form.
pub(super) fn replace(state: &mut State, channel: u64, id: u64, body: Body, now: i64) -> Value {
    let Some(message) = state.message_mut(channel, id) else { return Value::Null };
    let old = std::mem::replace(&mut message.body, body);
    if message.thinking() {
        message.flags &= !super::state::LOADING;
    } else {
        message.edits.push(old);
        message.edited_at = Some(now);
    }
    state.message(channel, id).map(|message| state.message_json(message)).unwrap_or_default()
}

/// `DELETE /channels/{channel}/messages/{message}`.
pub(super) fn delete(state: &mut State, channel: u64, id: u64) -> Result<Answer, Refusal> {
    let (place, permissions) = seen(state, channel)?;
    let direct = place.guild.is_none();
    let own = existing(state, channel, id)?.by_bot;
    if !own && direct {
        return Err(Refusal::new(403, 50003, "Cannot execute action on a DM channel"));
    }
    if !own && permissions & bits::MANAGE_MESSAGES == 0 {
        return Err(Refusal::missing_permissions());
    }
    if let Some(message) = state.message_mut(channel, id) {
        message.deleted = true;
    }
    Ok(Answer::Nothing)
}

/// `POST /channels/{channel}/messages/{message}/crosspost`.
pub(super) fn crosspost(state: &mut State, channel: u64, id: u64) -> Result<Answer, Refusal> {
    let (place, permissions) = seen(state, channel)?;
    let message = existing(state, channel, id)?;
    if place.kind != 5 {
        return Err(Refusal::new(400, 50024, "Cannot execute action on this channel type"));
    }
    needed(place, permissions, bits::SEND_MESSAGES)?;
    if !message.by_bot {
        needed(place, permissions, bits::MANAGE_MESSAGES)?;
    }
    if message.crossposted {
        return Err(Refusal::new(400, 40033, "This message has already been crossposted"));
    }
    if let Some(message) = state.message_mut(channel, id) {
        message.crossposted = true;
    }
    Ok(Answer::Json(state.message_json(existing(state, channel, id)?)))
}
