//! Servers that others wrote, from the npm registry: started when a test needs one, ended with it. Their packages are
//! installed once, outside the clone, by `tests/it/peers/install`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a server may take to say that it is ready.
const LIMIT: Duration = Duration::from_secs(90);

/// A running server; dropping it ends it.
pub struct Peer {
    /// What its READY line says, as in `READY port=9400`.
    pub facts: BTreeMap<String, String>,
    _process: Child,
    _scratch: tempfile::TempDir,
}

impl Peer {
    /// Starts `tests/it/peers/NAME/SCRIPT` and waits for its READY line. `None` (told in one line) where Node or the
    /// packages are missing. `SCRATCH` in its environment is an empty folder of its own.
    pub async fn start(name: &str, script: &str, environment: &[(&str, &str)]) -> Option<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peers").join(name);
        let installed = cache().join(name);
        let Some(node) = super::program(&["node"]) else {
            super::missing("Node", "apt-get install nodejs npm");
            return None;
        };
        if std::fs::read(installed.join("installed")).ok() != std::fs::read(source.join("package.json")).ok() {
            super::missing(&format!("the peer {name}"), "run tests/it/peers/install");
            return None;
        }
        // A module finds packages by where it lies, so the scripts are put beside theirs.
        for entry in std::fs::read_dir(&source).expect("the peer's folder") {
            let file = entry.expect("an entry").path();
            if file.extension().is_some_and(|extension| extension == "mjs" || extension == "cjs") {
                let fresh = tempfile::NamedTempFile::new_in(&installed).expect("a file");
                std::fs::copy(&file, fresh.path()).expect("copied");
                fresh.persist(installed.join(file.file_name().expect("a file"))).expect("put in place");
            }
        }
        let scratch = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(node);
        command.arg(installed.join(script)).current_dir(&installed).env("SCRATCH", scratch.path());
        command.envs(environment.iter().copied()).env_remove("NODE_OPTIONS");
        // Several of these servers listen on all interfaces unless told otherwise.
        command.env("NODE_OPTIONS", format!("--require {}", loopback(scratch.path()).display()));
        let log = std::fs::File::create(scratch.path().join("log")).expect("a file");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut process = command.spawn().expect("Node starts");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let ready = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(facts) = line.strip_prefix("READY") {
                    return Some(facts.to_owned());
                }
            }
            None
        };
        let ready = tokio::time::timeout(LIMIT, ready).await.ok().flatten();
        let log = || std::fs::read_to_string(scratch.path().join("log")).unwrap_or_default();
        let facts = ready.unwrap_or_else(|| panic!("{name}/{script} did not get ready:\n{}", log()));
        let facts = facts.split_whitespace().filter_map(|fact| fact.split_once('='));
        let facts = facts.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        // Whatever it says later must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Some(Self { facts, _process: process, _scratch: scratch })
    }

    /// The loopback address of the port that the READY line names `key`.
    pub fn address(&self, key: &str) -> std::net::SocketAddr {
        let port = self.facts.get(key).and_then(|port| port.parse::<u16>().ok());
        ([127, 0, 0, 1], port.unwrap_or_else(|| panic!("READY names no port {key}: {:?}", self.facts))).into()
    }
}

/// Where `tests/it/peers/install` puts the packages.
fn cache() -> PathBuf {
    if let Some(dir) = std::env::var_os("TEST_PEERS_DIR") {
        return dir.into();
    }
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("trypost-ci")
}

/// A module that binds every listener of a Node process to 127.0.0.1.
fn loopback(dir: &Path) -> PathBuf {
    let file = dir.join("loopback.cjs");
    let module = include_str!("loopback.cjs");
    std::fs::write(&file, module).expect("written");
    file
}
