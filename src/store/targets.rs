//! Targets: claims as leases, the journal of steps, and the one row per accepted send that nothing can double.

use serde_json::Value;
use sqlx::FromRow;

use super::{Result, Store, all, exec, json, millis, on_db, on_tx, one, text, time, word};
use crate::domain::Timestamp;
use crate::domain::id::{AccountId, PostId, TargetId};
use crate::domain::post::{Options, Posted, Sending, Target, TargetStatus};

/// A target that this replica works on until the lease ends.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The target.
    pub target: Target,
    /// Who holds it; every write names it, so that a holder who lost the lease changes nothing.
    pub holder: String,
}

#[derive(FromRow)]
struct Row {
    id: TargetId,
    post: PostId,
    account: AccountId,
    status: String,
    options: String,
    journal: String,
    send_key: Option<String>,
    sending_since: Option<i64>,
    posted: Option<String>,
    why: Option<String>,
    fix: Option<String>,
    note: Option<String>,
    tries: i64,
}

const COLUMNS: &str =
    "id, post, account, status, options, journal, send_key, sending_since, posted, why, fix, note, tries";

impl TryFrom<Row> for Target {
    type Error = super::StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let id = row.id.as_str();
        Ok(Self {
            status: word("targets", id, TargetStatus::parse(&row.status), &row.status)?,
            options: json("targets", id, &row.options)?,
            journal: json("targets", id, &row.journal)?,
            posted: row.posted.map(|posted| json("targets", id, &posted)).transpose()?,
            sending: row.send_key.zip(row.sending_since).map(|(key, since)| Sending { key, since: time(since) }),
            id: row.id,
            post: row.post,
            account: row.account,
            why: row.why,
            fix: row.fix,
            note: row.note,
            tries: row.tries,
        })
    }
}

impl Store {
    /// A post's targets, in the order in which the accounts were connected.
    pub async fn targets(&self, post: &PostId) -> Result<Vec<Target>> {
        let columns = COLUMNS.split(", ").map(|column| format!("t.{column}")).collect::<Vec<_>>().join(", ");
        let sql = sqlx::AssertSqlSafe(format!(
            "select {columns} from targets t join accounts a on a.id = t.account where t.post = $1 order by a.created_at, a.id"
        ));
        all!(db self; Row; sql, post.clone())?.into_iter().map(Target::try_from).collect()
    }

    /// One target.
    pub async fn target(&self, id: &TargetId) -> Result<Option<Target>> {
        let sql = sqlx::AssertSqlSafe(format!("select {COLUMNS} from targets where id = $1"));
        one!(db self; Row; sql, id.clone())?.map(Target::try_from).transpose()
    }

    /// Sets a target's own choices while the post is a draft.
    pub async fn set_target_options(&self, id: &TargetId, options: &Options) -> Result<()> {
        exec!(db self; "update targets set options = $1 where id = $2 and status = 'pending'", text(options), id.clone())?;
        Ok(())
    }

    /// Claims due targets whose lease nobody holds, oldest first.
    pub async fn claim_targets(&self, holder: &str, until: Timestamp, most: i64) -> Result<Vec<Claimed>> {
        // The outer condition is the compare-and-set: under READ COMMITTED another replica may have claimed meanwhile.
        let sql = sqlx::AssertSqlSafe(format!(
            "update targets set holder = $1, held_until = $2 where id in (select id from targets where due_at <= $3
             and (held_until is null or held_until < $3) order by due_at limit $4{}) and due_at <= $3
             and (held_until is null or held_until < $3) returning {COLUMNS}",
            self.skip_locked()
        ));
        let rows = all!(db self; Row; sql, holder, millis(until), self.now(), most)?;
        if !rows.is_empty() {
            self.committed("claim_targets").await;
        }
        rows.into_iter().map(|row| Ok(Claimed { target: row.try_into()?, holder: holder.to_owned() })).collect()
    }

    /// When the next target is due or its lease ends; `None` when none waits.
    pub async fn next_target_due(&self) -> Result<Option<Timestamp>> {
        let row = one!(db self; (Option<i64>,); "select min(case when held_until > due_at then held_until else due_at end)
            from targets where due_at is not null")?;
        Ok(row.and_then(|(due,)| due).map(time))
    }

    /// Keeps a claim; `false` when it was lost.
    pub async fn hold_target(&self, claimed: &Claimed, until: Timestamp) -> Result<bool> {
        let held = exec!(db self; "update targets set held_until = $1 where id = $2 and holder = $3 and due_at is not null",
            millis(until), claimed.target.id.clone(), claimed.holder.clone())?;
        Ok(held > 0)
    }

    /// Gives a claim back untouched, for another replica to take (draining).
    pub async fn release_target(&self, claimed: &Claimed) -> Result<()> {
        exec!(db self; "update targets set holder = null, held_until = null where id = $1 and holder = $2",
            claimed.target.id.clone(), claimed.holder.clone())?;
        Ok(())
    }

    /// Journals a step; `false` when the claim was lost.
    pub async fn journal_step(&self, claimed: &Claimed, journal: &Value, note: Option<&str>) -> Result<bool> {
        let written = exec!(db self; "update targets set journal = $1, note = $2, tries = 0, why = null where id = $3 and holder = $4",
            text(journal), note, claimed.target.id.clone(), claimed.holder.clone())?;
        self.committed("journal_step").await;
        Ok(written > 0)
    }

    /// Journals `sending`, before the call that makes the post visible; `false` when the claim was lost, and then that
    /// call must not be made.
    pub async fn journal_sending(&self, claimed: &Claimed, journal: &Value, key: &str) -> Result<bool> {
        let written = exec!(db self; "update targets set journal = $1, send_key = $2, sending_since = $3, note = null
            where id = $4 and holder = $5 and held_until >= $3",
            text(journal), key, self.now(), claimed.target.id.clone(), claimed.holder.clone())?;
        self.committed("journal_sending").await;
        Ok(written > 0)
    }

    /// Clears `sending`: the call was answered with a refusal, or the post was looked for and is not there.
    pub async fn clear_sending(&self, claimed: &Claimed) -> Result<bool> {
        let written = exec!(db self; "update targets set send_key = null, sending_since = null where id = $1 and holder = $2",
            claimed.target.id.clone(), claimed.holder.clone())?;
        self.committed("clear_sending").await;
        Ok(written > 0)
    }

    /// Records an accepted send. It holds whoever has the claim by now: the post is there. With `more`, another piece
    /// follows under the same claim.
    pub async fn accept_send(&self, claimed: &Claimed, journal: &Value, posted: &Posted, more: bool) -> Result<()> {
        let key = claimed.target.sending.as_ref().map(|sending| sending.key.clone()).unwrap_or_default();
        let mut tx = self.begin().await?;
        exec!(tx &mut tx; "insert into sends (target, piece, send_key, remote_id, accepted_at)
            select $1, (select count(*) from sends where target = $1), $2, $3, $4
            where not exists (select 1 from sends where target = $1 and send_key = $2)",
            claimed.target.id.clone(), key, posted.id.clone(), self.now())?;
        if more {
            exec!(tx &mut tx; "update targets set journal = $1, posted = $2, send_key = null, sending_since = null, tries = 0 where id = $3",
                text(journal), text(posted), claimed.target.id.clone())?;
        } else {
            exec!(tx &mut tx; "update targets set journal = $1, posted = $2, send_key = null, sending_since = null,
                status = 'published', why = null, fix = null, note = null, due_at = null, holder = null, held_until = null where id = $3",
                text(journal), text(posted), claimed.target.id.clone())?;
            self.follow_targets(&mut tx, &claimed.target.post).await?;
        }
        self.commit(tx, "accept_send").await
    }

    /// Ends a target as failed or unconfirmed; `false` when the claim was lost.
    pub async fn end_target(&self, claimed: &Claimed, status: TargetStatus, why: &str, fix: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let ended = exec!(tx &mut tx; "update targets set status = $1, why = $2, fix = $3, note = null, due_at = null,
            holder = null, held_until = null where id = $4 and holder = $5 and status <> 'published'",
            status.as_str(), why, fix, claimed.target.id.clone(), claimed.holder.clone())?;
        self.follow_targets(&mut tx, &claimed.target.post).await?;
        self.commit(tx, "end_target").await?;
        Ok(ended > 0)
    }

    /// Puts a target off until then and gives the claim back. `failed` counts a try.
    pub async fn postpone_target(
        &self,
        claimed: &Claimed,
        until: Timestamp,
        why: Option<&str>,
        failed: bool,
    ) -> Result<()> {
        exec!(db self; "update targets set due_at = $1, why = $2, tries = tries + $3, holder = null, held_until = null
            where id = $4 and holder = $5", millis(until), why, i64::from(failed), claimed.target.id.clone(), claimed.holder.clone())?;
        self.committed("postpone_target").await;
        Ok(())
    }

    /// A person's word on an unconfirmed target: it is there.
    pub async fn confirm_target(&self, id: &TargetId) -> Result<bool> {
        self.decide(id, "update targets set status = 'published', send_key = null, sending_since = null, why = null, fix = null,
            posted = coalesce(posted, '{\"id\":\"\",\"url\":null,\"meta\":null}') where id = $1 and status = 'unconfirmed'").await
    }

    /// A person's word on an unconfirmed target: it is not there and won't be.
    pub async fn give_up_target(&self, id: &TargetId) -> Result<bool> {
        self.decide(
            id,
            "update targets set status = 'failed', send_key = null, sending_since = null,
            why = 'given up', fix = '' where id = $1 and status = 'unconfirmed'",
        )
        .await
    }

    /// Publishes a failed or (by a person's word) unconfirmed target again, from its beginning or, where the platform
    /// kept them, with its uploads.
    pub async fn retry_target(&self, id: &TargetId, keep_journal: bool) -> Result<bool> {
        let journal = if keep_journal { "journal" } else { "'null'" };
        let mut tx = self.begin().await?;
        let sql = sqlx::AssertSqlSafe(format!("update targets set status = 'publishing', send_key = null, sending_since = null,
            why = null, fix = null, tries = 0, due_at = $1, journal = {journal} where id = $2 and status in ('failed', 'unconfirmed')"));
        let done = exec!(tx &mut tx; sql, self.now(), id.clone())?;
        self.follow_post_of(&mut tx, id).await?;
        self.commit(tx, "retry_target").await?;
        Ok(done > 0)
    }

    /// Notes that a published target was deleted at the platform.
    pub async fn forget_target(&self, id: &TargetId) -> Result<bool> {
        self.decide(id, "update targets set status = 'failed', posted = null, why = 'deleted', fix = '' where id = $1 and status = 'published'").await
    }

    async fn decide(&self, id: &TargetId, sql: &'static str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let done = exec!(tx &mut tx; sql, id.clone())?;
        self.follow_post_of(&mut tx, id).await?;
        self.commit(tx, "decide_target").await?;
        Ok(done > 0)
    }

    async fn follow_post_of(&self, tx: &mut super::Tx, id: &TargetId) -> Result<()> {
        let post = one!(tx tx; (PostId,); "select post from targets where id = $1", id.clone())?;
        if let Some((post,)) = post {
            self.follow_targets(tx, &post).await?;
        }
        Ok(())
    }

    /// Accepted sends of a target: how often it went out, whatever its status says.
    pub async fn send_count(&self, id: &TargetId) -> Result<i64> {
        let row = one!(db self; (i64,); "select count(*) from sends where target = $1", id.clone())?;
        Ok(row.map_or(0, |(count,)| count))
    }

    /// When a target is tried next, if it waits, and when each of its pieces was accepted.
    pub async fn target_times(&self, id: &TargetId) -> Result<(Option<Timestamp>, Vec<Timestamp>)> {
        let due = one!(db self; (Option<i64>,); "select due_at from targets where id = $1", id.clone())?;
        let sent = all!(db self; (i64,); "select accepted_at from sends where target = $1 order by piece", id.clone())?;
        Ok((due.and_then(|(due,)| due).map(time), sent.into_iter().map(|(at,)| time(at)).collect()))
    }

    /// Targets on their way to an account: what a dead account holds up.
    pub async fn targets_waiting_for(&self, account: &AccountId) -> Result<Vec<(PostId, i64)>> {
        Ok(all!(db self; (PostId, i64); "select p.id, p.number from targets t join posts p on p.id = t.post
            where t.account = $1 and t.status in ('pending', 'publishing') and p.status <> 'draft' order by p.number", account.clone())?)
    }

    /// How many targets are due and not done: for `/health`.
    pub async fn queue_length(&self) -> Result<i64> {
        let row = one!(db self; (i64,); "select count(*) from targets where due_at <= $1", self.now())?;
        Ok(row.map_or(0, |(count,)| count))
    }

    /// Makes every waiting target of a platform due now: a pause was lifted, an account came back.
    pub async fn wake_targets(&self, platform: &str) -> Result<()> {
        exec!(db self; "update targets set due_at = $1 where due_at > $1 and account in (select id from accounts where platform = $2)",
            self.now(), platform)?;
        Ok(())
    }
}
