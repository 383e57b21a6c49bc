//! Subscribers as the NASes know them.

use lango_radius::dictionary::{CALLING_STATION_ID, NAS_IP_ADDRESS, NAS_PORT, NAS_PORT_TYPE};
use lango_radius::{Draft, EncodeError};
use std::net::Ipv4Addr;

/// How a login is proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Proof {
    /// The password, hidden.
    Pap,
    /// That it is known.
    Chap,
}

/// The name of a subscriber.
pub(crate) fn name(subscriber: usize) -> String {
    format!("subscriber{subscriber:07}")
}

/// His password.
pub(crate) fn password(subscriber: usize) -> String {
    format!("word{:08x}", (subscriber as u32).wrapping_mul(2_654_435_761))
}

/// A subscriber's line and what is on it.
pub(crate) struct Session {
    subscriber: usize,
    /// How many there were on that line.
    number: u32,
    /// What the server wants to have repeated.
    pub(crate) class: Option<Vec<u8>>,
    pub(crate) is_open: bool,
    pub(crate) seconds: u32,
    pub(crate) input: u64,
}

impl Session {
    pub(crate) fn of(subscriber: usize) -> Session {
        Session { subscriber, number: 0, class: None, is_open: false, seconds: 0, input: 0 }
    }

    pub(crate) fn name(&self) -> String {
        name(self.subscriber)
    }

    pub(crate) fn password(&self) -> String {
        password(self.subscriber)
    }

    pub(crate) fn id(&self) -> String {
        format!("{:08x}{:07x}", self.number, self.subscriber)
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from(0x0a00_0001_u32.wrapping_add(self.subscriber as u32))
    }

    /// A login was accepted.
    pub(crate) fn begin(&mut self, class: Option<Vec<u8>>) {
        self.number += 1;
        (self.class, self.is_open, self.seconds, self.input) = (class, false, 0, 0);
    }

    /// Another interval has passed.
    pub(crate) fn go_on(&mut self) {
        self.seconds += 300;
        self.input += 1_234_567;
    }

    /// The power was lost.
    pub(crate) fn forget(&mut self) {
        (self.class, self.is_open) = (None, false);
    }

    /// Where he is.
    pub(crate) fn put_where(&self, draft: &mut Draft) -> Result<(), EncodeError> {
        let [_, a, b, c] = (self.subscriber as u32).to_be_bytes();
        draft.put(CALLING_STATION_ID, &format!("02:00:00:{a:02X}:{b:02X}:{c:02X}"))?;
        draft.put(NAS_IP_ADDRESS, Ipv4Addr::LOCALHOST)?;
        draft.put(NAS_PORT, self.subscriber as u32)?;
        draft.put(NAS_PORT_TYPE, 15)
    }
}
