//! Discord's REST API through one small client: serenity's own limiter and its proxy exclude each other, and without its
//! limiter it loses what a 429 says. It knows routes, limits and error codes, and nothing of messages.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::multipart;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use url::Url;

use crate::model::Attachment;
use crate::surface::Failure;

/// Discord asks every client to name itself so (reference page); others may be turned away at its edge.
const USER_AGENT: &str = concat!("DiscordBot (https://docs.trypost.it, ", env!("CARGO_PKG_VERSION"), ")");
const API: &str = "discord.com/api/v10";
/// A rate limit that is over sooner than this is waited out; a longer one is the caller's to plan.
const SHORT: Duration = Duration::from_secs(5);
/// How often a short limit is waited out for one call.
const WAITS: u32 = 3;
const TIME: Duration = Duration::from_secs(15);
/// With files, and for downloads.
const LONG_TIME: Duration = Duration::from_secs(120);
/// No answer is longer than a guild with its roles, or a hundred commands.
const LONGEST_ANSWER: usize = 4 << 20;
/// Where attachments lie; an address elsewhere did not come from Discord.
const FILE_HOSTS: [&str; 2] = ["cdn.discordapp.com", "media.discordapp.net"];

/// What came of a call that brought nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Discord answered so: status, its own code (0 without one), its words.
    Refused { status: u16, code: u64, why: String },
    /// Anything else.
    Failed(Failure),
}

impl From<Trouble> for Failure {
    /// Codes from Discord's "Opcodes and Status Codes" page.
    fn from(trouble: Trouble) -> Self {
        let (status, code, why) = match trouble {
            Trouble::Failed(failure) => return failure,
            Trouble::Refused { status, code, why } => (status, code, format!("{why} ({status}, {code})")),
        };
        match (status, code) {
            // Unknown message, webhook, interaction; already acknowledged; someone else's message; expired token; too
            // many edits of an old message.
            (_, 10008 | 10015 | 10062 | 40060 | 50005 | 50027 | 30046) => Self::Gone(why),
            // Unknown channel, guild, user; missing access or permissions; no direct messages; archived thread.
            (_, 10003 | 10004 | 10013 | 50001 | 50007 | 50013 | 50278 | 50083) => Self::Unreachable(why),
            (401, _) => Self::Unauthorized(why),
            (408 | 500.., _) => Self::Retry { after: 5, why },
            (404, _) => Self::Gone(why),
            _ => Self::Refused(why),
        }
    }
}

/// One call.
struct Call<'a> {
    method: Method,
    /// After the API's base, with its query.
    route: &'a str,
    body: Option<&'a Value>,
    files: &'a [Attachment],
    /// Interaction and webhook routes carry their own token.
    as_bot: bool,
}

/// The client.
pub(crate) struct Rest {
    http: reqwest::Client,
    gateway: Option<String>,
    token: String,
    /// The global limit: nothing goes out before.
    closed_until: Mutex<Option<Instant>>,
    refused: watch::Sender<bool>,
}

impl Rest {
    /// `gateway` stands in front of every vendor's host when set.
    pub(crate) fn new(token: String, gateway: Option<&Url>) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .user_agent(USER_AGENT)
            .build()
            .map_err(|why| Failure::Refused(format!("the HTTP client can't be made: {why}")))?;
        let gateway = gateway.map(|url| url.as_str().trim_end_matches('/').to_owned());
        Ok(Self { http, gateway, token, closed_until: Mutex::new(None), refused: watch::Sender::new(false) })
    }

    /// Where requests for a vendor's host go.
    fn address(&self, host_and_path: &str) -> String {
        match &self.gateway {
            Some(gateway) => format!("{gateway}/{host_and_path}"),
            None => format!("https://{host_and_path}"),
        }
    }

    /// Waits until Discord has refused the token.
    pub(crate) async fn token_refused(&self) {
        let mut refused = self.refused.subscribe();
        // The sender lives as long as `self`.
        let _ = refused.wait_for(|refused| *refused).await;
    }

    /// Lets calls out again after a refused token: the next answer decides anew.
    pub(crate) fn try_token_again(&self) {
        self.refused.send_replace(false);
    }

    pub(crate) async fn get(&self, route: &str) -> Result<Value, Trouble> {
        self.call(Call { method: Method::GET, route, body: None, files: &[], as_bot: true }).await
    }

    pub(crate) async fn put(&self, route: &str, body: &Value) -> Result<Value, Trouble> {
        self.call(Call { method: Method::PUT, route, body: Some(body), files: &[], as_bot: true }).await
    }

    pub(crate) async fn post(&self, route: &str, body: &Value, files: &[Attachment]) -> Result<Value, Trouble> {
        self.call(Call { method: Method::POST, route, body: Some(body), files, as_bot: true }).await
    }

    pub(crate) async fn patch(&self, route: &str, body: &Value, files: &[Attachment]) -> Result<Value, Trouble> {
        self.call(Call { method: Method::PATCH, route, body: Some(body), files, as_bot: true }).await
    }

    pub(crate) async fn delete(&self, route: &str) -> Result<Value, Trouble> {
        self.call(Call { method: Method::DELETE, route, body: None, files: &[], as_bot: true }).await
    }

    /// A call to an interaction's or webhook's route, whose token is in the route.
    pub(crate) async fn hook(
        &self,
        method: Method,
        route: &str,
        body: Option<&Value>,
        files: &[Attachment],
    ) -> Result<Value, Trouble> {
        self.call(Call { method, route, body, files, as_bot: false }).await
    }

    async fn call(&self, call: Call<'_>) -> Result<Value, Trouble> {
        let mut waits = 0;
        loop {
            // More than 10,000 invalid requests in 10 minutes lead to a ban of the address (rate limits page).
            if call.as_bot && *self.refused.borrow() {
                return Err(Trouble::Failed(Failure::Unauthorized("refused earlier; not asked again".to_owned())));
            }
            let closed = *self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = closed.and_then(|until| until.checked_duration_since(Instant::now()));
            let wait = match wait {
                Some(wait) => wait,
                None => match self.once(&call).await? {
                    Answer::Done(value) => return Ok(value),
                    Answer::Wait(wait) => wait,
                },
            };
            if wait > SHORT || waits == WAITS {
                let after = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                return Err(Trouble::Failed(Failure::Retry {
                    after: after.max(1),
                    why: "Discord's rate limit".into(),
                }));
            }
            waits += 1;
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, call: &Call<'_>) -> Result<Answer, Trouble> {
        let mut request = self.http.request(call.method.clone(), self.address(&format!("{API}{}", call.route)));
        if call.as_bot {
            request = request.header(http::header::AUTHORIZATION, format!("Bot {}", self.token));
        }
        request = match call.body {
            Some(body) if !call.files.is_empty() => request.multipart(form(body, call.files).await?),
            Some(body) => request.json(body),
            None => request,
        };
        let time = if call.files.is_empty() { TIME } else { LONG_TIME };
        let response = request.timeout(time).send().await.map_err(unanswered)?;
        let status = response.status();
        let header = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
        let body = capped(response).await?;
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            if call.as_bot {
                self.refused.send_if_modified(std::mem::take);
            }
            return Ok(Answer::Done(json));
        }
        let code = json["code"].as_u64().unwrap_or_default();
        if status == StatusCode::TOO_MANY_REQUESTS && code != 30046 {
            let seconds = json["retry_after"].as_f64().or(header).unwrap_or(5.0);
            let wait = Duration::try_from_secs_f64(seconds.clamp(0.05, 86_400.0)).unwrap_or(SHORT);
            if json["global"] == true {
                *self.closed_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + wait);
            }
            return Ok(Answer::Wait(wait));
        }
        let why = self.scrub(&words(&json), call.route);
        if status == StatusCode::UNAUTHORIZED {
            if !call.as_bot {
                return Err(Trouble::Failed(Failure::Gone(format!("the interaction's token is over: {why}"))));
            }
            if code != 50027 {
                self.refused.send_replace(true);
            }
        }
        Err(Trouble::Refused { status: status.as_u16(), code, why })
    }

    /// What an error says, without the secrets that the request carried.
    fn scrub(&self, text: &str, route: &str) -> String {
        let mut clean = text.replace(&self.token, "[token]");
        // The only long parts of a route are interaction tokens.
        for part in route.split(['/', '?']).filter(|part| part.len() > 24) {
            clean = clean.replace(part, "[token]");
        }
        clean
    }

    /// Where the gateway is, asked of the API: serenity would fall back to Discord's own when it can't be asked, so it
    /// is looked at here first.
    pub(crate) async fn websocket(&self) -> Result<Url, Failure> {
        let answer = self.call(Call { method: Method::GET, route: "/gateway", body: None, files: &[], as_bot: false });
        let answer = answer.await.map_err(Failure::from)?;
        let address = answer["url"].as_str().and_then(|url| Url::parse(url).ok());
        let Some(address) = address else {
            return Err(Failure::Retry { after: 10, why: "Discord named no gateway".to_owned() });
        };
        let right = match &self.gateway {
            Some(gateway) => Url::parse(gateway).is_ok_and(|gateway| {
                (address.host_str(), address.port_or_known_default())
                    == (gateway.host_str(), gateway.port_or_known_default())
            }),
            None => address.scheme() == "wss" && address.host_str().is_some_and(|host| host.ends_with(".discord.gg")),
        };
        if !right {
            return Err(Failure::Refused(format!("the gateway's address is not where it may be: {address}")));
        }
        Ok(address)
    }

    /// Fetches an attachment, at most `limit` bytes.
    pub(crate) async fn download(&self, address: &str, to: &Path, limit: u64) -> Result<(), Failure> {
        let address = self.file_address(address)?;
        let request = self.http.get(address).timeout(LONG_TIME).send().await;
        let response = request.map_err(|why| Failure::from(unanswered(why)))?;
        match response.status() {
            StatusCode::OK => {}
            // Links to attachments are signed for a day.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::GONE => {
                return Err(Failure::Gone("the file's link is over; the message must be sent again".to_owned()));
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Failure::Retry { after: 10, why: format!("the file server answered {status}") });
            }
            status => return Err(Failure::Refused(format!("the file server answered {status}"))),
        }
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(Failure::TooLarge { limit });
        }
        let written = write(response, to, limit).await;
        if written.is_err() {
            // Half a file is worse than none; it may not even exist.
            let _ = tokio::fs::remove_file(to).await;
        }
        written
    }

    /// The address to fetch from: Discord's own, or the gateway's form of it.
    fn file_address(&self, address: &str) -> Result<String, Failure> {
        let vendor = match self.gateway.as_ref().and_then(|gateway| address.strip_prefix(&format!("{gateway}/"))) {
            Some(rest) => format!("https://{rest}"),
            None => address.to_owned(),
        };
        let elsewhere = || Failure::Refused("the file's address is not one of Discord's".to_owned());
        let url = Url::parse(&vendor).map_err(|_| elsewhere())?;
        let plain =
            url.scheme() == "https" && url.port().is_none() && url.username().is_empty() && url.password().is_none();
        let host = url.host_str().filter(|host| plain && FILE_HOSTS.contains(host)).ok_or_else(elsewhere)?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(self.address(&format!("{host}{}{query}", url.path())))
    }
}

enum Answer {
    Done(Value),
    Wait(Duration),
}

/// A request that got no answer. The address holds interaction tokens, so it is taken out.
fn unanswered(why: reqwest::Error) -> Trouble {
    let why = why.without_url();
    let mut text = why.to_string();
    let mut source = std::error::Error::source(&why);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Trouble::Failed(Failure::Retry { after: 5, why: format!("Discord did not answer: {text}") })
}

async fn capped(response: reqwest::Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        body.extend_from_slice(&chunk.map_err(unanswered)?);
        if body.len() > LONGEST_ANSWER {
            let why = "Discord's answer is too long".to_owned();
            return Err(Trouble::Failed(Failure::Retry { after: 60, why }));
        }
    }
    Ok(body)
}

async fn write(response: reqwest::Response, to: &Path, limit: u64) -> Result<(), Failure> {
    let failed = |why: std::io::Error| Failure::Retry { after: 5, why: format!("saving a file: {why}") };
    let mut file = tokio::fs::File::create(to).await.map_err(failed)?;
    let mut stream = response.bytes_stream();
    let mut length = 0_u64;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|why| Failure::from(unanswered(why)))?;
        length += chunk.len() as u64;
        if length > limit {
            return Err(Failure::TooLarge { limit });
        }
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.sync_all().await.map_err(failed)
}

/// Files beside their description (uploading files, reference page).
async fn form(body: &Value, files: &[Attachment]) -> Result<multipart::Form, Trouble> {
    let refused = |why: String| Trouble::Failed(Failure::Refused(why));
    let json = multipart::Part::text(body.to_string())
        .mime_str("application/json")
        .map_err(|why| refused(format!("the message's form: {why}")))?;
    let mut form = multipart::Form::new().part("payload_json", json);
    for (index, file) in files.iter().enumerate() {
        let part = multipart::Part::file(&file.path)
            .await
            .map_err(|why| refused(format!("the file {} can't be read: {why}", file.name)))?
            .file_name(file.name.clone())
            .mime_str(&file.mime)
            .map_err(|_| refused(format!("the file {} has no valid type: {:?}", file.name, file.mime)))?;
        form = form.part(format!("files[{index}]"), part);
    }
    Ok(form)
}

/// Discord's words for an error, with the fields that it names.
fn words(json: &Value) -> String {
    let message = json["message"].as_str().unwrap_or("no reason given");
    let mut found = Vec::new();
    fields(&json["errors"], &mut Vec::new(), &mut found);
    if found.is_empty() { message.to_owned() } else { format!("{message}: {}", found.join("; ")) }
}

fn fields<'a>(errors: &'a Value, path: &mut Vec<&'a str>, found: &mut Vec<String>) {
    if found.len() >= 5 || path.len() > 12 {
        return;
    }
    if let Some(list) = errors["_errors"].as_array() {
        for error in list {
            found.push(format!("{}: {}", path.join("."), error["message"].as_str().unwrap_or_default()));
        }
        return;
    }
    for (name, inner) in errors.as_object().into_iter().flatten() {
        path.push(name);
        fields(inner, path, found);
        path.pop();
    }
}
