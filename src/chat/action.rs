//! What buttons do and what typed words answer, as stored: each topic has its own list. A token in a message stands for
//! one of these; it survives restarts, and only the person it was made for (or whose role suffices) can use it.

use serde::{Deserialize, Serialize};

use super::{accounts, connect, posts, run, team};

/// What a button does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Connecting.
    Connect(connect::Press),
    /// Accounts.
    Account(accounts::Press),
    /// Posts.
    Post(posts::Press),
    /// People.
    Team(team::Press),
    /// Alerts, health, help.
    Run(run::Press),
}

/// What the next typed words of a person in a chat answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Connecting.
    Connect(connect::Question),
    /// Posts.
    Post(posts::Question),
    /// People.
    Team(team::Question),
}
