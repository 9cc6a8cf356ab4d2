//! Our messages and forms as Discord's request bodies, within its limits. Pure: no network, no interaction's state.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::markdown;
use crate::model::{Attachment, Button, Form, Message, Press, Select, Text};

/// Message flags (message object page).
const SUPPRESS_EMBEDS: u64 = 1 << 2;
pub(crate) const EPHEMERAL: u64 = 1 << 6;
const SUPPRESS_NOTIFICATIONS: u64 = 1 << 12;

/// Component limits (component reference): 5 rows of 5 buttons, a select menu takes a row.
const ROWS: usize = 5;
const ROW: usize = 5;
const LONGEST_LABEL: usize = 80;
const LONGEST_ID: usize = 100;
const LONGEST_URL: usize = 512;
/// A select menu's choices, and autocomplete's.
pub(crate) const CHOICES: usize = 25;
/// Files on one message.
const FILES: usize = 10;

/// One Discord message out of a message of ours.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    content: String,
    components: Vec<Value>,
    /// Files that go with it.
    pub(crate) files: Vec<Attachment>,
    silent: bool,
}

impl Part {
    /// The body that makes a new message.
    pub(crate) fn create(&self, private: bool) -> Value {
        let mut body = self.common();
        if !self.components.is_empty() {
            body.insert("components".to_owned(), self.components.clone().into());
        }
        if !self.files.is_empty() {
            body.insert("attachments".to_owned(), self.attachments());
        }
        // Discord's preview would fetch a link that works once.
        let mut flags = SUPPRESS_EMBEDS;
        if private {
            flags |= EPHEMERAL;
        }
        if self.silent {
            flags |= SUPPRESS_NOTIFICATIONS;
        }
        body.insert("flags".to_owned(), flags.into());
        body.into()
    }

    /// The body that replaces a message: what is left out of it would stay.
    pub(crate) fn replace(&self) -> Value {
        let mut body = self.common();
        body.insert("components".to_owned(), self.components.clone().into());
        body.insert("attachments".to_owned(), self.attachments());
        body.into()
    }

    fn common(&self) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("content".to_owned(), self.content.clone().into());
        body.insert("allowed_mentions".to_owned(), json!({"parse": []}));
        body
    }

    fn attachments(&self) -> Value {
        let attachments = self.files.iter().enumerate().map(|(index, file)| {
            let mut attachment = json!({"id": index, "filename": file.name});
            if let (Some(alt), Some(object)) = (&file.alt, attachment.as_object_mut()) {
                object.insert("description".to_owned(), cut(alt, 1024).into());
            }
            attachment
        });
        attachments.collect()
    }
}

/// A message as one or more of Discord's: a long text goes over several, files on the first, buttons on the last.
pub(crate) fn message(message: &Message) -> Vec<Part> {
    let mut parts: Vec<Part> = markdown::split(&message.text, markdown::LONGEST)
        .into_iter()
        .map(|content| Part { content, components: Vec::new(), files: Vec::new(), silent: message.silent })
        .collect();
    if message.media.len() > FILES {
        tracing::warn!(files = message.media.len(), "only the first {FILES} files fit on a Discord message");
    }
    if let Some(first) = parts.first_mut() {
        first.files = message.media.iter().take(FILES).cloned().collect();
    }
    if let Some(last) = parts.last_mut() {
        last.components = components(message);
    }
    parts
}

/// A short text as a message.
pub(crate) fn short(text: &str) -> Part {
    let content = markdown::split(&Text::from(cut(text, 200)), markdown::LONGEST).swap_remove(0);
    Part { content, components: Vec::new(), files: Vec::new(), silent: false }
}

fn components(message: &Message) -> Vec<Value> {
    let menu = message.select.as_ref().and_then(select);
    let space = ROWS - usize::from(menu.is_some());
    let mut known = HashSet::new();
    let rows: Vec<Vec<Value>> = message
        .rows
        .iter()
        .map(|row| row.iter().filter_map(|pressed| button(pressed, &mut known)).collect::<Vec<_>>())
        .filter(|row| !row.is_empty())
        .collect();
    let rows = balanced(rows, space);
    menu.into_iter().chain(rows.into_iter().map(|row| json!({"type": 1, "components": row}))).collect()
}

/// Rows as they were meant where they fit, else filled up from the first; what fits in no row is left out.
fn balanced(rows: Vec<Vec<Value>>, space: usize) -> Vec<Vec<Value>> {
    let wrapped: Vec<Vec<Value>> = rows.iter().flat_map(|row| row.chunks(ROW).map(<[Value]>::to_vec)).collect();
    if wrapped.len() <= space {
        return wrapped;
    }
    let all: Vec<Value> = rows.concat();
    if all.len() > space * ROW {
        tracing::warn!(buttons = all.len(), "only {} buttons fit on a Discord message", space * ROW);
    }
    all.chunks(ROW).take(space).map(<[Value]>::to_vec).collect()
}

fn button(button: &Button, known: &mut HashSet<String>) -> Option<Value> {
    let label = match cut(button.label.trim(), LONGEST_LABEL) {
        label if label.is_empty() => "…".to_owned(),
        label => label,
    };
    match &button.press {
        Press::Token(token) if token.is_empty() || token.chars().count() > LONGEST_ID => {
            tracing::error!(label, "a button's token does not fit Discord's 1 to 100 characters; it is left out");
            None
        }
        // Discord refuses a message with the same id twice.
        Press::Token(token) if !known.insert(token.clone()) => {
            tracing::error!(label, "two buttons of a message have the same token; the second is left out");
            None
        }
        Press::Token(token) => Some(json!({"type": 2, "style": 2, "label": label, "custom_id": token})),
        Press::Link(url) => {
            let fits = ["https://", "http://", "discord://"].iter().any(|scheme| url.starts_with(scheme));
            if !fits || url.len() > LONGEST_URL {
                tracing::error!(label, "a link button's address is not one that Discord takes; it is left out");
                return None;
            }
            Some(json!({"type": 2, "style": 5, "label": label, "url": url}))
        }
    }
}

fn select(menu: &Select) -> Option<Value> {
    let mut known = HashSet::new();
    let options: Vec<Value> = menu
        .choices
        .iter()
        .filter(|choice| !choice.value.is_empty() && choice.value.chars().count() <= 100)
        .filter(|choice| known.insert(choice.value.clone()))
        .take(CHOICES)
        .map(|choice| {
            let label = cut(choice.label.trim(), 100);
            let label = if label.is_empty() { "…".to_owned() } else { label };
            let mut option = json!({"label": label, "value": choice.value, "default": choice.picked});
            if let (Some(detail), Some(object)) = (choice.detail.as_deref(), option.as_object_mut()) {
                object.insert("description".to_owned(), cut(detail, 100).into());
            }
            option
        })
        .collect();
    if options.len() < menu.choices.len() {
        tracing::warn!(choices = menu.choices.len(), kept = options.len(), "choices left out of a Discord menu");
    }
    if options.is_empty() {
        return None;
    }
    let max = usize::from(menu.max).clamp(1, options.len());
    Some(json!({"type": 1, "components": [{
        "type": 3,
        "custom_id": cut(&menu.token, LONGEST_ID),
        "placeholder": cut(&menu.placeholder, 150),
        "min_values": usize::from(menu.min).min(max),
        "max_values": max,
        "options": options,
    }]}))
}

/// A form as a modal's data. `private` comes back with it: who may see the answer is not in Discord's modal.
pub(crate) fn modal(form: &Form, private: bool) -> Value {
    let rows: Vec<Value> = form
        .fields
        .iter()
        .take(5)
        .map(|field| {
            let mut input = json!({
                "type": 4,
                "custom_id": cut(&field.name, LONGEST_ID),
                "label": cut(&field.label, 45),
                "style": if field.long { 2 } else { 1 },
                "required": field.required,
            });
            if let Some(object) = input.as_object_mut() {
                for (name, value, longest) in [("placeholder", &field.placeholder, 100), ("value", &field.value, 4000)]
                {
                    if !value.is_empty() {
                        object.insert(name.to_owned(), cut(value, longest).into());
                    }
                }
            }
            json!({"type": 1, "components": [input]})
        })
        .collect();
    let mark = if private { PRIVATE_FORM } else { OPEN_FORM };
    json!({"custom_id": format!("{mark}{}", form.token), "title": cut(&form.title, 45), "components": rows})
}

const PRIVATE_FORM: &str = "p:";
const OPEN_FORM: &str = "o:";

/// The form's token, and whether its answer is for the asker alone.
pub(crate) fn modal_token(custom_id: &str) -> (&str, bool) {
    match custom_id.strip_prefix(PRIVATE_FORM) {
        Some(token) => (token, true),
        None => (custom_id.strip_prefix(OPEN_FORM).unwrap_or(custom_id), false),
    }
}

/// At most `longest` characters, the last an ellipsis where something was cut.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    if markdown::length(text) <= longest {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut count = 1;
    for c in text.chars() {
        count += c.len_utf16();
        if count > longest {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Choice;

    fn buttons(count: usize) -> Vec<Button> {
        (0..count).map(|n| Button::press(format!("b{n}"), format!("t{n}"))).collect()
    }

    fn shape(message: &Message) -> Vec<usize> {
        components(message).iter().map(|row| row["components"].as_array().unwrap().len()).collect()
    }

    #[test]
    fn buttons_keep_their_rows_or_are_filled_up() {
        let rows = |lengths: &[usize]| {
            let mut all = buttons(lengths.iter().sum()).into_iter();
            Message { rows: lengths.iter().map(|n| all.by_ref().take(*n).collect()).collect(), ..Message::default() }
        };
        assert_eq!(shape(&rows(&[2, 1])), [2, 1]);
        assert_eq!(shape(&rows(&[7, 1])), [5, 2, 1]);
        assert_eq!(shape(&rows(&[1; 14])), [5, 5, 4]);
        assert_eq!(shape(&rows(&[9, 9, 9])), [5, 5, 5, 5, 5]);
        let menu = |choices| Select {
            token: "m".into(),
            placeholder: "p".into(),
            min: 3,
            max: 9,
            choices: (0..choices)
                .map(|n| Choice { label: "l".repeat(120), value: format!("v{n}"), detail: None, picked: n == 1 })
                .collect(),
        };
        assert_eq!(shape(&Message { select: Some(menu(2)), ..rows(&[5; 5]) }), [1, 5, 5, 5, 5]);
        let drawn = select(&menu(30)).unwrap();
        assert_eq!(drawn["components"][0]["options"].as_array().unwrap().len(), 25);
        let drawn = select(&menu(2)).unwrap();
        assert_eq!(
            (&drawn["components"][0]["min_values"], &drawn["components"][0]["max_values"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(drawn["components"][0]["options"][0]["label"].as_str().unwrap().chars().count(), 100);
        assert!(select(&menu(0)).is_none());
    }

    #[test]
    fn what_discord_would_refuse_is_left_out() {
        let message = Message::text("x").row([
            Button::press("twice", "t"),
            Button::press("twice", "t"),
            Button::press("long", "t".repeat(101)),
            Button::link("js", "javascript:alert(1)"),
            Button::link("loopback", "http://127.0.0.1:8080/connect/x"),
            Button::press("", "u"),
        ]);
        let drawn = components(&message);
        let labels: Vec<&str> =
            drawn[0]["components"].as_array().unwrap().iter().map(|b| b["label"].as_str().unwrap()).collect();
        assert_eq!(labels, ["twice", "loopback", "…"]);
    }

    #[test]
    fn a_long_message_has_files_first_and_buttons_last() {
        let text = format!("{}\n{}", "a".repeat(1500), "b".repeat(1500));
        let file =
            Attachment { name: "p.png".into(), mime: "image/png".into(), path: "p".into(), alt: Some("A".into()) };
        let mut whole = Message::text(text).row(buttons(1));
        whole.media.push(file);
        whole.silent = true;
        let parts = message(&whole);
        assert_eq!(parts.len(), 2);
        let (first, last) = (parts[0].create(true), parts[1].create(false));
        assert_eq!(first["attachments"], json!([{"id": 0, "filename": "p.png", "description": "A"}]));
        assert_eq!(first["flags"], json!(SUPPRESS_EMBEDS | EPHEMERAL | SUPPRESS_NOTIFICATIONS));
        assert!(first.get("components").is_none() && last.get("attachments").is_none());
        assert_eq!(last["components"][0]["components"][0]["custom_id"], "t0");
        assert_eq!(last["allowed_mentions"], json!({"parse": []}));
        let replaced = parts[1].replace();
        assert_eq!((&replaced["attachments"], replaced.get("flags")), (&json!([]), None));
        assert_eq!(message(&Message::text("x"))[0].replace()["components"], json!([]));
    }
}
