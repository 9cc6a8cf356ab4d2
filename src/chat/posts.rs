//! Posts.

use bots::{Choice, Incoming, Message, SurfaceKind};
use serde::{Deserialize, Serialize};

use super::{Chat, Talk};
use crate::domain::id::PersonId;
use crate::flows::{Actor, Refusal};

/// Buttons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Press {}

/// Questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Question {}

pub async fn command(
    _talk: &Talk<'_>,
    _name: &str,
    _arguments: &[String],
    _incoming: &Incoming,
) -> Result<(), Refusal> {
    Ok(())
}
pub async fn press(
    _talk: &Talk<'_>,
    _press: Press,
    _values: &[String],
    _fields: &[(String, String)],
) -> Result<(), Refusal> {
    Ok(())
}
pub async fn answer(_talk: &Talk<'_>, _question: Question, _incoming: &Incoming) -> Result<(), Refusal> {
    Ok(())
}
pub async fn plain_message(_talk: &Talk<'_>, _incoming: &Incoming) -> Result<(), Refusal> {
    Ok(())
}
pub async fn completions(_chat: &Chat, _actor: &Actor, _command: &str, _typed: &str) -> Result<Vec<Choice>, Refusal> {
    Ok(Vec::new())
}
pub async fn draw(
    _chat: &Chat,
    _subject: &str,
    _surface: SurfaceKind,
    _person: Option<&PersonId>,
    _shared: bool,
) -> Result<Option<Message>, Refusal> {
    Ok(None)
}
