//! The bot's standing in chats, and codes posted there.

use super::{Chat, Talk};
use crate::flows::Refusal;

pub async fn membership(_chat: &Chat, _update: &bots::Update, _membership: &bots::Membership) -> Result<(), Refusal> {
    Ok(())
}
pub async fn code(_talk: &Talk<'_>, _code: &str) -> Result<(), Refusal> {
    Ok(())
}
