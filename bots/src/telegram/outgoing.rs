//! The calls that show, edit and replace what `plan` made of a message. It must not know why a message is shown.

use teloxide::payloads::{
    EditMessageMedia, EditMessageText, EditMessageTextSetters, SendAnimation, SendAnimationSetters, SendDocument,
    SendDocumentSetters, SendMediaGroup, SendMediaGroupSetters, SendMessage, SendMessageSetters, SendPhoto,
    SendPhotoSetters, SendVideo, SendVideoSetters,
};
use teloxide::types::{
    ForceReply, InlineKeyboardMarkup, InputMedia, InputMediaAnimation, InputMediaDocument, InputMediaPhoto,
    InputMediaVideo, LinkPreviewOptions, MessageId, Recipient, ReplyMarkup, ReplyParameters,
};

use super::api::Api;
use super::failure::{Class, Trouble};
use super::files::{Kind, Upload};
use super::plan::{POINTER, Piece, Place, Plan, message_ids, plan};
use super::text::entities;
use super::wire::Sent;
use crate::model::{Message, MessageRef, SurfaceKind, Text};
use crate::surface::Failure;

/// Shows a message.
pub(super) async fn send(api: &Api, place: &Place, message: &Message) -> Result<MessageRef, Failure> {
    match send_plan(api, place, plan(message, place, true).await?).await {
        Err(trouble) if trouble.class == Class::ButtonLink => {
            Ok(send_plan(api, place, plan(message, place, false).await?).await?)
        }
        sent => Ok(sent?),
    }
}

async fn send_plan(api: &Api, place: &Place, plan: Plan) -> Result<MessageRef, Trouble> {
    let mut ids = Vec::new();
    match send_pieces(api, place, plan, &mut ids).await {
        Ok(()) => Ok(reference(place, ids)),
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

async fn send_pieces(api: &Api, place: &Place, plan: Plan, ids: &mut Vec<MessageId>) -> Result<(), Trouble> {
    let last = plan.pieces.len().saturating_sub(1);
    // One message has one kind of markup: a question goes with the words it is about, unless a keyboard hangs there, or
    // the one who is asked has to be named.
    let mut question = plan.ask;
    for (index, piece) in plan.pieces.into_iter().enumerate() {
        let markup = if index < last {
            None
        } else if let Some(keyboard) = &plan.keyboard {
            Some(ReplyMarkup::InlineKeyboard(keyboard.clone()))
        } else if matches!(piece, Piece::Album(..)) || place.presser.is_some() {
            None
        } else {
            question.take().map(|placeholder| reply_field(&placeholder, place))
        };
        send_piece(api, place, piece, markup, plan.silent, ids).await?;
    }
    match question {
        Some(placeholder) => ask(api, place, &placeholder, plan.silent, ids).await,
        None => Ok(()),
    }
}

/// Opens a reply field: bots that don't see every message in a group get the replies to their own. `selective` opens it
/// only for the author of the message that is answered and for those who are mentioned (Bot API, `ForceReply`).
fn reply_field(placeholder: &str, place: &Place) -> ReplyMarkup {
    let placeholder: String = placeholder.chars().take(64).collect();
    let reply = ForceReply::new().input_field_placeholder((!placeholder.is_empty()).then_some(placeholder));
    let is_addressed = place.asked.is_some() || place.presser.is_some();
    ReplyMarkup::ForceReply(if is_addressed { reply.selective() } else { reply })
}

/// A question as a message of its own, to whoever pressed the button.
async fn ask(
    api: &Api,
    place: &Place,
    placeholder: &str,
    silent: bool,
    ids: &mut Vec<MessageId>,
) -> Result<(), Trouble> {
    let mut text = Text::default();
    if let Some(presser) = &place.presser {
        // Telegram takes such a link as a mention, also of people without a handle.
        text.link(&presser.name, &format!("tg://user?id={}", presser.id)).push(": ");
    }
    text.push(if placeholder.trim().is_empty() { POINTER } else { placeholder });
    let markup = Some(reply_field(placeholder, place));
    send_piece(api, place, Piece::Text(text), markup, silent, ids).await
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
    place: &Place,
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

fn reference(place: &Place, ids: Vec<MessageId>) -> MessageRef {
    let mut ids = ids.into_iter().map(|id| id.0.to_string());
    MessageRef {
        surface: SurfaceKind::Telegram,
        chat: place.chat.0.to_string(),
        id: ids.next().unwrap_or_default(),
        token: place.topic.map(|topic| topic.0.0.to_string()),
        parts: ids.collect(),
    }
}

/// Replaces a message: in place where Telegram can, else by a new one and deleting the old.
pub(super) async fn edit(api: &Api, place: &Place, at: &MessageRef, message: &Message) -> Result<MessageRef, Failure> {
    let old = message_ids(at)?;
    match edit_plan(api, place, &old, plan(message, place, true).await?).await {
        Err(trouble) if trouble.class == Class::ButtonLink => {
            Ok(edit_plan(api, place, &old, plan(message, place, false).await?).await?)
        }
        edited => Ok(edited?),
    }
}

async fn edit_plan(api: &Api, place: &Place, old: &[MessageId], mut plan: Plan) -> Result<MessageRef, Trouble> {
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
    for (index, (piece, id)) in plan.pieces.iter().zip(old).enumerate() {
        let keyboard = plan.keyboard.clone().filter(|_| rest.is_empty() && index + 1 == count);
        match edit_piece(api, place, *id, piece, keyboard).await {
            Ok(()) => {}
            Err(trouble) if trouble.class == Class::NotModified => {}
            // Of another kind; or a later part is gone, or is a question, which Telegram never lets edit.
            Err(trouble)
                if trouble.class == Class::OtherKind
                    || (index > 0 && matches!(trouble.class, Class::Missing | Class::Locked)) =>
            {
                plan.pieces.extend(rest);
                return replace(api, place, old, plan).await;
            }
            Err(trouble) => return Err(trouble),
        }
    }
    if rest.is_empty() {
        if let Some(placeholder) = plan.ask.take() {
            ask(api, place, &placeholder, plan.silent, &mut ids).await?;
        }
    } else {
        send_pieces(api, place, Plan { pieces: rest, ..plan }, &mut ids).await?;
    }
    if let Some(surplus) = old.get(count..).filter(|surplus| !surplus.is_empty()) {
        // Old parts that stay would only be untidy.
        let _ = api.delete(place.chat, surplus).await;
    }
    Ok(reference(place, ids))
}

async fn edit_piece(
    api: &Api,
    place: &Place,
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

async fn replace(api: &Api, place: &Place, old: &[MessageId], plan: Plan) -> Result<MessageRef, Trouble> {
    let new = send_plan(api, place, plan).await?;
    // The new message says what is true now; an old one that can't be deleted (48 hours) stays in the past.
    let _ = api.delete(place.chat, old).await;
    Ok(new)
}
