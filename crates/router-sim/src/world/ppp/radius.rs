//! Owns what PPP asks RADIUS about a client, and what it does with the answer.

use lango_radius::accounting::{Status, TerminateCause};
use lango_routeros::values::MacAddress;

use super::{Admission, REDIAL, Session};
use crate::world::items::Spot;
use crate::world::menus::Place;
use crate::world::radius::{
    Facts, Grant, Proof, Purpose, RadiusSession, Reply, Service, Use, port_type,
};
use crate::world::table::Id;
use crate::world::units::duration;
use crate::world::{Deadline, World};

impl World {
    /// RADIUS is asked about whoever has no secret of his own, not even a disabled one.
    pub(super) fn asks_radius_about(&self, name: &str) -> bool {
        self.table(Place::PppAaa).is(1, "use-radius", "true")
            && self.table(Place::PppSecret).first("name", name).is_none()
            && self.pppoe_server().is_some()
    }

    fn pppoe_server(&self) -> Option<Id> {
        let servers = self.table(Place::PppoeServer);
        servers.ids().find(|id| servers.is_enabled(*id))
    }

    pub(super) fn ask_about_client(
        &mut self,
        mac: MacAddress,
        name: &str,
        password: &str,
    ) -> Result<u64, String> {
        let (session_id, number) = self.new_session_id(Service::Ppp);
        let servers = self.table(Place::PppoeServer);
        let server = self.pppoe_server().unwrap_or_default();
        let facts = Facts {
            service: Service::Ppp,
            identity: self.table(Place::Identity).text(1, "name"),
            user: name.to_owned(),
            calling: mac.to_string(),
            called: servers.text(server, "service-name"),
            port_id: servers.text(server, "interface"),
            port: 0xF0_0000 | (number & 0xF_FFFF),
            port_type: port_type("ethernet"),
            session_id,
            ip: None,
            host_ip: None,
            logoff_url: String::new(),
        };
        let proof = proof(&servers.text(server, "authentication"), password);
        let asked = self.ask_radius(facts, proof, Purpose::Dialer(mac));
        asked.map_err(|_| "user authentication failed - radius timeout".to_owned())
    }

    pub(in crate::world) fn dialer_answered(
        &mut self,
        mac: MacAddress,
        number: u64,
        facts: Facts,
        reply: Reply,
    ) -> Result<(), String> {
        let asks = self.ppp.dialers.get_mut(&mac).filter(|dialer| dialer.asking == Some(number));
        let Some(dialer) = asks else {
            return Err("the client has hung up".to_owned());
        };
        dialer.asking = None;
        let outcome = match reply {
            Reply::Accepted(grant) => Ok(self.admit_client(mac, facts, *grant)),
            Reply::Rejected(text) => {
                Err(text.unwrap_or_else(|| "user authentication failed".to_owned()))
            }
            // The client hangs up on a server that does not know its password either.
            Reply::Unproven => Err("peer is not authenticated".to_owned()),
            Reply::Silent => Err("user authentication failed - radius timeout".to_owned()),
        };
        self.dialled_by_radius(mac, outcome)
    }

    /// Writes the outcome of an attempt down. Whoever was refused tries again like anybody else:
    /// only RADIUS knows whether anything has changed.
    pub(super) fn dialled_by_radius(
        &mut self,
        mac: MacAddress,
        outcome: Result<Id, String>,
    ) -> Result<(), String> {
        self.changes += 1;
        let now = self.now;
        let Some(dialer) = self.ppp.dialers.get_mut(&mac) else { return outcome.map(drop) };
        dialer.last_error = outcome.as_ref().err().cloned();
        dialer.session = outcome.as_ref().ok().copied();
        if let Err(refusal) = &outcome {
            let name = dialer.name.clone();
            self.note("pppoe,ppp,error", format!("<{name}>: {refusal}"));
            self.at(now + REDIAL, Deadline::Dial(mac.0));
        }
        outcome.map(drop)
    }

    fn admit_client(&mut self, mac: MacAddress, facts: Facts, grant: Grant) -> Id {
        let servers = self.table(Place::PppoeServer);
        let default = self.pppoe_server().map(|id| servers.text(id, "default-profile"));
        let profiles = self.table(Place::PppProfile);
        let named = |name: &str| profiles.first("name", name);
        let profile = grant.group.as_deref().and_then(named).or_else(|| named(&default?));
        let aaa = self.table(Place::PppAaa);
        let own = duration(&aaa.text(1, "interim-update")).filter(|span| *span > 0);
        let interim = grant.interim.or(own);
        let accounted = aaa.is(1, "accounting", "true");
        let name = facts.user.clone();
        let session = RadiusSession { facts, grant, accounted, interim, next_interim: None };
        self.open_ppp_session(mac, &name, Admission::Radius(Box::new(session), profile))
    }

    pub(super) fn begin_ppp_accounting(&mut self, id: Id) {
        let taken = self.ppp.sessions.get_mut(&id).and_then(|session| session.radius.take());
        let Some(mut radius) = taken else { return };
        self.account_start(Some(&radius));
        self.plan_interim(&mut radius, Deadline::PppInterim(id));
        if let Some(session) = self.ppp.sessions.get_mut(&id) {
            session.radius = Some(radius);
        }
    }

    pub(in crate::world) fn check_ppp_interim(&mut self, id: Id) {
        let now = self.now;
        let Some(session) = self.ppp.sessions.get_mut(&id) else { return };
        let use_so_far = Use::of(session.meter.read(now), now - session.since, None);
        let due = session.radius.take_if(|it| it.next_interim.is_some_and(|at| at <= now));
        let Some(mut radius) = due else { return };
        self.account(Some(&radius), Status::Interim, use_so_far);
        self.plan_interim(&mut radius, Deadline::PppInterim(id));
        if let Some(session) = self.ppp.sessions.get_mut(&id) {
            session.radius = Some(radius);
        }
    }

    pub(super) fn end_ppp_accounting(&mut self, session: &Session, why: &str) {
        let uptime = self.now - session.since;
        let used = Use::of(session.meter.read(self.now), uptime, Some(cause(why)));
        self.account(session.radius.as_deref(), Status::Stop, used);
    }

    /// A CoA-Request for a client's session.
    pub(in crate::world) fn change_client(&mut self, id: Id, change: &Grant) {
        let profiles = self.table(Place::PppProfile);
        let group = change.group.as_ref().and_then(|group| profiles.first("name", group));
        let of_group =
            |name| group.map(|id| profiles.text(id, name)).filter(|text| !text.is_empty());
        let rate = change.rate_limit.clone().or(of_group("rate-limit"));
        let list = change.address_list.clone().or(of_group("address-list"));
        let Some(session) = self.ppp.sessions.get_mut(&id) else { return };
        session.session_timeout = change.session_timeout.or(session.session_timeout);
        session.idle_timeout = change.idle_timeout.or(session.idle_timeout);
        if let Some(radius) = &mut session.radius {
            let limits = &mut radius.grant.limits;
            limits.received = change.limits.received.or(limits.received);
            limits.sent = change.limits.sent.or(limits.sent);
        }
        if rate.is_some() || list.is_some() {
            session.rate_limit = rate.or(session.rate_limit.take());
            session.address_list = list.or(session.address_list.take());
            self.renew_ppp_extras(id);
        }
        self.tell_change(Spot::PppActive, id);
        self.arm_ppp_session(id);
    }

    /// Queue and list entry as the session now says; the interface stays.
    fn renew_ppp_extras(&mut self, id: Id) {
        let Some(session) = self.ppp.sessions.get_mut(&id) else { return };
        let (kept, gone): (Vec<_>, Vec<_>) =
            session.with.drain(..).partition(|(place, _)| *place == Place::Interface);
        session.with = kept;
        let (name, ip) = (session.name.clone(), session.ip);
        let rate = session.rate_limit.clone().unwrap_or_default();
        let list = session.address_list.clone().unwrap_or_default();
        for (place, id) in gone {
            self.drop_item(place, id);
        }
        let extras = self.ppp_queue_and_list(&name, ip, &rate, &list);
        if let Some(session) = self.ppp.sessions.get_mut(&id) {
            session.with.extend(extras);
        }
    }
}

/// The strongest way that the server offers.
fn proof(offered: &str, password: &str) -> Proof {
    let offers = |word: &str| offered.split(',').any(|other| other == word);
    let password = password.to_owned();
    if offers("mschap2") {
        Proof::MsChap2(password)
    } else if offers("mschap1") {
        Proof::MsChap1(password)
    } else if offers("chap") {
        Proof::Chap(password)
    } else {
        Proof::Pap(password)
    }
}

/// What Acct-Terminate-Cause says of the end of a session.
fn cause(why: &str) -> TerminateCause {
    match why {
        "peer-request" => TerminateCause::USER_REQUEST,
        "peer-not-responding" => TerminateCause::LOST_CARRIER,
        "idle-timeout" => TerminateCause::IDLE_TIMEOUT,
        "session-timeout" => TerminateCause::SESSION_TIMEOUT,
        "admin-reset" => TerminateCause::ADMIN_RESET,
        "nas-reboot" => TerminateCause::NAS_REBOOT,
        "traffic-limit" => TerminateCause::NAS_REQUEST,
        _ => TerminateCause::NAS_ERROR,
    }
}
