//! Owns what a router says of a session to RADIUS, in the order and the words of RouterOS.
//! (MikroTik manual, "RADIUS": attributes sent.)

use std::net::Ipv4Addr;

use lango_radius::accounting::{INPUT_OCTETS, OUTPUT_OCTETS, Status, TerminateCause};
use lango_radius::dictionary::{self as field, Field};
use lango_radius::format::Text;
use lango_radius::{Draft, EncodeError};
use lango_routeros::values::MacAddress;

use crate::faults::Counting;
use crate::world::meter::Traffic;
use crate::world::units::SECOND;

/// Which part of the router asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Hotspot,
    Ppp,
}

impl Service {
    /// The word in `service` of `/radius`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Service::Hotspot => "hotspot",
            Service::Ppp => "ppp",
        }
    }

    /// The first two digits of a session's id.
    pub(crate) fn digits(self) -> u32 {
        match self {
            Service::Hotspot => 0x80,
            Service::Ppp => 0x81,
        }
    }
}

/// Everything about a session that does not change while it lives.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) service: Service,
    pub(crate) identity: String,
    pub(crate) user: String,
    pub(crate) calling: String,
    pub(crate) called: String,
    pub(crate) port_id: String,
    pub(crate) port: u32,
    pub(crate) port_type: u32,
    pub(crate) session_id: String,
    /// The address that the session uses; a PPP client has none before it is let in.
    pub(crate) ip: Option<Ipv4Addr>,
    /// The hotspot guest's own address.
    pub(crate) host_ip: Option<Ipv4Addr>,
    pub(crate) logoff_url: String,
}

const FRAMED: u32 = 2;
const PPP: u32 = 1;
const AUTHENTICATED_BY_RADIUS: u32 = 1;

impl Facts {
    /// What an Access-Request says besides the proof.
    pub(crate) fn ask(&self, draft: &mut Draft, nas: Ipv4Addr) -> Result<(), EncodeError> {
        self.name_session(draft)?;
        text(draft, field::WISPR_LOGOFF_URL, &self.logoff_url)?;
        self.name_router(draft, nas)
    }

    fn name_session(&self, draft: &mut Draft) -> Result<(), EncodeError> {
        if self.service == Service::Ppp {
            draft.put(field::SERVICE_TYPE, FRAMED)?;
            draft.put(field::FRAMED_PROTOCOL, PPP)?;
        }
        draft.put(field::NAS_PORT, self.port)?;
        draft.put(field::NAS_PORT_TYPE, self.port_type)?;
        text(draft, field::USER_NAME, &self.user)?;
        text(draft, field::CALLING_STATION_ID, &self.calling)?;
        text(draft, field::CALLED_STATION_ID, &self.called)?;
        text(draft, field::NAS_PORT_ID, &self.port_id)?;
        text(draft, field::ACCT_SESSION_ID, &self.session_id)?;
        if let Some(ip) = self.ip {
            draft.put(field::FRAMED_IP_ADDRESS, ip)?;
        }
        if let Some(ip) = self.host_ip {
            draft.put(field::MIKROTIK_HOST_IP, ip)?;
        }
        Ok(())
    }

    fn name_router(&self, draft: &mut Draft, nas: Ipv4Addr) -> Result<(), EncodeError> {
        text(draft, field::NAS_IDENTIFIER, &self.identity)?;
        draft.put(field::NAS_IP_ADDRESS, nas)
    }
}

/// RADIUS cannot say an empty text: the attribute is left out.
fn text(draft: &mut Draft, field: Field<Text>, value: &str) -> Result<(), EncodeError> {
    if value.is_empty() { Ok(()) } else { draft.put(field, value) }
}

/// One Accounting-Request.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) status: Status,
    pub(crate) about: About,
    /// Seconds since 1970 on the router's own clock, which may be wrong.
    pub(crate) timestamp: u32,
}

/// What is reported.
#[derive(Debug, Clone)]
pub(crate) enum About {
    Session { facts: Box<Facts>, class: Vec<Vec<u8>>, use_so_far: Use },
    Router { identity: String },
}

/// What a session has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    pub(crate) traffic: Traffic,
    pub(crate) seconds: u32,
    pub(crate) cause: Option<TerminateCause>,
}

impl Use {
    pub(crate) fn of(traffic: Traffic, micros: i64, cause: Option<TerminateCause>) -> Use {
        Use { traffic, seconds: u32::try_from(micros / SECOND).unwrap_or(u32::MAX), cause }
    }
}

impl Report {
    /// Writes the whole Accounting-Request. The delay is how long ago it happened.
    pub(crate) fn write(
        &self,
        draft: &mut Draft,
        nas: Ipv4Addr,
        delay: u32,
        counting: Counting,
    ) -> Result<(), EncodeError> {
        draft.put(field::ACCT_STATUS_TYPE, self.status.number())?;
        match &self.about {
            About::Session { facts, class, use_so_far } => {
                facts.name_session(draft)?;
                if facts.service == Service::Ppp {
                    draft.put(field::ACCT_AUTHENTIC, AUTHENTICATED_BY_RADIUS)?;
                }
                for class in class {
                    draft.put(field::CLASS, class)?;
                }
                if self.status != Status::Start {
                    use_so_far.write(draft, counting)?;
                }
                facts.name_router(draft, nas)?;
            }
            About::Router { identity } => {
                text(draft, field::NAS_IDENTIFIER, identity)?;
                draft.put(field::NAS_IP_ADDRESS, nas)?;
            }
        }
        draft.put(field::EVENT_TIMESTAMP, self.timestamp)?;
        draft.put(field::ACCT_DELAY_TIME, delay)
    }
}

impl Use {
    fn write(&self, draft: &mut Draft, counting: Counting) -> Result<(), EncodeError> {
        let Traffic { bytes_in, bytes_out } = self.traffic;
        let (input, output) =
            if counting.swapped { (bytes_out, bytes_in) } else { (bytes_in, bytes_out) };
        let packets = |bytes: u64| u32::try_from(bytes / 1_000).unwrap_or(u32::MAX);
        draft.put(field::ACCT_SESSION_TIME, self.seconds)?;
        if counting.without_gigawords {
            draft.put(field::ACCT_INPUT_OCTETS, (input % (1 << 32)) as u32)?;
            draft.put(field::ACCT_OUTPUT_OCTETS, (output % (1 << 32)) as u32)?;
        } else {
            INPUT_OCTETS.put(draft, input)?;
            OUTPUT_OCTETS.put(draft, output)?;
        }
        draft.put(field::ACCT_INPUT_PACKETS, packets(input))?;
        draft.put(field::ACCT_OUTPUT_PACKETS, packets(output))?;
        match self.cause {
            Some(cause) => draft.put(field::ACCT_TERMINATE_CAUSE, cause.0),
            None => Ok(()),
        }
    }
}

/// A hardware address in the form that `radius-mac-format` shows: each `X` is a digit.
pub(crate) fn mac_text(mac: MacAddress, form: &str) -> String {
    let digits: String = mac.0.iter().map(|octet| format!("{octet:02X}")).collect();
    let mut digits = digits.chars();
    let digit = |place: char| match place {
        'X' => digits.next(),
        'x' => digits.next().map(|digit| digit.to_ascii_lowercase()),
        other => Some(other),
    };
    form.chars().filter_map(digit).collect()
}

/// The number of a word of `nas-port-type` (RFC 2865 §5.41).
pub(crate) fn port_type(word: &str) -> u32 {
    match word {
        "async" => 0,
        "sync" => 1,
        "virtual" => 5,
        "ethernet" => 15,
        "xdsl" => 16,
        "cable" => 17,
        "wireless-other" => 18,
        _ => 19,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_takes_the_form_that_is_asked_for() {
        let mac = MacAddress([0x02, 0xAB, 0, 0, 0, 0x7F]);
        assert_eq!(mac_text(mac, "XX:XX:XX:XX:XX:XX"), "02:AB:00:00:00:7F");
        assert_eq!(mac_text(mac, "XXXXXX-XXXXXX"), "02AB00-00007F");
        assert_eq!(mac_text(mac, "xxxxxxxxxxxx"), "02ab0000007f");
    }
}
