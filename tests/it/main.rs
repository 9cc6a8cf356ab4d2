//! The integration tests, in one binary: they build the daemon as `main` does and drive it from outside.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test's helpers may fail loudly, as its functions may")]

mod architecture;
mod bad_input;
mod chat_connect;
mod chat_posts;
mod chat_team;
mod contract;
mod contracts;
mod crash;
mod kill;
mod peers;
mod readme;
mod scripts;
mod store;
mod support;
mod web;
mod world;
