//! What we say about posts: drafts, previews, progress, results, history. Pure: facts in, text out; it makes no button and
//! asks nobody. Long because one post's whole life is told here, in one voice.

use std::time::Duration;

use bots::{Failure, Message, Text};

use super::{because, counted, in_zone, list, name, sentence, when};
use crate::chat::posts::marks::shown;
use crate::domain::Timestamp;
use crate::domain::account::Account;
use crate::domain::fault::Fault;
use crate::domain::post::{
    DELETED, Media, MediaKind, Missing, Options, Post, PostStatus, RichText, Target, TargetStatus,
};
use crate::domain::workspace::Role;
use crate::flows::drafts::DraftProblem;
use crate::platforms::text as numbers;

/// The most of a post's text that a card shows, in characters.
const CARD_TEXT: usize = 700;
/// The most of it that a preview shows per variant.
const PREVIEW_TEXT: usize = 400;
/// The most of it that stands in a list.
const LIST_TEXT: usize = 40;
/// The most warnings on a card; the rest are counted.
const WARNINGS: usize = 8;

/// What people call an account: "@ana@mastodon.social on Mastodon", "Acme News (Telegram)".
pub fn account(account: &Account, platform: &str) -> String {
    match &account.handle {
        Some(handle) => format!("@{} on {platform}", name(handle)),
        None => format!("{} ({platform})", name(&account.name)),
    }
}

/// "2 photos and 1 video"; nothing for no files.
pub fn files(media: &[Media]) -> String {
    let kinds = [(MediaKind::Image, "photo"), (MediaKind::Animation, "GIF"), (MediaKind::Video, "video")];
    let words: Vec<String> = kinds
        .iter()
        .map(|(kind, noun)| (media.iter().filter(|one| one.kind == *kind).count(), noun))
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| counted(count, noun))
        .collect();
    list(&words)
}

/// Whether the files are described; nothing for no files.
fn described(media: &[Media]) -> String {
    let told = media.iter().filter(|one| one.alt.is_some()).count();
    match (told, media.len()) {
        (_, 0) => String::new(),
        (0, _) => "no alt text yet".to_owned(),
        (told, all) if told == all => "with alt text".to_owned(),
        (told, all) => format!("alt text for {told} of {all}"),
    }
}

/// The first words of a post on one line, for lists and questions: `"New opening hours…"`, or what files it has.
pub fn title(post: &Post) -> String {
    let words = post.text.plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() {
        let files = files(&post.media);
        return if files.is_empty() { "(empty)".to_owned() } else { files };
    }
    // One line, nothing that turns the direction: the post's own words are as foreign as a name.
    let words = name(&words);
    match words.char_indices().nth(LIST_TEXT) {
        Some((end, _)) => format!("\"{}…\"", words[..end].trim_end_matches(['…', ' '])),
        None => format!("\"{words}\""),
    }
}

/// The text with its formatting, shortened, and how much more there is.
fn body(text: &RichText, most: usize) -> Text {
    let all = text.plain.chars().count();
    let Some((end, _)) = text.plain.char_indices().nth(most) else { return shown(text) };
    let mut body = shown(&numbers::slice(text, 0, end));
    body.push(&format!("… ({} more characters)", numbers::grouped(all - most)));
    body
}

/// How much counts and fits, per platform: "Mastodon: 34 of 500 · Bluesky: 27 of 300". Accounts of a platform that agree
/// are told once.
pub fn counts(lengths: &[(&str, (usize, usize))]) -> String {
    let mut seen: Vec<String> = Vec::new();
    for (platform, (used, fits)) in lengths {
        let words = format!("{platform}: {} of {}", numbers::grouped(*used), numbers::grouped(*fits));
        if !seen.contains(&words) {
            seen.push(words);
        }
    }
    seen.join(" · ")
}

/// The choices beyond text and files; nothing when there are none.
pub fn choices(options: &Options) -> String {
    let mut words = Vec::new();
    if let Some(warning) = &options.content_warning {
        words.push(format!("content warning \"{}\"", name(warning)));
    }
    if let Some(visibility) = &options.visibility {
        words.push(format!("visibility: {visibility}"));
    }
    if let Some(language) = &options.language {
        words.push(format!("language: {language}"));
    }
    if options.silent {
        words.push("silent".to_owned());
    }
    words.join(" · ")
}

/// A draft's card.
pub struct DraftCard<'a> {
    /// The draft.
    pub post: &'a Post,
    /// Per chosen account: the platform's name, and how much text counts and fits.
    pub lengths: Vec<(&'a str, (usize, usize))>,
    /// What the platforms would say, with the account's words.
    pub problems: Vec<(String, &'a DraftProblem)>,
    /// Where each chosen account's post goes inside it, as in "#news in Acme (Discord)".
    pub places: Vec<String>,
    /// How many accounts there are to choose from.
    pub accounts: usize,
}

impl DraftCard<'_> {
    /// Whether it could go out as it is, missing files aside.
    pub fn can_go(&self) -> bool {
        !self.lengths.is_empty() && self.problems.iter().all(|(_, problem)| !problem.refused)
    }

    /// What the card says.
    pub fn text(&self) -> Text {
        let post = self.post;
        let mut text = Text::default();
        text.bold(&format!("Draft {}", post.number));
        for words in [files(&post.media), described(&post.media)].iter().filter(|words| !words.is_empty()) {
            text.push(" · ").push(words);
        }
        text.push("\n");
        if !post.text.plain.is_empty() {
            text.push("\n").append(&body(&post.text, CARD_TEXT)).push("\n");
        }
        for line in self.lines() {
            text.push("\n").push(&line);
        }
        text
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.accounts == 0 {
            let advice = "No account is connected yet. Connect one with /connect; this draft waits here.";
            lines.push(advice.to_owned());
        } else if self.lengths.is_empty() {
            lines.push("No account is chosen. Choose at least one.".to_owned());
        } else {
            lines.push(counts(&self.lengths));
        }
        if !self.places.is_empty() {
            lines.push(format!("Goes to {}.", list(&self.places)));
        }
        let choices = choices(&self.post.options);
        if !choices.is_empty() {
            lines.push(sentence(&choices));
        }
        for Missing { name: file, why } in &self.post.missing {
            lines.push(format!("✗ {} is not in it: {}", name(file), sentence(why)));
        }
        for (label, problem) in self.problems.iter().take(WARNINGS) {
            let mark = if problem.refused { "✗ " } else { "" };
            lines.push(format!("{mark}{label}: {}", told(&problem.what, &problem.fix)));
        }
        if self.problems.len() > WARNINGS {
            lines.push(format!("… and {} more.", self.problems.len() - WARNINGS));
        }
        if !self.lengths.is_empty() && !self.can_go() {
            lines.push("It can go out when what is marked ✗ is solved, or those accounts are left out.".to_owned());
        }
        lines
    }
}

/// What and what to do, behind a colon: no capital at the beginning.
fn told(what: &str, fix: &str) -> String {
    let what = what.trim().trim_end_matches('.');
    if fix.is_empty() { format!("{what}.") } else { format!("{what}. {}", sentence(fix)) }
}

/// How a draft would look on some accounts that show it alike.
pub struct Look<'a> {
    /// The platform's name.
    pub platform: &'a str,
    /// The accounts.
    pub accounts: Vec<String>,
    /// How much text counts and fits.
    pub length: (usize, usize),
    /// Whether words can lead somewhere there.
    pub link_marks: bool,
    /// What it would say to it.
    pub notes: Vec<String>,
}

/// The preview: each look once, short.
pub fn preview(post: &Post, looks: &[Look<'_>]) -> Text {
    let mut text = Text::default();
    text.bold(&format!("Preview of draft {}", post.number));
    if looks.is_empty() {
        text.push("\nNo account is chosen, so it would go nowhere.");
    }
    for look in looks {
        text.push("\n\n").bold(look.platform).push(&format!(" · {}\n", list(&look.accounts)));
        let words = if look.link_marks {
            post.text.clone()
        } else {
            RichText { plain: numbers::plain(&post.text), marks: Vec::new() }
        };
        let files = files(&post.media);
        if words.plain.is_empty() {
            text.push(&files);
        } else {
            text.append(&body(&words, PREVIEW_TEXT));
            if !files.is_empty() {
                text.push("\nwith ").push(&files);
            }
        }
        let (used, fits) = look.length;
        text.push(&format!("\n{} of {} characters", numbers::grouped(used), numbers::grouped(fits)));
        if !look.link_marks && !post.text.marks.is_empty() {
            text.push(" · as plain text, links written out");
        }
        for note in &look.notes {
            text.push("\n").push(note);
        }
    }
    text
}

/// A problem as a preview's note.
pub fn note(problem: &DraftProblem) -> String {
    let mark = if problem.refused { "✗ " } else { "" };
    format!("{mark}{}", because(&problem.what, &problem.fix))
}

/// What the choices of a draft are, on the page where they are made.
pub fn more(post: &Post, visible_on: &[&str], warned_on: &[&str]) -> Text {
    let mut text = Text::default();
    text.bold(&format!("Draft {}", post.number)).push(", more choices");
    let choices = choices(&post.options);
    text.push("\n").push(&if choices.is_empty() { "None is made yet.".to_owned() } else { sentence(&choices) });
    if !visible_on.is_empty() {
        text.push(&format!("\nWho sees it can be chosen on {}; everyone sees it elsewhere.", list(visible_on)));
    }
    if !warned_on.is_empty() {
        text.push(&format!("\nA content warning is shown on {}.", list(warned_on)));
    }
    text
}

/// One target as a line of a card.
fn line(text: &mut Text, label: &str, target: &Target) {
    let why = target.why.as_deref().unwrap_or_default();
    let fix = target.fix.as_deref().unwrap_or_default();
    text.push("\n");
    match target.status {
        TargetStatus::Published => {
            text.push(&format!("✓ {label}"));
            if let Some(url) = target.posted.as_ref().and_then(|posted| posted.url.as_deref()) {
                text.push(" ").link("↗", url);
            }
        }
        TargetStatus::Pending | TargetStatus::Publishing => {
            let doing = match (&target.note, why) {
                (_, why) if !why.is_empty() && target.sending.is_some() => {
                    format!("no answer yet. {} I am finding out whether it is there.", sentence(why))
                }
                (_, why) if !why.is_empty() => format!("waits. {} I keep trying.", sentence(why)),
                (Some(note), _) => note.clone(),
                (None, _) if target.sending.is_some() => "sending".to_owned(),
                (None, _) => "on its way".to_owned(),
            };
            text.push(&format!("◐ {label}: {doing}"));
        }
        TargetStatus::Unconfirmed => {
            text.push(&format!("? {label}: it may be there. {}", because(why, fix)));
        }
        TargetStatus::Failed if target.is_closed() => {
            text.push(&format!("{label}: {why}."));
        }
        TargetStatus::Failed => {
            text.push(&format!("✗ {label}: {}", told(why, fix)));
        }
    }
}

/// A post that is no draft any more, account by account. `zone` is an IANA name.
pub fn result(post: &Post, targets: &[(String, &Target)], zone: &str) -> Text {
    let mut text = headline(post, targets, zone);
    text.push("\n").push(&title(post));
    for (label, target) in targets {
        line(&mut text, label, target);
    }
    text
}

fn headline(post: &Post, targets: &[(String, &Target)], zone: &str) -> Text {
    let count = |fits: fn(&Target) -> bool| targets.iter().filter(|(_, target)| fits(target)).count();
    let all = targets.len();
    let published = count(|target| target.status == TargetStatus::Published);
    let under_way = count(|target| matches!(target.status, TargetStatus::Pending | TargetStatus::Publishing));
    let unknown = count(|target| target.status == TargetStatus::Unconfirmed);
    let deleted = count(|target| target.status == TargetStatus::Failed && target.why.as_deref() == Some(DELETED));
    let at = post.published_at.map_or_else(String::new, |at| format!(" at {}", clock(at, zone)));
    let mut text = Text::default();
    text.push(&format!("Post {}: ", post.number));
    text.bold(&match (published, under_way, unknown) {
        (_, 1.., _) => format!("on its way, {published} of {all} out."),
        (0, _, 1..) => "nobody can say from here whether it is out. Please look.".to_owned(),
        (_, _, 1..) => format!("published on {published} of {}{at}. Please look at the rest.", counted(all, "account")),
        (0, ..) if all > 0 && deleted == all => "deleted.".to_owned(),
        (0, ..) if deleted > 0 => "not out any more.".to_owned(),
        (0, ..) => "not published.".to_owned(),
        (some, ..) if some == all => format!("published on {}{at}.", counted(all, "account")),
        (some, ..) => format!("published on {some} of {}{at}.", counted(all, "account")),
    });
    text
}

/// The time of day to the second: "9:00:02".
fn clock(at: Timestamp, zone: &str) -> String {
    in_zone(at, zone).strftime("%-H:%M:%S").to_string()
}

/// A moment as it counts when somebody asks what happened: "Fri 27 Nov 9:00:02".
fn to_the_second(at: Timestamp, zone: &str) -> String {
    in_zone(at, zone).strftime("%a %-d %b %-H:%M:%S").to_string()
}

/// What happened to one target, for `/why`.
pub struct Story<'a> {
    /// The account.
    pub label: String,
    /// The target.
    pub target: &'a Target,
    /// When it is tried next.
    pub due: Option<Timestamp>,
    /// When each of its pieces was accepted.
    pub sent: Vec<Timestamp>,
}

/// What happened to a post, step by step.
pub fn why(post: &Post, author: Option<&str>, stories: &[Story<'_>], zone: &str, now: Timestamp) -> Text {
    let mut text = Text::default();
    text.bold(&format!("Post {}, step by step", post.number)).push("\n").push(&title(post));
    let by = author.map_or_else(String::new, |author| format!(" by {}", name(author)));
    text.push(&format!("\nWritten{by} {}.", when(post.created_at, zone, now)));
    if post.status == PostStatus::Draft {
        text.push(" It is still a draft.");
    }
    if stories.is_empty() {
        text.push("\nIt goes to no account.");
    }
    for Story { label, target, due, sent } in stories {
        text.push("\n");
        if post.status == PostStatus::Draft {
            text.push(&format!("\n{label}: chosen, nothing sent yet."));
            continue;
        }
        line(&mut text, label, target);
        let pieces = sent.len();
        for (index, at) in sent.iter().enumerate() {
            let piece = if pieces > 1 { format!(" ({} of {pieces})", index + 1) } else { String::new() };
            text.push(&format!("\n  accepted{piece} {}", to_the_second(*at, zone)));
        }
        if let Some(sending) = &target.sending {
            text.push(&format!("\n  sent {}, and no answer is known", to_the_second(sending.since, zone)));
        }
        if target.tries > 0 {
            let tries = counted(usize::try_from(target.tries).unwrap_or_default(), "failed try");
            text.push(&format!("\n  {}", tries.replace("trys", "tries")));
        }
        if let Some(due) = due.filter(|due| *due > now) {
            text.push(&format!("\n  next try {}", when(due, zone, now)));
        }
    }
    text
}

/// Asked before deleting: what goes, and what can't. `late` are accounts where the vendor no longer allows it, with for
/// how long it does.
pub fn confirm_delete(post: &Post, gone: &[String], late: &[(String, Duration)]) -> Text {
    let mut text = Text::default();
    if gone.is_empty() {
        text.push(&format!("Post {}, {}, can't be deleted from here.", post.number, title(post)));
    } else {
        text.push(&format!("Delete post {}, {}, on {}?", post.number, title(post), list(gone)));
    }
    for (label, within) in late {
        let hours = within.as_secs() / 3600;
        text.push(&format!("\n✗ {label}: bots may delete only within {hours} hours. Delete it there by hand."));
    }
    text
}

/// What deleting came to where it did not work.
pub fn not_deleted(results: &[(String, Fault)], deleted: usize) -> Text {
    let mut text = Text::default();
    if deleted > 0 {
        text.push(&format!("Deleted on {}. ", counted(deleted, "account")));
    }
    text.push("Not deleted:");
    for (label, fault) in results {
        let why = match fault {
            Fault::Rejected { why, fix } | Fault::AccountLost { why, fix } => because(why, fix),
            Fault::Transient { why, .. } | Fault::InDoubt { why } => {
                format!("{} Try again in a moment.", sentence(why))
            }
            Fault::GrantDead { why } => format!("{} Reconnect the account, then try again.", sentence(why)),
            Fault::Misconfigured { what } => format!("{} Whoever runs this server can correct that.", sentence(what)),
            Fault::Stale | Fault::AccountMoved { .. } => "The sign-in was refused. Try again in a moment.".to_owned(),
        };
        text.push(&format!("\n✗ {label}: {why}"));
    }
    text
}

/// A list of posts, each with its number to be typed back.
pub fn posts(heading: &str, posts: &[Post]) -> Text {
    let mut text = Text::default();
    text.push(heading);
    for post in posts {
        text.push("\n").code(&post.number.to_string()).push(&format!(" {} · {}", status(post.status), title(post)));
        let files = files(&post.media);
        if !files.is_empty() && !post.text.plain.trim().is_empty() {
            text.push(&format!(" · {files}"));
        }
    }
    text
}

/// A post's status in words.
pub fn status(status: PostStatus) -> &'static str {
    match status {
        PostStatus::Draft => "draft",
        PostStatus::Scheduled => "scheduled",
        PostStatus::Publishing => "on its way",
        PostStatus::Published => "published",
        PostStatus::PartiallyPublished => "published in part",
        PostStatus::Failed => "not published",
    }
}

/// What is true now of a post whose old button was pressed.
pub fn already(post: &Post) -> String {
    let now = match post.status {
        PostStatus::Draft => "still a draft",
        PostStatus::Failed => "not out",
        other => status(other),
    };
    format!("That was decided already: post {} is {now}.", post.number)
}

/// A post that is gone.
pub fn discarded() -> &'static str {
    "This draft was discarded."
}

/// To somebody who may only look.
pub fn not_allowed(needs: Role) -> String {
    format!("You may look, but this needs the role {}. An admin can give it to you with /role.", needs.as_str())
}

/// There is no post with that number.
pub fn unknown_number(typed: &str, command: &str, newest: Option<i64>) -> Message {
    let typed = name(typed);
    Message::text(match newest {
        None => "There is no post yet. Write one: just send me its text.".to_owned(),
        Some(newest) if typed.parse::<i64>().is_ok() => {
            format!("There is no post {typed} here. The newest is {newest}, as in /{command} {newest}.")
        }
        Some(newest) => format!("\"{typed}\" is not a post's number. Type it like this: /{command} {newest}"),
    })
}

/// Several numbers at once.
pub fn one_at_a_time(command: &str, number: &str) -> Message {
    Message::text(format!("One post at a time, please, like this: /{command} {}", name(number)))
}

/// A message that holds something we can't post.
pub fn unsupported(kind: &str) -> Message {
    Message::text(format!("I can't post {}. I take text, photos, GIFs and videos.", name(kind)))
}

/// A message with nothing in it.
pub fn nothing() -> Message {
    Message::text("There is nothing in this message that I can post. Send text, photos, GIFs or a video.")
}

/// Why a file was not fetched. `ours` is this daemon's own limit in bytes, `full` whether its disk is.
pub fn not_fetched(failure: &Failure, surface: &str, ours: u64, full: bool) -> String {
    if full {
        return "This server's disk is full, so the file was not kept. Whoever runs it must make room; then send it again."
            .to_owned();
    }
    match failure {
        Failure::TooLarge { limit } if *limit < ours => format!(
            "It is too large: {surface} lets bots fetch at most {}. Send a smaller one.",
            numbers::megabytes(*limit)
        ),
        Failure::TooLarge { limit } => {
            format!("It is too large: this server takes at most {}. Send a smaller one.", numbers::megabytes(*limit))
        }
        Failure::Gone(_) => format!("{surface} no longer has it. Send it again."),
        Failure::Retry { .. } => format!("{surface} did not give it to me. Send it again in a moment."),
        _ => "It could not be fetched. Send it again, or another one.".to_owned(),
    }
}

/// What a file is called: its own name, or its place in the message.
pub fn file_name(own: Option<&str>, index: usize, of: usize) -> String {
    match own.map(str::trim).filter(|own| !own.is_empty()) {
        Some(own) => name(own),
        None if of == 1 => "The file".to_owned(),
        None => format!("File {}", index + 1),
    }
}

/// A question for typed words.
pub fn question(words: impl Into<Text>, placeholder: &str) -> Message {
    Message { ask: Some(placeholder.to_owned()), ..Message::text(words) }
}

/// Asked for a picture's description.
pub fn ask_alt(index: usize, of: usize, known: Option<&str>) -> Text {
    let which = if of == 1 { "it".to_owned() } else { format!("file {} of {of}", index + 1) };
    let mut text = Text::from(format!("What is to be seen on {which}? Describe it for those who can't see it."));
    if let Some(known) = known {
        text.push(&format!("\nNow: {}", name(known)));
    }
    text
}

#[cfg(test)]
mod tests;
