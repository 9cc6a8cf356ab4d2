//! The bot's standing in channels, groups and servers, and codes that are posted there. Who may act for a place is proven
//! here, by what the surface says; what follows is decided in `flows`.

use bots::{ChatKind, Failure, Membership, MembershipStatus, Message, Update};

use super::{Chat, Talk, texts};
use crate::flows::Refusal;

/// The bot was added, promoted, demoted or removed.
///
/// # Errors
/// When the store fails.
pub async fn membership(chat: &Chat, update: &Update, membership: &Membership) -> Result<(), Refusal> {
    let flows = &chat.flows;
    let surface = update.chat.surface.as_str();
    let gone = membership.status == MembershipStatus::Gone;
    flows.place_changed(surface, &membership.place, gone).await?;
    match membership.status {
        // Without the right to post the offer says which right is missing.
        MembershipStatus::Admin | MembershipStatus::AdminWithoutPosting => offer(chat, update, membership).await,
        MembershipStatus::Member | MembershipStatus::Gone => Ok(()),
    }
}

/// Offers the place to whoever made the bot an admin there, if that is a person we know who may connect accounts.
async fn offer(chat: &Chat, update: &Update, membership: &Membership) -> Result<(), Refusal> {
    let flows = &chat.flows;
    let surface = update.chat.surface.as_str();
    let Some(promoter) = update.person.as_ref().filter(|_| !update.proof.anonymous) else { return Ok(()) };
    let Some(identity) = flows.store.identity(surface, &promoter.id).await? else { return Ok(()) };
    if !is_admin(chat, update, &membership.place, &promoter.id).await {
        return Ok(());
    }
    let Some(descriptor) =
        flows.available().map(crate::flows::Offered::descriptor).find(|descriptor| descriptor.bot == Some(surface))
    else {
        return Ok(());
    };
    // What is connected there already was checked above; only somebody who asks wants to hear of it again.
    let is_asking = flows.store.open_attempt(&identity.person, descriptor.id).await?.is_some();
    if !is_asking && let Some(workspace) = flows.store.current_workspace(&identity.person).await? {
        let known = flows.store.accounts_at(descriptor.id, &membership.place).await?;
        if known.iter().any(|account| account.workspace == workspace) {
            return Ok(());
        }
    }
    flows.offer_place(&identity.person, surface, &membership.place).await.map(drop)
}

/// What can't be looked up is not proven.
async fn is_admin(chat: &Chat, update: &Update, place: &str, person: &str) -> bool {
    let Some(surface) = chat.surfaces.get(&update.chat.surface) else { return false };
    match surface.is_admin(place, person).await {
        Ok(is_admin) => is_admin,
        Err(failure) => {
            tracing::info!(failure = %failure, "whether somebody is an admin could not be looked up");
            false
        }
    }
}

/// `/connect CODE` was posted in the place that is to be connected.
///
/// # Errors
/// When the store fails.
pub async fn code(talk: &Talk<'_>, code: &str) -> Result<(), Refusal> {
    let update = talk.update;
    let flows = &talk.chat.flows;
    if update.chat.kind == ChatKind::Direct {
        return answer(talk, texts::connect::code_not_here()).await;
    }
    let Some(attempt) = flows.attempt_for_code(update.chat.surface.as_str(), code).await? else {
        return answer(talk, texts::connect::code_wrong()).await;
    };
    let proven = match (&update.chat.server, update.chat.kind, &update.person) {
        (Some(_), _, _) => update.proof.manages_server,
        // Only admins post in a channel, and Telegram does not say which: the code is the proof.
        (None, ChatKind::Broadcast, _) => true,
        (None, _, Some(person)) if !update.proof.anonymous => {
            is_admin(talk.chat, update, &update.chat.id, &person.id).await
        }
        _ => false,
    };
    if !proven {
        return answer(talk, texts::connect::code_not_admin()).await;
    }
    // Nobody else needs to see it. Where we may not delete, it is used up all the same.
    if let (Some(message), Some(surface)) = (&update.message, talk.chat.surfaces.get(&update.chat.surface))
        && let Err(failure) = surface.delete(message).await
    {
        tracing::debug!(failure = %failure, "a posted code could not be deleted");
    }
    let place = update.chat.server.as_ref().unwrap_or(&update.chat.id);
    flows.connect_place(attempt, place).await?;
    // In a channel every subscriber would read it; the asker's card says the rest.
    if update.chat.server.is_some() { answer(talk, texts::connect::code_taken()).await } else { Ok(()) }
}

/// A short answer for whoever posted: privately where the surface can, silently not in a channel, and in a group at most
/// hourly, so that nobody can make the bot chatter by guessing.
async fn answer(talk: &Talk<'_>, words: &str) -> Result<(), Refusal> {
    if talk.is_direct() {
        return talk.say(Message::text(words)).await.map(drop);
    }
    if talk.update.chat.kind == ChatKind::Broadcast {
        return Ok(());
    }
    match talk.responder.answer(&Message::text(words).private()).await {
        Err(Failure::NotPrivate) if talk.chat.flows.store.may_tell_stranger(&talk.place).await? => {
            talk.say(Message::text(words)).await.map(drop)
        }
        Err(Failure::NotPrivate) | Ok(_) => Ok(()),
        Err(failure) => {
            tracing::debug!(failure = %failure, "an answer to a code was not shown");
            Ok(())
        }
    }
}
