//! Discord servers, posted to by the daemon's bot in a channel that each post names. One account is one server; only the
//! bot's token is ever used. The bot is the same that people chat with; the connector knows nothing of that.

use async_trait::async_trait;
use serde_json::Value;

use super::{
    Answer, AppSource, Begun, Consent, Context, Credentials, Deletable, Delivery, Descriptor, Entry, Finding, Limits,
    Place, Platform, Prepared, Recovery, Renewal, Seen, Sent, Unit, Want,
};
use crate::domain::account::{Account, Tokens};
use crate::domain::fault::{Fault, Operation};
use crate::domain::post::Posted;
use crate::domain::{Entropy, Secret, Timestamp};

mod auth;
mod fault;
mod markdown;
mod permissions;
mod publish;
mod wire;

static DESCRIPTOR: Descriptor = Descriptor {
    id: "discord",
    name: "Discord",
    noun: "server",
    entry: Entry::Consent,
    app: AppSource::Settings(&["DISCORD_CLIENT_ID", "DISCORD_CLIENT_SECRET", "DISCORD_BOT_TOKEN"]),
    bot: Some("discord"),
    renewal: Renewal::Never,
    recovery: Recovery::Find,
    needs_place: true,
    visibility: &[],
    content_warning: false,
    language: false,
    silent: true,
    deletable: Deletable::Always,
    hint: "Choose the server in Discord's own dialog; you need Manage Server there.",
    setup: &[
        "Open discord.com/developers/applications and create an application.",
        "Page OAuth2: copy the Client ID into DISCORD_CLIENT_ID and the Client Secret (not the Public Key) into \
         DISCORD_CLIENT_SECRET.",
        "Page OAuth2, Redirects: add exactly {redirect_uri} and save.",
        "Page Bot: press Reset Token and copy the token into DISCORD_BOT_TOKEN. Leave \"Requires OAuth2 Code Grant\" off; no \
         privileged intent is needed.",
        "The scopes are bot, identify and guilds (DISCORD_SCOPES), the permissions 248832 (DISCORD_PERMISSIONS): View \
         Channels, Send Messages, Embed Links, Attach Files, Read Message History, Mention Everyone. Nothing is ticked in \
         the portal for that: the link carries them.",
        "Start trypost again.",
    ],
    sources: &[
        "discord.com/developers/docs/topics/oauth2, 2026-08-06: bot invite, guild in the token answer, revocation",
        "discord.com/developers/docs/resources/message, 2026-08-06: content, nonce, allowed mentions, 25 MiB",
        "discord.com/developers/docs/reference, 2026-08-06: file sizes by boost tier, user agent, snowflakes",
        "discord.com/developers/docs/topics/permissions, 2026-08-06: overwrites",
        "github.com/discord/discord-api-spec, 2026-07-18: shapes and error codes",
    ],
};

const MIB: u64 = 1024 * 1024;
/// What a request holds beside its files: words, descriptions, the form's own lines (bytes, with room to spare).
const FRAME: u64 = 128 * 1024;

/// Types that are shown as pictures.
const IMAGE_TYPES: &[&str] = &["image/jpeg", "image/png", "image/webp", "image/gif"];

/// How far the server was boosted, 0 to 3.
fn tier(meta: &Value) -> u64 {
    meta["premium_tier"].as_u64().unwrap_or_default()
}

/// The most bytes of one file: boosted servers take larger ones.
fn file_bytes(meta: &Value) -> u64 {
    match tier(meta) {
        0 | 1 => 10 * MIB,
        2 => 50 * MIB,
        _ => 100 * MIB,
    }
}

/// The connector.
pub struct Discord;

#[async_trait]
impl Platform for Discord {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn limits(&self, meta: &Value) -> Limits {
        let file = file_bytes(meta);
        // Whether a boosted server takes more in one request too is only seen by trying.
        let total = (tier(meta) < 2).then_some(25 * MIB - FRAME);
        Limits {
            text: publish::TEXT,
            unit: Unit::Utf16,
            text_bytes: None,
            url_weight: None,
            mention_without_host: false,
            link_marks: true,
            images: publish::FILES,
            videos: publish::FILES,
            media: publish::FILES,
            mixed: true,
            image_types: IMAGE_TYPES.iter().map(|mime| (*mime).to_owned()).collect(),
            video_types: ["video/mp4", "video/quicktime", "video/webm"].map(Into::into).into(),
            image_bytes: file,
            video_bytes: file,
            total_bytes: total,
            video_ms: None,
            alt: publish::ALT,
        }
    }

    async fn begin(&self, cx: &Context<'_>, want: Want<'_>) -> Result<Begun, Fault> {
        auth::begin(cx, &want)
    }

    async fn complete(&self, cx: &Context<'_>, keep: &Secret, answer: Answer) -> Result<Consent, Fault> {
        auth::complete(cx, keep, answer).await
    }

    async fn renew(&self, _cx: &Context<'_>, _tokens: &Tokens) -> Result<Tokens, Fault> {
        Err(Fault::rejected("Discord's bot has no token to renew", "Nothing needs doing."))
    }

    async fn verify(&self, cx: &Context<'_>, account: &Account, _credentials: Credentials<'_>) -> Result<Seen, Fault> {
        auth::verify(cx, &account.remote_id).await
    }

    async fn revoke(&self, _cx: &Context<'_>, _credentials: Credentials<'_>) -> Result<(), Fault> {
        // The person's token went back when the server was connected; the bot stays, where people may be using it.
        Ok(())
    }

    async fn places(&self, cx: &Context<'_>, account: &Account) -> Result<Vec<Place>, Fault> {
        auth::places(cx, Operation::Verify, &account.remote_id).await
    }

    fn send_key(&self, _now: Timestamp, entropy: &dyn Entropy) -> String {
        publish::nonce(entropy)
    }

    async fn prepare(&self, _cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value) -> Result<Prepared, Fault> {
        publish::prepare(delivery, journal).await
    }

    async fn send(&self, cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value, key: &str) -> Result<Sent, Fault> {
        publish::send(cx, delivery, journal, key).await
    }

    async fn find(
        &self,
        cx: &Context<'_>,
        delivery: &Delivery<'_>,
        journal: Value,
        key: &str,
        since: Timestamp,
    ) -> Result<Finding, Fault> {
        publish::find(cx, delivery, journal, key, since).await
    }

    async fn delete(
        &self,
        cx: &Context<'_>,
        _account: &Account,
        _credentials: Credentials<'_>,
        posted: &Posted,
    ) -> Result<(), Fault> {
        publish::delete(cx, posted).await
    }
}
