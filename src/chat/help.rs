//! Start and help.

use bots::{Choice, Incoming, Message, SurfaceKind};
use serde::{Deserialize, Serialize};

use super::{Chat, Talk};
use crate::domain::id::PersonId;
use crate::flows::{Actor, Refusal};

pub async fn command(_talk: &Talk<'_>, _name: &str, _arguments: &[String]) -> Result<(), Refusal> {
    Ok(())
}
