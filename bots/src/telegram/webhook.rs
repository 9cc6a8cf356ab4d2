//! Updates that Telegram brings by HTTP. The root owns the route and the listener; this judges what came. It must not know
//! of any web framework.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use subtle::ConstantTimeEq;
use url::Url;

use super::dispatch::Dispatcher;
use super::incoming::{self, Context};
use super::{Secret, poll};

/// The header that carries [`Webhook::secret`] in every delivery (Bot API, `setWebhook`).
pub const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// How long a delivery waits for its handler before it counts as taken. Telegram gives up on its side after a minute or
/// so, and then delivers again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where Telegram shall deliver.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The public address of `POST /telegram/webhook`: https, on port 443, 80, 88 or 8443 (Bot API, `setWebhook`).
    pub url: Url,
    /// 1 to 256 characters out of `A-Z a-z 0-9 _ -`.
    pub secret: Secret,
}

/// What became of a delivery, and with it the status to answer. Telegram repeats what is not answered with 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Taken, or nothing that concerns us.
    Accepted,
    /// The secret is missing or wrong, or no webhook is configured: not from Telegram.
    Rejected,
    /// The secret is right, but this is no update.
    Malformed,
    /// Nobody handles updates here now: the daemon starts or stops, or too much waits. Deliver again.
    Unavailable,
}

impl Delivery {
    /// The HTTP status that says so.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Accepted => StatusCode::OK,
            Self::Rejected => StatusCode::UNAUTHORIZED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What takes deliveries while the surface runs.
pub(super) struct Running {
    pub context: Context,
    pub dispatcher: Arc<Dispatcher>,
}

/// Whether the header's value is the secret, in a time that tells nothing about it (but its length).
pub(super) fn is_secret(given: Option<&[u8]>, secret: &Secret) -> bool {
    given.is_some_and(|given| given.ct_eq(secret.reveal().as_bytes()).into())
}

/// Takes the body of a delivery whose secret was right.
pub(super) async fn deliver(running: &Running, body: &[u8]) -> Delivery {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        tracing::warn!(surface = "telegram", "a delivery that is no JSON was refused");
        return Delivery::Malformed;
    };
    let Some(number) = incoming::number(&value) else {
        tracing::warn!(surface = "telegram", "a delivery that is no update was refused");
        return Delivery::Malformed;
    };
    if running.dispatcher.is_full() {
        return Delivery::Unavailable;
    }
    let Some(taken) = poll::submit(value, number, &running.context, &running.dispatcher) else {
        return Delivery::Accepted;
    };
    match tokio::time::timeout(PATIENCE, taken).await {
        // Whoever is still at it after that long has it.
        Ok(Ok(())) | Err(_) => Delivery::Accepted,
        // It was dropped while the surface ended.
        Ok(Err(_)) => Delivery::Unavailable,
    }
}
