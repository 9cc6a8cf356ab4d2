//! The verdict on a platform call that failed. One pure function per platform decides it (`fault.rs` in its folder),
//! `flows/settle.rs` turns it into state. Sentences in a fault are for people: plain words, no token, no body.

use std::time::Duration;

/// What a call was for; a status means different things on different calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Getting a consent: registering an app, exchanging a code, signing in, listing what can be connected.
    Connect,
    /// Trading a refresh token for a new access token.
    Renew,
    /// Proving that we can still post.
    Verify,
    /// An invisible, repeatable step before publishing.
    Prepare,
    /// The call that makes a post visible.
    Send,
    /// Looking for a post whose answer was lost.
    Find,
    /// Deleting a post.
    Delete,
    /// Giving a consent back.
    Revoke,
}

impl Operation {
    /// Whether a lost answer leaves it unknown what happened, so that the call must not be repeated blindly.
    pub fn is_single_use(self) -> bool {
        matches!(self, Self::Send | Self::Renew)
    }
}

/// What a failed call means. See `design.md` section 6 for what follows from each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Rate limits, outages, time-outs: again later. Never a reason to call anything disconnected.
    #[error("for now: {why}")]
    Transient {
        /// How long the vendor asked us to wait.
        retry_after: Option<Duration>,
        /// What it answered, in plain words.
        why: String,
    },
    /// The access token was refused and the grant can be renewed: renew once, repeat once.
    #[error("the access token was refused")]
    Stale,
    /// The consent is over: a recognised final code.
    #[error("the consent ended: {why}")]
    GrantDead {
        /// Who or what ended it, in plain words.
        why: String,
    },
    /// This account alone is lost; its grant and siblings are fine.
    #[error("the account is lost: {why}")]
    AccountLost {
        /// What happened, in plain words.
        why: String,
        /// What a person can do about it.
        fix: String,
    },
    /// The account goes on under another id, and nothing was done under the old one: store the new id, repeat the call.
    #[error("the account moved to {to}")]
    AccountMoved {
        /// Its new remote id.
        to: String,
    },
    /// The platform understood this post (or connect input) and refused it.
    #[error("refused: {why}")]
    Rejected {
        /// Why, in the user's words.
        why: String,
        /// What to change.
        fix: String,
    },
    /// Our app or bot is set up wrongly; no account is touched.
    #[error("misconfigured: {what}")]
    Misconfigured {
        /// The setting's name and what is wrong with it.
        what: String,
    },
    /// No answer to a call that must not be repeated blindly.
    #[error("no answer came: {why}")]
    InDoubt {
        /// What was seen (a time-out, a 502).
        why: String,
    },
}

impl Fault {
    /// A transient fault without a wish of the vendor's.
    pub fn transient(why: impl Into<String>) -> Self {
        Self::Transient { retry_after: None, why: why.into() }
    }

    /// A refusal.
    pub fn rejected(why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Rejected { why: why.into(), fix: fix.into() }
    }

    /// No answer, or a 5xx: in doubt on a single-use call, transient on any other.
    pub fn unanswered(operation: Operation, why: impl Into<String>) -> Self {
        if operation.is_single_use() { Self::InDoubt { why: why.into() } } else { Self::transient(why) }
    }
}
