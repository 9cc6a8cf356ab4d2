//! What a Mastodon instance knows, and its rules: who may do what, what a status may hold, when media is ready, which
//! codes and tokens live. Time comes from the caller; it knows no HTTP beyond the status number of a refusal. Longer
//! than most files because the rules share one state.

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::distr::{Alphanumeric, SampleString as _};
use regex::Regex;
use sha2::{Digest as _, Sha256};
use unicode_segmentation::UnicodeSegmentation as _;

use super::{Flavour, Knobs, Limits, Options, Refusal};
use crate::throttle::{Throttle, Window};

const MINUTE_MS: i64 = 60_000;
/// Doorkeeper's `authorization_code_expires_in`: 10 minutes.
const CODE_TTL_MS: i64 = 10 * MINUTE_MS;
/// An Idempotency-Key is kept for an hour (methods/statuses).
const IDEMPOTENCY_MS: i64 = 60 * MINUTE_MS;

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
struct Code {
    client_id: String,
    redirect_uri: String,
    scopes: Vec<String>,
    user: String,
    challenge: Option<String>,
    created_ms: i64,
    used: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) client_id: String,
    /// Account id; `None` for an app's own token (`client_credentials`).
    pub(super) user: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) created_ms: i64,
    revoked: bool,
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
    options: Options,
    pub(super) users: Vec<User>,
    pub(super) apps: Vec<App>,
    codes: HashMap<String, Code>,
    tokens: HashMap<String, Token>,
    pub(super) media: Vec<Media>,
    pub(super) statuses: Vec<Status>,
    replays: HashMap<(String, String), (String, i64)>,
    counts: HashMap<&'static str, u64>,
    pub(super) knobs: Knobs,
    pub(super) limits: Limits,
    pub(super) throttles: Throttles,
}

/// Doorkeeper's `doorkeeper.en.yml`.
pub(super) const INVALID_CLIENT: &str = "Client authentication failed due to unknown client, no client authentication included, or unsupported authentication method.";
pub(super) const INVALID_GRANT: &str = "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client.";

/// What an instance can grant, from `config/initializers/doorkeeper.rb`; `profile` came with 4.3.
const SCOPES: &[&str] = &["read", "write", "follow", "push", "profile", "admin:read", "admin:write"];

static URL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"https?://[^\s<>"]+"#).ok());
static MENTION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"@([A-Za-z0-9_]+)@[A-Za-z0-9.\-]+[A-Za-z0-9]").ok());

fn known_scope(scope: &str, modern: bool) -> bool {
    let root = scope.split(':').next().unwrap_or_default();
    SCOPES.contains(&scope) && (modern || scope != "profile")
        || matches!(root, "read" | "write" | "admin") && scope.contains(':')
}

/// Whether these granted scopes allow `wanted`: a scope covers its parts (`write` covers `write:media`).
pub(super) fn covers(granted: &[String], wanted: &str) -> bool {
    granted
        .iter()
        .any(|have| have == wanted || wanted.strip_prefix(have.as_str()).is_some_and(|rest| rest.starts_with(':')))
}

fn secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 43)
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
    fn next_id(&mut self, kind: &'static str) -> String {
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

    fn id_of(&self, name: &str) -> Option<String> {
        self.users.iter().find(|user| user.name == name).map(|user| user.id.clone())
    }

    // --- apps ---

    /// Registers an app (methods/apps).
    pub(super) fn register(
        &mut self,
        name: &str,
        redirect_uris: &[String],
        scopes: &str,
        website: Option<String>,
    ) -> Result<App, Refusal> {
        let refuse = |what: &str| Refusal::new(422, format!("Validation failed: {what}")).violating(what);
        if name.trim().is_empty() {
            return Err(refuse("Application name can't be blank"));
        }
        let absolute = |uri: &String| {
            uri == "urn:ietf:wg:oauth:2.0:oob" || url::Url::parse(uri).is_ok_and(|uri| uri.fragment().is_none())
        };
        if redirect_uris.is_empty() || !redirect_uris.iter().all(absolute) {
            return Err(refuse("Redirect URI must be an absolute URI."));
        }
        let scopes: Vec<String> = scopes.split_whitespace().map(str::to_owned).collect();
        if !scopes.iter().all(|scope| known_scope(scope, self.options.modern())) {
            return Err(refuse("Scopes doesn't match configured on the server."));
        }
        let app = App {
            id: self.next_id("app"),
            name: name.to_owned(),
            website,
            redirect_uris: redirect_uris.to_vec(),
            scopes,
            client_id: secret(),
            client_secret: secret(),
        };
        self.apps.push(app.clone());
        Ok(app)
    }

    pub(super) fn purge_unused_apps(&mut self) {
        let used: Vec<&String> = self.tokens.values().map(|token| &token.client_id).collect();
        self.apps.retain(|app| used.contains(&&app.client_id));
    }

    pub(super) fn delete_apps(&mut self) {
        self.apps.clear();
        self.codes.clear();
        self.tokens.clear();
    }

    pub(super) fn app(&self, client_id: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.client_id == client_id)
    }

    fn authenticated_app(&self, client_id: &str, client_secret: &str) -> Result<&App, Refusal> {
        let app = self.app(client_id).filter(|app| app.client_secret == client_secret);
        app.ok_or_else(|| Refusal::oauth(401, "invalid_client", INVALID_CLIENT))
    }

    // --- codes and tokens ---

    /// The user agrees: a code for the client.
    pub(super) fn grant(&mut self, asked: Asked, user: &str, now: i64) -> String {
        let code = secret();
        let Asked { client_id, redirect_uri, scopes, challenge } = asked;
        let user = user.to_owned();
        self.codes.insert(
            code.clone(),
            Code { client_id, redirect_uri, scopes, user, challenge, created_ms: now, used: false },
        );
        code
    }

    /// Code to token (methods/oauth). A code works once, for 10 minutes, for its client and exact redirect address.
    pub(super) fn exchange(&mut self, ask: &Exchange, now: i64) -> Result<(String, Token), Refusal> {
        let client_id = self.authenticated_app(&ask.client_id, &ask.client_secret)?.client_id.clone();
        let invalid = || Refusal::oauth(400, "invalid_grant", INVALID_GRANT);
        let code = self.codes.get_mut(&ask.code).ok_or_else(invalid)?;
        if code.client_id != client_id {
            return Err(invalid().violating("a code of another client"));
        }
        if code.used {
            return Err(invalid().violating("a code used twice"));
        }
        if code.redirect_uri != ask.redirect_uri {
            return Err(invalid().violating("redirect_uri differs from the one at authorize"));
        }
        if now >= code.created_ms + CODE_TTL_MS {
            return Err(invalid());
        }
        if let Some(challenge) = &code.challenge {
            let missing = || {
                Refusal::oauth(400, "invalid_request", "Missing required parameter: code_verifier.")
                    .violating("no code_verifier")
            };
            let verifier = ask.verifier.as_deref().filter(|verifier| !verifier.is_empty()).ok_or_else(missing)?;
            if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != *challenge {
                return Err(invalid().violating("code_verifier does not match code_challenge"));
            }
        }
        code.used = true;
        let (user, scopes) = (Some(code.user.clone()), code.scopes.clone());
        Ok(self.issue(client_id, user, scopes, now))
    }

    /// The app's own token (`client_credentials`), which belongs to no user.
    pub(super) fn app_token(&mut self, ask: &Exchange, now: i64) -> Result<(String, Token), Refusal> {
        let app = self.authenticated_app(&ask.client_id, &ask.client_secret)?;
        let (client_id, scopes) = (app.client_id.clone(), app.scopes.clone());
        Ok(self.issue(client_id, None, scopes, now))
    }

    fn issue(&mut self, client_id: String, user: Option<String>, scopes: Vec<String>, now: i64) -> (String, Token) {
        let token = Token { client_id, user, scopes, created_ms: now, revoked: false };
        let value = secret();
        self.tokens.insert(value.clone(), token.clone());
        (value, token)
    }

    /// Revokes a token of the calling app; again is fine, a foreign or unknown one is 403 (methods/oauth).
    pub(super) fn revoke(&mut self, client_id: &str, client_secret: &str, token: &str) -> Result<(), Refusal> {
        let refused = || Refusal::oauth(403, "unauthorized_client", "You are not authorized to revoke this token");
        self.authenticated_app(client_id, client_secret).map_err(|_| refused())?;
        let token = self.tokens.get_mut(token).filter(|token| token.client_id == client_id).ok_or_else(refused)?;
        token.revoked = true;
        Ok(())
    }

    pub(super) fn revoke_tokens(&mut self, name: &str) {
        let id = self.id_of(name);
        self.tokens
            .values_mut()
            .filter(|token| id.is_some() && token.user == id)
            .for_each(|token| token.revoked = true);
    }

    pub(super) fn live_tokens(&self, name: &str) -> usize {
        let id = self.id_of(name);
        self.tokens.values().filter(|token| id.is_some() && token.user == id && !token.revoked).count()
    }

    /// The user a token belongs to, whatever its scopes.
    pub(super) fn owner(&self, bearer: &str) -> Option<String> {
        self.tokens.get(bearer)?.user.clone()
    }

    /// A token with one of these scopes.
    pub(super) fn token(&self, bearer: Option<&str>, any_of: &[&str]) -> Result<Token, Refusal> {
        let token = bearer.and_then(|bearer| self.tokens.get(bearer));
        let token = token.ok_or_else(|| Refusal::new(401, "The access token is invalid"))?;
        if token.revoked {
            return Err(Refusal::new(401, "The access token was revoked"));
        }
        if !any_of.iter().any(|scope| covers(&token.scopes, scope)) {
            return Err(Refusal::new(403, "This action is outside the authorized scopes"));
        }
        Ok(token.clone())
    }

    /// A token with one of these scopes, of a user who may act; the texts are `Api::BaseController#require_user!`.
    pub(super) fn acting(&self, bearer: Option<&str>, any_of: &[&str]) -> Result<(Token, User), Refusal> {
        let token = self.token(bearer, any_of)?;
        let user = token.user.as_deref().and_then(|id| self.user(id)).cloned();
        let user = user.ok_or_else(|| Refusal::new(422, "This method requires an authenticated user"))?;
        match user.state {
            UserState::Active => Ok((token, user)),
            UserState::Unconfirmed => Err(Refusal::new(403, "Your login is missing a confirmed e-mail address")),
            UserState::Pending => Err(Refusal::new(403, "Your login is currently pending approval")),
            UserState::Disabled | UserState::Suspended => Err(Refusal::new(403, "Your login is currently disabled")),
        }
    }

    // --- media ---

    /// Takes an uploaded file. Images are ready at once, the rest is processed first unless `wait` (the old API).
    pub(super) fn upload(
        &mut self,
        account: &str,
        bytes: bytes::Bytes,
        description: Option<String>,
        wait: bool,
    ) -> Result<Media, Refusal> {
        let refuse = |what: &str| Refusal::new(422, format!("Validation failed: {what}"));
        let (mime, kind) = sniff(&bytes).ok_or_else(|| refuse("File content type is invalid, File is invalid"))?;
        if !self.limits.mime_types.contains(&mime) {
            return Err(refuse("File content type is invalid, File is invalid"));
        }
        let limit = if kind == "image" { self.limits.image_size } else { self.limits.video_size };
        if bytes.len() > limit {
            return Err(refuse(&format!("File file size must be less than {} MB", limit / (1024 * 1024))));
        }
        let dimensions = imagesize::blob_size(&bytes).ok().map(|size| (size.width, size.height));
        if kind != "video" {
            let (width, height) = dimensions.ok_or_else(|| refuse("File is invalid"))?;
            if width * height > self.limits.image_matrix {
                return Err(refuse(&format!("{width}x{height} images are not supported")));
            }
        }
        let long = |text: &String| text.graphemes(true).count() > self.limits.description;
        if description.as_ref().is_some_and(long) {
            return Err(refuse(&format!(
                "Description is too long (maximum is {} characters)",
                self.limits.description
            )));
        }
        let ready = kind == "image" || wait;
        let media = Media {
            id: self.next_id("media"),
            account: account.to_owned(),
            mime,
            kind,
            bytes,
            description: description.filter(|text| !text.is_empty()),
            dimensions,
            attached_to: None,
            polls_left: self.knobs.processing_polls,
            ready,
            failed: !ready && self.knobs.processing_fails,
        };
        self.media.push(media.clone());
        Ok(media)
    }

    /// One look at a file by its owner: processing goes on with every look. A file that a status holds is not found
    /// here any more.
    pub(super) fn poll(&mut self, account: &str, id: &str) -> Result<Media, Refusal> {
        let own = |media: &&mut Media| media.id == id && media.account == account && media.attached_to.is_none();
        let media = self.media.iter_mut().find(own).ok_or_else(|| Refusal::new(404, "Record not found"))?;
        if !media.ready && media.polls_left > 0 {
            media.polls_left -= 1;
        } else if media.failed {
            return Err(Refusal::new(422, "Error processing thumbnail for uploaded media"));
        } else {
            media.ready = true;
        }
        Ok(media.clone())
    }

    // --- statuses ---

    /// Publishes (methods/statuses). `key` is the Idempotency-Key.
    pub(super) fn publish(
        &mut self,
        token: &Token,
        account: &str,
        draft: Draft,
        key: Option<&str>,
        now: i64,
    ) -> Result<Status, Refusal> {
        let replay =
            key.filter(|_| self.options.flavour == Flavour::Mastodon).map(|key| (account.to_owned(), key.to_owned()));
        let earlier = replay.as_ref().and_then(|replay| self.replays.get(replay)).filter(|(_, until)| now < *until);
        if let Some((id, _)) = earlier {
            return self.status(id).cloned().ok_or_else(|| Refusal::new(404, "Record not found"));
        }
        let media = self.attachable(account, &draft.media_ids)?;
        if draft.text.trim().is_empty() && media.is_empty() {
            return Err(Refusal::new(422, "Validation failed: Text can't be blank"));
        }
        if self.length(&draft.spoiler_text) + self.length(&draft.text) > self.limits.max_characters {
            let limit = self.limits.max_characters;
            return Err(Refusal::new(422, format!("Validation failed: Text character limit of {limit} exceeded")));
        }
        let visibility = draft.visibility.unwrap_or_else(|| "public".to_owned());
        if !["public", "unlisted", "private", "direct"].contains(&visibility.as_str()) {
            let error = format!("'{visibility}' is not a valid visibility");
            return Err(Refusal::new(422, error.clone()).violating(error));
        }
        if draft.in_reply_to_id.as_ref().is_some_and(|id| self.status(id).is_none()) {
            return Err(Refusal::new(404, "The post you are trying to reply to does not appear to exist."));
        }
        let id = self.next_id("status");
        let status = Status {
            id: id.clone(),
            account: account.to_owned(),
            sensitive: draft.sensitive || !draft.spoiler_text.is_empty(),
            text: draft.text,
            spoiler_text: draft.spoiler_text,
            visibility,
            language: draft.language,
            in_reply_to_id: draft.in_reply_to_id,
            media,
            created_ms: now,
            client_id: token.client_id.clone(),
        };
        for held in self.media.iter_mut().filter(|media| draft.media_ids.contains(&media.id)) {
            held.attached_to = Some(id.clone());
        }
        self.statuses.push(status.clone());
        if let Some(replay) = replay {
            self.replays.insert(replay, (id, now + IDEMPOTENCY_MS));
        }
        Ok(status)
    }

    /// The media that a status may take: `PostStatusService#validate_media!`, texts from en.yml.
    fn attachable(&self, account: &str, ids: &[String]) -> Result<Vec<Media>, Refusal> {
        if ids.len() > self.limits.max_media {
            return Err(Refusal::new(422, format!("Cannot attach more than {} files", self.limits.max_media)));
        }
        let free = |id: &&String| {
            self.media.iter().find(|media| media.id == **id && media.account == account && media.attached_to.is_none())
        };
        let missing: Vec<&str> = ids.iter().filter(|id| free(id).is_none()).map(String::as_str).collect();
        if !missing.is_empty() {
            return Err(Refusal::new(
                422,
                format!("Media {} not found or already attached to another post", missing.join(", ")),
            ));
        }
        let media: Vec<Media> = ids.iter().filter_map(|id| free(&id)).cloned().collect();
        if media.len() > 1 && media.iter().any(|media| media.kind != "image") {
            return Err(Refusal::new(422, "Cannot attach a video to a post that already contains images"));
        }
        if media.iter().any(|media| !media.ready) {
            let error = "Cannot attach files that have not finished processing. Try again in a moment!";
            return Err(Refusal::new(422, error).violating("media attached before it was ready"));
        }
        Ok(media)
    }

    /// Characters of a text as the flavour counts them: Mastodon counts grapheme clusters, an address as a fixed number
    /// and `@user@host` as `@user` (StatusLengthValidator); GoToSocial counts characters.
    pub(super) fn length(&self, text: &str) -> usize {
        if self.options.flavour == Flavour::GoToSocial {
            return text.chars().count();
        }
        let placeholder = "x".repeat(self.limits.url_length);
        let mut text = text.to_owned();
        if let Some(url) = URL.as_ref() {
            // Closing punctuation is no part of the address.
            text = url
                .replace_all(&text, |found: &regex::Captures<'_>| {
                    let whole = &found[0];
                    let kept = whole.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'']);
                    format!("{placeholder}{}", &whole[kept.len()..])
                })
                .into_owned();
        }
        if let Some(mention) = MENTION.as_ref() {
            text = mention.replace_all(&text, "@$1").into_owned();
        }
        text.graphemes(true).count()
    }

    pub(super) fn status(&self, id: &str) -> Option<&Status> {
        self.statuses.iter().find(|status| status.id == id)
    }

    /// Whether somebody who is signed in as `viewer` (or not at all) sees a status.
    pub(super) fn visible(&self, status: &Status, viewer: Option<&str>) -> bool {
        let author = self.user(&status.account).is_some_and(|user| user.state != UserState::Suspended);
        author
            && (viewer == Some(status.account.as_str()) || matches!(status.visibility.as_str(), "public" | "unlisted"))
    }

    pub(super) fn remove_status(&mut self, id: &str) -> Option<Status> {
        let at = self.statuses.iter().position(|status| status.id == id)?;
        let status = self.statuses.remove(at);
        // Mastodon keeps the files for "delete and redraft".
        self.media
            .iter_mut()
            .filter(|media| media.attached_to.as_deref() == Some(id))
            .for_each(|media| media.attached_to = None);
        Some(status)
    }

    pub(super) fn post_as(&mut self, name: &str, text: &str, now: i64) -> Option<String> {
        let account = self.id_of(name)?;
        let web = Token { client_id: String::new(), user: None, scopes: vec![], created_ms: now, revoked: false };
        let draft = Draft { text: text.to_owned(), ..Draft::default() };
        self.publish(&web, &account, draft, None, now).ok().map(|status| status.id)
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

/// MIME type and Mastodon's kind of a file, by its bytes: the declared type and the name count for nothing.
fn sniff(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    // The container of HEIC and AVIF is that of MP4: the brand tells them apart.
    if let Some(brand) = bytes.get(8..12).filter(|_| bytes.get(4..8) == Some(b"ftyp")) {
        return Some(match brand {
            b"qt  " => ("video/quicktime", "video"),
            b"heic" | b"heix" | b"mif1" => ("image/heic", "image"),
            b"avif" => ("image/avif", "image"),
            _ => ("video/mp4", "video"),
        });
    }
    if let Ok(kind) = imagesize::image_type(bytes) {
        return Some(match kind {
            imagesize::ImageType::Png => ("image/png", "image"),
            imagesize::ImageType::Jpeg => ("image/jpeg", "image"),
            imagesize::ImageType::Webp => ("image/webp", "image"),
            imagesize::ImageType::Gif => ("image/gif", if moves(bytes) { "gifv" } else { "image" }),
            _ => ("image/other", "image"),
        });
    }
    bytes.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]).then_some(("video/webm", "video"))
}

/// Whether a GIF has more than one frame: only then it becomes a silent video.
fn moves(gif: &[u8]) -> bool {
    use image::AnimationDecoder as _;
    image::codecs::gif::GifDecoder::new(std::io::Cursor::new(gif))
        .is_ok_and(|gif| gif.into_frames().take(2).count() > 1)
}
