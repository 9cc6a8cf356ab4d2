//! Grants and accounts. A grant is one consent with its tokens; an account is one thing we can post as, and leans on a
//! grant. Tokens, expiry and death live on the grant, once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clock::Timestamp;
use super::id::{AccountId, GrantId, WorkspaceId};
use super::secret::Secret;

/// The tokens of a grant, as the vault seals them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Sent with every call.
    pub access: Secret,
    /// Buys a new access token.
    pub refresh: Option<Secret>,
    /// What else the platform must remember and nobody may see (Bluesky: the app password). JSON object or null; empty
    /// values never replace non-empty ones.
    pub extra: Option<Secret>,
    /// When the access token ends; unknown is `None`, never a far date.
    pub expires_at: Option<Timestamp>,
    /// When the refresh token ends.
    pub refresh_expires_at: Option<Timestamp>,
}

/// Whether a grant still works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// Its tokens are good, as far as we know.
    Live,
    /// A final code ended it.
    Dead {
        /// When we learnt of it.
        since: Timestamp,
        /// In plain words.
        why: String,
    },
}

/// One consent by one person to one platform app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The workspace it was given to.
    pub workspace: WorkspaceId,
    /// The platform's identifier.
    pub platform: String,
    /// The app that was consented to: a client id, or an instance's host.
    pub app: String,
    /// Who consented, by the platform's own id.
    pub remote_user: String,
    /// The tokens.
    pub tokens: Tokens,
    /// Live or dead.
    pub state: GrantState,
    /// Counts token writes; a write that does not name the current one changes nothing.
    pub version: i64,
}

/// The public status of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// Working, as far as we know.
    Connected,
    /// Revoked, removed, or permission lost.
    Disconnected,
    /// The token ended and could not be renewed.
    TokenExpired,
}

impl AccountStatus {
    /// The public word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::TokenExpired => "token_expired",
        }
    }

    /// The inverse of [`AccountStatus::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Connected, Self::Disconnected, Self::TokenExpired].into_iter().find(|status| status.as_str() == word)
    }
}

/// One thing we can post as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// The platform's identifier.
    pub platform: String,
    /// Globally unique on its platform.
    pub remote_id: String,
    /// What people call it.
    pub name: String,
    /// `@name` without the at sign.
    pub handle: Option<String>,
    /// Its public page.
    pub url: Option<String>,
    /// What the connector keeps about it: instance limits, the server's tier. A JSON object.
    pub meta: Value,
    /// The grant it leans on; bots need none.
    pub grant: Option<GrantId>,
    /// Connected or not.
    pub status: AccountStatus,
    /// Since when the status holds.
    pub status_since: Timestamp,
    /// Why it is not connected, in plain words.
    pub why: Option<String>,
    /// What cures that.
    pub fix: Option<String>,
    /// Whether new posts include it.
    pub is_active: bool,
    /// Since when calls for it have been failing for now.
    pub shaky_since: Option<Timestamp>,
}
