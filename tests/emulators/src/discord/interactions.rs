//! Answers to interactions: the callback, and the webhook of an interaction's token. It knows no HTTP. Source:
//! "Receiving and Responding" in Discord's documentation.

use std::time::Duration;

use serde_json::{Value, json};

use super::messages;
use super::rules;
use super::state::{Body, Choice, EPHEMERAL, Form, Interaction, LOADING, Message, State};
use super::wire::{Answer, Call, Refusal};

/// "You must send an initial response within 3 seconds of receiving the event" (real time).
const FIRST_ANSWER: Duration = Duration::from_secs(3);

/// "Interaction tokens are valid for 15 minutes", in milliseconds.
const TOKEN_LIFETIME: i64 = 15 * 60 * 1000;

/// Which answers fit which kind of interaction: (kind, answers).
const FITTING: &[(u8, &[u64])] = &[(2, &[4, 5, 9]), (3, &[4, 5, 6, 7, 9]), (4, &[8]), (5, &[4, 5, 6, 7])];

fn unknown() -> Refusal {
    Refusal::new(404, 10062, "Unknown interaction")
}

/// `POST /interactions/{id}/{token}/callback`.
pub(super) fn callback(state: &mut State, id: u64, token: &str, call: &Call, now: i64) -> Result<Answer, Refusal> {
    let interaction = state.interactions.get(&id).filter(|found| found.token == token).ok_or_else(unknown)?.clone();
    if interaction.answered.is_some() {
        return Err(Refusal::new(400, 40060, "Interaction has already been acknowledged."));
    }
    if interaction.born.elapsed() > FIRST_ANSWER {
        return Err(unknown());
    }
    let kind = call.body["type"].as_u64().unwrap_or(0);
    let fits = FITTING.iter().any(|(of, answers)| *of == interaction.kind && answers.contains(&kind));
    if !fits || (matches!(kind, 6 | 7) && interaction.source.is_none()) {
        let mut refusal = Refusal::mistake(400, 50035, "Invalid Form Body");
        refusal.detail = format!("answer of type {kind} to an interaction of type {}", interaction.kind);
        return Err(refusal);
    }
    let data = call.body.get("data").cloned().unwrap_or_else(|| json!({}));
    let inner = Call {
        query: call.query.clone(),
        body: data.clone(),
        files: call.files.clone(),
        size: call.size,
        caller: call.caller.clone(),
    };
    let mut original = interaction.original;
    match kind {
        4 | 5 => {
            inner.check_size(state, interaction.channel)?;
            rules::check_message(&data, true)?;
            let body = match kind {
                4 => messages::compose(state, interaction.channel, &inner, None, now)?,
                _ => Body::default(),
            };
            let loading = if kind == 5 { LOADING } else { 0 };
            let sent = answer_with(state, &interaction, body, messages::flags(&inner) | loading, now);
            original = Some((interaction.channel, sent));
        }
        6 => original = interaction.source,
        7 => {
            rules::check_message(&data, true)?;
            let (channel, message) = interaction.source.ok_or_else(unknown)?;
            edit_one(state, channel, message, &inner, now)?;
            original = Some((channel, message));
        }
        8 => {
            rules::check_choices(&data)?;
            let list = data["choices"].as_array().into_iter().flatten();
            let choices = list.map(|choice| Choice {
                name: choice["name"].as_str().unwrap_or_default().to_owned(),
                value: choice["value"].clone(),
            });
            let choices = choices.collect();
            if let Some(stored) = state.interactions.get_mut(&id) {
                stored.choices = choices;
            }
        }
        _ => {
            rules::check_form(&data)?;
            let form = Form {
                custom_id: data["custom_id"].as_str().unwrap_or_default().to_owned(),
                title: data["title"].as_str().unwrap_or_default().to_owned(),
                fields: rules::form_fields(&data),
                channel: interaction.channel,
                source: interaction.source,
            };
            state.forms.insert(interaction.user, form);
        }
    }
    if let Some(stored) = state.interactions.get_mut(&id) {
        stored.answered = u8::try_from(kind).ok();
        stored.original = original;
    }
    if call.query.get("with_response").is_none_or(|with| with != "true") {
        return Ok(Answer::Nothing);
    }
    let message = original.and_then(|(channel, id)| state.message(channel, id));
    Ok(Answer::Json(json!({
        "interaction": { "id": id.to_string(), "type": interaction.kind },
        "resource": { "type": kind, "message": message.map(|message| state.message_json(message)) },
    })))
}

fn answer_with(state: &mut State, interaction: &Interaction, body: Body, flags: u64, now: i64) -> u64 {
    let only_for = (flags & EPHEMERAL != 0).then_some(interaction.user);
    let blank = messages::blank(state, interaction.channel, state.bot(), now);
    let message = Message { body, flags, only_for, interaction: Some(interaction.id), ..blank };
    let stored = messages::store(state, message, now);
    stored["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default()
}

fn edit_one(state: &mut State, channel: u64, id: u64, call: &Call, now: i64) -> Result<Value, Refusal> {
    call.check_size(state, channel)?;
    let missing = || Refusal::new(404, 10008, "Unknown Message");
    let old = state.message(channel, id).ok_or_else(missing)?.body.clone();
    let body = messages::compose(state, channel, call, Some(&old), now)?;
    Ok(messages::replace(state, channel, id, body, now))
}

/// The interaction whose token this is, while the token lives.
fn by_token(state: &State, app: u64, token: &str, now: i64) -> Result<Interaction, Refusal> {
    let found = state.interactions.values().find(|interaction| interaction.token == token);
    let Some(found) = found.filter(|_| app == state.options.application_id) else {
        return Err(Refusal::new(404, 10015, "Unknown Webhook"));
    };
    if now - found.at >= TOKEN_LIFETIME {
        return Err(Refusal::new(401, 50027, "Invalid Webhook Token"));
    }
    if found.answered.is_none() {
        return Err(Refusal::new(404, 10015, "Unknown Webhook"));
    }
    Ok(found.clone())
}

/// The message that `@original` or an id means, if this token may touch it.
fn message_of(state: &State, interaction: &Interaction, which: &str) -> Result<(u64, u64), Refusal> {
    let missing = || Refusal::new(404, 10008, "Unknown Message");
    let place = match which {
        "@original" => interaction.original.ok_or_else(missing)?,
        id => (interaction.channel, id.parse().map_err(|_| missing())?),
    };
    let message = state.message(place.0, place.1).ok_or_else(missing)?;
    let own = message.interaction == Some(interaction.id) || interaction.source == Some(place);
    if own { Ok(place) } else { Err(missing()) }
}

/// `POST /webhooks/{app}/{token}`: a follow-up. The first one after a deferral is the answer that was waited for.
pub(super) fn follow_up(state: &mut State, app: u64, token: &str, call: &Call, now: i64) -> Result<Answer, Refusal> {
    let interaction = by_token(state, app, token, now)?;
    call.check_size(state, interaction.channel)?;
    rules::check_message(&call.body, true)?;
    let waiting =
        interaction.original.filter(|(channel, id)| state.message(*channel, *id).is_some_and(Message::thinking));
    if let Some((channel, id)) = waiting {
        return Ok(Answer::Json(edit_one(state, channel, id, call, now)?));
    }
    let body = messages::compose(state, interaction.channel, call, None, now)?;
    let id = answer_with(state, &interaction, body, messages::flags(call), now);
    let sent = state.message(interaction.channel, id).map(|message| state.message_json(message));
    Ok(Answer::Json(sent.unwrap_or_default()))
}

/// `GET /webhooks/{app}/{token}/messages/{which}`.
pub(super) fn read(state: &State, app: u64, token: &str, which: &str, now: i64) -> Result<Answer, Refusal> {
    let interaction = by_token(state, app, token, now)?;
    let (channel, id) = message_of(state, &interaction, which)?;
    Ok(Answer::Json(state.message(channel, id).map(|message| state.message_json(message)).unwrap_or_default()))
}

/// `PATCH /webhooks/{app}/{token}/messages/{which}`.
pub(super) fn edit(
    state: &mut State,
    app: u64,
    token: &str,
    which: &str,
    call: &Call,
    now: i64,
) -> Result<Answer, Refusal> {
    let interaction = by_token(state, app, token, now)?;
    rules::check_message(&call.body, true)?;
    let (channel, id) = message_of(state, &interaction, which)?;
    Ok(Answer::Json(edit_one(state, channel, id, call, now)?))
}

/// `DELETE /webhooks/{app}/{token}/messages/{which}`.
pub(super) fn delete(state: &mut State, app: u64, token: &str, which: &str, now: i64) -> Result<Answer, Refusal> {
    let interaction = by_token(state, app, token, now)?;
    let (channel, id) = message_of(state, &interaction, which)?;
    if let Some(message) = state.message_mut(channel, id) {
        message.deleted = true;
    }
    Ok(Answer::Nothing)
}
