//! Discord: serenity holds the gateway connection and reads its events, every request goes through our own small REST
//! client. The rest of the daemon sees none of Discord's types.
//!
//! The caller installs a rustls crypto provider for reqwest (`ring`) before anything here is used.

mod commands;
mod draw;
mod gateway;
mod incoming;
mod markdown;
mod reply;
mod rest;
mod routes;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::command::CommandSpec;
use crate::model::{FileRef, Message, MessageRef, SurfaceKind};
use crate::surface::{Failure, Handler, Identity, Surface};
use draw::Part;
use gateway::Bridge;
use rest::{Rest, Trouble};
use routes::{Routes, gone_is_fine, message_id, named, reference, snowflake};
use socket::Plan;

/// Permission bits (permissions page).
const ADMINISTRATOR: u64 = 1 << 3;
const MANAGE_GUILD: u64 = 1 << 5;
/// The channel type of a direct chat.
const DIRECT: u64 = 1;
/// How long the connection may take to close, and handlers to finish, after `stop`.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest pause between attempts to connect.
const LONGEST_PAUSE: u64 = 60;

/// How to reach Discord.
#[derive(Clone)]
pub struct DiscordConfig {
    /// The bot's token, without `Bot `.
    pub token: String,
    /// The application's id; asked of Discord when `None`.
    pub application_id: Option<String>,
    /// Stands in front of every one of Discord's hosts, the gateway included (`http://127.0.0.1:PORT`).
    pub gateway: Option<Url>,
}

impl std::fmt::Debug for DiscordConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiscordConfig")
            .field("token", &"•••")
            .field("application_id", &self.application_id)
            .field("gateway", &self.gateway.as_ref().map(Url::as_str))
            .finish()
    }
}

/// A Discord bot: slash commands, components and modals in servers, plain messages in direct chats.
///
/// Only direct chats bring [`crate::UpdateKind::Message`]: what is said in a server's channel needs a privileged
/// intent, so there people use `/post`, or "Post this" on a message.
pub struct Discord(Arc<Shared>);

/// What all parts share.
pub(crate) struct Shared {
    pub(crate) rest: Rest,
    config: DiscordConfig,
    application: OnceCell<String>,
    /// Channels known to be direct chats; a hint that saves a request, nothing that must last.
    direct: Mutex<HashSet<String>>,
}

impl Discord {
    /// Makes no request. Fails with [`Failure::Refused`] where no HTTP client can be made.
    pub fn new(config: DiscordConfig) -> Result<Self, Failure> {
        let rest = Rest::new(config.token.clone(), config.gateway.as_ref())?;
        let application = OnceCell::new_with(config.application_id.clone());
        Ok(Self(Arc::new(Shared { rest, config, application, direct: Mutex::default() })))
    }

    /// What a connection needs, asked of the API.
    async fn plan(&self) -> Result<Plan, Failure> {
        let (shared, config) = (&self.0, &self.0.config);
        let application = shared.application().await?.parse().ok();
        let address = shared.rest.websocket().await?;
        let gateway = config.gateway.as_ref().map(|gateway| gateway.as_str().trim_end_matches('/'));
        let proxy = gateway.map(|gateway| format!("{gateway}/discord.com"));
        Ok(Plan { token: config.token.clone(), application, proxy, address })
    }

    /// Registers the commands, with patience; comes back only with a refused token.
    async fn register(&self, commands: &[CommandSpec]) -> Failure {
        let mut pause = 1;
        loop {
            let registered = async {
                let application = self.0.application().await.map_err(Trouble::Failed)?;
                commands::register(&self.0.rest, application, commands).await
            };
            match registered.await.map_err(Failure::from) {
                Ok(()) => return std::future::pending().await,
                Err(Failure::Unauthorized(why)) => return Failure::Unauthorized(why),
                Err(Failure::Retry { after, why }) => {
                    tracing::warn!(why, "the commands are not registered yet");
                    tokio::time::sleep(Duration::from_secs(after.max(pause))).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(why) => {
                    tracing::error!(%why, "Discord refused the commands; the ones it has stay");
                    return std::future::pending().await;
                }
            }
        }
    }

    /// One connection, until it ends. `None` on `stop`.
    async fn connected(&self, bridge: &Arc<Bridge>, plan: Plan, stop: &CancellationToken) -> Option<Failure> {
        let over = CancellationToken::new();
        let _end = over.clone().drop_guard();
        let (send, mut events) = mpsc::unbounded_channel();
        let mut held = match socket::hold(plan, send, over.clone()) {
            Ok(held) => held,
            Err(why) => return Some(why),
        };
        let registering = self.register(bridge.commands);
        tokio::pin!(registering);
        let ended = loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break None,
                () = self.0.rest.token_refused() => break Some(Failure::Unauthorized("by Discord's API".to_owned())),
                Some(event) = events.recv() => bridge.take(event),
                why = &mut registering => break Some(why),
                ended = &mut held => {
                    let lost = || Some(Failure::Retry { after: 5, why: "the gateway's thread broke off".to_owned() });
                    return ended.unwrap_or_else(|_| lost());
                }
            }
        };
        over.cancel();
        if tokio::time::timeout(FAREWELL * 2, held).await.is_err() {
            tracing::warn!("Discord's gateway is still closing");
        }
        ended
    }
}

impl Shared {
    async fn application(&self) -> Result<&str, Failure> {
        let asked = self.application.get_or_try_init(|| async {
            let answer = self.rest.get("/applications/@me").await?;
            let id = answer["id"].as_str().map(str::to_owned);
            id.ok_or_else(|| Failure::Retry { after: 10, why: "Discord did not name the application".to_owned() })
        });
        asked.await.map(String::as_str)
    }

    pub(crate) fn remember_direct(&self, channel: &str) {
        self.direct.lock().unwrap_or_else(PoisonError::into_inner).insert(channel.to_owned());
    }

    async fn is_direct(&self, channel: &str) -> Result<bool, Failure> {
        if self.direct.lock().unwrap_or_else(PoisonError::into_inner).contains(channel) {
            return Ok(true);
        }
        let direct = self.rest.get(&format!("/channels/{channel}")).await?["type"] == DIRECT;
        if direct {
            self.remember_direct(channel);
        }
        Ok(direct)
    }

    /// Shows a message in a channel.
    async fn send(&self, channel: &str, message: &Message) -> Result<MessageRef, Failure> {
        let channel = snowflake(channel)?;
        if message.private && !self.is_direct(channel).await? {
            return Err(Failure::NotPrivate);
        }
        let mut ids = Vec::new();
        for part in draw::message(message) {
            ids.push(self.post(&format!("/channels/{channel}/messages"), &part).await?);
        }
        Ok(reference(channel, None, ids))
    }

    async fn post(&self, route: &str, part: &Part) -> Result<String, Failure> {
        named(&self.rest.post(route, &part.create(false), &part.files).await?)
    }
}

#[async_trait]
impl Surface for Discord {
    fn kind(&self) -> SurfaceKind {
        SurfaceKind::Discord
    }

    async fn identity(&self) -> Result<Identity, Failure> {
        self.0.rest.try_token_again();
        let user = self.0.rest.get("/users/@me").await?;
        let handle = user["username"].as_str().unwrap_or_default().to_owned();
        let name = user["global_name"].as_str().unwrap_or(&handle).to_owned();
        Ok(Identity { id: named(&user)?, handle, name })
    }

    async fn run(
        &self,
        commands: &'static [CommandSpec],
        handler: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        self.0.rest.try_token_again();
        let bridge = Arc::new(Bridge::new(self.0.clone(), handler, commands));
        let mut pause = 1;
        let result = loop {
            let plan = tokio::select! {
                biased;
                () = stop.cancelled() => break Ok(()),
                plan = self.plan() => plan,
            };
            let ended = match plan {
                Ok(plan) => {
                    pause = 1;
                    self.connected(&bridge, plan, &stop).await
                }
                Err(why) => Some(why),
            };
            match ended {
                None => break Ok(()),
                Some(Failure::Retry { after, why }) => {
                    tracing::warn!(why, "not connected to Discord");
                    tokio::select! {
                        () = stop.cancelled() => break Ok(()),
                        () = tokio::time::sleep(Duration::from_secs(pause.max(after.min(LONGEST_PAUSE)))) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Some(why) => break Err(why),
            }
        };
        bridge.tasks.close();
        if tokio::time::timeout(FAREWELL, bridge.tasks.wait()).await.is_err() {
            tracing::warn!(running = bridge.tasks.len(), "handlers of Discord updates are still running");
        }
        result
    }

    async fn send(&self, chat: &str, _: Option<&str>, message: &Message) -> Result<MessageRef, Failure> {
        self.0.send(chat, message).await
    }

    async fn direct_chat(&self, person: &str) -> Result<String, Failure> {
        let body = json!({"recipient_id": snowflake(person)?});
        let channel = named(&self.0.rest.post("/users/@me/channels", &body, &[]).await?)?;
        self.0.remember_direct(&channel);
        Ok(channel)
    }

    async fn edit(&self, at: &MessageRef, message: &Message) -> Result<MessageRef, Failure> {
        let (rest, routes) = (&self.0.rest, Routes::of(at)?);
        let parts = draw::message(message);
        let old: Vec<&str> = std::iter::once(&at.id).chain(&at.parts).map(String::as_str).collect();
        let mut ids = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            match old.get(index) {
                Some(id) => {
                    routes.call(rest, Method::PATCH, Some(message_id(id)?), Some(part)).await?;
                    ids.push((*id).to_owned());
                }
                None => ids.push(named(&routes.call(rest, Method::POST, None, Some(part)).await?)?),
            }
        }
        for id in old.iter().skip(parts.len()) {
            gone_is_fine(routes.call(rest, Method::DELETE, Some(message_id(id)?), None).await)?;
        }
        Ok(reference(&at.chat, at.token.clone(), ids))
    }

    async fn delete(&self, at: &MessageRef) -> Result<(), Failure> {
        let routes = Routes::of(at)?;
        for id in std::iter::once(&at.id).chain(&at.parts) {
            gone_is_fine(routes.call(&self.0.rest, Method::DELETE, Some(message_id(id)?), None).await)?;
        }
        Ok(())
    }

    async fn download(&self, file: &FileRef, to: &std::path::Path, limit: u64) -> Result<(), Failure> {
        self.0.rest.download(&file.id, to, limit).await
    }

    /// `chat` is a channel, a direct chat or a server. Who owns the server, or holds Manage Server or Administrator
    /// through a role, may manage it; a person may manage their own direct chat.
    async fn is_admin(&self, chat: &str, person: &str) -> Result<bool, Failure> {
        let (chat, person, rest) = (snowflake(chat)?, snowflake(person)?, &self.0.rest);
        let server = match rest.get(&format!("/channels/{chat}")).await {
            Ok(channel) => match channel["guild_id"].as_str() {
                Some(server) => snowflake(server)?.to_owned(),
                None => {
                    let people = channel["recipients"].as_array().map(Vec::as_slice).unwrap_or_default();
                    return Ok(channel["type"] == DIRECT && people.iter().any(|one| one["id"] == person));
                }
            },
            // Unknown channel: the id may be a server's.
            Err(Trouble::Refused { code: 10003, .. }) => chat.to_owned(),
            Err(why) => return Err(why.into()),
        };
        if rest.get(&format!("/guilds/{server}")).await?["owner_id"] == person {
            return Ok(true);
        }
        let member = match rest.get(&format!("/guilds/{server}/members/{person}")).await {
            Ok(member) => member,
            // Unknown member, unknown user.
            Err(Trouble::Refused { code: 10007 | 10013, .. }) => return Ok(false),
            Err(why) => return Err(why.into()),
        };
        let roles = rest.get(&format!("/guilds/{server}/roles")).await?;
        let held: Vec<&Value> = member["roles"].as_array().map(|roles| roles.iter().collect()).unwrap_or_default();
        let rights = roles
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            // The role with the server's own id is everyone's.
            .filter(|role| role["id"] == server.as_str() || held.contains(&&role["id"]))
            .filter_map(|role| role["permissions"].as_str()?.parse::<u64>().ok())
            .fold(0, |all, rights| all | rights);
        Ok(rights & (ADMINISTRATOR | MANAGE_GUILD) != 0)
    }
}
