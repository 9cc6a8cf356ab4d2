//! The AT Protocol's lexicons to operations. Lexicon objects are open by the specification; here they are closed, because
//! a misspelt name would be ignored by every reader. Source: <https://atproto.com/specs/lexicon>.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};

use super::openapi::closed;
use super::schema::{Check, Defs};
use super::{Operation, read};

/// Formats of strings as patterns (<https://atproto.com/specs>); what a language or a URI is stays loose.
const FORMATS: &[(&str, &str)] = &[
    ("at-identifier", r"^(did:[a-z]+:[a-zA-Z0-9._:%-]+|([a-zA-Z0-9-]+\.)+[a-zA-Z][a-zA-Z0-9-]*)$"),
    ("at-uri", r"^at://[^/]+(/[a-zA-Z0-9.-]+(/[a-zA-Z0-9._:~-]+)?)?$"),
    ("cid", r"^[a-zA-Z0-9+=]{8,256}$"),
    ("datetime", r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"),
    ("did", r"^did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]$"),
    ("handle", r"^([a-zA-Z0-9-]+\.)+[a-zA-Z][a-zA-Z0-9-]*$"),
    ("language", r"^[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8})*$"),
    ("nsid", r"^[a-zA-Z]([a-zA-Z0-9-]*)(\.[a-zA-Z0-9-]+)+$"),
    ("record-key", r"^[a-zA-Z0-9._:~-]{1,512}$"),
    ("tid", r"^[2-7a-z]{13}$"),
    ("uri", r"^[a-zA-Z][a-zA-Z0-9+.-]*:[^\s]+$"),
];

/// What no lexicon says: parameters and types of the video service, by the vendor's tutorial
/// (<https://docs.bsky.app/docs/tutorials/video>) and, for moving pictures, by its own app.
const VIDEO: &str = "app.bsky.video.uploadVideo";
const VIDEO_PARAMETERS: &[&str] = &["did", "name"];
const VIDEO_TYPES: &[&str] = &["image/gif"];

/// The lexicon that holds another's name, as in `#image` or `app.bsky.embed.images#image`.
fn absolute(home: &str, reference: &str) -> String {
    let whole = if reference.starts_with('#') { format!("{home}{reference}") } else { reference.to_owned() };
    whole.strip_suffix("#main").unwrap_or(&whole).to_owned()
}

/// The name of a definition, which must not hold a `#`.
fn reference(home: &str, to: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{}", absolute(home, to).replace('#', ":")) })
}

fn lower(home: &str, schema: &Value) -> Value {
    let copy = |pairs: &[(&str, &str)], into: &mut Value| {
        for (theirs, ours) in pairs {
            if let Some(value) = schema.get(*theirs) {
                into[*ours] = value.clone();
            }
        }
    };
    let mut lowered = match schema["type"].as_str().expect("a type") {
        "string" | "token" => {
            let mut lowered = json!({ "type": "string" });
            copy(&[("maxLength", "x-maxBytes"), ("maxGraphemes", "x-maxGraphemes")], &mut lowered);
            if let Some(format) = schema["format"].as_str() {
                let known = FORMATS.iter().find(|(name, _)| *name == format);
                lowered["pattern"] = json!(known.unwrap_or_else(|| panic!("the format {format}")).1);
            }
            lowered
        }
        kind @ ("integer" | "boolean") => {
            let mut lowered = json!({ "type": kind });
            copy(&[("minimum", "minimum"), ("maximum", "maximum")], &mut lowered);
            lowered
        }
        "array" => {
            let mut lowered = json!({ "type": "array", "items": lower(home, &schema["items"]) });
            copy(&[("minLength", "minItems"), ("maxLength", "maxItems")], &mut lowered);
            lowered
        }
        "object" | "params" => object(home, schema),
        "record" => object(home, &schema["record"]),
        "ref" => reference(home, schema["ref"].as_str().expect("a name")),
        "union" => {
            let parts = schema["refs"].as_array().expect("names").iter().filter_map(Value::as_str).map(|to| {
                let tag = absolute(home, to);
                let tagged = json!({ "properties": { "$type": { "const": tag } }, "required": ["$type"] });
                json!({ "allOf": [reference(home, to), tagged] })
            });
            json!({ "anyOf": parts.collect::<Vec<_>>() })
        }
        "blob" => {
            let types = schema["accept"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let types: Vec<String> = types.map(|one| one.replace('*', ".*")).collect();
            let types = if types.is_empty() { ".*".to_owned() } else { types.join("|") };
            let link =
                closed(Map::from_iter([("$link".to_owned(), json!({ "type": "string" }))]), vec![json!("$link")]);
            json!({
                "type": "object",
                "properties": {
                    "$type": { "const": "blob" },
                    "ref": link,
                    "mimeType": { "type": "string", "pattern": format!("^({types})$") },
                    "size": { "type": "integer", "maximum": schema.get("maxSize").unwrap_or(&json!(i64::MAX)) },
                },
                "required": ["$type", "ref", "mimeType", "size"],
                "additionalProperties": false,
            })
        }
        "cid-link" => json!({ "type": "object", "required": ["$link"] }),
        "bytes" => json!({ "type": "object", "required": ["$bytes"] }),
        "unknown" => json!({ "type": "object" }),
        other => panic!("the lexicon type {other}"),
    };
    copy(&[("enum", "enum"), ("const", "const")], &mut lowered);
    lowered
}

fn object(home: &str, schema: &Value) -> Value {
    let nullable = schema["nullable"].as_array().cloned().unwrap_or_default();
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let mut known: Map<String, Value> = properties
        .iter()
        .map(|(name, one)| match nullable.contains(&json!(name)) {
            true => (name.clone(), json!({ "anyOf": [lower(home, one), { "type": "null" }] })),
            false => (name.clone(), lower(home, one)),
        })
        .collect();
    // Every object may name its own type.
    known.insert("$type".to_owned(), json!({ "type": "string" }));
    closed(known, schema["required"].as_array().cloned().unwrap_or_default())
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every query and procedure of the lexicons in a folder.
pub fn operations(folder: &Path) -> Vec<Operation> {
    let documents: BTreeMap<String, Value> = files(folder)
        .iter()
        .map(|path| read(path))
        .map(|document| (document["id"].as_str().expect("an id").to_owned(), document))
        .collect();
    let records: Vec<Value> = documents
        .iter()
        .filter(|(_, document)| document["defs"]["main"]["type"] == "record")
        .map(|(id, _)| {
            let tagged = json!({ "properties": { "$type": { "const": id } }, "required": ["$type"] });
            json!({ "properties": {
                "collection": { "const": id },
                "record": { "allOf": [reference(id, "#main"), tagged] },
            } })
        })
        .collect();
    let shared = documents.clone();
    let defs: Defs = Arc::new(move |name| {
        let (home, inner) = name.split_once(':').unwrap_or((name, "main"));
        let schema = shared.get(home)?["defs"].get(inner)?;
        Some(lower(home, schema))
    });
    let mut operations = Vec::new();
    for (id, document) in &documents {
        let main = &document["defs"]["main"];
        let method = match main["type"].as_str() {
            Some("query") => Method::GET,
            Some("procedure") => Method::POST,
            _ => continue,
        };
        let none = json!({ "type": "params" });
        let mut query = object(id, main.get("parameters").unwrap_or(&none));
        query["properties"].as_object_mut().expect("properties").remove("$type");
        let mut bodies = Vec::new();
        if let Some(kind) = main["input"]["encoding"].as_str() {
            let schema = main["input"].get("schema").map(|schema| {
                let mut lowered = lower(id, schema);
                if schema["properties"]["record"]["type"] == "unknown" {
                    // The record is what its collection's lexicon says.
                    lowered["oneOf"] = json!(records);
                }
                Check::new(lowered, &defs)
            });
            bodies.push((kind.to_owned(), schema));
        }
        if id == VIDEO {
            for name in VIDEO_PARAMETERS {
                query["properties"][*name] = json!({ "type": "string" });
            }
            query["required"] = json!(VIDEO_PARAMETERS);
            bodies.extend(VIDEO_TYPES.iter().map(|kind| ((*kind).to_owned(), None)));
        }
        operations.push(Operation {
            method,
            path: format!("/xrpc/{id}"),
            query: Check::new(query, &defs),
            bodies,
            forms_are_json: false,
        });
    }
    operations
}
