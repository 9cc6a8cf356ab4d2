//! The OAuth client against a vendor on loopback.

use std::collections::BTreeMap;

use serde_json::json;
use url::Url;

use super::{ClientAuth, Dialect, Endpoints, OAuth};
use crate::domain::account::Tokens;
use crate::domain::fault::{Fault, Operation};
use crate::domain::{Entropy, Secret, Timestamp};
use crate::platforms::http::tests::{Reply, Vendor, reply};
use crate::platforms::http::{Answer, Http};
use crate::platforms::{App, Context};

const NOW: &str = "2026-11-22T12:00:00Z";

const BODY: Dialect = Dialect {
    name: "Vendor",
    scope_separator: ",",
    client_auth: ClientAuth::Body,
    client_param: "client_key",
    pkce: true,
    cancelled: &["user_cancelled_login"],
    forgotten: &["unauthorized_client"],
};
const BASIC: Dialect = Dialect {
    scope_separator: " ",
    client_auth: ClientAuth::Basic,
    client_param: "client_id",
    pkce: false,
    cancelled: &[],
    forgotten: &[],
    ..BODY
};

/// Counts up, so that every token differs and is known.
struct Counting;

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.iter_mut().zip(1..).for_each(|(byte, number)| *byte = number);
    }
}

fn verdict(operation: Operation, answer: &Answer, _now: Timestamp) -> Fault {
    super::verdict(operation, answer, "Vendor")
        .unwrap_or_else(|| Fault::unanswered(operation, format!("{}", answer.status)))
}

fn oauth(dialect: Dialect) -> OAuth {
    let url = |path: &str| Url::parse(&format!("https://vendor.example{path}")).unwrap();
    let endpoints = Endpoints { authorize: url("/authorize?a=b"), token: url("/token"), revoke: Some(url("/revoke")) };
    OAuth { dialect, endpoints, verdict }
}

struct Bench {
    http: Http,
    app: App,
    redirect: Url,
}

impl Bench {
    fn new(http: Http) -> Self {
        let app = App { id: "the id".into(), secret: Some(Secret::new("s:canary")), ..App::default() };
        Self { http, app, redirect: Url::parse("https://trypost.example/accounts/vendor/callback").unwrap() }
    }

    fn cx(&self) -> Context<'_> {
        Context {
            http: &self.http,
            now: NOW.parse().unwrap(),
            app: &self.app,
            redirect_uri: &self.redirect,
            entropy: &Counting,
        }
    }
}

fn callback(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn form(request: &str) -> BTreeMap<String, String> {
    let body = request.split_once("\r\n\r\n").unwrap().1;
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn tokens(access: &str, refresh: Option<&str>) -> Tokens {
    Tokens {
        access: Secret::new(access),
        refresh: refresh.map(Secret::new),
        extra: Some(Secret::new("kept")),
        expires_at: None,
        refresh_expires_at: Some(NOW.parse().unwrap()),
    }
}

#[tokio::test]
async fn the_authorize_address_follows_the_dialect() {
    let bench = Bench::new(Vendor::start(vec![]).await.http());
    let begun = oauth(BODY).begin(&bench.cx(), "the state", &["one", "two"], &[("prompt", "consent")]).unwrap();
    let url = begun.url.unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert!(url.path() == "/vendor.example/authorize" && url.host_str() == Some("127.0.0.1"), "{url}");
    assert_eq!(query["a"], "b");
    assert_eq!(query["client_key"], "the id");
    assert!(!query.contains_key("client_id"));
    assert_eq!(query["scope"], "one,two");
    assert_eq!(query["state"], "the state");
    assert_eq!(query["prompt"], "consent");
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["redirect_uri"], bench.redirect.as_str());
    assert_eq!(query["code_challenge_method"], "S256");
    // RFC 7636: challenge = base64url(SHA-256(verifier)), verifier of 43 to 128 characters.
    let verifier = begun.keep.expose();
    assert!((43..=128).contains(&verifier.len()));
    let expected = data_encoding::BASE64URL_NOPAD.encode(&<sha2::Sha256 as sha2::Digest>::digest(verifier));
    assert_eq!(query["code_challenge"], expected);

    let begun = oauth(BASIC).begin(&bench.cx(), "s", &["one", "two"], &[]).unwrap();
    let url = begun.url.unwrap();
    assert!(url.as_str().contains("scope=one+two") && !url.as_str().contains("code_challenge"), "{url}");
    assert!(begun.keep.is_empty());
}

#[tokio::test]
async fn an_app_without_an_id_is_misconfigured() {
    let mut bench = Bench::new(Vendor::start(vec![]).await.http());
    bench.app.id.clear();
    let fault = oauth(BODY).begin(&bench.cx(), "s", &["one"], &[]).unwrap_err();
    assert!(matches!(fault, Fault::Misconfigured { .. }));
}

#[tokio::test]
async fn a_code_is_exchanged_with_the_client_in_the_body() {
    let answer = json!({"access_token": "at", "token_type": "Bearer", "refresh_token": "rt", "expires_in": 60,
        "scope": "one two", "guild": {"id": "7"}, "user_id": 17_841_405_793_187_218_u64});
    let vendor = Vendor::start(vec![reply(200, &[("content-type", "application/json")], &answer.to_string())]).await;
    let bench = Bench::new(vendor.http());
    let granted = oauth(BODY).complete(&bench.cx(), &callback(&[("code", "c&1")]), &Secret::new("ver")).await.unwrap();
    assert_eq!(granted.tokens.access.expose(), "at");
    assert_eq!(granted.tokens.refresh.as_ref().map(Secret::expose), Some("rt"));
    assert_eq!(granted.tokens.expires_at, Some("2026-11-22T12:01:00Z".parse().unwrap()));
    assert_eq!(granted.scopes, Some(vec!["one".into(), "two".into()]));
    assert_eq!(granted.extra["guild"]["id"], "7");
    assert_eq!(granted.extra["user_id"], 17_841_405_793_187_218_u64);
    assert!(!format!("{granted:?}").contains("\"at\"") && !format!("{granted:?}").contains("guild"));
    let request = &vendor.requests()[0];
    assert!(request.starts_with("POST /vendor.example/token ") && request.contains("accept: application/json"));
    assert!(!request.contains("authorization:"));
    let form = form(request);
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "c&1"),
        ("code_verifier", "ver"),
        ("client_key", "the id"),
        ("client_secret", "s:canary"),
        ("redirect_uri", bench.redirect.as_str()),
    ];
    assert_eq!(form, callback(&expected));
}

#[tokio::test]
async fn a_code_is_exchanged_with_basic_credentials() {
    let vendor = Vendor::start(vec![reply(200, &[], r#"{"access_token":"at"}"#)]).await;
    let bench = Bench::new(vendor.http());
    oauth(BASIC).complete(&bench.cx(), &callback(&[("code", "c")]), &Secret::new("")).await.unwrap();
    let request = &vendor.requests()[0];
    let basic = data_encoding::BASE64.encode(b"the+id:s%3Acanary");
    assert!(request.contains(&format!("authorization: Basic {basic}")), "{request}");
    assert!(!request.contains("client_secret") && !request.contains("client_id") && !request.contains("code_verifier"));
}

#[tokio::test]
async fn odd_answers_are_read() {
    for (answer, expires, scopes) in [
        (json!({"access_token": "at"}), None, None),
        (json!({"access_token": "at", "token_type": null, "scope": "", "refresh_token": ""}), None, None),
        (json!({"access_token": "at", "expires_in": "3600", "scope": "a,b"}), Some(3600), Some(vec!["a", "b"])),
        (json!({"access_token": "at", "expires_in": 3600.5, "scope": ["a", "b"]}), Some(3600), Some(vec!["a", "b"])),
        (json!({"access_token": "at", "expires_in": "never"}), None, None),
        (json!({"access_token": "at", "expires_in": 0, "error": ""}), None, None),
        (json!({"access_token": "at", "expires_in": 1e300}), None, None),
    ] {
        let vendor = Vendor::start(vec![reply(200, &[("content-type", "text/plain")], &answer.to_string())]).await;
        let bench = Bench::new(vendor.http());
        let granted = oauth(BASIC).complete(&bench.cx(), &callback(&[("code", "c")]), &Secret::new("")).await.unwrap();
        assert_eq!(granted.tokens.access.expose(), "at", "{answer}");
        assert_eq!(granted.tokens.refresh, None, "{answer}");
        let now: Timestamp = NOW.parse().unwrap();
        let expected = expires.map(|seconds| now + std::time::Duration::from_secs(seconds));
        assert_eq!(granted.tokens.expires_at, expected, "{answer}");
        let scopes = scopes.map(|scopes| scopes.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(granted.scopes, scopes, "{answer}");
    }
}

#[tokio::test]
async fn refusals_go_through_the_platforms_verdict() {
    let invalid = r#"{"error":"invalid_client","error_description":"canary"}"#;
    // 200 with an error is a refusal too (TikTok).
    for status in [200, 400, 401] {
        let vendor = Vendor::start(vec![reply(status, &[], invalid)]).await;
        let bench = Bench::new(vendor.http());
        let result = oauth(BASIC).complete(&bench.cx(), &callback(&[("code", "c")]), &Secret::new("")).await;
        assert!(matches!(result, Err(Fault::Misconfigured { .. })), "{status}: {result:?}");
    }
    let used = reply(400, &[], r#"{"error":"invalid_grant"}"#);
    let vendor = Vendor::start(vec![used]).await;
    let bench = Bench::new(vendor.http());
    let result = oauth(BASIC).complete(&bench.cx(), &callback(&[("code", "c")]), &Secret::new("")).await;
    assert!(matches!(result, Err(Fault::Rejected { .. })), "{result:?}");
}

#[tokio::test]
async fn a_success_without_a_token_is_none() {
    for body in ["<html>hello</html>", "{}", r#"{"access_token":""}"#, r#"{"access_token":7}"#, "[]", ""] {
        let vendor = Vendor::start(vec![reply(200, &[], body), reply(200, &[], body)]).await;
        let bench = Bench::new(vendor.http());
        let result = oauth(BASIC).complete(&bench.cx(), &callback(&[("code", "c")]), &Secret::new("")).await;
        assert!(matches!(result, Err(Fault::Transient { .. })), "{body}: {result:?}");
        // The refresh token may be spent now.
        let result = oauth(BASIC).refresh(&bench.cx(), &tokens("a", Some("r"))).await;
        assert!(matches!(result, Err(Fault::InDoubt { .. })), "{body}: {result:?}");
    }
}

#[tokio::test]
async fn refreshing_keeps_what_the_answer_leaves_out() {
    let vendor = Vendor::start(vec![
        reply(200, &[], r#"{"access_token":"a2","refresh_token":"r2"}"#),
        reply(200, &[], r#"{"access_token":"a3","refresh_token":""}"#),
    ])
    .await;
    let bench = Bench::new(vendor.http());
    let old = tokens("a1", Some("r1"));
    let rotated = oauth(BODY).refresh(&bench.cx(), &old).await.unwrap().tokens;
    assert_eq!((rotated.access.expose(), rotated.refresh.as_ref().unwrap().expose()), ("a2", "r2"));
    assert_eq!((&rotated.extra, rotated.refresh_expires_at), (&old.extra, None));
    let kept = oauth(BODY).refresh(&bench.cx(), &old).await.unwrap().tokens;
    assert_eq!((kept.access.expose(), kept.refresh.as_ref().unwrap().expose()), ("a3", "r1"));
    assert_eq!(kept.refresh_expires_at, old.refresh_expires_at);
    let form = form(&vendor.requests()[0]);
    assert_eq!((form["grant_type"].as_str(), form["refresh_token"].as_str()), ("refresh_token", "r1"));
}

#[tokio::test]
async fn renewal_is_final_only_on_the_final_code() {
    let vendor =
        Vendor::start(vec![reply(400, &[], r#"{"error":"invalid_grant"}"#), reply(500, &[], "oops"), Reply::Close])
            .await;
    let bench = Bench::new(vendor.http());
    let old = tokens("a", Some("r"));
    assert!(matches!(oauth(BASIC).refresh(&bench.cx(), &old).await, Err(Fault::GrantDead { .. })));
    assert!(matches!(oauth(BASIC).refresh(&bench.cx(), &old).await, Err(Fault::InDoubt { .. })));
    assert!(matches!(oauth(BASIC).refresh(&bench.cx(), &old).await, Err(Fault::InDoubt { .. })));
    assert!(matches!(oauth(BASIC).refresh(&bench.cx(), &tokens("a", None)).await, Err(Fault::GrantDead { .. })));
    assert_eq!(vendor.requests().len(), 3, "without a refresh token nothing is asked");
}

#[tokio::test]
async fn revoking_is_done_when_the_vendor_knows_the_token_no_more() {
    let unknown = r#"{"error":"unauthorized_client"}"#;
    let vendor = Vendor::start(vec![reply(200, &[], "{}"), reply(403, &[], unknown), reply(403, &[], unknown)]).await;
    let bench = Bench::new(vendor.http());
    oauth(BODY).revoke(&bench.cx(), &tokens("at", Some("rt"))).await.unwrap();
    oauth(BODY).revoke(&bench.cx(), &tokens("at", None)).await.unwrap();
    oauth(BASIC).revoke(&bench.cx(), &tokens("at", None)).await.unwrap_err();
    let requests = vendor.requests();
    let first = form(&requests[0]);
    assert_eq!((first["token"].as_str(), first["token_type_hint"].as_str()), ("rt", "refresh_token"));
    assert_eq!(form(&requests[1])["token"], "at");
}

#[tokio::test]
async fn the_callback_is_told_in_plain_words() {
    let vendor = Vendor::start(vec![]).await;
    let bench = Bench::new(vendor.http());
    let told = async |pairs: &[(&str, &str)]| {
        oauth(BODY).complete(&bench.cx(), &callback(pairs), &Secret::new("")).await.unwrap_err()
    };
    for error in ["access_denied", "user_cancelled_login"] {
        let fault = told(&[("error", error), ("error_description", "x"), ("code", "c")]).await;
        assert!(fault.to_string().contains("You closed Vendor without agreeing"), "{fault}");
    }
    assert!(matches!(told(&[("error", "server_error")]).await, Fault::Transient { .. }));
    let long = format!("bad\r\n{}", "x".repeat(500));
    match told(&[("error", "invalid_scope"), ("error_description", &long)]).await {
        Fault::Misconfigured { what } => assert!(what.contains("bad xxx") && what.len() < 300, "{what}"),
        other => panic!("{other}"),
    }
    assert!(matches!(told(&[("error", "novelty")]).await, Fault::Rejected { .. }));
    assert!(matches!(told(&[]).await, Fault::Rejected { .. }));
    assert!(matches!(told(&[("code", "")]).await, Fault::Rejected { .. }));
    assert!(vendor.requests().is_empty());
}
