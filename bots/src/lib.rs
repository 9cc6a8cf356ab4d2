//! Chat surfaces: Telegram, Discord and the terminal behind one message model.
//!
//! A leaf crate. It knows updates, messages, buttons, select menus and forms; it has no word of accounts, platforms or
//! posts, and keeps no state that a restart would miss. The root implements [`Handler`]; each surface implements
//! [`Surface`].

pub mod command;
pub mod console;
pub mod discord;
pub mod model;
pub mod surface;
pub mod telegram;
mod tree;

pub use command::{Argument, ArgumentKind, Audience, CommandSpec};
pub use console::{Console, ConsoleConfig, Opener};
pub use discord::{Discord, DiscordConfig};
pub use model::{
    Attachment, Button, Chat, ChatKind, Choice, Entity, EntityKind, Field, FileRef, Form, Incoming, Membership,
    MembershipStatus, Message, MessageRef, Person, Press, Proof, Select, SurfaceKind, Text, Update, UpdateKind,
};
pub use surface::{Failure, Handler, Identity, Responder, Surface};
pub use telegram::{Telegram, TelegramConfig};
