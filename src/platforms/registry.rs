//! The list of all connectors: the one place that names them. It knows nothing else about them.

use std::sync::Arc;

use super::bluesky::Bluesky;
use super::discord::Discord;
use super::mastodon::Mastodon;
use super::telegram::{Telegram, TelegramBudget};
use super::{Budget, Descriptor, Platform};

/// Every connector, in the order in which people see them. `telegram` is the pace of Telegram's bot, shared with the chat.
pub fn all(telegram: Arc<dyn Budget>) -> Vec<Arc<dyn Platform>> {
    vec![Arc::new(Bluesky), Arc::new(Mastodon::default()), Arc::new(Telegram::new(telegram)), Arc::new(Discord)]
}

/// The facts of all of them.
pub fn descriptors() -> Vec<&'static Descriptor> {
    all(Arc::new(TelegramBudget::new())).into_iter().map(|platform| platform.descriptor()).collect()
}
