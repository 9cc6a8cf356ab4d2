//! Bluesky and every other personal data server of the AT Protocol: app password in, posts out. Its folder is the only
//! place that knows the lexicons; it knows no store and no clock.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::{
    Answer, AppSource, Begun, Consent, Context, Credentials, Deletable, Delivery, Descriptor, Entry, Finding,
    FormField, Limits, Platform, Prepared, Recovery, Renewal, Seen, Sent, Unit, Want,
};
use crate::domain::account::{Account, Tokens};
use crate::domain::post::Posted;
use crate::domain::{Entropy, Fault, Secret, Timestamp};

mod auth;
mod facets;
mod fault;
mod publish;
mod wire;

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bluesky;

static DESCRIPTOR: Descriptor = Descriptor {
    id: "bluesky",
    name: "Bluesky",
    noun: "profile",
    entry: Entry::Form(&[
        FormField {
            name: auth::HANDLE,
            label: "Handle",
            placeholder: "alice.bsky.social",
            help: "Your name on Bluesky, without the @.",
            secret: false,
            optional: false,
        },
        FormField {
            name: auth::PASSWORD,
            label: "App password",
            placeholder: "xxxx-xxxx-xxxx-xxxx",
            help: "Not your main password: make one in Bluesky under Settings, Privacy and security, App passwords.",
            secret: true,
            optional: false,
        },
        FormField {
            name: auth::SERVER,
            label: "Server",
            placeholder: "bsky.social",
            help: "Only if your account lives on a server of its own.",
            secret: false,
            optional: true,
        },
    ]),
    app: AppSource::None,
    bot: None,
    // Access tokens live 120 minutes; a rotated refresh token works 2 hours more and gives the same successor.
    renewal: Renewal::Rotating { lead: Duration::from_secs(10 * 60), grace: Duration::from_secs(2 * 3600) },
    recovery: Recovery::Find,
    needs_place: false,
    visibility: &[],
    content_warning: false,
    language: true,
    silent: false,
    deletable: Deletable::Always,
    hint: "You need your handle and an app password; I ask for both in a private form.",
    setup: &[
        "Bluesky needs no developer app: everyone connects with an app password.",
        "Open bsky.app and go to Settings, Privacy and security, App passwords.",
        "Press \"Add App Password\", give it a name such as \"trypost\", leave \"Allow access to your direct messages\" \
         off, and copy the password: it looks like xxxx-xxxx-xxxx-xxxx and is shown once.",
        "Type /connect bluesky here and enter your handle and that password in the form.",
        "To end the connection, delete the app password on the same page, or type /disconnect.",
    ],
    sources: &[
        "https://docs.bsky.app/docs/advanced-guides/rate-limits (2026-08-20)",
        "https://docs.bsky.app/docs/tutorials/video (2026-08-20)",
        "https://atproto.com/specs/xrpc (2026-08-20)",
        "lexicons com.atproto.server.*, com.atproto.repo.*, app.bsky.feed.post, app.bsky.embed.*, app.bsky.video.* \
         of github.com/bluesky-social/atproto (2026-08-20)",
        "session lifetimes and the grace of rotation: packages/pds/src/account-manager (2026-08-20)",
        "300 MB and 10 minutes of video, 2,000 characters of description: constants of \
         github.com/bluesky-social/social-app (late 2026)",
    ],
};

#[async_trait]
impl Platform for Bluesky {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn limits(&self, meta: &Value) -> Limits {
        let owned = |types: &[&str]| types.iter().map(|mime| (*mime).to_owned()).collect();
        Limits {
            text: 300,
            unit: Unit::Graphemes,
            text_bytes: Some(3_000),
            url_weight: None,
            mention_without_host: false,
            link_marks: true,
            images: 4,
            videos: 1,
            media: 4,
            mixed: false,
            image_types: owned(publish::IMAGE_TYPES),
            video_types: owned(publish::VIDEO_TYPES),
            image_bytes: publish::room(meta["pds"].as_str().unwrap_or_default()).bytes,
            video_bytes: 300_000_000,
            total_bytes: None,
            video_ms: Some(10 * 60 * 1_000),
            // The lexicon sets no length; the vendor's app takes this many.
            alt: 2_000,
        }
    }

    async fn begin(&self, _cx: &Context<'_>, _want: Want<'_>) -> Result<Begun, Fault> {
        Ok(Begun { url: None, keep: Secret::new("") })
    }

    async fn complete(&self, cx: &Context<'_>, _keep: &Secret, answer: Answer) -> Result<Consent, Fault> {
        auth::complete(cx, answer).await
    }

    async fn renew(&self, cx: &Context<'_>, tokens: &Tokens) -> Result<Tokens, Fault> {
        auth::renew(cx, tokens).await
    }

    async fn verify(&self, cx: &Context<'_>, account: &Account, credentials: Credentials<'_>) -> Result<Seen, Fault> {
        auth::verify(cx, account, credentials).await
    }

    async fn revoke(&self, cx: &Context<'_>, credentials: Credentials<'_>) -> Result<(), Fault> {
        auth::revoke(cx, credentials).await
    }

    fn send_key(&self, now: Timestamp, entropy: &dyn Entropy) -> String {
        publish::record_key(now, entropy)
    }

    async fn prepare(&self, cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value) -> Result<Prepared, Fault> {
        publish::prepare(cx, delivery, journal).await
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
        _since: Timestamp,
    ) -> Result<Finding, Fault> {
        publish::find(cx, delivery, journal, key).await
    }

    async fn delete(
        &self,
        cx: &Context<'_>,
        account: &Account,
        credentials: Credentials<'_>,
        posted: &Posted,
    ) -> Result<(), Fault> {
        publish::delete(cx, account, credentials, posted).await
    }
}
