//! Our marks as Discord's markdown. What a person typed stays as typed: its markdown is theirs. It makes no call.

use std::cmp::Reverse;

use crate::domain::post::{Mark, RichText, Style};

/// The text with its marks written out.
pub(super) fn render(text: &RichText) -> String {
    let plain = text.plain.as_str();
    let mut marks: Vec<Mark> = text
        .marks
        .iter()
        .map(|mark| Mark {
            start: plain.floor_char_boundary(mark.start),
            end: plain.floor_char_boundary(mark.end),
            style: mark.style.clone(),
        })
        .filter(|mark| mark.start < mark.end)
        .collect();
    marks.sort_by_key(|mark| (mark.start, Reverse(mark.end)));
    write(plain, 0, plain.len(), &marks)
}

/// Writes `plain[start..end]`; `marks` are the ones that start in it, outer ones first.
fn write(plain: &str, start: usize, end: usize, marks: &[Mark]) -> String {
    let mut out = String::new();
    let mut at = start;
    let mut rest = marks;
    while let [mark, tail @ ..] = rest {
        let inner = tail.iter().take_while(|inner| inner.start < mark.end).count();
        // Marks never cross; one that does ends with the mark around it.
        let stop = mark.end.min(end);
        out.push_str(&plain[at..mark.start]);
        let words = match mark.style {
            // Nothing is formatted inside code.
            Style::Code | Style::Pre(_) => plain[mark.start..stop].to_owned(),
            _ => write(plain, mark.start, stop, &tail[..inner]),
        };
        let at_line_start = out.is_empty() && start == 0 || out.ends_with('\n');
        let at_line_end = stop == plain.len() || plain[stop..].starts_with('\n');
        out.push_str(&wrap(&words, &mark.style, at_line_start, at_line_end));
        at = stop;
        rest = &tail[inner..];
    }
    out.push_str(&plain[at..end]);
    out
}

/// Puts one mark around its words. Blanks at the edges stay outside: Discord does not read `** bold **`.
fn wrap(words: &str, style: &Style, at_line_start: bool, at_line_end: bool) -> String {
    let core = words.trim();
    if core.is_empty() {
        return words.to_owned();
    }
    let (before, after) = (&words[..words.len() - words.trim_start().len()], &words[words.trim_end().len()..]);
    let both = |sign: &str| format!("{before}{sign}{core}{sign}{after}");
    match style {
        Style::Bold => both("**"),
        Style::Italic => both("*"),
        Style::Underline => both("__"),
        Style::Strike => both("~~"),
        Style::Spoiler => both("||"),
        // Two signs when the code itself has one; blanks keep them apart from it.
        Style::Code if core.contains('`') => format!("{before}`` {core} ``{after}"),
        Style::Code => both("`"),
        Style::Pre(language) => {
            format!("{before}```{}\n{core}\n```{after}", language.as_deref().unwrap_or_default())
        }
        Style::Quote => {
            let open = if at_line_start { "" } else { "\n" };
            let close = if at_line_end { "" } else { "\n" };
            let lines: Vec<String> = core.lines().map(|line| format!("> {line}")).collect();
            format!("{open}{}{close}", lines.join("\n"))
        }
        Style::Link(url) => format!("{before}[{core}]({}){after}", url.replace(' ', "%20").replace(')', "%29")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rendered(plain: &str, marks: &[(&str, Style)]) -> String {
        let marks = marks
            .iter()
            .map(|(words, style)| {
                let start = plain.find(words).unwrap();
                Mark { start, end: start + words.len(), style: style.clone() }
            })
            .collect();
        render(&RichText { plain: plain.into(), marks })
    }

    #[test]
    fn every_style_has_its_signs() {
        for (style, expected) in [
            (Style::Bold, "a **word** b"),
            (Style::Italic, "a *word* b"),
            (Style::Underline, "a __word__ b"),
            (Style::Strike, "a ~~word~~ b"),
            (Style::Spoiler, "a ||word|| b"),
            (Style::Code, "a `word` b"),
            (Style::Pre(None), "a ```\nword\n``` b"),
            (Style::Pre(Some("rust".into())), "a ```rust\nword\n``` b"),
            (Style::Quote, "a \n> word\n b"),
            (Style::Link("https://example.com/(1)".into()), "a [word](https://example.com/(1%29) b"),
        ] {
            assert_eq!(rendered("a word b", &[("word", style)]), expected);
        }
    }

    #[test]
    fn marks_nest_and_blanks_stay_outside() {
        assert_eq!(
            rendered("a big word b", &[("big word", Style::Bold), ("word", Style::Italic)]),
            "a **big *word*** b"
        );
        assert_eq!(rendered("a word b", &[(" word ", Style::Bold)]), "a **word** b");
        assert_eq!(rendered("one two", &[("one two", Style::Code), ("two", Style::Bold)]), "`one two`");
        assert_eq!(rendered("a `b` c", &[("a `b` c", Style::Code)]), "`` a `b` c ``");
        assert_eq!(rendered("one\ntwo\n\nend", &[("one\ntwo", Style::Quote)]), "> one\n> two\n\nend");
    }

    #[test]
    fn what_was_typed_stays_as_typed() {
        assert_eq!(rendered("**mine** _too_ @everyone \\*", &[]), "**mine** _too_ @everyone \\*");
    }

    proptest! {
        /// Any marks, also wrong and crossing ones: no panic, and no word is lost.
        #[test]
        fn no_word_is_lost(plain in "[a-zäש😀 \n]{0,30}", marks in prop::collection::vec((0usize..60, 0usize..60, 0usize..6), 0..5)) {
            let styles = [Style::Bold, Style::Italic, Style::Code, Style::Quote, Style::Pre(None), Style::Spoiler];
            let marks = marks.into_iter().map(|(start, end, style)| Mark { start, end, style: styles[style].clone() }).collect();
            let out = render(&RichText { plain: plain.clone(), marks });
            let words = |text: &str| text.chars().filter(|c| c.is_alphabetic() || *c == '😀').collect::<String>();
            prop_assert_eq!(words(&out), words(&plain));
        }
    }
}
