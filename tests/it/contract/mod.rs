//! The connectors against the emulated vendors, over real HTTP on loopback.

mod bots;
mod discord;
mod mastodon;
mod telegram;
