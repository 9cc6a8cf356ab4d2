//! Delivering what the outbox holds: each message is drawn when it goes out, so that it says what is true then, and a
//! card is edited in place where it can be. It knows surfaces, and no words: those come from whoever draws.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bots::{Failure, Message, MessageRef, Press, Surface, SurfaceKind};

use crate::domain::Secret;
use crate::domain::clock::{fingerprint, token};
use crate::domain::id::PersonId;
use crate::flows::news::News;
use crate::flows::{Flows, Refusal};
use crate::lifecycle::Lifecycle;
use crate::store::{Card, Delivery, Place};

/// How many messages one claim takes.
const BATCH: i64 = 16;
/// After so many failed tries a message is given up, with a line in the log.
const MOST_TRIES: i64 = 50;
/// The longest pause between tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Draws cards: the chat room.
#[async_trait]
pub trait Draw: Send + Sync {
    /// The card about `subject` as it is now; `None` when there is nothing to show any more.
    async fn draw(
        &self,
        subject: &str,
        surface: SurfaceKind,
        person: Option<&PersonId>,
        shared: bool,
    ) -> Result<Option<Message>, Refusal>;
}

/// Starts delivering on one surface.
pub fn start(flows: Arc<Flows>, draw: Arc<dyn Draw>, surface: Arc<dyn Surface>, lifecycle: &Lifecycle) {
    let all = lifecycle.clone();
    lifecycle.spawn("outbox", async move {
        let post = Post { flows, draw, surface };
        post.run(&all).await;
    });
}

struct Post {
    flows: Arc<Flows>,
    draw: Arc<dyn Draw>,
    surface: Arc<dyn Surface>,
}

impl Post {
    async fn run(&self, lifecycle: &Lifecycle) {
        let kind = self.surface.kind().as_str();
        let holder = format!("{}/{}", self.flows.replica, token(&*self.flows.entropy));
        let bell = self.flows.wake.outbox.clone();
        while !lifecycle.soft().is_cancelled() {
            let mut rung = std::pin::pin!(bell.notified());
            rung.as_mut().enable();
            // One message takes at most a surface's own time limit; the claim must outlive a whole batch.
            let until = self.flows.clock.now() + self.flows.settings.lease * 8;
            let batch = self.flows.store.claim_outbox(kind, &holder, until, BATCH).await.unwrap_or_else(|error| {
                tracing::error!(error = %error, "the outbox could not be read");
                Vec::new()
            });
            let some = !batch.is_empty();
            for delivery in batch {
                if let Err(error) = self.deliver(&delivery).await {
                    tracing::error!(error = %error, "a message could not be delivered");
                }
            }
            if some {
                continue;
            }
            let next = self.flows.store.next_outbox_due(&[kind]).await.unwrap_or_default();
            tokio::select! {
                () = lifecycle.soft().cancelled() => return,
                () = super::sleep(&self.flows, next, rung) => {}
            }
        }
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<(), Refusal> {
        let store = &self.flows.store;
        let result = match serde_json::from_str::<News>(&delivery.what) {
            Ok(News::Text(text)) => self.send(&delivery.place(), &Message::text(text)).await.map(|_| ()),
            Ok(News::Card) => match &delivery.card {
                Some(card) => match store.card(card).await? {
                    Some(card) => self.card(&card, delivery).await?,
                    None => Ok(()),
                },
                None => Ok(()),
            },
            Err(_) => Ok(()),
        };
        match result {
            Ok(()) => store.delivered(&delivery.id).await?,
            Err(failure) => self.failed(delivery, failure).await?,
        }
        Ok(())
    }

    async fn card(&self, card: &Card, delivery: &Delivery) -> Result<Result<(), Failure>, Refusal> {
        let store = &self.flows.store;
        let chat = store.chat(&card.place).await?;
        let shared = card.person.is_none() && chat.is_none_or(|chat| chat.kind != "direct");
        let Some(message) = self.draw.draw(&card.subject, self.surface.kind(), card.person.as_ref(), shared).await?
        else {
            return Ok(Ok(()));
        };
        let looks = looks(&message);
        if card.shown.as_deref() == Some(&looks) {
            return Ok(Ok(()));
        }
        let known = card.message.as_ref().and_then(|known| serde_json::from_str::<MessageRef>(known.expose()).ok());
        let drawn = match &known {
            Some(at) => match self.surface.edit(at, &message).await {
                Err(Failure::Gone(_)) => self.anew(card, &message).await?,
                other => other,
            },
            None => self.send(&delivery.place(), &message).await,
        };
        Ok(match drawn {
            Ok(at) => {
                let reference = Secret::new(serde_json::to_string(&at).unwrap_or_default());
                store.card_shown(&card.id, Some(&reference), &looks).await?;
                Ok(())
            }
            Err(failure) => Err(failure),
        })
    }

    /// A card whose message is gone is sent again: what was for one person's eyes goes to their direct chat.
    async fn anew(&self, card: &Card, message: &Message) -> Result<Result<MessageRef, Failure>, Refusal> {
        let message = Message { private: false, ..message.clone() };
        let Some(person) = &card.person else { return Ok(self.send(&card.place, &message).await) };
        for identity in self.flows.store.identities(person).await? {
            if identity.surface == self.surface.kind().as_str() {
                return Ok(match self.surface.direct_chat(&identity.user_id).await {
                    Ok(chat) => self.surface.send(&chat, None, &message).await,
                    Err(failure) => Err(failure),
                });
            }
        }
        Ok(Err(Failure::Unreachable("this person is not on this surface".to_owned())))
    }

    async fn send(&self, place: &Place, message: &Message) -> Result<MessageRef, Failure> {
        let topic = Some(place.topic.as_str()).filter(|topic| !topic.is_empty());
        self.surface.send(&place.chat, topic, message).await
    }

    async fn failed(&self, delivery: &Delivery, failure: Failure) -> Result<(), Refusal> {
        let flows = &self.flows;
        let again = match &failure {
            Failure::Retry { after, .. } => Some(Duration::from_secs(*after)),
            Failure::Unauthorized(_) => Some(LONGEST_PAUSE),
            Failure::Moved(to) => {
                flows.place_moved(self.surface.kind().as_str(), &delivery.chat, to).await?;
                Some(Duration::ZERO)
            }
            Failure::Unreachable(_) => {
                flows.store.chat_unreachable(&delivery.place()).await?;
                self.take_over(delivery).await?;
                None
            }
            Failure::Gone(_) | Failure::NotPrivate | Failure::TooLarge { .. } | Failure::Refused(_) => None,
        };
        match again {
            Some(pause) if delivery.tries < MOST_TRIES => {
                let doubled = Duration::from_secs(1 << delivery.tries.clamp(0, 9));
                let pause = pause.max(doubled).min(LONGEST_PAUSE);
                tracing::info!(failure = %failure, pause_s = pause.as_secs(), "a message waits");
                flows.store.redeliver(&delivery.id, flows.clock.now() + pause).await?;
            }
            _ => {
                tracing::warn!(failure = %failure, chat = delivery.chat, "a message is given up");
                flows.store.delivered(&delivery.id).await?;
            }
        }
        Ok(())
    }

    /// A chat that can't be written to is noted, and the next one of the workspace takes over what it was to be told.
    async fn take_over(&self, delivery: &Delivery) -> Result<(), Refusal> {
        let flows = &self.flows;
        let Some(card) = &delivery.card else { return Ok(()) };
        let Some(card) = flows.store.card(card).await?.filter(|card| card.message.is_none()) else { return Ok(()) };
        let incident = flows.store.incident(&card.subject.clone().into()).await?;
        let Some(workspace) = incident.and_then(|incident| incident.workspace) else { return Ok(()) };
        for (place, person) in flows.audience(&workspace).await? {
            if place != card.place && !flows.store.cards(&card.subject).await?.iter().any(|known| known.place == place)
            {
                flows.tell(&place, person.as_ref(), &card.subject).await?;
            }
        }
        Ok(())
    }
}

/// A fingerprint of what people see of a message: tokens are left out, since every drawing has new ones.
fn looks(message: &Message) -> String {
    let mut message = message.clone();
    for button in message.rows.iter_mut().flatten() {
        if let Press::Token(token) = &mut button.press {
            token.clear();
        }
    }
    if let Some(select) = &mut message.select {
        select.token.clear();
    }
    fingerprint(&serde_json::to_string(&message).unwrap_or_default())
}
