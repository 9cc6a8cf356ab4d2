//! Connecting a Telegram channel or group, and checking that it is still ours. There is no OAuth: the bot stands in the
//! chat as an admin, or it does not. Who may connect the chat was checked before we are asked.

use serde_json::{Value, json};
use url::Url;

use super::wire::{Bot, Chat, Member, User, chat_id};
use crate::domain::Secret;
use crate::domain::fault::{Fault, Operation};
use crate::platforms::words::counted;
use crate::platforms::{Answer, Begun, Consent, Context, Found, Seen};

/// The admin rights that the link asks for (Telegram's deep links): to post, and to delete the posted code.
const RIGHTS: &str = "post_messages+delete_messages";

/// A link that opens Telegram's own "add to a channel as admin" dialog. Only the first of `startchannel` and `startgroup`
/// counts in a link; for groups the hint tells what to do.
pub(super) async fn begin(cx: &Context<'_>) -> Result<Begun, Fault> {
    let bot = Bot::of(cx)?;
    let name = match &cx.app.bot_name {
        Some(name) if !name.is_empty() => name.clone(),
        _ => {
            let me: User = bot.call(Operation::Connect, "getMe", &json!({})).await?;
            me.username.unwrap_or_default()
        }
    };
    let url = Url::parse(&format!("https://t.me/{name}?startchannel&admin={RIGHTS}"))
        .map_err(|_| Fault::Misconfigured { what: format!("TELEGRAM_BOT_USERNAME: {name} is no bot's name") })?;
    Ok(Begun { url: Some(cx.http.link(&url)), keep: Secret::new("") })
}

/// What the bot sees in the chat it stands in.
pub(super) async fn complete(cx: &Context<'_>, answer: Answer) -> Result<Consent, Fault> {
    let Answer::Place(place) = answer else {
        return Err(Fault::rejected(
            "a Telegram chat is connected by adding the bot to it",
            "Add the bot to your channel as an admin.",
        ));
    };
    let bot = Bot::of(cx)?;
    let (chat, member) = look(&bot, Operation::Connect, &place).await?;
    let count: u64 = bot.call(Operation::Connect, "getChatMemberCount", &json!({ "chat_id": chat.id })).await?;
    let name = name(&chat);
    let blocked = hindrance(&chat, &member).map(|(why, fix)| format!("I {why} {name}. {fix} and I will notice."));
    let detail = match chat.kind.as_str() {
        "channel" => format!("channel, {}", counted(count, "subscriber")),
        _ => format!("group, {}", counted(count, "member")),
    };
    let found = Found {
        remote_id: chat.id.to_string(),
        handle: chat.username.clone(),
        url: page(&chat),
        detail: Some(detail),
        meta: meta(&chat),
        blocked,
        name,
    };
    Ok(Consent { grant: None, found: vec![found], missing: Vec::new() })
}

/// Whether the bot can still post in the chat.
pub(super) async fn verify(cx: &Context<'_>, remote_id: &str) -> Result<Seen, Fault> {
    let bot = Bot::of(cx)?;
    let (chat, member) = look(&bot, Operation::Verify, remote_id).await?;
    let name = name(&chat);
    if let Some((why, fix)) = hindrance(&chat, &member) {
        return Err(Fault::AccountLost {
            why: format!("the bot {} {name}", why.replacen("am ", "is ", 1)),
            fix: format!("{fix}."),
        });
    }
    Ok(Seen { handle: chat.username.clone(), url: page(&chat), meta: meta(&chat), name })
}

async fn look(bot: &Bot<'_>, operation: Operation, id: &str) -> Result<(Chat, Member), Fault> {
    let id = chat_id(id);
    let chat: Chat = bot.call(operation, "getChat", &json!({ "chat_id": id })).await?;
    let member = bot.call(operation, "getChatMember", &json!({ "chat_id": id, "user_id": bot.id()? })).await?;
    Ok((chat, member))
}

/// Why the bot can't post there, as (what follows "I", what to do): admins with "Post messages" post in channels, admins
/// in groups.
fn hindrance(chat: &Chat, member: &Member) -> Option<(&'static str, &'static str)> {
    match (chat.kind.as_str(), member.status.as_str()) {
        ("private", _) => Some(("can't publish in the private chat", "Add me to a channel or a group instead")),
        (_, "left" | "kicked") => Some(("am not in", "Add me as an admin")),
        (_, "creator") => None,
        ("channel", "administrator") if member.can_post_messages => None,
        ("channel", "administrator") => Some(("may not post in", "Give me \"Post messages\"")),
        ("channel", _) => Some(("am not an admin of", "Make me one with \"Post messages\"")),
        (_, "administrator") => None,
        _ => Some(("am not an admin of", "Make me one")),
    }
}

fn name(chat: &Chat) -> String {
    chat.title.clone().or_else(|| chat.username.clone()).unwrap_or_else(|| chat.id.to_string())
}

/// The chat's public page, where it has one.
fn page(chat: &Chat) -> Option<String> {
    chat.username.as_ref().map(|name| format!("https://t.me/{name}"))
}

fn meta(chat: &Chat) -> Value {
    json!({ "type": chat.kind, "username": chat.username })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_post_where() {
        for (kind, status, can_post, may) in [
            ("channel", "creator", false, true),
            ("channel", "administrator", true, true),
            ("channel", "administrator", false, false),
            ("channel", "member", false, false),
            ("channel", "left", false, false),
            ("channel", "kicked", true, false),
            ("supergroup", "administrator", false, true),
            ("supergroup", "member", false, false),
            ("supergroup", "restricted", false, false),
            ("group", "administrator", false, true),
            ("group", "kicked", false, false),
            ("private", "member", false, false),
        ] {
            let chat = Chat { id: -1, kind: kind.into(), title: None, username: None };
            let member = Member { status: status.into(), can_post_messages: can_post };
            assert_eq!(hindrance(&chat, &member).is_none(), may, "{status} in a {kind}");
        }
    }
}
