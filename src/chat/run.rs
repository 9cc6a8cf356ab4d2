//! Running it: alerts, the zone, health, and the buttons of incidents, whose cards are in `incidents.rs`. The words are
//! in `texts`.

use std::collections::BTreeMap;
use std::time::Duration;

use bots::{Button, Message};
use serde::{Deserialize, Serialize};

use super::texts::run::{self as texts, Health, Up};
use super::{Action, Canvas, Chat, Talk, accounts};
use crate::domain::account::AccountStatus;
use crate::domain::id::{IncidentId, TargetId};
use crate::domain::post::PostStatus;
use crate::flows::incidents::Kind;
use crate::flows::publish::Resolution;
use crate::flows::{Actor, Refusal};
use crate::store::Incident;

mod incidents;

pub use incidents::draw;

/// How long [Mute 1 d] lasts.
const MUTE: Duration = Duration::from_secs(24 * 3600);
/// Zones offered for a mistyped one.
const ZONES: usize = 4;
/// How long a surface may take to answer `/health`.
const ANSWER: Duration = Duration::from_secs(3);
/// Open incidents that `/health` tells one by one.
const TOLD: usize = 10;

/// Buttons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    /// Ask the platform again about what was lost.
    CheckAgain {
        /// The incident.
        incident: IncidentId,
    },
    /// Say no more about an incident for a day, or speak again.
    Mute {
        /// The incident.
        incident: IncidentId,
        /// Whether to be silent.
        on: bool,
    },
    /// Say what became of an unconfirmed post.
    Resolve {
        /// Its target.
        target: TargetId,
        /// What the person saw.
        word: Resolution,
    },
    /// Alerts in this chat.
    Here {
        /// On or off.
        on: bool,
    },
    /// A kind of alert.
    Want {
        /// Which.
        kind: String,
        /// On or off.
        on: bool,
    },
    /// Set the zone.
    Zone {
        /// IANA name.
        zone: String,
    },
    /// Look again.
    Health,
}

impl From<Press> for Action {
    fn from(press: Press) -> Self {
        Self::Run(press)
    }
}

/// `/alerts`, `/timezone`, `/health`.
pub async fn command(talk: &Talk<'_>, name: &str, arguments: &[String]) -> Result<(), Refusal> {
    let actor = talk.actor()?;
    let typed = arguments.join(" ");
    let message = match name {
        "alerts" => alerts(talk, &actor, typed.trim()).await?,
        "timezone" => timezone(talk, &actor, typed.trim()).await?,
        _ => health(talk, &actor).await?,
    };
    talk.say(message).await?;
    Ok(())
}

/// A button was pressed.
pub async fn press(talk: &Talk<'_>, press: Press) -> Result<(), Refusal> {
    let actor = talk.actor()?;
    let flows = &talk.chat.flows;
    let message = match press {
        Press::CheckAgain { incident } => return incidents::check_again(talk, &actor, &incident).await,
        Press::Mute { incident, on } => {
            let now = flows.clock.now();
            flows.mute_incident(&actor, &incident, if on { now + MUTE } else { now }).await?;
            talk.toast(if on { "I say nothing more about this for a day." } else { "I speak of this again." }).await;
            return Ok(());
        }
        Press::Resolve { target, word } => return incidents::resolve(talk, &actor, &target, word).await,
        Press::Here { on } => {
            let news = set_here(talk, &actor, on).await?;
            alerts_card(talk, &actor, Some(news)).await?
        }
        Press::Want { kind, on } => {
            let kind = Kind::parse(&kind).ok_or(Refusal::TooLate)?;
            flows.set_wants(&actor, kind, on).await?;
            alerts_card(talk, &actor, None).await?
        }
        Press::Zone { zone } => timezone(talk, &actor, &zone).await?,
        Press::Health => health(talk, &actor).await?,
    };
    talk.instead(message).await?;
    Ok(())
}

async fn button(
    chat: &Chat,
    canvas: &Canvas,
    label: impl Into<String>,
    press: impl Into<Action>,
) -> Result<Button, Refusal> {
    Ok(chat.button(canvas, label, press.into()).await?)
}

async fn alerts(talk: &Talk<'_>, actor: &Actor, typed: &str) -> Result<Message, Refusal> {
    let flows = &talk.chat.flows;
    let word = typed.to_lowercase();
    let news = match word.as_str() {
        "" => None,
        "here" | "on" => Some(set_here(talk, actor, true).await?),
        "off" => Some(set_here(talk, actor, false).await?),
        word => {
            let kind = Kind::parse(word).filter(|kind| Kind::OF_WORKSPACES.contains(kind));
            let Some(kind) = kind else { return Err(Refusal::BadInput(texts::unknown_alert(typed))) };
            let wants = flows.wants(&actor.workspace, kind).await?;
            flows.set_wants(actor, kind, !wants).await?;
            None
        }
    };
    alerts_card(talk, actor, news).await
}

/// Turns alerts in this chat on or off; gives what to say of it.
async fn set_here(talk: &Talk<'_>, actor: &Actor, on: bool) -> Result<&'static str, Refusal> {
    talk.chat.flows.set_alerts(actor, on).await?;
    Ok(if on { "Alerts come here from now on." } else { "No alerts come here any more." })
}

async fn alerts_card(talk: &Talk<'_>, actor: &Actor, news: Option<&str>) -> Result<Message, Refusal> {
    let flows = &talk.chat.flows;
    let canvas = talk.canvas()?;
    let chats = flows.store.alert_chats(&actor.workspace).await?;
    let here = chats.iter().any(|chat| chat.place == talk.place);
    let elsewhere: Vec<String> = chats.iter().filter(|chat| chat.place != talk.place).map(texts::chat).collect();
    let mut wanted = Vec::new();
    let mut buttons = Vec::new();
    for kind in Kind::OF_WORKSPACES {
        let on = flows.wants(&actor.workspace, kind).await?;
        let label = format!("{} {}", if on { "✓" } else { "☐" }, texts::kind(kind));
        let press = Press::Want { kind: kind.as_str().to_owned(), on: !on };
        buttons.push(button(talk.chat, &canvas, label, press).await?);
        wanted.push((kind, on));
    }
    let label = if here { "Not here" } else { "Alerts here" };
    let toggle = button(talk.chat, &canvas, label, Press::Here { on: !here }).await?;
    let text = texts::alerts(&canvas.workspace.name, news, here, &elsewhere, &wanted);
    let mut message = Message::text(text).row([toggle]);
    for button in buttons {
        message = message.row([button]);
    }
    Ok(message)
}

async fn timezone(talk: &Talk<'_>, actor: &Actor, typed: &str) -> Result<Message, Refusal> {
    let flows = &talk.chat.flows;
    let canvas = talk.canvas()?;
    let workspace = &canvas.workspace;
    if typed.is_empty() {
        return Ok(Message::text(texts::zone(&workspace.name, &workspace.timezone, flows.clock.now(), false)));
    }
    match flows.set_timezone(actor, typed).await {
        Ok(zone) => Ok(Message::text(texts::zone(&workspace.name, &zone, flows.clock.now(), true))),
        Err(Refusal::BadInput(_)) => {
            let known: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
            let like = texts::zones_like(typed, known.iter().map(String::as_str), ZONES);
            let mut message = Message::text(texts::unknown_zone(typed, !like.is_empty()));
            for zone in like {
                message = message.row([button(talk.chat, &canvas, zone.clone(), Press::Zone { zone }).await?]);
            }
            Ok(message)
        }
        Err(refusal) => Err(refusal),
    }
}

/// Which surfaces answer now. One that does is no longer down, whatever was open about it.
async fn surfaces(chat: &Chat) -> Result<Vec<Up>, Refusal> {
    let asked = chat.surfaces.iter().map(|(kind, surface)| async move {
        let trouble = match tokio::time::timeout(ANSWER, surface.identity()).await {
            Ok(Ok(_)) => None,
            Ok(Err(failure)) => Some(failure.to_string()),
            Err(_) => Some(format!("no answer within {} s", ANSWER.as_secs())),
        };
        (kind.as_str(), trouble)
    });
    let mut up = Vec::new();
    for (word, trouble) in futures::future::join_all(asked).await {
        if trouble.is_none() {
            chat.flows.surface_up(word).await?;
        }
        up.push(Up { surface: super::texts::team::surface(word), trouble });
    }
    Ok(up)
}

async fn health(talk: &Talk<'_>, actor: &Actor) -> Result<Message, Refusal> {
    let (chat, flows, store) = (talk.chat, &talk.chat.flows, &talk.chat.flows.store);
    let canvas = talk.canvas()?;
    let seen = accounts::all(chat, actor).await?;
    let mut platforms: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
    for one in &seen {
        let counts = platforms.entry(one.platform).or_default();
        match one.account.status {
            AccountStatus::Connected => counts.0 += 1,
            AccountStatus::Disconnected | AccountStatus::TokenExpired => counts.1 += 1,
        }
    }
    let surfaces = surfaces(chat).await?;
    let name = |id: &str| flows.offered(id).map_or("another platform", |offered| offered.platform.descriptor().name);
    let pauses = store.pauses().await?;
    let is_operator = flows.is_operator(&actor.person).await?;
    let last = store.posts(&actor.workspace, &[PostStatus::Published, PostStatus::PartiallyPublished], 1).await?;
    let now = flows.clock.now();
    let facts = Health {
        version: env!("CARGO_PKG_VERSION"),
        up: Duration::try_from(now.duration_since(flows.started_at)).unwrap_or_default(),
        engine: store.engine(),
        surfaces,
        workspace: &canvas.workspace.name,
        accounts: (seen.len(), seen.iter().filter(|seen| seen.is_well()).count()),
        platforms: platforms.into_iter().map(|(platform, (up, down))| (platform, up, down)).collect(),
        queue: store.queue_length().await?,
        outbox: store.outbox_length().await?,
        last_post: last.first().and_then(|post| post.published_at),
        paused: pauses.into_iter().map(|pause| (name(&pause.platform), pause.since, pause.what)).collect(),
        open: lines(chat, store.open_incidents(&actor.workspace).await?).await?,
        operator: if is_operator { Some(lines(chat, store.operator_incidents().await?).await?) } else { None },
        zone: &canvas.workspace.timezone,
        now,
    };
    let mut message = Message::text(texts::health(&facts));
    let mut row = vec![button(chat, &canvas, "Look again", Press::Health).await?];
    if !seen.is_empty() {
        row.push(button(chat, &canvas, "Check all accounts", accounts::Press::CheckAll).await?);
    }
    message = message.row(row);
    Ok(message)
}

/// Open incidents in a line each, as their cards begin.
async fn lines(chat: &Chat, open: Vec<Incident>) -> Result<Vec<String>, Refusal> {
    let more = open.len().saturating_sub(TOLD);
    let mut lines = Vec::new();
    for incident in open.into_iter().take(TOLD) {
        if let Some(card) = incidents::card(chat, &incident).await? {
            lines.push(card.text.plain.lines().next().unwrap_or_default().to_owned());
        }
    }
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Ok(lines)
}
