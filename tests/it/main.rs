//! The integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a helper of a test that can't go on fails the test")]

mod contract;
