//! Connecting a Discord server and looking at it. The consent adds the bot; what it gives beside that, a token of the
//! person, is used for nothing and given back at once. The server is the one in the token answer: the one in the
//! callback's query can be typed by anybody.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

use super::fault::{self, On};
use super::permissions::{SEND_MESSAGES, VIEW_CHANNEL};
use super::wire::{self, Bot, Guild};
use crate::domain::Secret;
use crate::domain::fault::{Fault, Operation};
use crate::platforms::oauth::{ClientAuth, Dialect, Endpoints, OAuth};
use crate::platforms::words::counted;
use crate::platforms::{Answer, Begun, Consent, Context, Found, Place, Seen, Want};

/// View channels, send messages, embed links, attach files, read message history, mention everyone.
pub(super) const PERMISSIONS: &str = "248832";
/// Commas in the setting, blanks on the wire.
const SCOPES: &str = "bot,identify,guilds";
/// What it takes to post.
const POST: u64 = VIEW_CHANNEL | SEND_MESSAGES;

static DIALECT: Dialect = Dialect {
    name: "Discord",
    scope_separator: " ",
    client_auth: ClientAuth::Basic,
    client_param: "client_id",
    pkce: false,
    cancelled: &[],
    forgotten: &[],
};

fn oauth() -> Result<OAuth, Fault> {
    let url = |path: &str| {
        Url::parse(&format!("https://discord.com/{path}")).map_err(|_| Fault::transient("an address could not be made"))
    };
    let endpoints = Endpoints {
        authorize: url("oauth2/authorize")?,
        token: url("api/oauth2/token")?,
        revoke: Some(url("api/oauth2/token/revoke")?),
    };
    Ok(OAuth { dialect: DIALECT, endpoints, verdict: fault::token })
}

/// The invite: a consent page that adds the bot to a server. A reconnect is pinned to its server.
pub(super) fn begin(cx: &Context<'_>, want: &Want<'_>) -> Result<Begun, Fault> {
    // Fail here, not after the person went through the dialog.
    Bot::of(cx)?;
    let setting = |name: &str| cx.app.settings.get(name).map(String::as_str).filter(|value| !value.trim().is_empty());
    let scopes: Vec<&str> =
        setting("DISCORD_SCOPES").unwrap_or(SCOPES).split([',', ' ']).filter(|scope| !scope.is_empty()).collect();
    let mut params =
        vec![("permissions", setting("DISCORD_PERMISSIONS").unwrap_or(PERMISSIONS).trim()), ("prompt", "consent")];
    // Only counts beside this scope; a user install would put no bot in a server.
    if scopes.contains(&"applications.commands") {
        params.push(("integration_type", "0"));
    }
    if let Some(account) = want.reconnect {
        params.push(("guild_id", &account.remote_id));
        params.push(("disable_guild_select", "true"));
    }
    oauth()?.begin(cx, want.state, &scopes, &params)
}

/// The server that the consent named, or the one the bot stands in already.
pub(super) async fn complete(cx: &Context<'_>, keep: &Secret, answer: Answer) -> Result<Consent, Fault> {
    let guild = match answer {
        Answer::Callback(query) => consented(cx, &query, keep).await?,
        Answer::Place(guild) => guild,
        Answer::Form(_) => {
            return Err(Fault::rejected("Discord is connected by an invite link", "Ask for a new link and try again."));
        }
    };
    let guild = read(cx, Operation::Connect, &guild).await?;
    let places = places(cx, Operation::Connect, &guild.id).await?;
    let mut detail = "server".to_owned();
    if let Some(count) = guild.approximate_member_count {
        detail = format!("{detail}, {}", counted(count, "member"));
    }
    if places.is_empty() {
        detail = format!("{detail}; I may post in none of its channels yet");
    }
    let found = Found {
        url: Some(page(&guild.id)),
        meta: meta(&guild, places.len()),
        handle: None,
        detail: Some(detail),
        blocked: None,
        name: guild.name,
        remote_id: guild.id,
    };
    Ok(Consent { grant: None, found: vec![found], missing: Vec::new() })
}

async fn consented(cx: &Context<'_>, query: &BTreeMap<String, String>, keep: &Secret) -> Result<String, Fault> {
    let oauth = oauth()?;
    let http = wire::client(cx);
    let cx = &Context { http: &http, ..*cx };
    let granted = oauth.complete(cx, query, keep).await?;
    let guild = granted.extra.get("guild").and_then(|guild| guild["id"].as_str()).map(str::to_owned);
    // Only the bot's token is used from here on, so the person's goes back. It would end by itself in a week.
    if let Err(fault) = oauth.revoke(cx, &granted.tokens).await {
        tracing::debug!(%fault, "the person's Discord token was not given back");
    }
    guild.ok_or_else(|| {
        Fault::rejected(
            "Discord did not say which server the bot was added to",
            "In Discord's dialog choose \"Add to server\" and a server where you have Manage Server.",
        )
    })
}

/// The server as it is now.
pub(super) async fn verify(cx: &Context<'_>, guild: &str) -> Result<Seen, Fault> {
    let guild = read(cx, Operation::Verify, guild).await?;
    let places = places(cx, Operation::Verify, &guild.id).await?;
    Ok(Seen { url: Some(page(&guild.id)), meta: meta(&guild, places.len()), handle: None, name: guild.name })
}

/// The channels where the bot may post, in Discord's order.
pub(super) async fn places(cx: &Context<'_>, operation: Operation, guild: &str) -> Result<Vec<Place>, Fault> {
    let mut channels = Bot::of(cx)?.channels(operation, guild).await?;
    channels.retain(|(_, permissions)| permissions & POST == POST);
    channels.sort_by(|(a, _), (b, _)| (a.position, &a.id).cmp(&(b.position, &b.id)));
    let place = |channel: wire::Channel| Place {
        name: format!("#{}", channel.name.as_deref().unwrap_or(&channel.id)),
        id: channel.id,
    };
    Ok(channels.into_iter().map(|(channel, _)| place(channel)).collect())
}

async fn read(cx: &Context<'_>, operation: Operation, guild: &str) -> Result<Guild, Fault> {
    Bot::of(cx)?.get(operation, On::Guild, &["guilds", guild], &[("with_counts", "true")]).await
}

fn page(guild: &str) -> String {
    format!("https://discord.com/channels/{guild}")
}

/// `places`: in how many channels the bot may post; with 0 the account is well and can post nothing.
fn meta(guild: &Guild, places: usize) -> Value {
    let icon = guild.icon.as_ref().map(|icon| format!("https://cdn.discordapp.com/icons/{}/{icon}.png", guild.id));
    let note = (places == 0).then_some(
        "The bot may post in none of the server's channels. Give its role \"View Channel\" and \"Send Messages\" in one.",
    );
    json!({ "premium_tier": guild.premium_tier, "places": places, "note": note, "icon": icon })
}
