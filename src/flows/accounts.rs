//! What people do with connected accounts: find one by what they type, switch it off and on, check it, disconnect it.

use super::{Actor, Flows, Refusal};
use crate::domain::account::Account;
use crate::domain::fault::Fault;
use crate::domain::id::AccountId;
use crate::domain::workspace::Role;
use crate::platforms::{Credentials, Place};

/// What disconnecting did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// The account as it was.
    pub account: Account,
    /// Numbers of the posts that no longer go there.
    pub dropped: Vec<i64>,
    /// What the vendor said to being told, if it was to be told.
    pub revoked: Option<Result<(), Fault>>,
}

impl Flows {
    /// The accounts that what was typed may mean: a name, a handle with or without `@`, or the place in `/accounts`.
    pub async fn find_accounts(&self, actor: &Actor, typed: &str) -> Result<Vec<Account>, Refusal> {
        let accounts = self.store.accounts(&actor.workspace).await?;
        let typed = typed.trim().trim_start_matches('@').to_lowercase();
        if let Some(account) =
            typed.trim_start_matches('#').parse::<usize>().ok().and_then(|at| accounts.get(at.wrapping_sub(1)))
        {
            return Ok(vec![account.clone()]);
        }
        let names = |account: &Account| {
            [
                Some(account.name.to_lowercase()),
                account.handle.as_ref().map(|handle| handle.to_lowercase()),
                Some(account.id.to_string()),
            ]
        };
        let exact: Vec<Account> = accounts
            .iter()
            .filter(|account| names(account).iter().flatten().any(|name| *name == typed))
            .cloned()
            .collect();
        if !exact.is_empty() {
            return Ok(exact);
        }
        Ok(accounts
            .into_iter()
            .filter(|account| !typed.is_empty() && names(account).iter().flatten().any(|name| name.contains(&typed)))
            .collect())
    }

    /// Takes an account into new posts, or leaves it out; gives whether that changed anything. Scheduled posts are not
    /// touched.
    pub async fn set_account_active(&self, actor: &Actor, id: &AccountId, active: bool) -> Result<bool, Refusal> {
        self.require(actor, Role::Member).await?;
        let account = self.store.account(&actor.workspace, id).await?.ok_or(Refusal::Gone { what: "account" })?;
        self.store.set_active(id, active).await?;
        Ok(account.is_active != active)
    }

    /// Checks an account with its vendor now. Gives it as it is then, and the fault if there was one.
    pub async fn check_now(&self, actor: &Actor, id: &AccountId) -> Result<(Account, Option<Fault>), Refusal> {
        self.require(actor, Role::Viewer).await?;
        let gone = || Refusal::Gone { what: "account" };
        let account = self.store.account(&actor.workspace, id).await?.ok_or_else(gone)?;
        let fault = self.check_account(&account).await?;
        Ok((self.store.account(&actor.workspace, id).await?.ok_or_else(gone)?, fault))
    }

    /// Removes a connection here, and with `revoke` at the vendor too, unless other accounts lean on the same consent.
    pub async fn disconnect(&self, actor: &Actor, id: &AccountId, revoke: bool) -> Result<Disconnected, Refusal> {
        self.require(actor, Role::Admin).await?;
        let account = self.store.account(&actor.workspace, id).await?.ok_or(Refusal::Gone { what: "account" })?;
        let grant = match &account.grant {
            Some(grant) => self.store.grant(grant).await?,
            None => None,
        };
        let mut revoked = None;
        if let (true, Some(grant)) = (revoke, &grant)
            && self.store.accounts_of_grant(&grant.id).await?.len() == 1
        {
            let offered = self.platform_of(&account.platform)?;
            let app = self.app_for(offered, Some(&grant.app)).await?;
            let credentials = Credentials { tokens: Some(&grant.tokens) };
            revoked = Some(offered.platform.revoke(&self.context(offered, &app), credentials).await);
        }
        let dropped = self.store.disconnect_account(id).await?;
        self.heal(super::incidents::Kind::AccountLost, id.as_str()).await?;
        if let Some(grant) = &grant {
            if self.store.accounts_of_grant(&grant.id).await?.is_empty() {
                self.heal(super::incidents::Kind::AccountLost, grant.id.as_str()).await?;
            }
            self.store.drop_unused_grant(&grant.id).await?;
        }
        for number in &dropped {
            if let Some(post) = self.store.post_by_number(&actor.workspace, *number).await? {
                self.show(post.id.as_str()).await?;
            }
        }
        Ok(Disconnected { account, dropped, revoked })
    }

    /// The places inside an account where a post can go.
    pub async fn places(&self, actor: &Actor, id: &AccountId) -> Result<Vec<Place>, Refusal> {
        self.require(actor, Role::Member).await?;
        let account = self.store.account(&actor.workspace, id).await?.ok_or(Refusal::Gone { what: "account" })?;
        let offered = self.platform_of(&account.platform)?;
        let platform = offered.platform.descriptor().name;
        match offered.platform.places(&self.context(offered, &offered.app), &account).await {
            Ok(places) => Ok(places),
            Err(fault) => {
                self.settle_account(&account, &fault).await?;
                Err(Refusal::Platform { platform, fault })
            }
        }
    }
}
