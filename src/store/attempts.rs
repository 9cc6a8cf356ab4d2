//! Attempts: one run of connecting each, found by the fingerprints of its link and its state, single use, expiring.

use sqlx::FromRow;

use super::{Place, Result, Store, all, exec, json, millis, on_db, one, text, time, word};
use crate::domain::id::{AccountId, AttemptId, PersonId, WorkspaceId};
use crate::domain::{Secret, Timestamp};

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The link is out.
    Open,
    /// The callback, form or place came; it is being worked on.
    Answered,
    /// What can be connected is known; the person picks in the chat.
    Found,
    /// Connected.
    Done,
    /// Denied, failed or cancelled.
    Failed,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Found => "found",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::Answered, Self::Found, Self::Done, Self::Failed]
            .into_iter()
            .find(|stage| stage.as_str() == word)
    }
}

/// One run of connecting.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// Into which workspace.
    pub workspace: WorkspaceId,
    /// Who asked; nobody else may pick.
    pub person: PersonId,
    /// Platform's identifier.
    pub platform: String,
    /// The instance they named.
    pub instance: Option<String>,
    /// The account to reconnect.
    pub account: Option<AccountId>,
    /// Where they asked.
    pub place: Place,
    /// Where it stands.
    pub stage: Stage,
    /// OAuth's state, or the code for a chat.
    pub state: Option<Secret>,
    /// What the connector needs back.
    pub keep: Option<Secret>,
    /// What the consent gave (JSON of flows::connect).
    pub consent: Option<Secret>,
    /// Remote ids picked so far.
    pub picked: Vec<String>,
    /// How it ended, for the card (JSON of flows::connect).
    pub outcome: Option<String>,
    /// When the link ends.
    pub expires_at: Timestamp,
}

/// An attempt to be stored.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// Into which workspace.
    pub workspace: WorkspaceId,
    /// Who asks.
    pub person: PersonId,
    /// Platform's identifier.
    pub platform: String,
    /// The instance they named.
    pub instance: Option<String>,
    /// The account to reconnect.
    pub account: Option<AccountId>,
    /// Where they ask.
    pub place: Place,
    /// The token in our short link.
    pub link: Secret,
    /// OAuth's state, or the code for a chat.
    pub state: Secret,
    /// When the link ends.
    pub expires_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: AttemptId,
    workspace: WorkspaceId,
    person: PersonId,
    platform: String,
    instance: Option<String>,
    account: Option<AccountId>,
    surface: String,
    chat: String,
    topic: String,
    stage: String,
    sealed_state: Option<String>,
    sealed_keep: Option<String>,
    sealed_consent: Option<String>,
    picked: String,
    outcome: Option<String>,
    expires_at: i64,
}

const SELECT: &str = "select id, workspace, person, platform, instance, account, surface, chat, topic, stage,
    sealed_state, sealed_keep, sealed_consent, picked, outcome, expires_at from attempts";

impl Store {
    fn attempt_of(&self, row: Row) -> Result<Attempt> {
        let id = row.id.as_str();
        Ok(Attempt {
            stage: word("attempts", id, Stage::parse(&row.stage), &row.stage)?,
            state: self.open_some("attempts", id, "sealed_state", row.sealed_state.as_ref())?,
            keep: self.open_some("attempts", id, "sealed_keep", row.sealed_keep.as_ref())?,
            consent: self.open_some("attempts", id, "sealed_consent", row.sealed_consent.as_ref())?,
            picked: json("attempts", id, &row.picked)?,
            id: row.id,
            workspace: row.workspace,
            person: row.person,
            platform: row.platform,
            instance: row.instance,
            account: row.account,
            place: Place { surface: row.surface, chat: row.chat, topic: row.topic },
            outcome: row.outcome,
            expires_at: time(row.expires_at),
        })
    }

    /// Stores an attempt.
    pub async fn add_attempt(&self, new: &NewAttempt) -> Result<AttemptId> {
        let id = AttemptId::new(self.clock.now(), &*self.entropy);
        let state = self.seal("attempts", id.as_str(), "sealed_state", &new.state)?;
        exec!(db self; "insert into attempts (id, workspace, person, platform, instance, account, surface, chat, topic, stage,
            link_hash, state_hash, sealed_state, expires_at, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open', $10, $11, $12, $13, $14)",
            id.clone(), new.workspace.clone(), new.person.clone(), new.platform.clone(), new.instance.clone(),
            new.account.clone(), new.place.surface.clone(), new.place.chat.clone(), new.place.topic.clone(),
            fingerprint(&new.link), fingerprint(&new.state), state, millis(new.expires_at), self.now())?;
        self.committed("add_attempt").await;
        Ok(id)
    }

    /// An attempt by id.
    pub async fn attempt(&self, id: &AttemptId) -> Result<Option<Attempt>> {
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} where id = $1"));
        one!(db self; Row; sql, id.clone())?.map(|row| self.attempt_of(row)).transpose()
    }

    /// The attempt that a link belongs to.
    pub async fn attempt_by_link(&self, link: &Secret) -> Result<Option<Attempt>> {
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} where link_hash = $1"));
        one!(db self; Row; sql, fingerprint(link))?.map(|row| self.attempt_of(row)).transpose()
    }

    /// The attempt that a state (or a chat code) belongs to.
    pub async fn attempt_by_state(&self, state: &Secret) -> Result<Option<Attempt>> {
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} where state_hash = $1"));
        one!(db self; Row; sql, fingerprint(state))?.map(|row| self.attempt_of(row)).transpose()
    }

    /// The newest open attempt of a person on a platform: whom a bot's membership event may answer.
    pub async fn open_attempt(&self, person: &PersonId, platform: &str) -> Result<Option<Attempt>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{SELECT} where person = $1 and platform = $2 and stage = 'open' and expires_at > $3
            order by created_at desc limit 1"
        ));
        one!(db self; Row; sql, person.clone(), platform, self.now())?.map(|row| self.attempt_of(row)).transpose()
    }

    /// Keeps what the connector needs back.
    pub async fn keep_for_attempt(&self, id: &AttemptId, keep: &Secret) -> Result<()> {
        let sealed = self.seal_some("attempts", id.as_str(), "sealed_keep", Some(keep))?;
        exec!(db self; "update attempts set sealed_keep = $1 where id = $2", sealed, id.clone())?;
        self.committed("keep_for_attempt").await;
        Ok(())
    }

    /// Moves an open, unexpired attempt to `Answered`. Of two callbacks that race, one gets `true`.
    pub async fn answer_attempt(&self, id: &AttemptId) -> Result<bool> {
        let taken = exec!(db self; "update attempts set stage = 'answered', answered_at = $2 where id = $1 and stage = 'open' and expires_at > $2",
            id.clone(), self.now())?;
        self.committed("answer_attempt").await;
        Ok(taken > 0)
    }

    /// Attempts that were being answered at `before` and still are: the daemon stopped in the middle.
    pub async fn interrupted_attempts(&self, before: Timestamp) -> Result<Vec<AttemptId>> {
        let rows = all!(db self; (AttemptId,); "select id from attempts where stage = 'answered' and answered_at < $1", millis(before))?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Attempts between these times that found something or failed, and have no card: nobody was told.
    pub async fn untold_attempts(&self, since: Timestamp, before: Timestamp) -> Result<Vec<(AttemptId, PersonId)>> {
        Ok(all!(db self; (AttemptId, PersonId); "select id, person from attempts where stage in ('found', 'failed')
            and created_at > $1 and answered_at <= $2
            and not exists (select 1 from cards where subject = attempts.id) order by id", millis(since), millis(before))?)
    }

    /// Lets an answered attempt be answered again (a form that was filled in wrongly).
    pub async fn reopen_attempt(&self, id: &AttemptId) -> Result<()> {
        exec!(db self; "update attempts set stage = 'open' where id = $1 and stage = 'answered'", id.clone())?;
        Ok(())
    }

    /// Keeps what was found, until the person picks.
    pub async fn found_for_attempt(&self, id: &AttemptId, consent: &Secret, picked: &[String]) -> Result<()> {
        let sealed = self.seal("attempts", id.as_str(), "sealed_consent", consent)?;
        exec!(db self; "update attempts set stage = 'found', sealed_consent = $1, picked = $2, sealed_keep = null, sealed_state = null
            where id = $3 and stage = 'answered'", sealed, text(&picked), id.clone())?;
        self.committed("found_for_attempt").await;
        Ok(())
    }

    /// Changes what is picked, while picking goes on.
    pub async fn pick_for_attempt(&self, id: &AttemptId, picked: &[String]) -> Result<()> {
        exec!(db self; "update attempts set picked = $1 where id = $2 and stage = 'found'", text(&picked), id.clone())?;
        Ok(())
    }

    /// Ends an attempt that is at `from`; of two presses that race, one gets `true`. Its secrets are forgotten.
    pub async fn end_attempt(&self, id: &AttemptId, from: &[Stage], to: Stage, outcome: &str) -> Result<bool> {
        let mut ended = 0;
        for stage in from {
            ended += exec!(db self; "update attempts set stage = $1, outcome = $2, sealed_keep = null, sealed_state = null,
                sealed_consent = null where id = $3 and stage = $4", to.as_str(), outcome, id.clone(), stage.as_str())?;
        }
        self.committed("end_attempt").await;
        Ok(ended > 0)
    }
}

fn fingerprint(token: &Secret) -> String {
    crate::domain::clock::fingerprint(token.expose())
}
