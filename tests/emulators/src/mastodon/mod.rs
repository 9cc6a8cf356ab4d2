//! Mastodon: one instance per [`Mastodon`], any number of them on one gateway, with ids that start at 1 on each. The
//! state is what an instance knows (users, apps, tokens, media, statuses) and what tests turn; the wire is its HTTP.
//! Sources: docs.joinmastodon.org (methods apps, oauth, media, statuses, instance; api/rate-limits) and the texts of
//! mastodon/mastodon `config/locales/en.yml` and Doorkeeper.
//!
//! What counts as a violation: a request that is wrong whatever the instance's state is (unknown address, missing or
//! mismatched OAuth parameters, a code used twice, media attached before it was seen ready).

mod consent;
mod entities;
mod front;
mod grants;
mod oauth;
mod pages;
mod posts;
mod state;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use crate::gateway::{Gateway, lock};
use state::State;
pub use state::{Media, Status, UserState};

/// Whose software an instance runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Mastodon itself.
    Mastodon,
    /// GoToSocial: ULIDs, counts plain characters, ignores the Idempotency-Key, has no discovery document, no public
    /// timeline, and shows nothing without a token.
    GoToSocial,
}

/// What is fixed about an instance.
#[derive(Clone, Debug)]
pub struct Options {
    /// The version it reports, as in `4.4.8`. From 4.3 there are PKCE, the discovery document and the `profile` scope.
    pub version: String,
    /// Its software.
    pub flavour: Flavour,
}

impl Options {
    /// A Mastodon of this version.
    pub fn mastodon(version: &str) -> Self {
        Self { version: version.to_owned(), flavour: Flavour::Mastodon }
    }

    /// A present GoToSocial.
    pub fn gotosocial() -> Self {
        Self { version: "0.20.2+git-8d9bd2e".to_owned(), flavour: Flavour::GoToSocial }
    }

    /// Whether it is Mastodon of this version or later.
    fn at_least(&self, major: u32, minor: u32) -> bool {
        let mut numbers = self.version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        self.flavour == Flavour::Mastodon && version >= (major, minor)
    }

    /// Whether it has what came with Mastodon 4.3: PKCE, discovery, `profile`, several redirect addresses.
    fn modern(&self) -> bool {
        self.at_least(4, 3)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::mastodon("4.4.8")
    }
}

/// An instance's limits, as `GET /api/v2/instance` tells them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Characters of a status with its content warning.
    pub max_characters: usize,
    /// Files of one status.
    pub max_media: usize,
    /// What every web address counts for.
    pub url_length: usize,
    /// Bytes of an image; more is refused with 422.
    pub image_size: usize,
    /// Bytes of a video; more is refused with 422.
    pub video_size: usize,
    /// Bytes of any request; the front end refuses more with 413 and an HTML page.
    pub body_size: usize,
    /// Pixels of an image.
    pub image_matrix: usize,
    /// Characters of a media description.
    pub description: usize,
    /// What may be uploaded.
    pub mime_types: Vec<&'static str>,
}

/// What tests turn.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// How many polls of a video's processing answer 206 before 200.
    pub processing_polls: u32,
    /// Media that needs processing fails it: polls answer 422.
    pub processing_fails: bool,
    /// Whether `POST /api/v2/media` exists (Mastodon from 3.1.3); without it 404, and `v1` blocks until ready.
    pub media_v2: bool,
    /// A front end that refuses a request with a body and no exact `Content-Length` (411).
    pub require_content_length: bool,
    /// Whether call budgets are enforced.
    pub rate_limits: bool,
    /// Answer everything with 301 to the same path at this origin (`https://new.example`).
    pub redirect_to: Option<String>,
}

/// One instance. Clones are the same instance.
#[derive(Clone)]
pub struct Mastodon(Arc<Server>);

struct Server {
    gateway: Weak<Gateway>,
    host: String,
    options: Options,
    state: Mutex<State>,
}

impl Mastodon {
    /// An instance at `https://HOST`, mounted on the gateway.
    pub fn new(gateway: &Arc<Gateway>, host: &str, options: Options) -> Self {
        let state = State::new(host, options.clone());
        let server =
            Server { gateway: Arc::downgrade(gateway), host: host.to_owned(), options, state: Mutex::new(state) };
        let instance = Self(Arc::new(server));
        gateway.mount(host, wire::router(instance.clone()));
        instance
    }

    /// Takes the instance off the network, or puts it back with all it knew.
    pub fn set_online(&self, online: bool) {
        if let Some(gateway) = self.0.gateway.upgrade() {
            if online {
                gateway.mount(&self.0.host, wire::router(self.clone()));
            } else {
                gateway.unmount(&self.0.host);
            }
        }
    }

    /// Its host.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// A new local user; the answer is the account's id. The display name is the user name with a capital.
    pub fn add_user(&self, name: &str) -> String {
        let now = self.now();
        self.state(|state| state.add_user(name, now))
    }

    /// What moderators and the user's own e-mail decide about a user. Does nothing for an unknown name.
    pub fn set_user(&self, name: &str, to: UserState) {
        self.state(|state| state.users.iter_mut().filter(|user| user.name == name).for_each(|user| user.state = to));
    }

    /// Changes the name people see.
    pub fn rename_user(&self, name: &str, display_name: &str) {
        let rename = |user: &mut state::User| user.display_name = display_name.to_owned();
        self.state(|state| state.users.iter_mut().filter(|user| user.name == name).for_each(rename));
    }

    /// The user presses "Revoke" under "Authorized apps": every token of theirs is dead.
    pub fn revoke_tokens(&self, name: &str) {
        self.state(|state| state.revoke_tokens(name));
    }

    /// How many tokens of this user still work.
    pub fn live_tokens(&self, name: &str) -> usize {
        self.state(|state| state.live_tokens(name))
    }

    /// The nightly clean-up of the software: forgets the apps that no token belongs to.
    pub fn purge_apps(&self) {
        self.state(State::purge_unused_apps);
    }

    /// An administrator deletes every app; their tokens are unknown from then on.
    pub fn delete_apps(&self) {
        self.state(State::delete_apps);
    }

    /// How many apps are registered.
    pub fn apps(&self) -> usize {
        self.state(|state| state.apps.len())
    }

    /// The statuses that exist, oldest first.
    pub fn statuses(&self) -> Vec<Status> {
        self.state(|state| state.statuses.clone())
    }

    /// The media that were uploaded, oldest first.
    pub fn media(&self) -> Vec<Media> {
        self.state(|state| state.media.clone())
    }

    /// A user posts by themselves, at the web page: a public status of this text. The answer is its id.
    pub fn post_as(&self, name: &str, text: &str) -> Option<String> {
        let now = self.now();
        self.state(|state| state.post_as(name, text, now))
    }

    /// A user deletes a status at the web page. Whether it existed.
    pub fn delete_status(&self, id: &str) -> bool {
        self.state(|state| state.remove_status(id).is_some())
    }

    /// Turns knobs.
    pub fn knobs(&self, turn: impl FnOnce(&mut Knobs)) {
        self.state(|state| turn(&mut state.knobs));
    }

    /// Changes limits.
    pub fn limits(&self, change: impl FnOnce(&mut Limits)) {
        self.state(|state| change(&mut state.limits));
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut lock(&self.0.state))
    }

    fn now(&self) -> i64 {
        self.0.gateway.upgrade().map_or(0, |gateway| gateway.now())
    }

    fn violation(&self, what: &str) {
        if let Some(gateway) = self.0.gateway.upgrade() {
            gateway.violation(format!("mastodon {}: {what}", self.0.host));
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.0.host)
    }
}

/// A refusal in the instance's words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    status: u16,
    error: String,
    description: Option<String>,
    /// The client should have known: recorded as a violation with this text.
    violation: Option<String>,
}

impl Refusal {
    fn new(status: u16, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), description: None, violation: None }
    }

    /// An OAuth error with Doorkeeper's text for it.
    fn oauth(status: u16, error: &str, description: &str) -> Self {
        Self { description: Some(description.to_owned()), ..Self::new(status, error) }
    }

    fn violating(self, what: impl Into<String>) -> Self {
        Self { violation: Some(what.into()), ..self }
    }
}

/// Fields of a request, from JSON or a form; lists keep their order.
type Fields = HashMap<String, serde_json::Value>;
