//! Posts in the chat: a message becomes a draft's card, its buttons choose where it goes and send it, and what came of it
//! is told on the same card. It changes state through `flows` alone; every sentence is in `texts/posts.rs`.

use bots::Incoming;
use serde::{Deserialize, Serialize};

use super::{Action, Talk, texts};
use crate::domain::id::{AccountId, PostId, TargetId};
use crate::domain::post::PostStatus;
use crate::flows::Refusal;
use crate::flows::publish::Resolution;

mod draft;
mod draw;
mod history;
pub(crate) mod marks;
mod options;
mod places;

pub use draft::plain_message;
pub use draw::draw;
pub use history::completions;

/// Buttons, menus and forms about posts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    /// The form for a new post was sent; or: write one.
    Write,
    /// Show a post's card in place.
    Card(PostId),
    /// Show a post's card below.
    Show(PostId),
    /// Put an account in or out; `page` is where the press happened: the card, or a page of the account list.
    Toggle {
        /// The draft.
        post: PostId,
        /// The account.
        account: AccountId,
        /// The page of the account list, from 0; none on the card.
        page: Option<usize>,
    },
    /// The accounts picked in a menu, out of those on the card or on a page.
    Pick {
        /// The draft.
        post: PostId,
        /// As in [`Press::Toggle`].
        page: Option<usize>,
    },
    /// A page of the accounts.
    Accounts {
        /// The draft.
        post: PostId,
        /// From 0.
        page: usize,
    },
    /// Send it out.
    Publish(PostId),
    /// Send it out without the files that could not be taken.
    PublishWithout(PostId),
    /// How it would look.
    Preview(PostId),
    /// New words: asks for them, or carries the form.
    Edit(PostId),
    /// Descriptions: asks for one file's, or carries the form of several.
    Alt {
        /// The draft.
        post: PostId,
        /// Which file, from 0; the first without a description when none is named.
        position: Option<usize>,
    },
    /// More choices.
    More(PostId),
    /// Where inside an account it goes: asks, or carries a menu's pick.
    Places {
        /// The draft.
        post: PostId,
        /// The target.
        target: TargetId,
        /// A page of places, from 0.
        page: usize,
    },
    /// It goes there.
    Place {
        /// The draft.
        post: PostId,
        /// The target.
        target: TargetId,
        /// The platform's id of the place.
        id: String,
        /// What people call it.
        name: String,
    },
    /// A content warning: asks for it, or carries the form.
    Warning(PostId),
    /// No content warning.
    NoWarning(PostId),
    /// Who sees it.
    Visibility {
        /// The draft.
        post: PostId,
        /// A word of the descriptors.
        word: String,
    },
    /// Its language: asks for it, or carries the form.
    Language(PostId),
    /// With a sound, or without.
    Silent(PostId),
    /// More files: the next message's.
    Add(PostId),
    /// Throw it away?
    Discard(PostId),
    /// Throw it away.
    DiscardNow(PostId),
    /// A person's word on an unconfirmed target.
    Resolve {
        /// The target.
        target: TargetId,
        /// The word.
        word: Resolution,
    },
    /// Try failed targets again.
    Retry(PostId),
    /// Delete what is out?
    Delete(PostId),
    /// Delete what is out.
    DeleteNow(PostId),
    /// What happened, step by step.
    Why(PostId),
    /// The open question is off.
    Nevermind(Option<PostId>),
}

impl Press {
    /// The post it names.
    fn post(&self) -> Option<&PostId> {
        match self {
            Self::Write | Self::Resolve { .. } => None,
            Self::Nevermind(post) => post.as_ref(),
            Self::Toggle { post, .. }
            | Self::Pick { post, .. }
            | Self::Accounts { post, .. }
            | Self::Alt { post, .. }
            | Self::Places { post, .. }
            | Self::Place { post, .. }
            | Self::Visibility { post, .. } => Some(post),
            Self::Card(post)
            | Self::Show(post)
            | Self::Publish(post)
            | Self::PublishWithout(post)
            | Self::Preview(post)
            | Self::Edit(post)
            | Self::More(post)
            | Self::Warning(post)
            | Self::NoWarning(post)
            | Self::Language(post)
            | Self::Silent(post)
            | Self::Add(post)
            | Self::Discard(post)
            | Self::DiscardNow(post)
            | Self::Retry(post)
            | Self::Delete(post)
            | Self::DeleteNow(post)
            | Self::Why(post) => Some(post),
        }
    }
}

impl From<Press> for Action {
    fn from(press: Press) -> Self {
        Self::Post(press)
    }
}

/// What typed words answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// A new post's message.
    Write,
    /// A draft's new words.
    Text(PostId),
    /// The description of a file of a draft.
    Alt {
        /// The draft.
        post: PostId,
        /// Which file, from 0.
        position: usize,
    },
    /// A draft's content warning.
    Warning(PostId),
    /// A draft's language.
    Language(PostId),
    /// More files for a draft.
    Files(PostId),
}

impl From<Question> for super::Question {
    fn from(question: Question) -> Self {
        Self::Post(question)
    }
}

/// A command about posts.
///
/// # Errors
/// As the flows refuse.
pub async fn command(talk: &Talk<'_>, name: &str, arguments: &[String], incoming: &Incoming) -> Result<(), Refusal> {
    match name {
        "post" => draft::command(talk, arguments, incoming).await,
        _ => history::command(talk, name, arguments).await,
    }
}

/// A button, menu or form about posts. An old one answers with what is true now.
///
/// # Errors
/// As the flows refuse, apart from what can be told on the card.
pub async fn press(
    talk: &Talk<'_>,
    press: Press,
    values: &[String],
    fields: &[(String, String)],
) -> Result<(), Refusal> {
    let post = match &press {
        Press::Resolve { target, .. } => talk.chat.flows.store.target(target).await?.map(|target| target.post),
        other => other.post().cloned(),
    };
    match (act(talk, press, values, fields).await, post) {
        (Err(Refusal::NotAllowed { needs }), _) => {
            talk.toast(&texts::posts::not_allowed(needs)).await;
            Ok(())
        }
        (Err(Refusal::TooLate), Some(post)) => truth(talk, &post).await,
        (Err(Refusal::Gone { what: "post" }), _) => {
            talk.toast(texts::posts::discarded()).await;
            Ok(())
        }
        (other, _) => other,
    }
}

/// Tells what is true now, on the card whose button was pressed.
async fn truth(talk: &Talk<'_>, post: &PostId) -> Result<(), Refusal> {
    match talk.chat.flows.own_post(&talk.actor()?, post).await {
        Ok(known) => {
            talk.toast(&texts::posts::already(&known)).await;
            card(talk, &known.id, true).await
        }
        Err(Refusal::Gone { .. }) => {
            talk.toast(texts::posts::discarded()).await;
            Ok(())
        }
        Err(other) => Err(other),
    }
}

/// Shows a post's card: on the message whose button was pressed, or below.
async fn card(talk: &Talk<'_>, post: &PostId, instead: bool) -> Result<(), Refusal> {
    let flows = &talk.chat.flows;
    let status = flows.own_post(&talk.actor()?, post).await?.status;
    if status == PostStatus::Draft {
        return talk.show_card(post.as_str(), instead, false).await;
    }
    // Once it is on its way the workers change what the card says. One writer draws it, the outbox: a drawing of our own
    // could land after a newer one and stay.
    match talk.update.message.as_ref().filter(|_| instead) {
        Some(message) => talk.keep_card(post.as_str(), message, None).await?,
        None => talk.show_card(post.as_str(), false, false).await?,
    }
    Ok(flows.show(post.as_str()).await?)
}

async fn act(talk: &Talk<'_>, press: Press, values: &[String], fields: &[(String, String)]) -> Result<(), Refusal> {
    match press {
        Press::Write => draft::write(talk, fields).await,
        Press::Card(post) => card(talk, &post, true).await,
        Press::Show(post) => card(talk, &post, false).await,
        Press::Toggle { post, account, page } => draft::toggle(talk, &post, &account, page).await,
        Press::Pick { post, page } => draft::pick(talk, &post, page, values).await,
        Press::Accounts { post, page } => draft::accounts(talk, &post, page).await,
        Press::Publish(post) => history::publish(talk, &post, true).await,
        Press::PublishWithout(post) => {
            talk.chat.flows.go_without(&talk.actor()?, &post).await?;
            history::publish(talk, &post, true).await
        }
        Press::Preview(post) => options::preview(talk, &post).await,
        Press::Edit(post) => options::edit(talk, &post, fields).await,
        Press::Alt { post, position } => options::alt(talk, &post, position, fields).await,
        Press::More(post) => options::more(talk, &post).await,
        Press::Places { post, target, page } => places::places(talk, &post, &target, page, values).await,
        Press::Place { post, target, id, name } => places::place(talk, &post, &target, id, name).await,
        Press::Warning(post) => options::warning(talk, &post, fields).await,
        Press::NoWarning(post) => options::set(talk, &post, |options| options.content_warning = None).await,
        Press::Visibility { post, word } => options::set(talk, &post, |options| options.visibility = Some(word)).await,
        Press::Language(post) => options::language(talk, &post, fields).await,
        Press::Silent(post) => options::set(talk, &post, |options| options.silent = !options.silent).await,
        Press::Add(post) => options::add(talk, &post).await,
        Press::Discard(post) => draft::discard(talk, &post).await,
        Press::DiscardNow(post) => draft::discard_now(talk, &post).await,
        Press::Resolve { target, word } => history::resolve(talk, &target, word).await,
        Press::Retry(post) => history::retry(talk, &post, true).await,
        Press::Delete(post) => history::ask_delete(talk, &post, true).await,
        Press::DeleteNow(post) => history::delete(talk, &post).await,
        Press::Why(post) => history::why(talk, &post).await,
        Press::Nevermind(post) => options::nevermind(talk, post).await,
    }
}

/// Typed words that answer a question of ours.
///
/// # Errors
/// As the flows refuse.
pub async fn answer(talk: &Talk<'_>, question: Question, incoming: &Incoming) -> Result<(), Refusal> {
    let post = match &question {
        Question::Write => None,
        Question::Text(post) | Question::Warning(post) | Question::Language(post) | Question::Files(post) => Some(post),
        Question::Alt { post, .. } => Some(post),
    };
    let post = post.cloned();
    match (options::answer(talk, question, incoming).await, post) {
        (Err(Refusal::TooLate), Some(post)) => {
            // The draft went out or away while somebody typed: what is true now stands below what they wrote.
            match talk.chat.flows.own_post(&talk.actor()?, &post).await {
                Ok(known) => {
                    talk.say(bots::Message::text(texts::posts::already(&known))).await?;
                    card(talk, &post, false).await
                }
                Err(_) => talk.say(bots::Message::text(texts::posts::discarded())).await.map(|_| ()),
            }
        }
        (Err(Refusal::Gone { what: "post" }), _) => {
            talk.say(bots::Message::text(texts::posts::discarded())).await.map(|_| ())
        }
        (other, _) => other,
    }
}
