//! Brings the gateway's events to the handler, each in a task of its own; what the events say of our servers is kept in
//! the order in which they came. Every answer goes out through our REST client; the connection itself is not known here.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use serenity::model::application::{
    CommandInteraction, ComponentInteraction, ComponentInteractionDataKind, Interaction, ModalInteraction,
};
use serenity::model::channel::{Message as DiscordMessage, MessageFlags, PartialChannel};
use serenity::model::event::Event;
use serenity::model::guild::{Guild, Member, UnavailableGuild};
use serenity::model::id::{ChannelId, GuildId};
use serenity::model::user::User;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::reply::{AUTOCOMPLETE, ChannelReply, ORIGINAL, PATIENCE, Reply, Stage};
use super::{Shared, draw, incoming};
use crate::command::{Audience, CommandSpec};
use crate::model::{MembershipStatus, MessageRef, SurfaceKind, Update, UpdateKind};
use crate::surface::Handler;

/// How long completion may take; its answer is worth nothing after Discord's 3 seconds.
const COMPLETION: Duration = Duration::from_secs(2);

/// The servers we are in, as this run knows them.
#[derive(Default)]
struct Places {
    /// Our own user id, from READY.
    me: Option<String>,
    /// Since when (Unix seconds); 0 until the server's GUILD_CREATE came.
    servers: HashMap<GuildId, i64>,
}

/// Between serenity's events and the handler.
pub(crate) struct Bridge {
    shared: Arc<Shared>,
    handler: Arc<dyn Handler>,
    pub(crate) commands: &'static [CommandSpec],
    /// The updates being handled.
    pub(crate) tasks: TaskTracker,
    places: std::sync::Mutex<Places>,
}

/// What all kinds of interaction have.
struct Common<'a> {
    id: String,
    application: String,
    token: &'a str,
    guild: Option<GuildId>,
    channel_id: ChannelId,
    channel: Option<&'a PartialChannel>,
    user: &'a User,
    member: Option<&'a Member>,
}

macro_rules! common {
    ($interaction:expr, $member:expr) => {
        Common {
            id: $interaction.id.to_string(),
            application: $interaction.application_id.to_string(),
            token: &$interaction.token,
            guild: $interaction.guild_id,
            channel_id: $interaction.channel_id,
            channel: $interaction.channel.as_ref(),
            user: &$interaction.user,
            member: $member,
        }
    };
}

impl Common<'_> {
    fn update(&self, message: Option<MessageRef>, kind: UpdateKind) -> Update {
        Update {
            id: self.id.clone(),
            chat: incoming::chat(self.channel_id, self.channel, self.guild),
            person: Some(incoming::person(self.user, self.member)),
            proof: incoming::proof(self.member),
            message,
            kind,
        }
    }

    /// The card it happened on. An ephemeral one is reached through this interaction only, as `@original`.
    fn card(&self, message: &DiscordMessage) -> (MessageRef, (String, bool)) {
        let ephemeral = message.flags.is_some_and(|flags| flags.contains(MessageFlags::EPHEMERAL));
        let id = message.id.to_string();
        let reference = MessageRef {
            surface: SurfaceKind::Discord,
            chat: self.channel_id.to_string(),
            id: if ephemeral { ORIGINAL.to_owned() } else { id.clone() },
            token: ephemeral.then(|| format!("{}/{}", self.application, self.token)),
            parts: Vec::new(),
        };
        (reference, (id, ephemeral))
    }

    fn reply<'s>(
        &self,
        shared: &'s Shared,
        message: Option<(String, bool)>,
        takes_form: bool,
        private: bool,
    ) -> Reply<'s> {
        let direct = self.guild.is_none();
        if direct {
            shared.remember_direct(&self.channel_id.to_string());
        }
        Reply {
            shared,
            application: self.application.clone(),
            id: self.id.clone(),
            token: self.token.to_owned(),
            channel: self.channel_id.to_string(),
            message,
            takes_form,
            private,
            direct,
            stage: Mutex::new(Stage::Fresh),
        }
    }
}

impl Bridge {
    pub(crate) fn new(shared: Arc<Shared>, handler: Arc<dyn Handler>, commands: &'static [CommandSpec]) -> Self {
        Self { shared, handler, commands, tasks: TaskTracker::new(), places: std::sync::Mutex::default() }
    }

    /// Takes one event, in the order of the gateway; its handler runs on.
    pub(crate) fn take(self: &Arc<Self>, event: Event) {
        let memberships = match &event {
            Event::Ready(event) => self.ready(event.ready.user.id.to_string(), &event.ready.guilds),
            Event::GuildCreate(event) if !event.guild.unavailable => self.joined(&event.guild).into_iter().collect(),
            // `unavailable` is an outage of Discord's; only without it the bot was removed (gateway events page).
            Event::GuildDelete(event) if !event.guild.unavailable => vec![self.lost(event.guild.id)],
            _ => Vec::new(),
        };
        let bridge = self.clone();
        self.tasks.spawn(async move {
            for (update, channel) in memberships {
                bridge.handler.handle(update, &ChannelReply { shared: &bridge.shared, channel }).await;
            }
            bridge.handle_event(event).await;
        });
    }

    async fn handle_event(&self, event: Event) {
        match event {
            Event::InteractionCreate(event) => match event.interaction {
                Interaction::Command(interaction) => self.command(&interaction).await,
                Interaction::Autocomplete(interaction) => self.complete(&interaction).await,
                Interaction::Component(interaction) => self.component(&interaction).await,
                Interaction::Modal(interaction) => self.modal(&interaction).await,
                _ => {}
            },
            Event::MessageCreate(event) if event.message.guild_id.is_none() => self.direct(&event.message).await,
            Event::Unknown(event) if event.kind == "INTERACTION_CREATE" => self.unknown(&event.value).await,
            _ => {}
        }
    }

    fn places(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn command(&self, interaction: &CommandInteraction) {
        let common = common!(interaction, interaction.member.as_deref());
        let kind = incoming::command(interaction, self.commands);
        let name = match &kind {
            UpdateKind::Command { name, .. } => name.as_str(),
            _ => "",
        };
        let spec = self.commands.iter().find(|spec| spec.name == name);
        let private = spec.is_some_and(|spec| spec.audience == Audience::Asker);
        let reply = common.reply(&self.shared, None, true, private);
        self.handle(common.update(None, kind), &reply).await;
    }

    async fn component(&self, interaction: &ComponentInteraction) {
        let common = common!(interaction, interaction.member.as_ref());
        let token = interaction.data.custom_id.clone();
        let kind = match &interaction.data.kind {
            ComponentInteractionDataKind::Button => UpdateKind::Press(token),
            ComponentInteractionDataKind::StringSelect { values } => {
                UpdateKind::Select { token, values: values.clone() }
            }
            _ => {
                tracing::warn!("Discord sent a component that we never show");
                return;
            }
        };
        let (reference, card) = common.card(&interaction.message);
        let private = card.1;
        let reply = common.reply(&self.shared, Some(card), true, private);
        self.handle(common.update(Some(reference), kind), &reply).await;
    }

    async fn modal(&self, interaction: &ModalInteraction) {
        let common = common!(interaction, interaction.member.as_ref());
        let (token, private) = draw::modal_token(&interaction.data.custom_id);
        let kind = UpdateKind::Form { token: token.to_owned(), fields: incoming::fields(&interaction.data.components) };
        let (reference, card) = interaction.message.as_ref().map(|message| common.card(message)).unzip();
        let reply = common.reply(&self.shared, card, false, private);
        self.handle(common.update(reference, kind), &reply).await;
    }

    /// Runs the handler; Discord hears of the interaction in time whatever the handler waits for.
    async fn handle(&self, update: Update, reply: &Reply<'_>) {
        let done = CancellationToken::new();
        let handled = async {
            self.handler.handle(update, reply).await;
            done.cancel();
        };
        let deferred = async {
            tokio::select! {
                () = done.cancelled() => {}
                () = tokio::time::sleep(PATIENCE) => reply.defer().await,
            }
        };
        tokio::join!(handled, deferred);
        reply.finish().await;
    }

    async fn complete(&self, interaction: &CommandInteraction) {
        let Some(focused) = interaction.data.autocomplete() else { return };
        let common = common!(interaction, interaction.member.as_deref());
        let update = common.update(None, incoming::command(interaction, self.commands));
        let asked = self.handler.complete(&update, &interaction.data.name, focused.name, focused.value);
        let choices = tokio::time::timeout(COMPLETION, asked).await.unwrap_or_default();
        let choices: Vec<Value> = choices
            .iter()
            .filter(|choice| !choice.label.trim().is_empty() && choice.value.chars().count() <= 100)
            .take(draw::CHOICES)
            .map(|choice| json!({"name": draw::cut(&choice.label, 100), "value": choice.value}))
            .collect();
        let body = json!({"type": AUTOCOMPLETE, "data": {"choices": choices}});
        self.callback(&common.id, common.token, &body).await;
    }

    async fn callback(&self, id: &str, token: &str, body: &Value) {
        let route = format!("/interactions/{id}/{token}/callback");
        if let Err(why) = self.shared.rest.hook(reqwest::Method::POST, &route, Some(body), &[]).await {
            tracing::debug!(why = %crate::surface::Failure::from(why), "a Discord interaction was not answered");
        }
    }

    /// serenity could not read it, and would only say so in its debug log.
    async fn unknown(&self, value: &Value) {
        let (id, kind) = (value["id"].as_str().unwrap_or_default(), value["type"].as_u64().unwrap_or_default());
        tracing::warn!(id, kind, "Discord sent an interaction that this version can't read");
        let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.' || c == '=';
        let token = value["token"].as_str().filter(|token| token.chars().all(is_token));
        let (Some(token), true) = (token, id.bytes().all(|b| b.is_ascii_digit()) && kind != 4) else { return };
        let text =
            draw::short("Discord sent this in a form I can't read. Please try it another way, or write me directly.");
        self.callback(id, token, &json!({"type": 4, "data": text.create(true)})).await;
    }

    async fn direct(&self, message: &DiscordMessage) {
        if !incoming::is_written(message) {
            return;
        }
        let me = self.places().me.clone();
        let channel = message.channel_id.to_string();
        self.shared.remember_direct(&channel);
        let update = Update {
            id: message.id.to_string(),
            chat: incoming::chat(message.channel_id, None, None),
            person: Some(incoming::person(&message.author, None)),
            proof: Default::default(),
            message: Some(MessageRef {
                surface: SurfaceKind::Discord,
                chat: channel.clone(),
                id: message.id.to_string(),
                token: None,
                parts: Vec::new(),
            }),
            kind: incoming::direct(message, me.as_deref(), self.commands),
        };
        self.handler.handle(update, &ChannelReply { shared: &self.shared, channel: Some(channel) }).await;
    }

    fn ready(&self, me: String, listed: &[UnavailableGuild]) -> Vec<Membership> {
        tracing::info!(servers = listed.len(), "Discord's gateway is connected");
        let mut places = self.places();
        let mut gone = Vec::new();
        if places.me.replace(me).is_none() {
            for listed in listed {
                places.servers.entry(listed.id).or_default();
            }
        } else {
            // The session was lost, so its events too: what is not listed any more was left meanwhile. What is new
            // comes as a GUILD_CREATE.
            places.servers.retain(|server, since| {
                let kept = listed.iter().any(|listed| listed.id == *server);
                if !kept {
                    gone.push((incoming::membership(*server, MembershipStatus::Gone, None, *since), None));
                }
                kept
            });
        }
        gone
    }

    fn joined(&self, guild: &Guild) -> Option<Membership> {
        let since = guild.joined_at.unix_timestamp();
        if self.places().servers.insert(guild.id, since).is_some() {
            return None;
        }
        let update = incoming::membership(guild.id, MembershipStatus::Member, Some(guild.name.clone()), since);
        Some((update, guild.system_channel_id.map(|channel| channel.to_string())))
    }

    fn lost(&self, server: GuildId) -> Membership {
        let since = self.places().servers.remove(&server).unwrap_or_default();
        (incoming::membership(server, MembershipStatus::Gone, None, since), None)
    }
}

/// A change of our standing in a server, and the channel where it can be answered.
type Membership = (Update, Option<String>);
