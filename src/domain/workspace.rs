//! Workspaces, the people in them and what they may do.

use serde::{Deserialize, Serialize};

use super::id::{PersonId, WorkspaceId};

/// The isolated unit that owns accounts, posts, members and chats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// IANA name, as in `Europe/Berlin`.
    pub timezone: String,
}

/// What a member may do. Ordered: each may do all that the lower ones may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May look.
    Viewer,
    /// May write and publish posts.
    Member,
    /// May connect accounts, invite people, set alerts.
    Admin,
    /// May do everything, also what concerns the daemon.
    Owner,
}

impl Role {
    /// All roles, lowest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner];

    /// The word people type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The inverse of [`Role::as_str`], in any case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str().eq_ignore_ascii_case(word.trim()))
    }
}

/// A person in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub person: PersonId,
    /// The name they show.
    pub name: String,
    /// What they may do.
    pub role: Role,
}
