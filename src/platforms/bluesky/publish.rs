//! Making a post: files first, one a step, then the record with its links and mentions settled, then the one call that
//! makes it visible, under a record key of our own, so that a lost answer can be looked up.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use atrium_api::app::bsky::embed::{defs::AspectRatioData, images, video};
use atrium_api::app::bsky::feed::post::{RecordData, RecordEmbedRefs};
use atrium_api::app::bsky::richtext::facet::{
    ByteSliceData, LinkData, MainData, MainFeaturesItem, MentionData, TagData,
};
use atrium_api::com::atproto::identity::resolve_handle;
use atrium_api::com::atproto::repo::{create_record, delete_record, get_record};
use atrium_api::types::string::{Datetime, Did, Handle, Language};
use atrium_api::types::{BlobRef, Union, Unknown};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::auth::{host, profile_url};
use super::facets::{self, Leads, Spot};
use super::wire::{Refused, Session, method, place, read, typed};
use crate::domain::account::Account;
use crate::domain::clock::random;
use crate::domain::post::{MediaKind, Posted};
use crate::domain::{Entropy, Fault, Operation, Timestamp};
use crate::platforms::{Context, Credentials, Delivery, File, Finding, Prepared, Sent, media};

mod film;

/// Types that the image embed takes (lexicon: `image/*`), of those that we take in.
pub(super) const IMAGE_TYPES: &[&str] = &["image/jpeg", "image/png", "image/webp"];
/// Types that the vendor's app gives to the video service; a moving GIF goes the same way.
pub(super) const VIDEO_TYPES: &[&str] = &["video/mp4", "video/quicktime", "image/gif"];

/// How long one upload of a picture may take.
const UPLOAD_LIMIT: Duration = Duration::from_secs(120);
/// Servers drop blobs that no record names "after minutes": older uploads are made again before the post is.
const FRESH: Duration = Duration::from_secs(30 * 60);

/// How large a picture may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes.
    pub(super) bytes: u64,
    /// Pixels of the longer side.
    side: u32,
}

/// Taken by every server, also those that still have the old lexicon (1,000,000 bytes).
const SAFE: Room = Room { bytes: 1_000_000, side: 2_048 };
/// What the vendor's own servers take, and how its app scales (4,000 pixels, 2,000,000 bytes).
const VENDOR: Room = Room { bytes: 2_000_000, side: 4_000 };

/// How large a picture may be on that server.
pub(super) fn room(pds: &str) -> Room {
    let host = host(pds);
    let vendor = ["bsky.network", "bsky.social"];
    if vendor.iter().any(|own| host == *own || host.ends_with(&format!(".{own}"))) { VENDOR } else { SAFE }
}

/// What is done already.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Journal {
    /// When the first file was uploaded.
    since: Option<Timestamp>,
    /// Uploaded files, in the post's order.
    blobs: Vec<Uploaded>,
    /// The video being processed.
    job: Option<film::Job>,
    /// The finished record, `createdAt` included.
    record: Option<Value>,
}

/// One uploaded file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Uploaded {
    /// As the server gave it.
    blob: BlobRef,
    /// Pixels.
    width: u32,
    /// Pixels.
    height: u32,
}

impl Journal {
    /// What was written last; nothing, when that is too old to be used.
    fn read(value: Value, now: Timestamp) -> Self {
        let journal: Self = serde_json::from_value(value).unwrap_or_default();
        let old = journal
            .since
            .is_some_and(|since| Duration::try_from(now.duration_since(since)).unwrap_or_default() > FRESH);
        if old && journal.job.is_none() { Self::default() } else { journal }
    }

    fn write(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// A record key of the TID form (atproto.com/specs/tid): microseconds since 1970 and 10 random bits, 13 characters. The
/// clock gives milliseconds; the rest is random, so that keys of one millisecond differ.
pub(super) fn record_key(now: Timestamp, entropy: &dyn Entropy) -> String {
    const DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
    let [a, b, c, d] = random::<4>(entropy);
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let micros = millis * 1_000 + u64::from(u16::from_be_bytes([a, b]) % 1_000);
    let bits = (micros << 10 | u64::from(u16::from_be_bytes([c, d]) & 0x3FF)) & (u64::MAX >> 1);
    (0..13).rev().map(|place| char::from(DIGITS[(bits >> (place * 5) & 31) as usize])).collect()
}

/// One step: a file, or a look at the video's processing, or at last the record.
pub(super) async fn prepare(cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value) -> Result<Prepared, Fault> {
    let mut journal = Journal::read(journal, cx.now);
    if journal.record.is_some() {
        return Ok(Prepared::Ready { journal: journal.write() });
    }
    let session = Session::of(delivery.credentials)?;
    if let Some(file) = delivery.files.get(journal.blobs.len()) {
        let note = format!("uploading {} of {}", journal.blobs.len() + 1, delivery.files.len());
        if file.media.kind != MediaKind::Image {
            return film::step(cx, &session, delivery, file, journal).await;
        }
        journal.blobs.push(upload(cx, &session, file, room(&session.pds)).await?);
        journal.since = journal.since.or(Some(cx.now));
        return Ok(Prepared::Step { journal: journal.write(), note });
    }
    let facets = settle(cx, &session, facets::detect(delivery.text)).await?;
    let created_at = cx.now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let record = RecordData {
        created_at: Datetime::from_str(&created_at).map_err(|_| Fault::transient("the clock can't be read"))?,
        embed: embed(delivery, &journal.blobs),
        entities: None,
        facets: (!facets.is_empty()).then(|| facets.into_iter().map(Into::into).collect()),
        labels: None,
        langs: delivery
            .options
            .language
            .as_ref()
            .and_then(|code| Language::new(code.clone()).ok())
            .map(|one| vec![one]),
        reply: None,
        tags: None,
        text: delivery.text.plain.clone(),
    };
    let mut record = serde_json::to_value(record).map_err(|_| Fault::transient("the post can't be put together"))?;
    record["$type"] = json!(super::wire::POSTS);
    journal.record = Some(record);
    journal.since = journal.since.or(Some(cx.now));
    Ok(Prepared::Ready { journal: journal.write() })
}

/// Uploads a picture, made smaller where it has to be.
async fn upload(cx: &Context<'_>, session: &Session, file: &File, room: Room) -> Result<Uploaded, Fault> {
    let file = media::fit(file, room.bytes, room.side, IMAGE_TYPES)
        .await
        .map_err(|unusable| Fault::rejected(unusable.what, unusable.fix))?;
    // Not through atrium: it would hold the file in memory and name no type.
    let answer = cx
        .http
        .call(Operation::Prepare, Method::POST, method(&session.pds, "com.atproto.repo.uploadBlob")?)
        .bearer(&session.access)
        .file(&file.media.mime, file.path.clone(), file.media.bytes)
        .time_limit(UPLOAD_LIMIT)
        .send()
        .await?;
    if !answer.is_success() {
        return Err(Refused::new(Operation::Prepare, &answer, cx.now).fault);
    }
    let blob = serde_json::from_value(answer.json()["blob"].take())
        .map_err(|_| Fault::transient("the server's answer to an upload could not be read"))?;
    Ok(Uploaded { blob, width: file.media.width, height: file.media.height })
}

/// Finds out who is mentioned. A handle that leads to nobody stays plain text: a mention must name a DID.
async fn settle(cx: &Context<'_>, session: &Session, spots: Vec<Spot>) -> Result<Vec<MainData>, Fault> {
    let mut known: BTreeMap<String, Option<Did>> = BTreeMap::new();
    let mut facets = Vec::new();
    for spot in spots {
        let feature = match spot.leads {
            Leads::Link(uri) => MainFeaturesItem::Link(Box::new(LinkData { uri }.into())),
            Leads::Tag(tag) => MainFeaturesItem::Tag(Box::new(TagData { tag }.into())),
            Leads::Mention(handle) => {
                let did = match known.get(&handle) {
                    Some(did) => did.clone(),
                    None => {
                        let did = resolve(cx, session, &handle).await?;
                        known.insert(handle, did.clone());
                        did
                    }
                };
                let Some(did) = did else { continue };
                MainFeaturesItem::Mention(Box::new(MentionData { did }.into()))
            }
        };
        let index = ByteSliceData { byte_start: spot.start, byte_end: spot.end };
        facets.push(MainData { features: vec![Union::Refs(feature)], index: index.into() });
    }
    Ok(facets)
}

async fn resolve(cx: &Context<'_>, session: &Session, handle: &str) -> Result<Option<Did>, Fault> {
    let Ok(handle) = Handle::from_str(handle) else { return Ok(None) };
    let parameters = resolve_handle::ParametersData { handle };
    let server = session.api(cx, Operation::Prepare);
    match read(Operation::Prepare, server.service.com.atproto.identity.resolve_handle(parameters.into()).await) {
        Ok(found) => Ok(Some(found.data.did)),
        Err(Refused { fault: Fault::Rejected { .. }, .. }) => Ok(None),
        Err(refused) => Err(refused.fault),
    }
}

/// The post's one embed: its pictures or its video.
fn embed(delivery: &Delivery<'_>, blobs: &[Uploaded]) -> Option<Union<RecordEmbedRefs>> {
    let ratio = |one: &Uploaded| {
        let (width, height) = (NonZeroU64::new(one.width.into())?, NonZeroU64::new(one.height.into())?);
        Some(AspectRatioData { width, height }.into())
    };
    let first = delivery.files.first()?;
    if first.media.kind != MediaKind::Image {
        let one = blobs.first()?;
        let moving = first.media.kind == MediaKind::Animation;
        let video = video::MainData {
            alt: first.media.alt.clone(),
            aspect_ratio: ratio(one),
            captions: None,
            presentation: moving.then(|| "gif".to_owned()),
            video: one.blob.clone(),
        };
        return Some(Union::Refs(RecordEmbedRefs::AppBskyEmbedVideoMain(Box::new(video.into()))));
    }
    let images = blobs.iter().zip(delivery.files).map(|(one, file)| {
        // The lexicon wants a description, even an empty one.
        let alt = file.media.alt.clone().unwrap_or_default();
        images::ImageData { alt, aspect_ratio: ratio(one), image: one.blob.clone() }.into()
    });
    let images = images::MainData { images: images.collect() };
    Some(Union::Refs(RecordEmbedRefs::AppBskyEmbedImagesMain(Box::new(images.into()))))
}

/// Makes the record. Refused for a picture (an older server's smaller limit, or a blob dropped meanwhile), nothing is
/// there: the pictures are uploaded again in the size that every server takes, and the record is made with them.
pub(super) async fn send(cx: &Context<'_>, delivery: &Delivery<'_>, journal: Value, key: &str) -> Result<Sent, Fault> {
    let mut journal: Journal = serde_json::from_value(journal).unwrap_or_default();
    let Some(record) = journal.record.clone() else {
        return Err(Fault::transient("the post is not prepared"));
    };
    let session = Session::of(delivery.credentials)?;
    let did = &delivery.account.remote_id;
    let pictures = !delivery.files.is_empty() && delivery.files.iter().all(|file| file.media.kind == MediaKind::Image);
    let made = match create(cx, &session, did, key, record.clone()).await {
        Err(refused) if refused.about_blob && pictures => {
            journal.blobs.clear();
            for file in delivery.files {
                journal.blobs.push(upload(cx, &session, file, SAFE).await?);
            }
            let mut record = record;
            record["embed"] = serde_json::to_value(embed(delivery, &journal.blobs)).unwrap_or_default();
            journal.record = Some(record.clone());
            create(cx, &session, did, key, record).await?
        }
        made => made?,
    };
    let posted = posted(did, key, made.uri.clone(), serde_json::to_value(&made.cid).unwrap_or_default());
    Ok(Sent { journal: journal.write(), posted, more: false })
}

async fn create(
    cx: &Context<'_>,
    session: &Session,
    did: &str,
    key: &str,
    record: Value,
) -> Result<create_record::OutputData, Refused> {
    let (repo, collection, rkey) = place(did, key)?;
    let record: Unknown =
        serde_json::from_value(record).map_err(|_| Fault::transient("the post can't be put together"))?;
    let input =
        create_record::InputData { collection, record, repo, rkey: Some(rkey), swap_commit: None, validate: None };
    let server = session.api(cx, Operation::Send);
    Ok(read(Operation::Send, server.service.com.atproto.repo.create_record(input.into()).await)?.data)
}

fn posted(did: &str, key: &str, uri: String, cid: Value) -> Posted {
    Posted {
        id: key.to_owned(),
        url: Some(format!("{}/post/{key}", profile_url(did))),
        meta: json!({ "uri": uri, "cid": cid }),
    }
}

/// Looks for the record under the key that was sent.
pub(super) async fn find(
    cx: &Context<'_>,
    delivery: &Delivery<'_>,
    journal: Value,
    key: &str,
) -> Result<Finding, Fault> {
    let session = Session::of(delivery.credentials)?;
    let did = &delivery.account.remote_id;
    let (repo, collection, rkey) = place(did, key)?;
    let parameters = get_record::ParametersData { cid: None, collection, repo, rkey };
    let server = session.api(cx, Operation::Find);
    match read(Operation::Find, server.service.com.atproto.repo.get_record(parameters.into()).await) {
        Ok(there) => {
            let cid = serde_json::to_value(&there.cid).unwrap_or_default();
            let posted = posted(did, key, there.uri.clone(), cid);
            Ok(Finding::Sent(Sent { journal, posted, more: false }))
        }
        Err(refused) if refused.code == "RecordNotFound" => Ok(Finding::Absent),
        Err(refused) => Err(refused.fault),
    }
}

/// Deletes the record; the server says yes also when it is gone already.
pub(super) async fn delete(
    cx: &Context<'_>,
    account: &Account,
    credentials: Credentials<'_>,
    posted: &Posted,
) -> Result<(), Fault> {
    let session = Session::of(credentials)?;
    let (repo, collection, _) = place(&account.remote_id, &posted.id)?;
    let rkey = typed(&posted.id)?;
    let input = delete_record::InputData { collection, repo, rkey, swap_commit: None, swap_record: None };
    let server = session.api(cx, Operation::Delete);
    read(Operation::Delete, server.service.com.atproto.repo.delete_record(input.into()).await)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use atrium_api::types::string::Tid;

    use super::*;
    use crate::domain::OsEntropy;

    #[test]
    fn record_keys_are_tids_in_the_order_of_time() {
        let key = |millis| record_key(Timestamp::from_millisecond(millis).unwrap(), &OsEntropy);
        let (early, late) = (key(1_795_000_000_000), key(1_795_000_000_001));
        assert!(Tid::new(early.clone()).is_ok() && Tid::new(late.clone()).is_ok());
        assert!(early < late);
        assert_ne!(key(1_795_000_000_000), early);
    }

    #[test]
    fn the_vendors_own_servers_take_larger_pictures() {
        assert_eq!(room("https://bsky.social"), VENDOR);
        assert_eq!(room("https://morel.us-east.host.bsky.network"), VENDOR);
        assert_eq!(room("https://notbsky.network"), SAFE);
        assert_eq!(room("https://pds.example"), SAFE);
        assert_eq!(room(""), SAFE);
    }

    #[test]
    fn an_old_journal_is_begun_anew_but_a_running_video_is_waited_for() {
        let begun = Timestamp::from_second(1_795_000_000).unwrap();
        let later = Timestamp::from_second(1_795_002_000).unwrap();
        let journal = Journal { since: Some(begun), record: Some(json!({})), ..Journal::default() };
        assert!(Journal::read(journal.write(), begun).record.is_some());
        assert!(Journal::read(journal.write(), later).record.is_none());
        let job = film::Job { id: "j".to_owned(), since: begun };
        let journal = Journal { since: Some(begun), job: Some(job), ..Journal::default() };
        assert!(Journal::read(journal.write(), later).job.is_some());
        assert!(Journal::read(json!("nonsense"), later).since.is_none());
    }
}
