//! How long `/accounts` takes with 100 accounts: from the moment a person sends it in Telegram until the answer stands in
//! the chat, over real HTTP on loopback, at a pace that Telegram allows.

use std::time::{Duration, Instant};

use serde_json::json;
use trypost::app::{App, Parts};
use trypost::config::Config;
use trypost::store::NewAccount;

use crate::bots::Bots;
use crate::table::Line;

/// How many accounts there are.
const ACCOUNTS: usize = 100;
/// How often it is asked.
const ASKS: usize = 50;
/// Telegram lets a bot write once a second into a chat, and so does the daemon; a wait for that is no answer time.
const PACE: Duration = Duration::from_millis(1_050);
/// The aim for an answer (ms).
const AIM: f64 = 100.0;

/// Measures it.
///
/// # Errors
/// When the daemon does not start.
///
/// # Panics
/// When the bot does not answer within the emulator's patience.
pub async fn measure() -> Result<Vec<Line>, String> {
    let bots = Bots::start().await?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let settings = bots.settings(folder.path(), "127.0.0.1:0");
    let config =
        Config::load(&|name| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let app = App::start(&config, Parts::default()).await.map_err(|error| error.to_string())?;
    let code = app.owner_code.clone().ok_or("Somebody owns this new daemon already.")?;
    let chat = bots.alice.id();
    let started = bots.alice.opens(&code);
    bots.telegram.wait_message(chat, |message| message.id > started).await;
    fill(&app, &chat.to_string()).await.map_err(|error| error.to_string())?;

    let mut times = Vec::new();
    let mut size = 0;
    for _ in 0..ASKS {
        tokio::time::sleep(PACE).await;
        let began = Instant::now();
        let asked = bots.alice.says(chat, "/accounts");
        let answer = bots.telegram.wait_message(chat, |message| message.id > asked).await;
        times.push(began.elapsed());
        size = answer.text.len();
        // A long answer is several messages; each counts.
        let answers = bots.telegram.messages(chat).iter().filter(|message| message.id > asked).count();
        tokio::time::sleep(PACE * u32::try_from(answers.saturating_sub(1)).unwrap_or(0)).await;
    }
    app.lifecycle.stop();
    app.ended().await;
    bots.gateway.stop();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    let line = |what: &str, value, aim, unit| Line { what: what.to_owned(), value, aim, unit };
    Ok(vec![
        line("/accounts with 100 accounts, p50 of 50", at(50), Some(AIM), "ms"),
        line("/accounts with 100 accounts, p95 of 50", at(95), Some(AIM), "ms"),
        line("the answer's text", f64::from(u32::try_from(size).unwrap_or(u32::MAX)), None, "bytes"),
    ])
}

/// Gives the person's workspace its accounts.
async fn fill(app: &App, user: &str) -> Result<(), Box<dyn std::error::Error>> {
    let store = &app.flows.store;
    let owner = store.identity("telegram", user).await?.ok_or("The owner's code was not taken.")?;
    let (workspace, _) =
        store.workspaces_of(&owner.person).await?.into_iter().next().ok_or("The owner has no workspace.")?;
    for number in 0..ACCOUNTS {
        let new = NewAccount {
            workspace: workspace.id.clone(),
            platform: "mastodon".to_owned(),
            remote_id: format!("mastodon.example/{number}"),
            name: format!("Account {number}"),
            handle: Some(format!("account{number}@mastodon.example")),
            url: Some(format!("https://mastodon.example/@account{number}")),
            meta: json!({ "instance": "mastodon.example" }),
            grant: None,
        };
        store.connect_account(&new).await?;
    }
    Ok(())
}
