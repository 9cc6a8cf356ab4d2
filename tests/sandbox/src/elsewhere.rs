//! The console with one more command: `/sandbox` shows what happens outside of the chat, and lets it happen. The daemon
//! does not know of it: it gets what anybody else typed. Also tells when the person left the console.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bots::{
    Audience, Button, Choice, CommandSpec, Console, Failure, FileRef, Handler, Identity, Message, MessageRef,
    Responder, Surface, SurfaceKind, Update, UpdateKind,
};
use tokio_util::sync::CancellationToken;

use crate::scene::{ALICE, INSTANCE, Scene};

/// What our buttons' tokens begin with; the daemon's are base32.
const OURS: &str = "sandbox:";

const COMMAND: CommandSpec = CommandSpec {
    name: "sandbox",
    arguments: &[],
    help: "What happens outside of this chat",
    audience: Audience::Asker,
};

/// One thing that can happen.
struct Act {
    label: &'static str,
    happen: fn(&Scene) -> String,
}

const ACTS: &[Act] = &[
    Act { label: "Look at what is published", happen: look },
    Act {
        label: "Mastodon: Alice takes trypost's access away",
        happen: |scene| {
            scene.mastodon.revoke_tokens(ALICE);
            format!("Alice pressed Revoke in her settings at {INSTANCE}. trypost learns it when it next asks: /check")
        },
    },
    Act {
        label: "Mastodon: the server goes down",
        happen: |scene| {
            scene.mastodon.set_online(false);
            format!("{INSTANCE} answers nobody.")
        },
    },
    Act {
        label: "Mastodon: the server comes back",
        happen: |scene| {
            scene.mastodon.set_online(true);
            format!("{INSTANCE} answers again.")
        },
    },
    Act {
        label: "Bluesky: Alice deletes the app password",
        happen: |scene| {
            scene.delete_app_password();
            "The app password is gone. trypost learns it when it next asks: /check".to_owned()
        },
    },
    Act {
        label: "Bluesky: Alice makes a new app password",
        happen: |scene| format!("The new app password is {}", scene.new_app_password()),
    },
    Act {
        label: "Telegram: Alice throws the bot out of Acme News",
        happen: |scene| {
            scene.telegram.kick_bot(scene.channel, &scene.alice);
            "The bot is out of Acme News.".to_owned()
        },
    },
    Act {
        label: "Discord: somebody throws the bot out of Acme",
        happen: |scene| {
            scene.discord.kick_bot(scene.guild);
            "The bot is out of Acme.".to_owned()
        },
    },
];

fn look(scene: &Scene) -> String {
    let lines: Vec<String> = scene.published().into_iter().map(|(place, post)| format!("{place}: {post}")).collect();
    lines.join("\n")
}

/// A console in a scene.
pub struct Elsewhere {
    console: Console,
    scene: Arc<Scene>,
    left: CancellationToken,
}

impl Elsewhere {
    /// `left` is cancelled when the person leaves the console.
    pub fn new(console: Console, scene: Arc<Scene>, left: CancellationToken) -> Self {
        Self { console, scene, left }
    }
}

#[async_trait]
impl Surface for Elsewhere {
    fn kind(&self) -> SurfaceKind {
        self.console.kind()
    }

    async fn identity(&self) -> Result<Identity, Failure> {
        self.console.identity().await
    }

    async fn run(
        &self,
        commands: &'static [CommandSpec],
        handler: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        // A console runs once per process.
        let commands = commands.iter().cloned().chain([COMMAND]).collect::<Vec<_>>().leak();
        let around = Arc::new(Around { inner: handler, scene: self.scene.clone() });
        self.console.run(commands, around, stop.clone()).await?;
        self.left.cancel();
        stop.cancelled().await;
        Ok(())
    }

    async fn send(&self, chat: &str, topic: Option<&str>, message: &Message) -> Result<MessageRef, Failure> {
        self.console.send(chat, topic, message).await
    }

    async fn direct_chat(&self, person: &str) -> Result<String, Failure> {
        self.console.direct_chat(person).await
    }

    async fn edit(&self, at: &MessageRef, message: &Message) -> Result<MessageRef, Failure> {
        self.console.edit(at, message).await
    }

    async fn delete(&self, at: &MessageRef) -> Result<(), Failure> {
        self.console.delete(at).await
    }

    async fn download(&self, file: &FileRef, to: &Path, limit: u64) -> Result<(), Failure> {
        self.console.download(file, to, limit).await
    }

    async fn is_admin(&self, chat: &str, person: &str) -> Result<bool, Failure> {
        self.console.is_admin(chat, person).await
    }
}

/// Takes our command and our buttons; the rest is the daemon's.
struct Around {
    inner: Arc<dyn Handler>,
    scene: Arc<Scene>,
}

#[async_trait]
impl Handler for Around {
    async fn handle(&self, update: Update, responder: &dyn Responder) {
        let message = match &update.kind {
            UpdateKind::Command { name, .. } if name == COMMAND.name => {
                let buttons = ACTS.iter().enumerate().map(|(at, act)| Button::press(act.label, format!("{OURS}{at}")));
                buttons.fold(Message::text("What happens elsewhere?"), |message, button| message.row([button]))
            }
            UpdateKind::Press(token) if token.starts_with(OURS) => {
                let act = token.strip_prefix(OURS).and_then(|at| at.parse::<usize>().ok()).and_then(|at| ACTS.get(at));
                Message::text(act.map_or_else(String::new, |act| (act.happen)(&self.scene)))
            }
            _ => return self.inner.handle(update, responder).await,
        };
        // A console always shows.
        let _ = responder.answer(&message).await;
    }

    async fn complete(&self, update: &Update, command: &str, argument: &str, typed: &str) -> Vec<Choice> {
        self.inner.complete(update, command, argument, typed).await
    }
}
