//! What the network knows: accounts and where they live, app passwords, refresh tokens with their rotation, blobs,
//! records and video jobs. Time comes from the caller; it knows no HTTP beyond the status number of a refusal.
//! Long because half of it is the fields.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use data_encoding::BASE32_NOPAD;
use rand::Rng as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::token::{ACCESS, APP_PASS, REFRESH, Signer};
use super::{ENTRYWAY, Knobs, Refusal, VENDOR_PDS};
use crate::throttle::{Throttle, Window};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// The reference server's lifetimes: access 120 minutes, refresh 90 days.
const ACCESS_MS: i64 = 2 * HOUR_MS;
const REFRESH_MS: i64 = 90 * 24 * HOUR_MS;
/// How long a used refresh token still gives its successor (account-manager, `REFRESH_GRACE_MS`).
const GRACE_MS: i64 = 2 * HOUR_MS;

/// The collection of posts.
pub(super) const POSTS: &str = "app.bsky.feed.post";

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All is well.
    Active,
    /// Taken down by the vendor: 401 `AccountTakedown`.
    Takendown,
    /// Suspended by the vendor for a while: as taken down, status `suspended`.
    Suspended,
    /// Switched off by the user: signing in works, writing is 401 `AccountDeactivated`.
    Deactivated,
}

impl Standing {
    /// The `status` that sessions show; `None` for an active account.
    pub(super) fn status(self) -> Option<&'static str> {
        match self {
            Self::Active => None,
            Self::Takendown => Some("takendown"),
            Self::Suspended => Some("suspended"),
            Self::Deactivated => Some("deactivated"),
        }
    }

    pub(super) fn blocked(self) -> bool {
        matches!(self, Self::Takendown | Self::Suspended)
    }
}

/// One account.
#[derive(Clone)]
pub struct Account {
    /// Its DID, for ever.
    pub did: String,
    /// Its handle, for now.
    pub handle: String,
    /// The name people see.
    pub display_name: String,
    /// Its e-mail address.
    pub email: String,
    /// The main password.
    pub password: String,
    /// The host of its data server.
    pub pds: String,
    /// How it stands.
    pub standing: Standing,
    /// Whether the main password needs a code from an e-mail.
    pub(super) email_factor: bool,
    pub(super) app_passwords: Vec<(String, String)>,
    pub(super) created_ms: i64,
    /// Access tokens of an earlier epoch count as expired.
    pub(super) epoch: u64,
}

/// A stored blob.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Its CID.
    pub cid: String,
    /// Its MIME type by its bytes, else as declared.
    pub mime: String,
    /// Its bytes.
    pub bytes: Bytes,
    pub(super) stored_ms: i64,
}

/// A record of the collection `app.bsky.feed.post`.
#[derive(Clone, Debug)]
pub struct Post {
    /// `at://DID/app.bsky.feed.post/RKEY`.
    pub uri: String,
    /// Its record key.
    pub rkey: String,
    /// Its CID.
    pub cid: String,
    /// The record.
    pub value: Value,
}

#[derive(Clone, Debug)]
struct Refresh {
    did: String,
    app_password: Option<String>,
    until_ms: i64,
    next: Option<String>,
}

/// A video on its way to the data server.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) did: String,
    pub(super) cid: String,
    pub(super) bytes: Bytes,
    pub(super) polls: u32,
}

pub(super) struct Throttles {
    pub(super) session: Throttle,
    pub(super) session_day: Throttle,
    pub(super) calls: Throttle,
    pub(super) points_hour: Throttle,
    pub(super) points_day: Throttle,
    pub(super) blobs: Throttle,
}

pub(super) struct State {
    pub(super) signer: Signer,
    pub(super) accounts: Vec<Account>,
    refresh: HashMap<String, Refresh>,
    blobs: HashMap<(String, String), Blob>,
    /// By (DID, collection), then record key: the order of a repository.
    records: HashMap<(String, String), BTreeMap<String, (String, Value)>>,
    pub(super) jobs: Vec<Job>,
    pub(super) knobs: Knobs,
    pub(super) throttles: Throttles,
}

/// CID version 1 with SHA-256: codec 0x55 for raw bytes, 0x71 for records (real ones hash the CBOR form).
pub(super) fn cid(codec: u8, bytes: &[u8]) -> String {
    let mut whole = vec![1, codec, 0x12, 32];
    whole.extend_from_slice(&Sha256::digest(bytes));
    format!("b{}", BASE32_NOPAD.encode(&whole).to_ascii_lowercase())
}

/// The MIME type by the bytes, when they tell.
fn sniff(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some("video/mp4");
    }
    Some(match imagesize::image_type(bytes).ok()? {
        imagesize::ImageType::Png => "image/png",
        imagesize::ImageType::Jpeg => "image/jpeg",
        imagesize::ImageType::Gif => "image/gif",
        imagesize::ImageType::Webp => "image/webp",
        _ => return None,
    })
}

fn random_id() -> String {
    STANDARD_NO_PAD.encode(rand::random::<[u8; 32]>())
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            signer: Signer::new(),
            accounts: vec![],
            refresh: HashMap::new(),
            blobs: HashMap::new(),
            records: HashMap::new(),
            jobs: vec![],
            knobs: Knobs::default(),
            // packages/pds: createSession.ts, rate-limits.ts, uploadBlob.ts.
            throttles: Throttles {
                session: Throttle::new(30, 5 * MINUTE_MS, Window::FromFirst),
                session_day: Throttle::new(300, 24 * HOUR_MS, Window::FromFirst),
                calls: Throttle::new(3000, 5 * MINUTE_MS, Window::FromFirst),
                points_hour: Throttle::new(5000, HOUR_MS, Window::FromFirst),
                points_day: Throttle::new(35_000, 24 * HOUR_MS, Window::FromFirst),
                blobs: Throttle::new(1000, 24 * HOUR_MS, Window::FromFirst),
            },
        }
    }

    // --- accounts ---

    pub(super) fn add_account(&mut self, host: &str, handle: &str, now: i64) -> String {
        let digest = BASE32_NOPAD.encode(&Sha256::digest(handle)).to_ascii_lowercase();
        let did = format!("did:plc:{}", &digest[..24]);
        let mut letters = handle.split('.').next().unwrap_or_default().chars();
        self.accounts.push(Account {
            did: did.clone(),
            handle: handle.to_owned(),
            display_name: letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default(),
            email: format!("{}@mail.example", handle.replace('.', "-")),
            password: format!("main password of {handle}"),
            pds: host.to_owned(),
            standing: Standing::Active,
            email_factor: false,
            app_passwords: vec![],
            epoch: 0,
            created_ms: now,
        });
        did
    }

    /// By DID or handle.
    pub(super) fn account(&self, who: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.did == who || account.handle.eq_ignore_ascii_case(who))
    }

    pub(super) fn change(&mut self, who: &str, change: impl FnOnce(&mut Account)) {
        let found =
            self.accounts.iter_mut().find(|account| account.did == who || account.handle.eq_ignore_ascii_case(who));
        if let Some(account) = found {
            change(account);
        }
    }

    /// An account that this host signs in: its own; the entryway those of the vendor's servers.
    pub(super) fn served(&self, host: &str, who: &str) -> Option<&Account> {
        self.account(who).filter(|account| serves(host, account))
    }

    pub(super) fn add_app_password(&mut self, who: &str, name: &str) -> Option<String> {
        let mut random = rand::rng();
        let mut four = || {
            (0..4)
                .map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[random.random_range(0..32)]))
                .collect::<String>()
        };
        let password = [four(), four(), four(), four()].join("-");
        let account = self.accounts.iter_mut().find(|account| account.did == who || account.handle == who)?;
        account.app_passwords.push((name.to_owned(), password.clone()));
        Some(password)
    }

    pub(super) fn revoke_app_password(&mut self, who: &str, name: &str) {
        self.change(who, |account| account.app_passwords.retain(|(own, _)| own != name));
        let did = self.account(who).map(|account| account.did.clone());
        self.refresh.retain(|_, token| Some(&token.did) != did.as_ref() || token.app_password.as_deref() != Some(name));
    }

    pub(super) fn revoke_sessions(&mut self, who: &str) {
        let did = self.account(who).map(|account| account.did.clone());
        self.refresh.retain(|_, token| Some(&token.did) != did.as_ref());
    }

    pub(super) fn live_sessions(&self, who: &str, now: i64) -> usize {
        let did = self.account(who).map(|account| account.did.clone());
        self.refresh.values().filter(|token| Some(&token.did) == did.as_ref() && now < token.until_ms).count()
    }

    pub(super) fn set_standing(&mut self, who: &str, standing: Standing) {
        self.change(who, |account| account.standing = standing);
        if standing.blocked() {
            let did = self.account(who).map(|account| account.did.clone());
            self.refresh.retain(|_, token| Some(&token.did) != did.as_ref());
        }
    }

    /// The DID document, as the directory and sessions give it.
    pub(super) fn document(account: &Account) -> Value {
        let did = &account.did;
        json!({
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1", "https://w3id.org/security/suites/secp256k1-2019/v1"],
            "id": did,
            "alsoKnownAs": [format!("at://{}", account.handle)],
            "verificationMethod": [{
                "id": format!("{did}#atproto"), "type": "Multikey", "controller": did,
                "publicKeyMultibase": "zQ3shXjHeiBuRCKmM36cuYnm7YEMzhGnCmCyW92sRJ9pribSF",
            }],
            "service": [{
                "id": "#atproto_pds", "type": "AtprotoPersonalDataServer",
                "serviceEndpoint": format!("https://{}", account.pds),
            }],
        })
    }

    // --- sessions ---

    /// Signs in (createSession). The answer: DID and the app password's name, if it was one.
    pub(super) fn sign_in(
        &self,
        host: &str,
        identifier: &str,
        password: &str,
        factor: Option<&str>,
    ) -> Result<(String, Option<String>), Refusal> {
        let wrong = || Refusal::new(401, "AuthenticationRequired", "Invalid identifier or password");
        let by_email = self
            .accounts
            .iter()
            .find(|account| account.email.eq_ignore_ascii_case(identifier) && serves(host, account));
        let account = self.served(host, identifier).or(by_email).ok_or_else(wrong)?;
        let app_password = account.app_passwords.iter().find(|(_, own)| own == password).map(|(name, _)| name.clone());
        if app_password.is_none() && account.password != password {
            return Err(wrong());
        }
        if account.standing.blocked() {
            return Err(Refusal::new(401, "AccountTakedown", "Account has been taken down"));
        }
        if app_password.is_none() && account.email_factor && factor.is_none() {
            let message = "A sign in code has been sent to your email address";
            return Err(Refusal::new(401, "AuthFactorTokenRequired", message));
        }
        Ok((account.did.clone(), app_password))
    }

    /// A new session's tokens, (access, refresh).
    pub(super) fn open_session(&mut self, did: &str, app_password: Option<String>, now: i64) -> (String, String) {
        let id = random_id();
        let token =
            Refresh { did: did.to_owned(), app_password: app_password.clone(), until_ms: now + REFRESH_MS, next: None };
        self.refresh.insert(id.clone(), token);
        self.session_tokens(did, app_password.is_some(), &id, now)
    }

    fn session_tokens(&self, did: &str, app_password: bool, id: &str, now: i64) -> (String, String) {
        let account = self.account(did);
        let audience = account.map_or_else(String::new, |account| format!("did:web:{}", account.pds));
        let epoch = account.map_or(0, |account| account.epoch);
        let scope = if app_password { APP_PASS } else { ACCESS };
        let issued = now / 1000;
        let access = json!({ "scope": scope, "sub": did, "iat": issued, "exp": (now + ACCESS_MS) / 1000, "aud": audience, "epoch": epoch });
        let refresh = json!({ "scope": REFRESH, "sub": did, "aud": audience, "jti": id, "iat": issued, "exp": (now + REFRESH_MS) / 1000 });
        (self.signer.sign("at+jwt", &access), self.signer.sign("refresh+jwt", &refresh))
    }

    /// Rotates (refreshSession): a used token gives the same successor for two hours more, then it is revoked.
    pub(super) fn rotate(&mut self, id: &str, now: i64) -> Result<(String, String, String), Refusal> {
        let revoked = || Refusal::new(400, "ExpiredToken", "Token has been revoked");
        let grace = if self.knobs.refresh_grace { GRACE_MS } else { 0 };
        let token = self.refresh.get_mut(id).filter(|token| now < token.until_ms).ok_or_else(revoked)?;
        let next = token.next.get_or_insert_with(random_id).clone();
        token.until_ms = token.until_ms.min(now + grace);
        let (did, app_password) = (token.did.clone(), token.app_password.clone());
        let successor =
            Refresh { did: did.clone(), app_password: app_password.clone(), until_ms: now + REFRESH_MS, next: None };
        self.refresh.entry(next.clone()).or_insert(successor);
        let (access, refresh) = self.session_tokens(&did, app_password.is_some(), &next, now);
        Ok((did, access, refresh))
    }

    pub(super) fn close_session(&mut self, id: &str) {
        self.refresh.remove(id);
    }

    // --- blobs ---

    pub(super) fn store_blob(&mut self, did: &str, declared: &str, bytes: Bytes, now: i64) -> Blob {
        let mime = sniff(&bytes).map_or_else(|| declared.to_owned(), str::to_owned);
        let blob = Blob { cid: cid(0x55, &bytes), mime, bytes, stored_ms: now };
        self.blobs.insert((did.to_owned(), blob.cid.clone()), blob.clone());
        blob
    }

    pub(super) fn blob(&self, did: &str, cid: &str) -> Option<&Blob> {
        self.blobs.get(&(did.to_owned(), cid.to_owned()))
    }

    /// A blob that may go into a record: held by one already, or uploaded not too long ago.
    pub(super) fn usable_blob(&self, did: &str, cid: &str, now: i64) -> Option<&Blob> {
        let blob = self.blob(did, cid)?;
        let fresh = now < blob.stored_ms + self.knobs.blob_lifetime_ms;
        let held = || {
            self.records
                .iter()
                .filter(|((owner, _), _)| owner == did)
                .any(|(_, records)| records.values().any(|(_, value)| value.to_string().contains(cid)))
        };
        (fresh || held()).then_some(blob)
    }

    // --- records ---

    pub(super) fn put(&mut self, did: &str, collection: &str, rkey: &str, value: Value) -> String {
        let cid = cid(0x71, value.to_string().as_bytes());
        let records = self.records.entry((did.to_owned(), collection.to_owned())).or_default();
        records.insert(rkey.to_owned(), (cid.clone(), value));
        cid
    }

    pub(super) fn record(&self, did: &str, collection: &str, rkey: &str) -> Option<&(String, Value)> {
        self.records.get(&(did.to_owned(), collection.to_owned()))?.get(rkey)
    }

    /// The records of a collection by rising key.
    pub(super) fn records(&self, did: &str, collection: &str) -> Vec<Post> {
        let records = self.records.get(&(did.to_owned(), collection.to_owned())).into_iter().flatten();
        records
            .map(|(rkey, (cid, value))| Post {
                uri: format!("at://{did}/{collection}/{rkey}"),
                rkey: rkey.clone(),
                cid: cid.clone(),
                value: value.clone(),
            })
            .collect()
    }

    /// The first free timestamp identifier from `now` on: microseconds and a clock id, in sortable base 32.
    pub(super) fn free_tid(&self, did: &str, collection: &str, now: i64) -> String {
        let digits = b"234567abcdefghijklmnopqrstuvwxyz";
        let mut micros = u64::try_from(now).unwrap_or(0) * 1000;
        loop {
            let value = micros << 10;
            let tid: String = (0..13).rev().map(|at| char::from(digits[(value >> (at * 5)) as usize & 31])).collect();
            if self.record(did, collection, &tid).is_none() {
                return tid;
            }
            micros += 1;
        }
    }

    pub(super) fn remove(&mut self, did: &str, collection: &str, rkey: &str) -> bool {
        let records = self.records.get_mut(&(did.to_owned(), collection.to_owned()));
        records.is_some_and(|records| records.remove(rkey).is_some())
    }

    pub(super) fn posts(&self, who: &str) -> Vec<Post> {
        self.account(who).map(|account| self.records(&account.did, POSTS)).unwrap_or_default()
    }

    pub(super) fn delete_post(&mut self, who: &str, rkey: &str) -> bool {
        let did = self.account(who).map(|account| account.did.clone());
        did.is_some_and(|did| self.remove(&did, POSTS, rkey))
    }
}

/// Whether this host answers for an account.
pub(super) fn serves(host: &str, account: &Account) -> bool {
    account.pds == host || host == ENTRYWAY && account.pds == VENDOR_PDS
}
