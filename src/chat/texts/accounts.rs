//! How connected accounts are told: their lines, their cards, and what came of checking and disconnecting. Pure. Long
//! because the sentences' tests stand beside them.

use std::cmp::Ordering;

use bots::Text;

use super::{counted, day, list, moment, name, push_workspace, sentence};
use crate::domain::Timestamp;
use crate::domain::account::{Account, AccountStatus};
use crate::domain::fault::Fault;
use crate::flows::accounts::Disconnected;

/// The longest reason in a list, in characters: the whole one is on the account's card.
const LONGEST_REASON: usize = 90;

/// How long a connection holds by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Horizon {
    /// It has no end that we know of.
    Endless,
    /// Its sign-in is renewed by us; it ends then, where that is known.
    Renews(Option<Timestamp>),
    /// It ends then, and a person must consent again.
    Ends(Timestamp),
}

/// One account with what is told about it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its place in `/accounts`, from 1.
    pub number: usize,
    /// The account.
    pub account: Account,
    /// Its platform's name.
    pub platform: &'static str,
    /// What one account is there ("page").
    pub noun: &'static str,
    /// How long it holds.
    pub horizon: Horizon,
    /// Since when its platform is paused here, because our set-up is wrong.
    pub paused: Option<Timestamp>,
}

/// The zone times are told in, and now.
#[derive(Clone, Copy, Debug)]
pub struct Hour<'a> {
    /// IANA name.
    pub zone: &'a str,
    /// Now.
    pub now: Timestamp,
}

impl Hour<'_> {
    fn moment(self, at: Timestamp) -> String {
        moment(at, self.zone, self.now)
    }
}

impl Seen {
    /// `Acme (@acme on Bluesky)`, or `Acme News (Telegram)` where there is no handle, or the name is it.
    pub fn label(&self) -> String {
        label(&self.account, self.platform)
    }

    /// Whether nothing about it needs anyone.
    pub fn is_well(&self) -> bool {
        self.account.status == AccountStatus::Connected && self.account.shaky_since.is_none() && self.paused.is_none()
    }

    /// ● connected, ◐ shaky, ○ disconnected, ◌ inactive.
    pub fn mark(&self) -> &'static str {
        match self.account.status {
            AccountStatus::Disconnected | AccountStatus::TokenExpired => "○",
            AccountStatus::Connected if !self.account.is_active => "◌",
            AccountStatus::Connected if self.is_well() => "●",
            AccountStatus::Connected => "◐",
        }
    }

    /// How it is, in a few words without a full stop.
    fn state(&self, hour: Hour<'_>) -> String {
        let account = &self.account;
        let since = |at: Timestamp| format!("since {}", hour.moment(at));
        match account.status {
            AccountStatus::Disconnected => format!("disconnected {}", since(account.status_since)),
            AccountStatus::TokenExpired => format!("its sign-in ended, {}", since(account.status_since)),
            AccountStatus::Connected => {
                let mut words = Vec::new();
                if !account.is_active {
                    words.push("inactive: left out of new posts".to_owned());
                }
                if let Some(at) = self.paused {
                    words.push(format!("{} is not set up right here, {}; posts wait", self.platform, since(at)));
                } else if let Some(at) = account.shaky_since {
                    words.push(format!("shaky {}: I keep trying", since(at)));
                } else if account.is_active {
                    words.push(match self.horizon {
                        Horizon::Endless => "does not end".to_owned(),
                        Horizon::Renews(_) => "renews itself".to_owned(),
                        Horizon::Ends(at) => format!("until {}", day(at, hour.zone, hour.now)),
                    });
                }
                words.join("; ")
            }
        }
    }
}

/// An account's name as people know it.
pub fn label(account: &Account, platform: &str) -> String {
    let shown = name(&account.name);
    match account.handle.as_deref().map(name) {
        Some(handle) if shown.trim_start_matches('@').eq_ignore_ascii_case(&handle) => {
            format!("@{handle} on {platform}")
        }
        Some(handle) => format!("{shown} (@{handle} on {platform})"),
        None => format!("{shown} ({platform})"),
    }
}

/// `/accounts`: what a page of it says.
pub fn overview(workspace: &str, page: &[Seen], total: usize, well: usize, hour: Hour<'_>) -> Text {
    let mut text = Text::default();
    push_workspace(&mut text, workspace);
    if total == 0 {
        text.push(" has no accounts yet. Connect the first one, and I keep it connected.");
        return text;
    }
    text.push(&format!(": {}, {}", counted(total, "account"), how_many_well(total, well)));
    if let (Some(first), Some(last)) = (page.first(), page.last())
        && page.len() < total
    {
        text.push(&format!(" (here {} to {})", first.number, last.number));
    }
    for seen in page {
        text.push(&format!("\n{} {} {} · {}", seen.number, seen.mark(), seen.label(), seen.state(hour)));
        if let Some(why) = seen.account.why.as_deref().filter(|_| seen.account.status != AccountStatus::Connected) {
            text.push(&format!(": {}", brief(why)));
        }
    }
    text
}

/// "5 well", "all well".
pub fn how_many_well(total: usize, well: usize) -> String {
    match well.cmp(&total) {
        Ordering::Less => format!("{well} well"),
        _ => "all well".to_owned(),
    }
}

/// A reason cut to fit a line.
pub fn brief(why: &str) -> String {
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    match why.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", why[..end].trim_end()),
        None => why,
    }
}

/// One account's card. `news` is what just happened; `waiting` are the numbers of posts that are on their way to it.
pub fn card(seen: &Seen, news: Option<&str>, waiting: &[i64], hour: Hour<'_>) -> Text {
    let account = &seen.account;
    let mut text = Text::default();
    if let Some(news) = news {
        text.push(news).push("\n\n");
    }
    text.push(seen.mark()).push(" ").bold(&seen.label()).push(&format!(", {}", seen.noun));
    text.push("\n");
    if !seen.is_well() || !account.is_active {
        text.push(&sentence(&seen.state(hour))).push(" ");
    }
    if account.status == AccountStatus::Connected {
        text.push(&match seen.horizon {
            Horizon::Endless => "The connection holds until somebody takes it away.".to_owned(),
            Horizon::Renews(None) => "I renew the sign-in by myself.".to_owned(),
            Horizon::Renews(Some(at)) => format!("The sign-in ends {}; I renew it whenever I use it.", hour.moment(at)),
            Horizon::Ends(at) => format!("The sign-in ends {}, and must be given again then.", hour.moment(at)),
        });
    } else if let Some(why) = &account.why {
        text.push(&super::because(why, account.fix.as_deref().unwrap_or_default()));
    }
    if !waiting.is_empty() {
        text.push(&format!("\n{} on the way to it.", posts(waiting)));
    }
    text.push(&format!("\nIts number is {}, as in /check {}.", seen.number, seen.number));
    text
}

/// "Post 12 is", "Posts 12 and 14 are".
pub fn posts(numbers: &[i64]) -> String {
    let shown: Vec<String> = numbers.iter().map(i64::to_string).collect();
    if numbers.len() == 1 { format!("Post {} is", list(&shown)) } else { format!("Posts {} are", list(&shown)) }
}

/// After an account was taken into new posts or left out.
pub fn switched(active: bool, changed: bool) -> &'static str {
    match (active, changed) {
        (true, true) => "New posts include it again.",
        (false, true) => "New posts leave it out. Posts that are on their way still go there.",
        (true, false) => "New posts include it already.",
        (false, false) => "New posts leave it out already.",
    }
}

/// Several accounts fit what was typed.
pub fn which(typed: &str, count: usize, shown: usize) -> String {
    let more = match count - shown {
        0 => String::new(),
        more => format!(" {more} more fit; type more of the name to see them."),
    };
    format!("{} fit “{}”. Which one?{more}", counted(count, "account"), name(typed))
}

/// No account fits what was typed.
pub fn unknown(typed: &str, nearest: Option<&str>, any: bool) -> String {
    let typed = name(typed);
    match (nearest, any) {
        (Some(nearest), _) => format!("There is no account “{typed}” here. Did you mean {nearest}?"),
        (None, true) => {
            format!("There is no account “{typed}” here. A name, a handle or a number out of /accounts will do.")
        }
        (None, false) => "There are no accounts here yet. /connect adds the first one.".to_owned(),
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All well.
    Well,
    /// It was lost and works again.
    Back,
    /// It must be reconnected.
    Lost(String),
    /// Nobody could be asked; nothing changed.
    Unknown(String),
}

/// What a check found, from the account before and after it and the fault.
pub fn verdict(before: AccountStatus, after: &Account, fault: Option<&Fault>) -> Verdict {
    match fault {
        None if before != AccountStatus::Connected => Verdict::Back,
        None => Verdict::Well,
        Some(Fault::GrantDead { why } | Fault::AccountLost { why, .. }) => {
            Verdict::Lost(after.why.clone().unwrap_or_else(|| why.clone()))
        }
        Some(Fault::Transient { why, .. } | Fault::InDoubt { why } | Fault::Rejected { why, .. }) => {
            Verdict::Unknown(why.clone())
        }
        Some(Fault::Misconfigured { what }) => Verdict::Unknown(what.clone()),
        Some(Fault::Stale) => Verdict::Unknown("it does not take our sign-in right now".to_owned()),
        Some(Fault::AccountMoved { .. }) => Verdict::Unknown("it moved to another id just now".to_owned()),
    }
}

/// What a check of one account found, as a sentence.
pub fn checked_one(platform: &str, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Well => format!("{platform} says all is well."),
        Verdict::Back => "It works again.".to_owned(),
        Verdict::Lost(_) => format!("{platform} no longer lets us in."),
        Verdict::Unknown(why) => format!("{platform} could not be asked, so nothing changed: {}", sentence(why)),
    }
}

/// While many are checked.
pub fn checking(done: usize, all: usize) -> String {
    format!("Checking {}… {done} done.", counted(all, "account"))
}

/// What a check of many found: counts, then everything that is not simply well.
pub fn checked(results: &[(String, Verdict)]) -> String {
    let count = |is: fn(&Verdict) -> bool| results.iter().filter(|(_, verdict)| is(verdict)).count();
    let lost = count(|verdict| matches!(verdict, Verdict::Lost(_)));
    let unknown = count(|verdict| matches!(verdict, Verdict::Unknown(_)));
    let mut words = vec![format!("{} well", results.len() - lost - unknown)];
    if lost > 0 {
        words.push(format!("{lost} lost"));
    }
    if unknown > 0 {
        words.push(format!("{unknown} could not be checked, which changes nothing"));
    }
    let mut said = format!("Checked {}: {}.", counted(results.len(), "account"), words.join(", "));
    for (label, verdict) in results {
        match verdict {
            Verdict::Well => {}
            Verdict::Back => said.push_str(&format!("\n● {label} is back")),
            Verdict::Lost(why) => said.push_str(&format!("\n○ {label}: {}", brief(why))),
            Verdict::Unknown(why) => said.push_str(&format!("\n◐ {label}: {}", brief(why))),
        }
    }
    said
}

/// Whether a disconnect can give the consent back at the platform too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocable {
    /// Yes.
    Yes,
    /// There is no consent: a bot stands there.
    Bot,
    /// So many other accounts lean on the same consent.
    Shared(usize),
}

/// What disconnecting would do.
pub fn ask_disconnect(seen: &Seen, workspace: &str, waiting: &[i64], revocable: Revocable) -> Text {
    let mut text = Text::from("Disconnect ");
    text.bold(&seen.label()).push(" from ");
    push_workspace(&mut text, workspace);
    text.push("?\n• I forget the connection here, and what opens it.\n• What was published stays where it is.");
    if !waiting.is_empty() {
        text.push(&format!("\n• {} not finished and will not go there any more.", posts(waiting)));
    }
    text.push(&match revocable {
        Revocable::Yes => format!("\n• {} still lists trypost until you revoke it too.", seen.platform),
        Revocable::Bot => format!("\n• The bot stays in the {} until you remove it there.", seen.noun),
        Revocable::Shared(others) => {
            let lean = if others == 1 { "leans" } else { "lean" };
            format!("\n• The consent stays: {} {lean} on it.", counted(others, "other account"))
        }
    });
    text
}

/// What disconnecting did.
pub fn disconnected(label: &str, platform: &str, done: &Disconnected) -> Text {
    let mut text = Text::default();
    text.bold(label).push(" is disconnected. What was published stays where it is.");
    if !done.dropped.is_empty() {
        let numbers: Vec<String> = done.dropped.iter().map(i64::to_string).collect();
        let posts = if numbers.len() == 1 { "Post" } else { "Posts" };
        let goes = if numbers.len() == 1 { "goes" } else { "go" };
        text.push(&format!(" {posts} {} no longer {goes} there.", list(&numbers)));
    }
    match &done.revoked {
        None => {}
        Some(Ok(())) => drop(text.push(&format!(" {platform} took the consent back too."))),
        Some(Err(fault)) => drop(text.push(&format!(
            " {platform} could not be told, so remove trypost there yourself: {}",
            sentence(&fault.to_string())
        ))),
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::id::{AccountId, WorkspaceId};

    pub(crate) fn account(name: &str, handle: Option<&str>) -> Account {
        Account {
            id: AccountId::from("acc_1".to_owned()),
            workspace: WorkspaceId::from("wsp_1".to_owned()),
            platform: "toy".to_owned(),
            remote_id: "1".to_owned(),
            name: name.to_owned(),
            handle: handle.map(str::to_owned),
            url: None,
            meta: Value::Null,
            grant: None,
            status: AccountStatus::Connected,
            status_since: "2026-11-24T09:00:00Z".parse().unwrap(),
            why: None,
            fix: None,
            is_active: true,
            shaky_since: None,
        }
    }

    fn seen(account: Account) -> Seen {
        let horizon = Horizon::Renews(None);
        Seen { number: 1, account, platform: "Bluesky", noun: "profile", horizon, paused: None }
    }

    fn hour() -> Hour<'static> {
        Hour { zone: "UTC", now: "2026-11-27T12:00:00Z".parse().unwrap() }
    }

    #[test]
    fn labels_tell_accounts_apart_and_stay_on_their_line() {
        assert_eq!(label(&account("Acme", Some("acme.example")), "Bluesky"), "Acme (@acme.example on Bluesky)");
        assert_eq!(label(&account("acme", Some("acme")), "X"), "@acme on X");
        assert_eq!(label(&account("News", None), "Telegram"), "News (Telegram)");
        assert_eq!(label(&account("a\n● b", None), "Telegram"), "a ● b (Telegram)");
    }

    #[test]
    fn each_state_has_its_mark_and_words() {
        let at = "2026-11-27T11:00:00Z".parse().unwrap();
        let mut cases = vec![(seen(account("A", None)), "●", "renews itself")];
        let mut one = seen(account("A", None));
        one.horizon = Horizon::Ends("2027-01-21T00:00:00Z".parse().unwrap());
        cases.push((one.clone(), "●", "until 21 Jan 2027"));
        one.account.is_active = false;
        cases.push((one.clone(), "◌", "inactive: left out of new posts"));
        one.account.is_active = true;
        one.account.shaky_since = Some(at);
        cases.push((one.clone(), "◐", "shaky since Fri 27 Nov 11:00: I keep trying"));
        one.paused = Some(at);
        cases.push((one.clone(), "◐", "Bluesky is not set up right here, since Fri 27 Nov 11:00; posts wait"));
        one.account.status = AccountStatus::Disconnected;
        cases.push((one.clone(), "○", "disconnected since Tue 24 Nov 9:00"));
        one.account.status = AccountStatus::TokenExpired;
        cases.push((one, "○", "its sign-in ended, since Tue 24 Nov 9:00"));
        for (seen, mark, words) in cases {
            assert_eq!((seen.mark(), seen.state(hour()).as_str()), (mark, words));
        }
    }

    #[test]
    fn the_overview_counts_and_numbers() {
        let mut lost = seen(account("B", None));
        lost.number = 2;
        lost.account.status = AccountStatus::Disconnected;
        lost.account.why = Some("you took away\nthe permission".to_owned());
        let text = overview("Blue team", &[seen(account("A", None)), lost], 2, 1, hour());
        assert_eq!(
            text.plain,
            "Blue team: 2 accounts, 1 well\n1 ● A (Bluesky) · renews itself\n\
             2 ○ B (Bluesky) · disconnected since Tue 24 Nov 9:00: you took away the permission"
        );
        assert!(overview("Blue team", &[], 0, 0, hour()).plain.contains("no accounts yet"));
        let page = overview("Blue team", &[seen(account("A", None))], 30, 30, hour()).plain;
        assert!(page.starts_with("Blue team: 30 accounts, all well (here 1 to 1)"), "{page}");
    }

    #[test]
    fn a_check_that_could_not_be_made_is_told_as_that() {
        let after = account("A", None);
        let lost = Fault::GrantDead { why: "the password changed".to_owned() };
        let verdicts = [
            verdict(AccountStatus::Connected, &after, None),
            verdict(AccountStatus::Disconnected, &after, None),
            verdict(AccountStatus::Connected, &after, Some(&lost)),
            verdict(AccountStatus::Connected, &after, Some(&Fault::transient("it is busy"))),
        ];
        let results: Vec<_> = ["a", "b", "c", "d"].map(str::to_owned).into_iter().zip(verdicts).collect();
        assert_eq!(
            checked(&results),
            "Checked 4 accounts: 2 well, 1 lost, 1 could not be checked, which changes nothing.\n\
             ● b is back\n○ c: the password changed\n◐ d: it is busy"
        );
        assert!(checked_one("Bluesky", &results[3].1).contains("nothing changed: It is busy."));
    }

    #[test]
    fn disconnecting_says_what_happens_and_happened() {
        let asked = ask_disconnect(&seen(account("A", None)), "Blue team", &[12, 14], Revocable::Shared(1)).plain;
        for part in ["What was published stays", "Posts 12 and 14 are not finished", "1 other account leans on it"] {
            assert!(asked.contains(part), "{asked}");
        }
        let revoked = Some(Err(Fault::transient("it is away")));
        let done = Disconnected { account: account("A", None), dropped: vec![3], revoked };
        let said = disconnected("A", "Bluesky", &done).plain;
        assert!(
            said.contains("Post 3 no longer goes there.") && said.contains("remove trypost there yourself"),
            "{said}"
        );
    }
}
