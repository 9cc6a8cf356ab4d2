//! What the tests of both bots need: a gateway with a clock, the outbound client behind it, files on disk, and an
//! observer that remembers what it was told. It knows no vendor.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use emulators::{Gateway, fixtures};
use serde_json::Value;
use tempfile::TempDir;
use trypost::domain::account::{Account, AccountStatus};
use trypost::domain::observe::{Observer, Point};
use trypost::domain::post::{Mark, Media, MediaKind, Options, Posted, RichText, Style};
use trypost::domain::{Fault, OsEntropy, Timestamp};
use trypost::platforms::http::{Http, PublicResolver};
use trypost::platforms::{App, Budget, Consent, Context, Credentials, Delivery, File, Found, Platform, Prepared, Sent};
use url::Url;

/// Remembers every point that it was told.
#[derive(Default)]
pub struct Memory(Mutex<Vec<Point>>);

#[async_trait]
impl Observer for Memory {
    async fn reached(&self, point: Point) {
        self.0.lock().unwrap().push(point);
    }
}

/// Lets everything pass and remembers what was asked, as (chat, messages).
#[derive(Default)]
pub struct Counted(pub Mutex<Vec<(String, u32)>>);

#[async_trait]
impl Budget for Counted {
    async fn take(&self, chat: &str, calls: u32) {
        self.0.lock().unwrap().push((chat.to_owned(), calls));
    }
}

/// One connector on one bench.
pub struct Bench {
    pub gateway: Arc<Gateway>,
    pub app: App,
    clock: Arc<AtomicI64>,
    http: Http,
    memory: Arc<Memory>,
    redirect_uri: Url,
    files: TempDir,
    named: AtomicUsize,
}

impl Bench {
    pub async fn new(app: App) -> Self {
        let clock = Arc::new(AtomicI64::new(1_800_000_000_000));
        let shared = clock.clone();
        let gateway = Gateway::start(Arc::new(move || shared.load(Ordering::SeqCst))).await.unwrap();
        let memory = Arc::new(Memory::default());
        let address = gateway.url().parse().unwrap();
        let http = Http::new(Some(address), Arc::new(PublicResolver), memory.clone()).unwrap();
        let redirect_uri = "https://team.example/accounts/discord/callback".parse().unwrap();
        Self {
            gateway,
            app,
            clock,
            http,
            memory,
            redirect_uri,
            files: tempfile::tempdir().unwrap(),
            named: AtomicUsize::new(0),
        }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock.load(Ordering::SeqCst)).unwrap()
    }

    pub fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub fn cx(&self) -> Context<'_> {
        Context {
            http: &self.http,
            now: self.now(),
            app: &self.app,
            redirect_uri: &self.redirect_uri,
            entropy: &OsEntropy,
        }
    }

    /// A file on disk, as the media store would hold it.
    pub fn file(&self, kind: MediaKind, mime: &str, bytes: &[u8], (width, height): (u32, u32)) -> File {
        let name = self.named.fetch_add(1, Ordering::SeqCst).to_string();
        let path: PathBuf = self.files.path().join(&name);
        std::fs::write(&path, bytes).unwrap();
        let media = Media {
            sha256: name,
            kind,
            mime: mime.into(),
            bytes: bytes.len() as u64,
            width,
            height,
            duration_ms: (kind == MediaKind::Video).then_some(1500),
            alt: None,
        };
        File { media, path }
    }

    /// A picture of these pixels.
    pub fn picture(&self, width: u32, height: u32) -> File {
        self.file(MediaKind::Image, "image/png", &fixtures::png(width, height), (width, height))
    }

    /// A picture of so many bytes.
    pub fn large_picture(&self, bytes: usize) -> File {
        self.file(MediaKind::Image, "image/png", &fixtures::png_of_size(64, 48, bytes), (64, 48))
    }

    /// Sends all pieces of a post, as the publishing flow does; gives what is there and how many calls it took.
    pub async fn publish(
        &self,
        platform: &dyn Platform,
        account: &Account,
        text: &RichText,
        files: &[File],
        options: &Options,
    ) -> Result<(Posted, usize), Fault> {
        let delivery = Delivery { account, credentials: Credentials { tokens: None }, text, files, options };
        let mut journal = match platform.prepare(&self.cx(), &delivery, Value::Null).await? {
            Prepared::Ready { journal } => journal,
            other => panic!("not ready: {other:?}"),
        };
        for calls in 1.. {
            let key = platform.send_key(self.now(), &OsEntropy);
            let sent: Sent = platform.send(&self.cx(), &delivery, journal, &key).await?;
            if !sent.more {
                return Ok((sent.posted, calls));
            }
            journal = sent.journal;
        }
        unreachable!()
    }

    /// No correct client made these requests, and nobody was shown this secret.
    pub fn assert_clean(&self, secrets: &[&str]) {
        assert_eq!(self.gateway.take_violations(), Vec::<String>::new());
        crate::contracts::hold(&self.gateway);
        let told = format!("{:?}", self.memory.0.lock().unwrap());
        assert!(told.contains("Calling"), "the observer was told nothing");
        for secret in secrets {
            assert!(!told.contains(secret), "a secret was shown to the observer");
        }
    }
}

/// The account that flows would make of the only thing found.
pub fn account(platform: &dyn Platform, consent: Consent) -> Account {
    assert!(consent.grant.is_none(), "bots have no grant");
    let [found] = <[Found; 1]>::try_from(consent.found).unwrap();
    assert_eq!(found.blocked, None);
    Account {
        id: "acc_1".to_owned().into(),
        workspace: "wsp_1".to_owned().into(),
        platform: platform.descriptor().id.into(),
        remote_id: found.remote_id,
        name: found.name,
        handle: found.handle,
        url: found.url,
        meta: found.meta,
        grant: None,
        status: AccountStatus::Connected,
        status_since: Timestamp::UNIX_EPOCH,
        why: None,
        fix: None,
        is_active: true,
        shaky_since: None,
    }
}

pub fn plain(text: &str) -> RichText {
    RichText { plain: text.into(), marks: Vec::new() }
}

/// A text with one marked word.
pub fn marked(text: &str, word: &str, style: Style) -> RichText {
    let start = text.find(word).unwrap();
    RichText { plain: text.into(), marks: vec![Mark { start, end: start + word.len(), style }] }
}

/// A short film as far as its first bytes tell.
pub const MP4: &[u8] = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom";
/// A picture that moves, as far as its first bytes tell.
pub const GIF: &[u8] = b"GIF89a\x10\x00\x10\x00\x00\x00\x00;";
