//! The one card of an attempt, drawn from its row in every stage: link, pick, result. What only the asker may see is left
//! out where others read along. It changes nothing.

use bots::{Button, Choice, Message, Select, SurfaceKind, Text};

use super::Press;
use super::private::bot_link;
use crate::chat::texts::{self, connect as words};
use crate::chat::{Action, Canvas, Chat};
use crate::domain::account::Account;
use crate::domain::id::{AttemptId, PersonId};
use crate::domain::workspace::Workspace;
use crate::flows::connect::{Offer, Outcome, PICK_LIFE};
use crate::flows::{Offered, Refusal};
use crate::platforms::{Descriptor, Entry, Found};
use crate::store::{Attempt, Stage};

/// Things to pick on one page, where each is a button.
const BUTTONS: usize = 20;
/// Things to pick on one page of a menu (Discord's limit).
const CHOICES: usize = 25;

/// Draws the card about the attempt `subject`. With `shared` and no `person` others read along.
pub async fn draw(
    chat: &Chat,
    subject: &str,
    surface: SurfaceKind,
    person: Option<&PersonId>,
    shared: bool,
) -> Result<Option<Message>, Refusal> {
    let Some(card) = Card::of(chat, subject, surface).await? else { return Ok(None) };
    if shared && person.is_none() { card.public().await.map(Some) } else { card.private(0, false).await.map(Some) }
}

/// An attempt with what its card needs.
pub(super) struct Card<'a> {
    chat: &'a Chat,
    attempt: Attempt,
    descriptor: &'static Descriptor,
    workspace: Workspace,
    canvas: Canvas,
}

impl<'a> Card<'a> {
    /// Reads the attempt; `None` when it is gone.
    pub(super) async fn of(chat: &'a Chat, subject: &str, surface: SurfaceKind) -> Result<Option<Self>, Refusal> {
        let store = &chat.flows.store;
        let Some(attempt) = store.attempt(&AttemptId::from(subject.to_owned())).await? else { return Ok(None) };
        let Some(workspace) = store.workspace(&attempt.workspace).await? else { return Ok(None) };
        let Some(descriptor) = chat.flows.offered(&attempt.platform).map(Offered::descriptor) else { return Ok(None) };
        let canvas =
            Canvas { surface, workspace: workspace.clone(), person: Some(attempt.person.clone()), shared: false };
        Ok(Some(Self { chat, attempt, descriptor, workspace, canvas }))
    }

    /// The attempt as it was read.
    pub(super) fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    async fn button(&self, label: impl Into<String>, press: Press) -> Result<Button, Refusal> {
        Ok(self.chat.button(&self.canvas, label, Action::Connect(press)).await?)
    }

    async fn cancel(&self) -> Result<Button, Refusal> {
        self.button("Cancel", Press::Cancel(self.attempt.id.clone())).await
    }

    /// Begins the same again, in place of this card.
    async fn again(&self, label: &str) -> Result<Button, Refusal> {
        let Attempt { platform, instance, account, .. } = self.attempt.clone();
        self.button(label, Press::Start { platform, instance, account }).await
    }

    async fn ended(&self, text: impl Into<Text>, again: &str) -> Result<Message, Refusal> {
        Ok(Message::text(text).row([self.again(again).await?]))
    }

    /// For the asker alone. With `in_server` it is drawn in a server whose manager looks at it.
    pub(super) async fn private(&self, page: usize, in_server: bool) -> Result<Message, Refusal> {
        let flows = &self.chat.flows;
        match self.attempt.stage {
            Stage::Open if flows.is_open(&self.attempt) => self.open(in_server).await,
            Stage::Open => self.ended(words::expired(), "New link").await,
            Stage::Answered => Ok(Message::text(words::answered(self.descriptor.name)).row([self.cancel().await?])),
            Stage::Found if self.attempt.expires_at + PICK_LIFE < flows.clock.now() => {
                self.ended(words::pick_expired(), "Start again").await
            }
            Stage::Found => match flows.offer(&self.attempt).await? {
                Some(offer) => self.found(&offer, page).await,
                None => self.ended(words::pick_expired(), "Start again").await,
            },
            Stage::Done => self.done(true).await,
            Stage::Failed => match Outcome::of(&self.attempt) {
                Some(Outcome::Failed { why, fix }) => self.ended(words::failed(&why, &fix), "Try again").await,
                Some(Outcome::Interrupted) => self.ended(words::interrupted(self.descriptor.name), "Try again").await,
                _ => self.ended(words::cancelled(), "Start again").await,
            },
        }
    }

    /// Where others read along: who connects what, and what came of it.
    async fn public(&self) -> Result<Message, Refusal> {
        match self.attempt.stage {
            Stage::Done => self.done(false).await,
            Stage::Failed => Ok(Message::text(words::came_to_nothing(self.descriptor.name))),
            Stage::Open | Stage::Answered | Stage::Found => {
                let people = self.chat.flows.store.identities(&self.attempt.person).await?;
                let here = people.iter().find(|identity| identity.surface == self.attempt.place.surface);
                let name = here.or(people.first()).map_or("Somebody", |identity| &identity.name);
                Ok(Message::text(words::going_on(name, self.descriptor.name)))
            }
        }
    }

    async fn open(&self, in_server: bool) -> Result<Message, Refusal> {
        let flows = &self.chat.flows;
        let id = &self.attempt.id;
        let Some(link) = flows.link_of(&self.attempt) else {
            return self.ended(words::expired(), "New link").await;
        };
        let reconnect = match &self.attempt.account {
            Some(id) => flows.store.account(&self.attempt.workspace, id).await?,
            None => None,
        };
        let is_bot = self.descriptor.entry == Entry::Bot;
        let until = texts::until(self.attempt.expires_at, &self.workspace.timezone);
        let mut message = Message::text(words::open(&words::Open {
            descriptor: self.descriptor,
            instance: self.attempt.instance.as_deref(),
            reconnect: reconnect.as_ref(),
            code: self.attempt.state.as_ref().filter(|_| is_bot).map(crate::domain::Secret::expose),
            until: &until,
        }));
        let mut row = Vec::new();
        // Discord's form opens over the chat; the page does the same for whoever prefers it.
        if matches!(self.descriptor.entry, Entry::Form(_)) && self.canvas.surface == SurfaceKind::Discord {
            row.push(self.button("Fill in here", Press::Fill(id.clone())).await?);
        }
        row.push(Button::link(words::open_button(self.descriptor, reconnect.is_some()), link.as_str()));
        // A link into a chat adds the bot either to channels or to groups; the connector's own is for channels.
        if is_bot
            && let Some(surface) = self.descriptor.bot.and_then(SurfaceKind::parse)
            && let Some(group) = bot_link(self.chat, surface, "startgroup&admin=delete_messages").await
        {
            row.push(Button::link("Add me to a group", group.as_str()));
        }
        message = message.row(row);
        let mut row = Vec::new();
        if in_server && self.descriptor.bot == Some(self.canvas.surface.as_str()) {
            row.push(self.button(format!("Connect this {}", self.descriptor.noun), Press::Here(id.clone())).await?);
        }
        row.push(self.cancel().await?);
        Ok(message.row(row))
    }

    async fn found(&self, offer: &Offer, page: usize) -> Result<Message, Refusal> {
        let free: Vec<&(Found, Option<Account>)> =
            offer.found.iter().filter(|(found, _)| found.blocked.is_none()).collect();
        let mut text = match (&offer.stranger_to, free.as_slice()) {
            (_, []) => Text::from(words::none_free(self.descriptor.name)),
            (Some(expected), _) => {
                let found: Vec<&Found> = free.iter().map(|(found, _)| found).collect();
                words::stranger(expected, &found, self.descriptor.name)
            }
            (None, [(only, known)]) => {
                words::one_found(only, known.as_ref(), self.descriptor.name, &self.workspace.name)
            }
            (None, several) => words::several_found(several.len(), self.descriptor, &self.workspace.name),
        };
        for (found, _) in &offer.found {
            if let Some(why) = &found.blocked {
                text.push("\n").push(&words::blocked(found, why));
            }
        }
        if !offer.missing.is_empty() && !free.is_empty() {
            text.push("\n").push(&words::missing(&offer.missing));
        }
        let mut message = Message::text(text);
        match free.as_slice() {
            [] => return self.nothing_free(message).await,
            [_] => {}
            several => message = self.picks(message, offer, several, page).await?,
        }
        message = message.row(self.confirming(offer, free.len()).await?);
        Ok(message)
    }

    async fn nothing_free(&self, message: Message) -> Result<Message, Refusal> {
        let check = match self.descriptor.entry {
            Entry::Bot => self.button("Check again", Press::Recheck(self.attempt.id.clone())).await?,
            _ => self.again("Try again").await?,
        };
        Ok(message.row([check, self.cancel().await?]))
    }

    /// The last row: connect, or the way back.
    async fn confirming(&self, offer: &Offer, free: usize) -> Result<Vec<Button>, Refusal> {
        let id = self.attempt.id.clone();
        let picked = offer.picked.len();
        let mut row = Vec::new();
        match (&offer.stranger_to, free) {
            (Some(_), 1) => row.push(self.button("Connect it as new", Press::AsNew(id)).await?),
            (Some(_), _) if picked > 0 => {
                row.push(self.button(format!("Connect {picked} as new"), Press::Confirm(id)).await?)
            }
            (None, 1) if offer.missing.is_empty() => row.push(self.button("Connect", Press::Confirm(id)).await?),
            (None, 1) => row.push(self.button("Connect anyway", Press::Confirm(id)).await?),
            // Pressing it with nothing picked says what to do.
            (_, _) => row.push(self.button(format!("Connect {picked}"), Press::Confirm(id)).await?),
        }
        if let Some(expected) = &offer.stranger_to {
            row.push(self.again(&format!("Try again as {}", texts::name(&expected.name))).await?);
        } else if !offer.missing.is_empty() {
            row.push(self.again("Try again").await?);
        }
        row.push(self.cancel().await?);
        Ok(row)
    }

    /// What there is to pick: a menu on Discord, buttons with marks elsewhere; over pages where it is much.
    async fn picks(
        &self,
        mut message: Message,
        offer: &Offer,
        free: &[&(Found, Option<Account>)],
        page: usize,
    ) -> Result<Message, Refusal> {
        let id = &self.attempt.id;
        let is_menu = self.canvas.surface == SurfaceKind::Discord;
        let size = page_size(self.canvas.surface);
        let last = free.len().div_ceil(size).saturating_sub(1);
        let page = page.min(last);
        let shown = free.iter().enumerate().skip(page * size).take(size);
        let is_picked = |found: &Found| offer.picked.contains(&found.remote_id);
        if is_menu {
            let choices: Vec<Choice> = shown
                .map(|(at, (found, known))| Choice {
                    label: texts::name(&found.name),
                    value: at.to_string(),
                    detail: words::choice_detail(found, known.is_some()),
                    picked: is_picked(found),
                })
                .collect();
            let press = Action::Connect(Press::Pick(id.clone(), page));
            message.select = Some(Select {
                token: self.chat.token(Some(&self.workspace.id), Some(&self.attempt.person), &press).await?,
                placeholder: format!("Choose {}", texts::counted(free.len(), self.descriptor.noun)),
                min: 0,
                // At most 25 fit on a page.
                max: u8::try_from(choices.len()).unwrap_or(u8::MAX),
                choices,
            });
        } else {
            for (_, (found, known)) in shown {
                let press = Press::Toggle { attempt: id.clone(), remote_id: found.remote_id.clone(), page };
                message =
                    message.row([self.button(words::toggle(found, known.is_some(), is_picked(found)), press).await?]);
            }
        }
        let mut row = Vec::new();
        if page > 0 {
            row.push(self.button("Back", Press::Page(id.clone(), page - 1)).await?);
        }
        let all = if offer.picked.len() == free.len() { "None" } else { "All" };
        row.push(self.button(all, Press::All(id.clone(), page)).await?);
        if page < last {
            row.push(
                self.button(format!("More ({} of {})", page + 1, last + 1), Press::Page(id.clone(), page + 1)).await?,
            );
        }
        Ok(message.row(row))
    }

    async fn done(&self, is_own: bool) -> Result<Message, Refusal> {
        let flows = &self.chat.flows;
        let Some(Outcome::Connected { accounts }) = Outcome::of(&self.attempt) else {
            return self.ended(words::forgotten(), "Start again").await;
        };
        let mut text = Text::default();
        let mut grant = None;
        for id in &accounts {
            if let Some(account) = flows.store.account(&self.attempt.workspace, id).await? {
                text.append(&words::done(&account, self.descriptor.name, &self.workspace.name)).push("\n");
                grant = account.grant;
            }
        }
        if text.plain.is_empty() {
            text.push(&words::done_and_gone(self.descriptor.name)).push("\n");
        } else {
            let until = match &grant {
                Some(grant) => flows.store.grant(grant).await?.and_then(|grant| grant.tokens.refresh_expires_at),
                None => None,
            };
            let until = until.map(|until| texts::day(until, &self.workspace.timezone, flows.clock.now()));
            text.push(&words::lasts(self.descriptor, until.as_deref())).push("\n");
        }
        let mut alerts = Vec::new();
        for chat in flows.store.alert_chats(&self.workspace.id).await? {
            let is_direct = chat.kind == "direct";
            alerts.push(match chat.title {
                _ if chat.place == self.attempt.place && (is_direct || !is_own) => "this chat".to_owned(),
                Some(title) if !is_direct => texts::name(&title),
                _ if is_direct => "a private chat".to_owned(),
                _ => "a group".to_owned(),
            });
        }
        text.push(&words::next_steps(&alerts, is_own));
        let message = Message::text(text);
        Ok(if is_own { message.row([self.button("Connect another", Press::List).await?]) } else { message })
    }
}

/// How much there is to pick on one page.
pub(super) fn page_size(surface: SurfaceKind) -> usize {
    if surface == SurfaceKind::Discord { CHOICES } else { BUTTONS }
}
