//! Bluesky: the entryway `bsky.social`, any number of personal data servers (accounts live on one of them), the video
//! service `video.bsky.app`, the DID directory `plc.directory`, the public read API and the web pages at `bsky.app`.
//! One state stands behind all of them. Sources: the lexicons of bluesky-social/atproto, its reference data server
//! (packages/pds), and answers seen from a running one.
//!
//! What counts as a violation: a request that is wrong whatever the state is (a blob of type `*/*`, a mention without
//! a DID, a malformed record, an unknown method), and what the vendor lets pass but no correct client sends (facets
//! that cut a character).

mod appview;
mod directory;
mod pds;
mod record;
mod repo;
mod state;
#[cfg(test)]
mod tests;
mod token;
mod video;

use std::sync::{Arc, Mutex, Weak};

use crate::gateway::{Gateway, lock};
use state::State;
pub use state::{Account, Blob, Post, Standing};

/// The vendor's entryway: sign-in for the accounts of its own data servers, which it also relays to.
pub const ENTRYWAY: &str = "bsky.social";
/// The data server where accounts live that were not given another.
pub const VENDOR_PDS: &str = "morel.us-east.host.bsky.network";
/// The video service.
pub const VIDEO: &str = "video.bsky.app";
/// The directory of `did:plc` documents.
pub const DIRECTORY: &str = "plc.directory";
/// The public, unauthenticated read API.
pub const PUBLIC_API: &str = "public.api.bsky.app";
/// The web pages.
pub const WEB: &str = "bsky.app";

/// What tests turn.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// Bytes of an image that a record may hold: 2,000,000 by the lexicon, 1,000,000 on older servers.
    pub image_limit: u64,
    /// Bytes of any blob at `uploadBlob`; more is 413.
    pub blob_limit: usize,
    /// How long a blob that no record holds is kept (ms).
    pub blob_lifetime_ms: i64,
    /// Whether call and write budgets are enforced.
    pub rate_limits: bool,
    /// The read API behind the data servers answers 502 `UpstreamFailure`.
    pub appview_down: bool,
    /// Whether a used refresh token stays good for 2 hours, as on the reference server.
    pub refresh_grace: bool,
    /// Whether the video service wraps a job status as the lexicon says, or answers it bare as it is seen to.
    pub wrap_job_status: bool,
    /// How many polls of a video job say "in process".
    pub video_polls: u32,
    /// Jobs end as `JOB_STATE_FAILED` with this failure code.
    pub video_fails: Option<String>,
    /// `getUploadLimits` answers `canUpload: false` with this message.
    pub video_refused: Option<String>,
    /// Bytes of a video.
    pub video_limit: usize,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            image_limit: 2_000_000,
            blob_limit: 52_428_800,
            blob_lifetime_ms: 60 * 60_000,
            rate_limits: true,
            appview_down: false,
            refresh_grace: true,
            wrap_job_status: true,
            video_polls: 3,
            video_fails: None,
            video_refused: None,
            video_limit: 300_000_000,
        }
    }
}

/// The whole network. Clones are the same network.
#[derive(Clone)]
pub struct Bluesky(Arc<Server>);

struct Server {
    gateway: Weak<Gateway>,
    state: Mutex<State>,
}

impl Bluesky {
    /// The network with the vendor's own hosts, mounted on the gateway.
    pub fn new(gateway: &Arc<Gateway>) -> Self {
        let network = Self(Arc::new(Server { gateway: Arc::downgrade(gateway), state: Mutex::new(State::new()) }));
        gateway.mount(ENTRYWAY, pds::router(network.clone(), ENTRYWAY));
        gateway.mount(VENDOR_PDS, pds::router(network.clone(), VENDOR_PDS));
        gateway.mount(VIDEO, video::router(network.clone()));
        gateway.mount(DIRECTORY, directory::directory(network.clone()));
        gateway.mount(PUBLIC_API, appview::public_api(network.clone()));
        gateway.mount(WEB, directory::web(network.clone()));
        network
    }

    /// Somebody else's data server at this host.
    pub fn add_pds(&self, host: &str) {
        if let Some(gateway) = self.0.gateway.upgrade() {
            gateway.mount(host, pds::router(self.clone(), host));
        }
    }

    /// A new account on the vendor's data server; the answer is its DID. Its e-mail is confirmed.
    pub fn add_account(&self, handle: &str) -> String {
        self.add_account_at(VENDOR_PDS, handle)
    }

    /// A new account on the data server at this host ([`Bluesky::add_pds`]); the answer is its DID.
    pub fn add_account_at(&self, host: &str, handle: &str) -> String {
        let now = self.now();
        self.state(|state| state.add_account(host, handle, now))
    }

    /// The account, by handle or DID.
    pub fn account(&self, who: &str) -> Option<Account> {
        self.state(|state| state.account(who).cloned())
    }

    /// A new app password (`xxxx-xxxx-xxxx-xxxx`) under this name; `None` for an unknown account.
    pub fn add_app_password(&self, who: &str, name: &str) -> Option<String> {
        self.state(|state| state.add_app_password(who, name))
    }

    /// The user deletes the app password of this name: its sessions can't be refreshed any more.
    pub fn revoke_app_password(&self, who: &str, name: &str) {
        self.state(|state| state.revoke_app_password(who, name));
    }

    /// Kills the refresh tokens of the account, as a change of the main password does. Access tokens are stateless and
    /// live on until they expire ([`Bluesky::expire_access`]).
    pub fn revoke_sessions(&self, who: &str) {
        self.state(|state| state.revoke_sessions(who));
    }

    /// Every access token of the account so far answers 400 `ExpiredToken`, as if its two hours were over.
    pub fn expire_access(&self, who: &str) {
        self.state(|state| state.change(who, |account| account.epoch += 1));
    }

    /// How many refresh tokens of the account still work.
    pub fn live_sessions(&self, who: &str) -> usize {
        let now = self.now();
        self.state(|state| state.live_sessions(who, now))
    }

    /// What the vendor or the user decides about an account. A takedown or suspension kills its refresh tokens.
    pub fn set_standing(&self, who: &str, standing: Standing) {
        self.state(|state| state.set_standing(who, standing));
    }

    /// Switches "e-mail two-factor" for signing in with the main password.
    pub fn set_email_factor(&self, who: &str, on: bool) {
        self.state(|state| state.change(who, |account| account.email_factor = on));
    }

    /// The user takes another handle.
    pub fn set_handle(&self, who: &str, handle: &str) {
        self.state(|state| state.change(who, |account| account.handle = handle.to_owned()));
    }

    /// The account moves to the data server at this host: its sessions at the old one are over.
    pub fn move_account(&self, who: &str, host: &str) {
        self.state(|state| {
            state.revoke_sessions(who);
            state.change(who, |account| account.pds = host.to_owned());
        });
    }

    /// The posts of an account, oldest first.
    pub fn posts(&self, who: &str) -> Vec<Post> {
        self.state(|state| state.posts(who))
    }

    /// A stored blob of an account, by its CID.
    pub fn blob(&self, who: &str, cid: &str) -> Option<Blob> {
        self.state(|state| state.blob(&state.account(who)?.did, cid).cloned())
    }

    /// The user deletes a post in their own app. Whether it existed.
    pub fn delete_post(&self, who: &str, rkey: &str) -> bool {
        self.state(|state| state.delete_post(who, rkey))
    }

    /// Turns knobs.
    pub fn knobs(&self, turn: impl FnOnce(&mut Knobs)) {
        self.state(|state| turn(&mut state.knobs));
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut lock(&self.0.state))
    }

    fn now(&self) -> i64 {
        self.0.gateway.upgrade().map_or(0, |gateway| gateway.now())
    }

    fn violation(&self, what: &str) {
        if let Some(gateway) = self.0.gateway.upgrade() {
            gateway.violation(format!("bluesky: {what}"));
        }
    }
}

/// An XRPC refusal: `{"error", "message"}` with a status.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    status: u16,
    error: String,
    message: String,
    /// The client should have known: recorded as a violation with this text.
    violation: Option<String>,
}

impl Refusal {
    fn new(status: u16, error: &str, message: impl Into<String>) -> Self {
        Self { status, error: error.to_owned(), message: message.into(), violation: None }
    }

    /// 400 `InvalidRequest` for something no correct client sends.
    fn invalid(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { violation: Some(message.clone()), ..Self::new(400, "InvalidRequest", message) }
    }

    fn violating(self, what: impl Into<String>) -> Self {
        Self { violation: Some(what.into()), ..self }
    }
}
