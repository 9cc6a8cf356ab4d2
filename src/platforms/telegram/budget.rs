//! The pace that Telegram asks of one bot: about 30 messages a second in all, one a second in each chat with short
//! bursts, 20 a minute in each group (channels are not named in its FAQ: the same number). Real time, because Telegram
//! counts that. It knows nothing of what is sent.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::super::Budget;

/// How much of something may happen: `burst` at once, then one per `pause`.
#[derive(Clone, Copy)]
struct Pace {
    burst: u32,
    pause: Duration,
}

/// In all chats together.
const OVERALL: Pace = Pace { burst: 30, pause: Duration::from_nanos(33_333_334) };
/// In one chat.
const CHAT: Pace = Pace { burst: 3, pause: Duration::from_secs(1) };
/// In one group or channel: 8 at once and 12 more in the rest of a minute are never more than 20 in any minute.
const GROUP: Pace = Pace { burst: 8, pause: Duration::from_secs(5) };
/// How many chats are remembered before those that are rested are forgotten. The overall pace bounds the rest: a chat
/// that got one message is rested five seconds later.
const REMEMBERED: usize = 1024;

/// A token bucket, told by the moment at which it is full again.
#[derive(Clone, Copy)]
struct Bucket(Instant);

impl Bucket {
    /// When `calls` may leave. More than a burst waits for a full bucket and leaves a debt.
    fn earliest(self, pace: Pace, now: Instant, calls: u32) -> Instant {
        let spare = pace.burst.saturating_sub(calls);
        self.0.checked_sub(pace.pause * spare).map_or(now, |start| start.max(now))
    }

    fn spend(&mut self, pace: Pace, start: Instant, calls: u32) {
        self.0 = self.0.max(start) + pace.pause * calls;
    }
}

struct Chat {
    second: Bucket,
    minute: Option<Bucket>,
}

impl Chat {
    fn is_rested(&self, now: Instant) -> bool {
        self.second.0 <= now && self.minute.is_none_or(|bucket| bucket.0 <= now)
    }
}

struct Buckets {
    overall: Bucket,
    chats: HashMap<String, Chat>,
}

impl Buckets {
    fn new(now: Instant) -> Self {
        Self { overall: Bucket(now), chats: HashMap::new() }
    }

    /// Books `calls` messages to `chat` and says when they may leave.
    fn book(&mut self, now: Instant, chat: &str, calls: u32) -> Instant {
        if self.chats.len() >= REMEMBERED {
            self.chats.retain(|_, chat| !chat.is_rested(now));
        }
        // Ids of people are positive; groups and channels have negative ids or an @name.
        let is_person = chat.parse::<i64>().is_ok_and(|id| id > 0);
        let chat = self
            .chats
            .entry(chat.to_owned())
            .or_insert_with(|| Chat { second: Bucket(now), minute: (!is_person).then_some(Bucket(now)) });
        let mut start = self.overall.earliest(OVERALL, now, calls).max(chat.second.earliest(CHAT, now, calls));
        if let Some(minute) = &chat.minute {
            start = start.max(minute.earliest(GROUP, now, calls));
        }
        self.overall.spend(OVERALL, start, calls);
        chat.second.spend(CHAT, start, calls);
        if let Some(minute) = &mut chat.minute {
            minute.spend(GROUP, start, calls);
        }
        start
    }
}

/// The budget of one Telegram bot.
pub struct TelegramBudget(Mutex<Buckets>);

impl TelegramBudget {
    /// A rested bot.
    pub fn new() -> Self {
        Self(Mutex::new(Buckets::new(Instant::now())))
    }
}

impl Default for TelegramBudget {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Budget for TelegramBudget {
    async fn take(&self, chat: &str, calls: u32) {
        let now = Instant::now();
        let start = self.0.lock().unwrap_or_else(PoisonError::into_inner).book(now, chat, calls);
        tokio::time::sleep(start - now).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moments (in milliseconds) at which `count` messages to `chat` leave, each asked for at once.
    fn moments(chat: impl Fn(usize) -> String, count: usize) -> Vec<u128> {
        let now = Instant::now();
        let mut buckets = Buckets::new(now);
        (0..count).map(|index| (buckets.book(now, &chat(index), 1) - now).as_millis()).collect()
    }

    #[test]
    fn a_person_gets_a_short_burst_and_then_one_a_second() {
        assert_eq!(moments(|_| "42".into(), 6), [0, 0, 0, 1000, 2000, 3000]);
    }

    #[test]
    fn a_group_gets_at_most_twenty_in_any_minute() {
        for chat in ["-5", "-1001", "@news"] {
            let moments = moments(|_| chat.into(), 100);
            for (index, start) in moments.iter().enumerate() {
                let in_a_minute = moments[index..].iter().take_while(|at| **at < start + 60_000).count();
                assert!(in_a_minute <= 20, "{in_a_minute} in the minute from {start} ms in {chat}");
            }
        }
    }

    #[test]
    fn all_chats_together_get_thirty_a_second() {
        let moments = moments(|index| format!("{}", index + 1), 90);
        assert_eq!(moments.iter().filter(|at| **at == 0).count(), 30);
        assert!((1990..=2001).contains(&moments[89]), "{}", moments[89]);
    }

    #[test]
    fn an_album_leaves_at_once_and_the_next_message_pays_for_it() {
        let now = Instant::now();
        let mut buckets = Buckets::new(now);
        assert_eq!(buckets.book(now, "-1001", 10), now);
        assert_eq!(buckets.book(now, "-1001", 1) - now, Duration::from_secs(15));
    }

    #[test]
    fn rested_chats_are_forgotten() {
        let now = Instant::now();
        let mut buckets = Buckets::new(now);
        for index in 0..REMEMBERED {
            buckets.book(now, &format!("-{}", index + 1), 1);
        }
        buckets.book(now + Duration::from_secs(600), "-1", 1);
        assert_eq!(buckets.chats.len(), 1);
    }

    #[tokio::test]
    async fn take_returns_at_once_when_rested() {
        let before = Instant::now();
        TelegramBudget::new().take("42", 1).await;
        assert!(before.elapsed() < Duration::from_millis(900));
    }
}
