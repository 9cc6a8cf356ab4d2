//! Text with entities and keyboards, checked by the Bot API server's rules: the HTML dialect, entity bounds in UTF-16
//! units, inline keyboards. Pure functions; it knows no chat. Source: "Formatting options" and "InlineKeyboardButton" of
//! the Bot API page; the error texts are the server's (tdlib, MessageEntity.cpp).

use regex::Regex;
use serde_json::{Value, json};
use std::sync::LazyLock;

use super::state::{Button, ButtonKind, Entity};
use super::wire::Refusal;

/// The largest number of buttons in one keyboard.
const MAX_BUTTONS: usize = 100;

/// How many UTF-16 units `text` has: the unit of every offset and limit here.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Tags that make an entity, by the entity's type.
const TAGS: &[(&str, &str)] = &[
    ("b", "bold"),
    ("strong", "bold"),
    ("i", "italic"),
    ("em", "italic"),
    ("u", "underline"),
    ("ins", "underline"),
    ("s", "strikethrough"),
    ("strike", "strikethrough"),
    ("del", "strikethrough"),
    ("tg-spoiler", "spoiler"),
    ("span", "spoiler"),
    ("a", "text_link"),
    ("code", "code"),
    ("pre", "pre"),
    ("blockquote", "blockquote"),
    ("tg-emoji", "custom_emoji"),
];

struct Open {
    tag: String,
    kind: &'static str,
    attribute: Option<String>,
    expandable: bool,
    offset: usize,
    byte: usize,
}

fn unparsable(what: String) -> Refusal {
    Refusal::mistake(400, format!("Bad Request: can't parse entities: {what}"))
}

/// Parses the Bot API's HTML into plain text and entities.
///
/// # Errors
/// 400 `can't parse entities: …` for what the server can't parse.
pub(super) fn parse_html(source: &str) -> Result<(String, Vec<Entity>), Refusal> {
    let mut text = String::new();
    let mut offset = 0;
    let mut open: Vec<Open> = Vec::new();
    let mut done: Vec<Entity> = Vec::new();
    let mut at = 0;
    while let Some(next) = source.get(at..).and_then(|rest| rest.chars().next()) {
        if next == '&'
            && let Some((decoded, length)) = reference(&source[at..])
        {
            text.push(decoded);
            offset += decoded.len_utf16();
            at += length;
            continue;
        }
        if next != '<' {
            text.push(next);
            offset += next.len_utf16();
            at += next.len_utf8();
            continue;
        }
        let Some(length) = source[at..].find('>') else {
            return Err(unparsable(format!("Unclosed start tag at byte offset {at}")));
        };
        let inside = &source[at + 1..at + length];
        if let Some(name) = inside.strip_prefix('/') {
            let name = name.trim().to_lowercase();
            let Some(started) = open.pop() else {
                return Err(unparsable(format!("Unexpected end tag at byte offset {at}")));
            };
            if !name.is_empty() && name != started.tag {
                let expected = &started.tag;
                return Err(unparsable(format!(
                    "Unmatched end tag at byte offset {at}, expected \"</{expected}>\", found \"</{name}>\""
                )));
            }
            close(started, offset, &mut done);
        } else {
            open.push(start(inside, offset, at)?);
        }
        at += length + 1;
    }
    if let Some(started) = open.pop() {
        return Err(unparsable(format!(
            "Can't find end tag corresponding to start tag \"{}\" at byte offset {}",
            started.tag, started.byte
        )));
    }
    done.sort_by_key(|entity| (entity.offset, std::cmp::Reverse(entity.length)));
    Ok((text, done))
}

fn start(inside: &str, offset: usize, byte: usize) -> Result<Open, Refusal> {
    static ATTRIBUTE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"([A-Za-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))"#).ok());
    let tag = inside.split(|c: char| c.is_whitespace()).next().unwrap_or_default().to_lowercase();
    let Some((_, kind)) = TAGS.iter().find(|(name, _)| *name == tag) else {
        return Err(unparsable(format!("Unsupported start tag \"{tag}\" at byte offset {byte}")));
    };
    let attribute = |wanted: &str| {
        let pattern = ATTRIBUTE.as_ref()?;
        pattern
            .captures_iter(inside)
            .find(|found| found[1].eq_ignore_ascii_case(wanted))
            .and_then(|found| (2..=4).find_map(|group| found.get(group)).map(|value| unescape(value.as_str())))
    };
    let attribute = match tag.as_str() {
        "a" => attribute("href"),
        "code" => attribute("class").and_then(|class| class.strip_prefix("language-").map(str::to_owned)),
        "tg-emoji" => attribute("emoji-id"),
        "span" if attribute("class").as_deref() != Some("tg-spoiler") => {
            return Err(unparsable(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {byte}")));
        }
        _ => None,
    };
    let expandable = tag == "blockquote" && inside.split_whitespace().any(|word| word.starts_with("expandable"));
    Ok(Open { tag, kind, attribute, expandable, offset, byte })
}

fn close(started: Open, end: usize, done: &mut Vec<Entity>) {
    let length = end - started.offset;
    if length == 0 {
        return;
    }
    let mut entity = Entity { kind: started.kind.to_owned(), offset: started.offset, length, detail: None };
    match started.kind {
        // A link without a usable address stays plain text, and tg://user?id= is a mention by id.
        "text_link" => match started.attribute.as_deref().and_then(link) {
            Some(url) => entity.detail = Some(url),
            None => return,
        },
        "custom_emoji" => entity.detail = started.attribute,
        "blockquote" if started.expandable => entity.kind = "expandable_blockquote".to_owned(),
        "code" => {
            entity.detail = started.attribute;
        }
        "pre" => {
            // <pre><code class="language-x"> is one entity with a language.
            let same =
                |inner: &Entity| inner.kind == "code" && inner.offset == entity.offset && inner.length == entity.length;
            if let Some(index) = done.iter().position(same) {
                entity.detail = done.remove(index).detail;
            }
        }
        _ => {}
    }
    done.push(entity);
}

/// A link's address as the server keeps it; `None` when it is no link.
fn link(address: &str) -> Option<String> {
    let full = if address.contains(':') { address.to_owned() } else { format!("http://{address}") };
    let url = url::Url::parse(&full).ok()?;
    (matches!(url.scheme(), "http" | "https") && has_dot(&url) || url.scheme() == "tg").then(|| url.to_string())
}

fn has_dot(url: &url::Url) -> bool {
    url.host_str().is_some_and(|host| host.contains('.') || host.contains(':'))
}

fn reference(source: &str) -> Option<(char, usize)> {
    let end = source.find(';').filter(|end| *end <= 10)?;
    let name = &source[1..end];
    let decoded = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| *c != '\0')?
        }
    };
    Some((decoded, end + 1))
}

fn unescape(source: &str) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let length = match (next, reference(rest)) {
            ('&', Some((decoded, length))) => {
                out.push(decoded);
                length
            }
            _ => {
                out.push(next);
                next.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out
}

/// Reads an `entities` array against its text.
///
/// # Errors
/// 400 when an entity lies outside the text or cuts a character in two.
pub(super) fn read_entities(text: &str, list: &Value) -> Result<Vec<Entity>, Refusal> {
    let Some(list) = list.as_array() else {
        return Err(Refusal::mistake(400, "Bad Request: can't parse message entities: expected an Array"));
    };
    let encoded: Vec<u16> = text.encode_utf16().collect();
    let cuts = |index: usize| encoded.get(index).is_some_and(|unit| (0xDC00..0xE000).contains(unit));
    let mut entities = Vec::new();
    for item in list {
        let kind = item["type"].as_str().unwrap_or_default();
        let (offset, length) = (item["offset"].as_i64().unwrap_or(-1), item["length"].as_i64().unwrap_or(-1));
        let (Ok(offset), Ok(length)) = (usize::try_from(offset), usize::try_from(length)) else {
            return Err(Refusal::mistake(400, "Bad Request: can't parse MessageEntity: wrong offset or length"));
        };
        if kind.is_empty() {
            return Err(Refusal::mistake(400, "Bad Request: can't parse MessageEntity: type must be non-empty"));
        }
        if offset + length > encoded.len() {
            return Err(Refusal::mistake(
                400,
                format!(
                    "Bad Request: entity beginning at UTF-16 offset {offset} ends after the end of the text at UTF-16 \
                     offset {}",
                    encoded.len()
                ),
            ));
        }
        if cuts(offset) || cuts(offset + length) {
            return Err(Refusal::mistake(
                400,
                format!("Bad Request: entity at UTF-16 offset {offset} begins or ends in the middle of a symbol"),
            ));
        }
        if length == 0 {
            continue;
        }
        let detail = ["url", "language", "custom_emoji_id"].iter().find_map(|key| item[*key].as_str());
        let detail = detail.map(str::to_owned).or_else(|| item["user"]["id"].as_i64().map(|id| id.to_string()));
        entities.push(Entity { kind: kind.to_owned(), offset, length, detail });
    }
    entities.sort_by_key(|entity| (entity.offset, std::cmp::Reverse(entity.length)));
    Ok(entities)
}

/// Adds what the server finds by itself: commands, links, mentions, hashtags.
pub(super) fn add_automatic(text: &str, entities: &mut Vec<Entity>) {
    static FOUND: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
        [
            ("url", r"https?://[^\s<>]+[^\s<>.,!?;:)]"),
            ("bot_command", r"(?:^|\s)(/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?)\b"),
            ("mention", r"(?:^|[^\w@/])(@[A-Za-z0-9_]{4,32})\b"),
            ("hashtag", r"(?:^|[^\w#])(#\w*[^\W\d]\w*)"),
        ]
        .iter()
        .filter_map(|(kind, pattern)| Some((*kind, Regex::new(pattern).ok()?)))
        .collect()
    });
    let opaque = |entity: &Entity| matches!(entity.kind.as_str(), "code" | "pre" | "text_link" | "url");
    for (kind, pattern) in FOUND.iter() {
        for found in pattern.captures_iter(text) {
            let Some(hit) = found.get(1).or_else(|| found.get(0)) else { continue };
            let (offset, length) = (units(&text[..hit.start()]), units(hit.as_str()));
            let overlaps = |entity: &Entity| {
                opaque(entity) && offset < entity.offset + entity.length && entity.offset < offset + length
            };
            let known = entities.iter().any(|e| e.kind == *kind && e.offset == offset);
            if !known && !entities.iter().any(overlaps) {
                entities.push(Entity { kind: (*kind).to_owned(), offset, length, detail: None });
            }
        }
    }
    entities.sort_by_key(|entity| (entity.offset, std::cmp::Reverse(entity.length)));
}

/// An entity on the wire.
pub(super) fn entity_json(entity: &Entity) -> Value {
    let mut value = json!({ "type": entity.kind, "offset": entity.offset, "length": entity.length });
    if let Some(detail) = &entity.detail {
        match entity.kind.as_str() {
            "text_link" => value["url"] = json!(detail),
            "pre" => value["language"] = json!(detail),
            "custom_emoji" => value["custom_emoji_id"] = json!(detail),
            "text_mention" => {
                let id = detail.parse::<i64>().unwrap_or_default();
                value["user"] = json!({ "id": id, "is_bot": false, "first_name": "User" });
            }
            _ => {}
        }
    }
    value
}

/// Reads `reply_markup` into rows of buttons; any other kind of markup has none.
///
/// # Errors
/// 400 for what the server refuses in a keyboard.
pub(super) fn read_buttons(markup: &Value) -> Result<Vec<Vec<Button>>, Refusal> {
    let Some(object) = markup.as_object() else {
        return Err(Refusal::mistake(400, "Bad Request: object expected as reply markup"));
    };
    let Some(keyboard) = object.get("inline_keyboard") else {
        return Ok(Vec::new());
    };
    let rows = keyboard
        .as_array()
        .ok_or_else(|| Refusal::mistake(400, "Bad Request: field \"inline_keyboard\" must be of type Array"))?;
    let mut read = Vec::new();
    for row in rows {
        let row = row.as_array().ok_or_else(|| {
            Refusal::mistake(400, "Bad Request: field \"inline_keyboard\" must be an Array of Arrays")
        })?;
        let buttons = row.iter().map(read_button).collect::<Result<Vec<_>, _>>()?;
        // The server drops empty rows.
        if !buttons.is_empty() {
            read.push(buttons);
        }
    }
    if read.iter().map(Vec::len).sum::<usize>() > MAX_BUTTONS {
        return Err(Refusal::mistake(400, "Bad Request: REPLY_MARKUP_TOO_LONG"));
    }
    Ok(read)
}

fn read_button(button: &Value) -> Result<Button, Refusal> {
    let wrong = |what: &str| Refusal::mistake(400, format!("Bad Request: can't parse inline keyboard button: {what}"));
    let label = button["text"].as_str().ok_or_else(|| wrong("Can't find field \"text\""))?.to_owned();
    if label.trim().is_empty() {
        return Err(Refusal::mistake(400, "Bad Request: inline keyboard button text must be non-empty"));
    }
    let kinds = ["url", "callback_data", "copy_text", "web_app", "switch_inline_query", "login_url", "pay"];
    if kinds.iter().filter(|kind| button.get(**kind).is_some_and(|value| !value.is_null())).count() > 1 {
        return Err(wrong("exactly one of the optional fields must be used"));
    }
    if let Some(data) = button["callback_data"].as_str() {
        if data.is_empty() || data.len() > 64 {
            return Err(Refusal::mistake(400, "Bad Request: BUTTON_DATA_INVALID"));
        }
        return Ok(Button { label, kind: ButtonKind::Callback(data.to_owned()) });
    }
    if let Some(address) = button["url"].as_str() {
        let full = if address.contains(':') { address.to_owned() } else { format!("http://{address}") };
        let parsed = url::Url::parse(&full).ok();
        let good = parsed
            .is_some_and(|url| (matches!(url.scheme(), "http" | "https") && has_dot(&url)) || url.scheme() == "tg");
        if !good {
            let text = format!("Bad Request: inline keyboard button URL '{address}' is invalid: Wrong HTTP URL");
            return Err(Refusal::mistake(400, text));
        }
        return Ok(Button { label, kind: ButtonKind::Url(full) });
    }
    if let Some(text) = button["copy_text"]["text"].as_str() {
        if text.is_empty() || units(text) > 256 {
            return Err(Refusal::mistake(400, "Bad Request: BUTTON_COPY_TEXT_INVALID"));
        }
        return Ok(Button { label, kind: ButtonKind::Copy(text.to_owned()) });
    }
    Err(wrong("Text buttons are unallowed in the inline keyboard"))
}

/// Rows of buttons on the wire.
pub(super) fn buttons_json(rows: &[Vec<Button>]) -> Value {
    let button = |button: &Button| match &button.kind {
        ButtonKind::Callback(data) => json!({ "text": button.label, "callback_data": data }),
        ButtonKind::Url(url) => json!({ "text": button.label, "url": url }),
        ButtonKind::Copy(text) => json!({ "text": button.label, "copy_text": { "text": text } }),
    };
    let rows: Vec<Vec<Value>> = rows.iter().map(|row| row.iter().map(button).collect()).collect();
    json!({ "inline_keyboard": rows })
}
