//! What Discord tells us, in the model's words. Pure: everything here is a function of one event.

use serenity::model::application::{
    ActionRow, ActionRowComponent, CommandData, CommandDataOptionValue, CommandInteraction, CommandType,
};
use serenity::model::channel::{
    Attachment, ChannelType, Message as DiscordMessage, MessageReferenceKind, MessageType, PartialChannel,
};
use serenity::model::guild::Member;
use serenity::model::id::{ChannelId, GuildId};
use serenity::model::permissions::Permissions;
use serenity::model::user::User;

use super::commands;
use crate::command::CommandSpec;
use crate::model::{
    Chat, ChatKind, FileRef, Incoming, Membership, MembershipStatus, Person, Proof, SurfaceKind, Text, Update,
    UpdateKind,
};

/// Where it happened. A thread is given as the channel it belongs to.
pub(crate) fn chat(id: ChannelId, channel: Option<&PartialChannel>, guild: Option<GuildId>) -> Chat {
    let thread = channel.filter(|channel| {
        matches!(channel.kind, ChannelType::PublicThread | ChannelType::PrivateThread | ChannelType::NewsThread)
    });
    let group = guild.is_some() || channel.is_some_and(|channel| channel.kind == ChannelType::GroupDm);
    Chat {
        surface: SurfaceKind::Discord,
        id: thread.and_then(|thread| thread.parent_id).unwrap_or(id).to_string(),
        topic: None,
        kind: if group { ChatKind::Group } else { ChatKind::Direct },
        title: channel.and_then(|channel| channel.name.clone()),
        server: guild.map(|guild| guild.to_string()),
    }
}

/// Who did it; on a server under the name they have there.
pub(crate) fn person(user: &User, member: Option<&Member>) -> Person {
    let nick = member.and_then(|member| member.nick.clone());
    Person {
        id: user.id.to_string(),
        name: nick.or_else(|| user.global_name.clone()).unwrap_or_else(|| user.name.clone()),
        handle: Some(user.name.clone()),
    }
}

/// What the signed interaction says of the member's rights.
pub(crate) fn proof(member: Option<&Member>) -> Proof {
    let manages = Permissions::MANAGE_GUILD | Permissions::ADMINISTRATOR;
    let held = member.and_then(|member| member.permissions);
    Proof { manages_server: held.is_some_and(|held| held.intersects(manages)), anonymous: false }
}

/// A slash command, or "Post this".
pub(crate) fn command(interaction: &CommandInteraction, catalogue: &[CommandSpec]) -> UpdateKind {
    let data = &interaction.data;
    if data.kind == CommandType::Message {
        let mut incoming = data.resolved.messages.values().next().map(|message| incoming(message, None));
        if let Some(incoming) = &mut incoming {
            incoming.forwarded = true;
            incoming.reply_to = None;
        }
        let incoming = incoming.unwrap_or_default();
        return UpdateKind::Command { name: commands::POST.to_owned(), arguments: Vec::new(), incoming };
    }
    let files = data.options.iter().filter_map(|option| match option.value {
        CommandDataOptionValue::Attachment(id) => data.resolved.attachments.get(&id).map(file),
        _ => None,
    });
    let incoming = Incoming { files: files.collect(), ..Incoming::default() };
    UpdateKind::Command { name: data.name.clone(), arguments: arguments(data, catalogue), incoming }
}

/// The options in the specification's order; one that was skipped before another is empty.
fn arguments(data: &CommandData, catalogue: &[CommandSpec]) -> Vec<String> {
    let value = |name: &str| {
        data.options.iter().find(|option| option.name == name).and_then(|option| match &option.value {
            CommandDataOptionValue::String(value) | CommandDataOptionValue::Autocomplete { value, .. } => {
                Some(value.clone())
            }
            _ => None,
        })
    };
    let Some(spec) = catalogue.iter().find(|spec| spec.name == data.name) else {
        return data.options.iter().filter_map(|option| value(&option.name)).collect();
    };
    let mut values: Vec<String> =
        spec.arguments.iter().map(|argument| value(argument.name).unwrap_or_default()).collect();
    while values.last().is_some_and(String::is_empty) {
        values.pop();
    }
    values
}

/// The fields of a modal, in its order.
pub(crate) fn fields(rows: &[ActionRow]) -> Vec<(String, String)> {
    let inputs = rows.iter().flat_map(|row| &row.components).filter_map(|component| match component {
        ActionRowComponent::InputText(input) => {
            Some((input.custom_id.clone(), input.value.clone().unwrap_or_default()))
        }
        _ => None,
    });
    inputs.collect()
}

/// Somebody's message. Discord's markdown stays as it was typed.
pub(crate) fn incoming(message: &DiscordMessage, me: Option<&str>) -> Incoming {
    let snapshot = message.message_snapshots.first();
    let content = snapshot.map_or(&message.content, |snapshot| &snapshot.content);
    let attachments = snapshot.map_or(&message.attachments, |snapshot| &snapshot.attachments);
    let stickers = snapshot.map_or(&message.sticker_items, |snapshot| &snapshot.sticker_items);
    let embeds = snapshot.map_or(&message.embeds, |snapshot| &snapshot.embeds);
    let nothing = content.is_empty() && attachments.is_empty();
    let unsupported = if message.poll.is_some() {
        Some("a poll")
    } else if !stickers.is_empty() {
        Some("a sticker")
    } else if nothing && !embeds.is_empty() {
        Some("an embed")
    } else {
        None
    };
    let ours =
        message.referenced_message.as_ref().filter(|answered| Some(answered.author.id.to_string().as_str()) == me);
    let forwarded = message
        .message_reference
        .as_ref()
        .is_some_and(|reference| matches!(reference.kind, MessageReferenceKind::Forward));
    Incoming {
        text: Text::from(content.as_str()),
        files: attachments.iter().map(file).collect(),
        album: None,
        forwarded: forwarded || snapshot.is_some(),
        reply_to: ours.map(|answered| answered.id.to_string()),
        unsupported: unsupported.map(str::to_owned),
    }
}

/// Whether a person wrote it: not a bot, a webhook or Discord itself ("pinned a message").
pub(crate) fn is_written(message: &DiscordMessage) -> bool {
    let written = matches!(message.kind, MessageType::Regular | MessageType::InlineReply);
    written && !message.author.bot && message.webhook_id.is_none()
}

/// A message in the direct chat, where a command may also be typed as plain words.
pub(crate) fn direct(message: &DiscordMessage, me: Option<&str>, catalogue: &[CommandSpec]) -> UpdateKind {
    let mut incoming = incoming(message, me);
    let typed = incoming
        .text
        .plain
        .trim()
        .strip_prefix('/')
        .map(|line| line.split_once(char::is_whitespace).unwrap_or((line, "")));
    if !incoming.forwarded
        && let Some((name, rest)) = typed
        && let Some(spec) = catalogue.iter().find(|spec| spec.name.eq_ignore_ascii_case(name))
    {
        let arguments = spec.split(rest);
        incoming.text = Text::default();
        return UpdateKind::Command { name: spec.name.to_owned(), arguments, incoming };
    }
    UpdateKind::Message(incoming)
}

fn file(attachment: &Attachment) -> FileRef {
    FileRef {
        id: attachment.url.clone(),
        mime: attachment.content_type.clone(),
        name: Some(attachment.filename.clone()),
        size: Some(u64::from(attachment.size)),
        alt: attachment.description.clone(),
    }
}

/// The bot joined or lost a server. The chat of such an update is the server itself: it happens in no channel.
pub(crate) fn membership(server: GuildId, status: MembershipStatus, title: Option<String>, since: i64) -> Update {
    let id = server.to_string();
    let what = if status == MembershipStatus::Gone { "gone" } else { "joined" };
    Update {
        // One membership begins and ends once.
        id: format!("server-{id}-{what}-{since}"),
        chat: Chat {
            surface: SurfaceKind::Discord,
            id: id.clone(),
            topic: None,
            kind: ChatKind::Group,
            title: title.clone(),
            server: Some(id.clone()),
        },
        person: None,
        proof: Proof::default(),
        message: None,
        kind: UpdateKind::Membership(Membership { status, place: id, title, handle: None }),
    }
}
