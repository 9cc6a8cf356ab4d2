//! The chats where a workspace is run, and where its alerts go.

use sqlx::FromRow;

use super::{Result, Store, all, exec, on_db, on_tx, one, time};
use crate::domain::Timestamp;
use crate::domain::id::{ChatId, PersonId, WorkspaceId};

/// Where a message can go: surface, chat id, topic (empty for none).
#[derive(Clone, Debug, PartialEq, Eq, Hash, FromRow, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// `telegram`, `discord` or `console`.
    pub surface: String,
    /// The surface's chat id.
    pub chat: String,
    /// The forum topic, or empty.
    pub topic: String,
}

/// A chat that trypost knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatRow {
    /// Its id.
    pub id: ChatId,
    /// Where it is.
    pub place: Place,
    /// `direct`, `group` or `broadcast`.
    pub kind: String,
    /// Its title.
    pub title: Option<String>,
    /// The workspace that is run from it.
    pub workspace: Option<WorkspaceId>,
    /// Whether alerts go there.
    pub alerts: bool,
    /// Since when it can't be written to.
    pub unreachable_since: Option<Timestamp>,
}

#[derive(FromRow)]
struct RawChat {
    id: ChatId,
    surface: String,
    remote_id: String,
    topic: String,
    kind: String,
    title: Option<String>,
    workspace: Option<WorkspaceId>,
    alerts: bool,
    unreachable_since: Option<i64>,
}

impl From<RawChat> for ChatRow {
    fn from(row: RawChat) -> Self {
        Self {
            id: row.id,
            place: Place { surface: row.surface, chat: row.remote_id, topic: row.topic },
            kind: row.kind,
            title: row.title,
            workspace: row.workspace,
            alerts: row.alerts,
            unreachable_since: row.unreachable_since.map(time),
        }
    }
}

const CHAT: &str = "select id, surface, remote_id, topic, kind, title, workspace, alerts, unreachable_since from chats";

impl Store {
    /// A chat, if it is known.
    pub async fn chat(&self, place: &Place) -> Result<Option<ChatRow>> {
        let sql = sqlx::AssertSqlSafe(format!("{CHAT} where surface = $1 and remote_id = $2 and topic = $3"));
        let row = one!(db self; RawChat; sql, place.surface.clone(), place.chat.clone(), place.topic.clone())?;
        Ok(row.map(ChatRow::from))
    }

    /// Notes a chat, or its new title.
    pub async fn note_chat(&self, place: &Place, kind: &str, title: Option<&str>) -> Result<()> {
        exec!(db self; "insert into chats (id, surface, remote_id, topic, kind, title) values ($1, $2, $3, $4, $5, $6)
            on conflict (surface, remote_id, topic) do update set kind = excluded.kind,
            title = coalesce(excluded.title, chats.title), unreachable_since = null",
            ChatId::new(self.clock.now(), &*self.entropy), place.surface.clone(), place.chat.clone(), place.topic.clone(), kind, title)?;
        Ok(())
    }

    /// Says which workspace is run from a chat, and whether its alerts go there.
    pub async fn bind_chat(&self, place: &Place, workspace: Option<&WorkspaceId>, alerts: bool) -> Result<()> {
        exec!(db self; "update chats set workspace = $1, alerts = $2 where surface = $3 and remote_id = $4 and topic = $5",
            workspace.cloned(), alerts, place.surface.clone(), place.chat.clone(), place.topic.clone())?;
        Ok(())
    }

    /// A person's direct chats no longer get a workspace's alerts: they left it.
    pub async fn release_direct_chats(&self, workspace: &WorkspaceId, person: &PersonId) -> Result<()> {
        exec!(db self; "update chats set workspace = null, alerts = $1 where workspace = $2 and kind = 'direct' and exists
            (select 1 from identities i where i.person = $3 and i.surface = chats.surface and i.direct_chat = chats.remote_id)",
            false, workspace.clone(), person.clone())?;
        Ok(())
    }

    /// The chats that a workspace's alerts go to.
    pub async fn alert_chats(&self, workspace: &WorkspaceId) -> Result<Vec<ChatRow>> {
        let sql = sqlx::AssertSqlSafe(format!("{CHAT} where workspace = $1 and alerts = $2 order by id"));
        let rows = all!(db self; RawChat; sql, workspace.clone(), true)?;
        Ok(rows.into_iter().map(ChatRow::from).collect())
    }

    /// Notes that a chat can't be written to any more.
    pub async fn chat_unreachable(&self, place: &Place) -> Result<()> {
        exec!(db self; "update chats set unreachable_since = coalesce(unreachable_since, $1)
            where surface = $2 and remote_id = $3", self.now(), place.surface.clone(), place.chat.clone())?;
        Ok(())
    }

    /// A Telegram group became a supergroup: everything that points to it follows.
    pub async fn chat_moved(&self, surface: &str, from: &str, to: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(tx &mut tx; "delete from chats where surface = $1 and remote_id = $2 and workspace is null", surface, to)?;
        for statement in [
            "update chats set remote_id = $1 where surface = $2 and remote_id = $3
             and not exists (select 1 from chats c where c.surface = $2 and c.remote_id = $1 and c.topic = chats.topic)",
            "update outbox set chat = $1 where surface = $2 and chat = $3",
            "update attempts set chat = $1 where surface = $2 and chat = $3",
        ] {
            exec!(tx &mut tx; statement, to, surface, from)?;
        }
        self.commit(tx, "chat_moved").await
    }

    /// Whether a stranger may be told again that this bot belongs to a team: at most hourly in a chat.
    pub async fn may_tell_stranger(&self, place: &Place) -> Result<bool> {
        let told = exec!(db self; "update chats set stranger_told_at = $1 where surface = $2 and remote_id = $3 and topic = $4
            and (stranger_told_at is null or stranger_told_at < $5)",
            self.now(), place.surface.clone(), place.chat.clone(), place.topic.clone(), self.now() - 3_600_000)?;
        Ok(told > 0)
    }
}
