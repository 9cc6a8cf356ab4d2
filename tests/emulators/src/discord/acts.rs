//! What people do in Discord, in people's terms: type commands, press, choose, fill in forms, write, throw the bot out.
//! It changes the state and queues the events that the bot's sessions would get; it knows no HTTP.

use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};

use super::Discord;
use super::messages;
use super::permissions as bits;
use super::state::{Attachment, Body, Channel, Choice, Interaction, Message, State};

/// A file that a person attaches.
#[derive(Clone, Debug)]
pub struct File {
    /// File name.
    pub name: String,
    /// MIME type.
    pub mime: String,
    /// The content.
    pub bytes: Bytes,
}

impl File {
    /// A file with this name, type and content.
    pub fn new(name: &str, mime: &str, bytes: impl Into<Bytes>) -> Self {
        Self { name: name.to_owned(), mime: mime.to_owned(), bytes: bytes.into() }
    }
}

/// A person in Discord.
#[derive(Clone)]
pub struct User {
    discord: Discord,
    id: u64,
}

impl User {
    pub(super) fn new(discord: &Discord, id: u64) -> Self {
        Self { discord: discord.clone(), id }
    }

    /// The user id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Types a slash command; gives the interaction's id. A subcommand is named as `workspace use`. An option of type
    /// attachment takes the id that [`User::uploads`] gave.
    ///
    /// # Panics
    /// When Discord would not let the person send it: unknown command or option, a required option is missing, a value
    /// of the wrong type, no permission, or no bot there.
    pub fn command(&self, channel: u64, name: &str, options: &[(&str, Value)]) -> u64 {
        let now = self.discord.now();
        self.discord.inner.state.write(|state| {
            let data = command_data(state, self.id, channel, name, options, None);
            interact(state, 2, self.id, channel, data, None, now)
        })
    }

    /// Types into an option with suggestions, and waits for them.
    ///
    /// # Panics
    /// As [`User::command`], and when no suggestions come in ten seconds.
    pub async fn autocomplete(&self, channel: u64, name: &str, focused: (&str, &str)) -> Vec<Choice> {
        let now = self.discord.now();
        let id = self.discord.inner.state.write(|state| {
            let data = command_data(state, self.id, channel, name, &[(focused.0, json!(focused.1))], Some(focused.0));
            interact(state, 4, self.id, channel, data, None, now)
        });
        let choices = |state: &State| {
            state.interactions.get(&id).filter(|found| found.answered.is_some()).map(|found| found.choices.clone())
        };
        self.discord.wait_for("suggestions", choices).await
    }

    /// Chooses a command of type message from a message's menu, as in "Apps > Post this".
    ///
    /// # Panics
    /// When there is no such command or message.
    pub fn message_command(&self, channel: u64, message: u64, name: &str) -> u64 {
        let now = self.discord.now();
        self.discord.inner.state.write(|state| {
            let Some(command) = find_command(state, name, 3) else { panic!("no message command {name:?}") };
            allowed(state, &command, self.id, channel);
            let Some(target) = state.message(channel, message) else { panic!("no message {message}") };
            let data = json!({
                "id": command["id"], "name": name, "type": 3, "target_id": message.to_string(),
                "resolved": { "messages": { message.to_string(): state.message_json(target) } },
            });
            interact(state, 2, self.id, channel, data, None, now)
        })
    }

    /// Presses the button with this label; gives the interaction's id.
    ///
    /// # Panics
    /// When the person does not see such a button.
    pub fn press(&self, channel: u64, message: u64, label: &str) -> u64 {
        self.use_part(channel, message, |shown| {
            let part = shown.parts().find(|part| part["type"] == json!(2) && part["label"] == json!(label));
            let Some(part) = part else { panic!("no button {label:?}; there are {:?}", shown.labels()) };
            assert!(part["disabled"] != json!(true), "the button {label:?} is disabled");
            assert!(part["custom_id"].is_string(), "the button {label:?} is a link");
            json!({ "component_type": 2, "custom_id": part["custom_id"] })
        })
    }

    /// Chooses in the select menu that has these labels.
    ///
    /// # Panics
    /// When the person sees no such menu, or it takes another number of choices.
    pub fn select(&self, channel: u64, message: u64, labels: &[&str]) -> u64 {
        self.use_part(channel, message, |shown| {
            let value = |part: &Value, label: &str| {
                let options = part["options"].as_array()?;
                options.iter().find(|option| option["label"] == json!(label)).map(|option| option["value"].clone())
            };
            let part = shown
                .parts()
                .find(|part| part["type"] == json!(3) && labels.iter().all(|label| value(part, label).is_some()));
            let Some(part) = part else { panic!("no menu with {labels:?}; there are {:?}", shown.choices()) };
            let limit = |name: &str| part[name].as_u64().unwrap_or(1);
            let count = labels.len() as u64;
            assert!(count >= limit("min_values") && count <= limit("max_values"), "the menu does not take {count}");
            let values: Vec<Value> = labels.iter().filter_map(|label| value(part, label)).collect();
            json!({ "component_type": 3, "custom_id": part["custom_id"], "values": values })
        })
    }

    fn use_part(&self, channel: u64, message: u64, data: impl FnOnce(&Message) -> Value) -> u64 {
        let now = self.discord.now();
        self.discord.inner.state.write(|state| {
            let shown = state.message(channel, message);
            let shown = shown.filter(|shown| shown.only_for.is_none_or(|user| user == self.id));
            let Some(shown) = shown else { panic!("this person does not see the message {message}") };
            let data = data(shown);
            interact(state, 3, self.id, channel, data, Some((channel, message)), now)
        })
    }

    /// Fills in the form that is open and sends it; fields are named by label or custom id.
    ///
    /// # Panics
    /// When no form is open, a required field is empty, or a text has the wrong length.
    pub fn submit_form(&self, values: &[(&str, &str)]) -> u64 {
        let now = self.discord.now();
        self.discord.inner.state.write(|state| {
            let Some(form) = state.forms.remove(&self.id) else { panic!("no form is open") };
            for (name, _) in values {
                let known = form.fields.iter().any(|field| names(field, name));
                assert!(known, "the form has no field {name:?}: {:?}", form.fields);
            }
            let rows: Vec<Value> = form.fields.iter().map(|field| filled(field, values)).collect();
            let data = json!({ "custom_id": form.custom_id, "components": rows });
            interact(state, 5, self.id, form.channel, data, form.source, now)
        })
    }

    /// Writes to the bot directly; gives the message's id.
    pub fn dm(&self, text: &str, files: Vec<File>) -> u64 {
        let channel = self.discord.direct(self);
        self.says(channel, text, files)
    }

    /// Writes in a channel; gives the message's id.
    pub fn says(&self, channel: u64, text: &str, files: Vec<File>) -> u64 {
        let now = self.discord.now();
        self.discord.inner.state.write(|state| {
            let attachments = files.into_iter().map(|file| keep(state, channel, file, now)).collect();
            let bot = state.bot();
            let users = if text.contains(&format!("<@{bot}>")) { vec![bot] } else { Vec::new() };
            let pings = super::state::Pings { users, ..Default::default() };
            let body = Body { content: text.to_owned(), attachments, pings, ..Body::default() };
            let message = Message { body, ..messages::blank(state, channel, self.id, now) };
            let stored = messages::store(state, message, now);
            stored["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default()
        })
    }

    /// Uploads a file for an attachment option of a command; gives its id.
    pub fn uploads(&self, channel: u64, file: File) -> u64 {
        let now = self.discord.now();
        self.discord.inner.state.write(|state| keep(state, channel, file, now).id)
    }

    /// Takes no direct messages any more.
    pub fn closes_direct_messages(&self) {
        self.discord.inner.state.write(|state| {
            if let Some(user) = state.users.get_mut(&self.id) {
                user.closed = true;
            }
        });
    }
}

fn names(field: &Value, name: &str) -> bool {
    field["label"] == json!(name) || field["custom_id"] == json!(name)
}

fn filled(field: &Value, values: &[(&str, &str)]) -> Value {
    let given = values.iter().find(|(name, _)| names(field, name)).map(|(_, value)| (*value).to_owned());
    let value = given.unwrap_or_else(|| field["value"].as_str().unwrap_or_default().to_owned());
    let length = value.encode_utf16().count() as u64;
    let required = field["required"] != json!(false);
    assert!(!required || length > 0, "the field {} is required", field["label"]);
    if length > 0 {
        let least = field["min_length"].as_u64().unwrap_or(0);
        let most = field["max_length"].as_u64().unwrap_or(4000);
        assert!((least..=most).contains(&length), "the field {} takes {least} to {most} characters", field["label"]);
    }
    let input = json!({ "type": 4, "id": 2, "custom_id": field["custom_id"], "value": value });
    json!({ "type": 1, "id": 1, "components": [input] })
}

fn keep(state: &mut State, channel: u64, file: File, now: i64) -> Attachment {
    let id = state.snowflake(now);
    let attachment = Attachment { id, name: file.name, description: None, mime: file.mime, bytes: file.bytes, channel };
    state.uploads.insert(id, attachment.clone());
    attachment
}

fn find_command(state: &State, name: &str, kind: u64) -> Option<Value> {
    state.commands.iter().find(|command| command["name"] == json!(name) && command["type"] == json!(kind)).cloned()
}

/// Would Discord show the command to this person here?
fn allowed(state: &State, command: &Value, user: u64, channel: u64) {
    let Some(place) = state.channels.get(&channel) else { panic!("no channel {channel}") };
    let name = &command["name"];
    if let Some(contexts) = command["contexts"].as_array() {
        let here = if place.guild.is_some() { 0 } else { 1 };
        assert!(contexts.contains(&json!(here)), "{name} is not offered in this kind of place");
    }
    let Some(guild) = place.guild.and_then(|id| state.guilds.get(&id)) else { return };
    assert!(guild.members.contains_key(&state.bot()), "the bot is not in this server");
    let mine = state.permissions(place, user);
    assert!(mine & bits::USE_APPLICATION_COMMANDS != 0, "this person may not use commands here");
    let needed = command["default_member_permissions"].as_str().and_then(|bits| bits.parse::<u64>().ok()).unwrap_or(0);
    assert!(mine & needed == needed, "{name} needs permissions that this person lacks");
}

fn command_data(
    state: &State,
    user: u64,
    channel: u64,
    name: &str,
    options: &[(&str, Value)],
    focused: Option<&str>,
) -> Value {
    let mut steps = name.split(' ');
    let first = steps.next().unwrap_or_default();
    let Some(command) = find_command(state, first, 1) else {
        let known: Vec<&Value> = state.commands.iter().map(|command| &command["name"]).collect();
        panic!("no command {first:?}; there are {known:?}")
    };
    allowed(state, &command, user, channel);
    let path: Vec<&str> = steps.collect();
    let mut level = command.clone();
    let mut kinds = Vec::new();
    for step in &path {
        let declared = level["options"].as_array().and_then(|list| list.iter().find(|o| o["name"] == json!(step)));
        let Some(found) = declared.cloned() else { panic!("{first:?} has no subcommand {step:?}") };
        kinds.push(found["type"].clone());
        level = found;
    }
    let declared = level["options"].as_array().cloned().unwrap_or_default();
    let mut resolved = json!({});
    let mut sent = Vec::new();
    for (name, value) in options {
        let Some(option) = declared.iter().find(|option| option["name"] == json!(name)) else {
            panic!("{first:?} has no option {name:?}")
        };
        sent.push(option_value(state, option, value, focused == Some(*name), &mut resolved));
    }
    if focused.is_none() {
        for option in declared.iter().filter(|option| option["required"] == json!(true)) {
            let given = options.iter().any(|(name, _)| option["name"] == json!(name));
            assert!(given, "the option {} is required", option["name"]);
        }
    }
    for (step, kind) in path.iter().zip(&kinds).rev() {
        sent = vec![json!({ "name": step, "type": kind, "options": sent })];
    }
    let mut data = json!({ "id": command["id"], "name": first, "type": 1, "options": sent });
    if resolved != json!({}) {
        data["resolved"] = resolved;
    }
    data
}

fn option_value(state: &State, option: &Value, value: &Value, focused: bool, resolved: &mut Value) -> Value {
    let name = &option["name"];
    let mut sent = json!({ "name": name, "type": option["type"], "value": value });
    if focused {
        assert!(option["autocomplete"] == json!(true), "{name} has no suggestions");
        sent["focused"] = json!(true);
        return sent;
    }
    if let Some(choices) = option["choices"].as_array().filter(|choices| !choices.is_empty()) {
        assert!(choices.iter().any(|choice| choice["value"] == *value), "{name} does not offer {value}");
    }
    let fits = match option["type"].as_u64() {
        Some(3) => value.is_string(),
        Some(4) => value.is_i64() || value.is_u64(),
        Some(5) => value.is_boolean(),
        Some(10) => value.is_number(),
        _ => true,
    };
    assert!(fits, "{name} does not take {value}");
    let id = value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default();
    match option["type"].as_u64() {
        Some(6) => {
            assert!(state.users.contains_key(&id), "no user {id}");
            resolved["users"][id.to_string()] = state.user_json(id);
            sent["value"] = json!(id.to_string());
        }
        Some(7) => {
            let Some(channel) = state.channels.get(&id) else { panic!("no channel {id}") };
            resolved["channels"][id.to_string()] = partial_channel(state, channel, bits::ALL);
            sent["value"] = json!(id.to_string());
        }
        Some(11) => {
            let Some(file) = state.uploads.get(&id) else { panic!("no uploaded file {id}") };
            resolved["attachments"][id.to_string()] = state.attachment_json(file, true);
            sent["value"] = json!(id.to_string());
        }
        _ => {}
    }
    sent
}

fn partial_channel(state: &State, channel: &Channel, permissions: u64) -> Value {
    let mut value = state.channel_json(channel);
    value["permissions"] = json!(permissions.to_string());
    value
}

/// Makes an interaction and sends it to every session. Gives its id.
fn interact(
    state: &mut State,
    kind: u8,
    user: u64,
    channel: u64,
    data: Value,
    source: Option<(u64, u64)>,
    now: i64,
) -> u64 {
    let id = state.snowflake(now);
    let token = state.secret("interaction");
    let Some(place) = state.channels.get(&channel) else { panic!("no channel {channel}") };
    let mine = state.permissions(place, user);
    assert!(mine & bits::VIEW_CHANNEL != 0, "this person does not see the channel");
    let app = state.bot();
    let mut event = json!({
        "id": id.to_string(), "application_id": app.to_string(), "type": kind, "data": data, "token": token,
        "version": 1, "channel_id": channel.to_string(), "channel": partial_channel(state, place, mine),
        "app_permissions": state.permissions(place, app).to_string(), "locale": "en-US", "entitlements": [],
        "entitlement_sku_ids": [], "attachment_size_limit": state.file_limit(channel),
    });
    match place.guild.and_then(|guild| state.guilds.get(&guild)) {
        Some(guild) => {
            event["guild_id"] = json!(guild.id.to_string());
            event["guild"] = json!({ "id": guild.id.to_string(), "locale": "en-US", "features": [] });
            event["guild_locale"] = json!("en-US");
            event["member"] = state.member_json(guild, user);
            event["member"]["permissions"] = json!(mine.to_string());
            event["context"] = json!(0);
            event["authorizing_integration_owners"] = json!({ "0": guild.id.to_string() });
        }
        None => {
            event["user"] = state.user_json(user);
            event["context"] = json!(1);
            event["authorizing_integration_owners"] = json!({ "0": "0" });
        }
    }
    if let Some(message) = source.and_then(|(channel, id)| state.message(channel, id)) {
        event["message"] = state.message_json(message);
    }
    let interaction = Interaction {
        id,
        token,
        kind,
        user,
        channel,
        born: Instant::now(),
        at: now,
        answered: None,
        original: None,
        source,
        choices: Vec::new(),
    };
    state.interactions.insert(id, interaction);
    state.emit("INTERACTION_CREATE", &event, 0);
    id
}
