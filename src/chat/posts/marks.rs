//! Between the chat's text with entities and a post's text with marks. Pure; it trusts neither side's ranges.

use bots::{Entity, EntityKind, Text};

use crate::domain::post::{Mark, RichText, Style};
use crate::platforms::text::slice;

/// A post's text out of what somebody sent: ranges that don't fit the text are mended, white space at both ends is gone.
pub fn rich(text: &Text) -> RichText {
    let plain = text.plain.as_str();
    let mut marks: Vec<Mark> = text
        .entities
        .iter()
        .map(|entity| Mark {
            start: plain.floor_char_boundary(entity.start),
            end: plain.floor_char_boundary(entity.end),
            style: style(&entity.kind),
        })
        .filter(|mark| mark.start < mark.end)
        .collect();
    marks.sort_by_key(|mark| (mark.start, std::cmp::Reverse(mark.end)));
    // What would cross ends with the range it began in: marks nest.
    let mut open: Vec<usize> = Vec::new();
    for mark in &mut marks {
        open.retain(|end| *end > mark.start);
        if let Some(end) = open.iter().min() {
            mark.end = mark.end.min(*end);
        }
        open.push(mark.end);
    }
    let start = plain.len() - plain.trim_start().len();
    let end = plain.trim_end().len().max(start);
    slice(&RichText { plain: plain.to_owned(), marks }, start, end)
}

/// A post's text as the chat shows it.
pub fn shown(text: &RichText) -> Text {
    let entities =
        text.marks.iter().map(|mark| Entity { start: mark.start, end: mark.end, kind: kind(&mark.style) }).collect();
    Text { plain: text.plain.clone(), entities }
}

fn style(kind: &EntityKind) -> Style {
    match kind {
        EntityKind::Bold => Style::Bold,
        EntityKind::Italic => Style::Italic,
        EntityKind::Underline => Style::Underline,
        EntityKind::Strike => Style::Strike,
        EntityKind::Spoiler => Style::Spoiler,
        EntityKind::Code => Style::Code,
        EntityKind::Pre(language) => Style::Pre(language.clone()),
        EntityKind::Quote => Style::Quote,
        EntityKind::Link(url) => Style::Link(url.clone()),
    }
}

fn kind(style: &Style) -> EntityKind {
    match style {
        Style::Bold => EntityKind::Bold,
        Style::Italic => EntityKind::Italic,
        Style::Underline => EntityKind::Underline,
        Style::Strike => EntityKind::Strike,
        Style::Spoiler => EntityKind::Spoiler,
        Style::Code => EntityKind::Code,
        Style::Pre(language) => EntityKind::Pre(language.clone()),
        Style::Quote => EntityKind::Quote,
        Style::Link(url) => EntityKind::Link(url.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(start: usize, end: usize, kind: EntityKind) -> Entity {
        Entity { start, end, kind }
    }

    #[test]
    fn formatting_survives_both_ways() {
        let entities = vec![
            entity(0, 9, EntityKind::Quote),
            entity(0, 4, EntityKind::Bold),
            entity(5, 9, EntityKind::Link("https://a.example/".into())),
        ];
        let text = Text { plain: "bold link".into(), entities };
        let rich = rich(&text);
        assert_eq!(rich.marks.len(), 3);
        assert_eq!(shown(&rich), text);
    }

    #[test]
    fn white_space_around_goes_and_ranges_follow() {
        let text = Text { plain: "  é bold \n".into(), entities: vec![entity(5, 9, EntityKind::Bold)] };
        let rich = rich(&text);
        assert_eq!(rich.plain, "é bold");
        assert_eq!((rich.marks[0].start, rich.marks[0].end), (3, 7));
        assert_eq!(super::rich(&Text::from(" \n ")), RichText::default());
    }

    #[test]
    fn nonsense_is_mended() {
        let entities = vec![
            entity(0, 5, EntityKind::Bold),
            entity(3, 900, EntityKind::Italic),
            entity(1, 2, EntityKind::Code),
            entity(9, 4, EntityKind::Strike),
        ];
        // "é" is two bytes: 1 and 2 fall into and behind it.
        let rich = rich(&Text { plain: "é abcdef".into(), entities });
        for mark in &rich.marks {
            assert!(rich.plain.get(mark.start..mark.end).is_some_and(|words| !words.is_empty()), "{mark:?}");
        }
        let italic = rich.marks.iter().find(|mark| mark.style == Style::Italic).unwrap();
        assert_eq!((italic.start, italic.end), (3, 5), "it ends with the range it began in");
    }
}
