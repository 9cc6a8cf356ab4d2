//! The real terminal: rustyline in a thread of its own, because it blocks. Lines go out over a channel; what the daemon
//! says is printed above the line being typed. It must not know what a line means.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, ExternalPrinter, Helper};
use tokio::sync::mpsc;

use super::plain::clean_line;
use super::{Hint, person, surface_chat};
use crate::command::{ArgumentKind, CommandSpec};
use crate::model::{Incoming, Proof, Update, UpdateKind};
use crate::surface::{Failure, Handler};

/// How long the next prompt waits for the answer to the last line, so that the answer stands above it.
const PROMPT_WAITS: Duration = Duration::from_secs(2);

/// Words that the console itself understands, for completion.
const BUILT_INS: &[&str] = &["attach", "open", "quit"];

/// Prints above the line being typed; straight to standard output while nobody types.
#[derive(Clone, Default)]
pub(crate) struct Screen(Arc<Mutex<Option<Box<dyn ExternalPrinter + Send>>>>);

impl Screen {
    /// Prints a block of lines. Blocks for as long as the terminal does.
    pub(crate) fn print(&self, block: String) {
        let mut printer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let printed = match printer.as_mut() {
            Some(printer) => printer.print(format!("{block}\n")).is_ok(),
            None => writeln!(std::io::stdout().lock(), "{block}").is_ok(),
        };
        if !printed {
            tracing::warn!("the console could not be written to");
        }
    }
}

/// Lines from the terminal.
pub(crate) struct Lines {
    lines: mpsc::Receiver<String>,
    answered: std::sync::mpsc::Sender<()>,
    #[cfg(unix)]
    settings: Option<nix::sys::termios::Termios>,
}

impl Lines {
    /// The next line; `None` after Ctrl-D or Ctrl-C.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// Lets the prompt come back.
    pub(crate) fn answered(&self) {
        // The thread is gone when nobody reads any more; then no prompt is due.
        let _ = self.answered.send(());
    }
}

impl Drop for Lines {
    /// The thread may still sit in the middle of a line, with the terminal in raw mode: readline can't be interrupted.
    /// Whoever uses the terminal after us needs its settings back.
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(settings) = &self.settings {
            use nix::sys::termios::{SetArg, tcsetattr};
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, settings);
            // Bracketed paste, which readline turns on for the time of a line.
            let _ = writeln!(std::io::stdout(), "\x1b[?2004l");
        }
    }
}

/// Starts the thread.
pub(crate) fn open(
    prompt: String,
    history: Option<PathBuf>,
    screen: &Screen,
    hint: Hint,
    commands: &'static [CommandSpec],
    handler: Arc<dyn Handler>,
) -> Result<Lines, Failure> {
    #[cfg(unix)]
    let settings =
        std::io::stdin().is_terminal().then(|| nix::sys::termios::tcgetattr(std::io::stdin()).ok()).flatten();
    let failed = |why: ReadlineError| Failure::Refused(format!("the terminal can't be used: {why}"));
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(false).build();
    let mut editor: Editor<Assistant, FileHistory> = Editor::with_config(config).map_err(failed)?;
    let runtime = tokio::runtime::Handle::current();
    editor.set_helper(Some(Assistant { commands, handler, runtime, hint, files: FilenameCompleter::new() }));
    if let Some(history) = &history
        && history.exists()
    {
        editor.load_history(history).map_err(failed)?;
    }
    *screen.0.lock().unwrap_or_else(PoisonError::into_inner) = match editor.create_external_printer() {
        Ok(printer) => Some(Box::new(printer)),
        // Standard input or output is a pipe: plain lines do.
        Err(_) => None,
    };
    let (send, lines) = mpsc::channel(1);
    let (answered, wait) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("console".to_owned())
        .spawn(move || {
            loop {
                match editor.readline(prompt.as_str()) {
                    Ok(line) => {
                        remember(&mut editor, &line, history.as_deref());
                        if send.blocking_send(line).is_err() {
                            return;
                        }
                        let _ = wait.recv_timeout(PROMPT_WAITS);
                    }
                    // A resized window interrupts the read on some systems.
                    Err(ReadlineError::Signal(_)) => {}
                    Err(ReadlineError::Eof | ReadlineError::Interrupted) => return,
                    Err(why) => {
                        tracing::warn!(%why, "the console could not be read");
                        return;
                    }
                }
            }
        })
        .map_err(|why| Failure::Refused(format!("the console's thread did not start: {why}")))?;
    Ok(Lines {
        lines,
        answered,
        #[cfg(unix)]
        settings,
    })
}

/// Keeps a line for the arrow keys and the next run. Commands only: what else is typed may be a secret that belongs in
/// no file.
fn remember(editor: &mut Editor<Assistant, FileHistory>, line: &str, history: Option<&Path>) {
    if !line.starts_with('/') {
        return;
    }
    let saved = editor.add_history_entry(line).and_then(|_| match history {
        Some(history) => editor.append_history(history),
        None => Ok(()),
    });
    if let Err(why) = saved {
        tracing::warn!(%why, "the console's history could not be saved");
    }
}

/// Completion and hints while a line is typed.
struct Assistant {
    commands: &'static [CommandSpec],
    handler: Arc<dyn Handler>,
    runtime: tokio::runtime::Handle,
    hint: Hint,
    files: FilenameCompleter,
}

impl Helper for Assistant {}
impl Validator for Assistant {}

impl Highlighter for Assistant {
    /// Dim, so that it does not look typed.
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[2m{hint}\x1b[22m"))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        let hint = self.hint.lock().unwrap_or_else(PoisonError::into_inner);
        hint.as_ref().filter(|_| line.is_empty()).map(|hint| clean_line(hint))
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = line.get(..pos).unwrap_or(line);
        let start = typed.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let word = typed.get(start..).unwrap_or_default();
        if typed.starts_with("attach ") {
            return self.files.complete_path(line, pos);
        }
        if let Some(path) = word.strip_prefix('@') {
            let (at, found) = self.files.complete_path(path, path.len())?;
            return Ok((start + 1 + at, found));
        }
        let found = suggestions(self.commands, typed, |spec, argument, word| {
            let update = question(spec, typed);
            self.runtime.block_on(async {
                let asked = self.handler.complete(&update, spec.name, argument, word);
                tokio::time::timeout(Duration::from_secs(1), asked).await.unwrap_or_default()
            })
        });
        Ok((start, found.into_iter().map(|(display, replacement)| Pair { display, replacement }).collect()))
    }
}

/// What completion asks the handler about.
fn question(spec: &CommandSpec, typed: &str) -> Update {
    let rest = typed.split_once(char::is_whitespace).map_or("", |(_, rest)| rest);
    Update {
        id: "completion".to_owned(),
        chat: surface_chat(),
        person: Some(person()),
        proof: Proof { manages_server: true, ..Proof::default() },
        message: None,
        kind: UpdateKind::Command {
            name: spec.name.to_owned(),
            arguments: spec.split(rest),
            incoming: Incoming::default(),
        },
    }
}

/// (what is shown, what is typed) for the word at the end of `typed`.
pub(crate) fn suggestions(
    commands: &[CommandSpec],
    typed: &str,
    ask: impl FnOnce(&CommandSpec, &str, &str) -> Vec<crate::model::Choice>,
) -> Vec<(String, String)> {
    let Some(command) = typed.strip_prefix('/') else {
        let known = BUILT_INS.iter().filter(|name| !typed.is_empty() && name.starts_with(typed));
        return known.map(|name| ((*name).to_owned(), format!("{name} "))).collect();
    };
    let Some((name, rest)) = command.split_once(char::is_whitespace) else {
        let known = commands.iter().filter(|spec| spec.name.starts_with(command));
        return known.map(|spec| (format!("/{}  {}", spec.name, spec.help), format!("/{} ", spec.name))).collect();
    };
    let word = rest.rsplit(char::is_whitespace).next().unwrap_or_default();
    let before = rest.split_whitespace().count().saturating_sub(usize::from(!word.is_empty()));
    let Some(spec) = commands.iter().find(|spec| spec.name == name) else {
        return Vec::new();
    };
    let Some(argument) = spec.arguments.get(before) else {
        return Vec::new();
    };
    match argument.kind {
        ArgumentKind::Rest => Vec::new(),
        ArgumentKind::Choice(values) => {
            let fitting = values.iter().filter(|value| value.starts_with(word));
            fitting.map(|value| ((*value).to_owned(), format!("{value} "))).collect()
        }
        ArgumentKind::Word => {
            let line = |choice: crate::model::Choice| {
                let (label, value) = (clean_line(&choice.label), clean_line(&choice.value));
                (if label == value { label } else { format!("{value}  {label}") }, format!("{value} "))
            };
            ask(spec, argument.name, word).into_iter().map(line).collect()
        }
    }
}
