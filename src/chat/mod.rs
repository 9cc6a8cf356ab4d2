//! The chat: what people say, decided here, and what we say back. One handler for all surfaces; what a surface can't do
//! is its own matter. State changes go through `flows`; nothing about a conversation is kept in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bots::{Button, Choice, Handler, Message, Responder, Surface, SurfaceKind, Update, UpdateKind};

use crate::domain::id::{PersonId, WorkspaceId};
use crate::domain::workspace::Workspace;
use crate::flows::{Flows, Refusal};
use crate::store::StoreError;

pub mod accounts;
pub mod action;
pub mod catalogue;
pub mod connect;
pub mod events;
pub mod help;
pub mod posts;
pub mod run;
pub mod talk;
pub mod team;
pub mod texts;

pub use action::{Action, Question};
pub use talk::Talk;

/// How long a button works.
const BUTTON_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The chat room. One per daemon, for all surfaces.
pub struct Chat {
    /// The use cases.
    pub flows: Arc<Flows>,
    /// The surfaces that are up, for what goes beyond an answer (downloads, direct chats).
    pub surfaces: BTreeMap<SurfaceKind, Arc<dyn Surface>>,
    /// Where fetched files lie until they are kept.
    pub scratch: PathBuf,
}

/// For whom a message is drawn: the same card looks different by workspace, surface and person.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// Where it will be shown.
    pub surface: SurfaceKind,
    /// The workspace it belongs to.
    pub workspace: Workspace,
    /// The only person who may press its buttons; `None` for anyone whose role suffices.
    pub person: Option<PersonId>,
    /// Whether others read along.
    pub shared: bool,
}

impl Chat {
    /// A button that does `action`, for whoever the canvas is for.
    pub(crate) async fn button(
        &self,
        canvas: &Canvas,
        label: impl Into<String>,
        action: Action,
    ) -> Result<Button, StoreError> {
        let token = self.token(Some(&canvas.workspace.id), canvas.person.as_ref(), &action).await?;
        Ok(Button::press(label, token))
    }

    /// A token that stands for `action`, for buttons, menus and forms alike.
    pub(crate) async fn token(
        &self,
        workspace: Option<&WorkspaceId>,
        person: Option<&PersonId>,
        action: &Action,
    ) -> Result<String, StoreError> {
        // Enums of strings and ids always serialize.
        let action = serde_json::to_string(action).unwrap_or_default();
        self.flows.store.add_button(workspace, person, &action, self.flows.clock.now() + BUTTON_LIFE).await
    }

    /// Draws the card about `subject` (an id of a post, attempt or incident) as it is now. `None` when it is gone.
    pub async fn draw(
        &self,
        subject: &str,
        surface: SurfaceKind,
        person: Option<&PersonId>,
        shared: bool,
    ) -> Result<Option<Message>, Refusal> {
        match subject.split_once('_').map(|(kind, _)| kind) {
            Some("pst") => posts::draw(self, subject, surface, person, shared).await,
            Some("att") => connect::draw(self, subject, surface, person, shared).await,
            Some("inc") => run::draw(self, subject, surface, shared).await,
            _ => Ok(None),
        }
    }
}

#[async_trait::async_trait]
impl Handler for Chat {
    async fn handle(&self, update: Update, responder: &dyn Responder) {
        let surface = update.chat.surface.as_str();
        match self.flows.store.seen(surface, &update.id).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(error = %error, "an update could not be looked up");
                let _ = responder.answer(&Message::text(texts::our_trouble())).await;
                return;
            }
        }
        if let Err(refusal) = self.act(&update, responder).await {
            let message = texts::refusal(&refusal);
            if let Refusal::Store(error) = &refusal {
                tracing::error!(error = %error, update = update.id, "an update failed");
            }
            if let Err(failure) = responder.answer(&message).await {
                tracing::warn!(failure = %failure, "a refusal could not be said");
            }
        }
        // Noted last: an update that a crash interrupted comes again. What it begins is keyed by its id.
        if let Err(error) = self.flows.store.first_sight(surface, &update.id).await {
            tracing::warn!(error = %error, "an update could not be noted");
        }
    }

    async fn complete(&self, update: &Update, command: &str, argument: &str, typed: &str) -> Vec<Choice> {
        talk::complete(self, update, command, argument, typed).await.unwrap_or_default()
    }
}

impl Chat {
    async fn act(&self, update: &Update, responder: &dyn Responder) -> Result<(), Refusal> {
        match &update.kind {
            UpdateKind::Membership(membership) => events::membership(self, update, membership).await,
            UpdateKind::Migrated { to } => {
                self.flows.place_moved(update.chat.surface.as_str(), &update.chat.id, to).await
            }
            _ => Talk::open(self, update, responder).await?.act().await,
        }
    }
}
