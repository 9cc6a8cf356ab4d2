//! The pages behind `t.me` links, which on a phone are the Telegram app's own dialogs: adding the bot as an admin, starting
//! it, and a public channel's page. They follow the emulators' convention for consent pages, so that a person or an emulated
//! one can go through them. Knows the emulator's acts, nothing of the daemon.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use emulators::Gateway;
use emulators::telegram::{Telegram, User};
use maud::{DOCTYPE, Markup, html};

use crate::scene::BOT;

/// The host of Telegram's links.
const HOST: &str = "t.me";
/// What a channel's name on its page leads to.
const CHANNEL: &str = "acme_news";

struct Web {
    telegram: Telegram,
    alice: User,
    chats: Vec<(String, i64)>,
}

/// Mounts the pages. `chats` are Alice's: the first is the channel, the others are groups.
pub fn mount(gateway: &Arc<Gateway>, telegram: &Telegram, alice: &User, chats: &[(&str, i64)]) {
    let chats = chats.iter().map(|(title, id)| ((*title).to_owned(), *id)).collect();
    let web = Arc::new(Web { telegram: telegram.clone(), alice: alice.clone(), chats });
    let router = Router::new()
        .route("/{name}", get(page).post(decide))
        .route(
            "/{name}/{message}",
            get(|state, Path((name, _)): Path<(String, String)>| page(state, Path(name), Query(HashMap::new()))),
        )
        .with_state(web);
    gateway.mount(HOST, router);
}

fn layout(title: &str, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (title) } }
            body { h1 { (title) } (content) }
        }
    }
}

/// What a link into the bot asks for.
enum Asked {
    /// To be an admin, with these rights; in channels or in groups.
    Admin { rights: Vec<String>, channel: bool },
    /// To be started with this word.
    Start(String),
    /// Nothing.
    Nothing,
}

fn asked(query: &HashMap<String, String>) -> Asked {
    let channel = query.contains_key("startchannel");
    if channel || query.contains_key("startgroup") {
        let rights = query.get("admin").map(String::as_str).unwrap_or_default();
        // core.telegram.org/api/links names the rights without `can_`, the Bot API with it, in the plural.
        let rights =
            rights.split([' ', '+']).filter(|right| !right.is_empty()).map(|right| format!("can_{right}")).collect();
        return Asked::Admin { rights, channel };
    }
    query.get("start").map_or(Asked::Nothing, |word| Asked::Start(word.clone()))
}

async fn page(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if name == CHANNEL {
        let messages = web.chats.first().map(|(_, id)| web.telegram.messages(*id)).unwrap_or_default();
        let content = html! {
            @for message in messages.iter().rev() {
                article {
                    p { (message.text) }
                    @if let Some(media) = &message.media { p { "(" (media.kind.as_str()) ", " (media.bytes.len()) " bytes)" } }
                }
            }
        };
        return layout("Acme News", content).into_response();
    }
    if name != BOT {
        return (axum::http::StatusCode::NOT_FOUND, layout("Telegram", html! { p { "Nobody has this name." } }))
            .into_response();
    }
    let content = match asked(&query) {
        Asked::Nothing => html! { p { "A bot." } },
        Asked::Start(_) => html! {
            form method="post" { button name="decision" value="approve" { "Start" } }
        },
        Asked::Admin { rights, channel } => html! {
            p { "Add the bot as an admin. It asks for:" }
            ul { @for right in &rights { li { (right) } } }
            form method="post" {
                select name="chat" {
                    @for (at, (title, id)) in web.chats.iter().enumerate() {
                        @if (at == 0) == channel { option value=(id) { (title) } }
                    }
                }
                button name="decision" value="approve" { "Add as admin" }
                button name="decision" value="deny" { "Cancel" }
            }
        },
    };
    layout("Acme social", content).into_response()
}

async fn decide(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    Form(form): Form<HashMap<String, String>>,
) -> Markup {
    if name != BOT || form.get("decision").is_none_or(|decision| decision != "approve") {
        return layout("Telegram", html! { p { "Nothing was done." } });
    }
    match asked(&query) {
        Asked::Admin { rights, .. } => {
            let chosen = form.get("chat").and_then(|chat| chat.parse::<i64>().ok());
            let Some((title, id)) = web.chats.iter().find(|(_, id)| Some(*id) == chosen) else {
                return layout("Telegram", html! { p { "Choose a chat first." } });
            };
            let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
            web.telegram.promote_bot(*id, &web.alice, &rights);
            layout("Telegram", html! { p { "The bot is an admin of " (title) " now." } })
        }
        Asked::Start(word) => {
            web.alice.opens(&word);
            layout("Telegram", html! { p { "The bot was started." } })
        }
        Asked::Nothing => layout("Telegram", html! { p { "Nothing was done." } }),
    }
}
