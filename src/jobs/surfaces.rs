//! Keeping the surfaces up: one replica at a time polls a bot or holds its gateway, by a lease; a surface that breaks
//! never stops the others.

use std::sync::Arc;
use std::time::Duration;

use bots::{CommandSpec, Failure, Handler, Surface, SurfaceKind};

use crate::flows::Flows;
use crate::lifecycle::Lifecycle;

/// How long a surface that failed for good (a refused token) is left alone before it is tried again.
const AFTER_REFUSAL: Duration = Duration::from_secs(300);

/// How many replicas bring a surface's updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bringers {
    /// One at a time: polling, or a gateway that gives every connection everything.
    One,
    /// Any: the network delivers to us.
    Any,
}

/// Starts bringing one surface's updates to the handler.
pub fn start(
    flows: Arc<Flows>,
    surface: Arc<dyn Surface>,
    commands: &'static [CommandSpec],
    handler: Arc<dyn Handler>,
    bringers: Bringers,
    lifecycle: &Lifecycle,
) {
    let all = lifecycle.clone();
    lifecycle.spawn("surface", async move {
        while !all.soft().is_cancelled() {
            let pause = bring(&flows, &surface, commands, &handler, bringers, &all).await;
            tokio::select! {
                () = all.soft().cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
}

/// Runs the surface while the lease holds; gives how long to wait before the next try.
async fn bring(
    flows: &Flows,
    surface: &Arc<dyn Surface>,
    commands: &'static [CommandSpec],
    handler: &Arc<dyn Handler>,
    bringers: Bringers,
    lifecycle: &Lifecycle,
) -> Duration {
    let kind = surface.kind().as_str();
    let lease = format!("surface/{kind}");
    let beat = flows.settings.lease / 3;
    let hold = || async {
        let until = flows.clock.now() + flows.settings.lease;
        bringers == Bringers::Any || flows.store.take_lease(&lease, &flows.replica, until).await.unwrap_or(false)
    };
    if !hold().await {
        return beat;
    }
    // A token that works again heals the incident that its refusal opened.
    if surface.identity().await.is_ok()
        && let Err(error) = flows.surface_up(kind).await
    {
        tracing::warn!(error = %error, "an incident could not be closed");
    }
    let stop = lifecycle.soft().child_token();
    let run = surface.run(commands, handler.clone(), stop.clone());
    let keep = async {
        loop {
            tokio::time::sleep(beat).await;
            if !hold().await {
                tracing::warn!(surface = kind, "another replica took over");
                stop.cancel();
                return;
            }
        }
    };
    let mut run = std::pin::pin!(run);
    let ended = tokio::select! {
        ended = &mut run => ended,
        () = keep => run.await,
    };
    if bringers == Bringers::One
        && let Err(error) = flows.store.release_lease(&lease, &flows.replica).await
    {
        tracing::warn!(error = %error, "a lease could not be given back");
    }
    match ended {
        // Only the console ends by itself: whoever leaves the daemon's own terminal ends the daemon.
        Ok(()) if surface.kind() == SurfaceKind::Console => {
            lifecycle.stop();
            beat
        }
        Ok(()) => beat,
        Err(failure) => {
            tracing::error!(surface = kind, failure = %failure, "the surface is down");
            let pause = if matches!(failure, Failure::Unauthorized(_)) { AFTER_REFUSAL } else { beat };
            let _ = flows.surface_down(kind, &failure.to_string()).await;
            pause
        }
    }
}
