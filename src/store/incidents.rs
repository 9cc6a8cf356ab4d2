//! Incidents: opened once per cause (a unique index on the open key), updated in place, closed when it heals.

use sqlx::FromRow;

use super::{Result, Store, all, exec, millis, on_db, one, time};
use crate::domain::Timestamp;
use crate::domain::id::{IncidentId, WorkspaceId};

/// Something a human must know.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// The workspace; `None` concerns the operator.
    pub workspace: Option<WorkspaceId>,
    /// Its kind.
    pub kind: String,
    /// What it is about (an id of a grant, account, target or platform).
    pub subject: String,
    /// What happened (JSON of flows::incidents).
    pub what: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it healed.
    pub closed_at: Option<Timestamp>,
    /// Until when nothing more is said about it.
    pub muted_until: Option<Timestamp>,
}

/// An incident to be opened.
#[derive(Clone, Debug)]
pub struct NewIncident {
    /// The workspace; `None` concerns the operator.
    pub workspace: Option<WorkspaceId>,
    /// Its kind.
    pub kind: &'static str,
    /// What it is about.
    pub subject: String,
    /// What happened.
    pub what: String,
}

#[derive(FromRow)]
struct Row {
    id: IncidentId,
    workspace: Option<WorkspaceId>,
    kind: String,
    subject: String,
    what: String,
    opened_at: i64,
    closed_at: Option<i64>,
    muted_until: Option<i64>,
}

impl From<Row> for Incident {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            workspace: row.workspace,
            kind: row.kind,
            subject: row.subject,
            what: row.what,
            opened_at: time(row.opened_at),
            closed_at: row.closed_at.map(time),
            muted_until: row.muted_until.map(time),
        }
    }
}

const SELECT: &str = "select id, workspace, kind, subject, what, opened_at, closed_at, muted_until from incidents";

impl Store {
    /// Opens an incident, or updates the open one of the same kind and subject. Gives it, and whether it is new.
    pub async fn open_incident(&self, new: &NewIncident) -> Result<(Incident, bool)> {
        let key = format!("{}/{}", new.kind, new.subject);
        let id = IncidentId::new(self.clock.now(), &*self.entropy);
        let opened = exec!(db self; "insert into incidents (id, workspace, kind, subject, open_key, what, opened_at)
            values ($1, $2, $3, $4, $5, $6, $7) on conflict (open_key) do nothing",
            id, new.workspace.clone(), new.kind, new.subject.clone(), key.clone(), new.what.clone(), self.now())?;
        if opened == 0 {
            exec!(db self; "update incidents set what = $1 where open_key = $2", new.what.clone(), key.clone())?;
        }
        self.committed("open_incident").await;
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} where open_key = $1"));
        let row = one!(db self; Row; sql, key)?.ok_or_else(|| sqlx::Error::RowNotFound)?;
        Ok((row.into(), opened > 0))
    }

    /// Closes the open incident of this kind and subject; gives it when there was one.
    pub async fn close_incident(&self, kind: &str, subject: &str) -> Result<Option<Incident>> {
        let row = one!(db self; Row; "update incidents set closed_at = $1, open_key = null where open_key = $2
            returning id, workspace, kind, subject, what, opened_at, closed_at, muted_until",
            self.now(), format!("{kind}/{subject}"))?;
        self.committed("close_incident").await;
        Ok(row.map(Incident::from))
    }

    /// One incident.
    pub async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>> {
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} where id = $1"));
        Ok(one!(db self; Row; sql, id.clone())?.map(Incident::from))
    }

    /// The open incidents of a workspace, oldest first.
    pub async fn open_incidents(&self, workspace: &WorkspaceId) -> Result<Vec<Incident>> {
        let sql =
            sqlx::AssertSqlSafe(format!("{SELECT} where workspace = $1 and closed_at is null order by opened_at, id"));
        Ok(all!(db self; Row; sql, workspace.clone())?.into_iter().map(Incident::from).collect())
    }

    /// The open incidents that concern the operator, oldest first.
    pub async fn operator_incidents(&self) -> Result<Vec<Incident>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{SELECT} where workspace is null and closed_at is null order by opened_at, id"
        ));
        Ok(all!(db self; Row; sql)?.into_iter().map(Incident::from).collect())
    }

    /// Whether nothing is to be said about this kind and subject for now, by an incident that is open or was.
    pub async fn is_muted(&self, kind: &str, subject: &str) -> Result<bool> {
        let row = one!(db self; (i64,); "select count(*) from incidents where kind = $1 and subject = $2 and muted_until > $3",
            kind, subject, self.now())?;
        Ok(row.is_some_and(|(count,)| count > 0))
    }

    /// Open incidents without a card, older than `before`: nobody was told.
    pub async fn untold_incidents(&self, before: Timestamp) -> Result<Vec<Incident>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{SELECT} where closed_at is null and opened_at <= $1
             and not exists (select 1 from cards where subject = incidents.id) order by opened_at, id"
        ));
        Ok(all!(db self; Row; sql, millis(before))?.into_iter().map(Incident::from).collect())
    }

    /// Says no more about an incident until then.
    pub async fn mute_incident(&self, id: &IncidentId, until: Timestamp) -> Result<()> {
        exec!(db self; "update incidents set muted_until = $1 where id = $2", millis(until), id.clone())?;
        Ok(())
    }
}
