//! `trypost doctor`: looks at everything a daemon needs, and says by name what is wrong and how to cure it. It changes
//! nothing but what a start would make anyway.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{Parts, open_store, platforms, surfaces};
use crate::config::{Config, ConfigProblem};
use crate::platforms::telegram::TelegramBudget;

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Checks all and prints a line each; `true` when nothing is wrong.
pub async fn examine(config: Result<Config, Vec<ConfigProblem>>, out: &mut (dyn Write + Send)) -> bool {
    let mut report = Report { out, healthy: true };
    let config = match config {
        Ok(config) => config,
        Err(problems) => {
            problems
                .iter()
                .for_each(|problem| report.bad(&problem.name, &format!("{} {}", problem.what, problem.cure)));
            return false;
        }
    };
    for problem in &config.problems {
        report.bad(&problem.name, &format!("{} {}", problem.what, problem.cure));
    }
    match tokio::time::timeout(PATIENCE, open_store(&config, &Parts::default())).await {
        Ok(Ok((store, notes))) => {
            report.good("database", store.engine());
            match store.write_probe().await {
                Ok(()) => report.good("database", "takes writes"),
                Err(error) => report.bad("DATABASE_URL", &format!("The database takes no writes: {error}")),
            }
            report.good("key", "opens this database");
            notes.iter().for_each(|note| report.good("key", note));
            store.close().await;
        }
        Ok(Err(error)) => report.bad("database", &error.to_string()),
        Err(_) => {
            report.bad("DATABASE_URL", "The database did not answer in time. Is it running, and reachable from here?")
        }
    }
    let marker = config.data_dir.join("media");
    match std::fs::create_dir_all(&marker).and_then(|()| std::fs::write(marker.join(".marker"), b"trypost")) {
        Ok(()) => report.good("media", &format!("{} can be written", marker.display())),
        Err(error) => report
            .bad("DATA_DIR", &format!("{} can't be written: {error}. Give it to trypost's user.", marker.display())),
    }
    reachable(&config, &mut report).await;
    for surface in surfaces(&config, Arc::new(TelegramBudget::new())).0.into_values() {
        let name = surface.kind().as_str();
        match tokio::time::timeout(PATIENCE, surface.identity()).await {
            Ok(Ok(identity)) => report.good(name, &format!("the bot is {} ({})", identity.name, identity.handle)),
            Ok(Err(failure)) => report.bad(name, &format!("{failure}. Check the bot token.")),
            Err(_) => report.bad(name, "no answer in time. Can this machine reach the internet?"),
        }
    }
    for offered in platforms(&config, Arc::new(TelegramBudget::new())) {
        let descriptor = offered.platform.descriptor();
        if !offered.enabled {
            report.good(descriptor.id, "switched off");
        } else if offered.missing.is_empty() {
            report.good(descriptor.id, "set up");
        } else {
            report.bad(
                descriptor.id,
                &format!("is not set up: {} missing. So far it is not offered.", offered.missing.join(", ")),
            );
            for (number, step) in descriptor.setup.iter().enumerate() {
                let step = step.replace("{redirect_uri}", offered.redirect_uri.as_str());
                report.line(&format!("      {}. {step}", number + 1));
            }
        }
    }
    report.healthy
}

/// Whether APP_URL leads to a daemon; a daemon that is not running yet can't answer, so silence is only a note.
async fn reachable(config: &Config, report: &mut Report<'_>) {
    let Ok(url) = config.app_url.join("/healthz") else { return };
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    match tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => report.good("APP_URL", &format!("{} answers", config.app_url)),
        _ => report.line(&format!(
            "  –  APP_URL: nothing answers at {} now. That is right while the daemon is stopped; else check the address and the proxy in front.",
            config.app_url
        )),
    }
}

struct Report<'a> {
    out: &'a mut (dyn Write + Send),
    healthy: bool,
}

impl Report<'_> {
    fn line(&mut self, line: &str) {
        // Nobody reads a closed pipe.
        let _ = writeln!(self.out, "{line}");
    }

    fn good(&mut self, what: &str, how: &str) {
        self.line(&format!("  ✓  {what}: {how}"));
    }

    fn bad(&mut self, what: &str, how: &str) {
        self.healthy = false;
        self.line(&format!("  ✗  {what}: {how}"));
    }
}
