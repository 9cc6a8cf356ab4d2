//! Keeping grants alive: renewal just in time, by one task at a time over all replicas, and checks of single accounts.
//! It knows no platform's dialect; how a token is renewed, and when, is the connector's and its descriptor's.

use std::time::Duration;

use super::{Flows, Offered, Refusal};
use crate::domain::account::{Account, AccountStatus, Grant, GrantState};
use crate::domain::fault::Fault;
use crate::domain::id::GrantId;
use crate::platforms::{App, AppSource, Credentials, Renewal};

/// How long one task may take to renew before another may try.
const RENEWAL_LEASE: Duration = Duration::from_secs(60);
/// How often a task that waits for another's renewal looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Whether a token is renewed when it is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Only when it ends within the platform's lead.
    WhenDue,
    /// The platform refused this version of it.
    Refused {
        /// The version that was refused.
        version: i64,
    },
}

impl Flows {
    /// Our app for an account's or grant's calls.
    pub(crate) async fn app_for(&self, offered: &Offered, host: Option<&str>) -> Result<App, Refusal> {
        if offered.platform.descriptor().app != AppSource::Instance {
            return Ok(offered.app.clone());
        }
        let Some(host) = host else { return Ok(offered.app.clone()) };
        let stored = self.store.instance_app(offered.platform.descriptor().id, host).await?;
        Ok(match stored {
            Some((id, secret)) => Flows::app_at(host, id, secret),
            None => App { host: Some(host.to_owned()), ..App::default() },
        })
    }

    /// A grant whose token is good for the next minutes; renewed on the way where needed. `Err(Fault)` inside says why
    /// there is none.
    pub async fn fresh_grant(&self, id: &GrantId, freshness: Freshness) -> Result<Result<Grant, Fault>, Refusal> {
        let deadline = self.now() + RENEWAL_LEASE;
        loop {
            let Some(grant) = self.store.grant(id).await? else {
                return Ok(Err(Fault::GrantDead { why: "the connection was removed".to_owned() }));
            };
            if let GrantState::Dead { why, .. } = &grant.state {
                return Ok(Err(Fault::GrantDead { why: why.clone() }));
            }
            let offered = self.platform_of(&grant.platform)?;
            if !self.wants_renewal(offered, &grant, freshness) {
                return Ok(Ok(grant));
            }
            let until = self.now() + RENEWAL_LEASE;
            // Every task has a name of its own: two of one daemon must not both hold the claim.
            let holder = format!("{}/{}", self.replica, crate::domain::clock::token(&*self.entropy));
            if self.store.claim_renewal(id, grant.version, &holder, until).await? {
                return self.renew(offered, &grant, &holder).await;
            }
            if self.now() > deadline {
                return Ok(Err(Fault::transient("another task is renewing this connection")));
            }
            // The winner's result is the next version (or a death); it is a row, so it is looked at.
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn wants_renewal(&self, offered: &Offered, grant: &Grant, freshness: Freshness) -> bool {
        if let Freshness::Refused { version } = freshness {
            return grant.version == version;
        }
        match offered.platform.descriptor().renewal {
            Renewal::Never => false,
            Renewal::Rotating { lead, .. } => grant.tokens.expires_at.is_some_and(|end| end < self.now() + lead),
        }
    }

    async fn renew(&self, offered: &Offered, grant: &Grant, holder: &str) -> Result<Result<Grant, Fault>, Refusal> {
        let descriptor = offered.platform.descriptor();
        let app = self.app_for(offered, Some(&grant.app)).await?;
        let mut result = offered.platform.renew(&self.context(offered, &app), &grant.tokens).await;
        if let (Err(Fault::InDoubt { .. }), Renewal::Rotating { grace, .. }) = (&result, descriptor.renewal)
            && !grace.is_zero()
        {
            // The answer was lost, and within the grace the old token still buys the same successor.
            result = offered.platform.renew(&self.context(offered, &app), &grant.tokens).await;
        }
        match result {
            Ok(tokens) => {
                self.store.renew_grant(&grant.id, grant.version, &tokens).await?;
                tracing::info!(grant.id = %grant.id, platform = descriptor.id, "renewed");
                match self.store.grant(&grant.id).await? {
                    Some(grant) => Ok(Ok(grant)),
                    None => Ok(Err(Fault::GrantDead { why: "the connection was removed".to_owned() })),
                }
            }
            Err(Fault::Stale) => {
                self.store.release_renewal(&grant.id, holder).await?;
                Ok(Err(Fault::GrantDead { why: format!("{} no longer takes our sign-in", descriptor.name) }))
            }
            // An unknown refusal never kills a grant.
            Err(Fault::Rejected { why, .. }) => {
                self.store.release_renewal(&grant.id, holder).await?;
                Ok(Err(Fault::transient(why)))
            }
            Err(fault) => {
                self.store.release_renewal(&grant.id, holder).await?;
                if let Fault::GrantDead { why } = &fault {
                    self.grant_died(grant, why).await?;
                }
                Ok(Err(fault))
            }
        }
    }

    /// The grant an account leans on, good for use; `None` for bots.
    pub(crate) async fn credentials(
        &self,
        account: &Account,
        freshness: Freshness,
    ) -> Result<Result<Option<Grant>, Fault>, Refusal> {
        match &account.grant {
            Some(grant) => Ok(self.fresh_grant(grant, freshness).await?.map(Some)),
            None => Ok(Ok(None)),
        }
    }

    /// Checks one account with the vendor, and settles what comes of it. Gives the fault, if there was one.
    pub async fn check_account(&self, account: &Account) -> Result<Option<Fault>, Refusal> {
        let offered = self.platform_of(&account.platform)?;
        let mut freshness = Freshness::WhenDue;
        for _ in 0..2 {
            let grant = match self.credentials(account, freshness).await? {
                Ok(grant) => grant,
                Err(fault) => return self.checked(account, Err(fault)).await,
            };
            let app = self.app_for(offered, grant.as_ref().map(|grant| grant.app.as_str())).await?;
            let credentials = Credentials { tokens: grant.as_ref().map(|grant| &grant.tokens) };
            let seen = offered.platform.verify(&self.context(offered, &app), account, credentials).await;
            match (seen, &grant) {
                (Err(Fault::Stale), Some(grant)) => freshness = Freshness::Refused { version: grant.version },
                (Ok(seen), _) => {
                    self.store
                        .note_account(&account.id, &seen.name, seen.handle.as_deref(), seen.url.as_deref(), &seen.meta)
                        .await?;
                    return self.checked(account, Ok(())).await;
                }
                (Err(fault), _) => return self.checked(account, Err(fault)).await,
            }
        }
        let why = format!("{} keeps refusing our sign-in", offered.platform.descriptor().name);
        self.checked(account, Err(Fault::transient(why))).await
    }

    async fn checked(&self, account: &Account, result: Result<(), Fault>) -> Result<Option<Fault>, Refusal> {
        match result {
            Ok(()) => {
                if account.status != AccountStatus::Connected {
                    self.account_is_back(account).await?;
                }
                self.platform_works(account).await?;
                Ok(None)
            }
            Err(fault) => {
                self.settle_account(account, &fault).await?;
                Ok(Some(fault))
            }
        }
    }
}
