//! What the operator typed, taken apart: built-ins, numbers, commands, messages with files. It asks the disk whether a
//! path is a file and otherwise knows nothing: no cards, no handler.

use std::path::{Path, PathBuf};

use crate::model::FileRef;

/// One typed line.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// Nothing to do.
    Empty,
    /// Leave the console.
    Quit,
    /// `attach PATH…`
    Attach(Vec<String>),
    /// `open N`
    Open(Pick),
    /// `3`, `4.3`, `1 3`, `1,3`
    Numbers(Pick),
    /// `/name rest`
    Command {
        /// Lower case, without the slash.
        name: String,
        /// What follows.
        rest: String,
    },
    /// Anything else: files marked with `@`, then words.
    Message {
        /// Paths as typed, without the mark.
        files: Vec<String>,
        /// The words.
        text: String,
    },
}

/// Numbers of a card: the newest one, or the one named before the dot.
#[derive(Debug, PartialEq, Clone)]
pub(crate) struct Pick {
    /// The card's number, where it was typed.
    pub(crate) card: Option<u64>,
    /// The numbers, in the order typed.
    pub(crate) numbers: Vec<usize>,
}

/// Takes a line apart. A backslash in front makes anything a plain message.
pub(crate) fn parse(line: &str) -> Line {
    let line = line.trim();
    if line.is_empty() {
        return Line::Empty;
    }
    if let Some(text) = line.strip_prefix('\\') {
        return Line::Message { files: Vec::new(), text: text.to_owned() };
    }
    if line == "quit" || line == "exit" {
        return Line::Quit;
    }
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if first == "attach" && !rest.trim().is_empty() {
        return Line::Attach(words(rest));
    }
    if first == "open"
        && let Some(pick) = pick(rest)
    {
        return Line::Open(pick);
    }
    if let Some(pick) = pick(line) {
        return Line::Numbers(pick);
    }
    // A terminal pastes the path of a file that is dragged onto it; a command's name holds no second slash.
    let dragged = words(line);
    if dragged.first().is_some_and(|word| word.starts_with('/') && word[1..].contains('/'))
        && dragged.iter().all(|word| Path::new(word).is_file())
    {
        return Line::Message { files: dragged, text: String::new() };
    }
    if let Some(command) = line.strip_prefix('/') {
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        if !name.is_empty() {
            return Line::Command { name: name.to_lowercase(), rest: rest.trim().to_owned() };
        }
    }
    let (files, text) = marked_files(line);
    Line::Message { files, text }
}

/// `3`, `#4.3`, `1 3`, `1,3`; at most four digits each, so that a typed year or telephone number stays a message where
/// no such button exists.
fn pick(text: &str) -> Option<Pick> {
    let text = text.trim();
    let text = text.strip_prefix('#').unwrap_or(text);
    let (card, text) = match text.split_once('.') {
        Some((card, numbers)) => (Some(card.parse().ok()?), numbers),
        None => (None, text),
    };
    let numbers: Vec<usize> = text
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .map(|word| (word.len() <= 4 && word.bytes().all(|b| b.is_ascii_digit())).then(|| word.parse().ok()).flatten())
        .collect::<Option<_>>()?;
    (!numbers.is_empty()).then_some(Pick { card, numbers })
}

/// Leading words with `@` in front that name a file, or look like a path (`@/…`, `@./…`, `@~/…`); a mention such as
/// `@acme` stays text.
fn marked_files(line: &str) -> (Vec<String>, String) {
    let mut files = Vec::new();
    let mut rest = line;
    while let Some(marked) = rest.strip_prefix('@') {
        let (path, tail) = word(marked);
        let is_path =
            path.starts_with('/') || path.starts_with("./") || path.starts_with("../") || path.starts_with("~/");
        if path.is_empty() || !(is_path || Path::new(&path).is_file()) {
            break;
        }
        files.push(path);
        rest = tail.trim_start();
    }
    (files, rest.to_owned())
}

/// Splits at white space as a shell does: quotes and backslashes keep a path with spaces together.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (next, tail) = word(rest);
        words.push(next);
        rest = tail.trim_start();
    }
    words
}

/// The first word, and what follows it.
fn word(text: &str) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None | Some('"'), '\\') => word.extend(chars.next().map(|(_, next)| next)),
            (None, c) if c.is_whitespace() => return (word, &text[at..]),
            (_, c) => word.push(c),
        }
    }
    (word, "")
}

/// A file on this machine as the handler sees it, or a sentence on why it can't be sent. `~/` is `home`.
pub(crate) fn file(path: &str, home: Option<&Path>) -> Result<FileRef, String> {
    let expanded = match path.strip_prefix("~/").zip(home) {
        Some((rest, home)) => home.join(rest),
        None => PathBuf::from(path),
    };
    let full = std::path::absolute(expanded).map_err(|_| format!("{path} is not a path."))?;
    let meta = std::fs::metadata(&full).map_err(|why| format!("{path} can't be read: {}.", reason(&why)))?;
    if !meta.is_file() {
        return Err(format!("{path} is not a file."));
    }
    let Some(id) = full.to_str() else {
        return Err(format!("{path} has a name that is not UTF-8; rename it first."));
    };
    let name = full.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(FileRef { id: id.to_owned(), mime: None, name, size: Some(meta.len()), alt: None })
}

/// An I/O error in plain words.
pub(crate) fn reason(why: &std::io::Error) -> String {
    match why.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(card: Option<u64>, numbers: &[usize]) -> Line {
        Line::Numbers(Pick { card, numbers: numbers.to_vec() })
    }

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(parse("  "), Line::Empty);
        assert_eq!(parse("quit"), Line::Quit);
        assert_eq!(parse("3"), numbers(None, &[3]));
        assert_eq!(parse("1, 3 4"), numbers(None, &[1, 3, 4]));
        assert_eq!(parse("#4.2"), numbers(Some(4), &[2]));
        assert_eq!(parse("open 2"), Line::Open(Pick { card: None, numbers: vec![2] }));
        assert_eq!(parse("open the door"), Line::Message { files: vec![], text: "open the door".into() });
        assert_eq!(parse("\\3"), Line::Message { files: vec![], text: "3".into() });
        assert_eq!(parse("2026-11-27 09:00"), Line::Message { files: vec![], text: "2026-11-27 09:00".into() });
        assert_eq!(parse("/Connect  x y"), Line::Command { name: "connect".into(), rest: "x y".into() });
        assert_eq!(parse("/post"), Line::Command { name: "post".into(), rest: String::new() });
        assert_eq!(parse("@acme hello"), Line::Message { files: vec![], text: "@acme hello".into() });
        assert_eq!(
            parse("@/tmp/a @'/tmp/b c' @\"/tmp/d\" hi @/x"),
            Line::Message { files: vec!["/tmp/a".into(), "/tmp/b c".into(), "/tmp/d".into()], text: "hi @/x".into() }
        );
        assert_eq!(parse("attach a\\ b 'c d"), Line::Attach(vec!["a b".into(), "c d".into()]));
    }
}
