//! What is said about posts, by example.

use serde_json::Value;

use super::*;
use crate::domain::account::AccountStatus;
use crate::domain::post::{GIVEN_UP, Mark, Posted, Sending, Style};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn media(kind: MediaKind, alt: Option<&str>) -> Media {
    let (mime, alt) = ("image/png".to_owned(), alt.map(str::to_owned));
    Media { sha256: String::new(), kind, mime, bytes: 1, width: 1, height: 1, duration_ms: None, alt }
}

fn post(words: &str) -> Post {
    Post {
        id: "pst_1".to_owned().into(),
        workspace: "wsp_1".to_owned().into(),
        number: 12,
        author: "psn_1".to_owned().into(),
        text: RichText { plain: words.into(), marks: Vec::new() },
        media: Vec::new(),
        missing: Vec::new(),
        options: Options::default(),
        status: PostStatus::Draft,
        created_at: at("2026-11-23T08:00:00Z"),
        published_at: None,
    }
}

fn target(status: TargetStatus, why: Option<&str>) -> Target {
    Target {
        id: "tgt_1".to_owned().into(),
        post: "pst_1".to_owned().into(),
        account: "acc_1".to_owned().into(),
        status,
        options: Options::default(),
        journal: Value::Null,
        sending: None,
        posted: None,
        why: why.map(str::to_owned),
        fix: None,
        note: None,
        tries: 0,
    }
}

fn somebody(handle: Option<&str>, name: &str) -> Account {
    Account {
        id: "acc_1".to_owned().into(),
        workspace: "wsp_1".to_owned().into(),
        platform: "x".into(),
        remote_id: "1".into(),
        name: name.into(),
        handle: handle.map(str::to_owned),
        url: None,
        meta: Value::Null,
        grant: None,
        status: AccountStatus::Connected,
        status_since: at("2026-11-23T08:00:00Z"),
        why: None,
        fix: None,
        is_active: true,
        shaky_since: None,
    }
}

#[test]
fn accounts_have_names_people_know() {
    assert_eq!(account(&somebody(Some("acme"), "Acme"), "X"), "@acme on X");
    assert_eq!(account(&somebody(None, "Acme News"), "Telegram"), "Acme News (Telegram)");
    assert_eq!(account(&somebody(None, "\u{202e}evil\n✓ Acme"), "X"), "evil ✓ Acme (X)");
}

#[test]
fn files_are_counted_by_kind_and_so_are_descriptions() {
    let image = || media(MediaKind::Image, None);
    assert_eq!(files(&[image(), image(), media(MediaKind::Video, None)]), "2 photos and 1 video");
    assert_eq!((files(&[]), described(&[])), (String::new(), String::new()));
    assert_eq!(described(&[image()]), "no alt text yet");
    assert_eq!(described(&[image(), media(MediaKind::Image, Some("a shop"))]), "alt text for 1 of 2");
    assert_eq!(described(&[media(MediaKind::Image, Some("a shop"))]), "with alt text");
}

#[test]
fn titles_are_one_short_line() {
    assert_eq!(title(&post("New opening\nhours")), "\"New opening hours\"");
    assert_eq!(title(&post(&"word ".repeat(20))), format!("\"{}…\"", "word ".repeat(8).trim_end()));
    assert_eq!(title(&post(" ")), "(empty)");
    let pictures = Post { media: vec![media(MediaKind::Image, None)], ..post("") };
    assert_eq!(title(&pictures), "1 photo");
}

#[test]
fn a_long_text_is_shortened_with_its_formatting() {
    let marks = vec![Mark { start: 0, end: 2000, style: Style::Bold }];
    let text = RichText { plain: "é".repeat(1000), marks };
    let shown = body(&text, 700);
    assert!(shown.plain.ends_with("é… (300 more characters)"), "{}", shown.plain);
    assert_eq!(shown.entities[0].end, 1400);
    assert_eq!(body(&text, 1000).plain, text.plain);
}

#[test]
fn a_draft_card_says_all_that_matters() {
    let draft = Post {
        media: vec![media(MediaKind::Image, None)],
        missing: vec![Missing { name: "a.mov".into(), why: "it is too large".into() }],
        options: Options { content_warning: Some("food".into()), silent: true, ..Options::default() },
        ..post("Hi")
    };
    let problem = |refused| DraftProblem {
        account: somebody(None, "Acme"),
        refused,
        what: "the text is 312 characters there, 300 fit".into(),
        fix: if refused { "Shorten it by 12.".into() } else { String::new() },
    };
    let (bad, mild) = (problem(true), problem(false));
    let mut card = DraftCard {
        post: &draft,
        lengths: vec![("X", (34, 280)), ("X", (34, 280)), ("Mastodon", (1200, 5000))],
        problems: vec![("Acme (X)".into(), &bad), ("Acme (X)".into(), &mild)],
        places: vec!["#news in Acme (Discord)".into()],
        accounts: 3,
    };
    assert_eq!(
        card.text().plain,
        "Draft 12 · 1 photo · no alt text yet\n\nHi\n\nX: 34 of 280 · Mastodon: 1,200 of 5,000\n\
         Goes to #news in Acme (Discord).\nContent warning \"food\" · silent.\n\
         ✗ a.mov is not in it: It is too large.\n\
         ✗ Acme (X): the text is 312 characters there, 300 fit. Shorten it by 12.\n\
         Acme (X): the text is 312 characters there, 300 fit.\n\
         It can go out when what is marked ✗ is solved, or those accounts are left out."
    );
    assert!(!card.can_go());
    card.problems = vec![("Acme (X)".into(), &mild)];
    assert!(card.can_go());
    card.lengths.clear();
    assert!(!card.can_go());
    assert!(card.text().plain.contains("No account is chosen."));
    card.accounts = 0;
    assert!(card.text().plain.contains("/connect"));
    // Many warnings don't push the card off the screen.
    card.problems = (0..30).map(|_| ("Acme (X)".into(), &bad)).collect();
    assert!(card.text().plain.contains("… and 22 more."));
}

#[test]
fn a_preview_shows_each_look_once() {
    let marks = vec![Mark { start: 0, end: 4, style: Style::Link("https://a.example/".into()) }];
    let draft = Post { text: RichText { plain: "here".into(), marks }, ..post("") };
    let look = |platform, link_marks| Look {
        platform,
        accounts: vec!["@a".into(), "@b".into()],
        length: (4, 300),
        link_marks,
        notes: vec!["file 1 is WEBP.".into()],
    };
    let shown = preview(&draft, &[look("Bluesky", true), look("Mastodon", false)]);
    assert_eq!(
        shown.plain,
        "Preview of draft 12\n\nBluesky · @a and @b\nhere\n4 of 300 characters\nfile 1 is WEBP.\n\n\
         Mastodon · @a and @b\nhere (https://a.example/)\n4 of 300 characters · as plain text, links written out\n\
         file 1 is WEBP."
    );
    assert!(preview(&draft, &[]).plain.contains("go nowhere"));
}

#[test]
fn results_are_told_account_by_account() {
    let posted = Posted { id: "1".into(), url: Some("https://x.example/1".into()), meta: Value::Null };
    let out = Target { posted: Some(posted), ..target(TargetStatus::Published, None) };
    let busy = Target { note: Some("uploading 2 of 2".into()), ..target(TargetStatus::Publishing, None) };
    let waits = target(TargetStatus::Publishing, Some("the server is busy"));
    let key = Some(Sending { key: "k".into(), since: at("2026-11-23T08:00:00Z") });
    let doubtful = Target { sending: key, ..target(TargetStatus::Publishing, Some("the connection broke")) };
    let failed = target(TargetStatus::Failed, Some("the text is too long"));
    let gone = target(TargetStatus::Failed, Some(DELETED));
    let left = target(TargetStatus::Failed, Some(GIVEN_UP));
    let unknown = target(TargetStatus::Unconfirmed, Some("Telegram never answered"));
    let sent = Post { published_at: Some(at("2026-11-23T08:00:02Z")), ..post("Hi") };
    let said = |targets: &[&Target]| {
        let targets: Vec<(String, &Target)> = targets.iter().map(|target| ("A".to_owned(), *target)).collect();
        result(&sent, &targets, "Europe/Berlin").plain
    };
    assert_eq!(said(&[&out, &out]), "Post 12: published on 2 accounts at 9:00:02.\n\"Hi\"\n✓ A ↗\n✓ A ↗");
    assert!(said(&[&out, &failed]).starts_with("Post 12: published on 1 of 2 accounts at 9:00:02."));
    assert!(said(&[&out, &busy]).ends_with("on its way, 1 of 2 out.\n\"Hi\"\n✓ A ↗\n◐ A: uploading 2 of 2"));
    assert!(said(&[&waits]).contains("◐ A: waits. The server is busy. I keep trying."));
    assert!(said(&[&doubtful]).contains("◐ A: no answer yet. The connection broke. I am finding out"));
    assert!(said(&[&failed]).contains("not published.\n\"Hi\"\n✗ A: the text is too long."));
    assert!(said(&[&gone]).contains("deleted.\n\"Hi\"\nA: deleted."));
    assert!(said(&[&gone, &failed]).contains("not out any more."));
    assert!(said(&[&left]).contains("A: given up."));
    assert!(said(&[&unknown]).contains("nobody can say from here"));
    assert!(
        said(&[&out, &unknown]).contains("Please look at the rest.\n\"Hi\"\n✓ A ↗\n? A: it may be there. Telegram")
    );
}

#[test]
fn why_tells_tries_and_times() {
    let now = at("2026-11-23T08:10:00Z");
    let trying = Target { tries: 2, ..target(TargetStatus::Publishing, Some("it is busy")) };
    let (due, sent) = (Some(at("2026-11-23T08:15:00Z")), vec![at("2026-11-23T08:00:02Z"); 2]);
    let stories = [Story { label: "A".into(), target: &trying, due, sent }];
    let under_way = Post { status: PostStatus::Publishing, ..post("Hi") };
    let told = why(&under_way, Some("Ana"), &stories, "UTC", now).plain;
    assert_eq!(
        told,
        "Post 12, step by step\n\"Hi\"\nWritten by Ana Mon 23 Nov 8:00, 10 min ago.\n\n\
         ◐ A: waits. It is busy. I keep trying.\n  accepted (1 of 2) Mon 23 Nov 8:00:02\n  \
         accepted (2 of 2) Mon 23 Nov 8:00:02\n  2 failed tries\n  next try Mon 23 Nov 8:15, in 5 min"
    );
    assert!(why(&post("Hi"), None, &[], "UTC", now).plain.contains("It is still a draft.\nIt goes to no account."));
}

#[test]
fn deleting_is_told_with_what_can_not_be_deleted() {
    let hours = Duration::from_secs(48 * 3600);
    let asked = confirm_delete(&post("Hi"), &["@a on X".into()], &[("News (Telegram)".into(), hours)]);
    assert_eq!(
        asked.plain,
        "Delete post 12, \"Hi\", on @a on X?\n\
         ✗ News (Telegram): bots may delete only within 48 hours. Delete it there by hand."
    );
    assert!(confirm_delete(&post("Hi"), &[], &[]).plain.contains("can't be deleted from here"));
    let told = not_deleted(&[("A".into(), Fault::rejected("it is old", "delete it by hand"))], 2).plain;
    assert_eq!(told, "Deleted on 2 accounts. Not deleted:\n✗ A: It is old. Delete it by hand.");
    for fault in [
        Fault::transient("busy"),
        Fault::Stale,
        Fault::GrantDead { why: "it ended".into() },
        Fault::Misconfigured { what: "X_CLIENT_ID".into() },
    ] {
        let told = not_deleted(&[("A".into(), fault)], 0).plain;
        assert!(told.starts_with("Not deleted:\n✗ A: ") && told.ends_with('.'), "{told}");
    }
}

#[test]
fn files_that_were_not_fetched_say_what_to_do() {
    let large = |limit| Failure::TooLarge { limit };
    let busy = || Failure::Retry { after: 5, why: "x".into() };
    for (failure, full, words) in [
        (large(20_000_000), false, "Telegram lets bots fetch at most 20 MB. Send a smaller one."),
        (large(100_000_000), false, "this server takes at most 100 MB"),
        (busy(), false, "Send it again in a moment."),
        (busy(), true, "disk is full"),
        (Failure::Gone("x".into()), false, "no longer has it"),
        (Failure::Refused("/secret/path".into()), false, "could not be fetched"),
    ] {
        let said = not_fetched(&failure, "Telegram", 100_000_000, full);
        assert!(said.contains(words), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    assert_eq!(file_name(Some("cat\n.png"), 0, 1), "cat .png");
    assert_eq!((file_name(None, 0, 1), file_name(Some(" "), 1, 3)), ("The file".into(), "File 2".into()));
}

#[test]
fn toasts_are_short_and_numbers_are_explained() {
    for status in [PostStatus::Draft, PostStatus::Publishing, PostStatus::PartiallyPublished, PostStatus::Failed] {
        assert!(already(&Post { status, ..post("x") }).chars().count() < 200);
    }
    assert!(not_allowed(Role::Member).contains("role member"));
    assert!(unknown_number("9", "why", Some(3)).text.plain.contains("/why 3"));
    assert!(unknown_number(&"x".repeat(500), "why", Some(3)).text.plain.chars().count() < 200);
    assert!(unknown_number("9", "why", None).text.plain.contains("no post yet"));
}
