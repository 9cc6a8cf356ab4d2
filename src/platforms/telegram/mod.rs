//! Telegram channels and groups, posted to by the daemon's bot. The bot is the same that people chat with, so both share
//! one [`Budget`]; the connector has its own calls and knows nothing of the chat surface.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::{
    Answer, AppSource, Begun, Budget, Consent, Context, Credentials, Deletable, Delivery, Descriptor, Entry, Finding,
    Limits, Platform, Prepared, Recovery, Renewal, Seen, Sent, Unit, Want,
};
use crate::domain::account::{Account, Tokens};
use crate::domain::fault::Fault;
use crate::domain::post::Posted;
use crate::domain::{Entropy, Secret, Timestamp, clock};

mod auth;
pub mod budget;
mod fault;
mod publish;
mod utf16;
mod wire;

pub use budget::TelegramBudget;

static DESCRIPTOR: Descriptor = Descriptor {
    id: "telegram",
    name: "Telegram",
    noun: "channel",
    entry: Entry::Bot,
    app: AppSource::Settings(&["TELEGRAM_BOT_TOKEN"]),
    bot: Some("telegram"),
    renewal: Renewal::Never,
    recovery: Recovery::Ask,
    needs_place: false,
    visibility: &[],
    content_warning: false,
    language: false,
    silent: true,
    deletable: Deletable::Within(Duration::from_secs(48 * 3600)),
    hint: "Add me to your channel or group as an admin who may post; I will notice and ask you here.",
    setup: &[
        "In Telegram, open @BotFather and send /newbot. Choose a name and a username that ends in \"bot\".",
        "Copy the token that BotFather gives (digits, a colon, letters) into TELEGRAM_BOT_TOKEN.",
        "Put the username, without the at sign, into TELEGRAM_BOT_USERNAME.",
        "No redirect address is needed: Telegram has no consent page.",
        "Start trypost again. Then add the bot to your channel or group as an admin with \"Post messages\" and \"Delete \
         messages\".",
    ],
    sources: &[
        "core.telegram.org/bots/api, Bot API 10.1, 2026-06-11: methods, sizes, albums, the 48 hours",
        "core.telegram.org/bots/faq: 30 messages a second, 1 a second in a chat, 20 a minute in a group",
        "core.telegram.org/api/links: startchannel and admin rights in deep links",
        "github.com/tdlib/telegram-bot-api, 2026-05-07: error descriptions, retry_after",
    ],
};

/// The connector.
pub struct Telegram {
    budget: Arc<dyn Budget>,
}

impl Telegram {
    /// A connector that keeps to the bot's pace.
    pub fn new(budget: Arc<dyn Budget>) -> Self {
        Self { budget }
    }
}

#[async_trait]
impl Platform for Telegram {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn limits(&self, _meta: &Value) -> Limits {
        Limits {
            text: publish::TEXT,
            unit: Unit::Utf16,
            text_bytes: None,
            url_weight: None,
            mention_without_host: false,
            link_marks: true,
            images: publish::ALBUM,
            videos: publish::ALBUM,
            media: publish::ALBUM,
            mixed: true,
            image_types: ["image/jpeg", "image/png", "image/webp", "image/gif"].map(Into::into).into(),
            video_types: ["video/mp4", "video/quicktime"].map(Into::into).into(),
            image_bytes: publish::PHOTO_BYTES,
            video_bytes: publish::FILE_BYTES,
            total_bytes: None,
            video_ms: None,
            // The Bot API has no field for descriptions.
            alt: 0,
        }
    }

    async fn begin(&self, cx: &Context<'_>, _want: Want<'_>) -> Result<Begun, Fault> {
        auth::begin(cx).await
    }

    async fn complete(&self, cx: &Context<'_>, _keep: &Secret, answer: Answer) -> Result<Consent, Fault> {
        auth::complete(cx, answer).await
    }

    async fn renew(&self, _cx: &Context<'_>, _tokens: &Tokens) -> Result<Tokens, Fault> {
        Err(Fault::rejected("Telegram has no tokens to renew", "Nothing needs doing."))
    }

    async fn verify(&self, cx: &Context<'_>, account: &Account, _credentials: Credentials<'_>) -> Result<Seen, Fault> {
        auth::verify(cx, &account.remote_id).await
    }

    async fn revoke(&self, _cx: &Context<'_>, _credentials: Credentials<'_>) -> Result<(), Fault> {
        // There is no consent to give back; the bot stays in the chat, where people may be using it.
        Ok(())
    }

    fn send_key(&self, _now: Timestamp, entropy: &dyn Entropy) -> String {
        clock::token(entropy)
    }

    async fn prepare(&self, _cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value) -> Result<Prepared, Fault> {
        publish::prepare(delivery, journal).await
    }

    async fn send(&self, cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value, _key: &str) -> Result<Sent, Fault> {
        publish::send(cx, self.budget.as_ref(), delivery, journal).await
    }

    async fn find(
        &self,
        _cx: &Context<'_>,
        _delivery: &Delivery<'_>,
        _journal: Value,
        _key: &str,
        _since: Timestamp,
    ) -> Result<Finding, Fault> {
        Ok(Finding::Unknown { why: "Telegram lets no bot look through a chat".into() })
    }

    async fn delete(
        &self,
        cx: &Context<'_>,
        account: &Account,
        _credentials: Credentials<'_>,
        posted: &Posted,
    ) -> Result<(), Fault> {
        publish::delete(cx, account, posted).await
    }
}
