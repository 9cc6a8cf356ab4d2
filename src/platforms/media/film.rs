//! MP4 and QuickTime files: length, pixels and codec from a few boxes, whatever the file's size. The sample tables are
//! never read (their counts come from the file, and a reader that believes them can be made to take all memory).

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use re_mp4::{BoxHeader, BoxType, MehdBox, MvhdBox, ReadBox, TkhdBox};

use super::Unusable;

/// More boxes than any film has.
const BOXES: usize = 200_000;
/// moov, trak, mdia, minf, stbl: nothing that we read lies deeper.
const DEPTH: usize = 6;
/// Codecs that platforms decode; the rest (ProRes, DNxHD and other editing formats) is refused by all of them.
const CODECS: [&[u8; 4]; 9] = [b"avc1", b"avc3", b"hvc1", b"hev1", b"av01", b"vp09", b"vp08", b"mp4v", b"dvh1"];

/// What is in a film.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Film {
    /// Pixels as shown.
    pub(super) width: u32,
    /// Pixels as shown.
    pub(super) height: u32,
    /// Milliseconds; some fragmented films don't say.
    pub(super) duration_ms: Option<u64>,
}

#[derive(Default)]
struct Track {
    width: u32,
    height: u32,
    turned: bool,
    shows: bool,
    codec: [u8; 4],
}

#[derive(Default)]
struct Walk {
    boxes: usize,
    timescale: u64,
    duration: u64,
    tracks: Vec<Track>,
    data: bool,
}

/// Reads what a film of that many bytes is.
pub(super) fn look(path: &Path, bytes: u64) -> Result<Film, Unusable> {
    let mut walk = Walk::default();
    walk.boxes(&mut BufReader::new(File::open(path)?), 0, bytes, 0)?;
    let Some(track) = walk.tracks.iter().find(|track| track.shows) else {
        return Err(Unusable::new("this film has no picture", "Send a film with a picture."));
    };
    if !walk.data || track.width == 0 || track.height == 0 {
        return Err(Unusable::broken());
    }
    if !CODECS.contains(&&track.codec) {
        let name = String::from_utf8_lossy(&track.codec).into_owned();
        let what = format!("this film is encoded as \"{}\", which platforms refuse", name.trim());
        return Err(Unusable::new(what, "Save it as MP4 (H.264) and send that."));
    }
    let (width, height) = if track.turned { (track.height, track.width) } else { (track.width, track.height) };
    let ms = u128::from(walk.duration) * 1_000 / u128::from(walk.timescale.max(1));
    Ok(Film { width, height, duration_ms: u64::try_from(ms).ok().filter(|ms| *ms > 0) })
}

impl Walk {
    fn boxes(&mut self, reader: &mut BufReader<File>, from: u64, to: u64, depth: usize) -> Result<(), Unusable> {
        let mut at = from;
        // QuickTime ends some lists with four zero bytes.
        while at + 8 <= to {
            self.boxes += 1;
            if self.boxes > BOXES || depth > DEPTH {
                return Err(Unusable::broken());
            }
            reader.seek(SeekFrom::Start(at))?;
            let header = BoxHeader::read(reader).map_err(|_| Unusable::broken())?;
            let body = reader.stream_position()?;
            // re_mp4 counts every header as 8 bytes, also the long form. A size of 0 means: to the end.
            let end = if header.size == 0 { to } else { (body - 8).saturating_add(header.size) };
            if end > to || end < body {
                return Err(Unusable::broken());
            }
            self.one(reader, header, body, end, depth)?;
            at = end;
        }
        Ok(())
    }

    fn one(
        &mut self,
        reader: &mut BufReader<File>,
        header: BoxHeader,
        body: u64,
        end: u64,
        depth: usize,
    ) -> Result<(), Unusable> {
        let broken = |_| Unusable::broken();
        match header.name {
            BoxType::MoovBox | BoxType::MdiaBox | BoxType::MinfBox | BoxType::StblBox | BoxType::MvexBox => {
                self.boxes(reader, body, end, depth + 1)?;
            }
            BoxType::TrakBox => {
                self.tracks.push(Track::default());
                self.boxes(reader, body, end, depth + 1)?;
            }
            BoxType::MdatBox => self.data |= end > body,
            BoxType::MvhdBox => {
                let movie = MvhdBox::read_box(reader, header.size).map_err(broken)?;
                self.timescale = u64::from(movie.timescale);
                // All ones mean "unknown" (ISO/IEC 14496-12, 8.2.2).
                let unknown = movie.duration == u64::from(u32::MAX) || movie.duration == u64::MAX;
                self.duration = self.duration.max(if unknown { 0 } else { movie.duration });
            }
            BoxType::MehdBox => {
                let fragments = MehdBox::read_box(reader, header.size).map_err(broken)?;
                self.duration = self.duration.max(fragments.fragment_duration);
            }
            BoxType::TkhdBox => {
                let head = TkhdBox::read_box(reader, header.size).map_err(broken)?;
                if let Some(track) = self.tracks.last_mut() {
                    track.width = u32::from(head.width.value());
                    track.height = u32::from(head.height.value());
                    track.turned = head.matrix.a == 0 && head.matrix.b != 0;
                }
            }
            // version, flags and a reserved word stand before the handler's name (8.4.3). QuickTime has a second one
            // in minf, for the data: it names no kind of track.
            BoxType::HdlrBox => {
                let kind = word(reader, body + 8)?;
                if let Some(track) = self.tracks.last_mut() {
                    track.shows |= &kind == b"vide";
                }
            }
            // version, flags, count and the first entry's size stand before its name (8.5.2).
            BoxType::StsdBox => {
                let codec = word(reader, body + 12)?;
                if let Some(track) = self.tracks.last_mut() {
                    track.codec = codec;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn word(reader: &mut BufReader<File>, at: u64) -> Result<[u8; 4], Unusable> {
    reader.seek(SeekFrom::Start(at))?;
    let mut word = [0; 4];
    reader.read_exact(&mut word)?;
    Ok(word)
}
