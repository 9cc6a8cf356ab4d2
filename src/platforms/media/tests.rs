//! Files made here, byte by byte where it matters: whole, halved, turned, oversized, and of kinds that we refuse.

use std::io::Cursor;

use image::{Frame, ImageFormat, Rgba, RgbaImage};

use super::*;

fn noise(width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let n = x.wrapping_mul(2_654_435_761).wrapping_add(y.wrapping_mul(40_503)).rotate_left(7) ^ (x * y);
        Rgba([n as u8, (n >> 8) as u8, (n >> 16) as u8, 255])
    })
}

fn encoded(picture: &RgbaImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = DynamicImage::from(picture.clone());
    let picture = if format == ImageFormat::Jpeg { picture.to_rgb8().into() } else { picture };
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn gif(frames: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    encoder.encode_frames((0..frames).map(|_| Frame::new(noise(8, 6)))).unwrap();
    drop(encoder);
    bytes
}

fn atom(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [size.to_be_bytes().as_slice(), name, body].concat()
}

/// A film of one track that lasts 2.5 s, 1080 wide and 1920 high when shown (it is stored lying and turned).
fn film(brand: &[u8; 4], handler: &[u8; 4], codec: &[u8; 4]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let mvhd =
        words(&[0, 0, 0, 600, 1_500, 0x10000, 0x0100_0000, 0, 0, 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000]);
    let mvhd = [mvhd, words(&[0, 0, 0, 0, 0, 0, 2])].concat();
    let turned = [0, 0x10000, 0, 0xFFFF_0000, 0, 0, 0x0438_0000, 0, 0x4000_0000];
    let tkhd =
        [words(&[7, 0, 0, 1, 0, 1_500, 0, 0, 0, 0]), words(&turned), words(&[1_920 << 16, 1_080 << 16])].concat();
    let hdlr = [words(&[0, 0]), handler.to_vec(), words(&[0, 0, 0]), vec![0]].concat();
    let data_handler = [words(&[0, 0]), b"alis".to_vec(), words(&[0, 0, 0]), vec![0]].concat();
    let stsd = [words(&[0, 1]), atom(codec, &[0; 78])].concat();
    let stbl = atom(b"stbl", &atom(b"stsd", &stsd));
    let minf = atom(b"minf", &[atom(b"hdlr", &data_handler), stbl].concat());
    let mdia = atom(b"mdia", &[atom(b"hdlr", &hdlr), minf].concat());
    let trak = atom(b"trak", &[atom(b"tkhd", &tkhd), mdia].concat());
    let moov = atom(b"moov", &[atom(b"mvhd", &mvhd), trak].concat());
    let ftyp = atom(b"ftyp", &[brand.as_slice(), &[0; 4], brand].concat());
    [ftyp, atom(b"mdat", &[1; 64]), moov].concat()
}

async fn probed(bytes: &[u8]) -> Result<Media, Unusable> {
    let folder = tempfile::tempdir().unwrap();
    // The name lies on purpose.
    let path = folder.path().join("holiday.mp3");
    std::fs::write(&path, bytes).unwrap();
    probe(&path, Caps::default()).await
}

#[tokio::test]
async fn a_file_is_what_its_bytes_say() {
    for (bytes, mime, kind, size) in [
        (encoded(&noise(30, 20), ImageFormat::Png), "image/png", MediaKind::Image, (30, 20)),
        (encoded(&noise(30, 20), ImageFormat::Jpeg), "image/jpeg", MediaKind::Image, (30, 20)),
        (encoded(&noise(30, 20), ImageFormat::WebP), "image/webp", MediaKind::Image, (30, 20)),
        (gif(1), "image/gif", MediaKind::Image, (8, 6)),
        (gif(2), "image/gif", MediaKind::Animation, (8, 6)),
        (film(b"isom", b"vide", b"avc1"), "video/mp4", MediaKind::Video, (1_080, 1_920)),
        (film(b"zzzz", b"vide", b"hvc1"), "video/mp4", MediaKind::Video, (1_080, 1_920)),
        (film(b"qt  ", b"vide", b"avc1"), "video/quicktime", MediaKind::Video, (1_080, 1_920)),
    ] {
        let media = probed(&bytes).await.unwrap();
        assert_eq!((media.mime.as_str(), media.kind, (media.width, media.height)), (mime, kind, size));
        assert_eq!(media.bytes, bytes.len() as u64);
        assert_eq!(media.sha256, data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)));
        assert_eq!(media.duration_ms, (kind == MediaKind::Video).then_some(2_500));
    }
}

#[tokio::test]
async fn half_a_file_is_refused() {
    for bytes in [
        encoded(&noise(60, 60), ImageFormat::Png),
        encoded(&noise(60, 60), ImageFormat::Jpeg),
        encoded(&noise(60, 60), ImageFormat::WebP),
        gif(3),
        film(b"isom", b"vide", b"avc1"),
    ] {
        for part in [bytes.len() / 2, bytes.len() - 20] {
            let refused = probed(&bytes[..part]).await.unwrap_err();
            assert_eq!(refused, Unusable::broken(), "{part} of {}", bytes.len());
        }
    }
}

#[tokio::test]
async fn what_we_do_not_publish_is_refused_in_plain_words() {
    let heic = atom(b"ftyp", b"heic\0\0\0\0mif1heic");
    let webm = [&[0x1A, 0x45, 0xDF, 0xA3, 0x9F, 0x42, 0x86, 0x81, 0x01, 0x42, 0x82, 0x84][..], b"webm"].concat();
    // A picture of 60,000 by 60,000 pixels in a few bytes.
    let mut bomb = encoded(&noise(1, 1), ImageFormat::Png);
    bomb[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    for (bytes, what) in [
        (vec![], "this file is empty"),
        (b"hello".to_vec(), "this is neither a picture nor a film"),
        (heic, "this picture is HEIC, which platforms refuse"),
        (webm, "this film is WebM, which most platforms refuse"),
        (bomb, "this picture has more than 67 million pixels"),
        (film(b"isom", b"soun", b"mp4a"), "this film has no picture"),
        (film(b"qt  ", b"vide", b"apcn"), "this film is encoded as \"apcn\", which platforms refuse"),
        (atom(b"ftyp", b"isom\0\0\0\0isom"), "this film has no picture"),
    ] {
        let refused = probed(&bytes).await.unwrap_err();
        assert_eq!(refused.what, what);
        assert!(!refused.fix.is_empty());
    }
}

#[tokio::test]
async fn a_file_over_the_cap_is_refused_with_both_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let bytes = encoded(&noise(60, 60), ImageFormat::Png);
    std::fs::write(&path, &bytes).unwrap();
    let refused = probe(&path, Caps { image_bytes: 1_000, ..Caps::default() }).await.unwrap_err();
    assert_eq!(refused.what, format!("this picture is {}, 1 kB fit", megabytes(bytes.len() as u64)));
}

/// A JPEG of 30 by 20 pixels whose Exif has this one entry.
fn with_exif(entry: &[u8; 12]) -> Vec<u8> {
    let jpeg = encoded(&noise(30, 20), ImageFormat::Jpeg);
    let exif = [b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01".as_slice(), entry, &[0; 4]].concat();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

#[tokio::test]
async fn where_a_picture_was_taken_stays_with_the_person() {
    let folder = tempfile::tempdir().unwrap();
    // The pointer to the GPS part.
    let file = ready(folder.path(), &with_exif(&[0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 26])).await;
    let copy = fit(&file, 1_000_000, 2_000, &["image/jpeg"]).await.unwrap();
    assert!(tells_where(&file.path).unwrap() && !tells_where(&copy.path).unwrap());
    assert_eq!((copy.media.width, copy.media.height), (30, 20));
}

#[tokio::test]
async fn a_picture_turned_by_the_camera_has_the_sides_that_people_see() {
    // Orientation 6: turn right by 90 degrees.
    let turned = with_exif(&[0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0]);
    let media = probed(&turned).await.unwrap();
    assert_eq!((media.width, media.height), (20, 30));
}

async fn ready(folder: &Path, bytes: &[u8]) -> Ready {
    let path = folder.join("original");
    std::fs::write(&path, bytes).unwrap();
    Ready { media: probe(&path, Caps::default()).await.unwrap(), path }
}

#[tokio::test]
async fn a_picture_is_made_smaller_until_it_fits_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = ready(folder.path(), &encoded(&noise(400, 200), ImageFormat::Png)).await;
    assert!(file.media.bytes > 20_000);
    let small = fit(&file, 20_000, 300, &["image/png", "image/jpeg"]).await.unwrap();
    assert!(small.media.bytes <= 20_000 && small.media.width <= 300);
    assert_eq!(small.media.mime, "image/jpeg");
    assert_eq!(probe(&small.path, Caps::default()).await.unwrap(), small.media);
    assert!((f64::from(small.media.width) / f64::from(small.media.height) - 2.0).abs() < 0.05);
    let written = small.path.metadata().unwrap().modified().unwrap();
    let again = fit(&file, 20_000, 300, &["image/png", "image/jpeg"]).await.unwrap();
    assert_eq!(again.media, small.media);
    assert_eq!(again.path.metadata().unwrap().modified().unwrap(), written);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    let impossible = fit(&file, 100, 300, &["image/jpeg"]).await.unwrap_err();
    assert_eq!(impossible.what, "this picture can't be made smaller than 100 bytes");
}

#[tokio::test]
async fn a_picture_that_fits_and_a_gif_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let png = ready(folder.path(), &encoded(&noise(40, 20), ImageFormat::Png)).await;
    assert_eq!(fit(&png, 1_000_000, 2_000, &["image/png"]).await.unwrap().path, png.path);
    let gif = ready(folder.path(), &gif(2)).await;
    assert_eq!(fit(&gif, 10, 2, &["image/jpeg"]).await.unwrap().path, gif.path);
}

#[tokio::test]
async fn what_shines_through_becomes_white() {
    let folder = tempfile::tempdir().unwrap();
    let clear = RgbaImage::from_pixel(200, 200, Rgba([0, 0, 0, 0]));
    let file = ready(folder.path(), &encoded(&clear, ImageFormat::Png)).await;
    let flat = fit(&file, 1_000_000, 2_000, &["image/jpeg"]).await.unwrap();
    let (picture, _) = decode(&flat.path).unwrap();
    assert!(picture.to_rgb8().pixels().all(|pixel| pixel.0.iter().all(|color| *color > 250)));
}
