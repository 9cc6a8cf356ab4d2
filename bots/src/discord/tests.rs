//! The surface against a small fake of Discord on loopback: what goes over the wire, and what the handler sees. The fake
//! answers by route and keeps what it was sent; it is no model of Discord.

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
use crate::model::{
    Attachment, Button, ChatKind, Choice, Field, Incoming, MembershipStatus, Select, Update, UpdateKind,
};

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
        assert!(agent, "{what} has no proper user agent");
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
        assert_eq!(identify["intents"], (GatewayIntents::GUILDS | GatewayIntents::DIRECT_MESSAGES).bits());
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

#[tokio::test(flavor = "multi_thread")]
async fn a_quick_answer_is_the_interactions_own() {
    let (mut world, run) = World::running().await;
    world.script([
        Do::Answer(Message::text("Which *one*?").row([Button::press("Yes", "t-yes")])),
        Do::Answer("more".into()),
    ]);
    world.event("INTERACTION_CREATE", slash("connect", json!([{"name": "platform", "type": 3, "value": "mastodon"}])));
    let update = soon(&mut world.updates).await;
    assert_eq!(update.id, "300");
    assert_eq!((update.chat.id.as_str(), update.chat.kind), ("70", ChatKind::Group));
    assert_eq!(update.chat.server.as_deref(), Some("50"));
    let person = update.person.unwrap();
    assert_eq!((person.id.as_str(), person.name.as_str(), person.handle.as_deref()), ("7", "Nana", Some("ana")));
    assert!(update.proof.manages_server);
    assert_eq!(
        update.kind,
        UpdateKind::Command {
            name: "connect".into(),
            arguments: vec!["mastodon".into()],
            incoming: Incoming::default()
        }
    );
    let first =
        world.request("POST /interactions/300/interaction-token-interaction-token/callback?with_response=true").await;
    assert!(!first.authorized);
    assert_eq!(first.body["type"], 4);
    assert_eq!(first.body["data"]["content"], "Which \\*one\\*?");
    assert_eq!(first.body["data"]["flags"].as_u64().unwrap() & 64, 64);
    assert_eq!(first.body["data"]["allowed_mentions"], json!({"parse": []}));
    assert_eq!(first.body["data"]["components"][0]["components"][0]["custom_id"], "t-yes");
    let follow = world.request("POST /webhooks/1/interaction-token-interaction-token?wait=true").await;
    assert_eq!(follow.body["flags"].as_u64().unwrap() & 64, 64);

    // An ephemeral answer is edited through its token, and gone when the token is over.
    let at = soon(&mut world.done).await.unwrap();
    assert_eq!((at.id.as_str(), at.chat.as_str()), ("@original", "71"));
    assert_eq!(at.token.as_deref(), Some("1/interaction-token-interaction-token"));
    assert_eq!(soon(&mut world.done).await.unwrap().id, "901");
    world.discord.edit(&at, &"later".into()).await.unwrap();
    let edited = world.request("PATCH /webhooks/1/interaction-token-interaction-token/messages/@original").await;
    assert_eq!((&edited.body["content"], &edited.body["components"]), (&json!("later"), &json!([])));
    world.answers(
        "PATCH",
        401,
        json!({"message": "Invalid Webhook Token interaction-token-interaction-token", "code": 50027}),
    );
    let gone = world.discord.edit(&at, &"later".into()).await.unwrap_err();
    assert!(matches!(&gone, Failure::Gone(why) if !why.contains("interaction-token")), "{gone}");
    world.request("PATCH").await;

    world.stop.cancel();
    let stopped = std::time::Instant::now();
    assert_eq!(run.await.unwrap(), Ok(()));
    assert!(stopped.elapsed() < Duration::from_secs(4));
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_handler_is_deferred_and_its_answer_takes_the_place() {
    let (mut world, _run) = World::running().await;
    let gate = Arc::new(Notify::new());
    let later = |step| Do::After(gate.clone(), Box::new(step));

    // The command's audience is the chat, so "thinking…" is public; so is the answer.
    world.script([later(Do::Answer("done".into())), Do::Form]);
    world.event("INTERACTION_CREATE", slash("post", json!([{"name": "text", "type": 3, "value": "two words"}])));
    let deferred = world.request("POST /interactions/300/").await;
    assert_eq!(deferred.body, json!({"type": 5}));
    gate.notify_one();
    let answer = world.request("PATCH /webhooks/1/interaction-token-interaction-token/messages/@original").await;
    assert_eq!(answer.body["content"], "done");
    let at = soon(&mut world.done).await.unwrap();
    assert_eq!((at.id.as_str(), at.token), ("902", None));
    assert!(!soon(&mut world.formed).await);

    // A private answer can't take the place of a public "thinking…".
    world.script([later(Do::Answer(Message::text("psst").private()))]);
    world.event("INTERACTION_CREATE", slash("post", json!([])));
    world.request("POST /interactions/300/").await;
    gate.notify_one();
    world.request("DELETE /webhooks/1/interaction-token-interaction-token/messages/@original").await;
    let answer = world.request("POST /webhooks/1/").await;
    assert_eq!(answer.body["flags"].as_u64().unwrap() & 64, 64);
    soon(&mut world.done).await.unwrap();

    // The asker's own command is deferred for the asker; a handler that says nothing leaves nothing behind.
    world.script([later(Do::Nothing)]);
    world.event("INTERACTION_CREATE", slash("connect", json!([])));
    assert_eq!(world.request("POST /interactions/300/").await.body, json!({"type": 5, "data": {"flags": 64}}));
    gate.notify_one();
    world.request("DELETE /webhooks/1/interaction-token-interaction-token/messages/@original").await;

    // A button's card stays until the edit comes.
    world.script([later(Do::Edit("edited".into()))]);
    world.event("INTERACTION_CREATE", press("t-go", 64));
    assert_eq!(world.request("POST /interactions/300/").await.body, json!({"type": 6}));
    gate.notify_one();
    world.request("PATCH /webhooks/1/interaction-token-interaction-token/messages/@original").await;
    assert_eq!(soon(&mut world.done).await.unwrap().id, "@original");
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_menus_and_forms() {
    let (mut world, _run) = World::running().await;
    let menu = Select {
        token: "t-menu".into(),
        placeholder: "Which?".into(),
        min: 1,
        max: 2,
        choices: vec![Choice { label: "Acme".into(), value: "a".into(), detail: Some("page".into()), picked: true }],
    };

    world.script([Do::Edit(Message { select: Some(menu), ..Message::text("Pick") })]);
    world.event("INTERACTION_CREATE", press("t-go", 0));
    let update = soon(&mut world.updates).await;
    assert_eq!(update.kind, UpdateKind::Press("t-go".into()));
    let card = update.message.unwrap();
    assert_eq!((card.chat.as_str(), card.id.as_str(), card.token), ("71", "800", None));
    let edited = world.request("POST /interactions/300/").await;
    assert_eq!((&edited.body["type"], &edited.body["data"]["content"]), (&json!(7), &json!("Pick")));
    let drawn = &edited.body["data"]["components"][0]["components"][0];
    assert_eq!((&drawn["type"], &drawn["custom_id"], &drawn["max_values"]), (&json!(3), &json!("t-menu"), &json!(1)));
    assert_eq!(soon(&mut world.done).await.unwrap().id, "800");

    // A toast leaves the card where a later edit finds it.
    world.script([Do::Toast("picked"), Do::Edit("after".into())]);
    let mut used = interaction(3, json!({"custom_id": "t-menu", "component_type": 3, "values": ["a", "b"]}));
    used["message"] = message("800", 64);
    world.event("INTERACTION_CREATE", used);
    let update = soon(&mut world.updates).await;
    assert_eq!(update.kind, UpdateKind::Select { token: "t-menu".into(), values: vec!["a".into(), "b".into()] });
    assert_eq!(update.message.unwrap().id, "@original");
    assert_eq!(world.request("POST /interactions/300/").await.body, json!({"type": 6}));
    assert_eq!(world.request("POST /webhooks/1/").await.body["content"], "picked");
    world.request("PATCH /webhooks/1/interaction-token-interaction-token/messages/@original").await;
    soon(&mut world.done).await.unwrap();

    // A form opened by a command for the asker: its answer is for the asker too.
    world.script([Do::Form]);
    world.event("INTERACTION_CREATE", slash("connect", json!([])));
    soon(&mut world.updates).await;
    let modal = world.request("POST /interactions/300/").await;
    assert_eq!((&modal.body["type"], &modal.body["data"]["title"]), (&json!(9), &json!("Mastodon")));
    let input = &modal.body["data"]["components"][0]["components"][0];
    assert_eq!((&input["type"], &input["custom_id"], &input["style"]), (&json!(4), &json!("host"), &json!(1)));
    assert!(soon(&mut world.formed).await);

    world.script([Do::Answer("Thanks".into())]);
    let custom_id = modal.body["data"]["custom_id"].clone();
    let row = json!({"type": 1, "components": [{"type": 4, "custom_id": "host", "value": "a.example"}]});
    world.event("INTERACTION_CREATE", interaction(5, json!({"custom_id": custom_id, "components": [row]})));
    let update = soon(&mut world.updates).await;
    assert_eq!(
        update.kind,
        UpdateKind::Form { token: "t-form".into(), fields: vec![("host".into(), "a.example".into())] }
    );
    let answer = world.request("POST /interactions/300/").await;
    assert_eq!(answer.body["data"]["flags"].as_u64().unwrap() & 64, 64);
    soon(&mut world.done).await.unwrap();

    // A press that is not answered is acknowledged all the same.
    world.script([Do::Nothing]);
    world.event("INTERACTION_CREATE", press("t-go", 0));
    assert_eq!(world.request("POST /interactions/300/").await.body, json!({"type": 6}));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_registered_when_they_differ_and_completed() {
    let mut world = World::new().await;
    let drawn = Value::from(commands::drawn(COMMANDS));
    assert_eq!(drawn[0]["options"][0]["autocomplete"], true);
    assert_eq!(drawn[1]["options"].as_array().unwrap().len(), 5);
    assert_eq!(drawn[2]["options"][0]["name"], "when");
    assert_eq!(drawn[3]["name"], "Post this");
    // Discord adds fields of its own; the same commands are not sent again.
    let mut there = drawn.clone();
    for command in there.as_array_mut().unwrap() {
        command["id"] = "9".into();
        command["description"] = command["description"].as_str().unwrap_or_default().into();
    }
    commands::register(&world.discord.0.rest, "1", COMMANDS).await.unwrap();
    assert_eq!(world.request("PUT /applications/1/commands").await.body, drawn);
    world.answers("GET /applications/1/commands", 200, there);
    commands::register(&world.discord.0.rest, "1", COMMANDS).await.unwrap();
    world.nothing_more();

    let (mut world, _run) = World::running().await;
    let mut typing = slash("connect", json!([{"name": "platform", "type": 3, "value": "ma", "focused": true}]));
    typing["type"] = 4.into();
    world.event("INTERACTION_CREATE", typing);
    let answer = world.request("POST /interactions/300/").await;
    assert_eq!(
        answer.body,
        json!({"type": 8, "data": {"choices": [{"name": "connect platform ma", "value": "mastodon"}]}})
    );

    // Options in the specification's order, the skipped one empty.
    world.event("INTERACTION_CREATE", slash("schedule", json!([{"name": "when", "type": 3, "value": "now"}])));
    let UpdateKind::Command { arguments, .. } = soon(&mut world.updates).await.kind else { panic!() };
    assert_eq!(arguments, ["", "now"]);
    world.request("POST /interactions/300/").await;
    world.request("DELETE").await;

    // serenity can't read it; the person hears so.
    world.event("INTERACTION_CREATE", json!({"id": "301", "type": 2, "token": "strange"}));
    let answer = world.request("POST /interactions/301/strange/callback").await;
    assert_eq!(answer.body["data"]["flags"].as_u64().unwrap() & 64, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_files_and_post_this() {
    let (mut world, _run) = World::running().await;
    let mut direct = message("810", 0);
    direct["author"] = user("7", false);
    direct["content"] = "hello **world**".into();
    direct["attachments"] = json!([attachment(&world.gateway)]);
    world.script([Do::Answer("Draft".into())]);
    world.event("MESSAGE_CREATE", direct.clone());
    let update = soon(&mut world.updates).await;
    assert_eq!((update.chat.kind, update.chat.id.as_str(), update.id.as_str()), (ChatKind::Direct, "71", "810"));
    let UpdateKind::Message(incoming) = update.kind else { panic!() };
    assert_eq!((incoming.text.plain.as_str(), incoming.forwarded), ("hello **world**", false));
    let file = incoming.files[0].clone();
    assert_eq!((file.alt.as_deref(), file.size, file.mime.as_deref()), (Some("A cat"), Some(4), Some("image/png")));
    assert!(world.request("POST /channels/71/messages").await.authorized);
    let sent = soon(&mut world.done).await.unwrap();
    assert_eq!((sent.id.as_str(), sent.token), ("903", None));

    // A private message may go to a direct chat, not to a channel.
    let private = Message::text("link").private();
    world.discord.send("71", None, &private).await.unwrap();
    world.request("POST /channels/71/messages").await;
    world.answers("GET /channels/70", 200, json!({"id": "70", "type": 0, "guild_id": "50"}));
    assert_eq!(world.discord.send("70", None, &private).await, Err(Failure::NotPrivate));
    world.request("GET /channels/70").await;

    // A command typed as words.
    direct["content"] = "/schedule p1 now".into();
    world.event("MESSAGE_CREATE", direct.clone());
    let UpdateKind::Command { name, arguments, incoming } = soon(&mut world.updates).await.kind else { panic!() };
    assert_eq!((name.as_str(), arguments.len(), incoming.files.len()), ("schedule", 2, 1));

    // What bots write, ourselves included, is not for us; a forward and a sticker are told apart.
    world.event("MESSAGE_CREATE", message("811", 0));
    let mut forward = message("812", 0);
    forward["author"] = user("7", false);
    forward["content"] = "".into();
    forward["message_reference"] = json!({"type": 1, "channel_id": "1", "message_id": "2"});
    let mut inner = message("2", 0);
    inner["content"] = "news".into();
    forward["message_snapshots"] = json!([{"message": inner}]);
    world.event("MESSAGE_CREATE", forward);
    let UpdateKind::Message(incoming) = soon(&mut world.updates).await.kind else { panic!() };
    assert_eq!((incoming.text.plain.as_str(), incoming.forwarded), ("news", true));

    // "Post this", and files with a slash command.
    let mut chosen = message("820", 0);
    chosen["content"] = "opening hours".into();
    chosen["attachments"] = json!([attachment(&world.gateway)]);
    let data = json!({"id": "401", "name": "Post this", "type": 3, "target_id": "820", "resolved": {"messages": {"820": chosen}}});
    world.script([Do::Answer("Draft".into())]);
    world.event("INTERACTION_CREATE", interaction(2, data));
    let UpdateKind::Command { name, incoming, .. } = soon(&mut world.updates).await.kind else { panic!() };
    assert_eq!((name.as_str(), incoming.text.plain.as_str(), incoming.forwarded), ("post", "opening hours", true));
    assert_eq!(incoming.files.len(), 1);
    world.request("POST /interactions/300/").await;
    let mut with_file = slash("post", json!([{"name": "image1", "type": 11, "value": "600"}]));
    with_file["data"]["resolved"] = json!({"attachments": {"600": attachment(&world.gateway)}});
    world.event("INTERACTION_CREATE", with_file);
    let UpdateKind::Command { incoming, .. } = soon(&mut world.updates).await.kind else { panic!() };
    assert_eq!(incoming.files.len(), 1);

    // Downloads come from Discord's file hosts alone, and are capped.
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("p.png");
    let mut world = World::new().await;
    let vendor = FileRef { id: "https://cdn.discordapp.com/attachments/1/2/p.png?ex=1".into(), ..file };
    world.answers("GET /cdn.discordapp.com/attachments/1/2/p.png?ex=1", 200, "1234".into());
    world.discord.download(&vendor, &to, 4).await.unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), b"1234");
    assert!(!world.request("GET /cdn.discordapp.com").await.authorized);
    world.answers("GET /cdn", 200, "12345".into());
    assert_eq!(world.discord.download(&vendor, &to, 4).await, Err(Failure::TooLarge { limit: 4 }));
    world.answers("GET /cdn", 404, "".into());
    assert!(matches!(world.discord.download(&vendor, &to, 4).await, Err(Failure::Gone(_))));
    for elsewhere in
        ["https://evil.example/p.png", "http://cdn.discordapp.com/p.png", "https://cdn.discordapp.com@evil.example/"]
    {
        let file = FileRef { id: elsewhere.into(), ..vendor.clone() };
        assert!(matches!(world.discord.download(&file, &to, 4).await, Err(Failure::Refused(_))), "{elsewhere}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_and_losing_a_server() {
    let (mut world, _run) = World::running().await;
    let server = |id: &str, joined: &str| {
        json!({"id": id, "name": "Acme", "icon": null, "splash": null, "discovery_splash": null, "owner_id": "7",
            "afk_channel_id": null, "afk_timeout": 300, "verification_level": 0, "default_message_notifications": 0,
            "explicit_content_filter": 0, "roles": [], "emojis": [], "features": [], "mfa_level": 0,
            "application_id": null, "system_channel_id": "72", "system_channel_flags": 0, "rules_channel_id": null,
            "vanity_url_code": null, "description": null, "banner": null, "premium_tier": 0, "preferred_locale": "en-US",
            "public_updates_channel_id": null, "nsfw_level": 0, "premium_progress_bar_enabled": false, "stickers": [],
            "joined_at": joined, "large": false, "unavailable": false, "member_count": 2, "voice_states": [],
            "members": [], "channels": [], "threads": [], "presences": [], "stage_instances": [],
            "guild_scheduled_events": [], "safety_alerts_channel_id": null})
    };
    let standing = |update: Update| match update.kind {
        UpdateKind::Membership(membership) => (membership.place, membership.status, update.id),
        kind => panic!("{kind:?}"),
    };
    // Server 50 was there at READY, 51 is new; an outage is no loss.
    world.event("GUILD_CREATE", server("50", "2026-01-01T00:00:00+00:00"));
    world.script([Do::Answer("Hello".into())]);
    world.event("GUILD_CREATE", server("51", "2026-11-22T00:00:00+00:00"));
    let joined = standing(soon(&mut world.updates).await);
    assert_eq!((joined.0.as_str(), joined.1), ("51", MembershipStatus::Member));
    world.request("POST /channels/72/messages").await;
    world.event("GUILD_DELETE", json!({"id": "51", "unavailable": true}));
    world.event("GUILD_CREATE", server("51", "2026-11-22T00:00:00+00:00"));
    world.event("GUILD_DELETE", json!({"id": "51"}));
    let lost = standing(soon(&mut world.updates).await);
    assert_eq!((lost.0.as_str(), lost.1), ("51", MembershipStatus::Gone));
    assert_ne!(joined.2, lost.2);

    // The session was lost, and the last server with it.
    world.event("READY", ready(&[]));
    let lost = standing(soon(&mut world.updates).await);
    assert_eq!((lost.0.as_str(), lost.1), ("50", MembershipStatus::Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_ends_the_run() {
    let (mut world, run) = World::running().await;
    world.events.send(json!({"close": 4004})).unwrap();
    let ended = tokio::time::timeout(LIMIT, run).await.unwrap().unwrap();
    assert!(matches!(ended, Err(Failure::Unauthorized(_))), "{ended:?}");

    world.answers("GET /users/@me", 401, json!({"message": format!("401: Unauthorized {TOKEN}"), "code": 0}));
    let refused = world.discord.identity().await.unwrap_err();
    assert!(matches!(&refused, Failure::Unauthorized(why) if !why.contains("canary")), "{refused}");
    // Nothing more is asked with that token, until somebody asks who we are.
    assert!(matches!(world.discord.send("70", None, &"x".into()).await, Err(Failure::Unauthorized(_))));
    world.nothing_more();
    assert_eq!(world.discord.identity().await.unwrap().id, "1");
    world.discord.send("70", None, &"x".into()).await.unwrap();
    world.request("POST /channels/70/messages").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_websocket_must_be_behind_the_gateway() {
    let world = World::new().await;
    *world.fake.socket.lock().unwrap() = "wss://gateway.discord.gg".to_owned();
    assert!(matches!(world.run().await.unwrap(), Err(Failure::Refused(_))));
    assert!(matches!(world.discord.0.rest.websocket().await, Err(Failure::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_waited_out_when_short_and_told_when_long() {
    let mut world = World::new().await;
    let limited = |after: f64, global: bool| json!({"message": "You are being rate limited.", "retry_after": after, "global": global});
    world.answers("POST /channels", 429, limited(0.2, false));
    let started = std::time::Instant::now();
    world.discord.send("70", None, &"x".into()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200));
    world.request("POST").await;
    world.request("POST").await;

    world.answers("POST /channels", 429, limited(64.57, false));
    let why = world.discord.send("70", None, &"x".into()).await.unwrap_err();
    assert!(matches!(why, Failure::Retry { after: 65, .. }), "{why}");
    world.request("POST").await;

    // A long global limit closes every route.
    world.answers("POST /channels", 429, limited(30.0, true));
    assert!(matches!(world.discord.send("70", None, &"x".into()).await, Err(Failure::Retry { .. })));
    world.request("POST").await;
    assert!(matches!(world.discord.direct_chat("7").await, Err(Failure::Retry { .. })));
    world.nothing_more();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_say_what_to_do() {
    let mut world = World::new().await;
    let text = Message::text("x");
    let send = |status, code: u64| {
        world.answers("POST /channels", status, json!({"message": "m", "code": code}));
        world.discord.send("70", None, &text)
    };
    assert!(matches!(send(403, 50001).await, Err(Failure::Unreachable(_))));
    assert!(matches!(send(404, 10003).await, Err(Failure::Unreachable(_))));
    assert!(matches!(send(503, 0).await, Err(Failure::Retry { .. })));
    assert!(matches!(send(400, 50035).await, Err(Failure::Refused(_))));
    assert!(matches!(world.discord.send("../users", None, &"x".into()).await, Err(Failure::Unreachable(_))));
    let at = reference("70", None, vec!["903".into()]);
    world.answers("PATCH", 404, json!({"message": "Unknown Message", "code": 10008}));
    assert!(matches!(world.discord.edit(&at, &"x".into()).await, Err(Failure::Gone(_))));
    world.answers("DELETE", 404, json!({"message": "Unknown Message", "code": 10008}));
    world.discord.delete(&at).await.unwrap();
    world.seen.close();

    // Nobody listens there: the error names no address, which could hold a token.
    let config = DiscordConfig {
        token: TOKEN.into(),
        application_id: Some("1".into()),
        gateway: Some(Url::parse("http://127.0.0.1:1").unwrap()),
    };
    let at = MessageRef { token: Some("1/interaction-token-interaction-token".into()), ..at };
    let failed = Discord::new(config).unwrap().edit(&at, &"x".into()).await.unwrap_err();
    assert!(matches!(&failed, Failure::Retry { why, .. } if !why.contains("interaction-token")), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_messages_files_and_rights() {
    let mut world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.png");
    std::fs::write(&path, b"pixels").unwrap();
    let mut long = Message::text("word ".repeat(500)).row([Button::press("Go", "t-go")]);
    long.media.push(Attachment { name: "p.png".into(), mime: "image/png".into(), path, alt: Some("A cat".into()) });
    let mut at = world.discord.send("70", None, &long).await.unwrap();
    let first = world.request("POST /channels/70/messages").await;
    assert!(first.raw.contains("name=\"payload_json\"") && first.raw.contains("name=\"files[0]\"; filename=\"p.png\""));
    assert!(first.raw.contains("\"description\":\"A cat\"") && first.raw.contains("pixels"));
    let last = world.request("POST /channels/70/messages").await;
    assert_eq!(last.body["components"][0]["components"][0]["custom_id"], "t-go");
    assert_eq!(at.parts, ["903"]);

    // A shorter text takes the second message away.
    at.parts = vec!["904".into()];
    let at = world.discord.edit(&at, &"short".into()).await.unwrap();
    world.request("PATCH /channels/70/messages/903").await;
    world.request("DELETE /channels/70/messages/904").await;
    assert!(at.parts.is_empty());

    let rights = |owner: &str, role: &str| {
        world.answers("GET /channels/70", 200, json!({"id": "70", "type": 0, "guild_id": "50"}));
        world.answers("GET /guilds/50/members", 200, json!({"roles": ["61"]}));
        world.answers("GET /guilds/50/roles", 200, json!([{"id": "50", "permissions": "2048"}, {"id": "61", "permissions": role}, {"id": "62", "permissions": "8"}]));
        world.answers("GET /guilds/50", 200, json!({"id": "50", "owner_id": owner}));
        world.discord.is_admin("70", "7")
    };
    assert_eq!(rights("8", "2048").await, Ok(false));
    assert_eq!(rights("8", "32").await, Ok(true));
    assert_eq!(rights("8", "8").await, Ok(true));
    assert_eq!(rights("7", "0").await, Ok(true));
    world.fake.answers.lock().unwrap().clear();
    world.answers("GET /channels/50", 404, json!({"message": "Unknown Channel", "code": 10003}));
    world.answers("GET /guilds/50/members", 404, json!({"message": "Unknown Member", "code": 10007}));
    world.answers("GET /guilds/50", 200, json!({"id": "50", "owner_id": "8"}));
    assert_eq!(world.discord.is_admin("50", "7").await, Ok(false));
    world.answers("GET /channels/90", 200, json!({"id": "90", "type": 1, "recipients": [{"id": "7"}]}));
    assert_eq!(world.discord.is_admin("90", "7").await, Ok(true));
    world.answers("POST /users/@me/channels", 200, json!({"id": "90"}));
    assert_eq!(world.discord.direct_chat("7").await.unwrap(), "90");
}
