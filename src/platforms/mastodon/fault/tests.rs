//! A row for each answer, with bodies as the servers send them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::fault;
use crate::domain::Timestamp;
use crate::domain::fault::{Fault, Operation};
use crate::platforms::http::Answer;

const NOW: &str = "2026-11-22T12:00:00Z";
const ALL: [Operation; 8] = [
    Operation::Connect,
    Operation::Renew,
    Operation::Verify,
    Operation::Prepare,
    Operation::Send,
    Operation::Find,
    Operation::Delete,
    Operation::Revoke,
];

fn verdict(operation: Operation, status: u16, headers: &[(&'static str, &str)], body: &str) -> Fault {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let answer = Answer { status, headers: map, body: Bytes::from(body.to_owned()) };
    fault(operation, &answer, NOW.parse::<Timestamp>().unwrap())
}

fn json(operation: Operation, status: u16, error: &str) -> Fault {
    verdict(operation, status, &[], &serde_json::json!({ "error": error }).to_string())
}

#[test]
fn rate_limits_are_transient_with_their_reset() {
    let body = r#"{"error":"Too many requests"}"#;
    for operation in ALL {
        let fault = verdict(operation, 429, &[("x-ratelimit-reset", "2026-11-22T12:05:00.123456Z")], body);
        let Fault::Transient { retry_after: Some(pause), .. } = fault else { panic!("{operation:?}: {fault}") };
        assert_eq!(pause, Duration::from_micros(300_123_456), "{operation:?}");
    }
    let pause = |headers: &[(&'static str, &str)]| match verdict(Operation::Send, 429, headers, body) {
        Fault::Transient { retry_after, .. } => retry_after,
        other => panic!("{other}"),
    };
    assert_eq!(pause(&[]), None);
    assert_eq!(pause(&[("retry-after", "9")]), Some(Duration::from_secs(9)));
    assert_eq!(pause(&[("x-ratelimit-reset", "2026-11-22T11:00:00Z")]), Some(Duration::ZERO));
    assert_eq!(pause(&[("x-ratelimit-reset", "2027-01-01T00:00:00Z")]), Some(Duration::from_secs(1800)));
    assert_eq!(pause(&[("x-ratelimit-reset", "1790000000")]), None);
}

#[test]
fn outages_never_end_anything() {
    for status in [408, 500, 502, 503, 504] {
        for operation in ALL {
            let fault = verdict(operation, status, &[("retry-after", "60")], "<html>Maintenance</html>");
            match operation {
                Operation::Send | Operation::Renew => {
                    assert!(matches!(fault, Fault::InDoubt { .. }), "{operation:?}: {fault}")
                }
                _ => assert!(
                    matches!(fault, Fault::Transient { retry_after: Some(pause), .. } if pause.as_secs() == 60),
                    "{operation:?}: {fault}"
                ),
            }
        }
    }
}

#[test]
fn pages_of_front_ends_end_nothing() {
    for status in [400, 401, 403, 404, 410, 418] {
        for operation in [Operation::Verify, Operation::Prepare, Operation::Send, Operation::Find, Operation::Delete] {
            let fault = verdict(operation, status, &[], "<!DOCTYPE html><title>Just a moment...</title>");
            assert!(matches!(fault, Fault::Transient { .. }), "{status} {operation:?}: {fault}");
        }
    }
}

#[test]
fn dead_tokens() {
    for error in [
        "The access token is invalid",
        "The access token was revoked",
        "The access token expired",
        "Das Zugriffs-Token wurde widerrufen",
        "Unauthorized: token was not recognized",
    ] {
        for operation in [Operation::Verify, Operation::Prepare, Operation::Send, Operation::Find, Operation::Delete] {
            let fault = json(operation, 401, error);
            assert!(matches!(fault, Fault::GrantDead { .. }), "{error} {operation:?}: {fault}");
        }
    }
    let revoked = json(Operation::Verify, 401, "The access token was revoked");
    assert_eq!(revoked, Fault::GrantDead { why: "the access was revoked on the server".into() });
    // Pleroma.
    assert!(matches!(json(Operation::Verify, 403, "Invalid credentials."), Fault::GrantDead { .. }));
}

#[test]
fn people_who_may_not_act() {
    for error in [
        "Your login is currently disabled",
        "Your login is missing a confirmed e-mail address",
        "Your login is currently pending approval",
        "This action is outside the authorized scopes",
    ] {
        for operation in [Operation::Verify, Operation::Prepare, Operation::Send] {
            let fault = json(operation, 403, error);
            assert!(matches!(fault, Fault::AccountLost { .. }), "{error} {operation:?}: {fault}");
        }
    }
    // While connecting there is no account to be lost.
    let fault = json(Operation::Connect, 403, "Your login is currently disabled");
    assert!(matches!(fault, Fault::Rejected { .. }), "{fault}");
}

#[test]
fn an_unknown_403_is_a_guess() {
    assert!(matches!(json(Operation::Verify, 403, "This action is not allowed"), Fault::Transient { .. }));
    assert!(matches!(json(Operation::Send, 403, "This action is not allowed"), Fault::Rejected { .. }));
}

#[test]
fn checks_that_could_not_be_made_change_nothing() {
    for (status, error) in [(404, "Record not found"), (410, "Gone"), (422, "Unprocessable"), (400, "Bad")] {
        for operation in [Operation::Verify, Operation::Find] {
            let fault = json(operation, status, error);
            assert!(matches!(fault, Fault::Transient { .. }), "{status} {operation:?}: {fault}");
        }
    }
}

#[test]
fn refused_posts_are_told_with_their_cure() {
    for (status, error, words) in [
        (422, "Validation failed: Text can't be blank", "no text"),
        (422, "Validation failed: Text character limit of 500 exceeded", "character limit of 500"),
        (422, "Cannot attach a video to a post that already contains images", "attach a video"),
        (422, "Cannot attach more than 4 files", "more than 4 files"),
        (422, "Media 7, 8 not found or already attached to another post", "no longer has a file"),
        (422, "The media could not be found", "no longer has a file"),
        (404, "Record not found", "no longer has a file"),
        (422, "Validation failed: Language is too long", "Language is too long"),
        (400, "bad request", "bad request"),
    ] {
        match json(Operation::Send, status, error) {
            Fault::Rejected { why, fix } => assert!(why.contains(words) && !fix.is_empty(), "{error}: {why}"),
            other => panic!("{error}: {other}"),
        }
    }
}

#[test]
fn a_file_that_is_still_processed_is_waited_for() {
    let error = "Cannot attach files that have not finished processing. Try again in a moment!";
    let fault = json(Operation::Send, 422, error);
    assert!(matches!(fault, Fault::Transient { retry_after: Some(_), .. }), "{fault}");
}

#[test]
fn refused_files() {
    for operation in [Operation::Prepare, Operation::Send] {
        let fault = verdict(operation, 413, &[], "<html>413 Request Entity Too Large</html>");
        assert!(fault.to_string().contains("too large"), "{fault}");
    }
    for error in [
        "Validation failed: File content type is invalid, File is invalid",
        "Error processing thumbnail for uploaded media",
    ] {
        match json(Operation::Prepare, 422, error) {
            Fault::Rejected { why, .. } => assert!(why.contains(error), "{why}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn consents() {
    let oauth = |status, error: &str| {
        let body = serde_json::json!({ "error": error, "error_description": "The words of Doorkeeper." });
        verdict(Operation::Connect, status, &[], &body.to_string())
    };
    assert!(matches!(oauth(400, "invalid_grant"), Fault::Rejected { .. }));
    assert!(matches!(oauth(401, "invalid_client"), Fault::Misconfigured { .. }));
    assert!(matches!(oauth(400, "invalid_scope"), Fault::Misconfigured { .. }));
    let redirect = json(Operation::Connect, 422, "Validation failed: Redirect URI must be an absolute URI.");
    assert!(matches!(redirect, Fault::Misconfigured { .. }), "{redirect}");
    for (status, body) in
        [(404, "<html>"), (405, ""), (301, ""), (200, "<html>A shop</html>"), (404, r#"{"error":"no"}"#)]
    {
        let fault = verdict(Operation::Connect, status, &[], body);
        assert!(fault.to_string().contains("not a Mastodon server"), "{status}: {fault}");
    }
    assert!(verdict(Operation::Connect, 410, &[], "").to_string().contains("closed"));
    assert!(matches!(verdict(Operation::Connect, 403, &[], "<html>"), Fault::Rejected { .. }));
}

#[test]
fn what_servers_say_is_one_short_line() {
    let long = format!("Validation failed:\n\n{}", "very ".repeat(500));
    match json(Operation::Send, 422, &long) {
        Fault::Rejected { why, .. } => assert!(why.chars().count() < 240 && !why.contains('\n'), "{why}"),
        other => panic!("{other}"),
    }
}
