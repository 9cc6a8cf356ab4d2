//! What tests lean on that is not trypost: a PostgreSQL, a browser, servers that others wrote, and the way to them. What
//! is missing on a machine is told in one line; in CI it is a failure.

pub mod chromium;
pub mod clock;
pub mod forwarder;
pub mod node;
pub mod postgres;

use std::path::PathBuf;

/// Tells that something which a test needs is not on this machine. In CI nothing may be missing.
pub fn missing(what: &str, cure: &str) {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!ci, "{what} is missing: {cure}");
    static TOLD: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    let mut told = TOLD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !told.iter().any(|one| one == what) {
        // Past the capture of passing tests' output, so that nobody takes a skip for a pass.
        let line = format!("\nSKIPPED: {what} is missing: {cure}\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
        told.push(what.to_owned());
    }
}

/// The first of these programs that is there: a path, or a name on `PATH`.
pub fn program(candidates: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &&str| match name.contains('/') {
        true => Some(PathBuf::from(name)).filter(|file| file.is_file()),
        false => std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()),
    };
    candidates.iter().find_map(found)
}
