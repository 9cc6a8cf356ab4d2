//! One update being answered: who speaks, in which workspace, and the ways to answer. It decides which topic a command,
//! press or typed word belongs to, and checks roles before anything happens.

use bots::{ChatKind, Choice, Incoming, Message, MessageRef, Responder, Update, UpdateKind};
use futures::future::BoxFuture;

use super::action::{Action, Question};
use super::{Canvas, Chat, accounts, catalogue, connect, help, posts, run, team, texts};
use crate::domain::Secret;
use crate::domain::workspace::{Role, Workspace};
use crate::flows::{Actor, Refusal};
use crate::store::{IdentityRow, Place};

/// One update being answered.
pub struct Talk<'a> {
    /// The room.
    pub chat: &'a Chat,
    /// What happened.
    pub update: &'a Update,
    /// How to answer.
    pub responder: &'a dyn Responder,
    /// Where it happened.
    pub place: Place,
    /// Who speaks, if we know them.
    pub identity: Option<IdentityRow>,
    /// The workspace this is about, with the speaker's role in it.
    pub workspace: Option<(Workspace, Role)>,
}

impl<'a> Talk<'a> {
    /// Finds out who speaks and where.
    pub async fn open(chat: &'a Chat, update: &'a Update, responder: &'a dyn Responder) -> Result<Self, Refusal> {
        let store = &chat.flows.store;
        let surface = update.chat.surface.as_str();
        let place = Place {
            surface: surface.to_owned(),
            chat: update.chat.id.clone(),
            topic: update.chat.topic.clone().unwrap_or_default(),
        };
        let kind = match update.chat.kind {
            ChatKind::Direct => "direct",
            ChatKind::Group => "group",
            ChatKind::Broadcast => "broadcast",
        };
        store.note_chat(&place, kind, update.chat.title.as_deref()).await?;
        let mut identity = None;
        if let Some(person) = &update.person {
            identity = store.identity(surface, &person.id).await?;
            if identity.is_none() && surface == bots::SurfaceKind::Console.as_str() {
                chat.flows.operator_at_console(introduced(surface, person)).await?;
                identity = store.identity(surface, &person.id).await?;
            }
            if identity.is_some() {
                let direct = (update.chat.kind == ChatKind::Direct).then_some(update.chat.id.as_str());
                store.refresh_identity(surface, &person.id, &person.name, person.handle.as_deref(), direct).await?;
            }
        }
        let mut talk = Self { chat, update, responder, place, identity, workspace: None };
        talk.workspace = talk.find_workspace().await?;
        Ok(talk)
    }

    /// A group belongs to at most one workspace; in a direct chat the person's current one counts.
    async fn find_workspace(&self) -> Result<Option<(Workspace, Role)>, Refusal> {
        let Some(identity) = &self.identity else { return Ok(None) };
        let flows = &self.chat.flows;
        let id = if self.is_direct() {
            flows.workspace_of(identity).await?
        } else {
            flows.store.chat(&self.place).await?.and_then(|chat| chat.workspace)
        };
        let Some(id) = id else { return Ok(None) };
        let Some(workspace) = flows.store.workspace(&id).await? else { return Ok(None) };
        let role = flows.store.role(&id, &identity.person).await?;
        Ok(role.map(|role| (workspace, role)))
    }

    /// Whether nobody else reads along.
    pub fn is_direct(&self) -> bool {
        self.update.chat.kind == ChatKind::Direct
    }

    /// Who acts, for the flows.
    ///
    /// # Errors
    /// [`Refusal::Gone`] when the speaker is in no workspace here.
    pub fn actor(&self) -> Result<Actor, Refusal> {
        match (&self.identity, &self.workspace) {
            (Some(identity), Some((workspace, _))) => Ok(Actor {
                person: identity.person.clone(),
                workspace: workspace.id.clone(),
                place: self.place.clone(),
            }),
            _ => Err(Refusal::Gone { what: "workspace" }),
        }
    }

    /// For whom answers are drawn: buttons for anyone here whose role suffices.
    ///
    /// # Errors
    /// As [`Talk::actor`].
    pub fn canvas(&self) -> Result<Canvas, Refusal> {
        let (workspace, _) = self.workspace.as_ref().ok_or(Refusal::Gone { what: "workspace" })?;
        Ok(Canvas {
            surface: self.update.chat.surface,
            workspace: workspace.clone(),
            person: None,
            shared: !self.is_direct(),
        })
    }

    /// As [`Talk::canvas`], with buttons for the speaker alone.
    ///
    /// # Errors
    /// As [`Talk::actor`].
    pub fn own_canvas(&self) -> Result<Canvas, Refusal> {
        Ok(Canvas { person: Some(self.actor()?.person), ..self.canvas()? })
    }

    /// Says something new.
    pub async fn say(&self, message: Message) -> Result<Option<MessageRef>, Refusal> {
        Ok(heard(self.responder.answer(&message).await))
    }

    /// Says something in place of the message whose button was pressed.
    pub async fn instead(&self, message: Message) -> Result<Option<MessageRef>, Refusal> {
        Ok(heard(self.responder.edit(&message).await))
    }

    /// Says a short thing without a message.
    pub async fn toast(&self, text: &str) {
        if let Err(failure) = self.responder.toast(text).await {
            tracing::debug!(failure = %failure, "a toast was not shown");
        }
    }

    /// Shows the card about `subject`, and keeps it up to date from now on. With `instead`, in place of the message whose
    /// button was pressed.
    pub async fn show_card(&self, subject: &str, instead: bool, private: bool) -> Result<(), Refusal> {
        let person = self.identity.as_ref().map(|identity| identity.person.clone());
        let private = private && !self.is_direct();
        let owner = if private { person.as_ref() } else { None };
        let Some(mut message) =
            self.chat.draw(subject, self.update.chat.surface, owner, !self.is_direct() && !private).await?
        else {
            return Err(Refusal::TooLate);
        };
        message.private = private;
        let at = if instead { self.instead(message).await? } else { self.say(message).await? };
        if let Some(at) = at {
            self.keep_card(subject, &at, owner).await?;
        }
        Ok(())
    }

    /// Notes that a message shows `subject`.
    pub async fn keep_card(
        &self,
        subject: &str,
        at: &MessageRef,
        person: Option<&crate::domain::id::PersonId>,
    ) -> Result<(), Refusal> {
        let store = &self.chat.flows.store;
        // The reference is plain strings.
        let reference = Secret::new(serde_json::to_string(at).unwrap_or_default());
        for card in store.cards(subject).await? {
            let known = card.message.as_ref().and_then(|known| serde_json::from_str::<MessageRef>(known.expose()).ok());
            if known.is_some_and(|known| known.id == at.id && known.chat == at.chat) {
                return Ok(store.card_shown(&card.id, Some(&reference), "").await?);
            }
        }
        store.add_card(subject, &self.place, person, Some(&reference)).await?;
        Ok(())
    }

    /// Asks the speaker for typed words; the next plain message they write here answers.
    pub async fn ask(&self, question: &Question, message: Message) -> Result<(), Refusal> {
        let actor = self.actor()?;
        // Enums of strings and ids always serialize.
        let what = serde_json::to_string(question).unwrap_or_default();
        let until = self.chat.flows.clock.now() + crate::flows::connect::LINK_LIFE;
        self.chat.flows.store.ask(&self.place.surface, &self.place.chat, &actor.person, &what, until).await?;
        self.say(message).await?;
        Ok(())
    }

    /// Acts on the update.
    pub async fn act(self) -> Result<(), Refusal> {
        match &self.update.kind {
            UpdateKind::Command { name, arguments, incoming } => self.command(name, arguments, incoming).await,
            UpdateKind::Message(incoming) => self.message(incoming).await,
            UpdateKind::Press(token) => self.press(token, &[], &[]).await,
            UpdateKind::Select { token, values } => self.press(token, values, &[]).await,
            UpdateKind::Form { token, fields } => self.press(token, &[], fields).await,
            UpdateKind::Membership(_) | UpdateKind::Migrated { .. } => Ok(()),
        }
    }

    async fn command(&self, name: &str, arguments: &[String], incoming: &Incoming) -> Result<(), Refusal> {
        // A connect code is posted in the place itself, by a channel or an admin whom we may not know.
        if name == "connect" && arguments.first().is_some_and(|word| word.starts_with("tp-")) {
            return boxed(|| super::events::code(self, &arguments[0])).await;
        }
        let Some(command) = catalogue::find(name) else {
            if self.identity.is_none() {
                return self.stranger().await;
            }
            self.say(texts::unknown_command(name, catalogue::nearest(name))).await?;
            return Ok(());
        };
        if let Some(needs) = command.role {
            match &self.workspace {
                _ if self.identity.is_none() => return self.stranger().await,
                None if name != "workspace" => {
                    self.say(texts::no_workspace(self.is_direct())).await?;
                    return Ok(());
                }
                Some((_, role)) if *role < needs => return Err(Refusal::NotAllowed { needs }),
                _ => {}
            }
        }
        let required = command.spec.arguments.iter().filter(|argument| argument.required).count();
        if arguments.len() < required {
            self.say(texts::missing_argument(&command)).await?;
            return Ok(());
        }
        // Each topic on the heap: together they would outgrow a worker's stack.
        match command.topic {
            catalogue::Topic::Start => boxed(|| help::command(self, name, arguments)).await,
            catalogue::Topic::Accounts if matches!(name, "connect" | "reconnect") => {
                boxed(|| connect::command(self, name, arguments)).await
            }
            catalogue::Topic::Accounts => boxed(|| accounts::command(self, name, arguments)).await,
            catalogue::Topic::Posts => boxed(|| posts::command(self, name, arguments, incoming)).await,
            catalogue::Topic::Team => boxed(|| team::command(self, name, arguments)).await,
            catalogue::Topic::Run => boxed(|| run::command(self, name, arguments)).await,
        }
    }

    async fn message(&self, incoming: &Incoming) -> Result<(), Refusal> {
        let Some(identity) = &self.identity else {
            // A channel speaks, or a stranger; in groups only those who address us are answered.
            return if self.is_direct() { self.stranger().await } else { Ok(()) };
        };
        let question = self
            .chat
            .flows
            .store
            .take_question(&self.place.surface, &self.place.chat, &identity.person)
            .await?
            .and_then(|what| serde_json::from_str::<Question>(&what).ok());
        if (self.is_direct() || question.is_some()) && connect::is_secret(self, &incoming.text.plain).await? {
            return boxed(|| connect::secret_typed(self)).await;
        }
        match question {
            Some(Question::Connect(question)) => return boxed(|| connect::answer(self, question, incoming)).await,
            Some(Question::Post(question)) => return boxed(|| posts::answer(self, question, incoming)).await,
            Some(Question::Team(question)) => return boxed(|| team::answer(self, question, incoming)).await,
            None => {}
        }
        if !self.is_direct() {
            return Ok(());
        }
        if self.workspace.is_none() {
            self.say(texts::no_workspace(true)).await?;
            return Ok(());
        }
        boxed(|| posts::plain_message(self, incoming)).await
    }

    async fn press(&self, token: &str, values: &[String], fields: &[(String, String)]) -> Result<(), Refusal> {
        let store = &self.chat.flows.store;
        let Some(identity) = &self.identity else { return self.stranger().await };
        let Some(pressed) = store.button(token).await? else {
            self.toast(texts::old_button()).await;
            return Ok(());
        };
        if pressed.person.as_ref().is_some_and(|person| *person != identity.person) {
            self.toast(texts::not_your_button()).await;
            return Ok(());
        }
        if pressed.expires_at < self.chat.flows.clock.now().as_millisecond() {
            self.toast(texts::old_button()).await;
            return Ok(());
        }
        // The button's workspace counts, not the chat's: a card may outlive a change of workspace.
        let mut talk = Talk { workspace: None, identity: self.identity.clone(), place: self.place.clone(), ..*self };
        if let Some(id) = &pressed.workspace {
            let role = store.role(id, &identity.person).await?;
            let (Some(workspace), Some(role)) = (store.workspace(id).await?, role) else {
                return Err(Refusal::NotAllowed { needs: Role::Viewer });
            };
            talk.workspace = Some((workspace, role));
        }
        match serde_json::from_str::<Action>(&pressed.action) {
            Ok(Action::Connect(press)) => boxed(|| connect::press(&talk, press, values, fields)).await,
            Ok(Action::Account(press)) => boxed(|| accounts::press(&talk, press)).await,
            Ok(Action::Post(press)) => boxed(|| posts::press(&talk, press, values, fields)).await,
            Ok(Action::Team(press)) => boxed(|| team::press(&talk, press)).await,
            Ok(Action::Run(press)) => boxed(|| run::press(&talk, press)).await,
            Err(_) => {
                self.toast(texts::old_button()).await;
                Ok(())
            }
        }
    }

    /// Strangers get one polite sentence and nothing else; in groups at most hourly.
    pub async fn stranger(&self) -> Result<(), Refusal> {
        if self.is_direct() || self.chat.flows.store.may_tell_stranger(&self.place).await? {
            self.say(texts::stranger()).await?;
        }
        Ok(())
    }
}

/// Suggestions while an argument is typed.
pub async fn complete(
    chat: &Chat,
    update: &Update,
    command: &str,
    argument: &str,
    typed: &str,
) -> Result<Vec<Choice>, Refusal> {
    let nobody = NoAnswer;
    let talk = Talk::open(chat, update, &nobody).await?;
    let Ok(actor) = talk.actor() else { return Ok(Vec::new()) };
    match argument {
        "platform" => Ok(connect::completions(chat, typed)),
        "account" => accounts::completions(chat, &actor, typed).await,
        "post" => posts::completions(chat, &actor, command, typed).await,
        "member" => team::completions(chat, &actor, typed).await,
        _ => Ok(Vec::new()),
    }
}

/// Puts a topic's work on the heap. Together in one future they would need more stack than a thread of an unoptimised
/// build has; made in here, not even their making does.
fn boxed<'a, F: Future<Output = Result<(), Refusal>> + Send + 'a>(
    make: impl FnOnce() -> F,
) -> BoxFuture<'a, Result<(), Refusal>> {
    Box::pin(make())
}

/// Who an update's person is, for the flows.
pub fn introduced<'a>(surface: &'a str, person: &'a bots::Person) -> crate::flows::team::Introduced<'a> {
    crate::flows::team::Introduced { surface, user: &person.id, name: &person.name, handle: person.handle.as_deref() }
}

/// A message that could not be shown is logged; the state it told of is in the database all the same.
fn heard(result: Result<MessageRef, bots::Failure>) -> Option<MessageRef> {
    result.inspect_err(|failure| tracing::warn!(failure = %failure, "an answer was not shown")).ok()
}

/// Completion answers nobody.
struct NoAnswer;

#[async_trait::async_trait]
impl Responder for NoAnswer {
    async fn answer(&self, _: &Message) -> Result<MessageRef, bots::Failure> {
        Err(bots::Failure::Refused("completion has no answers".to_owned()))
    }

    async fn edit(&self, message: &Message) -> Result<MessageRef, bots::Failure> {
        self.answer(message).await
    }

    async fn toast(&self, _: &str) -> Result<(), bots::Failure> {
        Ok(())
    }

    async fn form(&self, _: &bots::Form) -> Result<bool, bots::Failure> {
        Ok(false)
    }
}
