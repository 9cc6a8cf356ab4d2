//! The surface against the emulated Discord, which keeps its own state and refuses what Discord would refuse.

use emulators::discord::{Discord as Emulator, File, Options};
use emulators::gateway::Gateway;

use super::*;

/// Permission bits of a bot that may see, write and attach.
const BOT: u64 = 1 << 10 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_day_in_a_server_and_a_direct_chat() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let since = std::time::Instant::now();
    let clock = move || 1_795_000_000_000 + i64::try_from(since.elapsed().as_millis()).unwrap();
    let gateway = Gateway::start(Arc::new(clock)).await.unwrap();
    let options = Options {
        application_id: 1_000_000_000_000_000_001,
        client_secret: "secret".into(),
        bot_token: TOKEN.into(),
        name: "bot".into(),
        redirect_uris: Vec::new(),
    };
    let there = Emulator::new(&gateway, options);
    let ana = there.add_user("ana");
    let server = there.add_guild("Acme", &ana);
    there.add_bot(server, BOT);
    let general = there.general(server);

    let config =
        DiscordConfig { token: TOKEN.into(), application_id: None, gateway: Some(Url::parse(&gateway.url()).unwrap()) };
    let discord = Arc::new(Discord::new(config).unwrap());
    let (send_update, mut updates) = mpsc::unbounded_channel();
    let (send_done, mut done) = mpsc::unbounded_channel();
    let (send_formed, mut formed) = mpsc::unbounded_channel();
    let handler = Arc::new(Script { next: Mutex::default(), seen: send_update, done: send_done, formed: send_formed });
    let script = |steps: Vec<Do>| handler.next.lock().unwrap().push_back(steps);
    let stop = CancellationToken::new();
    let (running, steps, stopping) = (discord.clone(), handler.clone(), stop.clone());
    let run = tokio::spawn(async move { running.run(COMMANDS, steps, stopping).await });
    there.wait_connected().await;
    there.wait_for("the commands", |state| (state.commands().len() == 4).then_some(())).await;
    assert_eq!(discord.identity().await.unwrap().id, "1000000000000000001");

    // A slow answer to the asker alone, with suggestions before it; its button opens a form.
    let suggested = ana.autocomplete(general, "connect", ("platform", "ma")).await;
    assert_eq!(suggested.len(), 1);
    let gate = Arc::new(Notify::new());
    let card = Message::text("Where *exactly*? @everyone").row([Button::press("Sign in", "t-in")]);
    script(vec![Do::After(gate.clone(), Box::new(Do::Answer(card)))]);
    let asked = ana.command(general, "connect", &[("platform", json!("mastodon"))]);
    assert!(soon(&mut updates).await.proof.manages_server);
    assert_eq!(there.wait_answered(asked).await, 5);
    gate.notify_one();
    let card = there.wait_ephemeral(&ana, |message| !message.labels().is_empty()).await;
    assert_eq!(card.content(), "Where \\*exactly\\*? \\@everyone");
    assert!(!card.thinking() && card.body.pings == Default::default());
    let at = soon(&mut done).await.unwrap();

    script(vec![Do::Form]);
    ana.press(general, card.id, "Sign in");
    soon(&mut updates).await;
    assert!(soon(&mut formed).await);
    script(vec![Do::Edit(Message::text("Open the link").row([Button::link("Open", "http://127.0.0.1:1/x")]))]);
    there.wait_form(&ana).await;
    ana.submit_form(&[("Server", "mastodon.social")]);
    let update = soon(&mut updates).await;
    assert_eq!(
        update.kind,
        UpdateKind::Form { token: "t-form".into(), fields: vec![("host".into(), "mastodon.social".into())] }
    );
    there.wait_ephemeral(&ana, |message| message.id == card.id && message.content() == "Open the link").await;
    let from_form = soon(&mut done).await.unwrap();
    // Both references reach the same ephemeral card.
    discord.edit(&from_form, &"Connected".into()).await.unwrap();
    there.wait_ephemeral(&ana, |message| message.id == card.id && message.content() == "Connected").await;
    discord.edit(&at, &"Really".into()).await.unwrap();
    there.wait_ephemeral(&ana, |message| message.id == card.id && message.content() == "Really").await;

    // A public card with a menu, edited from the press, later, and deleted.
    let menu = Select {
        token: "t-menu".into(),
        placeholder: "Which?".into(),
        min: 1,
        max: 2,
        choices: ["Acme", "Blue"]
            .map(|name| Choice { label: name.into(), value: name.into(), detail: None, picked: false })
            .to_vec(),
    };
    let at = discord.send(&general.to_string(), None, &Message { select: Some(menu), ..Message::text("Pick") }).await;
    let at = at.unwrap();
    script(vec![Do::Toast("noted"), Do::Edit("Picked".into())]);
    ana.select(general, at.id.parse().unwrap(), &["Acme", "Blue"]);
    let update = soon(&mut updates).await;
    assert_eq!(update.kind, UpdateKind::Select { token: "t-menu".into(), values: vec!["Acme".into(), "Blue".into()] });
    assert_eq!(update.message.as_ref(), Some(&at));
    there.wait_ephemeral(&ana, |message| message.content() == "noted").await;
    there.wait_message(general, |message| message.content() == "Picked").await;
    soon(&mut done).await.unwrap();
    discord.delete(&at).await.unwrap();
    assert!(matches!(discord.edit(&at, &"x".into()).await, Err(Failure::Gone(_))));

    // A picture in the direct chat, after the connection broke once.
    there.drop_sockets();
    there.wait_connected().await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("p.png");
    script(vec![Do::Answer("Draft".into())]);
    ana.dm("hello", vec![File::new("p.png", "image/png", "pixels")]);
    let update = soon(&mut updates).await;
    assert_eq!(update.chat.kind, ChatKind::Direct);
    let UpdateKind::Message(incoming) = update.kind else { panic!() };
    discord.download(&incoming.files[0], &to, 6).await.unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), b"pixels");
    let direct = discord.direct_chat(&ana.id().to_string()).await.unwrap();
    assert_eq!(direct, update.chat.id);
    soon(&mut done).await.unwrap();
    let mut picture = Message::text("With a picture").private();
    picture.media.push(Attachment {
        name: "p.png".into(),
        mime: "image/png".into(),
        path: to,
        alt: Some("A cat".into()),
    });
    discord.send(&direct, None, &picture).await.unwrap();
    let shown = there.wait_message(direct.parse().unwrap(), |message| !message.body.attachments.is_empty()).await;
    assert_eq!(shown.body.attachments[0].description.as_deref(), Some("A cat"));

    // "Post this", rights, and the end of the membership.
    script(vec![Do::Answer("Draft".into())]);
    let said = ana.says(general, "opening hours", Vec::new());
    ana.message_command(general, said, "Post this");
    let UpdateKind::Command { incoming, .. } = soon(&mut updates).await.kind else { panic!() };
    assert_eq!(incoming.text.plain, "opening hours");
    soon(&mut done).await.unwrap();
    let ben = there.add_user("ben");
    let role = there.add_role(server, "managers", MANAGE_GUILD);
    there.join(server, &ben, &[]);
    let general = general.to_string();
    assert_eq!(discord.is_admin(&general, &ana.id().to_string()).await, Ok(true));
    assert_eq!(discord.is_admin(&general, &ben.id().to_string()).await, Ok(false));
    there.join(server, &ben, &[role]);
    assert_eq!(discord.is_admin(&general, &ben.id().to_string()).await, Ok(true));
    there.outage(server);
    there.kick_bot(server);
    let UpdateKind::Membership(membership) = soon(&mut updates).await.kind else { panic!() };
    assert_eq!((membership.status, membership.place), (MembershipStatus::Gone, server.to_string()));
    assert!(matches!(discord.send(&general, None, &"x".into()).await, Err(Failure::Unreachable(_))));

    stop.cancel();
    assert_eq!(run.await.unwrap(), Ok(()));
    assert_eq!(gateway.take_violations(), Vec::<String>::new());
}
