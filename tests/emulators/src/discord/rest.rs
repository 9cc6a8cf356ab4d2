//! Discord's REST resources: the bot itself, servers, channels. It knows no HTTP. Sources: the resources'
//! pages in Discord's documentation; codes from its "Opcodes and Status Codes".

use serde_json::{Value, json};

use super::catalogue;
use super::permissions as bits;
use super::state::{Channel, Guild, State};
use super::wire::{Answer, Call, Caller, Refusal};

/// `GET /users/@me`.
pub(super) fn me(state: &State, call: &Call, now: i64) -> Result<Answer, Refusal> {
    let id = match &call.caller {
        Caller::User(token) => person(state, token, "identify", now)?,
        _ => state.bot(),
    };
    let mut value = state.user_json(id);
    value["mfa_enabled"] = json!(false);
    value["locale"] = json!("en-US");
    value["verified"] = json!(true);
    Ok(Answer::Json(value))
}

/// Whose token it is, if it carries the scope.
fn person(state: &State, token: &str, scope: &str, now: i64) -> Result<u64, Refusal> {
    let token = state.tokens.get(token).filter(|token| token.until > now).ok_or_else(Refusal::unauthorized)?;
    if !token.scope.split(' ').any(|granted| granted == scope) {
        return Err(Refusal::new(403, 50001, "Missing Access"));
    }
    Ok(token.user)
}

/// `GET /users/@me/guilds`.
pub(super) fn my_guilds(state: &State, call: &Call, now: i64) -> Result<Answer, Refusal> {
    let id = match &call.caller {
        Caller::User(token) => person(state, token, "guilds", now)?,
        _ => state.bot(),
    };
    let mine = state.guilds.values().filter(|guild| guild.members.contains_key(&id));
    let list = mine.map(|guild| {
        json!({
            "id": guild.id.to_string(), "name": guild.name, "icon": guild.icon.as_ref().map(|(hash, _)| hash),
            "banner": null, "owner": guild.owner == id, "features": [],
            "permissions": bits::in_guild(guild, id).to_string(),
        })
    });
    Ok(Answer::Json(list.collect()))
}

/// `DELETE /users/@me/guilds/{guild}`.
pub(super) fn leave(state: &mut State, guild: u64) -> Result<Answer, Refusal> {
    mine(state, guild)?;
    super::scene::remove_bot(state, guild);
    Ok(Answer::Nothing)
}

/// A server that the bot is in.
fn mine(state: &State, guild: u64) -> Result<&Guild, Refusal> {
    let found = state.guilds.get(&guild).ok_or_else(|| Refusal::new(404, 10004, "Unknown Guild"))?;
    if !found.members.contains_key(&state.bot()) {
        return Err(Refusal::missing_access());
    }
    if found.unavailable {
        return Err(Refusal::new(503, 0, "503: Service Unavailable"));
    }
    Ok(found)
}

/// `POST /users/@me/channels`.
pub(super) fn open_direct(state: &mut State, call: &Call, now: i64) -> Result<Answer, Refusal> {
    let user = call.body["recipient_id"].as_str().and_then(|id| id.parse().ok()).unwrap_or(0);
    if !state.users.contains_key(&user) {
        return Err(Refusal::new(400, 50033, "Invalid Recipient(s)"));
    }
    let channel = super::scene::direct_channel(state, user, now);
    Ok(Answer::Json(state.channels.get(&channel).map(|channel| state.channel_json(channel)).unwrap_or_default()))
}

/// `GET /applications/@me`.
pub(super) fn application(state: &State) -> Answer {
    let id = state.bot().to_string();
    Answer::Json(json!({
        "id": id, "name": state.options.name, "icon": null, "description": "", "type": null, "verify_key": "00",
        "flags": 0, "flags_new": "0", "redirect_uris": state.options.redirect_uris, "interactions_endpoint_url": null,
        "role_connections_verification_url": null, "owner": state.user_json(state.bot()), "explicit_content_filter": 0,
        "approximate_guild_count": state.guilds.len(), "approximate_user_install_count": 0, "team": null,
        "approximate_user_authorization_count": 0, "eligible_oauth2_scopes": [], "bot_public": true,
        "bot_require_code_grant": false, "bot": state.user_json(state.bot()),
    }))
}

/// `PUT /applications/{app}/commands`.
pub(super) fn put_commands(state: &mut State, app: u64, call: &Call, now: i64) -> Result<Answer, Refusal> {
    own_application(state, app)?;
    catalogue::check_commands(&call.body)?;
    let mut commands = Vec::new();
    for command in call.body.as_array().into_iter().flatten() {
        let kind = command["type"].as_u64().unwrap_or(1);
        let known = state.commands.iter().find(|old| old["name"] == command["name"] && old["type"] == json!(kind));
        let id = match known {
            Some(old) => old["id"].clone(),
            None => json!(state.snowflake(now).to_string()),
        };
        let mut stored = command.clone();
        stored["id"] = id;
        stored["type"] = json!(kind);
        stored["application_id"] = json!(app.to_string());
        stored["version"] = json!(state.snowflake(now).to_string());
        for (name, default) in [("description", json!("")), ("default_member_permissions", json!(null))] {
            if stored[name].is_null() {
                stored[name] = default;
            }
        }
        commands.push(stored);
    }
    state.commands = commands.clone();
    Ok(Answer::Json(Value::Array(commands)))
}

fn own_application(state: &State, app: u64) -> Result<(), Refusal> {
    if app == state.options.application_id {
        return Ok(());
    }
    Err(Refusal::mistake(403, 20012, "You are not authorized to perform this action on this application"))
}

/// `GET /applications/{app}/commands`.
pub(super) fn get_commands(state: &State, app: u64) -> Result<Answer, Refusal> {
    own_application(state, app)?;
    Ok(Answer::Json(Value::Array(state.commands.clone())))
}

/// `GET /guilds/{guild}`.
pub(super) fn guild(state: &State, id: u64, call: &Call) -> Result<Answer, Refusal> {
    let guild = mine(state, id)?;
    let mut value = state.guild_json(guild);
    if call.query.get("with_counts").is_some_and(|with| with == "true") {
        value["approximate_member_count"] = json!(guild.members.len() as u64 + guild.crowd);
        value["approximate_presence_count"] = json!(1);
    }
    Ok(Answer::Json(value))
}

/// `GET /guilds/{guild}/channels`: threads are not listed.
pub(super) fn guild_channels(state: &State, id: u64) -> Result<Answer, Refusal> {
    mine(state, id)?;
    let channels = state.channels.values().filter(|channel| channel.guild == Some(id) && channel.kind != 11);
    Ok(Answer::Json(channels.map(|channel| state.channel_json(channel)).collect()))
}

/// `GET /guilds/{guild}/roles`.
pub(super) fn guild_roles(state: &State, id: u64) -> Result<Answer, Refusal> {
    Ok(Answer::Json(State::roles_json(mine(state, id)?)))
}

/// `GET /guilds/{guild}/members/{user}`.
pub(super) fn guild_member(state: &State, id: u64, user: u64) -> Result<Answer, Refusal> {
    let guild = mine(state, id)?;
    if !guild.members.contains_key(&user) {
        return Err(Refusal::new(404, 10007, "Unknown Member"));
    }
    Ok(Answer::Json(state.member_json(guild, user)))
}

/// A channel that the bot can see.
pub(super) fn seen(state: &State, id: u64) -> Result<(&Channel, u64), Refusal> {
    let channel = state.channels.get(&id).ok_or_else(|| Refusal::new(404, 10003, "Unknown Channel"))?;
    if let Some(guild) = channel.guild {
        mine(state, guild).map_err(|refusal| match refusal.code {
            10004 => Refusal::new(404, 10003, "Unknown Channel"),
            _ => refusal,
        })?;
    }
    let permissions = state.permissions(channel, state.bot());
    if permissions & bits::VIEW_CHANNEL == 0 {
        return Err(Refusal::missing_access());
    }
    Ok((channel, permissions))
}

/// `GET /channels/{channel}`.
pub(super) fn channel(state: &State, id: u64) -> Result<Answer, Refusal> {
    let (channel, _) = seen(state, id)?;
    Ok(Answer::Json(state.channel_json(channel)))
}

pub(super) fn needed(channel: &Channel, permissions: u64, bit: u64) -> Result<(), Refusal> {
    if channel.guild.is_some() && permissions & bit == 0 { Err(Refusal::missing_permissions()) } else { Ok(()) }
}

/// May the bot write here at all?
pub(super) fn writable(state: &State, id: u64) -> Result<(&Channel, u64), Refusal> {
    let (channel, permissions) = seen(state, id)?;
    if !matches!(channel.kind, 0 | 1 | 2 | 5 | 11 | 13) {
        return Err(Refusal::new(400, 50008, "Cannot send messages in a non-text channel"));
    }
    let bit = if channel.kind == 11 { bits::SEND_MESSAGES_IN_THREADS } else { bits::SEND_MESSAGES };
    needed(channel, permissions, bit)?;
    if let Some(user) = channel.recipient {
        let closed = state.users.get(&user).is_none_or(|user| user.closed);
        let bot = state.bot();
        let shared = |guild: &Guild| guild.members.contains_key(&user) && guild.members.contains_key(&bot);
        let met = channel.messages.iter().any(|message| message.author == user);
        if closed || !(met || state.guilds.values().any(shared)) {
            return Err(Refusal::new(403, 50007, "Cannot send messages to this user"));
        }
    }
    Ok((channel, permissions))
}

/// `POST /channels/{channel}/typing`.
pub(super) fn typing(state: &State, id: u64) -> Result<Answer, Refusal> {
    writable(state, id)?;
    Ok(Answer::Nothing)
}
