//! Drafts: what people write before it is published, and what each platform would say to it.

use std::borrow::Cow;
use std::path::Path;

use super::publish::merged;
use super::{Actor, Flows, Refusal};
use crate::domain::account::{Account, AccountStatus};
use crate::domain::id::{AccountId, PostId, TargetId};
use crate::domain::post::{Missing, Options, Post, RichText, Target};
use crate::domain::workspace::Role;
use crate::platforms::Descriptor;
use crate::platforms::media::{self, Caps};
use crate::platforms::text::{self, Severity};
use crate::store::Draft;

/// What a platform would say to a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftProblem {
    /// The account.
    pub account: Account,
    /// Whether it would be refused; else we adapt it.
    pub refused: bool,
    /// What is wrong, with numbers.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// A draft's target with its account.
#[derive(Clone, Debug)]
pub struct Aimed {
    /// The target.
    pub target: Target,
    /// Its account.
    pub account: Account,
    /// How much text counts there, and how much fits.
    pub length: (usize, usize),
}

impl Flows {
    /// Begins a draft for every active, connected account. Parts of one album share it (`false` for all but the first).
    pub async fn start_draft(
        &self,
        actor: &Actor,
        words: RichText,
        album: Option<String>,
    ) -> Result<(PostId, bool), Refusal> {
        self.require(actor, Role::Member).await?;
        let accounts: Vec<AccountId> = self
            .store
            .accounts(&actor.workspace)
            .await?
            .into_iter()
            .filter(|account| account.is_active && account.status == AccountStatus::Connected)
            .map(|account| account.id)
            .collect();
        let draft = Draft {
            workspace: actor.workspace.clone(),
            author: actor.person.clone(),
            album,
            text: words,
            options: Options::default(),
        };
        Ok(self.store.add_draft(&draft, &accounts).await?)
    }

    /// A post of the actor's workspace.
    pub async fn own_post(&self, actor: &Actor, post: &PostId) -> Result<Post, Refusal> {
        let post = self.store.post(post).await?.ok_or(Refusal::Gone { what: "post" })?;
        if post.workspace != actor.workspace {
            return Err(Refusal::Gone { what: "post" });
        }
        Ok(post)
    }

    /// Takes a fetched file into the media folder and to the end of a draft. What it is, its bytes say.
    pub async fn attach(&self, actor: &Actor, post: &PostId, file: &Path, alt: Option<String>) -> Result<(), Refusal> {
        self.require(actor, Role::Member).await?;
        self.own_post(actor, post).await?;
        let caps = Caps { image_bytes: self.settings.image_bytes, video_bytes: self.settings.video_bytes };
        let mut probed = media::probe(file, caps)
            .await
            .map_err(|unusable| Refusal::BadInput(format!("{}. {}", unusable.what, unusable.fix)))?;
        probed.alt = alt.filter(|alt| !alt.trim().is_empty());
        let home = self.settings.media_dir.join(&probed.sha256);
        keep_file(file, &home).await.map_err(|error| disk(&error))?;
        self.store.save_media(&probed).await?;
        if !self.store.attach_media(post, &probed).await? {
            return Err(Refusal::TooLate);
        }
        Ok(())
    }

    /// Notes a file that was sent for a draft and could not be taken, so that it does not go out without it unseen.
    pub async fn note_missing(&self, actor: &Actor, post: &PostId, file: &Missing) -> Result<(), Refusal> {
        self.require(actor, Role::Member).await?;
        self.own_post(actor, post).await?;
        if self.store.add_missing(post, file).await? { Ok(()) } else { Err(Refusal::TooLate) }
    }

    /// A person wants a draft as it is, without the files that could not be taken.
    pub async fn go_without(&self, actor: &Actor, post: &PostId) -> Result<(), Refusal> {
        self.require(actor, Role::Member).await?;
        self.own_post(actor, post).await?;
        if self.store.forget_missing(post).await? { Ok(()) } else { Err(Refusal::TooLate) }
    }

    /// Replaces a draft's words.
    pub async fn reword(&self, actor: &Actor, post: &PostId, words: &RichText) -> Result<(), Refusal> {
        self.require(actor, Role::Member).await?;
        self.own_post(actor, post).await?;
        if self.store.set_post_text(post, words).await? { Ok(()) } else { Err(Refusal::TooLate) }
    }

    /// Changes a draft's choices.
    pub async fn set_options(&self, actor: &Actor, post: &PostId, options: &Options) -> Result<(), Refusal> {
        self.require(actor, Role::Member).await?;
        self.own_post(actor, post).await?;
        if self.store.set_post_options(post, options).await? { Ok(()) } else { Err(Refusal::TooLate) }
    }

    /// Changes the choices for one account.
    pub async fn set_target_options(
        &self,
        actor: &Actor,
        target: &TargetId,
        options: &Options,
    ) -> Result<PostId, Refusal> {
        self.require(actor, Role::Member).await?;
        let target = self.store.target(target).await?.ok_or(Refusal::Gone { what: "post" })?;
        self.own_post(actor, &target.post).await?;
        self.store.set_target_options(&target.id, options).await?;
        Ok(target.post)
    }

    /// Puts an account into a draft or takes it out.
    pub async fn choose(&self, actor: &Actor, post: &PostId, account: &AccountId) -> Result<(), Refusal> {
        self.require(actor, Role::Member).await?;
        self.own_post(actor, post).await?;
        self.store.account(&actor.workspace, account).await?.ok_or(Refusal::Gone { what: "account" })?;
        let chosen = self.store.targets(post).await?.iter().any(|target| target.account == *account);
        if self.store.choose_account(post, account, !chosen).await? { Ok(()) } else { Err(Refusal::TooLate) }
    }

    /// Describes the `position`th file (from 0) of a post.
    pub async fn describe(&self, actor: &Actor, post: &PostId, position: usize, alt: &str) -> Result<(), Refusal> {
        self.require(actor, Role::Member).await?;
        let post = self.own_post(actor, post).await?;
        let media = post.media.get(position).ok_or(Refusal::Gone { what: "picture" })?;
        let alt = Some(alt.trim()).filter(|alt| !alt.is_empty());
        self.store.set_alt(&post.id, &media.sha256, alt).await?;
        Ok(())
    }

    /// Throws a draft away, with files that nothing else shows.
    pub async fn discard(&self, actor: &Actor, post: &PostId) -> Result<(), Refusal> {
        self.require(actor, Role::Member).await?;
        let post = self.own_post(actor, post).await?;
        if !self.store.discard_draft(&post.id).await? {
            return Err(Refusal::TooLate);
        }
        for media in &post.media {
            if !self.store.media_in_use(&media.sha256).await? {
                // A file that stays behind harms nobody; it is found by its name when it comes again.
                let _ = tokio::fs::remove_file(self.settings.media_dir.join(&media.sha256)).await;
            }
        }
        Ok(())
    }

    /// Where a post goes, account by account.
    pub async fn aims(&self, post: &Post) -> Result<Vec<Aimed>, Refusal> {
        let mut aims = Vec::new();
        for target in self.store.targets(&post.id).await? {
            let Some(account) = self.store.account_for_work(&target.account).await? else { continue };
            let platform = &self.platform_of(&account.platform)?.platform;
            let limits = platform.limits(&account.meta);
            let options = taken(platform.descriptor(), merged(&post.options, &target.options));
            let warning = options.content_warning.as_deref().unwrap_or_default();
            // Counted as the preflight does: where words can't lead somewhere, the address is written out.
            let words =
                if limits.link_marks { Cow::Borrowed(&post.text.plain) } else { Cow::Owned(text::plain(&post.text)) };
            let used = text::length(&limits, &words) + text::measure(warning, limits.unit);
            aims.push(Aimed { target, account, length: (used, limits.text) });
        }
        Ok(aims)
    }

    /// What each chosen platform would say to a draft.
    pub async fn problems(&self, post: &PostId) -> Result<Vec<DraftProblem>, Refusal> {
        let post = self.store.post(post).await?.ok_or(Refusal::Gone { what: "post" })?;
        let mut problems = Vec::new();
        for aimed in self.aims(&post).await? {
            let Aimed { target, account, .. } = aimed;
            let platform = &self.platform_of(&account.platform)?.platform;
            let options = merged(&post.options, &target.options);
            let mut add = |refused, what: String, fix: String| {
                problems.push(DraftProblem { account: account.clone(), refused, what, fix });
            };
            if account.status != AccountStatus::Connected {
                add(true, "it is not connected".to_owned(), "Reconnect it, or leave it out.".to_owned());
            }
            if platform.descriptor().needs_place && options.place.is_none() {
                add(true, "no channel is chosen".to_owned(), "Choose one.".to_owned());
            }
            if options.content_warning.is_some() && !platform.descriptor().content_warning {
                add(false, "the content warning is not shown there".to_owned(), String::new());
            }
            let options = taken(platform.descriptor(), options);
            for problem in text::preflight(&platform.limits(&account.meta), &post.text, &post.media, &options) {
                add(problem.severity == Severity::Refused, problem.what, problem.fix);
            }
        }
        Ok(problems)
    }
}

/// The choices that a platform takes, by its descriptor.
fn taken(descriptor: &Descriptor, options: Options) -> Options {
    Options { content_warning: options.content_warning.filter(|_| descriptor.content_warning), ..options }
}

fn disk(error: &std::io::Error) -> Refusal {
    tracing::error!(error = %error, "the media folder can't be written to");
    let full = error.kind() == std::io::ErrorKind::StorageFull;
    Refusal::BadInput(if full {
        "This server's disk is full, so the file was not kept. Whoever runs it must make room; then send it again."
            .to_owned()
    } else {
        "This server could not keep the file. Whoever runs it finds the reason in the log; then send it again."
            .to_owned()
    })
}

/// Moves a file to its place under its hash; what lies there already is the same.
async fn keep_file(from: &Path, home: &Path) -> std::io::Result<()> {
    if tokio::fs::try_exists(home).await? {
        return Ok(());
    }
    // Copied beside its place and renamed, so that a crash leaves no half file under the hash.
    let part = home.with_extension(format!("part-{}", std::process::id()));
    tokio::fs::copy(from, &part).await?;
    tokio::fs::File::open(&part).await?.sync_all().await?;
    tokio::fs::rename(&part, home).await
}
