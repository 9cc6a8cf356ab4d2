//! First steps: using a code, the first card, and help out of the catalogue. It knows no platform.

use bots::{Button, Message};

use super::texts::{self, help};
use super::{Action, Talk, accounts, catalogue, connect, events};
use crate::flows::Refusal;
use crate::flows::team::Welcome;

/// `/start [code]` and `/help [command]`.
pub async fn command(talk: &Talk<'_>, name: &str, arguments: &[String]) -> Result<(), Refusal> {
    match (name, arguments.first()) {
        ("start", Some(code)) => start_with(talk, code).await,
        ("start", None) => start(talk).await,
        (_, command) => tell(talk, command.map(String::as_str)).await,
    }
}

async fn start(talk: &Talk<'_>) -> Result<(), Refusal> {
    if talk.identity.is_none() {
        return talk.stranger().await;
    }
    let Some((workspace, role)) = &talk.workspace else {
        talk.say(texts::no_workspace(talk.is_direct())).await?;
        return Ok(());
    };
    let seen = accounts::all(talk.chat, &talk.actor()?).await?;
    let well = seen.iter().filter(|seen| seen.is_well()).count();
    talk.say(Message::text(help::overview(&workspace.name, seen.len(), well, *role))).await?;
    Ok(())
}

async fn start_with(talk: &Talk<'_>, code: &str) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    // A link into a group can bring a code that is meant for the place.
    if flows.attempt_for_code(talk.place.surface.as_str(), code).await?.is_some() {
        return events::code(talk, code).await;
    }
    if talk.identity.is_some() && connect::resume(talk, code).await? {
        return Ok(());
    }
    let Some(person) = &talk.update.person else { return Ok(()) };
    let who = super::talk::introduced(&talk.place.surface, person);
    let Some(welcome) = flows.redeem(code, who).await? else {
        // Whoever guesses is answered at most hourly, and learns nothing by it.
        if talk.identity.is_some() || flows.store.may_tell_stranger(&talk.place).await? {
            talk.say(Message::text(help::wrong_code())).await?;
        }
        return Ok(());
    };
    // Known from now on, with the direct chat that news can go to.
    let known = Talk::open(talk.chat, talk.update, talk.responder).await?;
    let name = match &welcome {
        Welcome::Linked(_) => name_of(&known, &person.name).await?,
        Welcome::Owner(_) | Welcome::Member(..) => person.name.clone(),
    };
    known.say(first_card(&known, &name, &welcome).await?).await?;
    Ok(())
}

/// What a person is called where they were first known.
async fn name_of(talk: &Talk<'_>, fallback: &str) -> Result<String, Refusal> {
    let (Some(identity), Some((workspace, _))) = (&talk.identity, &talk.workspace) else {
        return Ok(fallback.to_owned());
    };
    let members = talk.chat.flows.store.members(&workspace.id).await?;
    let me = members.into_iter().find(|member| member.person == identity.person);
    Ok(me.map_or_else(|| fallback.to_owned(), |member| member.name))
}

async fn first_card(talk: &Talk<'_>, name: &str, welcome: &Welcome) -> Result<Message, Refusal> {
    let message = Message::text(help::welcome(name, welcome));
    let (workspace, label, press) = match welcome {
        Welcome::Owner(workspace) => (workspace, "Connect an account", accounts::Press::Connect),
        Welcome::Member(workspace, _) => (workspace, "Accounts", accounts::Press::List { page: 0 }),
        Welcome::Linked(_) => return Ok(message),
    };
    let person = talk.identity.as_ref().map(|identity| &identity.person);
    let token = talk.chat.token(Some(&workspace.id), person, &Action::from(press)).await?;
    Ok(message.row([Button::press(label, token)]))
}

async fn tell(talk: &Talk<'_>, command: Option<&str>) -> Result<(), Refusal> {
    if talk.identity.is_none() {
        return talk.stranger().await;
    }
    let role = talk.workspace.as_ref().map(|(_, role)| *role);
    let Some(name) = command else {
        talk.say(help::all(role)).await?;
        return Ok(());
    };
    let name = name.trim_start_matches('/').to_lowercase();
    let message = match catalogue::find(&name) {
        Some(command) => help::one(&command, role),
        None => texts::unknown_command(&name, catalogue::nearest(&name)),
    };
    talk.say(message).await?;
    Ok(())
}
