//! What the wire would carry, without a wire.

use super::*;
use crate::domain::account::{Account, AccountStatus};
use crate::domain::post::{Mark, Options, RichText, Style};
use crate::platforms::Credentials;

fn account() -> Account {
    Account {
        id: "acc_1".to_owned().into(),
        workspace: "wsp_1".to_owned().into(),
        platform: "discord".into(),
        remote_id: "77".into(),
        name: "Acme".into(),
        handle: None,
        url: None,
        meta: json!({ "premium_tier": 0 }),
        grant: None,
        status: AccountStatus::Connected,
        status_since: Timestamp::UNIX_EPOCH,
        why: None,
        fix: None,
        is_active: true,
        shaky_since: None,
    }
}

fn built(text: &RichText, options: &Options) -> Result<Value, Fault> {
    let account = account();
    let delivery = Delivery { account: &account, credentials: Credentials { tokens: None }, text, files: &[], options };
    check(&delivery)?;
    Ok(message(&delivery, &Journal::default(), 0, "key")?.0)
}

fn plain(text: &str) -> RichText {
    RichText { plain: text.into(), marks: Vec::new() }
}

fn options() -> Options {
    Options { place: Some("5".into()), ..Options::default() }
}

#[test]
fn nobody_is_called_but_whom_the_options_name() {
    let body = built(&plain("@everyone look"), &options()).unwrap();
    assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
    assert_eq!(body["content"], "@everyone look");
    let mentions = ["@here", "<@12>", "<@&34>", "<@12>"].map(str::to_owned).to_vec();
    let body = built(&plain("look"), &Options { mentions, ..options() }).unwrap();
    assert_eq!(body["allowed_mentions"], json!({ "parse": ["everyone"], "users": ["12"], "roles": ["34"] }));
    assert_eq!(body["content"], "look\n@here <@12> <@&34> <@12>");
    for wrong in ["<@>", "<@&>", "<@abc>", "everyone", "<#12>"] {
        let options = Options { mentions: vec![wrong.into()], ..options() };
        assert!(matches!(built(&plain("look"), &options), Err(Fault::Rejected { .. })), "{wrong}");
    }
}

#[test]
fn an_embed_holds_the_text_and_calls_stand_outside() {
    let embed =
        Embed { title: Some("News".into()), url: Some("https://acme.example".into()), color: Some("#1da1f2".into()) };
    let mentions = vec!["@everyone".into()];
    let body = built(&plain("hello"), &Options { embed: Some(embed), mentions, ..options() }).unwrap();
    assert_eq!(body["content"], "@everyone");
    let card = json!({ "title": "News", "url": "https://acme.example", "color": 0x1d_a1_f2, "description": "hello" });
    assert_eq!(body["embeds"], json!([card]));
    for (title, url, color) in [
        (Some("x".repeat(257)), None, None),
        (None, Some("javascript:alert(1)".to_owned()), None),
        (None, None, Some("blue".to_owned())),
        (None, None, Some("#12345".to_owned())),
        (None, None, None),
    ] {
        let options = Options { embed: Some(Embed { title, url, color }), ..options() };
        assert!(matches!(built(&plain(""), &options), Err(Fault::Rejected { .. })));
    }
}

#[test]
fn formatting_counts_against_the_2000() {
    assert!(built(&plain(&"x".repeat(2000)), &options()).is_ok());
    let marks = vec![Mark { start: 0, end: 1997, style: Style::Bold }];
    let bold = RichText { plain: "x".repeat(1997), marks };
    assert!(matches!(built(&bold, &options()), Err(Fault::Rejected { why, .. }) if why.contains("2001")));
}

#[test]
fn a_post_needs_a_channel_and_words() {
    assert!(matches!(built(&plain("x"), &Options::default()), Err(Fault::Rejected { .. })));
    assert!(matches!(built(&plain(" "), &options()), Err(Fault::Rejected { .. })));
}

#[test]
fn keys_are_short_enough_for_a_nonce() {
    assert_eq!(nonce(&crate::domain::OsEntropy).len(), 24);
}

#[test]
fn snowflakes_hold_the_time() {
    // The example of Discord's reference: 175928847299117063 is of 2016-04-30T11:18:25.796Z.
    let since: Timestamp = "2016-04-30T11:19:25.796Z".parse().unwrap();
    assert_eq!(snowflake(since).parse::<u64>().unwrap() >> 22, 175_928_847_299_117_063_u64 >> 22);
    assert_eq!(snowflake(Timestamp::UNIX_EPOCH), "0");
}

#[test]
fn a_message_is_known_by_its_words_and_files() {
    let (account, options, text) = (account(), options(), plain("hello **you** \n"));
    let media = crate::domain::post::Media {
        sha256: "0".into(),
        kind: crate::domain::post::MediaKind::Image,
        mime: "image/png".into(),
        bytes: 1,
        width: 1,
        height: 1,
        duration_ms: None,
        alt: None,
    };
    let files = [File { media, path: "/dev/null".into() }];
    let credentials = Credentials { tokens: None };
    let delivery = Delivery { account: &account, credentials, text: &text, files: &files, options: &options };
    let (body, _) = message(&delivery, &Journal::default(), 1, "key").unwrap();
    for (content, attachments, same) in [
        ("hello **you**", json!([{ "filename": "image-1.png" }]), true),
        ("hello **him**", json!([{ "filename": "image-1.png" }]), false),
        ("hello **you**", json!([{ "filename": "image-2.png" }]), false),
        ("hello **you**", json!([]), false),
    ] {
        let there = json!({ "id": "1", "content": content, "attachments": attachments });
        let there: Message = serde_json::from_value(there).unwrap();
        assert_eq!(is_same(&there, &body, &delivery, 0), same, "{there:?}");
    }
    let embed = Some(Embed { title: Some("News".into()), ..Embed::default() });
    let options = Options { embed, ..options.clone() };
    let delivery = Delivery { files: &[], options: &options, ..delivery };
    let (body, _) = message(&delivery, &Journal::default(), 0, "key").unwrap();
    for (title, same) in [("News", true), ("Old news", false)] {
        let there = json!({ "id": "1", "embeds": [{ "title": title, "description": "hello **you**" }] });
        let there: Message = serde_json::from_value(there).unwrap();
        assert_eq!(is_same(&there, &body, &delivery, 0), same, "{there:?}");
    }
}
