//! The calls: teloxide's payloads and transport, each under a time limit, answered in the few fields we read. The one
//! place that holds the token. It must not know messages or updates as we model them.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use teloxide::Bot;
use teloxide::payloads;
use teloxide::requests::{JsonRequest, MultipartPayload, MultipartRequest, Payload, Request};
use teloxide::types::{ChatId, InputFile, MessageId, Recipient, UserId};
use tokio::time::timeout;

use super::failure::{Class, Trouble};
use super::{Budget, Secret, wire};

/// The limit on a plain call. More than the 10 s that teloxide sleeps inside a call after a 5xx (`DELAY_ON_SERVER_ERROR`):
/// cut shorter, the answer to a slow but accepted message would be lost and the message sent twice.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// The limit on a call that carries files, at most 10 of 50 MB.
const UPLOAD_LIMIT: Duration = Duration::from_secs(300);
/// How long Telegram holds an empty poll; under the read limit of usual clients (teloxide's own has 17 s).
pub(super) const LONG_POLL: Duration = Duration::from_secs(10);
/// The most updates in one answer (Bot API: 1-100).
pub(super) const BATCH: u8 = 100;

/// Named in every call, because Telegram keeps the last list, and the publishing side shares this bot.
pub(super) const ALLOWED_UPDATES: &[&str] = &["message", "channel_post", "my_chat_member", "callback_query"];

/// One of teloxide's payloads, answered by a type of ours. teloxide reads every `Message` in full, so a field newer than
/// itself would make a message that was sent look failed.
struct Answering<P, T> {
    payload: P,
    answer: PhantomData<fn() -> T>,
}

impl<P: Serialize, T> Serialize for Answering<P, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.payload.serialize(serializer)
    }
}

impl<P: Payload, T> Payload for Answering<P, T> {
    type Output = T;
    const NAME: &'static str = P::NAME;
}

impl<P: MultipartPayload, T> MultipartPayload for Answering<P, T> {
    fn copy_files(&self, into: &mut dyn FnMut(InputFile)) {
        self.payload.copy_files(into);
    }

    fn move_files(&mut self, into: &mut dyn FnMut(InputFile)) {
        self.payload.move_files(into);
    }
}

/// `getUpdates`, with the updates left unread: one that can't be read must not cost the others. The offset is wider than
/// teloxide's, so that no id from outside overflows it.
#[derive(Serialize)]
struct GetUpdates {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    limit: u8,
    timeout: u64,
    allowed_updates: &'static [&'static str],
}

impl Payload for GetUpdates {
    type Output = Vec<Value>;
    const NAME: &'static str = "GetUpdates";
}

/// `setWebhook` without a certificate, as JSON.
#[derive(Serialize)]
struct SetWebhook {
    url: String,
    secret_token: String,
    allowed_updates: &'static [&'static str],
}

impl Payload for SetWebhook {
    type Output = bool;
    const NAME: &'static str = "SetWebhook";
}

/// The bot's end of the Bot API.
#[derive(Clone)]
pub(super) struct Api {
    pub bot: Bot,
    token: Secret,
    budget: Arc<dyn Budget>,
}

impl Api {
    pub(super) fn new(bot: Bot, token: Secret, budget: Arc<dyn Budget>) -> Self {
        Self { bot, token, budget }
    }

    /// The token, to keep it out of texts.
    pub(super) fn token(&self) -> &str {
        self.token.reveal()
    }

    /// Waits for room in the token's budget. For calls that show something: those are what Telegram counts.
    pub(super) async fn room(&self, chat: ChatId, calls: u32) {
        self.budget.take(&chat.0.to_string(), calls).await;
    }

    /// A call without files.
    pub(super) async fn call<P, T>(&self, payload: P) -> Result<T, Trouble>
    where
        P: Payload + Serialize + Send + 'static,
        T: DeserializeOwned + 'static,
    {
        self.within(CALL_LIMIT, payload).await
    }

    async fn within<P, T>(&self, limit: Duration, payload: P) -> Result<T, Trouble>
    where
        P: Payload + Serialize + Send + 'static,
        T: DeserializeOwned + 'static,
    {
        let request = JsonRequest::new(self.bot.clone(), Answering { payload, answer: PhantomData });
        self.finish::<P, T>(timeout(limit, request.send()).await)
    }

    /// A call that carries files.
    pub(super) async fn upload<P, T>(&self, payload: P) -> Result<T, Trouble>
    where
        P: MultipartPayload + Serialize + Send + 'static,
        T: DeserializeOwned + 'static,
    {
        let request = MultipartRequest::new(self.bot.clone(), Answering { payload, answer: PhantomData });
        self.finish::<P, T>(timeout(UPLOAD_LIMIT, request.send()).await)
    }

    fn finish<P: Payload, T>(
        &self,
        answer: Result<Result<T, teloxide::RequestError>, tokio::time::error::Elapsed>,
    ) -> Result<T, Trouble> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Trouble::new(&error, self.token())),
            Err(_) => Err(Trouble::retry(format!("Telegram did not answer {} in time", P::NAME))),
        }
    }

    /// Who the bot is.
    pub(super) async fn me(&self) -> Result<wire::User, Trouble> {
        self.call(payloads::GetMe::new()).await
    }

    /// The next updates, unread. Waits up to `wait` for one.
    pub(super) async fn updates(&self, offset: Option<i64>, wait: Duration) -> Result<Vec<Value>, Trouble> {
        let payload = GetUpdates { offset, limit: BATCH, timeout: wait.as_secs(), allowed_updates: ALLOWED_UPDATES };
        self.within(CALL_LIMIT + wait, payload).await
    }

    /// Has updates delivered to `url`.
    pub(super) async fn set_webhook(&self, url: &str, secret: &Secret) -> Result<(), Trouble> {
        let payload = SetWebhook {
            url: url.to_owned(),
            secret_token: secret.reveal().to_owned(),
            allowed_updates: ALLOWED_UPDATES,
        };
        self.call::<_, bool>(payload).await.map(drop)
    }

    /// Ends delivery by webhook, keeping what waits.
    pub(super) async fn delete_webhook(&self) -> Result<(), Trouble> {
        self.call::<_, bool>(payloads::DeleteWebhook::new()).await.map(drop)
    }

    /// Somebody's standing in a chat; nobody if they are not there.
    pub(super) async fn member(&self, chat: ChatId, person: u64) -> Result<Option<wire::Member>, Trouble> {
        match self.call(payloads::GetChatMember::new(chat, UserId(person))).await {
            Ok(member) => Ok(Some(member)),
            Err(trouble) if trouble.class == Class::NotThere => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Deletes messages of one chat; those that are gone already count as deleted.
    pub(super) async fn delete(&self, chat: ChatId, ids: &[MessageId]) -> Result<(), Trouble> {
        // deleteMessages takes 1-100, and skips silently what it can't delete: a single one is asked for by itself, so
        // that "can't be deleted" is heard.
        for some in ids.chunks(100) {
            let done: Result<bool, Trouble> = match some {
                [one] => self.call(payloads::DeleteMessage::new(Recipient::Id(chat), *one)).await,
                many => self.call(payloads::DeleteMessages::new(Recipient::Id(chat), many.iter().copied())).await,
            };
            match done {
                Ok(_) => {}
                Err(trouble) if trouble.class == Class::Missing => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }
}
