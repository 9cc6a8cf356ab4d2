//! The vendors on loopback: the social platforms and both chat APIs, each a model of the vendor's state with the
//! vendor's own HTTP mounted on it. Strict by themselves: what the vendor would refuse is refused in the vendor's
//! words. Nothing here knows trypost; an emulator that shared the connector's types would prove nothing.

pub mod bluesky;
pub mod browser;
pub mod discord;
pub mod fixtures;
pub mod gateway;
mod html;
pub mod mastodon;
pub mod telegram;
mod throttle;
mod watched;

pub use gateway::{Call, Clock, Fault, FaultKind, Gateway};
pub use watched::PATIENCE;
