//! Request budgets per key, for every vendor that counts calls: so many in a window, then refusal until it ends. It
//! knows no vendor and no header; time comes from the caller.

use std::collections::HashMap;

/// How a vendor places its windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// On multiples of the period since the epoch (Rack::Attack, which Mastodon uses).
    Aligned,
    /// From a key's first call (rate-limiter-flexible, which the Bluesky data server uses).
    FromFirst,
}

/// One budget.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    limit: u64,
    period_ms: i64,
    window: Window,
    spent: HashMap<String, (i64, u64)>,
}

/// What a budget says to one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Calls (or points) in a window.
    pub(crate) limit: u64,
    /// What is left of them after this call.
    pub(crate) remaining: u64,
    /// When the window ends (Unix ms).
    pub(crate) reset_ms: i64,
    /// The window's length (ms).
    pub(crate) period_ms: i64,
    /// Whether this call fits.
    pub(crate) allowed: bool,
}

impl Throttle {
    pub(crate) fn new(limit: u64, period_ms: i64, window: Window) -> Self {
        Self { limit, period_ms, window, spent: HashMap::new() }
    }

    /// Spends `cost` for `key` at `now` (Unix ms). A refused call still counts against nothing.
    pub(crate) fn spend(&mut self, key: &str, cost: u64, now: i64) -> Budget {
        let fresh = match self.window {
            Window::Aligned => now - now.rem_euclid(self.period_ms),
            Window::FromFirst => now,
        };
        let entry = self.spent.entry(key.to_owned()).or_insert((fresh, 0));
        if now >= entry.0 + self.period_ms {
            *entry = (fresh, 0);
        }
        let allowed = entry.1 + cost <= self.limit;
        if allowed {
            entry.1 += cost;
        }
        Budget {
            limit: self.limit,
            remaining: self.limit - entry.1,
            reset_ms: entry.0 + self.period_ms,
            period_ms: self.period_ms,
            allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_past_the_limit_until_the_window_ends() {
        let mut throttle = Throttle::new(2, 1000, Window::Aligned);
        assert!(throttle.spend("a", 1, 1500).allowed);
        assert!(throttle.spend("a", 1, 1600).allowed);
        let refused = throttle.spend("a", 1, 1700);
        assert!(!refused.allowed);
        assert_eq!(refused.reset_ms, 2000);
        assert!(throttle.spend("b", 1, 1700).allowed);
        assert!(throttle.spend("a", 1, 2000).allowed);
    }

    #[test]
    fn a_window_from_the_first_call_is_not_aligned() {
        let mut throttle = Throttle::new(1, 1000, Window::FromFirst);
        assert_eq!(throttle.spend("a", 1, 1500).reset_ms, 2500);
        assert!(!throttle.spend("a", 1, 2499).allowed);
        assert!(throttle.spend("a", 1, 2500).allowed);
    }
}
