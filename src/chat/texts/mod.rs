//! Every sentence we say, one file per topic. Pure: facts in, messages out.

use bots::Message;

use super::catalogue::Command;
use crate::flows::Refusal;

/// Our own trouble, without details that help nobody.
pub fn our_trouble() -> String {
    "Something went wrong on my side, and I wrote down what. Please try again in a moment.".to_owned()
}

/// Why something did not happen.
pub fn refusal(refusal: &Refusal) -> Message {
    Message::text(match refusal {
        Refusal::Store(_) => our_trouble(),
        other => other.to_string(),
    })
}

/// There is no such command.
pub fn unknown_command(name: &str, nearest: Option<Command>) -> Message {
    Message::text(match nearest {
        Some(command) => format!("I don't know /{name}. Did you mean /{}?", command.spec.name),
        None => format!("I don't know /{name}. /help shows what I can do."),
    })
}

/// Somebody is in no workspace, or this chat belongs to none.
pub fn no_workspace(direct: bool) -> Message {
    Message::text(if direct {
        "You are in no workspace. Ask whoever runs this bot for an invite, or send /start CODE."
    } else {
        "This chat belongs to no workspace yet. An admin of one can say /workspace use here."
    })
}

/// A required argument is missing.
pub fn missing_argument(command: &Command) -> Message {
    Message::text(format!("/{} needs a little more, like this: {}", command.spec.name, command.example))
}

/// A button that no longer stands for anything.
pub fn old_button() -> &'static str {
    "This button is from an older message. Ask again, please."
}

/// A button made for somebody else.
pub fn not_your_button() -> &'static str {
    "This button is for the person who asked."
}

/// To somebody we don't know.
pub fn stranger() -> Message {
    Message::text("This bot belongs to a team. If they invited you, open the invite link or send /start CODE.")
}
