//! What is said while an account is connected. Names of accounts, servers and people come from outside: they go in as
//! plain text on one line.

use bots::Text;

use super::{because, counted, list, name, one_line, push_workspace, sentence};
use crate::domain::account::{Account, AccountStatus};
use crate::platforms::{Descriptor, Entry, Found, Renewal};

/// A platform that is offered here but lacks settings, for those who can set them.
#[derive(Clone, Copy, Debug)]
pub struct NotReady<'a> {
    /// Its name.
    pub platform: &'a str,
    /// The settings.
    pub missing: &'a [String],
}

/// Which platform; with what an owner could set up besides.
pub fn choose(is_some: bool, not_ready: &[NotReady<'_>]) -> Text {
    let mut text = Text::from(if is_some { "Which platform?" } else { "No platform is set up on this server yet." });
    for lacking in not_ready {
        text.push(&format!("\n{} is not set up: it needs ", lacking.platform));
        for (at, setting) in lacking.missing.iter().enumerate() {
            text.push(match at {
                0 => "",
                at if at + 1 == lacking.missing.len() => " and ",
                _ => ", ",
            });
            text.code(setting);
        }
        text.push(".");
    }
    text
}

/// The menu's words while nothing is chosen.
pub fn choose_menu() -> &'static str {
    "Choose a platform"
}

/// What was typed is no platform.
pub fn unknown_platform(typed: &str, nearest: Option<&str>) -> String {
    let typed = name(typed);
    match nearest {
        Some(nearest) => format!("I don't know \"{typed}\". Did you mean {nearest}?"),
        None => format!("I don't know \"{typed}\". These I know:"),
    }
}

/// To somebody who can't set it up.
pub fn not_ready(platform: &str) -> String {
    format!("{platform} is not set up on this server. Whoever runs it can do that.")
}

/// Which server; `trouble` is what was wrong with the last answer.
pub fn which_server(example: &str, trouble: Option<&str>) -> String {
    match trouble {
        Some(trouble) => format!("{} Which server is it? Type it, like {example}", sentence(trouble)),
        None => format!("Which server? Type it, like {example}"),
    }
}

/// The form that asks for a server.
pub fn server_form(platform: &str) -> (String, &'static str) {
    (format!("Connect {platform}"), "Which server?")
}

/// Nothing goes by that name.
pub fn no_account(typed: &str) -> String {
    format!("There is no account \"{}\" here. /accounts shows them all.", name(typed))
}

/// Several accounts go by what was typed.
pub fn which_account() -> &'static str {
    "Which one?"
}

/// An account with its platform, as in "Acme (Mastodon)".
pub fn account(account: &Account, platform: &str) -> String {
    format!("{} ({platform})", name(&account.name))
}

/// The card of an attempt whose link is out.
pub struct Open<'a> {
    /// The platform.
    pub descriptor: &'a Descriptor,
    /// Its server, where it has several.
    pub instance: Option<&'a str>,
    /// The account that is to come back.
    pub reconnect: Option<&'a Account>,
    /// The code to post, where one works.
    pub code: Option<&'a str>,
    /// When it ends, as in "14:35".
    pub until: &'a str,
}

/// What to do with the link.
pub fn open(card: &Open<'_>) -> Text {
    let Open { descriptor, instance, reconnect, code, until } = card;
    let mut text = Text::default();
    if let Some(account) = reconnect {
        text.push("To bring ").bold(&name(&account.name)).push(" back: ");
    }
    match descriptor.entry {
        Entry::Consent | Entry::Instance { .. } => {
            let page = instance.map_or_else(|| descriptor.name.to_owned(), one_line);
            let who =
                reconnect.and_then(|account| account.handle.as_deref()).map(|handle| format!(" as @{}", name(handle)));
            let start = if reconnect.is_some() { "open" } else { "Open" };
            text.push(&format!("{start} {page} and agree{}. ", who.unwrap_or_default()));
            if !matches!(descriptor.entry, Entry::Instance { .. }) {
                text.push(descriptor.hint).push(" ");
            }
            text.push(&format!("The link is yours alone, works once, until {until}."));
        }
        Entry::Form(fields) => {
            text.push(descriptor.hint).push(" Enter it there, not here.");
            for field in fields.iter().filter(|field| field.secret) {
                text.push(&format!("\n{}: {}", field.label, field.help));
            }
            text.push(&format!("\nThe link is yours alone, works once, until {until}."));
        }
        Entry::Bot => {
            text.push(descriptor.hint);
            if let Some(code) = code {
                text.push("\nOr, where I am already, post ").code(&format!("/connect {code}")).push(" there.");
            }
            text.push(&format!("\nThis is yours alone, works once, until {until}."));
        }
    }
    text
}

/// The button that opens the link.
pub fn open_button(descriptor: &Descriptor, reconnect: bool) -> String {
    match descriptor.entry {
        Entry::Consent | Entry::Instance { .. } if reconnect => format!("Reconnect {}", descriptor.name),
        Entry::Consent | Entry::Instance { .. } => format!("Connect {}", descriptor.name),
        Entry::Form(_) => "Open the form".to_owned(),
        Entry::Bot => format!("Add me to a {}", descriptor.noun),
    }
}

/// The answer is being looked at.
pub fn answered(platform: &str) -> String {
    format!("{platform} answered. I am looking at what can be connected…")
}

/// Where others read along: somebody is connecting something.
pub fn going_on(who: &str, platform: &str) -> String {
    format!("{} is connecting {platform}. I sent you the link, {0}: it is in our private chat.", name(who))
}

/// Where others read along, and the bot can't write to the asker first.
pub fn come_over(platform: &str) -> String {
    format!("The link for {platform} is for your eyes alone. Open our private chat to get it:")
}

/// As [`come_over`], where not even a link into the private chat can be made.
pub fn come_over_by_hand(platform: &str) -> String {
    format!("The link for {platform} is for your eyes alone. Write to me in our private chat, and send /connect there.")
}

/// Where others read along: nothing came of it.
pub fn came_to_nothing(platform: &str) -> String {
    format!("Nothing was connected on {platform}. /connect begins again.")
}

/// Something found, in a few words: name, handle, detail.
pub fn found(found: &Found) -> String {
    let mut about: Vec<String> = Vec::new();
    about.extend(found.handle.as_ref().map(|handle| format!("@{}", name(handle))));
    about.extend(found.detail.as_ref().map(|detail| one_line(detail)));
    if about.is_empty() { name(&found.name) } else { format!("{} ({})", name(&found.name), about.join(", ")) }
}

/// One thing can be connected.
pub fn one_found(only: &Found, known: Option<&Account>, platform: &str, workspace: &str) -> Text {
    let mut text = Text::from(format!("Connect {} on {platform} to ", found(only)));
    push_workspace(&mut text, workspace).push("?");
    if known.is_some() {
        text.push(" It is connected already and would be renewed.");
    }
    text
}

/// Several things can be connected.
pub fn several_found(count: usize, descriptor: &Descriptor, workspace: &str) -> Text {
    let mut text = Text::from(format!(
        "{} lists {} for you. Which should I post as, for ",
        descriptor.name,
        counted(count, descriptor.noun)
    ));
    push_workspace(&mut text, workspace).push("?");
    text
}

/// Nothing of what was found can be connected as it is.
pub fn none_free(platform: &str) -> String {
    format!("{platform} has nothing that I can connect as it is:")
}

/// Somebody else than expected agreed.
pub fn stranger(expected: &Account, found: &[&Found], platform: &str) -> Text {
    let names: Vec<String> = found.iter().map(|one| self::found(one)).collect();
    let mut text = Text::from("You agreed as someone else: I expected ");
    text.bold(&name(&expected.name)).push(&format!(", and {platform} gave {}.", list(&names)));
    text
}

/// What can't be connected, and why.
pub fn blocked(found: &Found, why: &str) -> String {
    let (name, why) = (name(&found.name), sentence(why));
    if why.contains(&name) { format!("✗ {why}") } else { format!("✗ {name}: {why}") }
}

/// What was asked and not given.
pub fn missing(what: &[String]) -> String {
    let what: Vec<String> = what.iter().map(|one| one_line(one)).collect();
    format!("But not everything was given: {}. Try again and agree to all of it, or connect without.", list(&what))
}

/// One of several, with its mark.
pub fn toggle(found: &Found, known: bool, picked: bool) -> String {
    let mark = if picked { "✓" } else { "☐" };
    let known = if known { ": connected, would be renewed" } else { "" };
    format!("{mark} {}{known}", name(&found.name))
}

/// The second line of a choice in a menu.
pub fn choice_detail(found: &Found, known: bool) -> Option<String> {
    let mut about: Vec<String> = Vec::new();
    about.extend(known.then(|| "connected, would be renewed".to_owned()));
    about.extend(found.handle.as_ref().map(|handle| format!("@{}", name(handle))));
    about.extend(found.detail.as_ref().map(|detail| one_line(detail)));
    (!about.is_empty()).then(|| about.join(", "))
}

/// What an account became, on one line.
pub fn done(account: &Account, platform: &str, workspace: &str) -> Text {
    let mut text = Text::default();
    match account.status {
        AccountStatus::Connected => {
            text.push("● ").bold(&name(&account.name)).push(&format!(" ({platform}) is connected to "));
            push_workspace(&mut text, workspace).push(".");
            if !account.is_active {
                text.push(" It is inactive: /toggle takes it into new posts again.");
            }
        }
        _ => {
            let why = account.why.as_deref().map(|why| format!(": {}", one_line(why))).unwrap_or_default();
            text.push("○ ")
                .bold(&name(&account.name))
                .push(&format!(" ({platform}) was connected, and is lost again{why}."));
        }
    }
    text
}

/// What was connected is disconnected by now.
pub fn done_and_gone(platform: &str) -> String {
    format!("What was connected on {platform} here was disconnected since.")
}

/// How long the connection holds. `until` is the day on which the consent itself ends, where that is known.
pub fn lasts(descriptor: &Descriptor, until: Option<&str>) -> String {
    match (descriptor.renewal, until) {
        (Renewal::Rotating { .. }, Some(until)) => format!(
            "I renew it whenever I use it. Unused until {until}, it ends, and {} asks you again.",
            descriptor.name
        ),
        (Renewal::Rotating { .. }, None) => "I renew it whenever I use it.".to_owned(),
        (Renewal::Never, _) if descriptor.bot.is_some() => {
            format!("It lasts for as long as I am in that {}; I notice at once when I am removed.", descriptor.noun)
        }
        (Renewal::Never, _) => "It does not end by itself.".to_owned(),
    }
}

/// Where alerts go, and what to do next.
pub fn next_steps(alerts: &[String], direct: bool) -> String {
    let alerts = if alerts.is_empty() { "the owners".to_owned() } else { list(alerts) };
    let write = if direct { "Send me a message to write a post" } else { "/post writes a post" };
    format!("Alerts go to: {alerts}. {write}; /accounts shows all accounts.")
}

/// It failed.
pub fn failed(why: &str, fix: &str) -> String {
    format!("{} Nothing was connected.", because(why, fix))
}

/// The person gave up.
pub fn cancelled() -> &'static str {
    "Cancelled: nothing was connected."
}

/// trypost stopped in the middle.
pub fn interrupted(platform: &str) -> String {
    format!("I was stopped while {platform} was being connected, so nothing was. Please try again.")
}

/// The link ran out.
pub fn expired() -> &'static str {
    "This link is older than 15 minutes, so it no longer works."
}

/// The pick was left lying too long.
pub fn pick_expired() -> &'static str {
    "This waited too long for your choice, so nothing was connected."
}

/// The attempt is gone from the database.
pub fn forgotten() -> &'static str {
    "This is long over. /connect begins again."
}

/// Nothing is picked yet.
pub fn pick_one() -> &'static str {
    "Pick at least one first."
}

/// The press does not come from a place that could be connected.
pub fn not_proven() -> &'static str {
    "You need Manage Server here for that. Somebody who has it can press, or use the link."
}

/// A secret was typed, and deleted.
pub fn secret_deleted() -> &'static str {
    "I deleted that message: a password does not belong in a chat. Please make a new app password; that one was seen here."
}

/// A secret was typed, and can't be deleted by us.
pub fn secret_seen() -> &'static str {
    "A password does not belong in a chat, and I can't delete your message: please do. I did not keep it. Then make a new \
     app password; that one was seen here."
}

/// The code was good.
pub fn code_taken() -> &'static str {
    "Thank you. The rest is in the chat where this code came from."
}

/// The code is not good.
pub fn code_wrong() -> &'static str {
    "This code is used, too old, or was never one. /connect in our private chat gives a new one."
}

/// The code was sent to the bot itself.
pub fn code_not_here() -> &'static str {
    "Post this in the channel or group that is to be connected, not here."
}

/// Whoever posts the code must be somebody who may.
pub fn code_not_admin() -> &'static str {
    "Only an admin of this chat can connect it, under their own name."
}

#[cfg(test)]
mod tests;
