//! What is chosen on a draft beyond its accounts: words, descriptions, warning, visibility, language, sound. Where a
//! surface has forms they are used, elsewhere the next typed words count. What a platform takes is in its descriptor.

use bots::{Attachment, Button, Field, Form, Incoming, Message, Text};

use super::marks::rich;
use super::{Press, Question, draft};
use crate::chat::{Talk, texts};
use crate::domain::id::PostId;
use crate::domain::post::{MediaKind, Options, Post, PostStatus};
use crate::domain::workspace::Role;
use crate::flows::Refusal;
use crate::platforms::Descriptor;

/// The most that a form's field takes (Discord: 4000).
const FIELD: usize = 4000;
/// The most fields of a form (Discord: 5).
const FIELDS: usize = 5;
/// The longest content warning, in characters: longer ones leave no room for the post.
const WARNING: usize = 200;

/// The draft, while it is one.
async fn open(talk: &Talk<'_>, post: &PostId) -> Result<Post, Refusal> {
    let known = talk.chat.flows.own_post(&talk.actor()?, post).await?;
    if known.status == PostStatus::Draft { Ok(known) } else { Err(Refusal::TooLate) }
}

/// The draft, for somebody who may change it: nobody types first and is refused then.
pub(super) async fn mine(talk: &Talk<'_>, post: &PostId) -> Result<Post, Refusal> {
    talk.chat.flows.require(&talk.actor()?, Role::Member).await?;
    open(talk, post).await
}

fn field(name: &str, label: String, value: &str, long: bool) -> Field {
    Field { name: name.to_owned(), label, placeholder: String::new(), value: value.to_owned(), long, required: false }
}

/// Opens a form where the surface has forms; else asks for typed words.
async fn ask(
    talk: &Talk<'_>,
    post: &PostId,
    press: Press,
    title: &str,
    fields: Vec<Field>,
    question: (Question, Message),
) -> Result<(), Refusal> {
    if opened(talk, press, title, fields).await? {
        return Ok(());
    }
    let (question, mut message) = question;
    if talk.is_direct() {
        // In a group the reply field takes the place of buttons.
        message = message.row([nevermind_button(talk, "Cancel", Some(post)).await?]);
    }
    talk.ask(&question.into(), message).await
}

/// Opens a form; `false` where the surface has none, or it would not hold what is there.
async fn opened(talk: &Talk<'_>, press: Press, title: &str, fields: Vec<Field>) -> Result<bool, Refusal> {
    // A longer text would be cut by the form, and saved so.
    if fields.iter().any(|field| field.value.chars().count() > FIELD) {
        return Ok(false);
    }
    let actor = talk.actor()?;
    let token = talk.chat.token(Some(&actor.workspace), Some(&actor.person), &press.into()).await?;
    let form = Form { token, title: title.to_owned(), fields };
    Ok(talk.responder.form(&form).await.unwrap_or(false))
}

async fn nevermind_button(talk: &Talk<'_>, words: &str, post: Option<&PostId>) -> Result<Button, Refusal> {
    Ok(talk.chat.button(&talk.own_canvas()?, words, Press::Nevermind(post.cloned()).into()).await?)
}

/// The open question is off.
pub(super) async fn nevermind(talk: &Talk<'_>, post: Option<PostId>) -> Result<(), Refusal> {
    let actor = talk.actor()?;
    talk.chat.flows.store.take_question(&talk.place.surface, &talk.place.chat, &actor.person).await?;
    match post {
        Some(post) => talk.show_card(post.as_str(), true, false).await,
        None => talk.instead(Message::text("All right.")).await.map(|_| ()),
    }
}

/// New words.
pub(super) async fn edit(talk: &Talk<'_>, post: &PostId, fields: &[(String, String)]) -> Result<(), Refusal> {
    let known = mine(talk, post).await?;
    if let Some((_, words)) = fields.first() {
        let words = rich(&words.as_str().into());
        // An untouched form keeps the formatting that it can't show.
        if words.plain != known.text.plain {
            talk.chat.flows.reword(&talk.actor()?, post, &words).await?;
        }
        return changed(talk, post, true).await;
    }
    let fields = vec![field("text", "What it says".to_owned(), &known.text.plain, true)];
    let message = texts::posts::question("Send me the new text; it takes the place of the old one.", "The new text");
    ask(talk, post, Press::Edit(post.clone()), "Edit the text", fields, (Question::Text(post.clone()), message)).await
}

/// Descriptions of the files.
pub(super) async fn alt(
    talk: &Talk<'_>,
    post: &PostId,
    position: Option<usize>,
    fields: &[(String, String)],
) -> Result<(), Refusal> {
    let known = mine(talk, post).await?;
    if !fields.is_empty() {
        for (name, words) in fields {
            let position = name.parse().map_err(|_| Refusal::Gone { what: "picture" })?;
            talk.chat.flows.describe(&talk.actor()?, post, position, words).await?;
        }
        return changed(talk, post, true).await;
    }
    if known.media.is_empty() {
        return Err(Refusal::TooLate);
    }
    let of = known.media.len();
    let first = position.or_else(|| next_undescribed(&known, 0)).unwrap_or(0).min(of - 1);
    if position.is_none() {
        let from = first.min(of.saturating_sub(FIELDS));
        let fields = known.media.iter().enumerate().skip(from).take(FIELDS).map(|(index, media)| {
            let label = if of == 1 { "What is to be seen".to_owned() } else { format!("File {} of {of}", index + 1) };
            field(&index.to_string(), label, media.alt.as_deref().unwrap_or_default(), true)
        });
        let press = Press::Alt { post: post.clone(), position: None };
        if opened(talk, press, "Alt text", fields.collect()).await? {
            return Ok(());
        }
    }
    // Where there are no forms, one by one.
    ask_alt(talk, &known, first).await
}

fn next_undescribed(post: &Post, from: usize) -> Option<usize> {
    post.media.iter().enumerate().skip(from).find(|(_, media)| media.alt.is_none()).map(|(index, _)| index)
}

/// The question for one file's description, with the picture where there is one.
fn alt_message(talk: &Talk<'_>, post: &Post, position: usize) -> Message {
    let media = post.media.get(position);
    let known = media.and_then(|media| media.alt.as_deref());
    let text = texts::posts::ask_alt(position, post.media.len(), known);
    let mut message = texts::posts::question(text, "What is to be seen");
    let picture = media.filter(|media| media.kind == MediaKind::Image);
    message.media = picture
        .map(|media| Attachment {
            name: format!("picture-{}", position + 1),
            mime: media.mime.clone(),
            path: talk.chat.flows.settings.media_dir.join(&media.sha256),
            alt: media.alt.clone(),
        })
        .into_iter()
        .collect();
    message
}

async fn ask_alt(talk: &Talk<'_>, post: &Post, position: usize) -> Result<(), Refusal> {
    let mut message = alt_message(talk, post, position);
    if talk.is_direct() {
        let mut row = Vec::new();
        if position + 1 < post.media.len() {
            let press = Press::Alt { post: post.id.clone(), position: Some(position + 1) };
            row.push(talk.chat.button(&talk.own_canvas()?, "Next one", press.into()).await?);
        }
        row.push(nevermind_button(talk, "Done", Some(&post.id)).await?);
        message = message.row(row);
    }
    talk.ask(&Question::Alt { post: post.id.clone(), position }.into(), message).await
}

/// A content warning.
pub(super) async fn warning(talk: &Talk<'_>, post: &PostId, fields: &[(String, String)]) -> Result<(), Refusal> {
    let known = mine(talk, post).await?;
    if let Some((_, words)) = fields.first() {
        return set_warning(talk, &known, words, true).await;
    }
    let fields = vec![field(
        "warning",
        "Shown in front of the post".to_owned(),
        known.options.content_warning.as_deref().unwrap_or_default(),
        false,
    )];
    let message = texts::posts::question("What shall the warning in front of the post say?", "Content warning");
    let question = (Question::Warning(post.clone()), message);
    ask(talk, post, Press::Warning(post.clone()), "Content warning", fields, question).await
}

async fn set_warning(talk: &Talk<'_>, post: &Post, words: &str, instead: bool) -> Result<(), Refusal> {
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() > WARNING {
        let why =
            format!("A content warning has at most {WARNING} characters; this one is longer, so I left it as it was.");
        return Err(Refusal::BadInput(why));
    }
    let options = Options { content_warning: Some(words).filter(|words| !words.is_empty()), ..post.options.clone() };
    talk.chat.flows.set_options(&talk.actor()?, &post.id, &options).await?;
    changed(talk, &post.id, instead).await
}

/// The language.
pub(super) async fn language(talk: &Talk<'_>, post: &PostId, fields: &[(String, String)]) -> Result<(), Refusal> {
    let known = mine(talk, post).await?;
    if let Some((_, word)) = fields.first() {
        return set_language(talk, &known, word, true).await;
    }
    let value = known.options.language.as_deref().unwrap_or_default();
    let fields = vec![field("language", "Two letters, as in en or de".to_owned(), value, false)];
    let message = texts::posts::question(
        "Which language is it in? Type its two letters, as in en or de; a single - for none.",
        "en",
    );
    let question = (Question::Language(post.clone()), message);
    ask(talk, post, Press::Language(post.clone()), "Language", fields, question).await
}

async fn set_language(talk: &Talk<'_>, post: &Post, word: &str, instead: bool) -> Result<(), Refusal> {
    let word = word.trim().to_lowercase();
    let language = match word.as_str() {
        "" | "-" => None,
        // ISO 639-1.
        word if word.len() == 2 && word.bytes().all(|letter| letter.is_ascii_lowercase()) => Some(word.to_owned()),
        other => {
            let why =
                format!("\"{}\" is not a language's two letters. Type them like en, de or fr.", texts::name(other));
            return Err(Refusal::BadInput(why));
        }
    };
    let options = Options { language, ..post.options.clone() };
    talk.chat.flows.set_options(&talk.actor()?, &post.id, &options).await?;
    changed(talk, &post.id, instead).await
}

/// Changes a choice that takes no words, and shows the page of choices again.
pub(super) async fn set(talk: &Talk<'_>, post: &PostId, change: impl FnOnce(&mut Options)) -> Result<(), Refusal> {
    let mut options = mine(talk, post).await?.options;
    change(&mut options);
    talk.chat.flows.set_options(&talk.actor()?, post, &options).await?;
    draft::show_elsewhere(talk, post).await?;
    more(talk, post).await
}

/// The page of more choices: only what the chosen platforms take.
pub(super) async fn more(talk: &Talk<'_>, post: &PostId) -> Result<(), Refusal> {
    let known = open(talk, post).await?;
    let (chat, canvas) = (talk.chat, talk.canvas()?);
    let mut platforms: Vec<&'static Descriptor> = Vec::new();
    for aim in chat.flows.aims(&known).await? {
        let Some(offered) = chat.flows.offered(&aim.account.platform) else { continue };
        let descriptor = offered.platform.descriptor();
        if !platforms.iter().any(|one| one.id == descriptor.id) {
            platforms.push(descriptor);
        }
    }
    let names = |takes: fn(&Descriptor) -> bool| -> Vec<&str> {
        platforms.iter().filter(|one| takes(one)).map(|one| one.name).collect()
    };
    let seen_on = names(|one| !one.visibility.is_empty());
    let warned_on = names(|one| one.content_warning);
    let mut message = Message::text(texts::posts::more(&known, &seen_on, &warned_on));
    let id = || post.clone();
    let mut words: Vec<&str> = Vec::new();
    for word in platforms.iter().flat_map(|one| one.visibility) {
        if !words.contains(word) {
            words.push(word);
        }
    }
    // The default stands first and is what holds while nothing is chosen.
    let chosen = known.options.visibility.as_deref().or(words.first().copied());
    let mut row = Vec::new();
    for word in &words {
        let mark = if Some(*word) == chosen { "✓ " } else { "" };
        let press = Press::Visibility { post: id(), word: (*word).to_owned() };
        row.push(chat.button(&canvas, format!("{mark}{word}"), press.into()).await?);
    }
    message = message.row(row);
    let mut row = Vec::new();
    if !warned_on.is_empty() || known.options.content_warning.is_some() {
        row.push(chat.button(&canvas, "Content warning", Press::Warning(id()).into()).await?);
        if known.options.content_warning.is_some() {
            row.push(chat.button(&canvas, "No warning", Press::NoWarning(id()).into()).await?);
        }
    }
    if !names(|one| one.language).is_empty() {
        row.push(chat.button(&canvas, "Language", Press::Language(id()).into()).await?);
    }
    if !names(|one| one.silent).is_empty() {
        let words = if known.options.silent { "✓ Silent" } else { "☐ Silent" };
        row.push(chat.button(&canvas, words, Press::Silent(id()).into()).await?);
    }
    message = message.row(row).row([
        chat.button(&canvas, "Add files", Press::Add(id()).into()).await?,
        chat.button(&canvas, "Back", Press::Card(id()).into()).await?,
    ]);
    talk.instead(message).await?;
    Ok(())
}

/// Asks for more files.
pub(super) async fn add(talk: &Talk<'_>, post: &PostId) -> Result<(), Refusal> {
    mine(talk, post).await?;
    let mut message = texts::posts::question("Send me the photos or the video to add, in one message each.", "Files");
    if talk.is_direct() {
        message = message.row([nevermind_button(talk, "Cancel", Some(post)).await?]);
    }
    talk.ask(&Question::Files(post.clone()).into(), message).await
}

/// How the draft would look.
pub(super) async fn preview(talk: &Talk<'_>, post: &PostId) -> Result<(), Refusal> {
    let known = open(talk, post).await?;
    let chat = talk.chat;
    let problems = chat.flows.problems(post).await?;
    let mut looks: Vec<texts::posts::Look<'_>> = Vec::new();
    let aims = chat.flows.aims(&known).await?;
    for aim in &aims {
        let Some(offered) = chat.flows.offered(&aim.account.platform) else { continue };
        let platform = offered.platform.descriptor().name;
        let account = match &aim.account.handle {
            Some(handle) => format!("@{}", texts::name(handle)),
            None => texts::name(&aim.account.name),
        };
        let notes: Vec<String> =
            problems.iter().filter(|problem| problem.account.id == aim.account.id).map(texts::posts::note).collect();
        let link_marks = offered.platform.limits(&aim.account.meta).link_marks;
        match looks
            .iter_mut()
            .find(|look| look.platform == platform && look.length == aim.length && look.notes == notes)
        {
            Some(look) => look.accounts.push(account),
            None => {
                let accounts = vec![account];
                looks.push(texts::posts::Look { platform, accounts, length: aim.length, link_marks, notes });
            }
        }
    }
    let back = chat.button(&talk.canvas()?, "Back", Press::Card(post.clone()).into()).await?;
    talk.instead(Message::text(texts::posts::preview(&known, &looks)).row([back])).await?;
    Ok(())
}

/// Shows a changed draft here, and on its cards in other chats.
pub(super) async fn changed(talk: &Talk<'_>, post: &PostId, instead: bool) -> Result<(), Refusal> {
    draft::show_elsewhere(talk, post).await?;
    talk.show_card(post.as_str(), instead, false).await
}

/// Typed words that answer one of our questions.
pub(super) async fn answer(talk: &Talk<'_>, question: Question, incoming: &Incoming) -> Result<(), Refusal> {
    let actor = talk.actor()?;
    let flows = &talk.chat.flows;
    let words = rich(&incoming.text);
    // Files answer no question for words: they are a post of their own.
    let is_new = !incoming.files.is_empty() && !matches!(question, Question::Write | Question::Files(_));
    if is_new && talk.is_direct() {
        return draft::plain_message(talk, incoming).await;
    }
    match question {
        Question::Write => draft::plain_message(talk, incoming).await,
        Question::Text(post) => {
            open(talk, &post).await?;
            flows.reword(&actor, &post, &words).await?;
            changed(talk, &post, false).await
        }
        Question::Alt { post, position } => {
            open(talk, &post).await?;
            flows.describe(&actor, &post, position, &words.plain).await?;
            let known = open(talk, &post).await?;
            match next_undescribed(&known, position + 1) {
                Some(next) => ask_alt(talk, &known, next).await,
                None => changed(talk, &post, false).await,
            }
        }
        Question::Warning(post) => set_warning(talk, &open(talk, &post).await?, &words.plain, false).await,
        Question::Language(post) => set_language(talk, &open(talk, &post).await?, &words.plain, false).await,
        Question::Files(post) => {
            open(talk, &post).await?;
            if incoming.files.is_empty() {
                let words = Text::from("There was no file in that message. Use More and Add files to try again.");
                talk.say(Message::text(words)).await?;
            } else {
                // What could not be taken before is made good by what was sent now, or not wanted any more.
                flows.go_without(&actor, &post).await?;
                draft::take_files(talk, &actor, &post, &incoming.files).await?;
            }
            changed(talk, &post, false).await
        }
    }
}
