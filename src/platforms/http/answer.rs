//! What came back from a call. It knows no vendor: what an answer means is decided in the platform's `fault.rs`.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::domain::Timestamp;

/// The longest pause that a vendor can ask us to take.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// What the vendor answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; `Null` when it is none (front ends answer HTML).
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// What `Retry-After` asks for, in seconds or as an HTTP date, at most a day.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        let pause = match text.parse::<f64>() {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
            Err(_) => {
                let date = httpdate::parse_http_date(text).ok()?;
                let now = std::time::SystemTime::UNIX_EPOCH
                    .checked_add(Duration::from_millis(u64::try_from(now.as_millisecond()).ok()?))?;
                date.duration_since(now).unwrap_or_default()
            }
        };
        Some(pause.min(LONGEST_PAUSE))
    }
}
