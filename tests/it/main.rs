//! The integration tests, in one binary: they build the daemon as `main` does and drive it from outside.

#![expect(clippy::expect_used, reason = "a test's helpers may fail loudly, as its functions may")]

mod architecture;
mod peers;
mod support;
//! The integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a helper of a test that can't go on fails the test")]

mod contract;
