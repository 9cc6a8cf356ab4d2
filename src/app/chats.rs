//! The chat bots that a configuration names, and what the web part needs of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bots::{Surface, SurfaceKind};
use url::Url;

use crate::config::Config;
use crate::flows::Flows;
use crate::platforms::Budget;
use crate::store::Place;
use crate::web;

/// Chatting and publishing share one pace per bot token.
struct SharedBudget(Arc<dyn Budget>);

#[async_trait::async_trait]
impl bots::telegram::Budget for SharedBudget {
    async fn take(&self, chat: &str, calls: u32) {
        self.0.take(chat, calls).await;
    }
}

/// The surfaces that are up, by their kind.
pub type Surfaces = BTreeMap<SurfaceKind, Arc<dyn Surface>>;

/// The bots that this configuration names; Telegram's once more by its own type, for its webhook.
pub fn surfaces(config: &Config, budget: Arc<dyn Budget>) -> (Surfaces, Option<Arc<bots::Telegram>>) {
    let mut surfaces = Surfaces::new();
    let telegram = telegram(config, budget);
    if let Some(telegram) = &telegram {
        surfaces.insert(SurfaceKind::Telegram, telegram.clone());
    }
    if let Some(discord) = discord(config) {
        surfaces.insert(SurfaceKind::Discord, discord);
    }
    (surfaces, telegram)
}

fn telegram(config: &Config, budget: Arc<dyn Budget>) -> Option<Arc<bots::Telegram>> {
    let token = config.secret("TELEGRAM_BOT_TOKEN")?;
    let built = bots::telegram::client().and_then(|client| {
        bots::Telegram::new(bots::TelegramConfig {
            token: bots::telegram::Secret::new(token.expose()),
            api_url: config.vendor_gateway.as_ref().and_then(|gateway| gateway.join("/api.telegram.org").ok()),
            webhook: config.telegram_webhook().map(|webhook| bots::telegram::Webhook {
                url: webhook.url,
                secret: bots::telegram::Secret::new(webhook.secret.expose()),
            }),
            client,
            budget: Arc::new(SharedBudget(budget)),
        })
    });
    built.inspect_err(|failure| tracing::error!(failure = %failure, "Telegram is left out")).ok().map(Arc::new)
}

fn discord(config: &Config) -> Option<Arc<dyn Surface>> {
    let token = config.secret("DISCORD_BOT_TOKEN")?;
    let built = bots::Discord::new(bots::DiscordConfig {
        token: token.expose().to_owned(),
        application_id: config.setting("DISCORD_CLIENT_ID").map(str::to_owned),
        gateway: config.vendor_gateway.clone(),
    });
    match built {
        Ok(discord) => Some(Arc::new(discord)),
        Err(failure) => {
            tracing::error!(failure = %failure, "Discord is left out");
            None
        }
    }
}

pub(super) fn webhook(telegram: Arc<bots::Telegram>) -> web::Webhook {
    Arc::new(move |secret, body| {
        let telegram = telegram.clone();
        Box::pin(async move { telegram.webhook(secret.as_deref(), &body).await.status().as_u16() })
    })
}

/// "Back to your chat" for the pages: a link into the app where there is one.
pub(super) fn back_link(flows: &Arc<Flows>) -> web::BackLink {
    let telegram = flows
        .platforms
        .iter()
        .find(|offered| offered.platform.descriptor().bot == Some(SurfaceKind::Telegram.as_str()))
        .and_then(|offered| offered.app.bot_name.clone());
    Arc::new(move |place: &Place| match SurfaceKind::parse(&place.surface)? {
        SurfaceKind::Telegram => {
            let url = Url::parse(&format!("https://t.me/{}", telegram.as_ref()?)).ok()?;
            Some(("Back to Telegram".to_owned(), url))
        }
        SurfaceKind::Discord => {
            let url = Url::parse(&format!("https://discord.com/channels/@me/{}", place.chat)).ok()?;
            Some(("Back to Discord".to_owned(), url))
        }
        SurfaceKind::Console => None,
    })
}
