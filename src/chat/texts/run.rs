//! How alerts, the zone, health and incidents are told. Pure. Cards tell moments, never how long ago they were: a card
//! is redrawn only when something changed. Long because the sentences' tests stand beside them.

use std::time::Duration;

use bots::Text;

use super::accounts::{how_many_well, posts};
use super::{because, counted, in_zone, list, moment, name, push_workspace, sentence, span, team};
use crate::domain::Timestamp;
use crate::domain::post::TargetStatus;
use crate::flows::incidents::Kind;
use crate::store::ChatRow;

/// The longest quote of a post, in characters.
const LONGEST_QUOTE: usize = 40;

/// What a kind of incident is called.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::AccountLost => "lost accounts",
        Kind::Unconfirmed => "posts that may not have arrived",
        Kind::Operator => "the set-up of this server",
    }
}

/// A chat for a list: its title, or what it is.
pub fn chat(row: &ChatRow) -> String {
    let surface = team::surface(&row.place.surface);
    match &row.title {
        Some(title) if row.kind != "direct" => format!("{} ({surface})", name(title)),
        _ if row.kind == "direct" => format!("a direct chat on {surface}"),
        _ => format!("a chat on {surface}"),
    }
}

/// `/alerts`: where they go and of what.
pub fn alerts(workspace: &str, news: Option<&str>, here: bool, elsewhere: &[String], wanted: &[(Kind, bool)]) -> Text {
    let mut text = Text::default();
    if let Some(news) = news {
        text.push(news).push("\n\n");
    }
    text.push("Alerts of ");
    push_workspace(&mut text, workspace);
    let mut places = elsewhere.to_vec();
    if here {
        places.insert(0, "this chat".to_owned());
    }
    match places.is_empty() {
        true => drop(text.push(" go to its owners' direct chats, since no chat is set.")),
        false => drop(text.push(&format!(" go to {}.", list(&places)))),
    }
    let on: Vec<&str> = wanted.iter().filter(|(_, on)| *on).map(|(one, _)| kind(*one)).collect();
    text.push(&match on.is_empty() {
        true => "\nI warn of nothing.".to_owned(),
        false => format!("\nI warn of {}.", list(&on)),
    });
    text
}

/// There is no such kind of alert.
pub fn unknown_alert(typed: &str) -> String {
    let kinds: Vec<&str> = Kind::OF_WORKSPACES.iter().map(|kind| kind.as_str()).collect();
    format!("“{}” is nothing I can set. Say here, off, or a kind: {}.", name(typed), list(&kinds))
}

/// The workspace's zone, as it is or (`changed`) from now on.
pub fn zone(workspace: &str, zone: &str, now: Timestamp, changed: bool) -> Text {
    let mut text = Text::from("Times of ");
    push_workspace(&mut text, workspace).push(" are told in ").bold(zone);
    text.push(if changed { " from now on" } else { "" });
    text.push(&format!(", where it is {}.", moment(now, zone, now)));
    if !changed {
        text.push(" Another one is set like this: /timezone Europe/Lisbon.");
    }
    text
}

/// That is no zone.
pub fn unknown_zone(typed: &str, some: bool) -> String {
    let typed = name(typed);
    if some {
        format!("I know no time zone “{typed}”. Did you mean one of these?")
    } else {
        format!("I know no time zone “{typed}”. Write it like Europe/Berlin, America/New_York or UTC.")
    }
}

/// The zones whose names are nearest to what was typed: its city alone, or a slip of the finger. At most `most`.
pub fn zones_like<'a>(typed: &str, known: impl Iterator<Item = &'a str>, most: usize) -> Vec<String> {
    let wanted = typed.trim().to_lowercase().replace(' ', "_");
    let far = |zone: &str| {
        let zone = zone.to_lowercase();
        let city = zone.rsplit('/').next().unwrap_or_default();
        strsim::damerau_levenshtein(city, &wanted).min(strsim::damerau_levenshtein(&zone, &wanted))
    };
    let near = 1 + wanted.chars().count() / 5;
    let mut found: Vec<(usize, &str)> =
        known.filter(|zone| zone.contains('/')).map(|zone| (far(zone), zone)).filter(|(far, _)| *far <= near).collect();
    found.sort_unstable();
    found.dedup();
    // A city that was typed right leaves no doubt but that of its namesakes.
    let best = found.first().map_or(0, |(far, _)| *far);
    found.into_iter().filter(|(far, _)| best > 0 || *far == 0).take(most).map(|(_, zone)| zone.to_owned()).collect()
}

/// Whether a chat surface answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Up {
    /// Its name.
    pub surface: String,
    /// Why it does not answer.
    pub trouble: Option<String>,
}

/// What `/health` tells.
#[derive(Clone, Debug)]
pub struct Health<'a> {
    /// The program's version.
    pub version: &'a str,
    /// How long it has been up.
    pub up: Duration,
    /// The database engine.
    pub engine: &'a str,
    /// The chat surfaces.
    pub surfaces: Vec<Up>,
    /// The workspace's name.
    pub workspace: &'a str,
    /// Its accounts, and how many of them are well.
    pub accounts: (usize, usize),
    /// Its accounts by platform: name, connected, not connected.
    pub platforms: Vec<(&'static str, usize, usize)>,
    /// Deliveries that are due.
    pub queue: i64,
    /// Messages that wait to be said.
    pub outbox: i64,
    /// When the workspace's newest post went out.
    pub last_post: Option<Timestamp>,
    /// Platforms that are paused, since when, and why.
    pub paused: Vec<(&'static str, Timestamp, String)>,
    /// What is open in the workspace, a line each.
    pub open: Vec<String>,
    /// What is open for the operator; `None` when somebody else asks.
    pub operator: Option<Vec<String>>,
    /// The workspace's zone.
    pub zone: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// `/health`, in one message.
pub fn health(health: &Health<'_>) -> Text {
    let at = |at| moment(at, health.zone, health.now);
    let mut text = Text::from(format!("trypost {} · up {} · {}", health.version, span(health.up), health.engine));
    text.push("\n");
    let surfaces: Vec<String> = health
        .surfaces
        .iter()
        .map(|up| match (&up.trouble, &health.operator) {
            (None, _) => format!("{} ●", up.surface),
            (Some(why), Some(_)) => format!("{} ○ ({why})", up.surface),
            (Some(_), None) => format!("{} ○", up.surface),
        })
        .collect();
    let last = health.last_post.map_or_else(|| "no post yet".to_owned(), |time| format!("last post {}", at(time)));
    text.push(&surfaces.join(" "));
    text.push(&format!(" · queue {} · unsaid {} · {last}\n", health.queue, health.outbox));
    let (all, well) = health.accounts;
    push_workspace(&mut text, health.workspace).push(&format!(": {}", counted(all, "account")));
    if all > 0 {
        text.push(&format!(", {}", how_many_well(all, well)));
    }
    for (platform, connected, lost) in &health.platforms {
        text.push(&format!("\n{platform}: {connected} connected"));
        if *lost > 0 {
            text.push(&format!(", {lost} not"));
        }
    }
    for (platform, since, why) in &health.paused {
        text.push(&format!("\n◐ {platform} is paused since {}: this server's set-up there is wrong.", at(*since)));
        if health.operator.is_some() {
            text.push(" ").push(&sentence(why));
        }
    }
    let open: Vec<&String> = health.open.iter().chain(health.operator.iter().flatten()).collect();
    if open.is_empty() {
        text.push("\nNo open problems.");
    }
    for line in open {
        text.push("\n").push(line);
    }
    text
}

/// An incident's times, in its zone.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// When it was opened.
    pub opened: Timestamp,
    /// When it was closed.
    pub closed: Option<Timestamp>,
    /// Until when nothing more is said, where that is still to come.
    pub muted: Option<Timestamp>,
    /// IANA name.
    pub zone: &'a str,
}

impl Course<'_> {
    fn at(self, at: Timestamp) -> String {
        moment(at, self.zone, self.opened)
    }

    /// When it was closed: the time alone on the day it was opened, which the chat shows beside the message.
    fn closed(self, at: Timestamp) -> String {
        if in_zone(at, self.zone).date() == in_zone(self.opened, self.zone).date() {
            super::until(at, self.zone)
        } else {
            self.at(at)
        }
    }

    fn push_muted(self, text: &mut Text) {
        if let Some(until) = self.muted {
            text.push(&format!("\nMuted until {}.", self.at(until)));
        }
    }
}

/// Accounts that a person must bring back. `accounts` are their names, with whether each is connected now.
pub fn account_lost(
    platform: &str,
    accounts: &[(String, bool)],
    (why, fix): (&str, &str),
    waiting: &[i64],
    course: Course<'_>,
) -> Text {
    let names: Vec<&str> = accounts.iter().map(|(account, _)| account.as_str()).collect();
    let Some(closed) = course.closed else {
        let mut text = Text::from("○ ");
        text.push(&format!("{platform} no longer lets me in to "));
        text.bold(&list(&names)).push(&format!(", since {}: {}", course.at(course.opened), because(why, fix)));
        if !waiting.is_empty() {
            text.push(&format!("\n{} on the way there and can't go out.", posts(waiting)));
        }
        course.push_muted(&mut text);
        return text;
    };
    let closed = course.closed(closed);
    if accounts.is_empty() {
        return Text::from(format!("◌ Closed since {closed}: what this was about is not connected here any more."));
    }
    if accounts.iter().any(|(_, connected)| !connected) {
        return Text::from(format!("○ {} came back {closed}, and is lost again: see the newer message.", list(&names)));
    }
    let mut text = Text::from(format!("● Back since {closed}: "));
    text.bold(&list(&names)).push(".");
    if !waiting.is_empty() {
        text.push(&format!(" {} on the way.", posts(waiting)));
    }
    text
}

/// A post as it is called in a sentence: its first words, or its number.
pub fn quote(plain: &str, number: i64) -> String {
    let line = plain.lines().map(str::trim).find(|line| !line.is_empty());
    match line.map(name) {
        None => format!("Post {number}"),
        Some(line) => match line.char_indices().nth(LONGEST_QUOTE) {
            Some((end, _)) => format!("“{}…” (post {number})", line[..end].trim_end()),
            None => format!("“{line}” (post {number})"),
        },
    }
}

/// A send that nobody can tell the end of but a person who looks.
pub fn unconfirmed(
    post: &str,
    account: &str,
    (why, sent): (&str, Option<Timestamp>),
    status: TargetStatus,
    course: Course<'_>,
) -> Text {
    let mut text = Text::default();
    if course.closed.is_none() {
        let at = sent.map_or_else(String::new, |at| format!(" at {}", in_zone(at, course.zone).strftime("%-H:%M:%S")));
        text.push(&format!("? I sent {post} to ")).bold(account).push(&format!("{at}. {}", sentence(why)));
        text.push(" It may be there. Please look, and tell me.");
        course.push_muted(&mut text);
        return text;
    }
    match status {
        TargetStatus::Published => text.push(&format!("✓ {post} is on ")).bold(account).push("."),
        TargetStatus::Failed => text.push(&format!("✗ {post} was given up for ")).bold(account).push("."),
        _ => text.push(&format!("{post} is on its way to ")).bold(account).push(" again."),
    };
    text
}

/// What a person said of an unconfirmed post, when it counted.
pub fn resolved(status: TargetStatus) -> &'static str {
    match status {
        TargetStatus::Published => "Good: it counts as published.",
        TargetStatus::Failed => "Left as it is. /retry sends it again.",
        TargetStatus::Pending | TargetStatus::Publishing => "I send it again.",
        TargetStatus::Unconfirmed => "Nobody has said yet whether it is there.",
    }
}

/// The same when somebody else was first.
pub fn resolved_before(status: TargetStatus) -> &'static str {
    match status {
        TargetStatus::Published => "This was settled already: it counts as published.",
        TargetStatus::Failed => "This was settled already: it was given up.",
        TargetStatus::Pending | TargetStatus::Publishing => "This was settled already: it is being sent again.",
        TargetStatus::Unconfirmed => "Nobody has said yet whether it is there.",
    }
}

/// Our own set-up is wrong.
pub fn operator(subject: Option<&str>, why: &str, fix: &str, course: Course<'_>) -> Text {
    if let Some(closed) = course.closed {
        let closed = course.closed(closed);
        return Text::from(match subject {
            Some(platform) => format!("● {platform} works again since {closed}."),
            None => format!("● This is over since {closed}: {}", sentence(why)),
        });
    }
    let mut text = Text::default();
    text.push(&match subject {
        Some(platform) => format!("◐ {platform} is paused since {}: ", course.at(course.opened)),
        None => format!("○ Since {}: ", course.at(course.opened)),
    });
    text.push(&because(why, fix));
    if subject.is_some() {
        text.push("\nNo account is touched, and posts wait. I try again every 15 minutes; a changed setting counts after a restart.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn course() -> Course<'static> {
        Course { opened: at("2026-11-27T07:00:00Z"), closed: None, muted: None, zone: "Europe/Berlin" }
    }

    #[test]
    fn a_lost_account_says_what_why_and_what_waits_and_then_that_it_is_back() {
        let accounts = [("Acme (Bluesky)".to_owned(), false), ("Jobs (Bluesky)".to_owned(), false)];
        let why = ("the password changed", "");
        let muted = Course { muted: Some(at("2026-11-28T07:00:00Z")), ..course() };
        assert_eq!(
            account_lost("Bluesky", &accounts, why, &[3, 4], muted).plain,
            "○ Bluesky no longer lets me in to Acme (Bluesky) and Jobs (Bluesky), since Fri 27 Nov 8:00: The password \
             changed.\nPosts 3 and 4 are on the way there and can't go out.\nMuted until Sat 28 Nov 8:00."
        );
        let back = accounts.clone().map(|(account, _)| (account, true));
        let closed = Course { closed: Some(at("2026-11-27T07:12:00Z")), ..course() };
        let said = account_lost("Bluesky", &back, why, &[], closed).plain;
        assert_eq!(said, "● Back since 8:12: Acme (Bluesky) and Jobs (Bluesky).");
        let later = Course { closed: Some(at("2026-11-29T07:12:00Z")), ..course() };
        assert!(account_lost("Bluesky", &back, why, &[], later).plain.contains("Back since Sun 29 Nov 8:12"));
        assert!(account_lost("Bluesky", &accounts, why, &[], closed).plain.contains("lost again"));
        assert!(account_lost("Bluesky", &[], why, &[], closed).plain.contains("not connected here any more"));
    }

    #[test]
    fn an_unconfirmed_post_asks_and_then_says_what_was_decided() {
        let post = quote("New opening hours\nfrom Monday", 12);
        let sent = ("Telegram never answered", Some(at("2026-11-27T08:00:01Z")));
        let say = |status, course| unconfirmed(&post, "Acme News (Telegram)", sent, status, course).plain;
        assert_eq!(
            say(TargetStatus::Unconfirmed, course()),
            "? I sent “New opening hours” (post 12) to Acme News (Telegram) at 9:00:01. Telegram never answered. It may be \
             there. Please look, and tell me."
        );
        let closed = Course { closed: Some(at("2026-11-27T09:00:00Z")), ..course() };
        assert!(say(TargetStatus::Published, closed).starts_with("✓ “New"));
        assert!(say(TargetStatus::Failed, closed).starts_with("✗ “New"));
        assert!(say(TargetStatus::Publishing, closed).contains("on its way"));
        assert_eq!(quote(" \n ", 7), "Post 7");
        assert_eq!(quote(&"ä".repeat(50), 7), format!("“{}…” (post 7)", "ä".repeat(40)));
    }

    #[test]
    fn a_mistyped_zone_finds_the_one_that_was_meant() {
        let known = ["Europe/Berlin", "Europe/Lisbon", "America/New_York", "America/Dublin", "Europe/Dublin", "UTC"];
        let like = |typed| zones_like(typed, known.into_iter(), 4);
        assert_eq!(like("berlin"), ["Europe/Berlin"]);
        assert_eq!(like("new york"), ["America/New_York"]);
        assert_eq!(like("Europe/Belrin"), ["Europe/Berlin"]);
        assert_eq!(like("dublin"), ["America/Dublin", "Europe/Dublin"]);
        assert!(like("Middle-earth/Shire").is_empty());
        let said = zone("Blue", "Europe/Berlin", at("2026-11-27T07:00:00Z"), true).plain;
        assert_eq!(said, "Times of Blue are told in Europe/Berlin from now on, where it is Fri 27 Nov 8:00.");
    }

    #[test]
    fn health_tells_details_only_to_the_operator() {
        let mut one = Health {
            version: "0.1.0",
            up: Duration::from_secs(12 * 86_400),
            engine: "SQLite",
            surfaces: vec![
                Up { surface: "Telegram".to_owned(), trouble: None },
                Up { surface: "Discord".to_owned(), trouble: Some("the token was refused".to_owned()) },
            ],
            workspace: "Blue",
            accounts: (3, 2),
            platforms: vec![("Bluesky", 2, 1)],
            queue: 0,
            outbox: 1,
            last_post: None,
            paused: vec![("Discord", at("2026-11-27T07:00:00Z"), "DISCORD_BOT_TOKEN is refused".to_owned())],
            open: vec!["○ lost".to_owned()],
            operator: None,
            zone: "UTC",
            now: at("2026-11-27T12:00:00Z"),
        };
        assert_eq!(
            health(&one).plain,
            "trypost 0.1.0 · up 12 d · SQLite\nTelegram ● Discord ○ · queue 0 · unsaid 1 · no post yet\n\
             Blue: 3 accounts, 2 well\nBluesky: 2 connected, 1 not\n\
             ◐ Discord is paused since Fri 27 Nov 7:00: this server's set-up there is wrong.\n○ lost"
        );
        one.operator = Some(vec!["◐ set-up".to_owned()]);
        let said = health(&one).plain;
        assert!(
            said.contains("○ (the token was refused)")
                && said.contains("DISCORD_BOT_TOKEN")
                && said.ends_with("◐ set-up")
        );
    }

    #[test]
    fn alerts_say_where_and_of_what() {
        let wanted = [(Kind::AccountLost, true), (Kind::Unconfirmed, false)];
        let said = alerts("Blue", None, true, &["Ops (Telegram)".to_owned()], &wanted).plain;
        assert_eq!(said, "Alerts of Blue go to this chat and Ops (Telegram).\nI warn of lost accounts.");
        let none = alerts("Blue", Some("Done."), false, &[], &[(Kind::AccountLost, false)]).plain;
        assert!(
            none.starts_with("Done.\n\nAlerts of Blue go to its owners' direct chats") && none.ends_with("of nothing.")
        );
        assert!(unknown_alert("x").contains("account_lost and post_unconfirmed"));
    }
}
