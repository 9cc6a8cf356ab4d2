//! Telegram as a chat surface: one bot, by long polling or by webhook. It knows Telegram's Bot API and the message model;
//! it must not know what the product does with either.
//!
//! teloxide brings payloads, transport and the table of errors. What it would read all or nothing (updates, the echo of a
//! sent message) is read by shapes of ours, see `wire`; what it keeps per process (throttling) is the [`Budget`]'s.

mod api;
mod dispatch;
mod failure;
mod files;
mod incoming;
mod outgoing;
mod plan;
mod poll;
mod responder;
mod text;
mod webhook;
mod wire;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use teloxide::payloads::{SetMyCommands, SetMyCommandsSetters};
use teloxide::types::{BotCommand, BotCommandScope};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::api::Api;
use self::dispatch::Dispatcher;
use self::incoming::Context;
use self::plan::Place;
use self::poll::patiently;
use self::webhook::Running;
pub use self::webhook::{Delivery, SECRET_HEADER, Webhook};
use crate::command::CommandSpec;
use crate::model::{FileRef, Message, MessageRef, SurfaceKind};
use crate::surface::{Failure, Handler, Identity, Surface};

/// A token or shared secret: shown as dots.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("•••")
    }
}

/// The budget of one bot token, shared with whoever else sends by it: about 30 messages a second in all, 1 a second in a
/// chat with short bursts, 20 a minute in a group (Telegram's bots FAQ).
#[async_trait]
pub trait Budget: Send + Sync {
    /// Waits until `calls` messages may be sent to or edited in `chat` (a chat id as text). An album counts per file.
    async fn take(&self, chat: &str, calls: u32);
}

/// What the surface is made of.
pub struct TelegramConfig {
    /// The bot's token, as `123456:ABC…`.
    pub token: Secret,
    /// Another Bot API server than `https://api.telegram.org`, the emulators' gateway for one.
    pub api_url: Option<Url>,
    /// Delivery by webhook; without it the surface polls, and ends any webhook that is set.
    pub webhook: Option<Webhook>,
    /// The HTTP client. The surface limits every call in time itself; a limit of the client's own must be longer than the
    /// 10 seconds of a poll, and leave uploads the time they need.
    pub client: reqwest_012::Client,
    /// Room to send.
    pub budget: Arc<dyn Budget>,
}

/// A client as the surface wants it: connecting within 10 seconds, no redirects (the Bot API has none, and the token is in
/// the path).
///
/// # Errors
/// When the TLS stack can't be set up.
pub fn client() -> Result<reqwest_012::Client, Failure> {
    reqwest_012::Client::builder()
        .connect_timeout(std::time::Duration::from_secs(10))
        .redirect(reqwest_012::redirect::Policy::none())
        .tcp_nodelay(true)
        .build()
        .map_err(|_| Failure::Refused("the HTTP client can't be built".into()))
}

/// Telegram.
pub struct Telegram {
    api: Api,
    webhook: Option<Webhook>,
    running: RwLock<Option<Arc<Running>>>,
}

impl Telegram {
    /// Builds the surface; talks to nobody.
    ///
    /// # Errors
    /// [`Failure::Refused`] when the API URL can't have a path.
    pub fn new(config: TelegramConfig) -> Result<Self, Failure> {
        let mut bot = teloxide::Bot::with_client(config.token.reveal(), config.client);
        if let Some(mut url) = config.api_url {
            // teloxide appends to this path, and panics where there can be none.
            url.path_segments_mut()
                .map_err(|()| Failure::Refused("Telegram's API URL is no address of a server".into()))?
                .pop_if_empty();
            bot = bot.set_api_url(url);
        }
        Ok(Self {
            api: Api::new(bot, config.token, config.budget),
            webhook: config.webhook,
            running: RwLock::new(None),
        })
    }

    /// Takes one delivery of `POST /telegram/webhook`: `secret` is the value of [`SECRET_HEADER`], `body` what was sent.
    /// Waits for the handler, so that what a crash interrupts is delivered again. While [`Surface::run`] is not running
    /// the answer is [`Delivery::Unavailable`].
    pub async fn webhook(&self, secret: Option<&[u8]>, body: &[u8]) -> Delivery {
        if !self.webhook.as_ref().is_some_and(|webhook| webhook::is_secret(secret, &webhook.secret)) {
            return Delivery::Rejected;
        }
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner).clone();
        match running {
            Some(running) => webhook::deliver(&running, body).await,
            None => Delivery::Unavailable,
        }
    }

    fn set_running(&self, running: Option<Arc<Running>>) {
        *self.running.write().unwrap_or_else(PoisonError::into_inner) = running;
    }

    /// Tells Telegram the commands, in the scopes where people see them. A refusal costs the menu, not the bot.
    async fn register(&self, commands: &'static [CommandSpec], stop: &CancellationToken) -> Result<(), Failure> {
        let menu: Vec<BotCommand> =
            commands.iter().map(|command| BotCommand::new(command.name, command.help)).collect();
        for scope in [BotCommandScope::AllPrivateChats, BotCommandScope::AllGroupChats] {
            let set = patiently("setMyCommands", stop, || {
                self.api.call::<_, bool>(SetMyCommands::new(menu.clone()).scope(scope.clone()))
            });
            match set.await {
                Err(failure @ Failure::Unauthorized(_)) => return Err(failure),
                Err(failure) => tracing::warn!(surface = "telegram", %failure, "the command menu was refused"),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Brings updates to the dispatcher until `stop`.
    async fn receive(
        &self,
        context: Context,
        dispatcher: &Arc<Dispatcher>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let commands = context.commands;
        let Some(webhook) = &self.webhook else {
            // While one is set, polling is refused (409).
            if patiently("deleteWebhook", stop, || self.api.delete_webhook()).await?.is_none() {
                return Ok(());
            }
            self.register(commands, stop).await?;
            return poll::poll(&self.api, &context, dispatcher, stop).await;
        };
        self.set_running(Some(Arc::new(Running { context, dispatcher: Arc::clone(dispatcher) })));
        let set = patiently("setWebhook", stop, || self.api.set_webhook(webhook.url.as_str(), &webhook.secret));
        if set.await?.is_some() {
            self.register(commands, stop).await?;
            stop.cancelled().await;
        }
        Ok(())
    }
}

#[async_trait]
impl Surface for Telegram {
    fn kind(&self) -> SurfaceKind {
        SurfaceKind::Telegram
    }

    async fn identity(&self) -> Result<Identity, Failure> {
        let me = self.api.me().await?;
        Ok(Identity { id: me.id.to_string(), handle: me.username.clone().unwrap_or_default(), name: me.first_name })
    }

    async fn run(
        &self,
        commands: &'static [CommandSpec],
        handler: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let Some(me) = patiently("getMe", &stop, || self.api.me()).await? else { return Ok(()) };
        let context = Context { id: me.id, handle: me.username.unwrap_or_default(), commands };
        let dispatcher = Dispatcher::new(self.api.clone(), handler);
        let ended = self.receive(context, &dispatcher, &stop).await;
        self.set_running(None);
        dispatcher.close().await;
        ended
    }

    async fn send(&self, chat: &str, topic: Option<&str>, message: &Message) -> Result<MessageRef, Failure> {
        outgoing::send(&self.api, &Place::new(chat, topic, None)?, message).await
    }

    /// A person's direct chat with a bot has the person's id.
    async fn direct_chat(&self, person: &str) -> Result<String, Failure> {
        match person.parse::<i64>() {
            Ok(id) if id > 0 => Ok(id.to_string()),
            _ => Err(Failure::Unreachable(format!("{person:?} is no Telegram user"))),
        }
    }

    async fn edit(&self, at: &MessageRef, message: &Message) -> Result<MessageRef, Failure> {
        outgoing::edit(&self.api, &Place::of(at)?, at, message).await
    }

    async fn delete(&self, at: &MessageRef) -> Result<(), Failure> {
        let ids = plan::message_ids(at)?;
        Ok(self.api.delete(plan::chat_id(&at.chat)?, &ids).await?)
    }

    async fn download(&self, file: &FileRef, to: &Path, limit: u64) -> Result<(), Failure> {
        files::fetch(&self.api, &file.id, to, limit).await
    }

    async fn is_admin(&self, chat: &str, person: &str) -> Result<bool, Failure> {
        let Ok(person) = person.parse::<u64>() else { return Ok(false) };
        let member = self.api.member(plan::chat_id(chat)?, person).await?;
        Ok(member.is_some_and(|member| matches!(member.status.as_str(), "creator" | "administrator")))
    }
}
