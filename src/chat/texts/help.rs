//! First words and help. Pure.

use bots::{ArgumentKind, Message, Text};

use super::team::{a_role, may, surface};
use super::{name, push_workspace};
use crate::chat::catalogue::{self, Command, Topic};
use crate::domain::workspace::Role;
use crate::flows::team::Welcome;

/// Topics in the order of `/help`, with their headings.
const TOPICS: [(Topic, &str); 5] = [
    (Topic::Start, "First steps"),
    (Topic::Accounts, "Accounts"),
    (Topic::Posts, "Posts"),
    (Topic::Team, "People"),
    (Topic::Run, "Running it"),
];

/// After a code was used.
pub fn welcome(person: &str, welcome: &Welcome) -> Text {
    let mut text = Text::default();
    match welcome {
        Welcome::Owner(workspace) => {
            text.push(&format!("Welcome, {}. This trypost is yours now. Your workspace is ", name(person)));
            push_workspace(&mut text, &workspace.name).push(
                ".\nNext: connect an account. Then send me a message, and it becomes a post.\n\
                 Later: /workspace rename gives the workspace a name, /timezone sets its clock, /invite brings others in.",
            );
        }
        Welcome::Member(workspace, role) => {
            text.push(&format!("Welcome, {}. You are {} of ", name(person), a_role(*role)));
            push_workspace(&mut text, &workspace.name).push(&format!(" and {}.\n", may(*role)));
            text.push(match role {
                Role::Viewer => "Next: /accounts shows what is connected, /drafts what is coming.",
                Role::Member => "Next: send me a message, and it becomes a post. /accounts shows where it can go.",
                Role::Admin | Role::Owner => {
                    "Next: /accounts shows what is connected, /connect adds to it. Send me a message, and it becomes a post."
                }
            });
        }
        Welcome::Linked(kind) => {
            text.push(&format!(
                "Done: this account on {} is you now, {}. What you may do elsewhere, you may do here. /help shows what \
                 that is.",
                surface(kind),
                name(person)
            ));
        }
    }
    text
}

/// `/start` from somebody we know.
pub fn overview(workspace: &str, accounts: usize, well: usize, role: Role) -> Text {
    let mut text = Text::default();
    push_workspace(&mut text, workspace);
    if accounts == 0 {
        text.push(" has no accounts yet. ");
        text.push(if role >= Role::Admin {
            "/connect adds the first one."
        } else {
            "An admin can /connect the first one."
        });
        return text;
    }
    text.push(&format!(
        ": {}, {}. ",
        super::counted(accounts, "account"),
        super::accounts::how_many_well(accounts, well)
    ));
    text.push(if role >= Role::Member {
        "Send me a message in our direct chat, and it becomes a post. /accounts, /drafts and /help show the rest."
    } else {
        "/accounts and /drafts show what there is, /help what you can do."
    });
    text
}

/// A code that opens nothing (any more).
pub fn wrong_code() -> &'static str {
    "This code opens nothing: it was used already, is older than 3 days, or was mistyped. Ask for a new one."
}

/// Everything a person may do, by topic. Without a role only what needs none.
pub fn all(role: Option<Role>) -> Message {
    let mut text = Text::default();
    for (topic, heading) in TOPICS {
        let mut commands =
            catalogue::all().filter(|command| command.topic == topic && allows(command, role)).peekable();
        if commands.peek().is_none() {
            continue;
        }
        if !text.plain.is_empty() {
            text.push("\n\n");
        }
        text.bold(heading);
        for command in commands {
            text.push(&format!("\n/{} · {}", command.spec.name, command.spec.help));
        }
    }
    text.push("\n\n/help COMMAND tells more about one. A message to me in a direct chat becomes a post.");
    Message::text(text)
}

/// Whether somebody with this role may use a command.
pub fn allows(command: &Command, role: Option<Role>) -> bool {
    command.role.is_none_or(|needs| role.is_some_and(|has| has >= needs))
}

/// One command with its arguments and an example.
pub fn one(command: &Command, role: Option<Role>) -> Message {
    let mut text = Text::default();
    text.bold(&format!("/{}", command.spec.name));
    for argument in command.spec.arguments {
        text.push(&if argument.required { format!(" {}", argument.name) } else { format!(" [{}]", argument.name) });
    }
    text.push(&format!("\n{}.", command.spec.help));
    for argument in command.spec.arguments {
        text.push(&format!("\n{}: {}", argument.name, argument.help));
        if let ArgumentKind::Choice(words) = argument.kind {
            text.push(&format!(" ({})", words.join(", ")));
        }
    }
    text.push("\nFor example: ").code(command.example);
    if let Some(needs) = command.role.filter(|_| !allows(command, role)) {
        text.push(&format!("\nOnly {} can use it, and you are {} here.", a_role(needs), role.map_or("nobody", a_role)));
    }
    Message::text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_shows_what_the_role_may_do() {
        let said = |role| all(role).text.plain;
        assert!(said(Some(Role::Owner)).contains("/connect · Connect an account"));
        let viewer = said(Some(Role::Viewer));
        assert!(
            viewer.contains("/accounts") && !viewer.contains("/connect") && !viewer.contains("/timezone"),
            "{viewer}"
        );
        assert!(!said(None).contains("Accounts"));
    }

    #[test]
    fn every_command_explains_itself_with_its_example() {
        for command in catalogue::all() {
            let said = one(&command, Some(Role::Owner)).text.plain;
            assert!(said.contains(command.example) && !said.contains("Only "), "{said}");
        }
        let connect = catalogue::find("connect").unwrap();
        let said = one(&connect, Some(Role::Member)).text.plain;
        assert!(said.starts_with("/connect [platform] [instance]\nConnect an account.\nplatform: Where"), "{said}");
        assert!(said.ends_with("Only an admin can use it, and you are a member here."), "{said}");
        assert!(
            one(&catalogue::find("invite").unwrap(), None).text.plain.contains("(viewer, member, admin, owner, me)")
        );
    }
}
