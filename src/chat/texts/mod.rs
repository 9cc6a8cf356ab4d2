//! Every sentence we say, one file per topic; here are those that belong to none, and how times and names are told.
//! Pure: facts in, messages out.

use std::time::Duration;

use bots::{Message, Text};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};
use unicode_segmentation::UnicodeSegmentation;

use super::catalogue::Command;
use crate::domain::Timestamp;
use crate::domain::fault::Fault;
use crate::flows::Refusal;

pub mod accounts;
pub mod connect;
pub mod help;
pub mod posts;
pub mod run;
pub mod team;

/// The most characters of a name that somebody chose: longer ones would push away what we say about it.
const LONGEST_NAME: usize = 64;

/// Our own trouble, without details that help nobody.
pub fn our_trouble() -> String {
    "Something went wrong on my side, and I wrote down what. Please try again in a moment.".to_owned()
}

/// Why something did not happen, and what to do.
pub fn refusal(refusal: &Refusal) -> Message {
    Message::text(match refusal {
        Refusal::NotAllowed { needs } => format!(
            "This needs the role {} here, and yours is lower. An admin can change it with /role.",
            needs.as_str()
        ),
        Refusal::Gone { what } => format!("There is no such {what} here, or no longer."),
        Refusal::NotSetUp { platform, missing } => not_set_up(platform, missing),
        Refusal::BadInput(why) => sentence(why),
        Refusal::TooLate => "Too late: this was used, changed or finished in the meantime.".to_owned(),
        Refusal::Full { platform } => format!(
            "This workspace has its account on {platform} already, and takes one per platform here. Disconnect that one \
             first, or make another workspace with /workspace new."
        ),
        Refusal::LastOwner => {
            "A workspace needs an owner. Make somebody else an owner first: /role NAME owner.".to_owned()
        }
        Refusal::Platform { platform, fault: why } => fault(platform, why),
        Refusal::Store(_) => our_trouble(),
    })
}

/// A platform that is offered but lacks settings. Only their names are told, never values.
pub fn not_set_up(platform: &str, missing: &[String]) -> String {
    let them = if missing.len() == 1 { "it is" } else { "they are" };
    format!(
        "{platform} is not set up on this server: {} missing. Whoever runs it must set {}, and start me again once \
         {them} there.",
        match missing.len() {
            1 => "a setting is",
            _ => "settings are",
        },
        list(missing),
    )
}

/// What a platform answered, and what to do.
pub fn fault(platform: &str, fault: &Fault) -> String {
    match fault {
        Fault::Transient { why, retry_after } => {
            let when = retry_after.map_or_else(|| "in a moment".to_owned(), |pause| format!("in {}", span(pause)));
            format!("{platform} can't do that right now: {} Please try again {when}.", sentence(why))
        }
        Fault::Stale => format!("{platform} did not take our sign-in. Please try again."),
        Fault::GrantDead { why } => {
            format!("{platform} no longer lets us in: {} /reconnect brings it back.", sentence(why))
        }
        Fault::AccountLost { why, fix } | Fault::Rejected { why, fix } => because(why, fix),
        Fault::AccountMoved { .. } => format!("{platform} says that this moved. Please try again."),
        Fault::Misconfigured { what } => {
            format!(
                "{platform} is not set up right on this server: {} Whoever runs it can correct that.",
                sentence(what)
            )
        }
        Fault::InDoubt { why } => {
            format!(
                "{platform} never answered, so nobody knows whether it was done: {} Please look there.",
                sentence(why)
            )
        }
    }
}

/// What happened and what to do, as two sentences.
pub fn because(why: &str, fix: &str) -> String {
    match (why.trim(), fix.trim()) {
        (why, "") => sentence(why),
        ("", fix) => sentence(fix),
        (why, fix) => format!("{} {}", sentence(why), sentence(fix)),
    }
}

/// Words as a sentence: a capital first, a full stop last, unless they end otherwise. A host or address that stands first
/// stays as it is.
pub fn sentence(words: &str) -> String {
    let words = one_line(words);
    let first = words.split_whitespace().next().unwrap_or_default();
    let is_plain = first.chars().all(|c| c.is_alphabetic() || matches!(c, ',' | '\'' | '-'));
    let mut letters = words.chars();
    let mut sentence = match letters.next() {
        Some(letter) if is_plain && first != "trypost" => letter.to_uppercase().chain(letters).collect::<String>(),
        _ => words.clone(),
    };
    if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?', ':', '…', '"']) {
        sentence.push('.');
    }
    sentence
}

/// "a", "a and b", "a, b and c".
pub fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// "1 page", "3 pages".
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A name that somebody chose, fit for a line of ours: see [`one_line`]; and not longer than 64 characters.
pub fn name(chosen: &str) -> String {
    let name = one_line(chosen);
    if name.is_empty() {
        return "(no name)".to_owned();
    }
    match name.grapheme_indices(true).nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", name[..end].trim_end()),
        None => name,
    }
}

/// Words of others on one line, without marks that turn the writing direction or hide letters, so that they can't pose
/// as a line of ours. Formatting in them has no effect: surfaces escape.
pub fn one_line(words: &str) -> String {
    let is_mark = |c: char| matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let visible: String = words
        .chars()
        .filter(|c| !is_mark(*c))
        .map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c })
        .collect();
    visible.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Appends a workspace's name as it always looks.
pub fn push_workspace<'a>(text: &'a mut Text, workspace: &str) -> &'a mut Text {
    text.bold(&name(workspace))
}

/// A moment in the zone: "Fri 27 Nov 18:30, in 2 d 4 h", or "…, 3 min ago". The year is told when it is not this one.
pub fn when(at: Timestamp, zone: &str, now: Timestamp) -> String {
    let left = at.duration_since(now);
    let distance = match left {
        left if left.abs() < SignedDuration::from_secs(5) => "now".to_owned(),
        left if left.is_positive() => format!("in {}", span(left.unsigned_abs())),
        left => format!("{} ago", span(left.unsigned_abs())),
    };
    format!("{}, {distance}", moment(at, zone, now))
}

/// A moment in the zone without how far it is: "Fri 27 Nov 18:30".
pub fn moment(at: Timestamp, zone: &str, now: Timestamp) -> String {
    let (at, now) = (in_zone(at, zone), in_zone(now, zone));
    let form = if at.year() == now.year() { "%a %-d %b %-H:%M" } else { "%a %-d %b %Y %-H:%M" };
    at.strftime(form).to_string()
}

/// The day alone: "22 Nov", with its year when that is not this one.
pub fn day(at: Timestamp, zone: &str, now: Timestamp) -> String {
    let (at, now) = (in_zone(at, zone), in_zone(now, zone));
    at.strftime(if at.year() == now.year() { "%-d %b" } else { "%-d %b %Y" }).to_string()
}

/// The time of day alone, for what ends within hours: "14:35".
pub fn until(at: Timestamp, zone: &str) -> String {
    in_zone(at, zone).strftime("%-H:%M").to_string()
}

/// How long, in its two largest units: "2 d 4 h", "1 h 5 min", "15 min", "40 s".
pub fn span(length: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = length.as_secs();
    let at = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let (size, unit) = UNITS[at];
    let mut words = format!("{} {unit}", seconds / size);
    // Seconds beside minutes are noise.
    if let Some((smaller, unit)) = UNITS.get(at + 1).filter(|(smaller, _)| *smaller > 1) {
        let rest = seconds % size / smaller;
        if rest > 0 {
            words.push_str(&format!(" {rest} {unit}"));
        }
    }
    words
}

/// The moment in the zone; in UTC where the zone is unknown on this machine.
pub fn in_zone(at: Timestamp, zone: &str) -> Zoned {
    at.to_zoned(TimeZone::get(zone).unwrap_or(TimeZone::UTC))
}

/// There is no such command.
pub fn unknown_command(name: &str, nearest: Option<Command>) -> Message {
    let name = self::name(name);
    Message::text(match nearest {
        Some(command) => format!("I don't know /{name}. Did you mean /{}?", command.spec.name),
        None => format!("I don't know /{name}. /help shows what I can do."),
    })
}

/// Somebody is in no workspace, or this chat belongs to none.
pub fn no_workspace(direct: bool) -> Message {
    Message::text(if direct {
        "You are in no workspace. Ask whoever runs this bot for an invite, or send /start CODE."
    } else {
        "This chat belongs to no workspace yet. An admin of one can say /workspace use here."
    })
}

/// A required argument is missing.
pub fn missing_argument(command: &Command) -> Message {
    Message::text(format!("/{} needs a little more, like this: {}", command.spec.name, command.example))
}

/// A button that no longer stands for anything.
pub fn old_button() -> &'static str {
    "This button is from an older message. Ask again, please."
}

/// A button made for somebody else.
pub fn not_your_button() -> &'static str {
    "This button is for the person who asked."
}

/// To somebody we don't know.
pub fn stranger() -> Message {
    Message::text("This bot belongs to a team. If they invited you, open the invite link or send /start CODE.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::workspace::Role;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn moments_are_told_in_the_zone_with_how_far_they_are() {
        let now = at("2026-11-25T13:30:00Z");
        assert_eq!(when(at("2026-11-27T17:30:00Z"), "Europe/Berlin", now), "Fri 27 Nov 18:30, in 2 d 4 h");
        assert_eq!(when(at("2026-11-27T08:05:00Z"), "UTC", now), "Fri 27 Nov 8:05, in 1 d 18 h");
        assert_eq!(when(at("2026-11-25T13:10:00Z"), "UTC", now), "Wed 25 Nov 13:10, 20 min ago");
        assert_eq!(when(at("2027-01-02T09:00:00Z"), "UTC", now), "Sat 2 Jan 2027 9:00, in 37 d 19 h");
        assert_eq!(when(now, "UTC", now), "Wed 25 Nov 13:30, now");
        // The year is the zone's: New Year comes earlier in Tokyo.
        assert_eq!(moment(at("2026-12-31T20:00:00Z"), "Asia/Tokyo", now), "Fri 1 Jan 2027 5:00");
        assert_eq!(until(at("2026-11-25T13:35:00Z"), "Europe/Berlin"), "14:35");
        assert_eq!(until(at("2026-11-25T13:35:00Z"), "Nowhere/At all"), "13:35");
        assert_eq!(day(at("2027-11-22T13:35:00Z"), "UTC", now), "22 Nov 2027");
        assert_eq!(day(at("2026-12-01T13:35:00Z"), "UTC", now), "1 Dec");
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, words) in [
            (0, "0 s"),
            (40, "40 s"),
            (60, "1 min"),
            (119, "1 min"),
            (3_900, "1 h 5 min"),
            (7_200, "2 h"),
            (86_400, "1 d"),
            (187_200, "2 d 4 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn every_refusal_is_a_sentence_that_says_what_to_do() {
        let platform = |fault| Refusal::Platform { platform: "Mastodon", fault };
        for (refusal, part) in [
            (Refusal::NotAllowed { needs: Role::Admin }, "role admin"),
            (Refusal::Gone { what: "account" }, "no such account"),
            (
                Refusal::NotSetUp { platform: "X", missing: vec!["X_CLIENT_ID".into(), "X_CLIENT_SECRET".into()] },
                "must set X_CLIENT_ID and X_CLIENT_SECRET",
            ),
            (Refusal::BadInput("pick at least one".into()), "Pick at least one."),
            (Refusal::TooLate, "Too late"),
            (Refusal::Full { platform: "X" }, "one per platform"),
            (Refusal::LastOwner, "needs an owner"),
            (
                platform(Fault::Transient { retry_after: Some(Duration::from_secs(90)), why: "it is busy".into() }),
                "It is busy. Please try again in 1 min.",
            ),
            (platform(Fault::Stale), "try again"),
            (platform(Fault::GrantDead { why: "it ended".into() }), "/reconnect"),
            (platform(Fault::AccountLost { why: "it is gone".into(), fix: "add it".into() }), "It is gone. Add it."),
            (platform(Fault::AccountMoved { to: "x".into() }), "moved"),
            (platform(Fault::rejected("too long", "shorten it")), "Too long. Shorten it."),
            (platform(Fault::Misconfigured { what: "X_CLIENT_ID is unknown".into() }), "Whoever runs it"),
            (platform(Fault::InDoubt { why: "a time-out".into() }), "never answered"),
        ] {
            let said = super::refusal(&refusal).text.plain;
            assert!(said.contains(part), "{said}");
            assert!(said.ends_with('.'), "{said}");
        }
    }

    #[test]
    fn names_stay_on_their_line() {
        assert_eq!(name("Acme\n● Evil is connected"), "Acme ● Evil is connected");
        assert_eq!(name("\u{202e}gnp.exe"), "gnp.exe");
        assert_eq!(name(" \u{200b}\n "), "(no name)");
        assert_eq!(name(&"ä".repeat(70)), format!("{}…", "ä".repeat(64)));
        assert_eq!(name("👩\u{200d}👧 family"), "👩\u{200d}👧 family");
    }

    #[test]
    fn sentences_begin_and_end_as_such() {
        assert_eq!(sentence("the server is away"), "The server is away.");
        assert_eq!(sentence("mastodon.example did not answer"), "mastodon.example did not answer.");
        assert_eq!(sentence("Really?"), "Really?");
        assert_eq!(because("it is gone", ""), "It is gone.");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!((counted(1, "page"), counted(3, "page")), ("1 page".into(), "3 pages".into()));
    }
}
