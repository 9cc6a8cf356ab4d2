//! Grants: tokens sealed, every write compare-and-set on the version, and the lease under which one task renews.

use sqlx::FromRow;

use super::{Result, Store, all, exec, millis, on_db, one, time};
use crate::domain::Timestamp;
use crate::domain::account::{Grant, GrantState, Tokens};
use crate::domain::id::{GrantId, WorkspaceId};

/// A consent to be stored.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// Given to.
    pub workspace: WorkspaceId,
    /// Platform's identifier.
    pub platform: String,
    /// Client id, or an instance's host.
    pub app: String,
    /// Who consented.
    pub remote_user: String,
    /// The tokens.
    pub tokens: Tokens,
}

/// When a grant ends, without its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// The grant.
    pub grant: GrantId,
    /// The app that was consented to: a client id, or an instance's host.
    pub app: String,
    /// When the access token ends.
    pub expires_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: GrantId,
    workspace: WorkspaceId,
    platform: String,
    app: String,
    remote_user: String,
    sealed_access: String,
    sealed_refresh: Option<String>,
    sealed_extra: Option<String>,
    expires_at: Option<i64>,
    refresh_expires_at: Option<i64>,
    version: i64,
    dead_since: Option<i64>,
    dead_why: Option<String>,
}

const SELECT: &str = "select id, workspace, platform, app, remote_user, sealed_access, sealed_refresh, sealed_extra,
    expires_at, refresh_expires_at, version, dead_since, dead_why from grants";

impl Store {
    fn grant_of(&self, row: Row) -> Result<Grant> {
        let id = row.id.as_str();
        Ok(Grant {
            tokens: Tokens {
                access: self.open("grants", id, "sealed_access", &row.sealed_access)?,
                refresh: self.open_some("grants", id, "sealed_refresh", row.sealed_refresh.as_ref())?,
                extra: self.open_some("grants", id, "sealed_extra", row.sealed_extra.as_ref())?,
                expires_at: row.expires_at.map(time),
                refresh_expires_at: row.refresh_expires_at.map(time),
            },
            state: match row.dead_since {
                Some(since) => GrantState::Dead { since: time(since), why: row.dead_why.unwrap_or_default() },
                None => GrantState::Live,
            },
            id: row.id,
            workspace: row.workspace,
            platform: row.platform,
            app: row.app,
            remote_user: row.remote_user,
            version: row.version,
        })
    }

    /// A grant with its tokens.
    pub async fn grant(&self, id: &GrantId) -> Result<Option<Grant>> {
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} where id = $1"));
        one!(db self; Row; sql, id.clone())?.map(|row| self.grant_of(row)).transpose()
    }

    /// Stores a consent. The same person consenting again to the same app renews the same grant and revives it; empty
    /// values never replace non-empty ones.
    pub async fn save_grant(&self, new: &NewGrant) -> Result<GrantId> {
        let known = one!(db self; (GrantId, i64);
            "select id, version from grants where workspace = $1 and platform = $2 and app = $3 and remote_user = $4",
            new.workspace.clone(), new.platform.clone(), new.app.clone(), new.remote_user.clone())?;
        let fresh = known.is_none();
        let id = known.map_or_else(|| GrantId::new(self.clock.now(), &*self.entropy), |(id, _)| id);
        let access = self.seal("grants", id.as_str(), "sealed_access", &new.tokens.access)?;
        let refresh = self.seal_some("grants", id.as_str(), "sealed_refresh", new.tokens.refresh.as_ref())?;
        let extra = self.seal_some("grants", id.as_str(), "sealed_extra", new.tokens.extra.as_ref())?;
        let (expires, refresh_expires) = (new.tokens.expires_at.map(millis), new.tokens.refresh_expires_at.map(millis));
        if fresh {
            let added = exec!(db self; "insert into grants (id, workspace, platform, app, remote_user, sealed_access, sealed_refresh,
                sealed_extra, expires_at, refresh_expires_at, version, created_at)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11)
                on conflict (workspace, platform, app, remote_user) do nothing",
                id.clone(), new.workspace.clone(), new.platform.clone(), new.app.clone(), new.remote_user.clone(),
                access, refresh, extra, expires, refresh_expires, self.now())?;
            if added == 0 {
                // Another task stored this consent meanwhile; the tokens are sealed anew for that row.
                return Box::pin(self.save_grant(new)).await;
            }
        } else {
            exec!(db self; "update grants set sealed_access = $1, sealed_refresh = coalesce($2, sealed_refresh),
                sealed_extra = coalesce($3, sealed_extra), expires_at = $4, refresh_expires_at = $5, version = version + 1,
                dead_since = null, dead_why = null where id = $6",
                access, refresh, extra, expires, refresh_expires, id.clone())?;
        }
        self.committed("save_grant").await;
        Ok(id)
    }

    /// Stores renewed tokens, if nobody else has meanwhile (`false`).
    pub async fn renew_grant(&self, id: &GrantId, version: i64, tokens: &Tokens) -> Result<bool> {
        let access = self.seal("grants", id.as_str(), "sealed_access", &tokens.access)?;
        let refresh = self.seal_some("grants", id.as_str(), "sealed_refresh", tokens.refresh.as_ref())?;
        let extra = self.seal_some("grants", id.as_str(), "sealed_extra", tokens.extra.as_ref())?;
        let written = exec!(db self; "update grants set sealed_access = $1, sealed_refresh = coalesce($2, sealed_refresh),
            sealed_extra = coalesce($3, sealed_extra), expires_at = $4, refresh_expires_at = $5, version = version + 1,
            dead_since = null, dead_why = null, renewing_by = null, renewing_until = null where id = $6 and version = $7",
            access, refresh, extra, tokens.expires_at.map(millis), tokens.refresh_expires_at.map(millis), id.clone(), version)?;
        self.committed("renew_grant").await;
        Ok(written > 0)
    }

    /// Notes that a grant ended, if it still is the one that was tried (`false`).
    pub async fn kill_grant(&self, id: &GrantId, version: i64, why: &str) -> Result<bool> {
        let written = exec!(db self; "update grants set dead_since = $1, dead_why = $2, renewing_by = null, renewing_until = null,
            version = version + 1 where id = $3 and version = $4 and dead_since is null",
            self.now(), why, id.clone(), version)?;
        self.committed("kill_grant").await;
        Ok(written > 0)
    }

    /// Takes the right to renew this version of a grant until then. One task at a time, over all replicas.
    pub async fn claim_renewal(&self, id: &GrantId, version: i64, holder: &str, until: Timestamp) -> Result<bool> {
        let taken = exec!(db self; "update grants set renewing_by = $1, renewing_until = $2 where id = $3 and version = $4
            and dead_since is null and (renewing_by is null or renewing_until < $5)",
            holder, millis(until), id.clone(), version, self.now())?;
        self.committed("claim_renewal").await;
        Ok(taken > 0)
    }

    /// Gives that right back after a failure.
    pub async fn release_renewal(&self, id: &GrantId, holder: &str) -> Result<()> {
        exec!(db self; "update grants set renewing_by = null, renewing_until = null where id = $1 and renewing_by = $2", id.clone(), holder)?;
        Ok(())
    }

    /// Live grants whose access token ends before `before`, soonest first.
    pub async fn expiring_grants(&self, before: Timestamp, most: i64) -> Result<Vec<GrantId>> {
        let rows = all!(db self; (GrantId,); "select id from grants where dead_since is null and expires_at < $1
            order by expires_at limit $2", millis(before), most)?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// When the grants of a workspace end; nothing is unsealed.
    pub async fn horizons(&self, workspace: &WorkspaceId) -> Result<Vec<Horizon>> {
        let rows = all!(db self; (GrantId, String, Option<i64>); "select id, app, expires_at from grants where workspace = $1",
            workspace.clone())?;
        let horizon =
            |(grant, app, expires_at): (_, _, Option<i64>)| Horizon { grant, app, expires_at: expires_at.map(time) };
        Ok(rows.into_iter().map(horizon).collect())
    }

    /// Dead grants, up to `before`, that accounts lean on and that no open incident of this kind is about.
    pub async fn unreported_grants(&self, kind: &str, before: Timestamp) -> Result<Vec<GrantId>> {
        let rows = all!(db self; (GrantId,); "select id from grants where dead_since <= $2
            and exists (select 1 from accounts where grant_id = grants.id and removed_at is null)
            and not exists (select 1 from incidents where open_key = $1 || '/' || grants.id) order by id", kind, millis(before))?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Drops a grant that no account leans on any more.
    pub async fn drop_unused_grant(&self, id: &GrantId) -> Result<()> {
        exec!(db self; "delete from grants where id = $1 and not exists (select 1 from accounts where grant_id = $1)", id.clone())?;
        Ok(())
    }
}
