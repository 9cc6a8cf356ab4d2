//! The connectors: one folder per vendor behind one trait. They speak HTTP to their vendor and nothing else: no store,
//! no clock (time is passed in), no other platform. What is true of a platform (limits, lifetimes, settings) is data in
//! its [`Descriptor`], so that nobody outside its folder branches on its name. Long because the trait and its words are
//! one contract.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use crate::domain::account::{Account, Tokens};
use crate::domain::fault::Fault;
use crate::domain::post::{Media, Options, Posted, RichText};
use crate::domain::{Entropy, Secret, Timestamp};

pub mod bluesky;
pub mod discord;
pub mod http;
pub mod mastodon;
pub mod media;
pub mod oauth;
pub mod registry;
pub mod telegram;
pub mod text;
mod words;

/// Everything a connector may use besides its arguments.
pub struct Context<'a> {
    /// The one outbound client.
    pub http: &'a http::Http,
    /// Now.
    pub now: Timestamp,
    /// Our app at this platform (or at the instance).
    pub app: &'a App,
    /// `{APP_URL}/accounts/{platform}/callback`, or its override.
    pub redirect_uri: &'a Url,
    /// Random bytes.
    pub entropy: &'a dyn Entropy,
}

/// Our registration at a vendor or instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct App {
    /// OAuth client id, bot id, or empty where the platform needs none.
    pub id: String,
    /// OAuth client secret.
    pub secret: Option<Secret>,
    /// Bot token.
    pub bot_token: Option<Secret>,
    /// The bot's public name, without the at sign.
    pub bot_name: Option<String>,
    /// The instance it is registered at.
    pub host: Option<String>,
    /// More settings, as the environment has them (`DISCORD_PERMISSIONS`, `DISCORD_SCOPES`).
    pub settings: BTreeMap<String, String>,
}

/// Facts about a platform.
#[derive(Debug)]
pub struct Descriptor {
    /// The identifier used everywhere, as in `linkedin-page`.
    pub id: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// What one account is ("profile", "page", "channel", "server").
    pub noun: &'static str,
    /// How connecting begins.
    pub entry: Entry,
    /// Where our app's credentials come from.
    pub app: AppSource,
    /// The chat surface whose bot is also the publishing bot; its membership events are about our accounts, whose remote
    /// ids are the places' ids.
    pub bot: Option<&'static str>,
    /// How its tokens are kept alive.
    pub renewal: Renewal,
    /// How a lost answer to the visible call is cleared up.
    pub recovery: Recovery,
    /// Whether a post needs a place inside the account (a Discord channel).
    pub needs_place: bool,
    /// Words for "who sees it", the default first; empty where there is no choice.
    pub visibility: &'static [&'static str],
    /// Whether a post may carry a content warning.
    pub content_warning: bool,
    /// Whether a post may say which language it is in.
    pub language: bool,
    /// Whether a post can arrive without a sound.
    pub silent: bool,
    /// Whether deleting a post is possible, and until when after publishing.
    pub deletable: Deletable,
    /// One line for `/connect` on what will be asked.
    pub hint: &'static str,
    /// How to create the developer app or bot, step by step; `{redirect_uri}` is filled in.
    pub setup: &'static [&'static str],
    /// Where these facts are from: the vendor's pages with their dates.
    pub sources: &'static [&'static str],
}

/// How connecting begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The vendor's consent page.
    Consent,
    /// The consent page of an instance that the person names.
    Instance {
        /// What they type, by example.
        example: &'static str,
    },
    /// A private form with these fields.
    Form(&'static [FormField]),
    /// The bot is added to a place: by its membership event, or by a code posted there.
    Bot,
}

/// One field of a private form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormField {
    /// Comes back in [`Answer::Form`].
    pub name: &'static str,
    /// What people read.
    pub label: &'static str,
    /// An example.
    pub placeholder: &'static str,
    /// A line of help.
    pub help: &'static str,
    /// Not shown while typed.
    pub secret: bool,
    /// May stay empty.
    pub optional: bool,
}

/// Where our app's credentials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppSource {
    /// No app is needed.
    None,
    /// Registered by us at each instance, once.
    Instance,
    /// From these environment settings; all of them are needed.
    Settings(&'static [&'static str]),
}

/// How tokens are kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// They do not end.
    Never,
    /// A refresh token buys a new pair and dies: late, single-flight, the new pair stored first.
    Rotating {
        /// Renew this long before the access token ends.
        lead: Duration,
        /// How long the old refresh token still works after a rotation whose answer was lost.
        grace: Duration,
    },
}

/// How a lost answer is cleared up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// [`Platform::find`] can tell.
    Find,
    /// The platform gives no way to know: a human is asked.
    Ask,
}

/// Whether posts can be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletable {
    /// At any time.
    Always,
    /// Only this long after publishing.
    Within(Duration),
}

/// How a platform counts text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Extended grapheme clusters: what a person calls a character.
    Graphemes,
    /// UTF-16 code units.
    Utf16,
    /// Unicode code points.
    CodePoints,
}

/// What a post on one account may hold. Per account, because instances and servers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most text.
    pub text: usize,
    /// How it is counted.
    pub unit: Unit,
    /// The most bytes of UTF-8, where that is a limit too.
    pub text_bytes: Option<usize>,
    /// What each URL counts, whatever its length.
    pub url_weight: Option<usize>,
    /// Whether `@user@host` counts as `@user`.
    pub mention_without_host: bool,
    /// Whether words can lead somewhere; else the address is written behind them, and counts.
    pub link_marks: bool,
    /// The most pictures.
    pub images: usize,
    /// The most videos.
    pub videos: usize,
    /// The most files in all.
    pub media: usize,
    /// Whether pictures and videos go together.
    pub mixed: bool,
    /// Types taken for pictures.
    pub image_types: Vec<String>,
    /// Types taken for videos.
    pub video_types: Vec<String>,
    /// Bytes per picture as the vendor takes it; larger ones are scaled down by us where possible.
    pub image_bytes: u64,
    /// Bytes per video.
    pub video_bytes: u64,
    /// Bytes of all files together.
    pub total_bytes: Option<u64>,
    /// Milliseconds per video.
    pub video_ms: Option<u64>,
    /// The most text in a description.
    pub alt: usize,
}

/// What a person wants to connect.
pub struct Want<'a> {
    /// The instance they named, normalised by [`Platform::instance`].
    pub instance: Option<&'a str>,
    /// OAuth's `state`; also the code posted in a chat for [`Entry::Bot`].
    pub state: &'a str,
    /// The account to reconnect, where it is one.
    pub reconnect: Option<&'a Account>,
}

/// The first step of connecting.
#[derive(Debug)]
pub struct Begun {
    /// Where the person goes; `None` for [`Entry::Form`] and where only the bot's event counts.
    pub url: Option<Url>,
    /// What [`Platform::complete`] needs back: the PKCE verifier and the like. Sealed in between.
    pub keep: Secret,
}

/// What came back from the person's side.
#[derive(Debug)]
pub enum Answer {
    /// The query of the OAuth callback.
    Callback(BTreeMap<String, String>),
    /// The fields of the private form.
    Form(BTreeMap<String, Secret>),
    /// The bot stands in this place (chat or server id), and who asks may act for it: that was checked.
    Place(String),
}

/// What a consent gave.
#[derive(Debug)]
pub struct Consent {
    /// The grant; bots have none.
    pub grant: Option<GrantDraft>,
    /// What can be connected with it.
    pub found: Vec<Found>,
    /// Scopes that were asked and not given, each with its consequence, in plain words.
    pub missing: Vec<String>,
}

/// A grant before it is stored.
#[derive(Debug)]
pub struct GrantDraft {
    /// Who consented, by the platform's own id.
    pub remote_user: String,
    /// The tokens.
    pub tokens: Tokens,
}

/// Something that can be connected.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// Globally unique on its platform.
    pub remote_id: String,
    /// What people call it.
    pub name: String,
    /// `@name` without the at sign.
    pub handle: Option<String>,
    /// Its public page.
    pub url: Option<String>,
    /// More about it for people ("channel, 1,204 subscribers").
    pub detail: Option<String>,
    /// What the connector keeps about it. A JSON object.
    pub meta: Value,
    /// Why it can't be connected as it is, and what to do.
    pub blocked: Option<String>,
}

/// How one call is authorised.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The grant's tokens; `None` for bots.
    pub tokens: Option<&'a Tokens>,
}

/// One file, ready to be sent.
#[derive(Clone, Debug)]
pub struct File {
    /// What it is.
    pub media: Media,
    /// Where it lies.
    pub path: std::path::PathBuf,
}

/// A post on its way to one account.
pub struct Delivery<'a> {
    /// To whom.
    pub account: &'a Account,
    /// How the calls are authorised.
    pub credentials: Credentials<'a>,
    /// The words.
    pub text: &'a RichText,
    /// The files, in order.
    pub files: &'a [File],
    /// The choices, post's and target's already merged.
    pub options: &'a Options,
}

/// What one invisible step came to. The journal (a JSON object of the connector's own) is stored after each.
#[derive(Debug)]
pub enum Prepared {
    /// Done a part; call again.
    Step {
        /// The new journal.
        journal: Value,
        /// For people, as in "uploading 2 of 2".
        note: String,
    },
    /// The platform is busy with it; call again after that time.
    Wait {
        /// The new journal.
        journal: Value,
        /// For people, as in "processing the video".
        note: String,
        /// How long.
        pause: Duration,
    },
    /// All is ready for [`Platform::send`].
    Ready {
        /// The new journal.
        journal: Value,
    },
}

/// The visible call succeeded.
#[derive(Debug)]
pub struct Sent {
    /// The new journal.
    pub journal: Value,
    /// What is there now; for a post in several pieces, all pieces so far.
    pub posted: Posted,
    /// More pieces follow: call [`Platform::send`] again, with a new key.
    pub more: bool,
}

/// What looking for a lost send came to.
#[derive(Debug)]
pub enum Finding {
    /// It is there.
    Sent(Sent),
    /// It is not there, or sending again with the same key can't make a second one.
    Absent,
    /// Nobody can tell from here.
    Unknown {
        /// Why, in plain words.
        why: String,
    },
}

/// What a check saw: the account as the vendor shows it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What people call it.
    pub name: String,
    /// `@name` without the at sign.
    pub handle: Option<String>,
    /// Its public page.
    pub url: Option<String>,
    /// The connector's new notes about it.
    pub meta: Value,
}

/// A place inside an account where a post can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The platform's id.
    pub id: String,
    /// What people call it, as in `#news`.
    pub name: String,
}

/// The pace of one bot, shared by all that speak with its token (publishing and chatting). Its owner is the app.
#[async_trait]
pub trait Budget: Send + Sync {
    /// Returns when `calls` more messages may go to `chat` (the vendor's id). Cancel-safe: at worst the messages count
    /// as sent.
    async fn take(&self, chat: &str, calls: u32);
}

/// A connector. Every method but the pure ones may end in a [`Fault`].
#[async_trait]
pub trait Platform: Send + Sync {
    /// The facts.
    fn descriptor(&self) -> &'static Descriptor;

    /// What a post on this account may hold, by what the connector noted in `meta`. Pure.
    fn limits(&self, meta: &Value) -> Limits;

    /// Normalises an instance that a person typed (`mastodon.social`, `https://host/`, `@user@host`) to a bare host.
    /// Pure; the error is for people.
    fn instance(&self, typed: &str) -> Result<String, String> {
        Err(format!("{} has no servers to choose from: \"{typed}\" is not needed.", self.descriptor().name))
    }

    /// Registers our app at an instance ([`AppSource::Instance`]). `cx.app` is empty then.
    async fn register(&self, _cx: &Context<'_>, instance: &str) -> Result<App, Fault> {
        Err(Fault::Misconfigured { what: format!("{instance} takes no app of ours") })
    }

    /// Begins connecting.
    async fn begin(&self, cx: &Context<'_>, want: Want<'_>) -> Result<Begun, Fault>;

    /// Ends it: exchanges what came back, and lists what can be connected. A denial is [`Fault::Rejected`].
    async fn complete(&self, cx: &Context<'_>, keep: &Secret, answer: Answer) -> Result<Consent, Fault>;

    /// Buys new tokens. The answer must be stored before anything else is done.
    async fn renew(&self, cx: &Context<'_>, tokens: &Tokens) -> Result<Tokens, Fault>;

    /// Proves with the cheapest call that we can still post.
    async fn verify(&self, cx: &Context<'_>, account: &Account, credentials: Credentials<'_>) -> Result<Seen, Fault>;

    /// Gives the consent back; done when the vendor no longer knows it.
    async fn revoke(&self, cx: &Context<'_>, credentials: Credentials<'_>) -> Result<(), Fault>;

    /// The places inside an account where we can really post ([`Descriptor::needs_place`]).
    async fn places(&self, _cx: &Context<'_>, _account: &Account) -> Result<Vec<Place>, Fault> {
        Ok(Vec::new())
    }

    /// Mints the key of one send in the platform's own form (record key, nonce, idempotency key). Pure but for `entropy`.
    fn send_key(&self, now: Timestamp, entropy: &dyn Entropy) -> String;

    /// One invisible, repeatable step. `journal` is `null` at first.
    async fn prepare(&self, cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value) -> Result<Prepared, Fault>;

    /// The call that makes the post (or its next piece) visible. Exactly one visible call.
    async fn send(&self, cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value, key: &str) -> Result<Sent, Fault>;

    /// Looks for a send whose answer was lost. `since` is when it left.
    async fn find(
        &self,
        cx: &Context<'_>,
        delivery: &Delivery<'_>,
        journal: Value,
        key: &str,
        since: Timestamp,
    ) -> Result<Finding, Fault>;

    /// Deletes what was posted; done when it is already gone.
    async fn delete(
        &self,
        cx: &Context<'_>,
        account: &Account,
        credentials: Credentials<'_>,
        posted: &Posted,
    ) -> Result<(), Fault>;
}
