//! What a typed line leads to: the console's own words are done here, everything else becomes an update. It must not
//! know where lines come from or who handles the updates.

use super::cards::Act;
use super::line::{self, Line, Pick};
use super::plain::{clean, clean_line};
use super::{Filling, Inner};
use crate::command::CommandSpec;
use crate::model::{Incoming, MessageRef, Text, Update, UpdateKind};

impl Inner {
    /// What a typed line means for the handler; `Err` leaves the console.
    pub(super) async fn accept(&self, commands: &[CommandSpec], typed: &str) -> Result<Option<Update>, ()> {
        if self.state().form.is_some() {
            match self.fill(typed).await {
                Filled::More => return Ok(None),
                Filled::Sent(at, kind) => return Ok(Some(self.event(at, *kind))),
                Filled::Left => {}
            }
        }
        let (files, kind) = match line::parse(typed) {
            Line::Empty => return Ok(None),
            Line::Quit => return Err(()),
            Line::Attach(paths) => {
                self.attach(&paths).await;
                return Ok(None);
            }
            Line::Open(pick) => {
                self.open(&pick).await;
                return Ok(None);
            }
            Line::Numbers(pick) => {
                let act = self.state().cards.act(&pick);
                match act {
                    Ok(Some((at, Act::Press(token)))) => {
                        return Ok(Some(self.event(Some(at), UpdateKind::Press(token))));
                    }
                    Ok(Some((at, Act::Select(token, values)))) => {
                        return Ok(Some(self.event(Some(at), UpdateKind::Select { token, values })));
                    }
                    Ok(Some((_, Act::Open(url)))) => {
                        self.follow(url).await;
                        return Ok(None);
                    }
                    Ok(None) => {
                        let text = Text::from(typed.trim());
                        (Vec::new(), UpdateKind::Message(Incoming { text, ..Incoming::default() }))
                    }
                    Err(sentence) => {
                        self.print(sentence).await;
                        return Ok(None);
                    }
                }
            }
            Line::Command { name, rest } => {
                let arguments = match commands.iter().find(|spec| spec.name == name) {
                    Some(spec) => spec.split(&rest),
                    None => rest.split_whitespace().map(str::to_owned).collect(),
                };
                (Vec::new(), UpdateKind::Command { name, arguments, incoming: Incoming::default() })
            }
            Line::Message { files, text } => {
                (files, UpdateKind::Message(Incoming { text: Text::from(text), ..Incoming::default() }))
            }
        };
        let mut found = Vec::new();
        for path in &files {
            match line::file(path, self.config.home.as_deref()) {
                Ok(file) => found.push(file),
                Err(sentence) => {
                    self.print(clean(&sentence)).await;
                    return Ok(None);
                }
            }
        }
        let mut all = std::mem::take(&mut self.state().attached);
        all.extend(found);
        let kind = match kind {
            UpdateKind::Message(incoming) => UpdateKind::Message(Incoming { files: all, ..incoming }),
            UpdateKind::Command { name, arguments, incoming } => {
                UpdateKind::Command { name, arguments, incoming: Incoming { files: all, ..incoming } }
            }
            other => other,
        };
        Ok(Some(self.event(None, kind)))
    }

    async fn attach(&self, paths: &[String]) {
        for path in paths {
            match line::file(path, self.config.home.as_deref()) {
                Ok(file) => self.state().attached.push(file),
                Err(sentence) => self.print(clean(&sentence)).await,
            }
        }
        let sentence = match self.state().attached.len() {
            0 => "Nothing is attached.".to_owned(),
            1 => "1 file goes with your next message.".to_owned(),
            count => format!("{count} files go with your next message."),
        };
        self.print(sentence).await;
    }

    async fn open(&self, pick: &Pick) {
        let act = self.state().cards.act(pick);
        match act {
            Ok(Some((_, Act::Open(url)))) => self.follow(url).await,
            _ => self.print("There is no link with that number.").await,
        }
    }

    async fn follow(&self, url: String) {
        let sentence = (self.config.opener)(url).await;
        self.print(clean(&sentence)).await;
    }

    /// Asks for the next field of the form.
    pub(super) async fn ask_field(&self) {
        let question = {
            let state = self.state();
            let Some(filling) = &state.form else { return };
            let Some(field) = filling.form.fields.get(filling.values.len()) else { return };
            let mut question = clean_line(&field.label);
            if !field.placeholder.is_empty() {
                question.push_str(&format!(" ({})", clean_line(&field.placeholder)));
            }
            if !field.value.is_empty() {
                question.push_str(&format!(" [{}]", clean_line(&field.value)));
            } else if !field.required {
                question.push_str(" [empty]");
            }
            question + ":"
        };
        self.print(question).await;
    }

    /// Takes a line as the answer to the form's next field.
    async fn fill(&self, typed: &str) -> Filled {
        let step = {
            let mut state = self.state();
            let Some(filling) = state.form.as_mut() else { return Filled::Left };
            let Some(field) = filling.form.fields.get(filling.values.len()) else {
                state.form = None;
                return Filled::Left;
            };
            let value = if typed.trim().is_empty() { field.value.as_str() } else { typed.trim() };
            if typed.starts_with('/') || matches!(typed.trim(), "cancel" | "quit") {
                state.form = None;
                Err(Filled::Left)
            } else if field.required && value.is_empty() {
                Ok("This one is needed. `cancel` closes the form.")
            } else {
                filling.values.push((field.name.clone(), value.to_owned()));
                if filling.values.len() < filling.form.fields.len() {
                    Ok("")
                } else {
                    let sent = state.form.take();
                    Err(match sent {
                        Some(Filling { form, values, at }) => {
                            Filled::Sent(at, Box::new(UpdateKind::Form { token: form.token, fields: values }))
                        }
                        None => Filled::Left,
                    })
                }
            }
        };
        match step {
            Ok(sentence) => {
                if !sentence.is_empty() {
                    self.print(sentence).await;
                }
                self.ask_field().await;
                Filled::More
            }
            Err(Filled::Left) => {
                self.print("The form is closed.").await;
                if typed.trim() == "cancel" { Filled::More } else { Filled::Left }
            }
            Err(filled) => filled,
        }
    }
}

/// What became of a line that was typed into a form.
enum Filled {
    /// The form (or its end) took it.
    More,
    /// It was the last field of the form of this card.
    Sent(Option<MessageRef>, Box<UpdateKind>),
    /// The form was left; the line means what it means.
    Left,
}
