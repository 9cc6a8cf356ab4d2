//! Which platform people mean by what they type: identifiers, names, beginnings of them, small slips. It knows names
//! only as the descriptors give them.

use bots::Choice;

use crate::chat::Chat;
use crate::flows::Offered;

/// The most slips that are forgiven with a question.
const SLIPS: usize = 2;
/// The most suggestions a surface shows.
const SUGGESTIONS: usize = 25;

/// What was typed means this.
pub(super) enum Meant<'a> {
    /// This platform.
    This(&'a Offered),
    /// Most likely this one: worth asking.
    Perhaps(&'a Offered),
    /// Nothing that is known.
    Nothing,
}

/// Letters and digits only, in lower case: "LinkedIn Page" and "linkedin-page" are the same.
fn bare(typed: &str) -> String {
    typed.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Finds the platform among those that are allowed here.
pub(super) fn meant<'a>(offered: &'a [Offered], typed: &str) -> Meant<'a> {
    let typed = bare(typed);
    let allowed = || offered.iter().filter(|offered| offered.enabled);
    let words = |offered: &Offered| {
        let descriptor = offered.platform.descriptor();
        [bare(descriptor.id), bare(descriptor.name)]
    };
    if typed.is_empty() {
        return Meant::Nothing;
    }
    if let Some(exact) = allowed().find(|offered| words(offered).contains(&typed)) {
        return Meant::This(exact);
    }
    // Of several that begin so, the shortest is the plain one: "insta" is Instagram, not its kind that needs Facebook.
    let begins =
        allowed().filter(|offered| typed.len() > 1 && words(offered).iter().any(|word| word.starts_with(&typed)));
    if let Some(shortest) = begins.min_by_key(|offered| words(offered)[0].len()) {
        return Meant::This(shortest);
    }
    let distance =
        |offered: &&Offered| words(offered).iter().map(|word| strsim::damerau_levenshtein(word, &typed)).min();
    match allowed().map(|offered| (distance(&offered), offered)).min_by_key(|(distance, _)| *distance) {
        Some((Some(slips), nearest)) if slips <= SLIPS && slips < typed.len() => Meant::Perhaps(nearest),
        _ => Meant::Nothing,
    }
}

/// Platforms that fit what was typed so far.
pub fn completions(chat: &Chat, typed: &str) -> Vec<Choice> {
    let typed = bare(typed);
    chat.flows
        .available()
        .map(|offered| offered.platform.descriptor())
        .filter(|descriptor| bare(descriptor.name).contains(&typed) || bare(descriptor.id).contains(&typed))
        .take(SUGGESTIONS)
        .map(|descriptor| Choice {
            label: descriptor.name.to_owned(),
            value: descriptor.id.to_owned(),
            detail: None,
            picked: false,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::platforms::registry;
    use crate::platforms::telegram::TelegramBudget;

    fn all() -> Vec<Offered> {
        let redirect: url::Url = "https://t.example/".parse().unwrap();
        registry::all(Arc::new(TelegramBudget::new()))
            .into_iter()
            .map(|platform| Offered {
                platform,
                app: crate::platforms::App::default(),
                redirect_uri: redirect.clone(),
                missing: Vec::new(),
                enabled: true,
            })
            .collect()
    }

    #[test]
    fn what_people_type_is_forgiven() {
        let all = all();
        let this = |typed: &str| match meant(&all, typed) {
            Meant::This(offered) => Some(offered.platform.descriptor().name),
            _ => None,
        };
        let perhaps = |typed: &str| match meant(&all, typed) {
            Meant::Perhaps(offered) => Some(offered.platform.descriptor().name),
            _ => None,
        };
        assert_eq!(this("Mastodon"), Some("Mastodon"));
        assert_eq!(this(" MASTODON! "), Some("Mastodon"));
        assert_eq!(this("masto"), Some("Mastodon"));
        assert_eq!(this("tele"), Some("Telegram"));
        assert_eq!((this("mastadon"), perhaps("mastadon")), (None, Some("Mastodon")));
        assert_eq!((this("dsicord"), perhaps("dsicord")), (None, Some("Discord")));
        assert_eq!((this("zz"), perhaps("zz")), (None, None));
        assert_eq!((this(""), perhaps("")), (None, None));
    }
}
