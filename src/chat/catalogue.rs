//! Every command as data: name, arguments, who may use it, one line of help. From this one list come Telegram's menu,
//! Discord's slash commands, the console's completion, `/help`, `trypost export commands` and the README's table.

use bots::{Argument, ArgumentKind, Audience, CommandSpec};

use crate::domain::workspace::Role;

/// What a command is about; `/help` groups by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// First steps.
    Start,
    /// Connected accounts.
    Accounts,
    /// Posts.
    Posts,
    /// People and workspaces.
    Team,
    /// Running it.
    Run,
}

/// A command with what only we need to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// What the surfaces need.
    pub spec: &'static CommandSpec,
    /// What it is about.
    pub topic: Topic,
    /// The lowest role that may use it; `None` for everybody, also strangers.
    pub role: Option<Role>,
    /// How to type it, by example.
    pub example: &'static str,
}

const fn arg(name: &'static str, help: &'static str, required: bool, kind: ArgumentKind) -> Argument {
    Argument { name, help, required, kind }
}

const ACCOUNT: Argument = arg("account", "Its name, its handle, or its number in /accounts", true, ArgumentKind::Word);
const POST: Argument = arg("post", "Its number, as in 12", true, ArgumentKind::Word);
const ROLES: &[&str] = &["viewer", "member", "admin", "owner"];

macro_rules! commands {
    ($($name:literal $topic:ident $role:expr, $audience:ident, [$($argument:expr),*], $help:literal, $example:literal;)*) => {
        /// What the surfaces are told, in the order in which people see it.
        pub static SPECS: &[CommandSpec] = &[$(CommandSpec {
            name: $name,
            arguments: &[$($argument),*],
            help: $help,
            audience: Audience::$audience,
        }),*];

        const ABOUT: &[(Topic, Option<Role>, &str)] = &[$((Topic::$topic, $role, $example)),*];
    };
}

commands! {
    "start" Start None, Asker, [arg("code", "The code you were given", false, ArgumentKind::Word)],
        "Begin, or use an invite", "/start tp-abcdefghijklmnop";
    "help" Start None, Asker, [arg("command", "A command's name", false, ArgumentKind::Word)],
        "What I can do, and how", "/help connect";
    "connect" Accounts Some(Role::Admin), Asker,
        [arg("platform", "Where the account is", false, ArgumentKind::Word),
         arg("instance", "Its server, where there are several", false, ArgumentKind::Word)],
        "Connect an account", "/connect mastodon mastodon.social";
    "accounts" Accounts Some(Role::Viewer), Chat, [], "All accounts and how they are", "/accounts";
    "account" Accounts Some(Role::Viewer), Chat, [ACCOUNT], "One account, with all that can be done", "/account 1";
    "toggle" Accounts Some(Role::Member), Chat, [ACCOUNT], "Leave an account out of new posts, or take it in again", "/toggle 1";
    "reconnect" Accounts Some(Role::Admin), Asker, [ACCOUNT], "Bring a lost account back", "/reconnect 1";
    "disconnect" Accounts Some(Role::Admin), Chat, [ACCOUNT], "Remove an account from here", "/disconnect 1";
    "check" Accounts Some(Role::Viewer), Chat, [arg("account", "Its name or number; all without", false, ArgumentKind::Word)],
        "Ask the platforms whether all is well", "/check";
    "post" Posts Some(Role::Member), Chat, [arg("text", "What it says; add pictures to the message", false, ArgumentKind::Rest)],
        "Write a post", "/post We open at nine";
    "drafts" Posts Some(Role::Member), Chat, [], "Posts that are not out yet", "/drafts";
    "show" Posts Some(Role::Viewer), Chat, [POST], "One post, and where it is", "/show 12";
    "publish" Posts Some(Role::Member), Chat, [POST], "Send a draft out now", "/publish 12";
    "retry" Posts Some(Role::Member), Chat, [POST], "Try again where it failed", "/retry 12";
    "delete" Posts Some(Role::Member), Chat, [POST], "Delete a post on the platforms", "/delete 12";
    "undo" Posts Some(Role::Member), Chat, [arg("post", "Its number; the newest without", false, ArgumentKind::Word)],
        "Take the newest post back", "/undo";
    "why" Posts Some(Role::Viewer), Chat, [POST], "What happened to a post, step by step", "/why 12";
    "workspace" Team Some(Role::Viewer), Chat,
        [arg("what", "new, use, rename or delete", false, ArgumentKind::Choice(&["new", "use", "rename", "delete"])),
         arg("name", "The workspace's name", false, ArgumentKind::Rest)],
        "See, choose or make workspaces", "/workspace new Blue team";
    "invite" Team Some(Role::Viewer), Asker,
        [arg("role", "viewer, member, admin or owner; me for your own second account", true,
             ArgumentKind::Choice(&["viewer", "member", "admin", "owner", "me"]))],
        "Invite somebody, or link your own second account", "/invite member";
    "team" Team Some(Role::Viewer), Chat, [], "Who is in this workspace", "/team";
    "role" Team Some(Role::Admin), Chat,
        [arg("member", "Their name", true, ArgumentKind::Word), arg("role", "What they may do", true, ArgumentKind::Choice(ROLES))],
        "Change what somebody may do", "/role Ana admin";
    "remove" Team Some(Role::Viewer), Chat, [arg("member", "Their name", true, ArgumentKind::Word)],
        "Take somebody out of this workspace, or leave it", "/remove Ana";
    "alerts" Run Some(Role::Admin), Chat, [arg("what", "here, off, or a kind", false, ArgumentKind::Word)],
        "Where and of what I warn you", "/alerts here";
    "timezone" Run Some(Role::Admin), Chat, [arg("zone", "As in Europe/Berlin", false, ArgumentKind::Word)],
        "The zone that times are told in", "/timezone Europe/Berlin";
    "health" Run Some(Role::Viewer), Chat, [], "How the daemon is", "/health";
}

/// All commands.
pub fn all() -> impl Iterator<Item = Command> {
    SPECS.iter().zip(ABOUT).map(|(spec, (topic, role, example))| Command { spec, topic: *topic, role: *role, example })
}

/// The command of that name.
pub fn find(name: &str) -> Option<Command> {
    all().find(|command| command.spec.name == name)
}

/// The command that a mistyped name was most likely meant to be.
pub fn nearest(name: &str) -> Option<Command> {
    all()
        .map(|command| (strsim::damerau_levenshtein(name, command.spec.name), command))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, command)| *distance <= 2 && *distance < command.spec.name.len())
        .map(|(_, command)| command)
}

/// The README's table of commands.
pub fn table() -> String {
    let mut table = "| command | who | what it does |\n| --- | --- | --- |\n".to_owned();
    for command in all() {
        let arguments: String = command
            .spec
            .arguments
            .iter()
            .map(|argument| {
                if argument.required {
                    format!(" {}", argument.name.to_uppercase())
                } else {
                    format!(" [{}]", argument.name)
                }
            })
            .collect();
        let role = command.role.map_or("everyone", Role::as_str);
        table.push_str(&format!("| `/{}{arguments}` | {role} | {} |\n", command.spec.name, command.spec.help));
    }
    table
}
