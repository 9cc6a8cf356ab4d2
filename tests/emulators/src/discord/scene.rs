//! What a test sets up and what happens to the bot: people, servers, roles, channels, joining and leaving, outages. It
//! knows no HTTP.

use bytes::Bytes;
use serde_json::json;

use super::Discord;
use super::acts::User;
use super::permissions as bits;
use super::state::{Channel, Form, Guild, INTENT_GUILDS, Overwrite, Role, State, Target, UserRecord};

/// The conversation between a person and the bot.
pub(super) fn direct_channel(state: &mut State, user: u64, now: i64) -> u64 {
    if let Some(known) = state.channels.values().find(|channel| channel.recipient == Some(user)) {
        return known.id;
    }
    let id = state.snowflake(now);
    state.channels.insert(id, Channel { recipient: Some(user), ..channel_record(id, 1, None, "") });
    id
}

/// Brings the bot into a server with a role of its own, and tells the sessions. Nothing happens when it is there.
pub(super) fn add_bot(state: &mut State, guild: u64, permissions: u64, now: i64) {
    let (bot, role) = (state.bot(), state.snowflake(now));
    let name = state.options.name.clone();
    let Some(found) = state.guilds.get_mut(&guild) else { return };
    if found.members.contains_key(&bot) {
        return;
    }
    found.roles.push(Role { id: role, name, permissions, mentionable: false, managed: true });
    found.members.insert(bot, vec![role]);
    announce(state, guild);
}

fn announce(state: &mut State, guild: u64) {
    let event = state.guilds.get(&guild).map(|guild| state.guild_create_json(guild));
    if let Some(event) = event {
        state.emit("GUILD_CREATE", &event, INTENT_GUILDS);
    }
}

/// Takes the bot out of a server and tells the sessions.
pub(super) fn remove_bot(state: &mut State, guild: u64) {
    let bot = state.bot();
    let Some(found) = state.guilds.get_mut(&guild) else { return };
    found.members.remove(&bot);
    found.roles.retain(|role| !role.managed);
    state.emit("GUILD_DELETE", &json!({ "id": guild.to_string() }), INTENT_GUILDS);
}

fn channel_record(id: u64, kind: u8, guild: Option<u64>, name: &str) -> Channel {
    Channel {
        id,
        kind,
        guild,
        name: name.to_owned(),
        position: 0,
        parent: None,
        overwrites: Vec::new(),
        recipient: None,
        slowmode: 0,
        messages: Vec::new(),
    }
}

impl Discord {
    /// A person.
    pub fn add_user(&self, name: &str) -> User {
        let now = self.now();
        let id = self.inner.state.write(|state| {
            let id = state.snowflake(now);
            state.users.insert(id, UserRecord { id, name: name.to_owned(), bot: false, closed: false });
            id
        });
        User::new(self, id)
    }

    /// A server with its owner and a text channel `general`; the bot is not in it yet. Gives the server's id.
    pub fn add_guild(&self, name: &str, owner: &User) -> u64 {
        let now = self.now();
        let id = self.inner.state.write(|state| {
            let id = state.snowflake(now);
            let everyone = Role {
                id,
                name: "@everyone".to_owned(),
                permissions: bits::EVERYONE,
                mentionable: false,
                managed: false,
            };
            let guild = Guild {
                id,
                name: name.to_owned(),
                icon: None,
                owner: owner.id(),
                roles: vec![everyone],
                members: [(owner.id(), Vec::new())].into(),
                tier: 0,
                crowd: 0,
                unavailable: false,
            };
            state.guilds.insert(id, guild);
            id
        });
        self.add_channel(id, 0, "general");
        id
    }

    /// A channel of this kind (0 text, 2 voice, 4 category, 5 announcement, 13 stage, 15 forum). Gives its id.
    pub fn add_channel(&self, guild: u64, kind: u8, name: &str) -> u64 {
        let now = self.now();
        self.inner.state.write(|state| {
            let id = state.snowflake(now);
            let position = state.channels.values().filter(|channel| channel.guild == Some(guild)).count();
            state.channels.insert(id, Channel { position, ..channel_record(id, kind, Some(guild), name) });
            id
        })
    }

    /// A thread under a channel. Gives its id.
    pub fn add_thread(&self, parent: u64, name: &str) -> u64 {
        let guild = self.inner.state.read(|state| state.channels.get(&parent).and_then(|channel| channel.guild));
        let id = self.add_channel(guild.unwrap_or_default(), 11, name);
        self.with_channel(id, |channel| channel.parent = Some(parent));
        id
    }

    /// A role with these permissions (bits). Gives its id.
    pub fn add_role(&self, guild: u64, name: &str, permissions: u64) -> u64 {
        let now = self.now();
        self.inner.state.write(|state| {
            let id = state.snowflake(now);
            let role = Role { id, name: name.to_owned(), permissions, mentionable: false, managed: false };
            if let Some(guild) = state.guilds.get_mut(&guild) {
                guild.roles.push(role);
            }
            id
        })
    }

    /// Changes what everyone may do in a server (bits).
    pub fn set_everyone(&self, guild: u64, permissions: u64) {
        self.with_guild(guild, |guild| {
            let id = guild.id;
            guild.roles.iter_mut().filter(|role| role.id == id).for_each(|role| role.permissions = permissions);
        });
    }

    /// Whether everyone may ping a role.
    pub fn set_mentionable(&self, guild: u64, role: u64, on: bool) {
        self.with_guild(guild, |guild| {
            guild.roles.iter_mut().filter(|known| known.id == role).for_each(|known| known.mentionable = on);
        });
    }

    /// An exception in a channel, in place of one for the same target.
    pub fn overwrite(&self, channel: u64, target: Target, allow: u64, deny: u64) {
        self.with_channel(channel, |channel| {
            channel.overwrites.retain(|old| old.target != target);
            channel.overwrites.push(Overwrite { target, allow, deny });
        });
    }

    /// A person joins a server with these roles, or gets them.
    pub fn join(&self, guild: u64, user: &User, roles: &[u64]) {
        self.with_guild(guild, |guild| {
            guild.members.insert(user.id(), roles.to_vec());
        });
    }

    fn with_guild(&self, id: u64, change: impl FnOnce(&mut Guild)) {
        self.inner.state.write(|state| state.guilds.get_mut(&id).map(change));
    }

    fn with_channel(&self, id: u64, change: impl FnOnce(&mut Channel)) {
        self.inner.state.write(|state| state.channels.get_mut(&id).map(change));
    }

    /// More members, who do nothing but count.
    pub fn set_crowd(&self, guild: u64, count: u64) {
        self.with_guild(guild, |guild| guild.crowd = count);
    }

    /// Boost tier 0 to 3, which sets the size limit of files.
    pub fn set_tier(&self, guild: u64, tier: u8) {
        self.with_guild(guild, |guild| guild.tier = tier);
    }

    /// A server's picture, served by the content network.
    pub fn set_icon(&self, guild: u64, hash: &str, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.with_guild(guild, |guild| guild.icon = Some((hash.to_owned(), bytes)));
    }

    /// Another name for a server.
    pub fn rename_guild(&self, guild: u64, name: &str) {
        self.with_guild(guild, |guild| name.clone_into(&mut guild.name));
    }

    /// Seconds between two messages of the same sender in a channel.
    pub fn set_slowmode(&self, channel: u64, seconds: i64) {
        self.with_channel(channel, |channel| channel.slowmode = seconds);
    }

    /// The bot joins a server with a role that has these permissions (bits).
    pub fn add_bot(&self, guild: u64, permissions: u64) {
        let now = self.now();
        self.inner.state.write(|state| add_bot(state, guild, permissions, now));
    }

    /// Someone throws the bot out of a server.
    pub fn kick_bot(&self, guild: u64) {
        self.inner.state.write(|state| remove_bot(state, guild));
    }

    /// The server is deleted.
    pub fn delete_guild(&self, guild: u64) {
        self.inner.state.write(|state| {
            remove_bot(state, guild);
            state.guilds.remove(&guild);
            state.channels.retain(|_, channel| channel.guild != Some(guild));
        });
    }

    /// The server can't be reached for a while; the bot stays in it.
    pub fn outage(&self, guild: u64) {
        self.with_guild(guild, |guild| guild.unavailable = true);
        let event = json!({ "id": guild.to_string(), "unavailable": true });
        self.inner.state.write(|state| state.emit("GUILD_DELETE", &event, INTENT_GUILDS));
    }

    /// The end of [`Discord::outage`].
    pub fn recover(&self, guild: u64) {
        self.with_guild(guild, |guild| guild.unavailable = false);
        self.inner.state.write(|state| announce(state, guild));
    }

    /// The conversation between a person and the bot; it is opened when there is none.
    pub fn direct(&self, user: &User) -> u64 {
        let now = self.now();
        self.inner.state.write(|state| direct_channel(state, user.id(), now))
    }

    /// Waits until a form is open for this person.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn wait_form(&self, user: &User) -> Form {
        self.wait_for("a form", |state| state.forms.get(&user.id()).cloned()).await
    }
}
