//! Each connector against its vendor's emulator over real HTTP.

mod mastodon;
//! The connectors against the emulated vendors, over real HTTP on loopback.

mod bots;
mod discord;
mod telegram;
