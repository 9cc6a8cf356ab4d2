//! Discord's gateway: one websocket, opcodes, sessions that can be resumed. It sends what the state queued for the
//! session. Source: "Gateway" in Discord's documentation.

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State as Shared};
use axum::response::Response;
use serde_json::{Value, json};

use super::Inner;
use super::state::{Cut, INTENT_GUILDS, PRIVILEGED, Session, State};

/// Milliseconds between heartbeats, as Discord usually says.
const HEARTBEAT: u64 = 41_250;

/// The router for `gateway.discord.gg`.
pub(super) fn router(inner: Arc<Inner>) -> Router {
    Router::new().fallback(accept).with_state(inner)
}

type Pairs = Query<std::collections::HashMap<String, String>>;

async fn accept(Shared(inner): Shared<Arc<Inner>>, Query(query): Pairs, upgrade: WebSocketUpgrade) -> Response {
    let version = query.get("v").cloned().unwrap_or_default();
    let encoding = query.get("encoding").cloned().unwrap_or_else(|| "json".to_owned());
    upgrade.on_upgrade(move |socket| async move {
        inner.state.write(|state| state.sockets += 1);
        Connection { inner: inner.clone(), socket, session: None, sent: 0 }.run(&version, &encoding).await;
        inner.state.write(|state| state.sockets -= 1);
    })
}

struct Connection {
    inner: Arc<Inner>,
    socket: WebSocket,
    session: Option<String>,
    /// The sequence number of the last event that was sent.
    sent: usize,
}

/// Why a connection ends.
enum End {
    /// The other side went, or nothing more can be said.
    Gone,
    /// With a close code.
    Close(u16, &'static str),
}

impl Connection {
    async fn run(mut self, version: &str, encoding: &str) {
        let end = if version != "10" {
            self.inner.violation(format!("gateway: API version {version:?}"));
            End::Close(4012, "Invalid API version")
        } else if encoding != "json" {
            End::Close(4002, "Decode error")
        } else {
            self.talk().await.err().unwrap_or(End::Gone)
        };
        if let End::Close(code, reason) = end {
            // A failure here means that the other side is gone already.
            let _ = self.socket.send(Frame::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
        }
    }

    async fn talk(&mut self) -> Result<(), End> {
        let mut changes = self.inner.state.changes();
        let cut = self.inner.state.read(|state| state.cut.0);
        self.send(json!({ "op": 10, "d": { "heartbeat_interval": HEARTBEAT, "_trace": [] }, "s": null, "t": null }))
            .await?;
        loop {
            self.send_events().await?;
            let (round, how) = self.inner.state.read(|state| state.cut);
            if round != cut {
                return self.obey(how).await;
            }
            tokio::select! {
                frame = self.socket.recv() => match frame {
                    Some(Ok(Frame::Text(text))) => {
                        let payload = serde_json::from_str(&text).map_err(|_| End::Close(4002, "Decode error"))?;
                        self.receive(&payload).await?;
                    }
                    Some(Ok(Frame::Binary(_))) => return Err(End::Close(4002, "Decode error")),
                    Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => return Err(End::Gone),
                },
                changed = changes.changed() => changed.map_err(|_| End::Gone)?,
            }
        }
    }

    async fn obey(&mut self, how: Cut) -> Result<(), End> {
        match how {
            Cut::Drop => {}
            Cut::Reconnect => self.send(json!({ "op": 7, "d": null, "s": null, "t": null })).await?,
            Cut::Invalid => self.send(json!({ "op": 9, "d": false, "s": null, "t": null })).await?,
        }
        Err(End::Gone)
    }

    async fn send(&mut self, payload: Value) -> Result<(), End> {
        self.socket.send(Frame::Text(payload.to_string().into())).await.map_err(|_| End::Gone)
    }

    async fn send_events(&mut self) -> Result<(), End> {
        let Some(id) = self.session.clone() else { return Ok(()) };
        loop {
            let next = self.inner.state.read(|state| {
                let session = state.sessions.get(&id)?;
                session.events.get(self.sent).cloned()
            });
            let Some((name, data)) = next else { return Ok(()) };
            self.sent += 1;
            self.send(json!({ "op": 0, "s": self.sent, "t": name, "d": data })).await?;
        }
    }

    async fn receive(&mut self, payload: &Value) -> Result<(), End> {
        let data = &payload["d"];
        match payload["op"].as_u64() {
            Some(1) => self.send(json!({ "op": 11, "d": null, "s": null, "t": null })).await,
            Some(2) => self.identify(data),
            Some(6) => self.resume(data).await,
            // Presence, voice state, members, soundboard: nothing here answers to them.
            Some(3 | 4 | 8 | 31) if self.session.is_some() => Ok(()),
            Some(3 | 4 | 8 | 31) => Err(End::Close(4003, "Not authenticated")),
            _ => Err(End::Close(4001, "Unknown opcode")),
        }
    }

    fn authentic(&self, data: &Value) -> Result<(), End> {
        let given = data["token"].as_str().unwrap_or_default();
        let given = given.strip_prefix("Bot ").unwrap_or(given);
        match self.inner.state.read(|state| state.options.bot_token == given) {
            true => Ok(()),
            false => Err(End::Close(4004, "Authentication failed")),
        }
    }

    fn identify(&mut self, data: &Value) -> Result<(), End> {
        if self.session.is_some() {
            return Err(End::Close(4005, "Already authenticated"));
        }
        self.authentic(data)?;
        let Some(intents) = data["intents"].as_u64() else {
            return Err(End::Close(4013, "Invalid intent(s)"));
        };
        if !data["properties"].is_object() {
            return Err(End::Close(4002, "Decode error"));
        }
        let url = self.inner.socket_url();
        let session = self.inner.state.write(|state| {
            if intents & PRIVILEGED & !state.privileged != 0 {
                return None;
            }
            let id = state.secret("session");
            let events = first_events(state, &id, &url, intents);
            state.sessions.insert(id.clone(), Session { intents, events });
            Some(id)
        });
        if session.is_none() {
            self.inner.violation(format!("gateway: intents {intents} are not switched on for this application"));
            return Err(End::Close(4014, "Disallowed intent(s)"));
        }
        self.session = session;
        self.sent = 0;
        Ok(())
    }

    async fn resume(&mut self, data: &Value) -> Result<(), End> {
        self.authentic(data)?;
        let id = data["session_id"].as_str().unwrap_or_default().to_owned();
        let seen = usize::try_from(data["seq"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
        let known = self.inner.state.write(|state| {
            let session = state.sessions.get_mut(&id)?;
            (seen <= session.events.len()).then(|| session.events.push(("RESUMED".to_owned(), json!({ "_trace": [] }))))
        });
        if known.is_none() {
            return self.send(json!({ "op": 9, "d": false, "s": null, "t": null })).await;
        }
        self.session = Some(id);
        self.sent = seen;
        Ok(())
    }
}

/// READY, then each server in full where the session asked for servers.
fn first_events(state: &State, session: &str, url: &str, intents: u64) -> Vec<(String, Value)> {
    let bot = state.bot();
    let mine: Vec<_> = state.guilds.values().filter(|guild| guild.members.contains_key(&bot)).collect();
    let mut user = state.user_json(bot);
    user["verified"] = json!(true);
    user["mfa_enabled"] = json!(false);
    let ready = json!({
        "v": 10, "user": user, "session_id": session, "resume_gateway_url": url, "shard": [0, 1],
        "guilds": mine.iter().map(|guild| json!({ "id": guild.id.to_string(), "unavailable": true }))
            .collect::<Vec<_>>(),
        "application": { "id": bot.to_string(), "flags": 0 }, "private_channels": [], "relationships": [],
        "presences": [], "user_settings": {}, "geo_ordered_rtc_regions": [], "_trace": [],
    });
    let mut events = vec![("READY".to_owned(), ready)];
    if intents & INTENT_GUILDS != 0 {
        let there = mine.into_iter().filter(|guild| !guild.unavailable);
        events.extend(there.map(|guild| ("GUILD_CREATE".to_owned(), state.guild_create_json(guild))));
    }
    events
}
