//! Posts in the chat, from a message to what stands at the emulated platforms. Long, because it is one story per test.

use std::time::Duration;

use bots::{Entity, EntityKind, Failure, Incoming, SurfaceKind, Text};
use emulators::{Fault as Broken, FaultKind, fixtures};
use trypost::domain::workspace::Role;

mod stage;

use stage::{HOST, Stage, labels};

fn text(words: &str) -> Incoming {
    Incoming { text: words.into(), ..Incoming::default() }
}

#[tokio::test]
async fn a_message_is_published_with_one_tap() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    let (chat, _) = stage.channel("Acme News").await;
    let mut words = Text::from("New opening hours, see here");
    words.entities.push(Entity { start: 23, end: 27, kind: EntityKind::Link("https://acme.example/".into()) });
    stage.sends(Incoming { text: words, ..Incoming::default() }).await;
    let card = stage.last();
    assert!(card.text.plain.starts_with("Draft 1\n\nNew opening hours, see here\n"), "{}", card.text.plain);
    assert!(card.text.plain.contains("Mastodon: 53 of 500 · Telegram: 27 of 4,096"), "{}", card.text.plain);
    assert!(labels(&card).contains(&"✓ @alice@mastodon.example on Mastodon"), "{:?}", labels(&card));
    assert!(labels(&card).contains(&"✓ Acme News (Telegram)"), "{:?}", labels(&card));

    let post_now = stage.hold("Post now");
    stage.press("Post now").await;
    let card = stage.sees("published on 2 accounts at ").await;
    assert_eq!(stage.messages().len(), 1, "the card itself became the result");
    assert_eq!(labels(&card), ["Undo", "Why"]);
    assert!(card.text.entities.iter().any(|one| matches!(&one.kind, EntityKind::Link(url) if url.contains(HOST))));
    assert_eq!(stage.instance.statuses()[0].text, "New opening hours, see here (https://acme.example/)");
    assert_eq!(stage.telegram.messages(chat).last().unwrap().text, "New opening hours, see here");

    // An old button publishes nothing more, and tells what is true now.
    stage.press_held(&post_now).await;
    assert_eq!(stage.toast(), "That was decided already: post 1 is published.");
    stage.command("publish", &["1"]).await;
    stage.sees("That was decided already").await;
    assert_eq!((stage.instance.statuses().len(), stage.telegram.messages(chat).len()), (1, 1));
    stage.end().await;
}

#[tokio::test]
async fn accounts_are_chosen_on_the_card() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    let bob = stage.mastodon("bob").await;
    stage.flows.store.set_active(&bob, false).await.unwrap();
    stage.says("hello").await;
    assert!(labels(&stage.last()).contains(&"☐ @bob@mastodon.example on Mastodon"), "inactive: left out of new posts");
    stage.press("✓ @alice").await;
    let card = stage.last();
    assert!(card.text.plain.contains("No account is chosen."), "{}", card.text.plain);
    assert!(!labels(&card).contains(&"Post now"));
    stage.command("publish", &["1"]).await;
    assert!(stage.messages()[1].text.plain.contains("No account is chosen"));
    stage.press("☐ @bob").await;
    stage.press("Post now").await;
    stage.sees("published on 1 account at").await;
    assert_eq!(stage.messages().len(), 3);
    assert_eq!(stage.instance.statuses().len(), 1);
    stage.end().await;
}

#[tokio::test]
async fn an_album_is_one_draft_whose_card_comes_after_a_second() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    for (part, caption) in [("one.png", ""), ("two.png", "Both of us"), ("three.png", "")] {
        let width = u32::try_from(part.len()).unwrap();
        let files = vec![stage.file(part, Ok(fixtures::png(width * 10, 40)))];
        stage.sends(Incoming { text: caption.into(), files, album: Some("g1".into()), ..Incoming::default() }).await;
    }
    assert_eq!(stage.messages().len(), 0, "an album has no end mark");
    stage.advance(Duration::from_secs(1));
    let card = stage.sees("Draft 1").await;
    // The first two have the same size, and so the same bytes: one file.
    assert!(card.text.plain.starts_with("Draft 1 · 2 photos · no alt text yet\n\nBoth of us\n"), "{}", card.text.plain);
    stage.press("Alt text").await;
    let question = stage.last();
    assert!(question.text.plain.contains("file 1 of 2"), "{}", question.text.plain);
    assert_eq!((question.media.len(), question.ask.is_some()), (1, true));
    stage.says("A shop").await;
    assert!(stage.said().contains("file 2 of 2"));
    stage.says("Its door").await;
    assert!(stage.said().starts_with("Draft 1 · 2 photos · with alt text"), "{}", stage.said());
    stage.press("Post now").await;
    stage.sees("published on 1 account at").await;
    let statuses = stage.instance.statuses();
    let told: Vec<_> = statuses[0].media.iter().map(|media| media.description.clone().unwrap()).collect();
    assert_eq!((statuses.len(), told), (1, vec!["A shop".to_owned(), "Its door".to_owned()]));
    stage.end().await;
}

#[tokio::test]
async fn a_file_that_can_not_be_taken_is_named_and_nothing_goes_out_without_it_unasked() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    let files = vec![
        stage.file("good.png", Ok(fixtures::png(40, 40))),
        stage.file("big.mov", Err(Failure::TooLarge { limit: 20_000_000 })),
        stage.file("empty.png", Ok(Vec::new())),
        stage.file("song.txt", Ok(b"la la la".to_vec())),
    ];
    let incoming = Incoming { text: "With pictures".into(), files, ..Incoming::default() };
    let update = stage.sends(incoming.clone()).await;
    let card = stage.last();
    for words in [
        "Draft 1 · 1 photo",
        "✗ big.mov is not in it: It is too large: Telegram lets bots fetch at most 20 MB. Send a smaller one.",
        "✗ empty.png is not in it: This file is empty. Send it again.",
        "✗ song.txt is not in it: This is neither a picture nor a film. Send JPEG",
    ] {
        assert!(card.text.plain.contains(words), "{words}: {}", card.text.plain);
    }
    assert!(!labels(&card).contains(&"Post now"));
    stage.command("publish", &["1"]).await;
    assert!(stage.messages()[1].text.plain.contains("is not in it"), "{:?}", stage.messages()[1].text.plain);
    assert_eq!(stage.instance.statuses().len(), 0);

    // The same update again makes no second draft and names nothing twice.
    let before = stage.messages().len();
    stage.again(update, incoming).await;
    assert_eq!(stage.messages().len(), before);
    assert_eq!(stage.flows.store.post_by_number(&stage.workspace.id, 2).await.unwrap(), None);
    let post = stage.flows.store.post_by_number(&stage.workspace.id, 1).await.unwrap().unwrap();
    assert_eq!((post.media.len(), post.missing.len()), (1, 3));

    stage.command("show", &["1"]).await;
    stage.press("Post without them").await;
    stage.sees("published on 1 account at").await;
    assert_eq!(stage.instance.statuses()[0].media.len(), 1);
    stage.end().await;
}

#[tokio::test]
async fn what_does_not_fit_blocks_post_now_and_says_why() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    stage.says(&"x".repeat(512)).await;
    let card = stage.last();
    let why = "✗ @alice@mastodon.example on Mastodon: the text is 512 characters there, 500 fit. Shorten it by 12.";
    assert!(card.text.plain.contains(why), "{}", card.text.plain);
    assert!(!labels(&card).contains(&"Post now"));
    stage.press("Preview").await;
    assert!(stage.said().contains("512 of 500 characters"), "{}", stage.said());
    stage.press("Back").await;
    stage.press("Edit text").await;
    stage.says("short").await;
    assert!(labels(&stage.last()).contains(&"Post now"), "{}", stage.said());
    stage.press("More").await;
    assert_eq!(labels(&stage.last())[..4], ["✓ public", "unlisted", "private", "direct"]);
    stage.press("unlisted").await;
    assert!(labels(&stage.last()).contains(&"✓ unlisted"));
    assert!(!labels(&stage.last()).iter().any(|label| label.contains("Silent")), "Mastodon knows no silence");
    stage.press("Content warning").await;
    stage.says("food").await;
    stage.press("More").await;
    stage.press("Language").await;
    stage.says("klingon").await;
    assert!(stage.said().contains("not a language's two letters"), "{}", stage.said());
    stage.press("Language").await;
    stage.says("DE").await;
    assert!(
        stage.said().contains("Content warning \"food\" · visibility: unlisted · language: de."),
        "{}",
        stage.said()
    );
    stage.press("Post now").await;
    stage.sees("published on 1 account").await;
    let status = stage.instance.statuses().remove(0);
    assert_eq!((status.text.as_str(), status.spoiler_text.as_str()), ("short", "food"));
    assert_eq!((status.visibility.as_str(), status.language.as_deref()), ("unlisted", Some("de")));
    stage.end().await;
}

#[tokio::test]
async fn a_lost_answer_is_asked_about_and_the_answer_counts_once() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    let (chat, _) = stage.channel("Acme News").await;
    let api = "api.telegram.org";
    for (post, answer, there, after) in [
        (1, "It is there", 1, "published on 1 account"),
        (2, "Send again", 3, "Post 2: published on 1 account"),
        (3, "Give up", 4, "Acme News (Telegram): given up."),
    ] {
        stage.gateway.inject(Broken::new(api, "sendMessage", 1, FaultKind::DropAfter));
        stage.says(&format!("message {post}")).await;
        stage.press("Post now").await;
        stage.sees("I am finding out whether it is there").await;
        stage.advance(Duration::from_secs(60));
        let card = stage.sees(&format!("Post {post}: nobody can say from here")).await;
        assert!(card.text.plain.contains("? Acme News (Telegram): it may be there."), "{}", card.text.plain);
        assert_eq!(labels(&card), ["It is there", "Send again", "Give up", "Why"]);
        let held = stage.hold_on(&format!("Post {post}: nobody can say"), answer);
        stage.press_held(&held).await;
        stage.sees(after).await;
        // A second press changes nothing.
        stage.press_held(&held).await;
        assert!(stage.toast().starts_with("That was decided already"), "{}", stage.toast());
        assert_eq!(stage.telegram.messages(chat).iter().filter(|one| one.by_bot).count(), there);
    }
    // What was given up is not sent by a retry.
    stage.command("retry", &["3"]).await;
    assert!(stage.messages().iter().any(|one| one.text.plain.contains("Nothing of post 3 can be tried again")));
    stage.end().await;
}

#[tokio::test]
async fn a_failure_says_why_and_can_be_retried_and_told_step_by_step() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    let (chat, _) = stage.channel("Acme News").await;
    let body = r#"{"error":"Validation failed: Text is bad"}"#.to_owned();
    let kind =
        FaultKind::Answer { status: 422, headers: vec![("content-type".into(), "application/json".into())], body };
    stage.gateway.inject(Broken::new(HOST, "/api/v1/statuses", 1, kind));
    stage.says("hello <b>there</b> @everyone").await;
    stage.press("Post now").await;
    let card = stage.sees("published on 1 of 2 accounts at ").await;
    assert!(card.text.plain.contains("✗ @alice@mastodon.example on Mastodon: "), "{}", card.text.plain);
    assert_eq!(labels(&card), ["Retry", "Undo", "Why"]);
    stage.press("Why").await;
    let told = stage.said();
    for words in [
        "Post 1, step by step",
        "Written by Ana Mon 21 Sep 14:13, now.",
        "accepted Mon 21 Sep 14:13:20",
        "Validation failed",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    stage.press("Retry").await;
    stage.sees("published on 2 accounts at").await;
    assert_eq!((stage.instance.statuses().len(), stage.telegram.messages(chat).len()), (1, 1));
    assert_eq!(stage.instance.statuses()[0].text, "hello <b>there</b> @everyone");
    stage.end().await;
}

#[tokio::test]
async fn deleting_asks_first_and_tells_what_can_not_be_deleted() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    let (chat, _) = stage.channel("Acme News").await;
    stage.command("undo", &[]).await;
    assert!(stage.said().contains("Nothing is out"), "{}", stage.said());
    stage.says("first").await;
    stage.press("Post now").await;
    stage.sees("Post 1: published on 2 accounts").await;
    stage.says("second").await;
    stage.press("Post now").await;
    stage.sees("Post 2: published on 2 accounts").await;
    // The newest.
    stage.command("undo", &[]).await;
    assert!(stage.said().starts_with("Delete post 2, \"second\", on @alice"), "{}", stage.said());
    stage.press("Delete").await;
    let card = stage.sees("Post 2: deleted.").await;
    assert_eq!(labels(&card), ["Why"], "nothing to retry");
    assert_eq!((stage.instance.statuses().len(), stage.telegram.messages(chat).len()), (1, 1));

    // Telegram's 48 hours.
    stage.advance(Duration::from_secs(49 * 3600));
    stage.command("delete", &["1"]).await;
    let asked = stage.said();
    assert!(asked.contains("Delete post 1, \"first\", on @alice@mastodon.example on Mastodon?"), "{asked}");
    assert!(asked.contains("✗ Acme News (Telegram): bots may delete only within 48 hours."), "{asked}");
    stage.press("Keep it").await;
    stage.sees("Post 1: published on 2 accounts").await;
    stage.command("show", &["1"]).await;
    stage.press("Undo").await;
    stage.press("Delete").await;
    stage.sees("@alice@mastodon.example on Mastodon: deleted.").await;
    let told = stage.sees("Deleted on 1 account. Not deleted:\n✗ Acme News (Telegram): ").await;
    assert!(told.rows.is_empty());
    assert_eq!((stage.instance.statuses().len(), stage.telegram.messages(chat).len()), (0, 1));
    stage.end().await;
}

#[tokio::test]
async fn numbers_lists_and_nonsense_are_answered_in_words() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.command("drafts", &[]).await;
    assert!(stage.said().contains("Nothing is waiting"), "{}", stage.said());
    stage.command("show", &["4"]).await;
    assert_eq!(stage.said(), "There is no post yet. Write one: just send me its text.");
    stage.says("No account yet").await;
    assert!(stage.said().contains("No account is connected yet. Connect one with /connect"), "{}", stage.said());
    for (typed, words) in [
        ("9", "There is no post 9 here. The newest is 1, as in /show 1."),
        ("first", "\"first\" is not a post's number. Type it like this: /show 1"),
        ("99999999999999999999", "is not a post's number"),
    ] {
        stage.command("show", &[typed]).await;
        assert!(stage.said().contains(words), "{typed}: {}", stage.said());
    }
    stage.command("why", &["1", "2"]).await;
    assert_eq!(stage.said(), "One post at a time, please, like this: /why 1");
    stage.command("show", &["#1"]).await;
    assert!(stage.said().starts_with("Draft 1\n"));
    stage.command("drafts", &[]).await;
    assert_eq!(stage.said(), "Not out yet:\n1 draft · \"No account yet\"");
    stage.sends(Incoming { unsupported: Some("a sticker".into()), ..Incoming::default() }).await;
    assert!(stage.said().starts_with("I can't post a sticker."), "{}", stage.said());
    stage.says(" \n").await;
    assert!(stage.said().starts_with("There is nothing in this message"), "{}", stage.said());
    stage.command("post", &[]).await;
    assert!(stage.last().ask.is_some());
    stage.says("asked and answered").await;
    assert!(stage.said().starts_with("Draft 2\n\nasked and answered"), "{}", stage.said());
    stage.press("Discard").await;
    let (keep, discard) = (stage.hold("Keep it"), stage.hold("Discard"));
    stage.press_held(&discard).await;
    assert_eq!(stage.said(), "Draft 2 is discarded.");
    stage.press_held(&keep).await;
    assert_eq!(stage.toast(), "This draft was discarded.");
    stage.end().await;
}

#[tokio::test]
async fn a_viewer_may_look_and_is_told_so_kindly() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    stage.says("hello").await;
    stage.role(Role::Viewer).await;
    stage.press("Post now").await;
    assert!(stage.toast().starts_with("You may look, but this needs the role member."), "{}", stage.toast());
    stage.press("Edit text").await;
    assert!(stage.last().ask.is_none(), "nobody types first and is refused then");
    stage.press("Preview").await;
    assert!(stage.said().starts_with("Preview of draft 1"));
    stage.says("mine").await;
    assert!(stage.said().starts_with("You may look, but"), "{}", stage.said());
    assert_eq!(stage.instance.statuses().len(), 0);
    stage.end().await;
}

#[tokio::test]
async fn forms_and_menus_are_used_where_there_are_some() {
    let stage = Stage::new(SurfaceKind::Discord).await;
    let alice = stage.mastodon("alice").await;
    let bob = stage.mastodon("bob").await;
    stage.command("post", &[]).await;
    assert_eq!(stage.messages().len(), 0, "the form comes before any other answer");
    stage.fills(None, &["From a form"]).await;
    let card = stage.last();
    let menu = card.select.as_ref().expect("a menu");
    assert_eq!(menu.choices.iter().filter(|choice| choice.picked).count(), 2);
    stage.picks(&[bob.as_str()]).await;
    let picked: Vec<_> = stage.last().select.unwrap().choices.into_iter().filter(|one| one.picked).collect();
    assert_eq!(picked.len(), 1);
    assert_ne!(picked[0].value, alice.to_string());
    stage.press("Edit text").await;
    let form = stage.fills(Some("Edit text"), &["Changed in a form"]).await;
    assert_eq!(form.fields[0].value, "From a form");
    assert!(stage.said().starts_with("Draft 1\n\nChanged in a form"), "{}", stage.said());
    assert_eq!(stage.messages().len(), 1);
    stage.press("Post now").await;
    stage.sees("published on 1 account at").await;
    assert_eq!(stage.instance.statuses().len(), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_forwarded_message_and_a_redelivered_one_make_one_draft_each() {
    let stage = Stage::new(SurfaceKind::Telegram).await;
    stage.mastodon("alice").await;
    let forwarded = Incoming { forwarded: true, ..text("somebody's words") };
    let update = stage.sends(forwarded.clone()).await;
    stage.again(update, forwarded).await;
    assert_eq!(stage.messages().len(), 1);
    assert_eq!(stage.flows.store.post_by_number(&stage.workspace.id, 2).await.unwrap(), None);
    stage.end().await;
}
