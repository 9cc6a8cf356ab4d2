//! How a post's card looks: a draft with its choices, or what became of it, with the buttons that make sense now. The
//! words are in `texts/posts.rs`; what a surface can't draw is its own matter.

use bots::{Button, Choice, Message, Select, SurfaceKind};

use super::Press;
use crate::chat::{Canvas, Chat, texts};
use crate::domain::account::{Account, AccountStatus};
use crate::domain::id::PersonId;
use crate::domain::post::{Post, PostStatus, Target, TargetStatus};
use crate::flows::Refusal;
use crate::flows::drafts::Aimed;
use crate::flows::publish::Resolution;

/// The most accounts that stand on the card as buttons; more have a list of their own.
const ON_CARD: usize = 12;
/// The most choices of a menu (Discord: 25).
pub(super) const MENU: usize = 25;
/// Accounts and places on one page of a list.
pub(super) const PAGE: usize = 20;
/// The most unconfirmed targets with buttons at once: a row each, and Discord has five.
const ASKED: usize = 3;
/// The most buttons for choosing places.
const PLACES: usize = 5;

/// An account that a draft can go to.
pub(super) struct Candidate {
    pub(super) account: Account,
    pub(super) chosen: bool,
}

/// The accounts that a draft can go to: those that are connected, and those chosen already.
pub(super) async fn candidates(chat: &Chat, post: &Post) -> Result<Vec<Candidate>, Refusal> {
    let store = &chat.flows.store;
    let targets = store.targets(&post.id).await?;
    let accounts = store.accounts(&post.workspace).await?.into_iter().map(|account| {
        let chosen = targets.iter().any(|target| target.account == account.id);
        Candidate { account, chosen }
    });
    Ok(accounts.filter(|one| one.chosen || one.account.status == AccountStatus::Connected).collect())
}

/// Those that a menu on the card (`None`) or on a page shows.
pub(super) fn on_page(candidates: &[Candidate], page: Option<usize>) -> &[Candidate] {
    match page {
        None => candidates,
        Some(page) => candidates.chunks(PAGE).nth(page).unwrap_or_default(),
    }
}

/// What people call an account.
pub(super) fn label(chat: &Chat, account: &Account) -> String {
    texts::posts::account(account, platform_name(chat, account))
}

pub(super) fn platform_name<'a>(chat: &'a Chat, account: &'a Account) -> &'a str {
    match chat.flows.offered(&account.platform) {
        Some(offered) => offered.platform.descriptor().name,
        None => &account.platform,
    }
}

/// The card about a post as it is now; `None` when it is gone.
///
/// # Errors
/// When the database fails.
pub async fn draw(
    chat: &Chat,
    subject: &str,
    surface: SurfaceKind,
    person: Option<&PersonId>,
    shared: bool,
) -> Result<Option<Message>, Refusal> {
    let store = &chat.flows.store;
    let Some(post) = store.post(&subject.to_owned().into()).await? else { return Ok(None) };
    let Some(workspace) = store.workspace(&post.workspace).await? else { return Ok(None) };
    let canvas = Canvas { surface, workspace, person: person.cloned(), shared };
    let message = match post.status {
        PostStatus::Draft => draft(chat, &canvas, &post).await?,
        _ => result(chat, &canvas, &post).await?,
    };
    Ok(Some(message))
}

async fn draft(chat: &Chat, canvas: &Canvas, post: &Post) -> Result<Message, Refusal> {
    let flows = &chat.flows;
    let aims = flows.aims(post).await?;
    let problems = flows.problems(&post.id).await?;
    let candidates = candidates(chat, post).await?;
    let card = texts::posts::DraftCard {
        post,
        lengths: aims.iter().map(|aim| (platform_name(chat, &aim.account), aim.length)).collect(),
        problems: problems.iter().map(|problem| (label(chat, &problem.account), problem)).collect(),
        places: aims
            .iter()
            .filter_map(|aim| {
                let place = aim.target.options.place_name.as_deref()?;
                Some(format!("{} in {}", texts::name(place), label(chat, &aim.account)))
            })
            .collect(),
        accounts: candidates.len(),
    };
    let mut message = Message::text(card.text());
    choose_accounts(chat, canvas, post, &candidates, &mut message).await?;
    let mut row = Vec::new();
    for aim in aims.iter().filter(|aim| needs_place(chat, aim)).take(PLACES) {
        let words = match &aim.target.options.place_name {
            Some(place) => format!("{} ▾", texts::name(place)),
            None => format!("Where in {}? ▾", texts::name(&aim.account.name)),
        };
        let press = Press::Places { post: post.id.clone(), target: aim.target.id.clone(), page: 0 };
        row.push(chat.button(canvas, words, press.into()).await?);
    }
    let mut message = message.row(row);
    let id = || post.id.clone();
    let mut row = Vec::new();
    if card.can_go() {
        row.push(match post.missing.len() {
            0 => chat.button(canvas, "Post now", Press::Publish(id()).into()).await?,
            1 => chat.button(canvas, "Post without it", Press::PublishWithout(id()).into()).await?,
            _ => chat.button(canvas, "Post without them", Press::PublishWithout(id()).into()).await?,
        });
    }
    if !aims.is_empty() {
        row.push(chat.button(canvas, "Preview", Press::Preview(id()).into()).await?);
    }
    message = message.row(row);
    let mut row = Vec::new();
    if !post.media.is_empty() {
        let press = Press::Alt { post: id(), position: None };
        row.push(chat.button(canvas, "Alt text", press.into()).await?);
    }
    row.push(chat.button(canvas, "Edit text", Press::Edit(id()).into()).await?);
    row.push(chat.button(canvas, "More", Press::More(id()).into()).await?);
    if candidates.is_empty() {
        row.push(chat.button(canvas, "Look again", Press::Card(id()).into()).await?);
    }
    row.push(chat.button(canvas, "Discard", Press::Discard(id()).into()).await?);
    Ok(message.row(row))
}

pub(super) fn needs_place(chat: &Chat, aim: &Aimed) -> bool {
    chat.flows.offered(&aim.account.platform).is_some_and(|offered| offered.platform.descriptor().needs_place)
}

/// The accounts on the card: toggles, or a menu where there are menus, or the way to the list when there are many.
async fn choose_accounts(
    chat: &Chat,
    canvas: &Canvas,
    post: &Post,
    candidates: &[Candidate],
    message: &mut Message,
) -> Result<(), Refusal> {
    let most = if canvas.surface == SurfaceKind::Discord { MENU } else { ON_CARD };
    if candidates.len() > most {
        let chosen = candidates.iter().filter(|one| one.chosen).count();
        let words = format!("Accounts: {chosen} of {} ▾", candidates.len());
        let press = Press::Accounts { post: post.id.clone(), page: 0 };
        message.rows.push(vec![chat.button(canvas, words, press.into()).await?]);
        return Ok(());
    }
    offer(chat, canvas, post, candidates, None, message).await
}

async fn offer(
    chat: &Chat,
    canvas: &Canvas,
    post: &Post,
    candidates: &[Candidate],
    page: Option<usize>,
    message: &mut Message,
) -> Result<(), Refusal> {
    if canvas.surface == SurfaceKind::Discord {
        if candidates.is_empty() {
            return Ok(());
        }
        let press = Press::Pick { post: post.id.clone(), page };
        message.select = Some(Select {
            token: chat.token(Some(&canvas.workspace.id), canvas.person.as_ref(), &press.into()).await?,
            placeholder: "Choose accounts".to_owned(),
            min: 0,
            // At most [`MENU`], which fits.
            max: u8::try_from(candidates.len()).unwrap_or(u8::MAX),
            choices: candidates
                .iter()
                .map(|one| Choice {
                    label: label(chat, &one.account),
                    value: one.account.id.to_string(),
                    detail: None,
                    picked: one.chosen,
                })
                .collect(),
        });
        return Ok(());
    }
    let mut buttons = Vec::new();
    for one in candidates {
        let mark = if one.chosen { "✓" } else { "☐" };
        let press = Press::Toggle { post: post.id.clone(), account: one.account.id.clone(), page };
        buttons.push(chat.button(canvas, format!("{mark} {}", label(chat, &one.account)), press.into()).await?);
    }
    message.rows.extend(buttons.chunks(2).map(<[Button]>::to_vec));
    Ok(())
}

/// A page of the accounts.
pub(super) async fn account_page(chat: &Chat, canvas: &Canvas, post: &Post, page: usize) -> Result<Message, Refusal> {
    let candidates = candidates(chat, post).await?;
    let pages = candidates.len().div_ceil(PAGE).max(1);
    let page = page.min(pages - 1);
    let chosen = candidates.iter().filter(|one| one.chosen).count();
    let words = format!("Draft {} goes to {chosen} of {}.", post.number, texts::counted(candidates.len(), "account"));
    let mut message = Message::text(words);
    offer(chat, canvas, post, on_page(&candidates, Some(page)), Some(page), &mut message).await?;
    let turn = |page| Press::Accounts { post: post.id.clone(), page };
    let mut row = Vec::new();
    if page > 0 {
        row.push(chat.button(canvas, "Earlier", turn(page - 1).into()).await?);
    }
    if page + 1 < pages {
        row.push(chat.button(canvas, "Later", turn(page + 1).into()).await?);
    }
    row.push(chat.button(canvas, "Done", Press::Card(post.id.clone()).into()).await?);
    Ok(message.row(row))
}

/// A post's targets with their accounts, and what people call those.
pub(super) async fn aimed(chat: &Chat, post: &Post) -> Result<Vec<(String, Account, Target)>, Refusal> {
    let mut aimed = Vec::new();
    for target in chat.flows.store.targets(&post.id).await? {
        // Also of an account that was disconnected since: its post is still there.
        let Some(account) = chat.flows.store.account_for_work(&target.account).await? else { continue };
        aimed.push((label(chat, &account), account, target));
    }
    Ok(aimed)
}

async fn result(chat: &Chat, canvas: &Canvas, post: &Post) -> Result<Message, Refusal> {
    let aimed = aimed(chat, post).await?;
    let targets: Vec<(String, &Target)> = aimed.iter().map(|(label, _, target)| (label.clone(), target)).collect();
    let mut message = Message::text(texts::posts::result(post, &targets, &canvas.workspace.timezone));
    let unknown: Vec<_> = aimed.iter().filter(|(_, _, target)| target.status == TargetStatus::Unconfirmed).collect();
    for (label, account, target) in unknown.iter().take(ASKED) {
        let of = if unknown.len() > 1 { format!(": {label}") } else { String::new() };
        let mut row = Vec::new();
        for (words, word) in [
            ("It is there", Resolution::IsThere),
            ("Send again", Resolution::SendAgain),
            ("Give up", Resolution::GiveUp),
        ] {
            let press = Press::Resolve { target: target.id.clone(), word };
            row.push(chat.button(canvas, format!("{words}{of}"), press.into()).await?);
        }
        if let Some(url) = &account.url {
            row.push(Button::link("Open ↗", url));
        }
        message = message.row(row);
    }
    let any = |fits: fn(&Target) -> bool| aimed.iter().any(|(_, _, target)| fits(target));
    let id = || post.id.clone();
    let mut row = Vec::new();
    if any(|target| target.status == TargetStatus::Failed && !target.is_closed()) {
        row.push(chat.button(canvas, "Retry", Press::Retry(id()).into()).await?);
    }
    if any(|target| target.status == TargetStatus::Published) {
        row.push(chat.button(canvas, "Undo", Press::Delete(id()).into()).await?);
    }
    row.push(chat.button(canvas, "Why", Press::Why(id()).into()).await?);
    Ok(message.row(row))
}
