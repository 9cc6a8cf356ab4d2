//! Slash commands, buttons, menus and forms: when they are answered, and how.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_quick_answer_is_the_interactions_own() {
    let (mut world, run) = World::running().await;
    world.script([
        Do::Answer(Message::text("Which *one*?").row([Button::press("Yes", "t-yes")])),
        Do::Answer("more".into()),
    ]);
    world.event("INTERACTION_CREATE", slash("connect", json!([{"name": "platform", "type": 3, "value": "mastodon"}])));
    let update = soon(&mut world.updates).await;
    assert_eq!(update.id, "300");
    assert_eq!((update.chat.id.as_str(), update.chat.kind), ("70", ChatKind::Group));
    assert_eq!(update.chat.server.as_deref(), Some("50"));
    let person = update.person.unwrap();
    assert_eq!((person.id.as_str(), person.name.as_str(), person.handle.as_deref()), ("7", "Nana", Some("ana")));
    assert!(update.proof.manages_server);
    assert_eq!(
        update.kind,
        UpdateKind::Command {
            name: "connect".into(),
            arguments: vec!["mastodon".into()],
            incoming: Incoming::default()
        }
    );
    let first =
        world.request("POST /interactions/300/interaction-token-interaction-token/callback?with_response=true").await;
    assert!(!first.authorized);
    assert_eq!(first.body["type"], 4);
    assert_eq!(first.body["data"]["content"], "Which \\*one\\*?");
    assert_eq!(first.body["data"]["flags"].as_u64().unwrap() & 64, 64);
    assert_eq!(first.body["data"]["allowed_mentions"], json!({"parse": []}));
    assert_eq!(first.body["data"]["components"][0]["components"][0]["custom_id"], "t-yes");
    let follow = world.request("POST /webhooks/1/interaction-token-interaction-token?wait=true").await;
    assert_eq!(follow.body["flags"].as_u64().unwrap() & 64, 64);

    // An ephemeral answer is edited through its token, and gone when the token is over.
    let at = soon(&mut world.done).await.unwrap();
    assert_eq!((at.id.as_str(), at.chat.as_str()), ("@original", "71"));
    assert_eq!(at.token.as_deref(), Some("1/interaction-token-interaction-token"));
    assert_eq!(soon(&mut world.done).await.unwrap().id, "901");
    world.discord.edit(&at, &"later".into()).await.unwrap();
    let edited = world.request("PATCH /webhooks/1/interaction-token-interaction-token/messages/@original").await;
    assert_eq!((&edited.body["content"], &edited.body["components"]), (&json!("later"), &json!([])));
    world.answers(
        "PATCH",
        401,
        json!({"message": "Invalid Webhook Token interaction-token-interaction-token", "code": 50027}),
    );
    let gone = world.discord.edit(&at, &"later".into()).await.unwrap_err();
    assert!(matches!(&gone, Failure::Gone(why) if !why.contains("interaction-token")), "{gone}");
    world.request("PATCH").await;

    world.stop.cancel();
    let stopped = std::time::Instant::now();
    assert_eq!(run.await.unwrap(), Ok(()));
    assert!(stopped.elapsed() < Duration::from_secs(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_handler_is_deferred_and_its_answer_takes_the_place() {
    let (mut world, _run) = World::running().await;
    let gate = Arc::new(Notify::new());
    let later = |step| Do::After(gate.clone(), Box::new(step));

    // The command's audience is the chat, so "thinking…" is public; so is the answer.
    world.script([later(Do::Answer("done".into())), Do::Form]);
    world.event("INTERACTION_CREATE", slash("post", json!([{"name": "text", "type": 3, "value": "two words"}])));
    let deferred = world.request("POST /interactions/300/").await;
    assert_eq!(deferred.body, json!({"type": 5}));
    gate.notify_one();
    let answer = world.request("PATCH /webhooks/1/interaction-token-interaction-token/messages/@original").await;
    assert_eq!(answer.body["content"], "done");
    let at = soon(&mut world.done).await.unwrap();
    assert_eq!((at.id.as_str(), at.token), ("902", None));
    assert!(!soon(&mut world.formed).await);

    // A private answer can't take the place of a public "thinking…".
    world.script([later(Do::Answer(Message::text("psst").private()))]);
    world.event("INTERACTION_CREATE", slash("post", json!([])));
    world.request("POST /interactions/300/").await;
    gate.notify_one();
    world.request("DELETE /webhooks/1/interaction-token-interaction-token/messages/@original").await;
    let answer = world.request("POST /webhooks/1/").await;
    assert_eq!(answer.body["flags"].as_u64().unwrap() & 64, 64);
    soon(&mut world.done).await.unwrap();

    // The asker's own command is deferred for the asker; a handler that says nothing leaves nothing behind.
    world.script([later(Do::Nothing)]);
    world.event("INTERACTION_CREATE", slash("connect", json!([])));
    assert_eq!(world.request("POST /interactions/300/").await.body, json!({"type": 5, "data": {"flags": 64}}));
    gate.notify_one();
    world.request("DELETE /webhooks/1/interaction-token-interaction-token/messages/@original").await;

    // A button's card stays until the edit comes.
    world.script([later(Do::Edit("edited".into()))]);
    world.event("INTERACTION_CREATE", press("t-go", 64));
    assert_eq!(world.request("POST /interactions/300/").await.body, json!({"type": 6}));
    gate.notify_one();
    world.request("PATCH /webhooks/1/interaction-token-interaction-token/messages/@original").await;
    assert_eq!(soon(&mut world.done).await.unwrap().id, "@original");
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_menus_and_forms() {
    let (mut world, _run) = World::running().await;
    let menu = Select {
        token: "t-menu".into(),
        placeholder: "Which?".into(),
        min: 1,
        max: 2,
        choices: vec![Choice { label: "Acme".into(), value: "a".into(), detail: Some("page".into()), picked: true }],
    };

    world.script([Do::Edit(Message { select: Some(menu), ..Message::text("Pick") })]);
    world.event("INTERACTION_CREATE", press("t-go", 0));
    let update = soon(&mut world.updates).await;
    assert_eq!(update.kind, UpdateKind::Press("t-go".into()));
    let card = update.message.unwrap();
    assert_eq!((card.chat.as_str(), card.id.as_str(), card.token), ("71", "800", None));
    let edited = world.request("POST /interactions/300/").await;
    assert_eq!((&edited.body["type"], &edited.body["data"]["content"]), (&json!(7), &json!("Pick")));
    let drawn = &edited.body["data"]["components"][0]["components"][0];
    assert_eq!((&drawn["type"], &drawn["custom_id"], &drawn["max_values"]), (&json!(3), &json!("t-menu"), &json!(1)));
    assert_eq!(soon(&mut world.done).await.unwrap().id, "800");

    // A toast leaves the card where a later edit finds it.
    world.script([Do::Toast("picked"), Do::Edit("after".into())]);
    let mut used = interaction(3, json!({"custom_id": "t-menu", "component_type": 3, "values": ["a", "b"]}));
    used["message"] = message("800", 64);
    world.event("INTERACTION_CREATE", used);
    let update = soon(&mut world.updates).await;
    assert_eq!(update.kind, UpdateKind::Select { token: "t-menu".into(), values: vec!["a".into(), "b".into()] });
    assert_eq!(update.message.unwrap().id, "@original");
    assert_eq!(world.request("POST /interactions/300/").await.body, json!({"type": 6}));
    assert_eq!(world.request("POST /webhooks/1/").await.body["content"], "picked");
    world.request("PATCH /webhooks/1/interaction-token-interaction-token/messages/@original").await;
    soon(&mut world.done).await.unwrap();

    // A form opened by a command for the asker: its answer is for the asker too.
    world.script([Do::Form]);
    world.event("INTERACTION_CREATE", slash("connect", json!([])));
    soon(&mut world.updates).await;
    let modal = world.request("POST /interactions/300/").await;
    assert_eq!((&modal.body["type"], &modal.body["data"]["title"]), (&json!(9), &json!("Mastodon")));
    let input = &modal.body["data"]["components"][0]["components"][0];
    assert_eq!((&input["type"], &input["custom_id"], &input["style"]), (&json!(4), &json!("host"), &json!(1)));
    assert!(soon(&mut world.formed).await);

    world.script([Do::Answer("Thanks".into())]);
    let custom_id = modal.body["data"]["custom_id"].clone();
    let row = json!({"type": 1, "components": [{"type": 4, "custom_id": "host", "value": "a.example"}]});
    world.event("INTERACTION_CREATE", interaction(5, json!({"custom_id": custom_id, "components": [row]})));
    let update = soon(&mut world.updates).await;
    assert_eq!(
        update.kind,
        UpdateKind::Form { token: "t-form".into(), fields: vec![("host".into(), "a.example".into())] }
    );
    let answer = world.request("POST /interactions/300/").await;
    assert_eq!(answer.body["data"]["flags"].as_u64().unwrap() & 64, 64);
    soon(&mut world.done).await.unwrap();

    // A press that is not answered is acknowledged all the same.
    world.script([Do::Nothing]);
    world.event("INTERACTION_CREATE", press("t-go", 0));
    assert_eq!(world.request("POST /interactions/300/").await.body, json!({"type": 6}));
}
