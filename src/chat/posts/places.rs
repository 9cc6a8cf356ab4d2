//! Where inside an account a draft goes (a Discord channel): the list to choose from, and the choice. Which places there
//! are, the platform is asked each time.

use bots::{Button, Choice, Message, Select, SurfaceKind};

use super::Press;
use super::draw::{self, MENU, PAGE};
use super::options::{changed, mine};
use crate::chat::{Talk, texts};
use crate::domain::id::{PostId, TargetId};
use crate::domain::post::Options;
use crate::flows::Refusal;

/// The places inside an account, to choose from; or what a menu picked.
pub(super) async fn places(
    talk: &Talk<'_>,
    post: &PostId,
    target: &TargetId,
    page: usize,
    values: &[String],
) -> Result<(), Refusal> {
    mine(talk, post).await?;
    let (chat, canvas) = (talk.chat, talk.canvas()?);
    let flows = &chat.flows;
    let Some(target) = flows.store.target(target).await?.filter(|target| target.post == *post) else {
        // The account was left out since; the card shows it.
        return Err(Refusal::TooLate);
    };
    let places = flows.places(&talk.actor()?, &target.account).await?;
    if let Some(picked) = values.first() {
        let Some(found) = places.into_iter().find(|one| one.id == *picked) else {
            return Err(Refusal::Gone { what: "channel" });
        };
        return place(talk, post, &target.id, found.id, found.name).await;
    }
    let account = flows.store.account_for_work(&target.account).await?;
    let whose = account.map_or_else(String::new, |account| draw::label(chat, &account));
    let back = chat.button(&canvas, "Back", Press::Card(post.clone()).into()).await?;
    if places.is_empty() {
        let words =
            format!("There is no channel in {whose} where I may post. Give me the right to send messages in one.");
        let press = Press::Places { post: post.clone(), target: target.id.clone(), page: 0 };
        let again = chat.button(&canvas, "Look again", press.into()).await?;
        talk.instead(Message::text(words).row([again, back])).await?;
        return Ok(());
    }
    let size = if canvas.surface == SurfaceKind::Discord { MENU } else { PAGE };
    let pages = places.len().div_ceil(size);
    let page = page.min(pages - 1);
    let mut message = Message::text(format!("Where in {whose} shall it go?"));
    let shown = places.chunks(size).nth(page).unwrap_or_default();
    let turn = |page| Press::Places { post: post.clone(), target: target.id.clone(), page };
    if canvas.surface == SurfaceKind::Discord {
        message.select = Some(Select {
            token: chat.token(Some(&canvas.workspace.id), None, &turn(page).into()).await?,
            placeholder: "Choose a channel".to_owned(),
            min: 1,
            max: 1,
            choices: shown
                .iter()
                .map(|one| Choice {
                    label: texts::name(&one.name),
                    value: one.id.clone(),
                    detail: None,
                    picked: target.options.place.as_ref() == Some(&one.id),
                })
                .collect(),
        });
    } else {
        let mut buttons = Vec::new();
        for one in shown {
            let mark = if target.options.place.as_ref() == Some(&one.id) { "✓ " } else { "" };
            let press = Press::Place {
                post: post.clone(),
                target: target.id.clone(),
                id: one.id.clone(),
                name: one.name.clone(),
            };
            buttons.push(chat.button(&canvas, format!("{mark}{}", texts::name(&one.name)), press.into()).await?);
        }
        message.rows.extend(buttons.chunks(2).map(<[Button]>::to_vec));
    }
    let mut row = Vec::new();
    if page > 0 {
        row.push(chat.button(&canvas, "Earlier", turn(page - 1).into()).await?);
    }
    if page + 1 < pages {
        row.push(chat.button(&canvas, "Later", turn(page + 1).into()).await?);
    }
    row.push(back);
    talk.instead(message.row(row)).await?;
    Ok(())
}

/// A target goes to that place.
pub(super) async fn place(
    talk: &Talk<'_>,
    post: &PostId,
    target: &TargetId,
    id: String,
    name: String,
) -> Result<(), Refusal> {
    mine(talk, post).await?;
    let flows = &talk.chat.flows;
    let Some(known) = flows.store.target(target).await? else { return Err(Refusal::TooLate) };
    let options = Options { place: Some(id), place_name: Some(name), ..known.options };
    flows.set_target_options(&talk.actor()?, target, &options).await?;
    changed(talk, post, true).await
}
