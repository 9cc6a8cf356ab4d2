//! How workspaces, members and invites are told. Pure.

use bots::Text;

use super::{counted, list, moment, name, push_workspace};
use crate::domain::Timestamp;
use crate::domain::workspace::{Member, Role, Workspace};
use crate::store::IdentityRow;

/// The longest title of a form (Discord's limit is 45 characters).
const LONGEST_TITLE: usize = 45;

/// A role with its article: "an admin".
pub fn a_role(role: Role) -> &'static str {
    match role {
        Role::Viewer => "a viewer",
        Role::Member => "a member",
        Role::Admin => "an admin",
        Role::Owner => "an owner",
    }
}

/// What a role may do.
pub fn may(role: Role) -> &'static str {
    match role {
        Role::Viewer => "may look at accounts and posts",
        Role::Member => "may write and publish posts",
        Role::Admin => "may also connect accounts, invite people and set alerts",
        Role::Owner => "may do everything",
    }
}

/// A surface as people call it: its lower-case name with a capital.
pub fn surface(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The workspaces of a person, for their eyes.
pub fn workspaces(all: &[(Workspace, Role)], current: Option<&Workspace>) -> Text {
    let mut text = Text::default();
    match current {
        Some(current) => drop(push_workspace(text.push("You work in "), &current.name).push(".")),
        None => drop(text.push("You are in no workspace. Ask for an invite, or send /start CODE.")),
    }
    for (workspace, role) in all {
        let here = current.is_some_and(|current| current.id == workspace.id);
        text.push(if here { "\n● " } else { "\n◌ " });
        push_workspace(&mut text, &workspace.name).push(&format!(": you are {}", a_role(*role)));
    }
    if current.is_some() {
        text.push("\n/workspace new NAME makes another, rename NAME and delete are about this one.");
    }
    text
}

/// The workspace that a shared chat belongs to.
pub fn shared_chat(workspace: &Workspace) -> Text {
    let mut text = Text::from("This chat belongs to ");
    push_workspace(&mut text, &workspace.name).push(". What members type here is about it.");
    text
}

/// The shared chat belongs to a workspace that the speaker is not in.
pub fn foreign_chat() -> &'static str {
    "This chat belongs to a workspace that you are not in."
}

/// The shared chat belongs to no workspace.
pub fn free_chat(some: bool) -> &'static str {
    if some {
        "This chat belongs to no workspace yet. Which one should be run from here? An admin of this chat can decide."
    } else {
        "This chat belongs to no workspace yet, and you are an admin of none that could be run from here."
    }
}

/// A person works in another workspace from now on.
pub fn in_use(workspace: &Workspace) -> Text {
    let mut text = Text::from("You work in ");
    push_workspace(&mut text, &workspace.name).push(" now. Other chats are not touched by that.");
    text
}

/// A shared chat runs a workspace from now on.
pub fn bound(workspace: &Workspace) -> Text {
    let mut text = Text::from("This chat belongs to ");
    push_workspace(&mut text, &workspace.name)
        .push(" now. Members can use every command here, and its alerts come here; /alerts changes that.");
    text
}

/// Only an admin of the shared chat may decide what it belongs to.
pub fn not_admin_here(anonymous: bool) -> &'static str {
    if anonymous {
        "I can't see who you are while you write anonymously. Turn that off in your admin rights here, and ask again."
    } else {
        "Only an admin of this chat can decide which workspace is run from here."
    }
}

/// A workspace was made.
pub fn made(workspace: &Workspace, direct: bool) -> Text {
    let mut text = Text::default();
    push_workspace(&mut text, &workspace.name);
    text.push(if direct {
        " is made, and you work in it now. Next: connect an account, and set its /timezone."
    } else {
        " is made; you work in it in our direct chat. To run it from here, say /workspace use and its name."
    });
    text
}

/// A workspace got another name.
pub fn renamed(new: &str) -> Text {
    let mut text = Text::from("The workspace is called ");
    push_workspace(&mut text, new).push(" now.");
    text
}

/// No workspace of theirs has that name.
pub fn unknown_workspace(typed: &str, nearest: Option<&str>) -> String {
    let typed = name(typed);
    match nearest {
        Some(nearest) => format!("You are in no workspace “{typed}”. Did you mean {}?", name(nearest)),
        None => format!("You are in no workspace “{typed}”. /workspace lists yours."),
    }
}

/// What deleting a workspace would do.
pub fn ask_delete(workspace: &Workspace, accounts: usize, members: usize) -> Text {
    let mut text = Text::from("Delete ");
    push_workspace(&mut text, &workspace.name).push(&format!(
        "? {}, all drafts and the history of posts are forgotten here, for {}. What was published stays where it is. This \
         can't be undone.",
        counted(accounts, "account"),
        counted(members, "member"),
    ));
    text
}

/// The form's title for deleting.
pub fn delete_title(workspace: &str) -> String {
    format!("Delete {}", name(workspace)).chars().take(LONGEST_TITLE).collect()
}

/// Asks for the name in words.
pub fn type_its_name(workspace: &Workspace) -> Text {
    let mut text = Text::from("To delete it, type its name exactly: ");
    text.code(&name(&workspace.name));
    text
}

/// The typed name is another.
pub fn other_name() -> &'static str {
    "That is not its name, so nothing was deleted."
}

/// A workspace is gone.
pub fn deleted(workspace: &str) -> Text {
    let mut text = Text::default();
    push_workspace(&mut text, workspace).push(" is deleted. What was published stays where it is.");
    text
}

/// How an invite is used.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// The code.
    pub code: &'a str,
    /// A link that opens Telegram with it.
    pub link: Option<&'a str>,
    /// The surfaces that are up.
    pub surfaces: &'a [&'a str],
    /// When it ends.
    pub until: Timestamp,
    /// The workspace's zone.
    pub zone: &'a str,
    /// Now.
    pub now: Timestamp,
}

fn push_way(text: &mut Text, way: Way<'_>) {
    let names: Vec<String> = way.surfaces.iter().map(|word| surface(word)).collect();
    text.push("\nTo use it, ");
    if let Some(link) = way.link {
        text.push("open ").link(link, link).push(" or ");
    }
    text.push("send me ").code(&format!("/start {}", way.code));
    if !names.is_empty() {
        text.push(&format!(" on {}", list(&names).replace(" and ", " or ")));
    }
    text.push(&format!(".\nIt works once, until {}.", moment(way.until, way.zone, way.now)));
}

/// An invite, for the eyes of whoever asked.
pub fn invite(workspace: &str, role: Role, way: Way<'_>) -> Text {
    let mut text = Text::from("Give this to one person: it makes them ");
    text.push(a_role(role)).push(" of ");
    push_workspace(&mut text, workspace).push(&format!(", who {}.", may(role)));
    push_way(&mut text, way);
    text
}

/// A code that links the asker's other account.
pub fn invite_self(way: Way<'_>) -> Text {
    let mut text =
        Text::from("Use this with your own second account, and I know that both are you. Give it to nobody else.");
    push_way(&mut text, way);
    text
}

/// Where the invite went.
pub fn sent_privately() -> &'static str {
    "I sent you the code in our direct chat: it is for whoever you choose, not for everybody here."
}

/// The invite can't be given here.
pub fn write_to_me() -> &'static str {
    "I can't write to you first. Open our direct chat and send /invite there, so that not everybody here sees the code."
}

/// There is no such role.
pub fn unknown_role(typed: &str) -> String {
    let roles: Vec<String> = Role::ALL.iter().map(|role| format!("{} ({})", role.as_str(), may(*role))).collect();
    format!("“{}” is no role. There are {}.", name(typed), list(&roles))
}

/// Everyone in a workspace.
pub fn team(workspace: &str, members: &[(Member, Vec<IdentityRow>)], manages: bool) -> Text {
    let mut text = Text::default();
    let people = if members.len() == 1 { "1 person".to_owned() } else { format!("{} people", members.len()) };
    push_workspace(&mut text, workspace).push(&format!(": {people}"));
    for (at, (member, identities)) in members.iter().enumerate() {
        text.push(&format!("\n{} {}, {}", at + 1, name(&member.name), member.role.as_str()));
        let known: Vec<String> = identities.iter().map(identity).collect();
        if !known.is_empty() {
            text.push(&format!(" · {}", known.join(", ")));
        }
    }
    if manages {
        text.push("\n/role NAME ROLE changes what somebody may do, /remove NAME takes them out.");
    }
    text
}

fn identity(row: &IdentityRow) -> String {
    match &row.handle {
        Some(handle) => format!("@{} on {}", name(handle), surface(&row.surface)),
        None => surface(&row.surface),
    }
}

/// Several members fit.
pub fn which(typed: &str) -> String {
    format!("More than one person here fits “{}”. Whom do you mean?", name(typed))
}

/// No member fits.
pub fn unknown(typed: &str, nearest: Option<&str>) -> String {
    let typed = name(typed);
    match nearest {
        Some(nearest) => format!("Nobody here is called “{typed}”. Did you mean {}?", name(nearest)),
        None => format!("Nobody here is called “{typed}”. /team lists everybody."),
    }
}

/// A role was changed.
pub fn role_set(member: &str, role: Role) -> String {
    format!("{} is {} now and {}.", name(member), a_role(role), may(role))
}

/// What removing a member does.
pub fn ask_remove(member: &str, workspace: &str, oneself: bool) -> Text {
    let mut text = Text::default();
    if oneself {
        push_workspace(text.push("Leave "), workspace).push("? You need a new invite to come back. Your posts stay.");
    } else {
        text.push("Take ").bold(&name(member)).push(" out of ");
        push_workspace(&mut text, workspace).push("? Their posts stay, and the accounts they connected too.");
    }
    text
}

/// A member is gone.
pub fn removed(member: &str, workspace: &str, oneself: bool) -> Text {
    let mut text = Text::default();
    if oneself {
        push_workspace(text.push("You left "), workspace).push(".");
    } else {
        text.bold(&name(member)).push(" is no longer in ");
        push_workspace(&mut text, workspace).push(".");
    }
    text
}

/// Nothing was done.
pub fn kept() -> &'static str {
    "Nothing was changed."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{PersonId, WorkspaceId};

    fn workspace(id: &str, name: &str) -> Workspace {
        Workspace { id: WorkspaceId::from(id.to_owned()), name: name.to_owned(), timezone: "UTC".to_owned() }
    }

    #[test]
    fn an_invite_says_how_it_is_used_and_how_long() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let until = "2026-11-25T12:00:00Z".parse().unwrap();
        let link = Some("https://t.me/trial_bot?start=tp-a");
        let way = Way { code: "tp-a", link, surfaces: &["console", "discord"], until, zone: "Europe/Berlin", now };
        assert_eq!(
            invite("Blue team", Role::Member, way).plain,
            "Give this to one person: it makes them a member of Blue team, who may write and publish posts.\n\
             To use it, open https://t.me/trial_bot?start=tp-a or send me /start tp-a on Console or Discord.\n\
             It works once, until Wed 25 Nov 13:00."
        );
        let mine = invite_self(Way { link: None, surfaces: &[], ..way }).plain;
        assert!(mine.contains("To use it, send me /start tp-a.\nIt works once"), "{mine}");
    }

    #[test]
    fn the_team_is_told_with_what_each_is_called() {
        let person = PersonId::from("psn_1".to_owned());
        let member = Member { person: person.clone(), name: "Ana\n● root".to_owned(), role: Role::Owner };
        let row = IdentityRow {
            surface: "discord".to_owned(),
            user_id: "1".to_owned(),
            person,
            name: "Ana".to_owned(),
            handle: Some("ana".to_owned()),
            direct_chat: None,
        };
        let said = team("Blue", &[(member, vec![row])], false).plain;
        assert_eq!(said, "Blue: 1 person\n1 Ana ● root, owner · @ana on Discord");
    }

    #[test]
    fn workspaces_show_which_one_counts() {
        let (blue, red) = (workspace("wsp_1", "Blue"), workspace("wsp_2", "Red"));
        let all = [(blue.clone(), Role::Owner), (red, Role::Viewer)];
        let said = workspaces(&all, Some(&blue)).plain;
        assert!(said.starts_with("You work in Blue.\n● Blue: you are an owner\n◌ Red: you are a viewer\n"), "{said}");
        assert!(unknown_role("boss").starts_with("“boss” is no role. There are viewer (may look"));
        assert_eq!(delete_title(&"x".repeat(60)).chars().count(), 45);
    }
}
