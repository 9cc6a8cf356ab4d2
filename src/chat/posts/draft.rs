//! From a message to a draft, its files fetched and kept, and where it goes. What a file is, `flows` finds out; what the
//! card says, `draw.rs`.

use std::time::Duration;

use bots::{Field, FileRef, Form, Incoming, Message, SurfaceKind};

use super::marks::rich;
use super::{Press, Question, draw};
use crate::chat::{Chat, Talk, texts};
use crate::domain::clock::token;
use crate::domain::id::{AccountId, PostId};
use crate::domain::post::{Missing, PostStatus, RichText};
use crate::flows::{Actor, Refusal};

/// An album has no end mark: its card is drawn after this much quiet.
const QUIET: Duration = Duration::from_secs(1);

/// A plain or forwarded message in a direct chat: a new draft.
///
/// # Errors
/// As the flows refuse.
pub async fn plain_message(talk: &Talk<'_>, incoming: &Incoming) -> Result<(), Refusal> {
    begin(talk, incoming, rich(&incoming.text)).await
}

/// `/post [text]`, with what came with it. Without anything it asks.
pub(super) async fn command(talk: &Talk<'_>, arguments: &[String], incoming: &Incoming) -> Result<(), Refusal> {
    let mut words = rich(&incoming.text);
    if words.plain.is_empty() {
        words.plain = arguments.join(" ").trim().to_owned();
    }
    let is_bare = words.plain.is_empty() && incoming.files.is_empty() && incoming.unsupported.is_none();
    if is_bare && !incoming.forwarded {
        return write(talk, &[]).await;
    }
    begin(talk, incoming, words).await
}

/// Asks for a new post's words, or takes them from the form.
pub(super) async fn write(talk: &Talk<'_>, fields: &[(String, String)]) -> Result<(), Refusal> {
    let actor = talk.actor()?;
    if let Some((_, words)) = fields.first() {
        return begin(talk, &Incoming::default(), rich(&words.as_str().into())).await;
    }
    let flows = &talk.chat.flows;
    flows.require(&actor, crate::domain::workspace::Role::Member).await?;
    let form = Form {
        token: talk.chat.token(Some(&actor.workspace), Some(&actor.person), &Press::Write.into()).await?,
        title: "A new post".to_owned(),
        fields: vec![Field {
            name: "text".to_owned(),
            label: "What it says".to_owned(),
            placeholder: "We open at nine".to_owned(),
            value: String::new(),
            long: true,
            required: true,
        }],
    };
    if talk.responder.form(&form).await.unwrap_or(false) {
        return Ok(());
    }
    let words = "What shall it say? Send me the text, with photos or a video if you like.";
    talk.ask(&Question::Write.into(), texts::posts::question(words, "Text of the post")).await
}

/// Makes a draft of a message and shows its card.
async fn begin(talk: &Talk<'_>, incoming: &Incoming, words: RichText) -> Result<(), Refusal> {
    if let Some(kind) = incoming.unsupported.as_ref().filter(|_| incoming.files.is_empty()) {
        talk.say(texts::posts::unsupported(kind)).await?;
        return Ok(());
    }
    if words.plain.is_empty() && incoming.files.is_empty() {
        talk.say(texts::posts::nothing()).await?;
        return Ok(());
    }
    let (flows, actor) = (&talk.chat.flows, talk.actor()?);
    let (post, is_new) = match flows.start_draft(&actor, words.clone(), Some(key(talk, incoming))).await {
        Err(Refusal::NotAllowed { needs }) => {
            talk.say(Message::text(texts::posts::not_allowed(needs))).await?;
            return Ok(());
        }
        other => other?,
    };
    if !is_new && incoming.album.is_some() && !words.plain.is_empty() {
        // The caption may hang on any part of an album.
        let known = flows.own_post(&actor, &post).await?;
        if known.text.plain.is_empty() && known.status == PostStatus::Draft {
            flows.reword(&actor, &post, &words).await?;
        }
    }
    take_files(talk, &actor, &post, &incoming.files).await?;
    if incoming.album.is_some() {
        return album_card(talk, &post).await;
    }
    let store = &flows.store;
    if !is_new && store.cards(post.as_str()).await?.iter().any(|card| card.place == talk.place) {
        // The same message again, after a restart: its card is there.
        return Ok(flows.show(post.as_str()).await?);
    }
    talk.show_card(post.as_str(), false, false).await
}

/// Names what a draft is made of, so that the same message, or the parts of an album, make one.
fn key(talk: &Talk<'_>, incoming: &Incoming) -> String {
    let chat = &talk.update.chat;
    match &incoming.album {
        Some(album) => format!("{}:{}:{album}", chat.surface.as_str(), chat.id),
        None => format!("{}:{}", chat.surface.as_str(), talk.update.id),
    }
}

/// Parts come one by one; the first makes the card, each starts the quiet anew.
async fn album_card(talk: &Talk<'_>, post: &PostId) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let known = flows.store.cards(post.as_str()).await?.into_iter().find(|card| card.place == talk.place);
    let card = match known {
        Some(card) => card.id,
        None => flows.store.add_card(post.as_str(), &talk.place, None, None).await?,
    };
    Ok(flows.show_after(&card, &talk.place, None, QUIET).await?)
}

/// Fetches files and attaches them. What can't be taken is noted on the draft, with why; gives whether all were.
pub(super) async fn take_files(
    talk: &Talk<'_>,
    actor: &Actor,
    post: &PostId,
    files: &[FileRef],
) -> Result<bool, Refusal> {
    let mut all = true;
    for (index, file) in files.iter().enumerate() {
        let path = talk.chat.scratch.join(token(&*talk.chat.flows.entropy));
        let taken = take_file(talk, actor, post, file, &path).await;
        // It may not have come to be.
        let _ = tokio::fs::remove_file(&path).await;
        if let Err(why) = taken? {
            all = false;
            let name = texts::posts::file_name(file.name.as_deref(), index, files.len());
            talk.chat.flows.note_missing(actor, post, &Missing { name, why }).await?;
        }
    }
    Ok(all)
}

async fn take_file(
    talk: &Talk<'_>,
    actor: &Actor,
    post: &PostId,
    file: &FileRef,
    path: &std::path::Path,
) -> Result<Result<(), String>, Refusal> {
    let (chat, flows) = (talk.chat, &talk.chat.flows);
    let kind = talk.update.chat.surface;
    let limit = flows.settings.image_bytes.max(flows.settings.video_bytes);
    let gone = || bots::Failure::Unreachable("the surface is not up".to_owned());
    let fetched = match chat.surfaces.get(&kind) {
        Some(surface) => surface.download(file, path, limit).await,
        None => Err(gone()),
    };
    if let Err(failure) = fetched {
        tracing::info!(surface = kind.as_str(), failure = %failure, "a file was not fetched");
        let full = disk_full(path).await;
        return Ok(Err(texts::posts::not_fetched(&failure, surface_name(kind), limit, full)));
    }
    match flows.attach(actor, post, path, file.alt.clone()).await {
        Ok(()) => Ok(Ok(())),
        Err(Refusal::BadInput(why)) => Ok(Err(why)),
        // The same picture twice, or a message that came again: it is in the draft.
        Err(Refusal::TooLate) if flows.own_post(actor, post).await?.status == PostStatus::Draft => Ok(Ok(())),
        Err(other) => Err(other),
    }
}

/// Whether nothing more can be written beside `path`: surfaces tell a failed download, not whose fault it was.
async fn disk_full(path: &std::path::Path) -> bool {
    let probe = path.with_extension("probe");
    let result = tokio::fs::write(&probe, vec![0; 65_536]).await;
    let _ = tokio::fs::remove_file(&probe).await;
    result.is_err_and(|error| error.kind() == std::io::ErrorKind::StorageFull)
}

fn surface_name(kind: SurfaceKind) -> &'static str {
    match kind {
        SurfaceKind::Telegram => "Telegram",
        SurfaceKind::Discord => "Discord",
        SurfaceKind::Console => "The console",
    }
}

/// Puts an account in or out and shows where the press happened.
pub(super) async fn toggle(
    talk: &Talk<'_>,
    post: &PostId,
    account: &AccountId,
    page: Option<usize>,
) -> Result<(), Refusal> {
    talk.chat.flows.choose(&talk.actor()?, post, account).await?;
    shown_again(talk, post, page).await
}

/// Takes a menu's pick: of the accounts it showed, those picked are in and the others out.
pub(super) async fn pick(
    talk: &Talk<'_>,
    post: &PostId,
    page: Option<usize>,
    values: &[String],
) -> Result<(), Refusal> {
    let (flows, actor) = (&talk.chat.flows, talk.actor()?);
    let known = flows.own_post(&actor, post).await?;
    if known.status != PostStatus::Draft {
        return Err(Refusal::TooLate);
    }
    for candidate in draw::on_page(&draw::candidates(talk.chat, &known).await?, page) {
        let picked = values.iter().any(|value| value == candidate.account.id.as_str());
        if picked != candidate.chosen {
            flows.choose(&actor, post, &candidate.account.id).await?;
        }
    }
    shown_again(talk, post, page).await
}

async fn shown_again(talk: &Talk<'_>, post: &PostId, page: Option<usize>) -> Result<(), Refusal> {
    show_elsewhere(talk, post).await?;
    match page {
        Some(page) => accounts(talk, post, page).await,
        None => talk.show_card(post.as_str(), true, false).await,
    }
}

/// Redraws the draft's cards in other chats; the one here is shown by whoever answers.
pub(super) async fn show_elsewhere(talk: &Talk<'_>, post: &PostId) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    for card in flows.store.cards(post.as_str()).await? {
        if card.place != talk.place {
            flows.show_after(&card.id, &card.place, card.person.as_ref(), Duration::ZERO).await?;
        }
    }
    Ok(())
}

/// A page of the accounts to choose from.
pub(super) async fn accounts(talk: &Talk<'_>, post: &PostId, page: usize) -> Result<(), Refusal> {
    let known = talk.chat.flows.own_post(&talk.actor()?, post).await?;
    if known.status != PostStatus::Draft {
        return Err(Refusal::TooLate);
    }
    let message = draw::account_page(talk.chat, &talk.canvas()?, &known, page).await?;
    talk.instead(message).await?;
    Ok(())
}

/// Asks whether to throw a draft away.
pub(super) async fn discard(talk: &Talk<'_>, post: &PostId) -> Result<(), Refusal> {
    let (chat, canvas): (&Chat, _) = (talk.chat, talk.canvas()?);
    let known = chat.flows.own_post(&talk.actor()?, post).await?;
    if known.status != PostStatus::Draft {
        return Err(Refusal::TooLate);
    }
    let words = format!("Throw draft {} away, {}?", known.number, texts::posts::title(&known));
    let message = Message::text(words).row([
        chat.button(&canvas, "Discard", Press::DiscardNow(post.clone()).into()).await?,
        chat.button(&canvas, "Keep it", Press::Card(post.clone()).into()).await?,
    ]);
    talk.instead(message).await?;
    Ok(())
}

/// Throws a draft away.
pub(super) async fn discard_now(talk: &Talk<'_>, post: &PostId) -> Result<(), Refusal> {
    let known = talk.chat.flows.own_post(&talk.actor()?, post).await?;
    talk.chat.flows.discard(&talk.actor()?, post).await?;
    talk.instead(Message::text(format!("Draft {} is discarded.", known.number))).await?;
    Ok(())
}
