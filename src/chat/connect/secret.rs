//! Passwords and tokens typed in a chat, where they don't belong: recognised, deleted where that is allowed, never kept.

use bots::Message;

use crate::chat::{Talk, texts};
use crate::domain::id::AttemptId;
use crate::flows::Refusal;
use crate::platforms::Entry;

/// Words that announce a password, as in "password: …".
const ANNOUNCES: [&str; 4] = ["password", "passwort", "pass", "pw"];

/// Whether the text holds something that only a secret looks like: an app password, a JWT, a bot's token.
pub fn looks_secret(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | '(' | ')' | '<' | '>' | '='))
        .any(|word| {
            let word = word.trim_matches(|c: char| matches!(c, '.' | ':' | '!' | '?'));
            is_app_password(word) || is_jwt(word) || is_telegram_token(word) || is_discord_token(word)
        })
}

/// Four groups of four letters and digits, as Bluesky makes them.
fn is_app_password(word: &str) -> bool {
    let groups: Vec<&str> = word.split('-').collect();
    groups.len() == 4
        && groups
            .iter()
            .all(|group| group.len() == 4 && group.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

fn is_base64url(part: &str) -> bool {
    part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Header, payload and signature; the first two begin with `{"` in base64.
fn is_jwt(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 3
        && parts[0].starts_with("eyJ")
        && parts[1].starts_with("eyJ")
        && parts.iter().all(|part| is_base64url(part))
}

/// The bot's id, a colon, 35 characters (core.telegram.org/bots/api, "Authorizing your bot").
fn is_telegram_token(word: &str) -> bool {
    word.split_once(':').is_some_and(|(id, key)| {
        (8..=12).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()) && key.len() == 35 && is_base64url(key)
    })
}

/// The bot's id in base64, a time, a signature (docs.discord.com, "Authentication").
fn is_discord_token(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 3
        && (22..=30).contains(&parts[0].len())
        && parts[1].len() == 6
        && (27..=40).contains(&parts[2].len())
        && parts.iter().all(|part| is_base64url(part))
}

/// Whether the text is a password with a word that says so: "password: hunter2", "my password is hunter2".
fn announces_password(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    let mut words = text.split(|c: char| c.is_whitespace() || matches!(c, ':' | '=')).filter(|word| !word.is_empty());
    let mut word = words.next();
    for filler in ["my", "the", "app"] {
        if word == Some(filler) {
            word = words.next();
        }
    }
    let announced = word.is_some_and(|word| ANNOUNCES.contains(&word.trim_start_matches("app-")));
    let mut secret = words.next();
    if secret == Some("is") {
        secret = words.next();
    }
    announced && secret.is_some() && words.next().is_none()
}

/// Whether what the speaker typed is a secret: by its looks, or because a form for one is open and they announce it.
pub async fn is_secret(talk: &Talk<'_>, text: &str) -> Result<bool, Refusal> {
    Ok(looks_secret(text) || (announces_password(text) && open_form(talk).await?.is_some()))
}

/// The speaker's open attempt that waits for a form.
async fn open_form(talk: &Talk<'_>) -> Result<Option<AttemptId>, Refusal> {
    let Some(identity) = &talk.identity else { return Ok(None) };
    let flows = &talk.chat.flows;
    for descriptor in flows.available().map(|offered| offered.platform.descriptor()) {
        if let (Entry::Form(_), Some(attempt)) =
            (descriptor.entry, flows.store.open_attempt(&identity.person, descriptor.id).await?)
        {
            return Ok(Some(attempt.id));
        }
    }
    Ok(None)
}

/// Answers a secret: takes it away where the surface lets us, says what happened, and shows the form again.
pub async fn secret_typed(talk: &Talk<'_>) -> Result<(), Refusal> {
    let deleted = match (&talk.update.message, talk.chat.surfaces.get(&talk.update.chat.surface)) {
        (Some(message), Some(surface)) => surface.delete(message).await.is_ok(),
        _ => false,
    };
    talk.say(Message::text(if deleted { texts::connect::secret_deleted() } else { texts::connect::secret_seen() }))
        .await?;
    if let (true, Some(attempt)) = (talk.is_direct(), open_form(talk).await?) {
        talk.show_card(attempt.as_str(), false, true).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_looks() {
        let telegram = format!("123456789:{}", "A".repeat(35));
        let discord = format!("{}.{}.{}", "M".repeat(24), "x".repeat(6), "s".repeat(38));
        for secret in
            ["abcd-efgh-ijkl-mn2p", "here: 'abcd-efgh-ijkl-mn2p'.", "eyJhbGciOi.eyJzdWIi.sig_-x", &telegram, &discord]
        {
            assert!(looks_secret(secret), "{secret}");
        }
        for harmless in [
            "We open at nine",
            "2026-11-22-1430",
            "abcd-efgh-ijkl",
            "ABCD-EFGH-IJKL-MNOP",
            "www.example.com",
            "12:30",
            "a.b.c",
            "",
            "https://example.com/abcd-efgh-ijkl-mn2p",
        ] {
            assert!(!looks_secret(harmless), "{harmless}");
        }
    }

    #[test]
    fn passwords_are_announced() {
        for announced in
            ["password hunter2", "Password: hunter2!", "my app password is hunter2", "pw=hunter2", "app-password x"]
        {
            assert!(announces_password(announced), "{announced}");
        }
        for harmless in ["password", "Password tips for everyone", "pass me the salt please", "hello", "is it"] {
            assert!(!announces_password(harmless), "{harmless}");
        }
    }
}
