//! Every request of the connectors and of the chat bots, as the vendors describe their APIs; and that a wrong one is seen.

use bytes::Bytes;
use emulators::discord::File;
use emulators::telegram::{Attachment, Draft};
use emulators::{Call, fixtures};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use super::Book;
use super::daemon::{Daemon, INSTANCE};

#[tokio::test]
async fn the_daemon_asks_only_what_the_vendors_describe() {
    let w = Daemon::start().await;
    w.connect_all().await;

    let text = "Hello @bob.bsky.social, read https://acme.example/news #neu";
    w.publishes(Draft::text(text), 1).await;

    // Two pictures with words for them, a warning, less visible, in a language, without a sound.
    let pictures = [Attachment::photo(fixtures::jpeg(600, 400)), Attachment::photo(fixtures::jpeg(640, 640))];
    w.alice.sends(7, Draft::media(pictures));
    w.told("Draft 2 · 2 photos").await;
    w.chooses_place().await;
    w.presses("Alt text").await;
    w.told("file 1 of 2").await;
    w.says("A market stall", "file 2 of 2").await;
    w.says("A basket of apples", "Draft 2").await;
    w.presses("More").await;
    for (choice, typed) in [("unlisted", ""), ("Content warning", "food"), ("Language", "de"), ("☐ Silent", "")] {
        w.presses(choice).await;
        if !typed.is_empty() {
            w.says(typed, "Draft 2").await;
            w.presses("More").await;
        }
    }
    w.presses("Back").await;
    w.presses("Preview").await;
    w.told("Preview of draft 2").await;
    w.presses("Back").await;
    w.presses("Post now").await;
    w.told("Post 2: published on 4 accounts").await;
    let status = w.mastodon.statuses().pop().unwrap();
    assert_eq!((status.spoiler_text.as_str(), status.visibility.as_str()), ("food", "unlisted"));

    let film = Attachment::video(fixtures::mp4(1_500, 320, 240, 40_000), 320, 240, 1);
    w.publishes(Draft::media([film]), 3).await;
    let moving = Attachment::animation(fixtures::gif(20, 20, 3));
    w.publishes(Draft::media([moving]), 4).await;

    // What else the chat asks of Telegram.
    for (typed, answer) in [
        ("/accounts", "4 accounts"),
        ("/account 1", "Its number is 1"),
        ("/check", "Checked 4 accounts"),
        ("/help", "/connect"),
        ("/health", "up"),
        ("/team", "Alice"),
        ("/alerts here", "Alerts come here"),
        ("/why 1", "step by step"),
        ("/undo", "Delete post 4"),
    ] {
        w.says(typed, answer).await;
    }
    w.presses("Delete").await;
    w.told("Post 4: ").await;

    // The same person on Discord: commands, a form, a menu, suggestions, a message command, direct messages.
    let invited = w.says("/invite me", "tp-").await;
    let code = invited.text.split_whitespace().find(|word| word.starts_with("tp-")).unwrap().to_owned();
    let general = w.discord.general(w.guild);
    let (discord, ana) = (&w.discord, &w.ana);
    discord.wait_connected().await;
    ana.command(general, "start", &[("code", json!(code.trim_end_matches(['.', ','])))]);
    discord.wait_ephemeral(ana, |message| !message.body.content.is_empty()).await;
    ana.command(general, "post", &[]);
    let form = discord.wait_form(ana).await;
    let field = form.fields[0]["custom_id"].as_str().unwrap().to_owned();
    ana.submit_form(&[(&field, "From a form")]);
    let card = discord.wait_message(general, |message| message.body.content.contains("Draft 5")).await;
    ana.press(general, card.id, "Edit text");
    let form = discord.wait_form(ana).await;
    let field = form.fields[0]["custom_id"].as_str().unwrap().to_owned();
    ana.submit_form(&[(&field, "Changed in a form")]);
    let card = discord.wait_message(general, |message| message.body.content.contains("Changed in a form")).await;
    ana.select(general, card.id, &["Acme News (Telegram)"]);
    let one = |message: &emulators::discord::Message| message.body.content.contains("Changed in a form");
    let card = discord.wait_message(general, |message| one(message) && !message.edits.is_empty()).await;
    ana.press(general, card.id, "Post now");
    discord.wait_message(general, |message| message.body.content.contains("Post 5: published on 1 account")).await;
    ana.command(general, "accounts", &[]);
    discord.wait_message(general, |message| message.body.content.contains("4 accounts")).await;
    assert!(!ana.autocomplete(general, "account", ("account", "ac")).await.is_empty());
    let written = ana.says(general, "Somebody wrote this", Vec::new());
    ana.message_command(general, written, "Post this");
    discord.wait_message(general, |message| message.body.content.contains("Draft 6")).await;
    ana.dm("And this, with a picture", vec![File::new("a.png", "image/png", fixtures::png(40, 40))]);
    let direct = discord.direct(ana);
    let card = discord.wait_message(direct, |message| message.body.content.contains("Draft 7 · 1 photo")).await;
    ana.press(direct, card.id, "Discard");
    discord.wait_message(direct, |message| message.body.content.contains("Throw draft 7 away")).await;

    let asked = w.end().await;
    assert!(Book::open().is_none() || asked > 40, "{asked}");
}

/// A request that was never made.
fn call(method: Method, host: &str, path: &str, kind: &str, body: &str) -> Call {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut headers = HeaderMap::new();
    if !kind.is_empty() {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
    }
    Call {
        number: 1,
        method,
        host: host.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Bytes::from(body.to_owned()),
        status: 200,
        answer: Bytes::new(),
    }
}

fn posted(host: &str, path: &str, body: &Value) -> Call {
    call(Method::POST, host, path, "application/json", &body.to_string())
}

/// One that is right, and wrong ones, each with what must be said of it.
fn bites(right: &Call, wrong: &[(Call, &str)]) {
    let Some(book) = Book::open() else { return };
    assert_eq!(book.problems(right), Vec::<String>::new());
    for (call, words) in wrong {
        let told = book.problems(call).join("\n");
        assert!(told.contains(words), "{words:?} is not said of {call:?}: {told:?}");
    }
}

#[test]
fn a_wrong_request_to_mastodon_is_seen() {
    let status = |body: Value| posted(INSTANCE, "/api/v1/statuses", &body);
    bites(
        &status(json!({ "status": "Hello", "visibility": "unlisted", "sensitive": true, "spoiler_text": "food" })),
        &[
            (status(json!({ "spoiler_text": "food" })), "not valid"),
            (status(json!({ "status": "Hello", "visibilty": "unlisted" })), "not valid"),
            (status(json!({ "status": "Hello", "sensitive": "yes" })), "not valid"),
            (posted(INSTANCE, "/api/v1/toots", &json!({})), "no such operation"),
            (call(Method::GET, INSTANCE, "/api/v1/accounts/1/statuses?limmit=5", "", ""), "limmit"),
            (call(Method::GET, INSTANCE, "/api/v1/accounts/1/statuses?limit=many", "", ""), "many"),
            (call(Method::POST, INSTANCE, "/oauth/token", "application/x-www-form-urlencoded", "code=1"), "client_id"),
            (call(Method::POST, INSTANCE, "/api/v1/statuses", "", ""), "missing"),
        ],
    );
}

#[test]
fn a_wrong_request_to_bluesky_is_seen() {
    let record = |record: Value| {
        let body = json!({ "repo": "did:plc:abc", "collection": "app.bsky.feed.post", "record": record });
        posted("bsky.social", "/xrpc/com.atproto.repo.createRecord", &body)
    };
    let post = |more: Value| {
        let mut whole = json!({ "$type": "app.bsky.feed.post", "text": "Hello", "createdAt": "2026-11-22T10:00:00Z" });
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record(whole)
    };
    let facet =
        |feature: Value| json!({ "facets": [{ "index": { "byteStart": 0, "byteEnd": 5 }, "features": [feature] }] });
    let link = json!({ "$type": "app.bsky.richtext.facet#link", "uri": "https://acme.example/" });
    bites(
        &post(facet(link)),
        &[
            (record(json!({ "$type": "app.bsky.feed.post", "text": "Hello" })), "not valid"),
            (post(json!({ "createdAt": "yesterday" })), "not valid"),
            (post(json!({ "text": "x".repeat(301) })), "not valid"),
            (post(json!({ "lang": ["en"] })), "not valid"),
            (post(facet(json!({ "$type": "app.bsky.richtext.facet#link" }))), "not valid"),
            (post(json!({ "embed": { "$type": "app.bsky.embed.images", "images": [{ "alt": "" }] } })), "not valid"),
            (
                posted("bsky.social", "/xrpc/com.atproto.server.createSession", &json!({ "identifier": "a" })),
                "password",
            ),
            (call(Method::GET, "bsky.social", "/xrpc/com.atproto.repo.getRecord?repo=a.b", "", ""), "rkey"),
            (
                posted("video.bsky.app", "/xrpc/app.bsky.video.uploadVideo?did=a&name=b", &json!({})),
                "a body of the type",
            ),
        ],
    );
}

#[test]
fn a_wrong_request_to_telegram_is_seen() {
    let at = |method: &str, body: Value| posted("api.telegram.org", &format!("/bot42:token/{method}"), &body);
    let button = |button: Value| {
        let keyboard = json!({ "inline_keyboard": [[button]] });
        at("SendMessage", json!({ "chat_id": 7, "text": "Hello", "reply_markup": keyboard }))
    };
    bites(
        &button(json!({ "text": "Go", "callback_data": "token" })),
        &[
            (at("sendMessage", json!({ "chat_id": 7 })), "\"text\" is a required property"),
            (at("sendMessage", json!({ "chat_id": true, "text": "Hello" })), "not valid"),
            (at("sendMessage", json!({ "chat_id": 7, "text": "Hello", "silent": true })), "silent"),
            (at("sendMessage", json!({ "chat_id": 7, "text": "x".repeat(4097) })), "longer than 4096"),
            (at("sendMesage", json!({})), "no such operation"),
            (button(json!({ "label": "Go" })), "not valid"),
            (button(json!({ "text": "Go", "callback_data": "x".repeat(65) })), "not valid"),
            (at("sendMediaGroup", json!({ "chat_id": 7, "media": [{ "type": "photo" }] })), "not valid"),
        ],
    );
}

#[test]
fn a_wrong_request_to_discord_is_seen() {
    let message = |body: Value| posted("discord.com", "/api/v10/channels/1/messages", &body);
    let button =
        |button: Value| message(json!({ "content": "Hello", "components": [{ "type": 1, "components": [button] }] }));
    bites(
        &button(json!({ "type": 2, "style": 1, "label": "Go", "custom_id": "token" })),
        &[
            (message(json!({ "content": 5 })), "not of type"),
            (message(json!({ "content": "x".repeat(4001) })), "longer than 4000"),
            (message(json!({ "text": "Hello" })), "text"),
            (button(json!({ "type": 2, "style": 1, "label": "x".repeat(81), "custom_id": "token" })), "not valid"),
            (button(json!({ "type": 2, "style": "blue", "label": "Go", "custom_id": "token" })), "not valid"),
            (posted("discord.com", "/api/v10/channels/1/message", &json!({})), "no such operation"),
            (call(Method::GET, "discord.com", "/api/v10/channels/1/messages?limit=500", "", ""), "500"),
            (
                call(
                    Method::POST,
                    "discord.com",
                    "/api/oauth2/token",
                    "application/x-www-form-urlencoded",
                    "grant_type=authorization_code&code=1",
                ),
                "redirect_uri",
            ),
        ],
    );
}
