//! The chat about accounts, people, alerts and help: the real room over a real database, asked as surfaces ask.
//! Long because each test tells one whole conversation.

use std::time::{Duration, Instant};

use trypost::domain::Fault;
use trypost::domain::post::RichText;
use trypost::flows::Actor;

pub mod room;

use room::{Room, Who, code, labels, token};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn lost() -> Option<Fault> {
    Some(Fault::GrantDead { why: "the password was changed".into() })
}

/// The messages that wait to be said, drawn as they would be now.
async fn incident(room: &Room, workspace: &trypost::domain::id::WorkspaceId) -> (String, bots::Message) {
    let open = room.chat.flows.store.open_incidents(workspace).await.unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    let id = open[0].id.to_string();
    let card = room.chat.draw(&id, bots::SurfaceKind::Telegram, None, false).await.unwrap().unwrap();
    (id, card)
}

async fn redraw(room: &Room, id: &str) -> bots::Message {
    room.chat.draw(id, bots::SurfaceKind::Telegram, None, false).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_owner_claims_once_and_strangers_learn_nothing() {
    let room = Room::new().await;
    let code = room.chat.flows.owner_code().await.unwrap().unwrap();
    let (ana, eve) = (Who::telegram("7", "Ana"), Who::telegram("8", "Eve"));
    assert!(room.say(&eve, "/start").await.text().contains("belongs to a team"));
    let said = room.say(&ana, &format!("/start {code}")).await;
    assert!(said.text().contains("Welcome, Ana") && said.text().contains("My team"), "{}", said.text());
    assert_eq!(said.labels(), ["Connect an account"]);
    assert!(room.press(&ana, &said.token("Connect")).await.labels().concat().contains("Toyland"));
    assert!(room.say(&eve, &format!("/start {code}")).await.text().contains("opens nothing"));
    assert_eq!(room.say(&eve, &format!("/start {code}")).await.text(), "", "a second guess is met with silence");
    room.advance(DAY);
    assert!(!room.say(&eve, "/start tp-aaaaaaaaaaaaaaaa").await.text().is_empty());
    assert!(room.say(&eve, "/accounts").await.text().contains("belongs to a team"));
    // A pressed button of somebody else's says nothing to a stranger either.
    assert!(room.press(&eve, &said.token("Connect")).await.text().contains("belongs to a team"));
}

#[tokio::test]
async fn people_join_change_and_leave() {
    let room = Room::new().await;
    let (ana, _) = room.owner().await;
    let (ben, cat) = (Who::telegram("9", "Ben"), Who::discord("70", "Cat"));
    let invite = room.say(&ana, "/invite member").await.text();
    assert!(invite.contains("a member of My team") && invite.contains("https://t.me/trial_bot?start=tp-"), "{invite}");
    assert!(invite.contains("until Mon 30 Nov 7:00"), "{invite}");
    let said = room.say(&ben, &format!("/start {}", code(&invite))).await.text();
    assert!(said.contains("You are a member of My team"), "{said}");
    let again = room.say(&cat, &format!("/start {}", code(&invite))).await.text();
    assert!(again.contains("opens nothing"), "{again}");

    let team = room.say(&ben, "/team").await.text();
    assert!(team.contains("2 people\n1 Ana, owner · @ana on Telegram\n2 Ben, member"), "{team}");
    assert!(room.say(&ben, "/invite member").await.text().contains("needs the role admin"));
    assert!(room.say(&ben, "/role Ana viewer").await.text().contains("needs the role admin"));
    assert!(room.say(&ana, "/role Bne admin").await.text().contains("Did you mean Ben?"));
    assert!(room.say(&ana, "/role Ben boss").await.text().contains("is no role"));
    assert!(room.say(&ana, "/role Ben admin").await.text().contains("Ben is an admin now"));
    assert!(room.say(&ben, "/role Ana viewer").await.text().contains("needs the role owner"));
    assert!(room.say(&ana, "/role Ana viewer").await.text().contains("needs an owner"));

    // The same person from another surface.
    let mine = code(&room.say(&ben, "/invite me").await.text());
    let linked = room.say(&Who::discord("90", "Benny"), &format!("/start {mine}")).await.text();
    assert!(linked.contains("this account on Discord is you now, Ben"), "{linked}");
    assert!(room.say(&ana, "/team").await.text().contains("Ben, admin · @benny on Discord, @ben on Telegram"));

    let ask = room.say(&ana, "/remove Ben").await;
    assert_eq!(ask.labels(), ["Remove", "Keep"]);
    assert!(room.press(&ben, &ask.token("Remove")).await.text().contains("for the person who asked"));
    assert!(room.press(&ana, &ask.token("Remove")).await.text().contains("Ben is no longer in My team"));
    assert!(room.press(&ana, &ask.token("Remove")).await.text().contains("no such member"));
    assert!(room.say(&ben, "/team").await.text().contains("in no workspace"));
    let leave = room.say(&ana, "/remove me").await;
    assert_eq!(leave.labels(), ["Leave", "Keep"]);
    assert!(room.press(&ana, &leave.token("Leave")).await.text().contains("needs an owner"));
}

#[tokio::test]
async fn alerts_leave_with_the_person_and_names_that_fit_two_are_asked_about() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    let (one, two) = (Who::telegram("9", "Ben A"), Who::telegram("10", "Ben B"));
    room.join(&ana, &one, "admin").await;
    room.join(&ana, &two, "viewer").await;
    let said = room.say(&one, "/alerts here").await;
    assert!(said.text().contains("go to this chat"), "{}", said.text());
    let store = &room.chat.flows.store;
    assert_eq!(store.alert_chats(&workspace).await.unwrap().len(), 1);
    let which = room.say(&ana, "/remove ben").await;
    assert_eq!(which.labels(), ["Ben A, admin", "Ben B, viewer"]);
    let ask = room.press(&ana, &which.token("Ben A")).await;
    room.press(&ana, &ask.token("Remove")).await;
    assert!(store.alert_chats(&workspace).await.unwrap().is_empty(), "a direct chat of somebody who left");
}

#[tokio::test]
async fn an_invite_in_a_group_goes_to_the_direct_chat() {
    let room = Room::new().await;
    let (ana, _) = room.owner().await;
    let group = ana.within("-100");
    room.telegram.admins.lock().unwrap().push("7".into());
    room.say(&group, "/workspace use").await;
    let said = room.say(&group, "/invite viewer").await.text();
    assert!(said.contains("our direct chat") && !said.contains("tp-"), "{said}");
    let (chat, message) = room.telegram.sent.lock().unwrap().last().cloned().unwrap();
    assert!(chat == "7" && message.text.plain.contains("/start tp-"), "{chat}: {message:?}");
    // A Discord group shows it to the asker alone.
    let mine = code(&room.say(&ana, "/invite me").await.text());
    let discord = Who::discord("70", "Ana");
    room.say(&discord, &format!("/start {mine}")).await;
    room.discord.admins.lock().unwrap().push("70".into());
    let server = discord.within("555");
    room.say(&server, "/workspace use My team").await;
    let said = room.say(&server, "/invite viewer").await;
    assert!(said.messages[0].private && said.text().contains("tp-"));
}

#[tokio::test]
async fn a_group_belongs_to_one_workspace_by_rights_in_both() {
    let room = Room::new().await;
    let (ana, blue) = room.owner().await;
    let ben = Who::telegram("9", "Ben");
    room.join(&ana, &ben, "admin").await;
    let group = |who: &Who| who.within("-100");
    let refused = room.say(&group(&ben), "/workspace use").await.text();
    assert!(refused.contains("Only an admin of this chat"), "{refused}");
    assert!(room.say(&group(&ben), "/accounts").await.text().contains("belongs to no workspace"));
    room.telegram.admins.lock().unwrap().extend(["7".into(), "9".into()]);
    let bound = room.say(&group(&ben), "/workspace use").await.text();
    assert!(bound.contains("This chat belongs to My team now"), "{bound}");
    assert_eq!(room.chat.flows.store.alert_chats(&blue).await.unwrap().len(), 1);
    // Ana moves it to another of hers; Ben, who is not in that one, can't take it back.
    assert!(room.say(&ana, "/workspace new Red").await.text().contains("Red is made"));
    let moved = room.say(&group(&ana), "/workspace use red").await.text();
    assert!(moved.contains("belongs to Red now"), "{moved}");
    let back = room.say(&group(&ben), "/workspace use My team").await.text();
    assert!(back.contains("belongs to another workspace"), "{back}");
    assert!(room.say(&group(&ben), "/workspace").await.text().contains("that you are not in"));
    // Discord's signed proof and Telegram's question are the two ways; viewers can't bind at all.
    let list = room.say(&ana, "/workspace").await;
    assert!(list.text().contains("You work in Red") && list.labels() == ["Use My team"], "{}", list.text());
    assert!(room.press(&ana, &list.token("Use")).await.text().contains("You work in My team now"));
    assert!(room.say(&ana, "/workspace use Rde").await.text().contains("Did you mean Red?"));
    assert!(room.say(&ana, "/workspace rename Blue team").await.text().contains("Blue team now"));
}

#[tokio::test]
async fn a_workspace_is_deleted_by_its_typed_name_alone() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    room.accounts(&workspace, &["Acme"]).await;
    let ask = room.say(&ana, "/workspace delete").await;
    assert!(ask.text().contains("1 account, all drafts and the history of posts are forgotten"), "{}", ask.text());
    assert!(room.press(&ana, &ask.token("Delete")).await.text().contains("type its name exactly: My team"));
    assert!(room.write(&ana, "my TEAM").await.text().contains("nothing was deleted"));
    assert!(room.chat.flows.store.workspace(&workspace).await.unwrap().is_some());
    room.press(&ana, &ask.token("Delete")).await;
    assert!(room.write(&ana, "My team").await.text().contains("My team is deleted"));
    assert!(room.chat.flows.store.workspace(&workspace).await.unwrap().is_none());
    // Whoever runs the daemon always has one.
    assert!(room.say(&ana, "/accounts").await.text().contains("no accounts yet"));
}

#[tokio::test]
async fn a_hundred_accounts_are_paged_and_found() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    assert!(room.say(&ana, "/accounts").await.text().contains("no accounts yet"));
    let names: Vec<String> = (1..=100).map(|at| format!("Shop {at:03}")).collect();
    room.accounts(&workspace, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let began = Instant::now();
    let first = room.say(&ana, "/accounts").await;
    println!("/accounts with 100 accounts: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(first.text().starts_with("My team: 100 accounts, all well (here 1 to 20)\n1 ● Shop 001 (Toyland)"));
    assert_eq!(first.text().lines().count(), 21);
    assert_eq!(first.labels(), ["More", "Connect another", "Check all"]);
    let second = room.press(&ana, &first.token("More")).await;
    assert!(second.text().contains("(here 21 to 40)") && second.labels()[..2] == ["Back", "More"]);
    assert!(room.say(&ana, "/account 42").await.text().contains("Shop 042"));
    assert!(room.say(&ana, "/account shop 042").await.text().contains("Its number is 42"));
    let which = room.say(&ana, "/account Shop 04").await;
    assert!(which.text().contains("10 accounts fit") && which.labels().len() == 8, "{}", which.text());
    assert!(room.press(&ana, &which.token("Shop 041")).await.text().contains("Its number is 41"));
    let near = room.say(&ana, "/toggle Shpo 007").await;
    assert!(near.text().contains("Did you mean Shop 007"), "{}", near.text());
    assert!(room.press(&ana, &near.token("Shop 007")).await.text().contains("New posts leave it out."));
    assert!(room.say(&ana, "/account nothing alike").await.text().contains("no account “nothing alike”"));
    let checked = room.say(&ana, "/check").await.text();
    let results = room.telegram.sent.lock().unwrap().last().cloned().unwrap().1.text.plain;
    assert!(checked.contains("Checking 100 accounts") && results == "Checked 100 accounts: 100 well.", "{results}");
}

#[tokio::test]
async fn switching_and_disconnecting_say_what_holds() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    let ben = Who::telegram("9", "Ben");
    room.join(&ana, &ben, "member").await;
    room.accounts(&workspace, &["Acme\n● Evil"]).await;
    let off = room.say(&ben, "/toggle 1").await;
    assert!(off.text().contains("New posts leave it out.") && off.text().contains("◌ Acme ● Evil (Toyland)"));
    assert!(!off.labels().contains(&"Disconnect".to_owned()), "a member can't: {:?}", off.labels());
    assert!(room.press(&ben, &off.token("Take in")).await.text().contains("include it again"));
    assert!(room.press(&ben, &off.token("Take in")).await.text().contains("include it already"));
    assert!(room.say(&ben, "/disconnect 1").await.text().contains("needs the role admin"));

    let post = draft(&room, &workspace, "Hello").await;
    let ask = room.say(&ana, "/disconnect acme").await;
    assert_eq!(ask.labels(), ["Disconnect", "Disconnect and revoke at Toyland", "Keep"]);
    assert!(room.press(&ana, &ask.token("Keep")).await.text().contains("holds until somebody takes it away"));
    let done = room.press(&ana, &ask.token("Disconnect and")).await.text();
    assert!(done.contains("is disconnected") && done.contains("Post 1 no longer goes there"), "{done}");
    assert!(done.contains("Toyland took the consent back"), "{done}");
    assert_eq!(room.mood.revoked.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert!(room.chat.flows.store.targets(&post).await.unwrap().is_empty());
    let again = room.press(&ana, &ask.token("Disconnect")).await;
    assert!(again.toasts[0].contains("not connected here any more") && again.text().contains("no accounts yet"));
}

async fn draft(room: &Room, workspace: &trypost::domain::id::WorkspaceId, words: &str) -> trypost::domain::id::PostId {
    let flows = &room.chat.flows;
    let identity = flows.store.identity("telegram", "7").await.unwrap().unwrap();
    let place = trypost::store::Place { surface: "telegram".into(), chat: "7".into(), topic: String::new() };
    let actor = Actor { person: identity.person, workspace: workspace.clone(), place };
    let text = RichText { plain: words.into(), marks: vec![] };
    flows.start_draft(&actor, text, None).await.unwrap().0
}

#[tokio::test]
async fn a_lost_consent_is_told_once_muted_and_heals() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    room.accounts(&workspace, &["Acme", "Jobs"]).await;
    *room.mood.verify.lock().unwrap() = Some(Fault::transient("it is busy"));
    let busy = room.say(&ana, "/check 1").await.text();
    assert!(busy.contains("could not be asked, so nothing changed: It is busy.") && busy.contains("● Acme"), "{busy}");
    assert!(room.chat.flows.store.open_incidents(&workspace).await.unwrap().is_empty());

    *room.mood.verify.lock().unwrap() = lost();
    let gone = room.say(&ana, "/check 1").await;
    assert!(gone.text().contains("○ Acme") && gone.labels()[0] == "Reconnect", "{}", gone.text());
    let (id, card) = incident(&room, &workspace).await;
    let said = &card.text.plain;
    assert!(said.starts_with("○ Toyland no longer lets me in to Acme (Toyland) and Jobs (Toyland)"), "{said}");
    assert!(said.contains("The password was changed."), "{said}");
    assert_eq!(labels(&card), ["Reconnect", "Check again", "Mute 1 d"]);
    let list = room.say(&ana, "/accounts").await;
    assert!(list.text().contains("2 accounts, 0 well") && list.labels()[0] == "Reconnect 1 Acme");
    assert_eq!(list.labels().iter().filter(|label| label.starts_with("Reconnect")).count(), 1, "one cures both");

    let muted = room.press(&ana, &token(&card, "Mute").unwrap()).await;
    assert!(muted.toasts[0].contains("for a day"));
    let card = redraw(&room, &id).await;
    assert!(card.text.plain.contains("Muted until Sat 28 Nov 7:00") && labels(&card)[2] == "Unmute");
    let still = room.press(&ana, &token(&card, "Check again").unwrap()).await;
    assert!(still.toasts[0].contains("Checked 2 accounts: 0 well, 2 lost."), "{:?}", still.toasts);

    let health = room.say(&ana, "/health").await.text();
    assert!(health.contains("○ Toyland no longer lets me in"), "{health}");
    // A new consent, as /reconnect brings it.
    *room.mood.verify.lock().unwrap() = None;
    room.consent(&workspace, &["Acme", "Jobs"]).await;
    room.advance(Duration::from_secs(720));
    let back = room.press(&ana, &token(&card, "Check again").unwrap()).await;
    assert!(back.toasts[0].contains("● Acme (Toyland) is back\n● Jobs (Toyland) is back"), "{:?}", back.toasts);
    assert_eq!(redraw(&room, &id).await.text.plain, "● Back since 7:12: Acme (Toyland) and Jobs (Toyland).");
}

#[tokio::test]
async fn one_lost_account_comes_back_by_checking() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    room.accounts(&workspace, &["Acme"]).await;
    let kicked = Fault::AccountLost { why: "I was removed".into(), fix: "Add me again.".into() };
    *room.mood.verify.lock().unwrap() = Some(kicked.clone());
    room.say(&ana, "/check").await;
    let (id, card) = incident(&room, &workspace).await;
    assert!(card.text.plain.ends_with("I was removed. Add me again."), "{}", card.text.plain);
    assert_eq!(room.chat.flows.store.outbox_length().await.unwrap(), 1, "told once, to the owner");
    *room.mood.verify.lock().unwrap() = None;
    room.advance(Duration::from_secs(720));
    let pressed = room.press(&ana, &token(&card, "Check again").unwrap()).await;
    assert!(pressed.toasts[0].contains("● Acme (Toyland) is back"), "{:?}", pressed.toasts);
    let card = redraw(&room, &id).await;
    assert_eq!(card.text.plain, "● Back since 7:12: Acme (Toyland).");
    assert!(card.rows.is_empty());
    // Disconnected since, the old card says so.
    let ask = room.say(&ana, "/disconnect 1").await;
    room.press(&ana, &ask.token("Disconnect")).await;
    assert!(redraw(&room, &id).await.text.plain.contains("not connected here any more"));
}

#[tokio::test]
async fn what_is_muted_or_unwanted_breaks_in_silence() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    room.accounts(&workspace, &["Acme"]).await;
    let store = &room.chat.flows.store;
    let kicked = Some(Fault::AccountLost { why: "I was removed".into(), fix: String::new() });
    *room.mood.verify.lock().unwrap() = kicked.clone();
    room.say(&ana, "/check").await;
    let (_, card) = incident(&room, &workspace).await;
    room.press(&ana, &token(&card, "Mute").unwrap()).await;
    for (at, told) in [(Duration::from_secs(60), 1), (DAY, 2)] {
        room.advance(at);
        *room.mood.verify.lock().unwrap() = None;
        room.say(&ana, "/check").await;
        *room.mood.verify.lock().unwrap() = kicked.clone();
        room.say(&ana, "/check").await;
        let cards = store.open_incidents(&workspace).await.unwrap();
        let shown = store.cards(cards[0].id.as_str()).await.unwrap().len();
        assert_eq!(shown, usize::from(told == 2), "after {at:?}");
    }
    let alerts = room.say(&ana, "/alerts account_lost").await;
    assert!(alerts.text().contains("I warn of posts that may not have arrived."), "{}", alerts.text());
    assert!(alerts.labels().contains(&"☐ lost accounts".to_owned()));
    let on = room.press(&ana, &alerts.token("☐ lost")).await;
    assert!(on.text().contains("lost accounts and posts"), "{}", on.text());
}

#[tokio::test]
async fn an_unconfirmed_post_is_settled_by_whoever_looks_first() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    room.accounts(&workspace, &["Acme"]).await;
    let post = draft(&room, &workspace, "New opening hours").await;
    let flows = &room.chat.flows;
    *room.mood.send.lock().unwrap() = Some(Fault::InDoubt { why: "a time-out".into() });
    assert!(flows.store.start_publishing(&post).await.unwrap());
    for _ in 0..2 {
        for claimed in flows.claim_due(8).await.unwrap() {
            flows.deliver(claimed).await;
        }
        room.advance(Duration::from_secs(60));
    }
    let (id, card) = incident(&room, &workspace).await;
    let said = &card.text.plain;
    assert!(
        said.starts_with("? I sent “New opening hours” (post 1) to Acme (Toyland) at 7:00:00. Toyland never"),
        "{said}"
    );
    assert_eq!(labels(&card), ["It is there", "Send again", "Give up", "Mute 1 d"]);
    assert!(room.say(&ana, "/health").await.text().contains("? I sent “New opening hours”"));
    let there = room.press(&ana, &token(&card, "It is there").unwrap()).await;
    assert_eq!(there.toasts, ["Good: it counts as published."]);
    let late = room.press(&ana, &token(&card, "Send again").unwrap()).await;
    assert!(late.toasts[0].contains("settled already: it counts as published"), "{:?}", late.toasts);
    assert_eq!(redraw(&room, &id).await.text.plain, "✓ “New opening hours” (post 1) is on Acme (Toyland).");
}

#[tokio::test]
async fn help_alerts_zone_and_health_answer() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    let ben = Who::telegram("9", "Ben");
    room.join(&ana, &ben, "viewer").await;
    let all = room.say(&ben, "/help").await.text();
    assert!(all.contains("/accounts") && !all.contains("/connect ·"), "{all}");
    assert!(room.say(&ana, "/help").await.text().contains("/connect ·"));
    let one = room.say(&ben, "/help connect").await.text();
    assert!(one.contains("For example: /connect mastodon") && one.contains("Only an admin"), "{one}");
    assert!(room.say(&ana, "/help /conect").await.text().contains("Did you mean /connect?"));
    assert!(room.say(&ana, "/acounts").await.text().contains("Did you mean /accounts?"));
    assert!(room.say(&ana, "/start").await.text().contains("no accounts yet. /connect"));

    assert!(room.say(&ana, "/timezone").await.text().contains("told in UTC, where it is Fri 27 Nov 7:00"));
    let near = room.say(&ana, "/timezone Berlin").await;
    let set = room.press(&ana, &near.token("Europe/Berlin")).await.text();
    assert!(set.contains("Europe/Berlin from now on, where it is Fri 27 Nov 8:00"), "{set}");
    assert!(room.say(&ben, "/timezone UTC").await.text().contains("needs the role admin"));

    let here = room.say(&ana, "/alerts here").await;
    assert!(here.text().contains("Alerts come here") && here.labels()[0] == "Not here");
    assert!(room.press(&ana, &here.token("Not here")).await.text().contains("owners' direct chats"));
    assert!(room.say(&ana, "/alerts weather").await.text().contains("nothing I can set"));

    room.accounts(&workspace, &["Acme"]).await;
    room.advance(Duration::from_secs(3600));
    *room.discord.down.lock().unwrap() = Some(bots::Failure::Unauthorized("401".into()));
    room.chat.flows.surface_down("discord", "the token was refused").await.unwrap();
    let mine = room.say(&ana, "/health").await.text();
    for part in
        ["up 1 h · SQLite", "Telegram ● Discord ○ (the bot's token", "Toyland: 1 connected", "discord: the token"]
    {
        assert!(mine.contains(part), "{part}: {mine}");
    }
    let theirs = room.say(&ben, "/health").await.text();
    assert!(theirs.contains("Discord ○ ·") && theirs.contains("No open problems."), "{theirs}");
    *room.discord.down.lock().unwrap() = None;
    let healed = room.say(&ana, "/health").await.text();
    assert!(healed.contains("Discord ●") && healed.contains("No open problems."), "{healed}");
}

#[tokio::test]
async fn what_is_being_typed_is_completed() {
    let room = Room::new().await;
    let (ana, workspace) = room.owner().await;
    let ids = room.accounts(&workspace, &["Acme", "Other"]).await;
    let actor = {
        let identity = room.chat.flows.store.identity("telegram", "7").await.unwrap().unwrap();
        let place = trypost::store::Place { surface: "telegram".into(), chat: "7".into(), topic: String::new() };
        Actor { person: identity.person, workspace, place }
    };
    let found = trypost::chat::accounts::completions(&room.chat, &actor, "ac").await.unwrap();
    assert_eq!((found.len(), found[0].value.as_str()), (1, ids[0].as_str()));
    assert!(room.say(&ana, &format!("/account {}", found[0].value)).await.text().contains("Acme"));
    let people = trypost::chat::team::completions(&room.chat, &actor, "an").await.unwrap();
    assert_eq!(people[0].label, "Ana, owner");
    assert!(room.say(&ana, &format!("/role {} owner", people[0].value)).await.text().contains("Ana is an owner"));
}
