//! The connectors against the emulated vendors, over real HTTP on loopback.

pub mod bluesky;
mod bots;
mod discord;
mod mastodon;
mod telegram;
