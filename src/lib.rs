//! trypost: a self-hosted, chat-first daemon that keeps a team's social accounts connected and publishes to them.
//!
//! The map of the house. Each room may use only the rooms to its right; a test reads the `use` lines.
//!
//! ```text
//! main -> app -> { web, chat, jobs } -> flows -> { store, platforms } -> domain
//! ```
//!
//! `bots` (its own crate) is known to `app`, `chat` and the job that delivers messages; `config` to `app`; `lifecycle`
//! to `app`, `web` and `jobs`. `sqlx` stands only in `store` (and the ids' derive), `axum` only in `web`, `std::env`
//! only in `config`; the outbound HTTP client is built in `platforms/http.rs`.

pub mod app;
pub mod chat;
pub mod config;
pub mod doctor;
pub mod domain;
pub mod flows;
pub mod jobs;
pub mod lifecycle;
pub mod platforms;
pub mod store;
pub mod web;
