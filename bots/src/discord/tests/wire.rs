//! Registration, messages, files, servers, limits and refusals.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_registered_when_they_differ_and_completed() {
    let mut world = World::new().await;
    let drawn = Value::from(commands::drawn(COMMANDS));
    assert_eq!(drawn[0]["options"][0]["autocomplete"], true);
    assert_eq!(drawn[1]["options"].as_array().unwrap().len(), 5);
    assert_eq!(drawn[2]["options"][0]["name"], "when");
    assert_eq!(drawn[3]["name"], "Post this");
    // Discord adds fields of its own; the same commands are not sent again.
    let mut there = drawn.clone();
    for command in there.as_array_mut().unwrap() {
        command["id"] = "9".into();
        command["description"] = command["description"].as_str().unwrap_or_default().into();
    }
    commands::register(&world.discord.0.rest, "1", COMMANDS).await.unwrap();
    assert_eq!(world.request("PUT /applications/1/commands").await.body, drawn);
    world.answers("GET /applications/1/commands", 200, there);
    commands::register(&world.discord.0.rest, "1", COMMANDS).await.unwrap();
    world.nothing_more();

    let (mut world, _run) = World::running().await;
    let mut typing = slash("connect", json!([{"name": "platform", "type": 3, "value": "ma", "focused": true}]));
    typing["type"] = 4.into();
    world.event("INTERACTION_CREATE", typing);
    let answer = world.request("POST /interactions/300/").await;
    assert_eq!(
        answer.body,
        json!({"type": 8, "data": {"choices": [{"name": "connect platform ma", "value": "mastodon"}]}})
    );

    // Options in the specification's order, the skipped one empty.
    world.event("INTERACTION_CREATE", slash("schedule", json!([{"name": "when", "type": 3, "value": "now"}])));
    let UpdateKind::Command { arguments, .. } = soon(&mut world.updates).await.kind else { panic!() };
    assert_eq!(arguments, ["", "now"]);
    world.request("POST /interactions/300/").await;
    world.request("DELETE").await;

    // serenity can't read it; the person hears so.
    world.event("INTERACTION_CREATE", json!({"id": "301", "type": 2, "token": "strange"}));
    let answer = world.request("POST /interactions/301/strange/callback").await;
    assert_eq!(answer.body["data"]["flags"].as_u64().unwrap() & 64, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_files_and_post_this() {
    let (mut world, _run) = World::running().await;
    let mut direct = message("810", 0);
    direct["author"] = user("7", false);
    direct["content"] = "hello **world**".into();
    direct["attachments"] = json!([attachment(&world.gateway)]);
    world.script([Do::Answer("Draft".into())]);
    world.event("MESSAGE_CREATE", direct.clone());
    let update = soon(&mut world.updates).await;
    assert_eq!((update.chat.kind, update.chat.id.as_str(), update.id.as_str()), (ChatKind::Direct, "71", "810"));
    let UpdateKind::Message(incoming) = update.kind else { panic!() };
    assert_eq!((incoming.text.plain.as_str(), incoming.forwarded), ("hello **world**", false));
    let file = incoming.files[0].clone();
    assert_eq!((file.alt.as_deref(), file.size, file.mime.as_deref()), (Some("A cat"), Some(4), Some("image/png")));
    assert!(world.request("POST /channels/71/messages").await.authorized);
    let sent = soon(&mut world.done).await.unwrap();
    assert_eq!((sent.id.as_str(), sent.token), ("903", None));

    // A private message may go to a direct chat, not to a channel.
    let private = Message::text("link").private();
    world.discord.send("71", None, &private).await.unwrap();
    world.request("POST /channels/71/messages").await;
    world.answers("GET /channels/70", 200, json!({"id": "70", "type": 0, "guild_id": "50"}));
    assert_eq!(world.discord.send("70", None, &private).await, Err(Failure::NotPrivate));
    world.request("GET /channels/70").await;

    // A command typed as words.
    direct["content"] = "/schedule p1 now".into();
    world.event("MESSAGE_CREATE", direct.clone());
    let UpdateKind::Command { name, arguments, incoming } = soon(&mut world.updates).await.kind else { panic!() };
    assert_eq!((name.as_str(), arguments.len(), incoming.files.len()), ("schedule", 2, 1));

    // What bots write, ourselves included, is not for us; a forward and a sticker are told apart.
    world.event("MESSAGE_CREATE", message("811", 0));
    let mut forward = message("812", 0);
    forward["author"] = user("7", false);
    forward["content"] = "".into();
    forward["message_reference"] = json!({"type": 1, "channel_id": "1", "message_id": "2"});
    let mut inner = message("2", 0);
    inner["content"] = "news".into();
    forward["message_snapshots"] = json!([{"message": inner}]);
    world.event("MESSAGE_CREATE", forward);
    let UpdateKind::Message(incoming) = soon(&mut world.updates).await.kind else { panic!() };
    assert_eq!((incoming.text.plain.as_str(), incoming.forwarded), ("news", true));

    // "Post this", and files with a slash command.
    let mut chosen = message("820", 0);
    chosen["content"] = "opening hours".into();
    chosen["attachments"] = json!([attachment(&world.gateway)]);
    let data = json!({"id": "401", "name": "Post this", "type": 3, "target_id": "820", "resolved": {"messages": {"820": chosen}}});
    world.script([Do::Answer("Draft".into())]);
    world.event("INTERACTION_CREATE", interaction(2, data));
    let UpdateKind::Command { name, incoming, .. } = soon(&mut world.updates).await.kind else { panic!() };
    assert_eq!((name.as_str(), incoming.text.plain.as_str(), incoming.forwarded), ("post", "opening hours", true));
    assert_eq!(incoming.files.len(), 1);
    world.request("POST /interactions/300/").await;
    let mut with_file = slash("post", json!([{"name": "image1", "type": 11, "value": "600"}]));
    with_file["data"]["resolved"] = json!({"attachments": {"600": attachment(&world.gateway)}});
    world.event("INTERACTION_CREATE", with_file);
    let UpdateKind::Command { incoming, .. } = soon(&mut world.updates).await.kind else { panic!() };
    assert_eq!(incoming.files.len(), 1);

    // Downloads come from Discord's file hosts alone, and are capped.
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("p.png");
    let mut world = World::new().await;
    let vendor = FileRef { id: "https://cdn.discordapp.com/attachments/1/2/p.png?ex=1".into(), ..file };
    world.answers("GET /cdn.discordapp.com/attachments/1/2/p.png?ex=1", 200, "1234".into());
    world.discord.download(&vendor, &to, 4).await.unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), b"1234");
    assert!(!world.request("GET /cdn.discordapp.com").await.authorized);
    world.answers("GET /cdn", 200, "12345".into());
    assert_eq!(world.discord.download(&vendor, &to, 4).await, Err(Failure::TooLarge { limit: 4 }));
    world.answers("GET /cdn", 404, "".into());
    assert!(matches!(world.discord.download(&vendor, &to, 4).await, Err(Failure::Gone(_))));
    for elsewhere in
        ["https://evil.example/p.png", "http://cdn.discordapp.com/p.png", "https://cdn.discordapp.com@evil.example/"]
    {
        let file = FileRef { id: elsewhere.into(), ..vendor.clone() };
        assert!(matches!(world.discord.download(&file, &to, 4).await, Err(Failure::Refused(_))), "{elsewhere}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_and_losing_a_server() {
    let (mut world, _run) = World::running().await;
    let server = |id: &str, joined: &str| {
        json!({"id": id, "name": "Acme", "icon": null, "splash": null, "discovery_splash": null, "owner_id": "7",
            "afk_channel_id": null, "afk_timeout": 300, "verification_level": 0, "default_message_notifications": 0,
            "explicit_content_filter": 0, "roles": [], "emojis": [], "features": [], "mfa_level": 0,
            "application_id": null, "system_channel_id": "72", "system_channel_flags": 0, "rules_channel_id": null,
            "vanity_url_code": null, "description": null, "banner": null, "premium_tier": 0, "preferred_locale": "en-US",
            "public_updates_channel_id": null, "nsfw_level": 0, "premium_progress_bar_enabled": false, "stickers": [],
            "joined_at": joined, "large": false, "unavailable": false, "member_count": 2, "voice_states": [],
            "members": [], "channels": [], "threads": [], "presences": [], "stage_instances": [],
            "guild_scheduled_events": [], "safety_alerts_channel_id": null})
    };
    let standing = |update: Update| match update.kind {
        UpdateKind::Membership(membership) => (membership.place, membership.status, update.id),
        kind => panic!("{kind:?}"),
    };
    // Server 50 was there at READY, 51 is new; an outage is no loss.
    world.event("GUILD_CREATE", server("50", "2026-01-01T00:00:00+00:00"));
    world.script([Do::Answer("Hello".into())]);
    world.event("GUILD_CREATE", server("51", "2026-11-22T00:00:00+00:00"));
    let joined = standing(soon(&mut world.updates).await);
    assert_eq!((joined.0.as_str(), joined.1), ("51", MembershipStatus::Member));
    world.request("POST /channels/72/messages").await;
    world.event("GUILD_DELETE", json!({"id": "51", "unavailable": true}));
    world.event("GUILD_CREATE", server("51", "2026-11-22T00:00:00+00:00"));
    world.event("GUILD_DELETE", json!({"id": "51"}));
    let lost = standing(soon(&mut world.updates).await);
    assert_eq!((lost.0.as_str(), lost.1), ("51", MembershipStatus::Gone));
    assert_ne!(joined.2, lost.2);

    // The session was lost, and the last server with it.
    world.event("READY", ready(&[]));
    let lost = standing(soon(&mut world.updates).await);
    assert_eq!((lost.0.as_str(), lost.1), ("50", MembershipStatus::Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_ends_the_run() {
    let (mut world, run) = World::running().await;
    world.events.send(json!({"close": 4004})).unwrap();
    let ended = tokio::time::timeout(LIMIT, run).await.unwrap().unwrap();
    assert!(matches!(ended, Err(Failure::Unauthorized(_))), "{ended:?}");

    world.answers("GET /users/@me", 401, json!({"message": format!("401: Unauthorized {TOKEN}"), "code": 0}));
    let refused = world.discord.identity().await.unwrap_err();
    assert!(matches!(&refused, Failure::Unauthorized(why) if !why.contains("canary")), "{refused}");
    // Nothing more is asked with that token, until somebody asks who we are.
    assert!(matches!(world.discord.send("70", None, &"x".into()).await, Err(Failure::Unauthorized(_))));
    world.nothing_more();
    assert_eq!(world.discord.identity().await.unwrap().id, "1");
    world.discord.send("70", None, &"x".into()).await.unwrap();
    world.request("POST /channels/70/messages").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_websocket_must_be_behind_the_gateway() {
    let world = World::new().await;
    *world.fake.socket.lock().unwrap() = "wss://gateway.discord.gg".to_owned();
    assert!(matches!(world.run().await.unwrap(), Err(Failure::Refused(_))));
    assert!(matches!(world.discord.0.rest.websocket().await, Err(Failure::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_waited_out_when_short_and_told_when_long() {
    let mut world = World::new().await;
    let limited = |after: f64, global: bool| json!({"message": "You are being rate limited.", "retry_after": after, "global": global});
    world.answers("POST /channels", 429, limited(0.2, false));
    let started = std::time::Instant::now();
    world.discord.send("70", None, &"x".into()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200));
    world.request("POST").await;
    world.request("POST").await;

    world.answers("POST /channels", 429, limited(64.57, false));
    let why = world.discord.send("70", None, &"x".into()).await.unwrap_err();
    assert!(matches!(why, Failure::Retry { after: 65, .. }), "{why}");
    world.request("POST").await;

    // A long global limit closes every route.
    world.answers("POST /channels", 429, limited(30.0, true));
    assert!(matches!(world.discord.send("70", None, &"x".into()).await, Err(Failure::Retry { .. })));
    world.request("POST").await;
    assert!(matches!(world.discord.direct_chat("7").await, Err(Failure::Retry { .. })));
    world.nothing_more();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_say_what_to_do() {
    let mut world = World::new().await;
    let text = Message::text("x");
    let send = |status, code: u64| {
        world.answers("POST /channels", status, json!({"message": "m", "code": code}));
        world.discord.send("70", None, &text)
    };
    assert!(matches!(send(403, 50001).await, Err(Failure::Unreachable(_))));
    assert!(matches!(send(404, 10003).await, Err(Failure::Unreachable(_))));
    assert!(matches!(send(503, 0).await, Err(Failure::Retry { .. })));
    assert!(matches!(send(400, 50035).await, Err(Failure::Refused(_))));
    assert!(matches!(world.discord.send("../users", None, &"x".into()).await, Err(Failure::Unreachable(_))));
    let at = reference("70", None, vec!["903".into()]);
    world.answers("PATCH", 404, json!({"message": "Unknown Message", "code": 10008}));
    assert!(matches!(world.discord.edit(&at, &"x".into()).await, Err(Failure::Gone(_))));
    world.answers("DELETE", 404, json!({"message": "Unknown Message", "code": 10008}));
    world.discord.delete(&at).await.unwrap();
    world.seen.close();

    // Nobody listens there: the error names no address, which could hold a token.
    let config = DiscordConfig {
        token: TOKEN.into(),
        application_id: Some("1".into()),
        gateway: Some(Url::parse("http://127.0.0.1:1").unwrap()),
    };
    let at = MessageRef { token: Some("1/interaction-token-interaction-token".into()), ..at };
    let failed = Discord::new(config).unwrap().edit(&at, &"x".into()).await.unwrap_err();
    assert!(matches!(&failed, Failure::Retry { why, .. } if !why.contains("interaction-token")), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_messages_files_and_rights() {
    let mut world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.png");
    std::fs::write(&path, b"pixels").unwrap();
    let mut long = Message::text("word ".repeat(500)).row([Button::press("Go", "t-go")]);
    long.media.push(Attachment { name: "p.png".into(), mime: "image/png".into(), path, alt: Some("A cat".into()) });
    let mut at = world.discord.send("70", None, &long).await.unwrap();
    let first = world.request("POST /channels/70/messages").await;
    assert!(first.raw.contains("name=\"payload_json\"") && first.raw.contains("name=\"files[0]\"; filename=\"p.png\""));
    assert!(first.raw.contains("\"description\":\"A cat\"") && first.raw.contains("pixels"));
    let last = world.request("POST /channels/70/messages").await;
    assert_eq!(last.body["components"][0]["components"][0]["custom_id"], "t-go");
    assert_eq!(at.parts, ["903"]);

    // A shorter text takes the second message away.
    at.parts = vec!["904".into()];
    let at = world.discord.edit(&at, &"short".into()).await.unwrap();
    world.request("PATCH /channels/70/messages/903").await;
    world.request("DELETE /channels/70/messages/904").await;
    assert!(at.parts.is_empty());

    let rights = |owner: &str, role: &str| {
        world.answers("GET /channels/70", 200, json!({"id": "70", "type": 0, "guild_id": "50"}));
        world.answers("GET /guilds/50/members", 200, json!({"roles": ["61"]}));
        world.answers("GET /guilds/50/roles", 200, json!([{"id": "50", "permissions": "2048"}, {"id": "61", "permissions": role}, {"id": "62", "permissions": "8"}]));
        world.answers("GET /guilds/50", 200, json!({"id": "50", "owner_id": owner}));
        world.discord.is_admin("70", "7")
    };
    assert_eq!(rights("8", "2048").await, Ok(false));
    assert_eq!(rights("8", "32").await, Ok(true));
    assert_eq!(rights("8", "8").await, Ok(true));
    assert_eq!(rights("7", "0").await, Ok(true));
    world.fake.answers.lock().unwrap().clear();
    world.answers("GET /channels/50", 404, json!({"message": "Unknown Channel", "code": 10003}));
    world.answers("GET /guilds/50/members", 404, json!({"message": "Unknown Member", "code": 10007}));
    world.answers("GET /guilds/50", 200, json!({"id": "50", "owner_id": "8"}));
    assert_eq!(world.discord.is_admin("50", "7").await, Ok(false));
    world.answers("GET /channels/90", 200, json!({"id": "90", "type": 1, "recipients": [{"id": "7"}]}));
    assert_eq!(world.discord.is_admin("90", "7").await, Ok(true));
    world.answers("POST /users/@me/channels", 200, json!({"id": "90"}));
    assert_eq!(world.discord.direct_chat("7").await.unwrap(), "90");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_never_connected_stops_at_once() {
    let mut world = World::new().await;
    let socket = world.fake.socket.lock().unwrap().replace("/ws", "/no-websocket");
    *world.fake.socket.lock().unwrap() = socket;
    let run = world.run();
    while !soon(&mut world.seen).await.what.contains("/no-websocket") {}
    world.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), run).await.unwrap().unwrap();
    assert_eq!(ended, Ok(()));
}
