//! Discord: invite, channels, verify, publish, find, every loss, delete. Long because one server is driven through all of
//! it, by the same few helpers.

use std::collections::BTreeMap;

use emulators::discord::{Discord, HOST, Message, Options as Application, Target, User};
use emulators::{Fault as Knob, FaultKind};
use serde_json::{Value, json};
use trypost::domain::account::Account;
use trypost::domain::post::{Embed, MediaKind, Options, Posted, RichText, Style};
use trypost::domain::{Fault, Secret, Timestamp};
use trypost::platforms::discord::Discord as Connector;
use trypost::platforms::{
    Answer, App, Consent, Credentials, Delivery, File, Finding, Found, Platform, Prepared, Seen, Want,
};
use url::Url;

use super::bots::{Bench, MP4, account, marked, plain};

const TOKEN: &str = "canary-bot-token";
const CLIENT_SECRET: &str = "canary-client-secret";
const REDIRECT: &str = "https://team.example/accounts/discord/callback";
const VIEW: u64 = 1 << 10;
const SEND: u64 = 1 << 11;
const HISTORY: u64 = 1 << 16;
const ALL: u64 = 248_832;
const MIB: usize = 1024 * 1024;

struct World {
    bench: Bench,
    discord: Discord,
    ana: User,
    guild: u64,
}

async fn world() -> World {
    let settings = BTreeMap::from([("DISCORD_SCOPES".to_owned(), "bot,identify,guilds".to_owned())]);
    let app = App {
        id: "900".into(),
        secret: Some(Secret::new(CLIENT_SECRET)),
        bot_token: Some(Secret::new(TOKEN)),
        settings,
        ..App::default()
    };
    let bench = Bench::new(app).await;
    let application = Application {
        application_id: 900,
        client_secret: CLIENT_SECRET.into(),
        bot_token: TOKEN.into(),
        name: "trial".into(),
        redirect_uris: vec![REDIRECT.into()],
    };
    let discord = Discord::new(&bench.gateway, application);
    let ana = discord.add_user("Ana");
    let guild = discord.add_guild("Acme", &ana);
    World { bench, discord, ana, guild }
}

impl World {
    /// The person opens the link and decides; gives the callback's query.
    async fn consents(&self, link: Url, guild: u64, decision: &str) -> BTreeMap<String, String> {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let (user, guild) = (self.ana.id().to_string(), guild.to_string());
        let form = [("user", user.as_str()), ("guild", guild.as_str()), ("decision", decision)];
        let answer = client.post(link).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let target: Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
        assert!(target.as_str().starts_with(REDIRECT), "{target}");
        target.query_pairs().into_owned().collect()
    }

    async fn link(&self, reconnect: Option<&Account>) -> Url {
        let want = Want { instance: None, state: "state-1", reconnect };
        Connector.begin(&self.bench.cx(), want).await.unwrap().url.unwrap()
    }

    async fn complete(&self, answer: Answer) -> Result<Consent, Fault> {
        Connector.complete(&self.bench.cx(), &Secret::new(""), answer).await
    }

    /// The server as an account, connected where the bot already is.
    async fn connect(&self) -> Account {
        self.discord.add_bot(self.guild, ALL);
        account(&Connector, self.complete(Answer::Place(self.guild.to_string())).await.unwrap())
    }

    fn options(&self) -> Options {
        Options { place: Some(self.discord.general(self.guild).to_string()), ..Options::default() }
    }

    async fn post(&self, account: &Account, text: &str, files: &[File]) -> Result<Posted, Fault> {
        self.post_with(account, &plain(text), files, &self.options()).await
    }

    async fn post_with(
        &self,
        account: &Account,
        text: &RichText,
        files: &[File],
        options: &Options,
    ) -> Result<Posted, Fault> {
        self.bench.publish(&Connector, account, text, files, options).await.map(|(posted, _)| posted)
    }

    fn there(&self) -> Vec<Message> {
        self.discord.messages(self.discord.general(self.guild))
    }

    async fn verify(&self, account: &Account) -> Result<Seen, Fault> {
        Connector.verify(&self.bench.cx(), account, Credentials { tokens: None }).await
    }

    async fn delete(&self, account: &Account, posted: &Posted) -> Result<(), Fault> {
        Connector.delete(&self.bench.cx(), account, Credentials { tokens: None }, posted).await
    }

    fn assert_clean(&self) {
        self.bench.assert_clean(&[TOKEN, CLIENT_SECRET]);
    }
}

#[tokio::test]
async fn the_invite_brings_the_bot_and_the_server_of_the_token_counts() {
    let w = world().await;
    let link = w.link(None).await;
    let query: BTreeMap<String, String> = link.query_pairs().into_owned().collect();
    assert_eq!(query["scope"], "bot identify guilds");
    assert_eq!(query["permissions"], "248832");
    assert_eq!((query["state"].as_str(), query["redirect_uri"].as_str()), ("state-1", REDIRECT));

    w.discord.set_crowd(w.guild, 1202);
    let mut callback = w.consents(link, w.guild, "approve").await;
    assert_eq!(callback["guild_id"], w.guild.to_string());
    // What the query says can be typed by anybody.
    callback.insert("guild_id".into(), "1".into());
    let consent = w.complete(Answer::Callback(callback.clone())).await.unwrap();
    assert!(consent.grant.is_none());
    let [found] = <[Found; 1]>::try_from(consent.found).unwrap();
    assert_eq!((found.remote_id, found.name.as_str()), (w.guild.to_string(), "Acme"));
    assert_eq!(found.url, Some(format!("https://discord.com/channels/{}", w.guild)));
    assert_eq!(found.detail.as_deref(), Some("server, 1,204 members"));
    assert_eq!((&found.meta["premium_tier"], &found.meta["places"]), (&json!(0), &json!(1)));
    assert_eq!(w.discord.live_tokens(), 0, "the person's token went back");

    // The same callback again.
    let fault = w.complete(Answer::Callback(callback)).await.unwrap_err();
    assert!(matches!(fault, Fault::Rejected { .. }), "{fault:?}");
    w.assert_clean();
}

#[tokio::test]
async fn a_reconnect_is_pinned_to_its_server() {
    let w = world().await;
    let account = w.connect().await;
    let query: BTreeMap<String, String> = w.link(Some(&account)).await.query_pairs().into_owned().collect();
    assert_eq!((query["guild_id"].as_str(), query["disable_guild_select"].as_str()), (&*account.remote_id, "true"));
    w.assert_clean();
}

#[tokio::test]
async fn a_consent_that_brings_no_bot_says_so() {
    let w = world().await;
    let denied = w.consents(w.link(None).await, w.guild, "deny").await;
    let fault = w.complete(Answer::Callback(denied)).await.unwrap_err();
    assert!(matches!(&fault, Fault::Rejected { why, .. } if why.contains("without agreeing")), "{fault:?}");

    w.discord.omit_guild(true);
    let callback = w.consents(w.link(None).await, w.guild, "approve").await;
    let fault = w.complete(Answer::Callback(callback)).await.unwrap_err();
    assert!(matches!(&fault, Fault::Rejected { fix, .. } if fix.contains("Manage Server")), "{fault:?}");
    assert_eq!(w.discord.live_tokens(), 0);

    // The bot is not in the server that a press named.
    let other = w.discord.add_guild("Other", &w.ana);
    let fault = w.complete(Answer::Place(other.to_string())).await.unwrap_err();
    assert!(matches!(fault, Fault::Rejected { .. }), "{fault:?}");
    w.assert_clean();
}

#[tokio::test]
async fn a_wrong_client_secret_names_the_setting() {
    let mut w = world().await;
    w.bench.app.secret = Some(Secret::new("the-public-key"));
    let callback = w.consents(w.link(None).await, w.guild, "approve").await;
    let fault = w.complete(Answer::Callback(callback)).await.unwrap_err();
    assert!(matches!(&fault, Fault::Misconfigured { what } if what.contains("DISCORD_CLIENT_SECRET")), "{fault:?}");
    w.assert_clean();
}

#[tokio::test]
async fn only_channels_where_the_bot_may_post_are_offered() {
    let w = world().await;
    let account = w.connect().await;
    let everyone = Target::Role(w.guild);
    let bot = Target::Member(900);
    w.discord.set_everyone(w.guild, VIEW | SEND);
    for kind in [2, 4, 13, 15] {
        w.discord.add_channel(w.guild, kind, "not-for-posts");
    }
    let news = w.discord.add_channel(w.guild, 5, "news");
    let hidden = w.discord.add_channel(w.guild, 0, "hidden");
    w.discord.overwrite(hidden, everyone, 0, VIEW);
    w.discord.overwrite(hidden, bot, 0, VIEW);
    let quiet = w.discord.add_channel(w.guild, 0, "quiet");
    w.discord.overwrite(quiet, bot, 0, SEND);
    let ours = w.discord.add_channel(w.guild, 0, "ours");
    w.discord.overwrite(ours, everyone, 0, VIEW | SEND);
    w.discord.overwrite(ours, bot, VIEW | SEND, 0);

    let places = Connector.places(&w.bench.cx(), &account).await.unwrap();
    let names: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
    assert_eq!(names, ["#general", "#news", "#ours"]);
    // Discord agrees: a message goes where it was offered, and only there.
    for (channel, may) in [(news, true), (ours, true), (hidden, false), (quiet, false)] {
        let options = Options { place: Some(channel.to_string()), ..Options::default() };
        let result = w.post_with(&account, &plain("hello"), &[], &options).await;
        assert_eq!(result.is_ok(), may, "{result:?}");
        if !may {
            assert!(matches!(result, Err(Fault::Rejected { .. })), "only this post is refused: {result:?}");
        }
    }
    w.assert_clean();
}

#[tokio::test]
async fn a_check_sees_the_server_and_its_loss() {
    let w = world().await;
    let account = w.connect().await;
    w.discord.rename_guild(w.guild, "Acme Inc");
    w.discord.set_tier(w.guild, 2);
    let seen = w.verify(&account).await.unwrap();
    assert_eq!(
        (seen.name.as_str(), &seen.meta["premium_tier"], &seen.meta["note"]),
        ("Acme Inc", &json!(2), &Value::Null)
    );
    assert_eq!(Connector.limits(&seen.meta).video_bytes, 50 * MIB as u64);

    // It can post nowhere: still connected, and noted.
    w.discord.overwrite(w.discord.general(w.guild), Target::Member(900), 0, SEND);
    let seen = w.verify(&account).await.unwrap();
    assert_eq!(seen.meta["places"], 0);
    assert!(seen.meta["note"].as_str().unwrap().contains("Send Messages"));

    w.discord.outage(w.guild);
    assert!(matches!(w.verify(&account).await, Err(Fault::Transient { .. })), "an outage is no loss");
    w.discord.recover(w.guild);
    for kind in [FaultKind::server_error(), FaultKind::html(), FaultKind::DropAfter, FaultKind::rate_limited(3)] {
        w.bench.gateway.inject(Knob::new(HOST, "/guilds/", 1, kind));
        assert!(matches!(w.verify(&account).await, Err(Fault::Transient { .. })));
    }
    w.discord.limit_rate("/guilds/", 1, 0.75, true);
    let fault = w.verify(&account).await.unwrap_err();
    assert!(
        matches!(fault, Fault::Transient { retry_after: Some(pause), .. } if pause.as_millis() == 750),
        "{fault:?}"
    );

    w.discord.kick_bot(w.guild);
    assert!(matches!(w.verify(&account).await, Err(Fault::AccountLost { .. })));
    w.discord.delete_guild(w.guild);
    assert!(matches!(w.verify(&account).await, Err(Fault::AccountLost { .. })));
    w.discord.replace_token("another");
    assert!(matches!(w.verify(&account).await, Err(Fault::Misconfigured { .. })));
    w.assert_clean();
}

#[tokio::test]
async fn a_message_with_formatting_files_and_descriptions() {
    let w = world().await;
    let account = w.connect().await;
    let mut picture = w.bench.picture(64, 48);
    picture.media.alt = Some("A door".into());
    let film = w.bench.file(MediaKind::Video, "video/mp4", MP4, (64, 48));
    let bytes = picture.media.bytes;
    let text = marked("new *hours* today", "today", Style::Bold);
    let options = Options { silent: true, ..w.options() };
    let posted = w.post_with(&account, &text, &[picture, film], &options).await.unwrap();
    let [message] = <[Message; 1]>::try_from(w.there()).unwrap();
    assert_eq!(message.content(), "new *hours* **today**");
    assert_eq!(message.flags, 1 << 12);
    let [one, two] = message.body.attachments.as_slice() else { panic!("{message:?}") };
    assert_eq!(
        (one.name.as_str(), one.description.as_deref(), one.mime.as_str()),
        ("image-1.png", Some("A door"), "image/png")
    );
    assert_eq!((one.bytes.len() as u64, two.name.as_str()), (bytes, "video-2.mp4"));
    assert_eq!(posted.id, message.id.to_string());
    let link = format!("https://discord.com/channels/{}/{}/{}", w.guild, message.channel, message.id);
    assert_eq!(posted.url, Some(link));
    // Discord turns clients with another name away.
    let call = w.bench.gateway.calls().pop().unwrap();
    let agent = call.headers["user-agent"].to_str().unwrap();
    assert!(agent.starts_with("DiscordBot (https://team.example, "), "{agent}");
    w.assert_clean();
}

#[tokio::test]
async fn a_picture_too_large_for_the_server_is_made_smaller() {
    let w = world().await;
    let account = w.connect().await;
    w.post(&account, "", &[w.bench.large_picture(11 * MIB)]).await.unwrap();
    let message = w.there().pop().unwrap();
    let [picture] = message.body.attachments.as_slice() else { panic!("{message:?}") };
    assert_eq!((picture.name.as_str(), picture.mime.as_str()), ("image-1.jpg", "image/jpeg"));
    w.assert_clean();
}

#[tokio::test]
async fn typed_calls_are_words_and_chosen_calls_ping() {
    let w = world().await;
    let account = w.connect().await;
    w.post(&account, &format!("@everyone <@{}>", w.ana.id()), &[]).await.unwrap();
    let message = w.there().pop().unwrap();
    assert!(!message.body.pings.everyone && message.body.pings.users.is_empty());

    let embed =
        Embed { title: Some("News".into()), url: Some("https://acme.example".into()), color: Some("#1DA1F2".into()) };
    let mentions = vec!["@everyone".to_owned(), format!("<@{}>", w.ana.id())];
    let options = Options { mentions, embed: Some(embed), ..w.options() };
    w.post_with(&account, &plain("hello"), &[], &options).await.unwrap();
    let message = w.there().pop().unwrap();
    assert!(message.body.pings.everyone);
    assert_eq!(message.body.pings.users, [w.ana.id()]);
    let card = &message.body.embeds[0];
    assert_eq!(
        (&card["title"], &card["description"], &card["color"]),
        (&json!("News"), &json!("hello"), &json!(0x1D_A1_F2))
    );
    w.assert_clean();
}

#[tokio::test]
async fn a_boosted_server_gets_large_files_in_several_messages() {
    let w = world().await;
    w.discord.set_tier(w.guild, 2);
    let account = w.connect().await;
    let large = vec![7_u8; 30 * MIB];
    let files: Vec<File> = (0..2).map(|_| w.bench.file(MediaKind::Video, "video/mp4", &large, (64, 48))).collect();
    let options = w.options();
    let (posted, calls) = w.bench.publish(&Connector, &account, &plain("hello"), &files, &options).await.unwrap();
    assert_eq!(calls, 2);
    let [one, two] = <[Message; 2]>::try_from(w.there()).unwrap();
    assert_eq!((one.content(), two.content()), ("hello", ""));
    assert_eq!((one.body.attachments.len(), two.body.attachments.len()), (1, 1));
    assert_eq!(posted.meta["message_ids"], json!([one.id.to_string(), two.id.to_string()]));
    w.delete(&account, &posted).await.unwrap();
    assert!(w.there().is_empty());

    // A server without boosts is told so.
    w.discord.set_tier(w.guild, 0);
    let account = w.connect().await;
    let fault = w.post(&account, "hello", &files[..1]).await.unwrap_err();
    assert!(matches!(&fault, Fault::Rejected { why, .. } if why.contains("too large")), "{fault:?}");
    // What one request may hold in a boosted server is only seen by trying; preflight spares the others the try.
    let tries = w.bench.gateway.take_violations();
    assert!(tries.len() == 2 && tries.iter().all(|what| what.contains("too large")), "{tries:?}");
    w.assert_clean();
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let w = world().await;
    let account = w.connect().await;
    let general = w.discord.general(w.guild);
    w.discord.block_word("forbidden");
    let fault = w.post(&account, "a forbidden word", &[]).await.unwrap_err();
    assert!(matches!(&fault, Fault::Rejected { why, .. } if why.contains("AutoMod")), "{fault:?}");
    let fault = w.post(&account, &"x".repeat(2001), &[]).await.unwrap_err();
    assert!(matches!(&fault, Fault::Rejected { why, .. } if why.contains("2001")), "{fault:?}");
    let options = Options { place: Some("12345".into()), ..Options::default() };
    let fault = w.post_with(&account, &plain("hello"), &[], &options).await.unwrap_err();
    assert!(matches!(&fault, Fault::Rejected { why, .. } if why.contains("deleted")), "{fault:?}");
    assert!(w.there().is_empty());

    w.discord.set_slowmode(general, 60);
    w.post(&account, "one", &[]).await.unwrap();
    let fault = w.post(&account, "two", &[]).await.unwrap_err();
    assert!(matches!(fault, Fault::Transient { retry_after: Some(pause), .. } if pause.as_secs() == 60), "{fault:?}");
    w.assert_clean();
}

/// A send whose answer is lost, and what looking for it comes to after `seconds`.
async fn lost(w: &World, account: &Account, text: &str, seconds: i64, kind: FaultKind) -> (Finding, String, Timestamp) {
    let (text, options) = (plain(text), w.options());
    let delivery =
        Delivery { account, credentials: Credentials { tokens: None }, text: &text, files: &[], options: &options };
    let Prepared::Ready { journal } = Connector.prepare(&w.bench.cx(), &delivery, Value::Null).await.unwrap() else {
        panic!("not ready")
    };
    let key = Connector.send_key(w.bench.now(), &trypost::domain::OsEntropy);
    let since = w.bench.now();
    w.bench.gateway.inject(Knob::new(HOST, "/messages", 1, kind).on(http::Method::POST));
    let fault = Connector.send(&w.bench.cx(), &delivery, journal.clone(), &key).await.unwrap_err();
    assert!(matches!(fault, Fault::InDoubt { .. }), "{fault:?}");
    w.bench.pass(seconds);
    let finding = Connector.find(&w.bench.cx(), &delivery, journal.clone(), &key, since).await.unwrap();
    if matches!(finding, Finding::Absent) {
        // What flows does then: the same send, with the same key.
        Connector.send(&w.bench.cx(), &delivery, journal, &key).await.unwrap();
    }
    (finding, key, since)
}

#[tokio::test]
async fn a_lost_answer_never_makes_a_second_message() {
    let w = world().await;
    let account = w.connect().await;
    // At once, the nonce makes the replay safe, whether the first one arrived or not.
    for (index, kind) in
        [FaultKind::DropAfter, FaultKind::DropBefore, FaultKind::html(), FaultKind::Truncate].into_iter().enumerate()
    {
        let (finding, ..) = lost(&w, &account, &format!("early {index}"), 5, kind).await;
        assert!(matches!(finding, Finding::Absent), "{finding:?}");
        assert_eq!(w.there().len(), index + 1);
    }
    // Later, the channel is read.
    let (finding, ..) = lost(&w, &account, "late and there", 900, FaultKind::DropAfter).await;
    let Finding::Sent(sent) = finding else { panic!("{finding:?}") };
    assert_eq!(sent.posted.id, w.there().last().unwrap().id.to_string());
    assert!(!sent.more);
    let (finding, ..) = lost(&w, &account, "late and lost", 900, FaultKind::DropBefore).await;
    assert!(matches!(finding, Finding::Absent), "{finding:?}");
    assert_eq!(w.there().len(), 6);

    // Without the right to read back nobody can tell.
    w.discord.overwrite(w.discord.general(w.guild), Target::Member(900), 0, HISTORY);
    let (finding, ..) = lost(&w, &account, "unseen", 900, FaultKind::DropAfter).await;
    assert!(matches!(finding, Finding::Unknown { .. }), "{finding:?}");
    w.assert_clean();
}

#[tokio::test]
async fn what_is_gone_counts_as_deleted() {
    let w = world().await;
    let account = w.connect().await;
    let posted = w.post(&account, "hello", &[]).await.unwrap();
    w.delete(&account, &posted).await.unwrap();
    assert!(w.there().is_empty());
    w.delete(&account, &posted).await.unwrap();
    w.discord.delete_guild(w.guild);
    w.delete(&account, &posted).await.unwrap();
    w.assert_clean();
}
