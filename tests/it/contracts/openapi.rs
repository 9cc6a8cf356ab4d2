//! OpenAPI 3.1 to operations, and what `oauth.json` says of a token endpoint. An object is closed to what is described: the
//! vendors ignore what they don't know, and so would hide a misspelt name.

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};

use super::Operation;
use super::schema::{Check, Defs};

/// A schema whose objects take nothing that is not described; `open` ones are part of another, which is closed itself.
fn lower(schema: &Value, open: bool) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    if let Some(name) = members.get("$ref").and_then(Value::as_str).and_then(|to| to.rsplit('/').next()) {
        return json!({ "$ref": format!("#/$defs/{}.{name}", if open { "open" } else { "closed" }) });
    }
    let combined = ["allOf", "anyOf", "oneOf"].into_iter().filter(|key| members.contains_key(*key)).count() > 0;
    let described = members.contains_key("properties");
    let inner_open = open || members.contains_key("allOf") || (combined && described);
    let mut lowered: Map<String, Value> = members
        .iter()
        .map(|(key, value)| {
            let value = match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    Value::Object(properties.iter().map(|(name, one)| (name.clone(), lower(one, false))).collect())
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                    Value::Array(parts.iter().map(|one| lower(one, inner_open)).collect())
                }
                ("items" | "additionalProperties", value) => lower(value, false),
                _ => value.clone(),
            };
            (key.clone(), value)
        })
        .collect();
    let says = members.contains_key("additionalProperties");
    if !open && !says && (described || members.contains_key("allOf")) {
        lowered.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    Value::Object(lowered)
}

/// Every operation of a document, with this before its paths.
pub fn operations(document: &Value, prefix: &str) -> Vec<Operation> {
    let components = document["components"]["schemas"].clone();
    let defs: Defs = Arc::new(move |name| {
        let (how, name) = name.split_once('.')?;
        components.get(name).map(|schema| lower(schema, how == "open"))
    });
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path") {
            let Ok(method) = method.to_ascii_uppercase().parse::<Method>() else { continue };
            if !operation.is_object() {
                continue;
            }
            let both = [item, operation].into_iter().filter_map(|one| one["parameters"].as_array()).flatten();
            let in_query = both.filter(|parameter| parameter["in"] == "query");
            let (mut known, mut required) = (Map::new(), Vec::new());
            for parameter in in_query {
                known
                    .insert(parameter["name"].as_str().expect("a name").to_owned(), lower(&parameter["schema"], false));
                if parameter["required"] == true {
                    required.push(parameter["name"].clone());
                }
            }
            let bodies = operation["requestBody"]["content"].as_object().into_iter().flatten();
            operations.push(Operation {
                method,
                path: format!("{prefix}{path}"),
                query: Check::new(closed(known, required), &defs),
                bodies: bodies
                    .map(|(kind, body)| (kind.clone(), Some(Check::new(lower(&body["schema"], false), &defs))))
                    .collect(),
                forms_are_json: false,
            });
        }
    }
    operations
}

/// An object with these members and no others.
pub fn closed(known: Map<String, Value>, required: Vec<Value>) -> Value {
    json!({ "type": "object", "properties": known, "required": required, "additionalProperties": false })
}

/// What people are sent to, and where codes become tokens, by our own list of the vendors' OAuth facts.
pub fn oauth(facts: &Value) -> Vec<Operation> {
    let none: Defs = Arc::new(|_| None);
    let path = |at: &Value| {
        let url: url::Url = at["url"].as_str().expect("an address").parse().expect("an address");
        url.path().to_owned()
    };
    let form = |names: &Value, more: &[&str]| {
        let (mut known, mut required) = (Map::new(), Vec::new());
        for name in names.as_array().expect("names") {
            let words = name.as_str().expect("a name");
            let (name, value) = words.split_once('=').map_or((words, None), |(name, value)| (name, Some(value)));
            let (name, optional) = name.strip_suffix(" (optional)").map_or((name, false), |name| (name, true));
            known.insert(name.to_owned(), value.map_or(json!({ "type": "string" }), |value| json!({ "const": value })));
            if !optional {
                required.push(json!(name));
            }
        }
        known.extend(more.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))));
        closed(known, required)
    };
    let posted = |at: &Value, schema: Value| Operation {
        method: Method::POST,
        path: path(at),
        query: Check::new(closed(Map::new(), Vec::new()), &none),
        bodies: vec![(at["content_type"].as_str().expect("a type").to_owned(), Some(Check::new(schema, &none)))],
        forms_are_json: false,
    };
    // "HTTP Basic, or client_id and client_secret in the body".
    let client = ["client_id", "client_secret"];
    let (token, revoke) = (&facts["token"], &facts["revoke"]);
    let parameters = facts["authorize"]["params"].as_object().expect("parameters");
    let required = parameters.iter().filter(|(_, one)| one["required"] == true).map(|(name, _)| json!(name));
    let known = parameters.keys().map(|name| (name.clone(), json!({ "type": "string" })));
    vec![
        posted(token, form(&token["exchange_params"], &client)),
        posted(revoke, form(&revoke["params"], &client)),
        Operation {
            method: Method::GET,
            path: path(&facts["authorize"]),
            query: Check::new(closed(known.collect(), required.collect()), &none),
            bodies: Vec::new(),
            forms_are_json: false,
        },
    ]
}
