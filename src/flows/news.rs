//! Telling people: cards that are kept up to date, and short texts, all through the outbox, so that a crash loses none.
//! What a card says is drawn when it is delivered; this room only says that there is something to draw, and where.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Flows, Refusal};
use crate::domain::id::{CardId, PersonId, WorkspaceId};
use crate::domain::workspace::Role;
use crate::store::{Place, StoreError};

/// What an outbox row says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// Draw (or redraw) its card by what the card's subject is.
    Card,
    /// Say this.
    Text(String),
}

impl News {
    fn json(&self) -> String {
        // Two plain variants always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Flows {
    /// Redraws every card that shows `subject`.
    pub async fn show(&self, subject: &str) -> Result<(), StoreError> {
        for card in self.store.cards(subject).await? {
            self.store
                .enqueue(Some(&card.id), &card.place, card.person.as_ref(), &News::Card.json(), self.now())
                .await?;
        }
        self.wake.outbox.notify_waiters();
        Ok(())
    }

    /// Redraws one card after a moment of quiet; asking again starts the moment anew.
    pub async fn show_after(
        &self,
        card: &CardId,
        place: &Place,
        person: Option<&PersonId>,
        quiet: Duration,
    ) -> Result<(), StoreError> {
        self.store.enqueue(Some(card), place, person, &News::Card.json(), self.now() + quiet).await?;
        self.wake.outbox.notify_waiters();
        Ok(())
    }

    /// Puts a new card about `subject` into a chat.
    pub async fn tell(&self, place: &Place, person: Option<&PersonId>, subject: &str) -> Result<(), StoreError> {
        let card = self.store.add_card(subject, place, person, None).await?;
        self.store.enqueue(Some(&card), place, person, &News::Card.json(), self.now()).await?;
        self.wake.outbox.notify_waiters();
        Ok(())
    }

    /// Says a short thing in a chat.
    pub async fn say(&self, place: &Place, person: Option<&PersonId>, text: &str) -> Result<(), StoreError> {
        self.store.enqueue(None, place, person, &News::Text(text.to_owned()).json(), self.now()).await?;
        self.wake.outbox.notify_waiters();
        Ok(())
    }

    /// Where a workspace's news goes: its alert chats; without any, the direct chats of its owners.
    pub async fn audience(&self, workspace: &WorkspaceId) -> Result<Vec<(Place, Option<PersonId>)>, StoreError> {
        let chats: Vec<_> = self
            .store
            .alert_chats(workspace)
            .await?
            .into_iter()
            .filter(|chat| chat.unreachable_since.is_none())
            .map(|chat| (chat.place, None))
            .collect();
        if !chats.is_empty() {
            return Ok(chats);
        }
        let mut owners = Vec::new();
        for member in self.store.members(workspace).await?.into_iter().filter(|member| member.role == Role::Owner) {
            if let Some(place) = self.direct_place(&member.person).await? {
                owners.push((place, Some(member.person)));
            }
        }
        Ok(owners)
    }

    /// A person's direct chat: on the surface where they last wrote to us, as far as is known.
    pub async fn direct_place(&self, person: &PersonId) -> Result<Option<Place>, StoreError> {
        Ok(self.store.identities(person).await?.into_iter().find_map(|identity| {
            Some(Place { surface: identity.surface, chat: identity.direct_chat?, topic: String::new() })
        }))
    }

    /// Where the person who runs the daemon is told what concerns it; nowhere while nobody owns it.
    pub async fn operators(&self) -> Result<Vec<(Place, PersonId)>, Refusal> {
        let Some(owner) = self.store.setting("operator").await? else { return Ok(Vec::new()) };
        let person = PersonId::from(owner);
        Ok(self.direct_place(&person).await?.map(|place| (place, person)).into_iter().collect())
    }
}
