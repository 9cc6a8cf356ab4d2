//! A recorded request as JSON: its query, and its body from whatever encoding it came in. It knows no vendor but for the
//! place where Telegram's token stands.

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart};
use bytes::Bytes;
use emulators::Call;
use serde_json::{Map, Value};

/// Pairs as an object: what comes twice, or under a name with `[]`, is a list; `a[b]` is a member of `a`.
fn object(pairs: impl Iterator<Item = (String, String)>) -> Value {
    let mut members = Map::new();
    for (name, text) in pairs {
        let value = Value::String(text);
        if let Some(list) = name.strip_suffix("[]") {
            match members.entry(list).or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(items) => items.push(value),
                _ => panic!("{list} is a list and is not"),
            }
        } else if let Some((outer, inner)) = name.strip_suffix(']').and_then(|name| name.split_once('['))
            && !outer.contains("files")
        {
            match members.entry(outer).or_insert_with(|| Value::Object(Map::new())) {
                Value::Object(object) => drop(object.insert(inner.to_owned(), value)),
                _ => panic!("{outer} is an object and is not"),
            }
        } else {
            match members.remove(&name) {
                None => members.insert(name, value),
                Some(Value::Array(mut items)) => {
                    items.push(value);
                    members.insert(name, Value::Array(items))
                }
                Some(first) => members.insert(name, Value::Array(vec![first, value])),
            };
        }
    }
    Value::Object(members)
}

/// A query's parameters.
pub fn query(raw: &str) -> Value {
    object(url::form_urlencoded::parse(raw.as_bytes()).into_owned())
}

/// A path without Telegram's token, for people to read.
pub fn without_token(path: &str) -> String {
    match path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')) {
        Some((_, method)) => format!("/bot…/{method}"),
        None => path.to_owned(),
    }
}

/// A request's body.
pub struct Body {
    /// Its media type without parameters.
    pub kind: String,
    whole_kind: String,
    bytes: Bytes,
}

impl Body {
    /// The body of a recorded request, when it has one.
    pub fn of(call: &Call) -> Option<Self> {
        let header = call.headers.get(http::header::CONTENT_TYPE);
        if call.body.is_empty() {
            return None;
        }
        let whole_kind = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let kind = whole_kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Some(Self { kind, whole_kind, bytes: call.body.clone() })
    }

    pub fn is_form(&self) -> bool {
        ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"].contains(&self.kind.as_str())
    }

    /// Its content; `None` when it is not what its type says.
    pub fn value(&self) -> Option<Value> {
        match self.kind.as_str() {
            "application/json" => serde_json::from_slice(&self.bytes).ok(),
            "application/x-www-form-urlencoded" => Some(object(url::form_urlencoded::parse(&self.bytes).into_owned())),
            "multipart/form-data" => self.parts(),
            _ => Some(Value::Null),
        }
    }

    /// The parts by name. A file's content is left out: its name stands for it. What Discord calls `payload_json` is the
    /// body itself, and the files stand beside it; a file that Telegram's JSON refers to as `attach://NAME` is none of
    /// the method's parameters.
    fn parts(&self) -> Option<Value> {
        let request = http::Request::post("/").header(http::header::CONTENT_TYPE, &self.whole_kind);
        let mut request = request.body(axum::body::Body::from(self.bytes.clone())).ok()?;
        DefaultBodyLimit::disable().apply(&mut request);
        // Everything is in memory: nothing here ever waits.
        let parts = futures::executor::block_on(async {
            let mut multipart = Multipart::from_request(request, &()).await.ok()?;
            let mut parts = Vec::new();
            while let Some(field) = multipart.next_field().await.ok()? {
                let name = field.name()?.to_owned();
                let is_file = field.file_name().is_some();
                let content = field.bytes().await.ok()?;
                let text = if is_file { "a file".to_owned() } else { String::from_utf8(content.to_vec()).ok()? };
                parts.push((name, text, is_file));
            }
            Some(parts)
        })?;
        let attached = |name: &str| parts.iter().any(|(_, text, _)| text.contains(&format!("attach://{name}")));
        let payload = parts.iter().find(|(name, ..)| name == "payload_json");
        let rest = parts.iter().filter(|(name, _, file)| name != "payload_json" && !(*file && attached(name)));
        let mut whole = object(rest.map(|(name, text, _)| (name.clone(), text.clone())));
        if let Some((_, payload, _)) = payload {
            let Value::Object(payload) = serde_json::from_str(payload).ok()? else { return None };
            whole.as_object_mut()?.extend(payload);
        }
        Some(whole)
    }
}
