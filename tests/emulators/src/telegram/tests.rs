//! Each strict rule of the Telegram emulator over real HTTP: one refused and one accepted request.
//! Long because each rule has its own lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{Attachment, Draft, Entity, Standing, Telegram, User, updates};
use crate::{Clock, Gateway};

const TOKEN: &str = "42:canary-token";
const HOUR: i64 = 3_600_000;

struct World {
    gateway: Arc<Gateway>,
    telegram: Telegram,
    ana: User,
    clock: Arc<AtomicI64>,
}

async fn world() -> World {
    let clock = Arc::new(AtomicI64::new(1_800_000_000_000));
    let shared = clock.clone();
    let now: Clock = Arc::new(move || shared.load(Ordering::SeqCst));
    let gateway = Gateway::start(now).await.unwrap();
    let telegram = Telegram::new(&gateway, TOKEN, "trial_bot");
    let ana = telegram.add_user(7, "Ana", Some("ana"));
    World { gateway, telegram, ana, clock }
}

impl World {
    fn url(&self, method: &str) -> String {
        format!("{}/api.telegram.org/bot{TOKEN}/{method}", self.gateway.url())
    }

    async fn call(&self, method: &str, body: Value) -> Value {
        updates::client().unwrap().post(self.url(method)).json(&body).send().await.unwrap().json().await.unwrap()
    }

    async fn form(&self, method: &str, form: Form) -> Value {
        updates::client().unwrap().post(self.url(method)).multipart(form).send().await.unwrap().json().await.unwrap()
    }

    async fn refused(&self, method: &str, body: Value, expected: &str) {
        let answer = self.call(method, body.clone()).await;
        let text = answer["description"].as_str().unwrap_or_default();
        assert!(answer["ok"] == json!(false) && text.contains(expected), "{method} {body}: {answer}");
    }

    async fn accepted(&self, method: &str, body: Value) -> Value {
        let answer = self.call(method, body.clone()).await;
        assert_eq!(answer["ok"], json!(true), "{method} {body}: {answer}");
        answer["result"].clone()
    }

    fn pass(&self, milliseconds: i64) {
        self.clock.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

/// A PNG header that says it is this large: enough for what reads only sizes.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0]);
    bytes
}

#[tokio::test]
async fn a_bot_may_not_write_first() {
    let w = world().await;
    w.refused("sendMessage", json!({"chat_id": 7, "text": "hi"}), "bot can't initiate conversation").await;
    w.refused("sendMessage", json!({"chat_id": 8, "text": "hi"}), "chat not found").await;
    w.ana.opens("tp-code");
    // Method names are matched without regard to case.
    let sent = w.accepted("SENDmessage", json!({"chat_id": 7, "text": "hi"})).await;
    assert_eq!(w.telegram.wait_message(7, |m| m.text == "hi").await.id, sent["message_id"].as_i64().unwrap());
    w.ana.blocks();
    w.refused("sendMessage", json!({"chat_id": 7, "text": "hi"}), "Forbidden: bot was blocked by the user").await;
    w.ana.says(7, "back");
    w.accepted("sendMessage", json!({"chat_id": 7, "text": "hi"})).await;
    w.ana.deactivates();
    w.refused("sendMessage", json!({"chat_id": 7, "text": "hi"}), "Forbidden: user is deactivated").await;
}

#[tokio::test]
async fn tokens_and_methods() {
    let w = world().await;
    let get = async |path: &str| {
        let url = format!("{}/api.telegram.org{path}", w.gateway.url());
        updates::client().unwrap().get(url).send().await.unwrap().status().as_u16()
    };
    assert_eq!(get(&format!("/bot{TOKEN}/GetMe")).await, 200);
    assert_eq!(get("/bot42:wrong/getMe").await, 401);
    assert_eq!(get("/botnonsense/getMe").await, 404);
    assert!(w.gateway.take_violations().is_empty());
    assert_eq!(get(&format!("/bot{TOKEN}/sendNothing")).await, 404);
    assert_eq!(w.gateway.take_violations().len(), 1);
    w.telegram.replace_token("42:other");
    assert_eq!(get(&format!("/bot{TOKEN}/getMe")).await, 401);
    assert_eq!(get("/bot42:other/getMe").await, 200);
}

#[tokio::test]
async fn text_limits_count_utf16_after_parsing() {
    let w = world().await;
    w.ana.opens("x");
    w.refused("sendMessage", json!({"chat_id": 7, "text": "  "}), "message text is empty").await;
    w.refused("sendMessage", json!({"chat_id": 7, "text": "é".repeat(4097)}), "message is too long").await;
    w.refused("sendMessage", json!({"chat_id": 7, "text": "😀".repeat(2049)}), "message is too long").await;
    let markup = format!("<b>{}</b>", "😀".repeat(2048));
    w.accepted("sendMessage", json!({"chat_id": 7, "text": markup, "parse_mode": "HTML"})).await;
    assert_eq!(w.gateway.take_violations().len(), 3);
}

#[tokio::test]
async fn html_is_parsed() {
    let w = world().await;
    w.ana.opens("x");
    let html =
        async |text: &str| w.call("sendMessage", json!({"chat_id": 7, "text": text, "parse_mode": "HTML"})).await;
    for wrong in ["<b>open", "<p>no</p>", "<b>x</i>", "x</b>", "a < b", "<span>x</span>"] {
        let answer = html(wrong).await;
        let text = answer["description"].as_str().unwrap_or_default();
        assert!(text.starts_with("Bad Request: can't parse entities"), "{wrong}: {answer}");
    }
    let text = "😀 <b>b<i>i</i></b> &lt;&amp;&#33; <a href=\"https://a.example/?x=1&amp;y\">l</a> \
                <pre><code class=\"language-rust\">x</code></pre> <blockquote expandable>q</blockquote>";
    let sent = html(text).await;
    assert_eq!(sent["result"]["text"], json!("😀 bi <&! l x q"));
    let entities = sent["result"]["entities"].as_array().unwrap();
    assert_eq!(entities[0], json!({"type": "bold", "offset": 3, "length": 2}));
    assert_eq!(entities[1], json!({"type": "italic", "offset": 4, "length": 1}));
    assert_eq!(entities[2]["url"], json!("https://a.example/?x=1&y"));
    assert_eq!(entities[3], json!({"type": "pre", "offset": 12, "length": 1, "language": "rust"}));
    assert_eq!(entities[4]["type"], json!("expandable_blockquote"));
}

#[tokio::test]
async fn entities_stay_inside_the_text() {
    let w = world().await;
    w.ana.opens("x");
    let with = |offset: i64, length: i64| {
        let entity = json!({"type": "bold", "offset": offset, "length": length});
        json!({"chat_id": 7, "text": "a😀b", "entities": [entity]})
    };
    w.refused("sendMessage", with(3, 2), "ends after the end of the text").await;
    w.refused("sendMessage", with(2, 1), "middle of a symbol").await;
    w.refused("sendMessage", with(-1, 1), "wrong offset").await;
    w.accepted("sendMessage", with(1, 2)).await;
    let shown = w.telegram.wait_message(7, |_| true).await;
    let bold = Entity { kind: "bold".into(), offset: 1, length: 2, detail: None };
    assert_eq!((shown.covered(&bold), shown.entities), ("😀".to_owned(), vec![bold]));
}

#[tokio::test]
async fn keyboards_are_checked() {
    let w = world().await;
    w.ana.opens("x");
    let with = |keyboard: Value| json!({"chat_id": 7, "text": "x", "reply_markup": {"inline_keyboard": keyboard}});
    let data = |data: String| json!([[{"text": "b", "callback_data": data}]]);
    w.refused("sendMessage", with(data("é".repeat(33))), "BUTTON_DATA_INVALID").await;
    w.refused("sendMessage", with(json!([[{"text": "b"}]])), "Text buttons are unallowed").await;
    w.refused("sendMessage", with(json!([{"text": "b"}])), "Array of Arrays").await;
    w.refused("sendMessage", with(json!([[{"text": "b", "url": "ftp://x.example"}]])), "Wrong HTTP URL").await;
    w.refused("sendMessage", with(json!([[{"text": "b", "url": "http://localhost/x"}]])), "Wrong HTTP URL").await;
    w.refused("sendMessage", with(json!([[{"text": "", "callback_data": "x"}]])), "must be non-empty").await;
    let many: Vec<Value> = (0..101).map(|n| json!([{"text": "b", "callback_data": n.to_string()}])).collect();
    w.refused("sendMessage", with(json!(many)), "REPLY_MARKUP_TOO_LONG").await;
    w.accepted("sendMessage", with(data("é".repeat(32)))).await;
    w.accepted(
        "sendMessage",
        with(json!([[{"text": "b", "url": "http://127.0.0.1:1/x"}, {"text": "c", "url": "tg://user?id=7"}]])),
    )
    .await;
    assert_eq!(w.telegram.wait_message(7, |m| m.url("b").is_some()).await.labels(), ["b", "c"]);
}

#[tokio::test]
async fn channels_need_the_right_to_post() {
    let w = world().await;
    let channel = w.telegram.add_channel("News", Some("acme_news"));
    let say = || json!({"chat_id": "@Acme_News", "text": "x"});
    w.refused("sendMessage", say(), "bot is not a member of the channel chat").await;
    w.telegram.promote_bot(channel, &w.ana, &["can_delete_messages"]);
    w.refused("sendMessage", say(), "not enough rights to send text messages to the chat").await;
    w.telegram.promote_bot(channel, &w.ana, &["can_post_messages"]);
    let sent = w.accepted("sendMessage", say()).await;
    assert!(sent.get("from").is_none() && sent["sender_chat"]["id"] == json!(channel));
    let member = w.accepted("getChatMember", json!({"chat_id": channel, "user_id": 42})).await;
    assert_eq!((&member["status"], &member["can_post_messages"]), (&json!("administrator"), &json!(true)));
    w.telegram.demote_bot(channel, &w.ana);
    w.refused("sendMessage", say(), "need administrator rights in the channel chat").await;
    w.refused("getChatMember", json!({"chat_id": channel, "user_id": 7}), "member list is inaccessible").await;
    w.telegram.kick_bot(channel, &w.ana);
    w.refused("sendMessage", say(), "Forbidden: bot was kicked from the channel chat").await;
    w.refused("getChat", json!({"chat_id": channel}), "bot was kicked").await;
    let updates = w.accepted("getUpdates", json!({})).await;
    let states: Vec<&str> = updates
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|update| update["my_chat_member"]["new_chat_member"]["status"].as_str())
        .collect();
    assert_eq!(states, ["administrator", "administrator", "member", "kicked"]);
    assert!(w.gateway.take_violations().is_empty());
}

#[tokio::test]
async fn groups_migrate_and_forums_have_topics() {
    let w = world().await;
    let group = w.telegram.add_group("Team");
    w.telegram.add_bot(group, &w.ana);
    w.accepted("sendMessage", json!({"chat_id": group, "text": "x"})).await;
    let new = w.telegram.migrate(group);
    let answer = w.call("sendMessage", json!({"chat_id": group, "text": "x"})).await;
    assert_eq!(answer["parameters"]["migrate_to_chat_id"], json!(new));
    w.accepted("sendMessage", json!({"chat_id": new, "text": "x"})).await;
    w.telegram.restrict_bot(new, &w.ana);
    w.refused("sendMessage", json!({"chat_id": new, "text": "x"}), "not enough rights to send text").await;
    let updates = w.accepted("getUpdates", json!({})).await.to_string();
    assert!(updates.contains("migrate_to_chat_id") && updates.contains("migrate_from_chat_id"));
    let forum = w.telegram.add_supergroup("Forum", None, &["Ops"]);
    w.telegram.add_bot(forum, &w.ana);
    let topic = |id: i64| json!({"chat_id": forum, "text": "x", "message_thread_id": id});
    w.refused("sendMessage", topic(9), "message thread not found").await;
    assert_eq!(w.accepted("sendMessage", topic(2)).await["message_thread_id"], json!(2));
    w.telegram.delete_chat(forum);
    w.refused("sendMessage", topic(2), "Forbidden: the group chat was deleted").await;
}

#[tokio::test]
async fn privacy_hides_ordinary_group_messages() {
    let w = world().await;
    let group = w.telegram.add_supergroup("Team", None, &[]);
    w.telegram.add_bot(group, &w.ana);
    let mine = w.accepted("sendMessage", json!({"chat_id": group, "text": "q"})).await["message_id"].as_i64().unwrap();
    w.ana.says(group, "secret talk");
    w.ana.says(group, "/help");
    w.ana.replies(group, mine, "an answer");
    w.telegram.says_anonymously(group, "/connect tp-abc");
    let all = w.accepted("getUpdates", json!({})).await;
    let texts: Vec<&str> =
        all.as_array().unwrap().iter().filter_map(|update| update["message"]["text"].as_str()).collect();
    assert_eq!(texts, ["/help", "an answer", "/connect tp-abc"]);
    let last = all.as_array().unwrap().last().unwrap();
    assert_eq!(last["message"]["from"]["username"], json!("GroupAnonymousBot"));
    assert_eq!(last["message"]["sender_chat"]["id"], json!(group));
}

#[tokio::test]
async fn polling_confirms_sticks_and_conflicts() {
    let w = world().await;
    w.ana.says(7, "one");
    w.ana.says(7, "two");
    let first = w.accepted("getUpdates", json!({"limit": 1})).await;
    assert_eq!(first.as_array().unwrap().len(), 1);
    let id = first[0]["update_id"].as_i64().unwrap();
    let second = w.accepted("getUpdates", json!({"offset": id + 1})).await;
    assert_eq!(second[0]["message"]["text"], json!("two"));
    w.accepted("getUpdates", json!({"offset": id + 2, "allowed_updates": ["callback_query"]})).await;
    w.ana.says(7, "unseen");
    assert_eq!(w.telegram.pending_updates(), 0);
    w.telegram.replay_update();
    let again = w.accepted("getUpdates", json!({"offset": id + 2})).await;
    assert_eq!(again[0], second[0]);
    // A waiting poll is ended by the next one.
    let waiting = w.call("getUpdates", json!({"offset": id + 2, "timeout": 30, "allowed_updates": []}));
    let other = async {
        w.telegram.wait_for("the poll", |state| (state.poll >= 5).then_some(())).await;
        w.telegram.malformed_update(json!({"message": 7}));
        w.call("getUpdates", json!({"offset": id + 2, "timeout": 0})).await
    };
    let (waited, other) = tokio::join!(waiting, other);
    // Either the malformed update came first, or the newer poll did; the newer one always answers.
    assert!(waited["ok"] == json!(true) || waited["error_code"] == json!(409), "{waited}");
    assert_eq!(other["result"][0]["message"], json!(7));
}

#[tokio::test]
async fn a_second_poller_ends_the_first() {
    let w = world().await;
    let first = w.call("getUpdates", json!({"timeout": 30}));
    let second = async {
        w.telegram.wait_for("the poll", |state| (state.poll == 1).then_some(())).await;
        w.call("getUpdates", json!({"timeout": 0})).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(second["ok"], json!(true));
    assert_eq!(first["error_code"], json!(409));
    assert!(first["description"].as_str().unwrap().contains("terminated by other getUpdates request"));
}

#[tokio::test]
async fn the_webhook_pushes_with_the_secret_and_repeats() {
    let w = world().await;
    let (seen, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let failures = Arc::new(AtomicI64::new(1));
    let daemon = axum::Router::new().route(
        "/telegram/webhook",
        axum::routing::post(move |headers: http::HeaderMap, axum::Json(body): axum::Json<Value>| async move {
            let secret = headers.get("x-telegram-bot-api-secret-token").and_then(|value| value.to_str().ok());
            seen.send((secret.map(str::to_owned), body)).unwrap();
            match failures.fetch_sub(1, Ordering::SeqCst) {
                1 => http::StatusCode::INTERNAL_SERVER_ERROR,
                _ => http::StatusCode::OK,
            }
        }),
    );
    w.gateway.mount("daemon.example", daemon);
    w.refused("setWebhook", json!({"url": "http://daemon.example/telegram/webhook"}), "HTTPS URL").await;
    w.refused("setWebhook", json!({"url": "https://daemon.example:9000/"}), "only on ports").await;
    w.refused("setWebhook", json!({"url": "https://elsewhere.example/"}), "Failed to resolve host").await;
    w.telegram.route("https://daemon.example", &format!("{}/daemon.example", w.gateway.url()));
    let url = "https://daemon.example/telegram/webhook";
    w.refused("setWebhook", json!({"url": url, "secret_token": "no spaces"}), "secret token").await;
    w.accepted("setWebhook", json!({"url": url, "secret_token": "s3-cret"})).await;
    w.refused("getUpdates", json!({}), "can't use getUpdates method while webhook is active").await;
    w.ana.says(7, "pushed");
    for _ in 0..2 {
        let (secret, body) = arrivals.recv().await.unwrap();
        assert_eq!((secret.as_deref(), &body["message"]["text"]), (Some("s3-cret"), &json!("pushed")));
    }
    w.telegram.wait_for("delivery", |state| state.updates.is_empty().then_some(())).await;
    w.accepted("deleteWebhook", json!({})).await;
    assert_eq!(w.accepted("getWebhookInfo", json!({})).await["url"], json!(""));
    w.accepted("getUpdates", json!({})).await;
}

#[tokio::test]
async fn presses_are_answered_once_and_in_time() {
    let w = world().await;
    w.ana.opens("x");
    let keyboard = json!({"inline_keyboard": [[{"text": "Go", "callback_data": "tok"}]]});
    let sent = w.accepted("sendMessage", json!({"chat_id": 7, "text": "x", "reply_markup": keyboard})).await;
    let id = sent["message_id"].as_i64().unwrap();
    let query = w.ana.press(7, id, "Go");
    let update = w.accepted("getUpdates", json!({"offset": -1})).await;
    assert_eq!(update[0]["callback_query"]["data"], json!("tok"));
    let answer = json!({"callback_query_id": query, "text": "Done", "show_alert": true});
    w.accepted("answerCallbackQuery", answer.clone()).await;
    assert!(w.telegram.wait_toast(&query).await.alert);
    w.refused("answerCallbackQuery", answer, "query is too old").await;
    let late = w.ana.press(7, id, "Go");
    w.pass(HOUR);
    w.refused("answerCallbackQuery", json!({"callback_query_id": late}), "query is too old").await;
    let long = json!({"callback_query_id": "1", "text": "x".repeat(201)});
    w.refused("answerCallbackQuery", long, "MESSAGE_TOO_LONG").await;
}

#[tokio::test]
async fn edits_must_change_something_and_deletes_have_two_days() {
    let w = world().await;
    let theirs = w.ana.says(7, "mine");
    let id = w.accepted("sendMessage", json!({"chat_id": 7, "text": "a"})).await["message_id"].clone();
    let edit = |text: &str| json!({"chat_id": 7, "message_id": id, "text": text});
    w.refused("editMessageText", edit("a"), "message is not modified").await;
    w.accepted("editMessageText", edit("b")).await;
    w.refused("editMessageText", edit(&"x".repeat(4097)), "MESSAGE_TOO_LONG").await;
    w.refused("editMessageText", json!({"chat_id": 7, "message_id": 99, "text": "x"}), "to edit not found").await;
    w.refused("editMessageText", json!({"chat_id": 7, "message_id": theirs, "text": "x"}), "can't be edited").await;
    w.refused("editMessageCaption", json!({"chat_id": 7, "message_id": id, "caption": "x"}), "no caption").await;
    let shown = w.telegram.wait_message(7, |m| m.text == "b").await;
    assert_eq!(shown.edits[0].text, "a");
    w.pass(47 * HOUR);
    w.accepted("deleteMessage", json!({"chat_id": 7, "message_id": theirs})).await;
    w.pass(HOUR);
    w.refused("deleteMessage", json!({"chat_id": 7, "message_id": id}), "message can't be deleted").await;
    w.refused("deleteMessage", json!({"chat_id": 7, "message_id": 99}), "message to delete not found").await;
    w.accepted("editMessageText", edit("c")).await;
    let group = w.telegram.add_supergroup("Team", None, &[]);
    w.telegram.add_bot(group, &w.ana);
    let said = w.ana.says(group, "x");
    let delete = json!({"chat_id": group, "message_ids": [said]});
    w.refused("deleteMessages", delete.clone(), "can't be deleted").await;
    w.telegram.promote_bot(group, &w.ana, &["can_delete_messages"]);
    w.accepted("deleteMessages", delete).await;
    w.telegram.wait_deleted(group, said).await;
}

#[tokio::test]
async fn photos_albums_and_captions() {
    let w = world().await;
    w.ana.opens("x");
    let photo = |bytes: Vec<u8>| Form::new().text("chat_id", "7").part("photo", Part::bytes(bytes).file_name("p.png"));
    let text = |answer: &Value| answer["description"].as_str().unwrap_or_default().to_owned();
    assert!(text(&w.form("sendPhoto", photo(b"no picture".to_vec())).await).contains("IMAGE_PROCESS_FAILED"));
    assert!(text(&w.form("sendPhoto", photo(png(9000, 1001))).await).contains("PHOTO_INVALID_DIMENSIONS"));
    assert!(text(&w.form("sendPhoto", photo(png(2100, 100))).await).contains("PHOTO_INVALID_DIMENSIONS"));
    let mut heavy = png(100, 100);
    heavy.resize(10 * 1024 * 1024 + 1, 0);
    assert!(text(&w.form("sendPhoto", photo(heavy.clone())).await).contains("too big for a photo"));
    let document = Form::new().text("chat_id", "7").part("document", Part::bytes(heavy).file_name("d.png"));
    assert_eq!(w.form("sendDocument", document).await["ok"], json!(true));
    let long = photo(png(10, 10)).text("caption", "x".repeat(1025));
    assert!(text(&w.form("sendPhoto", long).await).contains("message caption is too long"));
    let good = w.form("sendPhoto", photo(png(10, 10)).text("caption", "x".repeat(1024))).await;
    let file = good["result"]["photo"][1]["file_id"].clone();
    w.refused("sendVideo", json!({"chat_id": 7, "video": file}), "can't use file of type Photo as Video").await;
    w.accepted("sendPhoto", json!({"chat_id": 7, "photo": file})).await;
    let album = |items: Value| json!({"chat_id": 7, "media": items});
    let item = |kind: &str| json!({"type": kind, "media": file});
    w.refused("sendMediaGroup", album(json!([item("photo")])), "2-10 items").await;
    w.refused("sendMediaGroup", album(json!(vec![item("photo"); 11])), "too many messages").await;
    w.refused("sendMediaGroup", album(json!([item("photo"), item("document")])), "can't be mixed").await;
    w.refused("sendMediaGroup", album(json!([item("photo"), item("animation")])), "specified type in the album").await;
    let absent = json!([item("photo"), {"type": "photo", "media": "attach://gone"}]);
    w.refused("sendMediaGroup", album(absent), "not in the request").await;
    let media =
        json!([{"type": "photo", "media": "attach://a", "caption": "both"}, {"type": "video", "media": "attach://b"}]);
    let form = Form::new()
        .text("chat_id", "7")
        .text("media", media.to_string())
        .part("a", Part::bytes(png(10, 10)).file_name("a.png"))
        .part("b", Part::bytes(b"video".to_vec()).file_name("b.mp4"));
    let sent = w.form("sendMediaGroup", form).await;
    assert_eq!(sent["result"].as_array().unwrap().len(), 2, "{sent}");
    let video = w.telegram.wait_message(7, |m| m.album.is_some()).await.media.unwrap();
    assert_eq!(&video.bytes[..], b"video");
}

#[tokio::test]
async fn files_over_twenty_megabytes_and_old_links() {
    let w = world().await;
    let media = [Attachment::photo(png(800, 600)), Attachment::document("d.pdf", "application/pdf", "pdf")];
    w.ana.sends(7, Draft::media(media).caption("look"));
    w.ana.sends(7, Draft::media([Attachment::video("v", 1, 1, 3).claiming(20 * 1024 * 1024 + 1)]));
    w.ana.sends(7, Draft::sticker("👍"));
    w.ana.sends(7, Draft::poll("?", &["a", "b"]).forwarded_from_hidden("Bob"));
    let updates = w.accepted("getUpdates", json!({})).await;
    let id = updates[0]["message"]["photo"][1]["file_id"].clone();
    assert!(updates[0]["message"]["media_group_id"] == updates[1]["message"]["media_group_id"]);
    assert_eq!(updates[4]["message"]["forward_origin"]["type"], json!("hidden_user"));
    let path = w.accepted("getFile", json!({"file_id": id})).await["file_path"].as_str().unwrap().replace('/', "%2F");
    let url = format!("{}/api.telegram.org/file/bot{TOKEN}/{path}", w.gateway.url());
    let fetch = async || updates::client().unwrap().get(&url).send().await.unwrap();
    assert_eq!(fetch().await.bytes().await.unwrap(), png(800, 600));
    w.pass(HOUR);
    assert_eq!(fetch().await.status(), 404);
    let big = updates[2]["message"]["video"]["file_id"].clone();
    w.refused("getFile", json!({"file_id": big}), "file is too big").await;
    w.refused("getFile", json!({"file_id": "nonsense"}), "wrong file_id").await;
}

#[tokio::test]
async fn floods_members_commands_and_leaving() {
    let w = world().await;
    w.ana.opens("x");
    w.telegram.flood(1, 5);
    let answer = w.call("sendMessage", json!({"chat_id": 7, "text": "x"})).await;
    assert_eq!((&answer["error_code"], &answer["parameters"]["retry_after"]), (&json!(429), &json!(5)));
    w.accepted("sendMessage", json!({"chat_id": 7, "text": "x"})).await;
    let group = w.telegram.add_supergroup("Team", None, &[]);
    w.telegram.add_bot(group, &w.ana);
    w.telegram.join(group, &w.ana, Standing::Creator);
    w.telegram.set_crowd(group, 10);
    assert_eq!(w.accepted("getChatMemberCount", json!({"chat_id": group})).await, json!(12));
    let admins = w.accepted("getChatAdministrators", json!({"chat_id": group})).await;
    assert_eq!((admins.as_array().unwrap().len(), &admins[0]["status"]), (1, &json!("creator")));
    let commands = |name: &str| json!({"commands": [{"command": name, "description": "d"}]});
    w.refused("setMyCommands", commands("Bad"), "BOT_COMMAND_INVALID").await;
    w.accepted("setMyCommands", commands("good")).await;
    assert_eq!(w.telegram.commands("default")[0]["command"], json!("good"));
    assert_eq!(w.accepted("getMyCommands", json!({})).await[0]["command"], json!("good"));
    w.accepted("leaveChat", json!({"chat_id": group})).await;
    w.refused("sendMessage", json!({"chat_id": group, "text": "x"}), "bot is not a member of the supergroup chat")
        .await;
}

#[tokio::test]
async fn a_client_library_reads_every_update_and_message() {
    let w = world().await;
    let group = w.telegram.add_group("Team");
    w.telegram.join(group, &w.ana, Standing::Creator);
    w.telegram.add_bot(group, &w.ana);
    w.telegram.promote_bot(group, &w.ana, &["can_delete_messages"]);
    w.telegram.restrict_bot(group, &w.ana);
    w.telegram.add_bot(group, &w.ana);
    w.telegram.migrate(group);
    let channel = w.telegram.add_channel("News", Some("acme_news"));
    w.telegram.promote_bot(channel, &w.ana, &["can_post_messages"]);
    w.telegram.post_in_channel(channel, Draft::text("/connect tp-code"));
    w.telegram.kick_bot(channel, &w.ana);
    w.ana.opens("x");
    let media = [
        Attachment::photo(png(800, 600)),
        Attachment::video("v", 640, 480, 3),
        Attachment::animation("a"),
        Attachment::document("d.pdf", "application/pdf", "pdf"),
    ];
    w.ana.sends(7, Draft::media(media).caption("see https://a.example #tag @someone"));
    w.ana.sends(7, Draft::sticker("👍"));
    w.ana.sends(7, Draft::poll("?", &["a", "b"]));
    w.ana.sends(7, Draft::text("x").forwarded_from_channel("Elsewhere", "elsewhere"));
    let said = w.ana.sends(7, Draft::text("y").forwarded_from_hidden("Bob"))[0];
    w.ana.edits(7, said, "z");
    let keyboard = json!({"inline_keyboard": [[{"text": "Go", "callback_data": "tok"}]]});
    let body = json!({"chat_id": 7, "text": "q", "reply_markup": keyboard, "reply_parameters": {"message_id": said}});
    let sent = w.accepted("sendMessage", body).await;
    serde_json::from_value::<teloxide::types::Message>(sent.clone()).unwrap();
    w.ana.press(7, sent["message_id"].as_i64().unwrap(), "Go");
    w.ana.press_stale(7, 999, "tok");
    w.ana.blocks();
    let updates = w.accepted("getUpdates", json!({})).await;
    for update in updates.as_array().unwrap() {
        // From text, as the library gets it: it borrows the name of the update's kind.
        let text = update.to_string();
        let read = serde_json::from_str::<teloxide::types::Update>(&text).unwrap();
        assert!(!matches!(read.kind, teloxide::types::UpdateKind::Error(_)), "{update}");
    }
    for chat in [7, w.telegram.add_supergroup("Open", Some("open_group"), &["Ops"])] {
        let chat = w.accepted("getChat", json!({"chat_id": chat})).await;
        serde_json::from_value::<teloxide::types::ChatFullInfo>(chat.clone()).unwrap_or_else(|e| panic!("{e}: {chat}"));
    }
}
