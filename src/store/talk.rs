//! What keeps a conversation alive over restarts: buttons, questions, cards, the outbox, and the updates already seen.

use sqlx::FromRow;

use super::{Place, Result, Store, all, exec, millis, on_db, one};
use crate::domain::clock::{fingerprint, token};
use crate::domain::id::{CardId, OutboxId, PersonId, WorkspaceId};
use crate::domain::{Secret, Timestamp};

/// A pressed button.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Pressed {
    /// The workspace it acts in.
    pub workspace: Option<WorkspaceId>,
    /// The only person who may press it; `None` for anyone whose role suffices.
    pub person: Option<PersonId>,
    /// What it does (JSON of the chat room).
    pub action: String,
    /// When it stops working.
    pub expires_at: i64,
    /// When it was used up.
    pub used_at: Option<i64>,
}

/// A message of ours that is kept up to date.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its id.
    pub id: CardId,
    /// What it shows (an id of a post, attempt or incident).
    pub subject: String,
    /// Where it is.
    pub place: Place,
    /// The person it is for, where it is private.
    pub person: Option<PersonId>,
    /// The message, once sent (JSON of the surface's reference).
    pub message: Option<Secret>,
    /// Fingerprint of what it shows, so that nothing is edited in vain.
    pub shown: Option<String>,
}

#[derive(FromRow)]
struct CardRow {
    id: CardId,
    subject: String,
    surface: String,
    chat: String,
    topic: String,
    person: Option<PersonId>,
    sealed_message: Option<String>,
    shown: Option<String>,
}

/// A message waiting to be delivered.
#[derive(Clone, Debug, FromRow)]
pub struct Delivery {
    /// Its id.
    pub id: OutboxId,
    /// The card it draws or redraws.
    pub card: Option<CardId>,
    /// `telegram`, `discord` or `console`.
    pub surface: String,
    /// The chat.
    pub chat: String,
    /// The topic, or empty.
    pub topic: String,
    /// The person it is for.
    pub person: Option<PersonId>,
    /// What it says (JSON of flows::news); drawn when it is delivered, so that it says what is true then.
    pub what: String,
    /// Failed tries.
    pub tries: i64,
}

impl Delivery {
    /// Where it goes.
    pub fn place(&self) -> Place {
        Place { surface: self.surface.clone(), chat: self.chat.clone(), topic: self.topic.clone() }
    }
}

const CARD: &str = "select id, subject, surface, chat, topic, person, sealed_message, shown from cards";

impl Store {
    /// Whether an update was handled before.
    pub async fn seen(&self, surface: &str, update: &str) -> Result<bool> {
        let row = one!(db self; (i64,); "select count(*) from seen_updates where surface = $1 and update_id = $2", surface, update)?;
        Ok(row.is_some_and(|(count,)| count > 0))
    }

    /// Notes an update; `false` when it was seen before.
    pub async fn first_sight(&self, surface: &str, update: &str) -> Result<bool> {
        let new = exec!(db self; "insert into seen_updates (surface, update_id, seen_at) values ($1, $2, $3)
            on conflict (surface, update_id) do nothing", surface, update, self.now())?;
        Ok(new > 0)
    }

    /// Makes a button; gives the token that the surface carries.
    pub async fn add_button(
        &self,
        workspace: Option<&WorkspaceId>,
        person: Option<&PersonId>,
        action: &str,
        expires_at: Timestamp,
    ) -> Result<String> {
        let token = token(&*self.entropy);
        exec!(db self; "insert into buttons (token_hash, workspace, person, action, expires_at) values ($1, $2, $3, $4, $5)",
            fingerprint(&token), workspace.cloned(), person.cloned(), action, millis(expires_at))?;
        Ok(token)
    }

    /// What a token stands for.
    pub async fn button(&self, token: &str) -> Result<Option<Pressed>> {
        Ok(
            one!(db self; Pressed; "select workspace, person, action, expires_at, used_at from buttons where token_hash = $1", fingerprint(token))?,
        )
    }

    /// Uses a button up; of two presses that race, one gets `true`.
    pub async fn use_button(&self, token: &str) -> Result<bool> {
        let used = exec!(db self; "update buttons set used_at = $1 where token_hash = $2 and used_at is null", self.now(), fingerprint(token))?;
        Ok(used > 0)
    }

    /// Asks a person for typed words in a chat. A new question replaces the old one.
    pub async fn ask(
        &self,
        surface: &str,
        chat: &str,
        person: &PersonId,
        what: &str,
        expires_at: Timestamp,
    ) -> Result<()> {
        exec!(db self; "insert into questions (surface, chat, person, what, expires_at) values ($1, $2, $3, $4, $5)
            on conflict (surface, chat, person) do update set what = excluded.what, expires_at = excluded.expires_at",
            surface, chat, person.clone(), what, millis(expires_at))?;
        Ok(())
    }

    /// The open question of a person in a chat, taken away.
    pub async fn take_question(&self, surface: &str, chat: &str, person: &PersonId) -> Result<Option<String>> {
        let row = one!(db self; (String, i64); "delete from questions where surface = $1 and chat = $2 and person = $3
            returning what, expires_at", surface, chat, person.clone())?;
        Ok(row.filter(|(_, expires)| *expires > self.now()).map(|(what, _)| what))
    }

    /// Makes a card. The message's reference is given once it is sent.
    pub async fn add_card(
        &self,
        subject: &str,
        place: &Place,
        person: Option<&PersonId>,
        message: Option<&Secret>,
    ) -> Result<CardId> {
        let id = CardId::new(self.clock.now(), &*self.entropy);
        let sealed = self.seal_some("cards", id.as_str(), "sealed_message", message)?;
        exec!(db self; "insert into cards (id, subject, surface, chat, topic, person, sealed_message, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8)",
            id.clone(), subject, place.surface.clone(), place.chat.clone(), place.topic.clone(), person.cloned(), sealed, self.now())?;
        Ok(id)
    }

    /// Notes the message that a card is, and a fingerprint of what it shows.
    pub async fn card_shown(&self, id: &CardId, message: Option<&Secret>, shown: &str) -> Result<()> {
        let sealed = self.seal_some("cards", id.as_str(), "sealed_message", message)?;
        exec!(db self; "update cards set sealed_message = $1, shown = $2 where id = $3", sealed, shown, id.clone())?;
        Ok(())
    }

    /// One card.
    pub async fn card(&self, id: &CardId) -> Result<Option<Card>> {
        let sql = sqlx::AssertSqlSafe(format!("{CARD} where id = $1"));
        one!(db self; CardRow; sql, id.clone())?.map(|row| self.card_of(row)).transpose()
    }

    /// All cards that show something.
    pub async fn cards(&self, subject: &str) -> Result<Vec<Card>> {
        let sql = sqlx::AssertSqlSafe(format!("{CARD} where subject = $1 order by id"));
        all!(db self; CardRow; sql, subject)?.into_iter().map(|row| self.card_of(row)).collect()
    }

    /// What has cards and changed since then: posts that went out, attempts that were answered, incidents.
    pub async fn shown_since(&self, since: Timestamp) -> Result<Vec<String>> {
        let rows = all!(db self; (String,); "select distinct subject from cards where
            subject in (select id from posts where status <> 'draft' and updated_at > $1)
            or subject in (select id from attempts where stage <> 'open' and answered_at > $1)
            or subject in (select id from incidents where opened_at > $1 or closed_at > $1)", millis(since))?;
        Ok(rows.into_iter().map(|(subject,)| subject).collect())
    }

    /// Lets a card show something else from now on.
    pub async fn point_card(&self, id: &CardId, subject: &str) -> Result<()> {
        exec!(db self; "update cards set subject = $1, shown = null where id = $2", subject, id.clone())?;
        Ok(())
    }

    fn card_of(&self, row: CardRow) -> Result<Card> {
        Ok(Card {
            message: self.open_some("cards", row.id.as_str(), "sealed_message", row.sealed_message.as_ref())?,
            place: Place { surface: row.surface, chat: row.chat, topic: row.topic },
            id: row.id,
            subject: row.subject,
            person: row.person,
            shown: row.shown,
        })
    }

    /// Queues a message. One that redraws a card takes the place of one that already waits to.
    pub async fn enqueue(
        &self,
        card: Option<&CardId>,
        place: &Place,
        person: Option<&PersonId>,
        what: &str,
        due_at: Timestamp,
    ) -> Result<()> {
        if let Some(card) = card {
            let waiting = exec!(db self; "update outbox set what = $1, due_at = $2 where card = $3 and holder is null", what, millis(due_at), card.clone())?;
            if waiting > 0 {
                return Ok(());
            }
        }
        exec!(db self; "insert into outbox (id, card, surface, chat, topic, person, what, due_at, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            OutboxId::new(self.clock.now(), &*self.entropy), card.cloned(), place.surface.clone(), place.chat.clone(),
            place.topic.clone(), person.cloned(), what, millis(due_at), self.now())?;
        self.committed("enqueue").await;
        Ok(())
    }

    /// Claims due messages of the surfaces that this replica can speak on.
    pub async fn claim_outbox(
        &self,
        surface: &str,
        holder: &str,
        until: Timestamp,
        most: i64,
    ) -> Result<Vec<Delivery>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "update outbox set holder = $1, held_until = $2 where id in (select id from outbox where due_at <= $3 and surface = $4
             and (held_until is null or held_until < $3) order by due_at, id limit $5{}) and (held_until is null or held_until < $3)
             returning id, card, surface, chat, topic, person, what, tries",
            self.skip_locked()
        ));
        let mut rows = all!(db self; Delivery; sql, holder, millis(until), self.now(), surface, most)?;
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(rows)
    }

    /// A message was delivered, or will never be.
    pub async fn delivered(&self, id: &OutboxId) -> Result<()> {
        exec!(db self; "delete from outbox where id = $1", id.clone())?;
        self.committed("delivered").await;
        Ok(())
    }

    /// A message is tried again then.
    pub async fn redeliver(&self, id: &OutboxId, due_at: Timestamp) -> Result<()> {
        exec!(db self; "update outbox set holder = null, held_until = null, tries = tries + 1, due_at = $1 where id = $2", millis(due_at), id.clone())?;
        self.committed("redeliver").await;
        Ok(())
    }

    /// When the next message of these surfaces is due.
    pub async fn next_outbox_due(&self, surfaces: &[&str]) -> Result<Option<Timestamp>> {
        let mut next: Option<i64> = None;
        for surface in surfaces {
            let row = one!(db self; (Option<i64>,); "select min(case when held_until > due_at then held_until else due_at end)
                from outbox where surface = $1", *surface)?;
            if let Some((Some(due),)) = row {
                next = Some(next.map_or(due, |known| known.min(due)));
            }
        }
        Ok(next.map(super::time))
    }

    /// How many messages wait: for `/health` and the tests' last look.
    pub async fn outbox_length(&self) -> Result<i64> {
        let row = one!(db self; (i64,); "select count(*) from outbox")?;
        Ok(row.map_or(0, |(count,)| count))
    }

    /// Forgets buttons, questions, attempts and updates that are long past.
    pub async fn sweep_talk(&self, before: Timestamp) -> Result<()> {
        for sql in [
            "delete from buttons where expires_at < $1",
            "delete from questions where expires_at < $1",
            "delete from seen_updates where seen_at < $1",
            "delete from invites where expires_at < $1",
            "delete from attempts where expires_at < $1",
        ] {
            exec!(db self; sql, millis(before))?;
        }
        Ok(())
    }
}
