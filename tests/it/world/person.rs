//! A person in a chat, the same on every surface: types, presses, sends pictures, reads. The emulated networks show what
//! the real ones would; the console is the real one on two channels. It knows no story.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bots::{Console, ConsoleConfig};
use emulators::PATIENCE;
use emulators::discord::{self, Discord};
use emulators::telegram::{self, ButtonKind, Telegram};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use trypost::chat::catalogue;

/// Somebody, somewhere.
pub enum Person {
    Telegram { telegram: Telegram, user: telegram::User },
    Discord { discord: Discord, user: discord::User, channel: u64 },
    Console(Terminal),
}

/// A message as a person sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What it says.
    pub text: String,
    /// The words on its buttons and in its menus.
    pub labels: Vec<String>,
    at: At,
}

#[derive(Clone, Debug)]
enum At {
    Telegram(i64),
    Discord(u64),
    Console(u64),
}

impl Shown {
    fn telegram(message: &telegram::Message) -> Self {
        let labels = message.labels().into_iter().map(str::to_owned).collect();
        Self { text: message.text.clone(), labels, at: At::Telegram(message.id) }
    }

    fn discord(message: &discord::Message) -> Self {
        let labels = message.labels().into_iter().chain(message.choices()).map(str::to_owned).collect();
        // Read as it looks, not as it is written.
        Self { text: message.content().replace("**", ""), labels, at: At::Discord(message.id) }
    }
}

impl Person {
    pub fn on_telegram(telegram: &Telegram, user: &telegram::User) -> Self {
        Self::Telegram { telegram: telegram.clone(), user: user.clone() }
    }

    pub fn on_discord(discord: &Discord, user: &discord::User) -> Self {
        Self::Discord { discord: discord.clone(), user: user.clone(), channel: discord.direct(user) }
    }

    /// The same person in another channel.
    ///
    /// # Panics
    /// Elsewhere than on Discord.
    pub fn in_channel(&self, channel: u64) -> Self {
        match self {
            Self::Discord { discord, user, .. } => {
                Self::Discord { discord: discord.clone(), user: user.clone(), channel }
            }
            _ => panic!("only Discord has channels"),
        }
    }

    /// Waits until the bot can be written to.
    pub async fn ready(&self) {
        if let Self::Discord { discord, .. } = self {
            discord.wait_connected().await;
            discord.wait_for("the commands", |state| (!state.commands().is_empty()).then_some(())).await;
        }
    }

    /// Writes a message.
    pub async fn say(&self, text: &str) {
        match self {
            Self::Telegram { user, .. } => drop(user.says(user.id(), text)),
            Self::Discord { user, channel, .. } => drop(user.says(*channel, text, Vec::new())),
            Self::Console(terminal) => terminal.types(text).await,
        }
    }

    /// Gives a command with its arguments, in the catalogue's order.
    pub async fn command(&self, name: &str, arguments: &[&str]) {
        match self {
            Self::Discord { user, channel, .. } => {
                let spec = catalogue::SPECS.iter().find(|spec| spec.name == name).expect("a command");
                let options: Vec<(&str, Value)> =
                    spec.arguments.iter().zip(arguments).map(|(one, value)| (one.name, json!(value))).collect();
                user.command(*channel, name, &options);
            }
            _ => {
                let words: Vec<&str> = [name].into_iter().chain(arguments.iter().copied()).collect();
                self.say(&format!("/{}", words.join(" "))).await;
            }
        }
    }

    /// Sends pictures with a text; `folder` is where the files of a console's operator lie.
    pub async fn send_photos(&self, folder: &Path, text: &str, pictures: &[Vec<u8>]) {
        match self {
            Self::Telegram { user, .. } => {
                let parts = pictures.iter().map(|bytes| telegram::Attachment::photo(bytes.clone()));
                user.sends(user.id(), telegram::Draft::media(parts).caption(text));
            }
            Self::Discord { user, channel, .. } => {
                let name = |at: usize| format!("{at}.jpg");
                let file = |(at, bytes): (usize, &Vec<u8>)| discord::File::new(&name(at), "image/jpeg", bytes.clone());
                user.says(*channel, text, pictures.iter().enumerate().map(file).collect());
            }
            Self::Console(terminal) => {
                let mut line = String::new();
                for (at, bytes) in pictures.iter().enumerate() {
                    let path = folder.join(format!("picture-{at}.jpg"));
                    std::fs::write(&path, bytes).expect("written");
                    line.push_str(&format!("@{} ", path.display()));
                }
                terminal.types(&format!("{line}{text}")).await;
            }
        }
    }

    /// Waits for a message of the bot with all of these in it; the newest one counts.
    pub async fn wait_all(&self, parts: &[&str]) -> Shown {
        let fits = |text: &str| parts.iter().all(|part| text.contains(part));
        match self {
            Self::Telegram { telegram, user } => {
                let newest = |state: &telegram::State| {
                    let seen = |m: &&telegram::Message| m.by_bot && !m.deleted && fits(&m.text);
                    state.messages(user.id()).rfind(seen).map(Shown::telegram)
                };
                telegram.wait_for(&format!("a message with {parts:?}"), newest).await
            }
            Self::Discord { discord, user, channel } => {
                let newest = |state: &discord::State| {
                    let seen = |m: &&discord::Message| {
                        let mine = m.only_for.is_none_or(|only| only == user.id());
                        m.by_bot && !m.deleted && !m.thinking() && mine && fits(&m.content().replace("**", ""))
                    };
                    state.messages(*channel).rfind(seen).map(Shown::discord)
                };
                discord.wait_for(&format!("a message with {parts:?}"), newest).await
            }
            Self::Console(terminal) => terminal.wait(fits, &format!("{parts:?}")).await,
        }
    }

    /// Waits for a message of the bot with these words in it; the newest one counts.
    pub async fn wait(&self, words: &str) -> Shown {
        self.wait_all(&[words]).await
    }

    /// Presses a button, and waits until the press is answered.
    pub async fn press(&self, shown: &Shown, label: &str) {
        match (self, &shown.at) {
            (Self::Telegram { telegram, user }, At::Telegram(message)) => {
                let query = user.press(user.id(), *message, label);
                telegram.wait_toast(&query).await;
            }
            (Self::Discord { discord, user, channel }, At::Discord(message)) => {
                let interaction = user.press(*channel, *message, label);
                discord.wait_answered(interaction).await;
            }
            (Self::Console(terminal), At::Console(card)) => {
                let number = terminal.number(*card, label);
                terminal.types(&format!("#{card}.{number}")).await;
            }
            _ => panic!("this message is elsewhere"),
        }
    }

    /// Fills in the form that opened, field by field.
    ///
    /// # Panics
    /// On Telegram.
    pub async fn fill(&self, values: &[(&str, &str)]) {
        match self {
            Self::Discord { discord, user, .. } => {
                discord.wait_form(user).await;
                let interaction = user.submit_form(values);
                discord.wait_answered(interaction).await;
            }
            Self::Console(terminal) => {
                for (label, value) in values {
                    terminal.wait_line(label).await;
                    terminal.types(value).await;
                }
            }
            Self::Telegram { .. } => panic!("Telegram has no forms"),
        }
    }

    /// The address behind a button.
    pub async fn link(&self, shown: &Shown, label: &str) -> String {
        match (self, &shown.at) {
            (Self::Telegram { telegram, user }, At::Telegram(id)) => {
                let message = telegram.message(user.id(), *id).expect("the message");
                match message.button(label).map(|button| &button.kind) {
                    Some(ButtonKind::Url(url)) => url.clone(),
                    other => panic!("{label:?} is no link: {other:?}, {:?}", message.labels()),
                }
            }
            (Self::Discord { discord, channel, .. }, At::Discord(id)) => {
                let message = discord.message(*channel, *id).expect("the message");
                message.url(label).unwrap_or_else(|| panic!("no link {label:?}: {:?}", message.labels())).to_owned()
            }
            (Self::Console(terminal), At::Console(card)) => terminal.open_link(*card, label).await,
            _ => panic!("this message is elsewhere"),
        }
    }

    /// Everything this person has seen.
    pub fn transcript(&self) -> String {
        match self {
            Self::Telegram { telegram, .. } => telegram.transcript(),
            Self::Discord { discord, .. } => discord.transcript(),
            Self::Console(terminal) => terminal.seen.borrow().blocks.join("\n"),
        }
    }
}

/// What the console printed.
#[derive(Default)]
struct Seen {
    blocks: Vec<String>,
    /// How each card looks now, with the number of the block that drew it.
    cards: BTreeMap<u64, (usize, String)>,
}

/// A scripted console, from the side of the chair.
pub struct Terminal {
    input: mpsc::Sender<String>,
    seen: watch::Receiver<Seen>,
    opened: Mutex<mpsc::UnboundedReceiver<String>>,
}

impl Terminal {
    /// A console for the daemon, and its terminal.
    pub fn open(home: &Path) -> (Arc<dyn bots::Surface>, Self) {
        let (input, lines) = mpsc::channel(8);
        let (blocks, mut output) = mpsc::channel::<String>(64);
        let (follow, opened) = mpsc::unbounded_channel();
        let opener: bots::Opener = Arc::new(move |url| {
            let _ = follow.send(url);
            Box::pin(async { "Opened.".to_owned() })
        });
        let config = ConsoleConfig { prompt: String::new(), history_file: None, home: Some(home.to_owned()), opener };
        let console = Console::scripted(config, lines, blocks);
        let (print, seen) = watch::channel(Seen::default());
        tokio::spawn(async move {
            while let Some(block) = output.recv().await {
                print.send_modify(|seen| {
                    if let Some((id, text)) = card(&block) {
                        seen.cards.insert(id, (seen.blocks.len(), text.to_owned()));
                    }
                    seen.blocks.push(block);
                });
            }
        });
        (Arc::new(console), Self { input, seen, opened: Mutex::new(opened) })
    }

    async fn types(&self, line: &str) {
        self.input.send(line.to_owned()).await.expect("the console reads");
    }

    async fn wait(&self, fits: impl Fn(&str) -> bool, what: &str) -> Shown {
        let mut seen = self.seen.clone();
        let newest = |seen: &Seen| {
            let fitting = seen.cards.iter().filter(|(_, (_, text))| fits(text));
            fitting.max_by_key(|(_, (at, _))| *at).map(|(id, (_, text))| {
                let labels = numbers(text).into_iter().map(|(_, label)| label).collect();
                Shown { text: text.clone(), labels, at: At::Console(*id) }
            })
        };
        let search = async {
            loop {
                let found = newest(&seen.borrow_and_update());
                if found.is_some() {
                    return found;
                }
                seen.changed().await.ok()?;
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(Some(found)) => found,
            _ => panic!("waited for {what}; the console has:\n{}", self.seen.borrow().blocks.join("\n")),
        }
    }

    /// Waits for a line that is no card and begins so.
    async fn wait_line(&self, beginning: &str) {
        let mut seen = self.seen.clone();
        let asked = seen.wait_for(|seen| seen.blocks.iter().any(|block| block.starts_with(beginning)));
        let asked = tokio::time::timeout(PATIENCE, asked).await;
        assert!(matches!(asked, Ok(Ok(_))), "the console never said {beginning:?}");
    }

    fn number(&self, card: u64, label: &str) -> usize {
        let seen = self.seen.borrow();
        let (_, text) = seen.cards.get(&card).expect("the card");
        let found = numbers(text).into_iter().find(|(_, words)| words.trim_end_matches(" ↗") == label);
        found.unwrap_or_else(|| panic!("no button {label:?} on:\n{text}")).0
    }

    async fn open_link(&self, card: u64, label: &str) -> String {
        let number = self.number(card, label);
        self.types(&format!("open #{card}.{number}")).await;
        let next = std::future::poll_fn(|context| self.opened.lock().unwrap().poll_recv(context));
        tokio::time::timeout(PATIENCE, next).await.expect("the link is opened").expect("the console runs")
    }
}

/// A printed card: its number and what it says now.
fn card(block: &str) -> Option<(u64, &str)> {
    let (head, text) = block.strip_prefix("[#")?.split_once("] ")?;
    Some((head.split(',').next()?.parse().ok()?, text))
}

/// The numbered buttons of a card.
fn numbers(text: &str) -> Vec<(usize, String)> {
    let parts = text.lines().skip(1).flat_map(|line| line.trim().split("   "));
    parts
        .filter_map(|part| {
            let (number, words) = part.strip_prefix('[')?.split_once("] ")?;
            Some((number.parse().ok()?, words.to_owned()))
        })
        .collect()
}
