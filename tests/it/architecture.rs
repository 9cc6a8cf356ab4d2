//! The house rules of `src/lib.rs`, read off the source: which room may use which, which crate stands where, whose names
//! are whose, and that every file says what it is for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

mod lexer;

/// Each room with those it may use: the arrows of `src/lib.rs`, and all that lies below.
const ROOMS: &[(&str, &[&str])] = &[
    // The command line and the doctor stand beside the composition root and see what it sees.
    ("main", &["app", "doctor", "config", "lifecycle", "web", "chat", "flows", "store", "platforms", "domain", "bots"]),
    ("doctor", &["app", "config", "web", "chat", "flows", "store", "platforms", "domain", "bots"]),
    ("app", &["config", "lifecycle", "web", "chat", "jobs", "flows", "store", "platforms", "domain", "bots"]),
    ("config", &["platforms", "domain"]),
    ("lifecycle", &[]),
    ("web", &["lifecycle", "flows", "store", "platforms", "domain"]),
    ("chat", &["flows", "store", "platforms", "domain", "bots"]),
    ("jobs", &["lifecycle", "flows", "store", "platforms", "domain", "bots"]),
    ("flows", &["store", "platforms", "domain"]),
    ("store", &["domain"]),
    ("platforms", &["domain"]),
    ("domain", &[]),
];

/// Words that may stand only in some files of `src`, given by how their paths begin, and why.
const PLACES: &[(&str, &[&str], &str)] = &[
    ("sqlx", &["store", "domain/id.rs"], "all SQL is in store"),
    ("axum", &["web"], "HTTP is served by web alone"),
    ("teloxide", &[], "chat surfaces are in bots"),
    ("serenity", &[], "chat surfaces are in bots"),
    ("reqwest", &["platforms/http.rs", "platforms/http/"], "there is one outbound client"),
    ("reqwest_012", &[], "there is one outbound client"),
    ("dotenvy", &["config"], "settings are read by config alone"),
    ("std::env", &["config"], "settings are read by config alone"),
    ("SystemTime::now", &["domain/clock.rs"], "time is an argument"),
    ("Timestamp::now", &["domain/clock.rs"], "time is an argument"),
    ("Zoned::now", &["domain/clock.rs"], "time is an argument"),
    ("OsRng", &["domain/clock.rs"], "randomness is an argument"),
    ("rand::rng", &["domain/clock.rs"], "randomness is an argument"),
    // A file that is renamed at once: its name is nobody's state.
    ("Uuid::new_v4", &["domain/id.rs", "platforms/media.rs"], "randomness is an argument"),
    ("Uuid::now_v7", &["domain/id.rs"], "time and randomness are arguments"),
];

/// Words that the connectors may not use: time is passed in.
const CLOCKS: &[&str] = &["SystemClock", "dyn Clock"];

/// The platforms' identifiers, and the folders that own them.
const PLATFORMS: &[(&str, &str)] = &[
    ("linkedin", "linkedin"),
    ("linkedin-page", "linkedin"),
    ("x", "x"),
    ("facebook", "meta"),
    ("instagram", "instagram"),
    ("instagram-facebook", "instagram"),
    ("tiktok", "tiktok"),
    ("youtube", "youtube"),
    ("threads", "threads"),
    ("pinterest", "pinterest"),
    ("bluesky", "bluesky"),
    ("mastodon", "mastodon"),
    ("telegram", "telegram"),
    ("discord", "discord"),
];

/// The jobs that know the chats: one keeps the surfaces up, one delivers messages.
const SPEAK: &[&str] = &["jobs/surfaces.rs", "jobs/deliver.rs"];

/// Where a platform's identifier may stand outside its folder: the registry.
const NAMES_PLATFORMS: &[&str] = &["platforms/registry.rs"];

/// A longer file gives its reason: "Long because …" in its first paragraph.
const LINES: usize = 400;

/// A source file: its path below the folder that was searched, and its text.
type Source = (String, String);

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && name != "target" && name != "node_modules" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
                found.push((below, std::fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder} holds no source");
    found
}

/// The module path of a file of `src`: `platforms/http/guard.rs` is `platforms::http::guard`.
fn modules(path: &str) -> Vec<&str> {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').collect()
}

/// Whether it holds unit tests only: they may know more.
fn is_test(path: &str) -> bool {
    modules(path).contains(&"tests")
}

/// What the text names directly below the crate's root: `crate::X`, `trypost::X`, and `super` climbed so far.
fn crate_level<'a>(modules: &[&str], text: &'a str) -> BTreeSet<&'a str> {
    let mut named = BTreeSet::new();
    for prefix in ["crate::", "trypost::"] {
        for (at, _) in text.match_indices(prefix) {
            named.extend(members(&text[at + prefix.len()..]));
        }
    }
    let climb = "super::".repeat(modules.len());
    for (at, _) in text.match_indices(&climb) {
        named.extend(members(&text[at + climb.len()..]));
    }
    if text.contains("bots::") {
        named.insert("bots");
    }
    named
}

/// The names that follow a `::`: one, or those at the top of a group in braces.
fn members(after: &str) -> Vec<&str> {
    let first = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let Some(group) = after.strip_prefix('{') else { return vec![&after[..first(after)]] };
    let (mut depth, mut fresh, mut names) = (0, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && (c.is_alphabetic() || c == '_') => {
                names.push(&group[at..at + first(&group[at..])]);
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn is_named(text: &str, word: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    let mut found = text.match_indices(word);
    found.any(|(at, _)| edge(text[..at].chars().next_back()) && edge(text[at + word.len()..].chars().next()))
}

/// Every rule of the house that one file of `src` breaks.
fn broken(path: &str, source: &str, vendors: &BTreeSet<String>) -> Vec<String> {
    let code = lexer::read(source);
    let modules = modules(path);
    let mut broken = Vec::new();
    let mut tell = |what: String| broken.push(format!("src/{path}: {what}"));

    let room = ROOMS.iter().find(|(room, _)| *room == modules[0]);
    match room {
        None if modules[0] == "lib" => {}
        None => tell(format!("the room {} is not in the map of src/lib.rs", modules[0])),
        Some((room, below)) => {
            for name in crate_level(&modules, &code.text) {
                let known = name == "bots" || ROOMS.iter().any(|(other, _)| *other == name);
                if known && name != *room && !below.contains(&name) {
                    tell(format!("{room} may not use {name}"));
                }
            }
        }
    }
    for (word, places, why) in PLACES {
        if is_named(&code.text, word) && !places.iter().any(|place| path.starts_with(place)) {
            tell(format!("{word} may not stand here: {why}"));
        }
    }
    if modules[0] == "platforms" {
        for word in CLOCKS.iter().filter(|word| is_named(&code.text, word)) {
            tell(format!("{word} may not stand here: time is passed in"));
        }
        if let Some(vendor) = modules.get(1).filter(|name| vendors.contains(**name)) {
            let outside = "super::".repeat(modules.len() - 1);
            let named = ["platforms::", &outside].map(|prefix| {
                let found = code.text.match_indices(prefix).map(|(at, _)| &code.text[at + prefix.len()..]);
                found.flat_map(members).collect::<Vec<_>>()
            });
            for other in named.concat().into_iter().filter(|name| name != vendor && vendors.contains(*name)) {
                tell(format!("{vendor} may not know {other}"));
            }
        }
    }
    for (line, text) in &code.strings {
        let owner = PLATFORMS.iter().find(|(id, _)| id == text).map(|(_, folder)| format!("platforms/{folder}/"));
        let free = NAMES_PLATFORMS.contains(&path);
        if owner.is_some_and(|owner| !free && !path.starts_with(&owner)) {
            tell(format!("line {line}: only a platform's folder and the registry know the identifier \"{text}\""));
        }
    }
    broken
}

/// The folders of `src/platforms` that hold a connector: those with their own reading of faults.
fn vendors(sources: &[Source]) -> BTreeSet<String> {
    let folder = |path: &str| Some(path.strip_prefix("platforms/")?.strip_suffix("/fault.rs")?.to_owned());
    sources.iter().filter_map(|(path, _)| folder(path)).collect()
}

/// The first paragraph of a file's own documentation.
fn purpose(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "{} broken:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn every_arrow_points_down() {
    let sources = sources("src");
    let vendors = vendors(&sources);
    let files = sources.iter().filter(|(path, _)| !is_test(path));
    none(files.flat_map(|(path, source)| broken(path, source, &vendors)).collect());
}

#[test]
fn few_jobs_speak_to_chats() {
    let sources = sources("src");
    let jobs = sources.iter().filter(|(path, _)| path.starts_with("jobs") && !is_test(path));
    let speak = jobs.filter(|(_, source)| lexer::read(source).text.contains("bots::")).map(|(path, _)| path.as_str());
    let strange: Vec<&str> = speak.filter(|path| !SPEAK.contains(path)).collect();
    assert!(strange.is_empty(), "{strange:?} may not use bots: only {SPEAK:?} of the jobs do");
}

#[test]
fn every_file_says_what_it_is_for_and_why_it_is_long() {
    let mut problems = Vec::new();
    for folder in ["src", "bots", "tests"] {
        for (path, source) in sources(folder) {
            let (purpose, lines) = (purpose(&source), source.lines().count());
            if purpose.is_empty() {
                problems.push(format!("{folder}/{path}: no //! paragraph says what it is for"));
            }
            let reason = purpose.to_lowercase();
            if lines > LINES && !(reason.contains("long") && reason.contains("because")) {
                problems.push(format!("{folder}/{path}: {lines} lines, and no \"Long because …\" at its top"));
            }
        }
    }
    none(problems);
}

#[test]
fn the_leaves_know_nothing_of_ours() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for leaf in ["bots", "tests/emulators"] {
        let manifest = std::fs::read_to_string(root.join(leaf).join("Cargo.toml")).expect("a manifest");
        // Its tests may lean on the emulators.
        let dependencies = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
        let dependencies = dependencies.take_while(|line| !line.starts_with('['));
        let ours = ["trypost", "bots", "emulators", "sandbox", "load"];
        let known: Vec<&str> =
            dependencies.filter(|line| ours.iter().any(|name| line.starts_with(&format!("{name} ")))).collect();
        assert!(known.is_empty(), "{leaf} is a leaf, but depends on {known:?}");
    }
}

#[test]
fn the_rules_bite() {
    let vendors: BTreeSet<String> = ["mastodon", "bluesky"].map(str::to_owned).into();
    let says = |path: &str, source: &str| broken(path, source, &vendors).join("\n");
    for (path, source, said) in [
        ("store/posts.rs", "use crate::flows::publish;", "store may not use flows"),
        ("flows/publish.rs", "use crate::{domain::Fault, jobs::engine};", "flows may not use jobs"),
        ("domain/post.rs", "use super::super::store;", "domain may not use store"),
        ("flows/connect.rs", "fn f(m: bots::Message) {}", "flows may not use bots"),
        ("main.rs", "use trypost::jobs::engine;", "main may not use jobs"),
        ("kitchen.rs", "", "the room kitchen is not in the map"),
        ("chat/posts.rs", "sqlx::query(\"\")", "sqlx may not stand here"),
        ("app.rs", "std::env::var(\"HOME\")", "std::env may not stand here"),
        ("platforms/bluesky/mod.rs", "reqwest::Client::new()", "reqwest may not stand here"),
        ("jobs/engine.rs", "let now = Timestamp::now();", "Timestamp::now may not stand here"),
        ("platforms/bluesky/mod.rs", "fn f(clock: &dyn Clock) {}", "dyn Clock may not stand here"),
        ("platforms/bluesky/wire.rs", "use super::super::mastodon::wire;", "bluesky may not know mastodon"),
        ("platforms/bluesky/wire.rs", "use crate::platforms::{http, mastodon};", "bluesky may not know mastodon"),
        ("flows/settle.rs", "if id == \"mastodon\" {}", "only a platform's folder and the registry know"),
        ("platforms/bluesky/mod.rs", "let id = \"mastodon\";", "only a platform's folder and the registry know"),
    ] {
        assert!(says(path, source).contains(said), "{path}: {source}\n{}", says(path, source));
    }
    for (path, source) in [
        ("web/api.rs", "use crate::{lifecycle::Lifecycle, flows::publish}; use axum::Router;"),
        ("platforms/mastodon/mod.rs", "use super::super::http::Http; use super::wire; let id = \"mastodon\";"),
        ("platforms/registry.rs", "(\"mastodon\", super::mastodon::new())"),
        ("chat/post.rs", "// crate::web and sqlx are only mentioned\nlet s = \"crate::web in a text\";"),
        ("store/db.rs", "#[cfg(test)]\nmod tests;\nuse sqlx::query;"),
        ("config.rs", "use super::domain::Secret; std::env::vars();"),
    ] {
        assert_eq!(says(path, source), "", "{path}");
    }
    assert_eq!(purpose("//! One.\n//! Two.\n//!\n//! Three.\n"), "One. Two.");
    assert_eq!(modules("platforms/http/guard.rs"), ["platforms", "http", "guard"]);
    assert!(is_test("config/tests.rs") && !is_test("web/api.rs"));
}
