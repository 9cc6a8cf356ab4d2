//! Recovery at start and housekeeping: attempts that a stopped daemon left in the middle, and rows that are long past.

use std::sync::Arc;
use std::time::Duration;

use crate::flows::Flows;
use crate::lifecycle::Lifecycle;

/// How often rows that are long past are removed.
const EVERY: Duration = Duration::from_secs(3600);
/// How long buttons, updates and ended attempts are kept past their end.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long answering an attempt can take at most: a vendor's time limit, several times over.
const ANSWERING: Duration = Duration::from_secs(120);

/// Starts recovery and housekeeping: what a stopped daemon still had to tell is told. With `is_alone` no other daemon can be on this database.
pub fn start(flows: Arc<Flows>, is_alone: bool, lifecycle: &Lifecycle) {
    let soft = lifecycle.soft().clone();
    lifecycle.spawn("tidy", async move {
        // What was being answered before this start is interrupted for sure, or may be another replica's.
        let mut before = if is_alone { flows.started_at } else { flows.clock.now() - ANSWERING };
        let mut pause = ANSWERING;
        if let Err(error) = flows.recover_news(flows.clock.now() - KEPT, before).await {
            tracing::error!(error = %error, "what was to be told could not be recovered");
        }
        loop {
            let now = flows.clock.now();
            if let Err(error) = flows.recover_attempts(before).await {
                tracing::error!(error = %error, "attempts could not be recovered");
            }
            if let Err(error) = flows.store.sweep_talk(now - KEPT).await {
                tracing::error!(error = %error, "old rows could not be removed");
            }
            tokio::select! {
                () = soft.cancelled() => return,
                () = flows.clock.sleep_until(now + pause) => {}
            }
            before = flows.clock.now() - ANSWERING;
            pause = EVERY;
        }
    });
}
