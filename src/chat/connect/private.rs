//! Where the private card goes: nobody but the asker may see a link. It knows what surfaces can keep private only by what
//! they answer.

use bots::{Button, Failure, Message, MessageRef, SurfaceKind};
use url::Url;

use super::Press;
use super::card::Card;
use crate::chat::texts::{self, connect as words};
use crate::chat::{Action, Chat, Talk};
use crate::domain::Secret;
use crate::domain::id::{AttemptId, PersonId};
use crate::flows::Refusal;
use crate::store::Place;

/// Shows the card of an attempt to the asker alone: here in a direct chat or where the surface has private answers, else
/// in their direct chat, with a word here.
pub(super) async fn deliver(talk: &Talk<'_>, id: &AttemptId, instead: bool) -> Result<(), Refusal> {
    let Some(card) = Card::of(talk.chat, id.as_str(), talk.update.chat.surface).await? else {
        return Err(Refusal::TooLate);
    };
    let mut message = card.private(0, talk.update.proof.manages_server).await?;
    message.private = !talk.is_direct();
    let owner = talk.identity.as_ref().map(|identity| &identity.person).filter(|_| message.private);
    let shown = if instead { talk.responder.edit(&message).await } else { talk.responder.answer(&message).await };
    match shown {
        Ok(at) => keep(talk, &card, &at, owner).await,
        Err(Failure::NotPrivate) => hand_over(talk, id, Message { private: false, ..message }, instead).await,
        Err(failure) => {
            tracing::warn!(failure = %failure, "a connect card was not shown");
            Ok(())
        }
    }
}

/// Notes that this message is the card. What came meanwhile, while nobody knew of the message yet, is drawn now.
pub(super) async fn keep(
    talk: &Talk<'_>,
    card: &Card<'_>,
    at: &MessageRef,
    owner: Option<&PersonId>,
) -> Result<(), Refusal> {
    let (flows, drawn) = (&talk.chat.flows, card.attempt());
    talk.keep_card(drawn.id.as_str(), at, owner).await?;
    let now = flows.store.attempt(&drawn.id).await?;
    if now.is_some_and(|now| now.stage != drawn.stage) {
        flows.show(drawn.id.as_str()).await?;
    }
    Ok(())
}

/// Puts the card into the asker's direct chat. Where the bot may not write first, a button here leads them there.
async fn hand_over(talk: &Talk<'_>, id: &AttemptId, message: Message, instead: bool) -> Result<(), Refusal> {
    let surface = talk.update.chat.surface;
    let store = &talk.chat.flows.store;
    let mut arrived = false;
    if let (Some(api), Some(person)) = (talk.chat.surfaces.get(&surface), &talk.update.person)
        && let Ok(direct) = api.direct_chat(&person.id).await
    {
        match api.send(&direct, None, &message).await {
            Ok(at) => {
                let place = Place { surface: surface.as_str().to_owned(), chat: direct, topic: String::new() };
                store.note_chat(&place, "direct", None).await?;
                // The reference is plain strings.
                let reference = Secret::new(serde_json::to_string(&at).unwrap_or_default());
                store.add_card(id.as_str(), &place, None, Some(&reference)).await?;
                arrived = true;
            }
            Err(failure) => tracing::info!(failure = %failure, "a link could not be sent to a direct chat"),
        }
    }
    let notice = if arrived {
        talk.chat.draw(id.as_str(), surface, None, true).await?.ok_or(Refusal::TooLate)?
    } else {
        come_over(talk, id).await?
    };
    let at = if instead { talk.instead(notice).await? } else { talk.say(notice).await? };
    match at {
        Some(at) => talk.keep_card(id.as_str(), &at, None).await,
        None => Ok(()),
    }
}

/// A button into the direct chat, whose token shows the card to its owner and nobody else.
async fn come_over(talk: &Talk<'_>, id: &AttemptId) -> Result<Message, Refusal> {
    let attempt = talk.chat.flows.own_attempt(&talk.actor()?, id).await?;
    let platform = talk.chat.flows.offered(&attempt.platform).map_or("", |offered| offered.descriptor().name);
    let action = Action::Connect(Press::Show(id.clone()));
    let token = talk.chat.token(Some(&attempt.workspace), Some(&attempt.person), &action).await?;
    Ok(match bot_link(talk.chat, talk.update.chat.surface, &format!("start={token}")).await {
        Some(link) => {
            Message::text(words::come_over(platform)).row([Button::link("Open our private chat", link.as_str())])
        }
        None => Message::text(words::come_over_by_hand(platform)),
    })
}

/// A link into a chat with the bot (core.telegram.org/api/links); only Telegram has them.
pub(super) async fn bot_link(chat: &Chat, surface: SurfaceKind, query: &str) -> Option<Url> {
    if surface != SurfaceKind::Telegram {
        return None;
    }
    let me = chat.surfaces.get(&surface)?.identity().await.ok()?;
    Url::parse(&format!("https://t.me/{}?{query}", me.handle)).ok().map(|url| chat.flows.http.link(&url))
}

/// `/start TOKEN` in a direct chat: shows the card that the token stands for, to its owner only. `false` when the token
/// is none of ours.
///
/// # Errors
/// When the store fails.
pub async fn resume(talk: &Talk<'_>, token: &str) -> Result<bool, Refusal> {
    let Some(pressed) = talk.chat.flows.store.button(token).await? else { return Ok(false) };
    let Ok(Action::Connect(Press::Show(id))) = serde_json::from_str(&pressed.action) else { return Ok(false) };
    let is_owner = talk.identity.as_ref().is_some_and(|identity| pressed.person.as_ref() == Some(&identity.person));
    if !is_owner || !talk.is_direct() {
        talk.say(Message::text(texts::not_your_button())).await?;
    } else if Card::of(talk.chat, id.as_str(), talk.update.chat.surface).await?.is_none() {
        talk.say(Message::text(words::forgotten())).await?;
    } else {
        talk.show_card(id.as_str(), false, true).await?;
    }
    Ok(true)
}
