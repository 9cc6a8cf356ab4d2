//! The Telegram surface on the wire, against a server on loopback. Long because each of the API's habits is one test.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed step is a failed test")]

mod fake;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bots::telegram::{Budget, Delivery, Secret, Webhook, client};
use bots::{
    Argument, Attachment, Audience, Button, Choice, CommandSpec, Failure, FileRef, Handler, Message, MessageRef,
    Responder, Surface, SurfaceKind, Telegram, TelegramConfig, Text, Update, UpdateKind,
};
use fake::{Fake, TOKEN};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const COMMANDS: &[CommandSpec] =
    &[CommandSpec { name: "post", arguments: &[] as &[Argument], help: "Write a post", audience: Audience::Chat }];

/// Counts what was asked for.
#[derive(Default)]
struct Counter(Mutex<HashMap<String, u32>>);

#[async_trait]
impl Budget for Counter {
    async fn take(&self, chat: &str, calls: u32) {
        *self.0.lock().unwrap().entry(chat.into()).or_default() += calls;
    }
}

/// Reports every update; waits for a permit in gated chats; does what a press says.
struct Script {
    seen: mpsc::UnboundedSender<Update>,
    gates: HashMap<String, Arc<Semaphore>>,
}

#[async_trait]
impl Handler for Script {
    async fn handle(&self, update: Update, responder: &dyn Responder) {
        self.seen.send(update.clone()).unwrap();
        if let Some(gate) = self.gates.get(&update.chat.id) {
            gate.acquire().await.unwrap().forget();
        }
        match &update.kind {
            UpdateKind::Press(token) if token == "toast" => responder.toast("Saved").await.unwrap(),
            UpdateKind::Press(token) if token == "edit" => {
                responder.edit(&Message::text("New")).await.unwrap();
            }
            UpdateKind::Press(token) if token == "ask" => {
                responder.edit(&Message { ask: Some("a time".into()), ..Message::text("When?") }).await.unwrap();
            }
            UpdateKind::Command { .. } => {
                let question = Message { ask: Some("mastodon.social".into()), ..Message::text("Which server?") };
                responder.answer(&question).await.unwrap();
            }
            UpdateKind::Message(incoming) if incoming.text.plain == "panic" => panic!("as told"),
            _ => {}
        }
    }

    async fn complete(&self, _: &Update, _: &str, _: &str, _: &str) -> Vec<Choice> {
        Vec::new()
    }
}

struct Running {
    fake: Fake,
    telegram: Arc<Telegram>,
    seen: mpsc::UnboundedReceiver<Update>,
    stop: CancellationToken,
    end: JoinHandle<Result<(), Failure>>,
}

impl Running {
    async fn start(fake: Fake, webhook: Option<Webhook>, gates: &[(&str, &Arc<Semaphore>)]) -> Self {
        let telegram = Arc::new(surface(&fake, webhook));
        let (sender, seen) = mpsc::unbounded_channel();
        let gates = gates.iter().map(|(chat, gate)| ((*chat).to_owned(), Arc::clone(gate))).collect();
        let handler = Arc::new(Script { seen: sender, gates });
        let stop = CancellationToken::new();
        let (running, until) = (Arc::clone(&telegram), stop.clone());
        let end = tokio::spawn(async move { running.run(COMMANDS, handler, until).await });
        Self { fake, telegram, seen, stop, end }
    }

    async fn next(&mut self) -> Update {
        tokio::time::timeout(Duration::from_secs(20), self.seen.recv()).await.expect("an update").unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.end.await.unwrap().unwrap();
    }
}

fn config(url: url::Url, webhook: Option<Webhook>, budget: Arc<dyn Budget>) -> TelegramConfig {
    TelegramConfig { token: Secret::new(TOKEN), api_url: Some(url), webhook, client: client().unwrap(), budget }
}

fn surface(fake: &Fake, webhook: Option<Webhook>) -> Telegram {
    Telegram::new(config(fake.url.clone(), webhook, Arc::new(Counter::default()))).unwrap()
}

fn said(id: i64, chat: i64, text: &str) -> Value {
    json!({"update_id": id, "message": {
        "message_id": id, "date": 1, "text": text,
        "from": {"id": 42, "is_bot": false, "first_name": "Ana"},
        "chat": {"id": chat, "type": if chat > 0 { "private" } else { "supergroup" }},
    }})
}

fn pressed(id: i64, token: &str) -> Value {
    json!({"update_id": id, "callback_query": {
        "id": format!("q{id}"), "chat_instance": "c", "data": token,
        "from": {"id": 42, "is_bot": false, "first_name": "Ana"},
        "message": {"message_id": 9, "date": 1, "chat": {"id": 42, "type": "private"}},
    }})
}

fn at(id: &str, parts: &[&str]) -> MessageRef {
    MessageRef {
        surface: SurfaceKind::Telegram,
        chat: "42".into(),
        id: id.into(),
        token: None,
        parts: parts.iter().map(|part| (*part).to_owned()).collect(),
    }
}

#[tokio::test]
async fn polling_ends_a_webhook_registers_commands_and_names_its_updates() {
    let running = Running::start(Fake::start().await, None, &[]).await;
    running.fake.call("deleteWebhook").await;
    let first = running.fake.call("setMyCommands").await.json;
    assert_eq!(first["commands"], json!([{"command": "post", "description": "Write a post"}]));
    assert_eq!(first["scope"]["type"], "all_private_chats");
    assert_eq!(running.fake.call("setMyCommands").await.json["scope"]["type"], "all_group_chats");
    let poll = running.fake.call("getUpdates").await.json;
    assert_eq!(poll["allowed_updates"], json!(["message", "channel_post", "my_chat_member", "callback_query"]));
    assert!(poll.get("offset").is_none());
    running.stop().await;
}

#[tokio::test]
async fn a_slow_handler_holds_its_chat_and_the_offset_but_not_the_others() {
    let gate = Arc::new(Semaphore::new(0));
    let mut running = Running::start(Fake::start().await, None, &[("1", &gate)]).await;
    running.fake.push(said(10, 1, "slow"));
    running.fake.push(said(11, 1, "after it"));
    running.fake.push(said(12, 2, "elsewhere"));
    let mut ids = vec![running.next().await.id, running.next().await.id];
    ids.sort();
    assert_eq!(ids, ["10", "12"]);
    // What comes later is fetched too, though nothing is confirmed.
    running.fake.push(said(13, 2, "later"));
    assert_eq!(running.next().await.id, "13");
    let held = running.fake.call_where("held offset", |call| call.json["offset"].is_i64()).await;
    assert_eq!(held.json["offset"], 10);
    gate.add_permits(2);
    assert_eq!(running.next().await.id, "11");
    running.fake.call_where("the offset past all", |call| call.json["offset"] == 14).await;
    running.stop().await;
}

#[tokio::test]
async fn what_was_not_confirmed_comes_again_after_a_restart() {
    let gate = Arc::new(Semaphore::new(0));
    let mut running = Running::start(Fake::start().await, None, &[("1", &gate)]).await;
    running.fake.push(said(10, 1, "slow"));
    assert_eq!(running.next().await.id, "10");
    running.stop.cancel();
    // The handler still hangs; it is given a moment and then dropped.
    running.end.await.unwrap().unwrap();
    let mut again = Running::start(running.fake, None, &[]).await;
    assert_eq!(again.next().await.id, "10");
    again.stop().await;
}

#[tokio::test]
async fn replays_pass_and_the_unreadable_is_skipped() {
    let mut running = Running::start(Fake::start().await, None, &[]).await;
    running.fake.push(json!({"update_id": 20, "message": {"message_id": "x"}}));
    running.fake.push(json!({"update_id": 21, "something_new": {}}));
    running.fake.push(said(22, 1, "panic"));
    running.fake.push(said(23, 1, "hello"));
    assert_eq!(running.next().await.id, "22");
    assert_eq!(running.next().await.id, "23");
    running.fake.call_where("all confirmed", |call| call.json["offset"] == 24).await;
    running.fake.replay(said(23, 1, "hello"));
    assert_eq!(running.next().await.id, "23");
    running.stop().await;
}

#[tokio::test]
async fn conflicts_are_waited_out_and_a_refused_token_ends_it() {
    let fake = Fake::start().await;
    fake.fail(
        "getUpdates",
        409,
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    );
    fake.fail(
        "getUpdates",
        409,
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    );
    fake.push(said(30, 1, "hello"));
    let mut running = Running::start(fake, None, &[]).await;
    assert_eq!(running.next().await.id, "30");
    let second = running.fake.call_where("the webhook's end", |call| call.method == "deletewebhook");
    second.await;
    running.fake.call("deleteWebhook").await;
    running.fake.fail("getUpdates", 401, "Unauthorized");
    running.fake.push(said(31, 1, "wakes the poll"));
    let end = tokio::time::timeout(Duration::from_secs(20), running.end).await.unwrap().unwrap();
    assert!(matches!(end, Err(Failure::Unauthorized(_))), "{end:?}");
}

#[tokio::test]
async fn every_press_is_acknowledged_once() {
    let gate = Arc::new(Semaphore::new(0));
    let mut running = Running::start(Fake::start().await, None, &[("42", &gate)]).await;
    // A handler that hangs: the button stops spinning all the same. Those behind it wait in the same chat.
    running.fake.push(pressed(40, "nothing"));
    running.next().await;
    let late = running.fake.call("answerCallbackQuery").await.json;
    assert_eq!((late["callback_query_id"].as_str(), late.get("text")), (Some("q40"), None));
    gate.add_permits(3);
    running.fake.push(pressed(41, "toast"));
    let toast = running.fake.call("answerCallbackQuery").await.json;
    assert_eq!((toast["callback_query_id"].as_str(), toast["text"].as_str()), (Some("q41"), Some("Saved")));
    running.fake.push(pressed(42, "edit"));
    let edit = running.fake.call("editMessageText").await.json;
    assert_eq!((edit["message_id"].as_i64(), edit["text"].as_str()), (Some(9), Some("New")));
    assert_eq!(running.fake.call("answerCallbackQuery").await.json["callback_query_id"], "q42");
    // Too late for a toast: it becomes a message.
    gate.add_permits(1);
    running.fake.fail(
        "answerCallbackQuery",
        400,
        "Bad Request: query is too old and response timeout expired or query ID is invalid",
    );
    running.fake.push(pressed(43, "toast"));
    assert_eq!(running.fake.call("sendMessage").await.json["text"], "Saved");
    assert!(!running.fake.seen().await.contains(&"answercallbackquery".to_owned()));
    running.stop().await;
}

#[tokio::test]
async fn a_question_in_a_group_opens_the_askers_reply_field() {
    let running = Running::start(Fake::start().await, None, &[]).await;
    running.fake.push(said(50, -100_200, "/post@TryPostBot"));
    let question = running.fake.call("sendMessage").await.json;
    assert_eq!(question["chat_id"], -100_200);
    let markup = json!({"force_reply": true, "input_field_placeholder": "mastodon.social", "selective": true});
    assert_eq!(question["reply_markup"], markup);
    assert_eq!(question["reply_parameters"]["message_id"], 50);
    running.fake.push(said(51, 42, "/post"));
    let direct = running.fake.call("sendMessage").await.json;
    assert!(direct.get("reply_markup").is_none());
    let with_button =
        Message { ask: Some("a server".into()), ..Message::text("Which?").row([Button::press("Cancel", "c")]) };
    let sent = running.telegram.send("-100200", Some("7"), &with_button).await.unwrap();
    assert_eq!(sent.parts.len(), 1);
    let first = running.fake.call("sendMessage").await.json;
    assert_eq!(
        (first["message_thread_id"].as_i64(), first["reply_markup"]["inline_keyboard"][0][0]["text"].as_str()),
        (Some(7), Some("Cancel"))
    );
    assert_eq!(running.fake.call("sendMessage").await.json["reply_markup"]["force_reply"], true);
    // What can't be edited in place is sent anew in the same topic.
    assert_eq!(sent.token.as_deref(), Some("7"));
    running.fake.fail("editMessageText", 400, "Bad Request: there is no text in the message to edit");
    running.telegram.edit(&sent, &Message::text("New")).await.unwrap();
    assert_eq!(running.fake.call("sendMessage").await.json["message_thread_id"], 7);
    // After a press the question is addressed to whoever pressed, in a message of its own.
    let mut press = pressed(53, "ask");
    press["callback_query"]["message"]["chat"] = json!({"id": -100_200, "type": "supergroup"});
    running.fake.push(press);
    assert_eq!(running.fake.call("editMessageText").await.json["text"], "When?");
    let addressed = running.fake.call("sendMessage").await.json;
    assert_eq!(addressed["text"], "Ana: a time");
    assert_eq!(addressed["entities"][0]["url"], "tg://user?id=42");
    assert_eq!(addressed["reply_markup"]["selective"], true);
    // Channels have no reply field.
    let channel = json!({"id": -100_300, "type": "channel", "title": "News"});
    let post = json!({"message_id": 3, "date": 1, "text": "/post", "chat": channel, "sender_chat": channel});
    running.fake.push(json!({"update_id": 54, "channel_post": post}));
    assert!(running.fake.call("sendMessage").await.json.get("reply_markup").is_none());
    running.stop().await;
}

#[tokio::test]
async fn texts_go_with_entities_keyboard_and_no_preview() {
    let fake = Fake::start().await;
    let counter = Arc::new(Counter::default());
    let telegram = Telegram::new(config(fake.url.clone(), None, Arc::clone(&counter) as _)).unwrap();
    let mut text = Text::from("👩‍🚀 <b>Ana</b> ");
    text.bold("wrote").link(" here", "https://a.example/");
    let message = Message { silent: true, ..Message::text(text) }
        .row([Button::press("Go", "t1"), Button::link("Docs", "https://docs.example/x")])
        .row([Button::link("Form", "http://127.0.0.1:8080/c")]);
    let sent = telegram.send("42", None, &message).await.unwrap();
    assert_eq!((sent.chat.as_str(), sent.id.as_str(), sent.parts.len()), ("42", "501", 0));
    let call = fake.call("sendMessage").await.json;
    assert_eq!(call["text"], "👩‍🚀 <b>Ana</b> wrote here\nForm: http://127.0.0.1:8080/c");
    assert_eq!(
        call["entities"],
        json!([
            {"type": "bold", "offset": 17, "length": 5},
            {"type": "text_link", "offset": 22, "length": 5, "url": "https://a.example/"},
        ])
    );
    assert_eq!(
        call["reply_markup"]["inline_keyboard"],
        json!([[
            {"text": "Go", "callback_data": "t1"},
            {"text": "Docs", "url": "https://docs.example/x"},
        ]])
    );
    assert_eq!(call["link_preview_options"]["is_disabled"], true);
    assert_eq!(call["disable_notification"], true);
    assert!(call.get("parse_mode").is_none());
    assert_eq!(counter.0.lock().unwrap()["42"], 1);
    assert_eq!(telegram.send("-100200", None, &Message::text("x").private()).await, Err(Failure::NotPrivate));
    assert!(telegram.send("42", None, &Message::text("x").private()).await.is_ok());
}

#[tokio::test]
async fn long_texts_are_parts_with_the_buttons_on_the_last() {
    let fake = Fake::start().await;
    let telegram = surface(&fake, None);
    let text = "A sentence of some words. ".repeat(400);
    let sent = telegram.send("42", None, &Message::text(text.clone()).row([Button::press("Go", "t")])).await.unwrap();
    assert_eq!((sent.id.as_str(), sent.parts.len()), ("501", 2));
    let mut joined = String::new();
    for last in [false, false, true] {
        let call = fake.call("sendMessage").await.json;
        let part = call["text"].as_str().unwrap();
        assert!(part.encode_utf16().count() <= 4096);
        joined.push_str(part);
        assert_eq!(call.get("reply_markup").is_some(), last);
    }
    assert_eq!(joined, text);
    // Shorter now: the first is edited, the others go.
    let edited = telegram.edit(&sent, &Message::text("Done")).await.unwrap();
    assert_eq!((edited.id.as_str(), edited.parts.len()), ("501", 0));
    assert_eq!(fake.call("editMessageText").await.json["message_id"], 501);
    assert_eq!(fake.call("deleteMessages").await.json["message_ids"], json!([502, 503]));
    // A later part that can't be edited (a question never can) has the whole sent anew.
    fake.answer("editMessageText", 200, json!({"ok": true, "result": {"message_id": 1}}));
    fake.fail("editMessageText", 400, "Bad Request: message can't be edited");
    telegram.edit(&at("1", &["2"]), &Message::text("long ".repeat(1000))).await.unwrap();
    fake.call("sendMessage").await;
    fake.call("sendMessage").await;
    assert_eq!(fake.call("deleteMessages").await.json["message_ids"], json!([1, 2]));
    // Half a message is taken back, so that trying again does not show it twice.
    fake.answer("sendMessage", 200, json!({"ok": true, "result": {"message_id": 600}}));
    fake.answer("sendMessage", 429, json!({"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 7", "parameters": {"retry_after": 7}}));
    let failed = telegram.send("42", None, &Message::text(text)).await;
    assert!(matches!(failed, Err(Failure::Retry { after: 7, .. })), "{failed:?}");
    assert_eq!(fake.call("deleteMessage").await.json["message_id"], 600);
}

#[tokio::test]
async fn media_go_alone_or_as_albums() {
    let fake = Fake::start().await;
    let counter = Arc::new(Counter::default());
    let telegram = Telegram::new(config(fake.url.clone(), None, Arc::clone(&counter) as _)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.png");
    std::fs::write(&path, b"PNGBYTES").unwrap();
    let photo = |mime: &str| Attachment { name: "a.png".into(), mime: mime.into(), path: path.clone(), alt: None };
    let one = Message { media: vec![photo("image/png")], ..Message::text("Caption").row([Button::press("Go", "t")]) };
    let sent = telegram.send("42", None, &one).await.unwrap();
    assert!(sent.parts.is_empty());
    let call = fake.call("sendPhoto").await.raw;
    for part in ["PNGBYTES", "Caption", "filename=\"a.png\"", "callback_data"] {
        assert!(call.contains(part), "{part} in {call}");
    }
    let album = Message { media: vec![photo("image/png"), photo("video/mp4")], ..one.clone() };
    let sent = telegram.send("42", None, &album).await.unwrap();
    assert_eq!(sent.parts.len(), 2);
    let call = fake.call("sendMediaGroup").await.raw;
    assert!(
        call.contains("\"type\":\"photo\"") && call.contains("\"type\":\"video\"") && !call.contains("Caption"),
        "{call}"
    );
    assert_eq!(fake.call("sendMessage").await.json["text"], "Caption");
    assert_eq!(counter.0.lock().unwrap()["42"], 1 + 2 + 1);
    // Without buttons the words are the album's caption; a file among pictures goes by itself.
    let mixed = Message {
        rows: Vec::new(),
        media: vec![photo("image/png"), photo("image/jpeg"), photo("application/pdf")],
        ..one.clone()
    };
    telegram.send("42", None, &mixed).await.unwrap();
    fake.call("sendMediaGroup").await;
    fake.call("sendDocument").await;
    let captioned = Message { media: mixed.media[..2].to_vec(), ..mixed };
    telegram.send("42", None, &captioned).await.unwrap();
    assert!(fake.call("sendMediaGroup").await.raw.contains("Caption"));
    // Text to photo is an edit; a photo's message to text is not, so it is sent anew.
    telegram.edit(&at("9", &[]), &one).await.unwrap();
    fake.call("editMessageMedia").await;
    fake.fail("editMessageText", 400, "Bad Request: there is no text in the message to edit");
    let new = telegram.edit(&at("9", &[]), &Message::text("Only words")).await.unwrap();
    assert_ne!(new.id, "9");
    assert_eq!(fake.call("sendMessage").await.json["text"], "Only words");
    assert_eq!(fake.call("deleteMessage").await.json["message_id"], 9);
    let missing = Message { media: vec![Attachment { path: PathBuf::from("/nowhere"), ..photo("image/png") }], ..one };
    assert!(matches!(telegram.send("42", None, &missing).await, Err(Failure::Refused(_))));
}

#[tokio::test]
async fn refusals_are_told_in_terms_to_act_on() {
    let fake = Fake::start().await;
    let telegram = surface(&fake, None);
    let hello = Message::text("hello");
    fake.answer("sendMessage", 429, json!({"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 31", "parameters": {"retry_after": 31}}));
    assert!(matches!(telegram.send("42", None, &hello).await, Err(Failure::Retry { after: 31, .. })));
    fake.answer("sendMessage", 400, json!({"ok": false, "error_code": 400, "description": "Bad Request: group chat was upgraded to a supergroup chat", "parameters": {"migrate_to_chat_id": -1_001_234}}));
    assert_eq!(telegram.send("-5", None, &hello).await, Err(Failure::Moved("-1001234".into())));
    fake.fail("sendMessage", 403, "Forbidden: bot was blocked by the user");
    assert!(matches!(telegram.send("42", None, &hello).await, Err(Failure::Unreachable(_))));
    fake.fail("sendMessage", 400, "Bad Request: BUTTON_URL_INVALID");
    telegram.send("42", None, &hello.clone().row([Button::link("L", "https://odd.example/")])).await.unwrap();
    fake.call_where("links in words", |call| call.json["text"] == "hello\nL: https://odd.example/").await;
    fake.fail("editMessageText", 400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message");
    assert_eq!(telegram.edit(&at("9", &[]), &hello).await.unwrap().id, "9");
    fake.fail("editMessageText", 400, "Bad Request: message can't be edited");
    assert!(matches!(telegram.edit(&at("9", &[]), &hello).await, Err(Failure::Gone(_))));
    fake.fail("deleteMessage", 400, "Bad Request: message to delete not found");
    assert_eq!(telegram.delete(&at("9", &[])).await, Ok(()));
    fake.fail("deleteMessage", 400, "Bad Request: message can't be deleted for everyone");
    assert!(matches!(telegram.delete(&at("9", &[])).await, Err(Failure::Gone(_))));
    assert!(matches!(telegram.send("general", None, &hello).await, Err(Failure::Unreachable(_))));
    assert!(matches!(telegram.send("42", None, &Message::default()).await, Err(Failure::Refused(_))));
    assert_eq!(telegram.direct_chat("42").await.as_deref(), Ok("42"));
    assert!(telegram.direct_chat("-42").await.is_err());
    fake.answer("getChatMember", 200, json!({"ok": true, "result": {"status": "creator"}}));
    assert_eq!(telegram.is_admin("-5", "42").await, Ok(true));
    fake.answer("getChatMember", 200, json!({"ok": true, "result": {"status": "member"}}));
    assert_eq!(telegram.is_admin("-5", "42").await, Ok(false));
    fake.fail("getChatMember", 400, "Bad Request: user not found");
    assert_eq!(telegram.is_admin("-5", "42").await, Ok(false));
    fake.fail("getMe", 404, "Not Found");
    assert!(matches!(telegram.identity().await, Err(Failure::Unauthorized(_))));
    assert_eq!(telegram.identity().await.unwrap().handle, "TryPostBot");
}

#[tokio::test]
async fn outages_are_told_without_the_token() {
    let fake = Fake::start().await;
    let telegram = surface(&fake, None);
    fake.answer("sendMessage", 502, format!("<html>{TOKEN}</html>"));
    let html = telegram.send("42", None, &Message::text("x")).await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nowhere = format!("http://{closed}/api.telegram.org").parse().unwrap();
    let unheard = Telegram::new(config(nowhere, None, Arc::new(Counter::default()))).unwrap();
    let refused = unheard.send("42", None, &Message::text("x")).await;
    let file = FileRef { id: "f".into(), mime: None, name: None, size: None, alt: None };
    let directory = tempfile::tempdir().unwrap();
    fake.answer("getFile", 200, json!({"ok": true, "result": {"file_id": "f", "file_path": "gone.jpg"}}));
    let missing = telegram.download(&file, &directory.path().join("f"), 1000).await;
    assert!(matches!(missing, Err(Failure::Gone(_))), "{missing:?}");
    fake.fail("sendMessage", 400, &format!("Bad Request: odd {TOKEN}"));
    let echoed = telegram.send("42", None, &Message::text("x")).await;
    for failure in [html.unwrap_err(), refused.unwrap_err()] {
        assert!(matches!(failure, Failure::Retry { .. }), "{failure:?}");
        assert!(!format!("{failure} {failure:?}").contains("canary"), "{failure:?}");
    }
    for failure in [missing.unwrap_err(), echoed.unwrap_err()] {
        assert!(!format!("{failure} {failure:?}").contains("canary"), "{failure:?}");
    }
    assert_eq!(format!("{:?}", Secret::new(TOKEN)), "•••");
}

#[tokio::test]
async fn files_are_fetched_whole_or_not_at_all() {
    let fake = Fake::start().await;
    let telegram = surface(&fake, None);
    fake.file("photos/file 0.jpg", vec![7; 5000]);
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("photo");
    let file = FileRef { id: "f".into(), mime: None, name: None, size: None, alt: None };
    let found = |size: u64| json!({"ok": true, "result": {"file_id": "f", "file_path": "photos/file 0.jpg", "file_size": size}});
    fake.answer("getFile", 200, found(5000));
    telegram.download(&file, &to, 5000).await.unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), vec![7; 5000]);
    // The network's word on the size is not trusted.
    fake.answer("getFile", 200, found(10));
    assert_eq!(telegram.download(&file, &to, 4999).await, Err(Failure::TooLarge { limit: 4999 }));
    assert!(!to.exists());
    fake.answer("getFile", 200, found(5000));
    assert_eq!(telegram.download(&file, &to, 4999).await, Err(Failure::TooLarge { limit: 4999 }));
    fake.fail("getFile", 400, "Bad Request: file is too big");
    assert_eq!(telegram.download(&file, &to, u64::MAX).await, Err(Failure::TooLarge { limit: 20 * 1024 * 1024 }));
}

#[tokio::test]
async fn webhook_deliveries_are_judged_and_handled() {
    let webhook =
        Webhook { url: "https://bot.example/telegram/webhook".parse().unwrap(), secret: Secret::new("s3cret") };
    let fake = Fake::start().await;
    let body = said(60, 1, "hello").to_string();
    let (secret, wrong) = (Some(&b"s3cret"[..]), Some(&b"s3creT"[..]));
    let idle = surface(&fake, Some(webhook.clone()));
    assert_eq!(idle.webhook(secret, body.as_bytes()).await, Delivery::Unavailable);
    assert_eq!(surface(&fake, None).webhook(secret, body.as_bytes()).await, Delivery::Rejected);

    let gate = Arc::new(Semaphore::new(0));
    let mut running = Running::start(fake, Some(webhook), &[("1", &gate)]).await;
    let set = running.fake.call("setWebhook").await.json;
    assert_eq!(
        (set["url"].as_str(), set["secret_token"].as_str()),
        (Some("https://bot.example/telegram/webhook"), Some("s3cret"))
    );
    assert_eq!(set["allowed_updates"][3], "callback_query");
    running.fake.call("setMyCommands").await;
    for refused in [None, wrong, Some(&b""[..]), Some(&b"s3cret "[..])] {
        assert_eq!(running.telegram.webhook(refused, body.as_bytes()).await, Delivery::Rejected);
    }
    for malformed in ["", "{", "[]", "{\"update_id\":\"x\"}", "\u{0}"] {
        assert_eq!(running.telegram.webhook(secret, malformed.as_bytes()).await, Delivery::Malformed, "{malformed}");
    }
    assert_eq!(running.telegram.webhook(secret, b"{\"update_id\":1,\"message\":{}}").await, Delivery::Accepted);
    // A delivery is accepted when it was handled, not before; a repeated one is passed on with the same id.
    let telegram = Arc::clone(&running.telegram);
    let mut delivery = tokio::spawn(async move { telegram.webhook(secret, body.as_bytes()).await });
    assert_eq!(running.next().await.id, "60");
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut delivery).await.is_err());
    gate.add_permits(2);
    assert_eq!(delivery.await.unwrap(), Delivery::Accepted);
    assert_eq!(running.telegram.webhook(secret, said(60, 1, "hello").to_string().as_bytes()).await, Delivery::Accepted);
    assert_eq!(running.next().await.id, "60");
    assert!(!running.fake.seen().await.contains(&"getupdates".to_owned()));
    assert_eq!(Delivery::Unavailable.status().as_u16(), 503);
    running.stop().await;
}
