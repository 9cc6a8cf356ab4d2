//! Connecting.

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

pub async fn command(_talk: &Talk<'_>, _name: &str, _arguments: &[String]) -> Result<(), Refusal> {
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
pub async fn draw(_chat: &Chat, _subject: &str, _surface: SurfaceKind) -> Result<Option<Message>, Refusal> {
    Ok(None)
}
pub fn completions(_chat: &Chat, _typed: &str) -> Vec<Choice> {
    Vec::new()
}
pub fn looks_secret(_text: &str) -> bool {
    false
}
pub async fn secret_typed(_talk: &Talk<'_>) -> Result<(), Refusal> {
    Ok(())
}
