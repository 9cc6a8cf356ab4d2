//! The wire forms of what Discord knows: users, roles, members, servers, channels, attachments, messages. It changes
//! nothing. Source: the resources' pages in Discord's documentation; every field that its OpenAPI description requires.

use serde_json::{Value, json};

use super::state::{Attachment, Channel, Guild, Message, Role, State, Target};

impl State {
    pub(super) fn user_json(&self, id: u64) -> Value {
        let (name, bot) = self.users.get(&id).map_or(("deleted", false), |user| (user.name.as_str(), user.bot));
        json!({
            "id": id.to_string(), "username": name.to_lowercase().replace(' ', "."), "global_name": name,
            "discriminator": "0", "avatar": null, "bot": bot, "system": false, "public_flags": 0, "flags": 0,
            "banner": null, "accent_color": null, "avatar_decoration_data": null, "primary_guild": null,
        })
    }

    pub(super) fn role_json(role: &Role, position: usize) -> Value {
        json!({
            "id": role.id.to_string(), "name": role.name, "permissions": role.permissions.to_string(),
            "position": position, "color": 0,
            "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null },
            "hoist": false, "managed": role.managed, "mentionable": role.mentionable, "icon": null,
            "unicode_emoji": null, "flags": 0,
        })
    }

    pub(super) fn roles_json(guild: &Guild) -> Value {
        guild.roles.iter().enumerate().map(|(position, role)| Self::role_json(role, position)).collect()
    }

    pub(super) fn member_json(&self, guild: &Guild, user: u64) -> Value {
        let roles: Vec<String> = guild.members.get(&user).into_iter().flatten().map(u64::to_string).collect();
        json!({
            "user": self.user_json(user), "nick": null, "avatar": null, "banner": null, "roles": roles,
            "joined_at": "2024-01-01T00:00:00.000000+00:00", "premium_since": null, "deaf": false, "mute": false,
            "flags": 0, "pending": false, "communication_disabled_until": null,
        })
    }

    pub(super) fn guild_json(&self, guild: &Guild) -> Value {
        json!({
            "id": guild.id.to_string(), "name": guild.name, "icon": guild.icon.as_ref().map(|(hash, _)| hash),
            "description": null, "home_header": null, "splash": null, "discovery_splash": null, "features": [],
            "banner": null, "owner_id": guild.owner.to_string(), "application_id": null, "region": "deprecated",
            "afk_channel_id": null, "afk_timeout": 300, "system_channel_id": null, "system_channel_flags": 0,
            "widget_enabled": false, "widget_channel_id": null, "verification_level": 0,
            "roles": Self::roles_json(guild), "default_message_notifications": 0, "mfa_level": 0,
            "explicit_content_filter": 0, "max_presences": null, "max_members": 500_000,
            "max_stage_video_channel_users": 50, "max_video_channel_users": 25, "vanity_url_code": null,
            "premium_tier": guild.tier, "premium_subscription_count": 0, "preferred_locale": "en-US",
            "rules_channel_id": null, "safety_alerts_channel_id": null, "public_updates_channel_id": null,
            "premium_progress_bar_enabled": false, "nsfw": false, "nsfw_level": 0, "emojis": [], "stickers": [],
            "incidents_data": null,
        })
    }

    /// The `GUILD_CREATE` form: with channels, members and what is going on.
    pub(super) fn guild_create_json(&self, guild: &Guild) -> Value {
        let mut value = self.guild_json(guild);
        let channels = self.channels.values().filter(|channel| channel.guild == Some(guild.id));
        let (threads, channels): (Vec<_>, Vec<_>) = channels.partition(|channel| channel.kind == 11);
        value["channels"] = channels.into_iter().map(|channel| self.channel_json(channel)).collect();
        value["threads"] = threads.into_iter().map(|channel| self.channel_json(channel)).collect();
        value["members"] = json!([self.member_json(guild, self.bot())]);
        value["joined_at"] = json!("2024-01-01T00:00:00.000000+00:00");
        value["member_count"] = json!(guild.members.len() as u64 + guild.crowd);
        value["large"] = json!(false);
        value["unavailable"] = json!(false);
        for empty in ["voice_states", "presences", "stage_instances", "guild_scheduled_events", "soundboard_sounds"] {
            value[empty] = json!([]);
        }
        value
    }

    pub(super) fn channel_json(&self, channel: &Channel) -> Value {
        let last = channel.messages.last().map(|message| message.id.to_string());
        if let Some(user) = channel.recipient {
            return json!({
                "id": channel.id.to_string(), "type": 1, "flags": 0, "last_message_id": last,
                "recipients": [self.user_json(user)],
            });
        }
        let overwrites: Vec<Value> = channel
            .overwrites
            .iter()
            .map(|overwrite| {
                let (kind, id) = match overwrite.target {
                    Target::Role(id) => (0, id),
                    Target::Member(id) => (1, id),
                };
                let (allow, deny) = (overwrite.allow.to_string(), overwrite.deny.to_string());
                json!({ "id": id.to_string(), "type": kind, "allow": allow, "deny": deny })
            })
            .collect();
        let mut value = json!({
            "id": channel.id.to_string(), "type": channel.kind, "flags": 0,
            "guild_id": channel.guild.unwrap_or_default().to_string(), "name": channel.name,
            "position": channel.position, "parent_id": channel.parent.map(|id| id.to_string()),
            "permission_overwrites": overwrites, "topic": null, "nsfw": false,
            "rate_limit_per_user": channel.slowmode, "last_message_id": last,
        });
        if channel.kind == 11 {
            value["owner_id"] = json!(self.bot().to_string());
            value["thread_metadata"] = thread_metadata();
        }
        value
    }

    pub(super) fn attachment_json(&self, attachment: &Attachment, ephemeral: bool) -> Value {
        let Attachment { id, name, channel, .. } = attachment;
        let address = |host: &str| format!("https://{host}/attachments/{channel}/{id}/{name}?ex=1&is=1&hm=1");
        let mut value = json!({
            "id": id.to_string(), "filename": name, "size": attachment.bytes.len(), "content_type": attachment.mime,
            "url": address("cdn.discordapp.com"), "proxy_url": address("media.discordapp.net"),
        });
        if let Some(description) = &attachment.description {
            value["description"] = json!(description);
        }
        if let Ok(size) = imagesize::blob_size(&attachment.bytes) {
            value["width"] = json!(size.width);
            value["height"] = json!(size.height);
        }
        if ephemeral {
            value["ephemeral"] = json!(true);
        }
        value
    }

    pub(super) fn message_json(&self, message: &Message) -> Value {
        let body = &message.body;
        let ephemeral = message.only_for.is_some();
        let kind = match (message.interaction.is_some(), message.reply_to.is_some()) {
            (true, _) => 20,
            (false, true) => 19,
            (false, false) => 0,
        };
        let mut value = json!({
            "id": message.id.to_string(), "channel_id": message.channel.to_string(), "type": kind,
            "author": self.user_json(message.author), "content": body.content,
            "timestamp": timestamp(message.at), "edited_timestamp": message.edited_at.map(timestamp),
            "tts": false, "mention_everyone": body.pings.everyone,
            "mentions": body.pings.users.iter().map(|id| self.user_json(*id)).collect::<Vec<_>>(),
            "mention_roles": body.pings.roles.iter().map(u64::to_string).collect::<Vec<_>>(),
            "attachments": body.attachments.iter().map(|a| self.attachment_json(a, ephemeral)).collect::<Vec<_>>(),
            "embeds": body.embeds, "components": with_ids(&body.components), "pinned": false,
            "flags": message.flags | u64::from(message.crossposted),
        });
        if message.by_bot {
            value["application_id"] = json!(self.bot().to_string());
        }
        if let Some(nonce) = &message.nonce {
            value["nonce"] = nonce.clone();
        }
        if let Some(interaction) = message.interaction {
            value["webhook_id"] = json!(self.bot().to_string());
            let user = self.interactions.get(&interaction).map_or(0, |interaction| interaction.user);
            value["interaction_metadata"] = json!({
                "id": interaction.to_string(), "type": 2, "user": self.user_json(user),
                "authorizing_integration_owners": {},
            });
        }
        if let Some(original) = message.reply_to {
            value["message_reference"] =
                json!({ "type": 0, "channel_id": message.channel.to_string(), "message_id": original.to_string() });
        }
        value
    }
}

fn thread_metadata() -> Value {
    json!({
        "archived": false, "auto_archive_duration": 1440, "archive_timestamp": "2024-01-01T00:00:00.000000+00:00",
        "locked": false, "create_timestamp": "2024-01-01T00:00:00.000000+00:00",
    })
}

/// Discord numbers components in what it gives back.
fn with_ids(rows: &[Value]) -> Value {
    let mut next = 0;
    let mut number = |value: &mut Value| {
        next += 1;
        value["id"] = json!(next);
    };
    let mut rows = rows.to_vec();
    for row in &mut rows {
        number(row);
        if let Some(parts) = row["components"].as_array_mut() {
            parts.iter_mut().for_each(&mut number);
        }
    }
    Value::Array(rows)
}

/// RFC 3339 in UTC with microseconds, as Discord writes it.
pub(super) fn timestamp(at: i64) -> String {
    let days = at.div_euclid(86_400_000);
    let rest = at.rem_euclid(86_400_000);
    // Days to a date, by H. Hinnant's algorithm for the Gregorian calendar.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    let micros = rest % 1000 * 1000;
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{micros:06}+00:00")
}
