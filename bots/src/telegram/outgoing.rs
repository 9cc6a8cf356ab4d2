//! From a message of the model to Telegram's calls: text with entities, keyboards, media and albums, questions, edits. It
//! must not know why a message is shown.

use teloxide::payloads::{
    EditMessageMedia, EditMessageText, EditMessageTextSetters, SendAnimation, SendAnimationSetters, SendDocument,
    SendDocumentSetters, SendMediaGroup, SendMediaGroupSetters, SendMessage, SendMessageSetters, SendPhoto,
    SendPhotoSetters, SendVideo, SendVideoSetters,
};
use teloxide::types::{
    ChatId, ForceReply, InlineKeyboardButton, InlineKeyboardMarkup, InputMedia, InputMediaAnimation,
    InputMediaDocument, InputMediaPhoto, InputMediaVideo, LinkPreviewOptions, MessageId, Recipient, ReplyMarkup,
    ReplyParameters, ThreadId,
};
use unicode_segmentation::UnicodeSegmentation;

use super::api::Api;
use super::failure::{Class, Trouble};
use super::files::{Kind, Upload, albums};
use super::text::{CAPTION_LIMIT, TEXT_LIMIT, accepted_link, entities, spell_out, split, units};
use super::wire::Sent;
use crate::model::{Button, Message, MessageRef, Press, SurfaceKind, Text};
use crate::surface::Failure;

/// The most buttons in a row (Telegram's clients draw 8), and the most characters on one.
const ROW: usize = 8;
const LABEL: usize = 80;
/// What stands under pictures when there are buttons but no words: Telegram takes no empty text.
const POINTER: &str = "↑";

/// Where a message goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    chat: ChatId,
    topic: Option<ThreadId>,
    /// The message that a question is addressed to, so that only its author is asked.
    asked: Option<MessageId>,
}

impl Place {
    /// Ids that Telegram could not have given lead nowhere.
    pub(super) fn new(chat: &str, topic: Option<&str>, asked: Option<&str>) -> Result<Self, Failure> {
        let topic = match topic {
            Some(topic) => Some(ThreadId(message_id(topic)?)),
            None => None,
        };
        let asked = asked.and_then(|id| message_id(id).ok());
        Ok(Self { chat: chat_id(chat)?, topic, asked })
    }

    /// Groups and channels have negative ids, people positive ones.
    pub(super) fn is_direct(self) -> bool {
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
enum Piece {
    Text(Text),
    One(Upload, Text),
    Album(Vec<Upload>, Text),
}

struct Plan {
    pieces: Vec<Piece>,
    /// Hangs on the last piece, which then is no album: those have no keyboard.
    keyboard: Option<InlineKeyboardMarkup>,
    silent: bool,
    ask: Option<String>,
}

async fn plan(message: &Message, place: Place, links_as_buttons: bool) -> Result<Plan, Failure> {
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
    let ask = message.ask.clone().filter(|_| !place.is_direct());
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

/// Shows a message.
pub(super) async fn send(api: &Api, place: Place, message: &Message) -> Result<MessageRef, Failure> {
    match send_plan(api, place, plan(message, place, true).await?).await {
        Err(trouble) if trouble.class == Class::ButtonLink => {
            Ok(send_plan(api, place, plan(message, place, false).await?).await?)
        }
        sent => Ok(sent?),
    }
}

async fn send_plan(api: &Api, place: Place, plan: Plan) -> Result<MessageRef, Trouble> {
    let mut ids = Vec::new();
    match send_pieces(api, place, plan, &mut ids).await {
        Ok(()) => Ok(reference(place.chat, ids)),
        Err(trouble) => {
            if !ids.is_empty() {
                // The caller will send the whole again: half of it must not stand there twice. If it can't be deleted,
                // the first failure still is the one that matters.
                let _ = api.delete(place.chat, &ids).await;
            }
            Err(trouble)
        }
    }
}

async fn send_pieces(api: &Api, place: Place, plan: Plan, ids: &mut Vec<MessageId>) -> Result<(), Trouble> {
    let last = plan.pieces.len().saturating_sub(1);
    // A question is one message with its own kind of markup, where no keyboard takes its place.
    let mut question = plan.ask.as_deref().map(|placeholder| ask(placeholder, place));
    for (index, piece) in plan.pieces.into_iter().enumerate() {
        let markup = if index < last {
            None
        } else if let Some(keyboard) = &plan.keyboard {
            Some(ReplyMarkup::InlineKeyboard(keyboard.clone()))
        } else if matches!(piece, Piece::Album(..)) {
            None
        } else {
            question.take()
        };
        send_piece(api, place, piece, markup, plan.silent, ids).await?;
    }
    if let (Some(markup), Some(placeholder)) = (question, plan.ask) {
        let piece = Piece::Text(placeholder.into());
        send_piece(api, place, piece, Some(markup), plan.silent, ids).await?;
    }
    Ok(())
}

/// Opens the reply field of the person whose message is answered, or of everybody when there is none (Bot API,
/// `ForceReply.selective`); bots that don't see every message in a group get replies to their own.
fn ask(placeholder: &str, place: Place) -> ReplyMarkup {
    let placeholder: String = placeholder.chars().take(64).collect();
    let reply = ForceReply::new().input_field_placeholder((!placeholder.is_empty()).then_some(placeholder));
    ReplyMarkup::ForceReply(if place.asked.is_some() { reply.selective() } else { reply })
}

/// Fills in what all sending payloads share; macro, because their setters are separate traits.
macro_rules! addressed {
    ($payload:expr, $place:expr, $markup:expr, $silent:expr) => {{
        let mut payload = $payload.disable_notification($silent);
        payload.message_thread_id = $place.topic;
        payload.reply_parameters = match &$markup {
            Some(ReplyMarkup::ForceReply(_)) => {
                $place.asked.map(|asked| ReplyParameters::new(asked).allow_sending_without_reply())
            }
            _ => None,
        };
        payload.reply_markup = $markup;
        payload
    }};
}

async fn send_piece(
    api: &Api,
    place: Place,
    piece: Piece,
    markup: Option<ReplyMarkup>,
    silent: bool,
    ids: &mut Vec<MessageId>,
) -> Result<(), Trouble> {
    let chat = Recipient::Id(place.chat);
    let sent: Sent = match piece {
        Piece::Text(text) => {
            api.room(place.chat, 1).await;
            let payload =
                SendMessage::new(chat, &text.plain).entities(entities(&text)).link_preview_options(no_preview());
            api.call(addressed!(payload, place, markup, silent)).await?
        }
        Piece::One(upload, caption) => {
            api.room(place.chat, 1).await;
            let (file, formats) = (upload.input(), entities(&caption));
            let words = caption.plain;
            match upload.kind {
                Kind::Photo => {
                    let payload = SendPhoto::new(chat, file).caption(words).caption_entities(formats);
                    api.upload(addressed!(payload, place, markup, silent)).await?
                }
                Kind::Video => {
                    let payload = SendVideo::new(chat, file).caption(words).caption_entities(formats);
                    let payload = payload.supports_streaming(true);
                    api.upload(addressed!(payload, place, markup, silent)).await?
                }
                Kind::Animation => {
                    let payload = SendAnimation::new(chat, file).caption(words).caption_entities(formats);
                    api.upload(addressed!(payload, place, markup, silent)).await?
                }
                Kind::Document => {
                    let payload = SendDocument::new(chat, file).caption(words).caption_entities(formats);
                    api.upload(addressed!(payload, place, markup, silent)).await?
                }
            }
        }
        Piece::Album(uploads, mut caption) => {
            api.room(place.chat, u32::try_from(uploads.len()).unwrap_or(u32::MAX)).await;
            // Only the first item is captioned: then Telegram shows it under the album.
            let media: Vec<_> =
                uploads.iter().map(|upload| input_media(upload, &std::mem::take(&mut caption))).collect();
            let mut payload = SendMediaGroup::new(chat, media).disable_notification(silent);
            payload.message_thread_id = place.topic;
            let sent: Vec<Sent> = api.upload(payload).await?;
            for one in &sent {
                ids.push(sent_id(one)?);
            }
            return Ok(());
        }
    };
    ids.push(sent_id(&sent)?);
    Ok(())
}

fn sent_id(sent: &Sent) -> Result<MessageId, Trouble> {
    // The Bot API's message ids are 32-bit; one that isn't can't be asked for again.
    i32::try_from(sent.message_id).map(MessageId).map_err(|_| Trouble::retry("Telegram gave an impossible message id"))
}

/// Link previews are made by fetching the link, and our connect links work once.
fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

fn input_media(upload: &Upload, caption: &Text) -> InputMedia {
    let (file, words) = (upload.input(), caption.plain.clone());
    let words = (!words.is_empty()).then_some(words);
    let formats = words.as_ref().map(|_| entities(caption));
    match upload.kind {
        Kind::Photo => InputMedia::Photo(InputMediaPhoto {
            caption: words,
            caption_entities: formats,
            ..InputMediaPhoto::new(file)
        }),
        Kind::Video => InputMedia::Video(InputMediaVideo {
            caption: words,
            caption_entities: formats,
            supports_streaming: Some(true),
            ..InputMediaVideo::new(file)
        }),
        Kind::Animation => InputMedia::Animation(InputMediaAnimation {
            caption: words,
            caption_entities: formats,
            ..InputMediaAnimation::new(file)
        }),
        Kind::Document => InputMedia::Document(InputMediaDocument {
            caption: words,
            caption_entities: formats,
            ..InputMediaDocument::new(file)
        }),
    }
}

fn reference(chat: ChatId, ids: Vec<MessageId>) -> MessageRef {
    let mut ids = ids.into_iter().map(|id| id.0.to_string());
    MessageRef {
        surface: SurfaceKind::Telegram,
        chat: chat.0.to_string(),
        id: ids.next().unwrap_or_default(),
        token: None,
        parts: ids.collect(),
    }
}

/// Replaces a message: in place where Telegram can, else by a new one and deleting the old.
pub(super) async fn edit(api: &Api, place: Place, at: &MessageRef, message: &Message) -> Result<MessageRef, Failure> {
    let old = message_ids(at)?;
    match edit_plan(api, place, &old, plan(message, place, true).await?).await {
        Err(trouble) if trouble.class == Class::ButtonLink => {
            Ok(edit_plan(api, place, &old, plan(message, place, false).await?).await?)
        }
        edited => Ok(edited?),
    }
}

async fn edit_plan(api: &Api, place: Place, old: &[MessageId], mut plan: Plan) -> Result<MessageRef, Trouble> {
    // An album or pictures with a text of their own have no counterpart among the old messages.
    let in_place = match plan.pieces.as_slice() {
        [Piece::One(..)] => true,
        pieces => pieces.iter().all(|piece| matches!(piece, Piece::Text(_))),
    };
    if !in_place {
        return replace(api, place, old, plan).await;
    }
    let rest = plan.pieces.split_off(plan.pieces.len().min(old.len()));
    let count = plan.pieces.len();
    let mut ids = old[..count].to_vec();
    for index in 0..count {
        let keyboard = plan.keyboard.clone().filter(|_| rest.is_empty() && index + 1 == count);
        match edit_piece(api, place, ids[index], &plan.pieces[index], keyboard).await {
            Ok(()) => {}
            Err(trouble) if trouble.class == Class::NotModified => {}
            Err(trouble) if trouble.class == Class::OtherKind && index == 0 => {
                plan.pieces.extend(rest);
                return replace(api, place, old, plan).await;
            }
            Err(trouble) => return Err(trouble),
        }
    }
    if rest.is_empty() {
        if let Some(placeholder) = plan.ask.take() {
            let question = Some(ask(&placeholder, place));
            send_piece(api, place, Piece::Text(placeholder.into()), question, plan.silent, &mut ids).await?;
        }
    } else {
        send_pieces(api, place, Plan { pieces: rest, ..plan }, &mut ids).await?;
    }
    if let Some(surplus) = old.get(count..).filter(|surplus| !surplus.is_empty()) {
        // Old parts that stay would only be untidy.
        let _ = api.delete(place.chat, surplus).await;
    }
    Ok(reference(place.chat, ids))
}

async fn edit_piece(
    api: &Api,
    place: Place,
    id: MessageId,
    piece: &Piece,
    keyboard: Option<InlineKeyboardMarkup>,
) -> Result<(), Trouble> {
    api.room(place.chat, 1).await;
    let chat = Recipient::Id(place.chat);
    match piece {
        Piece::Text(text) => {
            let mut payload =
                EditMessageText::new(chat, id, &text.plain).entities(entities(text)).link_preview_options(no_preview());
            payload.reply_markup = keyboard;
            api.call::<_, Sent>(payload).await.map(drop)
        }
        Piece::One(upload, caption) => {
            let mut payload = EditMessageMedia::new(chat, id, input_media(upload, caption));
            payload.reply_markup = keyboard;
            // Text to media is refused by older servers under several names.
            api.upload::<_, Sent>(payload).await.map(drop).map_err(|trouble| match trouble.class {
                Class::Refused => Trouble { class: Class::OtherKind, ..trouble },
                _ => trouble,
            })
        }
        Piece::Album(..) => Err(Trouble {
            class: Class::OtherKind,
            failure: Failure::Refused("an album can't be edited as one".into()),
        }),
    }
}

async fn replace(api: &Api, place: Place, old: &[MessageId], plan: Plan) -> Result<MessageRef, Trouble> {
    let new = send_plan(api, place, plan).await?;
    // The new message says what is true now; an old one that can't be deleted (48 hours) stays in the past.
    let _ = api.delete(place.chat, old).await;
    Ok(new)
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
