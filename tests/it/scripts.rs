//! Whole stories, each told at every surface on every engine: somebody connects their accounts, publishes, and meets what
//! goes wrong.

use std::time::Duration;

use emulators::browser::Person as Mind;
use emulators::fixtures;
use emulators::telegram::Draft;
use trypost::domain::post::{Post, TargetStatus};

use crate::world::{Engine, HANDLE, INSTANCE, Surface, World};

/// One test per pair of engine and surface for each story.
macro_rules! everywhere {
    ($($story:ident),* $(,)?) => {
        everywhere!(@ sqlite_telegram Sqlite Telegram $($story)*);
        everywhere!(@ sqlite_discord Sqlite Discord $($story)*);
        everywhere!(@ sqlite_console Sqlite Console $($story)*);
        everywhere!(@ postgres_telegram Postgres Telegram $($story)*);
        everywhere!(@ postgres_discord Postgres Discord $($story)*);
        everywhere!(@ postgres_console Postgres Console $($story)*);
    };
    (@ $pair:ident $engine:ident $surface:ident $($story:ident)*) => {
        mod $pair {
            use super::{Engine, Surface, World};

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                if let Some(world) = World::start(Engine::$engine, Surface::$surface).await {
                    super::$story(&world).await;
                    world.finish().await;
                }
            })*
        }
    };
}

everywhere!(four_accounts_are_connected, a_post_with_two_pictures_goes_everywhere, a_lost_account_comes_back);

const TEXT: &str = "We open at nine, see https://acme.example/menu for what there is!";
const ALTS: [&str; 2] = ["A market stall in the morning sun", "A basket of apples"];

async fn four_accounts_are_connected(w: &World) {
    connect_four(w).await;
    let owner = w.owner();
    owner.command("accounts", &[]).await;
    let card = owner.wait("4 accounts").await;
    for name in [
        "@alice@mastodon.example on Mastodon",
        "@alice.bsky.social on Bluesky",
        "@acme_news on Telegram",
        "Acme (Discord)",
    ] {
        assert!(card.text.contains(name), "{name}: {}", card.text);
    }
    assert_eq!(w.mastodon.live_tokens("alice"), 1);
    assert_eq!(w.discord.live_tokens(), 0, "the person's own token is used for nothing and given back");
}

async fn connect_four(w: &World) {
    connect_mastodon(w).await;
    connect_bluesky(w).await;
    connect_telegram(w).await;
    connect_discord(w).await;
}

pub async fn connect_mastodon(w: &World) {
    let owner = w.owner();
    owner.command("connect", &["mastodon", INSTANCE]).await;
    let card = owner.wait_all(&["Open mastodon.example and agree"]).await;
    let link = owner.link(&card, "Connect Mastodon").await;
    let before = w.store().account_counts().await.unwrap();
    let page = w.agree(&link, Mind::named("alice")).await;
    assert!(page.text().contains("Nothing is connected yet"), "{}", page.text());
    let found = owner.wait_all(&["Connect Alice", "on Mastodon to My team?"]).await;
    assert_eq!(w.store().account_counts().await.unwrap(), before, "a consent alone connects nothing");
    owner.press(&found, "Connect").await;
    owner.wait("● Alice (Mastodon) is connected to My team.").await;
}

pub async fn connect_bluesky(w: &World) {
    let owner = w.owner();
    owner.command("connect", &["bluesky"]).await;
    let card = owner.wait("not here").await;
    let typed = [("handle", HANDLE), ("password", w.app_password.as_str())];
    if w.surface() == Surface::Discord {
        owner.press(&card, "Fill in here").await;
        owner.fill(&typed).await;
    } else {
        let link = owner.link(&card, "Open the form").await;
        let page = w.open(&link).await;
        let wrong = w.fill(&page, "Continue", &[("handle", HANDLE), ("password", "aaaa-bbbb-cccc-dddd")]).await;
        assert_eq!(wrong.status, 422, "{}", wrong.text());
        let page = w.fill(&wrong, "Continue", &typed).await;
        assert!(page.text().contains("Nothing is connected yet"), "{}", page.text());
    }
    let found = owner.wait_all(&["on Bluesky to My team?", HANDLE]).await;
    owner.press(&found, "Connect").await;
    owner.wait("(Bluesky) is connected to My team.").await;
}

pub async fn connect_telegram(w: &World) {
    let owner = w.owner();
    owner.command("connect", &["telegram"]).await;
    let card = owner.wait("/connect tp-").await;
    w.telegram.promote_bot(w.channel, &w.alice, &["can_post_messages", "can_delete_messages"]);
    if w.surface() != Surface::Telegram {
        // Who promoted the bot is nobody we know, so the code says whose channel it is.
        let mut words = card.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let code = words.find(|word| word.starts_with("tp-")).expect("a code");
        let posted = w.telegram.post_in_channel(w.channel, Draft::text(&format!("/connect {code}")));
        w.telegram.wait_deleted(w.channel, posted[0]).await;
    }
    let found = owner.wait("Connect Acme News").await;
    owner.press(&found, "Connect").await;
    owner.wait("● Acme News (Telegram) is connected to My team.").await;
}

pub async fn connect_discord(w: &World) {
    let owner = w.owner();
    if w.surface() == Surface::Discord {
        let here = owner.in_channel(w.general);
        here.command("workspace", &["use", "My team"]).await;
        here.wait("My team").await;
        here.command("connect", &["discord"]).await;
        let card = here.wait("The link is yours alone").await;
        here.press(&card, "Connect this server").await;
        let found = here.wait("Connect Acme (server").await;
        here.press(&found, "Connect").await;
        here.wait("● Acme (Discord) is connected to My team.").await;
        return;
    }
    owner.command("connect", &["discord"]).await;
    let card = owner.wait("Open Discord and agree").await;
    let link = owner.link(&card, "Connect Discord").await;
    w.agree(&link, Mind::named("Alice").picking("guild", "Acme")).await;
    let found = owner.wait("Connect Acme (server").await;
    owner.press(&found, "Connect").await;
    owner.wait("● Acme (Discord) is connected to My team.").await;
}

/// The workspace's newest post.
async fn newest(w: &World) -> Post {
    let number = w.raw("select cast(max(number) as text) from posts").await.remove(0).parse().unwrap();
    let owner = w.raw("select id from workspaces").await.remove(0);
    w.store().post_by_number(&owner.into(), number).await.unwrap().expect("a post")
}

async fn a_post_with_two_pictures_goes_everywhere(w: &World) {
    connect_four(w).await;
    let owner = w.owner();
    owner.send_photos(&w.folder(), TEXT, &[fixtures::jpeg(800, 600), fixtures::png(640, 640)]).await;
    w.until("two pictures", || async {
        (w.raw("select cast(position as text) from post_media").await.len() == 2).then_some(())
    })
    .await;
    // An album has no end mark: its card is drawn after a second of quiet.
    w.advance(Duration::from_secs(1)).await;
    let draft = owner.wait_button("Draft 1", "Where in Acme? ▾").await;
    owner.press(&draft, "Where in Acme? ▾").await;
    let places = owner.wait_button("shall it go", "Back").await;
    owner.choose(&places, "#general").await;
    let draft = owner.wait_button("Draft 1", "Alt text").await;
    owner.press(&draft, "Alt text").await;
    if w.surface() != Surface::Telegram {
        owner.fill(&[("File 1 of 2", ALTS[0]), ("File 2 of 2", ALTS[1])]).await;
    } else {
        owner.wait("file 1 of 2").await;
        owner.say(ALTS[0]).await;
        owner.wait("file 2 of 2").await;
        owner.say(ALTS[1]).await;
    }
    w.until("the descriptions", || async {
        newest(w).await.media.iter().all(|media| media.alt.is_some()).then_some(())
    })
    .await;
    let draft = owner.wait_button("Draft 1", "Post now").await;
    owner.press(&draft, "Post now").await;
    w.advance(Duration::from_secs(60)).await;
    owner.wait("published on 4 accounts").await;

    for target in w.store().targets(&newest(w).await.id).await.unwrap() {
        assert_eq!(target.status, TargetStatus::Published);
        assert!(target.posted.unwrap().url.is_some_and(|url| url.starts_with("https://")));
        assert_eq!(w.store().send_count(&target.id).await.unwrap(), 1);
    }
    let statuses = w.mastodon.statuses();
    assert_eq!(statuses.len(), 1);
    assert_eq!(statuses[0].text, TEXT);
    assert_eq!(statuses[0].media.iter().map(|one| one.description.as_deref()).collect::<Vec<_>>(), ALTS.map(Some));

    let posts = w.bluesky.posts(HANDLE);
    assert_eq!(posts.len(), 1);
    let record = &posts[0].value;
    assert!(record["text"].as_str().unwrap().contains("acme.example/menu"), "{record}");
    assert_eq!(record["facets"][0]["features"][0]["uri"], "https://acme.example/menu");
    let images = record["embed"]["images"].as_array().unwrap();
    assert_eq!(images.iter().map(|one| one["alt"].as_str()).collect::<Vec<_>>(), ALTS.map(Some));

    let sent: Vec<_> = w.telegram.messages(w.channel).into_iter().filter(|message| message.by_bot).collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].text, TEXT);
    assert!(sent[0].album.is_some() && sent[0].album == sent[1].album);

    let sent: Vec<_> =
        w.discord.messages(w.general).into_iter().filter(|one| !one.body.attachments.is_empty()).collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].content(), TEXT);
    let files = &sent[0].body.attachments;
    assert_eq!(files.iter().map(|file| file.description.as_deref()).collect::<Vec<_>>(), ALTS.map(Some));
}

async fn a_lost_account_comes_back(w: &World) {
    connect_mastodon(w).await;
    connect_bluesky(w).await;
    let owner = w.owner();
    w.mastodon.revoke_tokens("alice");
    owner.command("post", &["Sold out already. Thank you!"]).await;
    let draft = owner.wait_button("Draft 1", "Post now").await;
    owner.press(&draft, "Post now").await;
    w.advance(Duration::from_secs(60)).await;
    owner.wait("published on 1 of 2 accounts").await;
    assert_eq!((w.mastodon.statuses().len(), w.bluesky.posts(HANDLE).len()), (0, 1));

    let alert = owner.wait_all(&["○ ", "@alice@mastodon.example on Mastodon"]).await;
    owner.press(&alert, "Reconnect").await;
    let card = owner.wait("To bring Alice back").await;
    let link = owner.link(&card, "Reconnect Mastodon").await;
    w.agree(&link, Mind::named("alice")).await;
    let found = owner.wait_all(&["Connect Alice", "would be renewed"]).await;
    owner.press(&found, "Connect").await;
    owner.wait("● Alice (Mastodon) is connected to My team.").await;

    let post = owner.wait("published on 1 of 2 accounts").await;
    owner.press(&post, "Retry").await;
    w.advance(Duration::from_secs(60)).await;
    owner.wait("published on 2 accounts").await;
    assert_eq!((w.mastodon.statuses().len(), w.bluesky.posts(HANDLE).len()), (1, 1));
    assert_eq!(w.mastodon.statuses()[0].text, "Sold out already. Thank you!");
}
