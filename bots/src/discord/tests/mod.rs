//! The surface against a small fake of Discord on loopback: what goes over the wire, and what the handler sees. The fake
//! answers by route and keeps what it was sent; it is no model of Discord.

mod emulated;
mod interactions;
mod wire;

use std::collections::VecDeque;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::{Notify, mpsc};

use super::*;
use crate::command::{Argument, ArgumentKind, Audience};
use crate::model::Form;
use crate::model::{
    Attachment, Button, ChatKind, Choice, Field, Incoming, MembershipStatus, Select, Update, UpdateKind,
};
use crate::surface::Responder;

const TOKEN: &str = "canary-token-canary-token-canary";
const LIMIT: Duration = Duration::from_secs(20);

static COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "connect",
        arguments: &[Argument { name: "platform", help: "Which", required: false, kind: ArgumentKind::Word }],
        help: "Connect an account",
        audience: Audience::Asker,
    },
    CommandSpec {
        name: "post",
        arguments: &[Argument { name: "text", help: "What", required: false, kind: ArgumentKind::Rest }],
        help: "Write a post",
        audience: Audience::Chat,
    },
    CommandSpec {
        name: "schedule",
        arguments: &[
            Argument { name: "post", help: "Which", required: false, kind: ArgumentKind::Word },
            Argument { name: "when", help: "When", required: true, kind: ArgumentKind::Choice(&["now", "later"]) },
        ],
        help: "Schedule a post",
        audience: Audience::Chat,
    },
];

#[derive(Debug)]
struct Seen {
    what: String,
    authorized: bool,
    body: Value,
    raw: String,
}

struct Fake {
    seen: mpsc::UnboundedSender<Seen>,
    /// (part of "METHOD path", status, body): the first that fits is used up.
    answers: Mutex<VecDeque<(String, u16, Value)>>,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Value>>,
    socket: Mutex<String>,
    identified: mpsc::UnboundedSender<Value>,
}

async fn api(State(fake): State<Arc<Fake>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if parts.uri.path() == "/ws" {
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.unwrap();
        return upgrade.on_upgrade(move |socket| gateway(fake, socket));
    }
    let body: Bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let path = parts.uri.path_and_query().unwrap().as_str().to_owned();
    let what = format!("{} {}", parts.method, path.strip_prefix("/discord.com/api/v10").unwrap_or(&path));
    let found = {
        let mut answers = fake.answers.lock().unwrap();
        let at = answers.iter().position(|(part, ..)| what.contains(part.as_str()));
        at.and_then(|at| answers.remove(at))
    };
    let socket = fake.socket.lock().unwrap().clone();
    let (status, answer) = match found {
        Some((_, status, answer)) => (status, answer),
        None if what.ends_with(" /gateway") => (200, json!({"url": socket})),
        None if what.contains("/callback?") => {
            (200, json!({"interaction": {}, "resource": {"message": {"id": "900"}}}))
        }
        None if what.contains("/callback") || what.starts_with("DELETE") => (204, Value::Null),
        None if what.contains("@me") => (200, json!({"id": "1", "username": "bot", "global_name": null})),
        None if what.starts_with("GET") && what.ends_with("/commands") => (200, json!([])),
        None if what.starts_with("PUT") => (200, json!([])),
        None if what.starts_with("PATCH") => (200, json!({"id": "902"})),
        None if what.starts_with("POST /webhooks") => (200, json!({"id": "901"})),
        None if what.starts_with("POST /channels") => (200, json!({"id": "903"})),
        None => (404, json!({"message": "404: Not Found", "code": 0})),
    };
    let agent =
        parts.headers.get("user-agent").is_some_and(|agent| agent.to_str().unwrap().starts_with("DiscordBot ("));
    let quiet = what.ends_with(" /gateway") || what.contains("/commands") || what.ends_with("@me");
    if !quiet || what.starts_with("PUT") {
        assert!(agent || what.contains("websocket"), "{what} has no proper user agent");
        let authorized = parts.headers.get("authorization").is_some_and(|sent| sent == &format!("Bot {TOKEN}"));
        let raw = String::from_utf8_lossy(&body).into_owned();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let _ = fake.seen.send(Seen { what, authorized, body, raw });
    }
    match answer {
        Value::String(text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        answer => (StatusCode::from_u16(status).unwrap(), axum::Json(answer)).into_response(),
    }
}

async fn gateway(fake: Arc<Fake>, mut socket: WebSocket) {
    let hello = json!({"op": 10, "d": {"heartbeat_interval": 30_000}, "s": null, "t": null});
    socket.send(Frame::Text(hello.to_string().into())).await.unwrap();
    let mut events = fake.events.lock().await;
    let mut sequence = 0;
    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { return };
                if let Some(code) = event["close"].as_u64() {
                    let frame = CloseFrame { code: code as u16, reason: "".into() };
                    let _ = socket.send(Frame::Close(Some(frame))).await;
                    continue;
                }
                sequence += 1;
                let frame = json!({"op": 0, "s": sequence, "t": event["t"], "d": event["d"]});
                let _ = socket.send(Frame::Text(frame.to_string().into())).await;
            }
            frame = socket.recv() => match frame {
                Some(Ok(Frame::Text(text))) => {
                    let sent: Value = serde_json::from_str(&text).unwrap();
                    let answer = match sent["op"].as_u64() {
                        Some(1) => json!({"op": 11, "d": null, "s": null, "t": null}),
                        Some(2) => { let _ = fake.identified.send(sent["d"].clone()); continue }
                        _ => continue,
                    };
                    let _ = socket.send(Frame::Text(answer.to_string().into())).await;
                }
                Some(Ok(Frame::Close(_))) | None | Some(Err(_)) => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// What the handler does with the next update.
enum Do {
    Answer(Message),
    Edit(Message),
    Toast(&'static str),
    Form,
    /// Waits, then goes on.
    After(Arc<Notify>, Box<Do>),
    Nothing,
}

struct Script {
    next: Mutex<VecDeque<Vec<Do>>>,
    seen: mpsc::UnboundedSender<Update>,
    done: mpsc::UnboundedSender<Result<MessageRef, Failure>>,
    formed: mpsc::UnboundedSender<bool>,
}

#[async_trait]
impl Handler for Script {
    async fn handle(&self, update: Update, responder: &dyn Responder) {
        let steps = self.next.lock().unwrap().pop_front().unwrap_or_default();
        self.seen.send(update).unwrap();
        for mut step in steps {
            while let Do::After(gate, then) = step {
                gate.notified().await;
                step = *then;
            }
            match step {
                Do::Answer(message) => self.done.send(responder.answer(&message).await).unwrap(),
                Do::Edit(message) => self.done.send(responder.edit(&message).await).unwrap(),
                Do::Toast(text) => responder.toast(text).await.unwrap(),
                Do::Form => self.formed.send(responder.form(&form()).await.unwrap()).unwrap(),
                Do::After(..) | Do::Nothing => {}
            }
        }
    }

    async fn complete(&self, _: &Update, command: &str, argument: &str, typed: &str) -> Vec<Choice> {
        let label = format!("{command} {argument} {typed}");
        vec![Choice { label, value: "mastodon".into(), detail: None, picked: false }]
    }
}

fn form() -> Form {
    let field = Field {
        name: "host".into(),
        label: "Server".into(),
        placeholder: "mastodon.social".into(),
        value: String::new(),
        long: false,
        required: true,
    };
    Form { token: "t-form".into(), title: "Mastodon".into(), fields: vec![field] }
}

struct World {
    fake: Arc<Fake>,
    discord: Arc<Discord>,
    gateway: String,
    seen: mpsc::UnboundedReceiver<Seen>,
    events: mpsc::UnboundedSender<Value>,
    identified: mpsc::UnboundedReceiver<Value>,
    updates: mpsc::UnboundedReceiver<Update>,
    done: mpsc::UnboundedReceiver<Result<MessageRef, Failure>>,
    formed: mpsc::UnboundedReceiver<bool>,
    handler: Arc<Script>,
    stop: CancellationToken,
}

async fn soon<T>(what: &mut mpsc::UnboundedReceiver<T>) -> T {
    tokio::time::timeout(LIMIT, what.recv()).await.expect("nothing came").unwrap()
}

impl World {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (send_seen, seen) = mpsc::unbounded_channel();
        let (events, take_events) = mpsc::unbounded_channel();
        let (send_identified, identified) = mpsc::unbounded_channel();
        let fake = Arc::new(Fake {
            seen: send_seen,
            answers: Mutex::default(),
            events: tokio::sync::Mutex::new(take_events),
            socket: Mutex::new(format!("ws://{address}/ws")),
            identified: send_identified,
        });
        let app = Router::new().fallback(api).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let gateway = format!("http://{address}");
        let config =
            DiscordConfig { token: TOKEN.into(), application_id: None, gateway: Some(Url::parse(&gateway).unwrap()) };
        assert!(!format!("{config:?}").contains("canary"));
        let discord = Arc::new(Discord::new(config).unwrap());
        let (send_update, updates) = mpsc::unbounded_channel();
        let (send_done, done) = mpsc::unbounded_channel();
        let (send_formed, formed) = mpsc::unbounded_channel();
        let next = Mutex::default();
        let handler = Arc::new(Script { next, seen: send_update, done: send_done, formed: send_formed });
        let stop = CancellationToken::new();
        Self { fake, discord, gateway, seen, events, identified, updates, done, formed, handler, stop }
    }

    fn run(&self) -> tokio::task::JoinHandle<Result<(), Failure>> {
        let (discord, handler, stop) = (self.discord.clone(), self.handler.clone(), self.stop.clone());
        tokio::spawn(async move { discord.run(COMMANDS, handler, stop).await })
    }

    /// Running, with the session ready in server 50.
    async fn running() -> (Self, tokio::task::JoinHandle<Result<(), Failure>>) {
        let mut world = Self::new().await;
        let run = world.run();
        assert!(world.request("PUT").await.authorized);
        let identify = soon(&mut world.identified).await;
        assert_eq!(identify["intents"], socket::INTENTS.bits());
        world.event("READY", ready(&["50"]));
        (world, run)
    }

    fn event(&self, name: &str, data: Value) {
        self.events.send(json!({"t": name, "d": data})).unwrap();
    }

    fn script(&self, steps: impl IntoIterator<Item = Do>) {
        self.handler.next.lock().unwrap().push_back(steps.into_iter().collect());
    }

    fn answers(&self, part: &str, status: u16, body: Value) {
        self.fake.answers.lock().unwrap().push_back((part.to_owned(), status, body));
    }

    /// The next request; it must be this one.
    async fn request(&mut self, what: &str) -> Seen {
        let seen = soon(&mut self.seen).await;
        assert!(seen.what.starts_with(what), "{what} expected, but: {seen:?}");
        seen
    }

    fn nothing_more(&mut self) {
        assert!(self.seen.try_recv().is_err());
    }
}

fn user(id: &str, bot: bool) -> Value {
    json!({"id": id, "username": "ana", "global_name": "Ana *B*", "discriminator": "0", "avatar": null, "bot": bot})
}

fn ready(servers: &[&str]) -> Value {
    let guilds: Vec<Value> = servers.iter().map(|id| json!({"id": id, "unavailable": true})).collect();
    json!({
        "v": 10, "user": {"id": "1", "username": "bot", "discriminator": "0", "avatar": null, "bot": true,
            "mfa_enabled": false, "verified": true, "email": null, "flags": 0, "global_name": null},
        "guilds": guilds, "session_id": "s", "resume_gateway_url": "ws://127.0.0.1:1",
        "shard": [0, 1], "application": {"id": "1", "flags": 0},
    })
}

fn interaction(kind: u64, data: Value) -> Value {
    json!({
        "id": "300", "application_id": "1", "type": kind, "token": "interaction-token-interaction-token", "version": 1,
        "data": data, "guild_id": "50", "channel_id": "71",
        "channel": {"id": "71", "type": 11, "name": "a thread", "parent_id": "70",
            "thread_metadata": {"archived": false, "auto_archive_duration": 60,
                "archive_timestamp": "2026-11-22T00:00:00.000000+00:00", "locked": false}},
        "member": {"user": user("7", false), "nick": "Nana", "roles": [], "joined_at": "2026-01-01T00:00:00.000000+00:00",
            "deaf": false, "mute": false, "flags": 0, "permissions": "32"},
        "locale": "en-US", "guild_locale": "en-US", "app_permissions": "2048", "entitlements": [],
        "authorizing_integration_owners": {}, "context": 0, "attachment_size_limit": 10_485_760,
    })
}

fn slash(name: &str, options: Value) -> Value {
    interaction(2, json!({"id": "400", "name": name, "type": 1, "options": options}))
}

fn message(id: &str, flags: u64) -> Value {
    json!({
        "id": id, "channel_id": "71", "author": user("1", true), "content": "card", "tts": false,
        "timestamp": "2026-11-22T00:00:00.000000+00:00", "edited_timestamp": null, "mention_everyone": false,
        "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": false, "type": 0,
        "flags": flags, "components": [],
    })
}

fn attachment(gateway: &str) -> Value {
    json!({"id": "600", "filename": "p.png", "description": "A cat", "size": 4, "content_type": "image/png",
        "url": format!("{gateway}/cdn.discordapp.com/attachments/1/2/p.png?ex=1"), "proxy_url": "https://media.discordapp.net/x"})
}

fn press(token: &str, flags: u64) -> Value {
    let mut pressed = interaction(3, json!({"custom_id": token, "component_type": 2}));
    pressed["message"] = message("800", flags);
    pressed
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}
