//! Holds the gateway connection with serenity, in a thread and runtime of its own. serenity's tasks refer to each other
//! and outlive its client (one that never connected would go on trying for ever); they end with their runtime. A runtime
//! of one thread also keeps the events in order. It must not know what an event means.

use std::num::NonZeroU64;
use std::time::Duration;

use async_trait::async_trait;
use serenity::client::{ClientBuilder, Context, RawEventHandler};
use serenity::gateway::GatewayError;
use serenity::http::HttpBuilder;
use serenity::model::event::Event;
use serenity::model::gateway::GatewayIntents;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::FAREWELL;
use crate::surface::Failure;

/// Neither intent is privileged: servers' joins and losses, and what people write to the bot directly.
pub(crate) const INTENTS: GatewayIntents = GatewayIntents::GUILDS.union(GatewayIntents::DIRECT_MESSAGES);

/// What a connection needs.
pub(crate) struct Plan {
    pub(crate) token: String,
    pub(crate) application: Option<NonZeroU64>,
    /// Stands for `https://discord.com`.
    pub(crate) proxy: Option<String>,
    /// The websocket, checked.
    pub(crate) address: Url,
}

struct Ears(mpsc::UnboundedSender<Event>);

#[async_trait]
impl RawEventHandler for Ears {
    async fn raw_event(&self, _: Context, event: Event) {
        // Nobody listens when the run is over.
        let _ = self.0.send(event);
    }
}

/// Connects, and stays connected until `over`. The receiver brings why it ended, `None` because of `over`.
pub(crate) fn hold(
    plan: Plan,
    events: mpsc::UnboundedSender<Event>,
    over: CancellationToken,
) -> Result<oneshot::Receiver<Option<Failure>>, Failure> {
    let failed = |why: std::io::Error| Failure::Refused(format!("the gateway's thread did not start: {why}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (tell, ended) = oneshot::channel();
    let thread = move || {
        let why = runtime.block_on(connect(plan, events, over));
        // Without waiting for a name that is being looked up.
        runtime.shutdown_background();
        let _ = tell.send(why);
    };
    std::thread::Builder::new().name("discord".to_owned()).spawn(thread).map_err(failed)?;
    Ok(ended)
}

async fn connect(plan: Plan, events: mpsc::UnboundedSender<Event>, over: CancellationToken) -> Option<Failure> {
    let mut client = match client(plan, events).await {
        Ok(client) => client,
        Err(why) => return Some(Failure::Refused(format!("serenity's client can't be made: {why}"))),
    };
    let shards = client.shard_manager.clone();
    let ended = tokio::select! {
        biased;
        () = over.cancelled() => None,
        ended = client.start() => Some(match ended {
            Err(serenity::Error::Gateway(GatewayError::InvalidAuthentication)) => {
                Failure::Unauthorized("by Discord's gateway".to_owned())
            }
            Err(serenity::Error::Gateway(
                why @ (GatewayError::DisallowedGatewayIntents | GatewayError::InvalidGatewayIntents),
            )) => Failure::Refused(why.to_string()),
            Err(why) => Failure::Retry { after: 5, why: why.to_string() },
            Ok(()) => Failure::Retry { after: 5, why: "the connection ended".to_owned() },
        }),
    };
    if tokio::time::timeout(FAREWELL, shards.shutdown_all()).await.is_err() {
        tracing::debug!("Discord's gateway did not say goodbye");
    }
    ended
}

async fn client(plan: Plan, events: mpsc::UnboundedSender<Event>) -> Result<serenity::Client, String> {
    let http = reqwest_012::Client::builder()
        .no_proxy()
        .redirect(reqwest_012::redirect::Policy::none())
        .timeout(Duration::from_secs(15))
        .build()
        .map_err(|why| why.to_string())?;
    let mut builder = HttpBuilder::new(&plan.token).client(http);
    if let Some(id) = plan.application {
        builder = builder.application_id(id.into());
    }
    if let Some(proxy) = plan.proxy {
        // serenity ignores its proxy while its rate limiter is on.
        builder = builder.proxy(proxy).ratelimiter_disabled(true);
    }
    let client = ClientBuilder::new_with_http(builder.build(), INTENTS).raw_event_handler(Ears(events));
    let client = client.await.map_err(|why| why.to_string())?;
    // It asked for the address by itself, and falls back to Discord's own when nobody answers: ours was checked.
    *client.ws_url.lock().await = plan.address.into();
    Ok(client)
}
