//! Text with formatting as a tree, which is what a surface without entities of its own draws from. It mends what can't
//! be drawn (ranges past the end, inside a character, crossing) and must not know how anything is drawn.

use crate::model::{Entity, EntityKind, Text};

/// Deeper nesting than this is drawn flat: nobody can see it, and recursion stays bounded.
const DEEPEST: usize = 16;

/// A piece of text.
#[derive(Debug, PartialEq)]
pub(crate) enum Node<'a> {
    /// Characters.
    Plain(&'a str),
    /// A formatted range.
    Styled(&'a EntityKind, Vec<Node<'a>>),
}

/// The tree of a text.
pub(crate) fn tree(text: &Text) -> Vec<Node<'_>> {
    let plain = text.plain.as_str();
    let mut ranges: Vec<(usize, usize, &EntityKind)> = text
        .entities
        .iter()
        .map(|entity| (floor(plain, entity.start), floor(plain, entity.end), &entity.kind))
        .filter(|(start, end, _)| start < end)
        .collect();
    ranges.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
    build(plain, 0, plain.len(), &mut ranges.into_iter().peekable(), 0)
}

fn build<'a>(
    plain: &'a str,
    from: usize,
    to: usize,
    ranges: &mut std::iter::Peekable<std::vec::IntoIter<(usize, usize, &'a EntityKind)>>,
    depth: usize,
) -> Vec<Node<'a>> {
    let mut nodes = Vec::new();
    let mut at = from;
    while let Some((start, end, kind)) = ranges.next_if(|(start, _, _)| *start < to) {
        let (start, end) = (start.max(at), end.min(to));
        if start >= end || depth >= DEEPEST {
            continue;
        }
        if start > at {
            nodes.push(Node::Plain(&plain[at..start]));
        }
        nodes.push(Node::Styled(kind, build(plain, start, end, ranges, depth + 1)));
        at = end;
    }
    if at < to {
        nodes.push(Node::Plain(&plain[at..to]));
    }
    nodes
}

/// The last character boundary at or before `at`.
fn floor(plain: &str, at: usize) -> usize {
    let mut at = at.min(plain.len());
    while !plain.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A part of a text, with the formatting that touches it.
pub(crate) fn slice(text: &Text, from: usize, to: usize) -> Text {
    let (from, to) = (floor(&text.plain, from), floor(&text.plain, to));
    let entities = text
        .entities
        .iter()
        .filter(|entity| entity.start < to && entity.end > from)
        .map(|entity| Entity {
            start: entity.start.max(from) - from,
            end: entity.end.min(to) - from,
            kind: entity.kind.clone(),
        })
        .collect();
    Text { plain: text.plain[from..to].to_owned(), entities }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_kept_and_nonsense_is_mended() {
        let mut text = Text::from("é bold both");
        text.entities = vec![
            Entity { start: 1, end: 8, kind: EntityKind::Bold },
            Entity { start: 3, end: 5, kind: EntityKind::Italic },
            Entity { start: 6, end: 900, kind: EntityKind::Strike },
        ];
        let nodes = tree(&text);
        assert_eq!(
            nodes,
            [
                Node::Styled(
                    &EntityKind::Bold,
                    vec![
                        Node::Plain("é "),
                        Node::Styled(&EntityKind::Italic, vec![Node::Plain("bo")]),
                        Node::Plain("l"),
                        Node::Styled(&EntityKind::Strike, vec![Node::Plain("d ")]),
                    ]
                ),
                Node::Plain("both"),
            ]
        );
        assert_eq!(slice(&text, 3, 7).plain, "bold");
        assert_eq!(slice(&text, 3, 7).entities.len(), 3);
    }
}
