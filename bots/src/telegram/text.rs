//! Text between our byte offsets and Telegram's UTF-16 units: entities both ways, cutting long texts, and spelling out
//! links that Telegram would drop. Pure functions; no call, no message.

use std::ops::Range;

use teloxide::types::{MessageEntity, MessageEntityKind};
use unicode_segmentation::UnicodeSegmentation;
use url::{Host, Url};

use super::wire;
use crate::model::{Entity, EntityKind, Text};

/// The most UTF-16 units in a message (Bot API: 1-4096 characters after entities parsing).
pub(super) const TEXT_LIMIT: usize = 4096;
/// The most UTF-16 units in a caption (Bot API: 0-1024).
pub(super) const CAPTION_LIMIT: usize = 1024;

/// The length in the units that Telegram counts.
pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The byte where the UTF-16 unit `offset` starts: the end of the text if it is beyond, and the character's own start if
/// it points into a surrogate pair.
fn byte_at(text: &str, offset: u64) -> usize {
    let mut seen = 0_u64;
    for (byte, character) in text.char_indices() {
        let next = seen + character.len_utf16() as u64;
        if offset < next {
            return byte;
        }
        seen = next;
    }
    text.len()
}

/// Reads Telegram's text. Entities that carry no formatting (mentions, hashtags, dates) are left to the plain text; ranges
/// that leave the text or cross each other are cut, so that the model's promise holds whatever was sent.
pub(super) fn read(plain: String, entities: &[wire::Entity]) -> Text {
    let mut read: Vec<Entity> = entities
        .iter()
        .filter_map(|entity| {
            let start = byte_at(&plain, entity.offset);
            let end = byte_at(&plain, entity.offset.saturating_add(entity.length));
            Some(Entity { start, end, kind: read_kind(entity)? })
        })
        .collect();
    read.sort_by_key(|entity| (entity.start, std::cmp::Reverse(entity.end)));
    let mut open: Vec<usize> = Vec::new();
    for entity in &mut read {
        open.retain(|end| *end > entity.start);
        if let Some(end) = open.last() {
            entity.end = entity.end.min(*end);
        }
        open.push(entity.end);
    }
    read.retain(|entity| entity.end > entity.start);
    Text { plain, entities: read }
}

fn read_kind(entity: &wire::Entity) -> Option<EntityKind> {
    Some(match entity.kind.as_str() {
        "bold" => EntityKind::Bold,
        "italic" => EntityKind::Italic,
        "underline" => EntityKind::Underline,
        "strikethrough" => EntityKind::Strike,
        "spoiler" => EntityKind::Spoiler,
        "code" => EntityKind::Code,
        "pre" => EntityKind::Pre(entity.language.clone()),
        "blockquote" | "expandable_blockquote" => EntityKind::Quote,
        "text_link" => EntityKind::Link(entity.url.clone()?),
        _ => return None,
    })
}

/// The entities of a text in Telegram's units. Entities instead of a parse mode: nothing in the text needs escaping, so
/// nothing in it can break or forge the formatting.
pub(super) fn entities(text: &Text) -> Vec<MessageEntity> {
    text.entities
        .iter()
        .filter_map(|entity| {
            let range = within(&text.plain, entity);
            let offset = units(text.plain.get(..range.start)?);
            let length = units(text.plain.get(range)?);
            (length > 0).then_some(MessageEntity { kind: write_kind(&entity.kind)?, offset, length })
        })
        .collect()
}

fn write_kind(kind: &EntityKind) -> Option<MessageEntityKind> {
    Some(match kind {
        EntityKind::Bold => MessageEntityKind::Bold,
        EntityKind::Italic => MessageEntityKind::Italic,
        EntityKind::Underline => MessageEntityKind::Underline,
        EntityKind::Strike => MessageEntityKind::Strikethrough,
        EntityKind::Spoiler => MessageEntityKind::Spoiler,
        EntityKind::Code => MessageEntityKind::Code,
        EntityKind::Pre(language) => MessageEntityKind::Pre { language: language.clone() },
        EntityKind::Quote => MessageEntityKind::Blockquote,
        EntityKind::Link(url) => MessageEntityKind::TextLink { url: accepted_link(url)? },
    })
}

/// An entity's range, moved onto character boundaries inside the text.
fn within(plain: &str, entity: &Entity) -> Range<usize> {
    let end = plain.floor_char_boundary(entity.end);
    plain.floor_char_boundary(entity.start).min(end)..end
}

/// The link, if Telegram takes it behind words or a button: http or https (or its own `tg:`), and a host with a dot and a
/// top level of two characters or more. Loopback and bare addresses are refused on buttons (`BUTTON_URL_INVALID`) and
/// silently dropped in text.
pub(super) fn accepted_link(link: &str) -> Option<Url> {
    let url = Url::parse(link).ok()?;
    match url.scheme() {
        "tg" => return Some(url),
        "http" | "https" => {}
        _ => return None,
    }
    let Some(Host::Domain(domain)) = url.host() else { return None };
    let (_, top) = domain.trim_end_matches('.').rsplit_once('.')?;
    (top.len() >= 2 && top != "localhost").then_some(url)
}

/// Puts the address of every link that Telegram would drop behind its words, so that the reader still has it.
pub(super) fn spell_out(text: &Text) -> Text {
    let mut notes: Vec<(usize, String)> = text
        .entities
        .iter()
        .filter_map(|entity| match &entity.kind {
            EntityKind::Link(url) if accepted_link(url).is_none() => {
                let range = within(&text.plain, entity);
                let words = text.plain.get(range.clone())?;
                (!words.contains(url.as_str())).then(|| (range.end, format!(" ({url})")))
            }
            _ => None,
        })
        .collect();
    if notes.is_empty() {
        return text.clone();
    }
    notes.sort_by_key(|(at, _)| *at);
    let mut plain = String::with_capacity(text.plain.len());
    let mut from = 0;
    for (at, note) in &notes {
        plain.push_str(&text.plain[from..*at]);
        plain.push_str(note);
        from = *at;
    }
    plain.push_str(&text.plain[from..]);
    // A note stands after the words that end there, so it moves what starts there and not what ends there.
    let start_moved =
        |at: usize| at + notes.iter().filter(|(note, _)| *note <= at).map(|(_, n)| n.len()).sum::<usize>();
    let end_moved = |at: usize| at + notes.iter().filter(|(note, _)| *note < at).map(|(_, n)| n.len()).sum::<usize>();
    let entities = text
        .entities
        .iter()
        .map(|entity| Entity {
            start: start_moved(entity.start),
            end: end_moved(entity.end),
            kind: entity.kind.clone(),
        })
        .collect();
    Text { plain, entities }
}

/// A piece of a text, with the entities that lie in it.
pub(super) fn slice(text: &Text, range: Range<usize>) -> Text {
    let entities = text
        .entities
        .iter()
        .filter(|entity| entity.start < range.end && entity.end > range.start)
        .map(|entity| Entity {
            start: entity.start.max(range.start) - range.start,
            end: entity.end.min(range.end) - range.start,
            kind: entity.kind.clone(),
        })
        .collect();
    Text { plain: text.plain.get(range).unwrap_or_default().to_owned(), entities }
}

/// Cuts a text into pieces of at most `limit` units, which together are the text: at the end of a paragraph, else of a
/// line, of a sentence, of a word, and only then inside one.
pub(super) fn split(text: &Text, limit: usize) -> Vec<Text> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while from < text.plain.len() {
        let to = from + cut(&text.plain[from..], limit);
        pieces.push(slice(text, from..to));
        from = to;
    }
    pieces
}

/// Where the first piece ends: more than 0, as long as the limit is at least 2.
fn cut(rest: &str, limit: usize) -> usize {
    let mut seen = 0;
    let fits = rest
        .char_indices()
        .find(|(_, character)| {
            seen += character.len_utf16();
            seen > limit
        })
        .map_or(rest.len(), |(byte, _)| byte);
    if fits == rest.len() {
        return fits;
    }
    let window = &rest[..fits];
    // Before the half a break would leave a needlessly short piece.
    let late = |at: &usize| *at > fits / 2 && *at <= fits;
    let after = |mark: &str| window.rfind(mark).map(|at| at + mark.len()).filter(late);
    after("\n\n")
        .or_else(|| after("\n"))
        // Bounds are looked for beyond the window too, or its own end would count as the end of a sentence.
        .or_else(|| bounds(rest, rest.split_sentence_bound_indices(), fits).filter(late))
        .or_else(|| window.rfind(char::is_whitespace).map(|at| rest.ceil_char_boundary(at + 1)).filter(late))
        .or_else(|| bounds(rest, rest.grapheme_indices(true), fits).filter(|at| *at > 0))
        .unwrap_or(fits)
}

/// The last of the segments' starts that is not past `fits`.
fn bounds<'a>(rest: &str, segments: impl Iterator<Item = (usize, &'a str)>, fits: usize) -> Option<usize> {
    segments.map(|(start, _)| start).chain([rest.len()]).take_while(|start| *start <= fits).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire_entity(kind: &str, offset: u64, length: u64) -> wire::Entity {
        wire::Entity { kind: kind.into(), offset, length, url: Some("https://a.example/".into()), language: None }
    }

    #[test]
    fn utf16_offsets_become_bytes_and_back() {
        // An emoji outside the basic plane (2 units, 4 bytes), a combining accent, and right-to-left letters.
        let plain = "👩‍🚀 e\u{301} שלום bold".to_owned();
        let at = units(&plain[..plain.find("bold").unwrap()]) as u64;
        let text = read(plain.clone(), &[wire_entity("bold", at, 4), wire_entity("italic", 0, 5)]);
        let words: Vec<&str> = text.entities.iter().map(|entity| &text.plain[entity.start..entity.end]).collect();
        assert_eq!(words, ["👩‍🚀", "bold"]);
        let back = entities(&text);
        assert_eq!((back[0].offset, back[0].length), (0, 5));
        assert_eq!((back[1].offset as u64, back[1].length), (at, 4));
    }

    #[test]
    fn hostile_entities_are_cut_to_the_text_and_never_cross() {
        let text = read(
            "a👍b".into(),
            &[
                wire_entity("bold", 0, u64::MAX),
                wire_entity("italic", u64::MAX, 3),
                wire_entity("code", 2, 1),
                wire_entity("date_time", 0, 1),
                wire_entity("underline", 0, 0),
            ],
        );
        assert_eq!(
            text.entities,
            [Entity { start: 0, end: 6, kind: EntityKind::Bold }, Entity { start: 1, end: 5, kind: EntityKind::Code }]
        );
        let crossing = read("abcdef".into(), &[wire_entity("bold", 0, 4), wire_entity("italic", 2, 4)]);
        assert_eq!((crossing.entities[1].start, crossing.entities[1].end), (2, 4));
    }

    #[test]
    fn breaks_are_taken_in_the_order_people_read() {
        let pieces = |plain: &str, limit| -> Vec<String> {
            split(&Text::from(plain), limit).into_iter().map(|piece| piece.plain).collect()
        };
        assert_eq!(
            pieces("First one.\n\nSecond one. Third is long.", 20),
            ["First one.\n\n", "Second one. ", "Third is long."]
        );
        assert_eq!(pieces("Hello there. Good day", 18), ["Hello there. ", "Good day"]);
        assert_eq!(pieces("nobreakshere", 5), ["nobre", "akshe", "re"]);
        // A family emoji is one character to people: it goes to the next piece whole.
        assert_eq!(pieces("abc👨‍👩‍👧", 8), ["abc", "👨‍👩‍👧"]);
        assert!(pieces("", 10).is_empty());
    }

    #[test]
    fn links_to_this_machine_are_spelled_out() {
        let mut text = Text::from("Open ");
        text.link("the form", "http://127.0.0.1:8080/connect/abc")
            .push(" or ")
            .link("the docs", "https://docs.example/");
        let spelled = spell_out(&text);
        assert_eq!(spelled.plain, "Open the form (http://127.0.0.1:8080/connect/abc) or the docs");
        let sent = entities(&spelled);
        assert_eq!(sent.len(), 1);
        assert_eq!(&spelled.plain[sent[0].offset..sent[0].offset + sent[0].length], "the docs");
        for refused in
            ["http://localhost:1/", "http://[::1]/", "http://10.0.0.1/", "javascript:alert(1)", "http://x.localhost"]
        {
            assert!(accepted_link(refused).is_none(), "{refused}");
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_keep_the_text_the_limit_and_the_entities(
            words in proptest::collection::vec("[a-z.!?]{1,9}|👍🏽|e\u{301}|שלום|\n|\n\n| |👨‍👩‍👧", 0..120),
            limit in 16_usize..60,
        ) {
            let mut text = Text::default();
            for (index, word) in words.iter().enumerate() {
                if index % 3 == 0 { text.bold(word); } else { text.push(word); }
            }
            let pieces = split(&text, limit);
            let joined: String = pieces.iter().map(|piece| piece.plain.as_str()).collect();
            proptest::prop_assert_eq!(&joined, &text.plain);
            let mut bold = 0;
            for piece in &pieces {
                proptest::prop_assert!(!piece.plain.is_empty() && units(&piece.plain) <= limit);
                for entity in &piece.entities {
                    proptest::prop_assert!(piece.plain.get(entity.start..entity.end).is_some_and(|words| !words.is_empty()));
                    bold += entity.end - entity.start;
                }
                for entity in entities(piece) {
                    proptest::prop_assert!(entity.offset + entity.length <= units(&piece.plain));
                }
            }
            proptest::prop_assert_eq!(bold, text.entities.iter().map(|entity| entity.end - entity.start).sum::<usize>());
        }

        #[test]
        fn any_entities_on_any_text_stay_in_bounds(plain in ".{0,40}", ranges in proptest::collection::vec((0_u64..60, 0_u64..60), 0..8)) {
            let wire: Vec<_> = ranges.iter().map(|(offset, length)| wire_entity("bold", *offset, *length)).collect();
            let text = read(plain, &wire);
            for entity in &text.entities {
                proptest::prop_assert!(text.plain.get(entity.start..entity.end).is_some());
            }
            proptest::prop_assert_eq!(entities(&text).len(), text.entities.len());
        }
    }
}
