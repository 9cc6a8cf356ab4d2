//! The terminal as a chat: one operator, one chat, numbered buttons. The same code runs on a real terminal and on two
//! channels, so that tests and the scripted tour see what an operator sees. It knows no command by name but its own
//! `attach`, `open` and `quit`.

mod browser;
mod cards;
mod desk;
mod line;
mod plain;
mod terminal;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::sync::{OwnedMutexGuard, mpsc};
use tokio_util::sync::CancellationToken;

pub use browser::{show_address, system_browser};

use crate::command::CommandSpec;
use crate::model::{
    Chat, ChatKind, FileRef, Form, Message, MessageRef, Person, Proof, SurfaceKind, Update, UpdateKind,
};
use crate::surface::{Failure, Handler, Identity, Responder, Surface};
use cards::Cards;
use plain::{clean, clean_line};
use terminal::{Lines, Screen};

/// The console's only chat.
const CHAT: &str = "console";
/// The console's only person.
const OPERATOR: &str = "operator";
/// How long a handler may go on after `stop`.
const LAST_WORDS: Duration = Duration::from_secs(3);

const WELCOME: &str = "Type /help to begin. A number presses that button, `open 2` opens link 2, #4.2 means button 2 of \
                       card 4,\n`attach PATH` or @PATH in front of a message sends a file, quit leaves the console.";

/// Opens the page with this address and gives a sentence on what happened: the system browser in the daemon, an
/// emulated person in the sandbox.
pub type Opener = Arc<dyn Fn(String) -> BoxFuture<'static, String> + Send + Sync>;

/// What stands before the line being typed and is not typed.
type Hint = Arc<Mutex<Option<String>>>;

/// How the console is set up.
#[derive(Clone)]
pub struct ConsoleConfig {
    /// Shown before the line being typed.
    pub prompt: String,
    /// Where typed commands are kept between runs; nowhere when `None`. Messages and form fields are never kept.
    pub history_file: Option<PathBuf>,
    /// What `~/` means in a typed path; taken as it is when `None`.
    pub home: Option<PathBuf>,
    /// What `open N` does; see [`system_browser`] and [`show_address`].
    pub opener: Opener,
}

/// The terminal the daemon was started in, or two channels. The operator is person `operator` in chat `console`.
///
/// Cards are numbered from 1 in each run; a [`MessageRef`] of an earlier run is [`Failure::Gone`].
pub struct Console(Arc<Inner>);

struct Inner {
    config: ConsoleConfig,
    ends: Ends,
    session: String,
    hint: Hint,
    state: Mutex<State>,
}

enum Ends {
    Terminal(Screen),
    Channels { input: Arc<tokio::sync::Mutex<mpsc::Receiver<String>>>, output: mpsc::Sender<String> },
}

struct State {
    cards: Cards,
    updates: u64,
    attached: Vec<FileRef>,
    form: Option<Filling>,
}

/// A form that is being filled in, one line per field.
struct Filling {
    form: Form,
    values: Vec<(String, String)>,
    /// The card whose button opened it.
    at: Option<MessageRef>,
}

enum Source {
    Terminal(Lines),
    Channel(OwnedMutexGuard<mpsc::Receiver<String>>),
}

impl Source {
    async fn next(&mut self) -> Option<String> {
        match self {
            Self::Terminal(lines) => lines.next().await,
            Self::Channel(lines) => lines.recv().await,
        }
    }
}

impl Console {
    /// The process's own terminal. With standard input or output redirected it reads and writes plain lines.
    pub fn new(config: ConsoleConfig) -> Self {
        Self::with(config, Ends::Terminal(Screen::default()))
    }

    /// Lines come from `input`; each block that a terminal would show goes to `output`, without colours. [`Surface::run`]
    /// ends when `input` is closed. A full `output` makes the console wait.
    pub fn scripted(config: ConsoleConfig, input: mpsc::Receiver<String>, output: mpsc::Sender<String>) -> Self {
        Self::with(config, Ends::Channels { input: Arc::new(tokio::sync::Mutex::new(input)), output })
    }

    fn with(config: ConsoleConfig, ends: Ends) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let session = format!("{:x}", since.as_nanos());
        let state = State { cards: Cards::new(session.clone()), updates: 0, attached: Vec::new(), form: None };
        Self(Arc::new(Inner { config, ends, session, hint: Hint::default(), state: Mutex::new(state) }))
    }
}

/// The operator, as updates name them.
fn person() -> Person {
    Person { id: OPERATOR.to_owned(), name: "Operator".to_owned(), handle: None }
}

/// The console's chat, as updates name it.
fn surface_chat() -> Chat {
    Chat {
        surface: SurfaceKind::Console,
        id: CHAT.to_owned(),
        topic: None,
        kind: ChatKind::Direct,
        title: None,
        server: None,
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ansi(&self) -> bool {
        matches!(self.ends, Ends::Terminal(_)) && std::io::stdout().is_terminal()
    }

    async fn print(&self, block: impl Into<String>) {
        let block = block.into();
        match &self.ends {
            Ends::Terminal(screen) => {
                let screen = screen.clone();
                if let Err(why) = tokio::task::spawn_blocking(move || screen.print(block)).await {
                    tracing::warn!(%why, "the console could not be written to");
                }
            }
            // Nobody reads any more: the same as a closed terminal window.
            Ends::Channels { output, .. } => drop(output.send(block).await),
        }
    }

    async fn show(&self, message: &Message) -> MessageRef {
        self.remember_hint(message);
        let (at, block) = self.state().cards.show(message, self.ansi());
        self.print(block).await;
        at
    }

    async fn update(&self, at: &MessageRef, message: &Message) -> Result<MessageRef, Failure> {
        self.remember_hint(message);
        let updated = self.state().cards.update(at, message, self.ansi());
        match updated {
            Some(block) => {
                if let Some(block) = block {
                    self.print(block).await;
                }
                Ok(at.clone())
            }
            None => Err(Failure::Gone("this card is not on this screen".to_owned())),
        }
    }

    fn remember_hint(&self, message: &Message) {
        *self.hint.lock().unwrap_or_else(PoisonError::into_inner) = message.ask.clone();
    }

    fn event(&self, message: Option<MessageRef>, kind: UpdateKind) -> Update {
        let number = {
            let mut state = self.state();
            state.updates += 1;
            state.updates
        };
        Update {
            id: format!("{}-{number}", self.session),
            chat: surface_chat(),
            person: Some(person()),
            // Whoever sits at the daemon's own terminal could as well read its files.
            proof: Proof { manages_server: true, anonymous: false },
            message,
            kind,
        }
    }
}

struct Reply<'a> {
    console: &'a Inner,
    at: Option<MessageRef>,
}

#[async_trait]
impl Responder for Reply<'_> {
    async fn answer(&self, message: &Message) -> Result<MessageRef, Failure> {
        Ok(self.console.show(message).await)
    }

    async fn edit(&self, message: &Message) -> Result<MessageRef, Failure> {
        match &self.at {
            Some(at) => self.console.update(at, message).await,
            None => self.answer(message).await,
        }
    }

    async fn toast(&self, text: &str) -> Result<(), Failure> {
        self.console.print(clean(text)).await;
        Ok(())
    }

    /// Asks the form's fields one after the other; the filled form arrives as an update of its own.
    async fn form(&self, form: &Form) -> Result<bool, Failure> {
        if form.fields.is_empty() {
            return Ok(false);
        }
        self.console.state().form = Some(Filling { form: form.clone(), values: Vec::new(), at: self.at.clone() });
        self.console.print(format!("{} (`cancel` closes the form)", clean_line(&form.title))).await;
        self.console.ask_field().await;
        Ok(true)
    }
}

#[async_trait]
impl Surface for Console {
    fn kind(&self) -> SurfaceKind {
        SurfaceKind::Console
    }

    async fn identity(&self) -> Result<Identity, Failure> {
        Ok(Identity { id: CHAT.to_owned(), handle: CHAT.to_owned(), name: "Console".to_owned() })
    }

    /// Ends with `Ok` on `stop`, and when the operator leaves (`quit`, Ctrl-D, Ctrl-C, the input is closed); whether
    /// the rest of the daemon goes on then is the caller's decision. Lines are handled one after the other.
    async fn run(
        &self,
        commands: &'static [CommandSpec],
        handler: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let inner = &self.0;
        let mut source = match &inner.ends {
            Ends::Terminal(screen) => {
                let (prompt, history) = (inner.config.prompt.clone(), inner.config.history_file.clone());
                Source::Terminal(terminal::open(
                    prompt,
                    history,
                    screen,
                    inner.hint.clone(),
                    commands,
                    handler.clone(),
                )?)
            }
            Ends::Channels { input, .. } => Source::Channel(input.clone().lock_owned().await),
        };
        inner.print(WELCOME).await;
        loop {
            let typed = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                typed = source.next() => typed,
            };
            let Some(typed) = typed else { return Ok(()) };
            *inner.hint.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let handled = async {
                match inner.accept(commands, &typed).await {
                    Ok(Some(update)) => {
                        let reply = Reply { console: inner, at: update.message.clone() };
                        handler.handle(update, &reply).await;
                        true
                    }
                    Ok(None) => true,
                    Err(()) => false,
                }
            };
            tokio::pin!(handled);
            let go_on = tokio::select! {
                go_on = &mut handled => go_on,
                () = stop.cancelled() => {
                    let _ = tokio::time::timeout(LAST_WORDS, &mut handled).await;
                    false
                }
            };
            if !go_on {
                return Ok(());
            }
            if let Source::Terminal(lines) = &source {
                lines.answered();
            }
        }
    }

    async fn send(&self, chat: &str, _: Option<&str>, message: &Message) -> Result<MessageRef, Failure> {
        if chat != CHAT {
            return Err(Failure::Unreachable(format!("the console has no chat {chat:?}")));
        }
        Ok(self.0.show(message).await)
    }

    async fn direct_chat(&self, person: &str) -> Result<String, Failure> {
        if person != OPERATOR {
            return Err(Failure::Unreachable(format!("nobody at the console is {person:?}")));
        }
        Ok(CHAT.to_owned())
    }

    async fn edit(&self, at: &MessageRef, message: &Message) -> Result<MessageRef, Failure> {
        self.0.update(at, message).await
    }

    async fn delete(&self, at: &MessageRef) -> Result<(), Failure> {
        let removed = self.0.state().cards.remove(at);
        if let Some(block) = removed {
            self.0.print(block).await;
        }
        Ok(())
    }

    async fn download(&self, file: &FileRef, to: &std::path::Path, limit: u64) -> Result<(), Failure> {
        use tokio::io::AsyncReadExt;
        let failed = |why: std::io::Error| match why.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
                Failure::Refused(format!("{} can't be read: {}", clean_line(&file.id), line::reason(&why)))
            }
            _ => Failure::Retry { after: 5, why: format!("copying a file: {why}") },
        };
        let from = tokio::fs::metadata(&file.id).await.map_err(failed)?;
        if !from.is_file() {
            return Err(Failure::Refused(format!("{} is not a file", clean_line(&file.id))));
        }
        if from.len() > limit {
            return Err(Failure::TooLarge { limit });
        }
        let mut source = tokio::fs::File::open(&file.id).await.map_err(failed)?.take(limit.saturating_add(1));
        let mut target = tokio::fs::File::create(to).await.map_err(failed)?;
        // It may have grown since it was looked at.
        let copied = tokio::io::copy(&mut source, &mut target).await.map_err(failed)?;
        target.sync_all().await.map_err(failed)?;
        if copied > limit {
            let _ = tokio::fs::remove_file(to).await;
            return Err(Failure::TooLarge { limit });
        }
        Ok(())
    }

    async fn is_admin(&self, chat: &str, person: &str) -> Result<bool, Failure> {
        Ok(chat == CHAT && person == OPERATOR)
    }
}
