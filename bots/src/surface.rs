//! The two traits between chat and product: a [`Surface`] brings updates and shows messages, a [`Handler`] decides what
//! to say. Neither keeps a conversation in memory: what must survive a restart is in the handler's database.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::command::CommandSpec;
use crate::model::{Choice, FileRef, Form, Message, MessageRef, SurfaceKind, Update};

/// Who the bot is on its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its user id.
    pub id: String,
    /// `@name` without the at sign.
    pub handle: String,
    /// The name it shows.
    pub name: String,
}

/// Why a message could not be shown, in terms the caller acts on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Try again after this many seconds: the network says so, is down, or did not answer.
    #[error("try again in {after} s: {why}")]
    Retry {
        /// Seconds to wait.
        after: u64,
        /// For the log.
        why: String,
    },
    /// This chat can't be written to any more: blocked, kicked, deleted.
    #[error("the chat can't be reached: {0}")]
    Unreachable(String),
    /// The Telegram group became a supergroup with this id.
    #[error("the chat moved to {0}")]
    Moved(String),
    /// The message is gone, too old to edit, or the ephemeral token expired: send a new one.
    #[error("the message can't be edited any more: {0}")]
    Gone(String),
    /// The surface can't show this only to the asker here.
    #[error("this chat has no private answers")]
    NotPrivate,
    /// The file is larger than bots may fetch (Telegram: 20 MB).
    #[error("the file is larger than bots may fetch ({limit} bytes)")]
    TooLarge {
        /// The network's limit in bytes.
        limit: u64,
    },
    /// The bot's token was refused.
    #[error("the bot's token was refused: {0}")]
    Unauthorized(String),
    /// The network refused the message as it is.
    #[error("refused: {0}")]
    Refused(String),
}

/// Answers one update. A Discord interaction is acknowledged by the surface within its 3 seconds, whatever the
/// handler is waiting for.
#[async_trait]
pub trait Responder: Send + Sync {
    /// Shows a new message in answer.
    async fn answer(&self, message: &Message) -> Result<MessageRef, Failure>;

    /// Replaces the message whose button or menu was used; without one, as [`Responder::answer`].
    async fn edit(&self, message: &Message) -> Result<MessageRef, Failure>;

    /// Says a short thing without a message (Telegram toast, Discord ephemeral), at most 200 characters.
    async fn toast(&self, text: &str) -> Result<(), Failure>;

    /// Opens a form over the chat. `Ok(false)` where the surface has none: ask in words instead. Must come before any
    /// other answer.
    async fn form(&self, form: &Form) -> Result<bool, Failure>;
}

/// What the root implements.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Acts on one update. It never fails towards the surface: what went wrong was said, or logged. The surface may
    /// deliver an update again after a restart.
    async fn handle(&self, update: Update, responder: &dyn Responder);

    /// Suggestions while an argument is typed, at most 25, within a second.
    async fn complete(&self, update: &Update, command: &str, argument: &str, typed: &str) -> Vec<Choice>;
}

/// A chat network.
#[async_trait]
pub trait Surface: Send + Sync {
    /// Which.
    fn kind(&self) -> SurfaceKind;

    /// Asks the network who we are; the cheapest proof that the token works.
    async fn identity(&self) -> Result<Identity, Failure>;

    /// Registers the commands, then brings updates to the handler until `stop`. Outages are waited out inside, with
    /// backoff. Ends early only with [`Failure::Unauthorized`], or a failure that no waiting cures.
    async fn run(
        &self,
        commands: &'static [CommandSpec],
        handler: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), Failure>;

    /// Shows a message in a chat. `topic` is Telegram's forum topic.
    async fn send(&self, chat: &str, topic: Option<&str>, message: &Message) -> Result<MessageRef, Failure>;

    /// Opens (or finds) the direct chat with a person and gives its id. On Telegram the person must have written
    /// first; [`Failure::Unreachable`] otherwise, at the latest when sending.
    async fn direct_chat(&self, person: &str) -> Result<String, Failure>;

    /// Replaces a message.
    async fn edit(&self, at: &MessageRef, message: &Message) -> Result<MessageRef, Failure>;

    /// Deletes a message (ours, or a member's where the network allows it).
    async fn delete(&self, at: &MessageRef) -> Result<(), Failure>;

    /// Fetches a file that somebody sent into `to`, at most `limit` bytes.
    async fn download(&self, file: &FileRef, to: &std::path::Path, limit: u64) -> Result<(), Failure>;

    /// Whether the person may manage the chat or server (creator or administrator; Manage Server).
    async fn is_admin(&self, chat: &str, person: &str) -> Result<bool, Failure>;
}
