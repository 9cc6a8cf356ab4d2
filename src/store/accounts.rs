//! Accounts. Uniqueness is the index on (workspace, platform, remote id): connecting the same account again updates its
//! row and keeps `is_active`, its posts and its schedule. A disconnected account's row stays for its history.

use serde_json::Value;
use sqlx::FromRow;

use super::{Result, Store, all, exec, json, millis, on_db, on_tx, one, text, time, word};
use crate::domain::Timestamp;
use crate::domain::account::{Account, AccountStatus};
use crate::domain::id::{AccountId, GrantId, WorkspaceId};

/// An account to be connected.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Into which workspace.
    pub workspace: WorkspaceId,
    /// Platform's identifier.
    pub platform: String,
    /// Globally unique on its platform.
    pub remote_id: String,
    /// What people call it.
    pub name: String,
    /// `@name` without the at sign.
    pub handle: Option<String>,
    /// Its public page.
    pub url: Option<String>,
    /// The connector's notes.
    pub meta: Value,
    /// The grant it leans on.
    pub grant: Option<GrantId>,
}

#[derive(FromRow)]
struct Row {
    id: AccountId,
    workspace: WorkspaceId,
    platform: String,
    remote_id: String,
    name: String,
    handle: Option<String>,
    url: Option<String>,
    meta: String,
    grant_id: Option<GrantId>,
    status: String,
    status_since: i64,
    why: Option<String>,
    fix: Option<String>,
    is_active: bool,
    shaky_since: Option<i64>,
}

const SELECT: &str =
    "select id, workspace, platform, remote_id, name, handle, url, meta, grant_id, status, status_since,
    why, fix, is_active, shaky_since from accounts";

impl TryFrom<Row> for Account {
    type Error = super::StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            meta: json("accounts", row.id.as_str(), &row.meta)?,
            status: word("accounts", row.id.as_str(), AccountStatus::parse(&row.status), &row.status)?,
            id: row.id,
            workspace: row.workspace,
            platform: row.platform,
            remote_id: row.remote_id,
            name: row.name,
            handle: row.handle,
            url: row.url,
            grant: row.grant_id,
            status_since: time(row.status_since),
            why: row.why,
            fix: row.fix,
            is_active: row.is_active,
            shaky_since: row.shaky_since.map(time),
        })
    }
}

impl Store {
    /// Connects an account. Gives its id and whether it was connected here before.
    pub async fn connect_account(&self, new: &NewAccount) -> Result<(AccountId, bool)> {
        let mut tx = self.begin().await?;
        let known = one!(tx &mut tx; (AccountId, Option<i64>);
            "select id, removed_at from accounts where workspace = $1 and platform = $2 and remote_id = $3",
            new.workspace.clone(), new.platform.clone(), new.remote_id.clone())?;
        let before = matches!(known, Some((_, None)));
        let id = known.map_or_else(|| AccountId::new(self.clock.now(), &*self.entropy), |(id, _)| id);
        // The id of the row that is there now: another task may have connected it meanwhile.
        let row = one!(tx &mut tx; (AccountId,); "insert into accounts (id, workspace, platform, remote_id, name, handle, url, meta, grant_id, status,
            status_since, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'connected', $10, $10)
            on conflict (workspace, platform, remote_id) do update set name = excluded.name, handle = excluded.handle,
            url = excluded.url, meta = excluded.meta, grant_id = excluded.grant_id, status = 'connected',
            status_since = excluded.status_since, why = null, fix = null, shaky_since = null, removed_at = null
            returning id", id.clone(), new.workspace.clone(), new.platform.clone(), new.remote_id.clone(), new.name.clone(),
            new.handle.clone(), new.url.clone(), text(&new.meta), new.grant.clone(), self.now())?;
        self.commit(tx, "connect_account").await?;
        Ok((row.map_or(id, |(row,)| row), before))
    }

    /// One account of a workspace.
    pub async fn account(&self, workspace: &WorkspaceId, id: &AccountId) -> Result<Option<Account>> {
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} where workspace = $1 and id = $2 and removed_at is null"));
        one!(db self; Row; sql, workspace.clone(), id.clone())?.map(Account::try_from).transpose()
    }

    /// An account by id alone, also when it was disconnected: for work already under way.
    pub async fn account_for_work(&self, id: &AccountId) -> Result<Option<Account>> {
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} where id = $1"));
        one!(db self; Row; sql, id.clone())?.map(Account::try_from).transpose()
    }

    /// The accounts of a workspace, in the order in which they were connected.
    pub async fn accounts(&self, workspace: &WorkspaceId) -> Result<Vec<Account>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{SELECT} where workspace = $1 and removed_at is null order by created_at, id"
        ));
        all!(db self; Row; sql, workspace.clone())?.into_iter().map(Account::try_from).collect()
    }

    /// The accounts of all workspaces at this place of a platform: whom a membership event concerns.
    pub async fn accounts_at(&self, platform: &str, remote_id: &str) -> Result<Vec<Account>> {
        let sql =
            sqlx::AssertSqlSafe(format!("{SELECT} where platform = $1 and remote_id = $2 and removed_at is null"));
        all!(db self; Row; sql, platform, remote_id)?.into_iter().map(Account::try_from).collect()
    }

    /// The accounts that lean on a grant.
    pub async fn accounts_of_grant(&self, grant: &GrantId) -> Result<Vec<Account>> {
        let sql =
            sqlx::AssertSqlSafe(format!("{SELECT} where grant_id = $1 and removed_at is null order by created_at, id"));
        all!(db self; Row; sql, grant.clone())?.into_iter().map(Account::try_from).collect()
    }

    /// Connected accounts by platform and status, over all workspaces: for `/health`.
    pub async fn account_counts(&self) -> Result<Vec<(String, String, i64)>> {
        Ok(
            all!(db self; (String, String, i64); "select platform, status, count(*) from accounts where removed_at is null
            group by platform, status order by platform, status")?,
        )
    }

    /// Changes an account's status; `true` when that was news.
    pub async fn set_account_status(
        &self,
        id: &AccountId,
        status: AccountStatus,
        why: Option<&str>,
        fix: Option<&str>,
    ) -> Result<bool> {
        let news = exec!(db self; "update accounts set status = $1, status_since = $2, why = $3, fix = $4, shaky_since = null
            where id = $5 and removed_at is null and status <> $1",
            status.as_str(), self.now(), why, fix, id.clone())?;
        self.committed("set_account_status").await;
        Ok(news > 0)
    }

    /// Accounts that are lost by themselves, not with their grant, up to `before`, and that no open incident of this kind
    /// is about.
    pub async fn unreported_accounts(&self, kind: &str, before: Timestamp) -> Result<Vec<Account>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{SELECT} where removed_at is null and status <> 'connected' and status_since <= $2
             and (grant_id is null or exists (select 1 from grants where id = accounts.grant_id and dead_since is null))
             and not exists (select 1 from incidents where open_key = $1 || '/' || accounts.id) order by id"
        ));
        all!(db self; Row; sql, kind, millis(before))?.into_iter().map(Account::try_from).collect()
    }

    /// Notes what a check saw.
    pub async fn note_account(
        &self,
        id: &AccountId,
        name: &str,
        handle: Option<&str>,
        url: Option<&str>,
        meta: &Value,
    ) -> Result<()> {
        exec!(db self; "update accounts set name = $1, handle = $2, url = $3, meta = $4, shaky_since = null where id = $5",
            name, handle, url, text(meta), id.clone())?;
        Ok(())
    }

    /// Notes since when calls for an account fail for now, or (with `None`) that they work again.
    pub async fn set_shaky(&self, id: &AccountId, since: Option<Timestamp>) -> Result<()> {
        exec!(db self; "update accounts set shaky_since = $1 where id = $2", since.map(millis), id.clone())?;
        Ok(())
    }

    /// Active accounts are part of new posts.
    pub async fn set_active(&self, id: &AccountId, active: bool) -> Result<()> {
        exec!(db self; "update accounts set is_active = $1 where id = $2", active, id.clone())?;
        Ok(())
    }

    /// The place got a new id at the platform (a Telegram group became a supergroup).
    pub async fn move_account(&self, platform: &str, from: &str, to: &str) -> Result<()> {
        exec!(db self; "update accounts set remote_id = $1 where platform = $2 and remote_id = $3
            and not exists (select 1 from accounts a where a.workspace = accounts.workspace and a.platform = $2 and a.remote_id = $1)",
            to, platform, from)?;
        self.committed("move_account").await;
        Ok(())
    }

    /// Removes the connection: the row stays for its history, targets that have not begun are dropped. Gives the numbers
    /// of the posts that lost a target.
    pub async fn disconnect_account(&self, id: &AccountId) -> Result<Vec<i64>> {
        let mut tx = self.begin().await?;
        let posts = all!(tx &mut tx; (i64,); "select p.number from posts p join targets t on t.post = p.id
            where t.account = $1 and t.status = 'pending' order by p.number", id.clone())?;
        exec!(tx &mut tx; "delete from targets where account = $1 and status = 'pending'", id.clone())?;
        exec!(tx &mut tx; "update accounts set removed_at = $1, grant_id = null, status = 'disconnected', status_since = $1 where id = $2",
            self.now(), id.clone())?;
        self.commit(tx, "disconnect_account").await?;
        Ok(posts.into_iter().map(|(number,)| number).collect())
    }
}
