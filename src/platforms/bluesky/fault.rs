//! What a refused call means. One pure function over (operation, status, headers, body), by platforms.md section 12,
//! the lexicons' error names and what the reference server answers.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::domain::{Fault, Operation, Timestamp};
use crate::platforms::http::Answer;

/// The vendor's error, as XRPC answers it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Error {
    /// A name such as `ExpiredToken`.
    pub(super) code: String,
    /// The vendor's words; read, never shown.
    message: String,
}

/// Reads `{"error": NAME, "message": TEXT}`; anything else (front ends answer HTML) has no code.
pub(super) fn read(body: &[u8]) -> Error {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    Error { code: text("error"), message: text("message") }
}

/// Whether a refused record was refused for a file in it: too large for the embed (the reference server says so only
/// here), or dropped since its upload.
pub(super) fn is_about_blob(error: &Error) -> bool {
    let message = error.message.to_lowercase();
    matches!(error.code.as_str(), "BlobTooLarge" | "BlobNotFound" | "InvalidMimeType")
        || error.code == "InvalidRequest"
            && (message.contains("blob") || message.contains("too large") || message.contains("/image"))
}

/// How long the vendor asks us to wait: `Retry-After`, else `RateLimit-Reset` (Unix seconds).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let answer = Answer { status: 429, headers: headers.clone(), body: bytes::Bytes::new() };
    answer.retry_after(now).or_else(|| {
        let reset: i64 = answer.header("ratelimit-reset")?.trim().parse().ok()?;
        let seconds = u64::try_from(reset - now.as_second()).unwrap_or_default();
        Some(Duration::from_secs(seconds.min(24 * 3600)))
    })
}

/// The verdict.
pub(super) fn fault(operation: Operation, status: u16, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Fault {
    let error = read(body);
    let code = error.code.as_str();
    if status == 429 || code == "RateLimitExceeded" {
        return Fault::Transient {
            retry_after: retry_after(headers, now),
            why: "Bluesky asks us to slow down".to_owned(),
        };
    }
    if status >= 500 || status == 408 || status < 400 {
        return Fault::unanswered(operation, format!("the server answered with an error ({status})"));
    }
    match code {
        "AccountTakedown" | "RepoTakendown" => return lost(operation, "Bluesky has taken this account down"),
        "AccountSuspended" | "RepoSuspended" => return lost(operation, "Bluesky has suspended this account"),
        "AccountDeactivated" | "RepoDeactivated" => return lost(operation, "this account is deactivated"),
        "RepoNotFound" => return lost(operation, "this account is not on its server any more"),
        _ => {}
    }
    match operation {
        Operation::Connect => refused_sign_in(status, code),
        Operation::Renew => refused_renewal(code),
        _ if status == 401 || matches!(code, "ExpiredToken" | "InvalidToken" | "AuthMissing") => Fault::Stale,
        Operation::Prepare | Operation::Send => refused_post(status, &error),
        Operation::Delete => {
            Fault::rejected(format!("Bluesky did not delete the post ({status})"), "Delete it in the Bluesky app.")
        }
        // A check that could not be made changes nothing.
        Operation::Verify | Operation::Find | Operation::Revoke => {
            Fault::transient(format!("the server refused to look ({status})"))
        }
    }
}

/// What became of the account, in the operation's terms.
fn lost(operation: Operation, why: &str) -> Fault {
    let fix = "Sign in at bsky.app to see why; then reconnect.";
    match operation {
        Operation::Connect => Fault::rejected(why, "Sign in at bsky.app to see why; then connect again."),
        Operation::Renew => Fault::GrantDead { why: why.to_owned() },
        _ => Fault::AccountLost { why: why.to_owned(), fix: fix.to_owned() },
    }
}

fn refused_sign_in(status: u16, code: &str) -> Fault {
    match code {
        "AuthFactorTokenRequired" => main_password(),
        "AuthenticationRequired" | "AuthMissing" | "ExpiredToken" | "InvalidToken" => Fault::rejected(
            "Bluesky did not accept this handle and app password",
            "Check both for typing errors. If your account lives on a server of its own, name the server.",
        ),
        "InvalidRequest" | "InvalidHandle" => {
            Fault::rejected("Bluesky does not know this handle", "Type it in full, like alice.bsky.social.")
        }
        _ => Fault::rejected(
            format!("this server can't be signed in to ({status})"),
            "Name the server that your Bluesky account lives on, or leave that field empty.",
        ),
    }
}

/// Told whenever someone gives the password that opens everything.
pub(super) fn main_password() -> Fault {
    Fault::rejected(
        "that is your main password, and I must not have it",
        "Make an app password in Bluesky under Settings, Privacy and security, App passwords, and use that. Consider \
         changing your main password.",
    )
}

fn refused_renewal(code: &str) -> Fault {
    let dead = |why: &str| Fault::GrantDead { why: why.to_owned() };
    match code {
        "ExpiredToken" | "InvalidToken" => dead("the session ended"),
        "AuthenticationRequired" => dead("the app password was deleted or no longer works"),
        "AuthFactorTokenRequired" => dead("the stored password is no app password"),
        // Never end a consent on a guess.
        _ => Fault::transient("the server did not renew the session"),
    }
}

fn refused_post(status: u16, error: &Error) -> Fault {
    let message = error.message.to_lowercase();
    let blob = is_about_blob(error);
    match error.code.as_str() {
        "BlobNotFound" => {
            Fault::rejected("Bluesky lost the uploaded files before the post was made", "Publish the post again.")
        }
        _ if status == 413 || blob => Fault::rejected(
            "a file is too large or of a kind that this Bluesky server refuses",
            "Use a smaller one, or another format.",
        ),
        "InvalidRequest" if message.contains("grapheme") || message.contains("text") => {
            Fault::rejected("Bluesky found the text too long: 300 characters fit", "Shorten it.")
        }
        // A code is a name, never free text: it is shown only when it looks like one.
        code if !code.is_empty()
            && code.len() <= 40
            && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
        {
            Fault::rejected(format!("Bluesky refused the post ({code})"), "Change the post and publish it again.")
        }
        _ => Fault::rejected(format!("Bluesky refused the post ({status})"), "Change the post and publish it again."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATIONS: [Operation; 8] = [
        Operation::Connect,
        Operation::Renew,
        Operation::Verify,
        Operation::Prepare,
        Operation::Send,
        Operation::Find,
        Operation::Delete,
        Operation::Revoke,
    ];

    fn now() -> Timestamp {
        Timestamp::from_second(1_795_000_000).unwrap()
    }

    fn word(fault: &Fault) -> &'static str {
        match fault {
            Fault::Transient { .. } => "transient",
            Fault::Stale => "stale",
            Fault::GrantDead { .. } => "dead",
            Fault::AccountLost { .. } => "lost",
            Fault::AccountMoved { .. } => "moved",
            Fault::Rejected { .. } => "rejected",
            Fault::Misconfigured { .. } => "misconfigured",
            Fault::InDoubt { .. } => "in doubt",
        }
    }

    #[test]
    fn every_code_has_its_verdict_on_every_operation() {
        // Columns as in OPERATIONS. The bodies are the reference server's own words.
        let quiet =
            ["transient", "in doubt", "transient", "transient", "in doubt", "transient", "transient", "transient"];
        let limit = ["transient"; 8];
        let token = ["rejected", "dead", "stale", "stale", "stale", "stale", "stale", "stale"];
        let gone = ["rejected", "dead", "lost", "lost", "lost", "lost", "lost", "lost"];
        let post = ["rejected", "transient", "transient", "rejected", "rejected", "transient", "rejected", "transient"];
        let odd = ["rejected", "transient", "stale", "stale", "stale", "stale", "stale", "stale"];
        for (status, body, verdicts) in [
            (400, r#"{"error":"ExpiredToken","message":"Token has expired"}"#, token),
            (400, r#"{"error":"ExpiredToken","message":"Token has been revoked"}"#, token),
            (400, r#"{"error":"InvalidToken","message":"Token could not be verified"}"#, token),
            (401, r#"{"error":"AuthenticationRequired","message":"Invalid identifier or password"}"#, token),
            (401, r#"{"error":"AuthFactorTokenRequired","message":"A sign in code has been sent"}"#, token),
            (401, r#"{"error":"AuthMissing","message":"Authentication Required"}"#, odd),
            (401, "", odd),
            (401, r#"{"error":"AccountTakedown","message":"Account has been taken down"}"#, gone),
            (401, r#"{"error":"AccountDeactivated","message":"Account is deactivated"}"#, gone),
            (401, r#"{"error":"AccountSuspended","message":"Account is suspended"}"#, gone),
            (400, r#"{"error":"RepoTakendown","message":"Repo has been taken down"}"#, gone),
            (400, r#"{"error":"RepoDeactivated","message":"Repo has been deactivated"}"#, gone),
            (400, r#"{"error":"RepoSuspended","message":"Repo has been suspended"}"#, gone),
            (400, r#"{"error":"RepoNotFound","message":"Could not find repo"}"#, gone),
            (400, r#"{"error":"BlobTooLarge","message":"This file is too large."}"#, post),
            (400, r#"{"error":"BlobNotFound","message":"Could not find blob: bafkrei"}"#, post),
            (400, r#"{"error":"InvalidMimeType","message":"Wrong type of file."}"#, post),
            (400, r#"{"error":"InvalidRequest","message":"Record/text must not be longer than 300 graphemes"}"#, post),
            (400, r#"{"error":"InvalidRequest","message":"Invalid app.bsky.feed.post record"}"#, post),
            (400, r#"{"error":"RecordNotFound","message":"Could not locate record"}"#, post),
            (403, r#"{"error":"Forbidden"}"#, post),
            (413, r#"{"error":"PayloadTooLarge"}"#, post),
            (404, "<html>not found</html>", post),
            (418, "", post),
            (429, r#"{"error":"RateLimitExceeded","message":"Rate Limit Exceeded"}"#, limit),
            (400, r#"{"error":"RateLimitExceeded"}"#, limit),
            (408, "", quiet),
            (500, r#"{"error":"InternalServerError","message":"Internal Server Error"}"#, quiet),
            (502, r#"{"error":"UpstreamFailure","message":"pipethrough network error"}"#, quiet),
            (502, "<html><body><h1>502 Bad Gateway</h1></body></html>", quiet),
            (503, "", quiet),
            (302, "", quiet),
        ] {
            for (operation, verdict) in OPERATIONS.into_iter().zip(verdicts) {
                let fault = fault(operation, status, &HeaderMap::new(), body.as_bytes(), now());
                assert_eq!(word(&fault), verdict, "{operation:?} {status} {body}");
            }
        }
    }

    #[test]
    fn the_pause_is_the_vendors() {
        let headers = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
        };
        let pause = |headers: HeaderMap| match fault(Operation::Send, 429, &headers, b"{}", now()) {
            Fault::Transient { retry_after, .. } => retry_after.map(|pause| pause.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(pause(headers(&[("retry-after", "289"), ("ratelimit-reset", "1795000100")])), Some(289));
        assert_eq!(pause(headers(&[("ratelimit-reset", "1795000100")])), Some(100));
        assert_eq!(pause(headers(&[("ratelimit-reset", "1794999999")])), Some(0));
        assert_eq!(pause(headers(&[("ratelimit-reset", "soon")])), None);
    }

    #[test]
    fn only_files_are_blamed_on_files() {
        let about =
            |code: &str, message: &str| is_about_blob(&Error { code: code.to_owned(), message: message.to_owned() });
        assert!(about("BlobTooLarge", ""));
        assert!(about("BlobNotFound", ""));
        assert!(about("InvalidRequest", "This file is too large. It is 1.5MB but the maximum size is 976.56KB."));
        assert!(about("InvalidRequest", "Record/embed/images/0/image must be no larger than 1000000"));
        assert!(!about("InvalidRequest", "Record/text must not be longer than 300 graphemes"));
        assert!(!about("ExpiredToken", "blob"));
    }

    #[test]
    fn vendors_words_are_never_shown() {
        for operation in OPERATIONS {
            let body = br#"{"error":"Strange thing with spaces","message":"secret-token"}"#;
            let said = format!("{:?}", fault(operation, 400, &HeaderMap::new(), body, now()));
            assert!(!said.contains("secret-token") && !said.contains("Strange"), "{said}");
        }
    }
}
