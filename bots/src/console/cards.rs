//! The messages on the screen and the numbers that press their buttons. Everything here is lost with the process, on
//! purpose: a restarted daemon shows its cards again. It must not know the handler or where the text is written.

use std::collections::VecDeque;

use super::line::Pick;
use super::plain::{clean_line, draw};
use crate::model::{Message, MessageRef, Press, SurfaceKind};

/// How many cards stay reachable by `#CARD.NUMBER`, and editable.
const KEPT: usize = 200;

/// What a number does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// Press a button.
    Press(String),
    /// Open a link.
    Open(String),
    /// Pick in a select menu: its token, the values.
    Select(String, Vec<String>),
}

/// A number on a card.
#[derive(Clone, Debug)]
enum Entry {
    Press(String),
    Open(String),
    Choice(String),
}

struct Card {
    id: u64,
    entries: Vec<Entry>,
    /// Token, fewest, most.
    select: Option<(String, usize, usize)>,
    drawn: String,
}

/// All cards of this run.
pub(crate) struct Cards {
    /// Tells this run's cards from an earlier run's, which had the same numbers.
    session: String,
    last: u64,
    /// In the order in which they were last shown.
    cards: VecDeque<Card>,
}

impl Cards {
    pub(crate) fn new(session: String) -> Self {
        Self { session, last: 0, cards: VecDeque::new() }
    }

    /// A new card: its reference, and what to print.
    pub(crate) fn show(&mut self, message: &Message, ansi: bool) -> (MessageRef, String) {
        self.last += 1;
        let (card, drawn) = draw_card(self.last, message, ansi);
        let block = format!("[#{}] {drawn}", card.id);
        let at = self.reference(card.id);
        self.keep(card);
        (at, block)
    }

    /// The card again, as it is now: what to print, nothing where it looks the same. `None` where it is not on this
    /// run's screen.
    pub(crate) fn update(&mut self, at: &MessageRef, message: &Message, ansi: bool) -> Option<Option<String>> {
        let place = self.place(at)?;
        let id = self.cards.get(place)?.id;
        let (card, drawn) = draw_card(id, message, ansi);
        let old = self.cards.remove(place)?;
        let block = (old.drawn != card.drawn).then(|| format!("[#{id}, updated] {drawn}"));
        self.keep(card);
        Some(block)
    }

    /// Takes a card away: what to print.
    pub(crate) fn remove(&mut self, at: &MessageRef) -> Option<String> {
        let place = self.place(at)?;
        self.cards.remove(place).map(|card| format!("[#{}, removed]", card.id))
    }

    /// What the typed numbers do, and on which card. `Ok(None)` where they are no numbers of any card, so that they
    /// are a message; `Err` with a sentence where they can't be meant so.
    pub(crate) fn act(&self, pick: &Pick) -> Result<Option<(MessageRef, Act)>, String> {
        let card = match pick.card {
            Some(id) => self.cards.iter().find(|card| card.id == id),
            None => self.cards.iter().rev().find(|card| !card.entries.is_empty()),
        };
        let Some(card) = card else {
            return Ok(None);
        };
        let at = self.reference(card.id);
        if let ([0], Some((token, 0, _))) = (pick.numbers.as_slice(), &card.select) {
            return Ok(Some((at, Act::Select(token.clone(), Vec::new()))));
        }
        let mut picked = Vec::new();
        for number in &pick.numbers {
            match number.checked_sub(1).and_then(|index| card.entries.get(index)) {
                Some(_) if !picked.contains(number) => picked.push(*number),
                Some(_) => {}
                None => return Ok(None),
            }
        }
        let entries: Vec<&Entry> = picked.iter().filter_map(|number| card.entries.get(number - 1)).collect();
        match entries.as_slice() {
            [Entry::Press(token)] => return Ok(Some((at, Act::Press(token.clone())))),
            [Entry::Open(url)] => return Ok(Some((at, Act::Open(url.clone())))),
            _ => {}
        }
        let values: Vec<String> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Choice(value) => Some(value.clone()),
                Entry::Press(_) | Entry::Open(_) => None,
            })
            .collect();
        match &card.select {
            Some((token, min, max)) if values.len() == entries.len() => {
                if values.len() < *min || values.len() > *max {
                    return Err(format!("Pick {}.", amount(*min, *max)));
                }
                Ok(Some((at, Act::Select(token.clone(), values))))
            }
            _ => Err("One button at a time, please.".to_owned()),
        }
    }

    fn reference(&self, id: u64) -> MessageRef {
        MessageRef {
            surface: SurfaceKind::Console,
            chat: super::CHAT.to_owned(),
            id: id.to_string(),
            token: Some(self.session.clone()),
            parts: Vec::new(),
        }
    }

    fn place(&self, at: &MessageRef) -> Option<usize> {
        if at.token.as_deref() != Some(self.session.as_str()) {
            return None;
        }
        let id: u64 = at.id.parse().ok()?;
        self.cards.iter().position(|card| card.id == id)
    }

    fn keep(&mut self, card: Card) {
        self.cards.push_back(card);
        if self.cards.len() > KEPT {
            self.cards.pop_front();
        }
    }
}

fn amount(min: usize, max: usize) -> String {
    match (min, max) {
        (min, max) if min == max => format!("{min}"),
        (0, max) => format!("up to {max} (0 for none)"),
        (min, max) => format!("{min} to {max}"),
    }
}

fn draw_card(id: u64, message: &Message, ansi: bool) -> (Card, String) {
    let mut lines = vec![draw(&message.text, ansi)];
    let mut entries = Vec::new();
    for media in &message.media {
        let alt = media.alt.as_deref().map(|alt| format!(": {}", clean_line(alt))).unwrap_or_default();
        lines.push(format!("  + {} ({}){alt}", clean_line(&media.name), clean_line(&media.mime)));
    }
    let mut select = None;
    if let Some(menu) = message.select.as_ref().filter(|menu| !menu.choices.is_empty()) {
        let max = usize::from(menu.max).clamp(1, menu.choices.len());
        let min = usize::from(menu.min).min(max);
        let several = if max > 1 { ", like 1 3" } else { "" };
        lines.push(format!("  {} (pick {}{several})", clean_line(&menu.placeholder), amount(min, max)));
        for choice in &menu.choices {
            entries.push(Entry::Choice(choice.value.clone()));
            let mark = if choice.picked { "✓ " } else { "" };
            let detail = choice.detail.as_deref().map(|detail| format!(": {}", clean_line(detail))).unwrap_or_default();
            lines.push(format!("  [{}] {mark}{}{detail}", entries.len(), clean_line(&choice.label)));
        }
        select = Some((menu.token.clone(), min, max));
    }
    for row in &message.rows {
        let mut drawn = Vec::new();
        for button in row {
            let label = clean_line(&button.label);
            match &button.press {
                Press::Token(token) => {
                    entries.push(Entry::Press(token.clone()));
                    drawn.push(format!("[{}] {label}", entries.len()));
                }
                Press::Link(url) => {
                    entries.push(Entry::Open(url.clone()));
                    let arrow = if label.ends_with('↗') { "" } else { " ↗" };
                    drawn.push(format!("[{}] {label}{arrow}", entries.len()));
                }
            }
        }
        if !drawn.is_empty() {
            lines.push(format!("  {}", drawn.join("   ")));
        }
    }
    if let Some(ask) = &message.ask {
        lines.push(format!("  (type: {})", clean_line(ask)));
    }
    let drawn = lines.join("\n");
    (Card { id, entries, select, drawn: drawn.clone() }, drawn)
}
