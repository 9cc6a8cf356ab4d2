//! What a command is, as data: from it come Telegram's command menu, Discord's slash commands and autocomplete, the
//! terminal's completion and every help text. It knows no particular command.

/// One command, the same on all surfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSpec {
    /// Lower case letters, without the slash.
    pub name: &'static str,
    /// In the order in which they are typed.
    pub arguments: &'static [Argument],
    /// One line of help, at most 100 characters (Discord's limit; Telegram takes 256).
    pub help: &'static str,
    /// Who sees the answer where others are present.
    pub audience: Audience,
}

/// Who sees a command's answer in a shared chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everyone in the chat.
    Chat,
    /// Only the person who asked (ephemeral on Discord, the direct chat on Telegram).
    Asker,
}

/// One argument of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Lower case letters and `-`.
    pub name: &'static str,
    /// One line of help, at most 100 characters.
    pub help: &'static str,
    /// Whether the command can't do without it.
    pub required: bool,
    /// What is expected.
    pub kind: ArgumentKind,
}

/// What an argument holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentKind {
    /// One word; suggestions come from [`crate::Handler::complete`].
    Word,
    /// The rest of the line.
    Rest,
    /// One word out of a fixed list of at most 25.
    Choice(&'static [&'static str]),
}
