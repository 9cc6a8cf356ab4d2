//! Workspaces, people, their identities and roles, and invites.

use sqlx::FromRow;

use super::{Result, Store, all, exec, millis, on_db, on_tx, one, word};
use crate::domain::Timestamp;
use crate::domain::id::{PersonId, WorkspaceId};
use crate::domain::workspace::{Member, Role, Workspace};

/// A person's identity on one surface.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct IdentityRow {
    /// `telegram`, `discord` or `console`.
    pub surface: String,
    /// The surface's user id.
    pub user_id: String,
    /// The person.
    pub person: PersonId,
    /// The name they show there.
    pub name: String,
    /// `@name` without the at sign.
    pub handle: Option<String>,
    /// The direct chat with them, once known.
    pub direct_chat: Option<String>,
}

/// What an invite code gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// The workspace it leads into; `None` when it only links an identity.
    pub workspace: Option<WorkspaceId>,
    /// The role there.
    pub role: Option<Role>,
    /// The person whose further identity it adds (`/invite me`).
    pub person: Option<PersonId>,
}

#[derive(FromRow)]
struct RawInvite {
    workspace: Option<WorkspaceId>,
    role: Option<String>,
    person: Option<PersonId>,
    expires_at: i64,
}

#[derive(FromRow)]
struct RawWorkspace {
    id: WorkspaceId,
    name: String,
    timezone: String,
    role: String,
}

/// Everything a workspace owns, children first.
const WORKSPACE_TABLES: &[&str] = &[
    "delete from sends where target in (select t.id from targets t join posts p on p.id = t.post where p.workspace = $1)",
    "delete from targets where post in (select id from posts where workspace = $1)",
    "delete from post_media where post in (select id from posts where workspace = $1)",
    "delete from posts where workspace = $1",
    "delete from incidents where workspace = $1",
    "delete from attempts where workspace = $1",
    "delete from accounts where workspace = $1",
    "delete from grants where workspace = $1",
    "delete from buttons where workspace = $1",
    "delete from invites where workspace = $1",
    "update chats set workspace = null, alerts = false where workspace = $1",
    "update people set workspace = null where workspace = $1",
    "delete from members where workspace = $1",
    "delete from workspaces where id = $1",
];

impl Store {
    /// Makes a workspace with its first owner, who is in it from now on.
    pub async fn create_workspace(&self, name: &str, owner: &PersonId) -> Result<Workspace> {
        let id = WorkspaceId::new(self.clock.now(), &*self.entropy);
        let mut tx = self.begin().await?;
        exec!(tx &mut tx; "insert into workspaces (id, name, timezone, created_at) values ($1, $2, 'UTC', $3)",
            id.clone(), name, self.now())?;
        exec!(tx &mut tx; "insert into members (workspace, person, role) values ($1, $2, 'owner')", id.clone(), owner.clone())?;
        exec!(tx &mut tx; "update people set workspace = $1 where id = $2", id.clone(), owner.clone())?;
        self.commit(tx, "create_workspace").await?;
        Ok(Workspace { id, name: name.to_owned(), timezone: "UTC".to_owned() })
    }

    /// The workspace, if it is still there.
    pub async fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>> {
        let row = one!(db self; (String, String); "select name, timezone from workspaces where id = $1", id.clone())?;
        Ok(row.map(|(name, timezone)| Workspace { id: id.clone(), name, timezone }))
    }

    /// Gives the workspace another name.
    pub async fn rename_workspace(&self, id: &WorkspaceId, name: &str) -> Result<()> {
        exec!(db self; "update workspaces set name = $1 where id = $2", name, id.clone())?;
        Ok(())
    }

    /// Sets the zone that the workspace's times are told in.
    pub async fn set_timezone(&self, id: &WorkspaceId, zone: &str) -> Result<()> {
        exec!(db self; "update workspaces set timezone = $1 where id = $2", zone, id.clone())?;
        Ok(())
    }

    /// Deletes a workspace with all it owns. Nothing is deleted on any platform.
    pub async fn delete_workspace(&self, id: &WorkspaceId) -> Result<()> {
        let mut tx = self.begin().await?;
        for statement in WORKSPACE_TABLES {
            exec!(tx &mut tx; *statement, id.clone())?;
        }
        self.commit(tx, "delete_workspace").await
    }

    /// The workspaces a person is in, by name, with their role.
    pub async fn workspaces_of(&self, person: &PersonId) -> Result<Vec<(Workspace, Role)>> {
        let rows = all!(db self; RawWorkspace;
            "select w.id, w.name, w.timezone, m.role from workspaces w join members m on m.workspace = w.id
             where m.person = $1 order by w.name, w.id", person.clone())?;
        rows.into_iter()
            .map(|row| {
                let role = word("members", row.id.as_str(), Role::parse(&row.role), &row.role)?;
                Ok((Workspace { id: row.id, name: row.name, timezone: row.timezone }, role))
            })
            .collect()
    }

    /// Who an identity belongs to.
    pub async fn identity(&self, surface: &str, user: &str) -> Result<Option<IdentityRow>> {
        Ok(one!(db self; IdentityRow;
            "select surface, user_id, person, name, handle, direct_chat from identities
             where surface = $1 and user_id = $2", surface, user)?)
    }

    /// All identities of a person.
    pub async fn identities(&self, person: &PersonId) -> Result<Vec<IdentityRow>> {
        Ok(all!(db self; IdentityRow;
            "select surface, user_id, person, name, handle, direct_chat from identities
             where person = $1 order by surface, user_id", person.clone())?)
    }

    /// Adds an identity, to this person or (with `None`) to a new one. An identity that exists stays where it is.
    pub async fn add_identity(
        &self,
        person: Option<&PersonId>,
        surface: &str,
        user: &str,
        name: &str,
        handle: Option<&str>,
    ) -> Result<PersonId> {
        let mut tx = self.begin().await?;
        let known = one!(tx &mut tx; (PersonId,); "select person from identities where surface = $1 and user_id = $2", surface, user)?;
        if let Some((known,)) = known {
            return Ok(known);
        }
        let person = match person {
            Some(person) => person.clone(),
            None => {
                let person = PersonId::new(self.clock.now(), &*self.entropy);
                exec!(tx &mut tx; "insert into people (id, name, created_at) values ($1, $2, $3)", person.clone(), name, self.now())?;
                person
            }
        };
        let added = exec!(tx &mut tx; "insert into identities (surface, user_id, person, name, handle) values ($1, $2, $3, $4, $5)
            on conflict (surface, user_id) do nothing", surface, user, person.clone(), name, handle)?;
        if added == 0 {
            // Another task added it meanwhile; that one stays, and the person made here goes with the transaction.
            let first = one!(tx &mut tx; (PersonId,); "select person from identities where surface = $1 and user_id = $2", surface, user)?;
            return Ok(first.map_or(person, |(first,)| first));
        }
        self.commit(tx, "add_identity").await?;
        Ok(person)
    }

    /// Notes the name a person shows and, where the update came from one, their direct chat.
    pub async fn refresh_identity(
        &self,
        surface: &str,
        user: &str,
        name: &str,
        handle: Option<&str>,
        direct_chat: Option<&str>,
    ) -> Result<()> {
        exec!(db self; "update identities set name = $1, handle = $2, direct_chat = coalesce($3, direct_chat)
            where surface = $4 and user_id = $5", name, handle, direct_chat, surface, user)?;
        Ok(())
    }

    /// A person's role in a workspace, now.
    pub async fn role(&self, workspace: &WorkspaceId, person: &PersonId) -> Result<Option<Role>> {
        let row = one!(db self; (String,); "select role from members where workspace = $1 and person = $2",
            workspace.clone(), person.clone())?;
        row.map(|(role,)| word("members", person.as_str(), Role::parse(&role), &role)).transpose()
    }

    /// Everyone in a workspace, highest role first.
    pub async fn members(&self, workspace: &WorkspaceId) -> Result<Vec<Member>> {
        let rows = all!(db self; (PersonId, String, String);
            "select m.person, p.name, m.role from members m join people p on p.id = m.person where m.workspace = $1",
            workspace.clone())?;
        let mut members = rows
            .into_iter()
            .map(|(person, name, role)| {
                let role = word("members", person.as_str(), Role::parse(&role), &role)?;
                Ok(Member { person, name, role })
            })
            .collect::<Result<Vec<_>>>()?;
        members.sort_by(|a, b| b.role.cmp(&a.role).then_with(|| a.name.cmp(&b.name)));
        Ok(members)
    }

    /// Puts a person into a workspace, or changes their role, unless that would leave it without an owner (`false`).
    pub async fn set_role(&self, workspace: &WorkspaceId, person: &PersonId, role: Role) -> Result<bool> {
        let mut tx = self.begin().await?;
        lock_members(&mut tx, workspace).await?;
        exec!(tx &mut tx; "insert into members (workspace, person, role) values ($1, $2, $3)
            on conflict (workspace, person) do update set role = excluded.role",
            workspace.clone(), person.clone(), role.as_str())?;
        exec!(tx &mut tx; "update people set workspace = $1 where id = $2 and workspace is null", workspace.clone(), person.clone())?;
        if !has_owner(&mut tx, workspace).await? {
            return Ok(false);
        }
        self.commit(tx, "set_role").await?;
        Ok(true)
    }

    /// Takes a person out of a workspace, unless that would leave it without an owner (`false`).
    pub async fn remove_member(&self, workspace: &WorkspaceId, person: &PersonId) -> Result<bool> {
        let mut tx = self.begin().await?;
        lock_members(&mut tx, workspace).await?;
        exec!(tx &mut tx; "delete from members where workspace = $1 and person = $2", workspace.clone(), person.clone())?;
        exec!(tx &mut tx; "update people set workspace = null where id = $1 and workspace = $2", person.clone(), workspace.clone())?;
        if !has_owner(&mut tx, workspace).await? {
            return Ok(false);
        }
        self.commit(tx, "remove_member").await?;
        Ok(true)
    }

    /// The workspace a person works in where the chat does not say.
    pub async fn current_workspace(&self, person: &PersonId) -> Result<Option<WorkspaceId>> {
        let row = one!(db self; (Option<WorkspaceId>,); "select workspace from people where id = $1", person.clone())?;
        Ok(row.and_then(|(workspace,)| workspace))
    }

    /// Sets it.
    pub async fn use_workspace(&self, person: &PersonId, workspace: &WorkspaceId) -> Result<()> {
        exec!(db self; "update people set workspace = $1 where id = $2", workspace.clone(), person.clone())?;
        Ok(())
    }

    /// Stores an invite by its code's fingerprint.
    pub async fn add_invite(
        &self,
        code_hash: &str,
        invite: &Invite,
        by: &PersonId,
        expires_at: Timestamp,
    ) -> Result<()> {
        exec!(db self; "insert into invites (code_hash, workspace, role, person, created_by, expires_at) values ($1, $2, $3, $4, $5, $6)",
            code_hash, invite.workspace.clone(), invite.role.map(Role::as_str), invite.person.clone(), by.clone(), millis(expires_at))?;
        Ok(())
    }

    /// Uses up an invite; `None` when there is none, or it is too old.
    pub async fn take_invite(&self, code_hash: &str) -> Result<Option<Invite>> {
        let row = one!(db self; RawInvite;
            "delete from invites where code_hash = $1 returning workspace, role, person, expires_at", code_hash)?;
        let Some(row) = row.filter(|row| row.expires_at > self.now()) else { return Ok(None) };
        let role = row.role.map(|role| word("invites", "", Role::parse(&role), &role)).transpose()?;
        Ok(Some(Invite { workspace: row.workspace, role, person: row.person }))
    }
}

async fn has_owner(tx: &mut super::Tx, workspace: &WorkspaceId) -> Result<bool> {
    let owners =
        one!(tx tx; (i64,); "select count(*) from members where workspace = $1 and role = 'owner'", workspace.clone())?;
    Ok(owners.is_some_and(|(count,)| count > 0))
}

/// Lets changes of a workspace's members come one after the other: two owners can't remove each other.
async fn lock_members(tx: &mut super::Tx, workspace: &WorkspaceId) -> Result<()> {
    exec!(tx tx; "update workspaces set name = name where id = $1", workspace.clone())?;
    Ok(())
}
