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

impl CommandSpec {
    /// Splits what was typed after the name into arguments, in the specification's order: words at white space, and a
    /// [`ArgumentKind::Rest`] takes everything that is left with its line breaks. Words beyond the last argument are
    /// given too, so that the handler can say that they are too many.
    pub fn split(&self, line: &str) -> Vec<String> {
        let mut rest = line.trim();
        let mut arguments = Vec::new();
        while !rest.is_empty() {
            if self.arguments.get(arguments.len()).is_some_and(|argument| argument.kind == ArgumentKind::Rest) {
                arguments.push(rest.to_owned());
                break;
            }
            let (word, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            arguments.push(word.to_owned());
            rest = tail.trim_start();
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: Argument = Argument { name: "post", help: "Which", required: true, kind: ArgumentKind::Word };
    const REST: Argument = Argument { name: "text", help: "What", required: false, kind: ArgumentKind::Rest };

    #[test]
    fn the_rest_keeps_its_lines_and_extra_words_are_given() {
        let spec = CommandSpec { name: "edit", arguments: &[WORD, REST], help: "Edit", audience: Audience::Chat };
        assert_eq!(spec.split("  p1   two\n lines  "), ["p1", "two\n lines"]);
        let spec = CommandSpec { name: "show", arguments: &[WORD], help: "Show", audience: Audience::Chat };
        assert_eq!(spec.split("p1 p2"), ["p1", "p2"]);
        assert!(spec.split(" ").is_empty());
    }
}
