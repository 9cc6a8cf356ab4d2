//! Pure types that the whole house shares: ids, time, secrets, and the words of design (workspace, grant, account,
//! post, fault, incident). No I/O, no SQL, no vendor.

pub mod account;
pub mod clock;
pub mod fault;
pub mod id;
pub mod observe;
pub mod post;
pub mod secret;
pub mod workspace;

pub use clock::{Clock, Entropy, OsEntropy, SystemClock, Timestamp};
pub use fault::{Fault, Operation};
pub use observe::{Observer, Point, Unobserved};
pub use secret::Secret;
