//! Where a message of ours is reached, and what may stand in an address: ids are checked before they are put there. It
//! must not know what a message says.

use reqwest::Method;
use serde_json::Value;

use super::draw::Part;
use super::reply::ORIGINAL;
use super::rest::{Rest, Trouble};
use crate::model::{MessageRef, SurfaceKind};
use crate::surface::Failure;

/// A message's routes: by the bot where it stands in a channel, through its interaction where only the asker sees it.
pub(crate) struct Routes {
    /// Where a further message is made.
    create: String,
    /// Where its messages are, without their id.
    messages: String,
    hook: bool,
}

impl Routes {
    pub(crate) fn of(at: &MessageRef) -> Result<Self, Failure> {
        let Some(token) = &at.token else {
            let messages = format!("/channels/{}/messages", snowflake(&at.chat)?);
            return Ok(Self { create: messages.clone(), messages, hook: false });
        };
        let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
        match token.split_once('/') {
            Some((application, token)) if snowflake(application).is_ok() && token.chars().all(is_token) => {
                let hook = format!("/webhooks/{application}/{token}");
                Ok(Self { create: format!("{hook}?wait=true"), messages: format!("{hook}/messages"), hook: true })
            }
            _ => Err(Failure::Gone("the interaction's token is not one of Discord's".to_owned())),
        }
    }

    pub(crate) async fn call(
        &self,
        rest: &Rest,
        method: Method,
        id: Option<&str>,
        part: Option<&Part>,
    ) -> Result<Value, Trouble> {
        let route = match id {
            Some(id) => format!("{}/{id}", self.messages),
            None => self.create.clone(),
        };
        let body = part.map(|part| if id.is_some() { part.replace() } else { part.create(self.hook) });
        let files = part.map(|part| part.files.as_slice()).unwrap_or_default();
        match (method, &body) {
            (method, body) if self.hook => rest.hook(method, &route, body.as_ref(), files).await,
            (Method::PATCH, Some(body)) => rest.patch(&route, body, files).await,
            (_, Some(body)) => rest.post(&route, body, files).await,
            (_, None) => rest.delete(&route).await,
        }
    }
}

/// Checks an id before it becomes part of an address.
pub(crate) fn snowflake(id: &str) -> Result<&str, Failure> {
    if (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()) {
        Ok(id)
    } else {
        Err(Failure::Unreachable("this is not an id of Discord's".to_owned()))
    }
}

pub(crate) fn named(message: &Value) -> Result<String, Failure> {
    let missing = || Failure::Retry { after: 5, why: "Discord's answer names no message".to_owned() };
    message["id"].as_str().map(str::to_owned).ok_or_else(missing)
}

pub(crate) fn reference(channel: &str, token: Option<String>, mut ids: Vec<String>) -> MessageRef {
    let id = if ids.is_empty() { String::new() } else { ids.remove(0) };
    MessageRef { surface: SurfaceKind::Discord, chat: channel.to_owned(), id, token, parts: ids }
}

/// Checks a message's id before it becomes part of an address.
pub(crate) fn message_id(id: &str) -> Result<&str, Failure> {
    if id == ORIGINAL {
        return Ok(id);
    }
    snowflake(id).map_err(|_| Failure::Gone("this is not a message of Discord's".to_owned()))
}

/// What is not there need not be deleted.
pub(crate) fn gone_is_fine(deleted: Result<Value, Trouble>) -> Result<(), Failure> {
    match deleted.map_err(Failure::from) {
        Ok(_) | Err(Failure::Gone(_)) => Ok(()),
        Err(why) => Err(why),
    }
}
