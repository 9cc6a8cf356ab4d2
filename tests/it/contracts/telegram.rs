//! Telegram's list of methods and types to operations. Its types are words ("Array of InputMediaPhoto"), its limits are
//! sentences ("1-64 bytes"): both are read as they stand on the vendor's page.

use std::sync::{Arc, LazyLock};

use http::Method;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::Operation;
use super::openapi::closed;
use super::schema::{Check, Defs};

static RANGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(\d+)-(\d+) (characters|bytes)").expect("a pattern"));
static CONSTANT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"must be "?([a-z_]+)"?$"#).expect("a pattern"));

fn kind(word: &str) -> Value {
    match word {
        "Integer" => json!({ "type": "integer" }),
        "Float" => json!({ "type": "number" }),
        // A file is sent as an id, an address, or a part of the request.
        "String" | "InputFile" => json!({ "type": "string" }),
        "Boolean" => json!({ "type": "boolean" }),
        _ => match word.strip_prefix("Array of ") {
            Some(items) => json!({ "type": "array", "items": kind(items) }),
            None => json!({ "$ref": format!("#/$defs/{word}") }),
        },
    }
}

/// One field, with what its sentence says of its value.
fn field(field: &Value) -> Value {
    let words: Vec<&str> = field["types"].as_array().expect("types").iter().filter_map(Value::as_str).collect();
    let items: Vec<Value> = words.iter().filter_map(|word| word.strip_prefix("Array of ")).map(kind).collect();
    if items.len() > 1 && items.len() == words.len() {
        // "Array of InputMediaPhoto and InputMediaVideo": they may stand in one list.
        return json!({ "type": "array", "items": { "anyOf": items } });
    }
    let kinds: Vec<Value> = words.into_iter().map(kind).collect();
    let told = field["description"].as_str().unwrap_or_default();
    if kinds != [json!({ "type": "string" })] {
        return json!({ "anyOf": kinds });
    }
    if let Some(found) = CONSTANT.captures(told) {
        return json!({ "const": found[1] });
    }
    match RANGE.captures(told) {
        Some(found) if &found[3] == "bytes" => {
            json!({ "type": "string", "x-maxBytes": found[2].parse::<u64>().expect("a number") })
        }
        Some(found) => json!({
            "type": "string",
            "minLength": found[1].parse::<u64>().expect("a number"),
            "maxLength": found[2].parse::<u64>().expect("a number"),
        }),
        None => kinds[0].clone(),
    }
}

/// A method's parameters or a type's fields.
fn object(of: &Value) -> Value {
    let fields = of["fields"].as_array().cloned().unwrap_or_default();
    let name = |one: &Value| one["name"].as_str().expect("a name").to_owned();
    let required = fields.iter().filter(|one| one["required"] == true).map(|one| one["name"].clone()).collect();
    closed(fields.iter().map(|one| (name(one), field(one))).collect(), required)
}

/// Every method, under any token.
pub fn operations(document: &Value) -> Vec<Operation> {
    let types = document["types"].clone();
    let defs: Defs = Arc::new(move |name| {
        let found = types.get(name)?;
        Some(match found["subtypes"].as_array() {
            Some(parts) => json!({ "anyOf": parts.iter().filter_map(Value::as_str).map(kind).collect::<Vec<_>>() }),
            None => object(found),
        })
    });
    let methods = document["methods"].as_object().expect("methods");
    let mut operations = Vec::new();
    for (name, described) in methods {
        let path = format!("/{{bot and token}}/{name}");
        let schema = object(described);
        let body = |kind: &str| (kind.to_owned(), Some(Check::new(schema.clone(), &defs)));
        operations.push(Operation {
            method: Method::POST,
            path: path.clone(),
            query: Check::new(closed(Map::new(), Vec::new()), &defs),
            bodies: ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"].map(body).into(),
            forms_are_json: false,
        });
        operations.push(Operation {
            method: Method::GET,
            path,
            query: Check::new(schema.clone(), &defs),
            bodies: Vec::new(),
            forms_are_json: false,
        });
    }
    operations
}
