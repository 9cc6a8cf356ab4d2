//! Telegram: connect, verify, publish every kind, every loss, delete.

use std::sync::Arc;

use emulators::telegram::{MediaKind as Kind, Message, Standing, Telegram, User};
use emulators::{Fault as Knob, FaultKind};
use trypost::domain::account::Account;
use trypost::domain::post::{MediaKind, Options, Posted, Style};
use trypost::domain::{Fault, Secret};
use trypost::platforms::telegram::Telegram as Connector;
use trypost::platforms::{Answer, App, Credentials, File, Finding, Found, Platform, Want};

use super::bots::{Bench, Counted, GIF, MP4, account, marked, plain};

const TOKEN: &str = "42:canary-token";
const HOUR: i64 = 3600;

struct World {
    bench: Bench,
    telegram: Telegram,
    ana: User,
    budget: Arc<Counted>,
    connector: Connector,
}

async fn world() -> World {
    let bench = Bench::new(App { bot_token: Some(Secret::new(TOKEN)), ..App::default() }).await;
    let telegram = Telegram::new(&bench.gateway, TOKEN, "trial_bot");
    let ana = telegram.add_user(7, "Ana", None);
    let budget = Arc::new(Counted::default());
    World { connector: Connector::new(budget.clone()), bench, telegram, ana, budget }
}

impl World {
    async fn found(&self, chat: i64) -> Result<Found, Fault> {
        let answer = Answer::Place(chat.to_string());
        let consent = self.connector.complete(&self.bench.cx(), &Secret::new(""), answer).await?;
        Ok(consent.found.into_iter().next().unwrap())
    }

    async fn connect(&self, chat: i64) -> Account {
        let answer = Answer::Place(chat.to_string());
        account(&self.connector, self.connector.complete(&self.bench.cx(), &Secret::new(""), answer).await.unwrap())
    }

    /// A channel where the bot may post.
    async fn channel(&self, username: Option<&str>) -> (i64, Account) {
        let chat = self.telegram.add_channel("Acme News", username);
        self.telegram.join(chat, &self.ana, Standing::Creator);
        self.telegram.promote_bot(chat, &self.ana, &["can_post_messages"]);
        (chat, self.connect(chat).await)
    }

    async fn post(&self, account: &Account, text: &str, files: &[File]) -> Result<Posted, Fault> {
        let posted = self.bench.publish(&self.connector, account, &plain(text), files, &Options::default()).await;
        posted.map(|(posted, _)| posted)
    }

    /// The bot's messages of a chat.
    fn there(&self, chat: i64) -> Vec<Message> {
        self.telegram.messages(chat).into_iter().filter(|message| message.by_bot).collect()
    }

    async fn verify(&self, account: &Account) -> Result<trypost::platforms::Seen, Fault> {
        self.connector.verify(&self.bench.cx(), account, Credentials { tokens: None }).await
    }

    async fn delete(&self, account: &Account, posted: &Posted) -> Result<(), Fault> {
        self.connector.delete(&self.bench.cx(), account, Credentials { tokens: None }, posted).await
    }

    fn film(&self) -> File {
        self.bench.file(MediaKind::Video, "video/mp4", MP4, (64, 48))
    }

    fn loop_(&self) -> File {
        self.bench.file(MediaKind::Animation, "image/gif", GIF, (16, 16))
    }
}

#[tokio::test]
async fn the_link_adds_the_bot_to_a_channel() {
    let w = world().await;
    let want = || Want { instance: None, state: "tp-code", reconnect: None };
    let url = w.connector.begin(&w.bench.cx(), want()).await.unwrap().url.unwrap();
    // The bot's name was asked of Telegram, because no setting tells it.
    assert!(url.as_str().ends_with("/t.me/trial_bot?startchannel&admin=post_messages+delete_messages"), "{url}");
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn a_channel_is_offered_with_what_is_missing() {
    let w = world().await;
    let chat = w.telegram.add_channel("Acme News", Some("acme"));
    w.telegram.join(chat, &w.ana, Standing::Creator);
    w.telegram.set_crowd(chat, 1202);

    assert!(matches!(w.found(-5).await, Err(Fault::Rejected { .. })), "an unknown chat");
    w.telegram.promote_bot(chat, &w.ana, &["can_delete_messages"]);
    let found = w.found(chat).await.unwrap();
    let blocked = "I may not post in Acme News. Give me \"Post messages\" and I will notice.";
    assert_eq!(found.blocked.as_deref(), Some(blocked));

    w.telegram.promote_bot(chat, &w.ana, &["can_post_messages"]);
    let found = w.found(chat).await.unwrap();
    assert_eq!(found.blocked, None);
    assert_eq!((found.remote_id, found.name.as_str()), (chat.to_string(), "Acme News"));
    assert_eq!(found.handle.as_deref(), Some("acme"));
    assert_eq!(found.url.as_deref(), Some("https://t.me/acme"));
    assert_eq!(found.detail.as_deref(), Some("channel, 1,204 subscribers"));
    assert_eq!(found.meta["type"], "channel");

    let group = w.telegram.add_group("Team");
    w.telegram.add_bot(group, &w.ana);
    assert!(w.found(group).await.unwrap().blocked.unwrap().contains("Make me one"));
    w.telegram.promote_bot(group, &w.ana, &[]);
    let found = w.found(group).await.unwrap();
    assert_eq!((found.blocked, found.url), (None, None));
    assert!(found.detail.unwrap().starts_with("group, "));

    w.ana.opens("x");
    assert!(w.found(7).await.unwrap().blocked.is_some(), "a private chat");
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn a_check_sees_the_name_and_every_loss() {
    let w = world().await;
    let (chat, account) = w.channel(None).await;
    w.telegram.rename(chat, "Acme Daily");
    assert_eq!(w.verify(&account).await.unwrap().name, "Acme Daily");

    w.telegram.promote_bot(chat, &w.ana, &["can_delete_messages"]);
    let fault = w.verify(&account).await.unwrap_err();
    let expected = Fault::AccountLost {
        why: "the bot may not post in Acme Daily".into(),
        fix: "Give me \"Post messages\".".into(),
    };
    assert_eq!(fault, expected);
    w.telegram.demote_bot(chat, &w.ana);
    assert!(matches!(w.verify(&account).await, Err(Fault::AccountLost { .. })));
    w.telegram.kick_bot(chat, &w.ana);
    assert!(matches!(w.verify(&account).await, Err(Fault::AccountLost { .. })));

    // What could not be checked changes nothing.
    for kind in [FaultKind::server_error(), FaultKind::html(), FaultKind::DropAfter, FaultKind::rate_limited(3)] {
        w.bench.gateway.inject(Knob::new("api.telegram.org", "getChat", 1, kind));
        assert!(matches!(w.verify(&account).await, Err(Fault::Transient { .. })));
    }
    w.telegram.replace_token("42:another");
    assert!(matches!(w.verify(&account).await, Err(Fault::Misconfigured { .. })));
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn text_keeps_its_formatting() {
    let w = world().await;
    let (chat, account) = w.channel(Some("acme")).await;
    let text = marked("👩‍🚀 שלום <b> & friends", "friends", Style::Link("https://acme.example/".into()));
    let options = Options { silent: true, ..Options::default() };
    let (posted, calls) = w.bench.publish(&w.connector, &account, &text, &[], &options).await.unwrap();
    assert_eq!(calls, 1);
    let [message] = <[Message; 1]>::try_from(w.there(chat)).unwrap();
    assert_eq!(message.text, text.plain, "nothing typed is taken for markup");
    let link = message.entities.iter().find(|entity| entity.kind == "text_link").unwrap();
    assert_eq!(message.covered(link), "friends");
    assert!(message.silent);
    assert_eq!(posted.id, message.id.to_string());
    assert_eq!(posted.url, Some(format!("https://t.me/acme/{}", message.id)));
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn every_kind_of_file_goes_by_its_own_method() {
    let w = world().await;
    let (chat, account) = w.channel(None).await;
    let tall = w.bench.picture(100, 2100);
    for (file, kind) in [
        (w.bench.picture(64, 48), Kind::Photo),
        (w.film(), Kind::Video),
        (w.loop_(), Kind::Animation),
        (tall, Kind::Document),
        (w.bench.file(MediaKind::Video, "video/quicktime", MP4, (64, 48)), Kind::Document),
    ] {
        let posted = w.post(&account, "hello", std::slice::from_ref(&file)).await.unwrap();
        let message = w.there(chat).pop().unwrap();
        let media = message.media.clone().unwrap();
        assert_eq!((media.kind, message.text.as_str()), (kind, "hello"));
        assert_eq!(media.bytes.len() as u64, file.media.bytes);
        if kind == Kind::Video {
            assert_eq!((media.width, media.height, media.duration), (64, 48, 2));
        }
        let private = account.remote_id.strip_prefix("-100").unwrap();
        assert_eq!(posted.url, Some(format!("https://t.me/c/{private}/{}", message.id)));
    }
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn a_picture_too_large_for_a_photo_is_made_smaller() {
    let w = world().await;
    let (chat, account) = w.channel(None).await;
    w.post(&account, "", &[w.bench.large_picture(11_000_000)]).await.unwrap();
    let media = w.there(chat).pop().unwrap().media.unwrap();
    assert_eq!((media.kind, media.mime.as_deref()), (Kind::Photo, Some("image/jpeg")));
    assert_eq!((media.width, media.height), (64, 48));
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn albums_mix_photos_and_films_and_gifs_follow() {
    let w = world().await;
    let (chat, account) = w.channel(None).await;
    let files = [w.bench.picture(64, 48), w.film(), w.bench.picture(30, 30), w.loop_()];
    let posted = w.post(&account, "hello", &files).await.unwrap();
    let messages = w.there(chat);
    assert_eq!(messages.len(), 4);
    assert!(messages[0].album.is_some());
    assert!(messages[..3].iter().all(|message| message.album == messages[0].album));
    assert_eq!(messages[3].album, None);
    assert_eq!(messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["hello", "", "", ""]);
    let ids: Vec<i64> = messages.iter().map(|message| message.id).collect();
    assert_eq!(posted.meta["message_ids"], serde_json::json!(ids));
    // Every item counts against the bot's pace.
    assert_eq!(*w.budget.0.lock().unwrap(), [(chat.to_string(), 3), (chat.to_string(), 1)]);
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn captions_keep_their_formatting() {
    let w = world().await;
    let (chat, account) = w.channel(None).await;
    let text = marked("שלום hello", "hello", Style::Bold);
    for files in [vec![w.bench.picture(64, 48)], vec![w.film(), w.bench.picture(64, 48)]] {
        w.bench.publish(&w.connector, &account, &text, &files, &Options::default()).await.unwrap();
        let there = w.there(chat);
        let message = &there[there.len() - files.len()];
        let [bold] = message.entities.as_slice() else { panic!("{message:?}") };
        assert_eq!((bold.kind.as_str(), message.covered(bold).as_str()), ("bold", "hello"));
    }
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn a_long_text_answers_its_picture() {
    let w = world().await;
    let (chat, account) = w.channel(None).await;
    let long = "😀".repeat(600);
    let posted = w.post(&account, &long, &[w.bench.picture(64, 48)]).await.unwrap();
    let [picture, text] = <[Message; 2]>::try_from(w.there(chat)).unwrap();
    assert_eq!((picture.text.as_str(), text.text), ("", long));
    assert_eq!(text.reply_to, Some(picture.id));
    assert_eq!(posted.id, picture.id.to_string());

    let fault = w.post(&account, &"x".repeat(4097), &[]).await.unwrap_err();
    assert!(matches!(&fault, Fault::Rejected { why, .. } if why.contains("4097")), "{fault:?}");
    assert_eq!(w.there(chat).len(), 2, "a refused post leaves nothing");
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn what_a_lost_chat_answers() {
    let w = world().await;
    for (at, undo) in [
        ("kicked", (|t, chat, _| t.kick_bot_silently(chat)) as fn(&Telegram, i64, &User)),
        ("demoted", |t, chat, ana| t.demote_bot(chat, ana)),
        ("muted", |t, chat, ana| t.promote_bot(chat, ana, &[])),
        ("deleted", |t, chat, _| t.delete_chat(chat)),
    ] {
        let (chat, account) = w.channel(None).await;
        undo(&w.telegram, chat, &w.ana);
        let fault = w.post(&account, "hello", &[]).await.unwrap_err();
        assert!(matches!(fault, Fault::AccountLost { .. }), "{at}: {fault:?}");
        assert!(w.there(chat).is_empty());
    }
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn an_upgraded_group_goes_on_under_its_new_id() {
    let w = world().await;
    let group = w.telegram.add_group("Team");
    w.telegram.join(group, &w.ana, Standing::Creator);
    w.telegram.promote_bot(group, &w.ana, &[]);
    let mut account = w.connect(group).await;
    let old = w.post(&account, "before", &[]).await.unwrap();
    assert_eq!(old.url, None, "basic groups have no links");
    let new = w.telegram.migrate(group);
    let fault = w.post(&account, "after", &[]).await.unwrap_err();
    assert_eq!(fault, Fault::AccountMoved { to: new.to_string() });
    account.remote_id = new.to_string();
    w.post(&account, "after", &[]).await.unwrap();
    assert_eq!(w.there(new).last().unwrap().text, "after");
    // Its older messages are out of reach, and their ids name others now.
    assert!(matches!(w.delete(&account, &old).await, Err(Fault::Rejected { .. })));
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn a_lost_answer_is_never_taken_for_a_refusal() {
    let w = world().await;
    let (chat, account) = w.channel(None).await;
    for (kind, sent) in
        [(FaultKind::DropAfter, 1), (FaultKind::Truncate, 2), (FaultKind::html(), 2), (FaultKind::server_error(), 2)]
    {
        w.bench.gateway.inject(Knob::new("api.telegram.org", "sendMessage", 1, kind));
        let fault = w.post(&account, "hello", &[]).await.unwrap_err();
        assert!(matches!(fault, Fault::InDoubt { .. }), "{fault:?}");
        assert_eq!(w.there(chat).len(), sent);
    }
    w.telegram.flood(1, 5);
    let fault = w.post(&account, "hello", &[]).await.unwrap_err();
    assert!(matches!(fault, Fault::Transient { retry_after: Some(pause), .. } if pause.as_secs() == 5), "{fault:?}");

    let text = plain("hello");
    let delivery = trypost::platforms::Delivery {
        account: &account,
        credentials: Credentials { tokens: None },
        text: &text,
        files: &[],
        options: &Options::default(),
    };
    let cx = w.bench.cx();
    let finding = w.connector.find(&cx, &delivery, serde_json::Value::Null, "key", w.bench.now()).await;
    assert!(matches!(finding, Ok(Finding::Unknown { .. })), "a human is asked");
    w.bench.assert_clean(&[TOKEN]);
}

#[tokio::test]
async fn posts_are_deleted_whole_within_two_days() {
    let w = world().await;
    let (chat, account) = w.channel(None).await;
    let album = [w.bench.picture(64, 48), w.film()];
    let posted = w.post(&account, "hello", &album).await.unwrap();
    assert_eq!(w.there(chat).len(), 2);
    w.delete(&account, &posted).await.unwrap();
    assert!(w.there(chat).is_empty());
    w.delete(&account, &posted).await.unwrap();

    let posted = w.post(&account, "hello", &[]).await.unwrap();
    w.bench.pass(49 * HOUR);
    let fault = w.delete(&account, &posted).await.unwrap_err();
    assert!(matches!(&fault, Fault::Rejected { why, .. } if why.contains("48 hours")), "{fault:?}");
    assert_eq!(w.there(chat).len(), 1);
    w.bench.assert_clean(&[TOKEN]);
}
