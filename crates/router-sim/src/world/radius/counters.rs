//! Owns what `/radius/monitor` and `/radius/incoming/monitor` show.

use crate::world::World;
use crate::world::row::Row;
use crate::world::table::Id;

/// What a router counts for a line of `/radius`. Access and accounting count alike, and an
/// Accounting-Response is an accept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RadiusCounters {
    /// Questions and reports under way.
    pub pending: u64,
    /// Questions and reports, each counted once.
    pub requests: u64,
    /// Access-Accepts and Accounting-Responses.
    pub accepts: u64,
    /// Access-Rejects.
    pub rejects: u64,
    /// Packets sent again.
    pub resends: u64,
    /// Requests that this server left without any answer.
    pub timeouts: u64,
    /// Replies that were thrown away: wrong secret, wrong or missing Message-Authenticator.
    pub bad_replies: u64,
    /// How long the last answer took, in milliseconds.
    pub last_request_rtt: u64,
}

impl RadiusCounters {
    pub(super) fn plus(self, other: &RadiusCounters) -> RadiusCounters {
        RadiusCounters {
            pending: self.pending + other.pending,
            requests: self.requests + other.requests,
            accepts: self.accepts + other.accepts,
            rejects: self.rejects + other.rejects,
            resends: self.resends + other.resends,
            timeouts: self.timeouts + other.timeouts,
            bad_replies: self.bad_replies + other.bad_replies,
            last_request_rtt: self.last_request_rtt.max(other.last_request_rtt),
        }
    }
}

/// What is counted of orders from outside.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Incoming {
    pub(super) requests: u64,
    pub(super) bad_requests: u64,
    pub(super) acks: u64,
    pub(super) naks: u64,
}

impl World {
    pub(in crate::world) fn monitor_radius(&self, entry: Id) -> Row {
        let counters = self.radius_counters_of(entry);
        let mut row = Row::default();
        row.push("pending", counters.pending.to_string());
        row.push("requests", counters.requests.to_string());
        row.push("accepts", counters.accepts.to_string());
        row.push("rejects", counters.rejects.to_string());
        row.push("resends", counters.resends.to_string());
        row.push("timeouts", counters.timeouts.to_string());
        row.push("bad-replies", counters.bad_replies.to_string());
        row.push("last-request-rtt", format!("{}ms", counters.last_request_rtt));
        row
    }

    pub(in crate::world) fn monitor_incoming(&self) -> Row {
        let incoming = self.radius.incoming;
        let mut row = Row::default();
        row.push("requests", incoming.requests.to_string());
        row.push("bad-requests", incoming.bad_requests.to_string());
        row.push("acks", incoming.acks.to_string());
        row.push("naks", incoming.naks.to_string());
        row
    }

    /// A datagram came that is no order of a server that the router knows.
    pub(crate) fn count_bad_order(&mut self) {
        self.radius.incoming.bad_requests += 1;
        self.changes += 1;
    }
}
