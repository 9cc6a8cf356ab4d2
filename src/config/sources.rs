//! Where settings come from besides the table: `.env`, the folders that systemd and the desktop name, and what a strange
//! name probably meant.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::settings::{self, CORE, SETTINGS};
use super::{ConfigProblem, Database, checks};
use crate::domain::Secret;

/// A variable whose name and value are text.
pub fn readable((name, value): (OsString, OsString)) -> Option<(String, String)> {
    name.into_string().ok().zip(value.into_string().ok())
}

/// systemd's folder for this service, else the XDG base directory for data.
pub fn default_data_dir(read: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    // systemd.exec(5): several directories are separated by colons.
    let systemd = read("STATE_DIRECTORY").and_then(|dirs| dirs.split(':').next().map(PathBuf::from));
    let xdg = || read("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let home = || read("HOME").map(|home| Path::new(&home).join(".local/share"));
    systemd.or_else(|| xdg().or_else(home).map(|dir| dir.join("trypost")))
}

/// The database that `DATABASE_URL` means.
pub fn database(url: Option<&Secret>, data_dir: &Path) -> Database {
    match url.map(|url| (checks::sqlite_path(url.expose()), url)) {
        None => Database::Sqlite(data_dir.join("trypost.db")),
        Some((Some(path), _)) => Database::Sqlite(PathBuf::from(path)),
        Some((None, url)) => Database::Postgres(url.clone()),
    }
}

/// The settings of a file; the lines that are none go to `problems`. A missing file has none, an unreadable one is
/// `None`.
pub fn read_file(file: &Path, problems: &mut Vec<ConfigProblem>) -> Option<BTreeMap<String, String>> {
    let name = file.display().to_string();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(BTreeMap::new()),
        Err(error) => {
            let what = format!("It can't be read ({error}).");
            let cure = "Make it readable for trypost's user, or remove it.";
            problems.push(ConfigProblem::new(CORE, &name, what, cure));
            return None;
        }
    };
    let mut settings = BTreeMap::new();
    for item in dotenvy::from_read_iter(text.as_bytes()) {
        match item {
            Ok((name, value)) if !value.is_empty() => drop(settings.insert(name, value)),
            Ok(_) => {}
            Err(error) => {
                // The error holds the line, and the line may hold a secret: only its number is told.
                let line = match &error {
                    dotenvy::Error::LineParse(line, _) => text.lines().position(|one| one.trim() == line.trim()),
                    _ => None,
                };
                let line = line.map_or("A line".to_owned(), |index| format!("Line {}", index + 1));
                let cure = "Write NAME=value, with single quotes around a value that holds spaces, # or $.";
                problems.push(ConfigProblem::new(CORE, &name, format!("{line} can't be understood."), cure));
            }
        }
    }
    Some(settings)
}

/// Names that look like a setting of ours and are none.
pub fn unknown<'a>(names: impl Iterator<Item = &'a str>) -> Vec<ConfigProblem> {
    let switches: Vec<String> = settings::switches().into_iter().map(|(_, name)| name).collect();
    let known: Vec<&str> =
        SETTINGS.iter().map(|setting| setting.name).chain(switches.iter().map(String::as_str)).collect();
    let strange = names.filter(|name| !known.contains(name)).filter_map(|name| {
        let near = known.iter().map(|one| (strsim::damerau_levenshtein(name, one), *one)).min();
        let near = near.filter(|(distance, one)| *distance <= 2 && one.len() > 4).map(|(_, one)| one);
        let ours = settings::OWN_PREFIXES.iter().find(|prefix| name.starts_with(**prefix));
        let cure = match (near, ours) {
            (Some(near), _) => format!("Did you mean {near}?"),
            (None, Some(_)) => "Remove it, or see `trypost export config` for the names.".to_owned(),
            (None, None) => return None,
        };
        let part = near.and_then(settings::find).map(|setting| setting.part);
        let part = part.or(ours.map(|prefix| prefix.trim_end_matches('_'))).unwrap_or(CORE);
        Some(ConfigProblem::new(part, name, "There is no such setting.", cure))
    });
    strange.collect()
}
