//! The scripted tour: an operator who types the same lines each time, through the same console code as a terminal, and a
//! check after each that what should appear did. It prints the transcript as it goes and stops at the first thing that
//! does not come. It knows buttons by their words, as a person does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bots::{Console, ConsoleConfig};
use emulators::fixtures;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use trypost::app::Parts;

use crate::clock::{TourClock, TourEntropy};
use crate::elsewhere::Elsewhere;
use crate::person;
use crate::scene::{ALICE, HANDLE, INSTANCE, Scene};

/// How long anything may take to appear.
const PATIENCE: Duration = Duration::from_secs(15);
/// Where an answer begins on the line.
const MARGIN: &str = "      ";

/// Runs the tour in this folder.
///
/// # Errors
/// What was expected and did not come.
pub async fn run(folder: &Path) -> Result<(), String> {
    let clock = Arc::new(TourClock::start());
    let parts = Parts { clock, entropy: Arc::new(TourEntropy::default()), ..Parts::default() };
    let scene = Arc::new(Scene::start(&parts.clock).await?);
    let opener = person::opener(scene.clone())?;
    let (input, lines) = mpsc::channel(8);
    let (blocks, output) = mpsc::channel(64);
    let config = ConsoleConfig { prompt: String::new(), history_file: None, home: Some(folder.to_owned()), opener };
    let left = CancellationToken::new();
    let console = Elsewhere::new(Console::scripted(config, lines, blocks), scene.clone(), left.clone());
    let app = crate::start(&scene, folder, console, parts).await?;
    let pictures = [("stall.jpg", fixtures::jpeg(1200, 800)), ("basket.png", fixtures::png(640, 640))];
    for (name, bytes) in pictures {
        std::fs::write(folder.join(name), bytes).map_err(|error| format!("{name} can't be written: {error}"))?;
    }

    let mut tour = Tour { input, output, cards: Vec::new() };
    script(&mut tour, &scene).await?;
    let violations = scene.gateway.take_violations();
    if !violations.is_empty() {
        return Err(format!("The vendors were asked what no correct client asks:\n{}", violations.join("\n")));
    }
    drop(tour);
    left.cancelled().await;
    app.lifecycle.stop();
    app.ended().await;
    scene.gateway.stop();
    println!("\nThe tour is over, and everything came as expected.");
    Ok(())
}

async fn script(tour: &mut Tour, scene: &Scene) -> Result<(), String> {
    tour.sees(&["/help"]).await?;

    tour.chapter("Connect four accounts");
    tour.types(&format!("/connect mastodon {INSTANCE}")).await?;
    tour.sees(&["Connect Mastodon"]).await?;
    tour.opens("Connect Mastodon").await?;
    tour.sees_all(&[&["Alice agreed at", INSTANCE], &["Connect Alice"]]).await?;
    tour.presses("Connect").await?;
    tour.sees(&["● Alice", "is connected"]).await?;

    tour.types("/connect bluesky").await?;
    tour.sees(&["Open the form"]).await?;
    tour.opens("Open the form").await?;
    tour.sees_all(&[&["Alice filled in the form"], &["Bluesky to", "?"]]).await?;
    tour.presses("Connect").await?;
    tour.sees(&["●", "(Bluesky) is connected"]).await?;

    tour.types("/connect telegram").await?;
    tour.sees(&["Add me to a channel"]).await?;
    tour.opens("Add me to a channel").await?;
    tour.sees_all(&[&["Alice agreed at t.me"], &["Connect Acme News"]]).await?;
    tour.presses("Connect").await?;
    tour.sees(&["● Acme News", "is connected"]).await?;

    tour.types("/connect discord").await?;
    tour.sees(&["Connect Discord"]).await?;
    tour.opens("Connect Discord").await?;
    tour.sees_all(&[&["Alice agreed at discord.com"], &["Connect Acme (", "on Discord"]]).await?;
    tour.presses("Connect").await?;
    tour.sees(&["● Acme (Discord)", "is connected"]).await?;

    tour.types("/accounts").await?;
    tour.sees(&["4 accounts", "Alice", HANDLE, "Acme News", "Acme"]).await?;

    tour.chapter("One post with two pictures to all four");
    tour.types("@~/stall.jpg @~/basket.png We open at nine on Monday. Come and see us!").await?;
    tour.sees(&["Draft", "2 photos", "no channel is chosen"]).await?;
    tour.presses("Where in Acme?").await?;
    tour.sees(&["#general"]).await?;
    tour.presses("#general").await?;
    tour.sees(&["Post now"]).await?;
    tour.presses("Alt text").await?;
    tour.sees(&["1"]).await?;
    tour.types("A market stall in the morning sun").await?;
    tour.sees(&["2"]).await?;
    tour.types("A basket of apples").await?;
    tour.sees(&["Post now"]).await?;
    tour.presses("Post now").await?;
    tour.sees(&["published on 4 accounts"]).await?;
    tour.published(scene, "We open at nine on Monday.", 2, &["A market stall", "A basket of apples"])?;

    tour.chapter("Access taken away, and its cure");
    tour.types("/sandbox").await?;
    tour.sees(&["Alice takes trypost's access away"]).await?;
    tour.presses("Mastodon: Alice takes").await?;
    tour.sees(&["pressed Revoke"]).await?;
    tour.types("/post Sold out already. Thank you!").await?;
    tour.sees(&["Draft 2", "no channel is chosen"]).await?;
    tour.presses("Where in Acme?").await?;
    tour.sees(&["#general"]).await?;
    tour.presses("#general").await?;
    tour.sees(&["Draft 2", "Post now"]).await?;
    tour.presses("Post now").await?;
    tour.sees_all(&[&["○", "Alice", "Reconnect"], &["published on 3 of 4 accounts", "Retry"]]).await?;
    tour.presses_on_card("Reconnect").await?;
    tour.sees(&["To bring Alice", "Reconnect Mastodon"]).await?;
    tour.opens("Reconnect Mastodon").await?;
    tour.sees_all(&[&["Alice agreed at", INSTANCE], &["Connect Alice"]]).await?;
    tour.presses("Connect").await?;
    tour.sees_all(&[&["● Back since"], &["● Alice", "is connected"]]).await?;
    tour.presses_on_card("Retry").await?;
    tour.sees(&["published on 4 accounts"]).await?;
    tour.published(scene, "Sold out already.", 0, &[])?;
    if scene.mastodon.live_tokens(ALICE) == 0 {
        return Err("No token works at Mastodon after the reconnect.".to_owned());
    }

    tour.types("/health").await?;
    tour.sees(&["4 accounts, all well", "No open problems."]).await
}

/// The terminal of the tour.
struct Tour {
    input: mpsc::Sender<String>,
    output: mpsc::Receiver<String>,
    /// Every block that came, oldest first.
    cards: Vec<String>,
}

impl Tour {
    fn chapter(&self, title: &str) {
        println!("\n# {title}\n");
    }

    /// Types a line.
    async fn types(&self, line: &str) -> Result<(), String> {
        println!("you   {line}");
        self.input.send(line.to_owned()).await.map_err(|_| "The console does not read any more.".to_owned())
    }

    /// Waits for a block with all of these in it.
    async fn sees(&mut self, parts: &[&str]) -> Result<(), String> {
        self.sees_all(&[parts]).await
    }

    /// Waits until each of these was fulfilled by some block, in any order. What a card said on the way and says no more
    /// is left out; what may come in any order is shown in the order of the cards.
    async fn sees_all(&mut self, wanted: &[&[&str]]) -> Result<(), String> {
        let until = tokio::time::Instant::now() + PATIENCE;
        let mut left = wanted.to_vec();
        let mut new: Vec<String> = Vec::new();
        let result = loop {
            let block = match tokio::time::timeout_at(until, self.output.recv()).await {
                Ok(Some(block)) => block,
                Ok(None) => break Err("The console was closed.".to_owned()),
                Err(_) => break Err(format!("Within {} s nothing came with {left:?}.", PATIENCE.as_secs())),
            };
            left.retain(|parts| !parts.iter().all(|part| block.contains(part)));
            if let Some(card) = card(&block) {
                new.retain(|known| self::card(known) != Some(card));
            }
            new.push(block);
            if left.is_empty() {
                break Ok(());
            }
        };
        if wanted.len() > 1 {
            new.sort_by_key(|block| card(block));
        }
        new.iter().for_each(|block| show(block));
        self.cards.append(&mut new);
        result
    }

    /// Presses the button whose words begin so, on the newest card that has one.
    async fn presses(&self, label: &str) -> Result<(), String> {
        let number = self.number(label)?;
        self.types(&number).await
    }

    /// As [`Tour::presses`], naming the card: where others may come in between.
    async fn presses_on_card(&self, label: &str) -> Result<(), String> {
        let (card, number, _) = self.find(label)?;
        self.types(&format!("#{card}.{number}")).await
    }

    /// Opens the link whose words begin so.
    async fn opens(&self, label: &str) -> Result<(), String> {
        let number = self.number(label)?;
        self.types(&format!("open {number}")).await
    }

    /// What to type for a button: its number, with the card's where another card came after it.
    fn number(&self, label: &str) -> Result<String, String> {
        let (card, number, is_newest) = self.find(label)?;
        Ok(if is_newest { number.to_string() } else { format!("#{card}.{number}") })
    }

    /// The newest card with a button whose words begin so, the button's number, and whether no card with buttons came after.
    fn find(&self, label: &str) -> Result<(u64, usize, bool), String> {
        let with_buttons = self.cards.iter().rev().filter(|card| !numbers(card).is_empty());
        for (age, card) in with_buttons.enumerate() {
            let button = numbers(card).into_iter().find(|(_, words)| words.starts_with(label));
            if let Some(((number, _), card)) = button.zip(self::card(card)) {
                return Ok((card, number, age == 0));
            }
        }
        Err(format!("There is no button {label:?}."))
    }

    /// Checks that the post stands at all four places, with so many pictures and these words for them.
    fn published(&self, scene: &Scene, text: &str, pictures: usize, alts: &[&str]) -> Result<(), String> {
        println!("\n      What stands there now:");
        let all = scene.published();
        for place in [INSTANCE, "Bluesky", "Acme News", "Acme #general"] {
            let newest =
                all.iter().rev().find(|(at, _)| at == place).map(|(_, post)| post.as_str()).unwrap_or_default();
            println!("      {place}: {newest}");
            let count = if pictures == 0 { String::new() } else { format!("+ {pictures} pictures") };
            if !newest.contains(text) || !newest.contains(&count) {
                return Err(format!("{place} does not show {text:?} with {pictures} pictures."));
            }
            // Telegram has no words for pictures.
            if place != "Acme News" && !alts.iter().all(|alt| newest.contains(alt)) {
                return Err(format!("{place} lacks the words for the pictures: {alts:?}."));
            }
        }
        println!();
        Ok(())
    }
}

/// The number of the card that a block shows.
fn card(block: &str) -> Option<u64> {
    block.strip_prefix("[#")?.split([']', ',']).next()?.parse().ok()
}

/// The numbered buttons of a block, with their words.
fn numbers(block: &str) -> Vec<(usize, String)> {
    let parts = block.lines().skip(1).flat_map(|line| line.trim().split("   "));
    parts
        .filter_map(|part| {
            let (number, words) = part.strip_prefix('[')?.split_once("] ")?;
            Some((number.parse().ok()?, words.to_owned()))
        })
        .collect()
}

fn show(block: &str) {
    let who = if block.starts_with("Alice ") { "web   " } else { "bot   " };
    for (at, line) in block.lines().enumerate() {
        println!("{}{line}", if at == 0 { who } else { MARGIN });
    }
}
