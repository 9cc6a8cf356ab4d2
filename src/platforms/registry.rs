//! The list of all connectors: the one place that names them. It knows nothing else about them.

use std::sync::Arc;

use super::discord::Discord;
use super::telegram::Telegram;
use super::{Budget, Platform};

/// Every connector, in the order in which people see them. `telegram` is the pace of Telegram's bot, shared with the chat.
pub fn all(telegram: Arc<dyn Budget>) -> Vec<Arc<dyn Platform>> {
    vec![Arc::new(Telegram::new(telegram)), Arc::new(Discord)]
}
