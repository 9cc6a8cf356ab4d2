//! Just enough of Rust's lexis to read a file's paths and string literals without its comments, and without its unit
//! tests.

/// What a source file says to the compiler.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The code, each comment and string literal as one blank, lines kept.
    pub text: String,
    /// The string literals with their line, as written (escapes and all).
    pub strings: Vec<(usize, String)>,
}

/// Reads a file up to its unit tests: a `#[cfg(test)]` at the start of a line followed by an inline `mod`.
pub fn read(source: &str) -> Code {
    let chars: Vec<char> = source.chars().collect();
    let mut code = Code::default();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let end = match &chars[at..] {
            ['/', '/', ..] => at + until(&chars[at..], "\n"),
            ['/', '*', ..] => comment(&chars, at),
            ['"', ..] => string(&chars, at, &mut code, line),
            ['r', '"' | '#', ..] if !word(&chars, at) => raw(&chars, at, &mut code, line).unwrap_or(at),
            ['\'', '\\', ..] => at + 3 + until(&chars[at + 3..], "'") + 1,
            ['\'', _, '\'', ..] => at + 3,
            _ => at,
        };
        if end > at {
            let skipped = &chars[at..end.min(chars.len())];
            let lines = skipped.iter().filter(|c| **c == '\n').count();
            code.text.push(' ');
            code.text.extend(std::iter::repeat_n('\n', lines));
            line += lines;
            at = end;
        } else {
            line += usize::from(chars[at] == '\n');
            code.text.push(chars[at]);
            at += 1;
        }
    }
    let tests = code.text.match_indices("\n#[cfg(test)]\n").map(|(start, _)| start);
    let inline = |start: &usize| code.text[start + 14..].lines().next().is_some_and(|line| line.ends_with('{'));
    if let Some(start) = tests.into_iter().find(inline) {
        code.text.truncate(start + 1);
        let lines = code.text.lines().count();
        code.strings.retain(|(line, _)| *line <= lines);
    }
    code
}

/// Whether the character before belongs to a word, so that `r` is no prefix.
fn word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn until(chars: &[char], end: &str) -> usize {
    let end: Vec<char> = end.chars().collect();
    chars.windows(end.len()).position(|window| window == end).unwrap_or(chars.len())
}

fn comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < chars.len() {
        match &chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(chars: &[char], start: usize, code: &mut Code, line: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += 1 + usize::from(chars[at] == '\\');
    }
    code.strings.push((line, chars[start + 1..at.min(chars.len())].iter().collect()));
    at + 1
}

fn raw(chars: &[char], start: usize, code: &mut Code, line: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    // r#name is no string.
    (chars.get(open) == Some(&'"')).then_some(())?;
    let length = until(&chars[open + 1..], &format!("\"{}", "#".repeat(hashes)));
    code.strings.push((line, chars[open + 1..open + 1 + length].iter().collect()));
    Some(open + 1 + length + 1 + hashes)
}

#[test]
fn comments_strings_and_unit_tests_are_told_apart() {
    let source = "use a::b; // crate::c\n/* crate::d /* nested */ */ let s = \"crate::e \\\" f\";\n\
                  let r = r#\"g \" h\"#; let c = '\"'; let q: &'static str = \"i\"; let e = '\\''; r#type();\n\
                  \n#[cfg(test)]\nmod tests;\n\n#[cfg(test)]\nmod more {\n    \"j\"\n}\n";
    let code = read(source);
    let strings: Vec<_> = code.strings.iter().map(|(line, text)| (*line, text.as_str())).collect();
    assert_eq!(strings, [(2, "crate::e \\\" f"), (3, "g \" h"), (3, "i")]);
    assert!(code.text.contains("use a::b;") && code.text.contains("mod tests;") && code.text.contains("r#type()"));
    assert!(!code.text.contains("crate") && !code.text.contains("mod more"), "{}", code.text);
}
