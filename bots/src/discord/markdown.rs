//! Text as Discord's markdown, in pieces of at most 2,000 characters. People's words are escaped, so that a name can't
//! format, link or mention. It knows nothing of messages, buttons or the network.

use unicode_segmentation::UnicodeSegmentation;

use crate::model::{EntityKind, Text};
use crate::tree::{Node, slice, tree};

/// A bot's message holds 2,000 characters (create-message page); counted in UTF-16 units, the strictest reading.
pub(crate) const LONGEST: usize = 2000;

/// A longer address is left out of the text: no single piece could hold it with its words.
const LONGEST_ADDRESS: usize = 1000;

/// How many characters Discord counts, at the most.
pub(crate) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Draws a text.
pub(crate) fn draw(text: &Text) -> String {
    let mut out = String::new();
    draw_nodes(&tree(text), 0, &mut out);
    out
}

/// Cuts a text into pieces that fit, at the best place near each limit: a paragraph, a line, a sentence, a word.
/// Always at least one piece.
pub(crate) fn split(text: &Text, limit: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let whole = text.plain.len();
    loop {
        let rest = slice(text, from, whole);
        let drawn = draw(&rest);
        if length(&drawn) <= limit {
            if !drawn.trim().is_empty() || pieces.is_empty() {
                pieces.push(drawn.trim_end().to_owned());
            }
            return pieces;
        }
        let cut = cut(&rest, limit);
        let piece = draw(&slice(&rest, 0, cut));
        if !piece.trim().is_empty() {
            pieces.push(piece.trim_end().to_owned());
        }
        from += cut;
        from += text.plain[from..].len() - text.plain[from..].trim_start_matches(['\n', ' ']).len();
    }
}

/// Where to cut, in bytes: after as much as fits, moved back to a good place; more than nothing in any case.
fn cut(text: &Text, limit: usize) -> usize {
    let fits = |to: usize| length(&draw(&slice(text, 0, to))) <= limit;
    let mut ends: Vec<usize> = text.plain.grapheme_indices(true).map(|(at, cluster)| at + cluster.len()).collect();
    if !ends.first().is_some_and(|end| fits(*end)) {
        // A single cluster of thousands of marks: cut inside it, or give it a piece that Discord will refuse.
        ends = text.plain.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
    }
    let most = ends.partition_point(|end| fits(*end)).max(1) - 1;
    let most = ends.get(most).copied().unwrap_or(text.plain.len());
    let head = &text.plain[..most];
    let good = ["\n\n", "\n", ". ", " "]
        .iter()
        .find_map(|mark| head.rfind(mark).map(|at| at + mark.len()).filter(|at| *at * 2 >= most && fits(*at)));
    good.unwrap_or(most)
}

fn draw_nodes(nodes: &[Node<'_>], depth: usize, out: &mut String) {
    for node in nodes {
        match node {
            Node::Plain(plain) => escape(plain, depth == 0, out),
            Node::Styled(kind, children) => styled(kind, children, depth, out),
        }
    }
}

fn styled(kind: &EntityKind, children: &[Node<'_>], depth: usize, out: &mut String) {
    match kind {
        EntityKind::Bold => wrapped("**", children, depth, out),
        EntityKind::Italic => wrapped("*", children, depth, out),
        EntityKind::Underline => wrapped("__", children, depth, out),
        EntityKind::Strike => wrapped("~~", children, depth, out),
        EntityKind::Spoiler => wrapped("||", children, depth, out),
        EntityKind::Code => code(&bare(children), out),
        EntityKind::Pre(language) => {
            // Nothing escapes a fence inside a block: a zero-width space between its ticks does.
            let content = bare(children).replace("```", "`\u{200b}`\u{200b}`");
            let language = language.as_deref().unwrap_or_default();
            let language: String = language.chars().filter(char::is_ascii_alphanumeric).collect();
            out.push_str(&format!("```{language}\n{content}\n```"));
        }
        EntityKind::Quote => {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            let mut quoted = String::new();
            draw_nodes(children, depth + 1, &mut quoted);
            let lines: Vec<String> = quoted.lines().map(|line| format!("> {line}")).collect();
            out.push_str(&lines.join("\n"));
        }
        EntityKind::Link(url) => link(url, children, depth, out),
    }
}

/// Discord draws markers only around something, and an italic star only beside a letter: spaces move outside.
fn wrapped(marker: &str, children: &[Node<'_>], depth: usize, out: &mut String) {
    let mut inner = String::new();
    draw_nodes(children, depth + 1, &mut inner);
    let words = inner.trim();
    if words.is_empty() {
        out.push_str(&inner);
        return;
    }
    let lead = inner.len() - inner.trim_start().len();
    let tail = inner.trim_end().len();
    out.push_str(&inner[..lead]);
    out.push_str(marker);
    out.push_str(words);
    out.push_str(marker);
    out.push_str(&inner[tail..]);
}

/// Inline code: nothing is escaped inside, so its fence is one tick longer than any run of ticks in it.
fn code(content: &str, out: &mut String) {
    if content.trim().is_empty() {
        out.push_str(content);
        return;
    }
    let longest = content.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    out.push_str(&format!("{fence}{pad}{content}{pad}{fence}"));
}

fn link(url: &str, children: &[Node<'_>], depth: usize, out: &mut String) {
    let words = bare(children);
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    if !is_web || url.len() > LONGEST_ADDRESS {
        return draw_nodes(children, depth + 1, out);
    }
    // The address must not end the brackets around it.
    let mut address = String::new();
    for c in url.chars() {
        match c {
            '<' => address.push_str("%3C"),
            '>' => address.push_str("%3E"),
            '(' => address.push_str("%28"),
            ')' => address.push_str("%29"),
            '\\' => address.push_str("%5C"),
            '`' => address.push_str("%60"),
            c if c.is_whitespace() || c.is_control() => address.push_str("%20"),
            c => address.push(c),
        }
    }
    if words == url {
        out.push_str(&format!("<{address}>"));
        return;
    }
    let mut drawn = String::new();
    draw_nodes(children, depth + 1, &mut drawn);
    // Discord draws no link whose words look like another address: then both are shown.
    if words.contains("://") || words.contains('\n') {
        out.push_str(&format!("{drawn} (<{address}>)"));
    } else {
        out.push_str(&format!("[{drawn}](<{address}>)"));
    }
}

/// The words without formatting.
fn bare(nodes: &[Node<'_>]) -> String {
    nodes
        .iter()
        .map(|node| match node {
            Node::Plain(plain) => (*plain).to_owned(),
            Node::Styled(_, children) => bare(children),
        })
        .collect()
}

/// Escapes what Discord would read as formatting, mention, emoji or link. A web address at the top level stays as it is:
/// Discord reads it before any formatting, and a backslash in it would break it.
fn escape(plain: &str, addresses: bool, out: &mut String) {
    let mut rest = plain;
    while let Some(c) = rest.chars().next() {
        if addresses && (rest.starts_with("https://") || rest.starts_with("http://")) {
            let end = rest.find(|c: char| !is_address(c)).unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let tail = &rest[c.len_utf8()..];
        let special = match c {
            '\\' | '*' | '_' | '~' | '|' | '`' | '<' | '[' | ']' => true,
            '#' | '-' | '+' | '>' => starts_line(out),
            '@' => tail.starts_with("everyone") || tail.starts_with("here"),
            ':' => tail.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '+' || c == '-'),
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(c);
        rest = tail;
    }
}

fn is_address(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#@!$&'()*+,;=%".contains(c)
}

/// Whether what comes next begins a line, where headings, lists and quotes are read.
fn starts_line(out: &str) -> bool {
    out.rsplit('\n').next().is_none_or(|line| line.chars().all(|c| c == ' ' || c == '>'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Entity;

    #[test]
    fn formatting_is_drawn() {
        let mut text = Text::default();
        text.bold("Acme*").push(" at ").link("the [page]", "https://a.example/x_(y)").push(", ").code("/start a`b");
        assert_eq!(draw(&text), "**Acme\\*** at [the \\[page\\]](<https://a.example/x_%28y%29>), `` /start a`b ``");

        let mut text = Text::default();
        text.push("# no heading\n- no list\n> no quote a-b #1\n").push_as(" spaced ", EntityKind::Italic);
        assert_eq!(draw(&text), "\\# no heading\n\\- no list\n\\> no quote a-b #1\n *spaced* ");

        let mut text = Text::from("see https://a.example/b_c*d?e=1 and @everyone <@1> :smile: 14:35: x");
        assert_eq!(draw(&text), "see https://a.example/b_c*d?e=1 and \\@everyone \\<@1> \\:smile: 14\\:35: x");
        text.entities = vec![Entity { start: 0, end: 10, kind: EntityKind::Spoiler }];
        assert!(draw(&text).starts_with("||see http"));

        let mut text = Text::from("a ");
        text.push_as("one\ntwo", EntityKind::Quote).push("\n").push_as("x```y", EntityKind::Pre(Some("ru`st".into())));
        assert_eq!(draw(&text), "a \n> one\n> two\n```rust\nx`\u{200b}`\u{200b}`y\n```");

        let mut text = Text::default();
        text.link("https://good.example", "https://evil.example").push(" ").link("run", "javascript:alert(1)");
        assert_eq!(draw(&text), "https://good.example (<https://evil.example>) run");
    }

    #[test]
    fn long_texts_are_cut_at_good_places_and_keep_their_formatting() {
        let line = "word ".repeat(30);
        let mut text = Text::default();
        for _ in 0..40 {
            text.push(line.trim()).push("\n");
        }
        text.entities = vec![Entity { start: 0, end: text.plain.len(), kind: EntityKind::Bold }];
        let pieces = split(&text, LONGEST);
        assert_eq!(pieces.len(), 4);
        for piece in &pieces {
            assert!(length(piece) <= LONGEST && piece.starts_with("**word") && piece.ends_with("word**"), "{piece}");
        }
        assert_eq!(split(&Text::default(), LONGEST), [""]);
        assert_eq!(
            split(&"x".repeat(4001).into(), LONGEST).iter().map(String::len).collect::<Vec<_>>(),
            [2000, 2000, 1]
        );
        let marks = format!("a{}", "\u{301}".repeat(3000));
        assert!(split(&marks.into(), LONGEST).iter().all(|piece| length(piece) <= LONGEST));
    }

    /// Takes the escapes out again: what is left active, and what is shown.
    fn unescape(drawn: &str) -> (String, String) {
        let (mut active, mut shown) = (String::new(), String::new());
        let mut chars = drawn.chars();
        while let Some(c) = chars.next() {
            let c = if c == '\\' {
                chars.next().unwrap()
            } else {
                active.push(c);
                c
            };
            shown.push(c);
        }
        (active, shown)
    }

    proptest! {
        #[test]
        fn no_words_format(words in "[a-z *_~|`<>@#\\[\\]()\\\\:\n-]{0,60}") {
            let (active, shown) = unescape(&draw(&words.as_str().into()));
            prop_assert_eq!(shown, words);
            prop_assert!(!active.contains(['*', '_', '~', '|', '`', '<', '[', ']']), "{}", active);
        }

        #[test]
        fn pieces_fit_and_lose_no_word(words in "([a-z]{1,9}|[*_]{1,5}|\u{1f600}|\n)( |\n| [a-z*]{1,30} ){0,40}", limit in 30usize..80, start in 0usize..50, end in 0usize..90) {
            let text = Text { plain: words.clone(), entities: vec![Entity { start, end, kind: EntityKind::Bold }] };
            let pieces = split(&text, limit);
            prop_assert!(pieces.iter().all(|piece| length(piece) <= limit), "{:?}", pieces);
            let kept = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            prop_assert_eq!(kept(&pieces.concat()), kept(&words));
        }
    }
}
