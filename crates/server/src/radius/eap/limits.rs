//! How much strangers may make this server keep: whoever reaches a NAS can begin a login.

use lango_domain::time::Span;

/// The bounds of logins under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many there may be. Another one makes the oldest be forgotten: so a flood must be as
    /// fast as this many within the second that a login takes, before it hinders anybody.
    pub conversations: usize,
    /// How long each may take.
    pub lifetime: Span,
    /// How many messages each may have.
    pub rounds: u32,
    /// How many octets of a message, whole, are kept or sent.
    pub buffered: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { conversations: 1024, lifetime: Span::seconds(30), rounds: 64, buffered: 64 * 1024 }
    }
}
