//! Owns what the hotspot asks RADIUS about a guest, and what it does with the answer.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use lango_radius::accounting::{Status, TerminateCause};
use lango_routeros::values::MacAddress;

use super::login::Admission;
use super::{Active, LoginBy, Logout, Server};
use crate::world::items::Spot;
use crate::world::menus::Place;
use crate::world::radius::{
    AUTHORIZING, Facts, Grant, Proof, Purpose, RadiusSession, Reply, SILENT, Service, Use,
    mac_text, port_type,
};
use crate::world::table::Id;
use crate::world::units::duration;
use crate::world::{Deadline, World};

/// Somebody about whom RADIUS is asked.
#[derive(Debug)]
pub(crate) struct Guest {
    server: Server,
    mac: MacAddress,
    pub(crate) ip: Ipv4Addr,
    user: String,
    password: String,
    by: LoginBy,
}

/// Where the router's own pages are if its profile does not say.
const LOGIN_HOST: &str = "10.5.0.1";

impl World {
    /// RADIUS is asked about whoever has no entry of his own, not even a disabled one.
    pub(super) fn asks_radius(&self, server: Server, user: &str) -> bool {
        self.server_says(server, "use-radius") == "true"
            && self.table(Place::HotspotUser).find("name", user).is_empty()
    }

    pub(in crate::world) fn server_says(&self, server: Server, name: &str) -> String {
        let profiles = self.table(Place::HotspotProfile);
        server.profile.map(|id| profiles.text(id, name)).unwrap_or_default()
    }

    /// How a hardware address is written as a name towards RADIUS.
    pub(super) fn mac_name(&self, server: Server, mac: MacAddress) -> String {
        mac_text(mac, &self.server_says(server, "radius-mac-format"))
    }

    pub(super) fn ask_about_guest(
        &mut self,
        server: Server,
        mac: MacAddress,
        ip: Ipv4Addr,
        user: &str,
        password: &str,
        by: LoginBy,
    ) -> Result<u64, String> {
        if self.radius.is_asked_for(ip) {
            return Err(AUTHORIZING.to_owned());
        }
        self.ensure_host(server, mac, ip);
        let facts = self.guest_facts(server, mac, ip, user);
        let (user, password) = (user.to_owned(), password.to_owned());
        let hashes = match by {
            LoginBy::HttpChap => true,
            // A cookie stands for the page on which the guest once typed.
            LoginBy::Cookie | LoginBy::MacCookie => self.logs_in_by(server, "http-chap"),
            _ => false,
        };
        let proof =
            if hashes { Proof::Chap(password.clone()) } else { Proof::Pap(password.clone()) };
        let guest = Guest { server, mac, ip, user, password, by };
        self.ask_radius(facts, proof, Purpose::Guest(Box::new(guest)))
    }

    fn guest_facts(&mut self, server: Server, mac: MacAddress, ip: Ipv4Addr, user: &str) -> Facts {
        let (session_id, number) = self.new_session_id(Service::Hotspot);
        let host =
            [self.server_says(server, "dns-name"), self.server_says(server, "hotspot-address")];
        let host = host.into_iter().find(|host| !host.is_empty());
        Facts {
            service: Service::Hotspot,
            identity: self.table(Place::Identity).text(1, "name"),
            user: user.to_owned(),
            calling: self.mac_name(server, mac),
            called: self.server_name(server),
            port_id: self.table(Place::Hotspot).text(server.id, "interface"),
            port: 0x8030_0000 | (number & 0xF_FFFF),
            port_type: port_type(&self.server_says(server, "nas-port-type")),
            session_id,
            ip: Some(ip),
            host_ip: Some(ip),
            logoff_url: format!("http://{}/logout", host.as_deref().unwrap_or(LOGIN_HOST)),
        }
    }

    pub(in crate::world) fn guest_answered(
        &mut self,
        guest: Guest,
        facts: Facts,
        reply: Reply,
    ) -> Result<(), String> {
        let there = self.hotspot.host_on(guest.ip).is_some_and(|host| host.mac == guest.mac);
        let outcome = match reply {
            _ if !there => Err(format!("unknown host IP {}", guest.ip)),
            Reply::Accepted(grant) => self.admit_by_radius(&guest, facts, *grant),
            Reply::Rejected(text) => {
                self.rejected(&guest);
                Err(text.unwrap_or_else(|| "invalid username or password".to_owned()))
            }
            Reply::Unproven | Reply::Silent => {
                if matches!(guest.by, LoginBy::Mac | LoginBy::MacCookie | LoginBy::Cookie) {
                    // Nobody typed anything: the machine's next packet asks again.
                    self.expect_packet(guest.mac);
                }
                Err(SILENT.to_owned())
            }
        };
        if let Err(refusal) = &outcome {
            let (user, ip) = (&guest.user, guest.ip);
            self.note("hotspot,info,debug", format!("{user} ({ip}): login failed: {refusal}"));
        }
        outcome
    }

    /// What logged nobody in is not tried again.
    fn rejected(&mut self, guest: &Guest) {
        if guest.by == LoginBy::Mac {
            let id = self.hotspot.host_on.get(&guest.ip).copied();
            if let Some(host) = id.and_then(|id| self.hotspot.hosts.get_mut(&id)) {
                host.mac_refused = true;
            }
            return;
        }
        if let Some(cookie) = self.hotspot.mac_cookie(guest.mac, guest.by != LoginBy::Cookie) {
            self.forget_cookie(cookie);
        }
        if guest.by == LoginBy::MacCookie {
            // There may be another way in.
            self.expect_packet(guest.mac);
        }
    }

    fn admit_by_radius(
        &mut self,
        guest: &Guest,
        mut facts: Facts,
        grant: Grant,
    ) -> Result<(), String> {
        let profile = self.group_profile(grant.group.as_deref());
        self.check_sharing(guest, &grant, profile)?;
        let address = grant.ip.or_else(|| self.free_in_pool(grant.pool.as_deref()?));
        facts.ip = Some(address.unwrap_or(guest.ip));
        let interim = match self.server_says(guest.server, "radius-interim-update").as_str() {
            "received" => grant.interim,
            fixed => duration(fixed).filter(|span| *span > 0),
        };
        let accounted = self.server_says(guest.server, "radius-accounting") == "true";
        let session = RadiusSession { facts, grant, accounted, interim, next_interim: None };
        let admission = Admission::Radius(Box::new(session), profile);
        let Guest { server, mac, ip, user, password, by } = guest;
        self.open_session(*server, *mac, *ip, user, password, *by, admission);
        self.translate_host(*ip, address);
        Ok(())
    }

    /// A group that the router does not have is none.
    fn group_profile(&self, group: Option<&str>) -> Option<Id> {
        let profiles = self.table(Place::HotspotUserProfile);
        group.and_then(|group| profiles.first("name", group)).or(profiles.first("name", "default"))
    }

    fn check_sharing(
        &self,
        guest: &Guest,
        grant: &Grant,
        profile: Option<Id>,
    ) -> Result<(), String> {
        let profiles = self.table(Place::HotspotUserProfile);
        let shared = profile.map(|id| profiles.text(id, "shared-users")).unwrap_or_default();
        let shared = shared.parse::<usize>().unwrap_or(usize::MAX);
        let shared =
            grant.port_limit.map_or(shared, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        self.check_room(&guest.user, guest.ip, shared)
    }

    fn free_in_pool(&self, pool: &str) -> Option<Ipv4Addr> {
        let taken: HashSet<Ipv4Addr> =
            self.hotspot.hosts.values().filter_map(|host| host.to_address).collect();
        let ranges = self.pool_ranges(pool);
        let mut free = ranges.iter().flat_map(|range| range.first..=range.last).map(Ipv4Addr::from);
        free.find(|ip| !taken.contains(ip))
    }

    fn translate_host(&mut self, ip: Ipv4Addr, address: Option<Ipv4Addr>) {
        let Some(id) = self.hotspot.host_on.get(&ip).copied() else { return };
        if let Some(host) = self.hotspot.hosts.get_mut(&id) {
            host.to_address = address;
        }
    }

    pub(super) fn begin_accounting(&mut self, ip: Ipv4Addr) {
        let Some(mut session) = self.hotspot.actives.get_mut(&ip).and_then(|it| it.radius.take())
        else {
            return;
        };
        self.account_start(Some(&session));
        self.plan_interim(&mut session, Deadline::Interim(ip));
        if let Some(active) = self.hotspot.actives.get_mut(&ip) {
            active.radius = Some(session);
        }
    }

    pub(in crate::world) fn check_interim(&mut self, ip: Ipv4Addr) {
        let now = self.now;
        let Some(active) = self.hotspot.actives.get_mut(&ip) else { return };
        let use_so_far = Use::of(active.traffic(now), now - active.since, None);
        let due = active.radius.take_if(|it| it.next_interim.is_some_and(|at| at <= now));
        let Some(mut session) = due else { return };
        self.account(Some(&session), Status::Interim, use_so_far);
        self.plan_interim(&mut session, Deadline::Interim(ip));
        if let Some(active) = self.hotspot.actives.get_mut(&ip) {
            active.radius = Some(session);
        }
    }

    pub(super) fn end_accounting(&mut self, active: &Active, why: Logout) {
        let uptime = self.now - active.since;
        let used = Use::of(active.traffic(self.now), uptime, Some(why.cause()));
        self.account(active.radius.as_deref(), Status::Stop, used);
    }

    /// A CoA-Request for a guest's session.
    pub(in crate::world) fn change_guest(&mut self, ip: Ipv4Addr, change: &Grant) {
        let profiles = self.table(Place::HotspotUserProfile);
        let group = change.group.as_ref().and_then(|group| profiles.first("name", group));
        let of_group =
            |name| group.map(|id| profiles.text(id, name)).filter(|text| !text.is_empty());
        let rate = change.rate_limit.clone().or(of_group("rate-limit"));
        let list = change.address_list.clone().or(of_group("address-list"));
        let Some(active) = self.hotspot.actives.get_mut(&ip) else { return };
        active.session_timeout = change.session_timeout.or(active.session_timeout);
        active.idle_timeout = change.idle_timeout.or(active.idle_timeout);
        if let Some(session) = &mut active.radius {
            let limits = &mut session.grant.limits;
            limits.received = change.limits.received.or(limits.received);
            limits.sent = change.limits.sent.or(limits.sent);
            session.grant.port_limit = change.port_limit.or(session.grant.port_limit);
        }
        if rate.is_some() || list.is_some() {
            active.rate_limit = rate.or(active.rate_limit.take());
            active.address_list = list.or(active.address_list.take());
            let with = std::mem::take(&mut active.with);
            for (place, id) in with {
                self.drop_item(place, id);
            }
            self.attach_to_session(ip);
        }
        self.tell_change(Spot::HotspotActive, u32::from(ip).into());
        self.arm_session(ip);
    }
}

impl Logout {
    /// What Acct-Terminate-Cause says of it.
    fn cause(self) -> TerminateCause {
        match self {
            Logout::AdminReset => TerminateCause::ADMIN_RESET,
            Logout::UserRequest | Logout::Replaced => TerminateCause::USER_REQUEST,
            Logout::UptimeLimit | Logout::SessionTimeout => TerminateCause::SESSION_TIMEOUT,
            Logout::TrafficLimit => TerminateCause::NAS_REQUEST,
            Logout::IdleTimeout => TerminateCause::IDLE_TIMEOUT,
            Logout::KeepaliveTimeout => TerminateCause::LOST_CARRIER,
            Logout::Reboot => TerminateCause::NAS_REBOOT,
        }
    }
}
