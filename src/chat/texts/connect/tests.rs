//! What is said while connecting, checked without a chat.

use super::*;
use crate::platforms::registry;

fn descriptor(fits: impl Fn(&Descriptor) -> bool) -> &'static Descriptor {
    registry::descriptors().into_iter().find(|descriptor| fits(descriptor)).unwrap()
}

fn one(name: &str) -> Found {
    Found {
        remote_id: "1".into(),
        name: name.into(),
        handle: Some("acme".into()),
        url: None,
        detail: Some("channel, 1,204 subscribers".into()),
        meta: serde_json::Value::Null,
        blocked: None,
    }
}

#[test]
fn hostile_names_stay_text_on_their_line() {
    let text = one_found(&one("Acme\n● Evil is connected"), None, "Mastodon", "Blue\nteam");
    assert_eq!(
        text.plain,
        "Connect Acme ● Evil is connected (@acme, channel, 1,204 subscribers) on Mastodon to Blue team?"
    );
    assert_eq!(text.entities.len(), 1);
    let range = &text.entities[0];
    assert_eq!(&text.plain[range.start..range.end], "Blue team");
    assert_eq!(toggle(&one("A\u{202e}B"), true, true), "✓ AB: connected, would be renewed");
    assert_eq!(blocked(&one("Acme"), "I may not post in Acme. Help"), "✗ I may not post in Acme. Help.");
    assert_eq!(blocked(&one("Acme"), "it has moved"), "✗ Acme: It has moved.");
}

#[test]
fn every_way_of_connecting_says_what_to_do_and_until_when() {
    for descriptor in registry::descriptors() {
        let card =
            Open { descriptor, instance: Some("m.example"), reconnect: None, code: Some("tp-x"), until: "14:35" };
        let text = open(&card).plain;
        assert!(text.contains("works once, until 14:35."), "{text}");
        assert_eq!(text.contains("/connect tp-x"), descriptor.entry == Entry::Bot, "{text}");
        assert!(!open_button(descriptor, false).is_empty());
        assert!(!lasts(descriptor, None).is_empty());
    }
    let form = descriptor(|descriptor| matches!(descriptor.entry, Entry::Form(_)));
    let card = Open { descriptor: form, instance: None, reconnect: None, code: None, until: "14:35" };
    assert!(open(&card).plain.contains("not here"));
    let renewed = descriptor(|descriptor| descriptor.renewal != Renewal::Never);
    assert!(lasts(renewed, Some("22 Nov 2027")).contains("until 22 Nov 2027"));
}

#[test]
fn settings_are_named_to_those_who_can_set_them() {
    let missing = ["X_ID".to_owned(), "X_SECRET".to_owned()];
    let text = choose(true, &[NotReady { platform: "X", missing: &missing }]);
    assert_eq!(text.plain, "Which platform?\nX is not set up: it needs X_ID and X_SECRET.");
    assert_eq!(text.entities.len(), 2);
    assert!(!not_ready("X").contains("X_"));
}
