//! What Discord accepts in a message, a form, a list of suggestions: limits and shapes. Pure functions over JSON; it knows
//! no channel. Sources: "Message", "Components reference" in Discord's documentation, and its
//! OpenAPI description.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::wire::Refusal;

/// Collects what is wrong, by path, as Discord reports it.
#[derive(Default)]
pub(super) struct Faults(Vec<(String, &'static str, String)>);

impl Faults {
    pub(super) fn add(&mut self, path: &str, code: &'static str, message: impl Into<String>) {
        self.0.push((path.to_owned(), code, message.into()));
    }

    /// The length of a text, in UTF-16 units: never less than Discord's own count.
    pub(super) fn length(&mut self, value: &Value, path: &str, least: usize, most: usize) {
        let text = match value {
            Value::Null if least == 0 => return,
            Value::Null => return self.add(path, "BASE_TYPE_REQUIRED", "This field is required"),
            Value::String(text) => text,
            _ => return self.add(path, "STRING_TYPE_CONVERT", "Could not interpret value as string."),
        };
        let length = text.encode_utf16().count();
        if length > most {
            self.add(path, "BASE_TYPE_MAX_LENGTH", format!("Must be {most} or fewer in length."));
        }
        if length < least {
            self.add(path, "BASE_TYPE_MIN_LENGTH", format!("Must be {least} or more in length."));
        }
    }

    pub(super) fn count(&mut self, length: usize, path: &str, least: usize, most: usize) {
        if length > most || length < least {
            let text = format!("Must be between {least} and {most} in length.");
            self.add(path, "BASE_TYPE_BAD_LENGTH", text);
        }
    }

    /// 400 with code 50035 when anything was wrong.
    pub(super) fn check(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut errors = json!({});
        for (path, code, message) in &self.0 {
            let mut place = &mut errors;
            for step in path.split('.') {
                place = &mut place[step];
            }
            place["_errors"] = json!([{ "code": code, "message": message }]);
        }
        let words: Vec<String> = self.0.iter().map(|(path, code, _)| format!("{path}: {code}")).collect();
        let mut refusal = Refusal::mistake(400, 50035, "Invalid Form Body");
        refusal.detail = words.join(", ");
        refusal.errors = Some(errors);
        Err(refusal)
    }
}

pub(super) fn list<'a>(value: &'a Value, path: &str, faults: &mut Faults) -> &'a [Value] {
    match value {
        Value::Null => &[],
        Value::Array(items) => items,
        _ => {
            faults.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType");
            &[]
        }
    }
}

/// Message flags that a bot may set: no link previews, only for one, silent.
const SETTABLE: u64 = (1 << 2) | (1 << 6) | (1 << 12);

/// A message to send or an edit of one.
///
/// # Errors
/// 50035 with all that is wrong.
pub(super) fn check_message(body: &Value, interaction: bool) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    if !body.is_object() {
        faults.add("body", "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType");
        return faults.check();
    }
    faults.length(&body["content"], "content", 0, 2000);
    let embeds = list(&body["embeds"], "embeds", &mut faults);
    check_embeds(embeds, &mut faults);
    let rows = list(&body["components"], "components", &mut faults);
    check_components(rows, &mut faults);
    check_mentions(&body["allowed_mentions"], &mut faults);
    match &body["nonce"] {
        Value::Null | Value::Number(_) => {}
        nonce => faults.length(nonce, "nonce", 0, 25),
    }
    if body["enforce_nonce"] == json!(true) && body["nonce"].is_null() {
        faults.add("nonce", "BASE_TYPE_REQUIRED", "This field is required with enforce_nonce");
    }
    let settable = if interaction { SETTABLE } else { SETTABLE & !super::state::EPHEMERAL };
    match &body["flags"] {
        Value::Null => {}
        flags if flags.as_u64().is_some_and(|flags| flags & !settable == 0) => {}
        _ => faults.add("flags", "MESSAGE_FLAGS_INVALID", "These flags can't be set here"),
    }
    for (index, attachment) in list(&body["attachments"], "attachments", &mut faults).iter().enumerate() {
        faults.length(&attachment["description"], &format!("attachments.{index}.description"), 0, 1024);
        if attachment["id"].is_null() {
            faults.add(&format!("attachments.{index}.id"), "BASE_TYPE_REQUIRED", "This field is required");
        }
    }
    faults.check()
}

fn check_embeds(embeds: &[Value], faults: &mut Faults) {
    faults.count(embeds.len(), "embeds", 0, 10);
    let size = |value: &Value| value.as_str().map_or(0, |text| text.encode_utf16().count());
    let mut total = 0;
    for (index, embed) in embeds.iter().enumerate() {
        let at = |name: &str| format!("embeds.{index}.{name}");
        let limits = [
            (&embed["title"], "title", 256),
            (&embed["description"], "description", 4096),
            (&embed["url"], "url", 2048),
            (&embed["footer"]["text"], "footer", 2048),
            (&embed["author"]["name"], "author", 256),
        ];
        for (value, name, most) in limits {
            faults.length(value, &at(name), 0, most);
            total += if name == "url" { 0 } else { size(value) };
        }
        match &embed["color"] {
            Value::Null => {}
            color if color.as_u64().is_some_and(|color| color <= 0xff_ffff) => {}
            _ => faults.add(&at("color"), "NUMBER_TYPE_MAX", "int value should be less than or equal to 16777215."),
        }
        for (name, url) in [("url", &embed["url"]), ("image", &embed["image"]["url"])] {
            let schemes = ["http://", "https://", "attachment://"];
            if url.as_str().is_some_and(|url| !schemes.iter().any(|scheme| url.starts_with(scheme))) {
                faults.add(&at(name), "URL_TYPE_INVALID_SCHEME", "Scheme must be one of http, https.");
            }
        }
        let fields = list(&embed["fields"], &at("fields"), faults);
        faults.count(fields.len(), &at("fields"), 0, 25);
        for (number, field) in fields.iter().enumerate() {
            faults.length(&field["name"], &at(&format!("fields.{number}.name")), 1, 256);
            faults.length(&field["value"], &at(&format!("fields.{number}.value")), 1, 1024);
            total += size(&field["name"]) + size(&field["value"]);
        }
    }
    if total > 6000 {
        faults.add("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000");
    }
}

fn check_components(rows: &[Value], faults: &mut Faults) {
    faults.count(rows.len(), "components", 0, 5);
    let mut ids = BTreeSet::new();
    for (index, row) in rows.iter().enumerate() {
        let at = |name: &str| format!("components.{index}{name}");
        if row["type"] != json!(1) {
            faults.add(&at(".type"), "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (1,).");
            continue;
        }
        let parts = list(&row["components"], &at(".components"), faults);
        let menu = parts.iter().any(|part| part["type"] != json!(2));
        faults.count(parts.len(), &at(".components"), 1, if menu { 1 } else { 5 });
        for (number, part) in parts.iter().enumerate() {
            let place = at(&format!(".components.{number}"));
            check_part(part, &place, faults);
            if let Some(id) = part["custom_id"].as_str()
                && !ids.insert(id.to_owned())
            {
                let text = "Component custom id cannot be duplicated";
                faults.add(&format!("{place}.custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", text);
            }
        }
    }
}

fn check_part(part: &Value, place: &str, faults: &mut Faults) {
    let at = |name: &str| format!("{place}.{name}");
    match part["type"].as_u64() {
        Some(2) => {
            faults.length(&part["label"], &at("label"), 0, 80);
            if part["label"].as_str().is_none_or(str::is_empty) && part["emoji"].is_null() {
                faults.add(&at("label"), "BUTTON_COMPONENT_LABEL_REQUIRED", "A button needs a label or an emoji");
            }
            match part["style"].as_u64() {
                Some(1..=4) => {
                    faults.length(&part["custom_id"], &at("custom_id"), 1, 100);
                    if !part["url"].is_null() {
                        faults.add(&at("url"), "BUTTON_COMPONENT_URL_UNEXPECTED", "Only link buttons have a URL");
                    }
                }
                Some(5) => {
                    faults.length(&part["url"], &at("url"), 1, 512);
                    if !part["custom_id"].is_null() {
                        let text = "A link button has no custom id";
                        faults.add(&at("custom_id"), "BUTTON_COMPONENT_CUSTOM_ID_UNEXPECTED", text);
                    }
                    let schemes = ["http://", "https://", "discord://"];
                    if part["url"].as_str().is_some_and(|url| !schemes.iter().any(|scheme| url.starts_with(scheme))) {
                        let text = "Scheme must be one of http, https, discord.";
                        faults.add(&at("url"), "URL_TYPE_INVALID_SCHEME", text);
                    }
                }
                _ => faults.add(&at("style"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2, 3, 4, 5}."),
            }
        }
        Some(kind @ (3 | 5..=8)) => {
            faults.length(&part["custom_id"], &at("custom_id"), 1, 100);
            faults.length(&part["placeholder"], &at("placeholder"), 0, 150);
            let options = list(&part["options"], &at("options"), faults);
            if kind == 3 {
                faults.count(options.len(), &at("options"), 1, 25);
            }
            let mut values = BTreeSet::new();
            for (number, option) in options.iter().enumerate() {
                for (name, least) in [("label", 1), ("value", 1), ("description", 0)] {
                    faults.length(&option[name], &at(&format!("options.{number}.{name}")), least, 100);
                }
                if !values.insert(option["value"].to_string()) {
                    let text = "The specified option value is already used";
                    faults.add(
                        &at(&format!("options.{number}.value")),
                        "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
                        text,
                    );
                }
            }
            let (least, most) = (part["min_values"].as_u64().unwrap_or(1), part["max_values"].as_u64().unwrap_or(1));
            let available = if kind == 3 { options.len() as u64 } else { 25 };
            if least > most || most > available || most == 0 {
                faults.add(&at("max_values"), "SELECT_COMPONENT_MAX_VALUES_INVALID", "Impossible number of choices");
            }
            let chosen = options.iter().filter(|option| option["default"] == json!(true)).count() as u64;
            if chosen > most {
                faults.add(&at("options"), "SELECT_COMPONENT_TOO_MANY_DEFAULT_VALUES", "Too many defaults");
            }
        }
        _ => faults.add(&at("type"), "UNION_TYPE_CHOICES", "Value must be one of (2, 3, 5, 6, 7, 8)."),
    }
}

fn check_mentions(mentions: &Value, faults: &mut Faults) {
    if mentions.is_null() {
        return;
    }
    let parse = list(&mentions["parse"], "allowed_mentions.parse", faults);
    for (index, kind) in parse.iter().enumerate() {
        if !["roles", "users", "everyone"].contains(&kind.as_str().unwrap_or_default()) {
            let text = "Value must be one of {'users', 'roles', 'everyone'}.";
            faults.add(&format!("allowed_mentions.parse.{index}"), "BASE_TYPE_CHOICES", text);
        }
    }
    for kind in ["users", "roles"] {
        let path = format!("allowed_mentions.{kind}");
        let ids = list(&mentions[kind], &path, faults);
        faults.count(ids.len(), &path, 0, 100);
        if !ids.is_empty() && parse.contains(&json!(kind)) {
            let text = format!("parse:[\"{kind}\"] and {kind}: [ids...] are mutually exclusive.");
            faults.add("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", text);
        }
    }
}

/// The text inputs of a form, from either form of wrapping: an action row, or a label.
pub(super) fn form_fields(data: &Value) -> Vec<Value> {
    let rows = data["components"].as_array().cloned().unwrap_or_default();
    rows.iter()
        .filter_map(|row| match row["type"].as_u64() {
            Some(1) => row["components"].as_array()?.first().cloned(),
            Some(18) => {
                let mut field = row["component"].clone();
                field["label"] = row["label"].clone();
                Some(field)
            }
            _ => None,
        })
        .collect()
}

/// A form (interaction answer of type 9).
///
/// # Errors
/// 50035 with all that is wrong.
pub(super) fn check_form(data: &Value) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    faults.length(&data["custom_id"], "data.custom_id", 1, 100);
    faults.length(&data["title"], "data.title", 1, 45);
    let rows = list(&data["components"], "data.components", &mut faults);
    faults.count(rows.len(), "data.components", 1, 5);
    let fields = form_fields(data);
    if fields.len() != rows.len() {
        faults.add("data.components", "UNION_TYPE_CHOICES", "Each row of a form holds one text input");
    }
    let mut ids = BTreeSet::new();
    for (index, field) in fields.iter().enumerate() {
        let at = |name: &str| format!("data.components.{index}.{name}");
        if field["type"] != json!(4) {
            faults.add(&at("type"), "UNION_TYPE_CHOICES", "This emulator takes text inputs only");
        }
        faults.length(&field["custom_id"], &at("custom_id"), 1, 100);
        faults.length(&field["label"], &at("label"), 1, 45);
        faults.length(&field["placeholder"], &at("placeholder"), 0, 100);
        faults.length(&field["value"], &at("value"), 0, 4000);
        if !matches!(field["style"].as_u64(), Some(1 | 2)) {
            faults.add(&at("style"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2}.");
        }
        let (least, most) = (field["min_length"].as_u64().unwrap_or(0), field["max_length"].as_u64().unwrap_or(4000));
        if least > most || most > 4000 || most == 0 {
            faults.add(&at("max_length"), "NUMBER_TYPE_MAX", "Impossible length");
        }
        if !ids.insert(field["custom_id"].to_string()) {
            faults.add(&at("custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated");
        }
    }
    faults.check()
}

/// Suggestions (interaction answer of type 8).
///
/// # Errors
/// 50035 with all that is wrong.
pub(super) fn check_choices(data: &Value) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    choices(&data["choices"], "data.choices", &mut faults);
    faults.check()
}

pub(super) fn choices(value: &Value, path: &str, faults: &mut Faults) {
    let items = list(value, path, faults);
    faults.count(items.len(), path, 0, 25);
    for (index, choice) in items.iter().enumerate() {
        faults.length(&choice["name"], &format!("{path}.{index}.name"), 1, 100);
        if choice["value"].is_string() {
            faults.length(&choice["value"], &format!("{path}.{index}.value"), 1, 100);
        } else if !choice["value"].is_number() {
            faults.add(&format!("{path}.{index}.value"), "BASE_TYPE_REQUIRED", "This field is required");
        }
    }
}
