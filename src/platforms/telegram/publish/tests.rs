//! What the wire would carry, without a wire.

use super::*;
use crate::domain::Timestamp;
use crate::domain::account::AccountStatus;

fn account(remote_id: &str, username: Option<&str>) -> Account {
    Account {
        id: "acc_1".to_owned().into(),
        workspace: "wsp_1".to_owned().into(),
        platform: "telegram".into(),
        remote_id: remote_id.into(),
        name: "Acme News".into(),
        handle: None,
        url: None,
        meta: json!({ "username": username }),
        grant: None,
        status: AccountStatus::Connected,
        status_since: Timestamp::UNIX_EPOCH,
        why: None,
        fix: None,
        is_active: true,
        shaky_since: None,
    }
}

fn file(kind: MediaKind, mime: &str, width: u32, height: u32, bytes: u64) -> File {
    let media =
        Media { sha256: String::new(), kind, mime: mime.into(), bytes, width, height, duration_ms: None, alt: None };
    File { media, path: "/dev/null".into() }
}

fn photo() -> File {
    file(MediaKind::Image, "image/jpeg", 800, 600, 1000)
}

fn video() -> File {
    file(MediaKind::Video, "video/mp4", 800, 600, 1000)
}

fn gif() -> File {
    file(MediaKind::Animation, "image/gif", 800, 600, 1000)
}

fn plan(text: &str, files: &[File]) -> Vec<Piece> {
    pieces(text, files)
}

fn files(range: Range<usize>, caption: bool) -> Piece {
    Piece::Files { range, caption }
}

#[test]
fn a_post_is_one_piece_where_telegram_can_show_it_so() {
    assert_eq!(plan("hello", &[]), [Piece::Text]);
    assert_eq!(plan("hello", &[photo()]), [files(0..1, true)]);
    assert_eq!(plan("", &[gif()]), [files(0..1, false)]);
    assert_eq!(plan("hello", &[photo(), video(), photo()]), [files(0..3, true)]);
    assert_eq!(plan("", &[]), []);
}

#[test]
fn a_text_too_long_for_a_caption_follows_its_media() {
    assert_eq!(plan(&"ä".repeat(1024), &[photo()]), [files(0..1, true)]);
    assert_eq!(plan(&"ä".repeat(1025), &[photo()]), [files(0..1, false), Piece::Text]);
    // 513 emoji are 1,026 UTF-16 units.
    assert_eq!(plan(&"😀".repeat(513), &[photo(), photo()]), [files(0..2, false), Piece::Text]);
}

#[test]
fn what_no_album_takes_stands_alone_and_the_order_stays() {
    let mixed = [photo(), photo(), gif(), gif(), video()];
    assert_eq!(plan("hello", &mixed), [files(0..2, true), files(2..3, false), files(3..4, false), files(4..5, false)]);
    let film = file(MediaKind::Video, "video/quicktime", 10, 10, 10);
    assert_eq!(plan("", &[photo(), film]), [files(0..1, false), files(1..2, false)]);
    let many: Vec<File> = (0..12).map(|_| photo()).collect();
    assert_eq!(plan("hello", &many), [files(0..10, true), files(10..12, false)]);
}

#[test]
fn pictures_that_are_no_photos_go_as_files() {
    for (width, height, bytes, kind) in [
        (5000, 5000, 1000, Kind::Photo),
        (5001, 5000, 1000, Kind::Document),
        (2000, 100, 1000, Kind::Photo),
        (2001, 100, 1000, Kind::Document),
        (100, 2001, 1000, Kind::Document),
        (0, 0, 1000, Kind::Photo),
        (100, 100, PHOTO_BYTES + 1, Kind::Document),
    ] {
        let file = file(MediaKind::Image, "image/png", width, height, bytes);
        assert_eq!(Kind::of(&file.media), kind, "{width}×{height}, {bytes} bytes");
    }
}

#[test]
fn links_to_messages() {
    for (id, username, link) in [
        ("-1001234567890", Some("acme"), Some("https://t.me/acme/7")),
        ("-1001234567890", None, Some("https://t.me/c/1234567890/7")),
        // Only the prefix goes.
        ("-1001001001000", None, Some("https://t.me/c/1001001000/7")),
        ("-123", None, None),
    ] {
        assert_eq!(permalink(&account(id, username), 7).as_deref(), link, "{id}");
    }
}
