//! The menus that enforcement and diagnosis read, as typed rows.
//!
//! Thin: a path, the properties worth asking for, and a tolerant reading of them. A property that
//! is absent or that this code cannot read is empty or `None`; its raw value is in `row`. No
//! decisions here.

use std::time::Duration;

use crate::row::{ItemId, Row};
use crate::values::{Interval, LocalDateTime, MacAddress, PerDirection, Prefix, RateLimit};

/// A menu with a known shape.
pub trait Menu: Sized {
    /// Where it is.
    const PATH: &'static str;
    /// What to ask for.
    const ONLY: &'static [&'static str];
    /// Reads a row; `None` only where an item has no `.id` and could never be acted on.
    fn from_row(row: Row) -> Option<Self>;
}

/// Declares a menu; the properties asked for and the ones read cannot drift apart.
macro_rules! menu {
    ($(#[$doc:meta])* $name:ident at $path:literal {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $read:ident($property:literal),)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            /// The item's id; good until the next change of the menu.
            pub id: ItemId,
            $($(#[$field_doc])* pub $field: $type,)*
            /// Everything the router sent.
            pub row: Row,
        }

        impl Menu for $name {
            const PATH: &'static str = $path;
            const ONLY: &'static [&'static str] = &[".id", $($property),*];

            fn from_row(row: Row) -> Option<Self> {
                Some($name { id: row.id()?, $($field: row.$read($property),)* row })
            }
        }
    };
    ($(#[$doc:meta])* single $name:ident at $path:literal {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $read:ident($property:literal),)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// Everything the router sent.
            pub row: Row,
        }

        impl Menu for $name {
            const PATH: &'static str = $path;
            const ONLY: &'static [&'static str] = &[$($property),*];

            fn from_row(row: Row) -> Option<Self> {
                Some($name { $($field: row.$read($property),)* row })
            }
        }
    };
}

// ---------------------------------------------------------------------------------------------
// Hotspot

menu! {
    /// A hotspot server.
    HotspotServer at "/ip/hotspot" {
        /// Its name.
        name: String = string("name"),
        /// The interface it guards; one server each.
        interface: String = string("interface"),
        /// Its server profile.
        profile: String = string("profile"),
        /// Switched off.
        disabled: bool = flag("disabled"),
        /// The router itself found it unusable.
        invalid: bool = flag("invalid"),
    }
}

menu! {
    /// How a hotspot server lets people in.
    HotspotServerProfile at "/ip/hotspot/profile" {
        /// Its name.
        name: String = string("name"),
        /// Comma-separated login methods (`cookie,http-chap`).
        login_by: String = string("login-by"),
        /// The name guests see.
        dns_name: Option<String> = optional("dns-name"),
        /// The address guests see.
        hotspot_address: Option<Prefix> = prefix("hotspot-address"),
        /// Where its pages lie.
        html_directory: Option<String> = optional("html-directory"),
        /// Whether RADIUS is asked for users that are not local.
        use_radius: bool = flag("use-radius"),
        /// How long an HTTP cookie logs in by itself.
        http_cookie_lifetime: Option<Interval> = interval("http-cookie-lifetime"),
    }
}

menu! {
    /// A local hotspot account. Uptime and bytes are lifetime totals updated at logout: what was
    /// used is this plus the active rows.
    HotspotUser at "/ip/hotspot/user" {
        /// Unique with `server`.
        name: String = string("name"),
        /// The server it is for; `None` is all.
        server: Option<String> = optional("server"),
        /// Its user profile.
        profile: String = string("profile"),
        /// Only this device may log in.
        mac_address: Option<MacAddress> = mac("mac-address"),
        /// Lifetime limit enforced by the router; zero or absent is none.
        limit_uptime: Option<Duration> = duration("limit-uptime"),
        /// Lifetime limit of upload bytes.
        limit_bytes_in: Option<u64> = number("limit-bytes-in"),
        /// Lifetime limit of download bytes.
        limit_bytes_out: Option<u64> = number("limit-bytes-out"),
        /// Lifetime limit of both together.
        limit_bytes_total: Option<u64> = number("limit-bytes-total"),
        /// Time used in finished sessions.
        uptime: Option<Duration> = duration("uptime"),
        /// Uploaded in finished sessions.
        bytes_in: Option<u64> = number("bytes-in"),
        /// Downloaded in finished sessions.
        bytes_out: Option<u64> = number("bytes-out"),
        /// Owner mark or a person's note.
        comment: Option<String> = optional("comment"),
        /// Cannot log in.
        disabled: bool = flag("disabled"),
        /// Made by the router itself; cannot be edited.
        dynamic: bool = flag("dynamic"),
    }
}

menu! {
    /// What hotspot users share.
    HotspotUserProfile at "/ip/hotspot/user/profile" {
        /// Its name.
        name: String = string("name"),
        /// Per session; zero is none.
        session_timeout: Option<Interval> = interval("session-timeout"),
        /// Silence until logout.
        idle_timeout: Option<Interval> = interval("idle-timeout"),
        /// Unanswered probes until logout.
        keepalive_timeout: Option<Interval> = interval("keepalive-timeout"),
        /// Sessions at a time: a number or `unlimited`.
        shared_users: Option<String> = optional("shared-users"),
        /// Speed of each session.
        rate_limit: Option<RateLimit> = rate_limit("rate-limit"),
        /// Devices are logged in again by their MAC address.
        add_mac_cookie: bool = flag("add-mac-cookie"),
        /// For how long.
        mac_cookie_timeout: Option<Interval> = interval("mac-cookie-timeout"),
        /// List that holds the addresses of active users.
        address_list: Option<String> = optional("address-list"),
        /// Pool for addresses.
        address_pool: Option<String> = optional("address-pool"),
        /// Script run at login, often someone else's accounting.
        on_login: Option<String> = optional("on-login"),
    }
}

menu! {
    /// A hotspot session. Its id is the address in hex and is used again for the next guest.
    HotspotActive at "/ip/hotspot/active" {
        /// Who.
        user: String = string("user"),
        /// From which address.
        address: Option<Prefix> = prefix("address"),
        /// With which device.
        mac_address: Option<MacAddress> = mac("mac-address"),
        /// On which server.
        server: Option<String> = optional("server"),
        /// How: `http-pap`, `cookie`, `mac-cookie` ...
        login_by: Option<String> = optional("login-by"),
        /// Since login.
        uptime: Option<Duration> = duration("uptime"),
        /// Until the router ends it.
        session_time_left: Option<Duration> = duration("session-time-left"),
        /// Silent for.
        idle_time: Option<Duration> = duration("idle-time"),
        /// From the guest.
        bytes_in: Option<u64> = number("bytes-in"),
        /// To the guest.
        bytes_out: Option<u64> = number("bytes-out"),
        /// Authorised by RADIUS, not by a local user.
        radius: bool = flag("radius"),
    }
}

menu! {
    /// A device the hotspot sees, logged in or not.
    HotspotHost at "/ip/hotspot/host" {
        /// The device.
        mac_address: Option<MacAddress> = mac("mac-address"),
        /// The address it uses.
        address: Option<Prefix> = prefix("address"),
        /// The address it is translated to.
        to_address: Option<Prefix> = prefix("to-address"),
        /// On which server.
        server: Option<String> = optional("server"),
        /// Logged in.
        authorized: bool = flag("authorized"),
        /// Let through by a binding: no session, no limit.
        bypassed: bool = flag("bypassed"),
        /// Silent for.
        idle_time: Option<Duration> = duration("idle-time"),
    }
}

menu! {
    /// What logs a device in by itself: HTTP cookies and MAC cookies.
    HotspotCookie at "/ip/hotspot/cookie" {
        /// Who.
        user: String = string("user"),
        /// Which device.
        mac_address: Option<MacAddress> = mac("mac-address"),
        /// Until then.
        expires_in: Option<Duration> = duration("expires-in"),
        /// By MAC address rather than in the browser.
        mac_cookie: bool = flag("mac-cookie"),
    }
}

menu! {
    /// A rule that lets a device through, or not at all, whatever it logs in as. Ordered.
    HotspotBinding at "/ip/hotspot/ip-binding" {
        /// The device.
        mac_address: Option<MacAddress> = mac("mac-address"),
        /// Its address.
        address: Option<Prefix> = prefix("address"),
        /// Translated to.
        to_address: Option<Prefix> = prefix("to-address"),
        /// For which server; `None` or `all`.
        server: Option<String> = optional("server"),
        /// `regular`, `bypassed` or `blocked`.
        kind: Option<String> = optional("type"),
        /// Owner mark or a person's note.
        comment: Option<String> = optional("comment"),
        /// Of no effect.
        disabled: bool = flag("disabled"),
    }
}

// ---------------------------------------------------------------------------------------------
// PPP

menu! {
    /// A local PPP account.
    PppSecret at "/ppp/secret" {
        /// User name.
        name: String = string("name"),
        /// `any`, `pppoe`, `l2tp` ...
        service: Option<String> = optional("service"),
        /// Its profile.
        profile: String = string("profile"),
        /// Only from this MAC address (PPPoE) or address.
        caller_id: Option<String> = optional("caller-id"),
        /// Fixed address or pool; overrides the profile's pool.
        remote_address: Option<String> = optional("remote-address"),
        /// Upload bytes per session.
        limit_bytes_in: Option<u64> = number("limit-bytes-in"),
        /// Download bytes per session.
        limit_bytes_out: Option<u64> = number("limit-bytes-out"),
        /// Owner mark or a person's note.
        comment: Option<String> = optional("comment"),
        /// Cannot connect.
        disabled: bool = flag("disabled"),
    }
}

menu! {
    /// A PPP session.
    PppActive at "/ppp/active" {
        /// Who.
        name: String = string("name"),
        /// `pppoe`, `l2tp` ...
        service: Option<String> = optional("service"),
        /// The device's MAC address (PPPoE) or address.
        caller_id: Option<String> = optional("caller-id"),
        /// The address given.
        address: Option<Prefix> = prefix("address"),
        /// Since connection.
        uptime: Option<Duration> = duration("uptime"),
        /// RADIUS Acct-Session-Id.
        session_id: Option<String> = optional("session-id"),
        /// Authorised by RADIUS, not by a local secret.
        radius: bool = flag("radius"),
    }
}

menu! {
    /// What PPP accounts share.
    PppProfile at "/ppp/profile" {
        /// Its name.
        name: String = string("name"),
        /// Our end.
        local_address: Option<String> = optional("local-address"),
        /// Their address or pool.
        remote_address: Option<String> = optional("remote-address"),
        /// Speed of each session.
        rate_limit: Option<RateLimit> = rate_limit("rate-limit"),
        /// Per session; zero is none.
        session_timeout: Option<Interval> = interval("session-timeout"),
        /// Silence until disconnection.
        idle_timeout: Option<Interval> = interval("idle-timeout"),
        /// `yes`, `no` or `default`.
        only_one: Option<String> = optional("only-one"),
        /// List that holds the addresses of connected users.
        address_list: Option<String> = optional("address-list"),
        /// Owner mark or a person's note.
        comment: Option<String> = optional("comment"),
    }
}

// ---------------------------------------------------------------------------------------------
// Queues and firewall

menu! {
    /// A simple queue. Ordered; the first match counts.
    SimpleQueue at "/queue/simple" {
        /// Its name.
        name: String = string("name"),
        /// Addresses and interfaces, comma-separated.
        target: String = string("target"),
        /// Most bits per second; zero is no limit.
        max_limit: Option<PerDirection<u64>> = rate_pair("max-limit"),
        /// Guaranteed bits per second.
        limit_at: Option<PerDirection<u64>> = rate_pair("limit-at"),
        /// Passed so far.
        bytes: Option<PerDirection<u64>> = byte_pair("bytes"),
        /// The queue above it.
        parent: Option<String> = optional("parent"),
        /// Owner mark or a person's note.
        comment: Option<String> = optional("comment"),
        /// Of no effect.
        disabled: bool = flag("disabled"),
        /// Made for a session; cannot be edited.
        dynamic: bool = flag("dynamic"),
    }
}

menu! {
    /// An entry of an address list. With a timeout it lives in memory only and is lost at reboot.
    AddressListEntry at "/ip/firewall/address-list" {
        /// The list's name.
        list: String = string("list"),
        /// Address, prefix, range or DNS name, as sent.
        address: String = string("address"),
        /// Time left.
        timeout: Option<Duration> = duration("timeout"),
        /// Owner mark or a person's note.
        comment: Option<String> = optional("comment"),
        /// Of no effect.
        disabled: bool = flag("disabled"),
        /// In memory only.
        dynamic: bool = flag("dynamic"),
    }
}

menu! {
    /// A tracked connection. There may be hundreds of thousands, and one that vanishes during a
    /// print can end it with `no such item`. Not for small boards.
    FirewallConnection at "/ip/firewall/connection" {
        /// `address` or `address:port`; see [`crate::values::parse_address_with_port`].
        src_address: String = string("src-address"),
        /// The same for the other end, as the answers come back.
        reply_dst_address: String = string("reply-dst-address"),
        /// Skips firewall, queues and hotspot.
        fasttrack: bool = flag("fasttrack"),
    }
}

menu! {
    /// A firewall rule, as far as its order and effect on customers matter. Ordered.
    FilterRule at "/ip/firewall/filter" {
        /// `forward`, `input`, `hs-unauth` ...
        chain: String = string("chain"),
        /// `accept`, `drop`, `fasttrack-connection` ...
        action: String = string("action"),
        /// From addresses in this list.
        src_address_list: Option<String> = optional("src-address-list"),
        /// To addresses in this list.
        dst_address_list: Option<String> = optional("dst-address-list"),
        /// Comma-separated states.
        connection_state: Option<String> = optional("connection-state"),
        /// Owner mark or a person's note.
        comment: Option<String> = optional("comment"),
        /// Of no effect.
        disabled: bool = flag("disabled"),
        /// Made by the router itself.
        dynamic: bool = flag("dynamic"),
    }
}

// ---------------------------------------------------------------------------------------------
// System

menu! {
    /// A scheduled script.
    Schedule at "/system/scheduler" {
        /// Its name.
        name: String = string("name"),
        /// First day.
        start_date: Option<String> = optional("start-date"),
        /// Time of day, or `startup`.
        start_time: Option<String> = optional("start-time"),
        /// Repeats after; zero is once.
        interval: Option<Duration> = duration("interval"),
        /// The script or its name.
        on_event: Option<String> = optional("on-event"),
        /// Runs so far.
        run_count: Option<u64> = number("run-count"),
        /// When next, by the router's clock.
        next_run: Option<LocalDateTime> = date_time("next-run"),
        /// Owner mark or a person's note.
        comment: Option<String> = optional("comment"),
        /// Never runs.
        disabled: bool = flag("disabled"),
    }
}

menu! {
    /// What the router is and how it does.
    single Resource at "/system/resource" {
        /// `7.24.4 (stable)`.
        version: String = string("version"),
        /// Since boot. When it shrinks the router restarted and forgot what has a timeout.
        uptime: Option<Duration> = duration("uptime"),
        /// Percent.
        cpu_load: Option<u64> = number("cpu-load"),
        /// Bytes.
        free_memory: Option<u64> = number("free-memory"),
        /// Bytes.
        total_memory: Option<u64> = number("total-memory"),
        /// Model.
        board_name: Option<String> = optional("board-name"),
        /// Processor family.
        architecture_name: Option<String> = optional("architecture-name"),
    }
}

impl Resource {
    /// Major and minor version: `7.24.4 (stable)` is (7, 24).
    pub fn release(&self) -> Option<(u32, u32)> {
        let mut numbers = self.version.split(|c: char| !c.is_ascii_digit());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

menu! {
    /// The router's name.
    single Identity at "/system/identity" {
        /// As set by its operator.
        name: String = string("name"),
    }
}

menu! {
    /// The router's clock. Boards have no battery: after power loss it is 1970 until NTP answers.
    single Clock at "/system/clock" {
        /// Date as this version writes it.
        date: String = string("date"),
        /// Time of day.
        time: String = string("time"),
        /// Zone.
        time_zone_name: Option<String> = optional("time-zone-name"),
        /// How far ahead of UTC, as sent.
        gmt_offset: Option<String> = optional("gmt-offset"),
    }
}

impl Clock {
    /// The clock as seconds since 1970 UTC; `None` if this version writes it in a way unknown.
    pub fn unix_seconds(&self) -> Option<i64> {
        let local = LocalDateTime::from_parts(&self.date, &self.time)?;
        let offset = self.gmt_offset.as_deref().and_then(crate::values::parse_utc_offset);
        Some(local.unix_seconds(offset.unwrap_or(0)))
    }
}

menu! {
    /// An installed package.
    Package at "/system/package" {
        /// Its name.
        name: String = string("name"),
        /// Its version.
        version: Option<String> = optional("version"),
        /// Not running.
        disabled: bool = flag("disabled"),
    }
}

menu! {
    /// A login of the router itself.
    RouterUser at "/user" {
        /// User name.
        name: String = string("name"),
        /// Its group.
        group: String = string("group"),
        /// From where it may come.
        address: Option<String> = optional("address"),
        /// Cannot log in.
        disabled: bool = flag("disabled"),
    }
}

menu! {
    /// What a group of logins may do.
    UserGroup at "/user/group" {
        /// Its name.
        name: String = string("name"),
        /// Comma-separated policies, those denied with a `!`.
        policy: String = string("policy"),
    }
}

impl UserGroup {
    /// Whether the group has a policy.
    pub fn allows(&self, policy: &str) -> bool {
        self.policy.split(',').any(|granted| granted.trim() == policy)
    }
}

menu! {
    /// A service of the router. Newer versions list one dynamic row per open connection.
    Service at "/ip/service" {
        /// `api`, `api-ssl`, `www` ...
        name: String = string("name"),
        /// TCP port.
        port: Option<u64> = number("port"),
        /// From where it may be used; `None` is everywhere.
        address: Option<String> = optional("address"),
        /// Bound certificate.
        certificate: Option<String> = optional("certificate"),
        /// Switched off.
        disabled: bool = flag("disabled"),
        /// Stands for an open connection, not a service.
        dynamic: bool = flag("dynamic"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hotspot_session_is_read_as_the_router_sends_it() {
        let row = Row::of([
            (".id", "*C0A80A08"),
            ("user", "ann"),
            ("address", "192.168.10.8"),
            ("mac-address", "AA:BB:CC:DD:EE:FF"),
            ("login-by", "mac-cookie"),
            ("uptime", "1d02:03:04"),
            ("bytes-in", "1500"),
            ("radius", "false"),
            ("new-in-8", "surprise"),
        ]);
        let active = HotspotActive::from_row(row).unwrap();
        assert_eq!(active.id, ItemId::new("*C0A80A08"));
        assert_eq!(active.address.map(|a| a.to_string()).as_deref(), Some("192.168.10.8"));
        assert_eq!(active.uptime, Some(Duration::from_secs(93_784)));
        assert_eq!(active.bytes_in, Some(1_500));
        assert_eq!(active.bytes_out, None);
        assert_eq!(active.row.str("new-in-8"), Some("surprise"));
    }

    #[test]
    fn what_cannot_be_read_is_kept_raw() {
        let row = Row::of([(".id", "*1"), ("name", "x"), ("limit-uptime", "a while")]);
        let user = HotspotUser::from_row(row).unwrap();
        assert_eq!(user.limit_uptime, None);
        assert_eq!(user.row.str("limit-uptime"), Some("a while"));
    }

    #[test]
    fn an_item_without_an_id_is_not_an_item() {
        assert!(HotspotUser::from_row(Row::of([("name", "x")])).is_none());
        assert!(Identity::from_row(Row::of([("name", "x")])).is_some());
    }

    #[test]
    fn the_properties_asked_for_are_the_ones_read() {
        assert_eq!(HotspotCookie::ONLY, [".id", "user", "mac-address", "expires-in", "mac-cookie"]);
        assert_eq!(Identity::ONLY, ["name"]);
    }

    #[test]
    fn versions_policies_and_clocks_are_understood() {
        let resource = Resource::from_row(Row::of([("version", "7.24.4 (stable)")])).unwrap();
        assert_eq!(resource.release(), Some((7, 24)));
        let odd = Resource::from_row(Row::of([("version", "soon")])).unwrap();
        assert_eq!(odd.release(), None);
        let group = Row::of([(".id", "*1"), ("policy", "read,write,api,!sensitive")]);
        let group = UserGroup::from_row(group).unwrap();
        assert!(group.allows("api") && !group.allows("sensitive") && !group.allows("rest-api"));
        for date in ["jan/02/2026", "2026-01-02"] {
            let row = Row::of([("date", date), ("time", "11:00:00"), ("gmt-offset", "+01:00")]);
            assert_eq!(Clock::from_row(row).unwrap().unix_seconds(), Some(1_767_348_000));
        }
    }
}
