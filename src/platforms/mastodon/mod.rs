//! Mastodon, and the servers that speak its API (GoToSocial, Pleroma, Akkoma, Pixelfed): one connector for any number of
//! instances. Our app is registered at each instance; tokens don't end and can't be renewed; limits are the instance's own
//! and are noted on the account. The calls are made by megalodon through a relay of ours, and by ourselves where that is
//! better: which is which stands in `wire`.

use async_trait::async_trait;
use serde_json::Value;
use url::{Host, Url};

use super::{
    Answer, App, AppSource, Begun, Consent, Context, Credentials, Deletable, Delivery, Descriptor, Entry, Finding,
    Limits, Platform, Prepared, Recovery, Renewal, Seen, Sent, Unit, Want,
};
use crate::domain::account::{Account, Tokens};
use crate::domain::clock::token;
use crate::domain::fault::{Fault, Operation};
use crate::domain::post::Posted;
use crate::domain::{Entropy, Secret, Timestamp};

mod auth;
mod fault;
mod notes;
mod publish;
mod relay;
#[cfg(test)]
mod tests;
mod wire;

use notes::Notes;
use wire::Server;

static DESCRIPTOR: Descriptor = Descriptor {
    id: "mastodon",
    name: "Mastodon",
    noun: "profile",
    entry: Entry::Instance { example: "mastodon.social" },
    app: AppSource::Instance,
    bot: None,
    renewal: Renewal::Never,
    recovery: Recovery::Find,
    needs_place: false,
    visibility: publish::VISIBILITY,
    content_warning: true,
    language: true,
    silent: false,
    deletable: Deletable::Always,
    hint: "You will be asked for your server's name, like mastodon.social.",
    setup: &[
        "Nothing to set up: trypost registers itself at each Mastodon server, once.",
        "It asks for read:accounts, write:statuses and write:media, and is sent back to {redirect_uri}.",
        "The server must be reachable from here by https, and your people's browsers must reach that address.",
    ],
    sources: &[
        "https://docs.joinmastodon.org/methods/apps/ (2026-07-02)",
        "https://docs.joinmastodon.org/methods/oauth/ (2026-07-02)",
        "https://docs.joinmastodon.org/methods/media/ (2026-07-02)",
        "https://docs.joinmastodon.org/methods/statuses/ (2026-07-02)",
        "https://docs.joinmastodon.org/methods/instance/ (2026-07-02)",
        "https://docs.joinmastodon.org/api/rate-limits/ (2026-07-02)",
        "mastodon/mastodon config/initializers/rack_attack.rb, config/locales/en.yml (2026)",
    ],
};

/// The connector. It holds the relay that megalodon's calls go through.
#[derive(Default)]
pub struct Mastodon {
    relay: relay::Relay,
}

/// The host and the account's id in a remote id.
fn split(account: &Account) -> (&str, &str) {
    account.remote_id.split_once(':').unwrap_or((account.remote_id.as_str(), ""))
}

fn access(credentials: Credentials<'_>) -> Result<&Secret, Fault> {
    let missing = || Fault::GrantDead { why: "there is no access to this account".into() };
    credentials.tokens.map(|tokens| &tokens.access).filter(|access| !access.is_empty()).ok_or_else(missing)
}

impl Mastodon {
    fn server<'a>(
        &'a self,
        cx: &'a Context<'a>,
        account: &'a Account,
        credentials: Credentials<'a>,
    ) -> Result<Server<'a>, Fault> {
        let software = account.meta["software"].as_str().unwrap_or_default();
        Ok(Server { cx, relay: &self.relay, host: split(account).0, software, token: Some(access(credentials)?) })
    }
}

#[async_trait]
impl Platform for Mastodon {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn limits(&self, meta: &Value) -> Limits {
        let sizes = Notes::of(meta).limits;
        let of = |kind: &str| sizes.types.iter().filter(|mime| mime.starts_with(kind)).cloned().collect();
        Limits {
            text: sizes.text,
            unit: Unit::Graphemes,
            text_bytes: None,
            url_weight: Some(sizes.url),
            mention_without_host: true,
            link_marks: false,
            images: sizes.media,
            videos: 1,
            media: sizes.media,
            mixed: false,
            image_types: of("image/"),
            video_types: of("video/"),
            image_bytes: sizes.image_bytes,
            video_bytes: sizes.video_bytes,
            total_bytes: None,
            video_ms: None,
            alt: sizes.alt,
        }
    }

    fn instance(&self, typed: &str) -> Result<String, String> {
        let refused =
            || format!("\"{}\" is not a server's name. Type it like mastodon.social.", super::oauth::sentence(typed));
        let typed = typed.trim();
        let with_scheme = typed.strip_prefix("https://").or_else(|| typed.strip_prefix("http://"));
        let rest = match with_scheme {
            Some(rest) => rest,
            // A handle: `@user@host`, `user@host`.
            None => typed.rsplit_once('@').map_or(typed, |(_, host)| host),
        };
        let url = Url::parse(&format!("https://{rest}")).map_err(|_| refused())?;
        let bare = url.username().is_empty() && url.password().is_none() && url.port().is_none();
        match url.host() {
            Some(Host::Domain(host)) if bare => {
                let host = host.trim_end_matches('.');
                if host.contains('.') { Ok(host.to_owned()) } else { Err(refused()) }
            }
            _ => Err(refused()),
        }
    }

    async fn register(&self, cx: &Context<'_>, instance: &str) -> Result<App, Fault> {
        auth::register(cx, instance).await
    }

    async fn begin(&self, cx: &Context<'_>, want: Want<'_>) -> Result<Begun, Fault> {
        auth::begin(cx, want).await
    }

    async fn complete(&self, cx: &Context<'_>, keep: &Secret, answer: Answer) -> Result<Consent, Fault> {
        auth::complete(cx, &self.relay, keep, answer).await
    }

    async fn renew(&self, _cx: &Context<'_>, _tokens: &Tokens) -> Result<Tokens, Fault> {
        Err(Fault::GrantDead { why: "Mastodon gives nothing to renew an access with".into() })
    }

    async fn verify(&self, cx: &Context<'_>, account: &Account, credentials: Credentials<'_>) -> Result<Seen, Fault> {
        let server = self.server(cx, account, credentials)?;
        let identity = server.identity(Operation::Verify).await?;
        let (host, id) = split(account);
        if identity.id != id {
            return Err(Fault::AccountLost {
                why: format!("{host} now gives our access to another profile"),
                fix: "Reconnect the account.".into(),
            });
        }
        // Limits change with the server's version. Not getting them says nothing about the account.
        let meta =
            server.notes(Operation::Verify).await.map_or_else(|_| account.meta.clone(), |notes| auth::meta(&notes));
        let name = identity.display_name.trim();
        Ok(Seen {
            name: if name.is_empty() { identity.username.clone() } else { name.to_owned() },
            handle: Some(format!("{}@{host}", identity.username)),
            url: identity.url,
            meta,
        })
    }

    async fn revoke(&self, cx: &Context<'_>, credentials: Credentials<'_>) -> Result<(), Fault> {
        match credentials.tokens {
            Some(tokens) => auth::revoke(cx, tokens).await,
            None => Ok(()),
        }
    }

    fn send_key(&self, _now: Timestamp, entropy: &dyn Entropy) -> String {
        token(entropy)
    }

    async fn prepare(&self, cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value) -> Result<Prepared, Fault> {
        let server = self.server(cx, delivery.account, delivery.credentials)?;
        publish::prepare(&server, delivery, &journal).await
    }

    async fn send(&self, cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value, key: &str) -> Result<Sent, Fault> {
        let server = self.server(cx, delivery.account, delivery.credentials)?;
        publish::send(&server, delivery, journal, key).await
    }

    async fn find(
        &self,
        cx: &Context<'_>,
        delivery: &Delivery<'_>,
        journal: Value,
        _key: &str,
        since: Timestamp,
    ) -> Result<Finding, Fault> {
        let server = self.server(cx, delivery.account, delivery.credentials)?;
        publish::find(&server, delivery, journal, split(delivery.account).1, since).await
    }

    async fn delete(
        &self,
        cx: &Context<'_>,
        account: &Account,
        credentials: Credentials<'_>,
        posted: &Posted,
    ) -> Result<(), Fault> {
        self.server(cx, account, credentials)?.delete(&posted.id).await
    }
}
