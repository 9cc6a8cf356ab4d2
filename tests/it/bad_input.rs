//! Whatever comes in, the answer is clear, nothing is lost and nothing breaks. Here is what no other module holds: texts over
//! every limit, forged and expired buttons, hostile names, servers that lie, a full disk, a locked or missing database,
//! and the networks' own nonsense through the whole daemon. Elsewhere: wrong arguments and numbers, empty and unfit files,
//! replays by content (`chat_posts`), mistyped commands, servers and accounts (`chat_team`, `chat_connect`), buttons of others
//! (`chat_connect::in_a_telegram_group_the_link_is_the_askers_alone`), wrong webhook secrets
//! (`web::telegram_delivers_with_its_secret_alone`), redirects hop by hop and capped answers (the client's own tests).

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bots::{Incoming, SurfaceKind};
use emulators::telegram::{Attachment, Draft};
use emulators::{discord, fixtures};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};
use tracing_subscriber::fmt::MakeWriter;
use trypost::app::{App, Parts};
use trypost::config::Config;

use crate::chat_posts::stage::{Stage, labels};
use crate::chat_team::room::{Room, Who};
use crate::contracts::daemon::Daemon;

/// What this thread logs while it lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn keep(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().with_writer(self.clone()).with_ansi(false).finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// How many lines hold these words.
    fn lines(&self, words: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).lines().filter(|line| line.contains(words)).count()
    }
}

#[tokio::test]
async fn a_text_over_every_limit_is_kept_and_each_limit_is_told() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    let (chat, _) = stage.channel("Acme News").await;
    stage.says(&"x".repeat(5_000)).await;
    let card = stage.last();
    for words in
        ["Mastodon: the text is 5,000 characters there, 500 fit.", "(Telegram): the text is 5,000", "4,096 fit"]
    {
        assert!(card.text.plain.contains(words), "{words}: {}", card.text.plain);
    }
    assert!(!labels(&card).contains(&"Post now"));
    stage.command("publish", &["1"]).await;
    assert_eq!((stage.instance.statuses().len(), stage.telegram.messages(chat).len()), (0, 0));
    stage.press("Edit text").await;
    stage.says("short").await;
    stage.press("Post now").await;
    stage.sees("published on 2 accounts").await;
    stage.end().await;
}

#[tokio::test]
async fn forged_expired_and_foreign_buttons_do_nothing() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    room.accounts(&workspace, &["Acme"]).await;
    let old = "This button is from an older message. Ask again, please.";
    for forged in ["", "x", "../../etc/passwd", "' or 1=1 --", "\u{0}\u{202e}", &"A".repeat(5_000)] {
        let said = room.press(&ana, forged).await;
        assert_eq!((said.toasts.as_slice(), said.messages.len()), ([old.to_owned()].as_slice(), 0), "{forged:?}");
    }
    let ask = room.say(&ana, "/disconnect 1").await;
    let stranger = Who::telegram("66", "Mallory");
    let said = room.press(&stranger, &ask.token("Disconnect")).await.text();
    assert!(said.contains("This bot belongs to a team."), "{said}");
    let ben = Who::telegram("9", "Ben");
    room.join(&ana, &ben, "viewer").await;
    let said = room.press(&ben, &ask.token("Disconnect")).await.text();
    assert!(said.contains("This button is for the person who asked."), "{said}");
    room.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(room.press(&ana, &ask.token("Disconnect")).await.toasts, [old]);
    assert_eq!(room.chat.flows.store.accounts(&workspace).await.unwrap().len(), 1);
}

#[tokio::test]
async fn hostile_names_are_plain_text_on_one_line() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    let name = "<b>Acme</b> @everyone [x](https://evil.example) \u{202e}live\u{2066}\n● Fake (Toyland) is connected";
    room.accounts(&workspace, &[name]).await;
    let mallory = Who::telegram("9", "*Mallory* \u{202e}nimda\n/role me owner");
    room.join(&ana, &mallory, "viewer").await;
    for line in ["/accounts", "/account 1", "/team", "/disconnect 1", "/toggle 1"] {
        let reply = room.say(&ana, line).await;
        let text = reply.text();
        assert!(text.contains("Acme") || text.contains("Mallory"), "{line}: {text}");
        assert!(!text.contains(['\u{202e}', '\u{2066}']), "{line}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("● Fake") || line.starts_with("/role me")), "{line}: {text}");
        for message in &reply.messages {
            // Nothing in it is a link or code of theirs: only our own bold stands in texts, and names stay as they are.
            let links = message.text.entities.iter().filter(|one| matches!(one.kind, bots::EntityKind::Link(_)));
            assert_eq!(links.count(), 0, "{line}: {message:?}");
        }
        for label in reply.labels() {
            assert!(!label.contains(['\n', '\u{202e}', '\u{2066}']), "{line}: {label:?}");
        }
    }
    // What does not exist is told with what was typed, harmless as well.
    let said = room.say(&ana, "/account \u{202e}<i>@here</i>\nx").await.text();
    assert!(!said.contains('\u{202e}') && said.lines().count() <= 2, "{said:?}");
    let said = room.say(&ana, "/\u{202e}acounts").await.text();
    assert!(!said.contains('\u{202e}') && said.contains("/acounts. Did you mean /accounts?"), "{said:?}");
}

#[tokio::test]
async fn words_of_others_call_nobody_on_discord() {
    let w = Daemon::start().await;
    let invited = w.says("/invite me", "tp-").await;
    let at = invited.text.find("tp-").unwrap();
    let general = w.discord.general(w.guild);
    w.discord.add_bot(w.guild, 248_832);
    w.discord.rename_guild(w.guild, "@everyone **Acme**");
    w.discord.wait_connected().await;
    w.ana.command(general, "start", &[("code", json!(&invited.text[at..at + 19]))]);
    w.discord.wait_ephemeral(&w.ana, |message| message.body.content.contains("Done")).await;
    w.ana.command(general, "workspace", &[("what", json!("use"))]);
    w.discord.wait_message(general, |message| message.body.content.contains("My team")).await;
    let calling = format!("@everyone @here <@{}> look", w.ana.id());
    w.ana.command(general, "post", &[("text", json!(calling))]);
    let card = w.discord.wait_message(general, |message| message.body.content.contains("Draft 1")).await;
    assert!(card.body.content.contains("everyone"), "{}", card.body.content);
    w.ana.command(general, "show", &[("post", json!("@everyone"))]);
    w.discord.wait_message(general, |message| message.body.content.contains("not a post's number")).await;
    w.ana.dm(&calling, Vec::new());
    let direct = w.discord.direct(&w.ana);
    w.discord.wait_message(direct, |message| message.body.content.contains("Draft 2")).await;
    for message in w.discord.messages(general).into_iter().chain(w.discord.messages(direct)) {
        if message.by_bot {
            assert_eq!(message.body.pings, discord::Pings::default(), "{}", message.body.content);
        }
    }
    w.end().await;
}

#[tokio::test]
async fn the_networks_own_nonsense_is_passed_over() {
    let w = Daemon::start().await;
    w.says("/conect", "Did you mean /connect?").await;
    w.says("/show", "/show needs a little more, like this: /show 12").await;
    w.says("/toggle", "like this: /toggle 1").await;
    for broken in [
        json!({ "message": { "message_id": "x" } }),
        json!({ "message": [1, 2] }),
        json!({ "callback_query": {} }),
        json!({ "something_new": { "a": null } }),
        json!({ "my_chat_member": { "chat": { "id": 1, "type": "group" } } }),
    ] {
        w.telegram.malformed_update(broken);
    }
    w.says("Still here?", "Draft 1").await;
    // The same update again makes no second draft.
    w.telegram.replay_update();
    w.says("And now", "Draft 2").await;
    w.says("/drafts", "2 draft").await;
    assert_eq!(w.telegram.messages(7).iter().filter(|one| one.text.contains("Draft 3")).count(), 0);
    // Telegram gives bots no file past 20 MB.
    let film = Attachment::document("film.mp4", "video/mp4", fixtures::mp4(1_000, 64, 64, 4_000));
    w.alice.sends(7, Draft::media([film.claiming(21_000_000)]));
    let card = w.told("film.mp4 is not in it").await;
    assert!(card.text.contains("Telegram lets bots fetch at most 20 MB"), "{}", card.text);
    w.says("/help", "/connect").await;
    w.end().await;
}

#[tokio::test]
async fn servers_that_lie_are_told_apart_and_never_lead_inwards() {
    use axum::response::{Html, Redirect};
    let w = Daemon::start().await;
    let page = || async { Html("<html><script>alert(1)</script>A shop</html>") };
    w.gateway.mount("shop.example", axum::Router::new().fallback(page));
    w.gateway.mount("garbage.example", axum::Router::new().fallback(|| async { "{\"title\": [[[\u{0}" }));
    w.gateway.mount("huge.example", axum::Router::new().fallback(|| async { "x".repeat(40_000_000) }));
    for (host, to) in [
        ("inner.example", "https://127.0.0.1/api/v2/instance"),
        ("meta.example", "http://169.254.169.254/"),
        ("local.example", "https://localhost/"),
    ] {
        w.gateway.mount(host, axum::Router::new().fallback(move || async move { Redirect::temporary(to) }));
    }
    for host in ["shop.example", "garbage.example", "huge.example", "inner.example", "meta.example", "local.example"] {
        let said = w.says(&format!("/connect mastodon {host}"), "Which server is it?").await.text;
        let words =
            if host == "huge.example" { "more than is sensible" } else { "That address is not a Mastodon server" };
        assert!(said.contains(words), "{host}: {said}");
        assert!(!said.contains("script") && said.len() < 400, "{said}");
    }
    for private in ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "[::1]"] {
        w.says(&format!("/connect mastodon {private}"), &format!("\"{private}\" is not a server's name")).await;
    }
    let asked = w.gateway.calls();
    let inwards = |host: &str| matches!(host, "127.0.0.1" | "localhost" | "169.254.169.254" | "10.0.0.1");
    assert!(!asked.iter().any(|call| inwards(&call.host)), "a private address was asked");
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_told_and_the_draft_stays() {
    let log = Log::default();
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    let media = stage.data.path().join("media");
    std::fs::remove_dir_all(&media).unwrap();
    // As root, rights stop nobody; a file in the folder's place does.
    std::fs::write(&media, "no folder").unwrap();
    let kept = log.keep();
    let files = vec![stage.file("shop.png", Ok(fixtures::png(40, 40)))];
    stage.sends(Incoming { text: "With a picture".into(), files, ..Incoming::default() }).await;
    drop(kept);
    let card = stage.last();
    let told =
        "✗ shop.png is not in it: This server could not keep the file. Whoever runs it finds the reason in the log";
    assert!(card.text.plain.contains(told) && card.text.plain.contains("With a picture"), "{}", card.text.plain);
    assert!(!labels(&card).contains(&"Post now"), "it does not go out without the picture unasked");
    assert_eq!(log.lines("the media folder can't be written to"), 1);
    // Room was made: the picture is added, and goes out.
    std::fs::remove_file(&media).unwrap();
    std::fs::create_dir(&media).unwrap();
    stage.press("More").await;
    stage.press("Add files").await;
    let files = vec![stage.file("shop.png", Ok(fixtures::png(40, 40)))];
    stage.sends(Incoming { files, ..Incoming::default() }).await;
    stage.press("Post now").await;
    stage.sees("published on 1 account").await;
    assert_eq!(stage.instance.statuses()[0].media.len(), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_locked_database_is_told_and_nothing_is_lost() {
    let log = Log::default();
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    stage.says("The first").await;
    let options = SqliteConnectOptions::new().filename(stage.data.path().join("db"));
    let mut other = options.connect().await.unwrap();
    other.execute("begin exclusive").await.unwrap();
    let kept = log.keep();
    stage.says("The second").await;
    drop(kept);
    let trouble = "Something went wrong on my side, and I wrote down what. Please try again in a moment.";
    assert_eq!(stage.said(), trouble);
    assert_eq!(log.lines("an update failed"), 1);
    other.execute("rollback").await.unwrap();
    // Tried again, it is there; and what was there before is as it was.
    stage.says("The second").await;
    assert!(stage.said().starts_with("Draft 2\n\nThe second"), "{}", stage.said());
    stage.command("drafts", &[]).await;
    assert!(stage.said().contains("1 draft · \"The first\"") && stage.said().contains("2 draft · \"The second\""));
    stage.end().await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "not a folder").unwrap();
    let data = folder.path().join("data").display().to_string();
    let start = async |settings: &[(&str, String)]| {
        let find = |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let config = Config::load(&find).unwrap();
        match App::start(&config, Parts::default()).await {
            Ok(_) => panic!("it started"),
            Err(error) => error.to_string(),
        }
    };
    let listen = ("LISTEN_ADDR", "127.0.0.1:0".to_owned());
    let key = ("APP_KEY", "base64:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned());
    // Port 1 of this machine: nobody listens there.
    let nowhere = ("DATABASE_URL", "postgres://app:canary-password@127.0.0.1:1/trypost".to_owned());
    let told = start(&[listen.clone(), key.clone(), nowhere, ("DATA_DIR", data.clone())]).await;
    assert!(told.contains("DATABASE_URL") && !told.contains("canary-password"), "{told}");
    let under = file.join("trypost.db").display().to_string();
    let told =
        start(&[listen.clone(), ("DATABASE_URL", format!("sqlite://{under}")), ("DATA_DIR", data.clone())]).await;
    assert!(told.contains("DATABASE_URL") && told.contains("a-file"), "{told}");
    let told = start(&[listen.clone(), ("DATA_DIR", file.join("data").display().to_string())]).await;
    assert!(told.contains("DATA_DIR") && told.contains("a-file"), "{told}");
    // A file that is no database.
    let garbage = folder.path().join("garbage.db");
    std::fs::write(&garbage, "this is no database at all, but words for people to read".repeat(40)).unwrap();
    let told = start(&[listen, ("DATABASE_URL", format!("sqlite://{}", garbage.display())), ("DATA_DIR", data)]).await;
    assert!(told.contains("DATABASE_URL"), "{told}");
}
