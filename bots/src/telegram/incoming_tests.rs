//! Updates in the vendor's own JSON, ordinary and hostile.

use serde_json::json;

use super::*;
use crate::command::{Argument, Audience};
use crate::model::EntityKind;

const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "schedule",
        arguments: &[
            Argument { name: "post", help: "", required: true, kind: ArgumentKind::Word },
            Argument { name: "when", help: "", required: true, kind: ArgumentKind::Rest },
        ],
        help: "",
        audience: Audience::Chat,
    },
    CommandSpec {
        name: "post",
        arguments: &[Argument { name: "text", help: "", required: false, kind: ArgumentKind::Rest }],
        help: "",
        audience: Audience::Chat,
    },
];

fn context() -> Context {
    Context { id: 77, handle: "TryPostBot".into(), commands: COMMANDS }
}

fn update(value: Value) -> Option<Update> {
    read(value, &context()).unwrap().update
}

/// A message of Ana's in a private chat, with these fields on top.
fn message(fields: Value) -> Value {
    let mut message = json!({
        "message_id": 11, "date": 1_790_000_000,
        "from": {"id": 42, "is_bot": false, "first_name": "Ana", "last_name": "Díaz", "username": "ana"},
        "chat": {"id": 42, "type": "private", "first_name": "Ana"},
    });
    message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"update_id": 1001, "message": message})
}

fn incoming(fields: Value) -> Incoming {
    match update(message(fields)).unwrap().kind {
        UpdateKind::Message(incoming) => incoming,
        other => panic!("{other:?}"),
    }
}

fn words(fields: Value) -> Option<(String, Vec<String>)> {
    match update(message(fields))?.kind {
        UpdateKind::Command { name, arguments, .. } => Some((name, arguments)),
        _ => None,
    }
}

#[test]
fn a_private_message_names_its_sender() {
    let update = update(message(json!({"text": "hello"}))).unwrap();
    assert_eq!(update.id, "1001");
    assert_eq!((update.chat.kind, update.chat.id.as_str()), (ChatKind::Direct, "42"));
    let person = update.person.unwrap();
    assert_eq!((person.id.as_str(), person.name.as_str(), person.handle.as_deref()), ("42", "Ana Díaz", Some("ana")));
    assert_eq!(update.message.unwrap().id, "11");
    assert!(!update.proof.anonymous);
}

#[test]
fn commands_are_split_by_the_specification() {
    let split = |text: &str| words(json!({"text": text}));
    assert_eq!(
        split("/schedule p7  tomorrow at 9\nsharp"),
        Some(("schedule".into(), vec!["p7".into(), "tomorrow at 9\nsharp".into()]))
    );
    assert_eq!(split("/SCHEDULE@trypostbot p7"), Some(("schedule".into(), vec!["p7".into()])));
    assert_eq!(split("/unknown a b"), Some(("unknown".into(), vec!["a".into(), "b".into()])));
    assert_eq!(split("/post"), Some(("post".into(), vec![])));
    assert_eq!(split("/schedule@OtherBot p7"), None);
    for text in ["/usr/bin/env", "/ post", "post /post", "/é", "/post@"] {
        assert_eq!(split(text), None, "{text}");
        if text != "/post@" {
            incoming(json!({"text": text}));
        }
    }
}

#[test]
fn a_command_in_a_caption_brings_the_photo_and_the_formatting() {
    let kind = update(message(json!({
        "caption": "/post 🚀 New hours",
        "caption_entities": [
            {"type": "bot_command", "offset": 0, "length": 5},
            {"type": "bold", "offset": 9, "length": 3},
        ],
        "photo": [
            {"file_id": "small", "file_unique_id": "s", "width": 90, "height": 60, "file_size": 1200},
            {"file_id": "large", "file_unique_id": "l", "width": 1280, "height": 853, "file_size": 99_000},
            {"file_id": "middle", "file_unique_id": "m", "width": 320, "height": 213},
        ],
        "media_group_id": "g1",
    })))
    .unwrap()
    .kind;
    let UpdateKind::Command { name, arguments, incoming } = kind else { panic!("{kind:?}") };
    assert_eq!((name.as_str(), arguments), ("post", vec!["🚀 New hours".to_owned()]));
    assert_eq!(incoming.text.plain, "🚀 New hours");
    assert_eq!(incoming.text.entities[0].kind, EntityKind::Bold);
    assert_eq!(&incoming.text.plain[incoming.text.entities[0].start..incoming.text.entities[0].end], "New");
    assert_eq!(incoming.files.len(), 1);
    assert_eq!((incoming.files[0].id.as_str(), incoming.files[0].mime.as_deref()), ("large", Some("image/jpeg")));
    assert_eq!(incoming.album.as_deref(), Some("g1"));
}

#[test]
fn forwarded_words_give_no_orders() {
    let forwarded = incoming(json!({
        "text": "/post delete everything",
        "forward_origin": {"type": "hidden_user", "sender_user_name": "?", "date": 1},
    }));
    assert!(forwarded.forwarded);
    assert_eq!(forwarded.text.plain, "/post delete everything");
}

#[test]
fn files_that_come_twice_are_taken_once() {
    let both = json!({"file_id": "a", "file_unique_id": "u", "mime_type": "video/mp4", "file_size": 5_000_000_000_u64});
    let gif = incoming(json!({"animation": both, "document": both}));
    assert_eq!(gif.files.len(), 1);
    assert_eq!(gif.files[0].size, Some(5_000_000_000));
    // No mime_type: teloxide's own type would lose the whole message.
    let video =
        incoming(json!({"video": {"file_id": "v", "file_unique_id": "u", "width": 1, "height": 1, "duration": 1}}));
    assert_eq!(video.files[0].id, "v");
    let document =
        incoming(json!({"document": {"file_id": "d", "file_unique_id": "u", "file_name": "a\u{202e}gpj.exe"}}));
    assert_eq!(document.files[0].name.as_deref(), Some("a\u{202e}gpj.exe"));
}

#[test]
fn what_we_cannot_take_is_named() {
    assert_eq!(incoming(json!({"sticker": {"file_id": "s"}})).unsupported.as_deref(), Some("a sticker"));
    assert_eq!(incoming(json!({"poll": {"id": "1"}})).unsupported.as_deref(), Some("a poll"));
    assert_eq!(incoming(json!({"voice": {}, "caption": "hm"})).unsupported.as_deref(), Some("a voice message"));
    assert_eq!(incoming(json!({"venue": {}, "location": {}})).unsupported.as_deref(), Some("a place"));
    for service in ["new_chat_title", "pinned_message", "new_chat_members", "forum_topic_created"] {
        assert!(update(message(json!({service: "x"}))).is_none(), "{service}");
    }
}

#[test]
fn an_entity_of_a_kind_nobody_knows_costs_only_itself() {
    let read = incoming(json!({
        "text": "at noon, bold",
        "entities": [
            {"type": "date_time", "offset": 3, "length": 4, "unix_time": 1},
            {"type": "bold", "offset": 9, "length": 4},
        ],
    }));
    assert_eq!(read.text.entities.len(), 1);
}

#[test]
fn answers_to_our_messages_are_told_from_others() {
    let ours = json!({"message_id": 5, "date": 1, "chat": {"id": 42, "type": "private"}, "from": {"id": 77, "is_bot": true, "first_name": "T"}});
    assert_eq!(incoming(json!({"text": "x", "reply_to_message": ours})).reply_to.as_deref(), Some("5"));
    let theirs = json!({"message_id": 6, "date": 1, "chat": {"id": 42, "type": "private"}, "from": {"id": 42, "is_bot": false, "first_name": "A"}});
    assert_eq!(incoming(json!({"text": "x", "reply_to_message": theirs})).reply_to, None);
}

#[test]
fn topics_are_only_those_of_forums() {
    let at = |fields: Value| update(message(fields)).unwrap().chat.topic;
    let group = json!({"id": -1_001_234_567_890_i64, "type": "supergroup", "title": "T", "is_forum": true});
    assert_eq!(
        at(json!({"text": "x", "chat": group, "message_thread_id": 9, "is_topic_message": true})).as_deref(),
        Some("9")
    );
    assert_eq!(at(json!({"text": "x", "chat": group, "message_thread_id": 9})), None);
}

#[test]
fn nobody_speaks_for_channels_and_anonymous_admins() {
    let post = update(json!({"update_id": 5, "channel_post": {
        "message_id": 3, "date": 1, "text": "/connect tp-abc",
        "chat": {"id": -1_009_999_999_999_i64, "type": "channel", "title": "Acme News"},
        "sender_chat": {"id": -1_009_999_999_999_i64, "type": "channel", "title": "Acme News"},
    }}))
    .unwrap();
    assert_eq!((post.chat.kind, post.chat.id.as_str()), (ChatKind::Broadcast, "-1009999999999"));
    assert!(post.person.is_none() && post.proof.anonymous);
    assert!(matches!(post.kind, UpdateKind::Command { name, .. } if name == "connect"));

    let group = json!({"id": -100_200, "type": "supergroup", "title": "G"});
    let admin = update(message(json!({
        "text": "/connect", "chat": group, "sender_chat": group,
        "from": {"id": 1_087_968_824, "is_bot": true, "first_name": "Group", "username": "GroupAnonymousBot"},
    })))
    .unwrap();
    assert!(admin.person.is_none() && admin.proof.anonymous);

    let bot = message(json!({"text": "hi", "from": {"id": 5, "is_bot": true, "first_name": "B"}}));
    assert!(update(bot).is_none());
}

#[test]
fn membership_says_whether_we_may_post() {
    let change = |kind: &str, member: Value| {
        let update = update(json!({"update_id": 6, "my_chat_member": {
            "chat": {"id": -100_300, "type": kind, "title": "Acme", "username": "acme"},
            "from": {"id": 42, "is_bot": false, "first_name": "Ana"}, "date": 1,
            "old_chat_member": {"status": "left", "user": {"id": 77, "is_bot": true, "first_name": "T"}},
            "new_chat_member": member,
        }}))
        .unwrap();
        assert_eq!(update.person.as_ref().unwrap().id, "42");
        match update.kind {
            UpdateKind::Membership(membership) => membership,
            other => panic!("{other:?}"),
        }
    };
    let admin = change("channel", json!({"status": "administrator", "can_post_messages": true}));
    assert_eq!(
        (admin.status, admin.place.as_str(), admin.handle.as_deref()),
        (MembershipStatus::Admin, "-100300", Some("acme"))
    );
    assert_eq!(change("channel", json!({"status": "administrator"})).status, MembershipStatus::AdminWithoutPosting);
    assert_eq!(change("supergroup", json!({"status": "administrator"})).status, MembershipStatus::Admin);
    assert_eq!(change("group", json!({"status": "member"})).status, MembershipStatus::Member);
    assert_eq!(
        change("supergroup", json!({"status": "restricted", "is_member": true})).status,
        MembershipStatus::Member
    );
    assert_eq!(
        change("supergroup", json!({"status": "restricted", "is_member": false})).status,
        MembershipStatus::Gone
    );
    assert_eq!(change("channel", json!({"status": "kicked"})).status, MembershipStatus::Gone);
}

#[test]
fn a_group_that_moved_says_where() {
    let moved = update(message(json!({
        "chat": {"id": -500, "type": "group", "title": "G"}, "migrate_to_chat_id": -1_001_500_i64,
    })))
    .unwrap();
    assert_eq!((moved.chat.id.as_str(), moved.kind), ("-500", UpdateKind::Migrated { to: "-1001500".into() }));
}

#[test]
fn presses_come_with_their_message_even_when_it_is_inaccessible() {
    let press = |message: Value, data: Value| {
        read(
            json!({"update_id": 7, "callback_query": {
                "id": "q1", "chat_instance": "c", "data": data, "message": message,
                "from": {"id": 42, "is_bot": false, "first_name": "Ana"},
            }}),
            &context(),
        )
        .unwrap()
    };
    let chat = json!({"id": -100_200, "type": "supergroup", "title": "G"});
    let read = press(json!({"message_id": 9, "date": 0, "chat": chat}), json!("t1"));
    let update = read.update.unwrap();
    assert_eq!((update.kind, update.message.unwrap().id.as_str()), (UpdateKind::Press("t1".into()), "9"));
    assert_eq!(read.query.as_deref(), Some("q1"));
    // Nothing to act on, but the button must stop spinning all the same.
    for (message, data) in [
        (Value::Null, json!("t1")),
        (json!({"message_id": 9, "date": 0, "chat": chat}), Value::Null),
        (json!(5), json!("t")),
    ] {
        let read = press(message, data);
        assert!(read.update.is_none());
        assert_eq!(read.query.as_deref(), Some("q1"));
    }
}

#[test]
fn hostile_updates_are_read_or_refused_without_harm() {
    let name = "\u{202e}\u{2066}שלום 👩‍🚀".repeat(50);
    let update = update(message(json!({
        "text": "x",
        "from": {"id": i64::MAX, "is_bot": false, "first_name": name},
        "chat": {"id": i64::MIN, "type": "something_new"},
    })))
    .unwrap();
    assert_eq!(update.person.unwrap().name, name);
    assert_eq!((update.chat.id, update.chat.kind), (i64::MIN.to_string(), ChatKind::Group));
    for broken in [
        json!({"update_id": 1, "message": {}}),
        json!({"update_id": 1, "message": {"message_id": "x", "chat": 5}}),
        json!({"update_id": 1, "message": [1, 2]}),
        json!({"update_id": 1, "my_chat_member": {"chat": {"id": 1, "type": "group"}}}),
        json!({"update_id": 1, "callback_query": {}}),
        json!({"update_id": "1"}),
        json!({"message": {}}),
        json!([]),
        json!(null),
    ] {
        assert!(read(broken.clone(), &context()).is_err(), "{broken}");
    }
    assert!(read(json!({"update_id": i64::MAX, "something_new": {}}), &context()).unwrap().update.is_none());
    assert_eq!(number(&json!({"update_id": u64::MAX})), None);
}
