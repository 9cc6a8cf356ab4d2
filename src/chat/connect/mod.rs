//! Connecting, as people see it: `/connect` and `/reconnect`, what their buttons and typed answers do, and where the
//! private card goes. What happens is decided in `flows::connect`; platforms are known here by their descriptors only.

use bots::{Button, Choice, Failure, Field, Form, Incoming, Message, Select, SurfaceKind};
use serde::{Deserialize, Serialize};
use url::Url;

use super::texts::{self, connect as words};
use super::{Action, Chat, Talk, posts};
use crate::domain::Secret;
use crate::domain::id::{AccountId, AttemptId};
use crate::domain::workspace::Role;
use crate::flows::connect::Returned;
use crate::flows::{Offered, Refusal};
use crate::platforms::{Descriptor, Entry};
use crate::store::{Attempt, Place};

mod card;
mod names;
mod secret;

pub use card::draw;
pub use names::completions;
pub use secret::{is_secret, looks_secret, secret_typed};

use card::{Card, page_size};
use names::Meant;

/// More words than this are no server's name: the person went on to something else.
const SERVER_WORDS: usize = 3;
/// The field of the form that asks for a server.
const SERVER: &str = "server";
/// Buttons in a row of platforms.
const ROW: usize = 3;

/// What buttons, menus and forms about connecting do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    /// Ask which platform, in a new message.
    List,
    /// The menu of platforms: the value is an identifier.
    Menu,
    /// Begin, in place of the pressed card.
    Start {
        /// The platform's identifier.
        platform: String,
        /// Its server.
        instance: Option<String>,
        /// The account to bring back.
        account: Option<AccountId>,
    },
    /// Bring this account back, in a new message: for cards about something else.
    Reconnect(AccountId),
    /// The form that asked for a server was sent; or, pressed as a button, opens it again. The platform's identifier.
    Server(String),
    /// Take back the question for a server.
    Dismiss,
    /// Open the platform's form over the chat; as a form, what was filled in.
    Fill(AttemptId),
    /// Connect the server in which this is pressed.
    Here(AttemptId),
    /// Pick or unpick one.
    Toggle {
        /// The attempt.
        attempt: AttemptId,
        /// What.
        remote_id: String,
        /// The page to stay on.
        page: usize,
    },
    /// Pick all, or none when all are picked; stays on the page.
    All(AttemptId, usize),
    /// Show this page.
    Page(AttemptId, usize),
    /// A menu's page was used: exactly its values are picked there.
    Pick(AttemptId, usize),
    /// Connect what is picked.
    Confirm(AttemptId),
    /// Connect the only one found, though another account was to come back.
    AsNew(AttemptId),
    /// Look again at the place where the bot lacked a right.
    Recheck(AttemptId),
    /// Give up.
    Cancel(AttemptId),
    /// Show the card to its owner.
    Show(AttemptId),
}

/// Questions for typed words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Which server of this platform.
    Server {
        /// The platform's identifier.
        platform: String,
    },
}

/// `/connect [platform] [instance]` and `/reconnect ACCOUNT`.
pub async fn command(talk: &Talk<'_>, name: &str, arguments: &[String]) -> Result<(), Refusal> {
    if looks_secret(&arguments.join(" ")) {
        return secret_typed(talk).await;
    }
    let first = arguments.first().map(String::as_str).unwrap_or_default();
    if name == "reconnect" {
        return reconnect(talk, first).await;
    }
    if first.is_empty() {
        return list(talk, None).await;
    }
    let flows = &talk.chat.flows;
    let second = arguments.get(1).map(String::as_str).filter(|typed| !typed.is_empty());
    match names::meant(&flows.platforms, first) {
        Meant::This(offered) => begin(talk, offered, second, None, false).await,
        // A server's name in place of the platform's says both.
        _ if first.contains('.') => match flows.available().find(|offered| offered.platform.instance(first).is_ok()) {
            Some(offered) => begin(talk, offered, Some(first), None, false).await,
            None => list(talk, Some(words::unknown_platform(first, None))).await,
        },
        Meant::Perhaps(offered) => {
            let descriptor = offered.descriptor();
            let canvas = talk.own_canvas()?;
            let start =
                Press::Start { platform: descriptor.id.to_owned(), instance: second.map(str::to_owned), account: None };
            let yes = talk.chat.button(&canvas, descriptor.name, Action::Connect(start)).await?;
            let other = talk.chat.button(&canvas, "Another one", Action::Connect(Press::List)).await?;
            let text = words::unknown_platform(first, Some(descriptor.name));
            talk.say(Message::text(text).row([yes, other])).await.map(drop)
        }
        Meant::Nothing => list(talk, Some(words::unknown_platform(first, None))).await,
    }
}

/// Asks which platform. Owners see what could be set up besides.
async fn list(talk: &Talk<'_>, trouble: Option<String>) -> Result<(), Refusal> {
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
async fn reconnect(talk: &Talk<'_>, typed: &str) -> Result<(), Refusal> {
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

async fn bring_back(talk: &Talk<'_>, id: &AccountId, instead: bool) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let gone = || Refusal::Gone { what: "account" };
    let account = flows.store.account(&talk.actor()?.workspace, id).await?.ok_or_else(gone)?;
    let offered = flows.offered(&account.platform).ok_or_else(gone)?;
    begin(talk, offered, None, Some(id), instead).await
}

/// Begins connecting, or asks for what is still needed.
async fn begin(
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
        return talk.ask(&super::Question::Connect(question), message.row([dismiss])).await;
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
    talk.ask(&super::Question::Connect(question), message).await
}

async fn opened(talk: &Talk<'_>, form: &Form) -> bool {
    match talk.responder.form(form).await {
        Ok(opened) => opened,
        Err(failure) => {
            tracing::warn!(failure = %failure, "a form was not opened");
            false
        }
    }
}

/// Shows the card of an attempt to the asker alone: here in a direct chat or where the surface has private answers, else
/// in their direct chat, with a word here.
async fn deliver(talk: &Talk<'_>, id: &AttemptId, instead: bool) -> Result<(), Refusal> {
    let Some(card) = Card::of(talk.chat, id.as_str(), talk.update.chat.surface).await? else {
        return Err(Refusal::TooLate);
    };
    let mut message = card.private(0, talk.update.proof.manages_server).await?;
    message.private = !talk.is_direct();
    let owner = talk.identity.as_ref().map(|identity| &identity.person).filter(|_| message.private);
    let shown = if instead { talk.responder.edit(&message).await } else { talk.responder.answer(&message).await };
    match shown {
        Ok(at) => talk.keep_card(id.as_str(), &at, owner).await,
        Err(Failure::NotPrivate) => hand_over(talk, id, Message { private: false, ..message }, instead).await,
        Err(failure) => {
            tracing::warn!(failure = %failure, "a connect card was not shown");
            Ok(())
        }
    }
}

/// Puts the card into the asker's direct chat. Where the bot may not write first, a button here leads them there.
async fn hand_over(talk: &Talk<'_>, id: &AttemptId, message: Message, instead: bool) -> Result<(), Refusal> {
    let surface = talk.update.chat.surface;
    let store = &talk.chat.flows.store;
    let mut arrived = false;
    if let (Some(api), Some(person)) = (talk.chat.surfaces.get(&surface), &talk.update.person)
        && let Ok(direct) = api.direct_chat(&person.id).await
    {
        match api.send(&direct, None, &message).await {
            Ok(at) => {
                let place = Place { surface: surface.as_str().to_owned(), chat: direct, topic: String::new() };
                store.note_chat(&place, "direct", None).await?;
                // The reference is plain strings.
                let reference = Secret::new(serde_json::to_string(&at).unwrap_or_default());
                store.add_card(id.as_str(), &place, None, Some(&reference)).await?;
                arrived = true;
            }
            Err(failure) => tracing::info!(failure = %failure, "a link could not be sent to a direct chat"),
        }
    }
    let notice = if arrived {
        talk.chat.draw(id.as_str(), surface, None, true).await?.ok_or(Refusal::TooLate)?
    } else {
        come_over(talk, id).await?
    };
    let at = if instead { talk.instead(notice).await? } else { talk.say(notice).await? };
    match at {
        Some(at) => talk.keep_card(id.as_str(), &at, None).await,
        None => Ok(()),
    }
}

/// A button into the direct chat, whose token shows the card to its owner and nobody else.
async fn come_over(talk: &Talk<'_>, id: &AttemptId) -> Result<Message, Refusal> {
    let attempt = talk.chat.flows.own_attempt(&talk.actor()?, id).await?;
    let platform = talk.chat.flows.offered(&attempt.platform).map_or("", |offered| offered.descriptor().name);
    let action = Action::Connect(Press::Show(id.clone()));
    let token = talk.chat.token(Some(&attempt.workspace), Some(&attempt.person), &action).await?;
    Ok(match bot_link(talk.chat, talk.update.chat.surface, &format!("start={token}")).await {
        Some(link) => {
            Message::text(words::come_over(platform)).row([Button::link("Open our private chat", link.as_str())])
        }
        None => Message::text(words::come_over_by_hand(platform)),
    })
}

/// A link into a chat with the bot (core.telegram.org/api/links); only Telegram has them.
async fn bot_link(chat: &Chat, surface: SurfaceKind, query: &str) -> Option<Url> {
    if surface != SurfaceKind::Telegram {
        return None;
    }
    let me = chat.surfaces.get(&surface)?.identity().await.ok()?;
    Url::parse(&format!("https://t.me/{}?{query}", me.handle)).ok().map(|url| chat.flows.http.link(&url))
}

/// `/start TOKEN` in a direct chat: shows the card that the token stands for, to its owner only. `false` when the token
/// is none of ours.
///
/// # Errors
/// When the store fails.
pub async fn resume(talk: &Talk<'_>, token: &str) -> Result<bool, Refusal> {
    let Some(pressed) = talk.chat.flows.store.button(token).await? else { return Ok(false) };
    let Ok(Action::Connect(Press::Show(id))) = serde_json::from_str(&pressed.action) else { return Ok(false) };
    let is_owner = talk.identity.as_ref().is_some_and(|identity| pressed.person.as_ref() == Some(&identity.person));
    if !is_owner || !talk.is_direct() {
        talk.say(Message::text(texts::not_your_button())).await?;
    } else if Card::of(talk.chat, id.as_str(), talk.update.chat.surface).await?.is_none() {
        talk.say(Message::text(words::forgotten())).await?;
    } else {
        talk.show_card(id.as_str(), false, true).await?;
    }
    Ok(true)
}

/// A button was pressed, a menu used, a form sent.
pub async fn press(
    talk: &Talk<'_>,
    press: Press,
    values: &[String],
    fields: &[(String, String)],
) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let actor = talk.actor()?;
    let gone = || Refusal::Gone { what: "platform" };
    match press {
        Press::List => {
            flows.require(&actor, Role::Admin).await?;
            list(talk, None).await
        }
        Press::Menu => {
            let offered = values.first().and_then(|id| flows.offered(id)).ok_or_else(gone)?;
            begin(talk, offered, None, None, true).await
        }
        Press::Start { platform, instance, account } => {
            let offered = flows.offered(&platform).ok_or_else(gone)?;
            begin(talk, offered, instance.as_deref(), account.as_ref(), true).await
        }
        Press::Reconnect(account) => bring_back(talk, &account, false).await,
        Press::Server(platform) => {
            let offered = flows.offered(&platform).ok_or_else(gone)?;
            let typed = fields.iter().find(|(name, _)| name == SERVER).map(|(_, typed)| typed.as_str());
            begin(talk, offered, typed, None, false).await
        }
        Press::Dismiss => {
            flows.store.take_question(&talk.place.surface, &talk.place.chat, &actor.person).await?;
            talk.instead(Message::text(words::cancelled())).await.map(drop)
        }
        Press::Fill(id) => fill(talk, &id, fields).await,
        Press::Here(id) => here(talk, &id).await,
        Press::Toggle { attempt, remote_id, page } => {
            unless_late(flows.pick(&actor, &attempt, Some(&remote_id)).await)?;
            show(talk, &attempt, page).await
        }
        Press::All(id, page) => {
            unless_late(flows.pick(&actor, &id, None).await)?;
            show(talk, &id, page).await
        }
        Press::Page(id, page) => {
            flows.own_attempt(&actor, &id).await?;
            show(talk, &id, page).await
        }
        Press::Pick(id, page) => {
            pick(talk, &id, page, values).await?;
            show(talk, &id, page).await
        }
        Press::Confirm(id) => confirm(talk, &id).await,
        Press::AsNew(id) => {
            let attempt = flows.own_attempt(&actor, &id).await?;
            if let (true, Some(offer)) = (attempt.picked.is_empty(), flows.offer(&attempt).await?)
                && let Some((only, _)) = offer.found.iter().find(|(found, _)| found.blocked.is_none())
            {
                unless_late(flows.pick(&actor, &id, Some(&only.remote_id)).await)?;
            }
            confirm(talk, &id).await
        }
        Press::Recheck(id) => recheck(talk, &id).await,
        Press::Cancel(id) => {
            unless_late(flows.cancel_attempt(&actor, &id).await)?;
            show(talk, &id, 0).await
        }
        Press::Show(id) => {
            flows.own_attempt(&actor, &id).await?;
            deliver(talk, &id, false).await
        }
    }
}

/// What came too late is no refusal: the card then shows what is true now.
fn unless_late(result: Result<(), Refusal>) -> Result<(), Refusal> {
    match result {
        Err(Refusal::TooLate) => Ok(()),
        other => other,
    }
}

/// Shows the card as it is now, in place of the pressed one.
async fn show(talk: &Talk<'_>, id: &AttemptId, page: usize) -> Result<(), Refusal> {
    let Some(card) = Card::of(talk.chat, id.as_str(), talk.update.chat.surface).await? else {
        return talk.instead(Message::text(words::forgotten())).await.map(drop);
    };
    let mut message = card.private(page, talk.update.proof.manages_server).await?;
    message.private = !talk.is_direct();
    let owner = talk.identity.as_ref().map(|identity| &identity.person).filter(|_| message.private);
    match talk.instead(message).await? {
        Some(at) => talk.keep_card(id.as_str(), &at, owner).await,
        None => Ok(()),
    }
}

/// On a menu's page exactly the chosen are picked; other pages stay as they are.
async fn pick(talk: &Talk<'_>, id: &AttemptId, page: usize, values: &[String]) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let actor = talk.actor()?;
    let attempt = flows.own_attempt(&actor, id).await?;
    let Some(offer) = flows.offer(&attempt).await? else { return Ok(()) };
    let size = page_size(talk.update.chat.surface);
    let free = offer.found.iter().filter(|(found, _)| found.blocked.is_none()).enumerate();
    for (at, (found, _)) in free.skip(page * size).take(size) {
        let wanted = values.iter().any(|value| value.parse() == Ok(at));
        if wanted != offer.picked.contains(&found.remote_id) {
            unless_late(flows.pick(&actor, id, Some(&found.remote_id)).await)?;
        }
    }
    Ok(())
}

async fn confirm(talk: &Talk<'_>, id: &AttemptId) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    match flows.confirm(&talk.actor()?, id).await {
        Ok(_) => {
            if let Some(attempt) = flows.store.attempt(id).await? {
                turn_alerts_on(talk.chat, &attempt).await?;
            }
            show(talk, id, 0).await
        }
        Err(Refusal::TooLate) => show(talk, id, 0).await,
        Err(Refusal::BadInput(_)) => {
            talk.toast(words::pick_one()).await;
            Ok(())
        }
        Err(other) => Err(other),
    }
}

/// A workspace whose alerts go nowhere yet gets them where its first account was connected.
async fn turn_alerts_on(chat: &Chat, attempt: &Attempt) -> Result<(), Refusal> {
    let store = &chat.flows.store;
    if !store.alert_chats(&attempt.workspace).await?.is_empty() {
        return Ok(());
    }
    let Some(known) = store.chat(&attempt.place).await? else { return Ok(()) };
    let is_ours = known.workspace.as_ref() == Some(&attempt.workspace);
    if is_ours || (known.kind == "direct" && known.workspace.is_none()) {
        store.bind_chat(&attempt.place, Some(&attempt.workspace), true).await?;
    }
    Ok(())
}

/// Opens the platform's form over the chat, or takes what was filled in.
async fn fill(talk: &Talk<'_>, id: &AttemptId, fields: &[(String, String)]) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let actor = talk.actor()?;
    let attempt = flows.own_attempt(&actor, id).await?;
    let descriptor = flows.offered(&attempt.platform).ok_or(Refusal::TooLate)?.descriptor();
    let Entry::Form(asked) = descriptor.entry else { return Err(Refusal::TooLate) };
    let canvas = talk.own_canvas()?;
    if fields.is_empty() {
        if !flows.is_open(&attempt) {
            return show(talk, id, 0).await;
        }
        let press = Action::Connect(Press::Fill(id.clone()));
        let token = talk.chat.token(Some(&attempt.workspace), Some(&attempt.person), &press).await?;
        let fields = asked.iter().map(|field| Field {
            name: field.name.to_owned(),
            label: field.label.to_owned(),
            placeholder: field.placeholder.to_owned(),
            value: String::new(),
            long: false,
            required: !field.optional,
        });
        let form = Form { token, title: format!("Connect {}", descriptor.name), fields: fields.collect() };
        return if opened(talk, &form).await { Ok(()) } else { show(talk, id, 0).await };
    }
    let fields = fields.iter().map(|(name, value)| (name.clone(), Secret::new(value.clone()))).collect();
    match flows.submit_in_chat(&actor, id, fields).await? {
        Returned::Again { why, fix } => {
            let again = talk.chat.button(&canvas, "Fill in again", Action::Connect(Press::Fill(id.clone()))).await?;
            let mut message = Message::text(texts::because(&why, &fix)).row([again]);
            message.private = !talk.is_direct();
            talk.say(message).await.map(drop)
        }
        Returned::Found { .. } | Returned::Failed { .. } | Returned::TooLate => show(talk, id, 0).await,
    }
}

/// Connects the server in which the button is pressed. The press is signed and says what the presser may do there.
async fn here(talk: &Talk<'_>, id: &AttemptId) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let attempt = flows.own_attempt(&talk.actor()?, id).await?;
    let bot = flows.offered(&attempt.platform).and_then(|offered| offered.descriptor().bot);
    let is_its_bot = bot == Some(talk.update.chat.surface.as_str());
    match &talk.update.chat.server {
        Some(server) if is_its_bot && talk.update.proof.manages_server => {
            flows.connect_place(attempt, server).await?;
            show(talk, id, 0).await
        }
        _ => {
            talk.toast(words::not_proven()).await;
            Ok(())
        }
    }
}

/// Looks again at the place where the bot lacked a right. That the asker may act for it was proven when it was found.
async fn recheck(talk: &Talk<'_>, id: &AttemptId) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let actor = talk.actor()?;
    let attempt = flows.own_attempt(&actor, id).await?;
    let Some(offer) = flows.offer(&attempt).await? else { return show(talk, id, 0).await };
    let Some((found, _)) = offer.found.first() else { return show(talk, id, 0).await };
    let actor = crate::flows::Actor { place: attempt.place.clone(), ..actor };
    let started = flows.connect(&actor, &attempt.platform, None, attempt.account.as_ref()).await?;
    // Their cards go on with the new attempt; only then the old one ends, so that it is not shown as cancelled.
    for card in flows.store.cards(id.as_str()).await? {
        flows.store.point_card(&card.id, started.attempt.as_str()).await?;
    }
    unless_late(flows.cancel_attempt(&actor, id).await)?;
    let renewed = flows.own_attempt(&actor, &started.attempt).await?;
    flows.connect_place(renewed, &found.remote_id).await?;
    show(talk, &started.attempt, 0).await
}

/// Typed words answer a question of ours.
pub async fn answer(talk: &Talk<'_>, question: Question, incoming: &Incoming) -> Result<(), Refusal> {
    let Question::Server { platform } = question;
    let typed = incoming.text.plain.trim();
    let went_on = !incoming.files.is_empty() || typed.split_whitespace().count() > SERVER_WORDS;
    if went_on && talk.is_direct() {
        return posts::plain_message(talk, incoming).await;
    }
    let flows = &talk.chat.flows;
    let offered = flows.offered(&platform).ok_or(Refusal::Gone { what: "platform" })?;
    // The role is looked up when it matters, and the workspace is where they are now.
    begin(talk, offered, Some(typed), None, false).await
}
