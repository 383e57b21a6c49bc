//! Owns the list of menus that this router has and what their properties are. The facts come from
//! the RouterOS manual; a menu that is not here answers `no such command prefix`.

use super::menu::{Access, Field, Kind, Menu, Shape};

const fn text(name: &'static str) -> Field {
    Field::text(name)
}
const fn flag(name: &'static str) -> Field {
    Field::flag(name)
}
const fn span(name: &'static str) -> Field {
    Field::span(name)
}
const fn read(name: &'static str) -> Field {
    Field::read(name)
}
const fn of(name: &'static str, kind: Kind) -> Field {
    Field::of(name, kind)
}
const fn bytes(name: &'static str) -> Field {
    Field::of(name, Kind::Bytes)
}
const fn number(name: &'static str) -> Field {
    Field::of(name, Kind::Number)
}
const fn mac(name: &'static str) -> Field {
    Field::of(name, Kind::Mac)
}
const fn network(name: &'static str) -> Field {
    Field::of(name, Kind::Network)
}
const fn one_of(name: &'static str, words: &'static [&'static str]) -> Field {
    Field::of(name, Kind::OneOf(words))
}
const fn name_of(name: &'static str, menu: &'static str, also: &'static [&'static str]) -> Field {
    Field::of(name, Kind::NameOf(menu, also))
}

/// Declares which table of the world is which menu.
macro_rules! menus {
    ($($variant:ident: $menu:expr,)*) => {
        /// A menu that keeps its items in a table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Place { $($variant,)* }

        pub(crate) static MENUS: &[(Place, &Menu)] = &[$((Place::$variant, {
            static MENU: Menu = $menu;
            &MENU
        }),)*];
    };
}

menus! {
    Hotspot: Menu {
        path: "/ip/hotspot",
        fields: &[
            text("name"), text("interface"),
            name_of("profile", "/ip/hotspot/profile", &[]).or("default"),
            of("address-pool", Kind::AddressOrPool).or("none"),
            of("idle-timeout", Kind::DurationOr("none")).or("5m"),
            of("keepalive-timeout", Kind::DurationOr("none")).or("none"),
            of("login-timeout", Kind::DurationOr("none")).or("none"),
            number("addresses-per-mac").or("2"), flag("disabled"), flag("invalid").reading(),
        ],
        name: Some("name"),
        unique: Some((&["name"], "already have hotspot server with such name")),
        required: &["name", "interface"],
        ..Menu::EMPTY
    },
    HotspotProfile: Menu {
        path: "/ip/hotspot/profile",
        fields: &[
            text("name"), of("hotspot-address", Kind::Ip), text("dns-name"),
            text("html-directory").or("hotspot"), text("html-directory-override"),
            of("login-by", Kind::Several(&["mac", "cookie", "http-chap", "https", "http-pap", "trial", "mac-cookie"])).or("cookie,http-chap"),
            one_of("mac-auth-mode", &["mac-as-username", "mac-as-username-and-password"]).or("mac-as-username"), text("mac-auth-password").sensitive(),
            span("http-cookie-lifetime").or("3d"), text("ssl-certificate").or("none"),
            of("rate-limit", Kind::Rate), flag("use-radius"), flag("radius-accounting").or("true"),
            of("radius-interim-update", Kind::DurationOr("received")).or("received"),
            text("radius-mac-format").or("XX:XX:XX:XX:XX:XX"), text("nas-port-type").or("wireless-802.11"),
            span("trial-uptime-limit").or("30m"), span("trial-uptime-reset").or("1d"),
            name_of("trial-user-profile", "/ip/hotspot/user/profile", &[]).or("default"),
            flag("default").reading(),
        ],
        name: Some("name"),
        unique: Some((&["name"], "hotspot profile with the same name already exists")),
        required: &["name"],
        ..Menu::EMPTY
    },
    HotspotUser: Menu {
        path: "/ip/hotspot/user",
        fields: &[
            name_of("server", "/ip/hotspot", &["all"]).or("all"), text("name"),
            text("password").sensitive(),
            name_of("profile", "/ip/hotspot/user/profile", &[]).or("default"),
            mac("mac-address"), of("address", Kind::Ip), text("email"), text("routes"),
            span("limit-uptime"), bytes("limit-bytes-in"), bytes("limit-bytes-out"), bytes("limit-bytes-total"),
            read("uptime"), read("bytes-in"), read("bytes-out"), read("packets-in"), read("packets-out"),
            flag("default").reading(), text("comment"), flag("disabled"),
        ],
        name: Some("name"),
        indexed: &["name"],
        unique: Some((&["name", "server"], "already have user with this name for this server")),
        required: &["name"],
        ..Menu::EMPTY
    },
    HotspotUserProfile: Menu {
        path: "/ip/hotspot/user/profile",
        fields: &[
            text("name"), of("address-pool", Kind::AddressOrPool), span("session-timeout"),
            of("idle-timeout", Kind::DurationOr("none")).or("none"),
            of("keepalive-timeout", Kind::DurationOr("none")).or("2m"),
            span("status-autorefresh").or("1m"),
            of("shared-users", Kind::NumberOr("unlimited")).or("1"),
            flag("add-mac-cookie").or("true"), span("mac-cookie-timeout").or("3d"),
            of("rate-limit", Kind::Rate), text("parent-queue"), text("queue-type"),
            text("insert-queue-before"), text("address-list"), text("incoming-filter"),
            text("outgoing-filter"), text("incoming-packet-mark"), text("outgoing-packet-mark"),
            text("open-status-page").or("always"), flag("transparent-proxy"),
            flag("advertise"), text("on-login"), text("on-logout"), flag("default").reading(),
        ],
        name: Some("name"),
        indexed: &["name"],
        unique: Some((&["name"], "user profile with the same name already exists")),
        required: &["name"],
        ..Menu::EMPTY
    },
    HotspotBinding: Menu {
        path: "/ip/hotspot/ip-binding",
        fields: &[
            mac("mac-address"), network("address"), of("to-address", Kind::Ip),
            name_of("server", "/ip/hotspot", &["all"]).or("all"),
            one_of("type", &["regular", "bypassed", "blocked"]).or("regular"),
            text("comment"), flag("disabled"), flag("bypassed").reading(), flag("blocked").reading(),
        ],
        indexed: &["mac-address", "address"],
        shape: Shape::Ordered,
        ..Menu::EMPTY
    },
    WalledGarden: Menu {
        path: "/ip/hotspot/walled-garden",
        fields: &[
            one_of("action", &["allow", "deny"]).or("allow"), text("dst-host"), text("dst-port"),
            text("path"), text("method"), name_of("server", "/ip/hotspot", &["all"]),
            of("src-address", Kind::Network), text("comment"), flag("disabled"), read("hits"),
        ],
        shape: Shape::Ordered,
        ..Menu::EMPTY
    },
    WalledGardenIp: Menu {
        path: "/ip/hotspot/walled-garden/ip",
        fields: &[
            one_of("action", &["accept", "drop", "reject"]).or("accept"), text("dst-host"),
            network("dst-address"), text("dst-address-list"), text("protocol"), text("dst-port"),
            name_of("server", "/ip/hotspot", &["all"]), network("src-address"),
            text("src-address-list"), text("comment"), flag("disabled"),
        ],
        shape: Shape::Ordered,
        ..Menu::EMPTY
    },
    PppSecret: Menu {
        path: "/ppp/secret",
        fields: &[
            text("name"), text("password").sensitive(),
            one_of("service", &["any", "async", "l2tp", "ovpn", "pppoe", "pptp", "sstp"]).or("any"),
            text("caller-id"), name_of("profile", "/ppp/profile", &[]).or("default"),
            of("local-address", Kind::AddressOrPool), of("remote-address", Kind::AddressOrPool),
            text("routes"), bytes("limit-bytes-in").or("0"), bytes("limit-bytes-out").or("0"),
            text("comment"), flag("disabled"),
            read("last-logged-out"), read("last-caller-id"), read("last-disconnect-reason"),
        ],
        name: Some("name"),
        indexed: &["name", "remote-address"],
        unique: Some((&["name"], "secret with the same name already exists")),
        required: &["name"],
        ..Menu::EMPTY
    },
    PppProfile: Menu {
        path: "/ppp/profile",
        fields: &[
            text("name"), of("local-address", Kind::AddressOrPool), of("remote-address", Kind::AddressOrPool),
            of("rate-limit", Kind::Rate), span("session-timeout"), span("idle-timeout"),
            one_of("only-one", &["default", "yes", "no"]).or("default"),
            one_of("change-tcp-mss", &["default", "yes", "no"]).or("default"),
            one_of("use-compression", &["default", "yes", "no"]).or("default"),
            one_of("use-encryption", &["default", "yes", "no", "required"]).or("default"),
            text("address-list"), text("interface-list"), text("dns-server"), text("parent-queue"),
            text("queue-type"), text("insert-queue-before"), text("incoming-filter"), text("outgoing-filter"),
            text("bridge"), text("on-up"), text("on-down"), text("comment"), flag("default").reading(),
        ],
        name: Some("name"),
        indexed: &["name"],
        unique: Some((&["name"], "profile with the same name already exists")),
        required: &["name"],
        ..Menu::EMPTY
    },
    PppAaa: Menu {
        path: "/ppp/aaa",
        fields: &[flag("use-radius"), flag("accounting").or("true"), span("interim-update").or("0s")],
        shape: Shape::Single,
        ..Menu::EMPTY
    },
    PppoeServer: Menu {
        path: "/interface/pppoe-server/server",
        fields: &[
            text("service-name"), text("interface"),
            name_of("default-profile", "/ppp/profile", &[]).or("default"),
            number("keepalive-timeout").or("10"), flag("one-session-per-host"),
            of("max-sessions", Kind::NumberOr("unlimited")).or("unlimited"),
            text("authentication").or("pap,chap,mschap1,mschap2"), text("comment"), flag("disabled"),
        ],
        ..Menu::EMPTY
    },
    SimpleQueue: Menu {
        path: "/queue/simple",
        fields: &[
            text("name"), text("target"), of("max-limit", Kind::Rate).or("0/0"), of("limit-at", Kind::Rate).or("0/0"),
            of("burst-limit", Kind::Rate).or("0/0"), of("burst-threshold", Kind::Rate).or("0/0"),
            text("burst-time").or("0s/0s"), text("priority").or("8/8"), text("queue"),
            text("parent").or("none"), text("dst"), text("time"), text("packet-marks"),
            text("comment"), flag("disabled"), read("bytes"), read("rate"),
        ],
        name: Some("name"),
        indexed: &["name", "target"],
        unique: Some((&["name"], "already have such name")),
        required: &["target"],
        shape: Shape::Ordered,
    },
    AddressList: Menu {
        path: "/ip/firewall/address-list",
        fields: &[
            text("list"), network("address"), of("timeout", Kind::DurationOr("none-dynamic")),
            read("creation-time"), text("comment"), flag("disabled"),
        ],
        indexed: &["address", "comment"],
        unique: Some((&["address", "list"], "already have such entry")),
        required: &["list", "address"],
        ..Menu::EMPTY
    },
    Filter: Menu {
        path: "/ip/firewall/filter",
        fields: RULE,
        required: &["chain"],
        shape: Shape::Ordered,
        ..Menu::EMPTY
    },
    Nat: Menu {
        path: "/ip/firewall/nat",
        fields: RULE,
        required: &["chain"],
        shape: Shape::Ordered,
        ..Menu::EMPTY
    },
    Mangle: Menu {
        path: "/ip/firewall/mangle",
        fields: RULE,
        required: &["chain"],
        shape: Shape::Ordered,
        ..Menu::EMPTY
    },
    Lease: Menu {
        path: "/ip/dhcp-server/lease",
        fields: &[
            of("address", Kind::AddressOrPool), mac("mac-address"), text("client-id"), text("server").or("all"),
            text("address-lists"), flag("block-access"), of("rate-limit", Kind::Rate), span("lease-time"),
            text("comment"), flag("disabled"), read("status"), read("active-address"),
            read("active-mac-address"), read("host-name"), flag("blocked").reading(),
        ],
        indexed: &["address", "mac-address"],
        ..Menu::EMPTY
    },
    DhcpServer: Menu {
        path: "/ip/dhcp-server",
        fields: &[
            text("name"), text("interface"), of("address-pool", Kind::AddressOrPool).or("static-only"),
            span("lease-time").or("30m"), text("dhcp-option-set"), text("comment"), flag("disabled"),
        ],
        name: Some("name"),
        unique: Some((&["name"], "already have dhcp server with this name")),
        required: &["name", "interface"],
        ..Menu::EMPTY
    },
    DhcpNetwork: Menu {
        path: "/ip/dhcp-server/network",
        fields: &[
            network("address"), of("gateway", Kind::Ip), text("netmask"), text("dns-server"), text("domain"),
            text("dhcp-option-set"), text("comment"),
        ],
        required: &["address"],
        ..Menu::EMPTY
    },
    DhcpOption: Menu {
        path: "/ip/dhcp-server/option",
        fields: &[text("name"), number("code"), text("value"), flag("force"), text("comment")],
        name: Some("name"),
        ..Menu::EMPTY
    },
    DhcpOptionSet: Menu {
        path: "/ip/dhcp-server/option/sets",
        fields: &[text("name"), text("options"), text("comment")],
        name: Some("name"),
        ..Menu::EMPTY
    },
    Arp: Menu {
        path: "/ip/arp",
        fields: &[
            of("address", Kind::Ip), mac("mac-address"), text("interface"), flag("published"),
            text("comment"), flag("disabled"), read("complete"), read("status"),
        ],
        indexed: &["address", "mac-address"],
        required: &["address", "interface"],
        ..Menu::EMPTY
    },
    Pool: Menu {
        path: "/ip/pool",
        fields: &[text("name"), text("ranges"), text("next-pool"), text("comment")],
        name: Some("name"),
        unique: Some((&["name"], "pool with such name exists")),
        required: &["name", "ranges"],
        ..Menu::EMPTY
    },
    Address: Menu {
        path: "/ip/address",
        fields: &[
            text("address"), text("network"), text("interface"), text("actual-interface").reading(),
            text("comment"), flag("disabled"), flag("invalid").reading(),
        ],
        required: &["address", "interface"],
        ..Menu::EMPTY
    },
    Dns: Menu {
        path: "/ip/dns",
        fields: &[text("servers"), read("dynamic-servers"), flag("allow-remote-requests"), text("cache-size").or("2048KiB")],
        shape: Shape::Single,
        ..Menu::EMPTY
    },
    Service: Menu {
        path: "/ip/service",
        fields: &[
            text("name"), number("port"), text("address"), name_of("certificate", "/certificate", &["none"]).or("none"),
            text("tls-version").or("any"), text("vrf").or("main"), number("max-sessions").or("20"),
            flag("disabled"), flag("invalid").reading(),
        ],
        name: Some("name"),
        ..Menu::EMPTY
    },
    Radius: Menu {
        path: "/radius",
        fields: &[
            of("service", Kind::Several(&["ppp", "login", "hotspot", "wireless", "dhcp", "ipsec", "dot1x"])),
            of("address", Kind::Ip), text("secret").sensitive(),
            number("authentication-port").or("1812"), number("accounting-port").or("1813"),
            span("timeout").or("1s100ms"), text("src-address").or("0.0.0.0"), text("called-id"), text("domain"),
            one_of("require-message-auth", &["no", "yes-for-request-resp"]).or("yes-for-request-resp"), text("protocol").or("udp"),
            text("comment"), flag("disabled"),
        ],
        required: &["address"],
        shape: Shape::Ordered,
        ..Menu::EMPTY
    },
    RadiusIncoming: Menu {
        path: "/radius/incoming",
        fields: &[flag("accept"), number("port").or("3799"), text("vrf").or("main")],
        shape: Shape::Single,
        ..Menu::EMPTY
    },
    User: Menu {
        path: "/user",
        fields: &[
            text("name"), name_of("group", "/user/group", &[]), text("password").write_only(), text("address"),
            read("last-logged-in"), read("expired"), text("comment"), flag("disabled"),
        ],
        name: Some("name"),
        indexed: &["name"],
        unique: Some((&["name"], "user with the same name already exists")),
        required: &["name", "group"],
        ..Menu::EMPTY
    },
    UserGroup: Menu {
        path: "/user/group",
        fields: &[text("name"), of("policy", Kind::Several(POLICIES)), text("skin").or("default"), text("comment")],
        name: Some("name"),
        unique: Some((&["name"], "group with the same name already exists")),
        required: &["name"],
        ..Menu::EMPTY
    },
    Certificate: Menu {
        path: "/certificate",
        fields: &[
            text("name"), text("common-name"), text("subject-alt-name"), text("key-size").or("2048"),
            number("days-valid").or("365"), text("key-usage"), text("trusted").or("false"),
            read("fingerprint"), read("invalid-after"),
        ],
        name: Some("name"),
        unique: Some((&["name"], "certificate with the same name already exists")),
        required: &["name"],
        ..Menu::EMPTY
    },
    Identity: Menu {
        path: "/system/identity",
        fields: &[text("name").or("MikroTik")],
        shape: Shape::Single,
        ..Menu::EMPTY
    },
    Ntp: Menu {
        path: "/system/ntp/client",
        fields: &[
            flag("enabled").or("true"), text("servers"), text("primary-ntp"), text("secondary-ntp"),
            text("server-dns-names"), text("mode").or("unicast"), read("status"),
        ],
        shape: Shape::Single,
        ..Menu::EMPTY
    },
    Scheduler: Menu {
        path: "/system/scheduler",
        fields: &[
            text("name"), text("start-date"), text("start-time"), span("interval").or("0s"), text("on-event"),
            text("policy").or("read,write,policy,test"), text("comment"), flag("disabled"),
            read("owner"), read("run-count"), read("next-run"),
        ],
        name: Some("name"),
        indexed: &["name"],
        unique: Some((&["name"], "item with the same name already exists")),
        required: &[],
        ..Menu::EMPTY
    },
    Script: Menu {
        path: "/system/script",
        fields: &[
            text("name"), text("source"), text("policy").or("read,write,policy,test"), flag("dont-require-permissions"),
            text("comment"), read("owner"), read("run-count"), read("last-started"), flag("invalid").reading(),
        ],
        name: Some("name"),
        unique: Some((&["name"], "item with the same name already exists")),
        required: &["name"],
        ..Menu::EMPTY
    },
    Interface: Menu {
        path: "/interface",
        fields: &[
            text("name"), text("type").reading(), number("mtu").or("1500"), text("comment"), flag("disabled"),
            flag("running").or("true").reading(), read("mac-address"), read("rx-byte"), read("tx-byte"),
        ],
        name: Some("name"),
        indexed: &["name"],
        ..Menu::EMPTY
    },
    Bridge: Menu {
        path: "/interface/bridge",
        fields: &[text("name"), text("arp").or("enabled"), text("comment"), flag("disabled"), flag("running").or("true").reading()],
        name: Some("name"),
        ..Menu::EMPTY
    },
    InterfaceList: Menu {
        path: "/interface/list",
        fields: &[text("name"), text("include"), text("exclude"), text("comment")],
        name: Some("name"),
        ..Menu::EMPTY
    },
    InterfaceListMember: Menu {
        path: "/interface/list/member",
        fields: &[text("list"), text("interface"), text("comment"), flag("disabled")],
        ..Menu::EMPTY
    },
    Netwatch: Menu {
        path: "/tool/netwatch",
        fields: &[
            text("name"), text("host"), text("type").or("simple"), span("interval").or("10s"), span("timeout").or("3s"),
            text("up-script"), text("down-script"), text("comment"), flag("disabled"), read("status"), read("since"),
        ],
        ..Menu::EMPTY
    },
    Package: Menu {
        path: "/system/package",
        fields: &[text("name"), read("version"), flag("disabled")],
        name: Some("name"),
        ..Menu::EMPTY
    },
    File: Menu {
        path: "/file",
        fields: &[text("name"), text("type"), text("contents"), read("size"), read("creation-time")],
        name: Some("name"),
        ..Menu::EMPTY
    },
}

const RULE: &[Field] = &[
    text("chain"),
    text("action").or("accept"),
    network("src-address"),
    network("dst-address"),
    text("src-address-list"),
    text("dst-address-list"),
    text("in-interface"),
    text("out-interface"),
    text("in-interface-list"),
    text("out-interface-list"),
    text("connection-state"),
    text("connection-nat-state"),
    text("hotspot"),
    text("protocol"),
    text("src-port"),
    text("dst-port"),
    text("src-mac-address"),
    text("jump-target"),
    text("reject-with"),
    text("to-addresses"),
    text("to-ports"),
    text("new-packet-mark"),
    text("packet-mark"),
    text("passthrough"),
    text("hw-offload"),
    text("address-list"),
    text("address-list-timeout"),
    text("layer7-protocol"),
    text("log"),
    text("log-prefix"),
    text("comment"),
    flag("disabled"),
    read("bytes"),
    read("packets"),
];

/// Everything a group may be allowed to do.
pub(crate) const POLICIES: &[&str] = &[
    "local",
    "telnet",
    "ssh",
    "ftp",
    "reboot",
    "read",
    "write",
    "policy",
    "test",
    "winbox",
    "password",
    "web",
    "sniff",
    "sensitive",
    "api",
    "romon",
    "rest-api",
    "dude",
    "tikapp",
];

impl Field {
    const fn reading(mut self) -> Field {
        self.access = Access::Read;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_menus_say_of_their_properties_exists() {
        for (_, menu) in MENUS {
            let named = menu.indexed.iter().chain(menu.required).chain(&menu.name);
            let unique = menu.unique.map(|(names, _)| names).unwrap_or_default();
            for name in named.chain(unique) {
                assert!(menu.field(name).is_some(), "{} has no {name}", menu.path);
            }
            for field in menu.fields {
                if let Kind::NameOf(other, _) = field.kind {
                    assert!(MENUS.iter().any(|(_, menu)| menu.path == other), "{other}");
                }
            }
        }
    }
}
