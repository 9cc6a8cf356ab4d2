//! People and workspaces: the first owner, invites, identities on several surfaces, roles.

use std::time::Duration;

use super::{Actor, Flows, Refusal};
use crate::domain::clock::fingerprint;
use crate::domain::id::{PersonId, WorkspaceId};
use crate::domain::workspace::{Role, Workspace};
use crate::store::{IdentityRow, Invite, StoreError};

/// How long an invite works.
pub const INVITE_LIFE: Duration = Duration::from_secs(3 * 24 * 3600);
/// Where the fingerprint of the owner's code is kept until it is used.
const OWNER_CODE: &str = "owner_code";
/// The person who runs the daemon.
const OPERATOR: &str = "operator";
/// The longest name of a workspace, in characters.
const LONGEST_NAME: usize = 60;

/// Who writes, by their surface's word.
#[derive(Clone, Copy, Debug)]
pub struct Introduced<'a> {
    /// `telegram`, `discord` or `console`.
    pub surface: &'a str,
    /// The surface's user id.
    pub user: &'a str,
    /// The name they show.
    pub name: &'a str,
    /// `@name` without the at sign.
    pub handle: Option<&'a str>,
}

/// What a code opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// They own the daemon now.
    Owner(Workspace),
    /// They are in this workspace now.
    Member(Workspace, Role),
    /// This identity belongs to the person who asked for the code.
    Linked(String),
}

impl Flows {
    /// At the very first start: makes the owner's one-time code. `None` when somebody owns the daemon already. A code that
    /// was printed and not used is replaced, since only its fingerprint is kept.
    pub async fn owner_code(&self) -> Result<Option<String>, StoreError> {
        if self.store.setting(OPERATOR).await?.is_some() {
            return Ok(None);
        }
        let code = self.code();
        self.store.set_setting(OWNER_CODE, &fingerprint(&code)).await?;
        Ok(Some(code))
    }

    /// The console at the daemon's own terminal is the operator: owner, without a code.
    pub async fn operator_at_console(&self, who: Introduced<'_>) -> Result<PersonId, StoreError> {
        if let Some(known) = self.store.identity(who.surface, who.user).await? {
            return Ok(known.person);
        }
        let operator = self.store.setting(OPERATOR).await?.map(PersonId::from);
        let person = self.store.add_identity(operator.as_ref(), who.surface, who.user, who.name, who.handle).await?;
        self.store.refresh_identity(who.surface, who.user, who.name, who.handle, Some(who.surface)).await?;
        if operator.is_none() {
            self.store.settle_setting(OPERATOR, person.as_str()).await?;
            self.store.create_workspace("My team", &person).await?;
        }
        Ok(person)
    }

    /// Whether this person runs the daemon.
    pub async fn is_operator(&self, person: &PersonId) -> Result<bool, StoreError> {
        Ok(self.store.setting(OPERATOR).await?.as_deref() == Some(person.as_str()))
    }

    /// Uses a code: the owner's, or an invite's. `None` when it is neither (or no longer).
    pub async fn redeem(&self, code: &str, who: Introduced<'_>) -> Result<Option<Welcome>, Refusal> {
        let hash = fingerprint(&code.trim().to_lowercase());
        if self.store.take_setting(OWNER_CODE, &hash).await? {
            let person = self.store.add_identity(None, who.surface, who.user, who.name, who.handle).await?;
            self.store.settle_setting(OPERATOR, person.as_str()).await?;
            let known = self.store.workspaces_of(&person).await?.into_iter().next();
            let workspace = match known {
                Some((workspace, _)) => workspace,
                None => self.store.create_workspace("My team", &person).await?,
            };
            return Ok(Some(Welcome::Owner(workspace)));
        }
        let Some(invite) = self.store.take_invite(&hash).await? else { return Ok(None) };
        let before = self.store.identity(who.surface, who.user).await?;
        if let Some(person) = &invite.person {
            if before.is_some_and(|known| known.person != *person) {
                let why = "This account already belongs to someone here, so it was not linked to you.";
                return Err(Refusal::BadInput(why.to_owned()));
            }
            self.store.add_identity(Some(person), who.surface, who.user, who.name, who.handle).await?;
            return Ok(Some(Welcome::Linked(who.surface.to_owned())));
        }
        let (Some(workspace), Some(role)) = (invite.workspace, invite.role) else { return Ok(None) };
        let workspace = self.store.workspace(&workspace).await?.ok_or(Refusal::Gone { what: "workspace" })?;
        let person = self.store.add_identity(None, who.surface, who.user, who.name, who.handle).await?;
        // An invite never takes rights away.
        let role = self.store.role(&workspace.id, &person).await?.map_or(role, |has| has.max(role));
        self.store.set_role(&workspace.id, &person, role).await?;
        self.store.use_workspace(&person, &workspace.id).await?;
        Ok(Some(Welcome::Member(workspace, role)))
    }

    /// Makes an invite into the actor's workspace. Nobody gives more than they have.
    pub async fn invite(&self, actor: &Actor, role: Role) -> Result<String, Refusal> {
        let has = self.require(actor, Role::Admin).await?;
        if role > has {
            return Err(Refusal::NotAllowed { needs: role });
        }
        let invite = Invite { workspace: Some(actor.workspace.clone()), role: Some(role), person: None };
        self.store_invite(actor, &invite).await
    }

    /// Makes a code that adds another surface's identity to the actor.
    pub async fn invite_self(&self, actor: &Actor) -> Result<String, Refusal> {
        let invite = Invite { workspace: None, role: None, person: Some(actor.person.clone()) };
        self.store_invite(actor, &invite).await
    }

    async fn store_invite(&self, actor: &Actor, invite: &Invite) -> Result<String, Refusal> {
        let code = self.code();
        self.store.add_invite(&fingerprint(&code), invite, &actor.person, self.now() + INVITE_LIFE).await?;
        Ok(code)
    }

    /// Changes a member's role.
    pub async fn change_role(&self, actor: &Actor, member: &PersonId, role: Role) -> Result<(), Refusal> {
        let has = self.require(actor, Role::Admin).await?;
        let theirs = self.store.role(&actor.workspace, member).await?.ok_or(Refusal::Gone { what: "member" })?;
        if role > has || theirs > has {
            return Err(Refusal::NotAllowed { needs: role.max(theirs) });
        }
        if self.store.set_role(&actor.workspace, member, role).await? { Ok(()) } else { Err(Refusal::LastOwner) }
    }

    /// Takes a member out of the workspace; anybody may leave by themselves.
    pub async fn remove(&self, actor: &Actor, member: &PersonId) -> Result<(), Refusal> {
        let theirs = self.store.role(&actor.workspace, member).await?.ok_or(Refusal::Gone { what: "member" })?;
        if *member != actor.person {
            let has = self.require(actor, Role::Admin).await?;
            if theirs > has {
                return Err(Refusal::NotAllowed { needs: theirs });
            }
        }
        if !self.store.remove_member(&actor.workspace, member).await? {
            return Err(Refusal::LastOwner);
        }
        self.store.release_direct_chats(&actor.workspace, member).await?;
        Ok(())
    }

    /// From now on the actor works in this workspace wherever the chat does not say.
    pub async fn use_workspace(&self, actor: &Actor) -> Result<(), Refusal> {
        self.require(actor, Role::Viewer).await?;
        Ok(self.store.use_workspace(&actor.person, &actor.workspace).await?)
    }

    /// From now on the actor's workspace is run from the chat they are in, and its alerts go there. The caller has
    /// checked that they are an admin of the chat. One that belongs to another workspace moves only by someone who is an
    /// admin of that one too.
    pub async fn bind_chat(&self, actor: &Actor) -> Result<(), Refusal> {
        self.require(actor, Role::Admin).await?;
        let chat = self.store.chat(&actor.place).await?.ok_or(Refusal::Gone { what: "chat" })?;
        if let Some(other) = chat.workspace.filter(|other| *other != actor.workspace) {
            let theirs = self.store.role(&other, &actor.person).await?;
            if theirs.is_none_or(|role| role < Role::Admin) {
                let why = "This chat belongs to another workspace. Only somebody who is an admin of both can move it.";
                return Err(Refusal::BadInput(why.to_owned()));
            }
        }
        Ok(self.store.bind_chat(&actor.place, Some(&actor.workspace), true).await?)
    }

    /// Turns the alerts of the actor's workspace on or off in the chat they are in: a chat of that workspace, or their
    /// own direct chat, which can have those of one workspace.
    pub async fn set_alerts(&self, actor: &Actor, on: bool) -> Result<(), Refusal> {
        self.require(actor, Role::Admin).await?;
        let chat = self.store.chat(&actor.place).await?.ok_or(Refusal::Gone { what: "chat" })?;
        let ours = chat.workspace.as_ref() == Some(&actor.workspace);
        if chat.kind != "direct" && !ours {
            let why = "This chat does not belong to the workspace. /workspace use makes it so.";
            return Err(Refusal::BadInput(why.to_owned()));
        }
        if on || ours {
            self.store.bind_chat(&actor.place, Some(&actor.workspace), on).await?;
        }
        Ok(())
    }

    /// Makes a workspace; whoever makes it owns it. Only people who are in one already may.
    pub async fn new_workspace(&self, actor: &Actor, name: &str) -> Result<Workspace, Refusal> {
        self.require(actor, Role::Admin).await?;
        Ok(self.store.create_workspace(workspace_name(name)?, &actor.person).await?)
    }

    /// Renames the actor's workspace.
    pub async fn rename_workspace(&self, actor: &Actor, name: &str) -> Result<(), Refusal> {
        self.require(actor, Role::Admin).await?;
        Ok(self.store.rename_workspace(&actor.workspace, workspace_name(name)?).await?)
    }

    /// Deletes the actor's workspace with its accounts and posts here; nothing is deleted on any platform.
    pub async fn delete_workspace(&self, actor: &Actor) -> Result<(), Refusal> {
        self.require(actor, Role::Owner).await?;
        self.store.delete_workspace(&actor.workspace).await?;
        let rest = self.store.workspaces_of(&actor.person).await?;
        if let Some((workspace, _)) = rest.first() {
            self.store.use_workspace(&actor.person, &workspace.id).await?;
        } else if self.is_operator(&actor.person).await? {
            self.store.create_workspace("My team", &actor.person).await?;
        }
        Ok(())
    }

    /// Sets the zone of the actor's workspace; an IANA name, in any case.
    pub async fn set_timezone(&self, actor: &Actor, zone: &str) -> Result<String, Refusal> {
        self.require(actor, Role::Admin).await?;
        let zone =
            jiff::tz::TimeZone::get(zone.trim()).ok().and_then(|zone| zone.iana_name().map(str::to_owned)).ok_or_else(
                || Refusal::BadInput("That is no time zone I know. Write it like Europe/Berlin or UTC.".to_owned()),
            )?;
        self.store.set_timezone(&actor.workspace, &zone).await?;
        Ok(zone)
    }

    /// The workspace a person works in: the one they chose, while they are in it, else their first.
    pub async fn workspace_of(&self, identity: &IdentityRow) -> Result<Option<WorkspaceId>, StoreError> {
        if let Some(current) = self.store.current_workspace(&identity.person).await?
            && self.store.role(&current, &identity.person).await?.is_some()
        {
            return Ok(Some(current));
        }
        let first = self.store.workspaces_of(&identity.person).await?.into_iter().next();
        if let Some((workspace, _)) = &first {
            self.store.use_workspace(&identity.person, &workspace.id).await?;
        }
        Ok(first.map(|(workspace, _)| workspace.id))
    }
}

fn workspace_name(name: &str) -> Result<&str, Refusal> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Refusal::BadInput(format!("A workspace's name has 1 to {LONGEST_NAME} characters.")));
    }
    Ok(name)
}
