//! Small valid pictures and videos, made by code, for everything that is uploaded in tests. Deterministic: the same
//! arguments give the same bytes. It knows no vendor.

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, Frame, ImageFormat, RgbImage, Rgba, RgbaImage};

/// A smooth picture that compresses well.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| image::Rgb([(x % 256) as u8, (y % 256) as u8, ((x + y) % 256) as u8]))
}

/// Noise: no encoder makes it small.
fn noise(width: u32, height: u32) -> RgbImage {
    let mut seed: u32 = 0x2545_f491;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        (seed >> 16) as u8
    };
    RgbImage::from_fn(width, height, |_, _| image::Rgb([next(), next(), next()]))
}

fn encoded(picture: RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    // Writing to memory fails for no picture of a format that is compiled in.
    drop(DynamicImage::ImageRgb8(picture).write_to(&mut bytes, format));
    bytes.into_inner()
}

/// A PNG of this size in pixels (at least 1 × 1).
pub fn png(width: u32, height: u32) -> Vec<u8> {
    encoded(picture(width, height), ImageFormat::Png)
}

/// A PNG of noise: about 3 bytes a pixel, whatever re-encodes it without loss.
pub fn png_noise(width: u32, height: u32) -> Vec<u8> {
    encoded(noise(width, height), ImageFormat::Png)
}

/// A PNG of exactly `size` bytes, filled up with a private chunk that decoders skip. Smaller than the picture itself
/// gives the picture itself.
pub fn png_of_size(width: u32, height: u32, size: usize) -> Vec<u8> {
    let mut bytes = png(width, height);
    // The chunk costs 12 bytes beside its data and stands before IEND, the last 12 bytes.
    let Some(data) = size.checked_sub(bytes.len() + 12) else { return bytes };
    let mut typed = b"paDd".to_vec();
    typed.resize(4 + data, 0);
    let mut chunk = u32::try_from(data).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    let sum = crc32(&typed);
    chunk.append(&mut typed);
    chunk.extend_from_slice(&sum.to_be_bytes());
    let end = bytes.len() - 12;
    bytes.splice(end..end, chunk);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

/// A JPEG of this size in pixels.
pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    drop(JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(&picture(width, height)));
    bytes
}

/// A JPEG of noise at the best quality: large, and still large when scaled a little.
pub fn jpeg_noise(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    drop(JpegEncoder::new_with_quality(&mut bytes, 100).encode_image(&noise(width, height)));
    bytes
}

/// A WebP (lossless) of this size in pixels.
pub fn webp(width: u32, height: u32) -> Vec<u8> {
    encoded(picture(width, height), ImageFormat::WebP)
}

/// A GIF of this size in pixels with so many frames; more than one moves.
pub fn gif(width: u32, height: u32, frames: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for index in 0..frames {
        drop(encoder.encode_frame(Frame::new(RgbaImage::from_pixel(width, height, Rgba([index * 16, 80, 160, 255])))));
    }
    drop(encoder);
    bytes
}

/// A minimal MP4 (one H.264 track, codec `avc1`) of this duration and frame size, of `size` bytes in total (never less
/// than its headers need, about 700). A prober reads duration, width, height and codec; there is nothing to play.
pub fn mp4(duration_ms: u32, width: u16, height: u16, size: usize) -> Vec<u8> {
    let ftyp = atom(b"ftyp", &[b"isom", &be(512), b"isomiso2avc1mp41"]);
    // The sample's place depends on the length of moov, which does not depend on the place.
    let head = ftyp.len() + moov(duration_ms, width, height, 0, 0).len() + 8;
    let data = size.saturating_sub(head).max(1);
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let mut bytes = ftyp;
    bytes.extend(moov(duration_ms, width, height, number(head), number(data)));
    bytes.extend(atom(b"mdat", &[&vec![0; data]]));
    bytes
}

fn be(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

fn atom(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = be(u32::try_from(length).unwrap_or(u32::MAX)).to_vec();
    bytes.extend_from_slice(kind);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

fn moov(duration: u32, width: u16, height: u16, offset: u32, sample: u32) -> Vec<u8> {
    let matrix: Vec<u8> =
        [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000_u32].iter().flat_map(|one| be(*one)).collect();
    let mvhd = atom(
        b"mvhd",
        &[&[0; 12], &be(1000), &be(duration), &be(0x1_0000), &[1, 0], &[0; 10], &matrix, &[0; 24], &be(2)],
    );
    let (wide, high) = (be(u32::from(width) << 16), be(u32::from(height) << 16));
    let tkhd = atom(b"tkhd", &[&be(7), &[0; 8], &be(1), &[0; 4], &be(duration), &[0; 16], &matrix, &wide, &high]);
    // Language "und".
    let mdhd = atom(b"mdhd", &[&[0; 12], &be(1000), &be(duration), &[0x55, 0xc4, 0, 0]]);
    let hdlr = atom(b"hdlr", &[&[0; 8], b"vide", &[0; 12], b"VideoHandler\0"]);
    let vmhd = atom(b"vmhd", &[&be(1), &[0; 8]]);
    let dref = atom(b"dref", &[&[0; 4], &be(1), &atom(b"url ", &[&be(1)])]);
    // Baseline profile, level 3.1; one sequence and one picture parameter set.
    let avcc = atom(
        b"avcC",
        &[&[
            1, 0x42, 0xc0, 0x1f, 0xff, 0xe1, 0, 8, 0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 1, 0, 4, 0x68, 0xce,
            0x3c, 0x80,
        ]],
    );
    let avc1 = atom(
        b"avc1",
        &[
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &[0; 16],
            &width.to_be_bytes(),
            &height.to_be_bytes(),
            &be(0x48_0000),
            &be(0x48_0000),
            &[0; 4],
            &[0, 1],
            &[0; 32],
            &[0, 0x18, 0xff, 0xff],
            &avcc,
        ],
    );
    let stbl = atom(
        b"stbl",
        &[
            &atom(b"stsd", &[&[0; 4], &be(1), &avc1]),
            &atom(b"stts", &[&[0; 4], &be(1), &be(1), &be(duration)]),
            &atom(b"stsc", &[&[0; 4], &be(1), &be(1), &be(1), &be(1)]),
            &atom(b"stsz", &[&[0; 4], &be(0), &be(1), &be(sample)]),
            &atom(b"stco", &[&[0; 4], &be(1), &be(offset)]),
        ],
    );
    let minf = atom(b"minf", &[&vmhd, &atom(b"dinf", &[&dref]), &stbl]);
    let mdia = atom(b"mdia", &[&mdhd, &hdlr, &minf]);
    atom(b"moov", &[&mvhd, &atom(b"trak", &[&tkhd, &mdia])])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(bytes: &[u8]) -> (usize, usize) {
        imagesize::blob_size(bytes).map(|size| (size.width, size.height)).unwrap()
    }

    #[test]
    fn pictures_decode_to_their_size() {
        for bytes in [png(30, 20), jpeg(30, 20), gif(30, 20, 2), webp(30, 20), png_of_size(30, 20, 5000)] {
            assert_eq!(size(&bytes), (30, 20));
            assert!(image::load_from_memory(&bytes).is_ok());
        }
        assert_eq!(png_of_size(30, 20, 1_500_000).len(), 1_500_000);
        assert!(png_noise(200, 200).len() > 100_000);
        assert!(jpeg_noise(200, 200).len() > jpeg(200, 200).len());
        assert_eq!(png(30, 20), png(30, 20));
    }

    #[test]
    fn a_prober_reads_the_video() {
        let bytes = mp4(12_500, 1280, 720, 20_000);
        assert_eq!(bytes.len(), 20_000);
        let video = re_mp4::Mp4::read_bytes(&bytes).unwrap();
        let track = video.tracks().values().next().unwrap();
        assert_eq!((track.width, track.height), (1280, 720));
        assert_eq!(track.duration, 12_500);
        assert_eq!(track.timescale, 1000);
        assert!(track.codec_string(&video).unwrap().starts_with("avc1"));
        assert_eq!(mp4(1000, 16, 16, 0).len(), mp4(1000, 16, 16, 1).len());
    }
}
