//! Identities. Made by the program, not by the database, so that a row knows its name before it
//! is written and every node can make one. Ordered by time; each kind is its own type.

use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// The digits of a printed id: base 32 without the letters people confuse.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 63 bits in groups of five.
const LENGTH: usize = 13;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind} id: expected `{prefix}` and 13 letters or digits")]
pub struct NotAnId {
    text: String,
    kind: &'static str,
    prefix: char,
}

/// What all id types share.
pub trait Id: Copy + Eq + Ord + fmt::Display + Send + Sync + 'static {
    /// Wraps the number that the database holds.
    fn from_raw(raw: i64) -> Self;
    /// The number that the database holds.
    fn raw(self) -> i64;
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl Id for $name {
            fn from_raw(raw: i64) -> Self { Self(raw) }
            fn raw(self) -> i64 { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = print(self.0);
                // `print` only emits bytes of DIGITS, which are ASCII.
                write!(f, "{}{}", $prefix, String::from_utf8_lossy(&digits))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix($prefix)
                    .and_then(parse)
                    .map(Self)
                    .ok_or_else(|| NotAnId { text: text.into(), kind: $kind, prefix: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn inline_schema() -> bool { true }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                // The first digit stands for three bits, of which the sign is never set.
                let pattern = concat!("^", $prefix, "[0-7][0-9a-hjkmnp-tv-z]{12}$");
                schemars::json_schema!({ "type": "string", "pattern": pattern })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/// A business with its own customers, plans, routers, money and staff.
    TenantId, 't', "tenant");
id!(/// An enforcement point.
    RouterId, 'r', "router");
id!(/// What is sold.
    PlanId, 'p', "plan");
id!(/// Who buys.
    CustomerId, 'c', "customer");
id!(/// A MAC address seen once; never an identity.
    DeviceId, 'd', "device");
id!(/// A right to be online.
    GrantId, 'g', "grant");
id!(/// A connection seen on a router.
    SessionId, 's', "session");
id!(/// An effect that must happen at least once.
    JobId, 'j', "job");
id!(/// A line of the append-only account of changes.
    ActivityId, 'a', "activity");
id!(/// A text sent to somebody.
    MessageId, 'm', "message");
id!(/// A key for the API.
    TokenId, 'k', "token");
id!(/// A person of the tenant's staff.
    UserId, 'u', "user");
id!(/// An address that is told what happens.
    WebhookId, 'w', "webhook");
id!(/// One try to tell a webhook something.
    DeliveryId, 'y', "delivery");
id!(/// The proof of a cut.
    CutId, 'x', "cut");
id!(/// The proof of money.
    ReceiptId, 'e', "receipt");
id!(/// An intent to pay, and what became of it.
    PaymentId, 'o', "payment");
id!(/// An account with a payment provider.
    GatewayId, 'n', "gateway");
id!(/// A message of a payment provider, as it came.
    InboxId, 'i', "inbox");
id!(/// Money that came.
    MoneyId, 'h', "money");
id!(/// A line of the ledger.
    PostingId, 'l', "posting");
id!(/// An action on many things at once.
    TaskId, 'b', "task");
id!(/// Vouchers that were made together.
    BatchId, 'v', "voucher batch");
id!(/// Somebody who sells vouchers for the business.
    ResellerId, 'z', "reseller");
id!(/// A gateway that takes texts.
    SenderId, 'q', "sender");

fn print(raw: i64) -> [u8; LENGTH] {
    let mut rest = raw as u64;
    let mut digits = [b'0'; LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest & 31) as usize];
        rest >>= 5;
    }
    digits
}

fn parse(text: &str) -> Option<i64> {
    if text.len() != LENGTH {
        return None;
    }
    let mut raw: u64 = 0;
    for byte in text.bytes() {
        let digit = DIGITS.iter().position(|known| *known == byte.to_ascii_lowercase())?;
        raw = raw.checked_mul(32)?.checked_add(digit as u64)?;
    }
    i64::try_from(raw).ok()
}

/// Makes ids for one process: milliseconds, a counter within them, and the node's number.
///
/// The order of the parts matters: the counter stands above the node, so that ids of one process
/// always grow, also when the clock stands still or steps back.
#[derive(Debug)]
pub struct IdSequence {
    node: u8,
    last: i64,
}

impl IdSequence {
    const COUNTER_BITS: u32 = 13;
    const NODE_BITS: u32 = 8;

    /// A sequence for the node with that number. Two processes on one database need different
    /// numbers, or their ids can meet.
    pub fn new(node: u8) -> Self {
        Self { node, last: 0 }
    }

    /// The smallest id of things that came into being at that time or later.
    pub fn first_at<I: Id>(at: Timestamp) -> I {
        I::from_raw(((at.micros() / 1000) << Self::COUNTER_BITS) << Self::NODE_BITS)
    }

    /// The next id, for a thing that comes into being at `now`.
    pub fn next<I: Id>(&mut self, now: Timestamp) -> I {
        let earliest = (now.micros() / 1000) << Self::COUNTER_BITS;
        self.last = earliest.max(self.last + 1);
        I::from_raw((self.last << Self::NODE_BITS) | i64::from(self.node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_grow_even_when_the_clock_steps_back() {
        let mut ids = IdSequence::new(3);
        let late: GrantId = ids.next(Timestamp::from_micros(2_000_000_000));
        let early: GrantId = ids.next(Timestamp::from_micros(1_000_000_000));
        assert!(early > late);
    }

    #[test]
    fn a_router_id_is_not_a_grant_id() {
        let router = RouterId::from_raw(77);
        assert!(router.to_string().parse::<GrantId>().is_err());
    }

    proptest! {
        #[test]
        fn printed_ids_read_back(raw in 0..=i64::MAX) {
            let id = GrantId::from_raw(raw);
            prop_assert_eq!(id.to_string().parse::<GrantId>(), Ok(id));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
            let _ = text.parse::<GrantId>();
        }
    }
}
