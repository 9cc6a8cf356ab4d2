//! The example configuration, rendered from the settings' table and the registry. `deploy/trypost.env.example` is this
//! text; a test compares them.

use super::settings::{self, PARTS, SETTINGS};

/// The line width of the comments.
const WIDTH: usize = 100;

/// A commented `.env` with every setting: what it is for, its default, an example. What `trypost export config` prints.
pub fn export_config() -> String {
    let mut text = String::from(
        "# trypost's settings. Copy to .env beside where trypost starts, or give them as environment variables, which win.\n\
         # Everything is optional. Made by `trypost export config`.\n",
    );
    for (part, headline) in PARTS {
        text.push_str(&format!("\n# --- {headline} ---\n"));
        for setting in SETTINGS.iter().filter(|setting| setting.part == *part) {
            let secret = if setting.secret { " Secret." } else { "" };
            let default = setting.default.map(|default| format!(" Default: {default}.")).unwrap_or_default();
            text.push('\n');
            comment(&mut text, &format!("{}{default}{secret}", setting.help));
            text.push_str(&format!("#{}={}\n", setting.name, setting.example));
        }
    }
    text.push_str("\n# --- Platforms ---\n");
    text.push_str("\n# false takes a platform off the menus, whatever else is set. Default: true.\n");
    for (_, name) in settings::switches() {
        text.push_str(&format!("#{name}=false\n"));
    }
    text
}

/// Adds a comment, broken between words.
fn comment(text: &mut String, words: &str) {
    let mut line = String::from("#");
    for word in words.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}
