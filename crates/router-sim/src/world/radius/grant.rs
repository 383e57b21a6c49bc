//! Owns what the router takes from an Access-Accept or a CoA-Request, and what it leaves.
//! (MikroTik manual, "RADIUS": attributes received.)

use std::net::Ipv4Addr;

use lango_radius::Packet;
use lango_radius::accounting::{
    Count, MIKROTIK_RECV_LIMIT, MIKROTIK_TOTAL_LIMIT, MIKROTIK_XMIT_LIMIT, WideField,
};
use lango_radius::dictionary::{self as field, Field};
use lango_radius::format::{Integer, Text};
use lango_routeros::values::RateLimit;

use crate::world::meter::{Traffic, reached_at};
use crate::world::units::SECOND;

/// What a session was granted; whatever is not said comes from the profile. Spans are microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) pool: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) rate_limit: Option<String>,
    pub(crate) address_list: Option<String>,
    pub(crate) session_timeout: Option<i64>,
    pub(crate) idle_timeout: Option<i64>,
    pub(crate) interim: Option<i64>,
    pub(crate) port_limit: Option<u32>,
    pub(crate) limits: Limits,
    pub(crate) class: Vec<Vec<u8>>,
}

/// Bytes that one session may move.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) received: Option<u64>,
    pub(crate) sent: Option<u64>,
    pub(crate) total: Option<u64>,
}

impl Limits {
    /// When the first limit is reached if everything goes on as it does.
    pub(crate) fn reached_at(&self, now: i64, used: Traffic, rate: Traffic) -> Option<i64> {
        let reached = |limit: Option<u64>, used: u64, rate: u64| {
            reached_at(now, limit?.saturating_sub(used), rate)
        };
        [
            reached(self.received, used.bytes_in, rate.bytes_in),
            reached(self.sent, used.bytes_out, rate.bytes_out),
            reached(self.total, used.total(), rate.total()),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl Grant {
    pub(crate) fn read(packet: &Packet<'_>) -> Grant {
        let span = |field: Field<Integer>| {
            packet.read(field).filter(|span| *span > 0).map(|span| i64::from(span) * SECOND)
        };
        Grant {
            ip: packet.read(field::FRAMED_IP_ADDRESS).filter(|ip| is_assignable(*ip)),
            pool: text(packet, field::FRAMED_POOL),
            group: text(packet, field::MIKROTIK_GROUP),
            rate_limit: rate_limit(packet),
            address_list: text(packet, field::MIKROTIK_ADDRESS_LIST),
            session_timeout: span(field::SESSION_TIMEOUT),
            idle_timeout: span(field::IDLE_TIMEOUT),
            interim: span(field::ACCT_INTERIM_INTERVAL),
            port_limit: packet.read(field::PORT_LIMIT),
            limits: Limits {
                received: bytes(packet, MIKROTIK_RECV_LIMIT),
                sent: bytes(packet, MIKROTIK_XMIT_LIMIT),
                total: bytes(packet, MIKROTIK_TOTAL_LIMIT),
            },
            class: packet.read_all(field::CLASS).map(<[u8]>::to_vec).collect(),
        }
    }
}

/// 127/8 and what begins with 224 and more mean: take one from the pool.
fn is_assignable(ip: Ipv4Addr) -> bool {
    let first = ip.octets()[0];
    first != 127 && first < 224
}

fn text(packet: &Packet<'_>, field: Field<Text>) -> Option<String> {
    packet.read(field).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// 0 is no limit; a limit without its gigawords is below four gigabytes.
fn bytes(packet: &Packet<'_>, field: WideField) -> Option<u64> {
    let limit = match field.read(packet)? {
        Count::Whole(limit) => limit,
        Count::Modulo32(limit) => limit.into(),
    };
    (limit > 0).then_some(limit)
}

/// MikroTik's own attribute wins over WISPr's two. One that cannot be read is none.
fn rate_limit(packet: &Packet<'_>) -> Option<String> {
    let own = text(packet, field::MIKROTIK_RATE_LIMIT);
    let wispr = || {
        let up = packet.read(field::WISPR_BANDWIDTH_MAX_UP)?;
        Some(format!("{up}/{}", packet.read(field::WISPR_BANDWIDTH_MAX_DOWN)?))
    };
    own.or_else(wispr).filter(|rate| RateLimit::parse(rate).is_some())
}
