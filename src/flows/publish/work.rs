//! One claimed target on its way: prepared in journalled steps, sent by one call that is journalled as `sending` before
//! it leaves, and looked for when its answer was lost.

use std::time::Duration;

use serde_json::Value;

use super::merged;
use crate::domain::account::{Account, AccountStatus, Grant};
use crate::domain::clock;
use crate::domain::fault::Fault;
use crate::domain::post::{Options, Post, Sending, Target, TargetStatus};
use crate::flows::incidents::{Cause, Kind};
use crate::flows::keepalive::Freshness;
use crate::flows::{Flows, Refusal};
use crate::platforms::{App, Credentials, Delivery, File, Finding, Prepared, Recovery, Sent};
use crate::store::Claimed;

/// The first pause after a failed try; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause between tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// After so many failed tries in a row (about a day) a target fails.
const MOST_TRIES: i64 = 100;
/// After so many failed tries in a row the account is shown as shaky.
const SHAKY_AFTER: i64 = 3;
/// After so many failed looks for a lost send a human is asked.
const MOST_LOOKS: i64 = 8;

/// What a worker does next with a claimed target.
enum Next {
    /// Another step at once.
    Again,
    /// Nothing: the target is settled or put off.
    Rest,
}

/// One claimed target with all that its calls need.
struct Work<'a> {
    flows: &'a Flows,
    claimed: Claimed,
    account: Account,
    post: Post,
    grant: Option<Grant>,
    app: App,
    files: Vec<File>,
    options: Options,
    renewed: bool,
}

impl Flows {
    /// Carries a claimed target as far as it goes now. Stops at once when the claim is lost.
    pub async fn deliver(&self, claimed: Claimed) {
        let id = claimed.target.id.clone();
        let outcome = tokio::select! {
            outcome = self.carry(claimed.clone()) => outcome,
            () = self.keep_claim(&claimed) => {
                tracing::warn!(target.id = %id, "lost the claim; another replica goes on");
                return;
            }
        };
        if let Err(refusal) = outcome {
            // The claim runs out by itself; the journal says how far it came.
            tracing::error!(target.id = %id, error = %refusal, "publishing stopped");
        }
    }

    /// Renews the claim; returns when it is lost.
    async fn keep_claim(&self, claimed: &Claimed) {
        loop {
            tokio::time::sleep(self.settings.lease / 3).await;
            match self.store.hold_target(claimed, self.now() + self.settings.lease).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(error = %error, "a claim could not be kept"),
            }
        }
    }

    pub(super) async fn carry(&self, claimed: Claimed) -> Result<(), Refusal> {
        let Some(mut work) = self.open_work(claimed).await? else { return Ok(()) };
        while let Next::Again = work.step().await? {}
        self.show(work.post.id.as_str()).await?;
        Ok(())
    }

    async fn open_work(&self, claimed: Claimed) -> Result<Option<Work<'_>>, Refusal> {
        let post = self.store.post(&claimed.target.post).await?;
        let account = self.store.account_for_work(&claimed.target.account).await?;
        let (Some(post), Some(account)) = (post, account) else {
            self.store.end_target(&claimed, TargetStatus::Failed, "it was removed", "").await?;
            return Ok(None);
        };
        let offered = self.platform_of(&account.platform)?;
        let files = post
            .media
            .iter()
            .map(|media| File { media: media.clone(), path: self.settings.media_dir.join(&media.sha256) })
            .collect();
        let options = merged(&post.options, &claimed.target.options);
        let app = offered.app.clone();
        Ok(Some(Work { flows: self, claimed, account, post, grant: None, app, files, options, renewed: false }))
    }
}

impl Work<'_> {
    fn delivery(&self) -> Delivery<'_> {
        Delivery {
            account: &self.account,
            credentials: Credentials { tokens: self.grant.as_ref().map(|grant| &grant.tokens) },
            text: &self.post.text,
            files: &self.files,
            options: &self.options,
        }
    }

    fn target(&self) -> &Target {
        &self.claimed.target
    }

    async fn step(&mut self) -> Result<Next, Refusal> {
        let flows = self.flows;
        let offered = flows.platform_of(&self.account.platform)?;
        // What left already is looked for even when the account is lost by now: it may be there.
        if self.account.status != AccountStatus::Connected && self.target().sending.is_none() {
            let why =
                format!("{} is not connected: {}", self.account.name, self.account.why.clone().unwrap_or_default());
            return self.fail(&why, "Reconnect it, then publish again.").await;
        }
        if let Some(pause) = flows.store.pause_of(&self.account.platform, &flows.app_key(&self.account).await?).await?
            && pause.probe_at > flows.now()
        {
            flows.store.postpone_target(&self.claimed, pause.probe_at, Some(&pause.what), false).await?;
            return Ok(Next::Rest);
        }
        if let (Some(id), None) = (&self.account.grant, &self.grant) {
            match flows.fresh_grant(id, Freshness::WhenDue).await? {
                Ok(grant) => {
                    self.app = flows.app_for(offered, Some(&grant.app)).await?;
                    self.grant = Some(grant);
                }
                Err(fault) if self.target().sending.is_some() && !passes(&fault) => {
                    // It left, and we can't ask any more: only a human can see whether it is there.
                    flows.settle_account(&self.account, &fault).await?;
                    return self.unconfirmed(&fault.to_string()).await;
                }
                Err(fault) => return self.settle(fault).await,
            }
        }
        if let Some(sending) = self.target().sending.clone() {
            return self.look_for(&sending).await;
        }
        let cx = flows.context(offered, &self.app);
        match offered.platform.prepare(&cx, &self.delivery(), self.target().journal.clone()).await {
            Ok(Prepared::Step { journal, note }) => self.journal(journal, Some(&note)).await,
            Ok(Prepared::Wait { journal, note, pause }) => {
                if let Next::Rest = self.journal(journal, Some(&note)).await? {
                    return Ok(Next::Rest);
                }
                flows.store.postpone_target(&self.claimed, flows.now() + pause, None, false).await?;
                Ok(Next::Rest)
            }
            Ok(Prepared::Ready { journal }) => {
                let key = offered.platform.send_key(flows.now(), &*flows.entropy);
                self.send(journal, &key).await
            }
            Err(fault) => self.settle(fault).await,
        }
    }

    async fn journal(&mut self, journal: Value, note: Option<&str>) -> Result<Next, Refusal> {
        if !self.flows.store.journal_step(&self.claimed, &journal, note).await? {
            return Ok(Next::Rest);
        }
        self.claimed.target.journal = journal;
        self.claimed.target.tries = 0;
        self.flows.show(self.post.id.as_str()).await?;
        Ok(Next::Again)
    }

    /// Makes the visible call, after the journal says so.
    async fn send(&mut self, journal: Value, key: &str) -> Result<Next, Refusal> {
        let flows = self.flows;
        if !flows.store.journal_sending(&self.claimed, &journal, key).await? {
            return Ok(Next::Rest);
        }
        // A replay keeps the time of its first try: the platform's window runs from there.
        let since = self.target().sending.as_ref().map_or_else(|| flows.now(), |sending| sending.since);
        self.claimed.target.sending = Some(Sending { key: key.to_owned(), since });
        self.claimed.target.journal = journal.clone();
        let offered = flows.platform_of(&self.account.platform)?;
        let cx = flows.context(offered, &self.app);
        match offered.platform.send(&cx, &self.delivery(), journal, key).await {
            Ok(sent) => self.accepted(sent).await,
            Err(Fault::InDoubt { why }) => {
                let pause = flows.now() + FIRST_PAUSE;
                flows.store.postpone_target(&self.claimed, pause, Some(&why), true).await?;
                Ok(Next::Rest)
            }
            Err(fault) => {
                // Any other answer says that nothing was made visible.
                flows.store.clear_sending(&self.claimed).await?;
                self.claimed.target.sending = None;
                self.settle(fault).await
            }
        }
    }

    async fn accepted(&mut self, sent: Sent) -> Result<Next, Refusal> {
        let flows = self.flows;
        flows.store.accept_send(&self.claimed, &sent.journal, &sent.posted, sent.more).await?;
        flows.heal(Kind::Unconfirmed, self.target().id.as_str()).await?;
        flows.platform_works(&self.account).await?;
        if !sent.more {
            return Ok(Next::Rest);
        }
        self.claimed.target.sending = None;
        self.claimed.target.journal = sent.journal;
        self.claimed.target.posted = Some(sent.posted);
        Ok(Next::Again)
    }

    /// Finds out what became of a send whose answer is not known.
    async fn look_for(&mut self, sending: &Sending) -> Result<Next, Refusal> {
        let flows = self.flows;
        let offered = flows.platform_of(&self.account.platform)?;
        if offered.platform.descriptor().recovery == Recovery::Ask {
            let why = format!("{} never answered", offered.platform.descriptor().name);
            return self.unconfirmed(&why).await;
        }
        let cx = flows.context(offered, &self.app);
        let journal = self.target().journal.clone();
        let finding = offered.platform.find(&cx, &self.delivery(), journal.clone(), &sending.key, sending.since).await;
        match finding {
            Ok(Finding::Sent(sent)) => self.accepted(sent).await,
            Ok(Finding::Absent) if self.account.status == AccountStatus::Connected => {
                self.send(journal, &sending.key).await
            }
            Ok(Finding::Absent) => {
                flows.store.clear_sending(&self.claimed).await?;
                self.claimed.target.sending = None;
                Ok(Next::Again)
            }
            Ok(Finding::Unknown { why }) => self.unconfirmed(&why).await,
            Err(Fault::Stale) if !self.renewed => self.settle(Fault::Stale).await,
            Err(Fault::Transient { retry_after, why }) if self.target().tries < MOST_LOOKS => {
                self.put_off(retry_after, &why).await
            }
            Err(fault) => {
                flows.settle_account(&self.account, &fault).await?;
                self.unconfirmed(&format!("{} could not be asked: {fault}", offered.platform.descriptor().name)).await
            }
        }
    }

    async fn unconfirmed(&mut self, why: &str) -> Result<Next, Refusal> {
        let flows = self.flows;
        let fix = "Please look, and tell me.";
        if flows.store.end_target(&self.claimed, TargetStatus::Unconfirmed, why, fix).await? {
            let cause = Cause { why: why.to_owned(), fix: fix.to_owned(), platform: self.account.platform.clone() };
            flows
                .open_incident(Some(&self.account.workspace), Kind::Unconfirmed, self.target().id.as_str(), &cause)
                .await?;
        }
        Ok(Next::Rest)
    }

    async fn fail(&mut self, why: &str, fix: &str) -> Result<Next, Refusal> {
        self.flows.store.end_target(&self.claimed, TargetStatus::Failed, why, fix).await?;
        Ok(Next::Rest)
    }

    async fn put_off(&mut self, retry_after: Option<Duration>, why: &str) -> Result<Next, Refusal> {
        let tries = self.target().tries;
        if tries >= SHAKY_AFTER && self.account.shaky_since.is_none() {
            self.flows.store.set_shaky(&self.account.id, Some(self.flows.now())).await?;
        }
        let until = self.flows.now() + pause(tries, retry_after, self.flows);
        self.flows.store.postpone_target(&self.claimed, until, Some(why), true).await?;
        Ok(Next::Rest)
    }

    /// Settles a fault of an invisible step, or of a send that was answered.
    async fn settle(&mut self, fault: Fault) -> Result<Next, Refusal> {
        let flows = self.flows;
        if let (Fault::Stale, Some(grant), false) = (&fault, &self.grant, self.renewed) {
            self.renewed = true;
            let version = grant.version;
            return match flows.fresh_grant(&grant.id, Freshness::Refused { version }).await? {
                Ok(grant) => {
                    self.grant = Some(grant);
                    Ok(Next::Again)
                }
                Err(fault) => Box::pin(self.settle(fault)).await,
            };
        }
        flows.settle_account(&self.account, &fault).await?;
        match fault {
            Fault::Transient { why, .. } | Fault::InDoubt { why } if self.target().tries >= MOST_TRIES => {
                self.fail(&why, "It was tried for a day. Publish it again when the platform is well.").await
            }
            Fault::Transient { retry_after, why } => self.put_off(retry_after, &why).await,
            Fault::InDoubt { why } => self.put_off(None, &why).await,
            Fault::Stale => self.put_off(None, "the sign-in keeps being refused").await,
            Fault::Misconfigured { what } => self.put_off(None, &what).await,
            Fault::AccountMoved { to } => {
                self.account.remote_id = to;
                Ok(Next::Again)
            }
            Fault::GrantDead { why } => self.fail(&why, "Reconnect the account, then publish again.").await,
            Fault::AccountLost { why, fix } | Fault::Rejected { why, fix } => self.fail(&why, &fix).await,
        }
    }
}

/// Whether waiting may cure it.
fn passes(fault: &Fault) -> bool {
    matches!(fault, Fault::Transient { .. } | Fault::InDoubt { .. } | Fault::Misconfigured { .. })
}

/// How long to wait after `tries` failures: doubling, with jitter, never shorter than the platform asks.
fn pause(tries: i64, asked: Option<Duration>, flows: &Flows) -> Duration {
    let doublings = u32::try_from(tries.clamp(0, 10)).unwrap_or(10);
    let backoff = (FIRST_PAUSE * 2u32.pow(doublings)).min(LONGEST_PAUSE);
    let [jitter] = clock::random::<1>(&*flows.entropy);
    let jittered = backoff + backoff * u32::from(jitter) / 1024;
    asked.map_or(jittered, |asked| asked.max(jittered))
}
