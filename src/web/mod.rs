//! The small web part: connect links, callbacks, the private form, media links, the webhook, health and metrics. It
//! knows no surface and no database: it asks `flows` and draws pages.

use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use url::Url;

use crate::flows::Flows;
use crate::lifecycle::Lifecycle;
use crate::store::Place;

/// Takes a webhook's secret header and body; gives the HTTP status to answer.
pub type Webhook = Arc<dyn Fn(Option<Bytes>, Bytes) -> BoxFuture<'static, u16> + Send + Sync>;

/// Where "back to your chat" leads, with the words on the button ("Back to Telegram").
pub type BackLink = Arc<dyn Fn(&Place) -> Option<(String, Url)> + Send + Sync>;

/// What the pages need.
#[derive(Clone)]
pub struct Web {
    /// The use cases.
    pub flows: Arc<Flows>,
    /// Telegram's deliveries, where they come by webhook.
    pub telegram: Option<Webhook>,
    /// The way back to a chat.
    pub back: BackLink,
    /// Prometheus's text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// What `/metrics` shows.
pub fn metrics_text() -> String {
    String::new()
}

/// All routes.
pub fn router(_web: Web) -> Router {
    Router::new()
}

/// Serves until the daemon drains.
pub fn serve(web: Web, listener: TcpListener, lifecycle: &Lifecycle) {
    let soft = lifecycle.soft().clone();
    lifecycle.spawn("web", async move {
        let server = axum::serve(listener, router(web)).with_graceful_shutdown(async move { soft.cancelled().await });
        if let Err(error) = server.await {
            tracing::error!(error = %error, "the web part stopped");
        }
    });
}
