//! What Discord accepts as a list of commands. Pure functions over JSON. Source: "Application Commands" in Discord's
//! documentation.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::rules::{Faults, choices, list};
use super::wire::Refusal;

/// A whole list of commands.
///
/// # Errors
/// 50035 with all that is wrong.
pub(super) fn check_commands(commands: &Value) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    let commands = list(commands, "commands", &mut faults);
    let mut names = BTreeSet::new();
    for (kind, most) in [(1, 100), (2, 5), (3, 5)] {
        let count = commands.iter().filter(|command| command["type"].as_u64().unwrap_or(1) == kind).count();
        if count > most {
            faults.add("commands", "APPLICATION_COMMAND_TOO_MANY", format!("Maximum of {most} commands of this type"));
        }
    }
    for (index, command) in commands.iter().enumerate() {
        let at = index.to_string();
        let kind = command["type"].as_u64().unwrap_or(1);
        if !names.insert((kind, command["name"].to_string())) {
            let text = "Application command names must be unique";
            faults.add(&format!("{at}.name"), "APPLICATION_COMMANDS_DUPLICATE_NAME", text);
        }
        if kind == 1 {
            name_and_description(command, &at, &mut faults);
            check_options(&command["options"], &at, 0, &mut faults);
            if text_size(command) > 8000 {
                faults.add(&at, "APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (8000)");
            }
        } else {
            faults.length(&command["name"], &format!("{at}.name"), 1, 32);
            if command["description"].as_str().is_some_and(|text| !text.is_empty()) || !command["options"].is_null() {
                let text = "Context menu commands have neither description nor options";
                faults.add(&format!("{at}.description"), "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_INVALID", text);
            }
        }
    }
    faults.check()
}

fn name_and_description(value: &Value, at: &str, faults: &mut Faults) {
    static NAME: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[-_'\p{L}\p{N}\p{Devanagari}\p{Thai}]{1,32}$").ok());
    let name = value["name"].as_str().unwrap_or_default();
    if !NAME.as_ref().is_some_and(|pattern| pattern.is_match(name)) || name.to_lowercase() != name {
        let text = "Command name is invalid";
        faults.add(&format!("{at}.name"), "APPLICATION_COMMAND_INVALID_NAME", text);
    }
    faults.length(&value["description"], &format!("{at}.description"), 1, 100);
}

fn check_options(options: &Value, at: &str, depth: usize, faults: &mut Faults) {
    let items = list(options, &format!("{at}.options"), faults);
    faults.count(items.len(), &format!("{at}.options"), 0, 25);
    let mut names = BTreeSet::new();
    let mut optional_before = false;
    let nested = items.iter().filter(|option| matches!(option["type"].as_u64(), Some(1 | 2))).count();
    if nested > 0 && nested < items.len() {
        let text = "Sub-commands and sub-command groups can't stand beside other options";
        faults.add(&format!("{at}.options"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", text);
    }
    for (index, option) in items.iter().enumerate() {
        let at = format!("{at}.options.{index}");
        name_and_description(option, &at, faults);
        if !names.insert(option["name"].to_string()) {
            let text = "Option names must be unique";
            faults.add(&format!("{at}.name"), "APPLICATION_COMMAND_OPTIONS_NAME_INVALID", text);
        }
        match option["type"].as_u64() {
            Some(1 | 2) if depth < 2 => check_options(&option["options"], &at, depth + 1, faults),
            Some(3..=11) => {}
            _ => faults.add(&format!("{at}.type"), "BASE_TYPE_CHOICES", "Value must be one of {1..11}."),
        }
        let required = option["required"] == json!(true);
        if required && optional_before {
            let text = "Required options must be placed before non-required options";
            faults.add(&format!("{at}.required"), "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", text);
        }
        optional_before |= !required;
        choices(&option["choices"], &format!("{at}.choices"), faults);
        let listed = option["choices"].as_array().is_some_and(|choices| !choices.is_empty());
        if option["autocomplete"] == json!(true) && (listed || !matches!(option["type"].as_u64(), Some(3 | 4 | 10))) {
            let text = "autocomplete can't be set here";
            faults.add(&format!("{at}.autocomplete"), "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_INVALID", text);
        }
    }
}

/// "A command can have at most 8000 characters for its combined name, description, and value properties."
fn text_size(value: &Value) -> usize {
    let own = ["name", "description", "value"].iter().filter_map(|key| value[*key].as_str());
    let below = ["options", "choices"].iter().flat_map(|key| value[*key].as_array().into_iter().flatten());
    own.map(|text| text.encode_utf16().count()).sum::<usize>() + below.map(text_size).sum::<usize>()
}
