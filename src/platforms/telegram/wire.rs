//! Telegram's Bot API over our own client: how a method is called and its envelope opened. The token stands in the path,
//! so the path is never shown. It knows nothing of posts.

use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::fault;
use crate::domain::Secret;
use crate::domain::fault::{Fault, Operation};
use crate::platforms::Context;
use crate::platforms::http::{Answer, Call, Part};

/// How long an upload of up to ten files of 50 MB may take.
const UPLOAD_LIMIT: Duration = Duration::from_secs(600);

/// A chat (Bot API: ChatFullInfo).
#[derive(Debug, Deserialize)]
pub(super) struct Chat {
    /// Negative for groups and channels; may not fit in 32 bits.
    pub(super) id: i64,
    /// `private`, `group`, `supergroup` or `channel`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) title: Option<String>,
    pub(super) username: Option<String>,
}

/// The bot in a chat (Bot API: ChatMember).
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    /// `creator`, `administrator`, `member`, `restricted`, `left` or `kicked`.
    pub(super) status: String,
    /// Only told of admins of channels.
    #[serde(default)]
    pub(super) can_post_messages: bool,
}

/// A bot (Bot API: User).
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) username: Option<String>,
}

/// A sent message.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) message_id: i64,
}

/// Our bot.
pub(super) struct Bot<'a> {
    cx: &'a Context<'a>,
    token: &'a Secret,
}

impl<'a> Bot<'a> {
    /// The bot of the app's settings.
    pub(super) fn of(cx: &'a Context<'a>) -> Result<Self, Fault> {
        match &cx.app.bot_token {
            Some(token) if !token.is_empty() => Ok(Self { cx, token }),
            _ => Err(Fault::Misconfigured { what: "TELEGRAM_BOT_TOKEN is not set".into() }),
        }
    }

    /// Its user id: the part of the token before the colon.
    pub(super) fn id(&self) -> Result<i64, Fault> {
        let id = self.token.expose().split(':').next().unwrap_or_default();
        id.parse().map_err(|_| Fault::Misconfigured {
            what: "TELEGRAM_BOT_TOKEN does not look like a bot's token (digits, a colon, letters)".into(),
        })
    }

    /// Calls a method with a JSON body.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        operation: Operation,
        method: &str,
        body: &Value,
    ) -> Result<T, Fault> {
        let answer = self.request(operation, method)?.json(body).send().await?;
        self.open(operation, &answer)
    }

    /// Calls a method with files.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        operation: Operation,
        method: &str,
        parts: Vec<Part>,
    ) -> Result<T, Fault> {
        let answer = self.request(operation, method)?.multipart(parts).time_limit(UPLOAD_LIMIT).send().await?;
        self.open(operation, &answer)
    }

    fn request(&self, operation: Operation, method: &str) -> Result<Call<'a>, Fault> {
        let malformed = |_| Fault::Misconfigured { what: "TELEGRAM_BOT_TOKEN can't stand in a web address".into() };
        let url = Url::parse(&format!("https://api.telegram.org/bot{}/{method}", self.token.expose()));
        let call = self.cx.http.call(operation, Method::POST, url.map_err(malformed)?);
        Ok(call.secret_path(format!("/bot•••/{method}")))
    }

    fn open<T: DeserializeOwned>(&self, operation: Operation, answer: &Answer) -> Result<T, Fault> {
        let mut body = answer.json();
        if !answer.is_success() || body["ok"] != true {
            return Err(fault::verdict(operation, answer, self.cx.now));
        }
        serde_json::from_value(body["result"].take())
            .map_err(|_| Fault::unanswered(operation, "Telegram's answer could not be read"))
    }
}

/// A chat id as Telegram takes it: a number, or the `@name` of a public channel.
pub(super) fn chat_id(id: &str) -> Value {
    id.parse::<i64>().map_or_else(|_| id.into(), Value::from)
}
