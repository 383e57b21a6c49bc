//! Which way a list runs.

/// Which way a list runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The oldest, smallest or first first.
    Ascending,
    /// The latest, largest or last first.
    Descending,
}

impl Order {
    /// The number that lies before all ids in this order: where a list begins.
    pub(crate) fn beginning(self) -> i64 {
        match self {
            Order::Ascending => 0,
            Order::Descending => i64::MAX,
        }
    }
}
