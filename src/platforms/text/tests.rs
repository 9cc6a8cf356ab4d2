//! Counting, judging and cutting, on examples and on any text.

use proptest::prelude::*;

use super::*;

fn limits(text: usize, unit: Unit) -> Limits {
    Limits {
        text,
        unit,
        text_bytes: None,
        url_weight: None,
        mention_without_host: false,
        link_marks: true,
        images: 4,
        videos: 1,
        media: 4,
        mixed: false,
        image_types: vec!["image/jpeg".into(), "image/png".into()],
        video_types: vec!["video/mp4".into()],
        image_bytes: 1_000_000,
        video_bytes: 300_000_000,
        total_bytes: None,
        video_ms: Some(600_000),
        alt: 100,
    }
}

fn rich(plain: &str) -> RichText {
    RichText { plain: plain.into(), marks: vec![] }
}

fn media(kind: MediaKind, mime: &str, bytes: u64) -> Media {
    let duration_ms = (kind == MediaKind::Video).then_some(601_000);
    Media { sha256: String::new(), kind, mime: mime.into(), bytes, width: 1, height: 1, duration_ms, alt: None }
}

fn whats(problems: &[Problem], severity: Severity) -> Vec<&str> {
    problems.iter().filter(|one| one.severity == severity).map(|one| one.what.as_str()).collect()
}

#[test]
fn a_family_is_one_character_two_units_each_and_seven_code_points() {
    let family = "👨‍👩‍👧‍👦";
    assert_eq!(measure(family, Unit::Graphemes), 1);
    assert_eq!(measure(family, Unit::Utf16), 11);
    assert_eq!(measure(family, Unit::CodePoints), 7);
}

#[test]
fn mastodon_counts_urls_as_23_and_mentions_without_host() {
    let mut limits = limits(500, Unit::Graphemes);
    limits.url_weight = Some(23);
    limits.mention_without_host = true;
    for (text, count) in [
        ("see https://example.org/a/very/long/path/that/goes/on?x=1 ok", 4 + 23 + 3),
        ("hi @alice@mastodon.social, you", 10 + 4),
        ("mail me@example.org", 19),
        ("@bob@example.org.", 5),
        ("@bob@example.org@x", 4 + 2),
        ("/@bob@example.org", 17),
        ("https://example.org/@bob@example.com", 23),
        ("é@ü@x", 5),
        ("ftp://example.org", 17),
    ] {
        assert_eq!(length(&limits, text), count, "{text}");
    }
}

#[test]
fn too_long_is_said_with_numbers() {
    let problems = preflight(&limits(300, Unit::Graphemes), &rich(&"a".repeat(312)), &[], &Options::default());
    assert_eq!(whats(&problems, Severity::Refused), ["the text is 312 characters there, 300 fit"]);
    assert_eq!(problems[0].fix, "Shorten it by 12.");
}

#[test]
fn bytes_count_too() {
    let mut limits = limits(300, Unit::Graphemes);
    limits.text_bytes = Some(3_000);
    let problems = preflight(&limits, &rich(&"👨‍👩‍👧‍👦".repeat(150)), &[], &Options::default());
    assert_eq!(whats(&problems, Severity::Refused), ["the text is 3,750 bytes long, 3,000 fit"]);
}

#[test]
fn a_content_warning_takes_room_and_written_links_too() {
    let mut limits = limits(12, Unit::Graphemes);
    let options = Options { content_warning: Some("spoiler".into()), ..Options::default() };
    assert_eq!(preflight(&limits, &rich("twelve chars"), &[], &options).len(), 1);
    let mark = Mark { start: 0, end: 4, style: Style::Link("https://x.example".into()) };
    let link = RichText { plain: "here".into(), marks: vec![mark] };
    assert_eq!(preflight(&limits, &link, &[], &Options::default()), []);
    limits.link_marks = false;
    assert_eq!(preflight(&limits, &link, &[], &Options::default()).len(), 1);
}

#[test]
fn files_are_judged_by_number_type_size_mix_length_and_description() {
    let limits = limits(300, Unit::Graphemes);
    let check = |media: &[Media]| preflight(&limits, &rich("x"), media, &Options::default());
    let jpeg = media(MediaKind::Image, "image/jpeg", 10);
    assert_eq!(check(std::slice::from_ref(&jpeg)), []);
    assert_eq!(whats(&check(&vec![jpeg.clone(); 5]), Severity::Refused), ["the post has 5 pictures, 4 fit"]);
    let big = check(&[media(MediaKind::Image, "image/png", 3_210_000)]);
    assert_eq!(whats(&big, Severity::Adjusted), ["the file is 3.3 MB, 1 MB fit; it will be made smaller"]);
    let webp = check(&[media(MediaKind::Image, "image/webp", 10)]);
    assert_eq!(whats(&webp, Severity::Adjusted), ["the file is WEBP, it will be sent as JPEG"]);
    let gif = check(&[media(MediaKind::Animation, "image/gif", 10)]);
    assert_eq!(whats(&gif, Severity::Refused), ["the file is GIF, which is not taken there"]);
    let film = check(&[jpeg.clone(), media(MediaKind::Video, "video/mp4", 400_000_000)]);
    assert_eq!(
        whats(&film, Severity::Refused),
        [
            "pictures and videos don't go together there",
            "file 2 is 400 MB, 300 MB fit",
            "file 2 is 10:01 minutes long, 10:00 minutes fit"
        ]
    );
    let told = Media { alt: Some("a".repeat(101)), ..jpeg };
    assert_eq!(whats(&check(&[told]), Severity::Refused), ["the description of the file is 101 characters, 100 fit"]);
    let nothing = preflight(&limits, &rich(" \n"), &[], &Options::default());
    assert_eq!(whats(&nothing, Severity::Refused), ["there is nothing in this post"]);
}

#[test]
fn links_are_written_out_where_the_words_do_not_say_them() {
    let mark = |start, end, url: &str| Mark { start, end, style: Style::Link(url.into()) };
    let text = RichText {
        plain: "read this and example.org/ too".into(),
        marks: vec![mark(5, 9, "https://a.example/x"), mark(14, 26, "https://example.org")],
    };
    assert_eq!(plain(&text), "read this (https://a.example/x) and example.org/ too");
}

#[test]
fn text_is_cut_where_a_reader_would_cut_it() {
    let pieces = |text: &str, max| -> Vec<String> {
        split(&rich(text), Unit::Graphemes, max).into_iter().map(|piece| piece.plain).collect()
    };
    assert_eq!(pieces("short", 10), ["short"]);
    assert_eq!(pieces("one two\n\nthree four", 12), ["one two", "three four"]);
    assert_eq!(pieces("one two\nthree four", 12), ["one two", "three four"]);
    assert_eq!(pieces("It is so. And more of it", 14), ["It is so.", "And more of it"]);
    assert_eq!(pieces("a few words here", 9), ["a few", "words", "here"]);
    assert_eq!(pieces("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    assert_eq!(pieces("code:\n    indented\n    more", 18), ["code:\n    indented", "    more"]);
}

#[test]
fn marks_go_on_in_the_next_piece() {
    let text = RichText {
        plain: "one two three".into(),
        marks: vec![
            Mark { start: 0, end: 13, style: Style::Quote },
            Mark { start: 4, end: 13, style: Style::Link("https://x.example".into()) },
        ],
    };
    let pieces = split(&text, Unit::Graphemes, 8);
    assert_eq!(pieces.len(), 2);
    assert_eq!((pieces[0].plain.as_str(), pieces[1].plain.as_str()), ("one two", "three"));
    let ranges = |piece: &RichText| piece.marks.iter().map(|mark| (mark.start, mark.end)).collect::<Vec<_>>();
    assert_eq!(ranges(&pieces[0]), [(0, 7), (4, 7)]);
    assert_eq!(ranges(&pieces[1]), [(0, 5), (0, 5)]);
}

fn unit() -> impl Strategy<Value = Unit> {
    prop_oneof![Just(Unit::Graphemes), Just(Unit::Utf16), Just(Unit::CodePoints)]
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "([a-zé👨‍👩‍👧 .!?@#/:\\n]|https://x\\.example |@a@b\\.example ){0,120}"]
}

proptest! {
    #[test]
    fn pieces_fit_and_lose_nothing_but_space(plain in words(), unit in unit(), max in 1_usize..40, a in 0_usize..200, b in 0_usize..200) {
        let at = |n: usize| plain.floor_char_boundary(n.min(plain.len()));
        let (start, end) = (at(a).min(at(b)), at(a).max(at(b)));
        let marks = if start < end { vec![Mark { start, end, style: Style::Bold }] } else { vec![] };
        let text = RichText { plain: plain.clone(), marks };
        let pieces = split(&text, unit, max);
        let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let together: String = pieces.iter().map(|piece| piece.plain.as_str()).collect();
        prop_assert_eq!(solid(&together), solid(&plain));
        let mut bold = String::new();
        for piece in &pieces {
            prop_assert!(measure(&piece.plain, unit) <= max.max(2));
            for mark in &piece.marks {
                bold.push_str(&piece.plain[mark.start..mark.end]);
            }
        }
        prop_assert_eq!(solid(&bold), solid(&plain[start..end]));
    }

    #[test]
    fn counting_never_panics_and_weighs_nothing_by_itself(plain in words(), unit in unit()) {
        let mut limits = limits(500, unit);
        prop_assert_eq!(length(&limits, &plain), measure(&plain, unit));
        limits.url_weight = Some(23);
        limits.mention_without_host = true;
        length(&limits, &plain);
    }
}
