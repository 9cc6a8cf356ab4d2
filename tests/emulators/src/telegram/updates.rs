//! How updates reach the bot: long polling and the webhook, which exclude each other. It knows no chat. Source: "Getting
//! updates" of the Bot API page; the conflict texts are the server's.

use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Inner;
use super::state::{State, Webhook};
use super::wire::{Params, Refusal};

/// Longest pause between two tries of a delivery (real time).
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

fn conflict(what: &str) -> Refusal {
    Refusal::new(409, format!("Conflict: {what}"))
}

fn read_allowed(params: &Params) -> Result<Option<Option<Vec<String>>>, Refusal> {
    let Some(list) = params.json("allowed_updates")? else { return Ok(None) };
    let list = list
        .as_array()
        .ok_or_else(|| Refusal::mistake(400, "Bad Request: can't parse allowed_updates: expected an Array"))?;
    let kinds: Vec<String> = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    // An empty list means everything but what must be asked for by name.
    Ok(Some((!kinds.is_empty()).then_some(kinds)))
}

/// `getUpdates`.
pub(super) async fn get_updates(inner: &Arc<Inner>, params: &Params) -> Result<Value, Refusal> {
    let offset = params.int("offset")?.unwrap_or(0);
    let limit = usize::try_from(params.int("limit")?.unwrap_or(100)).unwrap_or(100).clamp(1, 100);
    let timeout = u64::try_from(params.int("timeout")?.unwrap_or(0)).unwrap_or(0).min(50);
    let allowed = read_allowed(params)?;
    let mut changes = inner.state.changes();
    let mine = inner.state.write(|state| {
        if state.webhook.is_some() {
            return Err(conflict(
                "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            ));
        }
        if let Some(allowed) = allowed {
            state.allowed = allowed;
        }
        if offset > 0 {
            state.updates.retain(|update| update.id >= offset || update.again);
        } else if offset < 0 {
            let keep = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            let surplus = state.updates.len().saturating_sub(keep);
            state.updates.drain(..surplus);
        }
        state.poll += 1;
        Ok(state.poll)
    })?;
    let deadline = Instant::now() + Duration::from_secs(timeout);
    loop {
        let ready = inner.state.read(|state| match state.poll {
            poll if poll == mine => Ok(state.updates.iter().take(limit).map(|update| update.body.clone()).collect()),
            _ if state.webhook.is_some() => Err(conflict("terminated by setWebhook request")),
            _ => {
                Err(conflict("terminated by other getUpdates request; make sure that only one bot instance is running"))
            }
        });
        let ready: Vec<Value> = ready?;
        if !ready.is_empty() {
            inner.state.write(|state| state.updates.iter_mut().take(limit).for_each(|update| update.again = false));
            return Ok(Value::Array(ready));
        }
        match tokio::time::timeout_at(deadline, changes.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Ok(json!([])),
        }
    }
}

/// `setWebhook`.
pub(super) fn set_webhook(inner: &Arc<Inner>, params: &Params) -> Result<Value, Refusal> {
    let Some(url) = params.text("url") else { return delete_webhook(inner, params) };
    let secret = params.text("secret_token");
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if secret.as_ref().is_some_and(|secret| secret.len() > 256 || !secret.chars().all(sound)) {
        return Err(Refusal::mistake(400, "Bad Request: secret token contains unallowed characters"));
    }
    let allowed = read_allowed(params)?;
    let bad = |what: &str| Refusal::mistake(400, format!("Bad Request: bad webhook: {what}"));
    let parsed = url::Url::parse(&url).map_err(|_| bad("invalid URL"))?;
    let near = is_loopback(&parsed);
    // Telegram takes https only; a daemon on loopback is let through, because the emulator has to reach it.
    if parsed.scheme() != "https" && !near {
        return Err(bad("An HTTPS URL must be provided for webhook"));
    }
    if !near && ![80, 88, 443, 8443].contains(&parsed.port_or_known_default().unwrap_or(0)) {
        return Err(bad("Webhook can be set up only on ports 80, 88, 443 or 8443"));
    }
    let mine = inner.state.write(|state| {
        if loopback(state, &url).is_none() {
            return Err(Refusal::new(
                400,
                "Bad Request: bad webhook: Failed to resolve host: Name or service not known",
            ));
        }
        if let Some(allowed) = allowed {
            state.allowed = allowed;
        }
        if params.flag("drop_pending_updates") {
            state.updates.clear();
        }
        state.poll += 1;
        state.webhook = Some(Webhook { url, secret, last_error: None });
        Ok(state.poll)
    })?;
    tokio::spawn(deliver(Arc::downgrade(inner), mine));
    Ok(json!(true))
}

/// `deleteWebhook`.
pub(super) fn delete_webhook(inner: &Inner, params: &Params) -> Result<Value, Refusal> {
    inner.state.write(|state| {
        if params.flag("drop_pending_updates") {
            state.updates.clear();
        }
        if state.webhook.take().is_some() {
            state.poll += 1;
        }
    });
    Ok(json!(true))
}

/// `getWebhookInfo`.
pub(super) fn webhook_info(state: &State) -> Value {
    let url = state.webhook.as_ref().map_or("", |hook| hook.url.as_str());
    let mut info = json!({
        "url": url, "has_custom_certificate": false, "pending_update_count": state.updates.len(),
    });
    if let Some((at, text)) = state.webhook.as_ref().and_then(|hook| hook.last_error.as_ref()) {
        info["last_error_date"] = json!(at.div_euclid(1000));
        info["last_error_message"] = json!(text);
    }
    if let Some(kinds) = &state.allowed {
        info["allowed_updates"] = json!(kinds);
    }
    info
}

fn is_loopback(url: &url::Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// Where on loopback `address` is served; `None` when it is not.
pub(super) fn loopback(state: &State, address: &str) -> Option<String> {
    for (public, local) in &state.routes {
        if let Some(rest) = address.strip_prefix(public.as_str()) {
            return Some(format!("{local}{rest}"));
        }
    }
    url::Url::parse(address).ok().filter(is_loopback).map(|url| url.to_string())
}

/// A client that speaks to loopback only through addresses that [`loopback`] gave.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    // An error only says that a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(10))
        .build()
}

/// Pushes updates one after another until the webhook changes; a failed delivery is tried again.
async fn deliver(inner: Weak<Inner>, mine: u64) {
    let Ok(client) = client() else { return };
    let mut pause = Duration::from_millis(20);
    loop {
        let Some(strong) = inner.upgrade() else { return };
        let mut changes = strong.state.changes();
        let next = strong.state.read(|state| {
            let hook = state.webhook.clone().filter(|_| state.poll == mine)?;
            let target = loopback(state, &hook.url)?;
            Some((hook, target, state.updates.front().map(|update| (update.id, update.again, update.body.clone()))))
        });
        let Some((hook, target, next)) = next else { return };
        let Some((id, again, body)) = next else {
            drop(strong);
            if changes.changed().await.is_err() {
                return;
            }
            continue;
        };
        let mut request = client.post(target).json(&body);
        if let Some(secret) = hook.secret {
            request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
        }
        let failure = match request.send().await {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("Wrong response from the webhook: {}", response.status())),
            Err(_) => Some("Connection failed".to_owned()),
        };
        let now = strong.now();
        match failure {
            None => {
                strong.state.write(|state| {
                    let delivered = state.updates.iter().position(|update| update.id == id && update.again == again);
                    delivered.map(|index| state.updates.remove(index));
                });
                pause = Duration::from_millis(20);
            }
            Some(text) => {
                strong.state.write(|state| {
                    if let Some(hook) = state.webhook.as_mut().filter(|_| state.poll == mine) {
                        hook.last_error = Some((now, text));
                    }
                });
                drop(strong);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
