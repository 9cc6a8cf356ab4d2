//! How connectors say numbers and name files to people. It knows no platform.

use super::text::grouped;
use crate::domain::post::{Media, MediaKind};

/// A counted noun with thousands apart, as in `1,204 members` and `1 member`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(usize::try_from(count).unwrap_or(usize::MAX)))
}

/// What the vendor sees as a file's name, as in `image-1.jpg`; `number` counts from 1.
pub(super) fn file_name(number: usize, media: &Media) -> String {
    let kind = match media.kind {
        MediaKind::Image => "image",
        MediaKind::Animation => "animation",
        MediaKind::Video => "video",
    };
    let extension = match media.mime.as_str() {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "video/mp4" => "mp4",
        "video/quicktime" => "mov",
        "video/webm" => "webm",
        _ => "bin",
    };
    format!("{kind}-{number}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(counted(1, "member"), "1 member");
        assert_eq!(counted(0, "member"), "0 members");
        assert_eq!(counted(999, "member"), "999 members");
        assert_eq!(counted(1204, "subscriber"), "1,204 subscribers");
        assert_eq!(counted(1_204_000, "subscriber"), "1,204,000 subscribers");
    }
}
