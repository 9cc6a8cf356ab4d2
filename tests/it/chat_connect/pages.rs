//! A platform that exists only here: one consent gives as many pages as a test wants.

use async_trait::async_trait;
use serde_json::Value;
use trypost::domain::account::{Account, Tokens};
use trypost::domain::post::Posted;
use trypost::domain::{Entropy, Fault, Secret, Timestamp};
use trypost::platforms::{
    Answer, AppSource, Begun, Consent, Context, Credentials, Deletable, Delivery, Descriptor, Entry, Finding, Found,
    GrantDraft, Limits, Platform, Prepared, Recovery, Renewal, Seen, Sent, Want, mastodon,
};

static DESCRIPTOR: Descriptor = Descriptor {
    id: "pages",
    name: "Pages",
    noun: "page",
    entry: Entry::Consent,
    app: AppSource::None,
    bot: None,
    renewal: Renewal::Never,
    recovery: Recovery::Ask,
    needs_place: false,
    visibility: &[],
    content_warning: false,
    language: false,
    silent: false,
    deletable: Deletable::Always,
    hint: "Choose the pages there.",
    setup: &[],
    sources: &[],
};

/// The names of the pages; one that begins with `-` is blocked. The last list is what was not given.
pub struct Pages(pub Vec<String>, pub Vec<String>);

#[async_trait]
impl Platform for Pages {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn limits(&self, meta: &Value) -> Limits {
        mastodon::Mastodon::default().limits(meta)
    }

    async fn begin(&self, _: &Context<'_>, want: Want<'_>) -> Result<Begun, Fault> {
        let url = format!("https://pages.example/?state={}", want.state).parse().ok();
        Ok(Begun { url, keep: Secret::new("") })
    }

    async fn complete(&self, _: &Context<'_>, _: &Secret, _: Answer) -> Result<Consent, Fault> {
        let found = self.0.iter().map(|name| Found {
            remote_id: name.clone(),
            name: name.trim_start_matches('-').to_owned(),
            handle: None,
            url: None,
            detail: None,
            meta: Value::Null,
            blocked: name.starts_with('-').then(|| "you are not its editor".to_owned()),
        });
        let tokens = Tokens {
            access: Secret::new("canary-access"),
            refresh: None,
            extra: None,
            expires_at: None,
            refresh_expires_at: None,
        };
        let grant = Some(GrantDraft { remote_user: "ana".into(), tokens });
        Ok(Consent { grant, found: found.collect(), missing: self.1.clone() })
    }

    async fn renew(&self, _: &Context<'_>, _: &Tokens) -> Result<Tokens, Fault> {
        Err(Fault::Stale)
    }

    async fn verify(&self, _: &Context<'_>, _: &Account, _: Credentials<'_>) -> Result<Seen, Fault> {
        Err(Fault::Stale)
    }

    async fn revoke(&self, _: &Context<'_>, _: Credentials<'_>) -> Result<(), Fault> {
        Ok(())
    }

    fn send_key(&self, _: Timestamp, _: &dyn Entropy) -> String {
        String::new()
    }

    async fn prepare(&self, _: &Context<'_>, _: &Delivery<'_>, _: Value) -> Result<Prepared, Fault> {
        Err(Fault::Stale)
    }

    async fn send(&self, _: &Context<'_>, _: &Delivery<'_>, _: Value, _: &str) -> Result<Sent, Fault> {
        Err(Fault::Stale)
    }

    async fn find(&self, _: &Context<'_>, _: &Delivery<'_>, _: Value, _: &str, _: Timestamp) -> Result<Finding, Fault> {
        Err(Fault::Stale)
    }

    async fn delete(&self, _: &Context<'_>, _: &Account, _: Credentials<'_>, _: &Posted) -> Result<(), Fault> {
        Err(Fault::Stale)
    }
}
