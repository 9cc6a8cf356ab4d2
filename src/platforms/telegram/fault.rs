//! What Telegram's refusals mean. Telegram has one error code per HTTP status and tells the rest in an English
//! description, so the table is one of descriptions (Bot API 10.1 and the Bot API server's source, 2026-05-07). Pure.

use std::time::Duration;

use serde_json::Value;

use crate::domain::Timestamp;
use crate::domain::fault::{Fault, Operation};
use crate::platforms::http::Answer;

/// What a recognised description means.
enum Row {
    /// This chat is lost to us: (why, fix).
    Lost(&'static str, &'static str),
    /// This post or request is refused: (why, fix).
    Refused(&'static str, &'static str),
}

use Row::{Lost, Refused};

const ADD_AGAIN: &str = "Add the bot again as an admin.";
const GIVE_RIGHT: &str = "Make the bot an admin with \"Post messages\".";
const CHECK_FILE: &str = "Check that the file opens, or save it anew as JPEG, PNG or MP4.";

const TOO_OLD: Row = Refused(
    "Telegram lets bots delete a message only in its first 48 hours",
    "Delete it by hand in Telegram: tap the message and choose Delete.",
);

/// Descriptions by a part of them, in lower case; the first that fits counts.
const ROWS: &[(&str, Row)] = &[
    ("bot was kicked", Lost("the bot was removed from the chat", ADD_AGAIN)),
    ("bot is not a member", Lost("the bot is not in the chat", ADD_AGAIN)),
    ("group chat was deleted", Lost("the group was deleted", "Connect another one.")),
    ("bot was blocked by the user", Lost("the person blocked the bot", "They can unblock it in Telegram.")),
    ("user is deactivated", Lost("the person's account was deleted", "Connect another chat.")),
    ("chat not found", Lost("Telegram does not know the chat, or the bot is not in it", ADD_AGAIN)),
    ("not enough rights to send", Lost("the bot may not post in the chat", GIVE_RIGHT)),
    ("have no rights to send", Lost("the bot may not post in the chat", GIVE_RIGHT)),
    ("need administrator rights", Lost("the bot is no longer an admin of the channel", GIVE_RIGHT)),
    ("chat_write_forbidden", Lost("the bot may not post in the chat", GIVE_RIGHT)),
    ("message can't be deleted", TOO_OLD),
    ("message_delete_forbidden", TOO_OLD),
    ("message is too long", Refused("the text is longer than 4,096 characters", "Shorten it.")),
    ("caption is too long", Refused("the text beside the media is too long", "Shorten it.")),
    ("message text is empty", Refused("the post has no text", "Write something, or add a picture.")),
    ("message must be non-empty", Refused("the post has no text", "Write something, or add a picture.")),
    ("can't parse entities", Refused("Telegram could not read the formatting", "Send the post without formatting.")),
    ("entity_", Refused("Telegram could not read the formatting", "Send the post without formatting.")),
    (
        "can't use the media of the specified type in the album",
        Refused("one of the files can't be part of an album", "Send it in a post of its own."),
    ),
    (
        "photo_invalid_dimensions",
        Refused(
            "the picture is too large or too narrow",
            "Width and height together may be 10,000 pixels, 20:1 at most.",
        ),
    ),
    ("image_process_failed", Refused("Telegram could not read the picture", CHECK_FILE)),
    ("photo_ext_invalid", Refused("Telegram does not take this kind of picture", CHECK_FILE)),
    ("file must be non-empty", Refused("a file is empty", CHECK_FILE)),
    ("is too big", Refused("a file is too big", "Pictures may have 10 MB, other files 50 MB.")),
    ("request entity too large", Refused("a file is too big", "Pictures may have 10 MB, other files 50 MB.")),
    ("topic_closed", Refused("the topic is closed", "Open the topic in Telegram.")),
];

/// The verdict on an answer that is no success.
pub(super) fn verdict(operation: Operation, answer: &Answer, now: Timestamp) -> Fault {
    let body = answer.json();
    let description = body["description"].as_str().unwrap_or_default();
    // "group chat was upgraded to a supergroup chat": nothing was done under the old id.
    if let Some(to) = body["parameters"]["migrate_to_chat_id"].as_i64() {
        return Fault::AccountMoved { to: to.to_string() };
    }
    match answer.status {
        429 => {
            return Fault::Transient {
                retry_after: pause(&body, answer, now),
                why: "Telegram asks for a pause".into(),
            };
        }
        401 => return token("Telegram refuses it; it was revoked"),
        // Only a malformed token gives this; a chat that is not found is a 400.
        404 if description.eq_ignore_ascii_case("not found") => return token("it does not look like a bot's token"),
        400..=499 => {}
        status => {
            return Fault::unanswered(operation, format!("Telegram answered with an error of its own ({status})"));
        }
    }
    let sought = if answer.status == 413 { "request entity too large".to_owned() } else { description.to_lowercase() };
    match ROWS.iter().find(|(part, _)| sought.contains(part)).map(|(_, row)| row) {
        // While connecting there is no account yet that could be lost.
        Some(Lost(why, fix)) if operation == Operation::Connect => Fault::rejected(*why, *fix),
        Some(Lost(why, fix)) => Fault::AccountLost { why: (*why).into(), fix: (*fix).into() },
        Some(Refused(why, fix)) => Fault::rejected(*why, *fix),
        None => unknown(operation, answer.status, description),
    }
}

/// A refusal that nobody recognises: never repeated on a guess when it was about a post, never held against an account.
fn unknown(operation: Operation, status: u16, description: &str) -> Fault {
    let said = description.trim_start_matches("Bad Request: ").trim_start_matches("Forbidden: ");
    let why = match said {
        "" => format!("Telegram refused it ({status})"),
        said => format!("Telegram refused it: {said}"),
    };
    match operation {
        Operation::Verify | Operation::Find | Operation::Renew => Fault::transient(why),
        _ => Fault::rejected(why, "Look at the post and the chat's settings, then try again."),
    }
}

fn token(what: &str) -> Fault {
    Fault::Misconfigured { what: format!("TELEGRAM_BOT_TOKEN: {what}. Ask @BotFather for the current one.") }
}

fn pause(body: &Value, answer: &Answer, now: Timestamp) -> Option<Duration> {
    body["parameters"]["retry_after"].as_u64().map(Duration::from_secs).or_else(|| answer.retry_after(now))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.into() }
    }

    fn said(operation: Operation, status: u16, description: &str) -> Fault {
        let body = json!({ "ok": false, "error_code": status, "description": description });
        verdict(operation, &answer(status, body.to_string()), Timestamp::UNIX_EPOCH)
    }

    fn is_lost(fault: &Fault) -> bool {
        matches!(fault, Fault::AccountLost { .. })
    }

    fn is_refused(fault: &Fault) -> bool {
        matches!(fault, Fault::Rejected { .. })
    }

    #[test]
    fn chats_that_are_lost() {
        for (status, description) in [
            (403, "Forbidden: bot was kicked from the group chat"),
            (403, "Forbidden: bot was kicked from the supergroup chat"),
            (403, "Forbidden: bot was kicked from the channel chat"),
            (403, "Forbidden: bot is not a member of the group chat"),
            (403, "Forbidden: bot is not a member of the supergroup chat"),
            (403, "Forbidden: bot is not a member of the channel chat"),
            (403, "Forbidden: the group chat was deleted"),
            (403, "Forbidden: bot was blocked by the user"),
            (403, "Forbidden: user is deactivated"),
            (400, "Bad Request: chat not found"),
            (400, "Bad Request: not enough rights to send text messages to the chat"),
            (400, "Bad Request: not enough rights to send photos to the chat"),
            (400, "Bad Request: have no rights to send a message"),
            (400, "Bad Request: need administrator rights in the channel chat"),
            (400, "Bad Request: CHAT_WRITE_FORBIDDEN"),
        ] {
            for operation in [Operation::Verify, Operation::Send, Operation::Delete] {
                let fault = said(operation, status, description);
                assert!(is_lost(&fault), "{description}: {fault:?}");
            }
            assert!(is_refused(&said(Operation::Connect, status, description)), "{description}");
        }
    }

    #[test]
    fn posts_that_are_refused() {
        for description in [
            "Bad Request: message is too long",
            "Bad Request: message caption is too long",
            "Bad Request: message text is empty",
            "Bad Request: can't parse entities: unexpected end tag",
            "Bad Request: ENTITY_BOUNDS_INVALID",
            "Bad Request: can't use the media of the specified type in the album",
            "Bad Request: PHOTO_INVALID_DIMENSIONS",
            "Bad Request: IMAGE_PROCESS_FAILED",
            "Bad Request: PHOTO_EXT_INVALID",
            "Bad Request: file must be non-empty",
            "Bad Request: file is too big",
            "Bad Request: file of size 10485761 bytes is too big for a photo; the maximum size is 10485760 bytes",
            "Bad Request: TOPIC_CLOSED",
            "Bad Request: something nobody has seen",
        ] {
            assert!(is_refused(&said(Operation::Send, 400, description)), "{description}");
        }
        for description in ["Bad Request: message can't be deleted", "Bad Request: MESSAGE_DELETE_FORBIDDEN"] {
            let fault = said(Operation::Delete, 400, description);
            assert!(matches!(&fault, Fault::Rejected { why, .. } if why.contains("48 hours")), "{fault:?}");
        }
        let html = answer(413, "<html>413 Request Entity Too Large</html>");
        let fault = verdict(Operation::Send, &html, Timestamp::UNIX_EPOCH);
        assert!(matches!(&fault, Fault::Rejected { why, .. } if why == "a file is too big"), "{fault:?}");
    }

    #[test]
    fn a_bad_token_touches_no_account() {
        for (status, description) in [(401, "Unauthorized"), (404, "Not Found")] {
            for operation in [Operation::Connect, Operation::Verify, Operation::Send] {
                let fault = said(operation, status, description);
                assert!(
                    matches!(&fault, Fault::Misconfigured { what } if what.contains("TELEGRAM_BOT_TOKEN")),
                    "{fault:?}"
                );
            }
        }
    }

    #[test]
    fn a_wish_for_a_pause_is_kept() {
        let body = json!({ "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 7",
            "parameters": { "retry_after": 7 } });
        let fault = verdict(Operation::Send, &answer(429, body.to_string()), Timestamp::UNIX_EPOCH);
        assert!(matches!(fault, Fault::Transient { retry_after: Some(pause), .. } if pause.as_secs() == 7));
        let mut bare = answer(429, "slow down");
        bare.headers.insert("retry-after", http::HeaderValue::from_static("9"));
        let fault = verdict(Operation::Verify, &bare, Timestamp::UNIX_EPOCH);
        assert!(matches!(fault, Fault::Transient { retry_after: Some(pause), .. } if pause.as_secs() == 9));
    }

    #[test]
    fn an_upgraded_group_tells_its_new_id() {
        let body = json!({ "ok": false, "error_code": 400,
            "description": "Bad Request: group chat was upgraded to a supergroup chat",
            "parameters": { "migrate_to_chat_id": -1_001_234_567_890_i64 } });
        let fault = verdict(Operation::Send, &answer(400, body.to_string()), Timestamp::UNIX_EPOCH);
        assert_eq!(fault, Fault::AccountMoved { to: "-1001234567890".into() });
    }

    #[test]
    fn errors_of_telegrams_own_leave_a_send_in_doubt_and_nothing_else() {
        for body in
            ["<html>502 Bad Gateway</html>", r#"{"ok":false,"error_code":500,"description":"Internal Server Error"}"#]
        {
            for (operation, in_doubt) in
                [(Operation::Send, true), (Operation::Verify, false), (Operation::Delete, false)]
            {
                let fault = verdict(operation, &answer(502, body), Timestamp::UNIX_EPOCH);
                assert_eq!(matches!(fault, Fault::InDoubt { .. }), in_doubt, "{fault:?}");
                assert_eq!(matches!(fault, Fault::Transient { .. }), !in_doubt, "{fault:?}");
            }
        }
    }

    #[test]
    fn an_unknown_refusal_of_a_check_is_no_verdict() {
        assert!(matches!(said(Operation::Verify, 400, "Bad Request: brand new"), Fault::Transient { .. }));
        assert!(matches!(said(Operation::Verify, 403, "Forbidden: brand new"), Fault::Transient { .. }));
    }
}
