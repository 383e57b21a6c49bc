//! Whether texts leave the house at all.

/// Where texts go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sender {
    /// To the gateways of each business; to the message log where it has none.
    #[default]
    Configured,
    /// Into the message log, where the operator and the tests read them.
    LogOnly,
}
