//! Scripted dialogues with a console on two channels, and a handler that does what each test says.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::command::{Argument, ArgumentKind, Audience};
use crate::model::{Button, Choice, Entity, EntityKind, Field, Incoming, Select, Text};

static COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "connect",
        arguments: &[Argument { name: "platform", help: "Which", required: false, kind: ArgumentKind::Word }],
        help: "Connect an account",
        audience: Audience::Asker,
    },
    CommandSpec {
        name: "post",
        arguments: &[Argument { name: "text", help: "What to say", required: false, kind: ArgumentKind::Rest }],
        help: "Write a post",
        audience: Audience::Chat,
    },
    CommandSpec {
        name: "invite",
        arguments: &[Argument {
            name: "role",
            help: "Which role",
            required: true,
            kind: ArgumentKind::Choice(&["admin", "member"]),
        }],
        help: "Invite someone",
        audience: Audience::Asker,
    },
];

/// What the handler does with the next update.
enum Do {
    Answer(Message),
    Edit(Message),
    Toast(&'static str),
    Form(Form),
    Wait,
}

struct Script {
    seen: mpsc::UnboundedSender<Update>,
    next: Mutex<VecDeque<Do>>,
}

#[async_trait]
impl Handler for Script {
    async fn handle(&self, update: Update, responder: &dyn Responder) {
        let next = self.next.lock().unwrap().pop_front();
        self.seen.send(update).unwrap();
        match next {
            Some(Do::Answer(message)) => drop(responder.answer(&message).await.unwrap()),
            Some(Do::Edit(message)) => drop(responder.edit(&message).await.unwrap()),
            Some(Do::Toast(text)) => responder.toast(text).await.unwrap(),
            Some(Do::Form(form)) => assert!(responder.form(&form).await.unwrap()),
            Some(Do::Wait) => std::future::pending().await,
            None => {}
        }
    }

    async fn complete(&self, _: &Update, command: &str, argument: &str, typed: &str) -> Vec<Choice> {
        vec![choice(&format!("{command} {argument}"), &format!("{typed}!"))]
    }
}

fn choice(label: &str, value: &str) -> Choice {
    Choice { label: label.into(), value: value.into(), detail: None, picked: false }
}

struct Desk {
    console: Arc<Console>,
    input: mpsc::Sender<String>,
    output: mpsc::Receiver<String>,
    seen: mpsc::UnboundedReceiver<Update>,
    stop: CancellationToken,
    run: tokio::task::JoinHandle<Result<(), Failure>>,
}

impl Desk {
    async fn new(script: Vec<Do>) -> Self {
        let (input, lines) = mpsc::channel(8);
        let (blocks, output) = mpsc::channel(8);
        let opener: Opener = Arc::new(|url| Box::pin(async move { format!("visited {url}") }));
        let config = ConsoleConfig { prompt: "> ".into(), history_file: None, home: None, opener };
        let console = Arc::new(Console::scripted(config, lines, blocks));
        let (send, seen) = mpsc::unbounded_channel();
        let handler = Arc::new(Script { seen: send, next: Mutex::new(script.into()) });
        let stop = CancellationToken::new();
        let (running, stopping) = (console.clone(), stop.clone());
        let run = tokio::spawn(async move { running.run(COMMANDS, handler, stopping).await });
        let mut desk = Self { console, input, output, seen, stop, run };
        assert!(desk.reads().await.starts_with("Type /help"));
        desk
    }

    async fn types(&self, line: &str) {
        self.input.send(line.to_owned()).await.unwrap();
    }

    async fn reads(&mut self) -> String {
        tokio::time::timeout(Duration::from_secs(5), self.output.recv()).await.unwrap().unwrap()
    }

    async fn sees(&mut self) -> Update {
        tokio::time::timeout(Duration::from_secs(5), self.seen.recv()).await.unwrap().unwrap()
    }
}

fn card(text: &str) -> Message {
    Message::text(text)
        .row([Button::press("Yes", "t-yes"), Button::press("No", "t-no")])
        .row([Button::link("Open it", "http://127.0.0.1:9/x")])
}

#[tokio::test]
async fn commands_messages_and_numbers_reach_the_handler() {
    let mut desk =
        Desk::new(vec![Do::Answer(card("Which?")), Do::Edit(Message::text("Done")), Do::Toast("too late")]).await;
    desk.types("/connect mastodon").await;
    let update = desk.sees().await;
    assert_eq!(update.person.unwrap().id, "operator");
    assert_eq!((update.chat.id.as_str(), update.chat.kind), ("console", ChatKind::Direct));
    assert_eq!(
        update.kind,
        UpdateKind::Command {
            name: "connect".into(),
            arguments: vec!["mastodon".into()],
            incoming: Incoming::default()
        }
    );
    assert_eq!(desk.reads().await, "[#1] Which?\n  [1] Yes   [2] No\n  [3] Open it ↗");

    desk.types("open 3").await;
    assert_eq!(desk.reads().await, "visited http://127.0.0.1:9/x");
    desk.types("3").await;
    assert_eq!(desk.reads().await, "visited http://127.0.0.1:9/x");
    desk.types("open 1").await;
    assert_eq!(desk.reads().await, "There is no link with that number.");

    desk.types("2").await;
    let update = desk.sees().await;
    assert_eq!(update.kind, UpdateKind::Press("t-no".into()));
    assert_eq!(update.message.unwrap().id, "1");
    assert_eq!(desk.reads().await, "[#1, updated] Done");

    // The card has no buttons any more, so the number is a message.
    desk.types("2").await;
    assert!(matches!(desk.sees().await.kind, UpdateKind::Message(incoming) if incoming.text.plain == "2"));
    assert_eq!(desk.reads().await, "too late");
}

#[tokio::test]
async fn older_cards_stay_reachable_and_edits_keep_their_number() {
    let mut desk = Desk::new(vec![]).await;
    let first = desk.console.send("console", None, &card("one")).await.unwrap();
    desk.reads().await;
    desk.console.send("console", None, &Message::text("two").row([Button::press("Go", "t-go")])).await.unwrap();
    assert_eq!(desk.reads().await, "[#2] two\n  [1] Go");
    desk.types("#1.2").await;
    assert_eq!(desk.sees().await.kind, UpdateKind::Press("t-no".into()));
    desk.types("1").await;
    assert_eq!(desk.sees().await.kind, UpdateKind::Press("t-go".into()));

    desk.console.edit(&first, &card("one, later")).await.unwrap();
    assert!(desk.reads().await.starts_with("[#1, updated] one, later\n  [1] Yes"));
    // The same again says nothing: the next block is the removal.
    desk.console.edit(&first, &card("one, later")).await.unwrap();
    // An edited card is the newest one.
    desk.types("1").await;
    assert_eq!(desk.sees().await.kind, UpdateKind::Press("t-yes".into()));
    desk.console.delete(&first).await.unwrap();
    assert_eq!(desk.reads().await, "[#1, removed]");
    assert!(matches!(desk.console.edit(&first, &card("x")).await, Err(Failure::Gone(_))));

    let other_run = MessageRef { token: Some("0".into()), id: "2".into(), ..first };
    assert!(matches!(desk.console.edit(&other_run, &card("x")).await, Err(Failure::Gone(_))));
    assert!(matches!(desk.console.send("else", None, &card("x")).await, Err(Failure::Unreachable(_))));
}

#[tokio::test]
async fn a_select_menu_takes_several_numbers() {
    let menu = |min, max| Message {
        text: "Pages".into(),
        select: Some(Select {
            token: "t-menu".into(),
            placeholder: "Which pages?".into(),
            min,
            max,
            choices: vec![choice("Acme", "a"), choice("Blue", "b"), choice("Cyan", "c")],
        }),
        rows: vec![vec![Button::press("Cancel", "t-cancel")]],
        ..Message::default()
    };
    let mut desk = Desk::new(vec![Do::Answer(menu(1, 2)), Do::Answer(menu(0, 9))]).await;
    desk.types("go").await;
    desk.sees().await;
    assert_eq!(
        desk.reads().await,
        "[#1] Pages\n  Which pages? (pick 1 to 2, like 1 3)\n  [1] Acme\n  [2] Blue\n  [3] Cyan\n  [4] Cancel"
    );
    desk.types("1 2 3").await;
    assert_eq!(desk.reads().await, "Pick 1 to 2.");
    desk.types("3 4").await;
    assert_eq!(desk.reads().await, "One button at a time, please.");
    desk.types("3, 1 1").await;
    let update = desk.sees().await;
    assert_eq!(update.kind, UpdateKind::Select { token: "t-menu".into(), values: vec!["c".into(), "a".into()] });
    assert!(desk.reads().await.contains("pick up to 3 (0 for none)"));
    desk.types("0").await;
    assert_eq!(desk.sees().await.kind, UpdateKind::Select { token: "t-menu".into(), values: vec![] });
    desk.types("4").await;
    assert_eq!(desk.sees().await.kind, UpdateKind::Press("t-cancel".into()));
}

#[tokio::test]
async fn a_form_is_asked_field_by_field() {
    let field = |name: &str, value: &str, required| Field {
        name: name.into(),
        label: name.to_uppercase(),
        placeholder: "hint".into(),
        value: value.into(),
        long: false,
        required,
    };
    let form = Form {
        token: "t-form".into(),
        title: "Sign in".into(),
        fields: vec![field("host", "example.org", true), field("name", "", true), field("note", "", false)],
    };
    let mut desk = Desk::new(vec![Do::Form(form)]).await;
    desk.types("go").await;
    desk.sees().await;
    assert_eq!(desk.reads().await, "Sign in (`cancel` closes the form)");
    assert_eq!(desk.reads().await, "HOST (hint) [example.org]:");
    desk.types("").await;
    assert_eq!(desk.reads().await, "NAME (hint):");
    desk.types(" ").await;
    assert!(desk.reads().await.starts_with("This one is needed."));
    desk.reads().await;
    desk.types("ana").await;
    assert_eq!(desk.reads().await, "NOTE (hint) [empty]:");
    desk.types("").await;
    let fields = [("host", "example.org"), ("name", "ana"), ("note", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(desk.sees().await.kind, UpdateKind::Form { token: "t-form".into(), fields: fields.to_vec() });
}

#[tokio::test]
async fn a_command_leaves_an_open_form() {
    let field = Field {
        name: "n".into(),
        label: "Name".into(),
        placeholder: String::new(),
        value: String::new(),
        long: false,
        required: true,
    };
    let form = Form { token: "t".into(), title: "F".into(), fields: vec![field] };
    let mut desk = Desk::new(vec![Do::Form(form.clone()), Do::Form(form)]).await;
    desk.types("go").await;
    desk.sees().await;
    desk.reads().await;
    desk.reads().await;
    desk.types("/invite admin").await;
    assert_eq!(desk.reads().await, "The form is closed.");
    assert!(matches!(desk.sees().await.kind, UpdateKind::Command { name, .. } if name == "invite"));
    desk.reads().await;
    desk.reads().await;
    desk.types("cancel").await;
    assert_eq!(desk.reads().await, "The form is closed.");
    desk.types("hello").await;
    assert!(matches!(desk.sees().await.kind, UpdateKind::Message(_)));
}

#[tokio::test]
async fn files_go_with_the_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my photo.png");
    std::fs::write(&path, b"12345").unwrap();
    let shown = path.display();
    let mut desk = Desk::new(vec![]).await;

    desk.types(&format!("attach '{shown}'")).await;
    assert_eq!(desk.reads().await, "1 file goes with your next message.");
    desk.types("/post two  words").await;
    let UpdateKind::Command { name, arguments, incoming } = desk.sees().await.kind else { panic!() };
    assert_eq!((name.as_str(), arguments), ("post", vec!["two  words".to_owned()]));
    assert_eq!(incoming.files.len(), 1);
    let file = incoming.files[0].clone();
    assert_eq!((file.name.as_deref(), file.size), (Some("my photo.png"), Some(5)));

    desk.types(&format!("@\"{shown}\" hello")).await;
    let UpdateKind::Message(incoming) = desk.sees().await.kind else { panic!() };
    assert_eq!((incoming.text.plain.as_str(), incoming.files.len()), ("hello", 1));
    desk.types(&format!("'{shown}'")).await;
    desk.sees().await;
    desk.types(&shown.to_string().replace(' ', "\\ ")).await;
    let UpdateKind::Message(incoming) = desk.sees().await.kind else { panic!() };
    assert_eq!(incoming.files.len(), 1);

    desk.types("@/no/such.png hello").await;
    assert_eq!(desk.reads().await, "/no/such.png can't be read: there is no such file.");

    let to = folder.path().join("copy");
    desk.console.download(&file, &to, 5).await.unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), b"12345");
    assert_eq!(desk.console.download(&file, &to, 4).await, Err(Failure::TooLarge { limit: 4 }));
    let endless = FileRef { id: "/dev/zero".into(), ..file };
    assert!(matches!(desk.console.download(&endless, &to, 4).await, Err(Failure::Refused(_))));
}

#[tokio::test]
async fn quit_a_closed_input_and_stop_end_the_run() {
    let desk = Desk::new(vec![]).await;
    desk.types("quit").await;
    assert_eq!(desk.run.await.unwrap(), Ok(()));
    assert!(!desk.stop.is_cancelled());

    let desk = Desk::new(vec![]).await;
    drop(desk.input);
    assert_eq!(desk.run.await.unwrap(), Ok(()));

    let desk = Desk::new(vec![]).await;
    desk.stop.cancel();
    assert_eq!(desk.run.await.unwrap(), Ok(()));

    let mut desk = Desk::new(vec![Do::Wait]).await;
    desk.types("hangs").await;
    desk.sees().await;
    desk.stop.cancel();
    let ended = tokio::time::timeout(LAST_WORDS * 2, desk.run).await;
    assert_eq!(ended.unwrap().unwrap(), Ok(()));
}

#[test]
fn completion_knows_names_choices_and_asks_for_words() {
    let none = |_: &CommandSpec, _: &str, _: &str| -> Vec<Choice> { panic!("nothing to ask") };
    let typed = |line: &str| -> Vec<String> {
        terminal::suggestions(COMMANDS, line, none).into_iter().map(|(_, typed)| typed).collect()
    };
    assert_eq!(typed("/co"), ["/connect "]);
    assert_eq!(typed("/invite m"), ["member "]);
    assert_eq!(typed("op"), ["open "]);
    assert!(typed("/post some").is_empty());
    assert!(typed("/invite member x").is_empty());
    let asked = terminal::suggestions(COMMANDS, "/connect ma", |spec, argument, word| {
        vec![choice(&format!("{} {argument} {word}", spec.name), "mastodon")]
    });
    assert_eq!(asked, [("mastodon  connect platform ma".to_owned(), "mastodon ".to_owned())]);
}

#[test]
fn formatting_is_words_or_bold() {
    let mut text = Text::default();
    text.bold("Acme").push(" at ").link("the page", "https://a.example/").push("\n");
    text.push_as("one\ntwo", EntityKind::Quote);
    assert_eq!(plain::draw(&text, false), "Acme at the page (https://a.example/)\n> one\n> two");
    assert!(plain::draw(&text, true).starts_with("\x1b[1mAcme\x1b[22m at"));
}

proptest! {
    /// Nothing that a name, label or address holds reaches the terminal as a control sequence or a direction mark.
    #[test]
    fn hostile_names_stay_text(hostile in "(\\PC|[\u{0}-\u{9f}]|[\u{202a}-\u{202e}\u{2066}-\u{2069}\u{200e}\u{200f}]){0,40}", from in 0usize..20, to in 0usize..60) {
        let mut message = Message {
            text: Text { plain: hostile.clone(), entities: vec![Entity { start: from, end: to, kind: EntityKind::Link(hostile.clone()) }] },
            ask: Some(hostile.clone()),
            select: Some(Select { token: "t".into(), placeholder: hostile.clone(), min: 0, max: 1, choices: vec![
                Choice { label: hostile.clone(), value: "v".into(), detail: Some(hostile.clone()), picked: true }] }),
            ..Message::default()
        }.row([Button::press(hostile.clone(), "t")]);
        message.media.push(crate::model::Attachment { name: hostile.clone(), mime: hostile.clone(), path: "x".into(), alt: Some(hostile) });
        let (_, block) = Cards::new("s".into()).show(&message, false);
        prop_assert!(block.chars().all(|c| c == '\n' || !c.is_control()));
        let marks = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        prop_assert!(!block.chars().any(marks));
    }
}
