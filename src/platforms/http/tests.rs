//! The client over real loopback HTTP, against a vendor that answers raw bytes. Long because the vendor that answers
//! raw bytes is here too.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{Http, Part, PartValue, PublicResolver, Resolver, is_public};
use crate::domain::fault::{Fault, Operation};
use crate::domain::{Observer, Point, Secret, Timestamp, Unobserved};

/// What the vendor does with one request.
pub enum Reply {
    /// Answers these bytes.
    Raw(String),
    /// Closes the connection.
    Close,
    /// Never answers.
    Hang,
}

/// A vendor's answer, with its exact length.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut raw = format!("HTTP/1.1 {status} Some\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        raw.push_str(&format!("{name}: {value}\r\n"));
    }
    Reply::Raw(format!("{raw}\r\n{body}"))
}

/// A vendor on loopback that gives its replies in order, one connection each.
pub struct Vendor {
    pub gateway: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Vendor {
    pub async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            let mut replies = VecDeque::from(replies);
            let mut hanging = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                seen.lock().unwrap().push(request);
                match replies.pop_front() {
                    Some(Reply::Raw(raw)) => stream.write_all(raw.as_bytes()).await.unwrap(),
                    Some(Reply::Hang) => hanging.push(stream),
                    Some(Reply::Close) | None => drop(stream),
                }
            }
        });
        Self { gateway, requests }
    }

    pub fn http(&self) -> Http {
        http(Some(self.gateway.clone()))
    }

    /// The requests so far, as they came.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// One request: its head, and as much body as its length says (or a chunked one to its end).
async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let chunked = head.contains("transfer-encoding: chunked");
            if length.is_none_or(|length| body.len() >= length) && (!chunked || body.ends_with("0\r\n\r\n")) {
                return text;
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return text,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

pub fn http(gateway: Option<Url>) -> Http {
    Http::new(gateway, Arc::new(PublicResolver), Arc::new(Unobserved)).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn is_refused(result: Result<super::Answer, Fault>) -> bool {
    matches!(result, Err(Fault::Rejected { .. }))
}

/// Answers each question with the next of its lists of addresses; the last one stays.
struct Scripted(Mutex<VecDeque<Vec<IpAddr>>>, AtomicUsize);

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |ips: &&[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(parse).collect()), AtomicUsize::new(0)))
    }
}

#[async_trait]
impl Resolver for Scripted {
    async fn resolve(&self, _host: &str) -> std::io::Result<Vec<IpAddr>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.0.lock().unwrap();
        Ok(if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() })
    }
}

#[tokio::test]
async fn a_gateway_must_be_on_loopback() {
    for bad in ["http://10.0.0.1:80", "https://127.0.0.1:80", "http://localhost:80", "http://127.0.0.1:80/path"] {
        let made = Http::new(Some(url(bad)), Arc::new(PublicResolver), Arc::new(Unobserved));
        assert!(made.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn the_guard_refuses_what_is_not_public() {
    let vendor = Vendor::start(vec![]).await;
    let http = vendor.http();
    for bad in [
        "http://mastodon.example/",
        "ftp://mastodon.example/",
        "https://user@mastodon.example/",
        "https://user:pass@mastodon.example/",
        "https://mastodon.example:8443/",
        "https://localhost/",
        "https://printer/",
        "https://router.home.arpa/",
        "https://nas.local/",
        "https://metadata.google.internal/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0.0.0.0/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://198.18.0.1/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::]/",
        "https://[::1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[ff02::1]/",
        "https://[2001:db8::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:7f00:1::]/",
    ] {
        assert!(is_refused(http.call(Operation::Verify, Method::GET, url(bad)).send().await), "{bad}");
    }
    // The gateway's own form is judged by the host that is meant.
    let inside = vendor.gateway.join("/127.0.0.1/admin").unwrap();
    assert!(is_refused(http.call(Operation::Verify, Method::GET, inside).send().await));
    assert_eq!(vendor.requests(), Vec::<String>::new());
}

#[test]
fn public_addresses_are_public() {
    for good in ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "2a00:1450::1", "64:ff9b::808:808", "::ffff:8.8.8.8"] {
        assert!(is_public(good.parse().unwrap()), "{good}");
    }
}

#[tokio::test]
async fn names_that_mean_private_addresses_are_refused() {
    for answers in [&["10.0.0.1"][..], &["1.1.1.1", "127.0.0.1"], &["::1"], &["::ffff:10.0.0.1"], &[]] {
        let resolver = Scripted::new(&[answers]);
        let http = Http::new(None, resolver.clone(), Arc::new(Unobserved)).unwrap();
        let result = http.call(Operation::Verify, Method::GET, url("https://evil.example/")).send().await;
        assert!(is_refused(result), "{answers:?}");
        assert_eq!(resolver.1.load(Ordering::SeqCst), 1, "no connection was tried");
    }
}

#[tokio::test]
async fn a_name_that_changes_its_meaning_after_the_check_is_refused() {
    let resolver = Scripted::new(&[&["1.1.1.1"], &["127.0.0.1"]]);
    let http = Http::new(None, resolver.clone(), Arc::new(Unobserved)).unwrap();
    let result = http.call(Operation::Send, Method::POST, url("https://rebind.example/")).send().await;
    assert!(is_refused(result));
    assert_eq!(resolver.1.load(Ordering::SeqCst), 2, "asked for the check and for the connection");
}

#[tokio::test]
async fn the_gateway_takes_both_forms() {
    let vendor = Vendor::start(vec![reply(200, &[], "1"), reply(200, &[], "2")]).await;
    let http = vendor.http();
    let meant = url("https://api.example/a%20b?x=1&y=%C3%A9");
    let link = http.link(&meant);
    assert_eq!(link.as_str(), format!("{}api.example/a%20b?x=1&y=%C3%A9", vendor.gateway));
    assert_eq!(http.link(&link), link, "a gateway address stays one");
    for address in [meant, link] {
        http.call(Operation::Verify, Method::GET, address).send().await.unwrap();
    }
    for request in vendor.requests() {
        assert!(request.starts_with("GET /api.example/a%20b?x=1&y=%C3%A9 HTTP/1.1\r\n"), "{request}");
    }
    assert_eq!(super::tests::http(None).link(&url("https://api.example/")).as_str(), "https://api.example/");
}

#[tokio::test]
async fn redirects_are_checked_hop_by_hop() {
    for inwards in [
        "https://127.0.0.1/secret",
        "http://other.example/",
        "https://localhost/",
        "//169.254.169.254/latest",
        "https://me@other.example/",
    ] {
        let vendor = Vendor::start(vec![reply(302, &[("location", inwards)], ""), reply(200, &[], "in")]).await;
        let start = url("https://start.example/");
        let result = vendor.http().call(Operation::Verify, Method::GET, start).follow(3).send().await;
        assert!(is_refused(result), "{inwards}");
        assert_eq!(vendor.requests().len(), 1, "{inwards}");
    }
}

#[tokio::test]
async fn credentials_stay_with_the_first_host() {
    let vendor = Vendor::start(vec![
        reply(302, &[("location", "/next")], ""),
        reply(302, &[("location", "https://other.example/there")], ""),
        reply(200, &[], "done"),
    ])
    .await;
    let call = vendor.http();
    let call = call.call(Operation::Verify, Method::GET, url("https://start.example/"));
    let answer = call.bearer(&Secret::new("canary")).follow(3).send().await.unwrap();
    assert_eq!(&answer.body[..], b"done");
    let requests = vendor.requests();
    assert!(requests[1].starts_with("GET /start.example/next ") && requests[1].contains("Bearer canary"));
    assert!(requests[2].starts_with("GET /other.example/there ") && !requests[2].contains("canary"));
}

#[tokio::test]
async fn redirects_are_answers_unless_asked_for() {
    let moved = || reply(302, &[("location", "https://other.example/")], "");
    let vendor = Vendor::start(vec![moved(), moved(), moved()]).await;
    let http = vendor.http();
    let start = || url("https://start.example/");
    assert_eq!(http.call(Operation::Verify, Method::GET, start()).send().await.unwrap().status, 302);
    // A POST is never repeated elsewhere.
    assert_eq!(http.call(Operation::Send, Method::POST, start()).follow(3).send().await.unwrap().status, 302);
}

#[tokio::test]
async fn answers_are_capped() {
    let big = "x".repeat(1000);
    for (operation, in_doubt) in [(Operation::Verify, false), (Operation::Send, true), (Operation::Renew, true)] {
        let vendor = Vendor::start(vec![reply(200, &[], &big)]).await;
        let start = url("https://start.example/");
        let fault = vendor.http().call(operation, Method::POST, start).answer_limit(999).send().await.unwrap_err();
        assert_eq!(matches!(fault, Fault::InDoubt { .. }), in_doubt, "{operation:?}: {fault}");
    }
}

#[tokio::test]
async fn lost_answers_are_in_doubt_only_where_repeating_is_not_safe() {
    let half = || Reply::Raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".into());
    for lost in [|| Reply::Close, || Reply::Hang, half] {
        for operation in [
            Operation::Connect,
            Operation::Renew,
            Operation::Verify,
            Operation::Prepare,
            Operation::Send,
            Operation::Find,
            Operation::Delete,
            Operation::Revoke,
        ] {
            let vendor = Vendor::start(vec![lost()]).await;
            let call = vendor.http();
            let call = call.call(operation, Method::POST, url("https://start.example/"));
            let fault = call.time_limit(Duration::from_millis(200)).send().await.unwrap_err();
            let expected = matches!(operation, Operation::Send | Operation::Renew);
            assert_eq!(matches!(fault, Fault::InDoubt { .. }), expected, "{operation:?}: {fault}");
            assert!(expected || matches!(fault, Fault::Transient { .. }), "{operation:?}: {fault}");
        }
    }
}

#[tokio::test]
async fn a_refused_connection_is_transient_even_on_the_visible_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed: SocketAddr = listener.local_addr().unwrap();
    drop(listener);
    let http = http(Some(url(&format!("http://{closed}"))));
    let fault = http.call(Operation::Send, Method::POST, url("https://start.example/")).send().await.unwrap_err();
    assert!(matches!(fault, Fault::Transient { .. }), "{fault}");
}

#[tokio::test]
async fn retry_after_is_seconds_or_a_date() {
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    for (text, expected) in [
        ("7", Some(7_000)),
        ("1.337", Some(1_337)),
        ("Sun, 22 Nov 2026 12:01:30 GMT", Some(90_000)),
        ("Sun, 22 Nov 2026 11:00:00 GMT", Some(0)),
        ("999999999", Some(86_400_000)),
        ("-5", None),
        ("soon", None),
        ("nan", None),
    ] {
        let vendor = Vendor::start(vec![reply(429, &[("retry-after", text)], "")]).await;
        let call = vendor.http();
        let answer = call.call(Operation::Verify, Method::GET, url("https://start.example/")).send().await.unwrap();
        assert_eq!(answer.retry_after(now), expected.map(Duration::from_millis), "{text}");
    }
}

#[tokio::test]
async fn files_go_with_their_exact_length() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "the bytes").unwrap();
    let vendor = Vendor::start(vec![reply(200, &[], ""), reply(200, &[], "")]).await;
    let http = vendor.http();
    let parts = vec![
        Part::text("description", "ein Bär"),
        Part { name: "payload_json".into(), value: PartValue::Json(json!({"a": 1})) },
        Part {
            name: "file".into(),
            value: PartValue::File {
                path: file.path().to_owned(),
                bytes: 9,
                name: "one.png".into(),
                mime: "image/png".into(),
            },
        },
    ];
    http.call(Operation::Prepare, Method::POST, url("https://up.example/")).multipart(parts).send().await.unwrap();
    let call = http.call(Operation::Prepare, Method::PUT, url("https://up.example/"));
    call.file("image/png", file.path().to_owned(), 9).send().await.unwrap();
    let requests = vendor.requests();
    for request in &requests {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len()))
                || head.ends_with(&format!("content-length: {}", body.len())),
            "{head}"
        );
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert!(body.contains("the bytes"));
    }
    assert!(requests[0].contains("name=\"file\"; filename=\"one.png\"\r\nContent-Type: image/png\r\n"));
    assert!(requests[0].contains("ein Bär") && requests[0].contains("{\"a\":1}"));
    assert!(requests[1].ends_with("\r\n\r\nthe bytes"));
}

/// Notes every point as people would see it in a log.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

#[async_trait]
impl Observer for Notes {
    async fn reached(&self, point: Point) {
        self.0.lock().unwrap().push(format!("{point:?}"));
    }
}

#[tokio::test]
async fn tokens_are_in_no_fault_and_no_observation() {
    let vendor = Vendor::start(vec![Reply::Close, reply(200, &[], "")]).await;
    let notes = Arc::new(Notes::default());
    let http = Http::new(Some(vendor.gateway.clone()), Arc::new(PublicResolver), notes.clone()).unwrap();
    let canary = Secret::new("canary");
    let call = || http.call(Operation::Send, Method::POST, url("https://start.example/path"));
    let fault = call().bearer(&canary).query([("access_token", "canary")]).send().await.unwrap_err();
    call().basic("canary", &canary).query([("access_token", "canary")]).send().await.unwrap();
    assert!(!format!("{fault} {fault:?}").contains("canary"), "{fault:?}");
    let notes = notes.0.lock().unwrap().join("\n");
    assert!(notes.contains("/path") && !notes.contains("canary"), "{notes}");
    assert!(vendor.requests()[1].contains("Basic Y2FuYXJ5OmNhbmFyeQ=="), "{:?}", vendor.requests());
}
