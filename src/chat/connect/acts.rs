//! What the buttons of an attempt's card do: pick, confirm, fill in, look again. Each ends with the card as it is then.

use bots::{Field, Form, Message};

use super::Press;
use super::begin::opened;
use super::card::{Card, page_size};
use crate::chat::texts::{self, connect as words};
use crate::chat::{Action, Chat, Talk};
use crate::domain::Secret;
use crate::domain::id::AttemptId;
use crate::flows::connect::Returned;
use crate::flows::{Actor, Refusal};
use crate::platforms::Entry;
use crate::store::Attempt;

/// What came too late is no refusal: the card then shows what is true now.
pub(super) fn unless_late(result: Result<(), Refusal>) -> Result<(), Refusal> {
    match result {
        Err(Refusal::TooLate) => Ok(()),
        other => other,
    }
}

/// Shows the card as it is now, in place of the pressed one.
pub(super) async fn show(talk: &Talk<'_>, id: &AttemptId, page: usize) -> Result<(), Refusal> {
    let Some(card) = Card::of(talk.chat, id.as_str(), talk.update.chat.surface).await? else {
        return talk.instead(Message::text(words::forgotten())).await.map(drop);
    };
    let mut message = card.private(page, talk.update.proof.manages_server).await?;
    message.private = !talk.is_direct();
    let owner = talk.identity.as_ref().map(|identity| &identity.person).filter(|_| message.private);
    match talk.instead(message).await? {
        Some(at) => super::private::keep(talk, &card, &at, owner).await,
        None => Ok(()),
    }
}

/// On a menu's page exactly the chosen are picked; other pages stay as they are.
pub(super) async fn pick(talk: &Talk<'_>, id: &AttemptId, page: usize, values: &[String]) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let actor = talk.actor()?;
    let attempt = flows.own_attempt(&actor, id).await?;
    let Some(offer) = flows.offer(&attempt).await? else { return Ok(()) };
    let size = page_size(talk.update.chat.surface);
    let free = offer.found.iter().filter(|(found, _)| found.blocked.is_none()).enumerate();
    for (at, (found, _)) in free.skip(page * size).take(size) {
        let wanted = values.iter().any(|value| value.parse() == Ok(at));
        if wanted != offer.picked.contains(&found.remote_id) {
            unless_late(flows.pick(&actor, id, Some(&found.remote_id)).await)?;
        }
    }
    Ok(())
}

pub(super) async fn confirm(talk: &Talk<'_>, id: &AttemptId) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    match flows.confirm(&talk.actor()?, id).await {
        Ok(_) => {
            if let Some(attempt) = flows.store.attempt(id).await? {
                turn_alerts_on(talk.chat, &attempt).await?;
            }
            show(talk, id, 0).await
        }
        Err(Refusal::TooLate) => show(talk, id, 0).await,
        Err(Refusal::BadInput(_)) => {
            talk.toast(words::pick_one()).await;
            Ok(())
        }
        Err(other) => Err(other),
    }
}

/// A workspace whose alerts go nowhere yet gets them where its first account was connected.
async fn turn_alerts_on(chat: &Chat, attempt: &Attempt) -> Result<(), Refusal> {
    let store = &chat.flows.store;
    if !store.alert_chats(&attempt.workspace).await?.is_empty() {
        return Ok(());
    }
    let Some(known) = store.chat(&attempt.place).await? else { return Ok(()) };
    let is_ours = known.workspace.as_ref() == Some(&attempt.workspace);
    if is_ours || (known.kind == "direct" && known.workspace.is_none()) {
        store.bind_chat(&attempt.place, Some(&attempt.workspace), true).await?;
    }
    Ok(())
}

/// Opens the platform's form over the chat, or takes what was filled in.
pub(super) async fn fill(talk: &Talk<'_>, id: &AttemptId, fields: &[(String, String)]) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let actor = talk.actor()?;
    let attempt = flows.own_attempt(&actor, id).await?;
    let descriptor = flows.offered(&attempt.platform).ok_or(Refusal::TooLate)?.descriptor();
    let Entry::Form(asked) = descriptor.entry else { return Err(Refusal::TooLate) };
    let canvas = talk.own_canvas()?;
    if fields.is_empty() {
        if !flows.is_open(&attempt) {
            return show(talk, id, 0).await;
        }
        let press = Action::Connect(Press::Fill(id.clone()));
        let token = talk.chat.token(Some(&attempt.workspace), Some(&attempt.person), &press).await?;
        let fields = asked.iter().map(|field| Field {
            name: field.name.to_owned(),
            label: field.label.to_owned(),
            placeholder: field.placeholder.to_owned(),
            value: String::new(),
            long: false,
            required: !field.optional,
        });
        let form = Form { token, title: format!("Connect {}", descriptor.name), fields: fields.collect() };
        return if opened(talk, &form).await { Ok(()) } else { show(talk, id, 0).await };
    }
    let fields = fields.iter().map(|(name, value)| (name.clone(), Secret::new(value.clone()))).collect();
    match flows.submit_in_chat(&actor, id, fields).await? {
        Returned::Again { why, fix } => {
            let again = talk.chat.button(&canvas, "Fill in again", Action::Connect(Press::Fill(id.clone()))).await?;
            let mut message = Message::text(texts::because(&why, &fix)).row([again]);
            message.private = !talk.is_direct();
            talk.say(message).await.map(drop)
        }
        Returned::Found { .. } | Returned::Failed { .. } | Returned::TooLate => show(talk, id, 0).await,
    }
}

/// Connects the server in which the button is pressed. The press is signed and says what the presser may do there.
pub(super) async fn here(talk: &Talk<'_>, id: &AttemptId) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let attempt = flows.own_attempt(&talk.actor()?, id).await?;
    let bot = flows.offered(&attempt.platform).and_then(|offered| offered.descriptor().bot);
    let is_its_bot = bot == Some(talk.update.chat.surface.as_str());
    match &talk.update.chat.server {
        Some(server) if is_its_bot && talk.update.proof.manages_server => {
            flows.connect_place(attempt, server).await?;
            show(talk, id, 0).await
        }
        _ => {
            talk.toast(words::not_proven()).await;
            Ok(())
        }
    }
}

/// Looks again at the place where the bot lacked a right. That the asker may act for it was proven when it was found.
pub(super) async fn recheck(talk: &Talk<'_>, id: &AttemptId) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let actor = talk.actor()?;
    let attempt = flows.own_attempt(&actor, id).await?;
    let Some(offer) = flows.offer(&attempt).await? else { return show(talk, id, 0).await };
    let Some((found, _)) = offer.found.first() else { return show(talk, id, 0).await };
    let actor = Actor { place: attempt.place.clone(), ..actor };
    let started = flows.connect(&actor, &attempt.platform, None, attempt.account.as_ref()).await?;
    // Their cards go on with the new attempt; only then the old one ends, so that it is not shown as cancelled.
    for card in flows.store.cards(id.as_str()).await? {
        flows.store.point_card(&card.id, started.attempt.as_str()).await?;
    }
    unless_late(flows.cancel_attempt(&actor, id).await)?;
    let renewed = flows.own_attempt(&actor, &started.attempt).await?;
    flows.connect_place(renewed, &found.remote_id).await?;
    show(talk, &started.attempt, 0).await
}
