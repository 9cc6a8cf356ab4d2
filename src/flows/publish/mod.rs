//! Publishing once. A target is claimed by lease, prepared in journalled steps, and sent by one call that is journalled
//! as `sending` before it leaves. After a crash or a lost answer the platform is asked; where it can't say, a human is.

use super::incidents::Kind;
use super::keepalive::Freshness;
use super::{Actor, Flows, Refusal};
use crate::domain::account::Account;
use crate::domain::clock;
use crate::domain::fault::Fault;
use crate::domain::id::{PostId, TargetId};
use crate::domain::post::{Options, PostStatus, Posted, TargetStatus};
use crate::domain::workspace::Role;
use crate::platforms::Credentials;
use crate::store::Claimed;

mod work;

impl Flows {
    /// Starts publishing a draft on its chosen accounts.
    pub async fn publish_now(&self, actor: &Actor, post: &PostId) -> Result<(), Refusal> {
        self.require(actor, Role::Member).await?;
        let known = self.own_post(actor, post).await?;
        if known.status == PostStatus::Draft && !known.missing.is_empty() {
            // All media or none: a file that could not be taken never makes a poorer post by itself.
            let what = "A file that was sent for this post is not in it. Add it again, or say that it goes without.";
            return Err(Refusal::BadInput(what.to_owned()));
        }
        let problems = self.problems(post).await?;
        if let Some(problem) = problems.into_iter().find(|problem| problem.refused) {
            let name = problem.account.name;
            return Err(Refusal::BadInput(format!("{name}: {}. {}", problem.what, problem.fix)));
        }
        if !self.store.start_publishing(post).await? {
            return Err(Refusal::TooLate);
        }
        self.show(post.as_str()).await?;
        self.wake.publish.notify_waiters();
        Ok(())
    }

    /// Publishes failed targets of a post again. What a person deleted or gave up stays as it is.
    pub async fn retry_post(&self, actor: &Actor, post: &PostId) -> Result<usize, Refusal> {
        self.require(actor, Role::Member).await?;
        self.own_post(actor, post).await?;
        let mut count = 0;
        for target in self.store.targets(post).await? {
            if target.status == TargetStatus::Failed
                && !target.is_closed()
                && self.store.retry_target(&target.id, false).await?
            {
                count += 1;
            }
        }
        self.show(post.as_str()).await?;
        self.wake.publish.notify_waiters();
        Ok(count)
    }

    /// A person's word on an unconfirmed target.
    pub async fn resolve_target(&self, actor: &Actor, target: &TargetId, word: Resolution) -> Result<(), Refusal> {
        self.require(actor, Role::Member).await?;
        let known = self.store.target(target).await?.ok_or(Refusal::Gone { what: "post" })?;
        self.own_post(actor, &known.post).await?;
        let done = match word {
            Resolution::IsThere => self.store.confirm_target(target).await?,
            Resolution::SendAgain => self.store.retry_target(target, true).await?,
            Resolution::GiveUp => self.store.give_up_target(target).await?,
        };
        if !done {
            return Err(Refusal::TooLate);
        }
        self.heal(Kind::Unconfirmed, target.as_str()).await?;
        self.show(known.post.as_str()).await?;
        self.wake.publish.notify_waiters();
        Ok(())
    }

    /// Deletes a published post wherever it is. Gives, per target, its account and what came of it.
    pub async fn delete_post(
        &self,
        actor: &Actor,
        post: &PostId,
    ) -> Result<Vec<(Account, Result<(), Fault>)>, Refusal> {
        self.require(actor, Role::Member).await?;
        let post = self.own_post(actor, post).await?;
        let mut results = Vec::new();
        for target in self.store.targets(&post.id).await? {
            let (Some(posted), TargetStatus::Published) = (&target.posted, target.status) else { continue };
            let Some(account) = self.store.account_for_work(&target.account).await? else { continue };
            let result = self.delete_target(&account, posted).await?;
            if result.is_ok() {
                self.store.forget_target(&target.id).await?;
            }
            results.push((account, result));
        }
        self.show(post.id.as_str()).await?;
        Ok(results)
    }

    async fn delete_target(&self, account: &Account, posted: &Posted) -> Result<Result<(), Fault>, Refusal> {
        let offered = self.platform_of(&account.platform)?;
        let mut freshness = Freshness::WhenDue;
        for _ in 0..2 {
            let grant = match self.credentials(account, freshness).await? {
                Ok(grant) => grant,
                Err(fault) => return Ok(Err(fault)),
            };
            let app = self.app_for(offered, grant.as_ref().map(|grant| grant.app.as_str())).await?;
            let credentials = Credentials { tokens: grant.as_ref().map(|grant| &grant.tokens) };
            match (offered.platform.delete(&self.context(offered, &app), account, credentials, posted).await, &grant) {
                (Err(Fault::Stale), Some(grant)) => freshness = Freshness::Refused { version: grant.version },
                (result, _) => return Ok(result),
            }
        }
        Ok(Err(Fault::transient("the sign-in keeps being refused")))
    }

    /// Claims due targets for this replica.
    pub async fn claim_due(&self, most: i64) -> Result<Vec<Claimed>, Refusal> {
        // A claim is this task's alone: a restart of the same daemon must not take over what it did not finish.
        let holder = format!("{}/{}", self.replica, clock::token(&*self.entropy));
        Ok(self.store.claim_targets(&holder, self.now() + self.settings.lease, most).await?)
    }
}

/// What a person says of an unconfirmed target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// I see it.
    IsThere,
    /// It is not there: send it again.
    SendAgain,
    /// Leave it.
    GiveUp,
}

/// The post's choices with the target's own on top.
pub(crate) fn merged(post: &Options, target: &Options) -> Options {
    Options {
        content_warning: target.content_warning.clone().or_else(|| post.content_warning.clone()),
        visibility: target.visibility.clone().or_else(|| post.visibility.clone()),
        language: target.language.clone().or_else(|| post.language.clone()),
        place: target.place.clone().or_else(|| post.place.clone()),
        place_name: target.place_name.clone().or_else(|| post.place_name.clone()),
        mentions: if target.mentions.is_empty() { post.mentions.clone() } else { target.mentions.clone() },
        embed: target.embed.clone().or_else(|| post.embed.clone()),
        silent: target.silent || post.silent,
    }
}
