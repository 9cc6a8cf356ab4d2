//! What a Mastodon instance knows: users, apps, codes, tokens, media and statuses, its knobs and budgets. The rules on
//! them stand in `grants` (who may do what) and `posts` (what a status may hold). It knows no HTTP.

use std::collections::HashMap;

use super::{Flavour, Knobs, Limits, Options};
use crate::throttle::{Throttle, Window};

pub(super) const MINUTE_MS: i64 = 60_000;

/// How a user stands with the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserState {
    /// All is well.
    Active,
    /// The e-mail address was never confirmed: 403.
    Unconfirmed,
    /// Waits for approval: 403.
    Pending,
    /// Login frozen by a moderator: 403 "Your login is currently disabled".
    Disabled,
    /// Suspended by a moderator: 403 "Your login is currently disabled", and their statuses are hidden.
    Suspended,
}

#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) display_name: String,
    pub(super) state: UserState,
    pub(super) created_ms: i64,
}

#[derive(Clone, Debug)]
pub(super) struct App {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) website: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) client_id: String,
    pub(super) client_secret: String,
}

#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) scopes: Vec<String>,
    pub(super) user: String,
    pub(super) challenge: Option<String>,
    pub(super) created_ms: i64,
    pub(super) used: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) client_id: String,
    /// Account id; `None` for an app's own token (`client_credentials`).
    pub(super) user: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) created_ms: i64,
    pub(super) revoked: bool,
}

/// An uploaded file.
#[derive(Clone, Debug)]
pub struct Media {
    /// Its id.
    pub id: String,
    /// The account that uploaded it.
    pub account: String,
    /// The MIME type by its bytes.
    pub mime: &'static str,
    /// `image`, `gifv`, `video` or `audio`.
    pub kind: &'static str,
    /// The bytes.
    pub bytes: bytes::Bytes,
    /// The text for people who can't see it.
    pub description: Option<String>,
    /// Width and height of images, in pixels.
    pub dimensions: Option<(usize, usize)>,
    /// The status that holds it.
    pub attached_to: Option<String>,
    /// Polls that still answer 206.
    pub(super) polls_left: u32,
    pub(super) ready: bool,
    pub(super) failed: bool,
}

/// A published status.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its id on this instance.
    pub id: String,
    /// The author's account id.
    pub account: String,
    /// The text as it was sent.
    pub text: String,
    /// The content warning; empty for none.
    pub spoiler_text: String,
    /// `public`, `unlisted`, `private` or `direct`.
    pub visibility: String,
    /// Whether media is hidden at first.
    pub sensitive: bool,
    /// ISO 639 code, when given.
    pub language: Option<String>,
    /// The status it answers.
    pub in_reply_to_id: Option<String>,
    /// Its media, in order.
    pub media: Vec<Media>,
    /// When it was made (Unix ms).
    pub created_ms: i64,
    /// The app that made it; empty for the web page.
    pub(super) client_id: String,
}

/// What a client asks a new status to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) spoiler_text: String,
    pub(super) visibility: Option<String>,
    pub(super) sensitive: bool,
    pub(super) language: Option<String>,
    pub(super) in_reply_to_id: Option<String>,
    pub(super) media_ids: Vec<String>,
}

/// What a client asks for at the consent page.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) scopes: Vec<String>,
    pub(super) challenge: Option<String>,
}

/// What a client sends to the token endpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) redirect_uri: String,
    pub(super) code: String,
    pub(super) verifier: Option<String>,
}

pub(super) struct Throttles {
    pub(super) api: Throttle,
    pub(super) media: Throttle,
    pub(super) delete: Throttle,
    pub(super) apps: Throttle,
}

pub(super) struct State {
    host: String,
    pub(super) options: Options,
    pub(super) users: Vec<User>,
    pub(super) apps: Vec<App>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) tokens: HashMap<String, Token>,
    pub(super) media: Vec<Media>,
    pub(super) statuses: Vec<Status>,
    pub(super) replays: HashMap<(String, String), (String, i64)>,
    counts: HashMap<&'static str, u64>,
    pub(super) knobs: Knobs,
    pub(super) limits: Limits,
    pub(super) throttles: Throttles,
}

impl State {
    pub(super) fn new(host: &str, options: Options) -> Self {
        let gotosocial = options.flavour == Flavour::GoToSocial;
        Self {
            host: host.to_owned(),
            users: vec![],
            apps: vec![],
            codes: HashMap::new(),
            tokens: HashMap::new(),
            media: vec![],
            statuses: vec![],
            replays: HashMap::new(),
            counts: HashMap::new(),
            knobs: Knobs {
                processing_polls: 2,
                processing_fails: false,
                media_v2: true,
                require_content_length: false,
                rate_limits: true,
                redirect_to: None,
            },
            limits: Limits {
                max_characters: if gotosocial { 5000 } else { 500 },
                max_media: if gotosocial { 6 } else { 4 },
                url_length: if gotosocial { 25 } else { 23 },
                image_size: 16 * 1024 * 1024,
                video_size: 99 * 1024 * 1024,
                body_size: 100 * 1024 * 1024,
                image_matrix: 33_177_600,
                description: 1500,
                mime_types: vec![
                    "image/jpeg",
                    "image/png",
                    "image/gif",
                    "image/webp",
                    "video/mp4",
                    "video/quicktime",
                    "video/webm",
                ],
            },
            // rack_attack.rb: aligned windows.
            throttles: Throttles {
                api: Throttle::new(300, 5 * MINUTE_MS, Window::Aligned),
                media: Throttle::new(30, 30 * MINUTE_MS, Window::Aligned),
                delete: Throttle::new(30, 30 * MINUTE_MS, Window::Aligned),
                apps: Throttle::new(5, 10 * MINUTE_MS, Window::Aligned),
            },
            options,
        }
    }

    /// The next id of this kind: 1, 2, 3 on Mastodon; a ULID on GoToSocial.
    pub(super) fn next_id(&mut self, kind: &'static str) -> String {
        let count = self.counts.entry(kind).or_insert(0);
        *count += 1;
        match self.options.flavour {
            Flavour::Mastodon => count.to_string(),
            Flavour::GoToSocial => format!("01K{:0>23}", count),
        }
    }

    pub(super) fn add_user(&mut self, name: &str, now: i64) -> String {
        let id = self.next_id("account");
        let mut letters = name.chars();
        let display_name =
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
        let user =
            User { id: id.clone(), name: name.to_owned(), display_name, state: UserState::Active, created_ms: now };
        self.users.push(user);
        id
    }

    pub(super) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    pub(super) fn id_of(&self, name: &str) -> Option<String> {
        self.users.iter().find(|user| user.name == name).map(|user| user.id.clone())
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }
}
