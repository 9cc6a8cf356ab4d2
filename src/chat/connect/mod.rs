//! Connecting, as people see it: `/connect` and `/reconnect`, what their buttons and typed answers do, and where the
//! private card goes. What happens is decided in `flows::connect`; platforms are known here by their descriptors only.

use bots::{Incoming, Message};
use serde::{Deserialize, Serialize};

use super::texts::connect as words;
use super::{Action, Talk, posts};
use crate::domain::id::{AccountId, AttemptId};
use crate::domain::workspace::Role;
use crate::flows::Refusal;

mod acts;
mod begin;
mod card;
mod names;
mod private;
mod secret;

pub use card::draw;
pub use names::completions;
pub use private::resume;
pub use secret::{is_secret, looks_secret, secret_typed};

use acts::{confirm, fill, here, pick, recheck, show, unless_late};
use begin::{begin, bring_back, list, reconnect};
use names::Meant;
use private::deliver;

/// More words than this are no server's name: the person went on to something else.
const SERVER_WORDS: usize = 3;
/// The field of the form that asks for a server.
const SERVER: &str = "server";

/// What buttons, menus and forms about connecting do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    /// Ask which platform, in a new message.
    List,
    /// The menu of platforms: the value is an identifier.
    Menu,
    /// Begin, in place of the pressed card.
    Start {
        /// The platform's identifier.
        platform: String,
        /// Its server.
        instance: Option<String>,
        /// The account to bring back.
        account: Option<AccountId>,
    },
    /// Bring this account back, in a new message: for cards about something else.
    Reconnect(AccountId),
    /// The form that asked for a server was sent; or, pressed as a button, opens it again. The platform's identifier.
    Server(String),
    /// Take back the question for a server.
    Dismiss,
    /// Open the platform's form over the chat; as a form, what was filled in.
    Fill(AttemptId),
    /// Connect the server in which this is pressed.
    Here(AttemptId),
    /// Pick or unpick one.
    Toggle {
        /// The attempt.
        attempt: AttemptId,
        /// What.
        remote_id: String,
        /// The page to stay on.
        page: usize,
    },
    /// Pick all, or none when all are picked; stays on the page.
    All(AttemptId, usize),
    /// Show this page.
    Page(AttemptId, usize),
    /// A menu's page was used: exactly its values are picked there.
    Pick(AttemptId, usize),
    /// Connect what is picked.
    Confirm(AttemptId),
    /// Connect the only one found, though another account was to come back.
    AsNew(AttemptId),
    /// Look again at the place where the bot lacked a right.
    Recheck(AttemptId),
    /// Give up.
    Cancel(AttemptId),
    /// Show the card to its owner.
    Show(AttemptId),
}

/// Questions for typed words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Which server of this platform.
    Server {
        /// The platform's identifier.
        platform: String,
    },
}

/// `/connect [platform] [instance]` and `/reconnect ACCOUNT`.
pub async fn command(talk: &Talk<'_>, name: &str, arguments: &[String]) -> Result<(), Refusal> {
    if looks_secret(&arguments.join(" ")) {
        return secret_typed(talk).await;
    }
    let first = arguments.first().map(String::as_str).unwrap_or_default();
    if name == "reconnect" {
        return reconnect(talk, first).await;
    }
    if first.is_empty() {
        return Box::pin(list(talk, None)).await;
    }
    let flows = &talk.chat.flows;
    let second = arguments.get(1).map(String::as_str).filter(|typed| !typed.is_empty());
    match names::meant(&flows.platforms, first) {
        Meant::This(offered) => begin(talk, offered, second, None, false).await,
        // A server's name in place of the platform's says both.
        _ if first.contains('.') => match flows.available().find(|offered| offered.platform.instance(first).is_ok()) {
            Some(offered) => begin(talk, offered, Some(first), None, false).await,
            None => list(talk, Some(words::unknown_platform(first, None))).await,
        },
        Meant::Perhaps(offered) => {
            let descriptor = offered.descriptor();
            let canvas = talk.own_canvas()?;
            let start =
                Press::Start { platform: descriptor.id.to_owned(), instance: second.map(str::to_owned), account: None };
            let yes = talk.chat.button(&canvas, descriptor.name, Action::Connect(start)).await?;
            let other = talk.chat.button(&canvas, "Another one", Action::Connect(Press::List)).await?;
            let text = words::unknown_platform(first, Some(descriptor.name));
            talk.say(Message::text(text).row([yes, other])).await.map(drop)
        }
        Meant::Nothing => list(talk, Some(words::unknown_platform(first, None))).await,
    }
}

/// A button was pressed, a menu used, a form sent.
pub async fn press(
    talk: &Talk<'_>,
    press: Press,
    values: &[String],
    fields: &[(String, String)],
) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let actor = talk.actor()?;
    let gone = || Refusal::Gone { what: "platform" };
    match press {
        Press::List => {
            flows.require(&actor, Role::Admin).await?;
            Box::pin(list(talk, None)).await
        }
        Press::Menu => {
            let offered = values.first().and_then(|id| flows.offered(id)).ok_or_else(gone)?;
            Box::pin(begin(talk, offered, None, None, true)).await
        }
        Press::Start { platform, instance, account } => {
            let offered = flows.offered(&platform).ok_or_else(gone)?;
            Box::pin(begin(talk, offered, instance.as_deref(), account.as_ref(), true)).await
        }
        Press::Reconnect(account) => Box::pin(bring_back(talk, &account, false)).await,
        Press::Server(platform) => {
            let offered = flows.offered(&platform).ok_or_else(gone)?;
            let typed = fields.iter().find(|(name, _)| name == SERVER).map(|(_, typed)| typed.as_str());
            Box::pin(begin(talk, offered, typed, None, false)).await
        }
        Press::Dismiss => {
            flows.store.take_question(&talk.place.surface, &talk.place.chat, &actor.person).await?;
            talk.instead(Message::text(words::cancelled())).await.map(drop)
        }
        Press::Fill(id) => Box::pin(fill(talk, &id, fields)).await,
        Press::Here(id) => Box::pin(here(talk, &id)).await,
        Press::Toggle { attempt, remote_id, page } => {
            unless_late(flows.pick(&actor, &attempt, Some(&remote_id)).await)?;
            Box::pin(show(talk, &attempt, page)).await
        }
        Press::All(id, page) => {
            unless_late(flows.pick(&actor, &id, None).await)?;
            Box::pin(show(talk, &id, page)).await
        }
        Press::Page(id, page) => {
            flows.own_attempt(&actor, &id).await?;
            Box::pin(show(talk, &id, page)).await
        }
        Press::Pick(id, page) => {
            pick(talk, &id, page, values).await?;
            Box::pin(show(talk, &id, page)).await
        }
        Press::Confirm(id) => Box::pin(confirm(talk, &id)).await,
        Press::AsNew(id) => {
            let attempt = flows.own_attempt(&actor, &id).await?;
            if let (true, Some(offer)) = (attempt.picked.is_empty(), flows.offer(&attempt).await?)
                && let Some((only, _)) = offer.found.iter().find(|(found, _)| found.blocked.is_none())
            {
                unless_late(flows.pick(&actor, &id, Some(&only.remote_id)).await)?;
            }
            Box::pin(confirm(talk, &id)).await
        }
        Press::Recheck(id) => Box::pin(recheck(talk, &id)).await,
        Press::Cancel(id) => {
            unless_late(flows.cancel_attempt(&actor, &id).await)?;
            Box::pin(show(talk, &id, 0)).await
        }
        Press::Show(id) => {
            flows.own_attempt(&actor, &id).await?;
            Box::pin(deliver(talk, &id, false)).await
        }
    }
}

/// Typed words answer a question of ours.
pub async fn answer(talk: &Talk<'_>, question: Question, incoming: &Incoming) -> Result<(), Refusal> {
    let Question::Server { platform } = question;
    let typed = incoming.text.plain.trim();
    let went_on = !incoming.files.is_empty() || typed.split_whitespace().count() > SERVER_WORDS;
    if went_on && talk.is_direct() {
        return posts::plain_message(talk, incoming).await;
    }
    let flows = &talk.chat.flows;
    let offered = flows.offered(&platform).ok_or(Refusal::Gone { what: "platform" })?;
    // The role is looked up when it matters, and the workspace is where they are now.
    begin(talk, offered, Some(typed), None, false).await
}
