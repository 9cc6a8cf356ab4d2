//! JSON Schemas of requests: closed to what is described, with only the definitions they lead to, compiled when they are
//! first asked. It knows no vendor.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, OnceLock};

use jsonschema::paths::{LazyLocation, Location};
use jsonschema::{Draft, Keyword, ValidationError, Validator};
use serde_json::{Map, Value, json};
use unicode_segmentation::UnicodeSegmentation;

/// Gives the schema that a name in `#/$defs/` stands for.
pub type Defs = Arc<dyn Fn(&str) -> Option<Value> + Send + Sync>;

/// A schema that is compiled when it is first asked.
pub struct Check {
    schema: Value,
    defs: Defs,
    ready: OnceLock<(Value, Validator)>,
}

impl Check {
    pub fn new(schema: Value, defs: &Defs) -> Self {
        Self { schema, defs: defs.clone(), ready: OnceLock::new() }
    }

    /// The schema with every definition that it leads to, and what checks it.
    #[expect(clippy::result_large_err, reason = "the crate fixes the type of a keyword's error")]
    fn ready(&self) -> &(Value, Validator) {
        self.ready.get_or_init(|| {
            let mut known: BTreeMap<String, Value> = BTreeMap::new();
            let mut open = references(&self.schema);
            while let Some(name) = open.pop() {
                if let Entry::Vacant(place) = known.entry(name) {
                    let found = (self.defs)(place.key());
                    let found = found.unwrap_or_else(|| panic!("{} is nowhere defined", place.key()));
                    open.extend(references(&found));
                    place.insert(found);
                }
            }
            let mut whole = self.schema.clone();
            whole["$defs"] = json!(known);
            let validator = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .should_validate_formats(true)
                .with_keyword("x-maxBytes", |_, limit, _| Ok(boxed(limit, "bytes", str::len)))
                .with_keyword("x-maxGraphemes", |_, limit, _| {
                    Ok(boxed(limit, "graphemes", |text| text.graphemes(true).count()))
                })
                .build(&whole)
                .unwrap_or_else(|error| panic!("a vendor's schema is none: {error}\n{whole}"));
            (whole, validator)
        })
    }

    pub fn takes(&self, value: &Value) -> bool {
        self.ready().1.is_valid(value)
    }

    /// What is wrong with a value, in words.
    pub fn problems(&self, what: &str, value: &Value) -> Vec<String> {
        let errors = self.ready().1.iter_errors(value);
        errors
            .map(|error| {
                // It begins with the value and ends with what is wrong.
                let whole: Vec<char> = error.to_string().chars().collect();
                let told: String = match whole.len() {
                    ..=600 => whole.into_iter().collect(),
                    length => whole[..300].iter().chain(&[' ', '…', ' ']).chain(&whole[length - 200..]).collect(),
                };
                format!("{what}{}: {told} (by {})", error.instance_path, error.schema_path)
            })
            .collect()
    }

    /// An object whose members came as texts (a query, a form), with the types that the schema asks for.
    pub fn coerced(&self, value: Value) -> Value {
        let Value::Object(members) = value else { return value };
        let coerced = members.into_iter().map(|(name, value)| {
            let schema = property(&self.ready().0, &self.ready().0, &name);
            let value = match (&value, schema) {
                (Value::String(text), Some(schema)) => match serde_json::from_str::<Value>(text) {
                    Ok(read) if !takes_text(&self.ready().0, schema) => read,
                    _ => value,
                },
                _ => value,
            };
            (name, value)
        });
        Value::Object(coerced.collect::<Map<_, _>>())
    }
}

fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/$defs/"));
            own.map(str::to_owned).into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn resolved<'a>(whole: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|to| to.strip_prefix("#/$defs/"));
    name.map_or(schema, |name| &whole["$defs"][name])
}

/// The schemas that apply where this one does, or may.
fn alternatives<'a>(whole: &'a Value, schema: &'a Value) -> impl Iterator<Item = &'a Value> {
    let schema = resolved(whole, schema);
    ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten()
}

fn property<'a>(whole: &'a Value, schema: &'a Value, name: &str) -> Option<&'a Value> {
    let own = resolved(whole, schema)["properties"].get(name);
    own.or_else(|| alternatives(whole, schema).find_map(|one| property(whole, one, name)))
}

fn takes_text(whole: &Value, schema: &Value) -> bool {
    let kinds = &resolved(whole, schema)["type"];
    *kinds == "string"
        || kinds.as_array().is_some_and(|kinds| kinds.contains(&json!("string")))
        || alternatives(whole, schema).any(|one| takes_text(whole, one))
}

/// A limit that JSON Schema has no word for.
struct Longest {
    limit: usize,
    unit: &'static str,
    count: fn(&str) -> usize,
}

fn boxed(limit: &Value, unit: &'static str, count: fn(&str) -> usize) -> Box<dyn Keyword> {
    let limit = limit.as_u64().and_then(|limit| usize::try_from(limit).ok()).expect("a limit is a number");
    Box::new(Longest { limit, unit, count })
}

impl Keyword for Longest {
    fn validate<'i>(&self, instance: &'i Value, location: &LazyLocation) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            return Ok(());
        }
        let told = format!("longer than {} {}", self.limit, self.unit);
        Err(ValidationError::custom(Location::new(), location.into(), instance, told))
    }

    fn is_valid(&self, instance: &Value) -> bool {
        instance.as_str().is_none_or(|text| (self.count)(text) <= self.limit)
    }
}
