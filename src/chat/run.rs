//! Alerts, zone, health; how incidents look.

use bots::{Choice, Incoming, Message, SurfaceKind};
use serde::{Deserialize, Serialize};

use super::{Chat, Talk};
use crate::domain::id::PersonId;
use crate::flows::{Actor, Refusal};

/// Buttons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Press {}

pub async fn command(_talk: &Talk<'_>, _name: &str, _arguments: &[String]) -> Result<(), Refusal> {
    Ok(())
}
pub async fn press(_talk: &Talk<'_>, _press: Press) -> Result<(), Refusal> {
    Ok(())
}
pub async fn draw(
    _chat: &Chat,
    _subject: &str,
    _surface: SurfaceKind,
    _shared: bool,
) -> Result<Option<Message>, Refusal> {
    Ok(None)
}
