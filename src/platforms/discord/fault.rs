//! What Discord's refusals mean: a table of its error codes (discord-api-docs topics/opcodes-and-status-codes and
//! discord-api-spec, 2026-07-18). The same code says different things about a server and about one of its channels. Pure.

use std::time::Duration;

use serde_json::Value;

use crate::domain::Timestamp;
use crate::domain::fault::{Fault, Operation};
use crate::platforms::http::Answer;
use crate::platforms::oauth;

/// What a call was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// The server itself: its loss is the account's.
    Guild,
    /// One channel: its loss is only that post's.
    Channel,
}

/// A recognised code: (code, why, fix).
type Row = (i64, &'static str, &'static str);

/// Why files are refused for their size; alone or together is not told.
pub(super) const TOO_LARGE: &str = "the files are too large for this server";
const ADD_AGAIN: &str = "Invite the bot to the server again.";

/// On calls about the server, these end the account.
const LOST: &[Row] = &[
    (50001, "the bot was removed from the server", ADD_AGAIN),
    (10004, "the server is gone, or the bot was removed from it", ADD_AGAIN),
];

/// On calls about a channel, these refuse the post.
const REFUSED: &[Row] = &[
    (50001, "the bot can't see the channel", "Give its role \"View Channel\" there, or choose another channel."),
    (
        50013,
        "the bot may not do that in the channel",
        "Give its role \"Send Messages\", \"Attach Files\" and \"Embed Links\" there, or choose another channel.",
    ),
    (10003, "the channel was deleted", "Choose another channel."),
    (10008, "the message was deleted", "Nothing needs doing."),
    (50008, "the channel takes no messages of this kind", "Choose a text or announcement channel."),
    (50006, "the message is empty", "Write something, or add a picture."),
    (40005, TOO_LARGE, "Make them smaller, or send fewer at once."),
    (50045, TOO_LARGE, "Make them smaller, or send fewer at once."),
    (200_000, "the server's AutoMod blocked the text", "Change the words, or ask the server's moderators."),
    (200_001, "the server's AutoMod blocked the title", "Change the words, or ask the server's moderators."),
    (240_000, "Discord blocked a link in the text as harmful", "Remove the link."),
    (20009, "Discord holds a picture for explicit content", "Choose another picture."),
    (50005, "the message is not the bot's own", "Delete it by hand in Discord."),
];

/// How long to keep away after the edge turned us off: more than 10,000 refused calls in 10 minutes ban an address for a
/// while.
const EDGE_PAUSE: Duration = Duration::from_secs(600);
/// The longest pause that is believed.
const LONGEST_PAUSE: f64 = 86_400.0;

/// The verdict on an answer of the API that is no success.
pub(super) fn verdict(operation: Operation, on: On, answer: &Answer, now: Timestamp) -> Fault {
    let body = answer.json();
    let code = body["code"].as_i64().unwrap_or_default();
    // 20016 slow mode, 20028 too many messages in the channel: the pause may come with another status than 429.
    if answer.status == 429 || matches!(code, 20016 | 20028) {
        let what =
            if body["global"] == true { "Discord asks for a pause of all calls" } else { "Discord asks for a pause" };
        return Fault::Transient { retry_after: pause(&body).or_else(|| answer.retry_after(now)), why: what.into() };
    }
    // 130000: the resource is overloaded.
    if !(400..500).contains(&answer.status) || code == 130_000 {
        return Fault::unanswered(operation, format!("Discord answered with an error of its own ({})", answer.status));
    }
    if answer.status == 401 {
        let what = "DISCORD_BOT_TOKEN: Discord refuses it. Reset it in the developer portal (Bot → Reset Token).";
        return Fault::Misconfigured { what: what.into() };
    }
    if answer.status == 413 {
        return refused(40005).unwrap_or_else(|| unknown(operation, answer.status, &body));
    }
    // Not the API's own answer but its edge's: the call never reached Discord.
    if !body.is_object() {
        let retry_after = answer.retry_after(now).or(Some(EDGE_PAUSE));
        return Fault::Transient { retry_after, why: "Discord's front door turned us away".into() };
    }
    if on == On::Guild
        && let Some((_, why, fix)) = LOST.iter().find(|row| row.0 == code)
    {
        // While connecting there is no account yet that could be lost.
        return if operation == Operation::Connect {
            Fault::rejected(*why, *fix)
        } else {
            Fault::AccountLost { why: (*why).into(), fix: (*fix).into() }
        };
    }
    if on == On::Channel
        && let Some(fault) = refused(code)
    {
        return fault;
    }
    unknown(operation, answer.status, &body)
}

/// The verdict of the token and revocation endpoints.
pub(super) fn token(operation: Operation, answer: &Answer, now: Timestamp) -> Fault {
    if answer.json()["error"] == "invalid_client" {
        let what = "DISCORD_CLIENT_ID or DISCORD_CLIENT_SECRET: Discord refuses them. The secret is on the page OAuth2 of \
                    the developer portal; the \"Public Key\" is another thing.";
        return Fault::Misconfigured { what: what.into() };
    }
    oauth::verdict(operation, answer, "Discord").unwrap_or_else(|| match answer.status {
        401 => Fault::Misconfigured { what: "DISCORD_CLIENT_SECRET: Discord refuses it".into() },
        _ => verdict(operation, On::Guild, answer, now),
    })
}

fn refused(code: i64) -> Option<Fault> {
    REFUSED.iter().find(|row| row.0 == code).map(|(_, why, fix)| Fault::rejected(*why, *fix))
}

/// A refusal that nobody recognises, in Discord's own words: never repeated on a guess when it was about a post, never
/// held against an account.
fn unknown(operation: Operation, status: u16, body: &Value) -> Fault {
    let said = detail(&body["errors"]).or(body["message"].as_str()).map(oauth::sentence);
    let why = match said {
        Some(said) => format!("Discord refused it: {said}"),
        None => format!("Discord refused it ({status})"),
    };
    match operation {
        Operation::Verify | Operation::Find | Operation::Renew => Fault::transient(why),
        _ => Fault::rejected(why, "Look at the post and the server's settings, then try again."),
    }
}

/// The first sentence in the tree of field errors that 50035 (invalid form body) carries.
fn detail(errors: &Value) -> Option<&str> {
    if let Some(message) = errors["_errors"][0]["message"].as_str() {
        return Some(message);
    }
    errors.as_object()?.values().find_map(detail)
}

/// `retry_after` is a float of seconds here.
fn pause(body: &Value) -> Option<Duration> {
    let seconds = body["retry_after"].as_f64()?.clamp(0.0, LONGEST_PAUSE);
    Duration::try_from_secs_f64(seconds).ok()
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

    fn said(operation: Operation, on: On, status: u16, body: Value) -> Fault {
        verdict(operation, on, &answer(status, body.to_string()), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_lost_server_ends_the_account_and_a_lost_channel_only_the_post() {
        for (status, code, message) in [(403, 50001, "Missing Access"), (404, 10004, "Unknown Guild")] {
            let body = json!({ "code": code, "message": message });
            let fault = said(Operation::Verify, On::Guild, status, body.clone());
            assert!(matches!(fault, Fault::AccountLost { .. }), "{fault:?}");
            let fault = said(Operation::Connect, On::Guild, status, body.clone());
            assert!(matches!(fault, Fault::Rejected { .. }), "{fault:?}");
            let fault = said(Operation::Send, On::Channel, status, body);
            assert!(matches!(fault, Fault::Rejected { .. }), "{fault:?}");
        }
    }

    #[test]
    fn posts_that_are_refused() {
        for (status, code) in [
            (403, 50001),
            (403, 50013),
            (404, 10003),
            (404, 10008),
            (400, 50035),
            (400, 40005),
            (413, 40005),
            (400, 50006),
            (400, 50008),
            (400, 50045),
            (400, 200_000),
            (400, 200_001),
            (400, 240_000),
            (400, 20009),
            (403, 50005),
            (400, 999_999),
        ] {
            let fault = said(Operation::Send, On::Channel, status, json!({ "code": code, "message": "no" }));
            assert!(matches!(fault, Fault::Rejected { .. }), "{code}: {fault:?}");
        }
        let html = answer(413, "<html>Request Entity Too Large</html>");
        let fault = verdict(Operation::Send, On::Channel, &html, Timestamp::UNIX_EPOCH);
        assert!(matches!(&fault, Fault::Rejected { why, .. } if why.contains("too large")), "{fault:?}");
    }

    #[test]
    fn field_errors_are_told_in_discords_words() {
        let body = json!({ "code": 50035, "message": "Invalid Form Body",
            "errors": { "embeds": { "0": { "title": { "_errors": [{ "code": "X", "message": "Must be 256 or fewer in length." }] } } } } });
        let fault = said(Operation::Send, On::Channel, 400, body);
        assert!(matches!(&fault, Fault::Rejected { why, .. } if why.contains("256 or fewer")), "{fault:?}");
    }

    #[test]
    fn pauses_are_floats_of_seconds() {
        for (status, code) in [(429, 0), (429, 20028), (403, 20016), (429, 20016)] {
            let body = json!({ "code": code, "message": "slow", "retry_after": 0.357, "global": status == 429 });
            let fault = said(Operation::Send, On::Channel, status, body);
            assert!(
                matches!(fault, Fault::Transient { retry_after: Some(pause), .. } if pause.as_millis() == 357),
                "{fault:?}"
            );
        }
        let mut html = answer(429, "<html>");
        html.headers.insert("retry-after", http::HeaderValue::from_static("65"));
        let fault = verdict(Operation::Verify, On::Guild, &html, Timestamp::UNIX_EPOCH);
        assert!(matches!(fault, Fault::Transient { retry_after: Some(pause), .. } if pause.as_secs() == 65));
    }

    #[test]
    fn a_bad_bot_token_touches_no_account() {
        for operation in [Operation::Connect, Operation::Verify, Operation::Send] {
            for on in [On::Guild, On::Channel] {
                let fault = said(operation, on, 401, json!({ "message": "401: Unauthorized", "code": 0 }));
                assert!(
                    matches!(&fault, Fault::Misconfigured { what } if what.contains("DISCORD_BOT_TOKEN")),
                    "{fault:?}"
                );
            }
        }
    }

    #[test]
    fn bad_app_credentials_name_the_setting() {
        let body = json!({ "error": "invalid_client" }).to_string();
        let fault = token(Operation::Connect, &answer(401, body), Timestamp::UNIX_EPOCH);
        assert!(matches!(&fault, Fault::Misconfigured { what } if what.contains("DISCORD_CLIENT_SECRET")), "{fault:?}");
        let body = json!({ "error": "invalid_grant", "error_description": "Invalid \"code\" in request." }).to_string();
        let fault = token(Operation::Connect, &answer(400, body), Timestamp::UNIX_EPOCH);
        assert!(matches!(fault, Fault::Rejected { .. }), "{fault:?}");
        let fault = token(Operation::Connect, &answer(503, "<html>"), Timestamp::UNIX_EPOCH);
        assert!(matches!(fault, Fault::Transient { .. }), "{fault:?}");
    }

    #[test]
    fn errors_of_discords_own_leave_a_send_in_doubt_and_nothing_else() {
        for answer in [answer(502, "<html>"), answer(500, r#"{"message":"500: Internal Server Error","code":0}"#)] {
            for (operation, in_doubt) in [(Operation::Send, true), (Operation::Verify, false)] {
                let fault = verdict(operation, On::Channel, &answer, Timestamp::UNIX_EPOCH);
                assert_eq!(matches!(fault, Fault::InDoubt { .. }), in_doubt, "{fault:?}");
                assert_eq!(matches!(fault, Fault::Transient { .. }), !in_doubt, "{fault:?}");
            }
        }
        let overloaded = json!({ "code": 130_000, "message": "API resource is currently overloaded" });
        assert!(matches!(said(Operation::Verify, On::Guild, 503, overloaded), Fault::Transient { .. }));
    }

    #[test]
    fn the_edge_is_not_the_api() {
        let fault =
            verdict(Operation::Send, On::Channel, &answer(403, "<html>error 1015</html>"), Timestamp::UNIX_EPOCH);
        assert!(matches!(fault, Fault::Transient { retry_after: Some(pause), .. } if pause == EDGE_PAUSE), "{fault:?}");
    }

    #[test]
    fn an_unknown_refusal_of_a_check_is_no_verdict() {
        let fault = said(Operation::Verify, On::Guild, 403, json!({ "code": 40002, "message": "verify first" }));
        assert!(matches!(fault, Fault::Transient { .. }), "{fault:?}");
    }
}
