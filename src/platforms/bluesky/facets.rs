//! Links, mentions and tags in a text, by the rules of the vendor's own client (platforms.md 12.3), and the links that
//! a person put behind words. Pure: who a mention means is asked elsewhere.

use std::sync::LazyLock;

use regex::Regex;
use unicode_segmentation::UnicodeSegmentation;
use url::Url;

use crate::domain::post::{RichText, Style};

/// One range of a text that leads somewhere; positions are bytes of UTF-8, as facets count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
    /// Where it leads.
    pub(super) leads: Leads,
}

/// Where a range leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// To an address.
    Link(String),
    /// To whoever has this handle (lower case).
    Mention(String),
    /// To everything with this tag.
    Tag(String),
}

/// The most of a tag (lexicon app.bsky.richtext.facet#tag).
const TAG_GRAPHEMES: usize = 64;
const TAG_BYTES: usize = 640;

fn rule(pattern: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants, and a test runs each of them")]
    Regex::new(pattern).expect("a valid pattern")
}

static MENTION: LazyLock<Regex> = LazyLock::new(|| rule(r"(?:^|\s|\()@([a-zA-Z0-9.-]*[a-zA-Z0-9])\b"));
static LINK: LazyLock<Regex> =
    LazyLock::new(|| rule(r"(?im)(?:^|\s|\()(https?://\S+|(?<domain>[a-z][a-z0-9]*(?:\.[a-z0-9]+)+)\S*)"));
/// What ends a tag: white space and the invisible characters that the vendor's client names.
static TAG: LazyLock<Regex> = LazyLock::new(|| {
    let end = r"\s\x{AD}\x{2060}\x{200A}\x{200B}\x{200C}\x{200D}\x{20e2}";
    rule(&format!(r"(?:^|\s)([#＃])([^{end}]*[^\d\p{{P}}{end}]+[^{end}]*)"))
});
static CASHTAG: LazyLock<Regex> =
    LazyLock::new(|| rule(r#"(?:^|\s|\()\$([A-Za-z][A-Za-z0-9]{0,4})(?:$|[\s.,;:!?)"'’])"#));
static PUNCTUATION_AT_END: LazyLock<Regex> = LazyLock::new(|| rule(r"\p{P}+$"));

/// Everything in the text that leads somewhere, sorted and never overlapping. What a person put behind words wins.
pub(super) fn detect(text: &RichText) -> Vec<Spot> {
    let mut spots: Vec<Spot> = Vec::new();
    let found =
        marked(text).into_iter().chain(links(&text.plain)).chain(mentions(&text.plain)).chain(tags(&text.plain));
    for spot in found {
        if spots.iter().all(|other| spot.end <= other.start || other.end <= spot.start) {
            spots.push(spot);
        }
    }
    spots.sort_by_key(|spot| spot.start);
    spots
}

/// Only web addresses: others mean something inside the chat they come from.
fn is_web(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn marked(text: &RichText) -> Vec<Spot> {
    let spots = text.marks.iter().filter_map(|mark| {
        let Style::Link(uri) = &mark.style else { return None };
        let words = text.plain.get(mark.start..mark.end)?;
        let start = mark.start + (words.len() - words.trim_start().len());
        let end = start + words.trim().len();
        (start < end && is_web(uri)).then(|| Spot { start, end, leads: Leads::Link(uri.clone()) })
    });
    spots.collect()
}

fn is_domain(name: &str) -> bool {
    psl::suffix(name.to_ascii_lowercase().as_bytes()).is_some_and(|suffix| suffix.is_known() && suffix != name)
}

fn links(text: &str) -> Vec<Spot> {
    let spots = LINK.captures_iter(text).filter_map(|found| {
        let whole = found.get(1)?;
        let mut words = whole.as_str();
        let bare = found.name("domain");
        if bare.is_some_and(|domain| !is_domain(domain.as_str())) {
            return None;
        }
        words = words.strip_suffix(['.', ',', ';', ':', '!', '?']).unwrap_or(words);
        if !words.contains('(') {
            words = words.strip_suffix(')').unwrap_or(words);
        }
        let uri = if bare.is_some() { format!("https://{words}") } else { words.to_owned() };
        let (start, end) = (whole.start(), whole.start() + words.len());
        is_web(&uri).then_some(Spot { start, end, leads: Leads::Link(uri) })
    });
    spots.collect()
}

fn mentions(text: &str) -> Vec<Spot> {
    let spots = MENTION.captures_iter(text).filter_map(|found| {
        let name = found.get(1)?;
        let handle = name.as_str().to_ascii_lowercase();
        let known = is_domain(&handle) || handle.ends_with(".test");
        known.then(|| Spot { start: name.start() - 1, end: name.end(), leads: Leads::Mention(handle) })
    });
    spots.collect()
}

fn tags(text: &str) -> Vec<Spot> {
    let tags = TAG.captures_iter(text).filter_map(|found| {
        let (sign, name) = (found.get(1)?, found.get(2)?);
        let tag = PUNCTUATION_AT_END.replace(name.as_str(), "");
        // A variation selector makes a keycap emoji of the sign.
        let fits = !tag.is_empty()
            && !tag.starts_with('\u{fe0f}')
            && tag.len() <= TAG_BYTES
            && tag.graphemes(true).count() <= TAG_GRAPHEMES;
        let end = name.start() + tag.len();
        fits.then(|| Spot { start: sign.start(), end, leads: Leads::Tag(tag.into_owned()) })
    });
    let cashtags = CASHTAG.captures_iter(text).filter_map(|found| {
        let name = found.get(1)?;
        let tag = format!("${}", name.as_str().to_ascii_uppercase());
        Some(Spot { start: name.start() - 1, end: name.end(), leads: Leads::Tag(tag) })
    });
    tags.chain(cashtags).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::post::Mark;

    fn found(text: &str) -> Vec<(String, Leads)> {
        let text = RichText { plain: text.to_owned(), marks: vec![] };
        detect(&text).into_iter().map(|spot| (text.plain[spot.start..spot.end].to_owned(), spot.leads)).collect()
    }

    fn one(text: &str) -> Option<(String, Leads)> {
        let mut all = found(text);
        assert!(all.len() <= 1, "{text}: {all:?}");
        all.pop()
    }

    fn pair(words: &str, leads: Leads) -> Option<(String, Leads)> {
        Some((words.to_owned(), leads))
    }

    #[test]
    fn links_by_the_reference_rules() {
        let link = |words: &str, uri: &str| pair(words, Leads::Link(uri.to_owned()));
        for (text, expected) in [
            ("see https://example.org/a?b=c#d.", link("https://example.org/a?b=c#d", "https://example.org/a?b=c#d")),
            ("(https://example.org/a)", link("https://example.org/a", "https://example.org/a")),
            ("https://example.org/a_(b)", link("https://example.org/a_(b)", "https://example.org/a_(b)")),
            ("größe: example.com/x, ja", link("example.com/x", "https://example.com/x")),
            ("Example.COM!", link("Example.COM", "https://Example.COM")),
            ("👨‍👩‍👧 http://a.example", link("http://a.example", "http://a.example")),
            ("a file main.rs.bak here", None),
            ("version 1.2.3", None),
            ("end.Begin", None),
            ("https://.", None),
            ("mailto:me@example.org", None),
        ] {
            assert_eq!(one(text), expected, "{text}");
        }
    }

    #[test]
    fn mentions_by_the_reference_rules() {
        let mention = |words: &str| pair(words, Leads::Mention(words[1..].to_lowercase()));
        for (text, expected) in [
            ("hi @Alice.bsky.social.", mention("@Alice.bsky.social")),
            ("(@alice.test)", mention("@alice.test")),
            ("é @alice.test", mention("@alice.test")),
            ("@alice", None),
            ("@alice.notatld1", None),
            ("me@example.org", None),
            ("@under_score.com", None),
        ] {
            assert_eq!(one(text), expected, "{text}");
        }
        assert_eq!(found("@a.test @b.test").len(), 2);
    }

    #[test]
    fn tags_by_the_reference_rules() {
        let tag = |words: &str, tag: &str| pair(words, Leads::Tag(tag.to_owned()));
        for (text, expected) in [
            ("a #tag, b", tag("#tag", "tag")),
            ("#größe!?", tag("#größe", "größe")),
            ("＃full", tag("＃full", "full")),
            ("#1a", tag("#1a", "1a")),
            ("#1", None),
            ("#!?", None),
            ("#\u{fe0f}\u{20e3}", None),
            ("a#b", None),
            ("buy $aapl now", tag("$aapl", "$AAPL")),
            ("$5", None),
            ("$TOOLONG", None),
        ] {
            assert_eq!(one(text), expected, "{text}");
        }
        assert_eq!(one(&format!("#{}", "a".repeat(65))), None);
        assert_eq!(found("#a #b #c").len(), 3);
    }

    #[test]
    fn what_stands_behind_words_wins() {
        let mark = |start, end, uri: &str| Mark { start, end, style: Style::Link(uri.to_owned()) };
        let text = RichText {
            plain: "see example.com and  here ok".to_owned(),
            marks: vec![
                mark(4, 15, "https://other.example/"),
                mark(20, 26, "https://x.example"),
                mark(26, 28, "tg://user?id=1"),
            ],
        };
        assert_eq!(
            detect(&text),
            [
                Spot { start: 4, end: 15, leads: Leads::Link("https://other.example/".to_owned()) },
                Spot { start: 21, end: 25, leads: Leads::Link("https://x.example".to_owned()) },
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_gives_ranges_that_are_sorted_apart_and_whole(
            plain in r"([a-z#@$＃(). é👨‍👩‍👧\n]|https://a\.example/|@a\.test|#tag|b\.com){0,60}"
        ) {
            let text = RichText { plain: plain.clone(), marks: vec![] };
            let mut last = 0;
            for spot in detect(&text) {
                prop_assert!(last <= spot.start && spot.start < spot.end);
                prop_assert!(plain.get(spot.start..spot.end).is_some());
                last = spot.end;
            }
        }
    }
}
