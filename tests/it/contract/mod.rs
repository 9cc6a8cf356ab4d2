//! Each connector against its vendor's emulator over real HTTP.

mod mastodon;
