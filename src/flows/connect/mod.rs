//! Connecting: from `/connect` over the vendor's consent (or a form, or a bot's place) to the pick in the chat. Nothing
//! is connected before the person who asked confirms there. Every step is a row, so a restart anywhere loses nothing
//! that the person can't repeat.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Actor, Flows, Offered, Refusal};
use crate::domain::clock::{random, token};
use crate::domain::fault::Fault;
use crate::domain::id::{AccountId, AttemptId};
use crate::domain::workspace::Role;
use crate::domain::{Secret, Timestamp};
use crate::platforms::{Answer, App, AppSource, Descriptor, Entry, Want};
use crate::store::{Attempt, NewAttempt, Place, Stage};

mod pick;
mod places;

pub use pick::Offer;

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

/// What the connector keeps between the link and the answer.
#[derive(Serialize, Deserialize)]
struct Carried {
    url: Option<Url>,
    keep: String,
    link: String,
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

    /// At start: attempts that a stopped daemon left in the middle are told, with a way on.
    pub async fn recover_attempts(&self, before: Timestamp) -> Result<(), Refusal> {
        for id in self.store.interrupted_attempts(before).await? {
            self.store.end_attempt(&id, &[Stage::Answered], Stage::Failed, &Outcome::Interrupted.json()).await?;
            self.show(id.as_str()).await?;
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
