//! Incidents in chat: how their cards look now, and what their buttons do. What an incident means is in `flows`; its
//! words are in `texts`.

use bots::{Button, Message, SurfaceKind};

use super::super::texts::accounts::{checked, label, verdict};
use super::super::texts::run::{self as texts, Course};
use super::super::{Canvas, Chat, Talk, accounts};
use super::{Press, button};
use crate::domain::account::{Account, AccountStatus};
use crate::domain::id::{AccountId, GrantId, IncidentId, TargetId};
use crate::domain::post::TargetStatus;
use crate::domain::workspace::Workspace;
use crate::flows::incidents::{Cause, Kind};
use crate::flows::publish::Resolution;
use crate::flows::{Actor, Refusal};
use crate::store::Incident;

/// The accounts that a lost grant or account is about, as far as they are connected here.
async fn concerned(chat: &Chat, incident: &Incident) -> Result<Vec<Account>, Refusal> {
    let store = &chat.flows.store;
    let Some(workspace) = &incident.workspace else { return Ok(Vec::new()) };
    if let Some(account) = store.account(workspace, &AccountId::from(incident.subject.clone())).await? {
        return Ok(vec![account]);
    }
    let accounts = store.accounts_of_grant(&GrantId::from(incident.subject.clone())).await?;
    Ok(accounts.into_iter().filter(|account| account.workspace == *workspace).collect())
}

/// Asks the platform again about every account of an incident.
pub(super) async fn check_again(talk: &Talk<'_>, actor: &Actor, id: &IncidentId) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let incident =
        flows.store.incident(id).await?.filter(|incident| incident.workspace.as_ref() == Some(&actor.workspace));
    let incident = incident.ok_or(Refusal::Gone { what: "alert" })?;
    let mut results = Vec::new();
    for before in concerned(talk.chat, &incident).await? {
        let (after, fault) = flows.check_now(actor, &before.id).await?;
        let label = label(&after, accounts::platform(talk.chat, &after).0);
        results.push((label, verdict(before.status, &after, fault.as_ref())));
    }
    if results.is_empty() {
        talk.toast("What this was about is not connected here any more.").await;
    } else {
        talk.toast(&checked(&results)).await;
    }
    flows.show(id.as_str()).await?;
    Ok(())
}

/// A person's word on an unconfirmed post; an old button says what holds now.
pub(super) async fn resolve(talk: &Talk<'_>, actor: &Actor, id: &TargetId, word: Resolution) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let outcome = flows.resolve_target(actor, id, word).await;
    let status = flows.store.target(id).await?.map(|target| target.status);
    match (outcome, status) {
        (Ok(()), Some(status)) => talk.toast(texts::resolved(status)).await,
        (Err(Refusal::TooLate), Some(status)) => talk.toast(texts::resolved_before(status)).await,
        (Err(Refusal::Gone { .. }), _) | (_, None) => talk.toast("This post is gone.").await,
        (Err(refusal), _) => return Err(refusal),
    }
    Ok(())
}

/// An incident's card as it is now.
pub async fn draw(chat: &Chat, subject: &str, surface: SurfaceKind, shared: bool) -> Result<Option<Message>, Refusal> {
    let store = &chat.flows.store;
    let Some(incident) = store.incident(&IncidentId::from(subject.to_owned())).await? else { return Ok(None) };
    let Some(card) = card(chat, &incident).await? else { return Ok(None) };
    let Some(workspace) = card.workspace else { return Ok(Some(Message::text(card.text))) };
    let canvas = Canvas { surface, workspace, person: None, shared };
    let mut message = Message::text(card.text);
    if incident.closed_at.is_some() {
        return Ok(Some(message));
    }
    let mute = |on| Press::Mute { incident: incident.id.clone(), on };
    let mute = match card.muted {
        true => button(chat, &canvas, "Unmute", mute(false)).await?,
        false => button(chat, &canvas, "Mute 1 d", mute(true)).await?,
    };
    message = match card.about {
        About::Account(account) => {
            let again = Press::CheckAgain { incident: incident.id.clone() };
            message.row([
                button(chat, &canvas, "Reconnect", accounts::Press::Reconnect { account }).await?,
                button(chat, &canvas, "Check again", again).await?,
                mute,
            ])
        }
        About::Target(target, url) => {
            let mut row = Vec::new();
            for (label, word) in [
                ("It is there", Resolution::IsThere),
                ("Send again", Resolution::SendAgain),
                ("Give up", Resolution::GiveUp),
            ] {
                row.push(button(chat, &canvas, label, Press::Resolve { target: target.clone(), word }).await?);
            }
            let open = url.map(|url| Button::link("Open", url));
            message.row(row).row(open.into_iter().chain([mute]))
        }
        About::Nothing => message,
    };
    Ok(Some(message))
}

/// What an incident's buttons are about.
pub(super) enum About {
    Account(AccountId),
    Target(TargetId, Option<String>),
    Nothing,
}

/// An incident's card before its buttons.
pub(super) struct Card {
    pub(super) text: bots::Text,
    workspace: Option<Workspace>,
    about: About,
    muted: bool,
}

pub(super) async fn card(chat: &Chat, incident: &Incident) -> Result<Option<Card>, Refusal> {
    let (flows, store) = (&chat.flows, &chat.flows.store);
    let cause: Cause = serde_json::from_str(&incident.what).unwrap_or_default();
    let workspace = match &incident.workspace {
        Some(id) => store.workspace(id).await?,
        None => None,
    };
    let muted = incident.muted_until.filter(|until| *until > flows.clock.now());
    let zone = match &workspace {
        Some(workspace) => workspace.timezone.clone(),
        None => operators_zone(chat).await?,
    };
    let course = Course { opened: incident.opened_at, closed: incident.closed_at, muted, zone: &zone };
    let platform = flows.offered(&cause.platform).map(|offered| offered.platform.descriptor().name);
    let card = |text, about| Card { text, workspace, about, muted: muted.is_some() };
    Ok(match Kind::parse(&incident.kind) {
        Some(Kind::AccountLost) => {
            let accounts = concerned(chat, incident).await?;
            let mut waiting = Vec::new();
            let mut named = Vec::new();
            for account in &accounts {
                waiting.extend(accounts::waiting(chat, &account.id).await?);
                let name = label(account, accounts::platform(chat, account).0);
                named.push((name, account.status == AccountStatus::Connected));
            }
            waiting.sort_unstable();
            waiting.dedup();
            let why = (cause.why.as_str(), cause.fix.as_str());
            let text = texts::account_lost(platform.unwrap_or("The platform"), &named, why, &waiting, course);
            let lost = accounts.iter().find(|account| account.status != AccountStatus::Connected).or(accounts.first());
            let about = lost.map_or(About::Nothing, |account| About::Account(account.id.clone()));
            Some(card(text, about))
        }
        Some(Kind::Unconfirmed) => {
            let id = TargetId::from(incident.subject.clone());
            let Some(target) = store.target(&id).await? else { return Ok(None) };
            let (post, account) = (store.post(&target.post).await?, store.account_for_work(&target.account).await?);
            let (Some(post), Some(account)) = (post, account) else { return Ok(None) };
            let quote = texts::quote(&post.text.plain, post.number);
            let name = label(&account, accounts::platform(chat, &account).0);
            let sent = target.sending.map(|sending| sending.since);
            let status = if incident.closed_at.is_some() { target.status } else { TargetStatus::Unconfirmed };
            let text = texts::unconfirmed(&quote, &name, (&cause.why, sent), status, course);
            Some(card(text, About::Target(id, account.url)))
        }
        Some(Kind::Operator) => Some(card(texts::operator(platform, &cause.why, &cause.fix, course), About::Nothing)),
        None => None,
    })
}

/// The zone of whoever runs the daemon: that of the workspace they work in.
async fn operators_zone(chat: &Chat) -> Result<String, Refusal> {
    let flows = &chat.flows;
    for (_, person) in flows.operators().await? {
        if let Some(id) = flows.store.current_workspace(&person).await?
            && let Some(workspace) = flows.store.workspace(&id).await?
        {
            return Ok(workspace.timezone);
        }
    }
    Ok("UTC".to_owned())
}
