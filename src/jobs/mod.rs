//! The workers: they claim due work from the database, carry it out through `flows`, and sleep until the next is due.
//! What is claimed and how it is settled is the store's and the flows'; here is only when, and how much at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::domain::Timestamp;
use crate::flows::Flows;
use crate::lifecycle::Lifecycle;

pub mod deliver;
pub mod surfaces;
pub mod tidy;

/// How many targets one replica carries at once.
const TARGETS: usize = 8;
/// The longest a worker sleeps: another replica's work can't ring this one's bell.
const LONGEST_SLEEP: Duration = Duration::from_secs(2);

/// Starts the publisher.
pub fn start_publisher(flows: Arc<Flows>, lifecycle: &Lifecycle) {
    let all = lifecycle.clone();
    lifecycle.spawn("publisher", async move { publisher(flows, all).await });
}

async fn publisher(flows: Arc<Flows>, lifecycle: Lifecycle) {
    let room = Arc::new(Semaphore::new(TARGETS));
    let bell = flows.wake.publish.clone();
    while !lifecycle.soft().is_cancelled() {
        let mut rung = std::pin::pin!(bell.notified());
        rung.as_mut().enable();
        let free = i64::try_from(room.available_permits()).unwrap_or_default();
        let claimed = if free == 0 { Ok(Vec::new()) } else { flows.claim_due(free).await };
        match claimed {
            Ok(claimed) => {
                for claimed in claimed {
                    let Ok(permit) = room.clone().acquire_owned().await else { return };
                    let (flows, bell) = (flows.clone(), bell.clone());
                    lifecycle.spawn("target", async move {
                        flows.deliver(claimed).await;
                        drop(permit);
                        bell.notify_waiters();
                    });
                }
            }
            Err(error) => tracing::error!(error = %error, "targets could not be claimed"),
        }
        let next = if room.available_permits() == 0 { Ok(None) } else { flows.store.next_target_due().await };
        let next = next.unwrap_or_else(|error| {
            tracing::error!(error = %error, "the next target could not be found");
            None
        });
        tokio::select! {
            () = lifecycle.soft().cancelled() => return,
            () = sleep(&flows, next, rung) => {}
        }
    }
}

/// Returns when the bell rings, at `next`, or after a while.
async fn sleep(flows: &Flows, next: Option<Timestamp>, rung: std::pin::Pin<&mut tokio::sync::futures::Notified<'_>>) {
    let due = async {
        match next {
            Some(next) => flows.clock.sleep_until(next).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = rung => {}
        () = due => {}
        () = tokio::time::sleep(LONGEST_SLEEP) => {}
    }
}
