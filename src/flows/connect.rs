//! Connecting: from `/connect` over the vendor's consent (or a form, or a bot's place) to the pick in the chat. Nothing
//! is connected before the person who asked confirms there. Every step is a row, so a restart anywhere loses nothing
//! that the person can't repeat.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Actor, Flows, Offered, Refusal};
use crate::domain::account::{Account, Tokens};
use crate::domain::clock::{random, token};
use crate::domain::fault::Fault;
use crate::domain::id::{AccountId, AttemptId, PersonId};
use crate::domain::workspace::Role;
use crate::domain::{Secret, Timestamp};
use crate::platforms::{Answer, App, AppSource, Consent, Descriptor, Entry, Found, Want};
use crate::store::{Attempt, NewAccount, NewAttempt, NewGrant, Place, Stage};

/// How long a link works.
pub const LINK_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long a found account waits for the pick, counted from the link's end.
pub const PICK_LIFE: Duration = Duration::from_secs(45 * 60);

/// The first answer to `/connect`.
#[derive(Clone, Debug)]
pub struct Started {
    /// The attempt.
    pub attempt: AttemptId,
    /// Our own short link, for the asker alone.
    pub link: Url,
    /// The code to post in the place, for bots.
    pub code: Option<String>,
    /// When both end.
    pub expires_at: Timestamp,
}

/// What a short link leads to.
#[derive(Debug)]
pub enum Opened {
    /// The vendor's page.
    Vendor(Url),
    /// Our private form.
    Form {
        /// Whose.
        descriptor: &'static Descriptor,
    },
    /// Used, expired, or never made.
    TooLate,
}

/// How an attempt ended, as stored for its card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Connected, renewed or reconnected.
    Connected {
        /// The accounts.
        accounts: Vec<AccountId>,
    },
    /// The platform, or the person there, said no.
    Failed {
        /// What happened, in plain words.
        why: String,
        /// What to do.
        fix: String,
    },
    /// Cancelled in the chat.
    Cancelled,
    /// trypost stopped in the middle.
    Interrupted,
}

impl Outcome {
    fn json(&self) -> String {
        // Strings and ids always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the outcome of an attempt that has ended.
    pub fn of(attempt: &Attempt) -> Option<Self> {
        serde_json::from_str(attempt.outcome.as_deref()?).ok()
    }
}

/// What the web page says after the vendor came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// All well: the rest is in the chat.
    Found {
        /// The chat.
        place: Place,
    },
    /// It failed; the chat says so too.
    Failed {
        /// The chat.
        place: Place,
        /// Why, in plain words.
        why: String,
        /// What to do.
        fix: String,
    },
    /// The form can be sent again.
    Again {
        /// What is wrong with it.
        why: String,
        /// What to do.
        fix: String,
    },
    /// Used, expired, or never made.
    TooLate,
}

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

/// What the connector keeps between the link and the answer.
#[derive(Serialize, Deserialize)]
struct Carried {
    url: Option<Url>,
    keep: String,
    link: String,
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
    /// Begins connecting. `instance` is as typed; `reconnect` names the account that is to come back.
    pub async fn connect(
        &self,
        actor: &Actor,
        platform: &str,
        instance: Option<&str>,
        reconnect: Option<&AccountId>,
    ) -> Result<Started, Refusal> {
        self.require(actor, Role::Admin).await?;
        let offered =
            self.offered(platform).filter(|offered| offered.enabled).ok_or(Refusal::Gone { what: "platform" })?;
        let descriptor = offered.platform.descriptor();
        if !offered.missing.is_empty() {
            return Err(Refusal::NotSetUp { platform: descriptor.name, missing: offered.missing.clone() });
        }
        let account = match reconnect {
            Some(id) => Some(self.store.account(&actor.workspace, id).await?.ok_or(Refusal::Gone { what: "account" })?),
            None => None,
        };
        if account.is_none() {
            self.room_for(actor, descriptor).await?;
        }
        let instance = match (descriptor.entry, instance, &account) {
            (Entry::Instance { .. }, Some(typed), _) => {
                Some(offered.platform.instance(typed).map_err(Refusal::BadInput)?)
            }
            (Entry::Instance { .. }, None, Some(account)) => {
                account.meta.get("instance").and_then(|host| host.as_str()).map(str::to_owned)
            }
            _ => None,
        };
        let app = self.app_to_connect(offered, instance.as_deref()).await?;
        let link = token(&*self.entropy);
        let state = match descriptor.entry {
            Entry::Bot => self.code(),
            _ => token(&*self.entropy),
        };
        let want = Want { instance: instance.as_deref(), state: &state, reconnect: account.as_ref() };
        let begun = offered
            .platform
            .begin(&self.context(offered, &app), want)
            .await
            .map_err(|fault| Refusal::Platform { platform: descriptor.name, fault })?;
        let expires_at = self.now() + LINK_LIFE;
        let attempt = self
            .store
            .add_attempt(&NewAttempt {
                workspace: actor.workspace.clone(),
                person: actor.person.clone(),
                platform: descriptor.id.to_owned(),
                instance,
                account: reconnect.cloned(),
                place: actor.place.clone(),
                link: Secret::new(link.clone()),
                state: Secret::new(state.clone()),
                expires_at,
            })
            .await?;
        let carried = Carried { url: begun.url, keep: begun.keep.expose().to_owned(), link: link.clone() };
        self.store.keep_for_attempt(&attempt, &sealed(&carried)).await?;
        let code = matches!(descriptor.entry, Entry::Bot).then_some(state);
        Ok(Started { attempt, link: self.page(&format!("connect/{link}")), code, expires_at })
    }

    /// A code for people to type or post: `tp-` and 16 base32 characters (80 bits).
    pub(crate) fn code(&self) -> String {
        format!("tp-{}", data_encoding::BASE32_NOPAD.encode(&random::<10>(&*self.entropy)).to_lowercase())
    }

    pub(crate) fn page(&self, path: &str) -> Url {
        let mut url = self.settings.app_url.clone();
        url.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
        url
    }

    async fn room_for(&self, actor: &Actor, descriptor: &'static Descriptor) -> Result<(), Refusal> {
        if self.settings.self_hosted {
            return Ok(());
        }
        let accounts = self.store.accounts(&actor.workspace).await?;
        if accounts.iter().any(|account| account.platform == descriptor.id) {
            return Err(Refusal::Full { platform: descriptor.name });
        }
        Ok(())
    }

    /// Our app at the instance, registered now if it never was.
    async fn app_to_connect(&self, offered: &Offered, instance: Option<&str>) -> Result<App, Refusal> {
        let descriptor = offered.platform.descriptor();
        let (AppSource::Instance, Some(host)) = (descriptor.app, instance) else { return Ok(offered.app.clone()) };
        if self.store.instance_app(descriptor.id, host).await?.is_none() {
            let app = offered
                .platform
                .register(&self.context(offered, &App::default()), host)
                .await
                .map_err(|fault| Refusal::Platform { platform: descriptor.name, fault })?;
            let secret = app.secret.unwrap_or_else(|| Secret::new(""));
            self.store.save_instance_app(descriptor.id, host, &app.id, &secret).await?;
        }
        self.app_for(offered, Some(host)).await
    }

    /// Follows a short link. It can be opened again until the answer comes: people close tabs.
    pub async fn open_link(&self, link: &Secret) -> Result<Opened, Refusal> {
        let Some(attempt) = self.store.attempt_by_link(link).await?.filter(|attempt| self.is_open(attempt)) else {
            return Ok(Opened::TooLate);
        };
        let offered = self.platform_of(&attempt.platform)?;
        let carried: Option<Carried> = attempt.keep.as_ref().and_then(unsealed);
        Ok(match (offered.platform.descriptor().entry, carried) {
            (Entry::Form(_), _) => Opened::Form { descriptor: offered.platform.descriptor() },
            (_, Some(Carried { url: Some(url), .. })) => Opened::Vendor(self.http.link(&url)),
            _ => Opened::TooLate,
        })
    }

    /// The short link of an open attempt, for the asker's eyes alone: their card is drawn anew, also in another chat.
    pub fn link_of(&self, attempt: &Attempt) -> Option<Url> {
        let carried = attempt.keep.as_ref().filter(|_| self.is_open(attempt)).and_then(unsealed::<Carried>)?;
        Some(self.page(&format!("connect/{}", carried.link)))
    }

    /// Whether the attempt's link and code still work.
    pub fn is_open(&self, attempt: &Attempt) -> bool {
        attempt.stage == Stage::Open && attempt.expires_at > self.now()
    }

    /// The vendor came back with this query.
    pub async fn callback(&self, platform: &str, query: BTreeMap<String, String>) -> Result<Returned, Refusal> {
        let Some(state) = query.get("state").map(Secret::new) else { return Ok(Returned::TooLate) };
        let attempt = self.store.attempt_by_state(&state).await?.filter(|attempt| attempt.platform == platform);
        match attempt {
            Some(attempt) => self.answer(attempt, Answer::Callback(query)).await,
            None => Ok(Returned::TooLate),
        }
    }

    /// The private form was sent.
    pub async fn submit(&self, link: &Secret, fields: BTreeMap<String, Secret>) -> Result<Returned, Refusal> {
        match self.store.attempt_by_link(link).await? {
            Some(attempt) => self.answer(attempt, Answer::Form(fields)).await,
            None => Ok(Returned::TooLate),
        }
    }

    /// The form was sent in the chat itself (a Discord modal).
    pub async fn submit_in_chat(
        &self,
        actor: &Actor,
        attempt: &AttemptId,
        fields: BTreeMap<String, Secret>,
    ) -> Result<Returned, Refusal> {
        let attempt = self.own_attempt(actor, attempt).await?;
        self.answer(attempt, Answer::Form(fields)).await
    }

    /// A place answers an attempt: the code was posted there, or the asker pressed or promoted the bot there. The caller
    /// has checked that they may act for the place.
    pub async fn connect_place(&self, attempt: Attempt, place: &str) -> Result<Returned, Refusal> {
        self.answer(attempt, Answer::Place(place.to_owned())).await
    }

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

    async fn answer(&self, attempt: Attempt, answer: Answer) -> Result<Returned, Refusal> {
        if !self.store.answer_attempt(&attempt.id).await? {
            return Ok(Returned::TooLate);
        }
        let offered = self.platform_of(&attempt.platform)?;
        let descriptor = offered.platform.descriptor();
        let is_form = matches!(answer, Answer::Form(_));
        let app = self.app_for(offered, attempt.instance.as_deref()).await?;
        let keep = attempt.keep.as_ref().and_then(unsealed::<Carried>).map(|carried| Secret::new(carried.keep));
        let keep = keep.unwrap_or_else(|| Secret::new(""));
        let result = offered.platform.complete(&self.context(offered, &app), &keep, answer).await;
        match result {
            Ok(consent) if consent.found.is_empty() => {
                let why = format!("{} found nothing that can be connected.", descriptor.name);
                self.fail_attempt(&attempt, why, descriptor.hint.to_owned()).await
            }
            Ok(consent) => {
                self.found(&attempt, &app, consent).await?;
                self.show(attempt.id.as_str()).await?;
                Ok(Returned::Found { place: attempt.place })
            }
            // A form that was filled in wrongly is shown again; so is one that met an outage.
            Err(Fault::Rejected { why, fix }) if is_form => {
                self.store.reopen_attempt(&attempt.id).await?;
                Ok(Returned::Again { why, fix })
            }
            Err(Fault::Transient { why, .. } | Fault::InDoubt { why }) if is_form => {
                self.store.reopen_attempt(&attempt.id).await?;
                Ok(Returned::Again { why, fix: "Please send it again in a moment.".to_owned() })
            }
            Err(fault) => {
                let (why, fix) = self.explain(&attempt, descriptor, fault).await?;
                self.fail_attempt(&attempt, why, fix).await
            }
        }
    }

    /// A fault of connecting in words: what happened, and what to do.
    async fn explain(
        &self,
        attempt: &Attempt,
        descriptor: &Descriptor,
        fault: Fault,
    ) -> Result<(String, String), Refusal> {
        let again = "Please try again.".to_owned();
        Ok(match fault {
            Fault::Misconfigured { what } => {
                if let (AppSource::Instance, Some(host)) = (descriptor.app, &attempt.instance) {
                    // The instance forgot our app: the next attempt registers a new one.
                    self.store.forget_instance_app(descriptor.id, host).await?;
                    return Ok((format!("{host} no longer knows trypost."), "Try again: I register anew.".to_owned()));
                }
                (what, format!("Whoever runs this server sees the cure with /setup {}.", descriptor.id))
            }
            Fault::AccountLost { why, fix } | Fault::Rejected { why, fix } => (why, fix),
            Fault::Transient { why, .. } | Fault::InDoubt { why } | Fault::GrantDead { why } => (why, again),
            Fault::Stale => (format!("{} did not take the sign-in.", descriptor.name), again),
            Fault::AccountMoved { .. } => ("The group moved to a new id.".to_owned(), again),
        })
    }

    async fn fail_attempt(&self, attempt: &Attempt, why: String, fix: String) -> Result<Returned, Refusal> {
        let outcome = Outcome::Failed { why: why.clone(), fix: fix.clone() };
        self.store.end_attempt(&attempt.id, &[Stage::Open, Stage::Answered], Stage::Failed, &outcome.json()).await?;
        self.show(attempt.id.as_str()).await?;
        Ok(Returned::Failed { place: attempt.place.clone(), why, fix })
    }

    async fn found(&self, attempt: &Attempt, app: &App, consent: Consent) -> Result<(), Refusal> {
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

    /// At start: attempts that a stopped daemon left in the middle are told, with a way on.
    pub async fn recover_attempts(&self, before: Timestamp) -> Result<(), Refusal> {
        for id in self.store.interrupted_attempts(before).await? {
            self.store.end_attempt(&id, &[Stage::Answered], Stage::Failed, &Outcome::Interrupted.json()).await?;
            self.show(id.as_str()).await?;
        }
        Ok(())
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

fn sealed<T: Serialize>(value: &T) -> Secret {
    // Strings, times and JSON values always serialize.
    Secret::new(serde_json::to_string(value).unwrap_or_default())
}

fn unsealed<T: serde::de::DeserializeOwned>(secret: &Secret) -> Option<T> {
    serde_json::from_str(secret.expose()).ok()
}
