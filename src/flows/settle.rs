//! What follows from a fault, decided in one place: which account, grant or platform it touches, and which incident it
//! opens. The faults themselves are decided in each platform's `fault.rs`.

use std::time::Duration;

use super::incidents::{Cause, Kind};
use super::{Flows, Refusal};
use crate::domain::Timestamp;
use crate::domain::account::{Account, AccountStatus, Grant, GrantState};
use crate::domain::fault::Fault;

/// How long a paused platform is left alone before one call may find out whether it works again.
const PROBE_AFTER: Duration = Duration::from_secs(15 * 60);

impl Flows {
    /// A grant ended: it is dead once, every account on it follows, people are told once.
    pub(crate) async fn grant_died(&self, grant: &Grant, why: &str) -> Result<(), Refusal> {
        if !self.store.kill_grant(&grant.id, grant.version, why).await? {
            return Ok(());
        }
        self.mourn(grant, why).await
    }

    /// What follows from a grant's end; may be done again.
    async fn mourn(&self, grant: &Grant, why: &str) -> Result<(), Refusal> {
        let accounts = self.store.accounts_of_grant(&grant.id).await?;
        for account in &accounts {
            self.store
                .set_account_status(&account.id, AccountStatus::TokenExpired, Some(why), Some("Reconnect it."))
                .await?;
        }
        if !accounts.is_empty() {
            let cause = Cause { why: why.to_owned(), fix: String::new(), platform: grant.platform.clone() };
            self.open_incident(Some(&grant.workspace), Kind::AccountLost, grant.id.as_str(), &cause).await?;
        }
        Ok(())
    }

    /// Settles a fault of a call made for an account. Faults that say nothing about it change nothing.
    pub(crate) async fn settle_account(&self, account: &Account, fault: &Fault) -> Result<(), Refusal> {
        match fault {
            Fault::GrantDead { why } => match &account.grant {
                Some(id) => {
                    if let Some(grant) = self.store.grant(id).await? {
                        self.grant_died(&grant, why).await?;
                    }
                }
                None => self.lose_account(account, why, "Reconnect it.").await?,
            },
            Fault::AccountLost { why, fix } => self.lose_account(account, why, fix).await?,
            Fault::Misconfigured { what } => self.pause_platform(account, what).await?,
            Fault::AccountMoved { to } => self.store.move_account(&account.platform, &account.remote_id, to).await?,
            // These say nothing about the account.
            Fault::Transient { .. } | Fault::InDoubt { .. } | Fault::Stale | Fault::Rejected { .. } => {}
        }
        Ok(())
    }

    /// One account is lost; its grant and siblings are untouched.
    pub(crate) async fn lose_account(&self, account: &Account, why: &str, fix: &str) -> Result<(), Refusal> {
        if self.store.set_account_status(&account.id, AccountStatus::Disconnected, Some(why), Some(fix)).await? {
            let cause = Cause { why: why.to_owned(), fix: fix.to_owned(), platform: account.platform.clone() };
            self.open_incident(Some(&account.workspace), Kind::AccountLost, account.id.as_str(), &cause).await?;
        }
        Ok(())
    }

    /// At start: losses that a stopped daemon had noted but opened no incident for, up to `before`.
    pub(crate) async fn recover_losses(&self, before: Timestamp) -> Result<(), Refusal> {
        let kind = Kind::AccountLost.as_str();
        for id in self.store.unreported_grants(kind, before).await? {
            let Some(grant) = self.store.grant(&id).await? else { continue };
            if let GrantState::Dead { why, .. } = &grant.state {
                self.mourn(&grant, why).await?;
            }
        }
        for account in self.store.unreported_accounts(kind, before).await? {
            let cause = Cause {
                why: account.why.clone().unwrap_or_default(),
                fix: account.fix.clone().unwrap_or_default(),
                platform: account.platform.clone(),
            };
            self.open_incident(Some(&account.workspace), Kind::AccountLost, account.id.as_str(), &cause).await?;
        }
        Ok(())
    }

    /// An account works again, after a check or a reconnect.
    pub(crate) async fn account_is_back(&self, account: &Account) -> Result<(), Refusal> {
        self.store.set_account_status(&account.id, AccountStatus::Connected, None, None).await?;
        self.heal(Kind::AccountLost, account.id.as_str()).await?;
        if let Some(grant) = &account.grant {
            self.heal(Kind::AccountLost, grant.as_str()).await?;
        }
        Ok(())
    }

    async fn pause_platform(&self, account: &Account, what: &str) -> Result<(), Refusal> {
        let app = self.app_key(account).await?;
        let news = self.store.pause(&account.platform, &app, what, self.now() + PROBE_AFTER).await?;
        if news {
            let cause = Cause { why: what.to_owned(), fix: String::new(), platform: account.platform.clone() };
            self.open_incident(None, Kind::Operator, &format!("{}/{app}", account.platform), &cause).await?;
        }
        Ok(())
    }

    /// A call of this account's platform succeeded: whatever was paused works.
    pub(crate) async fn platform_works(&self, account: &Account) -> Result<(), Refusal> {
        if account.shaky_since.is_some() {
            self.store.set_shaky(&account.id, None).await?;
        }
        let app = self.app_key(account).await?;
        if self.store.resume(&account.platform, &app).await? {
            self.store.wake_targets(&account.platform).await?;
            self.wake.publish.notify_waiters();
            self.heal(Kind::Operator, &format!("{}/{app}", account.platform)).await?;
        }
        Ok(())
    }

    /// Names the app that an account's calls are made with: an instance, or our client or bot.
    pub(crate) async fn app_key(&self, account: &Account) -> Result<String, Refusal> {
        let grant = match &account.grant {
            Some(grant) => self.store.grant(grant).await?,
            None => None,
        };
        Ok(match grant {
            Some(grant) => grant.app,
            None => self.platform_of(&account.platform)?.app.id.clone(),
        })
    }
}
