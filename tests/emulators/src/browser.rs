//! The browser of an emulated person: opens links, follows redirects by hand, keeps cookies per host, and fills in and
//! submits forms, as somebody with a mouse would. Addresses `https://HOST/…` go to the gateway, loopback addresses go
//! where they point. It must know no vendor: any consent page that follows the convention can be driven. Long because a
//! fifth of it is its tests.
//!
//! The convention of the emulated consent pages: one `<form method="post">` with hidden inputs, a choice `user` of who
//! is signed in, optional further choices and check boxes, and buttons named `decision` with the values `approve` and
//! `deny`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, Once};

use http::{HeaderMap, Method, header};
use url::Url;

use crate::gateway::lock;
use crate::html;
pub use crate::html::{Button, Choice, Field, FieldKind, Form};

/// Browsers give up after about twenty redirects.
const REDIRECTS: usize = 20;
/// A consent never takes more pages than this.
const CONSENT_PAGES: usize = 10;

/// Why a page could not be had, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserError(pub String);

impl fmt::Display for BrowserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BrowserError {}

/// A page as it stands on the person's screen.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its address after all redirects, in the vendor's own form (`https://HOST/…`) or on loopback.
    pub url: String,
    /// The last answer's status.
    pub status: u16,
    /// The last answer's body.
    pub html: String,
    /// The last answer's headers.
    pub headers: HeaderMap,
}

impl Page {
    /// The first form.
    pub fn form(&self) -> Option<Form> {
        self.forms().into_iter().next()
    }

    /// All forms, in order.
    pub fn forms(&self) -> Vec<Form> {
        html::forms(&self.html)
    }

    /// What a person reads on the page: no tags, white space collapsed.
    pub fn text(&self) -> String {
        html::text(&self.html)
    }

    /// The links, as (absolute address, text).
    pub fn links(&self) -> Vec<(String, String)> {
        let absolute = |to: &str| Url::parse(&self.url).and_then(|base| base.join(to)).map(String::from);
        html::links(&self.html).into_iter().filter_map(|(to, text)| Some((absolute(&to).ok()?, text))).collect()
    }
}

/// What a person does on a consent page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Agrees, signed in as this user (the vendor's user name or id).
    Approve {
        /// A value or label of the page's `user` choice.
        as_user: String,
    },
    /// Presses the other button.
    Deny,
}

/// Somebody with a mind of their own about the choices on consent pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// (field, value or label): set on the first page that has the field. All values given for a name of check boxes
    /// replace what is ticked; an empty value ticks none.
    pub picks: Vec<(String, String)>,
}

impl Person {
    /// Signed in as this user.
    pub fn named(user: &str) -> Self {
        Self::default().picking("user", user)
    }

    /// Chooses this, too.
    #[must_use]
    pub fn picking(mut self, field: &str, value: &str) -> Self {
        self.picks.push((field.to_owned(), value.to_owned()));
        self
    }
}

/// One person's browser: cookies and all.
pub struct Browser {
    client: reqwest::Client,
    gateway: Url,
    routes: Mutex<Vec<(String, String)>>,
    jar: Mutex<HashMap<String, BTreeMap<String, String>>>,
}

impl Browser {
    /// A fresh browser behind the gateway at this address ([`crate::Gateway::url`]).
    ///
    /// # Errors
    /// When the address is no URL or the HTTP client can't be built.
    pub fn new(gateway_url: &str) -> Result<Self, BrowserError> {
        static PROVIDER: Once = Once::new();
        // Another part of the test process may have installed it first: then that one serves.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        Ok(Self {
            client: client.map_err(|error| BrowserError(error.to_string()))?,
            gateway: parse(gateway_url)?,
            routes: Mutex::default(),
            jar: Mutex::default(),
        })
    }

    /// Sends every address that starts with `public` (such as `https://trypost.example`) to `base` instead: a public
    /// name of a daemon that listens on loopback.
    pub fn route(&self, public: &str, base: &str) {
        lock(&self.routes).push((public.trim_end_matches('/').to_owned(), base.trim_end_matches('/').to_owned()));
    }

    /// Opens an address and follows its redirects.
    ///
    /// # Errors
    /// When there is no answer, or redirects never end.
    pub async fn open(&self, url: &str) -> Result<Page, BrowserError> {
        self.travel(Method::GET, parse(url)?, None, "null", None).await
    }

    /// Posts these fields to an address, as a page of `origin` would.
    ///
    /// # Errors
    /// As [`Browser::open`].
    pub async fn post(&self, url: &str, fields: &[(&str, &str)], origin: &str) -> Result<Page, BrowserError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.travel(Method::POST, parse(url)?, Some(body), origin, None).await
    }

    /// Fills in the form that has this button (by value, label or name) and presses it. Fields keep what the page gave
    /// them unless `values` says otherwise.
    ///
    /// # Errors
    /// When there is no such button or field, a choice is not offered, or a hidden field is named; and as
    /// [`Browser::open`].
    pub async fn submit(&self, page: &Page, button: &str, values: &[(&str, &str)]) -> Result<Page, BrowserError> {
        let form = page.forms().into_iter().find(|form| form.button(button).is_some());
        let form = form.ok_or_else(|| BrowserError(format!("no button {button:?} on {}", page.url)))?;
        let mut pairs = filled(&form, values)?;
        if let Some(pressed) = form.button(button).filter(|pressed| !pressed.name.is_empty()) {
            pairs.push((pressed.name.clone(), pressed.value.clone()));
        }
        let base = parse(&page.url)?;
        let mut target = base.join(&form.action).map_err(|error| BrowserError(error.to_string()))?;
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if form.method == "get" {
            target.set_query(Some(&body));
            return self.travel(Method::GET, target, None, "null", None).await;
        }
        // Fetch: with this referrer policy a form's request says `Origin: null`.
        let no_referrer = page.headers.get(header::REFERRER_POLICY).is_some_and(|policy| policy == "no-referrer");
        let origin = if no_referrer { "null".to_owned() } else { base.origin().ascii_serialization() };
        let policy = form_action(&page.headers).map(|sources| (base.clone(), sources));
        self.travel(Method::POST, target, Some(body), &origin, policy).await
    }

    /// Opens an address and goes through the consent pages it leads to, to the end: the page after the last decision.
    ///
    /// # Errors
    /// When no consent page comes, or it lacks what is asked of it; and as [`Browser::open`].
    pub async fn consent(&self, url: &str, consent: Consent) -> Result<Page, BrowserError> {
        match consent {
            Consent::Approve { as_user } => self.consent_as(url, "approve", &Person::named(&as_user)).await,
            Consent::Deny => self.consent_as(url, "deny", &Person::default()).await,
        }
    }

    /// As [`Browser::consent`], with more choices. `decision` is the button's value.
    ///
    /// # Errors
    /// As [`Browser::consent`]; also when a pick of the person found no field on any page.
    pub async fn consent_as(&self, url: &str, decision: &str, person: &Person) -> Result<Page, BrowserError> {
        let mut page = self.open(url).await?;
        let mut left = person.picks.clone();
        for turn in 0..CONSENT_PAGES {
            let form = page.forms().into_iter().find(|form| form.buttons.iter().any(|b| b.name == "decision"));
            let Some(form) = form else {
                if turn == 0 {
                    let text = page.text();
                    return Err(BrowserError(format!("no consent page at {} ({}): {text}", page.url, page.status)));
                }
                if let Some((field, value)) = left.first() {
                    return Err(BrowserError(format!("no page offered {field:?}, so {value:?} was not picked")));
                }
                return Ok(page);
            };
            let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|(name, _)| form.field(name).is_some());
            left = later;
            let values: Vec<(&str, &str)> = now.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            page = self.submit(&page, decision, &values).await?;
        }
        Err(BrowserError(format!("the consent pages never end: {}", page.url)))
    }

    /// Where the bytes really go.
    fn target(&self, url: &Url) -> String {
        let text = url.as_str();
        for (public, base) in lock(&self.routes).iter() {
            if let Some(rest) =
                text.strip_prefix(public.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
            {
                return format!("{base}{rest}");
            }
        }
        if is_loopback(url) {
            return text.to_owned();
        }
        let rest = &url[url::Position::BeforePath..];
        format!("{}{}{rest}", self.gateway, url.host_str().unwrap_or_default())
    }

    /// An address on the gateway in the vendor's own form, so that relative links and cookies belong to the vendor.
    fn canonical(&self, url: Url) -> Result<Url, BrowserError> {
        match url.as_str().strip_prefix(self.gateway.as_str()) {
            Some(rest) if !rest.is_empty() => parse(&format!("https://{rest}")),
            _ => Ok(url),
        }
    }

    async fn travel(
        &self,
        mut method: Method,
        url: Url,
        mut body: Option<String>,
        origin: &str,
        policy: Option<(Url, Vec<String>)>,
    ) -> Result<Page, BrowserError> {
        let mut url = self.canonical(url)?;
        for _ in 0..=REDIRECTS {
            // Chrome holds every hop after a form against the page's `form-action`.
            if let Some((page, sources)) = &policy
                && !sources.iter().any(|source| matches_source(source, page, &url))
            {
                return Err(BrowserError(format!(
                    "the page's form-action refuses {}",
                    &url[..url::Position::BeforeQuery]
                )));
            }
            let mut request = self.client.request(method.clone(), self.target(&url));
            let cookies = self.cookies(&url);
            if !cookies.is_empty() {
                request = request.header(header::COOKIE, cookies);
            }
            request = request.header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
            if let Some(body) = &body {
                request = request
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .header(header::ORIGIN, origin)
                    .body(body.clone());
            }
            let answer =
                request.send().await.map_err(|error| BrowserError(format!("no answer from {url}: {error}")))?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            self.keep_cookies(&url, &headers);
            let location = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
            let html =
                answer.text().await.map_err(|error| BrowserError(format!("half an answer from {url}: {error}")))?;
            let Some(location) = location.filter(|_| status.is_redirection()) else {
                return Ok(Page { url: url.into(), status: status.as_u16(), html, headers });
            };
            let next =
                url.join(&location).map_err(|error| BrowserError(format!("bad redirect {location}: {error}")))?;
            url = self.canonical(next)?;
            // 307 and 308 keep the method; after the others every browser sends GET.
            if !matches!(status.as_u16(), 307 | 308) {
                method = Method::GET;
                body = None;
            }
        }
        Err(BrowserError(format!("too many redirects at {url}")))
    }

    fn cookies(&self, url: &Url) -> String {
        let jar = lock(&self.jar);
        let own = jar.get(&authority(url)).into_iter().flatten();
        own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&self, url: &Url, headers: &HeaderMap) {
        let mut jar = lock(&self.jar);
        let own = jar.entry(authority(url)).or_default();
        for cookie in headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = cookie.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let gone = parts.any(|part| {
                let part = part.to_ascii_lowercase();
                part == "max-age=0" || part.starts_with("expires=thu, 01 jan 1970")
            });
            if gone {
                own.remove(name);
            } else {
                own.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

fn parse(url: &str) -> Result<Url, BrowserError> {
    Url::parse(url).map_err(|error| BrowserError(format!("{url:?} is no address: {error}")))
}

fn authority(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The sources of the `form-action` directive, when the page has one.
fn form_action(headers: &HeaderMap) -> Option<Vec<String>> {
    let policy = headers.get(header::CONTENT_SECURITY_POLICY)?.to_str().ok()?;
    let directive = policy.split(';').map(str::trim).find_map(|part| part.strip_prefix("form-action"))?;
    Some(directive.split_whitespace().map(str::to_owned).collect())
}

fn matches_source(source: &str, page: &Url, to: &Url) -> bool {
    match source {
        "*" => true,
        "'self'" => page.origin() == to.origin(),
        "https:" | "http:" => to.scheme() == source.trim_end_matches(':'),
        _ => {
            let wanted = Url::parse(source).or_else(|_| Url::parse(&format!("{}://{source}", to.scheme())));
            wanted.is_ok_and(|wanted| wanted.origin() == to.origin())
        }
    }
}

/// What the form sends after the person has put in `values`.
fn filled(form: &Form, values: &[(&str, &str)]) -> Result<Vec<(String, String)>, BrowserError> {
    if let Some((name, _)) = values.iter().find(|(name, _)| form.field(name).is_none()) {
        return Err(BrowserError(format!("the form has no field {name:?}")));
    }
    let mut pairs = Vec::new();
    for field in &form.fields {
        let given: Vec<&str> = values.iter().filter(|(name, _)| *name == field.name).map(|(_, value)| *value).collect();
        let mut add = |value: &str| pairs.push((field.name.clone(), value.to_owned()));
        let offered = |choices: &[Choice], wanted: &str| {
            choices
                .iter()
                .find(|choice| choice.value == wanted)
                .or_else(|| choices.iter().find(|choice| choice.label == wanted))
                .map(|choice| choice.value.clone())
                .ok_or_else(|| BrowserError(format!("{wanted:?} is not offered as {:?}", field.name)))
        };
        match &field.kind {
            FieldKind::Hidden(_) if !given.is_empty() => {
                return Err(BrowserError(format!("{:?} is hidden: a person can't set it", field.name)));
            }
            FieldKind::Hidden(value) => add(value),
            FieldKind::Text(value) => add(given.last().copied().unwrap_or(value)),
            FieldKind::Choice(choices) => match given.last() {
                Some(wanted) => add(&offered(choices, wanted)?),
                None => choices.iter().filter(|choice| choice.chosen).for_each(|choice| add(&choice.value)),
            },
            FieldKind::Boxes(choices) if given.is_empty() => {
                choices.iter().filter(|choice| choice.chosen).for_each(|choice| add(&choice.value));
            }
            FieldKind::Boxes(choices) => {
                for wanted in given.into_iter().filter(|wanted| !wanted.is_empty()) {
                    add(&offered(choices, wanted)?);
                }
            }
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::extract::RawForm;
    use axum::response::{AppendHeaders, Html, IntoResponse as _};
    use axum::routing::{any, get, post};
    use http::StatusCode;

    use super::*;
    use crate::gateway::Gateway;

    const PAGE: &str = r#"<form method="post"><input type="hidden" name="state" value="s"><select name="user"><option value="1">alice</option></select>
        <input type="checkbox" name="scope" value="a" checked><input type="checkbox" name="scope" value="b">
        <button name="decision" value="approve">Yes</button><button name="decision" value="deny">No</button></form>"#;

    async fn world() -> (Arc<Gateway>, Browser) {
        let gateway = Gateway::start(Arc::new(|| 0)).await.unwrap();
        let echo = |headers: HeaderMap, RawForm(body): RawForm| async move {
            let value = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
            format!("{}|{}|{}", String::from_utf8_lossy(&body), value(header::ORIGIN), value(header::COOKIE))
        };
        let to = |status: StatusCode, to: &'static str| {
            move || async move { (status, [(header::LOCATION, to)]).into_response() }
        };
        let moving = |policy: &'static str| {
            move || async move {
                (
                    [(header::CONTENT_SECURITY_POLICY, policy)],
                    Html(r#"<form method="post" action="/away"><button>Go</button></form>"#),
                )
            }
        };
        let vendor = Router::new()
            .route("/consent", get(|| async { Html(PAGE) }).post(echo))
            .route("/private", get(|| async { ([(header::REFERRER_POLICY, "no-referrer")], Html(PAGE)) }).post(echo))
            .route("/echo", any(echo))
            .route("/start", get(to(StatusCode::FOUND, "consent?x=1")))
            .route("/loop", get(to(StatusCode::FOUND, "/loop")))
            .route("/away", post(to(StatusCode::SEE_OTHER, "https://other.example/echo")))
            .route("/keep", post(to(StatusCode::TEMPORARY_REDIRECT, "/echo")))
            .route(
                "/cookie",
                get(|| async {
                    (AppendHeaders([(header::SET_COOKIE, "a=1; Path=/; HttpOnly"), (header::SET_COOKIE, "b=2")]), "set")
                }),
            )
            .route("/gone", get(|| async { ([(header::SET_COOKIE, "a=; Max-Age=0")], "gone") }))
            .route("/strict", get(moving("default-src 'none'; form-action 'self'")))
            .route("/open", get(moving("form-action 'self' https://other.example")));
        gateway.mount("vendor.example", vendor);
        gateway.mount("other.example", Router::new().route("/echo", any(echo)));
        let browser = Browser::new(&gateway.url()).unwrap();
        (gateway, browser)
    }

    #[tokio::test]
    async fn redirects_forms_and_consent() {
        let (gateway, browser) = world().await;
        let page = browser.open("https://vendor.example/start").await.unwrap();
        assert_eq!(page.url, "https://vendor.example/consent?x=1");
        // The same page by its address on the gateway is the vendor's page.
        let same = browser.open(&format!("{}/vendor.example/start", gateway.url())).await.unwrap();
        assert_eq!(same.url, page.url);
        let sent = browser.submit(&page, "Yes", &[("scope", "b"), ("user", "alice")]).await.unwrap();
        assert_eq!(sent.html, "state=s&user=1&scope=b&decision=approve|https://vendor.example|-");
        assert!(browser.submit(&page, "Maybe", &[]).await.is_err());
        assert!(browser.submit(&page, "Yes", &[("state", "x")]).await.is_err());
        assert!(browser.submit(&page, "Yes", &[("nothing", "x")]).await.is_err());
        let done = browser.consent("https://vendor.example/start", Consent::Deny).await.unwrap();
        assert!(done.html.starts_with("state=s&user=1&scope=a&decision=deny"));
        let person = Person::named("alice").picking("scope", "");
        let done = browser.consent_as("https://vendor.example/private", "approve", &person).await.unwrap();
        assert_eq!(done.html, "state=s&user=1&decision=approve|null|-");
        assert!(
            browser.consent_as("https://vendor.example/start", "approve", &person.picking("guild", "1")).await.is_err()
        );
        assert!(browser.consent("https://vendor.example/echo", Consent::Deny).await.is_err());
        assert!(browser.open("https://vendor.example/loop").await.is_err());
        let kept = browser.post("https://vendor.example/keep", &[("a", "b c")], "https://x.example").await.unwrap();
        assert_eq!(kept.html, "a=b+c|https://x.example|-");
        assert!(browser.open("https://nobody.example/").await.is_err());
    }

    #[tokio::test]
    async fn cookies_policies_and_routes() {
        let (gateway, browser) = world().await;
        browser.open("https://vendor.example/cookie").await.unwrap();
        assert_eq!(browser.post("https://vendor.example/echo", &[], "o").await.unwrap().html, "|o|a=1; b=2");
        assert_eq!(browser.post("https://other.example/echo", &[], "o").await.unwrap().html, "|o|-");
        browser.open("https://vendor.example/gone").await.unwrap();
        assert_eq!(browser.post("https://vendor.example/echo", &[], "o").await.unwrap().html, "|o|b=2");
        let strict = browser.open("https://vendor.example/strict").await.unwrap();
        assert!(browser.submit(&strict, "Go", &[]).await.is_err_and(|error| error.0.contains("form-action")));
        let open = browser.open("https://vendor.example/open").await.unwrap();
        assert_eq!(browser.submit(&open, "Go", &[]).await.unwrap().url, "https://other.example/echo");
        browser.route("https://trypost.example", &format!("{}/other.example", gateway.url()));
        assert_eq!(browser.open("https://trypost.example/echo").await.unwrap().url, "https://trypost.example/echo");
    }
}
