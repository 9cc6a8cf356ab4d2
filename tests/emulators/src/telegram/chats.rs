//! Questions about chats and members, the bot's own profile, answers to button presses. It knows no HTTP. Source: the
//! methods' entries in the Bot API page.

use serde_json::{Value, json};

use super::sending::check_read;
use super::state::{ChatKind, Standing, State, Toast};
use super::wire::{Params, Refusal};

/// How long a press can be answered, in milliseconds. Telegram does not publish the time; clients see minutes.
const QUERY_LIFETIME: i64 = 5 * 60 * 1000;

/// 400 for a chat that the bot never met.
pub(super) fn not_found() -> Refusal {
    Refusal::new(400, "Bad Request: chat not found")
}

/// The chat that `chat_id` means: a number, or `@name` of a public channel or supergroup.
pub(super) fn resolve(state: &State, params: &Params) -> Result<i64, Refusal> {
    let given = params.text("chat_id").ok_or_else(|| Refusal::mistake(400, "Bad Request: chat_id is empty"))?;
    if let Some(name) = given.strip_prefix('@') {
        let public = |chat: &&super::state::ChatRecord| {
            chat.kind != ChatKind::Private && chat.username.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        return state.chats.values().find(public).map(|chat| chat.id).ok_or_else(not_found);
    }
    let id: i64 = given.parse().map_err(|_| not_found())?;
    state.chats.contains_key(&id).then_some(id).ok_or_else(not_found)
}

/// `getMe`.
pub(super) fn get_me(state: &State) -> Value {
    let mut me = state.user_json(state.bot.id);
    me["can_join_groups"] = json!(true);
    me["can_read_all_group_messages"] = json!(!state.privacy);
    for not in ["supports_inline_queries", "can_connect_to_business", "has_main_web_app"] {
        me[not] = json!(false);
    }
    me
}

/// `getChat`.
pub(super) fn get_chat(state: &mut State, params: &Params) -> Result<Value, Refusal> {
    let id = resolve(state, params)?;
    let chat = state.chats.get(&id).ok_or_else(not_found)?;
    check_read(chat)?;
    let mut value = state.chat_json(id);
    value["accent_color_id"] = json!(0);
    value["max_reaction_count"] = json!(11);
    value["accepted_gift_types"] = json!({
        "unlimited_gifts": true, "limited_gifts": true, "unique_gifts": true, "premium_subscription": true,
        "gifts_from_channels": true,
    });
    if let Some((small, big)) = &chat.picture {
        value["photo"] = json!({
            "small_file_id": small, "small_file_unique_id": format!("u{small}"),
            "big_file_id": big, "big_file_unique_id": format!("u{big}"),
        });
    }
    Ok(value)
}

/// `getChatMember`.
pub(super) fn get_member(state: &mut State, params: &Params) -> Result<Value, Refusal> {
    let id = resolve(state, params)?;
    let user = params.need("user_id")?;
    let chat = state.chats.get(&id).ok_or_else(not_found)?;
    check_read(chat)?;
    // A subscriber may ask about itself only.
    if chat.kind == ChatKind::Channel && !chat.bot.is_admin() && user != state.bot.id {
        return Err(Refusal::new(400, "Bad Request: member list is inaccessible"));
    }
    if !state.users.contains_key(&user) && user != state.bot.id {
        return Err(Refusal::new(400, "Bad Request: invalid user_id specified"));
    }
    Ok(state.member_json(chat, user))
}

/// `getChatAdministrators`: people, and other bots only; our bot is listed when it is one.
pub(super) fn get_administrators(state: &mut State, params: &Params) -> Result<Value, Refusal> {
    let id = resolve(state, params)?;
    let chat = state.chats.get(&id).ok_or_else(not_found)?;
    if chat.kind == ChatKind::Private {
        return Err(Refusal::mistake(400, "Bad Request: there are no administrators in the private chat"));
    }
    check_read(chat)?;
    if chat.kind == ChatKind::Channel && !chat.bot.is_admin() {
        return Err(Refusal::new(400, "Bad Request: member list is inaccessible"));
    }
    let people = chat.members.iter().filter(|(_, standing)| standing.is_admin()).map(|(user, _)| *user);
    let bot = chat.bot.is_admin().then_some(state.bot.id);
    Ok(people.chain(bot).map(|user| state.member_json(chat, user)).collect())
}

/// `getChatMemberCount`.
pub(super) fn count_members(state: &mut State, params: &Params) -> Result<Value, Refusal> {
    let id = resolve(state, params)?;
    let chat = state.chats.get(&id).ok_or_else(not_found)?;
    check_read(chat)?;
    let known = chat.members.values().filter(|standing| standing.inside()).count();
    let known = i64::try_from(known + usize::from(chat.bot.inside())).unwrap_or(i64::MAX);
    Ok(json!(if chat.kind == ChatKind::Private { 2 } else { chat.crowd + known }))
}

/// `leaveChat`.
pub(super) fn leave(state: &mut State, params: &Params, now: i64) -> Result<Value, Refusal> {
    let id = resolve(state, params)?;
    let chat = state.chats.get(&id).ok_or_else(not_found)?;
    if chat.kind == ChatKind::Private {
        return Err(Refusal::mistake(400, "Bad Request: private chats can't be left"));
    }
    check_read(chat)?;
    let by = state.bot.id;
    super::acts::change_bot(state, id, by, Standing::Left, now);
    Ok(json!(true))
}

/// `answerCallbackQuery`.
pub(super) fn answer_press(state: &mut State, params: &Params, now: i64) -> Result<Value, Refusal> {
    let id = params.text("callback_query_id").unwrap_or_default();
    let text = params.text("text").unwrap_or_default();
    if super::markup::units(&text) > 200 {
        return Err(Refusal::mistake(400, "Bad Request: MESSAGE_TOO_LONG"));
    }
    let query = state.queries.get_mut(&id).filter(|query| now - query.at < QUERY_LIFETIME && query.answer.is_none());
    let Some(query) = query else {
        let text = "Bad Request: query is too old and response timeout expired or query ID is invalid";
        return Err(Refusal::new(400, text));
    };
    query.answer = Some(Toast { text, alert: params.flag("show_alert"), url: params.text("url") });
    Ok(json!(true))
}

/// Commands are kept for each scope and language.
fn commands_key(params: &Params) -> Result<String, Refusal> {
    let scope = params.json("scope")?.unwrap_or_else(|| json!({ "type": "default" }));
    let kind = scope["type"].as_str().unwrap_or_default();
    let known = ["default", "all_private_chats", "all_group_chats", "all_chat_administrators"];
    let chat = ["chat", "chat_administrators", "chat_member"];
    if !known.contains(&kind) && !chat.contains(&kind) {
        return Err(Refusal::mistake(400, "Bad Request: can't parse BotCommandScope: unsupported type"));
    }
    let detail = |name: &str| scope.get(name).map(ToString::to_string).unwrap_or_default();
    let language = params.text("language_code").unwrap_or_default();
    Ok(format!("{kind} {} {} {language}", detail("chat_id"), detail("user_id")).trim_end().to_owned())
}

/// `setMyCommands`.
pub(super) fn set_commands(state: &mut State, params: &Params) -> Result<Value, Refusal> {
    let list = params.json("commands")?.unwrap_or_default();
    let Some(commands) = list.as_array().filter(|commands| commands.len() <= 100) else {
        return Err(Refusal::mistake(400, "Bad Request: BOT_COMMANDS_TOO_MUCH"));
    };
    for command in commands {
        let name = command["command"].as_str().unwrap_or_default();
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 32 || !name.chars().all(good) {
            return Err(Refusal::mistake(400, "Bad Request: BOT_COMMAND_INVALID"));
        }
        let about = command["description"].as_str().unwrap_or_default();
        if about.is_empty() || super::markup::units(about) > 256 {
            return Err(Refusal::mistake(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID"));
        }
    }
    let key = commands_key(params)?;
    state.commands.insert(key, list);
    Ok(json!(true))
}

/// `getMyCommands`.
pub(super) fn get_commands(state: &mut State, params: &Params) -> Result<Value, Refusal> {
    Ok(state.commands.get(&commands_key(params)?).cloned().unwrap_or_else(|| json!([])))
}

/// `deleteMyCommands`.
pub(super) fn delete_commands(state: &mut State, params: &Params) -> Result<Value, Refusal> {
    state.commands.remove(&commands_key(params)?);
    Ok(json!(true))
}

/// Longest texts of the bot's profile.
const ABOUT: &[(&str, &str, usize)] =
    &[("myname", "name", 64), ("mydescription", "description", 512), ("myshortdescription", "short_description", 120)];

/// `setMyName`, `setMyDescription`, `setMyShortDescription`, `setChatMenuButton`.
pub(super) fn set_about(state: &mut State, params: &Params, what: &str) -> Result<Value, Refusal> {
    if let Some((_, field, limit)) = ABOUT.iter().find(|(name, _, _)| *name == what) {
        let text = params.text(field).unwrap_or_default();
        if super::markup::units(&text) > *limit {
            return Err(Refusal::mistake(400, format!("Bad Request: {field} is too long")));
        }
        state.about.insert(what.to_owned(), text);
    }
    Ok(json!(true))
}

/// `getMyName`, `getMyDescription`, `getMyShortDescription`.
pub(super) fn get_about(state: &State, what: &str) -> Value {
    let field = ABOUT.iter().find(|(name, _, _)| *name == what).map_or("name", |(_, field, _)| *field);
    json!({ field: state.about.get(what).cloned().unwrap_or_default() })
}
