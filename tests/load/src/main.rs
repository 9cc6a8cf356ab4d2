//! The benchmarks: what the daemon costs when it does nothing, and how fast it answers. They print numbers beside the aims
//! and judge nothing else; only a release build's numbers count.

mod accounts;
mod bots;
mod footprint;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use table::Line;

const HELP: &str = "\
cargo build --release && cargo run --release -p load -- footprint [--daemon PATH]
    start the daemon with both bots on emulated networks: size, time to ready, memory at rest
    PATH is target/release/trypost unless given
cargo run --release -p load -- accounts
    how long /accounts takes with 100 accounts, asked over the emulated Telegram";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("The system gives no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let measured = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["footprint"] => runtime.block_on(footprint::measure(PathBuf::from("target/release/trypost"))),
        ["footprint", "--daemon", path] => runtime.block_on(footprint::measure(PathBuf::from(path))),
        ["accounts"] => runtime.block_on(accounts::measure()),
        _ => Err(HELP.to_owned()),
    };
    match measured {
        Ok(lines) => {
            table::print(&lines);
            if lines.iter().all(Line::is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}
