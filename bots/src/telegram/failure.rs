//! What a failed call means: teloxide's `RequestError` to [`Failure`]. The HTTP status and `error_code` are not in that
//! type, only the description, so the description decides, by a table. No text that leaves here holds the bot's token.

use std::error::Error;

use teloxide::{ApiError, RequestError};

use crate::surface::Failure;

/// What the callers inside this surface tell apart, beyond [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// 401, or 404 on a method: the token was refused.
    Unauthorized,
    /// 429: wait exactly as long as told.
    SlowDown,
    /// 5xx, or no answer.
    Retry,
    /// Another process polls with this token (409).
    Conflict,
    /// A webhook is set, so polling is refused (409).
    WebhookActive,
    /// An edit that changes nothing.
    NotModified,
    /// The message to edit or delete is not there any more.
    Missing,
    /// The message is there, but may not be edited or deleted.
    Locked,
    /// The message is of another kind (media, text) than the edit.
    OtherKind,
    /// A button's link is not one that Telegram takes.
    ButtonLink,
    /// The button press was answered before, or is too old.
    QueryTooOld,
    /// The person is not in the chat.
    NotThere,
    /// The file is larger than bots may fetch.
    TooLarge,
    /// The chat can't be written to.
    Unreachable,
    /// The group has another id now.
    Moved,
    /// Anything else.
    Refused,
}

/// Fragments of Telegram's descriptions, in lower case; the first that fits decides. From the Bot API server's source and
/// teloxide's `ApiError`, in capitals where the core's own names shine through.
const DESCRIPTIONS: &[(&str, Class)] = &[
    ("message is not modified", Class::NotModified),
    ("message to edit not found", Class::Missing),
    ("message to delete not found", Class::Missing),
    ("message_id_invalid", Class::Missing),
    ("message identifier is not specified", Class::Missing),
    ("message can't be edited", Class::Locked),
    ("message can't be deleted", Class::Locked),
    ("no text in the message to edit", Class::OtherKind),
    ("no caption in the message to edit", Class::OtherKind),
    ("message content type can't be", Class::OtherKind),
    ("query is too old", Class::QueryTooOld),
    ("query_id_invalid", Class::QueryTooOld),
    ("button_url_invalid", Class::ButtonLink),
    ("inline keyboard button url", Class::ButtonLink),
    ("while webhook is active", Class::WebhookActive),
    ("conflict", Class::Conflict),
    ("terminated by other getupdates", Class::Conflict),
    ("file is too big", Class::TooLarge),
    ("user not found", Class::NotThere),
    ("member not found", Class::NotThere),
    ("participant_id_invalid", Class::NotThere),
    ("user_not_participant", Class::NotThere),
    ("chat not found", Class::Unreachable),
    ("peer_id_invalid", Class::Unreachable),
    ("group is deactivated", Class::Unreachable),
    ("chat_write_forbidden", Class::Unreachable),
    ("not enough rights to send", Class::Unreachable),
    ("have no rights to send", Class::Unreachable),
    ("need administrator rights", Class::Unreachable),
    ("message thread not found", Class::Unreachable),
    ("topic_closed", Class::Unreachable),
    ("topic_deleted", Class::Unreachable),
    ("bot was kicked", Class::Unreachable),
    ("bot can't initiate conversation", Class::Unreachable),
    ("can't send messages to bots", Class::Unreachable),
    ("forbidden", Class::Unreachable),
    ("too many requests", Class::SlowDown),
    ("internal server error", Class::Retry),
    ("bad gateway", Class::Retry),
    ("service unavailable", Class::Retry),
    ("gateway timeout", Class::Retry),
    ("request timeout", Class::Retry),
];

/// How long to wait where Telegram gives no time: seconds.
const RETRY_AFTER: u64 = 5;

/// A failed call: what it means to the caller outside, and what it is for us.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub class: Class,
    pub failure: Failure,
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        trouble.failure
    }
}

impl Trouble {
    /// Try again; `why` must hold nothing secret.
    pub(super) fn retry(why: impl Into<String>) -> Self {
        Self { class: Class::Retry, failure: Failure::Retry { after: RETRY_AFTER, why: why.into() } }
    }

    /// Reads teloxide's error, keeping `token` out of every text.
    pub(super) fn new(error: &RequestError, token: &str) -> Self {
        match error {
            RequestError::RetryAfter(seconds) => Self {
                class: Class::SlowDown,
                failure: Failure::Retry { after: seconds.seconds().into(), why: "Telegram asks to slow down".into() },
            },
            RequestError::MigrateToChatId(chat) => {
                Self { class: Class::Moved, failure: Failure::Moved(chat.0.to_string()) }
            }
            RequestError::Api(ApiError::InvalidToken) => Self {
                class: Class::Unauthorized,
                failure: Failure::Unauthorized("Telegram does not know this bot token".into()),
            },
            RequestError::Api(ApiError::Unknown(description)) => Self::described(description, token),
            RequestError::Api(known) => Self::described(&known.to_string(), token),
            // Its own text would hold the URL, and with it the token: teloxide hides it only in URLs of the usual form.
            RequestError::Network(error) => Self::retry(network(error, token)),
            // What came instead of JSON (a proxy's error page) tells nothing, and may hold anything.
            RequestError::InvalidJson { .. } => Self::retry("Telegram answered with something unreadable"),
            RequestError::Io(error) => {
                Self { class: Class::Refused, failure: Failure::Refused(format!("a file could not be read: {error}")) }
            }
        }
    }

    fn described(description: &str, token: &str) -> Self {
        let lower = description.to_lowercase();
        let class =
            DESCRIPTIONS.iter().find(|(part, _)| lower.contains(part)).map_or(Class::Refused, |(_, class)| *class);
        let why = scrub(description, token);
        let failure = match class {
            Class::SlowDown | Class::Retry | Class::Conflict | Class::WebhookActive => {
                Failure::Retry { after: RETRY_AFTER, why }
            }
            Class::Missing | Class::Locked | Class::OtherKind | Class::NotModified => Failure::Gone(why),
            Class::Unreachable | Class::NotThere => Failure::Unreachable(why),
            Class::Unauthorized => Failure::Unauthorized(why),
            Class::TooLarge => Failure::TooLarge { limit: super::files::FETCH_LIMIT },
            Class::ButtonLink | Class::QueryTooOld | Class::Moved | Class::Refused => Failure::Refused(why),
        };
        Self { class, failure }
    }
}

/// Says in our own words what went wrong on the way, with the innermost cause (which knows no URL).
pub(super) fn network(error: &reqwest_012::Error, token: &str) -> String {
    let what = if error.is_timeout() {
        "Telegram did not answer in time"
    } else if error.is_connect() {
        "could not connect to Telegram"
    } else {
        "the connection to Telegram broke"
    };
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(inner) = cause.and_then(Error::source) {
        cause = Some(inner);
    }
    match cause {
        Some(cause) => format!("{what} ({})", scrub(&cause.to_string(), token)),
        None => what.to_owned(),
    }
}

/// Takes the token out of a text, in the form it has in URLs too.
pub(super) fn scrub(text: &str, token: &str) -> String {
    if token.is_empty() {
        return text.to_owned();
    }
    let mut clean = text.replace(token, "•••").replace(&token.replace(':', "%3A"), "•••");
    if let Some((_, secret)) = token.split_once(':')
        && !secret.is_empty()
    {
        clean = clean.replace(secret, "•••");
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(description: &str) -> Trouble {
        let error: ApiError = serde_json::from_value(serde_json::json!(description)).unwrap();
        Trouble::new(&RequestError::Api(error), "1:SECRET")
    }

    #[test]
    fn descriptions_are_told_apart() {
        let cases = [
            ("Unauthorized", Class::Unauthorized),
            ("Not Found", Class::Unauthorized),
            ("Forbidden: bot was blocked by the user", Class::Unreachable),
            ("Forbidden: bot was kicked from the group chat", Class::Unreachable),
            ("Forbidden: bot was kicked from the supergroup chat", Class::Unreachable),
            ("Forbidden: bot is not a member of the channel chat", Class::Unreachable),
            ("Forbidden: the group chat was deleted", Class::Unreachable),
            ("Forbidden: user is deactivated", Class::Unreachable),
            ("Bad Request: chat not found", Class::Unreachable),
            ("Bad Request: not enough rights to send text messages to the chat", Class::Unreachable),
            ("Bad Request: need administrator rights in the channel chat", Class::Unreachable),
            ("Bad Request: CHAT_WRITE_FORBIDDEN", Class::Unreachable),
            ("Bad Request: message thread not found", Class::Unreachable),
            ("Bad Request: message can't be edited", Class::Locked),
            ("Bad Request: message to edit not found", Class::Missing),
            ("Bad Request: there is no text in the message to edit", Class::OtherKind),
            ("Bad Request: message is not modified", Class::NotModified),
            ("Bad Request: BUTTON_URL_INVALID", Class::ButtonLink),
            ("Bad Request: query is too old and response timeout expired or query ID is invalid", Class::QueryTooOld),
            ("Bad Request: file is too big", Class::TooLarge),
            ("Internal Server Error", Class::Retry),
            ("Bad Gateway", Class::Retry),
            (
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                Class::Conflict,
            ),
            (
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
                Class::WebhookActive,
            ),
            ("Bad Request: something new", Class::Refused),
        ];
        for (description, class) in cases {
            assert_eq!(of(description).class, class, "{description}");
        }
    }

    #[test]
    fn no_form_of_the_token_survives() {
        let trouble = of("Bad Request: at /bot1:SECRET/x and bot1%3ASECRET and SECRET");
        assert!(!format!("{trouble:?}").contains("SECRET"), "{trouble:?}");
    }
}
