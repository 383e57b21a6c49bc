//! The attributes that are known by name: those of the RFCs and of the vendors we meet.
//!
//! A constant such as [`USER_NAME`] carries number and format together. What is not listed here
//! is no error anywhere: it travels as raw octets.

use std::fmt;
use std::marker::PhantomData;

use crate::attribute::AttributeId;
use crate::format::{
    Date, Hidden, Integer, InterfaceId, Ipv4, Ipv6, Ipv6Prefix, Octets, Salted, Shape, Shaped,
    Signature, TaggedInteger, TaggedSalted, TaggedText, Text,
};
use crate::vendor;

/// An attribute whose format is known when the program is built.
pub struct Field<F> {
    id: AttributeId,
    format: PhantomData<fn() -> F>,
}

impl<F> Field<F> {
    /// A field that the dictionary does not list.
    pub const fn new(id: AttributeId) -> Field<F> {
        Field { id, format: PhantomData }
    }

    /// Which attribute this is.
    pub const fn id(&self) -> AttributeId {
        self.id
    }
}

impl<F> Clone for Field<F> {
    fn clone(&self) -> Field<F> {
        *self
    }
}

impl<F> Copy for Field<F> {}

impl<F> fmt::Debug for Field<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.id, f)
    }
}

/// A line of the dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The name, as in the RFC or the vendor's own dictionary.
    pub name: &'static str,
    /// Which attribute.
    pub id: AttributeId,
    /// How its octets are read.
    pub shape: Shape,
}

/// The line for an attribute, if there is one.
pub fn definition(id: AttributeId) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.id == id)
}

/// The line with a name, in whichever case.
pub fn definition_named(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.name.eq_ignore_ascii_case(name))
}

/// Numbers that the codec itself treats apart.
pub(crate) mod number {
    pub(crate) const VENDOR_SPECIFIC: u8 = 26;
    pub(crate) const PROXY_STATE: u8 = 33;
    pub(crate) const EAP_MESSAGE: u8 = 79;
    pub(crate) const MESSAGE_AUTHENTICATOR: u8 = 80;
}

macro_rules! dictionary {
    (
        standard { $($name:ident $number:literal $text:literal $format:ident;)* }
        $(vendor $vendor:ident { $($v_name:ident $v_number:literal $v_text:literal $v_format:ident;)* })*
    ) => {
        $(
            #[doc = $text]
            pub const $name: Field<$format> = Field::new(AttributeId::Standard($number));
        )*
        $($(
            #[doc = $v_text]
            pub const $v_name: Field<$v_format> = Field::new(AttributeId::Vendor {
                vendor: vendor::$vendor,
                number: $v_number,
            });
        )*)*

        /// Every known attribute.
        pub const DEFINITIONS: &[Definition] = &[
            $(Definition { name: $text, id: $name.id(), shape: <$format as Shaped>::SHAPE },)*
            $($(Definition {
                name: $v_text,
                id: $v_name.id(),
                shape: <$v_format as Shaped>::SHAPE,
            },)*)*
        ];
    };
}

dictionary! {
    standard {
        // RFC 2865.
        USER_NAME 1 "User-Name" Text;
        USER_PASSWORD 2 "User-Password" Hidden;
        CHAP_PASSWORD 3 "CHAP-Password" Octets;
        NAS_IP_ADDRESS 4 "NAS-IP-Address" Ipv4;
        NAS_PORT 5 "NAS-Port" Integer;
        SERVICE_TYPE 6 "Service-Type" Integer;
        FRAMED_PROTOCOL 7 "Framed-Protocol" Integer;
        FRAMED_IP_ADDRESS 8 "Framed-IP-Address" Ipv4;
        FRAMED_IP_NETMASK 9 "Framed-IP-Netmask" Ipv4;
        FRAMED_ROUTING 10 "Framed-Routing" Integer;
        FILTER_ID 11 "Filter-Id" Text;
        FRAMED_MTU 12 "Framed-MTU" Integer;
        FRAMED_COMPRESSION 13 "Framed-Compression" Integer;
        LOGIN_IP_HOST 14 "Login-IP-Host" Ipv4;
        LOGIN_SERVICE 15 "Login-Service" Integer;
        LOGIN_TCP_PORT 16 "Login-TCP-Port" Integer;
        REPLY_MESSAGE 18 "Reply-Message" Text;
        CALLBACK_NUMBER 19 "Callback-Number" Text;
        CALLBACK_ID 20 "Callback-Id" Text;
        FRAMED_ROUTE 22 "Framed-Route" Text;
        STATE 24 "State" Octets;
        CLASS 25 "Class" Octets;
        SESSION_TIMEOUT 27 "Session-Timeout" Integer;
        IDLE_TIMEOUT 28 "Idle-Timeout" Integer;
        TERMINATION_ACTION 29 "Termination-Action" Integer;
        CALLED_STATION_ID 30 "Called-Station-Id" Text;
        CALLING_STATION_ID 31 "Calling-Station-Id" Text;
        NAS_IDENTIFIER 32 "NAS-Identifier" Text;
        PROXY_STATE 33 "Proxy-State" Octets;
        CHAP_CHALLENGE 60 "CHAP-Challenge" Octets;
        NAS_PORT_TYPE 61 "NAS-Port-Type" Integer;
        PORT_LIMIT 62 "Port-Limit" Integer;
        // RFC 2866.
        ACCT_STATUS_TYPE 40 "Acct-Status-Type" Integer;
        ACCT_DELAY_TIME 41 "Acct-Delay-Time" Integer;
        ACCT_INPUT_OCTETS 42 "Acct-Input-Octets" Integer;
        ACCT_OUTPUT_OCTETS 43 "Acct-Output-Octets" Integer;
        ACCT_SESSION_ID 44 "Acct-Session-Id" Text;
        ACCT_AUTHENTIC 45 "Acct-Authentic" Integer;
        ACCT_SESSION_TIME 46 "Acct-Session-Time" Integer;
        ACCT_INPUT_PACKETS 47 "Acct-Input-Packets" Integer;
        ACCT_OUTPUT_PACKETS 48 "Acct-Output-Packets" Integer;
        ACCT_TERMINATE_CAUSE 49 "Acct-Terminate-Cause" Integer;
        ACCT_MULTI_SESSION_ID 50 "Acct-Multi-Session-Id" Text;
        ACCT_LINK_COUNT 51 "Acct-Link-Count" Integer;
        // RFC 2867 and 2868.
        TUNNEL_TYPE 64 "Tunnel-Type" TaggedInteger;
        TUNNEL_MEDIUM_TYPE 65 "Tunnel-Medium-Type" TaggedInteger;
        TUNNEL_CLIENT_ENDPOINT 66 "Tunnel-Client-Endpoint" TaggedText;
        TUNNEL_SERVER_ENDPOINT 67 "Tunnel-Server-Endpoint" TaggedText;
        ACCT_TUNNEL_CONNECTION 68 "Acct-Tunnel-Connection" Text;
        TUNNEL_PASSWORD 69 "Tunnel-Password" TaggedSalted;
        TUNNEL_PRIVATE_GROUP_ID 81 "Tunnel-Private-Group-Id" TaggedText;
        TUNNEL_ASSIGNMENT_ID 82 "Tunnel-Assignment-Id" TaggedText;
        TUNNEL_PREFERENCE 83 "Tunnel-Preference" TaggedInteger;
        ACCT_TUNNEL_PACKETS_LOST 86 "Acct-Tunnel-Packets-Lost" Integer;
        TUNNEL_CLIENT_AUTH_ID 90 "Tunnel-Client-Auth-Id" TaggedText;
        TUNNEL_SERVER_AUTH_ID 91 "Tunnel-Server-Auth-Id" TaggedText;
        // RFC 2869 and 3579.
        ACCT_INPUT_GIGAWORDS 52 "Acct-Input-Gigawords" Integer;
        ACCT_OUTPUT_GIGAWORDS 53 "Acct-Output-Gigawords" Integer;
        EVENT_TIMESTAMP 55 "Event-Timestamp" Date;
        PROMPT 76 "Prompt" Integer;
        CONNECT_INFO 77 "Connect-Info" Text;
        EAP_MESSAGE 79 "EAP-Message" Octets;
        MESSAGE_AUTHENTICATOR 80 "Message-Authenticator" Signature;
        ACCT_INTERIM_INTERVAL 85 "Acct-Interim-Interval" Integer;
        NAS_PORT_ID 87 "NAS-Port-Id" Text;
        FRAMED_POOL 88 "Framed-Pool" Text;
        // RFC 4372, 4675, 4849, 5176, 5580.
        CHARGEABLE_USER_IDENTITY 89 "Chargeable-User-Identity" Octets;
        EGRESS_VLANID 56 "Egress-VLANID" Integer;
        INGRESS_FILTERS 57 "Ingress-Filters" Integer;
        EGRESS_VLAN_NAME 58 "Egress-VLAN-Name" Text;
        USER_PRIORITY_TABLE 59 "User-Priority-Table" Octets;
        NAS_FILTER_RULE 92 "NAS-Filter-Rule" Text;
        ERROR_CAUSE 101 "Error-Cause" Integer;
        OPERATOR_NAME 126 "Operator-Name" Text;
        // RFC 3162, 4818 and 6911.
        NAS_IPV6_ADDRESS 95 "NAS-IPv6-Address" Ipv6;
        FRAMED_INTERFACE_ID 96 "Framed-Interface-Id" InterfaceId;
        FRAMED_IPV6_PREFIX 97 "Framed-IPv6-Prefix" Ipv6Prefix;
        LOGIN_IPV6_HOST 98 "Login-IPv6-Host" Ipv6;
        FRAMED_IPV6_ROUTE 99 "Framed-IPv6-Route" Text;
        FRAMED_IPV6_POOL 100 "Framed-IPv6-Pool" Text;
        DELEGATED_IPV6_PREFIX 123 "Delegated-IPv6-Prefix" Ipv6Prefix;
        FRAMED_IPV6_ADDRESS 168 "Framed-IPv6-Address" Ipv6;
        DNS_SERVER_IPV6_ADDRESS 169 "DNS-Server-IPv6-Address" Ipv6;
        ROUTE_IPV6_INFORMATION 170 "Route-IPv6-Information" Ipv6Prefix;
        DELEGATED_IPV6_PREFIX_POOL 171 "Delegated-IPv6-Prefix-Pool" Text;
        STATEFUL_IPV6_ADDRESS_POOL 172 "Stateful-IPv6-Address-Pool" Text;
    }
    vendor MIKROTIK {
        MIKROTIK_RECV_LIMIT 1 "Mikrotik-Recv-Limit" Integer;
        MIKROTIK_XMIT_LIMIT 2 "Mikrotik-Xmit-Limit" Integer;
        MIKROTIK_GROUP 3 "Mikrotik-Group" Text;
        MIKROTIK_WIRELESS_FORWARD 4 "Mikrotik-Wireless-Forward" Integer;
        MIKROTIK_WIRELESS_SKIP_DOT1X 5 "Mikrotik-Wireless-Skip-Dot1x" Integer;
        MIKROTIK_WIRELESS_ENC_ALGO 6 "Mikrotik-Wireless-Enc-Algo" Integer;
        MIKROTIK_WIRELESS_ENC_KEY 7 "Mikrotik-Wireless-Enc-Key" Text;
        MIKROTIK_RATE_LIMIT 8 "Mikrotik-Rate-Limit" Text;
        MIKROTIK_REALM 9 "Mikrotik-Realm" Text;
        MIKROTIK_HOST_IP 10 "Mikrotik-Host-IP" Ipv4;
        MIKROTIK_MARK_ID 11 "Mikrotik-Mark-Id" Text;
        MIKROTIK_ADVERTISE_URL 12 "Mikrotik-Advertise-URL" Text;
        MIKROTIK_ADVERTISE_INTERVAL 13 "Mikrotik-Advertise-Interval" Integer;
        MIKROTIK_RECV_LIMIT_GIGAWORDS 14 "Mikrotik-Recv-Limit-Gigawords" Integer;
        MIKROTIK_XMIT_LIMIT_GIGAWORDS 15 "Mikrotik-Xmit-Limit-Gigawords" Integer;
        MIKROTIK_WIRELESS_PSK 16 "Mikrotik-Wireless-PSK" Text;
        MIKROTIK_TOTAL_LIMIT 17 "Mikrotik-Total-Limit" Integer;
        MIKROTIK_TOTAL_LIMIT_GIGAWORDS 18 "Mikrotik-Total-Limit-Gigawords" Integer;
        MIKROTIK_ADDRESS_LIST 19 "Mikrotik-Address-List" Text;
        MIKROTIK_WIRELESS_MPKEY 20 "Mikrotik-Wireless-MPKey" Text;
        MIKROTIK_WIRELESS_COMMENT 21 "Mikrotik-Wireless-Comment" Text;
        MIKROTIK_DELEGATED_IPV6_POOL 22 "Mikrotik-Delegated-IPv6-Pool" Text;
        MIKROTIK_DHCP_OPTION_SET 23 "Mikrotik-DHCP-Option-Set" Text;
        MIKROTIK_DHCP_OPTION_PARAM_STR1 24 "Mikrotik-DHCP-Option-Param-STR1" Text;
        MIKROTIK_DHCP_OPTION_PARAM_STR2 25 "Mikrotik-DHCP-Option-Param-STR2" Text;
        MIKROTIK_WIRELESS_VLANID 26 "Mikrotik-Wireless-VLANID" Integer;
        MIKROTIK_WIRELESS_VLANID_TYPE 27 "Mikrotik-Wireless-VLANID-Type" Integer;
        MIKROTIK_WIRELESS_MINSIGNAL 28 "Mikrotik-Wireless-Minsignal" Text;
        MIKROTIK_WIRELESS_MAXSIGNAL 29 "Mikrotik-Wireless-Maxsignal" Text;
        MIKROTIK_SWITCHING_FILTER 30 "Mikrotik-Switching-Filter" Text;
    }
    vendor WISPR {
        WISPR_LOCATION_ID 1 "WISPr-Location-ID" Text;
        WISPR_LOCATION_NAME 2 "WISPr-Location-Name" Text;
        WISPR_LOGOFF_URL 3 "WISPr-Logoff-URL" Text;
        WISPR_REDIRECTION_URL 4 "WISPr-Redirection-URL" Text;
        WISPR_BANDWIDTH_MIN_UP 5 "WISPr-Bandwidth-Min-Up" Integer;
        WISPR_BANDWIDTH_MIN_DOWN 6 "WISPr-Bandwidth-Min-Down" Integer;
        WISPR_BANDWIDTH_MAX_UP 7 "WISPr-Bandwidth-Max-Up" Integer;
        WISPR_BANDWIDTH_MAX_DOWN 8 "WISPr-Bandwidth-Max-Down" Integer;
        WISPR_SESSION_TERMINATE_TIME 9 "WISPr-Session-Terminate-Time" Text;
    }
    vendor ASCEND {
        ASCEND_CLIENT_GATEWAY 132 "Ascend-Client-Gateway" Ipv4;
        ASCEND_DATA_RATE 197 "Ascend-Data-Rate" Integer;
        ASCEND_XMIT_RATE 255 "Ascend-Xmit-Rate" Integer;
    }
    vendor MICROSOFT {
        MS_CHAP_RESPONSE 1 "MS-CHAP-Response" Octets;
        MS_CHAP_ERROR 2 "MS-CHAP-Error" Octets;
        MS_MPPE_ENCRYPTION_POLICY 7 "MS-MPPE-Encryption-Policy" Integer;
        MS_MPPE_ENCRYPTION_TYPES 8 "MS-MPPE-Encryption-Types" Integer;
        MS_CHAP_CHALLENGE 11 "MS-CHAP-Challenge" Octets;
        MS_CHAP_MPPE_KEYS 12 "MS-CHAP-MPPE-Keys" Hidden;
        MS_MPPE_SEND_KEY 16 "MS-MPPE-Send-Key" Salted;
        MS_MPPE_RECV_KEY 17 "MS-MPPE-Recv-Key" Salted;
        MS_CHAP2_RESPONSE 25 "MS-CHAP2-Response" Octets;
        MS_CHAP2_SUCCESS 26 "MS-CHAP2-Success" Octets;
        MS_PRIMARY_DNS_SERVER 28 "MS-Primary-DNS-Server" Ipv4;
        MS_SECONDARY_DNS_SERVER 29 "MS-Secondary-DNS-Server" Ipv4;
    }
    vendor CHILLISPOT {
        CHILLISPOT_MAX_INPUT_OCTETS 1 "ChilliSpot-Max-Input-Octets" Integer;
        CHILLISPOT_MAX_OUTPUT_OCTETS 2 "ChilliSpot-Max-Output-Octets" Integer;
        CHILLISPOT_MAX_TOTAL_OCTETS 3 "ChilliSpot-Max-Total-Octets" Integer;
        CHILLISPOT_BANDWIDTH_MAX_UP 4 "ChilliSpot-Bandwidth-Max-Up" Integer;
        CHILLISPOT_BANDWIDTH_MAX_DOWN 5 "ChilliSpot-Bandwidth-Max-Down" Integer;
    }
    vendor CISCO {
        CISCO_AVPAIR 1 "Cisco-AVPair" Text;
        CISCO_ACCOUNT_INFO 250 "Cisco-Account-Info" Text;
        CISCO_COMMAND_CODE 252 "Cisco-Command-Code" Octets;
    }
    vendor JUNIPER_ERX {
        ERX_SERVICE_ACTIVATE 65 "ERX-Service-Activate" TaggedText;
        ERX_SERVICE_DEACTIVATE 66 "ERX-Service-Deactivate" Text;
    }
    vendor HUAWEI {
        HUAWEI_INPUT_AVERAGE_RATE 2 "Huawei-Input-Average-Rate" Integer;
        HUAWEI_INPUT_PEAK_RATE 3 "Huawei-Input-Peak-Rate" Integer;
        HUAWEI_OUTPUT_AVERAGE_RATE 5 "Huawei-Output-Average-Rate" Integer;
        HUAWEI_OUTPUT_PEAK_RATE 6 "Huawei-Output-Peak-Rate" Integer;
        HUAWEI_QOS_PROFILE_NAME 31 "Huawei-Qos-Profile-Name" Text;
    }
    vendor H3C {
        H3C_INPUT_PEAK_RATE 1 "H3C-Input-Peak-Rate" Integer;
        H3C_INPUT_AVERAGE_RATE 2 "H3C-Input-Average-Rate" Integer;
        H3C_OUTPUT_PEAK_RATE 4 "H3C-Output-Peak-Rate" Integer;
        H3C_OUTPUT_AVERAGE_RATE 5 "H3C-Output-Average-Rate" Integer;
    }
    vendor ZTE {
        ZTE_RATE_CTRL_SCR_DOWN 83 "ZTE-Rate-Ctrl-SCR-Down" Integer;
        ZTE_RATE_CTRL_SCR_UP 89 "ZTE-Rate-Ctrl-SCR-Up" Integer;
    }
    vendor ARUBA {
        ARUBA_USER_ROLE 1 "Aruba-User-Role" Text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_every_number_stands_once() {
        for (place, held) in DEFINITIONS.iter().enumerate() {
            for other in &DEFINITIONS[place + 1..] {
                assert_ne!(held.id, other.id, "{} and {}", held.name, other.name);
                assert!(!held.name.eq_ignore_ascii_case(other.name), "{}", held.name);
            }
        }
    }

    #[test]
    fn a_name_finds_its_attribute_in_any_case() {
        let found = definition_named("mikrotik-rate-limit").unwrap();
        assert_eq!(found.id, MIKROTIK_RATE_LIMIT.id());
        assert_eq!(found.shape, Shape::Text);
        assert_eq!(definition_named("Max-All-Session"), None);
    }

    #[test]
    fn mikrotik_is_known_from_1_to_30() {
        for number in 1..=30 {
            let id = AttributeId::Vendor { vendor: vendor::MIKROTIK, number };
            assert!(definition(id).is_some_and(|held| held.name.starts_with("Mikrotik-")));
        }
    }
}
