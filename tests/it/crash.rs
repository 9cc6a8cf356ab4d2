//! The daemon dies at every vendor call, at every answer and at every commit of connecting an account and of publishing a
//! post, and starts again on the same data: nothing is lost, nothing is there twice, or a person was asked. On SQLite every
//! point is a case, on PostgreSQL every fifth.

use std::time::Duration;

use trypost::domain::post::{PostStatus, TargetStatus};
use trypost::flows::publish::Resolution;

use crate::scripts::{connect_bluesky, connect_discord, connect_mastodon, connect_telegram};
use crate::world::{Engine, HANDLE, Surface, Watch, World};

const TEXT: &str = "We open at nine.";
/// Longer than any lease.
const LEASES: Duration = Duration::from_secs(150);
/// Longer than it takes to tell what was done (real time).
const TELLING: Duration = Duration::from_secs(3);
/// Longer than the first retries take.
const RETRIES: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug)]
enum Act {
    /// An account is connected.
    Connect,
    /// A post goes out.
    Publish,
    /// A post meets an account whose consent was taken back.
    Lose,
}

#[derive(Clone, Copy, Debug)]
enum Platform {
    Mastodon,
    Bluesky,
    Telegram,
    Discord,
}

/// What became of all cases.
#[derive(Debug, Default)]
struct Table {
    cases: usize,
    lost: Vec<String>,
    twice: Vec<String>,
    asked: usize,
    repeated: usize,
}

/// How one case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By itself.
    Well,
    /// The daemon asked, and a person answered.
    Asked,
    /// Nothing had been promised yet, and the person did it again.
    Repeated,
}

macro_rules! crashes {
    ($($name:ident $act:ident $platform:ident;)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::every(1, super::Engine::Sqlite, super::Act::$act, super::Platform::$platform).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::every(5, super::Engine::Postgres, super::Act::$act, super::Platform::$platform).await;
            })*
        }
    };
}

crashes! {
    connect_mastodon Connect Mastodon;
    connect_bluesky Connect Bluesky;
    connect_telegram Connect Telegram;
    connect_discord Connect Discord;
    publish_mastodon Publish Mastodon;
    publish_bluesky Publish Bluesky;
    publish_telegram Publish Telegram;
    publish_discord Publish Discord;
    lose_mastodon Lose Mastodon;
}

/// One case for every so many points.
async fn every(step: usize, engine: Engine, act: Act, platform: Platform) {
    let mut table = Table::default();
    for point in (1..).step_by(step) {
        let Some(mut world) = World::start(engine, Surface::Console).await else { return };
        if !matches!(act, Act::Connect) {
            connect(&world, platform).await;
        }
        if let Act::Lose = act {
            world.mastodon.revoke_tokens("alice");
        }
        world.settle().await;
        let watch = world.watch().clone();
        watch.stop_after(point);
        let finished = tokio::select! {
            () = script(&world, act, platform) => true,
            () = watch.stopped() => false,
        };
        if finished {
            break;
        }
        let place = format!("{point}: {:?}", watch.points().last());
        world.crash().await;
        world.clock.pass(LEASES);
        world.run(Watch::default()).await;
        world.advance(RETRIES).await;
        table.cases += 1;
        // What a worker has done it tells a moment later.
        let told = world.until("cards that are true", || async { stale(&world, act).await.is_empty().then_some(()) });
        let _ = tokio::time::timeout(TELLING, told).await;
        let stale = stale(&world, act).await;
        if !stale.is_empty() {
            table.lost.push(format!("{place}: {stale:?} was not told"));
        }
        let untold = "select kind from incidents i where not exists (select 1 from cards where subject = i.id)";
        if !world.raw(untold).await.is_empty() {
            table.lost.push(format!("{place}: nobody heard of the incident"));
        }
        match mend(&world, act, platform).await {
            End::Well => {}
            End::Asked => table.asked += 1,
            End::Repeated => table.repeated += 1,
        }
        world.settle().await;
        let count = there(&world, act, platform).await;
        match count {
            0 => table.lost.push(place),
            1 => {}
            _ => table.twice.push(place),
        }
        world.finish().await;
    }
    println!(
        "{act:?} on {platform:?}, {engine:?}: {} cases, {} lost, {} twice, {} asked, {} repeated",
        table.cases,
        table.lost.len(),
        table.twice.len(),
        table.asked,
        table.repeated
    );
    assert!(table.cases > 2, "{table:?}");
    assert!(table.lost.is_empty() && table.twice.is_empty(), "{table:#?}");
}

/// What is told wrongly.
async fn stale(w: &World, act: Act) -> Vec<String> {
    let mut stale = w.stale_cards().await;
    if let Act::Lose = act {
        // What once was connected is told as it was then.
        stale.retain(|subject| !subject.starts_with("att_"));
    }
    stale
}

async fn connect(w: &World, platform: Platform) {
    match platform {
        Platform::Mastodon => connect_mastodon(w).await,
        Platform::Bluesky => connect_bluesky(w).await,
        Platform::Telegram => connect_telegram(w).await,
        Platform::Discord => connect_discord(w).await,
    }
}

async fn script(w: &World, act: Act, platform: Platform) {
    match act {
        Act::Connect => connect(w, platform).await,
        Act::Publish => {
            w.owner().command("post", &[TEXT]).await;
            send_off(w, platform).await;
        }
        Act::Lose => {
            let owner = w.owner();
            owner.command("post", &[TEXT]).await;
            let draft = owner.wait_button("Draft 1", "Post now").await;
            owner.press(&draft, "Post now").await;
            w.advance(RETRIES).await;
            owner.wait("not published").await;
        }
    }
    w.settle().await;
}

/// From the draft's card to the published post.
async fn send_off(w: &World, platform: Platform) {
    let owner = w.owner();
    if let Platform::Discord = platform {
        let draft = owner.wait_button("Draft 1", "Where in Acme? ▾").await;
        owner.press(&draft, "Where in Acme? ▾").await;
        let places = owner.wait_button("shall it go", "Back").await;
        owner.press(&places, "#general").await;
    }
    let draft = owner.wait_button("Draft 1", "Post now").await;
    owner.press(&draft, "Post now").await;
    published(w).await;
}

/// Lets time pass until it is out.
async fn published(w: &World) {
    w.until("the post to be on its way", || async {
        (w.raw("select status from posts").await != ["draft"]).then_some(())
    })
    .await;
    w.advance(RETRIES).await;
    w.owner().wait("published on 1 account").await;
}

/// How often it is there.
async fn there(w: &World, act: Act, platform: Platform) -> usize {
    match (act, platform) {
        (Act::Connect, _) => w.raw("select id from accounts where status = 'connected'").await.len(),
        (Act::Publish | Act::Lose, Platform::Mastodon) => w.mastodon.statuses().len(),
        (_, Platform::Bluesky) => w.bluesky.posts(HANDLE).len(),
        (_, Platform::Telegram) => w.telegram.messages(w.channel).iter().filter(|message| message.text == TEXT).count(),
        (_, Platform::Discord) => {
            w.discord.messages(w.general).iter().filter(|message| message.content() == TEXT).count()
        }
    }
}

/// A person looks at what the daemon says now, and does what it asks for.
async fn mend(w: &World, act: Act, platform: Platform) -> End {
    match act {
        Act::Connect => mend_connect(w, platform).await,
        Act::Publish => mend_publish(w, platform).await,
        Act::Lose => mend_loss(w, platform).await,
    }
}

async fn mend_connect(w: &World, platform: Platform) -> End {
    let attempt = w.raw("select stage || ' ' || id from attempts").await.pop();
    match attempt.as_deref().and_then(|attempt| attempt.split_once(' ')) {
        Some(("done", _)) => End::Well,
        Some(("found", id)) => {
            // The card stands in the chat, and the press on it comes after the restart.
            w.flows().confirm(&w.actor().await, &id.to_owned().into()).await.unwrap();
            End::Asked
        }
        Some(("failed", _)) => {
            connect(w, platform).await;
            End::Asked
        }
        None | Some(("open", _)) => {
            connect(w, platform).await;
            End::Repeated
        }
        Some(other) => panic!("left {other:?}\n{}", w.told()),
    }
}

async fn mend_publish(w: &World, platform: Platform) -> End {
    let post = w.raw("select status || ' ' || id from posts").await.pop();
    let id = match post.as_deref().and_then(|post| post.split_once(' ')) {
        None => {
            script(w, Act::Publish, platform).await;
            return End::Repeated;
        }
        Some(("draft", _)) => {
            w.owner().command("show", &["1"]).await;
            send_off_again(w, platform).await;
            return End::Repeated;
        }
        Some((_, id)) => id.to_owned(),
    };
    let (flows, actor) = (w.flows(), w.actor().await);
    let target = w.store().targets(&id.clone().into()).await.unwrap().remove(0);
    let end = match target.status {
        TargetStatus::Published => return End::Well,
        TargetStatus::Unconfirmed => {
            let is_there = there(w, Act::Publish, platform).await > 0;
            let word = if is_there { Resolution::IsThere } else { Resolution::SendAgain };
            flows.resolve_target(&actor, &target.id, word).await.unwrap();
            End::Asked
        }
        TargetStatus::Failed => {
            flows.retry_post(&actor, &id.clone().into()).await.unwrap();
            End::Asked
        }
        other => panic!("left {other:?}\n{}", w.told()),
    };
    w.advance(RETRIES).await;
    assert_eq!(w.store().post(&id.into()).await.unwrap().unwrap().status, PostStatus::Published, "{}", w.told());
    end
}

/// Connects again, and publishes again.
async fn mend_loss(w: &World, platform: Platform) -> End {
    let (flows, actor) = (w.flows(), w.actor().await);
    let mut end = End::Asked;
    if w.raw("select id from posts").await.is_empty() {
        script(w, Act::Lose, platform).await;
        end = End::Repeated;
    }
    let id = w.raw("select id from posts").await.remove(0);
    if w.raw("select status from posts").await == ["draft"] {
        flows.publish_now(&actor, &id.clone().into()).await.unwrap();
        w.advance(RETRIES).await;
        end = End::Repeated;
    }
    let incidents = w.raw("select kind from incidents where closed_at is null").await;
    assert_eq!(incidents, ["account_lost"], "{}", w.told());
    connect(w, platform).await;
    w.until("the account to be back", || async {
        (w.raw("select status from accounts").await == ["connected"]).then_some(())
    })
    .await;
    flows.retry_post(&actor, &id.clone().into()).await.unwrap();
    w.advance(RETRIES).await;
    assert_eq!(w.store().post(&id.into()).await.unwrap().unwrap().status, PostStatus::Published, "{}", w.told());
    end
}

async fn send_off_again(w: &World, platform: Platform) {
    let owner = w.owner();
    if let Platform::Discord = platform {
        let draft = owner.wait("Draft 1").await;
        let button = draft.labels.iter().find(|label| label.ends_with('▾')).expect("a channel to choose").clone();
        owner.press(&draft, &button).await;
        let places = owner.wait_button("shall it go", "Back").await;
        let general = places.labels.iter().find(|label| label.contains("general")).expect("general").clone();
        owner.press(&places, &general).await;
    }
    let draft = owner.wait_button("Draft 1", "Post now").await;
    owner.press(&draft, "Post now").await;
    published(w).await;
}
