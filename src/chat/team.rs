//! Commands and buttons about workspaces and the people in them. Who may do what is decided in `flows`; here is who is
//! meant by a typed name, and what must be proven about a shared chat before a workspace is run from it. Long because
//! workspaces and members share one vocabulary of buttons and questions.

use bots::{Button, Choice, Field, Form, Incoming, Message, SurfaceKind, UpdateKind};
use serde::{Deserialize, Serialize};
use url::Url;

use super::texts::team as texts;
use super::{Action, Canvas, Chat, Talk};
use crate::domain::id::{PersonId, WorkspaceId};
use crate::domain::workspace::{Member, Role, Workspace};
use crate::flows::team::INVITE_LIFE;
use crate::flows::{Actor, Flows, Refusal};
use crate::store::IdentityRow;

/// Workspaces or members offered as buttons.
const OFFERED: usize = 8;
/// Suggestions that a surface takes.
const SUGGESTIONS: usize = 25;
/// The word that means the speaker.
const ME: &str = "me";

/// Buttons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    /// Work in the button's workspace; in a shared chat: run it from there.
    Use,
    /// Make an invite.
    Invite {
        /// To what.
        role: Role,
    },
    /// Change somebody's role.
    SetRole {
        /// Whose.
        person: PersonId,
        /// To what.
        role: Role,
    },
    /// Show what removing somebody does.
    AskRemove {
        /// Whom.
        person: PersonId,
    },
    /// Do it.
    Remove {
        /// Whom.
        person: PersonId,
    },
    /// Ask for the name of the workspace that is to be deleted.
    Delete,
    /// The form with that name was sent.
    DeleteNamed,
    /// Leave all as it is.
    Keep,
}

impl From<Press> for Action {
    fn from(press: Press) -> Self {
        Self::Team(press)
    }
}

/// Questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// The name of the workspace that is to be deleted.
    Delete {
        /// Which.
        workspace: WorkspaceId,
    },
}

/// `/workspace`, `/invite`, `/team`, `/role`, `/remove`.
pub async fn command(talk: &Talk<'_>, name: &str, arguments: &[String]) -> Result<(), Refusal> {
    match name {
        "workspace" => workspace(talk, arguments).await,
        "invite" => {
            let typed = arguments.join(" ");
            match Role::parse(&typed) {
                Some(role) => invite(talk, Some(role)).await,
                None if typed.trim().eq_ignore_ascii_case(ME) => invite(talk, None).await,
                None => Err(Refusal::BadInput(texts::unknown_role(&typed))),
            }
        }
        "team" => team(talk).await,
        "role" => role(talk, arguments).await,
        _ => {
            let typed = arguments.join(" ");
            let Some(member) = one_member(talk, &typed, |person| Press::AskRemove { person }).await? else {
                return Ok(());
            };
            let message = ask_remove(talk, &member).await?;
            talk.say(message).await?;
            Ok(())
        }
    }
}

/// A button about people was pressed.
pub async fn press(talk: &Talk<'_>, press: Press) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let actor = talk.actor()?;
    let (workspace, _) = talk.workspace.as_ref().ok_or(NO_WORKSPACE)?;
    let message = match press {
        Press::Use => return use_workspace(talk, workspace, true).await,
        Press::Invite { role } => return invite(talk, Some(role)).await,
        Press::SetRole { person, role } => {
            let member = member(flows, &actor, &person).await?;
            flows.change_role(&actor, &person, role).await?;
            Message::text(texts::role_set(&member.name, role))
        }
        Press::AskRemove { person } => ask_remove(talk, &member(flows, &actor, &person).await?).await?,
        Press::Remove { person } => {
            let member = member(flows, &actor, &person).await?;
            flows.remove(&actor, &person).await?;
            Message::text(texts::removed(&member.name, &workspace.name, person == actor.person))
        }
        Press::Delete => return name_to_delete(talk, &actor, workspace).await,
        Press::DeleteNamed => {
            let UpdateKind::Form { fields, .. } = &talk.update.kind else { return Err(Refusal::TooLate) };
            let typed = fields.first().map(|(_, typed)| typed.as_str()).unwrap_or_default();
            return delete(talk, &actor, workspace, typed).await;
        }
        Press::Keep => Message::text(texts::kept()),
    };
    talk.instead(message).await?;
    Ok(())
}

/// Typed words answer a question about people.
pub async fn answer(talk: &Talk<'_>, question: Question, incoming: &Incoming) -> Result<(), Refusal> {
    let Question::Delete { workspace } = question;
    let Some(identity) = &talk.identity else { return talk.stranger().await };
    let actor = Actor { person: identity.person.clone(), workspace, place: talk.place.clone() };
    let gone = Refusal::Gone { what: "workspace" };
    let workspace = talk.chat.flows.store.workspace(&actor.workspace).await?.ok_or(gone)?;
    delete(talk, &actor, &workspace, &incoming.text.plain).await
}

const NO_WORKSPACE: Refusal = Refusal::Gone { what: "workspace" };

async fn button(
    talk: &Talk<'_>,
    canvas: &Canvas,
    label: impl Into<String>,
    press: impl Into<Action>,
) -> Result<Button, Refusal> {
    Ok(talk.chat.button(canvas, label, press.into()).await?)
}

async fn workspace(talk: &Talk<'_>, arguments: &[String]) -> Result<(), Refusal> {
    let what = arguments.first().map(|word| word.to_lowercase());
    let name = arguments.get(1..).unwrap_or_default().join(" ");
    let flows = &talk.chat.flows;
    match what.as_deref() {
        None => workspaces(talk).await,
        Some("use") => use_named(talk, &name).await,
        Some("new") => {
            let workspace = flows.new_workspace(&somewhere(talk).await?, &name).await?;
            talk.say(Message::text(texts::made(&workspace, talk.is_direct()))).await?;
            Ok(())
        }
        Some("rename") => {
            let actor = talk.actor()?;
            flows.rename_workspace(&actor, &name).await?;
            talk.say(Message::text(texts::renamed(name.trim()))).await?;
            Ok(())
        }
        Some("delete") => ask_delete(talk).await,
        Some(other) => Err(Refusal::BadInput(format!(
            "/workspace knows new, use, rename and delete, not “{}”.",
            super::texts::name(other)
        ))),
    }
}

/// The speaker in the chat's workspace, or where that is none of theirs, in the one they work in.
async fn somewhere(talk: &Talk<'_>) -> Result<Actor, Refusal> {
    if talk.workspace.is_some() {
        return talk.actor();
    }
    let identity = talk.identity.as_ref().ok_or(NO_WORKSPACE)?;
    let workspace = talk.chat.flows.workspace_of(identity).await?.ok_or(NO_WORKSPACE)?;
    Ok(Actor { person: identity.person.clone(), workspace, place: talk.place.clone() })
}

/// `/workspace` alone: what there is, and what counts here.
async fn workspaces(talk: &Talk<'_>) -> Result<(), Refusal> {
    let identity = talk.identity.as_ref().ok_or(NO_WORKSPACE)?;
    let all = talk.chat.flows.store.workspaces_of(&identity.person).await?;
    let current = talk.workspace.as_ref().map(|(workspace, _)| workspace);
    let mut message = if talk.is_direct() {
        Message::text(texts::workspaces(&all, current))
    } else if let Some(current) = current {
        Message::text(texts::shared_chat(current))
    } else if belongs(talk).await? {
        Message::text(texts::foreign_chat())
    } else {
        return choose_for_chat(talk, &all).await;
    };
    if talk.is_direct() {
        let others = all.iter().filter(|(workspace, _)| current.is_none_or(|current| current.id != workspace.id));
        for (workspace, _) in others.take(OFFERED) {
            message = message.row([use_button(talk, workspace, "Use").await?]);
        }
    }
    talk.say(message).await?;
    Ok(())
}

async fn belongs(talk: &Talk<'_>) -> Result<bool, Refusal> {
    Ok(talk.chat.flows.store.chat(&talk.place).await?.is_some_and(|chat| chat.workspace.is_some()))
}

/// Offers the speaker's workspaces for a shared chat.
async fn choose_for_chat(talk: &Talk<'_>, all: &[(Workspace, Role)]) -> Result<(), Refusal> {
    let fit: Vec<_> = all.iter().filter(|(_, role)| *role >= Role::Admin).collect();
    let mut message = Message::text(texts::free_chat(!fit.is_empty()));
    for (workspace, _) in fit.into_iter().take(OFFERED) {
        message = message.row([use_button(talk, workspace, "Use").await?]);
    }
    talk.say(message).await?;
    Ok(())
}

/// A button for the speaker alone that acts in another workspace than the chat's.
async fn use_button(talk: &Talk<'_>, workspace: &Workspace, verb: &str) -> Result<Button, Refusal> {
    let person = talk.identity.as_ref().map(|identity| &identity.person);
    let token = talk.chat.token(Some(&workspace.id), person, &Press::Use.into()).await?;
    Ok(Button::press(format!("{verb} {}", super::texts::name(&workspace.name)), token))
}

async fn use_named(talk: &Talk<'_>, typed: &str) -> Result<(), Refusal> {
    let identity = talk.identity.as_ref().ok_or(NO_WORKSPACE)?;
    let all = talk.chat.flows.store.workspaces_of(&identity.person).await?;
    let typed = typed.trim();
    // "use here" means this chat.
    let unnamed = typed.is_empty() || typed.eq_ignore_ascii_case("here");
    let named: Vec<_> =
        all.iter().filter(|(workspace, _)| workspace.name.to_lowercase() == typed.to_lowercase()).collect();
    match named.as_slice() {
        [(workspace, _)] => return use_workspace(talk, workspace, false).await,
        [] if unnamed && talk.is_direct() => return workspaces(talk).await,
        [] if unnamed => {
            let fit: Vec<_> = all.iter().filter(|(_, role)| *role >= Role::Admin).collect();
            return match fit.as_slice() {
                [(only, _)] => use_workspace(talk, only, false).await,
                _ => choose_for_chat(talk, &all).await,
            };
        }
        _ => {}
    }
    let far =
        |workspace: &Workspace| strsim::damerau_levenshtein(&workspace.name.to_lowercase(), &typed.to_lowercase());
    let nearest = all.iter().map(|(workspace, _)| workspace).min_by_key(|workspace| far(workspace));
    let nearest = nearest.filter(|workspace| named.is_empty() && far(workspace) <= 1 + typed.chars().count() / 4);
    let mut message = if named.is_empty() {
        Message::text(texts::unknown_workspace(typed, nearest.map(|workspace| workspace.name.as_str())))
    } else {
        // Names need not be unique.
        Message::text(texts::workspaces(&all, talk.workspace.as_ref().map(|(workspace, _)| workspace)))
    };
    let offered = named.iter().map(|(workspace, _)| workspace).chain(nearest);
    for workspace in offered.take(OFFERED) {
        message = message.row([use_button(talk, workspace, "Use").await?]);
    }
    talk.say(message).await?;
    Ok(())
}

/// In a direct chat: the person works there from now on. In a shared one: it is run from there, if they may decide that.
async fn use_workspace(talk: &Talk<'_>, workspace: &Workspace, instead: bool) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let identity = talk.identity.as_ref().ok_or(NO_WORKSPACE)?;
    let actor = Actor { person: identity.person.clone(), workspace: workspace.id.clone(), place: talk.place.clone() };
    let message = if talk.is_direct() {
        flows.use_workspace(&actor).await?;
        Message::text(texts::in_use(workspace))
    } else {
        if !is_admin_here(talk).await? {
            return Err(Refusal::BadInput(texts::not_admin_here(talk.update.proof.anonymous).to_owned()));
        }
        flows.bind_chat(&actor).await?;
        Message::text(texts::bound(workspace))
    };
    if instead {
        talk.instead(message).await?
    } else {
        talk.say(message).await?
    };
    Ok(())
}

/// Whether the speaker may decide about this shared chat: by the signed proof, or by the surface's word.
pub(super) async fn is_admin_here(talk: &Talk<'_>) -> Result<bool, Refusal> {
    if talk.update.proof.manages_server {
        return Ok(true);
    }
    let surface = talk.chat.surfaces.get(&talk.update.chat.surface);
    let (Some(surface), Some(person), false) = (surface, &talk.update.person, talk.update.proof.anonymous) else {
        return Ok(false);
    };
    surface.is_admin(&talk.update.chat.id, &person.id).await.map_err(|failure| {
        tracing::info!(failure = %failure, "an admin could not be looked up");
        Refusal::BadInput("I could not find out whether you are an admin here. Please try again.".to_owned())
    })
}

async fn ask_delete(talk: &Talk<'_>) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let actor = talk.actor()?;
    flows.require(&actor, Role::Owner).await?;
    let canvas = talk.own_canvas()?;
    let accounts = flows.store.accounts(&actor.workspace).await?.len();
    let members = flows.store.members(&actor.workspace).await?.len();
    let message = Message::text(texts::ask_delete(&canvas.workspace, accounts, members)).row([
        button(talk, &canvas, "Delete…", Press::Delete).await?,
        button(talk, &canvas, "Keep", Press::Keep).await?,
    ]);
    talk.say(message).await?;
    Ok(())
}

/// Asks for the name: in a form where the surface has one, else in words.
async fn name_to_delete(talk: &Talk<'_>, actor: &Actor, workspace: &Workspace) -> Result<(), Refusal> {
    talk.chat.flows.require(actor, Role::Owner).await?;
    let token = talk.chat.token(Some(&workspace.id), Some(&actor.person), &Press::DeleteNamed.into()).await?;
    let form = Form {
        token,
        title: texts::delete_title(&workspace.name),
        fields: vec![Field {
            name: "name".to_owned(),
            label: "Its name, exactly".to_owned(),
            placeholder: super::texts::name(&workspace.name),
            value: String::new(),
            long: false,
            required: true,
        }],
    };
    match talk.responder.form(&form).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => {
            let ask = Some("The workspace's name".to_owned());
            let message = Message { ask, ..Message::text(texts::type_its_name(workspace)) };
            talk.ask(&super::Question::Team(Question::Delete { workspace: workspace.id.clone() }), message).await
        }
    }
}

async fn delete(talk: &Talk<'_>, actor: &Actor, workspace: &Workspace, typed: &str) -> Result<(), Refusal> {
    let shown = super::texts::name(&workspace.name);
    if typed.trim() != workspace.name && typed.trim() != shown {
        talk.say(Message::text(texts::other_name())).await?;
        return Ok(());
    }
    talk.chat.flows.delete_workspace(actor).await?;
    talk.say(Message::text(texts::deleted(&workspace.name))).await?;
    Ok(())
}

/// A link that opens the bot's chat on Telegram with a code (core.telegram.org/api/links): by the name that was set, else
/// by the one that the surface has.
async fn telegram_link(chat: &Chat, code: &str) -> Option<String> {
    let surface = chat.surfaces.get(&SurfaceKind::Telegram)?;
    let word = Some(SurfaceKind::Telegram.as_str());
    let offered = chat.flows.platforms.iter().find(|offered| offered.platform.descriptor().bot == word);
    let name = match offered.and_then(|offered| offered.app.bot_name.clone()).filter(|name| !name.is_empty()) {
        Some(name) => name,
        None => surface.identity().await.ok()?.handle,
    };
    let url = Url::parse(&format!("https://t.me/{name}?start={code}")).ok()?;
    Some(chat.flows.http.link(&url).to_string())
}

/// Makes a code and gives it to the asker alone. With a role it invites; without, it links their second account.
async fn invite(talk: &Talk<'_>, role: Option<Role>) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let actor = talk.actor()?;
    let (workspace, _) = talk.workspace.as_ref().ok_or(NO_WORKSPACE)?;
    let code = match role {
        Some(role) => flows.invite(&actor, role).await?,
        None => flows.invite_self(&actor).await?,
    };
    let now = flows.clock.now();
    let link = telegram_link(talk.chat, &code).await;
    // The console is the operator's own.
    let surfaces: Vec<&str> =
        talk.chat.surfaces.keys().filter(|kind| **kind != SurfaceKind::Console).map(|kind| kind.as_str()).collect();
    let way = texts::Way {
        code: &code,
        link: link.as_deref(),
        surfaces: &surfaces,
        until: now + INVITE_LIFE,
        zone: &workspace.timezone,
        now,
    };
    let text = match role {
        Some(role) => texts::invite(&workspace.name, role, way),
        None => texts::invite_self(way),
    };
    privately(talk, Message::text(text)).await
}

/// Says what only the asker may see: here where the surface can, else in their direct chat.
async fn privately(talk: &Talk<'_>, message: Message) -> Result<(), Refusal> {
    if talk.is_direct() {
        talk.say(message).await?;
        return Ok(());
    }
    match talk.responder.answer(&message.clone().private()).await {
        Err(bots::Failure::NotPrivate) => {}
        Ok(_) => return Ok(()),
        Err(failure) => {
            tracing::warn!(failure = %failure, "a private answer was not shown");
            return Ok(());
        }
    }
    let direct = talk.identity.as_ref().and_then(|identity| identity.direct_chat.as_ref());
    let sent = match (talk.chat.surfaces.get(&talk.update.chat.surface), direct) {
        (Some(surface), Some(chat)) => surface.send(chat, None, &message).await.is_ok(),
        _ => false,
    };
    talk.say(Message::text(if sent { texts::sent_privately() } else { texts::write_to_me() })).await?;
    Ok(())
}

async fn team(talk: &Talk<'_>) -> Result<(), Refusal> {
    let canvas = talk.canvas()?;
    let actor = talk.actor()?;
    let members = members(&talk.chat.flows, &actor).await?;
    let manages = talk.workspace.as_ref().is_some_and(|(_, role)| *role >= Role::Admin);
    let mut message = Message::text(texts::team(&canvas.workspace.name, &members, manages));
    if manages {
        message = message.row([button(talk, &canvas, "Invite a member", Press::Invite { role: Role::Member }).await?]);
    }
    talk.say(message).await?;
    Ok(())
}

/// Everybody in the actor's workspace with the identities they have.
async fn members(flows: &Flows, actor: &Actor) -> Result<Vec<(Member, Vec<IdentityRow>)>, Refusal> {
    let mut members = Vec::new();
    for member in flows.store.members(&actor.workspace).await? {
        let identities = flows.store.identities(&member.person).await?;
        members.push((member, identities));
    }
    Ok(members)
}

async fn member(flows: &Flows, actor: &Actor, person: &PersonId) -> Result<Member, Refusal> {
    let members = flows.store.members(&actor.workspace).await?;
    members.into_iter().find(|member| member.person == *person).ok_or(Refusal::Gone { what: "member" })
}

/// Whom typed words may mean: `me`, the number in `/team`, a name or handle, or a part of one.
fn fitting<'a>(members: &'a [(Member, Vec<IdentityRow>)], me: &PersonId, typed: &str) -> Vec<&'a Member> {
    let typed = typed.trim().trim_start_matches('@').to_lowercase();
    let of = |fits: &dyn Fn(&str) -> bool| {
        let fitting = members.iter().filter(|(member, identities)| {
            let handles = identities.iter().flat_map(|row| [Some(&row.name), row.handle.as_ref()]).flatten();
            fits(member.person.as_str())
                || fits(&member.name.to_lowercase())
                || handles.into_iter().any(|name| fits(&name.to_lowercase()))
        });
        fitting.map(|(member, _)| member).collect::<Vec<_>>()
    };
    if typed == ME {
        return members.iter().map(|(member, _)| member).filter(|member| member.person == *me).collect();
    }
    let exact = of(&|name| name == typed);
    if !exact.is_empty() || typed.is_empty() {
        return exact;
    }
    if let Some((member, _)) = typed.parse::<usize>().ok().and_then(|at| members.get(at.wrapping_sub(1))) {
        return vec![member];
    }
    of(&|name| name.contains(&typed))
}

/// The one member that was meant; else the person is asked, with a button for each that does what was wanted.
async fn one_member(
    talk: &Talk<'_>,
    typed: &str,
    wanted: impl Fn(PersonId) -> Press,
) -> Result<Option<Member>, Refusal> {
    let actor = talk.actor()?;
    let canvas = talk.own_canvas()?;
    let members = members(&talk.chat.flows, &actor).await?;
    let fit = fitting(&members, &actor.person, typed);
    let (text, offered) = match fit.as_slice() {
        [one] => return Ok(Some((*one).clone())),
        [] => {
            let far = |member: &Member| {
                strsim::damerau_levenshtein(&member.name.to_lowercase(), &typed.trim().to_lowercase())
            };
            let nearest = members.iter().map(|(member, _)| member).min_by_key(|member| far(member));
            let nearest = nearest.filter(|member| far(member) <= 1 + typed.chars().count() / 4);
            (texts::unknown(typed, nearest.map(|member| member.name.as_str())), nearest.into_iter().collect())
        }
        several => (texts::which(typed), several.to_vec()),
    };
    let mut message = Message::text(text);
    for member in offered.into_iter().take(OFFERED) {
        let label = format!("{}, {}", super::texts::name(&member.name), member.role.as_str());
        message = message.row([button(talk, &canvas, label, wanted(member.person.clone())).await?]);
    }
    talk.say(message).await?;
    Ok(None)
}

async fn role(talk: &Talk<'_>, arguments: &[String]) -> Result<(), Refusal> {
    // Names may have several words; the role is the last.
    let Some((word, names)) = arguments.split_last() else { return Err(Refusal::Gone { what: "member" }) };
    let Some(role) = Role::parse(word) else { return Err(Refusal::BadInput(texts::unknown_role(word))) };
    let wanted = |person| Press::SetRole { person, role };
    let Some(member) = one_member(talk, &names.join(" "), wanted).await? else { return Ok(()) };
    talk.chat.flows.change_role(&talk.actor()?, &member.person, role).await?;
    talk.say(Message::text(texts::role_set(&member.name, role))).await?;
    Ok(())
}

async fn ask_remove(talk: &Talk<'_>, member: &Member) -> Result<Message, Refusal> {
    let actor = talk.actor()?;
    let oneself = member.person == actor.person;
    if !oneself {
        talk.chat.flows.require(&actor, member.role.max(Role::Admin)).await?;
    }
    let canvas = talk.own_canvas()?;
    let label = if oneself { "Leave" } else { "Remove" };
    Ok(Message::text(texts::ask_remove(&member.name, &canvas.workspace.name, oneself)).row([
        button(talk, &canvas, label, Press::Remove { person: member.person.clone() }).await?,
        button(talk, &canvas, "Keep", Press::Keep).await?,
    ]))
}

/// Members that what is typed so far may mean.
pub async fn completions(chat: &Chat, actor: &Actor, typed: &str) -> Result<Vec<Choice>, Refusal> {
    let members = members(&chat.flows, actor).await?;
    let typed = typed.trim().trim_start_matches('@').to_lowercase();
    let fits = |(member, identities): &&(Member, Vec<IdentityRow>)| {
        let handles = identities.iter().filter_map(|row| row.handle.as_ref());
        member.name.to_lowercase().contains(&typed)
            || handles.into_iter().any(|handle| handle.to_lowercase().contains(&typed))
    };
    let choice = |(member, _): &(Member, Vec<IdentityRow>)| Choice {
        label: format!("{}, {}", super::texts::name(&member.name), member.role.as_str()),
        // Names are neither unique nor one word; the id is both.
        value: member.person.to_string(),
        detail: None,
        picked: false,
    };
    Ok(members.iter().filter(fits).take(SUGGESTIONS).map(choice).collect())
}
