//! Discord's REST API (v10) over our own client, with the bot's token: how a call is made, and the shapes we read. It
//! knows nothing of posts.

use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::fault::{self, On};
use super::permissions::{Bearer, Overwrite, Role};
use crate::domain::Secret;
use crate::domain::fault::{Fault, Operation};
use crate::platforms::Context;
use crate::platforms::http::{Call, Http, Part, PartValue};

/// How long an upload may take.
const UPLOAD_LIMIT: Duration = Duration::from_secs(600);

/// A server.
#[derive(Debug, Deserialize)]
pub(super) struct Guild {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) icon: Option<String>,
    /// 0 to 3: how far its members have boosted it.
    #[serde(default)]
    pub(super) premium_tier: u64,
    /// Given for `with_counts=true`.
    pub(super) approximate_member_count: Option<u64>,
}

/// A channel of a server.
#[derive(Debug, Deserialize)]
pub(super) struct Channel {
    pub(super) id: String,
    /// 0 text, 5 announcement.
    #[serde(rename = "type")]
    pub(super) kind: u64,
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) position: i64,
    #[serde(default)]
    pub(super) permission_overwrites: Vec<Overwrite>,
}

/// A message.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) author: Option<User>,
    #[serde(default)]
    pub(super) content: String,
    /// A string or a number, and only for a while.
    #[serde(default)]
    pub(super) nonce: Value,
    #[serde(default)]
    pub(super) attachments: Vec<Attachment>,
    #[serde(default)]
    pub(super) embeds: Vec<Embed>,
}

/// A file of a message.
#[derive(Debug, Deserialize)]
pub(super) struct Attachment {
    pub(super) filename: String,
}

/// A card in a message.
#[derive(Debug, Deserialize)]
pub(super) struct Embed {
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
}

/// A person or bot.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) id: String,
}

#[derive(Debug, Deserialize)]
struct Member {
    #[serde(default)]
    roles: Vec<String>,
}

/// The client under the name that Discord asks for (developers/reference, User Agent); its edge may turn others away.
pub(super) fn client(cx: &Context<'_>) -> Http {
    let owner = cx.redirect_uri.origin().ascii_serialization();
    cx.http.named(&format!("DiscordBot ({owner}, {})", env!("CARGO_PKG_VERSION")))
}

/// Our bot.
pub(super) struct Bot<'a> {
    http: Http,
    cx: &'a Context<'a>,
    token: &'a Secret,
}

impl<'a> Bot<'a> {
    /// The bot of the app's settings.
    pub(super) fn of(cx: &'a Context<'a>) -> Result<Self, Fault> {
        match &cx.app.bot_token {
            Some(token) if !token.is_empty() => Ok(Self { http: client(cx), cx, token }),
            _ => Err(Fault::Misconfigured { what: "DISCORD_BOT_TOKEN is not set".into() }),
        }
    }

    /// Reads something. `path` holds one segment each.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        operation: Operation,
        on: On,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Fault> {
        let call = self.request(operation, Method::GET, path)?;
        let call = if query.is_empty() { call } else { call.query(query.iter().copied()) };
        self.finish(operation, on, call).await
    }

    /// Creates a message, with files where there are some.
    pub(super) async fn post_message(&self, channel: &str, body: &Value, files: Vec<Part>) -> Result<Message, Fault> {
        let call = self.request(Operation::Send, Method::POST, &["channels", channel, "messages"])?;
        let call = if files.is_empty() {
            call.json(body)
        } else {
            let payload = Part { name: "payload_json".into(), value: PartValue::Json(body.clone()) };
            call.multipart(std::iter::once(payload).chain(files).collect()).time_limit(UPLOAD_LIMIT)
        };
        self.finish(Operation::Send, On::Channel, call).await
    }

    /// Deletes a message; done when it or its channel is gone already.
    pub(super) async fn delete_message(&self, channel: &str, message: &str) -> Result<(), Fault> {
        let path = ["channels", channel, "messages", message];
        let answer = self.request(Operation::Delete, Method::DELETE, &path)?.send().await?;
        let gone = matches!(answer.json()["code"].as_i64(), Some(10003 | 10008));
        if answer.is_success() || gone {
            return Ok(());
        }
        Err(fault::verdict(Operation::Delete, On::Channel, &answer, self.cx.now))
    }

    /// The channels of a server that take messages (text and announcement), each with what the bot may do there.
    pub(super) async fn channels(&self, operation: Operation, guild: &str) -> Result<Vec<(Channel, u64)>, Fault> {
        let me: User = self.get(operation, On::Guild, &["users", "@me"], &[]).await?;
        let member: Member = self.get(operation, On::Guild, &["guilds", guild, "members", &me.id], &[]).await?;
        let roles: Vec<Role> = self.get(operation, On::Guild, &["guilds", guild, "roles"], &[]).await?;
        let channels: Vec<Channel> = self.get(operation, On::Guild, &["guilds", guild, "channels"], &[]).await?;
        let bearer = Bearer { guild, user: &me.id, roles: &member.roles };
        Ok(channels
            .into_iter()
            .filter(|channel| matches!(channel.kind, 0 | 5))
            .map(|channel| {
                let permissions = bearer.permissions(&roles, &channel.permission_overwrites);
                (channel, permissions)
            })
            .collect())
    }

    /// The bot's user id.
    pub(super) async fn id(&self, operation: Operation) -> Result<String, Fault> {
        let me: User = self.get(operation, On::Guild, &["users", "@me"], &[]).await?;
        Ok(me.id)
    }

    fn request(&self, operation: Operation, method: Method, path: &[&str]) -> Result<Call<'_>, Fault> {
        let unusable = || Fault::rejected("that is no id of Discord's", "Choose the channel or server again.");
        let mut url = Url::parse("https://discord.com/api/v10").map_err(|_| unusable())?;
        url.path_segments_mut().map_err(|()| unusable())?.extend(path);
        Ok(self.http.call(operation, method, url).bot(self.token))
    }

    async fn finish<T: DeserializeOwned>(&self, operation: Operation, on: On, call: Call<'_>) -> Result<T, Fault> {
        let answer = call.send().await?;
        if !answer.is_success() {
            return Err(fault::verdict(operation, on, &answer, self.cx.now));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| Fault::unanswered(operation, "Discord's answer could not be read"))
    }
}
