//! How connecting begins: which platform, which account, which server, each asked only where it is not said already.

use bots::{Choice, Failure, Field, Form, Message, Select, SurfaceKind};

use super::private::deliver;
use super::{Press, Question, SERVER};
use crate::chat::texts::{self, connect as words};
use crate::chat::{Action, Talk};
use crate::domain::id::AccountId;
use crate::domain::workspace::Role;
use crate::flows::{Offered, Refusal};
use crate::platforms::{Descriptor, Entry};

/// Buttons in a row of platforms.
const ROW: usize = 3;

/// Asks which platform. Owners see what could be set up besides.
pub(super) async fn list(talk: &Talk<'_>, trouble: Option<String>) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let canvas = talk.own_canvas()?;
    let is_owner = talk.workspace.as_ref().is_some_and(|(_, role)| *role == Role::Owner);
    let not_ready: Vec<words::NotReady<'_>> = flows
        .platforms
        .iter()
        .filter(|offered| is_owner && offered.enabled && !offered.missing.is_empty())
        .map(|offered| words::NotReady { platform: offered.descriptor().name, missing: &offered.missing })
        .collect();
    let available: Vec<&Descriptor> = flows.available().map(Offered::descriptor).collect();
    let question = words::choose(!available.is_empty(), &not_ready);
    let mut message = match trouble {
        Some(trouble) => {
            let mut text = bots::Text::from(format!("{trouble}\n"));
            text.append(&question);
            Message::text(text)
        }
        None => Message::text(question),
    };
    if canvas.surface == SurfaceKind::Discord && !available.is_empty() {
        let token =
            talk.chat.token(Some(&canvas.workspace.id), canvas.person.as_ref(), &Action::Connect(Press::Menu)).await?;
        let choices = available.iter().map(|descriptor| Choice {
            label: descriptor.name.to_owned(),
            value: descriptor.id.to_owned(),
            detail: Some(descriptor.hint.to_owned()),
            picked: false,
        });
        let placeholder = words::choose_menu().to_owned();
        message.select = Some(Select { token, placeholder, min: 1, max: 1, choices: choices.collect() });
    } else {
        for descriptors in available.chunks(ROW) {
            let mut row = Vec::new();
            for descriptor in descriptors {
                let platform = descriptor.id.to_owned();
                let press = Press::Start { platform, instance: None, account: None };
                row.push(talk.chat.button(&canvas, descriptor.name, Action::Connect(press)).await?);
            }
            message = message.row(row);
        }
    }
    // Where it can be for the asker alone it is; elsewhere it tells nothing that others may not see.
    let private = Message { private: !talk.is_direct(), ..message.clone() };
    match talk.responder.answer(&private).await {
        Err(Failure::NotPrivate) => talk.say(message).await.map(drop),
        Err(failure) => {
            tracing::warn!(failure = %failure, "the choice of platforms was not shown");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// Brings an account back that is named by what was typed.
pub(super) async fn reconnect(talk: &Talk<'_>, typed: &str) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let found = flows.find_accounts(&talk.actor()?, typed).await?;
    match found.as_slice() {
        [] => talk.say(Message::text(words::no_account(typed))).await.map(drop),
        [only] => bring_back(talk, &only.id, false).await,
        several => {
            let canvas = talk.own_canvas()?;
            let mut message = Message::text(words::which_account());
            for account in several {
                let name = flows.offered(&account.platform).map_or("", |offered| offered.descriptor().name);
                let press = Press::Start {
                    platform: account.platform.clone(),
                    instance: None,
                    account: Some(account.id.clone()),
                };
                let label = words::account(account, name);
                message = message.row([talk.chat.button(&canvas, label, Action::Connect(press)).await?]);
            }
            talk.say(message).await.map(drop)
        }
    }
}

pub(super) async fn bring_back(talk: &Talk<'_>, id: &AccountId, instead: bool) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let gone = || Refusal::Gone { what: "account" };
    let account = flows.store.account(&talk.actor()?.workspace, id).await?.ok_or_else(gone)?;
    let offered = flows.offered(&account.platform).ok_or_else(gone)?;
    begin(talk, offered, None, Some(id), instead).await
}

/// Begins connecting, or asks for what is still needed.
pub(super) async fn begin(
    talk: &Talk<'_>,
    offered: &Offered,
    instance: Option<&str>,
    account: Option<&AccountId>,
    instead: bool,
) -> Result<(), Refusal> {
    let descriptor = offered.descriptor();
    let is_owner = talk.workspace.as_ref().is_some_and(|(_, role)| *role == Role::Owner);
    if !offered.missing.is_empty() && !is_owner {
        return talk.say(Message::text(words::not_ready(descriptor.name))).await.map(drop);
    }
    let asks = matches!(descriptor.entry, Entry::Instance { .. }) && account.is_none();
    if let (true, None, true) = (asks, instance, offered.missing.is_empty()) {
        return ask_server(talk, descriptor, None).await;
    }
    match talk.chat.flows.connect(&talk.actor()?, descriptor.id, instance, account).await {
        Ok(started) => deliver(talk, &started.attempt, instead).await,
        Err(Refusal::BadInput(why)) if asks => ask_server(talk, descriptor, Some(&why)).await,
        Err(Refusal::Platform { platform, fault }) if asks => {
            ask_server(talk, descriptor, Some(&texts::fault(platform, &fault))).await
        }
        Err(Refusal::Platform { platform, fault }) => {
            let again = Press::Start {
                platform: descriptor.id.to_owned(),
                instance: instance.map(str::to_owned),
                account: account.cloned(),
            };
            let again = talk.chat.button(&talk.own_canvas()?, "Try again", Action::Connect(again)).await?;
            let message = Message::text(texts::fault(platform, &fault)).row([again]);
            if instead { talk.instead(message).await.map(drop) } else { talk.say(message).await.map(drop) }
        }
        Err(other) => Err(other),
    }
}

/// Asks which server, by what the surface has: the next line in a direct chat, else a form, else a reply.
async fn ask_server(talk: &Talk<'_>, descriptor: &Descriptor, trouble: Option<&str>) -> Result<(), Refusal> {
    let Entry::Instance { example } = descriptor.entry else { return Err(Refusal::Gone { what: "server" }) };
    let canvas = talk.own_canvas()?;
    let mut message = Message::text(words::which_server(example, trouble));
    let question = Question::Server { platform: descriptor.id.to_owned() };
    if talk.is_direct() {
        let dismiss = talk.chat.button(&canvas, "Cancel", Action::Connect(Press::Dismiss)).await?;
        return talk.ask(&crate::chat::Question::Connect(question), message.row([dismiss])).await;
    }
    let press = Action::Connect(Press::Server(descriptor.id.to_owned()));
    let token = talk.chat.token(Some(&canvas.workspace.id), canvas.person.as_ref(), &press).await?;
    let (title, label) = words::server_form(descriptor.name);
    let field = Field {
        name: SERVER.to_owned(),
        label: label.to_owned(),
        placeholder: example.to_owned(),
        value: String::new(),
        long: false,
        required: true,
    };
    if trouble.is_none() && opened(talk, &Form { token, title, fields: vec![field] }).await {
        return Ok(());
    }
    if canvas.surface == SurfaceKind::Discord {
        // A form can't follow a form: the trouble is told first, and a button opens the next one.
        let again = talk.chat.button(&canvas, "Type it", press).await?;
        return talk.say(message.row([again]).private()).await.map(drop);
    }
    message.ask = Some(example.to_owned());
    talk.ask(&crate::chat::Question::Connect(question), message).await
}

pub(super) async fn opened(talk: &Talk<'_>, form: &Form) -> bool {
    match talk.responder.form(form).await {
        Ok(opened) => opened,
        Err(failure) => {
            tracing::warn!(failure = %failure, "a form was not opened");
            false
        }
    }
}
