//! Posts by their numbers: lists, sending, trying again, deleting, and what happened. It changes state through `flows`.

use std::time::Duration;

use bots::{Choice, Message};

use super::{Press, card, draw};
use crate::chat::{Chat, Talk, texts};
use crate::domain::id::{PostId, TargetId};
use crate::domain::post::{Post, PostStatus, TargetStatus};
use crate::flows::publish::Resolution;
use crate::flows::{Actor, Refusal};
use crate::platforms::Deletable;

/// The most posts in a list.
const LISTED: i64 = 10;
/// The most suggestions (Discord: 25).
const SUGGESTED: i64 = 25;
/// Every status, for when any post will do.
const ALL: &[PostStatus] = &[
    PostStatus::Draft,
    PostStatus::Scheduled,
    PostStatus::Publishing,
    PostStatus::Published,
    PostStatus::PartiallyPublished,
    PostStatus::Failed,
];
/// What is out somewhere.
const OUT: &[PostStatus] = &[PostStatus::Published, PostStatus::PartiallyPublished, PostStatus::Publishing];
/// What is not out yet.
const WAITING: &[PostStatus] = &[PostStatus::Draft, PostStatus::Scheduled, PostStatus::Publishing];

/// A command that names a post, or lists them.
pub(super) async fn command(talk: &Talk<'_>, name: &str, arguments: &[String]) -> Result<(), Refusal> {
    if name == "drafts" {
        return drafts(talk).await;
    }
    let number = match arguments {
        [] if name == "undo" => return undo_newest(talk).await,
        [] => return Ok(()),
        [number] => number,
        [number, ..] => {
            talk.say(texts::posts::one_at_a_time(name, number)).await?;
            return Ok(());
        }
    };
    let Some(post) = find(talk, name, number).await? else { return Ok(()) };
    match name {
        "publish" => publish(talk, &post.id, false).await,
        "retry" => retry(talk, &post.id, false).await,
        "delete" | "undo" => ask_delete(talk, &post.id, false).await,
        "why" => why(talk, &post.id).await,
        _ => card(talk, &post.id, false).await,
    }
}

/// The post that a typed number means; says so where there is none.
async fn find(talk: &Talk<'_>, command: &str, typed: &str) -> Result<Option<Post>, Refusal> {
    let (store, actor) = (&talk.chat.flows.store, talk.actor()?);
    let bare = typed.trim().trim_start_matches('#');
    let known = match bare.parse::<i64>() {
        Ok(number) => store.post_by_number(&actor.workspace, number).await?,
        Err(_) => None,
    };
    if known.is_none() {
        let newest = store.posts(&actor.workspace, ALL, 1).await?.first().map(|post| post.number);
        talk.say(texts::posts::unknown_number(bare, command, newest)).await?;
    }
    Ok(known)
}

async fn drafts(talk: &Talk<'_>) -> Result<(), Refusal> {
    let (chat, canvas) = (talk.chat, talk.canvas()?);
    let posts = chat.flows.store.posts(&canvas.workspace.id, WAITING, LISTED).await?;
    if posts.is_empty() {
        let words = "Nothing is waiting. Write a post: just send me its text, or use /post.";
        talk.say(Message::text(words)).await?;
        return Ok(());
    }
    let mut buttons = Vec::new();
    for post in &posts {
        buttons.push(chat.button(&canvas, post.number.to_string(), Press::Show(post.id.clone()).into()).await?);
    }
    let mut message = Message::text(texts::posts::posts("Not out yet:", &posts));
    message.rows.extend(buttons.chunks(5).map(<[_]>::to_vec));
    talk.say(message).await?;
    Ok(())
}

/// Sends a draft out and shows how it goes. A second press publishes nothing and tells what is true.
pub(super) async fn publish(talk: &Talk<'_>, post: &PostId, instead: bool) -> Result<(), Refusal> {
    let (flows, actor) = (&talk.chat.flows, talk.actor()?);
    let known = flows.own_post(&actor, post).await?;
    if known.status != PostStatus::Draft {
        return already(talk, &known, instead).await;
    }
    if flows.store.targets(post).await?.is_empty() {
        let words = "No account is chosen, so it would go nowhere. Choose one first.";
        return refused(talk, post, words, instead).await;
    }
    match flows.publish_now(&actor, post).await {
        Ok(()) => card(talk, post, instead).await,
        Err(Refusal::BadInput(why)) => refused(talk, post, &why, instead).await,
        Err(Refusal::TooLate) => {
            let known = flows.own_post(&actor, post).await?;
            already(talk, &known, instead).await
        }
        Err(other) => Err(other),
    }
}

/// Says what is true now: on the card whose button was pressed, or in answer to a command.
async fn already(talk: &Talk<'_>, post: &Post, instead: bool) -> Result<(), Refusal> {
    let words = texts::posts::already(post);
    if instead {
        talk.toast(&words).await;
    } else {
        talk.say(Message::text(words)).await?;
    }
    card(talk, &post.id, instead).await
}

/// Why it does not go out, with the card on which that can be changed.
async fn refused(talk: &Talk<'_>, post: &PostId, why: &str, instead: bool) -> Result<(), Refusal> {
    if instead {
        talk.toast(why).await;
    } else {
        talk.say(Message::text(texts::sentence(why))).await?;
    }
    card(talk, post, instead).await
}

/// Tries failed targets again.
pub(super) async fn retry(talk: &Talk<'_>, post: &PostId, instead: bool) -> Result<(), Refusal> {
    let (flows, actor) = (&talk.chat.flows, talk.actor()?);
    if flows.retry_post(&actor, post).await? == 0 {
        let known = flows.own_post(&actor, post).await?;
        let words = format!(
            "Nothing of post {} can be tried again: it is {}.",
            known.number,
            texts::posts::status(known.status)
        );
        return refused(talk, post, &words, instead).await;
    }
    card(talk, post, instead).await
}

/// Takes a person's word on an unconfirmed target.
pub(super) async fn resolve(talk: &Talk<'_>, target: &TargetId, word: Resolution) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let known = flows.store.target(target).await?.ok_or(Refusal::Gone { what: "post" })?;
    flows.resolve_target(&talk.actor()?, target, word).await?;
    card(talk, &known.post, true).await
}

async fn undo_newest(talk: &Talk<'_>) -> Result<(), Refusal> {
    let (store, actor) = (&talk.chat.flows.store, talk.actor()?);
    let posts = store.posts(&actor.workspace, OUT, SUGGESTED).await?;
    let newest = posts
        .into_iter()
        .filter(|post| post.published_at.is_some())
        .max_by_key(|post| (post.published_at, post.number));
    match newest {
        Some(post) => ask_delete(talk, &post.id, false).await,
        None => {
            talk.say(Message::text("Nothing is out that could be taken back. /drafts shows what waits.")).await?;
            Ok(())
        }
    }
}

/// Asks before deleting, and tells where it is not possible any more.
pub(super) async fn ask_delete(talk: &Talk<'_>, post: &PostId, instead: bool) -> Result<(), Refusal> {
    let (chat, canvas) = (talk.chat, talk.canvas()?);
    let known = chat.flows.own_post(&talk.actor()?, post).await?;
    if known.status == PostStatus::Draft && !instead {
        // What is not out is thrown away, not deleted anywhere.
        return super::draft::discard(talk, post).await;
    }
    let (mut gone, mut late) = (Vec::new(), Vec::new());
    for (label, account, target) in draw::aimed(chat, &known).await? {
        if target.status != TargetStatus::Published {
            continue;
        }
        let deletable = chat.flows.offered(&account.platform).map(|offered| offered.platform.descriptor().deletable);
        let (_, sent) = chat.flows.store.target_times(&target.id).await?;
        let age = sent.first().and_then(|at| Duration::try_from(chat.flows.clock.now().duration_since(*at)).ok());
        match (deletable, age) {
            (Some(Deletable::Within(within)), Some(age)) if age > within => late.push((label, within)),
            _ => gone.push(label),
        }
    }
    if gone.is_empty() && late.is_empty() {
        let words = format!("Post {} is not out anywhere, so there is nothing to delete.", known.number);
        return refused(talk, post, &words, instead).await;
    }
    let mut row = Vec::new();
    if !gone.is_empty() {
        row.push(chat.button(&canvas, "Delete", Press::DeleteNow(post.clone()).into()).await?);
    }
    let stay = if gone.is_empty() { "Back" } else { "Keep it" };
    row.push(chat.button(&canvas, stay, Press::Card(post.clone()).into()).await?);
    let message = Message::text(texts::posts::confirm_delete(&known, &gone, &late)).row(row);
    if instead {
        talk.instead(message).await?;
    } else {
        talk.say(message).await?;
    }
    Ok(())
}

/// Deletes what is out; what could not be deleted is told beside the card, which shows the rest.
pub(super) async fn delete(talk: &Talk<'_>, post: &PostId) -> Result<(), Refusal> {
    let chat = talk.chat;
    let known = chat.flows.own_post(&talk.actor()?, post).await?;
    let results = chat.flows.delete_post(&talk.actor()?, post).await?;
    if results.is_empty() {
        return already(talk, &known, true).await;
    }
    let deleted = results.iter().filter(|(_, result)| result.is_ok()).count();
    let failed: Vec<_> = results
        .into_iter()
        .filter_map(|(account, result)| Some((draw::label(chat, &account), result.err()?)))
        .collect();
    card(talk, post, true).await?;
    if !failed.is_empty() {
        talk.say(Message::text(texts::posts::not_deleted(&failed, deleted))).await?;
    }
    Ok(())
}

/// What happened, step by step.
pub(super) async fn why(talk: &Talk<'_>, post: &PostId) -> Result<(), Refusal> {
    let (chat, canvas) = (talk.chat, talk.canvas()?);
    let store = &chat.flows.store;
    let known = chat.flows.own_post(&talk.actor()?, post).await?;
    let members = store.members(&known.workspace).await?;
    let author = members.into_iter().find(|member| member.person == known.author).map(|member| member.name);
    let aimed = draw::aimed(chat, &known).await?;
    let mut stories = Vec::new();
    for (label, _, target) in &aimed {
        let (due, sent) = store.target_times(&target.id).await?;
        stories.push(texts::posts::Story { label: label.clone(), target, due, sent });
    }
    let now = chat.flows.clock.now();
    let text = texts::posts::why(&known, author.as_deref(), &stories, &canvas.workspace.timezone, now);
    let show = chat.button(&canvas, "Show the post", Press::Show(post.clone()).into()).await?;
    talk.say(Message::text(text).row([show])).await?;
    Ok(())
}

/// Posts to suggest while a number is typed: those that the command makes sense for.
///
/// # Errors
/// When the database fails.
pub async fn completions(chat: &Chat, actor: &Actor, command: &str, typed: &str) -> Result<Vec<Choice>, Refusal> {
    let states: &[PostStatus] = match command {
        "publish" => &[PostStatus::Draft],
        "retry" => &[PostStatus::Failed, PostStatus::PartiallyPublished, PostStatus::Publishing],
        "delete" | "undo" => OUT,
        _ => ALL,
    };
    let typed = typed.trim().trim_start_matches('#').to_lowercase();
    let posts = chat.flows.store.posts(&actor.workspace, states, SUGGESTED).await?;
    let fits =
        |post: &Post| post.number.to_string().starts_with(&typed) || post.text.plain.to_lowercase().contains(&typed);
    Ok(posts
        .iter()
        .filter(|post| fits(post))
        .map(|post| Choice {
            label: format!("{} · {}", post.number, texts::posts::title(post)),
            value: post.number.to_string(),
            detail: Some(texts::posts::status(post.status).to_owned()),
            picked: false,
        })
        .collect())
}
