//! The pick in the chat: what a consent found, what is chosen of it, and connecting that. Only the person who asked can
//! pick, and only from what the vendor listed to us.

use serde::{Deserialize, Serialize};

use super::{Outcome, PICK_LIFE, sealed, unsealed};
use crate::domain::account::{Account, Tokens};
use crate::domain::id::{AccountId, AttemptId};
use crate::domain::workspace::Role;
use crate::domain::{Secret, Timestamp};
use crate::flows::{Actor, Flows, Refusal};
use crate::platforms::{App, Consent, Found};
use crate::store::{Attempt, NewAccount, NewGrant, Stage};

/// What a consent gave, as it waits (sealed) for the pick.
#[derive(Serialize, Deserialize)]
struct Kept {
    grant: Option<KeptGrant>,
    found: Vec<Found>,
    missing: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptGrant {
    remote_user: String,
    app: String,
    access: String,
    refresh: Option<String>,
    extra: Option<String>,
    expires_at: Option<Timestamp>,
    refresh_expires_at: Option<Timestamp>,
}

/// What a person can pick from.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What was found, with the account it would renew.
    pub found: Vec<(Found, Option<Account>)>,
    /// What was asked and not given, with its consequence.
    pub missing: Vec<String>,
    /// Remote ids picked so far.
    pub picked: Vec<String>,
    /// The account that was to be reconnected and is not among them.
    pub stranger_to: Option<Account>,
}

impl Flows {
    pub(super) async fn found(&self, attempt: &Attempt, app: &App, consent: Consent) -> Result<(), Refusal> {
        let app = attempt.instance.clone().unwrap_or_else(|| app.id.clone());
        let wanted = match &attempt.account {
            Some(id) => self.store.account(&attempt.workspace, id).await?.map(|account| account.remote_id),
            None => None,
        };
        let free: Vec<&Found> = consent.found.iter().filter(|found| found.blocked.is_none()).collect();
        let picked: Vec<String> = match (&wanted, free.as_slice()) {
            (Some(wanted), _) => {
                free.iter().map(|found| &found.remote_id).filter(|id| *id == wanted).cloned().collect()
            }
            (None, [only]) => vec![only.remote_id.clone()],
            (None, _) => Vec::new(),
        };
        let kept = Kept {
            grant: consent.grant.map(|grant| KeptGrant {
                remote_user: grant.remote_user,
                app,
                access: grant.tokens.access.expose().to_owned(),
                refresh: grant.tokens.refresh.map(|secret| secret.expose().to_owned()),
                extra: grant.tokens.extra.map(|secret| secret.expose().to_owned()),
                expires_at: grant.tokens.expires_at,
                refresh_expires_at: grant.tokens.refresh_expires_at,
            }),
            found: consent.found,
            missing: consent.missing,
        };
        self.store.found_for_attempt(&attempt.id, &sealed(&kept), &picked).await?;
        Ok(())
    }

    /// What an attempt found, for its card.
    pub async fn offer(&self, attempt: &Attempt) -> Result<Option<Offer>, Refusal> {
        let Some(kept) = attempt.consent.as_ref().and_then(unsealed::<Kept>) else { return Ok(None) };
        let accounts = self.store.accounts(&attempt.workspace).await?;
        let found: Vec<_> = kept
            .found
            .into_iter()
            .map(|found| {
                let known = accounts
                    .iter()
                    .find(|account| account.platform == attempt.platform && account.remote_id == found.remote_id);
                (found, known.cloned())
            })
            .collect();
        let wanted = attempt.account.as_ref().and_then(|id| accounts.iter().find(|account| account.id == *id));
        let stranger_to =
            wanted.filter(|wanted| !found.iter().any(|(found, _)| found.remote_id == wanted.remote_id)).cloned();
        Ok(Some(Offer { found, missing: kept.missing, picked: attempt.picked.clone(), stranger_to }))
    }

    /// An attempt of the actor's own.
    pub async fn own_attempt(&self, actor: &Actor, attempt: &AttemptId) -> Result<Attempt, Refusal> {
        let attempt = self.store.attempt(attempt).await?.ok_or(Refusal::TooLate)?;
        if attempt.person != actor.person {
            return Err(Refusal::Gone { what: "link" });
        }
        Ok(attempt)
    }

    /// Picks or unpicks something that the vendor listed. What it did not list can't be picked.
    pub async fn pick(&self, actor: &Actor, attempt: &AttemptId, remote_id: Option<&str>) -> Result<(), Refusal> {
        let attempt = self.own_attempt(actor, attempt).await?;
        let offer = self.offer(&attempt).await?.ok_or(Refusal::TooLate)?;
        let free: Vec<String> = offer
            .found
            .iter()
            .filter(|(found, _)| found.blocked.is_none())
            .map(|(found, _)| found.remote_id.clone())
            .collect();
        let picked = match remote_id {
            None if attempt.picked.len() == free.len() => Vec::new(),
            None => free,
            Some(id) if !free.iter().any(|free| free == id) => return Err(Refusal::Gone { what: "choice" }),
            Some(id) if attempt.picked.iter().any(|picked| picked == id) => {
                attempt.picked.iter().filter(|picked| *picked != id).cloned().collect()
            }
            Some(id) => attempt.picked.iter().cloned().chain([id.to_owned()]).collect(),
        };
        self.store.pick_for_attempt(&attempt.id, &picked).await?;
        Ok(())
    }

    /// Connects what is picked. Of two presses one does it; a crash in between is cured by pressing again.
    pub async fn confirm(&self, actor: &Actor, attempt: &AttemptId) -> Result<Vec<AccountId>, Refusal> {
        self.require(actor, Role::Admin).await?;
        let attempt = self.own_attempt(actor, attempt).await?;
        if attempt.expires_at + PICK_LIFE < self.now() {
            return Err(Refusal::TooLate);
        }
        let kept = attempt.consent.as_ref().and_then(unsealed::<Kept>).ok_or(Refusal::TooLate)?;
        let chosen: Vec<&Found> = kept
            .found
            .iter()
            .filter(|found| found.blocked.is_none() && attempt.picked.contains(&found.remote_id))
            .collect();
        if chosen.is_empty() {
            return Err(Refusal::BadInput("Pick at least one.".to_owned()));
        }
        let descriptor = self.platform_of(&attempt.platform)?.platform.descriptor();
        if !self.settings.self_hosted {
            let known = self.store.accounts(&attempt.workspace).await?;
            let other = known.iter().filter(|account| account.platform == descriptor.id);
            let ids: Vec<&str> = chosen.iter().map(|found| found.remote_id.as_str()).collect();
            if chosen.len() > 1 || other.into_iter().any(|account| !ids.contains(&account.remote_id.as_str())) {
                return Err(Refusal::Full { platform: descriptor.name });
            }
        }
        let grant = match kept.grant {
            Some(grant) => Some(
                self.store
                    .save_grant(&NewGrant {
                        workspace: attempt.workspace.clone(),
                        platform: attempt.platform.clone(),
                        app: grant.app,
                        remote_user: grant.remote_user,
                        tokens: Tokens {
                            access: Secret::new(grant.access),
                            refresh: grant.refresh.map(Secret::new),
                            extra: grant.extra.map(Secret::new),
                            expires_at: grant.expires_at,
                            refresh_expires_at: grant.refresh_expires_at,
                        },
                    })
                    .await?,
            ),
            None => None,
        };
        let mut accounts = Vec::new();
        for found in chosen {
            let new = NewAccount {
                workspace: attempt.workspace.clone(),
                platform: attempt.platform.clone(),
                remote_id: found.remote_id.clone(),
                name: found.name.clone(),
                handle: found.handle.clone(),
                url: found.url.clone(),
                meta: found.meta.clone(),
                grant: grant.clone(),
            };
            let (id, _) = self.store.connect_account(&new).await?;
            if let Some(account) = self.store.account(&attempt.workspace, &id).await? {
                self.account_is_back(&account).await?;
            }
            accounts.push(id);
        }
        // A new consent revives every account on its grant, not only the picked ones.
        if let Some(grant) = &grant {
            for account in self.store.accounts_of_grant(grant).await? {
                self.account_is_back(&account).await?;
            }
        }
        let outcome = Outcome::Connected { accounts: accounts.clone() };
        self.store.end_attempt(&attempt.id, &[Stage::Found], Stage::Done, &outcome.json()).await?;
        self.show(attempt.id.as_str()).await?;
        Ok(accounts)
    }

    /// Gives up connecting.
    pub async fn cancel_attempt(&self, actor: &Actor, attempt: &AttemptId) -> Result<(), Refusal> {
        let attempt = self.own_attempt(actor, attempt).await?;
        let from = [Stage::Open, Stage::Answered, Stage::Found];
        if !self.store.end_attempt(&attempt.id, &from, Stage::Failed, &Outcome::Cancelled.json()).await? {
            return Err(Refusal::TooLate);
        }
        self.show(attempt.id.as_str()).await?;
        Ok(())
    }
}
