//! The command line, and nothing else.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use trypost::app::{App, Parts, StartError, open_store};
use trypost::chat::catalogue;
use trypost::config::{Config, ConfigProblem, LogFormat, export_config};
use trypost::doctor;
use trypost::domain::OsEntropy;
use trypost::store::Vault;

/// Says a line to whoever started the daemon; a closed pipe is no reason to stop.
macro_rules! say {
    ($($word:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($word)*);
    }};
}

/// Keeps a team's social accounts connected and publishes to them, run from the chat.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon (what happens without a command, too).
    Serve {
        /// Open the console in this terminal even when a bot is set up.
        #[arg(long)]
        console: bool,
    },
    /// Check every setting, the database, the bots and the platforms, and say how to cure what is wrong.
    Doctor,
    /// Bring the database up to date and stop.
    Migrate,
    /// Make or change the key that seals stored tokens.
    Keys {
        #[command(subcommand)]
        what: Keys,
    },
    /// Print what other programs read.
    Export {
        #[command(subcommand)]
        what: Export,
    },
}

#[derive(Subcommand)]
enum Keys {
    /// Print a new key for APP_KEY.
    Generate,
    /// Seal everything anew with APP_KEY; APP_PREVIOUS_KEYS still open.
    Rotate,
}

#[derive(Subcommand)]
enum Export {
    /// An example of every setting.
    Config,
    /// The table of commands, in Markdown.
    Commands,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("The system gives no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command.unwrap_or(Command::Serve { console: false }))) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::Serve { console } => serve(console).await,
        Command::Doctor => {
            let healthy = doctor::examine(configuration(), &mut std::io::stdout()).await;
            Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Migrate => {
            let config = configuration().map_err(listed)?;
            let (store, notes) = open_store(&config, &Parts::default()).await.map_err(told)?;
            notes.iter().for_each(|note| println!("{note}"));
            println!("The database is up to date ({}).", store.engine());
            store.close().await;
            Ok(ExitCode::SUCCESS)
        }
        Command::Keys { what: Keys::Generate } => {
            println!("{}", Vault::generate(&OsEntropy).expose());
            Ok(ExitCode::SUCCESS)
        }
        Command::Keys { what: Keys::Rotate } => {
            let config = configuration().map_err(listed)?;
            let (store, _) = open_store(&config, &Parts::default()).await.map_err(told)?;
            let (done, lost) = store.rotate_keys().await.map_err(|error| error.to_string())?;
            store.close().await;
            println!("{done} values are sealed with the current key now.");
            if lost > 0 {
                return Err(format!(
                    "{lost} values could not be opened with any key here; they were left as they are."
                ));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Export { what: Export::Config } => {
            print!("{}", export_config());
            Ok(ExitCode::SUCCESS)
        }
        Command::Export { what: Export::Commands } => {
            print!("{}", catalogue::table());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn configuration() -> Result<Config, Vec<ConfigProblem>> {
    Config::from_environment()
}

fn listed(problems: Vec<ConfigProblem>) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn told(error: StartError) -> String {
    error.to_string()
}

async fn serve(console: bool) -> Result<ExitCode, String> {
    let config = configuration().map_err(listed)?;
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let bots = ["TELEGRAM_BOT_TOKEN", "DISCORD_BOT_TOKEN"].iter().any(|name| config.secret(name).is_some());
    let console = console || (terminal && !bots);
    log(&config, console)?;
    for problem in &config.problems {
        eprintln!("{problem}");
    }
    let mut parts = Parts::default();
    if console {
        parts.console = Some(Arc::new(bots::Console::new(bots::ConsoleConfig {
            prompt: "you   ".to_owned(),
            history_file: Some(config.data_dir.join("history")),
            home: trypost::config::home(),
            opener: bots::console::system_browser(),
        })));
    }
    let app = App::start(&config, parts).await.map_err(told)?;
    app.lifecycle.listen_for_signals().map_err(|error| format!("Signals can't be listened for: {error}"))?;
    say!(
        "trypost {} is up: {} (data in {})",
        env!("CARGO_PKG_VERSION"),
        app.flows.settings.app_url,
        config.data_dir.display()
    );
    for note in &app.notes {
        say!("{note}");
    }
    if let Some(code) = &app.owner_code {
        if bots {
            say!("Nobody owns this daemon yet. Send the bot: /start {code}");
        } else {
            say!("No bot is set up (TELEGRAM_BOT_TOKEN, DISCORD_BOT_TOKEN). Later, claim it there with: /start {code}");
        }
    }
    app.ended().await;
    Ok(ExitCode::SUCCESS)
}

/// With a console, logs go to a file in the data directory; else to standard error.
fn log(config: &Config, console: bool) -> Result<(), String> {
    use tracing_subscriber::fmt;
    // These print frames and payloads, the bot's token among them, at their chattier levels.
    let filter = format!("{},serenity=warn,tungstenite=warn,hyper=warn,rustls=warn", config.log);
    let filter = tracing_subscriber::EnvFilter::try_new(&filter).map_err(|error| format!("LOG: {error}"))?;
    let builder = fmt().with_env_filter(filter).with_target(true);
    if console {
        config.prepare_data_dir().map_err(|problem| problem.to_string())?;
        let path = config.data_dir.join("trypost.log");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| format!("{} can't be written: {error}", path.display()))?;
        let builder = builder.with_ansi(false).with_writer(std::sync::Mutex::new(file));
        match config.log_format {
            LogFormat::Json => builder.json().init(),
            LogFormat::Text => builder.init(),
        }
    } else {
        let builder = builder.with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
        match config.log_format {
            LogFormat::Json => builder.json().init(),
            LogFormat::Text => builder.init(),
        }
    }
    Ok(())
}
