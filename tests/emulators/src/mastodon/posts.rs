//! What an instance takes: which files, when they are ready, what a status may hold and how long it may be, as the media
//! and status services of mastodon/mastodon rule. Time comes from the caller; it knows no HTTP beyond the status number
//! of a refusal.

use std::sync::LazyLock;

use regex::Regex;
use unicode_segmentation::UnicodeSegmentation as _;

use super::state::{Draft, MINUTE_MS, Media, State, Status, Token, UserState};
use super::{Flavour, Refusal};

/// An Idempotency-Key is kept for an hour (methods/statuses).
const IDEMPOTENCY_MS: i64 = 60 * MINUTE_MS;

static URL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"https?://[^\s<>"]+"#).ok());
static MENTION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"@([A-Za-z0-9_]+)@[A-Za-z0-9.\-]+[A-Za-z0-9]").ok());

impl State {
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
