//! The observer that the app always takes: it is told of every vendor call and every commit, in order. Tracing uses it;
//! the crash tests stop the daemon in it.

use async_trait::async_trait;

/// A numbered place that a crash can fall between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    /// A vendor call is about to leave.
    Calling {
        /// The vendor's host.
        host: String,
        /// The path at the vendor (no query: it may hold tokens).
        path: String,
    },
    /// Its answer has arrived, and nothing was done with it yet.
    Answered {
        /// The vendor's host.
        host: String,
        /// The path at the vendor.
        path: String,
        /// HTTP status; 0 when there was no answer.
        status: u16,
    },
    /// A database transaction was committed.
    Committed {
        /// The store function that did it.
        what: &'static str,
    },
}

/// Told of every [`Point`]. It may take its time: the work waits.
#[async_trait]
pub trait Observer: Send + Sync {
    /// Work has come to this point.
    async fn reached(&self, point: Point);
}

/// Logs the points at TRACE.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

#[async_trait]
impl Observer for Unobserved {
    async fn reached(&self, point: Point) {
        tracing::trace!(?point, "reached");
    }
}
