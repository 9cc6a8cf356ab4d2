//! Each strict rule of the Discord emulator over real HTTP and websocket: one refused and one accepted request. The
//! gateway's events are also read with serenity's model, which drops what it can't read.
//! Long because each rule has its own lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::{SinkExt as _, StreamExt as _};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::permissions::{EVERYONE, MANAGE_GUILD, MENTION_EVERYONE, SEND_MESSAGES, VIEW_CHANNEL};
use super::{Discord, File, Options, Target, User};
use crate::{Clock, Gateway};

const APP: u64 = 1001;
const REDIRECT: &str = "https://trypost.example/accounts/discord/callback";
const MINUTE: i64 = 60_000;
const DIRECT: u64 = 1 << 12;

struct World {
    gateway: Arc<Gateway>,
    discord: Discord,
    ana: User,
    guild: u64,
    general: u64,
    clock: Arc<AtomicI64>,
    client: Client,
}

async fn world() -> World {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Arc::new(AtomicI64::new(1_800_000_000_000));
    let shared = clock.clone();
    let now: Clock = Arc::new(move || shared.load(Ordering::SeqCst));
    let gateway = Gateway::start(now).await.unwrap();
    let options = Options {
        application_id: APP,
        client_secret: "app-secret".into(),
        bot_token: "bot-token".into(),
        name: "Trial".into(),
        redirect_uris: vec![REDIRECT.into()],
    };
    let discord = Discord::new(&gateway, options);
    let ana = discord.add_user("Ana");
    let guild = discord.add_guild("Acme", &ana);
    discord.add_bot(guild, EVERYONE);
    let general = discord.general(guild);
    let policy = reqwest::redirect::Policy::none();
    let client = Client::builder().no_proxy().redirect(policy).user_agent("DiscordBot (test, 1)").build().unwrap();
    World { gateway, discord, ana, guild, general, clock, client }
}

impl World {
    fn url(&self, path: &str) -> String {
        format!("{}/discord.com/api/v10{path}", self.gateway.url())
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.request(method, self.url(path)).header("authorization", "Bot bot-token");
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, Value::Null).await
    }

    async fn send(&self, channel: u64, body: Value) -> (u16, Value) {
        self.call(Method::POST, &format!("/channels/{channel}/messages"), body).await
    }

    async fn refused(&self, body: Value, code: u64, path: &str) {
        let (status, answer) = self.send(self.general, body.clone()).await;
        assert!(status >= 400 && answer["code"] == json!(code), "{body}: {status} {answer}");
        assert!(answer.to_string().contains(path), "{body}: {answer}");
    }

    async fn accepted(&self, body: Value) -> Value {
        let (status, answer) = self.send(self.general, body.clone()).await;
        assert_eq!(status, 200, "{body}: {answer}");
        answer
    }

    async fn callback(&self, event: &Value, answer: Value) -> (u16, Value) {
        let (id, token) = (event["id"].as_str().unwrap(), event["token"].as_str().unwrap());
        self.call(Method::POST, &format!("/interactions/{id}/{token}/callback"), answer).await
    }

    async fn hook(&self, method: Method, event: &Value, rest: &str, body: Value) -> (u16, Value) {
        self.call(method, &format!("/webhooks/{APP}/{}{rest}", event["token"].as_str().unwrap()), body).await
    }

    fn pass(&self, milliseconds: i64) {
        self.clock.fetch_add(milliseconds, Ordering::SeqCst);
    }

    async fn register(&self, commands: Value) -> (u16, Value) {
        self.call(Method::PUT, &format!("/applications/{APP}/commands"), commands).await
    }
}

/// A gateway client.
struct Bot {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    seq: u64,
}

impl Bot {
    async fn open(w: &World, version: u8) -> Self {
        let url = w.get("/gateway").await.1["url"].as_str().unwrap().to_owned();
        let (socket, _) = tokio_tungstenite::connect_async(format!("{url}?v={version}")).await.unwrap();
        Self { socket, seq: 0 }
    }

    async fn connect(w: &World, intents: u64) -> Self {
        let mut bot = Self::open(w, 10).await;
        assert_eq!(bot.next().await["op"], json!(10));
        bot.identify("bot-token", intents).await;
        let ready = bot.event("READY").await;
        serde_json::from_value::<serenity::model::gateway::Ready>(ready).unwrap();
        w.discord.wait_connected().await;
        bot
    }

    async fn identify(&mut self, token: &str, intents: u64) {
        let d = json!({"token": token, "intents": intents, "properties": {"os": "linux"}, "compress": true});
        self.say(json!({"op": 2, "d": d})).await;
    }

    async fn say(&mut self, payload: Value) {
        self.socket.send(Frame::Text(payload.to_string().into())).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        match self.socket.next().await {
            Some(Ok(Frame::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("no payload but {other:?}"),
        }
    }

    async fn event(&mut self, name: &str) -> Value {
        let payload = self.next().await;
        assert_eq!(payload["t"], json!(name), "{payload}");
        self.seq = payload["s"].as_u64().unwrap();
        payload["d"].clone()
    }

    async fn closed(&mut self) -> u16 {
        loop {
            match self.socket.next().await {
                Some(Ok(Frame::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                _ => return 0,
            }
        }
    }

    /// The next interaction, which serenity has to be able to read.
    async fn interaction(&mut self) -> Value {
        let event = self.event("INTERACTION_CREATE").await;
        serde_json::from_value::<serenity::model::application::Interaction>(event.clone())
            .unwrap_or_else(|error| panic!("{error}: {event}"));
        event
    }
}

fn button(label: &str, id: &str) -> Value {
    json!({"type": 2, "style": 1, "label": label, "custom_id": id})
}

fn row(parts: Vec<Value>) -> Value {
    json!({"type": 1, "components": parts})
}

#[tokio::test]
async fn agents_tokens_and_versions() {
    let w = world().await;
    let strange = Client::builder().no_proxy().build().unwrap();
    let answer = strange.get(w.url("/gateway")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), w.gateway.take_violations().len()), (403, 1));
    assert_eq!(w.get("/users/@me").await.1["id"], json!(APP.to_string()));
    let bare = w.client.get(w.url("/users/@me")).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    w.discord.replace_token("other");
    let (status, answer) = w.get("/users/@me").await;
    assert_eq!((status, &answer["message"]), (401, &json!("401: Unauthorized")));
}

#[tokio::test]
async fn message_limits() {
    let w = world().await;
    w.refused(json!({"content": "x".repeat(2001)}), 50035, "BASE_TYPE_MAX_LENGTH").await;
    w.accepted(json!({"content": "x".repeat(2000)})).await;
    w.refused(json!({"content": "  "}), 50006, "empty").await;
    w.refused(json!({"embeds": [{"title": "x".repeat(257)}]}), 50035, "embeds").await;
    let full = || json!({"description": "x".repeat(4000)});
    w.refused(json!({"embeds": [full(), full()]}), 50035, "MAX_EMBED_SIZE_EXCEEDED").await;
    w.refused(json!({"embeds": vec![json!({"title": "x"}); 11]}), 50035, "BASE_TYPE_BAD_LENGTH").await;
    w.refused(json!({"embeds": [{"title": "x", "color": 0x0100_0000}]}), 50035, "color").await;
    w.accepted(json!({"embeds": [{"title": "x".repeat(256), "color": 0xff_ffff}]})).await;
    w.refused(json!({"content": "x", "flags": 64}), 50035, "flags").await;
    assert_eq!(w.gateway.take_violations().len(), 7);
}

#[tokio::test]
async fn components_are_checked() {
    let w = world().await;
    let with = |rows: Vec<Value>| json!({"content": "x", "components": rows});
    w.refused(with(vec![row(vec![button("a", "a")]); 6]), 50035, "BASE_TYPE_BAD_LENGTH").await;
    let six = (0..6).map(|n| button("a", &n.to_string())).collect();
    w.refused(with(vec![row(six)]), 50035, "BASE_TYPE_BAD_LENGTH").await;
    w.refused(with(vec![row(vec![button("a", "a"), button("b", "a")])]), 50035, "DUPLICATED").await;
    w.refused(with(vec![row(vec![button("a", &"x".repeat(101))])]), 50035, "custom_id").await;
    w.refused(with(vec![row(vec![button(&"x".repeat(81), "a")])]), 50035, "label").await;
    w.refused(with(vec![button("a", "a")]), 50035, "UNION_TYPE_CHOICES").await;
    let menu = |count: usize| {
        let options: Vec<Value> = (0..count).map(|n| json!({"label": n.to_string(), "value": n.to_string()})).collect();
        with(vec![row(vec![json!({"type": 3, "custom_id": "m", "options": options})])])
    };
    w.refused(menu(26), 50035, "options").await;
    w.accepted(menu(25)).await;
    let link = json!({"type": 2, "style": 5, "label": "open", "url": "https://x.example/"});
    let five = (0..5).map(|n| button("a", &n.to_string())).collect();
    w.accepted(with(vec![row(five), row(vec![link])])).await;
    assert_eq!(w.discord.wait_message(w.general, |m| m.url("open").is_some()).await.labels().len(), 6);
}

#[tokio::test]
async fn mentions_ping_only_what_is_allowed() {
    let w = world().await;
    let role = w.discord.add_role(w.guild, "Crew", 0);
    let text = format!("@everyone <@{}> <@&{role}>", w.ana.id());
    let pings = async |allowed: Value| {
        let mut body = json!({"content": text});
        if !allowed.is_null() {
            body["allowed_mentions"] = allowed;
        }
        let id = w.accepted(body).await["id"].as_str().unwrap().parse().unwrap();
        w.discord.message(w.general, id).unwrap().body.pings
    };
    let all = pings(Value::Null).await;
    assert!(!all.everyone && all.users == [w.ana.id()] && all.roles.is_empty());
    w.discord.overwrite(w.general, Target::Member(APP), MENTION_EVERYONE, 0);
    let all = pings(Value::Null).await;
    assert!(all.everyone && all.roles == [role]);
    assert_eq!(pings(json!({"parse": []})).await, super::Pings::default());
    let one = pings(json!({"parse": ["everyone"], "users": [w.ana.id().to_string()]})).await;
    assert!(one.everyone && one.users == [w.ana.id()] && one.roles.is_empty());
    let both = json!({"content": text, "allowed_mentions": {"parse": ["users"], "users": [w.ana.id().to_string()]}});
    w.refused(both, 50035, "mutually exclusive").await;
}

#[tokio::test]
async fn permissions_decide() {
    let w = world().await;
    let say = async |channel: u64| {
        let (status, answer) = w.send(channel, json!({"content": "x"})).await;
        (status, answer["code"].as_u64().unwrap_or(0))
    };
    assert_eq!(say(w.general).await, (200, 0));
    w.discord.overwrite(w.general, Target::Role(w.guild), 0, SEND_MESSAGES);
    assert_eq!(say(w.general).await, (403, 50013));
    w.discord.overwrite(w.general, Target::Member(APP), SEND_MESSAGES, 0);
    assert_eq!(say(w.general).await, (200, 0));
    w.discord.overwrite(w.general, Target::Member(APP), SEND_MESSAGES, VIEW_CHANNEL);
    assert_eq!(say(w.general).await, (403, 50001));
    assert_eq!(say(1).await, (404, 10003));
    let forum = w.discord.add_channel(w.guild, 15, "forum");
    assert_eq!(say(forum).await, (400, 50008));
    let hidden = w.discord.add_channel(w.guild, 0, "thread-parent");
    let thread = w.discord.add_thread(hidden, "talk");
    assert_eq!(say(thread).await, (200, 0));
    w.discord.overwrite(hidden, Target::Role(w.guild), 0, VIEW_CHANNEL);
    assert_eq!(say(thread).await, (403, 50001));
    assert_eq!(w.get(&format!("/guilds/{}?with_counts=true", w.guild)).await.1["approximate_member_count"], json!(2));
    let channels = w.get(&format!("/guilds/{}/channels", w.guild)).await.1;
    assert_eq!(channels.as_array().unwrap().len(), 3, "threads are not listed");
    assert_eq!(w.get(&format!("/guilds/{}/roles", w.guild)).await.1.as_array().unwrap().len(), 2);
    assert_eq!(w.get(&format!("/guilds/{}/members/{APP}", w.guild)).await.0, 200);
    assert_eq!(w.get(&format!("/guilds/{}/members/5", w.guild)).await.1["code"], json!(10007));
    w.discord.kick_bot(w.guild);
    assert_eq!(w.get(&format!("/guilds/{}", w.guild)).await.1["code"], json!(50001));
    w.discord.delete_guild(w.guild);
    assert_eq!(w.get(&format!("/guilds/{}", w.guild)).await.1["code"], json!(10004));
    assert!(w.gateway.take_violations().is_empty());
}

#[tokio::test]
async fn direct_messages_need_a_shared_server() {
    let w = world().await;
    let bob = w.discord.add_user("Bob");
    let open = async |user: &User| {
        let body = json!({"recipient_id": user.id().to_string()});
        let (_, channel) = w.call(Method::POST, "/users/@me/channels", body).await;
        channel["id"].as_str().unwrap().parse::<u64>().unwrap()
    };
    let (stranger, known) = (open(&bob).await, open(&w.ana).await);
    assert_eq!(w.send(stranger, json!({"content": "x"})).await.1["code"], json!(50007));
    assert_eq!(w.send(known, json!({"content": "x"})).await.0, 200);
    w.ana.closes_direct_messages();
    assert_eq!(w.send(known, json!({"content": "x"})).await.1["code"], json!(50007));
}

#[tokio::test]
async fn files_have_limits_by_tier() {
    let w = world().await;
    let post = async |sizes: &[usize], payload: Value| {
        let mut form = Form::new().text("payload_json", payload.to_string());
        for (index, size) in sizes.iter().enumerate() {
            form = form.part(format!("files[{index}]"), Part::bytes(vec![7; *size]).file_name("a.png"));
        }
        let url = w.url(&format!("/channels/{}/messages", w.general));
        let answer = w.client.post(url).header("authorization", "Bot bot-token").multipart(form).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    const MIB: usize = 1024 * 1024;
    let big = post(&[10 * MIB + 1], json!({})).await;
    assert_eq!((big.0, &big.1["code"]), (413, &json!(40005)));
    assert_eq!(post(&[9 * MIB, 9 * MIB, 8 * MIB], json!({})).await.0, 413);
    w.discord.set_tier(w.guild, 2);
    assert_eq!(post(&[10 * MIB + 1], json!({})).await.0, 200);
    let described = json!({"attachments": [{"id": 0, "description": "alt"}]});
    let sent = post(&[5], described).await.1;
    assert_eq!(sent["attachments"][0]["description"], json!("alt"));
    assert_eq!(post(&[5], json!({"attachments": [{"id": 3}]})).await.1["code"], json!(50035));
    let long = json!({"attachments": [{"id": 0, "description": "x".repeat(1025)}]});
    assert_eq!(post(&[5], long).await.1["code"], json!(50035));
    let url = sent["attachments"][0]["url"].as_str().unwrap().replace("https:/", &w.gateway.url());
    assert_eq!(w.client.get(url).send().await.unwrap().bytes().await.unwrap().len(), 5);
}

#[tokio::test]
async fn nonces_slowmode_automod_and_limits() {
    let w = world().await;
    let body = json!({"content": "x", "nonce": "n1", "enforce_nonce": true});
    let first = w.accepted(body.clone()).await["id"].clone();
    assert_eq!(w.accepted(body.clone()).await["id"], first);
    w.pass(5 * MINUTE);
    assert_ne!(w.accepted(body).await["id"], first);
    w.refused(json!({"content": "x", "nonce": "x".repeat(26)}), 50035, "nonce").await;
    w.discord.set_slowmode(w.general, 10);
    let (status, answer) = w.send(w.general, json!({"content": "y"})).await;
    assert_eq!((status, &answer["code"], &answer["retry_after"]), (429, &json!(20016), &json!(10.0)));
    w.pass(10_000);
    w.accepted(json!({"content": "y"})).await;
    w.discord.set_slowmode(w.general, 0);
    w.discord.block_word("spam");
    w.refused(json!({"content": "spam!"}), 200_000, "moderation").await;
    w.discord.limit_rate("/messages", 1, 0.35, false);
    let (status, answer) = w.send(w.general, json!({"content": "z"})).await;
    assert_eq!((status, &answer["retry_after"], &answer["global"]), (429, &json!(0.35), &json!(false)));
    let list = w.get(&format!("/channels/{}/messages?limit=2", w.general)).await.1;
    assert_eq!((list.as_array().unwrap().len(), &list[0]["content"]), (2, &json!("y")));
    serde_json::from_value::<Vec<serenity::model::channel::Message>>(list).unwrap();
}

#[tokio::test]
async fn edits_deletes_and_crossposts() {
    let w = world().await;
    let news = w.discord.add_channel(w.guild, 5, "news");
    let theirs = w.ana.says(w.general, "mine", vec![]);
    let path = |channel: u64, id: &Value, rest: &str| {
        format!("/channels/{channel}/messages/{}{rest}", id.as_str().unwrap_or_default())
    };
    let other = json!(theirs.to_string());
    let patch = |text: &str| json!({"content": text});
    assert_eq!(w.call(Method::PATCH, &path(w.general, &other, ""), patch("x")).await.1["code"], json!(50005));
    assert_eq!(w.call(Method::DELETE, &path(w.general, &other, ""), Value::Null).await.1["code"], json!(50013));
    let own = w.accepted(patch("a")).await["id"].clone();
    assert_eq!(w.call(Method::PATCH, &path(w.general, &own, ""), patch("b")).await.1["content"], json!("b"));
    let crosspost = path(w.general, &own, "/crosspost");
    assert_eq!(w.call(Method::POST, &crosspost, Value::Null).await.1["code"], json!(50024));
    assert_eq!(w.call(Method::DELETE, &path(w.general, &own, ""), Value::Null).await.0, 204);
    assert_eq!(w.call(Method::DELETE, &path(w.general, &own, ""), Value::Null).await.1["code"], json!(10008));
    let published = w.send(news, patch("n")).await.1["id"].clone();
    assert_eq!(w.call(Method::POST, &path(news, &published, "/crosspost"), Value::Null).await.0, 200);
    let again = w.call(Method::POST, &path(news, &published, "/crosspost"), Value::Null).await;
    assert_eq!(again.1["code"], json!(40033));
}

#[tokio::test]
async fn commands_are_checked() {
    let w = world().await;
    let command = |name: &str| json!({"name": name, "description": "d"});
    let refused = async |commands: Value| w.register(commands).await.1["code"] == json!(50035);
    assert!(refused(json!([command("Bad")])).await);
    assert!(refused(json!([command("a b")])).await);
    assert!(refused(json!([command("a"), command("a")])).await);
    assert!(refused(json!([{"name": "a", "description": "x".repeat(101)}])).await);
    let option =
        |name: String, required: bool| json!({"type": 3, "name": name, "description": "d", "required": required});
    let with = |options: Vec<Value>| json!([{"name": "a", "description": "d", "options": options}]);
    assert!(refused(with((0..26).map(|n| option(format!("o{n}"), false)).collect())).await);
    assert!(refused(with(vec![option("x".into(), false), option("y".into(), true)])).await);
    let mut both = option("x".into(), false);
    both["autocomplete"] = json!(true);
    both["choices"] = json!([{"name": "n", "value": "v"}]);
    assert!(refused(with(vec![both])).await);
    assert!(refused(json!([{"name": "Post this", "type": 3, "description": "no"}])).await);
    let good = json!([with(vec![option("x".into(), true)])[0], {"name": "Post this", "type": 3}]);
    let (status, stored) = w.register(good).await;
    assert_eq!((status, stored.as_array().unwrap().len()), (200, 2));
    serde_json::from_value::<Vec<serenity::model::application::Command>>(stored).unwrap();
    let elsewhere = w.call(Method::PUT, "/applications/5/commands", json!([])).await;
    assert_eq!(elsewhere.1["code"], json!(20012));
}

#[tokio::test]
async fn the_gateway_identifies_and_resumes() {
    let w = world().await;
    let mut wrong = Bot::open(&w, 10).await;
    wrong.next().await;
    wrong.identify("nonsense", 1).await;
    assert_eq!(wrong.closed().await, 4004);
    let mut forbidden = Bot::open(&w, 10).await;
    forbidden.next().await;
    forbidden.identify("bot-token", 1 << 15).await;
    assert_eq!(forbidden.closed().await, 4014);
    assert_eq!(Bot::open(&w, 9).await.closed().await, 4012);
    let mut early = Bot::open(&w, 10).await;
    early.next().await;
    early.say(json!({"op": 3, "d": {}})).await;
    assert_eq!(early.closed().await, 4003);
    let mut bot = Bot::open(&w, 10).await;
    bot.next().await;
    bot.identify("Bot bot-token", 1 | DIRECT).await;
    let session = bot.event("READY").await["session_id"].clone();
    let guild = bot.event("GUILD_CREATE").await;
    serde_json::from_value::<serenity::model::guild::Guild>(guild).unwrap();
    bot.say(json!({"op": 1, "d": bot.seq})).await;
    assert_eq!(bot.next().await["op"], json!(11));
    w.discord.drop_sockets();
    assert_eq!(bot.closed().await, 0);
    w.ana.dm("while you were away", vec![]);
    let mut again = Bot::open(&w, 10).await;
    again.next().await;
    again.say(json!({"op": 6, "d": {"token": "bot-token", "session_id": session, "seq": bot.seq}})).await;
    let message = again.event("MESSAGE_CREATE").await;
    assert_eq!(message["content"], json!("while you were away"));
    again.event("RESUMED").await;
    w.discord.outage(w.guild);
    assert_eq!(again.event("GUILD_DELETE").await["unavailable"], json!(true));
    w.discord.recover(w.guild);
    again.event("GUILD_CREATE").await;
    w.discord.kick_bot(w.guild);
    assert!(again.event("GUILD_DELETE").await.get("unavailable").is_none());
    w.discord.invalidate_sessions();
    assert_eq!(again.next().await["op"], json!(9));
    let mut lost = Bot::open(&w, 10).await;
    lost.next().await;
    lost.say(json!({"op": 6, "d": {"token": "bot-token", "session_id": session, "seq": 1}})).await;
    assert_eq!(lost.next().await["op"], json!(9));
}

#[tokio::test]
async fn direct_messages_carry_files_and_guild_messages_are_blank() {
    let w = world().await;
    let mut bot = Bot::connect(&w, DIRECT | (1 << 9)).await;
    w.ana.dm("look", vec![File::new("a.png", "image/png", "bytes")]);
    let message = bot.event("MESSAGE_CREATE").await;
    serde_json::from_value::<serenity::model::channel::Message>(message.clone()).unwrap();
    let url = message["attachments"][0]["url"].as_str().unwrap().replace("https:/", &w.gateway.url());
    assert_eq!(w.client.get(url).send().await.unwrap().text().await.unwrap(), "bytes");
    w.ana.says(w.general, "between us", vec![]);
    assert_eq!(bot.event("MESSAGE_CREATE").await["content"], json!(""));
}

#[tokio::test]
async fn commands_are_answered_once_and_follow_ups_have_fifteen_minutes() {
    let w = world().await;
    let option = json!({"type": 3, "name": "text", "description": "d", "required": true});
    w.register(json!([{"name": "post", "description": "d", "options": [option]}])).await;
    let mut bot = Bot::connect(&w, 0).await;
    let id = w.ana.command(w.general, "post", &[("text", json!("hi"))]);
    let event = bot.interaction().await;
    assert_eq!(event["member"]["permissions"].as_str().map(str::is_empty), Some(false));
    let early = w.hook(Method::POST, &event, "", json!({"content": "x"})).await;
    assert_eq!(early.1["code"], json!(10015));
    assert_eq!(w.callback(&event, json!({"type": 8, "data": {"choices": []}})).await.0, 400);
    assert_eq!(w.callback(&event, json!({"type": 5, "data": {"flags": 64}})).await.0, 204);
    assert_eq!(w.callback(&event, json!({"type": 5})).await.1["code"], json!(40060));
    assert_eq!(w.discord.wait_answered(id).await, 5);
    assert!(w.discord.wait_ephemeral(&w.ana, |_| true).await.thinking());
    let original = "/messages/@original";
    assert_eq!(w.hook(Method::PATCH, &event, original, json!({"content": "done"})).await.0, 200);
    let shown = w.discord.wait_ephemeral(&w.ana, |m| m.content() == "done").await;
    assert!(!shown.thinking() && w.discord.messages(w.general).is_empty());
    assert_eq!(w.get(&format!("/channels/{}/messages/{}", w.general, shown.id)).await.1["code"], json!(10008));
    w.hook(Method::POST, &event, "", json!({"content": "more", "flags": 64})).await;
    assert_eq!(w.discord.ephemeral(&w.ana).len(), 2);
    assert_eq!(w.hook(Method::GET, &event, original, Value::Null).await.1["content"], json!("done"));
    w.pass(15 * MINUTE);
    assert_eq!(w.hook(Method::PATCH, &event, original, json!({"content": "late"})).await.1["code"], json!(50027));
    let unknown = json!({"id": "5", "token": "x"});
    assert_eq!(w.callback(&unknown, json!({"type": 4, "data": {"content": "x"}})).await.1["code"], json!(10062));
}

#[tokio::test]
async fn an_answer_after_three_seconds_is_too_late() {
    let w = world().await;
    w.register(json!([{"name": "slow", "description": "d"}])).await;
    let mut bot = Bot::connect(&w, 0).await;
    w.ana.command(w.general, "slow", &[]);
    let event = bot.interaction().await;
    w.discord.inner.state.write(|state| {
        let old = std::time::Instant::now().checked_sub(std::time::Duration::from_secs(4)).unwrap();
        state.interactions.values_mut().for_each(|interaction| interaction.born = old);
    });
    assert_eq!(w.callback(&event, json!({"type": 5})).await.1["code"], json!(10062));
}

#[tokio::test]
async fn buttons_menus_and_forms() {
    let w = world().await;
    let mut bot = Bot::connect(&w, 0).await;
    let menu = json!({"type": 3, "custom_id": "m", "min_values": 1, "max_values": 2, "options": [
        {"label": "One", "value": "1"}, {"label": "Two", "value": "2"}]});
    let body = json!({"content": "pick", "components": [row(vec![button("Go", "go")]), row(vec![menu])]});
    let id: u64 = w.accepted(body).await["id"].as_str().unwrap().parse().unwrap();
    w.ana.press(w.general, id, "Go");
    let event = bot.interaction().await;
    assert_eq!((&event["data"]["custom_id"], &event["message"]["id"]), (&json!("go"), &json!(id.to_string())));
    assert_eq!(w.callback(&event, json!({"type": 7, "data": {"content": "pressed"}})).await.0, 204);
    assert_eq!(w.discord.wait_message(w.general, |m| m.content() == "pressed").await.edits[0].content, "pick");
    w.ana.select(w.general, id, &["One", "Two"]);
    let event = bot.interaction().await;
    assert_eq!(event["data"]["values"], json!(["1", "2"]));
    let input = |id: &str| json!({"type": 4, "custom_id": id, "label": "Name", "style": 1, "required": true});
    let form = |title: String| json!({"type": 9, "data": {"custom_id": "f", "title": title, "components": [row(vec![input("n")])]}});
    assert_eq!(w.callback(&event, form("x".repeat(46))).await.1["code"], json!(50035));
    assert_eq!(w.callback(&event, form("Form".into())).await.0, 204);
    assert_eq!(w.discord.wait_form(&w.ana).await.title, "Form");
    w.ana.submit_form(&[("Name", "Acme")]);
    let event = bot.interaction().await;
    assert_eq!(event["data"]["components"][0]["components"][0]["value"], json!("Acme"));
    assert_eq!(w.callback(&event, form("again".into())).await.0, 400, "a form can't answer a form");
    assert_eq!(w.callback(&event, json!({"type": 6})).await.0, 204);
}

#[tokio::test]
async fn suggestions_subcommands_attachments_and_message_commands() {
    let w = world().await;
    let option = |kind: u8, name: &str| json!({"type": kind, "name": name, "description": "d"});
    let mut zone = option(3, "zone");
    zone["autocomplete"] = json!(true);
    let mut sub = option(1, "use");
    sub["options"] = json!([option(3, "name")]);
    let commands = json!([
        {"name": "timezone", "description": "d", "options": [zone]},
        {"name": "workspace", "description": "d", "options": [sub]},
        {"name": "file", "description": "d", "options": [option(11, "media")]},
        {"name": "Post this", "type": 3},
    ]);
    assert_eq!(w.register(commands).await.0, 200);
    let mut bot = Bot::connect(&w, 0).await;
    let typing = w.ana.autocomplete(w.general, "timezone", ("zone", "Ber"));
    let answering = async {
        let event = bot.interaction().await;
        assert_eq!(event["data"]["options"][0]["focused"], json!(true));
        let many = vec![json!({"name": "n", "value": "v"}); 26];
        assert_eq!(w.callback(&event, json!({"type": 8, "data": {"choices": many}})).await.0, 400);
        let one = json!([{"name": "Berlin", "value": "Europe/Berlin"}]);
        assert_eq!(w.callback(&event, json!({"type": 8, "data": {"choices": one}})).await.0, 204);
    };
    let (choices, ()) = tokio::join!(typing, answering);
    assert_eq!(choices[0].name, "Berlin");
    w.ana.command(w.general, "workspace use", &[("name", json!("Blue"))]);
    let event = bot.interaction().await;
    assert_eq!(event["data"]["options"][0]["options"][0]["value"], json!("Blue"));
    let file = w.ana.uploads(w.general, File::new("v.mp4", "video/mp4", "v"));
    w.ana.command(w.general, "file", &[("media", json!(file))]);
    let event = bot.interaction().await;
    assert_eq!(event["data"]["resolved"]["attachments"][file.to_string()]["filename"], json!("v.mp4"));
    let said = w.ana.says(w.general, "publish me", vec![File::new("a.png", "image/png", "p")]);
    w.ana.message_command(w.general, said, "Post this");
    let event = bot.interaction().await;
    let target = &event["data"]["resolved"]["messages"][said.to_string()];
    assert_eq!((&target["content"], target["attachments"].as_array().unwrap().len()), (&json!("publish me"), 1));
    let direct = w.discord.direct(&w.ana);
    w.ana.command(direct, "workspace use", &[]);
    let event = bot.interaction().await;
    assert!(event.get("member").is_none() && event["user"]["id"] == json!(w.ana.id().to_string()));
}

#[tokio::test]
async fn oauth_consents_exchange_once_and_revoke() {
    let w = world().await;
    w.discord.kick_bot(w.guild);
    let bob = w.discord.add_user("Bob");
    w.discord.join(w.guild, &bob, &[]);
    let page = |redirect: &str, scope: &str| {
        let pairs = [
            ("client_id", APP.to_string()),
            ("response_type", "code".into()),
            ("redirect_uri", redirect.to_owned()),
            ("scope", scope.to_owned()),
            ("permissions", "248832".into()),
            ("state", "s&1".into()),
        ];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("{}/discord.com/oauth2/authorize?{query}", w.gateway.url())
    };
    let good = page(REDIRECT, "bot identify guilds");
    let status = async |url: String| w.client.get(url).send().await.unwrap().status().as_u16();
    assert_eq!(status(page("https://evil.example/", "identify")).await, 400);
    assert_eq!(status(page(REDIRECT, "bot,identify")).await, 400);
    let html = w.client.get(&good).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("select name=\"guild\"") && html.contains("value=\"approve\""), "{html}");
    let decide = async |user: &User, decision: &str| {
        let form = [("user", user.id().to_string()), ("guild", w.guild.to_string()), ("decision", decision.to_owned())];
        let answer = w.client.post(&good).form(&form).send().await.unwrap();
        let location = answer.headers().get("location").map(|to| url::Url::parse(to.to_str().unwrap()).unwrap());
        (answer.status().as_u16(), location)
    };
    let value = |to: &url::Url, name: &str| to.query_pairs().find(|(key, _)| key == name).map(|(_, v)| v.into_owned());
    assert_eq!(decide(&bob, "approve").await.0, 403, "Bob does not manage the server");
    let manager = w.discord.add_role(w.guild, "Manager", MANAGE_GUILD);
    w.discord.join(w.guild, &bob, &[manager]);
    let denied = decide(&bob, "deny").await.1.unwrap();
    assert_eq!(
        (value(&denied, "error").unwrap(), value(&denied, "state").unwrap()),
        ("access_denied".into(), "s&1".into())
    );
    let approved = decide(&bob, "approve").await.1.unwrap();
    assert_eq!(value(&approved, "guild_id").unwrap(), w.guild.to_string());
    assert!(w.discord.inner.state.read(|state| state.has_bot(w.guild)));
    let code = value(&approved, "code").unwrap();
    let token = async |secret: &str, code: &str, redirect: &str| {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect)];
        let url = format!("{}/discord.com/api/oauth2/token", w.gateway.url());
        let request = w.client.post(url).basic_auth(APP, Some(secret)).form(&form);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(token("wrong", &code, REDIRECT).await["error"], json!("invalid_client"));
    let grant = token("app-secret", &code, REDIRECT).await;
    assert_eq!((&grant["guild"]["id"], &grant["expires_in"]), (&json!(w.guild.to_string()), &json!(604_800)));
    assert_eq!(token("app-secret", &code, REDIRECT).await["error"], json!("invalid_grant"));
    let other = value(&decide(&bob, "approve").await.1.unwrap(), "code").unwrap();
    assert_eq!(token("app-secret", &other, "https://other.example/").await["error"], json!("invalid_grant"));
    w.discord.omit_guild(true);
    let last = value(&decide(&bob, "approve").await.1.unwrap(), "code").unwrap();
    assert!(token("app-secret", &last, REDIRECT).await.get("guild").is_none());
    let bearer = grant["access_token"].as_str().unwrap();
    let guilds = async || w.client.get(w.url("/users/@me/guilds")).bearer_auth(bearer).send().await.unwrap();
    assert_eq!(guilds().await.json::<Value>().await.unwrap()[0]["name"], json!("Acme"));
    let revoke = format!("{}/discord.com/api/oauth2/token/revoke", w.gateway.url());
    w.client.post(revoke).basic_auth(APP, Some("app-secret")).form(&[("token", bearer)]).send().await.unwrap();
    assert_eq!((guilds().await.status().as_u16(), w.discord.live_tokens()), (401, 0));
}
