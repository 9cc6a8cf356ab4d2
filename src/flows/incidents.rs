//! Incidents: one per cause, told where the workspace's alerts go, updated in place, closed when it heals.

use serde::{Deserialize, Serialize};

use super::{Actor, Flows, Refusal};
use crate::domain::Timestamp;
use crate::domain::id::{IncidentId, WorkspaceId};
use crate::domain::workspace::Role;
use crate::store::{Incident, NewIncident};

/// What kind of incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An account, or a grant with all its accounts, must be reconnected.
    AccountLost,
    /// A send whose outcome only a human can see.
    Unconfirmed,
    /// Our own set-up is wrong: for the operator alone.
    Operator,
}

impl Kind {
    /// The kinds that a workspace can turn off and on.
    pub const OF_WORKSPACES: [Self; 2] = [Self::AccountLost, Self::Unconfirmed];

    /// The word in the database and in `/alerts`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccountLost => "account_lost",
            Self::Unconfirmed => "post_unconfirmed",
            Self::Operator => "operator",
        }
    }

    /// The inverse of [`Kind::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [Self::AccountLost, Self::Unconfirmed, Self::Operator].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What happened, as stored with the incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// In plain words.
    pub why: String,
    /// What cures it, in plain words; empty where the buttons say it.
    pub fix: String,
    /// The platform's identifier.
    pub platform: String,
}

impl Flows {
    /// Opens an incident, or updates the open one; new ones are told to their audience.
    pub(crate) async fn open_incident(
        &self,
        workspace: Option<&WorkspaceId>,
        kind: Kind,
        subject: &str,
        cause: &Cause,
    ) -> Result<Incident, Refusal> {
        // A struct of three strings always serializes.
        let what = serde_json::to_string(cause).unwrap_or_default();
        let new = NewIncident { workspace: workspace.cloned(), kind: kind.as_str(), subject: subject.to_owned(), what };
        let (incident, is_new) = self.store.open_incident(&new).await?;
        if is_new {
            tracing::warn!(incident.id = %incident.id, kind = kind.as_str(), subject, why = cause.why, "incident opened");
            self.announce(&incident, workspace, kind).await?;
        } else {
            self.show(incident.id.as_str()).await?;
        }
        Ok(incident)
    }

    /// Tells a new incident to whoever wants to hear of it.
    async fn announce(&self, incident: &Incident, workspace: Option<&WorkspaceId>, kind: Kind) -> Result<(), Refusal> {
        let muted = self.store.is_muted(kind.as_str(), &incident.subject).await?;
        let audience = match workspace {
            _ if muted => Vec::new(),
            Some(workspace) if self.wants(workspace, kind).await? => self.audience(workspace).await?,
            Some(_) => Vec::new(),
            None => self.operators().await?.into_iter().map(|(place, person)| (place, Some(person))).collect(),
        };
        for (place, person) in audience {
            self.tell(&place, person.as_ref(), incident.id.as_str()).await?;
        }
        Ok(())
    }

    /// At start: a daemon that stopped between a change and the news of it left cards behind that are not true any more,
    /// and things of which nobody was told. `since` bounds how far back is looked; what is younger than `before` may be
    /// another replica's, under way.
    pub async fn recover_news(&self, since: Timestamp, before: Timestamp) -> Result<(), Refusal> {
        for subject in self.store.shown_since(since).await? {
            self.show(&subject).await?;
        }
        for (attempt, person) in self.store.untold_attempts(since, before).await? {
            if let Some(place) = self.direct_place(&person).await? {
                self.tell(&place, Some(&person), attempt.as_str()).await?;
            }
        }
        self.recover_losses(before).await?;
        for incident in self.store.untold_incidents(before).await? {
            if let Some(kind) = Kind::parse(&incident.kind) {
                self.announce(&incident, incident.workspace.as_ref(), kind).await?;
            }
        }
        Ok(())
    }

    /// Closes the incident, if it is open, and lets its cards say so.
    pub(crate) async fn heal(&self, kind: Kind, subject: &str) -> Result<(), Refusal> {
        if let Some(incident) = self.store.close_incident(kind.as_str(), subject).await? {
            tracing::info!(incident.id = %incident.id, kind = kind.as_str(), subject, "incident closed");
            self.show(incident.id.as_str()).await?;
        }
        Ok(())
    }

    /// Whether a workspace wants to hear of this kind (`/alerts KIND` turns each off and on).
    pub async fn wants(&self, workspace: &WorkspaceId, kind: Kind) -> Result<bool, Refusal> {
        let setting = self.store.setting(&mute_key(workspace, kind)).await?;
        Ok(setting.as_deref() != Some("off"))
    }

    /// Turns a kind of alert off or on for the actor's workspace.
    pub async fn set_wants(&self, actor: &Actor, kind: Kind, wants: bool) -> Result<(), Refusal> {
        self.require(actor, Role::Admin).await?;
        self.store.set_setting(&mute_key(&actor.workspace, kind), if wants { "on" } else { "off" }).await?;
        Ok(())
    }

    /// Says nothing new about an incident's subject until then, also when it heals and breaks again; a time that is past
    /// lifts that.
    pub async fn mute_incident(&self, actor: &Actor, id: &IncidentId, until: Timestamp) -> Result<(), Refusal> {
        self.require(actor, Role::Admin).await?;
        let incident = self.store.incident(id).await?;
        if incident.and_then(|incident| incident.workspace).as_ref() != Some(&actor.workspace) {
            return Err(Refusal::Gone { what: "alert" });
        }
        self.store.mute_incident(id, until).await?;
        self.show(id.as_str()).await?;
        Ok(())
    }
}

fn mute_key(workspace: &WorkspaceId, kind: Kind) -> String {
    format!("alerts/{workspace}/{}", kind.as_str())
}

impl Flows {
    /// A chat surface is down and no waiting cures it: the operator is told where they can still be reached.
    pub async fn surface_down(&self, surface: &str, why: &str) -> Result<(), Refusal> {
        let cause = Cause {
            why: format!("{surface}: {why}"),
            fix: "`trypost doctor` shows the setting.".to_owned(),
            platform: String::new(),
        };
        self.open_incident(None, Kind::Operator, &format!("surface/{surface}"), &cause).await?;
        Ok(())
    }

    /// A chat surface answers: if it was down, that is over.
    pub async fn surface_up(&self, surface: &str) -> Result<(), Refusal> {
        self.heal(Kind::Operator, &format!("surface/{surface}")).await
    }
}
