//! Pictures and films by their bytes: what a file is (never by its name), and a smaller copy of a picture where a
//! platform takes no larger one. It knows numbers, no platform; nothing here needs a program outside this one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPDecoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{AnimationDecoder, DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageReader, RgbImage};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::File as Ready;
use super::text::megabytes;
use crate::domain::post::{Media, MediaKind};

mod film;

/// The largest picture we take in, unless `MEDIA_IMAGE_MAX_SIZE_MB` says otherwise (platforms.md 0.6).
const IMAGE_BYTES: u64 = 10_000_000;
/// The largest film we take in, unless `MEDIA_VIDEO_MAX_SIZE_MB` says otherwise (platforms.md 0.6).
const VIDEO_BYTES: u64 = 1_024_000_000;
/// The most memory that decoding one picture may take (platforms.md 0.6: about 256 MB).
const DECODED_BYTES: u64 = 256 * 1024 * 1024;
/// The most pixels a picture may have: four bytes of memory each.
const PIXELS: u64 = DECODED_BYTES / 4;
/// No side of a copy gets shorter than this (platforms.md 0.6).
const SHORTEST_SIDE: u32 = 100;
/// How much shorter the sides get from try to try, at least (platforms.md 0.6: by 10 %).
const STEP: f64 = 0.9;
/// JPEG quality of copies: above this the bytes grow and the eye sees nothing.
const QUALITY: u8 = 90;
/// How much of a file shows its type.
const HEAD: u64 = 8 * 1024;

/// One picture is decoded at a time, so that memory stays bounded by [`DECODED_BYTES`] and a copy of it.
static DECODING: Semaphore = Semaphore::const_new(1);

/// What this daemon takes in, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Per picture.
    pub image_bytes: u64,
    /// Per film.
    pub video_bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self { image_bytes: IMAGE_BYTES, video_bytes: VIDEO_BYTES }
    }
}

/// Why a file can't be used, in plain words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unusable {
    /// What is wrong with it, as in "this file is WebM, which most platforms refuse".
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl Unusable {
    fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }

    fn broken() -> Self {
        Self::new("this file is damaged or incomplete", "Send it again, or save it anew.")
    }
}

impl From<std::io::Error> for Unusable {
    fn from(_: std::io::Error) -> Self {
        Self::broken()
    }
}

impl From<image::ImageError> for Unusable {
    fn from(error: image::ImageError) -> Self {
        match error {
            image::ImageError::Limits(_) => too_many_pixels(),
            _ => Self::broken(),
        }
    }
}

fn too_many_pixels() -> Unusable {
    let what = format!("this picture has more than {} million pixels", PIXELS / 1_000_000);
    Unusable::new(what, "Save it smaller.")
}

/// Looks into a file: type, size, pixels, length, and whether it is whole. Width and height are as people see it, turned
/// by the camera's mark. Pictures are decoded once in full, within bounds.
///
/// # Errors
/// In plain words, when the file is empty, damaged, too large, or of a kind that we don't publish.
pub async fn probe(path: &Path, caps: Caps) -> Result<Media, Unusable> {
    let path = path.to_owned();
    decoding(move || look(&path, caps)).await
}

/// A copy of a picture that fits and does not tell where it was taken: at most `max_bytes`, no side longer than `max_side` pixels, of one of `types`. A file
/// that fits, a moving picture or a film comes back as it is. The copy is a JPEG on white; it lies beside the file,
/// named by the file's hash and what was asked, and is made once.
///
/// # Errors
/// When the file can't be decoded, or does not fit at any sensible size.
pub async fn fit(file: &Ready, max_bytes: u64, max_side: u32, types: &[&str]) -> Result<Ready, Unusable> {
    let media = &file.media;
    let fits = media.bytes <= max_bytes && media.width.max(media.height) <= max_side;
    if media.kind != MediaKind::Image {
        return Ok(file.clone());
    }
    let as_it_is = fits && types.contains(&media.mime.as_str());
    let file = file.clone();
    decoding(move || match as_it_is && !tells_where(&file.path)? {
        true => Ok(file),
        false => shrink(&file, max_bytes, max_side),
    })
    .await
}

async fn decoding<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Unusable> + Send + 'static,
) -> Result<T, Unusable> {
    let turn = DECODING.acquire().await;
    let done = tokio::task::spawn_blocking(work).await;
    drop(turn);
    done.unwrap_or_else(|_| Err(Unusable::broken()))
}

fn look(path: &Path, caps: Caps) -> Result<Media, Unusable> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head)?;
    if head.is_empty() {
        return Err(Unusable::new("this file is empty", "Send it again."));
    }
    let mime = mime_of(&head)?;
    let (noun, cap) =
        if mime.starts_with("video/") { ("film", caps.video_bytes) } else { ("picture", caps.image_bytes) };
    if bytes > cap {
        let what = format!("this {noun} is {}, {} fit", megabytes(bytes), megabytes(cap));
        return Err(Unusable::new(what, "Make it smaller."));
    }
    let (kind, width, height, duration_ms) = if mime.starts_with("video/") {
        let film = film::look(path, bytes)?;
        (MediaKind::Video, film.width, film.height, film.duration_ms)
    } else {
        let (kind, width, height) = look_at_picture(path, mime)?;
        (kind, width, height, None)
    };
    Ok(Media { sha256: sha256(path)?, kind, mime: mime.to_owned(), bytes, width, height, duration_ms, alt: None })
}

/// The type by the first bytes, or why it is none of ours.
fn mime_of(head: &[u8]) -> Result<&'static str, Unusable> {
    let jpeg = "Save it as JPEG or PNG and send that.";
    let mp4 = "Save it as MP4 (H.264) and send that.";
    let found = infer::get(head).map_or("", |kind| kind.mime_type());
    Err(match found {
        "image/jpeg" => return Ok("image/jpeg"),
        "image/png" => return Ok("image/png"),
        "image/gif" => return Ok("image/gif"),
        "image/webp" => return Ok("image/webp"),
        "video/mp4" | "video/x-m4v" => return Ok("video/mp4"),
        "video/quicktime" => return Ok("video/quicktime"),
        // An MP4 of a brand that nobody listed; looking into it proves it.
        "" if head.get(4..8) == Some(b"ftyp") => return Ok("video/mp4"),
        "image/heif" | "image/heic" => Unusable::new("this picture is HEIC, which platforms refuse", jpeg),
        "image/avif" => Unusable::new("this picture is AVIF, which most platforms refuse", jpeg),
        // WebM and its parent Matroska are refused on purpose (platforms.md 0.6); both begin with EBML's mark.
        _ if head.starts_with(&[0x1A, 0x45, 0xDF, 0xA3]) => {
            Unusable::new("this film is WebM, which most platforms refuse", mp4)
        }
        other if other.starts_with("image/") => Unusable::new("this kind of picture is not taken", jpeg),
        other if other.starts_with("video/") => Unusable::new("this kind of film is not taken", mp4),
        other if other.starts_with("audio/") => {
            Unusable::new("this is a sound without a picture", "Make a film of it (MP4) and send that.")
        }
        _ => Unusable::new("this is neither a picture nor a film", "Send JPEG, PNG, GIF, WebP, MP4 or MOV."),
    })
}

fn open(path: &Path) -> Result<BufReader<File>, Unusable> {
    Ok(BufReader::new(File::open(path)?))
}

fn bounds() -> image::Limits {
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(DECODED_BYTES);
    limits
}

fn look_at_picture(path: &Path, mime: &str) -> Result<(MediaKind, u32, u32), Unusable> {
    let size = imagesize::reader_size(open(path)?).map_err(|_| Unusable::broken())?;
    let pixels = (size.width as u64).saturating_mul(size.height as u64);
    if pixels > PIXELS {
        return Err(too_many_pixels());
    }
    let (Ok(width @ 1..), Ok(height @ 1..)) = (u32::try_from(size.width), u32::try_from(size.height)) else {
        return Err(Unusable::broken());
    };
    if mime == "image/gif" {
        return Ok((look_at_gif(path)?, width, height));
    }
    if mime == "image/jpeg" {
        jpeg_is_whole(path)?;
    }
    let moves = mime == "image/webp" && WebPDecoder::new(open(path)?)?.has_animation();
    let (picture, _) = decode(path)?;
    let kind = if moves { MediaKind::Animation } else { MediaKind::Image };
    Ok((kind, picture.width(), picture.height()))
}

/// A GIF with a second picture moves. Only two are decoded: each costs the whole canvas.
fn look_at_gif(path: &Path) -> Result<MediaKind, Unusable> {
    let mut decoder = GifDecoder::new(open(path)?)?;
    decoder.set_limits(bounds())?;
    let mut frames = decoder.into_frames();
    frames.next().ok_or_else(Unusable::broken)??;
    let moves = frames.next().transpose()?.is_some();
    // A whole GIF ends with its trailer, 0x3B; some writers pad it.
    let mut file = File::open(path)?;
    let tail = file.metadata()?.len().min(HEAD);
    file.seek(SeekFrom::End(-i64::try_from(tail).unwrap_or_default()))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    if end.iter().rev().find(|byte| **byte != 0) != Some(&0x3B) {
        return Err(Unusable::broken());
    }
    Ok(if moves { MediaKind::Animation } else { MediaKind::Image })
}

/// Decoders fill what is missing of a JPEG with grey. A whole one has its end mark behind the begin of its scan; the
/// segments before that are skipped by their lengths, because a preview inside has an end mark too.
fn jpeg_is_whole(path: &Path) -> Result<(), Unusable> {
    let mut reader = open(path)?;
    let mut mark = [0; 2];
    reader.read_exact(&mut mark)?;
    loop {
        reader.read_exact(&mut mark)?;
        match mark {
            [0xFF, 0xFF] => reader.seek_relative(-1)?,
            [0xFF, 0xDA] => break,
            [0xFF, 0x01 | 0xD0..=0xD8] => {}
            [0xFF, _] => {
                reader.read_exact(&mut mark)?;
                let length = i64::from(u16::from_be_bytes(mark));
                reader.seek_relative((length - 2).max(0))?;
            }
            _ => return Err(Unusable::broken()),
        }
    }
    // Inside the scan 0xFF is followed by 0x00, so that the end mark can't be mistaken.
    loop {
        reader.skip_until(0xFF)?;
        match reader.fill_buf()?.first() {
            Some(0xD9) => return Ok(()),
            Some(_) => {}
            None => return Err(Unusable::broken()),
        }
    }
}

/// Whether the camera wrote down where the picture was taken: platforms that publish a file as it is would tell everyone.
/// Exif points to its GPS part by the tag 0x8825; those two bytes by chance cost a copy, no more.
fn tells_where(path: &Path) -> Result<bool, Unusable> {
    let mut decoder = ImageReader::open(path)?.with_guessed_format()?.into_decoder()?;
    let exif = decoder.exif_metadata().ok().flatten().unwrap_or_default();
    Ok(exif.windows(2).any(|tag| tag == [0x88, 0x25] || tag == [0x25, 0x88]))
}

/// The picture as people see it, and its colour profile where it stays true after turning it into RGB.
fn decode(path: &Path) -> Result<(DynamicImage, Option<Vec<u8>>), Unusable> {
    let mut reader = ImageReader::open(path)?.with_guessed_format()?;
    reader.limits(bounds());
    let mut decoder = reader.into_decoder()?;
    if decoder.total_bytes() > DECODED_BYTES {
        return Err(too_many_pixels());
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let rgb = matches!(decoder.original_color_type(), ExtendedColorType::Rgb8 | ExtendedColorType::Rgba8);
    let profile = if rgb { decoder.icc_profile().ok().flatten() } else { None };
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok((picture, profile))
}

fn shrink(file: &Ready, max_bytes: u64, max_side: u32) -> Result<Ready, Unusable> {
    let name = format!("{}.derived-{max_side}-{max_bytes}.jpg", file.media.sha256);
    let copy = file.path.with_file_name(name);
    if !copy.exists() {
        write_whole(&copy, &smaller(&file.path, max_bytes, max_side)?)?;
    }
    let size = imagesize::size(&copy).map_err(|_| Unusable::broken())?;
    let media = Media {
        sha256: sha256(&copy)?,
        mime: "image/jpeg".to_owned(),
        bytes: copy.metadata()?.len(),
        width: u32::try_from(size.width).unwrap_or_default(),
        height: u32::try_from(size.height).unwrap_or_default(),
        ..file.media.clone()
    };
    Ok(Ready { media, path: copy })
}

fn smaller(path: &Path, max_bytes: u64, max_side: u32) -> Result<Vec<u8>, Unusable> {
    let (picture, profile) = decode(path)?;
    let longest = f64::from(picture.width().max(picture.height()).max(1));
    let mut scale = (f64::from(max_side) / longest).min(1.0);
    loop {
        let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(1);
        let (width, height) = (side(picture.width()), side(picture.height()));
        let jpeg = if scale < 1.0 {
            encode(&on_white(&picture.resize_exact(width, height, FilterType::CatmullRom)), profile.as_deref())?
        } else {
            encode(&on_white(&picture), profile.as_deref())?
        };
        let bytes = jpeg.len() as u64;
        if bytes <= max_bytes {
            return Ok(jpeg);
        }
        if width.max(height) <= SHORTEST_SIDE {
            let what = format!("this picture can't be made smaller than {}", megabytes(max_bytes));
            return Err(Unusable::new(what, "Use another one."));
        }
        // Bytes grow about with the area; a little less than that saves a try.
        scale *= ((max_bytes as f64 / bytes as f64).sqrt() * 0.98).clamp(0.1, STEP);
        scale = scale.max(f64::from(SHORTEST_SIDE) / longest);
    }
}

/// JPEG knows no transparency: what shines through is white.
fn on_white(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let picture = picture.to_rgba8();
    let mut flat = RgbImage::new(picture.width(), picture.height());
    for (to, from) in flat.pixels_mut().zip(picture.pixels()) {
        let [colors @ .., alpha] = from.0;
        to.0 = colors.map(|color| {
            let mixed = u16::from(color) * u16::from(alpha) + 255 * (255 - u16::from(alpha));
            u8::try_from(mixed / 255).unwrap_or(u8::MAX)
        });
    }
    flat
}

fn encode(picture: &RgbImage, profile: Option<&[u8]>) -> Result<Vec<u8>, Unusable> {
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    if let Some(profile) = profile {
        // Without its profile a picture looks duller, no more.
        let _ = encoder.set_icc_profile(profile.to_owned());
    }
    encoder.write_image(picture, picture.width(), picture.height(), ExtendedColorType::Rgb8)?;
    Ok(jpeg)
}

/// Writes beside the place and renames, so that nobody meets half a file, also not another replica.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Unusable> {
    let written = (|| {
        let mut part = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        part.write_all(bytes)?;
        part.as_file().sync_all()?;
        part.persist(path).map_err(std::io::Error::from)
    })();
    written
        .map(drop)
        .map_err(|_| Unusable::new("a smaller copy of a picture could not be stored", "Check the data directory."))
}

/// Hex SHA-256 of a file, read in pieces.
fn sha256(path: &Path) -> Result<String, Unusable> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(data_encoding::HEXLOWER.encode(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests;
