//! Text by the numbers: how long it is where it goes, what does not fit and why, how long text is cut into pieces, and
//! how it reads without formatting. Everything follows from [`Limits`]; no platform is known here.

use std::borrow::Cow;

use linkify::{LinkFinder, LinkKind};
use unicode_segmentation::UnicodeSegmentation;

use super::{Limits, Unit};
use crate::domain::post::{Mark, Media, MediaKind, Options, RichText, Style};

/// What a post would meet on one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it stops the post.
    pub severity: Severity,
    /// What it is, with numbers, as in "the text is 312 characters there, 300 fit".
    pub what: String,
    /// What to do about it; empty when nothing has to be done.
    pub fix: String,
}

/// Whether a problem stops the post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The post can't go out like this.
    Refused,
    /// It goes out, changed in this way.
    Adjusted,
}

/// How long `text` is in that unit, as it stands.
pub fn measure(text: &str, unit: Unit) -> usize {
    match unit {
        Unit::Graphemes => text.graphemes(true).count(),
        Unit::Utf16 => text.encode_utf16().count(),
        Unit::CodePoints => text.chars().count(),
    }
}

/// How long `text` is as the platform counts it, URLs and mentions weighed.
pub fn length(limits: &Limits, text: &str) -> usize {
    measure(&as_counted(limits, text), limits.unit)
}

/// The text with every weighed URL as that many letters, and every mention as it counts.
fn as_counted<'a>(limits: &Limits, text: &'a str) -> Cow<'a, str> {
    if limits.url_weight.is_none() && !limits.mention_without_host {
        return Cow::Borrowed(text);
    }
    let mut counted = String::with_capacity(text.len());
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    for span in finder.spans(text) {
        let web =
            span.kind().is_some() && (span.as_str().starts_with("http://") || span.as_str().starts_with("https://"));
        match limits.url_weight {
            Some(weight) if web => counted.extend(std::iter::repeat_n('x', weight)),
            _ if web || !limits.mention_without_host => counted.push_str(span.as_str()),
            _ => without_hosts(span.as_str(), &mut counted),
        }
    }
    Cow::Owned(counted)
}

/// Copies `text` with `@user@host` as `@user` (Mastodon counts so: `(^|[^/\w])@(([a-z0-9_]+)@[a-z0-9.-]+[a-z0-9]+)`).
fn without_hosts(text: &str, into: &mut String) {
    let mut rest = text;
    let mut before = None;
    while let Some(at) = rest.find('@') {
        let (head, tail) = rest.split_at(at);
        into.push_str(head);
        before = head.chars().next_back().or(before);
        let name =
            tail[1..].len() - tail[1..].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        let after = &tail[1 + name..];
        let host = after.strip_prefix('@').map_or(0, |host| {
            let end = host.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-')).unwrap_or(host.len());
            host[..end].trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len()
        });
        let free = before.is_none_or(|c: char| !(c.is_alphanumeric() || c == '_' || c == '/'));
        into.push_str(&tail[..1 + name]);
        let taken = if free && name > 0 && host > 0 { 1 + name + 1 + host } else { 1 + name };
        before = tail[..taken].chars().next_back();
        rest = &tail[taken..];
    }
    into.push_str(rest);
}

/// The words without formatting; where words lead somewhere, the address stands behind them in brackets.
pub fn plain(text: &RichText) -> String {
    let mut links: Vec<(usize, &str)> = text
        .marks
        .iter()
        .filter_map(|mark| {
            let Style::Link(url) = &mark.style else { return None };
            let words = text.plain.get(mark.start..mark.end)?.trim();
            let bare = |url: &str| url.trim_start_matches("https://").trim_start_matches("http://").to_owned();
            let same = bare(words).trim_end_matches('/') == bare(url).trim_end_matches('/');
            (!same).then_some((mark.start + text.plain.get(mark.start..mark.end)?.trim_end().len(), url.as_str()))
        })
        .collect();
    links.sort_by_key(|(end, _)| *end);
    let mut written = String::with_capacity(text.plain.len());
    let mut from = 0;
    for (end, url) in links {
        written.push_str(text.plain.get(from..end).unwrap_or_default());
        written.push_str(&format!(" ({url})"));
        from = end;
    }
    written.push_str(text.plain.get(from..).unwrap_or_default());
    written
}

/// Everything that would go wrong or be changed, by the numbers alone. `options` holds only what the platform takes.
pub fn preflight(limits: &Limits, text: &RichText, media: &[Media], options: &Options) -> Vec<Problem> {
    let mut problems = Vec::new();
    let words = if limits.link_marks { Cow::Borrowed(&text.plain) } else { Cow::Owned(plain(text)) };
    if words.trim().is_empty() && media.is_empty() {
        problems.push(refused("there is nothing in this post", "Write something, or add a picture."));
    }
    check_length(limits, &words, options, &mut problems);
    check_counts(limits, media, &mut problems);
    for (index, one) in media.iter().enumerate() {
        let name = if media.len() == 1 { "the file".to_owned() } else { format!("file {}", index + 1) };
        check_file(limits, &name, one, &mut problems);
    }
    let total: u64 = media.iter().map(|one| one.bytes).sum();
    if let Some(room) = limits.total_bytes.filter(|room| total > *room) {
        let what = format!("the files are {} together, {} fit", megabytes(total), megabytes(room));
        problems.push(refused(what, "Send fewer or smaller files."));
    }
    problems
}

fn check_length(limits: &Limits, words: &str, options: &Options, problems: &mut Vec<Problem>) {
    // Mastodon counts the warning with the text (its StatusLengthValidator); others take no warning.
    let warning = options.content_warning.as_deref().unwrap_or_default();
    let length = length(limits, words) + measure(warning, limits.unit);
    if length > limits.text {
        let what = format!("the text is {} characters there, {} fit", grouped(length), grouped(limits.text));
        problems.push(refused(what, format!("Shorten it by {}.", grouped(length - limits.text))));
    }
    if let Some(room) = limits.text_bytes.filter(|room| words.len() > *room) {
        let what = format!("the text is {} bytes long, {} fit", grouped(words.len()), grouped(room));
        problems.push(refused(what, "Shorten it, or use fewer emoji."));
    }
}

/// Whether it takes one of the places for pictures: stills always do, a moving picture where its type is taken as one.
fn is_picture(limits: &Limits, media: &Media) -> bool {
    match media.kind {
        MediaKind::Image => true,
        MediaKind::Animation => limits.image_types.contains(&media.mime),
        MediaKind::Video => false,
    }
}

fn check_counts(limits: &Limits, media: &[Media], problems: &mut Vec<Problem>) {
    let pictures = media.iter().filter(|one| is_picture(limits, one)).count();
    let videos = media.len() - pictures;
    let mut check = |count: usize, room: usize, noun: &str| {
        if count > room {
            let fit = if room == 0 { format!("no {noun} fits") } else { format!("{} fit", grouped(room)) };
            let plural = if count == 1 { "" } else { "s" };
            let what = format!("the post has {} {noun}{plural}, {fit}", grouped(count));
            problems.push(refused(what, format!("Take out {}.", grouped(count - room))));
        }
    };
    check(pictures, limits.images, "picture");
    check(videos, limits.videos, "video");
    if pictures <= limits.images && videos <= limits.videos {
        check(media.len(), limits.media, "file");
    }
    if pictures > 0 && videos > 0 && !limits.mixed {
        problems.push(refused("pictures and videos don't go together there", "Make two posts of it."));
    }
}

fn check_file(limits: &Limits, name: &str, media: &Media, problems: &mut Vec<Problem>) {
    let picture = is_picture(limits, media);
    let still = media.kind == MediaKind::Image;
    let (types, room) =
        if picture { (&limits.image_types, limits.image_bytes) } else { (&limits.video_types, limits.video_bytes) };
    let kind = media.mime.rsplit('/').next().unwrap_or_default().to_uppercase();
    let becomes_jpeg = still && types.iter().any(|mime| mime == "image/jpeg");
    if !types.contains(&media.mime) {
        let what = format!("{name} is {kind}, which is not taken there");
        if becomes_jpeg {
            problems.push(adjusted(format!("{name} is {kind}, it will be sent as JPEG")));
        } else {
            let others: Vec<String> =
                types.iter().filter_map(|mime| mime.rsplit('/').next()).map(str::to_uppercase).collect();
            let fix =
                if others.is_empty() { "Leave it out.".to_owned() } else { format!("Use {}.", others.join(", ")) };
            problems.push(refused(what, fix));
        }
    }
    if media.bytes > room {
        let sizes = format!("{name} is {}, {} fit", megabytes(media.bytes), megabytes(room));
        if becomes_jpeg {
            problems.push(adjusted(format!("{sizes}; it will be made smaller")));
        } else {
            problems.push(refused(sizes, "Make it smaller."));
        }
    }
    if let (Some(long), Some(room)) = (media.duration_ms, limits.video_ms)
        && long > room
    {
        problems.push(refused(format!("{name} is {} long, {} fit", minutes(long), minutes(room)), "Cut it."));
    }
    let alt = media.alt.as_deref().map_or(0, |alt| measure(alt, limits.unit));
    if alt > 0 && limits.alt == 0 {
        problems.push(adjusted(format!("the description of {name} can't be sent there")));
    } else if alt > limits.alt {
        let what = format!("the description of {name} is {} characters, {} fit", grouped(alt), grouped(limits.alt));
        problems.push(refused(what, "Shorten the description."));
    }
}

fn refused(what: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem { severity: Severity::Refused, what: what.into(), fix: fix.into() }
}

fn adjusted(what: impl Into<String>) -> Problem {
    Problem { severity: Severity::Adjusted, what: what.into(), fix: String::new() }
}

/// `1204` as "1,204".
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Bytes for people: "3.2 MB", "12 kB". Sizes that differ in truth differ in words at this precision or read as over.
pub fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => {
            let tenths = bytes.div_ceil(100_000);
            if tenths.is_multiple_of(10) {
                format!("{} MB", tenths / 10)
            } else {
                format!("{}.{} MB", tenths / 10, tenths % 10)
            }
        }
    }
}

/// Milliseconds for people: "2:05 minutes", "40 seconds".
fn minutes(ms: u64) -> String {
    match ms.div_ceil(1_000) {
        seconds @ 0..60 => format!("{seconds} seconds"),
        seconds => format!("{}:{:02} minutes", seconds / 60, seconds % 60),
    }
}

/// Cuts text into pieces of at most `max` in `unit`: between paragraphs, else lines, else sentences, else words, and in
/// the middle of a word only when nothing else is left; never inside a grapheme cluster that fits. The white space at a
/// cut is dropped; marks go on in the next piece. Text that fits comes back as it is.
pub fn split(text: &RichText, unit: Unit, max: usize) -> Vec<RichText> {
    // A code point outside the basic plane takes two UTF-16 units: less than two can't hold every character.
    let max = max.max(2);
    if measure(&text.plain, unit) <= max {
        return vec![text.clone()];
    }
    let mut pieces = Vec::new();
    let mut from = 0;
    while from < text.plain.len() {
        let rest = &text.plain[from..];
        let fits = fitting(rest, unit, max);
        let (end, next) = if fits == rest.len() { (fits, fits) } else { cut(rest, fits) };
        if !rest[..end].trim().is_empty() {
            pieces.push(slice(text, from, from + end));
        }
        from += next;
    }
    pieces
}

/// The longest prefix in bytes that measures at most `max`, ending between grapheme clusters where one fits.
fn fitting(text: &str, unit: Unit, max: usize) -> usize {
    let room = |pieces: &mut dyn Iterator<Item = &str>| {
        let (mut used, mut end) = (0, 0);
        for piece in pieces {
            used += measure(piece, unit);
            if used > max {
                break;
            }
            end += piece.len();
        }
        end
    };
    match room(&mut text.graphemes(true)) {
        0 => room(&mut text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()])),
        end => end,
    }
}

/// Where to end a piece of `text` and where to begin the next one, when the first `fits` bytes have room.
fn cut(text: &str, fits: usize) -> (usize, usize) {
    let head = &text[..fits];
    let skip = |end: usize, what: fn(char) -> bool| {
        let next = text.len() - text[end..].trim_start_matches(what).len();
        (head[..end].trim_end_matches(what).len(), next)
    };
    let newline: fn(char) -> bool = |c| c == '\n' || c == '\r';
    // An early break would leave a stub of a piece: the better kinds count only in the second half.
    let late = |at: &usize| *at >= fits / 2;
    // A break that stands right behind what fits is as good as one within.
    let paragraph = if text[fits..].starts_with("\n\n") { Some(fits) } else { head.rfind("\n\n") };
    let line = if text[fits..].starts_with('\n') { Some(fits) } else { head.rfind('\n') };
    if let Some(at) = paragraph.filter(late).or(line.filter(late)) {
        return skip(at, newline);
    }
    let mut sentence = None;
    let mut word = None;
    let mut before = None;
    for (at, c) in text[..fits].char_indices().chain(text[fits..].chars().next().map(|c| (fits, c))) {
        if c.is_whitespace() && at > 0 {
            word = Some(at);
            if before.is_some_and(|c| matches!(c, '.' | '!' | '?' | '…')) {
                sentence = Some(at);
            }
        } else if before.is_some_and(|c| matches!(c, '。' | '！' | '？')) {
            sentence = Some(at);
        }
        before = Some(c);
    }
    match sentence.filter(late).or(word) {
        Some(at) => skip(at, char::is_whitespace),
        None => (fits, fits),
    }
}

/// The part between two byte positions, with its marks.
pub fn slice(text: &RichText, start: usize, end: usize) -> RichText {
    let marks = text.marks.iter().filter_map(|mark| {
        let (from, to) = (mark.start.clamp(start, end), mark.end.clamp(start, end));
        (from < to).then(|| Mark { start: from - start, end: to - start, style: mark.style.clone() })
    });
    RichText { plain: text.plain[start..end].to_owned(), marks: marks.collect() }
}

#[cfg(test)]
mod tests;
