//! The words of accounting: what a report is about, why a session ended, and 64-bit counters in
//! two attributes (RFC 2866 §5, RFC 2869 §5.1).

use std::fmt;

use crate::dictionary::{self, Field};
use crate::draft::{Draft, EncodeError};
use crate::format::Integer;
use crate::packet::Packet;

/// What an Accounting-Request reports (RFC 2866 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// A session began.
    Start,
    /// A session ended.
    Stop,
    /// A session goes on.
    Interim,
    /// The NAS came up: none of its earlier sessions lives.
    On,
    /// The NAS goes down.
    Off,
    /// Something else.
    Other(u32),
}

impl Status {
    /// The status for a number; every number is one.
    pub fn from_number(number: u32) -> Status {
        match number {
            1 => Status::Start,
            2 => Status::Stop,
            3 => Status::Interim,
            7 => Status::On,
            8 => Status::Off,
            other => Status::Other(other),
        }
    }

    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Status::Start => 1,
            Status::Stop => 2,
            Status::Interim => 3,
            Status::On => 7,
            Status::Off => 8,
            Status::Other(number) => number,
        }
    }

    /// What this packet reports, if it says.
    pub fn of(packet: &Packet<'_>) -> Option<Status> {
        packet.read(dictionary::ACCT_STATUS_TYPE).map(Status::from_number)
    }
}

/// Why a session ended (RFC 2866 §5.10), as a number with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TerminateCause(pub u32);

impl TerminateCause {
    /// The user logged out.
    pub const USER_REQUEST: TerminateCause = TerminateCause(1);
    /// The line dropped.
    pub const LOST_CARRIER: TerminateCause = TerminateCause(2);
    /// The service cannot go on.
    pub const LOST_SERVICE: TerminateCause = TerminateCause(3);
    /// Nothing was sent for too long.
    pub const IDLE_TIMEOUT: TerminateCause = TerminateCause(4);
    /// The session's time is over.
    pub const SESSION_TIMEOUT: TerminateCause = TerminateCause(5);
    /// Ended by an operator or by a Disconnect-Request.
    pub const ADMIN_RESET: TerminateCause = TerminateCause(6);
    /// The NAS is being restarted.
    pub const ADMIN_REBOOT: TerminateCause = TerminateCause(7);
    /// The port failed.
    pub const PORT_ERROR: TerminateCause = TerminateCause(8);
    /// The NAS failed.
    pub const NAS_ERROR: TerminateCause = TerminateCause(9);
    /// The NAS ended it; RouterOS says so when a traffic limit is reached.
    pub const NAS_REQUEST: TerminateCause = TerminateCause(10);
    /// The NAS restarted unasked.
    pub const NAS_REBOOT: TerminateCause = TerminateCause(11);
    /// The user did something wrong.
    pub const USER_ERROR: TerminateCause = TerminateCause(17);
    /// The host ended it.
    pub const HOST_REQUEST: TerminateCause = TerminateCause(18);

    /// Why this packet's session ended, if it says.
    pub fn of(packet: &Packet<'_>) -> Option<TerminateCause> {
        packet.read(dictionary::ACCT_TERMINATE_CAUSE).map(TerminateCause)
    }
}

impl fmt::Display for TerminateCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 18] = [
            "User-Request",
            "Lost-Carrier",
            "Lost-Service",
            "Idle-Timeout",
            "Session-Timeout",
            "Admin-Reset",
            "Admin-Reboot",
            "Port-Error",
            "NAS-Error",
            "NAS-Request",
            "NAS-Reboot",
            "Port-Unneeded",
            "Port-Preempted",
            "Port-Suspended",
            "Service-Unavailable",
            "Callback",
            "User-Error",
            "Host-Request",
        ];
        let name = usize::try_from(self.0)
            .ok()
            .and_then(|number| number.checked_sub(1))
            .and_then(|place| NAMES.get(place));
        match name {
            Some(name) => f.write_str(name),
            None => write!(f, "Acct-Terminate-Cause {}", self.0),
        }
    }
}

/// A 64-bit count in two attributes of 32 bits. Writing the lower one alone would wrap silently:
/// 5 GB would arrive as 705 MB.
#[derive(Clone, Copy, Debug)]
pub struct WideField {
    low: Field<Integer>,
    gigawords: Field<Integer>,
}

/// Octets from the user: upload, as the RFC counts.
pub const INPUT_OCTETS: WideField =
    WideField { low: dictionary::ACCT_INPUT_OCTETS, gigawords: dictionary::ACCT_INPUT_GIGAWORDS };
/// Octets to the user: download, as the RFC counts.
pub const OUTPUT_OCTETS: WideField =
    WideField { low: dictionary::ACCT_OUTPUT_OCTETS, gigawords: dictionary::ACCT_OUTPUT_GIGAWORDS };
/// The upload that RouterOS allows a session.
pub const MIKROTIK_RECV_LIMIT: WideField = WideField {
    low: dictionary::MIKROTIK_RECV_LIMIT,
    gigawords: dictionary::MIKROTIK_RECV_LIMIT_GIGAWORDS,
};
/// The download that RouterOS allows a session.
pub const MIKROTIK_XMIT_LIMIT: WideField = WideField {
    low: dictionary::MIKROTIK_XMIT_LIMIT,
    gigawords: dictionary::MIKROTIK_XMIT_LIMIT_GIGAWORDS,
};
/// Upload and download together that RouterOS allows a session.
pub const MIKROTIK_TOTAL_LIMIT: WideField = WideField {
    low: dictionary::MIKROTIK_TOTAL_LIMIT,
    gigawords: dictionary::MIKROTIK_TOTAL_LIMIT_GIGAWORDS,
};

/// A count as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// The NAS counts in 64 bits.
    Whole(u64),
    /// The NAS sent no gigawords: the count may have wrapped at 2^32.
    Modulo32(u32),
}

impl WideField {
    /// Reads the count, if the packet has one.
    pub fn read(self, packet: &Packet<'_>) -> Option<Count> {
        let low = packet.read(self.low)?;
        Some(match packet.read(self.gigawords) {
            Some(high) => Count::Whole((u64::from(high) << 32) | u64::from(low)),
            None => Count::Modulo32(low),
        })
    }

    /// Writes both attributes, also when the upper one is 0.
    pub fn put(self, draft: &mut Draft, count: u64) -> Result<(), EncodeError> {
        let [a, b, c, d, low @ ..] = count.to_be_bytes();
        draft.put(self.low, u32::from_be_bytes(low))?;
        draft.put(self.gigawords, u32::from_be_bytes([a, b, c, d]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn five_gigabytes_stay_five_gigabytes() {
        let mut draft = Draft::accounting_request(1);
        OUTPUT_OCTETS.put(&mut draft, 5_000_000_000).unwrap();
        draft.put(dictionary::ACCT_INPUT_OCTETS, 17).unwrap();
        let sealed = draft.seal(&Secret::new("testing123").unwrap());
        let packet = sealed.packet();
        assert_eq!(packet.read(dictionary::ACCT_OUTPUT_OCTETS), Some(705_032_704));
        assert_eq!(OUTPUT_OCTETS.read(&packet), Some(Count::Whole(5_000_000_000)));
        assert_eq!(INPUT_OCTETS.read(&packet), Some(Count::Modulo32(17)));
    }

    #[test]
    fn causes_have_the_names_of_the_rfc() {
        assert_eq!(TerminateCause::SESSION_TIMEOUT.to_string(), "Session-Timeout");
        assert_eq!(TerminateCause::HOST_REQUEST.to_string(), "Host-Request");
        assert_eq!(TerminateCause(0).to_string(), "Acct-Terminate-Cause 0");
        assert_eq!(TerminateCause(19).to_string(), "Acct-Terminate-Cause 19");
    }

    #[test]
    fn every_status_survives() {
        assert!((0..20).all(|number| Status::from_number(number).number() == number));
    }
}
