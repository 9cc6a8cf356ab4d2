//! Posts and their media. A post's public status follows from its targets; see `targets.rs` for those.

use sqlx::FromRow;

use super::{Result, Store, StoreError, Tx, all, exec, json, millis, on_db, on_tx, one, text, time, word};
use crate::domain::id::{AccountId, PersonId, PostId, TargetId, WorkspaceId};
use crate::domain::post::{Media, MediaKind, Missing, Options, Post, PostStatus, RichText, TargetStatus, status_of};

/// A draft to be stored.
#[derive(Clone, Debug)]
pub struct Draft {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Who writes it.
    pub author: PersonId,
    /// The chat's id for an album whose parts come one by one; parts with the same id become one draft.
    pub album: Option<String>,
    /// The words.
    pub text: RichText,
    /// The choices.
    pub options: Options,
}

#[derive(FromRow)]
struct Row {
    id: PostId,
    workspace: WorkspaceId,
    number: i64,
    author: PersonId,
    body: String,
    options: String,
    missing: String,
    status: String,
    created_at: i64,
    published_at: Option<i64>,
}

#[derive(FromRow)]
struct MediaRow {
    sha256: String,
    kind: String,
    mime: String,
    bytes: i64,
    width: i64,
    height: i64,
    duration_ms: Option<i64>,
    alt: Option<String>,
}

const SELECT: &str =
    "select id, workspace, number, author, body, options, missing, status, created_at, published_at from posts";

impl Store {
    async fn post_of(&self, row: Row) -> Result<Post> {
        let media = all!(db self; MediaRow; "select m.sha256, m.kind, m.mime, m.bytes, m.width, m.height, m.duration_ms, p.alt
            from post_media p join media m on m.sha256 = p.sha256 where p.post = $1 order by p.position", row.id.clone())?;
        Ok(Post {
            text: json("posts", row.id.as_str(), &row.body)?,
            options: json("posts", row.id.as_str(), &row.options)?,
            missing: json("posts", row.id.as_str(), &row.missing)?,
            status: word("posts", row.id.as_str(), PostStatus::parse(&row.status), &row.status)?,
            media: media.into_iter().map(media_of).collect::<Result<_>>()?,
            id: row.id,
            workspace: row.workspace,
            number: row.number,
            author: row.author,
            created_at: time(row.created_at),
            published_at: row.published_at.map(time),
        })
    }

    /// Makes a draft for the given accounts, or finds the one that this album already made (`false`).
    pub async fn add_draft(&self, draft: &Draft, accounts: &[AccountId]) -> Result<(PostId, bool)> {
        let mut tx = self.begin().await?;
        let id = PostId::new(self.clock.now(), &*self.entropy);
        // Taking the number locks the workspace, so that the parts of an album come one after the other.
        let number = one!(tx &mut tx; (i64,); "update workspaces set post_count = post_count + 1 where id = $1 returning post_count",
            draft.workspace.clone())?;
        let (number,) = number.ok_or_else(|| StoreError::Inconsistent {
            table: "workspaces",
            row: draft.workspace.to_string(),
            what: "it is gone".to_owned(),
        })?;
        if let Some(album) = &draft.album {
            let known = one!(tx &mut tx; (PostId,); "select id from posts where album = $1", album.clone())?;
            if let Some((known,)) = known {
                return Ok((known, false));
            }
        }
        exec!(tx &mut tx; "insert into posts (id, workspace, number, author, album, body, options, status, created_at, updated_at)
            values ($1, $2, $3, $4, $5, $6, $7, 'draft', $8, $8)",
            id.clone(), draft.workspace.clone(), number, draft.author.clone(), draft.album.clone(), text(&draft.text),
            text(&draft.options), self.now())?;
        for account in accounts {
            self.insert_target(&mut tx, &id, account).await?;
        }
        self.commit(tx, "add_draft").await?;
        Ok((id, true))
    }

    /// Keeps a draft from going out until the transaction ends; `false` when it is no draft any more.
    async fn lock_draft(&self, tx: &mut Tx, post: &PostId) -> Result<bool> {
        let locked = exec!(tx tx; "update posts set updated_at = $1 where id = $2 and status = 'draft'", self.now(), post.clone())?;
        Ok(locked > 0)
    }

    async fn insert_target(&self, tx: &mut Tx, post: &PostId, account: &AccountId) -> Result<()> {
        exec!(tx tx; "insert into targets (id, post, account, status, options, journal) values ($1, $2, $3, 'pending', '{}', 'null')
            on conflict (post, account) do nothing",
            TargetId::new(self.clock.now(), &*self.entropy), post.clone(), account.clone())?;
        Ok(())
    }

    /// A post of a workspace, by id.
    pub async fn post(&self, id: &PostId) -> Result<Option<Post>> {
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} where id = $1"));
        match one!(db self; Row; sql, id.clone())? {
            Some(row) => Ok(Some(self.post_of(row).await?)),
            None => Ok(None),
        }
    }

    /// A post of a workspace, by the number people type.
    pub async fn post_by_number(&self, workspace: &WorkspaceId, number: i64) -> Result<Option<Post>> {
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} where workspace = $1 and number = $2"));
        match one!(db self; Row; sql, workspace.clone(), number)? {
            Some(row) => Ok(Some(self.post_of(row).await?)),
            None => Ok(None),
        }
    }

    /// The newest posts of a workspace in these states.
    pub async fn posts(&self, workspace: &WorkspaceId, states: &[PostStatus], most: i64) -> Result<Vec<Post>> {
        let mut rows = Vec::new();
        for state in states {
            let sql = sqlx::AssertSqlSafe(format!(
                "{SELECT} where workspace = $1 and status = $2 order by number desc limit $3"
            ));
            rows.extend(all!(db self; Row; sql, workspace.clone(), state.as_str(), most)?);
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.number));
        rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        let mut posts = Vec::new();
        for row in rows {
            posts.push(self.post_of(row).await?);
        }
        Ok(posts)
    }

    /// Replaces a draft's words; `false` when it is no draft any more.
    pub async fn set_post_text(&self, id: &PostId, words: &RichText) -> Result<bool> {
        let changed = exec!(db self; "update posts set body = $1, updated_at = $2 where id = $3 and status = 'draft'",
            text(words), self.now(), id.clone())?;
        Ok(changed > 0)
    }

    /// Replaces a draft's choices; `false` when it is no draft any more.
    pub async fn set_post_options(&self, id: &PostId, options: &Options) -> Result<bool> {
        let changed = exec!(db self; "update posts set options = $1, updated_at = $2 where id = $3 and status = 'draft'",
            text(options), self.now(), id.clone())?;
        Ok(changed > 0)
    }

    /// Notes a file that was sent for a draft and could not be taken; the same one is noted once. `false` when it is no
    /// draft any more.
    pub async fn add_missing(&self, id: &PostId, file: &Missing) -> Result<bool> {
        let mut tx = self.begin().await?;
        let row =
            one!(tx &mut tx; (String,); "select missing from posts where id = $1 and status = 'draft'", id.clone())?;
        let Some((known,)) = row else { return Ok(false) };
        let mut missing: Vec<Missing> = json("posts", id.as_str(), &known)?;
        if !missing.contains(file) {
            missing.push(file.clone());
        }
        exec!(tx &mut tx; "update posts set missing = $1, updated_at = $2 where id = $3", text(&missing), self.now(), id.clone())?;
        self.commit(tx, "add_missing").await?;
        Ok(true)
    }

    /// Forgets the files that could not be taken: a person wants the draft as it is. `false` when it is no draft any more.
    pub async fn forget_missing(&self, id: &PostId) -> Result<bool> {
        let changed = exec!(db self; "update posts set missing = '[]', updated_at = $1 where id = $2 and status = 'draft'",
            self.now(), id.clone())?;
        Ok(changed > 0)
    }

    /// Notes a file of the media folder.
    pub async fn save_media(&self, media: &Media) -> Result<()> {
        exec!(db self; "insert into media (sha256, kind, mime, bytes, width, height, duration_ms, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (sha256) do nothing",
            media.sha256.clone(), media.kind.as_str(), media.mime.clone(), signed(media.bytes), i64::from(media.width),
            i64::from(media.height), media.duration_ms.map(signed), self.now())?;
        Ok(())
    }

    /// A file of the media folder.
    pub async fn media(&self, sha256: &str) -> Result<Option<Media>> {
        let row = one!(db self; MediaRow; "select sha256, kind, mime, bytes, width, height, duration_ms,
            cast(null as text) as alt from media where sha256 = $1", sha256)?;
        row.map(media_of).transpose()
    }

    /// Adds a file at the end of a draft; `false` when it is no draft any more, or has it already.
    pub async fn attach_media(&self, post: &PostId, media: &Media) -> Result<bool> {
        let mut tx = self.begin().await?;
        let draft = self.lock_draft(&mut tx, post).await?;
        let has = one!(tx &mut tx; (i64,); "select count(*) from post_media where post = $1 and sha256 = $2", post.clone(), media.sha256.clone())?;
        if !draft || has != Some((0,)) {
            return Ok(false);
        }
        exec!(tx &mut tx; "insert into post_media (post, position, sha256, alt)
            select $1, coalesce(max(position), 0) + 1, $2, $3 from post_media where post = $1",
            post.clone(), media.sha256.clone(), media.alt.clone())?;
        self.commit(tx, "attach_media").await?;
        Ok(true)
    }

    /// Describes a file of a post for those who can't see it. `position` counts from 0 in the order shown.
    pub async fn set_alt(&self, post: &PostId, sha256: &str, alt: Option<&str>) -> Result<()> {
        exec!(db self; "update post_media set alt = $1 where post = $2 and sha256 = $3", alt, post.clone(), sha256)?;
        Ok(())
    }

    /// Whether any post of any workspace shows this file; what nobody shows may be deleted.
    pub async fn media_in_use(&self, sha256: &str) -> Result<bool> {
        let row = one!(db self; (i64,); "select count(*) from post_media where sha256 = $1", sha256)?;
        Ok(row.is_some_and(|(count,)| count > 0))
    }

    /// Puts an account into or out of a draft; `false` when it is no draft any more.
    pub async fn choose_account(&self, post: &PostId, account: &AccountId, chosen: bool) -> Result<bool> {
        let mut tx = self.begin().await?;
        if !self.lock_draft(&mut tx, post).await? {
            return Ok(false);
        }
        if chosen {
            self.insert_target(&mut tx, post, account).await?;
        } else {
            exec!(tx &mut tx; "delete from targets where post = $1 and account = $2", post.clone(), account.clone())?;
        }
        self.commit(tx, "choose_account").await?;
        Ok(true)
    }

    /// Starts publishing: every target of a draft is due now. `false` when it is no draft any more, so that of two
    /// presses one counts, or when it has no targets.
    pub async fn start_publishing(&self, post: &PostId) -> Result<bool> {
        let mut tx = self.begin().await?;
        let started = exec!(tx &mut tx; "update posts set status = 'publishing', updated_at = $1 where id = $2
            and status in ('draft', 'scheduled') and exists (select 1 from targets where post = $2)", self.now(), post.clone())?;
        if started == 0 {
            return Ok(false);
        }
        exec!(tx &mut tx; "update targets set status = 'publishing', due_at = $1, tries = 0, why = null, fix = null where post = $2
            and status = 'pending'", self.now(), post.clone())?;
        self.commit(tx, "start_publishing").await?;
        Ok(true)
    }

    /// Discards a draft; `false` when it is none any more.
    pub async fn discard_draft(&self, post: &PostId) -> Result<bool> {
        let mut tx = self.begin().await?;
        if !self.lock_draft(&mut tx, post).await? {
            return Ok(false);
        }
        exec!(tx &mut tx; "delete from targets where post = $1", post.clone())?;
        exec!(tx &mut tx; "delete from post_media where post = $1", post.clone())?;
        exec!(tx &mut tx; "delete from posts where id = $1", post.clone())?;
        self.commit(tx, "discard_draft").await?;
        Ok(true)
    }

    /// Sets a post's public status from its targets', inside the caller's transaction. Drafts stay drafts.
    pub(super) async fn follow_targets(&self, tx: &mut Tx, post: &PostId) -> Result<()> {
        // Locks the post: of two targets that end together the second must see what became of the first.
        exec!(tx tx; "update posts set updated_at = $1 where id = $2", self.now(), post.clone())?;
        let rows = all!(tx tx; (String,); "select status from targets where post = $1", post.clone())?;
        let targets = rows
            .into_iter()
            .map(|(status,)| word("targets", post.as_str(), TargetStatus::parse(&status), &status))
            .collect::<Result<Vec<_>>>()?;
        let status = status_of(&targets);
        let first = targets.contains(&TargetStatus::Published).then(|| self.now());
        exec!(tx tx; "update posts set status = $1, published_at = coalesce(published_at, $2)
            where id = $3 and status <> 'draft'", status.as_str(), first, post.clone())?;
        Ok(())
    }

    /// Posts that were last touched before `before` and are drafts: for cleaning up.
    pub async fn stale_drafts(&self, before: crate::domain::Timestamp) -> Result<Vec<PostId>> {
        let rows = all!(db self; (PostId,); "select id from posts where status = 'draft' and updated_at < $1", millis(before))?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}

fn media_of(row: MediaRow) -> Result<Media> {
    Ok(Media {
        kind: word("media", &row.sha256, MediaKind::parse(&row.kind), &row.kind)?,
        sha256: row.sha256,
        mime: row.mime,
        bytes: u64::try_from(row.bytes).unwrap_or_default(),
        width: u32::try_from(row.width).unwrap_or_default(),
        height: u32::try_from(row.height).unwrap_or_default(),
        duration_ms: row.duration_ms.and_then(|length| u64::try_from(length).ok()),
        alt: row.alt,
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
