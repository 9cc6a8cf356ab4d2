//! Our marks as Telegram's message entities. Telegram counts positions and lengths in UTF-16 code units, we in bytes of
//! UTF-8. Entities instead of HTML: what a person typed can't be taken for markup, and nothing needs escaping. It makes
//! no call.

use serde_json::{Value, json};

use crate::domain::post::{RichText, Style};

/// The length of a text as Telegram counts it.
pub(super) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The entities of a text, in its order; empty and out-of-range marks are left out, and a mark that starts or ends inside
/// a character begins with it.
pub(super) fn entities(text: &RichText) -> Vec<Value> {
    let position = |byte: usize| length(&text.plain[..text.plain.floor_char_boundary(byte)]);
    text.marks
        .iter()
        .filter_map(|mark| {
            let (offset, end) = (position(mark.start), position(mark.end));
            (offset < end).then(|| {
                let mut entity = json!({ "type": kind(&mark.style), "offset": offset, "length": end - offset });
                match &mark.style {
                    Style::Link(url) => entity["url"] = json!(url),
                    Style::Pre(Some(language)) => entity["language"] = json!(language),
                    _ => {}
                }
                entity
            })
        })
        .collect()
}

/// Bot API 10.1, MessageEntity.
fn kind(style: &Style) -> &'static str {
    match style {
        Style::Bold => "bold",
        Style::Italic => "italic",
        Style::Underline => "underline",
        Style::Strike => "strikethrough",
        Style::Spoiler => "spoiler",
        Style::Code => "code",
        Style::Pre(_) => "pre",
        Style::Quote => "blockquote",
        Style::Link(_) => "text_link",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::post::Mark;

    fn rich(plain: &str, start: usize, end: usize, style: Style) -> RichText {
        RichText { plain: plain.to_owned(), marks: vec![Mark { start, end, style }] }
    }

    #[test]
    fn emoji_and_right_to_left_text_count_as_telegram_counts() {
        // The family is eleven UTF-16 units, the Hebrew letters one each.
        let plain = "👨‍👩‍👧‍👦 שלום world";
        let start = plain.find("שלום").unwrap();
        let text = rich(plain, start, start + "שלום".len(), Style::Bold);
        assert_eq!(entities(&text), [json!({ "type": "bold", "offset": 12, "length": 4 })]);
    }

    #[test]
    fn links_and_languages_go_along() {
        let text = rich("see", 0, 3, Style::Link("https://example.com".into()));
        assert_eq!(entities(&text)[0]["url"], "https://example.com");
        let text = rich("x=1", 0, 3, Style::Pre(Some("rust".into())));
        assert_eq!(entities(&text)[0]["language"], "rust");
        assert_eq!(entities(&text)[0]["type"], "pre");
    }

    proptest! {
        /// Cutting the UTF-16 text at an entity gives the words that were marked.
        #[test]
        fn an_entity_covers_the_marked_words(before in "\\PC{0,12}", marked in "[\\PC😀👩‍🚀שä]{1,12}", after in "\\PC{0,12}") {
            let plain = format!("{before}{marked}{after}");
            let text = rich(&plain, before.len(), before.len() + marked.len(), Style::Italic);
            let entities = entities(&text);
            prop_assert_eq!(entities.len(), 1);
            let units: Vec<u16> = plain.encode_utf16().collect();
            let at = |name: &str| usize::try_from(entities[0][name].as_u64().unwrap()).unwrap();
            let cut = String::from_utf16(&units[at("offset")..at("offset") + at("length")]).unwrap();
            prop_assert_eq!(cut, marked);
        }

        /// Any positions, also wrong ones, give entities inside the text, and no panic.
        #[test]
        fn wrong_marks_do_no_harm(plain in "[\\PC😀ש]{0,20}", start in 0usize..90, end in 0usize..90) {
            for entity in entities(&rich(&plain, start, end, Style::Code)) {
                let reach = entity["offset"].as_u64().unwrap() + entity["length"].as_u64().unwrap();
                prop_assert!(usize::try_from(reach).unwrap() <= length(&plain));
            }
        }
    }
}
