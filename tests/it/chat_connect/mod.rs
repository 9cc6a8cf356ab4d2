//! Connecting as people do it in the chat: the link and who sees it, the pick, the result, and everything that goes wrong
//! on the way. Long because it is one story after another.

mod bench;
mod pages;

use std::collections::BTreeMap;
use std::sync::Arc;

use bots::{ChatKind, MembershipStatus, Proof, SurfaceKind};
use emulators::bluesky::Bluesky;
use emulators::browser::Consent;
use emulators::discord::{Discord, Options as Application};
use emulators::mastodon::{Mastodon, Options};
use emulators::telegram::{Standing, Telegram};
use trypost::domain::account::AccountStatus;
use trypost::flows::connect::Returned;
use trypost::platforms::Platform;

use bench::{Bench, DISCORD_TOKEN, Seat, Shown, TELEGRAM_TOKEN, console, direct, seat};
use pages::Pages;

const HOST: &str = "m.example";

fn approve(user: &str) -> Consent {
    Consent::Approve { as_user: user.into() }
}

async fn with_mastodon() -> (Bench, Mastodon) {
    let w = Bench::new(Vec::new()).await;
    let server = Mastodon::new(&w.gateway, HOST, Options::default());
    server.add_user("ana");
    (w, server)
}

async fn connect_mastodon(w: &Bench, seat: &Seat) -> Shown {
    let link = w.say(seat, &format!("/connect mastodon {HOST}")).await;
    w.consent("mastodon", link.link("Connect Mastodon").unwrap(), approve("ana")).await;
    w.network(seat.chat.surface).wait(&seat.chat.id, "Connect Ana").await;
    w.press(seat, "Connect").await
}

#[tokio::test]
async fn mastodon_is_connected_at_the_console() {
    let (w, _server) = with_mastodon().await;
    let ana = console();
    let choice = w.say(&ana, "/connect").await;
    assert!(choice.says().starts_with("Which platform?"), "{}", choice.says());
    w.press(&ana, "Mastodon").await;
    assert_eq!(w.network(SurfaceKind::Console).last("console").says(), "Which server? Type it, like mastodon.social");
    let again = w.say(&ana, "not/a_server").await;
    assert!(
        again.says().contains("is not a server's name") && again.says().contains("Which server is it?"),
        "{again:?}"
    );
    let link = w.say(&ana, HOST).await;
    assert!(
        link.says().contains("Open m.example and agree. The link is yours alone, works once, until 8:15."),
        "{link:?}"
    );

    let url = link.link("Connect Mastodon").unwrap();
    let before = w.network(SurfaceKind::Console).all("console").len();
    assert!(matches!(w.consent("mastodon", url, approve("ana")).await, Returned::Found { .. }));
    let found = w.network(SurfaceKind::Console).wait("console", "Connect Ana").await;
    assert!(found.says().contains("(@ana@m.example, profile on m.example) on Mastodon to My team?"), "{found:?}");
    assert_eq!(found.id, link.id, "the card is edited in place");
    assert!(w.flows.store.accounts(&w.workspace).await.unwrap().is_empty(), "nothing before the press");

    let done = w.press(&ana, "Connect").await;
    assert!(done.says().starts_with("● Ana (Mastodon) is connected to My team."), "{}", done.says());
    assert!(done.says().contains("Alerts go to: this chat."), "{}", done.says());
    assert_eq!(w.network(SurfaceKind::Console).all("console").len(), before, "one message per thing");
    let accounts = w.flows.store.accounts(&w.workspace).await.unwrap();
    assert_eq!((accounts.len(), accounts[0].handle.as_deref()), (1, Some("ana@m.example")));
    assert_eq!(w.flows.store.alert_chats(&w.workspace).await.unwrap().len(), 1);

    // Old buttons answer with what is true now.
    for label in ["Connect", "Cancel"] {
        assert!(w.press_on(&ana, &found, label).await.says().starts_with("● Ana"), "{label}");
    }
    // The same account again is renewed, not doubled.
    let link = w.say(&ana, "/connect m.example").await;
    w.consent("mastodon", link.link("Connect Mastodon").unwrap(), approve("ana")).await;
    w.network(SurfaceKind::Console).wait("console", "connected already and would be renewed").await;
    w.press(&ana, "Connect").await;
    assert_eq!(w.flows.store.accounts(&w.workspace).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_typed_wrong_is_asked_about() {
    let (w, server) = with_mastodon().await;
    let ana = console();
    let near = w.say(&ana, "/connect mastadon m.example").await;
    assert_eq!(near.says(), "I don't know \"mastadon\". Did you mean Mastodon?");
    assert!(w.press(&ana, "Mastodon").await.link("Connect Mastodon").is_some());
    assert!(w.say(&ana, "/connect zzz").await.says().contains("I don't know \"zzz\""));
    assert!(w.say(&ana, "/reconnect zzz").await.says().contains("no account \"zzz\""));
    // A server that is away is told, and another can be typed at once.
    server.set_online(false);
    let away = w.say(&ana, "/connect mastodon other.example").await;
    assert!(away.says().contains("Which server is it?"), "{}", away.says());
    server.set_online(true);
    assert!(w.say(&ana, HOST).await.link("Connect Mastodon").is_some());
    // The question can be taken back: what is typed then is no answer.
    w.say(&ana, "/connect mastodon").await;
    assert_eq!(w.press(&ana, "Cancel").await.says(), "Cancelled: nothing was connected.");
    let before = w.network(SurfaceKind::Console).all("console").len();
    w.say(&ana, HOST).await;
    let after = w.network(SurfaceKind::Console).all("console");
    assert!(after[before..].iter().all(|shown| shown.link("Connect Mastodon").is_none()));
}

#[tokio::test]
async fn no_and_too_late_are_told_with_a_way_on() {
    let (w, _server) = with_mastodon().await;
    let ana = console();
    let link = w.say(&ana, "/connect mastodon m.example").await;
    let back = w.consent("mastodon", link.link("Connect Mastodon").unwrap(), Consent::Deny).await;
    assert!(matches!(back, Returned::Failed { .. }));
    w.network(SurfaceKind::Console).wait("console", "Nothing was connected.").await;
    // The same card begins again.
    let again = w.press(&ana, "Try again").await;
    assert_eq!(again.id, link.id);
    let url = again.link("Connect Mastodon").unwrap().to_owned();
    assert_ne!(Some(url.as_str()), link.link("Connect Mastodon"));

    w.pass(16);
    assert!(w.vendor(&url).await.is_none(), "the link is over");
    let subject = w.flows.store.attempt_by_link(&trypost::domain::Secret::new(url.rsplit('/').next().unwrap())).await;
    let subject = subject.unwrap().unwrap().id;
    let card = w.chat.draw(subject.as_str(), SurfaceKind::Console, None, false).await.unwrap().unwrap();
    assert_eq!(card.text.plain, "This link is older than 15 minutes, so it no longer works.");
    assert_eq!(card.rows[0][0].label, "New link");

    // A pick that is left lying is over, too.
    let link = w.say(&ana, "/connect mastodon m.example").await;
    w.consent("mastodon", link.link("Connect Mastodon").unwrap(), approve("ana")).await;
    w.network(SurfaceKind::Console).wait("console", "Connect Ana").await;
    w.pass(61);
    let late = w.press(&ana, "Connect").await;
    assert!(late.says().contains("waited too long"), "{}", late.says());
    assert_eq!(late.labels(), ["Start again"]);
    assert!(w.flows.store.accounts(&w.workspace).await.unwrap().is_empty());
    assert!(w.press(&ana, "Start again").await.link("Connect Mastodon").is_some());
    assert_eq!(w.press(&ana, "Cancel").await.says(), "Cancelled: nothing was connected.");
}

#[tokio::test]
async fn of_two_confirmations_one_connects() {
    let (w, _server) = with_mastodon().await;
    let ana = console();
    let link = w.say(&ana, "/connect mastodon m.example").await;
    w.consent("mastodon", link.link("Connect Mastodon").unwrap(), approve("ana")).await;
    let found = w.network(SurfaceKind::Console).wait("console", "Connect Ana").await;
    let (one, other) = tokio::join!(w.press_on(&ana, &found, "Connect"), w.press_on(&ana, &found, "Connect"));
    for shown in [one, other] {
        let all = w.network(SurfaceKind::Console).all("console");
        assert!(shown.says().starts_with("● Ana"), "{all:#?}");
    }
    assert_eq!(w.flows.store.accounts(&w.workspace).await.unwrap().len(), 1);
}

#[tokio::test]
async fn in_a_telegram_group_the_link_is_the_askers_alone() {
    let (w, _server) = with_mastodon().await;
    let telegram = w.network(SurfaceKind::Telegram);
    w.group(SurfaceKind::Telegram, "-5").await;
    let ana = seat(SurfaceKind::Telegram, "-5", ChatKind::Group, "7");
    let bob = seat(SurfaceKind::Telegram, "-5", ChatKind::Group, "8");
    assert!(w.say(&bob, "/connect mastodon").await.says().contains("role admin"));

    // Only who asked can choose; the question is a reply in the group.
    w.say(&ana, "/connect").await;
    w.press(&bob, "Mastodon").await;
    assert_eq!(telegram.toasts(), ["This button is for the person who asked."]);
    w.press(&ana, "Mastodon").await;
    assert_eq!(telegram.last("-5").message.ask.as_deref(), Some("mastodon.social"));
    let notice = w.say(&ana, HOST).await;
    assert!(notice.says().contains("I sent you the link, Ana"), "{}", notice.says());
    let link = telegram.last("7");
    w.consent("mastodon", link.link("Connect Mastodon").unwrap(), approve("ana")).await;
    telegram.wait("7", "Connect Ana").await;
    w.press(&direct(SurfaceKind::Telegram), "Connect").await;
    telegram.wait("-5", "● Ana (Mastodon)").await;
    // The group was asked in, so alerts go there.
    let alerts = w.flows.store.alert_chats(&w.workspace).await.unwrap();
    assert_eq!(alerts.iter().map(|chat| chat.place.chat.as_str()).collect::<Vec<_>>(), ["-5"]);

    // Where the bot may not write first, a button leads to the private chat, and its token is hers alone.
    telegram.closed.lock().unwrap().insert("7".into());
    let come = w.say(&ana, "/connect mastodon m.example").await;
    let url = come.link("Open our private chat").unwrap();
    let (rest, token) = url.split_once("?start=").unwrap();
    assert!(rest.ends_with("t.me/trial_bot"), "{url}");
    telegram.closed.lock().unwrap().clear();
    assert!(w.resume(&seat(SurfaceKind::Telegram, "8", ChatKind::Direct, "8"), token).await);
    assert_eq!(telegram.last("8").says(), "This button is for the person who asked.");
    assert!(!w.resume(&direct(SurfaceKind::Telegram), "tp-something").await);
    assert!(w.resume(&direct(SurfaceKind::Telegram), token).await);
    assert!(telegram.last("7").link("Connect Mastodon").is_some());

    let public: String = telegram.all("-5").iter().map(|shown| format!("{:?}", shown.message)).collect();
    assert!(!public.contains("/connect/"), "a link in the group: {public}");
}

#[tokio::test]
async fn of_several_found_some_are_picked() {
    let names: Vec<String> = (1..=23).map(|n| format!("Page {n}")).chain(["-Locked\n● Evil".into()]).collect();
    let w = Bench::new(vec![Arc::new(Pages(names, Vec::new())) as Arc<dyn Platform>]).await;
    let ana = console();
    answer_pages(&w, &ana).await;
    let found = w.network(SurfaceKind::Console).wait("console", "Pages lists 23 pages").await;
    assert!(found.says().contains("for My team?\n✗ Locked ● Evil: You are not its editor."), "{}", found.says());
    assert_eq!(found.labels().iter().filter(|label| label.starts_with('☐')).count(), 20);
    w.press(&ana, "Connect 0").await;
    assert_eq!(w.network(SurfaceKind::Console).toasts(), ["Pick at least one first."]);
    w.press(&ana, "☐ Page 2").await;
    let second = w.press(&ana, "More (1 of 2)").await;
    assert_eq!(second.labels(), ["☐ Page 21", "☐ Page 22", "☐ Page 23", "Back", "All", "Connect 1", "Cancel"]);
    let second = w.press(&ana, "☐ Page 23").await;
    assert!(second.labels().contains(&"✓ Page 23") && second.labels().contains(&"Connect 2"), "{:?}", second.labels());
    let done = w.press(&ana, "Connect 2").await;
    assert_eq!(done.says().matches("is connected to My team").count(), 2, "{}", done.says());
    assert_eq!(w.flows.store.accounts(&w.workspace).await.unwrap().len(), 2);

    // On Discord it is one menu per page.
    w.group(SurfaceKind::Discord, "50").await;
    let ana = seat(SurfaceKind::Discord, "50", ChatKind::Group, "7");
    answer_pages(&w, &ana).await;
    let discord = w.network(SurfaceKind::Discord);
    let found = discord.wait("50", "Pages lists 23 pages").await;
    let menu = found.message.select.as_ref().unwrap();
    assert_eq!((menu.choices.len(), menu.min, menu.max), (23, 0, 23));
    assert_eq!(menu.choices[1].detail.as_deref(), Some("connected, would be renewed"));
    let picked = w.select(&ana, &["0", "1", "99"]).await;
    assert!(picked.labels().contains(&"Connect 2"), "{:?}", picked.labels());
    let picked = w.select(&ana, &["4"]).await;
    assert!(picked.message.private && picked.labels().contains(&"Connect 1"), "{:?}", picked.labels());
    w.press(&ana, "Connect 1").await;
    let names: Vec<String> =
        w.flows.store.accounts(&w.workspace).await.unwrap().into_iter().map(|account| account.name).collect();
    assert_eq!(names.len(), 3);
    assert!(names.contains(&"Page 5".to_owned()), "{names:?}");
}

async fn answer_pages(w: &Bench, seat: &Seat) {
    let link = w.say(seat, "/connect pages").await;
    let vendor = w.vendor(link.link("Connect Pages").unwrap()).await.unwrap();
    let query: BTreeMap<String, String> = vendor.query_pairs().into_owned().collect();
    w.flows.callback("pages", query).await.unwrap();
}

#[tokio::test]
async fn what_was_not_given_is_named_and_strangers_are_noticed() {
    let missing = vec!["it can't post (write was not given)".to_owned()];
    let w = Bench::new(vec![Arc::new(Pages(vec!["Page 1".into()], missing)) as Arc<dyn Platform>]).await;
    let ana = console();
    answer_pages(&w, &ana).await;
    let found = w.network(SurfaceKind::Console).wait("console", "not everything was given").await;
    assert_eq!(found.labels(), ["Connect anyway", "Try again", "Cancel"]);
    w.press(&ana, "Connect anyway").await;

    let server = Mastodon::new(&w.gateway, HOST, Options::default());
    server.add_user("ana");
    server.add_user("eve");
    connect_mastodon(&w, &ana).await;
    let link = w.say(&ana, "/reconnect ana").await;
    assert!(link.says().starts_with("To bring Ana back: open m.example and agree as @ana@m.example."), "{link:?}");
    w.consent("mastodon", link.link("Reconnect Mastodon").unwrap(), approve("eve")).await;
    let found = w.network(SurfaceKind::Console).wait("console", "agreed as someone else").await;
    assert_eq!(found.labels(), ["Connect it as new", "Try again as Ana", "Cancel"]);
    let done = w.press(&ana, "Connect it as new").await;
    assert!(done.says().starts_with("● Eve (Mastodon)"), "{}", done.says());
    assert_eq!(w.flows.store.accounts(&w.workspace).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_code_posted_in_a_channel_opens_the_card_of_who_asked() {
    let w = Bench::new(Vec::new()).await;
    let telegram = Telegram::new(&w.gateway, TELEGRAM_TOKEN, "trial_bot");
    let user = telegram.add_user(7, "Ana", None);
    let channel = telegram.add_channel("Acme News", Some("acme"));
    telegram.join(channel, &user, Standing::Creator);
    telegram.promote_bot(channel, &user, &["can_post_messages", "can_delete_messages"]);
    let network = w.network(SurfaceKind::Telegram);
    let ana = direct(SurfaceKind::Telegram);
    let card = w.say(&ana, "/connect telegram").await;
    assert!(card.link("Add me to a channel").is_some());
    assert!(card.link("Add me to a group").unwrap().contains("t.me/trial_bot?startgroup"));
    let code = card.says().split_whitespace().find(|word| word.starts_with("tp-")).unwrap().to_owned();
    assert_eq!(code.len(), 19);
    let post = format!("/connect {code}");

    // Not to the bot itself, not by somebody who may not, and guesses are answered once an hour at most.
    assert!(w.say(&ana, &post).await.says().contains("not here"));
    let eve = seat(SurfaceKind::Telegram, "-9", ChatKind::Group, "9");
    assert!(w.say(&eve, &post).await.says().contains("Only an admin"));
    w.say(&eve, "/connect tp-aaaaaaaaaaaaaaaa").await;
    assert_eq!(network.all("-9").len(), 1);
    let anonymous = Seat { person: None, proof: Proof { anonymous: true, manages_server: false }, ..eve };
    w.say_as(&anonymous, &post, "1").await;
    // A code of another surface's is none.
    let discord = Seat {
        proof: Proof { manages_server: true, anonymous: false },
        ..seat(SurfaceKind::Discord, "50", ChatKind::Group, "7")
    };
    assert!(w.say(&discord, &post).await.says().contains("This code is used, too old"));
    assert!(w.flows.store.accounts(&w.workspace).await.unwrap().is_empty());

    let posted = seat(SurfaceKind::Telegram, &channel.to_string(), ChatKind::Broadcast, "");
    w.say_as(&posted, "/connect tp-aaaaaaaaaaaaaaaa", "76").await;
    w.say_as(&posted, &post, "77").await;
    assert_eq!(network.deleted(), ["77"]);
    assert!(network.all(&channel.to_string()).is_empty(), "subscribers read nothing");
    let found = network.wait("7", "Acme News").await;
    assert!(found.says().contains("Connect Acme News (@acme, channel, "), "{}", found.says());
    w.say_as(&posted, &post, "78").await;
    assert_eq!(network.deleted(), ["77"], "the code is used up");
    let done = w.press(&ana, "Connect").await;
    assert!(done.says().starts_with("● Acme News (Telegram) is connected to My team."), "{}", done.says());
}

#[tokio::test]
async fn being_made_an_admin_is_an_offer_and_being_removed_a_loss() {
    let w = Bench::new(Vec::new()).await;
    let telegram = Telegram::new(&w.gateway, TELEGRAM_TOKEN, "trial_bot");
    let user = telegram.add_user(7, "Ana", None);
    let channel = telegram.add_channel("Acme News", None);
    telegram.join(channel, &user, Standing::Creator);
    let network = w.network(SurfaceKind::Telegram);
    let place = channel.to_string();
    let ana = direct(SurfaceKind::Telegram);
    let promoter = seat(SurfaceKind::Telegram, &place, ChatKind::Broadcast, "7");
    w.say(&ana, "/connect").await;
    let before = network.all("7").len();

    telegram.promote_bot(channel, &user, &["can_delete_messages"]);
    // Somebody who is no admin there, by the network's word, is offered nothing; nor is somebody unknown.
    w.stands(&promoter, MembershipStatus::Admin).await;
    w.stands(&seat(SurfaceKind::Telegram, &place, ChatKind::Broadcast, "9"), MembershipStatus::Admin).await;
    assert_eq!(w.flows.store.outbox_length().await.unwrap(), 0);
    assert_eq!(network.all("7").len(), before);

    network.admins.lock().unwrap().insert((place.clone(), "7".into()));
    w.stands(&promoter, MembershipStatus::AdminWithoutPosting).await;
    let card = network.wait("7", "may not post in Acme News").await;
    assert!(card.says().contains("Give me \"Post messages\""), "{}", card.says());
    assert_eq!(card.labels(), ["Check again", "Cancel"]);
    telegram.promote_bot(channel, &user, &["can_post_messages"]);
    let card = w.press(&ana, "Check again").await;
    assert_eq!(card.labels(), ["Connect", "Cancel"], "{}", card.says());
    assert!(w.press(&ana, "Connect").await.says().starts_with("● Acme News"));

    // Known already: nothing new is offered.
    let before = network.all("7").len();
    w.stands(&promoter, MembershipStatus::Admin).await;
    assert_eq!(network.all("7").len(), before);
    telegram.kick_bot(channel, &user);
    w.stands(&promoter, MembershipStatus::Gone).await;
    let accounts = w.flows.store.accounts(&w.workspace).await.unwrap();
    assert_eq!(accounts[0].status, AccountStatus::Disconnected);
}

#[tokio::test]
async fn a_password_in_the_chat_is_deleted_and_kept_nowhere() {
    let w = Bench::new(Vec::new()).await;
    let network = w.network(SurfaceKind::Telegram);
    let ana = direct(SurfaceKind::Telegram);
    let card = w.say(&ana, "/connect bluesky").await;
    assert_eq!(card.labels(), ["Open the form", "Cancel"]);
    assert!(card.says().contains("not here"), "{}", card.says());
    for (id, typed) in [
        ("31", "abcd-efgh-ijkl-mn2p"),
        ("32", "my password is hunter2canary"),
        ("33", "/connect bluesky ana abcd-efgh-ijkl-mn2p"),
    ] {
        w.say_as(&ana, typed, id).await;
        let said = network.all("7");
        let told = said.iter().filter(|shown| shown.says().starts_with("I deleted that message")).count();
        assert_eq!(network.deleted().last().map(String::as_str), Some(id));
        assert_eq!(told, network.deleted().len());
        assert_eq!(network.last("7").labels(), ["Open the form", "Cancel"], "the form is offered again");
    }
    *network.may_delete.lock().unwrap() = false;
    w.say_as(&ana, "abcd-efgh-ijkl-mn2p", "34").await;
    assert!(network.all("7").iter().any(|shown| shown.says().contains("I can't delete your message")));
    let disk = w.disk();
    assert!(!disk.contains("abcd-efgh") && !disk.contains("hunter2canary"));
}

#[tokio::test]
async fn on_discord_the_form_opens_over_the_chat() {
    let w = Bench::new(Vec::new()).await;
    let bluesky = Bluesky::new(&w.gateway);
    bluesky.add_account("ana.bsky.social");
    let password = bluesky.add_app_password("ana.bsky.social", "trypost").unwrap();
    w.group(SurfaceKind::Discord, "50").await;
    let ana = seat(SurfaceKind::Discord, "50", ChatKind::Group, "7");
    let choice = w.say(&ana, "/connect").await;
    assert!(choice.message.private && choice.message.select.is_some());
    let card = w.select(&ana, &["bluesky"]).await;
    assert!(card.message.private);
    assert_eq!(card.labels(), ["Fill in here", "Open the form", "Cancel"]);
    w.press(&ana, "Fill in here").await;
    let wrong =
        w.submit(&ana, &[("handle", "ana.bsky.social"), ("password", "aaaa-aaaa-aaaa-aaaa"), ("server", "")]).await;
    assert_eq!(wrong.labels(), ["Fill in again"], "{}", wrong.says());
    w.press(&ana, "Fill in again").await;
    let found = w.submit(&ana, &[("handle", "ana.bsky.social"), ("password", &password), ("server", "")]).await;
    assert!(found.says().contains("@ana.bsky.social") && found.message.private, "{}", found.says());
    let done = w.press(&ana, "Connect").await;
    assert!(
        done.says().contains("(Bluesky) is connected to My team.") && done.says().contains("renew"),
        "{}",
        done.says()
    );
    assert!(!w.disk().contains(&password));

    // A server's name is asked in a form, too.
    let server = Mastodon::new(&w.gateway, HOST, Options::default());
    server.add_user("ana");
    w.say_as(&ana, "/connect mastodon", "1").await;
    let again = w.submit(&ana, &[("server", "not/a_server")]).await;
    assert_eq!(again.labels(), ["Type it"]);
    w.press(&ana, "Type it").await;
    let card = w.submit(&ana, &[("server", HOST)]).await;
    assert!(card.message.private && card.link("Connect Mastodon").is_some(), "{card:?}");
}

#[tokio::test]
async fn a_discord_server_is_connected_where_its_manager_presses() {
    let w = Bench::new(Vec::new()).await;
    let application = Application {
        application_id: 900,
        client_secret: "canary-client-secret".into(),
        bot_token: DISCORD_TOKEN.into(),
        name: "trial".into(),
        redirect_uris: vec!["https://trypost.example/accounts/discord/callback".into()],
    };
    let discord = Discord::new(&w.gateway, application);
    let owner = discord.add_user("Ana");
    let guild = discord.add_guild("Acme", &owner);
    discord.add_bot(guild, 248_832);
    w.group(SurfaceKind::Discord, "50").await;
    let mut ana = seat(SurfaceKind::Discord, "50", ChatKind::Group, "7");
    ana.chat.server = Some(guild.to_string());
    assert_eq!(w.say(&ana, "/connect discord").await.labels(), ["Connect Discord", "Cancel"]);
    ana.proof.manages_server = true;
    let card = w.say(&ana, "/connect discord").await;
    assert_eq!(card.labels(), ["Connect Discord", "Connect this server", "Cancel"]);
    // The right is looked up in the press itself.
    let demoted = Seat { proof: Proof::default(), ..ana.clone() };
    w.press(&demoted, "Connect this server").await;
    assert!(w.network(SurfaceKind::Discord).toasts()[0].contains("Manage Server"));
    let found = w.press(&ana, "Connect this server").await;
    assert!(found.says().starts_with("Connect Acme (server, "), "{}", found.says());
    assert!(w.press(&ana, "Connect").await.says().starts_with("● Acme (Discord)"));
}
