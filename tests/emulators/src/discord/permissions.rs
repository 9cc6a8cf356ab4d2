//! Permission bits and Discord's arithmetic over roles and overwrites. Pure; it knows no wire. Source: "Permissions" in
//! Discord's developer documentation.

use super::state::{Channel, Guild, Target};

/// All permissions.
pub const ADMINISTRATOR: u64 = 1 << 3;
/// Change the server, add bots.
pub const MANAGE_GUILD: u64 = 1 << 5;
/// See the channel.
pub const VIEW_CHANNEL: u64 = 1 << 10;
/// Write in the channel.
pub const SEND_MESSAGES: u64 = 1 << 11;
/// Delete others' messages.
pub const MANAGE_MESSAGES: u64 = 1 << 13;
/// Show embeds.
pub const EMBED_LINKS: u64 = 1 << 14;
/// Attach files.
pub const ATTACH_FILES: u64 = 1 << 15;
/// Read what was written before.
pub const READ_MESSAGE_HISTORY: u64 = 1 << 16;
/// Ping everyone, and roles that do not allow it.
pub const MENTION_EVERYONE: u64 = 1 << 17;
/// Use slash commands.
pub const USE_APPLICATION_COMMANDS: u64 = 1 << 31;
/// Write in threads.
pub const SEND_MESSAGES_IN_THREADS: u64 = 1 << 38;
/// Write without waiting for slowmode.
pub const BYPASS_SLOWMODE: u64 = 1 << 52;

/// What `@everyone` has in a new server here.
pub const EVERYONE: u64 = VIEW_CHANNEL
    | SEND_MESSAGES
    | EMBED_LINKS
    | ATTACH_FILES
    | READ_MESSAGE_HISTORY
    | USE_APPLICATION_COMMANDS
    | SEND_MESSAGES_IN_THREADS;

/// Every bit.
pub const ALL: u64 = (1 << 53) - 1;

/// What a member may do in the whole server.
pub(super) fn in_guild(guild: &Guild, user: u64) -> u64 {
    let Some(roles) = guild.members.get(&user) else { return 0 };
    if guild.owner == user {
        return ALL;
    }
    let granted = guild
        .roles
        .iter()
        .filter(|role| role.id == guild.id || roles.contains(&role.id))
        .fold(0, |sum, role| sum | role.permissions);
    if granted & ADMINISTRATOR != 0 { ALL } else { granted }
}

/// What a member may do in a channel; `channel` is the parent for a thread.
pub(super) fn in_channel(guild: &Guild, channel: &Channel, user: u64) -> u64 {
    let base = in_guild(guild, user);
    if base == ALL || base == 0 {
        return base;
    }
    let Some(roles) = guild.members.get(&user) else { return 0 };
    let mut result = base;
    let mut apply = |chosen: &dyn Fn(&Target) -> bool| {
        let fitting = channel.overwrites.iter().filter(|overwrite| chosen(&overwrite.target));
        let (allow, deny) = fitting.fold((0, 0), |(allow, deny), o| (allow | o.allow, deny | o.deny));
        result = (result & !deny) | allow;
    };
    apply(&|target| *target == Target::Role(guild.id));
    apply(&|target| matches!(target, Target::Role(role) if *role != guild.id && roles.contains(role)));
    apply(&|target| *target == Target::Member(user));
    // "Denying VIEW_CHANNEL implicitly denies every other permission on the channel."
    if result & VIEW_CHANNEL == 0 { 0 } else { result }
}
