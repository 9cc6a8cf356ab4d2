//! What concerns the daemon and not a workspace: settings it made itself, leases, apps registered at instances, pauses.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::{Result, Store, all, exec, json, millis, on_db, one, text, time};
use crate::domain::{Secret, Timestamp};

/// A platform (and app) that is paused because our set-up there is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Platform's identifier.
    pub platform: String,
    /// The app: a client id, bot id or instance.
    pub app: String,
    /// What is wrong, by the setting's name.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
    /// When one call may find out whether it still is.
    pub probe_at: Timestamp,
}

#[derive(FromRow)]
struct PauseRow {
    platform: String,
    app: String,
    what: String,
    since: i64,
    probe_at: i64,
}

impl Store {
    /// A setting that the daemon made itself.
    pub async fn setting(&self, name: &str) -> Result<Option<String>> {
        Ok(one!(db self; (String,); "select value from settings where name = $1", name)?.map(|(value,)| value))
    }

    /// Sets it.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        exec!(db self; "insert into settings (name, value) values ($1, $2)
            on conflict (name) do update set value = excluded.value", name, value)?;
        Ok(())
    }

    /// Sets it unless it is set; gives what holds now.
    pub async fn settle_setting(&self, name: &str, value: &str) -> Result<String> {
        exec!(db self; "insert into settings (name, value) values ($1, $2) on conflict (name) do nothing", name, value)?;
        Ok(self.setting(name).await?.unwrap_or_default())
    }

    /// Uses a setting up: gives `true` to one caller, when it has this value.
    pub async fn take_setting(&self, name: &str, value: &str) -> Result<bool> {
        Ok(exec!(db self; "delete from settings where name = $1 and value = $2", name, value)? > 0)
    }

    /// Frees what an earlier daemon on this file held when it was stopped: whoever has the file's lock is alone on it, so
    /// nobody is left to finish that. What was on its way to a vendor (a send, a renewal) keeps its lease: the vendor may
    /// still be at it.
    pub async fn take_over(&self) -> Result<()> {
        for sql in [
            "delete from leases",
            "update outbox set holder = null, held_until = null where holder is not null",
            "update targets set holder = null, held_until = null where holder is not null and send_key is null",
        ] {
            exec!(db self; sql)?;
        }
        Ok(())
    }

    /// Takes or keeps a lease until then; `false` while somebody else holds it.
    pub async fn take_lease(&self, name: &str, holder: &str, until: Timestamp) -> Result<bool> {
        let taken = exec!(db self; "insert into leases (name, holder, until) values ($1, $2, $3)
            on conflict (name) do update set holder = excluded.holder, until = excluded.until
            where leases.holder = $2 or leases.until < $4", name, holder, millis(until), self.now())?;
        Ok(taken > 0)
    }

    /// Gives a lease back.
    pub async fn release_lease(&self, name: &str, holder: &str) -> Result<()> {
        exec!(db self; "delete from leases where name = $1 and holder = $2", name, holder)?;
        Ok(())
    }

    /// Proves that the database takes a write.
    pub async fn write_probe(&self) -> Result<()> {
        self.set_setting("probe", &self.now().to_string()).await
    }

    /// Our app at an instance: (client id, secret).
    pub async fn instance_app(&self, platform: &str, host: &str) -> Result<Option<(String, Secret)>> {
        let row =
            one!(db self; (String,); "select sealed_app from apps where platform = $1 and host = $2", platform, host)?;
        let Some((sealed,)) = row else { return Ok(None) };
        let name = format!("{platform}/{host}");
        let app = self.open("apps", &name, "sealed_app", &sealed)?;
        let mut app: BTreeMap<String, String> = json("apps", &name, app.expose())?;
        Ok(Some((app.remove("id").unwrap_or_default(), Secret::new(app.remove("secret").unwrap_or_default()))))
    }

    /// Keeps our app at an instance; the first one stored wins, so that two that register at once agree.
    pub async fn save_instance_app(&self, platform: &str, host: &str, id: &str, secret: &Secret) -> Result<()> {
        let app = BTreeMap::from([("id", id), ("secret", secret.expose())]);
        let sealed = self.seal("apps", &format!("{platform}/{host}"), "sealed_app", &Secret::new(text(&app)))?;
        exec!(db self; "insert into apps (platform, host, sealed_app, created_at) values ($1, $2, $3, $4)
            on conflict (platform, host) do nothing", platform, host, sealed, self.now())?;
        self.committed("save_instance_app").await;
        Ok(())
    }

    /// Forgets our app at an instance: the instance forgot it first.
    pub async fn forget_instance_app(&self, platform: &str, host: &str) -> Result<()> {
        exec!(db self; "delete from apps where platform = $1 and host = $2", platform, host)?;
        Ok(())
    }

    /// Pauses a platform's app; `true` when that is news.
    pub async fn pause(&self, platform: &str, app: &str, what: &str, probe_at: Timestamp) -> Result<bool> {
        let known = self.pause_of(platform, app).await?.is_some();
        exec!(db self; "insert into pauses (platform, app, what, since, probe_at) values ($1, $2, $3, $4, $5)
            on conflict (platform, app) do update set what = excluded.what, probe_at = excluded.probe_at",
            platform, app, what, self.now(), millis(probe_at))?;
        self.committed("pause").await;
        Ok(!known)
    }

    /// The pause of a platform's app.
    pub async fn pause_of(&self, platform: &str, app: &str) -> Result<Option<Pause>> {
        let row = one!(db self; PauseRow; "select platform, app, what, since, probe_at from pauses where platform = $1 and app = $2", platform, app)?;
        Ok(row.map(pause))
    }

    /// All pauses.
    pub async fn pauses(&self) -> Result<Vec<Pause>> {
        let rows =
            all!(db self; PauseRow; "select platform, app, what, since, probe_at from pauses order by platform, app")?;
        Ok(rows.into_iter().map(pause).collect())
    }

    /// Lifts a pause; `true` when there was one.
    pub async fn resume(&self, platform: &str, app: &str) -> Result<bool> {
        let lifted = exec!(db self; "delete from pauses where platform = $1 and app = $2", platform, app)?;
        Ok(lifted > 0)
    }
}

fn pause(row: PauseRow) -> Pause {
    Pause { platform: row.platform, app: row.app, what: row.what, since: time(row.since), probe_at: time(row.probe_at) }
}
