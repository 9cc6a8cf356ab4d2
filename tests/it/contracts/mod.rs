//! The vendors' own descriptions of their APIs, held against every request that the daemon makes to the emulators. The
//! descriptions are data outside of the project (`TRYPOST_CONTRACTS`, or `../shared/contracts` beside the repository): a
//! loader lowers the operations in them to method, path and JSON Schema. It knows vendors' formats and no connector.

mod daemon;
mod lexicon;
mod openapi;
mod request;
mod schema;
mod telegram;
mod tests;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use emulators::{Call, Gateway};
use http::Method;
use serde_json::Value;

use crate::support;
use schema::Check;

/// One operation of a vendor.
pub struct Operation {
    method: Method,
    /// As in `/api/v1/statuses/{id}`.
    path: String,
    /// What the query may hold: an object's schema.
    query: Check,
    /// (media type, schema of the body); `*/*` takes any. None: no body.
    bodies: Vec<(String, Option<Check>)>,
    /// Form, multipart and JSON mean the same to this vendor.
    forms_are_json: bool,
}

impl Operation {
    fn fits(&self, method: &Method, path: &str) -> bool {
        let template = self.path.split('/');
        self.method == *method
            && template.clone().count() == path.split('/').count()
            && template.zip(path.split('/')).all(|(part, word)| {
                part.eq_ignore_ascii_case(word) || (part.starts_with('{') && part.ends_with('}') && !word.is_empty())
            })
    }

    /// Everything that is wrong with a request.
    fn problems(&self, call: &Call) -> Vec<String> {
        let query = self.query.coerced(request::query(&call.query));
        let mut found = self.query.problems("query", &query);
        let Some(body) = request::Body::of(call) else {
            if !self.bodies.is_empty() && !self.takes_nothing() {
                found.push("the body is missing".to_owned());
            }
            return found;
        };
        let kind = |known: &str| known == body.kind || known == "*/*" || (self.forms_are_json && body.is_form());
        let Some((_, check)) = self.bodies.iter().find(|(known, _)| kind(known)) else {
            let known: Vec<&str> = self.bodies.iter().map(|(known, _)| known.as_str()).collect();
            found.push(format!("a body of the type {:?}, where {known:?} are taken", body.kind));
            return found;
        };
        if let Some(check) = check {
            match body.value() {
                Some(value) => found.extend(check.problems("body", &check.coerced(value))),
                None => found.push(format!("the body is no {}", body.kind)),
            }
        }
        found
    }

    /// Takes a request without a body: an object of which no member is required.
    fn takes_nothing(&self) -> bool {
        self.bodies.iter().any(|(_, check)| check.as_ref().is_some_and(|check| check.takes(&serde_json::json!({}))))
    }
}

/// Who describes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vendor {
    Mastodon,
    Bluesky,
    Telegram,
    Discord,
}

/// Requests that no description covers, with the reason: (host, path's beginning, why).
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("trypost.example", "/", "our own address"),
    ("team.example", "/", "our own address"),
    ("plc.directory", "/did:", "the DID directory: no lexicon, its address is the request"),
    ("api.telegram.org", "/file/bot", "a file's download: its address was given by getFile"),
    ("gateway.discord.gg", "/", "a websocket"),
    ("cdn.discordapp.com", "/", "a file's download: its address was given in a message"),
    ("media.discordapp.net", "/", "a file's download: its address was given in a message"),
    ("t.me", "/", "a page for people"),
    ("bsky.app", "/", "a page for people"),
];

/// Requests of people's browsers, which are no client of an API: (method, path).
const BROWSERS: &[(Method, &str)] = &[(Method::POST, "/oauth/authorize"), (Method::POST, "/oauth2/authorize")];

/// All descriptions.
pub struct Book {
    mastodon: Vec<Operation>,
    bluesky: Vec<Operation>,
    telegram: Vec<Operation>,
    discord: Vec<Operation>,
}

/// Where the descriptions lie; `None` where there are none, which is told.
fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = match std::env::var_os("TRYPOST_CONTRACTS") {
        Some(folder) => PathBuf::from(folder),
        None => root.join("../shared/contracts"),
    };
    if folder.join("README.md").is_file() {
        return Some(folder);
    }
    support::missing("the folder of the vendors' API descriptions", "set TRYPOST_CONTRACTS to it");
    None
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Book {
    /// The descriptions, read once.
    pub fn open() -> Option<&'static Self> {
        static BOOK: OnceLock<Option<Book>> = OnceLock::new();
        BOOK.get_or_init(|| folder().map(|folder| Self::read(&folder))).as_ref()
    }

    fn read(folder: &Path) -> Self {
        let oauth = read(&folder.join("oauth.json"));
        let mut described = read(&folder.join("mastodon/openapi.json"));
        // "String or Array of Strings. […] 4.3.0: added support for an array" (docs.joinmastodon.org/methods/apps): one
        // address goes as a string, which older servers and other software take too. The file names the array alone.
        let app = "/paths/~1api~1v1~1apps/post/requestBody/content/application~1json/schema/properties/redirect_uris";
        let redirects = described.pointer_mut(app).expect("redirect_uris");
        *redirects = serde_json::json!({ "anyOf": [redirects.clone(), { "type": "string", "format": "uri" }] });
        // RFC 7009, section 2.1: any revocation endpoint takes the hint.
        let revoke = "/paths/~1oauth~1revoke/post/requestBody/content/application~1json/schema/properties";
        let hint = serde_json::json!({ "enum": ["access_token", "refresh_token"] });
        described.pointer_mut(revoke).expect("oauth/revoke")["token_type_hint"] = hint;
        let mut mastodon = openapi::operations(&described, "");
        for operation in &mut mastodon {
            // "The Mastodon REST API accepts query strings, form data and JSON alike" (docs.joinmastodon.org/client/intro);
            // the file names one of them for each operation.
            operation.forms_are_json = true;
        }
        let mut discord = openapi::operations(&read(&folder.join("discord/openapi.json")), "/api/v10");
        discord.extend(openapi::oauth(&oauth["platforms"]["discord"]));
        Self {
            mastodon,
            discord,
            bluesky: lexicon::operations(&folder.join("bluesky/lexicons")),
            telegram: telegram::operations(&read(&folder.join("telegram/api.json"))),
        }
    }

    fn of(&self, vendor: Vendor) -> &[Operation] {
        match vendor {
            Vendor::Mastodon => &self.mastodon,
            Vendor::Bluesky => &self.bluesky,
            Vendor::Telegram => &self.telegram,
            Vendor::Discord => &self.discord,
        }
    }

    /// What is wrong with one request; nothing when a vendor takes it as it is.
    fn problems(&self, call: &Call) -> Vec<String> {
        let elsewhere = |(host, path, _): &(&str, &str, &str)| call.host == *host && call.path.starts_with(path);
        let person = |(method, path): &(Method, &str)| call.method == *method && call.path == *path;
        if ELSEWHERE.iter().any(elsewhere) || BROWSERS.iter().any(person) {
            return Vec::new();
        }
        let vendor = match call.host.as_str() {
            "api.telegram.org" => Vendor::Telegram,
            "discord.com" => Vendor::Discord,
            // A handle's own host names its account: no lexicon, and no parameters.
            _ if call.path == "/.well-known/atproto-did" => return Vec::new(),
            _ if call.path.starts_with("/xrpc/") => Vendor::Bluesky,
            _ => Vendor::Mastodon,
        };
        match self.of(vendor).iter().find(|operation| operation.fits(&call.method, &call.path)) {
            Some(operation) => operation.problems(call),
            None => vec![format!("{vendor:?} describes no such operation")],
        }
    }

    /// Holds requests against the descriptions; gives how many operations were asked for.
    ///
    /// # Panics
    /// With every request that a vendor does not describe so.
    pub fn hold(&self, calls: &[Call]) -> usize {
        let mut wrong = Vec::new();
        let mut asked = std::collections::BTreeSet::new();
        for call in calls {
            let problems = self.problems(call);
            asked.insert((call.host.clone(), call.method.to_string(), call.path.clone()));
            if !problems.is_empty() {
                let body: String = String::from_utf8_lossy(&call.body).chars().take(800).collect();
                let path = request::without_token(&call.path);
                let problems = problems.join("\n    ");
                wrong.push(format!("{} {}{path}?{}\n    {problems}\n  {body}", call.method, call.host, call.query));
            }
        }
        wrong.sort();
        wrong.dedup();
        assert!(wrong.is_empty(), "not as the vendors describe their APIs:\n{}", wrong.join("\n"));
        asked.len()
    }
}

/// Holds everything that the emulated vendors took against the vendors' descriptions, where those are on this machine. What
/// they refused is left out: suites send wrong things on purpose, to see how a refusal is told.
///
/// # Panics
/// With every request that a vendor does not describe so.
pub fn hold(gateway: &Gateway) {
    if let Some(book) = Book::open() {
        let taken: Vec<Call> = gateway.calls().into_iter().filter(|call| call.status < 400).collect();
        book.hold(&taken);
    }
}
