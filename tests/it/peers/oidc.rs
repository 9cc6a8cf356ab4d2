//! Our one OAuth client against a certified server: PKCE, rotation, reuse, revocation and denial by rules that nobody
//! here wrote. The server stands behind the gateway as `op.example`; the person is a cookie jar that posts its forms.

use std::collections::BTreeMap;
use std::sync::Arc;

use emulators::{Fault as Injected, FaultKind, Gateway};
use trypost::domain::account::Tokens;
use trypost::domain::{Clock, Fault, Operation, OsEntropy, Secret, SystemClock, Timestamp, Unobserved};
use trypost::platforms::http::{Answer, Http, PublicResolver};
use trypost::platforms::oauth::{self, ClientAuth, Dialect, Endpoints, OAuth};
use trypost::platforms::{App, Context};
use url::Url;

use crate::support::forwarder;
use crate::support::node::Peer;

const REDIRECT: &str = "https://social.example/accounts/some-vendor/callback";
const SECRET: &str = "a secret: with/all+that%is hard";
const SCOPES: &[&str] = &["openid", "offline_access", "post:write"];

/// The server, the way to it, and our client.
struct Bench {
    gateway: Arc<Gateway>,
    http: Http,
    redirect: Url,
    app: App,
    oauth: OAuth,
    _peer: Peer,
}

impl Bench {
    async fn new(client: &str, auth: ClientAuth) -> Option<Self> {
        let environment = [("REDIRECT_URI", REDIRECT), ("CLIENT_SECRET", SECRET)];
        let peer = Peer::start("oidc", "op.mjs", &environment).await?;
        let gateway = Gateway::start(Arc::new(|| SystemClock.now().as_millisecond())).await.expect("a free port");
        gateway.mount("op.example", forwarder::to("op.example", peer.address("port")));
        let base = Some(Url::parse(&gateway.url()).expect("an address"));
        let http = Http::new(base, Arc::new(PublicResolver), Arc::new(Unobserved)).expect("a client");
        let at = |path: &str| Url::parse("https://op.example").and_then(|op| op.join(path)).expect("an address");
        let secret = (client != "public").then(|| Secret::new(SECRET));
        let dialect = Dialect {
            name: "The certified server",
            scope_separator: " ",
            client_auth: auth,
            client_param: "client_id",
            pkce: true,
            cancelled: &[],
            forgotten: &[],
        };
        let endpoints =
            Endpoints { authorize: at("/auth"), token: at("/token"), revoke: Some(at("/token/revocation")) };
        Some(Self {
            gateway,
            http,
            redirect: Url::parse(REDIRECT).expect("an address"),
            app: App { id: client.to_owned(), secret, ..App::default() },
            oauth: OAuth { dialect, endpoints, verdict },
            _peer: peer,
        })
    }

    fn context(&self) -> Context<'_> {
        let now = SystemClock.now();
        Context { http: &self.http, now, app: &self.app, redirect_uri: &self.redirect, entropy: &OsEntropy }
    }

    /// A consent, from the link to the tokens.
    async fn consented(&self) -> Tokens {
        let begun = self.oauth.begin(&self.context(), "some-state", SCOPES, &[("prompt", "consent")]).expect("begun");
        let callback = self.person(begun.url.expect("a link"), Choice::Agree).await;
        assert_eq!(callback.get("state").map(String::as_str), Some("some-state"));
        let granted = self.oauth.complete(&self.context(), &callback, &begun.keep).await.expect("tokens");
        let mut scopes = granted.scopes.expect("it names them");
        scopes.sort();
        assert_eq!(scopes, ["offline_access", "openid", "post:write"]);
        granted.tokens
    }

    /// What the person does in the browser: follows redirects, logs in, then agrees or not. Gives the callback's query.
    async fn person(&self, link: Url, choice: Choice) -> BTreeMap<String, String> {
        let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let browser = browser.expect("a browser");
        let mut cookies: BTreeMap<String, String> = BTreeMap::new();
        let mut url = self.meant(&link);
        let mut form: Option<Vec<(&str, &str)>> = None;
        for _ in 0..20 {
            if url.as_str().starts_with(REDIRECT) {
                return url.query_pairs().into_owned().collect();
            }
            let request = match form.take() {
                Some(fields) => browser.post(self.http.link(&url)).form(&fields),
                None => browser.get(self.http.link(&url)),
            };
            let jar = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
            let answer = request.header("cookie", jar).send().await.expect("the server answers");
            for cookie in answer.headers().get_all("set-cookie") {
                let cookie = cookie.to_str().expect("text").split(';').next().expect("one part").to_owned();
                let (name, value) = cookie.split_once('=').expect("a cookie");
                cookies.insert(name.to_owned(), value.to_owned());
            }
            if let Some(next) = answer.headers().get("location") {
                url = self.meant(&url).join(next.to_str().expect("text")).expect("an address");
                continue;
            }
            let page = answer.text().await.expect("a page");
            let action = page.split(r#"action=""#).nth(1).and_then(|rest| rest.split('"').next());
            let action = action.unwrap_or_else(|| panic!("no form on {url}:\n{page}"));
            let action = self.meant(&url).join(action).expect("an address");
            if page.contains(r#"name="login""#) {
                form = Some(vec![("prompt", "login"), ("login", "alice"), ("password", "x")]);
                url = action;
            } else if choice == Choice::Agree {
                form = Some(vec![("prompt", "consent")]);
                url = action;
            } else {
                url = action.join(&format!("{}/abort", action.path())).expect("an address");
            }
        }
        panic!("the person goes in circles at {url}");
    }

    /// The address as the server knows it.
    fn meant(&self, url: &Url) -> Url {
        let rest = url.as_str().strip_prefix(&format!("{}/", self.gateway.url()));
        rest.map_or_else(|| url.clone(), |rest| Url::parse(&format!("https://{rest}")).expect("an address"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Agree,
    Refuse,
}

fn verdict(operation: Operation, answer: &Answer, _now: Timestamp) -> Fault {
    let known = oauth::verdict(operation, answer, "The certified server");
    known.unwrap_or_else(|| Fault::unanswered(operation, format!("it answered {}", answer.status)))
}

#[tokio::test]
async fn every_way_of_proving_ourselves_gives_tokens_that_renew() {
    for (client, auth) in
        [("in-the-body", ClientAuth::Body), ("in-the-header", ClientAuth::Basic), ("public", ClientAuth::Body)]
    {
        let Some(bench) = Bench::new(client, auth).await else { return };
        let first = bench.consented().await;
        assert!(first.expires_at.is_some_and(|end| end > SystemClock.now()), "{client}");
        let second = bench.oauth.refresh(&bench.context(), &first).await.expect(client).tokens;
        assert_ne!(second.access, first.access, "{client}");
        assert_ne!(second.refresh, first.refresh, "{client}: the server rotates");
        bench.oauth.refresh(&bench.context(), &second).await.expect(client);
    }
}

#[tokio::test]
async fn a_used_refresh_token_is_the_end_of_the_grant() {
    let Some(bench) = Bench::new("in-the-body", ClientAuth::Body).await else { return };
    let first = bench.consented().await;
    let second = bench.oauth.refresh(&bench.context(), &first).await.expect("renewed").tokens;
    let reused = bench.oauth.refresh(&bench.context(), &first).await;
    assert!(matches!(reused, Err(Fault::GrantDead { .. })), "{reused:?}");
    let sibling = bench.oauth.refresh(&bench.context(), &second).await;
    assert!(matches!(sibling, Err(Fault::GrantDead { .. })), "the server ends the whole grant: {sibling:?}");
}

#[tokio::test]
async fn a_lost_answer_to_a_renewal_is_in_doubt_and_the_token_was_spent() {
    let Some(bench) = Bench::new("in-the-body", ClientAuth::Body).await else { return };
    let first = bench.consented().await;
    bench.gateway.inject(Injected::new("op.example", "/token", 1, FaultKind::DropAfter));
    let lost = bench.oauth.refresh(&bench.context(), &first).await;
    assert!(matches!(lost, Err(Fault::InDoubt { .. })), "{lost:?}");
    let again = bench.oauth.refresh(&bench.context(), &first).await;
    assert!(matches!(again, Err(Fault::GrantDead { .. })), "a server without grace: {again:?}");
}

#[tokio::test]
async fn a_code_works_once_and_only_with_its_verifier() {
    let Some(bench) = Bench::new("in-the-body", ClientAuth::Body).await else { return };
    let begin = || bench.oauth.begin(&bench.context(), "s", SCOPES, &[("prompt", "consent")]).expect("begun");
    let (begun, other) = (begin(), begin());
    let callback = bench.person(begun.url.expect("a link"), Choice::Agree).await;
    let stolen = bench.oauth.complete(&bench.context(), &callback, &other.keep).await;
    assert!(matches!(stolen, Err(Fault::Rejected { .. })), "another attempt's verifier: {stolen:?}");

    let begun = begin();
    let callback = bench.person(begun.url.expect("a link"), Choice::Agree).await;
    let tokens = bench.oauth.complete(&bench.context(), &callback, &begun.keep).await.expect("tokens").tokens;
    let again = bench.oauth.complete(&bench.context(), &callback, &begun.keep).await;
    assert!(matches!(again, Err(Fault::Rejected { .. })), "{again:?}");
    let dead = bench.oauth.refresh(&bench.context(), &tokens).await;
    assert!(matches!(dead, Err(Fault::GrantDead { .. })), "a code used twice ends what it gave: {dead:?}");
}

#[tokio::test]
async fn without_a_challenge_the_server_refuses() {
    let Some(mut bench) = Bench::new("in-the-body", ClientAuth::Body).await else { return };
    bench.oauth.dialect.pkce = false;
    let begun = bench.oauth.begin(&bench.context(), "s", SCOPES, &[]).expect("begun");
    let callback = bench.person(begun.url.expect("a link"), Choice::Agree).await;
    assert_eq!(callback.get("error").map(String::as_str), Some("invalid_request"));
    let refused = bench.oauth.complete(&bench.context(), &callback, &begun.keep).await;
    assert!(matches!(refused, Err(Fault::Misconfigured { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_refusal_by_the_person_connects_nothing() {
    let Some(bench) = Bench::new("in-the-body", ClientAuth::Body).await else { return };
    let begun = bench.oauth.begin(&bench.context(), "s", SCOPES, &[("prompt", "consent")]).expect("begun");
    let callback = bench.person(begun.url.expect("a link"), Choice::Refuse).await;
    let refused = bench.oauth.complete(&bench.context(), &callback, &begun.keep).await;
    assert!(matches!(&refused, Err(Fault::Rejected { why, .. }) if why.contains("without agreeing")), "{refused:?}");
}

#[tokio::test]
async fn a_consent_given_back_is_over() {
    let Some(bench) = Bench::new("in-the-header", ClientAuth::Basic).await else { return };
    let tokens = bench.consented().await;
    bench.oauth.revoke(&bench.context(), &tokens).await.expect("revoked");
    let renewed = bench.oauth.refresh(&bench.context(), &tokens).await;
    assert!(matches!(renewed, Err(Fault::GrantDead { .. })), "{renewed:?}");
    bench.oauth.revoke(&bench.context(), &tokens).await.expect("what is gone is gone");
}

#[tokio::test]
async fn a_wrong_secret_is_our_fault_and_not_the_accounts() {
    let Some(mut bench) = Bench::new("in-the-body", ClientAuth::Body).await else { return };
    let tokens = bench.consented().await;
    bench.app.secret = Some(Secret::new("not it"));
    let renewed = bench.oauth.refresh(&bench.context(), &tokens).await;
    assert!(matches!(renewed, Err(Fault::Misconfigured { .. })), "{renewed:?}");
    bench.app.secret = Some(Secret::new(SECRET));
    bench.oauth.refresh(&bench.context(), &tokens).await.expect("the token was not spent by it");
}
