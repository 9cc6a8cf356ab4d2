//! Long polling: asks Telegram for updates and confirms them once the handler took them. Our own loop, because
//! teloxide's confirms an update as soon as the next one is asked for. It must not know what updates say.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::api::{Api, BATCH, LONG_POLL};
use super::dispatch::Dispatcher;
use super::failure::{Class, Trouble};
use super::incoming::{self, Context};
use crate::surface::Failure;

/// How long a handler may hold back the confirmation of its update, and with it of all later ones.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often Telegram is asked for more while a handler works: it answers at once then, with what we know already.
const PEEK: Duration = Duration::from_millis(500);
/// The longest pause between tries while Telegram can't be reached.
const BACKOFF_LIMIT: Duration = Duration::from_secs(30);

/// The updates that Telegram still holds for us.
#[derive(Default)]
struct Window {
    /// One past the highest confirmed number; nothing before the first update.
    next: Option<i64>,
    /// When each came, and the word that it was taken.
    open: BTreeMap<i64, (Instant, oneshot::Receiver<()>)>,
}

impl Window {
    /// Forgets from the front what was taken, what has been worked on for too long, and what fills the window, so that a
    /// handler that hangs never stops the polling.
    fn settle(&mut self) {
        while let Some(mut first) = self.open.first_entry() {
            let (since, taken) = first.get_mut();
            let is_taken = matches!(taken.try_recv(), Ok(()) | Err(TryRecvError::Closed));
            if !is_taken && since.elapsed() < PATIENCE {
                break;
            }
            self.confirm_first();
        }
        while self.open.len() >= usize::from(BATCH) {
            self.confirm_first();
        }
    }

    fn confirm_first(&mut self) {
        if let Some((number, _)) = self.open.pop_first() {
            self.passed(number);
        }
    }

    fn passed(&mut self, number: i64) {
        self.next = self.next.max(Some(number.saturating_add(1)));
    }

    /// The lowest number that is not confirmed.
    fn offset(&self) -> Option<i64> {
        self.open.keys().next().copied().or(self.next)
    }
}

/// Polls until `stop`. Ends early only when the token is refused.
pub(super) async fn poll(
    api: &Api,
    context: &Context,
    dispatcher: &Arc<Dispatcher>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let mut window = Window::default();
    let mut outage = Outage::new("getUpdates");
    loop {
        window.settle();
        let wait = if window.open.is_empty() { LONG_POLL } else { Duration::ZERO };
        let Some(answer) = stop.run_until_cancelled(api.updates(window.offset(), wait)).await else { return Ok(()) };
        let batch = match answer {
            Ok(batch) => batch,
            Err(trouble) => {
                if trouble.class == Class::WebhookActive {
                    // Somebody set one since we started; the configuration says that we poll. If this fails too, the
                    // next round tells.
                    let _ = api.delete_webhook().await;
                }
                let pause = outage.began(trouble)?;
                if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    return Ok(());
                }
                continue;
            }
        };
        outage.ended();
        let fresh = take(batch, &mut window, context, dispatcher);
        // With nothing new, or too much at once, wait for a handler instead of asking again.
        if (!window.open.is_empty() && !fresh) || dispatcher.is_full() {
            let pause = tokio::time::timeout(PEEK, dispatcher.finished.notified());
            if stop.run_until_cancelled(pause).await.is_none() {
                return Ok(());
            }
        }
    }
}

/// Passes on what is new; whether anything was.
fn take(batch: Vec<Value>, window: &mut Window, context: &Context, dispatcher: &Arc<Dispatcher>) -> bool {
    let mut fresh = false;
    for value in batch {
        let Some(number) = incoming::number(&value) else {
            tracing::warn!(surface = "telegram", "an update without a number was skipped");
            continue;
        };
        if window.open.contains_key(&number) {
            continue;
        }
        if dispatcher.is_full() {
            // Not taken, so not confirmed: Telegram keeps it, and all that follow.
            break;
        }
        fresh = true;
        match submit(value, number, context, dispatcher) {
            Some(taken) => {
                window.open.insert(number, (Instant::now(), taken));
            }
            // Nothing to wait for, but it may not be confirmed before what came earlier.
            None if window.open.is_empty() => window.passed(number),
            None => {
                let (done, taken) = oneshot::channel();
                // The receiver is right here.
                let _ = done.send(());
                window.open.insert(number, (Instant::now(), taken));
            }
        }
    }
    fresh
}

/// Reads an update and queues it; nothing if it does not concern us or can't be read, which is logged here, once.
pub(super) fn submit(
    value: Value,
    number: i64,
    context: &Context,
    dispatcher: &Arc<Dispatcher>,
) -> Option<oneshot::Receiver<()>> {
    match incoming::read(value, context) {
        Ok(read) => match (read.update, read.query) {
            (Some(update), query) => Some(dispatcher.submit(update, query)),
            (None, Some(query)) => {
                dispatcher.acknowledge(query);
                None
            }
            (None, None) => None,
        },
        Err(error) => {
            tracing::warn!(surface = "telegram", update = number, %error, "an update was skipped");
            None
        }
    }
}

/// Calls until it works, is refused for good, or the end is asked for (then nothing).
pub(super) async fn patiently<T, F>(
    what: &'static str,
    stop: &CancellationToken,
    mut call: impl FnMut() -> F,
) -> Result<Option<T>, Failure>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let mut outage = Outage::new(what);
    loop {
        let Some(answer) = stop.run_until_cancelled(call()).await else { return Ok(None) };
        let trouble = match answer {
            Ok(answer) => {
                outage.ended();
                return Ok(Some(answer));
            }
            Err(trouble) if matches!(trouble.failure, Failure::Retry { .. }) => trouble,
            Err(trouble) => return Err(trouble.failure),
        };
        let pause = outage.began(trouble)?;
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(None);
        }
    }
}

/// A time in which a call does not work: told once when it begins and once when it ends, with growing pauses between.
struct Outage {
    what: &'static str,
    tries: u32,
}

impl Outage {
    fn new(what: &'static str) -> Self {
        Self { what, tries: 0 }
    }

    /// How long to pause; the failure itself where no waiting helps.
    fn began(&mut self, trouble: Trouble) -> Result<Duration, Failure> {
        if trouble.class == Class::Unauthorized {
            return Err(trouble.failure);
        }
        if self.tries == 0 {
            let failure = &trouble.failure;
            tracing::warn!(surface = "telegram", call = self.what, %failure, "Telegram can't be used; waiting");
        }
        let backoff = Duration::from_secs(1 << self.tries.min(5)).min(BACKOFF_LIMIT);
        self.tries = self.tries.saturating_add(1);
        Ok(match (trouble.class, trouble.failure) {
            // Telegram's own demand counts in full; our guess for other failures does not.
            (Class::SlowDown, Failure::Retry { after, .. }) => backoff.max(Duration::from_secs(after)),
            _ => backoff,
        })
    }

    fn ended(&mut self) {
        if self.tries > 0 {
            tracing::info!(surface = "telegram", call = self.what, tries = self.tries, "Telegram works again");
        }
        self.tries = 0;
    }
}
