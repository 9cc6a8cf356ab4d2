//! Ids as prefixed newtypes, so that an account's id can't be passed as a post's. Sortable by time (UUID version 7).

use super::clock::{Entropy, Timestamp, random};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, sqlx::Type)]
        #[sqlx(transparent)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new id, made from the clock and random bytes.
            pub fn new(now: Timestamp, entropy: &dyn Entropy) -> Self {
                Self(format!(concat!($prefix, "_{}"), uuid(now, entropy)))
            }

            /// The id as stored.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A workspace.
    WorkspaceId = "wsp";
    /// A person, with identities on several surfaces.
    PersonId = "psn";
    /// A chat that trypost knows.
    ChatId = "cht";
    /// A consent.
    GrantId = "grt";
    /// A connected account.
    AccountId = "acc";
    /// One run of connecting.
    AttemptId = "att";
    /// A post.
    PostId = "pst";
    /// A post's delivery to one account.
    TargetId = "tgt";
    /// Something a human must know.
    IncidentId = "inc";
    /// A message of ours that is kept up to date.
    CardId = "crd";
    /// A message waiting to be delivered.
    OutboxId = "out";
    /// A running daemon.
    ReplicaId = "rep";
}

fn uuid(now: Timestamp, entropy: &dyn Entropy) -> String {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random::<10>(entropy)).into_uuid().simple().to_string()
}
