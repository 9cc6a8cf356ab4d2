//! What the bot may do in a channel, computed as Discord does (developers/topics/permissions: base permissions, then
//! overwrites). Pure; values come as decimal strings, because they pass 2^53.

use serde::{Deserialize, Deserializer};

pub(super) const ADMINISTRATOR: u64 = 1 << 3;
pub(super) const VIEW_CHANNEL: u64 = 1 << 10;
pub(super) const SEND_MESSAGES: u64 = 1 << 11;
pub(super) const READ_MESSAGE_HISTORY: u64 = 1 << 16;

/// A role of a server.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Role {
    pub(super) id: String,
    #[serde(deserialize_with = "bits")]
    pub(super) permissions: u64,
}

/// What a channel changes for one role or member.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Overwrite {
    pub(super) id: String,
    /// 0 a role, 1 a member.
    #[serde(rename = "type")]
    pub(super) kind: u8,
    #[serde(deserialize_with = "bits")]
    pub(super) allow: u64,
    #[serde(deserialize_with = "bits")]
    pub(super) deny: u64,
}

/// The bot in a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bearer<'a> {
    pub(super) guild: &'a str,
    pub(super) user: &'a str,
    /// The ids of its roles, without `@everyone`.
    pub(super) roles: &'a [String],
}

impl Bearer<'_> {
    /// The permissions in a channel with these overwrites, in a server with these roles.
    pub(super) fn permissions(&self, roles: &[Role], overwrites: &[Overwrite]) -> u64 {
        // The role of everyone has the server's id.
        let base = roles
            .iter()
            .filter(|role| role.id == self.guild || self.roles.contains(&role.id))
            .fold(0, |sum, role| sum | role.permissions);
        if base & ADMINISTRATOR != 0 {
            return u64::MAX;
        }
        let of_role = |overwrite: &&Overwrite| overwrite.kind == 0;
        let everyone = overwrites.iter().filter(of_role).filter(|overwrite| overwrite.id == self.guild);
        let own = overwrites.iter().filter(of_role).filter(|overwrite| self.roles.contains(&overwrite.id));
        let member = overwrites.iter().filter(|overwrite| overwrite.kind == 1 && overwrite.id == self.user);
        let sum = apply(apply(apply(base, everyone), own), member);
        // Who can't see a channel can do nothing in it.
        if sum & VIEW_CHANNEL == 0 { 0 } else { sum }
    }
}

/// All denials of one level, then all that it allows.
fn apply<'a>(sum: u64, overwrites: impl Iterator<Item = &'a Overwrite>) -> u64 {
    let (allow, deny) =
        overwrites.fold((0, 0), |(allow, deny), overwrite| (allow | overwrite.allow, deny | overwrite.deny));
    (sum & !deny) | allow
}

fn bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: u64 = VIEW_CHANNEL | SEND_MESSAGES;

    fn role(id: &str, permissions: u64) -> Role {
        Role { id: id.into(), permissions }
    }

    fn on(kind: u8, id: &str, allow: u64, deny: u64) -> Overwrite {
        Overwrite { id: id.into(), kind, allow, deny }
    }

    /// Server `g`, bot `b` with the roles `r1` and `r2`; `x` is a role and a member that are not the bot's.
    fn computed(roles: &[Role], overwrites: &[Overwrite]) -> u64 {
        let own = ["r1".to_owned(), "r2".to_owned()];
        Bearer { guild: "g", user: "b", roles: &own }.permissions(roles, overwrites)
    }

    #[test]
    fn the_table_of_cases() {
        let (view, send) = (VIEW_CHANNEL, SEND_MESSAGES);
        let cases: &[(&str, &[Role], &[Overwrite], u64)] = &[
            ("nothing gives nothing", &[], &[], 0),
            ("everyone's role counts", &[role("g", POST)], &[], POST),
            ("own roles add up", &[role("g", 0), role("r1", view), role("r2", send)], &[], POST),
            ("others' roles do not", &[role("g", view), role("x", send)], &[], view),
            ("an administrator may all", &[role("g", 0), role("r1", ADMINISTRATOR)], &[on(0, "g", 0, POST)], u64::MAX),
            ("everyone denied", &[role("g", POST)], &[on(0, "g", 0, send)], view),
            ("everyone allowed", &[role("g", view)], &[on(0, "g", send, 0)], POST),
            (
                "a role's allowance wins over everyone's denial",
                &[role("g", POST)],
                &[on(0, "g", 0, POST), on(0, "r1", POST, 0)],
                POST,
            ),
            (
                "among roles, allowance wins over denial, in any order",
                &[role("g", POST)],
                &[on(0, "r2", send, 0), on(0, "r1", 0, send)],
                POST,
            ),
            (
                "the member's denial wins over roles",
                &[role("g", POST)],
                &[on(0, "r1", send, 0), on(1, "b", 0, send)],
                view,
            ),
            (
                "the member's allowance wins over roles",
                &[role("g", POST)],
                &[on(0, "r1", 0, send), on(1, "b", send, 0)],
                POST,
            ),
            ("overwrites of others do nothing", &[role("g", POST)], &[on(0, "x", 0, POST), on(1, "x", 0, POST)], POST),
            ("a member's id is no role's", &[role("g", POST)], &[on(1, "g", 0, POST), on(0, "b", 0, POST)], POST),
            ("unseen means nothing", &[role("g", POST)], &[on(0, "g", 0, view)], 0),
            (
                "the order of levels is fixed",
                &[role("g", POST)],
                &[on(1, "b", send, 0), on(0, "r1", 0, send), on(0, "g", 0, send)],
                POST,
            ),
        ];
        for (what, roles, overwrites, expected) in cases {
            assert_eq!(computed(roles, overwrites), *expected, "{what}");
        }
    }

    #[test]
    fn values_past_two_to_the_53_are_read_exactly() {
        let role: Role = serde_json::from_str(r#"{"id":"1","permissions":"9007199254740993"}"#).unwrap();
        assert_eq!(role.permissions, (1 << 53) + 1);
        assert!(serde_json::from_str::<Role>(r#"{"id":"1","permissions":"all"}"#).is_err());
    }
}
