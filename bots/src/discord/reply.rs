//! Answers one Discord interaction, or an event that is none. The first answer must come within 3 seconds and decides what later ones can be, so
//! this keeps the stage the interaction is in. It must not know what is said.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Shared;
use super::draw::{self, EPHEMERAL, Part};
use super::rest::Trouble;
use crate::model::{Form, Message, MessageRef, SurfaceKind};
use crate::surface::{Failure, Responder};

/// A handler that has not answered by then gets its interaction deferred; Discord gives up after 3 seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// The interaction's first answer, in its webhook routes.
pub(crate) const ORIGINAL: &str = "@original";

/// Interaction callback types (receiving and responding page).
const MESSAGE: u64 = 4;
const DEFERRED_MESSAGE: u64 = 5;
const DEFERRED_UPDATE: u64 = 6;
const UPDATE: u64 = 7;
pub(crate) const AUTOCOMPLETE: u64 = 8;
const MODAL: u64 = 9;

/// What is known of an interaction when it arrives.
pub(crate) struct Reply<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) application: String,
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) channel: String,
    /// The message whose button or menu was used: its id, and whether it is ephemeral.
    pub(crate) message: Option<(String, bool)>,
    /// A modal can't open a modal.
    pub(crate) takes_form: bool,
    /// Answers are for the asker alone, unless they can't be otherwise: a command for the asker, an ephemeral card.
    pub(crate) private: bool,
    /// In the direct chat with the bot everything is private, and an ephemeral message would only vanish sooner.
    pub(crate) direct: bool,
    pub(crate) stage: Mutex<Stage>,
}

/// How far the interaction is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Stage {
    /// Not acknowledged.
    Fresh,
    /// Discord shows "thinking…": deferred with type 5, privately or not, which can't be changed later.
    Thinking {
        /// Only to the asker.
        private: bool,
    },
    /// Acknowledged; further answers are follow-ups. `@original` is the card, where there is one.
    Open,
    /// A modal is shown: there is no `@original`.
    Formed,
}

impl Reply<'_> {
    fn hook(&self, rest: &str) -> String {
        format!("/webhooks/{}/{}{rest}", self.application, self.token)
    }

    async fn callback(&self, kind: u64, data: Option<Value>, part: Option<&Part>) -> Result<Value, Trouble> {
        let mut body = json!({"type": kind});
        if let (Some(data), Some(body)) = (data, body.as_object_mut()) {
            body.insert("data".to_owned(), data);
        }
        let query = if kind == MESSAGE { "?with_response=true" } else { "" };
        let route = format!("/interactions/{}/{}/callback{query}", self.id, self.token);
        let files = part.map(|part| part.files.as_slice()).unwrap_or_default();
        self.shared.rest.hook(Method::POST, &route, Some(&body), files).await
    }

    async fn follow_up(&self, part: &Part, private: bool) -> Result<String, Trouble> {
        let route = self.hook("?wait=true");
        let sent = self.shared.rest.hook(Method::POST, &route, Some(&part.create(private)), &part.files).await?;
        id(&sent)
    }

    async fn patch_original(&self, part: &Part) -> Result<String, Trouble> {
        let route = self.hook("/messages/@original");
        let sent = self.shared.rest.hook(Method::PATCH, &route, Some(&part.replace()), &part.files).await?;
        id(&sent)
    }

    async fn delete_original(&self) {
        let route = self.hook("/messages/@original");
        // It only stops the "thinking…"; Discord drops that by itself after 15 minutes.
        if let Err(why) = self.shared.rest.hook(Method::DELETE, &route, None, &[]).await {
            tracing::debug!(why = %Failure::from(why), "a deferred answer could not be taken back");
        }
    }

    /// Shows a new message; gives its id, `@original` where only that is known.
    async fn show(&self, stage: &mut Stage, part: &Part, private: bool) -> Result<String, Trouble> {
        match *stage {
            Stage::Fresh if self.message.is_some() => {
                // An answer of type 4 would take the place of the card as `@original`, and the card could not be edited.
                self.callback(DEFERRED_UPDATE, None, None).await?;
                *stage = Stage::Open;
                self.follow_up(part, private).await
            }
            Stage::Fresh => {
                let sent = self.callback(MESSAGE, Some(part.create(private)), Some(part)).await?;
                *stage = Stage::Open;
                Ok(match id(&sent["resource"]["message"]) {
                    Ok(id) if !private => id,
                    _ => ORIGINAL.to_owned(),
                })
            }
            Stage::Thinking { private: thinking } if thinking == private => {
                let id = self.patch_original(part).await?;
                *stage = Stage::Open;
                Ok(if private { ORIGINAL.to_owned() } else { id })
            }
            Stage::Thinking { .. } => {
                self.delete_original().await;
                *stage = Stage::Open;
                self.follow_up(part, private).await
            }
            Stage::Open | Stage::Formed => self.follow_up(part, private).await,
        }
    }

    fn reference(&self, id: String, private: bool, parts: Vec<String>) -> MessageRef {
        let by_token = private || id == ORIGINAL;
        MessageRef {
            surface: SurfaceKind::Discord,
            chat: self.channel.clone(),
            id,
            token: by_token.then(|| format!("{}/{}", self.application, self.token)),
            parts,
        }
    }

    fn is_private(&self, message: &Message) -> bool {
        !self.direct && (self.private || message.private)
    }

    async fn show_all(&self, stage: &mut Stage, parts: &[Part], private: bool) -> Result<MessageRef, Failure> {
        let mut ids = Vec::new();
        for part in parts {
            ids.push(self.show(stage, part, private).await?);
        }
        let first = if ids.is_empty() { ORIGINAL.to_owned() } else { ids.remove(0) };
        Ok(self.reference(first, private, ids))
    }

    /// Called when the handler takes its time: keeps the interaction alive.
    pub(crate) async fn defer(&self) {
        let mut stage = self.stage.lock().await;
        if *stage != Stage::Fresh {
            return;
        }
        let private = self.private && !self.direct;
        let (kind, data, next) = match self.message {
            Some(_) => (DEFERRED_UPDATE, None, Stage::Open),
            None => {
                let data = private.then(|| json!({"flags": EPHEMERAL}));
                (DEFERRED_MESSAGE, data, Stage::Thinking { private })
            }
        };
        match self.callback(kind, data, None).await {
            Ok(_) => *stage = next,
            Err(why) => tracing::warn!(why = %Failure::from(why), "a Discord interaction could not be deferred"),
        }
    }

    /// Called when the handler is done: nobody is left looking at "thinking…" or "did not respond".
    pub(crate) async fn finish(&self) {
        let stage = *self.stage.lock().await;
        match stage {
            Stage::Fresh => {
                self.defer().await;
                if matches!(*self.stage.lock().await, Stage::Thinking { .. }) {
                    self.delete_original().await;
                }
            }
            Stage::Thinking { .. } => self.delete_original().await,
            Stage::Open | Stage::Formed => {}
        }
    }
}

#[async_trait]
impl Responder for Reply<'_> {
    async fn answer(&self, message: &Message) -> Result<MessageRef, Failure> {
        let mut stage = self.stage.lock().await;
        self.show_all(&mut stage, &draw::message(message), self.is_private(message)).await
    }

    async fn edit(&self, message: &Message) -> Result<MessageRef, Failure> {
        let Some((card, ephemeral)) = &self.message else {
            return self.answer(message).await;
        };
        let parts = draw::message(message);
        let Some((first, more)) = parts.split_first() else {
            return Err(Failure::Refused("an empty message".to_owned()));
        };
        let mut stage = self.stage.lock().await;
        match *stage {
            Stage::Fresh => {
                self.callback(UPDATE, Some(first.replace()), Some(first)).await?;
                *stage = Stage::Open;
            }
            Stage::Open | Stage::Thinking { .. } => drop(self.patch_original(first).await?),
            Stage::Formed if *ephemeral => {
                return Err(Failure::Gone("a form stands before the card".to_owned()));
            }
            Stage::Formed => {
                let route = format!("/channels/{}/messages/{card}", self.channel);
                self.shared.rest.patch(&route, &first.replace(), &first.files).await?;
            }
        }
        let mut ids = Vec::new();
        for part in more {
            ids.push(self.show(&mut stage, part, *ephemeral).await?);
        }
        let id = if *ephemeral { ORIGINAL.to_owned() } else { card.clone() };
        Ok(self.reference(id, *ephemeral, ids))
    }

    async fn toast(&self, text: &str) -> Result<(), Failure> {
        let mut stage = self.stage.lock().await;
        self.show(&mut stage, &draw::short(text), true).await?;
        Ok(())
    }

    async fn form(&self, form: &Form) -> Result<bool, Failure> {
        let mut stage = self.stage.lock().await;
        if *stage != Stage::Fresh || !self.takes_form || form.fields.is_empty() {
            return Ok(false);
        }
        self.callback(MODAL, Some(draw::modal(form, self.private)), None).await?;
        *stage = Stage::Formed;
        Ok(true)
    }
}

/// Answers what is no interaction: in the channel.
pub(crate) struct ChannelReply<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) channel: Option<String>,
}

#[async_trait]
impl Responder for ChannelReply<'_> {
    async fn answer(&self, message: &Message) -> Result<MessageRef, Failure> {
        match &self.channel {
            Some(channel) => self.shared.send(channel, message).await,
            None => Err(Failure::Unreachable("there is no channel to answer in".to_owned())),
        }
    }

    async fn edit(&self, message: &Message) -> Result<MessageRef, Failure> {
        self.answer(message).await
    }

    async fn toast(&self, text: &str) -> Result<(), Failure> {
        self.answer(&Message::text(text)).await.map(drop)
    }

    async fn form(&self, _: &Form) -> Result<bool, Failure> {
        Ok(false)
    }
}

fn id(message: &Value) -> Result<String, Trouble> {
    let missing = || Failure::Retry { after: 5, why: "Discord's answer names no message".to_owned() };
    message["id"].as_str().map(str::to_owned).ok_or_else(|| Trouble::Failed(missing()))
}
