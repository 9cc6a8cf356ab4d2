//! What a message of the model comes to in Telegram: where it goes, and in which pieces, with which keyboard and question.
//! It reads files' sizes and calls nobody.

use teloxide::types::{ChatId, InlineKeyboardButton, InlineKeyboardMarkup, MessageId, ThreadId};
use unicode_segmentation::UnicodeSegmentation;

use super::files::{Upload, albums};
use super::text::{CAPTION_LIMIT, TEXT_LIMIT, accepted_link, spell_out, split, units};
use crate::model::{Button, Message, MessageRef, Person, Press, Text};
use crate::surface::Failure;

/// The most buttons in a row (Telegram's clients draw 8), and the most characters on one.
const ROW: usize = 8;
const LABEL: usize = 80;
/// What stands where there are buttons or a question but no words: Telegram takes no empty text.
pub(super) const POINTER: &str = "↑";

/// Where a message goes.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub chat: ChatId,
    pub topic: Option<ThreadId>,
    /// The message that a question is addressed to, so that only its author is asked.
    pub asked: Option<MessageId>,
    /// Whether the chat has a reply field to open, and needs it: a direct chat takes the next line.
    pub can_ask: bool,
    /// Who pressed the button that leads here: a question is addressed to them.
    pub presser: Option<Person>,
}

impl Place {
    /// Ids that Telegram could not have given lead nowhere.
    pub(super) fn new(chat: &str, topic: Option<&str>, asked: Option<&str>) -> Result<Self, Failure> {
        let topic = match topic {
            Some(topic) => Some(ThreadId(message_id(topic)?)),
            None => None,
        };
        let asked = asked.and_then(|id| message_id(id).ok());
        let chat = chat_id(chat)?;
        Ok(Self { chat, topic, asked, can_ask: chat.0 < 0, presser: None })
    }

    /// Where an earlier message stands: its topic is kept in [`MessageRef::token`].
    pub(super) fn of(at: &MessageRef) -> Result<Self, Failure> {
        Self::new(&at.chat, at.token.as_deref(), None)
    }

    /// Groups and channels have negative ids, people positive ones.
    pub(super) fn is_direct(&self) -> bool {
        self.chat.0 > 0
    }
}

/// A chat id as Telegram counts it.
pub(super) fn chat_id(id: &str) -> Result<ChatId, Failure> {
    id.parse().map(ChatId).map_err(|_| Failure::Unreachable(format!("{id:?} is no Telegram chat")))
}

fn message_id(id: &str) -> Result<MessageId, Failure> {
    id.parse().map(MessageId).map_err(|_| Failure::Gone(format!("{id:?} is no Telegram message")))
}

/// All messages that belong to a reference.
pub(super) fn message_ids(at: &MessageRef) -> Result<Vec<MessageId>, Failure> {
    std::iter::once(&at.id).chain(&at.parts).map(|id| message_id(id)).collect()
}

/// One call's worth.
pub(super) enum Piece {
    Text(Text),
    One(Upload, Text),
    Album(Vec<Upload>, Text),
}

pub(super) struct Plan {
    pub pieces: Vec<Piece>,
    /// Hangs on the last piece, which then is no album: those have no keyboard.
    pub keyboard: Option<InlineKeyboardMarkup>,
    pub silent: bool,
    pub ask: Option<String>,
}

pub(super) async fn plan(message: &Message, place: &Place, links_as_buttons: bool) -> Result<Plan, Failure> {
    if message.private && !place.is_direct() {
        return Err(Failure::NotPrivate);
    }
    let (keyboard, links) = keyboard(&message.rows, links_as_buttons);
    let text = body(message, &links);
    let mut uploads = Vec::with_capacity(message.media.len());
    for attachment in &message.media {
        uploads.push(Upload::of(attachment).await?);
    }
    let mut groups = albums(uploads);
    let blank = text.plain.trim().is_empty();
    let mut pieces = Vec::new();
    // The words go with the pictures where they fit; a keyboard needs a message of its own under an album.
    let captioned =
        groups.len() == 1 && units(&text.plain) <= CAPTION_LIMIT && (keyboard.is_none() || groups[0].len() == 1);
    if captioned {
        pieces.push(media_piece(groups.remove(0), text));
    } else {
        let album_last = groups.last().is_some_and(|group| group.len() > 1);
        pieces.extend(groups.into_iter().map(|group| media_piece(group, Text::default())));
        if !blank {
            // Telegram refuses a message of white space only; what it would not show is left out.
            let parts = split(&text, TEXT_LIMIT).into_iter().filter(|part| !part.plain.trim().is_empty());
            pieces.extend(parts.map(Piece::Text));
        } else if keyboard.is_some() && (album_last || pieces.is_empty()) {
            pieces.push(Piece::Text(POINTER.into()));
        }
    }
    if pieces.is_empty() {
        return Err(Failure::Refused("there is nothing to show".into()));
    }
    let ask = message.ask.clone().filter(|_| place.can_ask);
    Ok(Plan { pieces, keyboard, silent: message.silent, ask })
}

fn media_piece(mut group: Vec<Upload>, caption: Text) -> Piece {
    match group.pop() {
        Some(only) if group.is_empty() => Piece::One(only, caption),
        last => {
            group.extend(last);
            Piece::Album(group, caption)
        }
    }
}

/// The message's words, with what Telegram can't draw otherwise: links it would drop, links that can't be buttons, and
/// the choices of a menu.
fn body(message: &Message, links: &[(String, String)]) -> Text {
    let mut text = spell_out(&message.text);
    let mut line = |words: String| {
        if !text.plain.is_empty() {
            text.push("\n");
        }
        text.push(&words);
    };
    for choice in message.select.iter().flat_map(|select| &select.choices) {
        let mark = if choice.picked { "✓" } else { "·" };
        match &choice.detail {
            Some(detail) => line(format!("{mark} {}: {detail}", choice.label)),
            None => line(format!("{mark} {}", choice.label)),
        }
    }
    for (label, url) in links {
        line(format!("{label}: {url}"));
    }
    text
}

/// The keyboard, and the links that have to stand in the text instead.
fn keyboard(rows: &[Vec<Button>], links_as_buttons: bool) -> (Option<InlineKeyboardMarkup>, Vec<(String, String)>) {
    let mut links = Vec::new();
    let mut drawn: Vec<Vec<InlineKeyboardButton>> = Vec::new();
    for row in rows {
        let mut buttons = Vec::with_capacity(row.len());
        for Button { label, press } in row {
            match press {
                Press::Token(token) => buttons.push(InlineKeyboardButton::callback(shorten(label), token)),
                Press::Link(link) => match accepted_link(link).filter(|_| links_as_buttons) {
                    Some(url) => buttons.push(InlineKeyboardButton::url(shorten(label), url)),
                    None => links.push((label.clone(), link.clone())),
                },
            }
        }
        drawn.extend(buttons.chunks(ROW).map(<[_]>::to_vec));
    }
    ((!drawn.is_empty()).then(|| InlineKeyboardMarkup::new(drawn)), links)
}

fn shorten(label: &str) -> String {
    if label.graphemes(true).count() <= LABEL {
        return label.to_owned();
    }
    label.graphemes(true).take(LABEL - 1).chain(["…"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_telegram_refuses_move_into_the_text() {
        let message = Message::text("Go").row([
            Button::link("Form", "http://localhost:8080/x"),
            Button::link("Docs", "https://docs.example/"),
            Button::press("l".repeat(90), "t1"),
        ]);
        let (keyboard, links) = keyboard(&message.rows, true);
        assert_eq!(body(&message, &links).plain, "Go\nForm: http://localhost:8080/x");
        let drawn = keyboard.unwrap().inline_keyboard;
        assert_eq!(drawn[0].len(), 2);
        assert_eq!(drawn[0][1].text.chars().count(), 80);
    }
}
