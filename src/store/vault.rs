//! Sealing: AES-256-GCM with a fresh random nonce; the associated data names table, row and column, so that a
//! ciphertext can't be moved. The stored form is `v1.KEYID.BASE64(nonce ‖ ciphertext)`. It knows no table's meaning.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{Result, Store, all, exec, on_db};
use crate::domain::clock::random;
use crate::domain::{Entropy, Secret};

/// Bytes of AES-GCM's nonce.
const NONCE: usize = 12;

/// Every sealed column: (table, SQL that makes the row's name, column). `keys rotate` walks this list.
const SEALED: &[(&str, &str, &str)] = &[
    ("apps", "platform || '/' || host", "sealed_app"),
    ("grants", "id", "sealed_access"),
    ("grants", "id", "sealed_refresh"),
    ("grants", "id", "sealed_extra"),
    ("attempts", "id", "sealed_state"),
    ("attempts", "id", "sealed_keep"),
    ("attempts", "id", "sealed_consent"),
    ("cards", "id", "sealed_message"),
];

/// Why a value can't be sealed or opened. An operator's matter.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Not 32 bytes in base64.
    #[error("{0} is not a key: it must be 32 bytes in base64 (make one with `trypost keys generate`)")]
    BadKey(&'static str),
    /// Sealed with a key that is not here.
    #[error("{place} was sealed with key {key}, which is neither APP_KEY nor in APP_PREVIOUS_KEYS")]
    UnknownKey {
        /// Table, row and column.
        place: String,
        /// The key's id.
        key: String,
    },
    /// Changed, cut, or moved here from another row.
    #[error("{place} can't be opened: the stored value was damaged or moved")]
    Damaged {
        /// Table, row and column.
        place: String,
    },
}

struct Key {
    id: String,
    cipher: Aes256Gcm,
}

/// The key ring.
pub struct Vault {
    current: Key,
    previous: Vec<Key>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({})", self.current.id)
    }
}

impl Vault {
    /// The ring: `current` seals, `previous` still open. Keys are 32 bytes in base64, with or without `base64:` before.
    ///
    /// # Errors
    /// When a key is not one.
    pub fn new(current: &Secret, previous: &[Secret]) -> Result<Self, VaultError> {
        Ok(Self {
            current: key("APP_KEY", current)?,
            previous: previous.iter().map(|secret| key("APP_PREVIOUS_KEYS", secret)).collect::<Result<_, _>>()?,
        })
    }

    /// A new key in the form that `APP_KEY` takes.
    pub fn generate(entropy: &dyn Entropy) -> Secret {
        Secret::new(format!("base64:{}", STANDARD.encode(random::<32>(entropy))))
    }

    /// Names the sealing key without telling it, so that replicas can compare.
    pub fn key_id(&self) -> &str {
        &self.current.id
    }

    /// The ids of all keys here, the sealing one first.
    pub fn key_ids(&self) -> Vec<String> {
        std::iter::once(&self.current).chain(&self.previous).map(|key| key.id.clone()).collect()
    }

    pub(super) fn seal(&self, entropy: &dyn Entropy, place: &Spot<'_>, secret: &Secret) -> Result<String, VaultError> {
        let nonce = random::<NONCE>(entropy);
        let aad = place.to_string();
        let sealed = Nonce::try_from(&nonce[..])
            .ok()
            .and_then(|nonce| {
                let payload = Payload { msg: secret.expose().as_bytes(), aad: aad.as_bytes() };
                self.current.cipher.encrypt(&nonce, payload).ok()
            })
            .ok_or_else(|| VaultError::Damaged { place: aad.clone() })?;
        Ok(format!("v1.{}.{}", self.current.id, STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    pub(super) fn open(&self, place: &Spot<'_>, sealed: &str) -> Result<Secret, VaultError> {
        let aad = place.to_string();
        let damaged = || VaultError::Damaged { place: aad.clone() };
        let (id, body) = sealed.strip_prefix("v1.").and_then(|rest| rest.split_once('.')).ok_or_else(damaged)?;
        let key = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| key.id == id)
            .ok_or_else(|| VaultError::UnknownKey { place: aad.clone(), key: id.to_owned() })?;
        let bytes = STANDARD.decode(body).map_err(|_| damaged())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE).ok_or_else(damaged)?;
        let nonce = Nonce::try_from(nonce).map_err(|_| damaged())?;
        let plain = key.cipher.decrypt(&nonce, Payload { msg: sealed, aad: aad.as_bytes() }).map_err(|_| damaged())?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| damaged())
    }
}

fn key(name: &'static str, secret: &Secret) -> Result<Key, VaultError> {
    let text = secret.expose().trim();
    let bytes = zeroize::Zeroizing::new(
        STANDARD.decode(text.strip_prefix("base64:").unwrap_or(text)).map_err(|_| VaultError::BadKey(name))?,
    );
    let cipher = Aes256Gcm::new_from_slice(&bytes).map_err(|_| VaultError::BadKey(name))?;
    Ok(Key { id: data_encoding::HEXLOWER.encode(&Sha256::digest(&*bytes)[..4]), cipher })
}

/// Where a sealed value stands.
pub(super) struct Spot<'a> {
    pub table: &'static str,
    pub row: &'a str,
    pub column: &'static str,
}

impl std::fmt::Display for Spot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.table, self.row, self.column)
    }
}

impl Store {
    pub(super) fn seal(&self, table: &'static str, row: &str, column: &'static str, secret: &Secret) -> Result<String> {
        Ok(self.vault.seal(&*self.entropy, &Spot { table, row, column }, secret)?)
    }

    pub(super) fn seal_some(
        &self,
        table: &'static str,
        row: &str,
        column: &'static str,
        secret: Option<&Secret>,
    ) -> Result<Option<String>> {
        secret.filter(|secret| !secret.is_empty()).map(|secret| self.seal(table, row, column, secret)).transpose()
    }

    pub(super) fn open(&self, table: &'static str, row: &str, column: &'static str, sealed: &str) -> Result<Secret> {
        Ok(self.vault.open(&Spot { table, row, column }, sealed)?)
    }

    pub(super) fn open_some(
        &self,
        table: &'static str,
        row: &str,
        column: &'static str,
        sealed: Option<&String>,
    ) -> Result<Option<Secret>> {
        sealed.map(|sealed| self.open(table, row, column, sealed)).transpose()
    }

    /// Seals everything anew with the current key.
    ///
    /// Gives (values re-sealed, values that no key here opens).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rotate_keys(&self) -> Result<(u64, u64)> {
        let (mut done, mut lost) = (0, 0);
        let current = format!("v1.{}.", self.vault.key_id());
        for (table, name, column) in SEALED {
            let select =
                sqlx::AssertSqlSafe(format!("select {name}, {column} from {table} where {column} is not null"));
            let rows = all!(db self; (String, String); select)?;
            for (row, sealed) in rows.into_iter().filter(|(_, sealed)| !sealed.starts_with(&current)) {
                let Ok(secret) = self.open(table, &row, column, &sealed) else {
                    lost += 1;
                    continue;
                };
                let anew = self.seal(table, &row, column, &secret)?;
                let update = sqlx::AssertSqlSafe(format!(
                    "update {table} set {column} = $1 where {name} = $2 and {column} = $3"
                ));
                done += exec!(db self; update, anew.clone(), row.clone(), sealed.clone())?;
            }
        }
        Ok((done, lost))
    }
}
