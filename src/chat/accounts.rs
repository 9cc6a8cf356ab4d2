//! Commands and buttons about connected accounts: the list, one account's card, switching, checking, disconnecting.
//! What they mean is in `flows`; how they are told is in `texts`. Long because every command has its button, and both
//! draw the same cards.

use bots::{Button, Choice, Message, MessageRef};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use super::texts::accounts::{self as texts, Horizon, Hour, Revocable, Seen};
use super::{Action, Canvas, Chat, Talk, connect};
use crate::domain::account::{Account, AccountStatus};
use crate::domain::id::AccountId;
use crate::domain::workspace::Role;
use crate::flows::{Actor, Refusal};
use crate::platforms::Renewal;

/// Accounts on one page of `/accounts`: with their reasons they fit one message of every surface.
const PAGE: usize = 20;
/// Reconnect buttons on one page; one cures all accounts of a consent.
const RECONNECTS: usize = 6;
/// Accounts offered where a name is ambiguous.
const OFFERED: usize = 8;
/// Checks under way at once.
const CHECKS: usize = 8;
/// How often progress is told, at most (seconds): chats allow about one edit a second.
const PROGRESS: i64 = 2;
/// Suggestions that a surface takes.
const SUGGESTIONS: usize = 25;

/// Buttons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    /// A page of the list.
    List {
        /// From 0.
        page: usize,
    },
    /// One account's card.
    Card {
        /// Which.
        account: AccountId,
    },
    /// Take it into new posts, or leave it out.
    SetActive {
        /// Which.
        account: AccountId,
        /// In or out.
        active: bool,
    },
    /// Ask its platform now.
    Check {
        /// Which.
        account: AccountId,
    },
    /// Ask all platforms now.
    CheckAll,
    /// Show what disconnecting does.
    AskDisconnect {
        /// Which.
        account: AccountId,
    },
    /// Do it.
    Disconnect {
        /// Which.
        account: AccountId,
        /// At the platform too.
        revoke: bool,
    },
    /// Bring it back.
    Reconnect {
        /// Which.
        account: AccountId,
    },
    /// Connect one.
    Connect,
}

impl From<Press> for Action {
    fn from(press: Press) -> Self {
        Self::Account(press)
    }
}

/// `/accounts`, `/account`, `/toggle`, `/check`, `/disconnect`.
pub async fn command(talk: &Talk<'_>, name: &str, arguments: &[String]) -> Result<(), Refusal> {
    let actor = talk.actor()?;
    let typed = arguments.join(" ");
    match name {
        "accounts" => {
            talk.say(list(talk, &actor, 0).await?).await?;
            return Ok(());
        }
        "check" if typed.trim().is_empty() => return check_all(talk, &actor).await,
        _ => {}
    }
    let found = talk.chat.flows.find_accounts(&actor, &typed).await?;
    match found.as_slice() {
        [] => unknown(talk, &actor, name, &typed).await,
        [account] => {
            let message = begin(talk, &actor, press_for(name, account)).await?;
            talk.say(message).await?;
            Ok(())
        }
        many => which(talk, name, &typed, many).await,
    }
}

/// A button about accounts was pressed.
pub async fn press(talk: &Talk<'_>, press: Press) -> Result<(), Refusal> {
    let actor = talk.actor()?;
    match &press {
        Press::Connect | Press::Reconnect { .. } => {
            talk.chat.flows.require(&actor, Role::Admin).await?;
            match &press {
                Press::Reconnect { account } => connect::command(talk, "reconnect", &[account.to_string()]).await,
                _ => connect::command(talk, "connect", &[]).await,
            }
        }
        Press::CheckAll => check_all(talk, &actor).await,
        _ => {
            let message = match begin(talk, &actor, press).await {
                Err(Refusal::Gone { what: "account" }) => {
                    talk.toast("This account is not connected here any more.").await;
                    list(talk, &actor, 0).await?
                }
                message => message?,
            };
            talk.instead(message).await?;
            Ok(())
        }
    }
}

/// What a command does with the one account that was meant.
fn press_for(name: &str, account: &Account) -> Press {
    let id = account.id.clone();
    match name {
        "toggle" => Press::SetActive { account: id, active: !account.is_active },
        "check" => Press::Check { account: id },
        "disconnect" => Press::AskDisconnect { account: id },
        _ => Press::Card { account: id },
    }
}

/// Does what a press says; gives what to show.
async fn begin(talk: &Talk<'_>, actor: &Actor, press: Press) -> Result<Message, Refusal> {
    let flows = &talk.chat.flows;
    match press {
        Press::List { page } => list(talk, actor, page).await,
        Press::Card { account } => card(talk, actor, &account, None).await,
        Press::SetActive { account, active } => {
            let changed = flows.set_account_active(actor, &account, active).await?;
            card(talk, actor, &account, Some(texts::switched(active, changed))).await
        }
        Press::Check { account } => {
            let before = flows.store.account(&actor.workspace, &account).await?.ok_or(GONE)?;
            let (after, fault) = flows.check_now(actor, &account).await?;
            let verdict = texts::verdict(before.status, &after, fault.as_ref());
            let news = texts::checked_one(platform(talk.chat, &after).0, &verdict);
            card(talk, actor, &account, Some(&news)).await
        }
        Press::AskDisconnect { account } => ask_disconnect(talk, actor, &account).await,
        Press::Disconnect { account, revoke } => {
            let done = flows.disconnect(actor, &account, revoke).await?;
            let (platform, _) = platform(talk.chat, &done.account);
            let label = texts::label(&done.account, platform);
            let canvas = talk.canvas()?;
            Ok(Message::text(texts::disconnected(&label, platform, &done)).row([
                button(talk, &canvas, "All accounts", Press::List { page: 0 }).await?,
                button(talk, &canvas, "Connect another", Press::Connect).await?,
            ]))
        }
        Press::CheckAll | Press::Reconnect { .. } | Press::Connect => list(talk, actor, 0).await,
    }
}

const GONE: Refusal = Refusal::Gone { what: "account" };

async fn button(
    talk: &Talk<'_>,
    canvas: &Canvas,
    label: impl Into<String>,
    press: impl Into<Action>,
) -> Result<Button, Refusal> {
    Ok(talk.chat.button(canvas, label, press.into()).await?)
}

/// A platform's name, and what one account is there.
pub(super) fn platform(chat: &Chat, account: &Account) -> (&'static str, &'static str) {
    // Rows are only written with known identifiers; a platform that a newer version knew has its accounts nameless.
    chat.flows.offered(&account.platform).map_or(("another platform", "account"), |offered| {
        let descriptor = offered.platform.descriptor();
        (descriptor.name, descriptor.noun)
    })
}

/// All accounts of a workspace with what is told about them, in `/accounts`' order.
pub(super) async fn all(chat: &Chat, actor: &Actor) -> Result<Vec<Seen>, Refusal> {
    let flows = &chat.flows;
    let accounts = flows.store.accounts(&actor.workspace).await?;
    let horizons = flows.store.horizons(&actor.workspace).await?;
    let pauses = flows.store.pauses().await?;
    let seen = accounts.into_iter().enumerate().map(|(at, account)| {
        let offered = flows.offered(&account.platform);
        let grant = account.grant.as_ref().and_then(|id| horizons.iter().find(|horizon| horizon.grant == *id));
        let ends = grant.and_then(|grant| grant.expires_at);
        let horizon = match (offered.map(|offered| offered.platform.descriptor().renewal), ends) {
            (Some(Renewal::Rotating { .. }), ends) => Horizon::Renews(ends),
            (_, Some(at)) => Horizon::Ends(at),
            (_, None) => Horizon::Endless,
        };
        let app = grant.map(|grant| grant.app.as_str()).or_else(|| offered.map(|offered| offered.app.id.as_str()));
        let paused = pauses
            .iter()
            .find(|pause| pause.platform == account.platform && app == Some(pause.app.as_str()))
            .map(|pause| pause.since);
        let (platform, noun) = platform(chat, &account);
        Seen { number: at + 1, account, platform, noun, horizon, paused }
    });
    Ok(seen.collect())
}

/// Whether a button that needs this role is drawn: where others read along, somebody else may press it.
fn offers(talk: &Talk<'_>, role: Role) -> bool {
    !talk.is_direct() || talk.workspace.as_ref().is_some_and(|(_, has)| *has >= role)
}

async fn list(talk: &Talk<'_>, actor: &Actor, page: usize) -> Result<Message, Refusal> {
    let canvas = talk.canvas()?;
    let seen = all(talk.chat, actor).await?;
    let well = seen.iter().filter(|seen| seen.is_well()).count();
    let last = seen.len().saturating_sub(1) / PAGE;
    let page = page.min(last);
    let here = &seen[page * PAGE..seen.len().min((page + 1) * PAGE)];
    let hour = Hour { zone: &canvas.workspace.timezone, now: talk.chat.flows.clock.now() };
    let mut message = Message::text(texts::overview(&canvas.workspace.name, here, seen.len(), well, hour));
    if offers(talk, Role::Admin) {
        let mut consents = Vec::new();
        let mut buttons = Vec::new();
        for one in here.iter().filter(|one| one.account.status != AccountStatus::Connected) {
            if buttons.len() == RECONNECTS || (one.account.grant.is_some() && consents.contains(&&one.account.grant)) {
                continue;
            }
            consents.push(&one.account.grant);
            let label = format!("Reconnect {} {}", one.number, super::texts::name(&one.account.name));
            buttons.push(button(talk, &canvas, label, Press::Reconnect { account: one.account.id.clone() }).await?);
        }
        for pair in buttons.chunks(2) {
            message = message.row(pair.to_vec());
        }
    }
    let mut turn = Vec::new();
    if page > 0 {
        turn.push(button(talk, &canvas, "Back", Press::List { page: page - 1 }).await?);
    }
    if page < last {
        turn.push(button(talk, &canvas, "More", Press::List { page: page + 1 }).await?);
    }
    message = message.row(turn);
    let mut end = Vec::new();
    if offers(talk, Role::Admin) {
        let label = if seen.is_empty() { "Connect an account" } else { "Connect another" };
        end.push(button(talk, &canvas, label, Press::Connect).await?);
    }
    if !seen.is_empty() {
        end.push(button(talk, &canvas, "Check all", Press::CheckAll).await?);
    }
    Ok(message.row(end))
}

async fn card(talk: &Talk<'_>, actor: &Actor, id: &AccountId, news: Option<&str>) -> Result<Message, Refusal> {
    let canvas = talk.canvas()?;
    let seen = all(talk.chat, actor).await?.into_iter().find(|seen| seen.account.id == *id).ok_or(GONE)?;
    let waiting = waiting(talk.chat, id).await?;
    let hour = Hour { zone: &canvas.workspace.timezone, now: talk.chat.flows.clock.now() };
    let account = &seen.account;
    let mut first = Vec::new();
    if account.status != AccountStatus::Connected && offers(talk, Role::Admin) {
        first.push(button(talk, &canvas, "Reconnect", Press::Reconnect { account: id.clone() }).await?);
    }
    first.push(button(talk, &canvas, "Check", Press::Check { account: id.clone() }).await?);
    if offers(talk, Role::Member) {
        let label = if account.is_active { "Leave out" } else { "Take in" };
        let press = Press::SetActive { account: id.clone(), active: !account.is_active };
        first.push(button(talk, &canvas, label, press).await?);
    }
    let mut second = Vec::new();
    if offers(talk, Role::Admin) {
        if account.status == AccountStatus::Connected {
            second.push(button(talk, &canvas, "Reconnect", Press::Reconnect { account: id.clone() }).await?);
        }
        second.push(button(talk, &canvas, "Disconnect", Press::AskDisconnect { account: id.clone() }).await?);
    }
    second.push(button(talk, &canvas, "All accounts", Press::List { page: (seen.number - 1) / PAGE }).await?);
    if let Some(url) = &account.url {
        second.push(Button::link("Open", url));
    }
    Ok(Message::text(texts::card(&seen, news, &waiting, hour)).row(first).row(second))
}

/// The numbers of the posts on their way to an account.
pub(super) async fn waiting(chat: &Chat, id: &AccountId) -> Result<Vec<i64>, Refusal> {
    Ok(chat.flows.store.targets_waiting_for(id).await?.into_iter().map(|(_, number)| number).collect())
}

async fn ask_disconnect(talk: &Talk<'_>, actor: &Actor, id: &AccountId) -> Result<Message, Refusal> {
    let flows = &talk.chat.flows;
    flows.require(actor, Role::Admin).await?;
    let canvas = talk.own_canvas()?;
    let seen = all(talk.chat, actor).await?.into_iter().find(|seen| seen.account.id == *id).ok_or(GONE)?;
    let revocable = match &seen.account.grant {
        None => Revocable::Bot,
        Some(grant) => match flows.store.accounts_of_grant(grant).await?.len() {
            0 | 1 => Revocable::Yes,
            all => Revocable::Shared(all - 1),
        },
    };
    let text = texts::ask_disconnect(&seen, &canvas.workspace.name, &waiting(talk.chat, id).await?, revocable);
    let mut row =
        vec![button(talk, &canvas, "Disconnect", Press::Disconnect { account: id.clone(), revoke: false }).await?];
    if revocable == Revocable::Yes {
        let label = format!("Disconnect and revoke at {}", seen.platform);
        row.push(button(talk, &canvas, label, Press::Disconnect { account: id.clone(), revoke: true }).await?);
    }
    let keep = button(talk, &canvas, "Keep", Press::Card { account: id.clone() }).await?;
    Ok(Message::text(text).row(row).row([keep]))
}

/// Several accounts fit what was typed: each is a button that does what was asked.
async fn which(talk: &Talk<'_>, name: &str, typed: &str, many: &[Account]) -> Result<(), Refusal> {
    let canvas = talk.canvas()?;
    let shown = many.len().min(OFFERED);
    let mut message = Message::text(texts::which(typed, many.len(), shown));
    for account in &many[..shown] {
        let label = texts::label(account, platform(talk.chat, account).0);
        message = message.row([button(talk, &canvas, label, press_for(name, account)).await?]);
    }
    talk.say(message).await?;
    Ok(())
}

async fn unknown(talk: &Talk<'_>, actor: &Actor, name: &str, typed: &str) -> Result<(), Refusal> {
    let canvas = talk.canvas()?;
    let accounts = talk.chat.flows.store.accounts(&actor.workspace).await?;
    let wanted = typed.trim().trim_start_matches('@').to_lowercase();
    let far = |account: &Account| {
        let names = [Some(account.name.to_lowercase()), account.handle.as_deref().map(str::to_lowercase)];
        names.iter().flatten().map(|name| strsim::damerau_levenshtein(name, &wanted)).min().unwrap_or(usize::MAX)
    };
    let nearest = accounts.iter().min_by_key(|account| far(account));
    let nearest = nearest.filter(|account| far(account) <= 1 + wanted.chars().count() / 4);
    let label = nearest.map(|account| texts::label(account, platform(talk.chat, account).0));
    let mut row = Vec::new();
    if let (Some(account), Some(label)) = (nearest, &label) {
        row.push(button(talk, &canvas, label, press_for(name, account)).await?);
    }
    if !accounts.is_empty() {
        row.push(button(talk, &canvas, "All accounts", Press::List { page: 0 }).await?);
    } else if offers(talk, Role::Admin) {
        row.push(button(talk, &canvas, "Connect an account", Press::Connect).await?);
    }
    talk.say(Message::text(texts::unknown(typed, label.as_deref(), !accounts.is_empty())).row(row)).await?;
    Ok(())
}

/// Asks every platform, telling how far it is in the one message that the results replace.
async fn check_all(talk: &Talk<'_>, actor: &Actor) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let accounts = flows.store.accounts(&actor.workspace).await?;
    if accounts.is_empty() {
        talk.say(list(talk, actor, 0).await?).await?;
        return Ok(());
    }
    let total = accounts.len();
    let at = talk.say(Message::text(texts::checking(0, total))).await?;
    let checks = accounts.into_iter().enumerate().map(|(order, before)| async move {
        let result = flows.check_now(actor, &before.id).await;
        (order, before, result)
    });
    let mut checks = futures::stream::iter(checks).buffer_unordered(CHECKS);
    let mut results = Vec::new();
    let mut told = flows.clock.now();
    while let Some((order, before, result)) = checks.next().await {
        match result {
            Ok((after, fault)) => {
                let label = texts::label(&after, platform(talk.chat, &after).0);
                results.push((order, (label, texts::verdict(before.status, &after, fault.as_ref()))));
            }
            // Disconnected meanwhile: there is nothing to tell.
            Err(Refusal::Gone { .. }) => {}
            Err(refusal) => return Err(refusal),
        }
        if flows.clock.now().duration_since(told).as_secs() >= PROGRESS && results.len() < total {
            told = flows.clock.now();
            if let (Some(surface), Some(at)) = (talk.chat.surfaces.get(&talk.update.chat.surface), &at) {
                // Progress that could not be shown is no loss.
                let _ = surface.edit(at, &Message::text(texts::checking(results.len(), total))).await;
            }
        }
    }
    results.sort_by_key(|(order, _)| *order);
    let results: Vec<_> = results.into_iter().map(|(_, result)| result).collect();
    let canvas = talk.canvas()?;
    let message =
        Message::text(texts::checked(&results))
            .row([button(talk, &canvas, "All accounts", Press::List { page: 0 }).await?]);
    replace(talk, at.as_ref(), message).await
}

/// Shows a message in place of one of ours, or anew where that can't be.
async fn replace(talk: &Talk<'_>, at: Option<&MessageRef>, message: Message) -> Result<(), Refusal> {
    if let (Some(surface), Some(at)) = (talk.chat.surfaces.get(&talk.update.chat.surface), at)
        && surface.edit(at, &message).await.is_ok()
    {
        return Ok(());
    }
    talk.say(message).await?;
    Ok(())
}

/// Accounts that what is typed so far may mean.
pub async fn completions(chat: &Chat, actor: &Actor, typed: &str) -> Result<Vec<Choice>, Refusal> {
    let typed = typed.trim().trim_start_matches('@').to_lowercase();
    let fits = |account: &&Account| {
        let names = [Some(&account.name), account.handle.as_ref()];
        names.into_iter().flatten().any(|name| name.to_lowercase().contains(&typed))
    };
    let accounts = chat.flows.store.accounts(&actor.workspace).await?;
    let choice = |account: &Account| Choice {
        label: texts::label(account, platform(chat, account).0).chars().take(100).collect(),
        // The id is the one name that stays right whatever is connected meanwhile.
        value: account.id.to_string(),
        detail: None,
        picked: false,
    };
    Ok(accounts.iter().filter(fits).take(SUGGESTIONS).map(choice).collect())
}
