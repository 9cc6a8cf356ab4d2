//! Alice at her browser: opens the page behind a link, agrees on consent pages, fills in the private form. She reads pages
//! as a person does and knows no daemon.

use std::sync::Arc;

use bots::Opener;
use emulators::browser::{Browser, BrowserError, Page};
use url::Url;

use crate::scene::{HANDLE, Scene};

/// No page leads through more pages than this.
const PAGES: usize = 8;
/// How much of a page she tells.
const TOLD: usize = 400;

/// What `open N` does: Alice goes there.
///
/// # Errors
/// When the gateway's address is no URL.
pub fn opener(scene: Arc<Scene>) -> Result<Opener, String> {
    let browser = Arc::new(Browser::new(&scene.gateway.url()).map_err(|error| error.to_string())?);
    Ok(Arc::new(move |url| {
        let (scene, browser) = (scene.clone(), browser.clone());
        Box::pin(async move {
            match visit(&scene, &browser, &url).await {
                Ok(sentence) => sentence,
                Err(error) => format!("Alice could not open the page: {error}"),
            }
        })
    }))
}

fn host(page: &Page) -> String {
    Url::parse(&page.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

async fn visit(scene: &Scene, browser: &Browser, url: &str) -> Result<String, BrowserError> {
    // Discord's own app is no web page of the emulator.
    if let Some(sentence) = in_discord(scene, url) {
        return Ok(sentence);
    }
    let mut page = browser.open(url).await?;
    let mut did = Vec::new();
    for _ in 0..PAGES {
        let Some(form) = page.form() else { break };
        if form.buttons.iter().any(|button| button.name == "decision") {
            did.push(format!("agreed at {}", host(&page)));
            page = browser.submit(&page, "approve", &[]).await?;
        } else if form.field("password").is_some() && did.is_empty() {
            did.push("filled in the form".to_owned());
            let password = scene.app_password();
            page = browser.submit(&page, "Continue", &[("handle", HANDLE), ("password", &password)]).await?;
        } else {
            break;
        }
    }
    let did = if did.is_empty() { "opened the page".to_owned() } else { did.join(" and ") };
    let text: String = page.text().chars().take(TOLD).collect();
    Ok(format!("Alice {did}. It says: {text}"))
}

/// A link into a Discord server: what stands in its channel.
fn in_discord(scene: &Scene, url: &str) -> Option<String> {
    let path = url.split_once("discord.com/channels/")?.1;
    if !path.starts_with(&scene.guild.to_string()) {
        return None;
    }
    let messages = scene.discord.messages(scene.general);
    let said: Vec<&str> = messages.iter().map(|message| message.body.content.as_str()).collect();
    Some(format!("Alice opened Discord. In #general it says: {}", said.join(" / ")))
}
