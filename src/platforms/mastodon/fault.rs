//! What a Mastodon server's refusals mean: one pure function over operation, status, headers and body. Texts are those
//! of `config/locales/en.yml` and Doorkeeper (mastodon/mastodon), GoToSocial's and Pleroma's own where they differ.

use std::time::Duration;

use serde_json::Value;

use crate::domain::Timestamp;
use crate::domain::fault::{Fault, Operation};
use crate::platforms::http::Answer;
use crate::platforms::oauth;

#[cfg(test)]
mod tests;

/// Asked of a server that is still working on a file.
const PROCESSING_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause that a reset time may ask for: the longest window there is (media, deletions).
const LONGEST_RESET: Duration = Duration::from_secs(30 * 60);

/// The verdict on an answer that is no success.
pub(super) fn fault(operation: Operation, answer: &Answer, now: Timestamp) -> Fault {
    let json = answer.json();
    let error = json.get("error").and_then(Value::as_str).unwrap_or_default();
    let text = error.to_lowercase();
    let said = |otherwise: &str| if error.is_empty() { otherwise.to_owned() } else { oauth::sentence(error) };
    match answer.status {
        429 => {
            return Fault::Transient {
                retry_after: answer.retry_after(now).or_else(|| reset(answer, now)),
                why: "the server asks us to slow down".into(),
            };
        }
        // 503 is maintenance. On the visible call the server may have worked on.
        408 | 500..=599 if operation.is_single_use() => {
            return Fault::InDoubt { why: format!("the server failed (status {})", answer.status) };
        }
        408 | 500..=599 => {
            return Fault::Transient {
                retry_after: answer.retry_after(now),
                why: format!("the server fails at the moment (status {})", answer.status),
            };
        }
        // Front ends refuse a large body before Mastodon sees it, with a page of their own.
        413 => {
            return Fault::rejected(
                "The server refused a file because it is too large.",
                "Send a smaller file, or ask the server's administrator.",
            );
        }
        _ => {}
    }
    if matches!(operation, Operation::Connect | Operation::Renew | Operation::Revoke)
        && let Some(fault) = oauth::verdict(operation, answer, "the server")
    {
        return fault;
    }
    if operation == Operation::Connect {
        return connecting(answer, &said, login(&text));
    }
    // A page instead of JSON comes from a front end (a challenge, a notice): Mastodon has not spoken.
    if json.is_null() {
        return Fault::transient(format!("the server answered a page instead of data (status {})", answer.status));
    }
    if let Some((why, fix)) = login(&text) {
        return Fault::AccountLost { why: why.into(), fix: fix.into() };
    }
    match (answer.status, operation) {
        // Doorkeeper: "The access token is invalid", "… was revoked", "… expired". Localised, so the status decides.
        (401, _) => {
            let why = if text.contains("revoked") {
                "the access was revoked on the server"
            } else if text.contains("expired") {
                "the access expired on the server"
            } else {
                "the server no longer accepts our access"
            };
            Fault::GrantDead { why: why.into() }
        }
        // Pleroma's word for a dead token.
        (403, _) if text.starts_with("invalid credentials") => {
            Fault::GrantDead { why: "the server no longer accepts our access".into() }
        }
        (403, _) if text.contains("outside the authorized scopes") || text.contains("insufficient permissions") => {
            Fault::AccountLost {
                why: "the permission to post was not given".into(),
                fix: "Reconnect, and agree to everything that is asked.".into(),
            }
        }
        (422, Operation::Send) if text.contains("not finished processing") => Fault::Transient {
            retry_after: Some(PROCESSING_PAUSE),
            why: "the server is still working on a file".into(),
        },
        (422, Operation::Send) if text.contains("can't be blank") => {
            Fault::rejected("The post has no text.", "Write something, or add a picture.")
        }
        (422, Operation::Send) if text.contains("character limit") => {
            Fault::rejected(said(""), "Shorten the text or its content warning.")
        }
        (404 | 422, Operation::Send) if text.contains("not found") || text.contains("could not be found") => {
            Fault::rejected("The server no longer has a file that was uploaded.", "Send the post again.")
        }
        (422, Operation::Send) if text.contains("attach") => {
            Fault::rejected(said(""), "Send one video, or up to four pictures.")
        }
        (422, Operation::Prepare) => Fault::rejected(
            format!("The server refused a file: {}", said("it can't be processed")),
            "Send it in another form (JPEG, PNG or MP4), or leave it out.",
        ),
        (_, Operation::Prepare | Operation::Send | Operation::Delete) => Fault::rejected(
            format!("The server refused: {}", said(&format!("status {}", answer.status))),
            "Look at the account on the server itself.",
        ),
        _ => Fault::transient(format!("the server answered {}", said(&format!("status {}", answer.status)))),
    }
}

/// While connecting nothing is ours yet to be lost: what is no outage is told to the person who tries.
fn connecting(answer: &Answer, said: &dyn Fn(&str) -> String, login: Option<(&str, &str)>) -> Fault {
    if let Some((why, fix)) = login {
        return Fault::rejected(why, fix);
    }
    match answer.status {
        // 3xx: the instance lives elsewhere; 404 and 405: there is no such API; 2xx: a web page that answers everything.
        200..=399 | 404 | 405 => Fault::rejected(
            "That address is not a Mastodon server.",
            "Check the name of your server, like mastodon.social.",
        ),
        410 => Fault::rejected("That server was closed.", "Use the server where your account lives now."),
        // https://docs.joinmastodon.org/methods/apps/: the redirect address or scopes are wrong.
        422 => Fault::Misconfigured {
            what: format!("the server does not take our app (APP_URL): {}", said("no reason given")),
        },
        status => Fault::rejected(
            format!("The server refused: {}", said(&format!("status {status}"))),
            "Try again, or ask the server's administrator.",
        ),
    }
}

/// What `Api::BaseController#require_user!` says of a person who may not act now, with the way out.
fn login(text: &str) -> Option<(&'static str, &'static str)> {
    Some(match text {
        text if text.contains("login is currently disabled") => {
            ("The account is disabled on its server.", "Ask the server's moderators.")
        }
        text if text.contains("confirmed e-mail address") => {
            ("The account's e-mail address is not confirmed.", "Open the link in the server's e-mail.")
        }
        text if text.contains("pending approval") => {
            ("The account is waiting for the server's approval.", "Wait for the moderators.")
        }
        _ => return None,
    })
}

/// `X-RateLimit-Reset` is an ISO 8601 instant here, not seconds.
fn reset(answer: &Answer, now: Timestamp) -> Option<Duration> {
    let at: Timestamp = answer.header("x-ratelimit-reset")?.parse().ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default().min(LONGEST_RESET))
}
