//! Text for a terminal: formatting becomes words or bold, and nothing that people or networks wrote can move the cursor,
//! colour the screen or turn the reading direction. It knows nothing of cards and numbers.

use crate::model::{EntityKind, Text};
use crate::tree::{Node, tree};

/// Takes out what a terminal would act on: control characters (so every escape sequence) and the bidirectional marks
/// of Unicode's annex 9, which can make one name read as another. Line breaks stay.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' => Some('\n'),
            '\t' => Some(' '),
            '\u{2028}' | '\u{2029}' => Some('\n'),
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            c if c.is_control() => None,
            c => Some(c),
        })
        .collect()
}

/// The same on one line.
pub(crate) fn clean_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

/// Draws a text; bold only with `ansi`.
pub(crate) fn draw(text: &Text, ansi: bool) -> String {
    let mut out = String::new();
    draw_nodes(&tree(text), ansi, &mut out);
    out
}

fn draw_nodes(nodes: &[Node<'_>], ansi: bool, out: &mut String) {
    for node in nodes {
        match node {
            Node::Plain(plain) => out.push_str(&clean(plain)),
            Node::Styled(EntityKind::Bold, children) if ansi => {
                out.push_str("\x1b[1m");
                draw_nodes(children, ansi, out);
                out.push_str("\x1b[22m");
            }
            Node::Styled(EntityKind::Link(url), children) => {
                let from = out.len();
                draw_nodes(children, ansi, out);
                let url = clean_line(url);
                if out[from..] != url {
                    out.push_str(&format!(" ({url})"));
                }
            }
            Node::Styled(EntityKind::Quote, children) => {
                let mut quoted = String::new();
                draw_nodes(children, ansi, &mut quoted);
                let lines: Vec<String> = quoted.lines().map(|line| format!("> {line}")).collect();
                out.push_str(&lines.join("\n"));
            }
            Node::Styled(_, children) => draw_nodes(children, ansi, out),
        }
    }
}
