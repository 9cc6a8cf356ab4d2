//! Ana with her Telegram and her browser, the vendors she uses, and how she goes on when nothing happens: she looks at what
//! the chat offers, and asks again. She knows nothing of processes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use emulators::bluesky::Bluesky;
use emulators::browser::{Browser, Consent};
use emulators::mastodon::{Mastodon, Options};
use emulators::telegram::{Attachment, ButtonKind, Draft, HOST as TELEGRAM, Message, Standing, Telegram, User};
use emulators::{Call, Gateway, fixtures};

const PUBLIC: &str = "https://trypost.example";
const SERVER: &str = "m.example";
const TOKEN: &str = "700000001:AAExampleExampleExampleExampleExample";
const HANDLE: &str = "ana.bsky.social";
/// How long she looks at a chat in which nothing happens before she asks again.
const QUIET: Duration = Duration::from_secs(12);
/// How long she waits for a post to come out.
const LONG: Duration = Duration::from_secs(60);
/// How often she goes on with one thing.
const TURNS: usize = 24;

/// Everyone outside the daemon.
pub struct Town {
    pub gateway: Arc<Gateway>,
    pub telegram: Telegram,
    ana: User,
    mastodon: Mastodon,
    bluesky: Bluesky,
    password: String,
    browser: Browser,
    channel: i64,
    port: u16,
}

/// What became of connecting.
#[derive(Debug)]
pub struct Connecting {
    /// How often the account is in the list.
    pub accounts: usize,
    /// How often she had to begin again.
    pub repeats: usize,
}

/// What became of publishing.
#[derive(Debug)]
pub struct Publishing {
    /// Whether she was asked if it is there.
    pub asked: bool,
    /// Whether it came out on all accounts in the end.
    pub is_published: bool,
    /// How often she had to press again.
    pub repeats: usize,
}

impl Town {
    pub async fn new() -> Self {
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            i64::try_from(since.as_millis()).unwrap()
        };
        let gateway = Gateway::start(Arc::new(clock)).await.unwrap();
        let telegram = Telegram::new(&gateway, TOKEN, "kill_bot");
        let ana = telegram.add_user(5_550_001, "Ana", Some("ana"));
        let channel = telegram.add_channel("Acme News", Some("acme"));
        telegram.join(channel, &ana, Standing::Creator);
        let mastodon = Mastodon::new(&gateway, SERVER, Options::default());
        mastodon.add_user("ana");
        let bluesky = Bluesky::new(&gateway);
        bluesky.add_account(HANDLE);
        let password = bluesky.add_app_password(HANDLE, "trypost").unwrap();
        // Every daemon of a test listens at the same place: links lead to whoever is up.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let browser = Browser::new(&gateway.url()).unwrap();
        browser.route(PUBLIC, &format!("http://127.0.0.1:{port}"));
        Self { gateway, telegram, ana, mastodon, bluesky, password, browser, channel, port }
    }

    pub fn settings(&self, folder: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("VENDOR_GATEWAY", self.gateway.url()),
            ("LISTEN_ADDR", format!("127.0.0.1:{}", self.port)),
            ("DATA_DIR", folder.display().to_string()),
            ("APP_URL", PUBLIC.to_owned()),
            ("TELEGRAM_BOT_TOKEN", TOKEN.to_owned()),
            ("TELEGRAM_BOT_USERNAME", "kill_bot".to_owned()),
        ]
    }

    /// Which calls are the daemon's for connecting and publishing: not its chatting, and not Ana's browser.
    pub fn counted(&self) -> impl Fn(&Call) -> bool + Send + Sync + 'static {
        let channel = self.channel.to_string();
        move |call| match call.host.as_str() {
            TELEGRAM => String::from_utf8_lossy(&call.body).contains(&channel) && !call.path.contains("Commands"),
            SERVER => !call.path.starts_with("/oauth/authorize"),
            _ => true,
        }
    }

    fn chat(&self) -> i64 {
        self.ana.id()
    }

    fn newest(&self) -> i64 {
        self.telegram.messages(self.chat()).last().map_or(0, |message| message.id)
    }

    pub async fn claims(&self, code: &str) {
        let said = self.ana.opens(code);
        self.telegram.wait_message(self.chat(), |message| message.id > said).await;
    }

    /// The newest message of the bot after `since` that looks unlike what she has dealt with.
    async fn sees(&self, since: i64, known: &BTreeSet<String>, limit: Duration) -> Option<Message> {
        let chat = self.chat();
        self.telegram
            .find(limit, |state| {
                let last = state.messages(chat).rfind(|message| message.by_bot && !message.deleted)?;
                (last.id > since && !known.contains(&look(last))).then(|| last.clone())
            })
            .await
    }

    /// Connects, whatever happens on the way, as somebody who wants it.
    pub async fn connects(&self, platform: &str) -> Connecting {
        let asks = if platform == "mastodon" { format!("/connect {SERVER}") } else { format!("/connect {platform}") };
        let (chat, since) = (self.chat(), self.newest());
        let mut known = BTreeSet::new();
        let mut repeats = 0;
        self.ana.says(chat, &asks);
        for _ in 0..TURNS {
            let Some(card) = self.sees(since, &known, QUIET).await else {
                repeats += 1;
                known.clear();
                self.ana.says(chat, &asks);
                continue;
            };
            known.insert(look(&card));
            if card.text.contains("is connected to") {
                break;
            }
            if card.button("Connect").is_some() {
                self.ana.press(chat, card.id, "Connect");
                continue;
            }
            if let Some(label) =
                ["Try again", "New link", "Start again"].into_iter().find(|label| card.button(label).is_some())
            {
                repeats += 1;
                self.ana.press(chat, card.id, label);
                continue;
            }
            self.follows(&card).await;
        }
        let asked = self.ana.says(chat, "/accounts");
        let list = self.telegram.find(LONG, |state| {
            state.messages(chat).rfind(|message| message.by_bot && message.id > asked && !message.deleted).cloned()
        });
        let list = list.await.map(|list| list.text).unwrap_or_default();
        let name = match platform {
            "mastodon" => "ana@m.example",
            "bluesky" => HANDLE,
            _ => "Acme News",
        };
        Connecting { accounts: list.matches(name).count(), repeats }
    }

    /// Opens what the card offers. A page that does not come is closed again.
    async fn follows(&self, card: &Message) {
        for button in card.buttons.iter().flatten() {
            let ButtonKind::Url(url) = &button.kind else { continue };
            if button.label == "Add me to a channel" {
                self.telegram.demote_bot(self.channel, &self.ana);
                self.telegram.promote_bot(self.channel, &self.ana, &["can_post_messages", "can_delete_messages"]);
            } else if button.label == "Open the form" {
                let fields = [("handle", HANDLE), ("password", self.password.as_str())];
                if let Ok(page) = self.browser.open(url).await {
                    let _ = self.browser.submit(&page, "Continue", &fields).await;
                }
            } else if button.label.starts_with("Connect ") {
                let _ = self.browser.consent(url, Consent::Approve { as_user: "ana".into() }).await;
            }
        }
    }

    /// The newest card about the post with this word.
    async fn card(&self, word: &str, limit: Duration, fits: impl Fn(&Message) -> bool) -> Option<Message> {
        let chat = self.chat();
        let about = |message: &&Message| message.by_bot && !message.deleted && message.text.contains(word);
        self.telegram
            .find(limit, |state| state.messages(chat).rfind(|message| about(message) && fits(message)).cloned())
            .await
    }

    /// Sends the bot a picture with this word, and waits for the draft.
    pub async fn drafts(&self, word: &str) {
        let photo = Attachment::photo(fixtures::jpeg(320, 200));
        self.ana.sends(self.chat(), Draft::media([photo]).caption(word));
        let card = self.card(word, LONG, |card| card.button("Post now").is_some()).await;
        assert!(card.is_some(), "no draft of {word}: {}", self.telegram.transcript());
    }

    /// Publishes that draft on all accounts and answers what she is asked, after looking.
    pub async fn publishes(&self, word: &str) -> Publishing {
        let chat = self.chat();
        let mut seen = Publishing { asked: false, is_published: false, repeats: 0 };
        for _ in 0..4 {
            let Some(draft) = self.card(word, LONG, |card| card.button("Post now").is_some()).await else { break };
            self.ana.press(chat, draft.id, "Post now");
            let told = |card: &Message| {
                card.text.contains("published on 3 accounts")
                    || (card.button("It is there").is_some() && !card.text.contains('◐'))
            };
            let Some(card) = self.card(word, LONG, told).await else {
                seen.repeats += 1;
                continue;
            };
            if card.button("It is there").is_some() {
                seen.asked = true;
                let word = if self.posts(word)[2] > 0 { "It is there" } else { "Send again" };
                self.ana.press(chat, card.id, word);
            }
            let out = self.card(word, LONG, |card| card.text.contains("published on 3 accounts")).await;
            seen.is_published = out.is_some();
            break;
        }
        seen
    }

    /// How often the post with this word is out, with its picture, on Mastodon, Bluesky and Telegram.
    pub fn posts(&self, word: &str) -> [usize; 3] {
        let mastodon = self.mastodon.statuses();
        let mastodon = mastodon.iter().filter(|status| status.text.contains(word) && status.media.len() == 1).count();
        let bluesky = self.bluesky.posts(HANDLE);
        let bluesky = bluesky.iter().filter(|post| {
            post.value["text"].as_str().is_some_and(|text| text.contains(word))
                && post.value["embed"]["images"].is_array()
        });
        let telegram = self.telegram.messages(self.channel);
        let telegram = telegram.iter().filter(|message| message.text.contains(word) && message.media.is_some()).count();
        [mastodon, bluesky.count(), telegram]
    }
}

/// What a person sees of a message.
fn look(message: &Message) -> String {
    let urls = message.buttons.iter().flatten().map(|button| format!("{:?}", button.kind)).collect::<Vec<_>>();
    format!("{} {} {urls:?}", message.id, message.text)
}
