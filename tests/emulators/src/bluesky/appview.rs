//! Reads that the vendor's app view answers, relayed by data servers or asked at the public API: profiles, and handles
//! resolved to DIDs.

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use super::pds::{Answer, Pds, ok, unknown, wrong_method};
use super::{Bluesky, ENTRYWAY, Refusal};

/// The public app view: reads without a session.
pub(super) fn public_api(network: Bluesky) -> Router {
    let server = Pds { network, host: ENTRYWAY.to_owned() };
    Router::new()
        .route("/xrpc/app.bsky.actor.getProfile", get(public_profile))
        .route("/xrpc/com.atproto.identity.resolveHandle", get(resolve_handle))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(server)
}

#[derive(Deserialize)]
pub(super) struct Handle {
    handle: String,
}

pub(super) async fn resolve_handle(State(server): State<Pds>, Query(ask): Query<Handle>) -> Answer {
    let found = server.network.state(|state| {
        state
            .accounts
            .iter()
            .find(|account| account.handle.eq_ignore_ascii_case(&ask.handle))
            .map(|account| account.did.clone())
    });
    match found {
        Some(did) => ok(json!({ "did": did })),
        None => Err(server.refuse(Refusal::new(400, "InvalidRequest", "Unable to resolve handle"))),
    }
}

#[derive(Deserialize)]
pub(super) struct Actor {
    actor: String,
}

pub(super) async fn get_profile(State(server): State<Pds>, Query(ask): Query<Actor>, headers: HeaderMap) -> Answer {
    server.session(&headers)?;
    profile(&server, &ask.actor)
}

async fn public_profile(State(server): State<Pds>, Query(ask): Query<Actor>) -> Answer {
    profile(&server, &ask.actor)
}

fn profile(server: &Pds, actor: &str) -> Answer {
    if server.network.state(|state| state.knobs.appview_down) {
        return Err(server.refuse(Refusal::new(502, "UpstreamFailure", "Upstream Failure")));
    }
    let found =
        server.network.state(|state| state.account(actor).map(|found| (found.clone(), state.posts(actor).len())));
    match found {
        None => Err(server.refuse(Refusal::new(400, "InvalidRequest", "Profile not found"))),
        Some((account, _)) if account.standing.blocked() => {
            Err(server.refuse(Refusal::new(400, "AccountTakedown", "Account has been suspended")))
        }
        Some((account, posts)) => ok(json!({
            "did": account.did,
            "handle": account.handle,
            "displayName": account.display_name,
            "createdAt": jiff::Timestamp::from_millisecond(account.created_ms).map(|at| format!("{at:.3}")).unwrap_or_default(),
            "followersCount": 0, "followsCount": 0, "postsCount": posts, "labels": [],
            "viewer": { "muted": false, "blockedBy": false },
        })),
    }
}
