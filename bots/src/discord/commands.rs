//! The command catalogue as Discord's slash commands, sent only when it changed. It knows no command by name but the
//! one behind "Post this".

use serde_json::{Value, json};

use super::draw::cut;
use super::rest::{Rest, Trouble};
use crate::command::{ArgumentKind, CommandSpec};

/// The message command that hands somebody's message to `/post`.
pub(crate) const POST_THIS: &str = "Post this";
/// The command that it stands for.
pub(crate) const POST: &str = "post";
/// A command with a text of this name takes files too.
const TEXT: &str = "text";
/// The names of the file options.
pub(crate) const FILES: [&str; 4] = ["image1", "image2", "image3", "image4"];

/// Option types (application command page).
const STRING: u64 = 3;
const ATTACHMENT: u64 = 11;

/// All commands as Discord wants them.
pub(crate) fn drawn(commands: &[CommandSpec]) -> Vec<Value> {
    let mut all: Vec<Value> = commands.iter().map(command).collect();
    if commands.iter().any(|spec| spec.name == POST) {
        all.push(json!({"type": 3, "name": POST_THIS, "contexts": [0, 1]}));
    }
    all
}

fn command(spec: &CommandSpec) -> Value {
    let mut options: Vec<Value> = spec
        .arguments
        .iter()
        .map(|argument| {
            let mut option = json!({
                "type": STRING,
                "name": argument.name,
                "description": cut(argument.help, 100),
                "required": argument.required,
            });
            if let Some(option) = option.as_object_mut() {
                match argument.kind {
                    ArgumentKind::Word => {
                        option.insert("autocomplete".to_owned(), true.into());
                    }
                    ArgumentKind::Choice(values) => {
                        let choices = values.iter().map(|value| json!({"name": value, "value": value}));
                        option.insert("choices".to_owned(), choices.collect());
                    }
                    ArgumentKind::Rest => {}
                }
            }
            option
        })
        .collect();
    // Discord refuses a required option after an optional one.
    options.sort_by_key(|option| option["required"] != true);
    if takes_files(spec) {
        options.extend(FILES.iter().map(
            |name| json!({"type": ATTACHMENT, "name": name, "description": "A picture or video", "required": false}),
        ));
    }
    // Contexts 0 and 1: servers, and the direct chat with the bot.
    json!({"type": 1, "name": spec.name, "description": cut(spec.help, 100), "options": options, "contexts": [0, 1]})
}

fn takes_files(spec: &CommandSpec) -> bool {
    spec.arguments.iter().any(|argument| argument.name == TEXT && argument.kind == ArgumentKind::Rest)
}

/// What makes two commands the same, whatever else Discord adds to its own.
fn essence(command: &Value) -> Value {
    let options = command["options"].as_array().map(Vec::as_slice).unwrap_or_default();
    let options: Vec<Value> = options
        .iter()
        .map(|option| {
            json!({
                "type": option["type"],
                "name": option["name"],
                "description": option["description"],
                "required": option["required"] == true,
                "autocomplete": option["autocomplete"] == true,
                "choices": option["choices"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
                    .map(|choice| choice["value"].clone()).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "type": command["type"].as_u64().unwrap_or(1),
        "name": command["name"],
        "description": command["description"].as_str().unwrap_or_default(),
        "contexts": command["contexts"],
        "options": options,
    })
}

/// Replaces the application's commands where they differ: Discord counts every command made, 200 a day.
pub(crate) async fn register(rest: &Rest, application: &str, commands: &[CommandSpec]) -> Result<(), Trouble> {
    let route = format!("/applications/{application}/commands");
    let there = rest.get(&route).await?;
    let wanted = drawn(commands);
    let sorted = |commands: &[Value]| {
        let mut all: Vec<String> = commands.iter().map(|command| essence(command).to_string()).collect();
        all.sort();
        all
    };
    if there.as_array().is_some_and(|there| sorted(there) == sorted(&wanted)) {
        return Ok(());
    }
    rest.put(&route, &Value::from(wanted)).await?;
    tracing::info!(commands = commands.len(), "registered the commands with Discord");
    Ok(())
}
