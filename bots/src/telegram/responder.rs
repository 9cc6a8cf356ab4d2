//! The answers to one update: into its chat and topic, onto the message whose button was pressed, or as a toast on the
//! press. It must not know what the answers say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use teloxide::payloads::{AnswerCallbackQuery, AnswerCallbackQuerySetters};
use teloxide::types::CallbackQueryId;
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::failure::Class;
use super::outgoing;
use super::plan::Place;
use crate::model::{ChatKind, Form, Message, MessageRef, Person, Update, UpdateKind};
use crate::surface::{Failure, Responder};

/// How long a pressed button may spin. Telegram forgets the press after some more seconds.
const SPIN: Duration = Duration::from_secs(5);
/// The most characters of a toast (Bot API, `answerCallbackQuery`: 0-200).
const TOAST: usize = 200;

/// A button press that wants exactly one answer.
pub(super) struct Query {
    api: Api,
    id: String,
    answered: AtomicBool,
    finished: CancellationToken,
}

impl Query {
    pub(super) fn new(api: Api, id: String) -> Self {
        Self { api, id, answered: AtomicBool::new(false), finished: CancellationToken::new() }
    }

    /// The handler is done with the press.
    pub(super) fn finish(&self) {
        self.finished.cancel();
    }

    /// Acknowledges when the handler is done, or has taken too long.
    pub(super) async fn acknowledge_in_time(&self) {
        // Either way it is time.
        let _ = tokio::time::timeout(SPIN, self.finished.cancelled()).await;
        self.acknowledge().await;
    }

    /// Stops the spinning, unless that happened.
    pub(super) async fn acknowledge(&self) {
        self.answer(None).await;
    }

    /// Answers, unless that happened; whether it was this answer that was shown.
    async fn answer(&self, toast: Option<&str>) -> bool {
        if self.answered.swap(true, Ordering::AcqRel) {
            return false;
        }
        let mut payload = AnswerCallbackQuery::new(CallbackQueryId(self.id.clone()));
        if let Some(toast) = toast {
            payload = payload.text(toast);
        }
        match self.api.call::<_, bool>(payload).await {
            Ok(_) => true,
            Err(trouble) if trouble.class == Class::QueryTooOld => false,
            Err(trouble) => {
                tracing::info!(surface = "telegram", failure = %trouble.failure, "a press could not be acknowledged");
                false
            }
        }
    }
}

/// The responder of one update.
pub(super) struct Reply {
    api: Api,
    chat: String,
    topic: Option<String>,
    kind: ChatKind,
    /// The message that was sent, to address a question to its author.
    asked: Option<String>,
    /// The message whose button was pressed.
    pressed: Option<MessageRef>,
    presser: Option<Person>,
    query: Option<Arc<Query>>,
}

impl Reply {
    pub(super) fn new(api: Api, update: &Update, query: Option<Arc<Query>>) -> Self {
        let is_press = matches!(update.kind, UpdateKind::Press(_));
        Self {
            api,
            chat: update.chat.id.clone(),
            topic: update.chat.topic.clone(),
            kind: update.chat.kind,
            asked: update.message.as_ref().filter(|_| !is_press).map(|message| message.id.clone()),
            pressed: update.message.clone().filter(|_| is_press),
            presser: update.person.clone().filter(|_| is_press),
            query,
        }
    }

    fn place(&self) -> Result<Place, Failure> {
        let place = Place::new(&self.chat, self.topic.as_deref(), self.asked.as_deref())?;
        // A channel has no reply field: Telegram takes inline keyboards only.
        Ok(Place { can_ask: place.can_ask && self.kind == ChatKind::Group, presser: self.presser.clone(), ..place })
    }
}

#[async_trait]
impl Responder for Reply {
    async fn answer(&self, message: &Message) -> Result<MessageRef, Failure> {
        outgoing::send(&self.api, &self.place()?, message).await
    }

    async fn edit(&self, message: &Message) -> Result<MessageRef, Failure> {
        match &self.pressed {
            Some(at) => outgoing::edit(&self.api, &self.place()?, at, message).await,
            None => self.answer(message).await,
        }
    }

    async fn toast(&self, text: &str) -> Result<(), Failure> {
        let short: String = text.chars().take(TOAST).collect();
        if let Some(query) = &self.query
            && query.answer(Some(&short)).await
        {
            return Ok(());
        }
        // There is no press to answer, or it was answered already.
        self.answer(&Message::text(text)).await.map(drop)
    }

    async fn form(&self, _form: &Form) -> Result<bool, Failure> {
        Ok(false)
    }
}
