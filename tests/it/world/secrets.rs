//! The last look: every secret that anybody minted in this world is looked for wherever something is kept, logged or shown.
//! It knows by which names vendors hand out secrets.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

use super::{BOT_TOKEN, CLIENT_SECRET, DISCORD_TOKEN, World};

/// Fields of vendors' answers that hold secrets.
const ANSWERED: &[&str] = &["access_token", "refresh_token", "client_secret", "accessJwt", "refreshJwt"];
/// Fields of requests that hold secrets.
const SENT: &[&str] = &["code", "code_verifier", "client_secret", "password"];
/// What is shorter is no secret but an accident.
const SHORTEST: usize = 12;

impl World {
    /// The texts of a query's only column.
    pub async fn raw(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.database {
            Some(database) => {
                let options = sqlx::postgres::PgConnectOptions::from_url(&database.url()).expect("an address");
                let mut one = sqlx::PgConnection::connect_with(&options).await.expect("connected");
                let rows = sqlx::query(sql).fetch_all(&mut one).await.expect("read");
                rows.iter().map(|row| row.get(0)).collect()
            }
            None => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.data().join("trypost.db"));
                let mut one = sqlx::SqliteConnection::connect_with(&options).await.expect("connected");
                let rows = sqlx::query(sql).fetch_all(&mut one).await.expect("read");
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    pub(super) async fn find_secrets(&self, transcript: &str) {
        let secrets = self.secrets();
        assert!(secrets.len() > 3, "nothing to look for");
        let mut places = vec![
            ("the log".to_owned(), self.log.text()),
            ("the chat".to_owned(), transcript.to_owned()),
            ("Telegram".to_owned(), self.telegram.transcript()),
            ("Discord".to_owned(), self.discord.transcript()),
            ("a page".to_owned(), self.pages.lock().unwrap().join("\n")),
        ];
        read(&self.data(), &mut places);
        if self.database.is_some() {
            for table in self.raw("select tablename::text from pg_tables where schemaname = 'public'").await {
                let rows = self.raw(&format!("select t::text from \"{table}\" t")).await;
                places.push((format!("the table {table}"), rows.join("\n")));
            }
        }
        for (place, text) in &places {
            for secret in &secrets {
                assert!(!text.contains(secret.as_str()), "{place} holds the secret {secret:?}");
            }
        }
    }

    fn secrets(&self) -> BTreeSet<String> {
        let mut secrets: BTreeSet<String> =
            [BOT_TOKEN, CLIENT_SECRET, DISCORD_TOKEN, &self.app_password].map(str::to_owned).into_iter().collect();
        for call in self.gateway.calls() {
            if let Ok(answer) = serde_json::from_slice::<Value>(&call.answer) {
                collect(&answer, ANSWERED, &mut secrets);
            }
            if let Ok(body) = serde_json::from_slice::<Value>(&call.body) {
                collect(&body, SENT, &mut secrets);
            }
            if call.path.ends_with("/token") {
                let sent = url::form_urlencoded::parse(&call.body).filter(|(name, _)| SENT.contains(&name.as_ref()));
                secrets.extend(sent.map(|(_, value)| value.into_owned()));
            }
        }
        secrets.retain(|secret| secret.len() >= SHORTEST);
        secrets
    }
}

fn collect(value: &Value, names: &[&str], secrets: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if names.contains(&name.as_str()) => drop(secrets.insert(text.clone())),
                    other => collect(other, names, secrets),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names, secrets)),
        _ => {}
    }
}

/// Every file of the data folder, as text.
fn read(folder: &Path, places: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(&path, places);
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            places.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}
