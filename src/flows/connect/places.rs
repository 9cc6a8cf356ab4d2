//! Places where a bot stands: codes posted there, members who add the bot, and what becomes of accounts when its
//! standing changes.

use super::super::{Actor, Flows, Refusal};
use crate::domain::Secret;
use crate::domain::id::{AttemptId, PersonId};
use crate::store::{Attempt, Place};

impl Flows {
    /// The open attempt that a code in a chat of this surface belongs to.
    pub async fn attempt_for_code(&self, surface: &str, code: &str) -> Result<Option<Attempt>, Refusal> {
        let attempt = self.store.attempt_by_state(&Secret::new(code.trim().to_lowercase())).await?;
        Ok(attempt.filter(|attempt| {
            self.is_open(attempt)
                && self
                    .offered(&attempt.platform)
                    .is_some_and(|offered| offered.platform.descriptor().bot == Some(surface))
        }))
    }

    /// A member made the bot an admin of a place: offers it to them, in their own chat, in their current workspace. The
    /// attempt they have open for it is used, else one is made. `None` when they may not connect anything.
    pub async fn offer_place(
        &self,
        person: &PersonId,
        surface: &str,
        place: &str,
    ) -> Result<Option<AttemptId>, Refusal> {
        let Some(offered) = self.available().find(|offered| offered.platform.descriptor().bot == Some(surface)) else {
            return Ok(None);
        };
        let platform = offered.platform.descriptor().id;
        let attempt = match self.store.open_attempt(person, platform).await? {
            Some(attempt) => attempt,
            None => {
                let Some(workspace) = self.store.current_workspace(person).await? else { return Ok(None) };
                // Where they promoted it; they may have other surfaces, too.
                let here = self.store.identities(person).await?.into_iter().find(|one| one.surface == surface);
                let here = here
                    .and_then(|one| Some(Place { surface: one.surface, chat: one.direct_chat?, topic: String::new() }));
                let Some(chat) = (match here {
                    Some(place) => Some(place),
                    None => self.direct_place(person).await?,
                }) else {
                    return Ok(None);
                };
                let actor = Actor { person: person.clone(), workspace, place: chat.clone() };
                let started = match self.connect(&actor, platform, None, None).await {
                    Ok(started) => started,
                    Err(Refusal::NotAllowed { .. } | Refusal::Full { .. }) => return Ok(None),
                    Err(refusal) => return Err(refusal),
                };
                self.tell(&chat, Some(person), started.attempt.as_str()).await?;
                let Some(attempt) = self.store.attempt(&started.attempt).await? else { return Ok(None) };
                attempt
            }
        };
        let id = attempt.id.clone();
        self.connect_place(attempt, place).await?;
        Ok(Some(id))
    }

    /// The bot's standing in a place changed: accounts there are lost, or checked anew.
    pub async fn place_changed(&self, surface: &str, place: &str, gone: bool) -> Result<(), Refusal> {
        for offered in &self.platforms {
            let descriptor = offered.platform.descriptor();
            if descriptor.bot != Some(surface) {
                continue;
            }
            for account in self.store.accounts_at(descriptor.id, place).await? {
                if gone {
                    let why = format!("trypost was removed from {}", account.name);
                    let fix = format!("Add it to the {} again, then reconnect.", descriptor.noun);
                    self.lose_account(&account, &why, &fix).await?;
                } else {
                    self.check_account(&account).await?;
                }
            }
        }
        Ok(())
    }

    /// A place got a new id.
    pub async fn place_moved(&self, surface: &str, from: &str, to: &str) -> Result<(), Refusal> {
        self.store.chat_moved(surface, from, to).await?;
        for offered in &self.platforms {
            let descriptor = offered.platform.descriptor();
            if descriptor.bot == Some(surface) {
                self.store.move_account(descriptor.id, from, to).await?;
            }
        }
        Ok(())
    }
}
